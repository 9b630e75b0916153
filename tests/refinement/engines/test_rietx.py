"""The engine rietx: its conventions beside the native engine's, and its refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from refinement.engines.native.background import halo_places
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.options import NativeOptions
from refinement.engines.rietx import RietxEngine
from refinement.engines.rietx import engine as engine_module
from refinement.engines.rietx import fit as fit_module
from refinement.engines.rietx.amounts import (
    deficits,
    detection_scales,
    inverse_normal,
    solve_amounts,
)
from refinement.engines.rietx.fit import draw, free_paths
from refinement.engines.rietx.prepare import prepare
from refinement.engines.rietx.translate import (
    build_data,
    build_instrument,
    build_structure,
    displacement_mm,
    size_width,
    strain_width,
)
from refinement.engines.weights import corrected_scales
from refinement.plan import Phase, RefinementPlan, Stage
from refinement.recipes import MILLED_POWDER
from refinement.result import RefinementResult
from structkit.errors import EngineUnavailableError, FitError, PlanError
from structkit.schema import (
    ESD_RELIABLE,
    INTENSITY,
    PHASE,
    TWO_THETA,
    FitStatus,
    make_pattern,
)
from structkit.structures import library
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.lines import Optics
from structkit.synthetic.mixture import (
    Surroundings,
    SyntheticPhase,
    simulate_mixture,
)
from structkit.synthetic.scattering import Glass, Texture
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import doublet, monochromatic, tube

AREA = 0.01
"""Relative difference of a phase's area at the same parameters: the native engine cuts
a line at 25 FWHM, tapered from 19, rietx where 1 % of the area is left; form factors
of two tables give 0.2 % more."""
CURVE = 0.005
"""Largest difference of two engines' curves over the highest point: form factors, and
axial divergence by two quadratures; 0.002 measured."""
SHARE_OF_ESD = 1.0
"""Difference of two engines on one pattern, in standard uncertainties of either: they
see the same noise, so it does not count."""
SIGMAS = 4.0
"""Standard uncertainties that a number may be off its truth."""
SHAPE = 0.003
"""What a weight fraction may be off besides: pseudo-Voigts for Voigt functions."""
EVERYTHING = frozenset(
    {"cell", "shift", "size", "strain", "resolution", "texture", "b_overall"}
)
AT_ONCE = (Stage(name="everything", free=EVERYTHING),)
OPTICS = Optics(axial_divergence=0.012)
GRID = np.round(20.0 + 0.04 * np.arange(1500), 6)
SHORT = np.round(24.0 + 0.05 * np.arange(500), 6)

pytestmark = pytest.mark.skipif(
    not RietxEngine().is_available(), reason=RietxEngine().describe().remedy
)


def instrument(**changes: Any) -> Instrument:
    values: dict[str, Any] = {
        "radiation": tube("CuKa"),
        "u": OPTICS.u,
        "v": OPTICS.v,
        "w": OPTICS.w,
        "axial_divergence": OPTICS.axial_divergence,
        "calibrated": True,
    }
    return Instrument(**(values | changes))


def crystals(**shares: float) -> list[SyntheticPhase]:
    sizes = {"corundum": 80.0, "fluorite": 30.0, "zincite": 15.0}
    return [
        SyntheticPhase(
            structure=library.load(name),
            weight_fraction=share,
            size_nm=sizes.get(name, 40.0),
            microstrain=5e-4,
        )
        for name, share in shares.items()
    ]


def plan_of(*names: str, **changes: Any) -> RefinementPlan:
    phases = tuple(Phase(structure=library.load(name)) for name in names)
    values = {"phases": phases, "instrument": instrument(), "halo": False}
    return RefinementPlan(**(values | changes))


@lru_cache
def short_pattern() -> xr.Dataset:
    """Return 24 to 49 degree of corundum and zincite."""
    return simulate_mixture(
        crystals(corundum=0.7, zincite=0.3),
        two_theta=SHORT,
        optics=OPTICS,
        rng=np.random.default_rng(11),
    )[0]


def short_plan(**changes: Any) -> RefinementPlan:
    values = {"stages": AT_ONCE, "background_terms": 3} | changes
    return plan_of("corundum", "zincite", **values)


@lru_cache
def short_result() -> RefinementResult:
    return RietxEngine().refine(short_pattern(), short_plan())


class Models:
    """The models that the adapter hands to rietx, without a fit."""

    def __init__(self, prepared: Any) -> None:
        self.structure = build_structure(prepared)
        self.instrument = build_instrument(prepared)


# --- conventions ---------------------------------------------------------------------


def test_widths_against_formulae() -> None:
    """Scherrer with K = 0.9, Wilson with 4 e: FWHM at theta, in degree of 2theta."""
    wavelength, theta = 1.540593, math.radians(20.0)
    scherrer = 0.9 * wavelength / (125.0 * math.cos(theta)) * 180.0 / math.pi
    assert size_width(12.5, wavelength) / math.cos(theta) == pytest.approx(scherrer)
    wilson = 4.0 * 1e-3 * math.tan(theta) * 180.0 / math.pi
    assert strain_width(1e-3) * math.tan(theta) == pytest.approx(wilson)


@pytest.mark.parametrize("shift", ["displacement", "zero"])
def test_lines_stand_where_the_native_engine_puts_them(shift: str) -> None:
    from rietx.model.corrections import displacement_shift_deg

    theta = np.array([10.0, 25.0, 60.0])
    moved = displacement_shift_deg(theta, displacement_mm(0.07), 200.0)
    assert moved == pytest.approx(0.07 * np.cos(np.radians(theta)))
    plan = short_plan(shift=shift, instrument=instrument(zero=0.03))
    native = NativeEngine().refine(short_pattern(), plan)
    assert abs(float(native.parameters[shift])) > 0.01
    prepared = prepare(short_pattern(), plan, start=native)
    models = Models(prepared)
    drawn = draw(models, build_data(prepared), prepared)
    own = native.reflections
    for number in range(2):
        marks = own.isel(reflection=own["phase_index"].to_numpy() == number)
        angles = np.asarray(drawn.model.reflection_angles(number, drawn.values)[0][1])
        hkl = np.asarray(drawn.model.phases[number].reflections.hklm)[:, :3]
        places = {
            round(float(angle), 3): tuple(index)
            for angle, index in zip(angles, hkl, strict=True)
        }
        for angle in marks["two_theta_hkl"].to_numpy():
            assert min(abs(angle - place) for place in places) < 1.5e-3


CASES = {
    "plain": {},
    "monochromator": {"monochromator_two_theta": 26.6},
    "one line": {"radiation": monochromatic(1.5406)},
    "other doublet": {"radiation": doublet("odd", 1.540593, 1.544427, ratio=0.4)},
    "widths": {"x": 0.02, "y": 0.03, "axial_divergence": 0.03},
}


@pytest.mark.parametrize("case", CASES)
def test_same_parameters_give_the_same_pattern(case: str) -> None:
    """Every convention at once: a native fit's parameters drawn by rietx."""
    first, second = (Phase(structure=library.load(n)) for n in ("corundum", "zincite"))
    plan = short_plan(
        phases=(replace(first, texture=(0, 0, 1)), second),
        instrument=instrument(**CASES[case]),
        refine_resolution=False,
    )
    native = NativeEngine().refine(short_pattern(), plan)
    prepared = prepare(short_pattern(), plan, start=native)
    drawn = draw(Models(prepared), build_data(prepared), prepared)
    scales = native.parameters["scale"].to_numpy()
    ours, theirs = native.curves["component"].to_numpy(), scales[:, None] * drawn.units
    assert theirs.sum(axis=1) == pytest.approx(ours.sum(axis=1), rel=AREA)
    assert np.abs(theirs - ours).max() < CURVE * ours.max()


