"""One pattern to fit: weighted data, linear columns, and the reduced problem."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.kernels import solve_bounded
from refinement.engines.native.lines import LineState
from refinement.engines.native.model import (
    Model,
    apply_instrument,
    draw_columns,
    draw_jacobian,
    rebuild_operator,
)
from refinement.engines.native.operator import SegmentOperator

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_AXIAL_STEP = 1e-4


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """The pattern at one set of nonlinear parameters, linear ones solved."""

    values: Floats
    """Nonlinear parameters."""
    states: list[LineState]
    """Lines of each phase."""
    padded: Floats
    """Crystalline columns on the grid."""
    columns: Floats
    """Crystalline and measured columns at the points, weighted, shape
    (n_columns, n_points)."""
    amounts: Floats
    """All linear parameters: crystalline, measured, then background columns."""
    passive: Flags
    """Which linear parameters are not held at zero."""
    residual: Floats
    """Weighted observed minus calculated."""
    chi_square: float
    """Sum of squares of it, plus what harmonics and halo cost."""


@dataclass(slots=True, kw_only=True)
class Linearized:
    """Jacobian of one pattern, linear parameters projected out."""

    jacobian: Floats
    """Weighted derivatives, shape (n_free, n_points)."""
    normal: Floats
    """Reduced normal matrix, shape (n_free, n_free)."""

    def gradient(self, found: Evaluation) -> Floats:
        """Return ``J'r`` with the residual of ``found``."""
        return np.asarray(self.jacobian @ found.residual)


@dataclass(slots=True, kw_only=True)
class Problem:
    """Data and fixed columns; ``evaluate`` solves the linear part exactly."""

    model: Model
    root_weight: Floats
    """1 / sigma of each point."""
    observed: Floats
    """Weighted intensities."""
    background: Floats
    """Weighted background columns, shape (n_background, n_points)."""
    background_free: Flags
    """Which of them may be negative."""
    cost: Floats
    """Cost of each background column in standard deviations (the halo bank's)."""
    gof_square: float = 1.0
    """Reduced chi-square by which ridge and cost are scaled."""
    _gram: Floats = field(init=False)
    _moment: Floats = field(init=False)
    _passive: Flags = field(init=False)
    ridge: Floats = field(init=False)
    """Ridge added to the crystalline columns (harmonics only)."""

    def __post_init__(self) -> None:
        """Form what no parameter changes."""
        self._gram = self.background @ self.background.T
        self._moment = self.background @ self.observed
        n_all = self.model.n_columns + self.background_free.size
        self._passive = np.ones(n_all, dtype=bool)
        self.ridge = np.zeros(self.model.n_columns)

    @property
    def n_points(self) -> int:
        """Return the number of points in use."""
        return int(self.observed.size)

    def evaluate(
        self, values: Floats, *, broaden: float = 0.0, window: float | None = None
    ) -> Evaluation:
        """Return the best pattern at the nonlinear parameters ``values``."""
        model = self.model
        states = model.states(values)
        window = window or model.options.value_window
        padded = draw_columns(model, states, window=window, broaden=broaden)
        operator = self._operator(values)
        columns = apply_instrument(operator, padded, self.root_weight)
        if model.measured is not None:
            measured = model.measured.draw(values) * self.root_weight
            columns = np.concatenate([columns, measured])
        amounts, passive, penalty = self.solve(columns)
        n = model.n_columns
        calculated = amounts[:n] @ columns + amounts[n:] @ self.background
        residual = self.observed - calculated
        return Evaluation(
            values=values,
            states=states,
            padded=padded,
            columns=columns,
            amounts=amounts,
            passive=passive,
            residual=residual,
            chi_square=float(residual @ residual) + penalty,
        )

    def misfit(self, found: Evaluation) -> float:
        """Return chi-square without what harmonics and halo cost."""
        return float(found.residual @ found.residual)

    def normal_matrix(self, columns: Floats) -> tuple[Floats, Floats]:
        """Return normal matrix and right side of all linear columns."""
        n = columns.shape[0]
        size = n + self._gram.shape[0]
        normal = np.empty((size, size))
        normal[:n, :n] = columns @ columns.T
        normal[:n, n:] = columns @ self.background.T
        normal[n:, :n] = normal[:n, n:].T
        normal[n:, n:] = self._gram
        right = np.concatenate([columns @ self.observed, self._moment])
        return normal, right

    def _free(self) -> Flags:
        free = np.zeros(self.model.n_columns, dtype=bool)
        for first, last in zip(
            self.model.columns[:-1], self.model.columns[1:], strict=True
        ):
            free[first + 1 : last] = True
        return np.concatenate([free, self.background_free])

    def solve(
        self, columns: Floats, *, also_free: int | None = None
    ) -> tuple[Floats, Flags, float]:
        """Return linear parameters, which are not at zero, and what they cost.

        The halo bank and the polynomial can imitate each other. So that the split
        between background and amorphous area has one answer, every bank member
        costs ``cost`` of its standard deviations: the polynomial takes what it can.
        """
        normal, right = self.normal_matrix(columns)
        ridge = self.ridge
        diagonal = np.arange(ridge.size)
        normal[diagonal, diagonal] += ridge
        norm = np.sqrt(np.maximum(np.diag(normal), 1e-30))
        scaled = normal / np.outer(norm, norm)
        price = np.zeros(norm.size)
        price[ridge.size :] = self.cost * np.sqrt(self.gof_square)
        passive, free = self._passive.copy(), self._free()
        if also_free is not None:
            free[also_free] = True
        solution = solve_bounded(scaled, right / norm - price, free, passive)
        if also_free is None:
            self._passive = passive
        amounts = solution / norm
        penalty = ridge @ amounts[: ridge.size] ** 2 + 2.0 * price @ solution
        return amounts, passive, float(penalty)

    def rescale(self, amounts: Floats, gof_square: float) -> None:
        """Set the ridge of harmonics and the halo's cost from a fit so far."""
        self.gof_square = gof_square
        sigma = self.model.options.harmonics_ridge
        columns = self.model.columns
        for first, last in itertools.pairwise(columns):
            if last - first > 1:
                scale = max(float(amounts[first]), 1e-12)
                self.ridge[first + 1 : last] = gof_square / (sigma * scale) ** 2

    def jacobian(self, found: Evaluation, free: Flags) -> Floats:
        """Return the weighted derivatives by the free parameters, (n_free, n)."""
        n, measured = self.model.n_drawn, self.model.measured
        padded = draw_jacobian(self.model, found.states, found.amounts[:n], free)
        operator = self._operator(found.values)
        jacobian = apply_instrument(operator, padded, self.root_weight)
        if measured is not None:
            row = np.cumsum(free) - 1
            amounts = found.amounts[n : n + measured.size]
            for i, slope in measured.slopes(found.values, amounts, free).items():
                jacobian[row[i]] = slope * self.root_weight
        if self.model.layout.instrument and free[-1]:
            jacobian[-1] = self._axial_slope(found)
        return jacobian

    def linearize(self, found: Evaluation, free: Flags) -> Linearized:
        """Return Jacobian and reduced normal matrix at ``found``."""
        jacobian = self.jacobian(found, free)
        reduced, _, _ = reduced_normal(self, found, jacobian)
        return Linearized(jacobian=jacobian, normal=reduced)

    def _operator(self, values: Floats) -> SegmentOperator:
        """Return the instrument's matrix; it moves only during a calibration."""
        if not self.model.layout.instrument:
            return self.model.operator
        return rebuild_operator(self.model, float(values[-1]))

    def _axial_slope(self, found: Evaluation) -> Floats:
        """Return the derivative by axial divergence, by central difference."""
        n = self.model.n_drawn
        total = (found.amounts[:n] @ found.padded)[None, :]
        at = float(found.values[-1])
        low, high = max(at - _AXIAL_STEP, 0.0), at + _AXIAL_STEP
        above, below = (
            apply_instrument(rebuild_operator(self.model, x), total, self.root_weight)
            for x in (high, low)
        )
        return np.asarray((above[0] - below[0]) / (high - low))


