"""Line shapes of the synthetic world."""

import numpy as np
import pytest
from scipy.special import voigt_profile

from structkit.synthetic.lines import Crystallites, Optics, draw_lines

SHARP = Optics(
    wavelengths=(1.5406,),
    shares=(1.0,),
    natural_widths=(1e-7,),
    u=0.0,
    v=0.0,
    w=1e-6,
    axial_divergence=0.0,
)
GRID = np.arange(20.0, 60.0, 0.002)
D = np.array([1.5406 / (2.0 * np.sin(np.radians(20.0)))])

# share of the highest point: a tail counts as Lorentzian beyond ten Gaussian widths,
# close paths as a Gaussian; 6e-4 was seen
WINDOW_TOLERANCE = 1e-3
# the same where neither matters, spline and series alone: 4e-5 was seen
SERIES_TOLERANCE = 1e-4


def draw(optics: Optics = SHARP, displacement: float = 0.0, **kw: float) -> np.ndarray:
    return draw_lines(
        GRID,
        D,
        np.ones(1),
        optics=optics,
        crystallites=Crystallites(**{"size": 1e6, **kw}),
        displacement=displacement,
    )


def width(curve: np.ndarray) -> float:
    above = GRID[curve >= 0.5 * curve.max()]
    return float(above[-1] - above[0])


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_width_means_the_scherrer_size(spread: float) -> None:
    expected = np.degrees(0.9 * 1.5406 / (100.0 * np.cos(np.radians(20.0))))
    found = width(draw(size=100.0, spread=spread))
    assert found == pytest.approx(expected, abs=0.006)


def test_width_means_the_microstrain() -> None:
    expected = np.degrees(4.0 * 0.004 * np.tan(np.radians(20.0)))
    assert width(draw(microstrain=0.004)) == pytest.approx(expected, abs=0.006)


def test_width_means_the_caglioti_law() -> None:
    optics = Optics(
        wavelengths=(1.5406,),
        shares=(1.0,),
        natural_widths=(1e-7,),
        axial_divergence=0.0,
    )
    tangent = np.tan(np.radians(20.0))
    expected = np.sqrt(optics.u * tangent**2 + optics.v * tangent + optics.w)
    assert width(draw(optics)) == pytest.approx(expected, abs=0.006)


def test_area_is_lorentz_and_polarisation() -> None:
    theta = np.radians(20.0)
    lorentz = 1.5406**3 / (16.0 * np.pi * np.sin(theta) ** 2 * np.cos(theta))
    polarisation = 0.5 * (1.0 + np.cos(2.0 * theta) ** 2)
    area = np.radians(np.trapezoid(draw(size=500.0), GRID))
    # the tails beyond the grid hold about 0.4 %
    assert area == pytest.approx(lorentz * polarisation, rel=0.01)


def test_spread_of_sizes_lengthens_the_tails() -> None:
    one, many = draw(size=100.0), draw(size=100.0, spread=0.5)
    far = np.abs(GRID - 40.0) > 5.0
    assert many[far].sum() / many.sum() > 1.05 * one[far].sum() / one.sum()


def test_displacement_shifts_by_its_law() -> None:
    shift = GRID[draw(displacement=0.1).argmax()] - GRID[draw().argmax()]
    expected = np.degrees(-2.0 * 0.1 * np.cos(np.radians(20.0)) / SHARP.radius)
    assert shift == pytest.approx(expected, abs=0.002)


def test_second_emission_line_is_where_bragg_says() -> None:
    optics = Optics(natural_widths=(1e-7, 1e-7), w=1e-5, u=0.0, v=0.0)
    curve = draw(optics)
    second = 2.0 * np.degrees(np.arcsin(1.544427 / (2.0 * D[0])))
    window = np.abs(GRID - second) < 0.03
    assert curve[window].max() == pytest.approx(0.5 * curve.max(), rel=0.05)


