"""``.dfr``: a version, a count, nine numbers for each point, one a line.

The first three of the nine are the frequency, Z' and -Z''; the others are not used.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from structkit.errors import ReadError
from structkit.io.impedance_titles import IMAGINARY, REAL
from structkit.io.raw_table import RawTable, read_number
from structkit.io.text_table import read_lines
from structkit.schema import FREQUENCY

_HEADER = 3
_PER_POINT = 9


class DfrReader:
    """FRA results, one number a line."""

    name = "dfr"
    suffixes = (".dfr",)

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins with a version and a count."""
        head = path.read_bytes()[:100].decode("latin-1").splitlines()
        return (
            len(head) > 1
            and head[0].startswith("VERSION")
            and head[1].strip().isdigit()
        )

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the table of the file.

        Raises
        ------
        ReadError
            Names the line: fewer points than declared, a word where a number should be.
        """
        lines = read_lines(path)
        n_points = int(lines[1][1])
        body = lines[_HEADER : _HEADER + _PER_POINT * n_points]
        if len(body) < _PER_POINT * n_points or not body[-1][1].strip():
            raise ReadError(
                f"{path}: line {lines[-1][0]}: {len(body) // _PER_POINT} of {n_points} "
                "points are there; the file is cut, copy it again"
            )
        starts = body[::_PER_POINT]
        numbers = [read_number(text, f"{path}: line {line}") for line, text in body]
        table = np.array(numbers).reshape(n_points, _PER_POINT)
        return (
            RawTable(
                path=path,
                columns={
                    FREQUENCY: table[:, 0],
                    REAL: table[:, 1],
                    IMAGINARY: -table[:, 2],
                },
                lines=np.array([line for line, _ in starts]),
            ),
        )
