"""The sigma of a scale: published figures, and the full linear problem written out."""

import numpy as np
import pytest

from refinement.crystallinity.expected_lines import read_fit
from refinement.crystallinity.sensitivity import (
    combined_sigma,
    measure,
    overlap_columns,
    profile_weighted_sigma,
    smooth_columns,
    variance_without,
)
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.xrd.profiles import pseudo_voigt

Fit = tuple[RefinementResult, RefinementPlan]
STEP, BACKGROUND = 0.03, 200.0
# The figures are given to the count, and are those of a pseudo-Voigt with this share of
# Lorentzian (a Gaussian has 39 in place of 48, a Lorentzian 56).
ETA, COUNT = 0.6, 0.5
# Two ways through the same algebra.
ALGEBRA = 1e-6


def drawn(fwhm: float, eta: float = ETA) -> tuple[np.ndarray, np.ndarray]:
    grid = np.arange(-40.0, 40.0, STEP)
    profile = STEP * pseudo_voigt(grid, fwhm, eta)
    return profile, np.full(grid.size, BACKGROUND)


@pytest.mark.parametrize(
    ("fwhm", "counts"), [(0.15, 48.0), (0.5, 87.0), (1.0, 124.0), (4.0, 247.0)]
)
def test_figures_of_the_design(fwhm: float, counts: float) -> None:
    assert abs(profile_weighted_sigma(*drawn(fwhm)) - counts) < COUNT


def test_four_times_the_width_doubles_the_limit() -> None:
    narrow, broad = (profile_weighted_sigma(*drawn(fwhm)) for fwhm in (0.5, 2.0))
    assert broad / narrow == pytest.approx(2.0, rel=1e-3)


def test_sigma_is_that_of_repeated_fits() -> None:
    profile, background = drawn(0.5)
    near = slice(profile.size // 2 - 200, profile.size // 2 + 200)
    s, b = profile[near], background[near]
    counts = np.random.default_rng(3).poisson(b, size=(4000, b.size))
    areas = (counts - b) @ (s / b) / np.sum(s**2 / b)
    # 4000 repeats know their own spread to 1.1 %; three of these.
    assert np.std(areas) == pytest.approx(profile_weighted_sigma(s, b), rel=0.034)


def test_lines_that_do_not_overlap_combine() -> None:
    profile, background = drawn(0.3)
    lines = 0.7 * np.roll(profile, -500) + 0.3 * np.roll(profile, 500)
    one = profile_weighted_sigma(profile, background)
    together = profile_weighted_sigma(lines, background)
    assert combined_sigma([0.7, 0.3], [one, one]) == pytest.approx(together, rel=1e-2)


def test_projection_is_the_full_linear_problem(without_rutile: Fit) -> None:
    fit = read_fit(*without_rutile)
    column = fit.draw(2, size_nm=10.0)
    nuisance = np.vstack(
        [smooth_columns(fit.angles, fit.plan), overlap_columns(fit, without=2)]
    )
    found = measure(fit, column, nuisance, phase=2)
    std = np.sqrt(variance_without(fit, 2))
    design = (np.vstack([column, nuisance]) / std).T
    design = design / np.linalg.norm(design, axis=0)
    norm = np.linalg.norm(column / std)
    target = (fit.observed - fit.calculated + fit.component[2]) / std
    solution = np.linalg.lstsq(design, target, rcond=1e-7)[0]
    assert found.scale == pytest.approx(solution[0] / norm, rel=1e-3, abs=1e-4)
    inverse = np.linalg.pinv(design.T @ design, rcond=1e-12, hermitian=True)
    assert found.sigma == pytest.approx(np.sqrt(inverse[0, 0]) / norm, rel=1e-3)


def test_simple_form_is_a_lower_bound(without_rutile: Fit) -> None:
    fit = read_fit(*without_rutile)
    for size in (60.0, 8.0, 3.0):
        column = fit.draw(2, size_nm=size)
        found = measure(fit, column, smooth_columns(fit.angles, fit.plan), phase=2)
        std = np.sqrt(variance_without(fit, 2))
        assert found.sigma_simple == pytest.approx(
            np.sum((column / std) ** 2) ** -0.5, rel=ALGEBRA
        )
        assert found.sigma > found.sigma_simple
