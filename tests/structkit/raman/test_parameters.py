"""lmfit as a second engine, and as the way to hold, limit and move parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lmfit
import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError
from structkit.raman.bands import Band
from structkit.raman.covariance import covariance_of
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.identify import fit_ensemble, fit_without
from structkit.raman.layout import make_layout, shared_priors
from structkit.raman.model import BandModel, BaselineOptions, Template
from structkit.raman.parameters import (
    apply_parameters,
    identifier,
    lmfit_problem,
    make_parameters,
    result_parameters,
    shared_names,
)
from structkit.raman.search import add_missing_bands

Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]

SAME_VALUE = 0.05
"""Of a standard uncertainty: the solver stops where chi-square would fall by 2e-3."""
SAME_STDERR = 0.01
"""Gauss-Newton at two values this close."""


@pytest.fixture(scope="module")
def model(lines: tuple[Any, ...], near: Near) -> BandModel:
    # An edge that is not there lies on its limit, where lmfit has no covariance at all.
    baseline = BaselineOptions(edge_decays=())
    return BandModel(bands=near(lines, off=2.0), loss="normal", baseline=baseline)


@pytest.fixture(scope="module")
def spectra(lines: tuple[Any, ...], simulate: Simulate) -> xr.Dataset:
    return simulate(lines, seed=21)


@pytest.fixture(scope="module")
def fit(model: BandModel, spectra: xr.Dataset) -> BandFit:
    return fit_bands(spectra, model)


def test_lmfit_finds_the_same_values_and_uncertainties(fit: BandFit) -> None:
    problem = lmfit_problem(fit)
    # The transformation of limits has no slope at the limits themselves.
    for parameter in problem.parameters.values():
        if np.isfinite(parameter.min) and parameter.value <= parameter.min:
            parameter.value = parameter.min + 1e-3
    found = lmfit.minimize(
        problem.residual,
        problem.parameters,
        Dfun=problem.jacobian,
        scale_covar=False,
        ftol=1e-12,
        xtol=1e-12,
    )
    assert 0.5 * found.chisqr == pytest.approx(fit.solution.cost, abs=2e-3)
    covariance = covariance_of(fit)
    assert covariance.inflation.tolist() == [1.0]
    own = result_parameters(fit, covariance)
    layout = fit.layout
    compared = 0
    for name, parameter in own.items():
        other = found.params[name]
        std, value = parameter.stderr, parameter.value
        slower, theirs = other.stderr, other.value
        if name.endswith("_fwhm"):
            theirs = np.exp(theirs)
            slower = None if slower is None else theirs * slower
        assert abs(value - theirs) < SAME_VALUE * std, name
        at_limit = min(other.value - other.min, other.max - other.value) < 1e-3
        if not at_limit and slower is not None:  # lmfit knows none at a limit
            assert std == pytest.approx(slower, rel=SAME_STDERR), name
            compared += 1
    assert compared >= layout.n_shared


def test_lmfit_jacobian_against_finite_differences(fit: BandFit) -> None:
    problem = lmfit_problem(fit)
    names = [n for n, p in problem.parameters.items() if p.vary]
    found = problem.jacobian(problem.parameters)
    assert found.shape[1] == len(names)
    for column, name in enumerate(names):
        sides = []
        for step in (1e-5, -1e-5):
            moved = problem.parameters.copy()
            moved[name].set(value=moved[name].value + step, min=-np.inf, max=np.inf)
            sides.append(problem.residual(moved))
        slow = (sides[0] - sides[1]) / 2e-5
        size = max(float(np.abs(slow).max()), 1e-6)
        assert found[:, column] == pytest.approx(slow, abs=1e-5 * size), name


def test_one_spectrum_at_a_time_for_lmfit(
    model: BandModel, lines: tuple[Any, ...], simulate: Simulate
) -> None:
    several = fit_bands(simulate(lines, seed=22, scales=(1.0, 1.0)), model)
    with pytest.raises(FitError, match="one spectrum"):
        lmfit_problem(several)


def test_names_values_and_limits_are_those_of_the_model(model: BandModel) -> None:
    parameters = make_parameters(model, step=2.0)
    assert list(parameters) == shared_names(model)
    layout = make_layout(model)
    priors = shared_priors(model, layout, step=2.0)
    width = parameters["band_3_fwhm"]
    place = layout.log_width.start + 2
    assert width.value == pytest.approx(np.exp(priors.mean[place]))
    assert (width.min, width.max) == pytest.approx(
        (np.exp(priors.low[place]), np.exp(priors.high[place]))
    )
    assert parameters["band_1_centre"].max == model.bands[0].limits[1]


def test_untouched_parameters_change_nothing(
    model: BandModel, spectra: xr.Dataset, fit: BandFit
) -> None:
    """Made for points 1 cm-1 apart, used for points 2 cm-1 apart."""
    layout = make_layout(model)
    priors = shared_priors(model, layout, step=2.0)
    same = apply_parameters(priors, model, make_parameters(model))
    for name in ("mean", "std", "low", "high"):
        assert np.array_equal(getattr(same, name), getattr(priors, name))
    again = fit_bands(spectra, model, parameters=make_parameters(model))
    assert np.array_equal(again.solution.shared, fit.solution.shared)


def test_what_is_held_stays_and_the_rest_adapts(
    model: BandModel, spectra: xr.Dataset, fit: BandFit
) -> None:
    parameters = make_parameters(model)
    parameters["band_3_centre"].set(value=381.0, vary=False)
    parameters["band_5_fwhm"].set(value=30.0, vary=False)
    held = fit_bands(spectra, model, parameters=parameters)
    own = result_parameters(held, covariance_of(held))
    assert own["band_3_centre"].value == 381.0
    assert own["band_5_fwhm"].value == pytest.approx(30.0)
    assert not own["band_3_centre"].vary
    assert own["band_3_centre"].stderr is None
    assert held.n_parameters == fit.n_parameters - 2
    assert held.solution.cost > fit.solution.cost + 10.0
    assert own["band_4_centre"].stderr > 0.0


def test_limits_and_starts_are_taken(
    model: BandModel, spectra: xr.Dataset, fit: BandFit
) -> None:
    parameters = make_parameters(model)
    parameters["band_3_centre"].set(min=379.5, max=382.0, value=381.0)
    parameters["band_5_lorentz"].set(max=0.1, value=0.05)
    limited = fit_bands(spectra, model, parameters=parameters)
    own = result_parameters(limited, covariance_of(limited))
    assert own["band_3_centre"].value == pytest.approx(379.5)
    assert own["band_5_lorentz"].value <= 0.1 + 1e-12
    free = fit.solution.shared[2]
    assert free == pytest.approx(378.0, abs=0.5)
    mean = limited.shared_priors.mean
    assert mean[2] == 381.0  # a value that was moved is the prior's mean, too


def test_only_some_parameters_may_be_given(
    model: BandModel, spectra: xr.Dataset
) -> None:
    one = lmfit.Parameters()
    one.add(make_parameters(model)["band_4_centre"])
    one["band_4_centre"].set(value=404.0, vary=False)
    held = fit_bands(spectra, model, parameters=one)
    assert held.solution.shared[3] == 404.0
    assert held.shared_priors.free.sum() == held.layout.n_shared - 1


def test_later_fits_keep_what_was_held(model: BandModel, spectra: xr.Dataset) -> None:
    parameters = make_parameters(model)
    parameters["band_4_centre"].set(value=403.0, vary=False)
    held = fit_bands(spectra, model, parameters=parameters)
    for other in fit_ensemble(held)[::3]:
        assert other.solution.shared[3] == 403.0
    less = fit_without(held, 0)
    assert less.solution.shared[less.layout.centre][2] == 403.0
    # Held half a width beside its line, it leaves a bump that another band fills.
    more = add_missing_bands(held, limit=1)
    assert more.solution.shared[3] == 403.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.add("band_9_centre", value=1.0), "does not have: band_9_centre"),
        (
            lambda p: p["band_4_centre"].set(expr="band_3_centre + 27"),
            "'band_3_centre . 27'; tie bands by giving them one family",
        ),
        (
            lambda p: p["band_3_fwhm"].set(value=-2.0, min=-5.0),
            "a width must be positive",
        ),
        (
            lambda p: p["band_3_lorentz"].set(value=1.5, max=2.0),
            "share must be in 0 to 1",
        ),
    ],
)
def test_bad_parameters_are_refused(
    model: BandModel,
    spectra: xr.Dataset,
    change: Callable[[lmfit.Parameters], None],
    message: str,
) -> None:
    parameters = make_parameters(model)
    change(parameters)
    with pytest.raises(FitError, match=message):
        fit_bands(spectra, model, parameters=parameters)


def test_identifiers_are_unique() -> None:
    assert identifier("405") == "_405"
    assert identifier("Ta–O–Ta bent") == "Ta_O_Ta_bent"
    one = Band(name="A 1", species="s", wavenumber=300.0)
    with pytest.raises(FitError, match="A_1_centre"):
        make_parameters(BandModel(bands=(one, replace(one, name="A-1"))))


def test_shifts_and_drifts_have_names() -> None:
    shift = np.linspace(100.0, 900.0, 400)
    glass = Template(
        name="cover", species="glass", raman_shift=shift, values=np.ones(400)
    )
    band = Band(name="a", species="s", wavenumber=300.0)
    model = BandModel(bands=(band,), templates=(glass,), drift=True)
    assert shared_names(model) == [
        "a_centre",
        "a_fwhm",
        "a_lorentz",
        "cover_shift",
        "a_centre_drift",
        "a_log_fwhm_drift",
    ]


def test_correlations_are_those_of_the_covariance(fit: BandFit) -> None:
    covariance = covariance_of(fit)
    own = result_parameters(fit, covariance)
    spread = covariance.shared
    expected = spread[2, 3] / np.sqrt(spread[2, 2] * spread[3, 3])
    assert own["band_3_centre"].correl["band_4_centre"] == pytest.approx(expected)
    assert own["band_3_area_1"].value == fit.areas[0, 2]
    area_std = np.sqrt(covariance.of_spectrum(0)[2, 2])
    assert own["band_3_area_1"].stderr == pytest.approx(area_std)
