"""The whole of a series: every stage in order, what is unchanged kept, the rest run.

A stage runs again where a key, a file, an option, the source or the results of a stage
before it have changed, or where what it left is not as it left it. One that fails has
its reason in the record, and the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from structkit.errors import OutputError, ReadError
from structkit.io.manifest import SeriesFile, read_series
from structkit.pipeline.dependencies import (
    digest_stage_source,
    find_digest,
    list_inputs,
    list_options,
)
from structkit.pipeline.limits import Limit, list_limits, write_limits
from structkit.pipeline.lock import hold_folder
from structkit.pipeline.perform import (
    Performed,
    end_pool,
    open_pool,
    perform_stage,
    result_of,
    start_stage,
)
from structkit.pipeline.provenance import (
    Provenance,
    StageRecord,
    StageStatus,
    begin_provenance,
    compare_outputs,
    digest_outputs,
    gather_inputs,
    read_provenance,
    tell_time,
    write_provenance,
)
from structkit.pipeline.stages import STAGES, Stage, StageTask, choose_stages

_LOG = logging.getLogger(__name__)
EARLIER: Final = "earlier"
"""Where results go that belong to the series no longer."""

Stamps = dict[Path, tuple[int, int]]
"""Which file it is, and when it was last written, ns."""

Progress = Callable[[StageRecord], None]
"""Told when a stage begins and when it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What became of a run."""

    output: Path
    """Folder of results."""
    provenance: Provenance
    """What was run on what, by what; the last state of every stage."""
    limits: tuple[Limit, ...]
    """What cannot be concluded, and why."""
    stages: tuple[StageRecord, ...]
    """The stages that were asked for, in order."""

    @property
    def failed(self) -> tuple[StageRecord, ...]:
        """Return the stages that failed in this run."""
        return tuple(one for one in self.stages if one.status is StageStatus.FAILED)


def run_series(
    series_file: Path | str,
    output: Path | str,
    *,
    stages: Sequence[str] | None = None,
    engine: str | None = None,
    jobs: int = 2,
    resume: bool = True,
    claims: Path | str | None = None,
    figures: bool = False,
    data: dict[str, str | int] | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Run the stages of a series and store everything.

    Parameters
    ----------
    series_file : Path or str
        The TOML file (``docs/series_file.md``).
    output : Path or str
        Folder of results: what each stage writes, ``tables/limits.csv`` and
        ``provenance.json``.
    stages : sequence of str, optional
        Names of stages that run, changed or not; the others stay as they are. Default:
        all that changed.
    engine : str, optional
        Refinement engine in place of the series file's.
    jobs : int, default 2
        Processes. Techniques run side by side; a script that asks for more than one
        needs ``if __name__ == "__main__":`` around its call.
    resume : bool, default True
        Keep what is unchanged; False runs all anew, and lets the results of another
        series be replaced.
    claims : Path or str, optional
        File of claims for the audit in place of the series file's; ``"study"``: those
        of the study that structkit was made for.
    figures : bool, default False
        Draw every pattern and spectrum as a file too, a second or two each; the report
        shows them anyway.
    data : dict, optional
        What the provenance tells of simulated data: seed, adversary.
    progress : callable, optional
        Called with a :class:`StageRecord` when a stage begins and when it ends.

    Returns
    -------
    RunResult
        A stage that failed is a record with its reason, and stops no other.

    Raises
    ------
    PlanError
        There is no stage of that name.
    ReadError, SeriesFileError
        The series file is absent or has mistakes, or a measured file is gone.
    OutputError
        The folder holds results of another series, another run writes into it, or it
        cannot be written.
    """
    chosen = STAGES if stages is None else choose_stages(stages)
    series = read_series(series_file)
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file; choose a folder with -o")
    task = StageTask(
        series_file=series.path,
        output=output,
        engine=engine,
        claims=claims or series.series.claims,
        figures=figures,
        resume=resume,
        jobs=jobs,
    )
    with hold_folder(output):
        begun = _begin(series, task, data or {}, keeps=stages is not None)
        run = _Run(
            series=series,
            task=task,
            chosen=chosen,
            is_forced=stages is not None or not resume,
            progress=progress or (lambda _record: None),
            provenance=begun,
            last={one.name: one for one in begun.stages},
        )
        return run.go()


