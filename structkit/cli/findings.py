"""The numbers of a folder of results that a reader asks for first, by sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from structkit.cli.table import format_table, format_value
from structkit.errors import ReadError
from structkit.store import read_table

Row = Mapping[str, str]
_ROOM_KELVIN = 298.15
_SAME_KELVIN = 6.0
"""Within it a temperature counts as that of the room."""
_PER_MILLI = 1000.0
_Z95 = 1.959964
_DECIMALS = 2
"""Of limits whose value is not known."""


class Quantity(NamedTuple):
    """A column: its key, and its head with the unit."""

    key: str
    head: str


QUANTITIES = (
    Quantity("amorphous", "amorphous"),
    Quantity("sigma", "sigma/mS cm-1"),
    Quantity("energy", "Ea/eV"),
    Quantity("x", "x"),
    Quantity("t1", "T1/ms"),
    Quantity("index", "index"),
)
"""What is shown, in order: sigma and T1 at 25 degree Celsius, total conductivity, Ea of
ln(sigma T), x as the NMR corrected for its blank gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One number of a sample."""

    sample: str
    """Name."""
    quantity: str
    """Key of :data:`QUANTITIES`."""
    value: float
    """NaN where only limits are known."""
    std: float = math.nan
    """1 sigma."""
    low: float = math.nan
    """Lower limit, 95 %."""
    high: float = math.nan
    """Upper limit, 95 %."""

    @property
    def limits(self) -> tuple[float, float]:
        """Return the 95 % limits, normal about the value where none were stored."""
        if math.isfinite(self.low) or math.isfinite(self.high):
            return self.low, self.high
        return self.value - _Z95 * self.std, self.value + _Z95 * self.std


def gather_findings(output: Path) -> tuple[Found, ...]:
    """Return the numbers that the tables of a folder of results hold.

    Parameters
    ----------
    output : Path
        Folder of results; tables that are absent are left out.
    """
    return (
        *_amorphous(_rows(output, "samples")),
        *_conductivity(_rows(output, "conductivity")),
        *_energy(_rows(output, "arrhenius")),
        *_composition(_rows(output, "nmr_composition")),
        *_relaxation(_rows(output, "t1")),
        *_index(_rows(output, "index")),
    )


def list_samples(output: Path) -> dict[str, str]:
    """Return the samples of a folder of results with their milling times as text."""
    names = ("samples", "raman_metrics", "nmr_sites", "index")
    tables = [_rows(output, name) for name in (*names, "conductivity", "t1")]
    times: dict[str, str] = {}
    for row in (row for rows in tables for row in rows):
        known = times.setdefault(row["sample"], "")
        times[row["sample"]] = known or row.get("milling_time_h", "")
    return times


def format_findings(output: Path) -> str:
    """Return one line a sample, and the verdicts on its amorphous content.

    Parameters
    ----------
    output : Path
        Folder of results.
    """
    found = {(one.sample, one.quantity): one for one in gather_findings(output)}
    shown = [q for q in QUANTITIES if any(key == q.key for _, key in found)]
    if not shown:
        return "No numbers were found."
    header = ["sample", "t/h"]
    for quantity in shown:
        header += [quantity.head, "95 %"]
    rows = []
    for name, time in list_samples(output).items():
        row = [name, f"{float(time):g}" if time else "-"]
        for quantity in shown:
            row += format_found(found.get((name, quantity.key)))
        rows.append(row)
    return format_table(header, rows)


def format_found(one: Found | None) -> list[str]:
    """Return a value with its esd and its limits, ``-`` where they are unknown.

    Examples
    --------
    >>> format_found(Found(sample="4h", quantity="t1", value=1.496, std=0.082))
    ['1.50(8)', '1.34..1.66']
    """
    if one is None:
        return ["-", "-"]
    low, high = one.limits
    value = format_value(one.value, one.std)
    if not (math.isfinite(low) or math.isfinite(high)):
        return [value, "-"]
    decimals = len(value.partition("(")[0].partition(".")[2]) or _DECIMALS
    ends = [format_value(end, digits=decimals) for end in (low, high)]
    return [value, "..".join(ends)]


def _rows(output: Path, name: str) -> list[dict[str, str]]:
    """Return a table; no rows where it is absent."""
    try:
        return read_table(output / "tables" / f"{name}.csv")
    except ReadError:
        return []


def _number(row: Row, key: str) -> float:
    text = row.get(key, "")
    return float(text) if text else math.nan


def _amorphous(rows: Iterable[Row]) -> Iterator[Found]:
    key = "amorphous_fraction"
    for row in rows:
        yield Found(
            sample=row["sample"],
            quantity="amorphous",
            value=_number(row, key),
            std=_number(row, f"{key}_std"),
            low=_number(row, f"{key}_low"),
            high=_number(row, f"{key}_high"),
        )


def _at_room(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the row of each sample that is nearest to 25 degree Celsius."""
    best: dict[str, Row] = {}
    for row in rows:
        apart = abs(_number(row, "temperature_K") - _ROOM_KELVIN)
        known = best.get(row["sample"])
        nearer = known is None or apart < abs(
            _number(known, "temperature_K") - _ROOM_KELVIN
        )
        if apart <= _SAME_KELVIN and nearer:
            best[row["sample"]] = row
    yield from best.values()


def _conductivity(rows: Iterable[Row]) -> Iterator[Found]:
    key = "sigma_S_per_cm"
    total = (r for r in rows if r["contribution"] == "total" and r[key])
    for row in _at_room(total):
        yield Found(
            sample=row["sample"],
            quantity="sigma",
            value=_PER_MILLI * _number(row, key),
            std=_PER_MILLI * _number(row, "std"),
        )


def _energy(rows: Iterable[Row]) -> Iterator[Found]:
    seen = set()
    for row in rows:
        kept = row["contribution"] == "total" and row["convention"] == "ln_sigma_T"
        if kept and row["points"] == "all" and row["sample"] not in seen:
            seen.add(row["sample"])
            yield Found(
                sample=row["sample"],
                quantity="energy",
                value=_number(row, "activation_energy_eV"),
                std=_number(row, "std"),
            )


def _composition(rows: Iterable[Row]) -> Iterator[Found]:
    for row in rows:
        if row["quantity"] == "x":
            yield Found(
                sample=row["sample"],
                quantity="x",
                value=_number(row, "value"),
                std=_number(row, "std"),
                low=_number(row, "low"),
                high=_number(row, "high"),
            )


def _relaxation(rows: Iterable[Row]) -> Iterator[Found]:
    for row in _at_room(r for r in rows if r["chosen"] == "1" and r["t1_s"]):
        yield Found(
            sample=row["sample"],
            quantity="t1",
            value=_PER_MILLI * _number(row, "t1_s"),
            std=_PER_MILLI * _number(row, "std"),
            low=_PER_MILLI * _number(row, "t1_low_s"),
            high=_PER_MILLI * _number(row, "t1_high_s"),
        )


def _index(rows: Iterable[Row]) -> Iterator[Found]:
    for row in rows:
        if row["headline"] == "1":
            yield Found(
                sample=row["sample"],
                quantity="index",
                value=_number(row, "value"),
                low=_number(row, "low"),
                high=_number(row, "high"),
            )
