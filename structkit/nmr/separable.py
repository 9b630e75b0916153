"""Least squares of models that are linear in most parameters (variable projection)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, least_squares

from structkit.errors import SchemaError

Floats = NDArray[np.float64]
Columns = Callable[[Floats], Floats]
"""Nonlinear parameters -> curves of the linear ones, (n_points, n_linear)."""
Offset = Callable[[Floats], Floats]
"""Nonlinear parameters -> a curve whose size is known, (n_points,)."""

_STEP = 1e-5
_SINGULAR = 1e-9
_EDGE = 1e-5
"""Share of the range within which a parameter counts as at its limit."""
_APART = 0.05
_DOUBLINGS = 40
_END = 2e-3
"""To what share of the last step the end of an interval is found."""
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Separable:
    """A model ``offset(theta) + columns(theta) @ linear`` and its limits."""

    columns: Columns
    """Curves whose sizes are solved for."""
    low: tuple[float, ...]
    """Least values of the nonlinear parameters."""
    high: tuple[float, ...]
    """Greatest values of the nonlinear parameters."""
    offset: Offset | None = None
    """Curve of known size; absent is zero."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeparableFit:
    """The minimum of a separable least squares problem."""

    nonlinear: Floats
    """Best values, shape (n_nonlinear,)."""
    linear: Floats
    """Best values, shape (n_linear,)."""
    covariance: Floats
    """Of nonlinear, then linear, for the given sigma; infinite where singular, 0 for
    parameters at a limit, at which the others' is meant."""
    residual: Floats
    """Data less model over sigma, shape (n_points,)."""
    converged: bool
    """Whether the minimiser said so."""
    at_limit: tuple[bool, ...]
    """Which nonlinear parameters stand at a limit."""

    @property
    def chi_square(self) -> float:
        """Return the sum of squared residuals."""
        return float(self.residual @ self.residual)

    def scaled_covariance(self, scatter: float) -> Floats:
        """Return the covariance times a variance; infinite stays so at no scatter."""
        infinite = np.isinf(self.covariance)
        return np.where(
            infinite, np.inf, scatter * np.where(infinite, 0.0, self.covariance)
        )

    def scaled_std(self, scatter: float) -> Floats:
        """Return 1 sigma times the root of a variance; NaN of those at a limit."""
        found = np.sqrt(np.maximum(np.diag(self.scaled_covariance(scatter)), 0.0))
        found[: self.nonlinear.size][list(self.at_limit)] = np.nan
        return np.asarray(found)

    @property
    def n_parameters(self) -> int:
        """Return the number of free parameters."""
        return self.nonlinear.size + self.linear.size

    @property
    def freedom(self) -> int:
        """Return the degrees of freedom."""
        return self.residual.size - self.n_parameters


def fit_separable(
    model: Separable,
    values: Floats,
    *,
    sigma: Floats,
    starts: Sequence[Sequence[float]],
    n_kept: int = 1,
) -> SeparableFit:
    """Return the least squares minimum of a separable model.

    Parameters
    ----------
    model : Separable
        What to fit.
    values, sigma : ndarray, shape (n_points,)
        Data and 1 sigma of each.
    starts : sequence of sequence of float
        Nonlinear parameters to start from.
    n_kept : int, default 1
        How many of the best starts that stand apart are followed.

    Returns
    -------
    SeparableFit
        Its covariance is that of the given sigma, not scaled.

    Notes
    -----
    The linear parameters are solved for at every step (Golub and Pereyra 1973,
    10.1137/0710036); the covariance is that of all parameters together.
    """

    def misfit(theta: Floats) -> Floats:
        return _project(model, theta, values, sigma)[1]

    costs = [float(np.sum(misfit(np.asarray(one, float)) ** 2)) for one in starts]
    best = None
    low, high = np.asarray(model.low), np.asarray(model.high)
    for start in _apart(starts, costs, high - low, n_kept):
        found = least_squares(
            misfit,
            np.clip(start, low + 1e-9 * (high - low), high - 1e-9 * (high - low)),
            bounds=(low, high),
            x_scale=np.maximum(high - low, _TOLERANCE),
            xtol=_TOLERANCE,
            ftol=_TOLERANCE,
            gtol=_TOLERANCE,
        )
        if best is None or found.cost < best.cost:
            best = found
    if best is None:
        raise SchemaError("a fit needs at least one start")
    theta = np.asarray(best.x, dtype=float)
    linear, residual = _project(model, theta, values, sigma)
    edge = _EDGE * (high - low)
    at_limit = ((theta - low) < edge) | ((high - theta) < edge)
    return SeparableFit(
        nonlinear=theta,
        linear=linear,
        covariance=_covariance(model, theta, linear, sigma=sigma, held=at_limit),
        residual=residual,
        converged=bool(best.success),
        at_limit=tuple(bool(one) for one in at_limit),
    )


