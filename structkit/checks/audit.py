"""Statements held against numbers: the study's own, or those of a user's file.

A statement is supported where it holds over the whole range that rounding or 95 % of
the uncertainty gives the numbers, contradicted where it holds nowhere in it, and else
not resolved.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.checks.claim_file import read_claims, read_study
from structkit.checks.claims import Claim, check_claim
from structkit.checks.judge import ClaimVerdict, Outcome
from structkit.store import write_table

COLUMNS = ("claim", "verdict", "arithmetic", "source", "statement")
"""Columns of ``audit.csv``."""
TABLE = "audit.csv"
_NARROW, _WIDE = 40, 110
_GAP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedClaim:
    """A claim and what became of it."""

    claim: Claim
    """The claim."""
    outcome: Outcome
    """Verdict, arithmetic, numbers."""


def audit(path: str | Path | None = None) -> tuple[CheckedClaim, ...]:
    """Check every claim of a file, or those of the study.

    Parameters
    ----------
    path : path, optional
        File of claims (:mod:`structkit.checks.claim_file`).

    Returns
    -------
    tuple of CheckedClaim
        In the order of the file.

    Raises
    ------
    ReadError
        The file cannot be read.
    SchemaError
        It has mistakes.

    Examples
    --------
    >>> found = {one.claim.id: one.outcome for one in audit()}
    >>> found["C03"].verdict.value
    'supported'
    """
    claims = read_study() if path is None else read_claims(path)
    return tuple(CheckedClaim(claim=one, outcome=check_claim(one)) for one in claims)


def audit_table(findings: Iterable[CheckedClaim]) -> xr.Dataset:
    """Return findings as a dataset over ``claim``.

    Parameters
    ----------
    findings : iterable of CheckedClaim
        From :func:`audit`.

    Returns
    -------
    xarray.Dataset
        Texts ``verdict``, ``arithmetic``, ``source`` and ``statement`` over ``claim``.
    """
    rows = [
        (
            one.claim.id,
            one.outcome.verdict.value,
            one.outcome.arithmetic,
            one.claim.source,
            one.claim.statement,
        )
        for one in findings
    ]
    columns = [np.array(column, dtype=object) for column in zip(*rows, strict=True)]
    dim = COLUMNS[0]
    variables = {
        name: (dim, column)
        for name, column in zip(COLUMNS[1:], columns[1:], strict=True)
    }
    return xr.Dataset(variables, coords={dim: columns[0]})


def store_audit(findings: Iterable[CheckedClaim], folder: str | Path) -> Path:
    """Write ``tables/audit.csv`` into a folder of results and return its path.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    return write_table(audit_table(findings), Path(folder) / "tables" / TABLE)


def format_audit(findings: Iterable[CheckedClaim], *, width: int = 88) -> str:
    """Return findings as text: id and verdict, statement and arithmetic beside.

    Parameters
    ----------
    findings : iterable of CheckedClaim
        From :func:`audit`.
    width : int, default 88
        Of the lines, characters.
    """
    listed = list(findings)
    first = max((len(one.claim.id) for one in listed), default=0) + _GAP
    second = max(len(one.value) for one in ClaimVerdict) + _GAP
    rest = max(min(width, _WIDE) - first - second, _NARROW)
    lines = []
    for one in listed:
        told = textwrap.wrap(one.claim.statement, rest)
        told += textwrap.wrap(
            one.outcome.arithmetic,
            rest,
            initial_indent="= ",
            subsequent_indent="  ",
            break_long_words=False,
        )
        heads = [one.claim.id.ljust(first) + one.outcome.verdict.value.ljust(second)]
        heads += [" " * (first + second)] * (len(told) - 1)
        lines += [f"{a}{b}".rstrip() for a, b in zip(heads, told, strict=True)]
        lines.append("")
    counts = {
        verdict: sum(one.outcome.verdict is verdict for one in listed)
        for verdict in ClaimVerdict
    }
    lines.append(", ".join(f"{n} {verdict.value}" for verdict, n in counts.items()))
    return "\n".join(lines)
