"""Put a spectrum to a reference: a line whose shift is known."""

from __future__ import annotations

import numpy as np
import xarray as xr

from structkit.errors import FitError, SchemaError
from structkit.nmr.spectrum import NOISE_CORRELATION, estimate_noise
from structkit.schema import (
    CHEMICAL_SHIFT,
    DELAY,
    INTENSITY,
    INTENSITY_STD,
    REFERENCE_FREQUENCY,
    label,
)

_MIN_CREST = 4.0
"""Height over noise that a line needs to be a reference."""
_MAX_REACH = 200
"""Points either side of the maximum that its parabola may take."""


def reference_spectrum(
    spectrum: xr.Dataset,
    near: tuple[float, float],
    *,
    at: float,
    at_std: float = 0.0,
) -> xr.Dataset:
    """Shift a spectrum so that a known line lies where it should.

    Parameters
    ----------
    spectrum : xarray.Dataset
        One spectrum; with ``intensity_std``, or it is estimated.
    near : (float, float)
        Range that holds the line and no higher one, **ppm** on the present axis.
    at : float
        Where its maximum belongs, **ppm**.
    at_std : float
        1 sigma of that, **ppm**.

    Returns
    -------
    xarray.Dataset
        On the new axis, ``reference_frequency`` moved with it where there is one;
        attrs ``reference_shift`` (added, ppm) and ``reference_shift_std`` (of the
        maximum and of ``at`` together, ppm; it is common to all lines).

    Raises
    ------
    FitError
        No maximum inside the range stands out from the noise.
    SchemaError
        Several spectra: reference one and assign its axis.
    """
    if DELAY in spectrum.dims:
        raise SchemaError("reference one spectrum, such as that of the longest delay")
    if INTENSITY_STD not in spectrum:
        spectrum = estimate_noise(spectrum)
    place, place_std = _maximum(spectrum, near)
    moved = at - place
    shift = spectrum[CHEMICAL_SHIFT]
    axis = label(shift + moved, CHEMICAL_SHIFT)
    referenced = spectrum.assign_coords({CHEMICAL_SHIFT: axis})
    if REFERENCE_FREQUENCY in spectrum.coords:
        zero = float(spectrum[REFERENCE_FREQUENCY]) * (1.0 - 1e-6 * moved)
        referenced = referenced.assign_coords(
            {REFERENCE_FREQUENCY: label(xr.DataArray(zero), REFERENCE_FREQUENCY)}
        )
    return referenced.assign_attrs(
        reference_shift=moved,
        reference_shift_std=float(np.hypot(place_std, at_std)),
    )


def _maximum(spectrum: xr.Dataset, near: tuple[float, float]) -> tuple[float, float]:
    """Return where the maximum in a range is and its 1 sigma, ppm.

    A parabola through the points above 0.7 of the height.
    """
    shift = spectrum[CHEMICAL_SHIFT].to_numpy()
    values = spectrum[INTENSITY].to_numpy()
    noise = float(spectrum[INTENSITY_STD])
    inside = np.flatnonzero((shift >= min(near)) & (shift <= max(near)))
    where = f"between {min(near):g} and {max(near):g} ppm"
    if inside.size < 5:
        raise FitError(f"{inside.size} points {where}; widen the range")
    top = int(inside[np.argmax(values[inside])])
    if top in (inside[0], inside[-1]) or values[top] < _MIN_CREST * noise:
        raise FitError(f"no line stands out {where}; give a range that holds it")
    low = high = top
    while low > 0 and values[low - 1] > 0.7 * values[top] and top - low < _MAX_REACH:
        low -= 1
    while (
        high < shift.size - 1
        and values[high + 1] > 0.7 * values[top]
        and high - top < _MAX_REACH
    ):
        high += 1
    low, high = min(low, top - 2), max(high, top + 2)
    step = float(shift[top] - shift[top - 1])
    offset = (shift[low : high + 1] - shift[top]) / step
    design = np.column_stack([offset**2, offset, np.ones_like(offset)])
    (a, b, _), *_ = np.linalg.lstsq(design, values[low : high + 1], rcond=None)
    if a >= 0.0:
        raise FitError(f"no maximum {where}; give a range that holds the line")
    correlation = float(spectrum.attrs.get(NOISE_CORRELATION, 1.0))
    covariance = noise**2 * max(correlation, 1.0) * np.linalg.inv(design.T @ design)
    gradient = np.array([b / (2 * a**2), -1.0 / (2 * a), 0.0])
    std = float(np.sqrt(gradient @ covariance @ gradient))
    return float(shift[top] - 0.5 * b / a * step), std * step
