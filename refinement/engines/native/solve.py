"""Levenberg-Marquardt on the nonlinear parameters, the linear ones projected out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(slots=True, kw_only=True)
class Restraints:
    """Gaussian priors and bounds of all nonlinear parameters."""

    center: Floats
    """Centre of each prior."""
    sigma: Floats
    """1 sigma; infinite where there is none."""
    low: Floats
    """Hard lower bounds."""
    high: Floats
    """Hard upper bounds."""
    growth: Floats
    """Sign with which the parameter is the logarithm of a width; 0: it is none."""
    scale: float = 1.0
    """GOF^2 by which the priors are scaled."""

    def penalty(self, values: Floats) -> float:
        """Return the priors' share of the total."""
        z = (values - self.center) / self.sigma
        return self.scale * float(z @ z)


@dataclass(slots=True, kw_only=True)
class Minimum:
    """Where a fit ended."""

    found: Any
    """The problem's :class:`Point` there."""
    total: float
    """Chi-square plus priors."""
    converged: bool
    steps: int
    jacobians: int
    free: Flags
    linear: Any = None
    """The problem made linear at the minimum, where the fit converged."""


_FIRST_DAMPING = 1e-4
_MOST_DAMPING = 1e8
DEEPEST = -0.9
"""Largest relative shrinkage of a width in one step."""


class Point(Protocol):
    """A problem at one set of parameters."""

    values: Floats
    chi_square: float


class Linearization(Protocol):
    """A problem made linear at one point."""

    normal: Floats
    """Reduced normal matrix of the free parameters (linear ones projected out)."""

    def gradient(self, found: Any) -> Floats:
        """Return ``J'r`` with this Jacobian and the residual of ``found``."""
        ...


class Reducible(Protocol):
    """What :func:`minimize` needs of a problem (one pattern, or several)."""

    def evaluate(self, values: Floats) -> Any:
        """Return the :class:`Point` at ``values``, linear parameters solved."""
        ...

    def linearize(self, found: Any, free: Flags) -> Linearization:
        """Return the problem made linear at ``found``."""
        ...


def curved_step(step: Floats, growth: Floats) -> Floats:
    """Return a step that changes widths, not their logarithms, in proportion.

    The pattern is nearly linear in a width, so a step ``s`` of its logarithm is taken
    as ``ln(1 + s)``: a vanishing width can grow again in one step.
    """
    inner = np.maximum(growth * step, DEEPEST)
    return np.where(growth == 0.0, step, growth * np.log1p(inner))


def minimize(
    problem: Reducible,
    start: Floats,
    free: Flags,
    restraints: Restraints,
    *,
    tolerance: float = 0.01,
    max_steps: int = 40,
) -> Minimum:
    """Minimise chi-square plus priors over the free parameters.

    Parameters
    ----------
    problem : Reducible
        Data and model.
    start : ndarray, shape (n_parameters,)
        Start; clipped into the bounds.
    free : ndarray of bool, shape (n_parameters,)
        Which parameters move.
    restraints : Restraints
        Priors and bounds.
    tolerance : float
        Converged when the predicted decrease of the total falls below
        ``tolerance * restraints.scale``.
    max_steps : int
        Most accepted steps.

    Returns
    -------
    Minimum

    Notes
    -----
    Damping follows Nielsen (1999): by how well the linear model foretold the decrease.
    Keeping one Jacobian for several steps was tried and cost more evaluations than it
    saved Jacobians.
    """
    index = np.nonzero(free)[0]
    values = np.where(
        free, np.clip(start, restraints.low, restraints.high), start
    ).astype(float)
    found = problem.evaluate(values)
    total = found.chi_square + restraints.penalty(values)
    curvature = restraints.scale / restraints.sigma[index] ** 2
    goal = tolerance * restraints.scale
    damping, steps, jacobians = _FIRST_DAMPING, 0, 0
    linear: Linearization | None = None
    converged = index.size == 0
    while steps < max_steps and damping < _MOST_DAMPING and not converged:
        if linear is None:
            linear = problem.linearize(found, free)
            jacobians += 1
        pull = curvature * (found.values[index] - restraints.center[index])
        gradient = linear.gradient(found) - pull
        hessian = linear.normal + np.diag(curvature)
        step = _damped_step(
            found.values[index], gradient, hessian, restraints, index, damping
        )
        predicted = 2.0 * float(step @ gradient - 0.5 * step @ hessian @ step)
        if predicted < goal:
            converged = True
            break
        trial_values = found.values.copy()
        trial_values[index] = np.clip(
            trial_values[index] + curved_step(step, restraints.growth[index]),
            restraints.low[index],
            restraints.high[index],
        )
        trial = problem.evaluate(trial_values)
        trial_total = trial.chi_square + restraints.penalty(trial_values)
        gain = (total - trial_total) / predicted
        if trial_total < total:
            found, total, linear = trial, trial_total, None
            steps += 1
            damping = max(damping * max(0.1, 1.0 - (2.0 * gain - 1.0) ** 3), 1e-9)
        else:
            damping = max(damping, _FIRST_DAMPING) * 10.0
    return Minimum(
        found=found,
        total=total,
        converged=converged,
        steps=steps,
        jacobians=jacobians,
        free=free,
        linear=linear,
    )


def _damped_step(
    values: Floats,
    gradient: Floats,
    hessian: Floats,
    restraints: Restraints,
    index: NDArray[np.int64],
    damping: float,
) -> Floats:
    """Return the damped step; parameters pressed against a bound stay there."""
    at_low = (values <= restraints.low[index]) & (gradient < 0.0)
    at_high = (values >= restraints.high[index]) & (gradient > 0.0)
    loose = ~(at_low | at_high)
    step = np.zeros(values.size)
    inner = hessian[np.ix_(loose, loose)]
    damped = inner + damping * np.diag(np.diag(inner))
    step[loose] = np.linalg.solve(damped, gradient[loose])
    return step
