"""The tables of an NMR series, column for column as they are published."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import xarray as xr

from structkit.schema import MILLING_TIME, SAMPLE, SITE, TEMPERATURE
from structkit.schema.nmr_results import (
    LAW,
    OWN_SITE,
    QUANTITY,
    RELAXATION_NODE,
    T1_NODE,
)

SITE_COLUMNS = (
    *(SAMPLE, SITE, "shift_ppm", "fwhm_Hz", "lorentzian_share", "area", "area_std"),
    *("lifetime_width_Hz", "milling_time_h", "shift_std_ppm", "fwhm_std_Hz"),
    *("lorentzian_share_std", "population", "population_std", "t1_s", "t1_std_s"),
    *("lorentzian_rest_Hz", "gaussian_rest_Hz", "trades_with", "status"),
)
"""Columns of ``nmr_sites.csv``."""
COMPOSITION_COLUMNS = (SAMPLE, QUANTITY, "value", "std", "low", "high", "remark")
"""Columns of ``nmr_composition.csv``."""
T1_COLUMNS = (
    *(SAMPLE, SITE, "temperature_K", "model", "t1_s", "std", "remark", "chosen"),
    *("t1_low_s", "t1_high_s", "inversion_factor", "inversion_factor_std"),
    *("delta_aicc", "shape", "shape_std"),
)
"""Columns of ``t1.csv``."""
RELAXATION_COLUMNS = (
    *(SAMPLE, SITE, "activation_energy_eV", "std", "low", "high", "coupling_Hz"),
    *("coupling_low_Hz", "coupling_high_Hz", "coupling_bound_Hz"),
    *("ln_attempt_time_s", "minimum_temperature_K", "n_points", "status", "remark"),
)
"""Columns of ``nmr_relaxation.csv``."""
REMARK_COLUMNS = (SAMPLE, "file", "remark")
"""Columns of ``nmr_remarks.csv``."""

Row = dict[str, object]
_OF_SITE = {
    "shift_ppm": "shift",
    "fwhm_Hz": "fwhm",
    "lorentzian_share": "lorentzian_share",
    "area": "area",
    "area_std": "area_std",
    "lifetime_width_Hz": "lifetime_width",
    "shift_std_ppm": "shift_std",
    "fwhm_std_Hz": "fwhm_std",
    "lorentzian_share_std": "lorentzian_share_std",
    "population": "population",
    "population_std": "population_std",
    "t1_s": "t1",
    "t1_std_s": "t1_std",
    "lorentzian_rest_Hz": "lorentzian_rest",
    "gaussian_rest_Hz": "gaussian_rest",
}
_OF_LAW = {
    "t1_s": "t1",
    "std": "t1_std",
    "t1_low_s": "t1_low",
    "t1_high_s": "t1_high",
    "inversion_factor": "inversion_factor",
    "inversion_factor_std": "inversion_factor_std",
    "delta_aicc": "delta_aicc",
    "shape": "law_shape",
    "shape_std": "law_shape_std",
}
_OF_RELAXATION = {
    "activation_energy_eV": "activation_energy",
    "std": "activation_energy_std",
    "low": "activation_energy_low",
    "high": "activation_energy_high",
    "coupling_Hz": "coupling",
    "coupling_low_Hz": "coupling_low",
    "coupling_high_Hz": "coupling_high",
    "coupling_bound_Hz": "coupling_bound",
    "ln_attempt_time_s": "log_attempt_time",
    "minimum_temperature_K": "minimum_temperature",
}


def sites_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample and site.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`structkit.nmr.results.series_dataset`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`SITE_COLUMNS`: areas in intensity times ppm. A sample without a
        fit is one row, its status ``failed: <reason>``.
    """
    return _frame(_site_rows(tree), SITE_COLUMNS)


