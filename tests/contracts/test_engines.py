"""Every engine of ENGINES keeps the same contract, on the same simulated patterns."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from refinement.engines import ENGINES, Engine, EngineInfo, get_engine
from refinement.plan import Phase, RefinementPlan, Stage
from refinement.result import VARIABLES, RefinementResult, attributes
from structkit.errors import EngineUnavailableError, PlanError
from structkit.pipeline.diffraction import run_refinement
from structkit.schema import INTENSITY, PHASE, TWO_THETA, FitStatus
from structkit.structures import library
from structkit.synthetic.lines import Optics
from structkit.synthetic.mixture import SyntheticPhase, simulate_mixture
from structkit.synthetic.scattering import Glass
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

WEIGHTS = {"corundum": 0.5, "fluorite": 0.3, "zincite": 0.2}
SIZES_NM = {"corundum": 80.0, "fluorite": 30.0, "zincite": 15.0}
OPTICS = Optics(axial_divergence=0.002)
"""Narrow Soller slits: GSAS-II integrates over wide divergence too coarsely for broad
lines (docs/engines.md), by 1.2e-4 of a cell's edge at 0.012."""
GRID = np.round(20.0 + 0.04 * np.arange(1500), 6)
GLASS = Glass(composition={"Na": 3.0, "Ta": 1.0, "O": 1.0, "Cl": 6.0})
DISPLACEMENT_MM = 0.05

SIGMAS = 4.0
"""Standard uncertainties that a number may be off: one in 16000 by chance."""
SHAPE = 0.003
"""What a weight fraction may be off besides: the simulation draws true Voigt functions
with emission lines of finite width, engines draw pseudo-Voigts; 0.002 without noise."""
SIZE_SHARE = 0.2
"""Relative error of a size, for the same reason: strain and emission widths mix in."""
CELL_SHARE = 1e-4
"""Relative error of a cell edge: ten esds of the worst edge."""
ABSENT = 0.005
"""What an absent phase may be thought to be: five times its detection limit here."""
CLOSED = 1e-6
"""How exactly the curves must add up, relative to the highest point."""
WRONG = 1.04
"""Factor of the wrong cell's edges: beyond what a cell is refined by."""

CORE = (
    "weight_fraction_crystalline",
    "weight_fraction_crystalline_std",
    "detection_limit",
    "upper_limit",
    "scale",
    "scale_std",
    "absorption_factor",
    "size_nm",
    "size_nm_std",
    "microstrain",
    "microstrain_std",
    "cell_a",
    "cell_a_std",
    "cell_gamma",
    "r_wp",
    "r_p",
    "r_exp",
    "gof",
    "durbin_watson",
    "displacement",
    "displacement_std",
    "esd_reliable",
    "seconds",
)
CURVES = ("observed", "observed_std", "calculated", "background", "halo", "component")
OWN_VECTOR = {
    "values",
    "parameter_name",
    "varied",
    "covariance",
    "scale_covariance",
    "area_fraction_variants",
}
"""Variables beside VARIABLES that a result may have: the engine's own vector."""

each_engine = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.gsas2] if name == "gsas2" else [])
        for name in ENGINES
    ],
)


def engine_called(name: str) -> Engine:
    try:
        return get_engine(name)
    except EngineUnavailableError as error:
        pytest.skip(str(error))


def crystals() -> list[SyntheticPhase]:
    return [
        SyntheticPhase(
            structure=library.load(name),
            weight_fraction=weight,
            size_nm=SIZES_NM[name],
            microstrain=5e-4,
        )
        for name, weight in WEIGHTS.items()
    ]


