"""A fitted NMR spectrum: data, lines on their baseline, residual; ppm descend.

Curves are the node ``lines`` of a sample in ``nmr.nc``
(:mod:`structkit.schema.nmr_results`): ``intensity``, ``baseline``, ``residual`` over
``chemical_shift``, ``line`` over site too; attrs ``status``, ``noise_std``.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from structkit.errors import SchemaError
from structkit.plot.style import (
    BACKGROUND_COLOR,
    CALCULATED_COLOR,
    DOUBLE_COLUMN,
    LABEL_SIZE,
    NOTE_SIZE,
    OBSERVED_COLOR,
    axis_label,
    color_of,
    dress_axes,
    make_axes,
    subscript_words,
)
from structkit.schema import CHEMICAL_SHIFT, INTENSITY, SITE
from structkit.schema.nmr_results import OWN_SITE

_SIGMAS = 2.0
_LEAST_LINE = 0.002
"""Share of the highest point below which a line is not drawn."""


def plot_nmr_lines(lines: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot data, model and the line of each site on the baseline.

    Parameters
    ----------
    lines : xarray.Dataset
        See the module docstring; sites over ``own_site`` or ``site``.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Shift descends to the right; a legend entry for each site with its population.
    """
    ax = make_axes(DOUBLE_COLUMN, 3.0) if ax is None else ax
    over = _site_dim(lines)
    shift = lines[CHEMICAL_SHIFT].to_numpy()
    baseline = lines["baseline"].to_numpy()
    height = float(np.ptp(lines[INTENSITY].to_numpy())) or 1.0
    unit = 10.0 ** np.floor(np.log10(height))
    ax.plot(
        shift,
        lines[INTENSITY].to_numpy() / unit,
        color=OBSERVED_COLOR,
        linewidth=0.8,
        label="data",
    )
    for place, name in enumerate(lines[over].to_numpy()):
        line = lines["line"].isel({over: place}).to_numpy()
        seen = np.abs(line) > _LEAST_LINE * height
        top = np.where(seen, baseline + line, np.nan) / unit
        color = color_of(place)
        ax.fill_between(shift, baseline / unit, top, color=color, alpha=0.3, lw=0.0)
        ax.plot(shift, top, color=color, linewidth=0.9, label=_entry(lines, str(name)))
    total = baseline + lines["line"].sum(over).to_numpy()
    ax.plot(shift, total / unit, color=CALCULATED_COLOR, linewidth=0.8, label="model")
    ax.plot(
        shift,
        baseline / unit,
        color=BACKGROUND_COLOR,
        linewidth=0.8,
        linestyle=(0, (4, 2)),
        label="baseline",
    )
    _descend(ax, lines)
    ax.set_ylabel("intensity (arb. units)")
    ax.legend(fontsize=NOTE_SIZE, frameon=False)
    return dress_axes(ax)


def plot_nmr_residual(lines: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot the residual over the noise of a point, with a band of two sigma.

    Parameters
    ----------
    lines : xarray.Dataset
        See the module docstring.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    """
    ax = make_axes(DOUBLE_COLUMN, 1.2) if ax is None else ax
    noise = float(lines.attrs["noise_std"])
    ratio = lines["residual"].to_numpy() / noise
    ax.axhspan(-_SIGMAS, _SIGMAS, color=BACKGROUND_COLOR, alpha=0.2, linewidth=0.0)
    ax.plot(
        lines[CHEMICAL_SHIFT].to_numpy(), ratio, color=OBSERVED_COLOR, linewidth=0.6
    )
    ax.axhline(0.0, color=CALCULATED_COLOR, linewidth=0.5)
    _descend(ax, lines)
    ax.set_ylabel("residual / σ")
    return dress_axes(ax)


def compose_nmr_spectrum(lines: xr.Dataset, *, title: str = "") -> Figure:
    """Compose the lines over their residual.

    Parameters
    ----------
    lines : xarray.Dataset
        See the module docstring.
    title : str
        Above the figure, such as the sample's name; the fit's status follows it where
        it did not converge.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(DOUBLE_COLUMN, 4.0), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    plot_nmr_lines(lines, ax=upper)
    plot_nmr_residual(lines, ax=lower)
    upper.set_xlabel("")
    status = str(lines.attrs.get("status", "converged"))
    told = title if status == "converged" else f"{title} ({status})".strip()
    upper.set_title(told, fontsize=LABEL_SIZE, loc="left")
    figure.align_ylabels([upper, lower])
    return figure


def _site_dim(lines: xr.Dataset) -> str:
    """Return the dim of the sites."""
    for name in (OWN_SITE, SITE):
        if name in lines.dims:
            return name
    raise SchemaError(f"curves have neither {OWN_SITE!r} nor {SITE!r}")


def _entry(lines: xr.Dataset, name: str) -> str:
    """Return the legend entry of a site."""
    if "population" not in lines:
        return subscript_words(name)
    own = lines.sel({_site_dim(lines): name})
    share, std = float(own["population"]), float(own["population_std"])
    told = f"{subscript_words(name)}  {100.0 * share:.1f}"
    return f"{told} ± {100.0 * std:.1f} %" if np.isfinite(std) else f"{told} %"


def _descend(ax: Axes, lines: xr.Dataset) -> None:
    """Let the shift descend to the right, as the field reads spectra."""
    shift = lines[CHEMICAL_SHIFT].to_numpy()
    ax.set_xlim(float(shift[-1]), float(shift[0]))
    ax.set_xlabel(axis_label(lines[CHEMICAL_SHIFT]))
