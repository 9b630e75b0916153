"""``.P00``: a procedure, titles such as ``-Z''/Ohm``, the count, rows."""

from __future__ import annotations

from pathlib import Path

from structkit.errors import ReadError
from structkit.io.raw_table import RawTable, split_titles
from structkit.io.text_table import read_block, read_lines


class P00Reader:
    """FRA procedure with its results."""

    name = "p00"
    suffixes = (".p00",)

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins with a procedure."""
        return path.read_bytes()[:60].lstrip(b"\xef\xbb\xbf ").startswith(b"Procedure")

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the table of the file.

        Raises
        ------
        ReadError
            Names the line: no titles, fewer points than declared, a row that is cut.
        """
        lines = [line for line in read_lines(path) if line[1].strip()]
        titled = [i for i, (_, text) in enumerate(lines) if split_titles(text)]
        if not titled or titled[0] + 2 > len(lines):
            raise ReadError(f"{path}: no titles with rows; copy the file again")
        place = titled[0]
        number, count = lines[place + 1]
        if not count.strip().isdigit():
            raise ReadError(
                f"{path}: line {number}: no number of points; copy the file again"
            )
        rows = lines[place + 2 : place + 2 + int(count)]
        if len(rows) < int(count):
            raise ReadError(
                f"{path}: line {lines[-1][0]}: {len(rows)} of {int(count)} points are "
                "there; the file is cut, copy it again"
            )
        title = lines[0][1].partition(":")[2].strip()
        return read_block(path, [lines[place], *rows], attrs={"title": title})
