"""The same posterior by weighted quasi-random points: slower, without linearisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from structkit.index.evidence import Evidence
from structkit.index.latent import (
    HIGH,
    LOW,
    MIDDLE,
    LatentShares,
    Problem,
    _box,
    drop_copies,
    solve,
)

Floats = NDArray[np.float64]

_GRID = 401
_WIDER = 1.3
_SEED = 20257


def sample_shares(
    evidence: Sequence[Evidence], *, n_samples: int, log2_points: int = 11
) -> LatentShares:
    """Return the amorphous shares by integration over the shared errors.

    Given the shared errors the samples are independent, each on a grid of its share;
    the shared errors are Sobol points about the most probable ones, weighted.

    Parameters
    ----------
    evidence : sequence of Evidence
        As for :func:`structkit.index.latent.infer`.
    n_samples : int
        Samples of the series.
    log2_points : int
        Two to this power points.

    Returns
    -------
    LatentShares
        ``spread`` is 1: errors as stated.

    References
    ----------
    Sobol, 1967, 10.1016/0041-5553(67)90144-9.
    """
    kept = drop_copies(evidence)
    low, high = _box(kept, n_samples)
    problem = Problem(evidence=kept, n_samples=n_samples)
    found = solve(problem)
    shared = slice(n_samples, problem.n_unknown)
    count = problem.n_unknown - n_samples
    centre = found.unknown[shared]
    root = np.linalg.cholesky(found.covariance[shared, shared] * _WIDER**2)
    points = np.zeros((1, 0))
    if count:
        uniform = qmc.Sobol(count, seed=_SEED).random_base2(log2_points)
        points = ndtri(np.clip(uniform, 1e-9, 1.0 - 1e-9))
    nu = centre + points @ root.T
    grid = np.linspace(low, high, _GRID)
    grid = np.clip(grid, 1e-9, 1.0 - 1e-9)
    logs = _log_likelihood(kept, grid, nu)
    top = logs.max(axis=1, keepdims=True)
    density = np.exp(logs - top)
    evidence_log = (top[:, 0, :] + np.log(density.mean(axis=1))).sum(axis=1)
    weight = evidence_log - 0.5 * (nu**2).sum(axis=1) + 0.5 * (points**2).sum(axis=1)
    weight = np.exp(weight - weight.max())
    each = density / density.sum(axis=1, keepdims=True)
    marginal = np.einsum("n,ngt->gt", weight / weight.sum(), each)
    steps = np.cumsum(marginal, axis=0) - 0.5 * marginal
    silent = ~np.any([one.speaks for one in kept], axis=0)
    limits = [
        np.where(
            silent,
            np.nan,
            [np.interp(p, steps[:, t], grid[:, t]) for t in range(n_samples)],
        )
        for p in (MIDDLE, LOW, HIGH)
    ]
    return LatentShares(value=limits[0], low=limits[1], high=limits[2], spread=1.0)


def _log_likelihood(
    evidence: Sequence[Evidence], grid: Floats, shared: Floats
) -> Floats:
    """Return the logarithm of the likelihood, shape (n_points, n_grid, n_samples)."""
    total = np.zeros((shared.shape[0], *grid.shape))
    place = 0
    for one in evidence:
        width = one.link.n_shared
        values = np.where(one.measured, one.values, 0.0)
        precision = np.where(one.measured, 1.0 / one.variances, 0.0)
        for number in range(shared.shape[0]):
            own = shared[number, place : place + width]
            predicted = one.link.predict(grid, own)
            total[number] -= 0.5 * precision * (values - predicted) ** 2
        place += width
    return total
