"""One worker: GSAS-II in a process of its own, spoken to in lines of JSON.

The parent writes ``{"id": 3, "op": "stage", ...}``; the worker answers
``{"id": 3, "ok": true, "result": {...}}`` or
``{"id": 3, "ok": false, "error": "what", "kind": "ExceptionClass"}``. The worker
speaks first, with id 0 and its versions. Whatever else comes, comes too late, or
does not come, ends the worker, and is an error that shows the end of its log.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from refinement.engines.gsas2.pipes import (
    Ending,
    format_request,
    parse_reply,
    start_threads,
)
from structkit.errors import FitError

START_TIMEOUT = 120.0
"""Seconds until a started worker must have said hello: imports from a slow disk."""
TAIL_LINES = 15
"""Lines of the log shown with an error."""

_TAIL_BYTES = 16 * 1024
_TAIL_WIDTH = 300
_TICK = 0.25  # s between looks whether a silent worker is alive
_GRACE = 2.0  # s for an idle worker to leave by itself
_LAST_WAIT = 5.0  # s for the operating system to end what was killed
_FOREIGN = re.compile(r"PYTHON|VIRTUAL_ENV|CONDA_(PREFIX|DEFAULT_ENV|SHLVL)|_+PYVENV")
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS")
_DISK_FULL = re.compile(
    r"no space left on device|disk quota exceeded|not enough space on the disk"
    r"|\bErrno 28\b|\bErrno 122\b",
    re.IGNORECASE,
)
DISK_REMEDY = (
    "the disk is full: make room where the results and the temporary files are "
    f"({tempfile.gettempdir()}; TMPDIR chooses another place), then run again: "
    "what is stored is kept"
)
"""What to do when there is no space left."""


class WorkerLostError(FitError):
    """A worker died, or said what cannot be understood; it has been ended."""

    def __init__(self, reason: str, log_lines: tuple[str, ...] = ()) -> None:
        """Put the log's last lines below the reason."""
        self.reason = reason
        """What happened, in one line."""
        self.log_lines = log_lines
        """Last lines of the worker's log."""
        shown = "".join(f"\n  | {line}" for line in log_lines)
        super().__init__(f"{reason}; its log ends:{shown}" if shown else reason)


class WorkerTimeoutError(WorkerLostError):
    """A worker gave no answer in time; it has been ended."""


class WorkerRefusedError(FitError):
    """A worker could not do what was asked, said why, and goes on."""

    def __init__(self, error: str, kind: str = "") -> None:
        """Keep the message and the class of the worker's exception."""
        self.error = error
        """Message of the worker."""
        self.kind = kind
        """Class of the exception in the worker."""
        super().__init__(error)


class WorkerDiskFullError(WorkerRefusedError):
    """A worker could not write, as the disk is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCommand:
    """How a worker is started."""

    python: Path
    """Interpreter that has GSAS-II. A link is kept as it is: a venv needs it."""
    script: Path
    """The worker's file."""
    arguments: tuple[str, ...] = ()
    """What stands behind it on the command line."""

    def to_list(self) -> list[str]:
        """Return the command line."""
        script = str(self.script.absolute())
        return [str(self.python.absolute()), script, *self.arguments]


