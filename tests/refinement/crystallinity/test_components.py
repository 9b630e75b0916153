"""A synthetic mixture whose silicon and glass are known only as measured patterns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from refinement import RefinementResult, refine
from refinement.crystallinity import (
    amorphous_fraction,
    calibration_constant,
    component_weights,
    crystalline_area_fraction,
)
from refinement.plan import Component, InternalStandard, Phase, RefinementPlan
from structkit.errors import PlanError
from structkit.structures import library
from structkit.synthetic.lines import Optics
from structkit.synthetic.mixture import Surroundings, SyntheticPhase, simulate_mixture
from structkit.synthetic.scattering import Glass
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

Floats = NDArray[np.float64]
OPTICS = Optics(natural_widths=(1e-9, 1e-9))
INSTRUMENT = Instrument(
    radiation=tube("CuKa"),
    u=OPTICS.u,
    v=OPTICS.v,
    w=OPTICS.w,
    axial_divergence=OPTICS.axial_divergence,
    calibrated=True,
)
GLASS = Glass(composition={"Na": 1.0, "Ta": 1.0, "Cl": 6.0})
ALONE = Surroundings(air=0.0, dark=0.0)
GRID = np.round(15.0 + 0.02 * np.arange(2751), 6)
SPIKE = 0.2
TRUTH = {"NaCl": 0.25, "silicon": 0.4375, "glass": 0.3125}
"""Of the sample without its corundum."""
SIZE_NM = 60.0
N_DRAWS = 6
SHAPE = 0.015
"""Relative: the fitted lines are Thompson-Cox-Hastings, the simulated ones true Voigt
lines, and the height of corundum is the unit of every component."""
SPREAD = 2.0
"""Root mean square of 6 pulls about their mean: 2 is met by chance in 1 of 1e4."""
LIBRARY_DISPLACEMENT_MM = 0.12
"""Of the library's patterns: their lines are 0.09 degree from the sample's."""


def measure(
    weights: dict[str, float], *, seed: int | None = None, **options: Any
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return pattern and truth of a mixture; what is left to 1 is glass."""
    phases = [
        SyntheticPhase(
            structure=library.load(name), weight_fraction=share, size_nm=SIZE_NM
        )
        for name, share in weights.items()
    ]
    glass = GLASS if sum(weights.values()) < 1.0 - 1e-9 else None
    rng = None if seed is None else np.random.default_rng(seed)
    defaults: dict[str, Any] = {"two_theta": GRID, "optics": OPTICS}
    return simulate_mixture(phases, glass=glass, rng=rng, **(defaults | options))


def measure_sample(*, seed: int | None = None, **options: Any) -> xr.Dataset:
    """Return the spiked mixture's pattern."""
    left = 1.0 - SPIKE
    weights = {"corundum": SPIKE, "NaCl": 0.25 * left, "silicon": 0.4375 * left}
    return measure(weights, seed=seed, max_counts=2e4, **options)[0]


def make_components(**options: Any) -> tuple[Component, Component]:
    """Return silicon and glass as measured, with the RIRs that they then have."""
    found = []
    reference = _height_per_mass({"corundum": 1.0})
    for name, weights in (("silicon", {"silicon": 1.0}), ("glass", {"silicon": 1e-9})):
        pattern, _ = measure(
            weights,
            max_counts=1e6,
            surroundings=ALONE,
            displacement_mm=LIBRARY_DISPLACEMENT_MM,
        )
        ratio = _height_per_mass(weights) / reference
        height = _largest(pattern)
        found.append(
            Component(
                name=name,
                pattern=pattern,
                rir=ratio,
                height=height,
                crystalline=name != "glass",
                **options,
            )
        )
    return found[0], found[1]


def _largest(curve: xr.Dataset) -> float:
    """Return the largest value of a pattern, between its points."""
    spline = CubicSpline(GRID, curve["intensity"].to_numpy())
    return float(spline(np.arange(GRID[0], GRID[-1], 0.002)).max())


