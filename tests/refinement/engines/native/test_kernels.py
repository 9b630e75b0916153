"""Compiled loops against slow forms of the same formulae."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import lsq_linear, nnls

from refinement.engines.native.kernels import (
    draw_derivatives,
    draw_lines,
    mix_widths,
    solve_bounded,
)
from structkit.xrd import profiles

Floats = NDArray[np.float64]
UNLIMITED = 1e4
# The Gaussian part ends where it is 1e-8 of its height, and is drawn by recurrence.
DRAWN = 1e-7
# Central differences of 1e-3 grid steps on lines of 5 to 20: cubic in step / width,
# and the end of the Gaussian part moves with the line.
DIFFERENCE = 2e-5
STEP = 1e-3
GRID = np.arange(301, dtype=float)


def some_lines(seed: int, n: int = 12) -> tuple[Floats, Floats, Floats, Floats]:
    """Return centres, Gaussian and Lorentzian widths, and areas."""
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(20.0, 280.0, n),
        rng.uniform(5.0, 20.0, n),
        rng.uniform(5.0, 20.0, n),
        rng.uniform(1.0, 100.0, n),
    )


def draw(
    centers: Floats,
    gaussian: Floats,
    lorentzian: Floats,
    areas: Floats,
    *,
    window: float = UNLIMITED,
) -> Floats:
    """Return all lines in one column."""
    out = np.zeros((1, GRID.size))
    draw_lines(centers, gaussian, lorentzian, areas[:, None].copy(), window, out)
    return out[0]


@pytest.mark.parametrize("seed", range(3))
def test_lines_are_pseudo_voigts(seed: int) -> None:
    centers, gaussian, lorentzian, areas = some_lines(seed)
    fwhm, eta = profiles.mix_widths(gaussian, lorentzian)
    slow = np.zeros_like(GRID)
    for k in range(centers.size):
        slow += areas[k] * profiles.pseudo_voigt(GRID - centers[k], fwhm[k], eta[k])
    fast = draw(centers, gaussian, lorentzian, areas)
    assert np.abs(fast - slow).max() < DRAWN * slow.max()


@pytest.mark.parametrize(
    ("gaussian", "lorentzian"), [(8.0, 1e-9), (1e-6, 8.0)], ids=["Gauss", "Lorentz"]
)
def test_pure_shapes(gaussian: float, lorentzian: float) -> None:
    shape = draw(*(np.array([v]) for v in (150.3, gaussian, lorentzian, 1.0)))
    u = 2.0 * (GRID - 150.3) / 8.0
    if gaussian > lorentzian:
        slow = np.exp(-np.log(2.0) * u**2) * 2.0 * np.sqrt(np.log(2.0) / np.pi) / 8.0
    else:
        slow = 2.0 / (np.pi * 8.0) / (1.0 + u**2)
    assert np.abs(shape - slow).max() < DRAWN * slow.max()


def test_each_line_adds_its_areas_to_all_columns() -> None:
    centers, gaussian, lorentzian, _ = some_lines(4, 2)
    out = np.full((3, GRID.size), 0.5)
    amplitudes = np.array([[2.0, -1.0, 0.0], [0.0, 4.0, 3.0]])
    draw_lines(centers, gaussian, lorentzian, amplitudes, UNLIMITED, out)
    one, other = (
        draw(centers[k : k + 1], gaussian[k : k + 1], lorentzian[k : k + 1], np.ones(1))
        for k in (0, 1)
    )
    expected = 0.5 + np.array([2.0 * one, 4.0 * other - one, 3.0 * other])
    assert out == pytest.approx(expected)


def test_a_window_ends_without_a_step() -> None:
    """A hard edge would make chi-square jump when a line moves."""
    width, window = 4.0, 12.0
    line = [np.array([v]) for v in (150.0, 0.01, width, 1.0)]
    shape = draw(*line, window=window)
    assert shape[np.abs(GRID - 150.0) > window * width].max() == 0.0
    whole = draw(*line)
    core = np.abs(GRID - 150.0) < 0.7 * window * width
    assert shape[core] == pytest.approx(whole[core], rel=1e-12)
    edge = np.abs(np.abs(GRID - 150.0) - window * width) < 4.0
    tail = whole[edge].max()
    steps = []
    for moved in np.arange(149.0, 151.0, 0.05):
        line[0] = np.array([moved])
        steps.append(draw(*line, window=window)[edge])
    assert np.abs(np.diff(steps, axis=0)).max() < 0.05 * tail


def test_lines_beyond_the_grid_cost_nothing_and_draw_their_tails() -> None:
    line = [np.array([v]) for v in (-30.0, 5.0, 5.0, 1.0)]
    fwhm, eta = profiles.mix_widths(line[1], line[2])
    slow = profiles.pseudo_voigt(GRID + 30.0, float(fwhm[0]), float(eta[0]))
    assert draw(*line) == pytest.approx(slow, rel=1e-6)
    assert not draw(*line, window=2.0).any()


@pytest.mark.parametrize("seed", range(5))
def test_derivatives_of_the_widths(seed: int) -> None:
    g, x = np.random.default_rng(seed).uniform(0.2, 5.0, 2)
    width, eta, by_g, by_l, eta_by_g, eta_by_l = mix_widths(g, x)
    fwhm, mixing = profiles.mix_widths(np.array([g]), np.array([x]))
    assert (width, eta) == pytest.approx((fwhm[0], mixing[0]), rel=1e-12)
    h = 1e-5
    up, down = mix_widths(g + h, x), mix_widths(g - h, x)
    slopes = (np.array(up[:2]) - np.array(down[:2])) / (2.0 * h)
    assert (by_g, eta_by_g) == pytest.approx(tuple(slopes), rel=1e-7, abs=1e-9)
    up, down = mix_widths(g, x + h), mix_widths(g, x - h)
    slopes = (np.array(up[:2]) - np.array(down[:2])) / (2.0 * h)
    assert (by_l, eta_by_l) == pytest.approx(tuple(slopes), rel=1e-7, abs=1e-9)


def differentiate(
    lines: list[Floats], tables: Floats, *, n: int, window: float = UNLIMITED
) -> Floats:
    """Return derivatives by ``n`` parameters; tables (4, n_lines, n)."""
    out = np.zeros((n, GRID.size))
    columns = np.tile(np.arange(n, dtype=np.int64), (lines[0].size, 1))
    draw_derivatives(*lines, *tables, columns, window, out)
    return out


@pytest.mark.parametrize("seed", range(3))
def test_derivatives_are_finite_differences(seed: int) -> None:
    """Each parameter moves all lines: by centre, widths, area, and all at once."""
    lines = list(some_lines(seed))
    n_lines = lines[0].size
    tables = np.zeros((4, n_lines, 5))
    rng = np.random.default_rng(100 + seed)
    for k in range(4):
        tables[k, :, k] = rng.uniform(-1.0, 1.0, n_lines)
    tables[:, :, 4] = rng.uniform(-1.0, 1.0, (4, n_lines))
    found = differentiate(lines, tables, n=5)
    for parameter in range(5):
        by_center, by_l, by_g, by_area = tables[:, :, parameter]
        ends = [
            draw(
                lines[0] + h * by_center,
                lines[1] + h * by_g,
                lines[2] + h * by_l,
                lines[3] * (1.0 + h * by_area),
            )
            for h in (STEP, -STEP)
        ]
        slope = (ends[0] - ends[1]) / (2.0 * STEP)
        error = np.abs(found[parameter] - slope).max()
        assert error < DIFFERENCE * np.abs(slope).max()


def test_derivatives_leave_out_what_is_not_wanted() -> None:
    lines = list(some_lines(7, 3))
    lines[3][1] = 0.0
    out = np.full((2, GRID.size), 1.5)
    tables = np.ones((4, 3, 2))
    columns = np.array([[0, -1], [0, 1], [0, -1]])
    draw_derivatives(*lines, *tables, columns, UNLIMITED, out)
    assert (out[1] == 1.5).all()
    assert (out[0] != 1.5).all()


def bounded_problem(
    seed: int, *, n: int = 10, duplicates: bool = False
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return columns of unit norm, data, and which of them are free."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(0.0, 1.0, n)
    at = np.linspace(0.0, 1.0, 60)
    columns = np.exp(-((at - centers[:, None]) ** 2) / 0.02) + 0.2 * rng.normal(
        size=(n, at.size)
    )
    if duplicates:
        columns[-1] = columns[0]
        columns[-2] = columns[1] + columns[2]
    columns /= np.linalg.norm(columns, axis=1)[:, None]
    data = rng.normal(size=n) @ columns + 0.1 * rng.normal(size=at.size)
    return columns, data, rng.random(n) < 0.3


def cost(columns: Floats, data: Floats, x: Floats) -> float:
    return float(np.sum((data - x @ columns) ** 2))


# Normal equations of columns of unit norm: condition up to 1e5, so 1e-7 is left.
SOLVED = 1e-7


@pytest.mark.parametrize("seed", range(60))
def test_bounded_fit_is_that_of_scipy(seed: int) -> None:
    columns, data, free = bounded_problem(seed)
    rng = np.random.default_rng(1000 + seed)
    bounds = np.where(free, -np.inf, 0.0)
    slow = lsq_linear(columns.T, data, bounds=(bounds, np.inf), method="bvls").x
    for passive in (np.ones(10, bool), np.zeros(10, bool), rng.random(10) < 0.5):
        x = solve_bounded(columns @ columns.T, columns @ data, free, passive)
        assert x == pytest.approx(slow, abs=1e-5)
        assert cost(columns, data, x) <= cost(columns, data, slow) * (1.0 + SOLVED)
        assert (x[~free] >= 0.0).all()
        assert (x[~passive] == 0.0).all()
        assert passive[free].all()


@pytest.mark.parametrize("seed", range(20))
def test_bounded_fit_without_free_columns_is_nnls(seed: int) -> None:
    columns, data, _ = bounded_problem(seed, n=25)
    none = np.zeros(25, dtype=bool)
    x = solve_bounded(columns @ columns.T, columns @ data, none, np.ones(25, bool))
    slow, residual = nnls(columns.T, data)
    assert x == pytest.approx(slow, abs=1e-5)
    assert cost(columns, data, x) == pytest.approx(residual**2, rel=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_bounded_fit_of_dependent_columns_is_as_good(seed: int) -> None:
    """The answer is not unique, its misfit is."""
    columns, data, free = bounded_problem(seed, duplicates=True)
    bounds = np.where(free, -np.inf, 0.0)
    slow = lsq_linear(columns.T, data, bounds=(bounds, np.inf), method="bvls").x
    for passive in (np.ones(10, bool), np.zeros(10, bool)):
        x = solve_bounded(columns @ columns.T, columns @ data, free, passive)
        assert np.isfinite(x).all()
        assert (x[~free] >= 0.0).all()
        assert cost(columns, data, x) <= cost(columns, data, slow) * (1.0 + 1e-5)


def test_a_dropped_column_comes_back() -> None:
    """Warm starts must not freeze a phase out of a series for ever."""
    columns, _, _ = bounded_problem(3)
    none = np.zeros(10, dtype=bool)
    passive = np.zeros(10, dtype=bool)
    truth = np.linspace(0.5, 2.0, 10)
    x = solve_bounded(columns @ columns.T, columns @ columns.T @ truth, none, passive)
    assert passive.all()
    assert x == pytest.approx(truth, abs=1e-6)


def test_nothing_to_fit_is_zero() -> None:
    columns, _, _ = bounded_problem(5)
    free = np.zeros(10, dtype=bool)
    for right in (np.zeros(10), -np.ones(10)):
        x = solve_bounded(columns @ columns.T, right, free, np.ones(10, bool))
        if right.any():
            gradient = right - columns @ columns.T @ x
            assert (gradient < 1e-9).all()
        else:
            assert not x.any()
