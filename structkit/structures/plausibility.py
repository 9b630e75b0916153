"""Checks that a structure does not contradict itself, whatever file it is from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from structkit.errors import StructureError
from structkit.structures.composition import (
    format_formula,
    parse_formula,
    reduce_formula,
)
from structkit.structures.crystal import Cell, CrystalStructure, Site
from structkit.structures.symmetry import (
    SymmetryOperations,
    equivalent_positions,
    symmetrize_metric,
)

OCCUPANCY_LIMIT = 1.02
"""Most that the atoms on one position may add up to."""
DENSITY_RANGE = (0.3, 25.0)
"""Plausible densities, g/cm3: lighter than any dense solid, heavier than osmium."""
COUNT_TOLERANCE = 0.02
"""Relative difference of atom counts that rounding of occupancies explains."""
CELL_TOLERANCE = 2e-3
"""Relative change of the metric tensor by which symmetry may be broken."""
VOLUME_TOLERANCE = 0.01
"""Relative difference to the file's volume or density that earns a remark."""

SHORTEST_DISTANCE = 0.5
"""Closest that two atoms may come, angstrom (H-H: 0.74)."""
_SHARED = 1e-3


def obey_symmetry(
    cell: Cell,
    operations: SymmetryOperations,
    remarks: list[str],
    *,
    system: str,
) -> Cell:
    """Return the cell as its symmetry demands it; refuse one that contradicts it.

    Parameters
    ----------
    cell : Cell
        As stated.
    operations : SymmetryOperations
        Of the space group.
    remarks : list of str
        Is added to.
    system : str
        Name of the crystal system, for the message.
    """
    metric, deviation = symmetrize_metric(cell.metric, operations)
    if deviation < 1e-12:
        return cell
    symmetric = _tidy(Cell.from_metric(metric))
    if deviation > CELL_TOLERANCE:
        raise StructureError(
            f"cell {_show(cell)} contradicts its {system} symmetry, which asks for "
            f"{_show(symmetric)}; correct the cell or the space group"
        )
    if deviation > 1e-6:
        remarks.append(f"cell made to obey its symmetry: {_show(symmetric)}")
    return symmetric


def _tidy(cell: Cell) -> Cell:
    """Remove rounding noise from a cell, so that right angles are exactly right."""
    a, b, c, alpha, beta, gamma = (round(value, 9) for value in cell.parameters)
    return Cell(a=a, b=b, c=c, alpha=alpha, beta=beta, gamma=gamma)


def _show(cell: Cell) -> str:
    return " ".join(f"{value:.6g}" for value in cell.parameters)


def group_shared(
    sites: Iterable[Site], operations: SymmetryOperations
) -> list[list[Site]]:
    """Group the sites that stand on one and the same position."""
    listed = list(sites)
    positions = np.array([site.position for site in listed])
    free = np.ones(len(listed), dtype=bool)
    groups: list[list[Site]] = []
    for index, site in enumerate(listed):
        if free[index]:
            images = operations.images(site.position)
            members = [int(k) for k in np.flatnonzero(free) if k >= index]
            offsets = images[None] - positions[members][:, None]
            offsets -= np.round(offsets)
            near = (np.abs(offsets).max(axis=2) < _SHARED).any(axis=1)
            together = [k for k, same in zip(members, near, strict=True) if same]
            free[together] = False
            groups.append([listed[k] for k in together])
    return groups


def check_occupancies(sites: tuple[Site, ...], operations: SymmetryOperations) -> None:
    """Refuse positions that hold more than one atom."""
    for shared in group_shared(sites, operations):
        total = sum(site.occupancy for site in shared)
        if total > OCCUPANCY_LIMIT:
            labels = join_names([site.label for site in shared])
            raise StructureError(
                f"{labels} share one position with a total occupancy of {total:.3g}; "
                "remove a duplicate or correct the occupancies"
            )


def count_atoms(sites: Iterable[Site]) -> dict[str, float]:
    """Return the atoms in the cell by element."""
    counts: dict[str, float] = {}
    for site in sites:
        atoms = site.occupancy * site.multiplicity
        counts[site.element] = counts.get(site.element, 0.0) + atoms
    return counts


