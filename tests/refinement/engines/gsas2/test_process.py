from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from refinement.engines.gsas2 import pipes, process
from refinement.engines.gsas2.process import (
    WorkerCommand,
    WorkerDiskFullError,
    WorkerLostError,
    WorkerProcess,
    WorkerRefusedError,
    WorkerTimeoutError,
    clean_environment,
    describe_exit,
)
from structkit.errors import FitError

Make = Callable[..., WorkerCommand]

LONG = 30.0
"""Time that is not meant to run out, in s."""
SHORT = 0.3
"""Time that is meant to run out, in s."""

LOSSES = [
    ({"how": "crash", "code": 3}, "ended with exit code 3"),
    ({"how": "killed"}, "killed by SIGKILL, as when memory runs out"),
    ({"how": "killed", "signal": 11}, "killed by SIGSEGV"),
    ({"how": "rubbish"}, r"rubbish \(no JSON: ' \*\* Warning: not JSON \*\*'\)"),
    ({"how": "rubbish", "text": "[1, 2]"}, "no answer: '.1, 2.'"),
    ({"how": "rubbish", "text": '{"id": 1}'}, "rubbish .no answer"),
    ({"how": "rubbish", "text": '{"id": 1, "ok": 1}'}, "rubbish .no answer"),
    ({"how": "rubbish", "text": '{"id": 1, "ok": true}'}, "rubbish .no answer"),
    (
        {"how": "rubbish", "text": '{"id": 1, "ok": true, "result": {"r": NaN}}'},
        "no JSON",
    ),
    ({"how": "rubbish", "text": "[" * 100_000}, "no JSON"),
    ({"how": "rubbish", "text": ""}, "no JSON: ''"),
    ({"how": "wrong_id"}, r"rubbish \(id 8\)"),
    ({"how": "partial"}, "exit code 1, in the middle of an answer, during"),
    ({"how": "endless", "text": "\n"}, "no JSON|nobody asked for"),
    ({"how": "hang_up"}, "closed its output"),
]
"""Faults that lose a worker, and the words for each."""


def test_it_says_hello_answers_and_is_asked_again(fake_command: Make) -> None:
    with WorkerProcess(fake_command()) as worker:
        assert worker.hello["gsas2"] == "0.0.0 (fake)"
        for number in range(3):
            assert worker.ask("echo", LONG, value=number) == {"value": number}
        assert worker.is_ready
    assert not worker.is_ready


def test_paths_arrays_and_long_requests_arrive(fake_command: Make) -> None:
    angles = np.linspace(10.0, 80.0, 100_000)
    with WorkerProcess(fake_command()) as worker:
        seen = worker.ask("echo", LONG, angles=angles, place=Path("a"), n=np.int64(3))
    assert seen["n"] == 3
    assert seen["place"] == "a"
    np.testing.assert_array_equal(seen["angles"], angles)


@pytest.mark.parametrize(
    ("value", "error"), [(float("nan"), ValueError), (object(), TypeError)]
)
def test_what_json_cannot_hold_is_refused_here(
    fake_command: Make, value: object, error: type[Exception]
) -> None:
    with WorkerProcess(fake_command()) as worker:
        with pytest.raises(error):
            worker.ask("echo", LONG, value=value)
        assert worker.ask("echo", LONG, value=1) == {"value": 1}


@pytest.mark.parametrize(("fault", "words"), LOSSES, ids=lambda item: str(item)[:40])
def test_each_way_to_get_lost_has_its_words(
    fake_command: Make,
    assert_gone: Callable[[int], None],
    fault: dict[str, object],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "_GRACE", SHORT)
    worker = WorkerProcess(fake_command({"op": "echo", **fault}))
    worker.ask("put_to_log", LONG, text="refining cycle 1\nsingular matrix\n")
    worker._asked = 0  # the rubbish above is written for request 1
    with pytest.raises(WorkerLostError, match=words) as caught:
        worker.ask("echo", LONG)
    assert not isinstance(caught.value, WorkerTimeoutError)
    assert "'echo'" in caught.value.reason
    assert caught.value.log_lines[:2] == ("refining cycle 1", "singular matrix")
    assert "\n  | singular matrix" in str(caught.value)
    assert_gone(worker.pid)
    with pytest.raises(WorkerLostError, match="was ended before 'echo'"):
        worker.ask("echo", LONG)
    assert isinstance(caught.value, FitError)


