"""What is handed to GSAS-II diffracts as before, and what comes back is compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest

from refinement.engines.gsas2.discovery import choose_gsas2
from refinement.engines.gsas2.process import WorkerProcess
from refinement.engines.gsas2.structure import (
    compare_import,
    origin_shift,
    to_gsas2_setting,
)
from structkit.errors import PlanError
from structkit.structures import library
from structkit.structures.cif import read_cif
from structkit.structures.cif_write import write_cif
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.instrument import Instrument
from structkit.xrd.instrument_files import format_instprm
from structkit.xrd.radiation import monochromatic
from structkit.xrd.reflections import list_reflections, structure_factors

D_MIN = 0.8
WAVELENGTH = 1.5406
SAME_F = 1e-9
"""Relative to the strongest |F|^2: the same sums in another order."""
TIMEOUT = 120.0
SHIPPED = [entry.name for entry in library.phases() if entry.is_available]

Atom = tuple[str, float, float, float]
CRYSTALS: dict[str, tuple[str, tuple[float, ...], tuple[Atom, ...]]] = {
    "diamond": ("F d -3 m:1", (3.567,), (("C", 0, 0, 0),)),
    "spinel": (
        "F d -3 m:1",
        (8.083,),
        (
            ("Mg", 0, 0, 0),
            ("Al", 0.625, 0.625, 0.625),
            ("O", 0.3873, 0.3873, 0.3873),
        ),
    ),
    "anatase": (
        "I 41/a m d:1",
        (3.785, 9.514),
        (("Ti", 0, 0, 0), ("O", 0, 0, 0.2081)),
    ),
    "litharge": (
        "P 4/n m m:1",
        (3.976, 5.023),
        (("O", 0, 0, 0), ("Pb", 0, 0.5, 0.237)),
    ),
}
"""Space group in origin choice 1, edges a (and c), atoms as the tables place them."""
CENTRED: dict[str, tuple[str, tuple[Atom, ...]]] = {
    "diamond": ("F d -3 m:2", (("C", 0.125, 0.125, 0.125),)),
    "spinel": (
        "F d -3 m:2",
        (("Mg", 0.125, 0.125, 0.125), ("Al", 0.5, 0.5, 0.5), ("O", *3 * (0.2623,))),
    ),
    "anatase": ("I 41/a m d:2", (("Ti", 0, 0.75, 0.125), ("O", 0, 0.75, 0.3331))),
    "litharge": ("P 4/n m m:2", (("O", 0.75, 0.25, 0), ("Pb", 0.25, 0.25, 0.237))),
}
"""The same crystals in choice 2, written down from the tables, not computed."""


def make_crystal(
    folder: Path, name: str, group: str, edges: tuple[float, ...], atoms: Any
) -> CrystalStructure:
    """Return a crystal through a CIF that names all operations."""
    operations = gemmi.find_spacegroup_by_name(group).operations()
    a, c = edges[0], edges[-1]
    lines = [f"data_{name}", f"_structkit_name {name}"]
    lines += [f"_cell_length_{k} {v}" for k, v in zip("abc", (a, a, c), strict=True)]
    lines += [f"_cell_angle_{k} 90" for k in ("alpha", "beta", "gamma")]
    lines += ["loop_", "_space_group_symop_operation_xyz"]
    lines += [f"'{op.triplet()}'" for op in operations]
    tags = ("label", "type_symbol", "fract_x", "fract_y", "fract_z")
    lines += ["loop_", *(f"_atom_site_{tag}" for tag in tags)]
    lines.append("_atom_site_U_iso_or_equiv")
    lines += [f"{e}1 {e} {x} {y} {z} 0.005" for e, x, y, z in atoms]
    path = folder / f"{name}.cif"
    path.write_text("\n".join(lines) + "\n")
    return read_cif(path)


@pytest.fixture(params=sorted(CRYSTALS))
def pair(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[CrystalStructure, CrystalStructure]:
    """Return one crystal in choice 1, and in choice 2 from the tables."""
    name = request.param
    group, edges, atoms = CRYSTALS[name]
    first = make_crystal(tmp_path, name, group, edges, atoms)
    group, atoms = CENTRED[name]
    return first, make_crystal(tmp_path, name, group, edges, atoms)


def intensities(structure: CrystalStructure) -> dict[tuple[int, ...], float]:
    reflections = list_reflections(structure, D_MIN)
    squared = structure_factors(structure, reflections, wavelength=WAVELENGTH)
    return {
        tuple(hkl): value
        for hkl, value in zip(reflections.hkl.tolist(), squared, strict=True)
    }


def assert_same_intensities(one: CrystalStructure, other: CrystalStructure) -> None:
    first, second = intensities(one), intensities(other)
    assert list(first) == list(second)
    strongest = max(first.values())
    assert list(second.values()) == pytest.approx(
        list(first.values()), abs=SAME_F * strongest
    )


def operations_of(structure: CrystalStructure) -> set[str]:
    return {gemmi.Op(text).wrap().triplet() for text in structure.operations}


def test_choice_1_becomes_choice_2_and_diffracts_as_before(
    pair: tuple[CrystalStructure, CrystalStructure],
) -> None:
    first, tabulated = pair
    moved = to_gsas2_setting(first)
    assert operations_of(first) != operations_of(tabulated)
    assert operations_of(moved) == operations_of(tabulated)
    assert_same_intensities(first, moved)
    assert_same_intensities(tabulated, moved)
    assert ":" not in moved.space_group
    assert moved.atom_counts == first.atom_counts


def test_the_shift_is_told(pair: tuple[CrystalStructure, CrystalStructure]) -> None:
    first, tabulated = pair
    moved = to_gsas2_setting(first)
    for site, new in zip(first.sites, moved.sites, strict=True):
        change = np.subtract(new.position, site.position) - origin_shift(first)
        assert change - np.rint(change) == pytest.approx(np.zeros(3), abs=1e-12)
    assert origin_shift(tabulated) == (0.0, 0.0, 0.0)


def test_choice_2_stays_where_it_is(
    pair: tuple[CrystalStructure, CrystalStructure],
) -> None:
    tabulated = pair[1]
    again = to_gsas2_setting(tabulated)
    assert again.sites == tabulated.sites
    assert again.operations == tabulated.operations


@pytest.mark.parametrize("name", SHIPPED)
def test_library_structures_keep_their_intensities(name: str) -> None:
    structure = library.load(name)
    assert_same_intensities(structure, to_gsas2_setting(structure))


def make_rhombohedral() -> CrystalStructure:
    """Return corundum on its primitive axes."""
    hexagonal = library.load("corundum")
    operations = gemmi.find_spacegroup_by_name("R -3 c:R").operations()
    a, c = hexagonal.cell.a, hexagonal.cell.c
    edge = float(np.sqrt(a * a / 3.0 + c * c / 9.0))
    angle = float(np.degrees(2.0 * np.arcsin(0.5 * a / edge)))
    cell = replace(
        hexagonal.cell, a=edge, b=edge, c=edge, alpha=angle, beta=angle, gamma=angle
    )
    x, z = hexagonal.sites[1].position[0], hexagonal.sites[0].position[2]
    aluminium = replace(hexagonal.sites[0], position=(z, z, z), multiplicity=4)
    # On primitive axes oxygen of 18e lies at (x + 1/4, 1/4 - x, 1/4).
    oxygen = replace(
        hexagonal.sites[1], position=(x + 0.25, 0.25 - x, 0.25), multiplicity=6
    )
    return replace(
        hexagonal,
        cell=cell,
        sites=(aluminium, oxygen),
        operations=tuple(op.triplet() for op in operations),
        formula_units=2,
    )


def test_rhombohedral_axes_are_named_as_gsas2_names_them() -> None:
    hexagonal = to_gsas2_setting(library.load("corundum"))
    rhombohedral = to_gsas2_setting(make_rhombohedral())
    assert hexagonal.space_group == "R -3 c"
    assert rhombohedral.space_group == "R -3 c R"
    # The primitive cell holds a third of the atoms: a ninth of |F|^2.
    strongest = max(intensities(hexagonal).values())
    assert 9.0 * max(intensities(rhombohedral).values()) == pytest.approx(strongest)


def test_operations_of_no_tabulated_group_are_refused() -> None:
    shifted = replace(
        library.load("NaCl"), operations=("x,y,z", "-x+1/3,-y,-z"), space_group="?"
    )
    with pytest.raises(PlanError, match=r"phases: NaCl: .* tabulated space group"):
        to_gsas2_setting(shifted)


def describe(structure: CrystalStructure) -> dict[str, Any]:
    """Return what a program reports that understood the structure, as GSAS-II does:
    half of the operations where there is a centre, and the centring by itself."""
    group = gemmi.GroupOps([gemmi.Op(text) for text in structure.operations])
    centred = group.is_centrosymmetric()
    kept: list[gemmi.Op] = []
    for op in group.sym_ops:
        inverse = gemmi.Op(op.triplet())
        inverse.rot = [[-part for part in row] for row in op.rot]
        inverse.tran = [-part for part in op.tran]
        if not (centred and inverse.wrap() in kept):
            kept.append(op.wrap())
    den = gemmi.Op.DEN
    return {
        "elements": dict(structure.atom_counts),
        "operations": [
            [(np.array(op.rot) / den).tolist(), (np.array(op.tran) / den).tolist()]
            for op in kept
        ],
        "centring": [[part / den for part in shift] for shift in group.cen_ops],
        "inversion": centred,
        "space_group": "as understood",
    }


@pytest.mark.parametrize("name", ["NaCl", "corundum", "NaTaCl6", "zincite"])
def test_what_was_understood_is_accepted(name: str) -> None:
    structure = to_gsas2_setting(library.load(name))
    compare_import(structure, describe(structure))


def test_atom_types_with_charges_count_as_their_element() -> None:
    structure = library.load("NaCl")
    told = describe(structure) | {"elements": {"Na+1": 4.0, "Cl-1": 4.0}}
    compare_import(structure, told)


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"N": 4.0, "Cl": 4.0}, r"read Cl 4, N 4 .* structkit has Cl 4, Na 4"),
        ({"Na": 4.0, "C": 4.0}, r"read C 4, Na 4"),
        ({"Na": 4.0}, r"read Na 4 "),
        ({"Na": 4.0, "Cl": 4.0, "O": 1.0}, r"read Cl 4, Na 4, O 1"),
        ({"Na": 7.0, "Cl": 4.0}, r"read Cl 4, Na 7"),
        ({"Na": 4.2, "Cl": 4.0}, r"read Cl 4, Na 4\.2"),
    ],
)
def test_other_elements_and_counts_are_refused(
    elements: dict[str, float], words: str
) -> None:
    """Trap 3: Na+ becomes nitrogen; atoms on special positions are doubled."""
    structure = library.load("NaCl")
    with pytest.raises(PlanError, match=words):
        compare_import(structure, describe(structure) | {"elements": elements})


def test_42_caesium_atoms_in_place_of_24_are_refused() -> None:
    site = replace(library.load("NaCl").sites[0], element="Cs", multiplicity=24)
    structure = replace(library.load("NaCl"), name="odd", sites=(site,))
    told = describe(structure) | {"elements": {"Cs": 42.0}}
    with pytest.raises(PlanError, match=r"odd: GSAS-II read Cs 42 .* has Cs 24"):
        compare_import(structure, told)


@pytest.mark.parametrize(
    "change",
    [
        {"inversion": False},
        {"centring": [[0.0, 0.0, 0.0]]},
        {"operations": [[np.eye(3).tolist(), [0.0, 0.0, 0.0]]]},
    ],
)
def test_other_symmetry_is_refused(change: dict[str, Any]) -> None:
    structure = library.load("corundum")
    with pytest.raises(PlanError, match="'as understood' with other symmetry"):
        compare_import(structure, describe(structure) | change)


def test_an_origin_left_at_choice_1_is_refused(
    pair: tuple[CrystalStructure, CrystalStructure],
) -> None:
    first, tabulated = pair
    with pytest.raises(PlanError, match="other symmetry"):
        compare_import(first, describe(tabulated))


@pytest.mark.gsas2
def test_gsas2_understands_every_setting(tmp_path: Path) -> None:
    structures = [
        make_crystal(tmp_path, name, group, edges, atoms)
        for name, (group, edges, atoms) in CRYSTALS.items()
    ]
    structures += [replace(make_rhombohedral(), name="rhombohedral")]
    structures += [library.load(name) for name in SHIPPED]
    moved = [to_gsas2_setting(structure) for structure in structures]
    rows = []
    for number, structure in enumerate(moved):
        path = tmp_path / f"phase{number}.cif"
        write_cif(structure, path)
        rows.append({"name": structure.name, "cif": str(path), "texture": None})
    grid = np.arange(20.0, 40.0, 0.1)
    lines = [f"{angle:.2f} 100 10" for angle in grid]
    (tmp_path / "pattern.xye").write_text("\n".join(lines) + "\n")
    instrument = format_instprm(Instrument(radiation=monochromatic(WAVELENGTH)))
    (tmp_path / "lab.instprm").write_text(instrument)
    found, _ = choose_gsas2()
    assert found is not None
    with WorkerProcess(found.to_command()) as worker:
        told = worker.ask(
            "open",
            TIMEOUT,
            folder=tmp_path,
            name="job",
            pattern=tmp_path / "pattern.xye",
            instrument=tmp_path / "lab.instprm",
            blank=None,
            phases=rows,
            geometry="Bragg-Brentano",
            radius_mm=200.0,
            limits=[20.0, 40.0],
            excluded=[],
            background=[100.0],
            peaks=[],
        )
    for structure in moved:
        compare_import(structure, told["phases"][structure.name])
