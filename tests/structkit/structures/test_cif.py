"""Reading CIFs: what is repaired, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import ReadError, StructureError
from structkit.structures.cif import read_cif
from structkit.structures.cif_sites import U_ISO_DEFAULT
from structkit.structures.library import load, phases

HALITE = """
data_test
_chemical_formula_sum 'Cl Na'
_cell_formula_units_Z 4
_space_group_name_H-M_alt 'F m -3 m'
_cell_length_a 5.6402(2)
_cell_length_b 5.6402
_cell_length_c 5.6402
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_U_iso_or_equiv
Na1 Na1+ 0 0 0 1 0.02
Cl1 Cl1- 0.5 0.5 0.5 1 0.018
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a CIF and returns its path."""

    def _write(text: str) -> Path:
        path = tmp_path / "test.cif"
        path.write_text(text)
        return path

    return _write


def test_reads_charges_esds_and_symmetry_by_symbol(write):
    crystal = read_cif(write(HALITE))
    assert crystal.atom_counts == {"Na": 4.0, "Cl": 4.0}
    assert (crystal.formula, crystal.formula_units) == ("NaCl", 4)
    assert (crystal.space_group, crystal.space_group_number) == ("F m -3 m", 225)
    assert len(crystal.operations) == 192
    assert crystal.cell.a == 5.6402
    assert [site.u_iso for site in crystal.sites] == [0.02, 0.018]
    assert crystal.density == pytest.approx(2.163, abs=5e-4)
    assert crystal.origin == "user"
    assert crystal.name == "test"
    assert read_cif(write(HALITE), name="salt").name == "salt"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("_space_group_name_H-M_alt 'F m -3 m'", "", "no symmetry"),
        ("Na1 Na1+", "Na1 Qq", "Na1.*'Qq' is no element"),
        ("0 0 0 1 0.02", "0 0 0 0.0 0.02", r"Na1: occupancy 0.0 is outside \(0, 1\]"),
        ("0 0 0 1 0.02", "0 0 0 1.4 0.02", "Na1: occupancy 1.4 is outside"),
        ("0 0 0 1 0.02", "0 0 0 0.5 0.02", "contradict the formula 'Cl Na'"),
        ("'Cl Na'", "'Cl2 Na'", "Na4 Cl4.* contradict the formula 'Cl2 Na'"),
        ("_Z 4", "_Z 3", "Na4 Cl4.* make 4 units of 'Cl Na'.*Z = 3"),
        ("_length_b 5.6402", "_length_b 5.7", "contradicts its cubic symmetry"),
        ("_length_a 5.6402(2)", "_length_a ?", "_cell_length_a is missing"),
        ("_length_a 5.6402(2)", "_length_a 0.564", "_cell_length_a"),
        ("0.5 0.5 0.5 1", "? ? ? 1", "contradict the formula"),
        ("0.5 0.5 0.5 1", "0 0 0 1", "Na1, Cl1 share one position.*occupancy of 2"),
    ],
)
def test_refuses_a_cif_that_contradicts_itself(write, old, new, words):
    path = write(HALITE.replace(old, new))
    with pytest.raises(StructureError, match=words) as caught:
        read_cif(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message


def test_refuses_an_implausible_density(write):
    text = HALITE.replace("5.6402(2)", "5.6402").replace("5.6402", "56.402")
    with pytest.raises(StructureError, match=r"density 0\.00216 g/cm3 is outside"):
        read_cif(write(text))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\x00\x01\xff\xfe binary", "not a CIF"),
        (b"two_theta,intensity\n1,2\n", "not a CIF"),
    ],
)
def test_refuses_files_that_are_no_cif(tmp_path, content, words):
    path = tmp_path / "junk.cif"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=words) as caught:
        read_cif(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_an_absent_file_and_one_without_atoms(tmp_path, write):
    with pytest.raises(ReadError, match=r"absent\.cif: No such file"):
        read_cif(tmp_path / "absent.cif")
    with pytest.raises(StructureError, match="no atom positions"):
        read_cif(write("data_x\n_cell_length_a 5\n"))


def test_partial_occupancy_counts_and_is_remarked(write):
    text = HALITE.replace("'Cl Na'", "'Cl Na0.9'").replace("0 0 0 1", "0 0 0 0.9")
    crystal = read_cif(write(text))
    assert crystal.atom_counts["Na"] == pytest.approx(3.6)
    assert any("partial occupancy: Na1 (0.9)" in text for text in crystal.remarks)


def test_shared_position_may_be_filled_up_to_one(write):
    shared = "Na1 Na 0 0 0 0.75 0.02\nK1 K 0 0 0 0.25 0.02"
    text = HALITE.replace("Na1 Na1+ 0 0 0 1 0.02", shared)
    crystal = read_cif(write(text.replace("'Cl Na'", "'Cl Na0.75 K0.25'")))
    assert crystal.atom_counts == pytest.approx({"Na": 3.0, "K": 1.0, "Cl": 4.0})
    sites = crystal.structure
    assert len(sites) == 8
    assert sites.composition.as_dict() == pytest.approx({"Na": 3, "K": 1, "Cl": 4})


def test_missing_type_symbols_come_from_labels_and_missing_u_is_remarked(write):
    head, _, atoms = HALITE.partition("_atom_site_type_symbol\n")
    atoms = atoms.replace("Na1+ ", "").replace("Cl1- ", "").replace("0.02", "?", 1)
    crystal = read_cif(write(head + atoms))
    assert [site.element for site in crystal.sites] == ["Na", "Cl"]
    assert crystal.sites[0].u_iso == U_ISO_DEFAULT
    assert any("B = 1.0 angstrom^2 assumed for Na1" in r for r in crystal.remarks)


def test_deuterium_is_hydrogen(write):
    text = HALITE.replace("'Cl Na'", "'Cl D'").replace("Na1 Na1+", "D1 D")
    crystal = read_cif(write(text))
    assert crystal.atom_counts == {"H": 4.0, "Cl": 4.0}
    assert any("deuterium" in remark for remark in crystal.remarks)


def test_b_and_anisotropic_u_become_u_iso(write):
    head, _, tail = HALITE.partition("_atom_site_U_iso_or_equiv\n")
    biso = head + "_atom_site_B_iso_or_equiv\n" + tail.replace("0.02", "1.5", 1)
    assert read_cif(write(biso)).sites[0].b_iso == pytest.approx(1.5)
    aniso = """
