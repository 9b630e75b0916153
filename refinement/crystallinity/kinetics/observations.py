"""Data of a kinetic fit, non-detects among them, and their likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from structkit.errors import SchemaError

Floats = NDArray[np.float64]

_LOG_TWO_PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """C(t) with 1 sigma; arrays of shape (n_points,) that must not be changed."""

    time: Floats
    """Milling time, **h** (or dose), not negative."""
    value: Floats
    """Fraction C, **1**; ignored where ``censored``."""
    std: Floats
    """1 sigma of ``value``, **1**, positive; all NaN: unknown, one sigma is fitted."""
    limit: Floats
    """Where ``censored``: C was below this threshold, **1**; else ignored."""
    censored: NDArray[np.bool_]
    """True for a non-detect."""
    channel: NDArray[np.int_] = field(default_factory=lambda: np.zeros(0, dtype=int))
    """Which curve of a joint model a point belongs to; empty: all to the first."""

    def __post_init__(self) -> None:
        """Check the shapes and values once."""
        if not self.channel.size:
            object.__setattr__(self, "channel", np.zeros(self.time.size, dtype=int))
        for name in ("value", "std", "limit", "censored", "channel"):
            if getattr(self, name).shape != self.time.shape or self.time.ndim != 1:
                raise SchemaError(f"{name} must have the shape (n_points,) of time")
        if not (np.all(np.isfinite(self.time)) and np.all(self.time >= 0.0)):
            raise SchemaError("time must be finite and not negative")
        if not np.all(np.isfinite(np.where(self.censored, self.limit, self.value))):
            raise SchemaError("value (limit, where censored) must be finite")
        unknown = np.isnan(self.std)
        if not np.all(unknown) and not np.all(self.std > 0.0):
            raise SchemaError("std must be positive at every point, or NaN at all")

    @property
    def has_std(self) -> bool:
        """Return whether the uncertainties are known."""
        return not bool(np.all(np.isnan(self.std)))

    def select(self, kept: NDArray[np.bool_]) -> Observations:
        """Return the points where ``kept`` is True."""
        return Observations(
            time=self.time[kept],
            value=self.value[kept],
            std=self.std[kept],
            limit=self.limit[kept],
            censored=self.censored[kept],
            channel=self.channel[kept],
        )


def deviance(
    observations: Observations, expected: Floats, *, common_std: float = math.nan
) -> float:
    """Return minus twice the log-likelihood of a curve.

    Parameters
    ----------
    observations : Observations
        The data.
    expected : ndarray, shape (n_points,)
        C of the model at each point.
    common_std : float, optional
        1 sigma of every point where the data bring none.

    Returns
    -------
    float
        ``sum_detected [((y - C)/sigma)^2 + ln(2 pi sigma^2)] - 2 sum_censored ln
        Phi((L - C)/sigma)``; Phi is the normal distribution function.

    Notes
    -----
    A non-detect is the statement "the measured value lay below L", which has the
    probability Phi((L - C)/sigma): neither a zero nor nothing.

    References
    ----------
    Tobin (1958), Econometrica 26, 24, doi:10.2307/1907382.
    """
    std = observations.std if observations.has_std else common_std
    std = np.broadcast_to(std, observations.time.shape)
    hidden, seen = observations.censored, ~observations.censored
    pull = (observations.value[seen] - expected[seen]) / std[seen]
    room = (observations.limit[hidden] - expected[hidden]) / std[hidden]
    detected = np.sum(pull**2 + 2.0 * np.log(std[seen]) + _LOG_TWO_PI)
    return float(detected - 2.0 * np.sum(log_ndtr(room)))


def chi_square(observations: Observations, expected: Floats) -> float:
    """Return the sum of squared pulls of the detected points; NaN without any."""
    seen = ~observations.censored
    if not observations.has_std or not np.any(seen):
        return math.nan
    pull = (observations.value[seen] - expected[seen]) / observations.std[seen]
    return float(pull @ pull)
