"""From fitted lines to compositions: roles of sites, blank, settings; stored areas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import ReadError, SchemaError, StructkitError
from structkit.io.manifest import SampleTable, SeriesFile
from structkit.io.manifest_nmr import NmrTable
from structkit.nmr.composition import correct_saturation, find_composition
from structkit.nmr.response import Blank, CompositionSettings
from structkit.nmr.results import SampleResult
from structkit.schema.nmr_results import LINES_NODE, OWN_SITE
from structkit.store import read_tree

Floats = NDArray[np.float64]
Remark = tuple[str, str, str]
Areas = tuple[dict[str, float], Floats]
"""Area of each site, and their covariance."""

RESULT_FILE = "nmr.nc"
_NEEDED = ("sample", "site", "area", "area_std")


def add_compositions(
    results: Sequence[SampleResult],
    table: NmrTable,
    *,
    delays: Mapping[str, float],
    nominal: Mapping[str, float],
) -> tuple[list[SampleResult], list[Remark]]:
    """Return samples with their compositions, where sites have the roles for them.

    Parameters
    ----------
    results : sequence of SampleResult
        With their lines.
    table : NmrTable
        ``[nmr]``.
    delays : mapping of str to float
        Recycle delay of samples, **s**.
    nominal : mapping of str to float
        Sodium per tantalum weighed into samples.

    Returns
    -------
    results : list of SampleResult
        The control whose blank is used has none taken away.
    remarks : list of (sample, file, remark)
    """
    roles = {str(site.role): site.name for site in table.sites if site.role}
    if not {"product", "chloride"} <= set(roles):
        return list(results), []
    remarks: list[Remark] = []
    settings = {one.name: _settings(one, table, roles, delays) for one in results}
    control = None if table.blank is None else table.blank.sample
    blank = _stated_blank(table)
    if control is not None:
        found = next((one for one in results if one.name == control), None)
        areas = None if found is None else _areas_of(found)
        if areas is None:
            told = "no fit of the control: x is told without its blank"
            remarks.append((control, "", told))
        else:
            blank = find_blank(*areas, settings[control])
    done = []
    for one in results:
        areas = _areas_of(one)
        if areas is None:
            done.append(one)
            continue
        own = replace(
            settings[one.name],
            blank=None if one.name == control else blank,
            nominal_na_per_ta=nominal.get(
                one.name, CompositionSettings().nominal_na_per_ta
            ),
        )
        try:
            done.append(replace(one, composition=find_composition(*areas, own)))
        except StructkitError as error:
            remarks.append((one.name, "", f"no composition: {error}"))
            done.append(one)
    return done, remarks


def find_blank(
    areas: Mapping[str, float], covariance: Floats, settings: CompositionSettings
) -> Blank:
    """Return what a control without oxide shows, corrected for saturation.

    Parameters
    ----------
    areas : mapping of str to float
        Area of each site of the control.
    covariance : ndarray, shape (n_sites, n_sites)
        In the same order.
    settings : CompositionSettings
        As for the samples.
    """
    values, spread, _ = correct_saturation(areas, covariance, settings)
    names = list(areas)
    pair = [names.index(site) for site in (settings.chloride, settings.product)]
    ratio = float(values[pair[0]] / values[pair[1]])
    slope = np.array([1.0, -ratio]) / values[pair[1]]
    variance = float(slope @ spread[np.ix_(pair, pair)] @ slope)
    return Blank(ratio=ratio, std=math.sqrt(max(variance, 0.0)))


def list_nominal(
    series: SeriesFile, samples: Sequence[SampleTable]
) -> dict[str, float]:
    """Return the sodium per tantalum weighed into each sample that says so."""
    found = {}
    for sample in samples:
        try:
            moles = series.elements_of(sample) or {}
        except StructkitError:
            continue
        sodium, tantalum = moles.get("Na", 0.0), moles.get("Ta", 0.0)
        if sodium > 0.0 and tantalum > 0.0:
            found[sample.id] = sodium / tantalum
    return found


def read_areas(path: Path) -> dict[str, Areas]:
    """Return the areas of every fitted sample from stored results.

    Parameters
    ----------
    path : Path
        Folder with ``nmr.nc``, that file, or ``nmr_sites.csv`` (the areas are then
        taken as independent of each other).

    Raises
    ------
    ReadError
        No such file, columns missing, or no sample with areas.
    """
    path = path / RESULT_FILE if path.is_dir() else path
    if not path.is_file():
        raise ReadError(f"no file {path}; give a results folder or nmr_sites.csv")
    found = _areas_in_table(path) if path.suffix == ".csv" else _areas_in_tree(path)
    if not found:
        raise ReadError(f"{path}: no sample has fitted areas; look at its remarks")
    return found


def compose_stored(
    path: Path, settings: CompositionSettings, *, control: str | None = None
) -> dict[str, xr.Dataset]:
    """Return the composition of every sample from stored areas.

    Parameters
    ----------
    path : Path
        As :func:`read_areas`.
    settings : CompositionSettings
        How areas become moles.
    control : str, optional
        Sample whose blank is taken away from the others.

    Raises
    ------
    ReadError
        As :func:`read_areas`; no such control.
    SchemaError
        A sample lacks the product or the chloride.
    """
    samples = read_areas(path)
    if control is not None:
        if control not in samples:
            raise ReadError(f"{path}: no sample {control!r}; there are {[*samples]}")
        for site in (settings.product, settings.chloride):
            if site not in samples[control][0]:
                raise SchemaError(f"{control}: no area of site {site!r}")
    found = {}
    for name, areas in samples.items():
        own = settings
        if control == name:
            own = replace(settings, blank=None)
        elif control is not None:
            own = replace(settings, blank=find_blank(*samples[control], settings))
        found[name] = find_composition(*areas, own)
    return found


def _areas_in_tree(path: Path) -> dict[str, Areas]:
    """Return areas with their covariances from ``nmr.nc``."""
    found = {}
    for name, node in read_tree(path).children.items():
        if LINES_NODE in node.children:
            lines = node.children[LINES_NODE].to_dataset(inherit=False)
            sites = [str(site) for site in lines[OWN_SITE].to_numpy()]
            areas = dict(zip(sites, lines["area"].to_numpy().tolist(), strict=True))
            found[name] = areas, lines["area_covariance"].to_numpy()
    return found


def _areas_in_table(path: Path) -> dict[str, Areas]:
    """Return areas from ``nmr_sites.csv``."""
    import pandas as pd  # type: ignore[import-untyped]

    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise ReadError(f"{path}: no table of sites: {error}") from error
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise ReadError(f"{path}: no column {', '.join(missing)}")
    found = {}
    for name, rows in table.dropna(subset=["area"]).groupby("sample", sort=False):
        areas = {
            str(s): float(a) for s, a in zip(rows["site"], rows["area"], strict=True)
        }
        spread = np.diag(np.nan_to_num(rows["area_std"].to_numpy(dtype=float)) ** 2)
        found[str(name)] = areas, spread
    return found


def _areas_of(result: SampleResult) -> Areas | None:
    """Return the areas of a sample; None where it has no fit."""
    fit = result.lines
    if fit is None:
        return None
    areas = dict(zip(fit.names, fit.areas.tolist(), strict=True))
    return areas, fit.area_covariance


def _settings(
    result: SampleResult,
    table: NmrTable,
    roles: Mapping[str, str],
    delays: Mapping[str, float],
) -> CompositionSettings:
    """Return how the areas of a sample become moles, without blank."""
    return CompositionSettings(
        product=roles["product"],
        chloride=roles["chloride"],
        recycle_delay_s=delays.get(result.name),
        flip_angle_degree=table.flip_angle_degree,
        t1_s={name: t1 for name, (t1, _) in result.t1.items()},
        t1_std_s={name: std for name, (_, std) in result.t1.items()},
        response=table.response,
        response_std=table.response_std,
    )


def _stated_blank(table: NmrTable) -> Blank | None:
    """Return the blank that the series file gives as a number."""
    if table.blank is None or table.blank.sample is not None:
        return None
    ratio, std = table.blank.as_ratio
    return Blank(ratio=ratio, std=std)
