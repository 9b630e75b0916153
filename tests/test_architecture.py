"""The import direction of CONTRIBUTING.md, read from the source of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

GROUND = {"errors", "netcdf", "schema", "store", "uncertainty"}
MEASURED = {"io", "xrd", "raman", "eis", "nmr"}
TOP = {"explore", "pipeline", "cli"}
MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(GROUND, GROUND),
    "structures": GROUND,
    **dict.fromkeys(MEASURED, GROUND | {"structures"}),
    "checks": GROUND | {"structures"} | MEASURED,
    "index": GROUND,
    "synthetic": GROUND | {"structures"},
    "plot": GROUND,
    "report": GROUND | {"plot"},
    "refinement": GROUND | {"structures", "xrd"},
}
"""Room -> rooms it may import beside itself; the rooms of TOP may import all."""

HEAVY = (
    "geddes",
    "gemmi",
    "h5py",
    "jinja2",
    "joblib",
    "lmfit",
    "matplotlib",
    "nmrglue",
    "numba",
    "pandas",
    "plotly",
    "pydantic",
    "pymatgen",
    "rich",
    "scipy",
    "xarray",
    "xraydb",
)
"""What ``import structkit`` must not drag in: together they take seconds."""

STARTUP_SECONDS = 0.3
"""Processor time that ``import structkit`` and ``structkit --help`` may take."""


def modules() -> list[Path]:
    """Return every module of both packages."""
    found = [
        path
        for package in ("structkit", "refinement")
        for path in sorted((REPOSITORY / package).rglob("*.py"))
    ]
    assert len(found) > 10
    return found


def dotted_name(path: Path) -> str:
    """Return ``structkit.xrd.radiation`` for its path."""
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """Return the room of a dotted module name; ``structkit`` for the package itself."""
    parts = module.split(".")
    if parts[0] == "refinement":
        return "refinement"
    return parts[1] if len(parts) > 1 else "structkit"


def is_module(name: str) -> bool:
    """Return whether a dotted name is a module or package of this repository."""
    path = REPOSITORY.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def names_of(node: ast.ImportFrom, module: str, *, is_package: bool) -> Iterator[str]:
    """Yield what a ``from ... import`` reaches, as dotted module names."""
    base = node.module or ""
    if node.level:
        parts = module.split(".")
        kept = len(parts) - node.level + (1 if is_package else 0)
        base = ".".join([*parts[:kept], *([base] if base else [])])
    for alias in node.names:
        full = f"{base}.{alias.name}"
        if base == "structkit" and alias.name == "__version__":
            continue
        yield full if is_module(full) else base


def imports_of(path: Path) -> set[str]:
    """Return every module of ours that a file imports, at any depth of its code."""
    module = dotted_name(path)
    reached: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            reached.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            is_package = path.name == "__init__.py"
            reached.update(names_of(node, module, is_package=is_package))
    return {
        name for name in reached if name.split(".")[0] in {"structkit", "refinement"}
    }


@pytest.mark.parametrize("path", modules(), ids=dotted_name)
def test_imports_go_down_only(path: Path) -> None:
    room = room_of(dotted_name(path))
    if room in TOP or room == "structkit":
        return
    assert room in MAY_IMPORT, f"room {room!r} is not on the map of CONTRIBUTING.md"
    rooms = {room_of(name) for name in imports_of(path)}
    assert rooms <= MAY_IMPORT[room] | {room}


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "refinement" / "crystallinity").rglob("*.py")), ids=str
)
def test_crystallinity_knows_no_engine(path: Path) -> None:
    assert not [name for name in imports_of(path) if "refinement.engines" in name]


def test_relative_and_nested_imports_are_seen(tmp_path: Path) -> None:
    node = ast.parse("from ..structures import crystal").body[0]
    assert isinstance(node, ast.ImportFrom)
    names = list(names_of(node, "structkit.xrd.instrument", is_package=False))
    assert names == ["structkit.structures.crystal"]


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("module", ["structkit", "structkit.cli.__main__"])
def test_import_drags_in_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    assert not set(run_python(code).split()) & set(HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        "import structkit",
        "from structkit.cli.__main__ import main; main(['--help'])",
    ],
    ids=["import", "help"],
)
def test_startup_is_quick(code: str) -> None:
    timed = f"import time; {code}; print('\\n' + str(time.process_time()))"
    seconds = min(float(run_python(timed).split()[-1]) for _ in range(3))
    assert seconds < STARTUP_SECONDS


def test_every_public_name_resolves() -> None:
    import structkit

    for name in structkit.__all__:
        assert getattr(structkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'refine_all'"):
        _ = structkit.refine_all
