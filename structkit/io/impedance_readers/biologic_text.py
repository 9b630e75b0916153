"""EC-Lab's text export (``.mpt``): a counted header, one line of titles, rows.

Columns come in any order and number, with a decimal point or comma. A loop of several
spectra is one table whose frequency restarts. Cyclic voltammetry, open circuit and
cycling are refused by the name of their technique.
"""

from __future__ import annotations

import re
from pathlib import Path

from structkit.errors import ReadError
from structkit.io.raw_table import RawTable
from structkit.io.text_table import find_titles, read_block, read_lines

_HEADER = re.compile(r"^\s*Nb header lines\s*:\s*(\d+)", re.I)
_RUNS = re.compile(r"chrono(amp|pot|coulom)|impedance|constant (voltage|current)", re.I)


class BiologicTextReader:
    """BioLogic EC-Lab and BT-Lab, as text."""

    name = "biologic-mpt"
    suffixes = (".mpt", ".txt")

    def sniff(self, path: Path) -> bool:
        """Return whether the first line is EC-Lab's or BT-Lab's."""
        head = path.read_bytes()[:200].lstrip(b"\xef\xbb\xbf").upper()
        return head.startswith((b"EC-LAB ASCII", b"BT-LAB ASCII"))

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the table of the file.

        Raises
        ------
        ReadError
            Names the line: a row that is cut, a word where a number should be; a file
            without titles or rows.
        """
        lines = read_lines(path)
        technique = next((t.strip() for _, t in lines[2:8] if t.strip()), "")
        if ":" in technique:
            technique = ""
        places = find_titles(lines)
        if technique and not _RUNS.search(technique):
            return (RawTable(path=path, columns={}, technique=technique, refused=True),)
        if not places:
            match = next((m for _, t in lines[:5] if (m := _HEADER.match(t))), None)
            where = f"line {match[1]}" if match else "its header"
            raise ReadError(
                f"{path}: {where}: no titles of impedance or of time and current with "
                "rows below; the file is cut, or export freq, Re(Z) and -Im(Z)"
            )
        return read_block(path, lines[places[0] :], technique=technique)
