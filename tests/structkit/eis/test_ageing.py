"""Retention along thermal history and age."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from structkit.eis.ageing import (
    NO_KINETICS,
    compute_retention,
    compute_shortfall,
    compute_two_point_decay,
)
from structkit.eis.conductivity import compute_conductivity, make_resistances
from structkit.eis.leads import ShortCell
from structkit.eis.pellet import Pellet
from structkit.errors import SchemaError

PELLET = Pellet(
    diameter_mm=8.0, diameter_std_mm=0.1, thickness_mm=0.85, thickness_std_mm=0.05
)
HISTORY = ["as prepared", "25 C after 100 C", "at 200 C"]


def series(pellet: Pellet | None = PELLET) -> xr.Dataset:
    """Return 40, 80 and 8000 ohm, the last one measured hot."""
    ohms = np.array([40.0, 80.0, 8000.0])
    arcs = make_resistances(
        [298.15, 298.15, 473.15], total=ohms, total_std=0.01 * ohms, history=HISTORY
    )
    short = ShortCell(resistance_ohm=2.0, resistance_std_ohm=0.5)
    return compute_conductivity(arcs, pellet, short=short)


def test_geometry_cancels_and_leads_partly() -> None:
    found = compute_retention(series())
    ratio = 38.0 / 78.0
    assert found["retention"].item(1) == pytest.approx(ratio)
    noise = math.hypot(0.4 / 38.0, 0.8 / 78.0)
    leads = 0.5 / 38.0 - 0.5 / 78.0
    std = found["retention_std"].item(1)
    assert std == pytest.approx(ratio * math.hypot(noise, leads))
    anew = compute_retention(series(), is_same_pellet=False)
    assert anew["retention_std"].item(1) > 3.0 * std
    assert found["retention_std"].item(0) == 0.0


def test_temperature_and_history_stay_apart() -> None:
    found = compute_retention(series())
    assert found["is_same_temperature"].to_numpy().tolist() == [1, 1, 0]
    assert "another temperature" in found["remark"].item(2)
    assert found["history"].to_numpy().tolist() == HISTORY
    assert found["decades_lost"].item(2) == pytest.approx(math.log10(7998.0 / 38.0))


def test_geometry_may_be_unknown_on_one_pellet() -> None:
    arcs = make_resistances([298.0, 298.0], total=[40.0, 80.0], total_std=[0.4, 0.8])
    found = compute_retention(compute_conductivity(arcs, None))
    assert found["retention"].item(1) == pytest.approx(0.5)
    assert found["retention_std"].item(1) == pytest.approx(0.5 * 0.01 * math.sqrt(2.0))


def test_reference_without_value_is_refused() -> None:
    with pytest.raises(SchemaError, match="another reference"):
        compute_retention(series(), contribution="bulk")


def test_study_retention() -> None:  # C03
    found = compute_two_point_decay(4.35, 2.48, elapsed=10.0, relative_std=0.014)
    assert found.retention == pytest.approx(0.5701, abs=5e-5)
    assert found.rate == pytest.approx(0.0562, abs=5e-5)
    assert found.half_life == pytest.approx(12.3, abs=0.05)
    assert found.rate_std == pytest.approx(0.0014)
    assert NO_KINETICS in found.text
    assert 1.0 - 4.35 / 4.41 == pytest.approx(0.014, abs=5e-4)


def test_study_thermal_series() -> None:  # C04, C01
    found = compute_shortfall(
        0.023e-3,
        4.41e-3,
        temperature=473.15,
        reference_temperature=298.15,
        energy=0.32,
    )
    assert 1e3 * found.expected == pytest.approx(278.0, abs=0.5)
    assert 1e3 * found.expected_high == pytest.approx(442.0, abs=0.5)
    assert (found.decades, found.decades_high) == pytest.approx((4.1, 4.3), abs=0.05)
    ohms = 1.0 / np.array([4.41, 0.023, 0.11])
    arcs = make_resistances(np.full(3, 298.15), total=ohms, total_std=0.01 * ohms)
    loss = compute_retention(compute_conductivity(arcs, None))
    assert loss["decades_lost"].item(1) == pytest.approx(2.28, abs=0.005)
    assert 1.0 / loss["retention"].item(1) == pytest.approx(192.0, abs=0.5)
    assert 1.0 / loss["retention"].item(2) == pytest.approx(40.09, abs=0.005)


def test_a_rise_has_no_half_life() -> None:
    assert math.isinf(compute_two_point_decay(1.0, 2.0, elapsed=1.0).half_life)
    with pytest.raises(SchemaError, match="positive"):
        compute_two_point_decay(1.0, 0.0, elapsed=1.0)
