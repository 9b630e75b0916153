from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from refinement.engines.gsas2.pool import WorkerPool
from refinement.engines.gsas2.process import (
    WorkerCommand,
    WorkerDiskFullError,
    WorkerLostError,
    WorkerProcess,
    WorkerRefusedError,
    WorkerTimeoutError,
)

Make = Callable[..., WorkerCommand]

LONG = 30.0
"""Time that is not meant to run out, in s."""
SHORT = 0.3
"""Time that is meant to run out, in s."""


@pytest.fixture
def make_pool(
    fake_command: Make, assert_gone: Callable[[int], None]
) -> Iterator[Callable[..., WorkerPool]]:
    """Return what makes pools of fakes; all they started is gone in the end."""
    pools: list[WorkerPool] = []
    pids: list[int] = []

    def start(command: WorkerCommand, **options: Any) -> WorkerProcess:
        worker = WorkerProcess(command, **options)
        pids.append(worker.pid)
        return worker

    def make(*faults: dict[str, object], size: int = 1, **options: Any) -> WorkerPool:
        pools.append(WorkerPool(fake_command(*faults), size, start=start, **options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()
    for pid in pids:
        assert_gone(pid)


MakePool = Callable[..., WorkerPool]


def get_pid(worker: WorkerProcess) -> int:
    """Ask for something and return the worker's number."""
    worker.ask("echo", LONG)
    return worker.pid


def test_a_worker_is_started_late_and_kept_warm(make_pool: MakePool) -> None:
    pool = make_pool()
    assert not pool._hall.idle
    assert pool.run(get_pid) == pool.run(get_pid)
    assert len(pool._hall.idle) == 1
    assert pool.size == 1


@pytest.mark.parametrize("how", ["crash", "killed", "rubbish", "partial", "wrong_id"])
def test_a_lost_job_runs_once_more_with_another_worker(
    make_pool: MakePool, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool({"op": "echo", "how": how, "once": str(tmp_path / "flag")})
    seen = []

    def job(worker: WorkerProcess) -> str:
        seen.append(worker.pid)
        worker.ask("echo", LONG)
        return "done"

    assert pool.run(job) == "done"
    assert len(set(seen)) == len(seen) == 2
    assert "trying once more" in caplog.text
    assert [worker.pid for worker in pool._hall.idle] == seen[1:]


def test_a_job_lost_twice_is_an_error_with_both_reasons(make_pool: MakePool) -> None:
    pool = make_pool({"op": "echo", "how": "crash", "code": 5})
    with pytest.raises(WorkerLostError, match=r"tried twice: .* 5 .*then .* 5") as lost:
        pool.run(get_pid)
    assert lost.value.log_lines == ("about to crash",)
    assert not pool._hall.idle
    assert pool._hall.lent == 0


def test_a_job_out_of_time_is_not_tried_again(make_pool: MakePool) -> None:
    pool = make_pool({"op": "echo", "how": "silence"})
    seen = []

    def job(worker: WorkerProcess) -> None:
        seen.append(worker.pid)
        worker.ask("echo", SHORT)

    with pytest.raises(WorkerTimeoutError):
        pool.run(job)
    assert len(seen) == 1
    assert not pool._hall.idle


def test_kill_9_in_mid_job_loses_only_that_job(
    make_pool: MakePool, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(size=2)
    together = threading.Barrier(2)
    tries: dict[str, list[int]] = {"victim": [], "other": []}

    def run(name: str) -> dict[str, Any]:
        def job(worker: WorkerProcess) -> dict[str, Any]:
            tries[name].append(worker.pid)
            if len(tries[name]) == 1:
                together.wait(LONG)
                if name == "victim":
                    kill = threading.Timer(SHORT, os.kill, [worker.pid, 9])
                    kill.start()
                    return worker.ask("sleep", LONG, seconds=LONG)
            return worker.ask("sleep", LONG, seconds=2 * SHORT)

        return pool.run(job)

    with ThreadPoolExecutor(2) as threads:
        victim, other = threads.map(run, ("victim", "other"))
    assert len(tries["victim"]) == 2
    assert tries["other"] == [other["pid"]]
    assert victim["pid"] == tries["victim"][1]
    assert caplog.text.count("trying once more") == 1
    assert "killed by SIGKILL" in caplog.text


def test_two_workers_work_side_by_side(make_pool: MakePool) -> None:
    pool = make_pool(size=2)
    together = threading.Barrier(2)

    def job(worker: WorkerProcess) -> dict[str, Any]:
        together.wait(LONG)
        return worker.ask("sleep", LONG, seconds=2 * SHORT)

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: pool.run(job), range(2))
    assert first["pid"] != second["pid"]
    assert max(first["begin"], second["begin"]) < min(first["end"], second["end"])


def test_more_jobs_than_workers_wait_for_their_turn(make_pool: MakePool) -> None:
    pool = make_pool(size=2)

    def job(worker: WorkerProcess) -> dict[str, Any]:
        return worker.ask("sleep", LONG, seconds=0.02)

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(lambda _: pool.run(job), range(24)))
    assert 1 <= len({one["pid"] for one in seen}) <= 2
    events = [(one["begin"], 1) for one in seen] + [(one["end"], -1) for one in seen]
    running = 0
    for _time, step in sorted(events):
        running += step
        assert running <= 2


def test_an_idle_worker_that_died_is_replaced_before_use(
    make_pool: MakePool, assert_gone: Callable[[int], None]
) -> None:
    pool = make_pool()
    first = pool.run(get_pid)
    os.kill(first, signal.SIGKILL)
    assert_gone(first)
    seen = []
    assert pool.run(lambda worker: seen.append(get_pid(worker))) is None
    assert len(seen) == 1
    assert seen != [first]


def test_a_refusal_keeps_the_worker(make_pool: MakePool) -> None:
    pool = make_pool({"op": "probe", "how": "refuse"})
    with pytest.raises(WorkerRefusedError):
        pool.run(lambda worker: worker.ask("probe", LONG))
    first = pool.run(get_pid)
    assert pool._hall.idle[0].pid == first
    assert pool._hall.idle[0].jobs == 2


def test_a_full_disk_is_told_and_keeps_the_worker(make_pool: MakePool) -> None:
    pool = make_pool({"op": "probe", "how": "disk_full"})
    with pytest.raises(WorkerDiskFullError, match="TMPDIR"):
        pool.run(lambda worker: worker.ask("probe", LONG))
    assert len(pool._hall.idle) == 1


def test_an_error_of_the_job_itself_keeps_the_worker(make_pool: MakePool) -> None:
    pool = make_pool()
    with pytest.raises(ZeroDivisionError):
        pool.run(lambda worker: len(worker.ask("echo", LONG)) // 0)
    assert len(pool._hall.idle) == 1


def test_a_worker_interrupted_in_mid_answer_is_not_kept(make_pool: MakePool) -> None:
    pool = make_pool()

    def job(worker: WorkerProcess) -> None:
        worker._next_line = interrupt  # type: ignore[method-assign]
        worker.ask("echo", LONG)

    def interrupt(_op: str, *, timeout: float) -> bytes:
        raise KeyboardInterrupt(timeout)

    with pytest.raises(KeyboardInterrupt):
        pool.run(job)
    assert not pool._hall.idle
    assert pool._hall.lent == 0


def test_a_worker_is_replaced_after_its_jobs(make_pool: MakePool) -> None:
    pool = make_pool(jobs_per_worker=2)
    pids = [pool.run(get_pid) for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_the_jobs_log_is_let_go(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool()
    log = tmp_path / "job.log"
    pool.run(lambda worker: worker.switch_log(log))
    pool.run(lambda worker: worker.ask("put_to_log", LONG, text="another job\n"))
    assert log.read_text() == ""


def test_a_worker_that_dies_after_its_last_answer_costs_nothing(
    make_pool: MakePool,
) -> None:
    pool = make_pool({"op": "echo", "how": "crash_after"})
    assert pool.run(get_pid) != pool.run(get_pid)


def test_a_worker_that_cannot_start_is_an_error(make_pool: MakePool) -> None:
    pool = make_pool({"op": "start", "how": "crash"})
    with pytest.raises(WorkerLostError, match="tried twice"):
        pool.run(get_pid)
    assert pool._hall.lent == 0


def test_closing_ends_all_and_says_so(
    make_pool: MakePool, assert_gone: Callable[[int], None]
) -> None:
    pool = make_pool(size=2)
    idle = pool.run(get_pid)
    errors = []
    begun = threading.Event()

    def job(worker: WorkerProcess) -> None:
        begun.set()
        worker.ask("sleep", LONG, seconds=LONG)

    def run() -> None:
        try:
            pool.run(job)
        except WorkerLostError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(LONG)
    pool.close()
    thread.join(LONG)
    assert_gone(idle)
    assert "ended" in errors[0]
    with pytest.raises(WorkerLostError, match=r"pool .* closed"):
        pool.run(get_pid)


def test_who_waits_for_a_closed_pool_is_told(make_pool: MakePool) -> None:
    pool = make_pool()
    with ThreadPoolExecutor(1) as threads, pool.borrow():
        waiting = threads.submit(pool.run, get_pid)
        pool.close()
        with pytest.raises(WorkerLostError, match="closed"):
            waiting.result(LONG)


def test_a_forgotten_pool_ends_its_workers(
    fake_command: Make, assert_gone: Callable[[int], None]
) -> None:
    pool = WorkerPool(fake_command(), 1)
    pid = pool.run(get_pid)
    del pool
    gc.collect()
    assert_gone(pid)


@pytest.mark.parametrize("how", ["idle", "busy"])
def test_the_interpreters_end_is_the_workers(
    fake_command: Make,
    assert_gone: Callable[[int], None],
    own_temporary_folder: Path,
    how: str,
) -> None:
    command = fake_command()
    code = f"""
import sys, threading, time
from pathlib import Path
from refinement.engines.gsas2.process import WorkerCommand
from refinement.engines.gsas2.pool import WorkerPool
pool = WorkerPool(WorkerCommand(python=Path({str(command.python)!r}),
    script=Path({str(command.script)!r})), 2)
begun = threading.Event()
def work(worker):
    print(worker.pid, flush=True)
    begun.set()
    worker.ask("sleep", 60.0, seconds=60.0)
if {how!r} == "busy":
    threading.Thread(target=pool.run, args=[work], daemon=True).start()
    begun.wait(30.0)
else:
    print(pool.run(lambda worker: worker.pid), flush=True)
raise SystemExit(3)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=LONG,
        env={**os.environ, "TMPDIR": str(own_temporary_folder)},
        check=False,
    )
    assert done.returncode == 3, done.stderr
    (pid,) = done.stdout.split()
    assert_gone(int(pid))


def through_pickle(pool: WorkerPool) -> WorkerPool:
    """Return a pool as another process gets it."""
    copied: WorkerPool = pickle.loads(pickle.dumps(pool))  # noqa: S301
    return copied


@pytest.mark.parametrize("duplicate", [copy.deepcopy, through_pickle])
def test_a_copy_has_workers_of_its_own(
    fake_command: Make, duplicate: Callable[[WorkerPool], WorkerPool]
) -> None:
    with WorkerPool(fake_command(), 3, jobs_per_worker=7) as pool:
        first = pool.run(get_pid)
        with duplicate(pool) as other:
            assert other.size == 3
            assert other._settings == pool._settings
            assert other.run(get_pid) != first
        assert pool.run(get_pid) == first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_starts_workers_of_its_own(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool()
    first = pool.run(get_pid)
    note = tmp_path / "note"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            note.write_text(str(pool.run(get_pid)))
            pool.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert int(note.read_text()) != first
    assert pool.run(get_pid) == first


def test_a_pool_of_none_is_refused(fake_command: Make) -> None:
    with pytest.raises(ValueError, match="at least one"):
        WorkerPool(fake_command(), 0)
    assert WorkerPool(fake_command()).size == (os.cpu_count() or 1)
