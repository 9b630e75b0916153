"""Columns of text: a Raman shift or wavelength, then one or several intensities.

Separators, comments and decimal commas as in the powder patterns' text reader. Column
titles are obeyed: ``X``, ``Y``, ``Z`` and ``Time`` before ``Wave`` and ``Intensity``
make a map or series (WiRE's text); words such as ``nm``, ``wavelength``, ``Raman shift
(cm-1)`` give the unit of the axis; a line with ``laser`` and a number in nm the laser.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.blocks import choose_block
from structkit.io.number_text import choose_dialect, read_row, split_header
from structkit.io.raw_spectra import (
    AxisUnit,
    RawSpectra,
    recognise_axis,
    recognise_intensity,
)
from structkit.schema import TIME

Floats = NDArray[np.float64]

_LASER = re.compile(
    r"(?:laser|excitation)(?![^\n]*power)[^0-9\n]*(\d{3,4}(?:\.\d+)?)", re.I
)
_AXIS_KEY = re.compile(r"^\W*(x[-_ ]?(axis|units?|data)|axis|units?)\b", re.I)
_TITLES = re.compile(r"[\t,;|]+|\s{2,}|\s+(?=#)")
_WAVE = re.compile(r"^(wave|raman|shift)", re.I)
_COORDINATE = {"x": "position_x", "y": "position_y", "z": "position_z", "time": TIME}
_ANGLE = re.compile(r"2\s*-?_?\s*theta|2\s*θ|\btwo_?theta", re.I)


class SpectrumTextReader:
    """Columns of shift and intensity."""

    name = "spectrum-text"
    suffixes = (".txt", ".csv", ".dat", ".asc", ".xy", ".prn", ".tsv")

    def sniff(self, path: Path) -> bool:
        """Return whether the file is text at all."""
        head = path.read_bytes()[:4096]
        return bool(head) and not any(byte < 9 or 13 < byte < 32 for byte in head)

    def read(self, path: Path, *, block: int | None = None) -> RawSpectra:
        """Return the spectra of the file.

        Raises
        ------
        ReadError
            Names the line: fewer than two columns, words among the numbers, lines of
            unequal length; columns of a powder pattern; an axis neither cm-1 nor nm.
        """
        header, data = split_header(path, columns="Raman shift, intensity")
        choose_block([data], block, path)
        table = _table(data, path)
        titles = _titles(header, table.shape[1])
        if any(_ANGLE.search(line) for line in header[-1:]):
            raise ReadError(
                f"{path}: its columns are those of a powder pattern; name it under "
                "xrd, or give the Raman spectrum"
            )
        place = _wave_column(titles)
        lines = np.array([number for number, _ in data])
        unit, units = _units(header, titles, place, path)
        laser = _laser(header)
        if place > 0:
            coords, axis, intensity = _unstack(table, titles, place, path)
            return RawSpectra(
                path=path,
                axis=axis,
                intensity=intensity,
                axis_unit=unit,
                units=units,
                laser_nm=laser,
                spot_coords=coords,
            )
        several = table.shape[1] > 2
        remark = f"{table.shape[1] - 1} columns beside the axis were taken as spectra."
        return RawSpectra(
            path=path,
            axis=table[:, 0],
            intensity=table[:, 1:].T,
            axis_unit=unit,
            units=units,
            lines=lines,
            laser_nm=laser,
            remarks=(remark,) if several else (),
        )


def _table(data: list[tuple[int, str]], path: Path) -> Floats:
    """Return the numbers of the data lines."""
    dialect = choose_dialect([line for _, line in data[:50]], path)
    rows: list[list[float]] = []
    for number, line in data:
        row = read_row(dialect, line, place=f"{path}: line {number}")
        if len(row) < 2:
            raise ReadError(
                f"{path}: line {number}: one number; give Raman shift and intensity"
            )
        if rows and len(row) != len(rows[0]):
            raise ReadError(
                f"{path}: line {number}: {len(row)} numbers where other lines have "
                f"{len(rows[0])}; repair or remove that line"
            )
        rows.append(row)
    return np.array(rows, dtype=float)


def _titles(header: list[str], width: int) -> list[str]:
    """Return the titles of the columns from the last header line; [] where unlike."""
    if not header:
        return []
    line = header[-1].strip("!;%'\" \t").removeprefix("//")
    titles = [t.strip("# \"'") for t in _TITLES.split(line) if t.strip("# \"'")]
    return titles if len(titles) == width else []


def _wave_column(titles: list[str]) -> int:
    """Return the column of the axis: 0 unless coordinates stand before it."""
    for place, title in enumerate(titles[:-1]):
        if _WAVE.match(title):
            before = [word.lower() for word in titles[:place]]
            return place if all(word in _COORDINATE for word in before) else 0
    return 0


def _units(
    header: list[str], titles: list[str], place: int, path: Path
) -> tuple[AxisUnit | None, str | None]:
    """Return the units of axis and intensity that the header states."""
    named = [line for line in header if _AXIS_KEY.search(line)]
    words = titles[place] if titles else " ".join(header[-1:])
    try:
        stated = [recognise_axis(line) for line in [words, *named]]
    except ReadError as error:
        raise ReadError(f"{path}: {error}") from None
    unit = next((found for found in stated if found is not None), None)
    counted = titles[-1] if titles else " ".join(header[-1:])
    return unit, recognise_intensity(counted)


def _laser(header: list[str]) -> float | None:
    """Return the laser wavelength, nm, that a header line names."""
    for line in header:
        match = _LASER.search(line)
        if match and 200.0 <= float(match[1]) <= 1100.0:
            return float(match[1])
    return None


def _unstack(
    table: Floats, titles: list[str], place: int, path: Path
) -> tuple[dict[str, Floats], Floats, Floats]:
    """Return coordinates, axis and intensity of a list of points of several spots."""
    keys = table[:, :place]
    changes = np.flatnonzero(np.any(np.diff(keys, axis=0) != 0.0, axis=1)) + 1
    starts = np.concatenate([[0], changes])
    sizes = np.diff(np.concatenate([starts, [table.shape[0]]]))
    if np.any(sizes != sizes[0]):
        raise ReadError(
            f"{path}: spectrum {int(np.argmax(sizes != sizes[0])) + 1} has another "
            "number of points than the first; the file is cut, export it again"
        )
    axes = table[:, place].reshape(sizes.size, -1)
    if np.any(axes != axes[0]):
        raise ReadError(f"{path}: its spectra have different axes; export each alone")
    coords = {
        _COORDINATE[title.lower()]: keys[starts, column]
        for column, title in enumerate(titles[:place])
    }
    if TIME in coords:
        coords[TIME] = coords[TIME] - coords[TIME][0]
    return coords, axes[0], table[:, -1].reshape(sizes.size, -1)
