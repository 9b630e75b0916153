"""From a series file to stored results: the contract of files, and the truth."""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

from refinement.engines.gsas2.engine import Gsas2Engine
from refinement.result import RefinementResult
from structkit.errors import (
    EngineUnavailableError,
    FitError,
    PlanError,
    ReadError,
    SeriesFileError,
)
from structkit.io.manifest import InstrumentTable, XrdTable, read_series
from structkit.pipeline.diffraction import build_plan, equip_engine, run_refinement
from structkit.store import read_tree
from structkit.synthetic.xrd import write_series

# The contract of the issue: later work extends it at the end, none breaks it.
PHASES = (
    "sample,milling_time_h,phase,weight_fraction_crystalline,"
    "weight_fraction_crystalline_std,weight_fraction_crystalline_systematic,"
    "detection_limit,scale,scale_std,relative_scale,size_nm,size_nm_std,microstrain,"
    "microstrain_std,cell_a,cell_b,cell_c,cell_alpha,cell_beta,cell_gamma"
).split(",")
PHASES += [f"cell_{key}_std" for key in ("a", "b", "c", "alpha", "beta", "gamma")]
SAMPLES = (
    "sample,milling_time_h,r_wp_percent,gof,status,reason,seconds,"
    "crystalline_area_fraction,crystalline_area_fraction_std,amorphous_fraction,"
    "amorphous_fraction_std,amorphous_fraction_low,amorphous_fraction_high,"
    "amorphous_method"
).split(",")
TIMES = (0.0, 2.0)


class Run(NamedTuple):
    series: Path
    output: Path
    table: xr.Dataset
    truth: xr.Dataset


def read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    return list(reader.fieldnames or []), rows


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Refine two synthetic samples with corundum weighed in."""
    folder = tmp_path_factory.mktemp("series")
    series = write_series(folder, times_h=TIMES, internal_standard=0.2)
    table = run_refinement(series, folder / "out")
    truth = xr.load_dataset(folder / "truth.nc", engine="h5netcdf")
    return Run(series, folder / "out", table, truth)


@pytest.fixture
def rewritten(run: Run, tmp_path: Path) -> Callable[..., Path]:
    """Return a copy of the series' folder with words of its file replaced."""

    def rewrite(*changes: tuple[str, str]) -> Path:
        for path in run.series.parent.iterdir():
            if path.is_file():
                shutil.copy(path, tmp_path / path.name)
        text = run.series.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "series.toml").write_text(text)
        return tmp_path / "series.toml"

    return rewrite


def table_of(path: Path) -> XrdTable:
    table = read_series(path).xrd
    assert table is not None
    return table


def test_files_of_the_contract(run: Run) -> None:
    files = {str(p.relative_to(run.output)) for p in run.output.rglob("*")}
    assert {"refine.nc", "tables/phases.csv", "tables/samples.csv"} <= files
    assert any(name.startswith("figures/") for name in files)
    assert not [name for name in files if name.endswith(".part")]


def test_columns_of_the_contract(run: Run) -> None:
    names, rows = read_csv(run.output / "tables" / "phases.csv")
    assert names[: len(PHASES)] == PHASES
    assert len(rows) == 2 * 4
    assert [row["sample"] for row in rows[::4]] == ["0h", "2h"]
    names, rows = read_csv(run.output / "tables" / "samples.csv")
    assert names[: len(SAMPLES)] == SAMPLES
    assert [float(row["milling_time_h"]) for row in rows] == list(TIMES)
    for row in rows:
        assert row["status"] in ("converged", "doubtful")
        assert 0.0 <= float(row["crystalline_area_fraction"]) <= 1.0
        assert 0.0 < float(row["r_wp_percent"]) < 15.0
        assert float(row["amorphous_fraction_std"]) > 0.0


def test_cells_that_are_unknown_are_empty(run: Run) -> None:
    _, rows = read_csv(run.output / "tables" / "phases.csv")
    cubic = next(row for row in rows if row["phase"] == "Na2O")
    assert cubic["cell_alpha_std"] == ""
    assert float(cubic["cell_a_std"]) > 0.0
    words = {value for row in rows for value in row.values()}
    assert not words & {"nan", "NaN", "None", "inf"}


