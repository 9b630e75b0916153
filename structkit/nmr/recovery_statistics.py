"""Statistics of recoveries with few delays: criterion, interval, significance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import chi2
from scipy.stats import f as fisher
from scipy.stats import t as student

from structkit.errors import SchemaError
from structkit.nmr.recovery_laws import RecoveryLaw
from structkit.nmr.separable import SeparableFit, find_interval

Floats = NDArray[np.float64]

_REACH = 30.0
"""How far beyond the delays a T1 is looked for, as a factor."""
_N_PROFILE = 21
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecoveryPoints:
    """Checked data of one recovery."""

    delay: Floats
    """**s**."""
    values: Floats
    """Magnetisation with its sign."""
    sigma: Floats
    """1 sigma, 1 where unknown."""
    noise_known: bool
    """Whether ``sigma`` is."""

    @property
    def search(self) -> tuple[float, float]:
        """Return ln T1 between which to look."""
        positive = self.delay[self.delay > 0.0]
        return (
            math.log(float(positive.min()) / _REACH),
            math.log(float(positive.max()) * _REACH),
        )


def check_points(
    delay: ArrayLike, magnetisation: ArrayLike, std: ArrayLike | None
) -> RecoveryPoints:
    """Return checked arrays."""
    times = np.asarray(delay, dtype=float)
    values = np.asarray(magnetisation, dtype=float)
    if times.ndim != 1 or times.shape != values.shape or times.size == 0:
        raise SchemaError(
            f"delay has shape {times.shape}, magnetisation {values.shape}; give one "
            "value for each delay"
        )
    if not (np.all(np.isfinite(times)) and np.all(np.isfinite(values))):
        raise SchemaError("delay or magnetisation is not finite; remove those points")
    if np.any(times < 0.0):
        raise SchemaError("delay must not be negative; are the units s?")
    sigma = np.ones(values.shape)
    if std is not None:
        sigma = np.broadcast_to(np.asarray(std, dtype=float), values.shape)
        if not np.all(np.isfinite(sigma) & (sigma > 0.0)):
            raise SchemaError("std must be positive; leave it out when it is unknown")
    return RecoveryPoints(
        delay=times, values=values, sigma=sigma, noise_known=std is not None
    )


def find_flat_probability(points: RecoveryPoints, found: SeparableFit) -> float:
    """Return how probable so much recovery is where there is none."""
    weight = points.sigma**-2
    mean = float(weight @ points.values / weight.sum())
    flat = float(weight @ (points.values - mean) ** 2)
    gained, more = flat - found.chi_square, found.n_parameters - 1
    if points.noise_known:
        return float(chi2.sf(gained, more))
    if found.chi_square <= 0.0:
        return 0.0
    ratio = gained / more / (found.chi_square / found.freedom)
    return float(fisher.sf(ratio, more, found.freedom))


def find_aicc(points: RecoveryPoints, found: SeparableFit) -> float:
    """Return Akaike's criterion; infinite where there are too few points for it."""
    n_points = points.values.size
    n_free = found.n_parameters + (not points.noise_known)
    if n_points - n_free - 1 <= 0:
        return math.inf
    penalty = 2.0 * n_free * n_points / (n_points - n_free - 1)
    if points.noise_known:
        return found.chi_square + penalty
    least = np.finfo(float).tiny
    return n_points * math.log(max(found.chi_square / n_points, least)) + penalty


def find_t1_interval(
    law: RecoveryLaw, points: RecoveryPoints, found: SeparableFit, *, scatter: float
) -> tuple[float, float]:
    """Return the 95 % interval of T1, **s**, from the profile of chi-square."""
    tail = 0.5 + 0.5 * _CONFIDENCE
    rise = float(chi2.ppf(_CONFIDENCE, 1))
    if not points.noise_known:
        rise = float(student.ppf(tail, max(found.freedom, 1))) ** 2 * scatter
    if rise <= 0.0:
        t1 = math.exp(found.nonlinear[0])
        return t1, t1
    error = math.sqrt(found.covariance[0, 0] * scatter)
    low, high = points.search
    ends = find_interval(
        _profile(law, points),
        float(found.nonlinear[0]),
        target=found.chi_square + rise,
        step=min(error, 1.0) if error > 0.0 else 1.0,
        limits=(low, high),
    )
    return math.exp(ends[0]), math.exp(ends[1]) if ends[1] < math.inf else math.inf


def _profile(law: RecoveryLaw, points: RecoveryPoints) -> Callable[[float], float]:
    """Return ln T1 -> least chi-square over all else."""
    weight = points.sigma**-2

    def cost(logarithm: float, shape: float | Floats) -> Floats:
        missing = law.missing(points.delay, math.exp(logarithm), shape)
        return line_chi_square(missing, points.values, weight)

    def least(logarithm: float) -> float:
        if law.shape_limits is None:
            return float(cost(logarithm, math.nan))
        grid = np.linspace(*law.shape_limits, _N_PROFILE)
        costs = cost(logarithm, grid)
        best = int(np.argmin(costs))
        found = minimize_scalar(
            lambda shape: float(cost(logarithm, shape)),
            bounds=(grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]),
            method="bounded",
        )
        return min(float(found.fun), float(costs[best]))

    return least


def line_chi_square(curves: Floats, values: Floats, weight: Floats) -> Floats:
    """Return chi-square of the best line through curves.

    Parameters
    ----------
    curves : ndarray, shape (..., n_points)
        What the values are linear in.
    values, weight : ndarray, shape (n_points,)
        Data and inverse variances.

    Returns
    -------
    ndarray, shape (...)
    """
    total = weight.sum()
    level = curves - (curves @ weight / total)[..., None]
    rest = values - values @ weight / total
    across = (level * rest) @ weight
    along = level**2 @ weight
    slope = np.divide(across, along, out=np.zeros_like(across), where=along > 0.0)
    return np.asarray((rest - slope[..., None] * level) ** 2 @ weight)
