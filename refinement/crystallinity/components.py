"""Weights of structures and measured components together, and what is left over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity.closure.remainder import COVERAGE
from refinement.crystallinity.rir import height_rir, is_corundum
from refinement.plan import InternalStandard, RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import PlanError
from structkit.schema import CONSTITUENT, PHASE, TWO_THETA

Floats = NDArray[np.float64]

NORMALISED = "weight_fraction_normalised"
SAMPLE_FRACTION = "weight_fraction_sample"
REMAINDER = "amorphous_remainder"
_DETECTED = 3.0
"""Amount over its standard uncertainty from which a standard is there."""
_UNSEEN = 0.01
"""Share of its computed height that corundum may lack in a range, by the coarseness of
the grids, with its strongest line still in it."""
_LONG_NAMES = {
    NORMALISED: "weight fraction of all that has a column, whose sum is 1",
    SAMPLE_FRACTION: "weight fraction of the sample without its standard",
    REMAINDER: "weight fraction of the sample without standard that no crystal takes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Masses:
    """Masses of all constituents, in one unit of no matter."""

    names: list[str]
    """Structures, then components of the sample."""
    values: Floats
    """Masses, shape (n,)."""
    covariance: Floats
    """Of them, shape (n, n)."""
    crystalline: NDArray[np.bool_]
    """Which count as crystalline."""
    link: str
    """How structures and components were brought to one unit."""


def component_weights(result: RefinementResult, plan: RefinementPlan) -> xr.Dataset:
    """Return weight fractions of structures and measured components together.

    Parameters
    ----------
    result : RefinementResult
        From the engine native; of its parameters ``scale``, ``absorption_factor``,
        ``component_amount``, ``component_covariance``, of its curves ``component``.
    plan : RefinementPlan
        The plan of that fit: its components' RIRs or calibrations, and what was
        weighed in.

    Returns
    -------
    xarray.Dataset
        Over ``constituent`` (structures, then components that are no background),
        all ``1``: ``weight_fraction_normalised`` (of all that has a column; its sum
        is 1 whatever is amorphous) and, NaN without a weighed standard,
        ``weight_fraction_sample`` (of the sample without its standard; NaN for the
        standard itself), each with its ``_std``. Scalars ``amorphous_remainder``,
        its ``_std`` and its limits ``_low`` and ``_high`` (95 %, two-sided, not cut
        at 0 or 1); ``amorphous_remainder_reason`` says why it is empty. attrs:
        ``link``, how structures and components were brought to one unit; ``left_out``,
        whose RIR or calibration has no uncertainty.

    Raises
    ------
    PlanError
        The result is not of this plan; or components with an RIR and others with a
        calibration and no structure to bring them together.

    Notes
    -----
    A component with an RIR weighs ``A / RIR`` in units of the height of corundum:
    with A its amount times the height of the pattern's strongest point (``height`` of
    the component, else the largest value as measured: not only within the range in
    use). A structure weighs its scale S (over the Brindley factor). The two units meet
    at one structure of the plan, corundum where there is one, else the standard, else
    the strongest: ``A / RIR`` of it, with A the largest height of its fitted curve
    and RIR 1 for corundum, else the ratio of heights computed for the plan's
    instrument. Assumed: the RIRs are of heights, measured with the same
    resolution, above the background for a structure, whose maximum is taken between
    the points; the corundum of the sample is as well crystallised as theirs. A
    wrong width of the corundum's lines makes its height, and every component, wrong
    by as much: calibrate the instrument. A component with a calibration constant c
    weighs ``c`` times its amount in the unit of S.

    With w of a standard, chi of it crystalline: ``W = chi w / (1 - w) m / m_std``, and
    the remainder is ``1 - sum W`` over what counts as crystalline, standard excepted.
    It holds measured components that are called amorphous, and everything that has no
    column. Uncertainties carry the joint covariance of all amounts, those of RIR,
    calibration, w and chi where given, to first order; not what a component's specimen
    differs from the sample's own, which is mostly the larger part.

    References
    ----------
    Chung (1974), J. Appl. Cryst. 7, 519, doi:10.1107/S0021889874010375; Gualtieri
    (2000), J. Appl. Cryst. 33, 267, doi:10.1107/S002188989901643X.
    """
    reason = _obstacle(result, plan)
    names = [*plan.phase_names, *(p.name for p in plan.components if not p.background)]
    if reason:
        return _label(names, reason=reason)
    masses = _masses(result, plan)
    normalised = _normalise(masses)
    attrs = {"link": masses.link, "left_out": _without_std(plan)}
    standard = plan.internal_standard
    reason = _standard_obstacle(masses, standard)
    if standard is None or reason:
        return _label(names, normalised=normalised, reason=reason, attrs=attrs)
    contents, covariance = _contents(masses, standard)
    own = np.array([name == standard.phase for name in names])
    counted = masses.crystalline & ~own
    value = 1.0 - float(contents[counted].sum())
    spread = math.sqrt(max(float(covariance[np.ix_(counted, counted)].sum()), 0.0))
    sample = np.array([contents, np.sqrt(np.maximum(np.diag(covariance), 0.0))])
    sample[:, own] = np.nan
    return _label(
        names,
        normalised=normalised,
        sample=sample,
        remainder=(value, spread),
        attrs=attrs,
    )


def _obstacle(result: RefinementResult, plan: RefinementPlan) -> str:
    """Return why there are no weights at all, or an empty text."""
    if not result.status.has_values:
        return "the fit has no numbers"
    known: list[str] = []
    if CONSTITUENT in result.parameters.coords:
        known = [str(name) for name in result.parameters[CONSTITUENT].to_numpy()]
    wanted = [*plan.phase_names, *plan.component_names]
    if plan.components and known != wanted:
        raise PlanError(
            f"the result is of {known or 'a plan without components'}, the plan of "
            f"{wanted}; give the plan that was refined"
        )
    if not plan.components:
        return "the plan has no measured component"
    if plan.phases and any(part.rir is not None for part in plan.components):
        scales = result.parameters["scale"].to_numpy()
        at = _meeting_phase(plan, scales)
        if not scales[at] > 0.0:
            return (
                f"{plan.phases[at].name}, at which RIRs and scales meet, is absent; "
                "weigh a standard in, or give calibration in place of rir"
            )
    return ""


def _absorption(parameters: xr.Dataset) -> Floats:
    """Return the Brindley factor of each phase, 1 where there is none."""
    if "absorption_factor" not in parameters:
        return np.ones(parameters.sizes[PHASE])
    return np.asarray(parameters["absorption_factor"].to_numpy())


def _masses(result: RefinementResult, plan: RefinementPlan) -> _Masses:
    """Return the masses of all constituents that are no background.

    They are functions of the phases' scales, the components' amounts and the height of
    the phase at which the two meet, whose joint covariance the engine gives.
    """
    parameters = result.parameters
    tau = _absorption(parameters)
    scales = parameters["scale"].to_numpy() * tau
    amounts = parameters["component_amount"].to_numpy()
    n, m = scales.size, amounts.size
    meeting = _meet(result, plan, scales)
    factors, relative = np.zeros(m), np.zeros(m)
    for k, part in enumerate(plan.components):
        if part.rir is not None:
            factors[k] = part.top / part.rir
            relative[k] = (part.rir_std or 0.0) / part.rir
        elif part.calibration is not None:
            factors[k] = part.calibration * meeting.link
            relative[k] = (part.calibration_std or 0.0) / part.calibration
    values = np.concatenate([meeting.link * scales / tau, factors * amounts])
    slope = np.zeros((n + m, n + m + 1))
    slope[np.arange(n), np.arange(n)] = meeting.link / tau
    slope[np.arange(n, n + m), np.arange(n, n + m)] = factors
    if meeting.phase >= 0:
        by_link = [part.calibration is not None for part in plan.components]
        linked = values * np.concatenate([np.ones(n), by_link])
        slope[:, -1] = linked / meeting.height
        slope[:, meeting.phase] -= linked / scales[meeting.phase]
    covariance = slope @ _joint_covariance(parameters, meeting.phase) @ slope.T
    covariance += np.diag((values * np.concatenate([np.zeros(n), relative])) ** 2)
    parts = plan.components
    kept = np.array([True] * n + [not part.background for part in parts])
    crystalline = np.array([True] * n + [part.crystalline for part in parts])
    names = np.array([*plan.phase_names, *plan.component_names])
    return _Masses(
        names=names[kept].tolist(),
        values=values[kept],
        covariance=covariance[np.ix_(kept, kept)],
        crystalline=crystalline[kept],
        link=meeting.words,
    )


def _joint_covariance(parameters: xr.Dataset, phase: int) -> Floats:
    """Return the covariance of scales, amounts and the height of one phase."""
    amounts = parameters["component_covariance"].to_numpy()
    size = amounts.shape[0]
    joint = np.zeros((size + 1, size + 1))
    joint[:size, :size] = amounts
    if phase >= 0:
        crossed = parameters["height_amount_covariance"].to_numpy()[phase]
        joint[size, :size] = joint[:size, size] = crossed
        joint[size, size] = parameters["height_covariance"].to_numpy()[phase, phase]
    return joint


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meeting:
    """Where heights of corundum and mass-proportional scales meet."""

    link: float
    """Heights of corundum per unit of scale."""
    words: str
    """How it was found."""
    phase: int = -1
    """Phase at which they meet; -1: they need not."""
    height: float = 1.0
    """Largest height of that phase's fitted curve."""


