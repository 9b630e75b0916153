"""The fake worker, and a way to see which processes live."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from refinement.engines.gsas2.process import WorkerCommand

collect_ignore = ["stub"]
"""An imitation of GSAS-II: it runs in a worker, not here."""
FAKE = Path(__file__).with_name("fake_worker.py")
PATIENCE = 10.0
"""Seconds for the operating system to end or start a process, generously."""


@pytest.fixture(autouse=True)
def own_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Make scratch folders in the test's own folder and find it empty afterwards."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir()), "a worker left its scratch folder behind"


@pytest.fixture
def fake_command() -> Callable[..., WorkerCommand]:
    """Return what makes the command of a fake worker from its faults."""

    def make(
        *faults: dict[str, object], recording: Path | None = None
    ) -> WorkerCommand:
        arguments = ["--misbehave", json.dumps(faults)]
        if recording is not None:
            arguments += ["--recording", str(recording)]
        return WorkerCommand(
            python=Path(sys.executable), script=FAKE, arguments=tuple(arguments)
        )

    return make


@pytest.fixture
def assert_gone() -> Callable[[int], None]:
    """Return what asserts that a process has ended."""

    def check(pid: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while is_alive(pid):
            assert time.monotonic() < deadline, f"process {pid} lives on"
            time.sleep(0.02)

    return check


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie that nobody reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return state.rpartition(")")[2].split()[0] != "Z"
