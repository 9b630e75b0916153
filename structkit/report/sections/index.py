"""The amorphization index: scores, agreement, conflict, and conductivity beside it."""

from __future__ import annotations

import math
import re

import numpy as np
import xarray as xr

from structkit.plot.interactive.index import (
    draw_against_conductivity,
    draw_agreement,
    draw_scores,
    draw_variants,
)
from structkit.report.numbers import format_esd, format_ranged
from structkit.report.page import Plot, Section, TableView
from structkit.report.sections.impedance import room_conductivity
from structkit.report.sections.index_tables import (
    name_technique,
    view_samples,
    view_weighted,
)
from structkit.report.stored import Stored, arrange_samples, sample_labels
from structkit.report.tables import view_tables
from structkit.report.words import join_names
from structkit.schema import SAMPLE

STRUCTURAL = "struct"
IMPEDANCE = "eis"
_LEVEL = 0.05
"""p below which techniques are said to contradict one another."""
_LEAST_POINTS = 2
_FEW = (
    "no structural technique was measured: no number",
    "one technique alone: its value, no consensus number",
    "two techniques: both values, no consensus number",
)
"""Why there is no number to lead with, for so many structural techniques."""
_INDICES = {"AI_lat": "latent", "AI_pool": "pooled", "AI_X": "diffraction alone"}


def name_variant(name: str) -> str:
    """Return a variant in words.

    Examples
    --------
    >>> name_variant("without_xrd")
    'without diffraction'
    """
    if name == STRUCTURAL:
        return "structure (no conductivity)"
    if name == "all":
        return "all techniques"
    kind, _, technique = name.partition("_")
    return f"without {name_technique(technique)}" if kind == "without" else name


def describe_index(stored: Stored) -> Section | None:
    """Return the section; None where no index was formed."""
    tree = stored.trees.get("index")
    if tree is None:
        return None
    root = arrange_samples(stored, tree.to_dataset(inherit=False))
    names = sample_labels(stored)
    labels = [names[one] for one in root[SAMPLE].to_numpy().astype(str).tolist()]
    truth = stored.truth("amorphous_fraction")
    plots = []
    leading = leading_index(root)
    if "scores" in tree.children:
        own = tree.children["scores"].to_dataset(inherit=False)
        scores = arrange_samples(stored, _named(own, tree.to_dataset(inherit=False)))
        shown = _shown_index(root, leading)
        plots.append(
            Plot(
                key="index-scores",
                caption="What each technique says of each sample, and the index of all "
                "structural techniques beside it, with 95 % intervals. A score may lie "
                "outside 0 to 1; it is not cut.",
                figures=(
                    (
                        "scores",
                        draw_scores(
                            scores, shown, labels=labels, name=leading, truth=truth
                        ),
                    ),
                ),
            )
        )
    plots.append(
        Plot(
            key="index-variants",
            caption="The index without each technique in turn. Where points of one "
            "sample lie apart, one technique carries the number.",
            figures=tuple(_variant_figures(root, labels, leading)),
            choice="index",
        )
    )
    plots.extend(_agreement(tree))
    plots.extend(_conductivity(stored, root, leading))
    return Section(
        key="index",
        title="Amorphization index",
        sentences=tuple(_sentences(tree, root)),
        plots=tuple(one for one in plots if one.figures),
        tables=(
            *_own_tables(stored, tree, root),
            *view_tables(stored, ("index", "scores")),
        ),
    )


def _own_tables(stored: Stored, tree: xr.DataTree, root: xr.Dataset) -> list[TableView]:
    """Return what leads for each sample, and the shares by weights of one's own."""
    samples = root[SAMPLE].to_numpy().astype(str).tolist()
    lines = [
        (sample, scores_in_words(stored, sample), headline_of(root, sample))
        for sample in samples
    ]
    found = [
        view_samples(
            [(a, b, c[2], explain(root, a, len(b))) for a, b, c in lines],
            labels=sample_labels(stored),
        )
    ]
    if "weighted" in tree.children:
        weighted = tree.children["weighted"].to_dataset()
        found.append(view_weighted(arrange_samples(stored, weighted)))
    return found


def _named(scores: xr.Dataset, root: xr.Dataset) -> xr.Dataset:
    """Return scores that name their samples and call techniques by words."""
    own = (
        scores
        if SAMPLE in scores.coords
        else scores.assign_coords({SAMPLE: root[SAMPLE]})
    )
    words = [name_technique(str(name)) for name in own["modality"].to_numpy()]
    return own.assign_coords(modality=words)


