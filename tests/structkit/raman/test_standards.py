"""Positions of a standard's lines, with their stated uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import voigt_profile

from structkit.raman.standards import SILICON, fit_line, lamp_lines

SHIFT = np.arange(46.0, 1750.0, 1.75)
FOUR_SIGMAS = 4.0


def voigt(centre: float, *, height: float = 15000.0) -> np.ndarray:
    """Return a Voigt of 7.5 cm-1, Gaussian 5.5."""
    sigma, gamma = 5.5 / 2.3548, 1.7
    line = voigt_profile(SHIFT - centre, sigma, gamma)
    return height * line / voigt_profile(0.0, sigma, gamma)


def test_positions_scatter_as_stated() -> None:
    rng = np.random.default_rng(7)
    scores = []
    for seed in range(25):
        centre = 520.7 + rng.uniform(-5.0, 5.0)
        values = np.random.default_rng(seed).poisson(50.0 + voigt(centre)).astype(float)
        fit = fit_line(SHIFT, values, SILICON[0])
        scores.append((fit.position - centre) / fit.position_std)
    assert np.max(np.abs(scores)) < FOUR_SIGMAS
    assert 0.5 < np.std(scores) < 2.0  # the range of shapes is no normal sigma


def test_lamp_lines_in_air() -> None:
    neon = lamp_lines([585.249, 540.056], laser_nm=532.0, name="neon")
    # 1/532.1475 - 1/540.2062 in vacuum: wavelengths in air times 1.000278.
    expected = 1e7 / (532.0 * 1.000278) - 1e7 / (540.056 * 1.000278)
    assert neon[0].wavenumber == pytest.approx(expected, abs=2e-3)
    assert neon[0].wavenumber < neon[1].wavenumber
