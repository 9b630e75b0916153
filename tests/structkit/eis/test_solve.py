"""Least squares against scipy, limits and steps that cannot be computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import least_squares

from structkit.eis.solve import Minimum, minimise

Floats = NDArray[np.float64]
SAME = 2e-3
"""Of a standard uncertainty: the search stops where chi-square would fall by a
millionth of the variance, and the root of that is 1e-3."""
X = np.linspace(0.0, 3.0, 30)
DATA = 2.0 * np.exp(-1.3 * X) + 0.02 * np.random.default_rng(1).normal(size=X.size)
WIDE = np.full(2, -50.0), np.full(2, 50.0)


def decay(at: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    curve = at[0] * np.exp(-at[1] * X)
    return curve - DATA, np.array([curve / at[0], -X * curve])


def uncertainty(found: Minimum) -> Floats:
    """Return the standard uncertainties with every parameter free."""
    hessian = found.slopes @ found.slopes.T
    variance = found.chi_square / (DATA.size - 2)
    return np.asarray(np.sqrt(variance * np.linalg.inv(hessian).diagonal()))


@pytest.mark.parametrize("start", [[1.0, 1.0], [10.0, 0.1], [0.3, 5.0]])
def test_minimum_is_that_of_scipy(start: list[float]) -> None:
    found = minimise(decay, np.array(start), WIDE)
    slow = least_squares(lambda at: decay(at)[0], [2.0, 1.0], xtol=1e-14, ftol=1e-14)
    assert found.converged
    assert np.all(np.abs(found.parameters - slow.x) < SAME * uncertainty(found))
    np.testing.assert_allclose(found.chi_square, 2.0 * slow.cost, rtol=1e-8)


def test_minimum_at_a_limit_is_that_of_scipy() -> None:
    limits = np.array([0.1, 0.0]), np.array([1.5, 50.0])
    found = minimise(decay, np.array([1.0, 1.0]), limits)
    slow = least_squares(
        lambda at: decay(at)[0], [1.0, 1.0], bounds=limits, xtol=1e-14, ftol=1e-14
    )
    assert found.converged
    assert found.parameters[0] == 1.5
    assert np.all(np.abs(found.parameters - slow.x) < SAME * uncertainty(found))


def test_equal_limits_hold_a_parameter() -> None:
    limits = np.array([1.0, 0.0]), np.array([1.0, 50.0])
    found = minimise(decay, np.array([3.0, 1.0]), limits)
    assert found.parameters[0] == 1.0
    slow = least_squares(lambda at: decay([1.0, at[0]])[0], [1.0], xtol=1e-14)
    assert abs(found.parameters[1] - slow.x[0]) < SAME * uncertainty(found)[1]


def test_steps_that_cannot_be_computed_are_not_taken() -> None:
    def guarded(at: Floats) -> tuple[Floats, Floats]:
        residual, slopes = decay(at)
        return (np.full_like(residual, np.nan) if at[1] > 1.6 else residual), slopes

    found = minimise(guarded, np.array([0.5, 0.01]), WIDE)
    assert found.converged
    other = minimise(decay, np.array([1.0, 1.0]), WIDE)
    gap = np.abs(found.parameters - other.parameters)
    assert np.all(gap < SAME * uncertainty(other))


def test_running_out_of_steps_is_said() -> None:
    found = minimise(decay, np.array([10.0, 0.1]), WIDE, max_steps=1)
    assert not found.converged
    assert found.steps == 1
