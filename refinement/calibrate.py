"""The instrument's resolution from patterns of standards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.native.bounds import inverse_normal
from refinement.engines.native.fit import (
    Fit,
    Prepared,
    make_restraints,
    prepare,
    stage_flags,
)
from refinement.engines.native.joint import JointProblem
from refinement.engines.native.layout import INSTRUMENT_KINDS, start_values
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.solve import Minimum, Restraints, minimize
from refinement.engines.native.summary import summarize
from refinement.plan import Phase, RefinementPlan, Stage
from refinement.result import RefinementResult
from structkit.errors import FitError
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.instrument import Instrument

Floats = NDArray[np.float64]
LARGE_SIZE = 1e4
"""Crystallite size (angstrom) that several standards are thought to have."""
NO_SIZE = 1e7
"""Crystallite size (angstrom) that adds no width."""
NO_STRAIN = 1e-12
_STEPS = (10, 100)
_AXIAL_STARTS = (0.015, 0.03, 0.045)
_N_SHARED = len(INSTRUMENT_KINDS)
_STAGES = (
    Stage(name="positions", free=frozenset({"cell", "shift"})),
    Stage(
        name="resolution",
        free=frozenset(
            {"cell", "shift", "size", "strain", "instrument", "texture", "b_overall"}
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """A pattern of a known phase."""

    pattern: xr.Dataset
    """Powder pattern (:mod:`structkit.schema`)."""
    structure: CrystalStructure
    """The phase."""
    certified_cell: bool = False
    """Keep the cell as given; then the shift is meaningful."""
    texture: tuple[int, int, int] | None = None
    """March-Dollase axis, for a standard pressed into a holder."""


def calibrate_instrument(
    standards: Sequence[Standard],
    instrument: Instrument,
    *,
    two_theta_range: tuple[float, float] | None = None,
    exclude: tuple[tuple[float, float], ...] = (),
    background_terms: int = 6,
    options: NativeOptions | None = None,
) -> tuple[Instrument, list[RefinementResult]]:
    """Fit U, V, W, X, Y and axial divergence to one or several standards.

    Parameters
    ----------
    standards : sequence of Standard
        One standard: all of its width is taken as the instrument's. Several: the
        resolution is shared, and each has its own size and microstrain; they are
        thought large, as a width common to all could as well be the instrument's.
    instrument : Instrument
        Radiation, monochromator, and a start for the resolution.
    two_theta_range, exclude : optional
        Limits and gaps, **degree**.
    background_terms : int
        Chebyshev terms.
    options : NativeOptions, optional
        Means of the native engine, in which the calibration is made and used.

    Returns
    -------
    Instrument
        With the fitted resolution, ``calibrated=True``; ``source`` says from what,
        with uncertainties.
    list of RefinementResult
        The fit of each standard, for plots and R-factors.

    Raises
    ------
    FitError
        When the fit does not converge.

    Notes
    -----
    A single standard that is itself broadened makes all later sizes too large: use
    one of certified, large crystallites (SRM 640, 660, 676). Axial divergence and
    shift have false minima together: several starts are tried, the best is kept.
    """
    if not standards:
        raise FitError("calibration needs at least one standard")
    means = options or NativeOptions()
    means = replace(means, derivative_window=means.value_window)
    plans = [
        _standard_plan(
            standard,
            instrument,
            two_theta_range,
            exclude,
            background_terms,
            shared=len(standards) > 1,
        )
        for standard in standards
    ]
    starts = (instrument.axial_divergence, *_AXIAL_STARTS)
    fits = [_fit_standards(standards, plans, means, axial) for axial in starts]
    best = min(fits, key=lambda fit: fit.minimum.total)
    if not best.minimum.converged:
        names = ", ".join(standard.structure.name for standard in standards)
        raise FitError(
            f"calibration on {names} did not converge in {best.minimum.steps} steps; "
            "check structure and wavelength, or narrow the range"
        )
    fitted = best.instrument(instrument)
    quick = replace(means, systematics=False)
    results = [summarize(fit, quick, engine="native") for fit in best.split()]
    return fitted, results


def _standard_plan(
    standard: Standard,
    instrument: Instrument,
    two_theta_range: tuple[float, float] | None,
    exclude: tuple[tuple[float, float], ...],
    background_terms: int,
    *,
    shared: bool,
) -> RefinementPlan:
    phase = Phase(
        structure=standard.structure,
        refine_cell=not standard.certified_cell,
        refine_size=shared,
        refine_strain=shared,
        size=LARGE_SIZE if shared else NO_SIZE,
        microstrain=None if shared else NO_STRAIN,
        texture=standard.texture,
    )
    return RefinementPlan(
        phases=(phase,),
        instrument=instrument,
        two_theta_range=two_theta_range,
        exclude=exclude,
        background_terms=background_terms,
        stages=_STAGES,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _JointFit:
    prepared: list[Prepared]
    joint: JointProblem
    restraints: Restraints
    minimum: Minimum

    def split(self) -> list[Fit]:
        """Return the fit of each standard, with the shared parameters fixed."""
        fits = []
        for item, pick, part in zip(
            self.prepared, self.joint.picks, self.minimum.found.parts, strict=True
        ):
            own = self.minimum.free[pick].copy()
            own[-_N_SHARED:] = False
            minimum = replace(self.minimum, found=part, free=own, total=part.chi_square)
            restraints = replace(
                self.restraints,
                center=self.restraints.center[pick],
                sigma=self.restraints.sigma[pick],
                low=self.restraints.low[pick],
                high=self.restraints.high[pick],
                growth=self.restraints.growth[pick],
            )
            fits.append(Fit(prepared=item, minimum=minimum, restraints=restraints))
        return fits

    def instrument(self, instrument: Instrument) -> Instrument:
        """Return the instrument with the fitted resolution."""
        values = self.minimum.found.values[-_N_SHARED:]
        linear = self.joint.linearize(self.minimum.found, self.minimum.free)
        index = np.nonzero(self.minimum.free)[0]
        curvature = self.restraints.scale / self.restraints.sigma[index] ** 2
        inverse = inverse_normal(linear.normal + np.diag(curvature))
        esd = np.sqrt(self.restraints.scale * np.diag(inverse))[-_N_SHARED:]
        names = [item.model.plan.phases[0].name for item in self.prepared]
        texts = [
            f"{kind} = {value:.4g}({error:.1g})"
            for kind, value, error in zip(INSTRUMENT_KINDS, values, esd, strict=True)
        ]
        u, v, w, x, y, axial = (float(value) for value in values)
        return replace(
            instrument,
            u=u,
            v=v,
            w=w,
            x=x,
            y=y,
            axial_divergence=axial,
            calibrated=True,
            source=f"fitted to {', '.join(names)}: {', '.join(texts)}",
        )


def _fit_standards(
    standards: Sequence[Standard],
    plans: list[RefinementPlan],
    options: NativeOptions,
    axial: float,
) -> _JointFit:
    prepared, starts, picks, flags = [], [], [], []
    restraints: list[Restraints] = []
    used = 0
    for standard, plan in zip(standards, plans, strict=True):
        tried = replace(plan.instrument, axial_divergence=axial)
        plan = replace(plan, instrument=tried)
        item = prepare(standard.pattern, plan, options, calibrate=True)
        layout = item.model.layout
        own = layout.size - _N_SHARED
        prepared.append(item)
        starts.append(start_values(layout, plan, options))
        restraints.append(make_restraints(layout, plan, options))
        picks.append(np.arange(used, used + own))
        flags.append([stage_flags(layout, plan, stage) for stage in plan.stages])
        used += own
    shared = np.arange(used, used + _N_SHARED)
    picks = [np.concatenate([pick, shared]) for pick in picks]
    joint = JointProblem(problems=[item.problem for item in prepared], picks=picks)
    merged = _merge(restraints)
    minimum = _minimize_stages(joint, _join(starts), flags, merged, options)
    return _JointFit(prepared=prepared, joint=joint, restraints=merged, minimum=minimum)


def _join(vectors: Sequence[NDArray[np.generic]]) -> Floats:
    """Join own parts, then the shared tail of the last."""
    parts = [vector[:-_N_SHARED] for vector in vectors]
    return np.concatenate([*parts, vectors[-1][-_N_SHARED:]])


def _merge(restraints: list[Restraints]) -> Restraints:
    return Restraints(
        center=_join([item.center for item in restraints]),
        sigma=_join([item.sigma for item in restraints]),
        low=_join([item.low for item in restraints]),
        high=_join([item.high for item in restraints]),
        growth=_join([item.growth for item in restraints]),
    )


def _minimize_stages(
    joint: JointProblem,
    start: Floats,
    flags: list[list[NDArray[np.bool_]]],
    restraints: Restraints,
    options: NativeOptions,
) -> Minimum:
    values = start
    minimum: Minimum | None = None
    n_points = sum(problem.n_points for problem in joint.problems)
    for stage in range(len(_STAGES)):
        free = _join([own[stage] for own in flags]).astype(bool)
        minimum = minimize(
            joint, values, free, restraints, tolerance=0.1, max_steps=_STEPS[stage]
        )
        values = minimum.found.values
        scale = minimum.found.chi_square / n_points
        restraints.scale = float(np.clip(scale, 1.0, options.prior_scale_cap))
    assert minimum is not None  # noqa: S101 - _STAGES is not empty
    return minimum