def test_axial_divergence_shifts_to_low_angle() -> None:
    optics = Optics(
        wavelengths=(1.5406,),
        shares=(1.0,),
        natural_widths=(1e-7,),
        axial_divergence=0.02,
    )
    straight = Optics(
        wavelengths=(1.5406,),
        shares=(1.0,),
        natural_widths=(1e-7,),
        axial_divergence=0.0,
    )
    near = np.abs(GRID - 40.0) < 0.5
    means = []
    for each in (optics, straight):
        curve = draw(each)[near]
        means.append(np.dot(GRID[near], curve) / curve.sum())
    # mean of h^2 over a triangle on (0, 2 x 0.02) is (2 x 0.02)^2 / 6
    expected = -np.degrees(0.5 * 0.04**2 / 6.0 / np.tan(np.radians(40.0)))
    assert means[0] - means[1] == pytest.approx(expected, rel=0.15)


def plain_sum(
    d_spacing: np.ndarray, strength: np.ndarray, crystallites: Crystallites
) -> np.ndarray:
    """Draw lines with every Voigt function evaluated everywhere."""
    optics, total = Optics(), np.zeros_like(WIDE)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    offset = optics.axial_divergence * (nodes + 1.0)
    weights = weights * (1.0 - 0.5 * (nodes + 1.0))
    weights = weights / weights.sum()
    sizes, shares = crystallites.size_widths()
    for wavelength, part, natural in zip(
        optics.wavelengths, optics.shares, optics.natural_widths, strict=True
    ):
        for d, height in zip(d_spacing, strength, strict=True):
            theta = np.arcsin(0.5 * wavelength / d)
            lorentz = wavelength**3 / (16.0 * np.pi * np.sin(theta) ** 2)
            area = part * height * lorentz / np.cos(theta)
            area *= 0.5 * (1.0 + np.cos(2.0 * theta) ** 2)
            seen = np.degrees(np.arccos(np.cos(2.0 * theta) * np.sqrt(1.0 + offset**2)))
            squared = optics.u * np.tan(theta) ** 2 + optics.v * np.tan(theta)
            sigma = np.sqrt(squared + optics.w) / np.sqrt(8.0 * np.log(2.0))
            strain = 4.0 * crystallites.microstrain + 2.0 * natural / wavelength
            for size, share in zip(sizes, shares, strict=True):
                width = size * wavelength / np.cos(theta) + strain * np.tan(theta)
                curves = voigt_profile(
                    WIDE[:, None] - seen, sigma, 0.5 * np.degrees(width)
                )
                total += area * share * (curves @ weights)
    return np.asarray(np.degrees(total))


WIDE = np.round(10.0 + 0.03 * np.arange(2334), 6)


@pytest.mark.parametrize(
    ("size", "tolerance"),
    [
        (2000.0, WINDOW_TOLERANCE),
        (300.0, WINDOW_TOLERANCE),
        (100.0, SERIES_TOLERANCE),
        (20.0, SERIES_TOLERANCE),
    ],
)
def test_windows_and_series_give_the_plain_sum(size: float, tolerance: float) -> None:
    d_spacing = np.array([6.4, 6.1, 3.2, 2.1, 2.08, 1.5, 1.3])
    strength = np.array([3.0, 1.0, 5.0, 8.0, 1.0, 12.0, 9.0])
    crystallites = Crystallites(size=size, spread=0.25, microstrain=1e-3)
    fast = draw_lines(
        WIDE, d_spacing, strength, optics=Optics(), crystallites=crystallites
    )
    slow = plain_sum(d_spacing, strength, crystallites)
    assert np.abs(fast - slow).max() < tolerance * slow.max()


def test_uneven_grids_are_drawn_alike() -> None:
    uneven = np.sort(np.random.default_rng(3).uniform(20.0, 60.0, 400))
    optics, grains = Optics(), Crystallites(size=80.0)
    fine, coarse = (
        draw_lines(grid, D, np.ones(1), optics=optics, crystallites=grains)
        for grid in (GRID, uneven)
    )
    np.testing.assert_allclose(
        coarse, np.interp(uneven, GRID, fine), atol=SERIES_TOLERANCE * fine.max()
    )
