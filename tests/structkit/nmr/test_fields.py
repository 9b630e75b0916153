from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.errors import SchemaError
from structkit.nmr.fields import compare_fields, larmor_frequency, review_larmor

FIELDS = (79.390e6, 132.294e6)
SMALL = (1e-6, 1e-6)


def two_t1(tau: float, exponent: float = 2.0) -> tuple[float, float]:
    found = []
    for field in FIELDS:
        x = 2.0 * math.pi * field * tau
        found.append(
            1e-6
            / (1.0 / (1.0 + x**exponent) + 4.0 / (1.0 + (2.0 * x) ** exponent))
            / tau
            * 1e-6
        )
    return found[0], found[1]


def test_larmor_frequencies_of_the_study() -> None:
    """Check C12."""
    assert larmor_frequency("23Na", proton_mhz=300.13) == pytest.approx(
        79.390, abs=5e-4
    )
    right = review_larmor(132.294, nucleus="23Na", proton_mhz=500.13)
    assert not right.flagged
    assert right.remark == ""
    wrong = review_larmor(73.39, nucleus="23Na", proton_mhz=300.13)
    assert wrong.flagged
    assert wrong.digit_slip
    assert wrong.field_needed == pytest.approx(6.51, abs=0.01)
    assert "one digit is wrong" in wrong.remark
    assert not review_larmor(79.39, nucleus="23Na").flagged


@pytest.mark.parametrize("declared", [73.39, 60.0, 100.0])
def test_a_wrong_frequency_is_seen_without_the_magnet(declared: float) -> None:
    assert review_larmor(declared, nucleus="23Na").flagged


@pytest.mark.parametrize(
    ("nucleus", "declared"), [("19F", 470.592), ("17O", 67.8), ("51V", 105.2)]
)
def test_right_frequencies_pass(nucleus: str, declared: float) -> None:
    assert not review_larmor(declared, nucleus=nucleus).flagged


@pytest.mark.parametrize(
    ("tau", "regime", "ratio"),
    [(1e-13, "fast", 1.0), (1e-6, "slow", 2.777), (2e-9, "intermediate", None)],
)
def test_regimes(tau: float, regime: str, ratio: float | None) -> None:
    t1 = two_t1(tau)
    std = (0.005 * t1[0], 0.005 * t1[1])
    told = compare_fields(t1, larmor_hz=FIELDS, t1_std=std)
    assert told.regime == regime
    assert told.slow_limit == pytest.approx(2.78, abs=0.005)
    if ratio is None:
        assert told.correlation_time == pytest.approx(tau, rel=1e-6)
    else:
        assert told.ratio == pytest.approx(ratio, abs=1e-3)
    assert told.interval[0] <= tau <= told.interval[1]


def test_fields_may_come_in_any_order() -> None:
    t1 = two_t1(2e-9)
    there = compare_fields(t1, larmor_hz=FIELDS, t1_std=(1e-6 * t1[0], 1e-6 * t1[1]))
    back = compare_fields(
        (t1[1], t1[0]),
        larmor_hz=(FIELDS[1], FIELDS[0]),
        t1_std=(1e-6 * t1[1], 1e-6 * t1[0]),
    )
    assert there == back


def test_large_errors_decide_nothing() -> None:
    told = compare_fields((1.0, 1.6), larmor_hz=FIELDS, t1_std=(0.5, 0.8))
    assert told.regime == "undecided"
    assert told.interval == (0.0, math.inf)


def test_a_transposed_frequency_moves_the_verdict() -> None:
    """In the slow limit 73.39 MHz asks for 3.25, and a real 2.78 looks intermediate."""
    t1 = two_t1(1e-6)
    std = (0.02 * t1[0], 0.02 * t1[1])
    right = compare_fields(t1, larmor_hz=FIELDS, t1_std=std)
    wrong = compare_fields(t1, larmor_hz=(73.39e6, FIELDS[1]), t1_std=std)
    assert right.regime == "slow"
    assert wrong.regime == "intermediate"
    assert wrong.slow_limit / right.slow_limit == pytest.approx(1.17, abs=0.005)


def test_coverage_of_the_correlation_time() -> None:
    rng = np.random.default_rng(51)
    tau, inside = 1.5e-9, 0
    truth = two_t1(tau)
    for _ in range(300):
        t1 = [value * math.exp(rng.normal(0.0, 0.03)) for value in truth]
        told = compare_fields(
            (t1[0], t1[1]), larmor_hz=FIELDS, t1_std=(0.03 * t1[0], 0.03 * t1[1])
        )
        inside += told.interval[0] <= tau <= told.interval[1]
    assert 0.92 <= inside / 300 <= 0.98


def test_beyond_the_slow_limit_is_no_single_motion() -> None:
    told = compare_fields((1.0, 4.0), larmor_hz=FIELDS, t1_std=(0.01, 0.04))
    assert told.regime == "outside"


def test_bad_input() -> None:
    with pytest.raises(SchemaError, match="no nucleus"):
        larmor_frequency("99Xx", proton_mhz=300.0)
    with pytest.raises(SchemaError, match="positive"):
        review_larmor(0.0, nucleus="23Na")
    with pytest.raises(SchemaError, match="two fields"):
        compare_fields((1.0, 1.0), larmor_hz=(1e8, 1e8), t1_std=SMALL)
