"""What T1 over temperature tells without a full model: slopes, minimum, mechanism."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm
from scipy.stats import t as student

from structkit.errors import SchemaError
from structkit.nmr.bpp import DEBYE, rate_maximum
from structkit.nmr.relaxation_problem import BOLTZMANN_EV
from structkit.schema import FitStatus

Floats = NDArray[np.float64]
Mechanism = Literal["two-phonon", "activated", "undecided", "neither"]
Course = Literal["falls", "rises", "turns", "undecided"]

_DECISIVE = 6.0
_MISFIT = 1e-3
_SIGMAS = 2.0
_CERTAIN = 0.025
_MIN_POINTS = 2
_RAMAN_POWER = -2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeFit:
    """Activation energy of one side of the T1 minimum."""

    activation_energy: float
    """**eV**; NaN where there are too few points."""
    activation_energy_std: float
    """1 sigma, **eV**."""
    status: FitStatus
    """How it ended."""
    reason: str = ""
    """Why not well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismComparison:
    """Two-phonon against activated relaxation."""

    verdict: Mechanism
    """What the points say."""
    delta_bic: float
    """BIC of the activated law less that of T^-2; positive speaks for T^-2."""
    apparent_energy: float
    """d ln T1 / d(1/kT), **eV**: of the activated law."""
    apparent_energy_std: float
    """1 sigma, **eV**."""
    power: float
    """d ln T1 / d ln T: -2 for two phonons well above the Debye temperature's half."""
    power_std: float
    """1 sigma."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumReview:
    """Measured course of T1 against a predicted minimum."""

    course: Course
    """What T1 does over the measured temperatures."""
    predicted_temperature: float
    """Where the minimum should lie, **K**."""
    inside: bool
    """Whether that is between the measured temperatures."""
    tension: bool
    """Whether T1 goes on falling above the predicted minimum."""
    remark: str
    """The verdict in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A weighted straight line."""

    slope: float
    std: float
    chi_square: float
    freedom: int
    known: bool

    def probability(self) -> float:
        """Return how probable a slope is below what was found, were it zero."""
        if not 0.0 < self.std < math.inf:
            return 0.5 if self.slope == 0.0 else float(self.slope > 0.0)
        ratio = self.slope / self.std
        if self.known:
            return float(norm.cdf(ratio))
        return float(student.cdf(ratio, self.freedom))


def fit_slope(
    temperature: ArrayLike,
    t1: ArrayLike,
    *,
    side: Literal["slow", "fast"],
    t1_std: ArrayLike | None = None,
    exponent: float = DEBYE,
) -> SlopeFit:
    """Return the activation energy from the slope of ln T1 far from the minimum.

    Parameters
    ----------
    temperature : array_like, shape (n_points,)
        **K**, of one side only.
    t1 : array_like, shape (n_points,)
        **s**.
    side : {"slow", "fast"}
        Below the minimum's temperature T1 falls on heating (slow motion), above it
        rises.
    t1_std : array_like, optional
        1 sigma, **s**; from the scatter where absent.
    exponent : float, default 2
        1 + beta: on the slow side the slope is beta times the energy.

    Returns
    -------
    SlopeFit
        A slope of the wrong sign is ``DOUBTFUL``.

    Raises
    ------
    SchemaError
        Shapes that differ, values that are not positive.

    Notes
    -----
    Near the minimum the slope is less than the energy; fit the whole law
    (:func:`structkit.nmr.relaxation.fit_relaxation`) there.
    """
    kelvin, log_t1, sigma = _check(temperature, t1, t1_std)
    if np.unique(kelvin).size < _MIN_POINTS + (sigma is None):
        return SlopeFit(
            activation_energy=math.nan,
            activation_energy_std=math.nan,
            status=FitStatus.FAILED,
            reason=f"{kelvin.size} temperatures are too few for a slope",
        )
    line = _fit_line(1.0 / (BOLTZMANN_EV * kelvin), log_t1, sigma)
    factor = exponent - 1.0 if side == "slow" else -1.0
    energy = line.slope / factor
    reason = ""
    if energy <= 0.0:
        way = "falls" if line.slope > 0.0 else "rises"
        reason = f"T1 {way} on heating: this is not the {side} side"
    elif sigma is not None and _misses(line):
        reason = "ln T1 is not straight in 1/T: the minimum is near"
    return SlopeFit(
        activation_energy=energy,
        activation_energy_std=line.std / abs(factor),
        status=FitStatus.DOUBTFUL if reason else FitStatus.CONVERGED,
        reason=reason,
    )


def compare_mechanisms(
    temperature: ArrayLike, t1: ArrayLike, *, t1_std: ArrayLike | None = None
) -> MechanismComparison:
    """Tell two-phonon relaxation (T1 as T^-2) from an activated one by BIC.

    Parameters
    ----------
    temperature : array_like, shape (n_points,)
        **K**.
    t1 : array_like, shape (n_points,)
        **s**.
    t1_std : array_like, optional
        1 sigma, **s**; from the scatter where absent.

    Returns
    -------
    MechanismComparison
        ``undecided`` where the BICs differ by less than 6, ``neither`` where both
        miss the data (known noise only) or T1 does not change.

    Raises
    ------
    SchemaError
        Shapes that differ, values that are not positive, fewer than four temperatures.

    Notes
    -----
    ln T1 = a - 2 ln T has one parameter, ln T1 = a + E/kT two. That T1 falls on
    heating is no proof of slow motion: both laws fall.

    References
    ----------
    J. Van Kranendonk, Physica 20 (1954) 781, 10.1016/S0031-8914(54)80191-1.
    """
    kelvin, log_t1, sigma = _check(temperature, t1, t1_std)
    if np.unique(kelvin).size <= _MIN_POINTS + 1:
        raise SchemaError(f"{kelvin.size} temperatures; four or more tell laws apart")
    weight = np.ones_like(log_t1) if sigma is None else sigma**-2
    left = log_t1 - _RAMAN_POWER * np.log(kelvin)
    raman = float(weight @ (left - weight @ left / weight.sum()) ** 2)
    activated = _fit_line(1.0 / (BOLTZMANN_EV * kelvin), log_t1, sigma)
    power = _fit_line(np.log(kelvin), log_t1, sigma)
    n_points = kelvin.size
    gap = activated.chi_square - raman
    if sigma is None:
        least = np.finfo(float).tiny
        gap = n_points * math.log(max(activated.chi_square, least) / max(raman, least))
    delta = gap + math.log(n_points)
    verdict: Mechanism = "undecided"
    if abs(delta) >= _DECISIVE:
        verdict = "two-phonon" if delta > 0.0 else "activated"
    if verdict == "activated" and abs(activated.slope) <= _SIGMAS * activated.std:
        verdict = "neither"
    raman_misses = sigma is not None and chi2.sf(raman, n_points - 1) < _MISFIT
    if raman_misses and _misses(activated):
        verdict = "neither"
    return MechanismComparison(
        verdict=verdict,
        delta_bic=delta,
        apparent_energy=activated.slope,
        apparent_energy_std=activated.std,
        power=power.slope,
        power_std=power.std,
    )


def predict_minimum(
    *,
    correlation_time: float,
    temperature: float,
    activation_energy: float,
    larmor_hz: float,
    exponent: float = DEBYE,
) -> float:
    """Return the temperature where T1 should be least, **K**.

    Parameters
    ----------
    correlation_time : float
        **s**, at ``temperature``.
    temperature : float
        **K**.
    activation_energy : float
        **eV**.
    larmor_hz : float
        **Hz**.
    exponent : float, default 2
        1 + beta.

    Raises
    ------
    SchemaError
        A value that is not positive.

    Examples
    --------
    >>> kelvin = predict_minimum(
    ...     correlation_time=2e-9, temperature=298.15, activation_energy=0.32,
    ...     larmor_hz=79.39e6,
    ... )
    >>> print(f"{kelvin:.0f} K")
    310 K
    """
    for value in (correlation_time, temperature, activation_energy):
        if not value > 0.0:
            raise SchemaError("correlation time, temperature and energy are positive")
    least = rate_maximum(larmor_hz=larmor_hz, coupling_hz=1.0, exponent=exponent)
    shift = math.log(correlation_time / least.correlation_time)
    inverse = 1.0 / temperature - BOLTZMANN_EV * shift / activation_energy
    return 1.0 / inverse if inverse > 0.0 else math.inf


def bound_correlation_time(
    minimum_above: float,
    *,
    temperature: float,
    activation_energy: float,
    larmor_hz: float,
    exponent: float = DEBYE,
) -> float:
    """Return the least correlation time if T1 has its minimum above a temperature.

    Parameters
    ----------
    minimum_above : float
        Temperature up to which T1 falls, **K**.
    temperature : float
        Where the correlation time is asked for, **K**.
    activation_energy : float
        **eV**.
    larmor_hz : float
        **Hz**.
    exponent : float, default 2
        1 + beta.

    Returns
    -------
    float
        **s**.

    Raises
    ------
    SchemaError
        A value that is not positive.

    Examples
    --------
    >>> tau = bound_correlation_time(
    ...     358.15, temperature=298.15, activation_energy=0.32, larmor_hz=79.39e6
    ... )
    >>> print(f"{tau * 1e9:.1f} ns")
    9.9 ns
    """
    if not min(minimum_above, temperature, activation_energy) > 0.0:
        raise SchemaError("temperatures and activation energy are positive")
    least = rate_maximum(larmor_hz=larmor_hz, coupling_hz=1.0, exponent=exponent)
    inverse = (1.0 / temperature - 1.0 / minimum_above) / BOLTZMANN_EV
    return least.correlation_time * math.exp(activation_energy * inverse)


def review_minimum(
    temperature: ArrayLike,
    t1: ArrayLike,
    *,
    predicted_temperature: float,
    t1_std: ArrayLike | None = None,
) -> MinimumReview:
    """Hold the course of T1 against a predicted minimum.

    Parameters
    ----------
    temperature : array_like, shape (n_points,)
        **K**.
    t1 : array_like, shape (n_points,)
        **s**.
    predicted_temperature : float
        From :func:`predict_minimum`, **K**.
    t1_std : array_like, optional
        1 sigma, **s**; from the scatter where absent.

    Returns
    -------
    MinimumReview
        ``tension`` where the minimum should lie inside and ln T1 falls on heating
        beyond it (one-sided, 2.5 %).

    Raises
    ------
    SchemaError
        Shapes that differ, values that are not positive, fewer than four points.
    """
    kelvin, log_t1, sigma = _check(temperature, t1, t1_std)
    if np.unique(kelvin).size <= _MIN_POINTS + 1:
        raise SchemaError(f"{kelvin.size} temperatures; four or more show a course")
    inside = bool(kelvin.min() < predicted_temperature < kelvin.max())
    above = kelvin > predicted_temperature
    needed = _MIN_POINTS + (sigma is None)
    tension, remark = False, "the predicted minimum lies outside the temperatures"
    if inside and np.unique(kelvin[above]).size < needed:
        remark = "too few temperatures above the predicted minimum"
    elif inside:
        own = None if sigma is None else sigma[above]
        line = _fit_line(kelvin[above], log_t1[above], own)
        tension = line.probability() < _CERTAIN
        remark = "T1 does not go on falling above the predicted minimum"
        if tension:
            remark = (
                f"T1 goes on falling above {predicted_temperature:.0f} K, where its "
                "minimum was predicted"
            )
    return MinimumReview(
        course=_course(kelvin, log_t1, sigma),
        predicted_temperature=predicted_temperature,
        inside=inside,
        tension=tension,
        remark=remark,
    )


def review_set_points(
    quoted: ArrayLike, *, start: float, stop: float, step: float
) -> tuple[float, ...]:
    """Return quoted temperatures that a declared schedule does not hold.

    Parameters
    ----------
    quoted : array_like
        Temperatures of results, any one unit.
    start, stop, step : float
        Declared schedule, same unit, both ends included.

    Raises
    ------
    SchemaError
        A step that does not lead from start to stop.

    Examples
    --------
    >>> review_set_points([-25.0, 25.0], start=-15.0, stop=55.0, step=10.0)
    (-25.0,)
    """
    if step == 0.0 or (stop - start) / step < 0.0:
        raise SchemaError(f"no step of {step:g} leads from {start:g} to {stop:g}")
    points = start + step * np.arange(math.floor((stop - start) / step + 1e-9) + 1)
    values = np.atleast_1d(np.asarray(quoted, dtype=float))
    apart = np.abs(values[:, None] - points).min(axis=1)
    return tuple(float(one) for one in values[apart > 1e-6 * abs(step)])


def _course(kelvin: Floats, log_t1: Floats, sigma: Floats | None) -> Course:
    """Return what T1 does on heating."""
    order = np.argsort(kelvin)
    half = max(kelvin.size // 2, _MIN_POINTS)
    signs = []
    for part in (order[:half], order[-half:]):
        own = None if sigma is None else sigma[part]
        if sigma is None and np.unique(kelvin[part]).size <= _MIN_POINTS:
            return "undecided"
        probability = _fit_line(kelvin[part], log_t1[part], own).probability()
        signs.append((probability > 1.0 - _CERTAIN) - (probability < _CERTAIN))
    if signs[0] * signs[1] < 0:
        return "turns"
    if min(signs) == max(signs) and signs[0] != 0:
        return "falls" if signs[0] < 0 else "rises"
    return "undecided"


def _check(
    temperature: ArrayLike, t1: ArrayLike, t1_std: ArrayLike | None
) -> tuple[Floats, Floats, Floats | None]:
    """Return temperatures, ln T1 and its sigma."""
    kelvin = np.asarray(temperature, dtype=float)
    times = np.asarray(t1, dtype=float)
    if kelvin.ndim != 1 or kelvin.shape != times.shape:
        raise SchemaError("give one T1 for each temperature")
    given = [("temperature", kelvin), ("t1", times)]
    relative = None
    if t1_std is not None:
        relative = np.broadcast_to(np.asarray(t1_std, dtype=float), times.shape) / times
        given.append(("t1_std", relative))
    for name, values in given:
        if not np.all(np.isfinite(values) & (values > 0.0)):
            raise SchemaError(f"{name} must be finite and positive, in K or s")
    return kelvin, np.log(times), relative


def _fit_line(across: Floats, values: Floats, sigma: Floats | None) -> _Line:
    """Return a weighted straight line; its std from the scatter without sigma."""
    weight = np.ones_like(values) if sigma is None else sigma**-2
    from_mean = across - weight @ across / weight.sum()
    along = float(weight @ from_mean**2)
    if along <= 0.0:
        along = math.inf
    slope = float(weight @ (from_mean * values)) / along
    rest = values - weight @ values / weight.sum() - slope * from_mean
    cost, freedom = float(weight @ rest**2), values.size - 2
    variance = 1.0 / along if math.isfinite(along) else math.inf
    if sigma is None and math.isfinite(variance):
        variance *= cost / max(freedom, 1)
    return _Line(
        slope=slope,
        std=math.sqrt(variance),
        chi_square=cost,
        freedom=freedom,
        known=sigma is not None,
    )


def _misses(line: _Line) -> bool:
    """Return whether a line misses data of known noise."""
    return line.freedom > 0 and float(chi2.sf(line.chi_square, line.freedom)) < _MISFIT
