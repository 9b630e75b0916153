"""T1 over the inverse temperature with one activated motion (BPP).

Data are the node ``relaxation`` of a sample in ``nmr.nc``
(:mod:`structkit.schema.nmr_results`).
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from structkit.plot.style import (
    NOTE_SIZE,
    color_of,
    dress_axes,
    make_axes,
    marker_of,
    subscript_words,
)
from structkit.schema import TEMPERATURE
from structkit.schema.nmr_results import OWN_SITE


def plot_relaxation(relaxation: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot T1 of each site over 1000/T with its fit.

    Parameters
    ----------
    relaxation : xarray.Dataset
        See the module docstring.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        A legend entry for each site with its activation energy.
    """
    ax = make_axes(height=3.0) if ax is None else ax
    for place, name in enumerate(relaxation[OWN_SITE].to_numpy()):
        own = relaxation.isel({OWN_SITE: place})
        color = color_of(place)
        ax.plot(
            1e3 / own["curve_temperature"].to_numpy(),
            own["curve"].to_numpy(),
            color=color,
            linewidth=0.9,
        )
        ax.errorbar(
            1e3 / own[TEMPERATURE].to_numpy(),
            own["t1"].to_numpy(),
            np.nan_to_num(own["t1_std"].to_numpy()),
            fmt=marker_of(place),
            markersize=4.5,
            color=color,
            elinewidth=1.2,
            label=_entry(str(name), own),
        )
    ax.set_yscale("log")
    ax.set_xlabel("1000 / T (K⁻¹)")
    ax.set_ylabel("T₁ (s)")
    ax.legend(fontsize=NOTE_SIZE, frameon=False)
    return dress_axes(ax)


def _entry(name: str, own: xr.Dataset) -> str:
    """Return the legend entry of a site."""
    energy = float(own["activation_energy"])
    if not np.isfinite(energy):
        return f"{subscript_words(name)}: no fit"
    low = float(own["activation_energy_low"])
    high = float(own["activation_energy_high"])
    side = str(own["side"].item())
    told = "" if side == "both" else f", {side} side only"
    return f"{subscript_words(name)}: {energy:.3f} eV ({low:.3f} to {high:.3f}){told}"
