from __future__ import annotations

import numpy as np
import pytest

from structkit.nmr.line_noise import (
    constant_correlation,
    correlation_length_of,
    correlation_of_processing,
    detrend,
    measure_correlation,
)
from structkit.nmr.transform import apodisation, transform_decay


def test_white_noise_is_independent() -> None:
    noise = np.random.default_rng(1).normal(size=20000)
    assert measure_correlation(noise).length == pytest.approx(1.0, abs=0.1)


def test_length_is_what_means_of_noise_spread_by() -> None:
    """The mean of many points has the variance of n / length independent ones."""
    generator, n = np.random.default_rng(2), 4096
    weights = np.exp(-np.arange(n // 4) / 300.0)
    noise = generator.normal(size=(2, 400, weights.size))
    spectra = np.fft.fft((noise[0] + 1j * noise[1]) * weights, n, axis=1).real
    block = spectra[:, :512]
    ratio = 512 * block.mean(axis=1).var() / block.var()
    stated = correlation_length_of(weights, n)
    assert ratio == pytest.approx(stated, rel=0.2)
    measured = np.mean([measure_correlation(row).length for row in spectra[:40]])
    assert measured == pytest.approx(stated, rel=0.25)


def test_filter_is_the_matrix_of_autocorrelations() -> None:
    correlation = constant_correlation(5.0)
    assert correlation.length == pytest.approx(5.0, rel=1e-3)
    rows = np.random.default_rng(3).normal(size=(3, 60))
    lag = np.abs(np.subtract.outer(np.arange(60), np.arange(60)))
    full = np.zeros(60)
    full[: correlation.lags.size] = correlation.lags[:60]
    np.testing.assert_allclose(correlation.filter(rows), rows @ full[lag], atol=1e-10)


def test_detrending_takes_a_line_away() -> None:
    axis = np.linspace(-5.0, 9.0, 50)
    assert np.abs(detrend(3.0 - 0.2 * axis, axis)).max() < 1e-12


SIZE = 1024


@pytest.mark.parametrize("group_delay", [0.0, 37.4])
def test_noise_of_a_processing_is_that_of_many_transforms(group_delay: float) -> None:
    rng = np.random.default_rng(3)
    weights = apodisation(500, 1e-5, lorentz=100.0, gauss=0.0, origin=group_delay)
    decay = rng.normal(size=(4000, 500)) + 1j * rng.normal(size=(4000, 500))
    real = transform_decay(decay * weights, SIZE, group_delay=group_delay).real
    told = correlation_of_processing(weights, SIZE, group_delay=group_delay)
    power = real[:, 100] @ real[:, 100]
    measured = [real[:, 100] @ real[:, 100 + lag] / power for lag in range(60)]
    # 4 / sqrt(4000 transforms)
    assert told.lags[:60] == pytest.approx(measured, abs=0.063)


def test_length_of_a_processing_without_filter_is_the_plain_one() -> None:
    weights = apodisation(500, 1e-5, lorentz=100.0, gauss=0.0)
    told = correlation_of_processing(weights, SIZE).length
    # the first of 500 weights, which fall, counts half
    assert told == pytest.approx(correlation_length_of(weights, SIZE), rel=5e-3)
