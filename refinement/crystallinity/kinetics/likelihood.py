"""Maximum likelihood and profile likelihood of one model within its bounds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize

from refinement.crystallinity.kinetics.models import INITIAL, NOISE, Model, Parameter
from refinement.crystallinity.kinetics.observations import Observations, deviance

Floats = NDArray[np.float64]

_N_STARTS = 3
_N_RATES = 13
_APART = 0.05
"""Two optima further apart than this (in the searched units) are two."""
_FIRST_STEP = 0.02
_CLOSE = 3e-5
"""To which the end of an interval is found, relative (absolute for a share)."""
_HUGE = 1e15
_LEVEL = 1e-3
"""Slope of the deviance below which it can no longer fall noticeably."""
_ENDS = {"share": (0.0, 1.0)}
"""Physical ends of a kind of parameter; of all others 0 and infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """A minimum of the deviance."""

    deviance: float
    """Minus twice the log-likelihood."""
    theta: Floats
    """Parameters as searched: logarithms but for shares."""
    converged: bool
    """Whether the search ended at a minimum."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A model, its data and what else is fitted."""

    model: Model
    """What is fitted."""
    observations: Observations
    """To what; at least one time must be positive."""
    initial: float | None
    """C at time 0, **1**; None: fitted."""

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return every fitted parameter in order."""
        extra = () if self.initial is not None else (INITIAL,)
        noise = () if self.observations.has_std else (NOISE,)
        return (*self.model.parameters, *extra, *noise)

    @cached_property
    def bounds(self) -> list[tuple[float, float]]:
        """Return the limits of the search, in its units."""
        found = []
        for parameter in self.parameters:
            low, high = _scaled(parameter, parameter.bounds, self.observations.time)
            found.append(
                (math.log(low), math.log(high))
                if parameter.logarithmic
                else (low, high)
            )
        return found

    @cached_property
    def _logarithmic(self) -> NDArray[np.bool_]:
        """Return which parameters are searched in their logarithm."""
        return np.array([parameter.logarithmic for parameter in self.parameters])

    def values(self, theta: Floats) -> Floats:
        """Return the parameters' values, in their own units."""
        # A share is at most 1, so that its exponential does no harm.
        return np.where(self._logarithmic, np.exp(theta), theta)

    def expected(self, theta: Floats) -> Floats:
        """Return C at each observation."""
        values = self.values(theta)
        own = len(self.model.parameters)
        initial = values[own] if self.initial is None else self.initial
        curve = self.model.curve(self.observations, values[:own])
        return np.asarray(initial * curve)

    def deviance(self, theta: Floats) -> float:
        """Return minus twice the log-likelihood."""
        std = math.nan if self.observations.has_std else math.exp(theta[-1])
        found = deviance(self.observations, self.expected(theta), common_std=std)
        return min(found, _HUGE)

    def starts(self) -> list[Floats]:
        """Return the grid on which the search looks for its starting points."""
        rows = []
        for parameter in self.parameters:
            row: Sequence[float] = parameter.starts
            if parameter.kind in ("rate", "time"):
                low, high = _scaled(
                    parameter, (row[0], row[-1]), self.observations.time
                )
                row = [float(start) for start in np.geomspace(low, high, _N_RATES)]
            rows.append([math.log(s) if parameter.logarithmic else s for s in row])
        return [np.array(point) for point in itertools.product(*rows)]


def _scaled(
    parameter: Parameter, ends: tuple[float, float], time: Floats
) -> tuple[float, float]:
    """Return the ends of a rate or time in its own units, others as they are."""
    shortest, longest = float(np.min(time[time > 0.0])), float(np.max(time))
    if parameter.kind == "rate":
        return ends[0] / longest, ends[1] / shortest
    if parameter.kind == "time":
        return ends[0] * shortest, ends[1] * longest
    return ends


