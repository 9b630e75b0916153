"""The tables of impedance results, column for column as they are published."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import xarray as xr

from structkit.schema import CONTRIBUTION, ELEMENT, HISTORY, SAMPLE, TEMPERATURE
from structkit.schema.conductivity import (
    CONDUCTIVITY,
    CONDUCTIVITY_STD,
    CONVENTION,
    IN_BAND,
    MEASUREMENT,
    POINTS,
    REMARK,
    RESISTANCE,
    RESISTANCE_STD,
)
from structkit.schema.eis_results import (
    AGE,
    ARRHENIUS_NODE,
    CONDUCTIVITY_NODE,
    DECADES_LOST,
    ELEMENT_UNITS,
    NUMBER,
    POLARIZATION_NODE,
    REFERENCE,
    RETENTION,
    RETENTION_NODE,
    SAMPLE_NAME,
    SAMPLES_NODE,
    SPECTRA_NODE,
    STEADY_CURRENT,
    TRANSFERENCE,
    VALUE,
    VALUE_STD,
)

_KELVIN = "temperature_K"

ELEMENT_COLUMNS = (
    SAMPLE,
    _KELVIN,
    HISTORY,
    ELEMENT,
    "value",
    "std",
    "status",
    "units",
    "file",
)
"""Columns of ``eis_elements.csv``."""
CONDUCTIVITY_COLUMNS = (
    SAMPLE,
    _KELVIN,
    HISTORY,
    CONTRIBUTION,
    "sigma_S_per_cm",
    "std",
    "in_band",
    "remark",
    "resistance_ohm",
    "resistance_std_ohm",
)
"""Columns of ``conductivity.csv``."""
ARRHENIUS_COLUMNS = (
    SAMPLE,
    CONTRIBUTION,
    CONVENTION,
    "activation_energy_eV",
    "std",
    "ln_prefactor",
    "n_points",
    POINTS,
    HISTORY,
)
"""Columns of ``arrhenius.csv``."""
POLARIZATION_COLUMNS = (
    SAMPLE,
    "current_A",
    "sigma_e_S_per_cm",
    "std",
    "steady",
    "transference",
    "sigma_e_bound_S_per_cm",
    "file",
    "remark",
    "status",
)
"""Columns of ``polarization.csv``."""
RETENTION_COLUMNS = (
    SAMPLE,
    _KELVIN,
    HISTORY,
    RETENTION,
    "std",
    "remark",
    DECADES_LOST,
    "age_h",
    REFERENCE,
)
"""Columns of ``retention.csv``."""
REMARK_COLUMNS = (SAMPLE, "file", "remark")
"""Columns of ``eis_remarks.csv``."""

Row = dict[str, object]


def elements_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample, spectrum and element.

    Parameters
    ----------
    tree : xarray.DataTree
        As :mod:`structkit.schema.eis_results` says.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`ELEMENT_COLUMNS`, values in ``units``. A spectrum without a fit
        is one row, its status ``failed: <reason>``.
    """
    return _frame(_element_rows(tree), ELEMENT_COLUMNS)


def conductivity_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample, spectrum and contribution.

    Parameters
    ----------
    tree : xarray.DataTree
        As :mod:`structkit.schema.eis_results` says.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`CONDUCTIVITY_COLUMNS`. ``in_band`` is 1 or 0 where there is a
        resistance. What failed or cannot be told has its reason as remark.
    """
    return _frame(_conductivity_rows(tree), CONDUCTIVITY_COLUMNS)


def arrhenius_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample, history, contribution, convention and points.

    Parameters
    ----------
    tree : xarray.DataTree
        As :mod:`structkit.schema.eis_results` says.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`ARRHENIUS_COLUMNS`. ``points`` is ``all``, or ``in_band`` without
        the points whose arc has its apex outside the measured band.
    """
    return _frame(_arrhenius_rows(tree), ARRHENIUS_COLUMNS)


def polarization_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample and polarization run.

    Parameters
    ----------
    tree : xarray.DataTree
        As :mod:`structkit.schema.eis_results` says.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`POLARIZATION_COLUMNS`. ``sigma_e_S_per_cm`` is empty where no
        steady current above zero was seen; then only the bound counts. A run that
        could not be read has ``status`` ``failed`` and its reason as ``remark``.
    """
    return _frame(_polarization_rows(tree), POLARIZATION_COLUMNS)


def retention_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each measurement of the samples with several histories.

    Parameters
    ----------
    tree : xarray.DataTree
        As :mod:`structkit.schema.eis_results` says.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`RETENTION_COLUMNS`: total conductivity over that of
        ``reference`` at the same temperature. 1 with no uncertainty is the reference
        itself; what is empty has its reason as remark.
    """
    return _frame(_retention_rows(tree), RETENTION_COLUMNS)


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
    counts = [c for c in ("in_band", "steady", "n_points") if c in table.columns]
    return table.astype(dict.fromkeys(counts, "Int64"))


def nodes_of(tree: xr.DataTree, kind: str) -> Iterator[tuple[str, str, xr.Dataset]]:
    """Yield sample, number and dataset of all nodes of one kind.

    Parameters
    ----------
    tree : xarray.DataTree
        As :mod:`structkit.schema.eis_results` says.
    kind : str
        ``spectra``, ``arrhenius`` or ``polarization``.
    """
    for name, node in _samples(tree):
        below = node.children.get(kind)
        for number, each in {} if below is None else below.children.items():
            yield name, str(number), each.to_dataset(inherit=False)


