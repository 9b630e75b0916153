"""EC-Lab's binary file (``.mpr``): modules, of which ``VMP data`` holds the rows.

A module is the word MODULE, two names, its length, its version and a date. Data of
versions 2, 3, 10 and 11 hold the number of rows, the number of columns, one id for
each, and the rows from a fixed place on. An id says quantity and width; so a single
unknown id makes the rows unreadable, and is refused by name: export as .mpt.

References
----------
The maker publishes no description. Ids 4, 13, 24, 32-39, 76, 77, 131, 169 and 172 were
checked on measured files, those of the impedance against EC-Lab's own text export; the
others are as users of the format report them, and hold only if the rows fill the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.impedance_titles import recognise_title
from structkit.io.raw_table import RawTable, make_tables

_MAGIC = b"BIO-LOGIC MODULAR FILE"
_MODULE = b"MODULE"
_NAMES = 35
"""Bytes of the short and the long name of a module."""
_NO_LENGTH = 0xFFFFFFFF
"""Stands where older files have the length; the true one follows."""
_ROWS_AT = {2: 0x195, 3: 0x196, 10: 0x3EF, 11: 0x3EF}
_FLAGS = frozenset({1, 2, 3, 21, 31, 65})
"""Ids that share one byte."""
_COLUMNS: dict[int, tuple[str, str]] = {
    4: ("time/s", "<f8"),
    5: ("control/V/mA", "<f4"),
    6: ("Ewe/V", "<f4"),
    7: ("dQ/mA.h", "<f8"),
    8: ("I/mA", "<f4"),
    9: ("Ece/V", "<f4"),
    11: ("<I>/mA", "<f8"),
    13: ("(Q-Qo)/mA.h", "<f8"),
    16: ("Analog IN 1/V", "<f4"),
    17: ("Analog IN 2/V", "<f4"),
    19: ("control/V", "<f4"),
    20: ("control/mA", "<f4"),
    23: ("dQ/mA.h", "<f8"),
    24: ("cycle number", "<f8"),
    26: ("Rapp/Ohm", "<f4"),
    27: ("Ewe-Ece/V", "<f4"),
    32: ("freq/Hz", "<f4"),
    33: ("|Ewe|/V", "<f4"),
    34: ("|I|/A", "<f4"),
    35: ("Phase(Z)/deg", "<f4"),
    36: ("|Z|/Ohm", "<f4"),
    37: ("Re(Z)/Ohm", "<f4"),
    38: ("-Im(Z)/Ohm", "<f4"),
    39: ("I Range", "<u2"),
    69: ("R/Ohm", "<f4"),
    70: ("P/W", "<f4"),
    74: ("|Energy|/W.h", "<f8"),
    75: ("Analog OUT/V", "<f4"),
    76: ("<I>/mA", "<f4"),
    77: ("<Ewe>/V", "<f4"),
    78: ("Cs-2/uF-2", "<f4"),
    96: ("|Ece|/V", "<f4"),
    98: ("Phase(Zce)/deg", "<f4"),
    99: ("|Zce|/Ohm", "<f4"),
    100: ("Re(Zce)/Ohm", "<f4"),
    101: ("-Im(Zce)/Ohm", "<f4"),
    123: ("Energy charge/W.h", "<f8"),
    124: ("Energy discharge/W.h", "<f8"),
    125: ("Capacitance charge/uF", "<f8"),
    126: ("Capacitance discharge/uF", "<f8"),
    131: ("Ns", "<u2"),
    163: ("|Estack|/V", "<f4"),
    168: ("Rcmp/Ohm", "<f4"),
    169: ("Cs/uF", "<f4"),
    172: ("Cp/uF", "<f4"),
    173: ("Cp-2/uF-2", "<f4"),
    174: ("<Ewe>/V", "<f4"),
    178: ("(Q-Qo)/C", "<f4"),
    179: ("dQ/C", "<f4"),
    182: ("step time/s", "<f8"),
    185: ("<Ece>/V", "<f4"),
    211: ("Q charge or discharge/mA.h", "<f8"),
    212: ("half cycle", "<u4"),
    213: ("z cycle", "<u4"),
    217: ("THD Ewe/%", "<f4"),
    218: ("THD I/%", "<f4"),
    220: ("NSD Ewe/%", "<f4"),
    221: ("NSD I/%", "<f4"),
    223: ("NSR Ewe/%", "<f4"),
    224: ("NSR I/%", "<f4"),
    **{230 + n: (f"|Ewe h{n + 2}|/V", "<f4") for n in range(6)},
    **{236 + n: (f"|I h{n + 2}|/A", "<f4") for n in range(6)},
    430: ("Phase(Zwe-ce)/deg", "<f4"),
    431: ("|Zwe-ce|/Ohm", "<f4"),
    432: ("Re(Zwe-ce)/Ohm", "<f4"),
    433: ("-Im(Zwe-ce)/Ohm", "<f4"),
    434: ("(Q-Qo)/C", "<f4"),
    435: ("dQ/C", "<f4"),
    438: ("step time/s", "<f8"),
    467: ("Q charge or discharge/mA.h", "<f8"),
    468: ("half cycle", "<u4"),
    469: ("z cycle", "<u4"),
    471: ("<Ece>/V", "<f4"),
}
_TECHNIQUES = {
    0x04: "Galvanostatic Cycling with Potential Limitation",
    0x06: "Cyclic Voltammetry",
    0x0B: "Open Circuit Voltage",
    0x18: "Chronoamperometry",
    0x19: "Chronopotentiometry",
    0x1D: "Potentio Electrochemical Impedance Spectroscopy",
    0x1E: "Galvano Electrochemical Impedance Spectroscopy",
}
_REFUSED = frozenset({0x04, 0x06, 0x0B})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """One module of a file."""

    name: str
    version: int
    content: bytes
    cut: bool


class BiologicBinaryReader:
    """BioLogic EC-Lab, binary."""

    name = "biologic-mpr"
    suffixes = (".mpr",)

    def sniff(self, path: Path) -> bool:
        """Return whether the file begins with EC-Lab's words."""
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return the table of the file.

        Raises
        ------
        ReadError
            The file is cut, has a version or a column id that is not known here, or
            its rows do not fill the space declared; says to export it as .mpt.
        """
        modules = _modules(path)
        data = next((m for m in modules if m.name.startswith("VMP data")), None)
        if data is None:
            raise ReadError(
                f"{path}: holds no data module; the file is cut, copy it again"
            )
        if data.cut:
            raise ReadError(
                f"{path}: ends within its data module; the file is cut, copy it again"
            )
        settings = next((m for m in modules if m.name.startswith("VMP Set")), None)
        number = settings.content[0] if settings and settings.content else -1
        technique = _TECHNIQUES.get(number, "")
        if number in _REFUSED:
            return (RawTable(path=path, columns={}, technique=technique, refused=True),)
        ids, rows = _rows(data, path)
        titles = [recognise_title(_COLUMNS[i][0]) for i in ids]
        values = [np.asarray(rows[f"c{n}"], dtype=float) for n, _ in enumerate(ids)]
        return make_tables(path, titles, values, technique=technique)


def _modules(path: Path) -> list[_Module]:
    """Return the modules of a file."""
    content = path.read_bytes()
    at = content.find(_MODULE, len(_MAGIC))
    modules = []
    while 0 <= at < len(content) and content[at : at + 6] == _MODULE:
        head = at + len(_MODULE) + _NAMES
        if head + 24 > len(content):
            break
        length, second, _, fourth = struct.unpack_from("<4I", content, head)
        version, start = second, head + 16
        if length == _NO_LENGTH:
            length, version, start = second, fourth, head + 24
        name = content[at + 6 : at + 16].decode("latin-1")
        end = start + length
        modules.append(
            _Module(
                name=name,
                version=version,
                content=content[start:end],
                cut=end > len(content),
            )
        )
        at = end
    return modules


def _rows(data: _Module, path: Path) -> tuple[list[int], NDArray[np.void]]:
    """Return column ids, one for each field, and the rows."""
    remedy = "export it from EC-Lab as text (.mpt)"
    at = _ROWS_AT.get(data.version)
    if at is None:
        raise ReadError(f"{path}: data version {data.version} is unknown; {remedy}")
    if len(data.content) < at:
        raise ReadError(f"{path}: its data module is too short; copy the file again")
    n_rows, n_columns = struct.unpack_from("<IB", data.content)
    if n_rows == 0 or n_columns == 0:
        raise ReadError(f"{path}: holds no row; the run was aborted or not yet saved")
    if 5 + 2 * n_columns > at:
        raise ReadError(f"{path}: declares {n_columns} columns; {remedy}")
    order = "<u2" if data.version < 10 else ">u2"
    ids = np.frombuffer(data.content, order, n_columns, 5).tolist()
    unknown = [i for i in ids if i not in _COLUMNS and i not in _FLAGS]
    if unknown:
        named = ", ".join(str(i) for i in unknown)
        raise ReadError(f"{path}: unknown column id {named}; {remedy}")
    fields: list[tuple[str, str]] = []
    kept: list[int] = []
    if any(i in _FLAGS for i in ids):
        first = next(n for n, i in enumerate(ids) if i in _FLAGS)
    else:
        first = -1
    for place, column in enumerate(ids):
        if place == first:
            fields.append(("flags", "u1"))
        if column not in _FLAGS:
            fields.append((f"c{len(kept)}", _COLUMNS[column][1]))
            kept.append(column)
    record = np.dtype(fields)
    if n_rows * record.itemsize != len(data.content) - at:
        raise ReadError(
            f"{path}: {n_rows} rows of {record.itemsize} bytes do not fill the "
            f"{len(data.content) - at} bytes there; a column is wider than known, "
            f"{remedy}"
        )
    return kept, np.frombuffer(data.content, record, n_rows, at)
