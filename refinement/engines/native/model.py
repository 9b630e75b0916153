"""The pattern as a function of parameters: lines drawn, instrument applied."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.background import (
    BackgroundColumns,
    background_columns,
)
from refinement.engines.native.components import MeasuredColumns, measured_columns
from refinement.engines.native.kernels import (
    apply_segments,
    draw_derivatives,
    draw_lines,
)
from refinement.engines.native.layout import Layout, build_layout
from refinement.engines.native.lines import (
    LineState,
    PhaseLines,
    line_state,
    prepare_phase,
)
from refinement.engines.native.operator import (
    Grid,
    SegmentOperator,
    build_operator,
    source_angles,
)
from refinement.engines.native.options import NativeOptions
from refinement.plan import RefinementPlan
from structkit.errors import FitError
from structkit.xrd.background import Film, film_transmission

Floats = NDArray[np.float64]
_DEGREE = 180.0 / math.pi
_EXPECTED_SIZE = 1000.0
"""Crystallite size (angstrom) for which the grid is first made."""
_MOST_POINTS = 300_000
"""Reciprocal lattice points of a phase beyond which the wavelength must be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Everything about a plan on given angles that no parameter changes."""

    plan: RefinementPlan
    options: NativeOptions
    angles: Floats
    """Measured points in use, degree, shape (n_points,)."""
    grid: Grid
    """Internal grid."""
    operator: SegmentOperator
    """Instrument matrix."""
    lines: tuple[PhaseLines, ...]
    layout: Layout
    backgrounds: dict[tuple[int, float, float], BackgroundColumns]
    """Background columns made so far, by terms added, offset, stretch of the bank."""
    columns: NDArray[np.int64]
    """First crystalline column of each phase; one more at the end."""
    measured: MeasuredColumns | None = None
    """Measured components, whose columns follow the crystalline ones; or None."""

    @property
    def n_drawn(self) -> int:
        """Return the number of columns drawn line by line (phases and harmonics)."""
        return int(self.columns[-1])

    @property
    def n_columns(self) -> int:
        """Return the number of columns that move: drawn, then measured."""
        return self.n_drawn + (0 if self.measured is None else self.measured.size)

    def states(self, values: Floats) -> list[LineState]:
        """Return the lines of every phase at ``values``."""
        return [
            line_state(lines, number, values, self.layout, self.plan)
            for number, lines in enumerate(self.lines)
        ]


def expected_width(
    angles: Floats, plan: RefinementPlan, *, calibrate: bool = False
) -> float:
    """Return the narrowest FWHM (degree) to expect: instrument and 100 nm."""
    instrument = plan.instrument
    theta = np.radians(np.linspace(angles[0], angles[-1], 50)) / 2.0
    tangent = np.tan(theta)
    gaussian = (instrument.u * tangent + instrument.v) * tangent + instrument.w
    lorentzian = instrument.y * tangent + instrument.x / np.cos(theta)
    if not calibrate:
        lorentzian += _DEGREE * 0.9 * instrument.radiation.wavelength / _EXPECTED_SIZE
    width = np.sqrt(np.maximum(gaussian, 0.0)) + np.maximum(lorentzian, 0.0)
    return max(float(width.min()), 0.02)


def choose_grid(
    angles: Floats, plan: RefinementPlan, options: NativeOptions, width: float
) -> tuple[Grid, float]:
    """Return the internal grid, and the highest angle at which lines are listed.

    The step is the measured one or a whole fraction or multiple of it, such that
    lines of FWHM ``width`` (degree) have ``points_per_fwhm`` points.
    """
    instrument = plan.instrument
    low = min(source_angles(instrument, float(angles[0])))
    high = max(source_angles(instrument, float(angles[-1])))
    measured = float(np.median(np.diff(angles)))
    wanted = width / options.points_per_fwhm
    factor = measured / wanted
    step = measured / math.ceil(factor - 1e-9) if factor > 1.0 else measured
    if factor < 0.5:
        step = measured * math.floor(1.0 / factor + 1e-9)
    margin = 0.1 + 8 * step
    first = low - margin
    size = int(math.ceil((high + margin - first) / step)) + 1
    return Grid(first=first, step=step, size=size), high + 1.0


def build_model(
    angles: Floats,
    plan: RefinementPlan,
    options: NativeOptions,
    *,
    calibrate: bool = False,
    width: float | None = None,
) -> Model:
    """Prepare a plan on given angles, for lines of FWHM ``width`` (degree) or more.

    Raises
    ------
    FitError
        When a phase has no reflection in the range, or far too many.
    """
    width = width or expected_width(angles, plan, calibrate=calibrate)
    grid, highest = choose_grid(angles, plan, options, width)
    _check_crowding(plan, highest)
    lines = tuple(
        prepare_phase(phase, plan.instrument, highest) for phase in plan.phases
    )
    wavelength = plan.instrument.radiation.wavelength
    for phase, found in zip(plan.phases, lines, strict=True):
        sine = 0.5 * wavelength * np.sqrt(found.squared)
        seen = 2.0 * np.degrees(np.arcsin(np.minimum(sine, 1.0)))
        if not np.any((seen >= angles[0]) & (seen <= angles[-1])):
            raise FitError(
                f"phase {phase.name!r} has no reflection between {angles[0]:g} and "
                f"{angles[-1]:g} degree at {wavelength:g} angstrom; "
                "check the wavelength and the range"
            )
    counts = [1 + found.harmonics.shape[0] for found in lines]
    layout = build_layout(
        plan,
        [found.basis.size for found in lines],
        instrument=calibrate,
        film=options.refine_film
        and plan.film_thickness_um is not None
        and not calibrate,
    )
    return Model(
        plan=plan,
        options=options,
        angles=angles,
        grid=grid,
        operator=build_operator(
            angles, grid, plan.instrument, axial_nodes=options.axial_nodes
        ),
        lines=lines,
        layout=layout,
        backgrounds={},
        columns=np.cumsum([0, *counts]).astype(np.int64),
        measured=measured_columns(plan, layout, angles),
    )


def _check_crowding(plan: RefinementPlan, highest: float) -> None:
    """Refuse a wavelength at which a phase has no end of lines (nm for angstrom)."""
    wavelength = plan.instrument.radiation.wavelength
    d_min = wavelength / (2.0 * math.sin(math.radians(min(highest, 179.0)) / 2.0))
    for phase in plan.phases:
        points = 4.0 / 3.0 * math.pi * phase.structure.cell.volume / d_min**3
        if points > _MOST_POINTS:
            raise FitError(
                f"phase {phase.name!r} has some {points:.0e} reflections below "
                f"{highest:.0f} degree at {wavelength:g} angstrom; "
                "correct the wavelength (in angstrom), or set range"
            )


def draw_columns(
    model: Model, states: list[LineState], *, window: float, broaden: float = 0.0
) -> Floats:
    """Draw every crystalline column on the grid, shape (n_drawn, n_grid)."""
    if not states:
        return np.empty((0, model.grid.size))
    return np.concatenate(
        [
            draw_phase(model, number, state, window=window, broaden=broaden)
            for number, state in enumerate(states)
        ]
    )


def draw_phase(
    model: Model, number: int, state: LineState, *, window: float, broaden: float = 0.0
) -> Floats:
    """Draw the columns of one phase on the grid, shape (1 + n_harmonics, n_grid)."""
    harmonics = model.lines[number].harmonics
    n_lines, n_own = state.areas.size, 1 + harmonics.shape[0]
    amplitudes = np.empty((n_lines, n_own))
    amplitudes[:, 0] = state.areas / model.grid.step
    amplitudes[:, 1:] = (harmonics * state.areas / model.grid.step).T
    out = np.zeros((n_own, model.grid.size))
    draw_lines(
        (state.centers - model.grid.first) / model.grid.step,
        np.hypot(state.gaussian, broaden) / model.grid.step,
        state.lorentzian / model.grid.step,
        amplitudes,
        window,
        out,
    )
    return out


def model_background(
    model: Model,
    *,
    extra_terms: int = 0,
    halo_offset: float = 0.0,
    halo_stretch: float = 1.0,
) -> BackgroundColumns:
    """Return background columns of a model, made once for each choice."""
    key = (extra_terms, halo_offset, halo_stretch)
    if key not in model.backgrounds:
        model.backgrounds[key] = background_columns(
            model.angles,
            model.plan,
            model.options,
            extra_terms=extra_terms,
            halo_offset=halo_offset,
            halo_stretch=halo_stretch,
        )
    return model.backgrounds[key]


def rebuild_operator(model: Model, axial_divergence: float) -> SegmentOperator:
    """Return the instrument's matrix with another axial divergence."""
    instrument = replace(
        model.plan.instrument, axial_divergence=min(axial_divergence, 0.19)
    )
    return build_operator(
        model.angles, model.grid, instrument, axial_nodes=model.options.axial_nodes
    )


