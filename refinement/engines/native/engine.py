"""The embedded engine: fixed structures, fast, made for milling series."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from refinement.engines import EngineInfo
from refinement.engines.native.chain import Chain, Link, fit_cold, fit_warm
from refinement.engines.native.fit import Fit, prepare
from refinement.engines.native.layout import start_values
from refinement.engines.native.model import Model
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.summary import summarize
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit import __version__
from structkit.errors import FitError

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class NativeEngine:
    """Engine ``native`` (see ``docs/native_engine.md``).

    Keeps the model of the last plan, so that patterns on the same angles share it.
    """

    options: NativeOptions = field(default_factory=NativeOptions)
    """Its own means."""
    name: str = "native"
    in_threads: bool = False
    _model: Model | None = None

    def is_available(self) -> bool:
        """Return True: it is part of the package."""
        return True

    def describe(self) -> EngineInfo:
        """Return structkit's own version and place."""
        place = str(Path(__file__).parent)
        return EngineInfo(
            name=self.name, available=True, version=__version__, path=place
        )

    def check(self, plan: RefinementPlan) -> None:
        """Accept every plan: plans are made of what this engine can do."""

    def fit(
        self,
        pattern: xr.Dataset,
        plan: RefinementPlan,
        *,
        start: RefinementResult | None = None,
    ) -> Fit:
        """Fit one pattern, cold or from the parameters of ``start``."""
        prepared = prepare(pattern, plan, self.options, model=self._model)
        if start is None or "values" not in start.parameters:
            fit = fit_cold(prepared, self.options)
            self._model = fit.prepared.model
            return fit
        layout = prepared.model.layout
        values = start_values(layout, plan, self.options)
        known = dict(
            zip(
                (str(name) for name in start.parameters["parameter_name"].values),
                start.parameters["values"].to_numpy(),
                strict=True,
            )
        )
        for i, name in enumerate(layout.names):
            values[i] = known.get(name, values[i])
        scale = float(start.recipe.get("prior_scale", "1"))
        fit = fit_warm(prepared, np.asarray(values), self.options, scale=scale)
        self._model = fit.prepared.model
        return fit

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
            A neighbour's result with the same plan: a warm start.
        folder : Path, optional
            Not used: this engine leaves no files.

        Raises
        ------
        FitError
            When the fit cannot be started (no points, no reflections).
        """
        begun = time.perf_counter()
        fit = self.fit(pattern, plan, start=start)
        return summarize(fit, self.options, engine=self._label, begun=begun)

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
        """Refine the patterns of a series, in the order of its axis.

        Parameters
        ----------
        patterns : sequence of xarray.Dataset
            Powder patterns.
        plan : RefinementPlan
            One plan for all.
        known : mapping of int to RefinementResult, optional
            Finished results by position: returned as they are, and used as
            neighbours of the others.
        on_result : callable, optional
            Called with position and result as soon as a result is final.
        progress : callable, optional
            Called with what was done and the position.
        folders : sequence of Path, optional
            Not used: this engine leaves no files.

        Returns
        -------
        list of RefinementResult
            A pattern that could not be fitted has status ``FAILED`` and its reason.
        """
        done = dict(known or {})
        fixed = {
            i: _link_of(result)
            for i, result in done.items()
            if result.status.has_values
        }
        chain = Chain(plan, self.options, self._model)
        links = chain.run(patterns, known=fixed, progress=progress)
        results = []
        begun = time.perf_counter()
        for position, link in enumerate(links):
            if position in done:
                results.append(done[position])
                continue
            seconds = chain.seconds.get(position, 0.0)
            result = self._finish(link, plan, begun=time.perf_counter() - seconds)
            results.append(result)
            if on_result is not None:
                on_result(position, result)
        _LOG.debug("series of %d in %.3f s", len(results), time.perf_counter() - begun)
        return results

    def _finish(
        self, link: Link | FitError, plan: RefinementPlan, *, begun: float
    ) -> RefinementResult:
        if isinstance(link, FitError) or link.fit is None:
            return RefinementResult.failure(self.name, str(link), plan.phase_names)
        return summarize(link.fit, self.options, engine=self._label, begun=begun)

    @property
    def _label(self) -> str:
        """Return name and version, as results carry it."""
        return f"{self.name} {__version__}"


def _link_of(result: RefinementResult) -> Link:
    parameters = result.parameters
    scale = parameters["scale"].to_numpy()
    return Link(
        values=parameters["values"].to_numpy(),
        significance=scale / parameters["scale_std"].to_numpy(),
        scale=float(result.recipe.get("prior_scale", "1")),
    )
