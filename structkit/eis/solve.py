"""Damped least squares within limits, for a handful of parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Evaluate = Callable[[Floats], tuple[Floats, Floats]]
"""Parameters to residuals (n_residuals,) and their slopes (n_parameters, n_residuals).
"""

MAX_STEPS = 100
ENOUGH = 1e-6
"""Promised decrease of chi-square, in units of the noise, not worth a step: it moves
no parameter by more than a thousandth of its standard uncertainty."""
_PERFECT = 1e-26
"""Chi-square over the square of the data below which there is only rounding."""
_DAMPING_START = 1e-2
_DAMPING_LIMITS = (1e-12, 1e12)
_LONGEST = 2.0
"""Longest step of a parameter; a factor of 7 where it is a logarithm."""
_ZERO = 1e-150


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Minimum:
    """Where least squares ended."""

    parameters: Floats
    """Best parameters."""
    residual: Floats
    """Residuals there."""
    slopes: Floats
    """Their derivatives, shape (n_parameters, n_residuals)."""
    chi_square: float
    """Sum of the squares of the residuals."""
    steps: int
    """Evaluations after the first."""
    converged: bool
    """Whether no further step is worth it."""


def minimise(
    evaluate: Evaluate,
    start: Floats,
    limits: tuple[Floats, Floats],
    *,
    max_steps: int = MAX_STEPS,
    enough: float = ENOUGH,
) -> Minimum:
    """Minimise a sum of squares from ``start`` within limits.

    Parameters
    ----------
    evaluate : callable
        Parameters to residuals and slopes; residuals may be NaN or infinite where the
        function cannot be computed, and such a step is not taken.
    start : ndarray, shape (n_parameters,)
        Moved into the limits.
    limits : tuple of two ndarrays, shape (n_parameters,)
        Least and greatest parameters; equal ones hold a parameter.
    max_steps : int, optional
        Most evaluations after the first.
    enough : float, optional
        Promised decrease of chi-square that ends the search, in units of the variance
        of the residuals.

    Returns
    -------
    Minimum
        The best found; ``converged`` tells whether it is a minimum.

    References
    ----------
    Marquardt, 1963, 10.1137/0111030; damping after Nielsen, IMM-REP-1999-05.
    """
    low, high = limits
    at = np.clip(start, low, high)
    residual, slopes = evaluate(at)
    chi_square = _square(residual)
    floor = _PERFECT * residual.size
    freedom = max(residual.size - at.size, 1)
    damping, growth = _DAMPING_START, 2.0
    hessian, gradient = slopes @ slopes.T, slopes @ residual
    steps, converged = 0, False
    while steps < max_steps and not converged:
        step, promised = _solve(hessian, gradient, damping, (at, low, high))
        tried = np.clip(at + step, low, high)
        worth = enough * chi_square / freedom
        if (promised <= worth and damping <= 1.0) or chi_square <= floor:
            converged = True
            break
        steps += 1
        new_residual, new_slopes = evaluate(tried)
        new = _square(new_residual)
        gain = (chi_square - new) / promised if promised > 0.0 else -1.0
        if gain > 0.0:
            at, residual, slopes, chi_square = tried, new_residual, new_slopes, new
            hessian, gradient = slopes @ slopes.T, slopes @ residual
            damping *= max(1.0 / 5.0, 1.0 - (2.0 * min(gain, 1.5) - 1.0) ** 3)
            damping, growth = max(damping, _DAMPING_LIMITS[0]), 2.0
        else:
            damping, growth = damping * growth, 2.0 * growth
            if damping > _DAMPING_LIMITS[1]:
                # Rounding, not slope, is what keeps chi-square from falling.
                converged = promised <= worth
                break
    return Minimum(
        parameters=at,
        residual=residual,
        slopes=slopes,
        chi_square=chi_square,
        steps=steps,
        converged=converged,
    )


def _square(residual: Floats) -> float:
    """Return the sum of squares; infinity where it is no number."""
    with np.errstate(all="ignore"):
        total = float(residual @ residual)
    return total if np.isfinite(total) else np.inf


def _solve(
    hessian: Floats,
    gradient: Floats,
    damping: float,
    place: tuple[Floats, Floats, Floats],
) -> tuple[Floats, float]:
    """Return the damped step and the decrease of chi-square that it promises.

    Parameters at a limit that would leave it stay there.
    """
    at, low, high = place
    free = ~(((at <= low) & (gradient >= 0.0)) | ((at >= high) & (gradient <= 0.0)))
    step = np.zeros(at.size)
    if not free.any():
        return step, 0.0
    part = hessian[np.ix_(free, free)]
    scale = np.sqrt(np.maximum(part.diagonal(), _ZERO))
    scaled = part / scale / scale[:, None]
    scaled.flat[:: len(scaled) + 1] += damping + 1e-14
    try:
        move = np.linalg.solve(scaled, -gradient[free] / scale) / scale
    except np.linalg.LinAlgError:
        move = -gradient[free] / (scale**2 * (1.0 + damping))
    move *= min(1.0, _LONGEST / max(float(np.max(np.abs(move))), _ZERO))
    step[free] = move
    promised = -(2.0 * gradient[free] @ move + move @ part @ move)
    return step, float(promised)
