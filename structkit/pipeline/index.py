"""Stored results of all techniques -> metrics by name -> ``index.nc``, tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit import __version__
from structkit.errors import ReadError, StructkitError
from structkit.index.combine import combine_metrics
from structkit.index.modalities import IndexOptions
from structkit.io.manifest import SeriesFile, read_series
from structkit.io.manifest_index import IndexTable
from structkit.io.manifest_nmr import NmrTable
from structkit.pipeline.conductivity import total_at
from structkit.pipeline.index_tables import index_table, scores_table
from structkit.raman.sample import KAPPA_STD
from structkit.schema import METRIC, MILLING_TIME, PHASE, SAMPLE, SITE
from structkit.schema.conductivity import MEASUREMENT
from structkit.schema.eis_results import (
    CONDUCTIVITY_NODE,
    SAMPLE_NAME,
    SAMPLES_NODE,
)
from structkit.schema.index_results import validate_index
from structkit.store import read_tree, write_table, write_tree
from structkit.structures.composition import molar_mass, parse_formula

Floats = NDArray[np.float64]

RESULT_FILE = "index.nc"
_SOURCES = {
    "xrd": "crystallinity.nc",
    "raman": "raman.nc",
    "nmr": "nmr.nc",
    "eis": "eis.nc",
}
_PRODUCT = "NaTaCl6"
_SURE = 1.959963984540054
_LEAST_STD = 0.05
"""Least 1 sigma of the logarithm of a Raman ratio beside its cross-sections."""
_KELVIN = 273.15


def run_index(series_file: Path | str, output: Path | str) -> xr.DataTree:
    """Join the stored results of a series to one amorphization index.

    Parameters
    ----------
    series_file : Path or str
        The TOML file; ``[index]``, roles and mixtures are read anew.
    output : Path or str
        Folder with any of ``crystallinity.nc``, ``raman.nc``, ``nmr.nc``, ``eis.nc``;
        ``index.nc``, ``tables/index.csv``, ``tables/scores.csv`` and
        ``figures/index.png`` are written there.

    Returns
    -------
    xarray.DataTree
        :mod:`structkit.schema.index_results`.

    Raises
    ------
    ReadError
        No technique has results there, or a file is damaged.
    StructkitError
        The series file has mistakes, or weights name what was not measured.
    """
    output = Path(output)
    series = read_series(series_file)
    table = series.index or IndexTable()
    metrics = gather_metrics(series, output)
    options = IndexOptions(
        kappa=table.kappa,
        kappa_std=KAPPA_STD if table.kappa_std is None else table.kappa_std,
        shift_std=table.shift_std_ppm,
        rate_std=table.rate_std,
        contact_std=table.contact_std,
        calibrated=table.kappa_std is not None,
    )
    tree = combine_metrics(metrics, options, weights=table.weights)
    tree.attrs.update(
        name=series.series.name,
        source_file=series.path.name,
        source_sha256=series.sha256,
        software=f"structkit {__version__}",
    )
    validate_index(tree)
    write_tree(tree, output / RESULT_FILE)
    write_table(index_table(tree), output / "tables" / "index.csv")
    write_table(scores_table(tree), output / "tables" / "scores.csv")
    _draw(tree, output / "figures" / "index.png")
    return tree


def _draw(tree: xr.DataTree, path: Path) -> None:
    """Draw scores, joint index and agreement."""
    from structkit.plot.index import compose_index
    from structkit.plot.style import write_figure

    write_figure(compose_index(tree), path)


def gather_metrics(series: SeriesFile, output: Path) -> xr.Dataset:
    """Return the metrics of a series that enter the index.

    Parameters
    ----------
    series : SeriesFile
        The series.
    output : Path
        Folder of the stored results.

    Returns
    -------
    xarray.Dataset
        As :func:`structkit.index.modalities.make_evidence` takes it, over all samples
        of the series file; what no technique measured is NaN.

    Raises
    ------
    ReadError
        No technique has results there.
    """
    stored = {name: output / file for name, file in _SOURCES.items()}
    present = {name: path for name, path in stored.items() if path.is_file()}
    if not present:
        raise ReadError(
            f"{output}: no results of any technique ({', '.join(_SOURCES.values())}); "
            f"run structkit run {series.path.name} -o {output} first"
        )
    table = series.index or IndexTable()
    names = [sample.id for sample in series.samples]
    metrics = xr.Dataset(
        {"role": (SAMPLE, [sample.role or "" for sample in series.samples])},
        coords={
            SAMPLE: names,
            MILLING_TIME: (SAMPLE, _times(series), {"units": "h"}),
        },
    )
    metrics[MILLING_TIME].attrs["long_name"] = "milling time"
    if "xrd" in present:
        metrics = _add_diffraction(metrics, present["xrd"], series, table)
    if "raman" in present:
        metrics = _add_raman(metrics, present["raman"])
    if "nmr" in present:
        metrics = _add_nmr(metrics, present["nmr"], series.nmr or NmrTable())
    if "eis" in present:
        metrics = _add_conductivity(metrics, present["eis"], table.temperature)
    return metrics


def _times(series: SeriesFile) -> list[float]:
    """Return the milling times, h; NaN where there is none."""
    found = [sample.position("milling_time") for sample in series.samples]
    return [math.nan if one is None else float(one) for one in found]


def _put(
    metrics: xr.Dataset, values: Mapping[str, tuple[Mapping[str, float], str, str]]
) -> xr.Dataset:
    """Return the metrics with more: name -> (by sample, units, long name)."""
    names = [str(one) for one in metrics[SAMPLE].to_numpy()]
    return metrics.assign(
        {
            name: (
                SAMPLE,
                np.array([by_sample.get(one, math.nan) for one in names]),
                {"units": units, "long_name": long_name},
            )
            for name, (by_sample, units, long_name) in values.items()
        }
    )


def _by_sample(dataset: xr.Dataset, name: str) -> dict[str, float]:
    """Return a variable over the samples by their names, empty where it is absent."""
    if name not in dataset.variables:
        return {}
    names = [str(one) for one in dataset[SAMPLE].to_numpy()]
    return dict(zip(names, map(float, dataset[name].to_numpy()), strict=True))


def _add_diffraction(
    metrics: xr.Dataset, path: Path, series: SeriesFile, table: IndexTable
) -> xr.Dataset:
    """Add amorphous contents, and the proportions of the crystals."""
    contents = read_tree(path).to_dataset(inherit=False)
    columns = {
        f"amorphous_fraction{end}": (
            _by_sample(contents, f"amorphous_fraction{end}"),
            "1",
            "weight fraction without long-range order",
        )
        for end in ("", "_std", "_low", "_high")
    }
    metrics = _put(metrics, columns)
    metrics["amorphous_fraction"].attrs["constant_std"] = _constant_std(contents)
    return _put(metrics, _proportions(contents, series, table.product or _PRODUCT))


def _constant_std(contents: xr.Dataset) -> float:
    """Return 1 sigma of the constant common to all samples, relative; 0: none."""
    name = "instrument_constant_relative_std"
    if "quantity" not in contents.dims:
        return 0.0
    quantities = [str(one) for one in contents["quantity"].to_numpy()]
    if name not in quantities:
        return 0.0
    value = float(contents["value"].to_numpy()[quantities.index(name)])
    return value if math.isfinite(value) else 0.0


def _proportions(
    contents: xr.Dataset, series: SeriesFile, product: str
) -> dict[str, tuple[dict[str, float], str, str]]:
    """Return moles of crystals per mole of the product's heavy atom.

    Scaled to a sample that is all crystalline, its crystals in the proportions found.
    """
    if PHASE not in contents.dims or "weight_fraction_sample" not in contents:
        return {}
    phases = [str(one) for one in contents[PHASE].to_numpy()]
    if product not in phases:
        return {}
    formulas = _formulas(series, phases)
    heavy = max(parse_formula(formulas[product]), key=molar_mass)
    found: dict[str, dict[str, float]] = {
        name: {} for name in ("product", "product_std", "chloride", "conducting")
    }
    own = {sample.id: sample for sample in series.samples}
    for name in (str(one) for one in contents[SAMPLE].to_numpy()):
        atoms = series.elements_of(own[name], formulas=formulas)
        if atoms is None or not atoms.get(heavy, 0.0) > 0.0:
            continue
        mass = molar_mass(atoms) / atoms[heavy]
        one = contents.sel({SAMPLE: name})
        weights = np.nan_to_num(one["weight_fraction_sample"].to_numpy())
        stds = np.nan_to_num(one["weight_fraction_sample_std"].to_numpy())
        weights = np.maximum(weights, 0.0)
        if not weights.sum() > 0.0:
            continue
        place = phases.index(product)
        moles = {
            phase: weight / weights.sum() * mass / molar_mass(formulas[phase])
            for phase, weight in zip(phases, weights, strict=True)
        }
        heavy_of = {p: parse_formula(formulas[p]).get(heavy, 0.0) for p in phases}
        found["product"][name] = moles[product] * heavy_of[product]
        relative = stds[place] / max(weights[place], 1e-12)
        found["product_std"][name] = found["product"][name] * relative
        found["chloride"][name] = sum(
            moles[p] * heavy_of[p] for p in phases if p != product
        )
        found["conducting"][name] = float(weights[place] / weights.sum())
    texts = {
        "product": ("crystalline_product", "moles of crystalline product"),
        "product_std": ("crystalline_product_std", "1 sigma of these moles"),
        "chloride": ("crystalline_chloride", "moles in other crystals"),
        "conducting": ("conducting_share", "share of the crystals that conducts"),
    }
    return {
        texts[key][0]: (values, "1", texts[key][1]) for key, values in found.items()
    }


def _formulas(series: SeriesFile, phases: list[str]) -> dict[str, str]:
    """Return the formula of each phase: its CIF's, the library's, else its name."""
    from structkit.structures.cif import read_cif
    from structkit.structures.library import load

    files = {phase.name: phase.cif for phase in series.xrd.phases} if series.xrd else {}
    found = {}
    for phase in phases:
        try:
            file = files.get(phase)
            found[phase] = (load(phase) if file is None else read_cif(file)).formula
        except StructkitError:
            found[phase] = phase
    return found


def _add_raman(metrics: xr.Dataset, path: Path) -> xr.Dataset:
    """Add the logarithm of glass over crystal, less what cross-sections add to it."""
    stored = read_tree(path).to_dataset(inherit=False)
    names = [str(one) for one in stored[METRIC].to_numpy()]
    ratio: dict[str, float] = {}
    std: dict[str, float] = {}
    if "amorphous_share" in names:
        share = stored.sel({METRIC: "amorphous_share"})
        for name in (str(one) for one in stored[SAMPLE].to_numpy()):
            one = share.sel({SAMPLE: name})
            if not int(one["metric_resolved"]):
                continue
            value, low, high = (
                float(one[f"metric_{end}"]) for end in ("value", "low", "high")
            )
            if not 0.0 < value < 1.0 or not value < high < 1.0:
                continue
            reach = (_logit(high) - _logit(value)) / _SURE
            if low > 0.0:
                reach = (_logit(high) - _logit(low)) / (2.0 * _SURE)
            ratio[name] = _logit(value)
            own = max(reach**2 - KAPPA_STD**2, _LEAST_STD**2)
            std[name] = math.sqrt(own)
    text = "logarithm of glass over crystal in the Raman spectrum"
    return _put(
        metrics,
        {
            "glass_log_ratio": (ratio, "1", text),
            "glass_log_ratio_std": (std, "1", f"1 sigma of the {text}"),
        },
    )


def _logit(share: float) -> float:
    """Return ``ln(s / (1 - s))``."""
    return math.log(share / (1.0 - share))


def _add_nmr(metrics: xr.Dataset, path: Path, table: NmrTable) -> xr.Dataset:
    """Add the place of the product's line, and its relaxation rate where measured."""
    stored = read_tree(path)
    root = stored.to_dataset(inherit=False)
    products = [site.name for site in table.sites if site.role == "product"]
    sites = [str(one) for one in root[SITE].to_numpy()]
    if not products or products[0] not in sites:
        return metrics
    one = root.sel({SITE: products[0]})
    rate: dict[str, float] = {}
    rate_std: dict[str, float] = {}
    for name, t1 in _by_sample(one, "t1").items():
        std = _by_sample(one, "t1_std").get(name, math.nan)
        # a T1 without uncertainty was stated or taken over, not measured
        if t1 > 0.0 and std > 0.0 and "t1" in stored[name].children:
            rate[name], rate_std[name] = 1.0 / t1, std / t1**2
    return _put(
        metrics,
        {
            "line_shift": (_by_sample(one, "shift"), "ppm", "shift of the product"),
            "line_shift_std": (_by_sample(one, "shift_std"), "ppm", "its 1 sigma"),
            "relaxation_rate": (rate, "s-1", "relaxation rate of the product"),
            "relaxation_rate_std": (rate_std, "s-1", "its 1 sigma"),
        },
    )


def _add_conductivity(metrics: xr.Dataset, path: Path, celsius: float) -> xr.Dataset:
    """Add the logarithm of the total conductivity at one temperature."""
    from structkit.pipeline.eis_plan import EisOptions

    stored = read_tree(path)
    value: dict[str, float] = {}
    std: dict[str, float] = {}
    for name in map(str, stored.to_dataset(inherit=False)[SAMPLE_NAME].to_numpy()):
        node = stored[SAMPLES_NODE].children.get(name)
        if node is None or CONDUCTIVITY_NODE not in node.children:
            continue
        rows = node.children[CONDUCTIVITY_NODE].to_dataset(inherit=False)
        if not rows.sizes.get(MEASUREMENT, 0):
            continue
        settings = EisOptions().arrhenius
        sigma, error, _ = total_at(rows, celsius + _KELVIN, settings)
        if sigma > 0.0 and error > 0.0:
            value[name], std[name] = math.log(sigma), error / sigma
    return _put(
        metrics,
        {
            "log_conductivity": (value, "1", "logarithm of the conductivity, S cm-1"),
            "log_conductivity_std": (std, "1", "its 1 sigma"),
        },
    )
