"""JCAMP-DX of NMR: spectra and decays, single tables and NTUPLES of two.

Ordinates, compressed or not, are decoded by
:mod:`structkit.io.spectrum_readers.asdf`. The private labels ``##$`` that Bruker's
export carries along are read as in its own files; without them ``.OBSERVE NUCLEUS``,
``.OBSERVE FREQUENCY`` and ``.SHIFT REFERENCE`` are. An axis in Hz is put to ppm by the
shift of its first point.

References
----------
Davies & Lampen, Appl. Spectrosc. 47 (1993) 1093, doi:10.1366/0003702934067874.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.blocks import choose_block
from structkit.io.nmr_readers.bruker_parameters import (
    collect_parameters,
    find_group_delay,
    make_header,
    number,
)
from structkit.io.number_text import read_text
from structkit.io.raw_nmr import NmrHeader, RawDecay, RawNmrSpectrum
from structkit.io.spectrum_readers.asdf import decode_ordinates

Floats = NDArray[np.float64]

_LABEL = re.compile(r"^\s*##([^=]*)=(.*)$")
_TABLES = ("XYDATA", "XYPOINTS", "DATATABLE")
_PAIR = re.compile(r"[,;\s]+")


@dataclass(slots=True, kw_only=True)
class _Table:
    """One table of numbers: its form and its lines."""

    form: str
    lines: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Block:
    """One data block."""

    labels: dict[str, str] = field(default_factory=dict)
    private: list[str] = field(default_factory=list)
    tables: list[_Table] = field(default_factory=list)

    @property
    def is_decay(self) -> bool:
        """Return whether the block is a decay."""
        return "FID" in self.labels.get("DATATYPE", "").upper()


class NmrJcampReader:
    """JCAMP-DX 5 and 6."""

    name = "nmr-jcamp"
    suffixes = (".jdx", ".dx", ".jcm", ".jcamp")

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins with a JCAMP title."""
        head = path.read_bytes()[:2048].decode("latin-1").upper().replace(" ", "")
        return "##TITLE=" in head and "##JCAMP" in head

    def read_spectrum(self, path: Path, *, procno: int | None = None) -> RawNmrSpectrum:
        """Return the spectrum of a block, ``procno`` counted from 1.

        Raises
        ------
        ReadError
            Names the line: damaged numbers; or no spectrum, no frequency.
        """
        block = choose_block(_blocks(path, decay=False), procno, path)
        axis, columns = _values(block, path)
        header = _header(block)
        return RawNmrSpectrum(
            path=path,
            data_file=path,
            shift=_to_ppm(axis, block, header, path),
            intensity=columns[0],
            imaginary=-columns[1] if len(columns) > 1 else None,
            header=header,
        )

    def read_decay(self, path: Path) -> RawDecay:
        """Return the decay of the first block that holds one.

        Raises
        ------
        ReadError
            Names the line: damaged numbers; or no decay, or only its real part.
        """
        block = choose_block(_blocks(path, decay=True), None, path)
        time, columns = _values(block, path)
        if len(columns) < 2:
            raise ReadError(f"{path}: holds the real part of a decay only; export both")
        if time.size < 16 or not time[-1] > time[0]:
            raise ReadError(f"{path}: {time.size} points of time make no decay")
        private = collect_parameters(block.private)
        try:
            group_delay = find_group_delay(private)
        except ReadError as error:
            raise ReadError(f"{path}: {error}") from None
        return RawDecay(
            path=path,
            data_file=path,
            dwell=float(time[-1] - time[0]) / (time.size - 1),
            signal=columns[0] + 1j * columns[1],
            group_delay=group_delay if group_delay < time.size else 0.0,
            header=_header(block),
        )


def _blocks(path: Path, *, decay: bool) -> list[_Block]:
    """Return the blocks of a file that hold decays, or spectra."""
    blocks: list[_Block] = []
    target: list[tuple[int, str]] | None = None
    for place, raw in enumerate(read_text(path).splitlines(), start=1):
        line = raw.partition("$$")[0].rstrip()
        match = _LABEL.match(line)
        if match is None:
            if target is not None and line.strip():
                target.append((place, line.strip()))
            elif blocks and target is None:
                blocks[-1].private.append(line)
            continue
        name = re.sub(r"[\s\-/_]", "", match[1]).upper()
        value, target = match[2].strip(), None
        if name == "TITLE" or not blocks:
            blocks.append(_Block())
        blocks[-1].private.append(line)
        if name in _TABLES:
            table = _Table(form=value.upper().replace(" ", ""))
            blocks[-1].tables.append(table)
            target = table.lines
        elif not name.startswith("$"):
            blocks[-1].labels.setdefault(name, value)
    full = [block for block in blocks if block.tables]
    found = [block for block in full if block.is_decay == decay]
    if not found:
        what = "a decay" if decay else "a spectrum"
        held = " and ".join(sorted({b.labels.get("DATATYPE", "?") for b in full}))
        raise ReadError(f"{path}: holds {held or 'no table'}, not {what}; export that")
    return found


