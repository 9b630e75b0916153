"""One table of impedance becomes one spectrum for each sweep of the frequency.

What a table may hold beside a clean sweep, and what becomes of it:

- rows at 0 Hz or below (direct current before the sweep), rows of zeros: left out;
- several sweeps, the frequency restarting or turning: one spectrum each;
- a row written twice in sequence: once; any other repeated frequency: an error;
- rows in disorder without a repetition: sorted;
- Z'' without a stated sign: the sign that makes the low-frequency part capacitive.

Each is told in ``remarks``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.impedance_titles import IMAGINARY, MODULUS, PHASE, REAL
from structkit.io.raw_table import RawTable
from structkit.schema import FREQUENCY, TEMPERATURE, TIME, make_impedance

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_MIN_POINTS = 3
_MIN_SWEEP = 5
"""Points that rise or fall in sequence and are no accident of disorder."""
_SAME_FREQUENCY = 1e-3
"""Relative difference below which two frequencies are one: instruments repeat a
frequency to 1e-4, and neighbours of a sweep differ by 1e-2 or more."""
_INDUCTIVE = 0.02
"""Mean of sin(phase) over the low half above which a remark is due."""
_CLEAR_PHASE = np.pi / 180.0
_CONTRADICTION = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Usable rows of a table, in the order of the file."""

    frequency: Floats
    impedance: NDArray[np.complex128]
    places: Places
    remarks: tuple[str, ...]


def to_sweeps(table: RawTable) -> tuple[xr.Dataset, ...]:
    """Return the spectra of a table of impedance.

    Parameters
    ----------
    table : RawTable
        From a reader; its kind is ``impedance``.

    Returns
    -------
    tuple of xarray.Dataset
        In the order of the file, each as :mod:`structkit.schema.impedance` says.

    Raises
    ------
    ReadError
        A column in an unknown unit, no rows, values that are not finite, a frequency
        that repeats within a sweep; names file, line and remedy.
    """
    _check_units(table)
    rows = _merge_duplicates(_usable_rows(table), table)
    pieces, split_remarks = _split(rows, table)
    spectra = []
    for number, piece in enumerate(pieces, start=1):
        order = piece[np.argsort(rows.frequency[piece], kind="stable")]
        remarks = [*table.remarks, *rows.remarks, *split_remarks]
        if len(pieces) > 1:
            remarks.append(f"Sweep {number} of {len(pieces)} in this table.")
        frequency, impedance = rows.frequency[order], rows.impedance[order]
        impedance = _settle_sign(impedance, table, remarks)
        _check_phase(impedance, rows.places[order], table, remarks)
        scalars = _temperature(table, rows.places[order])
        attrs = {"technique": table.technique} if table.technique else {}
        spectra.append(
            make_impedance(
                frequency,
                impedance,
                time=_time(table, rows.places[order]),
                scalars=scalars,
                attrs=attrs | dict(table.attrs) | {"remarks": "\n".join(remarks)},
            )
        )
    return tuple(spectra)


def split_runs(frequency: Floats) -> list[Places]:
    """Cut a sequence of frequencies where its direction changes.

    Parameters
    ----------
    frequency : ndarray, shape (n_points,)
        In **Hz**, in the order of the file.

    Returns
    -------
    list of ndarray of int
        Places of each piece that only rises or only falls.

    Examples
    --------
    >>> [piece.tolist() for piece in split_runs(np.array([9.0, 3, 1, 9, 3, 1]))]
    [[0, 1, 2], [3, 4, 5]]
    """
    starts = [0]
    direction = 0.0
    for place, step in enumerate(np.sign(np.diff(frequency)), start=1):
        if direction == 0.0 and step != 0.0 and place - starts[-1] == 1:
            direction = step
        elif step == 0.0 or step != direction:
            starts.append(place)
            direction = 0.0
    return np.split(np.arange(frequency.size), starts[1:])


