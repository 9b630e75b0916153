"""Line shapes of the synthetic world."""

import numpy as np
import pytest

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
