"""Measured components as columns: derivatives, shifts, baselines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from refinement import RefinementPlan, RefinementResult, refine, refine_series
from refinement.engines.gsas2.job import check_plan
from refinement.engines.gsas2.options import Gsas2Options
from refinement.engines.native.components import measured_columns
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.fit import prepare
from refinement.engines.native.layout import OFFSET, start_values
from refinement.engines.native.options import NativeOptions
from refinement.engines.rietx.engine import RietxEngine
from refinement.plan import Component, Phase
from structkit.errors import PlanError
from structkit.schema import COMPONENT, make_pattern
from structkit.store import read_tree, write_tree
from structkit.structures import library
from structkit.synthetic.lines import Optics
from structkit.synthetic.mixture import Surroundings, SyntheticPhase, simulate_mixture
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

Floats = NDArray[np.float64]
GRID = np.round(20.0 + 0.02 * np.arange(2001), 6)
OPTICS = Optics(natural_widths=(1e-9, 1e-9))
INSTRUMENT = Instrument(
    radiation=tube("CuKa"),
    u=OPTICS.u,
    v=OPTICS.v,
    w=OPTICS.w,
    axial_divergence=OPTICS.axial_divergence,
    calibrated=True,
)
SHIFT_ERROR = 0.002
"""Degree: a tenth of the step of the pattern that is shifted."""
STEP = 1e-5
"""Of central differences, degree."""


def measure(
    name: str, share: float = 1.0, *, seed: int | None = None, **options: Any
) -> xr.Dataset:
    """Return the pattern of a substance, NaCl making up the rest."""
    shares = {name: share} | ({"NaCl": 1.0 - share} if share < 1.0 else {})
    phases = [
        SyntheticPhase(structure=library.load(x), weight_fraction=w, size_nm=60.0)
        for x, w in shares.items()
    ]
    rng = None if seed is None else np.random.default_rng(seed)
    defaults: dict[str, Any] = {"two_theta": GRID, "optics": OPTICS, "max_counts": 2e4}
    return simulate_mixture(phases, rng=rng, **(defaults | options))[0]


@pytest.fixture(scope="module")
def silicon() -> Component:
    """Return silicon from a library 0.3 degree off."""
    pattern = measure(
        "silicon",
        displacement_mm=-0.4,
        surroundings=Surroundings(air=0.0, dark=400.0),
    )
    return Component(name="silicon", pattern=pattern, rir=5.0)


@pytest.fixture(scope="module")
def sample() -> xr.Dataset:
    return measure("silicon", 0.4, seed=1)


def make_plan(*components: Component, **options: Any) -> RefinementPlan:
    phases = (Phase(structure=library.load("NaCl"), size=600.0),)
    defaults: dict[str, Any] = {
        "phases": phases,
        "halo": False,
        "instrument": INSTRUMENT,
    }
    return RefinementPlan(components=components, **(defaults | options))


@pytest.fixture(scope="module")
def fitted(silicon: Component, sample: xr.Dataset) -> RefinementResult:
    return refine(sample, make_plan(silicon))


def test_a_shift_of_tenths_of_a_degree_is_found(fitted: RefinementResult) -> None:
    """The library's lines stand at -2 (-0.4) / 150 rad; the sample's where they are."""
    true = -np.degrees(2.0 * 0.4 / OPTICS.radius)
    assert abs(true) > 0.3
    found = fitted.parameters.sel({COMPONENT: "silicon"})
    assert float(found["component_shift"]) == pytest.approx(true, abs=SHIFT_ERROR)
    assert 0.0 < float(found["component_shift_std"]) < SHIFT_ERROR
    assert float(fitted.parameters["gof"]) < 1.1
    assert fitted.status.value == "converged"


def test_curves_add_up(fitted: RefinementResult) -> None:
    curves = fitted.curves
    parts = curves["component"].sum("phase") + curves["measured_curve"].sum(COMPONENT)
    total = parts + curves["background"] + curves["halo"]
    np.testing.assert_allclose(total, curves["calculated"], rtol=1e-9)


def test_a_result_is_stored_and_read_again(
    fitted: RefinementResult, tmp_path: Path
) -> None:
    write_tree(fitted.to_datatree(), tmp_path / "fit.nc")
    again = RefinementResult.from_datatree(read_tree(tmp_path / "fit.nc"))
    xr.testing.assert_allclose(again.curves, fitted.curves)
    for name in ("component_amount", "component_covariance", "height_covariance"):
        xr.testing.assert_allclose(again.parameters[name], fitted.parameters[name])


def test_a_plan_of_components_alone_is_stored_too(
    silicon: Component, tmp_path: Path
) -> None:
    plan = make_plan(silicon, phases=())
    found = refine_series({"a": measure("silicon", seed=3)}, plan, store=tmp_path)
    again = refine_series({"a": measure("silicon", seed=3)}, plan, store=tmp_path)
    assert found["a"].status.has_values
    xr.testing.assert_allclose(
        again["a"].parameters["component_amount"],
        found["a"].parameters["component_amount"],
    )


def test_without_components_nothing_is_added(sample: xr.Dataset) -> None:
    result = refine(sample, make_plan())
    assert not [x for x in result.parameters.variables if "component" in str(x)]
    assert not [x for x in result.parameters.variables if "height" in str(x)]
    assert "components" not in result.recipe
    names = result.parameters["parameter_name"].to_numpy().tolist()
    assert names == [
        *(f"NaCl.{x}" for x in ("cell_1", "ln_size", "ln_strain", "ln_march")),
        "NaCl.b_overall",
        "shift",
        "w_extra",
    ]


@pytest.mark.parametrize("shift", ["displacement", "zero"])
def test_derivatives_are_those_of_differences(
    silicon: Component, sample: xr.Dataset, shift: Any
) -> None:
    other = replace(silicon, name="other")
    fixed = replace(silicon, name="fixed", shift=False)
    plan = make_plan(silicon, other, fixed, shift=shift)
    problem = prepare(sample, plan, NativeOptions()).problem
    layout = problem.model.layout
    values = start_values(layout, plan, NativeOptions())
    values[layout.names.index(OFFSET)] = -0.1
    values[layout.names.index("silicon.component_shift")] = 0.013
    amounts = np.array([0.7, 0.2, 0.4])
    columns = problem.model.measured
    assert columns is not None
    free = np.ones(layout.size, dtype=bool)
    slopes = columns.slopes(values, amounts, free)
    assert len(slopes) == 3
    for i, slope in slopes.items():
        moved = np.zeros(layout.size)
        moved[i] = STEP
        difference = amounts @ columns.draw(values + moved)
        difference -= amounts @ columns.draw(values - moved)
        scale = np.abs(slope).max()
        np.testing.assert_allclose(slope, difference / (2 * STEP), atol=1e-5 * scale)


def test_the_jacobian_holds_them_weighted(
    silicon: Component, sample: xr.Dataset
) -> None:
    plan = make_plan(silicon)
    fit = NativeEngine().fit(sample, plan)
    problem, found = fit.prepared.problem, fit.minimum.found
    layout = problem.model.layout
    free = np.ones(layout.size, dtype=bool)
    jacobian = problem.jacobian(found, free)
    i = layout.names.index("silicon.component_shift")
    moved = found.values.copy()
    moved[i] += STEP
    columns = problem.evaluate(moved).columns
    n = problem.model.n_columns
    change = found.amounts[:n] @ (columns - found.columns) / STEP
    scale = np.abs(change).max()
    np.testing.assert_allclose(jacobian[i], change, atol=2e-3 * scale)


@pytest.mark.parametrize("subtract", ["constant", "line"])
def test_a_baseline_changes_no_amount_beside_a_line(
    silicon: Component, sample: xr.Dataset, fitted: RefinementResult, subtract: Any
) -> None:
    """The polynomial makes up for it, being free to be negative."""
    other = refine(sample, make_plan(replace(silicon, subtract=subtract)))
    for name in ("component_amount", "component_amount_std", "component_shift"):
        xr.testing.assert_allclose(
            other.parameters[name], fitted.parameters[name], rtol=1e-4
        )
    lower = other.curves["measured_curve"].min() < fitted.curves["measured_curve"].min()
    assert bool(lower)


def test_a_warm_start_ends_where_a_cold_one_does(
    silicon: Component, sample: xr.Dataset, fitted: RefinementResult
) -> None:
    warm = refine(sample, make_plan(silicon), start=fitted)
    for name in ("component_amount", "component_shift"):
        xr.testing.assert_allclose(
            warm.parameters[name], fitted.parameters[name], rtol=1e-3
        )


def test_an_absent_component_has_an_uncertainty(silicon: Component) -> None:
    pattern = measure("silicon", 1e-9, seed=2)
    found = refine(pattern, make_plan(silicon)).parameters
    amount = float(found["component_amount"].item())
    std = float(found["component_amount_std"].item())
    assert amount >= 0.0
    assert std > 0.0
    assert amount < 4.0 * std


def test_a_component_that_may_not_move_does_not(
    silicon: Component, sample: xr.Dataset
) -> None:
    still = replace(silicon, shift=False)
    result = refine(sample, make_plan(still))
    assert float(result.parameters["component_shift"].item()) == 0.0
    assert np.isnan(float(result.parameters["component_shift_std"].item()))
    assert OFFSET not in result.parameters["parameter_name"].to_numpy().tolist()
    assert float(result.parameters["gof"]) > 3.0


def test_a_pattern_that_is_too_short_is_refused(
    silicon: Component, sample: xr.Dataset
) -> None:
    short = silicon.pattern.isel(two_theta=slice(100, None))
    plan = make_plan(replace(silicon, pattern=short))
    with pytest.raises(PlanError, match=r"component 'silicon' covers 22-60 degree"):
        refine(sample, plan)
    wide = make_pattern(GRID, np.ones(GRID.size))
    assert (
        measured_columns(
            make_plan(), prepare(wide, make_plan(), NativeOptions()).model.layout, GRID
        )
        is None
    )


def test_other_engines_refuse_components(silicon: Component) -> None:
    plan = make_plan(silicon)
    for check in (
        lambda: check_plan(plan, Gsas2Options()),
        lambda: RietxEngine().check(plan),
    ):
        with pytest.raises(PlanError, match=r"components: .*'silicon'; .*native"):
            check()