def _check_units(table: RawTable) -> None:
    """Refuse a column that is needed, but in an unknown unit."""
    pair = (REAL, IMAGINARY)
    needed = [FREQUENCY, *(pair if not _is_polar(table) else (MODULUS, PHASE))]
    for quantity in needed:
        if quantity in table.problems and quantity not in table.columns:
            raise ReadError(f"{table.path}: column {table.problems[quantity]}")


def _is_polar(table: RawTable) -> bool:
    """Return whether only modulus and phase give the impedance."""
    return not {REAL, IMAGINARY} <= set(table.columns) and (
        {MODULUS, PHASE} <= set(table.columns)
    )


def _usable_rows(table: RawTable) -> _Rows:
    """Return the rows that hold impedance at a frequency."""
    columns = table.columns
    frequency = columns[FREQUENCY]
    if _is_polar(table):
        impedance = columns[MODULUS] * np.exp(1j * columns[PHASE])
    else:
        impedance = columns[REAL] + 1j * columns[IMAGINARY]
    remarks = []
    positive = ~(frequency <= 0.0)
    if not np.any(positive):
        raise ReadError(
            f"{table.path}: no row has a frequency above 0; if this is a direct-"
            "current run, read it with read_polarization"
        )
    if n_direct := int(np.sum(~positive)):
        remarks.append(f"{n_direct} rows at 0 Hz or below were left out.")
    finite = np.isfinite(frequency) & np.isfinite(impedance)
    bad = np.flatnonzero(positive & ~finite)
    if bad.size:
        raise ReadError(
            f"{table.path}: {table.where(int(bad[0]))}: a value is missing or not "
            "finite; repair or remove that row"
        )
    zero = positive & (impedance == 0.0)
    if np.any(zero):
        remarks.append(f"{int(np.sum(zero))} rows of zero impedance were left out.")
    places = np.flatnonzero(positive & ~zero)
    if places.size < _MIN_POINTS:
        raise ReadError(
            f"{table.path}: {places.size} usable points; a spectrum needs "
            f"{_MIN_POINTS}; the file is cut or the run was aborted at once"
        )
    return _Rows(
        frequency=frequency[places],
        impedance=impedance[places],
        places=places,
        remarks=tuple(remarks),
    )


def _merge_duplicates(rows: _Rows, table: RawTable) -> _Rows:
    """Return the rows without those that repeat the one before exactly."""
    same = np.zeros(rows.frequency.size, dtype=bool)
    same[1:] = (np.diff(rows.frequency) == 0.0) & (np.diff(rows.impedance) == 0.0)
    if not np.any(same):
        return rows
    first = table.where(int(rows.places[np.flatnonzero(same)[0]]))
    remark = f"{int(np.sum(same))} rows repeat the row before ({first}); kept once."
    return _Rows(
        frequency=rows.frequency[~same],
        impedance=rows.impedance[~same],
        places=rows.places[~same],
        remarks=(*rows.remarks, remark),
    )


def _split(rows: _Rows, table: RawTable) -> tuple[list[Places], list[str]]:
    """Return the places of each sweep, and remarks.

    Pieces that only rise or fall and cover one band are sweeps. Anything else is one
    sweep in disorder, unless a frequency comes again.
    """
    runs = split_runs(rows.frequency)
    if len(runs) == 1:
        return runs, []
    runs, remarks = _drop_stub(runs, rows)
    if len(runs) == 1:
        return runs, remarks
    repeated = _first_repetition(rows.frequency)
    enough = _MIN_POINTS if repeated is not None else _MIN_SWEEP
    is_long = all(run.size >= enough for run in runs)
    if is_long and _bands_overlap(runs, rows.frequency):
        return runs, remarks
    if repeated is None:
        where = table.where(int(rows.places[runs[1][0]]))
        remarks.append(f"Rows were out of order from {where} on; they were sorted.")
        return [np.concatenate(runs)], remarks
    line = table.where(int(rows.places[repeated]))
    raise ReadError(
        f"{table.path}: {line}: the frequency {rows.frequency[repeated]:g} Hz repeats "
        "within one sweep with another impedance; remove one of them, or give each "
        "sweep alone"
    )


