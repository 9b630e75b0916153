"""The worker itself, before an imitation of GSAS-II that has its traps."""

from __future__ import annotations

import ast
import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refinement.engines.gsas2.discovery import WORKER
from refinement.engines.gsas2.process import (
    WorkerCommand,
    WorkerLostError,
    WorkerProcess,
    WorkerRefusedError,
)

STUB = Path(__file__).with_name("stub")
LONG = 30.0
"""Time that is not meant to run out, in s."""
NAMES = ("AlphaSalt", "BetaSalt")
CIF = """data_{name}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_symmetry_multiplicity
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_adp_type
_atom_site_U_iso_or_equiv
Na1 {sodium} 4 0.1 0 0 1 0.01
Cl1 Cl 4 0.5 0.5 0.5 1 0.02
"""
INSTRUMENT = "#GSAS-II\nType:PXC\nLam:1.54\nZero:0.01\nU:1.0\nV:0.0\nW:5.0\nSH/L:0.02\n"
ANGLES = np.round(np.arange(20.0, 40.0, 0.1), 6)
FLAGS: dict[str, Any] = {"scale": list(NAMES), "background": False, "peaks": []}


@pytest.fixture
def command() -> WorkerCommand:
    arguments = ("--gsasii-path", str(STUB))
    return WorkerCommand(
        python=Path(sys.executable), script=WORKER, arguments=arguments
    )


@pytest.fixture
def worker(command: WorkerCommand) -> Iterator[WorkerProcess]:
    with WorkerProcess(command) as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "s0"
    made.mkdir()
    return made


def make_request(folder: Path, **changes: Any) -> dict[str, Any]:
    """Write a job's files and return the fields of ``open``."""
    lines = [f"{angle} {100 + n % 7} 10" for n, angle in enumerate(ANGLES)]
    (folder / "pattern.xye").write_text("\n".join(lines) + "\n")
    (folder / "lab.instprm").write_text(INSTRUMENT)
    rows = []
    for name in NAMES:
        (folder / f"{name}.cif").write_text(CIF.format(name=name, sodium="Na"))
        cif = str(folder / f"{name}.cif")
        rows.append({"name": name, "cif": cif, "texture": None})
    return {
        "folder": str(folder),
        "name": folder.name,
        "pattern": str(folder / "pattern.xye"),
        "instrument": str(folder / "lab.instprm"),
        "blank": None,
        "phases": rows,
        "geometry": "Bragg-Brentano",
        "radius_mm": 200.0,
        "limits": [22.0, 38.0],
        "excluded": [[30.0, 31.0]],
        "background": [50.0, 0.0, 0.0],
        "peaks": [[28.0, 1000.0, 40000.0]],
    } | changes


def open_job(worker: WorkerProcess, folder: Path, **changes: Any) -> dict[str, Any]:
    worker.switch_log(folder / "gsas2.log")
    return worker.ask("open", LONG, **make_request(folder, **changes))


def run_stage(worker: WorkerProcess, **flags: Any) -> dict[str, Any]:
    free = FLAGS | flags
    return worker.ask("stage", LONG, free=free, cycles=3, tolerance=1e-3)


def plan_actions(folder: Path, *actions: Any) -> None:
    """Tell the imitation what its next refinements do."""
    (folder / "stub.json").write_text(json.dumps(actions))


