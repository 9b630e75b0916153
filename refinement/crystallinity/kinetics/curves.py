"""Closed forms of the fraction that is left after milling (SCIENCE B11)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import exprel, gammaincc

Floats = NDArray[np.float64]


def first_order(
    time: ArrayLike, rate: float, *, initial: float = 1.0, residual: float = 0.0
) -> Floats:
    """Return what a first-order decay leaves.

    Parameters
    ----------
    time : array_like, shape (n_points,)
        Milling time, **h** (or dose), not negative.
    rate : float
        Rate constant k, **h-1** (or per dose), positive.
    initial : float, default 1
        C at time 0.
    residual : float, default 0
        C at infinite time, in the units of ``initial``.

    Returns
    -------
    ndarray, shape (n_points,)
        ``C_inf + (C_0 - C_inf) exp(-k t)``, in the units of ``initial``.

    Examples
    --------
    >>> print(first_order([1.0, 2.0, 4.0, 6.0], 0.5).round(2))
    [0.61 0.37 0.14 0.05]
    """
    decay = np.exp(-rate * np.asarray(time, dtype=float))
    return np.asarray(residual + (initial - residual) * decay)


def jmak(
    time: ArrayLike, rate: float, exponent: float, *, initial: float = 1.0
) -> Floats:
    """Return what a Johnson-Mehl-Avrami-Kolmogorov transformation leaves.

    Parameters
    ----------
    time : array_like, shape (n_points,)
        Milling time, **h** (or dose), not negative.
    rate : float
        k, **h-1** (or per dose), positive.
    exponent : float
        n, **1**, positive; 1 is first order.
    initial : float, default 1
        C at time 0.

    Returns
    -------
    ndarray, shape (n_points,)
        ``C_0 exp[-(k t)^n]``.

    References
    ----------
    Avrami (1940), J. Chem. Phys. 8, 212, doi:10.1063/1.1750631.

    Examples
    --------
    >>> print(jmak([1.0, 2.0, 4.0, 6.0], 0.5, 2.0).round(2))
    [0.78 0.37 0.02 0.  ]
    """
    loading = rate * np.asarray(time, dtype=float)
    return np.asarray(initial * np.exp(-(loading**exponent)))


def delogu_cocco(
    time: ArrayLike, rate: float, loadings: float, *, initial: float = 1.0
) -> Floats:
    """Return what is left where each volume element must be loaded ``loadings`` times.

    Parameters
    ----------
    time : array_like, shape (n_points,)
        Milling time, **h** (or dose), not negative.
    rate : float
        Fraction of the powder that impacts load critically per hour, **h-1**.
    loadings : float
        Number r of critical loadings, **1**, at least 1 and physically whole; 1 is
        first order.
    initial : float, default 1
        C at time 0.

    Returns
    -------
    ndarray, shape (n_points,)
        ``C_0 exp(-k t) sum_{j<r} (k t)^j / j!``.

    Notes
    -----
    The sum is the upper regularised incomplete gamma function Q(r, k t): the chance
    of fewer than r events of a Poisson process.

    References
    ----------
    Delogu, Schiffini & Cocco (2001), Phil. Mag. A 81, 1917,
    doi:10.1080/01418610010019107; Delogu & Takacs (2018),
    doi:10.1007/s10853-018-2090-1.
    """
    loading = rate * np.asarray(time, dtype=float)
    return np.asarray(initial * gammaincc(loadings, loading))


def consecutive(
    time: ArrayLike, formation: float, loss: float, *, initial: float = 1.0
) -> tuple[Floats, Floats]:
    """Return precursors and phase of ``precursors -> phase -> glass``.

    Parameters
    ----------
    time : array_like, shape (n_points,)
        Milling time, **h** (or dose), not negative.
    formation : float
        k1 of precursors -> phase, **h-1**, positive.
    loss : float
        k2 of phase -> glass, **h-1**, not negative.
    initial : float, default 1
        Precursors at time 0, where the phase is absent.

    Returns
    -------
    precursors, phase : ndarray, shape (n_points,)
        ``C_0 exp(-k1 t)`` and ``C_0 k1 [exp(-k1 t) - exp(-k2 t)] / (k2 - k1)``,
        finite at ``k1 = k2`` too. What is in neither is glass.
    """
    hours = np.asarray(time, dtype=float)
    precursors = initial * np.exp(-formation * hours)
    # Written with the slower of the two steps outside, nothing can overflow.
    slow = np.exp(-min(formation, loss) * hours)
    between = exprel(-abs(loss - formation) * hours)
    return precursors, np.asarray(initial * formation * hours * slow * between)
