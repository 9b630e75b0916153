"""The structure in a GSAS experiment file: facts that stay where they are."""

from __future__ import annotations

import re
from pathlib import Path

import gemmi

from structkit.structures.crystal import Cell, CrystalStructure, Site
from structkit.structures.symmetry import parse_operations, snap


def read_structure(path: Path, *, name: str) -> CrystalStructure:
    """Return the first phase of a ``.EXP`` file: cell, space group, atoms, U."""
    text = path.read_text(encoding="latin-1")
    group = gemmi.SpaceGroup(_find(r"SG SYM +(\S+ \S+)", text))
    triplets = tuple(op.triplet() for op in group.operations())
    a, b, c = _numbers(_find(r"ABC +((?:[\d.]+ +){3})", text))
    alpha, beta, gamma = _numbers(_find(r"ANGLES +((?:[\d.]+ +){3})", text))
    return CrystalStructure(
        name=name,
        formula=name,
        formula_units=2,
        space_group=group.xhm(),
        space_group_number=group.number,
        operations=triplets,
        cell=Cell(a=a, b=b, c=c, alpha=alpha, beta=beta, gamma=gamma),
        sites=_sites(text, triplets),
        source=path.name,
    )


def read_cell(path: Path) -> tuple[float, float, float]:
    """Return a, b, c (angstrom) of the first phase."""
    a, b, c = _numbers(
        _find(r"ABC +((?:[\d.]+ +){3})", path.read_text(encoding="latin-1"))
    )
    return a, b, c


def _sites(text: str, triplets: tuple[str, ...]) -> tuple[Site, ...]:
    operations = parse_operations(triplets)
    atoms = re.findall(r"AT +\d+A +(\w+) +((?:-?[\d.]+ +){3})(\d\.\d{6})", text)
    u_isos = re.findall(r"AT +\d+B +([\d.]+)", text)
    sites = []
    for number, ((element, place, occupancy), u_iso) in enumerate(
        zip(atoms, u_isos, strict=True), start=1
    ):
        position, multiplicity = snap(_numbers(place), operations)
        sites.append(
            Site(
                label=f"{element}{number}",
                element=element.capitalize(),
                position=position,
                occupancy=float(occupancy),
                u_iso=float(u_iso),
                multiplicity=multiplicity,
            )
        )
    return tuple(sites)


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"no {pattern} in the file; is it a GSAS .EXP?")
    return found[1]


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]