def test_free_parameters_mean_the_same() -> None:
    """Texture, overall B, zero, extra width, range and gaps, beside the native fit."""
    sample = crystals(corundum=0.5, fluorite=0.3, zincite=0.2)
    sample[0] = replace(sample[0], texture=Texture(axis=(0, 0, 1), r=0.8))
    sample[1] = replace(sample[1], b_overall=0.4)
    pattern, truth = simulate_mixture(
        sample,
        two_theta=GRID,
        optics=replace(OPTICS, w=0.008),
        max_counts=20000.0,
        rng=np.random.default_rng(4),
    )
    plan = plan_of("corundum", "fluorite", "zincite")
    corundum, fluorite, zincite = plan.phases
    plan = replace(
        plan,
        phases=(
            replace(corundum, texture=(0, 0, 1)),
            replace(fluorite, refine_b_overall=True),
            zincite,
        ),
        refine_resolution=True,
        shift="zero",
        exclude=((30.0, 31.0), (60.0, 61.0)),
        two_theta_range=(22.0, 75.0),
        stages=AT_ONCE,
    )
    ours = NativeEngine().refine(pattern, plan).parameters
    result = RietxEngine().refine(pattern, plan)
    assert result.status is FitStatus.CONVERGED, result.reason
    theirs = result.parameters
    assert result.curves.sizes[TWO_THETA] == 1274
    for name in (
        "weight_fraction_crystalline",
        "size_nm",
        "microstrain",
        "march_dollase",
        "b_overall",
        "cell_a",
        "cell_c",
        "zero",
    ):
        known = np.isfinite(ours[name].to_numpy())
        change = (theirs[name] - ours[name]) / ours[f"{name}_std"]
        assert np.array_equal(known, np.isfinite(theirs[name].to_numpy())), name
        assert np.nanmax(np.abs(change.to_numpy())) < SHARE_OF_ESD, name
        ratio = (theirs[f"{name}_std"] / ours[f"{name}_std"]).to_numpy()
        assert np.nanmax(np.abs(np.log(ratio))) < 0.3, name
    ratio = theirs["scale"].to_numpy() / ours["scale"].to_numpy()
    assert ratio == pytest.approx(1.0, abs=5e-3)
    march = theirs["march_dollase"].sel({PHASE: "corundum"})
    assert float(march) == pytest.approx(0.8, abs=0.01)
    added = theirs["b_overall"].sel({PHASE: "fluorite"})
    assert float(added) == pytest.approx(0.4, abs=0.12)
    share = theirs["weight_fraction_crystalline"]
    limit = SIGMAS * theirs["weight_fraction_crystalline_std"] + SHAPE
    assert (abs(share - truth["weight_fraction_crystalline"]) < limit).all()