def reduced_normal(
    problem: Problem,
    found: Evaluation,
    jacobian: Floats,
    *,
    passive: Flags | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Return the reduced normal matrix, and blocks for the full covariance.

    Parameters
    ----------
    problem : Problem
        The data.
    found : Evaluation
        Where to linearise.
    jacobian : ndarray, shape (n_free, n_points)
        Weighted derivatives.
    passive : ndarray of bool, optional
        Linear columns to project out; default: those not at zero.

    Returns
    -------
    reduced : ndarray, shape (n_free, n_free)
        ``J'J - J'X (X'X)^-1 X'J`` with X the columns that are not at zero.
    linear_inverse : ndarray, shape (n_linear, n_linear)
        ``(X'X)^-1``.
    transfer : ndarray, shape (n_linear, n_free)
        ``(X'X)^-1 X'J``.
    """
    normal, _ = problem.normal_matrix(found.columns)
    ridge = problem.ridge
    diagonal = np.arange(ridge.size)
    normal[diagonal, diagonal] += ridge
    chosen = np.nonzero(found.passive if passive is None else passive)[0]
    n = problem.model.n_columns
    cross = np.empty((normal.shape[0], jacobian.shape[0]))
    cross[:n] = found.columns @ jacobian.T
    cross[n:] = problem.background @ jacobian.T
    cross = cross[chosen]
    small = normal[np.ix_(chosen, chosen)]
    norm = np.sqrt(np.diag(small))
    scaled = small / np.outer(norm, norm)
    scaled[np.diag_indices_from(scaled)] += 1e-12
    inverse = np.linalg.inv(scaled) / np.outer(norm, norm)
    transfer = inverse @ cross
    reduced = jacobian @ jacobian.T - cross.T @ transfer
    return reduced, inverse, transfer
