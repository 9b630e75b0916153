"""NMR spectra and free induction decays of one sample, :class:`xarray.Dataset` each.

=================================  =======================  ============================
name                               dims                     meaning
=================================  =======================  ============================
``chemical_shift`` (coord)         chemical_shift           ``ppm``, ascending
``intensity``                      [delay,] chemical_shift  real part, ``1``
``intensity_imag``                 [delay,] chemical_shift  absent when unknown
``intensity_std``                  ()                       noise of one point, ``1``
``delay`` (coord)                  delay                    recovery delay, ``s``, in
                                                            the order measured
``nucleus`` (coord)                ()                       text, such as ``23Na``
``larmor_frequency`` (coord)       ()                       ``MHz``
``mas_rate`` (coord)               ()                       as declared, ``Hz``
``recycle_delay`` (coord)          ()                       ``s``
``scans`` (coord)                  ()                       ``1``
``temperature`` (coord)            ()                       ``K``
``milling_time`` (coord)           ()                       ``h``
=================================  =======================  ============================

A free induction decay holds complex ``signal`` over ``[delay,] time`` (``time`` in
``s``, equally spaced from 0) with the scalar coords ``carrier_frequency`` and
``reference_frequency`` (``MHz``) that put a ppm axis under its transform, and the attr
``group_delay`` (points of the digital filter; 0 where there is none).

All but axis and values are absent when unknown. attrs: ``source_file``,
``source_sha256``, ``reader``, ``software``; ``title``; ``remarks``, one sentence a
line, says what was noticed (nucleus contradicts the frequency, padding, ...).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from structkit.errors import SchemaError
from structkit.schema.names import (
    ARBITRARY,
    CHEMICAL_SHIFT,
    DELAY,
    INTENSITY,
    INTENSITY_STD,
    SIGNAL,
    TIME,
    label,
)

INTENSITY_IMAG = "intensity_imag"
GROUP_DELAY = "group_delay"
_MIN_POINTS = 8


def make_nmr_spectrum(
    chemical_shift: ArrayLike,
    intensity: ArrayLike,
    *,
    intensity_imag: ArrayLike | None = None,
    intensity_std: float | None = None,
    delay: ArrayLike | None = None,
    scalars: Mapping[str, float | str] | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Put labels around an NMR spectrum, or around one per delay, and validate it.

    Parameters
    ----------
    chemical_shift : array_like, shape (n_points,)
        Ascending, in **ppm**.
    intensity : array_like, shape (n_points,) or (n_delays, n_points)
        Real part, arbitrary units.
    intensity_imag : array_like, same shape, optional
        Imaginary part, so that a phase can be fitted.
    intensity_std : float, optional
        1 sigma of the noise of one point, same units.
    delay : array_like, shape (n_delays,), optional
        Recovery delays, **s**; given exactly where ``intensity`` has two dims.
    scalars : mapping of str to float or str, optional
        Scalar coordinates of the module docstring.
    attrs : mapping, optional
        Provenance.

    Returns
    -------
    xarray.Dataset
        As the module docstring describes.

    Raises
    ------
    SchemaError
        When :func:`validate_nmr_spectrum` refuses it.

    Examples
    --------
    >>> spectrum = make_nmr_spectrum(range(-10, 10), [1.0] * 20)
    >>> spectrum["chemical_shift"].attrs["units"]
    'ppm'
    """
    dims = (CHEMICAL_SHIFT,) if delay is None else (DELAY, CHEMICAL_SHIFT)
    axis = xr.DataArray(np.asarray(chemical_shift, float), dims=(CHEMICAL_SHIFT,))
    values = np.asarray(intensity, dtype=float)
    if values.ndim != len(dims):
        raise SchemaError(
            f"intensity has {values.ndim} dims for {dims}; give delays exactly where "
            "there is one spectrum per delay"
        )
    measured = xr.DataArray(values, dims=dims)
    spectrum = xr.Dataset(
        {INTENSITY: label(measured, INTENSITY, units=ARBITRARY)},
        coords={CHEMICAL_SHIFT: label(axis, CHEMICAL_SHIFT)},
        attrs=dict(attrs or {}),
    )
    if delay is not None:
        delays = xr.DataArray(np.asarray(delay, dtype=float), dims=(DELAY,))
        spectrum = spectrum.assign_coords({DELAY: label(delays, DELAY)})
    if intensity_imag is not None:
        imaginary = xr.DataArray(np.asarray(intensity_imag, float), dims=dims)
        spectrum[INTENSITY_IMAG] = imaginary.assign_attrs(
            units=ARBITRARY, long_name="imaginary part of the intensity"
        )
    if intensity_std is not None:
        noise = xr.DataArray(float(intensity_std))
        spectrum[INTENSITY_STD] = label(noise, INTENSITY_STD, units=ARBITRARY)
    spectrum = _with_scalars(spectrum, scalars)
    validate_nmr_spectrum(spectrum)
    return spectrum


