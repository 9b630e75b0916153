from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from structkit.nmr.bpp import coupling_bound
from structkit.nmr.relaxation import fit_relaxation
from structkit.nmr.relaxation_problem import RelaxationModel
from structkit.schema import FitStatus

Floats = NDArray[np.float64]

HIGH, LOW = 132.294e6, 79.390e6
ENERGY, COUPLING, TAU_25 = 0.32, 1.0e6, 2.0e-9
EV_PER_K = 8.617333262e-5
WHOLE = np.arange(248.15, 388.0, 10.0)
COLD = np.arange(198.15, 268.0, 5.0)
NOISE = 0.03
N_DRAWS = 100
COVERED = (0.90, 0.99)
"""95 % of 100 draws: 2.3 standard errors of a share below, 1.8 above."""


def simulate(
    kelvin: Floats, larmor: float, *, exponent: float = 2.0, coupling: float = COUPLING
) -> Floats:
    """T1 from two Lorentzians written out, in ns and MHz."""
    times = []
    for temperature in kelvin:
        tau = (
            TAU_25
            * 1e9
            * math.exp(ENERGY / EV_PER_K * (1.0 / temperature - 1.0 / 298.15))
        )
        w = 2.0 * math.pi * larmor * 1e-9
        density = tau / (1.0 + (w * tau) ** exponent)
        density += 4.0 * tau / (1.0 + (2.0 * w * tau) ** exponent)
        times.append(
            25.0 / (2.0 * math.pi**2 * (coupling * 1e-6) ** 2 * density) * 1e-3
        )
    return np.asarray(times)


@pytest.mark.parametrize("known", [True, False])
def test_energy_and_coupling_are_unbiased_and_covered(known: bool) -> None:
    rng = np.random.default_rng(31)
    truth = simulate(WHOLE, LOW)
    found, covered = [], np.zeros(2)
    for _ in range(N_DRAWS):
        data = truth * np.exp(rng.normal(0.0, NOISE, WHOLE.size))
        fit = fit_relaxation(
            WHOLE, data, larmor_hz=LOW, t1_std=NOISE * data if known else None
        )
        found.append((fit.activation_energy / ENERGY, fit.coupling_hz / COUPLING))
        for number, (interval, value) in enumerate(
            (
                (fit.activation_energy_interval, ENERGY),
                (fit.coupling_interval_hz, COUPLING),
            )
        ):
            covered[number] += interval[0] <= value <= interval[1]
    share = covered / N_DRAWS
    assert np.all((share >= COVERED[0]) & (share <= COVERED[1])), share
    error = np.std(found, axis=0) / math.sqrt(N_DRAWS)
    assert np.all(np.abs(np.mean(found, axis=0) - 1.0) < 4.0 * error)


def test_two_fields_are_fitted_together() -> None:
    kelvin = np.concatenate([WHOLE, WHOLE])
    larmor = np.repeat([LOW, HIGH], WHOLE.size)
    t1 = np.concatenate([simulate(WHOLE, LOW), simulate(WHOLE, HIGH)])
    fit = fit_relaxation(kelvin, t1, larmor_hz=larmor, t1_std=0.01 * t1)
    assert fit.status is FitStatus.CONVERGED
    assert fit.activation_energy == pytest.approx(ENERGY, rel=1e-4)
    assert fit.coupling_hz == pytest.approx(COUPLING, rel=1e-4)
    assert float(fit.correlation_time(298.15)) == pytest.approx(TAU_25, rel=1e-3)
    lowest = WHOLE[np.argmin(simulate(WHOLE, LOW))]
    assert abs(fit.minimum_temperature - lowest) < 5.0


def test_a_transposed_larmor_frequency_is_seen_at_two_fields() -> None:
    rng = np.random.default_rng(32)
    kelvin = np.concatenate([WHOLE, WHOLE])
    t1 = np.concatenate([simulate(WHOLE, LOW), simulate(WHOLE, HIGH)])
    t1 = t1 * np.exp(rng.normal(0.0, 0.01, t1.size))
    right = np.repeat([LOW, HIGH], WHOLE.size)
    wrong = np.repeat([73.39e6, HIGH], WHOLE.size)
    good = fit_relaxation(kelvin, t1, larmor_hz=right, t1_std=0.01 * t1)
    bad = fit_relaxation(kelvin, t1, larmor_hz=wrong, t1_std=0.01 * t1)
    assert good.status is FitStatus.CONVERGED
    assert "misses the data" in bad.reason


