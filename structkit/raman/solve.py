"""Least squares of one or many spectra with shared parameters, within limits.

The normal equations of spectra that share some parameters look like an arrow: one
border for what is shared, one block for each spectrum. The blocks are eliminated one
by one, so the cost grows with the number of spectra and no faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from structkit.raman.layout import Priors
from structkit.raman.problem import Normal

Floats = NDArray[np.float64]
Evaluate = Callable[[Floats, Sequence[Floats]], list[Normal]]

MAX_STEPS = 60
ENOUGH = 1e-3
"""Decrease of half of chi-square that is not worth a further step."""
_NEAR = 0.1
"""Promised decrease below which a step that brings less is no sign of a fault."""
_DAMPING_START = 1e-3
_DAMPING_LIMITS = (1e-9, 1e8)
_VALLEY = 0.5
"""Share of the rise that a parabola foretells, above which no ridge lies between."""
_MAX_PINS = 8
"""How often a step is solved again with more parameters left at their limits."""
_TINY = 1e-12
_ZERO = 1e-200
"""Raises a diagonal element that is zero, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """Where least squares ended."""

    shared: Floats
    """Shared parameters."""
    locals: tuple[Floats, ...]
    """Own parameters of each spectrum."""
    normals: tuple[Normal, ...]
    """Normal equations there, without priors."""
    cost: float
    """Half of chi-square, with priors."""
    steps: int
    """Steps taken."""
    converged: bool
    """Whether no further step is worth it."""


@dataclass(slots=True)
class _State:
    shared: Floats
    locals: list[Floats]
    normals: list[Normal]
    cost: float


def minimise(
    evaluate: Evaluate,
    shared: Floats,
    locals_: Sequence[Floats],
    *,
    shared_priors: Priors,
    local_priors: Priors,
    max_steps: int = MAX_STEPS,
    enough: float = ENOUGH,
    abandon: Callable[[Solution], bool] | None = None,
) -> Solution:
    """Find the least squares within limits by damped Gauss-Newton steps.

    Parameters
    ----------
    evaluate : callable
        Returns the normal equations of every spectrum at given parameters.
    shared : ndarray, shape (n_shared,)
        Start.
    locals_ : sequence of ndarray, shape (n_local,)
        Start of each spectrum.
    shared_priors, local_priors : Priors
        Priors and limits; a parameter whose limits coincide is held.
    max_steps : int
        Steps before it gives up.
    enough : float
        Decrease of half of chi-square that is not worth a further step.
    abandon : callable, optional
        Told where it stands before every step; it ends there where the answer is yes.

    Returns
    -------
    Solution
    """
    state = _start(evaluate, shared, locals_, shared_priors, local_priors)
    damping = _DAMPING_START
    for step in range(max_steps):
        if abandon is not None:
            reached = _finish(state, step, converged=False)
            if abandon(reached):
                return reached
        system = _System(state, shared_priors, local_priors)
        move_shared, move_locals, expected = system.solve(damping)
        promised = expected
        while True:
            if expected < enough:
                done = promised < max(_NEAR, enough)
                return _finish(state, step, converged=done)
            trial = _start(
                evaluate,
                state.shared + move_shared,
                [a + b for a, b in zip(state.locals, move_locals, strict=True)],
                shared_priors,
                local_priors,
            )
            gained = state.cost - trial.cost
            if gained > 0.0:
                break
            damping *= 8.0
            if damping > _DAMPING_LIMITS[1]:
                return _finish(state, step, converged=False)
            move_shared, move_locals, expected = system.solve(damping)
        state = trial
        better = gained / max(expected, _TINY)
        factor = 0.1 if better > 0.5 else 0.5 if better > 0.25 else 4.0
        damping = max(damping * factor, _DAMPING_LIMITS[0])
        if gained < enough and promised < max(_NEAR, enough):
            return _finish(state, step + 1, converged=True)
    return _finish(state, max_steps, converged=False)


