"""Two runs into one folder: the second is told, and a killed one leaves no trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from structkit.errors import OutputError
from structkit.pipeline.lock import LOCK, hold_folder

HOLD = """
import sys, time
from pathlib import Path
from structkit.pipeline.lock import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_folder_is_held_while_the_block_runs(tmp_path: Path) -> None:
    output = tmp_path / "a" / "out"
    with hold_folder(output):
        assert (output / LOCK).is_file()
        with pytest.raises(OutputError, match=r"another run writes into .*out; wait"):
            with hold_folder(output):
                raise AssertionError("held twice")
        with hold_folder(tmp_path / "b"):
            pass
    assert not (output / LOCK).exists()


def test_a_block_that_fails_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), hold_folder(tmp_path):
        raise ValueError("no")
    with hold_folder(tmp_path):
        pass


def test_a_killed_run_holds_nobody_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another run"), hold_folder(tmp_path):
            pass
        other.kill()
    assert (tmp_path / LOCK).exists()
    with hold_folder(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        with hold_folder(tmp_path / "file" / "out"):
            pass
