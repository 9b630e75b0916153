"""Measured impedance of many instruments, and text written in many ways."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.impedance import read_impedance, read_impedances, read_polarization
from structkit.schema import validate_impedance

SIX_DIGITS = 4e-6
"""Ivium writes six digits of each part, half a step of which is 4e-6 of |Z|."""
FIVE_DIGITS = 4e-4
"""The .P00 has numbers rounded to four digits."""
SINGLE_PRECISION = 1e-6
"""EC-Lab stores 32 bits; its text has eight digits."""
RUNS = {"chronoa_data.dta", "chronoa_de_data.dta"}
REFUSED = {"cv_data.dta": "Cyclic Voltammetry", "ocp_data.dta": "Open Circuit"}
POINTS = {
    "Circuit1_EIS_1.z": [48],
    "Circuit2_EIS_1.z": [56],
    "Circuit3_EIS_1.z": [53],
    "EISGALV_EISTest3.DTA": [71],
    "eispot_data.dta": [10],
    "eispot_data_curveaborted.dta": [5],
    "exampleData.csv": [66],
    "exampleDataAutolab.txt": [41],
    "exampleDataBioLogic.mpt": [43],
    "exampleDataCHInstruments.txt": [73],
    "exampleDataGamry.DTA": [72],
    "exampleDataGamryABORT.DTA": [72],
    "exampleDataParstat.txt": [31],
    "exampleDataPowersuite.txt": [30],
    "exampleDataVersaStudio.par": [61],
    "exampleDataZPlot.z": [21],
    "pyimpspec_case-multiple-spectra.mpt": [29, 29, 29],
    "pyimpspec_data.ids": [29, 29],
    "pyimpspec_drift-corrected-data.dta": [55],
    **{
        f"pyimpspec_data{end}": [29]
        for end in "-comma.csv .P00 .dfr .dta .i2b .idf .mpt .z".split()
    },
}
FREQUENCY = np.array([1e5, 2e4, 3e3, 500.0, 40.0, 7.0])
IMPEDANCE = 20.0 + 80.0 / (1.0 + 1j * FREQUENCY * 1e-3)


def differ(spectrum: xr.Dataset, other: xr.Dataset) -> float:
    """Return the largest difference over \\|Z\\|, asking for the same frequencies."""
    np.testing.assert_allclose(spectrum.frequency, other.frequency, rtol=FIVE_DIGITS)
    first, second = spectrum.impedance.to_numpy(), other.impedance.to_numpy()
    return float(np.max(np.abs(first - second) / np.abs(second)))


def write(path: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def vendor(shared_data: Path) -> Path:
    return shared_data / "vendor" / "eis"


@pytest.fixture
def pellet(shared_data: Path) -> Path:
    return shared_data / "eis" / "hybrid_drt_LPSCl"


@pytest.mark.shared
def test_every_vendor_file_reads_or_is_refused_by_name(vendor: Path) -> None:
    names = {p.name for p in vendor.iterdir() if p.suffix != ".md"}
    assert names == set(POINTS) | RUNS | set(REFUSED)
    for name, sizes in POINTS.items():
        spectra = read_impedances(vendor / name)
        assert [s.sizes["frequency"] for s in spectra] == sizes, name
        for spectrum in spectra:
            validate_impedance(spectrum)
            low = spectrum.impedance.to_numpy()[: spectrum.sizes["frequency"] // 3]
            assert np.median(low.imag) < 0.0, name
    for name, technique in REFUSED.items():
        for read in (read_impedance, read_polarization):
            with pytest.raises(ReadError, match=f"{name}: holds {technique}.*; give"):
                read(vendor / name)
    for name in RUNS:
        with pytest.raises(ReadError, match="read it with read_polarization"):
            read_impedance(vendor / name)


@pytest.mark.shared
@pytest.mark.parametrize("end", "P00 dfr dta i2b idf ids mpt z".split())
def test_eight_formats_hold_one_spectrum(vendor: Path, end: str) -> None:
    reference = read_impedance(vendor / "pyimpspec_data-comma.csv")
    tolerance = FIVE_DIGITS if end == "P00" else SIX_DIGITS
    for spectrum in read_impedances(vendor / f"pyimpspec_data.{end}"):
        assert differ(spectrum, reference) < tolerance


@pytest.mark.shared
def test_a_loop_of_three_gives_each_and_warns(vendor: Path) -> None:
    path = vendor / "pyimpspec_case-multiple-spectra.mpt"
    reference = read_impedance(vendor / "pyimpspec_data-comma.csv")
    with pytest.warns(DataQualityWarning, match="3 blocks"):
        assert differ(read_impedance(path), reference) < SIX_DIGITS
    assert read_impedance(path, block=3).attrs["block"] == 3


@pytest.mark.shared
def test_three_files_of_one_pellet_agree(pellet: Path) -> None:
    name = "PEIS_LPSCl_IonBlocking_-25C"
    binary, text, relaxis = (
        read_impedance(pellet / f"{name}{end}")
        for end in (".mpr", ".txt", "_RelaxIS.txt")
    )
    assert differ(text, binary) < SINGLE_PRECISION
    assert differ(relaxis, binary) < SINGLE_PRECISION
    np.testing.assert_allclose(text.time, binary.time, atol=1e-9)
    assert "temperature" not in relaxis.coords


@pytest.mark.shared
def test_a_loop_in_csv_with_rows_at_zero_hertz(pellet: Path) -> None:
    spectra = read_impedances(pellet / "Sample2_PEIS_AtRest.csv")
    assert [s.sizes["frequency"] for s in spectra] == [89] * 10
    for end in ("PEIS_SSB.mpr", "Sample1_PEIS_EndOfDischarge.mpr"):
        assert read_impedance(pellet / end).attrs["remarks"] == ""


@pytest.mark.shared
def test_every_table_of_the_conductor_reads(shared_data: Path) -> None:
    folder = shared_data / "eis" / "EISFitpython"
    data = sorted((folder / "EIS_Data").rglob("*.*"))
    fitted = sorted((folder / "results").rglob("*.txt"))
    reports = [path for path in fitted if re.search("Report|report|Values", path.name)]
    for path in [*data, *sorted(set(fitted) - set(reports))]:
        spectrum = read_impedance(path)
        match = re.search(r"_(\d+)(K|C)\.txt", path.name)
        if match:
            kelvin = float(match[1]) + (273.15 if match[2] == "C" else 0.15)
            assert float(spectrum.temperature) == pytest.approx(kelvin)
    for path in reports:
        with pytest.raises(ReadError, match=r"columns titled|no titles"):
            read_impedance(path)


@pytest.mark.shared
def test_what_is_odd_stands_in_the_remarks(vendor: Path) -> None:
    def remarks(name: str) -> str:
        return str(read_impedance(vendor / name).attrs["remarks"])

    assert "aborted" in remarks("exampleDataGamryABORT.DTA")
    assert "aborted" in remarks("eispot_data_curveaborted.dta")
    assert remarks("exampleDataZPlot.z") == "56 rows are declared, 21 are there."
    assert "781 rows at 0 Hz" in remarks("exampleDataParstat.txt")
    assert "Drift-corrected" in remarks("pyimpspec_drift-corrected-data.dta")
    assert "sign of Z''" in remarks("exampleData.csv")
    assert remarks("exampleDataPowersuite.txt") == ""


@pytest.mark.shared
def test_runs_of_point_and_comma_are_the_same(vendor: Path) -> None:
    point, comma = (read_polarization(vendor / name) for name in sorted(RUNS))
    np.testing.assert_array_equal(point.current[1:], comma.current[1:])
    np.testing.assert_allclose(point.time, comma.time)
    assert float(point.current[1]) == 1.40441e-8
    assert float(point.voltage[9]) == 0.4
    assert "5258 rows are declared, 10 are there." in point.attrs["remarks"]
    with pytest.raises(ReadError, match="read it with read_impedance"):
        read_polarization(vendor / "exampleDataGamry.DTA")


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    separator=st.sampled_from([";", "\t", ",", " ", ", "]),
    decimal_comma=st.booleans(),
    names=st.sampled_from(
        [
            ("freq/Hz", "Re(Z)/Ohm", "-Im(Z)/Ohm", 1.0, -1.0),
            ("Frequency(Hz)", "Zreal(kOhm)", "Zimag(kOhm)", 1e-3, 1e-3),
            ("f", "Z'", "Z''", 1.0, 1.0),
            ("f/Hz", "|Z|/MOhm", "phase/deg", 0.0, 0.0),
            ("Freq.[Hz]", "Zs'[mOhm]", "-Zs''[Ohm]", 1e3, -1.0),
        ]
    ),
    order=st.permutations(range(4)),
    rows=st.permutations(range(6)),
    end=st.sampled_from(["\n", "\r\n", "\r\r\n"]),
)
def test_text_written_in_any_way_reads_back(
    tmp_path: Path,
    separator: str,
    decimal_comma: bool,
    names: tuple[str, str, str, float, float],
    order: list[int],
    rows: list[int],
    end: str,
) -> None:
    first, second = names[3] * IMPEDANCE.real, names[4] * IMPEDANCE.imag
    if names[3] == 0.0:
        first, second = abs(IMPEDANCE) / 1e6, np.degrees(np.angle(IMPEDANCE))
    table = np.column_stack([FREQUENCY, first, second, np.arange(6.0)])[rows]
    titles = (*names[:3], "note")
    lines = [separator.join(titles[i] for i in order)]
    for row in table:
        cells = [f"{row[i]:.12e}" for i in order]
        if decimal_comma and "," not in separator:
            cells = [cell.replace(".", ",") for cell in cells]
        lines.append(separator.join(cells))
    path = write(tmp_path / "a.csv", end.join([*lines, ""]))
    (spectrum,) = read_impedances(path)
    np.testing.assert_allclose(spectrum.frequency, FREQUENCY[::-1], rtol=1e-11)
    np.testing.assert_allclose(spectrum.impedance, IMPEDANCE[::-1], rtol=1e-10)


def test_spectra_side_by_side_and_below_each_other(tmp_path: Path) -> None:
    titles = "f/Hz;Z'/Ohm;Z''/Ohm"
    rows = [
        f"{f:g};{z.real:.9g};{z.imag:.9g};{f:g};{2 * z.real:.9g};{2 * z.imag:.9g}"
        for f, z in zip(FREQUENCY, IMPEDANCE, strict=True)
    ]
    rows[-1] = rows[-1].rsplit(";", 3)[0] + ";;;"
    beside = "\n".join([f"{titles};{titles}", *rows])
    first, second = read_impedances(write(tmp_path / "a.csv", beside))
    assert (first.sizes["frequency"], second.sizes["frequency"]) == (6, 5)
    np.testing.assert_allclose(second.impedance, 2.0 * first.impedance[1:], rtol=1e-8)
    single = [row.rsplit(";", 3)[0] for row in rows]
    single[-1] = single[-1].rstrip(";")
    block = "\n".join(["cell A", "Temperature: 30 °C", titles, *single])
    other = block.replace("cell A", "cell B").replace("30", "40", 1)
    below = write(tmp_path / "b.csv", f"{block}\n\n{other}\n")
    titled = [(s.attrs["title"], float(s.temperature)) for s in read_impedances(below)]
    assert titled == [("cell A", 303.15), ("cell B", 313.15)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f/Hz,Z'/Ohm,Z''/Ohm\n1,2,-3\n2,x,-3\n", r"line 3, \"Z'/Ohm\": 'x' is no"),
        ("f/Hz,Z'/Ohm,Z''/Ohm\n1,2,-3\n2,3\n", "line 3: not the 3 cells"),
        ("f/Hz,Z'/Ohm,Z''/Ohm\n1,2,-3\n2,,-3\n3,4,-1\n", "line 3: a value is missing"),
        ("f/Hz,Z'/Ohm cm2,Z''/Ohm cm2\n1,2,-3\n2,3,-4\n", "per area"),
        ("f/Hz,Z'/foo,Z''/foo\n1,2,-3\n2,3,-4\n", "in 'foo', which is no unit"),
        ("f/Hz,Z'/Ohm,Z''/Ohm\n", "titled"),
        ("a,b,c\n1,2,-3\n2,3,-4\n3,4,-1\n", "line 1: the titles 'a,b,c'"),
        ("1 2 3 4\n2 3 4 5\n", "line 1: no titles, and not three columns"),
        ("0 2 -3\n1 3 -4\n2 4 -1\n3 4 -1\n4 4 -2\n", "even steps as a time has"),
        ("some words\n", "no table of impedance"),
        ("f/Hz,Z'/Ohm,Z''/Ohm\n1,2,-3\n2,3,-\x00\n", "its content is not that"),
        (f"{'#' * 5000}\nf,Z',Z''\n1,2,-3\n2,3,-\x00\n", "line 4: holds the control"),
        ("f/Hz,time/s\n1,2\n2,3\n3,4\n", "line 2: no titles, and not three"),
        ("time/s,I/A\n0,1\n1,2\n2,3\n", "read it with read_polarization"),
    ],
)
def test_bad_text_is_refused_by_line_and_remedy(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ReadError, match=message) as caught:
        read_impedance(write(tmp_path / "a.csv", text))
    assert "a.csv" in str(caught.value)


@pytest.mark.parametrize("name", ["absent.z", "empty.dta", "folder"])
def test_what_is_no_file_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.dta").touch()
    with pytest.raises(ReadError, match=name):
        read_impedance(tmp_path / name)


def test_latin_1_bytes_in_a_header_do_no_harm(tmp_path: Path) -> None:
    text = "Temperature: 25 °C\nf/Hz;Z'/Ohm;-Z''/Ohm\n1;2;3\n2;2;2\n3;2;1\n"
    spectrum = read_impedance(write(tmp_path / "a.txt", text, encoding="latin-1"))
    assert float(spectrum.temperature) == 298.15
    np.testing.assert_array_equal(spectrum.impedance, [2 - 3j, 2 - 2j, 2 - 1j])


def test_a_line_of_units_below_the_titles(tmp_path: Path) -> None:
    text = "Freq\tZreal\tZimag\nkHz\tkohm\tohm\n1\t2\t-3\n2\t2\t-2\n3\t2\t-1\n"
    spectrum = read_impedance(write(tmp_path / "a.txt", text))
    np.testing.assert_array_equal(spectrum.frequency, [1e3, 2e3, 3e3])
    np.testing.assert_array_equal(spectrum.impedance, [2e3 - 3j, 2e3 - 2j, 2e3 - 1j])


def test_a_time_of_day_is_left_out(tmp_path: Path) -> None:
    text = "time/s,f/Hz,Z'/Ohm,Z''/Ohm\n12:00:01,1,2,-3\n12:00:02,2,2,-2\n"
    text += "12:00:03,3,2,-1\n"
    assert "time" not in read_impedance(write(tmp_path / "a.csv", text)).coords
    moved = "f/Hz,Z'/Ohm,Z''/Ohm,time/s\n1,2,-3,12:00\n2,2,-2,12:01\n3,2,-1,12:02\n"
    assert "time" not in read_impedance(write(tmp_path / "b.csv", moved)).coords
