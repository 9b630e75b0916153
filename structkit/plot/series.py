"""Results along a milling series, with error bars, upper limits and known truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.plot.style import (
    DOUBLE_COLUMN,
    LABEL_SIZE,
    NOTE_SIZE,
    OBSERVED_COLOR,
    axis_label,
    color_of,
    dress_axes,
    letter_panels,
    make_axes,
    marker_of,
    subscript,
    subscript_words,
)
from structkit.schema import MILLING_TIME, PHASE

Array = NDArray[np.float64]

_LIMIT_SIGMAS = 3.0
"""A scale below so many of its own sigmas is drawn as an upper limit there."""

_ARROW_ROOM = 0.08
"""Room below zero over the height of a panel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    """Values along the axis, each with its uncertainties and perhaps a limit."""

    place: Array
    value: Array
    std: Array
    systematic: Array
    limit: Array
    """Upper limit where the value is none, else NaN."""


def plot_fractions(
    results: xr.Dataset, *, ax: Axes | None = None, truth: xr.Dataset | None = None
) -> Axes:
    """Plot each phase's share of the crystalline part against milling time.

    Parameters
    ----------
    results : xarray.Dataset
        ``weight_fraction_crystalline`` over sample and phase; its ``_std`` (thick
        bar), ``_systematic`` (thin bar, both added) and ``detection_limit`` (arrow
        in place of a value below it) where they are known.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    truth : xarray.Dataset, optional
        The same variable where it is known, drawn as a dashed line.

    Returns
    -------
    Axes
        The axes drawn on.
    """
    ax = make_axes() if ax is None else ax
    name = "weight_fraction_crystalline"
    for index in range(results.sizes[PHASE]):
        points = _points(results, name, index, limit=_below_detection(results, index))
        _draw(ax, points, index)
        _draw_truth(ax, truth, name, index)
    ax.set_ylabel("share of crystalline part")
    _start_at_zero(ax)
    return _finish(ax, results)


def plot_relative_scales(
    results: xr.Dataset, *, ax: Axes | None = None, truth: xr.Dataset | None = None
) -> Axes:
    """Plot what is left of each phase, relative to the reference sample.

    Parameters
    ----------
    results : xarray.Dataset
        ``relative_scale``, and ``scale`` with ``scale_std`` for its error bars. A
        phase below its detection limit is an arrow at three sigmas; one that is
        below it in the reference sample itself is left out.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    truth : xarray.Dataset, optional
        ``relative_scale`` where it is known, drawn as a dashed line.
    """
    ax = make_axes() if ax is None else ax
    for index in range(results.sizes[PHASE]):
        std = _relative_std(results, index)
        value = _column(results, "relative_scale", index)
        hidden = np.isfinite(_below_detection(results, index))
        if np.any(hidden & np.isclose(value, 1.0)):
            continue
        limit = np.where(hidden, np.fmax(value, 0.0) + _LIMIT_SIGMAS * std, np.nan)
        _draw(
            ax, _points(results, "relative_scale", index, limit=limit, std=std), index
        )
        _draw_truth(ax, truth, "relative_scale", index)
    ax.set_ylabel("scale / scale of reference")
    _start_at_zero(ax)
    return _finish(ax, results)


def plot_sizes(
    results: xr.Dataset, *, ax: Axes | None = None, truth: xr.Dataset | None = None
) -> Axes:
    """Plot crystallite sizes; those of phases below their detection limit are left out.

    Parameters
    ----------
    results : xarray.Dataset
        ``size_nm`` and its ``_std`` over sample and phase.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    truth : xarray.Dataset, optional
        ``size_nm`` where it is known, drawn as a dashed line.
    """
    ax = make_axes() if ax is None else ax
    for index in range(results.sizes[PHASE]):
        hidden = np.isfinite(_below_detection(results, index))
        points = _points(results, "size_nm", index, hidden=hidden)
        # On a logarithmic axis a bar may not reach below zero.
        std = np.minimum(points.std, 0.9 * np.abs(points.value))
        _draw(ax, replace(points, std=std), index)
        _draw_truth(ax, truth, "size_nm", index)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel("crystallite size (nm)")
    return _finish(ax, results)


