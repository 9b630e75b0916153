"""Place the halo of amorphous scattering for engines that need peaks, not a bank."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import least_squares

from refinement.engines.smooth import gaussian_bump
from refinement.result import RefinementResult
from structkit.schema import TWO_THETA

Floats = NDArray[np.float64]
MOST_PEAKS = 4
_GOOD_ENOUGH = 0.03
"""Rms misfit over the halo's height at which no further peak is placed."""
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
        As few as describe it within 3 % of its height, at most 4; empty where the
        halo is less than 1 % of all scattering.
    """
    curves: xr.Dataset = fitted.curves
    angles = curves[TWO_THETA].to_numpy()
    halo = curves["halo"].to_numpy()
    observed = np.maximum(curves["observed"].to_numpy(), 0.0)
    height = float(halo.max())
    if height <= 0.0 or float(halo.sum()) < _LEAST_SHARE * float(observed.sum()):
        return ()
    picked = np.unique(np.linspace(0, angles.size - 1, 400).astype(int))
    x, y = angles[picked], halo[picked] / height
    peaks: list[tuple[float, float, float]] = []
    while len(peaks) < MOST_PEAKS:
        rest = y - _sum(np.array(peaks), x)
        peaks.append(
            (float(x[int(np.argmax(rest))]), 10.0, max(float(rest.max()), 0.05))
        )
        peaks = _fit(peaks, x, y)
        if float(np.std(y - _sum(np.array(peaks), x))) < _GOOD_ENOUGH:
            break
    return tuple(
        HaloPeak(center=c, fwhm=w, area=_AREA * w * a * height)
        for c, w, a in sorted(peaks)
        if a > 1e-3
    )


def _sum(peaks: Floats, x: Floats) -> Floats:
    total = np.zeros_like(x)
    for center, fwhm, amount in peaks.reshape(-1, 3):
        total += amount * gaussian_bump(x, center, fwhm)
    return total


def _fit(
    peaks: list[tuple[float, float, float]], x: Floats, y: Floats
) -> list[tuple[float, float, float]]:
    low = np.tile([x[0], _FWHM[0], 0.0], len(peaks))
    high = np.tile([x[-1], _FWHM[1], 2.0], len(peaks))
    start = np.clip(np.ravel(peaks), low + 1e-6, high - 1e-6)

    def misfit(values: Floats) -> Floats:
        return _sum(values, x) - y

    found = least_squares(misfit, start, bounds=(low, high)).x
    return [(float(c), float(w), float(a)) for c, w, a in found.reshape(-1, 3)]
