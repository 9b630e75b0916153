"""Background and amorphous area: the division against a slow search for the best."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from refinement.engines.smooth import blank_column, divide_smooth, gaussian_bump
from structkit.errors import PlanError
from structkit.schema import make_pattern

Floats = NDArray[np.float64]
ANGLES = np.arange(10.0, 70.0, 0.05)
HALO = 200.0 * np.exp(-4.0 * np.log(2.0) * ((ANGLES - 28.0) / 9.0) ** 2)
LINE = 300.0 - 2.0 * ANGLES
SAME = 2e-3
"""Relative area: the module looks at 60 points of the curve only."""
NONE = np.empty((0, ANGLES.size))


def area(curve: Floats) -> float:
    return float(np.trapezoid(curve, ANGLES))


def test_a_bump_has_height_one_and_its_width() -> None:
    found = gaussian_bump(np.array([20.0, 25.0, 30.0]), 25.0, 10.0)
    assert found == pytest.approx([0.5, 1.0, 0.5])


@pytest.mark.parametrize("terms", [0, 1, 2, 3])
def test_halo_and_background_add_up_and_neither_is_negative(terms: int) -> None:
    rng = np.random.default_rng(terms)
    smooth = LINE + HALO + rng.normal(0.0, 5.0, ANGLES.size)
    background, halo = divide_smooth(smooth, NONE, ANGLES, terms=terms)
    assert background + halo == pytest.approx(smooth)
    assert background.min() >= 0.0
    assert halo.min() > -1e-9


def test_a_line_below_a_halo_is_found() -> None:
    background, halo = divide_smooth(LINE + HALO, NONE, ANGLES, terms=2)
    # At 10 degree the halo still has 0.003 counts, on which the line stands.
    assert background == pytest.approx(LINE, abs=0.01)
    assert halo == pytest.approx(HALO, abs=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_the_line_is_the_largest_below_the_curve(seed: int) -> None:
    """Against a linear programme over every point."""
    rng = np.random.default_rng(seed)
    smooth = LINE + sum(
        rng.uniform(20.0, 300.0)
        * gaussian_bump(ANGLES, rng.uniform(10.0, 70.0), rng.uniform(5.0, 40.0))
        for _ in range(4)
    )
    background, _ = divide_smooth(smooth, NONE, ANGLES, terms=2)
    columns = np.vstack([np.ones_like(ANGLES), ANGLES]).T
    best = linprog(
        -columns.sum(axis=0),
        A_ub=np.vstack([columns, -columns[[0, -1]]]),
        b_ub=np.concatenate([smooth, [0.0, 0.0]]),
        bounds=[(None, None)] * 2,
    )
    assert area(background) == pytest.approx(area(columns @ best.x), rel=SAME)
    assert np.all(background <= smooth + 1e-9)


def test_a_constant_is_the_lowest_point() -> None:
    smooth = LINE + HALO
    background, _ = divide_smooth(smooth, NONE, ANGLES, terms=1)
    assert background == pytest.approx(np.full_like(smooth, smooth.min()))
    below = divide_smooth(smooth - 400.0, NONE, ANGLES, terms=1)[0]
    assert below.max() == 0.0


def test_no_terms_leave_all_to_the_halo() -> None:
    background, halo = divide_smooth(HALO, NONE, ANGLES, terms=0)
    assert background.max() == 0.0
    assert halo == pytest.approx(HALO)


def test_what_is_known_of_film_and_holder_is_no_amorphous_area() -> None:
    hump = gaussian_bump(ANGLES, 21.0, 6.0)
    smooth = 50.0 + 120.0 * hump + HALO
    known, halo = divide_smooth(smooth, hump[None], ANGLES, terms=1)
    unknown = divide_smooth(smooth, NONE, ANGLES, terms=1)[1]
    assert area(halo) < area(unknown) - 0.5 * area(120.0 * hump)
    # The hump may take what lies below it of the halo's flank, no more.
    assert known == pytest.approx(50.0 + 120.0 * hump, abs=0.1 * HALO.max())


def test_a_blank_is_interpolated_and_its_largest_value_is_one() -> None:
    grid = np.arange(5.0, 80.0, 0.2)
    blank = make_pattern(grid, 1000.0 + 10.0 * grid)
    column = blank_column(blank, ANGLES)
    expected = 1000.0 + 10.0 * ANGLES
    assert column == pytest.approx(expected / expected.max())


@pytest.mark.parametrize(("first", "last"), [(11.0, 80.0), (5.0, 60.0)])
def test_a_blank_that_is_too_short_is_refused(first: float, last: float) -> None:
    grid = np.arange(first, last, 0.2)
    with pytest.raises(PlanError, match=r"blank covers .* pattern needs 10-69\.95"):
        blank_column(make_pattern(grid, np.ones_like(grid)), ANGLES)


def test_the_line_stays_a_line_where_the_curve_falls_to_zero() -> None:
    """The largest line below a steep curve would go negative; cut off, it bends."""
    smooth = 1000.0 * np.exp(-(ANGLES - 10.0) / 8.0)
    background, halo = divide_smooth(smooth, NONE, ANGLES, terms=2)
    bend = np.abs(np.diff(background, n=2)).max()
    assert bend < 1e-6 * smooth.max()  # 60 points decide: it may touch between them
    span = ANGLES[-1] - ANGLES[0]
    start = 1000.0 * np.exp(1.0 - span / 8.0) * span / 8.0  # tangent that ends at zero
    assert area(background) == pytest.approx(0.5 * span * start, rel=0.02)
    assert background.min() >= 0.0
    assert halo.min() > -1e-9
