"""JCAMP-DX text: ``XYDATA`` (plain and compressed) and ``XYPOINTS``.

Compressed ordinates (SQZ, DIF, DUP, PAC) are read by :mod:`.asdf`. Each data block of
a file is a block. Tables of peaks and NTUPLES hold no spectrum and are refused.

Returns ``laser_wavelength`` where a label such as ``.EXCITATION WAVELENGTH`` names it.

References
----------
McDonald & Wilks, Appl. Spectrosc. 42 (1988) 151, doi:10.1366/0003702884428734.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.blocks import choose_block
from structkit.io.number_text import read_text
from structkit.io.raw_spectra import (
    RawSpectra,
    recognise_axis,
    recognise_intensity,
)
from structkit.io.spectrum_readers.asdf import decode_ordinates

Floats = NDArray[np.float64]
Lines = list[tuple[int, str]]

_LABEL = re.compile(r"^\s*##([^=]*)=(.*)$")
_TABLES = ("XYDATA", "XYPOINTS")
_NO_SPECTRUM = ("PEAKTABLE", "PEAKASSIGNMENTS", "NTUPLES")
_LASER_LABEL = re.compile(r"(LASER|EXCITATION).*(WAVELENGTH|NM)|^.?EXCITATION$|LASER$")
_PAIR = re.compile(r"[,;\s]+")
_AGREEMENT = 1.6
"""Steps that the X of a line may be off: it is rounded, and after a check value some
programs write the X of the next point. A missing line is off by more."""


@dataclass(slots=True, kw_only=True)
class _Block:
    """One data block: its labels and the lines of its table."""

    labels: dict[str, str] = field(default_factory=dict)
    table: str = ""
    form: str = ""
    lines: Lines = field(default_factory=list)


class JcampReader:
    """JCAMP-DX 4 and 5."""

    name = "jcamp-dx"
    suffixes = (".jdx", ".dx", ".jcm", ".jcamp")

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins with a JCAMP title."""
        head = path.read_bytes()[:2048].decode("latin-1").upper().replace(" ", "")
        return "##TITLE=" in head and "##JCAMP" in head

    def read(self, path: Path, *, block: int | None = None) -> RawSpectra:
        """Return one spectrum.

        Raises
        ------
        ReadError
            Names the line: a table that is cut, a failed check value, labels that
            are missing; a file of peaks only; a spectrum of absorption.
        """
        blocks = _split(path)
        data = [found for found in blocks if found.table in _TABLES]
        if not data:
            held = [found.table for found in blocks if found.table]
            what = held[0] if held else "no table"
            raise ReadError(
                f"{path}: holds {what}, no XYDATA or XYPOINTS; export the spectrum"
            )
        chosen = choose_block(data, block, path)
        _check_kind(chosen.labels, path)
        decode = _read_pairs if chosen.form.startswith("(XY") else _read_ordinates
        axis, intensity, lines = decode(chosen, path)
        try:
            axis_unit = recognise_axis(chosen.labels.get("XUNITS", ""))
        except ReadError as error:
            raise ReadError(f"{path}: {error}") from None
        return RawSpectra(
            path=path,
            axis=axis,
            intensity=intensity[None, :],
            axis_unit=axis_unit,
            units=recognise_intensity(chosen.labels.get("YUNITS", "")),
            lines=lines,
            laser_nm=_laser(chosen.labels),
            attrs={"jcamp_title": chosen.labels.get("TITLE", "")},
        )


def _split(path: Path) -> list[_Block]:
    """Return the blocks of a file in order; a table belongs to the last title."""
    blocks: list[_Block] = []
    in_table = False
    for number, raw in enumerate(read_text(path).splitlines(), start=1):
        line = raw.partition("$$")[0].rstrip()
        match = _LABEL.match(line)
        if match is None:
            if in_table and line.strip():
                blocks[-1].lines.append((number, line.strip()))
            continue
        name = re.sub(r"[\s\-/_]", "", match[1]).upper()
        value = match[2].strip()
        in_table = name in _TABLES
        if name == "TITLE" or not blocks:
            blocks.append(_Block())
        if in_table or name in _NO_SPECTRUM:
            blocks[-1].table = name
            blocks[-1].form = value.upper().replace(" ", "")
        else:
            blocks[-1].labels[name] = value
    return blocks


