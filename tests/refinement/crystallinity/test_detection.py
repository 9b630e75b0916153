"""Detection limits of a fit: against the engine's own, by width, with reasons."""

from dataclasses import replace

import numpy as np
import pytest

from refinement.crystallinity.detection import detection_limits, is_detected
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import PlanError, SchemaError

Fit = tuple[RefinementResult, RefinementPlan]
# The engine also has cells and widths of the other phases fixed, and its bank may not
# be negative: same question, other columns.
SAME_QUESTION = 0.25
# Lines that run into each other add up where a single one would lose by the root.
SEVERAL_LINES = 0.75


def test_limit_is_close_to_the_engines(without_rutile: Fit) -> None:
    result, plan = without_rutile
    found = detection_limits(result, plan).sel(phase="rutile")
    scales = result.parameters["scale"]
    own = float(result.parameters["detection_limit"].sel(phase="rutile"))
    others = float(scales.sum() - scales.sel(phase="rutile"))
    limit = float(found.scale_detection_limit)
    assert limit / (others + limit) == pytest.approx(own, rel=SAME_QUESTION)
    assert found.reason.item() == ""
    assert found.gof_factor >= 1.0
    assert found.background_factor >= 1.0


def test_levels_follow_from_sigma(without_rutile: Fit) -> None:
    found = detection_limits(*without_rutile)
    sigma = found.scale_std_zero
    np.testing.assert_allclose(found.scale_critical_level, 1.645 * sigma)
    np.testing.assert_allclose(found.scale_quantification_limit, 10.0 * sigma)
    assert bool((found.scale_detection_limit > 3.29 * sigma).all())
    assert bool((sigma > found.scale_std_zero_simple).all())


def test_limit_grows_with_the_width(without_rutile: Fit) -> None:
    """As the root or less while all else is known; faster where a halo is free."""
    wide, wider = (
        detection_limits(*without_rutile, widths={"rutile": size}).sel(phase="rutile")
        for size in (24.0, 6.0)
    )
    root = np.sqrt(float(wider.assumed_fwhm / wide.assumed_fwhm))
    simple = float(wider.scale_std_zero_simple / wide.scale_std_zero_simple)
    assert SEVERAL_LINES < simple / root < 1.0
    assert float(wider.scale_detection_limit / wide.scale_detection_limit) > root
    assert float(wide.assumed_size_nm) == 24.0


def test_spread_of_the_background_is_added(without_rutile: Fit) -> None:
    none, some = (
        detection_limits(*without_rutile, background_spread={"rutile": spread}).sel(
            phase="rutile"
        )
        for spread in (1e-9, 1.0)
    )
    sigma = np.hypot(float(none.scale_std_zero), 1.0)
    assert float(some.scale_std_zero) == pytest.approx(sigma, rel=1e-6)


def test_unit_of_another_engine_is_learned(without_rutile: Fit) -> None:
    """The same fit with scales in other units has limits in these."""
    result, plan = without_rutile
    scales = {name: 7.0 * result.parameters[name] for name in ("scale", "scale_std")}
    other = replace(
        result, engine="other 1", parameters=result.parameters.assign(scales)
    )
    widths = {"rutile": 8.0}
    own = detection_limits(result, plan, widths=widths).scale_detection_limit
    found = detection_limits(other, plan, widths=widths).scale_detection_limit
    # A drawn line has its far tails, which an engine may cut off.
    np.testing.assert_allclose(found[2], 7.0 * own[2], rtol=0.02)


def test_unknown_unit_is_a_reason(without_rutile: Fit) -> None:
    result, plan = without_rutile
    nothing = result.parameters.assign(scale=0.0 * result.parameters["scale"])
    other = replace(result, engine="other 1", parameters=nothing)
    found = detection_limits(other, plan)
    assert bool(np.isnan(found.scale_detection_limit).all())
    assert "unit of the scales" in found.reason[0].item()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": {"quartz": 10.0}}, "no phase 'quartz'"),
        ({"widths": {"rutile": -1.0}}, "rutile has -1"),
        ({"background_spread": {"rutile": np.nan}}, "rutile has nan"),
    ],
)
def test_bad_input_is_named(
    without_rutile: Fit, options: dict[str, dict[str, float]], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        detection_limits(*without_rutile, **options)


def test_failed_fit_and_foreign_plan_are_refused(without_rutile: Fit) -> None:
    result, plan = without_rutile
    failed = RefinementResult.failure("native", "no points", plan.phase_names)
    with pytest.raises(SchemaError, match="no points"):
        detection_limits(failed, plan)
    with pytest.raises(PlanError, match="'rutile'"):
        detection_limits(result, replace(plan, phases=plan.phases[:2]))


def test_rule_of_three_esds_is_unchanged(without_rutile: Fit, with_rutile: Fit) -> None:
    assert not is_detected(without_rutile[0].parameters).sel(phase="rutile")
    assert is_detected(with_rutile[0].parameters).all()