def _drop_stub(runs: list[Places], rows: _Rows) -> tuple[list[Places], list[str]]:
    """Leave out one or two last rows that begin another sweep."""
    *whole, last = runs
    if last.size >= _MIN_POINTS or any(run.size < _MIN_POINTS for run in whole):
        return runs, []
    start = rows.frequency[whole[0][0]]
    if abs(np.log(rows.frequency[last[0]] / start)) > _SAME_FREQUENCY:
        return runs, []
    return whole, [f"{last.size} last rows begin another sweep; they were left out."]


def _first_repetition(frequency: Floats) -> int | None:
    """Return the first row whose frequency came before; None where there is none."""
    order = np.argsort(frequency, kind="stable")
    close = np.diff(np.log(frequency[order])) < _SAME_FREQUENCY
    later = np.maximum(order[1:], order[:-1])[close]
    return int(later.min()) if later.size else None


def _bands_overlap(runs: Sequence[Places], frequency: Floats) -> bool:
    """Return whether neighbouring pieces share half of the shorter one's band."""
    bands = [
        (np.log(frequency[run].min()), np.log(frequency[run].max())) for run in runs
    ]
    for (low, high), (next_low, next_high) in pairwise(bands):
        shared = min(high, next_high) - max(low, next_low)
        if shared < 0.5 * min(high - low, next_high - next_low):
            return False
    return True


def _settle_sign(
    impedance: NDArray[np.complex128], table: RawTable, remarks: list[str]
) -> NDArray[np.complex128]:
    """Return the impedance with the sign of Z'' settled."""
    low = impedance[: (impedance.size + 1) // 2]
    lean = float(np.mean(low.imag / np.abs(low)))
    if table.sign_known:
        if lean > _INDUCTIVE:
            remarks.append(
                "Z'' is positive (inductive) at low frequency; if the header's Z'' "
                "stands for -Z'', turn its sign."
            )
        return impedance
    if lean > 0.0:
        remarks.append(
            "No header says the sign of Z''; it was turned so that the low-frequency "
            "part is capacitive."
        )
        return np.conj(impedance)
    remarks.append(
        "No header says the sign of Z''; it was kept, the low-frequency part being "
        "capacitive."
    )
    return impedance


def _check_phase(
    impedance: NDArray[np.complex128],
    places: Places,
    table: RawTable,
    remarks: list[str],
) -> None:
    """Tell where the phase column contradicts the sign of Z''."""
    if PHASE not in table.columns or _is_polar(table):
        return
    phase = table.columns[PHASE][places]
    clear = np.abs(phase) > _CLEAR_PHASE
    if not np.any(clear):
        return
    opposite = np.sign(phase[clear]) != np.sign(impedance.imag[clear])
    if np.mean(opposite) > _CONTRADICTION:
        remarks.append("The phase column has the opposite sign of Z''; Z'' was kept.")


def _time(table: RawTable, places: Places) -> Floats | None:
    """Return seconds since the first point, where times are more than a filler."""
    if TIME not in table.columns:
        return None
    time = table.columns[TIME][places]
    if not np.all(np.isfinite(time)) or np.ptp(time) == 0.0:
        return None
    return np.asarray(time - time.min())


def _temperature(table: RawTable, places: Places) -> dict[str, float]:
    """Return the temperature, K, of a header or as the mean of a column."""
    kelvin = table.temperature
    if kelvin is None and TEMPERATURE in table.columns:
        column = table.columns[TEMPERATURE][places]
        kelvin = float(np.mean(column)) if np.all(column > 0.0) else None
    return {} if kelvin is None else {TEMPERATURE: kelvin}
