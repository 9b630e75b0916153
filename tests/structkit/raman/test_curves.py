from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError
from structkit.raman.bands import Band
from structkit.raman.curves import spectrum_curves
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.identify import identify_bands
from structkit.raman.model import BandModel, Tie
from structkit.schema import MASKED, make_spectra

SHIFT = np.arange(200.0, 600.0, 2.0)
BANDS = (
    Band(name="A1g", species="salt", wavenumber=380.0, fwhm=10.0),
    Band(name="Eg", species="salt", wavenumber=300.0, fwhm=10.0),
    Band(name="405", species="line", wavenumber=430.0, fwhm=10.0),
)
SPIKE = 50


def make_fit(*, ties: tuple[Tie, ...] = ()) -> BandFit:
    rng = np.random.default_rng(3)
    light = 300.0 + 0.1 * SHIFT
    for band, height in zip(BANDS, (900.0, 300.0, 500.0), strict=True):
        light += height / (1.0 + ((SHIFT - band.wavenumber - 1.0) / 5.0) ** 2)
    counts = rng.poisson(light, (2, SHIFT.size)).astype(float)
    counts[1, SPIKE] += 5000.0
    spectra = make_spectra(SHIFT, counts, intensity_std=np.sqrt(counts + 1.0))
    masked = np.zeros(counts.shape, dtype=np.int8)
    masked[1, SPIKE] = 1
    spectra = spectra.assign({MASKED: (("spot", "raman_shift"), masked)})
    return fit_bands(spectra, BandModel(bands=BANDS, ties=ties))


@pytest.fixture(scope="module")
def fit() -> BandFit:
    return make_fit()


def test_parts_add_up_to_data_less_residual(fit: BandFit) -> None:
    curves = spectrum_curves(fit, 0, units="count")
    model = curves["baseline"] + curves["component"].sum("column")
    back = model + curves["residual"] * curves["intensity_std"]
    np.testing.assert_allclose(back, curves["intensity"], rtol=1e-9)


def test_areas_are_those_of_the_components(fit: BandFit) -> None:
    curves = spectrum_curves(fit, 0)
    area = curves["component"].integrate("raman_shift")
    # the tails of a Lorentzian reach beyond the range: 2/pi * 5/50 of it at the most
    np.testing.assert_allclose(area, fit.areas[0], rtol=0.1)


def test_a_masked_point_has_neither_sigma_nor_residual(fit: BandFit) -> None:
    curves = spectrum_curves(fit, 1)
    hidden = curves["masked"].to_numpy() == 1
    assert np.flatnonzero(hidden).tolist() == [SPIKE]
    for name in ("intensity_std", "residual"):
        np.testing.assert_array_equal(np.isnan(curves[name]), hidden)
    assert spectrum_curves(fit, 0)["masked"].sum() == 0


def test_centres_carry_the_axis_shift_of_the_spectrum(fit: BandFit) -> None:
    curves = spectrum_curves(fit, 0)
    peak = curves["component"].idxmax("raman_shift")
    # the axis has steps of 2 cm-1: the highest point is within one of the centre
    np.testing.assert_allclose(curves["centre"], peak, atol=1.0)


def test_every_variable_has_units_and_a_long_name(fit: BandFit) -> None:
    curves = spectrum_curves(fit, 0, units="count")
    for name in curves.data_vars:
        assert curves[name].attrs["long_name"], name
        assert curves[name].attrs["units"], name
    assert curves["component"].attrs["units"] == "count"
    assert curves["centre"].attrs["units"] == "cm-1"
    assert spectrum_curves(fit, 0)["intensity"].attrs["units"] == "1"


def test_tied_bands_keep_their_centres_and_name_their_column() -> None:
    tie = Tie(name="salt", species="salt", bands=("A1g", "Eg"), shares=(3.0, 1.0))
    curves = spectrum_curves(make_fit(ties=(tie,)), 0)
    assert curves["column"].to_numpy().tolist() == ["405", "salt"]
    assert curves["band_column"].to_numpy().tolist() == ["salt", "salt", "405"]
    assert curves.sizes["band"] == len(BANDS)


def test_verdicts_become_the_status_of_columns(fit: BandFit) -> None:
    known = identify_bands(fit, ensemble=(), refit=False)
    curves = spectrum_curves(fit, 0, known=known)
    assert curves["column_status"].to_numpy().tolist() == ["determined"] * len(BANDS)


def test_curves_survive_a_file(
    fit: BandFit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    curves = spectrum_curves(fit, 0)
    path = tmp_path_factory.mktemp("curves") / "curves.nc"
    curves.to_netcdf(path, engine="h5netcdf")
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        xr.testing.assert_allclose(stored.load(), curves)


def test_a_spectrum_that_is_not_there_is_refused(fit: BandFit) -> None:
    with pytest.raises(FitError, match="spectrum 2 of a fit of 2"):
        spectrum_curves(fit, 2)
