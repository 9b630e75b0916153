"""From GSAS-II's figures to a result: each number against a slow form of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.gsas2.checks import LEAST_SCALE
from refinement.engines.gsas2.conventions import displacement_from_gsas2
from refinement.engines.gsas2.conversation import Outcome, Script
from refinement.engines.gsas2.job import Job
from refinement.engines.gsas2.options import Gsas2Options
from refinement.engines.gsas2.summary import summarize
from refinement.engines.weights import corrected_scales
from refinement.plan import Phase, RefinementPlan
from refinement.result import VARIABLES, RefinementResult, attributes
from structkit.errors import FitError
from structkit.schema import ESD_RELIABLE, FitStatus, make_pattern
from structkit.store import read_tree, write_tree
from structkit.structures import library
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

Floats = NDArray[np.float64]
NAMES = ("corundum", "fluorite", "zincite")
CENTERS = (35.0, 28.0, 36.5)
SCALES = (0.02, 0.05, 0.1)
MASSES = (611.8, 312.3, 162.7)
ESDS = (2e-4, 6e-4, 2e-3)
CORRELATION = np.array([[1.0, 0.3, -0.2], [0.3, 1.0, 0.5], [-0.2, 0.5, 1.0]])
HEIGHT = 40_000.0
ANGLES = np.round(np.arange(25.0, 40.0, 0.05), 6)
OPTIONS = Gsas2Options()
STEP = 1e-6
"""Relative step of the finite differences below."""
SLOPE = 1e-4
"""Relative error of such a derivative's product."""
CELL_ESD = [1e-4, 1e-4, 2e-4, 0.0, 0.0, None]


def bump(center: float) -> Floats:
    return np.exp(-4.0 * np.log(2.0) * ((ANGLES - center) / 0.3) ** 2)


@pytest.fixture
def plan() -> RefinementPlan:
    return make_plan()


def make_plan(**options: Any) -> RefinementPlan:
    phases = tuple(
        Phase(structure=library.load(name), texture=(1, 0, 0) if not n else None)
        for n, name in enumerate(NAMES)
    )
    instrument = Instrument(radiation=tube("CuKa"), calibrated=True, zero=0.01)
    return RefinementPlan(
        **({"phases": phases, "instrument": instrument, "halo": False} | options)
    )


class Case:
    """A conversation's end, made by hand; ``scales`` of what is varied have esds."""

    def __init__(
        self,
        scales: tuple[float, ...] = SCALES,
        *,
        varied: tuple[int, ...] = (0, 1, 2),
        stretch: float = 1.0,
        film: float = 1.0,
        seed: int = 3,
    ) -> None:
        self.scales = scales
        smooth = np.full_like(ANGLES, 200.0)
        lines = [
            HEIGHT * scale * bump(center)
            for scale, center in zip(scales, CENTERS, strict=True)
        ]
        true = film * (smooth + np.sum(lines, axis=0))
        rng = np.random.default_rng(seed)
        counts = rng.poisson(np.maximum(true, 0.0)).astype(float)
        self.pattern = make_pattern(ANGLES, counts)
        std = np.sqrt(np.maximum(counts, 1.0))
        names = [":0:Back;0", *(f"{n}:0:Scale" for n in varied)]
        names += [":0:Shift", "0:0:Size;i", "0:0:Mustrain;i", "0:0:MD"]
        esds = {f"{n}:0:Scale": ESDS[n] for n in varied}
        esds |= {":0:Back;0": 1.0, ":0:Shift": 2.0, "0:0:Size;i": 0.002}
        esds |= {"0:0:Mustrain;i": 100.0, "0:0:MD": 0.02}
        matrix = np.diag([esds[name] ** 2 for name in names])
        for i, row in enumerate(varied):
            for j, column in enumerate(varied):
                value = CORRELATION[row, column] * ESDS[row] * ESDS[column]
                matrix[1 + i, 1 + j] = value
        self.report: dict[str, Any] = {
            "rvals": {"Rwp": 5.0, "GOF": 1.1},
            "varied": names,
            "values": [1.0] * len(names),
            "esd": [esds[name] for name in names],
            "covariance": matrix.tolist(),
            "state": {
                "phases": {
                    name: {
                        "number": n,
                        "scale": scales[n],
                        "mass": MASSES[n],
                        "size": 0.1,
                        "strain": 4000.0,
                        "march": 0.8 if n == 0 else None,
                        "cell": [4.0 + n, 4.0 + n, 5.0, 90.0, 90.0, 120.0],
                        "cell_esd": CELL_ESD,
                    }
                    for n, name in enumerate(NAMES)
                },
                "peaks": [],
                "shift": -30.0,
                "zero": 0.03,
                "w": 8.0,
            },
        }
        calculated = [stretch * line for line in lines]
        self.curves: dict[str, Any] = {
            "two_theta": ANGLES.tolist(),
            "background": smooth.tolist(),
            "components": {
                name: line.tolist()
                for name, line in zip(NAMES, calculated, strict=True)
            },
            "reflections": {
                name: {"hkl": [[1, 0, n], [9, 9, 9]], "two_theta": [center, 60.0]}
                for n, (name, center) in enumerate(zip(NAMES, CENTERS, strict=True))
            },
        }
        self.stable = True
        self.refused: list[str] = []
        self.notes: list[str] = ["a note"]
        self.film = np.full_like(ANGLES, film)
        self.job = Job(
            script=Script(
                request={},
                values={},
                warm=None,
                reached_r_wp=np.nan,
                least_w=1.0,
                structures=(),
            ),
            angles=ANGLES,
            intensity=counts,
            std=std,
            transmission=self.film,
            known=np.empty((0, ANGLES.size)),
            n_halo=0,
        )

    def summarize(
        self, plan: RefinementPlan, native: RefinementResult | None = None
    ) -> RefinementResult:
        outcome = Outcome(
            report=self.report,
            curves=self.curves,
            stable=self.stable,
            refused=self.refused,
            notes=self.notes,
            stages=["scales", "sizes"],
        )
        return summarize(
            outcome,
            self.job,
            self.pattern,
            plan,
            OPTIONS,
            engine="gsas2 1.0",
            native=native or RefinementResult.failure("native", "none", NAMES),
            seconds=1.5,
            recipe={"start": "cold"},
        )


