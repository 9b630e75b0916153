"""Arcs: capacitances and apexes propagated, against draws; sums with covariance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from structkit.eis.arcs import describe_arcs, sum_resistances
from structkit.eis.capacitance import (
    brug_capacitance,
    classify_capacitance,
    hsu_mansfeld_capacitance,
    relative_permittivity,
    relaxation_frequency,
)
from structkit.eis.circuits import M2, parse_circuit
from structkit.eis.fit import ImpedanceFit, fit_impedance
from structkit.errors import PlanError
from structkit.schema.impedance import make_impedance

Floats = NDArray[np.float64]
FREQUENCY = np.geomspace(0.1, 1e6, 60)
TWO_ARCS = parse_circuit("p(R1,CPE1)-p(R2,CPE2)-CPE3")
TRUTH = np.array([1.5e5, 6.5e-11, 0.84, 2e6, 1.5e-10, 0.79, 1.4e-6, 0.6])
DRAWS = 4000
SPREAD = 0.05
"""Relative: 4000 draws know a standard deviation to 1.1 %; the rest is curvature."""


@pytest.fixture(scope="module")
def fit() -> ImpedanceFit:
    rng = np.random.default_rng(1)
    parts = rng.normal(size=(2, FREQUENCY.size))
    exact = TWO_ARCS.evaluate(FREQUENCY, TRUTH)
    noisy = exact * (1.0 + 0.003 * (parts[0] + 1j * parts[1]))
    return fit_impedance(make_impedance(FREQUENCY, noisy), TWO_ARCS)


@pytest.fixture(scope="module")
def draws(fit: ImpedanceFit) -> Floats:
    rng = np.random.default_rng(2)
    logs = rng.multivariate_normal(fit.log_values, fit.log_covariance, size=DRAWS)
    return np.exp(logs)


def test_the_apex_is_where_the_arc_is_highest(fit: ImpedanceFit) -> None:
    arc = describe_arcs(fit)[0]
    fine = np.geomspace(0.2, 5.0, 20001) * arc.peak_frequency
    alone = parse_circuit("p(R1,CPE1)")
    curve = alone.evaluate(fine, fit.values[:3])
    assert fine[np.argmin(curve.imag)] == pytest.approx(arc.peak_frequency, rel=1e-3)


def test_uncertainties_are_those_of_draws(fit: ImpedanceFit, draws: Floats) -> None:
    for arc, (r, q, n) in zip(
        describe_arcs(fit), (draws.T[:3], draws.T[3:6]), strict=True
    ):
        tau = (r * q) ** (1.0 / n)
        capacitance = q ** (1.0 / n) * r ** (1.0 / n - 1.0)
        for value, std, drawn in (
            (arc.peak_frequency, arc.peak_frequency_std, 1.0 / (2.0 * np.pi * tau)),
            (arc.capacitance, arc.capacitance_std, capacitance),
            (arc.resistance, arc.resistance_std, r),
        ):
            assert std / value == pytest.approx(np.log(drawn).std(), rel=SPREAD)


def test_a_sum_is_known_better_than_its_parts(fit: ImpedanceFit, draws: Floats) -> None:
    total, std = sum_resistances(fit)
    assert total == pytest.approx(fit.value("R1") + fit.value("R2"), rel=1e-12)
    assert std == pytest.approx((draws[:, 0] + draws[:, 3]).std(), rel=SPREAD)
    assert std < 0.6 * min(fit.std("R1"), fit.std("R2"))
    alone = sum_resistances(fit, ("R2",))
    assert alone == pytest.approx((fit.value("R2"), fit.std("R2")), rel=1e-9)
    with pytest.raises(PlanError, match="Q1 is no resistor"):
        sum_resistances(fit, ("Q1",))


def test_an_apex_outside_the_band_is_said() -> None:
    values = TRUTH.copy()
    values[1] /= 50.0
    exact = TWO_ARCS.evaluate(FREQUENCY, values)
    parts = np.random.default_rng(3).normal(size=(2, FREQUENCY.size))
    noisy = exact * (1.0 + 0.002 * (parts[0] + 1j * parts[1]))
    fit = fit_impedance(make_impedance(FREQUENCY, noisy), TWO_ARCS)
    fast, slow = describe_arcs(fit)
    assert not fast.in_band
    assert "band 0.1 to 1e+06 Hz" in fast.remark
    assert slow.in_band
    assert slow.remark == ""
    total, std = sum_resistances(fit)
    assert abs(total - values[0] - values[3]) < 4.0 * std
    assert std < 0.02 * total


def test_resistors_in_series_are_all_those_of_the_model() -> None:
    values = np.array([1e-7, 5.0, 400.0, 2e-9, 0.9, 900.0, 3e-8, 0.85, 2e-6, 0.8])
    frequency = np.geomspace(1.0, 1e7, 60)
    exact = M2.evaluate(frequency, values)
    start = dict(zip(M2.names, values, strict=True))
    fit = fit_impedance(make_impedance(frequency, exact), M2, start=start)
    assert sum_resistances(fit)[0] == pytest.approx(1305.0, rel=1e-6)


def test_capacitances_meet_where_n_is_one() -> None:
    assert hsu_mansfeld_capacitance(3e-9, 1.0, resistance=1e4) == pytest.approx(3e-9)
    assert brug_capacitance(3e-6, 1.0, series_resistance=10.0) == pytest.approx(3e-6)


def test_brug_is_hsu_mansfeld_with_the_other_resistance() -> None:
    brug = brug_capacitance(1e-6, 0.8, series_resistance=50.0)
    assert brug == pytest.approx(hsu_mansfeld_capacitance(1e-6, 0.8, resistance=50.0))
    both = brug_capacitance(1e-6, 0.8, series_resistance=50.0, transfer_resistance=50.0)
    assert both == pytest.approx(brug_capacitance(1e-6, 0.8, series_resistance=25.0))


def test_finding_nine_of_the_study() -> None:
    # 4.41 mS/cm, eps_r 10 to 20: 390 to 790 MHz; an 8 mm pellet of 0.85 mm.
    cell = 0.085 / (np.pi * 0.4**2)
    resistance = cell / 4.41e-3
    low, high = (
        relaxation_frequency(resistance, cell_constant=cell, permittivity=one) / 1e6
        for one in (20.0, 10.0)
    )
    assert low == pytest.approx(396.0, abs=3.0)
    assert high == pytest.approx(793.0, abs=3.0)
    # An apex at 5 MHz and -25 C, 390 to 460 ohm, needs 70 to 80 pF.
    for resistance in (390.0, 460.0):
        assert 65e-12 < 1.0 / (2.0 * np.pi * 5e6 * resistance) < 85e-12
    assert relative_permittivity(75e-12, cell) > 100.0


@pytest.mark.parametrize(
    ("capacitance", "kinds"),
    [
        (1e-12, ("bulk",)),
        (7e-12, ("bulk", "grain_boundary")),
        (1e-10, ("grain_boundary",)),
        (1e-5, ("electrode interface",)),
        (1e-15, ()),
    ],
)
def test_capacitances_are_classified(capacitance: float, kinds: tuple[str]) -> None:
    assert classify_capacitance(capacitance) == kinds


@pytest.mark.shared
def test_published_capacitances(shared_data: Path) -> None:
    # EISFitpython, results/Example3/Effective_Capacitance_Values.txt, 413 K.
    folder = shared_data / "eis/EISFitpython/EIS_Data/Example-3-4"
    rows = np.loadtxt(folder / "s04147-140deg.txt", skiprows=3)[::-1]
    spectrum = make_impedance(rows[:, 0], rows[:, 1] + 1j * rows[:, 2])
    fast, slow = describe_arcs(fit_impedance(spectrum, TWO_ARCS))
    assert fast.capacitance == pytest.approx(6.996e-12, rel=5e-4)
    assert slow.capacitance == pytest.approx(1.741e-11, rel=5e-4)
    # The 28 % printed there leave out that R, Q and n trade.
    assert fast.capacitance_std < 0.05 * fast.capacitance
