"""How well a pattern could see one phase: the linear problem of its scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.crystallinity.expected_lines import FittedPattern
from refinement.plan import RefinementPlan
from structkit.schema import INTENSITY, TWO_THETA

Floats = NDArray[np.float64]

HALO_FWHM = 4.5
"""FWHM of the Gaussians that stand for what a halo can do, degree."""
HALO_SPACING = 2.25
"""Their spacing, degree."""
HALO_Q_MAX = 4.1
"""Q (1/angstrom) beyond which a glass scatters smoothly."""
HUMP_FWHM = 6.0
"""FWHM of a film or holder hump named by the plan, degree."""
_RANK = 1e-12
"""Eigenvalue of the normal matrix over the largest below which columns are the same."""
_SMOOTHED = 51
"""Points over which the variance per intensity is averaged."""
_LEAST_LEFT = 1e-3
"""Least share of a point's intensity that is left without the phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What the points say about one scale, shapes held."""

    scale: float
    """Best scale with background, halo and the other phases free; may be negative."""
    sigma: float
    """1 sigma of it in a pattern without the phase, counting noise only."""
    sigma_simple: float
    """The same with everything else known: a lower bound."""
    gof: float
    """Misfit where this scale is decided: root of the weighted mean square."""
    chi_square: float
    """Sum of squares that is left with this scale and all columns at their best."""
    count: float
    """Scale that one count is."""


def profile_weighted_sigma(profile: Floats, background: Floats) -> float:
    """Return 1 sigma of a line's area, counts, on a known background.

    Parameters
    ----------
    profile : ndarray, shape (n_points,)
        Share of the line in each step; adds up to 1.
    background : ndarray, shape (n_points,)
        Expected **counts** without the line.

    Notes
    -----
    ``[sum s_i^2 / b_i]^(-1/2)``: the line alone is free.
    """
    return float(np.sum(profile**2 / background) ** -0.5)


def combined_sigma(areas: Sequence[float], sigmas: Sequence[float]) -> float:
    """Return 1 sigma of the scale of lines with relative areas q_j.

    Notes
    -----
    ``[sum q_j^2 / sigma_j^2]^(-1/2)``, for lines that do not overlap.
    """
    weights = np.asarray(areas, dtype=float) / np.asarray(sigmas, dtype=float)
    return float(np.sum(weights**2) ** -0.5)


def smooth_columns(
    angles: Floats, plan: RefinementPlan, *, extra_terms: int = 0, offset: float = 0.0
) -> Floats:
    """Return columns that background and halo of a plan can form.

    Parameters
    ----------
    angles : ndarray, shape (n_points,)
        **degree**.
    plan : RefinementPlan
        ``background_terms``, ``halo``, ``humps``, ``blank``.
    extra_terms : int
        Terms added to the polynomial.
    offset : float
        Shift of the Gaussians in spacings.

    Returns
    -------
    ndarray, shape (n_columns, n_points)

    Notes
    -----
    Chebyshev polynomials, and where the plan has a halo a Gaussian every
    :data:`HALO_SPACING` degree: an engine's own smooth curve may be less free than
    this (its Gaussians are not negative), hardly freer.
    """
    unit = 2.0 * (angles - angles[0]) / (angles[-1] - angles[0]) - 1.0
    terms = max(plan.background_terms + extra_terms, 1)
    columns = list(np.polynomial.chebyshev.chebvander(unit, terms - 1).T)
    if plan.halo:
        sine = HALO_Q_MAX * plan.instrument.radiation.wavelength / (4.0 * math.pi)
        end = math.degrees(2.0 * math.asin(min(sine, 1.0)))
        first = float(angles[0]) + offset * HALO_SPACING
        centers = np.arange(first, min(float(angles[-1]), end), HALO_SPACING)
        columns += [_bump(angles, center, HALO_FWHM) for center in centers]
    columns += [_bump(angles, center, HUMP_FWHM) for center in plan.humps]
    if plan.blank is not None:
        known = plan.blank[TWO_THETA].to_numpy(), plan.blank[INTENSITY].to_numpy()
        columns.append(np.interp(angles, *known))
    return np.array(columns)


