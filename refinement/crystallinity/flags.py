"""What a careful reader should be told of a sample, in codes and sentences."""

from __future__ import annotations

from dataclasses import dataclass

BLANK_MISSING = "blank_missing"
FILM = "film_thickness"
HALO_IN_REFERENCE = "halo_in_reference"
UNEXPLAINED_LINES = "unexplained_lines"
INVISIBLE_PHASE = "invisible_phase"
FOREIGN_ELEMENT = "foreign_element"
COMPOSITION = "composition"
CONSTANT_SPREAD = "constant_spread"
CLOSURE = "closure"
DISAGREEMENT = "methods_disagree"
ALL_CRYSTALLINE = "all_crystalline"
ALL_AMORPHOUS = "all_amorphous"
PRECURSOR_LEFT = "precursor_left"
REFERENCE_NOT_WHOLE = "reference_not_whole"
UNRELIABLE_NOISE = "unreliable_noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One thing to be told."""

    code: str
    """One of this module's constants."""
    sample: str
    """Sample it concerns; empty: the series."""
    text: str
    """What is wrong or noteworthy, and what to do."""
