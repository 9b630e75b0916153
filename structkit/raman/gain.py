"""Noise of Raman spectra: variance = readout_std^2 + gain x intensity.

A detector that reports ``g`` counts for one photoelectron has counts of variance
``g`` times their mean; reading it out adds a constant. Both are measured from the
spectra themselves:

* ``single``: sixth differences along each spectrum. They take out whatever is smooth
  over seven points, so bands of ten points and more do not leak in.
* ``pairs``: second differences of one spectrum less its scaled neighbour. Sharp bands
  and fixed pattern of the pixels cancel; whatever changed between the two stays.

Differences are sorted by their local mean intensity into bins; the variance of each
is a clipped one, so that cosmic rays and a few points on sharp bands do not count,
and bins far above the line through the others are left out and counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import erf

from structkit.errors import FitError, SchemaError
from structkit.raman.reduction import REDUCTION
from structkit.schema import INTENSITY, RAMAN_SHIFT, SMOOTHED, SPOT

Floats = NDArray[np.float64]
Method = Literal["single", "pairs"]

_ORDERS = {"single": 6, "pairs": 2}
_MAX_SPOTS = 64
_MIN_POINTS = 200
_POINTS_OF_BIN = 100
_BINS = (4, 24)
_CLIP = 3.0
_CLIP_COST = 1.05
"""Variance of the clipped variance over that of the plain one, white normal noise."""
_OUTLYING_BIN = 4.0
_MAX_DROPPED = 1.0 / 3.0
_RESOLVED = 3.0
_WHITE = 0.65
_PAIRS_AGREE = 1.15
_LEVEL_FLOOR = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseModel:
    """What the noise of spectra is, in the units of their intensity."""

    kind: Literal["gain", "constant"]
    """``constant``: one level is all that the data resolve."""
    gain: float
    """Noise variance over intensity, **intensity units**; NaN when not resolved."""
    gain_std: float
    """1 sigma of it; NaN when not resolved."""
    readout_std: float
    """Noise at no light, or the one level, **intensity units**."""
    readout_std_std: float
    """1 sigma of it."""
    pedestal: float
    """Intensity that carries no noise (an electronic offset), **intensity units**; 0
    unless the noise vanishes at an intensity above zero."""
    intensity_range: tuple[float, float]
    """Local means that the noise was measured at."""
    whiteness: float
    """Variance of sixth differences over that of second ones; 1 for white noise."""
    reduced_chi_square: float
    """Scatter of the bins about the model; the uncertainties are widened by it."""
    n_points: int
    """Differences used."""
    n_dropped_bins: int
    """Bins left out as far too noisy (sharp bands)."""
    method: Method
    """Differences along a spectrum, or between pairs of spectra."""
    units: str
    """Of the intensity."""

    @property
    def is_white(self) -> bool:
        """Return whether neighbouring points have noise of their own."""
        return self.whiteness >= _WHITE

    @property
    def statements(self) -> tuple[str, ...]:
        """Return what was found, one sentence each."""
        return tuple(_state(self))


def _state(model: NoiseModel) -> list[str]:
    """Return sentences about a noise model."""
    low, high = model.intensity_range
    means = f"from {low:.4g} to {high:.4g} {model.units}"
    if model.kind == "gain":
        sentences = [
            f"Noise variance is {model.gain:.3g} ± {model.gain_std:.2g} times the "
            f"intensity plus {model.readout_std:.3g}² (method {model.method}, {means})."
        ]
    else:
        sentences = [
            f"Only one noise level can be resolved: {model.readout_std:.3g} ± "
            f"{model.readout_std_std:.2g} {model.units} (method {model.method}), valid "
            f"{means}."
        ]
    if model.pedestal > 0.0:
        sentences.append(
            f"Noise vanishes at {model.pedestal:.4g} {model.units}: the intensity "
            "holds an offset that carries no noise."
        )
    if not model.is_white:
        sentences.append(
            f"Neighbouring points share their noise (whiteness {model.whiteness:.2f}, "
            "white 1): smoothed or resampled data; the true noise is larger."
        )
    if model.n_dropped_bins:
        sentences.append(
            f"{model.n_dropped_bins} bins of intensity left out: sharp bands leak in."
        )
    return sentences


@dataclass(frozen=True, slots=True)
class _Samples:
    """Differences that are noise of unit weight, and where they were taken."""

    noise: Floats
    level: Floats
    order: int


def estimate_noise(spectra: xr.Dataset, *, method: Method | None = None) -> NoiseModel:
    """Measure gain and readout noise from spectra.

    Parameters
    ----------
    spectra : xarray.Dataset
        Raman spectra as recorded (:mod:`structkit.schema.spectra`). Spots of zeros
        are left out; of more than 64 spots, 64 spread evenly are used.
    method : {"single", "pairs"}, optional
        None: pairs where neighbouring spots are repeats of one another, that is, where
        their difference is no noisier than the spectra themselves.

    Returns
    -------
    NoiseModel
        In the units of the intensity. ``statements`` says it in words.

    Raises
    ------
    FitError
        For fewer than 200 differences, or for a spectrum without noise.
    SchemaError
        When the spectra are reduced: their noise is no longer that of a detector.

    Notes
    -----
    ``variance = readout_std^2 + gain (intensity - pedestal)`` through the bins by
    weighted least squares, weights from the model. The gain counts as resolved at
    three sigma; then a readout variance below zero means a pedestal (at three sigma)
    or is set to zero. Rounding to a step ``s`` is part of it: ``s^2 / 12``.

    References
    ----------
    J. R. Janesick, *Photon Transfer* (2007), doi:10.1117/3.725073.
    """
    if REDUCTION in spectra.attrs:
        raise SchemaError("spectra are reduced; measure the noise of recorded ones")
    values = spectra[INTENSITY].transpose(SPOT, RAMAN_SHIFT).to_numpy()
    values = values[np.any(values != 0.0, axis=1)]
    chosen, samples = _choose_samples(values, method)
    whiteness = _measure_whiteness(values)
    if SMOOTHED in spectra and int(spectra[SMOOTHED]):
        whiteness = min(whiteness, 0.99 * _WHITE)
    fit = _fit_line(samples)
    return _describe(
        fit,
        samples,
        method=chosen,
        whiteness=whiteness,
        units=str(spectra[INTENSITY].attrs["units"]),
    )


def noise_std(spectra: xr.Dataset, model: NoiseModel) -> xr.DataArray:
    """Return 1 sigma of each intensity by a noise model.

    Parameters
    ----------
    spectra : xarray.Dataset
        Raman spectra in the units of the model, not reduced.
    model : NoiseModel
        From :func:`estimate_noise`.

    Returns
    -------
    xarray.DataArray, dims (spot, raman_shift)
        Same units as the intensity, positive. The variance is taken at the mean of
        three neighbouring points, so that a point is not given weight for having come
        out low.

    Raises
    ------
    SchemaError
        When the units differ or the spectra are reduced.
    """
    units = str(spectra[INTENSITY].attrs["units"])
    if units != model.units or REDUCTION in spectra.attrs:
        raise SchemaError(
            f"noise model is for recorded intensity in {model.units!r}; the spectra "
            f"are {'reduced' if REDUCTION in spectra.attrs else f'in {units!r}'}"
        )
    values = spectra[INTENSITY].transpose(SPOT, RAMAN_SHIFT).to_numpy()
    variance = noise_variance(_local_mean(values, 1), model)
    return xr.DataArray(
        np.sqrt(variance),
        dims=(SPOT, RAMAN_SHIFT),
        attrs={
            "units": units,
            "long_name": "standard uncertainty of the intensity",
        },
    )


def noise_variance(level: Floats, model: NoiseModel) -> Floats:
    """Return the noise variance at a mean intensity, any shape, units squared.

    The lower limit, where neither readout nor light is left, is half a gain squared.
    """
    constant = np.full(np.shape(level), model.readout_std**2)
    if model.kind == "constant":
        return constant
    light = np.maximum(np.asarray(level) - model.pedestal, 0.0)
    return np.maximum(constant + model.gain * light, 0.5 * model.gain**2)


def _choose_samples(values: Floats, method: Method | None) -> tuple[Method, _Samples]:
    """Return the differences to use and how they were taken."""
    n_spots = len(values)
    if n_spots == 0 or (method == "pairs" and n_spots < 2):
        raise FitError(f"{n_spots} spots that are not empty; noise cannot be measured")
    single = _take_single(values)
    if single.noise.size < _MIN_POINTS:
        raise FitError(
            f"{single.noise.size} differences; measuring noise takes {_MIN_POINTS}"
        )
    if method == "single" or n_spots < 2:
        return "single", single
    pairs = _take_pairs(values)
    if method == "pairs":
        return "pairs", pairs
    agree = clip_variance(pairs.noise) <= _PAIRS_AGREE * clip_variance(single.noise)
    return ("pairs", pairs) if agree and n_spots >= 4 else ("single", single)


def _take_single(values: Floats) -> _Samples:
    """Return differences along the spectra, scaled to the noise of one point."""
    order = _ORDERS["single"]
    step = max(1, math.ceil(len(values) / _MAX_SPOTS))
    noise, level = difference(values[::step], order)
    return _Samples(noise.ravel(), level.ravel(), order)


def _take_pairs(values: Floats) -> _Samples:
    """Return differences between neighbouring spots, scaled likewise."""
    order = _ORDERS["pairs"]
    n_pairs = len(values) // 2
    step = max(1, math.ceil(n_pairs / (_MAX_SPOTS // 2)))
    first = values[0 : 2 * n_pairs : 2][::step]
    second = values[1 : 2 * n_pairs : 2][::step]
    centred = [each - each.mean(axis=1, keepdims=True) for each in (first, second)]
    scale = np.sum(centred[0] * centred[1], axis=1) / np.sum(centred[1] ** 2, axis=1)
    scale = np.where(np.isfinite(scale), scale, 1.0)[:, None]
    weight = 1.0 + scale**2
    noise, _ = difference((first - scale * second) / np.sqrt(weight), order)
    _, level = difference((first + scale**2 * second) / weight, order)
    return _Samples(noise.ravel(), level.ravel(), order)


def difference(values: Floats, order: int) -> tuple[Floats, Floats]:
    """Return differences of even order, of the noise of one point, and local means.

    Parameters
    ----------
    values : numpy.ndarray, shape (n_spots, n_points)
    order : int
        Even.

    Returns
    -------
    noise, level : numpy.ndarray, shape (n_spots, n_points - order)
        ``noise`` has the variance of ``values`` where that is white.
    """
    noise = np.diff(values, order, axis=1) / math.sqrt(math.comb(2 * order, order))
    half = order // 2
    mean = _local_mean(values, max(half, 2))
    return noise, mean[:, half : values.shape[1] - half]


def _local_mean(values: Floats, half: int) -> Floats:
    """Return the running mean over ``2 half + 1`` points, ends repeated."""
    padded = np.pad(values, ((0, 0), (half + 1, half)), mode="edge")
    sums = np.cumsum(padded, axis=1)
    width = 2 * half + 1
    return np.asarray((sums[:, width:] - sums[:, :-width]) / width)


def clip_variance(noise: Floats) -> float:
    """Return the variance of normal noise, points beyond three sigma left out.

    Parameters
    ----------
    noise : numpy.ndarray, shape (n_points,)
        Of mean zero.

    Returns
    -------
    float
        Corrected for what clipping takes from normal noise.
    """
    kept_share = float(erf(_CLIP / math.sqrt(2.0)))
    density = math.exp(-0.5 * _CLIP**2) / math.sqrt(2.0 * math.pi)
    loss = 1.0 - 2.0 * _CLIP * density / kept_share
    squares = np.sort(noise**2)
    sums = np.cumsum(squares)
    variance = float(np.median(squares)) / 0.4549
    if variance == 0.0:
        variance = float(squares.mean())
    for _ in range(30):
        kept = int(np.searchsorted(squares, _CLIP**2 * variance, side="right"))
        if kept == 0:
            break
        variance = float(sums[kept - 1]) / kept / loss
    return variance


def _measure_whiteness(values: Floats) -> float:
    """Return the variance of sixth over second differences, median over blocks."""
    step = max(1, math.ceil(len(values) / _MAX_SPOTS))
    sixth, _ = difference(values[::step], 6)
    second, _ = difference(values[::step], 2)
    second = second[:, 2:-2]
    n_blocks = max(1, sixth.shape[1] // 64)
    ratios = []
    for high, low in zip(
        np.array_split(sixth, n_blocks, axis=1),
        np.array_split(second, n_blocks, axis=1),
        strict=True,
    ):
        below = clip_variance(low.ravel())
        if below > 0.0:
            ratios.append(clip_variance(high.ravel()) / below)
    return float(np.median(ratios)) if ratios else math.nan


@dataclass(frozen=True, slots=True)
class _Line:
    """Variance against intensity: a straight line through the bins."""

    intercept: float
    slope: float
    covariance: Floats
    chi_square: float
    n_dropped: int
    pooled: float
    pooled_std: float
    span: tuple[float, float]


def _fit_line(samples: _Samples) -> _Line:
    """Fit the variance of the bins against their mean intensity."""
    n_bins = int(np.clip(samples.noise.size // _POINTS_OF_BIN, *_BINS))
    order = np.argsort(samples.level, kind="stable")
    noise = np.array_split(samples.noise[order], n_bins)
    level = np.array_split(samples.level[order], n_bins)
    mean = np.array([float(each.mean()) for each in level])
    n_free = np.array([each.size for each in noise]) / _share_factor(samples.order)
    pooled = float(np.median([clip_variance(each) for each in noise]))
    if pooled <= 0.0:
        raise FitError("the spectra have no noise: smoothed, rounded or simulated?")
    used = np.ones(n_bins, dtype=bool)
    intercept, slope = pooled, 0.0
    for _ in range(20):
        models = [np.maximum(intercept + slope * each, 0.0) for each in level]
        floor = max(0.05 * pooled * min(1.0, models[0].mean() / pooled), _LEVEL_FLOOR)
        ratio = np.array(
            [
                clip_variance(each / np.sqrt(np.maximum(model, floor)))
                for each, model in zip(noise, models, strict=True)
            ]
        )
        at_mean = np.maximum(intercept + slope * mean, floor)
        esd = np.sqrt(2.0 * _CLIP_COST / n_free)
        used = _drop_noisy(ratio, esd, used=used)
        intercept, slope, covariance = _solve_line(
            mean[used], (ratio * at_mean)[used], (esd * at_mean)[used]
        )
    misfit = ((ratio - 1.0) / esd)[used]
    chi_square = float(np.sum(misfit**2)) / max(int(used.sum()) - 2, 1)
    pooled_std = pooled * math.sqrt(2.0 * _CLIP_COST / float(n_free[used].sum()))
    return _Line(
        intercept=intercept,
        slope=slope,
        covariance=covariance * max(chi_square, 1.0),
        chi_square=chi_square,
        n_dropped=int(n_bins - used.sum()),
        pooled=pooled,
        pooled_std=pooled_std * math.sqrt(max(chi_square, 1.0)),
        span=(float(mean[used].min()), float(mean[used].max())),
    )


def _share_factor(order: int) -> float:
    """Return how many differences share the information of one free point."""
    lags = np.arange(1, order + 1)
    ratios = [
        math.comb(2 * order, order + int(lag)) / math.comb(2 * order, order)
        for lag in lags
    ]
    return 1.0 + 2.0 * float(np.sum(np.square(ratios)))


def _drop_noisy(
    ratio: Floats, esd: Floats, *, used: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the bins to keep: those not far above the line, two thirds at least."""
    keep = (ratio - 1.0) / esd < _OUTLYING_BIN
    least = math.ceil((1.0 - _MAX_DROPPED) * ratio.size)
    if int(keep.sum()) >= least:
        return keep
    threshold = np.sort(ratio)[least - 1]
    return np.asarray(ratio <= threshold) if used.any() else used