def share_of(scales: Floats, weights: Floats, number: int) -> float:
    """Return one weight fraction, as a textbook has it."""
    total = 0.0
    for scale, weight in zip(scales, weights, strict=True):
        total += scale * weight
    return float(scales[number] * weights[number] / total)


def slow_esds(weights: Floats) -> list[float]:
    """Return the fractions' esds by finite differences and a double sum."""
    scales = np.array(SCALES)
    found = []
    for number in range(3):
        slopes = []
        for other in range(3):
            moved = [scales.copy(), scales.copy()]
            moved[0][other] *= 1.0 - STEP
            moved[1][other] *= 1.0 + STEP
            low, high = (share_of(row, weights, number) for row in moved)
            slopes.append((high - low) / (2.0 * STEP * scales[other]))
        variance = 0.0
        for i in range(3):
            for j in range(3):
                term = CORRELATION[i, j] * ESDS[i] * ESDS[j]
                variance += slopes[i] * slopes[j] * term
        found.append(variance**0.5)
    return found


def test_fractions_and_esds_come_from_the_covariance_matrix(
    plan: RefinementPlan,
) -> None:
    """Trap 5: GSAS-II's own helper returns nothing, or zeros, at times."""
    found = Case().summarize(plan).parameters
    weights = np.array(MASSES)
    shares = [share_of(np.array(SCALES), weights, n) for n in range(3)]
    assert found["weight_fraction_crystalline"].to_numpy() == pytest.approx(shares)
    esds = found["weight_fraction_crystalline_std"].to_numpy()
    assert esds == pytest.approx(slow_esds(weights), rel=SLOPE)
    scale = found["scale"].to_numpy()
    assert scale == pytest.approx(np.array(SCALES) * weights)
    assert found["scale_std"].to_numpy() == pytest.approx(np.array(ESDS) * weights)


def test_microabsorption_corrects_fractions_and_esds() -> None:
    plan = make_plan(particle_size_um=4.0)
    found = Case().summarize(plan).parameters
    tau = found["absorption_factor"].to_numpy()
    expected = corrected_scales(plan, np.array(SCALES) * np.array(MASSES))[1]
    assert tau == pytest.approx(expected)
    assert np.abs(tau - 1.0).max() > 0.01
    weights = np.array(MASSES) / tau
    shares = [share_of(np.array(SCALES), weights, n) for n in range(3)]
    assert found["weight_fraction_crystalline"].to_numpy() == pytest.approx(shares)
    esds = found["weight_fraction_crystalline_std"].to_numpy()
    assert esds == pytest.approx(slow_esds(weights), rel=SLOPE)


