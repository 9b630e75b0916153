"""The tables of a Raman series, column for column as they are published."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd  # type: ignore[import-untyped]
import xarray as xr

from structkit.schema import BAND, METRIC, MILLING_TIME, SAMPLE, SPECIES, SPOT
from structkit.schema.raman_results import BANDS_NODE, HYPOTHESIS

_TIME = "milling_time_h"
_COUNTS = (SPOT, "resolved", "n_parameters")

BAND_COLUMNS = (
    SAMPLE,
    _TIME,
    SPOT,
    BAND,
    SPECIES,
    "centre",
    "centre_std",
    "fwhm",
    "fwhm_std",
    "area",
    "area_std",
    "status",
)
"""Columns of ``raman_bands.csv``."""
METRIC_COLUMNS = (
    SAMPLE,
    _TIME,
    METRIC,
    "value",
    "std",
    "low",
    "high",
    "resolved",
    "remark",
)
"""Columns of ``raman_metrics.csv``."""
HYPOTHESIS_COLUMNS = (
    SAMPLE,
    HYPOTHESIS,
    "delta_bic",
    "n_parameters",
    "discriminating_bands",
)
"""Columns of ``raman_hypotheses.csv``."""
REMARK_COLUMNS = (SAMPLE, "file", "remark")
"""Columns of ``raman_remarks.csv``."""

Row = dict[str, object]


def bands_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample, spot and band.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`structkit.raman.results.series_dataset`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`BAND_COLUMNS`: centres and widths (those of all spots) in cm-1,
        areas in intensity times cm-1, time in h. Bands whose areas are not known apart
        have a row for their sum too, named ``A + B``: it is in addition. A sample
        without a fit is one row, its status ``failed: <reason>``.
    """
    return _frame(_band_rows(tree), BAND_COLUMNS)


def metrics_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample and metric.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`structkit.raman.results.series_dataset`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`METRIC_COLUMNS`: all without unit, ``resolved`` 1 or 0, limits
        of 95 %, time in h. A sample without a fit has its rows, empty, and its reason
        as remark.
    """
    return _frame(_metric_rows(tree), METRIC_COLUMNS)


def hypotheses_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample and reading, the best first.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`structkit.raman.results.series_dataset`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`HYPOTHESIS_COLUMNS`. What could not be fitted stands last, its
        reason in place of the bands.
    """
    return _frame(_hypothesis_rows(tree), HYPOTHESIS_COLUMNS)


def remarks_table(rows: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """Return remarks as a table, repeats left out.

    Parameters
    ----------
    rows : sequence of (sample, file, remark)
        Empty text where a remark concerns the series, or no file.
    """
    return pd.DataFrame(list(dict.fromkeys(rows)), columns=list(REMARK_COLUMNS))


def _frame(rows: Iterator[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table with all of its columns, counts as whole numbers."""
    table = pd.DataFrame(list(rows), columns=list(columns))
    counts = [name for name in _COUNTS if name in table.columns]
    return table.astype(dict.fromkeys(counts, "Int64"))


def _samples(tree: xr.DataTree) -> Iterator[tuple[xr.Dataset, Row]]:
    """Yield each sample's part of the root, with the cells all tables begin with."""
    root = tree.to_dataset(inherit=False)
    for name in root[SAMPLE].to_numpy():
        one = root.sel({SAMPLE: name})
        yield one, {SAMPLE: str(name), _TIME: float(one[MILLING_TIME])}


def _band_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the bands."""
    for one, head in _samples(tree):
        name = str(head[SAMPLE])
        if name not in tree.children:
            yield {**head, "status": f"{one['status'].item()}: {one['reason'].item()}"}
            continue
        bands = tree.children[name].children[BANDS_NODE].to_dataset(inherit=False)
        shared = {key: bands[key].to_numpy() for key in (SPECIES, "status")}
        shared |= {
            key: bands[key].to_numpy()
            for key in ("centre", "centre_std", "fwhm", "fwhm_std")
        }
        area, std = bands["area"].to_numpy(), bands["area_std"].to_numpy()
        for spot, number in enumerate(bands[SPOT].to_numpy()):
            for place, band in enumerate(bands[BAND].to_numpy()):
                cells = {key: values[place] for key, values in shared.items()}
                yield {
                    **head,
                    SPOT: int(number),
                    BAND: str(band),
                    **cells,
                    "area": float(area[spot, place]),
                    "area_std": float(std[spot, place]),
                }


def _metric_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the metrics."""
    for one, head in _samples(tree):
        names = one[METRIC].to_numpy()
        if names.size == 0:
            yield {**head, "resolved": 0, "remark": one["reason"].item()}
        for metric in names:
            cell = one.sel({METRIC: metric})
            yield {
                **head,
                METRIC: str(metric),
                "value": float(cell["metric_value"]),
                "std": float(cell["metric_value_std"]),
                "low": float(cell["metric_low"]),
                "high": float(cell["metric_high"]),
                "resolved": int(cell["metric_resolved"]),
                "remark": str(cell["metric_remark"].item()),
            }


def _hypothesis_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the readings."""
    for one, head in _samples(tree):
        start = {SAMPLE: head[SAMPLE]}
        rows: list[tuple[float, Row]] = []
        for name in one[HYPOTHESIS].to_numpy():
            cell = one.sel({HYPOTHESIS: name})
            delta, number = float(cell["delta_bic"]), float(cell["n_parameters"])
            told: Row = {
                HYPOTHESIS: str(name),
                "delta_bic": delta,
                "n_parameters": int(number) if math.isfinite(number) else None,
                "discriminating_bands": str(cell["discriminating_bands"].item()),
            }
            rows.append((delta if math.isfinite(delta) else math.inf, told))
        if not rows:
            yield {**start, "discriminating_bands": one["reason"].item()}
        for _, told in sorted(rows, key=lambda row: row[0]):
            yield {**start, **told}
