"""A fitted Raman spectrum: data, components, baseline, residual.

Every function takes the curves of one spectrum, a :class:`xarray.Dataset`:

========================  ===================  ========================================
name                      dims                 meaning
========================  ===================  ========================================
``raman_shift`` (coord)   raman_shift          ``cm-1``, ascending
``intensity``             raman_shift          as measured
``intensity_std``         raman_shift          1 sigma; NaN where a point had no weight
``baseline``              raman_shift          fitted together with the bands
``component``             column, raman_shift  light of each column
``residual``              raman_shift          data less model over sigma
``masked``                raman_shift          1 where a point had no weight; may lack
``column`` (coord)        column               name
``column_species``        column               whose it is
  (coord)
``column_status``         column               what is known of it; may lack
  (coord)
``centre``                band                 ``cm-1``; may lack: then no labels
``band``, ``band_column``  band                name, its column and species
  ``band_species``
========================  ===================  ========================================

``milling_time`` may stand as a scalar coordinate; attrs ``status``, ``chi_square``.
"""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from structkit.plot.species import (
    DETERMINED,
    SpeciesStyle,
    band_label,
    draw_band_labels,
    species_styles,
)
from structkit.plot.style import (
    BACKGROUND_COLOR,
    CALCULATED_COLOR,
    DOUBLE_COLUMN,
    HALO_COLOR,
    LABEL_SIZE,
    NOTE_SIZE,
    OBSERVED_COLOR,
    axis_label,
    dress_axes,
    make_axes,
    subscript_words,
)
from structkit.schema import ARBITRARY, BAND, INTENSITY, RAMAN_SHIFT

Array = NDArray[np.float64]

COLUMN = "column"
SPECIES_OF_COLUMN = "column_species"
_STATUS = "column_status"
_SIGMAS = 3.0
_ROOM_ABOVE = 0.06
_ROOM_BELOW = 0.05
_BASELINE_RANGE = 0.6
"""Range of a baseline over the height of the signal from which it is drawn apart."""
_LEAST_RESIDUAL = 4.0
_FOOT = 0.02
_LEAST_LIGHT = 0.002
"""Share of the highest point below which a component's outline is left out."""
_LEGEND_COLUMNS = 6
_FIRST_IN_LEGEND = ("data", "model", "baseline", "masked")


def plot_spectrum(
    curves: xr.Dataset, *, ax: Axes | None = None, subtracted: bool = False
) -> Axes:
    """Plot data, the model and its components on the baseline.

    Parameters
    ----------
    curves : xarray.Dataset
        See the module docstring. Columns that are not determined have no fill.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    subtracted : bool
        Take the baseline off everything.

    Returns
    -------
    Axes
        The axes drawn on; one legend handle for each species.
    """
    ax = make_axes(DOUBLE_COLUMN, 3.0) if ax is None else ax
    shift = curves[RAMAN_SHIFT].to_numpy()
    baseline = curves["baseline"].to_numpy()
    base = np.zeros_like(baseline) if subtracted else baseline
    less = baseline if subtracted else np.zeros_like(baseline)
    _draw_components(ax, curves, base)
    _draw_data(ax, curves, less)
    total = base + curves["component"].sum(COLUMN).to_numpy()
    ax.plot(shift, total, color=CALCULATED_COLOR, linewidth=0.8, label="model")
    if subtracted:
        ax.axhline(0.0, color=BACKGROUND_COLOR, linewidth=0.5, zorder=1)
    else:
        ax.plot(
            shift,
            baseline,
            color=BACKGROUND_COLOR,
            linewidth=1.0,
            linestyle=(0, (4, 2)),
            label="baseline",
        )
    _frame(ax, curves, less)
    ax.set_xlabel(axis_label(curves[RAMAN_SHIFT]))
    ax.set_ylabel(light_label(curves, subtracted=subtracted))
    return dress_axes(ax)


