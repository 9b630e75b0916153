"""Circuit elements and how they combine, with analytic derivatives.

Every parameter is positive, and derivatives are taken with respect to its logarithm:
steps are then relative, a resistance of 1 ohm and one of 1 Gohm are alike, and no
step leads to a negative value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

N_LOW = 0.2
"""Least exponent of a constant-phase element: below, it is a resistor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One number of an element."""

    name: str
    """As in tables, ``R1`` or ``n_gb``."""
    units: str
    """UDUNITS."""
    low: float
    """Least value, in these units; positive."""
    high: float
    """Greatest value, in these units."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Frequencies and what all elements need of them, computed once."""

    omega: Floats
    """Angular frequency, **rad/s**."""
    s: Complexes
    """``1j omega``, **rad/s**."""
    log_s: Complexes
    """Its logarithm."""


def make_grid(frequency: ArrayLike) -> Grid:
    """Return the grid of frequencies in **Hz**, shape (n_points,)."""
    omega = 2.0 * np.pi * np.asarray(frequency, dtype=float)
    s = np.asarray(1j * omega, dtype=complex)
    return Grid(omega=omega, s=s, log_s=np.log(omega) + 0.5j * np.pi)


class Node(ABC):
    """An element, or several in series or in parallel.

    ``a + b`` is series, ``a | b`` is parallel.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters in the order of the vectors of values."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of parameters."""

    @abstractmethod
    def fill(self, grid: Grid, values: Floats, slopes: Complexes) -> Complexes:
        """Return the impedance and write its derivatives.

        Parameters
        ----------
        grid : Grid
            Frequencies, n_points of them.
        values : ndarray, shape (n_parameters,)
            In the units of the parameters.
        slopes : ndarray of complex, shape (n_parameters, n_points)
            Filled with the derivatives by the logarithm of each parameter, **ohm**.

        Returns
        -------
        ndarray of complex, shape (n_points,)
            **ohm**.
        """

    @abstractmethod
    def notate(self) -> str:
        """Return the node as ``R0-p(R1,CPE1)``."""

    def __add__(self, other: Node) -> Series:
        """Return both in series."""
        return Series((*_members(self, Series), *_members(other, Series)))

    def __or__(self, other: Node) -> Parallel:
        """Return both in parallel."""
        return Parallel((*_members(self, Parallel), *_members(other, Parallel)))


def _members(node: Node, kind: type[Series | Parallel]) -> tuple[Node, ...]:
    return node.nodes if isinstance(node, kind) else (node,)


@dataclass(frozen=True, slots=True)
class Element(Node):
    """One element; its label is the kind's letters and a suffix."""

    label: str
    """As written in a circuit, ``CPE1`` or ``R_gb``."""
    LETTERS: ClassVar[str] = ""
    SIZE: ClassVar[int] = 1

    @property
    def size(self) -> int:
        """Return the number of parameters."""
        return self.SIZE

    @property
    def suffix(self) -> str:
        """Return what follows the letters of the kind."""
        return self.label.lstrip("".join(set("CPEQRLWos")))

    def notate(self) -> str:
        """Return the label."""
        return self.label


@dataclass(frozen=True, slots=True)
class Resistor(Element):
    """``Z = R``."""

    LETTERS: ClassVar[str] = "R"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """``R``, **ohm**."""
        return (Parameter(name=self.label, units="ohm", low=1e-6, high=1e15),)

    def fill(self, grid: Grid, values: Floats, slopes: Complexes) -> Complexes:
        """Fill in; see :class:`Node`."""
        row: Complexes = slopes[0]
        row[:] = values[0]
        return row


@dataclass(frozen=True, slots=True)
class Inductor(Element):
    """``Z = s L``."""

    LETTERS: ClassVar[str] = "L"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """``L``, **H**."""
        return (Parameter(name=self.label, units="H", low=1e-12, high=1e3),)

    def fill(self, grid: Grid, values: Floats, slopes: Complexes) -> Complexes:
        """Fill in; see :class:`Node`."""
        row: Complexes = slopes[0]
        np.multiply(grid.s, values[0], out=row)
        return row


@dataclass(frozen=True, slots=True)
class Capacitor(Element):
    """``Z = 1/(s C)``."""

    LETTERS: ClassVar[str] = "C"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """``C``, **F**."""
        return (Parameter(name=self.label, units="F", low=1e-16, high=1e4),)

    def fill(self, grid: Grid, values: Floats, slopes: Complexes) -> Complexes:
        """Fill in; see :class:`Node`."""
        impedance: Complexes = 1.0 / (values[0] * grid.s)
        np.negative(impedance, out=slopes[0])
        return impedance