@pytest.mark.parametrize("how", ["silence", "halfway"])
def test_a_hanging_worker_is_ended_in_time(
    fake_command: Make, assert_gone: Callable[[int], None], how: str
) -> None:
    worker = WorkerProcess(fake_command({"op": "echo", "how": how}))
    worker.ask("put_to_log", LONG, text="cycle 7\n")
    with pytest.raises(WorkerTimeoutError, match=r"'echo' within 0\.3 s") as caught:
        worker.ask("echo", SHORT)
    assert caught.value.log_lines == ("cycle 7",)
    assert_gone(worker.pid)


def test_a_worker_that_never_reads_cannot_block_the_parent(fake_command: Make) -> None:
    worker = WorkerProcess(fake_command({"op": "probe", "how": "deaf"}))
    worker.ask("probe", LONG)
    with pytest.raises(WorkerTimeoutError):
        worker.ask("echo", SHORT, text="x" * 10_000_000)


def test_a_slow_answer_is_an_answer(fake_command: Make) -> None:
    fault = {"op": "echo", "how": "slow", "seconds": 2 * process._TICK}
    with WorkerProcess(fake_command(fault)) as worker:
        assert worker.ask("echo", LONG, value=1) == {"value": 1}


def test_an_answer_without_end_is_cut_off(
    fake_command: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipes, "LONGEST_LINE", 1_000_000)
    worker = WorkerProcess(fake_command({"op": "echo", "how": "endless"}))
    with pytest.raises(WorkerLostError, match="answer of more than 1000000 bytes"):
        worker.ask("echo", LONG)


def test_a_flood_of_prints_neither_blocks_nor_fills_the_message(
    fake_command: Make,
) -> None:
    faults = [{"op": "probe", "how": "flood_log"}, {"op": "echo", "how": "crash"}]
    worker = WorkerProcess(fake_command(*faults))
    worker.ask("probe", LONG)
    with pytest.raises(WorkerLostError) as caught:
        worker.ask("echo", LONG)
    assert len(caught.value.log_lines) == process.TAIL_LINES
    assert caught.value.log_lines[-1] == "about to crash"
    assert caught.value.log_lines[-2].startswith("cycle 099999")


def test_a_log_of_one_long_line_with_control_codes_is_made_readable(
    fake_command: Make,
) -> None:
    text = "\x1b[31m" + "x" * 100_000 + "\n\n\x00after\tit\n"
    worker = WorkerProcess(fake_command({"op": "echo", "how": "crash", "text": ""}))
    worker.ask("put_to_log", LONG, text=text)
    with pytest.raises(WorkerLostError) as caught:
        worker.ask("echo", LONG)
    first, last = caught.value.log_lines
    assert len(first) <= process._TAIL_WIDTH
    assert last == " after it"


def test_a_refusal_carries_kind_and_the_worker_goes_on(fake_command: Make) -> None:
    fault = {"op": "echo", "number": 1, "how": "refuse", "text": "no reflections"}
    with WorkerProcess(fake_command(fault)) as worker:
        with pytest.raises(WorkerRefusedError, match="no reflections") as caught:
            worker.ask("echo", LONG)
        assert caught.value.kind == "G2Exception"
        assert worker.ask("echo", LONG, value=1) == {"value": 1}


def test_a_full_disk_comes_with_its_remedy(
    fake_command: Make, own_temporary_folder: Path
) -> None:
    faults = [
        {"op": "probe", "how": "disk_full"},
        {"op": "echo", "how": "crash", "text": "OSError: No space left on device\n"},
    ]
    with WorkerProcess(fake_command(*faults)) as worker:
        with pytest.raises(WorkerDiskFullError, match="make room") as refused:
            worker.ask("probe", LONG)
        assert refused.value.kind == "OSError"
        assert worker.is_ready
        with pytest.raises(WorkerLostError, match=r"exit code 1.*make room"):
            worker.ask("echo", LONG)


