"""Amorphous content of simulated spiked powders, refined by the native engine."""

import numpy as np
import pytest

from refinement.crystallinity import first_level
from refinement.engines.native.engine import NativeEngine
from refinement.plan import InternalStandard, Phase, RefinementPlan
from structkit.structures import library
from structkit.synthetic.xrd import simulate_milling_series
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

SPIKE = 0.2
# Of four values within 2 stated standard uncertainties; two simulated seeds.
SIGMAS = 2.0
# A statement wider than this would hold for anything.
WIDEST = 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [20250, 7])
def test_amorphous_content_lies_within_its_uncertainty(seed: int) -> None:
    """Without film: its transmission is in no model, and biases the content."""
    tree, truth = simulate_milling_series(
        times_h=(0.0, 2.0), internal_standard=SPIKE, film=False, seed=seed
    )
    names = [str(name) for name in truth["sample"].to_numpy()]
    phases = tuple(
        Phase(
            structure=library.load(str(phase)), cell_uncertain=str(phase) == "NaTaCl6"
        )
        for phase in truth["phase"].to_numpy()
    )
    standard = InternalStandard(
        phase="corundum", weight_fraction=SPIKE, weight_fraction_std=0.002
    )
    plan = RefinementPlan(
        phases=phases,
        instrument=Instrument(
            radiation=tube("CuKa"), u=0.004, v=-0.003, w=0.004, axial_divergence=0.012
        ),
        internal_standard=standard,
    )
    patterns = [tree[f"/{name}/xrd"].to_dataset() for name in names]
    results = NativeEngine().refine_series(patterns, plan)
    found = first_level(
        dict(zip(names, results, strict=True)),
        milling_time=dict(zip(names, truth["milling_time"].to_numpy(), strict=True)),
        roles={names[0]: "unmilled"},
        internal_standards=dict.fromkeys(names, standard),
    )
    off = (found["amorphous_fraction"] - truth["amorphous_fraction"]).to_numpy()
    std = found["amorphous_fraction_std"].to_numpy()
    assert np.all(std < WIDEST)
    assert np.all(np.abs(off) < SIGMAS * std)
    reference = found["relative_scale"].attrs["reference_sample"]
    assert reference == names[0]
