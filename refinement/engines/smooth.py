"""The smooth part of a pattern: its pieces, and what of it is amorphous area."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linprog

from structkit.errors import PlanError
from structkit.schema import INTENSITY, TWO_THETA

Floats = NDArray[np.float64]
_ENVELOPE_POINTS = 60
"""Points at which the background is held below the smooth curve."""


def gaussian_bump(angles: Floats, center: float, fwhm: float) -> Floats:
    """Return a Gaussian of height 1."""
    return np.asarray(np.exp(-4.0 * np.log(2.0) * np.square((angles - center) / fwhm)))


def blank_column(blank: xr.Dataset, angles: Floats) -> Floats:
    """Return a measured blank at ``angles`` (degree), its largest value 1.

    Raises
    ------
    PlanError
        When the blank does not cover the pattern.
    """
    axis = blank[TWO_THETA].to_numpy()
    if axis[0] > angles[0] + 1e-9 or axis[-1] < angles[-1] - 1e-9:
        raise PlanError(
            f"blank covers {axis[0]:g}-{axis[-1]:g} degree, the pattern needs "
            f"{angles[0]:g}-{angles[-1]:g}; measure it over that range, or set range"
        )
    column = np.interp(angles, axis, blank[INTENSITY].to_numpy())
    return np.asarray(column / max(float(np.max(np.abs(column))), 1e-30))


def divide_smooth(
    smooth: Floats, known: Floats, angles: Floats, *, terms: int
) -> tuple[Floats, Floats]:
    """Divide a smooth curve into background and amorphous area.

    Parameters
    ----------
    smooth : ndarray, shape (n_points,)
        All that is not Bragg scattering.
    known : ndarray, shape (n_known, n_points)
        Humps of film or holder and the measured blank: background of known shape.
    angles : ndarray, shape (n_points,)
        Points, **degree**.
    terms : int
        Polynomial terms of the background: 0 none, 1 a constant, 2 a line.

    Returns
    -------
    background, halo : ndarray, shape (n_points,)
        Their sum is ``smooth``; neither is negative.

    Notes
    -----
    Polynomial and halo can imitate each other, so a fit fixes only their sum. The
    background is *defined* as the largest curve that a polynomial of ``terms``, the
    humps and the blank can form without exceeding that sum or falling below zero (a
    linear programme). A line unless a blank was measured, a constant beside a blank;
    other choices give the systematic of the amorphous area.
    """
    background = _largest_background(smooth, known, angles, terms)
    background = np.clip(background, 0.0, np.maximum(smooth, 0.0))
    return background, smooth - background


def _largest_background(
    smooth: Floats, known: Floats, angles: Floats, terms: int
) -> Floats:
    """Return the largest curve of polynomial and known columns below ``smooth``."""
    if known.shape[0] == 0 and terms <= 1:
        return np.full_like(smooth, max(float(smooth.min()), 0.0) if terms else 0.0)
    if known.shape[0] == 0 and terms == 2:
        line = line_below(smooth, angles)
        if line[0] >= 0.0 and line[-1] >= 0.0:
            return line
    unit = 2.0 * (angles - angles[0]) / (angles[-1] - angles[0]) - 1.0
    polynomial = np.polynomial.chebyshev.chebvander(unit, max(terms, 1) - 1).T[:terms]
    own = np.vstack([polynomial, known])
    picked = np.unique(np.linspace(0, angles.size - 1, _ENVELOPE_POINTS).astype(int))
    scale = max(float(np.abs(smooth).max()), 1e-30)
    basis, ceiling = own[:, picked].T, np.maximum(smooth[picked], 0.0) / scale
    found = linprog(
        -(np.gradient(angles[picked]) @ basis),
        A_ub=np.vstack([basis, -basis]),
        b_ub=np.concatenate([ceiling, np.zeros_like(ceiling)]),
        bounds=[(None, None)] * terms + [(0.0, None)] * known.shape[0],
        method="highs",
    )
    return smooth if found.x is None else np.asarray(scale * (found.x @ own))


def line_below(smooth: Floats, angles: Floats) -> Floats:
    """Return the line of largest area below a curve: its hull's edge in the middle."""
    middle = 0.5 * (angles[0] + angles[-1])
    height = np.maximum(smooth, 0.0)
    left, right = angles < middle, angles > middle
    first, last = 0, angles.size - 1
    for _ in range(angles.size):
        slopes = (height[right] - height[first]) / (angles[right] - angles[first])
        new_last = int(np.nonzero(right)[0][np.argmin(slopes)])
        slopes = (height[new_last] - height[left]) / (angles[new_last] - angles[left])
        new_first = int(np.nonzero(left)[0][np.argmax(slopes)])
        if (new_first, new_last) == (first, last):
            break
        first, last = new_first, new_last
    slope = (height[last] - height[first]) / (angles[last] - angles[first])
    return np.asarray(height[first] + slope * (angles - angles[first]))
