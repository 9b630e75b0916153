"""Levenberg-Marquardt and the reduced problem: gradients, bounds, other solvers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import least_squares

from refinement.engines.native.chain import fit_cold
from refinement.engines.native.fit import Prepared, make_restraints, prepare
from refinement.engines.native.layout import start_values
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.problem import reduced_normal
from refinement.engines.native.solve import Restraints, minimize
from refinement.plan import DEFAULT_STAGES, Phase, RefinementPlan
from structkit.structures import library
from structkit.xrd.background import Halo
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube
from structkit.xrd.simulate import SimulatedPhase, Surroundings, simulate_pattern

Floats = NDArray[np.float64]
INSTRUMENT = Instrument(
    radiation=tube("CuKa"),
    u=0.004,
    v=-0.003,
    w=0.005,
    x=0.01,
    axial_divergence=0.012,
    calibrated=True,
)
# No window has an edge within the pattern: then derivatives are exact.
WIDE = NativeOptions(value_window=2e3, derivative_window=2e3)
# Of the largest derivative: central differences, and Gaussian ends at 1e-8.
DIFFERENCE = 2e-4
# Starts in one basin end within this many posterior standard deviations.
SAME = 0.05


@dataclass(slots=True)
class Line:
    values: Floats
    chi_square: float
    residual: Floats


@dataclass(slots=True)
class LineForm:
    normal: Floats
    jacobian: Floats

    def gradient(self, found: Any) -> Floats:
        return np.asarray(self.jacobian @ found.residual)


@dataclass(slots=True)
class Curve:
    """A least-squares problem of any function, for the solver alone."""

    function: Callable[[Floats], Floats]
    data: Floats
    jacobians: int = 0

    def evaluate(self, values: Floats) -> Line:
        residual = self.data - self.function(values)
        return Line(values.copy(), float(residual @ residual), residual)

    def linearize(self, found: Line, free: NDArray[np.bool_]) -> LineForm:
        self.jacobians += 1
        rows = []
        for i in np.nonzero(free)[0]:
            step = np.zeros(found.values.size)
            step[i] = 1e-6
            up = self.function(found.values + step)
            rows.append((up - self.function(found.values - step)) / 2e-6)
        jacobian = np.array(rows)
        return LineForm(jacobian @ jacobian.T, jacobian)


def decay(values: Floats) -> Floats:
    at = np.linspace(0.0, 4.0, 60)
    return np.asarray(values[0] * np.exp(-values[1] * at) + values[2] * at)


def no_restraints(n: int) -> Restraints:
    return Restraints(
        center=np.zeros(n),
        sigma=np.full(n, np.inf),
        low=np.full(n, -np.inf),
        high=np.full(n, np.inf),
        growth=np.zeros(n),
    )


@pytest.mark.parametrize("seed", range(4))
def test_minimum_is_that_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = decay(np.array([3.0, 1.5, 0.4])) + 0.05 * rng.normal(size=60)
    start = np.array([1.0, 0.3, 0.0])
    found = minimize(
        Curve(decay, data), start, np.ones(3, bool), no_restraints(3), tolerance=1e-9
    )
    slow = least_squares(lambda v: data - decay(v), start, xtol=1e-12, ftol=1e-12)
    assert found.converged
    assert found.found.values == pytest.approx(slow.x, rel=1e-4)
    assert found.total == pytest.approx(2.0 * slow.cost, rel=1e-6)


def test_priors_are_data() -> None:
    """A Gaussian prior is a measured point: scipy gets it as one."""
    data = decay(np.array([3.0, 1.5, 0.4]))
    center, sigma = np.array([2.0, 1.0, 0.0]), np.array([0.1, 0.2, 0.01])
    restraints = replace(no_restraints(3), center=center, sigma=sigma, scale=2.5)
    found = minimize(
        Curve(decay, data), center, np.ones(3, bool), restraints, tolerance=1e-10
    )

    def residuals(values: Floats) -> Floats:
        prior = np.sqrt(2.5) * (values - center) / sigma
        return np.concatenate([data - decay(values), prior])

    slow = least_squares(residuals, center, xtol=1e-12, ftol=1e-12)
    assert found.found.values == pytest.approx(slow.x, rel=1e-5, abs=1e-7)
    assert found.total == pytest.approx(2.0 * slow.cost, rel=1e-9)


@pytest.mark.parametrize(("low", "high"), [(2.0, 5.0), (0.0, 1.2)])
def test_bounds_hold_and_the_rest_is_optimal(low: float, high: float) -> None:
    data = decay(np.array([3.0, 1.5, 0.4]))
    restraints = no_restraints(3)
    restraints.low[1], restraints.high[1] = low, high
    start = np.array([1.0, 0.3, 0.0])
    found = minimize(
        Curve(decay, data), start, np.ones(3, bool), restraints, tolerance=1e-10
    )
    bound = high if high < 1.5 else low
    slow = least_squares(
        lambda v: data - decay(np.array([v[0], bound, v[1]])), [1.0, 0.0], xtol=1e-12
    )
    assert found.converged
    assert found.found.values[1] == bound
    assert found.total == pytest.approx(2.0 * slow.cost, rel=1e-6)


def test_fixed_parameters_stay_where_they_are() -> None:
    data = decay(np.array([3.0, 1.5, 0.4]))
    start = np.array([1.0, 1.5, -7.0])
    restraints = no_restraints(3)
    restraints.low[2] = 0.0  # even where a bound would have it otherwise
    free = np.array([True, True, False])
    found = minimize(Curve(decay, data), start, free, restraints)
    assert found.found.values[2] == -7.0
    nothing = minimize(Curve(decay, data), start, np.zeros(3, bool), restraints)
    assert nothing.converged
    assert nothing.jacobians == 0
    assert nothing.found.values.tolist() == start.tolist()


def test_running_out_of_steps_is_told() -> None:
    data = decay(np.array([3.0, 1.5, 0.4]))
    found = minimize(
        Curve(decay, data), np.array([1.0, 0.3, 0.0]), np.ones(3, bool),
        no_restraints(3), tolerance=1e-12, max_steps=2,
    )  # fmt: skip
    assert not found.converged
    assert found.steps == 2


def test_a_vanishing_width_grows_again() -> None:
    """A step of a logarithm is taken as one of the width: no plateau at small ones."""
    data = 3.0 * GRID_OF_WIDTHS

    def line(values: Floats) -> Floats:
        return np.asarray(np.exp(values[0]) * GRID_OF_WIDTHS)

    start = np.array([np.log(1e-5)])
    free = np.ones(1, bool)
    steps = []
    for growth in (0.0, 1.0):
        restraints = replace(no_restraints(1), growth=np.array([growth]))
        restraints.low[:], restraints.high[:] = np.log(1e-6), np.log(1e2)
        found = minimize(Curve(line, data), start, free, restraints, tolerance=1e-9)
        steps.append(found.steps)
    assert found.converged
    assert np.exp(found.found.values) == pytest.approx(3.0)
    assert steps[1] < steps[0]


GRID_OF_WIDTHS = np.linspace(0.5, 2.0, 30)


@pytest.fixture(scope="module")
def pattern() -> xr.Dataset:
    """Two phases with halo and noise, on a short and coarse grid."""
    return simulate_pattern(
        [
            SimulatedPhase(
                structure=library.load("corundum"),
                weight_fraction=0.7,
                size=400.0,
                microstrain=1e-3,
                texture=(0, 0, 1),
                march_r=0.8,
            ),
            SimulatedPhase(
                structure=library.load("NaCl"), weight_fraction=0.3, size=150.0
            ),
        ],
        instrument=INSTRUMENT,
        two_theta=np.arange(20.0, 62.0, 0.04),
        surroundings=Surroundings(
            background=(120.0, -30.0), halos=(Halo(center=33.0, fwhm=9.0, height=90.0),)
        ),
        displacement=0.04,
        peak_counts=3000.0,
        seed=11,
    )


def make_plan(model: str = "march-dollase", **options: Any) -> RefinementPlan:
    return RefinementPlan(
        phases=(
            Phase(
                structure=library.load("corundum"),
                texture=(0, 0, 1),
                texture_model=model,  # type: ignore[arg-type]
                refine_b_overall=True,
            ),
            Phase(structure=library.load("NaCl")),
        ),
        instrument=INSTRUMENT,
        refine_resolution=True,
        **options,
    )


def near_truth(prepared: Prepared) -> Floats:
    """Return parameters at which every derivative is well away from 0."""
    layout, plan = prepared.model.layout, prepared.model.plan
    values = start_values(layout, plan, WIDE)
    values[layout.index(0, "ln_size")] = np.log(350.0)
    values[layout.index(0, "ln_strain")] = np.log(1.3e-3)
    values[layout.index(0, "b_overall")] = 0.1
    values[layout.index(1, "ln_size")] = np.log(180.0)
    values[layout.names.index("shift")] = 0.03
    values[layout.names.index("w_extra")] = 0.002
    values[layout.strain_slices[0]] = 0.4
    if plan.phases[0].texture_model == "march-dollase":
        values[layout.index(0, "ln_march")] = -0.15
    return values


@pytest.mark.parametrize("model", ["march-dollase", "harmonics"])
@pytest.mark.parametrize("shift", ["displacement", "zero"])
def test_gradient_of_the_reduced_problem(
    pattern: xr.Dataset, model: str, shift: str
) -> None:
    """Linear parameters solved for: chi-square falls by 2 J'r, to first order."""
    plan = make_plan(model, shift=shift)
    prepared = prepare(pattern, plan, WIDE)
    problem = prepared.problem
    values = near_truth(prepared)
    found = problem.evaluate(values)
    problem.rescale(found.amounts, 1.3)
    found = problem.evaluate(values)
    free = prepared.model.layout.allowed(plan)
    gradient = -2.0 * problem.linearize(found, free).gradient(found)
    slopes = []
    for i in np.nonzero(free)[0]:
        h = 1e-5 if prepared.model.layout.kinds[i] in ("shift", "w_extra") else 1e-3
        step = np.zeros(values.size)
        step[i] = h
        up = problem.evaluate(values + step)
        down = problem.evaluate(values - step)
        assert (up.passive == down.passive).all(), "a kink: choose another point"
        slopes.append((up.chi_square - down.chi_square) / (2.0 * h))
    kinds = [prepared.model.layout.kinds[i] for i in np.nonzero(free)[0]]
    for kind, exact, slope in zip(kinds, gradient, slopes, strict=True):
        # Strengths follow the cell in values, not in derivatives: a small part.
        share = 0.02 if kind == "cell" else 2e-3
        assert exact == pytest.approx(slope, rel=share, abs=1.0), kind


