"""PONKCS: the halo as a phase of known shape and calibrated mass (SCIENCE B5).

A halo of one shape, calibrated once on a sample of known amorphous content, is weighed
like a phase. That stands and falls with its shape: it is checked, each time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_CHANGE = 0.15
"""Relative rms change of the halo's shape above which its calibration is not used."""
_BINS = 40
"""Points to which a halo is averaged before shapes are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HaloMatch:
    """How a halo compares with the calibrated one."""

    factor: float
    """Least squares factor between them."""
    std: float
    """1 sigma of it, from the misfit of the shapes."""
    shape_change: float
    """Rms of what is left over the rms of the halo."""
    autocorrelation: float
    """Lag-one correlation of what is left: near 1 the shape has changed, near 0 only
    noise is left."""


def match_halo(halo: Floats, reference: Floats) -> HaloMatch:
    """Return how much of a reference halo is in a pattern, and how alike they are.

    Parameters
    ----------
    halo, reference : ndarray, shape (n_points,)
        Scattering of the amorphous parts alone, same points.

    Returns
    -------
    HaloMatch

    References
    ----------
    Scarlett & Madsen (2006), Powder Diffr. 21, 278, doi:10.1154/1.2362855.
    """
    size = halo.size // min(_BINS, halo.size)
    short = (halo.size // size) * size
    first = halo[:short].reshape(-1, size).mean(axis=1)
    second = reference[:short].reshape(-1, size).mean(axis=1)
    power = float(second @ second)
    if power <= 0.0:
        return HaloMatch(
            factor=math.nan,
            std=math.nan,
            shape_change=math.nan,
            autocorrelation=math.nan,
        )
    factor = float(first @ second) / power
    rest = first - factor * second
    rms = float(np.sqrt(np.mean(first**2)))
    change = float(np.sqrt(np.mean(rest**2))) / rms if rms > 0.0 else math.nan
    around = rest - rest.mean()
    spread = float(around @ around)
    correlation = float(around[1:] @ around[:-1]) / spread if spread > 0.0 else 0.0
    # Neighbouring bins change together: as many independent ones as the shape allows.
    independent = max(
        first.size * (1.0 - correlation) / (1.0 + max(correlation, 0.0)), 2.0
    )
    std = (
        abs(factor) * change / math.sqrt(independent) if change == change else math.nan
    )
    return HaloMatch(
        factor=factor, std=std, shape_change=change, autocorrelation=correlation
    )


def calibrate_halo(amorphous: float, std: float, crystalline_scale: float) -> Floats:
    """Return the scale of an amorphous part of known content, and 1 sigma of it.

    Parameters
    ----------
    amorphous, std : float
        Amorphous weight fraction of the calibrating sample, and 1 sigma.
    crystalline_scale : float
        Sum of the mass-proportional scales of its crystals.

    Returns
    -------
    ndarray, shape (2,)
        ``alpha / (1 - alpha) sum S`` and its standard uncertainty.
    """
    odds = amorphous / (1.0 - amorphous)
    return np.array(
        [odds * crystalline_scale, std / (1.0 - amorphous) ** 2 * crystalline_scale]
    )
