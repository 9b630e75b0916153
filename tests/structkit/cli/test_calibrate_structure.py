from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

from refinement.engines.gsas2 import discovery
from refinement.engines.gsas2.calibrate import CalibratedStructures
from refinement.plan import Phase, RefinementPlan
from refinement.result import CELL_KEYS, RefinementResult, phase_variable, scalar
from structkit.cli.__main__ import main
from structkit.cli.calibrate_structure import format_calibration
from structkit.pipeline.structure import StructureCalibration
from structkit.schema import FitStatus
from structkit.structures import library
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.xrd import write_series
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

PHASES = ("rutile", "NaTaCl6")


def make_fit(
    r_wp: float, *, status: FitStatus = FitStatus.CONVERGED, reason: str = ""
) -> RefinementResult:
    cells = np.array([library.load(name).cell.parameters for name in PHASES])
    std = np.where(cells == 90.0, np.nan, 0.002)
    variables = {f"cell_{key}": cells[:, i] for i, key in enumerate(CELL_KEYS)}
    variables |= {f"cell_{key}_std": std[:, i] for i, key in enumerate(CELL_KEYS)}
    return RefinementResult(
        engine="gsas2 5.7.9",
        status=status,
        reason=reason,
        parameters=xr.Dataset(
            {name: phase_variable(name, column) for name, column in variables.items()}
            | {"r_wp": scalar("r_wp", r_wp)},
            coords={"phase": list(PHASES)},
        ),
        curves=xr.Dataset(),
        reflections=xr.Dataset(),
        recipe={},
    )


def move(structure: CrystalStructure) -> CrystalStructure:
    """Return the structure with its last atom 0.01 b further and a larger U."""
    last = structure.sites[-1]
    x, y, z = last.position
    last = replace(last, position=(x, y + 0.01, z), u_iso=last.u_iso + 0.0021)
    return replace(structure, sites=(*structure.sites[:-1], last))


def make_calibration(folder: Path, **options: Any) -> StructureCalibration:
    structures = {name: library.load(name) for name in PHASES}
    plan = RefinementPlan(
        phases=tuple(
            Phase(structure=structure, cell_uncertain=name == "NaTaCl6")
            for name, structure in structures.items()
        ),
        instrument=Instrument(radiation=tube("CuKa"), w=0.004),
    )
    calibrated = CalibratedStructures(
        structures={name: move(structure) for name, structure in structures.items()},
        before=make_fit(0.1234),
        result=make_fit(0.0987),
        refined={"rutile": "coordinates and U", "NaTaCl6": "coordinates (U as before)"},
        refused={"rutile": "", "NaTaCl6": "U: U -0.01 is impossible"},
    )
    return StructureCalibration(
        sample="15min",
        plan=plan,
        calibrated=replace(calibrated, **options),
        files={name: folder / "out" / f"{name}.cif" for name in PHASES},
        remarks={"rutile": ("O: U = 0.2 is large; is it B?",), "NaTaCl6": ()},
        folder=folder / "out" / "gsas2" / "15min",
        series_file=folder / "series.toml",
    )


def test_one_call_then_what_it_gained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: list[dict[str, Any]] = []
    found = make_calibration(tmp_path)

    def run(series_file: Path, output: Path, **options: Any) -> StructureCalibration:
        calls.append({"series_file": series_file, "output": output, **options})
        return found

    fake = ModuleType("structkit.pipeline.structure")
    fake.run_structure_calibration = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "structkit.pipeline.structure", fake)
    output = tmp_path / "out"
    arguments = ["calibrate-structure", "series.toml", "-o", str(output)]
    options = ["--sample", "15min", "--phase", "rutile", "--phase", "NaTaCl6"]
    assert main([*arguments, *options]) == 0
    assert calls == [
        {
            "series_file": Path("series.toml"),
            "output": output,
            "sample": "15min",
            "phases": PHASES,
        }
    ]
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == format_calibration(found).splitlines()
    assert str(found.folder) in last


def test_moves_cells_refusals_and_the_lines_to_use(tmp_path: Path) -> None:
    lines = format_calibration(make_calibration(tmp_path)).splitlines()
    assert lines[0] == "15min: Rwp 12.34 % -> 9.87 %"
    assert lines[1].split() == [
        *("phase", "refined", "move/Å", "|ΔU|/Å²", "a/Å", "b/Å", "c/Å", "beta/°")
    ]
    rutile, salt = library.load("rutile").cell, library.load("NaTaCl6").cell
    assert lines[2].split() == [
        *("rutile", "coordinates", "and", "U"),
        *(f"{0.01 * rutile.b:.3f}", "0.0021"),
        *("4.594(2)", "4.594(2)", "2.959(2)", "90.000"),
    ]
    assert lines[3].split()[-6] == f"{0.01 * salt.b:.3f}"
    assert lines[3].split()[-1] == f"{salt.beta:.3f}(2)"
    assert lines[4:] == [
        "NaTaCl6, refused: U: U -0.01 is impossible",
        "rutile: O: U = 0.2 is large; is it B?",
        "Lines for series.toml:",
        '  rutile: cif = "out/rutile.cif"',
        '  NaTaCl6: cif = "out/NaTaCl6.cif"',
        "  NaTaCl6: cell_uncertain can go, its cell was found",
    ]


def test_fit_that_did_not_converge_is_told(tmp_path: Path) -> None:
    fit = make_fit(0.1, status=FitStatus.NOT_CONVERGED, reason="it still moves")
    text = format_calibration(make_calibration(tmp_path, result=fit))
    assert "The fit with free atoms is not converged: it still moves" in text
    text = format_calibration(make_calibration(tmp_path, before=fit))
    assert "The fit before is not converged: it still moves" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--phase", "NaCl"], 2, "Missing option '--sample'"),
        (["--sample", "0h"], 2, "Missing option '--phase'"),
        (["--sample", "0H", "--phase", "NaCl"], 1, "did you mean '0h'?"),
        (["--sample", "0h", "--phase", "nacl"], 1, "did you mean 'NaCl'?"),
        (["--sample", "0h", "--phase", "NaCl"], 1, "error: engine gsas2: "),
    ],
)
def test_mistakes_and_absent_gsas2_are_one_message(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    series = write_series(tmp_path, times_h=(0.0,))
    absent = str(tmp_path / "no_python")
    monkeypatch.setenv(discovery.PYTHON_VARIABLE, absent)
    output = tmp_path / "out"
    given = ["calibrate-structure", str(series), "-o", str(output), *arguments]
    assert main(given) == code
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert not output.exists()


def test_output_that_is_a_file_is_refused_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("mine")
    given = ["calibrate-structure", "absent.toml", "-o", str(tmp_path / "out")]
    assert main([*given, "--sample", "a", "--phase", "b"]) == 1
    assert "is a file; give a folder" in capsys.readouterr().err
