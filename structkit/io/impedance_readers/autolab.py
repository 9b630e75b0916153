"""Autolab's Z60W text: quoted lines, a count, quoted titles, rows between commas."""

from __future__ import annotations

from pathlib import Path

from structkit.io.raw_table import RawTable
from structkit.io.text_table import read_block, read_lines, require_titles


class AutolabReader:
    """Autolab and others, Z60W."""

    name = "autolab-z60w"
    suffixes = (".txt", ".z60", ".dat")

    def sniff(self, path: Path) -> bool:
        """Return whether the first line says Z60W."""
        return b"Z60W Data File" in path.read_bytes()[:80]

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the table of the file.

        Raises
        ------
        ReadError
            Names the line: no titles, a row that is cut, a word where a number is due.
        """
        lines = [line for line in read_lines(path) if line[1].strip()]
        place = require_titles(path, lines)[0]
        count = lines[place - 1][1].strip() if place else ""
        n_rows = len(lines) - place - 1
        remarks = []
        if count.isdigit() and int(count) != n_rows:
            remarks.append(f"{count} rows are declared, {n_rows} are there.")
        return read_block(path, lines[place:], remarks=remarks)