def test_film_blank_humps_and_halo() -> None:
    """Lines behind a film, its measured blank, a hump and a glass."""
    film = Surroundings(film_thickness_um=25.0)
    grid = GRID[::2]
    pattern, truth = simulate_mixture(
        crystals(corundum=0.3, zincite=0.2),
        glass=Glass(composition={"Na": 3.0, "Ta": 1.0, "O": 1.0, "Cl": 6.0}),
        two_theta=grid,
        optics=OPTICS,
        surroundings=film,
        rng=np.random.default_rng(8),
    )
    seen = 10.0 * (film.film(grid) + film.air_scatter(grid))
    plan = plan_of(
        "corundum",
        "zincite",
        halo=True,
        film_thickness_um=25.0,
        blank=make_pattern(grid, np.random.default_rng(9).poisson(seen)),
        humps=(42.0,),
        background_terms=3,
        stages=AT_ONCE,
        particle_size_um=4.0,
    )
    result = RietxEngine().refine(pattern, plan)
    ours = NativeEngine().refine(pattern, plan).parameters
    theirs, curves = result.parameters, result.curves
    name = "weight_fraction_crystalline"
    change = (theirs[name] - ours[name]) / ours[f"{name}_std"]
    assert np.abs(change.to_numpy()).max() < SHARE_OF_ESD
    assert curves["observed"].to_numpy() == pytest.approx(pattern[INTENSITY].to_numpy())
    assert float(curves["halo"].min()) >= -1e-9
    assert float(curves["halo"].sum()) == pytest.approx(
        float(NativeEngine().refine(pattern, plan).curves["halo"].sum()), rel=0.2
    )
    for phase in ("corundum", "zincite"):
        area = float(curves["component"].sel({PHASE: phase}).sum())
        expected = float(truth["component"].sel({PHASE: phase}).sum())
        assert area == pytest.approx(expected, rel=0.05)
    raw = (theirs["scale"] * theirs["absorption_factor"]).to_numpy()
    assert theirs["absorption_factor"].to_numpy() == pytest.approx(
        corrected_scales(plan, raw)[1]
    )
    assert abs(theirs["absorption_factor"].to_numpy() - 1.0).max() > 0.01