def load_project(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # noqa: S301 - made by this test


def scales(report: dict[str, Any]) -> list[float]:
    return [report["state"]["phases"][name]["scale"] for name in NAMES]


def test_it_says_hello_with_versions(worker: WorkerProcess) -> None:
    assert worker.hello["gsas2"] == "v0.0.stub"
    assert Path(worker.hello["path"]) == STUB / "GSASII"
    assert worker.hello["numpy"] == np.__version__


def test_without_gsas2_it_says_so() -> None:
    command = WorkerCommand(
        python=Path(sys.executable),
        script=WORKER,
        arguments=("--gsasii-path", str(STUB / "nowhere")),
    )
    with pytest.raises(WorkerRefusedError, match="GSASIIscriptable") as refused:
        WorkerProcess(command)
    assert refused.value.kind == "ModuleNotFoundError"


def test_it_needs_nothing_of_structkit() -> None:
    """It runs in another Python: standard library, numpy and GSAS-II only."""
    tree = ast.parse(WORKER.read_text())
    modules = [
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    roots = {name.split(".")[0] for name in modules}
    assert {"numpy", "json"} <= roots
    assert roots - {"numpy", "__future__"} <= sys.stdlib_module_names


def test_a_probe_simulates_a_pattern(worker: WorkerProcess, folder: Path) -> None:
    told = worker.ask("probe", LONG, folder=str(folder))
    assert told["largest"] > 0.0
    assert told["reflections"] == 1


def test_a_job_is_described_as_understood(worker: WorkerProcess, folder: Path) -> None:
    told = open_job(worker, folder)
    assert told["points"] == ANGLES.size
    alpha = told["phases"]["AlphaSalt"]
    assert alpha["elements"] == {"Na": 4.0, "Cl": 4.0}
    assert alpha["inversion"] is True
    assert alpha["operations"] == [[np.eye(3).tolist(), [0.0, 0.0, 0.0]]]
    assert alpha["space_group"] == "P -1"


def test_misread_atoms_show_in_the_description(
    worker: WorkerProcess, folder: Path
) -> None:
    """Trap 3: what comes back is what GSAS-II has, not what the file says."""
    request = make_request(folder)
    (folder / "AlphaSalt.cif").write_text(CIF.format(name="A", sodium="Na+"))
    told = worker.ask("open", LONG, **request)
    assert told["phases"]["AlphaSalt"]["elements"] == {"N": 4.0, "Cl": 4.0}


def test_what_is_flagged_is_refined_and_nothing_else(
    worker: WorkerProcess, folder: Path
) -> None:
    open_job(worker, folder)
    report = run_stage(worker)
    assert report["varied"] == ["0:0:Scale", "1:0:Scale"]
    assert report["values"] == [1.25, 1.25]
    assert report["esd"] == [0.01, 0.02]
    assert report["covariance"] == [[pytest.approx(1e-4), 0], [0, pytest.approx(4e-4)]]
    assert report["last_shifts"] == [0.001, 0.001]
    assert report["rvals"]["Rwp"] == 8.0
    assert (report["error"], report["returned_false"]) == ("", False)
    everything = run_stage(
        worker,
        background=True,
        peaks=[0],
        cell=["AlphaSalt"],
        size=["BetaSalt"],
        strain=["BetaSalt"],
        texture=["AlphaSalt"],
        shift="displacement",
        resolution=True,
        atoms={"BetaSalt": "XU"},
    )
    assert everything["varied"] == [
        *(f":0:Back;{n}" for n in range(3)),
        ":0:BkPkint;0",
        ":0:W",
        ":0:Shift",
        "0::A0",
        "0:0:Scale",
        "0:0:MD",
        "1:0:Scale",
        "1:0:Size;i",
        "1:0:Mustrain;i",
        "1::dAx:0",
        "1::AUiso:0",
        "1::dAx:1",
        "1::AUiso:1",
    ]
    assert run_stage(worker, shift="zero")["varied"][0] == ":0:Zero"


def test_each_background_peak_is_freed_and_set_by_its_number(
    worker: WorkerProcess, folder: Path
) -> None:
    peaks = [[25.0, 100.0, 4e4], [30.0, 200.0, 4e4], [35.0, 300.0, 4e4]]
    open_job(worker, folder, peaks=peaks)
    worker.ask("values", LONG, areas={"2": 0.0})
    report = run_stage(worker, peaks=[0, 1])
    assert report["varied"][:2] == [":0:BkPkint;0", ":0:BkPkint;1"]
    assert [row[1] for row in report["state"]["peaks"]] == [100.25, 200.25, 0.0]


def test_the_state_tells_all_values(worker: WorkerProcess, folder: Path) -> None:
    open_job(worker, folder)
    values = {
        "phases": {
            "AlphaSalt": {
                "scale": 2.0,
                "size": 0.05,
                "strain": 3000.0,
                "march": 0.8,
                "cell": [4.0, 5.0, 6.0, 90.0, 90.0, 90.0],
            }
        },
        "background": [10.0, 1.0, 0.5],
        "peaks": [[27.0, 900.0, 30000.0]],
        "shift": 12.0,
        "zero": 0.02,
        "w": 7.0,
    }
    worker.ask("values", LONG, **values)
    state = run_stage(worker, scale=[])["state"]
    alpha = state["phases"]["AlphaSalt"]
    for key, value in values["phases"]["AlphaSalt"].items():
        assert alpha[key] == value
    for key in ("background", "peaks", "shift", "zero", "w"):
        assert state[key] == values[key]
    assert alpha["mass"] == pytest.approx(4 * 22.99 + 4 * 35.45)
    assert alpha["cell_esd"] == [0.001] * 6
    assert [a["type"] for a in alpha["atoms"]] == ["Na", "Cl"]
    assert [a["u_iso"] for a in alpha["atoms"]] == [0.01, 0.02]
    saved = load_project(folder / "s0.gpx")
    assert saved["phases"]["AlphaSalt"]["General"]["Cell"][7] == pytest.approx(120.0)


@pytest.mark.parametrize("how", ["refuse", "raise"])
def test_a_failed_stage_has_no_figures_of_the_one_before(
    worker: WorkerProcess, folder: Path, how: str
) -> None:
    """Trap 1: nothing is raised, and the project holds the last covariance."""
    plan_actions(folder, "fit", how)
    open_job(worker, folder)
    assert run_stage(worker)["rvals"]["Rwp"] == 8.0
    report = run_stage(worker, cell=["AlphaSalt"])
    assert report["rvals"]["Rwp"] is None
    assert report["varied"] == report["values"] == report["esd"] == []
    assert report["covariance"] == []
    if how == "refuse":
        assert report["returned_false"] is True
        assert "singular matrix" in report["returned_message"]
        assert report["error"] == ""
    else:
        assert report["error"] == "ValueError: shapes (3,) (4,) not aligned"
        assert report["returned_false"] is False
    assert run_stage(worker)["rvals"]["Rwp"] == 8.0  # and it goes on


def test_an_exception_of_gsas2_is_told_with_its_class(
    worker: WorkerProcess, folder: Path
) -> None:
    """Trap 7: what does raise, is passed on."""
    plan_actions(folder, "no reflections")
    open_job(worker, folder)
    report = run_stage(worker)
    assert report["error"] == "G2Exception: no reflections in range for AlphaSalt"
    with pytest.raises(WorkerRefusedError, match="pattern") as refused:
        worker.ask("open", LONG, **make_request(folder, pattern="/no/pattern.xye"))
    assert refused.value.kind == "FileNotFoundError"


@pytest.mark.parametrize(
    ("op", "kind", "words"),
    [
        ("stage", "RuntimeError", "stage before open"),
        ("finish", "RuntimeError", "finish before open"),
        ("values", "RuntimeError", "values before open"),
    ],
)
def test_what_comes_too_early_is_refused(
    worker: WorkerProcess, op: str, kind: str, words: str
) -> None:
    with pytest.raises(WorkerRefusedError, match=words) as refused:
        worker.ask(op, LONG)
    assert refused.value.kind == kind


def test_an_unknown_operation_is_refused(worker: WorkerProcess, folder: Path) -> None:
    open_job(worker, folder)
    with pytest.raises(WorkerRefusedError, match="unknown operation 'dance'"):
        worker.ask("dance", LONG)
    assert scales(run_stage(worker)) == [1.25, 1.25]


def test_numbers_that_are_none_become_null(worker: WorkerProcess, folder: Path) -> None:
    """JSON has no NaN: a parser would refuse the answer, or read what is no number."""
    plan_actions(folder, "nan")
    open_job(worker, folder)
    report = run_stage(worker)
    assert report["esd"] == [None, 0.02]
    assert report["values"] == [1.25, None]
    assert report["covariance"][0][0] is None
    assert report["rvals"]["converged"] is True
    assert type(report["rvals"]["SVD0"]) is int


def test_messages_and_counts_of_gsas2_are_passed_on(
    worker: WorkerProcess, folder: Path
) -> None:
    message = "Error: 1 Parameter(s) dropped:\n0:0:Size;i"
    plan_actions(folder, {"msg": message, "SVD0": 2, "aborted": True, "Rwp": 12.5})
    open_job(worker, folder)
    rvals = run_stage(worker)["rvals"]
    assert rvals["msg"] == message
    assert (rvals["SVD0"], rvals["Aborted"], rvals["Rwp"]) == (2, True, 12.5)


def test_what_is_printed_lands_in_the_jobs_log_and_nowhere_else(
    worker: WorkerProcess, folder: Path
) -> None:
    """Trap 6: prints leak past SetPrintLevel, also those of compiled code."""
    open_job(worker, folder)
    run_stage(worker)
    run_stage(worker)
    log = (folder / "gsas2.log").read_text()
    assert log.count("a line of Python") == 2
    assert log.count("a line of compiled code") == 2
    worker.switch_log(None)
    worker.ask("probe", LONG, folder=str(folder))
    assert (folder / "gsas2.log").read_text() == log


def test_a_worker_that_dies_leaves_its_log(worker: WorkerProcess, folder: Path) -> None:
    plan_actions(folder, "exit")
    open_job(worker, folder)
    with pytest.raises(WorkerLostError, match="ended with exit code 3") as lost:
        run_stage(worker)
    assert lost.value.log_lines[-1] == "a line of compiled code"


def test_files_are_named_after_the_jobs_folder(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    """Trap 6: two jobs with files of the same name in one folder would collide."""
    for name in ("milled 5 h", "β-phase"):
        place = tmp_path / name
        place.mkdir()
        open_job(worker, place)
        run_stage(worker)
        worker.ask("keep", LONG)
        worker.ask("finish", LONG)
        made = {path.name for path in place.iterdir()}
        given = {"pattern.xye", "lab.instprm", *(f"{n}.cif" for n in NAMES)}
        assert made - given == {f"{name}.gpx", f"{name}.lst", "gsas2.log"}
    assert {path.name for path in tmp_path.iterdir()} >= {"milled 5 h", "β-phase"}


def test_going_back_undoes_a_stage(worker: WorkerProcess, folder: Path) -> None:
    open_job(worker, folder)
    kept = run_stage(worker)
    worker.ask("keep", LONG)
    moved = run_stage(worker, cell=["AlphaSalt"], resolution=True)
    assert scales(moved) == [1.5, 1.5]
    assert moved["state"]["w"] != kept["state"]["w"]
    worker.ask("revert", LONG)
    again = run_stage(worker, scale=[])["state"]
    assert again == kept["state"]
    # The next stage starts from what was kept, also the first time it is asked.
    assert scales(run_stage(worker)) == [1.5, 1.5]


def test_going_back_twice_ends_at_the_same_place(
    worker: WorkerProcess, folder: Path
) -> None:
    open_job(worker, folder)
    worker.ask("keep", LONG)
    for _ in range(2):
        assert scales(run_stage(worker)) == [1.25, 1.25]
        worker.ask("revert", LONG)


def test_the_end_shows_what_was_kept_not_what_was_tried(
    worker: WorkerProcess, folder: Path
) -> None:
    open_job(worker, folder)
    run_stage(worker)
    worker.ask("keep", LONG)
    run_stage(worker)
    told = worker.ask("finish", LONG)
    assert max(told["components"]["AlphaSalt"]) == pytest.approx(1.25)


def test_curves_are_inside_limits_and_outside_exclusions(
    worker: WorkerProcess, folder: Path
) -> None:
    open_job(worker, folder)
    worker.ask("values", LONG, phases={"AlphaSalt": {"scale": 40.0}})
    run_stage(worker)
    worker.ask("keep", LONG)
    told = worker.ask("finish", LONG)
    angles = np.array(told["two_theta"])
    wanted = (ANGLES >= 22.0) & (ANGLES <= 38.0) & ((ANGLES < 30.0) | (ANGLES > 31.0))
    assert angles.tolist() == ANGLES[wanted].tolist()
    for key in ("observed", "weight", "calculated", "background"):
        assert len(told[key]) == angles.size
    total = np.sum([told["components"][name] for name in NAMES], axis=0)
    calculated = np.array(told["calculated"])
    assert total + told["background"] == pytest.approx(calculated)
    centres = [angles[np.argmax(told["components"][name])] for name in NAMES]
    assert centres == pytest.approx([25.0, 32.0], abs=0.051)
    assert told["reflections"]["AlphaSalt"] == {
        "hkl": [[1, 0, 0]],
        "two_theta": [25.0],
    }


def test_a_single_phase_needs_no_second_calculation(
    worker: WorkerProcess, folder: Path
) -> None:
    plan_actions(folder, "fit", "exit")
    open_job(worker, folder, phases=make_request(folder)["phases"][:1])
    run_stage(worker, scale=["AlphaSalt"])
    worker.ask("keep", LONG)
    told = worker.ask("finish", LONG)
    assert list(told["components"]) == ["AlphaSalt"]
    assert max(told["components"]["AlphaSalt"]) == pytest.approx(1.25)


def test_a_blank_is_a_fixed_background(worker: WorkerProcess, folder: Path) -> None:
    lines = "\n".join(f"{angle} 50 5" for angle in ANGLES)
    (folder / "blank.xye").write_text(lines + "\n")
    open_job(worker, folder, blank=str(folder / "blank.xye"))
    report = run_stage(worker)
    assert report["varied"][0] == ":0:BF mult"
    assert report["state"]["blank"] == 0.25


def test_texture_is_set_up_as_asked(worker: WorkerProcess, folder: Path) -> None:
    rows = make_request(folder)["phases"]
    rows[0]["texture"] = {"model": "march-dollase", "axis": [1, 1, 0]}
    rows[1]["texture"] = {"model": "harmonics", "order": 4}
    open_job(worker, folder, phases=rows)
    phases = run_stage(worker)["state"]["phases"]
    assert phases["AlphaSalt"]["march"] == 1.0
    assert phases["BetaSalt"]["march"] is None
    assert phases["BetaSalt"]["harmonics"] == {"C(4,1)": 0.0}
    saved = load_project(folder / "s0.gpx")
    hap = saved["phases"]["AlphaSalt"]["Histograms"]["PWDR pattern.xye"]
    assert hap["Pref.Ori."][3] == [1, 1, 0]


class Trap:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_an_alien_project_is_never_loaded(
    worker: WorkerProcess, folder: Path, tmp_path: Path
) -> None:
    """Trap 8: a .gpx is a pickle, and runs what its maker wanted."""
    sprung = tmp_path / "sprung"
    for name in ("s0.gpx", "s0.good", "partials.gpx", "partials.bin", "other.gpx"):
        (folder / name).write_bytes(pickle.dumps(Trap(sprung)))
    # Had the calculation of components failed, what lay there would be read.
    plan_actions(folder, "fit", "refuse")
    open_job(worker, folder)
    run_stage(worker)
    worker.ask("revert", LONG)
    with pytest.raises(WorkerRefusedError, match=r"no curves .* singular matrix"):
        worker.ask("finish", LONG)
    assert not sprung.exists()
    load_project(folder / "other.gpx")
    assert sprung.exists()  # the trap works
