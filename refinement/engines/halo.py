"""Place the halo of amorphous scattering for engines that need peaks, not a bank."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import least_squares, nnls

from refinement.engines.smooth import gaussian_bump
from refinement.result import RefinementResult
from structkit.schema import TWO_THETA

Floats = NDArray[np.float64]
MOST_PEAKS = 8
_GOOD_ENOUGH = 0.3
"""Rms misfit over the points' median 1 sigma at which no further peak is placed."""
_TRIED_FWHM = (5.0, 8.0, 12.0, 18.0)
"""Widths (degree) at which a further peak is looked for."""
_LEAST_SHARE = 0.01
"""Share of the whole scattering below which there is no halo to model."""
_FWHM = (4.0, 20.0)
"""Widths (degree) that a halo's peak may have; wider ones are a polynomial's."""
_AREA = math.sqrt(math.pi / (4.0 * math.log(2.0)))
"""Area of a Gaussian over height times FWHM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HaloPeak:
    """One Gaussian of amorphous scattering."""

    center: float
    """2theta, degree."""
    fwhm: float
    """Full width at half maximum, degree."""
    area: float
    """Area, intensity times degree."""

    @property
    def variance(self) -> float:
        """Return the variance, degree squared."""
        return self.fwhm**2 / (8.0 * math.log(2.0))


def place_halo(fitted: RefinementResult) -> tuple[HaloPeak, ...]:
    """Return the Gaussians that describe the halo of a native fit.

    Parameters
    ----------
    fitted : RefinementResult
        The native engine's result: its curve ``halo`` is described.

    Returns
    -------
    tuple of HaloPeak
        As few as describe it within 0.3 standard deviations of a point (rms), at most
        8; empty where the halo is less than 1 % of all scattering.
    """
    curves: xr.Dataset = fitted.curves
    angles = curves[TWO_THETA].to_numpy()
    halo = curves["halo"].to_numpy()
    observed = np.maximum(curves["observed"].to_numpy(), 0.0)
    height = float(halo.max())
    if height <= 0.0 or float(halo.sum()) < _LEAST_SHARE * float(observed.sum()):
        return ()
    picked = np.unique(np.linspace(0, angles.size - 1, 250).astype(int))
    x, y = angles[picked], halo[picked] / height
    enough = _GOOD_ENOUGH * float(np.median(curves["observed_std"])) / height
    peaks = np.empty((0, 3))
    while len(peaks) < MOST_PEAKS:
        peaks = _fit(_add_best(peaks, x, y), x, y)
        if float(np.sqrt(np.mean(np.square(y - _sum(peaks, x))))) < enough:
            break
    return tuple(
        HaloPeak(center=c, fwhm=w, area=_AREA * w * a * height)
        for c, w, a in sorted(peaks.tolist())
        if a > 1e-3
    )


def _sum(peaks: Floats, x: Floats) -> Floats:
    total = np.zeros_like(x)
    for center, fwhm, amount in peaks.reshape(-1, 3):
        total += amount * gaussian_bump(x, center, fwhm)
    return total


def _add_best(peaks: Floats, x: Floats, y: Floats) -> Floats:
    """Return the peaks with the one more, of a grid, that leaves the least misfit."""
    known = [gaussian_bump(x, center, fwhm) for center, fwhm, _ in peaks]
    best, least = peaks, math.inf
    for fwhm in _TRIED_FWHM:
        for center in np.arange(x[0], x[-1], 0.25 * fwhm):
            columns = np.array([*known, gaussian_bump(x, center, fwhm)])
            amounts, misfit = nnls(columns.T, y)
            if misfit < least:
                least = misfit
                rows = [*peaks[:, :2].tolist(), [center, fwhm]]
                best = np.column_stack([np.array(rows), amounts])
    return best


def _fit(peaks: Floats, x: Floats, y: Floats) -> Floats:
    """Return the peaks with centres, widths and heights fitted together."""
    low = np.tile([x[0], _FWHM[0], 0.0], len(peaks))
    high = np.tile([x[-1], _FWHM[1], 2.0], len(peaks))
    start = np.clip(np.ravel(peaks), low + 1e-6, high - 1e-6)

    def misfit(values: Floats) -> Floats:
        return _sum(values, x) - y

    found = least_squares(misfit, start, bounds=(low, high), max_nfev=40).x
    return np.asarray(found.reshape(-1, 3))
