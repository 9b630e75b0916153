"""CH Instruments' text: date, technique, settings, titles, rows between commas."""

from __future__ import annotations

import re
from pathlib import Path

from structkit.io.raw_table import RawTable
from structkit.io.text_table import read_block, read_lines, require_titles

_READ = re.compile(r"impedance|amperometric|chronoamp|chronopot|i\s*-\s*t", re.I)


class ChiReader:
    """CH Instruments."""

    name = "chi-text"
    suffixes = (".txt", ".csv")

    def sniff(self, path: Path) -> bool:
        """Return whether the head names the instrument."""
        return b"Instrument Model:  CHI" in path.read_bytes()[:1000]

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the table of the file.

        Raises
        ------
        ReadError
            Names the line: no titles, a row that is cut, a word where a number is due.
        """
        lines = read_lines(path)
        technique = lines[1][1].strip() if len(lines) > 1 else ""
        if not _READ.search(technique):
            return (RawTable(path=path, columns={}, technique=technique, refused=True),)
        place = require_titles(path, lines)[0]
        return read_block(path, lines[place:], technique=technique)
