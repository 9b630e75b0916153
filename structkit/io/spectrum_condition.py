"""The condition of Raman spectra, found from their values and their header.

A spectrometer's software may have smoothed spectra, subtracted a baseline, summed
accumulations or left spots empty; the detector may have saturated. Each is found here,
set as a flag and said in a sentence, as each changes what the noise means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from structkit.errors import ReadError
from structkit.io.noise import find_count_step, measure_noise
from structkit.io.raw_spectra import RawSpectra
from structkit.schema import (
    ACCUMULATIONS,
    ARBITRARY,
    BASELINE_SUBTRACTED,
    COUNTS,
    EMPTY,
    INTENSITY,
    RAMAN_SHIFT,
    SATURATED_POINTS,
    SMOOTHED,
    SPOT,
    SUMMED,
    label,
)
from structkit.uncertainty import COUNT_STEP

Floats = NDArray[np.float64]

_SIXTEEN_BITS = 65535
_LARGEST_INTEGER = 2.0**53
_WHITENESS_LIMIT = 0.5
_MIN_WHITENESS_ORDERS = 100
_SPOTS_LOOKED_AT = 24
_NEGATIVE_SIGMA = 5.0
_NEGATIVE_SHARE = 0.1
_MIN_RUN = 3
_MIN_DROP = 0.01
_SHOWN_SPOTS = 12
_FRACTIONS = tuple(n for n in range(2, 61) if n != 10)
"""Accumulations looked for; ten of them look like values written to 0.1."""
_FRACTION_TOLERANCE = 2e-7
"""Relative rounding of 32-bit numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whiteness:
    """Noise power at the highest frequencies over that at the middle ones."""

    value: float
    """1 for unsmoothed data, near 0 for smoothed ones."""
    std: float
    """1 sigma of its logarithm for white noise."""

    @property
    def is_smoothed(self) -> bool:
        """Return whether neighbouring points share their noise."""
        limit = max(3.0 * self.std, -math.log(_WHITENESS_LIMIT))
        return self.value <= math.exp(-limit)


def assess_spectra(spectra: xr.Dataset, raw: RawSpectra) -> xr.Dataset:
    """Add the flags of the schema and what is to be said about the data.

    Parameters
    ----------
    spectra : xarray.Dataset
        From :func:`structkit.io.raw_spectra.to_spectra`.
    raw : RawSpectra
        What the reader found: the header's word on smoothing and baseline.

    Returns
    -------
    xarray.Dataset
        The same with ``empty``, ``saturated_points``, ``baseline_subtracted``, and
        ``smoothed`` and ``summed`` where they can be known; ``count_step`` (attr of
        ``intensity``) where all values share a step; the attr ``remarks``.

    Raises
    ------
    ReadError
        Every point of every spectrum is zero.
    """
    values = spectra[INTENSITY].to_numpy()
    remarks = [line for line in str(spectra.attrs["remarks"]).split("\n") if line]
    empty: NDArray[np.bool_] = np.all(values == 0.0, axis=1)
    if empty.all():
        raise ReadError(f"{raw.path}: every intensity is zero; measure it again")
    lit = values[~empty]
    step = find_offset_step(lit)
    result = spectra.copy()
    counts = spectra[INTENSITY].attrs["units"] == COUNTS
    if step is not None and spectra[INTENSITY].attrs["units"] != ARBITRARY:
        result[INTENSITY] = result[INTENSITY].assign_attrs({COUNT_STEP: step})
    summed = _is_summed(spectra, step, lit) if counts else None
    shift = spectra[RAMAN_SHIFT].to_numpy()
    saturated = np.stack([find_saturated(row) for row in values])
    whiteness = measure_whiteness(lit)
    measured = None if whiteness is None else whiteness.is_smoothed
    smoothed = True if raw.smoothed else measured
    baseline = raw.baseline_subtracted or _is_subtracted(lit)
    if empty.any():
        remarks.append(_say_empty(empty))
    remarks.extend(_say_counts(lit, step, counts=counts))
    if summed:
        remarks.append(_say_summed(spectra, lit))
    if saturated.any():
        remarks.append(_say_saturated(shift, saturated, values))
    if smoothed:
        remarks.append(_say_smoothed(whiteness, stated=raw.smoothed))
    if baseline:
        remarks.append(_say_subtracted(lit, stated=raw.baseline_subtracted))
    flags = {SMOOTHED: smoothed, BASELINE_SUBTRACTED: baseline, SUMMED: summed}
    for name, flag in flags.items():
        if flag is not None:
            result[name] = label(xr.DataArray(np.int8(flag)), name)
    result[EMPTY] = label(xr.DataArray(empty.astype(np.int8), dims=(SPOT,)), EMPTY)
    points = xr.DataArray(saturated.sum(axis=1), dims=(SPOT,))
    result[SATURATED_POINTS] = label(points, SATURATED_POINTS)
    return result.assign_attrs(remarks="\n".join(remarks))


