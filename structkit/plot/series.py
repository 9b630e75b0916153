"""Results along a milling series, with error bars, upper limits and known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from structkit.plot.series_points import (
    LIMIT_SIGMAS,
    SeriesPoints,
    axis_of,
    below_detection,
    column_of,
    draw_points,
    draw_truth,
    points_of,
    relative_std,
)
from structkit.plot.style import (
    BACKGROUND_COLOR,
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
from structkit.schema import PHASE

Array = NDArray[np.float64]

_ARROW_ROOM = 0.08
"""Room below zero over the height of a panel."""

_WIDE_RANGE = 20.0
"""Largest over smallest relative scale from which its axis is logarithmic."""

_HIGHEST_SHARE = 1.05
"""Where an axis of shares ends at the latest: a bar may go on, no share does."""


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
        points = points_of(results, name, index, limit=below_detection(results, index))
        draw_points(ax, points, index)
        draw_truth(ax, truth, name, index)
    ax.set_ylabel("share of crystalline part")
    _start_at_zero(ax, highest=_HIGHEST_SHARE)
    return _finish(ax, results)


def plot_relative_scales(
    results: xr.Dataset, *, ax: Axes | None = None, truth: xr.Dataset | None = None
) -> Axes:
    """Plot what is left of each phase, relative to the reference sample.

    Parameters
    ----------
    results : xarray.Dataset
        ``relative_scale``, and ``scale`` with ``scale_std`` for its error bars. A
        phase below its detection limit is an arrow at three sigmas; one that is not
        there in the reference sample itself is left out, and a note says so.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    truth : xarray.Dataset, optional
        ``relative_scale`` where it is known, drawn as a dashed line.

    Notes
    -----
    The axis is logarithmic where the largest value is more than 20 times the
    smallest, as for a product that was a trace in the reference.
    """
    ax = make_axes() if ax is None else ax
    shown, absent = _relative_points(results)
    is_wide = _spans_wide(shown)
    for index, points in shown.items():
        draw_points(ax, _above_zero(points) if is_wide else points, index)
        draw_truth(ax, truth, "relative_scale", index)
    ax.set_ylabel("scale / scale of reference")
    if is_wide:
        _use_log_axis(ax)
        _frame_wide(ax, shown)
    else:
        _start_at_zero(ax)
    ax.axhline(1.0, color=BACKGROUND_COLOR, linewidth=0.5, zorder=0)
    if absent:
        _note_absent(ax, [str(results[PHASE].to_numpy()[index]) for index in absent])
    return _finish(ax, results)


def plot_sizes(
    results: xr.Dataset, *, ax: Axes | None = None, truth: xr.Dataset | None = None
) -> Axes:
    """Plot crystallite sizes; those of phases below their detection limit are left out.

    Parameters
    ----------
    results : xarray.Dataset
        ``size_nm`` and its ``_std`` over sample and phase. Where the attribute
        ``instrument_calibrated`` is ``false`` the axis calls them lower bounds.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    truth : xarray.Dataset, optional
        ``size_nm`` where it is known, drawn as a dashed line.
    """
    ax = make_axes() if ax is None else ax
    for index in range(results.sizes[PHASE]):
        hidden = np.isfinite(below_detection(results, index))
        points = points_of(results, "size_nm", index, hidden=hidden)
        draw_points(ax, _above_zero(points), index)
        draw_truth(ax, truth, "size_nm", index)
    _use_log_axis(ax)
    is_bound = str(results.attrs.get("instrument_calibrated", "true")) == "false"
    ax.set_ylabel("crystallite size" + (", at least (nm)" if is_bound else " (nm)"))
    return _finish(ax, results)


def plot_crystallinity(
    results: xr.Dataset, *, ax: Axes | None = None, truth: xr.Dataset | None = None
) -> Axes:
    """Plot the crystalline share of the scattered area, and 1 - amorphous fraction.

    Parameters
    ----------
    results : xarray.Dataset
        ``crystalline_area_fraction`` (a relative index along one series, not a
        content) and, where it is known, ``amorphous_fraction`` (drawn as 1 - it), each
        with its ``_std`` and ``_systematic`` where known.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    truth : xarray.Dataset, optional
        ``crystalline_area_fraction`` (dashed) and ``crystalline_fraction``, the
        content by weight (dotted), where known.
    """
    ax = make_axes() if ax is None else ax
    area, content = "crystalline_area_fraction", "amorphous_fraction"
    draw_points(ax, points_of(results, area, None), None, label="by area")
    draw_truth(ax, truth, area, None)
    draw_truth(ax, truth, "crystalline_fraction", None, is_content=True)
    if content in results and bool(np.isfinite(results[content]).any()):
        points = points_of(results, content, None)
        weighed = replace(points, value=1.0 - points.value)
        draw_points(ax, weighed, 3, label="by weight")
    labels = ax.get_legend_handles_labels()[1]
    if len(labels) > 1:
        ax.legend(fontsize=NOTE_SIZE, frameon=False)
    weighed_in = "by weight" in labels
    ax.set_ylabel("crystalline share" + ("" if weighed_in else " of area"))
    _start_at_zero(ax, highest=_HIGHEST_SHARE)
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


def _relative_points(results: xr.Dataset) -> tuple[dict[int, SeriesPoints], list[int]]:
    """Return relative scales by phase, and the phases that have no reference."""
    shown: dict[int, SeriesPoints] = {}
    absent = []
    for index in range(results.sizes[PHASE]):
        std = relative_std(results, index)
        value = column_of(results, "relative_scale", index)
        hidden = np.isfinite(below_detection(results, index))
        if not np.isfinite(value).any() or np.any(hidden & np.isclose(value, 1.0)):
            absent.append(index)
            continue
        limit = np.where(hidden, np.fmax(value, 0.0) + LIMIT_SIGMAS * std, np.nan)
        shown[index] = points_of(results, "relative_scale", index, limit=limit, std=std)
    return shown, absent if "relative_scale" in results else []


def _spans_wide(shown: dict[int, SeriesPoints]) -> bool:
    """Return whether the positive values span more than a linear axis can show."""
    known = _positive(shown)
    return known.size > 0 and float(known.max()) > _WIDE_RANGE * float(known.min())


def _positive(shown: dict[int, SeriesPoints]) -> Array:
    """Return all positive values and limits."""
    parts = [part for p in shown.values() for part in (p.value, p.limit)]
    known = np.concatenate([np.empty(0), *parts])
    return np.asarray(known[np.isfinite(known) & (known > 0.0)])


def _frame_wide(ax: Axes, shown: dict[int, SeriesPoints]) -> None:
    """Let values and limits set a logarithmic axis, not the ends of long bars."""
    known = _positive(shown)
    ax.set_ylim(0.45 * float(known.min()), 1.6 * float(known.max()))


def _above_zero(points: SeriesPoints) -> SeriesPoints:
    """Return points whose bars stay above zero, for a logarithmic axis."""
    value = np.where(points.value > 0.0, points.value, np.nan)
    std = np.minimum(points.std, 0.9 * value)
    room = np.sqrt(np.maximum((0.95 * value) ** 2 - std**2, 0.0))
    systematic = np.minimum(points.systematic, room)
    return replace(points, value=value, std=std, systematic=systematic)


def _use_log_axis(ax: Axes) -> None:
    """Give an axis logarithmic steps of 1, 2, 5 with plain numbers."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _note_absent(ax: Axes, names: list[str]) -> None:
    """Say which phases the reference sample does not hold."""
    text = "not seen in the reference: " + ", ".join(subscript(name) for name in names)
    ax.annotate(
        text,
        (1.0, 1.0),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        fontsize=NOTE_SIZE,
        color=OBSERVED_COLOR,
    )


def _start_at_zero(ax: Axes, *, highest: float = np.inf) -> None:
    """Start the axis at zero, with room below for the arrows of upper limits."""
    top = min(ax.get_ylim()[1], highest)
    ax.set_ylim(-_ARROW_ROOM * top, top)
    ax.set_yticks([tick for tick in ax.get_yticks() if 0.0 <= tick <= top])


def _finish(ax: Axes, results: xr.Dataset) -> Axes:
    """Label the time axis and leave a margin beside the first and last point."""
    axis = results[axis_of(results)]
    ax.set_xlabel(axis_label(axis))
    ax.margins(x=0.04)
    places = np.unique(axis.to_numpy()[np.isfinite(axis.to_numpy())])
    if places.size == 1:
        ax.set_xticks(places)
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
