"""Normals in boxes, against drawing and rejecting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import truncnorm

from structkit.index.truncation import box_normal, cut_normal

DRAWN = 0.006
"""Quantiles of a few 1e5 draws, and what the moments of the cuts leave out."""
TIGHT = 0.03
"""The same where samples go together by 0.95: a third of their 1 sigma of 0.1, in the
tail away from the cut."""


@pytest.mark.parametrize("mean", [-3.0, -0.1, 0.4, 0.99, 2.5])
@pytest.mark.parametrize("std", [0.01, 0.2, 3.0])
def test_moments_of_one_cut(mean: float, std: float) -> None:
    one = np.ones(1)
    found = cut_normal(mean * one, std * one, low=0.0 * one, high=one)
    below, above = (0.0 - mean) / std, (1.0 - mean) / std
    if max(below, -above) > 30.0:
        # further out than scipy's moments reach: an exponential at the edge
        edge = 0.0 if mean < 0.0 else 1.0
        fall = std**2 / abs(mean - edge)
        assert abs(found[0, 0] - edge) == pytest.approx(fall, rel=0.05)
        return
    exact = truncnorm(below, above, loc=mean, scale=std)
    assert found[0, 0] == pytest.approx(exact.mean(), abs=1e-7)
    assert found[1, 0] == pytest.approx(exact.var(), rel=1e-4, abs=1e-12)


@pytest.mark.parametrize(
    ("correlation", "tolerance"), [(0.0, DRAWN), (0.6, DRAWN), (0.95, TIGHT)]
)
def test_marginals_of_three(correlation: float, tolerance: float) -> None:
    rng = np.random.default_rng(4)
    mean = np.array([0.93, 0.8, 0.4])
    covariance = 0.1**2 * (
        (1.0 - correlation) * np.eye(3) + correlation * np.ones((3, 3))
    )
    found = box_normal(mean, covariance, low=np.zeros(3), high=np.ones(3))
    draws = rng.multivariate_normal(mean, covariance, size=600_000)
    kept = draws[np.all((draws > 0.0) & (draws < 1.0), axis=1)]
    for probability in (0.025, 0.5, 0.975):
        expected = np.quantile(kept, probability, axis=0)
        assert found.quantile(probability) == pytest.approx(expected, abs=tolerance)
