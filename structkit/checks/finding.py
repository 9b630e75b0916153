"""What a check between techniques found: a number, its arithmetic, a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """Whether two measurements can both be right."""

    PASS = "pass"  # noqa: S105 - a verdict, no secret
    """Nothing speaks against it within the stated uncertainty."""
    TENSION = "tension"
    """Both cannot be right with the assumptions that the text names."""
    NOT_TESTABLE = "not testable"
    """A number or an uncertainty is missing; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One number that follows from others, with what it says."""

    name: str
    """As in tables."""
    value: float
    """The number."""
    std: float = math.nan
    """1 sigma; NaN: unknown, or the limits say it."""
    low: float = math.nan
    """Lower limit: 95 %, or the end of a stated range."""
    high: float = math.nan
    """Upper limit."""
    units: str = "1"
    """UDUNITS."""
    verdict: Verdict = Verdict.PASS
    """What it says."""
    text: str = ""
    """The arithmetic in words and numbers."""
