"""Looking structures up, the user's folder first."""

from __future__ import annotations

import os

import pytest

from structkit.errors import DataQualityWarning, StructureError
from structkit.structures import library

SHIPPED = {
    "NaTaCl6",
    "NaCl",
    "Na2O",
    "corundum",
    "zincite",
    "fluorite",
    "LaB6",
    "silicon",
    "rutile",
}
TO_BRING = {"TaCl5", "Ta2O5", "TaOCl3", "NaTaO3", "NaAlCl4"}


@pytest.fixture(autouse=True)
def no_folders(monkeypatch):
    monkeypatch.delenv(library.FOLDERS_VARIABLE, raising=False)


@pytest.fixture
def own_folder(tmp_path, repository):
    """Return a folder with a NaTaCl6 of the user's own, 1.8 % smaller."""
    text = (repository / "cifs" / "NaTaCl6.cif").read_text()
    for old in ("6.69464", "7.10346", "19.80758"):
        text = text.replace(f" {old}", f" {0.982 * float(old):.5f}")
    text = text.replace("origin computed", "origin measured")
    (tmp_path / "own.cif").write_text(text)
    return tmp_path


def test_lists_shipped_phases_and_those_to_bring():
    entries = library.phases()
    assert {e.name for e in entries if e.is_available} == SHIPPED
    assert {e.name for e in entries if not e.is_available} == TO_BRING
    assert all(e.source for e in entries)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("NaCl", "NaCl"),
        ("nacl", "NaCl"),
        ("ClNa", "NaCl"),
        ("Cl6 Na Ta", "NaTaCl6"),
        ("halite", "NaCl"),
        ("Rock Salt", "NaCl"),
        ("Al2O3", "corundum"),
        ("O6Al4", "corundum"),
        ("P 63 m c", "zincite"),
        ("P63mc", "zincite"),
        ("P21/c", "NaTaCl6"),
        ("R-3c", "corundum"),
        ("186", "zincite"),
    ],
)
def test_finds_by_name_formula_and_space_group(query, name):
    assert library.load(query).name == name


def test_a_space_group_of_several_phases_lists_them():
    found = {entry.name for entry in library.find("F m -3 m")}
    assert found == {"NaCl", "Na2O", "fluorite"}
    with pytest.raises(StructureError, match="choose one of Na2O, NaCl, fluorite"):
        library.load("225")


def test_unknown_names_get_suggestions():
    with pytest.raises(StructureError, match=r"did you mean NaTaCl6 or"):
        library.load("NaTaCl5.5")
    with pytest.raises(StructureError, match="did you mean corundum"):
        library.load("corrundum")
    with pytest.raises(StructureError, match="known are LaB6, Na2O"):
        library.load("quartz")


def test_a_phase_to_bring_says_where_to_look():
    with pytest.raises(StructureError, match=r"TaCl5 has no CIF.*Rabe & Mueller"):
        library.load("TaCl5")


def test_the_users_folder_comes_first(own_folder, monkeypatch):
    shipped = library.load("NaTaCl6")
    own = library.load("NaTaCl6", folders=[own_folder])
    assert own.origin == "measured"
    assert own.cell.a == pytest.approx(0.982 * shipped.cell.a, abs=1e-5)
    assert library.load("halite", folders=[own_folder]).name == "NaCl"
    folders = os.pathsep.join(["", str(own_folder)])
    monkeypatch.setenv(library.FOLDERS_VARIABLE, folders)
    assert library.load("NaTaCl6") == own
    assert library.load("NaTaCl6", rename="mine").name == "mine"
    listed = {entry.name: entry for entry in library.phases()}
    assert listed["NaTaCl6"].path == own_folder / "own.cif"


def test_a_changed_file_is_read_again(own_folder):
    before = library.load("NaTaCl6", folders=[own_folder])
    path = own_folder / "own.cif"
    path.write_text(path.read_text().replace("90.6565", "90.7"))
    assert library.load("NaTaCl6", folders=[own_folder]) != before


def test_a_broken_cif_of_the_user_warns_and_is_passed_over(tmp_path):
    (tmp_path / "broken.cif").write_text("nothing")
    with pytest.warns(DataQualityWarning, match=r"broken\.cif: not a CIF"):
        assert library.load("NaCl", folders=[tmp_path]).name == "NaCl"


def test_absent_folders(tmp_path, monkeypatch):
    with pytest.raises(StructureError, match="no such folder"):
        library.load("NaCl", folders=[tmp_path / "absent"])
    monkeypatch.setenv(library.FOLDERS_VARIABLE, str(tmp_path / "absent"))
    with pytest.warns(DataQualityWarning, match="is no folder"):
        library.load("NaCl")


def test_a_path_is_read(repository):
    path = str(repository / "cifs" / "NaCl.cif")
    assert library.load(path).name == "NaCl"
    assert library.load(path, rename="salt").name == "salt"