def leading_index(root: xr.Dataset) -> str:
    """Return the index that leads most often; the most complete one without any."""
    names = [str(name) for name in root["index"].to_numpy()]
    order = [name for name in _INDICES if name in names] or names
    counts = {
        name: int((root["headline"].sel(index=name) == 1).sum()) for name in order
    }
    return max(order, key=lambda name: counts[name])


def _shown_index(root: xr.Dataset, name: str) -> xr.Dataset | None:
    """Return the structural index, only where it may lead."""
    if STRUCTURAL not in root["variant"].to_numpy():
        return None
    one = root.sel(index=name, variant=STRUCTURAL)
    return one[["value", "low", "high"]].where(one["headline"] == 1)


def _variant_figures(
    root: xr.Dataset, labels: list[str], leading: str
) -> list[tuple[str, dict[str, object]]]:
    """Return one figure for each index that has values, the leading one first."""
    names = [str(name) for name in root["index"].to_numpy()]
    figures = []
    for name in sorted(names, key=lambda one: one != leading):
        one = root.sel(index=name)
        if not bool(np.isfinite(one["value"]).any()):
            continue
        words = {str(v): name_variant(str(v)) for v in root["variant"].to_numpy()}
        title = f"{name} ({_INDICES[name]})" if name in _INDICES else name
        figures.append((title, draw_variants(one, labels=labels, names=words)))
    return figures


def _agreement(tree: xr.DataTree) -> list[Plot]:
    """Return how far each technique departs from the others."""
    if "agreement" not in tree.children:
        return []
    found = tree.children["agreement"].to_dataset(inherit=False)
    if "difference" not in found or not bool(np.isfinite(found["difference"]).any()):
        return []
    words = [name_technique(str(name)) for name in found["modality"].to_numpy()]
    return [
        Plot(
            key="index-agreement",
            caption="Each technique's score less the others', along the whole series, "
            "with 95 % intervals. An interval that does not meet zero is a technique "
            "that contradicts the others.",
            figures=(
                ("agreement", draw_agreement(found.assign_coords(modality=words))),
            ),
        )
    ]


def _conductivity(stored: Stored, root: xr.Dataset, leading: str) -> list[Plot]:
    """Return conductivity over those variants of the index that do not hold it."""
    samples = root[SAMPLE].to_numpy().astype(str)
    measured = {}
    for sample in samples.tolist():
        value, std, _ = room_conductivity(stored, sample)
        if math.isfinite(value):
            measured[sample] = (value, std)
    figures = []
    for variant in root["variant"].to_numpy().astype(str):
        one = root.sel(index=leading, variant=variant)
        held = " ".join(one["modalities"].to_numpy().astype(str)).split()
        known = [
            sample
            for sample in measured
            if np.isfinite(float(one["value"].sel({SAMPLE: sample})))
        ]
        if IMPEDANCE in held or variant == "all" or len(known) < _LEAST_POINTS:
            continue
        name = f"{leading}, {name_variant(variant)}"
        figures.append((name, draw_against_conductivity(one, measured, name=name)))
    if not figures:
        return []
    return [
        Plot(
            key="index-conductivity",
            caption="Conductivity against the index, with 95 % intervals. Only "
            "variants that hold no conductivity are drawn: an index that contains it "
            "would follow it by construction.",
            figures=tuple(figures),
            choice="variant",
        )
    ]


def headline_of(root: xr.Dataset, sample: str) -> tuple[str, str, str]:
    """Return index, variant and value in words of a sample; empty: none leads."""
    one = root.sel({SAMPLE: sample})
    places = np.argwhere(one["headline"].to_numpy() == 1)
    if len(places) == 0:
        return "", "", ""
    own = one.isel(index=int(places[0][0]), variant=int(places[0][1]))
    shown = format_ranged(*(float(own[name]) for name in ("value", "low", "high")))
    return str(own["index"].item()), str(own["variant"].item()), shown


def scores_in_words(stored: Stored, sample: str) -> tuple[str, ...]:
    """Return the score of each structural technique of a sample, as 0.81(3).

    Where a technique only bounds the share, its bounds.
    """
    tree = stored.trees.get("index")
    if tree is None or "scores" not in tree.children:
        return ()
    scores = tree.children["scores"].to_dataset(inherit=False)
    root = tree.to_dataset(inherit=False)
    place = root[SAMPLE].to_numpy().astype(str).tolist().index(sample)
    told = []
    for number, name in enumerate(scores["modality"].to_numpy().astype(str)):
        if "structural" in scores and not int(scores["structural"][number]):
            continue
        value, std, low, high = (
            float(scores[n].to_numpy()[place, number]) if n in scores else math.nan
            for n in ("score", "score_std", "score_low", "score_high")
        )
        if math.isfinite(value):
            told.append(f"{name_technique(name)} {format_esd(value, std)}")
        elif math.isfinite(low) or math.isfinite(high):
            least = low if math.isfinite(low) else 0.0
            most = high if math.isfinite(high) else 1.0
            told.append(
                f"{name_technique(name)} {least:.2f} to {most:.2f}, bounds only"
            )
    return tuple(told)


