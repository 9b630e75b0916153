"""Parameters of Raman bands along a milling series.

Bands come as a :class:`xarray.Dataset` over ``sample``, with the coordinate
``milling_time`` and, where there are reference samples, ``role``: a sample whose role
is ``crystalline_reference`` is a level across the panel, not a point in time.

=======================  ==============  =============================================
name                     dims            meaning
=======================  ==============  =============================================
``centre``, ``fwhm``     sample, band    ``cm-1``, with ``_std``; NaN where absent
``area``                 sample, band    with ``area_std``
``status``               sample, band    what is known of the band; may lack
``species`` (coord)      band            whose it is; may lack
=======================  ==============  =============================================
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.plot.raman_points import (
    add_key,
    draw_reference,
    draw_series,
    hold_times,
    is_reference,
)
from structkit.plot.series_points import LIMIT_SIGMAS, draw_limits
from structkit.plot.species import (
    DETERMINED,
    SpeciesStyle,
    band_label,
    plain_name,
    species_styles,
)
from structkit.plot.style import (
    DOUBLE_COLUMN,
    LABEL_SIZE,
    NOTE_SIZE,
    axis_label,
    dress_axes,
    make_axes,
)
from structkit.schema import BAND, MILLING_TIME, SAMPLE, SPECIES

Array = NDArray[np.float64]

PARAMETERS = ("centre", "fwhm", "area")
"""Columns of the figure of band parameters."""
_SHORT = {"centre": "centre", "fwhm": "FWHM", "area": "area"}
_NOT_DETECTED = "not detected"
_SOLID = (DETERMINED, "sum of merged bands")
_ROW_HEIGHT = 0.9
_LEAST_TIMES = 2
_ARROW_ROOM = 0.12
"""Room below zero over the height of a panel, for the arrows of limits."""


def plot_band_parameter(
    bands: xr.Dataset, parameter: str, *, band: str, ax: Axes | None = None
) -> Axes:
    """Plot one parameter of one band against milling time.

    Parameters
    ----------
    bands : xarray.Dataset
        See the module docstring.
    parameter : {"centre", "fwhm", "area"}
        Which.
    band : str
        Of which band.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Filled: determined. Hollow: not determined by itself. Arrow: an area that is
        not detected, at three sigma. Level: the reference sample.
    """
    ax = make_axes() if ax is None else ax
    row = bands.sel({BAND: band})
    style = _style_of(bands, band)
    time = row[MILLING_TIME].to_numpy().astype(float)
    value = row[parameter].to_numpy().astype(float)
    std = _std_of(row, parameter)
    status = _status_of(row)
    absent = status == _NOT_DETECTED
    level = is_reference(row) & np.isfinite(value) & ~absent
    draw_reference(ax, value[level], std[level], color=style.color)
    shown = np.isfinite(value) & np.isfinite(time) & ~absent & ~is_reference(row)
    order = np.argsort(time, kind="stable")
    order = order[shown[order]]
    draw_series(
        ax,
        (time[order], value[order], std[order]),
        style,
        solid=np.isin(status[order], _SOLID),
    )
    limited = absent & np.isfinite(time) & np.isfinite(std) & ~is_reference(row)
    if parameter == "area" and limited.any():
        limit = np.maximum(value[limited], 0.0) + LIMIT_SIGMAS * std[limited]
        draw_limits(ax, time[limited], limit, style.color)
        ax.update_datalim([(float(time[limited][0]), float(limit.max()))])
        ax.autoscale_view()
    if parameter == "area":
        top = max(ax.get_ylim()[1], 0.0) or 1.0
        ax.set_ylim(-_ARROW_ROOM * top, 1.08 * top)
    ax.set_ylabel(axis_label(row[parameter]))
    ax.set_xlabel(axis_label(bands[MILLING_TIME]))
    hold_times(ax, bands)
    return dress_axes(ax)


def compose_band_parameters(
    bands: xr.Dataset, *, names: Sequence[str] | None = None
) -> Figure:
    """Compose centre, width and area of each band against milling time.

    Parameters
    ----------
    bands : xarray.Dataset
        See the module docstring. A band and those learned from it in a sample, whose
        name follows in brackets, are one row.
    names : sequence of str, optional
        Bands to draw, without such brackets. Default: those with an area in two samples
        at least, references not counted.

    Returns
    -------
    Figure
        A row for each band; what has no value stays empty.

    Raises
    ------
    SchemaError
        There is no band to draw.
    """
    bands = _join_learned(bands) if bands.sizes[BAND] else bands
    chosen = list(_bands_with_values(bands) if names is None else names)
    if not chosen:
        raise SchemaError("no band has a value; name bands, or look at the fits")
    shown = [name for name in PARAMETERS if name in bands]
    size = (DOUBLE_COLUMN, 0.9 + _ROW_HEIGHT * len(chosen))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(chosen), len(shown), sharex=True, squeeze=False)
    for panels, band in zip(grid, chosen, strict=True):
        for ax, parameter in zip(panels, shown, strict=True):
            plot_band_parameter(bands, parameter, band=band, ax=ax)
            ax.set_ylabel("")
            if band != chosen[-1]:
                ax.set_xlabel("")
            _dress_panel(ax, parameter)
        panels[0].set_ylabel(
            _break_words(band_label(band)),
            fontsize=NOTE_SIZE,
            color=_style_of(bands, band).color,
            rotation=0,
            ha="right",
            va="center",
        )
    for ax, parameter in zip(grid[0], shown, strict=True):
        named = bands[parameter].assign_attrs(long_name=_SHORT[parameter])
        ax.set_title(axis_label(named), fontsize=LABEL_SIZE)
    figure.align_ylabels(grid[:, 0])
    add_key(figure, bands, arrow="area below three sigma")
    return figure


def _style_of(bands: xr.Dataset, band: str) -> SpeciesStyle:
    """Return the look of a band's species; of the band where it has none."""
    if SPECIES not in bands.variables:
        return species_styles([band])[band]
    names = [str(name) for name in bands[SPECIES].to_numpy()]
    place = [str(name) for name in bands[BAND].to_numpy()].index(band)
    return species_styles(names)[names[place]]


