"""Amorphous content of a series: every method, who speaks, and who contradicts.

Reads results and facts; fits nothing. The order: scales, the instrument's constant,
each method for each sample, the atoms as judge, the choice, the check, the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity import area, standards
from refinement.crystallinity.closure import amorphous_remainder, crystallinity_bound
from refinement.crystallinity.components import (
    NORMALISED,
    REMAINDER,
    component_weights,
)
from refinement.crystallinity.external import (
    Contents,
    absolute_contents,
    coarse_factors,
)
from refinement.crystallinity.facts import SPIKED, UNMILLED, SeriesFacts
from refinement.crystallinity.methods import (
    AREA,
    CLOSURE,
    COMPONENT,
    DIRECT,
    EXTERNAL,
    INTERNAL,
    METHODS,
    PONKCS,
    RIR,
    Check,
    MethodValue,
    choose_primary,
    find_check,
    measured,
    state_verdict,
    within_bound,
)
from refinement.crystallinity.ponkcs import MOST_CHANGE, HaloMatch, match_halo
from refinement.crystallinity.reference import (
    Constants,
    constant_table,
    contrasts_of,
    film_std,
    find_constant,
)
from refinement.crystallinity.scales import SampleScales, read_scales
from refinement.crystallinity.smooth_parts import (
    AmorphousPart,
    BlankShare,
    amorphous_part,
    share_of_blank,
)
from refinement.plan import InternalStandard
from refinement.result import RefinementResult
from structkit.errors import SchemaError, StructureError
from structkit.schema import MILLING_TIME, PHASE, SAMPLE, label

Floats = NDArray[np.float64]

_MEASURED_CRYSTALS = (
    "some crystals are measured components and have no mass-proportional scale"
)
RATIO_STD = 0.05
"""Relative 1 sigma of a phase's amount against another's that no fit knows of: texture
that the plan does not model, B, particles. A bound has to hold all the same."""
METHOD = "amorphous_method"
"""Dimension: methods of :mod:`refinement.crystallinity.methods`."""
ELEMENT = "element"
_NO_COMPOSITION = (
    "what was weighed in is not stated: give the series or the sample its mixture"
)


@dataclass(slots=True, kw_only=True)
class SampleContent:
    """All that is found of one sample."""

    name: str
    """Its id."""
    values: dict[str, MethodValue] = field(default_factory=dict)
    """By method."""
    scales: SampleScales | None = None
    """Its scales; None where the fit has no numbers."""
    contents: Contents | None = None
    """Absolute weight fractions of the method that speaks."""
    part: AmorphousPart | None = None
    """Its amorphous part as the pattern shows it."""
    match: HaloMatch | None = None
    """Its halo beside the calibrated one."""
    primary: MethodValue | None = None
    """Who speaks."""
    check: Check = field(default_factory=Check)
    """Who checks."""
    remainder: xr.Dataset | None = None
    """Composition of the amorphous part."""
    contradiction: str = ""
    """What the atoms say against the contents; empty where nothing."""


@dataclass(slots=True, kw_only=True)
class SeriesContent:
    """All that is found of a series."""

    samples: dict[str, SampleContent]
    """By id, in order."""
    constants: Constants
    """Instrument constants."""
    blank: BlankShare
    """How much of the blank is in the patterns."""
    halo_reference: str = ""
    """Sample on which the halo was calibrated, or why none was."""


def find_contents(
    results: Mapping[str, RefinementResult], facts: SeriesFacts
) -> SeriesContent:
    """Return what every method says of every sample.

    Parameters
    ----------
    results : mapping of str to RefinementResult
        By sample, in order; failed ones too.
    facts : SeriesFacts
        What was weighed in, references, blank.

    Raises
    ------
    SchemaError
        A result of a sample that the facts do not know.
    """
    strange = [name for name in results if name not in facts.samples]
    if strange:
        raise SchemaError(f"results: no facts of {strange}")
    phases = tuple(facts.phases)
    found = {name: SampleContent(name=name) for name in results}
    for name, result in results.items():
        found[name].scales = read_scales(result, phases)
    usable = {n: c.scales for n, c in found.items() if c.scales is not None}
    constants = find_constant(usable, results, facts)
    blank = share_of_blank(results, usable, facts)
    for name, own in usable.items():
        sample = found[name]
        result = results[name]
        fine = as_if_fine(own, facts, name)
        sample.values[INTERNAL] = _by_internal_standard(result, fine, facts, name)
        sample.values[COMPONENT] = _by_components(result, facts, name)
        sample.values[RIR] = MethodValue(
            method=RIR, reason="of the crystals alone: an index, not a content"
        )
        if has_measured_crystals(facts):
            sample.values[EXTERNAL] = sample.values[DIRECT] = MethodValue(
                method=EXTERNAL, reason=_MEASURED_CRYSTALS
            )
            sample.values[DIRECT] = MethodValue(
                method=DIRECT, reason=_MEASURED_CRYSTALS
            )
            continue
        sample.values[EXTERNAL] = _by_external(sample, own, result, facts, constants)
        sample.values[DIRECT] = _by_scattering(sample, own, result, facts, blank)
        sample.values[CLOSURE] = _by_closure(own, facts, name)
        sample.values[AREA] = _by_area(result)
    content = SeriesContent(samples=found, constants=constants, blank=blank)
    _calibrate_halos(content, facts)
    for sample in found.values():
        _decide(sample, facts)
    return content


def _spike_of(facts: SeriesFacts, name: str) -> InternalStandard | None:
    return facts.samples[name].spike


def _by_internal_standard(
    result: RefinementResult, own: SampleScales, facts: SeriesFacts, name: str
) -> MethodValue:
    """Return what a standard in the sample itself says."""
    spike = _spike_of(facts, name)
    if spike is None:
        return MethodValue(method=INTERNAL, reason=standards.NO_STANDARD)
    found = standards.amorphous_fraction(result, spike)
    reason = str(found[f"{standards.NAME}_reason"].item())
    if not math.isfinite(float(found[standards.NAME])):
        return MethodValue(method=INTERNAL, reason=reason)
    value, std = standards.amorphous_from_scales(own, spike)
    return measured(INTERNAL, value, std, reason=reason)


def _by_external(
    sample: SampleContent,
    own: SampleScales,
    result: RefinementResult,
    facts: SeriesFacts,
    constants: Constants,
) -> MethodValue:
    """Return what the instrument's constant says; keep the contents."""
    constant = constants.chosen
    if constant is None:
        return MethodValue(method=EXTERNAL, reason=constants.reason)
    attenuation = facts.attenuation_of(sample.name)
    if math.isnan(attenuation):
        return MethodValue(method=EXTERNAL, reason=_NO_COMPOSITION)
    spike = _spike_of(facts, sample.name)
    is_reference = sample.name in constant.samples
    shared = math.hypot(facts.external.transfer_std, film_std(result, facts))
    if is_reference and constant.source == UNMILLED:
        own = own.divided_by(constant.factors_in(sample.name))
    else:
        own = as_if_fine(own, facts, sample.name)
    crystals = own.without(None if spike is None else spike.phase)
    contents = absolute_contents(
        constant,
        crystals.values,
        crystals.covariance,
        attenuation=attenuation,
        relative_std=0.0 if is_reference else shared,
    )
    if spike is not None:
        contents = _without_standard(contents, spike.weight_fraction)
    sample.contents = contents
    value, std = contents.amorphous
    if is_reference and constant.source == UNMILLED:
        reason = "it gives the constant, as wholly crystalline: near zero by definition"
    elif is_reference and constant.source == SPIKED:
        reason = "it gives the constant: the same statement as its internal standard"
        return replace(measured(EXTERNAL, value, std, reason=reason), applicable=False)
    else:
        reason = f"constant from {constant.source} ({', '.join(constant.samples)})"
    return measured(EXTERNAL, value, std, reason=reason)


