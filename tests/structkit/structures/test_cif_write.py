"""A CIF that was written says what the structure says, to structkit and to others."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import gemmi
import pytest

from structkit.errors import OutputError
from structkit.structures.cif import read_cif
from structkit.structures.cif_write import format_cif, write_cif
from structkit.structures.crystal import Cell, CrystalStructure
from structkit.structures.library import load, phases
from structkit.xrd.reflections import list_reflections, structure_factors

SHIPPED = [entry.name for entry in phases() if entry.is_available]
LENGTH = 1e-7
"""Angstrom: the digits written."""
COORDINATE = 2e-8
"""Fractional: digits written, and the snap to a special position."""
SAME_F = 1e-6
"""Relative to the strongest |F|^2: what those digits change."""
NUMBERS = {"cell", "sites", "path"}


def round_trip(structure: CrystalStructure, folder: Path) -> CrystalStructure:
    write_cif(structure, folder / "written.cif")
    return read_cif(folder / "written.cif")


@pytest.mark.parametrize("name", SHIPPED)
def test_library_structures_come_back(name: str, tmp_path: Path) -> None:
    structure = load(name)
    again = round_trip(structure, tmp_path)
    for field in fields(CrystalStructure):
        if field.name not in NUMBERS:
            assert getattr(again, field.name) == getattr(structure, field.name)
    assert again.cell.parameters == pytest.approx(structure.cell.parameters, abs=LENGTH)
    for site, new in zip(structure.sites, again.sites, strict=True):
        assert new.position == pytest.approx(site.position, abs=COORDINATE)
        assert new.u_iso == pytest.approx(site.u_iso, abs=LENGTH)
        assert new.occupancy == pytest.approx(site.occupancy, abs=1e-6)
        assert (new.element, new.multiplicity) == (site.element, site.multiplicity)
    reflections = list_reflections(structure, 1.0)
    squared = structure_factors(structure, reflections, wavelength=None)
    other = structure_factors(again, list_reflections(again, 1.0), wavelength=None)
    assert other == pytest.approx(squared, abs=SAME_F * squared.max())


def test_all_angles_of_a_triclinic_cell_come_back(tmp_path: Path) -> None:
    cell = Cell(a=5.1, b=6.2, c=7.3, alpha=81.234567, beta=93.5, gamma=107.25)
    halite = load("NaCl")
    triclinic = replace(
        halite, cell=cell, operations=("x,y,z",), space_group="P 1", formula_units=1
    )
    sites = tuple(replace(site, multiplicity=1) for site in halite.sites)
    again = round_trip(replace(triclinic, sites=sites), tmp_path)
    assert again.cell.parameters == pytest.approx(cell.parameters, abs=1e-6)


AWKWARD: list[dict[str, Any]] = [
    {"name": "beta-Na2O (milled, 5 h)"},
    {"name": "Mo's phase"},
    {"name": 'so-called "glass"'},
    {"name": "Mo's 5\" phase with 'both' \"quotes\" in it"},
    {"name": "β-TaCl₅"},
    {"name": "_loop"},
    {"name": "data_x"},
    {"name": "?"},
    {"name": "#1"},
    {"remarks": ("one line", "; a line that begins with a semicolon", "a\n;b\n;")},
    {"remarks": ('He said "no".', "it's 'quoted'", "_tag value", "loop_", "# none")},
    {"remarks": ("data_other\n_cell_length_a 1", "x" * 3000)},
    {"common_names": ("Mo's salt", 'a "b" c', "; d")},
    {"source": "first line\n; second line\nthird"},
    {"source": "A. Author's \"book\", 'ed.' 2"},
    {"doi": "10.1000/a'b"},
]


def plain(text: str) -> str:
    """Return a text as it is compared: a CIF cannot keep a semicolon that begins a
    line, nor every blank."""
    lines = (
        line.replace(";", ",", 1) if line[:1] == ";" else line
        for line in text.splitlines()
    )
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize("change", AWKWARD)
def test_awkward_texts_come_back(change: dict[str, Any], tmp_path: Path) -> None:
    structure = replace(load("NaCl"), **change)
    again = round_trip(structure, tmp_path)
    for name, text in change.items():
        found = getattr(again, name)
        if isinstance(text, tuple):
            assert [plain(one) for one in found] == [plain(one) for one in text]
        else:
            assert plain(found) == plain(text)
    assert again.atom_counts == structure.atom_counts
    assert len(gemmi.cif.read(str(tmp_path / "written.cif"))) == 1


LABELS = [
    ("Na1", "Cl1"),
    ("Na1", "Na1"),
    ("A1", "B1"),
    ("Na 1", "Cl 1"),
    ("Na2", "Na2"),
    ("Cl'", 'Na"'),
    ("", ""),
    ("#1", "_x"),
]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("elements", [("Na", "Cl"), ("Na", "Na")])
def test_labels_differ_and_begin_with_the_element(
    labels: tuple[str, str], elements: tuple[str, str], tmp_path: Path
) -> None:
    sites = [
        replace(site, label=label, element=element)
        for site, label, element in zip(
            load("NaCl").sites, labels, elements, strict=True
        )
    ]
    third = replace(sites[0], label="Na2", position=(0.25, 0.25, 0.25), multiplicity=8)
    structure = replace(load("NaCl"), sites=(*sites, third))
    again = round_trip(structure, tmp_path)
    written = [site.label for site in again.sites]
    assert len(set(written)) == len(written) == 3
    for site, label in zip(again.sites, written, strict=True):
        assert label.startswith(site.element)
    assert again.atom_counts == structure.atom_counts


@pytest.mark.parametrize("name", SHIPPED)
def test_atom_types_are_elements_without_charge(name: str) -> None:
    """Trap 3 of GSAS-II: ``Na+`` becomes nitrogen."""
    block = gemmi.cif.read_string(format_cif(load(name))).sole_block()
    kinds = list(block.find_values("_atom_site_type_symbol"))
    assert kinds == [site.element for site in load(name).sites]
    assert all(kind.isalpha() for kind in kinds)


def test_every_operation_is_written() -> None:
    block = gemmi.cif.read_string(format_cif(load("corundum"))).sole_block()
    written = block.find_values("_space_group_symop_operation_xyz")
    assert len(written) == len(load("corundum").operations) == 36


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_cif(load("NaCl"), tmp_path / "file" / "NaCl.cif")
