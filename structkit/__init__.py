"""How amorphous is a milled powder: from diffraction patterns to crystallinity.

The names below are imported on first use, so that ``import structkit`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structkit.errors import DataQualityWarning, StructkitError
    from structkit.io.manifest import SeriesFile, load_series, read_series
    from structkit.io.read import read_pattern
    from structkit.pipeline.diffraction import run_refinement
    from structkit.structures import library
    from structkit.structures.crystal import CrystalStructure
    from structkit.xrd.instrument import Instrument
    from structkit.xrd.simulate import simulate_pattern

__version__ = "0.1.0"

__all__ = [
    "CrystalStructure",
    "DataQualityWarning",
    "Instrument",
    "SeriesFile",
    "StructkitError",
    "__version__",
    "library",
    "load_series",
    "read_pattern",
    "read_series",
    "run_refinement",
    "simulate_pattern",
]

_HOMES = {
    "CrystalStructure": "structkit.structures.crystal",
    "DataQualityWarning": "structkit.errors",
    "Instrument": "structkit.xrd.instrument",
    "SeriesFile": "structkit.io.manifest",
    "StructkitError": "structkit.errors",
    "library": "structkit.structures",
    "load_series": "structkit.io.manifest",
    "read_pattern": "structkit.io.read",
    "read_series": "structkit.io.manifest",
    "run_refinement": "structkit.pipeline.diffraction",
    "simulate_pattern": "structkit.xrd.simulate",
}


def __getattr__(name: str) -> Any:
    """Import the module that is home to ``name``, on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'structkit' has no attribute {name!r}")
    home = _HOMES[name]
    if name == "library":
        return import_module(f"{home}.library")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
