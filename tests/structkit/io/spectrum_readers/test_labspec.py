"""LabSpec text and XML: maps, series, sets; headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import ReadError
from structkit.io.spectra import read_spectra
from structkit.io.spectrum_readers.labspec_header import interpret_header

REFERENCE = Path(__file__).parents[3] / "reference" / "spectra"
SHIFT = np.linspace(100.0, 160.0, 13)
ROWS = np.arange(39).reshape(3, 13) + 20
NAMED = "#AxisUnit[0]=Cnt\n#AxisType[1]=Spectr\n#AxisUnit[1]=1/cm\n"


def matrix(leading: np.ndarray, *, header: str = NAMED) -> str:
    """Write spectra line by line after their leading columns."""
    axis = "\t" * leading.shape[1] + "\t".join(f"{s:g}" for s in SHIFT)
    lines = [
        "\t".join(f"{v:g}" for v in (*before, *row))
        for before, row in zip(leading, ROWS, strict=True)
    ]
    return f"#Laser=\t532nm_Edge\n{header}" + "\n".join([axis, *lines]) + "\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "a.txt"
    path.write_bytes(text.encode("latin-1"))
    return path


def test_maps_have_positions(tmp_path: Path) -> None:
    leading = np.array([[0.0, 1.0], [0.5, 1.0], [0.0, 1.5]])
    spectra = read_spectra(write(tmp_path, matrix(leading)))
    np.testing.assert_array_equal(spectra.position_x, leading[:, 0])
    np.testing.assert_array_equal(spectra.position_y, leading[:, 1])
    assert spectra.position_x.attrs["units"] == "um"
    np.testing.assert_array_equal(spectra.intensity, ROWS)
    np.testing.assert_array_equal(spectra.raman_shift, SHIFT)


def test_named_axes_of_a_map_are_obeyed(tmp_path: Path) -> None:
    leading = np.array([[0.0, 1.0], [0.5, 1.0], [0.0, 1.5]])
    header = f"{NAMED}#AxisType[2]=Y\n#AxisUnit[2]=µm\n#AxisType[3]=X\n"
    spectra = read_spectra(write(tmp_path, matrix(leading, header=header)))
    np.testing.assert_array_equal(spectra.position_y, leading[:, 0])
    np.testing.assert_array_equal(spectra.position_x, leading[:, 1])


def test_unnamed_first_column_that_ascends_from_zero_is_a_time(tmp_path: Path) -> None:
    leading = np.array([[0.0], [59.9], [120.1]])
    spectra = read_spectra(write(tmp_path, matrix(leading)))
    np.testing.assert_array_equal(spectra.time, leading[:, 0])
    assert spectra.time.attrs["units"] == "s"
    assert "taken as a time in s" in spectra.attrs["remarks"]
    line = read_spectra(write(tmp_path, matrix(np.array([[-2.0], [0.0], [2.0]]))))
    np.testing.assert_array_equal(line.position_x, [-2.0, 0.0, 2.0])
    assert "taken as X in um" in line.attrs["remarks"]


def test_named_time_is_counted_from_the_first_in_seconds(tmp_path: Path) -> None:
    header = f"{NAMED}#AxisType[2]=Time\n#AxisUnit[2]=min\n"
    leading = np.array([[1.0], [2.0], [4.0]])
    spectra = read_spectra(write(tmp_path, matrix(leading, header=header)))
    np.testing.assert_array_equal(spectra.time, [0.0, 60.0, 180.0])
    assert spectra.attrs["remarks"] == ""


def test_sets_of_spectra_have_no_coordinate(tmp_path: Path) -> None:
    spectra = read_spectra(write(tmp_path, matrix(np.array([[1.0], [2.0], [3.0]]))))
    assert spectra.sizes["spot"] == 3
    assert not {"time", "position_x"} & set(spectra.coords)
    assert spectra.attrs["remarks"] == ""


def test_stage_position_goes_to_every_spot_but_of_a_map(tmp_path: Path) -> None:
    stage = f"{NAMED}#X (µm)=\t7\n#Y (µm)=\t8\n#Z (µm)=\t9\n"
    spectra = read_spectra(
        write(tmp_path, matrix(np.array([[1.0], [2.0], [3.0]]), header=stage))
    )
    np.testing.assert_array_equal(spectra.position_y, [8.0, 8.0, 8.0])
    leading = np.array([[0.0, 1.0], [0.5, 1.0], [0.0, 1.5]])
    spectra = read_spectra(write(tmp_path, matrix(leading, header=stage)))
    np.testing.assert_array_equal(spectra.position_x, leading[:, 0])
    np.testing.assert_array_equal(spectra.position_z, [9.0, 9.0, 9.0])


def test_decimal_commas_and_latin_1(tmp_path: Path) -> None:
    rows = "".join(
        f"{s:.2f}\t{v}\n".replace(".", ",") for s, v in zip(SHIFT, ROWS[0], strict=True)
    )
    spectra = read_spectra(write(tmp_path, f"#Spectro (cm-¹)=\t910\n{rows}"))
    np.testing.assert_array_equal(spectra.raman_shift, SHIFT)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\t32\n", "\n", "line 6: 13 numbers where 14 are due"),
        ("\t21\t", "\tsaturated\t", "line 6: 'saturated' is no number"),
        ("\t21\t", "\t\t", "line 6: '' is no number"),
        ("1/cm", "eV", "the axis is in eV"),
        ("105", "100", "point 2: the axis repeats at 100"),
    ],
)
def test_damage_names_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = matrix(np.array([[1.0], [2.0], [3.0]]))
    assert old in text
    with pytest.raises(ReadError) as caught:
        read_spectra(write(tmp_path, text.replace(old, new, 1)))
    assert message in str(caught.value)


def test_header_alone_and_axis_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="a header without data"):
        read_spectra(write(tmp_path, "#Laser=\t532\n#Title=\tx\n"))
    with pytest.raises(ReadError, match="an axis without spectra"):
        read_spectra(write(tmp_path, "#Laser=\t532\n\t100\t101\n"))


def test_axis_in_nm_takes_the_laser_of_the_header(tmp_path: Path) -> None:
    axis = 1e7 / (1e7 / 532.0 - SHIFT)
    rows = "".join(f"{x:.9f}\t{v}\n" for x, v in zip(axis, ROWS[0], strict=True))
    head = "#Laser (nm)=\t532\n#AxisType[1]=Spectr\n#AxisUnit[1]=nm\n"
    spectra = read_spectra(write(tmp_path, head + rows))
    np.testing.assert_allclose(spectra.raman_shift, SHIFT, atol=5e-5)


def test_header_words_become_flags() -> None:
    facts = interpret_header(
        {
            "Exposition": "10",
            "Accumulation": "30",
            "Laser": "532.1",
            "Grating": "1800",
            "DeNoise": "Standard",
            "ICS correction": "On",
            "Dark correction": "Off",
            "Base:Fit Sub": "17.05.2023 11:22:56",
            "Title": "t",
        }
    )
    assert facts.laser_nm == 532.1
    assert facts.scalars == {
        "acquisition_time": 10.0,
        "accumulations": 30.0,
        "grating": 1800.0,
    }
    assert (facts.smoothed, facts.baseline_subtracted) == (True, True)
    assert facts.remarks == (
        "The intensity was divided by the instrument's response (ICS correction).",
    )
    assert facts.attrs == {"labspec_title": "t"}


def test_fitting_a_baseline_is_not_subtracting_it() -> None:
    facts = interpret_header(
        {"Base:Fit": "now", "Laser Pol. (°)": "45", "DeNoise": "Off"}
    )
    assert not facts.baseline_subtracted
    assert not facts.smoothed
    assert facts.laser_nm is None


def test_lines_of_the_xml_run_through_the_axes(tmp_path: Path) -> None:
    text = (REFERENCE / "labspec.xml").read_text()
    row = text[text.index("<LSX_Row") : text.index("</LSX_Matrix>")]
    text = text.replace(row, row * 6)
    axes = "".join(
        f'<LSX ID="{n}"><LSX ID="0x7D6CD4DB">{values}</LSX>'
        f'<LSX ID="0x6D707974">{name}</LSX></LSX>'
        for n, (name, values) in enumerate((("Y", "0 0.5 1"), ("X", "3 4")), start=2)
    )
    end = '</LSX>\n</LSX>\n</LSX>\n<LSX Format="9" ID="0x6C62D4D9"'
    assert end in text
    path = tmp_path / "a.xml"
    path.write_text(text.replace(end, end.replace("</LSX>\n", f"</LSX>{axes}\n", 1)))
    spectra = read_spectra(path)
    np.testing.assert_array_equal(spectra.position_y, [0, 0.5, 1, 0, 0.5, 1])
    np.testing.assert_array_equal(spectra.position_x, [3, 3, 3, 4, 4, 4])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</LSX_Data>", "", "broken XML"),
        (">Spectr<", ">Points<", "no spectral axis"),
        (">nm<", ">eV<", "the axis is in eV"),
        ("LSX_Row", "LSX_Line", "no LSX_Row with numbers"),
    ],
)
def test_damaged_xml_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (REFERENCE / "labspec.xml").read_text()
    path = tmp_path / "a.xml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ReadError, match=message):
        read_spectra(path)
