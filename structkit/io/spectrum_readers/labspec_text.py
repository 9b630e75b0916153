"""HORIBA LabSpec text: ``#key=<tab>value`` lines, then tab-separated numbers.

Single spectra stand in two columns. Maps, series and sets have the axis in the first
line, after as many tabs as there are leading columns: X and Y of a map, the time of a
series, the number of a spectrum. ``AxisType`` lines say which; older exports lack
them, and then a column that ascends from zero is a time in seconds. Latin-1 or UTF-8.

Returns ``laser_wavelength``, ``grating``, ``acquisition_time``, ``accumulations``,
the stage's position, and in attrs the instrument, detector, objective, title and date.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.blocks import choose_block
from structkit.io.number_text import read_text
from structkit.io.raw_spectra import (
    AxisUnit,
    RawSpectra,
    recognise_axis,
    recognise_intensity,
)
from structkit.io.spectrum_readers.labspec_header import LabspecFacts, interpret_header
from structkit.schema import TIME

Floats = NDArray[np.float64]

_KEY = re.compile(rb"^#[^=\r\n]{1,60}=", re.M)
_LINE = re.compile(r"\r\n|\n|\r")
_SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "ms": 1e-3}
_COORDINATE = {
    "x": "position_x",
    "y": "position_y",
    "z": "position_z",
    "time": TIME,
}


class LabspecTextReader:
    """LabSpec 5 and 6 text exports."""

    name = "labspec-text"
    suffixes = (".txt",)

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins with LabSpec's header lines."""
        head = path.read_bytes()[:4096]
        return head.lstrip(b"\xef\xbb\xbf").startswith(b"#") and bool(_KEY.match(head))

    def read(self, path: Path, *, block: int | None = None) -> RawSpectra:
        """Return all spectra of the file.

        Raises
        ------
        ReadError
            Names the line: no data, a word or a gap among the numbers, lines of
            unequal length; an axis that is neither cm-1 nor nm.
        """
        header, rows = _split(path)
        choose_block([rows], block, path)
        if not rows:
            raise ReadError(f"{path}: a header without data; export it again")
        facts = interpret_header(header)
        if rows[0][1].startswith("\t"):
            return _read_matrix(path, header, facts, rows)
        return _read_columns(path, header, facts, rows)