def test_jacobian_is_the_derivative_of_the_pattern(pattern: xr.Dataset) -> None:
    plan = make_plan()
    prepared = prepare(pattern, plan, WIDE)
    problem, layout = prepared.problem, prepared.model.layout
    values = near_truth(prepared)
    found = problem.evaluate(values)
    free = layout.allowed(plan)
    jacobian = problem.jacobian(found, free)
    n = problem.model.n_columns
    for row, i in zip(jacobian, np.nonzero(free)[0], strict=True):
        if layout.kinds[i] == "cell":
            continue  # strengths follow the cell too; see the gradient
        h = 1e-5 if layout.kinds[i] in ("shift", "w_extra") else 1e-4
        step = np.zeros(values.size)
        step[i] = h
        up = found.amounts[:n] @ problem.evaluate(values + step).columns
        down = found.amounts[:n] @ problem.evaluate(values - step).columns
        slope = (up - down) / (2.0 * h)
        error = np.abs(row - slope).max()
        assert error < DIFFERENCE * np.abs(slope).max(), layout.names[i]


def test_reduced_matrix_is_that_of_projected_derivatives(pattern: xr.Dataset) -> None:
    """Schur complement against an explicit projection by QR."""
    plan = make_plan(halo=False)
    prepared = prepare(pattern, plan, NativeOptions())
    problem = prepared.problem
    found = problem.evaluate(near_truth(prepared))
    jacobian = problem.jacobian(found, prepared.model.layout.allowed(plan))
    reduced, inverse, transfer = reduced_normal(problem, found, jacobian)
    columns = np.vstack([found.columns, problem.background])[found.passive]
    orthonormal, _ = np.linalg.qr(columns.T)
    projected = jacobian - (jacobian @ orthonormal) @ orthonormal.T
    norm = np.sqrt(np.diag(projected @ projected.T))
    scaled = (reduced - projected @ projected.T) / np.outer(norm, norm)
    assert np.abs(scaled).max() < 1e-6
    assert inverse @ (columns @ columns.T) == pytest.approx(
        np.eye(columns.shape[0]), abs=1e-5
    )
    slow, *_ = np.linalg.lstsq(columns.T, jacobian.T, rcond=None)
    # The covariance of linear parameters needs X+ J; its sign is that of J.
    assert transfer == pytest.approx(slow, rel=1e-4, abs=1e-6 * np.abs(slow).max())


