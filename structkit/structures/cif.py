"""Read a CIF into a :class:`~structkit.structures.crystal.CrystalStructure`.

What the reader repairs (special positions, missing displacement parameters) it says
in ``remarks``; what contradicts itself it refuses with a
:class:`~structkit.errors.StructureError`. Private data names of the project's own
files: ``_structkit_name``, ``_structkit_origin`` (measured, computed or user),
``_structkit_source``, ``_structkit_remark`` and ``_structkit_common_name`` (both may
be loops).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import gemmi
import numpy as np

from structkit.errors import ReadError, StructureError
from structkit.structures.composition import (
    format_formula,
    parse_formula,
    reduce_formula,
)
from structkit.structures.crystal import Cell, CrystalStructure, Origin, Site
from structkit.structures.symmetry import (
    SymmetryOperations,
    equivalent_positions,
    parse_operations,
    snap,
    symmetrize_metric,
)

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

U_ISO_DEFAULT = 0.0127
"""Displacement parameter where the file gives none, angstrom squared (B = 1.0)."""
U_ISO_SUSPECT = 0.15
"""Above this (B = 12) a displacement parameter is probably a slip."""
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

_SHARED = 1e-3

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
_HM_TAGS = (
    "_space_group_name_H-M_alt",
    "_symmetry_space_group_name_H-M",
    "_space_group_name_H-M_full",
)
_NUMBER_TAGS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
_DOI_TAGS = ("_structkit_doi", "_journal_paper_doi", "_citation_doi")
_SITE_COLUMNS = (
    "fract_x",
    "fract_y",
    "fract_z",
    "label",
    "type_symbol",
    "occupancy",
    "U_iso_or_equiv",
    "B_iso_or_equiv",
    "symmetry_multiplicity",
    "calc_flag",
)
_ANISO_AXES = ("11", "22", "33", "12", "13", "23")


def read_cif(path: str | Path, *, name: str | None = None) -> CrystalStructure:
    """Read and check the crystal structure in a CIF.

    Parameters
    ----------
    path : str or pathlib.Path
        A CIF; the first data block with atoms counts.
    name : str, optional
        Name of the phase; by default the file's ``_structkit_name``, or its stem.

    Returns
    -------
    CrystalStructure
        Lengths in **angstrom**, angles in **degree**, ``u_iso`` in **angstrom
        squared**; special positions snapped within 0.002.

    Raises
    ------
    ReadError
        When the file is absent, empty, or no CIF.
    StructureError
        When symmetry, cell or atoms are missing, an element is unknown, an occupancy
        lies outside (0, 1], atoms on one position add up to more than 1.02, the atom
        count contradicts the formula or the multiplicities, the cell contradicts the
        symmetry, or the density is not plausible.
    """
    path = Path(path)
    try:
        return _read_block(_read_document(path), path, name)
    except StructureError as error:
        message = " ".join(str(error).split())
        raise StructureError(f"{path}: {message}") from error


def to_pymatgen(crystal: CrystalStructure) -> Structure:
    """Return the whole cell as a pymatgen ``Structure``.

    Parameters
    ----------
    crystal : CrystalStructure
        Any structure.

    Returns
    -------
    pymatgen.core.structure.Structure
        Every atom of the cell, partial occupancies kept; lengths in **angstrom**,
        site property ``label``.
    """
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    operations = parse_operations(crystal.operations)
    positions: list[np.ndarray] = []
    species: list[dict[str, float]] = []
    labels: list[str] = []
    for shared in _shared_positions(crystal.sites, operations):
        filling: dict[str, float] = {}
        for site in shared:
            share = filling.get(site.element, 0.0) + site.occupancy
            filling[site.element] = min(share, 1.0)
        for position in equivalent_positions(shared[0].position, operations):
            positions.append(position)
            species.append(filling)
            labels.append("/".join(site.label for site in shared))
    lattice = Lattice.from_parameters(*crystal.cell.parameters)
    return Structure(lattice, species, positions, site_properties={"label": labels})


# --- the file -----------------------------------------------------------------------


def _read_document(path: Path) -> gemmi.cif.Block:
    """Return the first block with atoms."""
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ReadError(f"{path}: {reason}; check the path") from error
    if not content.strip():
        raise ReadError(f"{path}: the file is empty")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    try:
        document = gemmi.cif.read_string(text)
    except (RuntimeError, ValueError) as error:
        detail = " ".join(str(error).split())[:160]
        raise ReadError(f"{path}: not a CIF ({detail})") from error
    for block in document:
        if block.find_loop("_atom_site_fract_x") or block.find_loop("_atom_site_label"):
            return block
    raise StructureError(f"{path}: no atom positions (_atom_site_fract_x) in the file")


def _read_block(
    block: gemmi.cif.Block, path: Path, name: str | None
) -> CrystalStructure:
    """Build the structure of one data block and check it."""
    remarks = list(_strings(block, ("_structkit_remark",)))
    cell = _read_cell(block)
    operations, group = _read_symmetry(block, cell, remarks)
    arrays = parse_operations(operations)
    sites = _read_sites(block, cell, arrays, remarks)
    _check_occupancies(sites, arrays)
    cell = _obey_symmetry(cell, arrays, group, remarks)
    counts = _count_atoms(sites)
    formula, units = _check_formula(block, counts, remarks)
    crystal = CrystalStructure(
        name=name or _string(block, ("_structkit_name",)) or path.stem,
        formula=formula,
        formula_units=units,
        space_group=group.xhm() if group is not None else _string(block, _HM_TAGS),
        space_group_number=group.number
        if group is not None
        else _number_in_tables(block),
        operations=operations,
        cell=cell,
        sites=sites,
        origin=_read_origin(block),
        source=_read_source(block),
        doi=_string(block, _DOI_TAGS).removeprefix("https://doi.org/"),
        common_names=_read_names(block),
        path=str(path),
    )
    _check_density(block, crystal, remarks)
    return crystal.with_remarks(remarks)


def _strings(block: gemmi.cif.Block, tags: Iterable[str]) -> tuple[str, ...]:
    """Return all values of the first tag that the block has."""
    for tag in tags:
        column = block.find_values(tag)
        values = (
            " ".join(gemmi.cif.as_string(value).split())
            for value in column
            if value not in ("?", ".")
        )
        found = tuple(value for value in values if value)
        if found:
            return found
    return ()


def _string(block: gemmi.cif.Block, tags: Iterable[str]) -> str:
    """Return the first value of the first tag that the block has, or an empty one."""
    return next(iter(_strings(block, tags)), "")


def _number(text: str) -> float:
    """Return a CIF number without its esd; NaN for ``?``, ``.`` and words."""
    return float(gemmi.cif.as_number(text))


# --- cell and symmetry --------------------------------------------------------------


def _read_cell(block: gemmi.cif.Block) -> Cell:
    """Return the cell; angles default to 90 degrees as the CIF dictionary says."""
    values = [_number(_string(block, (tag,)) or "?") for tag in _CELL_TAGS]
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


def _read_symmetry(
    block: gemmi.cif.Block, cell: Cell, remarks: list[str]
) -> tuple[tuple[str, ...], gemmi.SpaceGroup | None]:
    """Return all operations, and the space group where it is a tabulated setting."""
    named = _named_group(block, cell)
    triplets = _strings(block, _OPERATION_TAGS)
    hall = _string(block, _HALL_TAGS)
    if triplets:
        group_ops = _group_of(triplets, remarks)
    elif hall:
        group_ops = _group_of_hall(hall)
    elif named is not None:
        group_ops = named.operations()
        remarks.append(f"operations taken from the space group {named.xhm()}")
        if named.ext == "2" and ":2" not in _string(block, _HM_TAGS):
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
    symbol = _string(block, _HM_TAGS).replace("_", "")
    if symbol:
        group = gemmi.find_spacegroup_by_name(
            symbol, cell.alpha, cell.gamma, prefer="2H"
        )
        if group is not None:
            return group
    number = _number_in_tables(block)
    return gemmi.find_spacegroup_by_number(number) if number else None


def _number_in_tables(block: gemmi.cif.Block) -> int:
    """Return the space-group number that the file states, or 0."""
    number = _number(_string(block, _NUMBER_TAGS) or "?")
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


def _obey_symmetry(
    cell: Cell,
    operations: SymmetryOperations,
    group: gemmi.SpaceGroup | None,
    remarks: list[str],
) -> Cell:
    """Return the cell as its symmetry demands it; refuse one that contradicts it."""
    metric, deviation = symmetrize_metric(cell.metric, operations)
    if deviation < 1e-12:
        return cell
    symmetric = _tidy(Cell.from_metric(metric))
    if deviation > CELL_TOLERANCE:
        system = group.crystal_system_str() if group is not None else "stated"
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


# --- atoms --------------------------------------------------------------------------


def _read_sites(
    block: gemmi.cif.Block,
    cell: Cell,
    operations: SymmetryOperations,
    remarks: list[str],
) -> tuple[Site, ...]:
    """Return the atoms of the asymmetric unit, on their special positions."""
    tags = [*_SITE_COLUMNS[:3], *(f"?{name}" for name in _SITE_COLUMNS[3:])]
    table = block.find("_atom_site_", tags)
    anisotropic = _read_anisotropic(block, cell)
    sites = []
    for row in table:
        entry = {
            name: gemmi.cif.as_string(row[index])
            for index, name in enumerate(_SITE_COLUMNS)
            if row.has(index) and row[index] not in ("?", ".")
        }
        site = _read_site(entry, operations, anisotropic, remarks)
        if site is not None:
            sites.append(site)
    if not sites:
        raise StructureError("no atom has coordinates; add _atom_site_fract_x, y, z")
    _summarize(sites, remarks)
    return tuple(sites)


def _read_site(
    entry: dict[str, str],
    operations: SymmetryOperations,
    anisotropic: dict[str, float],
    remarks: list[str],
) -> Site | None:
    """Return one atom, or None (with a remark) for a row without coordinates."""
    label = entry.get("label") or entry.get("type_symbol", "?")
    raw = [_number(entry.get(f"fract_{axis}", "?")) for axis in "xyz"]
    if entry.get("calc_flag", "").lower() == "dum" or any(map(math.isnan, raw)):
        remarks.append(f"{label} has no coordinates and was left out")
        return None
    position, multiplicity = snap(raw, operations)
    shift = max(abs(new - old) for new, old in zip(position, raw, strict=True))
    if shift > 1e-4:
        remarks.append(f"{label} moved by {shift:.4f} onto its special position")
    _compare_multiplicity(entry, label, multiplicity, len(operations), remarks)
    return Site(
        label=label,
        element=_read_element(entry, label, remarks),
        position=position,
        occupancy=_read_occupancy(entry, label),
        u_iso=_read_u_iso(entry, label, anisotropic, remarks),
        multiplicity=multiplicity,
    )


def _read_element(entry: dict[str, str], label: str, remarks: list[str]) -> str:
    """Return the element of the type symbol, or of the label where that is absent."""
    text = entry.get("type_symbol") or label
    letters = re.match(r"[A-Za-z]+", text)
    # A label may run on into letters (FeT, OW): there one letter less is tried.
    longest = 2
    for length in range(longest, 0, -1):
        symbol = letters.group()[:length].capitalize() if letters else ""
        element = gemmi.Element(symbol)
        if symbol and element.atomic_number and len(symbol) == length:
            exact = letters is not None and len(letters.group()) == length
            if "type_symbol" in entry and not exact:
                break
            if element.atomic_number == 1 and symbol == "D":
                remarks.append(f"{label}: deuterium treated as hydrogen")
            return "H" if element.atomic_number == 1 else str(element.name)
    raise StructureError(
        f"atom {label}: {text!r} is no element; correct _atom_site_type_symbol"
    )


def _read_occupancy(entry: dict[str, str], label: str) -> float:
    """Return the occupancy, 1 where the file gives none."""
    occupancy = _number(entry.get("occupancy", "1"))
    if not 0.0 < occupancy <= OCCUPANCY_LIMIT:
        raise StructureError(
            f"atom {label}: occupancy {entry.get('occupancy')} is outside (0, 1]"
        )
    return min(occupancy, 1.0)


def _read_u_iso(
    entry: dict[str, str],
    label: str,
    anisotropic: dict[str, float],
    remarks: list[str],
) -> float:
    """Return U in angstrom squared from U, B or the tensor; NaN where there is none."""
    u_iso = _number(entry.get("U_iso_or_equiv", "?"))
    if math.isnan(u_iso):
        u_iso = _number(entry.get("B_iso_or_equiv", "?")) / (8.0 * math.pi**2)
    if math.isnan(u_iso):
        u_iso = anisotropic.get(label, math.nan)
    if u_iso < 0.0:
        remarks.append(f"{label}: negative displacement parameter replaced")
        return math.nan
    if u_iso > U_ISO_SUSPECT:
        remarks.append(f"{label}: U = {u_iso:.3g} is large; is it B?")
    return u_iso


def _read_anisotropic(block: gemmi.cif.Block, cell: Cell) -> dict[str, float]:
    """Return the equivalent isotropic U of every atom with a tensor, by label."""
    unit_cell = gemmi.UnitCell(*cell.parameters)
    values: dict[str, float] = {}
    for kind, factor in (("B", 1.0 / (8.0 * math.pi**2)), ("U", 1.0)):
        tags = [f"{kind}_{axes}" for axes in _ANISO_AXES]
        for row in block.find("_atom_site_aniso_", ["label", *tags]):
            tensor = [factor * _number(row[index]) for index in range(1, 7)]
            u_eq = unit_cell.calculate_u_eq(gemmi.SMat33d(*tensor))
            values[gemmi.cif.as_string(row[0])] = float(u_eq)
    return values


def _compare_multiplicity(
    entry: dict[str, str],
    label: str,
    multiplicity: int,
    n_operations: int,
    remarks: list[str],
) -> None:
    """Remark on a stated multiplicity that the operations do not give.

    Older programs wrote the order of the site symmetry under this name; that is
    accepted too.
    """
    stated = _number(entry.get("symmetry_multiplicity", "?"))
    if math.isnan(stated) or stated in (multiplicity, n_operations / multiplicity):
        return
    remarks.append(
        f"{label}: the file states multiplicity {stated:g}, the operations give "
        f"{multiplicity}"
    )


def _summarize(sites: list[Site], remarks: list[str]) -> None:
    """Fill in missing displacement parameters; remark on them and on vacancies."""
    missing = [site.label for site in sites if math.isnan(site.u_iso)]
    if missing:
        for index, site in enumerate(sites):
            if math.isnan(site.u_iso):
                sites[index] = site.with_u_iso(U_ISO_DEFAULT)
        remarks.append(f"B = 1.0 angstrom^2 assumed for {_list(missing)}")
    partial = [
        f"{site.label} ({site.occupancy:g})" for site in sites if site.occupancy < 1.0
    ]
    if partial:
        remarks.append(f"partial occupancy: {_list(partial)}")


def _list(names: list[str]) -> str:
    """Join names, at most six of them."""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more


# --- checks -------------------------------------------------------------------------


def _shared_positions(
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


def _check_occupancies(sites: tuple[Site, ...], operations: SymmetryOperations) -> None:
    """Refuse positions that hold more than one atom."""
    for shared in _shared_positions(sites, operations):
        total = sum(site.occupancy for site in shared)
        if total > OCCUPANCY_LIMIT:
            labels = _list([site.label for site in shared])
            raise StructureError(
                f"{labels} share one position with a total occupancy of {total:.3g}; "
                "remove a duplicate or correct the occupancies"
            )


def _count_atoms(sites: Iterable[Site]) -> dict[str, float]:
    """Return the atoms in the cell by element."""
    counts: dict[str, float] = {}
    for site in sites:
        atoms = site.occupancy * site.multiplicity
        counts[site.element] = counts.get(site.element, 0.0) + atoms
    return counts


def _check_formula(
    block: gemmi.cif.Block, counts: dict[str, float], remarks: list[str]
) -> tuple[str, int]:
    """Compare the atoms with the stated formula and Z.

    Returns
    -------
    formula : str
        Formula of one unit.
    formula_units : int
        Units in the cell.
    """
    stated = _string(block, ("_chemical_formula_sum",))
    stated_units = _number(_string(block, ("_cell_formula_units_Z",)) or "?")
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
    if not math.isnan(stated_units) and not per_cell:
        if abs(ratio / stated_units - 1.0) > COUNT_TOLERANCE:
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


def _check_density(
    block: gemmi.cif.Block, crystal: CrystalStructure, remarks: list[str]
) -> None:
    """Refuse an impossible density; remark on volume or density that differ."""
    density = crystal.density
    if not DENSITY_RANGE[0] <= density <= DENSITY_RANGE[1]:
        raise StructureError(
            f"density {density:.3g} g/cm3 is outside {DENSITY_RANGE[0]:g} to "
            f"{DENSITY_RANGE[1]:g}; check cell and positions (angstrom, not nm or pm)"
        )
    for tag, value, what in (
        ("_cell_volume", crystal.cell.volume, "volume"),
        ("_exptl_crystal_density_diffrn", density, "density"),
    ):
        stated = _number(_string(block, (tag,)) or "?")
        if stated > 0.0 and abs(value / stated - 1.0) > VOLUME_TOLERANCE:
            remarks.append(
                f"the file states {what} {stated:g}, its contents give {value:.5g}"
            )


# --- provenance ---------------------------------------------------------------------


def _read_origin(block: gemmi.cif.Block) -> Origin:
    """Return where the numbers come from; ``user`` for files of other makers."""
    origin = _string(block, ("_structkit_origin",)) or "user"
    if origin not in get_args(Origin):
        raise StructureError(
            f"_structkit_origin is {origin!r}; use one of {get_args(Origin)}"
        )
    return cast("Origin", origin)


def _read_source(block: gemmi.cif.Block) -> str:
    """Return the reference in words."""
    own = _string(block, ("_structkit_source",))
    if own:
        return own
    authors = _strings(block, ("_publ_author_name", "_citation_author_name"))
    parts = [
        "; ".join(authors[:3]) + (" et al." if len(authors) > 3 else ""),
        _string(block, ("_journal_name_full", "_citation_journal_full")),
        _string(block, ("_journal_volume", "_citation_journal_volume")),
        _string(block, ("_journal_page_first", "_citation_page_first")),
        _string(block, ("_journal_year", "_citation_year")),
    ]
    code = _string(block, ("_cod_database_code", "_database_code_ICSD"))
    parts.append(f"database entry {code}" if code else "")
    return ", ".join(part for part in parts if part)


def _read_names(block: gemmi.cif.Block) -> tuple[str, ...]:
    """Return mineral and common names."""
    names = (
        *_strings(block, ("_structkit_common_name",)),
        *_strings(block, ("_chemical_name_mineral",)),
        *_strings(block, ("_chemical_name_common",)),
        *_strings(block, ("_pd_phase_name",)),
    )
    return tuple(dict.fromkeys(names))
