"""Small patterns that went through a real GSAS-II, and what is true about them.

``python cases.py --python PYTHON OUTPUT_FOLDER`` records them anew (30 s each)::

    series.json      s0 (cold), s1 and s2 (each started from its neighbour)
    wrong_cell.json  wrong (one cell edge 4 % off)
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from refinement.engines.gsas2.discovery import WORKER
from refinement.engines.gsas2.engine import Gsas2Engine
from refinement.engines.gsas2.pool import WorkerPool
from refinement.engines.gsas2.process import WorkerCommand
from refinement.plan import Phase, RefinementPlan
from structkit.structures import library
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.lines import Optics
from structkit.synthetic.mixture import SyntheticPhase, simulate_mixture
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

GRID = np.round(20.0 + 0.05 * np.arange(601), 6)
"""20 to 50 degree: small recordings, and no strong line just beyond the end."""
OPTICS = Optics(axial_divergence=0.001)
"""Hardly any axial divergence: GSAS-II overrates it in broad lines (2.5 times)."""
SIZES_NM = {"corundum": 60.0, "fluorite": 30.0, "zincite": 20.0}
STRAIN = 5e-4
DISPLACEMENT_MM = 0.05
WEIGHTS = {
    "s0": (0.5, 0.3, 0.2),
    "s1": (0.45, 0.3, 0.25),
    "s2": (0.4, 0.3, 0.3),
}
"""Weight fractions of the three phases along the series."""
WRONG = 1.04
"""Factor of the wrong cell's edges."""
CURVES = ("two_theta", "observed", "weight", "calculated", "background")
CURVE_DIGITS = 6
"""Significant digits of the curves; the noise is in the second or third."""


@lru_cache
def simulated(name: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Return pattern and truth of one pattern of the series."""
    phases = [
        SyntheticPhase(
            structure=library.load(phase),
            weight_fraction=weight,
            size_nm=SIZES_NM[phase],
            microstrain=STRAIN,
        )
        for phase, weight in zip(SIZES_NM, WEIGHTS[name], strict=True)
    ]
    return simulate_mixture(
        phases,
        two_theta=GRID,
        optics=OPTICS,
        displacement_mm=DISPLACEMENT_MM,
        max_counts=8000.0,
        rng=np.random.default_rng(sorted(WEIGHTS).index(name)),
    )


def make_plan(**options: Any) -> RefinementPlan:
    """Return the plan of the series, with the instrument as it truly is."""
    instrument = Instrument(
        radiation=tube("CuKa"),
        u=OPTICS.u,
        v=OPTICS.v,
        w=OPTICS.w,
        axial_divergence=OPTICS.axial_divergence,
        calibrated=True,
    )
    phases = tuple(Phase(structure=library.load(name)) for name in SIZES_NM)
    defaults: dict[str, Any] = {"instrument": instrument, "halo": False}
    return RefinementPlan(phases=phases, **(defaults | options))


def stretched(structure: CrystalStructure) -> CrystalStructure:
    """Return a structure whose cell is wrong."""
    edges = {axis: WRONG * getattr(structure.cell, axis) for axis in "abc"}
    return structure.with_cell(replace(structure.cell, **edges))


def make_wrong_plan() -> RefinementPlan:
    """Return a plan in which the cell of fluorite is wrong."""
    plan = make_plan()
    wrong = replace(plan.phases[1], structure=stretched(plan.phases[1].structure))
    return replace(plan, phases=(plan.phases[0], wrong, plan.phases[2]))


def shorten_curves(reply: dict[str, Any]) -> None:
    """Round the curves of an answer to ``finish``."""
    curves = reply["result"]
    for row in [*(curves[key] for key in CURVES), *curves["components"].values()]:
        row[:] = [float(f"{value:.{CURVE_DIGITS}g}") for value in row]


def record(command: WorkerCommand, output: Path) -> None:
    """Lead the patterns through a real GSAS-II and write what it answered."""
    from record import Recorder  # beside this file, when it runs as a program

    jobs: dict[str, tuple[RefinementPlan, dict[str, str]]] = {
        "series.json": (make_plan(), {name: name for name in WEIGHTS}),
        "wrong_cell.json": (make_wrong_plan(), {"wrong": "s0"}),
    }
    output.mkdir(parents=True, exist_ok=True)
    for file, (plan, names) in jobs.items():
        recorder = Recorder()
        engine = Gsas2Engine(pool=WorkerPool(command, 1, start=recorder.start))
        last = None
        with tempfile.TemporaryDirectory() as place:
            for name, pattern in names.items():
                last = engine.refine(
                    simulated(pattern)[0], plan, start=last, folder=Path(place) / name
                )
                shares = last.parameters["weight_fraction_crystalline"].values
                sys.stdout.write(f"{name}: {last.status.value} {shares}\n")
        engine.close()
        for worker in recorder.workers:
            for exchange in worker.exchanges:
                if exchange["op"] == "finish":
                    shorten_curves(exchange["reply"])
        recorder.save(output / file)


def main() -> None:
    """Record from the GSAS-II of a Python."""
    parser = argparse.ArgumentParser(description="Record the cases anew.")
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    record(WorkerCommand(python=options.python, script=WORKER), options.output)


if __name__ == "__main__":
    main()