def _std_of(row: xr.Dataset, name: str) -> Array:
    """Return 1 sigma of a variable; NaN where it is not known."""
    if f"{name}_std" not in row:
        return np.full(row.sizes[SAMPLE], np.nan)
    return np.asarray(row[f"{name}_std"].to_numpy(), dtype=float)


def _status_of(row: xr.Dataset) -> NDArray[np.str_]:
    """Return what is known of a band in each sample."""
    if "status" not in row:
        return np.full(row.sizes[SAMPLE], DETERMINED)
    return np.asarray(row["status"].to_numpy(), dtype=str)


def _join_learned(bands: xr.Dataset) -> xr.Dataset:
    """Return bands of which those learned from a sample are one with their origin."""
    rows: dict[str, xr.Dataset] = {}
    for name in bands[BAND].to_numpy():
        row = bands.sel({BAND: name})
        plain = plain_name(str(name))
        if plain in rows:
            first = rows[plain]
            known = first["area" if "area" in first else "centre"].notnull()
            scalars = row.drop_vars([BAND, SPECIES], errors="ignore")
            row = first.where(known, scalars)
        rows[plain] = row.assign_coords({BAND: plain})
    joined = xr.concat(list(rows.values()), BAND, coords=[BAND], compat="override")
    if SPECIES in bands.variables:
        species = [str(row[SPECIES].item()) for row in rows.values()]
        joined = joined.assign_coords({SPECIES: ((BAND,), species)})
    return joined.transpose(SAMPLE, BAND)


def _bands_with_values(bands: xr.Dataset) -> list[str]:
    """Return the bands that make a series, by their centre."""
    finite = bands["area" if "area" in bands else "centre"].notnull().to_numpy()
    times = finite[~is_reference(bands)].sum(axis=0)
    kept = times >= min(_LEAST_TIMES, int(times.max(initial=1)))
    names = bands[BAND].to_numpy()[kept]
    centre = np.nan_to_num(bands["centre"].to_numpy()[:, kept], nan=-np.inf).max(axis=0)
    order = np.argsort(np.where(np.isfinite(centre), centre, np.inf), kind="stable")
    return [str(name) for name in names[order]]


def _dress_panel(ax: Axes, parameter: str) -> None:
    """Give a small panel few ticks; an empty one none at all."""
    ax.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
    if parameter == "area":
        ax.yaxis.set_major_formatter(EngFormatter(sep=""))
    else:
        ax.ticklabel_format(axis="y", useOffset=False)
    if not ax.has_data():
        ax.set_yticks([])
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
        ax.tick_params(axis="x", length=0.0)


def _break_words(text: str) -> str:
    """Return a long name in two lines."""
    words = text.split(" ")
    if len(text) < 13 or len(words) < 2:
        return text
    cuts = range(1, len(words))
    best = min(cuts, key=lambda k: abs(len(" ".join(words[:k])) - len(text) / 2))
    return " ".join(words[:best]) + "\n" + " ".join(words[best:])
