"""Standard uncertainties of a fit: scales, fractions, cells, limits."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.bounds import (
    Walls,
    bounded_covariance,
    inverse_normal,
)
from refinement.engines.native.fit import Fit
from refinement.engines.native.problem import Linearized, reduced_normal

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariance:
    """Covariances at the minimum, times reduced chi-square (at least 1)."""

    nonlinear: Floats
    """Free nonlinear parameters, shape (n_free, n_free)."""
    free: NDArray[np.int64]
    """Their indices in the layout."""
    linear: Floats
    """Chosen linear columns."""
    chosen: NDArray[np.int64]
    """Their indices among all linear columns; every phase's scale is one."""
    phase_scales: Floats
    """Covariance of the phases' scales, shape (n_phases, n_phases)."""
    amounts: Floats
    """Covariance of the phases' scales and the measured components' amounts."""
    heights: Floats
    """Covariance of the phases' largest heights with each other, then with scales and
    amounts, shape (n_phases, 2 n_phases + n_components); empty without components."""
    detection: Floats
    """Scale of each phase that would just be detected (Currie), shape (n_phases,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """What the other patterns of a joint fit say about one pattern's parameters.

    In the units of that pattern's chi-square; zero but for what is shared.
    """

    normal: Floats
    """Normal matrix of the free parameters, shape (n_free, n_free)."""
    gradient: Floats
    """Half the fall of the others' total by each, shape (n_free,)."""


def estimate_covariance(fit: Fit, *, others: Others | None = None) -> Covariance:
    """Return the covariances of a fit.

    Parameters
    ----------
    fit : Fit
        The minimum.
    others : Others, optional
        What other patterns know about shared parameters.

    Returns
    -------
    Covariance

    Notes
    -----
    What a nonlinear parameter at its bound contributes, to its own uncertainty and to
    that of the scales, is defined in :func:`.bounds.bounded_covariance`.

    Columns at zero, phases and halo alike, are kept among the parameters: a vanished
    phase has a standard uncertainty and an upper limit, and what the halo could have
    taken from a broad phase is part of that phase's uncertainty. The detection limit is
    ``2.71 + 3.29 sigma_0`` (counts) of the scale in a pattern without the phase,
    every other scale and the background free, inflated by GOF. Where the data would
    rather have a phase at zero below zero, the model is wrong by at least that much:
    the deficit is added to its variance and to its detection limit.

    References
    ----------
    Currie (1968), Anal. Chem. 40, 586, doi:10.1021/ac60259a007.
    """
    problem, minimum = fit.prepared.problem, fit.minimum
    model = problem.model
    found = minimum.found
    free = np.nonzero(minimum.free)[0]
    linear = minimum.linear
    jacobian = (
        linear.jacobian
        if isinstance(linear, Linearized)
        else problem.jacobian(found, minimum.free)
    )
    bases = model.columns[:-1]
    passive = np.ones_like(found.passive)
    reduced, inverse, transfer = reduced_normal(
        problem, found, jacobian, passive=passive
    )
    inflation = max(fit.gof_square, 1.0)
    curvature = fit.restraints.scale / fit.restraints.sigma[free] ** 2
    pull = curvature * (found.values[free] - fit.restraints.center[free])
    hessian = reduced + np.diag(curvature)
    gradient = jacobian @ found.residual - pull
    if others is not None:
        hessian, gradient = hessian + others.normal, gradient + others.gradient
    nonlinear, moved = bounded_covariance(
        hessian,
        gradient,
        Walls.around(found.values, fit.restraints, free),
        inflation=inflation,
    )
    linear = inflation * inverse + transfer @ moved @ transfer.T
    chosen = np.nonzero(passive)[0]
    measured = np.arange(model.n_drawn, model.n_columns)
    place = np.searchsorted(chosen, bases)
    both = np.searchsorted(chosen, np.concatenate([bases, measured]))
    deficit = _deficits(fit, bases)
    linear[place, place] += deficit**2
    linear[measured, measured] += _deficits(fit, measured) ** 2
    heights = np.empty((0, 0))
    if measured.size:
        gradients = _height_gradients(fit, jacobian)
        heights = _height_covariance(gradients, linear, nonlinear, transfer, both)
    return Covariance(
        nonlinear=nonlinear,
        free=free,
        linear=linear,
        chosen=chosen,
        phase_scales=linear[np.ix_(place, place)],
        amounts=linear[np.ix_(both, both)],
        heights=heights,
        detection=_detection_scales(fit, passive, np.sqrt(inflation)) + deficit,
    )


