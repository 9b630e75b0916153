"""Gamry's ``.DTA``: lines of settings, then tables of titles, units and rows.

A table ``ZCURVE`` holds impedance whatever the tag says (``EISPOT``, ``GALVEIS``,
...); ``CHRONOA`` and ``CHRONOP`` hold a run in ``CURVE``. Numbers have a decimal point
or comma. The declared number of rows is not trusted. Beside the measured columns a
drift correction may stand; the measured ones are read.

References
----------
Learned from files of Framework 7 and older; the maker's description is not public.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from structkit.errors import ReadError
from structkit.io.impedance_titles import recognise_title
from structkit.io.raw_table import RawTable, make_tables, read_cells
from structkit.io.text_table import read_lines

_RUNS = ("CHRONOA", "CHRONOP")


@dataclass(slots=True, kw_only=True)
class _Table:
    """One table as text."""

    name: str
    line: int
    declared: int | None
    lines: list[tuple[int, str]] = field(default_factory=list)


class GamryReader:
    """Gamry Framework."""

    name = "gamry-dta"
    suffixes = (".dta",)

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins as Framework writes it."""
        head = path.read_bytes()[:400].lstrip(b"\xef\xbb\xbf")
        return head.startswith(b"EXPLAIN") and b"TAG" in head

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the tables of impedance, or of a run.

        Raises
        ------
        ReadError
            Names the line: a row that is cut, a word where a number should be; a file
            without rows.
        """
        settings, tables = _cut(read_lines(path))
        tag = settings.get("TAG", "")
        aborted = settings.get("EXPERIMENTABORTED", "").upper().startswith("T")
        curves = [table for table in tables if table.name.startswith("ZCURVE")]
        is_run = tag in _RUNS
        if is_run and not curves:
            curves = [table for table in tables if table.name.startswith("CURVE")]
        title = settings.get("TITLE", "")
        technique = f"{title}, {tag}" if title and title != tag else tag
        if not curves and (is_run or "EIS" in tag):
            raise ReadError(
                f"{path}: declares {technique}, but holds no table of it; the run was "
                "aborted before its first point, or the file is cut"
            )
        if not curves:
            return (RawTable(path=path, columns={}, technique=technique, refused=True),)
        found: list[RawTable] = []
        for curve in curves:
            found.extend(_read_table(curve, path, technique, aborted=aborted))
        return tuple(found)


def _cut(lines: Sequence[tuple[int, str]]) -> tuple[dict[str, str], list[_Table]]:
    """Return the first value of each setting, and the tables."""
    settings: dict[str, str] = {}
    tables: list[_Table] = []
    in_table = False
    for number, line in lines:
        if line[:1].isspace():
            if in_table and line.strip():
                tables[-1].lines.append((number, line))
            continue
        fields = [part.strip() for part in line.split("\t")]
        in_table = len(fields) > 1 and fields[1] == "TABLE"
        if in_table:
            count = fields[2] if len(fields) > 2 else ""
            declared = int(count) if count.isdigit() else None
            tables.append(_Table(name=fields[0], line=number, declared=declared))
        elif len(fields) > 2:
            settings.setdefault(fields[0], fields[2])
        elif len(fields) == 2:
            settings.setdefault(fields[0], fields[1])
    return settings, tables


def _read_table(
    table: _Table, path: Path, technique: str, *, aborted: bool
) -> tuple[RawTable, ...]:
    """Return the numbers of a table."""
    if len(table.lines) < 3:
        raise ReadError(
            f"{path}: line {table.line}: the table {table.name} has no rows; the run "
            "was aborted before its first point, or the file is cut"
        )
    names = _fields(table.lines[0][1])
    units = [*_fields(table.lines[1][1]), *[""] * len(names)]
    titles = [
        recognise_title(name, unit.strip("#"))
        for name, unit in zip(names, units, strict=False)
    ]
    rows = []
    for number, line in table.lines[2:]:
        cells = _fields(line)
        if len(cells) != len(names):
            cells = line.split()
        if len(cells) != len(names):
            raise ReadError(
                f"{path}: line {number}: {len(cells)} cells where {table.name} has "
                f"{len(names)} columns; the file is cut or damaged, copy it again, or "
                "remove that line"
            )
        rows.append((number, cells))
    remarks = []
    if aborted:
        remarks.append("The experiment was aborted; the rows until then were read.")
    if table.declared is not None and table.declared != len(rows):
        remarks.append(f"{table.declared} rows are declared, {len(rows)} are there.")
    if any(name.endswith("DrCor") for name in names):
        remarks.append("Drift-corrected columns stand beside; the measured were read.")
    return make_tables(
        path,
        titles,
        read_cells(path, titles, rows),
        lines=np.array([number for number, _ in rows]),
        technique=technique,
        remarks=remarks,
    )


def _fields(line: str) -> list[str]:
    """Return the fields of a line of a table, which begins with white space."""
    fields = [part.strip() for part in re.sub(r"^[ \t]", "", line).split("\t")]
    return fields[:-1] if len(fields) > 1 and not fields[-1] else fields
