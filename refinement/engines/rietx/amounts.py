"""The linear part of a fit: scales and smooth amounts at given line shapes.

Plain numpy. Columns are divided by the esds beforehand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_RIDGE = 1e-10
"""Added to the unit diagonal of a normal matrix: columns that imitate each other, such
as a polynomial and a halo, have no finite esd of their own."""


def solve_amounts(columns: Floats, observed: Floats, free: Flags) -> Floats:
    """Return the least-squares amount of each column.

    Parameters
    ----------
    columns : ndarray, shape (n_columns, n_points)
        Over the esds.
    observed : ndarray, shape (n_points,)
        Intensity over the esds.
    free : ndarray of bool, shape (n_columns,)
        Which amounts may be negative.
    """
    norm = np.sqrt(np.sum(np.square(columns), axis=1))
    usable = norm > 0.0
    scaled = columns[usable] / norm[usable, None]
    low = np.where(free[usable], -np.inf, 0.0)
    found = lsq_linear(scaled.T, observed, bounds=(low, np.inf), method="bvls")
    amounts = np.zeros(columns.shape[0])
    amounts[usable] = found.x / norm[usable]
    return amounts


def inverse_normal(columns: Floats) -> Floats:
    """Return the covariance of all amounts at unit reduced chi-square."""
    normal = columns @ columns.T
    norm = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    scaled = normal / np.outer(norm, norm)
    scaled[np.diag_indices_from(scaled)] += _RIDGE
    return np.asarray(np.linalg.inv(scaled) / np.outer(norm, norm))


def deficits(columns: Floats, observed: Floats, free: Flags, scales: Floats) -> Floats:
    """Return how far below zero each scale that is zero would go if it might.

    The model is wrong by at least that much there: it belongs to the scale's esd.
    """
    below = np.zeros_like(scales)
    for number in np.nonzero(scales <= 0.0)[0]:
        allowed = free.copy()
        allowed[number] = True
        amount = solve_amounts(columns, observed, allowed)[number]
        below[number] = max(-float(amount), 0.0)
    return below


def detection_scales(
    columns: Floats, amounts: Floats, std: Floats, *, n_phases: int, gof: float
) -> Floats:
    """Return the scale of each phase that would just be detected.

    Parameters
    ----------
    columns : ndarray, shape (n_columns, n_points)
        Over the esds, the phases first.
    amounts : ndarray, shape (n_columns,)
        Fitted amounts.
    std : ndarray, shape (n_points,)
        The esds.
    n_phases : int
        How many columns are phases.
    gof : float
        Goodness of fit, at least 1, by which esds are multiplied.

    Notes
    -----
    ``2.71 + 3.29 sigma_0`` in counts, where sigma_0 is the esd in a pattern without
    the phase and every other amount is free.

    References
    ----------
    Currie (1968), Anal. Chem. 40, 586, doi:10.1021/ac60259a007.
    """
    calculated = amounts @ columns
    # What one count adds to the intensity, in its own units: 1 where these are counts.
    count = float(np.sum(std**2)) / max(float(np.sum(calculated * std)), 1e-300)
    limits = np.empty(n_phases)
    for number in range(n_phases):
        without = calculated - amounts[number] * columns[number]
        relative = np.clip(without / np.maximum(calculated, 1e-12), 1e-3, None)
        variance = inverse_normal(columns / np.sqrt(relative))[number, number]
        unit = float(np.sum(columns[number] * std))
        limits[number] = 3.29 * gof * np.sqrt(variance) + 2.71 * count / max(
            unit, 1e-300
        )
    return limits
