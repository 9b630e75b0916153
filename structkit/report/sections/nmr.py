"""NMR: lines, composition, relaxation."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from structkit.plot.interactive.nmr import draw_lines, draw_recovery
from structkit.report.page import Plot, Section
from structkit.report.stored import Stored, arrange_samples, sample_labels
from structkit.report.tables import view_tables
from structkit.report.words import fold_equal
from structkit.schema import SAMPLE, SITE

_TABLES = ("nmr_composition", "nmr_sites", "t1", "nmr_relaxation", "nmr_remarks")
_PRODUCT = "NTOC"
_QUANTITIES = {"x": "x", "na_per_ta": "sodium per tantalum"}


def describe_nmr(stored: Stored) -> Section | None:
    """Return the section; None where no spectrum was fitted."""
    tree = stored.trees.get("nmr")
    if tree is None:
        return None
    spectra, recoveries = [], []
    root = arrange_samples(stored, tree.to_dataset(inherit=False))
    for sample, label in sample_labels(stored).items():
        node = tree.children.get(sample)
        if node is None:
            continue
        if "lines" in node.children:
            lines = node.children["lines"].to_dataset(inherit=False)
            spectra.append((label, draw_lines(lines)))
        for number, one in _recoveries(node):
            kelvin = float(one["temperature"]) if "temperature" in one else math.nan
            at = f", {kelvin:.0f} K" if math.isfinite(kelvin) else ""
            drawn = draw_recovery(one, told=_told_sites(root, sample, one))
            recoveries.append((f"{label}, recovery {number}{at}", drawn))
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
                "T1 is told; each over the end of its law. Faint: a line without "
                "one, over its largest area.",
                figures=tuple(recoveries),
                choice="recovery",
            )
        )
    return Section(
        key="nmr",
        title="NMR",
        sentences=tuple(_sentences(root)),
        plots=tuple(plots),
        tables=view_tables(stored, _TABLES),
    )


def _recoveries(node: xr.DataTree) -> list[tuple[str, xr.Dataset]]:
    """Return the recoveries of a sample with their numbers."""
    if "t1" not in node.children:
        return []
    return [
        (number, one.to_dataset(inherit=False))
        for number, one in node.children["t1"].children.items()
    ]


def _told_sites(root: xr.Dataset, sample: str, recovery: xr.Dataset) -> set[str]:
    """Return the sites of which a T1 is told: by the recovery itself, or by the root.

    A recovery's own law tells where it was fitted well enough to have limits.
    """
    if {"t1_low", "t1_high", "chosen"} <= set(recovery.data_vars):
        chosen = recovery["chosen"] > 0
        ends = np.isfinite(recovery["t1_low"]) & np.isfinite(recovery["t1_high"])
        told = (chosen & ends).any("law").to_numpy()
        names = recovery["own_site"].to_numpy().astype(str)
        return {str(name) for name, known in zip(names, told, strict=True) if known}
    if "t1" not in root or sample not in root[SAMPLE].to_numpy():
        return set()
    own = np.isfinite(root["t1"].sel({SAMPLE: sample}).to_numpy())
    return set(root[SITE].to_numpy()[own].astype(str).tolist())


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
    """Return what is to be known of fits and compositions, equal things once."""
    fits: list[tuple[str, str]] = []
    told: list[tuple[str, str]] = []
    for sample in root[SAMPLE].to_numpy().astype(str):
        one = root.sel({SAMPLE: sample})
        status = str(one["status"].item()) if "status" in one else ""
        if status not in {"converged", ""}:
            fits.append((sample, f"line fit {status}: {one['reason'].item()}."))
        if "quantity" not in one.coords:
            continue
        for name, title in _QUANTITIES.items():
            if name not in one["quantity"].to_numpy():
                continue
            text = str(one["composition_remark"].sel(quantity=name).item())
            if text and np.isfinite(float(one["composition_value"].sel(quantity=name))):
                told.append((sample, f"{title}: {text}."))
    return [*fold_equal(fits), *fold_equal(told)]
