"""Microabsorption of a sphere against a Monte Carlo of rays."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.xrd.absorption import brindley_factor

RAYS = 400_000
# Standard error of the mean over the rays is below 0.001; five of them.
SAMPLED = 5.0
# The polynomial in use elsewhere against the sphere, for powders that one refines.
POLYNOMIAL = 0.005


def trace_rays(contrast: float, two_theta: float) -> tuple[float, float]:
    """Return mean and standard error of exp(-contrast path), radius 1."""
    rng = np.random.default_rng(12)
    points = rng.uniform(-1.0, 1.0, (2 * RAYS, 3))
    points = points[np.sum(points**2, axis=1) < 1.0]
    angle = np.radians(two_theta)
    paths = np.zeros(points.shape[0])
    # Backwards along the incoming ray, forwards along the scattered one.
    for direction in ([-1.0, 0.0, 0.0], [np.cos(angle), np.sin(angle), 0.0]):
        along = points @ np.array(direction)
        rest = 1.0 - np.sum(points**2, axis=1)
        paths += -along + np.sqrt(along**2 + rest)
    weights = np.exp(-contrast * paths)
    return float(weights.mean()), float(weights.std() / np.sqrt(weights.size))


@pytest.mark.parametrize("two_theta", [10.0, 45.0, 120.0])
@pytest.mark.parametrize("contrast", [-0.5, -0.1, 0.02, 0.3, 1.0])
def test_factor_is_that_of_many_rays(contrast: float, two_theta: float) -> None:
    mean, error = trace_rays(contrast, two_theta)
    found = brindley_factor(contrast, two_theta=two_theta)
    assert found == pytest.approx(mean, abs=SAMPLED * error)


@pytest.mark.parametrize("two_theta", [5.0, 45.0, 170.0])
def test_slope_at_no_contrast_is_the_mean_path(two_theta: float) -> None:
    """The mean path through a point in a sphere is 3/2 radii, at every angle."""
    assert brindley_factor(0.0, two_theta=two_theta) == pytest.approx(1.0)
    h = 1e-5
    up, down = (brindley_factor(x, two_theta=two_theta) for x in (h, -h))
    assert (up - down) / (2.0 * h) == pytest.approx(-1.5, abs=1e-3)


@pytest.mark.parametrize("contrast", np.linspace(-0.1, 0.1, 9).tolist())
def test_published_polynomial_is_near(contrast: float) -> None:
    polynomial = 1.0 - 1.45 * contrast + 1.426 * contrast**2
    assert brindley_factor(contrast) == pytest.approx(polynomial, abs=2 * POLYNOMIAL)


def test_more_absorbing_phases_are_seen_less() -> None:
    contrasts = np.linspace(-1.0, 1.0, 21)
    factors = [brindley_factor(float(x)) for x in contrasts]
    assert (np.diff(factors) < 0.0).all()
    assert factors[0] > 1.0 > factors[-1] > 0.0
