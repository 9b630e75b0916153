from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from structkit.errors import ReadError
from structkit.io.spectra import read_spectra
from structkit.schema import ARBITRARY, COUNTS

N_POINTS, N_SPOTS = 20, 3
SHIFT = np.linspace(900.0, -50.0, N_POINTS)
ROWS = np.arange(60.0).reshape(N_SPOTS, N_POINTS) + 100.0
X = np.array([0.0, 1.5, 3.0])
TICKS = np.array([0, 20_000_000, 45_000_000]) + 133_000_000_000_000_000
SINGLE = 5e-5
"""A 32-bit number near 1000 is rounded to 3e-5."""


def block(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4siq", name, 0, 16 + len(content)) + content


def build(
    *,
    axis: np.ndarray = SHIFT,
    axis_unit: int = 1,
    laser_per_cm: float = 1e7 / 532.25,
    collected: int = N_SPOTS,
    unit: int = 6,
    position_unit: int = 5,
) -> bytes:
    """Write a .wdf of three spots."""
    head = bytearray(512)
    struct.pack_into("<4siq", head, 0, b"WDF1", 1, 512)
    struct.pack_into("<i", head, 0x3C, axis.size)
    struct.pack_into("<QQi", head, 0x40, N_SPOTS, collected, 3)
    struct.pack_into("<if", head, 0x98, unit, laser_per_cm)
    head[0xF0:0xF4] = b"made"
    origin = struct.pack("<i", 3)
    origin += struct.pack("<Ii16s", 0x80000003, position_unit, b"X") + X.tobytes()
    origin += struct.pack("<Ii16s", 11, 24, b"Time") + TICKS.astype("<u8").tobytes()
    origin += struct.pack("<Ii16s", 17, 0, b"Flags") + bytes(8 * N_SPOTS)
    listed = struct.pack("<ii", 1, axis_unit) + axis.astype("<f4").tobytes()
    data = ROWS.astype("<f4").tobytes()
    return (
        bytes(head)
        + block(b"DATA", data)
        + block(b"XLST", listed)
        + block(b"ORGN", origin)
    )


def write(folder: Path, content: bytes) -> Path:
    path = folder / "a.wdf"
    path.write_bytes(content)
    return path


def test_maps_have_position_and_time(tmp_path: Path) -> None:
    spectra = read_spectra(write(tmp_path, build()))
    np.testing.assert_allclose(spectra.raman_shift, SHIFT[::-1], atol=SINGLE)
    np.testing.assert_array_equal(spectra.intensity, ROWS[:, ::-1])
    np.testing.assert_array_equal(spectra.position_x, X)
    np.testing.assert_allclose(spectra.time, [0.0, 2.0, 4.5], rtol=1e-12)
    assert float(spectra.laser_wavelength) == pytest.approx(532.25, rel=1e-7)
    assert float(spectra.accumulations) == 3.0
    assert spectra.attrs["wire_title"] == "made"
    assert spectra.intensity.attrs["units"] == COUNTS


def test_positions_in_millimetre_become_micrometre(tmp_path: Path) -> None:
    spectra = read_spectra(write(tmp_path, build(position_unit=8)))
    np.testing.assert_array_equal(spectra.position_x, 1000.0 * X)


def test_only_spectra_that_were_collected_are_read(tmp_path: Path) -> None:
    spectra = read_spectra(write(tmp_path, build(collected=2)))
    assert spectra.sizes["spot"] == 2
    np.testing.assert_array_equal(spectra.position_x, X[:2])


def test_axis_in_nm_needs_the_laser(tmp_path: Path) -> None:
    shift = np.linspace(100.0, 400.0, N_POINTS)
    axis = 1e7 / (1e7 / 325.0 - shift)
    spectra = read_spectra(
        write(tmp_path, build(axis=axis, axis_unit=3, laser_per_cm=1e7 / 325.0))
    )
    rounding = 325.0**-2 * 1e7 * 2e-5
    np.testing.assert_allclose(spectra.raman_shift, shift, atol=rounding)
    path = write(tmp_path, build(axis=axis, axis_unit=3, laser_per_cm=0.0))
    with pytest.raises(ReadError, match="no laser wavelength is known"):
        read_spectra(path)
    assert float(read_spectra(path, laser_nm=325.0).laser_wavelength) == 325.0


def test_no_laser_and_no_unit_are_told(tmp_path: Path) -> None:
    content = build(laser_per_cm=0.0, axis_unit=0, unit=0)
    spectra = read_spectra(write(tmp_path, content))
    assert "laser_wavelength" not in spectra.coords
    assert spectra.intensity.attrs["units"] == ARBITRARY
    assert "was taken as cm-1" in spectra.attrs["remarks"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (build()[:300], "cut within its header"),
        (build()[:600], "numbers of spectra where 60 are due|has no axis"),
        (build()[:780], "has no axis"),
        (build()[:820], "numbers of its axis where 20 are due"),
        (build(collected=0), "holds no spectra"),
        (build(axis_unit=4), "neither a Raman shift nor in nm"),
    ],
)
def test_damage_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read_spectra(write(tmp_path, content))