def as_if_fine(own: SampleScales, facts: SeriesFacts, name: str) -> SampleScales:
    """Return the scales of an unmilled sample as those of a fine powder.

    Microabsorption over the range of particle sizes; a milled sample is fine.
    """
    if facts.samples[name].role != UNMILLED:
        return own
    contrasts = contrasts_of(own, facts)
    tau, coarse = coarse_factors(contrasts, facts.external.particle_size_um)
    fine = own.divided_by(tau)
    by_size = fine.values * coarse
    return replace(fine, covariance=fine.covariance + np.outer(by_size, by_size))


def has_measured_crystals(facts: SeriesFacts) -> bool:
    """Return whether crystals of the sample are measured components, not structures."""
    if facts.plan is None or not facts.plan.components:
        return False
    return any(one.crystalline and not one.background for one in facts.plan.components)


def _by_components(
    result: RefinementResult, facts: SeriesFacts, name: str
) -> MethodValue:
    """Return what measured components say: the remainder, or a calibrated glass."""
    plan = facts.plan
    if plan is None or all(one.background for one in plan.components):
        return MethodValue(
            method=COMPONENT, reason="no measured component is part of the sample"
        )
    there = [str(phase) for phase in result.parameters[PHASE].to_numpy()]
    own = facts.plan_of(name, there)
    found = component_weights(result, own)
    value, std = float(found[REMAINDER]), float(found[f"{REMAINDER}_std"])
    if math.isfinite(value):
        return measured(COMPONENT, value, std, reason=str(found.attrs.get("link", "")))
    glassy = [
        one.name
        for one in plan.components
        if not one.crystalline and not one.background
    ]
    shares = found[NORMALISED].to_series()
    if not glassy or not bool(shares.notna().all()):
        reason = str(found[f"{REMAINDER}_reason"].item())
        return MethodValue(method=COMPONENT, reason=reason)
    errors = found[f"{NORMALISED}_std"].to_series()
    return measured(
        COMPONENT,
        float(shares[glassy].sum()),
        float(np.linalg.norm(errors[glassy])),
        reason=f"share of {', '.join(glassy)} of all that has a column",
    )


