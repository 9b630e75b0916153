"""Stages in order, what is kept, what fails: with quick stages in place of the real."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from structkit.errors import FitError, OutputError, PlanError, ReadError
from structkit.pipeline import dependencies, perform, provenance, run, stages
from structkit.pipeline.provenance import (
    StageRecord,
    StageStatus,
    check_provenance,
    read_provenance,
)
from structkit.pipeline.run import EARLIER, RunResult, run_series
from structkit.pipeline.stages import STAGES, Stage, StageTask, choose_stages
from structkit.store import sha256_of

SERIES = """
[series]
name = "quick"
mixture = { NaCl = 1 }

[xrd]
[[xrd.phase]]
name = "NaCl"

[[sample]]
id = "a"
role = "unmilled"
xrd = "a.xy"
raman = "a.txt"

[[sample]]
id = "b"
milling_time = "2 h"
eis = "b.csv"
"""
MEASURED = ["refine", "raman", "eis"]
RAN = [*MEASURED, "checks", "index", "report"]
"""Stages of the series above that have something to do."""


@dataclass
class Bench:
    """A series in a folder, stages that only write a line, and what was run."""

    folder: Path
    done: list[str] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)
    tasks: dict[str, StageTask] = field(default_factory=dict)

    @property
    def series(self) -> Path:
        return self.folder / "series.toml"

    @property
    def output(self) -> Path:
        return self.folder / "out"

    def run(self, **options: object) -> RunResult:
        self.done.clear()
        options.setdefault("jobs", 1)
        return run_series(self.series, self.output, **options)  # type: ignore[arg-type]

    def status(self, name: str) -> StageStatus:
        return self.record(name).status

    def record(self, name: str) -> StageRecord:
        known = read_provenance(self.output)
        assert known is not None
        found = known.find_stage(name)
        assert found is not None
        return found


def quick(bench: Bench, name: str, files: tuple[str, ...]) -> Callable[..., object]:
    """Return a stage that writes its files, one line each that tells of its inputs."""

    def perform_quickly(task: StageTask) -> dict[str, int]:
        bench.done.append(name)
        bench.tasks[name] = task
        if name in bench.failing:
            raise bench.failing[name]
        for file in files:
            path = task.output / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} {(bench.folder / 'a.txt').read_text()}\n")
        return {"draws": 7} if name == "eis" else {}

    return perform_quickly


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(folder=tmp_path)
    (tmp_path / "series.toml").write_text(SERIES)
    for name in ("a.xy", "a.txt", "b.csv"):
        (tmp_path / name).write_text(f"{name}\n")
    further = {"refine": ("patterns/a.nc",), "raman": ("tables/raman_bands.csv",)}
    quick_ones = tuple(
        replace(
            one, run=quick(made, one.name, (*one.results, *further.get(one.name, ())))
        )
        for one in STAGES
    )
    for module in (stages, run, provenance, dependencies):
        monkeypatch.setattr(module, "STAGES", quick_ones)
    return made


def test_stages_are_one_tuple_in_the_order_of_the_data() -> None:
    names = [stage.name for stage in STAGES]
    assert names == [
        *("refine", "raman", "eis", "nmr"),
        *("checks", "audit", "index", "report"),
    ]
    for place, stage in enumerate(STAGES):
        assert set(stage.after) <= set(names[:place])


def test_all_measured_stages_run_in_order_and_the_others_are_skipped(
    bench: Bench,
) -> None:
    result = bench.run()
    assert bench.done == RAN
    assert not result.failed
    assert bench.status("nmr") is StageStatus.ABSENT
    assert bench.record("nmr").reason == "no sample has nmr or t1"
    assert "[series] claims" in bench.record("audit").reason
    assert (bench.output / "tables" / "limits.csv").is_file()


def test_nothing_runs_twice(bench: Bench) -> None:
    bench.run()
    first = bench.record("raman")
    result = bench.run()
    assert bench.done == []
    assert bench.record("raman") == replace(first, status=StageStatus.UNCHANGED)
    assert [one.status for one in result.stages].count(StageStatus.UNCHANGED) == 6


def test_a_changed_file_runs_its_stage_and_those_after(bench: Bench) -> None:
    bench.run()
    (bench.folder / "a.txt").write_text("measured again\n")
    bench.run()
    assert bench.done == ["raman", "index", "report"]


def test_a_changed_table_runs_its_readers_alone_where_their_results_stay(
    bench: Bench,
) -> None:
    bench.run()
    bench.series.write_text(f"{SERIES}\n[eis]\ntemperature_std_k = 2.0\n")
    bench.run()
    assert bench.done == ["eis", "checks"]  # both read it; what they wrote is the same


def test_a_moved_folder_is_the_same_series(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in [*bench.folder.glob("*.*"), bench.output]:
        path.rename(moved / path.name)
    bench.folder = moved
    bench.run()
    assert bench.done == []


@pytest.mark.parametrize("name", ["raman.nc", "tables/raman_bands.csv"])
def test_a_lost_or_broken_file_is_made_again(bench: Bench, name: str) -> None:
    bench.run()
    whole = sha256_of(bench.output / name)
    (bench.output / name).write_bytes(b"half a f")
    bench.run()
    assert bench.done == ["raman"]
    assert sha256_of(bench.output / name) == whole
    (bench.output / name).unlink()
    bench.run()
    assert bench.done == ["raman"]


def test_fresh_runs_all_and_lets_no_stage_resume(bench: Bench) -> None:
    bench.run()
    bench.run(resume=False)
    assert bench.done == RAN
    assert not bench.tasks["refine"].resume


def test_only_and_from_run_what_they_name(bench: Bench) -> None:
    bench.run()
    bench.run(stages=["eis"])
    assert bench.done == ["eis"]
    result = bench.run(stages=["index", "report"])
    assert bench.done == ["index", "report"]
    assert [one.name for one in result.stages] == ["index", "report"]
    assert bench.status("raman") is StageStatus.DONE


def test_a_stage_that_does_not_exist_is_refused_with_the_nearest(bench: Bench) -> None:
    with pytest.raises(PlanError, match="did you mean 'raman'"):
        bench.run(stages=["ramn"])
    assert not bench.output.exists()


def test_a_failure_stops_no_other_stage(bench: Bench) -> None:
    bench.failing["raman"] = FitError("no spectrum could be used")
    result = bench.run()
    assert bench.done == RAN
    assert [one.name for one in result.failed] == ["raman"]
    assert bench.record("raman").reason == "no spectrum could be used"
    assert any("raman failed: no spectrum" in one.sentence for one in result.limits)
    bench.failing.clear()
    bench.run()
    assert bench.done == ["raman", "index", "report"]


def test_an_error_of_ours_has_its_kind_and_its_traceback_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bench.failing["eis"] = ZeroDivisionError("by zero")
    bench.run()
    assert bench.record("eis").reason.startswith("ZeroDivisionError: by zero")
    assert "Traceback" in caplog.text


def test_results_of_other_data_are_set_aside_when_the_stage_fails(
    bench: Bench,
) -> None:
    bench.run()
    old = (bench.output / "raman.nc").read_bytes()
    (bench.folder / "a.txt").write_text("worse\n")
    bench.failing["raman"] = FitError("no band")
    bench.run()
    assert not (bench.output / "raman.nc").exists()
    assert (bench.output / EARLIER / "raman" / "raman.nc").read_bytes() == old
    assert "raman.nc of an earlier run moved to earlier/raman" in (
        bench.record("raman").reason
    )


def test_results_of_the_same_data_stay_when_the_stage_fails(bench: Bench) -> None:
    bench.run()
    bench.failing["raman"] = FitError("out of luck")
    bench.run(stages=["raman"])
    assert (bench.output / "raman.nc").is_file()
    assert bench.status("raman") is StageStatus.FAILED


def test_results_of_a_technique_that_was_dropped_are_set_aside(bench: Bench) -> None:
    bench.run()
    bench.series.write_text(SERIES.replace('raman = "a.txt"\n', ""))
    bench.run()
    assert not (bench.output / "raman.nc").exists()
    assert (bench.output / EARLIER / "raman" / "tables" / "raman_bands.csv").is_file()
    assert bench.status("raman") is StageStatus.ABSENT
    assert bench.done == ["index", "report"]


def test_files_that_a_stage_no_longer_writes_are_set_aside_but_not_its_steps(
    bench: Bench,
) -> None:
    bench.run()
    for name in ("figures/fits/gone.png", "patterns/gone.nc"):
        (bench.output / name).parent.mkdir(parents=True, exist_ok=True)
        (bench.output / name).write_text("of a sample that was renamed")
    bench.run(stages=["refine"])
    assert not (bench.output / "figures" / "fits" / "gone.png").exists()
    assert (bench.output / "patterns" / "gone.nc").is_file()


def test_new_source_lets_no_step_be_resumed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run()
    bench.run(stages=["refine"])
    assert bench.tasks["refine"].resume
    for module in (run, dependencies):
        monkeypatch.setattr(module, "digest_stage_source", lambda _stage: "new")
    bench.run()
    assert bench.done == RAN
    assert not bench.tasks["refine"].resume


def test_a_folder_of_another_series_is_refused_and_replaced_when_asked(
    bench: Bench,
) -> None:
    bench.run()
    bench.series.write_text(SERIES.replace('"quick"', '"another"'))
    with pytest.raises(OutputError, match=r"holds results of 'quick'.*--fresh"):
        bench.run()
    with pytest.raises(OutputError, match="run all stages with --fresh"):
        bench.run(stages=["eis"], resume=False)
    assert bench.record("refine").status is StageStatus.DONE
    bench.run(resume=False)
    assert bench.done == RAN
    assert (bench.output / EARLIER / "refine" / "patterns" / "a.nc").is_file()


def test_a_file_in_place_of_the_folder_is_refused(bench: Bench) -> None:
    bench.output.write_text("not a folder")
    with pytest.raises(OutputError, match="is a file"):
        bench.run()


def test_broken_provenance_says_what_to_do(bench: Bench) -> None:
    bench.run()
    (bench.output / "provenance.json").write_text("{")
    with pytest.raises(ReadError, match=r"provenance\.json.*--fresh"):
        bench.run()
    bench.run(resume=False)
    assert bench.done == RAN
    (bench.output / "provenance.json").write_text('{"format": 99}')
    with pytest.raises(ReadError, match="another version"):
        bench.run()
    (bench.output / "provenance.json").write_text('{"format": 1, "stages": [4]}')
    with pytest.raises(ReadError, match="not as structkit writes it"):
        bench.run()


def test_a_vanished_measurement_is_named_before_anything_runs(bench: Bench) -> None:
    bench.run()
    (bench.folder / "b.csv").unlink()
    with pytest.raises(Exception, match=r"sample\[1\]\.eis.*b\.csv"):
        bench.run()
    assert bench.done == []


def test_an_interrupt_leaves_a_record_and_whole_files(bench: Bench) -> None:
    bench.failing["eis"] = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    assert bench.status("raman") is StageStatus.DONE
    assert bench.status("eis") is StageStatus.INTERRUPTED
    bench.failing.clear()
    bench.run()
    assert bench.done == ["eis", "checks", "index", "report"]


def test_provenance_tells_what_repeats_the_run(bench: Bench) -> None:
    bench.run(data={"kind": "synthetic", "seed": 5})
    text = (bench.output / "provenance.json").read_text()
    found = json.loads(text)
    assert found["series_sha256"] == sha256_of(bench.series)
    assert {one["path"] for one in found["inputs"]} == {"a.xy", "a.txt", "b.csv"}
    (spectrum,) = [one for one in found["inputs"] if one["path"] == "a.txt"]
    assert spectrum["sha256"] == sha256_of(bench.folder / "a.txt")
    assert spectrum["bytes"] == (bench.folder / "a.txt").stat().st_size
    assert found["stages"]["eis"]["seeds"] == {"draws": 7}
    assert found["stages"]["raman"]["inputs"] == ["a.txt"]
    outputs = found["stages"]["raman"]["outputs"]
    assert outputs["raman.nc"] == sha256_of(bench.output / "raman.nc")
    assert found["data"] == {"kind": "synthetic", "seed": 5}
    assert found["software"].startswith("structkit ")
    assert "numpy" in found["packages"]
    for private in (str(bench.folder), os.uname().nodename, str(Path.home())):
        assert private not in text
    bench.run()
    assert (
        json.loads((bench.output / "provenance.json").read_text())["data"]["seed"] == 5
    )


def test_absolute_paths_are_told_by_their_names(bench: Bench) -> None:
    bench.series.write_text(
        SERIES.replace('"a.xy"', f'"{(bench.folder.parent / "far.xy").as_posix()}"')
    )
    (bench.folder.parent / "far.xy").write_text("far\n")
    bench.run()
    assert "far.xy" in [one.path for one in read_known(bench).inputs]
    assert str(bench.folder.parent) not in (
        (bench.output / "provenance.json").read_text()
    )


def read_known(bench: Bench) -> provenance.Provenance:
    known = read_provenance(bench.output)
    assert known is not None
    return known


def test_check_names_every_difference(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReadError, match="there is none; structkit run"):
        check_provenance(bench.output, bench.series)
    bench.run()
    assert check_provenance(bench.output, bench.series) == []
    (bench.folder / "a.xy").write_text("changed")
    (bench.output / "eis.nc").write_text("changed")
    (bench.output / "raman.nc").unlink()
    bench.series.write_text(SERIES.replace('eis = "b.csv"', 'eis = "c.csv"'))
    (bench.folder / "c.csv").write_text("c")
    monkeypatch.setattr(provenance.platform, "python_version", lambda: "9.9")
    assert check_provenance(bench.output, bench.series) == [
        "series.toml has changed.",
        "a.xy has changed.",
        "c.csv is new.",
        "b.csv is no longer in the series.",
        f"Python is 9.9; it was {read_known(bench).python}.",
        "raman.nc is gone; raman had left it.",
        "eis.nc has changed since eis left it.",
    ]


def test_claims_are_audited_where_a_file_is_named(bench: Bench) -> None:
    (bench.folder / "claims.toml").write_text("# none")
    bench.series.write_text(
        SERIES.replace("[xrd]\n", 'claims = "claims.toml"\n[xrd]\n')
    )
    bench.run()
    assert bench.done == [*MEASURED, "checks", "audit", "index", "report"]
    assert bench.tasks["audit"].claims == bench.folder / "claims.toml"
    assert bench.record("audit").inputs == ("claims.toml",)
    (bench.folder / "claims.toml").write_text("# one")
    bench.run()
    assert bench.done == ["audit"]
    bench.run(claims="study")
    assert bench.tasks["audit"].claims == "study"
    assert bench.record("audit").options == {"claims": "study"}


def test_an_index_needs_results(bench: Bench) -> None:
    bench.failing |= dict.fromkeys(MEASURED, FitError("no"))  # type: ignore[arg-type]
    bench.run()
    assert bench.record("index").reason == "no results of refine, raman, eis, nmr"


def test_progress_tells_begin_and_end(bench: Bench) -> None:
    told: list[tuple[str, str]] = []
    bench.run(progress=lambda one: told.append((one.name, one.status.value)))
    assert told[:3] == [
        ("nmr", "not measured"),
        ("refine", "running"),
        ("refine", "done"),
    ]


def test_stages_share_the_processes_that_there_are(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Techniques go to a pool; what it is told is what each would get here."""

    class Here:
        def submit(
            self, work: Callable[..., object], *given: object, **options: object
        ):
            future: perform.Future[object] = perform.Future()
            future.set_result(work(*given, **options))
            return future

        def shutdown(self) -> None: ...

    opened: list[int] = []
    monkeypatch.setattr(run, "open_pool", lambda n: opened.append(n) or Here())
    bench.run(jobs=4)
    assert opened == [3]
    assert bench.tasks["refine"].jobs == 2
    assert bench.done == RAN
    bench.run(jobs=4, stages=["refine"])
    assert opened == [3]
    assert bench.tasks["refine"].jobs == 4