def test_amorphous_content_is_near_the_truth(run: Run) -> None:
    found = run.table["amorphous_fraction"].to_numpy()
    std = run.table["amorphous_fraction_std"].to_numpy()
    truth = run.truth["amorphous_fraction"].to_numpy()
    assert (np.abs(found - truth) < 2.0 * std).all()
    assert (np.abs(found - truth) < 0.08).all()
    assert found[1] > found[0] + 0.4
    _, rows = read_csv(run.output / "tables" / "samples.csv")
    written = [float(row["amorphous_fraction"]) for row in rows]
    assert written == pytest.approx(found.tolist())


def test_fractions_and_cell_are_near_the_truth(run: Run) -> None:
    name = "weight_fraction_crystalline"
    found, truth = run.table[name], run.truth[name]
    total = np.hypot(run.table[f"{name}_std"], run.table[f"{name}_systematic"])
    # The film's thickness varies, of which the plan knows nothing.
    assert (np.abs(found - truth) < 2.0 * total + 0.02).all()
    cell = run.table["cell_a"].sel(phase="NaTaCl6").to_numpy()
    true = run.truth["cell_a"].sel(phase="NaTaCl6").to_numpy()
    assert cell[0] == pytest.approx(true[0], rel=2e-4)


def test_stored_tree_can_be_read_again(run: Run) -> None:
    tree = read_tree(run.output / "refine.nc")
    for attr in ("name", "axis", "engine", "software", "source_file", "source_sha256"):
        assert tree.attrs[attr]
    assert tree.attrs["instrument_calibrated"] == "true"
    assert "fitted to LaB6" in tree.attrs["instrument"]
    for name, variable in tree.to_dataset(inherit=False).data_vars.items():
        if variable.dtype.kind == "f":
            assert "units" in variable.attrs, name
    for sample in ("0h", "2h"):
        node = tree[sample]
        assert node.attrs["source_file"] == f"{sample}.xy"
        assert len(str(node.attrs["source_sha256"])) == 64
        assert node.attrs["reader"]
        result = RefinementResult.from_datatree(node)  # type: ignore[arg-type]
        assert result.status.has_values
        assert result.curves["observed"].attrs["units"] == "count"
        assert list(result.curves["phase"].to_numpy()) == list(tree["phase"].to_numpy())
        assert result.recipe["background"]
        assert result.recipe["amorphous_area"]


def test_what_is_returned_is_what_is_stored(run: Run) -> None:
    stored = read_tree(run.output / "refine.nc").to_dataset(inherit=False)
    for name in ("weight_fraction_crystalline", "amorphous_fraction", "r_wp_percent"):
        assert stored[name].to_numpy() == pytest.approx(run.table[name].to_numpy())


def test_a_second_run_resumes(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stamps = {p: p.stat().st_mtime_ns for p in (run.output / "patterns").iterdir()}
    assert len(stamps) == 2
    with caplog.at_level(logging.INFO, logger="refinement.series"):
        again = run_refinement(run.series, run.output)
    assert "2 of 2 results are unchanged" in caplog.text
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}
    name = "weight_fraction_crystalline"
    assert again[name].to_numpy() == pytest.approx(run.table[name].to_numpy())


def test_order_follows_the_axis_not_the_file(rewritten: Callable[..., Path]) -> None:
    """And a pattern that cannot be read is a row with its reason."""
    path = rewritten(
        ("film_thickness_um = 25.0", "range = [25.0, 60.0]"),
        ('id = "0h"\nmilling_time = "0 h"\nrole = "unmilled"', 'id = "late"'
         '\nmilling_time = "300 min"\nrole = "milled"'),
        ('xrd = "2h.xy"', 'xrd = "broken.xy"'),
        ('standard = "LaB6.xy"\nstandard_phase = "LaB6"\n', ""),
    )  # fmt: skip
    (path.parent / "broken.xy").write_text("")
    table = run_refinement(path, path.parent / "out")
    assert [str(name) for name in table["sample"].to_numpy()] == ["2h", "late"]
    assert table["milling_time"].to_numpy().tolist() == [2.0, 5.0]
    assert table["status"].to_numpy().tolist()[0] == "failed"
    assert "broken.xy" in str(table["reason"].to_numpy()[0])
    assert np.isnan(table["r_wp_percent"].to_numpy()[0])
    assert np.isfinite(table["r_wp_percent"].to_numpy()[1])
    assert table.attrs["instrument_calibrated"] == "false"


