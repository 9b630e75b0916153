"""Find the GSAS-II of this machine, and see whether it works.

What the user names (:data:`PYTHON_VARIABLE`, ``--gsas2-python``, a setting) counts
alone: where it does not work, that is an error, and no other one is taken instead.
Otherwise the current Python is looked at, then the folders that GSAS-II's installers
and conda use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from refinement.engines import EngineInfo
from refinement.engines.gsas2.process import (
    START_TIMEOUT,
    WorkerCommand,
    WorkerLostError,
    WorkerProcess,
)
from structkit.errors import EngineUnavailableError, FitError

NAME = "gsas2"
"""The engine's name."""
PYTHON_VARIABLE = "STRUCTKIT_GSAS2_PYTHON"
"""Environment variable that names the Python of GSAS-II."""
INSTALLATION_PAGE = (
    "https://advancedphotonsource.github.io/GSAS-II-tutorials/install.html"
)
"""GSAS-II's own page on how to install it."""
WORKER = Path(__file__).with_name("worker.py")
"""What runs in GSAS-II's Python."""
OVERRIDE = f"--gsas2-python PATH or the environment variable {PYTHON_VARIABLE}"
"""How a user names a GSAS-II."""
REMEDY = (
    f"no GSAS-II was found: install it ({INSTALLATION_PAGE}), or name the Python of "
    f"yours with {OVERRIDE}"
)
"""What to do where there is none."""
PROBE_TIMEOUT = 120.0
"""Seconds for a tiny simulation, which takes less than one when all is warm."""

_HINT = (
    f"Name GSAS-II's own Python with {OVERRIDE}, or remove that setting so that "
    f"structkit looks for itself; to install GSAS-II: {INSTALLATION_PAGE}"
)
_FOLDERS = ("gsas2main", "g2main", "gsas2full", "g2full")
_CONDAS = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba", "conda")
_CONDA_VARIABLES = ("CONDA_PREFIX", "CONDA_ROOT", "MAMBA_ROOT_PREFIX")
_SCRIPTABLE = "GSASIIscriptable.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A GSAS-II that seems to be there; whether it works, :func:`probe` tells."""

    python: Path
    """Interpreter that is to run it."""
    package_path: Path | None = None
    """Folder to put on its ``sys.path``; None where it imports GSAS-II by itself."""
    how: str = ""
    """How it was found, in words that follow "found"."""
    named: bool = False
    """Whether the user named it."""

    def to_command(self, script: Path = WORKER) -> WorkerCommand:
        """Return how to start a worker with it."""
        path = self.package_path
        arguments = () if path is None else ("--gsasii-path", str(path))
        return WorkerCommand(python=self.python, script=script, arguments=arguments)


def find_gsas2(
    explicit: str | Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> Iterator[Found]:
    """Yield what may be a GSAS-II, the first to be taken first; starts no process.

    Parameters
    ----------
    explicit : str or Path, optional
        Interpreter, or folder of an installation, that the user named.
    environment : mapping of str to str, optional
        Default: that of the process.
    home : Path, optional
        The user's folder. Default: found by Python.

    Yields
    ------
    Found
        Only the one that the user named, if one was named.

    Raises
    ------
    EngineUnavailableError
        When what the user named is no Python and no installation.
    """
    environment = os.environ if environment is None else environment
    if explicit:
        yield _take_named(Path(explicit), f"the setting {explicit}")
    elif named := environment.get(PYTHON_VARIABLE, "").strip():
        yield _take_named(Path(named), f"{PYTHON_VARIABLE}={named}")
    else:
        here = find_here(environment)
        if here is not None:
            yield here
        for prefix in list_prefixes(environment, _home() if home is None else home):
            found = find_in_prefix(prefix)
            if found is not None:
                yield found


def choose_gsas2(
    explicit: str | Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    home: Path | None = None,
    script: Path = WORKER,
) -> tuple[Found | None, EngineInfo]:
    """Return the first GSAS-II that works, and its version and place.

    Parameters
    ----------
    explicit, environment, home
        As in :func:`find_gsas2`.
    script : Path
        The worker's file.

    Returns
    -------
    found : Found or None
        None where none works.
    info : EngineInfo
        Where none works: why not the first of them, and what to do.
    """
    failed: list[EngineInfo] = []
    try:
        for found in find_gsas2(explicit, environment=environment, home=home):
            info = probe(found, script=script)
            if info.available:
                return found, info
            failed.append(info)
    except EngineUnavailableError as error:
        failed.append(EngineInfo(name=NAME, available=False, remedy=str(error)))
    nothing = EngineInfo(name=NAME, available=False, remedy=REMEDY)
    return None, failed[0] if failed else nothing


def probe(
    found: Found, *, script: Path = WORKER, timeout: float = PROBE_TIMEOUT
) -> EngineInfo:
    """Start a worker, simulate a tiny pattern, and tell what works.

    The answer is remembered for an interpreter until its file changes; that something
    does not work is not remembered, as the user may be mending it.

    Parameters
    ----------
    found : Found
        What to try.
    script : Path
        The worker's file.
    timeout : float
        Time for the simulation, in s.

    Returns
    -------
    EngineInfo
        Not available, with why and what to do, where anything failed.
    """
    try:
        version = _probe(found, script, _stamp(found.python), timeout)
    except FitError as error:
        remedy = _tell_failure(found, error)
        return EngineInfo(
            name=NAME, available=False, path=str(found.python), remedy=remedy
        )
    return EngineInfo(
        name=NAME, available=True, version=version, path=str(found.python)
    )


def find_here(environment: Mapping[str, str]) -> Found | None:
    """Return the GSAS-II that the current Python imports, if any; imports nothing."""
    try:
        spec = find_spec("GSASII")
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / _SCRIPTABLE).is_file():
            root = _to_import(Path(folder))
            ours = environment.get("PYTHONPATH", "").split(os.pathsep)
            # A worker does not inherit PYTHONPATH, nor the folder we were started in.
            lent = any(Path(path).absolute() == root for path in ["", *ours])
            return Found(
                python=Path(sys.executable),
                package_path=root if lent else None,
                how="in the Python of structkit",
            )
    return None