def _height_per_mass(weights: dict[str, float]) -> float:
    """Return the largest height of a pure substance as it would be in a mixture."""
    fine = np.arange(GRID[0], GRID[-1], 0.005)
    options: dict[str, Any] = {"surroundings": ALONE, "two_theta": fine}
    pattern, truth = measure(weights, scale=1.0, **options)
    height = float(pattern["intensity"].max())
    if "corundum" in weights:
        height = float(truth["component"].max())
    return height * float(truth["mass_attenuation"])


def make_plan(
    components: tuple[Component, ...], names: Any = ("corundum", "NaCl"), **options: Any
) -> RefinementPlan:
    """Return a plan with the components, corundum weighed in."""
    defaults: dict[str, Any] = {
        "halo": False,
        "internal_standard": InternalStandard(phase="corundum", weight_fraction=SPIKE),
    }
    return RefinementPlan(
        phases=tuple(
            Phase(structure=library.load(name), size=10.0 * SIZE_NM) for name in names
        ),
        instrument=INSTRUMENT,
        components=components,
        **(defaults | options),
    )


@pytest.fixture(scope="module")
def components() -> tuple[Component, Component]:
    return make_components()


@pytest.fixture(scope="module")
def fitted(
    components: tuple[Component, Component],
) -> tuple[RefinementPlan, list[RefinementResult]]:
    plan = make_plan(components)
    return plan, [refine(measure_sample(seed=seed), plan) for seed in range(N_DRAWS)]


Fitted = tuple[RefinementPlan, list[RefinementResult]]


def test_contents_of_the_sample_are_recovered(fitted: Fitted) -> None:
    plan, results = fitted
    found = [component_weights(result, plan) for result in results]
    names = list(TRUTH)
    values = np.array(
        [x["weight_fraction_sample"].sel(constituent=names).to_numpy() for x in found]
    )
    esds = np.array(
        [
            x["weight_fraction_sample_std"].sel(constituent=names).to_numpy()
            for x in found
        ]
    )
    truth = np.array(list(TRUTH.values()))
    bias = values.mean(axis=0) - truth
    chance = 3.0 * esds.mean(axis=0) / np.sqrt(N_DRAWS)
    assert np.all(np.abs(bias) < SHAPE * truth + chance)
    pulls = (values - values.mean(axis=0)) / esds
    assert np.all(np.sqrt(np.square(pulls).sum(axis=0) / (N_DRAWS - 1)) < SPREAD)
    assert np.all(esds < 0.01)


def test_glass_is_the_amorphous_remainder(fitted: Fitted) -> None:
    plan, results = fitted
    for result in results:
        found = component_weights(result, plan)
        value, esd = (
            float(found["amorphous_remainder"]),
            found["amorphous_remainder_std"],
        )
        bias = SHAPE * (TRUTH["NaCl"] + TRUTH["silicon"])
        assert abs(value - TRUTH["glass"]) < bias + 4.0 * float(esd)
        low, high = (float(found[f"amorphous_remainder_{x}"]) for x in ("low", "high"))
        assert low < value < high
        assert high - low == pytest.approx(2 * 1.96 * float(esd), rel=1e-3)
        assert "glass" in found.attrs["left_out"]
        assert not str(found["amorphous_remainder_reason"].item())


def test_shares_of_structures_alone_are_no_content(fitted: Fitted) -> None:
    """Silicon is crystalline and has no structure: it must not become amorphous."""
    plan, results = fitted
    found = amorphous_fraction(results[0], plan.internal_standard)
    assert np.isnan(float(found["amorphous_fraction"]))
    assert "measured components" in str(found["amorphous_fraction_reason"].item())


