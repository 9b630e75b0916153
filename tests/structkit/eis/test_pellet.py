"""Cell constants against their formulae and against drawn geometries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.eis.pellet import Pellet, geometry_covariance
from structkit.errors import SchemaError

DRAWS = 40_000
OF_DRAWS = 0.02
"""Sampling error of a standard deviation of 40 000 draws is 0.35 %; 2 % also covers
what second order adds at errors of a few percent."""


def test_published_cell_constant() -> None:
    pellet = Pellet(diameter_mm=8.0, thickness_mm=2.1)
    assert pellet.cell_constant == pytest.approx(0.41778, abs=5e-6)


def test_study_pellet_from_mass_and_density() -> None:
    # 130 mg in an 8 mm die: 0.83 to 0.99 mm for 3.1 to 2.6 g/cm3
    found = [
        10.0 * Pellet(diameter_mm=8.0, mass_mg=130.0, density_g_cm3=rho).thickness_cm
        for rho in (3.1, 2.6)
    ]
    assert found == pytest.approx([0.834, 0.995], abs=5e-4)


@pytest.mark.parametrize("is_weighed", [False, True])
def test_error_is_that_of_drawn_geometries(is_weighed: bool) -> None:
    random = np.random.default_rng(3)
    z = random.standard_normal((4, DRAWS))
    diameter = 0.8 * (1.0 + 0.01 * z[0])
    area = math.pi * diameter**2 / 4.0
    if is_weighed:
        pellet = Pellet(
            diameter_mm=8.0,
            diameter_std_mm=0.08,
            mass_mg=130.0,
            mass_std_mg=1.3,
            density_g_cm3=2.8,
            density_std_g_cm3=0.056,
        )
        thickness = 0.13 * (1 + 0.01 * z[1]) / (2.8 * (1 + 0.02 * z[2])) / area
    else:
        pellet = Pellet(
            diameter_mm=8.0,
            diameter_std_mm=0.08,
            thickness_mm=0.9,
            thickness_std_mm=0.018,
            pressure_std=0.03,
        )
        thickness = 0.09 * (1 + 0.02 * z[1]) * (1 + 0.03 * z[2])
    drawn = np.log(thickness / area)
    assert pellet.relative_std == pytest.approx(np.std(drawn), rel=OF_DRAWS)
    assert math.log(pellet.cell_constant) == pytest.approx(np.median(drawn), abs=1e-3)


def test_unknown_error_is_unknown() -> None:
    assert math.isnan(Pellet(diameter_mm=8.0, thickness_mm=1.0).relative_std)


def test_shared_errors_cancel_in_a_ratio() -> None:
    one = Pellet(
        diameter_mm=8.0,
        diameter_std_mm=0.1,
        thickness_mm=0.9,
        thickness_std_mm=0.018,
        pressure_std=0.05,
    )
    matrix = geometry_covariance([one, one])
    ratio = np.array([1.0, -1.0])
    assert ratio @ matrix @ ratio == pytest.approx(2.0 * 0.02**2)
    alone = geometry_covariance([one, one], shared=())
    assert ratio @ alone @ ratio == pytest.approx(2.0 * one.relative_std**2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"thickness_mm": -1.0}, "thickness_mm"),
        ({"diameter_mm": 0.0, "thickness_mm": 1.0}, "diameter_mm"),
        ({"mass_mg": 130.0}, "density_g_cm3"),
        ({"thickness_mm": 1.0, "thickness_std_mm": -0.1}, "thickness_std_mm"),
        ({"diameter_mm": math.nan, "thickness_mm": 1.0}, "diameter_mm is needed"),
    ],
)
def test_impossible_geometry_is_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Pellet(**({"diameter_mm": 8.0} | wrong))
