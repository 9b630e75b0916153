"""Stored results of all techniques -> whether they can be true together: checks.csv."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import xarray as xr

from structkit.checks.eis_nmr import Motion, check_motion
from structkit.checks.finding import Verdict
from structkit.checks.hopping import carrier_density
from structkit.io.manifest import SeriesFile, read_series
from structkit.io.manifest_eis import EisTable
from structkit.io.manifest_nmr import NmrTable
from structkit.nmr.assignment import SwapReview, find_saturated, review_assignment
from structkit.nmr.fields import review_larmor
from structkit.nmr.reference_times import T1_OF_SALTS_S
from structkit.pipeline.conductivity import total_at
from structkit.pipeline.eis_plan import EisOptions, make_pellet
from structkit.schema import LARMOR_FREQUENCY, SAMPLE, SITE
from structkit.schema.eis_results import (
    CONDUCTIVITY_NODE,
    POLARIZATION_NODE,
    SAMPLES_NODE,
)
from structkit.store import read_tree, write_table

COLUMNS = ("check", "sample", "verdict", "value", "sentence")
"""Of ``checks.csv``."""
TABLE_FILE = "tables/checks.csv"
ROOM_K = 298.15
_LEAKY = 0.99
"""Transference number below which electrons matter."""
_SIGMAS = 3.0
_PELLET_STD = 0.05
"""Relative 1 sigma of a pellet whose errors were not stated."""
_SEEN = 3.0
"""Sigma of its area from which a line counts as there."""
_KNOWN = 0.5
"""Relative 1 sigma up to which a T1 counts as measured."""
_SATURATED = 0.9
"""Share of a line's signal below which it is called saturated."""
_HEAVY_PRODUCT = ("NaTaCl6", 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question to one sample."""

    check: str
    """What was asked."""
    sample: str
    """Of which."""
    verdict: Verdict
    """Whether it holds."""
    sentence: str
    """In words, with the arithmetic."""
    value: float = math.nan
    """The number it rests on."""


def run_checks(series_file: Path | str, output: Path | str) -> tuple[Check, ...]:
    """Hold the stored results of a series against one another.

    Parameters
    ----------
    series_file : Path or str
        The TOML file: geometry, recycle delays, roles.
    output : Path or str
        Folder with any of ``eis.nc``, ``nmr.nc``; ``tables/checks.csv`` is written
        there, columns :data:`COLUMNS`.

    Returns
    -------
    tuple of Check
        Thickness of pellets against mass and density; electrons in polarization;
        nucleus and frequency; T1 at each other's lines; saturation; the motion of
        impedance against that of T1. What cannot be asked is left out.

    Raises
    ------
    StructkitError
        The series file has mistakes, or a stored file is damaged.
    """
    output = Path(output)
    series = read_series(series_file)
    eis = read_tree(output / "eis.nc") if (output / "eis.nc").is_file() else None
    nmr = read_tree(output / "nmr.nc") if (output / "nmr.nc").is_file() else None
    found = [*_pellets(series)]
    if eis is not None:
        found += _leaks(eis)
    if nmr is not None:
        found += [*_larmor(nmr), *_swaps(nmr, series), *_saturation(nmr, series)]
    if eis is not None and nmr is not None:
        found += _motions(eis, nmr, series)
    rows = [
        {
            "check": one.check,
            "sample": one.sample,
            "verdict": one.verdict.value,
            "value": one.value,
            "sentence": one.sentence,
        }
        for one in found
    ]
    write_table(pd.DataFrame(rows, columns=list(COLUMNS)), output / TABLE_FILE)
    return tuple(found)


def _verdict(*, holds: bool) -> Verdict:
    return Verdict.PASS if holds else Verdict.TENSION


def _pellets(series: SeriesFile) -> Iterator[Check]:
    """Yield whether measured thickness and that of mass and density agree."""
    table = series.eis or EisTable()
    for sample in series.samples:
        if not sample.eis:
            continue
        pellet, _ = make_pellet(sample.pellet, table)
        if pellet is None or not math.isfinite(pellet.thickness_mm):
            continue
        if not (math.isfinite(pellet.mass_mg) and math.isfinite(pellet.density_g_cm3)):
            continue
        weighed = replace(pellet, thickness_mm=math.nan, thickness_std_mm=math.nan)
        ratio = pellet.cell_constant / weighed.cell_constant
        stated = [
            one if one > 0.0 else _PELLET_STD
            for one in (pellet.relative_std, weighed.relative_std)
        ]
        spread = math.hypot(*stated)
        holds = abs(math.log(ratio)) < _SIGMAS * spread
        yield Check(
            check="pellet",
            sample=sample.id,
            verdict=_verdict(holds=holds),
            value=ratio,
            sentence=f"measured thickness is {ratio:.2f} times that of mass and "
            f"density (1 sigma {100.0 * spread:.1f} %)"
            + ("" if holds else ": one of them was written down wrongly"),
        )


def _leaks(eis: xr.DataTree) -> Iterator[Check]:
    """Yield whether electrons carry a part of the current."""
    if SAMPLES_NODE not in eis.children:
        return
    for name, sample in eis.children[SAMPLES_NODE].children.items():
        runs = sample.children.get(POLARIZATION_NODE)
        for node in () if runs is None else runs.children.values():
            run = node.to_dataset(inherit=False)
            if "transference" not in run:
                continue
            number = float(run["transference"])
            if not math.isfinite(number):
                continue
            holds = number >= _LEAKY
            yield Check(
                check="electrons",
                sample=str(name),
                verdict=_verdict(holds=holds),
                value=number,
                sentence=f"ions carry {100.0 * number:.3f} % of the current"
                + ("" if holds else ": electrons matter, sigma is not of ions alone"),
            )


def _sites(nmr: xr.DataTree, name: str) -> dict[str, tuple[float, float]]:
    """Return T1 and its 1 sigma of the sites of a sample that were measured, s."""
    root = nmr.to_dataset(inherit=False).sel({SAMPLE: name})
    if "t1" not in nmr.children[name].children:
        return {}
    found = {}
    for site in (str(one) for one in root[SITE].to_numpy()):
        value, std, area, area_std = (
            float(root[name].sel({SITE: site}))
            for name in ("t1", "t1_std", "area", "area_std")
        )
        seen = area > _SEEN * area_std
        if seen and value > 0.0 and 0.0 < std < _KNOWN * value:
            found[site] = (value, std)
    return found


def _names(nmr: xr.DataTree) -> list[str]:
    root = nmr.to_dataset(inherit=False)
    names = [str(one) for one in root[SAMPLE].to_numpy()]
    return [name for name in names if name in nmr.children]


def _larmor(nmr: xr.DataTree) -> Iterator[Check]:
    """Yield whether nucleus and frequency belong together."""
    root = nmr.to_dataset(inherit=False)
    nucleus = str(nmr.attrs.get("nucleus", "23Na"))
    for name in _names(nmr):
        larmor = float(root[LARMOR_FREQUENCY].sel({SAMPLE: name}))
        if not larmor > 0.0:
            continue
        review = review_larmor(larmor, nucleus=nucleus)
        yield Check(
            check="larmor",
            sample=name,
            verdict=_verdict(holds=not review.flagged),
            value=larmor,
            sentence=review.remark or f"{larmor:g} MHz suits {nucleus}",
        )


def _swaps(nmr: xr.DataTree, series: SeriesFile) -> Iterator[Check]:
    """Yield whether two T1 would fit better at each other's lines."""
    table = series.nmr or NmrTable()
    roles = {site.name: site.role for site in table.sites}
    salts = {"chloride": "NaCl", "oxide": "Na2O"}
    for name in _names(nmr):
        own = {
            site: value
            for site, (value, _) in _sites(nmr, name).items()
            if roles.get(site) in salts
        }
        if len(own) < 2:
            continue
        references = {
            treatment: {site: held[salts[str(roles[site])]] for site in own}
            for treatment, held in T1_OF_SALTS_S.items()
        }
        for review in review_assignment(own, references):
            yield Check(
                check="T1 of lines",
                sample=name,
                verdict=_verdict(holds=not review.ambiguous_swap),
                value=review.log_odds,
                sentence=_tell_swap(review),
            )


def _tell_swap(review: SwapReview) -> str:
    """Return what two T1 say of their lines."""
    first, second = review.pair
    ratios, turned = review.ratios, review.swapped_ratios
    told = (
        f"T1 over those {review.reference}: {first} {ratios[0]:.2g}, {second} "
        f"{ratios[1]:.2g}; exchanged {turned[0]:.2g}, {turned[1]:.2g}"
    )
    if review.ambiguous_swap:
        told += ": more alike exchanged; are they at each other's lines?"
    return told


def _saturation(nmr: xr.DataTree, series: SeriesFile) -> Iterator[Check]:
    """Yield which lines the recycle delay saturates."""
    table = series.nmr or NmrTable()
    root = nmr.to_dataset(inherit=False)
    for name in _names(nmr):
        delay = float(root["recycle_delay"].sel({SAMPLE: name}))
        t1 = {site: value for site, (value, _) in _sites(nmr, name).items()}
        if not t1 or not delay > 0.0:
            continue
        lost = find_saturated(
            t1, recycle_delay=delay, flip_angle_degree=table.flip_angle_degree
        )
        for site in t1:
            factor = min(lost.get(site, (1.0,)))
            holds = factor >= _SATURATED
            yield Check(
                check="saturation",
                sample=name,
                verdict=_verdict(holds=holds),
                value=factor,
                sentence=f"{site}: {100.0 * factor:.0f} % of the signal recovers "
                f"between scans of {delay:g} s"
                + ("" if holds else ": its area is corrected, the error with it"),
            )


def _motions(eis: xr.DataTree, nmr: xr.DataTree, series: SeriesFile) -> Iterator[Check]:
    """Yield whether the motion of the current can be that of T1."""
    from structkit.structures.library import load

    table = series.nmr or NmrTable()
    products = [site.name for site in table.sites if site.role == "product"]
    if not products or SAMPLES_NODE not in eis.children:
        return
    structure = load(_HEAVY_PRODUCT[0])
    mass = structure.cell_mass / structure.formula_units
    carriers = carrier_density(
        structure.density, mass, ions_per_formula=_HEAVY_PRODUCT[1]
    )
    root = nmr.to_dataset(inherit=False)
    measured: Mapping[str, xr.DataTree] = eis.children[SAMPLES_NODE].children
    for name in _names(nmr):
        t1, std = _sites(nmr, name).get(products[0], (math.nan, math.nan))
        node = measured.get(name)
        if node is None or CONDUCTIVITY_NODE not in node.children or not t1 > 0.0:
            continue
        rows = node.children[CONDUCTIVITY_NODE].to_dataset(inherit=False)
        sigma, error, _ = total_at(rows, ROOM_K, EisOptions().arrhenius)
        if not sigma > 0.0:
            continue
        larmor = float(root[LARMOR_FREQUENCY].sel({SAMPLE: name}))
        found = check_motion(
            Motion(
                conductivity=sigma,
                conductivity_relative_std=float(np.nan_to_num(error / sigma, nan=0.1)),
                temperature=ROOM_K,
                larmor_hz=1e6 * larmor,
                carriers_per_m3=carriers,
                t1=t1,
                t1_relative_std=max(std / t1, 0.05),
            )
        )
        coupling = found.findings["required_coupling"]
        yield Check(
            check="current and T1",
            sample=name,
            verdict=found.verdict,
            value=coupling.value,
            sentence=coupling.text,
        )
