"""The co-fitted baseline: a penalised spline, taken out of the fit exactly.

The baseline is linear, its penalty is a Gaussian prior, and neither depends on a
band. So the residual and the Jacobian are projected once and for all on what no
baseline can explain, and the bands' covariance holds the baseline's uncertainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.linalg import cho_factor, cho_solve, qr
from scipy.linalg.lapack import dpotrf, dtrtrs

from structkit.raman.model import BaselineOptions

Floats = NDArray[np.float64]

_DEGREE = 3
SMOOTHNESS_GRID = tuple(10.0**k for k in range(-3, 8))
"""Weights of the penalty that are tried, relative to noise and light."""
_RIDGE = 1e-10
_EVIDENCE_RIDGE = 1e-12
_LEFT = 1e-12
"""Share of a column's square that must be left of it without the baseline."""


def spline_basis(raman_shift: Floats, options: BaselineOptions) -> Floats:
    """Return the B-splines of a baseline at every point.

    Parameters
    ----------
    raman_shift : ndarray, shape (n_points,)
        Ascending, **cm-1**.
    options : BaselineOptions
        Distance of the knots.

    Returns
    -------
    ndarray, shape (n_points, n_splines)
    """
    low, high = float(raman_shift[0]), float(raman_shift[-1])
    pieces = max(1, round((high - low) / options.knot_spacing))
    inner = np.linspace(low, high, pieces + 1)
    step = (high - low) / pieces
    before = low - step * np.arange(_DEGREE, 0, -1)
    after = high + step * np.arange(1, _DEGREE + 1)
    knots = np.concatenate([before, inner, after])
    inside = np.clip(raman_shift, low, np.nextafter(high, low))
    return np.asarray(BSpline.design_matrix(inside, knots, _DEGREE).toarray())


def edge_curves(raman_shift: Floats, decays: Sequence[float]) -> Floats:
    """Return what the laser's edge filter may let through, shape (n_points, n).

    Parameters
    ----------
    raman_shift : ndarray, shape (n_points,)
        Ascending, **cm-1**.
    decays : sequence of float
        Decay lengths, **cm-1**.

    Notes
    -----
    ``exp(-(nu - nu_first) / decay)`` each, to be added with positive weights: such
    sums come close to any curve that falls ever more slowly (Bernstein 1929,
    10.1007/BF02547400), whatever its formula is.
    """
    away = raman_shift - raman_shift[0]
    return (
        np.asarray([np.exp(-away / decay) for decay in decays])
        .reshape(len(decays), raman_shift.size)
        .T
    )


