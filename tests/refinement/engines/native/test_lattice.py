"""Strains of a cell: how many, and that they keep its symmetry."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from refinement.engines.native.lattice import STRAIN_UNIT, strain_basis
from structkit.structures.crystal import Cell, CrystalStructure, Site

CELLS = {
    "P -1": Cell(a=6.1, b=7.2, c=8.9, alpha=83.0, beta=101.0, gamma=95.0),
    "P 1 21/n 1": Cell(a=6.7, b=7.1, c=19.8, beta=90.7),
    "P n m a": Cell(a=6.7, b=7.1, c=9.8),
    "I 41/a m d:2": Cell(a=3.8, b=3.8, c=9.5),
    "R -3 c:H": Cell(a=4.76, b=4.76, c=12.99, gamma=120.0),
    "R -3 c:R": Cell(a=5.13, b=5.13, c=5.13, alpha=55.3, beta=55.3, gamma=55.3),
    "P 3 2 1": Cell(a=4.9, b=4.9, c=5.4, gamma=120.0),
    "P 63 m c": Cell(a=3.25, b=3.25, c=5.21, gamma=120.0),
    "F m -3 m": Cell(a=5.64, b=5.64, c=5.64),
}
SIZES = dict(zip(CELLS, (6, 4, 3, 2, 2, 2, 2, 2, 1), strict=True))


def make_structure(symbol: str) -> CrystalStructure:
    group = gemmi.SpaceGroup(symbol)
    site = Site(
        label="X", element="Na", position=(0.1, 0.2, 0.3), occupancy=1.0, u_iso=0.01,
        multiplicity=len(group.operations()),
    )  # fmt: skip
    return CrystalStructure(
        name=symbol,
        formula="Na",
        formula_units=1,
        space_group=symbol,
        space_group_number=group.number,
        operations=tuple(op.triplet() for op in group.operations()),
        cell=CELLS[symbol],
        sites=(site,),
    )


@pytest.mark.parametrize("symbol", CELLS)
def test_as_many_strains_as_the_system_allows(symbol: str) -> None:
    basis = strain_basis(make_structure(symbol))
    assert basis.size == SIZES[symbol]
    flat = basis.changes.reshape(basis.size, 9)
    assert np.linalg.matrix_rank(flat, tol=1e-6 * np.abs(flat).max()) == basis.size


@pytest.mark.parametrize("symbol", CELLS)
def test_no_strain_is_the_cell_itself(symbol: str) -> None:
    basis = strain_basis(make_structure(symbol))
    nothing = np.zeros(basis.size)
    cell = CELLS[symbol]
    assert basis.cell(nothing).parameters == pytest.approx(cell.parameters, rel=1e-12)
    assert basis.volume(nothing) == pytest.approx(cell.volume, rel=1e-12)


@pytest.mark.parametrize("symbol", CELLS)
def test_strained_cells_keep_their_symmetry(symbol: str) -> None:
    structure = make_structure(symbol)
    basis = strain_basis(structure)
    strains = np.random.default_rng(5).normal(0.0, 8.0, basis.size)
    cell = basis.cell(strains)
    metric = cell.metric
    for triplet in structure.operations:
        rotation = np.array(gemmi.Op(triplet).rot) / gemmi.Op.DEN
        assert rotation.T @ metric @ rotation == pytest.approx(metric, abs=1e-9)
    changed = np.array(cell.parameters) / np.array(CELLS[symbol].parameters)
    assert np.abs(changed - 1.0).max() > 1e-3
    assert basis.volume(strains) == pytest.approx(cell.volume, rel=1e-12)


@pytest.mark.parametrize("symbol", CELLS)
def test_isotropic_strain_scales_lengths_alone(symbol: str) -> None:
    basis = strain_basis(make_structure(symbol))
    direction = basis.isotropic()
    assert np.abs(direction).max() == pytest.approx(1.0)
    cell = basis.cell(5.0 * direction)
    start = CELLS[symbol].parameters
    ratios = np.array(cell.parameters[:3]) / start[:3]
    # e gives 1/d^2 a factor 1 - 2e: lengths grow by (1 - 2e)^-1/2.
    assert ratios == pytest.approx(np.full(3, (1.0 - 0.01) ** -0.5), rel=1e-9)
    assert cell.parameters[3:] == pytest.approx(start[3:], rel=1e-9)


def test_a_unit_strain_is_a_thousandth_of_a_length() -> None:
    structure = make_structure("P n m a")
    basis = strain_basis(structure)
    for k in range(3):
        strains = np.zeros(3)
        strains[k] = 1.0
        ratios = np.array(basis.cell(strains).parameters[:3]) / [6.7, 7.1, 9.8]
        assert np.sort(ratios - 1.0) == pytest.approx([0.0, 0.0, 1e-3], abs=2e-6)
    assert STRAIN_UNIT == 1e-3


def test_any_cell_of_the_same_symmetry_is_within_reach() -> None:
    """Strains span all cells of the system: solve for one, and arrive there."""
    structure = make_structure("P -1")
    basis = strain_basis(structure)
    wanted = replace(CELLS["P -1"], a=6.13, b=7.18, c=8.95, alpha=83.4, gamma=94.8)
    change = np.linalg.inv(wanted.metric) - basis.reciprocal_metric
    rows = basis.changes.reshape(6, 9).T * STRAIN_UNIT
    strains = np.linalg.lstsq(rows, change.ravel(), rcond=None)[0]
    assert basis.cell(strains).parameters == pytest.approx(wanted.parameters, rel=1e-10)
