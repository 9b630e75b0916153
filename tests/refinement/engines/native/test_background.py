"""The halo bank: where its members stand, and that glass is left to it."""

from __future__ import annotations

import numpy as np
import pytest

from refinement.engines.native.background import (
    HALO,
    background_columns,
    halo_places,
)
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.systematics import _pair_of_widths
from refinement.engines.weights import scale_spread
from refinement.plan import Phase, RefinementPlan
from structkit.structures import library
from structkit.synthetic.lines import Optics
from structkit.synthetic.xrd import (
    PHASES,
    MillingTruth,
    simulate_blank,
    simulate_milling_series,
)
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

ANGLES = np.linspace(10.0, 80.0, 1401)
INSTRUMENT = Instrument(
    radiation=tube("CuKa"),
    u=0.004,
    v=-0.003,
    w=0.004,
    y=0.033,
    axial_divergence=0.012,
    calibrated=True,
)
SEEDS = (1, 2, 3)
LARGEST_BIAS = 0.02
"""Of the crystalline content: what an absolute amorphous fraction may be off."""


def make_plan(**options: object) -> RefinementPlan:
    phases = tuple(
        Phase(structure=library.load(name), cell_uncertain=name == "NaTaCl6")
        for name in PHASES
    )
    return RefinementPlan(phases=phases, instrument=INSTRUMENT, **options)  # type: ignore[arg-type]


def test_members_broaden_with_angle_and_stand_one_before_the_range() -> None:
    options = NativeOptions()
    places = np.array(halo_places(ANGLES, make_plan(), options))
    centers, widths = places.T
    low, high = options.halo_fwhm
    expected = np.clip(options.halo_growth * centers, low, high)
    assert widths == pytest.approx(expected)
    assert np.diff(centers) == pytest.approx(options.halo_spacing * widths[:-1])
    assert centers[0] < ANGLES[0] < centers[2]
    q = 4.0 * np.pi / 1.540593 * np.sin(np.radians(centers[-1] / 2.0))
    assert q <= options.halo_q_max < q + 0.3


def test_a_stretched_bank_has_fewer_and_wider_members() -> None:
    plan, options = make_plan(), NativeOptions()
    counts = [
        background_columns(ANGLES, plan, options, halo_stretch=x).select(HALO).sum()
        for x in (0.75, 1.0, 1.25)
    ]
    assert counts[0] > counts[1] > counts[2]
    assert options.stretch_halo(1.0) is options


@pytest.mark.parametrize("spread", [0.1, 0.4, 0.7])
def test_two_sizes_keep_the_full_width(spread: float) -> None:
    """The half-height points of the sum, found on a fine grid."""
    x = np.linspace(-3.0, 3.0, 60_001)
    curve = sum(
        w / (2.0 * np.pi) / (x**2 + 0.25 * w**2) for w in _pair_of_widths(spread)
    )
    inside = x[curve >= 0.5 * curve.max()]
    assert np.ptp(inside) == pytest.approx(1.0, abs=3e-4)


@pytest.mark.slow
def test_crystals_under_much_glass_are_found() -> None:
    """6 wt% crystals of 8 nm in glass: neither lost to the halo nor made of it.

    One size for a phase: what a distribution does is test_engine.py's.
    """
    optics = Optics()
    cubes = np.power(optics.wavelengths, 3) @ np.array(optics.shares)
    constant = np.degrees(cubes / (16.0 * np.pi))
    errors, totals = [], []
    for seed in SEEDS:
        tree, truth = simulate_milling_series(
            seed=seed, truth=MillingTruth(size_spread=0.0)
        )
        plan = make_plan(blank=simulate_blank(seed=seed), film_thickness_um=25.0)
        names = [str(name) for name in truth["sample"].to_numpy()]
        patterns = [tree[f"/{name}/xrd"].to_dataset() for name in names]
        for name, result in zip(
            names, NativeEngine().refine_series(patterns, plan), strict=True
        ):
            known = truth.sel(sample=name)
            unit = constant * float(
                known["instrument_scale"] / known["mass_attenuation"]
            )
            found = result.parameters
            content = float(found["scale"].sum()) / unit
            errors.append(content - float(known["weight_fraction"].sum()))
            spread = scale_spread(found, np.ones(len(PHASES))) / unit
            esd = np.sqrt(float(found["scale_covariance"].sum())) / unit
            totals.append(np.hypot(1.96 * esd, spread))
    by_time = np.reshape(errors, (len(SEEDS), -1)).mean(axis=0)
    assert np.abs(by_time).max() <= LARGEST_BIAS
    assert np.mean(np.abs(errors) <= totals) >= 0.8
