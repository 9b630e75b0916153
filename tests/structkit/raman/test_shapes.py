"""Band shapes against scipy, numerical convolution and finite differences."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import voigt_profile
from scipy.stats import cauchy, norm

from structkit.raman.shapes import Shape, ShapeValues, evaluate_shape

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
SHAPES: tuple[Shape, ...] = ("pseudo-voigt", "voigt")
ROUNDING = 1e-12
FADDEEVA = 1e-8
"""What 20 terms of Weideman miss of the function's height: far below any noise."""
QUADRATURE = 1e-7
"""What ``quad`` promises over an infinite range."""
OLIVERO = 4e-4
"""The approximation of the width of a Voigt is good to 0.02 %; its half height then
is off by twice that."""


def at(
    x: float,
    *,
    width: float,
    mixing: float,
    shape: Shape,
    instrument: float = 0.0,
) -> float:
    found = evaluate_shape(
        np.array([[x]]),
        np.array([width]),
        np.array([mixing]),
        shape=shape,
        instrument_fwhm=instrument,
    )
    return float(found.value[0, 0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mixing", [0.0, 0.4, 0.97])
def test_area_is_one(shape: Shape, mixing: float) -> None:
    def value(x: float) -> float:
        return at(x, width=9.0, mixing=mixing, shape=shape, instrument=2.0)

    inner = quad(value, -40.0, 40.0)[0]
    outer = quad(value, 40.0, np.inf)[0] + quad(value, -np.inf, -40.0)[0]
    assert inner + outer == pytest.approx(1.0, abs=QUADRATURE)


def test_pseudo_voigt_against_scipy() -> None:
    x = np.linspace(-80.0, 80.0, 501)
    width, mixing = np.array([4.0, 11.0, 30.0]), np.array([0.0, 0.35, 1.0])
    found = evaluate_shape(np.tile(x, (3, 1)), width, mixing).value
    for row, w, m in zip(found, width, mixing, strict=True):
        slow = m * cauchy.pdf(x, scale=w / 2.0)
        slow = slow + (1.0 - m) * norm.pdf(x, scale=w / FWHM_PER_SIGMA)
        # Beyond exp(-60) of its height a Gaussian counts as nothing.
        assert row == pytest.approx(slow, rel=ROUNDING, abs=1e-20)


def test_voigt_against_scipy() -> None:
    x = np.linspace(-80.0, 80.0, 501)
    for width, mixing, instrument in itertools.product(
        (5.0, 20.0), (0.0, 0.3, 0.8), (0.0, 3.0)
    ):
        lorentz = mixing * width
        own = np.sqrt((width - 0.5346 * lorentz) ** 2 - 0.2166 * lorentz**2)
        sigma = np.hypot(own, instrument) / FWHM_PER_SIGMA
        found = evaluate_shape(
            x[None, :],
            np.array([width]),
            np.array([mixing]),
            shape="voigt",
            instrument_fwhm=instrument,
        ).value[0]
        slow = voigt_profile(x, sigma, lorentz / 2.0)
        assert found == pytest.approx(slow, rel=1e-10, abs=FADDEEVA * slow.max())


def test_instrument_is_a_convolution() -> None:
    x = np.linspace(-400.0, 400.0, 16001)
    step = x[1] - x[0]
    plain, broad = (
        evaluate_shape(
            x[None, :],
            np.array([8.0]),
            np.array([0.5]),
            shape="voigt",
            instrument_fwhm=instrument,
        ).value[0]
        for instrument in (0.0, 5.0)
    )
    kernel = norm.pdf(x, scale=5.0 / FWHM_PER_SIGMA)
    slow = np.convolve(plain, kernel, mode="same") * step
    middle = np.abs(x) < 60.0  # the convolution misses the tails beyond the ends
    assert broad[middle] == pytest.approx(slow[middle], rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_width_is_the_full_width_at_half_maximum(shape: Shape) -> None:
    for width, mixing in itertools.product((3.0, 40.0), (0.0, 0.5, 0.95)):
        top = at(0.0, width=width, mixing=mixing, shape=shape)
        for side in (-0.5, 0.5):
            half = at(side * width, width=width, mixing=mixing, shape=shape)
            assert half / top == pytest.approx(0.5, rel=OLIVERO)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mixing", [0.02, 0.5, 0.93])
@pytest.mark.parametrize("instrument", [0.0, 4.0])
def test_derivatives_against_finite_differences(
    shape: Shape, mixing: float, instrument: float
) -> None:
    # An even number of points: the halves of a skewed band meet between two of them.
    x = np.linspace(-60.0, 60.0, 242)[None, :]
    width, step = 10.0, 1e-5

    def values(
        *, centre: float = 0.0, log: float = 0.0, m: float = 0.0, skew: float = 0.0
    ) -> ShapeValues:
        return evaluate_shape(
            x - centre,
            np.array([width * np.exp(log)]),
            np.array([mixing + m]),
            shape=shape,
            skew=np.array([0.15 + skew]),
            instrument_fwhm=instrument,
        )

    found = values()
    for name, slope in (
        ("centre", found.by_centre),
        ("log", found.by_log_width),
        ("m", found.by_mixing),
        ("skew", found.by_skew),
    ):
        ahead, behind = (values(**{name: s}).value for s in (step, -step))
        slow = (ahead - behind) / (2.0 * step)
        # Rounding of the difference, and what the Faddeeva function misses.
        assert slope == pytest.approx(slow, rel=1e-5, abs=FADDEEVA)


def test_voigt_stays_finite_at_its_limits() -> None:
    x = np.linspace(-30.0, 30.0, 61)[None, :]
    for mixing in (0.0, 1.0):
        found = evaluate_shape(x, np.array([6.0]), np.array([mixing]), shape="voigt")
        for each in (found.value, found.by_centre, found.by_log_width, found.by_mixing):
            assert np.all(np.isfinite(each))
    lorentz = evaluate_shape(x, np.array([6.0]), np.array([1.0]), shape="voigt").value
    # A Gaussian share of a thousandth of the width remains.
    assert lorentz[0] == pytest.approx(cauchy.pdf(x[0], scale=3.0), rel=1e-4)


def test_kernel_does_not_need_contiguous_arrays() -> None:
    x = np.linspace(-30.0, 30.0, 122).reshape(61, 2).T
    width, mixing = np.array([6.0, 9.0]), np.array([0.2, 0.7])
    found = evaluate_shape(x, width, mixing)
    copied = evaluate_shape(x.copy(order="C"), width, mixing)
    assert np.array_equal(found.value, copied.value)
    assert replace(found, value=copied.value) is not found
