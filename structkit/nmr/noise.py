"""Which points of a spectrum hold no line, how they scatter, and their baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from structkit.errors import FitError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_CLIP = 3.6
"""Sigma; one point of noise in 3000 is lost."""
_ROUNDS = 30
_FIT_POINTS = 8192
"""Points that set the clip; more would not tell it better."""
_BLOCKS = 64
_MIN_FREE = 24
"""Points without line that noise and baseline need."""


def find_signal_free(intensity: Floats) -> Mask:
    """Return which points hold no line.

    Blocks are compared by their mean and their scatter about a straight line; those
    that lie with the quietest are free. Iterated clipping about a cubic then takes away
    what still stands out, with neighbours.

    Parameters
    ----------
    intensity : ndarray, shape (n_points,)
        Real part.

    Returns
    -------
    ndarray of bool, shape (n_points,)
    """
    n_points = intensity.size
    place = np.linspace(-1.0, 1.0, n_points)
    width = max(n_points // _BLOCKS, 4)
    n_blocks = n_points // width
    blocks = intensity[: n_blocks * width].reshape(n_blocks, width)
    scatter = np.std(np.diff(blocks, axis=1), axis=1) + np.ptp(blocks, axis=1)
    quiet = scatter <= 2.0 * np.quantile(scatter, 0.25)
    free = np.zeros(n_points, dtype=bool)
    free[: n_blocks * width] = np.repeat(quiet, width)
    near = max(n_points // 256, 5)
    for _ in range(_ROUNDS):
        some = np.flatnonzero(free)[:: max(n_points // _FIT_POINTS, 1)]
        fit = np.polynomial.Chebyshev.fit(place[some], intensity[some], 3)
        residual = intensity - fit(place)
        smooth = uniform_filter1d(residual, near, mode="constant")
        kept = free & _within(residual, some) & _within(smooth, some)
        if kept.sum() < max(_MIN_FREE, 0.05 * n_points) or kept.sum() == free.sum():
            break
        free = kept
    return free


def _within(residual: Floats, some: NDArray[np.int64]) -> Mask:
    """Return the points that lie within the clip about zero, set by some of them."""
    spread = 1.4826 * float(np.median(np.abs(residual[some])))
    return np.abs(residual) <= max(_CLIP * spread, 1e-300)


def exclude_regions(shift: Floats, regions: tuple[tuple[float, float], ...]) -> Mask:
    """Return the points outside all regions of lines, ppm."""
    free = np.ones(shift.size, dtype=bool)
    for low, high in regions:
        free &= (shift < min(low, high)) | (shift > max(low, high))
    return free


def measure_noise(intensity: Floats, free: Mask) -> tuple[float, float]:
    """Return the noise of one point and how far neighbours share it.

    Parameters
    ----------
    intensity : ndarray, shape (n_points,)
        Real part.
    free : ndarray of bool, shape (n_points,)
        Points without line.

    Returns
    -------
    std : float
        1 sigma of one point about the local straight line.
    correlation : float
        Variance of the sum of many points over that of independent ones: 1 where
        points are independent; half the factor of zero filling, where that is more:
        the real part of a decay from time zero, filled up twice, is independent.

    Raises
    ------
    FitError
        Fewer than 24 points without line.
    """
    if free.sum() < _MIN_FREE:
        raise FitError(
            f"{int(free.sum())} points without line; {_MIN_FREE} tell the noise: give "
            "a wider spectrum or the regions of its lines"
        )
    residual = []
    for run in _runs(free):
        for piece in np.array_split(intensity[run], max(run.size // 256, 1)):
            if piece.size >= 12:
                place = np.arange(piece.size)
                residual.append(piece - np.polyval(np.polyfit(place, piece, 1), place))
    if not residual:
        values = intensity[free]
        return float(np.std(values, ddof=1)), 1.0
    sum_squares = sum(float(np.sum(part**2)) for part in residual)
    count = sum(part.size - 2 for part in residual)
    variance = sum_squares / count
    if variance <= (1e-12 * float(np.abs(intensity).max())) ** 2:
        return 0.0, 1.0
    correlation = 1.0
    for lag in range(1, 64):
        products = [part[lag:] * part[:-lag] for part in residual if part.size > lag]
        covariance = sum(float(part.sum()) for part in products) / max(
            sum(part.size for part in products), 1
        )
        if covariance <= 0.05 * variance:
            break
        correlation += 2.0 * covariance / variance
    return float(np.sqrt(variance)), correlation


def _runs(free: Mask) -> list[NDArray[np.int64]]:
    """Return the indices of each unbroken run of points."""
    indices = np.flatnonzero(free)
    return np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)


def fit_baseline(
    shift: Floats, intensity: Floats, free: Mask, *, kind: str, degree: int
) -> Floats:
    """Return a baseline through the points without line.

    Parameters
    ----------
    shift, intensity : ndarray, shape (n_points,)
        Spectrum.
    free : ndarray of bool, shape (n_points,)
        Points without line.
    kind : {"polynomial", "spline"}
        Polynomial of ``degree``, or a natural cubic spline through the means of
        ``degree`` + 1 stretches of free points, divided where a line interrupts them.
    degree : int
        As above.

    Raises
    ------
    FitError
        Too few points without line.
    """
    if free.sum() < max(_MIN_FREE, 4 * (degree + 1)):
        raise FitError(
            f"{int(free.sum())} points without line do not carry a baseline of degree "
            f"{degree}; lower it or give the regions of the lines"
        )
    if kind == "polynomial":
        fit = np.polynomial.Chebyshev.fit(
            shift[free], intensity[free], degree, domain=[shift[0], shift[-1]]
        )
        return np.asarray(fit(shift), dtype=float)
    from scipy.interpolate import CubicSpline

    parts = [
        piece
        for part in np.array_split(np.flatnonzero(free), degree + 1)
        for piece in np.split(part, np.flatnonzero(np.diff(part) > part.size) + 1)
        if piece.size >= min(4, part.size)
    ]
    knots = np.array([shift[part].mean() for part in parts])
    values = np.array([intensity[part].mean() for part in parts])
    spline = CubicSpline(knots, values, bc_type="natural")
    inside = np.clip(shift, knots[0], knots[-1])
    slope = spline(np.where(shift < knots[0], knots[0], knots[-1]), 1)
    return np.asarray(spline(inside) + slope * (shift - inside), dtype=float)
