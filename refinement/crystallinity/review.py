"""A second look at a series: what a careful reader should be told of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.special import chdtrc

from refinement.crystallinity import flags
from refinement.crystallinity.content import SampleContent, SeriesContent
from refinement.crystallinity.facts import UNMILLED, SeriesFacts
from refinement.crystallinity.flags import Flag
from refinement.crystallinity.methods import EXTERNAL, SIGNIFICANCE, spoken
from refinement.crystallinity.reference import is_known
from refinement.crystallinity.smooth_parts import (
    AmorphousPart,
    blank_at,
    geometry_of,
)
from refinement.result import RefinementResult
from structkit.schema import PHASE, SAMPLE
from structkit.structures.composition import parse_formula

_MOST_HALO = 0.12
"""Share of the smooth scattering of a wholly crystalline sample that may be neither
blank nor its own before it is told."""
_MOST_FILM = 0.25
"""Excess of film over that of the reference, relative, from which it is told."""
_LEAST_SAMPLES = 4
"""Samples needed to tell which one lies under another film."""
_GLASSY = 0.15
"""Amorphous scale over the largest from which a halo is one to compare with."""
_SIGMAS = 3.0


def raise_flags(
    content: SeriesContent,
    results: Mapping[str, RefinementResult],
    facts: SeriesFacts,
) -> list[Flag]:
    """Return everything that should be told, the series first.

    Parameters
    ----------
    content : SeriesContent
        From :func:`refinement.crystallinity.content.find_contents`.
    results : mapping of str to RefinementResult
        By sample.
    facts : SeriesFacts
        What was weighed in.
    """
    found = [
        *_of_blank(content, results, facts),
        *_of_constant(content),
        *_of_film(content, results, facts),
    ]
    for name, sample in content.samples.items():
        found += _of_sample(sample, facts)
        found += _of_elements(sample, facts)
        result = results[name]
        parameters = result.parameters
        if result.status.has_values and float(parameters.get("esd_reliable", 1.0)) == 0:
            text = (
                "its noise is not counting noise: limits, esds and chi-squares of this "
                "sample are unreliable"
            )
            found.append(Flag(code=flags.UNRELIABLE_NOISE, sample=name, text=text))
    return found


def with_flags(contents: xr.Dataset, found: Sequence[Flag]) -> xr.Dataset:
    """Return the contents with the codes of each sample and of the series."""
    codes = [
        ", ".join(dict.fromkeys(f.code for f in found if f.sample == str(name)))
        for name in contents[SAMPLE].to_numpy()
    ]
    series = ", ".join(dict.fromkeys(f.code for f in found if not f.sample))
    own = {"long_name": "what should be told of the sample"}
    return contents.assign(flags=(SAMPLE, codes, own)).assign_attrs(series_flags=series)


def _of_blank(
    content: SeriesContent,
    results: Mapping[str, RefinementResult],
    facts: SeriesFacts,
) -> Iterator[Flag]:
    """Tell of a film without a blank, and of a halo where there can be none."""
    if facts.blank is None and facts.film_thickness_um > 0.0:
        text = (
            "the samples lie under a film, and no blank of it was measured: its hump "
            "cannot be told from the amorphous part; measure film and holder alone"
        )
        yield Flag(code=flags.BLANK_MISSING, sample="", text=text)
    for name, result in results.items():
        if not is_known(name, facts) or not result.status.has_values:
            continue
        share = _halo_share(content, result)
        if share > _MOST_HALO:
            text = (
                f"{100.0 * share:.0f} % of the smooth scattering is neither blank nor "
                "the crystals' own, though nothing in this sample is amorphous: film "
                "or holder are missing in the blank, or it is not crystalline"
            )
            yield Flag(code=flags.HALO_IN_REFERENCE, sample=name, text=text)


def _halo_share(content: SeriesContent, result: RefinementResult) -> float:
    """Return the share of the smooth scattering that nothing explains."""
    if math.isfinite(content.blank.misfit):
        return content.blank.misfit
    curves = result.curves
    halo = float(curves["halo"].sum())
    total = halo + float(curves["background"].sum())
    return halo / total if total > 0.0 and math.isfinite(halo) else 0.0


def _of_constant(content: SeriesContent) -> Iterator[Flag]:
    """Tell where estimates of the constant contradict each other."""
    chosen = content.constants.chosen
    if chosen is None:
        return
    freedom = chosen.degrees_of_freedom
    if freedom >= 1 and float(chdtrc(freedom, chosen.chi_square)) < SIGNIFICANCE:
        parts = ", ".join(
            f"{one.phase} {math.exp(float(d)):.3f}"
            for one, d in zip(chosen.estimates, chosen.deviations, strict=True)
        )
        text = (
            f"the phases of {', '.join(chosen.samples)} give different instrument "
            f"constants (over the common one: {parts}; chi-square "
            f"{chosen.chi_square:.1f} on {freedom}): a wrong structure, texture, "
            "coarse particles, or a weighing; the spread is in the uncertainty"
        )
        yield Flag(code=flags.CONSTANT_SPREAD, sample="", text=text)
    for other in content.constants.others:
        difference = other.log_common - chosen.log_common
        std = math.hypot(other.log_common_std, chosen.log_common_std)
        if abs(difference) > _SIGMAS * max(std, 0.02):
            text = (
                f"{other.source} gives {math.exp(difference):.3f} times the instrument "
                f"constant of {chosen.source} (relative 1 sigma {std:.3f})"
            )
            yield Flag(code=flags.CONSTANT_SPREAD, sample="", text=text)


def _of_film(
    content: SeriesContent,
    results: Mapping[str, RefinementResult],
    facts: SeriesFacts,
) -> Iterator[Flag]:
    """Tell where a sample lies under more film, or less, than the others."""
    parts = {n: s.part for n, s in content.samples.items() if s.part is not None}
    factor = content.blank.factor
    if len(parts) < _LEAST_SAMPLES or not factor > 0.0:
        return
    strongest = max(part.scale.value for part in parts.values())
    glassy = [n for n, p in parts.items() if p.scale.value > _GLASSY * strongest]
    excess = _excess_of_film(parts, glassy, results, facts, factor)
    for name, value in excess.items():
        if abs(value) > _MOST_FILM:
            text = (
                f"holds {100.0 * value:+.0f} % of the blank's scattering beyond its "
                "likes, at least: another film thickness, or another holder; its "
                "lines are weakened or strengthened too"
            )
            yield Flag(code=flags.FILM, sample=name, text=text)


def _excess_of_film(
    parts: Mapping[str, AmorphousPart],
    glassy: Sequence[str],
    results: Mapping[str, RefinementResult],
    facts: SeriesFacts,
    factor: float,
) -> dict[str, float]:
    """Return how much of the blank's scattering each sample holds beyond the others.

    The rest of its smooth scattering is held against the halo of a glass and the blank
    together, for the two glasses most like it. Only what both say counts: the smaller
    of the two where they agree in sign, else nothing, since either may be the odd one.
    """
    found: dict[str, float] = {}
    for name, part in parts.items():
        geometry = geometry_of(results[name], facts)
        film = blank_at(facts, geometry) * factor / geometry.response
        alike = sorted(
            (
                other
                for other in glassy
                if other != name and parts[other].halo.shape == film.shape
            ),
            key=lambda other: abs(parts[other].value - part.value),
        )[:2]
        if len(alike) < 2:
            continue
        beyond = [
            float(
                np.linalg.lstsq(
                    np.column_stack([parts[other].halo, film]), part.halo, rcond=None
                )[0][1]
            )
            for other in alike
        ]
        agreed = beyond[0] * beyond[1] > 0.0
        found[name] = min(beyond, key=abs) if agreed else 0.0
    return found


def _of_elements(sample: SampleContent, facts: SeriesFacts) -> Iterator[Flag]:
    """Tell of phases that hold what was never weighed in."""
    own, facts_of = sample.scales, facts.samples[sample.name]
    if own is None or facts_of.composition is None:
        return
    weighed = {
        e
        for e, n in zip(
            facts_of.composition.elements,
            facts_of.composition.atoms.tolist(),
            strict=True,
        )
        if n > 0.0
    }
    spike = None if facts_of.spike is None else facts_of.spike.phase
    for phase, seen in zip(own.phases, own.detected.tolist(), strict=True):
        foreign = sorted(set(parse_formula(facts.formulas[phase])) - weighed)
        if seen and foreign and phase != spike:
            text = (
                f"{phase} is seen and holds {', '.join(foreign)}, of which none was "
                "weighed in: the wrong CIF, or a contamination to be named"
            )
            yield Flag(code=flags.FOREIGN_ELEMENT, sample=sample.name, text=text)


def _of_sample(sample: SampleContent, facts: SeriesFacts) -> Iterator[Flag]:
    """Tell what one sample's methods say against each other and against the atoms."""
    name, known = sample.name, facts.samples[sample.name]
    if known.composition_remark:
        text = known.composition_remark
        yield Flag(code=flags.COMPOSITION, sample=name, text=text)
    if sample.contradiction:
        yield Flag(code=flags.CLOSURE, sample=name, text=sample.contradiction)
    primary, check = sample.primary, sample.check
    if primary is not None and not check.agrees:
        text = (
            f"{spoken(primary.method)} and {spoken(check.method)} differ by "
            f"{100.0 * check.difference:.1f} wt%, 1 sigma {100.0 * check.std:.1f} "
            f"(chi-square {check.chi_square:.1f}): one of their assumptions fails"
        )
        yield Flag(code=flags.DISAGREEMENT, sample=name, text=text)
    if primary is None or sample.scales is None:
        return
    spike = None if known.spike is None else known.spike.phase
    crystals = sample.scales.without(spike)
    if not crystals.detected.any():
        least = 1.0 - primary.low if math.isfinite(primary.low) else math.nan
        text = "no crystalline phase is seen" + (
            f": at most {100.0 * least:.1f} % crystalline (95 %)"
            if math.isfinite(least)
            else ""
        )
        yield Flag(code=flags.ALL_AMORPHOUS, sample=name, text=text)
    if not primary.has_value:
        return
    if known.role == UNMILLED:
        if primary.low > 0.02 and primary.method != EXTERNAL:
            text = (
                f"{100.0 * primary.value:.1f} % of the unmilled mixture is not seen as "
                "crystals: moisture, fine powder, or a wrong standard"
            )
            yield Flag(code=flags.REFERENCE_NOT_WHOLE, sample=name, text=text)
    elif primary.low <= 0.0:
        text = (
            f"an amorphous part is not resolved: at most {100.0 * primary.high:.1f} % "
            "(95 %)"
        )
        yield Flag(code=flags.ALL_CRYSTALLINE, sample=name, text=text)


def phases_seen(content: SeriesContent) -> xr.DataArray:
    """Return which phases are seen in which sample, over ``sample`` and ``phase``."""
    rows = {n: s.scales for n, s in content.samples.items() if s.scales is not None}
    phases = next((s.phases for s in rows.values()), ())
    return xr.DataArray(
        np.array([s.detected for s in rows.values()]).reshape(len(rows), len(phases)),
        coords={SAMPLE: list(rows), PHASE: list(phases)},
        dims=(SAMPLE, PHASE),
    )
