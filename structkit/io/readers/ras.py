"""Rigaku ``.ras``: text with a header and one block of numbers for each scan.

Returns ``intensity`` in counts or counts per second as ``MEAS_SCAN_UNIT_Y`` says,
multiplied by the attenuator factor of the third column (with ``intensity_std`` where
that factor is not 1 everywhere), ``wavelength`` (K-alpha-1) and ``counting_time``
(step over speed, or the time of a step scan). attrs: ``anode``, ``wavelength_alpha2``,
``scan``, ``n_scans``, ``comment``.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.columns import Columns, to_pattern
from structkit.io.number_text import read_text
from structkit.schema import COUNTS, COUNTS_PER_SECOND

_ENTRY = re.compile(r'^\*(\S+)\s+"(.*)"\s*$')
_UNITS = {"counts": COUNTS, "cps": COUNTS_PER_SECOND}


@dataclass(frozen=True, slots=True)
class _Scan:
    """One block of numbers and the header before it."""

    header: dict[str, str]
    rows: tuple[tuple[int, str], ...]

    def number(self, key: str) -> float | None:
        """Return a header entry as a number; None when absent or not positive."""
        try:
            value = float(self.header.get(key, ""))
        except ValueError:
            return None
        return value if value > 0.0 else None


class RasReader:
    """Rigaku SmartLab, MiniFlex and Ultima scans."""

    name = "rigaku-ras"
    suffixes = (".ras",)

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins as a .ras file does."""
        return b"*RAS_DATA_START" in path.read_bytes()[:256]

    def read(self, path: Path, *, scan: int | None = None) -> xr.Dataset:
        """Return one scan, the first unless ``scan`` says another.

        Raises
        ------
        ReadError
            Names file and line: no numbers, an unreadable line, a scan that is not
            there, and what ``to_pattern`` refuses.
        """
        scans = _find_scans(path)
        if not scans:
            raise ReadError(f"{path}: no *RAS_INT_START block; the file has no data")
        if len(scans) > 1 and scan is None:
            warnings.warn(
                f"{path.name}: {len(scans)} scans; the first was read, give scan= "
                "for another",
                DataQualityWarning,
                stacklevel=3,
            )
        index = 1 if scan is None else scan
        if not 1 <= index <= len(scans):
            raise ReadError(f"{path}: no scan {scan} among {len(scans)}")
        pattern = to_pattern(_columns(scans[index - 1], path))
        return pattern.assign_attrs(scan=index, n_scans=len(scans))


def _find_scans(path: Path) -> list[_Scan]:
    """Cut the file into scans."""
    scans: list[_Scan] = []
    header: dict[str, str] = {}
    rows: list[tuple[int, str]] = []
    in_data = False
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.startswith("*RAS_HEADER_START"):
            header = {}
        elif line.startswith("*RAS_INT_START"):
            in_data, rows = True, []
        elif line.startswith("*RAS_INT_END"):
            in_data = False
            scans.append(_Scan(header, tuple(rows)))
        elif in_data and line.strip():
            rows.append((number, line))
        elif entry := _ENTRY.match(line):
            header[entry[1]] = entry[2]
    if in_data:
        raise ReadError(f"{path}: *RAS_INT_END is absent; the file is cut short")
    return scans


def _columns(scan: _Scan, path: Path) -> Columns:
    """Return the columns of one scan."""
    table = np.array([_row(line, number, path) for number, line in scan.rows])
    if table.size == 0:
        raise ReadError(f"{path}: the scan has no points; measure or export again")
    recorded = table[:, 1]
    factor = np.where(table[:, 2] > 0.0, table[:, 2], 1.0)
    units = _UNITS.get(scan.header.get("MEAS_SCAN_UNIT_Y", "").lower())
    attenuated = bool(np.any(factor != 1.0))
    esd = None
    if attenuated and units == COUNTS:
        esd = factor * np.sqrt(np.maximum(recorded, 1.0))
    return Columns(
        path=path,
        two_theta=table[:, 0],
        intensity=recorded * factor,
        intensity_std=esd,
        lines=np.array([number for number, _ in scan.rows]),
        units=units,
        wavelength=scan.number("HW_XG_WAVE_LENGTH_ALPHA1"),
        counting_time=_counting_time(scan),
        attrs=_attrs(scan),
    )


def _row(line: str, number: int, path: Path) -> list[float]:
    """Return angle, intensity and attenuator factor of one line."""
    try:
        values = [float(word) for word in line.split()]
    except ValueError as error:
        raise ReadError(
            f"{path}: line {number}: {line.strip()[:40]!r} holds a word among "
            "numbers; repair that line"
        ) from error
    if len(values) not in (2, 3):
        raise ReadError(
            f"{path}: line {number}: {len(values)} numbers; two or three are expected"
        )
    return values if len(values) == 3 else [*values, 1.0]


def _counting_time(scan: _Scan) -> float | None:
    """Return the nominal time per step in seconds."""
    step, speed = scan.number("MEAS_SCAN_STEP"), scan.number("MEAS_SCAN_SPEED")
    unit = scan.header.get("MEAS_SCAN_SPEED_UNIT", "deg/min").lower()
    if speed is None:
        return None
    if unit.startswith("deg"):
        return None if step is None else 60.0 * step / speed
    return speed if unit.startswith("s") else None


def _attrs(scan: _Scan) -> dict[str, str | int | float]:
    """Return what else the header says."""
    attrs: dict[str, str | int | float] = {
        "anode": scan.header.get("HW_XG_TARGET_NAME", ""),
        "comment": scan.header.get("FILE_COMMENT", ""),
    }
    alpha_2 = scan.number("HW_XG_WAVE_LENGTH_ALPHA2")
    if alpha_2 is not None:
        attrs["wavelength_alpha2"] = alpha_2
    return attrs
