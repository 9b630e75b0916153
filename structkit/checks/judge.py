"""Ranges of what follows from uncertain numbers, and verdicts on what was claimed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from structkit.checks.quantity import Quantity


class ClaimVerdict(Enum):
    """What the numbers say of a statement."""

    SUPPORTED = "supported"
    """It holds over the whole range of the numbers."""
    NOT_RESOLVED = "not resolved"
    """It holds over a part of the range, or the numbers cannot tell."""
    CONTRADICTED = "contradicted"
    """It holds nowhere in the range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A number with the ends of what it may be."""

    value: float
    """At the numbers as given."""
    low: float
    """Lower end; NaN where an uncertainty is not known."""
    high: float
    """Upper end."""

    @property
    def is_known(self) -> bool:
        """Return whether both ends are known."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def tell(self, *, factor: float = 1.0, digits: int = 3) -> str:
        """Return ``40.1 (38.3 to 42)``; without the brackets where it is exact."""
        value, low, high = (
            f"{one * factor:.{digits}g}" for one in (self.value, self.low, self.high)
        )
        if not self.is_known:
            return f"{value} (uncertainty not known)"
        return value if low == high else f"{value} ({low} to {high})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a claim."""

    verdict: ClaimVerdict
    """Whether the numbers support it."""
    arithmetic: str
    """How, in words and numbers."""
    numbers: Mapping[str, Range] = field(default_factory=dict)
    """Each number of the arithmetic by its name."""


def spread(function: Callable[..., float], *inputs: Quantity) -> Range:
    """Return a function of quantities with the range that theirs give it.

    Parameters
    ----------
    function : callable
        Of as many floats, monotonic in each over its range.
    *inputs : Quantity
        In order.

    Returns
    -------
    Range
        Over the corners of what is rounded, as every value there is possible; beyond
        them what 95 % of each measured one changes, added in quadrature. NaN ends where
        the range of an input is not known.

    Examples
    --------
    >>> from structkit.checks.quantity import parse_quantity
    >>> sigmas = [parse_quantity(text) for text in ("4.41 mS/cm", "0.11 mS/cm")]
    >>> spread(lambda a, b: a / b, *sigmas).tell()
    '40.1 (38.3 to 42)'
    """
    given = [one.value for one in inputs]
    value = float(function(*given))
    if not all(one.is_known for one in inputs):
        return Range(value=value, low=math.nan, high=math.nan)
    ends = [
        (one.low, one.high) if one.certainty == "rounded" else (one.value,)
        for one in inputs
    ]
    corners = [float(function(*corner)) for corner in itertools.product(*ends)]
    below = above = 0.0
    for place, one in enumerate(inputs):
        if one.certainty != "measured":
            continue
        moved = [
            float(function(*given[:place], end, *given[place + 1 :])) - value
            for end in (one.low, one.high)
        ]
        below += min(*moved, 0.0) ** 2
        above += max(*moved, 0.0) ** 2
    return Range(
        value=value,
        low=min(*corners, value) - math.sqrt(below),
        high=max(*corners, value) + math.sqrt(above),
    )


def exact(value: float) -> Range:
    """Return a number that has no range of its own."""
    return Range(value=value, low=value, high=value)


def range_of(quantity: Quantity) -> Range:
    """Return a quantity as a range."""
    return Range(value=quantity.value, low=quantity.low, high=quantity.high)


def judge_above(found: Range, limit: Range) -> ClaimVerdict:
    """Return whether a number is above a limit, which may be uncertain too.

    Examples
    --------
    >>> limit = Range(value=40.0, low=40.0, high=40.0)
    >>> judge_above(Range(value=40.1, low=38.3, high=42.0), limit).value
    'not resolved'
    """
    if found.low > limit.high:
        return ClaimVerdict.SUPPORTED
    if found.high <= limit.low:
        return ClaimVerdict.CONTRADICTED
    return ClaimVerdict.NOT_RESOLVED


def judge_agreement(found: Range, printed: Range) -> ClaimVerdict:
    """Return whether two numbers can be the same: whether their ranges meet."""
    if not (found.is_known and printed.is_known):
        return ClaimVerdict.NOT_RESOLVED
    apart = found.low > printed.high or printed.low > found.high
    return ClaimVerdict.CONTRADICTED if apart else ClaimVerdict.SUPPORTED


def judge_equal(found: Range, claimed: Range, *, tolerance: float) -> ClaimVerdict:
    """Return whether a measured number is a claimed one, and is known well enough.

    Parameters
    ----------
    found : Range
        As measured.
    claimed : Range
        With the rounding of the claim.
    tolerance : float
        How far from the claimed value still means the same.

    Returns
    -------
    ClaimVerdict
        Contradicted: the ranges do not meet. Supported: the whole measured range lies
        within the tolerance. Else not resolved: wide errors support nothing.

    Examples
    --------
    >>> claim = Range(value=0.06, low=0.055, high=0.065)
    >>> wide = Range(value=0.06, low=-0.04, high=0.16)
    >>> judge_equal(wide, claim, tolerance=0.015).value
    'not resolved'
    """
    if judge_agreement(found, claimed) is not ClaimVerdict.SUPPORTED:
        return judge_agreement(found, claimed)
    reach = max(tolerance, 0.5 * (claimed.high - claimed.low))
    inside = abs(np.array([found.low, found.high]) - claimed.value) <= reach
    return ClaimVerdict.SUPPORTED if all(inside) else ClaimVerdict.NOT_RESOLVED


def join(verdicts: Iterable[ClaimVerdict]) -> ClaimVerdict:
    """Return the verdict on a statement all parts of which must hold."""
    found = set(verdicts)
    for one in (ClaimVerdict.CONTRADICTED, ClaimVerdict.NOT_RESOLVED):
        if one in found:
            return one
    return ClaimVerdict.SUPPORTED
