from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares, nnls

from structkit.nmr.line_model import solve_linear
from structkit.nmr.minimise import minimise_squares, solve_positive


def test_bounded_minimum_is_that_of_scipy() -> None:
    generator = np.random.default_rng(3)
    axis = np.linspace(0.0, 4.0, 60)
    data = 2.0 * np.exp(-1.3 * axis) + 0.4 + generator.normal(0.0, 0.02, axis.size)

    def evaluate(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        decay = np.exp(-p[1] * axis)
        slopes = np.array([decay, -p[0] * axis * decay, np.ones_like(axis)])
        return p[0] * decay + p[2] - data, slopes

    for low, high in (([0.0, 0.0, 0.0], [9.0] * 3), ([0.0, 1.6, 0.0], [9.0] * 3)):
        found = minimise_squares(
            evaluate,
            np.array([1.0, 2.0, 0.1]),
            low=np.array(low),
            high=np.array(high),
            max_steps=200,
            enough=1e-12,
        )
        slow = least_squares(
            lambda p: evaluate(p)[0], [1.0, 2.0, 0.1], bounds=(low, high), xtol=1e-12
        )
        assert found.converged
        np.testing.assert_allclose(found.values, slow.x, rtol=1e-4, atol=1e-5)


def test_too_few_steps_are_told() -> None:
    def evaluate(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bend = 10.0 * (p[1] - p[0] ** 2)
        slopes = np.array([[-20.0 * p[0], -1.0], [10.0, 0.0]])
        return np.array([bend, 1.0 - p[0]]), slopes

    start, wide = np.array([-1.2, 1.0]), np.full(2, 9.0)
    few = minimise_squares(evaluate, start, low=-wide, high=wide, max_steps=4)
    many = minimise_squares(evaluate, start, low=-wide, high=wide, max_steps=400)
    assert not few.converged
    assert many.converged
    np.testing.assert_allclose(many.values, 1.0, atol=1e-4)


def test_signed_least_squares_is_that_of_lawson_and_hanson() -> None:
    generator = np.random.default_rng(5)
    for _ in range(20):
        basis = np.abs(generator.normal(size=(6, 30)))
        data = generator.normal(size=30)
        found = solve_linear(basis, data, signed=np.zeros(6, dtype=bool))
        np.testing.assert_allclose(found, nnls(basis.T, data)[0], atol=1e-8)


def test_unknown_that_is_left_open_is_zero() -> None:
    matrix = np.array([[2.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 4.0]])
    found = solve_positive(matrix, np.array([2.0, 2.0, 8.0]))
    assert found == pytest.approx([1.0, 0.0, 2.0])
