"""Cells through symmetry-adapted strains of the reciprocal metric."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from structkit.structures.crystal import Cell, CrystalStructure

Floats = NDArray[np.float64]
STRAIN_UNIT = 1e-3
"""Strains are counted in 1e-3: 1 is a relative change of 0.1 per cent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrainBasis:
    """Independent strains that keep the symmetry of a starting cell.

    With ``B`` the Cartesian form of the reciprocal cell, a strain ``e`` gives the
    reciprocal metric ``B'(1 - 2 sum e_k E_k)B``: linear in ``e``, so that
    ``1/d^2`` is too.
    """

    reciprocal_metric: Floats
    """Starting metric, shape (3, 3), 1/angstrom^2."""
    changes: Floats
    """Change of the metric per unit strain, shape (n_strains, 3, 3)."""

    @property
    def size(self) -> int:
        """Return the number of independent strains."""
        return int(self.changes.shape[0])

    def isotropic(self) -> Floats:
        """Return the strains that change all lengths alike, largest component 1."""
        rows = self.changes.reshape(self.size, 9).T
        wanted = -2.0 * self.reciprocal_metric.reshape(9)
        found = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        return np.asarray(found / np.abs(found).max())

    def metric(self, strains: Floats) -> Floats:
        """Return the reciprocal metric at ``strains`` (units of 1e-3)."""
        change = np.einsum("k,kij->ij", strains * STRAIN_UNIT, self.changes)
        return np.asarray(self.reciprocal_metric + change)

    def cell(self, strains: Floats) -> Cell:
        """Return the cell at ``strains`` (units of 1e-3)."""
        direct = np.asarray(np.linalg.inv(self.metric(strains)), dtype=float)
        return Cell.from_metric(direct)

    def volume(self, strains: Floats) -> float:
        """Return the cell volume at ``strains`` in cubic angstrom."""
        return float(1.0 / np.sqrt(np.linalg.det(self.metric(strains))))


def strain_basis(structure: CrystalStructure) -> StrainBasis:
    """Return the symmetry-adapted strains of a structure's cell.

    Triclinic cells have 6, monoclinic 4, orthorhombic 3, tetragonal, hexagonal and
    trigonal 2, cubic 1; each strain has the size of a relative length change.
    """
    metric = np.asarray(np.linalg.inv(structure.cell.metric), dtype=float)
    cartesian = np.linalg.cholesky(metric).T
    inverse = np.linalg.inv(cartesian)
    unique = {
        tuple(np.ravel(gemmi.Op(triplet).rot)) for triplet in structure.operations
    }
    rotations = [
        cartesian @ (np.reshape(rotation, (3, 3)) / gemmi.Op.DEN).T @ inverse
        for rotation in unique
    ]
    basis: list[Floats] = []
    for first, second in ((0, 0), (1, 1), (2, 2), (0, 2), (0, 1), (1, 2)):
        strain = np.zeros((3, 3))
        strain[first, second] = strain[second, first] = 1.0
        mean = np.mean([r.T @ strain @ r for r in rotations], axis=0)
        for known in basis:
            mean = mean - known * np.sum(mean * known) / np.sum(known * known)
        if np.abs(mean).max() > 1e-6:
            basis.append(mean / np.abs(mean).max())
    changes = np.array([-2.0 * cartesian.T @ strain @ cartesian for strain in basis])
    return StrainBasis(reciprocal_metric=metric, changes=changes)
