"""Dialects and headers of text files."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.readers.text import TextReader
from structkit.schema import COUNTS, COUNTS_PER_SECOND

ANGLES = [f"{10 + 0.5 * i:.2f}" for i in range(12)]
VALUES = [f"{100 + 7.5 * i:.1f}" for i in range(12)]


def read(tmp_path: Path, text: str) -> xr.Dataset:
    path = tmp_path / "pattern.txt"
    path.write_text(text)
    return TextReader().read(path)


def table(separator: str, *, comma: bool = False) -> str:
    text = "\n".join(f"{a}{separator}{v}" for a, v in zip(ANGLES, VALUES, strict=True))
    return text.replace(".", ",") if comma else text


@pytest.mark.parametrize(
    "text",
    [
        table(" "),
        table("\t"),
        table(","),
        table(", "),
        table(" , "),
        table(";"),
        table("; ", comma=True),
        table("\t", comma=True),
        table("   ", comma=True),
        table(" ").replace("\n", " \r\n"),
        table(",").replace("\n", ",\n"),
    ],
)
def test_dialects(tmp_path: Path, text: str) -> None:
    pattern = read(tmp_path, text)
    np.testing.assert_allclose(pattern.two_theta, [float(a) for a in ANGLES])
    np.testing.assert_allclose(pattern.intensity, [float(v) for v in VALUES])


@pytest.mark.parametrize(
    "header",
    ["# a", "! a", "; a", "' a", "/* a\nb */", "// a", "2theta, intensity", "a\n\nb"],
)
def test_headers_are_skipped(tmp_path: Path, header: str) -> None:
    assert read(tmp_path, f"{header}\n{table(' ')}").sizes["two_theta"] == 12


def test_comment_at_the_end(tmp_path: Path) -> None:
    assert read(tmp_path, f"{table(' ')}\n# end\n\n").sizes["two_theta"] == 12


def test_ambiguous_commas_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="both separator and decimal"):
        read(tmp_path, table(",", comma=True))


@pytest.mark.parametrize(
    ("header", "units"),
    [
        ("#Intensity_unit=cps", COUNTS_PER_SECOND),
        ("2theta, intensity [counts/s]", COUNTS_PER_SECOND),
        ("Angle  Counts", COUNTS),
    ],
)
def test_units_of_the_header(tmp_path: Path, header: str, units: str) -> None:
    assert read(tmp_path, f"{header}\n{table(' ')}").intensity.units == units


@pytest.mark.parametrize(
    "header",
    [
        "# wavelength = 1.5406",
        "# Wavelength: 1.5406 A",
        "K-Alpha1 wavelength,1.5406",
        "# lambda=0.15406 nm",
        "# Calibrated wavelength = 1.5406",
    ],
)
def test_wavelength_of_the_header(tmp_path: Path, header: str) -> None:
    pattern = read(tmp_path, f"{header}\n{table(' ')}")
    assert float(pattern.wavelength) == pytest.approx(1.5406)


@pytest.mark.parametrize(
    "header", ["# Time per step (sec) = 0.5", 'Scan TimePerStep: "0.5"']
)
def test_counting_time_of_the_header(tmp_path: Path, header: str) -> None:
    assert float(read(tmp_path, f"{header}\n{table(' ')}").counting_time) == 0.5


@pytest.mark.parametrize("name", ["Q", "d-spacing", "# q"])
def test_other_axes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReadError, match="two_theta"):
        read(tmp_path, f"{name} intensity\n{table(' ')}")


def test_third_column_is_the_esd(tmp_path: Path) -> None:
    text = "\n".join(f"{line} 3.5" for line in table(" ").splitlines())
    assert float(read(tmp_path, text).intensity_std[4]) == 3.5


def test_esd_of_empty_points(tmp_path: Path) -> None:
    lines = [f"{a} 4 2" for a in ANGLES]
    lines[3] = f"{ANGLES[3]} 0 0"
    assert float(read(tmp_path, "\n".join(lines)).intensity_std[3]) == 2.0


def test_useless_esds_are_left_out(tmp_path: Path) -> None:
    text = "\n".join(f"{line} 0" for line in table(" ").splitlines())
    with pytest.warns(DataQualityWarning, match="left out"):
        pattern = read(tmp_path, text)
    assert "intensity_std" not in pattern


def test_latin_1_header(tmp_path: Path) -> None:
    path = tmp_path / "a.xy"
    path.write_bytes(b"# 2\xb0 slit\n" + table(" ").encode())
    assert TextReader().read(path).sizes["two_theta"] == 12
