"""Instrument files of GSAS-II and GSAS, written here; errors that name the line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import PlanError, ReadError
from structkit.xrd.instrument import Instrument
from structkit.xrd.instrument_files import format_instprm, read_instrument
from structkit.xrd.profiles import gaussian_width, lorentzian_width
from structkit.xrd.radiation import monochromatic, tube

INSTPRM = """\
#GSAS-II instrument parameter file; do not add/delete items!
Type:PXC
Bank:1.0
Lam1:1.5405
Lam2:1.5443
Zero:0.012
Polariz.:0.7
Azimuth:0.0
I(L2)/I(L1):0.48
U:2.0
V:-2.0
W:5.0
X:1.5
Y:2.5
Z:0.0
SH/L:0.03
Source:CuKa
"""
PRM = """\
            123456789012345678901234567890123456789012345678901234567890
INS   BANK      1
INS   HTYPE   PXCR
INS  1 IRAD     3
INS  1 ICONS  1.540500  1.544300       1.2         0       0.7    0       0.48
INS  1I HEAD  DUMMY INCIDENT SPECTRUM FOR X-RAY DIFFRACTOMETER
INS  1I ITYP    0    0.0000  180.0000         1
INS  1PRCF1     3    8      0.01
INS  1PRCF11   2.000000E+00  -2.000000E+00   5.000000E+00   0.000000E+00
INS  1PRCF12   1.500000E+00   2.500000E+00   0.200000E-01   0.100000E-01
"""


def write(folder: Path, text: str, name: str = "lab.instprm") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "name"), [(INSTPRM, "a.instprm"), (PRM, "a.prm")])
def test_both_programs_say_the_same(tmp_path: Path, text: str, name: str) -> None:
    """Variances in centidegree squared, as GSAS counts; full widths as we do."""
    instrument = read_instrument(write(tmp_path, text, name))
    assert instrument.radiation.wavelengths == (1.5405, 1.5443)
    assert instrument.radiation.shares == pytest.approx((1 / 1.48, 0.48 / 1.48))
    assert instrument.zero == pytest.approx(0.012)
    assert instrument.axial_divergence == pytest.approx(0.015)
    assert instrument.polarization_ratio == pytest.approx(0.3 / 0.7)
    assert not instrument.calibrated
    assert instrument.source == name
    angles = np.array([20.0, 60.0, 100.0])
    tangent = np.tan(np.radians(angles / 2.0))
    sigma = np.sqrt(2.0 * tangent**2 - 2.0 * tangent + 5.0) / 100.0
    gauss = sigma * 2.0 * np.sqrt(2.0 * np.log(2.0))
    assert gaussian_width(angles, instrument) == pytest.approx(gauss)
    lorentz = (1.5 / np.cos(np.radians(angles / 2.0)) + 2.5 * tangent) / 100.0
    found = lorentzian_width(angles, instrument, wavelength=1.5405)
    assert found == pytest.approx(lorentz)


def test_one_wavelength(tmp_path: Path) -> None:
    text = INSTPRM.replace("Lam1:1.5405\nLam2:1.5443\n", "Lam:0.413263\n")
    instrument = read_instrument(write(tmp_path, text))
    assert instrument.radiation.wavelengths == (0.413263,)
    text = PRM.replace("1.544300", "0.000000").replace("1.540500", "0.413263")
    instrument = read_instrument(write(tmp_path, text, "a.prm"))
    assert instrument.radiation.wavelengths == (0.413263,)


def test_a_doublet_without_its_second_line(tmp_path: Path) -> None:
    text = INSTPRM.replace("I(L2)/I(L1):0.48", "I(L2)/I(L1):0.0")
    instrument = read_instrument(write(tmp_path, text))
    assert instrument.radiation.shares == (1.0, 0.0)


def test_gsas2_writes_in_one_line_too(tmp_path: Path) -> None:
    """Older versions joined items by semicolons; a second bank is left alone."""
    text = INSTPRM.replace("U:2.0\nV:-2.0\nW:5.0\n", "U:2.0;V:-2.0;W:5.0\n")
    text += "#Bank 2: as well\nType:PXC\nLam1:9.0\n"
    instrument = read_instrument(write(tmp_path, text))
    assert instrument.w == pytest.approx(5.0 * 8.0 * np.log(2.0) * 1e-4)
    assert instrument.radiation.wavelength == 1.5405


def test_what_cannot_be_used_is_remarked(tmp_path: Path) -> None:
    text = INSTPRM.replace("Z:0.0", "Z:0.7").replace("W:5.0", "W:-1.0")
    instrument = read_instrument(write(tmp_path, text))
    remarks = " ".join(instrument.remarks)
    assert "Z = 0.7" in remarks
    assert "W is not positive" in remarks
    assert instrument.w > 0.0


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (INSTPRM.replace("U:2.0", "U:two"), "a.instprm", r"line 10: U is 'two'"),
        (INSTPRM.replace("W:5.0", "W:nan"), "a.instprm", r"line 12: W is 'nan'"),
        (INSTPRM.replace("U:2.0", "U 2.0"), "a.instprm", r"line 10: expected 'key:v"),
        (INSTPRM.replace("PXC", "PNT"), "a.instprm", r"Type is PNT; only constant"),
        (INSTPRM.replace("Type:PXC\n", ""), "a.instprm", r"Type is missing"),
        (INSTPRM.replace("Lam2:1.5443\n", ""), "a.instprm", r"no wavelength.*add it"),
        (PRM.replace("ICONS", "XCONS"), "a.prm", r"no ICONS record.*instprm"),
        (PRM.replace("-2.000000E+00", "x.000000E+00"), "a.prm", r"line 9: V is 'x"),
        ("", "a.instprm", r"not a text file"),
        ("\0\1\2", "a.prm", r"not a text file"),
    ],
)
def test_errors_name_file_place_and_remedy(
    tmp_path: Path, text: str, name: str, words: str
) -> None:
    path = write(tmp_path, text, name)
    with pytest.raises(ReadError, match=words) as caught:
        read_instrument(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absent_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.instprm", tmp_path):
        with pytest.raises(ReadError, match="check the path"):
            read_instrument(path)


@pytest.mark.parametrize("line", ["Lam1:-1.5405", "Lam1:0.0", "SH/L:-0.1", "SH/L:9.0"])
def test_impossible_values_do_not_end_in_a_traceback(tmp_path: Path, line: str) -> None:
    key = line.split(":")[0]
    lines = [line if row.startswith(f"{key}:") else row for row in INSTPRM.split("\n")]
    path = write(tmp_path, "\n".join(lines))
    if key == "Lam1":
        with pytest.raises(ReadError, match=r"must be positive \(Lam1.*correct it"):
            read_instrument(path)
    else:
        assert 0.0 <= read_instrument(path).axial_divergence < 0.2


WRITTEN = {
    "laboratory": Instrument(
        radiation=tube("CuKa"),
        u=0.004,
        v=-0.003,
        w=0.0041,
        x=0.012,
        y=0.02,
        axial_divergence=0.013,
        zero=-0.0123,
        monochromator_two_theta=26.6,
    ),
    "synchrotron": Instrument(
        radiation=monochromatic(0.41378), w=1e-5, polarization=0.02
    ),
    "plain": Instrument(radiation=monochromatic(1.5406), x=0.05),
}
DIGITS = 1e-9
"""Relative: ten digits are written."""


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    instrument = WRITTEN[name]
    again = read_instrument(write(tmp_path, format_instprm(instrument)))
    for field in ("u", "v", "w", "x", "y", "axial_divergence", "zero"):
        expected = getattr(instrument, field)
        assert getattr(again, field) == pytest.approx(expected, rel=DIGITS, abs=1e-15)
    assert again.polarization_ratio == pytest.approx(
        instrument.polarization_ratio, rel=1e-8
    )
    radiation, found = instrument.radiation, again.radiation
    assert found.wavelengths == pytest.approx(radiation.wavelengths, rel=DIGITS)
    assert found.shares == pytest.approx(radiation.shares, rel=DIGITS)
    assert again.remarks == ()


def test_units_are_those_of_gsas2() -> None:
    """Variances in centidegree squared, Lorentzian widths in centidegree, S/L + H/L."""
    lines = format_instprm(WRITTEN["laboratory"]).splitlines()
    pairs = dict(line.split(":") for line in lines if not line.startswith("#"))
    assert pairs["Type"] == "PXC"
    assert float(pairs["W"]) == pytest.approx(41.0 / (8.0 * np.log(2.0)))
    assert float(pairs["X"]) == pytest.approx(1.2)
    assert float(pairs["SH/L"]) == pytest.approx(0.026)
    assert float(pairs["I(L2)/I(L1)"]) == pytest.approx(0.5, abs=0.02)
    cosine = np.cos(np.radians(26.6))
    assert float(pairs["Polariz."]) == pytest.approx(1.0 / (1.0 + cosine**2))


def test_a_tube_of_many_lines_cannot_be_written() -> None:
    radiation = tube("CuKa5")
    with pytest.raises(PlanError, match=r"instrument\.radiation: CuKa5 has 5 lines"):
        format_instprm(Instrument(radiation=radiation))


@pytest.mark.shared
def test_files_of_other_laboratories(shared_data: Path) -> None:
    folder = shared_data / "xrd"
    lab = folder / "milling_csbr_pbbr2" / "cif_and_instprm" / "Lab_CuKa.instprm"
    for path in (lab, folder / "standards" / "INST_XRY.PRM"):
        instrument = read_instrument(path)
        assert instrument.radiation.wavelengths == (1.5405, 1.5443)
        width = gaussian_width(np.array([40.0]), instrument)[0]
        assert 0.02 < width < 0.2