def plot_crystallinity(
    results: xr.Dataset, *, ax: Axes | None = None, truth: xr.Dataset | None = None
) -> Axes:
    """Plot the crystalline share of the scattered area, and 1 - amorphous fraction.

    Parameters
    ----------
    results : xarray.Dataset
        ``crystalline_area_fraction`` (a relative index along one series, not a
        content) and, where a standard was weighed in, ``amorphous_fraction``, each
        with its ``_std`` and ``_systematic`` where known.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    truth : xarray.Dataset, optional
        ``crystalline_area_fraction`` (dashed) and ``crystalline_fraction``, the
        content by weight (dotted), where known.
    """
    ax = make_axes() if ax is None else ax
    area, content = "crystalline_area_fraction", "amorphous_fraction"
    _draw(ax, _points(results, area, None), None, label="by area")
    _draw_truth(ax, truth, area, None)
    _draw_truth(ax, truth, "crystalline_fraction", None, is_content=True)
    if content in results and bool(np.isfinite(results[content]).any()):
        points = _points(results, content, None)
        weighed = replace(points, value=1.0 - points.value)
        _draw(ax, weighed, 3, label="by internal standard")
    labels = ax.get_legend_handles_labels()[1]
    if len(labels) > 1:
        ax.legend(fontsize=NOTE_SIZE, frameon=False)
    weighed_in = "by internal standard" in labels
    ax.set_ylabel("crystalline share" + ("" if weighed_in else " of area"))
    _start_at_zero(ax)
    return _finish(ax, results)


def compose_series(results: xr.Dataset, *, truth: xr.Dataset | None = None) -> Figure:
    """Compose a milling series: what is left, of what, how much, how large.

    Parameters
    ----------
    results : xarray.Dataset
        Dims ``sample`` and ``phase``, variables named as in ``tables/phases.csv``
        and ``tables/samples.csv``, ``milling_time`` a coordinate on ``sample``.
    truth : xarray.Dataset, optional
        The same variables where they are known, on samples of its own.

    Returns
    -------
    Figure
        Four panels over one time axis, the legend of the phases above them.

    Raises
    ------
    SchemaError
        When the results lack the axis of the series.
    """
    figure = Figure(figsize=(DOUBLE_COLUMN, 5.2), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    panels = list(grid.flat)
    plot_crystallinity(results, ax=panels[0], truth=truth)
    plot_relative_scales(results, ax=panels[1], truth=truth)
    plot_fractions(results, ax=panels[2], truth=truth)
    plot_sizes(results, ax=panels[3], truth=truth)
    for ax in panels[:2]:
        ax.set_xlabel("")
    letter_panels(panels)
    handles = _legend_handles(results, has_truth=truth is not None)
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=len(handles),
        fontsize=NOTE_SIZE,
        frameon=False,
        title=subscript_words(str(results.attrs.get("name", ""))) or None,
        title_fontsize=LABEL_SIZE,
    )
    figure.supxlabel(_caption(results), fontsize=NOTE_SIZE, color=OBSERVED_COLOR)
    return figure


def _axis_of(results: xr.Dataset) -> str:
    """Return the coordinate that orders the samples."""
    axis = str(results.attrs.get("axis", MILLING_TIME))
    if axis not in results.coords:
        raise SchemaError(f"results have no coordinate {axis!r} on their samples")
    return axis


def _column(results: xr.Dataset, name: str, index: int | None) -> Array:
    """Return one variable of one phase along the series; NaN where it is absent."""
    n_samples = results[_axis_of(results)].size
    if name not in results:
        return np.full(n_samples, np.nan)
    array = results[name]
    if index is not None and PHASE in array.dims:
        array = array.isel({PHASE: index})
    return np.asarray(array.to_numpy(), dtype=float)


def _points(
    results: xr.Dataset,
    name: str,
    index: int | None,
    *,
    limit: Array | None = None,
    hidden: NDArray[np.bool_] | None = None,
    std: Array | None = None,
) -> _Points:
    """Return one variable of one phase in the order of the axis, its limits apart."""
    place = np.asarray(results[_axis_of(results)].to_numpy(), dtype=float)
    order = np.argsort(place, kind="stable")
    order = order[np.isfinite(place[order])]
    value = _column(results, name, index)
    limits = np.full(place.size, np.nan) if limit is None else limit
    absent = np.isfinite(limits) if hidden is None else hidden
    spread = _column(results, f"{name}_std", index) if std is None else std
    systematic = _column(results, f"{name}_systematic", index)
    return _Points(
        place=place[order],
        value=np.where(absent, np.nan, value)[order],
        std=spread[order],
        systematic=systematic[order],
        limit=limits[order],
    )


def _below_detection(results: xr.Dataset, index: int) -> Array:
    """Return the detection limit where the fraction is below it, else NaN."""
    value = _column(results, "weight_fraction_crystalline", index)
    limit = _column(results, "detection_limit", index)
    with np.errstate(invalid="ignore"):
        return np.where(value < limit, limit, np.nan)