def test_every_key_reaches_the_plan(rewritten: Callable[..., Path]) -> None:
    path = rewritten(
        (
            "film_thickness_um = 25.0",
            "film_thickness_um = 25.0\nrange = [12.0, 75.0]\nexclude = [[30.0, 30.5]]\n"
            "background_terms = 4\nhumps = [20.0]\nparticle_size_um = 3.0\n"
            "halo = false",
        ),
        ('standard = "LaB6.xy"\nstandard_phase = "LaB6"\n',
         "monochromator_two_theta = 26.6\n"),
        ('name = "Na2O"',
         'name = "Na2O"\ntexture = [1, 1, 1]\ntexture_model = "harmonics"'),
        ('name = "NaCl"', 'name = "NaCl"\ntexture = [1, 0, 0]'),
    )  # fmt: skip
    plan = build_plan(table_of(path))
    assert plan.two_theta_range == (12.0, 75.0)
    assert plan.exclude == ((30.0, 30.5),)
    assert plan.background_terms == 4
    assert plan.humps == (20.0,)
    assert plan.particle_size_um == 3.0
    assert not plan.halo
    assert plan.film_thickness_um == 25.0
    assert plan.blank is not None
    assert plan.instrument.monochromator_two_theta == 26.6
    assert not plan.instrument.calibrated
    assert plan.phase_names == ("NaTaCl6", "NaCl", "Na2O", "corundum")
    by_name = {phase.name: phase for phase in plan.phases}
    assert by_name["NaTaCl6"].cell_uncertain
    assert by_name["NaCl"].texture == (1, 0, 0)
    assert by_name["NaCl"].texture_model == "march-dollase"
    assert by_name["Na2O"].texture_model == "harmonics"
    assert plan.internal_standard is not None
    assert plan.internal_standard.weight_fraction == 0.2


def test_harmonics_need_no_axis(rewritten: Callable[..., Path]) -> None:
    path = rewritten(
        ('standard = "LaB6.xy"\nstandard_phase = "LaB6"\n', ""),
        ('name = "Na2O"', 'name = "Na2O"\ntexture_model = "harmonics"'),
    )
    plan = build_plan(table_of(path))
    assert plan.phases[2].texture_model == "harmonics"
    assert plan.phases[2].texture is not None


def test_several_standards(rewritten: Callable[..., Path]) -> None:
    path = rewritten(
        ('standard = "LaB6.xy"', 'standard = ["LaB6.xy", "LaB6.xy"]'),
        ('standard_phase = "LaB6"', 'standard_phase = ["LaB6", "LaB6"]'),
    )
    lines = (path.parent / "LaB6.xy").read_text().splitlines(keepends=True)
    (path.parent / "LaB6.xy").write_text("".join([*lines[:3], *lines[3:2600:2]]))
    plan = build_plan(table_of(path))
    assert plan.instrument.calibrated
    assert "fitted to LaB6, LaB6" in plan.instrument.source


def test_own_cif_wins_over_the_library(
    rewritten: Callable[..., Path], repository: Path
) -> None:
    path = rewritten(
        ('standard = "LaB6.xy"\nstandard_phase = "LaB6"\n', ""),
        ('name = "NaCl"', 'name = "salt"\ncif = "own.cif"'),
    )
    text = (repository / "cifs" / "NaCl.cif").read_text()
    (path.parent / "own.cif").write_text(text.replace("5.6402", "5.6500"))
    plan = build_plan(table_of(path))
    assert plan.phases[1].name == "salt"
    assert plan.phases[1].structure.cell.a == pytest.approx(5.65)


def test_unknown_engine_is_refused_before_any_work(run: Run, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="did you mean 'native'"):
        run_refinement(run.series, tmp_path / "out", engine="natve")
    assert not (tmp_path / "out").exists()


