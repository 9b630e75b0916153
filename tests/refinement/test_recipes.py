"""Which stages a plan becomes, and from when on a weak phase has a say."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import get_args

import pytest

from refinement.plan import (
    DEFAULT_STAGES,
    Group,
    Phase,
    RefinementPlan,
    Stage,
)
from refinement.recipes import MILLED_POWDER, Recipe, Threshold, stages_of
from structkit.structures import library
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

GROUPS = get_args(Group)
OWN = (Stage(name="cells only", free=frozenset({"cell"})),)


@pytest.fixture
def plan() -> RefinementPlan:
    phases = (Phase(structure=library.load("NaCl")),)
    return RefinementPlan(phases=phases, instrument=Instrument(radiation=tube("CuKa")))


def test_a_plan_without_stages_takes_the_recipe(plan: RefinementPlan) -> None:
    assert stages_of(plan) == MILLED_POWDER.stages
    other = replace(MILLED_POWDER, stages=OWN)
    assert stages_of(plan, other) == OWN


def test_stages_of_a_plan_follow_scales_and_background(plan: RefinementPlan) -> None:
    own = replace(plan, stages=OWN)
    assert stages_of(own) == (MILLED_POWDER.stages[0], *OWN)
    assert MILLED_POWDER.stages[0].free == frozenset()


def test_the_recipe_frees_ever_more_and_in_the_end_what_plans_ask() -> None:
    freed = [stage.free for stage in MILLED_POWDER.stages]
    assert all(less < more for less, more in pairwise(freed))
    # An overall B is no parameter of engines that have one U for each atom.
    assert freed[-1] == DEFAULT_STAGES[-1].free - {"b_overall"}
    assert len({stage.name for stage in MILLED_POWDER.stages}) == len(freed)


@pytest.mark.parametrize("group", sorted(MILLED_POWDER.thresholds))
def test_both_halves_of_a_threshold_count(group: Group) -> None:
    needed = MILLED_POWDER.thresholds[group]
    fraction, significance = needed.weight_fraction, needed.significance

    def admits(fraction: float, significance: float) -> bool:
        return MILLED_POWDER.admits(
            group, weight_fraction=fraction, significance=significance
        )

    assert admits(fraction, significance)
    assert not admits(0.99 * fraction, 10.0 * significance)
    assert not admits(10.0 * fraction, 0.99 * significance)


@pytest.mark.parametrize("group", sorted(set(GROUPS) - set(MILLED_POWDER.thresholds)))
def test_groups_without_threshold_are_always_free(group: Group) -> None:
    assert MILLED_POWDER.admits(group, weight_fraction=0.0, significance=0.0)


def test_what_is_less_certain_needs_more() -> None:
    """A cell needs positions, a size widths, a strain how widths grow with angle."""
    needed = MILLED_POWDER.thresholds
    for less, more in (("cell", "size"), ("size", "strain")):
        assert needed[less].weight_fraction <= needed[more].weight_fraction
        assert needed[less].significance <= needed[more].significance


def test_a_recipe_of_ones_own() -> None:
    threshold = Threshold(weight_fraction=0.5, significance=1.0)
    recipe = Recipe(name="mine", stages=OWN, thresholds={"cell": threshold})
    assert not recipe.admits("cell", weight_fraction=0.4, significance=9.0)
    assert recipe.admits("size", weight_fraction=0.0, significance=0.0)