def overlap_columns(fit: FittedPattern, *, without: int) -> Floats:
    """Return what the other phases can do: their amount, cell and line width.

    Parameters
    ----------
    fit : FittedPattern
        The fitted curves.
    without : int
        The phase that is asked for.

    Returns
    -------
    ndarray, shape (3 x phases that are there, n_points)
        Each component, its slope times tan(theta), and its curvature.
    """
    tangent = np.tan(np.radians(fit.angles) / 2.0)
    columns = []
    for phase in range(len(fit.names)):
        curve = fit.component[phase]
        if phase == without or not np.any(curve > 0.0):
            continue
        slope = np.gradient(curve, fit.angles)
        columns += [curve, slope * tangent, np.gradient(slope, fit.angles)]
    return np.array(columns).reshape(-1, fit.angles.size)


def variance_without(fit: FittedPattern, phase: int | None) -> Floats:
    """Return the variance of each point if a phase were absent, shape (n_points,).

    Notes
    -----
    The fitted intensity without the phase, times the local mean of ``std^2`` over
    intensity (1 for counts): the fitted counts, not the noisy observed ones.
    """
    kernel = np.ones(min(_SMOOTHED, fit.angles.size))
    present = np.maximum(fit.calculated, 1e-12)
    spread = np.convolve(fit.std**2, kernel, mode="same")
    ratio = spread / np.convolve(present, kernel, mode="same")
    without = present if phase is None else present - fit.component[phase]
    return np.asarray(ratio * np.maximum(without, _LEAST_LEFT * present))


def measure(
    fit: FittedPattern, column: Floats, nuisance: Floats, *, phase: int | None
) -> Sensitivity:
    """Return what the points say about the scale of one column.

    Parameters
    ----------
    fit : FittedPattern
        The fitted curves.
    column : ndarray, shape (n_points,)
        What a scale of 1 adds.
    nuisance : ndarray, shape (n_nuisance, n_points)
        Columns projected out: background, halo, other phases.
    phase : int or None
        Which phase of the result the column belongs to; None: one that was not in it.

    Notes
    -----
    With X the weighted nuisance columns and c the weighted column, ``u = c - X X^+ c``
    and ``sigma = |u|^-1``; without projection ``|c|^-1``, which for lines that do not
    overlap is ``[sum_j q_j^2 / sigma_Aj^2]^(-1/2)``.
    """
    sigma = np.sqrt(variance_without(fit, phase))
    weighted = column / sigma
    present = fit.component[phase] if phase is not None else 0.0
    left = (fit.observed - fit.calculated + present) / sigma
    pair = np.vstack([weighted, left])
    own, left = pair - _project(nuisance / sigma, pair)
    length = max(float(own @ own), 1e-300)
    scale = float(own @ left) / length
    actual = (fit.observed - fit.calculated) / fit.std
    variance_per_intensity = float(np.sum(sigma**2))
    without = fit.calculated - (fit.component[phase] if phase is not None else 0.0)
    count = variance_per_intensity / max(float(np.sum(without)), 1e-300)
    simple = float(weighted @ weighted)
    return Sensitivity(
        scale=scale,
        sigma=length**-0.5,
        sigma_simple=max(simple, 1e-300) ** -0.5,
        gof=math.sqrt(float(np.sum((own * actual) ** 2)) / length),
        chi_square=float(left @ left) - scale**2 * length,
        count=count / max(float(np.sum(column)), 1e-300),
    )


def _project(columns: Floats, vectors: Floats) -> Floats:
    """Return the part of vectors (rows) that lies in the space of columns (rows)."""
    norms = np.sqrt(np.einsum("ij,ij->i", columns, columns))
    unit = columns[norms > 0.0] / norms[norms > 0.0, None]
    inverse = np.linalg.pinv(unit @ unit.T, rcond=_RANK, hermitian=True)
    return np.asarray((inverse @ (unit @ vectors.T)).T @ unit)


def _bump(angles: Floats, center: float, fwhm: float) -> Floats:
    return np.asarray(np.exp(-4.0 * math.log(2.0) * ((angles - center) / fwhm) ** 2))
