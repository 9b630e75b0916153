"""Standard uncertainties of measured intensities."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.schema import (
    COUNTING_TIME,
    COUNTS_PER_SECOND,
    INTENSITY,
    INTENSITY_STD,
)


def intensity_std(pattern: xr.Dataset) -> NDArray[np.float64]:
    """Return 1 sigma of each intensity, as weights of a fit need it.

    Parameters
    ----------
    pattern : xarray.Dataset
        A powder pattern (:mod:`structkit.schema`).

    Returns
    -------
    ndarray, shape (n_points,)
        In the units of ``intensity``: the file's own where it gives them; else
        ``sqrt(max(counts, 1))``; for counts per second ``sqrt(rate / time)`` with
        the counting time (1 s where it is unknown). A floor of one count keeps
        empty points from having infinite weight.
    """
    if INTENSITY_STD in pattern:
        return np.asarray(pattern[INTENSITY_STD].to_numpy(), dtype=float)
    values = np.asarray(pattern[INTENSITY].to_numpy(), dtype=float)
    time = 1.0
    if pattern[INTENSITY].attrs.get("units") == COUNTS_PER_SECOND:
        time = float(pattern.coords.get(COUNTING_TIME, xr.DataArray(1.0)))
    return np.asarray(np.sqrt(np.maximum(values * time, 1.0)) / time)
