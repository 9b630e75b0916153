"""Spots that share background and glass: what a free baseline takes comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from structkit.raman.bands import Band
from structkit.raman.covariance import covariance_of
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.metrics import Sums, count_bands, log_ratio
from structkit.raman.model import BandModel
from structkit.raman.pooled import (
    BACKGROUND_SCATTER,
    LEAST_SPOTS,
    Pooled,
    pool_spots,
)
from structkit.raman.sample import MetricRules, measure_sample
from structkit.raman.series import SERIES_BASELINE
from structkit.schema import make_spectra

Floats = NDArray[np.float64]

SHIFT = np.arange(62.0, 1000.0, 2.5)
GLASS = {125.0: 30_000.0, 175.0: 42_000.0, 300.0: 25_000.0, 385.0: 110_000.0}
"""Areas, count cm-1."""
SIGMA = {125.0: 18.7, 175.0: 20.3, 300.0: 20.0, 385.0: 16.5}
"""Of the bands' Gaussians, **cm-1**: a family is not quite of one width."""
TAIL = 9.0
"""Of their exponential tails, **cm-1**."""
OFFSET = 120.0
SPOTS = 8


def band_of_glass(centre: float) -> Floats:
    """Return a Gaussian with an exponential tail, by adding up what it is made of."""
    steps = np.linspace(0.05, 6.0, 60)
    weights = np.exp(-steps) / np.exp(-steps).sum()
    mean, sigma = centre - TAIL, SIGMA[centre]
    each = [
        weight * np.exp(-0.5 * ((SHIFT - mean - TAIL * step) / sigma) ** 2)
        for step, weight in zip(steps, weights, strict=True)
    ]
    return np.asarray(sum(each) / (sigma * np.sqrt(2.0 * np.pi)))


def fluorescence(rng: np.random.Generator) -> Floats:
    """Return two humps of no spline's family."""
    places, widths = rng.uniform(100.0, 1100.0, 2), rng.uniform(150.0, 350.0, 2)
    humps = [
        1.0 / np.cosh((SHIFT - place) / width) ** 2
        for place, width in zip(places, widths, strict=True)
    ]
    return np.asarray(3000.0 * (humps[0] + 0.6 * humps[1]))


def simulate(seed: int, *, spots: int = SPOTS, alike: bool = True) -> xr.Dataset:
    """Return spots of one sample: amounts scatter, shapes do not where ``alike``."""
    rng = np.random.default_rng(seed)
    glass = np.sum([area * band_of_glass(c) for c, area in GLASS.items()], axis=0)
    edge = 900.0 * np.exp(-(SHIFT - 60.0) / rng.uniform(25.0, 60.0))
    common = fluorescence(rng)
    levels = np.exp(0.15 * rng.standard_normal((3, spots)))
    light = [
        signal * (f * glass + edge + c * (common if alike else fluorescence(rng)))
        for signal, f, c in levels.T
    ]
    counts = rng.poisson(light) + rng.normal(0.0, 3.0, (spots, SHIFT.size)) + OFFSET
    return make_spectra(SHIFT, counts, intensity_std=np.sqrt(np.asarray(light) + 9.0))


def fit(*spectra: xr.Dataset) -> BandFit:
    """Return the fit over free baselines: as in a series, lines and widths unknown."""
    bands = tuple(
        Band(
            name=f"glass {centre:.0f}",
            species="glass",
            wavenumber=centre + 4.0,
            wavenumber_std=15.0,
            fwhm=45.0,
            fwhm_factor=1.6,
            lorentz=0.2,
            lorentz_std=0.1,
            skew_std=0.2,
            family="high" if centre > 350.0 else "low",
        )
        for centre in GLASS
    )
    model = BandModel(bands=bands, shape="voigt", baseline=SERIES_BASELINE)
    return fit_bands(spectra, model)


def pool(found: BandFit, *samples: range) -> Pooled | None:
    chosen = samples or (range(len(found.spectra)),)
    return pool_spots(found, chosen, phase=("glass",))


def ratio_of(
    found: BandFit, pooled: Pooled | None = None, *, bend: float = 175.0
) -> tuple[float, float]:
    """Return the logarithm of a bend over the stretches less the truth; 1 sigma."""
    sums = Sums(
        above=count_bands(found, (bend - 25.0, bend + 25.0)),
        below=count_bands(found, (280.0, 420.0)),
    )
    if pooled is None:
        ratio = log_ratio(found, sums, covariance=covariance_of(found))
    else:
        ratio = log_ratio(pooled.fit, sums, covariance=pooled.covariance)
    true = np.log(GLASS[bend] / (GLASS[300.0] + GLASS[385.0]))
    return ratio.value - float(true), ratio.std


@pytest.fixture(scope="module")
def series() -> list[tuple[BandFit, Pooled]]:
    """Return series of three samples, each fitted both ways."""
    found = []
    for seed in range(5):
        free = fit(*(simulate(10 * seed + k) for k in range(3)))
        together = pool(free, *(range(k, k + SPOTS) for k in (0, SPOTS, 2 * SPOTS)))
        assert together is not None
        found.append((free, together))
    return found


