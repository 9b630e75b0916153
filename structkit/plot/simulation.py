"""Plot a simulated pattern with what it is made of."""

from __future__ import annotations

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.axes import Axes

from structkit.schema import INTENSITY, PHASE, TWO_THETA

# Okabe & Ito: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_UNDER = (("halo", "#F0E442"), ("film", "#999999"))


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
    axes = plt.subplots(figsize=(8.0, 4.5), layout="constrained")[1] if not ax else ax
    angle = pattern[TWO_THETA].to_numpy()
    background = pattern["background"].to_numpy()
    axes.plot(angle, pattern[INTENSITY], color="black", lw=0.6, label="total")
    for number, name in enumerate(pattern[PHASE].to_numpy()):
        curve = pattern["component"].sel({PHASE: name}).to_numpy()
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(angle, background + curve, color=colour, lw=0.9, label=str(name))
    for name, colour in _UNDER:
        curve = pattern[name].to_numpy()
        if curve.any():
            axes.fill_between(
                angle, background, background + curve, color=colour, label=name
            )
    axes.set_xlabel(_axis_label(pattern[TWO_THETA]))
    axes.set_ylabel(_axis_label(pattern[INTENSITY]))
    axes.legend(frameon=False)
    return axes


def _axis_label(array: xr.DataArray) -> str:
    """Return ``long name / unit``."""
    return f"{array.attrs['long_name']} / {array.attrs['units']}"