def _without_standard(contents: Contents, weighed: float) -> Contents:
    """Return contents of the sample as it was before it was spiked."""
    factor = 1.0 / (1.0 - weighed)
    return Contents(
        phases=contents.phases,
        fractions=contents.fractions * factor,
        covariance=contents.covariance * factor**2,
    )


def _by_scattering(
    sample: SampleContent,
    own: SampleScales,
    result: RefinementResult,
    facts: SeriesFacts,
    blank: BlankShare,
) -> MethodValue:
    """Return what the sum rule says; keep the amorphous part."""
    composition = facts.samples[sample.name].composition
    reason = ""
    if math.isnan(blank.factor):
        reason = blank.source
    elif composition is None:
        reason = _NO_COMPOSITION
    elif result.recipe.get("amorphous_area") == "none":
        reason = "the plan has no halo: amorphous scattering was not modelled"
    if reason or composition is None:
        return MethodValue(method=DIRECT, reason=reason)
    spike = _spike_of(facts, sample.name)
    sample.part = amorphous_part(
        result,
        own,
        facts,
        composition=composition,
        spike=None if spike is None else spike.phase,
        blank=blank,
    )
    if not math.isfinite(sample.part.value):
        return MethodValue(
            method=DIRECT, reason="neither crystals nor an amorphous part scatter"
        )
    return measured(
        DIRECT, sample.part.value, sample.part.std, reason=f"blank {blank.source}"
    )


def _by_closure(own: SampleScales, facts: SeriesFacts, name: str) -> MethodValue:
    """Return the least amorphous content that the atoms allow."""
    composition, spike = facts.samples[name].composition, _spike_of(facts, name)
    if composition is None:
        return MethodValue(method=CLOSURE, reason=_NO_COMPOSITION)
    own = as_if_fine(own, facts, name)
    crystals = own.without(None if spike is None else spike.phase)
    there = crystals.values > 0.0
    if not np.any(there):
        return MethodValue(
            method=CLOSURE,
            applicable=True,
            reason="no crystal is seen: nothing to bound",
            low=0.0,
            high=1.0,
        )
    names = [phase for phase, use in zip(crystals.phases, there, strict=True) if use]
    ratios = crystals.values[there]
    own_errors = np.diag((RATIO_STD * ratios) ** 2) if ratios.size > 1 else 0.0
    try:
        bound = crystallinity_bound(
            composition,
            dict(zip(names, ratios.tolist(), strict=True)),
            covariance=crystals.covariance[np.ix_(there, there)] + own_errors,
            formulas=facts.formulas,
            remainder=facts.remainder,
        )
    except StructureError as error:
        return MethodValue(method=CLOSURE, reason=str(error))
    return MethodValue(
        method=CLOSURE,
        applicable=True,
        reason=f"{bound['binding'].item()} would be used up",
        low=float(bound["amorphous_fraction_low"]),
        high=float(bound["amorphous_fraction_high"]),
    )


