"""Circuits: what is measured as a composed object, written and read as text."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from structkit.eis.elements import (
    KINDS,
    Capacitor,
    Complexes,
    ConstantPhase,
    Element,
    Floats,
    Grid,
    Inductor,
    Node,
    Parallel,
    Parameter,
    Resistor,
    Series,
    make_grid,
)
from structkit.errors import PlanError

_LABEL = re.compile(r"(CPE|Wo|Ws|W|Q|R|L|C)(\d+|_[A-Za-z0-9]+)?")


@dataclass(frozen=True, slots=True)
class Arc:
    """A resistor beside a capacitor or constant-phase element, in a series."""

    places: tuple[int, ...]
    """Places of R, Q and, where it is free, n among the parameters."""
    resistor: str
    """Label of the resistor."""

    @property
    def has_exponent(self) -> bool:
        """Return whether there is an exponent (else it is 1)."""
        return len(self.places) == 3


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit with names, units and limits of its parameters.

    Examples
    --------
    >>> circuit = parse_circuit("R0-p(R1,CPE1)")
    >>> circuit.names
    ('R0', 'R1', 'Q1', 'n1')
    >>> impedance = circuit.evaluate([1.0], [10.0, 100.0, 1e-9, 0.9])
    >>> print(impedance.real.round(3))
    [110.]
    """

    root: Node
    """The composed elements."""
    name: str = ""
    """Short name, ``M1``; may be empty."""
    parameters: tuple[Parameter, ...] = field(init=False)
    """In the order of all vectors of values."""
    names: tuple[str, ...] = field(init=False)
    """Names of the parameters."""

    def __post_init__(self) -> None:
        """Refuse names that stand twice."""
        object.__setattr__(self, "parameters", self.root.parameters)
        names = tuple(one.name for one in self.parameters)
        object.__setattr__(self, "names", names)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PlanError(
                f"circuit {self}: parameter {', '.join(twice)} stands twice; give "
                "each element its own number (CPE1 and Q1 have the same parameters)"
            )

    def __str__(self) -> str:
        """Return the circuit in the notation of :func:`parse_circuit`."""
        return self.root.notate()

    @property
    def log_low(self) -> Floats:
        """Logarithms of the least values."""
        return np.log([one.low for one in self.parameters])

    @property
    def log_high(self) -> Floats:
        """Logarithms of the greatest values."""
        return np.log([one.high for one in self.parameters])

    @property
    def terms(self) -> tuple[Node, ...]:
        """What stands in series at the top."""
        return _flatten(self.root)

    @property
    def arcs(self) -> tuple[Arc, ...]:
        """Arcs in series at the top or beside a stray capacitor, as written."""
        return tuple(_find_arcs(self.root, 0))

    def place(self, name: str) -> int:
        """Return the place of a parameter.

        Raises
        ------
        PlanError
            The circuit has no such parameter.
        """
        if name not in self.names:
            raise PlanError(
                f"circuit {self} has no parameter {name!r}; it has "
                f"{', '.join(self.names)}"
            )
        return self.names.index(name)

    def evaluate(self, frequency: ArrayLike, values: ArrayLike) -> Complexes:
        """Return the impedance.

        Parameters
        ----------
        frequency : array_like, shape (n_points,)
            **Hz**, positive.
        values : array_like, shape (n_parameters,)
            Positive, in the units of :attr:`parameters`.

        Returns
        -------
        ndarray of complex, shape (n_points,)
            **ohm**.
        """
        return self.differentiate(make_grid(frequency), values)[0]

    def differentiate(
        self, grid: Grid, values: ArrayLike
    ) -> tuple[Complexes, Complexes]:
        """Return the impedance and its derivatives by the logarithms of parameters.

        Parameters
        ----------
        grid : Grid
            From :func:`structkit.eis.elements.make_grid`.
        values : array_like, shape (n_parameters,)
            Positive, in the units of :attr:`parameters`.

        Returns
        -------
        impedance : ndarray of complex, shape (n_points,)
            **ohm**.
        slopes : ndarray of complex, shape (n_parameters, n_points)
            **ohm**.
        """
        slopes = np.empty((len(self.names), grid.omega.size), dtype=complex)
        given = np.asarray(values, dtype=float)
        impedance = self.root.fill(grid, given, slopes)
        # A lone element returns a row of the derivatives itself.
        return (impedance if impedance.base is None else impedance.copy()), slopes


def _flatten(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Series):
        return tuple(one for inner in node.nodes for one in _flatten(inner))
    return (node,)


def _find_arcs(node: Node, begin: int) -> list[Arc]:
    """Return the arcs below a node whose first parameter stands at ``begin``."""
    if isinstance(node, Parallel):
        arc = _as_arc(node, begin)
        if arc is not None:
            return [arc]
        if not any(isinstance(one, Capacitor) for one in node.nodes):
            return []  # an arc inside another arc is not one of the series
    if not isinstance(node, Series | Parallel):
        return []
    found = []
    for inner in node.nodes:
        if not (isinstance(node, Parallel) and not isinstance(inner, Series)):
            found += _find_arcs(inner, begin)
        begin += inner.size
    return found


def _as_arc(node: Parallel, begin: int) -> Arc | None:
    """Return ``node`` as an arc; None where it is none."""
    if len(node.nodes) != 2:
        return None
    first, second = node.nodes
    if isinstance(first, Resistor) and isinstance(second, ConstantPhase | Capacitor):
        size = second.size
        places = (begin, *range(begin + 1, begin + 1 + size))
        return Arc(places, first.label)
    if isinstance(second, Resistor) and isinstance(first, ConstantPhase | Capacitor):
        size = first.size
        return Arc((begin + size, *range(begin, begin + size)), second.label)
    return None


