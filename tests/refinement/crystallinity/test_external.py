"""The instrument's constant: recovered, checked against slow forms, refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from refinement.crystallinity.external import (
    KnownAmount,
    absolute_contents,
    estimate_constant,
    size_class,
)
from structkit.errors import PlanError
from structkit.xrd.absorption import brindley_factor

Floats = NDArray[np.float64]

CONSTANT = 2.5e4
ATTENUATION = 112.92
LINEAR = {"TaCl5": 494.0, "NaCl": 164.0, "Na2O": 57.0}
WEIGHTS = {"TaCl5": 0.748, "NaCl": 0.122, "Na2O": 0.130}
DENSITY = {"TaCl5": 3.68, "NaCl": 2.163, "Na2O": 2.3}
EXACT = 1e-9
PRIOR_PULL = 0.03
"""How far the prior of the particle size may pull the constant of noisy estimates."""


def mean_linear() -> float:
    """Return the volume-weighted linear attenuation."""
    volumes = {p: WEIGHTS[p] / DENSITY[p] for p in WEIGHTS}
    total = sum(volumes.values())
    return sum(volumes[p] * LINEAR[p] for p in volumes) / total


def estimates(
    *, size_um: float = 0.0, factors: dict[str, float] | None = None
) -> list[KnownAmount]:
    """Return exact estimates of one constant, coarse particles and errors put in."""
    rows = []
    for phase, weight in WEIGHTS.items():
        contrast = LINEAR[phase] - mean_linear()
        tau = brindley_factor(contrast * 0.5e-4 * size_um) if size_um else 1.0
        own = (factors or {}).get(phase, 1.0)
        rows.append(
            KnownAmount(
                phase=phase,
                sample="t0",
                scale=CONSTANT * weight * tau * own / ATTENUATION,
                weight_fraction=weight,
                weight_std=0.005,
                attenuation=ATTENUATION,
                contrast=contrast,
                linear_attenuation=LINEAR[phase],
            )
        )
    return rows


def esds(relative: float = 0.005) -> Floats:
    """Return the covariance of ln of three scales."""
    return relative**2 * np.eye(3)


PHASES = ("NaTaCl6", *WEIGHTS)


def constant(rows: list[KnownAmount], **changes: object):
    """Return the constant with the usual settings."""
    settings = {
        "source": "unmilled",
        "phases": PHASES,
        "scale_covariance": esds(),
        "particle_size_um": (1.0, 5.0),
    } | changes
    return estimate_constant(rows, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("size_um", [1.0, 2.236, 4.0])
def test_finds_constant_and_particle_size_together(size_um: float) -> None:
    """Coarse particles bias single phases, not the constant."""
    found = constant(estimates(size_um=size_um), structure_std=1e-4)
    off = found.log_common - math.log(CONSTANT)
    assert abs(off) < 2.5 * found.log_common_std
    assert abs(off) < PRIOR_PULL
    single = [one.log_constant - math.log(CONSTANT) for one in estimates(size_um=5.0)]
    assert max(abs(x) for x in single) > 2 * PRIOR_PULL  # what one phase alone gives


def test_spread_of_the_estimates_is_its_uncertainty() -> None:
    """A wrong structure shows as spread, and stays with its phase."""
    even = constant(estimates(size_um=2.0))
    odd = constant(estimates(size_um=2.0, factors={"NaCl": 1.25}))
    assert odd.chi_square > 9.0 > even.chi_square
    assert odd.spread > 0.05 > even.spread
    assert odd.log_common_std > 2.0 * even.log_common_std
    # In the series the phase keeps its own constant: its error cancels.
    place = PHASES.index("NaCl")
    own = odd.log_constants[place] - math.log(CONSTANT * 1.25)
    assert abs(own) < 0.1 * math.log(1.25) + PRIOR_PULL
    foreign = PHASES.index("NaTaCl6")
    assert odd.covariance[foreign, foreign] > odd.covariance[place, place]


def test_a_phase_not_in_the_reference_takes_the_common_constant() -> None:
    """It bears the spread between phases too."""
    found = constant(estimates(size_um=2.0))
    assert found.log_constants[0] == pytest.approx(found.log_common, abs=EXACT)
    assert found.covariance[0, 0] > found.log_common_std**2


def test_posterior_is_that_of_sampling() -> None:
    """The covariance agrees with repeats of noisy, textured, coarse references."""
    rng = np.random.default_rng(5)
    structure, noise = 0.03, 0.01
    pulls = []
    for _ in range(300):
        size = float(np.exp(rng.uniform(0.0, math.log(5.0))))
        rows = estimates(
            size_um=size,
            factors={
                p: float(np.exp(rng.normal(0.0, math.hypot(structure, noise))))
                for p in WEIGHTS
            },
        )
        found = constant(rows, scale_covariance=esds(noise), structure_std=structure)
        off = found.log_common - math.log(CONSTANT)
        pulls.append(off / found.log_common_std)
    inside = float(np.mean(np.abs(pulls) < 1.96))
    assert 0.91 < inside <= 1.0
    assert abs(float(np.mean(pulls))) < 0.35


def test_contents_by_hand_and_by_simulation() -> None:
    """W = S mu/G, and the covariance is that of repeated draws."""
    found = constant(estimates(size_um=1.0))
    scales = np.array([120.0, 10.0, 3.0, 8.0])
    covariance = np.diag([4.0, 1.0, 0.5, 0.8])
    contents = absolute_contents(
        found, scales, covariance, attenuation=ATTENUATION, relative_std=0.03
    )
    expected = scales * ATTENUATION / np.exp(found.log_constants)
    assert np.allclose(contents.fractions, expected, rtol=EXACT)
    rng = np.random.default_rng(1)
    n = 40000
    drawn = rng.multivariate_normal(scales, covariance, n)
    logs = rng.multivariate_normal(found.log_constants, found.covariance, n)
    shared = rng.normal(0.0, 0.03, (n, 1))
    totals = (drawn * ATTENUATION * np.exp(shared - logs)).sum(axis=1)
    value, std = contents.amorphous
    assert value == pytest.approx(1.0 - float(expected.sum()))
    assert std == pytest.approx(float(totals.std()), rel=0.05)


def test_one_estimate_has_no_spread() -> None:
    """A monitor or a spike says nothing about its own spread."""
    row = estimates()[:1]
    found = constant(row, scale_covariance=np.array([[1e-4]]), source="monitor")
    assert math.isnan(found.spread)
    assert found.degrees_of_freedom == 0


def test_classes_of_brindley() -> None:
    """By attenuation times diameter."""
    assert size_class(57.0, 1.0) == "fine"
    assert size_class(403.0, 2.0) == "medium"
    assert size_class(494.0, 5.0) == "coarse"
    assert size_class(4000.0, 5.0) == "invalid"


def test_refuses_what_no_model_describes() -> None:
    """Nothing seen, or particles that are black to X-rays."""
    with pytest.raises(PlanError, match="no phase of known amount"):
        constant([])
    heavy = [
        KnownAmount(
            phase="W",
            sample="t0",
            scale=1.0,
            weight_fraction=0.5,
            weight_std=0.005,
            attenuation=170.0,
            contrast=0.0,
            linear_attenuation=3300.0,
        )
    ]
    with pytest.raises(PlanError, match="absorb too much"):
        constant(heavy, scale_covariance=np.array([[1e-4]]))
