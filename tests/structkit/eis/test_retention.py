"""Retention held against the same temperature, a line, or another sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import ArrayLike

from structkit.eis.ageing import NO_KINETICS
from structkit.eis.arrhenius import fit_arrhenius
from structkit.eis.conductivity import compute_conductivity, make_resistances
from structkit.eis.leads import ShortCell
from structkit.eis.pellet import Pellet
from structkit.eis.retention import Before, find_retention, first_history

BOLTZMANN = 8.617333262e-5
ENERGY = 0.40
PELLET = Pellet(
    diameter_mm=8.0, diameter_std_mm=0.1, thickness_mm=0.85, thickness_std_mm=0.05
)
NOISE = 0.01
"""Relative 1 sigma of each resistance."""


def resistance(kelvin: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return ohms of an unaltered pellet: 40 ohm at 298.15 K."""
    t = np.asarray(kelvin, dtype=float)
    step = ENERGY / BOLTZMANN * (1.0 / t - 1.0 / 298.15)
    return np.asarray(40.0 * t / 298.15 * np.exp(step))


def measure(
    kelvin: list[float],
    ohms: ArrayLike,
    history: list[str],
    pellet: Pellet | None = PELLET,
) -> xr.Dataset:
    std = NOISE * np.asarray(ohms, dtype=float)
    arcs = make_resistances(kelvin, total=ohms, total_std=std, history=history)
    return compute_conductivity(arcs, pellet)


def test_retention_is_at_the_same_temperature_and_geometry_cancels() -> None:
    rows = measure([298.15, 323.15, 298.15], [40.0, 12.0, 80.0], ["new"] * 2 + ["old"])
    found = find_retention(rows, first_history(rows))
    assert found["retention"].to_numpy() == pytest.approx([1.0, 1.0, 0.5])
    assert found["is_reference"].to_numpy().tolist() == [1, 1, 0]
    std = found["retention_std"].to_numpy()
    assert std == pytest.approx([0.0, 0.0, 0.5 * NOISE * math.sqrt(2.0)])
    assert found["decades_lost"].item(2) == pytest.approx(math.log10(2.0))
    assert found["reference"].item(2) == "new"
    assert found["remark"].item(2) == ""


def test_a_hot_measurement_is_not_divided_by_a_cold_one() -> None:
    rows = measure([298.15, 473.15], [40.0, 8000.0], ["as prepared", "at 200 C"])
    found = find_retention(rows, first_history(rows))
    assert math.isnan(found["retention"].item(1))
    assert found["remark"].item(1) == (
        "nothing measured before within 2 K, and no Arrhenius line"
    )


def test_the_line_stands_in_and_is_told() -> None:
    kelvin = [288.15, 298.15, 308.15, 318.15]
    ohms = np.append(resistance(kelvin), 4.0 * resistance(303.15))
    rows = measure([*kelvin, 303.15], ohms, ["new"] * 4 + ["old"])
    line = fit_arrhenius(rows.isel(measurement=slice(4))).assign_attrs(history="new")
    found = find_retention(rows, first_history(rows, [line])).isel(measurement=4)
    assert found["retention"].item() == pytest.approx(0.25, rel=1e-6)
    # Geometry (13 %) cancels: the point's noise and that of four points' line stay.
    assert 0.25 * NOISE < found["retention_std"].item() < 0.25 * 2.0 * NOISE
    assert "Arrhenius line of new at 303.15 K" in found["remark"].item()
    far = measure([*kelvin, 473.15], ohms, ["new"] * 4 + ["old"])
    beyond = find_retention(far, first_history(far, [line])).isel(measurement=4)
    assert "extrapolated 155 K" in beyond["remark"].item()


