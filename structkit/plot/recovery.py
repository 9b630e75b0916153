"""Recoveries of magnetisation with the laws fitted to them.

One recovery is a node ``t1/<n>`` of a sample in ``nmr.nc``
(:mod:`structkit.schema.nmr_results`): ``area`` over ``own_site`` and ``delay``,
``curve`` over ``curve_delay``, ``t1`` and ``chosen`` over ``law``.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from structkit.plot.style import (
    BACKGROUND_COLOR,
    CALCULATED_COLOR,
    LABEL_SIZE,
    NOTE_SIZE,
    SINGLE_COLUMN,
    axis_label,
    color_of,
    dress_axes,
    make_axes,
    marker_of,
    subscript_words,
)
from structkit.schema import DELAY, TEMPERATURE
from structkit.schema.nmr_results import CURVE_DELAY, LAW, OWN_SITE


def plot_recovery(recovery: xr.Dataset, site: str, *, ax: Axes | None = None) -> Axes:
    """Plot the areas of one site over the delay with the law that was chosen.

    Parameters
    ----------
    recovery : xarray.Dataset
        See the module docstring.
    site : str
        Which.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Areas over the equilibrium's; a delay of 0 s stands at the left edge.
    """
    ax = make_axes() if ax is None else ax
    own = recovery.sel({OWN_SITE: site})
    place = [str(name) for name in recovery[OWN_SITE].to_numpy()].index(site)
    grid, curve = own[CURVE_DELAY].to_numpy(), own["curve"].to_numpy()
    unit = float(np.nanmax(np.abs(own["area"].to_numpy()))) or 1.0
    if np.isfinite(curve[-1]) and curve[-1] != 0.0:
        unit = abs(float(curve[-1]))
    color = color_of(place)
    delay = np.maximum(recovery[DELAY].to_numpy(), grid[0])
    std = np.full(delay.shape, float(own["area_std"]) / unit)
    ax.axhline(0.0, color=BACKGROUND_COLOR, linewidth=0.5)
    ax.plot(grid, curve / unit, color=CALCULATED_COLOR, linewidth=0.9)
    ax.errorbar(
        delay,
        own["area"].to_numpy() / unit,
        np.nan_to_num(std),
        fmt=marker_of(place),
        markersize=4.5,
        color=color,
        elinewidth=1.2,
    )
    ax.set_xscale("log")
    ax.set_xlabel(axis_label(recovery[DELAY]))
    ax.set_ylabel("area / area at equilibrium")
    dress_axes(ax)
    told = f"{subscript_words(site)}: {tell_t1(own)}"
    ax.set_title(told, fontsize=NOTE_SIZE, loc="left")
    return ax


def compose_recoveries(recovery: xr.Dataset, *, title: str = "") -> Figure:
    """Compose one panel for each site.

    Parameters
    ----------
    recovery : xarray.Dataset
        See the module docstring.
    title : str
        Above the figure; the temperature follows.

    Returns
    -------
    Figure
    """
    sites = [str(name) for name in recovery[OWN_SITE].to_numpy()]
    size = (SINGLE_COLUMN * min(len(sites), 3), 2.7)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(sites), squeeze=False)[0]
    for ax, site in zip(panels, sites, strict=True):
        plot_recovery(recovery, site, ax=ax)
        if ax is not panels[0]:
            ax.set_ylabel("")
    kelvin = float(recovery[TEMPERATURE])
    told = f"{title}, {kelvin:.0f} K" if np.isfinite(kelvin) else title
    figure.suptitle(told, fontsize=LABEL_SIZE)
    return figure


def tell_t1(own: xr.Dataset) -> str:
    """Return ``T1 = 2.155 ± 0.056 s (mono)`` of one site's laws."""
    chosen = own.isel({LAW: int(np.argmax(own["chosen"].to_numpy()))})
    value, std = float(chosen["t1"]), float(chosen["t1_std"])
    law = str(chosen[LAW].item())
    if not np.isfinite(value):
        return f"no T₁: {chosen['fit_reason'].item()}"
    scale, units = (1.0, "s") if value >= 0.1 else (1e3, "ms")
    if not np.isfinite(std) or std <= 0.0:
        return f"T₁ = {scale * value:.3g} {units} ({law})"
    digits = max(0, 1 - int(np.floor(np.log10(scale * std))))
    shown = f"{scale * value:.{digits}f} ± {scale * std:.{digits}f}"
    return f"T₁ = {shown} {units} ({law.replace('_', ' ')})"
