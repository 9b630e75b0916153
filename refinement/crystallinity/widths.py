"""Line widths: Scherrer's equation, and what the instrument adds to a line."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.xrd.profiles import SCHERRER_CONSTANT, mix_widths

Floats = NDArray[np.float64]
Shape = Literal["lorentzian", "gaussian", "pseudo-voigt"]

K_FWHM = SCHERRER_CONSTANT
"""K for the full width at half maximum: 0.9, that of the engines."""
K_INTEGRAL_BREADTH = 2.0 * (4.0 * math.pi / 3.0) ** (1.0 / 3.0) / 3.0
"""K for the integral breadth of spheres, size the cube root of their volume: 1.0747.
Langford & Wilson (1978), J. Appl. Cryst. 11, 102, doi:10.1107/S0021889878012844."""


def scherrer_size(
    width: Floats | float,
    two_theta: Floats | float,
    *,
    wavelength: float,
    constant: float = K_FWHM,
) -> Floats:
    """Return the crystallite size of a sample's line width.

    Parameters
    ----------
    width : float or ndarray
        Width of the sample's own broadening, **degree**: full width for
        :data:`K_FWHM`, integral breadth (area over height) for
        :data:`K_INTEGRAL_BREADTH`.
    two_theta : float or ndarray
        **degree**.
    wavelength : float
        **angstrom**.
    constant : float
        K.

    Returns
    -------
    ndarray
        ``K lambda / (width cos theta)`` in **nm**; infinite where the width is 0.

    Examples
    --------
    >>> print(scherrer_size(0.825, 31.7, wavelength=1.5406).round(1))
    10.0
    """
    broadening = np.radians(np.asarray(width, dtype=float))
    cosine = np.cos(np.radians(np.asarray(two_theta, dtype=float)) / 2.0)
    with np.errstate(divide="ignore"):
        return np.asarray(0.1 * constant * wavelength / (broadening * cosine))


def scherrer_width(
    size_nm: Floats | float,
    two_theta: Floats | float,
    *,
    wavelength: float,
    constant: float = K_FWHM,
) -> Floats:
    """Return the width (degree) that a size (nm) gives; as :func:`scherrer_size`."""
    cosine = np.cos(np.radians(np.asarray(two_theta, dtype=float)) / 2.0)
    size = np.asarray(size_nm, dtype=float)
    return np.asarray(np.degrees(0.1 * constant * wavelength / (size * cosine)))


def split_pseudo_voigt(
    fwhm: Floats | float, eta: Floats | float
) -> tuple[Floats, Floats]:
    """Return the Gaussian and Lorentzian widths of a pseudo-Voigt.

    Parameters
    ----------
    fwhm : float or ndarray
        Full width at half maximum.
    eta : float or ndarray
        Lorentzian share of the area, 0 to 1.

    Returns
    -------
    gaussian, lorentzian : ndarray
        Full widths, in the unit of ``fwhm``: the inverse of
        :func:`structkit.xrd.profiles.mix_widths` to 1 % of ``fwhm``.

    References
    ----------
    Thompson, Cox & Hastings (1987), J. Appl. Cryst. 20, 79,
    doi:10.1107/S0021889887087090.
    """
    n = np.clip(np.asarray(eta, dtype=float), 0.0, 1.0)
    lorentzian = 0.72928 * n + 0.19289 * n**2 + 0.07783 * n**3
    squared = 1.0 - 0.74417 * n - 0.24781 * n**2 - 0.00810 * n**3
    width = np.asarray(fwhm, dtype=float)
    return width * np.sqrt(np.maximum(squared, 0.0)), width * lorentzian


def remove_instrument(
    observed: float,
    instrumental: float,
    *,
    shape: Shape,
    eta: float = 0.0,
    instrumental_eta: float = 0.0,
) -> float:
    """Return the full width that is the sample's own.

    Parameters
    ----------
    observed, instrumental : float
        Full widths at half maximum of the line and of the instrument, same unit.
    shape : {"lorentzian", "gaussian", "pseudo-voigt"}
        What both are: widths subtract, squares subtract, or each part by itself.
    eta, instrumental_eta : float
        Lorentzian shares, 0 to 1; only for ``pseudo-voigt``.

    Returns
    -------
    float
        0 where the line is not wider than the instrument's.

    Raises
    ------
    PlanError
        An unknown shape, or a negative width.
    """
    if observed < 0.0 or instrumental < 0.0:
        raise PlanError(
            f"widths are {observed:g} and {instrumental:g}; none can be negative"
        )
    if shape == "lorentzian":
        return max(observed - instrumental, 0.0)
    if shape == "gaussian":
        return math.sqrt(max(observed**2 - instrumental**2, 0.0))
    if shape != "pseudo-voigt":
        raise PlanError(f"shape {shape!r}: use lorentzian, gaussian or pseudo-voigt")
    line = split_pseudo_voigt(observed, eta)
    own = split_pseudo_voigt(instrumental, instrumental_eta)
    return float(
        sample_width(gaussian=line[0], lorentzian=line[1], instrument=(own[0], own[1]))
    )


def sample_width(
    *, gaussian: Floats, lorentzian: Floats, instrument: tuple[Floats, Floats]
) -> Floats:
    """Return the sample's full width from both parts of a line and the instrument.

    Parameters
    ----------
    gaussian, lorentzian : ndarray
        Full widths of the parts of the line.
    instrument : tuple of ndarray
        Those of the instrument, same unit.

    Notes
    -----
    Gaussian squares and Lorentzian widths subtract, neither below 0; the rest is mixed
    again (Thompson, Cox & Hastings 1987, doi:10.1107/S0021889887087090).
    """
    squared = np.asarray(gaussian) ** 2 - np.asarray(instrument[0]) ** 2
    left = np.maximum(np.asarray(lorentzian) - np.asarray(instrument[1]), 0.0)
    rest = np.sqrt(np.maximum(squared, 0.0))
    if not np.any(rest + left > 0.0):
        return np.zeros_like(left)
    safe = np.where(rest + left > 0.0, left, 1.0)
    return np.where(rest + left > 0.0, mix_widths(rest, safe)[0], 0.0)
