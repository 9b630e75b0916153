"""The phase of a spectrum without being told: as little negative intensity as can be.

The criterion is the sum of squares of what lies deeper below zero than twice the noise,
over the sum of squares of the whole real part; nearer to zero, noise would reward wings
that are lifted everywhere. It is added up over the spectrum and its means of 4, 16 and
64 points, where wings stand out that single points hide. For each first-order phase the
zeroth has a start that needs no search: the dispersion of a line is odd about it, so
the sum of the spectrum weighted by its own magnitude has the angle of the error. Lines
must be positive; of a recovery the row with the longest delay is. The baseline must be
flat: where points are missing at the decay's start it rolls, and phases must be given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structkit.nmr.transform import rotate

Complex = NDArray[np.complex128]

_FIRST_ORDERS = np.arange(-360.0, 361.0, 20.0)
"""Degree over the width: half a point of delay either way, twice over."""
_MAX_POINTS = 8192
_BLOCKS = 32


def find_phase(spectrum: Complex, *, first_order: float | None) -> tuple[float, float]:
    """Return the phases that leave the least negative intensity.

    Parameters
    ----------
    spectrum : ndarray of complex, shape (n_points,)
        As :func:`structkit.nmr.transform.transform_decay`.
    first_order : float or None
        First-order phase, **degree**, where it is known; None: it is searched for
        within 360 degree either way.

    Returns
    -------
    phase0, phase1 : float
        As :func:`structkit.nmr.transform.rotate` takes them, **degree**.
    """
    from scipy.optimize import minimize

    thin = spectrum[:: max(spectrum.size // _MAX_POINTS, 1)]
    orders = _FIRST_ORDERS if first_order is None else np.array([first_order])
    starts = [(_zeroth(thin, float(order)), float(order)) for order in orders]
    scales = [(width, _noise(_averaged(thin, width))) for width in _widths(thin.size)]

    def left_below(phase0: float, phase1: float) -> float:
        turned = rotate(thin, phase0, phase1)
        return sum(
            negativity(_averaged(turned, width), noise=noise) for width, noise in scales
        )

    start = np.array(min(starts, key=lambda phases: left_below(*phases)))

    def left_over(step: NDArray[np.float64]) -> float:
        phases = start.copy()
        phases[: step.size] += step
        return left_below(float(phases[0]), float(phases[1]))

    n_free = 2 if first_order is None else 1
    simplex = np.vstack([np.zeros(n_free), 10.0 * np.eye(n_free)])
    found = minimize(
        left_over,
        np.zeros(n_free),
        method="Nelder-Mead",
        options={"initial_simplex": simplex},
    )
    start[:n_free] += found.x
    return (float(start[0]) + 180.0) % 360.0 - 180.0, float(start[1])


def negativity(spectrum: Complex, *, noise: float = 0.0) -> float:
    """Return the share of squares that lies below zero, about the spectrum's median.

    With ``noise``, 1 sigma of one point, what lies deeper than twice that.

    Examples
    --------
    >>> negativity(np.array([0.0, 0.0, 0.0, 3.0 + 1.0j, -1.0]))
    0.1
    """
    real = spectrum.real - np.median(spectrum.real)
    total = float(np.sum(real**2))
    return (
        float(np.sum(np.minimum(real + 2.0 * noise, 0.0) ** 2)) / total
        if total
        else 0.0
    )


def _widths(n_points: int) -> list[int]:
    """Return the numbers of points that are averaged."""
    return [width for width in (1, 4, 16, 64) if n_points >= _BLOCKS * width] or [1]


def _averaged(spectrum: Complex, width: int) -> Complex:
    """Return means of ``width`` neighbours each."""
    whole = spectrum[: spectrum.size // width * width]
    means: Complex = whole.reshape(-1, width).mean(axis=1)
    return means


def _noise(spectrum: Complex) -> float:
    """Return the noise of one part of the spectrum, from its quietest blocks."""
    width = max(spectrum.size // _BLOCKS, 4)
    blocks = spectrum[: spectrum.size // width * width].reshape(-1, width)
    place = np.arange(width) - 0.5 * (width - 1)
    flat = blocks - blocks.mean(axis=1, keepdims=True)
    slope = flat @ place / np.sum(place**2)
    residual = np.abs(flat - slope[:, None] * place) ** 2
    return float(np.sqrt(np.quantile(residual.mean(axis=1), 0.2) / 2.0))


def _zeroth(spectrum: Complex, first_order: float) -> float:
    """Return the start of the zeroth-order phase, degree."""
    rotated = rotate(spectrum, 0.0, first_order)
    return -float(np.rad2deg(np.angle(np.sum(rotated * np.abs(rotated)))))
