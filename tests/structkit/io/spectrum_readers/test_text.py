"""Columns of text, WITec and ROD: what the contract does not show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.spectra import read_spectra
from structkit.schema import ARBITRARY, COUNTS

REFERENCE = Path(__file__).parents[3] / "reference" / "spectra"
SHIFT = np.linspace(100.0, 160.0, 13)
VALUES = np.arange(13) + 20


def write(folder: Path, text: str, *, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def columns(separator: str = "\t", *, comma: bool = False, header: str = "") -> str:
    lines = [f"{s:.2f}{separator}{v}" for s, v in zip(SHIFT, VALUES, strict=True)]
    text = "\n".join(lines) + "\n"
    return header + (text.replace(".", ",") if comma else text)


@pytest.mark.parametrize("comma", [False, True])
@pytest.mark.parametrize("separator", ["\t", " ", ";", ",", "   "])
@pytest.mark.parametrize("header", ["", "# a comment\n! other\n", "Shift Intensity\n"])
def test_any_separator_comment_and_decimal_sign(
    tmp_path: Path, separator: str, header: str, comma: bool
) -> None:
    if comma and separator == ",":
        separator = ";"
    path = write(tmp_path, columns(separator, comma=comma, header=header))
    spectra = read_spectra(path)
    np.testing.assert_array_equal(spectra.raman_shift, SHIFT)
    np.testing.assert_array_equal(spectra.intensity[0], VALUES)
    assert spectra.intensity.attrs["units"] == COUNTS


def test_wave_and_intensity_are_a_shift_of_unsaid_unit(tmp_path: Path) -> None:
    spectra = read_spectra(write(tmp_path, columns(header="#Wave\t\t#Intensity\n")))
    assert "does not say the unit of its axis" in spectra.attrs["remarks"]
    said = read_spectra(write(tmp_path, columns(header="#Raman shift (cm-1)\t#I\n")))
    assert said.attrs["remarks"] == ""


@pytest.mark.parametrize(
    "header", ["wavelength (nm)\tcounts\n", "# x-axis: nm\n# y\n", "λ / nm; I\n"]
)
def test_header_that_says_nm_is_obeyed(tmp_path: Path, header: str) -> None:
    text = header + "".join(f"{x:.3f}\t5\n" for x in np.linspace(540.0, 560.0, 20))
    path = write(tmp_path, text)
    with pytest.raises(ReadError, match="the axis is in nm"):
        read_spectra(path)
    spectra = read_spectra(path, laser_nm=532.0)
    assert float(spectra.raman_shift[0]) == pytest.approx(1e7 / 532 - 1e7 / 540)


def test_laser_in_the_header_is_found(tmp_path: Path) -> None:
    header = "# laser power 500 mW\n# excitation: 632.8 nm\n# shift (cm-1), counts\n"
    spectra = read_spectra(write(tmp_path, columns(header=header)))
    assert float(spectra.laser_wavelength) == 632.8


def test_maps_of_wire_text_are_unstacked(tmp_path: Path) -> None:
    places = [(0.0, 1.0), (2.0, 1.0), (0.0, 3.0)]
    lines = [
        f"{x}\t{y}\t{s:.2f}\t{v + n}"
        for n, (x, y) in enumerate(places)
        for s, v in zip(SHIFT[::-1], VALUES[::-1], strict=True)
    ]
    text = "#X\t\t#Y\t\t#Wave\t\t#Intensity\n" + "\n".join(lines)
    spectra = read_spectra(write(tmp_path, text))
    np.testing.assert_array_equal(spectra.position_x, [0.0, 2.0, 0.0])
    np.testing.assert_array_equal(spectra.position_y, [1.0, 1.0, 3.0])
    np.testing.assert_array_equal(spectra.intensity, VALUES + np.arange(3)[:, None])
    with pytest.raises(ReadError, match="spectrum 3 has another number of points"):
        read_spectra(write(tmp_path, "\n".join(text.split("\n")[:-1])))


def test_series_of_wire_text_have_times(tmp_path: Path) -> None:
    lines = [f"{t}\t{s:.2f}\t{t:g}" for t in (3.0, 8.0) for s in SHIFT]
    text = "#Time\t\t#Wave\t\t#Intensity\n" + "\n".join(lines)
    np.testing.assert_array_equal(read_spectra(write(tmp_path, text)).time, [0.0, 5.0])


def test_further_columns_are_spectra_and_it_is_told(tmp_path: Path) -> None:
    text = "".join(f"{s}\t{v}\t{2 * v}\n" for s, v in zip(SHIFT, VALUES, strict=True))
    spectra = read_spectra(write(tmp_path, text))
    np.testing.assert_array_equal(spectra.intensity, [VALUES, 2 * VALUES])
    assert "2 columns beside the axis were taken as spectra" in spectra.attrs["remarks"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (columns().replace("\t25", "\tx"), "line 6: 'x' is no number"),
        (columns().replace("\t25", "\t25\t1"), "line 6: 3 numbers where other lines"),
        (columns().replace("125.00", "120.00"), "line 6: the axis repeats at 120"),
        (
            columns().replace("125.00", "12.00"),
            "line 6: the axis is out of order",
        ),
        (columns(header="energy (eV)\tI\n"), "the axis is in eV"),
        (columns(header="2theta\tcounts\n"), "those of a powder pattern"),
        ("# words\nonly words\n", "no line holds two numbers"),
        ("".join(f"{v}\n" for v in VALUES), "line 1: one number"),
        (columns().replace("\t25", "\tnan"), "line 6: the intensity is nan"),
        ("100 1\n101 2\n", "a spectrum needs 10"),
    ],
)
def test_damage_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_spectra(write(tmp_path, text))
    assert message in str(caught.value)


def test_witec_in_nm_needs_the_laser(tmp_path: Path) -> None:
    text = (REFERENCE / "witec.txt").read_text(encoding="utf-8")
    path = write(tmp_path, text.replace("rel. 1/cm", "nm"))
    with pytest.raises(ReadError, match=r"in nm \(300 to 397.5\) and no laser"):
        read_spectra(path)
    laser = text.replace("DataUnit", "ExcitationWavelength = 285.5\nDataUnit")
    spectra = read_spectra(write(tmp_path, laser.replace("rel. 1/cm", "nm")))
    assert float(spectra.laser_wavelength) == 285.5


def test_graphs_of_witec_are_blocks_and_columns_spots(tmp_path: Path) -> None:
    text = (REFERENCE / "witec.txt").read_text(encoding="utf-8")
    two = text.replace("E+01\n", "E+01, 7.0\n").replace("E+02\n", "E+02, 7.0\n")
    path = write(tmp_path, text + two.removeprefix("//Exported ASCII-File\n"))
    with pytest.warns(DataQualityWarning, match="2 blocks"):
        assert read_spectra(path).sizes["spot"] == 1
    spectra = read_spectra(path, block=2)
    assert spectra.sizes["spot"] == 2
    assert "position_x" not in spectra.coords


def test_rod_says_subtraction_and_has_blocks(tmp_path: Path) -> None:
    text = (REFERENCE / "spectrum.rod").read_text()
    treated = text.replace("baseline_correction no", "baseline_correction yes")
    spectra = read_spectra(write(tmp_path, treated, name="a.rod"))
    assert int(spectra["baseline_subtracted"]) == 1
    assert float(spectra.grating) == 600.0
    second = treated.replace("data_made", "data_second")
    path = write(tmp_path, text + second, name="b.rod")
    with pytest.warns(DataQualityWarning, match="2 blocks"):
        assert int(read_spectra(path)["baseline_subtracted"]) == 0
    assert int(read_spectra(path, block=2)["baseline_subtracted"]) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("305.0 75", "305.0 ?", "305.0 ? in the loop"),
        ("305.0 75", "302.5 75", "line 12: the axis repeats at 302.5"),
        ("305.0 75", "305.0", "broken CIF"),
        (
            "_raman_spectrum.intensity",
            "_raman_spectrum.other",
            "without _raman_spectrum",
        ),
    ],
)
def test_damaged_rod_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (REFERENCE / "spectrum.rod").read_text()
    assert old in text
    with pytest.raises(ReadError) as caught:
        read_spectra(write(tmp_path, text.replace(old, new, 1), name="a.rod"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arbitrary_intensities_stay_arbitrary(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.random(SHIFT.size)
    text = "".join(f"{s}\t{v:.6f}\n" for s, v in zip(SHIFT, values, strict=True))
    spectra = read_spectra(write(tmp_path, text))
    assert spectra.intensity.attrs["units"] == ARBITRARY
    assert "summed" not in spectra
