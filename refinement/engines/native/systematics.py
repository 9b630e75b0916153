"""What the fit's own esds leave out, as the scales other admissible choices give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from refinement.engines.native.background import (
    HALO,
    BackgroundColumns,
    division_terms,
    split_smooth,
)
from refinement.engines.native.fit import Fit
from refinement.engines.native.lines import LineState, line_state
from refinement.engines.native.model import (
    apply_instrument,
    draw_phase,
    model_background,
)
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.problem import Linearized, Problem, reduced_normal
from refinement.engines.weights import corrected_scales, spread_by_cause
from structkit.xrd.background import Film, film_transmission

Floats = NDArray[np.float64]
TEXTURE_STEP = math.log(0.95)
"""Change of ln r about 001 that goes unnoticed in a phase without texture model."""
B_STEP = 0.2
"""Half-range of every phase's overall B, angstrom squared."""
UNKNOWN_DIAMETER_UM = 5.0
"""Largest particle diameter thought of when none is given, micrometre."""
DIAMETER_FACTOR = 2.0
"""Factor within which a particle diameter that is given can be trusted: one number
stands for all phases and for a whole distribution."""
FILM_STEP = 0.1
"""Half-range of the film's relative thickness: what a sheet varies, and how it lies."""
SIZE_SPREAD = 0.4
"""Spread of ln(size) that milled powders have and a line of one size does not show."""
_LARGEST = 0.3
"""Longest step of a parameter to where another line shape has it."""
_VARIANTS = (
    ("two terms more", 2, 0.0, 1.0),
    ("two terms fewer", -2, 0.0, 1.0),
    ("halo bank moved by half its spacing", 0, 0.5, 1.0),
    ("halo bank a quarter narrower", 0, 0.0, 0.75),
    ("halo bank a quarter wider", 0, 0.0, 1.25),
)
"""Admissible backgrounds: label, terms added, shift of the bank in spacings, factor
of its widths."""
AS_FITTED = "as fitted"
BACKGROUND, B, TEXTURE = "background", "b", "texture"
PARTICLE, FILM, PROFILE = "particle_size", "film", "profile"
CAUSES = (BACKGROUND, B, TEXTURE, PARTICLE, FILM, PROFILE)
"""Causes of systematic uncertainty; each has its ``systematic_<cause>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The scales under one admissible choice."""

    cause: str
    """One of :data:`CAUSES`; empty for the fit itself."""
    label: str
    """What was changed."""
    scales: Floats
    """Scales over the Brindley factor, shape (n_phases,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Systematics:
    """What other admissible choices would have given."""

    variants: tuple[Variant, ...]
    """The fit itself first."""
    area_variants: Floats
    """Crystalline share of the area under each admissible background, the fit's own
    first, shape (n_variants,); NaN without a halo."""
    area_labels: tuple[str, ...]
    """What each of those backgrounds is."""

    @property
    def scales(self) -> Floats:
        """Return the scales of all variants, shape (n_variants, n_phases)."""
        return np.array([variant.scales for variant in self.variants])

    @property
    def causes(self) -> tuple[str, ...]:
        """Return the cause of each variant; empty for the fit itself."""
        return tuple(variant.cause for variant in self.variants)

    @property
    def total(self) -> Floats:
        """Return the half-range of each weight fraction, all causes in quadrature."""
        return spread_by_cause(_shares(self.scales), self.causes)

    @property
    def scale_total(self) -> Floats:
        """Return the half-range of each scale, all causes in quadrature."""
        return spread_by_cause(self.scales, self.causes)

    def part(self, cause: str) -> Floats:
        """Return the half-range of each weight fraction from one cause."""
        kept = [x in ("", cause) for x in self.causes]
        causes = tuple(x for x in self.causes if x in ("", cause))
        return spread_by_cause(_shares(self.scales)[kept], causes)


def _shares(scales: Floats) -> Floats:
    return np.asarray(scales / np.maximum(scales.sum(axis=1, keepdims=True), 1e-300))


def estimate_systematics(fit: Fit, options: NativeOptions) -> Systematics:
    """Return scales and areas under other admissible choices.

    Parameters
    ----------
    fit : Fit
        A finished fit.
    options : NativeOptions
        Halo bank.

    Notes
    -----
    The spread over them is a half-range, about 95 %, not 1 sigma. Line shapes stay as
    fitted; only the linear problem is solved again. Background: two terms more, two
    fewer, the halo bank moved by half its spacing, its members a quarter narrower or
    wider. B, texture, line shape: one phase at a time. Film: its thickness within a
    tenth. Particle size: up to 5 micrometre if none is given, else a factor of 2.
    """
    columns, amounts = fit.prepared.columns, fit.minimum.found.amounts
    own = division_terms(columns)
    areas = {AS_FITTED: _area_share(fit, columns, amounts, own)}
    for label, terms in (
        ("one background term fewer", own - 1),
        (
            "the whole polynomial as background",
            fit.prepared.model.plan.background_terms,
        ),
    ):
        areas[label] = _area_share(fit, columns, amounts, terms)
    found = [_variant(fit, "", AS_FITTED, amounts)]
    for label, columns, amounts in _other_backgrounds(fit, options):
        found.append(_variant(fit, BACKGROUND, label, amounts))
        if label == _VARIANTS[2][0]:
            areas[label] = _area_share(fit, columns, amounts, own)
    found += _line_variants(fit)
    found.append(_variant(fit, PROFILE, "two sizes in every phase", _two_sizes(fit)))
    found += _particle_variants(fit)
    return Systematics(
        variants=tuple(found),
        area_variants=np.array(list(areas.values())),
        area_labels=tuple(areas),
    )


def _variant(fit: Fit, cause: str, label: str, amounts: Floats) -> Variant:
    model = fit.prepared.model
    scales, _ = corrected_scales(model.plan, amounts[model.columns[:-1]])
    return Variant(cause=cause, label=label, scales=scales)


def _other_backgrounds(
    fit: Fit, options: NativeOptions
) -> Iterator[tuple[str, BackgroundColumns, Floats]]:
    """Yield label, columns and linear parameters of each admissible background."""
    problem = fit.prepared.problem
    plan = problem.model.plan
    for label, terms, offset, stretch in _VARIANTS:
        banked = offset != 0.0 or stretch != 1.0
        if plan.background_terms + terms < 2 or (banked and not plan.halo):
            continue
        columns = model_background(
            problem.model, extra_terms=terms, halo_offset=offset, halo_stretch=stretch
        )
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
        yield label, columns, other.solve(fit.minimum.found.columns)[0]


def _line_variants(fit: Fit) -> list[Variant]:
    """Return the variants in which the lines of one phase, or of all, change.

    B and film change areas slowly with angle: they act on drawn columns.
    """
    model = fit.prepared.model
    plan = model.plan
    sine = np.sin(np.radians(0.5 * model.angles))
    damping = np.exp(-2.0 * B_STEP * (sine / plan.instrument.radiation.wavelength) ** 2)
    found = []
    for number, phase in enumerate(plan.phases):
        found.append((B, f"B of {phase.name}", {number: _own(fit, number) * damping}))
        if phase.texture is None:
            changed = _draw(fit, number, _textured(fit, number))
            found.append((TEXTURE, f"texture of {phase.name}", {number: changed}))
    if plan.film_thickness_um:
        more = Film(thickness=FILM_STEP * plan.film_thickness_um)
        weaker = film_transmission(model.angles, more)
        everything = {n: _own(fit, n) * weaker for n in range(len(plan.phases))}
        found.append((FILM, "film a tenth thicker", everything))
    return [
        _variant(fit, cause, label, _solve_changed(fit, changed))
        for cause, label, changed in found
    ]


def _own(fit: Fit, number: int) -> Floats:
    """Return the weighted columns of one phase as fitted."""
    starts = fit.prepared.model.columns
    own = fit.minimum.found.columns[starts[number] : starts[number + 1]]
    return np.asarray(own)


def _textured(fit: Fit, number: int) -> LineState:
    """Return the lines of a phase with a texture that goes unnoticed."""
    model = fit.prepared.model
    values = fit.minimum.found.values.copy()
    values[model.layout.index(number, "ln_march")] += TEXTURE_STEP
    return line_state(model.lines[number], number, values, model.layout, model.plan)


def _draw(fit: Fit, number: int, state: LineState) -> Floats:
    """Return the weighted columns of one phase."""
    model = fit.prepared.model
    padded = draw_phase(model, number, state, window=model.options.value_window)
    return apply_instrument(model.operator, padded, fit.prepared.problem.root_weight)


def _two_sizes(fit: Fit) -> Floats:
    """Return the linear parameters when the crystallites of a phase have two sizes.

    Other tails ask for other widths: a Gauss-Newton step with the fit's own Jacobian
    takes all parameters there, the linear ones to first order.
    """
    problem, minimum = fit.prepared.problem, fit.minimum
    found, free = minimum.found, np.nonzero(minimum.free)[0]
    drawn = [_drawn_twice(fit, n, s) for n, s in enumerate(found.states)]
    columns = np.concatenate([*drawn, found.columns[problem.model.n_drawn :]])
    amounts = problem.solve(columns)[0]
    n = columns.shape[0]
    calculated = amounts[:n] @ columns + amounts[n:] @ problem.background
    linear = minimum.linear
    jacobian = (
        linear.jacobian
        if isinstance(linear, Linearized)
        else problem.jacobian(found, minimum.free)
    )
    reduced, _, transfer = reduced_normal(problem, found, jacobian)
    restraints = fit.restraints
    curvature = restraints.scale / restraints.sigma[free] ** 2
    pull = curvature * (found.values[free] - restraints.center[free])
    gradient = jacobian @ (problem.observed - calculated) - pull
    step = np.linalg.solve(reduced + np.diag(curvature), gradient)
    amounts[found.passive] -= transfer @ np.clip(step, -_LARGEST, _LARGEST)
    bases = problem.model.columns[:-1]
    amounts[bases] = np.maximum(amounts[bases], 0.0)
    return np.asarray(amounts)


def _drawn_twice(fit: Fit, number: int, state: LineState) -> Floats:
    """Return the columns of a phase of two sizes with the FWHM of one."""
    columns = []
    for factor in _pair_of_widths(SIZE_SPREAD):
        wide = state.lorentzian + (factor - 1.0) * state.size_width
        columns.append(_draw(fit, number, replace(state, lorentzian=wide)))
    return np.asarray(np.mean(columns, axis=0))


@lru_cache(maxsize=4)
def _pair_of_widths(spread: float) -> tuple[float, float]:
    """Return the widths of two equal Lorentzians whose sum has a FWHM of 1."""
    narrow, wide = math.exp(-spread), math.exp(spread)

    def excess(half: float) -> float:
        at_half = sum(w / (half**2 + 0.25 * w**2) for w in (narrow, wide))
        return at_half - 0.5 * sum(4.0 / w for w in (narrow, wide))

    width = 2.0 * float(brentq(excess, 0.5 * narrow, 0.5 * wide))
    return narrow / width, wide / width


def _solve_changed(fit: Fit, changed: dict[int, Floats]) -> Floats:
    """Return the linear parameters with the columns of some phases replaced."""
    starts = fit.prepared.model.columns
    columns = fit.minimum.found.columns.copy()
    for number, own in changed.items():
        columns[starts[number] : starts[number + 1]] = own
    return fit.prepared.problem.solve(columns)[0]


def _particle_variants(fit: Fit) -> list[Variant]:
    """Return the scales with other particle diameters."""
    model = fit.prepared.model
    plan, raw = model.plan, fit.minimum.found.amounts[model.columns[:-1]]
    own = [phase.particle_size_um or plan.particle_size_um for phase in plan.phases]
    known = [size for size in own if size]
    diameters = [UNKNOWN_DIAMETER_UM]
    if known:
        mean = float(np.mean(known))
        diameters = [mean * DIAMETER_FACTOR, mean / DIAMETER_FACTOR]
    return [
        Variant(
            cause=PARTICLE,
            label=f"particles of {diameter:g} micrometre",
            scales=corrected_scales(plan, raw, diameter_um=diameter)[0],
        )
        for diameter in diameters
    ]


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
