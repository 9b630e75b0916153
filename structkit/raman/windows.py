"""Windows of the Raman shift that have names: the study's, and those of its indices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structkit.errors import SchemaError

STUDY = "Ojelade, Truong et al., Chem. Sci. 2025, 16, 19857, 10.1039/d5sc05307b"
OURS = "structkit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A named range of the Raman shift."""

    name: str
    """What it is called."""
    low: float
    """Lower end, **cm-1**."""
    high: float
    """Upper end, **cm-1**."""
    source: str
    """Who drew it."""
    remark: str = ""
    """What to keep in mind."""

    def __post_init__(self) -> None:
        """Refuse a range that does not ascend."""
        if not self.low < self.high:
            raise SchemaError(f"window {self.name!r} must ascend")

    @property
    def limits(self) -> tuple[float, float]:
        """Return ``(low, high)``, cm-1."""
        return (self.low, self.high)

    def holds(self, raman_shift: ArrayLike) -> NDArray[np.bool_]:
        """Return which Raman shifts (cm-1) lie in it, ends included."""
        shift = np.asarray(raman_shift, dtype=float)
        return (shift >= self.low) & (shift <= self.high)


OUT_OF_PLANE_BEND = Window(
    name="out-of-plane Ta-Cl bend", low=100.0, high=150.0, source=STUDY
)
IN_PLANE_BEND = Window(name="in-plane Ta-Cl bend", low=150.0, high=200.0, source=STUDY)
T2G_BEND = Window(
    name="T2g bend",
    low=100.0,
    high=200.0,
    source=STUDY,
    remark="T2g of TaCl6 is one band near 180.",
)
STRETCH = Window(
    name="Ta-Cl stretch",
    low=200.0,
    high=400.0,
    source=STUDY,
    remark="Leaves out the study's own line near 405.",
)
A1G_STRETCH = Window(
    name="A1g stretch",
    low=300.0,
    high=420.0,
    source=STUDY,
    remark="Holds the line near 405 that the study calls axial.",
)
BRIDGE = Window(
    name="Ta-O-Ta stretch",
    low=700.0,
    high=900.0,
    source=STUDY,
    remark="After an infrared paper; also Ta2O5 (705, 845) and glass (800).",
)
AXIAL = Window(
    name="405 group",
    low=390.0,
    high=420.0,
    source=OURS,
    remark="About 405 in the study; the width of the window is ours.",
)
EQUATORIAL = Window(
    name="equatorial group",
    low=280.0,
    high=400.0,
    source=OURS,
    remark="Overlaps the 405 group by 10 cm-1: count each band once.",
)
STRETCHES = Window(
    name="all Ta-Cl stretches",
    low=200.0,
    high=420.0,
    source=OURS,
    remark="The study's stretches and its line near 405.",
)

STUDY_WINDOWS = (
    OUT_OF_PLANE_BEND,
    IN_PLANE_BEND,
    T2G_BEND,
    STRETCH,
    A1G_STRETCH,
    BRIDGE,
)
INDEX_WINDOWS = (AXIAL, EQUATORIAL, STRETCHES)
STUDY_AXIAL_LINE = 405.0
"""The line that the study calls axial, **cm-1**."""
