"""Bounded least squares by damped steps; arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Evaluate = Callable[[Floats], tuple[Floats, Floats]]

_FIRST_DAMPING = 1e-3
_MOST_DAMPING = 1e12
_LEAST_DAMPING = 1e-9
_EASIER = 0.2
_HARDER = 5.0
_ENOUGH = 1e-7
"""Expected gain over the cost at which steps end."""
_FLAT = 1e-6
"""Cosine between the residual and a derivative that counts as none."""
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
    evaluate: Evaluate, start: Floats, *, low: Floats, high: Floats, max_steps: int
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
    while steps < max_steps and np.isfinite(cost):
        normal = jacobian @ residual, jacobian @ jacobian.T
        _, promised = _step(normal, values, (low, high), _LEAST_DAMPING)
        if 0.0 <= promised <= _ENOUGH * cost + _TINY or _is_flat(
            normal, values, (low, high), cost
        ):
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
    movable = _movable(gradient, limits[0] - values, limits[1] - values)
    length = np.sqrt(np.maximum(2.0 * cost * np.diag(hessian), _TINY))
    return bool(np.all(np.abs(gradient[movable]) <= _FLAT * length[movable]))


def _movable(gradient: Floats, least: Floats, most: Floats) -> NDArray[np.bool_]:
    """Return which parameters may move: not held, not pushed against a limit."""
    free = (least < most) & ~((least >= 0.0) & (gradient > 0.0))
    return np.asarray(free & ~((most <= 0.0) & (gradient < 0.0)))


def _step(
    normal: tuple[Floats, Floats],
    values: Floats,
    limits: tuple[Floats, Floats],
    damping: float,
) -> tuple[Floats, float]:
    """Return a damped step within the limits, and the gain that it promises."""
    gradient, hessian = normal
    least, most = limits[0] - values, limits[1] - values
    step = np.zeros_like(values)
    movable = _movable(gradient, least, most)
    while movable.any():
        free, held = np.flatnonzero(movable), np.flatnonzero(~movable)
        matrix = hessian[np.ix_(free, free)]
        raised = matrix + np.diag(damping * np.diag(matrix) + _TINY)
        right = -gradient[free] - hessian[np.ix_(free, held)] @ step[held]
        try:
            step[free] = np.linalg.solve(raised, right)
        except np.linalg.LinAlgError:
            step[free] = right / np.diag(raised)
        beyond = movable & ((step < least) | (step > most))
        if not beyond.any():
            break
        step = np.clip(step, least, most)
        movable &= ~beyond
    promised = -float(gradient @ step) - 0.5 * float(step @ hessian @ step)
    return step, promised