def _by_area(result: RefinementResult) -> MethodValue:
    """Return the share of the scattered area that is halo: an index."""
    found = area.crystalline_area_fraction(result)
    value = 1.0 - float(found[area.NAME])
    reason = str(found[f"{area.NAME}_reason"].item())
    if not math.isfinite(value):
        return MethodValue(method=AREA, reason=reason)
    index = measured(AREA, value, float(found[f"{area.NAME}_std"]))
    return replace(
        index, applicable=False, reason="an index along the series, not a content"
    )


def _calibrate_halos(content: SeriesContent, facts: SeriesFacts) -> None:
    """Weigh each halo by the one whose sample holds a standard (PONKCS)."""
    standard = [
        sample
        for sample in content.samples.values()
        if sample.part is not None
        and INTERNAL in sample.values
        and sample.values[INTERNAL].has_value
        and 0.05 < sample.values[INTERNAL].value < 1.0
    ]
    best = max(standard, key=lambda s: s.values[INTERNAL].value, default=None)
    for sample in content.samples.values():
        if sample.scales is None:
            continue
        if best is None or best.part is None or sample.part is None:
            reason = (
                "no halo of known content: spike one glassy sample"
                if best is None
                else "the sample's own halo is not known"
            )
            sample.values[PONKCS] = MethodValue(method=PONKCS, reason=reason)
            continue
        sample.match = match_halo(sample.part.halo, best.part.halo)
        sample.values[PONKCS] = _by_halo(sample, best, facts)
    content.halo_reference = best.name if best is not None else ""


def _by_halo(
    sample: SampleContent, best: SampleContent, facts: SeriesFacts
) -> MethodValue:
    """Return what a calibrated halo says of a sample."""
    match, known = sample.match, best.values[INTERNAL]
    own, theirs = sample.scales, best.scales
    if match is None or own is None or theirs is None or not match.factor > 0.0:
        return MethodValue(method=PONKCS, reason="the sample shows no halo")
    if sample is best:
        return MethodValue(method=PONKCS, reason="its halo is the calibrated one")
    sums = []
    for one in (sample, best):
        spike = _spike_of(facts, one.name)
        scales = one.scales
        if scales is not None:
            left = scales.without(None if spike is None else spike.phase)
            sums.append((float(left.values.sum()), float(left.covariance.sum())))
    (crystals, variance), (calibrating, _) = sums
    odds = known.value / (1.0 - known.value)
    amorphous = match.factor * odds * calibrating
    total = amorphous + crystals
    if not total > 0.0:
        return MethodValue(method=PONKCS, reason="the sample shows no scattering")
    relative = math.hypot(
        match.std / match.factor, known.std / (known.value * (1.0 - known.value))
    )
    std = math.hypot(
        crystals * amorphous * relative, amorphous * math.sqrt(max(variance, 0.0))
    )
    shape = (
        f"halo of {best.name}; shape changes by {100.0 * match.shape_change:.0f} % "
        f"(autocorrelation of the rest {match.autocorrelation:.2f})"
    )
    value = measured(PONKCS, amorphous / total, std / total**2, reason=shape)
    if match.shape_change > MOST_CHANGE:
        value = replace(
            value,
            applicable=False,
            reason=f"{shape}: more than {100.0 * MOST_CHANGE:.0f} %, another halo",
        )
    return value


def _decide(sample: SampleContent, facts: SeriesFacts) -> None:
    """Choose who speaks, hold it against the atoms, and find who checks."""
    ordered = [sample.values[name] for name in METHODS if name in sample.values]
    primary = choose_primary(ordered)
    if primary is None:
        return
    if primary.method != EXTERNAL:
        sample.contents = _contents_by(primary, sample, facts)
    check = find_check(ordered, primary)
    primary = _close(sample, primary, facts)
    bound = sample.values.get(CLOSURE)
    if primary.has_value:
        primary = within_bound(primary, bound)
    sample.primary, sample.check = primary, check


def _contents_by(
    primary: MethodValue, sample: SampleContent, facts: SeriesFacts
) -> Contents | None:
    """Return contents from the amorphous one and the ratios of the crystals."""
    own = sample.scales
    if own is None or not primary.has_value:
        return None
    spike = _spike_of(facts, sample.name)
    crystals = own.without(None if spike is None else spike.phase)
    total = float(crystals.values.sum())
    if total <= 0.0:
        return None
    share = crystals.values / total
    slopes = (np.eye(share.size) - share[:, None]) / total
    ratio = slopes @ crystals.covariance @ slopes.T
    whole = 1.0 - primary.value
    return Contents(
        phases=crystals.phases,
        fractions=whole * share,
        covariance=whole**2 * ratio + np.outer(share, share) * primary.std**2,
    )


