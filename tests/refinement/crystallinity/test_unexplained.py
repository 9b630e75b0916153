"""Lines that no phase of the plan explains."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from refinement.crystallinity.unexplained import FALSE_ALARM, unexplained_lines
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.structures import library
from structkit.xrd.reflections import list_reflections

Fit = tuple[RefinementResult, RefinementPlan]
TWO = ("NaCl", "corundum")
REPEATS = 40
# The 99th percentile of 40 patterns at 5 % is 6.
MOST_FALSE = 6
# A quarter of the line width: a position is as good as that.
POSITION = 0.06


def test_three_percent_of_rutile_are_found(fit_mixture: Callable[..., Any]) -> None:
    result, plan = fit_mixture(rutile=0.03, planned=TWO)
    found = unexplained_lines(result, plan)
    true = list_reflections(library.load("rutile"), 1.2).two_theta(1.540593)
    assert found.sizes["line"] >= 3
    shift = result.parameters["displacement"].item()
    for angle in found.two_theta.to_numpy():
        seen = true + shift * np.cos(np.radians(true) / 2.0)
        # The doublet's centre lies above its first line.
        assert np.min(np.abs(seen - angle)) < POSITION
    assert np.min(np.abs(found.two_theta - 27.43)) < POSITION
    assert np.min(np.abs(found.d_spacing - 3.247)) < 0.01
    assert bool((found.false_alarm_probability < FALSE_ALARM).all())
    assert "another phase" in found.verdict.item()


def test_area_is_that_of_the_line(fit_mixture: Callable[..., Any]) -> None:
    """Against the area that the phase has when it is in the plan, broad tails cut."""
    result, plan = fit_mixture(rutile=0.03, planned=TWO)
    full, _ = fit_mixture(rutile=0.03)
    found = unexplained_lines(result, plan)
    at = int(np.argmin(np.abs(found.two_theta.to_numpy() - 27.43)))
    curve = full.curves.component.sel(phase="rutile").sel(two_theta=slice(26.4, 28.4))
    area = float(curve.integrate("two_theta"))
    assert float(found.area[at]) == pytest.approx(area, rel=0.5)


def test_explained_pattern_has_none(with_rutile: Fit) -> None:
    found = unexplained_lines(*with_rutile)
    assert found.sizes["line"] == 0
    assert found.verdict.item() == "no line is left unexplained"
    assert 3.5 < float(found.threshold) < 5.0


@pytest.mark.slow
def test_false_alarms_are_rare(fit_mixture: Callable[..., Any]) -> None:
    alarms = [
        unexplained_lines(*fit_mixture(planned=TWO, seed=200 + k)).sizes["line"] > 0
        for k in range(REPEATS)
    ]
    assert sum(alarms) < MOST_FALSE


@pytest.mark.slow
def test_noise_alone_keeps_its_level(without_rutile: Fit) -> None:
    """Residuals of pure noise around the fitted curve: no profile is wrong."""
    result, plan = without_rutile
    rng = np.random.default_rng(8)
    alarms = 0
    for _ in range(200):
        curves = result.curves.copy()
        noise = rng.standard_normal(curves.sizes["two_theta"])
        curves["observed"] = curves["calculated"] + noise * curves["observed_std"]
        one = replace(result, curves=curves)
        alarms += unexplained_lines(one, plan).sizes["line"] > 0
    # 99th percentile of 200 patterns at 5 %.
    assert alarms <= 18
