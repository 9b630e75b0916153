"""Write a :class:`~structkit.structures.crystal.CrystalStructure` as a CIF.

The file names every symmetry operation and writes neutral element symbols as atom
types, so that no program has to guess: ``Na+`` is read as nitrogen by some.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from structkit.store import write_text
from structkit.structures.crystal import CrystalStructure

_CELL = ("length_a", "length_b", "length_c")
_ANGLES = ("angle_alpha", "angle_beta", "angle_gamma")
_ATOM = (
    "label",
    "type_symbol",
    "symmetry_multiplicity",
    "fract_x",
    "fract_y",
    "fract_z",
    "occupancy",
    "adp_type",
    "U_iso_or_equiv",
)


def format_cif(structure: CrystalStructure) -> str:
    """Return the text of a CIF of ``structure``.

    Notes
    -----
    Lengths in **angstrom** to 1e-7, angles in **degree** to 1e-6, fractional
    coordinates to 1e-8, ``U_iso`` in **angstrom squared**; origin, source, DOI and
    remarks go along under the data names that
    :func:`structkit.structures.cif.read_cif` reads.
    """
    block = "".join(
        c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in structure.name
    )
    lines = [
        f"data_{block or 'phase'}",
        f"_structkit_name {_quote(structure.name)}",
        f"_structkit_origin {structure.origin}",
    ]
    if structure.source:
        lines += ["_structkit_source", *_text(structure.source)]
    if structure.doi:
        lines.append(f"_structkit_doi {_quote(structure.doi)}")
    lines += _loop_of_texts("_structkit_common_name", structure.common_names)
    lines += _loop_of_texts("_structkit_remark", structure.remarks)
    lines += _symmetry(structure)
    lines += _cell(structure)
    lines += _atoms(structure)
    return "\n".join(lines) + "\n"


def write_cif(structure: CrystalStructure, path: Path | str) -> None:
    """Write a CIF of ``structure``, whole or not at all.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    write_text(format_cif(structure), Path(path))


def _quote(text: str) -> str:
    """Return a text in quotes; as a text field where it holds both kinds of them."""
    flat = " ".join(text.split())
    if "'" in flat and '"' in flat:
        return f"\n;{flat}\n;"
    return f'"{flat}"' if "'" in flat else f"'{flat}'"


def _text(text: str) -> list[str]:
    body = [
        line.replace(";", ",", 1) if line[:1] == ";" else line
        for line in text.splitlines()
    ]
    return [";", *body, ";"]


def _loop_of_texts(tag: str, texts: Iterable[str]) -> list[str]:
    lines = [line for text in texts for line in _text(text)]
    return ["loop_", tag, *lines] if lines else []


def _symmetry(structure: CrystalStructure) -> list[str]:
    lines = []
    if structure.space_group:
        lines.append(f"_space_group_name_H-M_alt {_quote(structure.space_group)}")
    if structure.space_group_number:
        lines.append(f"_space_group_IT_number {structure.space_group_number}")
    operations = [_quote(operation) for operation in structure.operations]
    return [*lines, "loop_", "_space_group_symop_operation_xyz", *operations]


def _cell(structure: CrystalStructure) -> list[str]:
    values = structure.cell.parameters
    lengths = [f"_cell_{k} {v:.7f}" for k, v in zip(_CELL, values[:3], strict=True)]
    angles = [f"_cell_{k} {v:.6f}" for k, v in zip(_ANGLES, values[3:], strict=True)]
    counts, units = structure.atom_counts, max(structure.formula_units, 1)
    formula = " ".join(f"{e}{counts[e] / units:.6g}" for e in sorted(counts))
    contents = [
        f"_cell_formula_units_Z {units}",
        f"_chemical_formula_sum {_quote(formula)}",
    ]
    return [*lengths, *angles, *contents]


def _atoms(structure: CrystalStructure) -> list[str]:
    rows = []
    for site, label in zip(structure.sites, _labels(structure), strict=True):
        place = " ".join(f"{value:.8f}" for value in site.position)
        rows.append(
            f"{label} {site.element} {site.multiplicity} {place} "
            f"{site.occupancy:.6f} Uiso {site.u_iso:.7f}"
        )
    return ["loop_", *(f"_atom_site_{tag}" for tag in _ATOM), *rows]


def _labels(structure: CrystalStructure) -> list[str]:
    """Return labels that differ and start with the element, where programs look."""
    labels: list[str] = []
    for number, site in enumerate(structure.sites, start=1):
        label = "".join(c for c in site.label if c.isascii() and c.isprintable())
        label = label.replace(" ", "")
        if not label.startswith(site.element):
            label = site.element
        while label in labels:
            label, number = f"{site.element}{number}", number + 1
        labels.append(label)
    return labels
