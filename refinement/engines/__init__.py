"""Refinement engines: one protocol, one literal tuple of names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import xarray as xr

from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import EngineUnavailableError

ENGINES = ("native",)
"""Names of the engines, the default first."""


class Engine(Protocol):
    """What every engine can do."""

    name: str
    """Name in plans and tables."""

    def is_available(self) -> bool:
        """Return whether it can run here."""
        ...

    def refine(
        self,
        pattern: xr.Dataset,
        plan: RefinementPlan,
        *,
        start: RefinementResult | None = None,
    ) -> RefinementResult:
        """Refine one pattern, cold or from a neighbour's result."""
        ...

    def refine_series(
        self,
        patterns: Sequence[xr.Dataset],
        plan: RefinementPlan,
        *,
        known: Mapping[int, RefinementResult] | None = None,
        on_result: Callable[[int, RefinementResult], None] | None = None,
        progress: Callable[[str, int], None] | None = None,
    ) -> list[RefinementResult]:
        """Refine patterns in the order of a series."""
        ...


def get_engine(name: str = "native") -> Engine:
    """Return the engine called ``name``.

    Raises
    ------
    EngineUnavailableError
        When there is no such engine, or it cannot run here.
    """
    if name == "native":
        from refinement.engines.native.engine import NativeEngine

        return NativeEngine()
    near = difflib.get_close_matches(name, ENGINES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    known = ", ".join(ENGINES)
    raise EngineUnavailableError(f"no engine {name!r}; there is {known}{hint}")
