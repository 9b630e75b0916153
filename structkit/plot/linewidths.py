"""Widths of NMR lines along a milling series, beside what lifetime makes of them.

Data are the root of ``nmr.nc`` (:mod:`structkit.schema.nmr_results`): ``fwhm`` and
``lifetime_width`` over ``sample`` and ``site``, ``milling_time`` over ``sample``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.plot.style import (
    NOTE_SIZE,
    axis_label,
    color_of,
    dress_axes,
    make_axes,
    marker_of,
    subscript_words,
)
from structkit.schema import MILLING_TIME, SITE

_SIGMAS = 3.0


def plot_linewidths(
    results: xr.Dataset, *, sites: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Plot the FWHM of each site over milling time, and its lifetime part.

    Parameters
    ----------
    results : xarray.Dataset
        See the module docstring.
    sites : sequence of str, optional
        Which. Default: all that have a width.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Filled: the width. Hollow, with a bar from zero: ``1/(pi T1)``, the least that
        lifetime makes of it. A line whose area is not three sigma is left out.

    Raises
    ------
    SchemaError
        No width with a milling time.
    """
    ax = make_axes(height=3.0) if ax is None else ax
    names = [str(name) for name in results[SITE].to_numpy()]
    time = results[MILLING_TIME].to_numpy()
    order = np.argsort(time, kind="stable")
    drawn = False
    for place, name in enumerate(names):
        own = results.isel({SITE: place})
        width = own["fwhm"].to_numpy()[order]
        kept = np.isfinite(width) & np.isfinite(time[order]) & _seen(own)[order]
        if (sites is not None and name not in sites) or not kept.any():
            continue
        drawn = True
        at, color, marker = time[order][kept], color_of(place), marker_of(place)
        std = np.nan_to_num(own["fwhm_std"].to_numpy()[order][kept])
        ax.errorbar(
            at,
            width[kept],
            std,
            fmt=f"{marker}-",
            color=color,
            markersize=4.8,
            linewidth=0.8,
            elinewidth=1.5,
            label=subscript_words(name),
        )
        life = own["lifetime_width"].to_numpy()[order][kept]
        known = np.isfinite(life)
        if known.any():
            ax.vlines(
                at[known], 0.0, life[known], color=color, linewidth=3.0, alpha=0.3
            )
            ax.plot(
                at[known],
                life[known],
                linestyle="none",
                marker=marker,
                markersize=4.8,
                markerfacecolor="white",
                markeredgecolor=color,
                label=f"{subscript_words(name)}: 1/(πT₁)",
            )
    if not drawn:
        raise SchemaError("no width has a milling time; name it in the series file")
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(axis_label(results[MILLING_TIME]))
    ax.set_ylabel(axis_label(results["fwhm"]))
    ax.legend(
        fontsize=NOTE_SIZE,
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2,
    )
    return dress_axes(ax)


def _seen(own: xr.Dataset) -> NDArray[np.bool_]:
    """Return where the area of a site stands out; everywhere where it is not told."""
    if "area" not in own or "area_std" not in own:
        return np.ones(own["fwhm"].shape, dtype=bool)
    std = np.nan_to_num(own["area_std"].to_numpy())
    return np.asarray(own["area"].to_numpy() > _SIGMAS * std)