def _meet(result: RefinementResult, plan: RefinementPlan, scales: Floats) -> _Meeting:
    """Bring heights of corundum and scales (before Brindley factors) together."""
    by_rir = [part for part in plan.components if part.rir is not None]
    by_scale = [part for part in plan.components if part.calibration is not None]
    if not by_rir:
        return _Meeting(link=1.0, words="all in the unit of the structures' scales")
    if not plan.phases:
        if by_scale:
            raise PlanError(
                f"components: {by_rir[0].name!r} has an rir, {by_scale[0].name!r} a "
                "calibration, and no structure brings them together; add one as phase"
            )
        return _Meeting(link=1.0, words="all in heights of corundum")
    at = _meeting_phase(plan, scales)
    phase = plan.phases[at]
    height = _top(result.curves["component"].to_numpy()[at])
    angles = result.curves[TWO_THETA].to_numpy()
    span = float(angles[0]), float(angles[-1])
    ratio = height_rir(phase.structure, plan.instrument, span)
    words = f"at {phase.name}: its fitted height over a computed ratio of {ratio:.3g}"
    if is_corundum(phase.structure) and ratio > 1.0 - _UNSEEN:
        ratio, words = 1.0, f"at {phase.name}: its fitted height is corundum's"
    link = height / ratio / float(scales[at])
    return _Meeting(link=link, words=words, phase=at, height=height)


