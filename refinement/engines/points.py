"""Which points of a pattern a plan uses, and whether their noise can be trusted."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.plan import RefinementPlan
from structkit.errors import FitError
from structkit.schema import ESD_RELIABLE, TWO_THETA

Flags = NDArray[np.bool_]
MIN_POINTS = 50


def select_points(pattern: xr.Dataset, plan: RefinementPlan) -> Flags:
    """Return which points of a pattern the plan uses.

    Raises
    ------
    FitError
        When fewer than 50 points are left.
    """
    angles = pattern[TWO_THETA].to_numpy()
    keep = angles > 0.0
    if plan.two_theta_range is not None:
        low, high = plan.two_theta_range
        keep &= (angles >= low - 1e-9) & (angles <= high + 1e-9)
    for low, high in plan.exclude:
        keep &= (angles < low) | (angles > high)
    if int(keep.sum()) < MIN_POINTS:
        raise FitError(
            f"only {int(keep.sum())} points of {angles[0]:g}-{angles[-1]:g} degree are "
            f"inside range and outside exclude; a refinement needs {MIN_POINTS}"
        )
    return np.asarray(keep)


def noise_remark(pattern: xr.Dataset) -> str:
    """Return why a pattern's esds cannot be trusted; empty where they can."""
    if ESD_RELIABLE not in pattern or bool(pattern[ESD_RELIABLE]):
        return ""
    return str(pattern[ESD_RELIABLE].attrs.get("reason", "")) or "unknown noise"
