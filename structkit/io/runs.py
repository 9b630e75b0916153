"""One table of time and current becomes a run for each ascent of the time."""

from __future__ import annotations

import numpy as np
import xarray as xr

from structkit.errors import ReadError
from structkit.io.raw_table import RawTable
from structkit.schema import (
    CURRENT,
    TEMPERATURE,
    TIME,
    VOLTAGE,
    make_polarization,
)

_MIN_POINTS = 3


def to_runs(table: RawTable) -> tuple[xr.Dataset, ...]:
    """Return the runs of a table of time and current.

    Parameters
    ----------
    table : RawTable
        From a reader; its kind is ``polarization``.

    Returns
    -------
    tuple of xarray.Dataset
        ``current`` and, where known, ``voltage`` over ``time``; time starts where the
        file has it.

    Raises
    ------
    ReadError
        A column in an unknown unit, values that are not finite, times that repeat
        with another current, fewer than three points; names file, line and remedy.
    """
    for quantity in (TIME, CURRENT):
        if quantity in table.problems and quantity not in table.columns:
            problem = table.problems[quantity].replace("impedance in ohm", "current")
            raise ReadError(f"{table.path}: column {problem}")
    time, current = table.columns[TIME], table.columns[CURRENT]
    bad = np.flatnonzero(~(np.isfinite(time) & np.isfinite(current)))
    if bad.size:
        raise ReadError(
            f"{table.path}: {table.where(int(bad[0]))}: time or current is missing or "
            "not finite; repair or remove that row"
        )
    steps = np.diff(time)
    same = np.concatenate([[False], (steps == 0.0) & (np.diff(current) == 0.0)])
    remarks = list(table.remarks)
    if np.any(same):
        remarks.append(f"{int(np.sum(same))} rows repeat the row before; kept once.")
    kept = np.flatnonzero(~same)
    repeats = np.flatnonzero(np.diff(time[kept]) == 0.0)
    if repeats.size:
        place = int(kept[repeats[0] + 1])
        raise ReadError(
            f"{table.path}: {table.where(place)}: the time {time[place]:g} s repeats "
            "with another current; remove one of the rows"
        )
    pieces = np.split(kept, np.flatnonzero(np.diff(time[kept]) < 0.0) + 1)
    short = next((piece for piece in pieces if piece.size < _MIN_POINTS), None)
    if short is not None:
        raise ReadError(
            f"{table.path}: {table.where(int(short[0]))}: {short.size} points until "
            "the time goes back or the file ends; sort the rows, or copy it again"
        )
    return tuple(_run(table, piece, remarks) for piece in pieces)


def _run(table: RawTable, rows: np.ndarray, remarks: list[str]) -> xr.Dataset:
    """Return the run of some rows."""
    voltage = table.columns.get(VOLTAGE)
    kelvin = table.temperature
    if kelvin is None and TEMPERATURE in table.columns:
        column = table.columns[TEMPERATURE][rows]
        kelvin = float(np.mean(column)) if np.all(column > 0.0) else None
    usable = voltage is not None and bool(np.all(np.isfinite(voltage[rows])))
    attrs = {"technique": table.technique} if table.technique else {}
    return make_polarization(
        table.columns[TIME][rows],
        table.columns[CURRENT][rows],
        voltage=voltage[rows] if usable and voltage is not None else None,
        scalars={} if kelvin is None else {TEMPERATURE: kelvin},
        attrs=attrs | dict(table.attrs) | {"remarks": "\n".join(remarks)},
    )
