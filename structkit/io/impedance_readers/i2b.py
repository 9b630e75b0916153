"""``.i2b``: lines of words, the number of points, rows of frequency, Z' and Z''."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from structkit.errors import ReadError
from structkit.io.impedance_titles import IMAGINARY, REAL
from structkit.io.number_text import read_text
from structkit.io.raw_table import RawTable, read_number
from structkit.io.text_table import is_text, read_lines
from structkit.schema import FREQUENCY

_COUNT = re.compile(r"^\s*\d+\s*\n\s*[-+.\deE]+[ \t]+[-+.\deE]+[ \t]+[-+.\deE]+", re.M)


class I2bReader:
    """Count and rows without titles."""

    name = "i2b"
    suffixes = (".i2b",)

    def sniff(self, path: Path) -> bool:
        """Return whether a count stands before rows of three numbers."""
        return is_text(path) and bool(_COUNT.search(read_text(path)))

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the table of the file.

        Raises
        ------
        ReadError
            Names the line: no count, fewer points than it says, a row of another
            length, a word where a number should be.
        """
        lines = read_lines(path)
        place = next((i for i, (_, t) in enumerate(lines) if t.strip().isdigit()), None)
        if place is None:
            raise ReadError(f"{path}: no line with the number of points; copy it again")
        n_points = int(lines[place][1])
        body = [line for line in lines[place + 1 :] if line[1].strip()][:n_points]
        if len(body) < n_points or not body:
            raise ReadError(
                f"{path}: line {lines[-1][0]}: {len(body)} of {n_points} points are "
                "there; the file is cut, copy it again"
            )
        rows = []
        for line, text in body:
            cells = text.split()
            if len(cells) != 3:
                raise ReadError(
                    f"{path}: line {line}: {len(cells)} numbers where frequency, Z' "
                    "and Z'' should be; repair or remove that line"
                )
            rows.append([read_number(cell, f"{path}: line {line}") for cell in cells])
        frequency, real, imaginary = np.array(rows, dtype=float).T
        return (
            RawTable(
                path=path,
                columns={FREQUENCY: frequency, REAL: real, IMAGINARY: imaginary},
                lines=np.array([line for line, _ in body]),
                sign_known=False,
                attrs={"title": lines[0][1].strip()} if place else {},
            ),
        )
