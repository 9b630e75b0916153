"""The nonlinear parameters of a plan: names, kinds, phases, order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.options import NativeOptions
from refinement.plan import Group, Phase, RefinementPlan

INSTRUMENT_KINDS = ("u", "v", "w", "x", "y", "axial")
_GROUPS: dict[str, Group] = {
    "cell": "cell",
    "cell_uncertain": "cell",
    "ln_size": "size",
    "ln_strain": "strain",
    "ln_march": "texture",
    "b_overall": "b_overall",
    "shift": "shift",
    "w_extra": "resolution",
    "component_offset": "shift",
    "component_shift": "shift",
    "film": "b_overall",  # both weaken lines smoothly with the angle
}
OFFSET = "component_offset"
"""Shift that all measured components share: the sample against their library."""
_COMPONENT_KINDS = (OFFSET, "component_shift")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Parameter vector of one plan; every array has shape (n_parameters,)."""

    names: tuple[str, ...]
    """``phase.kind`` or ``kind``, the key of parameters along a series."""
    kinds: tuple[str, ...]
    """Kind of each, the key of its prior."""
    phase: NDArray[np.int64]
    """Index of the phase; -1 for the whole pattern."""
    strain_slices: tuple[slice, ...]
    """Cell strains of each phase."""
    instrument: bool = False
    """Whether the instrument's resolution is refined too (calibration)."""

    @property
    def size(self) -> int:
        """Return the number of parameters."""
        return len(self.names)

    def index(self, phase: int, kind: str) -> int:
        """Return where ``kind`` of ``phase`` stands."""
        for i, found in enumerate(self.kinds):
            if found == kind and self.phase[i] == phase:
                return i
        raise KeyError((phase, kind))

    def group(self, i: int) -> str:
        """Return the stage group of parameter ``i`` (``instrument`` for U ... Y)."""
        return _GROUPS.get(self.kinds[i], "instrument")

    def allowed(self, plan: RefinementPlan) -> NDArray[np.bool_]:
        """Return which parameters the plan lets free at all."""
        return np.array([self._is_allowed(i, plan) for i in range(self.size)])

    def _is_allowed(self, i: int, plan: RefinementPlan) -> bool:
        group = self.group(i)
        own = self.kinds[i] in (*_COMPONENT_KINDS, "film")
        if group == "instrument" or own:
            return True
        if group == "shift":
            return plan.shift != "fixed"
        if group == "resolution":
            return plan.refines_resolution and not self.instrument
        phase = plan.phases[int(self.phase[i])]
        return {
            "cell": phase.refine_cell,
            "size": phase.refine_size,
            "strain": phase.refine_strain,
            "texture": phase.texture is not None
            and phase.texture_model == "march-dollase",
            "b_overall": phase.refine_b_overall,
        }[group]


def build_layout(
    plan: RefinementPlan,
    n_strains: list[int],
    *,
    instrument: bool = False,
    film: bool = False,
) -> Layout:
    """Lay out cell, size, strain, texture, B by phase, then shift, extra W, film.

    Shifts of measured components, where there are any, stand between.
    """
    names: list[str] = []
    kinds: list[str] = []
    owner: list[int] = []
    slices: list[slice] = []
    for number, phase in enumerate(plan.phases):
        cell = "cell_uncertain" if phase.cell_uncertain else "cell"
        slices.append(slice(len(names), len(names) + n_strains[number]))
        own = [cell] * n_strains[number]
        own += ["ln_size", "ln_strain", "ln_march", "b_overall"]
        tags = [f"cell_{k + 1}" for k in range(n_strains[number])] + own[-4:]
        names += [f"{phase.name}.{tag}" for tag in tags]
        kinds += own
        owner += [number] * len(own)
    moving = [part.name for part in plan.components if part.shift]
    if moving:
        names += [OFFSET, *(f"{name}.component_shift" for name in moving)]
        kinds += [OFFSET, *["component_shift"] * len(moving)]
        owner += [-1] * (1 + len(moving))
    tail = ["shift", "w_extra", *(("film",) if film else ())]
    tail += INSTRUMENT_KINDS if instrument else ()
    return Layout(
        names=(*names, *tail),
        kinds=(*kinds, *tail),
        phase=np.array(owner + [-1] * len(tail), dtype=np.int64),
        strain_slices=tuple(slices),
        instrument=instrument,
    )


def start_values(
    layout: Layout, plan: RefinementPlan, options: NativeOptions
) -> NDArray[np.float64]:
    """Return a cold start: the plan's own values, else the priors' centres."""
    values = np.zeros(layout.size)
    for i, kind in enumerate(layout.kinds):
        if kind in INSTRUMENT_KINDS:
            name = "axial_divergence" if kind == "axial" else kind
            values[i] = getattr(plan.instrument, name)
            continue
        if kind == "film":
            values[i] = plan.film_thickness_um or 0.0
            continue
        values[i] = options.priors[kind].start
        if layout.phase[i] >= 0:
            own = _own_start(plan.phases[int(layout.phase[i])], kind)
            values[i] = values[i] if own is None else own
    return values


def _own_start(phase: Phase, kind: str) -> float | None:
    if kind == "ln_size" and phase.size is not None:
        return float(np.log(phase.size))
    if kind == "ln_strain" and phase.microstrain is not None:
        return float(np.log(max(phase.microstrain, 1e-7)))
    return None
