"""Scherrer's equation and the instrument's share of a width."""

import math

import numpy as np
import pytest

from refinement.crystallinity.widths import (
    K_INTEGRAL_BREADTH,
    remove_instrument,
    scherrer_size,
    scherrer_width,
    split_pseudo_voigt,
)
from structkit.errors import PlanError
from structkit.xrd.profiles import mix_widths

# Thompson, Cox & Hastings: their two series are inverse to each other within 1 %.
SERIES = 0.01


@pytest.mark.parametrize(
    ("size", "width", "half_digit"),
    [
        (50.0, 0.165, 0.0005),
        (20.0, 0.41, 0.005),
        (10.0, 0.83, 0.005),
        (5.0, 1.65, 0.005),
        (3.0, 2.8, 0.05),
        (2.0, 4.1, 0.05),
    ],
)
def test_figures_of_the_design(size: float, width: float, half_digit: float) -> None:
    found = float(scherrer_width(size, 31.7, wavelength=1.5406))
    assert abs(found - width) <= half_digit
    assert float(scherrer_size(found, 31.7, wavelength=1.5406)) == pytest.approx(size)


def test_breadth_and_full_width_of_a_sphere() -> None:
    """Cube root of the volume over volume-weighted length, (pi/6)^(1/3) / (3/4)."""
    assert pytest.approx((math.pi / 6.0) ** (1.0 / 3.0) / 0.75) == K_INTEGRAL_BREADTH
    assert np.isinf(scherrer_size(0.0, 31.7, wavelength=1.54))


def test_parts_of_a_pseudo_voigt() -> None:
    gaussian = np.linspace(0.0, 1.0, 11)
    lorentzian = 1.0 - gaussian
    width, eta = mix_widths(gaussian, lorentzian)
    g, x = split_pseudo_voigt(width, eta)
    np.testing.assert_allclose(x, lorentzian, atol=SERIES)
    np.testing.assert_allclose(g, gaussian, atol=3.0 * SERIES)


def test_instrument_is_taken_off() -> None:
    assert remove_instrument(0.5, 0.3, shape="lorentzian") == pytest.approx(0.2)
    assert remove_instrument(0.5, 0.3, shape="gaussian") == pytest.approx(0.4)
    assert remove_instrument(0.1, 0.3, shape="gaussian") == 0.0
    for eta, shape in ((0.0, "gaussian"), (1.0, "lorentzian")):
        mixed = remove_instrument(
            0.5, 0.3, shape="pseudo-voigt", eta=eta, instrumental_eta=eta
        )
        assert mixed == pytest.approx(
            remove_instrument(0.5, 0.3, shape=shape),  # type: ignore[arg-type]
            abs=SERIES,
        )
    width, eta = mix_widths(np.array([0.1]), np.array([0.4]))
    own = remove_instrument(
        float(width[0]), 0.1, shape="pseudo-voigt", eta=float(eta[0])
    )
    assert own == pytest.approx(0.4, abs=SERIES)


def test_mistakes_are_named() -> None:
    with pytest.raises(PlanError, match="none can be negative"):
        remove_instrument(-0.1, 0.1, shape="gaussian")
    with pytest.raises(PlanError, match="voigt"):
        remove_instrument(0.2, 0.1, shape="voigt")  # type: ignore[arg-type]
