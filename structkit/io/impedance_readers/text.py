"""Plain text and csv: titles that name the columns, or three columns without.

PowerSuite, Parstat, Novocontrol-like tables and hand-made files are read by their
titles, whatever stands before; a line of units below them is obeyed. Several titles in
a file, or several frequency columns side by side, are several tables. Three columns
without titles are taken as frequency, Z' and Z'' in Hz and ohm, with a remark. A line
such as ``Temperature: 140 °C`` above the table gives the temperature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from structkit.errors import ReadError
from structkit.io.impedance_titles import IMAGINARY, REAL, Title, read_temperature
from structkit.io.raw_table import (
    RawTable,
    looks_like_row,
    make_tables,
    read_cells,
    split_row,
)
from structkit.io.text_table import (
    find_titles,
    is_text,
    read_block,
    read_lines,
)
from structkit.schema import FREQUENCY

_TITLE = "freq/Hz, Re(Z)/Ohm, Im(Z)/Ohm"
_EVEN = 1e-6
_WORD = re.compile(r"\w")


class ImpedanceTextReader:
    """Columns of text."""

    name = "impedance-text"
    suffixes = (".txt", ".csv", ".dat", ".asc", ".tsv", ".prn")

    def sniff(self, path: Path) -> bool:
        """Return whether the file is text at all."""
        return is_text(path)

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the tables of the file.

        Raises
        ------
        ReadError
            Names the line: a row of another length, a word where a number should be;
            no titles and no three columns.
        """
        lines = read_lines(path)
        places = find_titles(lines)
        if not places:
            return _read_bare(path, lines)
        found: list[RawTable] = []
        above = lines[: places[0]]
        for place, end in zip(places, [*places[1:], len(lines)], strict=True):
            block, below = _cut_after_rows(lines[place:end])
            if end == len(lines):
                block = lines[place:]
            header = [text for _, text in above if not looks_like_row(text)]
            found.extend(
                read_block(
                    path,
                    block,
                    temperature=_temperature(header),
                    attrs=_title(header),
                )
            )
            above = below
        return tuple(found)


def _cut_after_rows(
    block: list[tuple[int, str]],
) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return a block until its last row, and the words of the next after it."""
    last = max(i for i, (_, text) in enumerate(block) if looks_like_row(text))
    return block[: last + 1], block[last + 1 :]


def _read_bare(path: Path, lines: Sequence[tuple[int, str]]) -> tuple[RawTable, ...]:
    """Return the table of three columns without titles."""
    rows = [(number, text) for number, text in lines if looks_like_row(text)]
    if not rows:
        raise ReadError(
            f"{path}: no table of impedance or of current over time; give columns "
            f"titled {_TITLE}"
        )
    first = rows[0][0]
    cells: list[tuple[int, list[str]]] = []
    header: list[str] = []
    for number, text in lines:
        if not text.strip():
            continue
        if number < first or text.lstrip().startswith(("#", "%", "!")):
            header.append(text)
            continue
        row = split_row(text, 3)
        if row is None:
            raise ReadError(
                f"{path}: line {number}: no titles, and not three columns; put a line "
                f"of titles above them, such as {_TITLE}"
            )
        cells.append((number, row))
    titled = [text for text in header[-1:] if _WORD.search(text)]
    if titled and len(re.split(r"[\t;,]+|\s{2,}", titled[0].strip())) == 3:
        raise ReadError(
            f"{path}: line {first - 1}: the titles {titled[0].strip()[:60]!r} are not "
            f"understood; name the columns {_TITLE}"
        )
    titles = [Title(text=q, quantity=q) for q in (FREQUENCY, REAL, IMAGINARY)]
    (table,) = make_tables(
        path,
        titles,
        read_cells(path, titles, cells),
        lines=np.array([number for number, _ in cells]),
        temperature=_temperature(header),
        remarks=("No titles: read as frequency in Hz, Z' and Z'' in ohm.",),
        attrs=_title(header),
    )
    axis = table.columns[FREQUENCY]
    steps = np.diff(axis)
    if steps.size > 3 and np.ptp(steps) <= _EVEN * np.abs(steps).max():
        raise ReadError(
            f"{path}: line {first}: no titles, and the first column has even steps as "
            f"a time has; put a line of titles above, such as {_TITLE}, or time/s, I/A"
        )
    return (replace(table, sign_known=False),)


def _temperature(header: Sequence[str]) -> float | None:
    """Return the temperature, K, that a header line names with its unit."""
    found = [k for text in header if (k := read_temperature(text)) is not None]
    return found[-1] if found else None


def _title(header: Sequence[str]) -> dict[str, str]:
    """Return the first line of words above a table."""
    words = [text.strip("#%! \t") for text in header if _WORD.search(text)]
    return {"title": words[0]} if words else {}
