"""The patterns of the benchmark: measured ones beside the checkout, else synthetic."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.plan import Phase, RefinementPlan
from structkit.io.read import read_pattern
from structkit.schema import INTENSITY, PHASE, TWO_THETA, make_pattern
from structkit.structures import library
from structkit.structures.cif import read_cif
from structkit.synthetic.mixture import SyntheticPhase, simulate_mixture
from structkit.synthetic.scattering import Texture
from structkit.xrd.instrument import Instrument
from structkit.xrd.instrument_files import read_instrument
from structkit.xrd.radiation import tube

Floats = NDArray[np.float64]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "xrd"
BENCH3 = {"NaTaCl6": 0.6, "NaCl": 0.3, "Na2O": 0.1}
BENCH3_TERMS = 14
"""Chebyshev terms that follow the pattern's halo: both programs get these and no
halo. With 12 the misfit of the background shows in Rwp (4.6 %, true 4.2 %)."""
MILLING = ("CsBr", "PbBr2", "CsPbBr3_Pbnm", "Cs4PbBr6_fit")
_NEIGHBOUR_SHIFT = 0.01
_NEIGHBOUR_SCALES = (0.8, 1.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pattern to refine, and a neighbour of it in a series."""

    name: str
    """What it is, with its origin."""
    pattern: xr.Dataset
    """The pattern that is timed."""
    plan: RefinementPlan
    """What is refined."""
    cifs: tuple[Path, ...]
    """CIFs of the plan's phases, for other programs."""
    measured_neighbour: xr.Dataset | None = None
    """The pattern before it in its series, where there is one."""
    truth: Floats | None = None
    """True weight fractions of the crystalline part, where known."""

    def neighbour(self) -> xr.Dataset:
        """Return the pattern from whose result a warm start comes."""
        if self.measured_neighbour is not None:
            return self.measured_neighbour
        return draw_neighbour(self.pattern, self.plan)


def bench3() -> Case:
    """Return the pattern of three phases on which NATIVE.md's engines were timed."""
    folder = SHARED / "bench3"
    if folder.is_dir():
        cifs = tuple(folder / f"{name}.cif" for name in BENCH3)
        u, v, w, x, y = json.loads((folder / "truth.json").read_text())["inst"]
        instrument = Instrument(
            radiation=tube("CuKa"), u=u, v=v, w=w, x=x, y=y, calibrated=True
        )
        pattern, origin = read_pattern(folder / "bench.xye"), "shared"
    else:
        cifs = tuple(_shipped_cif(name) for name in BENCH3)
        pattern, instrument = _simulate(BENCH3, two_theta=None)
        origin = "synthetic"
    plan = RefinementPlan(
        phases=tuple(Phase(structure=read_cif(path)) for path in cifs),
        instrument=instrument,
        background_terms=BENCH3_TERMS,
        halo=False,
    )
    return Case(
        name=f"bench3 ({origin}), {pattern.sizes[TWO_THETA]} points, 3 phases",
        pattern=pattern,
        plan=plan,
        cifs=cifs,
        truth=np.array(list(BENCH3.values())),
    )


def with_halo(case: Case) -> Case:
    """Return the case with the engine's own model of amorphous scattering."""
    plan = replace(case.plan, background_terms=6, halo=True)
    return replace(case, name=f"{case.name}, halo bank", plan=plan)


def milling() -> Case:
    """Return a 4001-point pattern of four phases, one of them textured."""
    folder = SHARED / "milling_csbr_pbbr2"
    if folder.is_dir():
        return _measured_milling(folder)
    weights = {"NaTaCl6": 0.4, "NaCl": 0.3, "Na2O": 0.1, "corundum": 0.2}
    grid = np.round(10.0 + 0.01 * np.arange(4001), 6)
    pattern, instrument = _simulate(weights, two_theta=grid, textured="NaTaCl6")
    cifs = tuple(_shipped_cif(name) for name in weights)
    phases = [Phase(structure=read_cif(path)) for path in cifs]
    phases[0] = replace(phases[0], texture=(0, 1, 0))
    plan = RefinementPlan(phases=tuple(phases), instrument=instrument)
    return Case(
        name="milling (synthetic), 4001 points, 4 phases, texture",
        pattern=pattern,
        plan=plan,
        cifs=cifs,
        truth=np.array(list(weights.values())),
    )


