"""Weighed clay mixtures by measured components; the floors are those of the issue."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from refinement import Component, InternalStandard, Phase, RefinementPlan, refine
from refinement.calibrate import Standard, calibrate_instrument
from refinement.crystallinity import component_weights
from structkit.io.read import read_pattern
from structkit.structures import library
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

pytestmark = [pytest.mark.shared, pytest.mark.slow]

MINERALS = {
    "quartz": ("QUARTZ", 20.0),
    "K-feldspar": ("ORDERED_MICROCLINE", 36.0),
    "plagioclase": ("LABRADORITE", 8.0),
    "kaolinite": ("KAOLINITE_DRY_BRANCH", 4.0),
    "smectite": ("MONTMORILLONITE_WYO", 12.0),
    "illite": ("ILLITE_1M_RM30", 0.0),
}
"""Pattern and wt% of Mix5."""
CLAYS = ("kaolinite", "smectite", "illite")
SPIKE = 0.2
MEAN_ERROR = 3.0
CLAY_SHARE = 20.0
"""wt% of kaolinite and smectite in Mix5 without its corundum."""
REMAINDER_ERROR = 5.0
GENERIC = Instrument(
    radiation=tube("CuKa"),
    u=0.005,
    v=-0.002,
    w=0.004,
    x=0.02,
    y=0.02,
    axial_divergence=0.02,
)


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "xrd" / "rockjock"


@pytest.fixture(scope="module")
def instrument(folder: Path) -> Instrument:
    standard = Standard(
        pattern=read_pattern(folder / "CORUNDUM.xy"),
        structure=library.load("corundum"),
    )
    return calibrate_instrument([standard], GENERIC)[0]


def weigh(
    folder: Path, instrument: Instrument, *, structure: bool, clays: bool
) -> xr.Dataset:
    with (folder / "rockjock_phases_rir.csv").open(encoding="utf-8") as stream:
        ratios = {row["phase_id"]: float(row["rir"]) for row in csv.DictReader(stream)}
    files = {name: file for name, (file, _) in MINERALS.items()}
    used = {name: f for name, f in files.items() if clays or name not in CLAYS}
    if not structure:
        used["corundum"] = "CORUNDUM"
    phases = (Phase(structure=library.load("corundum")),) if structure else ()
    plan = RefinementPlan(
        phases=phases,
        instrument=instrument,
        components=tuple(
            Component(
                name=name,
                pattern=read_pattern(folder / f"{file}.xy"),
                rir=ratios[file],
            )
            for name, file in used.items()
        ),
        halo=not clays,
        internal_standard=InternalStandard(phase="corundum", weight_fraction=SPIKE),
    )
    result = refine(read_pattern(folder / "Mix5.xy"), plan)
    assert result.status.has_values
    return component_weights(result, plan)


@pytest.mark.parametrize("structure", [True, False])
def test_all_minerals_by_measured_components(
    folder: Path, instrument: Instrument, *, structure: bool
) -> None:
    found = weigh(folder, instrument, structure=structure, clays=True)
    shares = found["weight_fraction_sample"].sel(constituent=list(MINERALS))
    errors = 100.0 * (1.0 - SPIKE) * shares.to_numpy()
    errors -= [weighed for _, weighed in MINERALS.values()]
    assert np.abs(errors[:-1]).mean() <= MEAN_ERROR
    assert abs(errors[-1]) <= MEAN_ERROR


@pytest.mark.parametrize("structure", [True, False])
def test_clays_left_out_are_the_remainder(
    folder: Path, instrument: Instrument, *, structure: bool
) -> None:
    found = weigh(folder, instrument, structure=structure, clays=False)
    remainder = 100.0 * float(found["amorphous_remainder"])
    assert abs(remainder - CLAY_SHARE) <= REMAINDER_ERROR
