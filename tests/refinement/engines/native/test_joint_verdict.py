"""Verdicts on simulated evidence: chances are uniform where patterns agree."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from refinement.engines.native.arrow import Head
from refinement.engines.native.joint_verdict import (
    Evidence,
    directions,
    judge,
    pool,
    pooled_values,
    screen,
)

Floats = NDArray[np.float64]
TRUTH = np.array([0.4, -1.0, 6.0])
CENTER = np.array([0.0, 0.0, 5.0])
SIGMA = np.array([1.5, 6.0, 1.0])
PRIOR = Head(normal=np.diag(SIGMA**-2.0), gradient=np.zeros(3))
UNLIKELY = 1e-3
"""A Kolmogorov test of uniform chances fails by accident once in 1000 seeds."""


def draw_evidence(rng: np.random.Generator, shift: Floats | None = None) -> Evidence:
    """Return the evidence of a pattern whose own values scatter around the truth."""
    root = rng.normal(size=(3, 8)) / SIGMA[:, None] * 10.0
    normal = root @ root.T
    own = rng.multivariate_normal(TRUTH, np.linalg.inv(normal))
    own = own if shift is None else own + shift
    return Evidence(normal=normal, moment=normal @ own)


def rise(evidence: Evidence, values: Floats) -> float:
    """Return chi-square at ``values`` over its least."""
    away = values - np.linalg.solve(evidence.normal, evidence.moment)
    return float(away @ evidence.normal @ away)


@pytest.mark.parametrize("included", [True, False])
def test_chances_of_patterns_that_agree_are_uniform(included: bool) -> None:
    rng = np.random.default_rng(42)
    chances = []
    for _ in range(300):
        series = [draw_evidence(rng) for _ in range(3)]
        shared = series if included else series[1:]
        values = pooled_values(shared, PRIOR, CENTER)
        own = np.linalg.solve(series[0].normal, series[0].moment)
        verdict = judge(
            series[0],
            delta=rise(series[0], values),
            own_values=own,
            shared_values=values,
            joint_normal=pool(shared, PRIOR, CENTER).normal,
            prior=PRIOR,
            included=included,
        )
        assert verdict.given_up == 3
        chances.append(verdict.chance)
    assert kstest(chances, "uniform").pvalue > UNLIKELY


def test_those_far_off_are_found_and_no_other() -> None:
    rng = np.random.default_rng(1)
    shifts = {2: np.array([2.0, 0.0, 0.0]), 9: np.array([0.0, -4.0, 1.0])}
    series = [draw_evidence(rng, shifts.get(k)) for k in range(12)]
    assert screen(series, PRIOR, CENTER, most=4) == frozenset(shifts)
    assert screen(series, PRIOR, CENTER, most=1) < frozenset(shifts)


def test_a_direction_without_information_is_not_given_up() -> None:
    blind = Evidence(normal=np.diag([1e4, 1e-8, 0.0]), moment=np.zeros(3))
    assert directions(blind, PRIOR).shape == (3, 1)
    nothing = Evidence(normal=np.zeros((3, 3)), moment=np.zeros(3))
    verdict = judge(
        nothing,
        delta=0.0,
        own_values=CENTER,
        shared_values=TRUTH,
        joint_normal=100.0 * PRIOR.normal,
        prior=PRIOR,
        included=True,
    )
    assert (verdict.given_up, verdict.chance) == (0, 1.0)
