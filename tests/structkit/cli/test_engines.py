from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from refinement import engines
from refinement.engines import ENGINES, EngineInfo, find_engines
from refinement.engines.gsas2 import discovery
from refinement.engines.gsas2.discovery import INSTALLATION_PAGE, PYTHON_VARIABLE
from structkit.cli.__main__ import main

FAKE = Path(__file__).parents[2] / "refinement" / "engines" / "gsas2" / "fake_worker.py"


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the GSAS-II that this machine may have."""
    monkeypatch.setattr(discovery, "_shared_roots", lambda: [tmp_path / "opt"])
    monkeypatch.setattr(discovery, "_home", lambda: tmp_path / "home")
    monkeypatch.setattr(discovery, "find_spec", lambda _name: None)
    monkeypatch.setenv(PYTHON_VARIABLE, "")
    discovery._probe.cache_clear()


def rows(text: str) -> dict[str, list[str]]:
    """Return the table's lines by engine."""
    lines = [line.split() for line in text.split("\n\n")[0].splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_every_engine_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines"]) == 0
    shown = rows(capsys.readouterr().out)
    assert list(shown) == ["engine", *ENGINES]
    assert shown["engine"] == ["version", "path"]
    assert Path(shown["native"][-1]).is_dir()


def test_an_absent_engine_comes_with_its_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["engines"]) == 0
    text = capsys.readouterr().out
    assert rows(text)["gsas2"] == ["-", "-"]
    remedy = text.split("gsas2 cannot run here: ")[1].splitlines()[0]
    for words in (INSTALLATION_PAGE, PYTHON_VARIABLE, "--gsas2-python"):
        assert words in remedy


def test_a_python_that_was_named_is_tried_and_the_variable_put_back(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def describe() -> list[EngineInfo]:
        seen.append(os.environ[PYTHON_VARIABLE])
        found, info = discovery.choose_gsas2(script=FAKE)
        assert found is not None
        return [info]

    monkeypatch.setattr(engines, "find_engines", describe)
    assert main(["engines", "--gsas2-python", sys.executable]) == 0
    assert rows(capsys.readouterr().out)["gsas2"] == ["0.0.0", "(fake)", sys.executable]
    assert seen == [sys.executable]
    assert os.environ[PYTHON_VARIABLE] == ""


def test_a_python_that_is_none_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = tmp_path / "none"
    assert main(["engines", "--gsas2-python", str(missing)]) == 0
    text = capsys.readouterr().out
    assert f"{PYTHON_VARIABLE}={missing}: that file does not exist" in text


def test_refine_takes_the_option_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE)
    series = tmp_path / "absent.toml"
    output = str(tmp_path / "out")
    arguments = ["refine", str(series), "-o", output, "--gsas2-python", "python"]
    assert main(arguments) == 1
    assert str(series) in capsys.readouterr().err
    assert PYTHON_VARIABLE not in os.environ


def test_an_engine_that_cannot_be_imported_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(name: str) -> None:
        raise ImportError(f"no module for {name}")

    monkeypatch.setattr(engines, "_make_engine", fail)
    found = find_engines()
    assert [one.name for one in found] == list(ENGINES)
    assert "no module for rietx" in found[-1].remedy
