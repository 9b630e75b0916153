"""The index in tables: sample by sample, and by weights of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from structkit.report.numbers import NONE, format_ranged
from structkit.report.page import Cell, TableView
from structkit.report.tables import format_cell, write_csv
from structkit.schema import SAMPLE

_TECHNIQUES = {
    "xrd": "diffraction",
    "raman": "Raman",
    "nmr": "NMR",
    "t1": "T1",
    "eis": "conductivity",
}


def name_technique(name: str) -> str:
    """Return a technique in words.

    Examples
    --------
    >>> name_technique("xrd"), name_technique("xas")
    ('diffraction', 'xas')
    """
    return _TECHNIQUES.get(name, name)


def view_samples(
    lines: Sequence[tuple[str, tuple[str, ...], str, str]],
    *,
    labels: Mapping[str, str],
) -> TableView:
    """Return for each sample its scores, its index and why there is none.

    Parameters
    ----------
    lines : sequence of (str, tuple of str, str, str)
        Sample, scores in words, index in words (empty: none), reason.
    labels : mapping of str to str
        What to call each sample.
    """
    header = ("sample", "structural techniques", "index (95 %)", "remark")
    cells = [
        (labels.get(sample, sample), "; ".join(told) or NONE, shown or NONE, why)
        for sample, told, shown, why in lines
    ]
    return TableView(
        key="table-index-samples",
        title="Index of each sample",
        header=header,
        rows=tuple(tuple(Cell(text=one) for one in row) for row in cells),
        csv=write_csv(header, cells),
        file_name="index_samples.csv",
        is_open=True,
    )


def view_weighted(weighted: xr.Dataset) -> TableView:
    """Return the shares by the analyst's weights beside those of any weights.

    Parameters
    ----------
    weighted : xarray.Dataset
        The node ``weighted`` of ``index.nc``.
    """
    header = ("sample", "value (95 %)", "least of any weights", "most of any weights")
    names = ("value", "low", "high", "least", "most")
    rows, flat = [], []
    for sample in weighted[SAMPLE].to_numpy().astype(str).tolist():
        one = weighted.sel({SAMPLE: sample})
        value, low, high, least, most = (float(one[name]) for name in names)
        share = Cell(text=format_ranged(value, low, high))
        rows.append((Cell(text=sample), share, format_cell(least), format_cell(most)))
        flat.append([sample, *(repr(one) for one in (value, low, high, least, most))])
    return TableView(
        key="table-index-weighted",
        title="Share by weights of your own",
        header=header,
        rows=tuple(rows),
        csv=write_csv([SAMPLE, *names], flat),
        file_name="index_weighted.csv",
        is_open=True,
        remark="Fixed weights leave the disagreement between techniques out: where "
        "they conflict the 95 % limits are too narrow. Least and most: of all weights.",
    )
