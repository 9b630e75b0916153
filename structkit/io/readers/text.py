"""Columns of text: ``.xy .xye .dat .prn .csv .txt``.

Returns ``intensity`` in the units that the header states (else recognised from the
values), ``intensity_std`` from a third column, ``wavelength`` and ``counting_time``
where the header gives them.

Comments begin with ``# ! ; ' " %`` or ``//``, or stand between ``/*`` and ``*/``;
lines of words before the first data line are header too. Columns are separated by
white space, comma, semicolon or tab; a decimal comma is understood wherever it is
not also the separator.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.columns import Columns, to_pattern
from structkit.io.number_text import choose_dialect, read_row, split_header
from structkit.schema import COUNTS, COUNTS_PER_SECOND

_PER_SECOND = re.compile(r"\bcps\b|\bc/s\b|(counts?|cts)\s*(/|per|\s)\s*s", re.I)
_COUNT_WORD = re.compile(r"\b(counts?|cts)\b", re.I)
_UNIT_KEY = re.compile(r"unit|intensity\s*[\[(]", re.I)
_WAVELENGTH = re.compile(
    r"(?:wave\s*length|lambda|k-?alpha\s*1)[^0-9=:,]*[=:,]?\s*[\"']?"
    r"(\d*\.\d+)(?:\s*(nm))?",
    re.I,
)
_TIME = re.compile(
    r"(?:time\s*(?:per|/)\s*step|count(?:ing)?[ _]?time|step[ _]?time)"
    r"\s*(?:[\[(]\w+[\])])?\s*[=:,]\s*[\"']?(\d+\.?\d*)",
    re.I,
)
_NOT_AN_ANGLE = re.compile(r"^\W*(q|d|d[-_ ]?spacing|s|energy|tof)\b", re.I)


class TextReader:
    """Columns of two-theta, intensity and esd."""

    name = "text"
    suffixes = (".xy", ".xye", ".dat", ".prn", ".csv", ".txt", ".asc", ".chi")

    def sniff(self, path: Path) -> bool:
        """Return whether the file is text at all."""
        head = path.read_bytes()[:4096]
        control = sum(byte < 9 or 13 < byte < 32 for byte in head)
        return bool(head) and control == 0

    def read(self, path: Path, *, scan: int | None = None) -> xr.Dataset:
        """Return the pattern.

        Raises
        ------
        ReadError
            Names file and line: fewer than two columns, words among the data,
            columns that change in number, and what ``to_pattern`` refuses.
        """
        if scan not in (None, 1):
            raise ReadError(f"{path}: a text file holds one scan; leave out scan")
        header, data = split_header(path)
        rows = _parse(data, path)
        _check_header(header, path)
        table = np.array([row for _, row in rows], dtype=float)
        return to_pattern(
            Columns(
                path=path,
                two_theta=table[:, 0],
                intensity=table[:, 1],
                intensity_std=table[:, 2] if table.shape[1] > 2 else None,
                lines=np.array([line for line, _ in rows]),
                units=_find_units(header),
                wavelength=_find_wavelength(header),
                counting_time=_find_number(_TIME, header),
            )
        )


def _parse(data: list[tuple[int, str]], path: Path) -> list[tuple[int, list[float]]]:
    """Turn data lines into rows of two or three numbers."""
    dialect = choose_dialect([line for _, line in data[:50]], path)
    rows = [
        (number, read_row(dialect, line, place=f"{path}: line {number}"))
        for number, line in data
    ]
    width = Counter(len(row) for _, row in rows).most_common(1)[0][0]
    if width < 2:
        raise ReadError(
            f"{path}: one column of numbers; give columns two_theta, intensity"
        )
    if width > 4:
        raise ReadError(
            f"{path}: {width} columns; give two_theta, intensity and at most an esd"
        )
    for number, row in rows:
        if len(row) != width:
            raise ReadError(
                f"{path}: line {number}: {len(row)} numbers where other lines have "
                f"{width}; repair or remove that line"
            )
    if width == 4:
        warnings.warn(
            f"{path.name}: 4 columns; the fourth was left out",
            DataQualityWarning,
            stacklevel=4,
        )
    return [(number, row[:3]) for number, row in rows]


def _check_header(header: list[str], path: Path) -> None:
    """Refuse files whose first column is named as something else than an angle."""
    if header and _NOT_AN_ANGLE.match(header[-1]):
        name = re.split(r"[\s,;]+", header[-1].strip("#!;' \t"))[0]
        raise ReadError(
            f"{path}: the first column is called {name!r}; convert it to two_theta "
            "in degree"
        )


def _find_units(header: list[str]) -> str | None:
    """Return the units of the intensity that the header states."""
    columns = header[-1:] if header else []
    for line in [line for line in header if _UNIT_KEY.search(line)] + columns:
        if _PER_SECOND.search(line):
            return COUNTS_PER_SECOND
        if _COUNT_WORD.search(line):
            return COUNTS
    return None


def _find_number(pattern: re.Pattern[str], header: list[str]) -> float | None:
    """Return the first positive number that a header pattern matches."""
    for line in header:
        match = pattern.search(line)
        if match and float(match[1]) > 0.0:
            return float(match[1])
    return None


def _find_wavelength(header: list[str]) -> float | None:
    """Return the wavelength in angstrom that the header gives."""
    for line in header:
        match = _WAVELENGTH.search(line)
        if match is None:
            continue
        value = float(match[1]) * (10.0 if match[2] else 1.0)
        if 0.05 < value < 5.0:
            return value
    return None
