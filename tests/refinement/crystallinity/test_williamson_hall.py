"""Size and strain by separate lines: a straight line, and a simulated truth."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from refinement.crystallinity.widths import scherrer_width
from refinement.crystallinity.williamson_hall import fit_widths, line_sizes
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult

Fit = tuple[RefinementResult, RefinementPlan]
WAVELENGTH = 1.5406
SIZE, STRAIN = 15.0, 2e-3
# Of the stated standard uncertainties.
SIGMAS = 3.0
# Synthetic lines have an emission width that the instrument's file does not name: it
# acts like a strain of 1.4e-4.
EMISSION = 1.5e-4


def widths(angles: np.ndarray, strain: float = STRAIN) -> np.ndarray:
    strained = np.degrees(4.0 * strain * np.tan(np.radians(angles) / 2.0))
    return np.asarray(scherrer_width(SIZE, angles, wavelength=WAVELENGTH) + strained)


def test_straight_line_is_found() -> None:
    angles = np.array([27.0, 40.0, 55.0, 70.0, 78.0])
    found = fit_widths(angles, widths(angles), np.full(5, 0.01), wavelength=WAVELENGTH)
    assert found.reason == ""
    assert found.size_nm == pytest.approx(SIZE)
    assert found.strain == pytest.approx(STRAIN)


def test_uncertainty_is_that_of_repeats() -> None:
    angles = np.linspace(25.0, 80.0, 6)
    rng = np.random.default_rng(2)
    std = np.full(6, 0.01)
    fits = [
        fit_widths(
            angles, widths(angles) + rng.normal(0.0, std), std, wavelength=WAVELENGTH
        )
        for _ in range(400)
    ]
    spread = np.std([one.strain for one in fits])
    stated = np.median([one.strain_std for one in fits])
    # esds are inflated where chance makes the misfit large; 400 repeats give 4 %.
    assert 0.8 < stated / spread < 1.4


@pytest.mark.parametrize(
    ("angles", "reason"),
    [
        (np.array([30.0, 50.0, 70.0]), "3 separate lines"),
        (np.array([40.0, 45.0, 50.0, 60.0]), r"factor of 1\.46 in sin"),
    ],
)
def test_strain_that_cannot_be_told_is_a_range(angles: np.ndarray, reason: str) -> None:
    std = np.full(angles.size, 0.01)
    found = fit_widths(angles, widths(angles), std, wavelength=WAVELENGTH)
    assert found.strain == 0.0
    assert np.isnan(found.strain_std)
    assert found.size_nm < SIZE < found.size_nm_high
    assert found.reason.startswith(reason) or reason[:9] in found.reason


def test_negative_strain_is_not_reported() -> None:
    angles = np.array([27.0, 40.0, 55.0, 78.0])
    found = fit_widths(
        angles, widths(angles, -1e-3), np.full(4, 0.01), wavelength=WAVELENGTH
    )
    assert found.strain == 0.0
    assert found.reason == "the fitted strain is negative"
    nothing = fit_widths(angles[:0], angles[:0], angles[:0], wavelength=WAVELENGTH)
    assert np.isnan(nothing.size_nm)


def test_simulated_truth(fit_mixture: Callable[..., Any]) -> None:
    result, plan = fit_mixture(
        sizes={"NaCl": SIZE, "corundum": 30.0},
        planned=("NaCl", "corundum"),
        microstrain=STRAIN,
    )
    found = line_sizes(result, plan)
    for phase, size in (("NaCl", SIZE), ("corundum", 30.0)):
        one = found.sel(phase=phase)
        assert one.n_lines >= 4.0
        assert one.reason.item() == ""
        assert abs(one.size_wh - size) < SIGMAS * one.size_wh_std
        assert abs(one.strain_wh - STRAIN) < SIGMAS * one.strain_wh_std + EMISSION
        assert one.size_scherrer < one.size_wh
        assert "agrees with" in one.verdict.item()
        assert one.lower_bound == 0.0


def test_uncalibrated_instrument_and_absent_phase(without_rutile: Fit) -> None:
    result, plan = without_rutile
    rough = replace(plan, instrument=replace(plan.instrument, calibrated=False))
    found = line_sizes(result, rough)
    assert bool((found.lower_bound == 1.0).all())
    assert "lower bounds" in found.verdict.sel(phase="NaCl").item()
    absent = found.sel(phase="rutile")
    assert absent.n_lines == 0.0
    assert absent.verdict.item().startswith("no check: no line stands alone")
