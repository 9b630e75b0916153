"""Statements of the study that do not hold as printed, and when a fit raises them.

A statement is raised by lines that were found, never by a name: it concerns whoever
reads the line in its window the way the study does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from structkit.errors import SchemaError
from structkit.raman.tables import build_rows, raise_mistakes, read_band_files

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What was said, what speaks against it, and the lines that raise it."""

    name: str
    """Unique, short."""
    said: str
    """The statement, in our words, one sentence."""
    objection: str
    """Why it does not hold as printed; begins in lower case."""
    window: Range
    """It is raised when a line lies here, **cm-1**."""
    at_least: int = 1
    """Number of lines in the window that it takes."""
    needs: tuple[Range, ...] = ()
    """Each of these must hold a line as well, **cm-1**."""
    lacks: tuple[Range, ...] = ()
    """None of these may hold a line, **cm-1**."""
    companions: tuple[Range, ...] = ()
    """Where a rival has further lines, **cm-1**: found or not, the remark says so."""
    source: str = ""
    """What the objection rests on."""

    def __post_init__(self) -> None:
        """Refuse ranges that do not ascend."""
        for low, high in (self.window, *self.needs, *self.lacks, *self.companions):
            if not low < high:
                raise SchemaError(
                    f"statement {self.name!r}: range {low:g} to {high:g} must ascend"
                )


def load_statements(path: str | Path | None = None) -> tuple[Statement, ...]:
    """Load the library's statements, and a user's after them.

    Parameters
    ----------
    path : path, optional
        The user's TOML file, with ``[[statement]]`` tables; a known name replaces.

    Returns
    -------
    tuple of Statement
        In the order of the files.

    Raises
    ------
    ReadError
        When the file is absent or not TOML.
    SchemaError
        When it has mistakes: all of them, with file and key.
    """
    statements: dict[str, Statement] = {}
    mistakes: dict[str, list[str]] = {}
    for file in read_band_files(path):
        rows, mistakes[file.name] = build_rows(Statement, file, "statement")
        statements |= {row.name: row for row in rows}
    raise_mistakes(mistakes)
    return tuple(statements.values())


def review_statements(
    centres: ArrayLike,
    *,
    measured: Range | None = None,
    statements: Iterable[Statement] | None = None,
) -> list[str]:
    """Return a remark for each statement that the lines found concern.

    Parameters
    ----------
    centres : array_like, shape (n_lines,)
        Fitted centres of the lines that were found, **cm-1**. Leave out bands whose
        area is not distinct from zero, and those that belong to a blank.
    measured : tuple of float, optional
        Ends of the spectrum, **cm-1**: outside them no line counts as absent. None:
        everything was measured.
    statements : iterable of Statement, optional
        By default those of :func:`load_statements`.

    Returns
    -------
    list of str
        For each: what was said, what speaks against it, the lines that raised it, and
        which further lines of the rival were found.

    Raises
    ------
    SchemaError
        When a centre is not finite.

    Examples
    --------
    >>> remarks = review_statements([378.0, 405.0, 240.0], measured=(80.0, 950.0))
    >>> any("TaCl5" in remark and "found at 240.0" in remark for remark in remarks)
    True
    """
    lines = np.sort(np.asarray(centres, dtype=float).ravel())
    if not np.all(np.isfinite(lines)):
        raise SchemaError("centres hold values that are not finite; drop those bands")
    found = [float(line) for line in lines]
    ends = (-np.inf, np.inf) if measured is None else measured
    chosen = load_statements() if statements is None else statements
    raised = (one for one in chosen if _is_raised(one, found, ends))
    return [_phrase(one, found, ends) for one in raised]


def _find(lines: list[float], where: Range) -> list[float]:
    """Return the lines in a range."""
    return [line for line in lines if where[0] <= line <= where[1]]


def _is_covered(where: Range, ends: Range) -> bool:
    """Return whether a range was measured from end to end."""
    return ends[0] <= where[0] and where[1] <= ends[1]


def _is_raised(statement: Statement, lines: list[float], ends: Range) -> bool:
    """Return whether the lines found are those the statement is about."""
    return (
        len(_find(lines, statement.window)) >= statement.at_least
        and all(_find(lines, where) for where in statement.needs)
        and all(
            _is_covered(where, ends) and not _find(lines, where)
            for where in statement.lacks
        )
    )


def _phrase(statement: Statement, lines: list[float], ends: Range) -> str:
    """Return the remark with the lines that raised it."""
    raising = _find(lines, statement.window)
    parts = [f"Raised by {_list(raising)} cm-1"]
    for where in statement.companions:
        span = f"{where[0]:g} to {where[1]:g}"
        others = _find(lines, where)
        if others:
            parts.append(f"in {span} found at {_list(others)}")
        elif _is_covered(where, ends):
            parts.append(f"none found in {span}")
        else:
            parts.append(f"{span} not measured")
    text = f"{statement.said} But {statement.objection} {'; '.join(parts)}"
    return f"{text} ({statement.source})." if statement.source else f"{text}."


def _list(lines: list[float]) -> str:
    """Return the lines as text, to a tenth."""
    return ", ".join(f"{line:.1f}" for line in lines)
