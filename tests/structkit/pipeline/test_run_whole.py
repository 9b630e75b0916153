"""A true run from files to the page, in processes, broken off, healed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from structkit.pipeline.provenance import StageStatus, check_provenance
from structkit.pipeline.run import RunResult, run_series
from structkit.store import read_tree
from structkit.synthetic.xrd import write_series

SPECTRUM = """\
[eis]
diameter_mm = 8.0
thickness_mm = 0.85
[[sample]]
id = "pellet"
milling_time = "2 h"
eis = { file = "pellet.csv", temperature = 25 }
"""
RELAXATION_HZ = 2.0e4
PATIENCE_S = 120.0
"""A loaded machine starts a process within it."""

pytestmark = pytest.mark.slow


def write_files(folder: Path) -> Path:
    """Write two patterns with corundum weighed in, and one spectrum of a pellet."""
    series = write_series(folder, times_h=(0.0, 2.0), internal_standard=0.2)
    rows = ["frequency_Hz,Z_real_ohm,Z_imag_ohm"]
    for step in range(41):
        hertz = 10.0 ** (0.15 * step)
        z = 500.0 / (1.0 + 1j * hertz / RELAXATION_HZ) + 1e5 / (1j * hertz) ** 0.9
        rows.append(f"{hertz:.6g},{z.real:.8g},{z.imag:.8g}")
    (folder / "pellet.csv").write_text("\n".join(rows) + "\n")
    series.write_text(series.read_text() + "\n" + SPECTRUM)
    return series


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    folder = tmp_path_factory.mktemp("whole")
    series = write_files(folder)
    return series, run_series(series, folder / "out", jobs=2)


def test_two_techniques_run_in_processes_to_the_page(
    made: tuple[Path, RunResult],
) -> None:
    series, result = made
    ended = {one.name: one.status for one in result.stages}
    assert ended == {
        "refine": StageStatus.DONE,
        "raman": StageStatus.ABSENT,
        "eis": StageStatus.DONE,
        "nmr": StageStatus.ABSENT,
        "checks": StageStatus.DONE,
        "audit": StageStatus.ABSENT,
        "index": StageStatus.DONE,
        "report": StageStatus.DONE,
    }
    for name in ("refine.nc", "crystallinity.nc", "eis.nc", "index.nc"):
        assert read_tree(result.output / name).attrs["name"]
    page = (result.output / "report.html").read_text(encoding="utf-8")
    assert "no consensus index" in page
    assert check_provenance(result.output, series) == []
    assert not list(result.output.rglob("*.part"))


def test_a_stage_file_cut_short_is_healed(made: tuple[Path, RunResult]) -> None:
    series, result = made
    names = ("refine.nc", "crystallinity.nc")
    for name in names:
        path = result.output / name
        path.write_bytes(path.read_bytes()[:1000])
    alone = run_series(series, result.output, jobs=1, stages=["index"])
    (failed,) = alone.failed
    assert "crystallinity.nc: not a netCDF file" in failed.reason
    assert "run the stage again" in failed.reason
    healed = run_series(series, result.output, jobs=1)
    assert not healed.failed
    for name in names:
        assert read_tree(result.output / name).attrs["name"]
    assert (result.output / "index.nc").is_file()


def test_an_interrupt_ends_the_processes_and_leaves_whole_files(
    tmp_path: Path,
) -> None:
    series, output = write_files(tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "structkit.cli.__main__", "run", str(series)]
    with subprocess.Popen(
        [*command, "-o", str(output)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        known, ends = output / "provenance.json", time.monotonic() + PATIENCE_S
        while time.monotonic() < ends and process.poll() is None:
            if known.is_file() and '"running"' in known.read_text():
                break
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "structkit: interrupted"
    assert "Traceback" not in error
    stages = json.loads(known.read_text())["stages"]
    assert stages["refine"]["status"] == "interrupted"
    assert not list(output.rglob("*.part"))
    for path in output.rglob("*.nc"):
        read_tree(path)
