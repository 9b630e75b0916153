"""Band shapes of unit area, and their derivatives.

Both shapes are a function of the distance to the centre, of one width and of one
number between Gaussian (0) and Lorentzian (1), and may be wider on one side than on the
other, as bands of a glass are. Kernels: arrays in, arrays out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Shape = Literal["pseudo-voigt", "voigt"]

LN2 = math.log(2.0)
_GAUSS_HEIGHT = 2.0 * math.sqrt(LN2 / math.pi)
_LORENTZ_HEIGHT = 2.0 / math.pi
_SIGMA_PER_FWHM = 1.0 / (2.0 * math.sqrt(2.0 * LN2))
_FAR = 60.0
"""Exponent of a Gaussian beyond which it is nothing."""
_OLIVERO = (0.5346, 0.2166)
_MIN_GAUSS = 1e-3
"""Smallest Gaussian share of a Voigt's width: none at all would divide by zero."""


_SQRT_2 = math.sqrt(2.0)
_SQRT_2PI = math.sqrt(2.0 * math.pi)
_INVERSE_SQRT_PI = 1.0 / math.sqrt(math.pi)
_TERMS = 20
_FAR_SQUARED = 30.0
"""Squared argument above which seven terms of Laplace's continued fraction are the
Faddeeva function to 4e-9."""
_WEIDEMAN_SCALE = math.sqrt(_TERMS / math.sqrt(2.0))


def _weideman_coefficients(terms: int) -> Floats:
    """Return the polynomial of Weideman's Faddeeva function, highest power first."""
    sides = 2 * terms
    angles = np.arange(1 - sides, sides) * math.pi / sides
    t = math.sqrt(terms / math.sqrt(2.0)) * np.tan(0.5 * angles)
    weighted = np.exp(-(t**2)) * (terms / math.sqrt(2.0) + t**2)
    spectrum = np.fft.fft(np.fft.fftshift(np.concatenate([[0.0], weighted])))
    return np.ascontiguousarray((spectrum.real / (2 * sides))[1 : terms + 1][::-1])


_WEIDEMAN = _weideman_coefficients(_TERMS)


@dataclass(frozen=True, slots=True)
class ShapeValues:
    """Unit-area bands at every point, and how they change; each (n_bands, n_points)."""

    value: Floats
    """The bands, per **cm-1**."""
    by_centre: Floats
    """Derivative by the centre, in **cm-1**."""
    by_log_width: Floats
    """Derivative by the logarithm of the width."""
    by_mixing: Floats
    """Derivative by the Lorentzian share."""
    by_skew: Floats
    """Derivative by the skew."""


def evaluate_shape(
    distance: Floats,
    width: Floats,
    mixing: Floats,
    *,
    shape: Shape = "pseudo-voigt",
    skew: Floats | None = None,
    instrument_fwhm: float = 0.0,
) -> ShapeValues:
    """Evaluate bands of unit area.

    Parameters
    ----------
    distance : ndarray, shape (n_bands, n_points)
        Raman shift less the centre, **cm-1**.
    width : ndarray, shape (n_bands,)
        FWHM in **cm-1**; of a Voigt: before the instrument broadens it.
    mixing : ndarray, shape (n_bands,)
        0 Gaussian to 1 Lorentzian: share of the pseudo-Voigt's area, or of the Voigt's
        width.
    shape : {"pseudo-voigt", "voigt"}
        A sum or a convolution of both.
    skew : ndarray, shape (n_bands,), optional
        -1 to 1 exclusive: the half width is ``(1 + skew) / 2`` of the width above the
        centre and ``(1 - skew) / 2`` below. Default: none.
    instrument_fwhm : float
        Gaussian FWHM of the instrument, **cm-1**; only a Voigt is broadened by it.

    Returns
    -------
    ShapeValues

    Notes
    -----
    A skewed band is two halves of one height that meet at the centre, the maximum;
    area and FWHM are those of the symmetric band of the same width.

    References
    ----------
    Olivero & Longbothum 1977, 10.1016/0022-4073(77)90161-3 (FWHM of a Voigt);
    Weideman 1994, 10.1137/0731077 (its Faddeeva function, here to 4e-9).

    Examples
    --------
    >>> x = np.linspace(-500.0, 500.0, 20001)[None, :]
    >>> bands = evaluate_shape(x, np.array([10.0]), np.array([0.0]))
    >>> print(round(float(np.trapezoid(bands.value[0], x[0])), 9))
    1.0
    """
    w, m = width[:, None], mixing[:, None]
    leaning = np.zeros(width.size) if skew is None else np.asarray(skew, dtype=float)
    if shape == "voigt":
        return _voigt(distance, w, m, leaning, instrument=instrument_fwhm)
    return _pseudo_voigt(distance, w, m, leaning)


def _pseudo_voigt(x: Floats, w: Floats, m: Floats, skew: Floats) -> ShapeValues:
    """Return ``m L + (1 - m) G``, both of FWHM ``w``."""
    out = np.empty((5, *x.shape))
    line = np.ascontiguousarray(x)
    _fill_pseudo_voigt(line, w[:, 0].copy(), m[:, 0].copy(), skew, out)
    return ShapeValues(out[0], out[1], out[2], out[3], out[4])