def validate_nmr_spectrum(spectrum: xr.Dataset) -> None:
    """Check that ``spectrum`` is an NMR spectrum as the module docstring says.

    Raises
    ------
    SchemaError
        Names the variable at fault, what is wrong with it, and what to do.
    """
    for name in (CHEMICAL_SHIFT, INTENSITY):
        if name not in spectrum.variables:
            raise SchemaError(
                f"spectrum has no variable {name!r}; see structkit.schema.nmr"
            )
    if spectrum[INTENSITY].dims not in ((CHEMICAL_SHIFT,), (DELAY, CHEMICAL_SHIFT)):
        raise SchemaError(f"intensity must have dims ([{DELAY},] {CHEMICAL_SHIFT})")
    shift = spectrum[CHEMICAL_SHIFT].to_numpy()
    if shift.size < _MIN_POINTS:
        raise SchemaError(
            f"chemical_shift has {shift.size} points; a spectrum needs {_MIN_POINTS}"
        )
    if not np.all(np.isfinite(shift)) or np.any(np.diff(shift) <= 0.0):
        raise SchemaError("chemical_shift must be finite and ascend; sort the points")
    if not np.all(np.isfinite(spectrum[INTENSITY].to_numpy())):
        raise SchemaError("intensity holds values that are not finite; remove them")
    if INTENSITY_STD in spectrum and not np.all(spectrum[INTENSITY_STD] > 0.0):
        raise SchemaError("intensity_std must be positive; drop it when it is unknown")
    if DELAY in spectrum.dims and np.any(spectrum[DELAY].to_numpy() < 0.0):
        raise SchemaError("delay must not be negative; are the units s?")


def make_decay(
    time: ArrayLike,
    signal: ArrayLike,
    *,
    delay: ArrayLike | None = None,
    group_delay: float = 0.0,
    scalars: Mapping[str, float | str] | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Put labels around a free induction decay, or around one per delay.

    Parameters
    ----------
    time : array_like, shape (n_points,)
        Equally spaced, in **s**.
    signal : array_like of complex, shape (n_points,) or (n_delays, n_points)
        Arbitrary units.
    delay : array_like, shape (n_delays,), optional
        Recovery delays, **s**; given exactly where ``signal`` has two dims.
    group_delay : float, default 0
        Points that the digital filter puts before the decay.
    scalars : mapping of str to float or str, optional
        Scalar coordinates, ``carrier_frequency`` and ``reference_frequency`` (MHz)
        among them.
    attrs : mapping, optional
        Provenance.

    Returns
    -------
    xarray.Dataset
        As the module docstring describes.

    Raises
    ------
    SchemaError
        When dims do not fit, times are not equally spaced, or values are not finite.

    Examples
    --------
    >>> decay = make_decay([0.0, 1e-6, 2e-6], [1.0, 0.5, 0.25])
    >>> decay["signal"].dtype.kind
    'c'
    """
    dims = (TIME,) if delay is None else (DELAY, TIME)
    axis = xr.DataArray(np.asarray(time, dtype=float), dims=(TIME,))
    values = np.asarray(signal, dtype=complex)
    if values.ndim != len(dims):
        raise SchemaError(f"signal has {values.ndim} dims for {dims}")
    steps = np.diff(axis)
    if steps.size < 1 or steps[0] <= 0.0 or not np.allclose(steps, steps[0]):
        raise SchemaError("time must ascend in equal steps; see the dwell time")
    if not np.all(np.isfinite(values)):
        raise SchemaError("signal holds values that are not finite; remove them")
    decay = xr.Dataset(
        {SIGNAL: label(xr.DataArray(values, dims=dims), SIGNAL)},
        coords={TIME: label(axis, TIME)},
        attrs={**(attrs or {}), GROUP_DELAY: float(group_delay)},
    )
    if delay is not None:
        delays = xr.DataArray(np.asarray(delay, dtype=float), dims=(DELAY,))
        decay = decay.assign_coords({DELAY: label(delays, DELAY)})
    return _with_scalars(decay, scalars)


def _with_scalars(
    dataset: xr.Dataset, scalars: Mapping[str, float | str] | None
) -> xr.Dataset:
    """Return ``dataset`` with scalar coordinates."""
    for name, value in (scalars or {}).items():
        dataset = dataset.assign_coords({name: label(xr.DataArray(value), name)})
    return dataset