def solve_from(prepared: Prepared, start: Floats, restraints: Restraints) -> Any:
    free = prepared.model.layout.allowed(prepared.model.plan)
    return minimize(prepared.problem, start, free, restraints, tolerance=1e-4)


def fractions(prepared: Prepared, minimum: Any) -> Floats:
    scales = minimum.found.amounts[prepared.model.columns[:-1]]
    return np.asarray(scales / scales.sum())


@pytest.mark.parametrize("seed", range(6))
def test_the_same_minimum_from_far(pattern: xr.Dataset, seed: int) -> None:
    """Cells off by 0.4 %, sizes by a factor of 4, 0.1 degree of shift."""
    plan = replace(make_plan(), refine_resolution=False)
    prepared = prepare(pattern, plan, NativeOptions())
    layout = prepared.model.layout
    restraints = make_restraints(layout, plan, NativeOptions())
    cold = start_values(layout, plan, NativeOptions())
    best = solve_from(prepared, cold, restraints)
    rng = np.random.default_rng(seed)
    spread = {"cell": 4.0, "ln_size": 1.4, "ln_strain": 0.7, "shift": 0.1}
    far = cold.copy()
    for i, kind in enumerate(layout.kinds):
        far[i] += rng.uniform(-1.0, 1.0) * spread.get(kind, 0.0)
    again = solve_from(prepared, far, restraints)
    assert best.converged
    assert again.converged
    assert again.total == pytest.approx(best.total, abs=0.1)
    linear = prepared.problem.linearize(best.found, best.free)
    index = np.nonzero(best.free)[0]
    curvature = np.diag(1.0 / restraints.sigma[index] ** 2)
    esd = np.sqrt(np.diag(np.linalg.inv(linear.normal + curvature)))
    off = (again.found.values - best.found.values)[index]
    assert np.abs(off / esd).max() < SAME
    assert fractions(prepared, again) == pytest.approx(
        fractions(prepared, best), abs=1e-4
    )


