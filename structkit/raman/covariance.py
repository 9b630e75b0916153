"""Covariance of a band fit: baseline integrated out, misfit not forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.raman.fit import BandFit
from structkit.raman.layout import Priors
from structkit.raman.problem import Normal

Floats = NDArray[np.float64]

_MAX_LAGS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitCovariance:
    """Covariances of shared parameters and of all areas."""

    shared: Floats
    """Of the shared parameters, shape (n_shared, n_shared)."""
    own: Floats
    """Of the areas of each spectrum with shared parameters known, shape
    (n_spectra, n_columns, n_columns)."""
    lever: Floats
    """Change of the areas with the shared parameters, shape
    (n_spectra, n_columns, n_shared)."""
    axis_shift_std: Floats
    """1 sigma of the axis shift of each spectrum, shape (n_spectra,)."""
    inflation: Floats
    """Factor on each spectrum's variances for misfit, shape (n_spectra,)."""

    def of_spectrum(self, number: int) -> Floats:
        """Return the covariance of one spectrum's areas."""
        lever = self.lever[number]
        return np.asarray(self.own[number] + lever @ self.shared @ lever.T)

    def of_total(self, members: Sequence[int]) -> Floats:
        """Return the covariance of the areas summed over some spectra."""
        chosen = list(members)
        lever = self.lever[chosen].sum(axis=0)
        own = self.own[chosen].sum(axis=0)
        return np.asarray(own + lever @ self.shared @ lever.T)

    def variance_of(self, weights: Floats) -> tuple[float, float]:
        """Return the variance of a weighted sum of all areas, in two parts.

        Parameters
        ----------
        weights : ndarray, shape (n_spectra, n_columns)
            Derivative of the quantity by each area.

        Returns
        -------
        own, shared : float
            What each spectrum's noise brings, and what the shared parameters do.
        """
        own = float(np.einsum("si,sij,sj->", weights, self.own, weights))
        lever = np.einsum("si,sip->p", weights, self.lever)
        return own, float(lever @ self.shared @ lever)


def covariance_of(fit: BandFit) -> FitCovariance:
    """Return the covariances of a fit at its best values.

    Parameters
    ----------
    fit : BandFit
        From :func:`structkit.raman.fit.fit_bands`.

    Returns
    -------
    FitCovariance
        Every variance is multiplied by how much the residual exceeds the noise and by
        the correlation of neighbouring residuals. Areas at their limit, zero, are
        treated as if they could go below: their sigma is that of the data.

    References
    ----------
    Berar & Lelann 1991, 10.1107/S0021889890008391 (correlated residuals).
    """
    return assemble_covariance(
        fit.solution.normals,
        shared_priors=fit.shared_priors,
        local_priors=fit.local_priors,
        columns=fit.layout.columns,
        axis_shift=fit.layout.axis_shift,
        inflation=np.asarray([_inflation(fit, k) for k in range(len(fit.spectra))]),
    )


def assemble_covariance(
    normals: Sequence[Normal],
    *,
    shared_priors: Priors,
    local_priors: Priors,
    columns: slice,
    axis_shift: int,
    inflation: Floats,
) -> FitCovariance:
    """Return the covariances that normal equations and priors make.

    Parameters
    ----------
    normals : sequence of Normal
        Of each spectrum, without priors.
    shared_priors, local_priors : Priors
        Of the shared and of each spectrum's own parameters.
    columns : slice
        Areas among a spectrum's own parameters.
    axis_shift : int
        Place of the axis shift there.
    inflation : ndarray, shape (n_spectra,)
        Factor on the variances of each spectrum.
    """
    n = shared_priors.mean.size
    border = np.diag(shared_priors.std**-2.0)
    border = _hold(border, ~shared_priors.free)
    own_prior = local_priors.std**-2.0
    inverses, levers = [], []
    for normal, factor in zip(normals, inflation, strict=True):
        matrix = normal.matrix / factor
        own = matrix[n:, n:] + np.diag(own_prior)
        inverse = _invert(own)
        lever = -inverse @ matrix[n:, :n]
        border = border + matrix[:n, :n] + matrix[:n, n:] @ lever
        inverses.append(inverse)
        levers.append(lever)
    shared = _invert(_hold(border, ~shared_priors.free))
    shift = [
        float(
            i[axis_shift, axis_shift] + lever[axis_shift] @ shared @ lever[axis_shift]
        )
        for i, lever in zip(inverses, levers, strict=True)
    ]
    return FitCovariance(
        shared=shared,
        own=np.asarray([i[columns, columns] for i in inverses]),
        lever=np.asarray([lever[columns] for lever in levers]),
        axis_shift_std=np.sqrt(np.maximum(shift, 0.0)),
        inflation=inflation,
    )


def _hold(matrix: Floats, held: NDArray[np.bool_]) -> Floats:
    """Return a normal matrix in which held parameters cannot move."""
    kept = matrix * np.outer(~held, ~held)
    places = np.flatnonzero(held)
    kept[places, places] = 1e30
    return kept


def _invert(matrix: Floats) -> Floats:
    """Return the inverse of a symmetric positive matrix, scaled for accuracy."""
    if matrix.size == 0:
        return matrix
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix * np.outer(scale, scale)
    values, vectors = np.linalg.eigh(0.5 * (scaled + scaled.T))
    kept = np.maximum(values, 1e-13 * values.max())
    return np.asarray((vectors / kept) @ vectors.T * np.outer(scale, scale))


def _inflation(fit: BandFit, number: int) -> float:
    """Return the factor by which misfit raises the variances of one spectrum."""
    residual = fit.residual(number)
    used = fit.layout.n_local + fit.spectra[number].basis.shape[1]
    reduced = float(residual @ residual) / max(residual.size - used, 1)
    if reduced <= 1.0:
        return 1.0
    return float(reduced * correlation_length(residual))


def correlation_length(residual: Floats) -> float:
    """Return how many neighbouring points share one residual, at least 1.

    Parameters
    ----------
    residual : ndarray, shape (n_points,)
        Over sigma.

    Returns
    -------
    float
        One plus twice the autocorrelation up to where it first is within its noise.
    """
    n = residual.size
    power = float(residual @ residual)
    if power <= 0.0:
        return 1.0
    total = 1.0
    for lag in range(1, min(_MAX_LAGS, n - 1)):
        value = float(residual[:-lag] @ residual[lag:]) / power
        if value < 2.0 / np.sqrt(n):
            break
        total += 2.0 * value
    return total