def find_offset_step(intensity: ArrayLike) -> float | None:
    """Find the step between values that may start anywhere, as odd counts do.

    Parameters
    ----------
    intensity : array_like
        Recorded values, any shape.

    Returns
    -------
    float or None
        2 where all values are odd; a unit fraction where they are means of
        accumulations; else as :func:`structkit.io.noise.find_count_step`.

    Examples
    --------
    >>> find_offset_step([183, 185, 191, 205, 187])
    2.0
    """
    values = np.asarray(intensity, dtype=float).ravel()
    if values.size == 0 or float(np.ptp(values)) >= _LARGEST_INTEGER:
        return None
    if np.all(values == np.round(values)):
        step = float(np.gcd.reduce((values - values.min()).astype(np.int64)))
        return step if step > 0.0 else None
    return find_count_step(values) or _find_fraction(values)


def _find_fraction(values: Floats) -> float | None:
    """Return 1/n where all values are means of n counts, as far as they are written."""
    tolerance = _FRACTION_TOLERANCE * np.maximum(np.abs(values), 1.0)
    for n in _FRACTIONS:
        scaled = values * n
        if np.all(np.abs(scaled - np.round(scaled)) <= n * tolerance):
            tenths = np.allclose(10.0 * values, np.round(10.0 * values), atol=1e-3)
            return None if tenths and n % 10 == 0 else 1.0 / n
    return None


def measure_whiteness(intensity: Floats) -> Whiteness | None:
    """Measure whether neighbouring points share their noise.

    Parameters
    ----------
    intensity : ndarray, shape (n_spots, n_points)
        Spectra that are not empty.

    Returns
    -------
    Whiteness or None
        Median over at most 24 spots; None for fewer than 128 points.

    Notes
    -----
    As in :mod:`structkit.io.noise`, without comparing with counting noise: only the
    ratio of the powers is used, so the scale and the gain do not matter. A plain
    moving average leaves as much at the highest as at the middle frequencies and is
    not found; binomial, Savitzky-Golay and the software's own filters are.
    """
    n_used = min(_SPOTS_LOOKED_AT, intensity.shape[0])
    chosen = np.unique(np.linspace(0, intensity.shape[0] - 1, n_used).astype(int))
    figures = [measure_noise(intensity[i], np.ones(intensity.shape[1])) for i in chosen]
    known = [found for found in figures if found is not None and found.ratio > 0.0]
    if not known:
        return None
    return Whiteness(
        value=float(np.median([found.whiteness for found in known])),
        std=known[0].whiteness_std / math.sqrt(len(known)),
    )


