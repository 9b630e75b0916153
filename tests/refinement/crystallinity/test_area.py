"""Crystalline share of the scattered area: sums, weights, and what stays open."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from refinement.crystallinity import crystalline_area_fraction
from refinement.result import RefinementResult
from structkit.errors import PlanError
from structkit.schema import FitStatus
from structkit.structures import library
from structkit.synthetic.mixture import SyntheticPhase, simulate_mixture
from structkit.synthetic.scattering import Glass

Make = Callable[..., RefinementResult]

# A halo at Q < 5 per angstrom does not yet oscillate about its mean: the sum rule is
# cut off, and Debye-Waller takes up to this share from the lines.
CONTENT_TOLERANCE = 0.06


@pytest.mark.parametrize("ratio", [1.0, 0.8])
@pytest.mark.parametrize("weighting", ["plain", "ruland"])
def test_share_is_that_of_sums_point_by_point(
    make_result: Make, weighting: str, ratio: float
) -> None:
    result = make_result()
    lines = halo = 0.0
    for point in result.curves["two_theta"].to_numpy():
        at = result.curves.sel(two_theta=point)
        theta = np.radians(point / 2.0)
        weight = 1.0
        if weighting == "ruland":
            polarization = (1.0 + ratio * np.cos(2.0 * theta) ** 2) / (1.0 + ratio)
            weight = np.sin(theta) ** 2 * np.cos(theta) / polarization
        lines += weight * float(at["component"].sum())
        halo += weight * float(at["halo"])
    found = crystalline_area_fraction(
        result,
        weighting=weighting,  # type: ignore[arg-type]
        polarization_ratio=ratio,
    )
    assert float(found.crystalline_area_fraction) == pytest.approx(
        lines / (lines + halo), rel=1e-10
    )
    assert found.crystalline_area_fraction.attrs["units"] == "1"
    assert found.crystalline_area_fraction.attrs["weighting"] == weighting
    assert found.crystalline_area_fraction.attrs["two_theta_high"] == 80.0
    assert str(found.crystalline_area_fraction_reason.item()) == ""


def test_uncertainty_adds_backgrounds_and_counting(make_result: Make) -> None:
    exact = crystalline_area_fraction(make_result(scale_std=0.0))
    assert float(exact.crystalline_area_fraction_std) == pytest.approx(0.04)
    counted = crystalline_area_fraction(make_result(scale_std=0.05))
    result = make_result()
    areas = result.curves["component"].sum("two_theta").to_numpy() / [2.0, 1.0]
    total = float(result.curves["component"].sum() + result.curves["halo"].sum())
    expected = np.hypot(0.04, 0.05 * np.hypot(*areas) / total)
    assert float(counted.crystalline_area_fraction_std) == pytest.approx(expected)


def test_uncertainty_knows_scales_before_brindley(make_result: Make) -> None:
    """The covariance is of raw scales, tau times those in the table."""
    plain = make_result((2.0, 1.0), scale_std=0.05, variants=(0.5, 0.5))
    factors = xr.Variable(("phase",), np.array([0.5, 0.5]))
    corrected = make_result(
        (2.0, 1.0),
        scale_std=0.05,
        variants=(0.5, 0.5),
        extra={"absorption_factor": factors},
    )
    first, second = (
        float(crystalline_area_fraction(item).crystalline_area_fraction_std)
        for item in (plain, corrected)
    )
    assert second == pytest.approx(2.0 * first)


def test_absent_phases_cost_nothing(make_result: Make) -> None:
    found = crystalline_area_fraction(make_result((2.0, 0.0)))
    assert np.isfinite(float(found.crystalline_area_fraction_std))


def test_no_halo_in_the_pattern_is_all_crystalline(make_result: Make) -> None:
    found = crystalline_area_fraction(make_result(halo=0.0))
    assert float(found.crystalline_area_fraction) == 1.0


def without_halo_model(result: RefinementResult) -> RefinementResult:
    return replace(result, recipe={"amorphous_area": "none"})


def with_unknown_halo(result: RefinementResult) -> RefinementResult:
    curves = result.curves.assign(halo=np.nan * result.curves["halo"])
    return replace(result, curves=curves)


def failed(result: RefinementResult) -> RefinementResult:
    return RefinementResult.failure("by hand", "no reason", ("NaCl",))


def with_unfinished_numbers(result: RefinementResult) -> RefinementResult:
    return replace(result, status=FitStatus.FAILED)


def with_one_background(result: RefinementResult) -> RefinementResult:
    one = result.parameters.isel(background_variant=[0])
    return replace(result, parameters=one)


def without_backgrounds(result: RefinementResult) -> RefinementResult:
    bare = result.parameters.drop_vars("area_fraction_variants")
    return replace(result, parameters=bare)


def without_area(result: RefinementResult) -> RefinementResult:
    return replace(result, curves=0.0 * result.curves)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_halo_model, "no halo"),
        (with_unknown_halo, "no halo"),
        (failed, "no curves"),
        (with_unfinished_numbers, "no curves"),
        (with_one_background, "only 1 admissible background"),
        (without_backgrounds, "only 0 admissible background"),
        (without_area, "neither reflections nor halo"),
    ],
)
def test_what_cannot_be_told_is_empty_with_a_reason(
    make_result: Make,
    change: Callable[[RefinementResult], RefinementResult],
    reason: str,
) -> None:
    found = crystalline_area_fraction(change(make_result()))
    assert np.isnan(float(found.crystalline_area_fraction))
    assert np.isnan(float(found.crystalline_area_fraction_std))
    assert reason in str(found.crystalline_area_fraction_reason.item())


def test_the_result_is_left_alone(make_result: Make) -> None:
    result = make_result()
    before = result.curves.copy(deep=True), result.parameters.copy(deep=True)
    crystalline_area_fraction(result, weighting="ruland")
    xr.testing.assert_identical(result.curves, before[0])
    xr.testing.assert_identical(result.parameters, before[1])


@pytest.mark.parametrize(
    "settings", [{"weighting": "squared"}, {"polarization_ratio": 1.5}]
)
def test_unknown_settings_are_refused(
    make_result: Make, settings: dict[str, object]
) -> None:
    with pytest.raises(PlanError, match="must"):
        crystalline_area_fraction(make_result(), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [0.3, 0.7])
def test_ruland_area_comes_near_the_content_of_equal_compositions(
    make_result: Make, content: float
) -> None:
    """Glass and crystal of one composition scatter alike per gram."""
    phase = SyntheticPhase(
        structure=library.load("NaTaCl6"), weight_fraction=content, size_nm=50.0
    )
    _, truth = simulate_mixture(
        [phase], glass=Glass(composition={"Na": 1.0, "Ta": 1.0, "Cl": 6.0})
    )
    result = replace(make_result(), curves=truth[["component", "halo"]])
    found = crystalline_area_fraction(result, weighting="ruland")
    assert float(found.crystalline_area_fraction) == pytest.approx(
        content, abs=CONTENT_TOLERANCE
    )
