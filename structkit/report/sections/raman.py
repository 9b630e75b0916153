"""Raman: spectra with bands, metrics along the series, readings."""

from __future__ import annotations

import numpy as np
import xarray as xr

from structkit.errors import SchemaError
from structkit.plot.interactive.raman import (
    draw_bands,
    draw_metric,
    draw_stacked_spectra,
)
from structkit.plot.raman_stored import stored_curves
from structkit.report.numbers import format_number
from structkit.report.page import Plot, Section
from structkit.report.stored import (
    Stored,
    arrange_samples,
    is_milled,
    sample_labels,
)
from structkit.report.tables import view_tables
from structkit.schema import METRIC, SAMPLE

_TABLES = ("raman_metrics", "raman_hypotheses", "raman_bands", "raman_remarks")
METRIC_TITLES = {
    "amorphous_share": "glass share of the Raman light",
    "S_ax": "S_ax: octahedra distorted along their axis",
    "r_ax": "r_ax: intensity at 400 to 420 over 280 to 400 cm⁻¹",
    "out_of_plane_ratio": "ratio of intensities, 100–150 over 200–420 cm⁻¹",
    "in_plane_ratio": "ratio of intensities, 150–200 over 200–420 cm⁻¹",
    "bend_ratio": "ratio of intensities, 100–150 over 150–200 cm⁻¹",
    "r_O": "r_O: intensity at 700 to 900 over 200 to 420 cm⁻¹",
    "oxide_ratio": "ratio of intensities, 700–900 over 200–420 cm⁻¹, oxide",
}
_CLOSE = 10.0
"""A reading whose BIC is within this of the best is a rival."""


def describe_raman(stored: Stored) -> Section | None:
    """Return the section; None where no spectrum was fitted."""
    tree = stored.trees.get("raman")
    if tree is None:
        return None
    root = arrange_samples(stored, tree.to_dataset(inherit=False))
    stacked, single, references = {}, [], set()
    for sample, label in sample_labels(stored).items():
        try:
            curves = stored_curves(tree, sample)
        except SchemaError:
            continue
        if not is_milled(stored, sample):
            references.add(label)
        stacked[label] = curves
        single.append((label, draw_bands(curves)))
    plots = []
    if stacked:
        plots.append(
            Plot(
                key="raman-spectra",
                caption="Raman spectra less their baselines, the brightest spot of "
                "each sample; thin: data, thick: the fitted bands together; grey: "
                "references.",
                figures=(
                    ("spectra", draw_stacked_spectra(stacked, references=references)),
                ),
            )
        )
        plots.append(
            Plot(
                key="raman-bands",
                caption="The same spots with the bands of each species on the "
                "baseline. A click on an entry of the legend hides it.",
                figures=tuple(single),
            )
        )
    metrics = _metric_figures(stored, root)
    if metrics:
        plots.append(
            Plot(
                key="raman-metrics",
                caption="Metrics against milling time with 95 % limits. Pale and "
                "hollow: the data do not determine the metric.",
                figures=tuple(metrics),
                choice="metric",
            )
        )
    return Section(
        key="raman",
        title="Raman",
        sentences=tuple(_sentences(root)),
        plots=tuple(plots),
        tables=view_tables(stored, _TABLES),
    )


def _metric_figures(
    stored: Stored, root: xr.Dataset
) -> list[tuple[str, dict[str, object]]]:
    """Return one figure for each metric that has a value."""
    if METRIC not in root.coords:
        return []
    known = [str(name) for name in root[METRIC].to_numpy()]
    order = [name for name in METRIC_TITLES if name in known]
    order += [name for name in known if name not in METRIC_TITLES]
    figures = []
    for name in order:
        if not bool(np.isfinite(root["metric_value"].sel({METRIC: name})).any()):
            continue
        title = METRIC_TITLES.get(name, name.replace("_", " "))
        known_as = {"amorphous_share": "glass_share"}.get(name, name)
        truth = stored.truth(known_as)
        figures.append(
            (title, draw_metric(root, name, title=name.replace("_", " "), truth=truth))
        )
    return figures


def _sentences(root: xr.Dataset) -> list[str]:
    """Return the best reading of each sample, its rivals, and failed fits."""
    found = []
    for sample in root[SAMPLE].to_numpy().astype(str):
        one = root.sel({SAMPLE: sample})
        status, reason = (
            str(one[name].item()) if name in one else ""
            for name in ("status", "reason")
        )
        if status and status != "converged":
            found.append(f"{sample}: fit {status}: {reason}")
        said = _reading(one)
        if said:
            found.append(f"{sample}: {said}")
    return found


def _reading(one: xr.Dataset) -> str:
    """Return the best reading of a spectrum and those that come close."""
    if "delta_bic" not in one or "hypothesis" not in one.coords:
        return ""
    values = one["delta_bic"].to_numpy()
    names = one["hypothesis"].to_numpy().astype(str)
    order = np.argsort(np.where(np.isfinite(values), values, np.inf))
    if not np.isfinite(values[order[0]]):
        return ""
    best = names[order[0]]
    close = [
        f"{names[k]} (ΔBIC {format_number(float(values[k]), 2)})"
        for k in order[1:]
        if values[k] < _CLOSE
    ]
    if close:
        return f"read best as {best}; not told apart from {', '.join(close)}."
    second = values[order[1]] if len(order) > 1 else np.nan
    margin = (
        f"; the next reading, {names[order[1]]}, is worse by ΔBIC "
        f"{format_number(float(second), 3)}"
        if np.isfinite(second)
        else ""
    )
    return f"read best as {best}{margin}."
