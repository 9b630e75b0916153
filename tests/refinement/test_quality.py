"""R-factors against sums written out, and what they must be for known residuals."""

import numpy as np
import pytest
from numpy.typing import NDArray

from refinement.quality import assess, unexplained_share

Floats = NDArray[np.float64]

# Four standard errors of the mean square of 5000 standard normal residuals.
NOISE = 4.0 * np.sqrt(2.0 / 5000)


@pytest.fixture
def counts() -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(4)
    expected = 100.0 + 2000.0 * np.exp(-np.square(np.linspace(-9.0, 9.0, 5000)))
    observed = rng.poisson(expected).astype(float)
    return observed, expected, np.sqrt(expected)


def test_factors_are_their_sums(counts: tuple[Floats, Floats, Floats]) -> None:
    observed, calculated, std = counts
    weighted = unweighted = norm = height = change = 0.0
    last = None
    for point, model, sigma in zip(observed, calculated, std, strict=True):
        delta = (point - model) / sigma
        weighted += delta**2
        norm += (point / sigma) ** 2
        unweighted += abs(point - model)
        height += abs(point)
        change += 0.0 if last is None else (delta - last) ** 2
        last = delta
    found = assess(observed, calculated, std, n_parameters=20)
    assert found.r_wp == pytest.approx((weighted / norm) ** 0.5)
    assert found.r_p == pytest.approx(unweighted / height)
    assert found.r_exp == pytest.approx(((5000 - 20) / norm) ** 0.5)
    assert found.durbin_watson == pytest.approx(change / weighted)


def test_gof_is_the_ratio_of_factors(counts: tuple[Floats, Floats, Floats]) -> None:
    found = assess(*counts, n_parameters=20)
    assert found.gof == pytest.approx(found.r_wp / found.r_exp)


def test_true_model_fits_as_well_as_counting_allows(
    counts: tuple[Floats, Floats, Floats],
) -> None:
    found = assess(*counts, n_parameters=0)
    assert found.gof == pytest.approx(1.0, abs=NOISE)
    assert found.durbin_watson == pytest.approx(2.0, abs=2.0 * NOISE)


def test_a_wrong_curve_shows_as_serial_correlation(
    counts: tuple[Floats, Floats, Floats],
) -> None:
    observed, calculated, std = counts
    wave = 3.0 * std * np.sin(np.linspace(0.0, 40.0, observed.size))
    assert assess(observed, calculated + wave, std, n_parameters=0).durbin_watson < 0.6


def test_no_factor_depends_on_the_unit_of_intensity(
    counts: tuple[Floats, Floats, Floats],
) -> None:
    found = assess(*counts, n_parameters=7)
    observed, calculated, std = (17.0 * part for part in counts)
    other = assess(observed, calculated, std, n_parameters=7)
    for name in ("r_wp", "r_p", "r_exp", "gof", "durbin_watson"):
        assert getattr(other, name) == pytest.approx(getattr(found, name), rel=1e-9)


def test_a_perfect_fit_and_too_many_parameters_stay_finite() -> None:
    values = np.linspace(1.0, 2.0, 20)
    found = assess(values, values, np.ones(20), n_parameters=30)
    assert found.r_wp == found.r_p == found.gof == found.durbin_watson == 0.0
    assert np.isfinite(found.r_exp)


def test_a_model_leaves_unexplained_what_it_lacks(
    counts: tuple[Floats, Floats, Floats],
) -> None:
    """Half the lines' height missing: half of the scattering, whatever the noise."""
    observed, expected, std = counts
    smooth = np.full_like(expected, 100.0)
    half = smooth + 0.5 * (expected - smooth)

    def share(calculated: Floats, counted: Floats = observed) -> float:
        return unexplained_share(counted, calculated, smooth, std, n_parameters=3)

    assert share(half) == pytest.approx(0.5, abs=0.01)
    assert share(smooth) == pytest.approx(1.0, abs=0.01)
    assert share(expected) < NOISE
    assert share(expected, counted=smooth) == 0.0  # no lines at all: nothing to say
