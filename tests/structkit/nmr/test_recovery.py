from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.nmr.recovery import compare_recoveries, fit_recovery
from structkit.nmr.recovery_laws import RecoveryLaw
from structkit.schema import FitStatus

Floats = NDArray[np.float64]

DELAYS = np.geomspace(0.01, 12.0, 12)
N_DRAWS = 300
COVERED = (0.92, 0.98)
"""95 % of 300 draws, within what is asked of a calibrated interval."""
BIAS = 4.0
"""Standard errors of a mean that chance may leave."""


def simulate_levels(delay: Floats, *, w1: float, w2: float) -> Floats:
    """Populations of four levels after inversion, by small steps in time."""
    rates = np.zeros((4, 4))
    for i, j, rate in ((0, 1, w1), (2, 3, w1), (0, 2, w2), (1, 3, w2)):
        rates[i, j] = rates[j, i] = rate
    rates -= np.diag(rates.sum(axis=0))
    levels = np.array([1.5, 0.5, -0.5, -1.5])
    order = np.argsort(delay)
    missing, now, time = np.empty_like(delay), levels.copy(), 0.0
    for place in order:
        steps = max(int((delay[place] - time) * 400.0 * (w1 + w2)), 1)
        step = (delay[place] - time) / steps
        for _ in range(steps):
            half = now + 0.5 * step * (rates @ now)
            now = now + step * (rates @ half)
        time = float(delay[place])
        missing[place] = now @ levels / (levels @ levels)
    return missing


@pytest.mark.parametrize(("known", "factor"), [(True, 1.8), (False, 1.0)])
def test_t1_is_unbiased_and_covered(known: bool, factor: float) -> None:
    rng = np.random.default_rng(11)
    t1, level, noise = 1.3, 40.0, 1.2
    truth = np.array([level - level * factor * math.e ** (-d / t1) for d in DELAYS])
    logs, covered = [], 0
    for _ in range(N_DRAWS):
        data = truth + rng.normal(0.0, noise, DELAYS.size)
        fit = fit_recovery(DELAYS, data, std=noise if known else None)
        logs.append(math.log(fit.t1 / t1))
        covered += fit.interval[0] <= t1 <= fit.interval[1]
    assert COVERED[0] <= covered / N_DRAWS <= COVERED[1]
    assert abs(np.mean(logs)) < BIAS * np.std(logs) / math.sqrt(N_DRAWS)


def test_one_sigma_is_the_scatter() -> None:
    rng = np.random.default_rng(12)
    truth = 10.0 * (1.0 - 1.9 * np.exp(-DELAYS / 0.8))
    fits = [
        fit_recovery(DELAYS, truth + rng.normal(0.0, 0.2, DELAYS.size), std=0.2)
        for _ in range(120)
    ]
    for values, stds in (
        ([f.t1 for f in fits], [f.t1_std for f in fits]),
        ([f.equilibrium for f in fits], [f.equilibrium_std for f in fits]),
        ([f.inversion_factor for f in fits], [f.inversion_factor_std for f in fits]),
    ):
        assert np.std(values) == pytest.approx(np.mean(stds), rel=0.2)


def test_two_rates_fitted_by_one_are_flagged() -> None:
    """Spins 3/2 in the slow limit, 300 : 1; the truth is integrated level by level."""
    rng = np.random.default_rng(13)
    delay = np.geomspace(0.02, 40.0, 16)
    missing = simulate_levels(delay, w1=1.0, w2=0.25)
    truth = 1.0 - 1.9 * missing
    told = compare_recoveries(
        delay, truth + rng.normal(0.0, 1.0 / 300.0, delay.size), std=1.0 / 300.0
    )
    assert told.delta("mono") > 10.0
    assert told.best.law.name == "quadrupolar_slow"
    mono = told.fits[0]
    assert mono.status is FitStatus.DOUBTFUL
    assert "mono misses the data" in mono.reason
    initial = 1.0 / (0.2 * 2.0 + 0.8 * 0.5)
    best = told.best
    assert abs(best.t1 - initial) < 4.0 * best.t1_std
    assert abs(mono.t1 - initial) > 4.0 * mono.t1_std


def test_a_free_ratio_of_rates_is_found() -> None:
    rng = np.random.default_rng(14)
    delay = np.geomspace(0.02, 30.0, 20)
    truth = 1.0 - 1.8 * simulate_levels(delay, w1=1.0, w2=0.4)
    std = 1e-3
    fit = fit_recovery(
        delay,
        truth + rng.normal(0.0, std, delay.size),
        std=std,
        law=RecoveryLaw(name="quadrupolar"),
    )
    assert abs(fit.shape - 2.5) < 4.0 * fit.shape_std
    assert fit.shape_std < 0.2
    assert abs(fit.t1 - 1.0 / (0.4 + 0.64)) < 4.0 * fit.t1_std


