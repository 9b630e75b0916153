"""All techniques together: one amorphous share for each sample, errors that they share.

What technique ``m`` measures of sample ``t`` is ``h_m(alpha_t, nu_m)`` plus its own
error; ``nu_m`` (cross-section ratio, end points, instrument constant) is common to the
series and standard normal. The shares have a flat prior in 0..1, or within the bounds
of a technique that only bounds them. The most probable set is found by Gauss-Newton
steps, its covariance follows from the slopes there, and the box is kept by
:mod:`structkit.index.truncation`: a deterministic approximation, compared with sampling
(:mod:`structkit.index.sampling`) in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.index.evidence import Evidence
from structkit.index.links import EDGE, slope, step_of
from structkit.index.truncation import BoxedNormal, box_normal

Floats = NDArray[np.float64]

LOW, MIDDLE, HIGH = 0.025, 0.5, 0.975
_WIDE = 1e3
"""1 sigma of the prior of a share before it is cut: flat within the box."""
_ROUNDS = 100
_DONE = 1e-10
_STUCK = 1e12
_SHARED_STEP = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """Everything that was measured, stacked."""

    evidence: tuple[Evidence, ...]
    """The techniques."""
    n_samples: int
    """Samples of the series."""
    suspect: int = -1
    """Technique that may stand off by a constant of the share; -1: none."""

    @property
    def n_unknown(self) -> int:
        """Return the unknowns: shares, shared errors, the suspect's constant."""
        shared = sum(one.link.n_shared for one in self.evidence)
        return self.n_samples + shared + int(self.suspect >= 0)

    def residuals(self, unknown: Floats) -> tuple[Floats, Floats]:
        """Return (measured - predicted) / sigma, and its slopes with changed sign.

        Parameters
        ----------
        unknown : ndarray, shape (n_unknown,)
            Shares, shared errors, the suspect's constant.

        Returns
        -------
        tuple of ndarray
            Shapes (n_observed,) and (n_observed, n_unknown).
        """
        alpha = unknown[: self.n_samples]
        rows, slopes = [], []
        place = self.n_samples
        for number, one in enumerate(self.evidence):
            columns = slice(place, place + one.link.n_shared)
            place = columns.stop
            offset = unknown[-1] if number == self.suspect else 0.0
            share = alpha + offset
            shared = unknown[columns]
            predicted = one.link.predict(share, shared)
            by_share = slope(predicted, one.link.predict(step_of(share), shared))
            kept = np.flatnonzero(one.measured)
            sigma = np.sqrt(one.variances[kept])
            block = np.zeros((kept.size, self.n_unknown))
            block[np.arange(kept.size), kept] = by_share[kept]
            for k in range(one.link.n_shared):
                moved = shared.copy()
                moved[k] += _SHARED_STEP
                change = one.link.predict(share, moved) - predicted
                block[:, columns.start + k] = change[kept] / _SHARED_STEP
            if number == self.suspect:
                block[:, -1] = by_share[kept]
            rows.append((one.values[kept] - predicted[kept]) / sigma)
            slopes.append(block / sigma[:, None])
        return np.concatenate(rows), np.concatenate(slopes)

    def prior(self) -> tuple[Floats, Floats]:
        """Return mean and precision of the unknowns, shape (n_unknown,) each."""
        mean = np.zeros(self.n_unknown)
        mean[: self.n_samples] = 0.5
        precision = np.ones(self.n_unknown)
        precision[: self.n_samples] = _WIDE**-2
        if self.suspect >= 0:
            precision[-1] = _WIDE**-2
        return mean, precision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """The most probable set of unknowns."""

    unknown: Floats
    """Shape (n_unknown,)."""
    covariance: Floats
    """Shape (n_unknown, n_unknown), before the box."""
    chi_square: float
    """Of measurements and shared errors."""
    freedom: int
    """Measurements less the shares they determine."""

    @property
    def spread(self) -> float:
        """Return the Birge ratio, at least 1: by how much the errors fall short."""
        if self.freedom < 1:
            return 1.0
        return math.sqrt(max(self.chi_square / self.freedom, 1.0))


