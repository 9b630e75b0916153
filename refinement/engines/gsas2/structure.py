"""Hand a structure to GSAS-II so that it cannot be misread, and see that it was not.

GSAS-II places centrosymmetric groups at the centre (origin choice 2) and reads atom
types by their letters: ``Na+`` becomes nitrogen, ``Cl-`` carbon. So the CIF is
written anew, in its setting, with neutral symbols, and what comes back is compared:
elements, atom counts, symmetry operations.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import gemmi
import numpy as np

from structkit.errors import PlanError
from structkit.structures.crystal import CrystalStructure

Operation = tuple[tuple[int, ...], tuple[int, ...]]
_GRID = 24
"""Translations are counted in parts of 1/24."""
_COUNT_TOLERANCE = 0.02


def to_gsas2_setting(structure: CrystalStructure) -> CrystalStructure:
    """Return the structure with its origin where GSAS-II expects it.

    Raises
    ------
    PlanError
        When no tabulated space group has its operations.
    """
    operations = gemmi.GroupOps([gemmi.Op(text) for text in structure.operations])
    # gemmi's own annotation leaves out that it may find none.
    group = cast(Any, gemmi.find_spacegroup_by_ops(operations))
    if group is None:
        raise PlanError(
            f"phases: {structure.name}: its symmetry operations are those of no "
            "tabulated space group; GSAS-II needs one: write the CIF in a standard "
            "setting"
        )
    symbol = f"{group.hm} R" if group.ext == "R" else group.hm
    if group.ext != "1":
        return replace(structure, space_group=symbol)
    centred = gemmi.find_spacegroup_by_name(f"{group.hm}:2").operations()
    shift = _find_shift(operations, centred)
    if shift is None:
        raise PlanError(
            f"phases: {structure.name}: {group.hm} with origin choice 1 could not be "
            "moved to the centre, as GSAS-II needs it; write the CIF with choice 2"
        )
    return _move(structure, shift, symbol)


def origin_shift(structure: CrystalStructure) -> tuple[float, float, float]:
    """Return by how much :func:`to_gsas2_setting` moves the atoms."""
    operations = gemmi.GroupOps([gemmi.Op(text) for text in structure.operations])
    group = gemmi.find_spacegroup_by_ops(operations)
    if group.ext != "1":
        return (0.0, 0.0, 0.0)
    centred = gemmi.find_spacegroup_by_name(f"{group.hm}:2").operations()
    return _find_shift(operations, centred) or (0.0, 0.0, 0.0)


def _find_shift(
    own: gemmi.GroupOps, wanted: gemmi.GroupOps
) -> tuple[float, float, float] | None:
    """Return the shift of the origin that turns one group into the other."""
    target = _as_set(wanted)
    sources = list(own)
    for steps in itertools.product(range(0, _GRID, 3), repeat=3):
        if {_conjugate(op, steps) for op in sources} == target:
            a, b, c = (step / _GRID for step in steps)
            return a, b, c
    return None


def _as_set(group: Iterable[gemmi.Op]) -> set[Operation]:
    return {_conjugate(op, (0, 0, 0)) for op in group}


def _conjugate(operation: gemmi.Op, steps: tuple[int, ...]) -> Operation:
    """Return an operation after the origin moved: x' = x + steps / 24."""
    turn = np.asarray(operation.rot, dtype=int) // gemmi.Op.DEN
    shift = np.asarray(operation.tran, dtype=int) * _GRID // gemmi.Op.DEN
    moved = (shift + np.asarray(steps) - turn @ np.asarray(steps)) % _GRID
    return tuple(turn.ravel().tolist()), tuple(moved.tolist())


def _move(
    structure: CrystalStructure, shift: tuple[float, float, float], symbol: str
) -> CrystalStructure:
    a, b, c = shift
    sites = tuple(
        replace(
            site,
            position=(
                (site.position[0] + a) % 1.0,
                (site.position[1] + b) % 1.0,
                (site.position[2] + c) % 1.0,
            ),
        )
        for site in structure.sites
    )
    operations = []
    for text in structure.operations:
        turn, moved = _conjugate(gemmi.Op(text), tuple(round(_GRID * s) for s in shift))
        operation = gemmi.Op(text)
        operation.rot = (np.reshape(turn, (3, 3)) * gemmi.Op.DEN).tolist()
        operation.tran = [part * gemmi.Op.DEN // _GRID for part in moved]
        operations.append(operation.triplet())
    return replace(
        structure, sites=sites, operations=tuple(operations), space_group=symbol
    )


def compare_import(structure: CrystalStructure, described: Mapping[str, Any]) -> None:
    """Compare a structure with what GSAS-II understood of its CIF.

    Parameters
    ----------
    structure : CrystalStructure
        In GSAS-II's setting.
    described : mapping
        ``elements`` (atoms in the cell by type), ``operations``, ``centring`` and
        ``inversion`` as the worker reports them.

    Raises
    ------
    PlanError
        When elements, atom counts or symmetry differ; the message shows both.
    """
    found: dict[str, float] = {}
    for kind, count in described["elements"].items():
        element = "".join(itertools.takewhile(str.isalpha, str(kind)))
        found[element] = found.get(element, 0.0) + float(count)
    wanted = structure.atom_counts
    same = set(found) == set(wanted) and all(
        abs(found[element] - count) <= _COUNT_TOLERANCE * max(count, 1.0)
        for element, count in wanted.items()
    )
    if not same:
        raise PlanError(
            f"phases: {structure.name}: GSAS-II read {_tell(found)} in the cell where "
            f"structkit has {_tell(wanted)}; nothing was refined: look at atom types "
            "and special positions in the CIF"
        )
    own = _as_set(gemmi.Op(text) for text in structure.operations)
    if _operations_of(described) != own:
        raise PlanError(
            f"phases: {structure.name}: GSAS-II understood the space group "
            f"{structure.space_group!r} as {described.get('space_group')!r} with other "
            "symmetry operations; write the CIF in a standard setting"
        )


def _tell(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{e} {n:g}" for e, n in sorted(counts.items()))


def _operations_of(described: Mapping[str, Any]) -> set[Operation]:
    """Return all operations: those listed, times inversion, times centring."""
    found: set[Operation] = set()
    signs = (1, -1) if described["inversion"] else (1,)
    for turn, shift in described["operations"]:
        matrix = np.rint(np.asarray(turn)).astype(int)
        for sign in signs:
            for centre in described["centring"]:
                moved = sign * np.asarray(shift) + np.asarray(centre)
                steps = np.rint(moved * _GRID).astype(int) % _GRID
                found.add(
                    (tuple((sign * matrix).ravel().tolist()), tuple(steps.tolist()))
                )
    return found