def test_the_line_widens_what_two_kelvin_may_do() -> None:
    kelvin = [288.15, 298.15, 308.15]
    ohms = np.append(resistance(kelvin), 80.0)
    rows = measure([*kelvin, 299.65], ohms, ["new"] * 3 + ["old"])
    line = fit_arrhenius(rows.isel(measurement=slice(3))).assign_attrs(history="new")
    found = find_retention(rows, first_history(rows, [line])).isel(measurement=3)
    assert found["retention"].item() == pytest.approx(0.5)
    by = 1.5 * (ENERGY / (BOLTZMANN * 299.65) - 1.0) / 299.65
    std = 0.5 * math.hypot(NOISE * math.sqrt(2.0), by)
    assert found["retention_std"].item() == pytest.approx(std, rel=1e-3)
    assert "1.5 K apart" in found["remark"].item()
    bare = find_retention(rows, first_history(rows)).isel(measurement=3)
    assert "not in the uncertainty" in bare["remark"].item()


def test_two_pellets_have_both_geometries_in() -> None:
    thin = Pellet(
        diameter_mm=8.0, diameter_std_mm=0.1, thickness_mm=0.425, thickness_std_mm=0.05
    )
    new, old = measure([298.15], [40.0], [""]), measure([298.15], [40.0], ["x"], thin)
    before = Before(name="4h", conductivity=new, is_same_sample=False)
    found = find_retention(old, before)
    assert found["retention"].item() == pytest.approx(0.5)
    parts = [NOISE, NOISE, PELLET.relative_std, thin.relative_std]
    assert found["retention_std"].item() == pytest.approx(0.5 * math.hypot(*parts))
    assert "two pellets" in found["remark"].item()
    alike = find_retention(measure([298.15], [80.0], ["x"]), before)
    spread = 0.5 * math.hypot(NOISE, NOISE, *[PELLET.relative_std] * 2)
    assert alike["retention_std"].item() == pytest.approx(spread)
    lost = find_retention(measure([298.15], [80.0], ["x"], None), before)
    assert math.isnan(lost["retention"].item())
    assert "geometry" in lost["remark"].item()


def test_geometry_may_be_unknown_on_one_pellet() -> None:
    rows = measure([298.0, 298.0], [40.0, 80.0], ["new", "old"], None)
    found = find_retention(rows, first_history(rows)).isel(measurement=1)
    assert found["retention"].item() == pytest.approx(0.5)
    assert "cancels" in found["remark"].item()


def test_leads_cancel_in_part_only() -> None:
    arcs = make_resistances(
        [298.0, 298.0], total=[40.0, 80.0], total_std=[0.4, 0.8], history=["a", "b"]
    )
    short = ShortCell(resistance_ohm=2.0, resistance_std_ohm=0.5)
    rows = compute_conductivity(arcs, PELLET, short=short)
    found = find_retention(rows, first_history(rows)).isel(measurement=1)
    leads = 0.5 / 38.0 - 0.5 / 78.0
    spread = math.hypot(0.4 / 38.0, 0.8 / 78.0, leads)
    assert found["retention_std"].item() == pytest.approx(38.0 / 78.0 * spread)


def test_study_retention() -> None:  # C03: 4.35 -> 2.48 mS/cm in ten days
    rows = measure([298.15] * 2, [1.0 / 4.35, 1.0 / 2.48], ["as made", "aged"], None)
    ages = [0.0, 240.0]
    found = find_retention(rows, first_history(rows, age=ages), age=ages)
    assert found["retention"].item(1) == pytest.approx(0.5701, abs=5e-5)
    assert "57.0 % left after 10 d" in found["remark"].item(1)
    assert NO_KINETICS in found["remark"].item(1)
    assert found["age"].to_numpy().tolist() == ages


def test_unknown_temperature_and_failed_rows_have_reasons() -> None:
    rows = measure([298.0, 298.0, 298.0], [40.0, math.nan, 80.0], ["a", "b", "c"])
    kelvin = rows["temperature"].copy(data=[298.0, 298.0, math.nan])
    rows = rows.assign_coords(temperature=kelvin)
    found = find_retention(rows, first_history(rows))
    assert found["remark"].to_numpy().tolist() == [
        "",
        "no total conductivity",
        "the temperature of the measurement is not known",
    ]
    assert np.isnan(found["retention"].to_numpy()[1:]).all()
