"""A mixture's pattern is additive, absolute, counted and labelled."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from structkit.errors import PlanError
from structkit.schema import validate_pattern
from structkit.structures import library
from structkit.synthetic.lines import Optics
from structkit.synthetic.mixture import Surroundings, SyntheticPhase, simulate_mixture
from structkit.synthetic.scattering import Glass

GRID = np.arange(20.0, 80.0, 0.02)
GLASS = Glass(composition={"Na": 3.0, "Ta": 1.0, "O": 1.0, "Cl": 6.0})
ONE_LINE = Optics(
    wavelengths=(1.540593,),
    shares=(1.0,),
    natural_widths=(1e-5,),
    axial_divergence=0.0,
)


def phase(name: str, share: float, size_nm: float = 300.0) -> SyntheticPhase:
    return SyntheticPhase(
        structure=library.load(name), weight_fraction=share, size_nm=size_nm
    )


def strongest_area(curve: xr.DataArray) -> float:
    angle = curve.two_theta
    top = float(angle[np.argmax(curve.data)])
    return float(curve.where(abs(angle - top) < 0.3, 0.0).sum())


@pytest.mark.parametrize(
    ("name", "reference_intensity_ratio"),
    [("silicon", 4.7), ("zincite", 5.4), ("rutile", 3.6), ("NaCl", 4.6)],
)
def test_strongest_lines_against_corundum(
    name: str, reference_intensity_ratio: float
) -> None:
    """I/Ic of the powder databases, which differ by a few per cent (B factors)."""
    _, truth = simulate_mixture(
        [phase(name, 0.5), phase("corundum", 0.5)], two_theta=GRID, optics=ONE_LINE
    )
    found = strongest_area(truth.component[0])
    corundum = truth.component[1].where(abs(truth.two_theta - 35.15) < 0.5, 0.0)
    ratio = found / strongest_area(corundum)
    assert ratio == pytest.approx(reference_intensity_ratio, rel=0.08)


def test_halo_is_proportional_to_its_weight() -> None:
    halves = [
        simulate_mixture(
            [phase("NaCl", 1.0 - share)], glass=GLASS, two_theta=GRID, scale=1000.0
        )[1]
        for share in (0.2, 0.6)
    ]
    per_gram = [t.halo * t.mass_attenuation / t.amorphous_fraction for t in halves]
    np.testing.assert_allclose(per_gram[0], per_gram[1], rtol=1e-9)


def test_parts_add_up() -> None:
    pattern, truth = simulate_mixture(
        [phase("NaCl", 0.3), phase("Na2O", 0.3)],
        glass=GLASS,
        two_theta=GRID,
        surroundings=Surroundings(film_thickness_um=25.0),
    )
    parts = truth.component.sum("phase") + truth.halo + truth.film + truth.background
    np.testing.assert_allclose(parts, truth.expected, rtol=1e-12)
    np.testing.assert_allclose(pattern.intensity, truth.expected)
    assert float(truth.expected.max()) == pytest.approx(6000.0)
    validate_pattern(pattern)


def test_film_takes_more_at_low_angle() -> None:
    surroundings = Surroundings(film_thickness_um=25.0)
    np.testing.assert_allclose(
        surroundings.transmission(np.array([10.0, 20.0, 30.0, 45.0, 80.0])),
        [0.61, 0.78, 0.85, 0.89, 0.94],
        atol=0.006,
    )


def test_counts_repeat_with_their_seed() -> None:
    first, second = (
        simulate_mixture(
            [phase("NaCl", 1.0)], two_theta=GRID, rng=np.random.default_rng(4)
        )[0]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.intensity, second.intensity)
    assert "synthetic" in first.attrs["source_file"]


def test_cell_of_the_structure_is_the_true_cell() -> None:
    small = library.load("NaCl")
    small = small.with_cell(replace(small.cell, a=5.5, b=5.5, c=5.5))
    _, truth = simulate_mixture(
        [SyntheticPhase(structure=small, weight_fraction=1.0)],
        two_theta=GRID,
        optics=ONE_LINE,
    )
    top = float(truth.two_theta[np.argmax(truth.component[0].data)])
    assert 1.540593 / np.sin(np.radians(top / 2)) == pytest.approx(5.5, abs=0.004)
    assert float(truth.cell_a[0]) == 5.5


def test_truth_has_units() -> None:
    _, truth = simulate_mixture([phase("NaCl", 1.0)], two_theta=GRID)
    assert all("units" in truth[name].attrs for name in truth.data_vars)


@pytest.mark.parametrize("shares", [(0.5, 0.2), (0.9, 0.3), (-0.1, 1.1)])
def test_fractions_that_do_not_add_up(shares: tuple[float, float]) -> None:
    with pytest.raises(PlanError, match="weight fractions"):
        simulate_mixture([phase("NaCl", shares[0]), phase("Na2O", shares[1])])
