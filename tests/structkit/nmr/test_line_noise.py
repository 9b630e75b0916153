from __future__ import annotations

import numpy as np
import pytest

from structkit.nmr.line_noise import (
    constant_correlation,
    correlation_length_of,
    detrend,
    measure_correlation,
)


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
