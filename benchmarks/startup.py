"""Wall time of fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from benchmarks.timing import Timing, measure

ROOT = Path(__file__).resolve().parents[1]
_FIRST_FIT = [sys.executable, "-m", "benchmarks.first_fit"]


def time_import(repeats: int) -> Timing:
    """Time ``python -c "import structkit"``, the interpreter's own start included."""
    return _time([sys.executable, "-c", "import structkit"], repeats=repeats)


def time_help(repeats: int) -> Timing:
    """Time ``structkit --help``."""
    script = Path(sysconfig.get_path("scripts")) / "structkit"
    return _time([str(script), "--help"], repeats=repeats)


def time_first_fit(repeats: int) -> Timing:
    """Time reading and refining bench3 in a fresh process, compiled code on disk."""
    return _time(_FIRST_FIT, repeats=repeats)


def time_first_fit_ever() -> Timing:
    """Time the same where nothing was ever compiled: once after an installation."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = os.environ | {"NUMBA_CACHE_DIR": folder}
        return _time(_FIRST_FIT, repeats=1, warmups=0, environment=fresh)


def _time(
    command: list[str],
    *,
    repeats: int,
    warmups: int = 1,
    environment: dict[str, str] | None = None,
) -> Timing:
    """Time a command that must succeed."""

    def call() -> None:
        subprocess.run(
            command, check=True, cwd=ROOT, env=environment, capture_output=True
        )

    return measure(call, repeats=repeats, warmups=warmups)[0]
