"""Scribner's ZPlot and ZView (``.z``): a header with the titles, then rows.

The line of titles stands before ``End Comments``; its units ``(a)`` and ``(b)`` are
place-holders for ohm. The number of points declared is compared, not trusted.
"""

from __future__ import annotations

import re
from pathlib import Path

from structkit.errors import ReadError
from structkit.io.raw_table import RawTable, split_titles
from structkit.io.text_table import read_block, read_lines

_END = "End Comments"
_POINTS = re.compile(r"^\s*Data Points\s*:\s*(\d+)", re.I)
_EXPERIMENT = re.compile(r"^\s*Experiment Type\s*:\s*(.+)", re.I)


class ZviewReader:
    """ZPlot and ZView."""

    name = "zview-z"
    suffixes = (".z", ".zdata")

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins as ZPlot writes it."""
        head = path.read_bytes()[:200].lstrip(b'\xef\xbb\xbf \r\n"')
        return head.upper().startswith(b"ZPLOT")

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the table of the file.

        Raises
        ------
        ReadError
            Names the line: a row that is cut, a word where a number should be; a file
            without titles or rows.
        """
        lines = read_lines(path)
        ends = [i for i, (_, t) in enumerate(lines) if t.strip().startswith(_END)]
        if not ends:
            raise ReadError(f"{path}: no line {_END!r}; the file is cut, copy it again")
        end = ends[0]
        titles = [line for line in lines[:end] if split_titles(line[1]) is not None]
        if not titles:
            raise ReadError(
                f"{path}: line {end + 1}: no titles of frequency, Z' and Z'' before "
                "it; export the impedance again"
            )
        declared = next((m for _, t in lines[:end] if (m := _POINTS.match(t))), None)
        experiment = next(
            (m[1].strip() for _, t in lines[:end] if (m := _EXPERIMENT.match(t))), ""
        )
        rows = [line for line in lines[end + 1 :] if line[1].strip()]
        remarks = []
        if declared and int(declared[1]) != len(rows):
            remarks.append(f"{declared[1]} rows are declared, {len(rows)} are there.")
        return read_block(
            path, [titles[-1], *rows], technique=experiment, remarks=remarks
        )
