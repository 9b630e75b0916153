"""NMR: lines, composition, relaxation."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from structkit.plot.interactive.nmr import draw_lines, draw_recovery
from structkit.report.page import Plot, Section
from structkit.report.stored import Stored, label_sample, sample_times
from structkit.report.tables import view_table
from structkit.schema import SAMPLE, SITE

_TABLES = ("nmr_composition", "nmr_sites", "t1", "nmr_relaxation", "nmr_remarks")
_PRODUCT = "NTOC"


def describe_nmr(stored: Stored) -> Section | None:
    """Return the section; None where no spectrum was fitted."""
    tree = stored.trees.get("nmr")
    if tree is None:
        return None
    spectra, recoveries = [], []
    for sample, hours in sample_times(stored).items():
        node = tree.children.get(sample)
        if node is None:
            continue
        label = label_sample(sample, hours)
        if "lines" in node.children:
            lines = node.children["lines"].to_dataset(inherit=False)
            spectra.append((label, draw_lines(lines)))
        for number, one in _recoveries(node):
            kelvin = float(one["temperature"]) if "temperature" in one else math.nan
            at = f", {kelvin:.0f} K" if math.isfinite(kelvin) else ""
            recoveries.append((f"{label}, recovery {number}{at}", draw_recovery(one)))
    plots = []
    if spectra:
        nucleus = str(tree.attrs.get("nucleus", "NMR"))
        plots.append(
            Plot(
                key="nmr-lines",
                caption=f"{nucleus} spectra, the line of each site on its baseline; "
                "the residual is shifted down.",
                figures=tuple(spectra),
            )
        )
    if recoveries:
        plots.append(
            Plot(
                key="nmr-recoveries",
                caption="Areas of the lines against recovery delay with the laws whose "
                "T1 is told; each over the end of its law.",
                figures=tuple(recoveries),
                choice="recovery",
            )
        )
    return Section(
        key="nmr",
        title="NMR",
        sentences=tuple(_sentences(tree.to_dataset(inherit=False))),
        plots=tuple(plots),
        tables=tuple(
            view_table(name, stored.tables[name])
            for name in _TABLES
            if name in stored.tables
        ),
    )


def _recoveries(node: xr.DataTree) -> list[tuple[str, xr.Dataset]]:
    """Return the recoveries of a sample with their numbers."""
    if "t1" not in node.children:
        return []
    return [
        (number, one.to_dataset(inherit=False))
        for number, one in node.children["t1"].children.items()
    ]


def composition_x(stored: Stored, sample: str) -> tuple[float, float, float]:
    """Return x and its 95 % limits; NaN where there is none."""
    root = stored.root("nmr")
    if root is None or "quantity" not in root.coords:
        return math.nan, math.nan, math.nan
    if sample not in root[SAMPLE].to_numpy() or "x" not in root["quantity"].to_numpy():
        return math.nan, math.nan, math.nan
    one = root.sel({SAMPLE: sample, "quantity": "x"})
    value, low, high = (
        float(one[f"composition_{end}"]) for end in ("value", "low", "high")
    )
    return value, low, high


def product_t1(stored: Stored, sample: str) -> tuple[float, float]:
    """Return T1 of the product's line and 1 sigma (**s**); NaN where there is none."""
    root = stored.root("nmr")
    if root is None or "t1" not in root or sample not in root[SAMPLE].to_numpy():
        return math.nan, math.nan
    sites = root[SITE].to_numpy().astype(str)
    site = _PRODUCT if _PRODUCT in sites else sites[0]
    one = root.sel({SAMPLE: sample, SITE: site})
    return float(one["t1"]), float(one["t1_std"])


def _sentences(root: xr.Dataset) -> list[str]:
    """Return what is to be known of fits and compositions."""
    found = []
    for sample in root[SAMPLE].to_numpy().astype(str):
        one = root.sel({SAMPLE: sample})
        status = str(one["status"].item()) if "status" in one else ""
        if status not in {"converged", ""}:
            found.append(f"{sample}: line fit {status}: {one['reason'].item()}")
        if "quantity" not in one.coords:
            continue
        for name in one["quantity"].to_numpy().astype(str):
            text = str(one["composition_remark"].sel(quantity=name).item())
            value = float(one["composition_value"].sel(quantity=name))
            if name in {"x", "na_per_ta"} and text and np.isfinite(value):
                title = {"x": "x", "na_per_ta": "sodium per tantalum"}[name]
                found.append(f"{sample}, {title}: {text}.")
    return found
