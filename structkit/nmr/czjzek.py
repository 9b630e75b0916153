"""Central transition under fast spinning, Czjzek's distribution of field gradients.

The second-order shift of one crystallite is ``-s u``: ``s`` holds the width of the
distribution and the field, and ``u`` is distributed in the same way for all samples. So
one table serves every line: it is scaled, and broadened by a pseudo-Voigt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from structkit.nmr.lineshapes import FAR, GAUSS_HEIGHT, LN2, LORENTZ_HEIGHT, LineValues

Floats = NDArray[np.float64]

_LARGEST = 4.9
"""Square root of the largest tabulated ``u``: what lies beyond is below 1e-8."""
_N_TABLE = 2048
_COARSEST = 64
_NODES_PER_WIDTH = 2.5
_N_ANGLES = (64, 48, 256)
_N_BINS = 600
_FREEDOM = 5


@dataclass(frozen=True, slots=True)
class CzjzekValues:
    """A Czjzek line of unit area at every point, and how it changes."""

    line: LineValues
    """Value, derivatives by isotropic shift, broadening and share; (1, n_points)."""
    by_log_scale: Floats
    """Derivative by the logarithm of the second-order scale, (n_points,)."""


def second_order_scale(
    sigma_cq: float, larmor_frequency: float, *, spin: float = 1.5
) -> float:
    """Return the mean second-order shift of a Czjzek line, without its sign.

    Parameters
    ----------
    sigma_cq : float
        Width of the distribution in **MHz**: the most probable ``C_Q`` is about twice
        it, the mean of ``C_Q^2 (1 + eta^2/3)`` five times its square.
    larmor_frequency : float
        In **MHz**.
    spin : float, default 1.5
        Half-integer.

    Returns
    -------
    float
        In **ppm**; the centre of gravity lies that far below the isotropic shift.

    Examples
    --------
    >>> round(second_order_scale(1.0, 132.294), 3)
    7.142
    """
    quadrupole = 3.0 * sigma_cq / (2.0 * spin * (2.0 * spin - 1.0))
    strength = spin * (spin + 1.0) - 0.75
    return 1e6 * _FREEDOM / 30.0 * strength * (quadrupole / larmor_frequency) ** 2


def sigma_cq_of_scale(
    scale: float, larmor_frequency: float, *, spin: float = 1.5
) -> float:
    """Return the width of the distribution in MHz whose mean shift is ``scale`` ppm."""
    unit = second_order_scale(1.0, larmor_frequency, spin=spin)
    return math.sqrt(scale / unit)


@lru_cache(maxsize=1)
def tabulate_distribution() -> tuple[Floats, Floats]:
    """Return nodes ``u`` and weights of the distribution of second-order shifts.

    Returns
    -------
    node, weight : ndarray, shape (n_nodes,)
        ``u`` with mean 1, and probability; every second, fourth, ... node with as many
        times the weight is a coarser rule.

    Notes
    -----
    Czjzek's distribution ``C_Q^4 eta (1 - eta^2/9) exp(-C_Q^2 (1 + eta^2/3) / 2 s^2)``
    splits in two that do not depend on each other: ``C_Q^2 (1 + eta^2/3) / s^2`` is
    chi-square with five degrees of freedom, and ``eta`` follows what is left. The
    angular part is that of the central transition, first and second rank gone by
    spinning faster than the line is broad.

    References
    ----------
    d'Espinose de Lacaillerie, Fretigny & Massiot 2008, 10.1016/j.jmr.2008.03.001.
    """
    angular, share = _angular_distribution()
    root = np.linspace(0.0, _LARGEST, _N_TABLE + 1)
    node = root**2
    ratio = node[:, None] / angular[None, :]
    norm = 2.0 ** (0.5 * _FREEDOM) * math.gamma(0.5 * _FREEDOM)
    chi_square = ratio ** (0.5 * _FREEDOM - 1.0) * np.exp(-0.5 * ratio) / norm
    density = chi_square @ (share / angular)
    weight = density * 2.0 * root
    return node, weight / weight.sum()


def _angular_distribution() -> tuple[Floats, Floats]:
    """Return angular factors over ``1 + eta^2/3`` (mean 1/5), and their probability."""
    n_eta, n_alpha, n_beta = _N_ANGLES
    eta, eta_weight = np.polynomial.legendre.leggauss(n_eta)
    eta = 0.5 * (eta + 1.0)
    spread = 1.0 + eta**2 / 3.0
    eta_weight = eta_weight * eta * (1.0 - eta**2 / 9.0) * spread**-2.5
    cosine = np.cos(np.pi * (np.arange(n_alpha) + 0.5) / n_alpha)
    height, height_weight = np.polynomial.legendre.leggauss(2 * n_beta)
    height, height_weight = height[n_beta:] ** 2, height_weight[n_beta:]
    tilt = eta[:, None, None] * cosine[None, :, None]
    squared = height[None, None, :]
    plain = (eta**2)[:, None, None] / 12.0
    factor = (
        (21.0 / 16.0 - 7.0 / 8.0 * tilt + 7.0 / 48.0 * tilt**2) * squared**2
        + (-9.0 / 8.0 + plain + tilt - 7.0 / 24.0 * tilt**2) * squared
        + (5.0 / 16.0 - 1.0 / 8.0 * tilt + 7.0 / 48.0 * tilt**2)
    ) / spread[:, None, None]
    weight = (eta_weight[:, None, None] * height_weight[None, None, :]) * np.ones(
        (1, n_alpha, 1)
    )
    edges = np.linspace(factor.min(), factor.max() * (1.0 + 1e-12), _N_BINS + 1)
    total, _ = np.histogram(factor, edges, weights=weight)
    moment, _ = np.histogram(factor, edges, weights=weight * factor)
    kept = total > 0.0
    return moment[kept] / total[kept], total[kept] / total.sum()


def evaluate_czjzek(
    shift: Floats, centre: float, fwhm: float, *, share: float, scale: float
) -> CzjzekValues:
    """Evaluate a Czjzek line of unit area with its derivatives.

    Parameters
    ----------
    shift : ndarray, shape (n_points,)
        Chemical shift, **ppm**.
    centre : float
        Isotropic chemical shift, **ppm**: not the maximum of the line.
    fwhm : float
        Of the broadening, **ppm**.
    share : float
        Lorentzian share of the broadening, 0 to 1.
    scale : float
        Mean second-order shift, **ppm** (:func:`second_order_scale`).

    Returns
    -------
    CzjzekValues

    Notes
    -----
    The table's nodes lie in equal steps of ``sqrt(u)``; as many are used as the
    broadening needs, so a line much narrower than ``scale / 200`` is not smooth.

    Examples
    --------
    >>> shift = np.linspace(-300.0, 50.0, 7001)
    >>> one = evaluate_czjzek(shift, 0.0, 2.0, share=0.0, scale=7.0)
    >>> print(round(float(np.trapezoid(one.line.value[0] * shift, shift)), 4))
    -7.0
    """
    node, weight = tabulate_distribution()
    needed = 2.0 * _LARGEST * _NODES_PER_WIDTH * 2.0 * scale / fwhm
    stride = _N_TABLE // _COARSEST
    while stride > 1 and _N_TABLE / stride < needed:
        stride //= 2
    out = np.zeros((5, shift.size))
    _fill(
        shift,
        (centre, fwhm, share, scale),
        node[::stride],
        weight[::stride] * stride,
        out,
    )
    line = LineValues(out[0:1], out[1:2], out[2:3], out[3:4])
    return CzjzekValues(line, out[4])


@numba.njit(cache=True)
def _fill(shift, values, node, weight, out):  # type: ignore[no-untyped-def]
    """Add up broadened nodes into ``out``."""
    centre, fwhm, share, scale = values
    inverse = 1.0 / fwhm
    top_lorentz, top_gauss = LORENTZ_HEIGHT * inverse, GAUSS_HEIGHT * inverse
    for i in range(shift.size):
        for k in range(node.size):
            u = (shift[i] - centre + scale * node[k]) * inverse
            tail = 1.0 / (1.0 + 4.0 * u * u)
            lorentz = top_lorentz * tail
            exponent = 4.0 * LN2 * u * u
            gauss = top_gauss * math.exp(-exponent) if exponent < FAR else 0.0
            value = share * lorentz + (1.0 - share) * gauss
            slope = 8.0 * (share * lorentz * tail + (1.0 - share) * LN2 * gauss)
            by_centre = slope * u * inverse
            out[0, i] += weight[k] * value
            out[1, i] += weight[k] * by_centre
            out[2, i] += weight[k] * (slope * u * u - value)
            out[3, i] += weight[k] * (lorentz - gauss)
            out[4, i] -= weight[k] * by_centre * scale * node[k]
