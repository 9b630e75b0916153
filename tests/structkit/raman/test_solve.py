"""The block solver against dense normal equations and scipy.optimize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import least_squares

from structkit.raman.layout import Priors
from structkit.raman.problem import Normal
from structkit.raman.solve import Solution, in_same_valley, minimise

Floats = NDArray[np.float64]

COST = 2e-3
"""The solver stops when half of chi-square would fall by less than 1e-3."""
TIMES = np.linspace(0.0, 4.0, 80)


def priors(
    mean: Sequence[float],
    *,
    std: float | Sequence[float] = np.inf,
    low: float | Sequence[float] = -np.inf,
    high: float | Sequence[float] = np.inf,
) -> Priors:
    n = len(mean)
    return Priors(
        mean=np.asarray(mean, dtype=float),
        std=np.broadcast_to(np.asarray(std, dtype=float), (n,)).copy(),
        low=np.broadcast_to(np.asarray(low, dtype=float), (n,)).copy(),
        high=np.broadcast_to(np.asarray(high, dtype=float), (n,)).copy(),
    )


@dataclass(frozen=True)
class Decays:
    """Sums of two exponentials whose rates are shared; amounts are each curve's."""

    data: tuple[Floats, ...]
    sigma: float

    def residual(self, rates: Floats, amounts: Floats, number: int) -> Floats:
        curves = np.exp(-np.outer(TIMES, rates))
        return np.asarray((self.data[number] - curves @ amounts) / self.sigma)

    def evaluate(self, rates: Floats, locals_: Sequence[Floats]) -> list[Normal]:
        found = []
        for number, amounts in enumerate(locals_):
            curves = np.exp(-np.outer(TIMES, rates))
            by_rate = -TIMES[:, None] * curves * amounts
            jacobian = np.hstack([by_rate, curves]) / self.sigma
            left = self.residual(rates, amounts, number)
            found.append(
                Normal(jacobian.T @ jacobian, -jacobian.T @ left, float(left @ left))
            )
        return found


def simulate(amounts: Sequence[Sequence[float]], sigma: float, seed: int) -> Decays:
    rng = np.random.default_rng(seed)
    curves = np.exp(-np.outer(TIMES, [0.5, 2.5]))
    data = [curves @ np.asarray(a) + rng.normal(0.0, sigma, 80) for a in amounts]
    return Decays(tuple(data), sigma)


def flat_residual(
    problem: Decays, shared: Priors, own: Priors
) -> Callable[[Floats], Floats]:
    n, m, count = shared.mean.size, own.mean.size, len(problem.data)

    def residual(flat: Floats) -> Floats:
        rates, rest = flat[:n], flat[n:].reshape(count, m)
        parts = [problem.residual(rates, a, k) for k, a in enumerate(rest)]
        parts.append((rates - shared.mean) / shared.std)
        parts += [(a - own.mean) / own.std for a in rest]
        return np.concatenate(parts)

    return residual


@pytest.mark.parametrize("n_curves", [1, 4])
def test_one_step_solves_a_linear_problem(n_curves: int) -> None:
    rng = np.random.default_rng(n_curves)
    parts = [rng.normal(size=(30, 5)) for _ in range(n_curves)]
    data = [rng.normal(size=30) * 10.0 for _ in range(n_curves)]
    shared, own = priors([0.5, 1.0], std=[0.3, 2.0]), priors([0.0, 0.0, 1.0], std=4.0)

    def evaluate(a: Floats, locals_: Sequence[Floats]) -> list[Normal]:
        found = []
        for part, values, b in zip(parts, data, locals_, strict=True):
            left = values - part @ np.concatenate([a, b])
            found.append(Normal(part.T @ part, -part.T @ left, float(left @ left)))
        return found

    size = 2 + 3 * n_curves
    dense, right = np.zeros((size, size)), np.zeros(size)
    for number, (part, values) in enumerate(zip(parts, data, strict=True)):
        places = [0, 1, *range(2 + 3 * number, 5 + 3 * number)]
        dense[np.ix_(places, places)] += part.T @ part
        right[places] += part.T @ values
    std = np.concatenate([shared.std, np.tile(own.std, n_curves)])
    mean = np.concatenate([shared.mean, np.tile(own.mean, n_curves)])
    dense += np.diag(std**-2.0)
    exact = np.linalg.solve(dense, right + mean * std**-2.0)
    found = minimise(
        evaluate,
        shared.mean,
        [own.mean] * n_curves,
        shared_priors=shared,
        local_priors=own,
    )
    assert found.converged
    values = np.concatenate([found.shared, *found.locals])
    # What is left of chi-square when it stops moves each by a few hundredths of sigma.
    sigma = np.sqrt(np.diag(np.linalg.inv(dense)))
    assert np.abs((values - exact) / sigma).max() < 2.0 * np.sqrt(COST)


@pytest.mark.parametrize("n_curves", [1, 3])
@pytest.mark.parametrize("limited", ["", "limited"])
def test_same_minimum_as_scipy(n_curves: int, limited: str) -> None:
    amounts = [[30.0, 20.0], [5.0, 60.0], [80.0, 0.0]][:n_curves]
    problem = simulate(amounts, 1.0, 11)
    # Limits that do not overlap keep the two from changing places.
    low, high = ([0.6, 1.2], [1.2, 2.0]) if limited else ([0.01, 1.2], [1.2, 20.0])
    shared = priors([0.8, 1.8], std=0.5, low=low, high=high)
    own = priors([10.0, 10.0], std=1e3, low=0.0)
    found = minimise(
        problem.evaluate,
        shared.mean,
        [own.mean] * n_curves,
        shared_priors=shared,
        local_priors=own,
    )
    start = np.concatenate([shared.mean, np.tile(own.mean, n_curves)])
    limits = tuple(
        np.concatenate([a, np.tile(b, n_curves)])
        for a, b in ((shared.low, own.low), (shared.high, own.high))
    )
    slow = least_squares(
        flat_residual(problem, shared, own), start, bounds=limits, xtol=1e-12
    )
    assert found.converged
    assert found.cost == pytest.approx(slow.cost, abs=COST)
    values = np.concatenate([found.shared, *found.locals])
    sigma = np.sqrt(np.diag(np.linalg.pinv(slow.jac.T @ slow.jac)))
    assert np.all(np.abs(values - slow.x) < 0.1 * sigma + 1e-9)
    assert np.array_equal(values, np.clip(values, *limits))
    if limited:
        assert found.shared[0] == 0.6  # the true rate, 0.5, is out of reach


