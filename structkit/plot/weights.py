"""What own weights do to the index: the share over all weights of the techniques.

Comes as node ``/weighted`` of :mod:`structkit.schema.index_results`.
"""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.plot.index import NAMES
from structkit.plot.style import (
    HALO_COLOR,
    LABEL_SIZE,
    OBSERVED_COLOR,
    TICK_SIZE,
    axis_label,
    color_of,
    make_axes,
)
from structkit.schema import SAMPLE
from structkit.schema.index_results import MODALITY, WEIGHTED_NODE

Floats = NDArray[np.float64]

_HEIGHT = math.sqrt(0.75)
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, _HEIGHT]])
_SIDES = (3.6, 3.2)
_LEVELS = 11
_FLAT = 1e-3
"""Least range of shares that is worth contours."""


def plot_weights(tree: xr.DataTree, *, sample: str, ax: Axes | None = None) -> Axes:
    """Draw the share of one sample over all weights of the techniques it was seen by.

    Parameters
    ----------
    tree : xarray.DataTree
        :mod:`structkit.schema.index_results`, with node ``/weighted``.
    sample : str
        Its name.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Of two techniques a line, the user's share with its 95 % band across; of three
        a triangle, each corner one technique alone, the user's share a dashed line.

    Raises
    ------
    SchemaError
        No weights were given, there is no such sample, or it was not measured by two
        or three of the weighted techniques.
    """
    one = _weighted_of(tree, sample)
    weight, share = one["weight"].to_numpy(), one["share"].to_numpy()
    # a technique alone has a share only where it measured the sample
    seen = np.array(
        [bool(np.isfinite(share[column == 1.0]).all()) for column in weight.T]
    )
    kept = ~(weight[:, ~seen] > 0.0).any(axis=1)
    weight, share = weight[kept][:, seen], share[kept]
    names = [str(name) for name in one[MODALITY].to_numpy()[seen]]
    shown = [NAMES.get(name, name) for name in names]
    if len(names) not in (2, 3):
        raise SchemaError(
            f"/{WEIGHTED_NODE}: {sample} was measured by {len(names)} of the weighted "
            f"techniques ({', '.join(names) or 'none'}); weights of two or three can "
            "be drawn"
        )
    ax = make_axes(*_SIDES) if ax is None else ax
    if len(names) == 2:
        _draw_line(ax, one, weight[:, 0], share)
        ax.set_xlabel(f"weight of {shown[0]} against {shown[1]}", fontsize=LABEL_SIZE)
    else:
        _draw_triangle(ax, weight, share, value=float(one["value"]))
        _name_corners(ax, shown, weight, share)
    ax.set_title(f"{sample}: {_say(one)}", fontsize=LABEL_SIZE)
    return ax


def _weighted_of(tree: xr.DataTree, sample: str) -> xr.Dataset:
    """Return what weights give for one sample.

    Raises
    ------
    SchemaError
        There is no such node or sample.
    """
    if WEIGHTED_NODE not in tree.children:
        raise SchemaError(
            f"/: no node {WEIGHTED_NODE!r}: give weights, "
            "[index] weights = { xrd = 1, raman = 1 }"
        )
    found = tree.children[WEIGHTED_NODE].to_dataset()
    samples = [str(name) for name in found[SAMPLE].to_numpy()]
    if sample not in samples:
        raise SchemaError(
            f"/{WEIGHTED_NODE}: no sample {sample!r}; there are {', '.join(samples)}"
        )
    return found.sel({SAMPLE: sample})


def _say(one: xr.Dataset) -> str:
    """Return the user's share and what any weights would give."""
    value, least, most = (float(one[name]) for name in ("value", "least", "most"))
    return f"{value:.2f} by these weights\n{least:.2f} to {most:.2f} by any"


def _draw_line(ax: Axes, one: xr.Dataset, weight: Floats, share: Floats) -> None:
    """Draw the share over the weight of the first technique."""
    order = np.argsort(weight)
    ax.axhspan(
        float(one["low"]), float(one["high"]), color=HALO_COLOR, alpha=0.45, linewidth=0
    )
    ax.axhline(float(one["value"]), color=OBSERVED_COLOR, linestyle="--", linewidth=0.9)
    ax.plot(weight[order], share[order], color=color_of(0), linewidth=1.4)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(0.0, 1.0)
    ax.set_ylabel(axis_label(one["share"]), fontsize=LABEL_SIZE)


def _draw_triangle(ax: Axes, weight: Floats, share: Floats, *, value: float) -> None:
    """Draw the share inside the triangle of weights."""
    across, up = (weight @ _CORNERS).T
    spread = float(np.ptp(share))
    low, high = share.min() - 0.5 * _FLAT, share.max() + 0.5 * _FLAT
    levels = np.linspace(low, high, _LEVELS)
    filled = ax.tricontourf(across, up, share, levels=levels, cmap="cividis")
    if spread > _FLAT and share.min() < value < share.max():
        ax.tricontour(
            across, up, share, levels=[value], colors="white", linestyles="dashed"
        )
    edge = np.vstack([_CORNERS, _CORNERS[:1]])
    ax.plot(*edge.T, color=OBSERVED_COLOR, linewidth=0.8)
    figure = ax.get_figure(root=True)
    if isinstance(figure, Figure):
        bar = figure.colorbar(filled, ax=ax, shrink=0.75, format="%.2f")
        bar.ax.tick_params(labelsize=TICK_SIZE)
        bar.set_label("share by these weights", fontsize=LABEL_SIZE)
    ax.set_aspect("equal")
    ax.set_xlim(-0.12, 1.12)
    ax.set_ylim(-0.16, _HEIGHT + 0.16)
    ax.set_axis_off()


def _name_corners(ax: Axes, names: list[str], weight: Floats, share: Floats) -> None:
    """Write at each corner which technique stands there alone, and its share."""
    for place, (name, (across, up)) in enumerate(zip(names, _CORNERS, strict=True)):
        alone = float(share[weight[:, place] == 1.0][0])
        ax.annotate(
            f"{name}\n{alone:.2f}",
            (across, up),
            xytext=(0, 4 if up else -4),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            fontsize=LABEL_SIZE,
        )
