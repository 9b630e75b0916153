"""Covariances against the dense inverse and against the scatter of many fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from structkit.raman.bands import Band
from structkit.raman.covariance import FitCovariance, correlation_length, covariance_of
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.model import BandModel, BaselineOptions
from structkit.raman.parameters import make_parameters
from structkit.raman.shapes import evaluate_shape
from structkit.schema import INTENSITY_STD, make_spectra

Floats = NDArray[np.float64]
Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]

DENSE = 1e-6
"""Two ways through matrices of condition 1e8 or so."""


@pytest.fixture(scope="module")
def fit(lines: tuple[Any, ...], simulate: Simulate, near: Near) -> BandFit:
    model = BandModel(bands=near(lines, off=2.0), loss="normal")
    return fit_bands(simulate(lines, seed=41, scales=(1.0, 0.4, 2.0)), model)


@pytest.fixture(scope="module")
def covariance(fit: BandFit) -> FitCovariance:
    return covariance_of(fit)


def dense_covariance(fit: BandFit, inflation: Floats) -> Floats:
    """Return the inverse of the normal matrix of all parameters at once."""
    n, m = fit.layout.n_shared, fit.layout.n_local
    total = np.zeros((n + m * len(fit.spectra),) * 2)
    for number, normal in enumerate(fit.solution.normals):
        places = np.r_[0:n, n + m * number : n + m * (number + 1)]
        total[np.ix_(places, places)] += normal.matrix / inflation[number]
    own = np.tile(fit.local_priors.std**-2.0, len(fit.spectra))
    total += np.diag(np.concatenate([fit.shared_priors.std**-2.0, own]))
    scale = 1.0 / np.sqrt(np.diag(total))
    return np.asarray(
        np.linalg.inv(total * np.outer(scale, scale)) * np.outer(scale, scale)
    )


def test_blocks_against_the_dense_inverse(
    fit: BandFit, covariance: FitCovariance
) -> None:
    n, m, columns = fit.layout.n_shared, fit.layout.n_local, 5
    dense = dense_covariance(fit, covariance.inflation)
    scale = np.sqrt(np.diag(dense))
    assert covariance.shared / np.outer(scale[:n], scale[:n]) == pytest.approx(
        dense[:n, :n] / np.outer(scale[:n], scale[:n]), abs=DENSE
    )
    everything = np.concatenate([n + m * k + np.arange(columns) for k in range(3)])
    areas = dense[np.ix_(everything, everything)]
    for number in range(3):
        places = slice(columns * number, columns * (number + 1))
        assert covariance.of_spectrum(number) == pytest.approx(
            areas[places, places], rel=1e-5, abs=DENSE * areas.max()
        )
        shift = n + m * number + fit.layout.axis_shift
        assert covariance.axis_shift_std[number] == pytest.approx(scale[shift])
    summing = np.kron([1.0, 0.0, 1.0], np.eye(columns))
    assert covariance.of_total([0, 2]) == pytest.approx(
        summing @ areas @ summing.T, rel=1e-5, abs=DENSE * areas.max()
    )
    weights = np.random.default_rng(0).normal(size=(3, columns))
    own, shared = covariance.variance_of(weights)
    slow = weights.ravel() @ areas @ weights.ravel()
    assert own + shared == pytest.approx(slow, rel=1e-5)
    known = np.linalg.inv(np.linalg.inv(dense)[n:, n:])  # shared parameters known
    part = known[np.ix_(everything - n, everything - n)]
    assert own == pytest.approx(weights.ravel() @ part @ weights.ravel(), rel=1e-4)


def test_what_is_held_has_no_variance(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    model = BandModel(bands=near(lines), shift_std=0.0)
    parameters = make_parameters(model)
    for name in parameters:
        parameters[name].vary = False
    fit = fit_bands(simulate(lines, seed=42), model, parameters=parameters)
    covariance = covariance_of(fit)
    assert np.abs(covariance.shared).max() < 1e-20
    assert covariance.axis_shift_std[0] < 1e-5
    # What is left is linear: the areas over a baseline, known by their columns.
    n, places = fit.layout.n_shared, slice(0, fit.layout.axis_shift)
    matrix = fit.solution.normals[0].matrix[n:, n:][places, places]
    slow = np.linalg.inv(matrix / covariance.inflation[0])[:5, :5]
    assert covariance.of_spectrum(0) == pytest.approx(slow, rel=1e-5)


def test_uncertainties_are_the_scatter_of_many_fits() -> None:
    """Two overlapping bands of the fitter's own shape over a straight line."""
    rng = np.random.default_rng(43)
    shift = np.arange(300.0, 500.0, 1.0)
    centre, width, mixing = np.array([380.0, 398.0]), np.array([14.0, 12.0]), 0.4
    shapes = evaluate_shape(
        shift[None, :] - centre[:, None], width, np.full(2, mixing)
    ).value
    light = np.array([8e3, 6e3]) @ shapes + 200.0 + 0.3 * (shift - 400.0)
    bands = tuple(
        Band(
            name=f"b{k}",
            species="s",
            wavenumber=float(c),
            wavenumber_std=50.0,
            window=(float(c) - 8.0, float(c) + 8.0),
            fwhm=float(w),
            fwhm_factor=5.0,
            lorentz=mixing,
            lorentz_std=0.1,
        )
        for k, (c, w) in enumerate(zip(centre, width, strict=True))
    )
    model = BandModel(
        bands=bands,
        shift_std=0.0,
        loss="normal",
        baseline=BaselineOptions(smoothness=1.0, edge_decays=()),
    )
    n = 80
    found, stds = [], []
    for _ in range(n):
        counts = rng.poisson(light)
        fit = fit_bands(
            make_spectra(shift, counts, intensity_std=np.sqrt(light)), model
        )
        covariance = covariance_of(fit)
        shared = fit.solution.shared[:4]
        found.append([*shared, *fit.areas[0]])
        scale = covariance.inflation[0]
        of_shared = np.diag(covariance.shared)[:4] / scale
        stds.append(np.sqrt([*of_shared, *np.diag(covariance.of_spectrum(0)) / scale]))
    scatter, claimed = np.std(found, axis=0), np.median(stds, axis=0)
    # A standard deviation of 80 is known to 8 %; the Lorentzian share is held by its
    # prior, so the scatter of what depends on it is a little less than what is claimed.
    assert np.all(scatter / claimed < 1.25)
    assert np.all(scatter / claimed > 0.7)
    truth = np.concatenate([centre, np.log(width), [8e3, 6e3]])
    bias = (np.mean(found, axis=0) - truth) / scatter
    assert np.abs(bias).max() < 4.0 / np.sqrt(n) + 0.1


