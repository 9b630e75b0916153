"""Presence by the boundary mixture, and non-detects in the form that kinetics takes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from refinement.crystallinity.kinetics import fit_kinetics
from refinement.crystallinity.presence import (
    ALPHA,
    boundary_p_value,
    censored,
    presence,
)
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import PlanError, SchemaError

Fit = tuple[RefinementResult, RefinementPlan]
REPEATS = 40
# The 99th percentile of 40 patterns at the asked-for 5 % is 6.
MOST_FALSE = 6


def test_p_values_are_uniform_above_a_half() -> None:
    """Half of all empty patterns have p = 1, the others p below 0.5 in equal shares."""
    t = np.maximum(np.random.default_rng(5).standard_normal(20000), 0.0)
    p = boundary_p_value(t)
    assert np.mean(p == 1.0) == pytest.approx(0.5, abs=0.01)
    for level in (0.01, 0.05, 0.2, 0.45):
        # Three binomial sigmas of 20000 draws.
        spread = 3.0 * np.sqrt(level * (1.0 - level) / 20000)
        assert np.mean(p < level) == pytest.approx(level, abs=spread)
    assert np.isnan(boundary_p_value(np.array([np.nan]))).all()


def test_absent_and_present(without_rutile: Fit, with_rutile: Fit) -> None:
    none = presence(*without_rutile).sel(phase="rutile")
    some = presence(*with_rutile).sel(phase="rutile")
    assert none.present == 0.0
    assert none.p_value > ALPHA
    assert none.delta_bic < 0.0
    assert none.verdict.item().startswith("not seen: below 0.")
    assert "(95 %) at crystallites of" in none.verdict.item()
    assert some.verdict.item() == "present"
    assert some.delta_bic > 0.0
    # One scale; a, c, size and strain of a tetragonal phase.
    n = without_rutile[0].curves.sizes["two_theta"]
    assert float(some.delta_chi_square - some.delta_bic) == pytest.approx(5 * np.log(n))


def test_scale_at_the_true_size_is_the_amount(with_rutile: Fit) -> None:
    found = presence(*with_rutile, widths={"rutile": 40.0}).sel(phase="rutile")
    scales = with_rutile[0].parameters["scale"]
    share = float(found.scale_at_width / scales.sum())
    sigma = float(found.scale_std_zero / scales.sum())
    assert abs(share - 0.03) < 3.0 * sigma


def test_limit_in_the_sample(without_rutile: Fit) -> None:
    found = presence(*without_rutile, weight_per_scale=1e-3).sel(phase="rutile")
    assert float(found.fraction_upper_limit) == pytest.approx(
        1e-3 * float(found.scale_upper_limit)
    )
    assert "wt% of the sample" in found.verdict.item()


def test_without_curves_the_scales_decide(with_rutile: Fit) -> None:
    result, plan = with_rutile
    found = presence(replace(result, curves=xr.Dataset()), plan)
    assert found.attrs["basis"] == "scale and its esd"
    ratio = result.parameters["scale"] / result.parameters["scale_std"]
    np.testing.assert_allclose(found.statistic, ratio)
    failed = RefinementResult.failure("native", "no points", plan.phase_names)
    assert presence(failed, plan).verdict[0].item() == "unknown: no points"


@pytest.mark.slow
@pytest.mark.parametrize("widths", [None, {"rutile": 8.0}], ids=["fitted", "8 nm"])
def test_absent_phase_is_seldom_called_present(
    fit_mixture: Callable[..., Any], widths: dict[str, float] | None
) -> None:
    calls = [
        float(presence(*fit_mixture(seed=100 + k), widths=widths).present[2])
        for k in range(REPEATS)
    ]
    assert sum(calls) < MOST_FALSE


@pytest.mark.parametrize(
    ("options", "message"),
    [({"alpha": 0.5}, "alpha"), ({"weight_per_scale": 0.0}, "weight_per_scale")],
)
def test_impossible_settings_are_refused(
    without_rutile: Fit, options: dict[str, float], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        presence(*without_rutile, **options)


def decay() -> xr.Dataset:
    times = np.array([0.0, 1.0, 2.0, 4.0, 6.0])
    amounts = np.exp(-times)
    return xr.Dataset(
        {
            "amount": (("sample",), amounts, {"units": "1"}),
            "amount_std": (("sample",), np.full(5, 0.01), {"units": "1"}),
        },
        coords={
            "sample": list("abcde"),
            "milling_time": ("sample", times, {"units": "h"}),
        },
    )


def test_non_detects_go_into_kinetics() -> None:
    series = decay()
    seen = (series["amount"] > 0.03).astype(float)
    marked = censored(
        series, "amount", limit=xr.full_like(series["amount"], 0.03), detected=seen
    )
    np.testing.assert_array_equal(marked.amount_censored, [0, 0, 0, 1, 1])
    assert marked.amount_limit.attrs["units"] == "1"
    fitted = fit_kinetics(marked, "amount", models=("first_order",))
    assert int(fitted.n_censored[0]) == 2
    # Exact data within their sigma; two points of five are bounds only.
    assert float(fitted.rate[0]) == pytest.approx(1.0, abs=0.03)


def test_non_detect_without_limit_is_no_value() -> None:
    series = decay()
    limit = xr.full_like(series["amount"], np.nan)
    detected = xr.DataArray([1.0, np.nan, 0.0, 1.0, 1.0], dims=("sample",))
    marked = censored(series, "amount", limit=limit, detected=detected)
    assert np.isnan(marked.amount[2])
    assert float(marked.amount_censored.sum()) == 0.0
    np.testing.assert_array_equal(marked.amount[[0, 1, 3]], series.amount[[0, 1, 3]])
    assert not np.isnan(series.amount).any()


def test_dims_must_fit() -> None:
    series = decay()
    with pytest.raises(SchemaError, match="limit has dims"):
        censored(
            series, "amount", limit=xr.DataArray(0.1), detected=series["amount"] > 0.1
        )
    with pytest.raises(SchemaError, match="no variable"):
        censored(series, "other", limit=series["amount"], detected=series["amount"])
