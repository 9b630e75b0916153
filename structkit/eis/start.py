"""Values to start a fit from, out of the spectrum itself.

With time constants and exponents given, a series of resistors, inductors, arcs and
constant-phase elements is linear in what is left. A table of such curves over a
coarse grid, one Gram matrix and one batch of small solutions rate some hundred
choices in a millisecond; the best few that differ are the starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import comb

import numpy as np

from structkit.eis.circuits import Arc, Circuit
from structkit.eis.elements import (
    Capacitor,
    Complexes,
    ConstantPhase,
    Floats,
    Grid,
    Inductor,
    Node,
    Parallel,
    Resistor,
    Series,
    Warburg,
    WarburgOpen,
    WarburgShort,
)

_ARC_EXPONENT = 0.85
_SPIKE_EXPONENTS = (0.5, 0.65, 0.8, 0.95)
_TAUS = 13
"""Time constants of the grid for one and two arcs."""
_MOST_CHOICES = 1500
_LEAST = 1e-4
"""Least share of a curve in the start, of the whole."""
_STRAYS = (0.02, 0.2, 0.6)
"""Shares of the admittance at the highest frequency that a stray capacitor takes."""
_BEYOND = 5.0
"""Time constants lie within the band, and above it by that factor."""
_RANDOM_WIDTH = 2.0
SEED = 20
"""Of the random starts."""


@dataclass(frozen=True, slots=True)
class _Curve:
    """One column of the table: a curve and the values that belong to it."""

    curve: Complexes
    nonlinear: tuple[float, ...]


def find_starts(
    circuit: Circuit, grid: Grid, data: tuple[Complexes, Floats], *, count: int
) -> list[Floats]:
    """Return up to ``count`` starts, the most promising first.

    Parameters
    ----------
    circuit : Circuit
        What is to be fitted.
    grid : Grid
        Frequencies, n_points of them.
    data : tuple of two ndarrays, shape (n_points,)
        Impedance, **ohm**, and weight of its residuals, **1/ohm**.
    count : int
        How many at most.

    Returns
    -------
    list of ndarray, shape (n_parameters,)
        Logarithms of values.
    """
    terms = circuit.terms
    stray = _find_stray(terms)
    if stray is None:
        found = _start_series(terms, grid, data, count)
    else:
        found = _start_with_stray(terms, stray, grid, data, count)
    if not found:
        found = _start_anywhere(circuit, grid, data[0], count)
    return [np.clip(one, circuit.log_low, circuit.log_high) for one in found]


def _find_stray(terms: tuple[Node, ...]) -> int | None:
    """Return the place of a capacitor beside a whole series; None without one."""
    for place, node in enumerate(terms):
        if isinstance(node, Parallel) and len(node.nodes) == 2:
            kinds = {type(one) for one in node.nodes}
            if kinds == {Capacitor, Series}:
                return place
    return None


def _start_with_stray(
    terms: tuple[Node, ...],
    place: int,
    grid: Grid,
    data: tuple[Complexes, Floats],
    count: int,
) -> list[Floats]:
    """Return starts: the series inside without the capacitor, then with it."""
    impedance, weight = data
    parallel = terms[place]
    assert isinstance(parallel, Parallel)  # noqa: S101 - chosen by _find_stray
    inner = next(one for one in parallel.nodes if isinstance(one, Series))
    outer = [node for at, node in enumerate(terms) if at != place]
    if any(not isinstance(node, Inductor | Resistor) for node in outer):
        return []
    top = int(np.argmax(grid.omega))
    found = []
    for share in _STRAYS:
        stray = share / (grid.omega[top] * abs(impedance[top]))
        rest = 1.0 / (1.0 / impedance - grid.s * stray)
        for values in _start_series(inner.nodes, grid, (rest, weight), 1):
            at_stray = isinstance(parallel.nodes[0], Capacitor)
            both = (np.log([stray]), values) if at_stray else (values, np.log([stray]))
            small = [
                _linear_value(node, _LEAST * abs(impedance[top]), grid.omega[top])
                for node in outer
            ]
            pieces = [np.log([one]) for one in small]
            pieces.insert(place, np.concatenate(both))
            found.append(np.concatenate(pieces))
    return found[:count]


def _linear_value(node: Node, impedance: float, omega: float) -> float:
    return impedance / omega if isinstance(node, Inductor) else impedance


def _start_series(
    terms: tuple[Node, ...],
    grid: Grid,
    data: tuple[Complexes, Floats],
    count: int,
) -> list[Floats]:
    """Return starts of a series; none where a term of it is not known here."""
    impedance, weight = data
    arcs = [place for place, node in enumerate(terms) if _is_arc(node)]
    taus = _time_constants(grid, len(arcs))
    tables: list[list[_Curve]] = []
    for node in terms:
        table = _tabulate(node, grid, taus)
        if not table:
            return []
        tables.append(table)
    choices = _choose(tables, arcs)
    begins = np.cumsum([0, *(len(table) for table in tables)])[:-1]
    columns = np.array([one.curve * weight for table in tables for one in table])
    real = columns.view(float)
    length = np.sqrt(np.einsum("ij,ij->i", real, real))
    real = real / length[:, None]
    target = (impedance * weight).view(float)
    places = choices + begins
    amounts, cost = _solve_choices(real @ real.T, real @ target, places)
    cost += float(target @ target)
    found: list[Floats] = []
    taken: list[tuple[int, ...]] = []
    for best in np.argsort(cost, kind="stable"):
        key = tuple(int(choices[best, place]) for place in arcs) or (int(best),)
        if any(max(abs(a - b) for a, b in zip(key, k, strict=True)) < 2 for k in taken):
            continue
        taken.append(key)
        pieces = [
            _values_of(
                node, table[int(choice)], float(amounts[best, at] / length[column])
            )
            for at, (node, table, choice, column) in enumerate(
                zip(terms, tables, choices[best], places[best], strict=True)
            )
        ]
        found.append(np.log(np.concatenate(pieces)))
        if len(found) == count:
            break
    return found


def _is_arc(node: Node) -> bool:
    if not isinstance(node, Parallel) or len(node.nodes) != 2:
        return False
    kinds = {type(one) for one in node.nodes}
    return kinds in ({Resistor, ConstantPhase}, {Resistor, Capacitor})


def _time_constants(grid: Grid, arcs: int) -> Floats:
    """Return a logarithmic grid, so coarse that choices of arcs stay few."""
    n = _TAUS
    while n > 4 and comb(n, max(arcs, 1)) * len(_SPIKE_EXPONENTS) > _MOST_CHOICES:
        n -= 1
    ends = 1.0 / (_BEYOND * grid.omega.max()), 1.0 / grid.omega.min()
    return np.geomspace(*ends, n)


def _tabulate(node: Node, grid: Grid, taus: Floats) -> list[_Curve]:
    """Return the curves of one term, for unit amount; empty where it is not known."""
    one = np.ones(grid.s.size, dtype=complex)
    if isinstance(node, Resistor):
        return [_Curve(one, ())]
    if isinstance(node, Inductor):
        return [_Curve(grid.s, ())]
    if isinstance(node, Capacitor):
        return [_Curve(1.0 / grid.s, ())]
    if isinstance(node, Warburg):
        return [_Curve((1.0 - 1.0j) / np.sqrt(grid.omega), ())]
    if isinstance(node, ConstantPhase):
        return [_Curve(np.exp(-n * grid.log_s), (n,)) for n in _SPIKE_EXPONENTS]
    if isinstance(node, WarburgShort | WarburgOpen):
        roots = [(tau, np.sqrt(tau * grid.s)) for tau in taus]
        if isinstance(node, WarburgShort):
            return [_Curve(np.tanh(root) / root, (tau,)) for tau, root in roots]
        return [_Curve(1.0 / (np.tanh(root) * root), (tau,)) for tau, root in roots]
    if isinstance(node, Parallel) and _is_arc(node):
        capacitor = any(isinstance(one, Capacitor) for one in node.nodes)
        n = 1.0 if capacitor else _ARC_EXPONENT
        return [
            _Curve(1.0 / (1.0 + np.exp(n * (grid.log_s + np.log(tau)))), (tau, n))
            for tau in taus
        ]
    return []


def _choose(tables: list[list[_Curve]], arcs: list[int]) -> np.ndarray:
    """Return all choices of one curve for each term; arcs by ascending time."""
    others = [place for place in range(len(tables)) if place not in arcs]
    sizes = [range(len(tables[place])) for place in others]
    steps = len(tables[arcs[0]]) if arcs else 0
    ordered = list(combinations(range(steps), len(arcs))) if arcs else [()]
    rest = list(product(*sizes))
    stride = max(1, len(ordered) * len(rest) // (4 * _MOST_CHOICES))
    rows = [(a, b) for a in ordered for b in rest][::stride]
    choices = np.empty((len(rows), len(tables)), dtype=int)
    if arcs:
        choices[:, arcs] = [row[0] for row in rows]
    if others:
        choices[:, others] = [row[1] for row in rows]
    return choices


def _solve_choices(
    gram: Floats, moments: Floats, places: np.ndarray
) -> tuple[Floats, Floats]:
    """Return amounts of each choice, not below a small share, and their cost."""
    parts = gram[places[:, :, None], places[:, None, :]]
    sides = moments[places]
    ridge = 1e-9 * np.eye(places.shape[1])
    amounts = np.linalg.solve(parts + ridge, sides[:, :, None])[:, :, 0]
    least = _LEAST * float(np.max(np.abs(moments)))
    for _ in range(2):
        # What came out negative is set to the least; the others are solved again.
        low = amounts < least
        if not low.any():
            break
        held = np.where(low, least, 0.0)
        side = sides - np.einsum("mij,mj->mi", parts, held)
        keep = ~low
        reduced = parts * (keep[:, :, None] & keep[:, None, :])
        reduced = (
            reduced + ridge + np.einsum("mi,ij->mij", low * 1.0, np.eye(len(ridge)))
        )
        again = np.linalg.solve(reduced, (side * keep)[:, :, None])[:, :, 0]
        amounts = np.where(low, least, again)
    amounts = np.maximum(amounts, least)
    bent = np.einsum("mi,mij,mj->m", amounts, parts, amounts)
    return amounts, np.asarray(bent - 2.0 * np.einsum("mi,mi->m", amounts, sides))


def _values_of(node: Node, curve: _Curve, amount: float) -> Floats:
    """Return the values of one term's parameters."""
    if isinstance(node, Capacitor):
        return np.array([1.0 / amount])
    if isinstance(node, ConstantPhase):
        return np.array([1.0 / amount, *curve.nonlinear])
    if isinstance(node, WarburgShort | WarburgOpen):
        return np.array([amount, *curve.nonlinear])
    if isinstance(node, Parallel):
        tau, n = curve.nonlinear
        values = [amount, tau**n / amount, n]
        size = 2 if any(isinstance(one, Capacitor) for one in node.nodes) else 3
        if isinstance(node.nodes[0], Resistor):
            return np.array(values[:size])
        return np.array([*values[1:size], amount])
    return np.array([amount])


