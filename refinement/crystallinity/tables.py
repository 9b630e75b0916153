"""The two tables of a refined series, column for column as they are published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

from refinement.crystallinity.content import METHOD
from refinement.crystallinity.flags import Flag
from refinement.result import CELL_KEYS
from structkit.schema import MILLING_TIME, PHASE, SAMPLE

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

_TIME = "milling_time_h"
_KEYS = (SAMPLE, _TIME, "method")

PHASE_COLUMNS = (
    SAMPLE,
    _TIME,
    PHASE,
    "weight_fraction_crystalline",
    "weight_fraction_crystalline_std",
    "weight_fraction_crystalline_systematic",
    "detection_limit",
    "scale",
    "scale_std",
    "relative_scale",
    "size_nm",
    "size_nm_std",
    "microstrain",
    "microstrain_std",
    *(f"cell_{key}" for key in CELL_KEYS),
    *(f"cell_{key}_std" for key in CELL_KEYS),
)
"""Columns of ``phases.csv``."""
SAMPLE_COLUMNS = (
    SAMPLE,
    _TIME,
    "r_wp_percent",
    "gof",
    "status",
    "reason",
    "seconds",
    "crystalline_area_fraction",
    "crystalline_area_fraction_std",
    "amorphous_fraction",
    "amorphous_fraction_std",
    "amorphous_fraction_low",
    "amorphous_fraction_high",
    "amorphous_method",
)
"""Columns of ``samples.csv``."""


AMORPHOUS_COLUMNS = (
    SAMPLE,
    _TIME,
    "method",
    "applicable",
    "reason",
    "primary",
    "value",
    "std",
    "low",
    "high",
)
"""Columns of ``amorphous.csv``."""


def phases_table(dataset: xr.Dataset) -> DataFrame:
    """Return one row for each sample and phase, samples outermost.

    Parameters
    ----------
    dataset : xarray.Dataset
        From :func:`refinement.crystallinity.first_level`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`PHASE_COLUMNS`. Fractions 0 to 1 (of the crystalline part
        only), lengths in angstrom but where named nm, angles in degree, time in h.
    """
    return _table(dataset, PHASE_COLUMNS, [SAMPLE, PHASE])


def samples_table(dataset: xr.Dataset) -> DataFrame:
    """Return one row for each sample.

    Parameters
    ----------
    dataset : xarray.Dataset
        From :func:`refinement.crystallinity.first_level`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`SAMPLE_COLUMNS`. Fractions 0 to 1, time of milling in h, of the
        refinement in s.
    """
    return _table(dataset, SAMPLE_COLUMNS, [SAMPLE])


def _table(dataset: xr.Dataset, columns: tuple[str, ...], dims: list[str]) -> DataFrame:
    """Return the columns of a dataset, one row for each point of ``dims``."""
    names = [name for name in columns if name in dataset.data_vars]
    frame = dataset[names].to_dataframe(dim_order=dims).reset_index()
    return frame.rename(columns={MILLING_TIME: _TIME}).reindex(columns=list(columns))


def amorphous_table(contents: xr.Dataset) -> DataFrame:
    """Return one row for each sample and method, samples outermost.

    Parameters
    ----------
    contents : xarray.Dataset
        From :func:`refinement.crystallinity.content.describe_contents`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`AMORPHOUS_COLUMNS`: amorphous weight fraction of the sample
        without its standard, 95 % limits; ``applicable`` and ``primary`` 1 or 0. The
        limits of the method that speaks are cut to what the atoms allow.
    """
    names = {f"method_{key}": key for key in AMORPHOUS_COLUMNS if key not in _KEYS}
    table = contents[list(names)].rename(names | {METHOD: "method"})
    table = table.transpose(SAMPLE, "method")
    speaks = table["primary"] > 0
    for key in ("value", "std", "low", "high"):
        final = "amorphous_fraction" + ("" if key == "value" else f"_{key}")
        table[key] = table[key].where(~speaks, contents[final])
    frame = table.to_dataframe(dim_order=[SAMPLE, "method"]).reset_index()
    return frame.rename(columns={MILLING_TIME: _TIME})[list(AMORPHOUS_COLUMNS)]


def series_table(summary: xr.Dataset) -> DataFrame:
    """Return ``quantity, value, remark`` of a whole series.

    Parameters
    ----------
    summary : xarray.Dataset
        From :func:`refinement.crystallinity.summary.summarize_series`: over
        ``quantity``, ``value`` and ``remark``.
    """
    return summary[["value", "remark"]].to_dataframe().reset_index()


def flags_table(flags: Sequence[Flag]) -> DataFrame:
    """Return ``code, sample, text``, one row for each flag."""
    import pandas as pd

    rows = [(flag.code, flag.sample, flag.text) for flag in flags]
    return pd.DataFrame(rows, columns=["code", SAMPLE, "text"])
