"""Compressed numbers of JCAMP-DX: AFFN, PAC, SQZ, DIF and DUP, freely mixed.

A line is an X and its ordinates. SQZ replaces sign and first digit by a letter, DIF
gives differences, DUP says how often the last number or difference comes. After a line
that ends in a difference, the first ordinate of the next repeats the last value and
checks it.

References
----------
McDonald & Wilks, Appl. Spectrosc. 42 (1988) 151, doi:10.1366/0003702884428734.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError

_SQZ = {c: str(i) for i, c in enumerate("@ABCDEFGHI")}
_SQZ |= {c: f"-{i}" for i, c in enumerate("abcdefghi", 1)}
_DIF = {c: str(i) for i, c in enumerate("%JKLMNOPQR")}
_DIF |= {c: f"-{i}" for i, c in enumerate("jklmnopqr", 1)}
_DUP = {c: str(i) for i, c in enumerate("STUVWXYZs", 1)}
_TOKEN = re.compile(
    r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]\d{1,3})?"
    r"|[@A-Ia-i%J-Rj-rS-Zs]\d*(?:\.\d*)?"
)
_BETWEEN = re.compile(r"[\s,;]*")

Start = tuple[int, int, str]
"""Index of a line's first ordinate, number of the line, its X as written."""


def decode_ordinates(
    lines: Sequence[tuple[int, str]], path: Path
) -> tuple[list[Start], NDArray[np.float64], NDArray[np.int64]]:
    """Decode the lines of a table ``(X++(Y..Y))``.

    Parameters
    ----------
    lines : sequence of (int, str)
        Number and text of each line.
    path : Path
        File, for messages.

    Returns
    -------
    starts : list of (int, int, str)
        For each line the index of its first ordinate, its number, its X.
    values : ndarray, shape (n_points,)
        Ordinates, without ``YFACTOR``.
    numbers : ndarray of int, shape (n_points,)
        Line that each stands in.

    Raises
    ------
    ReadError
        A character that belongs to no form, a missing value (``?``), a check value
        that differs: all with the line.

    Examples
    --------
    >>> _, values, _ = decode_ordinates([(9, "10A5J%jT")], Path("a.jdx"))
    >>> print(values)
    [15. 16. 16. 15. 14.]
    """
    values: list[float] = []
    numbers: list[int] = []
    starts: list[Start] = []
    ended_in_difference = False
    for number, line in lines:
        place = f"{path}: line {number}"
        first, *tokens = _tokens(line, place)
        if first[0] not in "+-.0123456789":
            raise ReadError(f"{place}: no X at its beginning; copy the file again")
        decoded, is_difference = _decode(tokens, values[-1:], place)
        if ended_in_difference and decoded:
            if decoded[0] != values[-1]:
                raise ReadError(
                    f"{place}: check value {decoded[0]:g} where {values[-1]:g} is "
                    "due; the file is damaged, copy it again"
                )
            starts.append((len(values) - 1, number, first))
            decoded = decoded[1:]
        else:
            starts.append((len(values), number, first))
        values.extend(decoded)
        numbers.extend([number] * len(decoded))
        ended_in_difference = is_difference
    return starts, np.array(values, dtype=float), np.array(numbers, dtype=np.int64)


def _tokens(line: str, place: str) -> list[str]:
    """Cut a line into numbers and pseudo-digits."""
    tokens: list[str] = []
    at = 0
    while at < len(line):
        at = _BETWEEN.match(line, at).end()  # type: ignore[union-attr]
        if at == len(line):
            break
        match = _TOKEN.match(line, at)
        if match is None:
            what = "a missing value" if line[at] == "?" else f"{line[at]!r}"
            raise ReadError(f"{place}: {what} among the ordinates; repair the file")
        tokens.append(match[0])
        at = match.end()
    return tokens


def _decode(
    tokens: Sequence[str], before: Sequence[float], place: str
) -> tuple[list[float], bool]:
    """Return the ordinates of a line and whether it ends in a difference."""
    values: list[float] = []
    last = before[0] if before else 0.0
    difference: float | None = None
    for token in tokens:
        head, rest = token[0], token[1:]
        if head in _DUP:
            if not values:
                raise ReadError(f"{place}: repeats nothing; copy the file again")
            for _ in range(int(float(_DUP[head] + rest)) - 1):
                last = last if difference is None else last + difference
                values.append(last)
            continue
        if head in _DIF:
            difference = float(_DIF[head] + rest)
            last += difference
        else:
            difference = None
            last = float(_SQZ[head] + rest) if head in _SQZ else float(token)
        values.append(last)
    return values, difference is not None
