"""The user's own weights, never without what other weights would give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.index.scores import Score

Floats = NDArray[np.float64]

_STEPS = 20
"""Parts into which each side of the triangle of weights is cut."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightedShares:
    """Shares by fixed weights, and by all others."""

    names: tuple[str, ...]
    """Techniques, in the order of the columns of ``mixes``."""
    value: Floats
    """By the user's weights, held in 0..1, shape (n_samples,); NaN: none measured."""
    low: Floats
    """Lower 95 % limit."""
    high: Floats
    """Upper 95 % limit."""
    mixes: Floats
    """All weights tried, shape (n_mixes, n_techniques), each row of sum 1."""
    shares: Floats
    """By each of them, shape (n_samples, n_mixes)."""

    @property
    def least(self) -> Floats:
        """Return the least share that any weights give, shape (n_samples,)."""
        return np.asarray(np.nan_to_num(self.shares, nan=np.inf).min(axis=1))

    @property
    def most(self) -> Floats:
        """Return the largest share that any weights give, shape (n_samples,)."""
        return np.asarray(np.nan_to_num(self.shares, nan=-np.inf).max(axis=1))


def weigh_scores(
    scores: Sequence[Score], weights: Mapping[str, float]
) -> WeightedShares:
    """Return the weighted mean of scores, and that of all other weights.

    Parameters
    ----------
    scores : sequence of Score
        Of the techniques.
    weights : mapping of str to float
        Weight of each technique by name, not negative; those absent have none. A
        sample's weights are scaled to 1 over the techniques it was measured by.

    Raises
    ------
    PlanError
        A weight of a technique that was not measured, a negative one, or none at all.

    Notes
    -----
    Errors of different techniques count as independent; what fixed weights leave out
    is the disagreement between techniques, so that limits are too narrow where they
    conflict (true 95 % limits hold the truth in 26 to 67 % of cases when techniques
    differ by more than their errors, SCIENCE F4).
    """
    known = {one.name for one in scores}
    strange = set(weights) - known
    if strange:
        raise PlanError(
            f"[index] weights: {', '.join(sorted(strange))} not measured in this "
            f"series; there are {', '.join(sorted(known))}"
        )
    if min(weights.values(), default=-1.0) < 0.0 or not sum(weights.values()) > 0.0:
        raise PlanError("[index] weights: give weights of 0 or more, not all of them 0")
    used = [one for one in scores if one.name in weights]
    values = np.stack([one.value for one in used], axis=1)
    variances = np.stack([one.std for one in used], axis=1) ** 2
    mine = np.array([float(weights[one.name]) for one in used])
    share, variance = _mean(values, variances, mine)
    reach = 1.959963984540054 * np.sqrt(variance)
    mixes = _simplex(len(used))
    tried = [_mean(values, variances, mix)[0] for mix in mixes]
    return WeightedShares(
        names=tuple(one.name for one in used),
        value=np.clip(share, 0.0, 1.0),
        low=np.clip(share - reach, 0.0, 1.0),
        high=np.clip(share + reach, 0.0, 1.0),
        mixes=mixes,
        shares=np.clip(np.stack(tried, axis=1), 0.0, 1.0),
    )


def _mean(values: Floats, variances: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return weighted mean and its variance over the techniques that are there."""
    there = np.isfinite(values) & np.isfinite(variances)
    own = np.where(there, weights, 0.0)
    total = own.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(total > 0.0, own / total, math.nan)
    filled = np.where(there, values, 0.0)
    mean = (scaled * filled).sum(axis=1)
    return mean, (scaled**2 * np.where(there, variances, 0.0)).sum(axis=1)


def _simplex(count: int) -> Floats:
    """Return weights of sum 1 on a regular grid, shape (n, count)."""
    if count == 1:
        return np.ones((1, 1))
    ticks = np.stack(
        np.meshgrid(*[np.arange(_STEPS + 1)] * (count - 1), indexing="ij"), axis=-1
    ).reshape(-1, count - 1)
    kept = ticks[ticks.sum(axis=1) <= _STEPS]
    last = _STEPS - kept.sum(axis=1, keepdims=True)
    return np.asarray(np.concatenate([kept, last], axis=1) / _STEPS)