def _start_anywhere(
    circuit: Circuit, grid: Grid, impedance: Complexes, count: int
) -> list[Floats]:
    """Return seeded random starts of the size of the spectrum."""
    rng = np.random.default_rng(SEED)
    size = float(np.exp(np.mean(np.log(np.abs(impedance)))))
    omega = float(np.exp(np.mean(np.log(grid.omega))))
    middle = {
        "ohm": size,
        "H": size / omega,
        "F": 1.0 / (size * omega),
        "S s^n": 1.0 / (size * omega**_ARC_EXPONENT),
        "1": _ARC_EXPONENT,
        "ohm s-1/2": size * omega**0.5,
        "s": 1.0 / omega,
    }
    centre = np.log([middle[one.units] for one in circuit.parameters])
    width = [0.1 if one.units == "1" else _RANDOM_WIDTH for one in circuit.parameters]
    moves = rng.normal(size=(4 * count, centre.size)) * np.array(width)
    moves[0] = 0.0
    return list(centre + moves)


def order_arcs(circuit: Circuit, log_values: Floats) -> np.ndarray:
    """Return the order of parameters that puts fast arcs before slow ones.

    Only arcs with the same free parameters change places.

    Parameters
    ----------
    circuit : Circuit
        With any number of arcs.
    log_values : ndarray, shape (n_parameters,)
        Logarithms of values.

    Returns
    -------
    ndarray of int, shape (n_parameters,)
        ``log_values[order]`` has its arcs sorted by time constant.
    """
    order = np.arange(log_values.size)
    for has_exponent in (True, False):
        arcs = [arc for arc in circuit.arcs if arc.has_exponent is has_exponent]
        slow = sorted(arcs, key=lambda arc: log_time_constant(arc, log_values))
        for target, source in zip(arcs, slow, strict=True):
            order[list(target.places)] = source.places
    return order


def log_time_constant(arc: Arc, log_values: Floats) -> float:
    """Return ln(tau/s) of an arc, ``tau = (R Q)^(1/n)``."""
    n = float(np.exp(log_values[arc.places[2]])) if arc.has_exponent else 1.0
    return float(log_values[arc.places[0]] + log_values[arc.places[1]]) / n
