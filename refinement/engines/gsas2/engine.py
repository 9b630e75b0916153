"""Engine gsas2: the user's own GSAS-II, out of process, behind the same plan."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from refinement.engines import EngineInfo
from refinement.engines.gsas2.conversation import Conversation, Outcome
from refinement.engines.gsas2.discovery import NAME, choose_gsas2
from refinement.engines.gsas2.job import Job, check_plan, prepare_job
from refinement.engines.gsas2.options import Gsas2Options
from refinement.engines.gsas2.pool import WorkerPool
from refinement.engines.gsas2.process import WorkerProcess
from refinement.engines.gsas2.summary import summarize
from refinement.engines.in_turn import refine_in_turn
from refinement.engines.native.engine import NativeEngine
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import EngineUnavailableError, OutputError

_MAKING_POOL = threading.Lock()
LOG_NAME = "gsas2.log"
"""What GSAS-II printed, in the job's folder."""


@dataclass(slots=True, kw_only=True)
class Gsas2Engine:
    """Engine ``gsas2`` (see ``docs/engines.md``)."""

    options: Gsas2Options = field(default_factory=Gsas2Options)
    """Its own means."""
    python: str | None = None
    """GSAS-II's Python; None: the environment variable, else what is found."""
    workers: int | None = None
    """Workers at the same time; None: as many as processors."""
    name: str = NAME
    in_threads: bool = True
    pool: WorkerPool | None = None
    """Warm workers; made on first use."""

    def is_available(self) -> bool:
        """Return whether a GSAS-II was found that can simulate a pattern."""
        return self.describe().available

    def describe(self) -> EngineInfo:
        """Return version and place, or what to do where there is none."""
        return choose_gsas2(self.python)[1]

    def check(self, plan: RefinementPlan) -> None:
        """Refuse what GSAS-II cannot do, naming the plan's field."""
        check_plan(plan, self.options)

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
            Where ``.gpx``, ``.lst`` and log stay; None: they are thrown away.

        Raises
        ------
        PlanError
            When GSAS-II cannot do what the plan asks, or misread a structure.
        FitError
            When the fit cannot be started, or GSAS-II died, hung or raved.
        """
        return self._refine(pattern, plan, start=start, folder=folder)[0]

    def refine_with_coordinates(
        self,
        pattern: xr.Dataset,
        plan: RefinementPlan,
        phases: tuple[str, ...],
        *,
        folder: Path | None = None,
    ) -> tuple[RefinementResult, Outcome]:
        """Refine a pattern and, after all else, coordinates and U of ``phases``."""
        return self._refine(
            pattern, plan, start=None, folder=folder, coordinates_of=phases
        )

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
        """Refine the patterns of a series, each started from its neighbour."""
        return refine_in_turn(
            self,
            patterns,
            plan,
            known=known,
            on_result=on_result,
            progress=progress,
            folders=folders,
        )

    def close(self) -> None:
        """End the workers."""
        if self.pool is not None:
            self.pool.close()
            self.pool = None

    def _refine(
        self,
        pattern: xr.Dataset,
        plan: RefinementPlan,
        *,
        start: RefinementResult | None,
        folder: Path | None,
        coordinates_of: tuple[str, ...] = (),
    ) -> tuple[RefinementResult, Outcome]:
        begun = time.perf_counter()
        self.check(plan)
        info = self.describe()
        native = NativeEngine(options=self.options.native).refine(pattern, plan)
        with _job_folder(folder) as place:
            job = prepare_job(
                pattern,
                plan,
                self.options,
                folder=place,
                native=native,
                start=start if start is not None and start.status.has_values else None,
                coordinates_of=coordinates_of,
            )
            outcome = self.workers_pool().run(
                lambda worker: self._talk(worker, plan, job, place)
            )
            _tidy(place)
        recipe = {
            "background": f"{plan.background_terms} Chebyshev terms, "
            f"{len(plan.humps)} humps, {int(plan.blank is not None)} blank",
            "amorphous_area": f"{job.n_halo} background peaks placed natively",
            "start": "cold" if job.script.warm is None else "neighbour",
        }
        result = summarize(
            outcome,
            job,
            pattern,
            plan,
            self.options,
            engine=f"{self.name} {info.version}",
            native=native,
            seconds=time.perf_counter() - begun,
            recipe=recipe,
        )
        return result, outcome

    def _talk(
        self, worker: WorkerProcess, plan: RefinementPlan, job: Job, place: Path
    ) -> Outcome:
        worker.switch_log(place / LOG_NAME)
        return Conversation(worker, plan, job.script, self.options).run()

    def workers_pool(self) -> WorkerPool:
        """Return the pool of workers, made on first use."""
        with _MAKING_POOL:
            if self.pool is None:
                found, info = choose_gsas2(self.python)
                if found is None or not info.available:
                    raise EngineUnavailableError(f"engine {self.name}: {info.remedy}")
                self.pool = WorkerPool(found.to_command(), self.workers)
            return self.pool


@contextlib.contextmanager
def _job_folder(folder: Path | None) -> Iterator[Path]:
    """Return an empty folder for a job: the one given, or one that vanishes."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="structkit-gsas2-") as made:
            place = Path(made) / "pattern"
            place.mkdir()
            yield place
        return
    try:
        if folder.is_dir():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror}") from error
    yield folder.absolute()


def _tidy(folder: Path) -> None:
    """Remove GSAS-II's backups; project, listing, log and input stay."""
    for path in folder.glob("*.bak*.gpx"):
        path.unlink(missing_ok=True)
