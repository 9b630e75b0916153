"""Background, film and halo."""

from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.xrd.background import (
    Film,
    Halo,
    chebyshev_background,
    film_hump,
    film_transmission,
    gaussian_halo,
)

ANGLES = np.array([10.0, 20.0, 30.0, 45.0, 80.0])


@pytest.mark.parametrize(
    ("thickness", "expected"),
    # SCIENCE.md B0, two-way transmission of Kapton at Cu K-alpha.
    [(25.0, [0.61, 0.78, 0.85, 0.89, 0.94]), (50.0, [0.37, 0.61, 0.72, 0.80, 0.88])],
)
def test_kapton_transmission_of_the_facts(thickness, expected):
    ours = film_transmission(ANGLES, Film(thickness=thickness))
    assert ours == pytest.approx(expected, abs=6e-3)


def test_no_film_takes_nothing_and_scatters_nothing():
    assert film_transmission(ANGLES, Film()) == pytest.approx(1.0)
    assert film_hump(ANGLES, Film(thickness=25.0)) == pytest.approx(0.0)


def test_a_thin_film_scatters_in_proportion_to_its_path():
    hump = Halo(center=20.0, fwhm=6.0, height=100.0)
    sines = np.sin(np.radians(ANGLES) / 2.0)
    expected = gaussian_halo(ANGLES, hump) * math.sin(math.radians(10.0)) / sines
    assert film_hump(ANGLES, Film(hump=hump)) == pytest.approx(expected)
    thin = film_hump(ANGLES, Film(thickness=1e-3, hump=hump))
    assert thin == pytest.approx(expected, rel=1e-3)
    at_center = film_hump(np.array([20.0]), Film(thickness=50.0, hump=hump))
    assert at_center == pytest.approx(100.0)


def test_halo_has_its_width_and_area():
    halo = Halo(center=20.0, fwhm=6.0, height=10.0)
    grid = np.linspace(-40.0, 80.0, 12001)
    curve = gaussian_halo(grid, halo)
    assert curve[[6000, 6300]] == pytest.approx([10.0, 5.0])
    area = 10.0 * 6.0 * math.sqrt(math.pi / math.log(2.0)) / 2.0
    assert np.trapezoid(curve, grid) == pytest.approx(area, rel=1e-9)


def test_chebyshev_series_spans_the_range():
    assert chebyshev_background(ANGLES, [5.0]) == pytest.approx(5.0)
    curve = chebyshev_background(ANGLES, [1.0, 2.0, 3.0])
    assert curve[[0, -1]] == pytest.approx([2.0, 6.0])


def test_impossible_values_are_refused():
    with pytest.raises(PlanError, match="fwhm must be positive"):
        Halo(center=20.0, fwhm=0.0, height=1.0)
    with pytest.raises(PlanError, match="must not be negative"):
        Film(thickness=-1.0)
