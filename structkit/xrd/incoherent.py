"""Incoherent (Compton) scattering of atoms, from Slater's orbitals.

No table of it comes with the libraries in use, and it need not be better known than
to a tenth: below a lab tube's largest angle it is some per cent of what a compound of
heavy atoms scatters.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import gemmi
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ORDER = (
    (1, "s", 2),
    (2, "s", 2),
    (2, "p", 6),
    (3, "s", 2),
    (3, "p", 6),
    (4, "s", 2),
    (3, "d", 10),
    (4, "p", 6),
    (5, "s", 2),
    (4, "d", 10),
    (5, "p", 6),
    (6, "s", 2),
    (4, "f", 14),
    (5, "d", 10),
    (6, "p", 6),
    (7, "s", 2),
    (5, "f", 14),
    (6, "d", 10),
)
"""Subshells in the order of filling, with their capacity."""
_EFFECTIVE = {1: 1.0, 2: 2.0, 3: 3.0, 4: 3.7, 5: 4.0, 6: 4.2, 7: 4.4}
"""Slater's effective quantum number; that of n = 7 is extrapolated."""
_BOHR = 0.529177210903
"""Bohr radius, angstrom."""


def incoherent_scattering(element: str, sin_theta_over_lambda: Floats) -> Floats:
    """Return the incoherent scattering function of a free atom.

    Parameters
    ----------
    element : str
        Symbol.
    sin_theta_over_lambda : ndarray, shape (n,)
        In **1/angstrom**, not negative.

    Returns
    -------
    ndarray, shape (n,)
        Electrons: 0 forward, Z at large angles.

    Notes
    -----
    ``Z - sum_i f_i^2`` over the electrons, each with the form factor of its Slater
    orbital ``r^(n*-1) exp(-zeta r)``,

        f = sin(2 n* atan t) / (2 n* t (1 + t^2)^n*),    t = Q / (2 zeta)

    Exchange (the Pauli principle forbids some transitions) and the recoil factor are
    left out; both make it smaller. Good to about a tenth.

    References
    ----------
    Slater (1930), Phys. Rev. 36, 57, doi:10.1103/PhysRev.36.57; Waller & Hartree
    (1929), Proc. R. Soc. A 124, 119, doi:10.1098/rspa.1929.0101.

    Examples
    --------
    >>> import numpy as np
    >>> incoherent_scattering("Na", np.array([0.0, 5.0])).round(1)
    array([ 0., 11.])
    """
    s = np.asarray(sin_theta_over_lambda, dtype=float)
    number = gemmi.Element(element).atomic_number
    total = np.full_like(s, float(number))
    for effective, exponent, electrons in _orbitals(number):
        t = np.maximum(4.0 * np.pi * s * _BOHR / (2.0 * exponent), 1e-9)
        n = effective
        f = np.sin(2.0 * n * np.arctan(t)) / (2.0 * n * t * (1.0 + t * t) ** n)
        total -= electrons * f * f
    return np.asarray(np.maximum(total, 0.0))


def incoherent_of_formula(atoms: Mapping[str, float], s: Floats) -> Floats:
    """Return the sum over the atoms of a formula unit, electrons."""
    total = np.zeros_like(np.asarray(s, dtype=float))
    for element, count in atoms.items():
        total += count * incoherent_scattering(element, s)
    return total


@lru_cache(maxsize=128)
def _orbitals(number: int) -> tuple[tuple[float, float, int], ...]:
    """Return (effective n, exponent in 1/bohr, electrons) of each Slater group."""
    groups: dict[tuple[int, str], int] = {}
    left = number
    for n, kind, capacity in _ORDER:
        taken = min(left, capacity)
        if taken == 0:
            break
        key = (n, "sp" if kind in "sp" else kind)
        groups[key] = groups.get(key, 0) + taken
        left -= taken
    return tuple(
        (_EFFECTIVE[n], (number - _shielding((n, kind), groups)) / _EFFECTIVE[n], count)
        for (n, kind), count in groups.items()
    )


def _shielding(own: tuple[int, str], groups: Mapping[tuple[int, str], int]) -> float:
    """Return Slater's screening constant of one electron of a group."""
    n, kind = own
    rank = {"sp": 0, "d": 1, "f": 2}
    total = (groups[own] - 1) * (0.30 if n == 1 else 0.35)
    for (m, other), count in groups.items():
        if (m, rank[other]) >= (n, rank[kind]):
            continue
        near = kind == "sp" and m == n - 1
        total += count * (0.85 if near else 1.0)
    return total