def parse_circuit(text: str, *, name: str = "") -> Circuit:
    """Read a circuit from text.

    Parameters
    ----------
    text : str
        ``-`` or ``+`` is series, ``p(a,b)`` or ``(apb)`` or ``(a|b)`` parallel.
        Elements: ``R``, ``L``, ``C``, ``CPE`` or ``Q``, ``W``, ``Ws``, ``Wo``, each
        with a number or with an underscore and a word (then write ``|``, not ``p``,
        between elements).
    name : str, optional
        Short name of the circuit.

    Returns
    -------
    Circuit
        Nothing in the text is executed.

    Raises
    ------
    PlanError
        Says what was expected and at which character.

    Examples
    --------
    >>> print(parse_circuit("(R1pQ1)+(R2pQ2)+Q3"))
    p(R1,Q1)-p(R2,Q2)-Q3
    >>> print(parse_circuit("L0-p(R1,CPE1)-CPE2"))
    L0-p(R1,CPE1)-CPE2
    """
    reader = _Parser(text.replace(" ", ""))
    root = reader.read_series()
    if reader.at != len(reader.text):
        raise reader.refuse("nothing more")
    return Circuit(root, name)


@dataclass(slots=True)
class _Parser:
    """Reads a circuit by recursive descent."""

    text: str
    at: int = 0

    def refuse(self, expected: str) -> PlanError:
        """Return the error that says where reading stopped."""
        found = self.text[self.at : self.at + 6] or "the end"
        return PlanError(
            f"circuit {self.text!r}: expected {expected} at character {self.at + 1}, "
            f"found {found!r}; write for example L0-p(R1,CPE1)-CPE2"
        )

    def take(self, *choices: str) -> bool:
        """Step over one of some characters; tell whether one was there."""
        for one in choices:
            if self.text.startswith(one, self.at):
                self.at += len(one)
                return True
        return False

    def read_series(self) -> Node:
        """Return what stands in series from here."""
        node = self.read_parallel()
        while self.take("-", "+"):
            node = node + self.read_parallel()
        return node

    def read_parallel(self) -> Node:
        """Return what infix ``p`` or ``|`` joins from here."""
        node = self.read_one()
        while self.take("|", "p"):
            node = node | self.read_one()
        return node

    def read_one(self) -> Node:
        """Return an element, or what stands in brackets."""
        if self.take("p("):
            node = self.read_series()
            if not self.take(","):
                raise self.refuse("a comma and a second branch")
            node = node | self.read_series()
            while self.take(","):
                node = node | self.read_series()
            if not self.take(")"):
                raise self.refuse("a comma or a closing bracket")
            return node
        if self.take("("):
            node = self.read_series()
            if not self.take(")"):
                raise self.refuse("a closing bracket")
            return node
        found = _LABEL.match(self.text, self.at)
        if found is None:
            raise self.refuse("an element (R, L, C, CPE, Q, W, Ws, Wo)")
        self.at = found.end()
        return make_element(found.group(0), found.group(1))


def make_element(label: str, letters: str) -> Element:
    """Return the element of a label whose kind has these letters."""
    wanted = "CPE" if letters == "Q" else letters
    kind = next(kind for kind in KINDS if wanted == kind.LETTERS)
    return kind(label)


def remove_elements(circuit: Circuit, labels: Collection[str]) -> Circuit:
    """Return the circuit without some elements.

    Parameters
    ----------
    circuit : Circuit
        What they are taken from.
    labels : collection of str
        Labels of elements; others are ignored.

    Returns
    -------
    Circuit
        With the name of the old one.

    Raises
    ------
    PlanError
        Nothing is left.

    Examples
    --------
    >>> print(remove_elements(parse_circuit("L0-R0-p(R1,C1,C2)"), {"L0", "C1"}))
    R0-p(R1,C2)
    """
    root = _prune(circuit.root, labels)
    if root is None:
        raise PlanError(f"circuit {circuit} without {', '.join(labels)} is empty")
    return Circuit(root, circuit.name)


def _prune(node: Node, labels: Collection[str]) -> Node | None:
    """Return a node without some elements; None where nothing is left."""
    if isinstance(node, Series | Parallel):
        kept = [_prune(one, labels) for one in node.nodes]
        whole = tuple(one for one in kept if one is not None)
        if len(whole) < 2:
            return whole[0] if whole else None
        return type(node)(whole)
    return None if isinstance(node, Element) and node.label in labels else node


def _arc(suffix: str) -> Parallel:
    return Resistor(f"R_{suffix}") | ConstantPhase(f"CPE_{suffix}")


_LEAD = Inductor("L_s")
_ELECTRODE = ConstantPhase("CPE_el")
M0 = Circuit(_LEAD + Resistor("R_total") + _ELECTRODE, "M0")
"""Only the total resistance: no arc in the band."""
M1 = Circuit(_LEAD + _arc("b") + _ELECTRODE, "M1")
"""One arc."""
M2 = Circuit(_LEAD + Resistor("R_s") + _arc("b") + _arc("gb") + _ELECTRODE, "M2")
"""Bulk, grain boundary and a resistance in series."""
M3 = Circuit(_LEAD + (Capacitor("C_stray") | (_arc("b") + _ELECTRODE)), "M3")
"""One arc beside the stray capacitance of the cell."""
MODELS = (M0, M1, M2, M3)
"""Nested circuits of a pellet between blocking electrodes."""
