"""Covariance of parameters of which some stand at their bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.solve import DEEPEST, Restraints

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
_MARGIN = 1e-9
"""Distance from a bound, absolute and relative, that still counts as at it."""
_FINEST = 1e-7
"""Smallest distance from a bound that is tried, over the range between the bounds."""
_FARTHEST = 100.0
"""Standard deviations of its prior that a parameter with one bound may go."""
_TRIALS = 4000
"""Distances tried: neighbours differ by 0.4 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """Bounds and priors as seen from a minimum; arrays of shape (n_free,)."""

    inward: Floats
    """+1 at a lower bound, -1 at an upper one, 0 between them."""
    reach: Floats
    """Distance between the bounds; without one, what a prior makes of it."""
    growth: Floats
    """Sign with which the parameter is the logarithm of a width; 0: it is none."""
    curvature: Floats
    """The prior's share of the normal matrix' diagonal."""
    pull: Floats
    """The prior's share of the gradient, ``curvature * (value - centre)``."""

    @classmethod
    def around(cls, values: Floats, restraints: Restraints, free: Ints) -> Walls:
        """Return the walls around the parameters ``free`` of ``values``."""
        own, low, high = values[free], restraints.low[free], restraints.high[free]
        margin = _MARGIN * (1.0 + np.abs(own))
        curvature = restraints.scale / restraints.sigma[free] ** 2
        sigma = restraints.sigma[free]
        open_range = np.where(np.isfinite(sigma), _FARTHEST * sigma, 1.0)
        return cls(
            inward=1.0 * (own <= low + margin) - 1.0 * (own >= high - margin),
            reach=np.where(np.isfinite(high - low), high - low, open_range),
            growth=restraints.growth[free],
            curvature=curvature,
            pull=curvature * (own - restraints.center[free]),
        )


def inverse_normal(matrix: Floats) -> Floats:
    """Return the inverse of a normal matrix, scaled to unit diagonal meanwhile."""
    norm = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix / np.outer(norm, norm)
    scaled[np.diag_indices_from(scaled)] += 1e-12
    return np.asarray(np.linalg.inv(scaled) / np.outer(norm, norm))


def bounded_covariance(
    hessian: Floats, gradient: Floats, walls: Walls, *, inflation: float
) -> tuple[Floats, Floats]:
    """Return the covariance of parameters, those at their bounds one-sided.

    Parameters
    ----------
    hessian : ndarray, shape (n_free, n_free)
        Half the second derivatives of the total (chi-square and priors).
    gradient : ndarray, shape (n_free,)
        Half the fall of the total by each parameter: 0 but at bounds.
    walls : Walls
        Which parameters stand at bounds.
    inflation : float
        Rise of the total that is one standard deviation: reduced chi-square.

    Returns
    -------
    stated : ndarray, shape (n_free, n_free)
        With the uncertainty of each parameter at its bound as defined below.
    moved : ndarray, shape (n_free, n_free)
        The same for carrying on to other quantities by derivatives: a width counts with
        the relative change of the width, not of ``exp(x)``.

    Notes
    -----
    With no parameter at a bound both are ``inflation * inv(hessian)``. Else that of the
    others is taken with the parameters at bounds held, and each of these adds what the
    others do as it goes inward, ``u u'`` with ``u = (response * s, s)``. Its step ``s``
    is the larger of two:

    - one-sided: how far inward the total, the others following, has risen by
      ``inflation``. It is that of a profile likelihood, and vanishes where the data
      press hard against the bound;
    - symmetric: ``sqrt(inflation / curvature)``, as if there were no bound. An estimate
      stands at a bound where noise or model have pushed it there, the truth then lies
      inward by about this much.

    The total is taken as quadratic in the width ``exp(growth x)``, not in its logarithm
    ``x``, whose curvature vanishes with the width. The variance of a logarithm is
    stated as the squared relative change of ``exp(x)``, so that ``value * esd`` is the
    distance of size or strain from its bound.
    """
    at = np.nonzero(walls.inward)[0]
    loose = np.nonzero(walls.inward == 0.0)[0]
    inner = inflation * inverse_normal(hessian[np.ix_(loose, loose)])
    stated = np.zeros_like(hessian)
    stated[np.ix_(loose, loose)] = inner
    moved = stated.copy()
    for b in at:
        response = -(inner @ hessian[loose, b]) / inflation
        curvature = max(float(hessian[b, b] + hessian[b, loose] @ response), 1e-300)
        slope = float(gradient[b] + gradient[loose] @ response)
        step = max(
            abs(one_sided_step(slope, curvature, walls, int(b), inflation=inflation)),
            float(np.sqrt(inflation / curvature)),
        )
        change = np.zeros(hessian.shape[0])
        change[loose] = response * step * walls.inward[b]
        for matrix, own in (
            (stated, _distance(step, walls, int(b))),
            (moved, step),
        ):
            change[b] = own * walls.inward[b]
            matrix += np.outer(change, change)
    return stated, moved


def one_sided_step(
    slope: float, curvature: float, walls: Walls, b: int, *, inflation: float
) -> float:
    """Return how far inward the total rises by ``inflation``.

    Parameters
    ----------
    slope, curvature : float
        Of half the total's fall by parameter ``b``, all others following.
    walls : Walls
        Bounds and priors.
    b : int
        The parameter.
    inflation : float
        Rise of the total.

    Returns
    -------
    float
        A step in which the pattern is linear: of the width, relative, for its
        logarithm.
    """
    d, growth = walls.inward[b], walls.growth[b]
    x = walls.reach[b] * np.geomspace(_FINEST, 1.0, _TRIALS)
    s = d * x if growth == 0.0 else growth * np.expm1(growth * d * x)
    prior, pull = walls.curvature[b], walls.pull[b]
    data = -2.0 * (slope + pull) * s + max(curvature - prior, 0.0) * s**2
    rise = data + 2.0 * pull * d * x + prior * x**2
    beyond = np.nonzero(rise >= inflation)[0]
    return float(s[beyond[0]] if beyond.size else s[-1])


def _distance(step: float, walls: Walls, b: int) -> float:
    """Return by how much a step moves the parameter; relative for a logarithm."""
    growth = walls.growth[b]
    if growth == 0.0:
        return step
    inner = max(growth * walls.inward[b] * step, DEEPEST)
    return abs(float(np.expm1(growth * np.log1p(inner))))
