"""Several patterns that share parameters, fitted as one problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.problem import Evaluation, Linearized, Problem

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(slots=True, kw_only=True)
class JointPoint:
    """All patterns at one joint parameter vector."""

    values: Floats
    """Joint parameters."""
    chi_square: float
    """Sum over the patterns."""
    parts: list[Evaluation]
    """Each pattern at its own parameters."""


@dataclass(slots=True, kw_only=True)
class JointLinearized:
    """The patterns made linear, assembled."""

    normal: Floats
    """Reduced normal matrix of the free joint parameters."""
    parts: list[tuple[Ints, Linearized]]
    """For each pattern: free joint parameters of its own, and its linear form."""

    def gradient(self, found: JointPoint) -> Floats:
        """Return ``J'r`` of all patterns together."""
        total = np.zeros(self.normal.shape[0])
        for (places, linear), part in zip(self.parts, found.parts, strict=True):
            np.add.at(total, places, linear.gradient(part))
        return total


@dataclass(slots=True, kw_only=True)
class JointProblem:
    """Patterns whose parameter vectors are picked out of one joint vector."""

    problems: list[Problem]
    """One for each pattern."""
    picks: list[Ints]
    """Joint index of each of a pattern's own parameters."""

    def evaluate(self, values: Floats) -> JointPoint:
        """Return every pattern at the joint parameters ``values``."""
        parts = [
            problem.evaluate(values[pick])
            for problem, pick in zip(self.problems, self.picks, strict=True)
        ]
        total = sum(part.chi_square for part in parts)
        return JointPoint(values=values, chi_square=total, parts=parts)

    def linearize(self, found: JointPoint, free: Flags) -> JointLinearized:
        """Return the assembled normal matrix at ``found``."""
        row = np.cumsum(free) - 1
        normal = np.zeros((int(free.sum()), int(free.sum())))
        parts = []
        for problem, pick, part in zip(
            self.problems, self.picks, found.parts, strict=True
        ):
            own = free[pick]
            linear = problem.linearize(part, own)
            places = row[pick[own]]
            normal[np.ix_(places, places)] += linear.normal
            parts.append((places, linear))
        return JointLinearized(normal=normal, parts=parts)
