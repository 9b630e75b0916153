"""What chi-square rises by without a band: against explicit fits without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from structkit.raman.absence import gain_of_amounts, gain_of_band
from structkit.raman.bands import Band
from structkit.raman.baseline import penalty_weight
from structkit.raman.fit import BandFit, fit_bands, make_evaluate
from structkit.raman.identify import fit_without
from structkit.raman.model import BandModel
from structkit.raman.problem import Normal
from structkit.raman.solve import minimise
from structkit.schema import INTENSITY, RAMAN_SHIFT

Floats = NDArray[np.float64]
Simulate = Callable[..., xr.Dataset]

STOP = 0.2
"""Of chi-square: ends of least squares that stop when 0.1 of it is left, twice."""
RIDGE = 0.5
"""Of chi-square: amounts of nearly equal curves, held by a small ridge."""
PARABOLA = 0.1
"""Share of the rise that comes from what the others are not a parabola in."""
BROAD = Band(name="broad", species="s", wavenumber=720.0, fwhm=90.0)
BESIDE = Band(name="beside", species="s", wavenumber=620.0, fwhm=70.0)


@pytest.fixture(scope="module")
def fit(simulate: Simulate, make_line: Callable[..., Any]) -> BandFit:
    """Return a fit of two broad overlapping bands to three spots."""
    lines = [
        make_line(centre=720.0, area=2.5e4, sigma=25.0, gamma=20.0),
        make_line(centre=625.0, area=1.5e4, sigma=20.0, gamma=15.0),
    ]
    spectra = simulate(lines, seed=91, scales=(1.0, 0.6, 1.4))
    return fit_bands(spectra, BandModel(bands=(BROAD, BESIDE), loss="normal"))


def linear_chi_square(fit: BandFit, number: int, *, without: int | None) -> float:
    """Return chi-square of amounts and baseline as one bounded linear problem."""
    spectrum, layout = fit.spectra[number], fit.layout
    unit = fit.columns(number).unit
    kept = [k for k in range(unit.shape[1]) if k != without]
    curves = np.hstack([unit[:, kept], spectrum.basis]) / spectrum.sigma[:, None]
    pull = penalty_weight(fit.smoothness, spectrum.light) * spectrum.penalty
    below = np.pad(pull, ((0, 0), (len(kept), 0)))
    rows = np.vstack([curves, below])
    data = np.concatenate([spectrum.intensity / spectrum.sigma, np.zeros(len(pull))])
    low = np.concatenate([np.zeros(len(kept)), np.full(spectrum.basis.shape[1], -1e12)])
    scale = np.linalg.norm(rows, axis=0)
    found = lsq_linear(rows / scale, data, (low, np.inf), tol=1e-13)
    assert layout.area.start == 0
    return float(2.0 * found.cost)


@pytest.mark.parametrize("column", [0, 1])
def test_gain_of_amounts_is_that_of_a_linear_problem(fit: BandFit, column: int) -> None:
    for members in ([0], [1, 2], [0, 1, 2]):
        slow = sum(
            linear_chi_square(fit, k, without=column)
            - linear_chi_square(fit, k, without=None)
            for k in members
        )
        found = gain_of_amounts(fit, column, members)
        assert found == pytest.approx(slow, rel=1e-3, abs=RIDGE)


@pytest.mark.parametrize("column", [0, 1])
def test_gain_of_a_band_is_that_of_a_fit_without_it(fit: BandFit, column: int) -> None:
    """The other may take its place: amounts alone would be worth far more."""
    members = range(3)
    found = gain_of_band(fit, column, members, misfit=1.0)
    without = fit_without(fit, column)
    assert found == pytest.approx(
        2.0 * (without.solution.cost - fit.solution.cost), abs=STOP
    )
    assert gain_of_amounts(fit, column, members) > found


def test_others_keep_what_they_know_of_the_shapes(fit: BandFit) -> None:
    """One spot loses a band; all three are fitted explicitly for comparison."""
    column, member = 1, 1
    n = fit.layout.n_shared
    evaluate = make_evaluate(fit)

    def absent(shared: Floats, locals_: Sequence[Floats]) -> list[Normal]:
        each = [own.copy() for own in locals_]
        each[member][column] = 0.0
        normals = evaluate(shared, each)
        matrix = normals[member].matrix.copy()
        gradient = normals[member].gradient.copy()
        matrix[n + column, :] = matrix[:, n + column] = gradient[n + column] = 0.0
        normals[member] = Normal(matrix, gradient, normals[member].chi_square)
        return normals

    slow = minimise(
        absent,
        fit.solution.shared,
        fit.solution.locals,
        shared_priors=fit.shared_priors,
        local_priors=fit.local_priors,
    )
    rise = 2.0 * (slow.cost - fit.solution.cost)
    found = gain_of_band(fit, column, [member], misfit=1.0)
    assert found == pytest.approx(rise, rel=PARABOLA, abs=STOP)
    alone = replace(
        fit,
        spectra=fit.spectra[member : member + 1],
        solution=replace(
            fit.solution,
            locals=fit.solution.locals[member : member + 1],
            normals=fit.solution.normals[member : member + 1],
        ),
    )
    assert gain_of_band(alone, column, [0], misfit=1.0) < found - STOP


def test_a_band_without_area_is_worth_nothing(simulate: Simulate) -> None:
    spectra = simulate([], seed=92)
    shift = spectra[RAMAN_SHIFT].to_numpy()
    dip = 100.0 * np.exp(-0.5 * ((shift - 720.0) / 40.0) ** 2)
    hollow = spectra.assign({INTENSITY: spectra[INTENSITY] - dip})
    fit = fit_bands(hollow, BandModel(bands=(BROAD, BESIDE), loss="normal"))
    assert fit.areas[0, 0] == 0.0
    assert gain_of_amounts(fit, 0, [0]) == pytest.approx(0.0, abs=1e-6)
    assert gain_of_band(fit, 0, [0], misfit=1.0) < STOP
