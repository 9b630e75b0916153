"""A series: vanishing phases, failures, resuming, processes, stored results."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from refinement import refine_series
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.options import NativeOptions
from refinement.plan import Phase, RefinementPlan
from refinement.result import VARIABLES, RefinementResult
from structkit.errors import EngineUnavailableError
from structkit.schema import FitStatus, make_pattern
from structkit.store import read_tree, write_tree
from structkit.structures import library
from structkit.xrd.background import Halo
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube
from structkit.xrd.simulate import SimulatedPhase, Surroundings, simulate_pattern

Floats = NDArray[np.float64]
INSTRUMENT = Instrument(
    radiation=tube("CuKa"),
    u=0.004,
    v=-0.003,
    w=0.004,
    x=0.01,
    axial_divergence=0.012,
    calibrated=True,
)
# NaCl is used up: 40 wt% at first, nothing at the end. Its lines keep their width.
COURSE = (0.4, 0.2, 0.08, 0.0, 0.0)
SIZES = {"NaTaCl6": 300.0, "NaCl": 350.0}
SHORT = np.arange(24.0, 40.0, 0.04)
# Chains that begin elsewhere meet in the same minimum within their tolerance.
SAME = 1e-3


def simulate(share: float, seed: int, *, grid: Floats | None = None) -> xr.Dataset:
    weights = {"NaTaCl6": 1.0 - share, "NaCl": max(share, 1e-12)}
    phases = [
        SimulatedPhase(
            structure=library.load(name),
            weight_fraction=weight,
            size=SIZES[name],
            microstrain=8e-4,
        )
        for name, weight in weights.items()
    ]
    pattern = simulate_pattern(
        phases,
        instrument=INSTRUMENT,
        two_theta=np.arange(12.0, 60.0, 0.03) if grid is None else grid,
        surroundings=Surroundings(
            background=(150.0, -30.0),
            # Broad enough for a vanished phase to pose as it.
            halos=(Halo(center=31.0, fwhm=8.0, height=250.0),),
        ),
        displacement=0.02,
        seed=seed,
    )
    return make_pattern(
        pattern["two_theta"].to_numpy(), pattern["intensity"].to_numpy()
    )


def make_plan(**options: Any) -> RefinementPlan:
    phases = tuple(Phase(structure=library.load(name)) for name in SIZES)
    return RefinementPlan(phases=phases, instrument=INSTRUMENT, **options)


@pytest.fixture(scope="module")
def patterns() -> dict[str, xr.Dataset]:
    return {f"s{i}": simulate(share, seed=i) for i, share in enumerate(COURSE)}


@pytest.fixture(scope="module")
def small() -> dict[str, xr.Dataset]:
    """Two short patterns, for what does not depend on the numbers."""
    return {f"s{i}": simulate(0.4, seed=i, grid=SHORT) for i in range(2)}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the patterns that an engine really fits."""
    fits: list[int] = []
    original = NativeEngine.refine_series

    def refine_counted(
        self: NativeEngine, items: Any, plan: Any, **options: Any
    ) -> Any:
        fits.append(len(items) - len(options.get("known") or {}))
        return original(self, items, plan, **options)

    monkeypatch.setattr(NativeEngine, "refine_series", refine_counted)
    return fits


def shares(results: dict[str, RefinementResult]) -> Floats:
    return np.array(
        [
            result.parameters["weight_fraction_crystalline"].to_numpy()
            for result in results.values()
        ]
    )


def column(results: dict[str, RefinementResult], name: str) -> Floats:
    return np.array([r.parameters[name].to_numpy() for r in results.values()])


def test_a_vanished_phase_does_not_broaden_into_the_background(
    patterns: dict[str, xr.Dataset],
) -> None:
    """NATIVE.md, traps: CsBr 11 wt% where 0.2 is right."""
    results = refine_series(patterns, make_plan())
    found, limit = shares(results)[:, 1], column(results, "detection_limit")[:, 1]
    std = column(results, "weight_fraction_crystalline_std")[:, 1]
    assert np.abs(found[:3] - COURSE[:3]).max() < 4.0 * std[:3].max()
    assert (found[3:] < np.maximum(limit[3:], 4.0 * std[3:])).all()
    assert (found[3:] < 0.01).all()
    assert (column(results, "scale_std") > 0.0).all()
    upper = column(results, "upper_limit")[3:, 1]
    assert ((upper > 0.0) & (upper < 0.02)).all()
    # Held near the width that it had where it was strong, 35 nm.
    sizes = column(results, "size_nm")[:, 1]
    assert (np.abs(np.log(sizes[3:] / 35.0)) < 1.0).all()
    assert "NaCl" in results["s4"].recipe["notes"]


