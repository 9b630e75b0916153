"""Widths, shapes and axial divergence against slow independent forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import voigt_profile

from structkit.xrd.instrument import Instrument
from structkit.xrd.profiles import (
    axial_rays,
    gaussian_width,
    lorentzian_width,
    mix_widths,
    pseudo_voigt,
    sum_lines,
)
from structkit.xrd.radiation import tube

SHAPE_TOLERANCE = 0.013
"""Of the maximum: how well a pseudo-Voigt follows a Voigt (Thompson et al.: 1 %)."""
INSTRUMENT = Instrument(radiation=tube("CuKa"), u=0.01, v=-0.005, w=0.004, x=0.03)


@given(st.floats(1e-4, 5.0), st.floats(1e-4, 5.0))
def test_mixed_width_lies_between_its_parts_and_their_sum(gaussian, lorentzian):
    fwhm, eta = mix_widths(np.array([gaussian]), np.array([lorentzian]))
    assert max(gaussian, lorentzian) <= fwhm[0] * (1 + 1e-9)
    assert fwhm[0] <= gaussian + lorentzian
    assert 0.0 <= eta[0] <= 1.0


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.98])
def test_pseudo_voigt_follows_the_exact_voigt(share):
    gaussian, lorentzian = 1.0 - share, share
    offset = np.linspace(-5.0, 5.0, 2001)
    fwhm, eta = mix_widths(np.array([gaussian]), np.array([lorentzian]))
    sigma = gaussian / (2.0 * math.sqrt(2.0 * math.log(2.0)))
    exact = voigt_profile(offset, sigma, lorentzian / 2.0)
    ours = pseudo_voigt(offset, fwhm[0], eta[0])
    assert np.abs(ours - exact).max() < SHAPE_TOLERANCE * exact.max()
    above = offset[exact > exact.max() / 2.0]
    assert np.ptp(above) == pytest.approx(fwhm[0], abs=0.02)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_pseudo_voigt_has_area_one_and_its_width(eta):
    offset = np.linspace(-2000.0, 2000.0, 2_000_001)
    height = pseudo_voigt(offset, 0.3, eta)
    assert np.trapezoid(height, offset) == pytest.approx(1.0, abs=2e-4)
    at_half = pseudo_voigt(np.array([0.0, 0.15]), 0.3, eta)
    assert at_half[1] / at_half[0] == pytest.approx(0.5, rel=1e-12)


def test_widths_follow_their_formulae():
    angle = np.array([20.0, 90.0])
    theta = np.radians(angle / 2)
    squared = 0.01 * np.tan(theta) ** 2 - 0.005 * np.tan(theta) + 0.004
    assert gaussian_width(angle, INSTRUMENT) == pytest.approx(np.sqrt(squared))
    width = lorentzian_width(
        angle, INSTRUMENT, wavelength=1.5406, size=100.0, microstrain=1e-3
    )
    size = np.degrees(0.9 * 1.5406 / (100.0 * np.cos(theta)))
    strain = np.degrees(4e-3 * np.tan(theta))
    assert width == pytest.approx(0.03 / np.cos(theta) + size + strain)


@pytest.mark.parametrize(
    ("nanometre", "degree"),
    # SCIENCE.md B9: Cu K-alpha at 31.7 degree, K = 0.9.
    [(50, 0.165), (20, 0.41), (10, 0.83), (5, 1.65), (3, 2.8), (2, 4.1)],
)
def test_scherrer_widths_of_the_facts(nanometre, degree):
    sharp = Instrument(radiation=tube("CuKa"))
    angle = np.array([31.7])
    width = lorentzian_width(angle, sharp, wavelength=1.5406, size=10.0 * nanometre)
    assert width[0] == pytest.approx(degree, rel=0.02)


@pytest.mark.parametrize("angle", [10.0, 31.7, 75.0, 120.0])
def test_axial_rays_against_all_pairs_of_heights(angle):
    divergence = 0.03
    heights = divergence * (np.arange(-400, 400) + 0.5) / 400
    apart = np.abs(heights[:, None] - heights[None]).ravel()
    cosine = math.cos(math.radians(angle)) * np.sqrt(1.0 + apart**2)
    brute = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    rays, weights = axial_rays(angle, divergence, 32)
    assert weights.sum() == pytest.approx(1.0)
    for power in (1, 2, 3):
        moment = weights @ (rays - angle) ** power
        expected = np.mean((brute - angle) ** power)
        assert moment == pytest.approx(expected, rel=2e-3, abs=1e-9)


def test_axial_divergence_leans_towards_low_angles_below_90_degree():
    grid = np.arange(10.0, 130.0, 0.002)
    widths = np.full(2, 0.05)
    curves = [
        sum_lines(
            grid,
            np.array([20.0, 120.0]),
            np.ones(2),
            gaussian=widths,
            lorentzian=0.0 * widths,
            axial_divergence=divergence,
        )
        for divergence in (0.0, 0.04)
    ]
    low, high = grid < 70.0, grid > 70.0
    for part, sign in ((low, -1.0), (high, 1.0)):
        centroids = [c[part] @ grid[part] / c[part].sum() for c in curves]
        assert sign * (centroids[1] - centroids[0]) > 0.0
        assert np.trapezoid(curves[1][part], grid[part]) == pytest.approx(1.0, abs=1e-3)


def test_many_rays_change_nothing():
    grid = np.arange(12.0, 17.0, 0.005)
    one = (np.array([15.35]), np.ones(1))
    widths = {"gaussian": np.array([0.06]), "lorentzian": np.array([0.02])}
    ours = sum_lines(grid, *one, **widths, axial_divergence=0.03)
    rays, weights = axial_rays(15.35, 0.03, 400)
    fwhm, eta = mix_widths(widths["gaussian"], widths["lorentzian"])
    fine = sum(
        weight * pseudo_voigt(grid - ray, fwhm[0], eta[0])
        for ray, weight in zip(rays, weights, strict=True)
    )
    assert np.abs(ours - fine).max() < 2e-3 * fine.max()
