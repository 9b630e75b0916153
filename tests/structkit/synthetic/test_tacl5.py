"""The idealised TaCl5 is what its description says, and says that it is idealised."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from structkit.structures import library
from structkit.structures.cif import read_cif
from structkit.structures.crystal import CrystalStructure
from structkit.structures.symmetry import equivalent_positions, parse_operations
from structkit.synthetic.scattering import list_reflections
from structkit.synthetic.tacl5 import (
    BRIDGING,
    DENSITY,
    FILE_NAME,
    PAIR,
    TERMINAL,
    idealised_tacl5,
    write_tacl5,
)

# coordinates are written with eight digits
LENGTH_TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def crystal(tmp_path_factory: pytest.TempPathFactory) -> CrystalStructure:
    return read_cif(write_tacl5(tmp_path_factory.mktemp("cif")))


def distances(crystal: CrystalStructure, first: str, second: str) -> np.ndarray:
    """Return all distances from atoms of one element, shape (n_atoms, n_others)."""
    operations = parse_operations(crystal.operations)
    atoms: dict[str, list[np.ndarray]] = {}
    for site in crystal.sites:
        images = equivalent_positions(site.position, operations)
        atoms.setdefault(site.element, []).extend(images)
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    step = np.array(atoms[first])[:, None, None] - np.array(atoms[second])[:, None]
    step = step + shifts
    squared = np.einsum("nmsi,ij,nmsj->nms", step, crystal.cell.metric, step)
    return np.sort(np.sqrt(np.maximum(squared, 0.0)).reshape(len(step), -1), axis=1)


def test_file_is_read_without_remarks_but_its_own(crystal: CrystalStructure) -> None:
    assert (crystal.formula, crystal.formula_units) == ("TaCl5", 12)
    assert crystal.space_group_number == 12
    assert sum(crystal.atom_counts.values()) == 72.0  # mS72
    assert crystal.density == pytest.approx(DENSITY, rel=1e-4)
    assert crystal.origin == "computed"
    assert len(crystal.remarks) == 1
    for text in (crystal.remarks[0], crystal.source):
        assert "idealised stand-in, not a measured structure" in text.lower()


def test_each_tantalum_has_four_chlorine_and_shares_two(
    crystal: CrystalStructure,
) -> None:
    bonds = distances(crystal, "Ta", "Cl")
    np.testing.assert_allclose(bonds[:, :4], TERMINAL, atol=LENGTH_TOLERANCE)
    np.testing.assert_allclose(bonds[:, 4:6], BRIDGING, atol=LENGTH_TOLERANCE)
    assert bonds[:, 6].min() > 4.0
    assert 2.2 < bonds[:, :6].min() < bonds[:, :6].max() < 2.6


def test_tantalum_comes_in_pairs(crystal: CrystalStructure) -> None:
    apart = distances(crystal, "Ta", "Ta")[:, 1:]
    np.testing.assert_allclose(apart[:, 0], PAIR, atol=LENGTH_TOLERANCE)
    assert apart[:, 1].min() > 5.5


def test_chlorine_is_close_packed(crystal: CrystalStructure) -> None:
    neighbours = distances(crystal, "Cl", "Cl")[:, 1:]
    assert neighbours.min() > 3.1
    # twelve neighbours, and a gap before the next, though molecules drew together
    assert neighbours[:, :12].mean() == pytest.approx(3.6, abs=0.1)
    assert neighbours[:, 12].mean() > 4.5


def test_strongest_line_is_of_the_molecular_layers() -> None:
    lines = list_reflections(idealised_tacl5(), d_min=2.0, wavelength=1.5406)
    sine = 0.5 * 1.5406 / lines.d_spacing
    area = lines.strength / (sine**2 * np.sqrt(1.0 - sine**2))
    strongest = 2.0 * np.degrees(np.arcsin(sine[np.argmax(area)]))
    assert 13.0 < strongest < 18.0


def test_it_stays_out_of_the_library(tmp_path: Path) -> None:
    assert not any(entry.path for entry in library.find("TaCl5"))
    assert write_tacl5(tmp_path) == tmp_path / FILE_NAME
