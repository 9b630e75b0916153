"""Hop times from conductivity and from relaxation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.checks.hopping import (
    carrier_density,
    hop_time,
    nernst_einstein,
    solve_correlation_time,
)

CARRIERS = carrier_density(3.2, 416.656)
ROOM = 298.15
HIGH_FIELD = 132.294e6


def slow_rate(tau: float, larmor: float, coupling: float) -> float:
    """Return 1/T1 of a spin 3/2, written out."""
    w = 2 * math.pi * larmor
    bracket = tau / (1 + (w * tau) ** 2) + 4 * tau / (1 + (2 * w * tau) ** 2)
    return 2 * math.pi**2 / 25 * coupling**2 * bracket


def test_study_diffusion_and_hop_times() -> None:
    diffusion = nernst_einstein(4.41e-3, temperature=ROOM, carriers_per_m3=CARRIERS)
    assert float(diffusion) == pytest.approx(1.53e-11, abs=5e-14)
    times = [1e9 * float(hop_time(diffusion, hop_angstrom=a)) for a in (4.0, 5.0)]
    assert times == pytest.approx([1.74, 2.73], abs=0.01)


def test_both_correlation_times_make_the_t1() -> None:
    coupling = np.array([0.9e6, 1.5e6, 3e6, 0.5e6])
    slow, fast = solve_correlation_time(
        np.full(4, 1.2e-3), larmor_hz=HIGH_FIELD, coupling_hz=coupling
    )
    for tau in (slow, fast):
        for one, c in zip(tau[:3], coupling[:3], strict=True):
            rate = slow_rate(one, HIGH_FIELD, c)
            assert rate == pytest.approx(1.0 / 1.2e-3, rel=1e-6)
        assert math.isnan(tau[3])  # below the bound of 0.785 MHz
    assert np.all(slow[:3] > fast[:3])
