"""R-factors and residual diagnostics of a fitted pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Floats = NDArray[np.float64]
UNEXPLAINED = 0.35
"""Share of the Bragg scattering, as a background-subtracted R-factor without its noise,
that a model may leave before its numbers are doubtful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Agreement of a calculated with an observed pattern; fractions, not per cent."""

    r_wp: float
    """Weighted profile R, background included in the denominator."""
    r_p: float
    """Unweighted profile R."""
    r_exp: float
    """Expected R."""
    gof: float
    """Goodness of fit, ``r_wp / r_exp``, the square root of reduced chi-square."""
    durbin_watson: float
    """Serial correlation of the weighted residuals: 2 is none, near 0 is strong."""


def assess(
    observed: Floats, calculated: Floats, std: Floats, *, n_parameters: int
) -> Quality:
    """Return R-factors and diagnostics of one pattern.

    Parameters
    ----------
    observed, calculated, std : ndarray, shape (n_points,)
        Intensities and 1 sigma, same units.
    n_parameters : int
        Number of varied parameters.

    References
    ----------
    Toby (2006), Powder Diffr. 21, 67, doi:10.1154/1.2179804; Hill & Flack (1987),
    J. Appl. Cryst. 20, 356, doi:10.1107/S0021889887086485 (Durbin-Watson).
    """
    residual = (observed - calculated) / std
    total = float(np.sum(np.square(observed / std)))
    chi_square = float(residual @ residual)
    freedom = max(observed.size - n_parameters, 1)
    change = np.diff(residual)
    return Quality(
        r_wp=float(np.sqrt(chi_square / total)),
        r_p=float(np.sum(np.abs(observed - calculated)) / np.sum(np.abs(observed))),
        r_exp=float(np.sqrt(freedom / total)),
        gof=float(np.sqrt(chi_square / freedom)),
        durbin_watson=float(change @ change / max(chi_square, 1e-300)),
    )


def unexplained_share(
    observed: Floats,
    calculated: Floats,
    smooth: Floats,
    std: Floats,
    *,
    n_parameters: int,
) -> float:
    """Return the background-subtracted R-factor beyond what noise alone gives.

    Parameters
    ----------
    observed, calculated, std : ndarray, shape (n_points,)
        Intensities and 1 sigma, same units.
    smooth : ndarray, shape (n_points,)
        What of ``calculated`` is no Bragg scattering.
    n_parameters : int
        Number of varied parameters.
    """
    rest, lines = (observed - calculated) / std, (observed - smooth) / std
    noise = max(std.size - n_parameters, 1)
    signal = float(lines @ lines) - std.size
    if signal <= 0.0:
        return 0.0
    return float(np.sqrt(max(float(rest @ rest) - noise, 0.0) / signal))


def explain_rest(curves: xr.Dataset, *, n_parameters: int) -> str:
    """Return what a result's curves leave unexplained, in words; empty: little.

    Parameters
    ----------
    curves : xarray.Dataset
        ``observed``, ``observed_std``, ``calculated``, ``background``, ``halo``.
    n_parameters : int
        Number of varied parameters.
    """
    share = unexplained_share(
        curves["observed"].to_numpy(),
        curves["calculated"].to_numpy(),
        (curves["background"] + curves["halo"]).to_numpy(),
        curves["observed_std"].to_numpy(),
        n_parameters=n_parameters,
    )
    if share <= UNEXPLAINED:
        return ""
    return (
        f"the model leaves {share:.0%} of the Bragg scattering unexplained: "
        "a phase is missing, or a cell is wrong"
    )
