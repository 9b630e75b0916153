"""Columns of a measured impedance spectrum or run, found by their titles.

Readers cut their format into titles and cells; here the titles are understood, and
the cells become numbers in SI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.impedance_titles import (
    IMAGINARY,
    MODULUS,
    PHASE,
    REAL,
    Title,
    recognise_title,
)
from structkit.schema import CURRENT, FREQUENCY, TIME

Floats = NDArray[np.float64]
Lines = NDArray[np.int64]
Kind = Literal["impedance", "polarization", "other"]

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf)", re.I)
_SPLITTERS = (r"\t", r"\t+", r";", r",", r"\s{2,}", r"\s+")
_SPECTRUM = (FREQUENCY, REAL, IMAGINARY, MODULUS, PHASE)
_ROW_SPLITTERS = (r"\t", r"\s*;\s*", r"\s*,\s*", r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """The columns of one table that are understood, before any check."""

    path: Path
    """File it comes from."""
    columns: Mapping[str, Floats]
    """Values in SI by quantity, shape (n_rows,) each."""
    lines: Lines | None = None
    """Line of the file that each row stands in, from 1."""
    sign_known: bool = True
    """Whether header or format says what sign Z'' has."""
    technique: str = ""
    """What the file calls its measurement."""
    refused: bool = False
    """The technique is neither impedance nor polarization."""
    temperature: float | None = None
    """Kelvin, where a header says so."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Quantities whose column cannot be used, with the reason."""
    remarks: tuple[str, ...] = ()
    """Sentences on the data, to be shown to the user."""
    attrs: Mapping[str, str | int | float] = field(default_factory=dict)
    """What else the file says."""

    @property
    def kind(self) -> Kind:
        """Return what the columns hold."""
        if self.refused:
            return "other"
        return kind_of({*self.columns, *self.problems})

    def where(self, row: int) -> str:
        """Return the place of a row in words."""
        if self.lines is not None:
            return f"line {self.lines[row]}"
        return f"row {row + 1}"


def kind_of(quantities: set[str]) -> Kind:
    """Return what columns of these quantities hold.

    Examples
    --------
    >>> kind_of({"frequency", "modulus", "phase"}), kind_of({"time", "current"})
    ('impedance', 'polarization')
    """
    if FREQUENCY in quantities:
        cartesian = {REAL, IMAGINARY} <= quantities
        return "impedance" if cartesian or {MODULUS, PHASE} <= quantities else "other"
    return "polarization" if {TIME, CURRENT} <= quantities else "other"


def make_tables(
    path: Path,
    titles: Sequence[Title | None],
    values: Sequence[Floats | None],
    *,
    lines: Lines | None = None,
    technique: str = "",
    refused: bool = False,
    temperature: float | None = None,
    remarks: Sequence[str] = (),
    attrs: Mapping[str, str | int | float] | None = None,
) -> tuple[RawTable, ...]:
    """Return the tables of columns side by side; each frequency begins another.

    Parameters
    ----------
    path : Path
        File.
    titles : sequence of Title or None
        What each title says.
    values : sequence of ndarray or None, shape (n_rows,)
        Values of each column as written; None where the title is of no use. Rows that
        are NaN in all columns of a table are left out of it.

    Returns
    -------
    tuple of RawTable
        One, or one for each frequency column.
    """
    starts = [i for i, t in enumerate(titles) if t and t.quantity == FREQUENCY]
    if len(starts) < 2 or _first_use(titles) != starts[0]:
        bounds = [(0, len(titles))]
    else:
        bounds = list(zip(starts, [*starts[1:], len(titles)], strict=True))
    tables = []
    for low, high in bounds:
        columns: dict[str, Floats] = {}
        problems: dict[str, str] = {}
        for title, column in zip(titles[low:high], values[low:high], strict=True):
            if title is None or column is None or title.quantity in columns:
                continue
            if title.problem:
                problems.setdefault(title.quantity, title.problem)
            else:
                columns[title.quantity] = title.factor * column + title.offset
                problems.pop(title.quantity, None)
        there = _rows_there(columns) if len(bounds) > 1 else slice(None)
        tables.append(
            RawTable(
                path=path,
                columns={name: column[there] for name, column in columns.items()},
                lines=None if lines is None else lines[there],
                technique=technique,
                refused=refused,
                temperature=temperature,
                problems=problems,
                remarks=tuple(remarks),
                attrs=dict(attrs or {}),
            )
        )
    return tuple(tables)


