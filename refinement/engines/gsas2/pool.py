"""Warm workers, lent to one job at a time."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Self, TypedDict, TypeVar

from refinement.engines.gsas2.process import (
    START_TIMEOUT,
    WorkerCommand,
    WorkerLostError,
    WorkerProcess,
    WorkerRefusedError,
    WorkerTimeoutError,
)

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_LOOK = 0.5  # s between looks whether the pool was closed; Ctrl-C comes through too

JOBS_PER_WORKER = 50
"""Jobs after which a worker is replaced: GSAS-II keeps some memory of each."""


class _Settings(TypedDict):
    """What a pool is made from, and all that is pickled of it."""

    command: WorkerCommand
    size: int
    jobs_per_worker: int
    start_timeout: float
    start: Callable[..., WorkerProcess]


class _Hall:
    """The workers of one process: who is idle, how many are lent."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.idle: list[WorkerProcess] = []
        self.busy: set[WorkerProcess] = set()
        self.lent = 0
        self.closed = False
        self.owner = os.getpid()

    def close(self) -> None:
        """End all workers, the idle ones politely."""
        if os.getpid() != self.owner:  # a fork: the workers are its parent's
            return
        atexit.unregister(self.close)
        with self.changed:
            self.closed = True
            workers = [*self.busy, *self.idle]
            self.idle.clear()
            self.changed.notify_all()
        for worker in workers:
            worker.close()


class WorkerPool:
    """Workers that are started when first needed and kept warm.

    Threads may share a pool; a job that borrows twice from a pool of one waits for
    itself. Pickled or forked, a pool is empty and starts workers of its own. When the
    pool is closed, forgotten, or the interpreter ends, so do its workers.

    Parameters
    ----------
    command : WorkerCommand
        How to start a worker.
    size : int, optional
        Workers at the same time. Default: the number of processors.
    jobs_per_worker : int
        Jobs after which a worker is replaced.
    start_timeout : float
        Time until a new worker must have said hello, in s.
    start : callable
        Starts a worker from ``command`` and ``start_timeout``; for recordings.
    """

    def __init__(
        self,
        command: WorkerCommand,
        size: int | None = None,
        *,
        jobs_per_worker: int = JOBS_PER_WORKER,
        start_timeout: float = START_TIMEOUT,
        start: Callable[..., WorkerProcess] = WorkerProcess,
    ) -> None:
        """Remember how to start workers; start none."""
        size = (os.cpu_count() or 1) if size is None else size
        if size < 1 or jobs_per_worker < 1:
            raise ValueError("a pool has at least one worker, and each does one job")
        self._settings = _Settings(
            command=command,
            size=size,
            jobs_per_worker=jobs_per_worker,
            start_timeout=start_timeout,
            start=start,
        )
        self._open()

    def _open(self) -> None:
        """Begin with no workers."""
        self._hall = _Hall()
        self._finalizer = weakref.finalize(self, self._hall.close)
        # At exit the pool is to close before its workers are ended one by one, lest
        # a thread take that for a loss and start another: last in, first out.
        atexit.register(self._hall.close)

    def __getstate__(self) -> _Settings:
        """Return the settings; workers stay behind."""
        return self._settings

    def __setstate__(self, state: _Settings) -> None:
        """Begin with no workers."""
        self._settings = state
        self._open()

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(self, *_reason: object) -> None:
        """End all workers."""
        self.close()

    @property
    def size(self) -> int:
        """Return how many workers there may be at the same time."""
        return self._settings["size"]

    def close(self) -> None:
        """End all workers, also those at work; the pool cannot be used again."""
        self._finalizer()

    def run(self, job: Callable[[WorkerProcess], _T]) -> _T:
        """Run a job with a worker; once more with another when the worker is lost.

        A job that ran into its timeout is not tried again: it would most likely take
        as long a second time, and a series would wait twice for its worst pattern.

        Parameters
        ----------
        job : callable
            Talks to the worker and returns a result. It must be able to begin anew.

        Raises
        ------
        WorkerLostError
            When two workers died or raved, or the pool is closed.
        WorkerTimeoutError
            When a worker gave no answer in time.
        WorkerRefusedError
            Whatever the job does not catch itself.
        """
        try:
            with self.borrow() as worker:
                return job(worker)
        except WorkerTimeoutError:
            raise
        except WorkerLostError as error:
            if self._hall.closed:
                raise
            first = error
            _LOG.warning("%s; trying once more", first.reason)
        try:
            with self.borrow() as worker:
                return job(worker)
        except WorkerTimeoutError:
            raise
        except WorkerLostError as second:
            reason = f"tried twice: {first.reason}; then {second.reason}"
            raise WorkerLostError(reason, second.log_lines) from first

    @contextlib.contextmanager
    def borrow(self) -> Iterator[WorkerProcess]:
        """Lend a worker, waiting until one is free; keep it only if it is well."""
        hall = self._here()
        worker = self._take(hall)
        try:
            yield worker
        finally:
            self._give_back(hall, worker)

    def _here(self) -> _Hall:
        """Return the workers of this process, none of them its parent's."""
        if self._hall.owner != os.getpid():
            self._open()
        return self._hall

    def _take(self, hall: _Hall) -> WorkerProcess:
        """Return an idle worker that lives, or a new one."""
        with hall.changed:
            while hall.lent >= self.size and not hall.closed:
                hall.changed.wait(_LOOK)
            self._refuse_closed(hall)
            hall.lent += 1
            idle = hall.idle.pop() if hall.idle else None
        worker = None
        try:
            if idle is not None and not idle.is_ready:
                _LOG.info("idle worker %d has died; starting another", idle.pid)
                idle.close()
                idle = None
            worker = self._start() if idle is None else idle
            with hall.changed:
                self._refuse_closed(hall)
                hall.busy.add(worker)
        except BaseException:
            if worker is not None:
                worker.close()
            with hall.changed:
                hall.lent -= 1
                hall.changed.notify()
            raise
        return worker

    def _start(self) -> WorkerProcess:
        """Start a worker."""
        settings = self._settings
        return settings["start"](
            settings["command"], start_timeout=settings["start_timeout"]
        )

    def _refuse_closed(self, hall: _Hall) -> None:
        """Raise when the pool is closed."""
        if hall.closed:
            raise WorkerLostError("the pool of GSAS-II's workers is closed")

    def _give_back(self, hall: _Hall, worker: WorkerProcess) -> None:
        """Keep a worker that is well; end one that is lost, mid-answer or old."""
        worker.jobs += 1
        keep = worker.is_ready and worker.jobs < self._settings["jobs_per_worker"]
        try:
            if keep:  # the job's folder, with its log, is the user's from here on
                worker.switch_log(None)
        except (WorkerLostError, WorkerRefusedError):
            keep = False
        if not keep:
            worker.close()
        with hall.changed:
            hall.busy.discard(worker)
            if keep and not hall.closed:
                hall.idle.append(worker)
            hall.lent -= 1
            hall.changed.notify()
        if hall.closed:
            worker.close()