loop_
_atom_site_aniso_label
_atom_site_aniso_U_11
_atom_site_aniso_U_22
_atom_site_aniso_U_33
_atom_site_aniso_U_12
_atom_site_aniso_U_13
_atom_site_aniso_U_23
Na1 0.01 0.02 0.03 0 0 0
"""
    crystal = read_cif(write(HALITE.replace("0.02", "?", 1) + aniso))
    assert crystal.sites[0].u_iso == pytest.approx(0.02)


def test_multiplicity_of_the_file_is_compared(write):
    column = "_atom_site_symmetry_multiplicity\n"
    text = HALITE.replace("Na1 Na1+", column + "Na1 Na1+")
    text = text.replace("0.02\n", "0.02 8\n").replace("0.018\n", "0.018 4\n")
    crystal = read_cif(write(text))
    assert any("Na1: the file states multiplicity 8" in r for r in crystal.remarks)


@pytest.mark.parametrize(
    ("shift", "moved"), [(0.0, False), (0.0003, True), (0.0019, True)]
)
def test_special_positions_are_snapped(write, shift, moved):
    text = HALITE.replace("0.5 0.5 0.5", f"{0.5 + shift} 0.5 {0.5 - shift}")
    crystal = read_cif(write(text))
    assert crystal.sites[1].position == pytest.approx((0.5, 0.5, 0.5), abs=1e-12)
    assert crystal.sites[1].multiplicity == 4
    assert any("special position" in r for r in crystal.remarks) is moved


def test_positions_farther_off_are_not_snapped(write):
    with pytest.raises(StructureError, match="contradict the formula"):
        read_cif(write(HALITE.replace("0.5 0.5 0.5", "0.504 0.5 0.5")))


def test_incomplete_operations_are_completed_with_a_remark(write):
    loop = "loop_\n_space_group_symop_operation_xyz\nx,y,z\n-x,y,z\n'x, -y, z'\n"
    text = HALITE.replace("_space_group_name_H-M_alt 'F m -3 m'\n", loop)
    text = text.replace("_Z 4", "_Z 1")
    crystal = read_cif(write(text))
    assert len(crystal.operations) == 4
    assert any("completed to 4" in remark for remark in crystal.remarks)


@pytest.mark.parametrize(
    ("symbol", "position", "fits"),
    [
        ("F d -3 m", "0.125 0.125 0.125", True),
        ("F d -3 m:2", "0.125 0.125 0.125", True),
        ("F d -3 m:1", "0 0 0", True),
        ("F d -3 m", "0 0 0", False),
    ],
)
def test_origin_choice_is_two_unless_stated(write, symbol, position, fits):
    head, _, _ = HALITE.partition("Na1 Na1+")
    text = head.replace("F m -3 m", symbol).replace("'Cl Na'", "Si")
    path = write(text.replace("_Z 4", "_Z 8") + f"Si1 Si {position} 1 0.006\n")
    if fits:
        remarks = read_cif(path).remarks
        assert any("origin choice 2" in r for r in remarks) is (":" not in symbol)
    else:
        with pytest.raises(StructureError, match="make 16 units of 'Si'"):
            read_cif(path)


@pytest.mark.parametrize(
    ("symmetry", "remark"),
    [
        ("_space_group_name_Hall '-F 4 2 3'", False),
        ("_symmetry_space_group_name_Hall '-F 4 2 3'", False),
        ("_space_group_IT_number 225", True),
        ("_symmetry_space_group_name_H-M 'Fm-3m'", True),
        ("_symmetry_space_group_name_H-M F_m_-3_m", True),
    ],
)
def test_symmetry_by_hall_symbol_or_number(write, symmetry, remark):
    path = write(HALITE.replace("_space_group_name_H-M_alt 'F m -3 m'", symmetry))
    crystal = read_cif(path)
    assert crystal.space_group == "F m -3 m"
    assert any("taken from" in text for text in crystal.remarks) is remark


def test_operations_count_more_than_a_wrong_symbol(write):
    loop = "loop_\n_space_group_symop_operation_xyz\nx,y,z\n-x,-y,-z\n"
    text = HALITE.replace("_cell_length_a", loop + "_cell_length_a", 1)
    crystal = read_cif(write(text.replace("_Z 4", "_Z 1")))
    assert crystal.space_group == "P -1"
    assert any("not of F m -3 m as stated" in r for r in crystal.remarks)


def test_rhombohedral_axes_are_told_by_the_cell(write):
    head, _, _ = HALITE.partition("Na1 Na1+")
    for old, new in (("5.6402(2)", "5.13"), ("5.6402", "5.13"), (" 90\n", " 55.28\n")):
        head = head.replace(old, new)
    head = head.replace("F m -3 m", "R -3 c").replace("'Cl Na'", "'Al2 O3'")
    atoms = "Al1 Al 0.352 0.352 0.352 1 0.004\nO1 O 0.556 0.944 0.25 1 0.004\n"
    crystal = read_cif(write(head.replace("_Z 4", "_Z 2") + atoms))
    assert crystal.space_group == "R -3 c:R"
    assert crystal.density == pytest.approx(3.98, abs=0.02)


def test_a_slightly_unsymmetric_cell_is_mended_with_a_remark(write):
    crystal = read_cif(write(HALITE.replace("_b 5.6402", "_b 5.6404")))
    assert crystal.cell.a == crystal.cell.b == crystal.cell.c
    assert crystal.cell.alpha == 90.0
    assert any("cell made to obey its symmetry" in r for r in crystal.remarks)


def test_atoms_that_nearly_touch_are_refused(write):
    text = HALITE.replace("F m -3 m", "P 1").replace("_Z 4", "_Z 1")
    with pytest.raises(StructureError, match=r"Na1 and Cl1 are 0\.23 angstrom apart"):
        read_cif(write(text.replace("0.5 0.5 0.5", "0.04 0 0")))
    split = text.replace("0 0 0 1", "0 0 0 0.5").replace("5.6402", "4.6402")
    split = split.replace("0.5 0.5 0.5 1", "0.04 0 0 0.5").replace("_Z 1", "_Z 0.5")
    assert read_cif(write(split)).formula == "NaCl"


def test_the_first_of_several_structures_is_read(write):
    second = HALITE.replace("data_test", "data_second").replace("5.6402", "5.7")
    crystal = read_cif(write("data_empty\n" + HALITE + second))
    assert crystal.cell.a == 5.6402
    assert crystal.remarks[-1] == "the first of 2 structures in the file was read"


def test_broken_operation_is_named(write):
    loop = "loop_\n_space_group_symop_operation_xyz\nx,y,z\n'x, y+, w'\n"
    text = HALITE.replace("_space_group_name_H-M_alt 'F m -3 m'\n", loop)
    with pytest.raises(StructureError, match="'x, y\\+, w' cannot be read"):
        read_cif(write(text))


def test_every_shipped_structure_loads_without_a_repair():
    repairs = ("assumed", "moved", "made to obey", "states", "completed", "taken from")
    for entry in phases():
        if entry.is_available:
            crystal = load(entry.name)
            assert crystal.origin in ("measured", "computed")
            assert crystal.source
            assert not [r for r in crystal.remarks if any(w in r for w in repairs)]


@pytest.mark.parametrize(
    ("name", "density"),
    [
        ("NaTaCl6", 2.938),
        ("NaCl", 2.163),
        ("corundum", 3.986),
        ("zincite", 5.676),
        ("fluorite", 3.181),
        ("LaB6", 4.711),
        ("silicon", 2.329),
        ("rutile", 4.248),
        ("Na2O", 2.408),
    ],
)
def test_densities_are_those_of_handbooks(name, density):
    assert load(name).density == pytest.approx(density, abs=2e-3)


def test_natacl6_has_the_distances_of_the_facts():
    structure = load("NaTaCl6").structure
    elements = [site.specie.symbol for site in structure]
    distances = structure.distance_matrix
    chlorine = np.array([symbol == "Cl" for symbol in elements])
    tantalum = np.sort(distances[elements.index("Ta")][chlorine])[:6]
    sodium = np.sort(distances[elements.index("Na")][chlorine])[:8]
    assert tantalum.min() == pytest.approx(2.289, abs=1e-3)
    assert tantalum.max() == pytest.approx(2.488, abs=1e-3)
    assert tantalum.mean() == pytest.approx(2.380, abs=1e-3)
    assert sodium[0] == pytest.approx(2.85, abs=5e-3)
    assert sodium[5] == pytest.approx(3.04, abs=5e-3)
    assert sodium[6:] == pytest.approx([3.49, 3.55], abs=5e-3)
    assert structure.volume == pytest.approx(941.89, abs=0.01)


@pytest.mark.shared
def test_rounded_special_position_gives_24_caesium(shared_data):
    folder = shared_data / "xrd" / "milling_csbr_pbbr2" / "cif_and_instprm"
    crystal = read_cif(folder / "Cs4PbBr6_fit.cif")
    assert crystal.atom_counts == {"Pb": 6.0, "Cs": 24.0, "Br": 36.0}
    assert crystal.formula_units == 6


@pytest.mark.shared
def test_foreign_cifs_load_or_are_refused_for_a_right_reason(shared_data):
    refused = {}
    for path in sorted(shared_data.rglob("*.cif")):
        try:
            crystal = read_cif(path)
        except StructureError as error:
            refused[path.name] = str(error)
        else:
            assert crystal.structure.density == pytest.approx(crystal.density, rel=2e-3)
    # Its hydrogen stands beside a threefold axis, with no occupancy of 1/3 stated.
    assert list(refused) == ["MgOH2-Brucite.cif"]
    assert "Mg1 O2 H6" in refused["MgOH2-Brucite.cif"]
