from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from structkit.errors import SchemaError
from structkit.nmr.separable import (
    Separable,
    find_interval,
    fit_separable,
    invert_normal,
)

Floats = NDArray[np.float64]

TIME = np.linspace(0.1, 6.0, 25)


def exponential() -> Separable:
    def columns(theta: Floats) -> Floats:
        return np.column_stack([np.ones_like(TIME), np.exp(-TIME / theta[0])])

    return Separable(columns=columns, low=(0.05,), high=(50.0,))


def data() -> Floats:
    rng = np.random.default_rng(81)
    return 2.0 - 3.0 * np.exp(-TIME / 1.4) + rng.normal(0.0, 0.05, TIME.size)


def test_minimum_and_covariance_are_those_of_a_full_fit() -> None:
    sigma = np.full(TIME.size, 0.05)
    found = fit_separable(exponential(), data(), sigma=sigma, starts=[[0.2], [9.0]])
    full, covariance = curve_fit(
        lambda t, tau, level, size: level + size * np.exp(-t / tau),
        TIME,
        data(),
        p0=[1.0, 2.0, -3.0],
        sigma=sigma,
        absolute_sigma=True,
    )
    np.testing.assert_allclose([*found.nonlinear, *found.linear], full, rtol=1e-5)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-3)


def test_an_offset_is_kept() -> None:
    plain = exponential()
    model = Separable(
        columns=plain.columns,
        low=plain.low,
        high=plain.high,
        offset=lambda _: 7.0 * TIME,
    )
    sigma = np.ones(TIME.size)
    first = fit_separable(plain, data(), sigma=sigma, starts=[[1.0]])
    second = fit_separable(model, data() + 7.0 * TIME, sigma=sigma, starts=[[1.0]])
    np.testing.assert_allclose(second.linear, first.linear, rtol=1e-6)


def test_a_parameter_at_its_limit_has_no_sigma() -> None:
    model = Separable(columns=exponential().columns, low=(2.0,), high=(50.0,))
    found = fit_separable(model, data(), sigma=np.ones(TIME.size), starts=[[5.0]])
    assert found.at_limit == (True,)
    assert math.isnan(found.scaled_std(1.0)[0])
    assert np.all(np.isfinite(found.scaled_std(1.0)[1:]))


def test_an_interval_is_where_the_profile_reaches_its_target() -> None:
    ends = find_interval(
        lambda x: x**2 if x < 0.0 else 0.5 * x,
        0.0,
        target=4.0,
        step=0.3,
        limits=(-9, 5),
    )
    assert ends[0] == pytest.approx(-2.0, rel=1e-2)
    assert math.isinf(ends[1])


def test_parameters_that_are_one_have_infinite_errors() -> None:
    column = np.arange(1.0, 6.0)
    assert np.all(np.isinf(invert_normal(np.column_stack([column, 2.0 * column]))))


def test_a_fit_needs_a_start() -> None:
    with pytest.raises(SchemaError, match="start"):
        fit_separable(exponential(), data(), sigma=np.ones(TIME.size), starts=[])
