"""Closed forms against slow independent ones, and the figures of SCIENCE B11."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import gamma, poisson

from refinement.crystallinity.kinetics import curves

HOURS = np.array([1.0, 2.0, 4.0, 6.0])
# The figures are printed with two decimals.
ROUNDING = 0.005
# Relative error allowed to the integrator, which is asked for 1e-10.
INTEGRATED = 1e-7

rates = st.floats(1e-3, 1e2)
times = st.floats(0.0, 1e3)


def test_figures_of_the_design() -> None:
    first = curves.first_order(HOURS, 0.5)
    second = curves.jmak(HOURS, 0.5, 2.0)
    np.testing.assert_allclose(first, [0.61, 0.37, 0.14, 0.05], atol=ROUNDING)
    np.testing.assert_allclose(second, [0.78, 0.37, 0.02, 0.00], atol=ROUNDING)


def test_first_order_keeps_its_plateau() -> None:
    left = curves.first_order([0.0, 1e4], 0.5, initial=0.8, residual=0.3)
    np.testing.assert_allclose(left, [0.8, 0.3])


@pytest.mark.parametrize("loadings", [1, 2, 3, 7])
def test_delogu_cocco_is_the_chance_of_too_few_loadings(loadings: int) -> None:
    left = curves.delogu_cocco(HOURS, 1.3, loadings, initial=0.9)
    terms = [
        sum((1.3 * t) ** j / math.factorial(j) for j in range(loadings)) for t in HOURS
    ]
    summed = 0.9 * np.exp(-1.3 * HOURS) * terms
    np.testing.assert_allclose(left, summed, rtol=1e-12)
    poissonian = 0.9 * poisson.cdf(loadings - 1, 1.3 * HOURS)
    np.testing.assert_allclose(left, poissonian, rtol=1e-12)
    waiting = 0.9 * gamma.sf(HOURS, loadings, scale=1.0 / 1.3)
    np.testing.assert_allclose(left, waiting, rtol=1e-12)


@pytest.mark.parametrize(("one", "two"), [(2.0, 0.45), (0.45, 2.0), (0.7, 0.7)])
def test_consecutive_against_the_integrated_equations(one: float, two: float) -> None:
    def speed(_: float, amounts: np.ndarray) -> list[float]:
        return [-one * amounts[0], one * amounts[0] - two * amounts[1]]

    integrated = solve_ivp(
        speed, (0.0, 6.0), [0.9, 0.0], t_eval=HOURS, rtol=1e-10, atol=1e-13
    ).y
    closed = curves.consecutive(HOURS, one, two, initial=0.9)
    np.testing.assert_allclose(closed, integrated, rtol=INTEGRATED)


def test_consecutive_is_smooth_where_both_rates_meet() -> None:
    met = curves.consecutive(HOURS, 0.7, 0.7)[1]
    near = curves.consecutive(HOURS, 0.7, 0.7 + 1e-9)[1]
    np.testing.assert_allclose(met, 0.7 * HOURS * np.exp(-0.7 * HOURS), rtol=1e-14)
    np.testing.assert_allclose(met, near, rtol=1e-8)


@given(time=times, rate=rates)
def test_first_order_is_the_simplest_of_each(time: float, rate: float) -> None:
    plain = curves.first_order([time], rate)
    np.testing.assert_allclose(curves.jmak([time], rate, 1.0), plain, rtol=1e-12)
    # An upper tail below 1e-300 is zero to the incomplete gamma function.
    found = curves.delogu_cocco([time], rate, 1)
    np.testing.assert_allclose(found, plain, rtol=1e-10, atol=1e-300)


@given(time=times, one=rates, two=rates)
def test_no_matter_is_made_or_lost_below_zero(
    time: float, one: float, two: float
) -> None:
    precursors, phase = curves.consecutive([time, time + 1.0], one, two)
    assert np.all(precursors >= 0.0)
    assert np.all(phase >= 0.0)
    total = precursors + phase
    # Rounding of a sum of two numbers not above 1.
    assert total[0] <= 1.0 + 1e-12
    assert total[1] <= total[0] + 1e-12


@given(rate=rates, loadings=st.integers(1, 20), exponent=st.floats(0.2, 5.0))
def test_what_is_left_only_falls(rate: float, loadings: int, exponent: float) -> None:
    grid = np.linspace(0.0, 10.0, 21)
    for left in (
        curves.delogu_cocco(grid, rate, loadings),
        curves.jmak(grid, rate, exponent),
    ):
        assert left[0] == 1.0
        assert np.all(np.diff(left) <= 1e-15)
