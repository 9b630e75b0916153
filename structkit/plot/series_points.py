"""Points of a series: values, uncertainties and limits, and how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.plot.style import (
    OBSERVED_COLOR,
    color_of,
    marker_of,
)
from structkit.schema import MILLING_TIME, PHASE

Array = NDArray[np.float64]

LIMIT_SIGMAS = 3.0
"""A scale below so many of its own sigmas is drawn as an upper limit there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPoints:
    """Values along the axis, each with its uncertainties and perhaps a limit."""

    place: Array
    value: Array
    std: Array
    systematic: Array
    limit: Array
    """Upper limit where the value is none, else NaN."""


def axis_of(results: xr.Dataset) -> str:
    """Return the coordinate that orders the samples."""
    axis = str(results.attrs.get("axis", MILLING_TIME))
    if axis not in results.coords:
        raise SchemaError(f"results have no coordinate {axis!r} on their samples")
    return axis


def column_of(results: xr.Dataset, name: str, index: int | None) -> Array:
    """Return one variable of one phase along the series; NaN where it is absent."""
    n_samples = results[axis_of(results)].size
    if name not in results:
        return np.full(n_samples, np.nan)
    array = results[name]
    if index is not None and PHASE in array.dims:
        array = array.isel({PHASE: index})
    return np.asarray(array.to_numpy(), dtype=float)


def points_of(
    results: xr.Dataset,
    name: str,
    index: int | None,
    *,
    limit: Array | None = None,
    hidden: NDArray[np.bool_] | None = None,
    std: Array | None = None,
) -> SeriesPoints:
    """Return one variable of one phase in the order of the axis, its limits apart."""
    place = np.asarray(results[axis_of(results)].to_numpy(), dtype=float)
    order = np.argsort(place, kind="stable")
    order = order[np.isfinite(place[order])]
    value = column_of(results, name, index)
    limits = np.full(place.size, np.nan) if limit is None else limit
    absent = np.isfinite(limits) if hidden is None else hidden
    spread = column_of(results, f"{name}_std", index) if std is None else std
    systematic = column_of(results, f"{name}_systematic", index)
    return SeriesPoints(
        place=place[order],
        value=np.where(absent, np.nan, value)[order],
        std=spread[order],
        systematic=systematic[order],
        limit=limits[order],
    )


def below_detection(results: xr.Dataset, index: int) -> Array:
    """Return the detection limit where the fraction is below it, else NaN."""
    value = column_of(results, "weight_fraction_crystalline", index)
    limit = column_of(results, "detection_limit", index)
    with np.errstate(invalid="ignore"):
        return np.where(value < limit, limit, np.nan)


def relative_std(results: xr.Dataset, index: int) -> Array:
    """Return 1 sigma of the relative scale, if need be from that of the scale."""
    if "relative_scale_std" in results:
        return column_of(results, "relative_scale_std", index)
    scale = column_of(results, "scale", index)
    relative = column_of(results, "relative_scale", index)
    known = np.isfinite(scale) & np.isfinite(relative) & (relative > 0.0)
    if not known.any():
        return np.full(scale.size, np.nan)
    reference = float(np.median(scale[known] / relative[known]))
    return column_of(results, "scale_std", index) / reference


def draw_points(
    ax: Axes, points: SeriesPoints, index: int | None, *, label: str | None = None
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
        draw_limits(ax, points.place[limited], points.limit[limited], color)


def draw_limits(ax: Axes, place: Array, limit: Array, color: str) -> None:
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


def draw_truth(
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
    points = points_of(truth, name, index)
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
