"""Cells and structures as dataclasses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structkit.structures.crystal import Cell
from structkit.structures.library import load

LENGTH = st.floats(2.0, 30.0)
ANGLE = st.floats(70.0, 115.0)


@given(LENGTH, LENGTH, LENGTH, ANGLE, ANGLE, ANGLE)
def test_cell_survives_its_metric(a, b, c, alpha, beta, gamma):
    cell = Cell(a=a, b=b, c=c, alpha=alpha, beta=beta, gamma=gamma)
    again = Cell.from_metric(cell.metric)
    assert again.parameters == pytest.approx(cell.parameters, rel=1e-9)
    cosines = [math.cos(math.radians(angle)) for angle in (alpha, beta, gamma)]
    squared = 1.0 - np.square(cosines).sum() + 2.0 * np.prod(cosines)
    assert cell.volume == pytest.approx(a * b * c * math.sqrt(squared), rel=1e-9)


def test_mass_and_density_of_salt():
    salt = load("NaCl")
    assert salt.cell_mass == pytest.approx(4 * 58.443, abs=0.01)
    assert salt.density == pytest.approx(2.163, abs=1e-3)
    smaller = salt.with_cell(Cell(a=5.6, b=5.6, c=5.6))
    assert smaller.density > salt.density
    assert smaller.atom_counts == salt.atom_counts


def test_b_and_u():
    site = load("corundum").sites[0]
    assert site.b_iso == pytest.approx(0.27)
    assert site.with_u_iso(0.0127).b_iso == pytest.approx(1.0, abs=3e-3)


# pymatgen calls spglib in a way that spglib deprecates.
@pytest.mark.filterwarnings("ignore:Set OLD_ERROR:DeprecationWarning")
def test_pymatgen_structure_is_the_same_crystal():
    structure = load("corundum").structure
    assert len(structure) == 30
    assert structure.get_space_group_info()[1] == 167
    assert structure.density == pytest.approx(load("corundum").density, rel=1e-3)
