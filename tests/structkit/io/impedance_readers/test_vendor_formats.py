"""What is particular to single formats: aborted, cut, wrongly counted, other data."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from structkit.errors import ReadError
from structkit.io.impedance import read_impedance, read_impedances, read_polarization

REFERENCE = Path(__file__).parents[3] / "reference" / "impedance"


def change(tmp_path: Path, name: str, *pairs: tuple[str, str]) -> Path:
    """Write a reference file with replacements."""
    text = (REFERENCE / name).read_bytes().decode("latin-1")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    return path


def module(name: str, version: int, content: bytes) -> bytes:
    names = name.ljust(10).encode() + name.ljust(25).encode()
    head = struct.pack("<4I", 0xFFFFFFFF, len(content), 0, version)
    return b"MODULE" + names + head + b"01.02.25" + content


def write_mpr(
    path: Path,
    ids: list[int],
    rows: np.ndarray,
    *,
    technique: int = 0x1D,
    version: int = 11,
) -> Path:
    """Write an .mpr with two modules."""
    order = ">u2" if version > 9 else "<u2"
    content = struct.pack("<IB", rows.size, len(ids)) + np.array(ids, order).tobytes()
    start = {2: 0x195, 3: 0x196}.get(version, 0x3EF)
    content = content.ljust(start, b"\0") + rows.tobytes()
    settings = module("VMP Set", 10, bytes([technique]) + b"\0" * 9)
    head = b"BIO-LOGIC MODULAR FILE\x1a".ljust(52)
    path.write_bytes(head + settings + module("VMP data", version, content))
    return path


RUN_ROWS = np.array(
    [(0.0, 0.1, 5e-6), (1.0, 0.1, 3e-6), (2.0, 0.1, 2e-6)],
    dtype=[("t", "<f8"), ("e", "<f4"), ("i", "<f4")],
)


SPECTRUM = np.array(
    [(10.0, 9.0, -4.0, 0.0), (20.0, 8.0, -3.0, 1.0), (30.0, 7.0, -2.0, 2.0)]
)
"""Frequency, Z', Z'', time."""
WIDTHS = {32: "<f4", 37: "<f4", 38: "<f4", 4: "<f8", 39: "<u2", 24: "<f8", 77: "<f4"}
FLAGS = [1, 2, 3, 21, 31, 65]
in_one_folder = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@in_one_folder
@given(
    ids=st.permutations([32, 37, 38, 4, 39, 24, 77]),
    flags=st.lists(st.sampled_from(FLAGS), unique=True),
    place=st.integers(0, 7),
    version=st.sampled_from([2, 3, 10, 11]),
)
def test_mpr_with_any_columns_reads_back(
    tmp_path: Path, ids: list[int], flags: list[int], place: int, version: int
) -> None:
    fields = [(str(i), WIDTHS[i]) for i in ids]
    if flags:
        fields.insert(place, ("flags", "u1"))
    rows = np.zeros(3, dtype=fields)
    for column, values in zip((32, 37, 38, 4), SPECTRUM.T, strict=True):
        rows[str(column)] = -values if column == 38 else values
    all_ids = [*ids[:place], *flags, *ids[place:]]
    path = write_mpr(tmp_path / "a.mpr", all_ids, rows, version=version)
    spectrum = read_impedance(path)
    frequency, real, imaginary, time = SPECTRUM.T
    np.testing.assert_array_equal(spectrum.frequency, frequency)
    np.testing.assert_array_equal(spectrum.impedance, real + 1j * imaginary)
    np.testing.assert_array_equal(spectrum.time, time)


@in_one_folder
@given(
    order=st.permutations(range(6)),
    decimal_comma=st.booleans(),
    declared=st.sampled_from(["", "\t3", "\t99"]),
)
def test_gamry_with_any_columns_reads_back(
    tmp_path: Path, order: list[int], decimal_comma: bool, declared: str
) -> None:
    names = ["Freq", "Zreal", "Zimag", "Time", "IERange", "Over"]
    units = ["Hz", "ohm", "ohm", "s", "#", "bits"]
    lines = ["EXPLAIN", "TAG\tEISPOT", f"ZCURVE\tTABLE{declared}"]
    lines.extend("".join(f"\t{w[i]}" for i in order) for w in (names, units))
    for row in SPECTRUM:
        cells = [f"{value:.5E}" for value in row]
        if decimal_comma:
            cells = [cell.replace(".", ",") for cell in cells]
        cells += ["9", "..........."]
        lines.append("".join(f"\t{cells[i]}" for i in order))
    path = tmp_path / "a.dta"
    path.write_text("\n".join([*lines, ""]))
    spectrum = read_impedance(path)
    frequency, real, imaginary, time = SPECTRUM.T
    np.testing.assert_array_equal(spectrum.frequency, frequency)
    np.testing.assert_array_equal(spectrum.impedance, real + 1j * imaginary)
    np.testing.assert_array_equal(spectrum.time, time)
    assert ("99 rows are declared" in spectrum.attrs["remarks"]) == ("99" in declared)


