"""One measured or simulated powder pattern, a :class:`xarray.Dataset`.

============================  ===============  ========================================
name                          dims             meaning
============================  ===============  ========================================
``two_theta`` (coord)         two_theta        diffraction angle, ``degree``, ascending
``intensity``                 two_theta        as recorded, ``count`` / ``count s-1`` /
                                               ``1`` (arbitrary)
``intensity_std``             two_theta        1 sigma of it; absent when unknown
``noise_ratio``               ()               measured noise variance over the one that
                                               counting would give; absent if unknown
``esd_reliable``              ()               1, or 0 where the noise is not counting
                                               noise; its attr ``reason`` says why
``wavelength`` (coord)        ()               ``angstrom``; absent when unknown
``counting_time`` (coord)     ()               ``s`` per step; absent when unknown
``milling_time`` (coord)      ()               ``h``; absent when unknown
============================  ===============  ========================================

attrs: ``source_file``, ``source_sha256``, ``reader``, ``software`` (strings).
netCDF takes no bool and no None in attrs: flags are variables.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from structkit.errors import SchemaError
from structkit.schema.names import (
    COUNTING_TIME,
    COUNTS,
    INTENSITY,
    INTENSITY_STD,
    INTENSITY_UNITS,
    TWO_THETA,
    WAVELENGTH,
    label,
)


def make_pattern(
    two_theta: ArrayLike,
    intensity: ArrayLike,
    *,
    intensity_std: ArrayLike | None = None,
    intensity_units: str = COUNTS,
    wavelength: float | None = None,
    counting_time: float | None = None,
    attrs: dict[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Put labels around a powder pattern and validate it.

    Parameters
    ----------
    two_theta : array_like, shape (n_points,)
        Ascending diffraction angle in **degree**.
    intensity : array_like, shape (n_points,)
        Recorded intensity in ``intensity_units``.
    intensity_std : array_like, shape (n_points,), optional
        1 sigma of ``intensity``, same units.
    intensity_units : {"count", "count s-1", "1"}
        ``"1"`` means arbitrary (normalised, rescaled, unknown).
    wavelength : float, optional
        In **angstrom**.
    counting_time : float, optional
        Seconds per step.
    attrs : dict, optional
        Provenance.

    Returns
    -------
    xarray.Dataset
        As the module docstring describes.

    Raises
    ------
    SchemaError
        When :func:`validate_pattern` refuses it.
    """
    dims = (TWO_THETA,)
    angle = label(
        xr.DataArray(np.asarray(two_theta, dtype=float), dims=dims), TWO_THETA
    )
    values = xr.DataArray(np.asarray(intensity, dtype=float), dims=dims)
    pattern = xr.Dataset(
        {INTENSITY: label(values, INTENSITY, units=intensity_units)},
        coords={TWO_THETA: angle},
        attrs=attrs or {},
    )
    if intensity_std is not None:
        esd = xr.DataArray(np.asarray(intensity_std, dtype=float), dims=dims)
        pattern[INTENSITY_STD] = label(esd, INTENSITY_STD, units=intensity_units)
    for name, value in ((WAVELENGTH, wavelength), (COUNTING_TIME, counting_time)):
        if value is not None:
            scalar = label(xr.DataArray(float(value)), name)
            pattern = pattern.assign_coords({name: scalar})
    validate_pattern(pattern)
    return pattern


def validate_pattern(pattern: xr.Dataset) -> None:
    """Check that ``pattern`` is a powder pattern as the module docstring says.

    Raises
    ------
    SchemaError
        Names the variable at fault, what is wrong with it, and what to do.
    """
    for name in (TWO_THETA, INTENSITY):
        if name not in pattern.variables:
            raise SchemaError(f"pattern has no variable {name!r}; see structkit.schema")
        if pattern[name].dims != (TWO_THETA,):
            raise SchemaError(f"{name} must have dims ('two_theta',)")
    angle = pattern[TWO_THETA].to_numpy()
    if angle.size < 10:
        raise SchemaError(f"two_theta has {angle.size} points; a pattern needs 10")
    if not np.all(np.isfinite(angle)):
        raise SchemaError("two_theta holds values that are not finite; remove them")
    if np.any(np.diff(angle) <= 0.0):
        where = angle[1:][np.diff(angle) <= 0.0][0]
        raise SchemaError(
            f"two_theta does not ascend at {where:g} degree; sort, merge repeats"
        )
    if angle[0] <= -20.0 or angle[-1] >= 180.0:
        raise SchemaError("two_theta must lie below 180 degree; is the axis d or Q?")
    units = pattern[INTENSITY].attrs.get("units")
    if units not in INTENSITY_UNITS:
        raise SchemaError(
            f"intensity has units {units!r}; use one of {INTENSITY_UNITS}"
        )
    if not np.all(np.isfinite(pattern[INTENSITY].to_numpy())):
        raise SchemaError("intensity holds values that are not finite; remove them")
    if INTENSITY_STD in pattern and not np.all(pattern[INTENSITY_STD] > 0.0):
        raise SchemaError("intensity_std must be positive; drop it when it is unknown")
