"""The share that each technique gives alone, with its covariance along the series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.index.evidence import Evidence
from structkit.index.links import slope, step_of

Floats = NDArray[np.float64]

_STEP = 1e-5
_FLAT = 1e-6
"""Slope of a link, over its 1 sigma, below which the measurement tells no share."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score:
    """What one technique says of the share of each sample."""

    name: str
    """Of the technique."""
    value: Floats
    """Shape (n_samples,), not held within 0..1; NaN where not measured."""
    covariance: Floats
    """Shape (n_samples, n_samples): end points, constants and cross-sections are
    common."""

    @property
    def std(self) -> Floats:
        """Return 1 sigma of each, shape (n_samples,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


def score_evidence(evidence: Evidence) -> Score:
    """Return the scores of one technique by its inverted link.

    Parameters
    ----------
    evidence : Evidence
        What was measured.

    Returns
    -------
    Score
        By propagation of own and of shared errors through the link's slopes.
    """
    shared = np.zeros(evidence.link.n_shared)
    values = np.asarray(evidence.link.invert(evidence.values), dtype=float)
    good = evidence.measured & np.isfinite(values)
    share = np.where(good, values, 0.5)
    predicted = evidence.link.predict(share, shared)
    by_share = slope(predicted, evidence.link.predict(step_of(share), shared))
    sigma = np.sqrt(np.where(good, evidence.variances, 1.0))
    good &= np.abs(by_share) > _FLAT * sigma
    safe = np.where(good, by_share, 1.0)
    covariance = np.diag((sigma / safe) ** 2)
    for k in range(shared.size):
        moved = shared.copy()
        moved[k] = _STEP
        change = (evidence.link.predict(share, moved) - predicted) / _STEP / safe
        covariance += np.outer(change, change)
    covariance[~good, :] = np.nan
    covariance[:, ~good] = np.nan
    return Score(
        name=evidence.name,
        value=np.where(good, values, np.nan),
        covariance=covariance,
    )


def score_all(evidence: Sequence[Evidence]) -> tuple[Score, ...]:
    """Return the scores of several techniques."""
    return tuple(score_evidence(one) for one in evidence)
