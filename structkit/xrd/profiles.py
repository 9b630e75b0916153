"""Profile of a powder line: widths, Thompson-Cox-Hastings shape, axial divergence.

Plain numpy, every line summed directly: slow enough to be obvious, and the check of
the engine's fast operator. Angles and widths are in degree.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from structkit.xrd.instrument import Instrument

Floats = NDArray[np.float64]

SCHERRER_CONSTANT = 0.9
"""K of the Scherrer equation, for the full width at half maximum."""
_SQRT_LN2 = math.sqrt(math.log(2.0))
_GAUSSIAN_REACH = 5.0
_AXIAL_NODES = (4, 64)


def mix_widths(gaussian: Floats, lorentzian: Floats) -> tuple[Floats, Floats]:
    """Return width and mixing of the pseudo-Voigt that stands for a Voigt.

    Parameters
    ----------
    gaussian, lorentzian : numpy.ndarray, shape (n_lines,)
        Full widths at half maximum of the two parts, same unit.

    Returns
    -------
    fwhm : numpy.ndarray, shape (n_lines,)
        Full width at half maximum of the whole.
    eta : numpy.ndarray, shape (n_lines,)
        Lorentzian share of the area, 0 to 1.

    References
    ----------
    Thompson, Cox & Hastings (1987), J. Appl. Cryst. 20, 79,
    doi:10.1107/S0021889887087090.
    """
    g, x = np.asarray(gaussian, dtype=float), np.asarray(lorentzian, dtype=float)
    fifth = (
        g**5
        + 2.69269 * g**4 * x
        + 2.42843 * g**3 * x**2
        + 4.47163 * g**2 * x**3
        + 0.07842 * g * x**4
        + x**5
    )
    fwhm = fifth**0.2
    ratio = x / fwhm
    eta = 1.36603 * ratio - 0.47719 * ratio**2 + 0.11116 * ratio**3
    return fwhm, np.clip(eta, 0.0, 1.0)


def gaussian_width(two_theta: Floats, instrument: Instrument) -> Floats:
    """Return the Gaussian FWHM (degree): sqrt(U tan^2 + V tan + W), 0 at least."""
    tangent = np.tan(np.radians(two_theta) / 2.0)
    squared = (instrument.u * tangent + instrument.v) * tangent + instrument.w
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def lorentzian_width(
    two_theta: Floats,
    instrument: Instrument,
    *,
    wavelength: float,
    size: float | None = None,
    microstrain: float = 0.0,
    line_width: float = 0.0,
) -> Floats:
    """Return the Lorentzian FWHM of instrument, size, strain and emission line.

    Parameters
    ----------
    two_theta : numpy.ndarray, shape (n_lines,)
        In **degree**.
    instrument : Instrument
        Its X and Y count.
    wavelength : float
        In **angstrom**.
    size : float, optional
        Crystallite size D in **angstrom**; None: no size broadening.
    microstrain : float
        eps, dimensionless.
    line_width : float
        FWHM of the emission line in **angstrom**.

    Returns
    -------
    numpy.ndarray, shape (n_lines,)
        In **degree**.

    Notes
    -----
    ``X / cos + Y tan + (0.9 lambda / (D cos) + 4 eps tan + 2 tan dlambda / lambda)``
    with the bracket turned from radian into degree; Lorentzian widths add up.
    """
    theta = np.radians(two_theta) / 2.0
    cosine, tangent = np.cos(theta), np.tan(theta)
    own = SCHERRER_CONSTANT * wavelength / size / cosine if size else 0.0
    radians = own + (4.0 * microstrain + 2.0 * line_width / wavelength) * tangent
    instrumental = instrument.x / cosine + instrument.y * tangent
    return np.asarray(np.maximum(instrumental + np.degrees(radians), 0.0))


def pseudo_voigt(offset: Floats, fwhm: float, eta: float) -> Floats:
    """Return a pseudo-Voigt of area 1.

    Parameters
    ----------
    offset : numpy.ndarray
        Distance from the centre, in the unit of ``fwhm``.
    fwhm : float
        Full width at half maximum.
    eta : float
        Lorentzian share of the area.

    Returns
    -------
    numpy.ndarray
        Height, per unit of ``fwhm``.
    """
    u = 2.0 * offset / fwhm
    height = eta * (2.0 / (math.pi * fwhm)) / (1.0 + u * u)
    core = np.abs(u) < 2.0 * _GAUSSIAN_REACH
    peak = (1.0 - eta) * 2.0 * _SQRT_LN2 / (math.sqrt(math.pi) * fwhm)
    height[core] += peak * np.exp(-math.log(2.0) * u[core] ** 2)
    return np.asarray(height)


def axial_rays(
    two_theta: float, axial_divergence: float, n_rays: int
) -> tuple[Floats, Floats]:
    """Return where axially divergent rays of one line appear, and their weights.

    Parameters
    ----------
    two_theta : float
        True angle in **degree**.
    axial_divergence : float
        S/L = H/L, half the sample or slit height over the goniometer radius.
    n_rays : int
        Gauss nodes.

    Returns
    -------
    angles : numpy.ndarray, shape (n_rays,)
        Apparent 2theta in **degree**.
    weights : numpy.ndarray, shape (n_rays,)
        Adding up to 1.

    Notes
    -----
    A ray that leaves the sample at one height and enters the slit at another, the
    heights ``2 S t`` apart, appears at x with ``cos x = cos 2theta sqrt(1 + u^2)``,
    ``u = 2 t S/L``. For sample and slit of equal height t has the weight ``1 - t``.

    References
    ----------
    Finger, Cox & Jephcoat (1994), J. Appl. Cryst. 27, 892,
    doi:10.1107/S0021889894004218.
    """
    nodes, weights = _gauss_nodes(n_rays)
    t = 0.5 * (nodes + 1.0)
    stretch = np.sqrt(1.0 + (2.0 * axial_divergence * t) ** 2)
    cosine = np.clip(math.cos(math.radians(two_theta)) * stretch, -1.0, 1.0)
    share = weights * (1.0 - t)
    return np.degrees(np.arccos(cosine)), np.asarray(share / share.sum())


@lru_cache(maxsize=64)
def _gauss_nodes(n_nodes: int) -> tuple[Floats, Floats]:
    """Return Gauss-Legendre nodes and weights, made once."""
    return np.polynomial.legendre.leggauss(n_nodes)


def sum_lines(
    grid: Floats,
    centers: Floats,
    areas: Floats,
    *,
    gaussian: Floats,
    lorentzian: Floats,
    axial_divergence: float = 0.0,
    shift: Floats | float = 0.0,
) -> Floats:
    """Add up lines on a grid, each over the whole of it.

    Parameters
    ----------
    grid : numpy.ndarray, shape (n_points,)
        2theta in **degree**.
    centers, areas : numpy.ndarray, shape (n_lines,)
        Bragg angle in **degree** and integrated intensity (intensity x degree).
    gaussian, lorentzian : numpy.ndarray, shape (n_lines,)
        FWHM of the two parts in **degree**.
    axial_divergence : float
        As for :func:`axial_rays`.
    shift : float or numpy.ndarray, shape (n_lines,)
        Displacement of each line in **degree**, added after axial divergence.

    Returns
    -------
    numpy.ndarray, shape (n_points,)
        Intensity.
    """
    fwhm, eta = mix_widths(gaussian, lorentzian)
    shifts = np.broadcast_to(np.asarray(shift, dtype=float), centers.shape)
    total = np.zeros_like(grid)
    for k in range(centers.size):
        angles, weights = _rays(float(centers[k]), axial_divergence, float(fwhm[k]))
        for angle, weight in zip(angles, weights, strict=True):
            offset = grid - (angle + shifts[k])
            profile = pseudo_voigt(offset, float(fwhm[k]), float(eta[k]))
            total += areas[k] * weight * profile
    return total


def _rays(center: float, axial_divergence: float, fwhm: float) -> tuple[Floats, Floats]:
    """Return as many rays as keep them closer together than a third of the width."""
    if axial_divergence <= 0.0:
        return np.array([center]), np.ones(1)
    farthest = axial_rays(center, axial_divergence, 2)[0].min()
    wanted = math.ceil(12.0 * abs(center - farthest) / fwhm) + _AXIAL_NODES[0]
    return axial_rays(center, axial_divergence, min(wanted, _AXIAL_NODES[1]))
