"""Hop times of ions from conductivity and from spin-lattice relaxation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from structkit.nmr.bpp import quadrupolar_rate

Floats = NDArray[np.float64]

CHARGE = 1.602176634e-19
"""C, exact."""
BOLTZMANN = 1.380649e-23
"""J/K, exact."""
AVOGADRO = 6.02214076e23
"""1/mol, exact."""
BOLTZMANN_EV = BOLTZMANN / CHARGE
PHASE_OF_MINIMUM = 0.6158
"""``omega0 tau`` at the T1 minimum of a spin-3/2, isotropic motion."""
_PER_M = 100.0
"""S/cm to S/m."""
_FAR = 25.0
"""Logarithm of ``omega0 tau`` at which the search for a correlation time begins."""
_HALVINGS = 60


def carrier_density(
    density_g_cm3: float, molar_mass: float, *, ions_per_formula: float = 1.0
) -> float:
    """Return the number of ions in a volume.

    Parameters
    ----------
    density_g_cm3, molar_mass : float
        Of the conducting phase, **g cm-3** and **g/mol**.
    ions_per_formula : float, default 1
        Mobile ions in each formula.

    Returns
    -------
    float
        **m-3**.

    Examples
    --------
    >>> print(f"{carrier_density(3.2, 416.656):.3g}")
    4.63e+27
    """
    return ions_per_formula * density_g_cm3 * 1e6 / molar_mass * AVOGADRO


def nernst_einstein(
    conductivity: float | Floats, *, temperature: float, carriers_per_m3: float | Floats
) -> Floats:
    """Return the diffusion coefficient that a conductivity means.

    Parameters
    ----------
    conductivity : float or ndarray
        **S cm-1**, of ions with one charge.
    temperature : float
        **K**.
    carriers_per_m3 : float or ndarray
        **m-3**.

    Returns
    -------
    ndarray
        ``sigma k T / (N e^2)``, **m2 s-1**; the tracer's is that times the Haven ratio.

    Examples
    --------
    >>> d = nernst_einstein(4.41e-3, temperature=298.15, carriers_per_m3=4.63e27)
    >>> print(f"{d:.3g}")
    1.53e-11
    """
    siemens_per_m = _PER_M * np.asarray(conductivity, dtype=float)
    return np.asarray(
        siemens_per_m * BOLTZMANN * temperature / (carriers_per_m3 * CHARGE**2)
    )


def hop_time(diffusion: float | Floats, *, hop_angstrom: float | Floats) -> Floats:
    """Return the time between hops, ``a^2 / (6 D)``, **s**.

    Parameters
    ----------
    diffusion : float or ndarray
        **m2 s-1**.
    hop_angstrom : float or ndarray
        **angstrom**.

    Examples
    --------
    >>> [round(1e9 * float(hop_time(1.53e-11, hop_angstrom=a)), 2) for a in (4.0, 5.0)]
    [1.74, 2.72]
    """
    metres = 1e-10 * np.asarray(hop_angstrom, dtype=float)
    return np.asarray(metres**2 / (6.0 * np.asarray(diffusion, dtype=float)))


def solve_correlation_time(
    t1: Floats, *, larmor_hz: float, coupling_hz: Floats, spin: float = 1.5
) -> tuple[Floats, Floats]:
    """Return the two correlation times that make a T1, slow side and fast side.

    Parameters
    ----------
    t1, coupling_hz : ndarray, shape (n,)
        **s** and **Hz**.
    larmor_hz : float
        **Hz**.
    spin : float, default 3/2
        Of the nucleus.

    Returns
    -------
    tuple of ndarray, shape (n,)
        **s**; NaN where the coupling is too small for this T1.

    Notes
    -----
    In ``z = (omega0 tau)^2`` the rate over its scale is ``y (5 + 8 z) / ((1 + z)
    (1 + 4 z))``; bisection in the logarithm of ``y`` on both sides of its maximum.
    """
    omega = 2.0 * math.pi * larmor_hz

    def rate(phase: Floats) -> Floats:
        return np.asarray(
            quadrupolar_rate(
                phase / omega, larmor_hz=larmor_hz, coupling_hz=1.0, spin=spin
            )
        )

    wanted = 1.0 / (np.asarray(t1) * np.asarray(coupling_hz) ** 2)
    top = np.full_like(wanted, math.log(PHASE_OF_MINIMUM))
    found = []
    for end in (_FAR, -_FAR):
        far, near = np.full_like(top, end), top.copy()
        for _ in range(_HALVINGS):
            middle = 0.5 * (far + near)
            above = rate(np.exp(middle)) > wanted
            near, far = np.where(above, middle, near), np.where(above, far, middle)
        reached = rate(np.exp(top)) >= wanted
        found.append(np.where(reached, np.exp(near) / omega, math.nan))
    return found[0], found[1]
