from __future__ import annotations

import numpy as np
import pytest

from structkit.errors import FitError
from structkit.nmr.noise import (
    exclude_regions,
    find_signal_free,
    fit_baseline,
    measure_noise,
)

SHIFT = np.linspace(-100.0, 100.0, 4096)
LINE = 50.0 / (1.0 + ((SHIFT - 10.0) / 2.0) ** 2)
SHARE = 0.08
"""Scatter of a standard deviation from a few thousand points, and clipping's bias."""


def test_free_points_hold_no_line_and_most_of_the_rest() -> None:
    rng = np.random.default_rng(1)
    free = find_signal_free(LINE + rng.normal(size=SHIFT.size))
    assert not np.any(free[LINE > 3.0])
    assert free.mean() > 0.5


@pytest.mark.parametrize("noise", [0.01, 1.0, 5.0])
def test_noise_is_recovered(noise: float) -> None:
    rng = np.random.default_rng(2)
    values = LINE + 0.02 * SHIFT + noise * rng.normal(size=SHIFT.size)
    std, correlation = measure_noise(values, find_signal_free(values))
    assert std == pytest.approx(noise, rel=SHARE)
    assert correlation == pytest.approx(1.0, abs=0.2)


def test_zero_filling_is_seen_in_the_correlation() -> None:
    rng = np.random.default_rng(3)
    decay = rng.normal(size=2048) + 1j * rng.normal(size=2048)
    values = np.fft.fft(decay, 8192).real
    std, correlation = measure_noise(values, np.ones(8192, dtype=bool))
    assert std == pytest.approx(np.sqrt(2048), rel=SHARE)
    assert correlation == pytest.approx(2.0, rel=0.3)


@pytest.mark.parametrize(("kind", "degree"), [("polynomial", 3), ("spline", 12)])
def test_baseline_is_recovered_under_a_line(kind: str, degree: int) -> None:
    rng = np.random.default_rng(4)
    true = 3.0 + 0.02 * SHIFT - 3e-4 * SHIFT**2
    values = true + 50.0 * np.exp(-0.5 * ((SHIFT - 10.0) / 4.0) ** 2)
    values += 0.1 * rng.normal(size=SHIFT.size)
    free = exclude_regions(SHIFT, ((-15.0, 35.0),))
    found = fit_baseline(SHIFT, values, free, kind=kind, degree=degree)
    assert np.abs(found - true).max() < 0.15


def test_too_few_free_points_are_refused() -> None:
    free = exclude_regions(SHIFT, ((-200.0, 99.5),))
    with pytest.raises(FitError, match="points without line"):
        measure_noise(SHIFT, free)
    with pytest.raises(FitError, match="degree 3"):
        fit_baseline(SHIFT, SHIFT, free, kind="polynomial", degree=3)
