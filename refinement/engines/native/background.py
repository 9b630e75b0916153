"""Linear columns beside the phases: what is background, and what is amorphous."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.options import NativeOptions
from refinement.engines.smooth import blank_column, divide_smooth, gaussian_bump
from refinement.plan import RefinementPlan

Floats = NDArray[np.float64]
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
        As :func:`refinement.engines.smooth.divide_smooth` defines them.
    """
    smooth = amounts @ columns.values
    if not columns.select(HALO).any():
        return smooth, np.zeros_like(smooth)
    known = columns.values[columns.select(HUMP, BLANK)]
    return divide_smooth(smooth, known, angles, terms=terms)


def _halo_end(plan: RefinementPlan, options: NativeOptions) -> float:
    """Return the 2theta (degree) at which the halo bank ends."""
    wavelength = plan.instrument.radiation.wavelength
    sine = options.halo_q_max * wavelength / (4.0 * np.pi)
    return float(np.degrees(2.0 * np.arcsin(min(sine, 1.0))))


def halo_places(
    angles: Floats, plan: RefinementPlan, options: NativeOptions, *, offset: float = 0.0
) -> list[tuple[float, float]]:
    """Return centre and FWHM (degree) of every member of the halo bank.

    Parameters
    ----------
    angles : ndarray, shape (n_points,)
        Points in use, **degree**.
    plan : RefinementPlan
        Its wavelength sets where the bank ends.
    options : NativeOptions
        Widths; neighbours are ``halo_spacing`` widths apart.
    offset : float
        Shift of the whole bank in spacings.

    Notes
    -----
    One member stands below the range: a halo that falls from the first point on needs
    it. Beyond ``halo_q_max`` a glass scatters smoothly and a bank would only feed on
    the tails of Bragg lines.
    """
    first, spacing = float(angles[0]), options.halo_spacing
    last = min(float(angles[-1]), _halo_end(plan, options)) + 1e-9
    center = first + (offset - 1.0) * spacing * options.halo_width(first)
    places = []
    while center <= last:
        width = options.halo_width(center)
        places.append((center, width))
        center += spacing * width
    return places


def background_columns(
    angles: Floats,
    plan: RefinementPlan,
    options: NativeOptions,
    *,
    extra_terms: int = 0,
    halo_offset: float = 0.0,
    halo_stretch: float = 1.0,
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
    halo_stretch : float
        Factor of the bank's widths (for the same).

    Notes
    -----
    The polynomial, the humps and the blank are background; the bank of Gaussians
    (:func:`halo_places`) is amorphous area.
    """
    span = angles[-1] - angles[0]
    unit = 2.0 * (angles - angles[0]) / span - 1.0
    n_terms = max(plan.background_terms + extra_terms, 1)
    columns = list(np.polynomial.chebyshev.chebvander(unit, n_terms - 1).T)
    names = [CHEBYSHEV] * n_terms
    if plan.halo:
        own = options.stretch_halo(halo_stretch)
        for place in halo_places(angles, plan, own, offset=halo_offset):
            columns.append(gaussian_bump(angles, *place))
            names.append(HALO)
    for center in plan.humps:
        columns.append(gaussian_bump(angles, center, options.hump_fwhm))
        names.append(HUMP)
    if plan.blank is not None:
        columns.append(blank_column(plan.blank, angles))
        names.append(BLANK)
    return BackgroundColumns(values=np.array(columns), names=tuple(names))
