"""Curved against straight Arrhenius plots."""

from __future__ import annotations

import math

import numpy as np

from structkit.eis.vogel import MIN_TEMPERATURES, compare_curved
from structkit.schema import FitStatus

EV_PER_K = 8.617333262e-5
FALSE_ALARMS = 0.05
"""Of straight lines called curved, 200 draws."""


def test_curve_is_seen_and_its_temperature_recovered() -> None:
    random = np.random.default_rng(1)
    kelvin = np.linspace(250.0, 350.0, 11)
    found = []
    for _ in range(40):
        noise = np.exp(0.01 * random.standard_normal(11))
        sigma = 5.0 / kelvin * np.exp(-0.06 / (EV_PER_K * (kelvin - 170.0))) * noise
        test = compare_curved(kelvin, sigma, relative_std=np.full(11, 0.01))
        assert test.is_preferred
        found.append(test.vogel_temperature)
    error = float(np.std(found)) / math.sqrt(40)
    assert abs(np.mean(found) - 170.0) < 4.0 * error + 0.5


def test_straight_lines_stay_straight() -> None:
    random = np.random.default_rng(2)
    kelvin = np.linspace(258.0, 328.0, 8)
    alarms = 0
    for _ in range(200):
        noise = np.exp(0.02 * random.standard_normal(8))
        sigma = 1e4 / kelvin * np.exp(-0.32 / (EV_PER_K * kelvin)) * noise
        alarms += compare_curved(kelvin, sigma).is_preferred
    assert alarms / 200 <= FALSE_ALARMS


def test_few_temperatures_are_not_asked() -> None:
    kelvin = np.repeat(np.linspace(260.0, 330.0, MIN_TEMPERATURES - 1), 2)
    test = compare_curved(kelvin, np.ones(kelvin.size))
    assert test.status is FitStatus.FAILED
    assert f"needs {MIN_TEMPERATURES}" in test.reason
    assert math.isnan(test.delta_bic)
