"""A crystal structure as every part of structkit passes it around."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

Origin = Literal["measured", "computed", "user"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Unit-cell lengths (angstrom) and angles (degree)."""

    a: float
    b: float
    c: float
    alpha: float = 90.0
    beta: float = 90.0
    gamma: float = 90.0

    @property
    def parameters(self) -> tuple[float, float, float, float, float, float]:
        """Return ``(a, b, c, alpha, beta, gamma)`` in angstrom and degree."""
        return (self.a, self.b, self.c, self.alpha, self.beta, self.gamma)

    @property
    def metric(self) -> NDArray[np.float64]:
        """Return the direct metric tensor, shape (3, 3), in angstrom squared."""
        a, b, c, alpha, beta, gamma = self.parameters
        cos_alpha, cos_beta, cos_gamma = (
            0.0 if angle == 90.0 else math.cos(math.radians(angle))
            for angle in (alpha, beta, gamma)
        )
        return np.array(
            [
                [a * a, a * b * cos_gamma, a * c * cos_beta],
                [a * b * cos_gamma, b * b, b * c * cos_alpha],
                [a * c * cos_beta, b * c * cos_alpha, c * c],
            ]
        )

    @property
    def volume(self) -> float:
        """Return the cell volume in cubic angstrom."""
        return math.sqrt(float(np.linalg.det(self.metric)))

    @classmethod
    def from_metric(cls, metric: NDArray[np.float64]) -> Cell:
        """Return the cell of a direct metric tensor (angstrom squared)."""
        a, b, c = (math.sqrt(metric[i, i]) for i in range(3))
        cosines = metric[1, 2] / (b * c), metric[0, 2] / (a * c), metric[0, 1] / (a * b)
        alpha, beta, gamma = (math.degrees(math.acos(cosine)) for cosine in cosines)
        return cls(a=a, b=b, c=c, alpha=alpha, beta=beta, gamma=gamma)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One atom of the asymmetric unit."""

    label: str
    """Name as the CIF gives it, ``Cl1``."""
    element: str
    """Element symbol without charge, ``Cl``."""
    position: tuple[float, float, float]
    """Fractional coordinates, snapped to special positions."""
    occupancy: float
    """Share of the position that is filled, in (0, 1]."""
    u_iso: float
    """Isotropic displacement parameter in angstrom squared (B = 8 pi^2 U)."""
    multiplicity: int
    """Number of equivalent positions in the cell."""

    @property
    def b_iso(self) -> float:
        """Return B = 8 pi^2 U in angstrom squared."""
        return 8.0 * math.pi**2 * self.u_iso

    def with_u_iso(self, u_iso: float) -> Site:
        """Return the same atom with another ``u_iso`` (angstrom squared)."""
        return replace(self, u_iso=u_iso)


@dataclass(frozen=True, kw_only=True)
class CrystalStructure:
    """A phase: cell, symmetry, atoms, and where all that comes from."""

    name: str
    """Name by which plans and tables call the phase."""
    formula: str
    """Reduced formula, ``NaTaCl6``."""
    formula_units: int
    """Formula units in the cell, Z."""
    space_group: str
    """Hermann-Mauguin symbol with its setting, ``P 1 21/n 1``."""
    space_group_number: int
    """Number in International Tables A, 1..230; 0 when the operations are unknown."""
    operations: tuple[str, ...]
    """All symmetry operations as xyz triplets, centring included."""
    cell: Cell
    """Unit cell."""
    sites: tuple[Site, ...]
    """Atoms of the asymmetric unit."""
    origin: Origin = "user"
    """Whether the numbers were measured, computed, or brought by the user."""
    source: str = ""
    """Reference in words."""
    doi: str = ""
    """DOI of the reference, where there is one."""
    remarks: tuple[str, ...] = field(default=())
    """What is uncertain, and what the reader repaired, in sentences."""
    common_names: tuple[str, ...] = field(default=())
    """Mineral and trade names, ``halite``."""
    path: str = ""
    """File it was read from."""

    @cached_property
    def atom_counts(self) -> dict[str, float]:
        """Return the atoms in the cell by element, occupancy counted in."""
        counts: dict[str, float] = {}
        for site in self.sites:
            atoms = site.occupancy * site.multiplicity
            counts[site.element] = counts.get(site.element, 0.0) + atoms
        return counts

    @cached_property
    def cell_mass(self) -> float:
        """Return the mass of the cell's atoms in g/mol."""
        import gemmi

        return sum(
            count * gemmi.Element(element).weight
            for element, count in self.atom_counts.items()
        )

    @property
    def density(self) -> float:
        """Return the X-ray density in g/cm3."""
        return self.cell_mass / (self.cell.volume * 0.602214076)

    def with_cell(self, cell: Cell) -> CrystalStructure:
        """Return the same structure with another cell."""
        return replace(self, cell=cell)

    def with_remarks(self, remarks: Iterable[str]) -> CrystalStructure:
        """Return the same structure with other remarks."""
        return replace(self, remarks=tuple(remarks))

    @cached_property
    def structure(self) -> Structure:
        """Return the pymatgen ``Structure`` (imported on first use)."""
        from structkit.structures.cif import to_pymatgen

        return to_pymatgen(self)