def test_esds_are_those_of_numerical_propagation(fitted: Fitted) -> None:
    """Draw scales, amounts and the height of corundum; compare the spread."""
    plan, results = fitted
    result = results[0]
    parameters = result.parameters
    joint = np.block(
        [
            [
                parameters["component_covariance"].to_numpy(),
                parameters["height_amount_covariance"].to_numpy()[:1].T,
            ],
            [
                parameters["height_amount_covariance"].to_numpy()[:1],
                parameters["height_covariance"].to_numpy()[:1, :1],
            ],
        ]
    )
    height = float(result.curves["component"].to_numpy()[0].max())
    center = np.concatenate(
        [parameters["scale"], parameters["component_amount"], [height]]
    )
    draws = np.random.default_rng(3).multivariate_normal(
        center, joint, size=20000, method="eigh"
    )
    parts = plan.components
    ratio = [part.top / part.rir for part in parts if part.rir is not None]
    salt = draws[:, 1] / draws[:, 0]
    measured = draws[:, 2:4] * ratio / draws[:, 4:]
    contents = SPIKE / (1.0 - SPIKE) * np.column_stack([salt, measured])
    found = component_weights(result, plan)
    stated = found["weight_fraction_sample_std"].to_numpy()[1:]
    np.testing.assert_allclose(contents.std(axis=0), stated, rtol=0.03)
    crystalline = contents[:, 0] + contents[:, 1]
    assert crystalline.std() == pytest.approx(
        float(found["amorphous_remainder_std"]), rel=0.03
    )


def test_without_a_standard_only_shares_of_what_has_a_column(fitted: Fitted) -> None:
    plan, results = fitted
    bare = replace(plan, internal_standard=None)
    found = component_weights(results[0], bare)
    assert float(found["weight_fraction_normalised"].sum()) == pytest.approx(1.0)
    assert np.all(np.isnan(found["weight_fraction_sample"]))
    assert np.isnan(float(found["amorphous_remainder"]))
    assert "no internal standard" in str(found["amorphous_remainder_reason"].item())
    left = 1.0 - SPIKE
    expected = [SPIKE, *(share * left for share in TRUTH.values())]
    found_shares = found["weight_fraction_normalised"].to_numpy()
    np.testing.assert_allclose(found_shares, expected, rtol=2 * SHAPE, atol=0.004)


def test_uncertain_ratios_are_carried(fitted: Fitted) -> None:
    plan, results = fitted
    silicon, glass = plan.components
    unsure = replace(silicon, rir_std=0.1 * (silicon.rir or 0.0))
    found = component_weights(results[0], replace(plan, components=(unsure, glass)))
    known = component_weights(results[0], plan)
    pick = {"constituent": "silicon"}
    expected = np.hypot(
        float(known["weight_fraction_sample_std"].sel(pick)),
        0.1 * float(known["weight_fraction_sample"].sel(pick)),
    )
    assert float(found["weight_fraction_sample_std"].sel(pick)) == pytest.approx(
        expected, rel=1e-6
    )
    assert "silicon" not in found.attrs["left_out"]


def test_a_calibration_constant_serves_another_mixture(fitted: Fitted) -> None:
    """Silicon and glass calibrated in one mixture, weighed in another without RIRs."""
    plan, results = fitted
    calibrated = []
    for part in plan.components:
        constant, std = calibration_constant(
            results[0],
            part.name,
            reference="NaCl",
            weight_ratio=TRUTH[part.name] / TRUTH["NaCl"],
        )
        calibrated.append(
            replace(
                part, rir=None, height=None, calibration=constant, calibration_std=std
            )
        )
    other = {"corundum": 0.2, "NaCl": 0.4, "silicon": 0.12}
    pattern, _ = measure(other, seed=11, max_counts=2e4)
    other_plan = make_plan((calibrated[0], calibrated[1]))
    found = component_weights(refine(pattern, other_plan), other_plan)
    values = found["weight_fraction_sample"].to_numpy()[1:]
    esds = found["weight_fraction_sample_std"].to_numpy()[1:]
    assert np.all(np.abs(values - [0.5, 0.15, 0.35]) < 3.5 * esds)
    assert found.attrs["link"].startswith("all in the unit of the structures")


def test_rir_meets_scales_at_a_phase_that_is_not_corundum(
    components: tuple[Component, Component],
) -> None:
    """Without corundum the salt's own computed ratio takes its place."""
    sample = {"NaCl": 0.5, "silicon": 0.3}
    pattern, _ = measure(sample, seed=5, max_counts=2e4)
    standard = InternalStandard(phase="NaCl", weight_fraction=0.5)
    plan = make_plan(components, names=("NaCl",), internal_standard=standard)
    found = component_weights(refine(pattern, plan), plan)
    values = found["weight_fraction_sample"].to_numpy()[1:]
    # The computed ratio is of lines that only the instrument broadens; 60 nm broaden
    # those of salt and of corundum alike, but not in proportion.
    np.testing.assert_allclose(values, [0.6, 0.4], rtol=0.1)
    assert found.attrs["link"].startswith("at NaCl")


