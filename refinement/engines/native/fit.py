"""From a pattern and a plan to a minimum: data selection, priors, stages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.native.background import (
    HALO,
    BackgroundColumns,
)
from refinement.engines.native.layout import INSTRUMENT_KINDS, Layout, start_values
from refinement.engines.native.model import Model, build_model, model_background
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.problem import Problem
from refinement.engines.native.solve import Minimum, Restraints, minimize
from refinement.engines.points import noise_remark, select_points
from refinement.plan import RefinementPlan, Stage
from structkit.errors import FitError
from structkit.schema import INTENSITY, TWO_THETA
from structkit.uncertainty import intensity_std

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_GROWTH = {"ln_size": -1.0, "ln_strain": 1.0}
_SCALE_CHANGE = 0.1
"""Change of ln GOF^2 from which the last stage is repeated with the new scale."""
_EARLY = 200.0
"""How much less exact the stages before the last may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A pattern made ready for a plan."""

    problem: Problem
    columns: BackgroundColumns
    """Unweighted background columns."""
    intensity: Floats
    """Measured points in use."""
    std: Floats
    """1 sigma of them."""
    intensity_units: str
    """Units of both."""
    noise_remark: str
    """Why esds cannot be trusted; empty where they can."""

    @property
    def model(self) -> Model:
        """Return the model behind the problem."""
        return self.problem.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted pattern, before it is put into words."""

    prepared: Prepared
    minimum: Minimum
    restraints: Restraints
    notes: tuple[str, ...] = ()
    """What was done beside the plain order of stages."""

    @property
    def gof_square(self) -> float:
        """Return reduced chi-square."""
        problem = self.prepared.problem
        found = self.minimum.found
        freedom = (
            problem.n_points - int(found.passive.sum()) - int(self.minimum.free.sum())
        )
        return problem.misfit(found) / max(freedom, 1)


def prepare(
    pattern: xr.Dataset,
    plan: RefinementPlan,
    options: NativeOptions,
    *,
    model: Model | None = None,
    calibrate: bool = False,
) -> Prepared:
    """Select points, weigh them, and build (or reuse) the model."""
    keep = select_points(pattern, plan)
    angles = pattern[TWO_THETA].to_numpy()[keep]
    intensity = pattern[INTENSITY].to_numpy()[keep].astype(float)
    if not np.any(intensity > 0.0):
        raise FitError(
            "no intensity above zero in the range in use; measure again, or set range"
        )
    std = intensity_std(pattern)[keep]
    if model is None or not _fits(model, angles, plan, options):
        model = build_model(angles, plan, options, calibrate=calibrate)
    columns = model_background(model)
    root_weight = 1.0 / std
    problem = Problem(
        model=model,
        root_weight=root_weight,
        observed=intensity * root_weight,
        background=columns.values * root_weight,
        background_free=columns.free,
        cost=np.where(columns.select(HALO), options.halo_threshold, 0.0),
    )
    return Prepared(
        problem=problem,
        columns=columns,
        intensity=intensity,
        std=std,
        intensity_units=str(pattern[INTENSITY].attrs.get("units", "1")),
        noise_remark=noise_remark(pattern),
    )


def _fits(
    model: Model, angles: Floats, plan: RefinementPlan, options: NativeOptions
) -> bool:
    return (
        model.plan is plan
        and model.options == options
        and model.angles.size == angles.size
        and bool(np.array_equal(model.angles, angles))
    )


def narrowest_line(fit: Fit) -> float:
    """Return the smallest FWHM (degree) among the lines of phases that are there."""
    found = fit.minimum.found
    amounts = found.amounts[fit.prepared.model.columns[:-1]]
    angles = fit.prepared.model.angles
    smallest = np.inf
    for state, amount in zip(found.states, amounts, strict=True):
        seen = (state.centers >= angles[0]) & (state.centers <= angles[-1])
        if amount > 0.0 and seen.any():
            width = np.hypot(state.gaussian, state.lorentzian)[seen]
            smallest = min(smallest, float(width.min()))
    return smallest


def on_finer_grid(fit: Fit, options: NativeOptions) -> Fit:
    """Return the fit, repeated on a finer grid where its lines turned out narrow."""
    model = fit.prepared.model
    width = narrowest_line(fit)
    if width >= options.least_points_per_fwhm * model.grid.step:
        return fit
    finer = build_model(model.angles, model.plan, options, width=width)
    problem = replace(fit.prepared.problem, model=finer)
    prepared = replace(fit.prepared, problem=problem)
    again = run_stages(
        prepared,
        fit.minimum.found.values,
        fit.restraints,
        model.plan.stages[-1:],
        options,
    )
    return replace(again, notes=fit.notes)


