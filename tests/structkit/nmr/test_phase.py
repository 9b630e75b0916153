from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from structkit.nmr.phase import find_phase, negativity
from structkit.nmr.transform import rotate, transform_decay

DWELL = 1e-5
ZEROTH_DEGREES = 1.5
"""Broad lines overlap: their wings move the minimum by about a degree."""
FIRST_DEGREES = 15.0


def two_lines(noise: float = 0.0, seed: int = 1) -> NDArray[np.complex128]:
    rng = np.random.default_rng(seed)
    time = DWELL * np.arange(2048)
    decay = np.exp((2j * np.pi * 8e3 - 900.0) * time)
    decay += 0.6 * np.exp((2j * np.pi * -15e3 - 2000.0) * time)
    decay += noise * (rng.normal(size=2048) + 1j * rng.normal(size=2048))
    return transform_decay(decay, 4096, group_delay=0.0)


@pytest.mark.parametrize("error", [-170.0, -60.0, 0.0, 35.0, 120.0])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_zeroth_order_is_found(error: float, noise: float) -> None:
    phase0, phase1 = find_phase(rotate(two_lines(noise), error, 0.0), first_order=0.0)
    assert phase1 == 0.0
    assert abs((phase0 + error + 180.0) % 360.0 - 180.0) < ZEROTH_DEGREES


@pytest.mark.parametrize("errors", [(20.0, 90.0), (-100.0, -150.0)])
def test_both_orders_are_found(errors: tuple[float, float]) -> None:
    phase0, phase1 = find_phase(rotate(two_lines(0.01), *errors), first_order=None)
    assert abs((phase0 + errors[0] + 180.0) % 360.0 - 180.0) < 3.0 * ZEROTH_DEGREES
    assert abs(phase1 + errors[1]) < FIRST_DEGREES


def test_lines_become_positive_whatever_the_error() -> None:
    for error in range(-180, 180, 30):
        phases = find_phase(rotate(two_lines(0.02), float(error), 0.0), first_order=0.0)
        turned = rotate(rotate(two_lines(0.02), float(error), 0.0), *phases)
        assert turned.real.max() > -2.0 * turned.real.min()


def test_negativity_tells_a_wrong_phase() -> None:
    spectrum = two_lines(0.01)
    assert negativity(spectrum) < 1e-3
    for error in (-90.0, -40.0, 40.0, 90.0, 180.0):
        assert negativity(rotate(spectrum, error, 0.0)) > 0.02
    assert negativity(np.zeros(64, dtype=complex)) == 0.0
