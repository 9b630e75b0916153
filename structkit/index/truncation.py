"""A multivariate normal kept within a box: marginals by expectation propagation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import truncnorm

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_REACH = 9.0
_SWEEPS = 200
_CONVERGED = 1e-10
_LARGEST = 1e12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoxedNormal:
    """Marginals of a normal in a box: each a normal cut at both ends."""

    mean: Floats
    """Of each normal before the cut, shape (n,)."""
    std: Floats
    """Its 1 sigma, shape (n,)."""
    low: Floats
    """Lower end, shape (n,)."""
    high: Floats
    """Upper end, shape (n,)."""

    def quantile(self, probability: float) -> Floats:
        """Return a quantile of each marginal, shape (n,)."""
        below = (self.low - self.mean) / self.std
        above = (self.high - self.mean) / self.std
        found = truncnorm.ppf(probability, below, above, loc=self.mean, scale=self.std)
        return np.asarray(np.clip(found, self.low, self.high), dtype=float)


def cut_normal(mean: Floats, std: Floats, *, low: Floats, high: Floats) -> Floats:
    """Return mean and variance of normals cut at both ends, shape (2, n).

    By 64-point quadrature where the density is not negligible, also for a mean many
    sigma outside the box.
    """
    nearest = np.clip(mean, low, high)
    outside = np.abs(mean - nearest)
    fall = np.minimum(_REACH * std, 40.0 * std**2 / np.maximum(outside, 1e-12))
    start = np.where(mean > high, np.maximum(low, high - fall), low)
    end = np.where(mean < low, np.minimum(high, low + fall), high)
    inside = outside == 0.0
    start = np.where(inside, np.maximum(low, mean - _REACH * std), start)
    end = np.where(inside, np.minimum(high, mean + _REACH * std), end)
    half = 0.5 * (end - start)
    x = start + half + half * _NODES[:, None]
    exponent = -0.5 * ((x - mean) / std) ** 2
    weight = _WEIGHTS[:, None] * np.exp(exponent - exponent.max(axis=0))
    total = weight.sum(axis=0)
    first = (weight * x).sum(axis=0) / total
    second = (weight * (x - first) ** 2).sum(axis=0) / total
    return np.stack([first, second])


def box_normal(
    mean: Floats, covariance: Floats, *, low: Floats, high: Floats
) -> BoxedNormal:
    """Return the marginals of a normal within a box.

    Parameters
    ----------
    mean : ndarray, shape (n,)
        Before the cut.
    covariance : ndarray, shape (n, n)
        Before the cut, positive definite.
    low, high : ndarray, shape (n,)
        The box.

    Returns
    -------
    BoxedNormal
        Exact for one dimension; with more, the cuts of the others act through normals
        of their first two moments.

    References
    ----------
    Minka, 2001 (expectation propagation); Cunningham, Hennig and Lacoste-Julien, 2011,
    10.48550/arXiv.1111.6832 (boxes).

    Examples
    --------
    >>> found = box_normal(
    ...     np.array([0.0]), np.eye(1), low=np.array([0.0]), high=np.array([9.0])
    ... )
    >>> print(found.quantile(0.5).round(3))
    [0.674]
    """
    precision = np.linalg.inv(covariance)
    shift = precision @ mean
    site_precision = np.zeros(mean.size)
    site_shift = np.zeros(mean.size)
    cavity_mean, cavity_variance = mean.copy(), np.diag(covariance).copy()
    for _ in range(_SWEEPS):
        whole = np.linalg.inv(precision + np.diag(site_precision))
        variance = np.diag(whole)
        centre = whole @ (shift + site_shift)
        cavity_precision = np.maximum(1.0 / variance - site_precision, 1.0 / _LARGEST)
        cavity_variance = 1.0 / cavity_precision
        cavity_mean = cavity_variance * (centre / variance - site_shift)
        first, second = cut_normal(
            cavity_mean, np.sqrt(cavity_variance), low=low, high=high
        )
        second = np.maximum(second, 1e-16)
        new_precision = np.maximum(1.0 / second - cavity_precision, 0.0)
        new_shift = first / second - cavity_mean * cavity_precision
        change = np.max(np.abs(new_precision - site_precision) * variance)
        site_precision = 0.5 * (site_precision + new_precision)
        site_shift = 0.5 * (site_shift + new_shift)
        if change < _CONVERGED:
            break
    return BoxedNormal(
        mean=cavity_mean, std=np.sqrt(cavity_variance), low=low, high=high
    )