def find_saturated(spectrum: Floats) -> NDArray[np.bool_]:
    """Find the points at the detector's ceiling: runs of the exact maximum.

    Parameters
    ----------
    spectrum : ndarray, shape (n_points,)
        One spectrum.

    Returns
    -------
    ndarray of bool, shape (n_points,)

    Notes
    -----
    A run counts from three points, or two at 65535. It must also fall off steeply at
    its ends, by more than 1 % of the height of the spectrum: a flat top of rounded
    values does not.

    Examples
    --------
    >>> print(find_saturated(np.array([3.0, 5, 900, 900, 900, 4, 2])).sum())
    3
    """
    top = float(spectrum.max())
    at_top = spectrum == top
    edges = np.diff(np.concatenate([[0], at_top.astype(int), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    needed = 2 if top == _SIXTEEN_BITS else _MIN_RUN
    found = np.zeros(spectrum.size, dtype=bool)
    least = _MIN_DROP * (top - float(np.median(spectrum)))
    for start, end in zip(starts, ends, strict=True):
        inside = [i for i in (start - 1, end) if 0 <= i < spectrum.size]
        drops = [top - float(spectrum[i]) for i in inside]
        if end - start >= needed and top > 0.0 and all(d > least for d in drops):
            found[start:end] = True
    return found


def measure_spread(spectrum: Floats) -> float:
    """Return the standard deviation of the noise from second differences.

    Parameters
    ----------
    spectrum : ndarray, shape (n_points,)
        One spectrum.

    Returns
    -------
    float
        In the units of the spectrum; robust against bands, that is against the
        few points where the curve itself bends.
    """
    bends = np.diff(spectrum, 2)
    return float(1.4826 * np.median(np.abs(bends)) / math.sqrt(6.0))


def _is_subtracted(lit: Floats) -> bool:
    """Return whether negative values say that a baseline was taken off."""
    below = [
        np.count_nonzero(row < -_NEGATIVE_SIGMA * measure_spread(row)) for row in lit
    ]
    deep = np.array(below) >= max(3, lit.shape[1] // 200)
    many = np.mean(lit < 0.0, axis=1) > _NEGATIVE_SHARE
    return bool(np.mean(deep | many) > 0.5)


def _is_summed(spectra: xr.Dataset, step: float | None, lit: Floats) -> bool:
    """Return whether accumulations were added up."""
    if lit.max() > _SIXTEEN_BITS:
        return True
    if ACCUMULATIONS not in spectra.coords or step is None:
        return False
    accumulations = float(spectra[ACCUMULATIONS])
    return accumulations > 1.0 and step > 2.0 and step == accumulations


def _say_empty(empty: NDArray[np.bool_]) -> str:
    """Say which spots are empty."""
    numbers = np.flatnonzero(empty) + 1
    shown = _say_runs(numbers)
    return f"{numbers.size} of {empty.size} spectra are zero throughout: spots {shown}."


def _say_runs(numbers: NDArray[np.intp]) -> str:
    """Return ``3, 7-9``; the first of them where there are many."""
    breaks = np.flatnonzero(np.diff(numbers) > 1) + 1
    runs = np.split(numbers, breaks)
    words = [f"{r[0]}" if r.size == 1 else f"{r[0]}-{r[-1]}" for r in runs]
    more = ", ..." if len(words) > _SHOWN_SPOTS else ""
    return ", ".join(words[:_SHOWN_SPOTS]) + more


def _say_counts(lit: Floats, step: float | None, *, counts: bool) -> list[str]:
    """Say what is odd about counts."""
    if not counts:
        return []
    if step is None:
        return [
            "The intensities are called counts but are no multiples of one step: they "
            "were corrected or resampled after counting."
        ]
    if step == 1.0:
        return []
    if step == 2.0 and np.all(lit % 2.0 == 1.0):
        return ["Every count is odd: the intensity goes in steps of 2, not of 1."]
    said = f"The intensity goes in steps of {step:.6g}, not of 1"
    averaged = round(1.0 / step)
    if averaged > 1 and abs(averaged * step - 1.0) < 1e-3:
        return [f"{said}: it is the mean of {averaged} accumulations."]
    return [f"{said}."]


def _say_summed(spectra: xr.Dataset, lit: Floats) -> str:
    """Say that accumulations were added up."""
    many = ""
    if ACCUMULATIONS in spectra.coords and float(spectra[ACCUMULATIONS]) > 1.0:
        many = f" ({float(spectra[ACCUMULATIONS]):g} of them)"
    return (
        f"Accumulations were summed{many}: the highest value is {lit.max():g}, so "
        "65535 is no sign of saturation."
    )


def _say_saturated(shift: Floats, saturated: NDArray[np.bool_], values: Floats) -> str:
    """Say where the detector saturated."""
    anywhere = np.flatnonzero(saturated.any(axis=0))
    runs = np.split(anywhere, np.flatnonzero(np.diff(anywhere) > 1) + 1)
    places = [f"{shift[r[0]]:.4g} to {shift[r[-1]]:.4g} cm-1" for r in runs[:4]]
    spots = np.count_nonzero(saturated.any(axis=1))
    laser = any(shift[r[0]] - 20.0 < 0.0 < shift[r[-1]] + 20.0 for r in runs)
    note = " (the laser line)" if laser else ""
    ceiling = values[saturated].max()
    return (
        f"The detector saturated at {ceiling:g} in {spots} of {values.shape[0]} "
        f"spectra, at {', '.join(places)}{note}."
    )


def _say_smoothed(whiteness: Whiteness | None, *, stated: bool) -> str:
    """Say that neighbouring points share their noise."""
    by = "The header says that the spectra were denoised"
    measured = ""
    if whiteness is not None:
        measured = f"whiteness of the noise {whiteness.value:.2f}, unsmoothed 1"
    if not stated:
        return f"The spectra are smoothed: {measured}; uncertainties come out small."
    return f"{by}{f' ({measured})' if measured else ''}; uncertainties come out small."


def _say_subtracted(lit: Floats, *, stated: bool) -> str:
    """Say that something was taken off."""
    share = 100.0 * float(np.mean(lit < 0.0))
    negative = f"{share:.0f} % of the points are negative"
    if stated:
        return f"The header says that a baseline was subtracted; {negative}."
    return f"A baseline or dark signal was subtracted: {negative}."
