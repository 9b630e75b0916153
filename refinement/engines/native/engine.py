"""The embedded engine: fixed structures, fast, made for milling series."""

from __future__ import annotations

from dataclasses import dataclass, field

import xarray as xr

from refinement.engines.native.fit import Fit, cold_fit, prepare
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.summary import summarize
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeEngine:
    """Engine ``native`` (see ``docs/native_engine.md``)."""

    options: NativeOptions = field(default_factory=NativeOptions)
    """Its own means."""
    name: str = "native"

    def is_available(self) -> bool:
        """Return True: it is part of the package."""
        return True

    def fit(self, pattern: xr.Dataset, plan: RefinementPlan) -> Fit:
        """Fit one pattern from a cold start."""
        return cold_fit(prepare(pattern, plan, self.options), self.options)

    def refine(
        self,
        pattern: xr.Dataset,
        plan: RefinementPlan,
        *,
        start: RefinementResult | None = None,
    ) -> RefinementResult:
        """Refine one pattern."""
        del start
        return summarize(self.fit(pattern, plan), self.options, engine=self.name)