def test_one_side_bounds_the_coupling_only() -> None:
    t1 = simulate(COLD, HIGH)
    fit = fit_relaxation(COLD, t1, larmor_hz=HIGH, t1_std=NOISE * t1)
    assert fit.side == "slow"
    assert fit.status is FitStatus.DOUBTFUL
    assert "C_Q and the attempt time trade" in fit.reason
    low, high = fit.coupling_interval_hz
    assert low < COUPLING
    assert math.isinf(high)
    assert fit.coupling_bound_hz == pytest.approx(
        float(coupling_bound(t1.min(), larmor_hz=HIGH))
    )
    assert low >= 0.9 * fit.coupling_bound_hz


def test_the_energy_of_one_side_is_covered() -> None:
    rng = np.random.default_rng(33)
    truth = simulate(COLD, HIGH)
    covered, n_draws = 0, 14
    for _ in range(n_draws):
        data = truth * np.exp(rng.normal(0.0, NOISE, COLD.size))
        fit = fit_relaxation(COLD, data, larmor_hz=HIGH, t1_std=NOISE * data)
        low, high = fit.activation_energy_interval
        covered += low <= ENERGY <= high
    assert covered >= 11, "14 draws of 95 %: fewer than 11 once in 240"


def test_a_known_coupling_lifts_the_trade() -> None:
    t1 = simulate(COLD, HIGH)
    fit = fit_relaxation(
        COLD,
        t1,
        larmor_hz=HIGH,
        t1_std=NOISE * t1,
        model=RelaxationModel(coupling_hz=COUPLING),
    )
    assert fit.status is FitStatus.CONVERGED
    assert float(fit.correlation_time(298.15)) == pytest.approx(TAU_25, rel=1e-3)
    loose = fit_relaxation(
        COLD,
        t1,
        larmor_hz=HIGH,
        t1_std=NOISE * t1,
        model=RelaxationModel(coupling_hz=COUPLING, coupling_std_hz=0.1 * COUPLING),
    )
    assert loose.coupling_std_hz == pytest.approx(0.1 * COUPLING, rel=0.2)
    assert loose.log_attempt_time_std > fit.log_attempt_time_std


def test_a_t1_below_the_minimum_of_its_coupling_is_impossible() -> None:
    t1 = simulate(WHOLE, HIGH)
    fit = fit_relaxation(
        WHOLE,
        t1,
        larmor_hz=HIGH,
        t1_std=NOISE * t1,
        model=RelaxationModel(coupling_hz=0.6e6),
    )
    assert fit.status is FitStatus.DOUBTFUL
    assert "is impossible with C_Q = 0.6 MHz" in fit.reason


def test_no_coupling_below_the_bound_is_returned() -> None:
    """One T1 far below the rest would be fitted past by plain least squares."""
    t1 = simulate(WHOLE, HIGH)
    t1[7] *= 0.3
    std = NOISE * t1
    fit = fit_relaxation(WHOLE, t1, larmor_hz=HIGH, t1_std=std)
    shortest = t1[7] * math.exp(3.0 * NOISE)
    least = float(coupling_bound(shortest, larmor_hz=HIGH))
    assert fit.coupling_hz >= least * (1.0 - 1e-9)
    assert "held at the least" in fit.reason


def test_the_exponent_is_found() -> None:
    rng = np.random.default_rng(34)
    truth = simulate(WHOLE, LOW, exponent=1.6)
    data = truth * np.exp(rng.normal(0.0, 0.01, WHOLE.size))
    fit = fit_relaxation(
        WHOLE,
        data,
        larmor_hz=LOW,
        t1_std=0.01 * data,
        model=RelaxationModel(exponent=None),
    )
    assert abs(fit.exponent - 1.6) < 4.0 * fit.exponent_std
    assert fit.exponent_std < 0.1
    assert abs(fit.activation_energy - ENERGY) < 4.0 * fit.activation_energy_std
    single = fit_relaxation(WHOLE, data, larmor_hz=LOW, t1_std=0.01 * data)
    assert "misses the data" in single.reason


@pytest.mark.parametrize("std", [None, 0.1])
def test_a_course_that_no_motion_gives_is_doubtful(std: float | None) -> None:
    for t1 in (np.ones(WHOLE.size), np.exp(-(((WHOLE - 310.0) / 15.0) ** 2))):
        fit = fit_relaxation(WHOLE, t1, larmor_hz=LOW, t1_std=std)
        assert fit.status is FitStatus.DOUBTFUL


def test_too_few_points_are_a_value() -> None:
    fit = fit_relaxation([300.0, 310.0], [1.0, 0.9], larmor_hz=HIGH)
    assert fit.status is FitStatus.FAILED
    assert "2 points" in fit.reason