def apply_instrument(
    operator: SegmentOperator, padded: Floats, scale: Floats
) -> Floats:
    """Take curves from the grid to the measured points, times ``scale``."""
    out = np.empty((padded.shape[0], scale.size))
    apply_segments(
        operator.row,
        operator.origin,
        operator.offset,
        operator.weights,
        padded,
        scale,
        out,
    )
    return out


def draw_jacobian(
    model: Model, states: list[LineState], amounts: Floats, free: NDArray[np.bool_]
) -> Floats:
    """Draw the derivative of the pattern by every free parameter, on the grid.

    Parameters
    ----------
    model : Model
        The plan.
    states : list of LineState
        Lines at the present parameters.
    amounts : ndarray, shape (n_drawn,)
        Present scales of the crystalline columns.
    free : ndarray of bool, shape (n_parameters,)
        Which parameters are wanted.

    Returns
    -------
    ndarray, shape (n_free, n_grid)
    """
    row = np.cumsum(free) - 1
    out = np.zeros((int(free.sum()), model.grid.size))
    step = model.grid.step
    wavelength = model.plan.instrument.radiation.wavelength
    for number, state in enumerate(states):
        lines = model.lines[number]
        first = model.columns[number]
        textured = amounts[first] + amounts[first + 1 : model.columns[number + 1]] @ (
            lines.harmonics
        )
        slopes = _slopes(state, lines, model, number, wavelength)
        kept = [(i, slope) for i, slope in slopes if free[i]]
        n_lines = state.areas.size
        tables = np.zeros((4, n_lines, max(len(kept), 1)))
        rows = np.full((n_lines, max(len(kept), 1)), -1, dtype=np.int64)
        for k, (i, (what, slope)) in enumerate(kept):
            tables[what, :, k] = slope
            rows[:, k] = row[i]
        tables[:3] /= step
        draw_derivatives(
            (state.centers - model.grid.first) / step,
            state.gaussian / step,
            state.lorentzian / step,
            textured * state.areas / step,
            tables[0],
            tables[1],
            tables[2],
            tables[3],
            rows,
            model.options.derivative_window,
            out,
        )
    return out