@pytest.mark.parametrize("position", [0, 2])
def test_one_bad_pattern_stops_no_other(
    patterns: dict[str, xr.Dataset], position: int, tmp_path: Path
) -> None:
    bad = dict(patterns)
    name = f"s{position}"
    angle = patterns[name]["two_theta"].to_numpy()[:30]
    bad[name] = make_pattern(angle, np.full(30, 100.0))
    results = refine_series(bad, make_plan(), store=tmp_path)
    assert results[name].status is FitStatus.FAILED
    assert "30 points" in results[name].reason
    assert not (tmp_path / f"{name}.nc").exists()
    others = {k: r for k, r in results.items() if k != name}
    assert all(result.status.has_values for result in others.values())
    expected = [share for i, share in enumerate(COURSE) if i != position]
    assert shares(others)[:, 1] == pytest.approx(np.array(expected), abs=0.02)
    assert list(results) == list(bad)


def test_all_bad_is_all_failed() -> None:
    empty = make_pattern(np.arange(10.0, 20.0, 0.01), np.zeros(1000))
    results = refine_series({"a": empty, "b": empty}, make_plan())
    assert [r.status for r in results.values()] == [FitStatus.FAILED] * 2
    assert all(r.reason for r in results.values())


def test_a_second_run_fits_nothing(
    small: dict[str, xr.Dataset], tmp_path: Path, counted: list[int]
) -> None:
    first = refine_series(small, make_plan(), store=tmp_path)
    files = sorted(tmp_path.iterdir())
    assert [file.stem for file in files] == list(small)
    stamps = [file.stat().st_mtime_ns for file in files]
    second = refine_series(small, make_plan(), store=tmp_path)
    assert counted == [2, 0]
    assert [file.stat().st_mtime_ns for file in files] == stamps
    for name, result in first.items():
        xr.testing.assert_identical(second[name].parameters, result.parameters)
        assert second[name].recipe == result.recipe