def test_no_room_for_a_worker_is_told(
    fake_command: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(prefix: str) -> str:
        raise OSError(28, "No space left on device", prefix)

    monkeypatch.setattr(process.tempfile, "mkdtemp", fail)
    with pytest.raises(WorkerLostError, match=r"cannot be started.*make room"):
        WorkerProcess(fake_command())


def test_a_python_that_is_none_is_told(tmp_path: Path) -> None:
    command = WorkerCommand(python=tmp_path / "python", script=tmp_path / "worker.py")
    with pytest.raises(WorkerLostError, match=r"cannot be started with .*python: .*No"):
        WorkerProcess(command)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ("crash", WorkerLostError, "exit code 1 during 'start'"),
        ("silence", WorkerTimeoutError, "did not answer 'start'"),
        ("rubbish", WorkerLostError, "rubbish"),
        ("refuse", WorkerRefusedError, "it cannot"),
    ],
)
def test_a_bad_start_leaves_nothing_behind(
    fake_command: Make, how: str, error: type[Exception], words: str
) -> None:
    limit = SHORT if how == "silence" else LONG
    with pytest.raises(error, match=words):
        WorkerProcess(fake_command({"op": "start", "how": how}), start_timeout=limit)


def test_the_log_goes_to_the_job_and_back(fake_command: Make, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    worker = WorkerProcess(fake_command({"op": "echo", "how": "crash", "text": ""}))
    worker.ask("put_to_log", LONG, text="before\n")
    worker.switch_log(log)
    worker.ask("put_to_log", LONG, text="within\n")
    assert worker.read_log_tail() == ("within",)
    worker.switch_log(None)
    worker.ask("put_to_log", LONG, text="after\n")
    assert log.read_text() == "within\n"
    worker.switch_log(tmp_path / "empty.log")
    with pytest.raises(WorkerLostError) as caught:
        worker.ask("echo", LONG)
    assert caught.value.log_lines == ("before", "after")


def test_nothing_of_our_python_reaches_the_worker(
    fake_command: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    clean = clean_environment(os.environ, Path("python"), windows=False)
    # Not started with PYTHONHOME cleaned wrongly: it would not even start.
    with WorkerProcess(fake_command()) as worker:
        seen = worker.ask("environment", LONG)
        assert Path(seen["folder"]) == worker.scratch
    variables = seen["variables"]
    assert "/somewhere" not in variables.values()
    assert variables["OMP_NUM_THREADS"] == variables["OPENBLAS_NUM_THREADS"] == "1"
    assert variables["PATH"] == clean["PATH"] == os.environ["PATH"]
    assert str(Path(__file__).parent) not in seen["path"]


def test_windows_libraries_come_first() -> None:
    clean = clean_environment({"PATH": "C:/x"}, Path("C:/g2/python.exe"), windows=True)
    assert clean["PATH"].startswith("C:/g2;")
    assert clean["PATH"].endswith(";C:/x")


def test_what_a_worker_started_ends_with_it(
    fake_command: Make, assert_gone: Callable[[int], None]
) -> None:
    fault = {"op": "echo", "how": "crash"}
    worker = WorkerProcess(fake_command(fault))
    child = worker.ask("child", LONG)["pid"]
    with pytest.raises(WorkerLostError, match="exit code 1"):
        worker.ask("echo", LONG)  # the child holds the pipe open
    assert_gone(child)
    with WorkerProcess(fake_command()) as worker:
        child = worker.ask("child", LONG)["pid"]
    assert_gone(child)
    assert_gone(worker.pid)


def test_one_that_does_not_leave_is_killed(
    fake_command: Make, assert_gone: Callable[[int], None]
) -> None:
    worker = WorkerProcess(fake_command({"op": "probe", "how": "deaf"}))
    worker.ask("probe", LONG)
    worker.close(grace=SHORT)
    worker.close()
    assert_gone(worker.pid)


def test_an_idle_one_leaves_by_itself(fake_command: Make) -> None:
    worker = WorkerProcess(fake_command())
    worker.close()
    assert worker._process.returncode == 0


def test_a_forgotten_one_is_ended(
    fake_command: Make, assert_gone: Callable[[int], None]
) -> None:
    worker = WorkerProcess(fake_command())
    pid = worker.pid
    del worker
    gc.collect()
    assert_gone(pid)


def test_ended_from_another_thread_it_says_so(fake_command: Make) -> None:
    worker = WorkerProcess(fake_command())
    timer = threading.Timer(SHORT, worker.close)
    timer.start()
    with pytest.raises(WorkerLostError, match="ended by structkit during 'sleep'"):
        worker.ask("sleep", LONG, seconds=LONG)
    timer.join()


def test_an_answer_before_death_counts(fake_command: Make) -> None:
    fault = {"op": "echo", "how": "crash_after"}
    worker = WorkerProcess(fake_command(fault))
    assert worker.ask("echo", LONG, value=1) == {"value": 1}
    with pytest.raises(WorkerLostError, match="exit code 1"):
        worker.ask("echo", LONG)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_the_parents_end_is_the_workers(
    fake_command: Make, tmp_path: Path, assert_gone: Callable[[int], None]
) -> None:
    command = fake_command()
    code = f"""
import sys
from pathlib import Path
from refinement.engines.gsas2.process import WorkerCommand, WorkerProcess
worker = WorkerProcess(WorkerCommand(python=Path({str(command.python)!r}),
    script=Path({str(command.script)!r})))
print(worker.pid, worker.scratch, flush=True)
sys.stdin.readline()
"""
    for ending, text in ((signal.SIGKILL, ""), (None, "leave\n")):
        parent = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            text=True,
        )
        assert parent.stdout is not None
        pid, scratch = parent.stdout.readline().split()
        if ending is not None:
            parent.send_signal(ending)
        parent.communicate(text, timeout=LONG)
        assert_gone(int(pid))
        assert Path(scratch).exists() == (ending is not None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_leaves_the_worker_to_its_parent(fake_command: Make) -> None:
    with WorkerProcess(fake_command()) as worker:
        child = os.fork()
        if child == 0:
            worker._finalizer()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert worker.ask("echo", LONG, value=1) == {"value": 1}


def test_errors_survive_pickling() -> None:
    for error in (
        WorkerTimeoutError("late", ("a", "b")),
        WorkerRefusedError("no", "OSError"),
    ):
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert str(copy) == str(error)
        assert copy.__dict__ == error.__dict__


def test_exit_codes_in_words() -> None:
    assert describe_exit(0xC0000005) == "ended with exit code 0xc0000005"
    assert describe_exit(-250) == "was killed by signal 250"


def test_recorded_jobs_are_replayed(fake_command: Make, tmp_path: Path) -> None:
    def reply(value: object) -> dict[str, object]:
        return {"ok": True, "result": {"value": value}}

    exchanges = [
        {"op": "probe", "reply": reply("early")},
        {"op": "open", "match": {"name": "a"}, "reply": reply("<FOLDER>/a")},
        {"op": "stage", "reply": reply("a1")},
        {"op": "stage", "reply": {"ok": False, "error": "bad", "kind": "Singular"}},
        {"op": "open", "match": {"name": "b"}, "reply": reply("b")},
        {"op": "stage", "reply": reply("b1")},
    ]
    recording = tmp_path / "recording.json"
    hello = {"gsas2": "v5.7.9"}
    content = {"format": 1, "hello": hello, "exchanges": exchanges}
    recording.write_text(json.dumps(content))
    with WorkerProcess(fake_command(recording=recording)) as worker:
        assert worker.hello == hello
        assert worker.ask("probe", LONG)["value"] == "early"
        worker.ask("open", LONG, name="b")
        assert worker.ask("stage", LONG)["value"] == "b1"
        for _ in range(2):
            opened = worker.ask("open", LONG, name="a", folder="/x")
            assert opened["value"] == "/x/a"
            assert worker.ask("stage", LONG)["value"] == "a1"
            with pytest.raises(WorkerRefusedError, match="bad"):
                worker.ask("stage", LONG)
            with pytest.raises(WorkerRefusedError, match=r"no .more. answer"):
                worker.ask("stage", LONG)


def test_time_is_what_the_worker_says(fake_command: Make) -> None:
    with WorkerProcess(fake_command()) as worker:
        before = time.time()
        seen = worker.ask("sleep", LONG, seconds=0.0)
    assert before <= seen["begin"] <= seen["end"]
    assert seen["pid"] == worker.pid