def test_what_is_held_stays() -> None:
    problem = simulate([[30.0, 20.0]], 1.0, 12)
    shared = priors([0.7, 2.0], low=[0.7, 0.0], high=[0.7, 9.0])
    own = priors([10.0, 25.0], low=[0.0, 25.0], high=[np.inf, 25.0])
    found = minimise(
        problem.evaluate,
        np.array([0.5, 2.0]),
        [own.mean],
        shared_priors=shared,
        local_priors=own,
    )
    assert found.shared[0] == 0.7
    assert found.locals[0][1] == 25.0
    assert found.converged


def test_all_shared_held_or_none_there() -> None:
    problem = simulate([[30.0, 20.0]], 1.0, 13)
    own = priors([10.0, 10.0], low=0.0)
    held = priors([0.5, 2.5], low=[0.5, 2.5], high=[0.5, 2.5])
    found = minimise(
        problem.evaluate,
        held.mean,
        [own.mean],
        shared_priors=held,
        local_priors=own,
    )
    curves = np.exp(-np.outer(TIMES, [0.5, 2.5]))
    slow, *_ = np.linalg.lstsq(curves, problem.data[0], rcond=None)
    assert found.locals[0] == pytest.approx(slow, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6, 1e9])
def test_units_of_the_data_do_not_matter(scale: float) -> None:
    """A detector may give counts or millions of them."""
    plain = simulate([[30.0, 20.0], [5.0, 60.0]], 0.05, 14)
    problem = Decays(tuple(scale * d for d in plain.data), 0.05 * scale)
    shared = priors([0.8, 1.8], std=0.5, low=[0.01, 1.2], high=[1.2, 20.0])
    own = priors([0.0, 0.0], low=0.0)
    found, known = (
        minimise(
            each.evaluate,
            shared.mean,
            [own.mean] * 2,
            shared_priors=shared,
            local_priors=own,
        )
        for each in (problem, plain)
    )
    assert found.converged
    assert found.cost == pytest.approx(known.cost, abs=COST)
    assert found.steps == pytest.approx(known.steps, abs=2)
    assert found.locals[0] / scale == pytest.approx(known.locals[0], rel=1e-3)


def test_too_few_steps_are_told() -> None:
    problem = simulate([[30.0, 20.0]], 0.01, 15)
    shared, own = priors([0.1, 9.0], low=0.0), priors([1.0, 1.0], low=0.0)
    found = minimise(
        problem.evaluate,
        shared.mean,
        [own.mean],
        shared_priors=shared,
        local_priors=own,
        max_steps=2,
    )
    assert not found.converged
    assert found.steps == 2


def test_a_point_that_is_no_minimum_is_not_called_one() -> None:
    """The gradient points where the cost does not fall: no step helps."""

    def evaluate(a: Floats, locals_: Sequence[Floats]) -> list[Normal]:
        one = np.zeros((2, 2))
        one[0, 0] = one[1, 1] = 1.0
        wrong = np.array([50.0, 0.0])  # the true gradient is minus this
        return [Normal(one, wrong, 1e4 - 100.0 * float(a[0]))]

    found = minimise(
        evaluate,
        np.array([0.0]),
        [np.array([0.0])],
        shared_priors=priors([0.0]),
        local_priors=priors([0.0]),
    )
    assert not found.converged


def two_valleys(shared: Floats, _: Sequence[Floats]) -> list[Normal]:
    """Half of the square of (x^2 - 9, 0.3 (x - 3)): minima near 3 and -3.

    What a curve has of its own has no part in it.
    """
    x = float(shared[0])
    residual = np.array([x * x - 9.0, 0.3 * (x - 3.0)])
    slope = np.array([[2.0 * x, 0.0], [0.3, 0.0]])
    return [Normal(slope.T @ slope, slope.T @ residual, float(residual @ residual))]


@pytest.mark.parametrize(("start", "same"), [(4.0, True), (2.0, True), (-4.0, False)])
def test_a_ridge_between_two_valleys_is_seen(start: float, same: bool) -> None:
    wide = priors([0.0], std=1e6)
    none = priors([0.0], std=1.0)
    lowest = minimise(
        two_valleys,
        np.array([3.5]),
        [np.zeros(1)],
        shared_priors=wide,
        local_priors=none,
    )
    assert lowest.shared[0] == pytest.approx(3.0, abs=1e-2)
    asked: list[float] = []

    def leads_there(reached: Solution) -> bool:
        asked.append(float(reached.shared[0]))
        return in_same_valley(lowest, reached, shared_priors=wide, local_priors=none)

    ended = minimise(
        two_valleys,
        np.array([start]),
        [np.zeros(1)],
        shared_priors=wide,
        local_priors=none,
        abandon=leads_there,
    )
    assert asked[0] == start
    assert ended.converged is not same
    if same:
        assert ended.steps < 3
    else:
        assert ended.shared[0] == pytest.approx(-3.0, abs=0.2)
