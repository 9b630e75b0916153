"""Rates, exponents and their intervals from series whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, ncx2, norm

from refinement.crystallinity.kinetics import ModelFit, Observations, curves, fit_model
from refinement.crystallinity.kinetics.fit import aicc
from refinement.crystallinity.kinetics.observations import deviance
from structkit.errors import SchemaError
from structkit.schema import FitStatus

HOURS = np.array([1.0, 2.0, 4.0, 6.0])
NOISE = np.array([0.02, -0.03, 0.01, 0.01])
MANY = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
CUT = 3.841
# Ends of intervals are found to 3e-5, relative.
END = 1e-4
# Of a correct 95 % interval this share of simulated test runs would fail.
UNLUCKY = 1e-3


def observe(
    time: np.ndarray,
    value: np.ndarray,
    std: float,
    *,
    limit: float = math.nan,
    channel: np.ndarray | None = None,
) -> Observations:
    """Return observations, those below the limit censored."""
    return Observations(
        time=time,
        value=value,
        std=np.full(time.shape, std),
        limit=np.full(time.shape, limit),
        censored=value < limit,
        channel=np.zeros(time.shape, dtype=int) if channel is None else channel,
    )


def interval(fit: ModelFit, name: str) -> tuple[float, float]:
    """Return the interval of one parameter."""
    found = fit.estimate(name)
    return found.low, found.high


def test_deviance_against_the_distributions_themselves() -> None:
    value = np.array([0.5, 0.2, 0.01])
    expected = np.array([0.45, 0.25, 0.1])
    data = observe(MANY[:3], value, 0.05, limit=0.08)
    seen = norm.logpdf(value[:2], expected[:2], 0.05).sum()
    hidden = norm.logcdf(0.08, 0.1, 0.05)
    assert deviance(data, expected) == pytest.approx(-2.0 * (seen + hidden))


def test_rate_and_interval_against_a_scan() -> None:
    value = curves.first_order(HOURS, 0.5) + NOISE
    data = observe(HOURS, value, 0.03)
    rates = np.geomspace(0.3, 0.8, 4001)
    scanned = np.array([deviance(data, curves.first_order(HOURS, k)) for k in rates])
    inside = rates[scanned < scanned.min() + CUT]
    fit = fit_model(data, "first_order")
    assert fit.status is FitStatus.CONVERGED
    found = fit.estimate("rate")
    step = rates[1] / rates[0] - 1.0
    assert found.value == pytest.approx(rates[scanned.argmin()], rel=step)
    assert interval(fit, "rate") == pytest.approx((inside[0], inside[-1]), rel=step)
    half = fit.estimate("half_life")
    assert half.value == pytest.approx(math.log(2.0) / found.value)
    expected = (math.log(2.0) / found.high, math.log(2.0) / found.low)
    assert interval(fit, "half_life") == pytest.approx(expected, rel=END)


def test_exponent_interval_against_a_scan() -> None:
    value = curves.jmak(HOURS, 0.5, 1.5) + NOISE
    data = observe(HOURS, value, 0.05)
    exponents, rates = np.geomspace(0.5, 6.0, 121), np.geomspace(0.2, 1.2, 201)
    scanned = np.array(
        [
            min(deviance(data, curves.jmak(HOURS, k, n)) for k in rates)
            for n in exponents
        ]
    )
    inside = exponents[scanned < scanned.min() + CUT]
    fit = fit_model(data, "jmak")
    step = 1.5 * (exponents[1] / exponents[0] - 1.0)
    ends = (inside[0], inside[-1])
    assert interval(fit, "jmak_exponent") == pytest.approx(ends, rel=step)
    half = fit.estimate("half_life")
    rate, exponent = fit.estimate("rate").value, fit.estimate("jmak_exponent").value
    assert curves.jmak([half.value], rate, exponent) == pytest.approx(0.5)
    assert half.low < half.value < half.high


@pytest.mark.parametrize(
    ("std", "low", "high"), [(0.05, 0.95, 1.0), (0.1, 0.3, 0.8), (0.2, 0.0, 0.3)]
)
def test_exponents_one_and_two_part_only_below_five_per_cent(
    std: float, low: float, high: float
) -> None:
    """SCIENCE B11: the chance to tell n = 2 from 1 at 1, 2, 4 and 6 h, by sigma."""
    data = observe(HOURS, curves.jmak(HOURS, 0.5, 2.0), std)
    apart = fit_model(data, "first_order").deviance - fit_model(data, "jmak").deviance
    assert low <= ncx2.sf(CUT, 1, apart) <= high


def test_exponent_is_resolved_only_where_its_interval_excludes_one() -> None:
    sharp = fit_model(observe(HOURS, curves.jmak(HOURS, 0.5, 2.0), 0.05), "jmak")
    blunt = fit_model(observe(HOURS, curves.jmak(HOURS, 0.5, 2.0), 0.2), "jmak")
    plain = fit_model(observe(HOURS, curves.first_order(HOURS, 0.5), 0.01), "jmak")
    assert sharp.estimate("jmak_exponent").resolved
    assert interval(sharp, "jmak_exponent")[0] > 1.0
    assert not blunt.estimate("jmak_exponent").resolved
    assert not plain.estimate("jmak_exponent").resolved


@pytest.mark.parametrize("loadings", [1, 3])
def test_critical_loadings_are_found(loadings: int) -> None:
    data = observe(MANY, curves.delogu_cocco(MANY, 1.0, loadings), 0.02)
    fit = fit_model(data, "delogu_cocco")
    found = fit.estimate("critical_loadings")
    assert found.value == loadings
    assert found.low <= loadings <= found.high
    assert found.resolved == (loadings > 1)
    assert fit.estimate("rate").value == pytest.approx(1.0, rel=1e-4)


def test_plateau_above_half_has_no_half_life() -> None:
    value = curves.first_order(MANY, 1.0, residual=0.6)
    fit = fit_model(observe(MANY, value, 0.02), "first_order_plateau")
    assert fit.estimate("residual_fraction").value == pytest.approx(0.6, abs=1e-4)
    assert fit.estimate("residual_fraction").resolved
    assert fit.estimate("half_life").value == math.inf
    assert not fit.estimate("half_life").resolved


def test_half_life_may_be_open_upwards() -> None:
    value = curves.first_order(MANY, 1.0, residual=0.48)
    fit = fit_model(observe(MANY, value, 0.03), "first_order_plateau")
    low, high = interval(fit, "half_life")
    assert 1.0 < low < fit.estimate("half_life").value
    # Just below one half the plateau is never reached in practice.
    assert high > 10.0


def test_consecutive_finds_both_steps() -> None:
    rng = np.random.default_rng(20257)
    both = np.concatenate(curves.consecutive(HOURS, 2.0, 0.45))
    data = observe(
        np.tile(HOURS, 2),
        both + rng.normal(0.0, 0.02, 8),
        0.02,
        channel=np.repeat([0, 1], 4),
    )
    fit = fit_model(data, "consecutive")
    assert fit.status is FitStatus.CONVERGED
    for name, truth in (("formation_rate", 2.0), ("loss_rate", 0.45)):
        low, high = interval(fit, name)
        assert low < truth < high
        assert high < 1.5 * low
    half = fit.estimate("phase_half_life")
    assert half.value == pytest.approx(math.log(2.0) / fit.estimate("loss_rate").value)
    assert half.high == pytest.approx(math.log(2.0) / fit.estimate("loss_rate").low)


@pytest.mark.parametrize(("known", "n_series"), [(True, 80), (False, 12)])
def test_rate_intervals_cover(known: bool, n_series: int) -> None:
    rng = np.random.default_rng(4)
    truth = curves.first_order(HOURS, 0.5)
    covered = 0
    for _ in range(n_series):
        value = truth + rng.normal(0.0, 0.04, HOURS.size)
        data = observe(HOURS, value, 0.04 if known else math.nan)
        low, high = interval(fit_model(data, "first_order"), "rate")
        covered += low <= 0.5 <= high
    least, most = binom.ppf([UNLUCKY, 1.0 - UNLUCKY], n_series, 0.95)
    assert least <= covered <= most


def test_exponent_is_rarely_resolved_by_chance() -> None:
    rng = np.random.default_rng(11)
    truth, n_series = curves.first_order(HOURS, 0.5), 10
    wrong = 0
    for _ in range(n_series):
        data = observe(HOURS, truth + rng.normal(0.0, 0.03, HOURS.size), 0.03)
        wrong += fit_model(data, "jmak").estimate("jmak_exponent").resolved
    assert wrong <= binom.ppf(1.0 - UNLUCKY, n_series, 0.05)


def test_censored_points_neither_dropped_nor_zero() -> None:
    """Late times, twice each, where most values lie below what can be reported."""
    rng = np.random.default_rng(3)
    hours, std, limit = np.repeat([4.0, 5.0, 6.0], 2), 0.04, 0.13
    truth = curves.first_order(hours, 0.5)
    found: dict[str, list[float]] = {"censored": [], "dropped": [], "zero": []}
    while len(found["zero"]) < 25:
        value = truth + rng.normal(0.0, std, hours.size)
        seen = value >= limit
        if not np.any(seen):
            continue
        ways = {
            "censored": observe(hours, value, std, limit=limit),
            "dropped": observe(hours[seen], value[seen], std),
            "zero": observe(hours, np.where(seen, value, 0.0), std),
        }
        for way, data in ways.items():
            rate = fit_model(data, "first_order").estimate("rate").value
            found[way].append(rate / 0.5 - 1.0)
    bias = {way: float(np.median(rates)) for way, rates in found.items()}
    assert abs(bias["censored"]) < 0.05
    assert bias["dropped"] < -0.05
    assert bias["zero"] > 0.05


def test_only_non_detects_give_a_bound_and_no_rate() -> None:
    data = observe(HOURS, np.zeros(4), 0.02, limit=0.05)
    fit = fit_model(data, "first_order")
    assert fit.status is FitStatus.DOUBTFUL
    assert "rate is not determined" in fit.reason
    rate, half = fit.estimate("rate"), fit.estimate("half_life")
    assert math.isnan(rate.value)
    assert rate.low > 1.0
    assert rate.high == math.inf
    assert math.isnan(half.value)
    assert (half.low, half.high) == pytest.approx((0.0, math.log(2.0) / rate.low))


def test_nothing_happened_gives_an_upper_bound() -> None:
    fit = fit_model(observe(HOURS, np.array([1.0, 1.01, 0.99, 1.0]), 0.03), "jmak")
    assert fit.status is FitStatus.DOUBTFUL
    assert math.isnan(fit.estimate("rate").value)
    assert fit.estimate("half_life").high == math.inf
    assert not fit.estimate("jmak_exponent").resolved


def test_aicc_exists_only_with_points_to_spare() -> None:
    assert aicc(10.0, n_parameters=1, n_points=4) == (14.0, "")
    value, reason = aicc(10.0, n_parameters=3, n_points=4)
    assert math.isnan(value)
    assert "more than 4 points for 3 parameters" in reason
    # k, n and sigma from four times: the case of SCIENCE B11.
    noisy = curves.first_order(HOURS, 0.5) + NOISE
    fit = fit_model(observe(HOURS, noisy, math.nan), "jmak")
    assert fit.n_parameters == 3
    assert math.isnan(fit.aicc)
    assert "there are 4" in fit.aicc_reason
    assert fit.estimate("noise_std").low > 0.0


def test_start_is_tested_but_not_counted() -> None:
    hours = np.append(0.0, HOURS)
    good = fit_model(observe(hours, curves.first_order(hours, 0.5), 0.03), "jmak")
    assert good.n_points == 4
    bad = fit_model(observe(hours, 0.7 * curves.jmak(hours, 0.5, 1.0), 0.03), "jmak")
    assert bad.status is FitStatus.DOUBTFUL
    assert "at time 0 the data say 0.7" in bad.reason
    free = fit_model(
        observe(hours, 0.7 * curves.first_order(hours, 0.5), 0.03),
        "first_order",
        initial=None,
    )
    assert free.status is FitStatus.CONVERGED
    assert free.n_points == 5
    assert free.estimate("initial_fraction").value == pytest.approx(0.7, rel=1e-4)


@pytest.mark.parametrize(
    ("data", "model", "reason"),
    [
        (observe(HOURS[:0], HOURS[:0], 0.1), "first_order", "no point after"),
        (observe(HOURS[:1], HOURS[:1] / 2, 0.1), "jmak", "1 distinct time"),
        (observe(HOURS, HOURS / 9, 0.1), "consecutive", "needs 2 curve"),
        (observe(HOURS[:1], HOURS[:1] / 2, math.nan), "first_order", "sigma is unkn"),
    ],
)
def test_what_cannot_be_fitted_is_a_value(
    data: Observations, model: str, reason: str
) -> None:
    fit = fit_model(data, model)
    assert fit.status is FitStatus.FAILED
    assert reason in fit.reason
    assert fit.estimates == ()


def test_misfit_and_no_freedom_are_doubtful() -> None:
    rising = fit_model(observe(HOURS, HOURS / 6.0, 0.02), "first_order")
    assert rising.status is FitStatus.DOUBTFUL
    assert "does not describe" in rising.reason
    lone = fit_model(observe(HOURS[:1], np.array([0.6]), 0.02), "first_order")
    assert lone.status is FitStatus.DOUBTFUL
    assert "nothing tests the model" in lone.reason


def test_impossible_requests_are_refused() -> None:
    data = observe(HOURS, HOURS / 9.0, 0.1)
    for settings_, message in (
        ({"initial": 0.0}, "initial is 0"),
        ({"level": 1.0}, "level is 1"),
    ):
        with pytest.raises(SchemaError, match=message):
            fit_model(data, "first_order", **settings_)
    with pytest.raises(SchemaError, match="no kinetic model 'second_order'"):
        fit_model(data, "second_order")
    with pytest.raises(SchemaError, match="std must be positive"):
        observe(HOURS, HOURS, 0.0)
    with pytest.raises(SchemaError, match="time must be finite"):
        observe(-HOURS, HOURS, 0.1)


@settings(max_examples=8, deadline=None)
@given(
    factor=st.floats(1e-2, 1e2),
    rate=st.floats(0.1, 1.5),
    shift=st.lists(st.floats(-0.05, 0.05), min_size=4, max_size=4),
)
def test_rate_follows_the_unit_of_time(
    factor: float, rate: float, shift: list[float]
) -> None:
    value = curves.first_order(HOURS, rate) + np.array(shift)
    hours = fit_model(observe(HOURS, value, 0.04), "first_order").estimate("rate")
    other = fit_model(observe(factor * HOURS, value, 0.04), "first_order")
    again = other.estimate("rate")
    assert again.value * factor == pytest.approx(hours.value, rel=END)
    assert again.low * factor == pytest.approx(hours.low, rel=END)
    assert again.high * factor == pytest.approx(hours.high, rel=END)
    assert again.low < again.value < again.high
