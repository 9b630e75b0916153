"""Raman spectra of known truth for the tests of the band fit.

True Voigt lines (scipy) over an exponential and a Gaussian hump: neither the shape nor
the background is of the fitter's family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.special import voigt_profile

from structkit.raman.bands import Band
from structkit.schema import make_spectra

Floats = NDArray[np.float64]

READOUT = 3.0
"""Noise at no light, counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A true line."""

    centre: float
    area: float
    sigma: float = 3.0
    gamma: float = 3.0

    @property
    def fwhm(self) -> float:
        """Return its full width at half maximum (Olivero & Longbothum 1977)."""
        gauss, lorentz = 2.0 * np.sqrt(2.0 * np.log(2.0)) * self.sigma, 2.0 * self.gamma
        return float(0.5346 * lorentz + np.hypot(np.sqrt(0.2166) * lorentz, gauss))


def draw_lines(shift: Floats, lines: Sequence[Line]) -> Floats:
    """Return the sum of lines, counts."""
    total = np.zeros(shift.size)
    for line in lines:
        profile = voigt_profile(shift - line.centre, line.sigma, line.gamma)
        total = total + line.area * profile
    return total


def draw_background(shift: Floats, level: float) -> Floats:
    """Return fluorescence: a falling exponential and a broad hump."""
    hump = np.exp(-0.5 * ((shift - 550.0) / 260.0) ** 2)
    return np.asarray(level * (0.5 + np.exp(-(shift - shift[0]) / 400.0) + hump))


def simulate_spots(
    lines: Sequence[Line],
    *,
    seed: int,
    shift: Floats | None = None,
    level: float = 300.0,
    scales: Sequence[float] = (1.0,),
    known_noise: bool = True,
) -> xr.Dataset:
    """Return Poisson counts with readout noise, one spot for each scale."""
    axis = np.arange(100.0, 900.0, 2.0) if shift is None else shift
    rng = np.random.default_rng(seed)
    light = np.outer(scales, draw_lines(axis, lines) + draw_background(axis, level))
    counts = rng.poisson(light) + rng.normal(0.0, READOUT, light.shape)
    std = np.sqrt(light + READOUT**2) if known_noise else None
    return make_spectra(axis, counts, intensity_std=std)


def bands_near(lines: Sequence[Line], *, off: float = 0.0) -> tuple[Band, ...]:
    """Return bands expected beside true lines: ``off`` to either side in turn."""
    return tuple(
        Band(
            name=f"band {number}",
            species="salt",
            wavenumber=line.centre + off * (-1) ** number,
            wavenumber_std=10.0,
            fwhm=line.fwhm * 1.2,
        )
        for number, line in enumerate(lines, start=1)
    )


@pytest.fixture(scope="session")
def make_line() -> type[Line]:
    """Return the class of true lines."""
    return Line


@pytest.fixture(scope="session")
def simulate() -> Callable[..., xr.Dataset]:
    """Return :func:`simulate_spots`."""
    return simulate_spots


@pytest.fixture(scope="session")
def near() -> Callable[..., tuple[Band, ...]]:
    """Return :func:`bands_near`."""
    return bands_near


LINES = (
    Line(centre=180.0, area=4000.0),
    Line(centre=298.0, area=6000.0, sigma=5.0, gamma=4.0),
    Line(centre=378.0, area=12000.0),
    Line(centre=405.0, area=9000.0, sigma=2.0),
    Line(centre=760.0, area=8000.0, sigma=15.0, gamma=10.0),
)


@pytest.fixture(scope="session")
def lines() -> tuple[Line, ...]:
    """Return five lines like those of the salt and its oxide bridges."""
    return LINES
