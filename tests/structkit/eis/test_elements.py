"""Elements against formulas written out point by point, slopes against differences."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np
import pytest

from structkit.eis.elements import (
    Capacitor,
    ConstantPhase,
    Element,
    Inductor,
    Resistor,
    Warburg,
    WarburgOpen,
    WarburgShort,
    make_grid,
)

ROUNDING = 1e-12
"""Two orders of the same operations in double precision."""
DIFFERENCE = 1e-6
"""Of |Z|: the third derivative of s^n by ln n reaches 20^3, and a central difference
leaves a sixth of it times the square of the step, 1e-7; a decade of reserve."""
STEP = 1e-5
FREQUENCY = np.geomspace(1e-3, 1e7, 41)

CASES: list[tuple[Element, list[float], Callable[[complex, list[float]], complex]]] = [
    (Resistor("R1"), [37.0], lambda s, v: complex(v[0])),
    (Inductor("L1"), [2e-6], lambda s, v: s * v[0]),
    (Capacitor("C1"), [3e-9], lambda s, v: 1 / (s * v[0])),
    (ConstantPhase("CPE1"), [4e-8, 0.83], lambda s, v: 1 / (v[0] * s ** v[1])),
    (ConstantPhase("Q1"), [4e-8, 1.0], lambda s, v: 1 / (v[0] * s ** v[1])),
    (
        Warburg("W1"),
        [12.0],
        lambda s, v: v[0] / math.sqrt(abs(s)) - 1j * v[0] / math.sqrt(abs(s)),
    ),
    (
        WarburgShort("Ws1"),
        [50.0, 1e-4],
        lambda s, v: v[0] * cmath.tanh(cmath.sqrt(s * v[1])) / cmath.sqrt(s * v[1]),
    ),
    (
        WarburgOpen("Wo1"),
        [50.0, 1e-4],
        lambda s, v: v[0] / cmath.tanh(cmath.sqrt(s * v[1])) / cmath.sqrt(s * v[1]),
    ),
]


def fill(element: Element, values: list[float]) -> tuple[np.ndarray, np.ndarray]:
    slopes = np.empty((element.size, FREQUENCY.size), dtype=complex)
    impedance = element.fill(make_grid(FREQUENCY), np.array(values), slopes)
    return impedance.copy(), slopes


@pytest.mark.parametrize(("element", "values", "formula"), CASES)
def test_impedance_is_the_formula(
    element: Element,
    values: list[float],
    formula: Callable[[complex, list[float]], complex],
) -> None:
    impedance, _ = fill(element, values)
    slow = [formula(2j * math.pi * f, values) for f in FREQUENCY]
    np.testing.assert_allclose(impedance, slow, rtol=ROUNDING)


@pytest.mark.parametrize(("element", "values", "formula"), CASES)
def test_slopes_are_those_by_the_logarithm(
    element: Element,
    values: list[float],
    formula: Callable[[complex, list[float]], complex],
) -> None:
    impedance, slopes = fill(element, values)
    assert len(element.parameters) == element.size
    for place in range(element.size):
        ahead, behind = values.copy(), values.copy()
        ahead[place] *= math.exp(STEP)
        behind[place] *= math.exp(-STEP)
        slow = [
            (formula(s, ahead) - formula(s, behind)) / (2.0 * STEP)
            for s in 2j * np.pi * FREQUENCY
        ]
        assert np.all(np.abs(slopes[place] - slow) < DIFFERENCE * np.abs(impedance))


@pytest.mark.parametrize("kind", [WarburgShort, WarburgOpen])
def test_diffusion_over_a_long_way_is_that_without_end(
    kind: type[WarburgShort | WarburgOpen],
) -> None:
    tau = 1e8
    impedance, slopes = fill(kind("W1"), [math.sqrt(2.0 * tau), tau])
    endless, _ = fill(Warburg("W2"), [1.0])
    np.testing.assert_allclose(impedance, endless, rtol=ROUNDING)
    assert np.all(np.isfinite(slopes))


def test_constant_phase_of_one_is_a_capacitor() -> None:
    np.testing.assert_allclose(
        fill(ConstantPhase("CPE1"), [3e-9, 1.0])[0],
        fill(Capacitor("C1"), [3e-9])[0],
        rtol=ROUNDING,
    )


def test_names_carry_the_suffix() -> None:
    assert [p.name for p in ConstantPhase("CPE_gb").parameters] == ["Q_gb", "n_gb"]
    assert [p.name for p in ConstantPhase("Q2").parameters] == ["Q2", "n2"]
    assert [p.name for p in WarburgOpen("Wo3").parameters] == ["Wo3", "tau3"]
