"""The engine ``rietx``: a thin adapter around the program of that name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import xarray as xr

from refinement.engines import EngineInfo
from refinement.engines.in_turn import refine_in_turn
from refinement.engines.rietx.fit import fit_stages
from refinement.engines.rietx.prepare import prepare
from refinement.engines.rietx.summary import summarize
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import EngineUnavailableError, PlanError

SERIES = "1.10"
"""The releases whose conventions were compared with the native engine's."""
_REMEDY = "pip install 'structkit[rietx]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class RietxEngine:
    """Engine ``rietx`` (see :mod:`refinement.engines.rietx.translate`).

    An independent program with the same kind of profile function: a check on the
    native engine. It has no priors, no search for cells and no bank of halo Gaussians,
    so a cell known only to some per cent and the place of a halo come from a native
    fit.
    """

    name: str = "rietx"
    in_threads: bool = False

    def is_available(self) -> bool:
        """Return whether rietx of the right series is installed."""
        return self.describe().available

    def describe(self) -> EngineInfo:
        """Return rietx's version and place, or how to get it."""
        spec = find_spec("rietx")
        try:
            found = version("rietx")
        except PackageNotFoundError:
            found = ""
        helper = find_spec("threadpoolctl")
        if spec is None or spec.origin is None or helper is None or not found:
            return EngineInfo(
                name=self.name, available=False, remedy=f"not installed: {_REMEDY}"
            )
        place = str(Path(spec.origin).parent)
        right = found.startswith(f"{SERIES}.")
        return EngineInfo(
            name=self.name,
            available=right,
            version=found,
            path=place,
            remedy="" if right else f"{found} is not of series {SERIES}: {_REMEDY}",
        )

    def check(self, plan: RefinementPlan) -> None:
        """Refuse what rietx cannot do.

        Raises
        ------
        PlanError
            Measured components; emission lines with a width of their own; a negative
            Lorentzian X; a stage that frees the instrument.
        """
        if plan.components:
            raise PlanError(
                f"components: rietx has no column for a measured pattern such as "
                f"{plan.components[0].name!r}; use the engine native"
            )
        radiation = plan.instrument.radiation
        if any(width > 0.0 for width in radiation.widths):
            raise PlanError(
                f"instrument.radiation: rietx has sharp emission lines only, and "
                f"{radiation.name!r} gives them widths; use the doublet (CuKa), or the "
                "engine native"
            )
        if plan.instrument.x < 0.0:
            raise PlanError(
                f"instrument.x is {plan.instrument.x:g}; rietx needs X >= 0: calibrate "
                "again, or use the engine native"
            )
        for stage in plan.stages:
            if "instrument" in stage.free:
                raise PlanError(
                    f"stages: {stage.name!r} frees the instrument, which the engine "
                    "rietx keeps; calibrate on a standard first"
                )

    def refine(
        self,
        pattern: xr.Dataset,
        plan: RefinementPlan,
        *,
        start: RefinementResult | None = None,
        folder: Path | None = None,
    ) -> RefinementResult:
        """Refine one pattern.

        Parameters
        ----------
        pattern : xarray.Dataset
            Powder pattern (:mod:`structkit.schema`).
        plan : RefinementPlan
            What to refine.
        start : RefinementResult, optional
            A neighbour's result of any engine: cells, sizes, strains, texture and
            displacement start there.
        folder : Path, optional
            Not used: nothing is written.

        Raises
        ------
        PlanError
            What :meth:`check` refuses.
        EngineUnavailableError
            rietx is not installed.
        FitError
            The fit cannot be started, or rietx gives up with an error of its own.
        """
        begun = time.perf_counter()
        info = self.describe()
        if not info.available:
            raise EngineUnavailableError(f"engine {self.name}: {info.remedy}")
        self.check(plan)
        fit = fit_stages(prepare(pattern, plan, start=start))
        return summarize(fit, engine=f"{self.name} {info.version}", begun=begun)

    def refine_series(
        self,
        patterns: Sequence[xr.Dataset],
        plan: RefinementPlan,
        *,
        known: Mapping[int, RefinementResult] | None = None,
        on_result: Callable[[int, RefinementResult], None] | None = None,
        progress: Callable[[str, int], None] | None = None,
        folders: Sequence[Path] | None = None,
    ) -> list[RefinementResult]:
        """Refine patterns in order, each from the last one that has values."""
        return refine_in_turn(
            self,
            patterns,
            plan,
            known=known,
            on_result=on_result,
            progress=progress,
            folders=folders,
        )
