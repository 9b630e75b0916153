"""Parameters and half-lives of a fitted model, each with its profile interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refinement.crystallinity.kinetics.likelihood import (
    Optimum,
    Problem,
    minimise,
    optima,
    profile_interval,
)
from refinement.crystallinity.kinetics.models import (
    HALF_LIFE,
    LOADINGS,
    MOST_LOADINGS,
    Parameter,
    by_half_life,
)

_FLAT = 0.01
"""An optimum this little below the search limit's deviance is no optimum."""
_STEPS = {"formation_rate": "precursor_half_life", "loss_rate": "phase_half_life"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A parameter with its profile-likelihood interval."""

    name: str
    """As in the output."""
    value: float
    """Maximum-likelihood value; NaN where the data do not determine one."""
    low: float
    """Lower end; the physical end (0) where the data set none."""
    high: float
    """Upper end; the physical end (1 or infinity) where the data set none."""
    resolved: bool
    """An exponent: the interval excludes 1. A residual: it excludes 0. Any other: both
    ends are set by the data."""


def find_estimates(
    members: Sequence[Problem],
    found: Sequence[Sequence[Optimum]],
    *,
    best: int,
    most: float,
) -> tuple[Estimate, ...]:
    """Return every parameter and half-life with its interval.

    Parameters
    ----------
    members : sequence of Problem
        One, or one for each value of a whole-number parameter.
    found : sequence of sequence of Optimum
        The optima of each member, best first.
    best : int
        The member with the lowest deviance.
    most : float
        Highest deviance inside an interval; intervals are the hull over the members.
    """
    inside = [n for n, few in enumerate(found) if few[0].deviance <= most]
    problem, optimum = members[best], found[best][0]
    values = problem.values(optimum.theta)
    estimates = []
    for index, parameter in enumerate(problem.parameters):
        ends = [
            profile_interval(members[n], index, found=found[n], most=most)
            for n in inside
        ]
        low, high = min(e[0] for e in ends), max(e[1] for e in ends)
        value = float(values[index])
        if _is_flat(problem, index, optimum=optimum, low=low, high=high):
            value = math.nan
        estimates.append(_estimate(parameter, value, low=low, high=high))
    if problem.model.whole is not None:
        estimates.append(_loadings(members, inside, best))
    return (*estimates, *_half_lives(members, found, best, most, estimates))


def _estimate(
    parameter: Parameter, value: float, *, low: float, high: float
) -> Estimate:
    """Return one estimate and whether the data resolve it."""
    if math.isnan(parameter.null):
        resolved = low > 0.0 and math.isfinite(high)
    else:
        resolved = not low <= parameter.null <= high
    if low <= 0.0 and high == (1.0 if parameter.kind == "share" else math.inf):
        value = math.nan
    return Estimate(
        name=parameter.name, value=value, low=low, high=high, resolved=resolved
    )


def _is_flat(
    problem: Problem, index: int, *, optimum: Optimum, low: float, high: float
) -> bool:
    """Return whether the likelihood is as good at an open end as at the optimum."""
    if problem.parameters[index].kind == "share":
        return False
    for end, limit in zip(
        (low > 0.0, high < math.inf), problem.bounds[index], strict=True
    ):
        if end:
            continue
        edge = minimise(problem, [optimum.theta], fixed={index: limit})[0]
        if edge.deviance < optimum.deviance + _FLAT:
            return True
    return False


def _loadings(members: Sequence[Problem], inside: Sequence[int], best: int) -> Estimate:
    """Return the whole number of critical loadings with its interval."""
    numbers = [m.model.whole[1] for m in members if m.model.whole is not None]
    low, high = float(numbers[inside[0]]), float(numbers[inside[-1]])
    value = float(numbers[best])
    if high == MOST_LOADINGS:
        high = math.inf
        value = math.nan if value == MOST_LOADINGS or low == 1.0 else value
    return Estimate(
        name=LOADINGS.name, value=value, low=low, high=high, resolved=low > 1.0
    )


def _half_lives(
    members: Sequence[Problem],
    found: Sequence[Sequence[Optimum]],
    best: int,
    most: float,
    estimates: Sequence[Estimate],
) -> list[Estimate]:
    """Return the half-life of the amount, or of each consecutive step."""
    if members[best].model.unit_half_life is None:
        return [
            Estimate(
                name=_STEPS[rate.name],
                value=math.log(2.0) / rate.value,
                low=math.log(2.0) / rate.high,
                high=math.log(2.0) / rate.low if rate.low else math.inf,
                resolved=rate.resolved,
            )
            for rate in estimates
            if rate.name in _STEPS
        ]
    ends = []
    for member, optima_found in zip(members, found, strict=True):
        if optima_found[0].deviance <= most:
            ends.append(_half_life_interval(member, optima_found, most))
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    value = _half_life(members[best], found[best][0])
    if math.isnan(estimates[0].value):
        value = math.nan
    resolved = low > 0.0 and math.isfinite(high)
    return [
        Estimate(name=HALF_LIFE, value=value, low=low, high=high, resolved=resolved)
    ]


def _half_life(problem: Problem, optimum: Optimum) -> float:
    """Return the half-life at an optimum, infinite where half is never lost."""
    own = problem.values(optimum.theta)[: len(problem.model.parameters)]
    unit = problem.model.unit_half_life
    return unit(own[1:]) / float(own[0]) if unit is not None else math.nan


def _half_life_interval(
    problem: Problem, found: Sequence[Optimum], most: float
) -> tuple[float, float]:
    """Return the profile interval of the half-life of one member."""
    swapped = Problem(
        model=by_half_life(problem.model),
        observations=problem.observations,
        initial=problem.initial,
    )
    reached = [o for o in found if math.isfinite(_half_life(problem, o))]
    seeds = []
    for optimum in reached:
        theta = optimum.theta.copy()
        theta[0] = math.log(_half_life(problem, optimum))
        theta = np.clip(theta, *np.array(swapped.bounds).T)
        seeds.append(minimise(swapped, [theta], fixed={})[0])
    never = len(reached) < len(found)
    if never:
        # The best that still loses half: where the interval may begin.
        seeds += optima(swapped, within=math.inf)
    seeds = [seed for seed in seeds if seed.deviance <= most]
    if not seeds:
        return math.inf, math.inf
    low, high = profile_interval(swapped, 0, found=seeds, most=most)
    return low, math.inf if never else high
