"""Named recipes for milled powders: the order of stages, and when a phase has a say.

The native engine frees everything behind priors and needs no thresholds. Engines
without priors (GSAS-II, rietx) diverge when the cell or the width of a phase that is
hardly there is freed; they take a recipe's thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from refinement.plan import DEFAULT_STAGES, Group, RefinementPlan, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """From when on a group of a phase's parameters may be freed."""

    weight_fraction: float
    """Least weight fraction of the crystalline part."""
    significance: float
    """Least scale over its esd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Stages and thresholds of an engine without priors."""

    name: str
    """What it is for."""
    stages: tuple[Stage, ...]
    """Order in which groups are freed; a stage without groups fits scales and
    background alone."""
    thresholds: Mapping[Group, Threshold]
    """By group; a group without one is always free."""

    def admits(
        self, group: Group, *, weight_fraction: float, significance: float
    ) -> bool:
        """Return whether a phase of that fraction and scale/esd may free a group."""
        needed = self.thresholds.get(group)
        return needed is None or (
            weight_fraction >= needed.weight_fraction
            and significance >= needed.significance
        )


_POSITIONS = frozenset[Group]({"cell", "shift"})
_SIZES = _POSITIONS | frozenset[Group]({"size", "resolution"})
_WIDTHS = _SIZES | frozenset[Group]({"strain"})
MILLED_POWDER = Recipe(
    name="milled powder, least squares without priors",
    stages=(
        Stage(name="scales", free=frozenset()),
        Stage(name="positions", free=_POSITIONS),
        Stage(name="sizes", free=_SIZES),
        Stage(name="strains", free=_WIDTHS),
        Stage(name="texture", free=_WIDTHS | frozenset[Group]({"texture"})),
    ),
    thresholds={
        "cell": Threshold(weight_fraction=0.01, significance=8.0),
        "size": Threshold(weight_fraction=0.01, significance=8.0),
        "strain": Threshold(weight_fraction=0.10, significance=40.0),
        "texture": Threshold(weight_fraction=0.05, significance=20.0),
    },
)
"""Scales, then positions, sizes, strains, texture; weak phases keep their start."""


def stages_of(
    plan: RefinementPlan, recipe: Recipe = MILLED_POWDER
) -> tuple[Stage, ...]:
    """Return the stages of a plan for an engine without priors.

    The recipe's, unless the plan names stages of its own: those follow the recipe's
    first stage (scales and background alone).
    """
    if plan.stages == DEFAULT_STAGES:
        return recipe.stages
    return (recipe.stages[0], *plan.stages)
