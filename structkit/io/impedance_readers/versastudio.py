"""Princeton's VersaStudio (``.par``): sections between tags, data in ``<Segment1>``.

The line ``Definition=`` names the columns. Each segment is a table; one whose
frequency is 0 throughout is a direct-current run.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from structkit.errors import ReadError
from structkit.io.impedance_titles import recognise_title
from structkit.io.raw_table import RawTable, make_tables, read_cells
from structkit.io.text_table import read_lines
from structkit.schema import FREQUENCY

_SEGMENT = re.compile(r"^<Segment(\d+)>$", re.I)
_DEFINITION = "definition="
_REFUSED = re.compile(r"voltammetry|open circuit|tafel|linear (scan|polar)", re.I)


class VersaStudioReader:
    """VersaStudio."""

    name = "versastudio-par"
    suffixes = (".par",)

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins as VersaStudio writes it."""
        head = path.read_bytes()[:400].lstrip(b"\xef\xbb\xbf")
        return head.startswith(b"<Application>") and b"VersaStudio" in head

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the tables of the segments.

        Raises
        ------
        ReadError
            Names the line: a row that is cut, a word where a number should be; a file
            without rows.
        """
        lines = read_lines(path)
        technique = _technique([text for _, text in lines])
        if _REFUSED.search(technique):
            return (RawTable(path=path, columns={}, technique=technique, refused=True),)
        found: list[RawTable] = []
        for place, (_, text) in enumerate(lines):
            if match := _SEGMENT.match(text.strip()):
                end = f"</segment{match[1]}>"
                body = lines[place + 1 :]
                stops = [i for i, (_, t) in enumerate(body) if t.strip().lower() == end]
                segment = body[: stops[0]] if stops else body
                found.extend(
                    _read_segment(segment, path, technique, is_closed=bool(stops))
                )
        if not found:
            raise ReadError(
                f"{path}: holds no segment of data; the file is cut, copy it again"
            )
        return tuple(found)


def _technique(texts: list[str]) -> str:
    """Return the name of the last action before the data."""
    names = []
    in_action = False
    for text in texts:
        if text.startswith("<"):
            in_action = text.startswith("<Action")
        elif in_action and text.startswith("Name=") and text[5:].strip() != "Common":
            names.append(text[5:].strip())
    return names[-1] if names else ""


def _read_segment(
    lines: list[tuple[int, str]], path: Path, technique: str, *, is_closed: bool
) -> tuple[RawTable, ...]:
    """Return the numbers of a segment."""
    heading = next((t for _, t in lines if t.lower().startswith(_DEFINITION)), None)
    if heading is None:
        raise ReadError(f"{path}: a segment has no Definition of its columns")
    names = [name.strip() for name in heading.split("=", 1)[1].split(",")]
    titles = [recognise_title(name) for name in names if not name.isdigit()]
    rows = []
    for number, text in lines:
        if not text.strip() or "=" in text:
            continue
        cells = text.strip().split(",")
        if not len(titles) <= len(cells) <= len(names):
            raise ReadError(
                f"{path}: line {number}: {len(cells)} cells where the Definition names "
                f"{len(titles)}; the file is cut or damaged, copy it again, or remove "
                "that line"
            )
        rows.append((number, cells))
    if not rows:
        raise ReadError(f"{path}: a segment has no rows; the run was aborted")
    values = read_cells(path, titles, rows)
    frequencies = [
        column
        for title, column in zip(titles, values, strict=True)
        if title and title.quantity == FREQUENCY and column is not None
    ]
    if frequencies and not np.any(frequencies[0]):
        titles = [t if t and t.quantity != FREQUENCY else None for t in titles]
    return make_tables(
        path,
        titles,
        values,
        lines=np.array([number for number, _ in rows]),
        technique=technique,
        remarks=() if is_closed else ("The file is cut within its data.",),
    )