def _values(block: _Block, path: Path) -> tuple[Floats, list[Floats]]:
    """Return the axis and one or two columns of a block."""
    if len(block.tables) > 2:
        raise ReadError(
            f"{path}: {len(block.tables)} tables in one block: a two-dimensional "
            "spectrum; export one of one dimension"
        )
    if block.tables[0].form.startswith("(XY"):
        return _pairs(block, path)
    columns = []
    names = _words(block, "SYMBOL")
    axis_place = names.index("X") if "X" in names else 0
    for order, table in enumerate(block.tables):
        _, values, _ = decode_ordinates(table.lines, path)
        symbol = "I" if order == 1 or "(I..I)" in table.form else "R"
        place = names.index(symbol) if symbol in names else order + 1
        factor = _item(block, "FACTOR", place) or _label(block, "YFACTOR") or 1.0
        columns.append(values * factor)
    size = columns[0].size
    due = _item(block, "VARDIM", axis_place) or _label(block, "NPOINTS")
    if size < 2 or any(c.size != size for c in columns) or (due and int(due) != size):
        sizes = " and ".join(str(column.size) for column in columns)
        said = f"{due:g}" if due else "some"
        raise ReadError(
            f"{path}: {sizes} points where {said} are announced; the file is cut, copy "
            "it again"
        )
    first = _item(block, "FIRST", axis_place)
    last = _item(block, "LAST", axis_place)
    first = _label(block, "FIRSTX") if first is None else first
    last = _label(block, "LASTX") if last is None else last
    if first is None or last is None or first == last:
        raise ReadError(f"{path}: ##FIRSTX or ##LASTX is missing; export it again")
    return np.linspace(first, last, size), columns


def _pairs(block: _Block, path: Path) -> tuple[Floats, list[Floats]]:
    """Return the axis and the column of a table of pairs."""
    numbers: list[float] = []
    for place, line in block.tables[0].lines:
        try:
            numbers += [float(word) for word in _PAIR.split(line) if word]
        except ValueError as error:
            raise ReadError(f"{path}: line {place}: {error}; repair it") from None
        if len(numbers) % 2:
            raise ReadError(f"{path}: line {place}: an X without Y; the file is cut")
    due = _label(block, "NPOINTS")
    if not numbers or (due and int(due) != len(numbers) // 2):
        raise ReadError(f"{path}: {len(numbers) // 2} points where {due} are announced")
    table = np.array(numbers).reshape(-1, 2)
    factors = [_label(block, name) or 1.0 for name in ("XFACTOR", "YFACTOR")]
    return table[:, 0] * factors[0], [table[:, 1] * factors[1]]


def _words(block: _Block, name: str) -> list[str]:
    """Return the entries of a label of NTUPLES."""
    return [word.strip().upper() for word in block.labels.get(name, "").split(",")]


def _item(block: _Block, name: str, place: int) -> float | None:
    """Return one number of a label of NTUPLES; None where it is absent."""
    try:
        return float(_words(block, name)[place])
    except (IndexError, ValueError):
        return None


def _label(block: _Block, name: str) -> float | None:
    """Return the number of a label; None where it is absent or none."""
    return number(block.labels, name)


def _header(block: _Block) -> NmrHeader:
    """Return what the block declares; private labels first."""
    private = collect_parameters(block.private)
    header = make_header(private, private, block.labels.get("TITLE", ""))
    nucleus = header.nucleus or block.labels.get(".OBSERVENUCLEUS", "").strip("^ ")
    carrier = header.carrier_frequency or _label(block, ".OBSERVEFREQUENCY")
    return replace(header, nucleus=nucleus, carrier_frequency=carrier)


def _to_ppm(axis: Floats, block: _Block, header: NmrHeader, path: Path) -> Floats:
    """Return the axis in ppm."""
    units = (_words(block, "UNITS")[0] or block.labels.get("XUNITS", "")).upper()
    if "PPM" in units:
        return axis
    if "HZ" not in units and "HERTZ" not in units:
        raise ReadError(f"{path}: its axis is in {units or 'no unit'}, not Hz or ppm")
    frequency = header.zero_frequency()
    if frequency is None:
        raise ReadError(f"{path}: an axis in Hz, and no .OBSERVE FREQUENCY; add it")
    first = number(collect_parameters(block.private), "OFFSET")
    reference = block.labels.get(".SHIFTREFERENCE", "").split(",")
    if first is not None:
        place = 0
    elif len(reference) == 4 and reference[2].strip().isdigit():
        place = int(reference[2]) - 1
        try:
            first = float(reference[3])
        except ValueError:
            first = None
    if first is None:
        return axis / frequency
    place = min(max(place, 0), axis.size - 1)
    high = int(np.argmax(axis))
    anchor = high if place == 0 else place
    shift: Floats = first + (axis - axis[anchor]) / frequency
    return shift
