"""Circuits: notation there and back, impedance by another way, structure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structkit.eis.circuits import (
    M0,
    M1,
    M2,
    M3,
    MODELS,
    Circuit,
    parse_circuit,
    remove_elements,
)
from structkit.eis.elements import (
    Capacitor,
    ConstantPhase,
    Node,
    Parallel,
    Resistor,
    make_grid,
)
from structkit.errors import PlanError

ROUNDING = 1e-12
DIFFERENCE = 1e-6
"""Of |Z|: third derivatives reach 20^3, a sixth of it times the square of the step."""
STEP = 1e-5
FREQUENCY = np.geomspace(0.1, 1e7, 33)
S = 2j * np.pi * FREQUENCY


def rq(r: float, q: float, n: float) -> np.ndarray:
    """Return an arc by its own formula."""
    return r / (1.0 + r * q * S**n)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("L0-p(R1,CPE1)-CPE2", "L0-p(R1,CPE1)-CPE2"),
        ("(R1pQ1)+(R2pQ2)+Q3", "p(R1,Q1)-p(R2,Q2)-Q3"),
        ("(R1|Q1) + R2 - C3", "p(R1,Q1)-R2-C3"),
        ("p(C1,R1-p(R2,C2))", "p(C1,R1-p(R2,C2))"),
        ("(R_b|CPE_b)-W1", "p(R_b,CPE_b)-W1"),
        ("p(R1,C1,L1)-Ws2-Wo3", "p(R1,C1,L1)-Ws2-Wo3"),
    ],
)
def test_notation_is_read(text: str, printed: str) -> None:
    circuit = parse_circuit(text)
    assert str(circuit) == printed
    assert parse_circuit(str(circuit)).root == circuit.root


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("R1-", "expected an element .* at character 4, found 'the end'"),
        ("p(R1)", "a comma and a second branch at character 5"),
        ("(R1pQ1", "a closing bracket"),
        ("p(R1,C1", "a comma or a closing bracket"),
        ("X1", "an element"),
        ("R1)", "nothing more at character 3"),
        ("", "an element"),
        ("R1-R1", "R1 stands twice"),
        ("CPE1-Q1", "Q1, n1 stands twice"),
        ("__import__('os')", "an element"),
    ],
)
def test_mistakes_say_where(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        parse_circuit(text)


def nodes() -> st.SearchStrategy[Node]:
    """Return any composed node; labels are made unique afterwards."""
    # Without inductors nothing resonates, and differences keep their digits.
    leaves = st.sampled_from([Resistor, Capacitor, ConstantPhase])
    leaf = leaves.map(lambda kind: kind(kind.LETTERS))
    return st.recursive(
        leaf,
        lambda inner: st.tuples(inner, inner, st.booleans()).map(
            lambda t: t[0] + t[1] if t[2] else t[0] | t[1]
        ),
        max_leaves=8,
    )


def number(node: Node, counter: list[int]) -> Node:
    """Return the node with a number on every label."""
    if hasattr(node, "nodes"):
        return type(node)(tuple(number(one, counter) for one in node.nodes))
    counter[0] += 1
    return type(node)(f"{node.notate()}{counter[0]}")  # type: ignore[call-arg]


def slow(node: Node, values: dict[str, float], s: complex) -> complex:
    """Return the impedance at one point by recursion over what is printed."""
    if hasattr(node, "nodes"):
        each = [slow(one, values, s) for one in node.nodes]
        if isinstance(node, Parallel):
            return 1.0 / sum(1.0 / one for one in each)
        return sum(each)
    label = node.notate()
    tail = label.lstrip("CPER")
    if label.startswith("CPE"):
        return 1.0 / (values[f"Q{tail}"] * s ** values[f"n{tail}"])
    if label.startswith("C"):
        return 1.0 / (values[label] * s)
    return values[label]


@given(nodes(), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_any_circuit_is_its_parts(node: Node, seed: int) -> None:
    circuit = Circuit(number(node, [0]))
    assert parse_circuit(str(circuit)).names == circuit.names
    rng = np.random.default_rng(seed)
    units = {"ohm": 1e3, "F": 1e-9, "S s^n": 1e-8, "1": 0.5}
    values = np.array([units[p.units] for p in circuit.parameters])
    values *= np.exp(0.5 * rng.random(values.size))
    grid = make_grid(FREQUENCY)
    impedance, slopes = circuit.differentiate(grid, values)
    named = dict(zip(circuit.names, values, strict=True))
    other = [slow(circuit.root, named, s) for s in S]
    np.testing.assert_allclose(impedance, other, rtol=1e3 * ROUNDING)
    for place in range(values.size):
        step = STEP * (np.arange(values.size) == place)
        ahead, behind = (
            circuit.evaluate(FREQUENCY, values * np.exp(sign * step))
            for sign in (1.0, -1.0)
        )
        gap = np.abs((ahead - behind) / (2.0 * STEP) - slopes[place])
        assert np.all(gap < DIFFERENCE * np.abs(impedance))


def test_models_are_the_written_formulas() -> None:
    lead, spike = 3e-7 * S, 1.0 / (2e-6 * S**0.8)
    bulk, boundary = rq(400.0, 2e-9, 0.9), rq(900.0, 3e-8, 0.85)
    cases = [
        (M0, [3e-7, 40.0, 2e-6, 0.8], lead + 40.0 + spike),
        (M1, [3e-7, 400.0, 2e-9, 0.9, 2e-6, 0.8], lead + bulk + spike),
        (
            M2,
            [3e-7, 5.0, 400.0, 2e-9, 0.9, 900.0, 3e-8, 0.85, 2e-6, 0.8],
            lead + 5.0 + bulk + boundary + spike,
        ),
        (
            M3,
            [3e-7, 5e-11, 400.0, 2e-9, 0.9, 2e-6, 0.8],
            lead + 1.0 / (S * 5e-11 + 1.0 / (bulk + spike)),
        ),
    ]
    for model, values, formula in cases:
        np.testing.assert_allclose(
            model.evaluate(FREQUENCY, values), formula, rtol=ROUNDING
        )


def test_arcs_are_found_where_they_are_in_series() -> None:
    assert [arc.resistor for arc in M2.arcs] == ["R_b", "R_gb"]
    assert [arc.resistor for arc in M3.arcs] == ["R_b"]
    assert M0.arcs == ()
    arcs = parse_circuit("R0-p(C1,R1)-p(R2,CPE2)").arcs
    assert [arc.places for arc in arcs] == [(2, 1), (3, 4, 5)]
    assert parse_circuit("p(R1-p(R2,C2),CPE1)").arcs == ()


def test_elements_are_taken_away() -> None:
    assert str(remove_elements(M2, {"L_s", "R_s"})) == (
        "p(R_b,CPE_b)-p(R_gb,CPE_gb)-CPE_el"
    )
    assert str(remove_elements(M3, {"C_stray"})) == str(M1)
    with pytest.raises(PlanError, match="is empty"):
        remove_elements(parse_circuit("R1"), {"R1"})


def test_unknown_parameters_are_named() -> None:
    with pytest.raises(PlanError, match="no parameter 'R9'; it has"):
        M1.place("R9")


def test_limits_hold_every_model() -> None:
    for model in MODELS:
        assert np.all(model.log_low < model.log_high)


def test_a_lone_element_returns_no_view() -> None:
    circuit = parse_circuit("R1")
    impedance, slopes = circuit.differentiate(make_grid([1.0, 2.0]), [5.0])
    slopes[:] = 0.0
    np.testing.assert_allclose(impedance, 5.0)
