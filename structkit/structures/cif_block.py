"""Values of a CIF block, without quotes, esds and line breaks."""

from __future__ import annotations

from collections.abc import Iterable

import gemmi


def find_strings(block: gemmi.cif.Block, tags: Iterable[str]) -> tuple[str, ...]:
    """Return all values of the first tag that the block has."""
    for tag in tags:
        column = block.find_values(tag)
        values = (
            " ".join(gemmi.cif.as_string(value).split())
            for value in column
            if value not in ("?", ".")
        )
        found = tuple(value for value in values if value)
        if found:
            return found
    return ()


def find_string(block: gemmi.cif.Block, tags: Iterable[str]) -> str:
    """Return the first value of the first tag that the block has, or an empty one."""
    return next(iter(find_strings(block, tags)), "")


def parse_number(text: str) -> float:
    """Return a CIF number without its esd; NaN for ``?``, ``.`` and words."""
    return float(gemmi.cif.as_number(text))
