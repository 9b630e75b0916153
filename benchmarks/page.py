"""Pages of figures beside what was asked for, as Markdown."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

PACKAGES = ("numpy", "scipy", "numba", "gemmi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """One figure beside what was asked for."""

    what: str
    """What was measured."""
    value: float
    """The figure."""
    limit: float
    """What was asked for."""
    unit: str = ""
    """Unit of both."""
    at_least: bool = False
    """Whether the limit is the smallest value wanted, not the largest."""

    @property
    def is_met(self) -> bool:
        """Return whether the figure is as good as was asked for."""
        if self.at_least:
            return self.value >= self.limit
        return self.value <= self.limit

    def cells(self) -> list[str]:
        """Return the row as text."""
        sign = "≥" if self.at_least else "≤"
        unit = f" {self.unit}" if self.unit else ""
        return [
            self.what,
            f"{self.value:.4g}{unit}",
            f"{sign} {self.limit:g}{unit}",
            "met" if self.is_met else "**missed**",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One item of a page."""

    title: str
    """Heading."""
    floors: tuple[Floor, ...] = ()
    """Figures beside what was asked for."""
    body: tuple[str, ...] = ()
    """Paragraphs and tables below them."""

    def to_markdown(self) -> str:
        """Return heading, floors, body."""
        parts = [f"## {self.title}"]
        if self.floors:
            rows = [floor.cells() for floor in self.floors]
            parts.append(table(["", "figure", "asked for", ""], rows))
        return "\n\n".join([*parts, *self.body])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def machine() -> str:
    """Return where and with what the figures were made."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Python {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}, one thread; {packages}."
    )
