"""Read a CIF into a :class:`~structkit.structures.crystal.CrystalStructure`.

What the reader repairs (special positions, missing displacement parameters) it says
in ``remarks``; what contradicts itself it refuses with a
:class:`~structkit.errors.StructureError`. Private data names of the project's own
files: ``_structkit_name``, ``_structkit_origin`` (measured, computed or user),
``_structkit_source``, ``_structkit_remark`` and ``_structkit_common_name`` (both may
be loops).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import gemmi
import numpy as np

from structkit.errors import ReadError, StructureError
from structkit.structures.cif_block import find_string, find_strings, parse_number
from structkit.structures.cif_sites import read_sites
from structkit.structures.cif_symmetry import (
    HM_TAGS,
    number_in_tables,
    read_cell,
    read_symmetry,
)
from structkit.structures.crystal import CrystalStructure, Origin
from structkit.structures.plausibility import (
    check_density,
    check_distances,
    check_formula,
    check_occupancies,
    count_atoms,
    group_shared,
    obey_symmetry,
)
from structkit.structures.symmetry import equivalent_positions, parse_operations

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

_DOI_TAGS = ("_structkit_doi", "_journal_paper_doi", "_citation_doi")


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
        count contradicts the formula, the cell contradicts the symmetry, atoms nearly
        touch, or the density is not plausible.
    """
    path = Path(path)
    try:
        blocks = _read_blocks(path)
        crystal = _read_block(blocks[0], path, name)
    except StructureError as error:
        message = " ".join(str(error).split())
        raise StructureError(f"{path}: {message}") from error
    if len(blocks) == 1:
        return crystal
    several = f"the first of {len(blocks)} structures in the file was read"
    return crystal.with_remarks([*crystal.remarks, several])


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
    for shared in group_shared(crystal.sites, operations):
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


def _read_blocks(path: Path) -> list[gemmi.cif.Block]:
    """Return the data blocks with atoms."""
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
    filled = [part for part in document if len(part.find_values("_atom_site_fract_x"))]
    if not filled:
        raise StructureError("no atom positions (_atom_site_fract_x) in the file")
    return filled


def _read_block(
    block: gemmi.cif.Block, path: Path, name: str | None
) -> CrystalStructure:
    """Build the structure of one data block and check it."""
    remarks = list(find_strings(block, ("_structkit_remark",)))
    cell = read_cell(block)
    triplets, group = read_symmetry(block, cell, remarks)
    operations = parse_operations(triplets)
    sites = read_sites(block, cell, operations, remarks)
    check_occupancies(sites, operations)
    system = "stated" if group is None else group.crystal_system_str()
    cell = obey_symmetry(cell, operations, remarks, system=system)
    formula, units = check_formula(
        count_atoms(sites),
        remarks,
        stated=find_string(block, ("_chemical_formula_sum",)),
        stated_units=_find_number(block, "_cell_formula_units_Z"),
    )
    check_distances(sites, cell, operations)
    symbol = find_string(block, HM_TAGS) if group is None else group.xhm()
    crystal = CrystalStructure(
        name=name or find_string(block, ("_structkit_name",)) or path.stem,
        formula=formula,
        formula_units=units,
        space_group=symbol,
        space_group_number=number_in_tables(block) if group is None else group.number,
        operations=triplets,
        cell=cell,
        sites=sites,
        origin=_read_origin(block),
        source=_read_source(block),
        doi=find_string(block, _DOI_TAGS).removeprefix("https://doi.org/"),
        common_names=_read_names(block),
        path=str(path),
    )
    check_density(
        crystal,
        remarks,
        stated_volume=_find_number(block, "_cell_volume"),
        stated_density=_find_number(block, "_exptl_crystal_density_diffrn"),
    )
    return crystal.with_remarks(remarks)


def _find_number(block: gemmi.cif.Block, tag: str) -> float:
    """Return a number of the block, NaN where there is none."""
    return parse_number(find_string(block, (tag,)) or "?")


def _read_origin(block: gemmi.cif.Block) -> Origin:
    """Return where the numbers come from; ``user`` for files of other makers."""
    origin = find_string(block, ("_structkit_origin",)) or "user"
    if origin not in get_args(Origin):
        raise StructureError(
            f"_structkit_origin is {origin!r}; use one of {get_args(Origin)}"
        )
    return cast("Origin", origin)


def _read_source(block: gemmi.cif.Block) -> str:
    """Return the reference in words."""
    own = find_string(block, ("_structkit_source",))
    if own:
        return own
    authors = find_strings(block, ("_publ_author_name", "_citation_author_name"))
    parts = [
        "; ".join(authors[:3]) + (" et al." if len(authors) > 3 else ""),
        find_string(block, ("_journal_name_full", "_citation_journal_full")),
        find_string(block, ("_journal_volume", "_citation_journal_volume")),
        find_string(block, ("_journal_page_first", "_citation_page_first")),
        find_string(block, ("_journal_year", "_citation_year")),
    ]
    code = find_string(block, ("_cod_database_code", "_database_code_ICSD"))
    parts.append(f"database entry {code}" if code else "")
    return ", ".join(part for part in parts if part)


def _read_names(block: gemmi.cif.Block) -> tuple[str, ...]:
    """Return mineral and common names."""
    names = (
        *find_strings(block, ("_structkit_common_name",)),
        *find_strings(block, ("_chemical_name_mineral",)),
        *find_strings(block, ("_chemical_name_common",)),
        *find_strings(block, ("_pd_phase_name",)),
    )
    return tuple(dict.fromkeys(names))