def solve(problem: Problem) -> Solution:
    """Find the most probable unknowns by damped Gauss-Newton steps.

    Parameters
    ----------
    problem : Problem
        At least one measured value.

    Returns
    -------
    Solution
        Always: damping keeps each step from making the sum of squares larger.
    """
    mean, precision = problem.prior()
    unknown = mean.copy()
    unknown[: problem.n_samples] = _first_shares(problem)
    damping = 1e-3
    cost = _cost(problem, unknown, mean, precision)
    for _ in range(_ROUNDS):
        residual, slopes = problem.residuals(unknown)
        gradient = slopes.T @ residual + precision * (mean - unknown)
        matrix = slopes.T @ slopes + np.diag(precision)
        while damping < _STUCK:
            damped = matrix + damping * np.diag(np.diag(matrix))
            trial = unknown + np.linalg.solve(damped, gradient)
            better = _cost(problem, trial, mean, precision)
            if better <= cost:
                break
            damping *= 10.0
        else:
            break
        gained = cost - better
        unknown, cost = trial, better
        damping = max(0.1 * damping, 1e-12)
        if gained < _DONE * (1.0 + cost):
            break
    _, slopes = problem.residuals(unknown)
    matrix = slopes.T @ slopes + np.diag(precision)
    known = np.any([one.measured for one in problem.evidence], axis=0)
    return Solution(
        unknown=unknown,
        covariance=np.asarray(np.linalg.inv(matrix), dtype=float),
        chi_square=cost,
        freedom=int(slopes.shape[0] - known.sum() - (problem.suspect >= 0)),
    )


def _cost(problem: Problem, unknown: Floats, mean: Floats, precision: Floats) -> float:
    """Return the sum of squares, prior included."""
    residual, _ = problem.residuals(unknown)
    away = precision * (unknown - mean) ** 2
    return float(residual @ residual + away.sum())


def _first_shares(problem: Problem) -> Floats:
    """Return the mean of what the techniques say alone, 0.5 where none does."""
    total = np.zeros(problem.n_samples)
    count = np.zeros(problem.n_samples)
    for one in problem.evidence:
        share = np.clip(one.link.invert(one.values), 0.02, 0.98)
        good = one.measured & np.isfinite(share)
        total[good] += share[good]
        count += good
    return np.where(count > 0, total / np.maximum(count, 1), 0.5)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentShares:
    """The shares of a series, shape (n_samples,) each."""

    value: Floats
    """Median; NaN where no technique says anything."""
    low: Floats
    """Lower 95 % limit."""
    high: Floats
    """Upper 95 % limit."""
    spread: float
    """Factor by which disagreement widened the limits."""


def infer(evidence: Sequence[Evidence], *, n_samples: int) -> LatentShares:
    """Return the amorphous shares that all techniques together leave.

    Parameters
    ----------
    evidence : sequence of Evidence
        Copies of one technique count once.
    n_samples : int
        Samples of the series.

    Returns
    -------
    LatentShares
        Limits are the outer ones of two: with errors as stated, and with errors larger
        by the Birge ratio where techniques disagree; the value is that with errors as
        stated. So disagreement widens and never narrows.

    References
    ----------
    Birge, 1932, 10.1103/PhysRev.40.207 (the ratio); SCIENCE F4, F6 for what is asked.
    """
    kept = drop_copies(evidence)
    low, high = _box(kept, n_samples)
    problem = Problem(evidence=kept, n_samples=n_samples)
    mean = np.full(n_samples, 0.5)
    covariance = np.eye(n_samples) * _WIDE**2
    spread = 1.0
    if any(one.measured.any() for one in kept):
        found = solve(problem)
        mean = found.unknown[:n_samples]
        covariance = found.covariance[:n_samples, :n_samples]
        spread = found.spread
    stated = box_normal(mean, covariance, low=low, high=high)
    wide = box_normal(mean, covariance * spread**2, low=low, high=high)
    silent = ~np.any([one.speaks for one in kept], axis=0)
    value = np.where(silent, np.nan, stated.quantile(MIDDLE))
    return LatentShares(
        value=value,
        low=np.where(silent, np.nan, _outer(stated, wide, LOW)),
        high=np.where(silent, np.nan, _outer(stated, wide, HIGH)),
        spread=spread,
    )


def drop_copies(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the techniques without those that repeat the numbers of another."""
    kept: list[Evidence] = []
    for one in evidence:
        if not any(one.is_copy_of(other) for other in kept):
            kept.append(one)
    return tuple(kept)


def _outer(stated: BoxedNormal, wide: BoxedNormal, probability: float) -> Floats:
    """Return the outer of two limits."""
    both = (stated.quantile(probability), wide.quantile(probability))
    return np.minimum(*both) if probability < MIDDLE else np.maximum(*both)


def _box(evidence: Sequence[Evidence], n_samples: int) -> tuple[Floats, Floats]:
    """Return the box: 0..1, narrower where a technique only bounds the share."""
    low, high = np.zeros(n_samples), np.ones(n_samples)
    for one in evidence:
        where = one.bounded
        if where.any():
            low[where] = np.fmax(low[where], one.low[where])
            high[where] = np.fmin(high[where], one.high[where])
    crossed = high - low < EDGE
    low, high = np.where(crossed, 0.0, low), np.where(crossed, 1.0, high)
    return low, high
