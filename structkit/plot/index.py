"""The amorphization index: what each technique says, and what they say together.

Comes as :mod:`structkit.schema.index_results`.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from structkit.plot.style import (
    DOUBLE_COLUMN,
    HALO_COLOR,
    LABEL_SIZE,
    OBSERVED_COLOR,
    TICK_SIZE,
    TRUTH_COLOR,
    color_of,
    dress_axes,
    letter_panels,
    make_axes,
    marker_of,
)
from structkit.schema import MILLING_TIME, SAMPLE
from structkit.schema.index_results import (
    AGREEMENT_NODE,
    INDEX,
    MODALITY,
    SCORES_NODE,
    VARIANT,
)

NAMES = {
    "xrd": "XRD",
    "raman": "Raman",
    "nmr": "²³Na shift",
    "t1": "²³Na relaxation",
    "eis": "conductivity",
}
"""What each technique is called in figures."""
_SPREAD = 0.09
"""Distance of the points of neighbouring techniques, over the step of time."""
_HEIGHT = 3.0


def plot_scores(
    tree: xr.DataTree, *, truth: xr.DataArray | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the scores of the milled samples and the joint index over milling time.

    Parameters
    ----------
    tree : xarray.DataTree
        :mod:`structkit.schema.index_results`.
    truth : xarray.DataArray, optional
        True amorphous fraction over ``sample``.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Points with 1 sigma for each technique; the joint index with its 95 % band,
        filled where it leads and open where it rests on two techniques or a conflict.
    """
    ax = make_axes(4.2, _HEIGHT) if ax is None else ax
    root = tree.to_dataset(inherit=False)
    kept = _milled(root)
    times = root[MILLING_TIME].to_numpy()[kept]
    scores = tree.children[SCORES_NODE].to_dataset().isel({SAMPLE: kept})
    _draw_joint(ax, root.isel({SAMPLE: kept}), times)
    step = float(np.min(np.diff(np.unique(times)))) if times.size > 1 else 1.0
    names = [str(one) for one in scores[MODALITY].to_numpy()]
    for place, name in enumerate(names):
        one = scores.sel({MODALITY: name})
        away = (place - 0.5 * (len(names) - 1)) * _SPREAD * step
        open_face = "white" if not int(one["structural"]) else color_of(place)
        ax.errorbar(
            times + away,
            one["score"].to_numpy(),
            yerr=one["score_std"].to_numpy(),
            fmt=marker_of(place),
            markersize=4.5,
            color=color_of(place),
            markerfacecolor=open_face,
            linewidth=0.9,
            label=NAMES.get(name, name),
        )
    if truth is not None:
        known = truth.sel({SAMPLE: root[SAMPLE].to_numpy()[kept]}).to_numpy()
        ax.plot(times, known, "_", color=TRUTH_COLOR, markersize=13, label="truth")
    ax.set_ylim(-0.08, 1.12)
    ax.set_xlabel("milling time (h)", fontsize=LABEL_SIZE)
    ax.set_ylabel("share without long-range order", fontsize=LABEL_SIZE)
    ax.legend(fontsize=TICK_SIZE - 1.0, frameon=False, loc="lower right")
    return ax


def _draw_joint(ax: Axes, root: xr.Dataset, times: np.ndarray) -> None:
    """Draw the joint index with its band, where there is one."""
    cell = root.sel({INDEX: "AI_lat", VARIANT: "struct"})
    value = cell["value"].to_numpy()
    if not np.isfinite(value).any():
        return
    low, high = cell["low"].to_numpy(), cell["high"].to_numpy()
    ax.fill_between(times, low, high, color=HALO_COLOR, alpha=0.45, linewidth=0)
    ax.plot(times, value, color=OBSERVED_COLOR, linewidth=1.2, label="AI (structural)")
    leads = cell["headline"].to_numpy() == 1
    for chosen, face in ((leads, OBSERVED_COLOR), (~leads, "white")):
        ax.plot(
            times[chosen],
            value[chosen],
            "h",
            markersize=6.5,
            color=OBSERVED_COLOR,
            markerfacecolor=face,
        )


def plot_agreement(tree: xr.DataTree, *, ax: Axes | None = None) -> Axes:
    """Draw by how much each technique stands off the others along the series.

    Parameters
    ----------
    tree : xarray.DataTree
        :mod:`structkit.schema.index_results`.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Offsets with 95 % bars, p beside them.
    """
    ax = make_axes(3.0, _HEIGHT) if ax is None else ax
    found = tree.children[AGREEMENT_NODE].to_dataset(inherit=False)
    rows = np.arange(found.sizes[MODALITY])[::-1]
    for row, place in zip(rows, range(rows.size), strict=True):
        one = found.isel({MODALITY: place})
        value = float(one["difference"])
        if not np.isfinite(value):
            continue
        ax.errorbar(
            value,
            row,
            xerr=1.96 * float(one["difference_std"]),
            fmt=marker_of(place),
            color=color_of(place),
            markersize=5,
        )
        ax.annotate(
            f"p = {float(one['p_value']):.2g}",
            (value, row),
            xytext=(0, 6),
            textcoords="offset points",
            fontsize=TICK_SIZE - 1.0,
            ha="center",
        )
    ax.axvline(0.0, color=OBSERVED_COLOR, linewidth=0.7)
    labels = [NAMES.get(str(one), str(one)) for one in found[MODALITY].to_numpy()]
    ax.set_yticks(rows, labels, fontsize=TICK_SIZE)
    ax.set_ylim(-0.7, rows.size - 0.3)
    ax.set_xlabel("offset from the others", fontsize=LABEL_SIZE)
    return ax


def compose_index(tree: xr.DataTree, *, truth: xr.DataArray | None = None) -> Figure:
    """Draw scores, joint index and agreement of a series.

    Parameters
    ----------
    tree : xarray.DataTree
        :mod:`structkit.schema.index_results`.
    truth : xarray.DataArray, optional
        True amorphous fraction over ``sample``.
    """
    figure = Figure(figsize=(DOUBLE_COLUMN, _HEIGHT), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1.0))
    for ax in (left, right):
        dress_axes(ax)
    plot_scores(tree, truth=truth, ax=left)
    plot_agreement(tree, ax=right)
    letter_panels((left, right))
    return figure


def _milled(root: xr.Dataset) -> np.ndarray:
    """Return the places of the samples drawn over milling time, in its order."""
    roles = [str(one) for one in root["role"].to_numpy()]
    times = root[MILLING_TIME].to_numpy()
    kept = [
        k
        for k, role in enumerate(roles)
        if role in ("milled", "unmilled", "") and np.isfinite(times[k])
    ]
    return np.array(sorted(kept, key=lambda k: times[k]), dtype=int)
