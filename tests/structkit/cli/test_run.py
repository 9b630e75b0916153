"""``structkit run`` as a user meets it; the stages themselves are quick ones."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from structkit.cli import run as run_verb
from structkit.cli.__main__ import main
from structkit.cli.findings import format_findings, gather_findings
from structkit.errors import FitError
from structkit.pipeline import dependencies, provenance, run, stages
from structkit.pipeline.stages import STAGES, Stage, StageTask

SERIES = """
[series]
name = "quick"

[xrd]
[[xrd.phase]]
name = "NaCl"

[[sample]]
id = "a"
role = "unmilled"
xrd = "a.xy"

[[sample]]
id = "b"
milling_time = "2 h"
raman = "b.txt"
"""
TABLES = {
    "samples": [
        "sample,milling_time_h,amorphous_fraction,amorphous_fraction_std,"
        "amorphous_fraction_low,amorphous_fraction_high",
        "a,0.0,0.0123,0.02,0.0,0.06",
        "b,2.0,,,0.3,1.0",
    ],
    "conductivity": [
        "sample,temperature_K,history,contribution,sigma_S_per_cm,std",
        "b,248.15,,total,1e-5,1e-6",
        "b,298.15,,bulk,9e-3,1e-4",
        "b,298.15,,total,4.41e-3,1.2e-4",
    ],
    "arrhenius": [
        "sample,contribution,convention,activation_energy_eV,std,points",
        "b,total,ln_sigma,0.3,0.004,all",
        "b,total,ln_sigma_T,0.325,0.004,all",
    ],
    "nmr_composition": [
        "sample,quantity,value,std,low,high",
        "b,x_equation_1,0.09,0.01,,",
        "b,x,0.06,0.01,0.045,0.09",
    ],
    "t1": [
        "sample,site,temperature_K,t1_s,std,t1_low_s,t1_high_s,chosen",
        "b,NTOC,298.0,0.0021,0.0001,,,0",
        "b,NTOC,298.0,0.0015,0.0001,0.0013,0.0018,1",
        "b,NaCl,298.0,3.0,0.5,,,1",
    ],
    "index": [
        "sample,milling_time_h,index,variant,value,low,high,headline",
        "b,2.0,AI_X,struct,0.5,0.3,0.7,0",
        "b,2.0,AI_lat,struct,0.62,0.55,0.7,1",
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "series.toml").write_text(SERIES)
    for name in ("a.xy", "b.txt"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """Put stages in place that write an empty file; those named here fail."""
    wrong: dict[str, Exception] = {}

    def quick(stage: Stage) -> Stage:
        def perform(task: StageTask) -> dict[str, int]:
            if stage.name in wrong:
                raise wrong[stage.name]
            for name in stage.results:
                (task.output / name).parent.mkdir(parents=True, exist_ok=True)
                (task.output / name).touch()
            return {}

        return replace(stage, run=perform)

    made = tuple(quick(stage) for stage in STAGES)
    for module in (stages, run, provenance, dependencies):
        monkeypatch.setattr(module, "STAGES", made)
    return wrong


def call(folder: Path, *options: str, output: str = "out") -> int:
    series = str(folder / "series.toml")
    jobs = [] if "--jobs" in options else ["--jobs", "1"]
    return main(["run", series, "-o", str(folder / output), *jobs, *options])


@pytest.mark.usefixtures("failing")
def test_one_line_a_stage_then_limits_and_the_report(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder) == 0
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("eis", "nmr", "refine", "raman", "checks", "audit", "index", "report")
    ]
    assert "skipped: no sample has eis or dc" in lines[0]
    assert lines[2].endswith(" s")
    assert "No NMR" in shown.out
    assert f"Report: {folder / 'out' / 'report.html'}" in shown.out
    assert call(folder) == 0
    assert "unchanged since" in capsys.readouterr().err


@pytest.mark.usefixtures("failing")
def test_quiet_says_nothing_on_the_way(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, "-q") == 0
    assert capsys.readouterr().err == ""


def test_a_failed_stage_is_told_and_the_rest_is_there(
    folder: Path, failing: dict[str, Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    failing["raman"] = FitError("no line in b.txt; measure again")
    assert call(folder) == 1
    shown = capsys.readouterr()
    assert "no line in b.txt; measure again" in shown.err
    assert "Failed: raman; the other stages are finished." in shown.out
    assert "Traceback" not in shown.err + shown.out
    assert (folder / "out" / "refine.nc").is_file()
    assert (folder / "out" / "report.html").is_file()


@pytest.mark.usefixtures("failing")
def test_from_and_only_name_stages(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder) == 0
    capsys.readouterr()
    assert call(folder, "--from", "index") == 0
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == [
        *("index", "report")
    ]
    assert call(folder, "--only", "raman", "--only", "refine") == 0
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == [
        *("refine", "raman")
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "ramn"], "no stage 'ramn'; did you mean 'raman'?"),
        (["--from", "rapport"], "did you mean 'report'?"),
        (["--only", "eis", "--from", "nmr"], "give --only or --from, not both"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(
    folder: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, *options) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (folder / "out").exists()


def test_mistakes_of_files_are_one_line_and_code_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "taken").write_text("")
    assert call(folder, output="taken") == 1
    assert "is a file; give a folder" in capsys.readouterr().err
    (folder / "b.txt").unlink()
    assert call(folder) == 1
    assert "no file 'b.txt'" in capsys.readouterr().err
    assert main(["run", str(folder / "none.toml"), "-o", str(folder / "out")]) == 1
    assert "no series file" in capsys.readouterr().err
    assert not (folder / "out").exists()


@pytest.mark.usefixtures("failing")
def test_check_runs_nothing_and_tells_what_changed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, "--check") == 1
    assert "provenance.json: there is none" in capsys.readouterr().err
    assert call(folder) == 0
    capsys.readouterr()
    assert call(folder, "--check") == 0
    assert "Nothing has changed" in capsys.readouterr().out
    (folder / "b.txt").write_text("other")
    assert call(folder, "--check") == 1
    assert capsys.readouterr().out == "b.txt has changed.\n"


@pytest.mark.usefixtures("failing")
def test_a_terminal_shows_the_same_lines_above_its_clocks(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_verb.sys.stderr, "isatty", lambda: True)
    assert call(folder) == 0
    error = capsys.readouterr().err
    assert "skipped: no sample has eis or dc" in error
    assert "raman   Raman spectra" in error


def write_tables(output: Path) -> None:
    for name, lines in TABLES.items():
        path = output / "tables" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


def test_findings_are_the_numbers_that_a_reader_asks_for(tmp_path: Path) -> None:
    write_tables(tmp_path)
    found = {(one.sample, one.quantity): one for one in gather_findings(tmp_path)}
    assert found["b", "sigma"].value == pytest.approx(4.41)
    assert found["b", "energy"].value == 0.325
    assert found["b", "x"].limits == (0.045, 0.09)
    assert found["b", "t1"].value == pytest.approx(1.5)
    assert found["b", "index"].value == 0.62
    lines = format_findings(tmp_path).splitlines()
    assert lines[1].split()[:4] == ["a", "0", "0.01(2)", "0.00..0.06"]
    assert lines[2].split() == [
        *("b", "2", "-", "0.30..1.00", "4.4(1)", "4.2..4.6", "0.325(4)"),
        *("0.317..0.333", "0.06(1)", "0.04..0.09", "1.5(1)", "1.3..1.8"),
        *("0.620", "0.550..0.700"),
    ]


def test_without_tables_there_are_no_findings(tmp_path: Path) -> None:
    assert gather_findings(tmp_path) == ()
    assert format_findings(tmp_path) == "No numbers were found."


@pytest.mark.usefixtures("failing")
def test_limits_are_a_table_that_others_read(folder: Path) -> None:
    assert call(folder) == 0
    path = folder / "out" / "tables" / "limits.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert set(rows[0]) == {"topic", "sentence"}
    assert {"eis", "nmr"} <= {row["topic"] for row in rows}
