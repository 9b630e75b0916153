"""Lines of a phase against direct formulae, and slopes against differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from refinement.engines.native.layout import Layout, build_layout, start_values
from refinement.engines.native.lines import LineState, line_state, prepare_phase
from refinement.engines.native.options import NativeOptions
from refinement.plan import Phase, RefinementPlan
from structkit.structures import library
from structkit.xrd.instrument import Instrument
from structkit.xrd.profiles import gaussian_width, lorentzian_width
from structkit.xrd.radiation import tube
from structkit.xrd.reflections import (
    list_reflections,
    lorentz_polarization,
    march_dollase,
    structure_factors,
)

Floats = NDArray[np.float64]
HIGHEST = 70.0
INSTRUMENT = Instrument(
    radiation=tube("CuKa"),
    u=0.004,
    v=-0.003,
    w=0.005,
    x=0.01,
    y=0.02,
    zero=0.013,
    monochromator_two_theta=26.6,
)
# Strength follows a moving cell to first order in ln(1/d^2): second order is left.
FOLLOWED = 3e-3


def plan_of(name: str, **options: object) -> RefinementPlan:
    phase = Phase(structure=library.load(name), **options)  # type: ignore[arg-type]
    return RefinementPlan(phases=(phase,), instrument=INSTRUMENT)


def evaluate(
    plan: RefinementPlan, **changes: float | Floats
) -> tuple[LineState, Layout]:
    """Return the lines at the cold start, but for ``changes`` by kind."""
    lines = prepare_phase(plan.phases[0], plan.instrument, HIGHEST)
    layout = build_layout(plan, [lines.basis.size])
    values = start_values(layout, plan, NativeOptions())
    for kind, value in changes.items():
        if kind == "cell":
            values[layout.strain_slices[0]] = value
        else:
            values[layout.kinds.index(kind)] = value
    return line_state(lines, 0, values, layout, plan), layout


@pytest.mark.parametrize("name", ["NaTaCl6", "corundum", "NaCl"])
def test_areas_and_widths_are_those_of_the_simulator(name: str) -> None:
    plan = plan_of(name)
    state, _ = evaluate(plan, ln_size=np.log(321.0), ln_strain=np.log(8e-4))
    structure = plan.phases[0].structure
    wavelength = INSTRUMENT.radiation.wavelength
    d_min = wavelength / 2.0 / np.sin(np.radians(HIGHEST / 2.0))
    reflections = list_reflections(structure, d_min)
    angles = reflections.two_theta(wavelength)
    assert state.squared == pytest.approx(reflections.d_spacing**-2)
    assert state.centers == pytest.approx(angles + INSTRUMENT.zero)
    squares = structure_factors(structure, reflections, wavelength=wavelength)
    areas = reflections.multiplicity * squares
    areas *= lorentz_polarization(angles, INSTRUMENT.polarization_ratio)
    areas /= structure.cell_mass * structure.cell.volume
    assert state.areas == pytest.approx(areas, rel=1e-9)
    assert state.gaussian == pytest.approx(gaussian_width(angles, INSTRUMENT))
    assert state.lorentzian == pytest.approx(
        lorentzian_width(
            angles, INSTRUMENT, wavelength=wavelength, size=321.0, microstrain=8e-4
        )
    )


@pytest.mark.parametrize("name", ["NaTaCl6", "corundum", "Na2O"])
def test_lines_follow_a_strained_cell(name: str) -> None:
    """Positions exactly; strengths as if the cell had been there from the start."""
    plan = plan_of(name)
    lines = prepare_phase(plan.phases[0], plan.instrument, HIGHEST)
    strains = np.random.default_rng(2).uniform(-12.0, 12.0, lines.basis.size)
    state, _ = evaluate(plan, cell=strains)
    cell = lines.basis.cell(strains)
    metric = np.linalg.inv(cell.metric)
    squared = np.einsum("ni,ij,nj->n", lines.hkl, metric, lines.hkl)
    assert state.squared == pytest.approx(squared, rel=1e-9)
    sine = 0.5 * INSTRUMENT.radiation.wavelength * np.sqrt(squared)
    angles = 2.0 * np.degrees(np.arcsin(sine))
    assert state.centers == pytest.approx(angles + INSTRUMENT.zero, abs=1e-9)
    structure = plan.phases[0].structure.with_cell(cell)
    moved = replace(plan, phases=(Phase(structure=structure),))
    fresh = prepare_phase(moved.phases[0], plan.instrument, HIGHEST + 5.0)
    at = {tuple(hkl): i for i, hkl in enumerate(fresh.hkl)}
    places = [at[tuple(hkl)] for hkl in lines.hkl]
    layout = build_layout(moved, [fresh.basis.size])
    values = start_values(layout, moved, NativeOptions())
    wanted = line_state(fresh, 0, values, layout, moved).areas[places]
    strong = wanted > 0.02 * wanted.max()
    assert state.areas[strong] == pytest.approx(wanted[strong], rel=FOLLOWED)
    weak = np.abs(state.areas - wanted)[~strong]
    assert weak.max(initial=0.0) < FOLLOWED * wanted.max()


def test_strength_does_not_follow_badly_without_its_slope() -> None:
    """The slope matters: a 1.8 % smaller cell changes strengths by per cents."""
    plan = plan_of("NaTaCl6")
    lines = prepare_phase(plan.phases[0], plan.instrument, HIGHEST)
    strong = lines.strength > 0.02 * lines.strength.max()
    change = lines.strength_slope[strong] * np.log(0.982**-2)
    assert np.abs(change).max() > 0.02


def test_positions_and_areas_are_smooth_in_the_cell() -> None:
    plan = plan_of("corundum")
    lines = prepare_phase(plan.phases[0], plan.instrument, HIGHEST)
    h = 1e-3
    for k in range(lines.basis.size):
        step = np.zeros(lines.basis.size)
        step[k] = h
        up, _ = evaluate(plan, cell=step)
        down, _ = evaluate(plan, cell=-step)
        slope = (up.squared - down.squared) / (2.0 * h)
        assert slope == pytest.approx(lines.squared_changes[k], abs=1e-10)


@pytest.mark.parametrize("ln_r", [-0.5, 0.0, 0.4])
def test_march_dollase_and_its_slope(ln_r: float) -> None:
    plan = plan_of("corundum", texture=(0, 0, 1))
    state, _ = evaluate(plan, ln_march=ln_r)
    bare, _ = evaluate(plan_of("corundum"))
    structure = plan.phases[0].structure
    wavelength = INSTRUMENT.radiation.wavelength
    d_min = wavelength / 2.0 / np.sin(np.radians(HIGHEST / 2.0))
    reflections = list_reflections(structure, d_min)
    factor = march_dollase(reflections, structure.cell, (0, 0, 1), float(np.exp(ln_r)))
    assert state.areas / bare.areas == pytest.approx(factor, rel=1e-9)
    h = 1e-5
    up, _ = evaluate(plan, ln_march=ln_r + h)
    down, _ = evaluate(plan, ln_march=ln_r - h)
    slope = (up.areas - down.areas) / (2.0 * h) / state.areas
    assert state.march_slope == pytest.approx(slope, abs=1e-7)


def test_overall_b_and_extra_width() -> None:
    plan = plan_of("NaCl")
    bare, _ = evaluate(plan)
    state, _ = evaluate(plan, b_overall=0.7, w_extra=0.01)
    assert state.areas / bare.areas == pytest.approx(np.exp(-0.35 * bare.squared))
    assert state.gaussian**2 - bare.gaussian**2 == pytest.approx(0.01)


@pytest.mark.parametrize("model", ["displacement", "zero"])
def test_shift(model: str) -> None:
    plan = replace(plan_of("NaCl"), shift=model)
    bare, _ = evaluate(plan)
    state, _ = evaluate(plan, shift=0.08)
    expected = 0.08 * (np.cos(bare.theta) if model == "displacement" else 1.0)
    moved = np.broadcast_to(expected, bare.centers.shape)
    assert state.centers - bare.centers == pytest.approx(moved)
