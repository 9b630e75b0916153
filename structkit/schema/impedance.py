"""Impedance spectra and polarization runs of one sample, :class:`xarray.Dataset` each.

One spectrum is one sweep; a file with several gives several datasets.

=============================  ==========  ============================================
name                           dims        meaning
=============================  ==========  ============================================
``frequency`` (coord)          frequency   ``Hz``, ascending
``impedance``                  frequency   complex, ``ohm``; capacitive: negative
                                           imaginary part
``impedance_std``              frequency   1 sigma of each part, ``ohm``; absent when
                                           unknown
``time`` (coord)               frequency   ``s`` since the first point; absent when
                                           unknown
``temperature`` (coord)        ()          ``K``, of the measurement
``history`` (coord)            ()          text: what the sample went through before
``milling_time`` (coord)       ()          ``h``
=============================  ==========  ============================================

A polarization run holds ``current`` (``A``) and, where known, ``voltage`` (``V``) over
``time`` (``s``, ascending).

All but ``frequency`` and ``impedance`` are absent when unknown. attrs: ``source_file``,
``source_sha256``, ``reader``, ``software``; ``remarks``, one sentence a line, says what
was noticed about the data (aborted, wrong row count, sign turned, ...).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from structkit.errors import SchemaError
from structkit.schema.names import (
    CURRENT,
    FREQUENCY,
    IMPEDANCE,
    IMPEDANCE_STD,
    TIME,
    VOLTAGE,
    label,
)

_MIN_POINTS = 3


def make_impedance(
    frequency: ArrayLike,
    impedance: ArrayLike,
    *,
    impedance_std: ArrayLike | None = None,
    time: ArrayLike | None = None,
    scalars: Mapping[str, float | str] | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Put labels around one impedance spectrum and validate it.

    Parameters
    ----------
    frequency : array_like, shape (n_points,)
        Ascending, positive, in **Hz**.
    impedance : array_like of complex, shape (n_points,)
        In **ohm**.
    impedance_std : array_like, shape (n_points,), optional
        1 sigma of real and of imaginary part, **ohm**.
    time : array_like, shape (n_points,), optional
        When each point was measured, **s**.
    scalars : mapping of str to float or str, optional
        Scalar coordinates: ``temperature`` (K), ``history``, ``milling_time`` (h).
    attrs : mapping, optional
        Provenance.

    Returns
    -------
    xarray.Dataset
        As the module docstring describes.

    Raises
    ------
    SchemaError
        When :func:`validate_impedance` refuses it.

    Examples
    --------
    >>> spectrum = make_impedance([1.0, 10.0, 100.0], [3 - 2j, 2 - 1j, 1 - 0.1j])
    >>> spectrum["impedance"].attrs["units"]
    'ohm'
    """
    dims = (FREQUENCY,)
    axis = xr.DataArray(np.asarray(frequency, dtype=float), dims=dims)
    values = xr.DataArray(np.asarray(impedance, dtype=complex), dims=dims)
    spectrum = xr.Dataset(
        {IMPEDANCE: label(values, IMPEDANCE)},
        coords={FREQUENCY: label(axis, FREQUENCY)},
        attrs=dict(attrs or {}),
    )
    if impedance_std is not None:
        esd = xr.DataArray(np.asarray(impedance_std, dtype=float), dims=dims)
        spectrum[IMPEDANCE_STD] = label(esd, IMPEDANCE_STD)
    if time is not None:
        when = xr.DataArray(np.asarray(time, dtype=float), dims=dims)
        spectrum = spectrum.assign_coords({TIME: label(when, TIME)})
    for name, value in (scalars or {}).items():
        spectrum = spectrum.assign_coords({name: label(xr.DataArray(value), name)})
    validate_impedance(spectrum)
    return spectrum


def validate_impedance(spectrum: xr.Dataset) -> None:
    """Check that ``spectrum`` is an impedance spectrum as the module docstring says.

    Raises
    ------
    SchemaError
        Names the variable at fault, what is wrong with it, and what to do.
    """
    for name in (FREQUENCY, IMPEDANCE):
        if name not in spectrum.variables:
            raise SchemaError(
                f"spectrum has no variable {name!r}; see structkit.schema.impedance"
            )
        if spectrum[name].dims != (FREQUENCY,):
            raise SchemaError(f"{name} must have dims ({FREQUENCY!r},)")
    frequency = spectrum[FREQUENCY].to_numpy()
    if frequency.size < _MIN_POINTS:
        raise SchemaError(
            f"frequency has {frequency.size} points; a spectrum needs {_MIN_POINTS}"
        )
    if not np.all(np.isfinite(frequency)) or np.any(frequency <= 0.0):
        raise SchemaError("frequency must be finite and positive; remove rows at 0 Hz")
    steps = np.diff(frequency)
    if np.any(steps <= 0.0):
        where = frequency[1:][steps <= 0.0][0]
        raise SchemaError(
            f"frequency does not ascend at {where:g} Hz; sort, split repeated sweeps"
        )
    if not np.iscomplexobj(spectrum[IMPEDANCE].to_numpy()):
        raise SchemaError("impedance must be complex: Z' + 1j Z''")
    if not np.all(np.isfinite(spectrum[IMPEDANCE].to_numpy())):
        raise SchemaError("impedance holds values that are not finite; remove them")
    if IMPEDANCE_STD in spectrum and not np.all(spectrum[IMPEDANCE_STD] > 0.0):
        raise SchemaError("impedance_std must be positive; drop it when it is unknown")


def make_polarization(
    time: ArrayLike,
    current: ArrayLike,
    *,
    voltage: ArrayLike | None = None,
    scalars: Mapping[str, float | str] | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Put labels around one polarization run and validate it.

    Parameters
    ----------
    time : array_like, shape (n_points,)
        Ascending, in **s**.
    current : array_like, shape (n_points,)
        In **A**.
    voltage : array_like, shape (n_points,), optional
        In **V**.
    scalars : mapping of str to float or str, optional
        Scalar coordinates: ``temperature`` (K), ``history``, ``milling_time`` (h).
    attrs : mapping, optional
        Provenance.

    Returns
    -------
    xarray.Dataset
        As the module docstring describes.

    Raises
    ------
    SchemaError
        When times do not ascend, there are fewer than three, or values are not finite.

    Examples
    --------
    >>> run = make_polarization([0.0, 1.0, 2.0], [3e-9, 2e-9, 1.9e-9])
    >>> run["current"].attrs["units"]
    'A'
    """
    dims = (TIME,)
    axis = xr.DataArray(np.asarray(time, dtype=float), dims=dims)
    run = xr.Dataset(coords={TIME: label(axis, TIME)}, attrs=dict(attrs or {}))
    columns = {CURRENT: current} | ({} if voltage is None else {VOLTAGE: voltage})
    for name, column in columns.items():
        values = xr.DataArray(np.asarray(column, dtype=float), dims=dims)
        run[name] = label(values, name)
        if not np.all(np.isfinite(values)):
            raise SchemaError(f"{name} holds values that are not finite; remove them")
    for name, value in (scalars or {}).items():
        run = run.assign_coords({name: label(xr.DataArray(value), name)})
    if axis.size < _MIN_POINTS or np.any(np.diff(axis) <= 0.0):
        raise SchemaError("time must ascend over three points or more; sort the rows")
    return run
