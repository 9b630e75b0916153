"""From fitted lines to compositions: roles of sites, blank, settings; stored areas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from structkit.schema import RECYCLE_DELAY, SAMPLE, SITE
from structkit.schema.nmr_results import LINES_NODE, OWN_SITE
from structkit.store import read_tree

Floats = NDArray[np.float64]
Remark = tuple[str, str, str]

RESULT_FILE = "nmr.nc"
_GLASS = "glass_reference"
"""Role of a glass made another way: NaCl beside it tells nothing of its oxygen."""
_CRYSTAL = "crystalline_reference"
_BLANK = "this is the blank: its NaCl is left over, not a by-product of oxide"
_NO_OXIDE = "a crystalline reference, made without oxide"
_NEEDED = ("sample", "site", "area", "area_std")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Areas:
    """The areas of one sample and what makes moles of them."""

    areas: dict[str, float]
    """Of each site."""
    covariance: Floats
    """In the same order."""
    t1: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Site -> T1 and its 1 sigma, **s**."""
    recycle_delay: float = math.nan
    """**s**; NaN: unknown."""
    na_per_ta: float = math.nan
    """As weighed; NaN: unknown."""
    without_oxide: str = ""
    """Why it holds no oxide; empty: it may."""

    def settle(self, settings: CompositionSettings) -> CompositionSettings:
        """Return settings with what is known of this sample, where they lack it."""
        if settings.recycle_delay_s is None and math.isfinite(self.recycle_delay):
            settings = replace(settings, recycle_delay_s=self.recycle_delay)
        if math.isfinite(self.na_per_ta):
            settings = replace(settings, nominal_na_per_ta=self.na_per_ta)
        t1 = {name: value for name, (value, _) in self.t1.items()}
        std = {name: value for name, (_, value) in self.t1.items()}
        return replace(
            settings,
            t1_s={**t1, **settings.t1_s},
            t1_std_s={**std, **settings.t1_std_s},
        )


def add_compositions(
    results: Sequence[SampleResult], table: NmrTable
) -> tuple[list[SampleResult], list[Remark]]:
    """Return samples with their compositions, where sites have the roles for them.

    Parameters
    ----------
    results : sequence of SampleResult
        With their lines.
    table : NmrTable
        ``[nmr]``.

    Returns
    -------
    results : list of SampleResult
        The control whose blank is used has none taken away, and its x says so.
    remarks : list of (sample, file, remark)
    """
    roles = {str(site.role): site.name for site in table.sites if site.role}
    if not {"product", "chloride"} <= set(roles):
        return list(results), []
    settings = CompositionSettings(
        product=roles["product"],
        chloride=roles["chloride"],
        flip_angle_degree=table.flip_angle_degree,
        response=table.response,
        response_std=table.response_std,
        blank=_stated_blank(table),
    )
    samples = {
        one.name: _areas_of(one)
        for one in results
        if one.lines is not None and one.role != _GLASS
    }
    control = None if table.blank is None else table.blank.sample
    remarks: list[Remark] = []
    if control is not None and control not in samples:
        told = "no fit of the control: x is told without its blank"
        remarks, control = [(control, "", told)], None
    found = _compose(samples, settings, control=control)
    done = [replace(one, composition=found.get(one.name)) for one in results]
    return done, remarks


def _compose(
    samples: Mapping[str, Areas], settings: CompositionSettings, *, control: str | None
) -> dict[str, xr.Dataset]:
    """Return the composition of every sample; the control has no blank taken away."""
    blank = settings.blank
    if control is not None:
        of_control = samples[control]
        own = of_control.settle(settings)
        blank = find_blank(of_control.areas, of_control.covariance, own)
    return {
        name: find_composition(
            one.areas,
            one.covariance,
            replace(
                one.settle(settings),
                blank=None if name == control else blank,
                without_oxide=_BLANK if name == control else one.without_oxide,
            ),
        )
        for name, one in samples.items()
    }


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
    if control is not None and control not in samples:
        listed = ", ".join(samples)
        raise ReadError(f"{path}: no sample {control!r}; there are {listed}")
    for name, one in samples.items():
        for site in (settings.product, settings.chloride):
            if site not in one.areas:
                listed = ", ".join(one.areas)
                raise SchemaError(f"{name}: no area of site {site!r}; it has {listed}")
    return _compose(samples, settings, control=control)


def _areas_in_tree(path: Path) -> dict[str, Areas]:
    """Return areas with their covariances from ``nmr.nc``."""
    found, tree = {}, read_tree(path)
    root = tree.to_dataset(inherit=False)
    for name, node in tree.children.items():
        if LINES_NODE not in node.children:
            continue
        lines = node.children[LINES_NODE].to_dataset(inherit=False)
        one = root.sel({SAMPLE: name})
        sites = [str(site) for site in lines[OWN_SITE].to_numpy()]
        times = {
            site: (float(cell["t1"]), float(cell["t1_std"]))
            for site in sites
            if bool(np.isfinite((cell := one.sel({SITE: site}))["t1"]))
        }
        found[name] = Areas(
            areas=dict(zip(sites, lines["area"].to_numpy().tolist(), strict=True)),
            covariance=lines["area_covariance"].to_numpy(),
            t1=times,
            recycle_delay=float(one[RECYCLE_DELAY]),
            na_per_ta=float(one["na_per_ta"]),
            without_oxide=_why_no_oxide(str(one["role"].item())),
        )
    return found


def _areas_in_table(path: Path) -> dict[str, Areas]:
    """Return areas from ``nmr_sites.csv``; T1 from its columns where they are there."""
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
        sites = [str(site) for site in rows["site"]]
        times = {}
        if {"t1_s", "t1_std_s"} <= set(table.columns):
            both = rows[["t1_s", "t1_std_s"]].to_numpy(dtype=float)
            times = {
                site: (float(t1), float(np.nan_to_num(std)))
                for site, (t1, std) in zip(sites, both, strict=True)
                if np.isfinite(t1)
            }
        std = np.nan_to_num(rows["area_std"].to_numpy(dtype=float))
        found[str(name)] = Areas(
            areas=dict(zip(sites, rows["area"].astype(float), strict=True)),
            covariance=np.diag(std**2),
            t1=times,
        )
    return found


def _areas_of(result: SampleResult) -> Areas:
    """Return the areas of a sample that has a fit."""
    fit = result.lines
    if fit is None:
        raise SchemaError(f"{result.name}: has no line fit")
    return Areas(
        areas=dict(zip(fit.names, fit.areas.tolist(), strict=True)),
        covariance=fit.area_covariance,
        t1=result.t1,
        recycle_delay=result.recycle_delay,
        na_per_ta=result.na_per_ta,
        without_oxide=_why_no_oxide(result.role),
    )


def _why_no_oxide(role: str) -> str:
    """Return why a sample of this role holds no oxide; empty where it may."""
    return _NO_OXIDE if role == _CRYSTAL else ""


def _stated_blank(table: NmrTable) -> Blank | None:
    """Return the blank that the series file gives as a number."""
    if table.blank is None or table.blank.sample is not None:
        return None
    ratio, std = table.blank.as_ratio
    return Blank(ratio=ratio, std=std)
