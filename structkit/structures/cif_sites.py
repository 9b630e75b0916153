"""Atoms of a CIF block: elements, special positions, displacement parameters."""

from __future__ import annotations

import math
import re

import gemmi

from structkit.errors import StructureError
from structkit.structures.cif_block import parse_number
from structkit.structures.crystal import Cell, Site
from structkit.structures.plausibility import OCCUPANCY_LIMIT, join_names
from structkit.structures.symmetry import SymmetryOperations, snap

U_ISO_DEFAULT = 0.0127
"""Displacement parameter where the file gives none, angstrom squared (B = 1.0)."""
U_ISO_SUSPECT = 0.15
"""Above this (B = 12) a displacement parameter is probably a slip."""

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


def read_sites(
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
    raw = [parse_number(entry.get(f"fract_{axis}", "?")) for axis in "xyz"]
    for axis, value in zip("xyz", raw, strict=True):
        given = entry.get(f"fract_{axis}", "?")
        if math.isnan(value) and given not in ("?", "."):
            raise StructureError(
                f"atom {label}: fract_{axis} is {given!r}, not a number; correct it"
            )
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
    occupancy = parse_number(entry.get("occupancy", "1"))
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
    u_iso = parse_number(entry.get("U_iso_or_equiv", "?"))
    if math.isnan(u_iso):
        u_iso = parse_number(entry.get("B_iso_or_equiv", "?")) / (8.0 * math.pi**2)
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
            tensor = [factor * parse_number(row[index]) for index in range(1, 7)]
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
    stated = parse_number(entry.get("symmetry_multiplicity", "?"))
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
        remarks.append(f"B = 1.0 angstrom^2 assumed for {join_names(missing)}")
    partial = [
        f"{site.label} ({site.occupancy:g})" for site in sites if site.occupancy < 1.0
    ]
    if partial:
        remarks.append(f"partial occupancy: {join_names(partial)}")
