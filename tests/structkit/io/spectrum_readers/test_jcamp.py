from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.spectra import read_spectra

HEAD = """##TITLE=made
##JCAMP-DX=4.24
##DATA TYPE=RAMAN SPECTRUM
##XUNITS=1/CM
##YUNITS=ARBITRARY UNITS
"""
SHIFT = np.arange(100.0, 124.0, 2.0)
VALUES = np.array([5, 6, 9, 15, 30, 60, 31, 16, 8, 7, 6, 4])


def table(*, factor: float = 1.0, per_line: int = 4) -> str:
    lines = [
        f"{SHIFT[i]:g} " + " ".join(str(v) for v in VALUES[i : i + per_line])
        for i in range(0, VALUES.size, per_line)
    ]
    return (
        f"##FIRSTX=100\n##LASTX=122\n##DELTAX=2\n##XFACTOR=1\n##YFACTOR={factor}\n"
        f"##NPOINTS={VALUES.size}\n##XYDATA=(X++(Y..Y))\n"
        + "\n".join(lines)
        + "\n##END=\n"
    )


def write(folder: Path, text: str) -> Path:
    path = folder / "a.jdx"
    path.write_text(text)
    return path


def test_factor_scales_the_ordinates(tmp_path: Path) -> None:
    spectra = read_spectra(write(tmp_path, HEAD + table(factor=0.25)))
    np.testing.assert_array_equal(spectra.raman_shift, SHIFT)
    np.testing.assert_allclose(spectra.intensity[0], 0.25 * VALUES, rtol=1e-12)


def test_factor_scales_the_abscissa_of_each_line(tmp_path: Path) -> None:
    text = table().replace("##XFACTOR=1", "##XFACTOR=0.5")
    for shift in SHIFT[::4]:
        text = text.replace(f"\n{shift:g} ", f"\n{2 * shift:g} ")
    spectra = read_spectra(write(tmp_path, HEAD + text))
    np.testing.assert_array_equal(spectra.raman_shift, SHIFT)


def test_points_in_pairs_keep_an_uneven_axis(tmp_path: Path) -> None:
    shift = SHIFT + 0.1 * np.arange(SHIFT.size) ** 2
    pairs = "\n".join(f"{s:.3f}, {v}" for s, v in zip(shift, VALUES, strict=True))
    text = f"{HEAD}##NPOINTS=12\n##XYPOINTS=(XY..XY)\n{pairs}\n##END=\n"
    spectra = read_spectra(write(tmp_path, text))
    np.testing.assert_allclose(spectra.raman_shift, shift, atol=1e-9)
    np.testing.assert_array_equal(spectra.intensity[0], VALUES)


def test_blocks_are_counted_and_chosen(tmp_path: Path) -> None:
    second = HEAD + table(factor=3.0)
    text = "##TITLE=link\n##JCAMP-DX=4.24\n##DATA TYPE=LINK\n##BLOCKS=2\n"
    path = write(tmp_path, text + HEAD + table() + second + "##END=\n")
    with pytest.warns(DataQualityWarning, match="2 blocks of spectra"):
        first = read_spectra(path)
    np.testing.assert_array_equal(first.intensity[0], VALUES)
    np.testing.assert_array_equal(read_spectra(path, block=2).intensity[0], 3 * VALUES)
    with pytest.raises(ReadError, match="no block 3 among 2"):
        read_spectra(path, block=3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("##NPOINTS=12", "##NPOINTS=13", "12 points where ##NPOINTS announces 13"),
        ("\n108 30", "\n116 30", "line 14: begins at X 116, but 108 is due"),
        ("##LASTX=122\n", "", "##FIRSTX or ##LASTX is missing"),
        ("##FIRSTX=100", "##FIRSTX=1OO", "##FIRSTX=1OO is no number"),
        ("1/CM", "MICROMETERS", "the axis is in MICROMETERS"),
        ("ARBITRARY UNITS", "ABSORBANCE", "raman spectrum in ABSORBANCE"),
        ("##XYDATA=(X++(Y..Y))", "##PEAK TABLE=(XY..XY)", "holds PEAKTABLE, no XYDATA"),
    ],
)
def test_damage_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (HEAD + table()).replace(old, new)
    assert text != HEAD + table()
    with pytest.raises(ReadError) as caught:
        read_spectra(write(tmp_path, text))
    assert message in str(caught.value)