def plot_recorded(curves: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot data, model and baseline as recorded, without components.

    Parameters
    ----------
    curves : xarray.Dataset
        See the module docstring.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    """
    ax = make_axes(DOUBLE_COLUMN, 1.6) if ax is None else ax
    bare = curves.isel({COLUMN: slice(0, 0)})
    plot_spectrum(bare, ax=ax)
    for line in ax.get_lines():
        if line.get_label() == "model":
            line.set_ydata(
                curves["baseline"].to_numpy()
                + curves["component"].sum(COLUMN).to_numpy()
            )
    return ax


def plot_residual(curves: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot the residual over sigma; a band of three sigma behind it.

    Parameters
    ----------
    curves : xarray.Dataset
        See the module docstring. Points without weight are ticks at the bottom.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    """
    ax = make_axes(DOUBLE_COLUMN, 1.2) if ax is None else ax
    shift, residual = curves[RAMAN_SHIFT].to_numpy(), curves["residual"].to_numpy()
    ax.axhspan(-_SIGMAS, _SIGMAS, color=HALO_COLOR, alpha=0.35, linewidth=0.0)
    ax.axhline(0.0, color=BACKGROUND_COLOR, linewidth=0.5)
    ax.plot(shift, residual, color=OBSERVED_COLOR, linewidth=0.6)
    known = np.abs(residual[np.isfinite(residual)])
    limit = max(_LEAST_RESIDUAL, 1.1 * float(known.max(initial=0.0)))
    ax.set_ylim(-limit, limit)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True, symmetric=True))
    hidden = shift[mask_of(curves)]
    if hidden.size:
        ax.plot(
            hidden,
            np.full(hidden.size, -limit),
            linestyle="none",
            marker="|",
            markersize=7.0,
            color=CALCULATED_COLOR,
            clip_on=False,
            label="masked",
        )
    ax.set_xlim(float(shift[0]), float(shift[-1]))
    ax.set_xlabel(axis_label(curves[RAMAN_SHIFT]))
    ax.set_ylabel("Δ / σ")
    return dress_axes(ax)


def compose_spectrum_figure(curves: xr.Dataset, *, title: str = "") -> Figure:
    """Compose components over residual, bands named at their centres.

    Parameters
    ----------
    curves : xarray.Dataset
        See the module docstring.
    title : str, optional
        Name of the sample; reduced chi-square and, unless converged, the status
        follow.

    Returns
    -------
    Figure
        Two panels. Where the baseline would flatten the bands it is taken off, and a
        third panel shows the data as recorded.
    """
    height = float(curves["component"].sum(COLUMN).max())
    baseline = curves["baseline"]
    apart = float(baseline.max() - baseline.min()) > _BASELINE_RANGE * height
    size = (DOUBLE_COLUMN, 6.2 if apart else 5.4)
    figure = Figure(figsize=size, layout="constrained")
    ratios = (3.0, 0.9, 1.1) if apart else (3.0, 0.9)
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    plot_spectrum(curves, ax=panels[0], subtracted=apart)
    plot_residual(curves, ax=panels[1])
    if apart:
        plot_recorded(curves, ax=panels[2])
        panels[2].set_ylabel("as recorded", fontsize=LABEL_SIZE)
    for ax in panels[:-1]:
        ax.set_xlabel("")
    figure.align_ylabels(panels)
    label_bands(panels[0], curves, subtracted=apart)
    _add_legend(figure, panels)
    text = " · ".join(part for part in (title, _summarise(curves)) if part)
    figure.suptitle(text, x=0.01, ha="left", fontsize=LABEL_SIZE)
    return figure


def label_bands(ax: Axes, curves: xr.Dataset, *, subtracted: bool = False) -> None:
    """Name bands above the axes; in brackets those that are not determined.

    Parameters
    ----------
    ax : Axes
        Drawn on by :func:`plot_spectrum`.
    curves : xarray.Dataset
        See the module docstring; without ``centre`` nothing is written.
    subtracted : bool
        As for :func:`plot_spectrum`.
    """
    if "centre" not in curves:
        return
    shift = curves[RAMAN_SHIFT].to_numpy()
    total = curves["component"].sum(COLUMN).to_numpy()
    total = total if subtracted else total + curves["baseline"].to_numpy()
    centre = curves["centre"].to_numpy()
    styles = _styles(curves)
    sound = _sound_columns(curves)
    texts, colors = [], []
    for name, column, species, place in zip(
        curves[BAND].to_numpy(),
        curves["band_column"].to_numpy(),
        curves["band_species"].to_numpy(),
        centre,
        strict=True,
    ):
        text = band_label(str(name), centre=float(place))
        texts.append(text if sound[str(column)] else f"({text})")
        owner = str(curves[SPECIES_OF_COLUMN].sel({COLUMN: column}).item())
        style = styles.get(owner) or styles[str(species)]
        colors.append(style.color)
    low, high = ax.get_ylim()
    feet = np.interp(centre, shift, total) + _FOOT * (high - low)
    draw_band_labels(ax, centre, texts, colors=colors, feet=np.minimum(feet, high))


def _styles(curves: xr.Dataset) -> dict[str, SpeciesStyle]:
    """Return the style of each species of some curves."""
    return species_styles([str(name) for name in curves[SPECIES_OF_COLUMN].to_numpy()])