@pytest.mark.parametrize("scale", [LEAST_SCALE, 0.5 * LEAST_SCALE])
def test_a_phase_held_at_zero_is_absent_with_an_esd(
    plan: RefinementPlan, scale: float
) -> None:
    case = Case((SCALES[0], SCALES[1], scale), varied=(0, 1))
    found = case.summarize(plan).parameters.sel(phase="zincite")
    assert float(found["weight_fraction_crystalline"]) == 0.0
    std = float(found["weight_fraction_crystalline_std"])
    # One amount, all shapes known: 1 sigma of its column over a flat background of
    # counts; correlations with the others make it no smaller.
    column = HEIGHT * bump(CENTERS[2]) / case.job.std
    alone = MASSES[2] * 1.1 / np.sqrt(float(column @ column))
    total = SCALES[0] * MASSES[0] + SCALES[1] * MASSES[1]
    assert alone / total <= std < 2.0 * alone / total
    assert std < float(found["detection_limit"])
    assert 0.0 < float(found["upper_limit"]) < float(found["detection_limit"])


def test_a_negative_scale_is_no_negative_weight(plan: RefinementPlan) -> None:
    """Within its esd of zero: absent, and as uncertain as GSAS-II says."""
    case = Case((SCALES[0], SCALES[1], -1e-3))
    found = case.summarize(plan).parameters
    share = found["weight_fraction_crystalline"].to_numpy()
    assert share[2] == 0.0
    assert share.sum() == pytest.approx(1.0)
    total = SCALES[0] * MASSES[0] + SCALES[1] * MASSES[1]
    std = float(found["weight_fraction_crystalline_std"][2])
    assert std == pytest.approx(ESDS[2] * MASSES[2] / total)
    assert float(found["scale_std"][2]) == pytest.approx(ESDS[2] * MASSES[2])


def test_units_and_conventions_are_structkits(plan: RefinementPlan) -> None:
    case = Case()
    found = case.summarize(plan).parameters
    first = found.sel(phase="corundum")
    assert float(first["size_nm"]) == pytest.approx(90.0)
    assert float(first["size_nm_std"]) == pytest.approx(1.8)
    assert float(first["microstrain"]) == pytest.approx(1e-3)
    assert float(first["microstrain_std"]) == pytest.approx(2.5e-5)
    assert float(first["march_dollase"]) == 0.8
    assert float(first["march_dollase_std"]) == 0.02
    radius = OPTIONS.goniometer_radius_mm
    shift = displacement_from_gsas2(-30.0, radius)
    assert shift > 0.0
    assert float(found["displacement"]) == pytest.approx(shift)
    assert float(found["displacement_std"]) == pytest.approx(shift / 15.0)
    assert float(first["cell_a_std"]) == 1e-4
    assert float(first["seconds"]) == 1.5
    for name in set(found.data_vars) & set(VARIABLES):
        assert found[name].attrs == attributes(str(name))


def test_what_was_not_refined_has_no_esd(plan: RefinementPlan) -> None:
    """Not known is NaN, never 0: symmetry fixes an angle, a weak phase its size."""
    found = Case().summarize(plan).parameters
    second = found.sel(phase="fluorite")
    assert float(second["size_nm"]) == pytest.approx(90.0)
    for name in ("size_nm_std", "microstrain_std", "march_dollase", "cell_alpha_std",
                 "cell_gamma_std", "b_overall"):  # fmt: skip
        assert np.isnan(float(second[name])), name


def test_a_zero_shift_is_told_beside_the_instruments() -> None:
    case = Case()
    place = case.report["varied"].index(":0:Shift")
    case.report["varied"][place] = ":0:Zero"
    found = case.summarize(make_plan(shift="zero")).parameters
    assert float(found["zero"]) == pytest.approx(0.02)
    assert float(found["zero_std"]) == 2.0
    assert "displacement" not in found


def test_a_film_is_put_back_on_the_curves(plan: RefinementPlan) -> None:
    case = Case(film=0.5)
    curves = case.summarize(plan).curves
    assert float(curves["background"][0]) == pytest.approx(100.0)
    height = float(curves["component"].sel(phase="corundum").max())
    assert height == pytest.approx(0.5 * HEIGHT * SCALES[0])
    parts = curves["background"] + curves["halo"] + curves["component"].sum("phase")
    assert parts.to_numpy() == pytest.approx(curves["calculated"].to_numpy())
    assert curves["observed"].to_numpy().tolist() == case.job.intensity.tolist()


def test_r_factors_are_those_of_the_curves(plan: RefinementPlan) -> None:
    result = Case().summarize(plan)
    curves = result.curves
    observed, calculated, std = (
        curves[key].to_numpy() for key in ("observed", "calculated", "observed_std")
    )
    rest = float(np.sum(np.square((observed - calculated) / std)))
    r_wp = (rest / float(np.sum(np.square(observed / std)))) ** 0.5
    assert float(result.parameters["r_wp"]) == pytest.approx(r_wp)