def _relative_std(results: xr.Dataset, index: int) -> Array:
    """Return 1 sigma of the relative scale: that of the scale over the reference."""
    scale = _column(results, "scale", index)
    relative = _column(results, "relative_scale", index)
    known = np.isfinite(scale) & np.isfinite(relative) & (relative > 0.0)
    if not known.any():
        return np.full(scale.size, np.nan)
    reference = float(np.median(scale[known] / relative[known]))
    return _column(results, "scale_std", index) / reference


def _draw(
    ax: Axes, points: _Points, index: int | None, *, label: str | None = None
) -> None:
    """Draw values with a thick bar (esd) and a thin one (with the systematic part)."""
    color = OBSERVED_COLOR if index is None else color_of(index)
    marker = "o" if index is None else marker_of(index)
    shown = np.isfinite(points.value)
    if shown.any():
        place, value = points.place[shown], points.value[shown]
        std = np.nan_to_num(points.std[shown])
        total = np.hypot(std, np.nan_to_num(points.systematic[shown]))
        ax.errorbar(
            place,
            value,
            total,
            fmt="none",
            ecolor=color,
            elinewidth=0.8,
            capsize=2.2,
            capthick=0.8,
        )
        ax.errorbar(place, value, std, fmt="none", ecolor=color, elinewidth=2.0)
        ax.plot(
            place,
            value,
            color=color,
            marker=marker,
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.5,
            linewidth=0.9,
            label=label,
        )
    limited = np.isfinite(points.limit)
    if limited.any():
        _draw_limits(ax, points.place[limited], points.limit[limited], color)


def _draw_limits(ax: Axes, place: Array, limit: Array, color: str) -> None:
    """Draw upper limits: a bar with an arrow that points down."""
    ax.plot(
        place,
        limit,
        linestyle="none",
        marker="_",
        markersize=7.0,
        color=color,
        zorder=3,
    )
    for x, y in zip(place, limit, strict=True):
        ax.annotate(
            "",
            (x, y),
            xytext=(0, -11),
            textcoords="offset points",
            arrowprops={
                "arrowstyle": "<|-,head_length=0.25,head_width=0.13",
                "color": color,
                "linewidth": 0.9,
                "shrinkA": 0.0,
                "shrinkB": 0.0,
            },
            annotation_clip=False,
        )


def _draw_truth(
    ax: Axes,
    truth: xr.Dataset | None,
    name: str,
    index: int | None,
    *,
    is_content: bool = False,
) -> None:
    """Draw the known values as a line behind the data, dashed; a content dotted."""
    if truth is None or name not in truth:
        return
    points = _points(truth, name, index)
    ax.plot(
        points.place,
        points.value,
        color=OBSERVED_COLOR if index is None else color_of(index),
        linestyle=(0, (1, 1.5)) if is_content else (0, (3, 2)),
        linewidth=1.6,
        alpha=0.45,
        zorder=1,
        label="true content by weight" if is_content else None,
    )


def _start_at_zero(ax: Axes) -> None:
    """Start the axis at zero, with room below for the arrows of upper limits."""
    top = ax.get_ylim()[1]
    ax.set_ylim(-_ARROW_ROOM * top, top)
    ax.set_yticks([tick for tick in ax.get_yticks() if 0.0 <= tick <= top])


def _finish(ax: Axes, results: xr.Dataset) -> Axes:
    """Label the time axis and leave a margin beside the first and last point."""
    ax.set_xlabel(axis_label(results[_axis_of(results)]))
    ax.margins(x=0.04)
    return dress_axes(ax)


def _legend_handles(results: xr.Dataset, *, has_truth: bool) -> list[Line2D]:
    """Return one entry for each phase, and one for the truth."""
    handles = [
        Line2D(
            [],
            [],
            color=color_of(index),
            marker=marker_of(index),
            markersize=4.5,
            linewidth=0.9,
            label=subscript(str(name)),
        )
        for index, name in enumerate(results[PHASE].to_numpy())
    ]
    if has_truth:
        dashed = Line2D(
            [],
            [],
            color=OBSERVED_COLOR,
            linestyle=(0, (3, 2)),
            linewidth=1.6,
            alpha=0.6,
            label="truth",
        )
        handles.append(dashed)
    return handles


def _caption(results: xr.Dataset) -> str:
    """Return what the bars and arrows of the figure mean."""
    parts = ["thick bar: 1σ"]
    if any(str(name).endswith("_systematic") for name in results.data_vars):
        parts.append("thin bar: with its systematic part")
    parts.append("arrow: below the detection limit")
    return "; ".join(parts)
