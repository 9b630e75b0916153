"""Conductivity against relaxation: the study's numbers and slow forms."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from structkit.checks.eis_nmr import Motion, check_motion
from structkit.checks.finding import Verdict
from structkit.checks.hopping import carrier_density
from structkit.errors import SchemaError

CARRIERS = carrier_density(3.2, 416.656)
ROOM = 298.15
HIGH_FIELD, LOW_FIELD = 132.294e6, 79.390e6
STUDY = Motion(
    conductivity=4.41e-3,
    conductivity_relative_std=0.05,
    temperature=ROOM,
    larmor_hz=HIGH_FIELD,
    carriers_per_m3=CARRIERS,
    t1=1.2e-3,
)
SURE = {"conductivity_relative_std": 0.0, "carriers_relative_std": 0.0}


def slow_rate(tau: float, larmor: float, coupling: float) -> float:
    """Return 1/T1 of a spin 3/2, written out."""
    w = 2 * math.pi * larmor
    bracket = tau / (1 + (w * tau) ** 2) + 4 * tau / (1 + (2 * w * tau) ** 2)
    return 2 * math.pi**2 / 25 * coupling**2 * bracket


def at_hop(motion: Motion, hop: float) -> Motion:
    """Return the motion with one hop length and no uncertainty."""
    return replace(motion, hop_angstrom=(hop, hop), t1_relative_std=0.0, **SURE)


@pytest.mark.parametrize(
    ("sigma", "t1", "hop", "coupling_mhz"),
    [
        (4.41e-3, 1.2e-3, 4.0, 0.90),
        (4.41e-3, 1.2e-3, 5.0, 1.05),
        (0.11e-3, 7.3e-3, 4.0, 2.0),
        (0.11e-3, 7.3e-3, 5.0, 2.6),
    ],
)
def test_study_required_couplings(
    sigma: float, t1: float, hop: float, coupling_mhz: float
) -> None:
    motion = at_hop(replace(STUDY, conductivity=sigma, t1=t1), hop)
    found = check_motion(motion, n_draws=10).findings
    coupling = found["required_coupling"].value
    assert coupling / 1e6 == pytest.approx(coupling_mhz, abs=0.06)
    tau = found["hop_time"].value
    assert 1.0 / slow_rate(tau, HIGH_FIELD, coupling) == pytest.approx(t1, rel=1e-6)
    expected = 1.0 / slow_rate(tau, HIGH_FIELD, 1e6)
    assert found["t1_at_1_MHz"].value == pytest.approx(expected, rel=1e-6)


def test_study_regime_and_bound() -> None:
    found = check_motion(STUDY).findings
    assert found["coupling_bound"].value == pytest.approx(0.785e6, rel=0.01)
    phases = [
        check_motion(at_hop(STUDY, a), n_draws=10).findings["phase"].value
        for a in (4.0, 5.0)
    ]
    assert phases == pytest.approx([1.4, 2.3], abs=0.06)
    assert "near the T1 minimum" in found["phase"].text
    assert check_motion(STUDY).verdict is Verdict.PASS


def test_study_trend_is_in_tension() -> None:
    motion = replace(
        STUDY,
        trend="falls",
        trend_range=(ROOM, 358.15),
        trend_larmor_hz=LOW_FIELD,
        energy_ev=0.32,
        energy_std_ev=1e-9,
    )
    check = check_motion(motion)
    assert check.verdict is Verdict.TENSION
    assert check.findings["haven_ratio_of_trend"].verdict is Verdict.TENSION
    assert check.findings["coupling_of_trend"].value == pytest.approx(1.9e6, abs=5e4)
    limits = [
        4.41
        * check_motion(at_hop(motion, a), n_draws=10)
        .findings["haven_ratio_of_trend"]
        .value
        for a in (4.0, 5.0)
    ]
    assert limits == pytest.approx([0.8, 1.2], abs=0.05)
    inside = check.findings["temperature_of_minimum"]
    assert ROOM < inside.value < 358.15


def test_trend_of_the_slow_glass_passes() -> None:
    motion = replace(
        STUDY,
        conductivity=0.11e-3,
        t1=7.3e-3,
        trend="falls",
        trend_range=(ROOM, 358.15),
        trend_larmor_hz=LOW_FIELD,
        energy_ev=0.32,
    )
    assert check_motion(motion).verdict is Verdict.PASS


def test_impossible_coupling_is_tension() -> None:
    narrow = replace(STUDY, coupling_hz=(0.1e6, 0.3e6))
    check = check_motion(narrow)
    assert check.findings["coupling_bound"].verdict is Verdict.TENSION
    assert check.findings["haven_ratio_allowed"].value == 0.0
    assert check.verdict is Verdict.TENSION


def test_nothing_to_compare_with_is_not_testable() -> None:
    assert check_motion(replace(STUDY, t1=math.nan)).verdict is Verdict.NOT_TESTABLE


def test_rising_t1_at_a_slow_hop_is_tension() -> None:
    motion = replace(
        STUDY,
        conductivity=1e-5,
        trend="rises",
        trend_range=(ROOM, 358.15),
        energy_ev=0.32,
    )
    found = check_motion(motion).findings["haven_ratio_of_trend"]
    assert found.verdict is Verdict.TENSION
    assert "at least" in found.text


def test_limits_are_those_of_the_stated_errors() -> None:
    motion = replace(
        STUDY, hop_angstrom=(4.5, 4.5), carriers_relative_std=0.0, t1_relative_std=0.0
    )
    found = check_motion(motion, n_draws=20_000).findings["diffusion"]
    reach = math.log(found.high / found.low) / (2 * 1.96)
    assert reach == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"conductivity": 0.0}, "conductivity"),
        ({"hop_angstrom": (5.0, 4.0)}, "hop_angstrom"),
        ({"t1": -1.0}, "t1"),
    ],
)
def test_impossible_motions_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        replace(STUDY, **wrong)  # type: ignore[arg-type]
