"""How the results were made: ``provenance.json`` in words and one table."""

from __future__ import annotations

from collections.abc import Mapping

from structkit.report.numbers import NONE, format_number
from structkit.report.page import Cell, Section, TableView
from structkit.report.stored import Stored
from structkit.report.tables import write_csv

_HEADER = ("stage", "status", "ended (UTC)", "wall time (s)", "remark")


def describe_run(stored: Stored) -> Section | None:
    """Return versions, date and stages of the run; None without provenance."""
    told = stored.provenance
    if not told:
        return None
    stages = _mapping(told.get("stages"))
    sentences = [
        f"Made by {told.get('software') or 'structkit'}, run begun "
        f"{told.get('started') or 'at an unknown time'}, with Python "
        f"{told.get('python') or 'of unknown version'} on "
        f"{told.get('platform') or 'an unknown platform'}."
    ]
    for title, name in (
        ("Packages", "packages"),
        ("Options", "options"),
        ("Simulated data", "data"),
    ):
        parts = [f"{key} {value}" for key, value in _mapping(told.get(name)).items()]
        if parts:
            sentences.append(f"{title}: {', '.join(parts)}.")
    inputs = told.get("inputs")
    if isinstance(inputs, list) and inputs:
        sentences.append(
            f"{len(inputs)} input files; provenance.json has the SHA-256 of each."
        )
    return Section(
        key="run",
        title="Run",
        sentences=tuple(sentences),
        tables=(_view_stages(stages),) if stages else (),
    )


def _view_stages(stages: Mapping[str, object]) -> TableView:
    """Return one row for each stage."""
    rows, flat = [], []
    for name, value in stages.items():
        one = _mapping(value)
        seconds = one.get("seconds")
        took = float(seconds) if isinstance(seconds, int | float) else 0.0
        warned = one.get("warnings")
        notes = tuple(str(text) for text in warned) if isinstance(warned, list) else ()
        row = [
            str(name),
            str(one.get("status", "")),
            str(one.get("date") or NONE),
            format_number(took, 3) if took else NONE,
            str(one.get("reason") or ""),
        ]
        cells = [Cell(text=text) for text in row[:3]]
        cells.append(Cell(text=row[3], sort=f"{took:.8g}" if took else ""))
        rows.append((*cells, Cell(text=row[4], notes=notes)))
        flat.append([*row[:3], repr(took), "; ".join([row[4], *notes]).strip("; ")])
    return TableView(
        key="table-run-stages",
        title="Stages",
        header=_HEADER,
        rows=tuple(rows),
        csv=write_csv(_HEADER, flat),
        file_name="run_stages.csv",
        is_open=True,
    )


def _mapping(value: object) -> Mapping[str, object]:
    """Return a mapping as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}
