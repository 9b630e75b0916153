"""One stage done in this process or another: its time, its warnings, its failure."""

from __future__ import annotations

import io
import logging
import multiprocessing
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field

from structkit.errors import DataQualityWarning, StructkitError
from structkit.pipeline.stages import StageTask, choose_stages

_PATIENCE = 5.0
"""Time for a process to take away what it has half written, s."""

Note = tuple[int, str]
"""A level of :mod:`logging`, and what was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What became of a stage."""

    seconds: float
    """Wall time, s."""
    cpu_seconds: float = 0.0
    """Time of the processor in its own process, s."""
    error: str = ""
    """Why it failed; empty where it did not."""
    notes: tuple[Note, ...] = ()
    """What it said in the log, each once."""
    seeds: Mapping[str, int] = field(default_factory=dict)
    """Of what it drew at random."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what it warned of."""
        return tuple(text for level, text in self.notes if level >= logging.WARNING)


def perform_stage(name: str, task: StageTask, *, level: int) -> Performed:
    """Do a stage and return what became of it.

    Parameters
    ----------
    name : str
        Of the stage.
    task : StageTask
        What it is asked to do.
    level : int
        Least level of the log that is kept.

    Returns
    -------
    Performed
        Any exception but an interrupt is its ``error``; the traceback is a note of
        level ``DEBUG``.
    """
    (stage,) = choose_stages([name])
    notes: list[Note] = []
    seeds: Mapping[str, int] = {}
    error = ""
    began, cpu = time.perf_counter(), time.process_time()
    with _collect(notes, level):
        try:
            seeds = stage.run(task)
        except Exception as problem:
            error = _tell(problem)
            notes.append((logging.DEBUG, traceback.format_exc()))
    kept = tuple(dict.fromkeys(note for note in notes if note[0] >= level))
    return Performed(
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - cpu,
        error=error,
        notes=kept,
        seeds=dict(seeds),
    )


def _tell(problem: Exception) -> str:
    """Return the message of an error, with its kind where nobody worded it."""
    if isinstance(problem, StructkitError):
        return str(problem)
    text = f"{type(problem).__name__}: {problem}"
    return f"{text} (an error of structkit; -vv shows where)"


def open_pool(processes: int) -> ProcessPoolExecutor:
    """Return processes that do stages, each started anew.

    Parameters
    ----------
    processes : int
        How many.
    """
    return ProcessPoolExecutor(
        max_workers=processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare_worker,
    )


def start_stage(
    pool: ProcessPoolExecutor, name: str, task: StageTask, *, level: int
) -> Future[Performed]:
    """Start a stage in one of the processes; :func:`result_of` has what became of it.

    Parameters
    ----------
    pool : ProcessPoolExecutor
        From :func:`open_pool`.
    name, task, level
        As for :func:`perform_stage`.
    """
    try:
        with _interrupts_held():
            return pool.submit(perform_stage, name, task, level=level)
    except BrokenProcessPool as error:
        future: Future[Performed] = Future()
        future.set_exception(error)
        return future


def result_of(future: Future[Performed]) -> Performed:
    """Return what became of a stage; a process that died is its failure."""
    try:
        return future.result()
    except BrokenProcessPool:
        why = "a process ended without a word (memory?); try again with --jobs 1"
        return Performed(seconds=0.0, error=why)


def end_pool(pool: ProcessPoolExecutor) -> None:
    """End processes at once; each takes away what it has half written."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold an interrupt back until a new process has been given what it starts from.

    It would else complain, with a traceback, of a parent that ended in between.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _prepare_worker() -> None:
    """Let a process end by what its parent says, not by the keyboard."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_signal: int, _frame: object) -> None:
    """End as the keyboard would: files that are half written are taken away."""
    raise KeyboardInterrupt


class _Collector(logging.Handler):
    """Keep what is logged."""

    def __init__(self, notes: list[Note]) -> None:
        """Keep it in a list."""
        super().__init__()
        self.notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.notes.append((record.levelno, record.getMessage()))


@contextmanager
def _collect(notes: list[Note], level: int) -> Iterator[None]:
    """Keep log and warnings in place of showing them, and show no bar."""
    root = logging.getLogger()
    before, old = root.handlers[:], root.level
    root.handlers[:] = [_Collector(notes)]
    root.setLevel(level)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with redirect_stderr(io.StringIO()):
                yield
        for one in caught:
            doubt = issubclass(one.category, DataQualityWarning)
            kind = logging.WARNING if doubt else logging.DEBUG
            notes.append((kind, str(one.message)))
    finally:
        root.handlers[:] = before
        root.setLevel(old)
