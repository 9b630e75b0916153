"""Weights of a fit: what is given, else what counting or the noise itself says."""

import numpy as np
import pytest
import xarray as xr

from structkit.schema import (
    ARBITRARY,
    COUNTS,
    COUNTS_PER_SECOND,
    INTENSITY,
    INTENSITY_STD,
    INTENSITY_UNITS,
    NOISE_RATIO,
    make_pattern,
)
from structkit.uncertainty import COUNT_STEP, intensity_std

ANGLE = np.linspace(10.0, 20.0, 12)
VALUES = np.array([0.0, 0.5, 1.0, 4.0, 9.0, 100.0, 2500.0, 1e6, 3.0, 2.0, 1.0, 0.0])


def pattern(units: str = COUNTS, **settings: float) -> xr.Dataset:
    return make_pattern(ANGLE, VALUES, intensity_units=units, **settings)  # type: ignore[arg-type]


def test_counts_have_their_root_and_at_least_one() -> None:
    expected = np.sqrt(np.maximum(VALUES, 1.0))
    np.testing.assert_allclose(intensity_std(pattern()), expected)


def test_rates_are_counts_over_time() -> None:
    rates = make_pattern(
        ANGLE, VALUES / 4.0, intensity_units=COUNTS_PER_SECOND, counting_time=4.0
    )
    expected = np.sqrt(np.maximum(VALUES, 1.0)) / 4.0
    np.testing.assert_allclose(intensity_std(rates), expected)


def test_the_count_step_found_outranks_the_counting_time_given() -> None:
    rates = pattern(COUNTS_PER_SECOND, counting_time=1.0)
    rates[INTENSITY] = rates[INTENSITY].assign_attrs({COUNT_STEP: 0.25})
    expected = np.sqrt(np.maximum(VALUES, 0.25) * 0.25)
    np.testing.assert_allclose(intensity_std(rates), expected)


@pytest.mark.parametrize("units", [ARBITRARY, COUNTS_PER_SECOND])
def test_unknown_scales_take_the_measured_noise(units: str) -> None:
    measured = pattern(units).assign({NOISE_RATIO: 0.04})
    expected = np.sqrt(np.maximum(VALUES, 0.04) * 0.04)
    np.testing.assert_allclose(intensity_std(measured), expected)


def test_counts_are_not_rescaled_by_their_noise() -> None:
    noisy = pattern().assign({NOISE_RATIO: 0.2})
    np.testing.assert_array_equal(intensity_std(noisy), intensity_std(pattern()))


@pytest.mark.parametrize("ratio", [0.0, np.nan, np.inf, -1.0, 1e-300])
@pytest.mark.parametrize("units", INTENSITY_UNITS)
def test_weights_are_positive_whatever_the_noise(units: str, ratio: float) -> None:
    std = intensity_std((pattern(units) - 2.0).assign({NOISE_RATIO: ratio}))
    assert np.all(np.isfinite(std))
    assert np.all(std > 0.0)


def test_given_esds_are_kept_but_for_those_that_cannot_be() -> None:
    given = pattern()
    esd = np.full(ANGLE.size, 7.0)
    esd[:3] = 0.0, -1.0, np.nan
    given[INTENSITY_STD] = ("two_theta", esd)
    std = intensity_std(given)
    np.testing.assert_array_equal(std[3:], 7.0)
    np.testing.assert_array_equal(std[:3], intensity_std(pattern())[:3])


@pytest.mark.parametrize("with_std", [False, True])
def test_the_pattern_is_left_alone(with_std: bool) -> None:
    source = pattern()
    if with_std:
        source[INTENSITY_STD] = ("two_theta", np.full(ANGLE.size, 7.0))
    before = source.copy(deep=True)
    intensity_std(source)[:] = -1.0
    xr.testing.assert_identical(source, before)
