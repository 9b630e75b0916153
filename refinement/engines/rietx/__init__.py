"""Engine ``rietx``: the same plan refined by the program of that name."""

from refinement.engines.rietx.engine import RietxEngine

__all__ = ["RietxEngine"]
