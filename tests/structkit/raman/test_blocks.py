"""Arrays of a fit: their noise, and models that they cannot carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError
from structkit.raman.bands import Band
from structkit.raman.blocks import check_model, noise_of
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.model import BandModel
from structkit.schema import INTENSITY_STD

Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]


@pytest.fixture(scope="module")
def model(lines: tuple[Any, ...], near: Near) -> BandModel:
    return BandModel(bands=near(lines, off=3.0), loss="normal")


@pytest.fixture(scope="module")
def spectra(lines: tuple[Any, ...], simulate: Simulate) -> xr.Dataset:
    return simulate(lines, seed=1)


@pytest.fixture(scope="module")
def fit(spectra: xr.Dataset, model: BandModel) -> BandFit:
    return fit_bands(spectra, model)


def test_noise_is_the_given_the_gain_s_or_the_data_s_own(
    lines: tuple[Any, ...], simulate: Simulate, spectra: xr.Dataset
) -> None:
    assert np.array_equal(noise_of(spectra), spectra[INTENSITY_STD].to_numpy())
    true = spectra[INTENSITY_STD].to_numpy()
    unknown = spectra.drop_vars(INTENSITY_STD)
    smooth = noise_of(unknown.assign(gain=1.0, readout_std=3.0))
    # The mean of 15 points stands for the light of each: lines blur.
    assert np.median(smooth / true) == pytest.approx(1.0, abs=0.03)
    estimated = noise_of(unknown)
    # Second differences of 400 points: 6 %; lines add a little.
    assert np.median(estimated / true) == pytest.approx(1.0, abs=0.12)


def test_points_are_counted_over_all_spectra(fit: BandFit, model: BandModel) -> None:
    """Enough points for one spectrum may be enough for each of several."""

    def points_needed(number: int) -> int:
        block = fit.spectra[0]
        own = fit.layout.n_local + block.basis.shape[1]
        return number * own + fit.layout.n_shared

    for number in (1, 3):
        cut: Sequence[Any] = [
            replace(
                fit.spectra[0],
                raman_shift=np.linspace(100.0, 898.0, points // number),
            )
            for points in [number * (points_needed(number) // number)]
            for _ in range(number)
        ]
        with pytest.raises(FitError, match="use fewer bands"):
            check_model(cut, model)
        more = [
            replace(
                one, raman_shift=np.linspace(100.0, 898.0, one.raman_shift.size + 1)
            )
            for one in cut
        ]
        check_model(more, model)
