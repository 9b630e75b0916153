"""The instrument's matrix against direct sums over emission lines and rays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from refinement.engines.native.model import apply_instrument
from refinement.engines.native.operator import Grid, build_operator, source_angles
from structkit.xrd.instrument import Instrument
from structkit.xrd.profiles import sum_lines
from structkit.xrd.radiation import monochromatic, tube

Floats = NDArray[np.float64]
# Largest difference over the highest point. The operator stretches the line a little
# with its rays, the slow sum moves it.
SHAPE = 1e-3
# Six rays where axial divergence is three times wider than the line.
RIPPLE = 0.02
LINES = np.array([21.0, 24.7, 33.3, 52.0, 68.0])
AREAS = np.array([40.0, 10.0, 30.0, 20.0, 25.0])
GRID = Grid(first=12.0, step=0.01, size=7601)
ANGLES = np.arange(15.0, 85.0, 0.01)


def reach(
    instrument: Instrument, curve: Floats, angles: Floats, *, nodes: int = 6
) -> Floats:
    """Return a curve on ``GRID`` as the instrument shows it at ``angles``."""
    operator = build_operator(angles, GRID, instrument, axial_nodes=nodes)
    return apply_instrument(operator, curve[None, :], np.ones(angles.size))[0]


def drawn(gaussian: float = 0.06, lorentzian: float = 0.05) -> Floats:
    """Return symmetric lines at the reference wavelength on ``GRID``."""
    n = LINES.size
    return sum_lines(
        GRID.angles(),
        LINES,
        AREAS,
        gaussian=np.full(n, gaussian),
        lorentzian=np.full(n, lorentzian),
    )


def direct_sum(instrument: Instrument, angles: Floats) -> Floats:
    """Return every emission line of every line, each ray by itself."""
    total = np.zeros_like(angles)
    radiation = instrument.radiation
    sines = np.sin(np.radians(LINES) / 2.0)
    for ratio, share in zip(radiation.ratios(), radiation.shares, strict=True):
        centers = 2.0 * np.degrees(np.arcsin(ratio * sines))
        # Size and strain broaden in proportion to tan: of the same crystallites.
        wider = np.tan(np.radians(centers) / 2.0) / np.tan(np.radians(LINES) / 2.0)
        total += sum_lines(
            angles,
            centers,
            share * AREAS,
            gaussian=0.06 * wider,
            lorentzian=0.05 * wider,
            axial_divergence=instrument.axial_divergence,
        )
    return total


@pytest.mark.parametrize(
    ("axial", "nodes", "tolerance"),
    [(0.0, 6, SHAPE), (0.012, 6, SHAPE), (0.03, 12, SHAPE), (0.03, 6, RIPPLE)],
)
@pytest.mark.parametrize("name", ["CuKa1", "CuKa", "CuKa5"])
def test_lines_are_those_of_the_direct_sum(
    name: str, axial: float, nodes: int, tolerance: float
) -> None:
    instrument = Instrument(radiation=tube(name), axial_divergence=axial)
    fast = reach(instrument, drawn(), ANGLES, nodes=nodes)
    slow = direct_sum(instrument, ANGLES)
    assert np.abs(fast - slow).max() < tolerance * slow.max()


@pytest.mark.parametrize("axial", [0.0, 0.02, 0.05])
def test_area_is_kept(axial: float) -> None:
    """Weight fractions are areas: the operator may move intensity, not lose it."""
    instrument = Instrument(radiation=tube("CuKa"), axial_divergence=axial)
    curve = drawn(lorentzian=1e-6)
    shown = reach(instrument, curve, ANGLES)
    before = np.trapezoid(curve, GRID.angles())
    assert np.trapezoid(shown, ANGLES) == pytest.approx(before, rel=1e-6)


def test_axial_divergence_pulls_lines_to_lower_angles_and_the_other_way_above_90() -> (
    None
):
    curve = np.exp(-(((GRID.angles() - 30.0) / 0.05) ** 2))
    straight = Instrument(radiation=monochromatic(1.54))
    tilted = Instrument(radiation=monochromatic(1.54), axial_divergence=0.03)
    means = []
    for instrument in (straight, tilted):
        shown = reach(instrument, curve, ANGLES)
        means.append(np.sum(ANGLES * shown) / np.sum(shown))
    assert means[0] == pytest.approx(30.0, abs=1e-9)
    # Mean of u^2 cot(2theta) / 2, u = 2 (S/L) t, weight 1 - t: <t^2> = 1/6.
    u2 = 4.0 * 0.03**2 / 6.0
    expected = np.degrees(0.5 * u2 / np.tan(np.radians(30.0)))
    assert means[0] - means[1] == pytest.approx(expected, rel=0.01)
    low, high = source_angles(tilted, 30.0)
    assert (low, high) == (pytest.approx(30.0), pytest.approx(high))
    assert 30.0 < high < 30.5
    low, high = source_angles(tilted, 120.0)
    assert low < 120.0 == pytest.approx(high)


def test_polynomials_of_degree_five_pass_unchanged() -> None:
    """Six-point Lagrange interpolation is exact for them, at any angle."""
    angles = np.sort(np.random.default_rng(1).uniform(15.0, 85.0, 200))
    unit = (GRID.angles() - 50.0) / 38.0
    instrument = Instrument(radiation=monochromatic(1.54))
    polynomial = np.polynomial.Polynomial([1.0, -2.0, 0.5, 3.0, -1.0, 2.0])
    shown = reach(instrument, polynomial(unit), angles)
    assert shown == pytest.approx(polynomial((angles - 50.0) / 38.0), abs=1e-10)


def test_points_need_no_even_steps() -> None:
    """What a point shows depends on its angle, not on its neighbours."""
    instrument = Instrument(radiation=tube("CuKa5"), axial_divergence=0.02)
    curve = drawn()
    chosen = np.sort(np.random.default_rng(2).choice(ANGLES.size, 400, replace=False))
    even = reach(instrument, curve, ANGLES)
    uneven = reach(instrument, curve, ANGLES[chosen])
    assert uneven == pytest.approx(even[chosen], rel=1e-12)


def test_rows_are_scaled_and_columns_kept_apart() -> None:
    instrument = Instrument(radiation=tube("CuKa"), axial_divergence=0.01)
    operator = build_operator(ANGLES, GRID, instrument)
    scale = np.linspace(0.5, 2.0, ANGLES.size)
    curves = np.array([drawn(), drawn()[::-1]])
    both = apply_instrument(operator, curves, scale)
    for curve, shown in zip(curves, both, strict=True):
        alone = reach(instrument, curve, ANGLES) * scale
        assert shown == pytest.approx(alone)


def test_angles_that_a_wavelength_cannot_reach_take_no_share_of_it() -> None:
    """A shorter emission line ends before 180 degree; no NaN may come of it."""
    instrument = Instrument(radiation=tube("CuKa5"))
    angles = np.linspace(160.0, 179.0, 60)
    grid = Grid(first=150.0, step=0.01, size=3000)
    operator = build_operator(angles, grid, instrument)
    shown = apply_instrument(operator, np.ones((1, grid.size)), np.ones(60))[0]
    assert np.isfinite(shown).all()
    assert shown[0] == pytest.approx(1.0, rel=0.05)