_CENTER, _LORENTZIAN, _GAUSSIAN, _AREA = range(4)


def _slopes(
    state: LineState, lines: PhaseLines, model: Model, number: int, wavelength: float
) -> list[tuple[int, tuple[int, Floats]]]:
    """Return (parameter, (what it changes, by how much)) for one phase's lines."""
    layout = model.layout
    strains = layout.strain_slices[number]
    by_square = _DEGREE * wavelength**2 / (2.0 * np.sin(2.0 * state.theta))
    slopes = [
        (strains.start + k, (_CENTER, by_square * lines.squared_changes[k]))
        for k in range(lines.basis.size)
    ]
    after = strains.stop
    slopes.append((after, (_LORENTZIAN, -state.size_width)))
    slopes.append((after + 1, (_LORENTZIAN, state.strain_width)))
    slopes.append((after + 2, (_AREA, state.march_slope)))
    slopes.append((after + 3, (_AREA, -0.5 * state.squared)))
    shift = layout.names.index("shift")
    cosine = np.cos(state.theta)
    moved = cosine if model.plan.shift == "displacement" else np.ones_like(cosine)
    slopes.append((shift, (_CENTER, moved)))
    half = 0.5 / state.gaussian
    slopes.append((shift + 1, (_GAUSSIAN, half)))
    if "film" in layout.kinds:
        passed = film_transmission(2.0 * _DEGREE * state.theta, Film(thickness=1.0))
        slopes.append((layout.names.index("film"), (_AREA, np.log(passed))))
    if layout.instrument:
        tangent = np.tan(state.theta)
        for k, slope in enumerate((half * tangent**2, half * tangent, half)):
            slopes.append((shift + 2 + k, (_GAUSSIAN, slope)))
        slopes.append((shift + 5, (_LORENTZIAN, 1.0 / cosine)))
        slopes.append((shift + 6, (_LORENTZIAN, tangent)))
    return slopes
