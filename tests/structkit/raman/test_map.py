"""A map fitted spot by spot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError, SchemaError
from structkit.raman import map as fit_map_module
from structkit.raman.bands import Band
from structkit.raman.covariance import covariance_of
from structkit.raman.fit import fit_bands
from structkit.raman.map import TEMPLATE, fit_map
from structkit.raman.model import BandModel, BaselineOptions, Template, Tie
from structkit.raman.parameters import make_parameters
from structkit.schema import BAND, INTENSITY, MASKED, SPECIES, SPOT, make_spectra

Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]

N_SPOTS = 24
TRUE_SHAPE = 0.03
"""A pseudo-Voigt misses that share of the area of a true Voigt at most."""


@pytest.fixture(scope="module")
def model(lines: tuple[Any, ...], near: Near) -> BandModel:
    return BandModel(bands=near(lines, off=2.0))


@pytest.fixture(scope="module")
def scales() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 3.0, N_SPOTS)


@pytest.fixture(scope="module")
def spectra(
    lines: tuple[Any, ...], simulate: Simulate, scales: np.ndarray
) -> xr.Dataset:
    found = simulate(lines, seed=31, scales=scales).copy(deep=True)
    found[INTENSITY][5] = 0.0
    return found.assign_coords(
        position_x=(SPOT, np.arange(float(N_SPOTS)), {"units": "um"})
    )


@pytest.fixture(scope="module")
def fitted(spectra: xr.Dataset, model: BandModel) -> xr.Dataset:
    return fit_map(spectra, model)


def test_truth_is_recovered_in_every_spot(
    fitted: xr.Dataset, lines: tuple[Any, ...], scales: np.ndarray
) -> None:
    kept = np.arange(N_SPOTS) != 5
    assert set(fitted["status"].to_numpy()[kept]) == {"converged"}
    centre = np.asarray([line.centre for line in lines])
    apart = (fitted["centre"] - centre) / fitted["centre_std"]
    assert float((np.abs(apart[kept]) < 2.0).mean()) > 0.9
    area = np.outer(scales, [line.area for line in lines])
    off = np.abs(fitted["area"].to_numpy() - area)
    allowed = 2.0 * fitted["area_std"].to_numpy() + TRUE_SHAPE * area
    assert np.mean((off < allowed)[kept]) > 0.9
    assert fitted["reduced_chi_square"][kept].to_numpy() == pytest.approx(1.0, abs=0.35)


def test_a_spot_is_what_a_fit_of_it_alone_gives(
    fitted: xr.Dataset, spectra: xr.Dataset, lines: tuple[Any, ...], near: Near
) -> None:
    smoothness = float(fitted.attrs["baseline_smoothness"])
    model = BandModel(
        bands=near(lines, off=2.0), baseline=BaselineOptions(smoothness=smoothness)
    )
    for spot in (0, 11):
        alone = fit_bands(spectra.isel(spot=[spot]), model)
        covariance = covariance_of(alone)
        std = np.sqrt(np.diag(covariance.of_spectrum(0)))
        row = fitted.isel(spot=spot)
        # Two ways to one minimum, each stopped where it is hardly worth going on.
        assert np.all(np.abs(row["area"].to_numpy() - alone.areas[0]) < 0.1 * std)
        assert row["area_std"].to_numpy() == pytest.approx(std, rel=0.02)
        places = alone.layout.centre
        centre_std = np.sqrt(np.diag(covariance.shared))[places]
        assert row["centre_std"].to_numpy() == pytest.approx(centre_std, rel=0.02)


def test_an_empty_spot_is_a_row_with_its_reason(fitted: xr.Dataset) -> None:
    row = fitted.isel(spot=5)
    assert str(row["status"].item()) == "failed"
    assert str(row["reason"].item()) == "every point is zero"
    for name in ("centre", "area", "fwhm_std"):
        assert np.all(np.isnan(row[name]))


def test_labels_and_units(fitted: xr.Dataset, spectra: xr.Dataset) -> None:
    assert fitted["centre"].attrs["units"] == "cm-1"
    assert fitted["fwhm_std"].attrs["units"] == "cm-1"
    assert fitted["area"].attrs["units"] == "count cm-1"
    assert fitted["area"].dims == (SPOT, BAND)
    assert fitted[SPECIES].dims == (BAND,)
    assert fitted["spot"].to_numpy().tolist() == spectra["spot"].to_numpy().tolist()
    assert fitted["position_x"].attrs["units"] == "um"
    assert TEMPLATE not in fitted.dims


def test_it_goes_through_netcdf(fitted: xr.Dataset, tmp_path: Any) -> None:
    path = tmp_path / "map.nc"
    fitted.to_netcdf(path, engine="h5netcdf")
    with xr.open_dataset(path, engine="h5netcdf") as again:
        xr.testing.assert_allclose(again.load(), fitted)


def test_processes_give_the_same(
    spectra: xr.Dataset, model: BandModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = spectra.isel(spot=slice(0, 8))
    alone = fit_map(few, model)
    monkeypatch.setattr(fit_map_module, "_CHUNK", 4)
    cut = fit_map(few, model)
    xr.testing.assert_allclose(cut, alone)
    together = fit_map(few, model, jobs=2)
    xr.testing.assert_identical(together, cut)


def test_a_spot_unlike_its_neighbours_finds_its_bands(
    lines: tuple[Any, ...],
    make_line: Callable[..., Any],
    simulate: Simulate,
    model: BandModel,
) -> None:
    moved = [
        make_line(
            centre=line.centre + 8.0, area=line.area, sigma=line.sigma, gamma=line.gamma
        )
        for line in lines
    ]
    usual = simulate(lines, seed=32, scales=[1.0] * 7)
    strange = simulate(moved, seed=33)
    spectra = xr.concat(
        [usual, strange.assign_coords(spot=[8])], SPOT, coords="minimal"
    )
    fitted = fit_map(spectra, model)
    for spot, truth in ((6, lines), (7, moved)):
        row = fitted.isel(spot=spot)
        off = row["centre"] - np.asarray([line.centre for line in truth])
        assert np.all(np.abs(off) < 3.0 * row["centre_std"])


def test_masked_points_do_not_count(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel
) -> None:
    plain = simulate(lines, seed=34, scales=[1.0, 2.0, 1.5])
    hit = plain.copy(deep=True)
    hit[INTENSITY][1, 120:124] += 50_000.0
    mask = np.zeros(hit[INTENSITY].shape, dtype=np.int8)
    mask[1, 120:124] = 1
    dims = hit[INTENSITY].dims
    with_spike = fit_map(hit.assign({MASKED: (dims, mask)}), model)
    without = fit_map(plain.assign({MASKED: (dims, mask)}), model)
    off = (with_spike["area"] - without["area"]) / without["area_std"]
    assert float(np.abs(off).max()) < 1e-6


def test_ties_and_templates_have_areas(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    shift = np.arange(80.0, 920.0, 2.0)
    glass = np.exp(-0.5 * ((shift - 600.0) / 30.0) ** 2)
    own = simulate(lines, seed=35, scales=[1.0, 1.0])
    axis = own["raman_shift"].to_numpy()
    true = 7000.0 / (30.0 * np.sqrt(2.0 * np.pi))
    more = true * np.interp(axis, shift, glass)
    total = make_spectra(axis, own[INTENSITY].to_numpy() + more)
    model = BandModel(
        bands=near(lines),
        ties=(
            Tie(
                name="pair",
                species="salt",
                bands=("band 3", "band 4"),
                shares=(4.0, 3.0),
            ),
        ),
        templates=(
            Template(name="glass", species="g", raman_shift=shift, values=glass),
        ),
    )
    fitted = fit_map(total, model)
    assert fitted["template_area"].dims == (SPOT, TEMPLATE)
    off = (fitted["template_area"] - 7000.0) / fitted["template_area_std"]
    assert float(np.abs(off).max()) < 4.0
    pair = fitted["area"].sel(band=["band 3", "band 4"])
    ratio = (pair[:, 0] / pair[:, 1]).to_numpy()
    assert ratio == pytest.approx(4.0 / 3.0)
    stds = fitted["area_std"].sel(band=["band 3", "band 4"])
    assert (stds[:, 0] / stds[:, 1]).to_numpy() == pytest.approx(4.0 / 3.0)


def test_parameters_are_held_in_every_spot(
    spectra: xr.Dataset, model: BandModel
) -> None:
    parameters = make_parameters(model)
    parameters["band_3_centre"].set(value=377.0, vary=False)
    fitted = fit_map(spectra.isel(spot=[0, 1, 2]), model, parameters=parameters)
    assert np.all(fitted["centre"].sel(band="band 3") == 377.0)
    assert np.all(fitted["centre_std"].sel(band="band 3") < 1e-9)


def test_a_spot_that_fails_does_not_stop_the_map(
    spectra: xr.Dataset, model: BandModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit_map_module.fit_blocks
    broken = spectra[INTENSITY].to_numpy()[2]

    def fails(blocks: Any, *args: Any, **options: Any) -> Any:
        if np.array_equal(blocks[0].intensity, broken):
            raise FitError("broken on purpose")
        return whole(blocks, *args, **options)

    few = spectra.isel(spot=[0, 1, 2, 3])
    given = BandModel(bands=model.bands, baseline=BaselineOptions(smoothness=1.0))
    monkeypatch.setattr(fit_map_module, "fit_blocks", fails)
    fitted = fit_map(few, given)
    expected = ["converged", "converged", "failed", "converged"]
    assert fitted["status"].to_numpy().tolist() == expected
    assert str(fitted["reason"].to_numpy()[2]) == "broken on purpose"


def test_bad_input_is_refused(spectra: xr.Dataset, model: BandModel) -> None:
    with pytest.raises(FitError, match="no spot of the map has light"):
        fit_map(spectra.isel(spot=[5]), model)
    with pytest.raises(SchemaError, match="jobs must be 1 or more"):
        fit_map(spectra, model, jobs=0)
    outside = BandModel(bands=(Band(name="far", species="s", wavenumber=2000.0),))
    with pytest.raises(FitError, match="far"):
        fit_map(spectra, outside)