def _split(path: Path) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Return the header and the numbered data lines."""
    header: dict[str, str] = {}
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(_LINE.split(read_text(path)), start=1):
        if line.startswith("#"):
            key, _, value = line[1:].partition("=")
            header[key.strip()] = value.strip("\t ")
        elif line.strip():
            rows.append((number, line))
    return header, rows


def _numbers(line: str, *, place: str) -> list[float]:
    """Return the numbers of a tab-separated line."""
    fields = line.strip().split("\t")
    try:
        return [float(field) for field in fields]
    except ValueError:
        pass
    if "," in line and "." not in line:
        return _numbers(line.replace(",", "."), place=place)
    wrong = next(field for field in fields if not _is_number(field))
    raise ReadError(f"{place}: {wrong[:20]!r} is no number; export the file again")


def _is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _table(rows: list[tuple[int, str]], path: Path, *, width: int | None) -> Floats:
    """Return lines of equal length as a table."""
    table = []
    for number, line in rows:
        values = _numbers(line, place=f"{path}: line {number}")
        width = width or len(values)
        if len(values) != width:
            raise ReadError(
                f"{path}: line {number}: {len(values)} numbers where {width} are due; "
                "the file is cut or damaged, export it again"
            )
        table.append(values)
    return np.array(table, dtype=float)


def _read_columns(
    path: Path, header: dict[str, str], facts: LabspecFacts, rows: list[tuple[int, str]]
) -> RawSpectra:
    """Return the spectra of a file with the axis in the first column."""
    table = _table(rows, path, width=None)
    if table.shape[1] < 2:
        raise ReadError(f"{path}: one column of numbers; export axis and intensity")
    intensity = table[:, 1:].T
    return _raw(
        path,
        header,
        facts,
        axis=table[:, 0],
        intensity=intensity,
        lines=np.array([number for number, _ in rows]),
        coords={},
    )


def _read_matrix(
    path: Path, header: dict[str, str], facts: LabspecFacts, rows: list[tuple[int, str]]
) -> RawSpectra:
    """Return the spectra of a file with one spectrum in each line."""
    number, first = rows[0]
    n_leading = len(first) - len(first.lstrip("\t"))
    axis = np.array(_numbers(first, place=f"{path}: line {number}"))
    if len(rows) < 2:
        raise ReadError(f"{path}: an axis without spectra; the file is cut")
    table = _table(rows[1:], path, width=n_leading + axis.size)
    coords, remarks = _leading_columns(header, table[:, :n_leading])
    return _raw(
        path,
        header,
        facts,
        axis=axis,
        intensity=table[:, n_leading:],
        lines=None,
        coords=coords,
        remarks=remarks,
    )


def _leading_columns(
    header: dict[str, str], columns: Floats
) -> tuple[dict[str, Floats], list[str]]:
    """Return the coordinates of spots and what had to be guessed."""
    titles: list[tuple[str, str]] = []
    for index in range(2, 2 + columns.shape[1]):
        title = header.get(f"AxisType[{index}]", "").strip().lower()
        titles.append((title, header.get(f"AxisUnit[{index}]", "").strip()))
    if not any(title for title, _ in titles):
        return _guess_columns(columns)
    coords = {}
    for (title, unit), column in zip(titles, columns.T, strict=True):
        name = _COORDINATE.get(title)
        if name == TIME:
            seconds = column * _SECONDS.get(unit.lower(), 1.0)
            coords[name] = seconds - seconds[0]
        elif name is not None:
            coords[name] = column
    return coords, []


def _guess_columns(columns: Floats) -> tuple[dict[str, Floats], list[str]]:
    """Return coordinates of leading columns that the file does not name."""
    if columns.shape[1] >= 2:
        names = ("position_x", "position_y", "position_z")[: columns.shape[1]]
        return dict(zip(names, columns.T, strict=False)), []
    (column,) = columns.T
    if np.array_equal(column, np.arange(1, column.size + 1)):
        return {}, []
    ascends = column[0] == 0.0 and np.all(np.diff(column) > 0.0)
    name, words = (TIME, "a time in s") if ascends else ("position_x", "X in um")
    remark = f"The file does not name its first column; it was taken as {words}."
    return {name: column}, [remark]


def _axis_unit(header: dict[str, str], path: Path) -> AxisUnit | None:
    """Return the unit of the axis: as stated, else that of the spectrograph's."""
    stated = header.get("AxisUnit[1]", "")
    try:
        if stated:
            return recognise_axis(stated)
        if any(key.startswith("Spectro (cm") for key in header):
            return "cm-1"
    except ReadError as error:
        raise ReadError(f"{path}: {error}") from None
    return None


def _raw(
    path: Path,
    header: dict[str, str],
    facts: LabspecFacts,
    *,
    axis: Floats,
    intensity: Floats,
    lines: NDArray[np.int64] | None,
    coords: dict[str, Floats],
    remarks: list[str] | None = None,
) -> RawSpectra:
    """Return the spectra with what the header says."""
    moved = set(coords) & {"position_x", "position_y"}
    stage = {
        name: np.full(intensity.shape[0], place)
        for name, place in facts.positions.items()
        if name not in coords and (name == "position_z" or not moved)
    }
    return RawSpectra(
        path=path,
        axis=axis,
        intensity=intensity,
        axis_unit=_axis_unit(header, path),
        units=recognise_intensity(header.get("AxisUnit[0]", "")),
        lines=lines,
        laser_nm=facts.laser_nm,
        scalars=facts.scalars,
        spot_coords={**stage, **coords},
        smoothed=facts.smoothed,
        baseline_subtracted=facts.baseline_subtracted,
        remarks=(*facts.remarks, *(remarks or ())),
        attrs=facts.attrs,
    )