class WorkerProcess:
    """A running worker, for one thread at a time.

    Parameters
    ----------
    command : WorkerCommand
        What to start.
    start_timeout : float
        Time until it must have said hello, in s.

    Raises
    ------
    WorkerLostError
        When it cannot be started, or dies or raves at once.
    WorkerTimeoutError
        When it says nothing in time.
    WorkerRefusedError
        When it says that it cannot work, for example without GSAS-II.
    """

    def __init__(
        self, command: WorkerCommand, *, start_timeout: float = START_TIMEOUT
    ) -> None:
        """Start the process and wait for its hello."""
        self.command = command
        """What was started."""
        self.jobs = 0
        """Jobs done so far; the pool counts."""
        self._asked = 0
        self._pending = True
        self._lines: queue.Queue[bytes | Ending] = queue.Queue()
        self._outbox: queue.Queue[bytes | None] = queue.Queue()
        self.scratch, self._process = _start(command)
        """Its private working folder, removed when it ends."""
        self._log = self.scratch / "worker.log"
        threads = start_threads(self._process, self._lines, self._outbox)
        self._finalizer = weakref.finalize(
            self,
            _end,
            process=self._process,
            scratch=self.scratch,
            outbox=self._outbox,
            threads=threads,
            owner=os.getpid(),
        )
        try:
            self.hello = self._receive("start", timeout=start_timeout)
            """Versions that it named: gsas2, path, python, numpy."""
        except BaseException:
            self._finalizer()
            raise

    def __enter__(self) -> Self:
        """Return the worker."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the worker."""
        self.close()

    @property
    def pid(self) -> int:
        """Return its process number."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Return whether it lives and owes no answer."""
        return (
            self._finalizer.alive
            and not self._pending
            and self._lines.empty()
            and _poll(self._process) is None
        )

    def ask(self, op: str, timeout: float, **fields: object) -> dict[str, Any]:
        """Ask the worker to do something and return its result.

        Parameters
        ----------
        op : str
            What to do.
        timeout : float
            Time until it must have answered, in s; then it is ended.
        **fields : object
            Goes into the request: finite numbers, text, lists, dicts, paths, arrays.

        Raises
        ------
        WorkerRefusedError
            When the worker says that it failed; it can be asked again.
        WorkerDiskFullError
            When it failed because the disk is full.
        WorkerTimeoutError
            When no answer came in time.
        WorkerLostError
            When it died, or its answer cannot be understood.
        """
        if not self._finalizer.alive:
            raise WorkerLostError(f"GSAS-II's worker was ended before {op!r}")
        number = self._asked + 1
        request = {**fields, "id": number, "op": op}
        line = format_request(request)
        self._asked = number
        self._pending = True
        self._outbox.put(line)
        return self._receive(op, timeout=timeout)

    def switch_log(self, path: Path | None, *, timeout: float = 30.0) -> None:
        """Send what the worker prints to ``path``; None: to its own scratch again."""
        target = self.scratch / "worker.log" if path is None else path.absolute()
        self._log = target
        self.ask("log", timeout, path=str(target))

    def read_log_tail(self) -> tuple[str, ...]:
        """Return the last lines of the log: the job's, or else the worker's own."""
        return _read_tail(self._log) or _read_tail(self.scratch / "worker.log")

    def close(self, *, grace: float = _GRACE) -> None:
        """End the process: an idle one may leave by itself, a busy one is killed.

        Parameters
        ----------
        grace : float
            Time for an idle worker to leave, in s.
        """
        if self._finalizer.alive and not self._pending:
            self._outbox.put(None)
            _wait(self._process, grace)
        self._finalizer()

    def _receive(self, op: str, *, timeout: float) -> dict[str, Any]:
        """Return the result of the answer that is due, or raise."""
        line = self._next_line(op, timeout=timeout)
        reply = parse_reply(line)
        if isinstance(reply, str) or reply["id"] != self._asked:
            said = reply if isinstance(reply, str) else f"id {reply['id']}"
            self._lose(f"GSAS-II's worker answered {op!r} with rubbish ({said})")
        self._pending = False
        if reply["ok"]:
            result: dict[str, Any] = reply["result"]
            return result
        error, kind = str(reply["error"]), str(reply.get("kind", ""))
        if _DISK_FULL.search(error):
            raise WorkerDiskFullError(f"{error}; {DISK_REMEDY}", kind)
        raise WorkerRefusedError(error, kind)

    def _next_line(self, op: str, *, timeout: float) -> bytes:
        """Wait for a line; end the worker when there will be none."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                item = self._lines.get(timeout=max(0.0, min(left, _TICK)))
            except queue.Empty:
                if left <= 0.0:
                    self._lose(
                        f"GSAS-II's worker did not answer {op!r} within {timeout:g} s",
                        WorkerTimeoutError,
                    )
                if _poll(self._process) is not None:  # a child may hold the pipe
                    deadline = min(deadline, time.monotonic() + _GRACE)
                continue
            if isinstance(item, bytes):
                return item
            self._lose(f"GSAS-II's worker {self._tell_end(item)} during {op!r}")

    def _tell_end(self, ending: Ending) -> str:
        """Return how the process ended, after the end of what it said."""
        if not self._finalizer.alive:
            return "was ended by structkit"
        if ending.reason:
            return ending.reason
        code = _wait(self._process, _GRACE)
        end = "closed its output" if code is None else describe_exit(code)
        return f"{end}, in the middle of an answer," if ending.partial else end

    def _lose(
        self, reason: str, error_class: type[WorkerLostError] = WorkerLostError
    ) -> NoReturn:
        """End the worker and raise, with the end of its log."""
        tail = self.read_log_tail()
        self._finalizer()
        if any(_DISK_FULL.search(line) for line in tail):
            reason = f"{reason}; {DISK_REMEDY}"
        raise error_class(reason, tail)


def describe_exit(code: int) -> str:
    """Return an exit code in words.

    Examples
    --------
    >>> describe_exit(3)
    'ended with exit code 3'
    """
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ", as when memory runs out" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    shown = str(code) if code < 256 else f"{code:#x}"
    return f"ended with exit code {shown}"


def clean_environment(
    environment: Mapping[str, str], python: Path, *, windows: bool
) -> dict[str, str]:
    """Return the environment of a worker: no Python of ours, one thread.

    Parameters
    ----------
    environment : mapping of str to str
        Environment of this process.
    python : Path
        Interpreter of the worker.
    windows : bool
        Whether to put its libraries on ``PATH``, as a conda Python on Windows asks.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if not _FOREIGN.match(name.upper())
    }
    kept |= {f"{name}_NUM_THREADS": "1" for name in _THREADS}
    # The worker's own folder holds our modules: they are not to be imported there.
    kept |= {"PYTHONSAFEPATH": "1", "PYTHONUTF8": "1", "MPLBACKEND": "Agg"}
    if windows:
        prefix = python.parent
        libraries = [str(prefix), str(prefix / "Library" / "bin")]
        kept["PATH"] = ";".join([*libraries, kept.get("PATH", "")])
    return kept


