"""Conductivities over the inverse temperature, with their lines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from structkit.errors import SchemaError
from structkit.plot.style import (
    LABEL_SIZE,
    NOTE_SIZE,
    TICK_SIZE,
    color_of,
    dress_axes,
    make_axes,
    marker_of,
)
from structkit.schema import CONTRIBUTION, HISTORY, TEMPERATURE
from structkit.schema.conductivity import (
    ALL_POINTS,
    CONDUCTIVITY,
    CONDUCTIVITY_STD,
    CONTRIBUTIONS,
    CONVENTION,
    CONVENTIONS,
    IN_BAND,
    IN_BAND_POINTS,
    LN_SIGMA_T,
    POINTS,
)

Floats = NDArray[np.float64]

_BOLTZMANN_EV = 8.617333262e-5
_ZERO_CELSIUS = 273.15
_FILLS = ("full", "left", "top", "right", "bottom")


def plot_arrhenius(
    conductivity: xr.Dataset,
    fits: Sequence[xr.Dataset] = (),
    *,
    convention: str = LN_SIGMA_T,
    ax: Axes | None = None,
) -> Axes:
    """Plot conductivities and their lines over 1000/T.

    Parameters
    ----------
    conductivity : xarray.Dataset
        As :mod:`structkit.schema.conductivity` says.
    fits : sequence of xarray.Dataset
        Activation energies (``/samples/<sample>/arrhenius/<n>``), one for each history.
    convention : {"ln_sigma_T", "ln_sigma"}
        Whether sigma times T or sigma is shown, with the lines of that convention.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Hollow: the arc's apex is outside the measured band. Dashed: the line without
        those points, where there are any.

    Raises
    ------
    SchemaError
        There is no such convention.
    """
    if convention not in CONVENTIONS:
        raise SchemaError(f"convention {convention!r}: one of {', '.join(CONVENTIONS)}")
    ax = make_axes(3.5, 3.6) if ax is None else ax
    ax.set_yscale("log")
    past = conductivity[HISTORY].to_numpy().astype(str)
    histories = list(dict.fromkeys(past.tolist()))
    for index, name in enumerate(CONTRIBUTIONS):
        row = conductivity.sel({CONTRIBUTION: name})
        for turn, history in enumerate(histories):
            own = row.isel({row[TEMPERATURE].dims[0]: np.flatnonzero(past == history)})
            said = _draw_points(ax, own, convention, style=(index, turn))
            line = next((f for f in fits if f.attrs.get(HISTORY, "") == history), None)
            energy = ""
            if line is not None:
                energy = _draw_line(
                    ax, line.sel({CONTRIBUTION: name}), convention, color_of(index)
                )
            if said:
                words = [name.replace("_", " "), history, energy]
                ax.plot(
                    [],
                    [],
                    color=color_of(index),
                    marker=marker_of(index),
                    fillstyle=_FILLS[turn % len(_FILLS)],
                    markersize=4.5,
                    linewidth=1.0,
                    label=", ".join(word for word in words if word),
                )
    ax.set_xlabel("1000/T (K⁻¹)")
    scaled = convention == LN_SIGMA_T
    ax.set_ylabel("σT (S K cm⁻¹)" if scaled else "σ (S cm⁻¹)")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(
            fontsize=NOTE_SIZE,
            frameon=False,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.2),
        )
    dress_axes(ax)
    _add_celsius(ax)
    return ax


def _draw_points(
    ax: Axes, row: xr.Dataset, convention: str, *, style: tuple[int, int]
) -> bool:
    """Draw the points of one contribution and history; tell whether there were any."""
    kelvin = row[TEMPERATURE].to_numpy()
    factor = kelvin if convention == LN_SIGMA_T else np.ones_like(kelvin)
    value = row[CONDUCTIVITY].to_numpy() * factor
    std = np.nan_to_num(row[CONDUCTIVITY_STD].to_numpy() * factor)
    shown = np.isfinite(value) & np.isfinite(kelvin) & (value > 0.0)
    inside = row[IN_BAND].to_numpy() > 0
    index, turn = style
    for chosen, hollow in ((shown & inside, False), (shown & ~inside, True)):
        if not chosen.any():
            continue
        low = np.minimum(std[chosen], 0.9 * value[chosen])
        ax.errorbar(
            1000.0 / kelvin[chosen],
            value[chosen],
            yerr=[low, std[chosen]],
            color=color_of(index),
            marker=marker_of(index),
            fillstyle="none" if hollow else _FILLS[turn % len(_FILLS)],
            markerfacecoloralt="white",
            markersize=4.5,
            linestyle="none",
            elinewidth=0.7,
        )
    return bool(shown.any())


def _draw_line(ax: Axes, fits: xr.Dataset, convention: str, color: str) -> str:
    """Draw the lines of one contribution and return its activation energy."""
    chosen = fits.sel({CONVENTION: convention})
    every, inside = (chosen.sel({POINTS: one}) for one in (ALL_POINTS, IN_BAND_POINTS))
    if not math.isfinite(float(every["activation_energy"])):
        return ""
    _line(ax, every, color, "-")
    said = f"{_energy(every)} eV"
    fewer = float(inside["n_points"]) < float(every["n_points"])
    if fewer and math.isfinite(float(inside["activation_energy"])):
        _line(ax, inside, color, (0, (4, 2)))
        said += f" (in band {_energy(inside)})"
    return said


def _line(
    ax: Axes, fit: xr.Dataset, color: str, style: str | tuple[int, tuple[int, int]]
) -> None:
    """Draw one line over the temperatures of its points."""
    ends = np.array([float(fit["temperature_low"]), float(fit["temperature_high"])])
    exponent = float(fit["ln_prefactor"]) - float(fit["activation_energy"]) / (
        _BOLTZMANN_EV * ends
    )
    ax.plot(
        1000.0 / ends, np.exp(exponent), color=color, linewidth=1.0, linestyle=style
    )


def _energy(fit: xr.Dataset) -> str:
    """Return ``0.598(25)``."""
    value, std = float(fit["activation_energy"]), float(fit["activation_energy_std"])
    if not math.isfinite(std) or std <= 0.0:
        return f"{value:.3f}"
    digits = max(0, min(5, 1 - math.floor(math.log10(std))))
    return f"{value:.{digits}f}({round(std * 10**digits)})"


def _add_celsius(ax: Axes) -> None:
    """Write degrees Celsius along the top."""

    def forward(inverse: ArrayLike) -> Floats:
        safe = np.maximum(np.asarray(inverse, dtype=float), 1e-3)
        return np.asarray(1000.0 / safe - _ZERO_CELSIUS)

    def backward(celsius: ArrayLike) -> Floats:
        safe = np.maximum(np.asarray(celsius, dtype=float) + _ZERO_CELSIUS, 1.0)
        return np.asarray(1000.0 / safe)

    top = ax.secondary_xaxis("top", functions=(forward, backward))
    top.set_xlabel("T (°C)", fontsize=LABEL_SIZE)
    top.tick_params(labelsize=TICK_SIZE, length=3.0, width=0.7)