def _measured_milling(folder: Path) -> Case:
    """Return CsBr + PbBr2 milled 45 min, whose neighbour was milled 30 min."""
    files = folder / "cif_and_instprm"
    cifs = tuple(files / f"{name}.cif" for name in MILLING)
    phases = [
        Phase(structure=read_cif(path, name=name))
        for name, path in zip(MILLING, cifs, strict=True)
    ]
    phases[1] = replace(phases[1], texture=(0, 0, 1))
    series = folder / "20N_60rpm"
    pattern, neighbour = (
        read_pattern(next(series.glob(f"*_{minutes}min.xye"))) for minutes in (45, 30)
    )
    return Case(
        name=f"CsBr + PbBr2 45 min, {pattern.sizes[TWO_THETA]} points, 4 phases, "
        "texture",
        pattern=pattern,
        measured_neighbour=neighbour,
        plan=RefinementPlan(
            phases=tuple(phases),
            instrument=read_instrument(files / "Lab_CuKa.instprm"),
        ),
        cifs=cifs,
    )


def draw_neighbour(pattern: xr.Dataset, plan: RefinementPlan) -> xr.Dataset:
    """Draw what the same powder may have given one milling step earlier.

    The lines of a fit to the pattern, 20 % stronger or weaker in turn, moved by
    0.01 degree and a little broader, on the same background, counted anew.
    """
    from refinement.engines.native.engine import NativeEngine

    curves = NativeEngine().refine(pattern, plan).curves
    angles = curves[TWO_THETA].to_numpy()
    expected = (curves["background"] + curves["halo"]).to_numpy()
    for number in range(curves.sizes[PHASE]):
        lines = curves["component"].isel({PHASE: number}).to_numpy()
        lines = np.convolve(np.pad(lines, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
        moved = np.interp(angles - _NEIGHBOUR_SHIFT, angles, lines)
        expected = expected + _NEIGHBOUR_SCALES[number % 2] * moved
    counts = np.random.default_rng(7).poisson(np.maximum(expected, 0.0))
    std = np.sqrt(np.maximum(counts, 1.0))
    units = pattern[INTENSITY].attrs["units"]
    return make_pattern(angles, counts, intensity_std=std, intensity_units=units)


def _simulate(
    weights: dict[str, float], *, two_theta: Floats | None, textured: str = ""
) -> tuple[xr.Dataset, Instrument]:
    """Return a synthetic pattern of the library's phases, and its instrument."""
    phases = [
        SyntheticPhase(
            structure=library.load(name),
            weight_fraction=weight,
            size_nm=40.0,
            microstrain=6e-4,
            texture=Texture(axis=(0, 1, 0), r=0.8 if name == textured else 1.0),
        )
        for name, weight in weights.items()
    ]
    rng = np.random.default_rng(3)
    pattern, truth = simulate_mixture(
        phases, two_theta=two_theta, displacement_mm=0.03, rng=rng
    )
    instrument = Instrument(
        radiation=tube("CuKa"),
        u=truth.attrs["optics_u"],
        v=truth.attrs["optics_v"],
        w=truth.attrs["optics_w"],
        axial_divergence=truth.attrs["optics_axial_divergence"],
        calibrated=True,
    )
    return pattern, instrument


def _shipped_cif(name: str) -> Path:
    """Return the path of a CIF of the library."""
    path = library.find(name)[0].path
    assert path is not None, f"the library has no CIF of {name}"
    return path
