"""From scales to weight fractions: microabsorption and the esds of shares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.plan import RefinementPlan
from refinement.result import EXCLUSIVE_CAUSES
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.absorption import brindley_factor
from structkit.xrd.scattering import linear_absorption

Floats = NDArray[np.float64]
ONE_SIDED_95 = 1.645
"""Standard uncertainties up to a one-sided 95 % limit."""


def fractions(scales: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Return ``S / sum S`` and the covariance of it, NaN where every scale is 0."""
    total = float(scales.sum())
    if total <= 0.0:
        return np.zeros_like(scales), np.full_like(covariance, np.nan)
    share = scales / total
    slope = (np.eye(scales.size) - share[:, None]) / total
    return share, slope @ covariance @ slope.T


def spread_by_cause(values: Floats, causes: Sequence[str]) -> Floats:
    """Return the half-range of values over admissible choices.

    Parameters
    ----------
    values : ndarray, shape (n_variants, ...)
        Any function of the scales under each choice; the first is the fit itself.
    causes : sequence of str, length n_variants
        Cause of each variant. Backgrounds and particle sizes are alternatives: the
        largest change counts. Other causes are steps of one phase each, which add in
        quadrature.

    Returns
    -------
    ndarray, shape (...)
        About 95 %, not 1 sigma: causes added in quadrature.
    """
    changes = np.abs(values - values[0])
    total = np.zeros_like(changes[0])
    for cause in dict.fromkeys(causes):
        own = changes[[one == cause for one in causes]]
        whole = (
            own.max(axis=0) if cause in EXCLUSIVE_CAUSES else np.sqrt((own**2).sum(0))
        )
        total = total + whole**2
    return np.asarray(np.sqrt(total))


def scale_spread(
    parameters: xr.Dataset, weights: Floats, *, causes: Sequence[str] | None = None
) -> float:
    """Return the half-range of ``sum_p w_p S_p`` over a fit's admissible choices.

    Parameters
    ----------
    parameters : xarray.Dataset
        Of a result, with ``scale_variants``.
    weights : ndarray, shape (n_phases,)
        Weight of each phase's scale in the sum.
    causes : sequence of str, optional
        Causes to count, as in ``scale_variant_cause``; default: all.

    Returns
    -------
    float
        About 95 %, not 1 sigma, in units of the sum; NaN where the result has no
        variants.
    """
    if "scale_variants" not in parameters:
        return float("nan")
    found = [str(one) for one in parameters["scale_variant_cause"].to_numpy()]
    kept = [causes is None or one in ("", *causes) for one in found]
    sums = parameters["scale_variants"].to_numpy()[kept] @ weights
    own = [one for one, keep in zip(found, kept, strict=True) if keep]
    return float(spread_by_cause(sums, own))


def linear_covariance(columns: Floats, std: Floats, *, gof: float) -> Floats:
    """Return the covariance of the amounts of columns, all else held.

    Parameters
    ----------
    columns : ndarray, shape (n_columns, n_points)
        What each amount of 1 adds to the pattern.
    std : ndarray, shape (n_points,)
        1 sigma of the points.
    gof : float
        Goodness of fit, by which esds are scaled where it exceeds 1.

    Returns
    -------
    ndarray, shape (n_columns, n_columns)
        NaN where a column is empty. For phases whose scale stands at zero, of which
        a fit says nothing.
    """
    weighted = columns / std
    norms = np.sqrt(np.einsum("ij,ij->i", weighted, weighted))
    used = norms > 0.0
    unit = weighted[used] / norms[used, None]
    inverse = np.linalg.pinv(unit @ unit.T, rcond=1e-12, hermitian=True)
    covariance = np.full((norms.size, norms.size), np.nan)
    inner = inverse / np.outer(norms[used], norms[used]) * max(gof, 1.0) ** 2
    covariance[np.ix_(used, used)] = inner
    return covariance


def _absorption_and_density(plan: RefinementPlan) -> tuple[Floats, Floats]:
    """Return the linear absorption (1/cm) and density (g/cm3) of each phase."""
    wavelength = plan.instrument.radiation.wavelength
    structures = tuple(phase.structure for phase in plan.phases)
    return _facts_of(structures, wavelength)


@lru_cache(maxsize=16)
def _facts_of(
    structures: tuple[CrystalStructure, ...], wavelength: float
) -> tuple[Floats, Floats]:
    absorption = [
        linear_absorption(one.atom_counts, one.cell.volume, wavelength)
        for one in structures
    ]
    return np.array(absorption), np.array([one.density for one in structures])


def absorption_factors(
    plan: RefinementPlan, volume_shares: Floats, *, diameter_um: float | None = None
) -> Floats:
    """Return the Brindley factor tau of each phase.

    Parameters
    ----------
    plan : RefinementPlan
        Particle sizes by phase, else by plan.
    volume_shares : ndarray, shape (n_phases,)
        Volume fractions, for the mean absorption coefficient.
    diameter_um : float, optional
        One diameter (micrometre) in place of the plan's.
    """
    absorption, _ = _absorption_and_density(plan)
    mean = float(volume_shares @ absorption)
    factors = np.ones(len(plan.phases))
    for number, phase in enumerate(plan.phases):
        diameter = diameter_um
        if diameter is None:
            diameter = phase.particle_size_um or plan.particle_size_um
        if diameter:
            radius_cm = 0.5e-4 * diameter
            factors[number] = brindley_factor((absorption[number] - mean) * radius_cm)
    return factors


def corrected_scales(
    plan: RefinementPlan, scales: Floats, *, diameter_um: float | None = None
) -> tuple[Floats, Floats]:
    """Return scales over tau, and tau itself (volume shares iterated)."""
    _, densities = _absorption_and_density(plan)
    factors = np.ones(scales.size)
    for _ in range(3):
        volume = np.maximum(scales / factors, 0.0) / densities
        total = float(volume.sum())
        if total <= 0.0:
            return scales, factors
        factors = absorption_factors(plan, volume / total, diameter_um=diameter_um)
    return scales / factors, factors
