"""A halo becomes as few Gaussians as describe it, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.halo import MOST_PEAKS, HaloPeak, place_halo
from refinement.result import RefinementResult
from structkit.schema import TWO_THETA, FitStatus

Floats = NDArray[np.float64]
ANGLES = np.arange(10.0, 80.0, 0.03)
STD = 10.0
"""1 sigma of every point."""
SHAPE = 0.3 * STD
"""Rms misfit at which the module adds no further peak."""
EXACT = 1e-3
"""Relative: a sum of the same functions is found again, but for 400 points."""

Bump = tuple[float, float, float]


def bump(center: float, fwhm: float, height: float) -> Floats:
    return height * np.exp(-4.0 * np.log(2.0) * ((ANGLES - center) / fwhm) ** 2)


def result_with(halo: Floats, *, std: float = STD) -> RefinementResult:
    """Return a native result with that halo on a flat pattern."""
    points = (TWO_THETA,)
    curves = xr.Dataset(
        {
            "halo": (points, halo),
            "observed": (points, halo + 100.0),
            "observed_std": (points, np.full_like(halo, std)),
        },
        coords={TWO_THETA: ANGLES},
    )
    return RefinementResult(
        engine="native",
        status=FitStatus.CONVERGED,
        reason="",
        parameters=xr.Dataset(),
        curves=curves,
        reflections=xr.Dataset(),
        recipe={},
    )


def draw(peaks: tuple[HaloPeak, ...]) -> Floats:
    """Return the peaks' sum from their areas and variances alone."""
    curve = np.zeros_like(ANGLES)
    for peak in peaks:
        height = peak.area / np.sqrt(2.0 * np.pi * peak.variance)
        curve += height * np.exp(-0.5 * (ANGLES - peak.center) ** 2 / peak.variance)
    return curve


@pytest.mark.parametrize(
    "bumps",
    [
        [(27.0, 9.0, 300.0)],
        [(31.0, 5.0, 20.0)],
        [(25.0, 7.0, 300.0), (48.0, 12.0, 120.0)],
        [(22.0, 6.0, 200.0), (35.0, 8.0, 500.0), (60.0, 14.0, 150.0)],
    ],
)
def test_known_gaussians_are_found(bumps: list[Bump]) -> None:
    halo = np.sum([bump(*one) for one in bumps], axis=0)
    peaks = place_halo(result_with(halo))
    assert len(peaks) == len(bumps)
    for peak, (center, fwhm, height) in zip(peaks, bumps, strict=True):
        assert peak.center == pytest.approx(center, rel=EXACT)
        assert peak.fwhm == pytest.approx(fwhm, rel=10 * EXACT)
        area = float(np.trapezoid(bump(center, fwhm, height), ANGLES))
        assert peak.area == pytest.approx(area, rel=10 * EXACT)
    assert draw(peaks) == pytest.approx(halo, abs=3.0 * SHAPE)


def test_another_shape_is_described_within_its_tolerance() -> None:
    """Skewed, as a glass's first sharp diffraction peak is."""
    halo = 400.0 * np.exp(-0.5 * (np.log(ANGLES / 28.0) / 0.2) ** 2)
    peaks = place_halo(result_with(halo))
    assert 1 < len(peaks) <= MOST_PEAKS
    assert float(np.std(draw(peaks) - halo)) < SHAPE
    assert sum(peak.area for peak in peaks) == pytest.approx(
        float(np.trapezoid(halo, ANGLES)), rel=0.01
    )


@pytest.mark.parametrize("height", [0.0, -5.0, 4.0])
def test_no_halo_no_peaks(height: float) -> None:
    """4 on 100 is 9 degree wide: half a per cent of all scattering."""
    assert place_halo(result_with(bump(27.0, 9.0, height))) == ()


def test_a_halo_just_above_the_limit_counts() -> None:
    assert place_halo(result_with(bump(27.0, 9.0, 12.0)))


def test_what_the_noise_hides_needs_no_peak_of_its_own() -> None:
    halo = bump(27.0, 9.0, 300.0) + bump(40.0, 6.0, 15.0)
    assert len(place_halo(result_with(halo, std=2.0))) == 2
    assert len(place_halo(result_with(halo, std=30.0))) == 1


def test_widths_stay_those_of_a_halo() -> None:
    """What is narrower is a line, what is wider the polynomial's."""
    halo = bump(27.0, 1.0, 300.0) + bump(50.0, 45.0, 200.0)
    for peak in place_halo(result_with(halo)):
        assert 4.0 <= peak.fwhm <= 20.0
        assert ANGLES[0] <= peak.center <= ANGLES[-1]
        assert peak.area > 0.0