@dataclass(frozen=True, slots=True)
class ConstantPhase(Element):
    """``Z = 1/(Q s^n)``; the label may begin with ``CPE`` or ``Q``."""

    LETTERS: ClassVar[str] = "CPE"
    SIZE: ClassVar[int] = 2

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """``Q``, **S s^n**, and ``n``."""
        return (
            Parameter(name=f"Q{self.suffix}", units="S s^n", low=1e-17, high=1e4),
            Parameter(name=f"n{self.suffix}", units="1", low=N_LOW, high=1.0),
        )

    def fill(self, grid: Grid, values: Floats, slopes: Complexes) -> Complexes:
        """Fill in; see :class:`Node`."""
        power = values[1] * grid.log_s
        impedance: Complexes = np.exp(-np.log(values[0]) - power)
        np.negative(impedance, out=slopes[0])
        np.multiply(slopes[0], power, out=slopes[1])
        return impedance


@dataclass(frozen=True, slots=True)
class Warburg(Element):
    """Diffusion without end, ``Z = A (1 - 1j) / sqrt(omega)``."""

    LETTERS: ClassVar[str] = "W"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """``A``, **ohm s-1/2**."""
        return (Parameter(name=self.label, units="ohm s-1/2", low=1e-8, high=1e15),)

    def fill(self, grid: Grid, values: Floats, slopes: Complexes) -> Complexes:
        """Fill in; see :class:`Node`."""
        row: Complexes = slopes[0]
        row[:] = (values[0] * (1.0 - 1.0j)) / np.sqrt(grid.omega)
        return row


@dataclass(frozen=True, slots=True)
class _FiniteWarburg(Element):
    """Diffusion over a finite length."""

    SIZE: ClassVar[int] = 2

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """``Z``, **ohm**, and ``tau``, **s**."""
        tail = self.suffix
        return (
            Parameter(name=f"{self.LETTERS}{tail}", units="ohm", low=1e-6, high=1e15),
            Parameter(name=f"tau{tail}", units="s", low=1e-12, high=1e12),
        )

    def fill(self, grid: Grid, values: Floats, slopes: Complexes) -> Complexes:
        """Fill in; see :class:`Node`."""
        root = np.sqrt(values[1] * grid.s)
        shape = self._shape(root)
        row: Complexes = slopes[0]
        np.multiply(values[0], shape / root, out=row)
        slopes[1] = 0.5 * (values[0] * (1.0 - shape * shape) - row)
        return row

    @staticmethod
    def _shape(root: Complexes) -> Complexes:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class WarburgShort(_FiniteWarburg):
    """Diffusion to an ideal sink, ``Z = Z0 tanh(x)/x``, ``x = sqrt(s tau)``."""

    LETTERS: ClassVar[str] = "Ws"

    @staticmethod
    def _shape(root: Complexes) -> Complexes:
        return np.tanh(root)


@dataclass(frozen=True, slots=True)
class WarburgOpen(_FiniteWarburg):
    """Diffusion to a blocking wall, ``Z = Z0 coth(x)/x``, ``x = sqrt(s tau)``."""

    LETTERS: ClassVar[str] = "Wo"

    @staticmethod
    def _shape(root: Complexes) -> Complexes:
        return np.asarray(1.0 / np.tanh(root))


@dataclass(frozen=True, slots=True)
class _Composite(Node):
    """Several nodes."""

    nodes: tuple[Node, ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def size(self) -> int:
        """Return the number of parameters."""
        return sum(node.size for node in self.nodes)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the nodes, one after the other."""
        return tuple(one for node in self.nodes for one in node.parameters)

    def _fill_each(
        self, grid: Grid, values: Floats, slopes: Complexes
    ) -> Iterator[tuple[Complexes, Complexes]]:
        """Yield each node's impedance and its rows of the derivatives."""
        begin = 0
        for node in self.nodes:
            end = begin + node.size
            rows = slopes[begin:end]
            yield node.fill(grid, values[begin:end], rows), rows
            begin = end


@dataclass(frozen=True, slots=True)
class Series(_Composite):
    """Nodes one behind the other: impedances add."""

    def fill(self, grid: Grid, values: Floats, slopes: Complexes) -> Complexes:
        """Fill in; see :class:`Node`."""
        total = np.zeros(grid.s.shape, dtype=complex)
        for impedance, _ in self._fill_each(grid, values, slopes):
            total += impedance
        return total

    def notate(self) -> str:
        """Return ``a-b-c``."""
        return "-".join(node.notate() for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Parallel(_Composite):
    """Nodes side by side: admittances add."""

    def fill(self, grid: Grid, values: Floats, slopes: Complexes) -> Complexes:
        """Fill in; see :class:`Node`."""
        each = [(1.0 / z, rows) for z, rows in self._fill_each(grid, values, slopes)]
        total: Complexes = np.zeros(grid.s.shape, dtype=np.complex128)
        for admittance, _ in each:
            total += admittance
        impedance: Complexes = np.reciprocal(total)
        for admittance, rows in each:
            share = impedance * admittance
            rows *= share * share
        return impedance

    def notate(self) -> str:
        """Return ``p(a,b)``."""
        return f"p({','.join(node.notate() for node in self.nodes)})"


KINDS: tuple[type[Element], ...] = (
    ConstantPhase,
    WarburgOpen,
    WarburgShort,
    Warburg,
    Resistor,
    Inductor,
    Capacitor,
)
"""Kinds of element; letters that begin with another's letters stand first."""
