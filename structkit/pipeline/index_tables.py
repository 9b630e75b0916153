"""The tables of the index: ``index.csv`` and ``scores.csv``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import xarray as xr

from structkit.schema import MILLING_TIME, SAMPLE
from structkit.schema.index_results import INDEX, MODALITY, SCORES_NODE, VARIANT

INDEX_COLUMNS = (
    "sample",
    "milling_time_h",
    "index",
    "variant",
    "value",
    "low",
    "high",
    "modalities",
    "conflict",
    "headline",
)
SCORE_COLUMNS = ("sample", "milling_time_h", "modality", "score", "std")


def index_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample, index and variant.

    Parameters
    ----------
    tree : xarray.DataTree
        :mod:`structkit.schema.index_results`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`INDEX_COLUMNS`: shares without unit, times in h; ``headline`` 1
        or 0. Where there is no number its cells are empty.
    """
    return pd.DataFrame(list(_index_rows(tree)), columns=list(INDEX_COLUMNS))


def _index_rows(tree: xr.DataTree) -> Iterator[dict[str, Any]]:
    """Yield the rows of the index."""
    root = tree.to_dataset(inherit=False)
    for row, sample in enumerate(root[SAMPLE].to_numpy()):
        for place, index in enumerate(root[INDEX].to_numpy()):
            for number, variant in enumerate(root[VARIANT].to_numpy()):
                cell = (row, place, number)
                yield {
                    "sample": str(sample),
                    "milling_time_h": float(root[MILLING_TIME].to_numpy()[row]),
                    "index": str(index),
                    "variant": str(variant),
                    **{
                        name: float(root[name].to_numpy()[cell])
                        for name in ("value", "low", "high")
                    },
                    "modalities": str(root["modalities"].to_numpy()[cell]),
                    "conflict": str(root["conflict"].to_numpy()[row]),
                    "headline": int(root["headline"].to_numpy()[cell]),
                }


def scores_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample and technique.

    Parameters
    ----------
    tree : xarray.DataTree
        :mod:`structkit.schema.index_results`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`SCORE_COLUMNS`; empty cells where a technique did not measure a
        sample.
    """
    scores = tree.children[SCORES_NODE].to_dataset()
    times = tree.to_dataset(inherit=False)[MILLING_TIME].to_numpy()
    rows = [
        {
            "sample": str(sample),
            "milling_time_h": float(times[row]),
            "modality": str(modality),
            "score": float(scores["score"].to_numpy()[row, place]),
            "std": float(scores["score_std"].to_numpy()[row, place]),
        }
        for row, sample in enumerate(scores[SAMPLE].to_numpy())
        for place, modality in enumerate(scores[MODALITY].to_numpy())
    ]
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))
