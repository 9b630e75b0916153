"""x of equation (1) less its blank, with every source of error; x may include 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from structkit.nmr.response import Blank, CompositionSettings
from structkit.nmr.stoichiometry import CEILING_X

Floats = NDArray[np.float64]

LIMIT = 0.95
"""Coverage of the interval of x."""
DETECTION = 1.645
"""Sigmas of the detection limit: 5 % false alarms."""
_LEAST_SIGMAS = 4.0
"""Of the area below: a ratio over less has no normal error."""
_NODES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class OxideContent:
    """x in NaTaO_xCl_(6-2x) with all that spreads it."""

    value: float
    """Mean over the response factor."""
    std: float
    """1 sigma, response factor in."""
    low: float
    """Lower 95 % limit; it may be below zero."""
    high: float
    """Upper 95 % limit."""
    upper_limit: float
    """What x is below with 95 % when it is not above zero."""
    measured_std: float
    """1 sigma of the areas alone."""
    detection_limit: float
    """x that is told from the blank with 95 %."""
    remark: str
    """What to know of it."""

    @property
    def includes_zero(self) -> bool:
        """Return whether the interval holds zero."""
        return self.low <= 0.0 <= self.high


def find_oxide_content(
    areas: Sequence[float] | Floats,
    covariance: Floats,
    settings: CompositionSettings | None = None,
) -> OxideContent:
    """Return x by equation (1) less the blank, with every source of error.

    Parameters
    ----------
    areas : sequence of float, shape (2,)
        Of NaCl and NTOC, corrected for saturation, any unit.
    covariance : ndarray, shape (2, 2)
        Of both.
    settings : CompositionSettings, optional
        Blank and response factor.

    Returns
    -------
    OxideContent
        NaN with the reason for a sample without oxide, and where the area of NTOC is
        not four sigmas above zero.

    Notes
    -----
    ``x = F/2 (A_NaCl / A_NTOC - b)``. The factor ``F`` stands on the blank too, as the
    control is measured as the sample is, so x = 0 stays 0 whatever it is. The limits
    are those of the probability of x: for a given ``F`` that of a ratio of normal
    numbers (Fieller 1954), averaged over ``F``.
    """
    settings = settings or CompositionSettings()
    chloride, product = (float(area) for area in areas)
    if settings.without_oxide:
        return _not_told(settings.without_oxide)
    if not product > _LEAST_SIGMAS * math.sqrt(covariance[1, 1]):
        return _not_told(f"area of {settings.product} is not resolved: no ratio")
    blank = settings.blank or Blank(ratio=0.0, std=0.0)
    ratio = chloride / product
    slope = np.array([1.0, -ratio]) / product
    variance = float(slope @ covariance @ slope)
    factors, weights = _response(settings)
    mean, squared = float(weights @ factors), float(weights @ factors**2)
    net = ratio - blank.ratio
    net_variance = variance + blank.std**2
    value = 0.5 * mean * net
    total = 0.25 * (squared * (net**2 + net_variance)) - value**2
    quantile = _Quantile((chloride, product), covariance, blank, (factors, weights))
    tail = 0.5 * (1.0 - LIMIT)
    low, high = quantile.find(tail), quantile.find(1.0 - tail)
    upper = quantile.find(LIMIT)
    return OxideContent(
        value=value,
        std=math.sqrt(total),
        low=low,
        high=high,
        upper_limit=upper,
        measured_std=0.5 * mean * math.sqrt(variance),
        detection_limit=DETECTION * 0.5 * mean * math.sqrt(net_variance),
        remark=_remark(low, upper, settings),
    )


def _not_told(reason: str) -> OxideContent:
    """Return no x, with the reason."""
    return OxideContent(
        value=math.nan,
        std=math.nan,
        low=math.nan,
        high=math.nan,
        upper_limit=math.nan,
        measured_std=math.nan,
        detection_limit=math.nan,
        remark=reason,
    )


def _remark(low: float, upper: float, settings: CompositionSettings) -> str:
    """Return what to know of x."""
    told = []
    if low <= 0.0:
        told.append(f"not above zero: x < {upper:.3f} (95 %)")
    if low > CEILING_X:
        told.append("above 1, which the weighed oxide cannot reach")
    if settings.blank is None:
        told.append("no blank: leftover NaCl is counted as by-product")
    if settings.response is None:
        told.append(
            f"response factor unknown, {settings.response_low:g} to "
            f"{settings.response_high:g}"
        )
    return "; ".join(told)


def _response(settings: CompositionSettings) -> tuple[Floats, Floats]:
    """Return values of the response factor and their probabilities."""
    if settings.response is not None:
        if settings.response_std <= 0.0:
            return np.array([settings.response]), np.ones(1)
        node, weight = np.polynomial.hermite_e.hermegauss(_NODES)
        spread = settings.response_std / settings.response
        return settings.response * np.exp(spread * node), weight / weight.sum()
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    low, high = math.log(settings.response_low), math.log(settings.response_high)
    factors = np.exp(0.5 * (low + high) + 0.5 * (high - low) * node)
    return factors, 0.5 * weight


@dataclass(frozen=True, slots=True)
class _Quantile:
    """Limits of x by the probability that it is below a value."""

    areas: tuple[float, float]
    covariance: Floats
    blank: Blank
    response: tuple[Floats, Floats]

    def probability(self, x: float) -> float:
        """Return the probability that x is below a value."""
        chloride, product = self.areas
        factors, weights = self.response
        c = 2.0 * x / factors + self.blank.ratio
        variance = (
            self.covariance[0, 0]
            - 2.0 * c * self.covariance[0, 1]
            + c * c * self.covariance[1, 1]
            + (product * self.blank.std) ** 2
        )
        score = (c * product - chloride) / np.sqrt(np.maximum(variance, 1e-300))
        return float(weights @ ndtr(score))

    def find(self, probability: float) -> float:
        """Return the value that x is below with a probability."""
        reach = 1.0
        while reach < 1e6:
            if (
                self.probability(-reach) < probability
                and self.probability(reach) > probability
            ):
                found = brentq(
                    lambda x: self.probability(x) - probability, -reach, reach
                )
                return float(found)
            reach *= 4.0
        return math.nan
