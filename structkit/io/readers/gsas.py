"""GSAS powder data: ``.gsa .gss .gda .fxye .xra``, and ``.raw`` where it is text.

Returns ``intensity`` in counts (``STD``) or as given with ``intensity_std`` (``ESD``,
``FXYE``, ``ALT``). Angles stand in hundredths of a degree. ``STD`` packs ten values
into a line of 80 characters: two for the number of counters, six for their mean
count, whose variance is the count over the number of counters.

References
----------
Larson & Von Dreele, General Structure Analysis System (GSAS), LAUR 86-748,
"Powder data files".
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.columns import Columns, to_pattern
from structkit.io.number_text import read_text
from structkit.schema import COUNTS

_CENTIDEGREES = 100.0
_SNIFF_BYTES = 65536
_CONSTANT_STEP = ("CONST", "CONS")
_TIME_OF_FLIGHT = ("SLOG", "TIME_MAP", "LOG6", "LPSD", "COND")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bank:
    """One BANK line and the data lines under it."""

    path: Path
    number: int
    """Line of the file with the word BANK."""
    n_points: int
    binning: str
    coefficients: tuple[float, ...]
    kind: str
    lines: tuple[str, ...]

    @property
    def angles(self) -> NDArray[np.float64]:
        """Return the angles of a constant step in degree."""
        start, step = self.coefficients[:2]
        index = np.arange(self.n_points, dtype=np.float64)
        return (start + step * index) / _CENTIDEGREES


class GsasReader:
    """GSAS BANK files of constant wavelength."""

    name = "gsas"
    suffixes = (".gsa", ".gss", ".gda", ".fxye", ".xra", ".gsas", ".raw")

    def sniff(self, path: Path) -> bool:
        """Return whether a line begins with BANK."""
        head = path.read_bytes()[:_SNIFF_BYTES]
        return b"\0" not in head and any(
            line.startswith(b"BANK") for line in head.splitlines()
        )

    def read(self, path: Path, *, scan: int | None = None) -> xr.Dataset:
        """Return one bank, the first unless ``scan`` says another.

        Raises
        ------
        ReadError
            Names file and line: time-of-flight data, an unknown kind of record,
            fewer points than announced, and what ``to_pattern`` refuses.
        """
        banks = _find_banks(path)
        if len(banks) > 1 and scan is None:
            warnings.warn(
                f"{path.name}: {len(banks)} banks; the first was read, give scan= "
                "for another",
                DataQualityWarning,
                stacklevel=3,
            )
        index = 1 if scan is None else scan
        if not 1 <= index <= len(banks):
            raise ReadError(f"{path}: no scan {scan} among {len(banks)} banks")
        return to_pattern(_columns(banks[index - 1]))


def _find_banks(path: Path) -> list[_Bank]:
    """Cut the file into its banks."""
    lines = read_text(path).splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("BANK")]
    ends = [*starts[1:], len(lines)]
    return [
        _parse_bank(path, lines[i:end], index=i)
        for i, end in zip(starts, ends, strict=True)
    ]


def _parse_bank(path: Path, lines: list[str], *, index: int) -> _Bank:
    """Read a BANK line: BANK number points records binning coefficients kind."""
    head = lines[0]
    words = head.split()
    try:
        numbers = []
        for word in words[5:]:
            if word.isalpha():
                break
            numbers.append(float(word))
        kinds = [word for word in words[5:] if word.isalpha()]
        return _Bank(
            path=path,
            number=index + 1,
            n_points=int(words[2]),
            binning=words[4],
            coefficients=tuple(numbers),
            kind=kinds[0] if kinds else "STD",
            lines=tuple(
                line for line in lines[1:] if line.strip() and not line.startswith("#")
            ),
        )
    except (IndexError, ValueError) as error:
        raise ReadError(
            f"{path}: line {index + 1}: cannot read {head.strip()[:60]!r}; expected "
            "BANK number points records CONST start step 0 0 STD"
        ) from error


def _columns(bank: _Bank) -> Columns:
    """Return the columns of one bank."""
    if bank.binning in _TIME_OF_FLIGHT or (bank.binning, bank.kind) == ("RALF", "STD"):
        raise ReadError(
            f"{bank.path}: line {bank.number}: {bank.binning} {bank.kind} is "
            "time-of-flight data; structkit reads constant wavelength"
        )
    if bank.kind in ("FXYE", "FXY"):
        return _free_format(bank)
    if bank.kind == "ALT":
        return _alternate(bank)
    if bank.binning not in _CONSTANT_STEP or len(bank.coefficients) < 2:
        raise ReadError(
            f"{bank.path}: line {bank.number}: binning {bank.binning!r} is not known; "
            "export with CONST, or as .xye"
        )
    if bank.kind == "STD":
        return _standard(bank)
    if bank.kind == "ESD":
        return _with_esds(bank)
    raise ReadError(
        f"{bank.path}: line {bank.number}: records {bank.kind!r} are not known; "
        "export as STD, ESD or FXYE"
    )


def _fields(bank: _Bank, widths: tuple[int, ...]) -> NDArray[np.float64]:
    """Cut fixed columns, shape (n_points, len(widths)); blanks are zero."""
    width = sum(widths)
    rows: list[list[float]] = []
    for offset, line in enumerate(bank.lines, start=1):
        for start in range(0, min(len(line.rstrip()), 80), width):
            if len(rows) == bank.n_points:
                break
            rows.append(_cut(line[start:], widths, bank=bank, offset=offset))
    return _complete(rows, bank)


def _cut(
    group: str, widths: tuple[int, ...], *, bank: _Bank, offset: int
) -> list[float]:
    """Cut one group of fixed columns."""
    values, start = [], 0
    for width in widths:
        field = group[start : start + width].strip()
        start += width
        try:
            values.append(float(field) if field else 0.0)
        except ValueError as error:
            raise ReadError(
                f"{bank.path}: line {bank.number + offset}: {field!r} is no number; "
                f"is the file shifted from its columns, or not {bank.kind}?"
            ) from error
    return values


def _complete(rows: list[list[float]], bank: _Bank) -> NDArray[np.float64]:
    """Return rows as an array; refuse a bank that is cut short."""
    if len(rows) < bank.n_points:
        raise ReadError(
            f"{bank.path}: line {bank.number}: announces {bank.n_points} points, but "
            f"{len(rows)} follow; the file is cut short"
        )
    return np.array(rows, dtype=float)


def _standard(bank: _Bank) -> Columns:
    """Return counts; esds only where several counters were averaged."""
    table = _fields(bank, (2, 6))
    counters, counts = np.maximum(table[:, 0], 1.0), table[:, 1]
    averaged = bool(np.any(counters > 1.0))
    esd = np.sqrt(np.maximum(counts, 1.0) / counters) if averaged else None
    return Columns(
        path=bank.path,
        two_theta=bank.angles,
        intensity=counts,
        intensity_std=esd,
        units=None if averaged else COUNTS,
    )


def _with_esds(bank: _Bank) -> Columns:
    """Return intensity and esd, five pairs in a line."""
    table = _fields(bank, (8, 8))
    return Columns(
        path=bank.path,
        two_theta=bank.angles,
        intensity=table[:, 0],
        intensity_std=table[:, 1],
    )


def _alternate(bank: _Bank) -> Columns:
    """Return angle, intensity and esd, four groups of 20 characters in a line.

    GSAS writes the position times 32, intensity and esd times 1000.
    """
    table = _fields(bank, (8, 7, 5))
    return Columns(
        path=bank.path,
        two_theta=table[:, 0] / (32.0 * _CENTIDEGREES),
        intensity=table[:, 1] / 1000.0,
        intensity_std=table[:, 2] / 1000.0,
    )


def _free_format(bank: _Bank) -> Columns:
    """Return angle, intensity and, for FXYE, esd from free columns."""
    wanted = 3 if bank.kind == "FXYE" else 2
    rows = []
    for offset, line in enumerate(bank.lines[: bank.n_points], start=1):
        try:
            row = [float(word) for word in line.split()[:wanted]]
        except ValueError as error:
            raise ReadError(
                f"{bank.path}: line {bank.number + offset}: {line.strip()[:40]!r} "
                "holds a word among numbers; repair that line"
            ) from error
        if len(row) < wanted:
            raise ReadError(
                f"{bank.path}: line {bank.number + offset}: {len(row)} numbers, "
                f"{bank.kind} needs {wanted}; repair that line"
            )
        rows.append(row)
    table = _complete(rows, bank)
    return Columns(
        path=bank.path,
        two_theta=table[:, 0] / _CENTIDEGREES,
        intensity=table[:, 1],
        intensity_std=table[:, 2] if wanted == 3 else None,
    )
