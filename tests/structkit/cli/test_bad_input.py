"""Every bad input of the issue, through the command line: one line, no traceback."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from structkit.cli.__main__ import main
from structkit.structures import library
from structkit.xrd.simulate import SimulatedPhase, simulate_pattern

SERIES = """\
[series]
name = "bad input"
[xrd]
range = [25.0, 50.0]
halo = false
[xrd.instrument]
tube = "CuKa"
[[xrd.phase]]
name = "NaCl"
[[sample]]
id = "a"
milling_time = 0
xrd = "a.xy"
"""
CIF = """\
data_salt
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_U_iso_or_equiv
Na1 Na 0 0 0 1 0.02
Cl1 Cl 0.5 0.5 0.5 1 0.02
"""


def rows(angle: np.ndarray, counts: np.ndarray) -> str:
    return "".join(f"{x:.3f} {y:g}\n" for x, y in zip(angle, counts, strict=True))


@pytest.fixture(scope="module")
def salt() -> tuple[np.ndarray, np.ndarray]:
    """Return angles and counts of rock salt."""
    pattern = simulate_pattern(
        [SimulatedPhase(structure=library.load("NaCl"), size=300.0)],
        two_theta=np.arange(24.0, 51.0, 0.03),
        seed=3,
    )
    return pattern["two_theta"].to_numpy(), pattern["intensity"].to_numpy()


@pytest.fixture
def folder(tmp_path: Path, salt: tuple[np.ndarray, np.ndarray]) -> Path:
    """Return a folder with a good series."""
    (tmp_path / "series.toml").write_text(SERIES)
    (tmp_path / "a.xy").write_text(rows(*salt))
    return tmp_path


def refine(folder: Path, *options: str) -> int:
    series, output = folder / "series.toml", folder / "out"
    return main(["refine", str(series), "-o", str(output), *options])


def check(folder: Path, shown: str, *words: str) -> None:
    """Assert one line on stderr that holds ``words``, and nothing half-written."""
    lines = [line for line in shown.splitlines() if ": warning: " not in line]
    assert len(lines) == 1, shown
    assert lines[0].startswith("structkit: error: ")
    assert "Traceback" not in shown
    for word in words:
        assert word in lines[0]
    left = [path for path in (folder / "out").rglob("*") if path.is_file()]
    assert left == []


def test_the_series_is_good_without_a_mistake(folder: Path) -> None:
    assert refine(folder) == 0
    files = {path.name for path in (folder / "out").rglob("*") if path.is_file()}
    assert {"refine.nc", "phases.csv", "samples.csv", "series.png"} <= files
    assert not [name for name in files if name.endswith(".part")]


def spoil(kind: str, angle: np.ndarray, counts: np.ndarray) -> bytes:
    """Return the content of a pattern file with one thing wrong."""
    angle, counts = angle.copy(), counts.copy()
    if kind == "empty":
        return b""
    if kind == "binary junk":
        return np.random.default_rng(1).bytes(4000)
    if kind == "one column":
        return "".join(f"{y:g}\n" for y in counts).encode()
    if kind == "words":
        return b"measured on a Tuesday\nby somebody\n"
    if kind == "NaN":
        return rows(angle, counts).replace(f" {counts[200]:g}\n", " nan\n").encode()
    if kind == "unsorted":
        angle[[100, 300]] = angle[[300, 100]]
    if kind == "repeated":
        angle[101] = angle[100]
    if kind == "negative":
        counts[50] = -40.0
    if kind == "two points":
        return rows(angle[:2], counts[:2]).encode()
    return rows(angle, counts).encode()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty", "export or copy it again"),
        ("binary junk", "a.xy"),
        ("one column", "one column"),
        ("words", "a.xy"),
        ("NaN", "intensity is nan"),
        ("unsorted", "two_theta"),
        ("repeated", "two_theta repeats"),
        ("negative", "negative count"),
        ("two points", "points"),
    ],
)
def test_bad_patterns(
    folder: Path,
    salt: tuple[np.ndarray, np.ndarray],
    capsys: pytest.CaptureFixture[str],
    kind: str,
    words: str,
) -> None:
    (folder / "a.xy").write_bytes(spoil(kind, *salt))
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, "a.xy", words)


@pytest.mark.parametrize("suffix", [".raw", ".xrdml", ".ras", ".fxye", ".brml", ".csv"])
def test_binary_junk_with_a_known_suffix(
    folder: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    name = f"a{suffix}"
    (folder / name).write_bytes(np.random.default_rng(2).bytes(4000))
    (folder / "series.toml").write_text(SERIES.replace("a.xy", name))
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, name)


def test_one_bad_pattern_stops_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b.xy").write_bytes(b"")
    more = '[[sample]]\nid = "b"\nmilling_time = 1\nxrd = "b.xy"\n'
    (folder / "series.toml").write_text(SERIES + more)
    assert refine(folder) == 0
    table = (folder / "out" / "tables" / "samples.csv").read_text().splitlines()
    assert table[1].startswith("a,0.0,")
    assert "failed" in table[2]
    assert "b.xy" in table[2]
    assert "failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tube", "words"),
    [
        ("wavelength = 15.4", ("no reflection", "check the wavelength")),
        ("wavelength = 0.0154", ("NaCl", "in angstrom")),
        ('tube = "CuKb"', ("CuKb", "use one of")),
    ],
)
def test_wrong_wavelength(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    tube: str,
    words: tuple[str, ...],
) -> None:
    (folder / "series.toml").write_text(SERIES.replace('tube = "CuKa"', tube))
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, *words)


def test_wavelength_against_that_of_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = folder / "a.xy"
    pattern.write_text("# wavelength = 1.540593\n" + pattern.read_text())
    text = SERIES.replace('tube = "CuKa"', 'tube = "CoKa"')
    (folder / "series.toml").write_text(text)
    assert refine(folder) == 1
    shown = capsys.readouterr().err
    check(folder, shown, "a: its file states 1.54059", "correct [xrd.instrument]")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("_space_group_name_H-M_alt 'F m -3 m'\n", "", "symmetry"),
        ("Cl1 Cl 0.5", "Xx1 Xx 0.5", "Xx"),
        ("0.5 0.5 0.5 1 0.02", "0.5 0.5 0.5 1.7 0.02", "occupan"),
        ("_cell_length_a 5.64\n", "", "cell"),
        (CIF, "", "salt.cif"),
        (CIF, "not a CIF\n", "salt.cif"),
    ],
    ids=["symmetry", "element", "occupancy", "cell", "empty", "junk"],
)
def test_bad_structures(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    word: str,
) -> None:
    (folder / "salt.cif").write_text(CIF.replace(old, new))
    text = SERIES.replace('name = "NaCl"', 'name = "salt"\ncif = "salt.cif"')
    (folder / "series.toml").write_text(text)
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, "salt.cif", word)


def test_partial_occupancies_are_refined_as_they_are(folder: Path) -> None:
    """A mixed site is a structure like any other: it counts with its occupancies."""
    mixed = CIF.replace(
        "Na1 Na 0 0 0 1 0.02", "Na1 Na 0 0 0 0.8 0.02\nK1 K 0 0 0 0.2 0.02"
    )
    (folder / "salt.cif").write_text(mixed)
    text = SERIES.replace('name = "NaCl"', 'name = "salt"\ncif = "salt.cif"')
    (folder / "series.toml").write_text(text)
    assert refine(folder) == 0


def test_unknown_phase_names_the_nearest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "series.toml").write_text(SERIES.replace("NaCl", "NaTaCl5"))
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, "NaTaCl5", "NaTaCl6")


def test_unknown_engine_names_the_nearest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refine(folder, "--engine", "natve") == 1
    check(folder, capsys.readouterr().err, "natve", "native")


def test_absent_sample_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.xy").unlink()
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, "sample[0].xrd", "a.xy")


def test_several_mistakes_are_told_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SERIES.replace("range", "rnge").replace(
        "milling_time = 0", 'milling_time = "x"'
    )
    (folder / "series.toml").write_text(text.replace("a.xy", "b.xy"))
    assert refine(folder) == 1
    first, *mistakes = capsys.readouterr().err.splitlines()
    assert "has 3 mistakes:" in first
    assert len(mistakes) == 3
    assert not (folder / "out").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_output_folder_that_cannot_be_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o500)
    series = folder / "series.toml"
    assert main(["refine", str(series), "-o", str(closed / "out")]) == 1
    check(folder, capsys.readouterr().err, "closed", "-o")


def test_output_that_is_a_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").write_text("precious")
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, "is a file")
    assert (folder / "out").read_text() == "precious"


@pytest.mark.parametrize("arguments", [["refine"], ["refine", "series.toml"]])
def test_wrong_usage_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["lab.instprm", "lab.prm"])
def test_bad_instrument_file(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (folder / name).write_text("no such thing\n")
    text = SERIES.replace('tube = "CuKa"', f'file = "{name}"')
    (folder / "series.toml").write_text(text)
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, name)


def test_bad_standard_pattern(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "LaB6.xy").write_text("")
    standard = 'standard = "LaB6.xy"\nstandard_phase = "LaB6"\ntube = "CuKa"'
    (folder / "series.toml").write_text(SERIES.replace('tube = "CuKa"', standard))
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, "LaB6.xy", "empty")


def test_blank_that_ends_early(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    angle = np.arange(24.0, 40.0, 0.03)
    (folder / "blank.xy").write_text(rows(angle, 100.0 + angle))
    text = SERIES.replace("halo = false", 'halo = false\nblank = "blank.xy"')
    (folder / "series.toml").write_text(text)
    assert refine(folder) == 1
    check(folder, capsys.readouterr().err, "blank covers", "set range")