def test_feet_of_broad_bands_come_back(series: list[tuple[BandFit, Pooled]]) -> None:
    free = np.array([ratio_of(one) for one, _ in series])
    pooled = np.array([ratio_of(*both) for both in series])
    assert free[:, 0].mean() < -0.05
    assert abs(pooled[:, 0].mean()) < 0.5 * abs(free[:, 0].mean())
    assert np.sum(pooled[:, 0] ** 2) < 0.5 * np.sum(free[:, 0] ** 2)


def test_limits_hold_the_truth(series: list[tuple[BandFit, Pooled]]) -> None:
    for bend in (125.0, 175.0):
        found = np.array([ratio_of(*both, bend=bend) for both in series])
        assert np.all(np.abs(found[:, 0]) < 1.96 * found[:, 1])


def test_scatter_that_is_there_is_not_raised(
    series: list[tuple[BandFit, Pooled]],
) -> None:
    for _, pooled in series:
        assert set(pooled.background_scatter) == {BACKGROUND_SCATTER}


def test_spots_with_nothing_in_common_are_left_out() -> None:
    mixed = fit(simulate(0, alike=False), simulate(1))
    apart, alike = range(SPOTS), range(SPOTS, 2 * SPOTS)
    assert pool(mixed, apart) is None
    pooled = pool(mixed, apart, alike)
    assert pooled is not None
    assert pooled.places(list(apart)) is None
    assert pooled.places(list(alike)) == tuple(range(SPOTS))


def test_every_sample_has_a_background_of_its_own() -> None:
    free = fit(simulate(1), simulate(2))
    first, second = range(SPOTS), range(SPOTS, 2 * SPOTS)
    pooled = pool(free, first, second)
    assert pooled is not None
    assert pooled.places(list(second)) == tuple(second)
    assert pooled.places([3, 99]) is None
    assert abs(ratio_of(free, pooled)[0]) < 0.05


def test_few_spots_are_left_out() -> None:
    free = fit(simulate(3, spots=LEAST_SPOTS - 1), simulate(4, spots=LEAST_SPOTS))
    few, enough = range(LEAST_SPOTS - 1), range(LEAST_SPOTS - 1, 2 * LEAST_SPOTS - 1)
    assert pool(free, few) is None
    pooled = pool(free, few, enough)
    assert pooled is not None
    assert pooled.places(list(few)) is None
    assert pooled.places(list(enough)) == tuple(range(LEAST_SPOTS))


def test_without_a_band_of_the_phase_nothing_is_pooled() -> None:
    free = fit(simulate(5, spots=LEAST_SPOTS))
    assert pool_spots(free, [range(LEAST_SPOTS)], phase=("crystal",)) is None


def test_spots_on_several_axes_are_left_out() -> None:
    one = simulate(6, spots=2)
    other = one.isel(raman_shift=slice(2, None))
    free = fit(one, other)
    assert pool(free, range(4)) is None


def test_widths_of_a_family_come_apart_and_held_values_stay() -> None:
    free = fit(simulate(7))
    place = free.layout.centre.start
    priors = free.shared_priors
    low, high = priors.low.copy(), priors.high.copy()
    low[place] = high[place] = free.solution.shared[place]
    held = replace(free, shared_priors=replace(priors, low=low, high=high))
    pooled = pool(held)
    assert pooled is not None
    layout = pooled.fit.layout
    widths = pooled.fit.solution.shared[layout.log_width]
    assert widths.size == len(GLASS)
    assert np.ptp(widths[:3]) > 0.0
    now = pooled.fit.solution.shared[layout.centre.start]
    assert now == free.solution.shared[place]


def test_bends_are_taken_from_the_pooled_fit(
    series: list[tuple[BandFit, Pooled]],
) -> None:
    free, pooled = series[0]
    rules = MetricRules(glass=("glass",))
    alone = measure_sample(free, rules, ensemble=())
    both = measure_sample(free, rules, ensemble=(), pooled=pooled)
    found = both.metric("in_plane_ratio")
    assert found.value > alone.metric("in_plane_ratio").value
    true = GLASS[175.0] / (GLASS[300.0] + GLASS[385.0])
    assert found.low < true < found.high


def test_spectra_whose_background_was_taken_off_do_no_harm() -> None:
    rng = np.random.default_rng(8)
    glass = np.sum([area * band_of_glass(c) for c, area in GLASS.items()], axis=0)
    light = np.outer(np.exp(0.15 * rng.standard_normal(SPOTS)), glass)
    counts = light + rng.normal(0.0, 20.0, light.shape)
    free = fit(make_spectra(SHIFT, counts, intensity_std=np.full(light.shape, 20.0)))
    pooled = pool(free)
    if pooled is not None:
        error, std = ratio_of(free, pooled)
        assert np.isfinite(error)
        assert abs(error) < 3.0 * std
    found = measure_sample(free, MetricRules(glass=("glass",)), pooled=pooled)
    assert np.isfinite(found.metric("in_plane_ratio").value)
