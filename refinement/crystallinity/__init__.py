"""What "crystalline" means, one file for each meaning.

``weight_fraction_crystalline`` is a share of the crystalline part, ``relative_scale``
what is left against the reference sample, ``crystalline_area_fraction`` a share of the
scattered area; only ``amorphous_fraction``, which needs a weighed standard, is a
content of the sample.
"""

from refinement.crystallinity.area import crystalline_area_fraction
from refinement.crystallinity.calibration import calibration_constant
from refinement.crystallinity.components import component_weights
from refinement.crystallinity.level import first_level
from refinement.crystallinity.relative import choose_reference, relative_scale
from refinement.crystallinity.standards import amorphous_fraction
from refinement.crystallinity.tables import phases_table, samples_table

__all__ = [
    "amorphous_fraction",
    "calibration_constant",
    "choose_reference",
    "component_weights",
    "crystalline_area_fraction",
    "first_level",
    "phases_table",
    "relative_scale",
    "samples_table",
]
