"""WITec text exports: ``[Header]`` and ``[Data]`` sections.

The axis is in nm or rel. 1/cm; the header names no laser, so spectra in nm need
``laser_nm``. Each graph of the file is a block; its spectra are columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.blocks import choose_block
from structkit.io.number_text import (
    choose_dialect,
    looks_numeric,
    read_row,
    read_text,
)
from structkit.io.raw_spectra import RawSpectra, recognise_axis, recognise_intensity
from structkit.schema import POSITIONS

Floats = NDArray[np.float64]

_LASER = re.compile(r"(excitation|laser).*wave", re.I)
_TO_MICROMETRE = {"nm": 1e-3, "mm": 1e3, "m": 1e6}


@dataclass(slots=True, kw_only=True)
class _Graph:
    """One graph of the file, as its lines are met."""

    header: dict[str, str] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)
    rows: list[tuple[int, str]] = field(default_factory=list)


class WitecReader:
    """WITec Project and Suite ASCII exports."""

    name = "witec-text"
    suffixes = (".txt", ".dat")

    def sniff(self, path: Path) -> bool:
        """Return whether the file has WITec's sections."""
        head = path.read_bytes()[:4096]
        return b"[Header]" in head and (b"GraphName" in head or b"[Data]" in head)

    def read(self, path: Path, *, block: int | None = None) -> RawSpectra:
        """Return the spectra of one graph.

        Raises
        ------
        ReadError
            Names the line: no data, words among the numbers, lines of unequal
            length; an axis that is neither cm-1 nor nm.
        """
        graphs = [graph for graph in _graphs(path) if graph.rows]
        if not graphs:
            raise ReadError(f"{path}: no numbers after [Data]; export it again")
        graph = choose_block(graphs, block, path)
        table = _table(graph, path)
        axis_word = graph.header.get("XAxisUnit") or " ".join(graph.titles[-1:])
        try:
            axis_unit = recognise_axis(axis_word)
        except ReadError as error:
            raise ReadError(f"{path}: {error}") from None
        n_spots = table.shape[1] - 1
        return RawSpectra(
            path=path,
            axis=table[:, 0],
            intensity=table[:, 1:].T,
            axis_unit=axis_unit,
            units=recognise_intensity(graph.header.get("DataUnit", "")),
            lines=np.array([number for number, _ in graph.rows]),
            laser_nm=_laser(graph.header),
            spot_coords=_positions(graph.header, n_spots),
            attrs={"witec_graph": graph.header.get("GraphName", "")},
        )


def _graphs(path: Path) -> list[_Graph]:
    """Return the graphs of a file."""
    graphs: list[_Graph] = []
    in_header = False
    for number, raw in enumerate(read_text(path).splitlines(), start=1):
        line = raw.strip()
        if line == "[Header]":
            graphs.append(_Graph())
            in_header = True
        elif line == "[Data]":
            in_header = False
        elif not line or not graphs:
            continue
        elif in_header:
            key, _, value = line.partition("=")
            graphs[-1].header[key.strip()] = value.strip()
        elif not graphs[-1].rows and not looks_numeric(line):
            graphs[-1].titles.append(line)
        else:
            graphs[-1].rows.append((number, line))
    return graphs


def _table(graph: _Graph, path: Path) -> Floats:
    """Return the numbers of a graph, one column for each spectrum."""
    dialect = choose_dialect([line for _, line in graph.rows[:50]], path)
    rows: list[list[float]] = []
    for number, line in graph.rows:
        row = read_row(dialect, line, place=f"{path}: line {number}")
        if len(row) < 2 or len(row) != len(rows[0] if rows else row):
            raise ReadError(
                f"{path}: line {number}: {len(row)} numbers where other lines have "
                "more or fewer; export the file again"
            )
        rows.append(row)
    return np.array(rows, dtype=float)


def _laser(header: dict[str, str]) -> float | None:
    """Return the laser wavelength, where a header names it."""
    for key, value in header.items():
        if _LASER.search(key):
            number = re.search(r"\d+(\.\d+)?", value)
            return float(number[0]) if number else None
    return None


def _positions(header: dict[str, str], n_spots: int) -> dict[str, Floats]:
    """Return the position of a single spectrum; that of several is not written."""
    unit = header.get("PositionUnit", "")
    factor = _TO_MICROMETRE.get(unit, 1.0)
    coords = {}
    for name, axis in zip(POSITIONS, "XYZ", strict=True):
        try:
            place = float(header[f"Position{axis}"])
        except (KeyError, ValueError):
            continue
        if n_spots == 1:
            coords[name] = np.array([factor * place])
    return coords
