"""The arrow-shaped normal equations against the whole matrix, written out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from refinement.engines.native.arrow import (
    Block,
    Head,
    eliminate,
    foretell,
    solve_arrow,
)

Floats = NDArray[np.float64]
# Both ways solve the same well-conditioned system; a step differs by rounding.
ROUNDING = 1e-8
N_SHARED = 3
N_OWN = (4, 6, 2, 5)


def random_blocks(seed: int) -> tuple[list[Block], Head]:
    """Return blocks with shared parameters scattered among the own ones."""
    rng = np.random.default_rng(seed)
    blocks = []
    for n_own in N_OWN:
        size = N_SHARED + n_own
        jacobian = (
            rng.normal(size=(size, 3 * size)) * np.geomspace(1e-2, 1e2, size)[:, None]
        )
        shared = np.zeros(size, dtype=bool)
        shared[np.sort(rng.permutation(size)[:N_SHARED])] = True
        blocks.append(
            Block(
                normal=jacobian @ jacobian.T,
                gradient=jacobian @ rng.normal(size=3 * size),
                shared=shared,
                loose=np.ones(size, dtype=bool),
            )
        )
    root = rng.normal(size=(N_SHARED, N_SHARED))
    return blocks, Head(normal=root @ root.T, gradient=rng.normal(size=N_SHARED))


def write_out(blocks: list[Block], head: Head) -> tuple[Floats, Floats, list[Floats]]:
    """Return the whole matrix, its right side, and where each block stands in it."""
    size = N_SHARED + sum(N_OWN)
    matrix, right = np.zeros((size, size)), np.zeros(size)
    matrix[:N_SHARED, :N_SHARED] = head.normal
    right[:N_SHARED] = head.gradient
    places, used = [], N_SHARED
    for block, n_own in zip(blocks, N_OWN, strict=True):
        place = np.empty(block.gradient.size, dtype=np.int64)
        place[block.shared] = np.arange(N_SHARED)
        place[~block.shared] = np.arange(used, used + n_own)
        used += n_own
        matrix[np.ix_(place, place)] += block.normal
        right[place] += block.gradient
        places.append(place)
    return matrix, right, places


@pytest.mark.parametrize("damping", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize("held", [False, True])
def test_the_step_is_that_of_the_whole_matrix(damping: float, held: bool) -> None:
    blocks, head = random_blocks(7)
    matrix, right, places = write_out(blocks, head)
    loose = np.ones(right.size, dtype=bool)
    if held:
        blocks[1].loose[np.nonzero(~blocks[1].shared)[0][0]] = False
        for block in blocks:
            block.loose[np.nonzero(block.shared)[0][1]] = False
        for block, place in zip(blocks, places, strict=True):
            loose[place] &= block.loose
    damped = matrix + damping * np.diag(np.diag(matrix))
    expected = np.zeros(right.size)
    expected[loose] = np.linalg.solve(damped[np.ix_(loose, loose)], right[loose])
    steps = solve_arrow(blocks, head, damping=damping)
    for step, place in zip(steps, places, strict=True):
        np.testing.assert_allclose(step, expected[place], rtol=ROUNDING, atol=1e-12)
    fall = 2.0 * (expected @ right - 0.5 * expected @ matrix @ expected)
    assert foretell(blocks, head, steps) == pytest.approx(fall, rel=ROUNDING)


def test_elimination_gives_the_marginal_of_the_shared_parameters() -> None:
    blocks, head = random_blocks(3)
    matrix, _, _ = write_out(blocks, head)
    marginal = np.linalg.inv(matrix)[:N_SHARED, :N_SHARED]
    total = head.normal + sum(eliminate(block)[0] for block in blocks)
    np.testing.assert_allclose(np.linalg.inv(total), marginal, rtol=ROUNDING)


def test_with_nothing_shared_every_pattern_steps_alone() -> None:
    blocks, _ = random_blocks(5)
    for block in blocks:
        block.shared[:] = False
    head = Head(normal=np.zeros((0, 0)), gradient=np.zeros(0))
    for block, step in zip(blocks, solve_arrow(blocks, head), strict=True):
        alone = np.linalg.solve(block.normal, block.gradient)
        np.testing.assert_allclose(step, alone, rtol=ROUNDING)
