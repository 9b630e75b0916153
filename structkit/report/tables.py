"""Stored tables as they are shown: a value and its uncertainty in one cell."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from structkit.plot.style import subscript_words
from structkit.report.numbers import NONE, format_esd, format_number, parse_number
from structkit.report.page import Cell, TableView
from structkit.report.stored import Stored, Table, sample_times

SHOWN_ROWS = 200
_CSV_DIGITS = 10
_LONG = 12
_UNITS = {
    "h": "h",
    "nm": "nm",
    "K": "K",
    "s": "s",
    "Hz": "Hz",
    "ppm": "ppm",
    "eV": "eV",
    "ohm": "Ω",
    "A": "A",
    "percent": "%",
    "S_per_cm": "S cm⁻¹",
    "eV_per_K": "eV K⁻¹",
}
_CELLS = {"cell_a": "Å", "cell_b": "Å", "cell_c": "Å"}
_ANGLES = {"cell_alpha": "°", "cell_beta": "°", "cell_gamma": "°"}
_FIXED = {**_CELLS, **_ANGLES, "centre": "cm⁻¹", "fwhm": "cm⁻¹"}
_STD = re.compile(r"(^|_)std($|_)")
TITLES = {
    "amorphous": "Amorphous content by each method",
    "arrhenius": "Activation energies",
    "audit": "Statements audited",
    "conductivity": "Conductivities",
    "eis_elements": "Elements of the circuits",
    "eis_remarks": "Remarks on impedance files",
    "flags": "Flags of the diffraction analysis",
    "index": "Amorphization index",
    "kinetics": "Milling kinetics",
    "limits": "What cannot be concluded",
    "nmr_composition": "Compositions from NMR",
    "nmr_relaxation": "Motion from T1",
    "nmr_remarks": "Remarks on NMR files",
    "nmr_sites": "NMR lines",
    "phases": "Crystalline phases",
    "polarization": "Polarization runs",
    "raman_bands": "Raman bands",
    "raman_hypotheses": "Readings of the Raman spectra",
    "raman_metrics": "Raman metrics",
    "raman_remarks": "Remarks on Raman files",
    "samples": "Refinements",
    "scores": "Scores of the techniques",
    "series": "Quantities of the series",
    "t1": "Relaxation times",
}


def view_tables(stored: Stored, names: Iterable[str]) -> tuple[TableView, ...]:
    """Return those tables that are there, their rows in the order of the samples."""
    order = {sample: place for place, sample in enumerate(sample_times(stored))}
    return tuple(
        view_table(name, stored.tables[name], order=order)
        for name in names
        if name in stored.tables
    )


def view_table(
    name: str,
    rows: Table,
    *,
    is_open: bool = False,
    title: str = "",
    order: Mapping[str, int] | None = None,
) -> TableView:
    """Return a stored table as it is shown; the download has all rows, to ten digits.

    Parameters
    ----------
    name : str
        Of the file, without ``.csv``.
    rows : list of dict
        As :func:`structkit.store.read_table` returns them.
    is_open : bool
        Whether the rows are shown at once.
    title : str
        Default: the house's title of that table, or its name.
    order : mapping of str to int, optional
        Place of each sample. Default: rows as they are stored.
    """
    names = list(rows[0]) if rows else []
    pairs = pair_columns(names)
    hidden = set(pairs.values())
    shown = [one for one in names if one not in hidden]
    own = order or {}
    placed = sorted(rows, key=lambda row: own.get(row.get("sample", ""), len(own)))
    cells = tuple(
        tuple(_cell(row, one, pairs.get(one)) for one in shown)
        for row in placed[:SHOWN_ROWS]
    )
    left = len(rows) - SHOWN_ROWS
    remark = (
        f"The first {SHOWN_ROWS} of {len(rows)} rows; all are in the CSV file."
        if left > 0
        else ""
    )
    return TableView(
        key=f"table-{re.sub(r'[^a-z0-9]+', '-', name.lower())}",
        title=title or TITLES.get(name, name.replace("_", " ")),
        header=tuple(head_of(one) for one in shown),
        rows=cells,
        csv=write_csv(names, [[_short(row[one]) for one in names] for row in rows]),
        file_name=f"{name}.csv",
        is_open=is_open,
        remark=remark if rows else "No rows.",
    )


def pair_columns(names: Sequence[str]) -> dict[str, str]:
    """Return for each column the one that holds its standard uncertainty.

    Examples
    --------
    >>> pair_columns(["shift_ppm", "shift_std_ppm", "value", "std", "t1_s", "t1_std_s"])
    {'shift_ppm': 'shift_std_ppm', 'value': 'std', 't1_s': 't1_std_s'}
    """
    pairs = {}
    for place, name in enumerate(names):
        if not _STD.search(name):
            continue
        if name == "std":
            if place:
                pairs[names[place - 1]] = name
            continue
        owner = name.replace("_std", "", 1)
        if owner in names:
            pairs[owner] = name
    return pairs


def head_of(name: str) -> str:
    """Return a column's name in words, with its unit.

    Examples
    --------
    >>> head_of("milling_time_h"), head_of("sigma_S_per_cm"), head_of("delta_bic")
    ('milling time (h)', 'σ (S cm⁻¹)', 'ΔBIC')
    """
    if name in _FIXED:
        return f"{name.replace('_', ' ')} ({_FIXED[name]})"
    unit, stem = "", name
    for suffix, symbol in sorted(_UNITS.items(), key=lambda one: -len(one[0])):
        if name.endswith(f"_{suffix}"):
            unit, stem = symbol, name[: -len(suffix) - 1]
            break
    words = {
        "delta_bic": "ΔBIC",
        "delta_aicc": "ΔAICc",
        "sigma": "σ",
        "sigma_e": "σₑ",
        "sigma_e_bound": "bound of σₑ (95 %)",
        "t1": "T1",
        "r_wp": "Rwp",
        "gof": "goodness of fit",
        "fwhm": "FWHM",
        "low": "low (95 %)",
        "high": "high (95 %)",
    }.get(stem, stem.replace("_", " "))
    return f"{words} ({unit})" if unit else words


def _cell(row: Mapping[str, str], name: str, std_name: str | None) -> Cell:
    """Return a cell; a number with its uncertainty where there is one."""
    text = row[name]
    value = parse_number(text)
    if text == "":
        return Cell(text=NONE if std_name else "")
    if not math.isfinite(value) or name in {"sample", "file", "spot", "phase"}:
        number = f"{value:.12g}" if math.isfinite(value) else ""
        return Cell(text=subscript_words(text), sort=number)
    std = parse_number(row[std_name]) if std_name else math.nan
    return Cell(text=format_esd(value, std), sort=f"{value:.7g}")


def _short(text: str) -> str:
    """Return a stored cell; of a long number ten digits, beyond any uncertainty.

    Examples
    --------
    >>> _short("0.029647456180414665"), _short("unmilled"), _short("0.5")
    ('0.02964745618', 'unmilled', '0.5')
    """
    if len(text) <= _LONG or not math.isfinite(parse_number(text)):
        return text
    return f"{parse_number(text):.{_CSV_DIGITS}g}"


def format_cell(value: float) -> Cell:
    """Return a plain number as a cell."""
    if not math.isfinite(value):
        return Cell(text=NONE)
    return Cell(text=format_number(value), sort=f"{value:.12g}")


def write_csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as CSV text."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()
