"""Quadrupolar relaxation by one correlation time (Bloembergen, Purcell, Pound)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar

from structkit.errors import SchemaError

Floats = NDArray[np.float64]
Selection = Literal["none", "central"]

DEBYE = 2.0
"""Exponent of a single correlation time."""
WEIGHTS: dict[Selection, tuple[float, float]] = {
    "none": (0.2, 0.8),
    "central": (0.5, 0.5),
}
"""Weights of the rates at the Larmor frequency and at twice it, spin 3/2."""
_THREE_HALVES = 1.5
_TWO = 2.0
_SEARCH = (-5.0, 30.0)
_TIGHT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class RateMaximum:
    """Where relaxation is fastest."""

    correlation_time: float
    """Correlation time there, **s**."""
    rate: float
    """Initial rate there, **1/s**."""

    @property
    def t1(self) -> float:
        """Return the shortest T1, **s**."""
        return 1.0 / self.rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecoveryRates:
    """The two rates at which spins 3/2 recover."""

    rates: Floats
    """At the Larmor frequency, then at twice it, shape (2, ...), **1/s**."""
    weights: tuple[float, float]
    """Share of each in what is missing to equilibrium; they add to 1."""

    @property
    def initial_rate(self) -> Floats:
        """Return the weighted rate, with which recovery begins, **1/s**."""
        first, second = self.weights
        return np.asarray(first * self.rates[0] + second * self.rates[1])

    def curve(self, delay: ArrayLike) -> Floats:
        """Return what is missing to equilibrium, 1 at delay 0.

        Parameters
        ----------
        delay : array_like, shape (n_delays,)
            **s**.
        """
        times = np.asarray(delay, dtype=float)
        first, second = self.weights
        one, two = (np.exp(-np.multiply.outer(rate, times)) for rate in self.rates)
        return np.asarray(first * one + second * two)


def spectral_density(
    correlation_time: ArrayLike, omega: ArrayLike, *, exponent: float = DEBYE
) -> Floats:
    """Return the spectral density of fluctuations, **s**.

    Parameters
    ----------
    correlation_time : array_like
        **s**, positive.
    omega : array_like
        Angular frequency, **rad/s**; broadcast with the times.
    exponent : float, default 2
        1 + beta, in (1, 2]; below 2 the motions have many correlation times.

    Returns
    -------
    ndarray
        ``tau / (1 + (omega tau)^exponent)``.

    Raises
    ------
    SchemaError
        A correlation time that is not positive, an exponent out of range.
    """
    tau = np.asarray(correlation_time, dtype=float)
    if np.any(tau <= 0.0):
        raise SchemaError("correlation_time must be positive; are the units s?")
    if not 1.0 < exponent <= DEBYE:
        raise SchemaError(f"exponent is {exponent}; 1 + beta lies in (1, 2]")
    return np.asarray(tau / (1.0 + (np.asarray(omega) * tau) ** exponent))


def quadrupolar_rate(
    correlation_time: ArrayLike,
    *,
    larmor_hz: ArrayLike,
    coupling_hz: float,
    asymmetry: float = 0.0,
    spin: float = _THREE_HALVES,
    exponent: float = DEBYE,
) -> Floats:
    """Return the initial rate of longitudinal relaxation, 1/T1.

    Parameters
    ----------
    correlation_time : array_like
        Of the field gradient, **s**, positive.
    larmor_hz : array_like
        Larmor frequency, **Hz**; broadcast with the times.
    coupling_hz : float
        ``C_Q = e^2 q Q / h`` of what fluctuates, **Hz** (not rad/s).
    asymmetry : float, default 0
        Asymmetry of the gradient, 0 to 1.
    spin : float, default 1.5
        1 or a half-integer from 3/2.
    exponent : float, default 2
        1 + beta of :func:`spectral_density`.

    Returns
    -------
    ndarray
        **1/s**, the shape of ``correlation_time`` and ``larmor_hz`` together.

    Raises
    ------
    SchemaError
        A value out of range.

    Notes
    -----
    Isotropic fluctuations of the whole gradient with one correlation time::

        1/T1 = 3/200 (2I+3)/(I^2 (2I-1)) (2 pi C_Q)^2 (1 + eta^2/3)
               [tau/(1 + w^2 tau^2) + 4 tau/(1 + 4 w^2 tau^2)]

    For I = 3/2 off extreme narrowing the recovery has two rates
    (:func:`recovery_rates`); this is the rate of its beginning.

    References
    ----------
    A. Abragam, The Principles of Nuclear Magnetism (1961), chapter VIII;
    P. S. Hubbard, J. Chem. Phys. 53 (1970) 985, 10.1063/1.1674167.

    Examples
    --------
    >>> rate = quadrupolar_rate(2e-9, larmor_hz=132.294e6, coupling_hz=1e6)
    >>> print(f"{1e3 / rate:.2f} ms")
    1.06 ms
    """
    larmor = np.asarray(larmor_hz, dtype=float)
    omega = 2.0 * math.pi * larmor
    if not np.all(omega > 0.0):
        raise SchemaError(f"larmor_hz is {larmor}; it must be positive, in Hz")
    one = spectral_density(correlation_time, omega, exponent=exponent)
    two = spectral_density(correlation_time, 2.0 * omega, exponent=exponent)
    strength = _strength(coupling_hz, asymmetry=asymmetry, spin=spin)
    return np.asarray(strength * (one + 4.0 * two))


def recovery_rates(
    correlation_time: ArrayLike,
    *,
    larmor_hz: float,
    coupling_hz: float,
    asymmetry: float = 0.0,
    selection: Selection = "none",
) -> RecoveryRates:
    """Return the two rates at which spins 3/2 recover, with their weights.

    Parameters
    ----------
    correlation_time, larmor_hz, coupling_hz, asymmetry
        As in :func:`quadrupolar_rate`.
    selection : {"none", "central"}, default "none"
        Whether all transitions were inverted or saturated, or the central one only.

    Returns
    -------
    RecoveryRates
        Weights 1/5 and 4/5 without selection, 1/2 and 1/2 for the central transition.

    Raises
    ------
    SchemaError
        A value out of range.

    Notes
    -----
    In the slow limit "T1" as the initial rate is 0.4 (no selection) or 0.625 (central
    transition) of the fast rate: a T1 without its recovery law is open by a factor 1.6.

    References
    ----------
    Hubbard 1970, 10.1063/1.1674167; E. R. Andrew and D. P. Tunstall, Proc. Phys. Soc.
    78 (1961) 1, 10.1088/0370-1328/78/1/302.

    Examples
    --------
    >>> slow = recovery_rates(1e-6, larmor_hz=132.294e6, coupling_hz=1e6)
    >>> print(f"{slow.rates[0] / slow.rates[1]:.3f}")
    4.000
    """
    omega = _angular(larmor_hz)
    strength = 5.0 * _strength(coupling_hz, asymmetry=asymmetry, spin=_THREE_HALVES)
    rates = [spectral_density(correlation_time, n * omega) for n in (1.0, 2.0)]
    return RecoveryRates(
        rates=np.asarray(strength * np.asarray(rates)), weights=WEIGHTS[selection]
    )


def rate_maximum(
    *,
    larmor_hz: float,
    coupling_hz: float,
    asymmetry: float = 0.0,
    spin: float = _THREE_HALVES,
    exponent: float = DEBYE,
) -> RateMaximum:
    """Return the fastest relaxation that a coupling allows: the T1 minimum.

    Parameters
    ----------
    larmor_hz, coupling_hz, asymmetry, spin, exponent
        As in :func:`quadrupolar_rate`.

    Returns
    -------
    RateMaximum
        Correlation time and rate; ``omega tau`` is 0.6158 for exponent 2.

    Raises
    ------
    SchemaError
        A value out of range.

    Examples
    --------
    >>> print(f"{rate_maximum(larmor_hz=132.294e6, coupling_hz=1e6).t1 * 1e3:.3f} ms")
    0.739 ms
    """
    omega = _angular(larmor_hz)
    place, height = _peak(exponent)
    strength = _strength(coupling_hz, asymmetry=asymmetry, spin=spin)
    return RateMaximum(correlation_time=place / omega, rate=strength * height / omega)


def coupling_bound(
    t1: ArrayLike,
    *,
    larmor_hz: float,
    asymmetry: float = 0.0,
    spin: float = _THREE_HALVES,
    exponent: float = DEBYE,
) -> Floats:
    """Return the smallest coupling that allows a T1, whatever the motion.

    Parameters
    ----------
    t1 : array_like
        Of the initial rate, **s**, positive.
    larmor_hz, spin, exponent
        As in :func:`quadrupolar_rate`.
    asymmetry : float, default 0
        With 0 the result bounds ``C_Q sqrt(1 + eta^2/3)``, with a known asymmetry
        ``C_Q`` itself.

    Returns
    -------
    ndarray
        **Hz**.

    Raises
    ------
    SchemaError
        A value out of range.

    Examples
    --------
    >>> print(f"{coupling_bound(1.2e-3, larmor_hz=132.294e6) / 1e6:.3f} MHz")
    0.785 MHz
    """
    fastest = rate_maximum(
        larmor_hz=larmor_hz,
        coupling_hz=1.0,
        asymmetry=asymmetry,
        spin=spin,
        exponent=exponent,
    )
    return np.sqrt(fastest.t1 / _positive(t1, "t1"))


def required_coupling(
    t1: ArrayLike,
    *,
    correlation_time: ArrayLike,
    larmor_hz: float,
    asymmetry: float = 0.0,
    spin: float = _THREE_HALVES,
    exponent: float = DEBYE,
) -> Floats:
    """Return the coupling with which a correlation time gives a T1, **Hz**.

    Parameters
    ----------
    t1 : array_like
        Of the initial rate, **s**, positive.
    correlation_time : array_like
        **s**, positive.
    larmor_hz, asymmetry, spin, exponent
        As in :func:`quadrupolar_rate`.

    Raises
    ------
    SchemaError
        A value out of range.

    Examples
    --------
    >>> coupling = required_coupling(
    ...     1.2e-3, correlation_time=9.9e-9, larmor_hz=132.294e6
    ... )
    >>> print(f"{coupling / 1e6:.2f} MHz")
    1.91 MHz
    """
    unit = quadrupolar_rate(
        correlation_time,
        larmor_hz=larmor_hz,
        coupling_hz=1.0,
        asymmetry=asymmetry,
        spin=spin,
        exponent=exponent,
    )
    return np.asarray(1.0 / np.sqrt(unit * _positive(t1, "t1")))


def correlation_times(
    t1: ArrayLike,
    *,
    larmor_hz: float,
    coupling_hz: float,
    asymmetry: float = 0.0,
    spin: float = _THREE_HALVES,
    exponent: float = DEBYE,
) -> tuple[Floats, Floats]:
    """Return the two correlation times that give a T1: fast and slow motion.

    Parameters
    ----------
    t1 : array_like
        Of the initial rate, **s**, positive.
    larmor_hz, coupling_hz, asymmetry, spin, exponent
        As in :func:`quadrupolar_rate`.

    Returns
    -------
    fast, slow : ndarray
        **s**, the shape of ``t1``; NaN where the T1 is shorter than the coupling
        allows (:func:`coupling_bound`).

    Raises
    ------
    SchemaError
        A value out of range.

    Examples
    --------
    >>> fast, slow = correlation_times(1.2e-3, larmor_hz=132.294e6, coupling_hz=1e6)
    >>> print(f"{fast * 1e9:.2f} ns, {slow * 1e9:.2f} ns")
    0.24 ns, 2.38 ns
    """
    values = _positive(t1, "t1")
    omega = _angular(larmor_hz)
    strength = _strength(coupling_hz, asymmetry=asymmetry, spin=spin)
    place, height = _peak(exponent)
    reduced = omega / (values * strength)
    fast, slow = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    slow_limit = 1.0 + 4.0 / 2.0**exponent
    for where, target in np.ndenumerate(reduced):
        if target > height * (1.0 + _TIGHT):
            continue
        least = min(target / 5.0, place)
        most = max((slow_limit / target) ** (1.0 / (exponent - 1.0)), place)
        fast[where] = _solve(target, least, place, exponent) / omega
        slow[where] = _solve(target, place, most, exponent) / omega
    return fast, slow


def _solve(target: float, low: float, high: float, exponent: float) -> float:
    """Return ``omega tau`` between two places where the reduced rate is a target."""

    def miss(logarithm: float) -> float:
        return _reduced(math.exp(logarithm), exponent) - target

    ends = math.log(low), math.log(high)
    if miss(ends[0]) * miss(ends[1]) >= 0.0:
        return math.exp(min(ends, key=lambda end: abs(miss(end))))
    return math.exp(brentq(miss, *ends, xtol=_TIGHT))


def _reduced(omega_tau: float, exponent: float) -> float:
    """Return the bracket of the rate times omega."""
    one = omega_tau / (1.0 + omega_tau**exponent)
    return float(one + 4.0 * omega_tau / (1.0 + (2.0 * omega_tau) ** exponent))


@lru_cache(maxsize=256)
def _peak(exponent: float) -> tuple[float, float]:
    """Return ``omega tau`` of the fastest relaxation, and the reduced rate there."""
    if not 1.0 < exponent <= DEBYE:
        raise SchemaError(f"exponent is {exponent}; 1 + beta lies in (1, 2]")
    found = minimize_scalar(
        lambda logarithm: -_reduced(math.exp(logarithm), exponent),
        bounds=_SEARCH,
        method="bounded",
        options={"xatol": 1e-10},
    )
    place = math.exp(float(found.x))
    return place, _reduced(place, exponent)


def _strength(coupling_hz: float, *, asymmetry: float, spin: float) -> float:
    """Return what stands before the bracket of the rate, **1/s^2**."""
    if not coupling_hz > 0.0:
        raise SchemaError(f"coupling_hz is {coupling_hz}; it must be positive, in Hz")
    if not 0.0 <= asymmetry <= 1.0:
        raise SchemaError(f"asymmetry is {asymmetry}; it lies between 0 and 1")
    doubled = round(_TWO * spin)
    if doubled < _TWO or abs(doubled - _TWO * spin) > _TIGHT:
        raise SchemaError(f"spin is {spin}; a quadrupolar one is 1, 3/2, 2, ...")
    spins = (2.0 * spin + 3.0) / (spin**2 * (2.0 * spin - 1.0))
    gradient = 1.0 + asymmetry**2 / 3.0
    return 3.0 / 200.0 * spins * (2.0 * math.pi * coupling_hz) ** 2 * gradient


def _angular(larmor_hz: float) -> float:
    """Return the angular Larmor frequency, **rad/s**."""
    if not larmor_hz > 0.0:
        raise SchemaError(f"larmor_hz is {larmor_hz}; it must be positive, in Hz")
    return 2.0 * math.pi * larmor_hz


def _positive(values: ArrayLike, name: str) -> Floats:
    """Return values that must be positive as an array."""
    array = np.asarray(values, dtype=float)
    if not np.all(array > 0.0):
        raise SchemaError(f"{name} must be positive; are the units s?")
    return array
