"""Plans that cannot be run are refused; each message names its field."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from refinement.plan import Component, InternalStandard, Phase, RefinementPlan
from structkit.errors import PlanError
from structkit.schema import make_pattern
from structkit.structures import library
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

SALT = Phase(structure=library.load("NaCl"))
OXIDE = Phase(structure=library.load("Na2O"))
PLAN = RefinementPlan(
    phases=(SALT, OXIDE), instrument=Instrument(radiation=tube("CuKa"))
)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"phases": ()}, "phases"),
        ({"phases": (SALT, SALT)}, "phases: names must differ"),
        ({"background_terms": 0}, "background_terms"),
        ({"two_theta_range": (50.0, 20.0)}, "two_theta_range"),
        ({"exclude": ((20.0, 21.0), (30.0, 29.0))}, "exclude"),
        ({"film_thickness_um": -1.0}, "film_thickness_um"),
        (
            {
                "internal_standard": InternalStandard(
                    phase="corundum", weight_fraction=0.2
                )
            },
            "internal_standard.phase 'corundum'",
        ),
    ],
)
def test_impossible_plans(change: dict[str, Any], field: str) -> None:
    with pytest.raises(PlanError, match=field):
        replace(PLAN, **change)


@pytest.mark.parametrize("weight_fraction", [0.0, 1.0, -0.1, float("nan")])
def test_impossible_standards(weight_fraction: float) -> None:
    with pytest.raises(PlanError, match="weight_fraction"):
        InternalStandard(phase="NaCl", weight_fraction=weight_fraction)


@pytest.mark.parametrize("crystallinity", [0.0, 1.01])
def test_impossible_crystallinity(crystallinity: float) -> None:
    with pytest.raises(PlanError, match="crystallinity"):
        InternalStandard(phase="NaCl", weight_fraction=0.2, crystallinity=crystallinity)


def test_resolution_is_refined_unless_it_was_calibrated() -> None:
    assert PLAN.refines_resolution
    calibrated = replace(PLAN.instrument, calibrated=True)
    assert not replace(PLAN, instrument=calibrated).refines_resolution
    assert replace(
        PLAN, instrument=calibrated, refine_resolution=True
    ).refines_resolution
    assert not replace(PLAN, refine_resolution=False).refines_resolution


def test_plans_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        PLAN.halo = False  # type: ignore[misc]


PATTERN = make_pattern(np.arange(10.0, 80.0, 0.1), np.arange(700.0))
GLASS = Component(name="glass", pattern=PATTERN, rir=0.1, crystalline=False)
HOLDER = Component(name="holder", pattern=PATTERN, background=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rir": None}, "'glass': give either rir or calibration"),
        ({"calibration": 1.0}, "give either rir or calibration"),
        ({"background": True}, "a background has no rir"),
        ({"rir": 0.0}, "rir must be positive"),
        ({"rir": float("nan")}, "rir must be positive"),
        ({"rir_std": -0.1}, "rir_std must not be negative"),
        ({"calibration_std": 0.1}, "calibration_std must not .* needs calibration"),
        ({"height": -5.0}, "height must be positive"),
        ({"pattern": PATTERN * 0.0}, "holds no intensity"),
    ],
)
def test_impossible_components(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        replace(GLASS, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"components": (GLASS, GLASS)}, "'glass' is the name"),
        ({"components": (replace(GLASS, name="NaCl"),)}, "'NaCl' is the name"),
        (
            {"components": (GLASS,), "two_theta_range": (5.0, 60.0)},
            "'glass' covers 10-79.9 degree, the range in use is 5-60",
        ),
        ({"phases": (), "components": (HOLDER,)}, "at least one phase"),
        (
            {
                "components": (HOLDER,),
                "internal_standard": InternalStandard(
                    phase="holder", weight_fraction=0.2
                ),
            },
            "internal_standard.phase 'holder'",
        ),
    ],
)
def test_impossible_plans_with_components(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        replace(PLAN, **change)


def test_height_of_a_component_is_its_largest_value_unless_given() -> None:
    assert GLASS.top == 699.0
    assert replace(GLASS, height=650.0).top == 650.0
    standard = InternalStandard(phase="glass", weight_fraction=0.2)
    plan = replace(PLAN, components=(GLASS,), internal_standard=standard)
    assert plan.component_names == ("glass",)
