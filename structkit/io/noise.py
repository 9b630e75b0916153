"""Is the noise of a pattern counting noise? Answered from the pattern itself.

A pattern is cut into blocks of 32 points, each turned into a cosine series and
divided by the standard deviation that counting would give. Under counting noise
every coefficient is then an independent number of variance 1. Peaks and slopes fill
the low orders only, so the upper orders of the flattest blocks show the noise:

* their mean square is ``noise_ratio``: 1 for counts, less for data scaled down or
  smoothed, more for data scaled up;
* the highest orders over the middle ones is the *whiteness*: 1 for any unsmoothed
  data whatever their scale, near 0 for smoothed or interpolated data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct, next_fast_len, rfft
from scipy.special import gammainc, gammaincinv

from structkit.schema import (
    ARBITRARY,
    COUNTING_TIME,
    COUNTS,
    COUNTS_PER_SECOND,
    ESD_RELIABLE,
    INTENSITY,
    INTENSITY_STD,
    NOISE_RATIO,
    label,
)
from structkit.uncertainty import COUNT_STEP

_BLOCK = 32
_LOW, _MIDDLE, _HIGH = slice(2, 8), slice(12, 22), slice(22, 32)
_MIN_BLOCKS = 4
_FLAT_SHARE = 0.4
_RATIO_LIMITS = (0.5, 2.0)
_COUNTING_LIMITS = (0.7, 1.4)
_IMPLAUSIBLE = 50.0
_WHITENESS_LIMIT = 0.5
_SIGMAS = 3.0
_MAX_HISTOGRAM = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFigures:
    """What the noise of a pattern looks like."""

    ratio: float
    """Measured noise variance over the expected one."""
    whiteness: float
    """Power of the highest orders over that of the middle ones; 1 when white."""
    whiteness_std: float
    """1 sigma of ``ln(whiteness)`` for white noise."""

    @property
    def is_counting(self) -> bool:
        """Return whether noise and scale are those of plain counts."""
        low, high = _COUNTING_LIMITS
        return low <= self.ratio <= high and not self.is_smoothed

    @property
    def is_smoothed(self) -> bool:
        """Return whether neighbouring points share their noise."""
        limit = max(_SIGMAS * self.whiteness_std, -math.log(_WHITENESS_LIMIT))
        return self.whiteness <= math.exp(-limit)


def measure_noise(
    intensity: ArrayLike, expected_variance: ArrayLike
) -> NoiseFigures | None:
    """Compare the noise of a pattern with an expected variance.

    Parameters
    ----------
    intensity : array_like, shape (n_points,)
        Intensity on a (nearly) uniform grid.
    expected_variance : array_like, shape (n_points,)
        Variance that the noise should have, same units squared.

    Returns
    -------
    NoiseFigures or None
        None for fewer than 128 points, or where nothing is expected to vary.

    Notes
    -----
    The blocks used are the 40 % with the least power in the low orders 2-7. Under
    white noise these are independent of the orders 12-31 that are measured, so the
    choice does not bias the ratio. Block powers are averaged after dropping the
    upper tenth, and the average is divided by what this leaves of chi-square.
    """
    values = np.asarray(intensity, dtype=float)
    variance = np.asarray(expected_variance, dtype=float)
    n_blocks = values.size // _BLOCK
    if n_blocks < _MIN_BLOCKS:
        return None
    blocks = values[: n_blocks * _BLOCK].reshape(n_blocks, _BLOCK)
    expected = variance[: n_blocks * _BLOCK].reshape(n_blocks, _BLOCK).mean(axis=1)
    blocks, expected = blocks[expected > 0.0], expected[expected > 0.0]
    if expected.size < _MIN_BLOCKS:
        return None
    power = dct(blocks, norm="ortho", axis=1) ** 2 / expected[:, None]
    flatness = power[:, _LOW].mean(axis=1)
    n_flat = max(_MIN_BLOCKS // 2, math.ceil(_FLAT_SHARE * flatness.size))
    flat = power[np.argsort(flatness)[:n_flat]]
    middle, high = _typical(flat[:, _MIDDLE]), _typical(flat[:, _HIGH])
    n_orders = n_flat * (_HIGH.stop - _HIGH.start)
    return NoiseFigures(
        ratio=0.5 * (middle + high),
        whiteness=high / middle if middle > 0.0 else 0.0,
        whiteness_std=2.0 / math.sqrt(n_orders),
    )


def _typical(power: NDArray[np.float64]) -> float:
    """Return the mean power of blocks, the upper tenth of them left out."""
    means = np.sort(power.mean(axis=1))
    kept = max(1, math.floor(0.9 * means.size))
    return float(means[:kept].mean()) / _kept_mean(kept / means.size, power.shape[1])


def _kept_mean(share: float, n_orders: int) -> float:
    """Return the mean of the lower ``share`` of chi-square over its degrees."""
    if share >= 1.0:
        return 1.0
    limit = float(gammaincinv(0.5 * n_orders, share))
    return float(gammainc(0.5 * n_orders + 1.0, limit) / share)


def find_count_step(intensity: ArrayLike) -> float | None:
    """Find the step of which all intensities are integer multiples.

    Parameters
    ----------
    intensity : array_like, shape (n_points,)
        Recorded values, rounded as the file gives them.

    Returns
    -------
    float or None
        What one count adds, in the units of ``intensity``; 1 for counts, 10/3 for
        counts per second measured 0.3 s. None when there is no such step well above
        the rounding of the values.

    Examples
    --------
    >>> counts = np.random.default_rng(1).poisson(80.0, 500)
    >>> find_count_step(counts)
    1.0
    >>> round(find_count_step(np.round(counts / 0.3, 2)), 3)
    3.333

    Notes
    -----
    The histogram of values is a comb; the lowest strong line of its Fourier
    transform is the step, refined by least squares and checked on every value.
    """
    values = np.asarray(intensity, dtype=float)
    values = values[values > 0.0]
    if values.size == 0:
        return None
    if np.all(values == np.round(values)):
        return float(np.gcd.reduce(values.astype(np.int64)))
    resolution = _resolution(values)
    for guess in _comb_steps(values, resolution):
        step = _refine_step(values, guess)
        offset = np.abs(values - step * np.round(values / step))
        exact = np.count_nonzero(offset <= resolution + 1e-6 * values)
        if step >= 6.0 * resolution and exact >= 0.99 * values.size:
            return step
    return None


def _resolution(values: NDArray[np.float64]) -> float:
    """Return the last decimal that the values use, 1e-4 at the finest."""
    for digits in range(1, 4):
        scaled = values * 10.0**digits
        if np.all(np.abs(scaled - np.round(scaled)) < 1e-5 * np.maximum(scaled, 1.0)):
            return float(10.0**-digits)
    return 1e-4


def _comb_steps(values: NDArray[np.float64], resolution: float) -> list[float]:
    """Return candidates for the step, largest first."""
    limit = min(float(np.median(values)), 0.5 * _MAX_HISTOGRAM * resolution)
    low = values[values <= limit]
    if low.size < 16:
        return []
    bins = np.round(low / resolution).astype(np.int64)
    length = next_fast_len(2 * int(bins.max() + 1), real=True)
    comb = np.abs(rfft(np.bincount(bins, minlength=length).astype(float))) / low.size
    peak = (comb[1:-1] > 0.5) & (comb[1:-1] >= comb[:-2]) & (comb[1:-1] >= comb[2:])
    lines = np.flatnonzero(peak)[:12] + 1
    return [length * resolution / int(line) for line in lines]


def _refine_step(values: NDArray[np.float64], guess: float) -> float:
    """Fit the step to ever larger values, so that no multiple is miscounted."""
    step = guess
    limit = 8.0 * guess
    largest = float(values.max())
    while True:
        used = values[values <= limit]
        multiples = np.round(used / step)
        if multiples.any():
            step = float(np.dot(multiples, used) / np.dot(multiples, multiples))
        if limit >= largest:
            return step
        limit *= 2.0


def assess_noise(pattern: xr.Dataset) -> xr.Dataset:
    """Add ``noise_ratio`` and ``esd_reliable`` to a pattern.

    Parameters
    ----------
    pattern : xarray.Dataset
        A powder pattern (see :mod:`structkit.schema`).

    Returns
    -------
    xarray.Dataset
        The same with ``noise_ratio`` (dimensionless; absent for fewer than 128
        points) and ``esd_reliable`` (int8, attr ``reason``). Where a count step is
        found it stands in the attr ``count_step`` of ``intensity``.

    Notes
    -----
    ``noise_ratio`` compares with the given esds squared; without these with the
    intensity times the count step (1 for counts; 1 also where it is unknown).
    """
    intensity = pattern[INTENSITY].to_numpy()
    step = _count_step(pattern)
    if INTENSITY_STD in pattern:
        expected = pattern[INTENSITY_STD].to_numpy() ** 2
    else:
        expected = np.maximum(intensity, 0.0) * (step or 1.0)
    figures = measure_noise(intensity, expected)
    reasons = _doubts(pattern, figures, step)
    result = pattern.copy()
    if step is not None:
        result[INTENSITY] = result[INTENSITY].assign_attrs({COUNT_STEP: step})
    if figures is not None:
        result[NOISE_RATIO] = label(xr.DataArray(figures.ratio), NOISE_RATIO)
    flag = label(xr.DataArray(np.int8(not reasons)), ESD_RELIABLE)
    result[ESD_RELIABLE] = flag.assign_attrs(reason="; ".join(reasons))
    return result


def _count_step(pattern: xr.Dataset) -> float | None:
    """Return what one count adds to the intensity; None when that is unknown."""
    units = pattern[INTENSITY].attrs["units"]
    if units == COUNTS:
        return 1.0
    if units == ARBITRARY:
        return None
    step = find_count_step(pattern[INTENSITY])
    if step is not None:
        return step
    if COUNTING_TIME in pattern.coords:
        return 1.0 / float(pattern[COUNTING_TIME])
    return None


def _doubts(
    pattern: xr.Dataset, figures: NoiseFigures | None, step: float | None
) -> list[str]:
    """Return the reasons, in words, why esds are not to be trusted."""
    reasons = _scale_doubts(pattern, figures, step)
    if figures is None:
        return reasons
    reference = "the esds of the file" if INTENSITY_STD in pattern else "counting"
    low, high = _RATIO_LIMITS
    if figures.is_smoothed:
        reasons.append(
            f"smoothed: neighbouring points share their noise (whiteness "
            f"{figures.whiteness:.2f}, unsmoothed 1)"
        )
    if not low <= figures.ratio <= high:
        if figures.ratio < low:
            cause = "rescaled or smoothed"
        elif figures.ratio < _IMPLAUSIBLE:
            cause = "rescaled"
        else:
            cause = "rescaled, or scrambled"
        reasons.append(
            f"noise variance is {figures.ratio:.3g} times that of {reference}: {cause}"
        )
    return reasons


def _scale_doubts(
    pattern: xr.Dataset, figures: NoiseFigures | None, step: float | None
) -> list[str]:
    """Return what the values themselves say against their being counts."""
    if INTENSITY_STD in pattern:
        return []
    if step is None:
        if figures is not None and figures.is_counting:
            return []
        return ["what one count adds to the intensity is unknown"]
    values = pattern[INTENSITY].to_numpy()
    highest = float(values.max())
    reasons = []
    if highest >= 1e4 and highest == 10.0 ** round(math.log10(highest)):
        reasons.append(f"the highest point is exactly {highest:g}: rescaled")
    common = find_count_step(values) if pattern[INTENSITY].units == COUNTS else None
    if common is not None and common > 1.0:
        reasons.append(f"all values are multiples of {common:g}: rescaled")
    return reasons


def recognise_units(intensity: ArrayLike, *, declared: str | None = None) -> str:
    """Return the units of an intensity column.

    Parameters
    ----------
    intensity : array_like, shape (n_points,)
        Recorded values.
    declared : str, optional
        What the file says, in one of the spellings of the schema.

    Returns
    -------
    str
        The declared units; else ``count`` for integers, ``count s-1`` for multiples
        of a common step, ``1`` (arbitrary) for the rest.
    """
    if declared is not None:
        return declared
    values = np.asarray(intensity, dtype=float)
    if np.all(values == np.round(values)):
        return COUNTS
    return ARBITRARY if find_count_step(values) is None else COUNTS_PER_SECOND
