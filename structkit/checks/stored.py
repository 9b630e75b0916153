"""Numbers and rows of a folder of results, for claims about them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from structkit.checks.claim_kind import Row, StoredColumn
from structkit.checks.quantity import Quantity, make_quantity
from structkit.errors import SchemaError
from structkit.store import read_table

_SAME_KELVIN = 0.5
"""Difference of temperatures that select the same row."""
_SAME = 1e-9
"""The same for other numbers."""
_TEMPERATURE = "temperature_K"
_SHOWN = 6


def find_rows(
    folder: Path, column: StoredColumn, *, where: Mapping[str, str]
) -> tuple[Row, ...]:
    """Return the rows of a stored table that agree with what a claim names.

    Parameters
    ----------
    folder : path
        Results, with ``tables/``.
    column : StoredColumn
        Which table.
    where : mapping of str to str
        Column to value; temperatures agree within 0.5 K.

    Returns
    -------
    tuple of mapping
        One or more.

    Raises
    ------
    ReadError
        The table is absent.
    SchemaError
        A column that the table lacks, or no such row: says which values there are.
    """
    path = folder / "tables" / column.table
    rows = read_table(path)
    if not rows:
        raise SchemaError(f"{path}: has no rows; run the stage again")
    for key in (*where, column.value, column.std):
        if key not in rows[0]:
            raise SchemaError(f"{path}: no column {key!r}; has {', '.join(rows[0])}")
    left = rows
    for key, value in where.items():
        kept = [row for row in left if _agrees(row[key], value, key)]
        if not kept:
            there = list(dict.fromkeys(row[key] for row in left))[:_SHOWN]
            raise SchemaError(
                f"{path}: no row with {key} = {value!r}; there is {', '.join(there)}"
            )
        left = kept
    return tuple(left)


def find_quantity(
    folder: Path, column: StoredColumn, *, where: Mapping[str, str]
) -> Quantity:
    """Return one number of a stored table with its uncertainty.

    Parameters
    ----------
    folder, column, where
        As for :func:`find_rows`; defaults of the column are added.

    Returns
    -------
    Quantity
        With the 95 % limits of the table where it has them (``low``, ``high``), else
        from its 1 sigma; of unknown range where it has neither.

    Raises
    ------
    ReadError
        The table is absent.
    SchemaError
        No such row, more than one, or an empty value.
    """
    path = folder / "tables" / column.table
    rows = find_rows(folder, column, where={**dict(column.defaults), **where})
    if len(rows) > 1:
        differ = [key for key in rows[0] if len({row[key] for row in rows}) > 1]
        raise SchemaError(
            f"{path}: {len(rows)} rows fit; name one by "
            f"{', '.join(differ[:_SHOWN]) or 'another column'}"
        )
    row = rows[0]
    value, std = _number(row, column.value, path), _number(row, column.std, path)
    said = ", ".join(f"{key} {row[key]}" for key in where)
    if not math.isfinite(value):
        why = row.get("remark") or row.get("reason") or row.get("status") or "empty"
        raise SchemaError(f"{path}: no {column.value} for {said}: {why}")
    source = f"{column.table} of {folder.name} ({said})"
    found = make_quantity(value, std=std if std > 0.0 else math.nan, units=column.units)
    low, high = (_number(row, end, path) for end in ("low", "high"))
    if low <= value <= high:
        found = Quantity(
            value=found.value,
            low=found.value + (low - value),
            high=found.value + (high - value),
            units=found.units,
            certainty="measured",
        )
    return Quantity(
        value=found.value,
        low=found.low,
        high=found.high,
        units=found.units,
        certainty=found.certainty,
        source=source,
    )


def _agrees(text: str, wanted: str, column: str) -> bool:
    """Return whether a cell is what a claim names."""
    if text == wanted:
        return True
    try:
        apart = abs(float(text) - float(wanted))
    except ValueError:
        return False
    return apart <= (_SAME_KELVIN if column == _TEMPERATURE else _SAME)


def _number(row: Row, column: str, path: Path) -> float:
    """Return a number of a row; NaN where it is empty or absent."""
    text = row.get(column, "")
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise SchemaError(f"{path}: {column} is {text!r}, no number") from None