def find_in_prefix(prefix: Path) -> Found | None:
    """Return the GSAS-II of an installer's folder or conda environment, if any."""
    python = find_python(prefix)
    if python is None:
        return None
    for folder in (prefix / "GSAS-II" / "GSASII", prefix / "GSASII"):
        if (folder / _SCRIPTABLE).is_file():
            root = _to_import(folder)
            return Found(python=python, package_path=root, how=f"in {prefix}")
    for pattern in ("lib/python3*/site-packages", "Lib/site-packages"):
        for packages in sorted(prefix.glob(pattern)):
            if (packages / "GSASII" / _SCRIPTABLE).is_file():
                return Found(python=python, how=f"in {prefix}")
    return None


def find_python(prefix: Path) -> Path | None:
    """Return the interpreter of a folder, if it has one."""
    for name in ("bin/python", "bin/python3", "python.exe", "Scripts/python.exe"):
        if _is_program(prefix / name):
            return prefix / name
    return None


def list_prefixes(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield the folders that GSAS-II's installers and conda use, likeliest first.

    Parameters
    ----------
    environment : mapping of str to str
        Names the roots of conda, and of Windows' folders.
    home : Path
        The user's folder.
    """
    roots = [home, home / "Applications", home / "AppData" / "Local", *_shared_roots()]
    roots += [Path(environment[n]) for n in ("ProgramData",) if environment.get(n)]
    for root in roots:
        for name in _FOLDERS:
            yield root / name
    condas = [Path(environment[n]) for n in _CONDA_VARIABLES if environment.get(n)]
    condas += [root / name for root in roots for name in _CONDAS]
    condas += [home / ".conda"]
    for conda in dict.fromkeys(condas):
        yield conda
        yield from _list_folders(conda / "envs")


def _shared_roots() -> list[Path]:
    """Return where programs for all users go."""
    if sys.platform == "win32":
        return [Path("C:/"), Path("C:/Program Files")]
    return [Path("/opt"), Path("/usr/local"), Path("/Applications")]


def _list_folders(folder: Path) -> list[Path]:
    """Return what lies in a folder; nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _take_named(path: Path, what: str) -> Found:
    """Return what the user named, or say why that cannot be it."""
    path = path.expanduser()
    how = f"through {what}"
    if path.is_dir():
        found = find_in_prefix(path)
        python = find_python(path)
        if found is None and python is None:
            raise EngineUnavailableError(
                f"{what} is a folder without Python; name the Python that runs "
                f"GSAS-II, such as {path / 'bin' / 'python'}. {_HINT}"
            )
        if found is not None:
            return Found(
                python=found.python,
                package_path=found.package_path,
                how=how,
                named=True,
            )
        path = python if python is not None else path
    if not _is_program(path):
        state = "cannot be executed" if path.exists() else "does not exist"
        raise EngineUnavailableError(f"{what}: that file {state}. {_HINT}")
    return Found(python=path, package_path=_beside(path), how=how, named=True)


def _beside(python: Path) -> Path | None:
    """Return what to put on the path of an interpreter within an installation."""
    prefix = python.parent.parent if python.parent.name == "bin" else python.parent
    found = find_in_prefix(prefix)
    return None if found is None else found.package_path


def _to_import(folder: Path) -> Path:
    """Return what to put on ``sys.path``: an old GSAS-II is no package."""
    return folder.parent if (folder / "__init__.py").is_file() else folder


def _is_program(path: Path) -> bool:
    """Return whether a file is there and may be executed."""
    return path.is_file() and os.access(path, os.X_OK)


def _home() -> Path:
    """Return the user's folder; an empty place where there is none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def _stamp(python: Path) -> int:
    """Return when an interpreter was last changed; 0 where it is gone."""
    try:
        return python.stat().st_mtime_ns
    except OSError:
        return 0


def _tell_failure(found: Found, error: FitError) -> str:
    """Return why a GSAS-II does not work, and what to do."""
    said = str(error)
    if isinstance(error, WorkerLostError):
        said = "; ".join([error.reason, *error.log_lines[-1:]])
    mend = f"Mend it ({INSTALLATION_PAGE}) or name another with {OVERRIDE}"
    hint = _HINT if found.named else mend
    return f"{found.python}, found {found.how}, does not work: {said}. {hint}"


@lru_cache(maxsize=16)
def _probe(found: Found, script: Path, stamp: int, timeout: float) -> str:
    """Return the version of a GSAS-II that works; ``stamp`` is there for the cache."""
    del stamp
    command = found.to_command(script)
    with WorkerProcess(command, start_timeout=START_TIMEOUT) as worker:
        seen = worker.ask("probe", timeout, folder=str(worker.scratch))
        if not seen.get("largest", 0.0) > 0.0:
            raise FitError("it simulated a pattern without intensity")
        return str(worker.hello.get("gsas2", "unknown"))
