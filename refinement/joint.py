"""A milling series refined as one problem: what its patterns share is refined once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import PlanError

if TYPE_CHECKING:
    from refinement.engines.native.options import NativeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What is one for all patterns of a series; everything else each has for itself."""

    cells: tuple[str, ...] = ()
    """Phases whose cell is one."""
    widths: tuple[str, ...] = ()
    """Phases whose size and microstrain are one: a trace phase's, seldom another's."""
    instrument: bool = False
    """The additional Gaussian width, and the zero shift with ``shift = "zero"``."""
    film: bool = False
    """One thickness of the film, refined from the plan's ``film_thickness_um``."""

    def check(self, plan: RefinementPlan) -> None:
        """Refuse to share what the plan does not have or does not refine.

        Raises
        ------
        PlanError
            Names the field, and what to do.
        """
        for field, names in (("cells", self.cells), ("widths", self.widths)):
            unknown = [name for name in names if name not in plan.phase_names]
            if unknown:
                raise PlanError(
                    f"shared.{field}: {unknown[0]!r} is no phase of the plan; it has "
                    f"{', '.join(plan.phase_names)}"
                )
        for phase in plan.phases:
            if phase.name in self.cells and not phase.refine_cell:
                raise PlanError(
                    f"shared.cells: the cell of {phase.name!r} is fixed and thereby "
                    "one already; leave it out, or refine it"
                )
            fixed = not (phase.refine_size or phase.refine_strain)
            if phase.name in self.widths and fixed:
                raise PlanError(
                    f"shared.widths: size and strain of {phase.name!r} are fixed and "
                    "thereby one already; leave it out, or refine them"
                )
        if self.instrument and not plan.refines_resolution and plan.shift != "zero":
            raise PlanError(
                "shared.instrument: the plan refines neither an additional width "
                "(refine_resolution) nor a zero shift (shift 'zero'): nothing to share"
            )
        if self.film and not plan.film_thickness_um:
            raise PlanError(
                "shared.film: give the film's nominal thickness, film_thickness_um, "
                "to start from"
            )
        self._check_stages(plan)

    def _check_stages(self, plan: RefinementPlan) -> None:
        """Refuse to share what the plan's last stage holds."""
        free = plan.stages[-1].free if plan.stages else frozenset()
        for field, wanted in (
            ("cells", {"cell"}),
            ("widths", {"size", "strain"}),
            ("instrument", {"resolution", "shift"}),
            ("film", {"b_overall"}),
        ):
            if getattr(self, field) and not wanted & free:
                raise PlanError(
                    f"shared.{field}: the plan's last stage frees none of "
                    f"{', '.join(sorted(wanted))}; add it there"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class JointResult:
    """A series refined as one problem."""

    results: dict[str, RefinementResult]
    """By sample. Esds contain what the shared parameters' contribute. A pattern that
    was left out has its own fit, one that could not be read its reason."""
    shared: xr.Dataset
    """``value`` and ``value_std`` over ``shared_parameter``, the engine's own;
    ``covariance``; over ``phase`` the shared ``cell_a`` ..., ``size_nm``,
    ``microstrain``; the scalars ``zero``, ``film_thickness``, each with its ``_std``;
    ``n_patterns`` that they come from."""
    agreement: xr.Dataset
    """Over ``sample``: ``delta_chi_square``, ``parameters_given_up``, ``p_value``,
    ``largest_pull`` at ``pulls_at``, ``disagrees``, ``included``, ``reason``."""

    def to_datatree(self) -> xr.DataTree:
        """Return all as a tree that ``structkit.store`` writes."""
        parts = {"/shared": self.shared, "/agreement": self.agreement}
        trees = {
            f"/results/{name}": r.to_datatree() for name, r in self.results.items()
        }
        return xr.DataTree.from_dict({**parts, **trees})


def refine_jointly(
    patterns: Mapping[str, xr.Dataset],
    plan: RefinementPlan,
    *,
    shared: Shared,
    options: NativeOptions | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> JointResult:
    """Refine the patterns of a series together (engine ``native``).

    Parameters
    ----------
    patterns : mapping of str to xarray.Dataset
        Powder patterns by sample, in the order of the series' axis; their angles may
        differ.
    plan : RefinementPlan
        One plan for all.
    shared : Shared
        What is one for all patterns.
    options : NativeOptions, optional
        Means of the engine.
    progress : callable, optional
        Called with what was done and the position.

    Returns
    -------
    JointResult
        A pattern that cannot be fitted is a failure with its reason; one that does not
        agree with what the others share is left out of it and says so.

    Raises
    ------
    PlanError
        When something is to be shared that the plan does not have or does not refine.

    Notes
    -----
    Every pattern is first fitted for itself (warm chain, second pass); then all are
    fitted together by arrow-shaped normal equations, whose cost is linear in the
    number of patterns. See ``docs/joint.md``.
    """
    shared.check(plan)
    from refinement.engines.native.joint_series import refine_together

    return refine_together(
        patterns, plan, shared=shared, options=options, progress=progress
    )
