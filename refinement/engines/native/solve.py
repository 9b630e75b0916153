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


def minimize(
    problem: Reducible,
    start: Floats,
    free: Flags,
    restraints: Restraints,
    *,
    tolerance: float = 0.01,
    max_steps: int = 40,
    chord: bool = False,
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
    chord : bool
        Reuse one Jacobian for several steps while the decrease stays above 30 % of
        the predicted one. The last step is always taken with a fresh Jacobian.

    Returns
    -------
    Minimum
    """
    index = np.nonzero(free)[0]
    values = np.where(
        free, np.clip(start, restraints.low, restraints.high), start
    ).astype(float)
    found = problem.evaluate(values)
    total = found.chi_square + restraints.penalty(values)
    if index.size == 0:
        return Minimum(
            found=found, total=total, converged=True, steps=0, jacobians=0, free=free
        )
    curvature = restraints.scale / restraints.sigma[index] ** 2
    goal = tolerance * restraints.scale
    damping, steps, jacobians = 1e-4, 0, 0
    linear: Linearization | None = None
    fresh = False
    while steps < max_steps:
        if linear is None:
            linear = problem.linearize(found, free)
            jacobians += 1
            fresh = True
        pull = curvature * (found.values[index] - restraints.center[index])
        gradient = linear.gradient(found) - pull
        hessian = linear.normal + np.diag(curvature)
        at_low = (found.values[index] <= restraints.low[index]) & (gradient < 0.0)
        at_high = (found.values[index] >= restraints.high[index]) & (gradient > 0.0)
        loose = ~(at_low | at_high)
        step = np.zeros(index.size)
        inner = hessian[np.ix_(loose, loose)]
        damped = inner + damping * np.diag(np.diag(inner))
        step[loose] = np.linalg.solve(damped, gradient[loose])
        predicted = float(step @ gradient - 0.5 * step @ hessian @ step) * 2.0
        if predicted < goal:
            if fresh:
                return Minimum(
                    found=found,
                    total=total,
                    converged=True,
                    steps=steps,
                    jacobians=jacobians,
                    free=free,
                    linear=linear,
                )
            linear = None
            continue
        trial_values = found.values.copy()
        trial_values[index] += step
        trial_values[index] = np.clip(
            trial_values[index], restraints.low[index], restraints.high[index]
        )
        trial = problem.evaluate(trial_values)
        trial_total = trial.chi_square + restraints.penalty(trial_values)
        gain = (total - trial_total) / predicted
        if trial_total < total:
            found, total = trial, trial_total
            steps += 1
            damping = max(damping * (0.1 if gain > 0.7 else 0.5), 1e-9)
            if chord and gain > 0.3:
                fresh = False
            else:
                linear = None
        elif fresh:
            damping = max(damping, 1e-4) * 10.0
            if damping > 1e8:
                break
        else:
            linear = None
    return Minimum(
        found=found,
        total=total,
        converged=False,
        steps=steps,
        jacobians=jacobians,
        free=free,
    )
