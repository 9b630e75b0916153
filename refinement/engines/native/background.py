"""Linear columns beside the phases: what is background, and what is amorphous."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linprog

from refinement.engines.native.options import NativeOptions
from refinement.plan import RefinementPlan
from structkit.errors import PlanError
from structkit.schema import INTENSITY, TWO_THETA

Floats = NDArray[np.float64]
_ENVELOPE_POINTS = 60
"""Points at which the background is held below the smooth curve."""
CHEBYSHEV, HALO, HUMP, BLANK = "chebyshev", "halo", "hump", "blank"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundColumns:
    """Unweighted columns at the measured points."""

    values: Floats
    """Shape (n_columns, n_points)."""
    names: tuple[str, ...]
    """``chebyshev``, ``halo``, ``hump`` or ``blank`` of each."""

    @property
    def free(self) -> NDArray[np.bool_]:
        """Return which columns may have either sign (the polynomial)."""
        return np.array([name == CHEBYSHEV for name in self.names], dtype=bool)

    def select(self, *names: str) -> NDArray[np.bool_]:
        """Return which columns carry one of ``names``."""
        return np.array([name in names for name in self.names], dtype=bool)


def gaussian_bump(angles: Floats, center: float, fwhm: float) -> Floats:
    """Return a Gaussian of height 1."""
    return np.asarray(np.exp(-4.0 * np.log(2.0) * np.square((angles - center) / fwhm)))


def _blank_column(blank: xr.Dataset, angles: Floats) -> Floats:
    axis = blank[TWO_THETA].to_numpy()
    if axis[0] > angles[0] + 1e-9 or axis[-1] < angles[-1] - 1e-9:
        raise PlanError(
            f"blank covers {axis[0]:g}-{axis[-1]:g} degree, the pattern needs "
            f"{angles[0]:g}-{angles[-1]:g}; measure it over that range, or set range"
        )
    column = np.interp(angles, axis, blank[INTENSITY].to_numpy())
    return np.asarray(column / max(float(np.max(np.abs(column))), 1e-30))


def division_terms(columns: BackgroundColumns) -> int:
    """Return how many polynomial terms divide background from amorphous area."""
    return 1 if columns.select(BLANK).any() else 2


def split_smooth(
    columns: BackgroundColumns, amounts: Floats, angles: Floats, *, terms: int
) -> tuple[Floats, Floats]:
    """Divide the fitted smooth curve into background and amorphous area.

    Parameters
    ----------
    columns : BackgroundColumns
        Columns of the fit.
    amounts : ndarray, shape (n_columns,)
        Their fitted amounts.
    angles : ndarray, shape (n_points,)
        Points, **degree**.
    terms : int
        Polynomial terms of the background: 0 none, 1 a constant, 2 a line.

    Returns
    -------
    background, halo : ndarray, shape (n_points,)
        Their sum is the fitted smooth curve; neither is negative.

    Notes
    -----
    Polynomial and bank can imitate each other, so the fit fixes only their sum. The
    background is *defined* as the largest curve that a polynomial of ``terms``, the
    humps and the blank can form without exceeding that sum or falling below zero (a
    linear programme). A line unless a blank was measured, a constant beside a blank;
    other choices give the systematic of the amorphous area.
    """
    smooth = amounts @ columns.values
    if not columns.select(HALO).any():
        return smooth, np.zeros_like(smooth)
    known = columns.values[columns.select(HUMP, BLANK)]
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
        return _line_below(smooth, angles)
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


def _line_below(smooth: Floats, angles: Floats) -> Floats:
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


def _halo_end(plan: RefinementPlan, options: NativeOptions) -> float:
    """Return the 2theta (degree) at which the halo bank ends."""
    wavelength = plan.instrument.radiation.wavelength
    sine = options.halo_q_max * wavelength / (4.0 * np.pi)
    return float(np.degrees(2.0 * np.arcsin(min(sine, 1.0))))


def background_columns(
    angles: Floats,
    plan: RefinementPlan,
    options: NativeOptions,
    *,
    extra_terms: int = 0,
    halo_offset: float = 0.0,
) -> BackgroundColumns:
    """Return the background and halo columns of a plan.

    Parameters
    ----------
    angles : ndarray, shape (n_points,)
        Points in use, **degree**.
    plan : RefinementPlan
        ``background_terms``, ``humps``, ``blank``, ``halo``.
    options : NativeOptions
        Width and spacing of the halo bank.
    extra_terms : int
        Terms added to the polynomial (for the systematic of the background).
    halo_offset : float
        Shift of the bank in spacings (for the same).

    Notes
    -----
    The polynomial, the humps and the blank are background; the bank of Gaussians is
    amorphous area. Its first member stands at the range's start, its last before
    ``halo_q_max``: beyond, a glass scatters smoothly and a bank would only feed on
    misfit tails of Bragg lines.
    """
    span = angles[-1] - angles[0]
    unit = 2.0 * (angles - angles[0]) / span - 1.0
    n_terms = max(plan.background_terms + extra_terms, 1)
    columns = list(np.polynomial.chebyshev.chebvander(unit, n_terms - 1).T)
    names = [CHEBYSHEV] * n_terms
    if plan.halo:
        first = angles[0] + halo_offset * options.halo_spacing
        last = min(angles[-1], _halo_end(plan, options)) + 1e-9
        for center in np.arange(first, last, options.halo_spacing):
            columns.append(gaussian_bump(angles, center, options.halo_fwhm))
            names.append(HALO)
    for center in plan.humps:
        columns.append(gaussian_bump(angles, center, options.hump_fwhm))
        names.append(HUMP)
    if plan.blank is not None:
        columns.append(_blank_column(plan.blank, angles))
        names.append(BLANK)
    return BackgroundColumns(values=np.array(columns), names=tuple(names))