def _top(curve: Floats) -> float:
    """Return the height of a curve's strongest maximum, between its points."""
    at = int(np.argmax(curve))
    if not 0 < at < curve.size - 1 or min(curve[at - 1 : at + 2]) <= 0.0:
        return float(curve[at])
    left, middle, right = np.log(curve[at - 1 : at + 2])
    bend = left - 2.0 * middle + right
    if bend >= 0.0:
        return float(curve[at])
    return float(np.exp(middle - (right - left) ** 2 / (8.0 * bend)))


def _meeting_phase(plan: RefinementPlan, scales: Floats) -> int:
    """Return the phase at which heights and scales meet."""
    for number, phase in enumerate(plan.phases):
        if is_corundum(phase.structure) and scales[number] > 0.0:
            return number
    standard = plan.internal_standard
    if standard is not None and standard.phase in plan.phase_names:
        return plan.phase_names.index(standard.phase)
    return int(np.argmax(scales))


def _standard_obstacle(masses: _Masses, standard: InternalStandard | None) -> str:
    """Return why there can be no contents of the sample, or an empty text."""
    if standard is None:
        return (
            "no internal standard was weighed in, and shares of what has a column do "
            "not tell what has none"
        )
    at = masses.names.index(standard.phase)
    if not masses.values[at] > _DETECTED * math.sqrt(masses.covariance[at, at]):
        return f"the internal standard {standard.phase} is not detected"
    return ""


