"""Coarse search for cells that a refinement could not reach by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from refinement.engines.native.fit import Prepared
from refinement.engines.native.layout import OFFSET
from refinement.plan import RefinementPlan

Floats = NDArray[np.float64]
_BROADENINGS = (0.6, 0.25)
"""Gaussian FWHM (degree) by which lines are broadened, wide to narrow."""
_WINDOW = 4.0
"""Half-range of a line in FWHM while searching."""
_SHRINK = (1.0, 0.3)
"""Range of each round, as a share of the first."""

_OFFSET_REACH, _OFFSET_STEP = 0.45, 0.03
"""How far, and how finely, a shift of measured components is looked for, degree:
lines of 0.1 degree are still caught from the next step."""


def search_offset(prepared: Prepared, start: Floats) -> Floats:
    """Return parameters with the shift of the measured components found roughly.

    Parameters
    ----------
    prepared : Prepared
        Pattern and model.
    start : ndarray, shape (n_parameters,)
        Where the search starts.

    Returns
    -------
    ndarray, shape (n_parameters,)
        As ``start`` where no component moves.

    Notes
    -----
    A measured line is as narrow as the sample's, and a library is often some tenths
    of a degree off: too far for a refinement to find its way. A displaced sample
    moves structures and components alike, so both are moved together first, then
    each alone; the linear problem is solved exactly for each trial.
    """
    layout, plan = prepared.model.layout, prepared.model.plan
    if OFFSET not in layout.names:
        return start
    common = [layout.names.index(OFFSET)]
    rounds = [common]
    if plan.phases and plan.shift != "fixed":
        lines = [layout.names.index("shift")]
        rounds = [common + lines, common, lines]
    ladder = np.arange(-_OFFSET_REACH, _OFFSET_REACH + 1e-9, _OFFSET_STEP)
    best = start
    lowest = prepared.problem.evaluate(best).chi_square
    for moved in rounds:
        for step in ladder:
            values = best.copy()
            values[moved] = step
            found = prepared.problem.evaluate(values)
            if found.chi_square < lowest:
                lowest, best = found.chi_square, values
    return best


def search_cells(
    prepared: Prepared,
    start: Floats,
    phases: list[int],
    *,
    half_range: float,
    log2_points: int = 6,
    seed: int = 20260101,
) -> Floats:
    """Return parameters with the best cells of a Sobol search.

    Parameters
    ----------
    prepared : Prepared
        Pattern and model.
    start : ndarray, shape (n_parameters,)
        Where the search is centred.
    phases : list of int
        Phases whose cells are searched, one after the other.
    half_range : float
        Range of each strain in units of 1e-3.
    log2_points : int
        2 to this power trial cells for each phase and round.
    seed : int
        Of the scrambled Sobol sequence.

    Notes
    -----
    Lines are broadened, so that a trial cell attracts from afar; the linear problem
    is solved exactly for each trial. First all lengths are scaled together (a
    computed cell is mostly too large as a whole), then each strain by itself, in two
    rounds of falling range and broadening.
    """
    best = start
    problem = prepared.problem
    layout = prepared.model.layout
    for phase in phases:
        part = layout.strain_slices[phase]
        n = part.stop - part.start
        for broaden, shrink in zip(_BROADENINGS, _SHRINK, strict=True):
            reach = half_range * shrink
            trials = _trials(prepared, phase, n, reach, log2_points, seed)
            center = best[part].copy()
            lowest = np.inf
            for offset in trials:
                values = best.copy()
                values[part] = center + offset
                found = problem.evaluate(values, broaden=broaden, window=_WINDOW)
                if found.chi_square < lowest:
                    lowest, winner = found.chi_square, values
            best = winner
    return best


def _trials(
    prepared: Prepared, phase: int, n: int, reach: float, log2_points: int, seed: int
) -> Floats:
    """Return strains to try: isotropic ones on a fine ladder, then a Sobol cloud."""
    basis = prepared.model.lines[phase].basis
    isotropic = basis.isotropic()
    ladder = np.linspace(-1.0, 1.0, 81)[:, None] * reach * isotropic
    if n == 1:
        return np.asarray(ladder)
    cloud = qmc.Sobol(n, seed=seed).random_base2(log2_points)
    around = reach * (2.0 * cloud - 1.0)
    steps = np.linspace(-1.0, 1.0, 9)[:, None, None] * reach * isotropic
    rows = (steps + 0.35 * around[None, :, :]).reshape(-1, n)
    return np.vstack([ladder, np.clip(rows, -reach, reach)])


def uncertain_phases(plan: RefinementPlan) -> list[int]:
    """Return the phases whose cell the plan calls uncertain."""
    return [i for i, phase in enumerate(plan.phases) if phase.cell_uncertain]