def in_same_valley(
    lowest: Solution, other: Solution, *, shared_priors: Priors, local_priors: Priors
) -> bool:
    """Return whether least squares that go on from ``other`` would end at the lowest.

    Parameters
    ----------
    lowest : Solution
        Where least squares ended.
    other : Solution
        On its way.
    shared_priors, local_priors : Priors
        Of both.

    Notes
    -----
    The normal equations at the minimum foretell how far the cost rises from there to
    the other place. Where a ridge lies between, it rose by much less. In 312 fits of
    simulated spectra, each from two starts, half of what is foretold parted 85 of 88
    starts that ended lower from most of those that ended in the same place.
    """
    n = lowest.shared.size
    shared = other.shared - lowest.shared
    rise = float(np.sum((shared / shared_priors.std) ** 2))
    for normal, mine, theirs in zip(
        lowest.normals, lowest.locals, other.locals, strict=True
    ):
        own = theirs - mine
        rise += float(np.sum((own / local_priors.std) ** 2))
        rise += float(shared @ normal.matrix[:n, :n] @ shared)
        rise += 2.0 * float(own @ normal.matrix[n:, :n] @ shared)
        rise += float(own @ normal.matrix[n:, n:] @ own)
    return other.cost - lowest.cost > _VALLEY * 0.5 * rise


def _start(
    evaluate: Evaluate,
    shared: Floats,
    locals_: Sequence[Floats],
    shared_priors: Priors,
    local_priors: Priors,
) -> _State:
    """Return the state at parameters, brought inside their limits."""
    inside = np.clip(shared, shared_priors.low, shared_priors.high)
    each = [np.clip(own, local_priors.low, local_priors.high) for own in locals_]
    normals = evaluate(inside, each)
    cost = 0.5 * sum(n.chi_square for n in normals)
    cost += _prior_cost(inside, shared_priors)
    cost += sum(_prior_cost(own, local_priors) for own in each)
    return _State(inside, each, normals, cost)


def _finish(state: _State, steps: int, *, converged: bool) -> Solution:
    return Solution(
        shared=state.shared,
        locals=tuple(state.locals),
        normals=tuple(state.normals),
        cost=state.cost,
        steps=steps,
        converged=converged,
    )


def _prior_cost(values: Floats, priors: Priors) -> float:
    """Return half of the squares of a vector's priors."""
    distance = (values - priors.mean) / priors.std
    return 0.5 * float(distance @ distance)


def _prior_gradient(values: Floats, priors: Priors) -> Floats:
    return np.asarray((values - priors.mean) / priors.std**2)


