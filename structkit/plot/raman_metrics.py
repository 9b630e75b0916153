"""Metrics of Raman spectra along a milling series.

Metrics come as the root of ``raman.nc``, over ``sample`` and ``metric``:
``metric_value``, ``metric_value_std`` (1 sigma), ``metric_low`` and ``metric_high``
(95 % limits) and ``metric_resolved`` (1 where the data determine it), with the
coordinate ``milling_time`` and, where there are reference samples, ``role`` over
``sample``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.plot.raman_points import (
    add_key,
    draw_reference,
    draw_series,
    hold_times,
    is_reference,
)
from structkit.plot.species import SpeciesStyle
from structkit.plot.style import (
    DOUBLE_COLUMN,
    OBSERVED_COLOR,
    TICK_SIZE,
    axis_label,
    color_of,
    dress_axes,
    make_axes,
    marker_of,
)
from structkit.schema import METRIC, MILLING_TIME, SAMPLE

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SHARES = ("r_ax", "r_O", "amorphous_share")
"""Metrics that lie between 0 and 1."""
_TITLES = {
    "out_of_plane_ratio": "out-of-plane bends / stretches",
    "in_plane_ratio": "in-plane bends / stretches",
    "bend_ratio": "out-of-plane / in-plane bends",
    "r_ax": "$r_\\mathrm{ax}$: 405 / (405 + equatorial)",
    "S_ax": "$S_\\mathrm{ax}$: loss of the 405 line",
    "r_O": "$r_\\mathrm{O}$: Ta-O-Ta / (Ta-O-Ta + Ta-Cl)",
    "oxide_ratio": "Ta-O-Ta / Ta-Cl stretches",
    "amorphous_share": "amorphous share",
}
_NUMBERS = ("metric_value", "metric_value_std", "metric_low", "metric_high")
_STYLE = SpeciesStyle(color=color_of(0), dash=(0.0, ()), marker=marker_of(0))
_PANEL_HEIGHT = 1.75
_N_COLUMNS = 3
_ROOM = 0.12


def plot_metric(
    metrics: xr.Dataset,
    name: str,
    *,
    ax: Axes | None = None,
    truth: xr.Dataset | None = None,
) -> Axes:
    """Plot one metric against milling time with its 95 % limits.

    Parameters
    ----------
    metrics : xarray.Dataset
        See the module docstring.
    name : str
        Of the metric.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    truth : xarray.Dataset, optional
        A variable of that name over its own samples, where it is known (dashed).

    Returns
    -------
    Axes
        Filled: resolved. Hollow: not resolved. Thick bar: 1 sigma, thin bar: 95 %
        limits; an arrow where they leave the panel. Level: the reference sample.
    """
    ax = make_axes() if ax is None else ax
    row = metrics.sel({METRIC: name})
    time = row[MILLING_TIME].to_numpy().astype(float)
    value, std = (
        row[key].to_numpy().astype(float)
        for key in ("metric_value", "metric_value_std")
    )
    low, high = (
        row[key].to_numpy().astype(float) for key in ("metric_low", "metric_high")
    )
    solid = row["metric_resolved"].to_numpy() != 0
    is_level = is_reference(row)
    known = is_level & np.isfinite(value) & solid
    draw_reference(ax, value[known], std[known], color=_STYLE.color)
    _draw_known(ax, truth, name)
    shown = np.isfinite(value) & np.isfinite(time) & ~is_level
    order = np.argsort(time, kind="stable")
    order = order[shown[order]]
    held = _frame(row, name, shown | known, truth)
    ax.set_ylim(*held)
    _draw_limits95(ax, time[order], low[order], high[order], color=_STYLE.color)
    draw_series(ax, (time[order], value[order], std[order]), _STYLE, solid=solid[order])
    ax.set_ylim(*held)
    ax.set_title(_TITLES.get(name, name.replace("_", " ")), fontsize=TICK_SIZE)
    ax.set_xlabel(axis_label(metrics[MILLING_TIME]))
    hold_times(ax, metrics)
    return dress_axes(ax)


def compose_metrics(
    metrics: xr.Dataset,
    *,
    names: Sequence[str] | None = None,
    truth: xr.Dataset | None = None,
) -> Figure:
    """Compose all metrics against milling time.

    Parameters
    ----------
    metrics : xarray.Dataset
        See the module docstring.
    names : sequence of str, optional
        Which; default: all with a value.
    truth : xarray.Dataset, optional
        See :func:`plot_metric`.

    Returns
    -------
    Figure
        Small multiples over one time axis.

    Raises
    ------
    SchemaError
        No metric has a value.
    """
    finite = metrics["metric_value"].notnull().any(SAMPLE).to_numpy()
    chosen = list(names or [str(n) for n in metrics[METRIC].to_numpy()[finite]])
    if not chosen:
        raise SchemaError("no metric has a value; look at the fits' reasons")
    n_rows = math.ceil(len(chosen) / _N_COLUMNS)
    size = (DOUBLE_COLUMN, 0.8 + _PANEL_HEIGHT * n_rows)
    figure = Figure(figsize=size, layout="constrained")
    width = min(_N_COLUMNS, len(chosen))
    grid = figure.subplots(n_rows, width, sharex=True, squeeze=False)
    for number, ax in enumerate(grid.flat):
        if number >= len(chosen):
            ax.set_axis_off()
            continue
        plot_metric(metrics, chosen[number], ax=ax, truth=truth)
        ax.yaxis.set_major_locator(MaxNLocator(4))
        below = number + width < len(chosen)
        ax.set_xlabel("" if below else ax.get_xlabel())
        ax.tick_params(labelbottom=not below)
    add_key(
        figure,
        metrics,
        arrow="95 % limit beyond the panel",
        arrow_marker="^",
        truth=truth,
    )
    return figure


def _draw_limits95(
    ax: Axes, time: Array, low: Array, high: Array, *, color: str
) -> None:
    """Draw 95 % limits as thin bars, with an arrow where they leave the panel."""
    bottom, top = ax.get_ylim()
    for place, lower, upper in zip(time, low, high, strict=True):
        if not (np.isfinite(lower) or np.isfinite(upper)):
            continue
        ends = max(np.nan_to_num(lower, nan=bottom, neginf=bottom), bottom)
        tops = min(np.nan_to_num(upper, nan=top, posinf=top), top)
        ax.plot([place, place], [ends, tops], color=color, linewidth=0.8, zorder=2)
        for end, beyond, marker in (
            (ends, lower < bottom, "v"),
            (tops, upper > top, "^"),
        ):
            ax.plot(
                [place],
                [end],
                linestyle="none",
                marker=marker if beyond else "_",
                markersize=4.0 if beyond else 5.0,
                color=color,
                zorder=2,
                clip_on=False,
            )


def _draw_known(ax: Axes, truth: xr.Dataset | None, name: str) -> None:
    """Draw the known values as a dashed line."""
    if truth is None or name not in truth:
        return
    time = truth[MILLING_TIME].to_numpy().astype(float)
    value = truth[name].to_numpy().astype(float)
    kept = np.isfinite(time) & np.isfinite(value) & ~is_reference(truth)
    order = np.flatnonzero(kept)[np.argsort(time[kept], kind="stable")]
    ax.plot(
        time[order],
        value[order],
        color=OBSERVED_COLOR,
        linestyle=(0, (3, 2)),
        linewidth=1.4,
        alpha=0.6,
        zorder=1,
    )


def _frame(
    row: xr.Dataset, name: str, shown: Flags, truth: xr.Dataset | None
) -> tuple[float, float]:
    """Return the limits of a panel: those of what is resolved, all values inside."""
    value = row["metric_value"].to_numpy().astype(float)
    solid = (row["metric_resolved"].to_numpy() != 0) & shown
    known = [value[shown]]
    known += [
        row[key].to_numpy().astype(float)[solid]
        for key in ("metric_low", "metric_high")
    ]
    if truth is not None and name in truth:
        known.append(truth[name].to_numpy().astype(float))
    every = np.concatenate(known)
    every = every[np.isfinite(every)]
    if every.size == 0:
        return 0.0, 1.0
    low, high = min(float(every.min()), 0.0), float(every.max())
    if not solid.any():
        std = np.nan_to_num(row["metric_value_std"].to_numpy().astype(float)[shown])
        high += float(std.max(initial=0.0))
    high = high if high > low else low + 1.0
    span = high - low
    low = low - _ROOM * span if low < 0.0 else -0.03 * span
    top = high + _ROOM * span
    return low, min(top, 1.04) if name in _SHARES else top