def test_a_distribution_of_t1_is_stretched_with_its_mean() -> None:
    beta, typical = 0.6, 1.0
    delay = np.geomspace(1e-3, 60.0, 30)
    fit = fit_recovery(
        delay,
        3.0 - 5.7 * np.exp(-((delay / typical) ** beta)),
        std=0.003,
        law=RecoveryLaw(name="stretched"),
    )
    grid = np.geomspace(1e-9, 1e4, 200_001)
    mean = np.trapezoid(np.exp(-((grid / typical) ** beta)), grid)
    assert fit.shape == pytest.approx(beta, rel=1e-4)
    assert fit.t1 == pytest.approx(mean, rel=1e-3)
    assert fit.law.characteristic_time(fit.t1, fit.shape) == pytest.approx(
        typical, rel=1e-3
    )


def test_few_delays_do_not_choose_a_law() -> None:
    rng = np.random.default_rng(15)
    delay = np.array([0.1, 0.5, 1.5, 4.0, 12.0])
    data = 1.0 - 1.8 * np.exp(-delay) + rng.normal(0.0, 0.02, 5)
    told = compare_recoveries(delay, data)
    assert all(math.isinf(fit.aicc) for fit in told.fits)
    assert told.remark == "too few delays to compare laws"
    assert told.best.law.name == "mono"


def test_noise_hides_the_law_and_the_remark_says_so() -> None:
    rng = np.random.default_rng(16)
    data = 1.0 - 1.8 * np.exp(-DELAYS) + rng.normal(0.0, 0.3, DELAYS.size)
    told = compare_recoveries(DELAYS, data, std=0.3)
    assert told.remark.startswith("the delays do not tell apart")


def test_too_few_delays_are_a_value() -> None:
    fit = fit_recovery([0.1, 1.0, 10.0], [-0.7, 0.3, 1.0])
    assert fit.status is FitStatus.FAILED
    assert "3 different delays" in fit.reason
    assert math.isnan(fit.t1)


@pytest.mark.parametrize(
    ("t1", "words"),
    [(0.001, "shortest delay"), (60.0, "longest delay")],
)
def test_delays_that_miss_the_t1(t1: float, words: str) -> None:
    fit = fit_recovery(DELAYS, 1.0 - 2.0 * np.exp(-DELAYS / t1), std=1e-6)
    assert fit.status is FitStatus.DOUBTFUL
    assert words in fit.reason


def test_noise_alone_is_no_recovery() -> None:
    rng = np.random.default_rng(17)
    false_finds = 0
    for _ in range(40):
        fit = fit_recovery(DELAYS, 5.0 + rng.normal(0.0, 1.0, DELAYS.size), std=1.0)
        false_finds += "no recovery stands out" not in fit.reason
    assert false_finds <= 3


def test_a_short_recycle_delay_is_said() -> None:
    data = 1.0 - 1.6 * np.exp(-DELAYS / 6.49)
    fit = fit_recovery(DELAYS, data, std=1e-3, recycle_delay=10.0)
    assert "recycle delay 10 s is shorter than 5 T1" in fit.reason
    enough = fit_recovery(DELAYS, data, std=1e-3, recycle_delay=40.0)
    assert "recycle" not in enough.reason


def test_magnitudes_taken_for_signed_values_are_doubtful() -> None:
    data = np.abs(1.0 - 1.9 * np.exp(-DELAYS / 1.2))
    fit = fit_recovery(DELAYS, data, std=0.01)
    assert fit.status is FitStatus.DOUBTFUL


def test_order_of_delays_and_unit_of_data_do_not_matter() -> None:
    rng = np.random.default_rng(18)
    data = 1.0 - 1.8 * np.exp(-DELAYS / 2.0) + rng.normal(0.0, 0.02, DELAYS.size)
    turn = rng.permutation(DELAYS.size)
    first = fit_recovery(DELAYS, data)
    second = fit_recovery(DELAYS[turn], -1e7 * data[turn])
    assert second.t1 == pytest.approx(first.t1, rel=1e-6)
    assert second.inversion_factor == pytest.approx(first.inversion_factor, rel=1e-6)
    np.testing.assert_allclose(second.residual, -1e7 * first.residual[turn], atol=10.0)


@pytest.mark.parametrize("std", [None, 1.0])
@pytest.mark.parametrize("level", [0.0, 5.0])
def test_a_constant_is_doubtful(level: float, std: float | None) -> None:
    fit = fit_recovery(DELAYS, np.full(DELAYS.size, level), std=std)
    assert fit.status is FitStatus.DOUBTFUL


@pytest.mark.parametrize(
    ("delay", "values", "std", "words"),
    [
        ([0.1, 1.0], [1.0], None, "one\\s+value"),
        ([-0.1, 1.0], [0.0, 1.0], None, "negative"),
        ([0.1, 1.0], [0.0, math.nan], None, "finite"),
        ([0.1, 1.0], [0.0, 1.0], 0.0, "std"),
        ([], [], None, "one\\s+value"),
    ],
)
def test_bad_input(
    delay: list[float], values: list[float], std: float | None, words: str
) -> None:
    with pytest.raises(SchemaError, match=words):
        fit_recovery(delay, values, std=std)


def test_an_unknown_law() -> None:
    with pytest.raises(SchemaError, match="no law 'double'"):
        RecoveryLaw(name="double")  # type: ignore[arg-type]
