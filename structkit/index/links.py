"""How an amorphous share shows in what a technique measures.

The latent quantity is ``alpha``, the weight fraction without long-range order. Raman
and NMR do not see weight: they see which share ``phi`` of the tantalum (or of its
sodium) that is not TaCl5 sits in glass. Crystals of known proportions join the two:
with ``a`` moles of crystalline product and ``b`` of crystalline TaCl5 per tantalum
*if all were crystalline* (``C = 1 - alpha = 1``),

    phi = 1 - C a / (1 - C b).

Kernels: numpy in and out, shapes broadcast, no units beyond those named.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EDGE = 1e-3
"""Distance from 0 and 1 from which a logit goes on straight: its slope stays finite."""
_STEP = 1e-4


def glass_share(alpha: Floats, product: Floats, chloride: Floats) -> Floats:
    """Return the share ``phi`` of tantalum in glass, TaCl5 crystals apart.

    Parameters
    ----------
    alpha : ndarray
        Weight fraction without long-range order.
    product, chloride : ndarray
        ``a`` and ``b``: moles of crystalline product and of crystalline TaCl5 per
        tantalum, scaled to an all-crystalline sample; ``a = 1, b = 0`` makes ``phi``
        equal to ``alpha``.

    Returns
    -------
    ndarray
        May fall below 0 where the crystals cannot hold that much tantalum.

    Examples
    --------
    >>> glass_share(np.array([0.0, 0.5]), np.array(1.0), np.array(0.0))
    array([0. , 0.5])
    """
    crystalline = 1.0 - alpha
    return np.asarray(
        1.0 - crystalline * product / np.maximum(1.0 - crystalline * chloride, EDGE)
    )


def amorphous_share(phi: Floats, product: Floats, chloride: Floats) -> Floats:
    """Return ``alpha`` of a glass share: the inverse of :func:`glass_share`.

    Examples
    --------
    >>> phi = glass_share(np.array(0.7), np.array(0.8), np.array(0.1))
    >>> print(round(float(amorphous_share(phi, np.array(0.8), np.array(0.1))), 12))
    0.7
    """
    below = 1.0 - phi
    whole = product + chloride * below
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole > 0.0, 1.0 - below / whole, np.nan))


def logit(share: Floats) -> Floats:
    """Return ``ln(s / (1 - s))``, going on straight beyond ``EDGE`` of 0 and 1.

    Examples
    --------
    >>> logit(np.array([0.5, 0.75])).round(4)
    array([0.    , 1.0986])
    """
    kept = np.clip(share, EDGE, 1.0 - EDGE)
    beyond = (share - kept) / (EDGE * (1.0 - EDGE))
    return np.asarray(np.log(kept / (1.0 - kept)) + beyond)


def effective_conductivity(glass: Floats, crystal: Floats, relative: float) -> Floats:
    """Return the conductivity of glass, crystals and insulators, over the glass's.

    Parameters
    ----------
    glass, crystal : ndarray
        Volume fractions of the glass and of the crystals that conduct; the rest
        insulates.
    relative : float
        Conductivity of the crystals over that of the glass.

    Returns
    -------
    ndarray
        Root of Bruggeman's ``sum f_i (s_i - s) / (s_i + 2 s) = 0`` for spheres of three
        kinds, one of which does not conduct: a quadratic.

    References
    ----------
    Bruggeman, 1935, 10.1002/andp.19354160705.

    Examples
    --------
    >>> effective_conductivity(np.array(0.5), np.array(0.0), 0.1).round(9)
    np.float64(0.25)
    """
    rest = 1.0 - glass - crystal
    linear = (
        glass * (4.0 - 2.0 * relative)
        + crystal * (4.0 * relative - 2.0)
        - rest * (2.0 + 2.0 * relative)
    )
    constant = relative * (2.0 - 3.0 * rest)
    root = np.sqrt(np.maximum(linear**2 + 16.0 * constant, 0.0))
    return np.asarray(np.maximum(linear + root, 0.0) / 8.0)


def slope(values: Floats, higher: Floats) -> Floats:
    """Return the derivative from values at ``x`` and at ``x + step``."""
    return np.asarray((higher - values) / _STEP)


def step_of(alpha: Floats) -> Floats:
    """Return ``alpha`` one finite step on."""
    return np.asarray(alpha + _STEP)
