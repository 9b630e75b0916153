"""No line that the instrument can draw counts as sharp."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.raman.sharpness import (
    find_sharp_points,
    score_sharpness,
    sharpest_ratio,
)


@pytest.mark.parametrize("n_points", [1, 2, 3])
@pytest.mark.parametrize("offset", np.linspace(-0.5, 0.5, 5))
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_line_of_the_instrument_scores(
    n_points: int, offset: float, share: float
) -> None:
    points = np.arange(200.0)
    away = (points - 100.0 - offset) / 3.8
    line = share / (1.0 + 4.0 * away**2) + (1.0 - share) * np.exp(-2.7726 * away**2)
    scores = score_sharpness(
        1e6 * line + 1e3,
        np.ones(points.size),
        width=np.full(points.size, 3.8),
        n_points=n_points,
    )
    assert scores.max() <= 0.0


def test_ratio_is_that_of_a_centred_line() -> None:
    width = np.array([3.8])
    gauss, lorentz = np.exp(2.7726 * (1.5 / 3.8) ** 2), 1.0 + 4.0 * (1.5 / 3.8) ** 2
    assert sharpest_ratio(width, 2)[0] == pytest.approx(max(gauss, lorentz), rel=1e-4)


def test_a_ray_is_found_with_its_tails() -> None:
    values = np.full(60, 100.0)
    values[30:33] += np.array([40.0, 500.0, 80.0])
    found = find_sharp_points(
        values, np.full(60, 25.0), width=np.full(60, 3.8), least=6.0
    )
    assert [(first, last) for first, last, _ in found] == [(30, 32)]
    assert found[0][2] > 50.0


@pytest.mark.parametrize(
    ("points", "expected"),
    [([59], (59, 59)), ([58, 59], (58, 59)), ([0], (0, 0)), ([0, 1], (0, 1))],
)
def test_a_ray_at_an_end_is_found(points: list[int], expected: tuple[int, int]) -> None:
    values = np.full(60, 100.0)
    values[points] += 4000.0
    found = find_sharp_points(
        values, np.full(60, 25.0), width=np.full(60, 3.8), least=6.0
    )
    assert [(first, last) for first, last, _ in found] == [expected]


@pytest.mark.parametrize("centre", [58.0, 58.5, 59.0])
def test_a_line_that_the_end_cuts_is_no_ray(centre: float) -> None:
    away = (np.arange(60.0) - centre) / 3.8
    values = 100.0 + 4000.0 * np.exp(-2.7726 * away**2)
    found = find_sharp_points(
        values, np.maximum(values, 25.0), width=np.full(60, 3.8), least=6.0
    )
    assert not found
