"""Ivium's ``.idf`` (one measurement) and ``.ids`` (several).

Settings stand as ``key=value`` between a few binary bytes; ``primary_data`` is
followed by the number of columns, the number of points, and rows of Z', Z'' and
frequency for ``Method=Impedance``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from structkit.errors import ReadError
from structkit.io.impedance_titles import IMAGINARY, REAL
from structkit.io.raw_table import RawTable, read_number
from structkit.schema import FREQUENCY


class IviumReader:
    """IviumSoft."""

    name = "ivium-idf"
    suffixes = (".idf", ".ids")

    def sniff(self, path: Path) -> bool:
        """Return whether the file holds Ivium's words."""
        content = path.read_bytes()
        return b"\nMethod=" in content and b"primary_data" in content

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the table of each measurement.

        Raises
        ------
        ReadError
            Names the line: fewer rows than declared, a word where a number should be.
        """
        lines = [
            text.rstrip() for text in path.read_bytes().decode("latin-1").split("\n")
        ]
        method, title = "", ""
        found: list[RawTable] = []
        for place, text in enumerate(lines):
            if text.startswith("Method="):
                method = text.removeprefix("Method=").strip()
            elif text.startswith("Title="):
                title = text.removeprefix("Title=").strip()
            elif text.startswith("primary_data"):
                if method == "Impedance":
                    found.append(_read_primary(lines, place, path, title))
                else:
                    what = method or "an unnamed method"
                    found.append(
                        RawTable(path=path, columns={}, technique=what, refused=True)
                    )
        return tuple(found)


def _read_primary(lines: list[str], place: int, path: Path, title: str) -> RawTable:
    """Return the table below a line ``primary_data``."""
    counts = [text.strip() for text in lines[place + 1 : place + 3]]
    if len(counts) < 2 or not all(text.isdigit() for text in counts):
        raise ReadError(
            f"{path}: line {place + 2}: no number of columns and points; the file is "
            "cut, copy it again"
        )
    width, n_points = (int(text) for text in counts)
    if width != 3:
        raise ReadError(
            f"{path}: line {place + 2}: {width} columns where impedance has 3; export "
            "it as text"
        )
    rows = []
    for number in range(place + 3, place + 3 + n_points):
        cells = lines[number].split() if number < len(lines) else []
        if len(cells) != width:
            raise ReadError(
                f"{path}: line {number + 1}: {number - place - 3} of {n_points} points "
                "are there; the file is cut, copy it again"
            )
        rows.append([read_number(c, f"{path}: line {number + 1}") for c in cells])
    real, imaginary, frequency = np.array(rows, dtype=float).reshape(-1, 3).T
    return RawTable(
        path=path,
        columns={FREQUENCY: frequency, REAL: real, IMAGINARY: imaginary},
        lines=np.arange(place + 4, place + 4 + n_points),
        technique="Impedance",
        attrs={"title": title} if title else {},
    )