def composition_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample and quantity of its composition.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`structkit.nmr.results.series_dataset`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COMPOSITION_COLUMNS`; limits of 95 %.
    """
    return _frame(_composition_rows(tree), COMPOSITION_COLUMNS)


def t1_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each recovery, site and law, the chosen one first.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`structkit.nmr.results.series_dataset`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`T1_COLUMNS`: ``chosen`` 1 or 0; limits of 95 %, those of the
        areas alone; the remark says how it ended and what the delays tell.
    """
    table = _frame(_t1_rows(tree), T1_COLUMNS)
    return table.astype({"chosen": "Int64"})


def relaxation_table(tree: xr.DataTree) -> pd.DataFrame:
    """Return one row for each sample and site with T1 over temperature.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`structkit.nmr.results.series_dataset`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`RELAXATION_COLUMNS`.
    """
    table = _frame(_relaxation_rows(tree), RELAXATION_COLUMNS)
    return table.astype({"n_points": "Int64"})


def remarks_table(rows: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """Return remarks as a table, repeats left out.

    Parameters
    ----------
    rows : sequence of (sample, file, remark)
        Empty text where a remark concerns no file.
    """
    return pd.DataFrame(list(dict.fromkeys(rows)), columns=list(REMARK_COLUMNS))


def _frame(rows: Iterator[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table with all of its columns."""
    return pd.DataFrame(list(rows), columns=list(columns))


def _site_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the sites."""
    root = tree.to_dataset(inherit=False)
    for name in root[SAMPLE].to_numpy():
        one = root.sel({SAMPLE: name})
        head: Row = {SAMPLE: str(name), "milling_time_h": float(one[MILLING_TIME])}
        status, reason = str(one["status"].item()), str(one["reason"].item())
        told = f"{status}: {reason}" if reason else status
        if status == "failed":
            yield {**head, "status": told}
            continue
        for site in one[SITE].to_numpy():
            cell = one.sel({SITE: site})
            if not math.isfinite(float(cell["shift"])):
                continue
            numbers = {name: float(cell[key]) for name, key in _OF_SITE.items()}
            trades = str(cell["trades_with"].item())
            yield {
                **head,
                SITE: str(site),
                **numbers,
                "trades_with": trades,
                "status": told,
            }


def _composition_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the compositions."""
    root = tree.to_dataset(inherit=False)
    for name in root[SAMPLE].to_numpy():
        one = root.sel({SAMPLE: name})
        for quantity in one[QUANTITY].to_numpy():
            cell = one.sel({QUANTITY: quantity})
            numbers = {
                key: float(cell[f"composition_{key}"])
                for key in ("value", "std", "low", "high")
            }
            remark = str(cell["composition_remark"].item())
            if remark or any(math.isfinite(number) for number in numbers.values()):
                head: Row = {SAMPLE: str(name), QUANTITY: str(quantity)}
                yield {**head, **numbers, "remark": remark}


def _t1_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of the recoveries."""
    for sample, node in tree.children.items():
        found = node.children.get(T1_NODE)
        for each in found.children.values() if found is not None else ():
            data = each.to_dataset(inherit=False)
            for site in data[OWN_SITE].to_numpy():
                own = data.sel({OWN_SITE: site})
                first = np.argsort(-own["chosen"].to_numpy(), kind="stable")
                for law in own[LAW].to_numpy()[first]:
                    cell = own.sel({LAW: law})
                    yield {
                        SAMPLE: sample,
                        SITE: str(site),
                        "temperature_K": float(data[TEMPERATURE]),
                        "model": str(law),
                        **{name: float(cell[key]) for name, key in _OF_LAW.items()},
                        "remark": _t1_remark(cell, data),
                        "chosen": int(cell["chosen"]),
                    }


def _t1_remark(cell: xr.Dataset, data: xr.Dataset) -> str:
    """Return how a law's fit ended and what the delays tell."""
    told = [str(cell["fit_reason"].item())]
    if int(cell["chosen"]):
        told += [str(cell["law_remark"].item()), str(data.attrs["reason"])]
    lines = [line for text in told for line in text.splitlines() if line]
    return "; ".join(dict.fromkeys(lines))


def _relaxation_rows(tree: xr.DataTree) -> Iterator[Row]:
    """Yield the rows of T1 over temperature."""
    for sample, node in tree.children.items():
        if RELAXATION_NODE not in node.children:
            continue
        data = node.children[RELAXATION_NODE].to_dataset(inherit=False)
        for site in data[OWN_SITE].to_numpy():
            cell = data.sel({OWN_SITE: site})
            yield {
                SAMPLE: sample,
                SITE: str(site),
                **{name: float(cell[key]) for name, key in _OF_RELAXATION.items()},
                "n_points": int(cell["t1"].notnull().sum()),
                "status": str(cell["status"].item()),
                "remark": "; ".join(str(cell["reason"].item()).splitlines()),
            }