def make_restraints(
    layout: Layout,
    plan: RefinementPlan,
    options: NativeOptions,
    *,
    center: Floats | None = None,
    second: bool = False,
) -> Restraints:
    """Return priors and bounds, centred on ``center`` (default: the cold start)."""
    middle = start_values(layout, plan, options) if center is None else center
    sigma = np.full(layout.size, np.inf)
    low, high = np.full(layout.size, -np.inf), np.full(layout.size, np.inf)
    for i, kind in enumerate(layout.kinds):
        if kind in INSTRUMENT_KINDS:
            sigma[i] = options.resolution_sigma[kind]
            low[i] = -np.inf if kind == "v" else 0.0
            continue
        prior = options.priors[kind]
        sigma[i] = prior.sigma_second if second else prior.sigma
        offset = middle[i] if prior.relative else 0.0
        low[i], high[i] = prior.low + offset, prior.high + offset
    growth = np.array([_GROWTH.get(kind, 0.0) for kind in layout.kinds])
    return Restraints(
        center=middle.copy(), sigma=sigma, low=low, high=high, growth=growth
    )


def stage_flags(layout: Layout, plan: RefinementPlan, stage: Stage) -> Flags:
    """Return which parameters are free in a stage."""
    member = np.array([layout.group(i) in stage.free for i in range(layout.size)])
    return member & layout.allowed(plan)


def run_stages(
    prepared: Prepared,
    start: Floats,
    restraints: Restraints,
    stages: tuple[Stage, ...],
    options: NativeOptions,
) -> Fit:
    """Fit stage after stage; the priors' scale follows GOF^2 between them.

    Where the last stage was run with another scale than it ended with, it is repeated:
    cold and warm fits then end in the same minimum.
    """
    model = prepared.model
    problem = prepared.problem
    values = start
    flags = [stage_flags(model.layout, model.plan, stage) for stage in stages]
    # A stage that frees nothing new would repeat the one before it.
    steps = [free for k, free in enumerate(flags) if not _repeats(flags, k)]
    if not steps:
        raise FitError("stages: the plan has no stage; give at least one")
    early = _EARLY * options.tolerance
    rounds = [(free, early) for free in steps[:-1]]
    # The last stage of a cold start is begun loosely, to learn its own GOF^2 first.
    rounds += [(steps[-1], early)] * (len(steps) > 1) + [(steps[-1], options.tolerance)]
    minimum, used = None, restraints.scale
    for free, tolerance in rounds:
        used = restraints.scale
        minimum = minimize(
            problem,
            values,
            free,
            restraints,
            tolerance=tolerance,
            max_steps=options.max_steps,
        )
        values = minimum.found.values
        _rescale(problem, restraints, minimum, options)
    if minimum is None or abs(np.log(restraints.scale / used)) > _SCALE_CHANGE:
        minimum = minimize(
            problem,
            values,
            steps[-1],
            restraints,
            tolerance=options.tolerance,
            max_steps=options.max_steps,
        )
        values = minimum.found.values
    if model.n_drawn > len(model.lines) or restraints.scale != used:
        minimum.found = problem.evaluate(values)
    minimum.total = minimum.found.chi_square + restraints.penalty(values)
    return Fit(prepared=prepared, minimum=minimum, restraints=restraints)


def _rescale(
    problem: Problem, restraints: Restraints, minimum: Minimum, options: NativeOptions
) -> None:
    """Scale priors, ridge and halo cost by the GOF^2 of a fit so far."""
    freedom = max(problem.n_points - int(minimum.free.sum()) - 20, 1)
    gof_square = problem.misfit(minimum.found) / freedom
    restraints.scale = float(np.clip(gof_square, 1.0, options.prior_scale_cap))
    problem.rescale(minimum.found.amounts, restraints.scale)


def _repeats(flags: list[Flags], number: int) -> bool:
    """Return whether a stage frees the same parameters as the one before it."""
    return number > 0 and bool(np.array_equal(flags[number], flags[number - 1]))


def with_note(fit: Fit, note: str) -> Fit:
    """Return the same fit with one more note."""
    return replace(fit, notes=(*fit.notes, note))
