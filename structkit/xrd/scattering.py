"""Atomic scattering: IT92 form factors and anomalous terms, from gemmi's tables."""

from __future__ import annotations

from functools import lru_cache

import gemmi
import numpy as np
from numpy.typing import NDArray

_HC_EV_ANGSTROM = 12398.419843320026
_CLASSICAL_ELECTRON_RADIUS = 2.8179403205e-5
"""In angstrom."""


def form_factor(
    element: str, sin_theta_over_lambda: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the IT92 form factor f0 of a neutral atom.

    Parameters
    ----------
    element : str
        Symbol.
    sin_theta_over_lambda : ndarray, shape (n,)
        In **1/angstrom**, valid to about 2.

    Returns
    -------
    ndarray, shape (n,)
        Electrons.

    References
    ----------
    International Tables for Crystallography C (1992), table 6.1.1.4.
    """
    coefficients = gemmi.Element(element).it92
    squared = np.square(sin_theta_over_lambda)
    total = np.full_like(squared, coefficients.c)
    for a, b in zip(coefficients.a, coefficients.b, strict=True):
        total += a * np.exp(-b * squared)
    return total


@lru_cache(maxsize=512)
def anomalous_terms(element: str, wavelength: float) -> tuple[float, float]:
    """Return f' and f'' (electrons) at ``wavelength`` (angstrom).

    References
    ----------
    Cromer & Liberman (1981), Acta Cryst. A37, 267,
    doi:10.1107/S0567739481000600, in the form gemmi computes it.
    """
    number = gemmi.Element(element).atomic_number
    real, imaginary = gemmi.cromer_liberman(number, _HC_EV_ANGSTROM / wavelength)
    return float(real), float(imaginary)


def linear_absorption(
    atom_counts: dict[str, float], volume: float, wavelength: float
) -> float:
    """Return the linear photoabsorption coefficient of a crystal in 1/cm.

    Parameters
    ----------
    atom_counts : dict
        Atoms in the cell by element.
    volume : float
        Cell volume in **cubic angstrom**.
    wavelength : float
        In **angstrom**.

    Notes
    -----
    ``mu = 2 r_e lambda sum(f'') / V``. Scattering losses (a few per cent for light
    elements) are left out: good for microabsorption, not for mass attenuation.
    """
    total = sum(
        count * anomalous_terms(element, wavelength)[1]
        for element, count in atom_counts.items()
    )
    return 2.0 * _CLASSICAL_ELECTRON_RADIUS * wavelength * total / volume * 1e8
