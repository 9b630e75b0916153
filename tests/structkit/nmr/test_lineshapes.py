from __future__ import annotations

import numpy as np
import pytest
from scipy.special import voigt_profile

from structkit.nmr.lineshapes import LineShape, evaluate_lines, gaussian_part

SHIFT = np.linspace(-60.0, 60.0, 1201)
CENTRE = np.array([-11.2, 7.0])
FWHM = np.array([2.9, 5.0])
SHARE = np.array([0.7, 0.2])
DIFFERENCE = 1e-6
DERIVATIVE = 1e-6
"""Absolute: central differences of unit-area lines are exact to about 1e-8."""
OLIVERO = 3e-4
"""Relative: the formula of the FWHM is good to 0.02 %."""


def total_width(curve: np.ndarray, axis: np.ndarray) -> float:
    above = axis[curve > 0.5 * curve.max()]
    return float(above[-1] - above[0])


@pytest.mark.parametrize("shape", ["pseudo-voigt", "voigt"])
def test_derivatives_are_those_of_differences(shape: LineShape) -> None:
    lines = evaluate_lines(SHIFT, CENTRE, FWHM, share=SHARE, shape=shape)

    def value(step: np.ndarray) -> np.ndarray:
        return evaluate_lines(
            SHIFT,
            CENTRE + step[0],
            FWHM * np.exp(step[1]),
            share=SHARE + step[2],
            shape=shape,
        ).value

    for place, found in enumerate(
        (lines.by_centre, lines.by_log_width, lines.by_share)
    ):
        step = np.zeros(3)
        step[place] = DIFFERENCE
        slow = (value(step) - value(-step)) / (2.0 * DIFFERENCE)
        assert np.abs(found - slow).max() < DERIVATIVE


def test_pseudo_voigt_is_the_sum_of_both_by_their_plain_formulae() -> None:
    lines = evaluate_lines(SHIFT, CENTRE, FWHM, share=SHARE)
    for k in range(2):
        half, distance = 0.5 * FWHM[k], SHIFT - CENTRE[k]
        lorentz = half / np.pi / (distance**2 + half**2)
        sigma = FWHM[k] / np.sqrt(8.0 * np.log(2.0))
        gauss = np.exp(-0.5 * (distance / sigma) ** 2) / (sigma * np.sqrt(2.0 * np.pi))
        slow = SHARE[k] * lorentz + (1.0 - SHARE[k]) * gauss
        np.testing.assert_allclose(lines.value[k], slow, rtol=1e-9, atol=1e-15)


def test_voigt_is_the_convolution_and_has_its_width() -> None:
    fine = np.linspace(-30.0, 30.0, 120001)
    for share in (0.1, 0.5, 0.9):
        line = evaluate_lines(
            fine, np.zeros(1), np.full(1, 3.0), share=np.full(1, share), shape="voigt"
        ).value[0]
        part = float(gaussian_part(np.array([share]))[0][0])
        sigma = 3.0 * part / np.sqrt(8.0 * np.log(2.0))
        slow = voigt_profile(fine, sigma, 0.5 * share * 3.0)
        np.testing.assert_allclose(line, slow, rtol=1e-8)
        assert total_width(line, fine) == pytest.approx(3.0, rel=OLIVERO, abs=1e-3)