def _start(command: WorkerCommand) -> tuple[Path, subprocess.Popen[bytes]]:
    """Make the scratch folder and start the process in a group of its own."""
    scratch: Path | None = None
    windows = sys.platform == "win32"
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    try:
        scratch = Path(tempfile.mkdtemp(prefix="structkit-gsas2-"))
        with (scratch / "worker.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the user's own GSAS-II
                command.to_list(),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=scratch,
                env=clean_environment(os.environ, command.python, windows=windows),
                start_new_session=not windows,
                creationflags=flags,
            )
    except OSError as error:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        remedy = f"; {DISK_REMEDY}" if _DISK_FULL.search(str(error)) else ""
        raise WorkerLostError(
            f"GSAS-II's worker cannot be started with {command.python}: {error}{remedy}"
        ) from error
    return scratch, process


def _read_tail(path: Path) -> tuple[str, ...]:
    """Return the last lines of a log that are not empty."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode(errors="replace")
    except OSError:
        return ()
    printable = (
        "".join(c if c.isprintable() else " " for c in line).rstrip()[:_TAIL_WIDTH]
        for line in text.splitlines()
    )
    return tuple(deque(filter(None, printable), maxlen=TAIL_LINES))


def _poll(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code, None while it runs; take its children with it."""
    if process.returncode is None and process.poll() is not None:
        _kill_group(process)
    return process.returncode


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """Wait for the exit code, None where it still runs."""
    if process.returncode is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
            _kill_group(process)
    return process.returncode


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it started.

    Called before the process is reaped or at once afterwards, while its number
    cannot yet belong to another.
    """
    if sys.platform == "win32":
        if process.returncode is None:
            tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(  # noqa: S603
                    tree, capture_output=True, timeout=_LAST_WAIT, check=False
                )
            with contextlib.suppress(OSError):
                process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _end(
    *,
    process: subprocess.Popen[bytes],
    scratch: Path,
    outbox: queue.Queue[bytes | None],
    threads: tuple[threading.Thread, ...],
    owner: int,
) -> None:
    """Kill the process, end the threads, remove the scratch folder."""
    if os.getpid() != owner:  # a fork of the owner: not ours to end
        return
    if process.returncode is None:
        _kill_group(process)
        _wait(process, _LAST_WAIT)
    outbox.put(None)
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(_GRACE)
    shutil.rmtree(scratch, ignore_errors=True)
