"""The two tables of a refined series, column for column as they are published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from refinement.result import CELL_KEYS
from structkit.schema import MILLING_TIME, PHASE, SAMPLE

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

_TIME = "milling_time_h"

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
)
"""Columns of ``samples.csv``."""


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
    return frame.rename(columns={MILLING_TIME: _TIME})[list(columns)]
