"""Amorphous content along a series: who speaks, who checks, what the atoms demand."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from structkit.plot.style import (
    BACKGROUND_COLOR,
    DOUBLE_COLUMN,
    NOTE_SIZE,
    OBSERVED_COLOR,
    TRUTH_COLOR,
    axis_label,
    color_of,
    dress_axes,
    make_axes,
    marker_of,
)
from structkit.schema import MILLING_TIME

Array = NDArray[np.float64]

_METHOD = "amorphous_method"
_ABSOLUTE = (
    "internal_standard",
    "external_standard",
    "measured_component",
    "ponkcs",
    "direct_derivation",
)
_BOUND = "closure_bound"
_OFFSET = 0.012
"""Shift between methods, as a share of the time axis."""


def plot_amorphous(
    contents: xr.Dataset, *, ax: Axes | None = None, truth: xr.Dataset | None = None
) -> Axes:
    """Plot the amorphous content of a series by every method that applies.

    Parameters
    ----------
    contents : xarray.Dataset
        The root of ``crystallinity.nc``: over ``sample`` and ``amorphous_method``
        ``method_value``, ``method_low``, ``method_high``, ``method_applicable``; over
        ``sample`` ``amorphous_fraction`` with ``_low`` and ``_high`` (bars, 95 %) and
        ``milling_time``.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    truth : xarray.Dataset, optional
        ``amorphous_fraction`` over its own samples, where it is known (a line).

    Returns
    -------
    Axes
        Filled: the method that speaks, with its 95 % limits. Open: the others that
        apply. Arrows: the least that the atoms allow, where there is nothing else.
    """
    ax = make_axes(DOUBLE_COLUMN, 3.2) if ax is None else ax
    times = contents[MILLING_TIME].to_numpy().astype(float)
    span = max(float(np.nanmax(times) - np.nanmin(times)), 1.0)
    _draw_truth(ax, truth)
    _draw_others(ax, contents, times, span)
    _draw_primary(ax, contents, times)
    _draw_bounds(ax, contents, times)
    ax.set_ylim(-0.03, 1.05)
    ax.set_ylabel("amorphous weight fraction")
    ax.set_xlabel(axis_label(contents[MILLING_TIME]))
    if ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize=NOTE_SIZE, frameon=False, loc="lower right")
    return dress_axes(ax)


def _draw_truth(ax: Axes, truth: xr.Dataset | None) -> None:
    """Draw the known content as a line."""
    if truth is None or "amorphous_fraction" not in truth:
        return
    known = truth.sortby(MILLING_TIME)
    ax.plot(
        known[MILLING_TIME],
        known["amorphous_fraction"],
        color=TRUTH_COLOR,
        linestyle="--",
        linewidth=0.9,
        label="truth",
    )


def _draw_primary(ax: Axes, contents: xr.Dataset, times: Array) -> None:
    """Draw the method that speaks with its limits."""
    value = contents["amorphous_fraction"].to_numpy()
    seen = np.isfinite(value)
    if not seen.any():
        return
    low, high = (
        contents[f"amorphous_fraction_{end}"].to_numpy() for end in ("low", "high")
    )
    bars = np.abs(np.array([value - low, high - value]))[:, seen]
    methods = contents["amorphous_fraction_method"].to_numpy()[seen]
    spoken = ", ".join(dict.fromkeys(str(m).replace("_", " ") for m in methods))
    ax.errorbar(
        times[seen],
        value[seen],
        yerr=bars,
        fmt="o",
        color=color_of(0),
        markersize=5.0,
        capsize=2.5,
        linewidth=1.0,
        label=f"{spoken} (95 %)",
        zorder=3,
    )


def _draw_others(ax: Axes, contents: xr.Dataset, times: Array, span: float) -> None:
    """Draw the other methods that apply, open, beside the one that speaks."""
    shown = 0
    for number, method in enumerate(_ABSOLUTE):
        if method not in contents[_METHOD].to_numpy():
            continue
        one = contents.sel({_METHOD: method})
        applies = one["method_applicable"].to_numpy() > 0
        beside = contents["amorphous_fraction_method"].to_numpy() != method
        value = one["method_value"].to_numpy()
        kept = applies & beside & np.isfinite(value)
        if not kept.any():
            continue
        shown += 1
        ax.plot(
            times[kept] + shown * _OFFSET * span,
            value[kept],
            linestyle="none",
            marker=marker_of(number + 1),
            markerfacecolor="none",
            color=color_of(number + 1),
            markersize=5.0,
            label=method.replace("_", " "),
        )


def _draw_bounds(ax: Axes, contents: xr.Dataset, times: Array) -> None:
    """Draw the least amorphous content where no method gives a value."""
    alone = ~np.isfinite(contents["amorphous_fraction"].to_numpy())
    low = contents["amorphous_fraction_low"].to_numpy()
    kept = alone & np.isfinite(low)
    if not kept.any():
        return
    high = contents["amorphous_fraction_high"].to_numpy()
    ax.vlines(
        times[kept],
        low[kept],
        high[kept],
        color=BACKGROUND_COLOR,
        linewidth=3.0,
        alpha=0.5,
        label="what the atoms allow (95 %)",
    )
    for x, y in zip(times[kept].tolist(), low[kept].tolist(), strict=True):
        ax.annotate(
            f"{y:.2f}",
            (x, y),
            fontsize=NOTE_SIZE,
            color=OBSERVED_COLOR,
            textcoords="offset points",
            xytext=(4, 2),
        )
