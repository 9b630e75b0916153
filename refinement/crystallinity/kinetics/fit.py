"""One kinetic model fitted to C(t): estimates, intervals, and whether to believe."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2, t

from refinement.crystallinity.kinetics.estimates import Estimate, find_estimates
from refinement.crystallinity.kinetics.likelihood import (
    Optimum,
    Problem,
    optima,
)
from refinement.crystallinity.kinetics.models import HALF_LIFE, MODELS
from refinement.crystallinity.kinetics.observations import Observations, chi_square
from structkit.errors import SchemaError
from structkit.schema import FitStatus

_UNLIKELY = 0.01
"""Probability of the chi-square below which a model does not describe the data."""
_SIGMAS = 3.0
"""How far C at time 0 may lie from ``initial``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFit:
    """One fitted model."""

    name: str
    """Which model."""
    status: FitStatus
    """How the fit ended."""
    reason: str
    """Why it ended so; empty when converged."""
    estimates: tuple[Estimate, ...] = ()
    """Parameters and half-lives; empty when failed."""
    n_points: int = 0
    """Points that say something about the parameters, non-detects among them."""
    n_censored: int = 0
    """Non-detects."""
    n_parameters: int = 0
    """Fitted parameters, a fitted sigma among them."""
    deviance: float = math.nan
    """Minus twice the log-likelihood."""
    chi_square: float = math.nan
    """Of the detected points; NaN where sigma is fitted."""
    aicc: float = math.nan
    """Corrected information criterion; NaN with its reason where there is none."""
    aicc_reason: str = ""
    """Why there is none."""

    def estimate(self, name: str) -> Estimate:
        """Return one estimate.

        Raises
        ------
        KeyError
            The fit has none of that name.
        """
        for found in self.estimates:
            if found.name == name:
                return found
        raise KeyError(f"{self.name} has no estimate {name!r}")


def aicc(deviance: float, *, n_parameters: int, n_points: int) -> tuple[float, str]:
    """Return the corrected Akaike information criterion, or NaN and why.

    Parameters
    ----------
    deviance : float
        Minus twice the log-likelihood at its maximum.
    n_parameters : int
        k, every fitted parameter counted.
    n_points : int
        n.

    Returns
    -------
    value : float
        ``D + 2 k + 2 k (k + 1) / (n - k - 1)``; NaN unless n > k + 1.
    reason : str
        Why it is NaN, or an empty text.

    References
    ----------
    Hurvich & Tsai (1989), Biometrika 76, 297, doi:10.1093/biomet/76.2.297.

    Examples
    --------
    >>> aicc(1.0, n_parameters=3, n_points=4)
    (nan, 'AICc needs more than 4 points for 3 parameters; there are 4')
    """
    spare = n_points - n_parameters - 1
    if spare <= 0:
        return math.nan, (
            f"AICc needs more than {n_parameters + 1} points for {n_parameters} "
            f"parameters; there are {n_points}"
        )
    penalty = 2.0 * n_parameters * (1.0 + (n_parameters + 1.0) / spare)
    return deviance + penalty, ""


def fit_model(
    observations: Observations,
    name: str,
    *,
    initial: float | None = 1.0,
    level: float = 0.95,
) -> ModelFit:
    """Fit one model by maximum likelihood, non-detects included.

    Parameters
    ----------
    observations : Observations
        The data; for ``consecutive`` the precursors in channel 0 and the phase in 1.
    name : str
        A key of :data:`refinement.crystallinity.kinetics.models.MODELS`.
    initial : float or None, default 1
        C at time 0, **1**, known; points at time 0 then only test it. None: fitted.
    level : float, default 0.95
        Confidence of the intervals.

    Returns
    -------
    ModelFit
        ``FAILED`` with its reason and no number where there are fewer distinct points
        than parameters; ``DOUBTFUL`` where the model does not describe the data, a
        parameter is not determined, or nothing is left to test the model with.

    Raises
    ------
    SchemaError
        Unknown model, a level outside 0 to 1, or an initial amount not positive.

    Notes
    -----
    Intervals hold the values whose profile deviance is within the chi-square quantile
    of the minimum; where sigma is fitted, within ``n ln[1 + t^2 / (n - p)]`` (n
    detected points, p parameters of the curve), which is exact for a straight line
    and widens them as few points demand; the fitted sigma itself is the
    maximum-likelihood one, low by about sqrt(1 - p/n). Half-life: the time at which
    half of the initial amount is left; infinite where the plateau is higher.

    References
    ----------
    Venzon & Moolgavkar (1988), Appl. Stat. 37, 87, doi:10.2307/2347496.
    """
    _check(name, initial=initial, level=level)
    at_start = observations.time == 0.0
    used = observations if initial is None else observations.select(~at_start)
    members = [
        Problem(model=model, observations=used, initial=initial)
        for model in MODELS[name]
    ]
    obstacle = _obstacle(members[0])
    if obstacle:
        return ModelFit(name=name, status=FitStatus.FAILED, reason=obstacle)
    cut = _threshold(members[0], level)
    found = [optima(problem, within=cut) for problem in members]
    best = min(range(len(members)), key=lambda member: found[member][0].deviance)
    problem, optimum = members[best], found[best][0]
    estimates = find_estimates(members, found, best=best, most=optimum.deviance + cut)
    count = _n_parameters(problem)
    criterion, why = aicc(optimum.deviance, n_parameters=count, n_points=used.time.size)
    fit = ModelFit(
        name=name,
        status=FitStatus.CONVERGED,
        reason="",
        estimates=estimates,
        n_points=used.time.size,
        n_censored=int(np.sum(used.censored)),
        n_parameters=count,
        deviance=optimum.deviance,
        chi_square=chi_square(used, problem.expected(optimum.theta)),
        aicc=criterion,
        aicc_reason=why,
    )
    return _judge(fit, optimum, _start_mismatch(observations, initial))


