"""Evidence against the dense normal distribution of the data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from structkit.eis.evidence import WEIGHTS, fit_evidence, log_evidence_of_noise

RNG = np.random.default_rng(4)
X = np.linspace(-1.0, 1.0, 40)
FREE = np.stack([np.ones_like(X), 1e-7 * X], axis=1)
DAMPED = np.exp(-(((X[:, None] - np.linspace(-1.0, 1.0, 9)) / 0.3) ** 2))
NOISE = 0.1
DATA = 2.0 + 0.5 * X + DAMPED @ RNG.normal(size=9) + NOISE * RNG.normal(size=X.size)
ROUNDING = 1e-6
"""The Gram matrix squares the condition of the columns, about 1e4."""


def slow_evidence(weight: float, noise: float) -> float:
    """Return ln p(data without its free part), from the dense covariance."""
    space = np.linalg.svd(FREE)[0][:, FREE.shape[1] :]
    covariance = np.eye(X.size) + DAMPED @ DAMPED.T / weight
    dense = space.T @ covariance @ space * noise**2
    return float(multivariate_normal(cov=dense).logpdf(space.T @ DATA))


def test_the_weight_is_the_most_probable() -> None:
    fit = fit_evidence(FREE, DAMPED, DATA, noise=NOISE)
    # The dense covariance of lighter weights is singular in double precision.
    weights = WEIGHTS[WEIGHTS > 1e-4]
    slow = [slow_evidence(weight, NOISE) for weight in weights]
    assert fit.weight == weights[int(np.argmax(slow))]
    assert weights[3] < fit.weight < weights[-3]


def test_unknown_noise_is_found_where_it_is_most_probable() -> None:
    fit = fit_evidence(FREE, DAMPED, DATA)
    assert fit.noise == pytest.approx(NOISE, rel=0.3)
    here = slow_evidence(fit.weight, fit.noise)
    for factor in (0.97, 1.03):
        assert slow_evidence(fit.weight, factor * fit.noise) < here


def test_curve_and_leverage_are_those_of_the_dense_solution() -> None:
    fit = fit_evidence(FREE, DAMPED, DATA)
    columns = np.hstack([FREE * [1.0, 1e7], DAMPED])
    penalty = np.diag([0.0, 0.0, *[fit.weight] * 9])
    hat = columns @ np.linalg.solve(columns.T @ columns + penalty, columns.T)
    np.testing.assert_allclose(fit.curve, hat @ DATA, rtol=ROUNDING)
    np.testing.assert_allclose(fit.leverage, hat.diagonal(), rtol=ROUNDING)
    assert fit.elements == pytest.approx(np.trace(hat), rel=ROUNDING)
    own = FREE @ fit.free + DAMPED @ fit.damped
    np.testing.assert_allclose(own, fit.curve, rtol=ROUNDING)


def test_noise_is_best_explained_by_noise() -> None:
    gains = []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=X.size)
        fit = fit_evidence(FREE, DAMPED, noise)
        gains.append(fit.log_evidence - log_evidence_of_noise(noise))
    assert np.median(gains) <= 1.0
    fit = fit_evidence(FREE, DAMPED, DATA)
    assert fit.log_evidence - log_evidence_of_noise(DATA) > 30.0
