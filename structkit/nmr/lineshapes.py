"""Lines of unit area and their derivatives: pseudo-Voigt and Voigt.

Both are a function of the distance to the centre, of one full width at half maximum and
of one number between Gaussian (0) and Lorentzian (1). Kernels: arrays in, arrays out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import wofz

Floats = NDArray[np.float64]
LineShape = Literal["pseudo-voigt", "voigt"]

LN2 = math.log(2.0)
GAUSS_HEIGHT = 2.0 * math.sqrt(LN2 / math.pi)
LORENTZ_HEIGHT = 2.0 / math.pi
FAR = 60.0
"""Exponent of a Gaussian beyond which it is nothing."""
OLIVERO = (0.5346, 0.2166)
"""FWHM of a Voigt: ``a L + sqrt(b L^2 + G^2)``, to 0.02 %."""
_SIGMA_PER_FWHM = 1.0 / (2.0 * math.sqrt(2.0 * LN2))
_MIN_GAUSS = 1e-3
"""Least Gaussian part of a Voigt's width: none at all would divide by zero."""


@dataclass(frozen=True, slots=True)
class LineValues:
    """Lines of unit area at every point, and how they change; (n_lines, n_points)."""

    value: Floats
    """The lines, per **ppm**."""
    by_centre: Floats
    """Derivative by the centre in **ppm**."""
    by_log_width: Floats
    """Derivative by the logarithm of the width."""
    by_share: Floats
    """Derivative by the Lorentzian share."""


def evaluate_lines(
    shift: Floats,
    centre: Floats,
    fwhm: Floats,
    *,
    share: Floats,
    shape: LineShape = "pseudo-voigt",
) -> LineValues:
    """Evaluate lines of unit area with their derivatives.

    Parameters
    ----------
    shift : ndarray, shape (n_points,)
        Chemical shift, **ppm**.
    centre, fwhm : ndarray, shape (n_lines,)
        In **ppm**; widths positive.
    share : ndarray, shape (n_lines,)
        0 Gaussian to 1 Lorentzian: share of the pseudo-Voigt's area; of a Voigt, the
        Lorentzian width over the whole.
    shape : {"pseudo-voigt", "voigt"}
        A sum or a convolution of both.

    Returns
    -------
    LineValues

    Notes
    -----
    The share describes a shape, it is no cause: a Lorentzian comes from lifetime, from
    exchange or from a broad distribution of sites.

    References
    ----------
    Olivero & Longbothum 1977, 10.1016/0022-4073(77)90161-3 (FWHM of a Voigt).

    Examples
    --------
    >>> shift = np.linspace(-300.0, 300.0, 60001)
    >>> one = np.ones(1)
    >>> lines = evaluate_lines(shift, 7.0 * one, 2.0 * one, share=0.0 * one)
    >>> print(round(float(np.trapezoid(lines.value[0], shift)), 9))
    1.0
    """
    if shape == "voigt":
        return _voigt(shift[None, :] - centre[:, None], fwhm[:, None], share[:, None])
    out = np.empty((4, centre.size, shift.size))
    _fill_pseudo_voigt(shift, centre, fwhm, share, out)
    return LineValues(out[0], out[1], out[2], out[3])


@numba.njit(cache=True)
def _fill_pseudo_voigt(shift, centre, fwhm, share, out):  # type: ignore[no-untyped-def]
    """Write values and derivatives of pseudo-Voigts into ``out``."""
    for k in range(centre.size):
        inverse, lorentzian = 1.0 / fwhm[k], share[k]
        top_lorentz, top_gauss = LORENTZ_HEIGHT * inverse, GAUSS_HEIGHT * inverse
        for i in range(shift.size):
            u = (shift[i] - centre[k]) * inverse
            tail = 1.0 / (1.0 + 4.0 * u * u)
            lorentz = top_lorentz * tail
            exponent = 4.0 * LN2 * u * u
            gauss = top_gauss * math.exp(-exponent) if exponent < FAR else 0.0
            value = lorentzian * lorentz + (1.0 - lorentzian) * gauss
            slope = 8.0 * (
                lorentzian * lorentz * tail + (1.0 - lorentzian) * LN2 * gauss
            )
            out[0, k, i] = value
            out[1, k, i] = slope * u * inverse
            out[2, k, i] = slope * u * u - value
            out[3, k, i] = lorentz - gauss


def gaussian_part(share: Floats) -> tuple[Floats, Floats]:
    """Return the Gaussian over the whole width of a Voigt, and its slope by the share.

    Parameters
    ----------
    share : ndarray
        Lorentzian width over the whole, 0 to 1.
    """
    a, b = OLIVERO
    squared = (1.0 - a * share) ** 2 - b * share * share
    part = np.sqrt(np.maximum(squared, _MIN_GAUSS**2))
    steep = (-a * (1.0 - a * share) - b * share) / part
    slope = np.where(squared > _MIN_GAUSS**2, steep, 0.0)
    return np.asarray(part, dtype=float), np.asarray(slope, dtype=float)


def _voigt(distance: Floats, fwhm: Floats, share: Floats) -> LineValues:
    """Return Gaussian and Lorentzian convoluted, by the Faddeeva function."""
    part, part_slope = gaussian_part(share)
    sigma, gamma = fwhm * part * _SIGMA_PER_FWHM, 0.5 * share * fwhm
    root = sigma * math.sqrt(2.0)
    z = (distance + 1j * gamma) / root
    faddeeva = np.asarray(wofz(z), dtype=complex)
    slope = -2.0 * z * faddeeva + 2j / math.sqrt(math.pi)
    height = 1.0 / (sigma * math.sqrt(2.0 * math.pi))
    value = height * faddeeva.real
    by_gamma = -height / root * slope.imag
    by_sigma = -(value + height * (slope * z).real) / sigma
    by_centre = -height / root * slope.real
    by_log_width = by_gamma * gamma + by_sigma * sigma
    by_share = fwhm * (0.5 * by_gamma + by_sigma * part_slope * _SIGMA_PER_FWHM)
    return LineValues(value, by_centre, by_log_width, by_share)
