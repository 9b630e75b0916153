"""Kinds of claims about one motion behind conductivity and relaxation."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from structkit.checks.claim_kind import ClaimKind, Given, InputSpec
from structkit.checks.eis_nmr import Motion, MotionCheck, check_motion
from structkit.checks.finding import Verdict
from structkit.checks.hopping import carrier_density
from structkit.checks.judge import ClaimVerdict, Outcome, Range
from structkit.structures.composition import molar_mass

_DRAWS = 4000


def _check_motion(given: Given) -> Outcome:
    """Return whether one motion makes both the current and T1."""
    motion = _motion(given)
    check = check_motion(motion, n_draws=_DRAWS)
    verdicts = {
        Verdict.PASS: ClaimVerdict.SUPPORTED,
        Verdict.TENSION: ClaimVerdict.CONTRADICTED,
        Verdict.NOT_TESTABLE: ClaimVerdict.NOT_RESOLVED,
    }
    names = ["hop_time", "phase", "t1_at_1_MHz", "required_coupling"]
    if motion.trend != "unknown":
        names = ["hop_time", "phase", "temperature_of_minimum", "haven_ratio_of_trend"]
    return Outcome(
        verdict=verdicts[check.verdict],
        arithmetic="; ".join(
            check.findings[name].text for name in names if name in check.findings
        ),
        numbers=_numbers(check),
    )


def _numbers(check: MotionCheck) -> Mapping[str, Range]:
    """Return the findings of a motion as ranges."""
    return {
        name: Range(
            value=one.value,
            low=one.low if math.isfinite(one.low) else one.value,
            high=one.high if math.isfinite(one.high) else one.value,
        )
        for name, one in check.findings.items()
    }


def _motion(given: Given) -> Motion:
    """Return what was measured of a motion and what is assumed."""
    density = given.number("density")
    mass = molar_mass(given.text("formula", "NaTaCl6"))
    settings: dict[str, object] = {}
    if "trend" in given:
        low, high = (one.value for one in given.numbers("trend_range"))
        settings = {
            "trend": given.text("trend", "unknown"),
            "trend_range": (low, high),
            "trend_larmor_hz": given.number("trend_larmor").value,
            "energy_ev": given.number("energy").value,
            "energy_std_ev": max(given.number("energy").std, 1e-6),
        }
    sigma, t1 = given.number("conductivity"), given.number("t1")
    return Motion(
        conductivity=sigma.value,
        conductivity_relative_std=sigma.std / sigma.value,
        temperature=given.number("temperature").value,
        larmor_hz=given.number("larmor").value,
        carriers_per_m3=carrier_density(density.value, mass),
        carriers_relative_std=density.std / density.value,
        hop_angstrom=_range(given, "hop"),
        t1=t1.value,
        t1_relative_std=t1.std / t1.value,
        **settings,  # type: ignore[arg-type]
    )


def _range(given: Given, name: str) -> tuple[float, float]:
    """Return the ends of a list of two numbers."""
    values = np.array([one.value for one in given.numbers(name)])
    return float(values.min()), float(values.max())


_LARMOR = InputSpec(name="larmor", meaning="Larmor frequency", units="Hz")

MOTION_KINDS = (
    ClaimKind(
        name="one_motion",
        summary="the motion that carries the current relaxes the spins",
        inputs=(
            InputSpec(
                name="conductivity", meaning="with its uncertainty", units="S/cm"
            ),
            InputSpec(name="temperature", meaning="of it and of T1", units="K"),
            InputSpec(name="t1", meaning="with its uncertainty", units="s"),
            _LARMOR,
            InputSpec(name="density", meaning="of the conductor", units="g/cm3"),
            InputSpec(
                name="formula",
                meaning="of the conductor, one ion each; default NaTaCl6",
                shape="text",
                required=False,
            ),
            InputSpec(
                name="hop",
                meaning="least and greatest hop",
                units="angstrom",
                shape="numbers",
            ),
            InputSpec(
                name="trend",
                meaning="`falls` or `rises`: T1 on heating",
                shape="text",
                required=False,
                choices=("falls", "rises"),
                needs=("trend_range", "trend_larmor", "energy"),
            ),
            InputSpec(
                name="trend_range",
                meaning="over these temperatures",
                units="K",
                shape="numbers",
                required=False,
            ),
            InputSpec(
                name="trend_larmor", meaning="at this", units="Hz", required=False
            ),
            InputSpec(
                name="energy", meaning="activation energy", units="eV", required=False
            ),
        ),
        check=_check_motion,
    ),
)
"""Kinds of claims about one motion behind conductivity and relaxation."""
