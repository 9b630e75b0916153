"""What the fit's own esds leave out: background, B, texture, particle size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.background import (
    HALO,
    BackgroundColumns,
    division_terms,
    split_smooth,
)
from refinement.engines.native.fit import Fit
from refinement.engines.native.lines import line_state
from refinement.engines.native.model import (
    Model,
    apply_instrument,
    draw_phase,
    model_background,
)
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.problem import Problem
from refinement.engines.weights import corrected_scales
from refinement.plan import RefinementPlan

Floats = NDArray[np.float64]
TEXTURE_STEP = math.log(0.95)
"""Change of ln r about 001 that goes unnoticed in a phase without texture model."""
B_STEP = 0.2
"""Half-range of every phase's overall B, angstrom squared."""
UNKNOWN_DIAMETER_UM = 5.0
"""Largest particle diameter thought of when none is given, micrometre."""
_VARIANTS = (
    ("two terms more", 2, 0.0),
    ("two terms fewer", -2, 0.0),
    ("halo bank moved by half its spacing", 0, 0.5),
)
"""Admissible backgrounds: label, terms added, shift of the bank in spacings."""
DIAMETER_FACTOR = 2.0
"""Factor within which a particle diameter that is given can be trusted: one number
stands for all phases and for a whole distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Systematics:
    """Half-range of each phase's weight fraction by cause, shape (n_phases,) each."""

    background: Floats
    """Other admissible backgrounds: the largest change."""
    displacement_parameters: Floats
    """B of every phase within 0.2 angstrom squared."""
    area_variants: Floats
    """Crystalline share of the area under each admissible background, the fit's own
    first, shape (n_variants,); NaN without a halo."""
    area_labels: tuple[str, ...]
    """What each of those backgrounds is."""
    texture: Floats
    """Preferred orientation of the phases for which the plan has none: r = 0.95."""
    particle_size: Floats
    """Microabsorption: up to 5 micrometre if no size is given, else a factor of 2."""

    @property
    def total(self) -> Floats:
        """Return the causes added in quadrature."""
        return np.asarray(
            np.sqrt(
                self.background**2
                + self.displacement_parameters**2
                + self.particle_size**2
                + self.texture**2
            )
        )


def _share(plan: RefinementPlan, scales: Floats, diameter: float | None) -> Floats:
    corrected, _ = corrected_scales(plan, scales, diameter_um=diameter)
    return np.asarray(corrected / max(float(corrected.sum()), 1e-300))


def estimate_systematics(
    fit: Fit, options: NativeOptions, share: Floats
) -> Systematics:
    """Return the systematic part of the weight fractions.

    Parameters
    ----------
    fit : Fit
        A finished fit.
    options : NativeOptions
        Halo bank.
    share : ndarray, shape (n_phases,)
        Weight fractions of the crystalline part.

    Notes
    -----
    Half-ranges over admissible choices, about 95 %, not 1 sigma. Line shapes stay as
    fitted; only the linear problem is solved again. Background: largest change over
    two terms more, two fewer, and the halo bank moved by half its spacing. B and
    texture: one phase at a time, added in quadrature.
    """
    model = fit.prepared.model
    plan = model.plan
    bases = model.columns[:-1]
    changes = []
    columns, amounts = fit.prepared.columns, fit.minimum.found.amounts
    own = division_terms(columns)
    areas = [_area_share(fit, columns, amounts, own)]
    labels = ["as fitted"]
    for label, terms in (
        ("one background term fewer", own - 1),
        ("the whole polynomial as background", plan.background_terms),
    ):
        areas.append(_area_share(fit, columns, amounts, terms))
        labels.append(label)
    for label, terms, offset in _VARIANTS:
        if plan.background_terms + terms < 2 or (offset and not plan.halo):
            continue
        columns, amounts = _solve_with(fit, options, terms, offset)
        changes.append(_share(plan, amounts[bases], None) - share)
        if offset:
            areas.append(_area_share(fit, columns, amounts, own))
            labels.append(label)
    background = np.max(np.abs(changes), axis=0)
    by_b, by_texture = np.zeros(len(plan.phases)), np.zeros(len(plan.phases))
    for number in range(len(plan.phases)):
        amounts = _solve_changed(fit, model, number, "b_overall", B_STEP)
        by_b += np.square(_share(plan, amounts[bases], None) - share)
        if plan.phases[number].texture is None:
            amounts = _solve_changed(fit, model, number, "ln_march", TEXTURE_STEP)
            by_texture += np.square(_share(plan, amounts[bases], None) - share)
    return Systematics(
        background=background,
        area_variants=np.array(areas),
        area_labels=tuple(labels),
        displacement_parameters=np.sqrt(by_b),
        texture=np.sqrt(by_texture),
        particle_size=_particle_part(plan, fit.minimum.found.amounts[bases]),
    )


