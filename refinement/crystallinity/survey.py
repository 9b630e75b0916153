"""What could be seen of each phase in each sample: presence, limits, sizes, strangers.

The methods weigh what was fitted; this asks how far each of it can be trusted to be
there at all, and what else may be. Everything in scale units is brought to weight
fractions of the sample where the series has an instrument constant.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity import flags
from refinement.crystallinity.content import SampleContent, SeriesContent
from refinement.crystallinity.facts import UNMILLED, SeriesFacts
from refinement.crystallinity.flags import Flag
from refinement.crystallinity.invisible import invisible_phase
from refinement.crystallinity.milling import (
    expected_phases,
    made_of_others,
    precursors_of,
)
from refinement.crystallinity.presence import censored, presence
from refinement.crystallinity.unexplained import unexplained_lines
from refinement.crystallinity.williamson_hall import line_sizes
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import StructkitError
from structkit.schema import PHASE, SAMPLE

Floats = NDArray[np.float64]
_LOG = logging.getLogger(__name__)

STRANGER = 0.35
"""Area over that of the fitted lines around it from which a residual line is told:
preferred orientation that the plan does not model (March's r to 0.9) leaves less."""
_LIMITS = {
    "presence_p_value": ("p_value", "1", "chance of such lines without the phase"),
    "present": ("present", "1", "phase is present"),
    "assumed_size_nm": ("assumed_size_nm", "nm", "crystallite size assumed"),
    "assumed_fwhm": ("assumed_fwhm", "degree", "line width assumed"),
}
_CONTENTS = {
    "detection_limit_sample": (
        "scale_detection_limit",
        "detection limit, weight fraction of the sample",
    ),
    "decision_level_sample": (
        "decision_level",
        "weight fraction of the sample from which the phase is called present",
    ),
    "upper_limit_sample": (
        "scale_upper_limit",
        "95 % upper limit, weight fraction of the sample",
    ),
}
_SIZES = ("size_scherrer", "size_wh", "strain_wh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What could be seen, and what should be told of it."""

    dataset: xr.Dataset
    """Over ``sample`` and ``phase``."""
    flags: tuple[Flag, ...]
    """Strangers, phases that hide, precursors that stay."""


def survey_series(
    results: Mapping[str, RefinementResult],
    facts: SeriesFacts,
    content: SeriesContent,
) -> Survey:
    """Return what could be seen of each phase in each sample.

    Parameters
    ----------
    results : mapping of str to RefinementResult
        By sample.
    facts : SeriesFacts
        With the plan.
    content : SeriesContent
        Its instrument constant brings scales to weight fractions.

    Returns
    -------
    Survey
        Its dataset over ``sample`` and ``phase``: ``present``, ``presence_p_value``,
        ``detection_limit_sample``, ``decision_level_sample``, ``upper_limit_sample``
        (weight fractions of the sample, ``1``; NaN without a constant) at
        ``assumed_size_nm`` (nm) and ``assumed_fwhm`` (degree); ``size_scherrer``,
        ``size_wh`` (nm), ``strain_wh`` (1) of separate lines, with ``_std``;
        ``presence_verdict``, ``size_verdict``. Over ``sample``:
        ``unexplained_lines``, in words.
    """
    phases = list(facts.phases)
    rows, told = [], []
    for name, result in results.items():
        row, found = _survey_one(name, result, facts, content.samples[name], content)
        rows.append(row.reindex({PHASE: phases}).expand_dims({SAMPLE: [name]}))
        told += found
    joined = xr.concat(rows, dim=SAMPLE, combine_attrs="drop_conflicts")
    for text in ("presence_verdict", "size_verdict", "unexplained_lines"):
        if text in joined:
            filled = joined[text].astype(object).fillna("").astype(str)
            joined[text] = filled.assign_attrs(long_name=text.replace("_", " "))
    told += _precursors_left(joined, facts)
    return Survey(dataset=joined, flags=tuple(told))


def with_survey(contents: xr.Dataset, survey: xr.Dataset) -> xr.Dataset:
    """Return contents with what could be seen, non-detects marked for the kinetics.

    A phase that is not present is censored at its decision level.
    """
    merged = contents.merge(survey, join="outer")
    if "decision_level_sample" not in merged:
        return merged
    return censored(
        merged,
        "weight_fraction_sample",
        limit=merged["decision_level_sample"],
        detected=merged["present"],
    )


def plan_of(result: RefinementResult, facts: SeriesFacts, name: str) -> RefinementPlan:
    """Return the plan by which one sample was refined: its phases, its standard.

    Raises
    ------
    StructkitError
        The facts hold no plan.
    """
    return facts.plan_of(name, [str(p) for p in result.parameters[PHASE].to_numpy()])


def _survey_one(
    name: str,
    result: RefinementResult,
    facts: SeriesFacts,
    sample: SampleContent,
    content: SeriesContent,
) -> tuple[xr.Dataset, list[Flag]]:
    """Return one sample's row and flags; a part that fails is left out and logged."""
    empty = xr.Dataset(coords={PHASE: list(facts.phases)})
    if not result.status.has_values or facts.plan is None:
        return empty, []
    plan = plan_of(result, facts, name)
    row, told = empty, []
    try:
        row = _presence(result, plan, facts, name, content)
        row = row.merge(_sizes(result, plan), join="exact")
        strangers = unexplained_lines(result, plan, tolerance=STRANGER)
        row["unexplained_lines"] = ((), str(strangers["verdict"].item()))
        if strangers.sizes["line"]:
            text = str(strangers["verdict"].item())
            told.append(Flag(code=flags.UNEXPLAINED_LINES, sample=name, text=text))
        told += _hidden(name, result, plan, facts, row, content)
    except StructkitError as error:
        _LOG.warning("%s: what could be seen is not known: %s", name, error)
    return row, told


def _weight_per_scale(
    name: str, facts: SeriesFacts, content: SeriesContent
) -> dict[str, float]:
    """Return dW/dS of each phase, empty without a constant."""
    constant = content.constants.chosen
    attenuation = facts.attenuation_of(name)
    if constant is None or math.isnan(attenuation):
        return {}
    spike = facts.samples[name].spike
    share = 0.0 if spike is None else spike.weight_fraction
    factors = attenuation * np.exp(-constant.log_constants) / (1.0 - share)
    return dict(zip(constant.phases, factors.tolist(), strict=True))


def _presence(
    result: RefinementResult,
    plan: RefinementPlan,
    facts: SeriesFacts,
    name: str,
    content: SeriesContent,
) -> xr.Dataset:
    """Return presence and limits of a sample's phases."""
    found = presence(result, plan)
    row = xr.Dataset(coords={PHASE: found[PHASE]})
    for new, (old, units, long_name) in _LIMITS.items():
        row[new] = found[old].assign_attrs(units=units, long_name=long_name)
    per_scale = _weight_per_scale(name, facts, content)
    factors = [per_scale.get(str(p), math.nan) for p in found[PHASE].to_numpy()]
    weights = xr.DataArray(factors, dims=(PHASE,))
    for new, (old, long_name) in _CONTENTS.items():
        row[new] = (found[old] * weights).assign_attrs(units="1", long_name=long_name)
    row["presence_verdict"] = found["verdict"]
    return row


def _sizes(result: RefinementResult, plan: RefinementPlan) -> xr.Dataset:
    """Return sizes and strains of separate lines."""
    found = line_sizes(result, plan)
    names = [n for one in _SIZES for n in (one, f"{one}_std")]
    return found[names].assign(size_verdict=found["verdict"])


def _hidden(
    name: str,
    result: RefinementResult,
    plan: RefinementPlan,
    facts: SeriesFacts,
    row: xr.Dataset,
    content: SeriesContent,
) -> list[Flag]:
    """Tell of phases that were weighed in, are not seen, and had no way to react."""
    per_scale = _weight_per_scale(name, facts, content)
    if facts.samples[name].role == UNMILLED or not per_scale:
        return []
    told = []
    for phase, weight in expected_phases(name, facts).items():
        if phase not in row[PHASE].to_numpy() or phase not in per_scale:
            continue
        if float(row["present"].sel({PHASE: phase})) > 0.0:
            continue
        found = invisible_phase(
            result,
            plan,
            facts.phases[phase].structure,
            expected_scale=weight / per_scale[phase],
        )
        text = (
            f"{phase}, {100.0 * weight:.1f} wt% of it weighed in, is not seen: "
            f"{found['verdict'].item()}"
        )
        told.append(Flag(code=flags.INVISIBLE_PHASE, sample=name, text=text))
    return told


def _precursors_left(found: xr.Dataset, facts: SeriesFacts) -> list[Flag]:
    """Tell of precursors that are still there in the sample milled longest."""
    if "present" not in found:
        return []
    milled = [
        name
        for name, one in facts.samples.items()
        if one.role in (None, "", "milled") and np.isfinite(one.milling_time)
    ]
    if not milled:
        return []
    last = max(milled, key=lambda name: facts.samples[name].milling_time)
    told = []
    for phase in precursors_of(facts):
        if last not in found[SAMPLE].to_numpy():
            continue
        one = found.sel({SAMPLE: last, PHASE: phase})
        if float(one["present"]) > 0.0:
            text = f"{phase} is still there after the longest milling"
            others = made_of_others(phase, facts, last)
            if others:
                text += f", left over or formed from {' and '.join(others)}"
            told.append(Flag(code=flags.PRECURSOR_LEFT, sample=last, text=text))
    return told