def explain(root: xr.Dataset, sample: str, count: int) -> str:
    """Return in plain words why a sample has no number to lead with.

    Parameters
    ----------
    root : xarray.Dataset
        Of ``index.nc``.
    sample : str
        Its name.
    count : int
        Structural techniques with a score; fewer than three give no consensus.
    """
    if headline_of(root, sample)[0]:
        return ""
    if str(root["conflict"].sel({SAMPLE: sample}).item()):
        return "the techniques disagree; each value stands alone"
    if count < len(_FEW):
        return _FEW[count]
    if STRUCTURAL not in root["variant"].to_numpy():
        return ""
    cell = root.sel({SAMPLE: sample, "index": leading_index(root)}, drop=True)
    return plain_reason(str(cell["reason"].sel(variant=STRUCTURAL).item()))


def plain_reason(reason: str) -> str:
    """Return a stored reason with techniques called by words.

    Examples
    --------
    >>> plain_reason("xrd and t1 alone on this sample")
    'diffraction and T1 alone on this sample'
    """
    return re.sub(r"[A-Za-z0-9]+", lambda one: name_technique(one[0]), reason)


def say_index(stored: Stored) -> list[str]:
    """Return the index of each sample that has one, then those without, by reason."""
    root = stored.root("index")
    if root is None:
        return []
    found = []
    without: dict[str, list[str]] = {}
    for sample in arrange_samples(stored, root)[SAMPLE].to_numpy().astype(str).tolist():
        name, variant, shown = headline_of(root, sample)
        told = scores_in_words(stored, sample)
        if name:
            own = root.sel(index=name, variant=variant, **{SAMPLE: sample})
            held = str(own["modalities"].item()).split()
            by = ", ".join(name_technique(one) for one in held)
            found.append(f"{sample}: {name} = {shown}, 95 %, from {by}.")
        else:
            values = f" ({'; '.join(told)})" if told else ""
            why = explain(root, sample, len(told)) or "no consensus number"
            without.setdefault(why, []).append(f"{sample}{values}")
    found += [f"{_start(why)}: {', '.join(names)}." for why, names in without.items()]
    return found


def say_conflicts(stored: Stored) -> list[str]:
    """Return where techniques contradict one another, in words."""
    root = stored.root("index")
    if root is None or "conflict" not in root:
        return []
    return [
        f"{sample}: {text}"
        for sample, text in zip(
            root[SAMPLE].to_numpy().astype(str),
            root["conflict"].to_numpy().astype(str),
            strict=True,
        )
        if text
    ]


def _start(words: str) -> str:
    """Return words with a capital letter first, the others as they are."""
    return words[:1].upper() + words[1:]


def _sentences(tree: xr.DataTree, root: xr.Dataset) -> list[str]:
    """Return calibration, remarks and why numbers are missing."""
    found = []
    calibration = str(root.attrs.get("calibration", ""))
    if calibration == "uncalibrated":
        found.append(
            "The index is uncalibrated: no mixtures of known content and no annealed "
            "series fix its endpoints and the disagreement between techniques."
        )
    elif calibration:
        found.append(f"The index is {calibration}.")
    remarks = str(root.attrs.get("remarks", "")).split("\n")
    found += [f"{_start(one.rstrip('.'))}." for one in dict.fromkeys(remarks) if one]
    if "agreement" in tree.children:
        found += _say_agreement(tree.children["agreement"].to_dataset(inherit=False))
    return found


def _say_agreement(agreement: xr.Dataset) -> list[str]:
    """Return which techniques contradict the others, and which do not."""
    against: list[str] = []
    others: list[str] = []
    for number, name in enumerate(agreement["modality"].to_numpy().astype(str)):
        value, std, p = (
            float(agreement[key].to_numpy()[number])
            for key in ("difference", "difference_std", "p_value")
        )
        if not (math.isfinite(value) and math.isfinite(p)):
            continue
        text = f"{name_technique(name)} by {format_esd(value, std)} (p = {p:.2g})"
        (against if p < _LEVEL else others).append(text)
    found = []
    if against:
        verb = "contradict" if against[1:] else "contradicts"
        found.append(f"{_start(join_names(against))} {verb} the other techniques.")
    if others:
        found.append(
            f"{'No other' if against else 'No'} technique contradicts the rest; they "
            f"differ from it: {join_names(others)}."
        )
    return found
