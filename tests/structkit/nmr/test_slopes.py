from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.errors import SchemaError
from structkit.nmr.bpp import quadrupolar_rate, required_coupling
from structkit.nmr.slopes import (
    bound_correlation_time,
    compare_mechanisms,
    fit_slope,
    predict_minimum,
    review_minimum,
    review_set_points,
)
from structkit.schema import FitStatus

EV_PER_K = 8.617333262e-5
KELVIN = np.arange(298.15, 359.0, 5.0)
"""25 to 85 °C by 5 °C."""


def activated(energy: float) -> np.ndarray:
    return np.asarray([math.exp(energy / EV_PER_K / t) for t in KELVIN])


@pytest.mark.parametrize(("side", "sign"), [("slow", 1.0), ("fast", -1.0)])
def test_slopes_are_energies(side: str, sign: float) -> None:
    rng = np.random.default_rng(41)
    found, stds = [], []
    for _ in range(200):
        t1 = activated(sign * 0.2) * np.exp(rng.normal(0.0, 0.02, KELVIN.size))
        fit = fit_slope(
            KELVIN, t1, side="slow" if side == "slow" else "fast", t1_std=0.02 * t1
        )
        found.append(fit.activation_energy)
        stds.append(fit.activation_energy_std)
    assert np.mean(found) == pytest.approx(0.2, abs=4.0 * np.std(found) / 200**0.5)
    assert np.std(found) == pytest.approx(np.mean(stds), rel=0.15)


def test_the_exponent_divides_the_slow_slope() -> None:
    fit = fit_slope(KELVIN, activated(0.12), side="slow", exponent=1.6)
    assert fit.activation_energy == pytest.approx(0.2)


def test_the_wrong_side_is_said() -> None:
    fit = fit_slope(KELVIN, activated(0.2), side="fast")
    assert fit.status is FitStatus.DOUBTFUL
    assert "falls on heating" in fit.reason
    assert fit_slope(KELVIN[:2], [1.0, 2.0], side="fast").status is FitStatus.FAILED


def test_two_phonons_are_told_from_activation() -> None:
    wide = np.arange(200.0, 401.0, 10.0)
    rng = np.random.default_rng(42)
    right = {"two-phonon": 0, "activated": 0}
    for _ in range(50):
        noise = np.exp(rng.normal(0.0, 0.02, wide.size))
        raman = 1e5 * wide**-2.0 * noise
        hops = np.exp(0.06 / EV_PER_K / wide) * noise
        for name, t1 in (("two-phonon", raman), ("activated", hops)):
            told = compare_mechanisms(wide, t1, t1_std=0.02 * t1)
            right[name] += told.verdict == name
            assert told.verdict in {name, "undecided"}
    assert min(right.values()) >= 48
    told = compare_mechanisms(wide, 1e5 * wide**-2.0)
    assert told.power == pytest.approx(-2.0)


def test_a_narrow_range_is_undecided() -> None:
    """From 25 to 85 °C, T^-2 is an activation energy of 0.056 eV."""
    rng = np.random.default_rng(43)
    t1 = KELVIN**-2.0 * np.exp(rng.normal(0.0, 0.05, KELVIN.size))
    told = compare_mechanisms(KELVIN, t1, t1_std=0.05 * t1)
    assert told.verdict == "undecided"
    assert abs(told.apparent_energy - 0.0565) < 3.0 * told.apparent_energy_std


def test_neither_mechanism() -> None:
    t1 = 1.0 + 0.5 * np.cos(np.linspace(0.0, 6.0, KELVIN.size))
    assert compare_mechanisms(KELVIN, t1, t1_std=0.01 * t1).verdict == "neither"


def test_a_t1_that_does_not_change_has_no_mechanism() -> None:
    told = compare_mechanisms(KELVIN, np.full(KELVIN.size, 1.0), t1_std=0.01)
    assert told.verdict == "neither"


def test_a_minimum_predicted_from_conductivity_lies_inside() -> None:
    """Nernst and Einstein give 1.7 to 2.7 ns at 25 °C: a minimum below 85 °C."""
    for tau in (1.74e-9, 2.73e-9):
        kelvin = predict_minimum(
            correlation_time=tau,
            temperature=298.15,
            activation_energy=0.32,
            larmor_hz=79.39e6,
        )
        assert 298.15 < kelvin < 358.15
        scanned = np.linspace(250.0, 400.0, 30_001)
        taus = tau * np.exp(0.32 / EV_PER_K * (1.0 / scanned - 1.0 / 298.15))
        rate = quadrupolar_rate(taus, larmor_hz=79.39e6, coupling_hz=1e6)
        assert kelvin == pytest.approx(scanned[np.argmax(rate)], abs=0.01)


def test_monotone_t1_contradicts_that_minimum() -> None:
    rng = np.random.default_rng(44)
    falling = activated(0.2) * np.exp(rng.normal(0.0, 0.03, KELVIN.size))
    told = review_minimum(
        KELVIN, falling, predicted_temperature=310.0, t1_std=0.03 * falling
    )
    assert told.tension
    assert told.course == "falls"
    taus = 2e-9 * np.exp(0.32 / EV_PER_K * (1.0 / KELVIN - 1.0 / 298.15))
    turning = 1.0 / quadrupolar_rate(taus, larmor_hz=79.39e6, coupling_hz=1e6)
    told = review_minimum(
        KELVIN, turning, predicted_temperature=310.0, t1_std=0.01 * turning
    )
    assert not told.tension
    assert "does not go on falling" in told.remark
    outside = review_minimum(KELVIN, falling, predicted_temperature=400.0)
    assert not outside.inside
    assert not outside.tension


def test_a_turn_is_a_turn() -> None:
    t1 = 1.0 + ((KELVIN - 328.0) / 20.0) ** 2
    told = review_minimum(KELVIN, t1, predicted_temperature=328.0, t1_std=0.01 * t1)
    assert told.course == "turns"


def test_what_a_minimum_above_85_degrees_means() -> None:
    tau = bound_correlation_time(
        358.15, temperature=298.15, activation_energy=0.32, larmor_hz=79.39e6
    )
    assert tau == pytest.approx(9.9e-9, abs=0.06e-9)
    coupling = required_coupling(1.2e-3, correlation_time=tau, larmor_hz=132.294e6)
    assert float(coupling) == pytest.approx(1.9e6, abs=0.05e6)


def test_set_points() -> None:
    """Check C18: eight points from -15 to 55 °C hold no -25 °C."""
    schedule = {"start": -15.0, "stop": 55.0, "step": 10.0}
    assert review_set_points([-25.0], **schedule) == (-25.0,)
    assert review_set_points(np.arange(-15.0, 56.0, 10.0), **schedule) == ()
    with pytest.raises(SchemaError, match="no step"):
        review_set_points([0.0], start=0.0, stop=10.0, step=-1.0)


def test_bad_input() -> None:
    with pytest.raises(SchemaError, match="four or more"):
        compare_mechanisms([300.0, 310.0], [1.0, 2.0])
    with pytest.raises(SchemaError, match="t1 must be"):
        fit_slope([300.0, 310.0], [1.0, -2.0], side="slow")
