"""Plans that cannot be run are refused; each message names its field."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from refinement.plan import InternalStandard, Phase, RefinementPlan
from structkit.errors import PlanError
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
