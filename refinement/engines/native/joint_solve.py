"""Levenberg-Marquardt on a whole series whose patterns share parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.arrow import Block, Head, foretell, solve_arrow
from refinement.engines.native.fit import Fit
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.problem import Evaluation
from refinement.engines.native.solve import Restraints, curved_step, minimize

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
_FIRST_DAMPING = 1e-4
_MOST_DAMPING = 1e8


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The parameters that patterns share."""

    places: Ints
    """Their indices in the layout, shape (n_shared,)."""
    restraints: Restraints
    """Their priors and bounds, each once for the whole series."""

    def head(self, values: Floats) -> Head:
        """Return what the priors add to the normal equations at ``values``."""
        curvature = 1.0 / self.restraints.sigma**2
        pull = curvature * (values - self.restraints.center)
        return Head(normal=np.diag(curvature), gradient=-pull)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One pattern of a joint fit."""

    fit: Fit
    """Its own fit, nothing shared, from which the joint one starts."""
    restraints: Restraints
    """Its own priors: none on what is shared, whose bounds are in it."""
    weight: float
    """One over its GOF^2: a pattern counts by how well it can be described."""

    def evaluate(self, values: Floats) -> Evaluation:
        """Return the pattern at its parameters ``values``."""
        return self.fit.prepared.problem.evaluate(values)

    def cost(self, part: Evaluation) -> float:
        """Return the pattern's share of the total."""
        own = part.chi_square + self.restraints.penalty(part.values)
        return self.weight * own

    def block(self, part: Evaluation, common: Common) -> Block:
        """Return the pattern's normal equations at ``part``."""
        free = self.fit.minimum.free
        index = np.nonzero(free)[0]
        linear = self.fit.prepared.problem.linearize(part, free)
        own = self.restraints
        curvature = own.scale / own.sigma[index] ** 2
        values = part.values[index]
        gradient = linear.gradient(part) - curvature * (values - own.center[index])
        at_low = (values <= own.low[index]) & (gradient < 0.0)
        at_high = (values >= own.high[index]) & (gradient > 0.0)
        shared = np.isin(index, common.places)
        return Block(
            normal=self.weight * (linear.normal + np.diag(curvature)),
            gradient=self.weight * gradient,
            shared=shared,
            loose=~(at_low | at_high) | shared,
        )


@dataclass(slots=True, kw_only=True)
class JointMinimum:
    """Where a joint fit ended."""

    parts: list[Evaluation]
    """Each pattern there."""
    blocks: list[Block]
    """Their normal equations there."""
    total: float
    """Weighted chi-squares plus priors."""
    converged: bool
    steps: int


def settle(
    member: Member, shared: Floats, common: Common, options: NativeOptions
) -> Evaluation:
    """Return a pattern at given shared values, its own parameters refined."""
    start = member.fit.minimum.found.values.copy()
    start[common.places] = shared
    free = member.fit.minimum.free.copy()
    free[common.places] = False
    minimum = minimize(
        member.fit.prepared.problem,
        start,
        free,
        member.restraints,
        tolerance=options.tolerance,
        max_steps=options.max_steps,
    )
    return minimum.found  # type: ignore[no-any-return]


def minimize_jointly(
    members: Sequence[Member],
    shared: Floats,
    common: Common,
    options: NativeOptions,
) -> JointMinimum:
    """Minimise the sum of all patterns' totals over shared and own parameters.

    Parameters
    ----------
    members : sequence of Member
        The patterns.
    shared : ndarray, shape (n_shared,)
        Where the shared parameters start.
    common : Common
        Which they are.
    options : NativeOptions
        Tolerance and most steps.

    Returns
    -------
    JointMinimum

    Notes
    -----
    ``sum_k (chi_square_k + own priors_k) / GOF_k^2 + shared priors``: with nothing
    shared, each pattern's term has the minimum of its own fit. Steps and damping as in
    :func:`.solve.minimize`; converged when the foretold fall of the total is below the
    tolerance of one pattern.
    """
    shared = np.clip(shared, common.restraints.low, common.restraints.high)
    parts = [settle(member, shared, common, options) for member in members]
    total = _total(members, parts, common)
    damping, steps, converged = _FIRST_DAMPING, 0, False
    blocks: list[Block] = []
    head = common.head(shared)
    while steps < options.max_steps and damping < _MOST_DAMPING:
        if not blocks:
            blocks = _blocks(members, parts, common)
            head = common.head(parts[0].values[common.places])
        moves = solve_arrow(blocks, head, damping=damping)
        foretold = foretell(blocks, head, moves)
        if foretold < options.tolerance:
            converged = True
            break
        tried = _move(members, parts, moves, common)
        trial = [member.evaluate(values) for member, values in tried]
        trial_total = _total(members, trial, common)
        if trial_total < total:
            gain = (total - trial_total) / foretold
            parts, total, blocks = trial, trial_total, []
            steps += 1
            damping = max(damping * max(0.1, 1.0 - (2.0 * gain - 1.0) ** 3), 1e-9)
        else:
            damping = max(damping, _FIRST_DAMPING) * 10.0
    return JointMinimum(
        parts=parts,
        blocks=blocks or _blocks(members, parts, common),
        total=total,
        converged=converged,
        steps=steps,
    )


def _total(
    members: Sequence[Member], parts: Sequence[Evaluation], common: Common
) -> float:
    own = sum(m.cost(part) for m, part in zip(members, parts, strict=True))
    return own + common.restraints.penalty(parts[0].values[common.places])


def _blocks(
    members: Sequence[Member], parts: Sequence[Evaluation], common: Common
) -> list[Block]:
    """Return all normal equations; a shared parameter that is pressed is so in all."""
    pairs = zip(members, parts, strict=True)
    blocks = [member.block(part, common) for member, part in pairs]
    values = parts[0].values[common.places]
    head = common.head(values)
    gradient = head.gradient + sum(block.gradient[block.shared] for block in blocks)
    limits = common.restraints
    pressed = (values <= limits.low) & (gradient < 0.0)
    pressed |= (values >= limits.high) & (gradient > 0.0)
    for block in blocks:
        block.loose[block.shared] = ~pressed
    return blocks


def _move(
    members: Sequence[Member],
    parts: Sequence[Evaluation],
    moves: Sequence[Floats],
    common: Common,
) -> list[tuple[Member, Floats]]:
    """Return each member with its parameters after the step, within their bounds."""
    tried = []
    for member, part, move in zip(members, parts, moves, strict=True):
        index = np.nonzero(member.fit.minimum.free)[0]
        own = member.restraints
        values = part.values.copy()
        values[index] = np.clip(
            values[index] + curved_step(move, own.growth[index]),
            own.low[index],
            own.high[index],
        )
        tried.append((member, values))
    return tried


def make_member(fit: Fit, common: Common) -> Member:
    """Return the member of a joint fit that starts from a pattern's own fit."""
    sigma = fit.restraints.sigma.copy()
    low, high = fit.restraints.low.copy(), fit.restraints.high.copy()
    sigma[common.places] = np.inf
    low[common.places] = common.restraints.low
    high[common.places] = common.restraints.high
    return Member(
        fit=fit,
        restraints=replace(fit.restraints, sigma=sigma, low=low, high=high),
        weight=1.0 / max(fit.gof_square, 1.0),
    )