def test_gamry_galvanostatic_with_commas_and_an_abort(tmp_path: Path) -> None:
    path = change(
        tmp_path,
        "gamry.dta",
        (".", ","),
        (",,,,,,,,,,,", "..........."),
        ("EISPOT", "GALVEIS"),
    )
    end = "EXPERIMENTABORTED\tTOGGLE\tT\tExperiment Aborted\n"
    fra = "FRACURVE\tTABLE\t1\n\tPt\tT\tV\tI\n\t#\ts\tV\tA\n\t0\t1\t2\t3\n"
    path.write_bytes(path.read_bytes() + (end + fra).encode())
    spectrum = read_impedance(path)
    reference = read_impedance(REFERENCE / "gamry.dta")
    np.testing.assert_array_equal(spectrum.impedance, reference.impedance)
    assert "aborted" in spectrum.attrs["remarks"]
    assert spectrum.attrs["technique"].endswith("GALVEIS")


def test_gamry_columns_in_another_order(tmp_path: Path) -> None:
    lines = (REFERENCE / "gamry.dta").read_text("latin-1").split("\n")
    start = lines.index("ZCURVE\tTABLE") + 1
    for place in range(start, len(lines)):
        fields = lines[place].split("\t")
        if len(fields) > 5:
            fields[3], fields[4], fields[5] = fields[5], fields[3], fields[4]
            lines[place] = "\t".join(fields)
    path = tmp_path / "a.dta"
    path.write_text("\n".join(lines), "latin-1")
    reference = read_impedance(REFERENCE / "gamry.dta")
    np.testing.assert_array_equal(read_impedance(path).impedance, reference.impedance)


def test_gamry_units_of_the_table_are_obeyed(tmp_path: Path) -> None:
    path = change(tmp_path, "gamry.dta", ("Hz\tohm\tohm", "Hz\tkohm\tkohm"))
    reference = read_impedance(REFERENCE / "gamry.dta")
    np.testing.assert_allclose(
        read_impedance(path).impedance, 1e3 * reference.impedance
    )


def test_gamry_before_its_first_point(tmp_path: Path) -> None:
    text = (REFERENCE / "gamry.dta").read_text("latin-1")
    path = tmp_path / "a.dta"
    path.write_text(text[: text.index("ZCURVE")], "latin-1")
    with pytest.raises(ReadError, match="no table of it; the run was aborted"):
        read_impedance(path)
    path.write_text(text[: text.index("\t0\t0\t100000")], "latin-1")
    with pytest.raises(ReadError, match="the table ZCURVE has no rows"):
        read_impedance(path)


def test_gamry_cut_row_is_named(tmp_path: Path) -> None:
    content = (REFERENCE / "gamry.dta").read_bytes()
    path = tmp_path / "a.dta"
    path.write_bytes(content[:-40])
    with pytest.raises(ReadError, match=r"line 27: \d cells where ZCURVE has 11"):
        read_impedance(path)


def test_mpt_of_another_technique_is_refused_by_name(tmp_path: Path) -> None:
    old = "Potentio Electrochemical Impedance Spectroscopy"
    path = change(tmp_path, "biologic.mpt", (old, "Cyclic Voltammetry"))
    with pytest.raises(ReadError, match="holds Cyclic Voltammetry"):
        read_impedance(path)


def test_mpt_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "a.mpt"
    path.write_text(
        "EC-Lab ASCII FILE\nNb header lines : 6\n\nChronoamperometry / "
        "Chronocoulometry\n\nmode\ttime/s\tEwe/V\tI/mA\n"
        "2\t0,0\t0,1\t5e-6\n2\t1,0\t0,1\t3e-6\n2\t2,0\t0,1\t2e-6\n"
    )
    run = read_polarization(path)
    np.testing.assert_allclose(run.current, [5e-9, 3e-9, 2e-9])
    with pytest.raises(ReadError, match=r"read_polarization \(Chronoamperometry"):
        read_impedance(path)


