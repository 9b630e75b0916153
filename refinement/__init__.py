"""Refinement of powder patterns: plans in, labelled results out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refinement.engines import ENGINES, get_engine
from refinement.joint import JointResult, Shared, refine_jointly
from refinement.plan import Component, InternalStandard, Phase, RefinementPlan, Stage
from refinement.result import RefinementResult
from refinement.series import refine_series

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "ENGINES",
    "Component",
    "InternalStandard",
    "JointResult",
    "Phase",
    "RefinementPlan",
    "RefinementResult",
    "Shared",
    "Stage",
    "get_engine",
    "refine",
    "refine_jointly",
    "refine_series",
]


def refine(
    pattern: xr.Dataset,
    plan: RefinementPlan,
    *,
    engine: str = "native",
    start: RefinementResult | None = None,
) -> RefinementResult:
    """Refine one powder pattern.

    Parameters
    ----------
    pattern : xarray.Dataset
        Powder pattern (:mod:`structkit.schema`).
    plan : RefinementPlan
        Phases, instrument, and what is free.
    engine : str
        One of :data:`ENGINES`.
    start : RefinementResult, optional
        A neighbour's result with the same plan: a warm start.

    Returns
    -------
    RefinementResult
        A fit that did not converge is a value: see its ``status`` and ``reason``.

    Raises
    ------
    EngineUnavailableError
        When the engine is unknown or cannot run here.
    FitError
        When the fit cannot be started: no points in range, no reflection in range.
    """
    return get_engine(engine).refine(pattern, plan, start=start)
