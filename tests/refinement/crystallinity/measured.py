"""A synthetic mixture whose silicon and glass are known only as measured patterns."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from refinement.plan import Component, InternalStandard, Phase, RefinementPlan
from structkit.structures import library
from structkit.synthetic.lines import Optics
from structkit.synthetic.mixture import Surroundings, SyntheticPhase, simulate_mixture
from structkit.synthetic.scattering import Glass
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

Floats = NDArray[np.float64]
OPTICS = Optics(natural_widths=(1e-9, 1e-9))
INSTRUMENT = Instrument(
    radiation=tube("CuKa"),
    u=OPTICS.u,
    v=OPTICS.v,
    w=OPTICS.w,
    axial_divergence=OPTICS.axial_divergence,
    calibrated=True,
)
GLASS = Glass(composition={"Na": 1.0, "Ta": 1.0, "Cl": 6.0})
ALONE = Surroundings(air=0.0, dark=0.0)
GRID = np.round(15.0 + 0.02 * np.arange(2751), 6)
SPIKE = 0.2
TRUTH = {"NaCl": 0.25, "silicon": 0.4375, "glass": 0.3125}
"""Of the sample without its corundum."""
SIZE_NM = 60.0
LIBRARY_DISPLACEMENT_MM = 0.12
"""Of the library's patterns: their lines are 0.09 degree from the sample's."""


def measure(
    weights: dict[str, float], *, seed: int | None = None, **options: Any
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return pattern and truth of a mixture; what is left to 1 is glass."""
    phases = [
        SyntheticPhase(
            structure=library.load(name), weight_fraction=share, size_nm=SIZE_NM
        )
        for name, share in weights.items()
    ]
    glass = GLASS if sum(weights.values()) < 1.0 - 1e-9 else None
    rng = None if seed is None else np.random.default_rng(seed)
    defaults: dict[str, Any] = {"two_theta": GRID, "optics": OPTICS}
    return simulate_mixture(phases, glass=glass, rng=rng, **(defaults | options))


def measure_sample(*, seed: int | None = None, **options: Any) -> xr.Dataset:
    """Return the spiked mixture's pattern."""
    left = 1.0 - SPIKE
    weights = {"corundum": SPIKE, "NaCl": 0.25 * left, "silicon": 0.4375 * left}
    return measure(weights, seed=seed, max_counts=2e4, **options)[0]


def make_components(**options: Any) -> tuple[Component, Component]:
    """Return silicon and glass as measured, with the RIRs that they then have."""
    found = []
    reference = _height_per_mass({"corundum": 1.0})
    for name, weights in (("silicon", {"silicon": 1.0}), ("glass", {"silicon": 1e-9})):
        pattern, _ = measure(
            weights,
            max_counts=1e6,
            surroundings=ALONE,
            displacement_mm=LIBRARY_DISPLACEMENT_MM,
        )
        ratio = _height_per_mass(weights) / reference
        height = _largest(pattern)
        found.append(
            Component(
                name=name,
                pattern=pattern,
                rir=ratio,
                height=height,
                crystalline=name != "glass",
                **options,
            )
        )
    return found[0], found[1]


def _largest(curve: xr.Dataset) -> float:
    """Return the largest value of a pattern, between its points."""
    spline = CubicSpline(GRID, curve["intensity"].to_numpy())
    return float(spline(np.arange(GRID[0], GRID[-1], 0.002)).max())


def _height_per_mass(weights: dict[str, float]) -> float:
    """Return the largest height of a pure substance as it would be in a mixture."""
    fine = np.arange(GRID[0], GRID[-1], 0.005)
    options: dict[str, Any] = {"surroundings": ALONE, "two_theta": fine}
    pattern, truth = measure(weights, scale=1.0, **options)
    height = float(pattern["intensity"].max())
    if "corundum" in weights:
        height = float(truth["component"].max())
    return height * float(truth["mass_attenuation"])


def make_plan(
    components: tuple[Component, ...], names: Any = ("corundum", "NaCl"), **options: Any
) -> RefinementPlan:
    """Return a plan with the components, corundum weighed in."""
    defaults: dict[str, Any] = {
        "halo": False,
        "internal_standard": InternalStandard(phase="corundum", weight_fraction=SPIKE),
    }
    return RefinementPlan(
        phases=tuple(Phase(structure=library.load(name), size=600.0) for name in names),
        instrument=INSTRUMENT,
        components=components,
        **(defaults | options),
    )
