"""What a spectrum can tell apart: nested circuits, physical gates, verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from structkit.eis.arcs import (
    ArcResult,
    describe_arcs,
    series_resistors,
    sum_resistances,
)
from structkit.eis.capacitance import (
    BULK,
    CAPACITANCE_RANGES,
    GRAIN_BOUNDARY,
    TOTAL,
    VACUUM_PERMITTIVITY,
    classify_capacitance,
    relative_permittivity,
    relaxation_frequency,
)
from structkit.eis.circuits import MODELS, Circuit
from structkit.eis.fit import FitOptions, ImpedanceFit
from structkit.eis.nested import bayes_criterion, count_independent, fit_lean
from structkit.errors import FitError, PlanError
from structkit.schema import FitStatus

_LOOSE = 0.5
"""Standard uncertainty of ln R above which an arc is not told from its neighbour."""
_TYPICAL_PERMITTIVITY = (10.0, 20.0)
_LARGEST_CAPACITANCE = CAPACITANCE_RANGES["surface layer"][1]
"""Times L/A, **F/cm**: above it an arc is of an electrode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyOptions:
    """What decides between circuits, and what an arc must be to be called bulk."""

    models: tuple[Circuit, ...] = MODELS
    """Circuits to compare, each with elements named as in M0 to M3."""
    cell_constant: float | None = None
    """Thickness over area of the pellet, **cm-1**; None where it is unknown."""
    permittivity: tuple[float, float] = (5.0, 60.0)
    """Least and greatest relative permittivity of a bulk arc."""
    margin: float = 6.0
    """By how much BIC must fall for a further arc; 6 is odds of 20 to 1."""
    fit: FitOptions = field(default_factory=FitOptions)
    """How each circuit is fitted."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.cell_constant is not None and not self.cell_constant > 0.0:
            raise PlanError("cell_constant must be positive, in cm-1, or None")
        if not self.models:
            raise PlanError("models: give one circuit or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One circuit that was tried."""

    fit: ImpedanceFit
    """Its fit, without elements that have no effect."""
    bic: float
    """Bayesian information criterion over independent points; less is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether one contribution can be told from the spectrum."""

    contribution: str
    """``bulk``, ``grain_boundary`` or ``total``."""
    identifiable: bool
    """Whether the number may be claimed."""
    resistance: float
    """**ohm**; NaN where there is none."""
    resistance_std: float
    """**ohm**."""
    in_band: bool
    """Whether the apex of its arc was measured; True for a total with its spike."""
    reason: str
    """The arithmetic behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """What was tried, what was chosen, and what may be said."""

    candidates: tuple[Candidate, ...]
    """In the order of the models."""
    chosen: Candidate
    """The simplest that the data do not refuse."""
    arcs: tuple[ArcResult, ...]
    """Of the chosen fit, the fast first."""
    verdicts: tuple[Verdict, ...]
    """One each for bulk, grain boundary and total."""
    independent_points: float
    """Real and imaginary parts, less what neighbours share."""

    def verdict(self, contribution: str) -> Verdict:
        """Return the verdict on ``bulk``, ``grain_boundary`` or ``total``."""
        return next(v for v in self.verdicts if v.contribution == contribution)


def identify_circuit(
    spectrum: xr.Dataset, options: IdentifyOptions | None = None
) -> Identification:
    """Choose between nested circuits and say what the spectrum tells apart.

    Parameters
    ----------
    spectrum : xarray.Dataset
        :mod:`structkit.schema.impedance`.
    options : IdentifyOptions, optional
        Circuits, cell constant, gates.

    Returns
    -------
    Identification
        With a verdict and its arithmetic for bulk, grain boundary and total.

    Raises
    ------
    FitError
        No circuit can be fitted.
    SchemaError
        The dataset is no impedance spectrum.

    Notes
    -----
    ``BIC = n ln(chi2/N) + k ln n``; N residuals count as ``n = N (1 - r)/(1 + r)``
    independent ones, r being the correlation of neighbours in the best fit: a circuit
    that misses a little everywhere does not buy another arc with it. A circuit with an
    arc whose resistance is not determined is not chosen. With a cell constant the total
    leaves out arcs whose ``C L/A`` is that of an electrode, above 1e-7 F/cm.

    A bulk claim needs the apex inside the band and, with a cell constant, a relative
    permittivity ``C L/(A eps0)`` within its gate. A boundary claim needs a second arc
    that passes BIC, whose resistance is known to better than a factor of 1.6, and
    whose capacitance is above that of the bulk.
    """
    chosen = options or IdentifyOptions()
    fits = []
    for model in chosen.models:
        try:
            fits.append(fit_lean(spectrum, model, chosen.fit))
        except FitError:
            continue
    fits = [fit for fit in fits if fit.status.has_values]
    if not fits:
        raise FitError(
            f"no circuit of {len(chosen.models)} can be fitted; the spectrum has too "
            "few points with weight"
        )
    best = min(fits, key=lambda one: one.chi_square)
    points = count_independent(best)
    scale = max(1.0, best.reduced_chi_square) if best.weighting == "std" else None
    candidates = tuple(
        Candidate(fit=fit, bic=bayes_criterion(fit, points, scale=scale))
        for fit in fits
    )
    winner = _choose(candidates, chosen.margin)
    arcs = describe_arcs(winner.fit)
    return Identification(
        candidates=candidates,
        chosen=winner,
        arcs=arcs,
        verdicts=_judge(winner, candidates, arcs, chosen),
        independent_points=points,
    )


def judge_fit(
    fit: ImpedanceFit, options: IdentifyOptions | None = None
) -> tuple[Verdict, ...]:
    """Return the verdicts on bulk, grain boundary and total of one given circuit.

    Parameters
    ----------
    fit : ImpedanceFit
        With values.
    options : IdentifyOptions, optional
        Cell constant and gates; its circuits do not matter.
    """
    chosen = Candidate(fit=fit, bic=np.nan)
    arcs = describe_arcs(fit)
    return _judge(chosen, (chosen,), arcs, options or IdentifyOptions())


def _choose(candidates: tuple[Candidate, ...], margin: float) -> Candidate:
    """Return the candidate of least BIC; more parameters must earn the margin.

    A circuit with an arc whose resistance the data leave open is never preferred to a
    simpler one: it fits noise, and nothing could be said with it.
    """
    ordered = sorted(candidates, key=lambda one: len(one.fit.names))
    winner = ordered[0]
    for one in ordered[1:]:
        if one.bic < winner.bic - margin and _knows_arcs(one.fit):
            winner = one
    return winner


def _knows_arcs(fit: ImpedanceFit) -> bool:
    """Return whether the resistance of every arc is determined."""
    return all(
        arc.resistance_std < _LOOSE * arc.resistance for arc in describe_arcs(fit)
    )


def _sum_pellet(
    fit: ImpedanceFit, arcs: tuple[ArcResult, ...], cell: float | None
) -> tuple[float, float, str]:
    """Return the resistance of the pellet, its 1 sigma, and what was left out.

    An arc that has the capacitance of an electrode interface is none of the pellet.
    """
    outside = [
        arc.resistor
        for arc in arcs
        if cell is not None and arc.capacitance * cell > _LARGEST_CAPACITANCE
    ]
    kept = tuple(name for name in series_resistors(fit) if name not in outside)
    if not outside or not kept:
        return *sum_resistances(fit), ""
    told = f", without {', '.join(outside)}: C L/A is that of an electrode"
    return *sum_resistances(fit, kept), told


def _judge(
    chosen: Candidate,
    candidates: tuple[Candidate, ...],
    arcs: tuple[ArcResult, ...],
    options: IdentifyOptions,
) -> tuple[Verdict, ...]:
    """Return the verdicts on bulk, grain boundary and total."""
    fit = chosen.fit
    total, total_std, without = _sum_pellet(fit, arcs, options.cell_constant)
    bulk = _judge_bulk(fit, arcs, total, options)
    boundary = _judge_boundary(chosen, candidates, arcs, options)
    known = total_std < _LOOSE * total and fit.status is not FitStatus.FAILED
    name = fit.circuit.name or fit.circuit
    reason = f"sum of {name}{without}: {total:.4g}({total_std:.2g})"
    whole = Verdict(
        contribution=TOTAL,
        identifiable=known,
        resistance=total,
        resistance_std=total_std,
        in_band=True,
        reason=f"{reason} ohm" if known else f"{reason} ohm is not determined",
    )
    return bulk, boundary, whole


def _refuse(contribution: str, arc: ArcResult | None, reason: str) -> Verdict:
    """Return the verdict that a contribution is not identifiable."""
    return Verdict(
        contribution=contribution,
        identifiable=False,
        resistance=arc.resistance if arc else np.nan,
        resistance_std=arc.resistance_std if arc else np.nan,
        in_band=arc.in_band if arc else False,
        reason=f"{contribution.replace('_', ' ')} not identifiable: {reason}",
    )


def _judge_bulk(
    fit: ImpedanceFit,
    arcs: tuple[ArcResult, ...],
    total: float,
    options: IdentifyOptions,
) -> Verdict:
    """Return the verdict on the bulk: the fastest arc, if it passes the gates."""
    top = float(fit.frequency[fit.used].max())
    cell = options.cell_constant
    if not arcs:
        reason = "no arc in the band"
        if cell is not None:
            slow, fast = (
                relaxation_frequency(total, cell_constant=cell, permittivity=one) / 1e6
                for one in reversed(_TYPICAL_PERMITTIVITY)
            )
            reason += (
                f"; sigma/(2 pi eps) = {slow:.3g} to {fast:.3g} MHz for eps_r "
                f"{_TYPICAL_PERMITTIVITY[1]:g} to {_TYPICAL_PERMITTIVITY[0]:g}, "
                f"the band ends at {top / 1e6:.3g} MHz"
            )
        return _refuse(BULK, None, reason)
    arc = arcs[0]
    if not arc.in_band:
        return _refuse(BULK, arc, arc.remark)
    if not arc.resistance_std < _LOOSE * arc.resistance:
        return _refuse(BULK, arc, f"{arc.resistor} is {_number(arc)} ohm")
    if cell is None:
        thin, thick = (
            one * VACUUM_PERMITTIVITY / arc.capacitance for one in options.permittivity
        )
        return _accept(
            BULK,
            arc,
            f"apex at {arc.peak_frequency:.3g} Hz in the band; no geometry: bulk only "
            f"if L/A is {thin:.2g} to {thick:.2g} cm-1",
        )
    permittivity = relative_permittivity(arc.capacitance, cell)
    text = f"C L/(A eps0) = {permittivity:.3g}"
    low, high = options.permittivity
    if low <= permittivity <= high:
        return _accept(BULK, arc, f"apex at {arc.peak_frequency:.3g} Hz, {text}")
    kind = (
        "stray capacitance of the cell or a boundary"
        if permittivity > high
        else ("a capacitance that no solid has")
    )
    own = relaxation_frequency(
        arc.resistance, cell_constant=cell, permittivity=_TYPICAL_PERMITTIVITY[0]
    )
    return _refuse(
        BULK,
        arc,
        f"{text} is outside {low:g} to {high:g}: {kind}; bulk of that resistance and "
        f"eps_r {_TYPICAL_PERMITTIVITY[0]:g} has its apex at {own:.3g} Hz",
    )


def _judge_boundary(
    chosen: Candidate,
    candidates: tuple[Candidate, ...],
    arcs: tuple[ArcResult, ...],
    options: IdentifyOptions,
) -> Verdict:
    """Return the verdict on the boundary: the second arc, if there is one."""
    if len(arcs) < 2:
        more = [one for one in candidates if len(one.fit.circuit.arcs) > 1]
        reason = f"{'one arc' if arcs else 'no arc'} is enough"
        if more:
            gap = min(one.bic for one in more) - chosen.bic
            reason += f", two change BIC by {gap:+.1f} (-{options.margin:g} is needed)"
        return _refuse(GRAIN_BOUNDARY, None, f"{reason}; this is no proof of none")
    bulk, arc = arcs[0], arcs[1]
    if not arc.in_band:
        return _refuse(GRAIN_BOUNDARY, arc, arc.remark)
    if not arc.resistance_std < _LOOSE * arc.resistance:
        return _refuse(GRAIN_BOUNDARY, arc, f"{arc.resistor} is {_number(arc)} ohm")
    if not arc.capacitance > bulk.capacitance:
        return _refuse(
            GRAIN_BOUNDARY,
            arc,
            f"its capacitance {arc.capacitance:.2g} F is not above that of the faster "
            f"arc, {bulk.capacitance:.2g} F",
        )
    reason = f"apex at {arc.peak_frequency:.3g} Hz, C = {arc.capacitance:.3g} F"
    if options.cell_constant is not None:
        scaled = arc.capacitance * options.cell_constant
        kinds = classify_capacitance(scaled)
        reason += f", C L/A = {scaled:.2g} F/cm ({' or '.join(kinds) or 'no range'})"
        if GRAIN_BOUNDARY not in kinds:
            return _refuse(GRAIN_BOUNDARY, arc, reason)
    return _accept(GRAIN_BOUNDARY, arc, reason)


def _accept(contribution: str, arc: ArcResult, reason: str) -> Verdict:
    """Return the verdict that an arc is what it is claimed to be."""
    return Verdict(
        contribution=contribution,
        identifiable=True,
        resistance=arc.resistance,
        resistance_std=arc.resistance_std,
        in_band=True,
        reason=reason,
    )


def _number(arc: ArcResult) -> str:
    return f"{arc.resistance:.3g}({arc.resistance_std:.2g})"
