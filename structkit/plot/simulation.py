"""Plot a simulated pattern with what it is made of."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes

from structkit.plot.style import (
    BACKGROUND_COLOR,
    CALCULATED_COLOR,
    DOUBLE_COLUMN,
    HALO_COLOR,
    axis_label,
    color_of,
    make_axes,
    subscript,
)
from structkit.schema import INTENSITY, PHASE, TWO_THETA

_UNDER = (("halo", HALO_COLOR), ("film", BACKGROUND_COLOR))


def plot_simulation(pattern: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw a simulated pattern, its phases on its background, halo and film.

    Parameters
    ----------
    pattern : xarray.Dataset
        From :func:`structkit.xrd.simulate.simulate_pattern`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = make_axes(DOUBLE_COLUMN, 3.2) if ax is None else ax
    angle = pattern[TWO_THETA].to_numpy()
    base = pattern["background"].to_numpy()
    for name, colour in _UNDER:
        curve = pattern[name].to_numpy()
        if curve.any():
            axes.fill_between(angle, base, base + curve, color=colour, label=name)
            base = base + curve
    total = pattern[INTENSITY].to_numpy()
    axes.plot(angle, total, color=CALCULATED_COLOR, lw=0.5, label="total")
    for number, name in enumerate(pattern[PHASE].to_numpy()):
        curve = pattern["component"].sel({PHASE: name}).to_numpy()
        axes.plot(
            angle,
            base + curve,
            color=color_of(number),
            lw=0.8,
            label=subscript(str(name)),
        )
    axes.set_xlabel(axis_label(pattern[TWO_THETA]))
    axes.set_ylabel(axis_label(pattern[INTENSITY]))
    axes.legend(frameon=False, fontsize="small")
    return axes
