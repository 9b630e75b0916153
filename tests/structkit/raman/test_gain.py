"""The noise model recovers what was simulated, and says when it cannot."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError, SchemaError
from structkit.raman.gain import (
    clip_variance,
    difference,
    estimate_noise,
    noise_std,
)
from structkit.raman.reduction import reduce_spectra
from structkit.schema import make_spectra

SHIFT = np.arange(100.0, 1700.0, 1.6)
COVERAGE_SIGMAS = 4.0
"""Single draws: 4 sigma are exceeded once in 16000."""
CLIPPED = 0.01
"""Sampling error of a variance of 2e5 points is 0.3 %; the rest is outliers' edge."""


def bands(line: float = 0.0) -> np.ndarray:
    """Return a fluorescent hump, a band of 20 cm-1 and a line of 6.7 cm-1."""
    hump = 300.0 * (1.0 + 4.0 * np.exp(-(((SHIFT - 700.0) / 300.0) ** 2)))
    band = 1500.0 / (1.0 + ((SHIFT - 405.0) / 10.0) ** 2)
    return hump + band + line * np.exp(-2.7726 * ((SHIFT - 520.0) / 6.7) ** 2)


def simulate(
    seed: int,
    *,
    gain: float = 0.5,
    readout: float = 5.0,
    n_spots: int = 1,
    line: float = 0.0,
    spikes: float = 0.002,
) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    size = (n_spots, SHIFT.size)
    light = rng.poisson(np.broadcast_to(bands(line) / gain, size)) * gain
    rays = (rng.random(size) < spikes) * rng.uniform(200.0, 5000.0, size)
    return make_spectra(SHIFT, light + rng.normal(0.0, readout, size) + rays)


@pytest.mark.parametrize(("gain", "readout"), [(0.5, 5.0), (2.0, 3.0)])
@pytest.mark.parametrize("line", [0.0, 15000.0])
def test_one_spectrum_tells_its_gain(gain: float, readout: float, line: float) -> None:
    found = [
        estimate_noise(simulate(seed, gain=gain, readout=readout, line=line))
        for seed in range(20)
    ]
    resolved = [each for each in found if each.kind == "gain"]
    assert len(resolved) >= 16
    scores = [(each.gain - gain) / each.gain_std for each in resolved]
    assert np.max(np.abs(scores)) < COVERAGE_SIGMAS
    assert abs(np.mean(scores)) < COVERAGE_SIGMAS / np.sqrt(len(scores))
    assert np.std(scores) < 1.6  # 4 sigma above 1 for 20 draws
    assert all(each.is_white and each.pedestal == 0.0 for each in found)


def test_repeated_spectra_tell_gain_and_readout() -> None:
    model = estimate_noise(simulate(1, n_spots=40, line=15000.0))
    assert model.method == "pairs"
    assert abs(model.gain - 0.5) < COVERAGE_SIGMAS * model.gain_std
    assert model.gain_std < 0.03
    assert abs(model.readout_std - 5.0) < COVERAGE_SIGMAS * model.readout_std_std
    assert "times the intensity" in model.statements[0]


def test_spots_that_differ_are_not_paired() -> None:
    spectra = simulate(2, n_spots=6)
    rng = np.random.default_rng(0)
    places = rng.uniform(300.0, 1500.0, 6)[:, None]
    lines = 9000.0 * np.exp(-2.7726 * ((SHIFT - places) / 4.0) ** 2)
    strong = make_spectra(SHIFT, spectra["intensity"].to_numpy() + lines)
    single = estimate_noise(strong, method="single")
    assert estimate_noise(strong).gain == pytest.approx(0.5, abs=0.15)
    assert abs(single.gain - 0.5) < COVERAGE_SIGMAS * single.gain_std