def test_misfit_raises_the_variances(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    """Noise said to be half of what it is."""
    spectra = simulate(lines, seed=44)
    model = BandModel(bands=near(lines), loss="normal")
    smaller = spectra.assign({INTENSITY_STD: 0.5 * spectra[INTENSITY_STD]})
    smaller[INTENSITY_STD].attrs = spectra[INTENSITY_STD].attrs
    usual, inflated = (covariance_of(fit_bands(s, model)) for s in (spectra, smaller))
    # Reduced chi-square of 350 degrees of freedom: 8 %, neighbours' correlation more.
    assert usual.inflation[0] < 1.3
    assert inflated.inflation[0] == pytest.approx(4.0, rel=0.3)
    stds = [np.sqrt(np.diag(c.of_spectrum(0))) for c in (usual, inflated)]
    assert stds[1] == pytest.approx(stds[0], rel=0.3)


def test_an_area_of_zero_keeps_its_uncertainty(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    absent = Band(
        name="no",
        species="s",
        wavenumber=620.0,
        window=(615.0, 625.0),
        fwhm=20.0,
        fwhm_factor=1.1,
    )
    model = BandModel(bands=(*near(lines), absent), loss="normal")
    at_zero = []
    for seed in range(8):
        fit = fit_bands(simulate(lines, seed=440 + seed), model)
        if fit.areas[0, 5] == 0.0:
            at_zero.append(np.sqrt(covariance_of(fit).of_spectrum(0)[5, 5]))
    assert len(at_zero) >= 2
    # Noise of 20 counts over about 20 cm-1 of points 2 cm-1 apart, and the baseline.
    assert np.all(np.asarray(at_zero) > 100.0)
    assert np.all(np.asarray(at_zero) < 500.0)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_correlation_length_of_a_chain(share: float) -> None:
    """Of neighbours that share a part: (1 + share) / (1 - share)."""
    rng = np.random.default_rng(45)
    found = []
    for _ in range(20):
        chain = np.zeros(1000)
        noise = rng.normal(size=1000)
        for k in range(1, 1000):
            chain[k] = share * chain[k - 1] + noise[k]
        found.append(correlation_length(chain))
    true = (1.0 + share) / (1.0 - share)
    # It stops where the correlation is within its noise: the last tenth is lost.
    assert np.mean(found) == pytest.approx(true, rel=0.15)
    assert min(found) >= 1.0


def test_correlation_length_of_nothing_is_one() -> None:
    assert correlation_length(np.zeros(50)) == 1.0
    assert correlation_length((-1.0) ** np.arange(50)) == 1.0
