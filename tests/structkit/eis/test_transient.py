"""Decaying currents: simulated truth and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.eis.transient import fit_decay

STEADY = 3.5e-10
DRAWS = 24
UNBIASED = 4.0
"""Standard errors of the mean."""
LEAST_HITS = 20
"""Of 24 intervals of 95 %: 23 expected, below 20 has a probability of 0.6 %."""


@pytest.mark.parametrize(
    ("times", "amplitudes", "noise"),
    [
        ([], [], 2e-11),
        ([200.0], [5e-9], 2e-11),
        ([60.0, 400.0], [5e-9, 2e-9], 1e-11),
        ([30.0, 150.0, 800.0], [5e-9, 2e-9, 1e-9], 5e-12),
    ],
)
def test_steady_value_and_number_are_recovered(
    times: list[float], amplitudes: list[float], noise: float
) -> None:
    random = np.random.default_rng(len(times))
    t = np.linspace(0.0, 3600.0, 150)
    curve = np.full(150, STEADY)
    for tau, amplitude in zip(times, amplitudes, strict=True):
        curve = curve + amplitude * 2.0 ** (-t / (tau * math.log(2.0)))
    found, hits, right = [], 0, 0
    for _ in range(DRAWS):
        decay = fit_decay(t, curve + noise * random.standard_normal(150))
        hits += abs(decay.steady - STEADY) < 1.96 * decay.steady_std
        right += decay.times.size == len(times)
        found.append(decay.steady)
    error = float(np.std(found)) / math.sqrt(DRAWS)
    assert abs(np.mean(found) - STEADY) < UNBIASED * error
    assert hits >= LEAST_HITS
    assert right >= 0.9 * DRAWS


def test_correlated_noise_widens_the_interval() -> None:
    random = np.random.default_rng(7)
    t = np.arange(0.0, 3000.0, 10.0)
    white = random.standard_normal(300)
    walk = np.convolve(white, 0.9 ** np.arange(60))[:300]
    walk *= np.std(white) / np.std(walk)
    clean, correlated = (
        fit_decay(t, 5.0 + 20.0 * np.exp(-t / 150.0) + 0.3 * noise).steady_std
        for noise in (white, walk)
    )
    assert correlated > 2.0 * clean


def test_short_runs_have_fewer_exponentials() -> None:
    t = np.arange(5.0)
    assert fit_decay(t, np.array([5.0, 3.0, 2.0, 1.5, 1.2])).times.size <= 1
