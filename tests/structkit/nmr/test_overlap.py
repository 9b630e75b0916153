from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.nmr.overlap import (
    LineShapes,
    fit_overlapped_recovery,
    make_pseudo_voigts,
    solve_areas,
)
from structkit.schema import FitStatus

Floats = NDArray[np.float64]

DELAYS = np.geomspace(5e-4, 30.0, 14)
SHIFT = np.linspace(-30.0, 30.0, 161)
TIMES = (0.0012, 2.06)
SIGMA = 0.02
N_DRAWS = 30
CHANCE = 4.0
"""Standard errors of a mean or spread that chance may leave."""


def simulate(rng: np.random.Generator) -> Floats:
    """A broad Lorentzian over a narrow Gaussian, each with a T1 of its own."""
    broad = [4.0 / math.pi / ((s + 2.0) ** 2 + 16.0) for s in SHIFT]
    narrow = [
        math.exp(-0.5 * (s - 3.0) ** 2 / 2.25) / math.sqrt(4.5 * math.pi) for s in SHIFT
    ]
    rows = []
    for delay in DELAYS:
        first = 12.0 * (1.0 - 1.8 * math.exp(-delay / TIMES[0]))
        second = 4.0 * (1.0 - 1.9 * math.exp(-delay / TIMES[1]))
        rows.append(first * np.asarray(broad) + second * np.asarray(narrow))
    return np.asarray(rows) + rng.normal(0.0, SIGMA, (DELAYS.size, SHIFT.size))


def start() -> LineShapes:
    return make_pseudo_voigts(SHIFT, centres=[-3.0, 3.5], widths=[6.0, 4.5])


def test_both_t1_are_found_with_their_errors() -> None:
    rng = np.random.default_rng(21)
    pulls = []
    for _ in range(N_DRAWS):
        fit = fit_overlapped_recovery(
            DELAYS, simulate(rng), shapes=start(), sigma=SIGMA
        )
        pulls.append((np.log(fit.t1 / TIMES)) / (fit.t1_std / fit.t1))
    spread = np.std(pulls, axis=0)
    assert np.all(np.abs(np.mean(pulls, axis=0)) < CHANCE / math.sqrt(N_DRAWS))
    assert np.all(np.abs(spread - 1.0) < CHANCE / math.sqrt(2.0 * N_DRAWS))


def test_shapes_areas_and_status() -> None:
    fit = fit_overlapped_recovery(
        DELAYS, simulate(np.random.default_rng(22)), shapes=start(), sigma=SIGMA
    )
    assert fit.status is FitStatus.CONVERGED, fit.reason
    np.testing.assert_allclose(fit.shapes[[0, 3]], [-2.0, 3.0], atol=0.1)
    np.testing.assert_allclose(fit.shapes[[1, 4]], [8.0, 1.5 * 2.3548], atol=0.3)
    std = np.sqrt(np.diag(fit.areas_covariance))
    truth = 4.0 * (1.0 - 1.9 * np.exp(-DELAYS / TIMES[1]))
    assert np.abs(fit.areas[:, 1] - truth).max() < 8.0 * std[1]
    assert fit.chi_square == pytest.approx(fit.freedom, rel=0.1)


def test_a_line_that_is_missing_is_said() -> None:
    one = make_pseudo_voigts(SHIFT, centres=[0.0], widths=[6.0])
    fit = fit_overlapped_recovery(
        DELAYS, simulate(np.random.default_rng(23)), shapes=one, sigma=SIGMA
    )
    assert fit.status is FitStatus.DOUBTFUL
    assert "shapes and laws miss the spectra" in fit.reason


def test_areas_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(24)
    lines = np.abs(rng.normal(size=(50, 3)))
    data = rng.normal(size=(4, 50))
    areas, covariance = solve_areas(lines, data, sigma=2.0)
    for row, spectrum in zip(areas, data, strict=True):
        np.testing.assert_allclose(row, np.linalg.lstsq(lines, spectrum)[0])
    many = rng.normal(0.0, 2.0, (4000, 50))
    drawn = np.cov(solve_areas(lines, many, sigma=2.0)[0].T)
    np.testing.assert_allclose(drawn, covariance, atol=0.1 * covariance.max())


def test_too_few_delays_are_a_value() -> None:
    fit = fit_overlapped_recovery(
        DELAYS[:2], simulate(np.random.default_rng(25))[:2], shapes=start(), sigma=SIGMA
    )
    assert fit.status is FitStatus.FAILED
    assert "2 different delays" in fit.reason


def test_bad_input() -> None:
    with pytest.raises(SchemaError, match="one shape"):
        solve_areas(np.ones((20, 2)), np.ones((3, 20)), sigma=1.0)
    with pytest.raises(SchemaError, match="width"):
        make_pseudo_voigts(SHIFT, centres=[0.0], widths=[0.0])
    with pytest.raises(SchemaError, match="dims"):
        fit_overlapped_recovery(DELAYS, np.ones((3, 20)), shapes=start(), sigma=1.0)
    with pytest.raises(SchemaError, match="sigma"):
        fit_overlapped_recovery(
            DELAYS, np.ones((DELAYS.size, 20)), shapes=start(), sigma=0.0
        )
