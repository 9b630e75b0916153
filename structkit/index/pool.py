"""``AI_pool``: one sample's scores joined with random effects, in a formula to check.

Scores are joined as logits with DerSimonian and Laird's variance between techniques
and the interval of Hartung and Knapp. What it lacks, by design: it knows nothing of
errors common to the series, counts a copy of a technique as new evidence, and need not
rise with each score (a score that runs off raises the variance between techniques and
so changes all weights). ``AI_lat`` has none of these faults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2
from scipy.stats import t as student

from structkit.index.truncation import cut_normal

Floats = NDArray[np.float64]

ENOUGH = 3
"""Techniques below which there is no consensus number: with two, Student's t has one
degree of freedom, and both values say more than their mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledShare:
    """A consensus of several techniques on one sample."""

    value: float
    """NaN with fewer than three techniques."""
    low: float
    """Lower 95 % limit."""
    high: float
    """Upper 95 % limit."""
    between: float
    """tau: 1 sigma between techniques, of the logit."""
    heterogeneity: float
    """Cochran's Q of the logits."""
    p_value: float
    """Of Q; NaN with one technique."""
    i_squared: float
    """Share of the scatter that is between techniques."""


def pool_scores(values: Floats, stds: Floats) -> PooledShare:
    """Join the scores of one sample.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Scores; NaN is left out. Those at or beyond 0 and 1 count as the mean of their
        normal cut to 0..1.
    stds : ndarray, shape (n,)
        Their 1 sigma.

    References
    ----------
    DerSimonian and Laird, 1986, 10.1016/0197-2456(86)90046-2; Hartung and Knapp, 2001,
    10.1002/sim.791; Thompson and Ellison, 2011, 10.1007/s00769-011-0803-0.

    Examples
    --------
    >>> found = pool_scores(np.array([0.5, 0.5, 0.5]), np.array([0.1, 0.1, 0.1]))
    >>> print(round(found.value, 6), round(found.between, 6))
    0.5 0.0
    """
    kept = np.isfinite(values) & np.isfinite(stds) & (stds > 0.0)
    nothing = PooledShare(
        value=math.nan,
        low=math.nan,
        high=math.nan,
        between=math.nan,
        heterogeneity=math.nan,
        p_value=math.nan,
        i_squared=math.nan,
    )
    count = int(kept.sum())
    if count < ENOUGH - 1:
        return nothing
    edges = np.zeros(count), np.ones(count)
    mean, variance = cut_normal(values[kept], stds[kept], low=edges[0], high=edges[1])
    logits = np.log(mean / (1.0 - mean))
    own = variance / (mean * (1.0 - mean)) ** 2
    fixed = 1.0 / own
    centre = (fixed * logits).sum() / fixed.sum()
    q = float((fixed * (logits - centre) ** 2).sum())
    freedom = count - 1
    scale = fixed.sum() - (fixed**2).sum() / fixed.sum()
    between = max((q - freedom) / scale, 0.0)
    weights = 1.0 / (own + between)
    pooled = float((weights * logits).sum() / weights.sum())
    scatter = float((weights * (logits - pooled) ** 2).sum()) / freedom
    error = math.sqrt(max(scatter, 1.0) / weights.sum())
    reach = float(student.ppf(0.975, freedom)) * error
    found = _expit(np.array([pooled, pooled - reach, pooled + reach]))
    numbers = found if count >= ENOUGH else np.full(3, math.nan)
    return PooledShare(
        value=float(numbers[0]),
        low=float(numbers[1]),
        high=float(numbers[2]),
        between=math.sqrt(between),
        heterogeneity=q,
        p_value=float(chi2.sf(q, freedom)),
        i_squared=max((q - freedom) / q, 0.0) if q > 0.0 else 0.0,
    )


def _expit(logits: Floats) -> Floats:
    """Return ``1 / (1 + exp(-x))``."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -700.0, 700.0))))
