"""Normal equations of many patterns that share a few parameters.

The matrix has the shape of an arrow: shared parameters couple to all, those of one
pattern only to themselves and to the shared ones. With ``A`` the shared block, ``C_k``
pattern k's own and ``B_k`` between them, the shared step solves the Schur complement

    (A - sum_k B_k C_k^-1 B_k') x = g - sum_k B_k C_k^-1 g_k,

so the cost is linear in the number of patterns. Plain numpy; nothing here knows about
crystals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(slots=True, kw_only=True)
class Block:
    """One pattern's normal equations in its free parameters, shared ones included."""

    normal: Floats
    """Shape (n_free, n_free): data and the pattern's own priors."""
    gradient: Floats
    """Half the fall of its total by each, shape (n_free,)."""
    shared: Flags
    """Which of its parameters are shared; their order is the same in every block."""
    loose: Flags
    """Which may move: not pressed against a bound. The same for shared ones in all."""


@dataclass(slots=True, kw_only=True)
class Head:
    """What is added to the shared block once: the priors of the shared parameters."""

    normal: Floats
    """Shape (n_shared, n_shared)."""
    gradient: Floats
    """Shape (n_shared,)."""


def eliminate(block: Block, *, damping: float = 0.0) -> tuple[Floats, Floats]:
    """Return what a pattern says about the shared parameters, its own ones following.

    Returns
    -------
    normal : ndarray, shape (n_shared, n_shared)
        ``A_k - B_k C_k^-1 B_k'`` with ``C_k`` damped.
    gradient : ndarray, shape (n_shared,)
        ``g - B_k C_k^-1 g_k``.
    """
    shared, own = block.shared, ~block.shared & block.loose
    inner = block.normal[np.ix_(shared, shared)]
    coupling = block.normal[np.ix_(own, shared)]
    solved = _solve(
        block.normal[np.ix_(own, own)],
        np.column_stack([coupling, block.gradient[own]]),
        damping,
    )
    normal = inner - coupling.T @ solved[:, :-1]
    gradient = block.gradient[shared] - coupling.T @ solved[:, -1]
    return 0.5 * (normal + normal.T), gradient


def solve_arrow(
    blocks: Sequence[Block], head: Head, *, damping: float = 0.0
) -> list[Floats]:
    """Return the step of every block's parameters.

    Parameters
    ----------
    blocks : sequence of Block
        One for each pattern.
    head : Head
        Priors of what is shared.
    damping : float
        Every diagonal element of the whole matrix is multiplied by ``1 + damping``.

    Returns
    -------
    list of ndarray, shape (n_free,)
        Steps; the shared ones are equal in all, those not loose are 0.
    """
    loose = blocks[0].loose[blocks[0].shared]
    total, right = head.normal.copy(), head.gradient.copy()
    diagonal = np.diag(head.normal).copy()
    for block in blocks:
        normal, gradient = eliminate(block, damping=damping)
        total += normal
        right += gradient
        diagonal += np.diag(block.normal)[block.shared]
    total += damping * np.diag(diagonal)
    common = np.zeros(right.size)
    common[loose] = _solve(total[np.ix_(loose, loose)], right[loose], 0.0)
    steps = []
    for block in blocks:
        own = ~block.shared & block.loose
        step = np.zeros(block.gradient.size)
        step[block.shared] = common
        left = block.gradient[own] - block.normal[np.ix_(own, block.shared)] @ common
        step[own] = _solve(block.normal[np.ix_(own, own)], left, damping)
        steps.append(step)
    return steps


def foretell(blocks: Sequence[Block], head: Head, steps: Sequence[Floats]) -> float:
    """Return by how much the total should fall with these steps."""
    common = steps[0][blocks[0].shared]
    fall = common @ head.gradient - 0.5 * common @ head.normal @ common
    for block, step in zip(blocks, steps, strict=True):
        fall += step @ block.gradient - 0.5 * step @ block.normal @ step
    return 2.0 * float(fall)


def _solve(matrix: Floats, right: Floats, damping: float) -> Floats:
    """Solve a normal matrix, scaled to unit diagonal meanwhile."""
    norm = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix / np.outer(norm, norm)
    scaled[np.diag_indices_from(scaled)] += damping + 1e-14
    wide = norm if right.ndim == 1 else norm[:, None]
    return np.asarray(np.linalg.solve(scaled, right / wide) / wide)
