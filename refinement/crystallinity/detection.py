"""Whether a phase is seen at all."""

from __future__ import annotations

import numpy as np
import xarray as xr

from structkit.schema import PHASE

_SIGMAS = 3.0
"""Scale over its esd from which a phase counts as seen."""


def is_detected(parameters: xr.Dataset) -> xr.DataArray:
    """Return which phases of a result are seen.

    Parameters
    ----------
    parameters : xarray.Dataset
        Of a :class:`refinement.result.RefinementResult`, over ``phase``.

    Returns
    -------
    xarray.DataArray of bool
        Dims ``phase``. True where the scale is at least 3 of its esds and
        ``weight_fraction_crystalline`` is not below ``detection_limit``; an unknown
        esd or limit decides nothing, an unknown scale is not seen.

    Notes
    -----
    Both are asked, because the fraction of a lone phase is 1 whatever its scale.
    """
    scale, esd = _column(parameters, "scale"), _column(parameters, "scale_std")
    fraction = _column(parameters, "weight_fraction_crystalline")
    limit = _column(parameters, "detection_limit")
    seen = (scale > 0.0) & ~(scale < _SIGMAS * esd) & ~(fraction < limit)
    return seen.rename("detected").assign_attrs(units="1", long_name="phase is seen")


def _column(parameters: xr.Dataset, name: str) -> xr.DataArray:
    """Return a variable over ``phase``, NaN where the engine gives none."""
    if name in parameters:
        return parameters[name]
    empty = np.full(parameters.sizes[PHASE], np.nan)
    return xr.DataArray(empty, coords={PHASE: parameters[PHASE]}, dims=(PHASE,))
