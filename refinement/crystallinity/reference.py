"""Which sample, spike or monitor gives the instrument's constant, and what it gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity.closure.composition import WEIGHING_STD
from refinement.crystallinity.external import (
    InstrumentConstant,
    KnownAmount,
    estimate_constant,
)
from refinement.crystallinity.facts import (
    MONITOR,
    SOURCES,
    SPIKED,
    UNMILLED,
    SeriesFacts,
)
from refinement.crystallinity.scales import SampleScales
from refinement.result import RefinementResult
from structkit.errors import PlanError
from structkit.schema import PHASE, TWO_THETA

Floats = NDArray[np.float64]

_WHOLE = 0.999
"""Share of a mixture that must be phases of the plan for it to be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The constants that the series offers."""

    chosen: InstrumentConstant | None
    """The one that is used; None where there is none."""
    reason: str
    """Why this one, or why none."""
    others: tuple[InstrumentConstant, ...] = ()
    """What other sources say."""


def find_constant(
    scales: Mapping[str, SampleScales],
    results: Mapping[str, RefinementResult],
    facts: SeriesFacts,
) -> Constants:
    """Return the instrument's constant, from the best source the series has.

    Parameters
    ----------
    scales : mapping of str to SampleScales
        Of each sample that has numbers.
    results : mapping of str to RefinementResult
        Their results: the film's weight of each is taken at its own lines.
    facts : SeriesFacts
        What was weighed in; ``external.source`` may name the source.

    Returns
    -------
    Constants
        A spiked sample before a monitor, a monitor before the unmilled mixture.
    """
    wanted = facts.external.source
    found: dict[str, InstrumentConstant] = {}
    reasons: dict[str, str] = {}
    for source in SOURCES:
        try:
            found[source] = _constant_of(source, scales, results, facts)
        except PlanError as error:
            reasons[source] = str(error)
    if wanted is not None:
        if wanted not in found:
            return Constants(chosen=None, reason=reasons[wanted])
        others = tuple(c for s, c in found.items() if s != wanted)
        return Constants(
            chosen=found[wanted], reason=f"{wanted}, as asked for", others=others
        )
    if not found:
        return Constants(chosen=None, reason="; ".join(reasons.values()))
    best = next(source for source in SOURCES if source in found)
    return Constants(
        chosen=found[best],
        reason=f"{best}: the best source of the series",
        others=tuple(c for s, c in found.items() if s != best),
    )


def _constant_of(
    source: str,
    scales: Mapping[str, SampleScales],
    results: Mapping[str, RefinementResult],
    facts: SeriesFacts,
) -> InstrumentConstant:
    """Return the constant of one source.

    Raises
    ------
    PlanError
        The series does not have it; the message says what is missing.
    """
    external = facts.external
    if source == MONITOR:
        return _from_monitor(facts)
    sample = _sample_of(source, scales, facts)
    own = scales[sample]
    known = (
        known_phases(sample, facts) if source == UNMILLED else _spiked(sample, facts)
    )
    seen = {p: w for p, w in known.items() if own.detected[own.phases.index(p)]}
    contrasts = contrasts_of(own, facts)
    amounts, places = [], []
    for phase, share in seen.items():
        place = own.phases.index(phase)
        places.append(place)
        amounts.append(
            KnownAmount(
                phase=phase,
                sample=sample,
                scale=float(own.values[place]),
                weight_fraction=share,
                weight_std=_weight_std(source, sample, facts),
                attenuation=facts.attenuation_of(sample),
                contrast=float(contrasts[place]),
                linear_attenuation=facts.phases[phase].linear_attenuation,
            )
        )
    values = own.values[places]
    relative = own.covariance[np.ix_(places, places)] / np.outer(values, values)
    return estimate_constant(
        amounts,
        source=source,
        phases=own.phases,
        scale_covariance=relative,
        particle_size_um=external.particle_size_um,
        common_std=film_std(results[sample], facts),
    )


def _sample_of(
    source: str, scales: Mapping[str, SampleScales], facts: SeriesFacts
) -> str:
    """Return the sample of a source, refuse where there is none."""
    if source == UNMILLED:
        usable = [
            name
            for name, sample in facts.samples.items()
            if sample.known and name in scales
        ]
        if not usable:
            raise PlanError(
                "no unmilled sample of known mixture: give the hand-ground mixture the "
                'role "unmilled", its mixture, and its pattern'
            )
        sample = usable[0]
    else:
        spiked = [
            name
            for name, one in facts.samples.items()
            if one.spike is not None and name in scales
        ]
        wanted = facts.external.sample
        if wanted is not None and wanted not in spiked:
            raise PlanError(f"external_standard.sample {wanted!r} has no spike")
        if not spiked:
            raise PlanError("no sample was spiked with a standard")
        sample = wanted or spiked[0]
    if math.isnan(facts.attenuation_of(sample)):
        raise PlanError(f"{sample}: its mixture is not stated, so neither is mu*")
    return sample


def known_phases(sample: str, facts: SeriesFacts) -> Mapping[str, float]:
    """Return the known fractions of a sample as it was measured, spike included."""
    one = facts.samples[sample]
    if one.spike is None:
        return one.known
    share = one.spike.weight_fraction
    own = {phase: w * (1.0 - share) for phase, w in one.known.items()}
    return own | {one.spike.phase: share * one.spike.crystallinity}


def is_known(sample: str, facts: SeriesFacts) -> bool:
    """Return whether all of a sample is known and crystalline."""
    return sum(facts.samples[sample].known.values()) >= _WHOLE


def _spiked(sample: str, facts: SeriesFacts) -> Mapping[str, float]:
    """Return the known fraction of a spiked sample: its standard's."""
    spike = facts.samples[sample].spike
    if spike is None:  # not reached: the caller chose a spiked sample
        return {}
    return {spike.phase: spike.weight_fraction * spike.crystallinity}