def test_a_plan_may_have_components_only(
    components: tuple[Component, Component],
) -> None:
    corundum, _ = measure({"corundum": 1.0}, max_counts=1e6, surroundings=ALONE)
    height = float(corundum["intensity"].max())
    third = Component(name="corundum", pattern=corundum, rir=1.0, height=height)
    salt, _ = measure({"NaCl": 1.0}, max_counts=1e6, surroundings=ALONE)
    ratio = _height_per_mass({"NaCl": 1.0}) / _height_per_mass({"corundum": 1.0})
    fourth = Component(name="NaCl", pattern=salt, rir=ratio)
    plan = make_plan((*components, third, fourth), names=())
    result = refine(measure_sample(seed=1), plan)
    found = component_weights(result, plan)
    shares = found["weight_fraction_sample"].sel(constituent=list(TRUTH)).to_numpy()
    # Heights of the library's own points, not between them, and corundum with its
    # thermal diffuse scattering: some per cent.
    np.testing.assert_allclose(shares, list(TRUTH.values()), rtol=0.06)


def test_background_is_no_part_of_the_sample(
    components: tuple[Component, Component],
) -> None:
    holder = replace(components[1], rir=None, height=None, background=True)
    plan = make_plan((components[0], holder))
    result = refine(measure_sample(seed=2), plan)
    found = component_weights(result, plan)
    assert found["constituent"].to_numpy().tolist() == ["corundum", "NaCl", "silicon"]
    assert float(found["amorphous_remainder"]) == pytest.approx(
        TRUTH["glass"], abs=SHAPE + 0.012
    )


def test_components_count_in_the_area_as_they_are_called(
    components: tuple[Component, Component],
) -> None:
    plan = make_plan(components, halo=True)
    result = refine(measure_sample(seed=3), plan)
    area = crystalline_area_fraction(result)
    curves = result.curves
    measured = curves["measured_curve"].sum("two_theta").to_numpy()
    crystals = float(curves["component"].sum()) + measured[0]
    total = crystals + measured[1] + float(curves["halo"].sum())
    assert float(area["crystalline_area_fraction"]) == pytest.approx(crystals / total)
    first = float(result.parameters["area_fraction_variants"][0])
    assert first == pytest.approx(crystals / total, abs=1e-3)


def test_results_of_another_plan_are_refused(fitted: Fitted) -> None:
    plan, results = fitted
    with pytest.raises(PlanError, match="give the plan that was refined"):
        component_weights(results[0], replace(plan, components=plan.components[:1]))
    with pytest.raises(PlanError, match="'quartz' is no measured_component"):
        calibration_constant(results[0], "quartz", reference="NaCl", weight_ratio=1.0)


def test_a_meeting_phase_that_is_not_there_is_a_reason(fitted: Fitted) -> None:
    plan, results = fitted
    scales = results[0].parameters["scale"] * 0.0
    gone = replace(results[0], parameters=results[0].parameters.assign(scale=scales))
    found = component_weights(gone, plan)
    assert np.all(np.isnan(found["weight_fraction_normalised"]))
    assert "is absent" in str(found["amorphous_remainder_reason"].item())


def test_a_standard_that_is_not_there_is_a_reason(
    components: tuple[Component, Component],
) -> None:
    pattern, _ = measure({"NaCl": 0.4, "silicon": 0.3}, seed=4, max_counts=2e4)
    standard = InternalStandard(phase="rutile", weight_fraction=0.2)
    plan = make_plan(components, names=("NaCl", "rutile"), internal_standard=standard)
    silicon, glass = plan.components
    by_scale = tuple(
        replace(part, rir=None, height=None, calibration=1.0)
        for part in (silicon, glass)
    )
    plan = replace(plan, components=by_scale)
    found = component_weights(refine(pattern, plan), plan)
    assert "rutile is not detected" in str(found["amorphous_remainder_reason"].item())
