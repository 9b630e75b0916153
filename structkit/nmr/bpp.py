"""Quadrupolar relaxation by motion with one correlation time (BPP)."""

from __future__ import annotations

import math
from typing import overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FASTEST = 1.4252
"""Largest value of ``y / (1 + y^2) + 4 y / (1 + 4 y^2)``, at ``y`` = 0.6158."""


@overload
def quadrupolar_rate(
    correlation_time: float,
    *,
    larmor_hz: float,
    coupling_hz: float,
    asymmetry: float = ...,
    spin: float = ...,
) -> float: ...
@overload
def quadrupolar_rate(
    correlation_time: Floats,
    *,
    larmor_hz: float,
    coupling_hz: float,
    asymmetry: float = ...,
    spin: float = ...,
) -> Floats: ...
def quadrupolar_rate(
    correlation_time: float | Floats,
    *,
    larmor_hz: float,
    coupling_hz: float,
    asymmetry: float = 0.0,
    spin: float = 1.5,
) -> float | Floats:
    """Return the initial rate of longitudinal relaxation.

    Parameters
    ----------
    correlation_time : float or ndarray
        Of the electric field gradient, **s**.
    larmor_hz, coupling_hz : float
        Larmor frequency and ``C_Q = e^2 q Q / h``, **Hz**.
    asymmetry : float, default 0
        Of the field gradient, 0 to 1.
    spin : float, default 3/2
        Of the nucleus.

    Returns
    -------
    float or ndarray
        1/T1 in **s-1**.

    Notes
    -----
    ``3/200 (2I+3)/(I^2 (2I-1)) (2 pi C_Q)^2 (1 + eta^2/3) (t / (1 + (w t)^2) +
    4 t / (1 + 4 (w t)^2))``: isotropic random reorientation, one correlation time.

    Examples
    --------
    >>> rate = quadrupolar_rate(2e-9, larmor_hz=132.294e6, coupling_hz=1e6)
    >>> round(1e3 / rate, 2)
    1.06
    """
    phase = 2.0 * math.pi * larmor_hz * correlation_time
    density = correlation_time / (1.0 + phase**2)
    density = density + 4.0 * correlation_time / (1.0 + 4.0 * phase**2)
    return _strength(coupling_hz, asymmetry, spin) * density


def coupling_bound(
    t1: float, *, larmor_hz: float, asymmetry: float = 0.0, spin: float = 1.5
) -> float:
    """Return the smallest coupling that allows a T1 at any correlation time.

    Parameters
    ----------
    t1 : float
        Relaxation time, **s**.
    larmor_hz : float
        Larmor frequency, **Hz**.
    asymmetry : float, default 0
        Does not change the bound: it is of ``C_Q sqrt(1 + eta^2 / 3)``.
    spin : float, default 3/2
        Of the nucleus.

    Returns
    -------
    float
        ``C_Q sqrt(1 + eta^2 / 3)``, **Hz**.

    Examples
    --------
    >>> round(coupling_bound(1.2e-3, larmor_hz=132.294e6) / 1e6, 3)
    0.785
    """
    fastest = _strength(1.0, 0.0, spin) * _FASTEST / (2.0 * math.pi * larmor_hz)
    return math.sqrt(1.0 / (t1 * fastest))


def _strength(coupling_hz: float, asymmetry: float, spin: float) -> float:
    """Return the factor before the spectral densities, s-2."""
    nucleus = 3.0 / 200.0 * (2.0 * spin + 3.0) / (spin**2 * (2.0 * spin - 1.0))
    return nucleus * (2.0 * math.pi * coupling_hz) ** 2 * (1.0 + asymmetry**2 / 3.0)