@pytest.mark.parametrize("version", [2, 3, 10, 11])
def test_mpr_versions_and_a_run(tmp_path: Path, version: int) -> None:
    path = write_mpr(
        tmp_path / "a.mpr", [4, 6, 8], RUN_ROWS, technique=0x18, version=version
    )
    run = read_polarization(path)
    np.testing.assert_allclose(run.current, [5e-9, 3e-9, 2e-9], rtol=1e-6)
    assert run.attrs["technique"] == "Chronoamperometry"


@pytest.mark.parametrize(
    ("ids", "technique", "version", "message"),
    [
        ([4, 9999, 8], 0x18, 11, r"unknown column id 9999; export .* text \(\.mpt\)"),
        ([4, 6, 11], 0x18, 11, "do not fill"),
        ([4, 6, 8], 0x18, 7, "data version 7 is unknown; export"),
        ([4, 6, 8], 0x06, 11, "holds Cyclic Voltammetry"),
        ([4, 6, 8], 0x0B, 11, "holds Open Circuit Voltage"),
    ],
)
def test_mpr_that_is_not_understood(
    tmp_path: Path, ids: list[int], technique: int, version: int, message: str
) -> None:
    path = write_mpr(
        tmp_path / "a.mpr", ids, RUN_ROWS, technique=technique, version=version
    )
    with pytest.raises(ReadError, match=message):
        read_polarization(path)


def test_mpr_that_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.mpr"
    path.write_bytes((REFERENCE / "biologic.mpr").read_bytes()[:1500])
    with pytest.raises(ReadError, match="ends within its data module"):
        read_impedance(path)


def test_zview_count_is_compared(tmp_path: Path) -> None:
    path = change(tmp_path, "zview.z", ("Points:                13", "Points: 20"))
    assert read_impedance(path).attrs["remarks"] == (
        "20 rows are declared, 13 are there."
    )


def test_versastudio_segments_are_sweeps(tmp_path: Path) -> None:
    text = (REFERENCE / "versastudio.par").read_text()
    start, end = text.index("<Segment1>"), text.index("<Graph1>")
    again = text[start:end].replace("Segment1>", "Segment2>")
    path = tmp_path / "a.par"
    path.write_text(text[:end] + again + text[end:])
    first, second = read_impedances(path)
    np.testing.assert_array_equal(first.impedance, second.impedance)


def test_versastudio_at_zero_hertz_is_a_run(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    path.write_text(
        "<Application>\nName=VersaStudio\n</Application>\n<Action1>\n"
        "Name=Chronoamperometry\n</Action1>\n<Segment1>\nDefinition=Point #, E(V), "
        "I(A), Elapsed Time(s), Frequency(Hz), Z Real, Z Imag, 0\n0,0.1,5E-9,0,0,0,0\n"
        "1,0.1,4E-9,1,0,0,0\n2,0.1,3E-9,2,0,0,0\n</Segment1>\n"
    )
    np.testing.assert_array_equal(read_polarization(path).current, [5e-9, 4e-9, 3e-9])


def test_ivium_of_two_measurements_and_of_another_method(tmp_path: Path) -> None:
    content = (REFERENCE / "ivium.idf").read_bytes()
    path = tmp_path / "a.ids"
    path.write_bytes(content + content)
    assert len(read_impedances(path)) == 2
    path.write_bytes(content.replace(b"Method=Impedance", b"Method=CyclicVoltammetry"))
    with pytest.raises(ReadError, match="holds CyclicVoltammetry"):
        read_impedance(path)


@pytest.mark.parametrize("name", ["ivium.idf", "spectrum.dfr", "spectrum.i2b"])
def test_counts_without_their_points_are_refused(tmp_path: Path, name: str) -> None:
    path = change(tmp_path, name, ("13", "99"))
    with pytest.raises(ReadError, match=r"of 99\s+points|of 99 points"):
        read_impedance(path)


def test_p00_count_is_held_against_its_rows(tmp_path: Path) -> None:
    path = change(tmp_path, "spectrum.p00", ("\n 13 \n", "\n 20 \n"))
    with pytest.raises(ReadError, match="13 of 20 points"):
        read_impedance(path)


def test_chi_of_another_technique_is_refused_by_name(tmp_path: Path) -> None:
    path = change(tmp_path, "chi.txt", ("A.C. Impedance", "Cyclic Voltammetry"))
    with pytest.raises(ReadError, match="holds Cyclic Voltammetry"):
        read_impedance(path)


def test_headers_of_z60w_say_how_many(tmp_path: Path) -> None:
    path = change(tmp_path, "z60w.txt", ("\n13\n", "\n41\n"))
    assert "41 rows are declared" in read_impedance(path).attrs["remarks"]
