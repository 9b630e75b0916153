"""Refinement engines: one protocol, one literal tuple of names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import xarray as xr

from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import EngineUnavailableError

ENGINES = ("native", "gsas2", "rietx")
"""Names of the engines, the default first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What is known of an engine on this machine."""

    name: str
    """Name in plans and tables."""
    available: bool
    """Whether it can run here."""
    version: str = ""
    """Its version, where it was found."""
    path: str = ""
    """Where it was found."""
    remedy: str = ""
    """Why it cannot run, and what to do; empty when it can."""


class Engine(Protocol):
    """What every engine can do."""

    @property
    def name(self) -> str:
        """Return the name in plans and tables."""
        ...

    @property
    def in_threads(self) -> bool:
        """Return whether parallel runs are threads: it has processes of its own."""
        ...

    def is_available(self) -> bool:
        """Return whether it can run here."""
        ...

    def describe(self) -> EngineInfo:
        """Return version and place, or what to do where it cannot run."""
        ...

    def check(self, plan: RefinementPlan) -> None:
        """Refuse (``PlanError``) what it cannot do, naming the plan's field."""
        ...

    def refine(
        self,
        pattern: xr.Dataset,
        plan: RefinementPlan,
        *,
        start: RefinementResult | None = None,
        folder: Path | None = None,
    ) -> RefinementResult:
        """Refine one pattern, cold or from a neighbour's result.

        ``folder`` is where the engine may leave files of its own.
        """
        ...

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
        """Refine patterns in the order of a series; one folder for each."""
        ...


def get_engine(name: str = "native") -> Engine:
    """Return the engine called ``name``.

    Raises
    ------
    EngineUnavailableError
        When there is no such engine, or it cannot run here.
    """
    return _if_available(_make_engine(name))


def find_engines() -> list[EngineInfo]:
    """Return what is known of every engine, in the order of :data:`ENGINES`.

    An engine that cannot even be imported is one that is not available.
    """
    found = []
    for name in ENGINES:
        try:
            found.append(_make_engine(name).describe())
        except ImportError as error:
            remedy = f"it cannot be imported: {error}"
            found.append(EngineInfo(name=name, available=False, remedy=remedy))
    return found


def _make_engine(name: str) -> Engine:
    """Return the engine called ``name``, able to run or not."""
    if name == "native":
        from refinement.engines.native.engine import NativeEngine

        return NativeEngine()
    if name == "gsas2":
        from refinement.engines.gsas2.engine import Gsas2Engine

        return Gsas2Engine()
    if name == "rietx":
        from refinement.engines.rietx import RietxEngine

        return RietxEngine()
    near = difflib.get_close_matches(name, ENGINES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    known = ", ".join(ENGINES)
    raise EngineUnavailableError(f"no engine {name!r}; there is {known}{hint}")


def _if_available(engine: Engine) -> Engine:
    """Return the engine, or refuse with its remedy."""
    found = engine.describe()
    if not found.available:
        raise EngineUnavailableError(f"engine {found.name}: {found.remedy}")
    return engine
