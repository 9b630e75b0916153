"""Linear least squares with a penalty whose weight the data choose (evidence).

Data are ``free @ a + damped @ x + noise``; ``a`` is free, ``x`` is normal around 0 with
variance ``noise^2 / weight``. The weight is the one that makes the data most probable,
averaged over ``x``; the noise, where unknown, comes out with it.

References
----------
MacKay, 1992, 10.1162/neco.1992.4.3.415; for distributions of relaxation times Effat and
Ciucci, 2017, 10.1016/j.electacta.2017.07.050.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

Floats = NDArray[np.float64]

WEIGHTS = np.logspace(-10.0, 6.0, 65)
"""Weights of the penalty that are tried."""
_RANK = 1e-13
"""Eigenvalues over the greatest that are told from rounding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvidenceFit:
    """Most probable curve."""

    free: Floats
    """Amounts of the free columns."""
    damped: Floats
    """Amounts of the damped columns."""
    weight: float
    """Weight of the penalty."""
    noise: float
    """Standard deviation of the data."""
    curve: Floats
    """Shape (n_data,)."""
    leverage: Floats
    """Share of each datum in its own fitted value."""
    elements: float
    """Effective number of parameters."""
    log_evidence: float
    """Logarithm of the probability of the data, but for a constant."""


def fit_evidence(
    free: Floats, damped: Floats, data: Floats, *, noise: float | None = None
) -> EvidenceFit:
    """Fit free and damped columns.

    Parameters
    ----------
    free : ndarray, shape (n_data, n_free)
        Independent columns without a penalty; of any lengths.
    damped : ndarray, shape (n_data, n_damped)
        Columns whose amounts are expected to be of the same size.
    data : ndarray, shape (n_data,)
        To be fitted.
    noise : float, optional
        Standard deviation of the data where it is known.

    Returns
    -------
    EvidenceFit
        At the most probable weight of :data:`WEIGHTS`.
    """
    length = np.sqrt(np.einsum("ij,ij->j", free, free))
    basis, triangle = qr(free / length, mode="economic", check_finite=False)
    rest = data - basis @ (basis.T @ data)
    projected = damped - basis @ (basis.T @ damped)
    # The Gram matrix loses what is below rounding, far under the least weight.
    squares, right = np.linalg.eigh(projected.T @ projected)
    seen = squares > _RANK * squares[-1]
    squares, right = squares[seen], right[:, seen]
    singular = np.sqrt(squares)
    left = projected @ (right / singular)
    moments = left.T @ rest
    outside = max(float(rest @ rest - moments @ moments), 0.0)
    number = data.size - free.shape[1]
    ratios = WEIGHTS[:, None] / (squares + WEIGHTS[:, None])
    misfit = ratios @ moments**2 + outside
    misfit = np.maximum(misfit, np.finfo(float).tiny)
    if noise is None:
        likelihood = -0.5 * number * np.log(misfit / number)
    else:
        likelihood = -0.5 * misfit / noise**2
    evidence = likelihood + 0.5 * np.sum(np.log(ratios), axis=1)
    best = int(np.argmax(evidence))
    share = 1.0 - ratios[best]
    amounts = right @ (moments * share / singular)
    inside = left @ (moments * share)
    lead = basis.T @ (data - damped @ amounts)
    leverage = np.einsum("ij,ij->i", basis, basis)
    leverage = leverage + (left * left) @ share
    found = np.sqrt(misfit[best] / number) if noise is None else noise
    return EvidenceFit(
        free=solve_triangular(triangle, lead, check_finite=False) / length,
        damped=amounts,
        weight=float(WEIGHTS[best]),
        noise=float(found),
        curve=data - rest + inside,
        leverage=leverage,
        elements=float(free.shape[1] + share.sum()),
        log_evidence=float(evidence[best]),
    )


def log_evidence_of_noise(data: Floats) -> float:
    """Return the logarithm of the probability that data are noise around 0.

    On the scale of :attr:`EvidenceFit.log_evidence` with unknown noise.
    """
    mean = max(float(data @ data) / data.size, np.finfo(float).tiny)
    return -0.5 * data.size * float(np.log(mean))
