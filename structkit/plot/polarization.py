"""A polarization run: current over time, the fitted decay, the steady value."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from structkit.plot.style import (
    CALCULATED_COLOR,
    NOTE_SIZE,
    OBSERVED_COLOR,
    TICK_SIZE,
    axis_label,
    color_of,
    dress_axes,
    make_axes,
)
from structkit.schema import CURRENT, TIME
from structkit.schema.eis_results import CURRENT_FIT, STEADY_CURRENT


def plot_polarization(run: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot the size of the current over time with what was fitted.

    Parameters
    ----------
    run : xarray.Dataset
        As it is stored (:mod:`structkit.schema.eis_results`,
        ``/samples/<sample>/polarization/<n>``).
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The current on a logarithmic scale. Dashed: the steady value, less the leakage,
        or what stands for it where the run is not steady.
    """
    ax = make_axes(3.5, 2.8) if ax is None else ax
    time = run[TIME].to_numpy()
    ax.set_yscale("log")
    ax.tick_params(axis="y", which="minor", labelsize=TICK_SIZE - 1.0)
    ax.plot(
        time,
        _positive(np.abs(run[CURRENT].to_numpy())),
        color=OBSERVED_COLOR,
        marker="o",
        markersize=2.2,
        linestyle="none",
        label="measured",
    )
    fitted = np.abs(run[CURRENT_FIT].to_numpy())
    if np.isfinite(fitted).any():
        ax.plot(
            time, _positive(fitted), color=color_of(1), linewidth=1.2, label="decay"
        )
    steady = float(run[STEADY_CURRENT])
    if np.isfinite(steady) and steady > 0.0:
        is_steady = int(run["is_steady"]) == 1
        word = "steady" if is_steady else "last third, not steady"
        ax.axhline(
            steady,
            color=CALCULATED_COLOR,
            linewidth=0.9,
            linestyle=(0, (4, 2)),
            label=f"{word}: {steady:.3g} A",
        )
    ax.set_xlabel(axis_label(run[TIME]).replace(" since the first spectrum", ""))
    ax.set_ylabel("|I| (A)")
    ax.legend(fontsize=NOTE_SIZE, frameon=False)
    return dress_axes(ax)


def _positive(values: np.ndarray) -> np.ndarray:
    """Return values with NaN where a logarithm has none."""
    return np.where(values > 0.0, values, np.nan)
