"""Stage after stage through rietx, each free set decided by what is there."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refinement.engines.rietx.amounts import inverse_normal, solve_amounts
from refinement.engines.rietx.prepare import CHEBYSHEV, HALO, Prepared
from refinement.engines.rietx.translate import (
    build_data,
    build_instrument,
    build_structure,
    scale_factor,
    write_amount,
)
from refinement.plan import Group, RefinementPlan, Stage
from refinement.recipes import MILLED_POWDER, stages_of
from structkit.errors import FitError

Floats = NDArray[np.float64]
_GROUPS: tuple[Group, ...] = ("cell", "size", "strain", "texture", "b_overall")
"""Groups of which each phase has its own."""
_EARLY_TOLERANCE, _TOLERANCE = 1e-4, 1e-6
"""Relative decrease of chi-square at which earlier stages and the last one stop."""
_LAST_TRIES = 2
_WINDOW = 0.01
"""Share of a line's area that its window may cut: about what the native engine cuts.
With 2 %, rietx's own for a stage, fractions move by an esd; 0.1 % takes several times
as long and moves them by a tenth of one."""
_B_RANGE = (-1.0, 3.0)
"""Smallest and largest overall B, angstrom squared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """rietx's curves at the parameters of its models."""

    model: Any
    """rietx's compiled model."""
    values: dict[str, float]
    """Every parameter by rietx's name."""
    units: Floats
    """Curve of each phase at a mass-proportional scale of 1, shape (n_phases,
    n_points), as rietx sees the pattern."""
    factors: Floats
    """Mass-proportional scale over rietx's."""

    @property
    def scales(self) -> Floats:
        """Return the mass-proportional scales."""
        own = [self.values[f"phases.{i}.scale"] for i in range(self.factors.size)]
        return np.array(own) * self.factors

    def with_size_width(self, number: int, width: float) -> Drawn:
        """Return the curves with another ``lor_size`` (degree) of one phase."""
        path, scale = f"phases.{number}.lor_size", f"phases.{number}.scale"
        changed = self.values | {path: width, scale: 1.0 / self.factors[number]}
        units = self.units.copy()
        units[number] = self.model.phase_component(number, changed)
        return replace(self, units=units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """The linear part of a fit at given line shapes."""

    amounts: Floats
    """Scales (mass-proportional), then smooth columns."""
    admitted: tuple[tuple[Group, ...], ...]
    """Groups that each phase is strong enough to free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted pattern in rietx's terms."""

    prepared: Prepared
    refinement: Any
    """rietx's refinement, at its answer."""
    outcome: Any
    """rietx's result."""
    drawn: Drawn
    """Curves at the answer."""
    free: tuple[tuple[Group, ...], ...]
    """Groups that were free in the last stage, by phase."""
    caught: tuple[str, ...]
    """Warnings that rietx gave."""


def fit_stages(prepared: Prepared) -> Fit:
    """Fit a pattern.

    Raises
    ------
    FitError
        rietx refuses the model, or gives up with an error of its own.

    Notes
    -----
    Before each stage the linear part is solved at the present line shapes. A phase
    whose fraction or significance is below the recipe's thresholds has only its scale
    free in that stage: without priors nothing else holds it. Each stage frees exactly
    its groups; all but the last leave the halo to the linear solution, as rietx takes
    its derivatives one pattern at a time. The last stage is repeated when a phase or
    a Gaussian of the halo has become significant in it.
    """
    from threadpoolctl import threadpool_limits

    # Its matrices are small: threads of the linear algebra library only wait for one
    # another, and cost a factor of 3 to 5 on a machine that is busy.
    with (
        warnings.catch_warnings(record=True) as caught,
        threadpool_limits(limits=1, user_api="blas"),
    ):
        warnings.simplefilter("always")
        try:
            fit = _fit(prepared)
        except (ValueError, RuntimeError, ArithmeticError) as error:
            raise FitError(f"rietx gave up: {error}") from error
    texts = tuple(dict.fromkeys(str(one.message) for one in caught))
    return replace(fit, caught=texts)


def _fit(prepared: Prepared) -> Fit:
    import rietx

    data = build_data(prepared)
    structure, instrument = build_structure(prepared), build_instrument(prepared)
    refinement = rietx.Refinement(structure, instrument, history=False)
    _tie_overall_b(refinement, prepared)
    # The linear solution stands for the first stage of a recipe: scales alone.
    stages = list(stages_of(prepared.plan))[1:]
    last, earlier = stages[-1], [] if prepared.warm else stages[:-1]
    linear = _settle(refinement, data, prepared)
    for stage in [*earlier, last]:
        paths = free_paths(prepared, stage, linear, halo=False)
        if stage is last or paths != free_paths(prepared, last, linear, halo=False):
            _run_early(refinement, data, stage, paths)
            linear = _settle(refinement, data, prepared)
    outcome: Any = None
    for _ in range(_LAST_TRIES):
        used = linear
        outcome = _run_last(refinement, data, last, free_paths(prepared, last, used))
        drawn = draw(refinement, data, prepared)
        linear = _solve_linear(drawn, prepared)
        if set(free_paths(prepared, last, linear)) <= set(
            free_paths(prepared, last, used)
        ):
            break
    return Fit(
        prepared=prepared,
        refinement=refinement,
        outcome=outcome,
        drawn=drawn,
        free=used.admitted,
        caught=(),
    )


def _run_early(refinement: Any, data: Any, stage: Stage, paths: list[str]) -> None:
    import rietx

    stages = [rietx.Stage(stage.name, paths, ftol=_EARLY_TOLERANCE)]
    plan = rietx.RefinementPlan(stages=stages, closing_window_tol=None)
    refinement.fit(data, plan=plan, telemetry=False)


def _run_last(refinement: Any, data: Any, stage: Stage, paths: list[str]) -> Any:
    import rietx

    refinement.set_vary("*", vary=False)
    return refinement.run_stage(
        data,
        rietx.Stage(stage.name, paths, ftol=_TOLERANCE),
        window_area_tol=_WINDOW,
        telemetry=False,
    )


def draw(refinement: Any, data: Any, prepared: Prepared) -> Drawn:
    """Return rietx's curves for its models as they stand."""
    from rietx.model.forward import compile_model
    from rietx.params.vector import ParameterTable

    structure, instrument = refinement.structure, refinement.instrument
    table = ParameterTable(structure, instrument)
    model = compile_model(structure, instrument, data, window_area_tol=_WINDOW)
    values = dict(table.decode(table.x0()))
    plan = prepared.plan
    factors = np.array(
        [
            scale_factor(phase, _volume(one.cell), plan)
            for phase, one in zip(plan.phases, structure.phases, strict=True)
        ]
    )
    unit = values | {f"phases.{i}.scale": 1.0 / f for i, f in enumerate(factors)}
    curves = [model.phase_component(i, unit) for i in range(factors.size)]
    return Drawn(model=model, values=values, units=np.array(curves), factors=factors)


def _volume(cell: Any) -> float:
    from rietx.crystallography.lattice import cell_volume

    return float(cell_volume(*cell.lengths_angles()))


def linear_columns(
    drawn: Drawn, prepared: Prepared
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return phases and smooth columns over the esds, and which may be negative."""
    smooth = np.array([one.values for one in prepared.smooth])
    free = [False] * len(drawn.units)
    free += [one.kind == CHEBYSHEV for one in prepared.smooth]
    columns = np.concatenate([drawn.units, smooth]) / prepared.observed_std
    return columns, np.array(free)


def _settle(refinement: Any, data: Any, prepared: Prepared) -> Linear:
    """Write the linear solution at the present shapes into rietx's models."""
    drawn = draw(refinement, data, prepared)
    linear = _solve_linear(drawn, prepared)
    count = drawn.factors.size
    for number, factor in enumerate(drawn.factors):
        scale = refinement.structure.phases[number].scale
        scale.value = float(linear.amounts[number] / factor)
    for column, amount in zip(prepared.smooth, linear.amounts[count:], strict=True):
        write_amount(refinement.instrument, column, float(amount))
    return linear


def _solve_linear(drawn: Drawn, prepared: Prepared) -> Linear:
    """Return all amounts at the present shapes, and what each phase may free."""
    columns, signed = linear_columns(drawn, prepared)
    observed = prepared.observed / prepared.observed_std
    amounts = solve_amounts(columns, observed, signed)
    residual = observed - amounts @ columns
    freedom = max(observed.size - amounts.size, 1)
    inflation = max(float(residual @ residual) / freedom, 1.0)
    scales = amounts[: drawn.factors.size]
    esds = np.sqrt(inflation * np.diag(inverse_normal(columns))[: scales.size])
    shares = scales / max(float(scales.sum()), 1e-300)
    admitted = tuple(
        tuple(
            group
            for group in _GROUPS
            if scale > 0.0
            and MILLED_POWDER.admits(
                group, weight_fraction=float(share), significance=float(scale / esd)
            )
        )
        for scale, esd, share in zip(scales, esds, shares, strict=True)
    )
    return Linear(amounts=amounts, admitted=admitted)


def free_paths(
    prepared: Prepared, stage: Stage, linear: Linear, *, halo: bool = True
) -> list[str]:
    """Return rietx's names of what is free in a stage.

    Gaussians of the halo that the linear solution leaves at zero stay there; with
    ``halo`` False all of them keep their heights. Lines shift together only where a
    phase is strong enough to say by how much.
    """
    plan = prepared.plan
    count = len(plan.phases)
    paths = [f"phases.{number}.scale" for number in range(count)]
    paths += [
        one.path
        for one, amount in zip(prepared.smooth, linear.amounts[count:], strict=True)
        if one.kind != HALO or (halo and amount > 0.0)
    ]
    placed = any("cell" in groups for groups in linear.admitted)
    if "shift" in stage.free and placed and plan.shift == "displacement":
        paths.append("instrument.geometry.sample_displacement")
    if "shift" in stage.free and placed and plan.shift == "zero":
        paths.append("instrument.zero_shift")
    if "resolution" in stage.free and placed and plan.refines_resolution:
        paths.append("instrument.profile.w")
    for number, groups in enumerate(linear.admitted):
        own = _phase_paths(plan, number)
        paths += [own[g] for g in groups if g in stage.free and g in own]
    return paths


def _phase_paths(plan: RefinementPlan, number: int) -> dict[Group, str]:
    """Return rietx's names of what the plan lets a phase refine, by group."""
    phase, base = plan.phases[number], f"phases.{number}"
    paths: dict[Group, str] = {}
    if phase.refine_cell:
        paths["cell"] = f"{base}.cell.*"
    if phase.refine_size:
        paths["size"] = f"{base}.lor_size"
    if phase.refine_strain:
        paths["strain"] = f"{base}.lor_strain"
    if phase.texture is not None and phase.texture_model == "march-dollase":
        paths["texture"] = f"{base}.preferred_orientation.r"
    elif phase.texture is not None:
        paths["texture"] = f"{base}.texture.*"
    if phase.refine_b_overall:
        paths["b_overall"] = overall_b_path(number)
    return paths


def overall_b_path(number: int) -> str:
    """Return the name of a phase's overall B."""
    return f"vars.b_{number}"


def _tie_overall_b(refinement: Any, prepared: Prepared) -> None:
    """Give each phase that refines it one B on top of its atoms' own."""
    for number, phase in enumerate(prepared.plan.phases):
        if not phase.refine_b_overall:
            continue
        low, high = _B_RANGE
        start = min(max(prepared.starts[number].b_overall, low), high)
        path = overall_b_path(number)
        refinement.add_variable(
            path.removeprefix("vars."), start, min=low, max=high, unit="A^2"
        )
        for atom, site in enumerate(phase.structure.sites):
            refinement.tie(
                f"phases.{number}.atoms.{atom}.biso", path, offset=site.b_iso
            )