def test_uncertain_cell_starts_from_a_native_fit() -> None:
    plan = short_plan()
    shrunk = []
    for phase in plan.phases:
        cell = phase.structure.cell
        edges = {axis: 1.015 * getattr(cell, axis) for axis in "abc"}
        structure = phase.structure.with_cell(replace(cell, **edges))
        shrunk.append(replace(phase, structure=structure, cell_uncertain=True))
    result = RietxEngine().refine(
        short_pattern(), replace(plan, phases=tuple(shrunk), two_theta_range=(24, 49))
    )
    assert result.status is FitStatus.CONVERGED, result.reason
    assert (
        "cell of corundum, zincite from a fit by the native" in result.recipe["notes"]
    )
    true = [phase.structure.cell.a for phase in plan.phases]
    assert result.parameters["cell_a"].to_numpy() == pytest.approx(true, rel=3e-4)


# --- starts, stages, weak phases -----------------------------------------------------


def test_neighbour_gives_the_start() -> None:
    first = short_result()
    prepared = prepare(short_pattern(), short_plan(), start=first)
    assert prepared.warm
    found = first.parameters.sel({PHASE: "zincite"})
    assert prepared.starts[1].size_nm == pytest.approx(float(found["size_nm"]))
    assert prepared.starts[1].microstrain == pytest.approx(float(found["microstrain"]))
    assert prepared.starts[1].cell.c == pytest.approx(float(found["cell_c"]))
    assert prepared.shift == pytest.approx(float(first.parameters["displacement"]))
    kept = short_plan(shift="fixed")
    kept = replace(
        kept,
        phases=tuple(
            replace(p, refine_cell=False, refine_size=False, size=200.0)
            for p in kept.phases
        ),
    )
    prepared = prepare(short_pattern(), kept, start=first)
    assert prepared.shift == 0.0
    assert prepared.starts[1].size_nm == 20.0
    assert prepared.starts[1].cell == kept.phases[1].structure.cell


def test_weak_phase_keeps_its_shape() -> None:
    """What is below the thresholds has a free scale, and says so."""
    plan = short_plan()
    plan = replace(plan, phases=(*plan.phases, Phase(structure=library.load("NaCl"))))
    result = RietxEngine().refine(short_pattern(), plan)
    assert result.status is FitStatus.CONVERGED, result.reason
    row = result.parameters.sel({PHASE: "NaCl"})
    assert float(row["cell_a"]) == library.load("NaCl").cell.a
    assert np.isnan(float(row["cell_a_std"]))
    assert np.isnan(float(row["size_nm_std"]))
    assert 0.0 < float(row["scale_std"])
    assert "too weak to free more than a scale: NaCl" in result.recipe["notes"]