def test_a_halo_is_told_apart_from_the_background() -> None:
    case = Case()
    hump = 300.0 * np.exp(-0.5 * ((ANGLES - 32.0) / 2.0) ** 2)
    case.curves["background"] = (np.array(case.curves["background"]) + hump).tolist()
    with_halo = case.summarize(make_plan(halo=True)).curves["halo"]
    assert float(with_halo.max()) == pytest.approx(300.0, rel=0.05)
    assert float(case.summarize(make_plan()).curves["halo"].max()) == 0.0


def test_reflections_beyond_the_pattern_are_left_out(plan: RefinementPlan) -> None:
    marks = Case().summarize(plan).reflections
    assert marks["two_theta_hkl"].to_numpy().tolist() == list(CENTERS)
    assert marks["phase_index"].to_numpy().tolist() == [0, 1, 2]
    assert marks["l"].to_numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize("change", [slice(1, None), "moved"])
def test_other_points_than_the_plans_are_an_error(
    plan: RefinementPlan, change: Any
) -> None:
    case = Case()
    points = case.curves["two_theta"]
    moved = [angle + 0.05 for angle in points]
    case.curves["two_theta"] = moved if change == "moved" else points[change]
    with pytest.raises(FitError, match=r"GSAS-II used .* the plan has 300"):
        case.summarize(plan)


def test_a_good_fit_converged(plan: RefinementPlan) -> None:
    result = Case().summarize(plan)
    assert (result.status, result.reason) == (FitStatus.CONVERGED, "")
    assert result.recipe["notes"] == "a note"
    assert result.recipe["stages"] == "scales, sizes"
    assert result.recipe["start"] == "cold"


def test_a_stage_given_up_makes_a_result_doubtful(plan: RefinementPlan) -> None:
    case = Case()
    case.refused = ["stage sizes: Rwp rose"]
    result = case.summarize(plan)
    assert (result.status, result.reason) == (
        FitStatus.DOUBTFUL,
        "stage sizes: Rwp rose",
    )


def test_what_still_moves_is_not_converged(plan: RefinementPlan) -> None:
    case = Case()
    case.stable = False
    result = case.summarize(plan)
    assert result.status is FitStatus.NOT_CONVERGED
    assert "still moved" in result.reason


def test_no_significant_phase_makes_a_result_doubtful(plan: RefinementPlan) -> None:
    case = Case((1e-4, 1e-4, 1e-4))
    result = case.summarize(plan)
    assert result.status is FitStatus.DOUBTFUL
    assert "no phase of the plan is significant" in result.reason


def native_with(r_wp: float) -> RefinementResult:
    nothing = RefinementResult.failure("native", "", NAMES)
    parameters = nothing.parameters.assign(r_wp=r_wp)
    return replace(nothing, status=FitStatus.CONVERGED, parameters=parameters)


def test_a_false_minimum_shows_against_the_native_engine(plan: RefinementPlan) -> None:
    """Trap 2: converged, and far from the best."""
    case = Case(stretch=0.8)
    own = float(case.summarize(plan).parameters["r_wp"])
    result = case.summarize(plan, native_with(own / 1.5))
    assert result.status is FitStatus.DOUBTFUL
    assert "probably a false minimum" in result.reason
    good = case.summarize(plan, native_with(own / 1.1))
    assert "false minimum" not in good.reason


def test_lines_left_unexplained_make_a_result_doubtful(plan: RefinementPlan) -> None:
    """Also where the native engine fails alike: a wrong cell, a missing phase."""
    case = Case(stretch=0.5)
    own = float(case.summarize(plan).parameters["r_wp"])
    result = case.summarize(plan, native_with(own))
    assert result.status is FitStatus.DOUBTFUL
    assert "50% of the Bragg scattering unexplained" in result.reason


def test_unknown_noise_is_remarked_and_no_doubt(plan: RefinementPlan) -> None:
    case = Case()
    flag = xr.Variable((), False, {"reason": "smoothed by the maker's program"})
    case.pattern = case.pattern.assign({ESD_RELIABLE: flag})
    result = case.summarize(plan)
    assert result.status is FitStatus.CONVERGED
    assert result.reason.endswith("unreliable: smoothed by the maker's program")
    assert float(result.parameters["esd_reliable"]) == 0.0
    assert float(Case().summarize(plan).parameters["esd_reliable"]) == 1.0


def test_a_result_is_stored_and_read_again(
    plan: RefinementPlan, tmp_path: Path
) -> None:
    result = Case((SCALES[0], SCALES[1], LEAST_SCALE), varied=(0, 1)).summarize(plan)
    write_tree(result.to_datatree(), tmp_path / "s0.nc")
    again = RefinementResult.from_datatree(read_tree(tmp_path / "s0.nc"))
    xr.testing.assert_equal(again.parameters, result.parameters)
    assert again.status is result.status