def _check_kind(labels: Mapping[str, str], path: Path) -> None:
    """Refuse spectra that were not counted: absorption and its like."""
    units = labels.get("YUNITS", "").upper()
    if "ABSORB" in units or "TRANSMIT" in units:
        kind = labels.get("DATATYPE", "spectrum").lower()
        raise ReadError(f"{path}: {kind} in {units}, no Raman spectrum; give another")


def _factor(labels: Mapping[str, str], name: str, path: Path) -> float | None:
    """Return the number of a label; None where it is absent."""
    text = labels.get(name, "")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ReadError(f"{path}: ##{name}={text[:20]} is no number") from None


def _read_pairs(block: _Block, path: Path) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return axis, intensity and lines of a table of pairs."""
    pairs: list[list[float]] = []
    lines = []
    for number, line in block.lines:
        try:
            values = [float(word) for word in _PAIR.split(line.strip(" ,;")) if word]
        except ValueError as error:
            raise ReadError(f"{path}: line {number}: {error}; repair it") from None
        if len(values) % 2:
            raise ReadError(f"{path}: line {number}: an X without Y; the file is cut")
        pairs.extend(values[i : i + 2] for i in range(0, len(values), 2))
        lines.extend([number] * (len(values) // 2))
    _check_count(len(pairs), block.labels, path)
    table = np.array(pairs)
    x_factor = _factor(block.labels, "XFACTOR", path) or 1.0
    y_factor = _factor(block.labels, "YFACTOR", path) or 1.0
    return table[:, 0] * x_factor, table[:, 1] * y_factor, np.array(lines)


def _check_count(count: int, labels: Mapping[str, str], path: Path) -> None:
    """Ask for as many points as the header announces."""
    due = _factor(labels, "NPOINTS", path)
    if count == 0 or (due is not None and int(due) != count):
        said = "some" if due is None else f"{due:g}"
        raise ReadError(
            f"{path}: {count} points where ##NPOINTS announces {said}; the file is "
            "cut, copy it again"
        )


def _read_ordinates(
    block: _Block, path: Path
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return axis, intensity and lines of ``(X++(Y..Y))``."""
    starts, values, lines = decode_ordinates(block.lines, path)
    _check_count(values.size, block.labels, path)
    ends = [_factor(block.labels, name, path) for name in ("FIRSTX", "LASTX")]
    first, last = ends
    if first is None or last is None:
        raise ReadError(f"{path}: ##FIRSTX or ##LASTX is missing; export it again")
    axis = np.linspace(first, last, values.size)
    x_factor = _factor(block.labels, "XFACTOR", path) or 1.0
    y_factor = _factor(block.labels, "YFACTOR", path) or 1.0
    step = abs(last - first) / max(values.size - 1, 1)
    for index, number, start in starts:
        if index >= axis.size:
            continue
        rounding = 0.5 * abs(x_factor) * 10.0 ** -_decimals(start)
        if abs(float(start) * x_factor - axis[index]) > _AGREEMENT * step + rounding:
            raise ReadError(
                f"{path}: line {number}: begins at X {start}, but "
                f"{axis[index] / x_factor:g} is due; a line is missing, copy the file "
                "again"
            )
    return axis, values * y_factor, lines


def _decimals(number: str) -> int:
    """Return how many decimals a number is written with."""
    return len(number.partition(".")[2]) if "." in number else 0


def _laser(labels: Mapping[str, str]) -> float | None:
    """Return the laser wavelength in nm that a label names."""
    for name, value in labels.items():
        number = re.search(r"\d+(\.\d+)?", value)
        if _LASER_LABEL.search(name) and number and 150.0 < float(number[0]) < 2000.0:
            return float(number[0])
    return None
