"""Points of bands and metrics along a series: filled, hollow, levels, and their key."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from structkit.plot.species import SpeciesStyle
from structkit.plot.style import NOTE_SIZE, OBSERVED_COLOR
from structkit.schema import MILLING_TIME, SAMPLE

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

REFERENCE_ROLE = "crystalline_reference"
"""Role of the sample that others are compared with."""


def is_reference(row: xr.Dataset) -> Flags:
    """Return which samples are references."""
    if "role" not in row.variables:
        return np.zeros(row.sizes[SAMPLE], dtype=bool)
    return np.asarray(row["role"].to_numpy().astype(str) == REFERENCE_ROLE)


def draw_reference(ax: Axes, value: Array, std: Array, *, color: str) -> None:
    """Draw a reference sample as a level with its 1 sigma."""
    for level, spread in zip(value, np.nan_to_num(std), strict=True):
        ax.axhline(level, color=color, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
        ax.axhspan(
            level - spread, level + spread, color=color, alpha=0.10, linewidth=0.0
        )


def draw_series(
    ax: Axes,
    points: tuple[Array, Array, Array],
    style: SpeciesStyle,
    *,
    solid: Flags,
) -> None:
    """Draw values with 1 sigma: filled and joined, or hollow where not determined."""
    time, value, std = points
    if time.size == 0:
        return
    joined = np.where(solid, value, np.nan)
    ax.plot(time, joined, color=style.color, linewidth=0.8, alpha=0.5, zorder=2)
    ax.errorbar(
        time,
        value,
        np.nan_to_num(std),
        fmt="none",
        ecolor=style.color,
        elinewidth=2.0,
        zorder=3,
    )
    for chosen, face in ((solid, style.color), (~solid, "white")):
        if not chosen.any():
            continue  # an empty line that is not clipped upsets the layout
        ax.plot(
            time[chosen],
            value[chosen],
            linestyle="none",
            marker=style.marker,
            markersize=4.8,
            markerfacecolor=face,
            markeredgecolor=style.color,
            markeredgewidth=1.0,
            zorder=4,
            clip_on=False,
        )


def hold_times(ax: Axes, data: xr.Dataset) -> None:
    """Give all panels the same time axis, with a margin."""
    time = data[MILLING_TIME].to_numpy().astype(float)
    time = time[np.isfinite(time)]
    low, high = (float(time.min()), float(time.max())) if time.size else (0.0, 1.0)
    margin = 0.06 * ((high - low) or 1.0)
    ax.set_xlim(low - margin, high + margin)


def add_key(
    figure: Figure,
    data: xr.Dataset,
    *,
    arrow: str,
    arrow_marker: str = "$\\downarrow$",
    truth: xr.Dataset | None = None,
) -> None:
    """Say below the panels what filled, hollow, arrow and level mean."""
    handles = [
        _marker("o", "determined"),
        _marker("o", "not determined by itself", face="white"),
        _marker(arrow_marker, arrow),
    ]
    if is_reference(data).any():
        names = data[SAMPLE].to_numpy()[is_reference(data)]
        text = "level of " + ", ".join(str(name) for name in names)
        dots = Line2D([], [], color=OBSERVED_COLOR, linestyle=(0, (1, 1.5)), label=text)
        handles.append(dots)
    if truth is not None:
        dashes = Line2D(
            [], [], color=OBSERVED_COLOR, linestyle=(0, (3, 2)), label="truth"
        )
        handles.append(dashes)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        fontsize=NOTE_SIZE,
        frameon=False,
    )


def _marker(marker: str, text: str, *, face: str = OBSERVED_COLOR) -> Line2D:
    """Return a legend entry of one marker."""
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markersize=4.8,
        color=OBSERVED_COLOR,
        markerfacecolor=face,
        label=text,
    )
