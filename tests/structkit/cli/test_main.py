from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import click
import pytest

from structkit import __version__
from structkit.cli.__main__ import VERBS, main
from structkit.errors import DataQualityWarning, ReadError


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Stand in for ``refine`` with a command that does what a test says."""
    fake = ModuleType("structkit.cli.refine")
    monkeypatch.setitem(sys.modules, "structkit.cli.refine", fake)
    return fake


def raising(error: BaseException) -> click.Command:
    def act() -> None:
        raise error

    return click.Command("refine", callback=act)


def test_version_and_help_are_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"structkit {__version__}\n"
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name, _, _ in VERBS)


@pytest.mark.parametrize("name", [name for name, _, _ in VERBS])
def test_every_verb_has_help_and_loudness(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--quiet" in shown
    assert "--verbose" in shown


def test_unknown_verb_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refin", "x.toml"]) == 2
    shown = capsys.readouterr()
    assert "Did you mean 'refine'?" in shown.err
    assert shown.out == ""


def test_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refine", "x.toml", "-o", "out", "--fast"]) == 2
    assert "--fast" in capsys.readouterr().err


def test_own_errors_are_one_line(
    verb: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    verb.command = raising(ReadError("a.xye: empty; export it again"))
    assert main(["refine"]) == 1
    shown = capsys.readouterr()
    assert shown.err == "structkit: error: a.xye: empty; export it again\n"
    assert shown.out == ""


def test_the_systems_errors_are_one_line(
    verb: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    verb.command = raising(OSError(28, "No space left on device", "refine.nc"))
    assert main(["refine"]) == 1
    assert "No space left on device: 'refine.nc'" in capsys.readouterr().err


def test_interruption_exits_130(
    verb: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    verb.command = raising(KeyboardInterrupt())
    assert main(["refine"]) == 130
    assert "structkit: interrupted" in capsys.readouterr().err


def test_errors_of_ours_that_nobody_foresaw_keep_their_traceback(
    verb: ModuleType,
) -> None:
    verb.command = raising(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["refine"])


@pytest.mark.filterwarnings("always::RuntimeWarning")
def test_doubts_go_to_stderr_unless_quiet(
    verb: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def act() -> None:
        warnings.warn("a.xye: smoothed", DataQualityWarning, stacklevel=1)
        warnings.warn("deep inside a library", RuntimeWarning, stacklevel=1)

    verb.command = click.Command("refine", callback=act)
    assert main(["refine"]) == 0
    assert capsys.readouterr().err == "structkit: warning: a.xye: smoothed\n"
    assert main(["refine", "-q"]) == 0
    assert main(["-q", "refine"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["refine", "-vv"]) == 0
    assert "deep inside a library" in capsys.readouterr().err


def test_the_program_itself_exits_with_the_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "structkit.cli", "refine", "absent.toml"]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("structkit: error: ")
    assert "absent.toml" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_linear_algebra_has_one_thread_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    main(["--version"])
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