class _System:
    """The damped normal equations at one state, blocks apart."""

    def __init__(self, state: _State, shared: Priors, own: Priors) -> None:
        n = state.shared.size
        self._n = n
        self._state, self._priors = state, (shared, own)
        self._gradient = _prior_gradient(state.shared, shared)
        self._shared = np.diag(shared.std**-2.0)
        self._blocks: list[tuple[Floats, Floats, Floats]] = []
        for values, normal in zip(state.locals, state.normals, strict=True):
            self._shared += normal.matrix[:n, :n]
            self._gradient = self._gradient + normal.gradient[:n]
            gradient = normal.gradient[n:] + _prior_gradient(values, own)
            matrix = normal.matrix[n:, n:] + np.diag(own.std**-2.0)
            moves = _movable(values, gradient, own)
            self._blocks.append(_pinned(matrix, normal.matrix[n:, :n], gradient, moves))
        moves = _movable(state.shared, self._gradient, shared)
        self._shared_moves = moves
        self._shared, _, self._gradient = _pinned(
            self._shared, np.zeros((n, 0)), self._gradient, moves
        )

    def solve(self, damping: float) -> tuple[Floats, list[Floats], float]:
        """Return the steps and the decrease of the cost that they promise.

        What stands at a limit and would be pushed beyond it is left there, and the
        rest is solved again.
        """
        for _ in range(_MAX_PINS):
            move, moves, expected = self._solve(damping)
            if not self._pin(move, moves):
                break
        return move, moves, expected

    def _solve(self, damping: float) -> tuple[Floats, list[Floats], float]:
        schur = _damped(self._shared, damping)
        right = -self._gradient
        eliminated = []
        for matrix, border, gradient in self._blocks:
            border = border * self._shared_moves
            factor = _factor(_damped(matrix, damping))
            if factor is None:
                raise np.linalg.LinAlgError("normal matrix of a spectrum is singular")
            both = _solve(factor, np.column_stack([border, gradient]))
            by_border, by_gradient = both[:, :-1], both[:, -1]
            schur = schur - border.T @ by_border
            right = right + border.T @ by_gradient
            eliminated.append((by_border, by_gradient))
        move = np.zeros(0)
        if self._n:
            move = _solve(_safe_factor(schur), right)
        moves = [
            -(by_gradient + by_border @ move) for by_border, by_gradient in eliminated
        ]
        expected = -0.5 * float(self._gradient @ move)
        for own, (_, _, gradient) in zip(moves, self._blocks, strict=True):
            expected -= 0.5 * float(gradient @ own)
        return move, moves, expected

    def _pin(self, move: Floats, moves: Sequence[Floats]) -> bool:
        """Hold what a step would push beyond its limit; return whether any."""
        shared, own = self._priors
        found = _pushed(self._state.shared, move, shared)
        if found.any():
            self._shared_moves = self._shared_moves & ~found
            self._shared, _, self._gradient = _pinned(
                self._shared, np.zeros((self._n, 0)), self._gradient, ~found
            )
        anything = bool(found.any())
        for number, (values, step) in enumerate(
            zip(self._state.locals, moves, strict=True)
        ):
            found = _pushed(values, step, own)
            if found.any():
                anything = True
                self._blocks[number] = _pinned(*self._blocks[number], ~found)
        return anything


def _pushed(values: Floats, move: Floats, priors: Priors) -> NDArray[np.bool_]:
    """Return which parameters stand at a limit and would go beyond it."""
    below = (values <= priors.low) & (move < 0.0)
    above = (values >= priors.high) & (move > 0.0)
    return np.asarray(below | above)


def _movable(values: Floats, gradient: Floats, priors: Priors) -> NDArray[np.bool_]:
    """Return which parameters may move: not held, not pushed against a limit."""
    down = (values <= priors.low) & (gradient > 0.0)
    up = (values >= priors.high) & (gradient < 0.0)
    return np.asarray(priors.free & ~down & ~up)


def _pinned(
    matrix: Floats, border: Floats, gradient: Floats, moves: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Return a block whose parameters that may not move stay where they are."""
    matrix = matrix * np.outer(moves, moves)
    held = np.flatnonzero(~moves)
    matrix[held, held] = 1.0
    return matrix, border * moves[:, None], gradient * moves


def _damped(matrix: Floats, damping: float) -> Floats:
    """Return a matrix with its diagonal raised, each element by its own measure."""
    raised = matrix.copy()
    places = np.arange(matrix.shape[0])
    diagonal = matrix[places, places]
    raised[places, places] += (damping + _TINY) * diagonal + _ZERO
    return raised


def _factor(matrix: Floats) -> Floats | None:
    """Return the Cholesky factor; None where the matrix is not positive.

    LAPACK is called directly: these matrices are small, and SciPy's checks of its
    arguments take longer than the work.
    """
    factor, fault = dpotrf(matrix, lower=1)
    return np.asarray(factor) if fault == 0 else None


def _solve(factor: Floats, right: Floats) -> Floats:
    """Return the solution for one or several right-hand sides."""
    solved, _ = dpotrs(factor, right, lower=1)
    return np.asarray(solved)


def _safe_factor(matrix: Floats) -> Floats:
    """Return the Cholesky factor, the diagonal raised where it needs that."""
    diagonal = np.abs(np.diag(matrix))
    for raise_by in (0.0, 1e-10, 1e-7, 1e-4):
        factor = _factor(matrix + raise_by * np.diag(diagonal))
        if factor is not None:
            return factor
    return np.diag(np.sqrt(np.maximum(diagonal, 1.0)))
