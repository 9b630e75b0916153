"""Modes of crystals of point group 2/m."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from structkit.errors import StructureError
from structkit.raman.factor_group import count_modes

IDENTITY = np.eye(3)
TWO_FOLD = np.diag([-1.0, 1.0, -1.0])
ROTATIONS = np.array([IDENTITY, TWO_FOLD, -IDENTITY, -TWO_FOLD])
P21_N = np.array([[0.0, 0.0, 0.0], [0.5] * 3, [0.0, 0.0, 0.0], [0.5] * 3])
P21_C = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5]] * 2)
P2_M = np.zeros((4, 3))


def fill_cell(sites: NDArray[np.float64], shifts: NDArray[np.float64]) -> NDArray:
    """Return every atom of the cell once, of sites on whatever position."""
    operations = list(zip(ROTATIONS, shifts, strict=True))
    images = [site @ r.T + t for site in sites for r, t in operations]
    cell: list[NDArray[np.float64]] = []
    for image in np.mod(images, 1.0):
        gaps = [image - atom - np.rint(image - atom) for atom in cell]
        if not any(np.allclose(gap, 0.0, atol=1e-6) for gap in gaps):
            cell.append(image)
    return np.array(cell)


def count_slowly(shifts: NDArray[np.float64], atoms: NDArray) -> dict[str, int]:
    """Return the ranks of the projectors onto each representation."""
    size = len(atoms)
    matrices = []
    for rotation, shift in zip(ROTATIONS, shifts, strict=True):
        matrix = np.zeros((3 * size, 3 * size))
        for old, new in itertools.product(range(size), repeat=2):
            gap = rotation @ atoms[old] + shift - atoms[new]
            if np.allclose(gap, np.rint(gap), atol=1e-6):
                matrix[3 * new : 3 * new + 3, 3 * old : 3 * old + 3] = rotation
        matrices.append(matrix)
    signs = {"Ag": (1, 1), "Bg": (-1, 1), "Au": (1, -1), "Bu": (-1, -1)}
    ranks = {}
    for label, (two, inversion) in signs.items():
        characters = (1, two, inversion, two * inversion)
        projector = sum(c * m for c, m in zip(characters, matrices, strict=True)) / 4
        ranks[label] = int(np.linalg.matrix_rank(projector))
    return ranks


def general_sites(count: int) -> NDArray[np.float64]:
    return np.random.default_rng(7).uniform(0.05, 0.45, (count, 3))


def test_sodium_hexachlorotantalate_has_48_raman_modes() -> None:
    atoms = fill_cell(general_sites(8), P21_N)
    counts = count_modes(ROTATIONS, P21_N, atoms)
    assert counts == dict.fromkeys(("Ag", "Bg", "Au", "Bu"), 24)
    assert sum(counts.values()) == 3 * len(atoms) == 96


def test_monoclinic_zirconia_has_the_published_modes() -> None:
    """9 Ag + 9 Bg + 9 Au + 9 Bu, P2_1/c with three atoms on general positions.

    Vibrational Spectroscopic Imaging for Biomedical Applications, eq. 10.3.
    """
    atoms = fill_cell(general_sites(3), P21_C)
    counts = count_modes(ROTATIONS, P21_C, atoms)
    assert counts == dict.fromkeys(("Ag", "Bg", "Au", "Bu"), 9)


@pytest.mark.parametrize("shifts", [P21_N, P21_C, P2_M], ids=["P21/n", "P21/c", "P2/m"])
@pytest.mark.parametrize(
    "special",
    [[], [[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.2, 0.5, 0.3]]],
    ids=["general", "inversion", "several"],
)
def test_counts_are_the_ranks_of_projectors(
    shifts: NDArray[np.float64], special: list[list[float]]
) -> None:
    sites = np.concatenate([general_sites(2), np.reshape(special, (-1, 3))])
    atoms = fill_cell(sites, shifts)
    counts = count_modes(ROTATIONS, shifts, atoms)
    assert counts == count_slowly(shifts, atoms)
    assert sum(counts.values()) == 3 * len(atoms)


def test_what_is_no_crystal_of_this_group_is_refused() -> None:
    atoms = fill_cell(general_sites(1), P21_N)
    with pytest.raises(StructureError, match="not the four of 2/m"):
        count_modes(ROTATIONS[[0, 1, 2, 2]], P21_N, atoms)
    with pytest.raises(StructureError, match="not the four of 2/m"):
        count_modes(ROTATIONS[:2], P21_N[:2], atoms)
    with pytest.raises(StructureError, match="to where none is"):
        count_modes(ROTATIONS, P21_N, atoms[:3])
