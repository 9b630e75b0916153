"""RelaxIS's text export: two lines, titles such as ``Data: Z''``, settings, rows.

Only columns titled ``Data:`` are measured. ``TM=`` among the settings is not taken
for the temperature: it contradicts the cell's in the files seen.
"""

from __future__ import annotations

from pathlib import Path

from structkit.io.raw_table import RawTable
from structkit.io.text_table import read_block, read_lines, require_titles


class RelaxisReader:
    """RelaxIS 3."""

    name = "relaxis-text"
    suffixes = (".txt", ".csv", ".dat")

    def sniff(self, path: Path) -> bool:
        """Return whether the first line is RelaxIS's."""
        return path.read_bytes()[:40].lstrip(b"\xef\xbb\xbf").startswith(b"RelaxIS")

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the tables of the file.

        Raises
        ------
        ReadError
            Names the line: no titles, a row that is cut, a word where a number is due.
        """
        lines = read_lines(path)
        places = require_titles(path, lines)
        ends = [*places[1:], len(lines)]
        found: list[RawTable] = []
        for place, end in zip(places, ends, strict=True):
            found.extend(read_block(path, lines[place:end]))
        return tuple(found)
