"""Direct derivation on synthetic truth, and its pieces against slow forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from refinement.crystallinity.direct import (
    AmorphousScale,
    Geometry,
    amorphous_scale,
    amorphous_unit,
    blank_factor,
    coherent_power,
    content_from_scales,
    crystalline_smooth,
    density_deficit,
    thermal_diffuse,
)
from structkit.structures import library
from structkit.structures.composition import molar_mass
from structkit.synthetic import scattering
from structkit.synthetic.mixture import SyntheticPhase, simulate_mixture

WAVELENGTH = 1.5418
SUM_RULE = 0.04
"""Truncation at Q 5.2 and an assumed density: what SCIENCE B7 expects."""
STUDY = {"Na": 3.0, "Ta": 1.0, "O": 1.0, "Cl": 6.0}


def geometry(**changes: float) -> Geometry:
    """Return the study's angles."""
    return Geometry(
        two_theta=np.arange(10.0, 80.0, 0.03), wavelength=WAVELENGTH, **changes
    )


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("NaTaCl6", 0.0580),
        ("TaCl5", 0.0529),
        ("NaCl", 0.1425),
        ("Na2O", 0.2025),
    ],
)
def test_factors_of_the_study(formula: str, expected: float) -> None:
    """a = M / sum n_electrons^2, SCIENCE B7."""
    import gemmi

    from structkit.structures.composition import parse_formula

    atoms = parse_formula(formula)
    electrons = sum(n * gemmi.Element(e).atomic_number ** 2 for e, n in atoms.items())
    assert molar_mass(atoms) / electrons == pytest.approx(expected, abs=6e-5)


def test_ntoc_scatters_like_ntc() -> None:
    """M / sum n^2 of the glass: 0.0578 (SCIENCE B1, B7)."""
    import gemmi

    x = 0.06
    atoms = {"Na": 1.0, "Ta": 1.0, "O": x, "Cl": 6.0 - 2.0 * x}
    electrons = sum(n * gemmi.Element(e).atomic_number ** 2 for e, n in atoms.items())
    assert molar_mass(atoms) / electrons == pytest.approx(0.0578, abs=1e-4)


def test_a_true_halo_weighs_what_it_is() -> None:
    """The synthetic glass, in its own electron units, by the sum rule alone."""
    glass = scattering.Glass(composition=STUDY)
    points = geometry(film_thickness_um=25.0)
    halo = scattering.halo(glass, points.s, WAVELENGTH) / glass.molar_mass
    halo = halo * points.response
    plain = coherent_power(STUDY, points.s, WAVELENGTH) / glass.molar_mass
    lacking = density_deficit(STUDY, points, 3.0)
    unit = plain * (1.0 - lacking) * points.response
    found = amorphous_scale(halo, unit, points, halo_std=np.zeros((0, halo.size)))
    assert found.value == pytest.approx(1.0, abs=SUM_RULE)
    assert 0.0 < lacking < 0.05
    assert found.std >= found.truncation > 0.0


def test_crystals_and_glass_share_one_scale() -> None:
    """A line of a phase and its diffuse part: the response's constant is exact."""
    structure = library.load("NaCl")
    pattern, truth = simulate_mixture(
        [SyntheticPhase(structure=structure, weight_fraction=1.0, size_nm=50.0)]
    )
    points = Geometry(two_theta=pattern["two_theta"].to_numpy(), wavelength=1.540593)
    # Scale of a line in degrees: lambda^3/(16 pi) per radian in the generator.
    unit = 16.0 * math.pi / points.wavelength**3 * math.pi / 180.0
    scale = float(truth.instrument_scale / truth.mass_attenuation) / unit
    own = crystalline_smooth({"NaCl": structure}, np.array([scale]), points)
    air = 1500.0 / points.two_theta + 15.0
    known = truth["background"].to_numpy() - air
    # The generator's Compton is another formula; coherent parts are compared alone.
    without = own - scale * points.response * _compton_of(structure, points)
    theirs = known - scale * points.response * _their_compton(structure, points)
    assert np.allclose(without, theirs, rtol=2e-3, atol=1e-3 * float(theirs.max()))


def _compton_of(structure, points):
    from structkit.xrd.incoherent import incoherent_of_formula

    return incoherent_of_formula(structure.atom_counts, points.s) / structure.cell_mass


def _their_compton(structure, points):
    return scattering.compton(structure.atom_counts, points.s) / structure.cell_mass


def test_thermal_diffuse_is_what_the_lines_lose() -> None:
    """None without vibration, all of it with much."""
    structure = library.load("NaCl")
    s = np.array([0.1, 0.4])
    still = thermal_diffuse(_vibrating(structure, 0.0), s, WAVELENGTH)
    wild = thermal_diffuse(_vibrating(structure, 10.0), s, WAVELENGTH)
    power = coherent_power(dict(structure.atom_counts), s, WAVELENGTH)
    assert np.allclose(still, 0.0)
    assert np.allclose(wild, power, rtol=1e-6)


def _vibrating(structure, u_iso):
    from dataclasses import replace

    return replace(
        structure, sites=tuple(site.with_u_iso(u_iso) for site in structure.sites)
    )


def test_blank_factor_is_recovered_with_its_misfit() -> None:
    """A crystalline sample tells how much of the blank is in a pattern."""
    angles = np.linspace(10.0, 80.0, 500)
    blank = 4000.0 / angles + 900.0 * np.exp(-(((angles - 20.0) / 4.0) ** 2))
    known = 30.0 + 0.1 * angles
    smooth = 0.1 * blank + known
    factor, misfit = blank_factor(smooth, blank, known, std=np.sqrt(smooth))
    assert factor == pytest.approx(0.1)
    assert misfit < 1e-9
    halo = 200.0 * np.exp(-(((angles - 30.0) / 6.0) ** 2))
    _, worse = blank_factor(smooth + halo, blank, known, std=np.sqrt(smooth))
    assert worse > 0.1


def test_content_and_its_uncertainty() -> None:
    """alpha = S_a / (S_a + sum S), against numerical derivatives."""
    amorphous = AmorphousScale(value=30.0, std=1.0, truncation=0.9)
    scales, covariance = np.array([50.0, 20.0]), np.diag([0.4, 0.3])
    value, std = content_from_scales(amorphous, scales, covariance)
    assert value == pytest.approx(0.3)
    rng = np.random.default_rng(2)
    a = rng.normal(30.0, 1.0, 100000)
    c = rng.multivariate_normal(scales, covariance, 100000).sum(axis=1)
    assert std == pytest.approx(float((a / (a + c)).std()), rel=0.02)


def test_unit_falls_with_the_film() -> None:
    """A film takes from the halo as from the lines."""
    bare, covered = geometry(), geometry(film_thickness_um=50.0)
    ratio = amorphous_unit(STUDY, covered) / amorphous_unit(STUDY, bare)
    angle = bare.two_theta
    # SCIENCE B0: two-way transmission of 50 um at 10, 20, 30, 45 degree.
    for at, expected in ((10.0, 0.37), (20.0, 0.61), (30.0, 0.72), (45.0, 0.80)):
        assert float(np.interp(at, angle, ratio)) == pytest.approx(expected, abs=0.006)