def split_titles(line: str, *, row: str = "") -> list[Title | None] | None:
    """Cut a line of titles; None where it names neither spectrum nor run.

    Parameters
    ----------
    line : str
        Line of titles, between tabs, semicolons, commas or blanks.
    row : str, optional
        First row below it: there must be as many titles as it has cells.

    Examples
    --------
    >>> [t.quantity for t in split_titles("f/Hz; Re(Z)/Ohm; Im(Z)/Ohm")]
    ['frequency', 'real', 'imaginary']
    >>> split_titles("Notes on the sample") is None
    True
    """
    plain = line.strip("\r\n ")
    if plain.count('"') == 2 and plain[0] == plain[-1] == '"':
        plain = plain[1:-1].strip()
    for splitter in _SPLITTERS:
        fields = _drop_last_empty(re.split(splitter, plain))
        titles = [recognise_title(field) for field in fields]
        if kind_of({title.quantity for title in titles if title}) == "other":
            continue
        if not row or split_row(row, len(titles)) is not None:
            return titles
    return None


def split_row(line: str, width: int) -> list[str] | None:
    """Cut a line into ``width`` cells; None where no separator does that.

    Examples
    --------
    >>> split_row("1,5; 2,5 ;3", 3), split_row("1 2", 3)
    (['1,5', '2,5', '3'], None)
    """
    for splitter in _ROW_SPLITTERS:
        cells = re.split(splitter, line.strip("\r\n "))
        if len(cells) != width:
            cells = _drop_last_empty(cells)
        if len(cells) == width:
            return [cell.strip() for cell in cells]
    return None


def looks_like_row(line: str) -> bool:
    """Return whether a line begins with two numbers, or is mostly numbers.

    Examples
    --------
    >>> [looks_like_row(line) for line in ("1,5; 2", "12:00:01, 1, 2", "a 1")]
    [True, True, False]
    """
    words = [word for word in re.split(r"[;,\s]+", line.strip()) if word]
    numeric = [_NUMBER.fullmatch(word) is not None for word in words]
    if len(words) < 2 or (not words[0][0].isdigit() and not numeric[0]):
        return False
    return all(numeric[:2]) or (len(words) > 2 and 3 * sum(numeric) >= 2 * len(words))


def read_cells(
    path: Path,
    titles: Sequence[Title | None],
    rows: Sequence[tuple[int, list[str]]],
) -> list[Floats | None]:
    """Return the numbers of the columns whose title is understood.

    A column that a spectrum can do without, such as a time written as a date, is left
    out when it holds words.

    Raises
    ------
    ReadError
        A cell is no number; names file, line and column.
    """
    is_spectrum = FREQUENCY in {title.quantity for title in titles if title}
    values: list[Floats | None] = []
    for column, title in enumerate(titles):
        if title is None or title.problem:
            values.append(np.full(len(rows), np.nan) if title else None)
            continue
        try:
            numbers = [
                read_number(cells[column], f"{path}: line {line}, {title.text!r}")
                for line, cells in rows
            ]
        except ReadError:
            if not is_spectrum or title.quantity in _SPECTRUM:
                raise
            values.append(None)
        else:
            values.append(np.array(numbers, dtype=float))
    return values


def read_number(cell: str, place: str) -> float:
    """Return the number of a cell, with a decimal point or comma; NaN of an empty one.

    Raises
    ------
    ReadError
        It is no number.

    Examples
    --------
    >>> read_number("1,5E+003", "a.dta: line 9")
    1500.0
    """
    text = cell.strip().strip('"')
    if not text:
        return float("nan")
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        raise ReadError(
            f"{place}: {cell[:20]!r} is no number; repair or remove that line"
        )
    return float(text)


def _first_use(titles: Sequence[Title | None]) -> int:
    """Return the first column of a quantity that a spectrum is made of."""
    return next(i for i, t in enumerate(titles) if t and t.quantity in _SPECTRUM)


def _rows_there(columns: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """Return which rows hold any number."""
    return np.asarray(
        np.any([np.isfinite(column) for column in columns.values()], axis=0)
    )


def _drop_last_empty(fields: list[str]) -> list[str]:
    """Return fields without an empty last one: a separator ended the line."""
    return fields[:-1] if len(fields) > 1 and not fields[-1].strip() else fields