def _normalise(masses: _Masses) -> Floats:
    """Return shares of the sum of all masses, and their esds, shape (2, n)."""
    total = float(masses.values.sum())
    if not total > 0.0:
        return np.full((2, masses.values.size), np.nan)
    share = masses.values / total
    slope = (np.eye(share.size) - share[:, None]) / total
    variance = np.einsum("ij,jk,ik->i", slope, masses.covariance, slope)
    return np.array([share, np.sqrt(np.maximum(variance, 0.0))])


def _contents(masses: _Masses, standard: InternalStandard) -> tuple[Floats, Floats]:
    """Return masses per mass of sample without its standard, and their covariance."""
    at = masses.names.index(standard.phase)
    weighed = standard.weight_fraction
    factor = standard.crystallinity * weighed / (1.0 - weighed) / masses.values[at]
    contents = factor * masses.values
    slope = factor * np.eye(masses.values.size)
    slope[:, at] -= contents / masses.values[at]
    weighing = math.hypot(
        standard.weight_fraction_std / (weighed * (1.0 - weighed)),
        standard.crystallinity_std / standard.crystallinity,
    )
    covariance = slope @ masses.covariance @ slope.T
    return contents, covariance + weighing**2 * np.outer(contents, contents)


def _without_std(plan: RefinementPlan) -> str:
    """Return the components whose RIR or calibration has no uncertainty."""
    bare = [
        part.name
        for part in plan.components
        if not part.background and part.rir_std is None and part.calibration_std is None
    ]
    return ", ".join(bare)


def _label(
    names: list[str],
    *,
    normalised: Floats | None = None,
    sample: Floats | None = None,
    remainder: tuple[float, float] = (math.nan, math.nan),
    reason: str = "",
    attrs: dict[str, str] | None = None,
) -> xr.Dataset:
    """Return the labelled variables."""
    unknown = np.full((2, len(names)), np.nan)
    variables: dict[str, object] = {}
    for name, found in ((NORMALISED, normalised), (SAMPLE_FRACTION, sample)):
        values = unknown if found is None else found
        for end, column in zip(("", "_std"), values, strict=True):
            variables[name + end] = (CONSTITUENT, column, _attrs(name, end))
    value, spread = remainder
    reach = COVERAGE * spread
    ends = {"": value, "_std": spread, "_low": value - reach, "_high": value + reach}
    for end, number in ends.items():
        variables[REMAINDER + end] = ((), number, _attrs(REMAINDER, end))
    why = {"long_name": f"why no {_LONG_NAMES[REMAINDER]}"}
    variables[f"{REMAINDER}_reason"] = ((), reason, why)
    return xr.Dataset(variables, coords={CONSTITUENT: names}, attrs=attrs or {})


def _attrs(name: str, end: str) -> dict[str, str]:
    """Return units and long name of a variable or of what belongs to it."""
    prefix = {
        "": "",
        "_std": "standard uncertainty of ",
        "_low": "lower 95 % limit of ",
        "_high": "upper 95 % limit of ",
    }[end]
    return {"units": "1", "long_name": prefix + _LONG_NAMES[name]}
