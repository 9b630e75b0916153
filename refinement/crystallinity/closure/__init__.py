"""Elemental closure (SCIENCE B8): what the amorphous part must be made of.

A closed jar keeps its atoms. From what was weighed in (or a measured composition) and
the crystals found, the rest of the sample follows by subtraction, and no element of it
can be negative: :func:`amorphous_remainder`. Where only the ratios of the crystals are
known, that alone bounds how much of them there can be: :func:`crystallinity_bound`.
"""

from refinement.crystallinity.closure.bound import crystallinity_bound
from refinement.crystallinity.closure.census import (
    element_census,
    weight_fraction_of_share,
)
from refinement.crystallinity.closure.composition import (
    Composition,
    compare_composition,
    measured_composition,
    weighed_composition,
)
from refinement.crystallinity.closure.remainder import (
    amorphous_remainder,
    remainder_ratio,
)

__all__ = [
    "Composition",
    "amorphous_remainder",
    "compare_composition",
    "crystallinity_bound",
    "element_census",
    "measured_composition",
    "remainder_ratio",
    "weighed_composition",
    "weight_fraction_of_share",
]
