"""``AI_pool``: bounded, widened by conflict; and what it is known to lack."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from structkit.index.pool import pool_scores

Score = st.floats(-0.3, 1.3)
Std = st.floats(0.01, 0.4)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(Score, Std), min_size=3, max_size=5))
def test_bounded_and_deterministic(cells: list[tuple[float, float]]) -> None:
    values, stds = (np.array(column) for column in zip(*cells, strict=True))
    found = pool_scores(values, stds)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found == pool_scores(values, stds)


@settings(deadline=None, max_examples=60)
@given(st.floats(0.3, 0.7), st.floats(0.0, 0.2), st.floats(0.0, 0.1))
def test_conflict_widens(share: float, apart: float, more: float) -> None:
    def width(gap: float) -> float:
        values = np.array([share - gap, share, share + gap])
        found = pool_scores(values, np.full(3, 0.03))
        logits = np.log([found.low / (1 - found.low), found.high / (1 - found.high)])
        return float(logits[1] - logits[0])

    assert width(apart + more) >= width(apart) - 1e-9


def test_against_the_formula_by_hand() -> None:
    # far from the edges, where the cut to 0..1 changes nothing
    values, stds = np.array([0.45, 0.5, 0.6]), np.array([0.02, 0.03, 0.025])
    theta = np.log(values / (1 - values))
    s2 = (stds / (values * (1 - values))) ** 2
    w = 1 / s2
    mean = (w * theta).sum() / w.sum()
    q = (w * (theta - mean) ** 2).sum()
    tau2 = max((q - 2) / (w.sum() - (w**2).sum() / w.sum()), 0.0)
    w = 1 / (s2 + tau2)
    mean = (w * theta).sum() / w.sum()
    spread = max((w * (theta - mean) ** 2).sum() / 2, 1.0)
    reach = student.ppf(0.975, 2) * np.sqrt(spread / w.sum())
    found = pool_scores(values, stds)
    assert found.between == pytest.approx(np.sqrt(tau2), rel=1e-6)
    assert np.log(found.value / (1 - found.value)) == pytest.approx(mean, abs=1e-6)
    assert np.log(found.high / (1 - found.high)) == pytest.approx(
        mean + reach, abs=1e-6
    )


def test_two_techniques_are_no_consensus() -> None:
    found = pool_scores(np.array([0.4, np.nan, 0.9]), np.array([0.05, 0.1, 0.05]))
    assert np.isnan(found.value)
    assert found.p_value < 0.01


def test_a_copy_counts_as_new_evidence_here() -> None:
    # known lack: AI_lat does not do so (test_latent)
    values, stds = np.array([0.3, 0.5, 0.6]), np.full(3, 0.1)
    once = pool_scores(values, stds)
    twice = pool_scores(np.append(values, 0.6), np.full(4, 0.1))
    assert twice.value > once.value + 0.01


def test_need_not_rise_with_a_score_here() -> None:
    # known lack: a score that runs off changes all weights
    def value(first: float) -> float:
        values = np.array([first, 0.58, 0.65])
        return pool_scores(values, np.array([0.026, 0.22, 0.17])).value

    path = [value(x) for x in np.linspace(0.70, 0.85, 40)]
    assert np.min(np.diff(path)) < -1e-4
