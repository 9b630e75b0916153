"""Uncertainties of parameters at their bounds, against profile likelihoods."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import nnls

from refinement.engines.native.bounds import (
    Walls,
    bounded_covariance,
    inverse_normal,
    one_sided_step,
)
from refinement.engines.native.covariance import estimate_covariance
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.fit import Fit
from refinement.engines.native.solve import minimize
from refinement.plan import Phase, RefinementPlan
from structkit.schema import make_pattern
from structkit.structures import library
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube
from structkit.xrd.simulate import SimulatedPhase, Surroundings, simulate_pattern

Floats = NDArray[np.float64]
INSTRUMENT = Instrument(
    radiation=tube("CuKa"), u=0.004, v=-0.003, w=0.004, axial_divergence=0.012
)
NAMES = ("NaCl", "corundum")
# The total is taken as quadratic in widths; refitted profiles differed by up to 7 %.
PROFILE = 0.15
GRID = 0.01
"""Trial distances from a bound lie 0.4 % apart."""


def free_walls(n: int) -> Walls:
    return Walls(
        inward=np.zeros(n),
        reach=np.full(n, 10.0),
        growth=np.zeros(n),
        curvature=np.zeros(n),
        pull=np.zeros(n),
    )


def random_hessian(n: int) -> Floats:
    root = np.random.default_rng(3).normal(size=(n, 3 * n))
    return np.asarray(root @ root.T)


def test_between_bounds_it_is_the_inverse() -> None:
    hessian = random_hessian(4)
    stated, moved = bounded_covariance(
        hessian, np.zeros(4), free_walls(4), inflation=1.7
    )
    np.testing.assert_array_equal(stated, 1.7 * inverse_normal(hessian))
    np.testing.assert_array_equal(moved, stated)


def test_at_a_bound_that_nothing_presses_it_is_the_inverse_too() -> None:
    """Half a parabola rises by one standard deviation where the whole one does."""
    hessian, walls = random_hessian(4), free_walls(4)
    walls.inward[1] = 1.0
    stated, moved = bounded_covariance(hessian, np.zeros(4), walls, inflation=1.7)
    np.testing.assert_allclose(stated, 1.7 * np.linalg.inv(hessian), rtol=GRID)
    np.testing.assert_allclose(moved, stated, rtol=GRID)


@pytest.mark.parametrize("inward", [1.0, -1.0])
def test_a_pressed_parabola_rises_where_the_formula_has_it(inward: float) -> None:
    walls = free_walls(1)
    walls.inward[0] = inward
    slope, curvature, inflation = -3.0 * inward, 2.0, 1.3
    step = one_sided_step(slope, curvature, walls, 0, inflation=inflation)
    # 2 |slope| x + curvature x^2 = inflation
    root = (-3.0 + np.sqrt(9.0 + curvature * inflation)) / curvature
    assert step == pytest.approx(inward * root, rel=GRID)


def pattern(*, strain: float, size: float, w: float, seed: int) -> xr.Dataset:
    """Return counts of two phases on an instrument whose W is ``w``."""
    phases = [
        SimulatedPhase(
            structure=library.load(name),
            weight_fraction=share,
            size=size,
            microstrain=strain,
        )
        for name, share in zip(NAMES, (0.7, 0.3), strict=True)
    ]
    found = simulate_pattern(
        phases,
        instrument=replace(INSTRUMENT, w=w),
        surroundings=Surroundings(background=(150.0, -40.0)),
        peak_counts=4000.0,
    )
    counts = np.random.default_rng(seed).poisson(found["calculated"].to_numpy())
    return make_pattern(found["two_theta"].to_numpy(), counts)


def fit_at_bounds(*, strain: float, size: float, w: float) -> tuple[Fit, Floats]:
    """Return a fit, and which of its free parameters stand at their bounds."""
    plan = RefinementPlan(
        phases=tuple(Phase(structure=library.load(name)) for name in NAMES),
        instrument=INSTRUMENT,
    )
    fit = NativeEngine().fit(pattern(strain=strain, size=size, w=w, seed=0), plan)
    free = np.nonzero(fit.minimum.free)[0]
    return fit, Walls.around(fit.minimum.found.values, fit.restraints, free).inward


def profile(fit: Fit, parameter: int, inward: float) -> tuple[float, Floats, Floats]:
    """Return by refitting: distance to a rise of GOF^2, scales there and at 0."""
    free = fit.minimum.free.copy()
    free[parameter] = False

    def refit(distance: float) -> tuple[float, Floats]:
        start = fit.minimum.found.values.copy()
        start[parameter] += inward * distance
        found = minimize(
            fit.prepared.problem, start, free, fit.restraints, tolerance=1e-4
        )
        return found.total, found.found.amounts[: len(NAMES)]

    least, at_bound = refit(0.0)
    goal = least + max(fit.gof_square, 1.0)
    low, high = 0.0, 1e-6
    while refit(high)[0] < goal:
        low, high = high, 2.0 * high
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if refit(middle)[0] >= goal else (middle, high)
    return high, refit(high)[1], at_bound


@pytest.mark.parametrize(
    ("case", "kinds"),
    [
        ({"strain": 1e-7, "size": 400.0, "w": 0.002}, {"w_extra"}),
        ({"strain": 1e-7, "size": 3e5, "w": 0.004}, {"ln_size", "ln_strain"}),
    ],
    ids=["no additional width", "no broadening"],
)
def test_the_step_is_that_of_a_profile_likelihood(
    case: dict[str, float], kinds: set[str]
) -> None:
    fit, inward = fit_at_bounds(**case)
    free = np.nonzero(fit.minimum.free)[0]
    layout = fit.prepared.model.layout
    covariance = estimate_covariance(fit)
    esd = np.sqrt(np.diag(covariance.nonlinear))
    scale_esd = np.sqrt(np.diag(covariance.phase_scales))
    seen = set()
    for k in np.nonzero(inward)[0]:
        parameter, direction = int(free[k]), float(inward[k])
        seen.add(layout.kinds[parameter])
        distance, moved, at_bound = profile(fit, parameter, direction)
        grows = fit.restraints.growth[parameter] != 0.0
        brute = abs(np.expm1(direction * distance)) if grows else distance
        assert esd[k] >= brute * (1.0 - PROFILE), layout.names[parameter]
        assert np.isfinite(esd[k])
        assert np.all(np.abs(moved - at_bound) <= scale_esd)
        assert _stated_step(fit, k) == pytest.approx(brute, rel=PROFILE)
    assert kinds <= seen


def _stated_step(fit: Fit, k: int) -> float:
    """Return the one-sided distance of free parameter ``k``, nothing refitted."""
    problem, found = fit.prepared.problem, fit.minimum.found
    free = np.nonzero(fit.minimum.free)[0]
    walls = Walls.around(found.values, fit.restraints, free)
    linear = problem.linearize(found, fit.minimum.free)
    hessian = linear.normal + np.diag(walls.curvature)
    gradient = linear.gradient(found) - walls.pull
    loose = np.nonzero(walls.inward == 0.0)[0]
    response = -np.linalg.solve(hessian[np.ix_(loose, loose)], hessian[loose, k])
    step = one_sided_step(
        float(gradient[k] + gradient[loose] @ response),
        float(hessian[k, k] + hessian[k, loose] @ response),
        walls,
        k,
        inflation=max(fit.gof_square, 1.0),
    )
    growth = walls.growth[k]
    if growth == 0.0:
        return abs(step)
    return abs(float(np.expm1(growth * np.log1p(growth * step))))


def test_a_scale_at_zero_has_its_symmetric_width_and_its_deficit() -> None:
    """By refitting everything linear for many scales, negative ones too."""
    plan = RefinementPlan(
        phases=tuple(
            Phase(structure=library.load(name)) for name in (*NAMES, "rutile")
        ),
        instrument=INSTRUMENT,
    )
    fits = [
        NativeEngine().fit(pattern(strain=8e-4, size=400.0, w=0.004, seed=seed), plan)
        for seed in range(4)
    ]
    absent = [fit for fit in fits if fit.minimum.found.amounts[2] <= 0.0]
    assert absent
    for fit in absent:
        esd = np.sqrt(estimate_covariance(fit).phase_scales[2, 2])
        trials = esd * np.linspace(-6.0, 3.0, 91)
        rises = _refit_scales(fit, trials)
        best = int(np.argmin(rises))
        within = rises <= rises[best] + max(fit.gof_square, 1.0)
        half = 0.5 * float(np.ptp(trials[within]))
        brute = float(np.hypot(half, max(-trials[best], 0.0)))
        assert brute * (1.0 - PROFILE) <= esd <= brute * WIDER


WIDER = 1.3
"""The esd counts halo columns as free that the refitted ones hold at zero."""


def _refit_scales(fit: Fit, scales: Floats) -> Floats:
    """Return chi-square for each scale of the third phase, line shapes held."""
    problem, found = fit.prepared.problem, fit.minimum.found
    background, free = problem.background, problem.background_free
    matrix = np.vstack([found.columns[:2], background, -background[free]]).T
    targets = [problem.observed - s * found.columns[2] for s in scales]
    return np.array([nnls(matrix, x, maxiter=10000)[1] ** 2 for x in targets])
