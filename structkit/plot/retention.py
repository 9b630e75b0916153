"""What is left of a conductivity, over age or from history to history."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from structkit.plot.style import (
    NOTE_SIZE,
    OBSERVED_COLOR,
    TICK_SIZE,
    color_of,
    dress_axes,
    make_axes,
    marker_of,
)
from structkit.schema import HISTORY, TEMPERATURE
from structkit.schema.conductivity import MEASUREMENT
from structkit.schema.eis_results import AGE, RETENTION

_HOURS_A_DAY = 24.0
_ONE_TEMPERATURE_K = 2.0


def plot_retention(retention: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot retentions, one colour for each temperature of measurement.

    Parameters
    ----------
    retention : xarray.Dataset
        As it is stored (``/samples/<sample>/retention``).
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Over the age in days where every measurement has one, else over the histories
        in their order. The broken line is no loss; nothing joins the points, as two
        say nothing of what is between them. Rows without a number are left out.
    """
    ax = make_axes(3.5, 2.8) if ax is None else ax
    value = retention[RETENTION].to_numpy()
    seen = np.isfinite(value)
    kept = retention.isel({MEASUREMENT: np.flatnonzero(seen)})
    past = retention[HISTORY].to_numpy().astype(str)
    names = list(dict.fromkeys(past.tolist()))
    ages = kept[AGE].to_numpy() / _HOURS_A_DAY
    has_ages = bool(np.isfinite(ages).all())
    across = (
        ages
        if has_ages
        else np.array([names.index(n) for n in past[seen].tolist()], dtype=float)
    )
    kelvin = kept[TEMPERATURE].to_numpy()
    for index, group in enumerate(_group(kelvin)):
        std = np.nan_to_num(kept[f"{RETENTION}_std"].to_numpy()[group])
        ax.errorbar(
            across[group],
            value[seen][group],
            yerr=std,
            linestyle="none",
            marker=marker_of(index),
            markersize=4.5,
            color=color_of(index),
            capsize=2.0,
            label=f"measured at {kelvin[group].mean():.0f} K",
        )
    ax.axhline(1.0, color=OBSERVED_COLOR, linestyle="--", linewidth=0.8)
    if not has_ages:
        ax.set_xticks(range(len(names)), [name or "-" for name in names])
        ax.tick_params(axis="x", labelsize=TICK_SIZE, rotation=20.0)
    ax.set_xlabel("age (d)" if has_ages else "history")
    ax.set_ylabel("σ / σ before")
    if value[seen].size and value[seen].min() < 0.1:
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0.0)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=NOTE_SIZE, frameon=False)
    return dress_axes(ax)


def _group(kelvin: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Return the places of the measurements at each temperature, the lowest first."""
    order = np.argsort(kelvin, kind="stable")
    if not order.size:
        return []
    steps = np.flatnonzero(np.diff(kelvin[order]) > _ONE_TEMPERATURE_K) + 1
    return [np.sort(places) for places in np.split(order, steps)]