def _weight_std(source: str, sample: str, facts: SeriesFacts) -> float:
    """Return the relative 1 sigma of a known fraction."""
    spike = facts.samples[sample].spike
    if source == SPIKED and spike is not None:
        return math.hypot(
            max(spike.weight_fraction_std / spike.weight_fraction, WEIGHING_STD),
            spike.crystallinity_std / spike.crystallinity,
        )
    return WEIGHING_STD


def contrasts_of(own: SampleScales, facts: SeriesFacts) -> Floats:
    """Return each phase's linear attenuation less the mean of the solid, 1/cm.

    The mean is taken over volumes of the crystals seen; the amorphous part is counted
    with their mean.
    """
    phases = [facts.phases[name] for name in own.phases]
    volumes = np.array(
        [s / p.structure.density for s, p in zip(own.values, phases, strict=True)]
    )
    linear = np.array([p.linear_attenuation for p in phases])
    mean = float(volumes @ linear) / max(float(volumes.sum()), 1e-300)
    return np.asarray(linear - mean)


def _from_monitor(facts: SeriesFacts) -> InstrumentConstant:
    """Return the constant of a monitor's pattern."""
    monitor = facts.external.monitor
    if monitor is None:
        raise PlanError("no monitor pattern of a known powder was measured")
    known = KnownAmount(
        phase=monitor.phase,
        sample=MONITOR,
        scale=monitor.scale,
        weight_fraction=monitor.weight_fraction,
        weight_std=WEIGHING_STD,
        attenuation=monitor.attenuation,
        contrast=monitor.linear_contrast,
        linear_attenuation=0.0,
    )
    return estimate_constant(
        [known],
        source=MONITOR,
        phases=tuple(facts.phases),
        scale_covariance=np.array([[(monitor.scale_std / monitor.scale) ** 2]]),
        particle_size_um=facts.external.particle_size_um,
    )


def film_std(result: RefinementResult, facts: SeriesFacts) -> float:
    """Return the relative 1 sigma of a result's scales by the film's thickness.

    Taken at the angles where its lines are, as they weigh in the pattern.
    """
    spread = facts.external.film_thickness_std_um
    if facts.film_thickness_um <= 0.0 or spread <= 0.0:
        return 0.0
    curves = result.curves
    lines = curves["component"].sum(PHASE).to_numpy()
    if float(lines.sum()) <= 0.0:
        lines = np.ones_like(lines)
    slope = facts.film_slope(curves[TWO_THETA].to_numpy())
    return float(lines @ slope / lines.sum()) * spread


def constant_table(constants: Constants) -> xr.Dataset:
    """Return every estimate of the constant, over ``estimate``.

    Returns
    -------
    xarray.Dataset
        ``instrument_constant`` (scale times cm2/g), ``over_common`` (one estimate over
        the common constant of its source, microabsorption taken out, ``1``), and the
        texts ``estimate_source``, ``estimate_sample``, ``estimate_phase``.
    """
    sources = [constants.chosen, *constants.others]
    rows = [
        (constant.source, one, float(deviation))
        for constant in sources
        if constant is not None
        for one, deviation in zip(constant.estimates, constant.deviations, strict=True)
    ]
    return xr.Dataset(
        {
            "instrument_constant": (
                "estimate",
                [math.exp(one.log_constant) for _, one, _ in rows],
                {"units": "cm2 g-1", "long_name": "scale times mu* over content"},
            ),
            "over_common": (
                "estimate",
                [math.exp(deviation) for _, _, deviation in rows],
                {"units": "1", "long_name": "estimate over the common constant"},
            ),
            "estimate_source": ("estimate", [source for source, _, _ in rows]),
            "estimate_sample": ("estimate", [one.sample for _, one, _ in rows]),
            "estimate_phase": ("estimate", [one.phase for _, one, _ in rows]),
        }
    )
