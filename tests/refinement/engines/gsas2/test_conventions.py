"""Units of GSAS-II against structkit's: each from the formula of a line's width."""

from __future__ import annotations

import math

import pytest

from refinement.engines.gsas2 import conventions

WAVELENGTH = 1.5406
THETA = math.radians(20.0)


@pytest.mark.parametrize("size_nm", [5.0, 80.0, 900.0])
def test_a_size_gives_the_same_width(size_nm: float) -> None:
    """GSAS-II: 1.8 lambda / (pi L cos) centidegree with its own Scherrer constant 1."""
    size_um = conventions.size_to_um(size_nm)
    ours = math.degrees(0.9 * 0.1 * WAVELENGTH / (size_nm * math.cos(THETA)))
    theirs = 1.8 * WAVELENGTH / (math.pi * size_um * math.cos(THETA))
    assert 0.01 * theirs == pytest.approx(ours)
    assert conventions.size_to_nm(size_um) == pytest.approx(size_nm)


@pytest.mark.parametrize("strain", [1e-4, 3e-3])
def test_a_strain_gives_the_same_width(strain: float) -> None:
    """GSAS-II: 0.018 S tan / pi centidegree, S in parts per million of d."""
    value = conventions.strain_to_gsas2(strain)
    ours = math.degrees(4.0 * strain * math.tan(THETA))
    theirs = 0.018 * value * math.tan(THETA) / math.pi
    assert 0.01 * theirs == pytest.approx(ours)
    assert conventions.strain_from_gsas2(value) == pytest.approx(strain)


@pytest.mark.parametrize("radius", [150.0, 217.5])
def test_a_displacement_moves_a_line_by_the_same(radius: float) -> None:
    """GSAS-II: position - 4 * 0.090 s cos / (pi R), s in micrometre, R in mm."""
    displacement = 0.03
    shift = conventions.displacement_to_gsas2(displacement, radius)
    ours = displacement * math.cos(THETA)
    height_mm = 1e-3 * shift
    theirs = -math.degrees(2.0 * height_mm * math.cos(THETA) / radius)
    assert theirs == pytest.approx(ours)
    assert shift < 0.0
    again = conventions.displacement_from_gsas2(shift, radius)
    assert again == pytest.approx(displacement)
