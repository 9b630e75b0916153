"""Cell and symmetry of a CIF block."""

from __future__ import annotations

import math

import gemmi
import numpy as np

from structkit.errors import StructureError
from structkit.structures.cif_block import find_string, find_strings, parse_number
from structkit.structures.crystal import Cell
from structkit.structures.symmetry import parse_operations

_CELL_TAGS = (
    "_cell_length_a",
    "_cell_length_b",
    "_cell_length_c",
    "_cell_angle_alpha",
    "_cell_angle_beta",
    "_cell_angle_gamma",
)
_OPERATION_TAGS = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop.operation_xyz",
)
_HALL_TAGS = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
HM_TAGS = (
    "_space_group_name_H-M_alt",
    "_symmetry_space_group_name_H-M",
    "_space_group_name_H-M_full",
)
_NUMBER_TAGS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")


def read_cell(block: gemmi.cif.Block) -> Cell:
    """Return the cell; angles default to 90 degrees as the CIF dictionary says."""
    values = [parse_number(find_string(block, (tag,)) or "?") for tag in _CELL_TAGS]
    for index in range(3, 6):
        if math.isnan(values[index]):
            values[index] = 90.0
    for tag, value in zip(_CELL_TAGS, values, strict=True):
        limit = 180.0 if "angle" in tag else 1000.0
        if not 1.0 < value < limit:
            raise StructureError(f"{tag} is missing or not plausible ({value:g})")
    a, b, c, alpha, beta, gamma = values
    cell = Cell(a=a, b=b, c=c, alpha=alpha, beta=beta, gamma=gamma)
    if np.linalg.det(cell.metric) <= 0.0:
        raise StructureError("the cell angles span no volume; check them")
    return cell


def read_symmetry(
    block: gemmi.cif.Block, cell: Cell, remarks: list[str]
) -> tuple[tuple[str, ...], gemmi.SpaceGroup | None]:
    """Return all operations, and the space group where it is a tabulated setting."""
    named = _named_group(block, cell)
    triplets = find_strings(block, _OPERATION_TAGS)
    hall = find_string(block, _HALL_TAGS)
    if triplets:
        group_ops = _group_of(triplets, remarks)
    elif hall:
        group_ops = _group_of_hall(hall)
    elif named is not None:
        group_ops = named.operations()
        remarks.append(f"operations taken from the space group {named.xhm()}")
        if named.ext == "2" and ":2" not in find_string(block, HM_TAGS):
            remarks.append("the origin is not stated: origin choice 2 assumed")
    else:
        raise StructureError(
            "the file has no symmetry; add _space_group_name_H-M_alt or the loop "
            "_space_group_symop_operation_xyz ('x,y,z' alone means P 1)"
        )
    group: gemmi.SpaceGroup | None = gemmi.find_spacegroup_by_ops(group_ops)
    if group is not None and named is not None and group.number != named.number:
        remarks.append(
            f"the operations are those of {group.xhm()}, not of {named.xhm()} as "
            "stated; the operations were used"
        )
    return tuple(op.triplet() for op in group_ops), group


def _named_group(block: gemmi.cif.Block, cell: Cell) -> gemmi.SpaceGroup | None:
    """Return the space group by symbol, or by number; origin 2, hexagonal axes."""
    symbol = find_string(block, HM_TAGS).replace("_", "")
    if symbol:
        group = gemmi.find_spacegroup_by_name(
            symbol, cell.alpha, cell.gamma, prefer="2H"
        )
        if group is not None:
            return group
    number = number_in_tables(block)
    return gemmi.find_spacegroup_by_number(number) if number else None


def number_in_tables(block: gemmi.cif.Block) -> int:
    """Return the space-group number that the file states, or 0."""
    number = parse_number(find_string(block, _NUMBER_TAGS) or "?")
    return int(number) if 1.0 <= number <= 230.0 else 0


def _group_of(triplets: tuple[str, ...], remarks: list[str]) -> gemmi.GroupOps:
    """Return the group that the triplets form, completed where they do not."""
    parse_operations(triplets)
    group_ops = gemmi.GroupOps([gemmi.Op(triplet) for triplet in triplets])
    before = len(group_ops)
    group_ops.add_missing_elements()
    if len(group_ops) != before:
        remarks.append(
            f"{before} symmetry operations given, completed to {len(group_ops)}"
        )
    return group_ops


def _group_of_hall(hall: str) -> gemmi.GroupOps:
    """Return the operations of a Hall symbol."""
    try:
        return gemmi.symops_from_hall(hall)
    except (RuntimeError, ValueError) as error:
        raise StructureError(
            f"Hall symbol {hall!r} cannot be read; add the operations"
        ) from error
