from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import xarray as xr

from structkit.cli.__main__ import main

BAD_SERIES = """
[series]
name = "several mistakes"
[xrd]
rnge = [10, 20]
[[xrd.phase]]
name = "NaCl"
[[sample]]
id = "a"
milling_time = "15 mn"
xrd = "absent.xye"
"""


def results(status: str = "converged") -> xr.Dataset:
    return xr.Dataset(
        {
            "weight_fraction_crystalline": (("sample", "phase"), [[0.7, 0.3]]),
            "weight_fraction_crystalline_std": (("sample", "phase"), [[0.01, 0.02]]),
            "r_wp_percent": ("sample", [9.87]),
            "crystalline_area_fraction": ("sample", [0.81]),
            "crystalline_area_fraction_std": ("sample", [0.03]),
            "status": ("sample", [status]),
        },
        coords={
            "sample": ["10N-15min"],
            "phase": ["CsBr", "PbBr2"],
            "milling_time": ("sample", [0.25]),
        },
    )


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for the pipeline and keep what it was asked."""
    made: list[dict[str, Any]] = []

    def run_refinement(series_file: Path, output: Path, **options: Any) -> xr.Dataset:
        made.append({"series_file": series_file, "output": output, **options})
        return results("failed" if series_file.name == "failing.toml" else "converged")

    fake = ModuleType("structkit.pipeline.diffraction")
    fake.run_refinement = run_refinement  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "structkit.pipeline.diffraction", fake)
    return made


def test_one_call_then_a_short_table(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    options = ["--engine", "native", "--jobs", "2", "--no-resume"]
    assert main(["refine", "series.toml", "-o", str(output), *options]) == 0
    assert calls == [
        {
            "series_file": Path("series.toml"),
            "output": output,
            "engine": "native",
            "resume": False,
            "jobs": 2,
        }
    ]
    header, row, where = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["sample", "t/h", "Rwp/%", "crystalline"]
    shown = ["10N-15min", "0.25", "9.9", "0.81(3)", "0.70(1)", "0.30(2)", "converged"]
    assert row.split() == shown
    assert str(output / "figures") in where


def test_when_every_pattern_fails_so_does_the_program(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["refine", "failing.toml", "-o", str(tmp_path / "out")]) == 1
    assert "no pattern could be refined" in capsys.readouterr().err
    assert len(calls) == 1


@pytest.mark.parametrize("output", ["taken", "taken/below"])
def test_output_that_cannot_be_written_is_found_before_any_work(
    output: str,
    calls: list[dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "taken").write_text("not a folder")
    assert main(["refine", "series.toml", "-o", str(tmp_path / output)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("structkit: error: cannot write ")
    assert "is a file; give a folder" in shown
    assert len(shown.splitlines()) == 1
    assert not calls


def test_checking_the_output_leaves_no_trace(
    calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert main(["refine", "series.toml", "-o", str(tmp_path / "a" / "b")]) == 0
    assert calls
    assert not list(tmp_path.iterdir())


def test_series_file_with_several_mistakes_lists_them_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "series.toml"
    path.write_text(BAD_SERIES)
    assert main(["refine", str(path), "-o", str(tmp_path / "out")]) == 1
    first, *mistakes = capsys.readouterr().err.splitlines()
    assert first == f"structkit: error: {path} has 3 mistakes:"
    assert [line.split(":")[0].strip() for line in mistakes] == [
        "xrd.rnge",
        "sample[0].milling_time (a)",
        "sample[0].xrd (a)",
    ]
    assert not (tmp_path / "out").exists()


def test_absent_series_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nothing.toml"
    assert main(["refine", str(path), "-o", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err
    assert shown == f"structkit: error: no series file {path}; check the path\n"
