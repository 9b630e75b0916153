"""How much worse the data are described where a band is not there.

The ratio of two likelihoods: of the fit, and of the best one without the band. The
square of area over sigma stands for its logarithm only where chi-square is a parabola
down to an area of zero. It is not where broad bands overlap: without one, its
neighbours would have to change by many of their sigmas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from structkit.raman.fit import BandFit, make_evaluate
from structkit.raman.problem import Normal
from structkit.raman.solve import Evaluate, minimise

Floats = NDArray[np.float64]

_STEPS = 30
_ENOUGH = 0.05
"""Decrease of half of chi-square, in units of the misfit, not worth a step."""
_RIDGE = 1e-10


def gain_of_amounts(fit: BandFit, column: int, members: Sequence[int]) -> float:
    """Return how much chi-square rises without a column, all shapes as they are.

    Parameters
    ----------
    fit : BandFit
        A fit at its best values.
    column : int
        Place among ``fit.model.names``.
    members : sequence of int
        Spectra that lose it.

    Returns
    -------
    float
        The most that the column can be worth: only the amounts of the others adapt.

    Notes
    -----
    The light is linear in the amounts, so the normal equations at the minimum, the
    baseline projected out, give it exactly.
    """
    n, linear = fit.layout.n_shared, fit.layout.linear
    place = fit.layout.columns.start + column
    rise = 0.0
    for member in members:
        normal = fit.solution.normals[member]
        amounts = fit.solution.locals[member][linear]
        matrix = normal.matrix[n:, n:][linear, linear]
        gradient = normal.gradient[n:][linear]
        kept = np.delete(np.arange(amounts.size), place)
        scale = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
        values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
        root = (vectors * np.sqrt(np.maximum(values, _RIDGE))).T
        # Half of |root x - y|^2 is the cost, up to a constant.
        target = (matrix @ amounts - gradient) / scale
        wanted = (vectors / np.sqrt(np.maximum(values, _RIDGE))).T @ target
        _, left = nnls(root[:, kept], wanted)
        before = float(np.sum((root @ (scale * amounts) - wanted) ** 2))
        rise += max(left**2 - before, 0.0)
    return rise


def gain_of_band(
    fit: BandFit, column: int, members: Sequence[int], *, misfit: float
) -> float:
    """Return how much chi-square rises without a column, everything else free.

    Parameters
    ----------
    fit : BandFit
        A fit at its best values.
    column : int
        Place among ``fit.model.names``.
    members : sequence of int
        Spectra that lose it. What the others say of the shared parameters is kept as
        a parabola.
    misfit : float
        Unit of chi-square in which a further step is judged.

    Returns
    -------
    float
        Found by least squares that start from the fit.
    """
    chosen = list(members)
    part = replace(
        fit,
        spectra=tuple(fit.spectra[k] for k in chosen),
        solution=replace(
            fit.solution,
            locals=tuple(fit.solution.locals[k] for k in chosen),
            normals=tuple(fit.solution.normals[k] for k in chosen),
        ),
    )
    others = [k for k in range(len(fit.spectra)) if k not in chosen]
    known = _known_from(fit, others)
    evaluate = make_evaluate(part)
    if others:
        evaluate = _with_known(evaluate, known)
    place = fit.layout.columns.start + column
    priors = fit.local_priors
    high = priors.high.copy()
    high[place] = priors.low[place]
    costs = [
        minimise(
            evaluate,
            fit.solution.shared,
            part.solution.locals,
            shared_priors=fit.shared_priors,
            local_priors=own,
            max_steps=steps,
            enough=_ENOUGH * misfit,
        ).cost
        for own, steps in ((priors, 0), (replace(priors, high=high), _STEPS))
    ]
    return 2.0 * max(costs[1] - costs[0], 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """Cost of some spectra as a parabola of the shared parameters."""

    centre: Floats
    matrix: Floats
    gradient: Floats


def _known_from(fit: BandFit, spectra: Sequence[int]) -> _Known:
    """Return what some spectra say of the shared parameters, near the minimum.

    Their own parameters follow along, but for those that stand at a limit.
    """
    n = fit.layout.n_shared
    priors = fit.local_priors
    matrix, gradient = np.zeros((n, n)), np.zeros(n)
    for number in spectra:
        normal, own = fit.solution.normals[number], fit.solution.locals[number]
        free = np.flatnonzero((own > priors.low) & (own < priors.high))
        block = normal.matrix[n:, n:] + np.diag(priors.std**-2.0)
        border = normal.matrix[n:, :n][free]
        right = normal.gradient[n:] + (own - priors.mean) / priors.std**2
        columns = np.column_stack([border, right[free]])
        solved = np.linalg.lstsq(block[np.ix_(free, free)], columns, rcond=1e-12)[0]
        matrix += normal.matrix[:n, :n] - border.T @ solved[:, :-1]
        gradient += normal.gradient[:n] - border.T @ solved[:, -1]
    return _Known(fit.solution.shared, matrix, gradient)


def _with_known(evaluate: Evaluate, known: _Known) -> Evaluate:
    """Return an evaluation that adds what is known of the shared parameters."""

    def both(shared: Floats, locals_: Sequence[Floats]) -> list[Normal]:
        first, *rest = evaluate(shared, locals_)
        n = shared.size
        away = shared - known.centre
        slope = known.matrix @ away
        matrix, gradient = first.matrix.copy(), first.gradient.copy()
        matrix[:n, :n] += known.matrix
        gradient[:n] += known.gradient + slope
        more = 2.0 * float(known.gradient @ away) + float(away @ slope)
        return [Normal(matrix, gradient, first.chi_square + more), *rest]

    return both