def _close(
    sample: SampleContent, primary: MethodValue, facts: SeriesFacts
) -> MethodValue:
    """Hold the contents against the atoms: none of an element may be negative."""
    composition, contents = facts.samples[sample.name].composition, sample.contents
    if composition is None or contents is None:
        return primary
    kept = np.array([_is_of(facts, sample.name, p) for p in contents.phases])
    names = [p for p, use in zip(contents.phases, kept, strict=True) if use]
    fractions = contents.fractions[kept]
    try:
        found = amorphous_remainder(
            composition,
            dict(zip(names, fractions.tolist(), strict=True)),
            covariance=contents.covariance[np.ix_(kept, kept)],
            formulas=facts.formulas,
        )
    except StructureError as error:
        sample.contradiction = str(error)
        return primary
    sample.remainder = found
    closed = found["weight_fraction_sample"].to_numpy()
    moved = contents.fractions.copy()
    moved[kept] = closed
    sample.contents = replace(contents, fractions=moved)
    value = float(found["amorphous_fraction"])
    if not primary.has_value:
        return primary
    again = measured(primary.method, value, primary.std, reason=primary.reason)
    return replace(again, applicable=primary.applicable)


def _is_of(facts: SeriesFacts, sample: str, phase: str) -> bool:
    """Return whether a phase belongs to the sample itself and not to its standard."""
    spike = _spike_of(facts, sample)
    return spike is None or spike.phase != phase


def describe_contents(content: SeriesContent, facts: SeriesFacts) -> xr.Dataset:
    """Return the contents as a labelled Dataset.

    Parameters
    ----------
    content : SeriesContent
        From :func:`find_contents`.
    facts : SeriesFacts
        The same as there.

    Returns
    -------
    xarray.Dataset
        Over ``sample`` (coordinate ``milling_time``, h) and ``amorphous_method``:
        ``method_value``, ``method_std``, ``method_low``, ``method_high`` (amorphous
        weight fraction, 95 % limits, ``1``), ``method_applicable``,
        ``method_primary`` (1 or 0), ``method_reason``. Over ``sample``:
        ``amorphous_fraction`` (NaN where only an interval is honest), ``_std``,
        ``_low``, ``_high``, ``_method``; ``absolute`` (1 or 0); ``check_method``,
        ``check_difference``, ``check_difference_std``, ``check_chi_square``;
        ``verdict``; ``halo_shape_change``, ``halo_autocorrelation``. Over ``sample``
        and ``phase``: ``weight_fraction_sample`` with ``_std``. Over ``sample`` and
        ``element``: ``amorphous_atoms`` with ``_std``. Over ``estimate``: what
        :func:`refinement.crystallinity.reference.constant_table` gives.
    """
    names = list(content.samples)
    rows = [content.samples[name] for name in names]
    variables: dict[str, object] = {}
    variables |= _method_variables(rows)
    variables |= _primary_variables(rows)
    variables |= _phase_variables(rows, tuple(facts.phases))
    coords: dict[str, object] = {
        SAMPLE: names,
        METHOD: list(METHODS),
        PHASE: list(facts.phases),
    }
    atoms, elements = _atom_variables(rows)
    if elements:
        variables |= atoms
        coords[ELEMENT] = elements
    times = [facts.samples[name].milling_time for name in names]
    axis = label(xr.DataArray(times, dims=(SAMPLE,)), MILLING_TIME)
    dataset = xr.Dataset(variables, coords=coords).assign_coords({MILLING_TIME: axis})
    return dataset.merge(constant_table(content.constants))


def _units(long_name: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name}


def _method_variables(rows: list[SampleContent]) -> dict[str, object]:
    """Return the table of methods."""
    nothing = MethodValue(method="", reason="the fit has no numbers")
    table = [[row.values.get(name, nothing) for name in METHODS] for row in rows]
    dims = (SAMPLE, METHOD)
    spoken = "amorphous weight fraction by each method"
    found: dict[str, object] = {}
    for name, text in (
        ("value", spoken),
        ("std", f"standard uncertainty of {spoken}"),
        ("low", f"lower 95 % limit of {spoken}"),
        ("high", f"upper 95 % limit of {spoken}"),
    ):
        data = [[getattr(one, name) for one in row] for row in table]
        found[f"method_{name}"] = (dims, data, _units(text))
    found["method_applicable"] = (
        dims,
        [[int(one.applicable) for one in row] for row in table],
        _units("may be quoted"),
    )
    found["method_primary"] = (
        dims,
        [
            [
                int(row.primary is not None and row.primary.method == name)
                for name in METHODS
            ]
            for row in rows
        ],
        _units("speaks for the sample"),
    )
    reasons = [[one.reason for one in row] for row in table]
    found["method_reason"] = (dims, reasons, {"long_name": "why, or why not"})
    return found


