"""Starts from the data, and the order of arcs."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.eis.circuits import M3, Circuit, parse_circuit
from structkit.eis.elements import make_grid
from structkit.eis.start import find_starts, order_arcs

FREQUENCY = np.geomspace(0.1, 5e6, 70)
NEAR = 1.5
"""Of ln tau: the grid of time constants has a step of about 1.6."""


def starts_of(circuit: Circuit, values: list[float]) -> list[np.ndarray]:
    impedance = circuit.evaluate(FREQUENCY, values)
    grid = make_grid(FREQUENCY)
    return find_starts(circuit, grid, (impedance, 1.0 / np.abs(impedance)), count=4)


def test_the_first_start_has_the_time_constants() -> None:
    circuit = parse_circuit("L0-p(R1,CPE1)-p(R2,CPE2)-CPE3")
    values = [1e-7, 1e3, 1e-9, 0.9, 5e3, 1e-8, 0.85, 1e-6, 0.8]
    start = starts_of(circuit, values)[0]
    for r, q, n in ((1, 2, 3), (4, 5, 6)):
        true = np.log(values[r] * values[q]) / values[n]
        assert abs((start[r] + start[q]) / np.exp(start[n]) - true) < NEAR
    assert abs(start[1] - np.log(1e3)) < 1.0
    assert abs(start[4] - np.log(5e3)) < 0.5


def test_starts_differ_and_come_best_first() -> None:
    circuit = parse_circuit("R0-p(R1,CPE1)-p(R2,CPE2)")
    values = [10.0, 100.0, 1e-8, 0.9, 300.0, 1e-6, 0.85]
    impedance = circuit.evaluate(FREQUENCY, values)
    starts = starts_of(circuit, values)
    assert len(starts) == 4
    gaps = [
        np.sum(np.abs(circuit.evaluate(FREQUENCY, np.exp(one)) / impedance - 1.0) ** 2)
        for one in starts
    ]
    assert gaps[0] == min(gaps)
    assert len({tuple(np.round(one, 6)) for one in starts}) == 4


def test_a_stray_capacitor_is_started_too() -> None:
    values = [2e-7, 3e-11, 1e4, 2e-10, 0.85, 1e-6, 0.85]
    starts = starts_of(M3, values)
    assert len(starts) == 3
    assert all(np.all(np.isfinite(one)) for one in starts)


def test_unknown_topology_gets_seeded_starts() -> None:
    circuit = parse_circuit("p(R1-p(R2,C2),CPE1)")
    values = [100.0, 1e3, 1e-7, 1e-9, 0.9]
    first, again = starts_of(circuit, values), starts_of(circuit, values)
    np.testing.assert_array_equal(first, again)
    assert len(first) == 16


@pytest.mark.parametrize("swap", [False, True])
def test_fast_arcs_stand_first(swap: bool) -> None:
    circuit = parse_circuit("R0-p(R1,CPE1)-p(CPE2,R2)-p(R3,C3)-CPE4")
    arc_fast, arc_slow = [100.0, 1e-9, 0.9], [50.0, 1e-5, 0.8]
    one, two = (arc_slow, arc_fast) if swap else (arc_fast, arc_slow)
    values = np.log([1.0, *one, *two[1:], two[0], 10.0, 1e-12, 1e-3, 0.9])
    ordered = np.exp(values[order_arcs(circuit, values)])
    np.testing.assert_allclose(ordered[1:4], arc_fast)
    np.testing.assert_allclose(ordered[4:7], [*arc_slow[1:], arc_slow[0]])
    np.testing.assert_allclose(ordered[[0, 7, 8, 9, 10]], [1.0, 10.0, 1e-12, 1e-3, 0.9])