def test_stage_frees_its_groups_and_no_other() -> None:
    prepared = prepare(short_pattern(), short_plan(refine_resolution=True))
    groups = tuple(MILLED_POWDER.thresholds)
    linear = fit_module.Linear(
        amounts=np.ones(2 + len(prepared.smooth)), admitted=(groups, ())
    )
    base = [f"phases.{n}.scale" for n in (0, 1)]
    base += [f"instrument.background.c{n}" for n in range(3)]
    none = Stage(name="scales", free=frozenset())
    assert free_paths(prepared, none, linear) == base
    everything = free_paths(prepared, AT_ONCE[0], linear)
    assert set(everything) - set(base) == {
        "instrument.geometry.sample_displacement",
        "instrument.profile.w",
        "phases.0.cell.*",
        "phases.0.lor_size",
        "phases.0.lor_strain",
    }


# --- what can go wrong ---------------------------------------------------------------


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    result = RietxEngine().refine(short_pattern(), short_plan(), folder=tmp_path)
    assert result.status is FitStatus.CONVERGED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"radiation": tube("CuKa5")}, "instrument.radiation"),
        ({"x": -0.01}, "instrument.x"),
    ],
)
def test_refuses_an_instrument(changes: dict[str, Any], field: str) -> None:
    plan = short_plan(instrument=instrument(**changes))
    with pytest.raises(PlanError, match=field):
        RietxEngine().check(plan)
    with pytest.raises(PlanError, match=field):
        RietxEngine().refine(short_pattern(), plan)