def _height_gradients(fit: Fit, jacobian: Floats) -> tuple[Floats, Floats]:
    """Return how each phase's largest height grows with linear and free parameters.

    What moves a line without changing its shape moves no maximum.
    """
    problem, found = fit.prepared.problem, fit.minimum.found
    model = problem.model
    free = np.nonzero(fit.minimum.free)[0]
    still = np.array([kind.startswith("cell") for kind in model.layout.kinds])[free]
    by_linear = np.zeros((len(model.lines), found.amounts.size))
    by_free = np.zeros((len(model.lines), free.size))
    for number, own in enumerate(itertools.pairwise(model.columns)):
        columns = found.columns[slice(*own)] / problem.root_weight
        at = int(np.argmax(found.amounts[slice(*own)] @ columns))
        by_linear[number, slice(*own)] = columns[:, at]
        shaping = (model.layout.phase[free] == number) & ~still
        by_free[number, shaping] = jacobian[shaping, at] / problem.root_weight[at]
    return by_linear, by_free


def _height_covariance(
    gradients: tuple[Floats, Floats],
    linear: Floats,
    nonlinear: Floats,
    transfer: Floats,
    both: NDArray[np.int64],
) -> Floats:
    """Return the covariance of heights with themselves, then scales and amounts."""
    by_linear, by_free = gradients
    crossed = -transfer @ nonlinear  # linear parameters follow the nonlinear ones
    with_linear = by_linear @ linear + by_free @ crossed.T
    with_free = by_linear @ crossed + by_free @ nonlinear
    own = with_linear @ by_linear.T + with_free @ by_free.T
    return np.hstack([own, with_linear[:, both]])


def scale_significance(fit: Fit) -> Floats:
    """Return scale over esd of each phase, line shapes taken as fixed."""
    problem, found = fit.prepared.problem, fit.minimum.found
    bases = problem.model.columns[:-1]
    passive = found.passive.copy()
    passive[bases] = True
    nothing = np.empty((0, problem.n_points))
    _, inverse, _ = reduced_normal(problem, found, nothing, passive=passive)
    place = np.searchsorted(np.nonzero(passive)[0], bases)
    esd = np.sqrt(np.diag(inverse)[place] * max(fit.gof_square, 1.0))
    return np.asarray(found.amounts[bases] / esd)


def _deficits(fit: Fit, bases: NDArray[np.int64]) -> Floats:
    """Return how far below zero each column held at zero would go if it might."""
    problem, found = fit.prepared.problem, fit.minimum.found
    deficits = np.zeros(bases.size)
    for number, base in enumerate(bases):
        if found.amounts[base] <= 0.0 and found.columns[base].any():
            amounts = problem.solve(found.columns, also_free=int(base))[0]
            deficits[number] = max(-float(amounts[base]), 0.0)
    return deficits


def _detection_scales(fit: Fit, passive: NDArray[np.bool_], gof: float) -> Floats:
    """Return the scale of each phase at its detection limit."""
    problem, found = fit.prepared.problem, fit.minimum.found
    n = problem.model.n_columns
    chosen = np.nonzero(passive)[0]
    columns = np.vstack(
        [found.columns[chosen[chosen < n]], problem.background[chosen[chosen >= n] - n]]
    )
    calculated = problem.observed - found.residual
    # What one count adds to the intensity, in its own units: 1 where these are counts.
    intensity = float(np.sum(calculated / problem.root_weight))
    count = float(np.sum(problem.root_weight**-2.0)) / max(intensity, 1e-300)
    limits = []
    for base in problem.model.columns[:-1]:
        # Variance the points would have without this phase, over the present one.
        without = calculated - found.amounts[base] * found.columns[base]
        present = np.maximum(calculated, 1e-12)
        relative = np.clip(without / present, 1e-3, None)
        rescaled = columns / np.sqrt(relative)
        inverse = inverse_normal(rescaled @ rescaled.T)
        at = int(np.searchsorted(chosen, base))
        sigma = gof * float(np.sqrt(inverse[at, at]))
        unit = float(np.sum(found.columns[base] * problem.root_weight**-1))
        limits.append(3.29 * sigma + 2.71 * count / max(unit, 1e-300))
    return np.array(limits)
