"""Bounded least squares by damped steps; arrays in, arrays out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Evaluate = Callable[[Floats], tuple[Floats, Floats]]

_FIRST_DAMPING = 1e-3
_MOST_DAMPING = 1e12
_LEAST_DAMPING = 1e-9
_EASIER = 0.2
_HARDER = 5.0
_PATIENCE = 10
"""Evaluations that together must bring a gain."""
_FLAT = 1e-6
"""Cosine between the residual and a derivative that counts as none."""
_SINGULAR = 1e-15
_OPEN = 1e150
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where steps ended."""

    values: Floats
    """Parameters, shape (n_parameters,)."""
    cost: float
    """Half the sum of squares."""
    residual: Floats
    """Shape (n_rows,)."""
    jacobian: Floats
    """Derivative of the residual, shape (n_parameters, n_rows)."""
    converged: bool
    """Whether no step promised more."""
    steps: int
    """Evaluations that were needed."""


def minimise_squares(
    evaluate: Evaluate,
    start: Floats,
    *,
    low: Floats,
    high: Floats,
    max_steps: int,
    enough: float = 1e-7,
) -> Minimum:
    """Find a minimum of half the sum of squares within limits.

    Parameters
    ----------
    evaluate : callable
        Parameters to residual (n_rows,) and derivatives (n_parameters, n_rows).
    start, low, high : ndarray, shape (n_parameters,)
        Start and limits; equal limits hold a parameter.
    max_steps : int
        Most evaluations.
    enough : float
        Part of the cost that is not worth a step: it ends where the next step promises
        less, or where ten evaluations together brought less.

    Returns
    -------
    Minimum

    Notes
    -----
    Levenberg and Marquardt with the diagonal as measure. A parameter that a step would
    push beyond its limit stops there, and the step of the others is solved anew.

    Examples
    --------
    >>> line = np.array([0.0, 1.0, 2.0])
    >>> found = minimise_squares(
    ...     lambda p: (p[0] * line - 2.0 * line, line[None, :]),
    ...     np.ones(1), low=np.zeros(1), high=np.full(1, 9.0), max_steps=20
    ... )
    >>> round(float(found.values[0]), 6)
    2.0
    """
    values = np.clip(start, low, high)
    residual, jacobian = evaluate(values)
    cost = 0.5 * float(residual @ residual)
    damping, steps, converged = _FIRST_DAMPING, 1, False
    before = [cost]
    while steps < max_steps and np.isfinite(cost):
        normal = jacobian @ residual, jacobian @ jacobian.T
        _, promised = _step(normal, values, (low, high), _LEAST_DAMPING)
        slow = steps > _PATIENCE and before[-_PATIENCE] - cost <= enough * cost
        flat = _is_flat(normal, values, (low, high), cost)
        if slow or flat or 0.0 <= promised <= enough * cost + _TINY:
            converged = True
            break
        accepted = False
        while not accepted and damping < _MOST_DAMPING and steps < max_steps:
            step, promised = _step(normal, values, (low, high), damping)
            new_cost = np.inf
            if promised > 0.0:
                trial = np.clip(values + step, low, high)
                new_residual, new_jacobian = evaluate(trial)
                steps += 1
                new_cost = 0.5 * float(new_residual @ new_residual)
                before.append(min(new_cost, cost))
            accepted = new_cost < cost
            damping *= _EASIER if accepted else _HARDER
            damping = max(damping, _LEAST_DAMPING)
        if not accepted:
            break
        values, cost = trial, new_cost
        residual, jacobian = new_residual, new_jacobian
    return Minimum(values, cost, residual, jacobian, converged, steps)


def _is_flat(
    normal: tuple[Floats, Floats],
    values: Floats,
    limits: tuple[Floats, Floats],
    cost: float,
) -> bool:
    """Return whether the residual is at right angles to all that may move."""
    gradient, hessian = normal
    low, high = limits
    movable = (low < high) & ~((values <= low) & (gradient > 0.0))
    movable &= ~((values >= high) & (gradient < 0.0))
    length = np.sqrt(np.maximum(2.0 * cost * np.diag(hessian), _TINY))
    return bool(np.all(np.abs(gradient[movable]) <= _FLAT * length[movable]))


def _step(
    normal: tuple[Floats, Floats],
    values: Floats,
    limits: tuple[Floats, Floats],
    damping: float,
) -> tuple[Floats, float]:
    """Return a damped step within the limits, and the gain that it promises."""
    gradient, hessian = normal
    step = _bounded_step(
        gradient, hessian, limits[0] - values, limits[1] - values, damping
    )
    promised = -float(gradient @ step) - 0.5 * float(step @ hessian @ step)
    return step, promised


@numba.njit(cache=True)
def solve_positive(matrix, right):  # type: ignore[no-untyped-def]
    """Return the solution of a positive definite system, by Cholesky.

    An unknown that the matrix leaves open is 0.
    """
    n = right.size
    factor = np.zeros((n, n))
    found = right.copy()
    for i in range(n):
        for k in range(i):
            total = matrix[i, k]
            for m in range(k):
                total -= factor[i, m] * factor[k, m]
            factor[i, k] = total / factor[k, k]
        pivot = matrix[i, i]
        for m in range(i):
            pivot -= factor[i, m] * factor[i, m]
        if pivot <= _SINGULAR * matrix[i, i] or not pivot > 0.0:
            factor[i, :i] = 0.0
            factor[i, i] = _OPEN
        else:
            factor[i, i] = math.sqrt(pivot)
    for i in range(n):
        for m in range(i):
            found[i] -= factor[i, m] * found[m]
        found[i] /= factor[i, i]
    for i in range(n - 1, -1, -1):
        for m in range(i + 1, n):
            found[i] -= factor[m, i] * found[m]
        found[i] /= factor[i, i]
    return found


@numba.njit(cache=True)
def _bounded_step(  # type: ignore[no-untyped-def]
    gradient, hessian, least, most, damping
):
    """Return a damped step; what would pass its limit stops there."""
    n = gradient.size
    step = np.zeros(n)
    movable = np.zeros(n, dtype=np.bool_)
    for i in range(n):
        pushed = (least[i] >= 0.0 and gradient[i] > 0.0) or (
            most[i] <= 0.0 and gradient[i] < 0.0
        )
        movable[i] = least[i] < most[i] and not pushed and hessian[i, i] > 0.0
    for _ in range(n):
        free = np.flatnonzero(movable)
        if free.size == 0:
            break
        matrix, right = np.empty((free.size, free.size)), np.empty(free.size)
        for a in range(free.size):
            i = free[a]
            right[a] = -gradient[i]
            for k in range(n):
                if not movable[k]:
                    right[a] -= hessian[i, k] * step[k]
            for b in range(free.size):
                matrix[a, b] = hessian[i, free[b]]
            matrix[a, a] *= 1.0 + damping
        found = solve_positive(matrix, right)
        inside = True
        for a in range(free.size):
            i = free[a]
            step[i] = min(max(found[a], least[i]), most[i])
            if step[i] != found[a]:
                movable[i] = False
                inside = False
        if inside:
            break
    return step
