"""Bands that are missing are found; none is added that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from structkit.raman.bands import Band
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.model import BandModel, BaselineOptions
from structkit.raman.parameters import make_parameters
from structkit.raman.search import UNASSIGNED, add_missing_bands, find_missing_band
from structkit.raman.shapes import evaluate_shape
from structkit.schema import make_spectra

Floats = NDArray[np.float64]
Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]
MakeLine = Callable[..., Any]


def added(fit: BandFit) -> list[Band]:
    return [band for band in fit.model.bands if band.species == UNASSIGNED]


def test_a_complete_model_gets_no_band(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    """False alarms in 30 spectra of true Voigts over humps, noise known."""
    model = BandModel(bands=near(lines, off=2.0))
    alarms = 0
    for seed in range(30):
        fit = fit_bands(simulate(lines, seed=800 + seed), model)
        alarms += len(added(add_missing_bands(fit, limit=1)))
    assert alarms <= 1


def test_replicates_get_no_band_out_of_noise(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    model = BandModel(bands=near(lines))
    for seed in range(4):
        spectra = simulate(lines, seed=840 + seed, scales=(1.0, 0.5, 1.5, 1.0))
        assert added(add_missing_bands(fit_bands(spectra, model), limit=1)) == []


@pytest.mark.parametrize("forgotten", [0, 1, 4])
def test_a_forgotten_band_is_found_where_it_is(
    lines: tuple[Any, ...], simulate: Simulate, near: Near, forgotten: int
) -> None:
    rest = tuple(b for k, b in enumerate(near(lines)) if k != forgotten)
    fit = fit_bands(simulate(lines, seed=81), BandModel(bands=rest))
    found = add_missing_bands(fit)
    (band,) = added(found)
    line = lines[forgotten]
    assert band.name.startswith("unassigned ")
    place = found.model.bands.index(band)
    centre = found.solution.shared[found.layout.centre][place]
    assert centre == pytest.approx(line.centre, abs=0.2 * line.fwhm)
    assert found.band_areas[0, place] == pytest.approx(line.area, rel=0.25)
    assert found.solution.cost < fit.solution.cost - 10.0
    assert found.smoothness == fit.smoothness


def test_several_forgotten_bands_are_found(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    """Each makes the misfit that must not hide the others."""
    fit = fit_bands(simulate(lines, seed=86), BandModel(bands=near(lines)[:1]))
    found = sorted(band.wavenumber for band in added(add_missing_bands(fit, limit=4)))
    assert found == pytest.approx([line.centre for line in lines[1:]], abs=6.0)


def test_replicates_find_what_one_spectrum_does_not_show(
    lines: tuple[Any, ...], simulate: Simulate, near: Near, make_line: MakeLine
) -> None:
    weak = make_line(centre=560.0, area=900.0, sigma=5.0, gamma=3.0)
    model = BandModel(bands=near(lines))
    one, eight = (
        add_missing_bands(
            fit_bands(simulate([*lines, weak], seed=82, scales=scales), model), limit=1
        )
        for scales in ((1.0,), (1.0,) * 8)
    )
    assert added(one) == []
    (band,) = added(eight)
    assert band.wavenumber == pytest.approx(560.0, abs=8.0)


def test_a_wide_one_is_found_as_wide(
    lines: tuple[Any, ...], simulate: Simulate, near: Near, make_line: MakeLine
) -> None:
    broad = make_line(centre=600.0, area=12_000.0, sigma=14.0, gamma=8.0)
    fit = fit_bands(simulate([*lines, broad], seed=83), BandModel(bands=near(lines)))
    candidate = find_missing_band(fit, narrowest=8.0)
    assert candidate is not None
    assert candidate.fwhm == 32.0
    assert candidate.centre == pytest.approx(600.0, abs=8.0)


def test_no_double_is_put_on_a_band(simulate: Simulate) -> None:
    """A line of a shape the model does not have: skewed, and very strong."""
    shift = np.arange(200.0, 700.0, 2.0)
    skew = np.exp(-np.abs(shift - 400.0) / np.where(shift < 400.0, 6.0, 11.0))
    light = 500.0 + 2e4 * skew
    counts = np.random.default_rng(84).poisson(light)
    spectra = make_spectra(shift, counts, intensity_std=np.sqrt(light))
    band = Band(name="a", species="s", wavenumber=402.0, fwhm=12.0)
    fit = fit_bands(spectra, BandModel(bands=(band,)))
    assert fit.solution.cost > 500.0
    own = float(np.exp(fit.solution.shared[fit.layout.log_width])[0])
    candidate = find_missing_band(fit, narrowest=8.0)
    assert candidate is not None
    alike = 1.0 / 3.0 < candidate.fwhm / own < 3.0
    assert not (alike and abs(candidate.centre - 400.0) < 0.7 * own)


def test_gain_is_what_an_added_band_brings(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    """The score test against an explicit linear fit with one curve more."""
    held = make_parameters(BandModel(bands=near(lines[:3])))
    for parameter in held.values():
        parameter.vary = False
    model = BandModel(
        bands=near(lines[:3]),
        shift_std=0.0,
        baseline=BaselineOptions(edge_decays=(), smoothness=1.0),
    )
    spectra = simulate([*lines[:3], lines[4]], seed=85)
    fit = fit_bands(spectra, model, parameters=held)
    candidate = find_missing_band(fit, narrowest=8.0)
    assert candidate is not None
    spectrum, columns = fit.spectra[0], fit.columns(0)
    x, sigma = spectrum.raman_shift, spectrum.sigma
    curve = evaluate_shape(
        x[None, :] - candidate.centre, np.array([candidate.fwhm]), np.array([0.5])
    ).value[0]
    pull = 10.0 / spectrum.light * spectrum.penalty

    def cost(curves: Floats) -> float:
        rows = np.vstack(
            [
                np.hstack([spectrum.basis, curves]) / sigma[:, None],
                np.pad(pull, ((0, 0), (0, curves.shape[1]))),
            ]
        )
        data = np.concatenate([spectrum.intensity / sigma, np.zeros(pull.shape[0])])
        solved, *_ = np.linalg.lstsq(rows, data, rcond=None)
        return float(np.sum((data - rows @ solved) ** 2))

    bands = columns.unit[:, :3]
    gained = cost(bands) - cost(np.column_stack([bands, curve]))
    # Held centres and widths have derivatives in the score all the same, so that it
    # differs a little from what held bands would gain.
    assert candidate.gain == pytest.approx(gained, rel=0.1)


def test_limit_is_kept(lines: tuple[Any, ...], simulate: Simulate, near: Near) -> None:
    fit = fit_bands(simulate(lines, seed=86), BandModel(bands=near(lines[:1])))
    assert len(added(add_missing_bands(fit, limit=2))) == 2
    assert add_missing_bands(fit, limit=0) is fit


def test_axes_may_differ(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    one = simulate(lines, seed=87)
    other = simulate(lines, seed=88, shift=np.arange(120.0, 880.0, 3.0))
    rest = tuple(b for k, b in enumerate(near(lines)) if k != 1)
    (band,) = added(
        add_missing_bands(fit_bands([one, other], BandModel(bands=rest)), limit=1)
    )
    assert band.wavenumber == pytest.approx(298.0, abs=6.0)
