"""GSAS records: STD, ESD, FXYE, ALT, several banks."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.readers.gsas import GsasReader

COUNTS = 100 + 3 * np.arange(12)
ANGLES = 15.0 + 0.02 * np.arange(12)
HEAD = "title\nBANK 1 12 {} CONST 1500 2 0 0 {}\n"


def read(tmp_path: Path, text: str, *, scan: int | None = None) -> xr.Dataset:
    path = tmp_path / "pattern.gsa"
    path.write_text(text)
    return GsasReader().read(path, scan=scan)


def standard(counters: str = "  ") -> str:
    fields = [f"{counters}{count:6d}" for count in COUNTS]
    return HEAD.format(2, "STD") + "".join(fields[:10]) + "\n" + "".join(fields[10:])


def test_std(tmp_path: Path) -> None:
    pattern = read(tmp_path, standard())
    np.testing.assert_allclose(pattern.two_theta, ANGLES)
    np.testing.assert_array_equal(pattern.intensity, COUNTS)


def test_std_with_several_counters(tmp_path: Path) -> None:
    pattern = read(tmp_path, standard(" 4"))
    np.testing.assert_allclose(pattern.intensity_std, np.sqrt(COUNTS / 4.0))


def test_esd(tmp_path: Path) -> None:
    pairs = [f"{count:8.1f}{0.5 * count:8.2f}" for count in COUNTS]
    lines = ["".join(pairs[i : i + 5]) for i in range(0, 12, 5)]
    pattern = read(tmp_path, HEAD.format(3, "ESD") + "\n".join(lines))
    np.testing.assert_allclose(pattern.two_theta, ANGLES)
    np.testing.assert_allclose(pattern.intensity_std, 0.5 * COUNTS)


def test_fxye(tmp_path: Path) -> None:
    rows = [f"{100 * a:.3f} {c} 7.5" for a, c in zip(ANGLES, COUNTS, strict=True)]
    pattern = read(tmp_path, HEAD.format(12, "FXYE") + "\n".join(rows))
    np.testing.assert_allclose(pattern.two_theta, ANGLES)
    np.testing.assert_allclose(pattern.intensity_std, 7.5)


def test_alt(tmp_path: Path) -> None:
    groups = [
        f"{round(3200 * a):8d}{1000 * c:7d}{5000:5d}"
        for a, c in zip(ANGLES, COUNTS, strict=True)
    ]
    lines = ["".join(groups[i : i + 4]) for i in range(0, 12, 4)]
    head = "title\nBANK 1 12 3 RALF 48000 64 0 0 ALT\n"
    pattern = read(tmp_path, head + "\n".join(lines))
    np.testing.assert_allclose(pattern.two_theta, ANGLES, atol=1e-3)
    np.testing.assert_allclose(pattern.intensity, COUNTS)


def test_second_bank(tmp_path: Path) -> None:
    text = standard() + "\n" + standard().partition("\n")[2].replace("BANK 1", "BANK 2")
    assert read(tmp_path, text, scan=2).sizes["two_theta"] == 12
    with pytest.warns(DataQualityWarning, match="2 banks"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (standard().replace("BANK 1 12", "BANK 1 40"), "announces 40 points, but 12"),
        (standard().replace("CONST", "SLOG"), "time-of-flight"),
        (standard().replace("STD", "XYZ"), "records 'XYZ'"),
        (standard().replace("CONST", "EDS"), "binning 'EDS'"),
        (standard().replace("   103", "   1o3"), "line 3: '1o3' is no number"),
        ("title\nBANK 1 twelve 2 CONST 1 1 0 0 STD\n", "line 2: cannot read"),
    ],
)
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read(tmp_path, text)
