from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

from refinement.comparison import compare_engines
from refinement.result import RefinementResult, phase_variable, scalar
from structkit.cli.__main__ import main
from structkit.cli.compare import format_engines, format_remarks
from structkit.schema import FitStatus
from structkit.synthetic.xrd import write_series

PHASES = ("NaCl", "CsBr")
COLUMNS = (
    "sample,phase,engine,weight_fraction_crystalline,"
    "weight_fraction_crystalline_std,cell_a,cell_b,cell_c,size_nm,r_wp_percent,"
    "seconds,status"
)


def make_result(share: float, r_wp: float = 0.1) -> RefinementResult:
    variables = {
        "weight_fraction_crystalline": phase_variable(
            "weight_fraction_crystalline", np.array([share, 1.0 - share])
        ),
        "weight_fraction_crystalline_std": phase_variable(
            "weight_fraction_crystalline_std", np.array([0.003, 0.003])
        ),
        "r_wp": scalar("r_wp", r_wp),
    }
    return RefinementResult(
        engine="made up",
        status=FitStatus.CONVERGED,
        reason="",
        parameters=xr.Dataset(variables, coords={"phase": list(PHASES)}),
        curves=xr.Dataset(),
        reflections=xr.Dataset(),
        recipe={},
    )


def make_table() -> xr.Dataset:
    failed = RefinementResult.failure("rietx", "the fit ran away", PHASES)
    return compare_engines(
        {
            "native": {"a": make_result(0.6), "b": make_result(0.4)},
            "gsas2": {"a": make_result(0.601, 0.12), "b": make_result(0.5)},
            "rietx": {"a": make_result(0.602, 0.11), "b": failed},
        }
    )


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for the pipeline and keep what it was asked."""
    made: list[dict[str, Any]] = []

    def run_comparison(series_file: Path, output: Path, **options: Any) -> xr.Dataset:
        made.append({"series_file": series_file, "output": output, **options})
        return make_table()

    fake = ModuleType("structkit.pipeline.comparison")
    fake.run_comparison = run_comparison  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "structkit.pipeline.comparison", fake)
    return made


def test_one_call_then_a_short_table(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    options = ["--engines", "native, gsas2,rietx", "--jobs", "2", "--no-resume"]
    assert main(["compare", "series.toml", "-o", str(output), *options]) == 0
    assert calls == [
        {
            "series_file": Path("series.toml"),
            "output": output,
            "engines": ("native", "gsas2", "rietx"),
            "resume": False,
            "jobs": 2,
        }
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == format_engines(make_table()).splitlines()
    assert lines[5:-1] == format_remarks(make_table()).splitlines()
    assert str(output / "figures") in lines[-1]


def test_all_engines_are_asked_by_default(
    calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert main(["compare", "series.toml", "-o", str(tmp_path)]) == 0
    assert calls[0]["engines"] == ("native", "gsas2", "rietx")
    assert calls[0]["resume"] is True


def test_table_has_values_differences_r_factors_and_verdicts() -> None:
    header, *rows = format_engines(make_table()).splitlines()
    assert header.split() == [
        *("sample", "phase", "native", "gsas2", "rietx"),
        *("Δ/esd", "gsas2", "Δ/esd", "rietx", "Rwp/%", "verdict"),
    ]
    assert rows[0].split() == [
        *("a", "NaCl", "0.600(3)", "0.601(3)", "0.602(3)", "0.2", "0.5"),
        *("10.0", "/", "12.0", "/", "11.0", "agree"),
    ]
    assert rows[1].split()[-2:] == ["-0.2", "-0.5"]
    assert rows[2].split() == [
        *("b", "NaCl", "0.400(3)", "0.500(3)", "-", "23.6", "-"),
        *("10.0", "/", "10.0", "/", "-", "gsas2", "differ,", "rietx", "unknown"),
    ]


def test_remarks_say_what_differs_and_what_failed() -> None:
    assert format_remarks(make_table()).splitlines() == [
        "b, gsas2: NaCl by +10.00 wt% (23.6 esd); CsBr by -10.00 wt% (23.6 esd)",
        "b, rietx: failed: the fit ran away",
    ]
    many = make_table()
    reasons = many["verdict_reason"].astype(object)
    reasons[1, 1] = "; ".join(f"phase {number}" for number in range(7))
    text = format_remarks(many.assign(verdict_reason=reasons))
    assert "phase 3; and 3 more, see compare.nc" in text
    same = {"one": {"a": make_result(0.5)}, "two": {"a": make_result(0.5)}}
    assert format_remarks(compare_engines(same)) == ""


@pytest.mark.parametrize(
    ("engines", "message"),
    [
        ("native", "needs two or more"),
        (" , ", "needs two or more"),
        ("native,rietx,native", "native is named twice"),
    ],
)
def test_lists_that_are_no_comparison_are_wrong_usage(
    engines: str,
    message: str,
    calls: list[dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["compare", "series.toml", "-o", str(tmp_path), "--engines", engines]
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not calls


def test_unknown_engine_is_one_line_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", "series.toml", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--engines", "native,rietex"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("structkit: error: no engine 'rietex'")
    assert line.endswith("did you mean 'rietx'?")
    assert not (tmp_path / "out").exists()


def test_engine_that_is_absent_is_told_with_its_remedy(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from refinement import engines

    make = engines._make_engine

    def absent(name: str) -> engines.Engine:
        if name == "native":
            return make(name)
        raise engines.EngineUnavailableError(f"engine {name}: get it from its page")

    monkeypatch.setattr(engines, "_make_engine", absent)
    series = write_series(tmp_path, times_h=(0.0,))
    arguments = ["compare", str(series), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--engines", "native,gsas2"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "structkit: error: a comparison needs two engines, and only 'native' remains; "
        "left out:",
        "  gsas2: get it from its page",
    ]
    assert not (tmp_path / "out").exists()
    other = make("native")
    other.name = "rietx"
    monkeypatch.setattr(
        engines, "_make_engine", lambda name: other if name == "rietx" else absent(name)
    )
    text = series.read_text().replace('standard = "LaB6.xy"\n', "")
    text = text.replace('standard_phase = "LaB6"\n', "")
    series.write_text(text.replace("[xrd]\n", "[xrd]\nrange = [25.0, 60.0]\n"))
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert shown.err == (
        "structkit: warning: gsas2 is left out: get it from its page\n"
    )
    assert "agree" in shown.out
    lines = (tmp_path / "out" / "tables" / "engines.csv").read_text().splitlines()
    assert lines[0] == COLUMNS
    assert {line.split(",")[2] for line in lines[1:]} == {"native", "rietx"}
    assert (tmp_path / "out" / "figures" / "engines.png").stat().st_size > 10_000
