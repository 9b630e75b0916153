"""Renishaw WiRE ``.wdf``: single spectra, maps, time and depth series.

A chain of blocks, each with a name of four letters, a number and its size. Used are
``WDF1`` (sizes, laser, accumulations, title), ``XLST`` (the axis), ``DATA`` (32-bit
intensities, one spectrum after another) and ``ORGN`` (position and time of each).
Exposure and grating stand in lists of settings that are not read.

The layout was learned from the files themselves and from the readers of Gwyddion
(modules/file/renishaw.c) and py-wdf-reader.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.blocks import choose_block
from structkit.io.raw_spectra import AxisUnit, RawSpectra
from structkit.schema import ACCUMULATIONS, ARBITRARY, COUNTS, TIME

Floats = NDArray[np.float64]

_HEADER_SIZE = 512
_HEAD = struct.Struct("<4siq")
_AXIS_UNITS: dict[int, AxisUnit] = {1: "cm-1", 3: "nm"}
_ARBITRARY_UNIT, _COUNTS_UNIT = 0, 6
_MICROMETRES = {5: 1.0, 8: 1e3, 9: 1e6, 3: 1e-3}
_POSITIONS = {3: "position_x", 4: "position_y", 5: "position_z"}
_TIME_COLUMN = 11
_TICKS_PER_SECOND = 1e7
"""Times are counted in steps of 100 ns."""


class WdfReader:
    """WiRE 2 to 5 files."""

    name = "renishaw-wdf"
    suffixes = (".wdf",)

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins as WiRE's do."""
        with path.open("rb") as file:
            return file.read(4) == b"WDF1"

    def read(self, path: Path, *, block: int | None = None) -> RawSpectra:
        """Return all spectra that were collected.

        Raises
        ------
        ReadError
            The file is cut, holds no spectra, or its axis is neither a Raman shift
            nor a wavelength.
        """
        content = path.read_bytes()
        if len(content) < _HEADER_SIZE:
            raise ReadError(f"{path}: is cut within its header; copy it again")
        blocks = dict(_blocks(content))
        choose_block([blocks], block, path)
        (n_points,) = struct.unpack_from("<i", content, 0x3C)
        capacity, collected = struct.unpack_from("<QQ", content, 0x40)
        n_spots = min(capacity, collected)
        if n_points < 1 or n_spots < 1:
            raise ReadError(f"{path}: holds no spectra; was the measurement aborted?")
        axis_unit = _axis_unit(blocks.get("XLST", b""), path)
        axis = _floats(blocks.get("XLST", b"")[8:], n_points, "its axis", path)
        data = _floats(blocks.get("DATA", b""), n_points * n_spots, "spectra", path)
        (accumulations, unit) = _pick(content)
        (laser_per_cm,) = struct.unpack_from("<f", content, 0x9C)
        coords = _spot_coords(blocks.get("ORGN", b""), capacity, n_spots)
        return RawSpectra(
            path=path,
            axis=axis,
            intensity=data.reshape(n_spots, n_points),
            axis_unit=axis_unit,
            units=COUNTS if unit == _COUNTS_UNIT else ARBITRARY,
            laser_nm=1e7 / laser_per_cm if laser_per_cm > 0.0 else None,
            scalars={ACCUMULATIONS: float(accumulations)} if accumulations > 0 else {},
            spot_coords=coords,
            attrs={"wire_title": _words(content[0xF0:0x190])},
        )


def _blocks(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each block; the last may be cut."""
    place = 0
    while place + _HEAD.size <= len(content):
        name, _, size = _HEAD.unpack_from(content, place)
        if size < _HEAD.size:
            return
        yield name.decode("latin-1"), content[place + _HEAD.size : place + size]
        place += size


def _floats(content: bytes, count: int, what: str, path: Path) -> Floats:
    """Return the first ``count`` 32-bit numbers of a block."""
    held = len(content) // 4
    if held < count:
        raise ReadError(
            f"{path}: {held} numbers of {what} where {count} are due; the file is "
            "cut, copy it again"
        )
    with np.errstate(invalid="ignore"):  # what is no number is refused with its place
        return np.frombuffer(content, dtype="<f4", count=count).astype(float)


def _axis_unit(block: bytes, path: Path) -> AxisUnit | None:
    """Return the unit of the axis; None where the file leaves it open."""
    if len(block) < 8:
        raise ReadError(f"{path}: has no axis; the file is cut, copy it again")
    _, unit = struct.unpack_from("<ii", block)
    if unit not in (_ARBITRARY_UNIT, *_AXIS_UNITS):
        raise ReadError(
            f"{path}: its axis (unit {unit} of WiRE) is neither a Raman shift nor in "
            "nm; change it in WiRE and save again"
        )
    return _AXIS_UNITS.get(unit)


def _pick(content: bytes) -> tuple[int, int]:
    """Return the accumulations and the unit of the intensity."""
    (accumulations,) = struct.unpack_from("<i", content, 0x50)
    (unit,) = struct.unpack_from("<i", content, 0x98)
    return int(accumulations), int(unit)


def _words(content: bytes) -> str:
    """Return text that ends at its first zero byte."""
    return content.partition(b"\0")[0].decode("latin-1").strip()


def _spot_coords(block: bytes, capacity: int, n_spots: int) -> dict[str, Floats]:
    """Return position and time of each spectrum, as far as they are there."""
    coords: dict[str, Floats] = {}
    if len(block) < 4:
        return coords
    (n_columns,) = struct.unpack_from("<i", block)
    size = 24 + 8 * capacity
    for index in range(n_columns):
        column = block[4 + index * size : 4 + (index + 1) * size]
        if len(column) < size:
            break
        kind, unit = struct.unpack_from("<Ii", column)
        kind &= 0x7FFFFFFF
        if kind == _TIME_COLUMN:
            ticks = np.frombuffer(column, "<u8", n_spots, 24)
            passed = (ticks - ticks[0]).astype(np.int64)
            coords[TIME] = passed / _TICKS_PER_SECOND
        elif kind in _POSITIONS and unit in _MICROMETRES:
            places = np.frombuffer(column, "<f8", n_spots, 24)
            coords[_POSITIONS[kind]] = places * _MICROMETRES[unit]
    return coords
