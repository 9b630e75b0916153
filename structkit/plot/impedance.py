"""A fitted impedance spectrum: Nyquist, Bode, residuals, relaxation times.

Every function takes one spectrum as it is stored
(:mod:`structkit.schema.eis_results`, ``/samples/<sample>/spectra/<n>``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from structkit.plot.style import (
    BACKGROUND_COLOR,
    CALCULATED_COLOR,
    DOUBLE_COLUMN,
    LABEL_SIZE,
    NOTE_SIZE,
    OBSERVED_COLOR,
    TICK_SIZE,
    axis_label,
    color_of,
    dress_axes,
    letter_panels,
    make_axes,
)
from structkit.schema import FREQUENCY, HISTORY, IMPEDANCE, TEMPERATURE
from structkit.schema.eis_results import (
    APEX,
    ELEMENT_UNITS,
    FITTED,
    KRAMERS_KRONIG,
    RESIDUAL,
    USED,
    VALUE,
)
from structkit.schema.names import OUTLIER, RELAXATION, RELAXATION_STD, TIME_CONSTANT

Array = NDArray[np.float64]

_MARKER: dict[str, Any] = {"marker": "o", "markersize": 3.2, "linestyle": "none"}
_ZERO_CELSIUS = 273.15
_SPIKE = 3.0
"""Height of a spectrum over its resistance from which the spike hides the arcs."""
_VIEW = 1.35
"""Part of the plane shown then, in resistances."""
_RIGHT = 0.8
"""Share of the width beyond which a label stands to the left of its point."""
_LEGEND_ROOM = 0.5
"""Of the range of the residuals, above them."""


def plot_nyquist(
    spectrum: xr.Dataset, *, ax: Axes | None = None, whole: bool = False
) -> Axes:
    """Plot -Z'' over Z' on equal scales, measured and fitted.

    Parameters
    ----------
    spectrum : xarray.Dataset
        See the module docstring.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    whole : bool
        Show all of an electrode's spike, however small it makes the arcs.

    Returns
    -------
    Axes
        Whole decades of the frequency are written beside their points.
    """
    ax = make_axes(3.5, 3.2) if ax is None else ax
    measured, fitted = _parts(spectrum, IMPEDANCE), _parts(spectrum, FITTED)
    used = _weights(spectrum)
    ax.plot(
        measured.real[used],
        -measured.imag[used],
        color=OBSERVED_COLOR,
        label="measured",
        **_MARKER,
    )
    if not used.all():
        ax.plot(
            measured.real[~used],
            -measured.imag[~used],
            color=OBSERVED_COLOR,
            markerfacecolor="white",
            label="no weight",
            **_MARKER,
        )
    if np.isfinite(fitted).any():
        ax.plot(
            fitted.real, -fitted.imag, color=color_of(1), linewidth=1.2, label="circuit"
        )
    ax.axhline(0.0, color=BACKGROUND_COLOR, linewidth=0.5, zorder=0)
    ax.set_aspect("equal", adjustable="datalim")
    size = _resistance(spectrum)
    top = float(np.max(-measured.imag))
    if not whole and np.isfinite(size) and top > _SPIKE * size:
        reach = _VIEW * max(size, float(np.min(np.abs(measured.real))))
        ax.set_aspect("equal", adjustable="box")
        ax.set_xlim(min(0.0, float(measured.real.min())), reach)
        ax.set_ylim(min(0.0, 1.05 * float((-measured.imag).min())), reach)
    _label_decades(ax, spectrum, measured)
    for axis, name in ((ax.xaxis, "Z′"), (ax.yaxis, "−Z″")):
        axis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
        axis.set_label_text(f"{name} (Ω)")
    ax.legend(fontsize=NOTE_SIZE, frameon=False, loc="upper left")
    return dress_axes(ax)


def plot_bode(
    spectrum: xr.Dataset, *, axes: tuple[Axes, Axes] | None = None
) -> tuple[Axes, Axes]:
    """Plot modulus and phase over the frequency, measured and fitted.

    Parameters
    ----------
    spectrum : xarray.Dataset
        See the module docstring.
    axes : tuple of Axes, optional
        For modulus and phase. Default: a new figure.

    Returns
    -------
    tuple of Axes
    """
    upper, lower = _stacked() if axes is None else axes
    frequency = spectrum[FREQUENCY].to_numpy()
    used = _weights(spectrum)
    for name, color in ((IMPEDANCE, OBSERVED_COLOR), (FITTED, color_of(1))):
        values = _parts(spectrum, name)
        if not np.isfinite(values).any():
            continue
        phase = np.degrees(np.angle(values))
        for ax, shown in ((upper, np.abs(values)), (lower, -phase)):
            if name == FITTED:
                ax.plot(frequency, shown, color=color, linewidth=1.2)
                continue
            ax.plot(frequency[used], shown[used], color=color, **_MARKER)
            ax.plot(
                frequency[~used],
                shown[~used],
                color=color,
                markerfacecolor="white",
                **_MARKER,
            )
    upper.set_yscale("log")
    upper.tick_params(axis="y", which="minor", labelsize=TICK_SIZE - 1.0)
    upper.set_ylabel("|Z| (Ω)")
    lower.set_ylabel("−phase (°)")
    for ax in (upper, lower):
        ax.set_xscale("log")
        dress_axes(ax)
    lower.set_xlabel(axis_label(spectrum[FREQUENCY]))
    for apex in spectrum[APEX].to_numpy():
        lower.axvline(apex, color=BACKGROUND_COLOR, linewidth=0.6, linestyle=":")
    return upper, lower


def plot_impedance_residuals(spectrum: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot what circuit and Kramers-Kronig test leave, in per cent of the modulus.

    Parameters
    ----------
    spectrum : xarray.Dataset
        See the module docstring.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Outliers of the test have a ring.
    """
    ax = make_axes() if ax is None else ax
    frequency = spectrum[FREQUENCY].to_numpy()
    rows = (
        (RESIDUAL, "circuit", (color_of(1), color_of(0)), 1.0),
        (KRAMERS_KRONIG, "Kramers-Kronig", (OBSERVED_COLOR, OBSERVED_COLOR), 0.5),
    )
    for name, told, colors, width in rows:
        values = 100.0 * _parts(spectrum, name)
        if not np.isfinite(values).any():
            continue
        for part, mark, color, line in (
            (values.real, "Z′", colors[0], "-"),
            (values.imag, "Z″", colors[1], (0, (3, 1.5))),
        ):
            ax.plot(
                frequency,
                part,
                color=color,
                linewidth=width,
                linestyle=line,
                marker="o" if name == RESIDUAL else None,
                markersize=2.0,
                label=f"{told}, {mark}",
            )
    far = spectrum[OUTLIER].to_numpy() != 0
    tested = 100.0 * _parts(spectrum, KRAMERS_KRONIG)
    ring: dict[str, Any] = {"marker": "o", "markersize": 5.0, "linestyle": "none"}
    ax.plot(
        frequency[far],
        tested.real[far],
        color=OBSERVED_COLOR,
        markerfacecolor="none",
        label="outlier" if far.any() else None,
        **ring,
    )
    ax.axhline(0.0, color=BACKGROUND_COLOR, linewidth=0.5, zorder=0)
    ax.set_xscale("log")
    ax.set_xlabel(axis_label(spectrum[FREQUENCY]))
    ax.set_ylabel("residual (% of |Z|)")
    if ax.get_legend_handles_labels()[0]:
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + _LEGEND_ROOM * (high - low))
        ax.legend(fontsize=NOTE_SIZE - 1.0, frameon=False, ncols=2, loc="upper left")
    return dress_axes(ax)


