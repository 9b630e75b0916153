"""Raman spectra of one sample on one axis, a :class:`xarray.Dataset`.

A single spectrum has one spot; the points of a map, the steps of a time series and
repeated measurements are spots alike.

=============================  ====================  ==================================
name                           dims                  meaning
=============================  ====================  ==================================
``raman_shift`` (coord)        raman_shift           ``cm-1``, ascending
``spot`` (coord)               spot                  number of the spot, from 1
``intensity``                  spot, raman_shift     as recorded, ``count``,
                                                     ``count s-1`` or ``1`` (arbitrary)
``intensity_std``              spot, raman_shift     1 sigma; absent when unknown
``position_x``, ``_y``, ``_z`` spot                  stage, ``um``; absent when unknown
  (coords)
``time`` (coord)               spot                  ``s`` since the first spectrum
``source`` (coord)             spot                  file the spot came from
``empty``                      spot                  1 where every point is zero
``saturated_points``           spot                  points at the detector's ceiling
``smoothed``                   ()                    1: noise of neighbours is shared
``baseline_subtracted``        ()                    1: subtracted before the export
``summed``                     ()                    1: accumulations were added up
``gain``                       ()                    noise variance over intensity
``readout_std``                ()                    noise at no light
``laser_wavelength`` (coord)   ()                    ``nm``
``grating`` (coord)            ()                    grooves, ``mm-1``
``acquisition_time`` (coord)   ()                    ``s`` for one accumulation
``accumulations`` (coord)      ()                    number
``milling_time`` (coord)       ()                    ``h``
=============================  ====================  ==================================

All but ``raman_shift``, ``spot`` and ``intensity`` are absent when unknown.
attrs: ``source_file``, ``source_sha256``, ``reader``, ``software``; ``remarks``, one
sentence a line, says what was noticed about the data (denoised, summed, ...).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from structkit.errors import SchemaError
from structkit.schema.names import (
    COUNTS,
    INTENSITY,
    INTENSITY_STD,
    INTENSITY_UNITS,
    RAMAN_SHIFT,
    SPOT,
    label,
)

_MIN_POINTS = 10
_SHIFT_LIMITS = (-6000.0, 12000.0)


def make_spectra(
    raman_shift: ArrayLike,
    intensity: ArrayLike,
    *,
    intensity_std: ArrayLike | None = None,
    intensity_units: str = COUNTS,
    scalars: Mapping[str, float] | None = None,
    spot_coords: Mapping[str, ArrayLike] | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Put labels around Raman spectra and validate them.

    Parameters
    ----------
    raman_shift : array_like, shape (n_points,)
        Ascending, in **cm-1**.
    intensity : array_like, shape (n_points,) or (n_spots, n_points)
        In ``intensity_units``.
    intensity_std : array_like, same shape, optional
        1 sigma of it, same units.
    intensity_units : {"count", "count s-1", "1"}
        ``"1"`` means arbitrary.
    scalars : mapping of str to float, optional
        Scalar coordinates of the module docstring, such as ``laser_wavelength``.
    spot_coords : mapping of str to array_like, shape (n_spots,), optional
        Coordinates of each spot, such as ``position_x``.
    attrs : mapping, optional
        Provenance.

    Returns
    -------
    xarray.Dataset
        As the module docstring describes.

    Raises
    ------
    SchemaError
        When :func:`validate_spectra` refuses it.

    Examples
    --------
    >>> spectra = make_spectra(range(100, 120), [5.0] * 20)
    >>> print(dict(spectra.sizes))
    {'raman_shift': 20, 'spot': 1}
    """
    values = np.atleast_2d(np.asarray(intensity, dtype=float))
    dims = (SPOT, RAMAN_SHIFT)
    shift = xr.DataArray(np.asarray(raman_shift, dtype=float), dims=(RAMAN_SHIFT,))
    spots = xr.DataArray(np.arange(1, values.shape[0] + 1), dims=(SPOT,))
    measured = xr.DataArray(values, dims=dims)
    spectra = xr.Dataset(
        {INTENSITY: label(measured, INTENSITY, units=intensity_units)},
        coords={RAMAN_SHIFT: label(shift, RAMAN_SHIFT), SPOT: label(spots, SPOT)},
        attrs=dict(attrs or {}),
    )
    if intensity_std is not None:
        esd = xr.DataArray(np.atleast_2d(np.asarray(intensity_std, float)), dims=dims)
        spectra[INTENSITY_STD] = label(esd, INTENSITY_STD, units=intensity_units)
    for name, value in (scalars or {}).items():
        spectra = spectra.assign_coords({name: label(xr.DataArray(value), name)})
    for name, each in (spot_coords or {}).items():
        along = xr.DataArray(np.asarray(each), dims=(SPOT,))
        spectra = spectra.assign_coords({name: label(along, name)})
    validate_spectra(spectra)
    return spectra


def validate_spectra(spectra: xr.Dataset) -> None:
    """Check that ``spectra`` are Raman spectra as the module docstring says.

    Raises
    ------
    SchemaError
        Names the variable at fault, what is wrong with it, and what to do.
    """
    for name, dims in ((RAMAN_SHIFT, (RAMAN_SHIFT,)), (INTENSITY, (SPOT, RAMAN_SHIFT))):
        if name not in spectra.variables:
            raise SchemaError(
                f"spectra have no variable {name!r}; see structkit.schema.spectra"
            )
        if spectra[name].dims != dims:
            raise SchemaError(f"{name} must have dims {dims}")
    shift = spectra[RAMAN_SHIFT].to_numpy()
    if shift.size < _MIN_POINTS:
        raise SchemaError(
            f"raman_shift has {shift.size} points; a spectrum needs {_MIN_POINTS}"
        )
    if not np.all(np.isfinite(shift)):
        raise SchemaError("raman_shift holds values that are not finite; remove them")
    steps = np.diff(shift)
    if np.any(steps <= 0.0):
        where = shift[1:][steps <= 0.0][0]
        raise SchemaError(
            f"raman_shift does not ascend at {where:g} cm-1; sort, merge repeats"
        )
    low, high = _SHIFT_LIMITS
    if shift[0] < low or shift[-1] > high:
        raise SchemaError(
            f"raman_shift must lie in {low:g} to {high:g} cm-1; is the axis an "
            "absolute wavenumber, or in nm?"
        )
    units = spectra[INTENSITY].attrs.get("units")
    if units not in INTENSITY_UNITS:
        raise SchemaError(
            f"intensity has units {units!r}; use one of {INTENSITY_UNITS}"
        )
    if not np.all(np.isfinite(spectra[INTENSITY].to_numpy())):
        raise SchemaError("intensity holds values that are not finite; remove them")
    if INTENSITY_STD in spectra and not np.all(spectra[INTENSITY_STD] > 0.0):
        raise SchemaError("intensity_std must be positive; drop it when it is unknown")