def _primary_variables(rows: list[SampleContent]) -> dict[str, object]:
    """Return what is said of each sample."""
    nobody = MethodValue(method="")
    spoken = [row.primary or nobody for row in rows]
    name = "amorphous weight fraction of the sample without its standard"
    texts = {
        "amorphous_fraction_method": ([one.method for one in spoken], "who speaks"),
        "check_method": ([row.check.method for row in rows], "who checks"),
        "verdict": (
            [state_verdict(row.name, row.primary, row.check) for row in rows],
            "what can be said of the amorphous content",
        ),
        "contradiction": (
            [row.contradiction for row in rows],
            "what the atoms say against the contents",
        ),
    }
    numbers = {
        "amorphous_fraction": ([one.value for one in spoken], name),
        "amorphous_fraction_std": (
            [one.std for one in spoken],
            f"standard uncertainty of {name}",
        ),
        "amorphous_fraction_low": (
            [one.low for one in spoken],
            f"lower 95 % limit of {name}",
        ),
        "amorphous_fraction_high": (
            [one.high for one in spoken],
            f"upper 95 % limit of {name}",
        ),
        "absolute": (
            [float(one.has_value) for one in spoken],
            "an absolute amount, not a bound alone",
        ),
        "check_difference": (
            [row.check.difference for row in rows],
            "primary less check",
        ),
        "check_difference_std": (
            [row.check.std for row in rows],
            "standard uncertainty of primary less check",
        ),
        "check_chi_square": (
            [row.check.chi_square for row in rows],
            "chi-square of the difference, one degree of freedom",
        ),
        "halo_shape_change": (
            [row.match.shape_change if row.match else math.nan for row in rows],
            "rms change of the halo's shape against the calibrated one",
        ),
        "halo_autocorrelation": (
            [row.match.autocorrelation if row.match else math.nan for row in rows],
            "autocorrelation of that change",
        ),
    }
    found: dict[str, object] = {
        key: (SAMPLE, np.asarray(data, dtype=float), _units(text))
        for key, (data, text) in numbers.items()
    }
    for key, (words, text) in texts.items():
        found[key] = (SAMPLE, words, {"long_name": text})
    return found


def _phase_variables(
    rows: list[SampleContent], phases: tuple[str, ...]
) -> dict[str, object]:
    """Return absolute contents of the phases."""
    values = np.full((len(rows), len(phases)), np.nan)
    errors = np.full_like(values, np.nan)
    for number, row in enumerate(rows):
        if row.contents is not None:
            values[number] = row.contents.fractions
            diagonal = np.diag(row.contents.covariance)
            errors[number] = np.sqrt(np.maximum(diagonal, 0.0))
    name = "weight fraction of the sample without its standard"
    return {
        "weight_fraction_sample": ((SAMPLE, PHASE), values, _units(name)),
        "weight_fraction_sample_std": (
            (SAMPLE, PHASE),
            errors,
            _units(f"standard uncertainty of {name}"),
        ),
    }


def _atom_variables(
    rows: list[SampleContent],
) -> tuple[dict[str, object], list[str]]:
    """Return the composition of the amorphous parts."""
    elements: dict[str, None] = {}
    for row in rows:
        if row.remainder is not None:
            elements |= dict.fromkeys(str(e) for e in row.remainder[ELEMENT].to_numpy())
    ordered = list(elements)
    found: dict[str, object] = {}
    for end, prefix in (("", ""), ("_std", "standard uncertainty of ")):
        table = np.full((len(rows), len(ordered)), np.nan)
        for number, row in enumerate(rows):
            if row.remainder is None:
                continue
            own = row.remainder[f"amorphous_atoms{end}"]
            for name, value in zip(own[ELEMENT].values, own.values, strict=True):
                table[number, ordered.index(str(name))] = value
        text = f"{prefix}atoms of the amorphous part per formula unit of the sample"
        found[f"amorphous_atoms{end}"] = ((SAMPLE, ELEMENT), table, _units(text))
    return found, ordered
