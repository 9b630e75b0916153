"""Joint fits in rounds: fit, judge every pattern, leave out who disagrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.arrow import Head
from refinement.engines.native.joint_solve import (
    Common,
    JointMinimum,
    Member,
    minimize_jointly,
    settle,
)
from refinement.engines.native.joint_verdict import (
    CHANCE,
    Evidence,
    Verdict,
    judge,
    pool,
    pooled_values,
    screen,
)
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.problem import Evaluation

Floats = NDArray[np.float64]
_MOST_ROUNDS = 4
_MOST_OUT = 3
"""One pattern of so many may be left out."""


@dataclass(slots=True, kw_only=True)
class Together:
    """The patterns that could be fitted, and what they share."""

    members: list[Member]
    common: Common
    options: NativeOptions

    @property
    def center(self) -> Floats:
        """Return where the shared parameters' priors are centred."""
        return self.common.restraints.center

    @property
    def prior(self) -> Head:
        """Return those priors as a part of the normal equations."""
        return self.common.head(self.center)

    @property
    def limit(self) -> float:
        """Return the chance below which a pattern disagrees."""
        return CHANCE / max(len(self.members), 1)

    def own_values(self, k: int) -> Floats:
        """Return the shared parameters as pattern ``k`` alone has them."""
        found = self.members[k].fit.minimum.found
        return np.asarray(found.values[self.common.places])

    def own_evidence(self) -> list[Evidence]:
        """Return what each pattern says at its own minimum."""
        blocks = [m.block(m.fit.minimum.found, self.common) for m in self.members]
        return [
            Evidence.at(block, self.own_values(k)) for k, block in enumerate(blocks)
        ]

    def fit(self, included: Sequence[int], start: Floats) -> JointMinimum:
        """Return the joint fit of some patterns."""
        members = [self.members[k] for k in included]
        return minimize_jointly(members, start, self.common, self.options)

    def delta(self, k: int, part: Evaluation) -> float:
        """Return by how much pattern ``k`` fits worse than alone, over GOF^2."""
        member = self.members[k]
        return member.cost(part) - member.cost(member.fit.minimum.found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A joint fit with the verdict on every pattern."""

    minimum: JointMinimum
    included: tuple[int, ...]
    """Positions of the patterns that share, in the order of ``minimum.parts``."""
    verdicts: tuple[Verdict, ...]
    """One for each pattern, included or not."""
    values: Floats
    """The shared parameters."""
    evidence: tuple[Evidence, ...]
    """What each of the included patterns says at these values."""


def agree(together: Together) -> Agreed:
    """Fit jointly; leave out who disagrees, at most a third; fit again.

    Candidates are found from the patterns' own minima, in which the problem is taken as
    quadratic; whether they stay out is decided by how much worse they really fit with
    the shared values.
    """
    count = len(together.members)
    own = together.own_evidence()
    most = count // _MOST_OUT
    out = screen(own, together.prior, together.center, most=most)
    start: Floats | None = None
    for number in range(_MOST_ROUNDS):
        included = tuple(k for k in range(count) if k not in out)
        if start is None:
            kept = [own[k] for k in included]
            start = pooled_values(kept, together.prior, together.center)
        found = _fit_and_judge(together, own, included, start)
        apart = frozenset(
            k for k, v in enumerate(found.verdicts) if v.chance < together.limit
        )
        wanted = out & apart if number == 0 else out
        wanted |= _leave_out(together, found, apart - out, room=most - len(wanted))
        if wanted == out:
            break
        out, start = wanted, found.values
    return found


def _leave_out(
    together: Together, found: Agreed, apart: frozenset[int], *, room: int
) -> frozenset[int]:
    """Return which of the included patterns that disagree are left out next.

    Those that stand out when the worst are taken away one by one; else the worst.
    """
    if not apart or room <= 0:
        return frozenset()
    seen = screen(found.evidence, together.prior, together.center, most=room)
    chosen = frozenset(found.included[n] for n in seen) & apart
    worst = max(apart, key=lambda k: found.verdicts[k].score)
    return chosen or frozenset({worst})


def _fit_and_judge(
    together: Together, own: list[Evidence], included: tuple[int, ...], start: Floats
) -> Agreed:
    """Return the joint fit of ``included`` and the verdict on all patterns."""
    minimum = together.fit(included, start)
    common = together.common
    values = np.asarray(minimum.parts[0].values[common.places])
    evidence = [Evidence.at(block, values) for block in minimum.blocks]
    normal = pool(evidence, together.prior, together.center).normal
    parts = dict(zip(included, minimum.parts, strict=True))
    verdicts = []
    for k, member in enumerate(together.members):
        part = parts.get(k) or settle(member, values, common, together.options)
        verdicts.append(
            judge(
                own[k],
                delta=together.delta(k, part),
                own_values=together.own_values(k),
                shared_values=values,
                joint_normal=normal,
                prior=together.prior,
                included=k in parts,
            )
        )
    return Agreed(
        minimum=minimum,
        included=included,
        verdicts=tuple(verdicts),
        values=values,
        evidence=tuple(evidence),
    )
