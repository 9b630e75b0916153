"""Lines of a text file: decoded, numbered, and cut into tables by their titles."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from structkit.errors import ReadError
from structkit.io.impedance_titles import Title, recognise_title
from structkit.io.number_text import read_text
from structkit.io.raw_table import (
    RawTable,
    looks_like_row,
    make_tables,
    read_cells,
    split_row,
    split_titles,
)

NumberedLines = Sequence[tuple[int, str]]

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


def is_text(path: Path) -> bool:
    """Return whether the first 4096 bytes of a file hold no control characters."""
    head = path.read_bytes()[:4096]
    return bool(head) and not any(byte < 9 or 13 < byte < 32 for byte in head)


def read_lines(path: Path) -> list[tuple[int, str]]:
    r"""Return the numbered lines of a text file; ``\r\r\n`` ends one line.

    Raises
    ------
    ReadError
        A line holds control characters: the file is damaged, or binary.
    """
    text = read_text(path).replace("\r\r\n", "\n")
    lines = list(enumerate(re.split(r"\r\n|\n|\r", text), start=1))
    for number, line in lines:
        if match := _CONTROL.search(line):
            raise ReadError(
                f"{path}: line {number}: holds the control character "
                f"{match[0]!r}; the file is damaged or binary, copy or export it again"
            )
    return lines


def find_titles(lines: NumberedLines) -> list[int]:
    """Return the places of lines whose titles name a spectrum or a run."""
    found = []
    for place, (_, line) in enumerate(lines):
        if looks_like_row(line) or split_titles(line) is None:
            continue
        row = next((text for _, text in lines[place + 1 :] if looks_like_row(text)), "")
        if row and split_titles(line, row=row) is not None:
            found.append(place)
    return found


def require_titles(path: Path, lines: NumberedLines) -> list[int]:
    """Return what :func:`find_titles` does.

    Raises
    ------
    ReadError
        There is no such line.
    """
    found = find_titles(lines)
    if not found:
        raise ReadError(
            f"{path}: no titles of impedance, or of time and current, with rows below; "
            "the file is cut, export it again"
        )
    return found


def read_block(
    path: Path,
    lines: NumberedLines,
    *,
    technique: str = "",
    refused: bool = False,
    temperature: float | None = None,
    remarks: Sequence[str] = (),
    attrs: Mapping[str, str | int | float] | None = None,
) -> tuple[RawTable, ...]:
    """Return the tables under a line of titles.

    Parameters
    ----------
    path : Path
        File.
    lines : sequence of (int, str)
        The line of titles, perhaps a line of units or of words, rows. Blank lines and
        comments between rows are left out.

    Raises
    ------
    ReadError
        No rows, a row of another length, a word where a number should be; names the
        line.
    """
    number, heading = lines[0]
    body = [(n, text) for n, text in lines[1:] if text.strip()]
    first = next((i for i, (_, text) in enumerate(body) if looks_like_row(text)), None)
    if first is None:
        raise ReadError(
            f"{path}: line {number}: titles without rows; the file is cut, export it "
            "again"
        )
    titles = split_titles(heading, row=body[first][1])
    if titles is None:
        raise ReadError(
            f"{path}: line {body[first][0]}: not as many cells as line {number} has "
            "titles; export the file again"
        )
    titles = _with_units(titles, [text for _, text in body[:first]])
    rows = []
    for line, text in body[first:]:
        if text.lstrip().startswith(("#", "%", "!")):
            continue
        cells = split_row(text, len(titles))
        if cells is None:
            raise ReadError(
                f"{path}: line {line}: not the {len(titles)} cells that line {number} "
                "names; the file is cut or damaged there, repair or remove that line"
            )
        rows.append((line, cells))
    return make_tables(
        path,
        titles,
        read_cells(path, titles, rows),
        lines=np.array([line for line, _ in rows]),
        technique=technique,
        refused=refused,
        temperature=temperature,
        remarks=remarks,
        attrs=attrs,
    )


def _with_units(
    titles: Sequence[Title | None], between: Sequence[str]
) -> list[Title | None]:
    """Return titles with the units of a line of units, where one stands below them."""
    units = split_row(between[0], len(titles)) if between else None
    if units is None:
        return list(titles)
    again = [
        recognise_title(t.text, u) if t and not _has_unit(t) else t
        for t, u in zip(titles, units, strict=True)
    ]
    pairs = zip(titles, again, strict=True)
    is_units = all(old is None or (new and not new.problem) for old, new in pairs)
    return again if is_units else list(titles)


def _has_unit(title: Title) -> bool:
    """Return whether a title brings its unit along."""
    return bool(re.search(r"[/(\[]\s*(?!z\b)\w", title.text, re.I))