def _sound_columns(curves: xr.Dataset) -> dict[str, bool]:
    """Return which columns are determined; all where nobody asked."""
    names = [str(name) for name in curves[COLUMN].to_numpy()]
    if _STATUS not in curves.coords:
        return dict.fromkeys(names, True)
    status = curves[_STATUS].to_numpy()
    return {n: str(s) == DETERMINED for n, s in zip(names, status, strict=True)}


def mask_of(curves: xr.Dataset) -> NDArray[np.bool_]:
    """Return which points had no weight."""
    if "masked" not in curves:
        return np.zeros(curves.sizes[RAMAN_SHIFT], dtype=bool)
    return np.asarray(curves["masked"].to_numpy() != 0)


def _draw_components(ax: Axes, curves: xr.Dataset, base: Array) -> None:
    """Draw each column above a curve, in the look of its species."""
    shift = curves[RAMAN_SHIFT].to_numpy()
    styles, sound = _styles(curves), _sound_columns(curves)
    least = _LEAST_LIGHT * float(curves["component"].sum(COLUMN).max())
    named: set[str] = set()
    for index, name in enumerate(curves[COLUMN].to_numpy()):
        species = str(curves[SPECIES_OF_COLUMN].to_numpy()[index])
        style = styles[species]
        light = curves["component"].isel({COLUMN: index}).to_numpy()
        seen = np.where(light > least, light, np.nan)
        if sound[str(name)]:
            ax.fill_between(
                shift, base, base + light, color=style.color, alpha=0.22, linewidth=0.0
            )
        ax.plot(
            shift,
            base + seen,
            color=style.color,
            linewidth=1.0,
            linestyle=style.dash,
            label=None if species in named else subscript_words(species),
        )
        named.add(species)


def _draw_data(ax: Axes, curves: xr.Dataset, less: Array) -> None:
    """Draw the points, those without weight as crosses."""
    shift = curves[RAMAN_SHIFT].to_numpy()
    values = curves[INTENSITY].to_numpy() - less
    hidden = mask_of(curves)
    for chosen, marker, size, text in (
        (~hidden, ".", 2.6, "data"),
        (hidden, "x", 3.0, "masked"),
    ):
        if chosen.any():
            ax.plot(
                shift[chosen],
                values[chosen],
                linestyle="none",
                marker=marker,
                markersize=size,
                markeredgewidth=0.0 if marker == "." else 0.6,
                color=OBSERVED_COLOR,
                label=text,
            )


def _frame(ax: Axes, curves: xr.Dataset, less: Array) -> None:
    """Let the weighted data set the height."""
    values = (curves[INTENSITY].to_numpy() - less)[~mask_of(curves)]
    low, high = float(values.min()), float(values.max())
    span = (high - low) or 1.0
    ax.set_ylim(low - _ROOM_BELOW * span, high + _ROOM_ABOVE * span)
    shift = curves[RAMAN_SHIFT].to_numpy()
    ax.set_xlim(float(shift[0]), float(shift[-1]))


def light_label(curves: xr.Dataset, *, subtracted: bool = False) -> str:
    """Return the label of the intensity axis."""
    intensity = curves[INTENSITY]
    name = str(intensity.attrs.get("long_name", "intensity"))
    name = f"{name} − baseline" if subtracted else name
    if intensity.attrs.get("units", ARBITRARY) == ARBITRARY:
        return f"{name} (arb. units)"
    return axis_label(intensity.assign_attrs(long_name=name))


def _add_legend(figure: Figure, panels: list[Axes]) -> None:
    """Put one legend below all panels: data and model first."""
    entries: dict[str, Artist] = {}
    for ax in panels:
        handles, labels = ax.get_legend_handles_labels()
        for text, handle in zip(labels, handles, strict=True):
            entries.setdefault(text, handle)
    first = [
        name for name in ("data", "model", "baseline", "masked") if name in entries
    ]
    order = [*first, *(name for name in entries if name not in first)]
    figure.legend(
        [entries[name] for name in order],
        order,
        loc="outside lower center",
        ncols=math.ceil(len(order) / math.ceil(len(order) / _LEGEND_COLUMNS)),
        fontsize=NOTE_SIZE,
        frameon=False,
        handlelength=2.4,
    )


def _summarise(curves: xr.Dataset) -> str:
    """Return reduced chi-square and, unless converged, the status."""
    parts = []
    if "chi_square" in curves.attrs:
        parts.append(f"χ² = {float(curves.attrs['chi_square']):.2f}")
    status = str(curves.attrs.get("status", "converged"))
    if status != "converged":
        parts.append(status)
    if _STATUS in curves.coords and not all(_sound_columns(curves).values()):
        parts.append("in brackets: not determined")
    return " · ".join(parts)