def test_flat_spectra_resolve_one_level_only() -> None:
    rng = np.random.default_rng(4)
    model = estimate_noise(make_spectra(SHIFT, rng.normal(500.0, 12.0, SHIFT.size)))
    assert model.kind == "constant"
    assert np.isnan(model.gain)
    assert abs(model.readout_std - 12.0) < COVERAGE_SIGMAS * model.readout_std_std
    assert "Only one noise level" in model.statements[0]
    assert np.all(noise_std(simulate(1), model) == model.readout_std)


def test_an_electronic_offset_is_named() -> None:
    spectra = simulate(3, n_spots=40, readout=0.5)
    raised = make_spectra(SHIFT, spectra["intensity"].to_numpy() + 1000.0)
    model = estimate_noise(raised)
    assert model.pedestal == pytest.approx(1000.0, abs=60.0)
    assert any("offset that carries no noise" in each for each in model.statements)


def test_smoothed_spectra_are_recognised() -> None:
    rough = simulate(5, n_spots=4, spikes=0.0)["intensity"].to_numpy()
    kernel = np.array([0.25, 0.5, 0.25])
    smooth = np.array([np.convolve(row, kernel, "same") for row in rough])
    model = estimate_noise(make_spectra(SHIFT[2:-2], smooth[:, 2:-2]))
    assert not model.is_white
    assert any("share their noise" in each for each in model.statements)


def test_noise_std_follows_the_written_formula() -> None:
    model = estimate_noise(simulate(6, n_spots=10))
    flat = make_spectra(SHIFT, np.full(SHIFT.size, 800.0))
    std = noise_std(flat, model)
    expected = np.sqrt(model.readout_std**2 + model.gain * (800.0 - model.pedestal))
    assert std.to_numpy() == pytest.approx(expected)
    assert std.attrs["units"] == "count"
    dark = make_spectra(SHIFT, np.full(SHIFT.size, -50.0))
    assert np.all(noise_std(dark, dataclasses.replace(model, readout_std=0.0)) > 0.0)


def test_a_model_is_for_its_own_units() -> None:
    model = estimate_noise(simulate(7))
    rates = make_spectra(SHIFT, bands(), intensity_units="count s-1")
    with pytest.raises(SchemaError, match="in 'count s-1'"):
        noise_std(rates, model)
    reduced = reduce_spectra(simulate(7), laser_nm=532.0)
    with pytest.raises(SchemaError, match="reduced"):
        noise_std(reduced, model)
    with pytest.raises(SchemaError, match="reduced"):
        estimate_noise(reduced)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(SHIFT.size), "0 spots that are not empty"),
        (np.full(SHIFT.size, 7.0), "no noise"),
    ],
)
def test_without_noise_nothing_is_measured(values: np.ndarray, message: str) -> None:
    with pytest.raises(FitError, match=message):
        estimate_noise(make_spectra(SHIFT, values))


def test_too_few_points_are_refused() -> None:
    with pytest.raises(FitError, match="takes 200"):
        estimate_noise(simulate(8).isel(raman_shift=slice(0, 100)))
    with pytest.raises(FitError, match="1 spots"):
        estimate_noise(simulate(8), method="pairs")


def test_clipped_variance_of_noise_with_outliers() -> None:
    rng = np.random.default_rng(9)
    noise = rng.normal(0.0, 3.0, 200_000)
    assert clip_variance(noise) == pytest.approx(9.0, rel=CLIPPED)
    noise[:2000] = 500.0
    assert clip_variance(noise) == pytest.approx(9.0, rel=2 * CLIPPED)


@pytest.mark.parametrize("order", [2, 6])
def test_differences_keep_the_variance_and_lose_polynomials(order: int) -> None:
    rng = np.random.default_rng(10)
    x = np.linspace(-1.0, 1.0, 50_001)
    noise, level = difference((rng.normal(0.0, 2.0, x.size) + 5.0 * x)[None], order)
    assert noise.var() == pytest.approx(4.0, rel=0.04)  # 3 sigma at 15000 free points
    assert noise.shape == level.shape == (1, x.size - order)
    assert level[0].mean() == pytest.approx(0.0, abs=0.05)