def _check(name: str, *, initial: float | None, level: float) -> None:
    """Refuse settings that mean nothing."""
    if name not in MODELS:
        raise SchemaError(f"no kinetic model {name!r}; use one of {tuple(MODELS)}")
    if not 0.0 < level < 1.0:
        raise SchemaError(f"level is {level:g}; it must lie between 0 and 1")
    if initial is not None and not (math.isfinite(initial) and initial > 0.0):
        raise SchemaError(f"initial is {initial:g}; it must be positive, or None")


def _n_parameters(problem: Problem) -> int:
    """Return how many parameters are fitted, a whole-number one included."""
    return len(problem.parameters) + (problem.model.whole is not None)


def _obstacle(problem: Problem) -> str:
    """Return why nothing can be fitted, or an empty text."""
    data = problem.observations
    if not np.any(data.time > 0.0):
        return "no point after the start of milling"
    channels = {int(channel) for channel in data.channel}
    if channels != set(range(problem.model.n_channels)):
        return (
            f"{problem.model.name} needs {problem.model.n_channels} curve(s) with "
            f"points after the start; there are {len(channels)}"
        )
    curve = _n_parameters(problem) - (not data.has_std)
    detected = ~data.censored
    places = set(zip(data.time.tolist(), data.channel.tolist(), strict=True))
    if len(places) < curve:
        return f"{len(places)} distinct time(s) cannot determine {curve} parameters"
    if not data.has_std and int(np.sum(detected)) <= curve:
        return (
            f"sigma is unknown, and {int(np.sum(detected))} detected point(s) leave "
            f"none to estimate it beside {curve} parameter(s); give sigma"
        )
    return ""


def _threshold(problem: Problem, level: float) -> float:
    """Return by how much the profile deviance may exceed its minimum."""
    data = problem.observations
    if data.has_std:
        return float(chi2.ppf(level, 1))
    detected = int(np.sum(~data.censored))
    freedom = detected - _n_parameters(problem) + 1
    quantile = float(t.ppf(0.5 * (1.0 + level), freedom))
    return detected * math.log1p(quantile**2 / freedom)


def _start_mismatch(observations: Observations, initial: float | None) -> str:
    """Return how C at time 0 contradicts the initial amount, or an empty text."""
    tested = (observations.time == 0.0) & ~observations.censored
    if initial is None or not observations.has_std:
        return ""
    expected = np.where(observations.channel == 0, initial, 0.0)
    pull = (observations.value - expected) / observations.std
    far = tested & (np.abs(np.where(tested, pull, 0.0)) > _SIGMAS)
    if not np.any(far):
        return ""
    at = int(np.argmax(far))
    return (
        f"at time 0 the data say {observations.value[at]:.3g}, the model "
        f"{expected[at]:.3g}: give the initial amount, or let it be fitted"
    )


def _judge(fit: ModelFit, optimum: Optimum, mismatch: str) -> ModelFit:
    """Return the fit with its status and the reasons for it."""
    doubts = [mismatch] if mismatch else []
    doubts += [
        f"{estimate.name} is not determined by the data"
        for estimate in fit.estimates
        if math.isnan(estimate.value) and not estimate.name.endswith(HALF_LIFE)
    ]
    detected = fit.n_points - fit.n_censored
    freedom = detected - fit.n_parameters
    if fit.n_points == fit.n_parameters:
        doubts.append("as many parameters as points: nothing tests the model")
    elif freedom > 0 and math.isfinite(fit.chi_square):
        chance = float(chi2.sf(fit.chi_square, freedom))
        if chance < _UNLIKELY:
            doubts.append(
                f"the model does not describe the data: chi-square "
                f"{fit.chi_square:.3g} with {freedom} degrees of freedom"
            )
    status = FitStatus.DOUBTFUL if doubts else FitStatus.CONVERGED
    if not optimum.converged:
        status = FitStatus.NOT_CONVERGED
        doubts.insert(0, "the search did not reach a minimum")
    return replace(fit, status=status, reason="; ".join(doubts))
