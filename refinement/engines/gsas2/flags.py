"""What a stage frees: a plan's groups, where the phases are strong enough."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from refinement.engines.gsas2.checks import Owner
from refinement.plan import Group, RefinementPlan, Stage
from refinement.recipes import Recipe

_PHASE_GROUPS: tuple[Group, ...] = ("cell", "size", "strain", "texture")
_PATTERN_GROUPS = ("shift", "resolution")
MARGIN = 2.0
"""Factor by which a phase may fall below a threshold once it was above."""


def strengths(
    report: Mapping[str, Any], names: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Return weight fraction and scale over esd of each phase of a report."""
    phases = report["state"]["phases"]
    masses = {n: max(phases[n]["scale"], 0.0) * phases[n]["mass"] for n in names}
    total = max(sum(masses.values()), 1e-300)
    esds = dict(zip(report["varied"], report["esd"], strict=True))
    found = {}
    for name in names:
        esd = esds.get(f"{phases[name]['number']}:0:Scale")
        ratio = phases[name]["scale"] / esd if esd else 0.0
        found[name] = (masses[name] / total, ratio)
    return found


def stage_flags(
    stage: Stage,
    plan: RefinementPlan,
    recipe: Recipe,
    *,
    held: Collection[Owner],
    shares: Mapping[str, tuple[float, float]],
    n_peaks: int = 0,
) -> dict[str, Any]:
    """Return the worker's flags of a stage.

    Parameters
    ----------
    stage, plan, recipe
        What may be free, and from which strength of a phase on.
    held : collection of (group, phase)
        What stays as it is, whatever the stage says.
    shares : mapping
        Weight fraction and scale over esd of each phase so far.
    n_peaks : int
        Background peaks of the pattern.
    """
    free: dict[str, Any] = {
        "scale": [name for name in plan.phase_names if ("scale", name) not in held],
        "peaks": [
            number
            for number in range(n_peaks)
            if not {("peaks", ""), ("peaks", str(number))} & set(held)
        ],
    }
    asked: dict[Group, list[str]] = {
        "cell": [p.name for p in plan.phases if p.refine_cell],
        "size": [p.name for p in plan.phases if p.refine_size],
        "strain": [p.name for p in plan.phases if p.refine_strain],
        "texture": [p.name for p in plan.phases if p.texture is not None],
    }
    for group, names in asked.items():
        free[group] = [
            name
            for name in names
            if group in stage.free
            and (group, name) not in held
            and recipe.admits(
                group, weight_fraction=shares[name][0], significance=shares[name][1]
            )
        ]
    if plan.shift != "fixed" and "shift" in stage.free and free["cell"]:
        free["shift"] = None if ("shift", "") in held else plan.shift
    free["resolution"] = (
        "resolution" in stage.free
        and plan.refines_resolution
        and ("resolution", "") not in held
        and bool(free["size"])
    )
    return free


def newly_freed(free: Mapping[str, Any], before: Mapping[str, Any]) -> set[Owner]:
    """Return what is free now and was not before."""
    found: set[Owner] = set()
    for group in _PHASE_GROUPS:
        known = set(before.get(group, ()))
        found |= {(group, name) for name in free.get(group, ()) if name not in known}
    for name in _PATTERN_GROUPS:
        if free.get(name) and not before.get(name):
            found.add((name, ""))
    return found


def too_weak(
    free: Mapping[str, Any], shares: Mapping[str, tuple[float, float]], recipe: Recipe
) -> set[Owner]:
    """Return what is free of phases that turned out weaker than a threshold allows."""
    return {
        (group, name)
        for group in _PHASE_GROUPS
        for name in free.get(group, ())
        if not recipe.admits(
            group,
            weight_fraction=MARGIN * shares[name][0],
            significance=MARGIN * shares[name][1],
        )
    }
