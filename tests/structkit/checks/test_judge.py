"""Ranges against Monte Carlo and corners; verdicts at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.checks.judge import (
    ClaimVerdict,
    Range,
    exact,
    join,
    judge_above,
    judge_agreement,
    judge_equal,
    spread,
)
from structkit.checks.quantity import make_quantity, parse_quantity

LINEAR = 0.02
"""Of the half-width: a ratio of 3 and 4 % errors is not quite linear; and the noise of
the percentiles of 2e5 draws."""


def test_rounding_takes_the_corners() -> None:
    a, b = parse_quantity("4.41"), parse_quantity("0.11")
    found = spread(lambda x, y: x / y, a, b)
    assert found.value == pytest.approx(4.41 / 0.11)
    assert (found.low, found.high) == pytest.approx((4.405 / 0.115, 4.415 / 0.105))


def test_errors_add_in_quadrature() -> None:
    a, b = make_quantity(5.0, std=0.15), make_quantity(2.0, std=0.08)
    found = spread(lambda x, y: x / y, a, b)
    rng = np.random.default_rng(7)
    draws = rng.normal(5.0, 0.15, 200_000) / rng.normal(2.0, 0.08, 200_000)
    low, high = np.percentile(draws, [2.5, 97.5])
    half = 0.5 * (high - low)
    assert (found.low, found.high) == pytest.approx((low, high), abs=LINEAR * half * 3)
    assert found.high - found.low == pytest.approx(2 * half, rel=LINEAR)


def test_rounded_and_measured_together() -> None:
    a, b = parse_quantity("10"), make_quantity(3.0, std=0.1)
    found = spread(lambda x, y: x + y, a, b)
    reach = 0.5 + 1.959964 * 0.1
    assert (found.low, found.high) == pytest.approx((13.0 - reach, 13.0 + reach))


def test_unknown_uncertainty_has_no_verdict() -> None:
    found = spread(lambda x: x, make_quantity(5.0, std=math.nan))
    assert not found.is_known
    for verdict in (
        judge_above(found, exact(1.0)),
        judge_agreement(found, exact(5.0)),
        judge_equal(found, exact(5.0), tolerance=1.0),
    ):
        assert verdict is ClaimVerdict.NOT_RESOLVED
    assert found.tell() == "5 (uncertainty not known)"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (40.1, 42.0, ClaimVerdict.SUPPORTED),
        (38.0, 42.0, ClaimVerdict.NOT_RESOLVED),
        (38.0, 40.0, ClaimVerdict.CONTRADICTED),
        (40.0, 40.0, ClaimVerdict.CONTRADICTED),  # "more than"
    ],
)
def test_above(low: float, high: float, verdict: ClaimVerdict) -> None:
    found = Range(value=0.5 * (low + high), low=low, high=high)
    assert judge_above(found, exact(40.0)) is verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.055, 0.066, ClaimVerdict.SUPPORTED),
        (0.02, 0.10, ClaimVerdict.NOT_RESOLVED),  # wide
        (0.066, 0.09, ClaimVerdict.CONTRADICTED),
    ],
)
def test_equal_needs_a_narrow_range(
    low: float, high: float, verdict: ClaimVerdict
) -> None:
    claim = Range(value=0.06, low=0.055, high=0.065)
    found = Range(value=0.5 * (low + high), low=low, high=high)
    assert judge_equal(found, claim, tolerance=0.015) is verdict


def test_the_weakest_part_decides() -> None:
    supported, unresolved, contradicted = ClaimVerdict
    assert join([supported, supported]) is supported
    assert join([supported, unresolved]) is unresolved
    assert join([contradicted, unresolved, supported]) is contradicted