def _solve_line(x: Floats, y: Floats, esd: Floats) -> tuple[float, float, Floats]:
    """Return intercept, slope and covariance of a weighted straight line."""
    design = np.column_stack([np.ones_like(x), x]) / esd[:, None]
    scale = np.linalg.norm(design, axis=0)
    inverse = np.linalg.pinv(design / scale)
    solution = (inverse @ (y / esd)) / scale
    covariance = (inverse @ inverse.T) / np.outer(scale, scale)
    return float(solution[0]), float(solution[1]), np.asarray(covariance)


def _describe(
    line: _Line, samples: _Samples, *, method: Method, whiteness: float, units: str
) -> NoiseModel:
    """Turn the fitted line into a noise model."""
    gain, gain_std = line.slope, math.sqrt(line.covariance[1, 1])
    offset_std = math.sqrt(line.covariance[0, 0])
    resolved = gain > _RESOLVED * gain_std
    pedestal = 0.0
    readout_variance = line.intercept
    if not resolved:
        readout_variance, offset_std = line.pooled, line.pooled_std
        gain = gain_std = math.nan
    elif line.intercept < -_RESOLVED * offset_std:
        pedestal = -line.intercept / gain
        readout_variance = 0.0
    elif line.intercept < 0.0:
        # The line is held at zero: the gain that then fits, and its smaller sigma.
        shift = line.covariance[0, 1] / line.covariance[0, 0]
        gain -= shift * line.intercept
        gain_std *= math.sqrt(
            1.0 - line.covariance[0, 1] * shift / line.covariance[1, 1]
        )
        readout_variance = 0.0
    readout = math.sqrt(readout_variance)
    esd = offset_std / (2.0 * readout) if readout > 0.0 else math.nan
    return NoiseModel(
        kind="gain" if resolved else "constant",
        gain=gain,
        gain_std=gain_std,
        readout_std=readout,
        readout_std_std=esd,
        pedestal=pedestal,
        intensity_range=line.span,
        whiteness=whiteness,
        reduced_chi_square=line.chi_square,
        n_points=samples.noise.size,
        n_dropped_bins=line.n_dropped,
        method=method,
        units=units,
    )