def find_interval(
    least_chi_square: Callable[[float], float],
    best: float,
    *,
    target: float,
    step: float,
    limits: tuple[float, float],
) -> tuple[float, float]:
    """Return where the profile of chi-square stays below a target.

    Parameters
    ----------
    least_chi_square : callable
        Value of the parameter -> chi-square with all others at their best.
    best : float
        Value at the minimum.
    target : float
        Chi-square at the ends of the interval.
    step : float
        First step outwards, doubled until the target is passed.
    limits : tuple of float
        How far to look.

    Returns
    -------
    tuple of float
        An end is infinite where the target is not reached within the limits.
    """
    return (
        _find_end(least_chi_square, best, target=target, step=-step, limit=limits[0]),
        _find_end(least_chi_square, best, target=target, step=step, limit=limits[1]),
    )


def _find_end(
    least_chi_square: Callable[[float], float],
    best: float,
    *,
    target: float,
    step: float,
    limit: float,
) -> float:
    """Return one end of an interval; see :func:`find_interval`."""
    inside, sign = best, math.copysign(1.0, step)
    for _ in range(_DOUBLINGS):
        outside = sign * min(sign * (inside + step), sign * limit)
        if least_chi_square(outside) > target:
            return float(
                brentq(
                    lambda value: least_chi_square(value) - target,
                    inside,
                    outside,
                    xtol=_END * abs(step),
                )
            )
        if outside == limit:
            break
        inside, step = outside, 2.0 * step
    return sign * math.inf


def _project(
    model: Separable, theta: Floats, values: Floats, sigma: Floats
) -> tuple[Floats, Floats]:
    """Return the linear parameters at given nonlinear ones, and the residual."""
    left = values if model.offset is None else values - model.offset(theta)
    left = left / sigma
    columns = model.columns(theta) / sigma[:, None]
    if columns.shape[1] == 0:
        return np.zeros(0), left
    if columns.shape[1] == 1:
        only = columns[:, 0]
        size = only @ left / (only @ only)
        return np.array([size]), np.asarray(left - only * size)
    linear = np.asarray(np.linalg.lstsq(columns, left, rcond=None)[0], dtype=float)
    return linear, np.asarray(left - columns @ linear)


def _covariance(
    model: Separable,
    theta: Floats,
    linear: Floats,
    *,
    sigma: Floats,
    held: NDArray[np.bool_],
) -> Floats:
    """Return the covariance of all parameters; see :class:`SeparableFit`."""

    def curve(at: Floats) -> Floats:
        light = model.columns(at) @ linear
        return np.asarray(light if model.offset is None else light + model.offset(at))

    slopes = []
    for number, value in enumerate(theta):
        step = _STEP * max(abs(value), 0.1)
        ends, curves = [], []
        for sign in (1.0, -1.0):
            moved = theta.copy()
            end = min(max(value + sign * step, model.low[number]), model.high[number])
            moved[number] = end
            ends.append(end)
            curves.append(curve(moved))
        slopes.append((curves[0] - curves[1]) / max(ends[0] - ends[1], _TOLERANCE))
    jacobian = np.column_stack([*slopes, model.columns(theta)]) / sigma[:, None]
    free = np.concatenate([~held, np.ones(linear.size, dtype=bool)])
    covariance = np.zeros((free.size, free.size))
    covariance[np.ix_(free, free)] = invert_normal(jacobian[:, free])
    return covariance


def invert_normal(jacobian: Floats) -> Floats:
    """Return the covariance that belongs to a weighted Jacobian.

    Parameters
    ----------
    jacobian : ndarray, shape (n_points, n_parameters)
        Derivatives of the model over sigma.

    Returns
    -------
    ndarray, shape (n_parameters, n_parameters)
        All infinite where the parameters cannot be told apart.
    """
    size = np.linalg.norm(jacobian, axis=0)
    nothing = np.full((size.size, size.size), np.inf)
    if not np.all(np.isfinite(size)) or np.any(size == 0.0):
        return nothing
    _, singular, turn = np.linalg.svd(jacobian / size, full_matrices=False)
    if singular.size < size.size or singular[-1] < _SINGULAR * singular[0]:
        return nothing
    half = turn.T / singular
    return np.asarray(half @ half.T / np.outer(size, size))


def _apart(
    starts: Sequence[Sequence[float]],
    costs: Sequence[float],
    span: Floats,
    n_kept: int,
) -> list[Floats]:
    """Return the best starts that are not close to one another."""
    chosen: list[Floats] = []
    for number in np.argsort(costs):
        start = np.asarray(starts[number], dtype=float)
        if all(np.max(np.abs(start - one) / span) > _APART for one in chosen):
            chosen.append(start)
        if len(chosen) == n_kept:
            break
    return chosen