def test_a_process_that_dies_is_a_failure_of_its_stage() -> None:
    future: perform.Future[perform.Performed] = perform.Future()
    future.set_exception(perform.BrokenProcessPool("gone"))
    assert "--jobs 1" in perform.result_of(future).error


def test_doubts_are_kept_and_other_warnings_are_remarks() -> None:
    import warnings

    from structkit.errors import DataQualityWarning

    notes: list[perform.Note] = []
    with perform._collect(notes, logging.DEBUG):
        warnings.warn("doubtful", DataQualityWarning, stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.getLogger("elsewhere").error("wrong")
    assert (logging.WARNING, "doubtful") in notes
    assert (logging.DEBUG, "old") in notes
    assert (logging.ERROR, "wrong") in notes


def test_every_module_of_a_pipeline_belongs_to_a_stage() -> None:
    """What is forgotten in ``rooms`` would leave old results after a change."""
    root = Path(stages.__file__).parent
    rooms = {Path(room).name for one in STAGES for room in one.rooms}
    own = {f"{name}.py" for name in ("run", "stages", "perform", "provenance", "lock")}
    own |= {"dependencies.py", "limits.py", "__init__.py"}
    alone = {"comparison.py", "structure.py", "page.py"}  # verbs and a page
    assert {path.name for path in root.glob("*.py")} - own - alone <= rooms


def test_figures_are_an_option_of_the_techniques_that_draw(bench: Bench) -> None:
    bench.run()
    bench.run(figures=True)
    assert bench.done == MEASURED
    assert bench.tasks["eis"].figures
    assert bench.record("raman").options == {"figures": "drawn"}


def test_seeds_are_those_that_the_stages_draw_with() -> None:
    import inspect

    from structkit.checks.eis_nmr import SEED, check_motion

    assert inspect.signature(check_motion).parameters["seed"].default == SEED


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_source_of_every_stage_is_there(stage: Stage) -> None:
    root = Path(stages.__file__).parents[1]
    for room in (*stage.rooms, *stages.COMMON_ROOMS, *stages.READING_ROOMS):
        found = root / room
        installed = room == "../cifs" and (root / "structures" / "cifs").is_dir()
        assert found.exists() or installed, room


def test_stages_are_chosen_by_name_in_their_order() -> None:
    assert [one.name for one in choose_stages(["report", "nmr"])] == ["nmr", "report"]