def test_only_what_has_changed_is_fitted_again(
    small: dict[str, xr.Dataset], tmp_path: Path, counted: list[int]
) -> None:
    first = refine_series(small, make_plan(), store=tmp_path)
    changed = small | {"s1": simulate(0.4, seed=77, grid=SHORT)}
    second = refine_series(changed, make_plan(), store=tmp_path)
    assert counted == [2, 1]
    same = [name for name in small if name != "s1"]
    for name in same:
        xr.testing.assert_identical(second[name].parameters, first[name].parameters)
    assert second["s1"].parameters["values"].to_numpy() != pytest.approx(
        first["s1"].parameters["values"].to_numpy(), rel=1e-9
    )
    assert shares(second)[1, 1] == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize(
    "change",
    [
        {"background_terms": 5},
        {"two_theta_range": (25.0, 40.0)},
        {"exclude": ((28.0, 28.5),)},
        {"humps": (30.0,)},
        {"particle_size_um": 2.0},
        {"halo": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_plan_is_fitted_anew(
    small: dict[str, xr.Dataset],
    tmp_path: Path,
    counted: list[int],
    change: dict[str, Any],
) -> None:
    one = {"s0": small["s0"]}
    refine_series(one, make_plan(), store=tmp_path)
    refine_series(one, make_plan(**change), store=tmp_path)
    assert counted == [1, 1]


def test_other_blank_structure_instrument_or_options_are_fitted_anew(
    small: dict[str, xr.Dataset], tmp_path: Path, counted: list[int]
) -> None:
    one = {"s0": small["s0"]}
    angle = small["s0"]["two_theta"].to_numpy()
    blank = make_pattern(angle, 100.0 + angle)
    other_blank = make_pattern(angle, 100.0 + 2.0 * angle)
    salt = library.load("NaCl")
    hotter = replace(salt, sites=tuple(s.with_u_iso(0.03) for s in salt.sites))
    plans = [
        make_plan(blank=blank),
        make_plan(blank=other_blank),
        replace(make_plan(), instrument=replace(INSTRUMENT, w=0.005)),
        replace(make_plan(), phases=(make_plan().phases[0], Phase(structure=hotter))),
    ]
    for plan in plans:
        refine_series(one, plan, store=tmp_path)
    options = NativeOptions(halo_threshold=0.05)
    refine_series(one, plans[-1], store=tmp_path, engine=NativeEngine(options=options))
    assert counted == [1] * 5


def test_resume_can_be_switched_off(
    small: dict[str, xr.Dataset], tmp_path: Path, counted: list[int]
) -> None:
    one = {"s0": small["s0"]}
    refine_series(one, make_plan(), store=tmp_path)
    refine_series(one, make_plan(), store=tmp_path, resume=False)
    assert counted == [1, 1]


@pytest.mark.parametrize("damage", ["cut", "junk", "other tree"])
def test_a_damaged_store_is_told_and_made_again(
    small: dict[str, xr.Dataset],
    tmp_path: Path,
    counted: list[int],
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    two = {name: small[name] for name in ("s0", "s1")}
    refine_series(two, make_plan(), store=tmp_path)
    path = tmp_path / "s1.nc"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    elif damage == "junk":
        path.write_bytes(b"no netCDF at all")
    else:
        tree = read_tree(path)
        key = dict(tree.attrs)
        bare = xr.DataTree.from_dict({"/": xr.Dataset(attrs=key)})
        write_tree(bare, path)
    with caplog.at_level(logging.WARNING, logger="refinement.series"):
        results = refine_series(two, make_plan(), store=tmp_path)
    assert counted == [2, 1]
    assert "s1.nc cannot be used again" in caplog.text
    assert results["s1"].status.has_values
    assert RefinementResult.from_datatree(read_tree(path)).status.has_values


def test_two_processes_say_what_one_says(patterns: dict[str, xr.Dataset]) -> None:
    alone = refine_series(patterns, make_plan())
    shared = refine_series(patterns, make_plan(), jobs=2)
    assert list(shared) == list(alone)
    std = column(alone, "weight_fraction_crystalline_std")
    strong = np.array(COURSE) > 0.05
    off = np.abs(shares(shared) - shares(alone))
    assert (off[strong] < np.maximum(SAME, 0.5 * std[strong])).all()
    # A run of neighbours that never saw NaCl strong holds it to the plan's start.
    assert shares(shared)[~strong, 1].max() < 0.01


def test_progress_names_samples(small: dict[str, xr.Dataset]) -> None:
    seen: list[tuple[str, str]] = []
    two = {name: small[name] for name in ("s0", "s1")}
    refine_series(
        two, make_plan(), progress=lambda what, name: seen.append((what, name))
    )
    assert [name for what, name in seen if what == "first pass"] == ["s0", "s1"]
    assert {name for _, name in seen} == {"s0", "s1"}


def test_patterns_are_left_alone(small: dict[str, xr.Dataset]) -> None:
    before = {name: pattern.copy(deep=True) for name, pattern in small.items()}
    refine_series(small, make_plan())
    for name, pattern in small.items():
        assert pattern.identical(before[name])


def test_order_of_the_series_matters_little(patterns: dict[str, xr.Dataset]) -> None:
    forward = refine_series(patterns, make_plan())
    backward = refine_series(dict(reversed(patterns.items())), make_plan())
    std = column(forward, "weight_fraction_crystalline_std")
    off = np.abs(shares(forward) - shares(backward)[::-1])
    assert (off < np.maximum(SAME, 0.5 * std)).all()


def test_unknown_engine_names_the_nearest(patterns: dict[str, xr.Dataset]) -> None:
    with pytest.raises(EngineUnavailableError, match="did you mean 'native'"):
        refine_series(patterns, make_plan(), engine="natve")


def test_a_result_survives_netcdf(
    patterns: dict[str, xr.Dataset], tmp_path: Path
) -> None:
    result = NativeEngine().refine(patterns["s0"], make_plan())
    path = tmp_path / "one.nc"
    write_tree(result.to_datatree(), path)
    back = RefinementResult.from_datatree(read_tree(path))
    assert (back.engine, back.status, back.reason) == (
        result.engine,
        result.status,
        result.reason,
    )
    assert back.recipe == result.recipe
    for name in ("parameters", "curves", "reflections"):
        xr.testing.assert_identical(getattr(back, name), getattr(result, name))
    for name, variable in back.parameters.data_vars.items():
        if name.removesuffix("_std") in VARIABLES:
            units, _ = VARIABLES[name.removesuffix("_std")]
            assert variable.attrs["units"] == units


def test_a_failure_survives_netcdf(tmp_path: Path) -> None:
    failure = RefinementResult.failure("native", "no points; set range", ("NaCl",))
    path = tmp_path / "one.nc"
    write_tree(failure.to_datatree(), path)
    back = RefinementResult.from_datatree(read_tree(path))
    assert back.status is FitStatus.FAILED
    assert back.reason == "no points; set range"
