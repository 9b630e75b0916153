"""Diffraction: patterns, refinements, crystallinity and amorphous content."""

from __future__ import annotations

import xarray as xr

from structkit.plot.interactive.diffraction import (
    draw_amorphous,
    draw_phases,
    draw_rietveld,
    draw_stacked_patterns,
)
from structkit.report.numbers import format_number
from structkit.report.page import Plot, Section
from structkit.report.stored import (
    Stored,
    arrange_samples,
    is_milled,
    sample_labels,
)
from structkit.report.tables import view_tables
from structkit.report.words import Details
from structkit.schema import SAMPLE

_TABLES = ("amorphous", "phases", "samples", "kinetics", "series", "joint")


def describe_diffraction(stored: Stored) -> Section | None:
    """Return the section; None where no pattern was refined."""
    refined, contents = stored.trees.get("refine"), stored.root("crystallinity")
    if refined is None and contents is None:
        return None
    plots = []
    if refined is not None:
        plots += _pattern_plots(stored, refined)
    contents = None if contents is None else arrange_samples(stored, contents)
    base = contents if contents is not None else stored.root("refine")
    truth = stored.truth("amorphous_fraction")
    if contents is not None and "amorphous_fraction" in contents:
        plots.append(
            Plot(
                key="amorphous",
                caption="Amorphous weight fraction against milling time with its 95 % "
                "interval. Filled: the method that speaks; open: other methods that "
                "apply, drawn a little to the right. References stand beside the axis.",
                figures=(("amorphous", draw_amorphous(contents, truth)),),
            )
        )
    if base is not None and "weight_fraction_crystalline" in _names(stored):
        arranged = arrange_samples(stored, _with_fractions(stored))
        plots.append(
            Plot(
                key="phases",
                caption="What is left of each crystalline phase, with 1 sigma. An open "
                "triangle is a phase that is not seen, at its 95 % upper limit.",
                figures=(("phases", draw_phases(arranged, truth)),),
            )
        )
    return Section(
        key="diffraction",
        title="Diffraction",
        sentences=tuple(_sentences(stored)),
        details=_verdicts(contents),
        plots=tuple(plots),
        tables=view_tables(stored, _TABLES),
    )


def _verdicts(contents: xr.Dataset | None) -> Details:
    """Return what is said of each sample's amorphous content, in full."""
    if contents is None or "verdict" not in contents:
        return ()
    told = [str(one) for one in contents["verdict"].to_numpy() if str(one)]
    return (("Amorphous content of each sample, in full", tuple(told)),) if told else ()


def _names(stored: Stored) -> set[str]:
    """Return the variables of both roots."""
    roots = (stored.root("refine"), stored.root("crystallinity"))
    return {str(name) for root in roots if root is not None for name in root.data_vars}


def _with_fractions(stored: Stored) -> xr.Dataset:
    """Return the contents, with the shares of the crystalline part from refine.nc."""
    refined, contents = stored.root("refine"), stored.root("crystallinity")
    if contents is None:
        if refined is None:
            raise ValueError("neither refine.nc nor crystallinity.nc")
        return refined
    if refined is None:
        return contents
    missing = [
        name
        for name in (
            "weight_fraction_crystalline",
            "weight_fraction_crystalline_std",
            "detection_limit",
        )
        if name in refined and name not in contents
    ]
    return contents.merge(refined[missing], join="left", compat="override")


def _pattern_plots(stored: Stored, refined: xr.DataTree) -> list[Plot]:
    """Return the stacked patterns and one refinement for each sample."""
    curves, fits = {}, []
    references = set()
    root = refined.to_dataset(inherit=False)
    for sample, label in sample_labels(stored).items():
        if sample not in refined.children:
            continue
        node = refined.children[sample]
        if "curves" not in node.children:
            continue
        if not is_milled(stored, sample):
            references.add(label)
        one = node.children["curves"].to_dataset(inherit=False)
        if "phase" not in one.coords and "phase" in root.coords:
            one = one.assign_coords(phase=root["phase"])
        curves[label] = one
        marks = (
            node.children["reflections"].to_dataset(inherit=False)
            if "reflections" in node.children
            else None
        )
        fits.append((label, draw_rietveld(one, marks)))
    if not curves:
        return []
    return [
        Plot(
            key="patterns",
            caption="Measured patterns in the order of milling time, the shortest at "
            "the bottom, references in grey above; square roots of intensities over "
            "their highest.",
            figures=(
                ("patterns", draw_stacked_patterns(curves, references=references)),
            ),
        ),
        Plot(
            key="rietveld",
            caption="Refinement: observed, calculated, background and halo; marks of "
            "the reflections of each phase; the difference below.",
            figures=tuple(fits),
        ),
    ]


def _sentences(stored: Stored) -> list[str]:
    """Return how the refinements ended and what is left unexplained."""
    found = []
    refined, contents = stored.root("refine"), stored.root("crystallinity")
    if refined is not None:
        for sample in refined[SAMPLE].to_numpy().astype(str):
            one = refined.sel({SAMPLE: sample})
            status = str(one["status"].item()) if "status" in one else ""
            reason = str(one["reason"].item()) if "reason" in one else ""
            if status and status != "converged":
                found.append(f"{sample}: refinement {status}: {reason}")
        if "r_wp_percent" in refined:
            low, high = (
                format_number(float(value), 3)
                for value in (
                    refined["r_wp_percent"].min(),
                    refined["r_wp_percent"].max(),
                )
            )
            found.append(
                f"{refined.sizes[SAMPLE]} patterns refined; Rwp {low} to {high} %."
            )
    if contents is not None and "unexplained_lines" in contents:
        for sample in contents[SAMPLE].to_numpy().astype(str):
            text = str(contents["unexplained_lines"].sel({SAMPLE: sample}).item())
            if text and not text.startswith("no line"):
                found.append(f"{sample}: {text}")
    return found
