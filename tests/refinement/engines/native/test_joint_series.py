"""A series refined as one problem: truth, esds, who disagrees, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from refinement import JointResult, Shared, refine_jointly
from refinement.engines.native.bounds import Walls
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.joint_agree import Together, agree
from refinement.engines.native.joint_series import alone, share
from refinement.engines.native.joint_solve import make_member
from refinement.engines.native.joint_summary import take_apart
from refinement.engines.native.layout import build_layout, start_values
from refinement.engines.native.lines import prepare_phase
from refinement.engines.native.model import (
    build_model,
    draw_columns,
    draw_jacobian,
)
from refinement.engines.native.options import NativeOptions
from refinement.plan import Phase, RefinementPlan
from structkit.errors import PlanError
from structkit.schema import FitStatus
from structkit.store import read_tree, write_tree
from structkit.structures import library
from structkit.synthetic.mixture import Surroundings, SyntheticPhase, simulate_mixture
from structkit.synthetic.xrd import shrink
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

Floats = NDArray[np.float64]
INSTRUMENT = Instrument(
    radiation=tube("CuKa"),
    u=0.004,
    v=-0.003,
    w=0.004,
    axial_divergence=0.012,
    calibrated=True,
)
NAMES = ("NaCl", "rutile", "corundum")
TRACE = 0.01
N = 8
FILM_UM = 27.0
FAST = NativeOptions(systematics=False)
CELLS = Shared(cells=NAMES)

# Fits end when the foretold fall of chi-square is below 0.05 GOF^2: within
# sqrt(0.05) = 0.22 standard deviations of the minimum, on either way to it.
STOP = 0.3
# 24 fractions; that the largest of 24 normal pulls exceeds 4 has a chance of 0.2 %.
PULL = 4.0
# Dense and arrow-shaped inverses of the same matrix, each with a ridge of 1e-12.
ROUNDING = 1e-4


def simulate(
    k: int,
    *,
    cells: Mapping[str, float] | None = None,
    trace: float = TRACE,
    film: float = 0.0,
    seed: int = 0,
    displacement: float | None = None,
) -> xr.Dataset:
    """Return pattern ``k`` of a series in which NaCl turns to corundum."""
    rng = np.random.default_rng((seed, k))
    first = 0.65 - 0.04 * k
    weights = (first, trace, 1.0 - first - trace)
    phases = [
        SyntheticPhase(
            structure=shrink(library.load(name), (cells or {}).get(name, 0.0)),
            weight_fraction=weight,
            size_nm=size,
            microstrain=1e-3,
        )
        for name, weight, size in zip(NAMES, weights, (40.0, 20.0, 50.0), strict=True)
    ]
    moved = float(rng.uniform(-0.1, 0.1)) if displacement is None else displacement
    pattern, _ = simulate_mixture(
        phases,
        displacement_mm=moved,
        surroundings=Surroundings(film_thickness_um=film),
        rng=rng,
    )
    return pattern


def make_plan(**options: Any) -> RefinementPlan:
    defaults: dict[str, Any] = {
        "phases": tuple(Phase(structure=library.load(name)) for name in NAMES),
        "instrument": INSTRUMENT,
    }
    return RefinementPlan(**(defaults | options))


@pytest.fixture(scope="module")
def series() -> dict[str, xr.Dataset]:
    """Return eight patterns with the same cells."""
    return {f"s{k}": simulate(k) for k in range(N)}


@pytest.fixture(scope="module")
def joint(series: dict[str, xr.Dataset]) -> JointResult:
    """Return them refined with shared cells and one width of the trace phase."""
    shared = Shared(cells=NAMES, widths=("rutile",))
    return refine_jointly(series, make_plan(), shared=shared, options=FAST)


def fractions(result: JointResult, *, std: bool = False) -> Floats:
    name = "weight_fraction_crystalline" + ("_std" if std else "")
    return np.array([r.parameters[name].to_numpy() for r in result.results.values()])


def true_fractions() -> Floats:
    first = 0.65 - 0.04 * np.arange(N)
    trace = np.full(N, TRACE)
    return np.column_stack([first, trace, 1.0 - first - trace])


def test_with_nothing_shared_it_is_the_independent_series(
    series: dict[str, xr.Dataset],
) -> None:
    together = refine_jointly(series, make_plan(), shared=Shared(), options=FAST)
    single = NativeEngine(options=FAST).refine_series(
        list(series.values()), make_plan()
    )
    for one, other in zip(together.results.values(), single, strict=True):
        for name in (
            "weight_fraction_crystalline",
            "cell_a",
            "size_nm",
            "displacement",
        ):
            esd = other.parameters[f"{name}_std"]
            away = np.abs(one.parameters[name] - other.parameters[name])
            assert np.all(away <= STOP * esd), name
            ratio = one.parameters[f"{name}_std"] / esd
            assert np.all(np.abs(np.log(ratio)) < STOP), name
    assert together.shared.sizes["shared_parameter"] == 0
    assert not together.agreement["disagrees"].any()


def test_truth_lies_within_the_stated_uncertainty(joint: JointResult) -> None:
    away = (fractions(joint) - true_fractions()) / fractions(joint, std=True)
    assert np.abs(away).max() < PULL
    for name in NAMES:
        found = joint.shared.sel(phase=name)
        true = library.load(name).cell.a
        assert abs(found["cell_a"] - true) < PULL * found["cell_a_std"]
    assert all(r.status is FitStatus.CONVERGED for r in joint.results.values())
    assert not joint.agreement["disagrees"].any()
    assert joint.agreement["included"].all()


def test_what_is_shared_is_the_same_in_every_result(joint: JointResult) -> None:
    for result in joint.results.values():
        for name in ("cell_a", "cell_c"):
            np.testing.assert_allclose(
                result.parameters[name], joint.shared[name], rtol=1e-12
            )
            np.testing.assert_allclose(
                result.parameters[f"{name}_std"],
                joint.shared[f"{name}_std"],
                rtol=ROUNDING,
            )
        trace = joint.shared["size_nm"].sel(phase="rutile")
        assert float(result.parameters["size_nm"].sel(phase="rutile")) == float(trace)
    assert np.isnan(joint.shared["size_nm"].sel(phase="NaCl"))
    assert float(joint.shared["n_patterns"]) == N


def test_sharing_makes_the_trace_phase_more_certain(
    series: dict[str, xr.Dataset], joint: JointResult
) -> None:
    single = NativeEngine(options=FAST).refine_series(
        list(series.values()), make_plan()
    )
    name = "weight_fraction_crystalline_std"
    before = np.array([r.parameters[name].sel(phase="rutile") for r in single])
    assert fractions(joint, std=True)[:, 1].mean() < before.mean()


def fitted_together(
    patterns: list[xr.Dataset], plan: RefinementPlan, shared: Shared
) -> Together:
    """Return the members of a joint fit, as :func:`refine_jointly` makes them."""
    from refinement.engines.native.chain import Chain, Link

    links = [x for x in Chain(plan, FAST).run(patterns) if isinstance(x, Link)]
    fits = [link.fit for link in links if link.fit is not None]
    common = share(links, shared, FAST)
    members = [make_member(alone(fit, common, FAST), common) for fit in fits]
    return Together(members=members, common=common, options=FAST)


def test_esds_are_those_of_the_whole_problem_written_out() -> None:
    """Every parameter of three patterns in one matrix, linear columns included."""
    patterns = [simulate(k, trace=0.05) for k in range(3)]
    shared = Shared(cells=NAMES, widths=("rutile",))
    plan = make_plan(background_terms=4, halo=False)
    together = fitted_together(patterns, plan, shared)
    agreed = agree(together)
    whole = take_apart(agreed, together)
    places = together.common.places
    rows, owners, used = [], [], places.size
    n_points = sum(fit.prepared.problem.n_points for fit in whole.fits)
    at = 0
    scales = []
    for fit in whole.fits:
        free = np.nonzero(fit.minimum.free)[0]
        assert not Walls.around(
            fit.minimum.found.values, fit.restraints, free
        ).inward.any()
        problem, found = fit.prepared.problem, fit.minimum.found
        root = np.sqrt(1.0 / max(fit.gof_square, 1.0))
        jacobian = root * problem.jacobian(found, fit.minimum.free)
        linear = root * np.vstack([found.columns, problem.background])
        for i, row in zip(free, jacobian, strict=True):
            place = int(np.searchsorted(places, i)) if i in places else used
            used += place == used
            rows.append((place, at, row))
            owners.append((place, float(fit.restraints.sigma[i]), fit, root))
        scales.append(np.arange(used, used + len(NAMES)))
        for row in linear:
            rows.append((used, at, row))
            used += 1
        at += problem.n_points
    matrix = np.zeros((used, n_points))
    for place, first, row in rows:
        matrix[place, first : first + row.size] += row
    normal = matrix @ matrix.T
    for place, sigma, fit, root in owners:
        normal[place, place] += fit.restraints.scale * root**2 / sigma**2
    shared_places = np.arange(places.size)
    normal[shared_places, shared_places] += together.common.restraints.sigma**-2.0
    norm = np.sqrt(np.diag(normal))
    inverse = np.linalg.inv(normal / np.outer(norm, norm)) / np.outer(norm, norm)
    np.testing.assert_allclose(
        np.diag(whole.covariance),
        np.diag(inverse)[shared_places],
        rtol=ROUNDING,
    )
    from refinement.engines.native.covariance import estimate_covariance

    for fit, others, place in zip(whole.fits, whole.others, scales, strict=True):
        stated = estimate_covariance(fit, others=others)
        np.testing.assert_allclose(
            stated.phase_scales, inverse[np.ix_(place, place)], rtol=ROUNDING
        )


@pytest.fixture(scope="module")
def disturbed(series: dict[str, xr.Dataset]) -> JointResult:
    """Return the series with one shifted cell, one dead pattern, one other grid."""
    changed = dict(series)
    changed["s4"] = simulate(4, cells={"NaCl": 3e-3})
    dead = series["s6"].copy(deep=True)
    dead["intensity"][:] = 0.0
    changed["s6"] = dead
    changed["s1"] = series["s1"].isel(two_theta=slice(50, None, 2))
    return refine_jointly(changed, make_plan(), shared=CELLS, options=FAST)


def test_a_pattern_with_another_cell_is_reported(disturbed: JointResult) -> None:
    said = disturbed.agreement
    assert said["sample"][said["disagrees"] == 1].to_numpy().tolist() == ["s4"]
    own = said.sel(sample="s4")
    assert int(own["included"]) == 0
    assert str(own["pulls_at"].item()) == "NaCl.cell_1"
    assert float(own["p_value"]) < 1e-10
    for word in ("NaCl.cell_1", "sigma", "left out"):
        assert word in str(own["reason"].item())
    result = disturbed.results["s4"]
    assert result.status is FitStatus.DOUBTFUL
    assert "disagrees" in result.reason
    assert "disagrees" in result.recipe["notes"]
    found = result.parameters.sel(phase="NaCl")
    true = library.load("NaCl").cell.a * (1.0 - 3e-3)
    assert abs(found["cell_a"] - true) < PULL * found["cell_a_std"]


def test_the_others_are_not_dragged(
    series: dict[str, xr.Dataset], disturbed: JointResult
) -> None:
    rest = {name: series[name] for name in ("s0", "s2", "s3", "s5", "s7")}
    rest["s1"] = series["s1"].isel(two_theta=slice(50, None, 2))
    clean = refine_jointly(rest, make_plan(), shared=CELLS, options=FAST)
    for name in NAMES:
        one, other = disturbed.shared.sel(phase=name), clean.shared.sel(phase=name)
        assert abs(one["cell_a"] - other["cell_a"]) < STOP * other["cell_a_std"]
    for name in rest:
        found = disturbed.results[name].parameters
        expected = clean.results[name].parameters
        away = np.abs(found["scale"] - expected["scale"]) / expected["scale_std"]
        assert away.max() < STOP
        assert disturbed.results[name].status is FitStatus.CONVERGED


def test_an_unreadable_pattern_is_a_failure_and_the_rest_goes_on(
    disturbed: JointResult,
) -> None:
    failed = disturbed.results["s6"]
    assert failed.status is FitStatus.FAILED
    assert "no intensity" in failed.reason
    assert list(disturbed.results) == [f"s{k}" for k in range(N)]
    assert np.isnan(disturbed.agreement["p_value"].sel(sample="s6"))
    assert "no intensity" in str(disturbed.agreement["reason"].sel(sample="s6").item())
    assert float(disturbed.shared["n_patterns"]) == N - 2
    other = disturbed.results["s1"].curves.sizes["two_theta"]
    assert other < disturbed.results["s0"].curves.sizes["two_theta"]


def test_no_pattern_at_all_is_no_error(series: dict[str, xr.Dataset]) -> None:
    dead = series["s6"].copy(deep=True)
    dead["intensity"][:] = 0.0
    found = refine_jointly({"a": dead}, make_plan(), shared=CELLS, options=FAST)
    assert found.results["a"].status is FitStatus.FAILED
    assert "no pattern" in found.shared.attrs["remark"]


def test_more_than_a_third_that_disagree_stay_and_say_so() -> None:
    """Every pattern has its own cell: then sharing it is wrong, and all say so."""
    patterns = {f"s{k}": simulate(k, cells={"NaCl": 2e-3 * (k - 2)}) for k in range(5)}
    found = refine_jointly(
        patterns, make_plan(), shared=Shared(cells=("NaCl",)), options=FAST
    )
    said = found.agreement
    assert int((said["included"] == 0).sum()) == 1
    kept = said.where((said["disagrees"] == 1) & (said["included"] == 1), drop=True)
    assert kept.sizes["sample"] >= 2
    for name in kept["sample"].to_numpy():
        assert "more than a third" in found.results[str(name)].reason
        assert found.results[str(name)].status is not FitStatus.CONVERGED


def test_one_film_thickness_is_recovered() -> None:
    plan = make_plan(film_thickness_um=20.0)
    patterns = {f"s{k}": simulate(k, film=FILM_UM, seed=2) for k in range(6)}
    found = refine_jointly(
        patterns, plan, shared=Shared(cells=NAMES, film=True), options=FAST
    )
    value = float(found.shared["film_thickness"])
    std = float(found.shared["film_thickness_std"])
    assert abs(value - FILM_UM) < PULL * std
    assert std < 1.5  # a quarter of the way from the nominal thickness
    for result in found.results.values():
        assert float(result.parameters["film_thickness"]) == value
    single = NativeEngine(options=replace(FAST, refine_film=True)).refine(
        patterns["s0"], plan
    )
    assert float(single.parameters["film_thickness_std"]) > std


def test_the_film_s_derivative_is_that_of_finite_differences() -> None:
    plan = make_plan(film_thickness_um=20.0)
    options = NativeOptions(
        refine_film=True, value_window=200.0, derivative_window=200.0
    )
    model = build_model(np.linspace(10.0, 80.0, 2001), plan, options)
    values = start_values(model.layout, plan, options)
    place = model.layout.names.index("film")
    free = np.zeros(model.layout.size, dtype=bool)
    free[place] = True
    amounts = np.array([3.0, 2.0, 1.0])
    slope = draw_jacobian(model, model.states(values), amounts, free)[0]
    above, below = values.copy(), values.copy()
    above[place] += 1e-2
    below[place] -= 1e-2
    curves = [
        amounts @ draw_columns(model, model.states(v), window=200.0)
        for v in (above, below)
    ]
    numeric = (curves[0] - curves[1]) / 2e-2
    np.testing.assert_allclose(slope, numeric, atol=1e-5 * np.abs(numeric).max())


def test_without_a_free_film_there_is_no_such_parameter() -> None:
    plan = make_plan(film_thickness_um=20.0)
    angles = np.linspace(10.0, 80.0, 2001)
    assert "film" not in build_model(angles, plan, NativeOptions()).layout.names
    no_film = build_model(angles, make_plan(), NativeOptions(refine_film=True))
    assert "film" not in no_film.layout.names
    sizes = [prepare_phase(phase, INSTRUMENT, 80.0).basis.size for phase in plan.phases]
    assert build_layout(plan, sizes, film=True).names[-1] == "film"


def test_a_shared_width_at_its_bound_has_a_finite_esd(
    series: dict[str, xr.Dataset],
) -> None:
    """The instrument is described too wide: no additional width can help."""
    wide = replace(INSTRUMENT, w=0.006, calibrated=False)
    plan = make_plan(instrument=wide)
    some = {name: series[name] for name in list(series)[:4]}
    found = refine_jointly(
        some, plan, shared=Shared(cells=NAMES, instrument=True), options=FAST
    )
    extra = found.shared.sel(shared_parameter="w_extra")
    assert float(extra["value"]) == 0.0
    assert 1e-6 < float(extra["value_std"]) < 0.01
    for result in found.results.values():
        assert np.isfinite(result.parameters["weight_fraction_crystalline_std"]).all()


def test_a_zero_shift_is_shared_as_a_part_of_the_instrument() -> None:
    plan = make_plan(
        shift="zero", instrument=replace(INSTRUMENT, zero=-0.02, calibrated=True)
    )
    patterns = {f"s{k}": simulate(k, displacement=0.0) for k in range(4)}
    found = refine_jointly(
        patterns, plan, shared=Shared(cells=NAMES, instrument=True), options=FAST
    )
    away = float(found.shared["zero"]) - 0.02
    assert abs(away) < PULL * float(found.shared["zero_std"])


def test_cells_that_were_searched_for_can_be_shared() -> None:
    """Their priors and bounds are centred where the patterns found them."""
    off = {"NaCl": 0.012, "corundum": -0.008}
    phases = tuple(
        Phase(structure=library.load(name), cell_uncertain=True) for name in NAMES
    )
    patterns = {f"s{k}": simulate(k, cells=off) for k in range(3)}
    found = refine_jointly(
        patterns, make_plan(phases=phases), shared=CELLS, options=FAST
    )
    for name, share_off in off.items():
        own = found.shared.sel(phase=name)
        true = library.load(name).cell.a * (1.0 - share_off)
        assert abs(own["cell_a"] - true) < PULL * own["cell_a_std"]
    assert found.agreement["included"].all()


def test_of_two_that_differ_none_is_left_out() -> None:
    patterns = {"a": simulate(0), "b": simulate(1, cells={"NaCl": 3e-3})}
    found = refine_jointly(patterns, make_plan(), shared=CELLS, options=FAST)
    assert found.agreement["disagrees"].all()
    assert found.agreement["included"].all()


@pytest.mark.parametrize(
    ("shared", "options", "words"),
    [
        (Shared(cells=("NaF",)), {}, "shared.cells: 'NaF'"),
        (Shared(widths=("NaF",)), {}, "shared.widths: 'NaF'"),
        (Shared(instrument=True), {}, "shared.instrument"),
        (Shared(film=True), {}, "film_thickness_um"),
        (
            Shared(cells=("NaCl",)),
            {"phases": (Phase(structure=library.load("NaCl"), refine_cell=False),)},
            "fixed",
        ),
        (
            Shared(widths=("NaCl",)),
            {
                "phases": (
                    Phase(
                        structure=library.load("NaCl"),
                        refine_size=False,
                        refine_strain=False,
                    ),
                )
            },
            "fixed",
        ),
        (Shared(cells=("NaCl",)), {"stages": ()}, "last stage"),
    ],
)
def test_what_cannot_be_shared_is_refused(
    shared: Shared, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        refine_jointly({}, make_plan(**options), shared=shared)


def test_all_of_it_can_be_stored(joint: JointResult, tmp_path: Path) -> None:
    few = replace(joint, results={"s3": joint.results["s3"]})
    path = write_tree(few.to_datatree(), tmp_path / "joint.nc")
    tree = read_tree(path)
    assert float(tree["/shared"]["n_patterns"]) == N
    assert tree["/agreement"].sizes["sample"] == N
    assert "r_wp" in tree["/results/s3"]
