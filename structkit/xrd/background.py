"""What lies under the lines: background, film hump and transmission, amorphous halo.

Plain numpy; 2theta in degree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError

Floats = NDArray[np.float64]

KAPTON_MU = 8.6
"""Linear attenuation coefficient of Kapton at Cu K-alpha, 1/cm."""
_CM_PER_UM = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Halo:
    """A Gaussian maximum of amorphous scattering."""

    center: float
    """Position in degree."""
    fwhm: float
    """Full width at half maximum in degree."""
    height: float
    """Height at the maximum, in the pattern's intensity units."""

    def __post_init__(self) -> None:
        """Refuse a halo without width, or a negative one."""
        if self.fwhm <= 0.0 or self.height < 0.0:
            raise PlanError("halo: fwhm must be positive and height not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A film over the sample: it absorbs on the way in and out, and scatters."""

    thickness: float = 0.0
    """Thickness in micrometre."""
    attenuation: float = KAPTON_MU
    """Linear attenuation coefficient in 1/cm."""
    hump: Halo | None = None
    """The film's own scattering; None: none."""

    def __post_init__(self) -> None:
        """Refuse negative values."""
        if self.thickness < 0.0 or self.attenuation < 0.0:
            raise PlanError("film: thickness and attenuation must not be negative")


def chebyshev_background(two_theta: Floats, coefficients: Sequence[float]) -> Floats:
    """Return a Chebyshev series over the range of ``two_theta``.

    Parameters
    ----------
    two_theta : numpy.ndarray, shape (n_points,)
        Ascending, in **degree**.
    coefficients : sequence of float
        Of T0, T1, ..., in intensity units.

    Returns
    -------
    numpy.ndarray, shape (n_points,)
        Intensity; the argument of the polynomials runs from -1 to 1.
    """
    first, last = float(two_theta[0]), float(two_theta[-1])
    scaled = (2.0 * two_theta - first - last) / (last - first)
    series = np.asarray(coefficients, dtype=float)
    return np.asarray(np.polynomial.chebyshev.chebval(scaled, series), dtype=float)


def gaussian_halo(two_theta: Floats, halo: Halo) -> Floats:
    """Return the Gaussian of a halo, in its intensity units."""
    offset = (two_theta - halo.center) / halo.fwhm
    return np.asarray(halo.height * np.exp(-4.0 * math.log(2.0) * offset**2))


def film_transmission(two_theta: Floats, film: Film) -> Floats:
    """Return the share of the radiation that passes a film twice.

    Parameters
    ----------
    two_theta : numpy.ndarray, shape (n_points,)
        In **degree**, above 0.
    film : Film
        Thickness t and attenuation mu.

    Returns
    -------
    numpy.ndarray, shape (n_points,)
        ``exp(-2 mu t / sin(theta))``, 0 to 1.
    """
    path = film.thickness * _CM_PER_UM / np.sin(np.radians(two_theta) / 2.0)
    return np.asarray(np.exp(-2.0 * film.attenuation * path))


def film_hump(two_theta: Floats, film: Film) -> Floats:
    """Return the film's own scattering.

    Parameters
    ----------
    two_theta : numpy.ndarray, shape (n_points,)
        In **degree**, above 0.
    film : Film
        The hump's height is reached at its centre.

    Returns
    -------
    numpy.ndarray, shape (n_points,)
        Intensity.

    Notes
    -----
    A film that absorbs little scatters in proportion to the path in it; with
    absorption in proportion to ``1 - exp(-2 mu t / sin(theta))``, which tends to
    that. The Gaussian is multiplied by this, relative to its centre.
    """
    if film.hump is None:
        return np.zeros_like(two_theta)
    shape = gaussian_halo(two_theta, film.hump)
    center = np.array([film.hump.center])
    if film.thickness * film.attenuation == 0.0:
        sines = (np.sin(np.radians(angle) / 2.0) for angle in (center, two_theta))
        at_center, everywhere = sines
        return np.asarray(shape * at_center / everywhere)
    lost = 1.0 - film_transmission(two_theta, film)
    return np.asarray(shape * lost / (1.0 - film_transmission(center, film)))
