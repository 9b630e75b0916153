"""The phase of a spectrum without being told: the smallest sum of absolute values.

A line in phase has narrow wings, its dispersion wide ones, so the sum of absolute
values of the real part about its median is smallest when lines are in phase, and noise
adds alike to every phase. For each first-order phase the zeroth has a start that needs
no search: the dispersion of a line is odd about it, so the sum of the spectrum weighted
by its own magnitude has the angle of the error. The strong points together are made
positive; of a recovery the row with the longest delay decides. The baseline must be
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
    """Return the phases with which the lines are narrowest and positive.

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
    start = np.array(min(starts, key=lambda phases: _spread(rotate(thin, *phases))))

    def spread_at(step: NDArray[np.float64]) -> float:
        phases = start.copy()
        phases[: step.size] += step
        return _spread(rotate(thin, float(phases[0]), float(phases[1])))

    n_free = 2 if first_order is None else 1
    simplex = np.vstack([np.zeros(n_free), 10.0 * np.eye(n_free)])
    found = minimize(
        spread_at,
        np.zeros(n_free),
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 0.02, "fatol": 1e-7},
    )
    start[:n_free] += found.x
    turned = rotate(thin, float(start[0]), float(start[1]))
    if np.sum(turned.real * np.abs(turned)) < 0.0:
        start[0] += 180.0
    return (float(start[0]) + 180.0) % 360.0 - 180.0, float(start[1])


def negativity(spectrum: Complex) -> float:
    """Return the share of squares that lies below zero by more than twice the noise.

    Examples
    --------
    >>> spectrum = np.zeros(512, dtype=complex)
    >>> spectrum[100:102] = 3.0, -1.0
    >>> negativity(spectrum)
    0.1
    """
    real = spectrum.real - np.median(spectrum.real)
    below = np.minimum(real + 2.0 * _noise(spectrum), 0.0)
    total = float(np.sum(real**2))
    return float(np.sum(below**2)) / total if total else 0.0


def _spread(spectrum: Complex) -> float:
    """Return the sum of absolute values about the median, over that of magnitudes."""
    real = spectrum.real - np.median(spectrum.real)
    total = float(np.sum(np.abs(spectrum)))
    return float(np.sum(np.abs(real))) / total if total else 0.0


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
