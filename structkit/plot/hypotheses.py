"""Rival readings of a Raman spectrum, side by side."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from structkit.plot.style import (
    BACKGROUND_COLOR,
    DOUBLE_COLUMN,
    NOTE_SIZE,
    OBSERVED_COLOR,
    TICK_SIZE,
    color_of,
    dress_axes,
    make_axes,
    subscript_words,
)

Array = NDArray[np.float64]

HYPOTHESIS = "hypothesis"
CLOSE_CALL = 6.0
"""Difference of the BIC up to which two readings count as equally good."""
_ROW_HEIGHT = 0.25
_LONGEST = 62
_ORDINARY, _POOR = color_of(0), "#A9C4DA"


def plot_hypotheses(readings: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot how much worse each reading is than the best, and the bands that decide.

    Parameters
    ----------
    readings : xarray.Dataset
        Over ``hypothesis``: ``delta_bic`` (NaN where there is no fit),
        ``n_parameters`` and ``discriminating_bands``, a text, of one sample.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The best on top; bold, with a dot: those within 6 of it. Beside each name its
        number of parameters; beside each bar its difference and the bands that tell
        it from its nearest rival. The axis is linear to 10, logarithmic beyond; behind
        the dotted line a reading loses.
    """
    delta = readings["delta_bic"].to_numpy().astype(float)
    order = np.argsort(np.where(np.isfinite(delta), delta, np.inf), kind="stable")
    rows = readings.isel({HYPOTHESIS: order})
    height = 0.9 + _ROW_HEIGHT * order.size
    ax = make_axes(DOUBLE_COLUMN * 1.25, height) if ax is None else ax
    delta = rows["delta_bic"].to_numpy().astype(float)
    ax.set_xscale("symlog", linthresh=10.0, linscale=0.6)
    for level, value in enumerate(delta):
        if math.isfinite(value):
            ax.barh(
                level,
                max(value, 0.0),
                height=0.62,
                color=_ORDINARY if value <= CLOSE_CALL else _POOR,
                linewidth=0.0,
            )
        if value <= CLOSE_CALL:
            ax.plot(max(value, 0.0), level, "o", color=_ORDINARY, clip_on=False)
    ax.axvline(
        CLOSE_CALL, color=BACKGROUND_COLOR, linewidth=0.8, linestyle=(0, (1, 1.5))
    )
    highest = float(np.nanmax(delta)) if np.isfinite(delta).any() else 1.0
    ax.set_xlim(0.0, max(highest * 1.1, 2.0 * CLOSE_CALL))
    ax.set_ylim(order.size - 0.5, -0.6)
    names = [subscript_words(str(name)) for name in rows[HYPOTHESIS].to_numpy()]
    if "n_parameters" in rows:
        counts = rows["n_parameters"].to_numpy().astype(float)
        names = [
            f"{name}  [{count:.0f}]" if math.isfinite(count) else name
            for name, count in zip(names, counts, strict=True)
        ]
    ax.set_yticks(range(order.size), names, fontsize=TICK_SIZE)
    for tick, value in zip(ax.get_yticklabels(), delta, strict=True):
        tick.set_fontweight("bold" if value <= CLOSE_CALL else "normal")
    _write_notes(ax, rows, delta)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xticks(_ticks(ax.get_xlim()[1]))
    ax.minorticks_off()
    ax.set_xlabel("BIC − lowest BIC;  in brackets: parameters of the bands")
    dress_axes(ax).tick_params(axis="y", length=0.0)
    return ax


def _ticks(highest: float) -> list[float]:
    """Return ticks of a symmetric logarithmic axis from 0."""
    decades = range(1, max(2, math.floor(math.log10(highest)) + 1))
    return [0.0, CLOSE_CALL, *(10.0**power for power in decades)]


def _write_notes(ax: Axes, rows: xr.Dataset, delta: Array) -> None:
    """Write difference and deciding bands at the right of the axes."""
    column = blended_transform_factory(ax.transAxes, ax.transData)
    told = (
        [str(text) for text in rows["discriminating_bands"].to_numpy()]
        if "discriminating_bands" in rows
        else [""] * delta.size
    )
    for level, (value, text) in enumerate(zip(delta, told, strict=True)):
        known = math.isfinite(value)
        for place, note, side in (
            (1.10, f"{value:.0f}" if known else "no fit", "right"),
            (1.125, _shorten(subscript_words(text)), "left"),
        ):
            ax.annotate(
                note,
                (place, level),
                xycoords=column,
                ha=side,
                va="center",
                fontsize=NOTE_SIZE,
                color=OBSERVED_COLOR if known else BACKGROUND_COLOR,
                annotation_clip=False,
            )


def _shorten(text: str) -> str:
    """Return a text that fits beside the bars."""
    parts = [part for part in text.replace(";", ",").split(", ") if part]
    kept = ""
    for part in parts:
        longer = f"{kept}, {part}" if kept else part
        if len(longer) > _LONGEST:
            return f"{kept}, …" if kept else f"{part[: _LONGEST - 1]}…"
        kept = longer
    return kept
