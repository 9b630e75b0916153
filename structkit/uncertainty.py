"""Standard uncertainties of measured intensities."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.schema import (
    COUNTING_TIME,
    COUNTS,
    COUNTS_PER_SECOND,
    INTENSITY,
    INTENSITY_STD,
    NOISE_RATIO,
)

Floats = NDArray[np.float64]

COUNT_STEP = "count_step"
"""attr of ``intensity``: what one count adds to it, in its own units."""


def intensity_std(pattern: xr.Dataset) -> Floats:
    """Return 1 sigma of each intensity, as the weights of a fit need it.

    Parameters
    ----------
    pattern : xarray.Dataset
        A powder pattern (:mod:`structkit.schema`), best as
        :func:`structkit.io.read.read_pattern` returns it: its noise measured.

    Returns
    -------
    ndarray, shape (n_points,)
        In the units of ``intensity``; positive and new at every call.

    Notes
    -----
    The given ``intensity_std`` where it is positive. Else ``sqrt(max(I, s) s)``, where
    one count adds ``s`` to the intensity: 1 for counts; for counts per second the
    ``count_step`` found in the values, or one over the counting time; for arbitrary
    units, and where that is unknown, the measured ``noise_ratio`` (variance over
    intensity), or 1 without it. The lower limit of one count keeps empty points from
    infinite weight.

    Examples
    --------
    >>> from structkit.schema import make_pattern
    >>> counts = [0, 4, 100, 400, 100, 4, 0, 0, 0, 0]
    >>> pattern = make_pattern(range(10, 20), counts)
    >>> print(intensity_std(pattern)[:4])
    [ 1.  2. 10. 20.]
    """
    values = np.asarray(pattern[INTENSITY].to_numpy(), dtype=float)
    step = _count_step(pattern)
    estimated = np.sqrt(np.maximum(values, step)) * math.sqrt(step)
    if INTENSITY_STD not in pattern:
        return np.asarray(estimated)
    given = np.asarray(pattern[INTENSITY_STD].to_numpy(), dtype=float)
    return np.where(given > 0.0, given, estimated)


def _count_step(pattern: xr.Dataset) -> float:
    """Return what one count adds to the intensity, as well as that is known."""
    intensity = pattern[INTENSITY]
    units = intensity.attrs.get("units", COUNTS)
    candidates = [float(intensity.attrs.get(COUNT_STEP, math.nan))]
    if units == COUNTS:
        candidates = [1.0]
    elif units == COUNTS_PER_SECOND and COUNTING_TIME in pattern.coords:
        time = float(pattern[COUNTING_TIME])
        candidates.append(1.0 / time if time > 0.0 else math.nan)
    if NOISE_RATIO in pattern:
        candidates.append(float(pattern[NOISE_RATIO]))
    usable = (step for step in candidates if math.isfinite(step) and step > 0.0)
    return next(usable, 1.0)
