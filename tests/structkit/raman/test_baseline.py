"""The projected baseline against an explicit one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import multivariate_normal

from structkit.raman.baseline import (
    SMOOTHNESS_GRID,
    difference_penalty,
    edge_curves,
    log_evidence,
    make_projection,
    penalty_weight,
    spline_basis,
)
from structkit.raman.model import BaselineOptions

Floats = NDArray[np.float64]

SHIFT = np.arange(100.0, 500.0, 4.0)
OPTIONS = BaselineOptions(knot_spacing=80.0)
ROUNDING = 1e-9
"""Two ways to the same numbers through matrices of condition 1e4 or so."""
EVIDENCE = 0.01
"""Of a logarithm: far below what tells two weights apart; the rounding that keeps a
heavy penalty positive brings half of it."""


def test_splines_are_a_partition_of_unity_and_hold_cubics() -> None:
    basis = spline_basis(SHIFT, OPTIONS)
    assert basis.sum(axis=1) == pytest.approx(np.ones(SHIFT.size), abs=1e-12)
    cubic = np.polynomial.Polynomial([3.0, -0.02, 1e-4, 2e-7])(SHIFT)
    fitted = basis @ np.linalg.lstsq(basis, cubic, rcond=None)[0]
    assert fitted == pytest.approx(cubic, rel=ROUNDING)


def test_splines_reach_both_ends_of_a_short_range() -> None:
    basis = spline_basis(np.linspace(100.0, 130.0, 20), OPTIONS)
    assert basis.shape == (20, 4)
    assert basis.sum(axis=1) == pytest.approx(np.ones(20), abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_penalty_is_blind_to_polynomials_below_its_order(order: int) -> None:
    penalty = difference_penalty(9, order)
    assert penalty.shape == (9 - order, 9)
    places = np.arange(9.0)
    assert penalty @ places ** (order - 1) == pytest.approx(0.0, abs=1e-12)
    assert np.all(np.abs(penalty @ places**order) > 0.5)


def test_edge_is_what_it_says_and_comes_close_to_another_fall() -> None:
    decays = (12.0, 24.0, 48.0, 96.0)
    curves = edge_curves(SHIFT, decays)
    assert curves[10, 2] == pytest.approx(np.exp(-40.0 / 48.0))
    assert edge_curves(SHIFT, ()).shape == (SHIFT.size, 0)
    power_law = (1.0 + (SHIFT - SHIFT[0]) / 30.0) ** -2.0
    weights, _ = nnls(curves, power_law)
    # Four decays follow a power law within 2 % of its height.
    assert curves @ weights == pytest.approx(power_law, abs=0.02)


def explicit_problem(seed: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    basis = spline_basis(SHIFT, OPTIONS)
    penalty = difference_penalty(basis.shape[1], 2)
    sigma = rng.uniform(0.5, 2.0, SHIFT.size)
    jacobian = rng.normal(size=(SHIFT.size, 3))
    residual = rng.normal(size=SHIFT.size) + 5.0
    return basis, penalty, sigma, jacobian, residual


@pytest.mark.parametrize("weight", [1e-3, 1.0, 1e3])
def test_projection_equals_joint_least_squares(weight: float) -> None:
    basis, penalty, sigma, jacobian, residual = explicit_problem(1)
    projection = make_projection(basis, sigma, penalty=penalty, weight=weight)
    found = projection.reduce_products(jacobian / sigma[:, None], residual / sigma)
    rows = np.vstack(
        [
            np.hstack([basis, jacobian]) / sigma[:, None],
            np.hstack([weight * penalty, np.zeros((penalty.shape[0], 3))]),
        ]
    )
    data = np.concatenate([residual / sigma, np.zeros(penalty.shape[0])])
    solved, _, _, _ = np.linalg.lstsq(rows, data, rcond=None)
    n = basis.shape[1]
    moves = np.linalg.solve(found.normal, found.gradient)
    assert moves == pytest.approx(solved[n:], rel=ROUNDING)
    covariance = np.linalg.inv(rows.T @ rows)[n:, n:]
    assert np.linalg.inv(found.normal) == pytest.approx(covariance, rel=1e-7)
    left = found.chi_square - found.gradient @ moves
    assert left == pytest.approx(float(np.sum((data - rows @ solved) ** 2)))
    after = (residual - jacobian @ moves) / sigma
    assert projection.solve(after) == pytest.approx(solved[:n], rel=1e-6)


def test_evidence_against_the_marginal_likelihood() -> None:
    basis, penalty, sigma, jacobian, residual = explicit_problem(2)
    basis, jacobian, data = (
        basis / sigma[:, None],
        jacobian / sigma[:, None],
        residual / sigma,
    )
    precision = np.array([0.5, 2.0, 0.1])
    light = 10.0
    found = log_evidence(
        basis, penalty, jacobian, data, prior_precision=precision, light=light
    )
    bands = jacobian @ np.diag(1.0 / precision) @ jacobian.T
    _, steep, axes = np.linalg.svd(penalty, full_matrices=True)
    strength = np.append(steep, [0.0, 0.0])
    slow = []
    loose = 1e-6  # a straight baseline has no prior; this stands for none
    for smoothness in SMOOTHNESS_GRID:
        pull = (penalty_weight(smoothness, light) * strength) ** 2
        spread = (axes.T / (pull + loose)) @ axes
        total = np.eye(SHIFT.size) + bands + basis @ spread @ basis.T
        slow.append(multivariate_normal.logpdf(data, cov=total, allow_singular=False))
    # Differences count; the least penalty is a thousand times the loose prior.
    differences = np.diff(slow)
    assert np.ptp(slow) > 1.0
    assert np.diff(found) == pytest.approx(differences, abs=EVIDENCE)


def test_penalty_follows_the_light() -> None:
    assert penalty_weight(4.0, 20.0) == pytest.approx(1.0)
    assert penalty_weight(1.0, 700.0) == pytest.approx(penalty_weight(1.0, 100.0) / 7.0)
    assert np.isfinite(penalty_weight(1.0, 0.0))


def test_a_column_that_the_baseline_can_be_is_unknown() -> None:
    """A flat template: no step for it, no harm to the others, a vast variance."""
    basis, penalty, sigma, jacobian, residual = explicit_problem(3)
    projection = make_projection(basis, sigma, penalty=penalty, weight=0.3)
    flat = np.column_stack([jacobian, np.ones(SHIFT.size)]) / sigma[:, None]
    found = projection.reduce_products(flat, residual / sigma)
    alone = projection.reduce_products(flat[:, :3], residual / sigma)
    assert found.normal[:3, :3] == pytest.approx(alone.normal)
    assert found.gradient[:3] == pytest.approx(alone.gradient)
    assert found.gradient[3] == 0.0
    assert np.all(found.normal[3, :3] == 0.0)
    raw = float(flat[:, 3] @ flat[:, 3])
    assert 0.0 < found.normal[3, 3] < 1e-9 * raw
