"""Points that are sharper than any line the instrument can draw.

A point, or two or three together, is compared with the mean ``N`` of the two points
beside it. A real line of the instrument's width has neighbours too: over a local base
``b`` its top is at most ``R (N - b)`` above it, with R from a Gaussian and a Lorentzian
of that width centred on the points. What exceeds this by ``threshold`` sigma of the
noise (variance v) is no line:

    score = [top - b - R max(N - b, 0)] / sigma,   sigma^2 = v (1 + R^2 / 2)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SAFETY = 0.85
"""The instrument is taken this much narrower than stated."""
_MAX_WIDTH = 3
_TAIL = 3.0
_TAIL_SHARE = 0.02


def sharpest_ratio(width: Floats, n_points: int) -> Floats:
    """Return how far a line's top may rise above its flanks, both over the base.

    Parameters
    ----------
    width : numpy.ndarray, shape (n_points,)
        Full width at half maximum in points.
    n_points : int
        Points between the flanks.

    Returns
    -------
    numpy.ndarray, shape (n_points,)
        Height over the mean of the two points beside, for a line centred on them;
        the larger of a Gaussian's and a Lorentzian's.
    """
    away = 0.5 * (n_points + 1) / width
    gauss = np.exp(4.0 * math.log(2.0) * away**2)
    return np.asarray(np.maximum(gauss, 1.0 + 4.0 * away**2))


def score_sharpness(
    values: Floats, variance: Floats, *, width: Floats, n_points: int
) -> Floats:
    """Return by how many sigma groups of points are sharper than any line.

    Parameters
    ----------
    values, variance : numpy.ndarray, shape (n_points,)
        One spectrum and the variance of its noise.
    width : numpy.ndarray, shape (n_points,)
        Narrowest line, in points.
    n_points : int
        Points in a group, 1 to 3.

    Returns
    -------
    numpy.ndarray, shape (n_points,)
        At the first point of each group; minus infinity where the ends are too near.
    """
    size = values.size
    scores = np.full(size, -np.inf)
    first = np.arange(1, size - n_points)
    group = np.lib.stride_tricks.sliding_window_view(values, n_points)[first]
    top = group.max(axis=1)
    left, right = values[first - 1], values[first + n_points]
    flank = 0.5 * (left + right)
    ratio = sharpest_ratio(_SAFETY * width[first], n_points)
    base = np.minimum(_local_base(values, width)[first], flank)
    sigma = np.sqrt(variance[first] * (1.0 + 0.5 * ratio**2))
    # A group of points is one ray only where each of them stands above the flanks.
    whole = group.min(axis=1) > flank + 0.25 * (top - flank)
    excess = (top - base - ratio * (flank - base)) / sigma
    scores[first] = np.where(whole, excess, -np.inf)
    return scores


def _local_base(values: Floats, width: Floats) -> Floats:
    """Return the lower of the minima left and right within two widths."""
    reach = max(4, int(round(2.0 * float(np.median(width)))))
    smooth = np.convolve(np.pad(values, 1, mode="edge"), np.full(3, 1 / 3), "valid")
    smooth = np.minimum(smooth, np.maximum(values, smooth))
    padded = np.pad(smooth, reach, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    return np.asarray(windows.min(axis=1))


def find_sharp_points(
    values: Floats, variance: Floats, *, width: Floats, least: float
) -> list[tuple[int, int, float]]:
    """Return first and last point and score of the rays in one spectrum.

    The spectrum is mirrored at its ends, so that a ray on the last point is one too.
    """
    size = values.size
    mirrored, noise, widths = (
        np.pad(each, _MAX_WIDTH, mode="reflect") for each in (values, variance, width)
    )
    scores = np.array(
        [
            score_sharpness(mirrored, noise, width=widths, n_points=n_points)
            for n_points in range(1, _MAX_WIDTH + 1)
        ]
    )
    found: list[tuple[int, int, float]] = []
    while True:
        n_less, first = np.unravel_index(int(np.argmax(scores)), scores.shape)
        score = float(scores[n_less, first])
        if score < least:
            return found
        low, high = int(first), int(first + n_less)
        low, high = _take_tails(mirrored, noise, low=low, high=high)
        inside = np.arange(low, high + 1) - _MAX_WIDTH
        inside = inside[(inside >= 0) & (inside < size)]
        if inside.size:
            found.append((int(inside[0]), int(inside[-1]), score))
        scores[:, max(0, low - _MAX_WIDTH) : high + 2] = -np.inf


def _take_tails(
    values: Floats, variance: Floats, *, low: int, high: int
) -> tuple[int, int]:
    """Return a ray's points with the one beside it on each side, if it stands out.

    It does where it lies above the line through the points beyond by three sigma and
    by a fiftieth of the ray.
    """
    if low < 2 or high > values.size - 3:
        return low, high
    beyond = 0.5 * (values[low - 2] + values[high + 2])
    height = float(values[low : high + 1].max() - beyond)
    limit = max(_TAIL * math.sqrt(1.5 * float(variance[low])), _TAIL_SHARE * height)
    grown_low = low - 1 if values[low - 1] - beyond > limit else low
    grown_high = high + 1 if values[high + 1] - beyond > limit else high
    return grown_low, grown_high