def check_formula(
    counts: dict[str, float],
    remarks: list[str],
    *,
    stated: str,
    stated_units: float,
) -> tuple[str, int]:
    """Compare the atoms in the cell with the stated formula and Z.

    Parameters
    ----------
    counts : dict of str to float
        Atoms in the cell by element.
    remarks : list of str
        Is added to.
    stated : str
        Formula; empty when unknown. Some programs write that of the whole cell.
    stated_units : float
        Z; NaN when unknown.

    Returns
    -------
    formula : str
        Formula of one unit.
    formula_units : int
        Units in the cell.
    """
    unit, units = reduce_formula(counts)
    if not stated:
        remarks.append("the file states no formula to check the atoms against")
        return format_formula(unit), units
    formula = parse_formula(stated)
    _leave_out_hydrogen(formula, counts, remarks)
    ratio = sum(counts.values()) / sum(formula.values())
    found = " ".join(f"{element}{count:g}" for element, count in counts.items())
    if not _agree(counts, formula, ratio):
        raise StructureError(
            f"the atoms in the cell ({found}) contradict the formula {stated!r}; "
            "check positions, occupancies and symmetry"
        )
    per_cell = abs(ratio - 1.0) < COUNT_TOLERANCE
    # Comparisons with NaN are false: an unknown Z contradicts nothing.
    if not per_cell and abs(ratio / stated_units - 1.0) > COUNT_TOLERANCE:
        raise StructureError(
            f"the atoms in the cell ({found}) make {ratio:g} units of {stated!r}, "
            f"the file states Z = {stated_units:g}; correct one of them"
        )
    unit, divisor = reduce_formula(formula)
    return format_formula(unit), max(1, round(ratio * divisor))


def _agree(counts: dict[str, float], formula: dict[str, float], ratio: float) -> bool:
    """Return whether the counts are ``ratio`` times the formula, within rounding."""
    elements = counts.keys() | formula.keys()
    return all(
        abs(counts.get(element, 0.0) - ratio * formula.get(element, 0.0))
        <= COUNT_TOLERANCE * max(ratio * formula.get(element, 0.0), 1.0)
        for element in elements
    )


def _leave_out_hydrogen(
    formula: dict[str, float], counts: dict[str, float], remarks: list[str]
) -> None:
    """Drop hydrogen from the formula where the file does not place it."""
    if "H" in formula and "H" not in counts and len(formula) > 1:
        del formula["H"]
        remarks.append(
            "hydrogen is in the formula but has no positions: the cell's mass lacks it"
        )


def check_density(
    crystal: CrystalStructure,
    remarks: list[str],
    *,
    stated_volume: float,
    stated_density: float,
) -> None:
    """Refuse an impossible density; remark on volume or density that differ.

    Parameters
    ----------
    crystal : CrystalStructure
        Structure.
    remarks : list of str
        Is added to.
    stated_volume, stated_density : float
        Of the file, in **cubic angstrom** and **g/cm3**; NaN when unknown.
    """
    density = crystal.density
    if not DENSITY_RANGE[0] <= density <= DENSITY_RANGE[1]:
        raise StructureError(
            f"density {density:.3g} g/cm3 is outside {DENSITY_RANGE[0]:g} to "
            f"{DENSITY_RANGE[1]:g}; check cell and positions (angstrom, not nm or pm)"
        )
    for stated, value, what in (
        (stated_volume, crystal.cell.volume, "volume"),
        (stated_density, density, "density"),
    ):
        if stated > 0.0 and abs(value / stated - 1.0) > VOLUME_TOLERANCE:
            remarks.append(
                f"the file states {what} {stated:g}, its contents give {value:.5g}"
            )


def check_distances(
    sites: tuple[Site, ...], cell: Cell, operations: SymmetryOperations
) -> None:
    """Refuse atoms that are closer than any bond.

    Sites that may be alternatives (occupancies adding up to 1 at most) are let be.

    Raises
    ------
    StructureError
        Names both atoms and their distance; usually the setting, the origin or the
        cell is wrong.
    """
    cells = [equivalent_positions(site.position, operations) for site in sites]
    owners = np.repeat(np.arange(len(sites)), [len(part) for part in cells])
    positions = np.concatenate(cells)
    metric = cell.metric
    filled = np.array([site.occupancy for site in sites])
    for site in sites:
        offsets = positions - np.array(site.position)
        offsets -= np.round(offsets)
        squared = np.einsum("ni,ij,nj->n", offsets, metric, offsets)
        both = site.occupancy + filled[owners]
        apart = (np.abs(offsets).max(axis=1) > _SHARED) & (both > OCCUPANCY_LIMIT)
        close = np.flatnonzero(apart & (squared < SHORTEST_DISTANCE**2))
        if close.size:
            other = sites[owners[close[0]]]
            distance = float(np.sqrt(squared[close[0]]))
            raise StructureError(
                f"atoms {site.label} and {other.label} are {distance:.2f} angstrom "
                "apart; check the setting, the origin and the cell"
            )


def join_names(names: list[str]) -> str:
    """Join names, at most six of them."""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