def difference_penalty(n_splines: int, order: int) -> Floats:
    """Return the matrix of differences, shape (n_splines - order, n_splines)."""
    order = min(order, n_splines - 1)
    return np.asarray(np.diff(np.eye(n_splines), n=order, axis=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What a weighted, penalised baseline leaves of a vector."""

    top: Floats
    """Orthonormal columns at the data points, shape (n_points, n_splines)."""
    bottom: Floats
    """The same columns at the rows of the penalty."""
    coefficients: Floats
    """Triangular factor, shape (n_splines, n_splines)."""

    def reduce_products(self, jacobian: Floats, residual: Floats) -> _Products:
        """Return the normal matrix, the gradient and the cost without the baseline.

        Parameters
        ----------
        jacobian : ndarray, shape (n_points, n_parameters)
            Of the weighted residual.
        residual : ndarray, shape (n_points,)
            Data less bands, over sigma.

        Notes
        -----
        Of a column that the baseline can be, such as a flat template, rounding is all
        that is left; it counts as unknown, which nothing else depends on.
        """
        seen = self.top.T @ jacobian
        kept = self.top.T @ residual
        normal = jacobian.T @ jacobian
        least = _LEFT * np.diag(normal)
        normal -= seen.T @ seen
        gradient = jacobian.T @ residual - seen.T @ kept
        lost = np.flatnonzero(np.diag(normal) <= least)
        if lost.size:
            normal[lost, :] = normal[:, lost] = gradient[lost] = 0.0
            normal[lost, lost] = least[lost]
        return _Products(normal, gradient, float(residual @ residual - kept @ kept))

    def solve(self, residual: Floats) -> Floats:
        """Return the baseline's coefficients for data less bands, over sigma."""
        return np.asarray(
            np.linalg.solve(self.coefficients, self.top.T @ residual), dtype=float
        )


@dataclass(frozen=True, slots=True)
class _Products:
    """Normal matrix, gradient and squared norm of a projected residual."""

    normal: Floats
    gradient: Floats
    chi_square: float


def make_projection(
    basis: Floats, sigma: Floats, *, penalty: Floats, weight: float
) -> Projection:
    """Factorise a weighted baseline with its penalty.

    Parameters
    ----------
    basis : ndarray, shape (n_points, n_splines)
        From :func:`spline_basis`.
    sigma : ndarray, shape (n_points,)
        1 sigma of each point.
    penalty : ndarray, shape (n_rows, n_splines)
        From :func:`difference_penalty`.
    weight : float
        Square root of what multiplies the squared penalty.
    """
    stacked = np.vstack(
        [
            basis / sigma[:, None],
            weight * penalty,
            _RIDGE * weight * np.eye(basis.shape[1]),
        ]
    )
    orthogonal, triangle = qr(stacked, mode="economic", check_finite=False)
    return Projection(
        top=np.ascontiguousarray(orthogonal[: basis.shape[0]], dtype=float),
        bottom=np.asarray(orthogonal[basis.shape[0] :], dtype=float),
        coefficients=np.asarray(triangle, dtype=float),
    )


def log_evidence(
    basis: Floats,
    penalty: Floats,
    jacobian: Floats,
    residual: Floats,
    *,
    prior_precision: Floats,
    light: float,
) -> Floats:
    """Return the log evidence of every weight of :data:`SMOOTHNESS_GRID`.

    Parameters
    ----------
    basis : ndarray, shape (n_points, n_splines)
        Over sigma.
    penalty : ndarray, shape (n_rows, n_splines)
        Differences.
    jacobian : ndarray, shape (n_points, n_parameters)
        Of the bands at their best values, over sigma.
    residual : ndarray, shape (n_points,)
        Data less bands, over sigma.
    prior_precision : ndarray, shape (n_parameters,)
        Of the bands' parameters.
    light : float
        Level of the baseline: the penalty is on coefficients relative to it.

    Returns
    -------
    ndarray, shape (n_grid,)
        Up to a constant. Baseline and bands' parameters are integrated over.
    """
    stiff = jacobian.T @ jacobian
    stiff[np.diag_indices_from(stiff)] += prior_precision
    stiff[np.diag_indices_from(stiff)] *= 1.0 + _EVIDENCE_RIDGE
    normal, right = basis.T @ basis, basis.T @ residual
    diagonal = np.diag(normal).copy()
    try:
        # What does not depend on the smoothness is eliminated once.
        factor = cho_factor(stiff, check_finite=False)
    except np.linalg.LinAlgError:
        return np.full(len(SMOOTHNESS_GRID), -np.inf)
    mixed = jacobian.T @ np.column_stack([basis, residual])
    solved = cho_solve(factor, mixed, check_finite=False)
    normal -= mixed[:, :-1].T @ solved[:, :-1]
    right -= mixed[:, :-1].T @ solved[:, -1]
    squared = penalty.T @ penalty
    places = np.arange(basis.shape[1])
    found = []
    for smoothness in SMOOTHNESS_GRID:
        weight = penalty_weight(smoothness, light) ** 2
        penalised = normal + weight * squared
        ridge = _EVIDENCE_RIDGE * (diagonal + weight * np.diag(squared))
        penalised[places, places] += ridge
        triangle, fault = dpotrf(penalised, lower=1)
        if fault:
            found.append(-np.inf)
            continue
        half, _ = dtrtrs(triangle, right, lower=1)
        log_det = 2.0 * float(np.log(np.diag(triangle)).sum())
        rank = penalty.shape[0]
        found.append(
            0.5 * float(half @ half) - 0.5 * log_det + 0.5 * rank * np.log(weight)
        )
    return np.asarray(found)


def penalty_weight(smoothness: float, light: float) -> float:
    """Return what multiplies the differences, for a baseline of level ``light``."""
    return float(np.sqrt(smoothness) * 10.0 / max(light, 1e-300))
