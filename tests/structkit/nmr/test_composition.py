"""Checks C05 to C11 and C16 of the study, and what the table tells."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.errors import SchemaError
from structkit.nmr.composition import correct_saturation, find_composition
from structkit.nmr.oxide_content import find_oxide_content
from structkit.nmr.response import (
    Blank,
    CompositionSettings,
    flip_angle_response,
    saturation_factor,
)
from structkit.nmr.stoichiometry import (
    blank_from_share,
    count_sodium,
    exchange_extent,
    oxide_from_ratio,
    shares_from_ratio,
)
from structkit.structures.composition import mixture_mass_fractions

PRINTED = 5e-4
"""The study prints three digits."""
COVARIANCE = np.diag([0.2, 0.02, 0.3])


def value(table: object, quantity: str, column: str = "value") -> float:
    return float(table[column].sel(quantity=quantity))  # type: ignore[index]


def test_c05_mole_ratio_gives_x() -> None:
    assert oxide_from_ratio(1.0 / 8.0) == pytest.approx(0.0625)


def test_c06_shares_follow_from_ratio_and_relative_gain() -> None:
    later = shares_from_ratio(0.048, 8.0)
    assert 100 * later["NTOC"] == pytest.approx(38.4)
    assert 100 * later["Na2O"] == pytest.approx(56.8)
    product = later["NTOC"] / 1.3046
    assert 100 * product == pytest.approx(29.43, abs=5e-3)
    assert oxide_from_ratio(0.0229 / product) == pytest.approx(0.0389, abs=5e-5)
    points = oxide_from_ratio(0.0229 / (later["NTOC"] - 0.3046))
    assert points == pytest.approx(0.144, abs=PRINTED)


def test_c07_census_exceeds_its_ceiling_after_four_hours() -> None:
    later, earlier = count_sodium(0.384), count_sodium(0.2943)
    assert later[0] == pytest.approx(2.60, abs=5e-3)
    assert earlier[0] == pytest.approx(3.40, abs=5e-3)
    assert later[1] == pytest.approx(0.15, abs=5e-3)
    assert earlier[1] == pytest.approx(-0.12, abs=5e-3)


def test_c09_blank_of_the_control() -> None:
    ratio = blank_from_share(0.0507)
    assert ratio == pytest.approx(0.0534, abs=5e-5)
    assert oxide_from_ratio(ratio) == pytest.approx(0.0267, abs=5e-5)
    areas = {1: (0.0229 / 0.2943, 1.0), 4: (1.0 / 8.0, 1.0)}
    settings = CompositionSettings(blank=Blank(ratio=ratio, std=0.0), response=1.0)
    found = [
        find_oxide_content(pair, 1e-8 * np.eye(2), settings).value
        for pair in areas.values()
    ]
    assert found == pytest.approx([0.012, 0.036], abs=PRINTED)


def test_c10_and_c11_extent_and_ceiling() -> None:
    oxide_per_chloride, removed = exchange_extent(0.0625)
    assert oxide_per_chloride == pytest.approx(0.0106, abs=5e-5)
    assert removed == pytest.approx(0.021, abs=PRINTED)
    masses = list(mixture_mass_fractions({"NaTaOCl4": 1.0, "NaCl": 2.0}).values())
    assert [100 * mass for mass in masses] == pytest.approx([75.6, 24.4], abs=0.05)


def test_c16_saturation_factors_and_x_of_a_saturated_by_product() -> None:
    factors = [saturation_factor(10.0, t1) for t1 in (5.69, 11.43, 6.49, 2.06)]
    assert factors == pytest.approx([0.83, 0.58, 0.79, 0.992], abs=6e-3)
    settings = CompositionSettings(
        recycle_delay_s=10.0, t1_s={"NaCl": 6.49, "NTOC": 0.0012}
    )
    areas, _, remarks = correct_saturation(
        {"NTOC": 8.0, "NaCl": 1.0}, np.zeros((2, 2)), settings
    )
    assert oxide_from_ratio(areas[1] / areas[0]) == pytest.approx(0.080, abs=PRINTED)
    assert any("NaCl is saturated to 0.79" in remark for remark in remarks)


def test_steady_state_is_that_of_many_pulses() -> None:
    recycle, t1, angle = 1.0, 2.0, 40.0
    left, magnetisation = np.exp(-recycle / t1), 1.0
    for _ in range(200):
        after = magnetisation * np.cos(np.radians(angle))
        magnetisation = 1.0 + (after - 1.0) * left
    found = saturation_factor(recycle, t1, flip_angle_degree=angle)
    assert found == pytest.approx(magnetisation)


def test_flip_angle_bias_is_the_printed_one() -> None:
    bias = [flip_angle_response(angle) for angle in (90.0, 45.0, 22.5, 15.0)]
    assert bias == pytest.approx([0.0, 0.71, 0.92, 0.97], abs=6e-3)


def test_limits_of_x_are_those_of_draws_of_all_that_spreads_it() -> None:
    generator = np.random.default_rng(7)
    mean, covariance = np.array([4.2, 38.0]), np.array([[0.09, 0.02], [0.02, 0.5]])
    blank = Blank(ratio=0.0534, std=0.006)
    found = find_oxide_content(mean, covariance, CompositionSettings(blank=blank))
    n = 400_000
    areas = generator.multivariate_normal(mean, covariance, n)
    factor = np.exp(generator.uniform(np.log(0.4), np.log(1.3), n))
    net = areas[:, 0] / areas[:, 1] - generator.normal(blank.ratio, blank.std, n)
    slow = 0.5 * factor * net
    assert found.value == pytest.approx(slow.mean(), rel=0.01)
    assert found.std == pytest.approx(slow.std(), rel=0.01)
    limits = np.quantile(slow, [0.025, 0.975, 0.95])
    told = [found.low, found.high, found.upper_limit]
    assert told == pytest.approx(limits, rel=0.02)


def test_no_oxide_is_an_upper_limit_and_never_clipped() -> None:
    settings = CompositionSettings(blank=Blank(ratio=0.0534, std=0.002), response=1.0)
    below = find_oxide_content([1.8, 38.0], np.diag([0.01, 0.1]), settings)
    assert below.value < 0.0
    assert below.includes_zero or below.high < 0.0
    at = find_oxide_content([0.0534 * 38.0, 38.0], np.diag([0.01, 0.1]), settings)
    assert at.includes_zero
    assert "not above zero: x <" in at.remark
    std = 0.5 * np.hypot(0.1 / 38.0, 0.002)
    assert at.detection_limit == pytest.approx(1.645 * std, rel=0.01)


def test_table_of_the_study_reports_census_and_equation_two() -> None:
    areas = {"NTOC": 38.4, "NaCl": 4.8, "Na2O": 56.8}
    table = find_composition(areas, COVARIANCE)
    assert value(table, "mole_ratio") == pytest.approx(8.0)
    assert value(table, "na_per_ta") == pytest.approx(2.60, abs=5e-3)
    over = str(table["remark"].sel(quantity="product_over_ceiling").item())
    assert "more sodium in the product than tantalum allows, by 15 %" in over
    assert "no blank" in str(table["remark"].sel(quantity="x").item())
    assert table["value"].attrs["units"] == "1"


def test_the_control_itself_has_no_x() -> None:
    areas = {"NTOC": 38.4, "NaCl": 4.8, "Na2O": 56.8}
    settings = CompositionSettings(without_oxide="this is the blank")
    table = find_composition(areas, COVARIANCE, settings)
    assert np.isnan(value(table, "x"))
    assert "this is the blank" in str(table["remark"].sel(quantity="x").item())
    assert value(table, "x_equation_1") == pytest.approx(0.0625)


def test_factor_of_the_study_brings_x_to_its_least() -> None:
    settings = CompositionSettings(response=0.4)
    found = find_oxide_content([1.0, 8.0], 1e-8 * np.eye(2), settings)
    assert found.value == pytest.approx(0.025)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(SchemaError, match="no area of site 'NaCl'"):
        find_composition({"NTOC": 1.0}, np.eye(1))
    with pytest.raises(SchemaError, match="covariance has shape"):
        find_composition({"NTOC": 1.0, "NaCl": 1.0}, np.eye(3))
    with pytest.raises(SchemaError, match="must be positive"):
        saturation_factor(0.0, 1.0)
    unresolved = find_oxide_content([1.0, 1.0], np.eye(2))
    assert np.isnan(unresolved.value)
    assert "not resolved" in unresolved.remark
