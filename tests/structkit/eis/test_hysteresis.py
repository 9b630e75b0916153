"""Heating against cooling."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from structkit.eis.conductivity import compute_conductivity, make_resistances
from structkit.eis.hysteresis import check_hysteresis
from structkit.eis.pellet import Pellet

EV_PER_K = 8.617333262e-5
UP = np.linspace(260.0, 330.0, 8)
PELLET = Pellet(
    diameter_mm=8.0, diameter_std_mm=0.04, thickness_mm=0.9, thickness_std_mm=0.03
)


def sweeps(
    random: np.random.Generator, *, loss: float = 0.0, energy: float = 0.32
) -> xr.Dataset:
    """Return heating and cooling; cooling has lost a share, or has another energy."""
    kelvin = np.concatenate([UP, UP[::-1]])
    history = ["heating"] * 8 + ["cooling"] * 8
    energies = np.where(np.arange(16) < 8, 0.32, energy)
    turned = 1.0 / kelvin - 1.0 / 295.0
    ohms = 40.0 * np.exp(energies / EV_PER_K * turned)
    ohms[8:] /= 1.0 - loss
    noisy = ohms * np.exp(0.02 * random.standard_normal(16))
    arcs = make_resistances(kelvin, total=noisy, total_std=0.02 * ohms, history=history)
    return compute_conductivity(arcs, PELLET)


def test_loss_is_seen_and_measured() -> None:
    random = np.random.default_rng(8)
    offsets, hits = [], 0
    for _ in range(60):
        found = check_hysteresis(sweeps(random, loss=0.1))
        assert found.verdict == "hysteresis"
        low, high = found.offset_limits["cooling"]
        hits += low < math.log(0.9) < high
        offsets.append(found.offsets["cooling"])
    error = float(np.std(offsets)) / math.sqrt(60)
    assert abs(np.mean(offsets) - math.log(0.9)) < 4.0 * error
    assert hits >= 52  # 57 expected, below 52 has a probability of 0.3 %


def test_other_energy_is_seen() -> None:
    found = check_hysteresis(sweeps(np.random.default_rng(3), energy=0.40))
    assert found.slope_p_value < 0.01
    assert found.verdict == "hysteresis"


def test_equal_sweeps_are_equal() -> None:
    random = np.random.default_rng(9)
    alarms = sum(
        check_hysteresis(sweeps(random)).verdict == "hysteresis" for _ in range(100)
    )
    assert alarms <= 7  # two tests at 1 % each: 2 expected, above 7 one in a thousand


def test_one_history_is_not_tested() -> None:
    both = sweeps(np.random.default_rng(0))
    found = check_hysteresis(both.isel(measurement=slice(0, 8)))
    assert found.verdict == "not tested"
    assert "cooling" in found.text
    few = check_hysteresis(both.isel(measurement=[0, 1, 15]))
    assert "too few" in few.text