def conductivities_of(tree: xr.DataTree) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield each sample that has them with its conductivities."""
    for name, node in _samples(tree):
        if CONDUCTIVITY_NODE in node.children:
            yield name, node.children[CONDUCTIVITY_NODE].to_dataset(inherit=False)


def retentions_of(tree: xr.DataTree) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield each sample that has one with its retention."""
    for name, node in _samples(tree):
        if RETENTION_NODE in node.children:
            yield name, node.children[RETENTION_NODE].to_dataset(inherit=False)


def _samples(tree: xr.DataTree) -> Iterator[tuple[str, xr.DataTree]]:
    """Yield the samples with a node, in their order."""
    below = tree.children.get(SAMPLES_NODE)
    for key in tree[SAMPLE_NAME].to_numpy():
        if below is not None and str(key) in below.children:
            yield str(key), below.children[str(key)]


def _element_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the elements."""
    spectra = {
        (sample, number): one for sample, number, one in nodes_of(tree, SPECTRA_NODE)
    }
    for sample, found in conductivities_of(tree):
        for place in range(found.sizes[MEASUREMENT]):
            row = found.isel({MEASUREMENT: place})
            head = _head(sample, row) | {"file": row["file"].item()}
            status, reason = str(row["status"].item()), str(row["reason"].item())
            told = f"{status}: {reason}" if reason else status
            one = spectra.get((sample, str(int(row[NUMBER]))))
            if one is None or not one.sizes.get(ELEMENT, 0):
                yield {**head, "status": told}
                continue
            for name in one[ELEMENT].to_numpy():
                cell = one.sel({ELEMENT: name})
                yield {
                    **head,
                    ELEMENT: str(name),
                    "value": float(cell[VALUE]),
                    "std": float(cell[VALUE_STD]),
                    "status": told,
                    "units": str(cell[ELEMENT_UNITS].item()),
                }


def _conductivity_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the conductivities."""
    for sample, found in conductivities_of(tree):
        for place in range(found.sizes[MEASUREMENT]):
            row = found.isel({MEASUREMENT: place})
            for name in row[CONTRIBUTION].to_numpy():
                cell = row.sel({CONTRIBUTION: name})
                resistance = float(cell[RESISTANCE])
                known = math.isfinite(resistance)
                yield {
                    **_head(sample, row),
                    CONTRIBUTION: str(name),
                    "sigma_S_per_cm": float(cell[CONDUCTIVITY]),
                    "std": float(cell[CONDUCTIVITY_STD]),
                    "in_band": int(cell[IN_BAND]) if known else None,
                    "remark": str(cell[REMARK].item()),
                    "resistance_ohm": resistance,
                    "resistance_std_ohm": float(cell[RESISTANCE_STD]),
                }


def _head(sample: str, row: xr.Dataset) -> Row:
    """Return the cells that rows on a measurement begin with."""
    return {
        SAMPLE: sample,
        _KELVIN: float(row[TEMPERATURE]),
        HISTORY: str(row[HISTORY].item()),
    }


def _retention_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of what is left of conductivities."""
    for sample, found in retentions_of(tree):
        for place in range(found.sizes[MEASUREMENT]):
            row = found.isel({MEASUREMENT: place})
            yield {
                **_head(sample, row),
                RETENTION: float(row[RETENTION]),
                "std": float(row[f"{RETENTION}_std"]),
                "remark": str(row[REMARK].item()),
                DECADES_LOST: float(row[DECADES_LOST]),
                "age_h": float(row[AGE]),
                REFERENCE: str(row[REFERENCE].item()),
            }


def _arrhenius_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the activation energies."""
    for sample, _, fits in nodes_of(tree, ARRHENIUS_NODE):
        for name in fits[CONTRIBUTION].to_numpy():
            for convention in fits[CONVENTION].to_numpy():
                for points in fits[POINTS].to_numpy():
                    cell = fits.sel(
                        {CONTRIBUTION: name, CONVENTION: convention, POINTS: points}
                    )
                    if not float(cell["n_points"]):
                        continue
                    yield {
                        SAMPLE: sample,
                        CONTRIBUTION: str(name),
                        CONVENTION: str(convention),
                        "activation_energy_eV": float(cell["activation_energy"]),
                        "std": float(cell["activation_energy_std"]),
                        "ln_prefactor": float(cell["ln_prefactor"]),
                        "n_points": int(cell["n_points"]),
                        POINTS: str(points),
                        HISTORY: str(fits.attrs[HISTORY]),
                    }


def _polarization_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the polarization runs."""
    for sample, _, one in nodes_of(tree, POLARIZATION_NODE):
        told = [one.attrs["reason"], *str(one.attrs["remarks"]).splitlines()]
        has_values = bool(np.isfinite(one[STEADY_CURRENT]))
        yield {
            SAMPLE: sample,
            "current_A": float(one[STEADY_CURRENT]),
            "sigma_e_S_per_cm": float(one["electronic_conductivity"]),
            "std": float(one["electronic_conductivity_std"]),
            "steady": int(one["is_steady"]) if has_values else None,
            "transference": float(one[TRANSFERENCE]),
            "sigma_e_bound_S_per_cm": float(one["electronic_conductivity_bound"]),
            "file": str(one.attrs.get("source_file", "")),
            "remark": "; ".join(text for text in told if text),
            "status": str(one.attrs["status"]),
        }