def test_a_wavelength_that_the_file_denies(rewritten: Callable[..., Path]) -> None:
    path = rewritten(
        ('standard = "LaB6.xy"\nstandard_phase = "LaB6"\n', ""),
        ('tube = "CuKa"', 'tube = "MoKa"'),
    )
    with pytest.raises(PlanError, match=r"0h: its file states 1.54059 angstrom"):
        run_refinement(path, path.parent / "out")
    assert not (path.parent / "out").exists()


def test_when_every_pattern_fails_the_first_reason_is_told(
    rewritten: Callable[..., Path],
) -> None:
    path = rewritten(
        ('standard = "LaB6.xy"\nstandard_phase = "LaB6"\n', ""),
        ("film_thickness_um = 25.0", "range = [10.0, 10.5]"),
    )
    with pytest.raises(
        FitError, match=r"no pattern could be refined.*needs 50"
    ) as told:
        run_refinement(path, path.parent / "out")
    assert "\n" not in str(told.value)
    assert not (path.parent / "out" / "refine.nc").exists()


def test_a_series_without_patterns_says_what_to_add(tmp_path: Path) -> None:
    path = tmp_path / "series.toml"
    (tmp_path / "spot.txt").write_text("100 1\n")
    path.write_text(
        '[series]\nname = "x"\n[[sample]]\nid = "a"\nmilling_time = 1\n'
        'raman = "spot.txt"\n'
    )
    with pytest.raises(SeriesFileError, match=r"no \[xrd\] table; add one"):
        run_refinement(path, tmp_path / "out")
    phases = '[xrd]\n[[xrd.phase]]\nname = "NaCl"\n'
    path.write_text(path.read_text() + phases)
    with pytest.raises(SeriesFileError, match="no sample has an xrd file"):
        run_refinement(path, tmp_path / "out")


def test_absent_series_file(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no series file"):
        run_refinement(tmp_path / "none.toml", tmp_path / "out")


def test_gsas2_takes_the_users_own_instrument_file(tmp_path: Path) -> None:
    own = tmp_path / "mine.instprm"
    table = InstrumentTable.model_construct(file=own, standard=None)
    engine = equip_engine(Gsas2Engine(), table)
    assert isinstance(engine, Gsas2Engine)
    assert engine.options.instrument_file == own
    other = equip_engine(Gsas2Engine(), InstrumentTable.model_construct(tube="CuKa"))
    assert isinstance(other, Gsas2Engine)
    assert other.options.instrument_file is None


COMPONENTS = """
[[xrd.component]]
name = "late"
pattern = "{pattern}"
rir = 0.2
rir_std = 0.02
crystalline = false
[[xrd.component]]
name = "holder"
pattern = "film_blank.xy"
background = true
shift = false

[[sample]]
"""


def test_measured_components_go_into_the_plan_and_the_files(
    run: Run, rewritten: Callable[..., Path], tmp_path: Path
) -> None:
    """The last sample of the series as a component of the first."""
    late = read_series(run.series).samples[-1].xrd
    assert late is not None
    text = run.series.read_text()
    first, rest = text.split("\n[[sample]]\n", 1)
    only = rest.split("[[sample]]")[0]
    added = COMPONENTS.format(pattern=late.name)
    series = rewritten((text, first.replace("blank =", "# blank =") + added + only))
    plan = build_plan(table_of(series))
    assert plan.component_names == ("late", "holder")
    assert [part.background for part in plan.components] == [False, True]
    assert (plan.components[0].rir, plan.components[0].rir_std) == (0.2, 0.02)
    table = run_refinement(series, tmp_path / "out")
    assert str(table["amorphous_method"].item()) == "measured_component"
    assert float(table["amorphous_fraction_low"][0]) == 0.0
    stored = read_tree(tmp_path / "out" / "refine.nc")
    node = stored[str(table["sample"].item())]
    again = RefinementResult.from_datatree(node)
    assert again.parameters["component_amount"].shape == (2,)
    assert again.curves["measured_curve"].shape[0] == 2
    assert "late (sample" in again.recipe["components"]