@numba.njit(cache=True)
def _fill_pseudo_voigt(x, w, m, skew, out):  # type: ignore[no-untyped-def]
    """Write values and derivatives of pseudo-Voigts into ``out``."""
    n_bands, n_points = x.shape
    for k in range(n_bands):
        mixing, rest, inverse = m[k], 1.0 - m[k], 1.0 / w[k]
        top_lorentz, top_gauss = _LORENTZ_HEIGHT * inverse, _GAUSS_HEIGHT * inverse
        for i in range(n_points):
            side = 1.0 if x[k, i] > 0.0 else -1.0
            stretch = 1.0 / (1.0 + side * skew[k])
            u = x[k, i] * inverse * stretch
            tail = 1.0 / (1.0 + 4.0 * u * u)
            lorentz = top_lorentz * tail
            exponent = 4.0 * LN2 * u * u
            gauss = top_gauss * math.exp(-exponent) if exponent < _FAR else 0.0
            value = mixing * lorentz + rest * gauss
            slope = 8.0 * (mixing * lorentz * tail + rest * LN2 * gauss)
            out[0, k, i] = value
            out[1, k, i] = slope * u * inverse * stretch
            out[2, k, i] = slope * u * u - value
            out[3, k, i] = lorentz - gauss
            out[4, k, i] = slope * u * u * side * stretch


def _gauss_share(m: Floats) -> tuple[Floats, Floats]:
    """Return a Voigt's Gaussian over its whole FWHM at a Lorentzian share; slope."""
    a, b = _OLIVERO
    squared = (1.0 - a * m) ** 2 - b * m * m
    share = np.sqrt(np.maximum(squared, _MIN_GAUSS**2))
    steep = (-a * (1.0 - a * m) - b * m) / share
    slope = np.asarray(np.where(squared > _MIN_GAUSS**2, steep, 0.0), dtype=float)
    return share, slope


def _voigt(
    x: Floats, w: Floats, m: Floats, skew: Floats, *, instrument: float
) -> ShapeValues:
    """Return the convolution of band and Gaussian instrument, each side stretched."""
    share, share_slope = _gauss_share(m)
    own = w * share
    gauss = np.sqrt(own * own + instrument * instrument)
    sigma_by_own = own / gauss * _SIGMA_PER_FWHM
    out = np.empty((5, *x.shape))
    columns = (
        gauss * _SIGMA_PER_FWHM,
        0.5 * m * w,
        sigma_by_own * own,
        0.5 * w,
        sigma_by_own * w * share_slope,
    )
    bands = np.ascontiguousarray(np.hstack([*columns, skew[:, None]]))
    _fill_voigt(np.ascontiguousarray(x), bands, _WEIDEMAN, out)
    return ShapeValues(out[0], out[1], out[2], out[3], out[4])


@numba.njit(cache=True, error_model="numpy")
def _fill_voigt(x, bands, coefficients, out):  # type: ignore[no-untyped-def]
    """Write Voigt functions and derivatives by centre, log width, mixing, skew.

    ``bands`` has sigma, gamma, and how both change: gamma by log width is gamma
    itself, sigma by log width, gamma by mixing, sigma by mixing; then the skew.
    """
    n_bands, n_points = x.shape
    scale = _WEIDEMAN_SCALE
    for k in range(n_bands):
        sigma, gamma, sigma_log, gamma_mix, sigma_mix, skew = bands[k]
        height = 1.0 / (sigma * _SQRT_2PI)
        inverse = 1.0 / (sigma * _SQRT_2)
        per_x = height * inverse
        up = gamma * inverse
        stretches = (1.0 / (1.0 - skew), 1.0 / (1.0 + skew))
        for i in range(n_points):
            right = x[k, i] > 0.0
            stretch = stretches[1] if right else stretches[0]
            away = x[k, i] * stretch * inverse
            z = complex(away, up)
            if away * away + up * up > _FAR_SQUARED:
                square = z * z
                upper = square * (square * (square - 13.5) + 46.25) - 34.875
                lower = square * (square * (square - 14.0) + 52.5) - 52.5
                lower = square * lower + 6.5625
                upper = upper * z * lower.conjugate()
                norm = lower.real * lower.real + lower.imag * lower.imag
                norm = _INVERSE_SQRT_PI / norm
                faddeeva = complex(-upper.imag * norm, upper.real * norm)
            else:
                first, second = scale + up, scale - up
                norm = 1.0 / (first * first + away * away)
                below = complex(first * norm, away * norm)
                turned = complex(second, away) * below
                total = complex(coefficients[0], 0.0)
                for c in coefficients[1:]:
                    total = total * turned + c
                faddeeva = below * (2.0 * total * below + _INVERSE_SQRT_PI)
            slope = -2.0 * z * faddeeva + complex(0.0, 2.0 * _INVERSE_SQRT_PI)
            value = height * faddeeva.real
            by_x = per_x * slope.real
            by_gamma = -per_x * slope.imag
            by_sigma = -(value + height * (slope * z).real) / sigma
            out[0, k, i] = value
            out[1, k, i] = -by_x * stretch
            out[2, k, i] = by_gamma * gamma + by_sigma * sigma_log
            out[3, k, i] = by_gamma * gamma_mix + by_sigma * sigma_mix
            sided = by_x * x[k, i] * stretch * stretch
            out[4, k, i] = -sided if right else sided