def minimise(
    problem: Problem, starts: Sequence[Floats], *, fixed: Mapping[int, float]
) -> list[Optimum]:
    """Return the optimum from each start, best first.

    Parameters
    ----------
    problem : Problem
        What is fitted.
    starts : sequence of ndarray, shape (n_parameters,)
        Where to begin, in the units of the search.
    fixed : mapping of int to float
        Parameters that are held, and where.
    """
    size = len(problem.parameters)
    free = [number for number in range(size) if number not in fixed]
    bounds = [problem.bounds[number] for number in free]

    def full(part: Floats) -> Floats:
        theta = np.empty(size)
        theta[free] = part
        theta[list(fixed)] = list(fixed.values())
        return theta

    def cost(part: Floats) -> float:
        return problem.deviance(full(part))

    found = []
    for start in starts:
        part, converged = np.asarray(start, dtype=float)[free], True
        if free:
            # Not L-BFGS-B: on two or three parameters the threads of its linear algebra
            # take ten times as long as all else.
            search = minimize(
                cost,
                part,
                method="TNC",
                bounds=bounds,
                options={"ftol": 1e-9, "xtol": 1e-9, "gtol": 1e-5},
            )
            # A search that stops for rounding, where the ground is level, has arrived.
            arrived = search.success or bool(np.max(np.abs(search.jac)) < _LEVEL)
            if not arrived:
                search = minimize(
                    cost,
                    search.x,
                    method="Nelder-Mead",
                    bounds=bounds,
                    options={"xatol": 1e-7, "fatol": 1e-9},
                )
            part, converged = search.x, arrived or bool(search.success)
        theta = full(part)
        found.append(
            Optimum(deviance=problem.deviance(theta), theta=theta, converged=converged)
        )
    return sorted(found, key=lambda optimum: optimum.deviance)


def optima(problem: Problem, *, within: float) -> list[Optimum]:
    """Return the distinct optima from several starts, best first.

    Parameters
    ----------
    problem : Problem
        What is fitted.
    within : float
        Optima whose deviance is further than this above the best are left out.
    """
    grid = sorted(problem.starts(), key=problem.deviance)
    chosen: list[Floats] = []
    for point in grid:
        # Neighbours of a chosen start would only find the same optimum again.
        if all(np.max(np.abs(point - other)) > 1.0 for other in chosen):
            chosen.append(point)
        if len(chosen) == _N_STARTS:
            break
    kept: list[Optimum] = []
    for optimum in minimise(problem, chosen, fixed={}):
        if kept and optimum.deviance > kept[0].deviance + within:
            continue
        if all(np.max(np.abs(optimum.theta - o.theta)) > _APART for o in kept):
            kept.append(optimum)
    return kept


def profile_interval(
    problem: Problem, index: int, *, found: Sequence[Optimum], most: float
) -> tuple[float, float]:
    """Return where the profile deviance of one parameter stays below ``most``.

    Parameters
    ----------
    problem : Problem
        What is fitted.
    index : int
        Which parameter.
    found : sequence of Optimum
        Its optima, best first; the interval is the hull of those around each.
    most : float
        Highest deviance inside the interval.

    Returns
    -------
    low, high : float
        In the parameter's own units; its physical end (0, 1 or infinity) where the
        profile meets the limit of the search below ``most``.

    References
    ----------
    Venzon & Moolgavkar (1988), Appl. Stat. 37, 87, doi:10.2307/2347496.
    """
    parameter = problem.parameters[index]
    ends = _ENDS.get(parameter.kind, (0.0, math.inf))
    sides: list[list[float]] = [[], []]
    for side, optimum in itertools.product((0, 1), found):
        if optimum.deviance > most:
            continue
        theta = _crossing(problem, index, optimum=optimum, most=most, side=side)
        if math.isinf(theta):
            sides[side].append(ends[side])
        else:
            sides[side].append(math.exp(theta) if parameter.logarithmic else theta)
    return min(sides[0]), max(sides[1])


def _crossing(
    problem: Problem, index: int, *, optimum: Optimum, most: float, side: int
) -> float:
    """Return where the profile crosses ``most``; infinite where it does not."""
    lowest, highest = problem.bounds[index]
    limit, sign = (lowest, highest)[side], (-1.0, 1.0)[side]
    target = math.sqrt(most - optimum.deviance)
    warm, peak = optimum.theta, float(optimum.theta[index])

    @cache
    def above(theta: float) -> float:
        # The square root is nearly straight, and so is quickly followed to its end.
        nonlocal warm
        best = minimise(problem, [warm], fixed={index: theta})[0]
        warm = best.theta
        return math.sqrt(max(best.deviance - optimum.deviance, 0.0)) - target

    inside, distance = peak, _FIRST_STEP
    while True:
        beyond = min(max(peak + sign * distance, lowest), highest)
        height = above(beyond)
        if height > 0.0:
            break
        if beyond == limit:
            return sign * math.inf
        inside = beyond
        guess = 1.1 * distance * target / max(height + target, 1e-6)
        distance = min(max(guess, 1.5 * distance), 8.0 * distance)
    if inside == peak or above(inside) >= 0.0:
        inside = peak
    return float(brentq(above, inside, beyond, xtol=_CLOSE))
