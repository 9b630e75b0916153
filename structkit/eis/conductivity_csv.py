"""Conductivities from a table, ``conductivity.csv`` or one like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.schema import CONTRIBUTION, HISTORY, SAMPLE, TEMPERATURE
from structkit.schema.conductivity import (
    CONDUCTIVITY,
    CONDUCTIVITY_SHIFT,
    CONDUCTIVITY_STATISTICAL_STD,
    CONDUCTIVITY_STD,
    CONTRIBUTIONS,
    ERROR_SOURCE,
    GEOMETRY,
    IN_BAND,
    MEASUREMENT,
    SIEMENS_PER_CM,
)

Floats = NDArray[np.float64]

_NEEDED = ("temperature_K", "sigma_S_per_cm")
_OPTIONAL = {
    SAMPLE: "sample",
    HISTORY: "",
    CONTRIBUTION: "total",
    "std": np.nan,
    "in_band": 1.0,
    "resistance_ohm": np.nan,
    "resistance_std_ohm": np.nan,
}


def read_conductivities(path: Path) -> dict[str, xr.Dataset]:
    """Read conductivities from a table.

    Parameters
    ----------
    path : Path
        CSV with the columns ``temperature_K`` and ``sigma_S_per_cm``; others of
        ``conductivity.csv`` may be absent: one sample, one history, all ``total``.

    Returns
    -------
    dict of str to xarray.Dataset
        For each sample what :func:`structkit.eis.arrhenius.fit_arrhenius` takes. With
        the resistances' columns, their errors are the statistical ones and the rest is
        common (geometry, cell); without, all of ``std`` is statistical.

    Raises
    ------
    ReadError
        The file is absent, is no table, lacks a column, or holds words for numbers.
    """
    try:
        words = dict.fromkeys((SAMPLE, HISTORY, CONTRIBUTION), str)
        table = pd.read_csv(path, dtype=words)
    except FileNotFoundError:
        raise ReadError(f"{path}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: not a table of comma-separated values") from error
    lacking = [name for name in _NEEDED if name not in table.columns]
    if lacking:
        raise ReadError(
            f"{path}: no column {lacking[0]!r}; needed are {', '.join(_NEEDED)}"
        )
    for name, default in _OPTIONAL.items():
        if name not in table.columns:
            table[name] = default
    numbers = [*_NEEDED, "std", "in_band", "resistance_ohm", "resistance_std_ohm"]
    for name in numbers:
        try:
            table[name] = pd.to_numeric(table[name])
        except (TypeError, ValueError) as error:
            raise ReadError(f"{path}: column {name!r}: {error}") from None
    unknown = sorted(set(table[CONTRIBUTION].astype(str)) - set(CONTRIBUTIONS))
    if unknown:
        raise ReadError(
            f"{path}: contribution {unknown[0]!r}; known are {', '.join(CONTRIBUTIONS)}"
        )
    table[HISTORY] = table[HISTORY].fillna("").astype(str)
    return {
        str(name): _to_dataset(rows) for name, rows in table.groupby(SAMPLE, sort=False)
    }


def _to_dataset(rows: pd.DataFrame) -> xr.Dataset:
    """Return the conductivities of one sample."""
    # A temperature may come again with one history: each time is its own measurement.
    keys = [HISTORY, "temperature_K", CONTRIBUTION]
    turn = rows.groupby(keys, sort=False, dropna=False).cumcount()
    place = [HISTORY, "temperature_K", "turn"]
    own = rows.assign(turn=turn)
    group = own.groupby(place, sort=False, dropna=False).ngroup()
    first = own.assign(group=group).drop_duplicates("group")
    shape = (len(first), len(CONTRIBUTIONS))
    names = ("sigma_S_per_cm", "std", "in_band", "resistance_ohm", "resistance_std_ohm")
    columns = {name: np.full(shape, np.nan) for name in names}
    at = [CONTRIBUTIONS.index(str(name)) for name in own[CONTRIBUTION]]
    for name, array in columns.items():
        array[group.to_numpy(), at] = own[name].to_numpy(dtype=float)
    return _label(columns, first)


def _label(columns: dict[str, Floats], first: pd.DataFrame) -> xr.Dataset:
    """Return columns over measurement and contribution with labels."""
    sigma, std = columns["sigma_S_per_cm"], columns["std"]
    fitted = sigma * columns["resistance_std_ohm"] / columns["resistance_ohm"]
    own = np.where(np.isfinite(fitted), fitted, std)
    with np.errstate(invalid="ignore"):
        rest = np.sqrt(np.maximum(std**2 - own**2, 0.0))
    dims = (MEASUREMENT, CONTRIBUTION)
    units = {"units": SIEMENS_PER_CM}
    inside = np.nan_to_num(columns["in_band"], nan=0.0).astype(np.int8)
    return xr.Dataset(
        {
            CONDUCTIVITY: (dims, sigma, units),
            CONDUCTIVITY_STD: (dims, std, units),
            CONDUCTIVITY_STATISTICAL_STD: (dims, own, units),
            CONDUCTIVITY_SHIFT: ((ERROR_SOURCE, *dims), rest[None], units),
            IN_BAND: (dims, inside, {"units": "1"}),
        },
        coords={
            TEMPERATURE: (
                MEASUREMENT,
                first["temperature_K"].to_numpy(dtype=float),
                {"units": "K", "long_name": "temperature"},
            ),
            HISTORY: (MEASUREMENT, first[HISTORY].to_numpy(dtype=object)),
            CONTRIBUTION: list(CONTRIBUTIONS),
            ERROR_SOURCE: [GEOMETRY],
        },
    )