@lru_cache
def simulated(case: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the pattern and the truth of a case."""
    phases, glass, seed = crystals(), None, 3
    if case == "small":
        phases[1], seed = replace(phases[1], size_nm=5.0), 4
    if case == "milled":
        phases = [replace(p, weight_fraction=0.6 * p.weight_fraction) for p in phases]
        glass, seed = GLASS, 5
    return simulate_mixture(
        phases,
        glass=glass,
        two_theta=GRID,
        optics=OPTICS,
        displacement_mm=DISPLACEMENT_MM,
        max_counts=8000.0,
        rng=np.random.default_rng(seed),
    )


@lru_cache
def plan_for(case: str) -> RefinementPlan:
    """Return the plan of a case, with the instrument as it truly is."""
    phases = [Phase(structure=library.load(name)) for name in WEIGHTS]
    if case == "absent":
        phases.append(Phase(structure=library.load("NaCl")))
    if case == "wrong":
        right = phases[1].structure
        edges = {axis: WRONG * getattr(right.cell, axis) for axis in "abc"}
        wrong = right.with_cell(replace(right.cell, **edges))
        phases[1] = replace(phases[1], structure=wrong)
    return RefinementPlan(
        phases=tuple(phases),
        instrument=Instrument(
            radiation=tube("CuKa"),
            u=OPTICS.u,
            v=OPTICS.v,
            w=OPTICS.w,
            axial_divergence=OPTICS.axial_divergence,
            calibrated=True,
        ),
        halo=case == "milled",
    )


@lru_cache
def refined(name: str, case: str) -> RefinementResult:
    """Return what an engine makes of a case, once."""
    pattern = simulated("plain" if case in ("absent", "wrong") else case)[0]
    plan, engine = plan_for(case), get_engine(name)
    engine.check(plan)
    return engine.refine(pattern, plan)


def assert_weights(result: RefinementResult, truth: xr.Dataset) -> None:
    share = "weight_fraction_crystalline"
    for phase, expected in zip(truth[PHASE].values, truth[share].values, strict=True):
        row = result.parameters.sel({PHASE: phase})
        std = float(row[f"{share}_std"])
        assert 0.0 < std < 0.02, phase
        assert abs(float(row[share]) - expected) < SIGMAS * std + SHAPE, phase


def test_every_engine_has_a_name_and_describes_itself() -> None:
    assert len(set(ENGINES)) == len(ENGINES)
    assert ENGINES[0] == "native"
    with pytest.raises(EngineUnavailableError, match="did you mean 'rietx'"):
        get_engine("rietix")


@each_engine
def test_describes_itself(name: str) -> None:
    engine = engine_called(name)
    info = engine.describe()
    assert isinstance(info, EngineInfo)
    assert engine.name == info.name == name
    assert engine.is_available() is info.available is True
    assert info.version
    assert info.path
    assert info.remedy == ""


@each_engine
def test_recovers_a_mixture(name: str) -> None:
    engine_called(name)
    result, truth = refined(name, "plain"), simulated("plain")[1]
    assert result.status is FitStatus.CONVERGED, result.reason
    assert_weights(result, truth)
    found = result.parameters
    for edge in ("cell_a", "cell_c"):
        ratio = found[edge].to_numpy() / truth[edge].to_numpy()
        assert ratio == pytest.approx(1.0, abs=CELL_SHARE)
    assert found["size_nm"].to_numpy() == pytest.approx(
        truth["size_nm"].to_numpy(), rel=SIZE_SHARE
    )
    shift, std = float(found["displacement"]), float(found["displacement_std"])
    assert abs(shift - float(truth["displacement_shift"])) < SIGMAS * std
    assert float(found["r_wp"]) == pytest.approx(
        float(truth["r_wp_expected"]), rel=0.06
    )


@each_engine
def test_absent_phase_is_absent_and_harms_no_other(name: str) -> None:
    engine_called(name)
    result = refined(name, "absent")
    assert result.status is FitStatus.CONVERGED, result.reason
    assert_weights(result, simulated("plain")[1])
    row = result.parameters.sel({PHASE: "NaCl"})
    share = float(row["weight_fraction_crystalline"])
    std = float(row["weight_fraction_crystalline_std"])
    assert 0.0 < std < ABSENT
    assert abs(share) < max(SIGMAS * std, float(row["detection_limit"]))
    assert abs(share) < ABSENT
    assert 0.0 < float(row["upper_limit"]) < 2.0 * ABSENT


@each_engine
def test_finds_small_crystallites(name: str) -> None:
    engine_called(name)
    result, truth = refined(name, "small"), simulated("small")[1]
    assert result.status is FitStatus.CONVERGED, result.reason
    assert_weights(result, truth)
    row = result.parameters.sel({PHASE: "fluorite"})
    assert float(row["size_nm"]) == pytest.approx(5.0, rel=SIZE_SHARE)
    assert 0.0 < float(row["size_nm_std"]) < 1.0


@each_engine
def test_wrong_cell_is_recovered_or_said(name: str) -> None:
    engine_called(name)
    result, truth = refined(name, "wrong"), simulated("plain")[1]
    if result.status is FitStatus.CONVERGED:
        assert_weights(result, truth)
    else:
        assert result.reason


@each_engine
def test_halo_and_lines_are_told_apart(name: str) -> None:
    engine_called(name)
    result, truth = refined(name, "milled"), simulated("milled")[1]
    assert result.status.has_values
    assert_weights(result, truth)
    assert float(result.curves["halo"].sum()) > 0.2 * float(truth["halo"].sum())


@each_engine
@pytest.mark.parametrize("case", ["plain", "milled"])
def test_results_look_alike(name: str, case: str) -> None:
    engine_called(name)
    result = refined(name, case)
    assert result.engine.startswith(name)
    found = result.parameters
    assert set(CORE) <= set(found.data_vars)
    named = {str(variable) for variable in found.data_vars} - OWN_VECTOR
    assert {variable.removesuffix("_std") for variable in named} <= set(VARIABLES)
    for variable in named:
        assert found[variable].attrs == attributes(variable)
    assert found[PHASE].values.tolist() == list(plan_for(case).phase_names)
    assert found["weight_fraction_crystalline"].sum() == pytest.approx(1.0)
    assert {"background", "amorphous_area", "notes"} <= set(result.recipe)
    assert all(isinstance(words, str) for words in result.recipe.values())


@each_engine
@pytest.mark.parametrize("case", ["plain", "milled"])
def test_curves_add_up(name: str, case: str) -> None:
    engine_called(name)
    curves, pattern = refined(name, case).curves, simulated(case)[0]
    assert set(CURVES) <= set(curves.data_vars)
    parts = curves["background"] + curves["halo"] + curves["component"].sum(PHASE)
    top = float(curves["calculated"].max())
    assert float(abs(parts - curves["calculated"]).max()) < CLOSED * top
    assert curves["observed"].to_numpy() == pytest.approx(pattern[INTENSITY].to_numpy())
    assert curves[TWO_THETA].to_numpy() == pytest.approx(GRID)
    assert all(curves[curve].attrs["units"] == "count" for curve in CURVES)
    marks = refined(name, case).reflections
    assert set(np.unique(marks["phase_index"])) == {0, 1, 2}
    assert marks["two_theta_hkl"].attrs["units"] == "degree"


@each_engine
def test_result_survives_its_tree(name: str) -> None:
    engine_called(name)
    result = refined(name, "plain")
    again = RefinementResult.from_datatree(result.to_datatree())
    assert (again.engine, again.status, again.reason, again.recipe) == (
        result.engine,
        result.status,
        result.reason,
        result.recipe,
    )
    xr.testing.assert_identical(again.parameters, result.parameters)
    xr.testing.assert_equal(again.curves, result.curves)
    xr.testing.assert_equal(again.reflections, result.reflections)


@each_engine
def test_neighbour_is_a_start(name: str) -> None:
    engine = engine_called(name)
    cold = refined(name, "plain")
    warm = engine.refine(simulated("plain")[0], plan_for("plain"), start=cold)
    assert warm.status is FitStatus.CONVERGED, warm.reason
    share = "weight_fraction_crystalline"
    change = warm.parameters[share] - cold.parameters[share]
    assert float(abs(change / cold.parameters[f"{share}_std"]).max()) < 0.5


@each_engine
def test_other_engines_refuse_what_they_cannot_do(name: str) -> None:
    engine = engine_called(name)
    if name == "native":
        pytest.skip("plans are made of what the native engine can do")
    stages = (Stage(name="odd", free=frozenset({"instrument"})),)
    with pytest.raises(PlanError, match="stages"):
        engine.check(replace(plan_for("plain"), stages=stages))


@each_engine
def test_unreadable_file_is_a_row_with_its_reason(name: str, tmp_path: Path) -> None:
    engine_called(name)
    pattern = simulated("plain")[0]
    rows = zip(GRID, pattern[INTENSITY].to_numpy(), strict=True)
    text = "".join(f"{angle:.3f} {counts:.0f}\n" for angle, counts in rows)
    for sample in ("first", "last"):
        (tmp_path / f"{sample}.xy").write_text(text)
    (tmp_path / "broken.xy").write_bytes(b"")
    blocks = [
        '[series]\nname = "contract"',
        f'[xrd]\nengine = "{name}"\nhalo = false\nrange = [24.0, 60.0]',
    ]
    blocks.append('[xrd.instrument]\ntube = "CuKa"')
    blocks += [f'[[xrd.phase]]\nname = "{phase}"' for phase in WEIGHTS]
    blocks += [
        f'[[sample]]\nid = "{sample}"\nrole = "milled"\nmilling_time = "{hours} h"\n'
        f'xrd = "{sample}.xy"'
        for hours, sample in enumerate(("first", "broken", "last"), start=1)
    ]
    (tmp_path / "series.toml").write_text("\n\n".join(blocks) + "\n")
    table = run_refinement(tmp_path / "series.toml", tmp_path / "out")
    status = dict(zip(table["sample"].values, table["status"].values, strict=True))
    assert status["broken"] == "failed"
    assert {status["first"], status["last"]} <= {"converged", "doubtful"}
    assert "broken.xy" in str(table["reason"].sel(sample="broken").item())
    assert np.isfinite(table["r_wp_percent"].sel(sample=["first", "last"])).all()


def test_no_width_beyond_the_instruments_is_no_doubt() -> None:
    """An instrument file that fits leaves nothing for the additional width."""
    pattern, _ = simulated("plain")
    plan = replace(plan_for("plain"), refine_resolution=True)
    result = get_engine("native").refine(pattern, plan)
    assert result.status is FitStatus.CONVERGED, result.reason
