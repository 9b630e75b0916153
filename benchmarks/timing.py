"""Repeat a call and take the median of its times."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Wall times of repeated calls, seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the median."""
        return statistics.median(self.seconds)

    @property
    def fastest(self) -> float:
        """Return the shortest: what the call costs on an idle machine."""
        return min(self.seconds)

    def __add__(self, other: Timing) -> Timing:
        return Timing(seconds=self.seconds + other.seconds)


def measure(
    call: Callable[[], Result], *, repeats: int, warmups: int = 1
) -> tuple[Timing, Result]:
    """Time a call.

    Parameters
    ----------
    call : callable
        Without arguments.
    repeats : int
        Calls that count, at least 1.
    warmups : int
        Calls before them: compilation, caches.

    Returns
    -------
    Timing
        Of the calls that count, garbage collected before each.
    Result
        What the last call returned.
    """
    for _ in range(warmups):
        call()
    times = []
    for _ in range(repeats):
        gc.collect()
        begun = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - begun)
    return Timing(seconds=tuple(times)), result
