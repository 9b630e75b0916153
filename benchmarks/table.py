"""One table of figures beside their targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from structkit.cli.table import format_table

HEADER = ("what", "median", "fastest", "n", "target", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure; ``ms`` and ``s`` are times, ``x`` a ratio, ``wt%`` a difference,
    ``MB`` memory."""

    what: str
    """What was measured."""
    value: float
    """Median, in ``unit``."""
    unit: str
    """``ms``, ``s``, ``x``, ``MB`` or ``wt%``."""
    fastest: float | None = None
    """Shortest of the times, in ``unit``."""
    repeats: int = 1
    """How many times it was measured."""
    target: float | None = None
    """Largest value wanted (smallest for ``x``)."""

    @property
    def is_met(self) -> bool:
        """Return whether the target is met, or there is none."""
        if self.target is None:
            return True
        if self.unit == "x":
            return self.value >= self.target
        return self.value <= self.target

    def cells(self) -> list[str]:
        """Return the row as text."""
        sign = ">=" if self.unit == "x" else "<="
        wanted = "" if self.target is None else f"{sign} {self.target:g} {self.unit}"
        verdict = "" if self.target is None else ("met" if self.is_met else "MISSED")
        fastest = "" if self.fastest is None else self._text(self.fastest)
        return [
            self.what,
            self._text(self.value),
            fastest,
            str(self.repeats),
            wanted,
            verdict,
        ]

    def _text(self, value: float) -> str:
        digits = {"ms": 1, "s": 2, "x": 0, "MB": 0, "wt%": 3}[self.unit]
        return f"{value:.{digits}f} {self.unit}"


def to_text(rows: Sequence[Row]) -> str:
    """Return the table for a terminal."""
    return format_table(HEADER, [row.cells() for row in rows])


def to_markdown(rows: Sequence[Row]) -> str:
    """Return the table as Markdown."""
    rule = ["---"] * len(HEADER)
    lines = [list(HEADER), rule, *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
