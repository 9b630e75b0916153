from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from refinement.engines.gsas2 import discovery
from refinement.engines.gsas2.discovery import (
    INSTALLATION_PAGE,
    PYTHON_VARIABLE,
    Found,
    choose_gsas2,
    find_gsas2,
    find_here,
    find_in_prefix,
    list_prefixes,
    probe,
)
from structkit.errors import EngineUnavailableError

FAKE = Path(__file__).with_name("fake_worker.py")
SEARCH_SECONDS = 0.2
"""Processor time to find that there is nothing."""

MakePrefix = Callable[..., Path]


@pytest.fixture(autouse=True)
def bare_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[str], None]:
    """Hide the GSAS-II that this machine may have; return what sets the faults."""
    discovery._probe.cache_clear()
    if request.node.get_closest_marker("gsas2"):
        return lambda _text: None
    monkeypatch.setattr(discovery, "_shared_roots", lambda: [tmp_path / "opt"])
    monkeypatch.setattr(discovery, "_home", lambda: tmp_path / "home")
    monkeypatch.setattr(discovery, "find_spec", lambda _name: None)
    for name in (PYTHON_VARIABLE, *discovery._CONDA_VARIABLES, "ProgramData"):
        monkeypatch.delenv(name, raising=False)
    return lambda text: monkeypatch.setenv("FAKE_WORKER_MISBEHAVE", text)


def make_prefix(prefix: Path, package: str, *, old: bool = False) -> Path:
    """Make what looks like an installation, with a Python that runs."""
    python = prefix / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    folder = prefix / package
    folder.mkdir(parents=True)
    (folder / "GSASIIscriptable.py").touch()
    if not old:
        (folder / "__init__.py").touch()
    return python


def first(found: object = None, **options: object) -> Found | None:
    return next(find_gsas2(found, **options), None)  # type: ignore[arg-type]


def test_nothing_is_found_quickly_and_the_remedy_names_all_ways() -> None:
    begin = time.process_time()
    found, info = choose_gsas2()
    assert time.process_time() - begin < SEARCH_SECONDS
    assert found is None
    assert not info.available
    for words in (INSTALLATION_PAGE, PYTHON_VARIABLE, "--gsas2-python"):
        assert words in info.remedy


@pytest.mark.parametrize(
    ("place", "package", "old", "told"),
    [
        ("home/gsas2main", "GSAS-II/GSASII", False, "GSAS-II"),
        ("home/g2full", "GSASII", True, "GSASII"),
        ("opt/gsas2full", "GSASII", False, "."),
        ("home/g2main", "lib/python3.11/site-packages/GSASII", False, None),
        ("home/miniforge3", "lib/python3.12/site-packages/GSASII", False, None),
        ("opt/miniconda3/envs/xrd", "lib/python3.11/site-packages/GSASII", False, None),
        ("home/.conda/envs/any", "GSAS-II/GSASII", False, "GSAS-II"),
    ],
)
def test_installations_are_found_where_installers_put_them(
    tmp_path: Path, place: str, package: str, old: bool, told: str | None
) -> None:
    prefix = tmp_path / place
    python = make_prefix(prefix, package, old=old)
    found = first()
    assert found is not None
    assert found.python == python
    assert found.package_path == (None if told is None else prefix / told)
    assert not found.named
    assert str(prefix) in found.how
    arguments = found.to_command().arguments
    assert arguments == (() if told is None else ("--gsasii-path", str(prefix / told)))


def test_windows_layout_is_known(tmp_path: Path) -> None:
    prefix = tmp_path / "gsas2main"
    (prefix / "GSAS-II" / "GSASII").mkdir(parents=True)
    (prefix / "GSAS-II" / "GSASII" / "GSASIIscriptable.py").touch()
    (prefix / "GSAS-II" / "GSASII" / "__init__.py").touch()
    assert find_in_prefix(prefix) is None  # no Python yet
    (prefix / "python.exe").touch(mode=0o755)
    found = find_in_prefix(prefix)
    assert found is not None
    assert found.python == prefix / "python.exe"
    assert found.package_path == prefix / "GSAS-II"


def test_an_environment_without_gsas2_is_none(tmp_path: Path) -> None:
    (make_prefix(tmp_path / "opt/gsas2main", "else").parent / "pip").touch()
    assert first() is None


def test_conda_variables_name_roots(tmp_path: Path) -> None:
    root = tmp_path / "somewhere"
    places = list(list_prefixes({"MAMBA_ROOT_PREFIX": str(root)}, tmp_path / "home"))
    assert root in places
    assert len(set(places)) == len(places)


def test_order_is_setting_variable_current_python_then_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons = {
        name: make_prefix(tmp_path / name, "GSAS-II/GSASII")
        for name in ("setting", "variable", "home/gsas2main", "opt/g2full")
    }
    here = Found(python=Path(sys.executable), how="here")
    monkeypatch.setattr(discovery, "find_here", lambda _environment: here)
    every = list(find_gsas2())
    assert [found.python for found in every] == [
        here.python,
        pythons["home/gsas2main"],
        pythons["opt/g2full"],
    ]
    monkeypatch.setenv(PYTHON_VARIABLE, str(pythons["variable"]))
    assert [found.python for found in find_gsas2()] == [pythons["variable"]]
    (named,) = find_gsas2(pythons["setting"])
    assert named.python == pythons["setting"]
    assert named.named