def plot_relaxation(spectrum: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot the distribution of relaxation times with its 1 sigma band.

    Parameters
    ----------
    spectrum : xarray.Dataset
        See the module docstring.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Dotted: the time constants of the circuit's arcs. Shaded: outside the band.
    """
    ax = make_axes() if ax is None else ax
    frequency = spectrum[FREQUENCY].to_numpy()
    fast, slow = (0.5 / np.pi / frequency[-1], 0.5 / np.pi / frequency[0])
    ax.set_xscale("log")
    if RELAXATION in spectrum:
        tau = spectrum[TIME_CONSTANT].to_numpy()
        value = spectrum[RELAXATION].to_numpy()
        std = spectrum[RELAXATION_STD].to_numpy()
        ax.fill_between(
            tau,
            np.maximum(value - std, 0.0),
            value + std,
            color=color_of(0),
            alpha=0.2,
            linewidth=0.0,
        )
        ax.plot(tau, value, color=color_of(0), linewidth=1.2)
        inside = (tau >= fast) & (tau <= slow)
        _scale_to_arcs(ax, spectrum, tau, value, inside)
        for low, high in ((tau[0], fast), (slow, tau[-1])):
            ax.axvspan(low, high, color=BACKGROUND_COLOR, alpha=0.12, linewidth=0.0)
        ax.set_xlim(tau[0], tau[-1])
        ax.set_xlabel(axis_label(spectrum[TIME_CONSTANT]))
    else:
        ax.text(0.5, 0.5, "not computed", transform=ax.transAxes, ha="center")
    for apex in spectrum[APEX].to_numpy():
        ax.axvline(
            0.5 / np.pi / apex, color=CALCULATED_COLOR, linewidth=0.8, linestyle=":"
        )
    ax.yaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    ax.set_ylabel("γ(ln τ) (Ω)")
    return dress_axes(ax)


def _scale_to_arcs(
    ax: Axes, spectrum: xr.Dataset, tau: Array, value: Array, inside: NDArray[np.bool_]
) -> None:
    """Let the arcs fill the panel where an electrode's slow end would dwarf them."""
    if not inside.any():
        return
    top = float(value[inside].max())
    apexes = spectrum[APEX].to_numpy()
    if apexes.size:
        near = np.zeros(tau.size, dtype=bool)
        for apex in apexes:
            near |= np.abs(np.log10(tau * 2.0 * np.pi * apex)) < 0.5
        near &= inside
        if near.any():
            top = float(value[near].max())
    if top > 0.0:
        ax.set_ylim(0.0, 1.25 * top)


def compose_impedance(spectrum: xr.Dataset, *, title: str = "") -> Figure:
    """Return one figure of a spectrum: Nyquist, Bode, residuals, relaxation times.

    Parameters
    ----------
    spectrum : xarray.Dataset
        See the module docstring.
    title : str
        What stands above; the temperature and the verdicts are added.
    """
    figure = Figure(figsize=(DOUBLE_COLUMN, 6.4), layout="constrained")
    grid = figure.add_gridspec(4, 2, height_ratios=(1.0, 1.0, 1.0, 1.0))
    nyquist = figure.add_subplot(grid[:2, 0])
    relaxation = figure.add_subplot(grid[2:, 0])
    upper = figure.add_subplot(grid[0, 1])
    lower = figure.add_subplot(grid[1, 1], sharex=upper)
    rest = figure.add_subplot(grid[2:, 1], sharex=upper)
    plot_nyquist(spectrum, ax=nyquist)
    plot_bode(spectrum, axes=(upper, lower))
    upper.tick_params(labelbottom=False)
    plot_impedance_residuals(spectrum, ax=rest)
    plot_relaxation(spectrum, ax=relaxation)
    letter_panels([nyquist, upper, lower, relaxation, rest])
    figure.suptitle(_title(spectrum, title), fontsize=LABEL_SIZE)
    return figure


def _title(spectrum: xr.Dataset, title: str) -> str:
    """Return what stands above a figure."""
    words = [title] if title else []
    kelvin = float(spectrum[TEMPERATURE])
    if np.isfinite(kelvin):
        words.append(f"{kelvin - _ZERO_CELSIUS:.0f} °C")
    words.append(str(spectrum[HISTORY].item()))
    words.append(str(spectrum.attrs.get("circuit", "")))
    words.append(f"Kramers-Kronig: {spectrum.attrs.get('verdict', 'not tested')}")
    if spectrum.attrs.get("status") not in ("converged", None):
        words.append(str(spectrum.attrs["status"]))
    return ", ".join(word for word in words if word)


def _parts(spectrum: xr.Dataset, name: str) -> NDArray[np.complex128]:
    """Return a complex variable."""
    return np.asarray(spectrum[name].to_numpy(), dtype=complex)


def _weights(spectrum: xr.Dataset) -> NDArray[np.bool_]:
    """Return which points had weight; all where there is no fit."""
    used = spectrum[USED].to_numpy() != 0
    return used if used.any() else np.ones(used.size, dtype=bool)


def _resistance(spectrum: xr.Dataset) -> float:
    """Return the sum of the circuit's resistances, ohm; NaN without a fit."""
    units = spectrum[ELEMENT_UNITS].to_numpy().astype(str)
    values = spectrum[VALUE].to_numpy()[units == "ohm"]
    return float(values.sum()) if values.size else np.nan


def _label_decades(
    ax: Axes, spectrum: xr.Dataset, measured: NDArray[np.complex128]
) -> None:
    """Write whole decades of the frequency beside the points next to them."""
    frequency = spectrum[FREQUENCY].to_numpy()
    low, high = np.ceil(np.log10(frequency[0])), np.floor(np.log10(frequency[-1]))
    x_limits, y_limits = ax.get_xlim(), ax.get_ylim()
    last = None
    for decade in np.arange(high, low - 1.0, -1.0):
        place = int(np.argmin(np.abs(np.log10(frequency) - decade)))
        at = np.array([measured[place].real, -measured[place].imag])
        spread = np.array([np.ptp(x_limits), np.ptp(y_limits)])
        share = (at - [x_limits[0], y_limits[0]]) / spread
        if np.any(share < 0.0) or np.any(share > 0.95):
            continue
        if last is not None and np.hypot(*(share - last)) < 0.08:
            continue
        last = share
        ax.plot(*at, color=CALCULATED_COLOR, **{**_MARKER, "markersize": 4.6})
        ax.annotate(
            EngFormatter(unit="Hz", places=0)(10.0**decade),
            (float(at[0]), float(at[1])),
            xytext=(-4, 3) if share[0] > _RIGHT else (4, 3),
            ha="right" if share[0] > _RIGHT else "left",
            textcoords="offset points",
            fontsize=NOTE_SIZE - 1.0,
            clip_on=True,
        )


def _stacked() -> tuple[Axes, Axes]:
    """Return two panels of a new figure, one above the other."""
    figure = Figure(figsize=(3.5, 3.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    return upper, lower