@pytest.mark.parametrize("version", ["", "1.11.0"])
def test_absent_or_of_another_series(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(_: str) -> str:
        if not version:
            raise engine_module.PackageNotFoundError
        return version

    monkeypatch.setattr(engine_module, "version", found)
    info = RietxEngine().describe()
    assert not info.available
    assert "pip install 'structkit[rietx]'" in info.remedy
    with pytest.raises(EngineUnavailableError, match="rietx"):
        RietxEngine().refine(short_pattern(), short_plan())


def changed(structure: CrystalStructure, **sites: Any) -> CrystalStructure:
    first, *rest = structure.sites
    return replace(structure, sites=(replace(first, **sites), *rest))


def test_structure_is_the_one_in_memory() -> None:
    """Operations without a name of their own, and atoms changed after reading."""
    zincite = library.load("zincite")
    unnamed = replace(changed(zincite, occupancy=0.9), space_group="no such group")
    plan = plan_of("corundum")
    plan = replace(plan, phases=(Phase(structure=unnamed),))
    built = build_structure(prepare(short_pattern(), plan)).phases[0]
    assert built.atoms[0].occ.value == 0.9
    assert len(built.symmetry_operations) == len(zincite.operations)


def test_other_atoms_in_the_cell_are_refused() -> None:
    corundum = library.load("corundum")
    odd = changed(corundum, multiplicity=corundum.sites[0].multiplicity + 2)
    plan = replace(short_plan(), phases=(Phase(structure=odd),))
    with pytest.raises(FitError, match="counts"):
        RietxEngine().refine(short_pattern(), plan)


def test_pattern_without_intensity_is_refused() -> None:
    nothing = short_pattern().assign({INTENSITY: short_pattern()[INTENSITY] * 0.0})
    with pytest.raises(FitError, match="no intensity above zero"):
        RietxEngine().refine(nothing, short_plan())


def test_error_of_rietx_fails_one_pattern_of_a_series(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = fit_module._run_last, []

    def run(*args: Any, **options: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise np.linalg.LinAlgError("singular matrix")
        return real(*args, **options)

    monkeypatch.setattr(fit_module, "_run_last", run)
    pattern = short_pattern()
    first, second = RietxEngine().refine_series([pattern, pattern], short_plan())
    assert first.status is FitStatus.FAILED
    assert "singular matrix" in first.reason
    assert second.status is FitStatus.CONVERGED


def test_stopped_fit_is_not_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rietx's normal matrix the esds of scales are those of the linear part."""
    real = fit_module._run_last

    def run(*args: Any, **options: Any) -> Any:
        return real(*args, **options).model_copy(update={"status": "max_iter"})

    monkeypatch.setattr(fit_module, "_run_last", run)
    result = RietxEngine().refine(short_pattern(), short_plan())
    assert result.status is FitStatus.NOT_CONVERGED
    assert "max_iter" in result.reason
    known = short_result().parameters["scale_std"].to_numpy()
    linear = result.parameters["scale_std"].to_numpy()
    assert np.all((linear > 0.3 * known) & (linear <= 1.01 * known))


def test_missing_phase_makes_the_result_doubtful() -> None:
    plan = replace(short_plan(), phases=short_plan().phases[1:])
    result = RietxEngine().refine(short_pattern(), plan)
    assert result.status is FitStatus.DOUBTFUL
    assert result.reason


def test_remark_about_noise_is_passed_on() -> None:
    remark = xr.DataArray(0, attrs={"reason": "smoothed", "units": "1"})
    pattern = short_pattern().assign({ESD_RELIABLE: remark})
    result = RietxEngine().refine(pattern, short_plan(), start=short_result())
    assert result.status is FitStatus.CONVERGED
    assert "smoothed" in result.reason
    assert float(result.parameters["esd_reliable"]) == 0.0


# --- the linear part -----------------------------------------------------------------


def test_amounts_against_a_slow_form() -> None:
    """Bounds by trying every subset of columns at zero."""
    rng = np.random.default_rng(5)
    columns = rng.normal(size=(4, 40))
    observed = columns.T @ np.array([2.0, -1.0, 0.5, -3.0]) + rng.normal(size=40)
    free = np.array([False, False, False, True])
    best: tuple[float, np.ndarray] = (math.inf, np.zeros(4))
    for mask in range(8):
        used = [n for n in range(4) if n == 3 or mask >> n & 1]
        found = np.zeros(4)
        found[used] = np.linalg.lstsq(columns[used].T, observed, rcond=None)[0]
        misfit = float(np.sum(np.square(observed - found @ columns)))
        if np.all(found[:3] >= 0.0) and misfit < best[0]:
            best = misfit, found
    amounts = solve_amounts(columns, observed, free)
    assert amounts == pytest.approx(best[1], abs=1e-9)
    assert amounts[1] == 0.0
    below = deficits(columns, observed, free, amounts[:3])
    assert below[1] > 0.0
    assert below[[0, 2]] == pytest.approx([0.0, 0.0])


def test_detection_limit_against_repeated_patterns() -> None:
    """A flat background of 100 counts: 3.29 sigma of what noise alone gives."""
    rng = np.random.default_rng(6)
    line = np.exp(-0.5 * np.square((np.arange(80) - 40.0) / 4.0))
    std = np.full(80, 10.0)
    columns = np.array([line, np.ones(80)]) / std
    covariance = inverse_normal(columns)
    found = [
        np.linalg.lstsq(columns.T, rng.normal(10.0, 1.0, size=80), rcond=None)[0][0]
        for _ in range(4000)
    ]
    assert np.std(found) == pytest.approx(math.sqrt(covariance[0, 0]), rel=0.04)
    limit = detection_scales(columns, np.array([0.0, 100.0]), std, n_phases=1, gof=1.0)[
        0
    ]
    counts = 2.71 / line.sum()
    assert limit == pytest.approx(3.29 * math.sqrt(covariance[0, 0]) + counts)


def test_priors_of_the_bank_are_the_native_engine_s() -> None:
    prepared = prepare(short_pattern(), short_plan(halo=True, humps=(30.0,)))
    places = [one.place for one in prepared.of_kind("halo")]
    plan = short_plan(halo=True)
    assert places == halo_places(prepared.angles, plan, NativeOptions())
    assert len(places) > 1
    assert prepared.of_kind("hump")[0].place == (30.0, NativeOptions().hump_fwhm)