@pytest.mark.parametrize("how", ["python", "folder"])
def test_the_user_names_a_python_or_an_installation(tmp_path: Path, how: str) -> None:
    python = make_prefix(tmp_path / "mine", "GSAS-II/GSASII")
    found = first(python if how == "python" else tmp_path / "mine")
    assert found is not None
    assert found.python == python
    assert found.package_path == tmp_path / "mine" / "GSAS-II"


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    python = make_prefix(tmp_path / "g2", "GSASII")
    found = first("~/g2")
    assert found is not None
    assert found.python == python


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.touch(mode=0o644), "cannot be executed"),
        (lambda path: path.mkdir(), "is a folder without Python"),
    ],
)
@pytest.mark.parametrize("through", ["setting", "variable"])
def test_what_the_user_named_wrongly_is_not_replaced(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    words: str,
    through: str,
) -> None:
    make_prefix(tmp_path / "home/gsas2main", "GSASII")
    path = tmp_path / "named"
    make(path)
    monkeypatch.setenv(PYTHON_VARIABLE, "/elsewhere")
    setting = str(path) if through == "setting" else None
    if through == "variable":
        monkeypatch.setenv(PYTHON_VARIABLE, str(path))
    with pytest.raises(EngineUnavailableError, match=words) as caught:
        list(find_gsas2(setting))
    assert str(path) in str(caught.value)
    assert (PYTHON_VARIABLE + "=" in str(caught.value)) == (through == "variable")
    found, info = choose_gsas2(setting, script=FAKE)
    assert found is None
    assert words in info.remedy
    assert INSTALLATION_PAGE in info.remedy


def test_an_empty_variable_names_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, " ")
    assert first() is None


def test_a_named_python_without_gsas2_is_an_error_with_its_last_words(
    tmp_path: Path, bare_machine: Callable[[str], None]
) -> None:
    make_prefix(tmp_path / "home/gsas2main", "GSASII")
    fault = {"op": "start", "how": "refuse", "text": "No module named 'GSASII'"}
    bare_machine(json.dumps([fault]))
    found, info = choose_gsas2(sys.executable, script=FAKE)
    assert found is None
    assert "does not work: No module named 'GSASII'." in info.remedy
    assert "remove that setting" in info.remedy
    assert info.path == sys.executable


@pytest.mark.parametrize("how", ["crash", "killed", "rubbish", "refuse", "disk_full"])
def test_a_probe_that_fails_is_told(
    bare_machine: Callable[[str], None], how: str
) -> None:
    bare_machine(json.dumps([{"op": "probe", "how": how}]))
    info = probe(Found(python=Path(sys.executable), how="somewhere"), script=FAKE)
    assert not info.available
    assert f"{sys.executable}, found somewhere, does not work: " in info.remedy
    assert "\n" not in info.remedy
    assert "Mend it" in info.remedy


def test_a_probe_that_hangs_is_ended(bare_machine: Callable[[str], None]) -> None:
    bare_machine(json.dumps([{"op": "probe", "how": "silence"}]))
    info = probe(Found(python=Path(sys.executable)), script=FAKE, timeout=0.3)
    assert "did not answer 'probe' within 0.3 s" in info.remedy


def test_a_pattern_without_intensity_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = {"ok": True, "result": {"reflections": 0, "largest": 0.0}}
    content = {
        "format": 1,
        "hello": {"gsas2": "v1"},
        "exchanges": [{"op": "probe", "reply": reply}],
    }
    recording = tmp_path / "recording.json"
    recording.write_text(json.dumps(content))
    monkeypatch.setenv("FAKE_WORKER_RECORDING", str(recording))
    info = probe(Found(python=Path(sys.executable)), script=FAKE)
    assert "without intensity" in info.remedy


def test_one_that_works_is_remembered_until_its_python_changes(
    tmp_path: Path, bare_machine: Callable[[str], None]
) -> None:
    flag = tmp_path / "started"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho x >> "{flag}"\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    bare_machine(json.dumps([{"op": "probe", "number": 1, "how": "refuse"}]))
    assert not choose_gsas2(python, script=FAKE)[1].available
    bare_machine("[]")
    for _ in range(3):
        found, info = choose_gsas2(python, script=FAKE)
        assert info.available
        assert info.version == "0.0.0 (fake)"
        assert info.path == str(python)
        assert info.remedy == ""
        assert found is not None
    assert flag.read_text() == "x\n" * 2
    os.utime(python, (1.0, 1.0))
    assert choose_gsas2(python, script=FAKE)[1].available
    assert flag.read_text() == "x\n" * 3


def test_one_found_but_broken_gives_way_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = make_prefix(tmp_path / "home/gsas2main", "GSASII")
    broken.unlink()
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 127\n")
    broken.chmod(0o755)
    found, info = choose_gsas2(script=FAKE)
    assert found is None
    assert "no such library" in info.remedy
    good = make_prefix(tmp_path / "opt/gsas2main", "GSASII")
    found, info = choose_gsas2(script=FAKE)
    assert info.available
    assert found is not None
    assert found.python == good


@pytest.mark.parametrize("lent", [True, False])
def test_the_current_python_is_looked_at_without_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lent: bool
) -> None:
    package = tmp_path / "lib" / "GSASII"
    package.mkdir(parents=True)
    spec = ModuleSpec("GSASII", None, is_package=True)
    spec.submodule_search_locations = [str(package)]
    monkeypatch.setattr(discovery, "find_spec", lambda _name: spec)
    environment = {"PYTHONPATH": str(package.parent)} if lent else {}
    assert find_here(environment) is None  # a folder of that name is not enough
    (package / "GSASIIscriptable.py").touch()
    (package / "__init__.py").touch()
    found = find_here(environment)
    assert found is not None
    assert found.python == Path(sys.executable)
    assert found.package_path == (package.parent if lent else None)


@pytest.mark.gsas2
def test_the_real_one_works() -> None:
    found, info = choose_gsas2()
    assert found is not None, info.remedy
    assert info.version
