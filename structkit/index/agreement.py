"""Whether techniques agree: each against the rest, and all on one sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from structkit.index.evidence import Evidence
from structkit.index.latent import Problem, drop_copies, solve
from structkit.index.scores import Score

Floats = NDArray[np.float64]

FAMILY_LEVEL = 0.03
"""Chance that any technique of an honest series is said to stand off."""
SAMPLE_LEVEL = 0.01
"""Chance that the techniques of any sample of an honest series are said to scatter."""
_GRID = np.linspace(0.0, 1.0, 1001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One technique against all others."""

    name: str
    """The technique."""
    value: float
    """Constant by which its share stands off; NaN where there is nothing to compare."""
    std: float
    """1 sigma of it."""
    p_value: float
    """Chance of one as large without a difference, two-sided."""

    @property
    def comparable(self) -> bool:
        """Return whether there was anything to compare with."""
        return math.isfinite(self.p_value)


def compare_with_rest(
    evidence: Sequence[Evidence], *, n_samples: int
) -> tuple[Difference, ...]:
    """Return by how much each technique stands off the others along the series.

    Parameters
    ----------
    evidence : sequence of Evidence
        Copies count once.
    n_samples : int
        Samples of the series.

    Returns
    -------
    tuple of Difference
        One for each technique: a constant of the share is fitted beside shares and
        shared errors, so that what end points or cross-sections explain is no
        difference.
    """
    kept = drop_copies(evidence)
    return tuple(_stand_off(kept, number, n_samples) for number in range(len(kept)))


def _stand_off(
    evidence: tuple[Evidence, ...], number: int, n_samples: int
) -> Difference:
    """Return the constant of one technique."""
    name = evidence[number].name
    others = [one.measured for k, one in enumerate(evidence) if k != number]
    common = evidence[number].measured & np.any(others, axis=0) if others else None
    if common is None or not common.any():
        return Difference(name=name, value=math.nan, std=math.nan, p_value=math.nan)
    problem = Problem(evidence=evidence, n_samples=n_samples, suspect=number)
    found = solve(problem)
    value = float(found.unknown[-1])
    std = math.sqrt(float(found.covariance[-1, -1]))
    without = solve(Problem(evidence=evidence, n_samples=n_samples))
    # the likelihood ratio holds where the link is not straight, too
    gained = max(without.chi_square - found.chi_square, 0.0)
    return Difference(
        name=name, value=value, std=std, p_value=float(chi2.sf(gained, 1))
    )


def standing_off(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return the techniques that stand off, the surest first (Bonferroni)."""
    known = [one for one in differences if one.comparable]
    level = FAMILY_LEVEL / max(len(known), 1)
    found = [one for one in known if one.p_value < level]
    return tuple(sorted(found, key=lambda one: one.p_value))


def scatter_of(scores: Sequence[Score], sample: int) -> tuple[float, int]:
    """Return p of Cochran's Q of one sample's scores, and how many there are."""
    values = np.array([one.value[sample] for one in scores])
    stds = np.array([one.std[sample] for one in scores])
    kept = np.isfinite(values) & np.isfinite(stds)
    count = int(kept.sum())
    if count < 2:
        return math.nan, count
    weight = stds[kept] ** -2
    mean = (weight * values[kept]).sum() / weight.sum()
    q = float((weight * (values[kept] - mean) ** 2).sum())
    return float(chi2.sf(q, count - 1)), count


def overlap_of(scores: Sequence[Score], sample: int) -> float:
    """Return the Jensen-Shannon divergence of one sample's scores, 0 to 1.

    0 where all say the same, 1 where none overlaps; NaN with fewer than two. It is
    shown, not judged by: a narrow score inside a broad one has a large divergence and
    no conflict.

    References
    ----------
    Lin, 1991, 10.1109/18.61115.
    """
    densities = []
    for one in scores:
        value, std = float(one.value[sample]), float(one.std[sample])
        if not (math.isfinite(value) and math.isfinite(std)):
            continue
        exponent = -0.5 * ((_GRID - value) / max(std, _GRID[1])) ** 2
        density = np.exp(exponent - exponent.max())
        densities.append(density / density.sum())
    if len(densities) < 2:
        return math.nan
    mean = np.mean(densities, axis=0)
    inner = float(np.mean([_entropy(one) for one in densities]))
    return float(np.clip((_entropy(mean) - inner) / math.log(len(densities)), 0, 1))


def _entropy(density: Floats) -> float:
    """Return the entropy of a discrete density, nat."""
    kept = density[density > 0.0]
    return float(-(kept * np.log(kept)).sum())