def _particle_part(plan: RefinementPlan, scales: Floats) -> Floats:
    own = [phase.particle_size_um or plan.particle_size_um for phase in plan.phases]
    known = [size for size in own if size]
    if not known:
        change = _share(plan, scales, UNKNOWN_DIAMETER_UM) - _share(plan, scales, None)
        return np.abs(change)
    mean = float(np.mean(known))
    high = _share(plan, scales, mean * DIAMETER_FACTOR)
    low = _share(plan, scales, mean / DIAMETER_FACTOR)
    return np.abs(high - low) / 2.0


def _area_share(
    fit: Fit, columns: BackgroundColumns, amounts: Floats, terms: int
) -> float:
    """Return the reflections' share of the area of reflections and halo."""
    if not columns.select(HALO).any():
        return float("nan")
    problem, plan = fit.prepared.problem, fit.prepared.model.plan
    n = problem.model.n_columns
    width = np.gradient(problem.model.angles)
    shares = amounts[:n]
    if plan.components:
        shares, glass = shares.copy(), np.zeros(n)
        for at, part in enumerate(plan.components, start=problem.model.n_drawn):
            glass[at] = 0.0 if part.crystalline or part.background else shares[at]
            shares[at] = shares[at] if part.crystalline and not part.background else 0.0
    crystalline = (shares @ fit.minimum.found.columns) * fit.prepared.std
    _, halo = split_smooth(columns, amounts[n:], problem.model.angles, terms=terms)
    if plan.components:
        halo = halo + (glass @ fit.minimum.found.columns) * fit.prepared.std
    areas = float(crystalline @ width), float(halo @ width)
    return areas[0] / max(sum(areas), 1e-300)


def _solve_with(
    fit: Fit, options: NativeOptions, terms: int, offset: float
) -> tuple[BackgroundColumns, Floats]:
    problem = fit.prepared.problem
    columns = model_background(problem.model, extra_terms=terms, halo_offset=offset)
    other = Problem(
        model=problem.model,
        root_weight=problem.root_weight,
        observed=problem.observed,
        background=columns.values * problem.root_weight,
        background_free=columns.free,
        cost=np.where(columns.select(HALO), options.halo_threshold, 0.0),
        gof_square=problem.gof_square,
    )
    other.ridge = problem.ridge
    return columns, other.solve(fit.minimum.found.columns)[0]


def _solve_changed(
    fit: Fit, model: Model, number: int, kind: str, step: float
) -> Floats:
    """Return the linear parameters with one parameter of one phase changed."""
    values = fit.minimum.found.values.copy()
    values[model.layout.index(number, kind)] += step
    problem = fit.prepared.problem
    state = line_state(model.lines[number], number, values, model.layout, model.plan)
    padded = draw_phase(model, number, state, window=model.options.value_window)
    columns = fit.minimum.found.columns.copy()
    columns[model.columns[number] : model.columns[number + 1]] = apply_instrument(
        model.operator, padded, problem.root_weight
    )
    return problem.solve(columns)[0]