def _begin(
    series: SeriesFile, task: StageTask, data: dict[str, str | int], *, keeps: bool
) -> Provenance:
    """Return the provenance of a run that begins, with the stages of the last one.

    Raises
    ------
    OutputError
        The folder holds results of another series.
    """
    try:
        was = read_provenance(task.output)
    except ReadError:
        if task.resume or keeps:
            raise
        was = None
    if was is not None and was.series_name != series.series.name:
        if task.resume or keeps:
            raise OutputError(
                f"{task.output} holds results of {was.series_name!r} "
                f"({was.series_file}), not of {series.series.name!r}: choose another "
                "folder with -o, or run all stages with --fresh"
            )
        for stage in STAGES:
            _set_aside(stage, stage.find_files(task.output), task.output)
        was = None
    options: dict[str, str | int] = {"jobs": task.jobs}
    if task.engine is not None:
        options["engine"] = task.engine
    if task.claims is not None:
        options["claims"] = Path(task.claims).name
    if was is None:
        return begin_provenance(series, options=options, data=data)
    begun = begin_provenance(series, options=options, data=data or was.data)
    return replace(begun, stages=was.stages)


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run: what is asked for, and the record so far."""

    series: SeriesFile
    task: StageTask
    chosen: Sequence[Stage]
    is_forced: bool
    progress: Progress
    provenance: Provenance
    last: Mapping[str, StageRecord]

    def go(self) -> RunResult:
        """Run what is to be run, and return what became of it."""
        inputs = gather_inputs(self.series, claims=self.task.claims)
        self.provenance = replace(self.provenance, inputs=inputs)
        try:
            first = [stage for stage in self.chosen if not stage.after]
            self._run_side_by_side([stage for stage in first if self._is_due(stage)])
            limits = self._tell_limits()
            for stage in self.chosen:
                if stage.after and self._is_due(stage):
                    self._run_here(stage, self.task)
                    limits = self._tell_limits()
        except BaseException:
            self._break_off()
            raise
        write_provenance(self.provenance, self.task.output)
        names = [stage.name for stage in self.chosen]
        return RunResult(
            output=self.task.output,
            provenance=self.provenance,
            limits=limits,
            stages=tuple(r for r in self.provenance.stages if r.name in names),
        )

    def _tell_limits(self) -> tuple[Limit, ...]:
        limits = list_limits(self.series, self.task.output, self.provenance.stages)
        write_limits(limits, self.task.output)
        return limits

    def _is_due(self, stage: Stage) -> bool:
        """Return whether a stage is to be run; say of one that is not, why not."""
        was = self.provenance.find_stage(stage.name)
        why = self._why_absent(stage)
        if why:
            files = _results(stage, self.task.output)
            moved = _set_aside(stage, files, self.task.output)
            note = f"; {moved} moved to {EARLIER}/{stage.name}" if moved else ""
            self._end(
                StageRecord(
                    name=stage.name, status=StageStatus.ABSENT, reason=why + note
                )
            )
            return False
        ready = self._describe(stage)
        if (
            not self.is_forced
            and was is not None
            and was.status.has_results
            and was.digest == ready.digest
            and not compare_outputs(was, self.task.output)
        ):
            self._end(replace(was, status=StageStatus.UNCHANGED))
            return False
        return True

    def _why_absent(self, stage: Stage) -> str:
        """Return why there is nothing to do for a stage; empty where there is."""
        if not stage.is_measured(self.series):
            return f"no sample has {' or '.join(stage.keys)}"
        if stage.name == "audit" and self.task.claims is None:
            return "no file of claims ([series] claims, or --claims)"
        if stage.name in ("checks", "index") and not any(
            (self.task.output / name).is_file()
            for before in choose_stages(stage.after)
            for name in before.results
        ):
            return f"no results of {', '.join(stage.after)}"
        return ""

    def _describe(self, stage: Stage) -> StageRecord:
        """Return the record of a stage that begins."""
        inputs = list_inputs(self.series, stage, self.task)
        reasons = {
            one.name: one.reason
            for one in self.provenance.stages
            if one.name in stage.after and not one.status.has_results
        }
        return StageRecord(
            name=stage.name,
            status=StageStatus.RUNNING,
            digest=find_digest(
                self.series, stage, self.task, inputs=inputs, reasons=reasons
            ),
            source=digest_stage_source(stage),
            options=list_options(stage, self.task),
            inputs=tuple(one.path for one in inputs),
        )

    def _begin(self, stage: Stage, *, jobs: int) -> tuple[StageRecord, StageTask]:
        """Record that a stage begins; return its record and what it is asked to do."""
        was = self.provenance.find_stage(stage.name)
        record = replace(self._describe(stage), jobs=jobs)
        resume = self.task.resume and was is not None and was.source == record.source
        self._keep(record)
        self.progress(record)
        return record, replace(self.task, jobs=jobs, resume=resume)

    def _run_here(self, stage: Stage, task: StageTask) -> None:
        record, task = self._begin(stage, jobs=task.jobs)
        stamps = _results(stage, task.output)
        done = perform_stage(stage.name, task, level=_level())
        self._finish(stage, record, done, stamps=stamps)

    def _run_side_by_side(self, stages: Sequence[Stage]) -> None:
        """Run stages that do not read one another, as many at a time as processes."""
        jobs = self.task.jobs
        if min(len(stages), jobs) < 2:
            for stage in stages:
                self._run_here(stage, self.task)
            return
        own = max(1, jobs - len(stages) + 1)
        running: dict[Future[Performed], tuple[Stage, StageRecord, Stamps]] = {}
        waiting = list(stages)
        pool = open_pool(min(len(stages), jobs))
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    stage = waiting.pop(0)
                    record, task = self._begin(stage, jobs=own)
                    stamps = _results(stage, task.output)
                    future = start_stage(pool, stage.name, task, level=_level())
                    running[future] = (stage, record, stamps)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    stage, record, stamps = running.pop(future)
                    self._finish(stage, record, result_of(future), stamps=stamps)
        except BaseException:
            end_pool(pool)
            raise
        pool.shutdown()

    def _finish(
        self, stage: Stage, record: StageRecord, done: Performed, *, stamps: Stamps
    ) -> None:
        """Record how a stage ended."""
        for level, text in done.notes:
            _LOG.log(level, "%s: %s", stage.name, text)
        failed = bool(done.error)
        moved = ""
        if not failed or not self._is_known(record):
            files = _results(stage, self.task.output)
            old = [p for p, stamp in files.items() if stamps.get(p) == stamp]
            moved = _set_aside(stage, old, self.task.output)
        reason = done.error
        if failed and moved:
            reason += f" ({moved} of an earlier run moved to {EARLIER}/{stage.name})"
        self._end(
            replace(
                record,
                status=StageStatus.FAILED if failed else StageStatus.DONE,
                reason=reason,
                seconds=round(done.seconds, 2),
                cpu_seconds=round(done.cpu_seconds, 2),
                date=tell_time(),
                seeds=done.seeds,
                warnings=done.warnings,
                outputs=digest_outputs(stage, self.task.output),
            )
        )

    def _is_known(self, record: StageRecord) -> bool:
        """Return whether what is stored of a stage is of the same data."""
        was = self.last.get(record.name)
        return was is not None and was.digest == record.digest and was.is_settled

    def _end(self, record: StageRecord) -> None:
        self._keep(record)
        self.progress(record)

    def _keep(self, record: StageRecord) -> None:
        """Put a record into the provenance, on disk too."""
        self.provenance = self.provenance.with_stage(record)
        write_provenance(self.provenance, self.task.output)

    def _break_off(self) -> None:
        """Record that what was running did not end."""
        for one in self.provenance.stages:
            if one.status is StageStatus.RUNNING:
                self.provenance = self.provenance.with_stage(
                    replace(one, status=StageStatus.INTERRUPTED, date=tell_time())
                )
        write_provenance(self.provenance, self.task.output)


def _results(stage: Stage, output: Path) -> Stamps:
    """Return what a stage left, but for what it resumes from."""
    steps = {path for each in stage.steps for path in output.glob(each)}
    files = (path for path in stage.find_files(output) if path not in steps)
    facts = {path: path.stat() for path in files}
    return {path: (one.st_ino, one.st_mtime_ns) for path, one in facts.items()}


def _set_aside(stage: Stage, files: Iterable[Path], output: Path) -> str:
    """Move files of a stage out of the way of the others; return which, in words."""
    moved = []
    for path in files:
        name = path.relative_to(output)
        target = output / EARLIER / stage.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        moved.append(name.as_posix())
    named = [name for name in stage.results if name in moved] or moved[:1]
    return ", ".join(named)


def _level() -> int:
    return min(logging.getLogger().getEffectiveLevel(), logging.WARNING)
