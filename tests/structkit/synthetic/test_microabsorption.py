"""Brindley's sphere, summed over rays, against published and independent numbers."""

import numpy as np
import pytest

from structkit.structures import library
from structkit.synthetic.microabsorption import line_factors, sphere_factor
from structkit.xrd.absorption import brindley_factor

# linear attenuation at Cu K-alpha, 1/cm, and of the solid mixture (SCIENCE B4)
MU = {"NaTaCl6": 403.0, "NaCl": 164.0, "Na2O": 57.0}
MU_MEAN = 343.0
# apparent over true ratio to NaTaCl6 at 2theta = 30 degree, by diameter in micrometre
RATIOS = {
    1.0: (1.018, 1.026),
    2.0: (1.036, 1.053),
    5.0: (1.094, 1.139),
    10.0: (1.197, 1.299),
    20.0: (1.434, 1.693),
}
# the table came from a Monte Carlo sum and has three decimals
TABLE_TOLERANCE = 1e-3
# two quadratures of one integral
QUADRATURE_TOLERANCE = 5e-5


@pytest.mark.parametrize("diameter", RATIOS)
def test_table_of_the_study(diameter: float) -> None:
    radius = 0.5e-4 * diameter
    tau = {name: sphere_factor((mu - MU_MEAN) * radius) for name, mu in MU.items()}
    found = (tau["NaCl"] / tau["NaTaCl6"], tau["Na2O"] / tau["NaTaCl6"])
    np.testing.assert_allclose(found, RATIOS[diameter], rtol=TABLE_TOLERANCE)


@pytest.mark.parametrize("contrast", [-0.5, -0.1, 0.05, 0.4])
@pytest.mark.parametrize("two_theta", [20.0, 45.0, 80.0])
def test_it_is_the_fitters_integral(contrast: float, two_theta: float) -> None:
    own = sphere_factor(contrast, two_theta=two_theta)
    other = brindley_factor(contrast, two_theta=two_theta)
    assert own == pytest.approx(other, rel=QUADRATURE_TOLERANCE)


def test_mean_path_is_three_half_radii() -> None:
    assert (1.0 - sphere_factor(1e-6)) / 1e-6 == pytest.approx(1.5, rel=1e-4)


def test_one_phase_alone_has_no_contrast() -> None:
    factors = line_factors(
        [library.load("NaCl")], [1.0], diameter_um=5.0, wavelength=1.5406
    )
    assert factors["NaCl"] == pytest.approx(1.0, abs=1e-12)


def test_light_phases_look_stronger_and_more_so_when_coarse() -> None:
    phases = [library.load(name) for name in ("NaTaCl6", "Na2O")]
    fine, coarse = (
        line_factors(phases, [0.87, 0.13], diameter_um=d, wavelength=1.5406)
        for d in (1.0, 5.0)
    )
    assert 1.0 < fine["Na2O"] < coarse["Na2O"]
    assert coarse["NaTaCl6"] < fine["NaTaCl6"] < 1.0
