"""What is written for GSAS-II and said to it, field by field of the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.gsas2.conventions import (
    displacement_to_gsas2,
    size_to_um,
    strain_to_gsas2,
)
from refinement.engines.gsas2.job import Job, check_plan, prepare_job
from refinement.engines.gsas2.options import Gsas2Options
from refinement.engines.halo import place_halo
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.options import NativeOptions
from refinement.plan import Phase, RefinementPlan, Stage
from refinement.result import RefinementResult
from structkit.errors import PlanError
from structkit.schema import FitStatus, make_pattern
from structkit.structures import library
from structkit.structures.cif import read_cif
from structkit.structures.crystal import Cell
from structkit.xrd.background import Film, Halo, film_transmission
from structkit.xrd.instrument import Instrument
from structkit.xrd.instrument_files import format_instprm, read_instrument
from structkit.xrd.radiation import tube
from structkit.xrd.simulate import SimulatedPhase, Surroundings, simulate_pattern

Floats = NDArray[np.float64]
INSTRUMENT = Instrument(
    radiation=tube("CuKa"), w=0.006, axial_divergence=0.01, zero=0.01, calibrated=True
)
NAMES = ("NaCl", "Na2O")
GRID = np.round(np.arange(20.0, 50.0, 0.05), 6)
WRITTEN = 1e-9
"""Relative: ten digits are written."""
VARIANCE = 8.0 * np.log(2.0)
"""FWHM squared over variance."""
OPTIONS = Gsas2Options()


@pytest.fixture(scope="module")
def pattern() -> xr.Dataset:
    phases = [
        SimulatedPhase(structure=library.load(name), weight_fraction=0.5, size=300.0)
        for name in NAMES
    ]
    found = simulate_pattern(
        phases,
        instrument=INSTRUMENT,
        two_theta=GRID,
        surroundings=Surroundings(
            background=(300.0,), halos=(Halo(center=30.0, fwhm=9.0, height=400.0),)
        ),
        seed=1,
    )
    return make_pattern(GRID, found["intensity"].to_numpy())


def make_plan(**options: Any) -> RefinementPlan:
    phases = tuple(Phase(structure=library.load(name)) for name in NAMES)
    return RefinementPlan(
        **({"phases": phases, "instrument": INSTRUMENT, "halo": False} | options)
    )


@pytest.fixture(scope="module")
def native(pattern: xr.Dataset) -> RefinementResult:
    """Return the native fit, with its halo."""
    return NativeEngine().refine(pattern, make_plan(halo=True))


@pytest.fixture
def prepare(pattern: xr.Dataset, native: RefinementResult, tmp_path: Path) -> Any:
    """Return what makes a job of plan and options."""

    def make(plan: RefinementPlan, options: Gsas2Options = OPTIONS, **more: Any) -> Job:
        folder = tmp_path / "s7"
        folder.mkdir(exist_ok=True)
        return prepare_job(
            more.pop("pattern", pattern),
            plan,
            options,
            folder=folder,
            **({"native": native} | more),
        )

    return make


def columns(job: Job, key: str = "pattern") -> Floats:
    return np.loadtxt(job.script.request[key]).T


def test_the_pattern_is_written_with_its_esds(
    prepare: Any, pattern: xr.Dataset
) -> None:
    job = prepare(make_plan())
    angles, intensity, std = columns(job)
    counts = pattern["intensity"].to_numpy()
    assert angles == pytest.approx(GRID, rel=WRITTEN)
    assert intensity == pytest.approx(counts, rel=WRITTEN)
    assert std == pytest.approx(np.sqrt(np.maximum(counts, 1.0)), rel=WRITTEN)
    assert job.angles == pytest.approx(GRID)
    assert job.std == pytest.approx(std, rel=WRITTEN)


def test_names_and_folder_are_the_jobs_own(prepare: Any, tmp_path: Path) -> None:
    request = prepare(make_plan()).script.request
    assert request["name"] == "s7"
    paths = [request["pattern"], request["instrument"]]
    paths += [row["cif"] for row in request["phases"]]
    assert len(set(paths)) == 4
    for path in paths:
        assert Path(path).parent == tmp_path / "s7" == Path(request["folder"])
        assert Path(path).is_file()
    assert request["geometry"] == "Bragg-Brentano"
    assert request["radius_mm"] == OPTIONS.goniometer_radius_mm


def test_structures_are_written_under_the_plans_names(prepare: Any) -> None:
    plan = make_plan()
    renamed = replace(library.load("NaCl"), name="salt's best (β)")
    plan = replace(plan, phases=(Phase(structure=renamed), plan.phases[1]))
    nothing = RefinementResult.failure("native", "", plan.phase_names)
    job = prepare(plan, native=nothing)
    rows = job.script.request["phases"]
    assert [row["name"] for row in rows] == ["salt's best (β)", "Na2O"]
    for row, phase, structure in zip(
        rows, plan.phases, job.script.structures, strict=True
    ):
        read = read_cif(row["cif"])
        assert read.atom_counts == phase.structure.atom_counts
        assert structure.name == row["name"]
        kinds = Path(row["cif"]).read_text()
        assert "+" not in kinds.split("_atom_site_U_iso_or_equiv")[1]


def test_the_instrument_is_the_plans(prepare: Any) -> None:
    job = prepare(make_plan())
    again = read_instrument(job.script.request["instrument"])
    assert again.w == pytest.approx(INSTRUMENT.w)
    assert again.axial_divergence == pytest.approx(INSTRUMENT.axial_divergence)
    assert job.script.values["zero"] == INSTRUMENT.zero
    w = 1e4 * INSTRUMENT.w / VARIANCE
    assert job.script.values["w"] == job.script.least_w == pytest.approx(w)


def test_the_users_own_instrument_is_copied_and_not_overruled(
    prepare: Any, tmp_path: Path
) -> None:
    own = tmp_path / "mine.instprm"
    own.write_text("# mine\n" + format_instprm(replace(INSTRUMENT, w=0.02)))
    options = Gsas2Options(instrument_file=own)
    job = prepare(make_plan(), options)
    assert Path(job.script.request["instrument"]).read_text() == own.read_text()
    assert "w" not in job.script.values
    assert "zero" not in job.script.values


def test_an_instrument_file_that_is_not_there_is_named(
    prepare: Any, tmp_path: Path
) -> None:
    options = Gsas2Options(instrument_file=tmp_path / "none.instprm")
    with pytest.raises(PlanError, match=r"instrument file .*none\.instprm"):
        prepare(make_plan(), options)


def test_limits_lie_just_outside_the_range(prepare: Any) -> None:
    job = prepare(make_plan(two_theta_range=(25.0, 45.0)))
    low, high = job.script.request["limits"]
    assert low < 25.0 < low + 1e-3
    assert high - 1e-3 < 45.0 < high
    assert (job.angles[0], job.angles[-1]) == (25.0, 45.0)
    assert columns(job)[0][[0, -1]].tolist() == [25.0, 45.0]


def test_excluded_ranges_are_told_and_their_points_left_out(prepare: Any) -> None:
    ranges = ((10.0, 15.0), (31.0, 32.5), (44.0, 60.0))
    job = prepare(make_plan(exclude=ranges))
    # What is wholly outside is not told: GSAS-II refuses ranges it does not have.
    assert job.script.request["excluded"] == [[31.0, 32.5]]
    assert job.script.request["limits"][1] == pytest.approx(43.95, abs=1e-3)
    inside = (GRID < 31.0) | ((GRID > 32.5) & (GRID < 44.0))
    assert job.angles.tolist() == GRID[inside].tolist()
    assert columns(job)[0].size == int((GRID < 44.0).sum())
    for name in ("intensity", "std", "transmission"):
        assert getattr(job, name).size == job.angles.size


def test_a_film_is_divided_out_and_its_esds_with_it(
    prepare: Any, pattern: xr.Dataset
) -> None:
    job = prepare(make_plan(film_thickness_um=50.0))
    through = film_transmission(GRID, Film(thickness=50.0))
    counts = pattern["intensity"].to_numpy()
    _, intensity, std = columns(job)
    assert intensity == pytest.approx(counts / through, rel=WRITTEN)
    assert std == pytest.approx(np.sqrt(counts) / through, rel=WRITTEN)
    # The result shows what was measured.
    assert job.intensity == pytest.approx(counts)
    assert job.std == pytest.approx(np.sqrt(counts))
    assert job.transmission == pytest.approx(through)


def test_the_background_starts_below_the_pattern(prepare: Any) -> None:
    job = prepare(make_plan(background_terms=4))
    first, *rest = job.script.request["background"]
    assert rest == [0.0, 0.0, 0.0]
    assert 0.0 < first < np.min(job.intensity)
    assert job.script.values["background"] == [first, *rest]


def test_the_halo_becomes_background_peaks_in_gsas2s_units(
    prepare: Any, native: RefinementResult
) -> None:
    job = prepare(make_plan(halo=True, humps=(24.0,)))
    expected = place_halo(native)
    assert job.n_halo == len(expected) > 0
    *halo, hump = job.script.request["peaks"]
    for (center, area, variance), peak in zip(halo, expected, strict=True):
        assert center == peak.center
        assert area == pytest.approx(100.0 * peak.area)
        assert variance == pytest.approx(1e4 * peak.fwhm**2 / VARIANCE)
    assert hump[0] == 24.0
    assert hump[2] == pytest.approx(1e4 * NativeOptions().hump_fwhm ** 2 / VARIANCE)
    assert job.script.values["peaks"] == job.script.request["peaks"]


def test_without_halo_no_peaks(prepare: Any) -> None:
    job = prepare(make_plan())
    assert job.n_halo == 0
    assert job.script.request["peaks"] == []


def test_a_blank_is_written_as_a_pattern_of_its_own(prepare: Any) -> None:
    axis = np.arange(10.0, 60.0, 0.1)
    blank = make_pattern(axis, 100.0 + axis)
    job = prepare(make_plan(blank=blank, humps=(24.0,)))
    angles, intensity, _ = columns(job, "blank")
    assert angles == pytest.approx(GRID)
    shape = (100.0 + GRID) / (100.0 + GRID[-1])
    assert intensity / intensity.max() == pytest.approx(shape)
    assert intensity.max() == pytest.approx(job.intensity.max())
    hump, column = job.known
    assert column == pytest.approx(shape)
    assert hump.max() == pytest.approx(1.0)
    assert job.n_halo == 0
    assert prepare(make_plan()).known.shape == (0, GRID.size)
    assert prepare(make_plan()).script.request["blank"] is None


def test_a_blank_that_is_too_short_is_refused(prepare: Any) -> None:
    blank = make_pattern(np.arange(30.0, 60.0, 0.1), np.ones(300))
    with pytest.raises(PlanError, match="blank covers"):
        prepare(make_plan(blank=blank))


def test_texture_models_are_told(prepare: Any) -> None:
    salt, oxide = make_plan().phases
    phases = (
        replace(salt, texture=(1, 1, 0)),
        replace(oxide, texture=(0, 0, 1), texture_model="harmonics"),
    )
    rows = prepare(make_plan(phases=phases)).script.request["phases"]
    assert rows[0]["texture"] == {"model": "march-dollase", "axis": [1, 1, 0]}
    assert rows[1]["texture"]["model"] == "harmonics"
    assert rows[1]["texture"]["order"] % 2 == 0
    rows = prepare(make_plan()).script.request["phases"]
    assert [row["texture"] for row in rows] == [None, None]


def test_an_uncertain_cell_is_the_native_engines(
    prepare: Any, native: RefinementResult
) -> None:
    found = native.parameters.assign(cell_a=native.parameters["cell_a"] * 1.01)
    found["cell_b"] = found["cell_c"] = found["cell_a"]
    known = replace(native, parameters=found)
    salt, oxide = make_plan().phases
    plan = make_plan(phases=(replace(salt, cell_uncertain=True), oxide))
    job = prepare(plan, native=known)
    expected = float(found["cell_a"].sel(phase="NaCl"))
    values = job.script.values["phases"]
    assert values["NaCl"]["cell"][:3] == pytest.approx([expected] * 3)
    assert values["Na2O"]["cell"][0] == pytest.approx(oxide.structure.cell.a)
    read = read_cif(job.script.request["phases"][0]["cif"])
    assert read.cell.a == pytest.approx(expected, rel=1e-6)


def test_a_cold_start_begins_where_plan_or_native_fit_say(
    prepare: Any, native: RefinementResult
) -> None:
    salt, oxide = make_plan().phases
    phases = (replace(salt, size=500.0, microstrain=2e-3), oxide)
    values = prepare(make_plan(phases=phases)).script.values["phases"]
    assert values["NaCl"]["size"] == pytest.approx(size_to_um(50.0))
    assert values["NaCl"]["strain"] == pytest.approx(strain_to_gsas2(2e-3))
    row = native.parameters.sel(phase="Na2O")
    assert values["Na2O"]["size"] == pytest.approx(size_to_um(float(row["size_nm"])))
    for row in values.values():
        assert (row["scale"], row["march"]) == (1.0, 1.0)
    assert prepare(make_plan()).script.warm is None


def test_a_native_fit_that_failed_is_no_obstacle(prepare: Any) -> None:
    nothing = RefinementResult.failure("native", "for a reason", NAMES)
    salt, oxide = make_plan().phases
    phases = (replace(salt, cell_uncertain=True), oxide)
    job = prepare(make_plan(phases=phases, halo=True), native=nothing)
    values = job.script.values["phases"]
    assert all(0.005 < row["size"] < 1.0 for row in values.values())
    assert values["NaCl"]["cell"] == list(salt.structure.cell.parameters)
    assert job.n_halo == 0


def make_neighbour(**changes: Any) -> RefinementResult:
    values: dict[str, Any] = {
        "size_nm": ("phase", [45.0, 12.0]),
        "size_nm_std": ("phase", [1.0, np.nan]),
        "microstrain": ("phase", [1e-3, 2e-3]),
        "microstrain_std": ("phase", [1e-4, np.nan]),
        "march_dollase": ("phase", [0.8, np.nan]),
        "march_dollase_std": ("phase", [0.02, np.nan]),
        "cell_a_std": ("phase", [1e-4, np.nan]),
        "scale": ("phase", [1.0, 1.0]),
        "scale_std": ("phase", [0.01, 0.01]),
        "displacement": 0.02,
        "zero": 0.005,
        "values": ("parameter", [1.0, 40.0]),
        "parameter_name": ("parameter", ["0:0:Scale", ":0:W"]),
    }
    for key in ("a", "b", "c"):
        values[f"cell_{key}"] = ("phase", [5.65, 5.56])
    for key in ("alpha", "beta", "gamma"):
        values[f"cell_{key}"] = ("phase", [90.0, 90.0])
    return RefinementResult(
        engine="gsas2",
        status=FitStatus.CONVERGED,
        reason="",
        parameters=xr.Dataset(values | changes, coords={"phase": list(NAMES)}),
        curves=xr.Dataset(),
        reflections=xr.Dataset(),
        recipe={},
    )


def test_a_warm_start_takes_a_neighbours_values(prepare: Any) -> None:
    instrument = replace(INSTRUMENT, calibrated=False)
    script = prepare(make_plan(instrument=instrument), start=make_neighbour()).script
    cold, warm = script.values, script.warm
    salt, oxide = warm["phases"]["NaCl"], warm["phases"]["Na2O"]
    assert salt["size"] == pytest.approx(size_to_um(45.0))
    assert salt["strain"] == pytest.approx(strain_to_gsas2(1e-3))
    assert salt["march"] == 0.8
    assert salt["cell"] == [5.65, 5.65, 5.65, 90.0, 90.0, 90.0]
    # What the neighbour did not refine begins as in a cold start.
    assert oxide == cold["phases"]["Na2O"]
    radius = OPTIONS.goniometer_radius_mm
    assert warm["shift"] == pytest.approx(displacement_to_gsas2(0.02, radius))
    assert warm["zero"] == INSTRUMENT.zero
    assert warm["w"] == 40.0
    assert cold["shift"] == 0.0
    assert cold["phases"]["NaCl"]["march"] == 1.0


def test_a_warm_start_moves_only_what_the_plan_refines(prepare: Any) -> None:
    script = prepare(make_plan(shift="zero"), start=make_neighbour()).script
    assert script.warm["zero"] == pytest.approx(INSTRUMENT.zero + 0.005)
    assert script.warm["shift"] == 0.0
    assert script.warm["w"] == script.values["w"]
    fixed = prepare(make_plan(shift="fixed"), start=make_neighbour()).script
    assert fixed.warm["zero"] == INSTRUMENT.zero
    assert fixed.warm["shift"] == 0.0


def test_how_well_the_native_engine_fits_is_told(
    prepare: Any, native: RefinementResult
) -> None:
    expected = 100.0 * float(native.parameters["r_wp"])
    assert prepare(make_plan()).script.reached_r_wp == pytest.approx(expected)
    nothing = RefinementResult.failure("native", "", NAMES)
    assert np.isnan(prepare(make_plan(), native=nothing).script.reached_r_wp)


def test_a_native_result_is_a_warm_start_too(
    prepare: Any, native: RefinementResult
) -> None:
    warm = prepare(make_plan(), start=native).script.warm
    row = native.parameters.sel(phase="NaCl")
    assert warm["phases"]["NaCl"]["cell"][0] == pytest.approx(float(row["cell_a"]))
    assert warm["phases"]["NaCl"]["size"] == pytest.approx(
        size_to_um(float(row["size_nm"]))
    )
    expected = displacement_to_gsas2(
        float(native.parameters["displacement"]), OPTIONS.goniometer_radius_mm
    )
    assert warm["shift"] == pytest.approx(expected)
    assert all(np.isfinite(v) for p in warm["phases"].values() for v in p["cell"])


def test_an_uncertain_cell_follows_a_neighbour_that_saw_the_phase(
    prepare: Any, native: RefinementResult
) -> None:
    salt, oxide = make_plan().phases
    plan = make_plan(phases=(replace(salt, cell_uncertain=True), oxide))
    clear = prepare(plan, start=make_neighbour()).script
    assert clear.values["phases"]["NaCl"]["cell"][0] == 5.65
    weak = make_neighbour(scale_std=("phase", [0.5, 0.01]))
    unclear = prepare(plan, start=weak).script
    expected = float(native.parameters["cell_a"].sel(phase="NaCl"))
    assert unclear.values["phases"]["NaCl"]["cell"][0] == pytest.approx(expected)


def odd_structure() -> Any:
    return replace(library.load("NaCl"), operations=("x,y,z", "-x+1/3,-y,-z"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"phases": (Phase(structure=library.load("NaCl")),
                     Phase(structure=library.load("Na2O"), refine_b_overall=True))},
         r"phases\[1\]\.refine_b_overall \(Na2O\): .* set it to False"),
        ({"stages": (Stage(name="odd", free=frozenset({"instrument"})),)},
         r"stages: 'odd' frees the instrument"),
        ({"instrument": Instrument(radiation=tube("CuKa5"))},
         r"instrument\.radiation: CuKa5 has 5 lines"),
        ({"phases": (Phase(structure=odd_structure()),)},
         r"phases: NaCl: .* tabulated space group"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_and_named(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        check_plan(make_plan(**options), OPTIONS)


def test_a_tube_of_many_lines_may_come_with_an_instrument_file(tmp_path: Path) -> None:
    plan = make_plan(instrument=Instrument(radiation=tube("CuKa5")))
    check_plan(plan, Gsas2Options(instrument_file=tmp_path / "mine.instprm"))
    check_plan(make_plan(), OPTIONS)


def test_cells_are_told_as_six_numbers(prepare: Any) -> None:
    cell = Cell(a=5.0, b=6.0, c=7.0, beta=99.0)
    odd = replace(
        library.load("NaCl"), operations=("x,y,z",), space_group="P 1", cell=cell
    )
    sites = tuple(replace(site, multiplicity=1) for site in odd.sites)
    phases = (Phase(structure=replace(odd, sites=sites)), make_plan().phases[1])
    values = prepare(make_plan(phases=phases)).script.values["phases"]
    assert values["NaCl"]["cell"] == [5.0, 6.0, 7.0, 90.0, 99.0, 90.0]