def test_a_stage_that_frees_nothing_new_changes_nothing(pattern: xr.Dataset) -> None:
    """Without texture the second stage is the last one, and has to be exact."""
    phases = tuple(Phase(structure=library.load(name)) for name in ("corundum", "NaCl"))
    plan = RefinementPlan(phases=phases, instrument=INSTRUMENT)
    options = NativeOptions()
    fits = [
        fit_cold(prepare(pattern, replace(plan, stages=stages), options), options)
        for stages in (DEFAULT_STAGES, DEFAULT_STAGES[:2])
    ]
    assert fits[0].minimum.converged
    long, short = (fit.minimum.found.values for fit in fits)
    assert long == pytest.approx(short, rel=1e-12)


def test_no_random_step_lowers_the_minimum(pattern: xr.Dataset) -> None:
    plan = replace(make_plan(), refine_resolution=False)
    prepared = prepare(pattern, plan, WIDE)
    layout = prepared.model.layout
    restraints = make_restraints(layout, plan, WIDE)
    start = start_values(layout, plan, WIDE)
    best = solve_from(prepared, start, restraints)
    rng = np.random.default_rng(8)
    scale = np.where(restraints.sigma < 1.0, 0.05, 0.3) * restraints.sigma
    for _ in range(40):
        step = np.where(best.free, rng.normal(size=layout.size) * scale, 0.0)
        for size in (0.1, 0.01):
            values = best.found.values + size * step
            values = np.clip(values, restraints.low, restraints.high)
            other = prepared.problem.evaluate(values)
            total = other.chi_square + restraints.penalty(values)
            assert total > best.total - 0.01
