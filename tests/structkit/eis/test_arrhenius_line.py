"""Lines of ln(sigma T): slow forms, simulated truth, coverage of the intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from structkit.eis.arrhenius_line import (
    ArrheniusSettings,
    convention_difference,
    expected_energy_std,
    fit_line,
    same_prefactor_ratio,
    student_reach,
)
from structkit.errors import SchemaError
from structkit.schema import FitStatus

TRUE_ENERGY = 0.32
TRUE_LN = math.log(1e6)
DRAWS = 700
COVERAGE = (0.92, 0.98)
"""Of 95 % intervals; sampling of 700 draws is 0.008."""
UNBIASED = 4.0
"""Standard errors of the mean of all draws."""
SLOW_FORM = 1e-4
"""Relative: tolerance of the simplex search."""
EV_PER_K = 1.380649e-23 / 1.602176634e-19


def simulate(
    random: np.random.Generator,
    *,
    kelvin: np.ndarray,
    noise: float = 0.02,
    scatter: float = 0.0,
    own_k: float = 0.0,
    offset_k: float = 0.0,
    geometry: float = 0.03,
) -> tuple[np.ndarray, np.ndarray]:
    """Return conductivities measured at wrong temperatures, and their noise."""
    n = kelvin.size
    truly = kelvin + offset_k * random.standard_normal()
    truly = truly + own_k * random.standard_normal(n)
    std = noise * random.uniform(0.5, 1.5, n)
    scale = np.exp(geometry * random.standard_normal())
    exact = 1e6 / truly / np.exp(TRUE_ENERGY / (EV_PER_K * truly))
    wrong = std * random.standard_normal(n) + scatter * random.standard_normal(n)
    return exact * scale * np.exp(wrong), std


CASES = {
    "noise": {},
    "unknown scatter": {"scatter": 0.02},
    "much scatter": {"noise": 0.005, "scatter": 0.04},
    "own temperature": {"own_k": 1.0},
    "common temperature": {"noise": 0.01, "offset_k": 1.0},
    "both": {"own_k": 0.5, "offset_k": 1.0},
}


@pytest.mark.parametrize(
    ("case", "n"), [*((case, 5) for case in CASES), ("noise", 8), ("both", 8)]
)
def test_energy_and_prediction_are_unbiased_and_covered(case: str, n: int) -> None:
    errors = CASES[case]
    random = np.random.default_rng([n, len(case)])
    kelvin = np.linspace(258.15, 328.15, n)
    settings = ArrheniusSettings(
        temperature_std_k=errors.get("own_k", 0.0),
        temperature_offset_std_k=errors.get("offset_k", 0.0),
    )
    room = np.array([1.0, -1.0 / (EV_PER_K * 298.15)])
    truth = np.array([TRUE_LN, TRUE_ENERGY])
    energies, in_energy, in_room = [], 0, 0
    for _ in range(DRAWS):
        sigma, std = simulate(random, kelvin=kelvin, **errors)
        line = fit_line(
            kelvin,
            sigma,
            relative_std=std,
            scale_std=0.03,
            settings=settings,
        )
        low, high = line.energy_limits(0.95)
        in_energy += low < TRUE_ENERGY < high
        in_room += abs(room @ (line.values - truth)) < line.reach(room, 0.95)
        energies.append(line.energy)
    error = np.std(energies) / math.sqrt(DRAWS)
    assert abs(np.mean(energies) - TRUE_ENERGY) < UNBIASED * error
    assert COVERAGE[0] <= in_energy / DRAWS <= COVERAGE[1]
    assert COVERAGE[0] <= in_room / DRAWS <= COVERAGE[1]


def test_unweighted_interval_is_covered_without_any_error_given() -> None:
    random = np.random.default_rng(11)
    kelvin = np.linspace(258.15, 328.15, 5)
    settings = ArrheniusSettings(temperature_offset_std_k=0.0)
    hits = 0
    for _ in range(DRAWS):
        sigma, _ = simulate(random, kelvin=kelvin)
        low, high = fit_line(kelvin, sigma, settings=settings).energy_limits(0.95)
        hits += low < TRUE_ENERGY < high
    assert COVERAGE[0] <= hits / DRAWS <= COVERAGE[1]


def test_weighted_line_is_the_minimum_of_chi_square() -> None:
    random = np.random.default_rng(2)
    kelvin = np.linspace(260.0, 330.0, 6)
    sigma, std = simulate(random, kelvin=kelvin, noise=0.05, geometry=0.0)
    std = 2.0 * std  # chi-square below its degrees of freedom: no extra scatter

    def chi(values: np.ndarray) -> float:
        model = values[0] - 40.0 * values[1] * (300.0 / kelvin - 1.0)
        return float(np.sum(((np.log(sigma * kelvin) - model) / std) ** 2))

    slow = minimize(
        chi,
        [TRUE_LN - 12.0, 0.3],
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 5000, "maxfev": 5000},
    ).x
    line = fit_line(kelvin, sigma, relative_std=std)
    assert line.extra_scatter == 0.0
    energy = 40.0 * slow[1] * 300.0 * EV_PER_K
    assert line.energy == pytest.approx(energy, rel=SLOW_FORM)


def test_common_temperature_error_is_that_of_a_moved_axis() -> None:
    kelvin = np.linspace(260.0, 330.0, 6)
    sigma = 1e6 / kelvin * np.exp(-TRUE_ENERGY / (EV_PER_K * kelvin))
    line = fit_line(kelvin, sigma)  # 1 K, all points together
    moved = np.log(sigma * (kelvin + 1.0))
    slope = np.polyfit(-1.0 / (EV_PER_K * (kelvin + 1.0)), moved, 1)[0]
    assert line.energy_std == pytest.approx(abs(slope - TRUE_ENERGY), rel=0.02)


def test_geometry_reaches_the_prefactor_only() -> None:
    kelvin = np.linspace(260.0, 330.0, 6)
    sigma, std = simulate(np.random.default_rng(4), kelvin=kelvin)
    plain, wide = (
        fit_line(kelvin, sigma, relative_std=std, scale_std=s) for s in (0.0, 0.5)
    )
    assert wide.energy == pytest.approx(plain.energy)
    assert wide.energy_std == pytest.approx(plain.energy_std)
    excess = wide.covariance[0, 0] - plain.covariance[0, 0]
    assert excess == pytest.approx(0.25)


def test_unknown_geometry_leaves_the_energy_known() -> None:
    kelvin = np.linspace(260.0, 330.0, 6)
    sigma, std = simulate(np.random.default_rng(4), kelvin=kelvin)
    line = fit_line(kelvin, sigma, relative_std=std, scale_std=math.nan)
    assert line.energy_std > 0.0
    assert math.isnan(line.covariance[0, 0])


def test_leads_that_grow_with_temperature_bend_the_energy() -> None:
    kelvin = np.linspace(260.0, 330.0, 6)
    sigma = 1e6 / kelvin * np.exp(-TRUE_ENERGY / (EV_PER_K * kelvin))
    settings = ArrheniusSettings(temperature_offset_std_k=0.0)
    growing = 0.05 * (kelvin - 250.0) / 80.0
    line = fit_line(kelvin, sigma, shifts=growing[None], settings=settings)
    bent = fit_line(kelvin, sigma * np.exp(growing), settings=settings)
    assert line.energy_std == pytest.approx(bent.energy - TRUE_ENERGY)


def test_few_points_are_values_with_reasons() -> None:
    kelvin = np.array([300.0, 320.0])
    sigma = np.array([1e-3, 2e-3])
    two = fit_line(kelvin, sigma, relative_std=np.full(2, 0.02))
    assert two.status is FitStatus.DOUBTFUL
    assert "two points" in two.reason
    assert two.energy_std > 0.0
    assert math.isnan(fit_line(kelvin, sigma).energy_std)
    one = fit_line(kelvin[:1], sigma[:1])
    assert (one.status, one.n_points) == (FitStatus.FAILED, 1)
    same = fit_line(np.array([300.0, 300.0, 300.0]), np.array([1e-3, 2e-3, 1e-3]))
    assert "one temperature" in same.reason


def test_missing_and_negative_conductivities_are_left_out() -> None:
    kelvin = np.linspace(260.0, 330.0, 6)
    sigma = 1e6 / kelvin * np.exp(-TRUE_ENERGY / (EV_PER_K * kelvin))
    sigma[1], sigma[3] = math.nan, -1.0
    line = fit_line(kelvin, sigma)
    assert line.n_points == 4
    assert line.energy == pytest.approx(TRUE_ENERGY)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(SchemaError, match="level"):
        ArrheniusSettings(level=1.0)
    with pytest.raises(SchemaError, match="temperature"):
        ArrheniusSettings(temperature_std_k=-1.0)


def test_student_reach_between_its_limits() -> None:
    normal = student_reach(0.0, 1.0, 3.0, level=0.95)
    found = student_reach(1.0, 1.0, 3.0, level=0.95)
    assert normal == pytest.approx(1.960, abs=1e-3)
    assert found == pytest.approx(3.182, abs=1e-3)


def test_study_convention_difference() -> None:  # C19
    kelvin = 273.15 + np.arange(-15.0, 56.0, 10.0)
    assert convention_difference(kelvin) == pytest.approx(0.025, abs=5e-4)
    sigma = 1.0 / kelvin * np.exp(-TRUE_ENERGY / (EV_PER_K * kelvin))
    both = [
        fit_line(kelvin, sigma, convention=c).energy for c in ("ln_sigma_T", "ln_sigma")
    ]
    assert both == pytest.approx([0.32, 0.295], abs=5e-4)
    errors = [expected_energy_std(kelvin, s) for s in (0.02, 0.05, 0.10)]
    assert errors == pytest.approx([0.0023, 0.0056, 0.0113], abs=5e-5)


def test_study_same_prefactor() -> None:  # C20
    ratio = same_prefactor_ratio(0.36, 0.32, temperature=298.15)
    assert ratio == pytest.approx(4.7, abs=0.05)
    assert 4.41 / ratio == pytest.approx(0.93, abs=0.005)
