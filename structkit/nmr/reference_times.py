"""T1 of 23Na in NaCl and Na2O, for holding measured ones against."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

T1_OF_SALTS_S: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "milled alone": MappingProxyType({"NaCl": 6.49, "Na2O": 0.58}),
        "bulk": MappingProxyType({"NaCl": 11.43, "Na2O": 5.69}),
    }
)
"""Treatment of the powder -> salt -> T1, **s**: as printed for the study at 11.7 T
(Chem. Sci. 2025, 16, 19857, 10.1039/d5sc05307b)."""
