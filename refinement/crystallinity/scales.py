"""The scales of a result with everything that makes them uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity.detection import detected_flags
from refinement.result import EXCLUSIVE_CAUSES, SCALE_VARIANT, RefinementResult
from structkit.schema import PHASE

Floats = NDArray[np.float64]

COVERAGE = 1.959963984540054
"""Standard uncertainties on each side of a 95 % interval."""
_ONE_SIDED = "profile"
"""Cause whose variants lie on one side of the fit: a single size gives a line the
lightest tails there are, and every spread of sizes heavier ones."""
_ELSEWHERE = ("particle_size", "film")
"""Causes of a fit's systematic that are counted by the external standard itself."""
_UNKNOWN_ESD = 0.05
"""Relative 1 sigma of a scale of which the engine gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleScales:
    """Mass-proportional scales of one sample, over the phases of the series."""

    phases: tuple[str, ...]
    """Names."""
    values: Floats
    """Scales, zero where a phase is absent, shape (n_phases,)."""
    covariance: Floats
    """Of them: counting, and other admissible choices of the fit; (n_phases,)*2."""
    detected: NDArray[np.bool_]
    """Which phases are seen."""

    def divided_by(self, factors: Floats) -> SampleScales:
        """Return the same with each scale over a factor."""
        return replace(
            self,
            values=self.values / factors,
            covariance=self.covariance / np.outer(factors, factors),
        )

    def without(self, phase: str | None) -> SampleScales:
        """Return the same with one phase taken out (its scale and errors zero)."""
        if phase is None or phase not in self.phases:
            return self
        kept = np.array([name != phase for name in self.phases])
        return SampleScales(
            phases=self.phases,
            values=np.where(kept, self.values, 0.0),
            covariance=self.covariance * np.outer(kept, kept),
            detected=self.detected & kept,
        )


def read_scales(result: RefinementResult, phases: Sequence[str]) -> SampleScales | None:
    """Return the scales of a result.

    Parameters
    ----------
    result : RefinementResult
        Of its parameters: ``scale`` (over the Brindley factor), ``scale_covariance``
        (of the raw scales), and where known ``scale_variants`` (``scale_variant``,
        ``phase``): the scales under other admissible choices.
    phases : sequence of str
        Phases of the series; one that is not in the result has scale zero.

    Notes
    -----
    The tails of lines from crystallites of one size are the lightest that milled
    powders have; a spread of sizes gives heavier ones, which the fit hands to
    background and halo. The scales are taken in the middle between one size and a
    spread of 0.4 in ln(size) (variants of cause ``profile``), and the range between
    them enters as that of a uniform distribution, its width over the root of 12.

    Returns
    -------
    SampleScales, or None
        None where the fit has no numbers.
    """
    parameters = result.parameters
    if not result.status.has_values or "scale" not in parameters:
        return None
    own = [str(name) for name in parameters[PHASE].to_numpy()]
    fitted = np.nan_to_num(parameters["scale"].to_numpy().astype(float))
    tails = _tails(parameters, fitted)
    values = np.maximum(fitted + 0.5 * tails, 0.0)
    covariance = _counting(parameters, fitted) + _choices(parameters, fitted)
    covariance = covariance + np.outer(tails, tails) / 12.0
    seen = detected_flags(parameters)
    at = [own.index(name) if name in own else -1 for name in phases]
    there = np.array([index >= 0 for index in at])
    index = np.maximum(at, 0)
    return SampleScales(
        phases=tuple(phases),
        values=np.where(there, values[index], 0.0),
        covariance=covariance[np.ix_(index, index)] * np.outer(there, there),
        detected=seen[index] & there,
    )


def _counting(parameters: xr.Dataset, values: Floats) -> Floats:
    """Return the covariance of the scales by counting."""
    if "scale_covariance" in parameters:
        matrix = parameters["scale_covariance"].to_numpy().astype(float)
        if "absorption_factor" in parameters:
            factors = parameters["absorption_factor"].to_numpy()
            matrix = matrix / np.outer(factors, factors)
        if np.all(np.isfinite(matrix)):
            return np.asarray(matrix)
    esd = _UNKNOWN_ESD * np.abs(values)
    if "scale_std" in parameters:
        given = parameters["scale_std"].to_numpy().astype(float)
        esd = np.where(np.isfinite(given), given, esd)
    return np.diag(esd**2)


def _tails(parameters: xr.Dataset, values: Floats) -> Floats:
    """Return the change of the scales by the heaviest tails; zero where unknown."""
    if "scale_variants" not in parameters:
        return np.zeros_like(values)
    variants = parameters["scale_variants"].transpose(SCALE_VARIANT, PHASE)
    causes = parameters["scale_variant_cause"].to_numpy()
    own = np.array([str(one) == _ONE_SIDED for one in causes])
    return np.asarray(np.nan_to_num(variants.to_numpy()[own] - values).sum(axis=0))


def _choices(parameters: xr.Dataset, values: Floats) -> Floats:
    """Return the covariance of the scales by what else could have been chosen.

    Each change of the scales by an admissible choice is a half-range of about 95 %.
    Steps of one phase each (B, texture, line shape, film) are independent of one
    another; of choices that exclude each other (backgrounds) the one that changes the
    sum of the scales most counts. The particle size is left out: a milled powder is
    fine, and that of the reference is fitted (:mod:`.external`); so is the film where
    its spread is stated.
    """
    total = np.zeros((values.size, values.size))
    if "scale_variants" not in parameters:
        return total
    variants = parameters["scale_variants"].transpose(SCALE_VARIANT, PHASE)
    causes = [str(one) for one in parameters["scale_variant_cause"].to_numpy()]
    changes = np.nan_to_num(variants.to_numpy() - values) / COVERAGE
    for cause in dict.fromkeys(causes):
        own = changes[[one == cause for one in causes]]
        if cause in ("", _ONE_SIDED, *_ELSEWHERE):
            continue
        if cause in EXCLUSIVE_CAUSES:
            total += _envelope(own)
        else:
            total += own.T @ own
    return total


def _envelope(changes: Floats) -> Floats:
    """Return a covariance as large as the largest change of each phase and of the sum.

    The choice that changes the sum most sets the correlation; where another changes a
    phase more, that phase's own variance is raised to it.
    """
    leading = changes[int(np.argmax(np.abs(changes.sum(axis=1))))]
    matrix = np.outer(leading, leading)
    lacking = np.max(changes**2, axis=0) - np.diag(matrix)
    return np.asarray(matrix + np.diag(np.maximum(lacking, 0.0)))
