"""Scales, microabsorption and weight fractions, each against a slow form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refinement.engines.weights import (
    absorption_factors,
    corrected_scales,
    fractions,
    spread_by_cause,
)
from refinement.plan import Phase, RefinementPlan
from structkit.structures import library
from structkit.xrd.absorption import brindley_factor
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube
from structkit.xrd.scattering import linear_absorption

NAMES = ("NaTaCl6", "NaCl", "fluorite")
SCALES = np.array([0.5, 0.3, 0.2])
ESD = np.array([0.01, 0.02, 0.005])
N_DRAWS = 200_000
SAMPLED = 0.02
"""Relative error of a covariance from that many draws, and of its linear form."""


def make_plan(**options: Any) -> RefinementPlan:
    sizes = options.pop("sizes", {})
    phases = tuple(
        Phase(structure=library.load(name), particle_size_um=sizes.get(name))
        for name in NAMES
    )
    return RefinementPlan(
        phases=phases, instrument=Instrument(radiation=tube("CuKa")), **options
    )


def test_fractions_and_their_covariance_are_those_of_drawn_scales() -> None:
    correlation = np.array([[1.0, -0.4, 0.1], [-0.4, 1.0, 0.2], [0.1, 0.2, 1.0]])
    covariance = correlation * np.outer(ESD, ESD)
    share, found = fractions(2.0 * SCALES, 4.0 * covariance)
    assert share == pytest.approx(SCALES)
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_normal(SCALES, covariance, N_DRAWS)
    shares = drawn / drawn.sum(axis=1, keepdims=True)
    expected = np.cov(shares.T)
    largest = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs(found - expected).max() < SAMPLED * largest.max()
    assert np.diag(found) == pytest.approx(np.diag(expected), rel=SAMPLED)
    # Shares add up to 1: their errors add up to nothing.
    assert found.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-15)


def test_one_phase_is_all_and_certainly_so() -> None:
    share, covariance = fractions(np.array([3.0]), np.array([[0.1]]))
    assert share.tolist() == [1.0]
    assert covariance.tolist() == [[0.0]]


def test_nothing_at_all_has_no_uncertainty() -> None:
    share, covariance = fractions(np.zeros(2), np.eye(2))
    assert share.tolist() == [0.0, 0.0]
    assert np.isnan(covariance).all()


def test_without_particle_sizes_nothing_is_corrected() -> None:
    scales, factors = corrected_scales(make_plan(), SCALES)
    assert factors.tolist() == [1.0, 1.0, 1.0]
    assert scales == pytest.approx(SCALES)


def absorption_of(name: str) -> float:
    crystal = library.load(name)
    wavelength = tube("CuKa").wavelength
    return linear_absorption(crystal.atom_counts, crystal.cell.volume, wavelength)


def solve_slowly(diameters: list[float], rounds: int = 60) -> np.ndarray:
    """Return tau with volume shares, mean absorption and tau at rest."""
    densities = [library.load(name).density for name in NAMES]
    absorption = [absorption_of(name) for name in NAMES]
    tau = [1.0] * 3
    for _ in range(rounds):
        volumes = [s / t / d for s, t, d in zip(SCALES, tau, densities, strict=True)]
        mean = sum(v * a for v, a in zip(volumes, absorption, strict=True)) / sum(
            volumes
        )
        tau = [
            brindley_factor((a - mean) * 0.5e-4 * size)
            for a, size in zip(absorption, diameters, strict=True)
        ]
    return np.array(tau)


@pytest.mark.parametrize(
    ("options", "diameters"),
    [
        ({"particle_size_um": 2.0}, [2.0, 2.0, 2.0]),
        ({"sizes": {"NaTaCl6": 3.0}}, [3.0, 0.0, 0.0]),
        ({"particle_size_um": 2.0, "sizes": {"NaCl": 4.0}}, [2.0, 4.0, 2.0]),
    ],
)
def test_brindley_is_solved_together_with_the_mixture(
    options: dict[str, Any], diameters: list[float]
) -> None:
    scales, factors = corrected_scales(make_plan(**options), SCALES)
    tau = solve_slowly(diameters)
    # Three rounds: what is left of the change of the mean absorption.
    assert factors == pytest.approx(tau, rel=1e-3)
    assert factors[0] < 1.0  # tantalum absorbs more than the mean
    assert scales == pytest.approx(SCALES / factors)


def test_one_diameter_in_place_of_the_plans() -> None:
    plan, same = make_plan(sizes={"NaCl": 4.0}), make_plan(particle_size_um=2.0)
    scales, factors = corrected_scales(plan, SCALES, diameter_um=2.0)
    expected = corrected_scales(same, SCALES)
    assert scales == pytest.approx(expected[0])
    assert factors == pytest.approx(expected[1])


def test_a_pure_phase_absorbs_as_its_mixture_does() -> None:
    plan = make_plan(particle_size_um=5.0)
    assert absorption_factors(plan, np.array([0.0, 1.0, 0.0]))[1] == pytest.approx(1.0)


def test_no_intensity_needs_no_correction() -> None:
    scales, factors = corrected_scales(make_plan(particle_size_um=2.0), np.zeros(3))
    assert scales.tolist() == [0.0, 0.0, 0.0]
    assert factors.tolist() == [1.0, 1.0, 1.0]


def test_spread_by_cause_against_a_slow_form() -> None:
    """Backgrounds exclude each other, steps of single phases add up."""
    causes = ["", "background", "background", "b", "b", "film"]
    values = np.array([[1.0], [1.3], [0.6], [1.1], [0.8], [1.5]])
    slow = np.sqrt(0.4**2 + (0.1**2 + 0.2**2) + 0.5**2)
    assert spread_by_cause(values, causes)[0] == pytest.approx(slow)
    assert spread_by_cause(values[:1], causes[:1])[0] == 0.0
