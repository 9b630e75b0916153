"""Raman lines are what they say: areas, widths, asymmetry, pixels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from structkit.errors import PlanError
from structkit.synthetic.raman_lines import (
    LineShape,
    SpectrometerFunction,
    draw_line,
    drawing_grid,
    line_density,
    pixel_means,
    voigt,
)
from structkit.synthetic.raman_species import SPECIES, TemplateBand

BANDS = [
    pytest.param(band, id=f"{species} {band.centre:.0f}")
    for species, bands in SPECIES.items()
    for band in bands
]
SKEWED = LineShape(
    centre=385.0, homogeneous_fwhm=10.0, environment_fwhm=36.0, tail=-11.0
)
# quad is asked for 1e-10; wofz is good to 1e-13
QUADRATURE = 1e-9
# ten Laguerre nodes instead of the exponential, at most, of the height
TAIL_TOLERANCE = 2e-4
AREA_TOLERANCE = 1e-3
# the spline through every fourth point of a broad line, of its height
COARSE_TOLERANCE = 2e-5
# cubic spline at 0.5 cm-1 through the sharpest line there is, 2.7e-5 of its height
# (falls as the fourth power of the step): 0.4 counts of 15000
PIXEL_TOLERANCE = 4e-5
# Olivero and Longbothum state 2e-4
OLIVERO_TOLERANCE = 4e-4


@pytest.mark.parametrize(("sigma", "gamma"), [(1.1, 3.0), (15.0, 5.0), (3.0, 0.3)])
def test_voigt_is_the_convolution(sigma: float, gamma: float) -> None:
    def integrand(shift: float, place: float) -> float:
        gauss = np.exp(-0.5 * (shift / sigma) ** 2) / sigma / np.sqrt(2.0 * np.pi)
        return float(gauss * gamma / np.pi / ((place - shift) ** 2 + gamma**2))

    for place in (0.0, 0.7 * sigma, 4.0 * sigma, 10.0 * gamma):
        points = [p for p in (0.0, place) if abs(p) < 9.0 * sigma]
        slow, _ = quad(
            integrand,
            -9.0 * sigma,
            9.0 * sigma,
            args=(place,),
            points=points,
            epsabs=1e-12,
            limit=200,
        )
        fast = float(voigt(np.array([place]), sigma, gamma)[0])
        assert fast == pytest.approx(slow, abs=QUADRATURE)


def test_tail_is_an_exponential_of_environments() -> None:
    tail, top = SKEWED.tail, line_density(np.array([SKEWED.maximum]), SKEWED)[0]

    def integrand(steps: float, place: float) -> float:
        offset = place - SKEWED.centre - tail * (steps - 1.0)
        value = voigt(np.array([offset]), SKEWED.sigma, SKEWED.gamma)[0]
        return float(np.exp(-steps) * value)

    for place in (250.0, 330.0, 370.0, 385.0, 400.0, 450.0):
        slow, _ = quad(integrand, 0.0, 40.0, args=(place,), epsabs=1e-10)
        fast = line_density(np.array([place]), SKEWED)[0]
        assert abs(fast - slow) < TAIL_TOLERANCE * top


@pytest.mark.parametrize("band", BANDS)
def test_area_of_each_band_is_one(band: TemplateBand) -> None:
    shape, spectrometer = band.shape(), SpectrometerFunction()
    reach = 50.0 * (shape.homogeneous_fwhm + shape.environment_fwhm)
    grid = np.linspace(shape.centre - reach, shape.centre + reach, 12001)
    density = line_density(grid, shape, spectrometer=spectrometer)
    beyond = 2.0 * shape.gamma / (np.pi * reach)  # both Lorentzian tails
    area = np.trapezoid(density, grid) + beyond
    assert area == pytest.approx(1.0, abs=AREA_TOLERANCE)


@pytest.mark.parametrize("band", BANDS)
def test_drawn_line_is_the_line(band: TemplateBand) -> None:
    shape, spectrometer = band.shape(), SpectrometerFunction()
    drawn = draw_line(shape, spectrometer, 0.0, 1300.0)
    exact = line_density(drawing_grid(0.0, 1300.0), shape, spectrometer=spectrometer)
    assert np.abs(drawn - exact).max() < COARSE_TOLERANCE * exact.max()
    with pytest.raises(ValueError, match="read-only"):
        drawn[0] = 1.0


@pytest.mark.parametrize(("lorentz", "gauss"), [(5.5, 5.5), (12.0, 40.0), (8.0, 2.0)])
def test_width_of_a_symmetric_line(lorentz: float, gauss: float) -> None:
    shape = LineShape(centre=300.0, homogeneous_fwhm=lorentz, environment_fwhm=gauss)
    formula = 0.5346 * lorentz + np.sqrt(0.2166 * lorentz**2 + gauss**2)
    assert shape.fwhm == pytest.approx(formula, rel=OLIVERO_TOLERANCE)
    assert shape.maximum == pytest.approx(300.0, abs=1e-3 * formula)


def test_width_of_a_lorentzian() -> None:
    assert LineShape(centre=0.0, homogeneous_fwhm=3.2).fwhm == pytest.approx(3.2, 1e-5)


def test_skewed_line_leans_and_keeps_its_mean() -> None:
    grid = np.arange(385.0 - 400.0, 385.0 + 400.0, 0.05)
    narrow = LineShape(
        centre=385.0, homogeneous_fwhm=1e-3, environment_fwhm=36.0, tail=-11.0
    )
    density = line_density(grid, narrow)
    mean = np.trapezoid(grid * density, grid) / np.trapezoid(density, grid)
    third = np.trapezoid((grid - mean) ** 3 * density, grid)
    assert mean == pytest.approx(385.0, abs=0.02)
    # third central moment of an exponential is 2 tail^3; a Gaussian adds none
    assert third == pytest.approx(2.0 * (-11.0) ** 3, rel=0.02)
    assert narrow.maximum > 386.0
    above = grid[density > 0.5 * density.max()]
    assert narrow.fwhm == pytest.approx(above[-1] - above[0], abs=0.15)


def test_spectrometer_function_is_centred() -> None:
    pieces = SpectrometerFunction(fwhm=2.6, foot_share=0.2).components()
    assert sum(share for share, _, _ in pieces) == pytest.approx(1.0)
    assert sum(share * offset for share, offset, _ in pieces) == pytest.approx(0.0)
    assert pieces[0][2] * 2.354820 == pytest.approx(2.6)


def test_pixel_takes_the_mean_of_the_light() -> None:
    shape, spectrometer = LineShape(centre=520.7, homogeneous_fwhm=3.2), None
    grid = drawing_grid(480.0, 560.0)
    spectrometer = SpectrometerFunction(fwhm=2.2)
    edges = np.arange(500.0, 541.0, 1.75)
    density = draw_line(shape, spectrometer, 480.0, 560.0)
    means = pixel_means(grid, density, edges)

    def light(shift: float) -> float:
        place = np.array([shift])
        return float(line_density(place, shape, spectrometer=spectrometer)[0])

    slow = [quad(light, low, high)[0] / (high - low) for low, high in pairwise(edges)]
    np.testing.assert_allclose(means, slow, atol=PIXEL_TOLERANCE * max(slow))
    points = line_density(
        0.5 * (edges[:-1] + edges[1:]), shape, spectrometer=spectrometer
    )
    assert np.abs(points - means).max() > 1e-2 * max(slow)


def test_what_is_no_line_is_refused() -> None:
    with pytest.raises(PlanError, match="longer than sigma"):
        LineShape(centre=1.0, homogeneous_fwhm=1.0, environment_fwhm=4.0, tail=5.0)
    with pytest.raises(PlanError, match="widths must be positive"):
        LineShape(centre=1.0, homogeneous_fwhm=0.0)
    with pytest.raises(PlanError, match="foot_share"):
        SpectrometerFunction(foot_share=0.7)
    with pytest.raises(PlanError, match="positive widths"):
        SpectrometerFunction(fwhm=0.0)
    with pytest.raises(PlanError, match="leave the grid"):
        pixel_means(np.arange(5.0), np.ones(5), np.array([-1.0, 2.0]))
