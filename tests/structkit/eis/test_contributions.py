from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.eis.arcs import sum_resistances
from structkit.eis.circuits import parse_circuit
from structkit.eis.contributions import (
    Contributions,
    find_swaps,
    gather_resistances,
    read_contributions,
)
from structkit.eis.fit import ImpedanceFit, fit_impedance
from structkit.eis.identify import IdentifyOptions, judge_fit
from structkit.schema.impedance import make_impedance

FREQUENCY = np.geomspace(0.1, 1e6, 71)
CELL = 0.4
"""L/A, cm-1."""
EXACT = 1e-3
"""Relative: noise-free spectra come back to the search's tolerance."""


def make(
    text: str, values: list[float], *, frequency: np.ndarray = FREQUENCY
) -> ImpedanceFit:
    """Return the fit of a circuit to its own spectrum."""
    circuit = parse_circuit(text)
    spectrum = make_impedance(frequency, circuit.evaluate(frequency, values))
    start = dict(zip(circuit.names, values, strict=True))
    return fit_impedance(spectrum, circuit, start=start)


def read(fit: ImpedanceFit, *, is_chosen: bool = True) -> Contributions:
    gates = IdentifyOptions(cell_constant=CELL)
    return read_contributions(
        fit, judge_fit(fit, gates), cell_constant=CELL, is_chosen=is_chosen
    )


def test_the_fast_arc_is_the_bulk_however_it_is_written() -> None:
    fit = make("p(R1,C1)-p(R2,C2)-C3", [1e6, 4e-10, 1e5, 4e-12, 1e-6])
    np.testing.assert_allclose(read(fit).values, [1e5, 1e6, 1.1e6], rtol=EXACT)


def test_covariance_is_that_of_the_fit() -> None:
    circuit = parse_circuit("p(R1,CPE1)-p(R2,CPE2)-CPE3")
    truth = [1e5, 8e-12, 0.95, 1e6, 1e-9, 0.9, 1e-6, 0.6]
    rng = np.random.default_rng(5)
    exact = circuit.evaluate(FREQUENCY, truth)
    noise = rng.normal(size=FREQUENCY.size) + 1j * rng.normal(size=FREQUENCY.size)
    fit = fit_impedance(make_impedance(FREQUENCY, exact * (1 + 0.01 * noise)), circuit)
    found = read(fit)
    total = math.sqrt(np.array([1.0, 1.0]) @ found.covariance @ np.array([1.0, 1.0]))
    assert total == pytest.approx(sum_resistances(fit)[1], rel=1e-9)
    assert found.total_std == pytest.approx(total, rel=1e-9)


def test_an_electrode_is_no_part_of_the_pellet() -> None:
    fit = make("p(R1,C1)-p(R2,C2)", [1e5, 4e-12, 3e4, 1e-5])
    found = read(fit)
    assert found.values[0] == pytest.approx(1e5, rel=EXACT)
    assert math.isnan(found.values[1])
    assert found.values[2] == pytest.approx(1e5, rel=EXACT)
    assert "R2 has the capacitance of an electrode" in found.notes[0]


def test_a_resistor_beside_two_arcs_is_leads_else_part_of_the_total() -> None:
    two = make("R0-p(R1,C1)-p(R2,C2)", [2e3, 1e5, 4e-12, 1e6, 4e-10])
    one = make("R0-p(R1,C1)-C2", [2e5, 1e6, 4e-11, 1e-6])
    assert read(two).values[2] == pytest.approx(1.1e6, rel=EXACT)
    assert "R0" in read(two).notes[0]
    assert read(one).values[2] == pytest.approx(1.2e6, rel=EXACT)


def test_apex_above_the_band_is_a_value_with_a_mark() -> None:
    fit = make("p(R1,C1)-p(R2,C2)-C3", [1e4, 4e-12, 1e6, 4e-10, 1e-6])
    for chosen in (True, False):
        found = read(fit, is_chosen=chosen)
        assert found.values[0] == pytest.approx(1e4, rel=EXACT)
        assert found.in_band == (False, True, True)
        assert "apex at" in found.remarks[0]


def test_total_is_extrapolated_where_the_slow_arc_is_below_the_band() -> None:
    frequency = np.geomspace(1e4, 1e7, 40)
    fit = make("p(R1,C1)-p(R2,C2)", [1e5, 4e-12, 1e6, 4e-10], frequency=frequency)
    found = read(fit)
    assert not found.in_band[2]
    assert found.remarks[2].startswith("extrapolated: apex at")


def test_a_gate_silences_an_arc_unless_the_circuit_is_the_users() -> None:
    # 0.4 cm-1 and 4e-11 F are a relative permittivity of 181: no bulk.
    fit = make("p(R1,C1)-C2", [1e6, 4e-11, 1e-6])
    assert math.isnan(read(fit, is_chosen=False).values[0])
    kept = read(fit)
    assert kept.values[0] == pytest.approx(1e6, rel=EXACT)
    assert "outside 5 to 60" in kept.remarks[0]


def test_rows_without_temperature_keep_their_resistance() -> None:
    fit = make("p(R1,C1)-C2", [1e6, 4e-12, 1e-6])
    failed = Contributions(remarks=("cut",) * 3)
    found = gather_resistances([read(fit), failed], [math.nan, 300.0], ["", "x"])
    assert np.isnan(found["temperature"].to_numpy()).tolist() == [True, False]
    total = found["resistance"].sel(contribution="total").to_numpy()
    assert total[0] == pytest.approx(1e6, rel=EXACT)
    assert math.isnan(total[1])


def test_a_swapped_arc_is_told() -> None:
    fits = [make("p(R1,C1)-C2", [1e6, c, 1e-6]) for c in (4e-12, 5e-12)]
    assert find_swaps(fits) == []
    fits.append(make("p(R1,C1)-C2", [1e6, 4e-10, 1e-6]))
    (text,) = find_swaps(fits)
    assert "not one process" in text
