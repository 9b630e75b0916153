"""One pattern after another, each started from its neighbour: the plain chain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import xarray as xr

from refinement.engines import Engine
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import FitError

_LOG = logging.getLogger(__name__)


def refine_in_turn(
    engine: Engine,
    patterns: Sequence[xr.Dataset],
    plan: RefinementPlan,
    *,
    known: Mapping[int, RefinementResult] | None = None,
    on_result: Callable[[int, RefinementResult], None] | None = None,
    progress: Callable[[str, int], None] | None = None,
    folders: Sequence[Path] | None = None,
) -> list[RefinementResult]:
    """Refine patterns in order, each from the last one that has values.

    Parameters are those of :meth:`refinement.engines.Engine.refine_series`. A pattern
    that cannot be fitted is a result with status ``FAILED`` and its reason.
    """
    results: list[RefinementResult] = []
    last: RefinementResult | None = None
    for position, pattern in enumerate(patterns):
        if known is not None and position in known:
            result = known[position]
        else:
            folder = None if folders is None else folders[position]
            try:
                result = engine.refine(pattern, plan, start=last, folder=folder)
            except FitError as error:
                _LOG.warning("%s: pattern %d: %s", engine.name, position, error)
                result = RefinementResult.failure(
                    engine.name, str(error), plan.phase_names
                )
            if on_result is not None:
                on_result(position, result)
        if progress is not None:
            progress("refined", position)
        results.append(result)
        if result.status.has_values:
            last = result
    return results
