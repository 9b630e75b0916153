"""Band fits: against an explicit least squares, known truth, and symmetries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import voigt_profile

from structkit.errors import FitError, SchemaError
from structkit.raman.bands import Band
from structkit.raman.baseline import SMOOTHNESS_GRID, penalty_weight
from structkit.raman.covariance import covariance_of
from structkit.raman.fit import (
    BandFit,
    choose_smoothness,
    fit_bands,
    fit_blocks,
)
from structkit.raman.model import BandModel, BaselineOptions, Template, Tie
from structkit.raman.search import find_missing_band
from structkit.raman.shapes import evaluate_shape
from structkit.raman.start import place_bands_at_start
from structkit.schema import (
    INTENSITY,
    INTENSITY_STD,
    MASKED,
    RAMAN_SHIFT,
    SPOT,
    FitStatus,
    make_spectra,
)

Floats = NDArray[np.float64]
Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]

STOP = 2e-3
"""The solver stops where chi-square would fall by less than this."""
SAME = 0.05
"""Of a standard uncertainty: what a stop that early leaves open."""
SHAPE = 0.03
"""A pseudo-Voigt misses the area of a true Voigt by that share at most."""


@pytest.fixture(scope="module")
def model(lines: tuple[Any, ...], near: Near) -> BandModel:
    return BandModel(bands=near(lines, off=3.0), loss="normal")


@pytest.fixture(scope="module")
def spectra(lines: tuple[Any, ...], simulate: Simulate) -> xr.Dataset:
    return simulate(lines, seed=1)


@pytest.fixture(scope="module")
def fit(spectra: xr.Dataset, model: BandModel) -> BandFit:
    return fit_bands(spectra, model)


def area_std(fit: BandFit, number: int = 0) -> Floats:
    return np.sqrt(np.diag(covariance_of(fit).of_spectrum(number)))


def test_same_as_least_squares_of_bands_and_baseline_together(fit: BandFit) -> None:
    """The baseline's coefficients as parameters, its penalty as rows of data."""
    layout, spectrum = fit.layout, fit.spectra[0]
    n, m = layout.n_shared, layout.n_local
    x, sigma = spectrum.raman_shift, spectrum.sigma
    pull = penalty_weight(fit.smoothness, spectrum.light) * spectrum.penalty
    shared, own = fit.shared_priors, fit.local_priors
    mean = np.concatenate([shared.mean, own.mean])
    std = np.concatenate([shared.std, own.std])

    def residual(flat: Floats) -> Floats:
        bands, local, coefficients = flat[:n], flat[n : n + m], flat[n + m :]
        shapes = evaluate_shape(
            x[None, :] - (bands[layout.centre] + local[-1])[:, None],
            np.exp(bands[layout.log_width]),
            bands[layout.mixing],
        ).value
        light = local[layout.area] @ shapes + spectrum.edge @ local[layout.edge]
        light = light + spectrum.basis @ coefficients
        apart = (flat[: n + m] - mean) / std
        rows = [(spectrum.intensity - light) / sigma, pull @ coefficients, apart]
        return np.concatenate(rows)

    bands, baseline = fit.curves(0)
    edge = spectrum.edge @ fit.solution.locals[0][layout.edge]
    first, *_ = np.linalg.lstsq(spectrum.basis, baseline - edge, rcond=None)
    values = np.concatenate([fit.solution.shared, fit.solution.locals[0]])
    low = np.concatenate([shared.low, own.low, np.full(first.size, -np.inf)])
    high = np.concatenate([shared.high, own.high, np.full(first.size, np.inf)])
    start = np.concatenate([values, first])
    inside = np.clip(start, low + 1e-9, high - 1e-9)
    slow = least_squares(residual, inside, bounds=(low, high), x_scale="jac")
    assert fit.solution.cost == pytest.approx(slow.cost, abs=STOP)
    covariance = covariance_of(fit)
    spread = np.linalg.inv(slow.jac.T @ slow.jac)
    sigmas = np.sqrt(np.diag(spread))
    stds = np.sqrt(np.diag(covariance.shared))
    assert covariance.inflation.tolist() == [1.0]
    assert np.all(np.abs(slow.x[:n] - values[:n]) < SAME * stds)
    assert stds == pytest.approx(sigmas[:n], rel=0.01)
    places = slice(n, n + len(fit.model.names))
    assert area_std(fit) == pytest.approx(sigmas[places], rel=0.01)
    correlation = covariance.of_spectrum(0) / np.outer(area_std(fit), area_std(fit))
    slower = spread[places, places] / np.outer(sigmas[places], sigmas[places])
    assert correlation == pytest.approx(slower, abs=0.01)
    assert bands.sum(axis=1) + baseline == pytest.approx(
        spectrum.intensity - fit.residual(0) * sigma
    )


def test_truth_is_recovered_within_its_uncertainty(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel
) -> None:
    """Centres, widths and areas of true Voigts over humps, 12 noises."""
    pulls, off = [], []
    for seed in range(12):
        fit = fit_bands(simulate(lines, seed=100 + seed), model)
        assert fit.status is FitStatus.CONVERGED
        layout, shared = fit.layout, fit.solution.shared
        std = np.sqrt(np.diag(covariance_of(fit).shared))
        centre = np.asarray([line.centre for line in lines])
        pulls.append((shared[layout.centre] - centre) / std[layout.centre])
        true = np.asarray([line.area for line in lines])
        excess = np.abs(fit.areas[0] - true) - SHAPE * true
        off.append(np.maximum(excess, 0.0) / area_std(fit))
    assert np.mean(np.abs(pulls) < 2.0) > 0.9
    # The axis may be off by 0.3 cm-1 as far as the fit knows; here it is not.
    assert 0.1 < np.std(pulls) < 1.2
    assert np.mean(np.asarray(off) < 2.0) > 0.95


def test_width_of_a_voigt_is_the_sample_s_own(simulate: Simulate) -> None:
    """Lines seen through a Gaussian of known width, the axis held."""
    instrument, sigma, gamma = 6.0, 4.0, 3.0
    shift = np.arange(150.0, 650.0, 1.0)
    through = np.hypot(sigma, instrument / (2.0 * np.sqrt(2.0 * np.log(2.0))))
    profile = voigt_profile(shift - 400.0, through, gamma)
    rng = np.random.default_rng(2)
    counts = rng.poisson(400.0 + 2e5 * profile)
    spectra = make_spectra(shift, counts, intensity_std=np.sqrt(400.0 + 2e5 * profile))
    band = Band(name="a", species="s", wavenumber=398.0, fwhm=10.0)
    voigt = BandModel(bands=(band,), shape="voigt", instrument_fwhm=instrument)
    fit = fit_bands(spectra, voigt)
    covariance = covariance_of(fit)
    gauss, lorentz = 2.0 * np.sqrt(2.0 * np.log(2.0)) * sigma, 2.0 * gamma
    own = 0.5346 * lorentz + np.sqrt(0.2166 * lorentz**2 + gauss**2)
    place = fit.layout.log_width.start
    std = np.sqrt(covariance.shared[place, place])
    assert fit.solution.shared[place] == pytest.approx(np.log(own), abs=3.0 * std)
    assert std < 0.05
    assert fit.areas[0, 0] == pytest.approx(2e5, abs=3.0 * area_std(fit)[0])
    mixing = fit.layout.mixing.start
    std = np.sqrt(covariance.shared[mixing, mixing])
    assert fit.solution.shared[mixing] == pytest.approx(lorentz / own, abs=3.0 * std)


@pytest.mark.parametrize("step", [2.0, 0.8])
def test_the_short_way_ends_where_the_long_one_does(
    lines: tuple[Any, ...], simulate: Simulate, near: Near, step: float
) -> None:
    """Few steps on averaged points against many on all points from both starts.

    Both stop early, each by its own amount.
    """
    shift = np.arange(100.0, 900.0, step)
    for seed in range(6):
        level = (100.0, 1000.0, 5000.0)[seed % 3]
        spectra = simulate(lines, seed=500 + seed, shift=shift, level=level)
        model = BandModel(bands=near(lines, off=6.0 - seed), loss="normal")
        fit = fit_bands(spectra, model)
        placed = place_bands_at_start(
            fit.spectra, model, fit.layout, priors=fit.shared_priors, templates=()
        )
        ends = []
        for start in (fit.shared_priors.mean, placed):
            begin = replace(fit.solution, shared=start, locals=(), normals=())
            begun = replace(fit, solution=begin)
            ends.append(
                fit_blocks(fit.spectra, model, start=begun, smoothness=fit.smoothness)
            )
        slow = min(ends, key=lambda end: end.solution.cost)
        assert choose_smoothness(slow) == fit.smoothness
        assert fit.solution.cost == pytest.approx(slow.solution.cost, abs=2.0 * STOP)
        std = np.sqrt(np.diag(covariance_of(slow).shared))
        assert np.all(
            np.abs(fit.solution.shared - slow.solution.shared) <= 2.0 * SAME * std
        )
        assert np.all(np.abs(fit.areas - slow.areas)[0] < 2.0 * SAME * area_std(slow))


# --- symmetries


@pytest.mark.parametrize("factor", [7.0, 1e-4, 1e5])
def test_counts_in_another_unit_scale_the_areas(
    spectra: xr.Dataset, model: BandModel, fit: BandFit, factor: float
) -> None:
    scaled = spectra.assign(
        {name: spectra[name] * factor for name in (INTENSITY, INTENSITY_STD)}
    )
    other = fit_bands(scaled, model)
    assert other.smoothness == fit.smoothness
    assert other.solution.cost == pytest.approx(fit.solution.cost, abs=STOP)
    assert other.areas / factor == pytest.approx(fit.areas, rel=1e-4)
    assert other.solution.shared == pytest.approx(fit.solution.shared, abs=1e-3)
    assert area_std(other) / factor == pytest.approx(area_std(fit), rel=1e-3)


def test_noise_that_is_not_given_scales_too(
    spectra: xr.Dataset, model: BandModel
) -> None:
    unknown = spectra.drop_vars(INTENSITY_STD)
    one, seven = (
        fit_bands(unknown.assign({INTENSITY: unknown[INTENSITY] * k}), model)
        for k in (1.0, 7.0)
    )
    assert seven.areas / 7.0 == pytest.approx(one.areas, rel=1e-4)


def test_order_of_the_spots_does_not_matter(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel
) -> None:
    spots = simulate(lines, seed=3, scales=(1.0, 2.0, 0.5))
    one, other = fit_bands(spots, model), fit_bands(spots.isel(spot=[2, 1, 0]), model)
    std = np.asarray([area_std(one, k) for k in range(3)])
    assert np.abs(other.areas[::-1] - one.areas).max() < SAME * std.max()
    assert other.solution.cost == pytest.approx(one.solution.cost, abs=STOP)
    apart = fit_bands([spots.isel(spot=[k]) for k in range(3)], model)
    assert apart.areas == pytest.approx(one.areas)


def test_a_constant_changes_the_baseline_only(
    spectra: xr.Dataset, model: BandModel
) -> None:
    """With the penalty at one weight: it is relative to the light."""
    light = float(spectra[INTENSITY].mean())
    more = 5000.0
    weights = (1.0, ((light + more) / light) ** 2)
    fits = []
    for constant, smoothness in zip((0.0, more), weights, strict=True):
        options = BaselineOptions(smoothness=smoothness)
        given = replace(model, baseline=options)
        raised = spectra.assign({INTENSITY: spectra[INTENSITY] + constant})
        fits.append(fit_bands(raised, given))
    one, other = fits
    assert np.abs((other.areas - one.areas)[0] / area_std(one)).max() < SAME
    difference = other.curves(0)[1] - one.curves(0)[1]
    assert difference == pytest.approx(more, abs=1.0)


def test_a_straight_line_changes_the_baseline_only(
    spectra: xr.Dataset, model: BandModel
) -> None:
    """Second differences are blind to it; the light is kept."""
    shift = spectra[RAMAN_SHIFT].to_numpy()
    slope = (shift - shift.mean()) * 0.2
    given = replace(model, baseline=BaselineOptions(smoothness=1.0))
    one = fit_bands(spectra, given)
    other = fit_bands(spectra.assign({INTENSITY: spectra[INTENSITY] + slope}), given)
    assert np.abs((other.areas - one.areas)[0] / area_std(one)).max() < SAME


def test_a_spectrum_twice_is_known_better(
    spectra: xr.Dataset, model: BandModel, fit: BandFit
) -> None:
    """By the root of two where the data and not the priors or the axis decide."""
    wide = tuple(
        replace(
            band,
            wavenumber_std=1e3,
            window=band.limits,
            fwhm_factor=1e3,
            lorentz_std=1e2,
        )
        for band in model.bands
    )
    held = replace(model, bands=wide, shift_std=0.0)
    held = replace(held, baseline=BaselineOptions(smoothness=fit.smoothness))
    twice = xr.concat([spectra, spectra.assign_coords(spot=[2])], SPOT)
    one, two = (covariance_of(fit_bands(each, held)) for each in (spectra, twice))
    ratio = np.sqrt(np.diag(one.shared) / np.diag(two.shared))
    # The minima differ by what is not worth a further step: most for the shape of the
    # broad band, which is hardly known.
    assert ratio == pytest.approx(np.sqrt(2.0), rel=0.06)
    assert np.median(ratio) == pytest.approx(np.sqrt(2.0), rel=1e-3)
    total = np.sqrt(np.diag(two.of_total([0, 1])) / np.diag(one.of_spectrum(0)))
    assert total == pytest.approx(np.sqrt(2.0), rel=0.06)


# --- weights


def test_masked_points_have_no_weight(spectra: xr.Dataset, model: BandModel) -> None:
    mask = np.zeros((1, 400), dtype=np.int8)
    mask[0, 139:142] = 1  # on the strongest line
    dims = (SPOT, RAMAN_SHIFT)
    fits = []
    for spike in (0.0, 1e5):
        hit = spectra.copy(deep=True)
        hit[INTENSITY][0, 139:142] += spike
        hit = hit.drop_vars(INTENSITY_STD).assign({MASKED: (dims, mask)})
        fits.append(fit_bands(hit, model))
    assert fits[0].areas == pytest.approx(fits[1].areas, rel=1e-9)
    assert fits[0].areas[0, 2] == pytest.approx(12000.0, rel=0.1)


def test_robust_loss_stands_a_spike(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel
) -> None:
    """One spike nobody removed, as strong as the lines, anywhere; 12 noises."""
    rng = np.random.default_rng(4)
    off: dict[str, list[float]] = {"robust": [], "normal": []}
    for seed in range(12):
        clean = simulate(lines, seed=300 + seed)
        known = fit_bands(clean, model)
        hit = clean.copy(deep=True)
        hit[INTENSITY][0, rng.integers(400)] += rng.uniform(500.0, 2000.0)
        for loss in ("robust", "normal"):
            fit = fit_bands(hit, replace(model, loss=loss))
            off[loss].append(
                float((np.abs(fit.areas - known.areas) / area_std(known)).max())
            )
    # A point may still pull by five sigma: a few tenths of an area's.
    assert np.median(off["robust"]) < 1.0
    assert np.median(off["normal"]) > 2.0 * np.median(off["robust"])


@pytest.mark.parametrize("size", [(10.0, 50.0), (100.0, 500.0)])
def test_robust_loss_stands_twenty_spikes(
    lines: tuple[Any, ...],
    simulate: Simulate,
    model: BandModel,
    size: tuple[float, float],
) -> None:
    """Spikes of some tens or hundreds of sigma at 20 of 1000 points; 8 noises."""
    rng = np.random.default_rng(5)
    robust = replace(model, loss="robust")
    shift = np.arange(100.0, 900.0, 0.8)
    for seed in range(8):
        clean = simulate(lines, seed=320 + seed, shift=shift)
        known = fit_bands(clean, model)
        hit = clean.copy(deep=True)
        places = rng.choice(shift.size, 20, replace=False)
        sigma = clean[INTENSITY_STD].to_numpy()[0, places]
        hit[INTENSITY][0, places] += rng.uniform(*size, 20) * sigma
        # One baseline for both: another smoothness moves areas too, spikes or not.
        held = replace(robust.baseline, smoothness=known.smoothness)
        fit = fit_bands(hit, replace(robust, baseline=held))
        assert fit.status is FitStatus.CONVERGED
        off = np.abs(fit.areas - known.areas) / area_std(known)
        assert off.max() < 1.0, seed
        std = np.sqrt(np.diag(covariance_of(known).shared))[known.layout.centre]
        moved = fit.solution.shared - known.solution.shared
        assert np.all(np.abs(moved[known.layout.centre]) < std), seed


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_spike_at_an_end_is_seen(
    spectra: xr.Dataset, model: BandModel, fit: BandFit, place: int
) -> None:
    """It has neighbours on one side only, and the baseline bends most easily there."""
    hit = spectra.copy(deep=True)
    hit[INTENSITY][0, place] += 100.0 * float(hit[INTENSITY_STD][0, place])
    robust = fit_bands(hit, replace(model, loss="robust"))
    assert robust.spectra[0].sigma[place] > 10.0 * fit.spectra[0].sigma[place]
    assert np.abs((robust.areas - fit.areas)[0] / area_std(fit)).max() < 0.5


def test_robust_loss_leaves_a_sharp_line_to_be_found(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel
) -> None:
    """Three points wide, and of no band: it stands out, and is no spike."""
    laser = type(lines[0])(centre=620.0, area=3000.0, sigma=2.0, gamma=0.5)
    fit = fit_bands(simulate([*lines, laser], seed=330), replace(model, loss="robust"))
    found = find_missing_band(fit, narrowest=8.0)
    assert found is not None
    assert found.centre == pytest.approx(620.0, abs=4.0)
    assert found.gain > 50.0


def test_robust_loss_changes_nothing_without_spikes(
    spectra: xr.Dataset, model: BandModel, fit: BandFit
) -> None:
    robust = fit_bands(spectra, replace(model, loss="robust"))
    assert np.array_equal(robust.solution.shared, fit.solution.shared)


# --- models


def test_bands_at_their_limits_stay_there(
    spectra: xr.Dataset, lines: tuple[Any, ...], model: BandModel
) -> None:
    first = replace(model.bands[2], wavenumber=371.0, window=(365.0, 375.0))
    fit = fit_bands(spectra, replace(model, bands=(first,)))
    assert fit.solution.shared[0] == 375.0
    assert fit.status is FitStatus.CONVERGED
    assert np.isfinite(covariance_of(fit).shared).all()


def test_a_band_that_is_not_there_has_no_area(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel
) -> None:
    """Never negative; within its noise of zero; its neighbours unharmed."""
    absent = Band(name="no", species="s", wavenumber=620.0, fwhm=20.0)
    given = replace(model, bands=(*model.bands, absent))
    areas = []
    for seed in range(6):
        fit = fit_bands(simulate(lines, seed=200 + seed), given)
        areas.append(fit.areas[0, 5] / area_std(fit)[5])
    assert min(areas) >= 0.0
    assert max(areas) < 4.0  # the best of many places and widths
    assert any(area == 0.0 for area in areas)


def test_a_dip_gives_no_negative_band(simulate: Simulate) -> None:
    spectra = simulate([], seed=15)
    shift = spectra[RAMAN_SHIFT].to_numpy()
    dip = 150.0 * np.exp(-0.5 * ((shift - 620.0) / 8.0) ** 2)
    hollow = spectra.assign({INTENSITY: spectra[INTENSITY] - dip})
    band = Band(
        name="no", species="s", wavenumber=620.0, window=(612.0, 628.0), fwhm=20.0
    )
    fit = fit_bands(hollow, BandModel(bands=(band,)))
    assert fit.areas[0, 0] == 0.0
    assert fit.status is FitStatus.CONVERGED


def test_replicates_share_bands_and_keep_their_areas(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel
) -> None:
    scales = np.asarray([1.0, 0.3, 2.0, 0.7])
    fit = fit_bands(simulate(lines, seed=5, scales=scales), model)
    assert fit.areas.shape == (4, 5)
    area = np.asarray([line.area for line in lines])
    for number, scale in enumerate(scales):
        excess = np.abs(fit.areas[number] - scale * area) - SHAPE * scale * area
        assert np.all(excess < 3.0 * area_std(fit, number))
    # One weak spot among strong ones is known better than alone.
    alone = fit_bands(simulate(lines, seed=5, scales=scales).isel(spot=[1]), model)
    assert np.all(area_std(fit, 1) < area_std(alone))
    assert fit.n_points == 1600
    assert fit.n_parameters == 15 + 4 * (5 + 4 + 1)


def test_axis_shifts_of_the_spots_are_found(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel
) -> None:
    shifts = (-0.6, 0.0, 0.6)
    axis = np.arange(100.0, 900.0, 2.0)
    spots = [
        simulate(lines, seed=6 + k, shift=axis - shift).assign_coords(raman_shift=axis)
        for k, shift in enumerate(shifts)
    ]
    fit = fit_bands(xr.concat(spots, SPOT), model)
    found = np.asarray([own[fit.layout.axis_shift] for own in fit.solution.locals])
    std = covariance_of(fit).axis_shift_std
    assert np.ptp(found) == pytest.approx(1.2, abs=0.2)
    assert np.all(std < 0.3)
    assert np.all(np.abs(found - shifts) < 3.0 * std)
    held = fit_bands(xr.concat(spots, SPOT), replace(model, shift_std=0.0))
    assert [own[-1] for own in held.solution.locals] == [0.0] * 3
    assert held.solution.cost > fit.solution.cost + 10.0


def test_a_family_has_one_width(make_line: Callable[..., Any], simulate: Any) -> None:
    lines = [make_line(centre=c, area=1e4) for c in (250.0, 400.0, 550.0)]
    bands = tuple(
        Band(name=f"b{k}", species="s", wavenumber=line.centre, fwhm=12.0, family="f")
        for k, line in enumerate(lines)
    )
    spectra = simulate(lines, seed=7)
    fit = fit_bands(spectra, BandModel(bands=bands))
    alone = fit_bands(spectra, BandModel(bands=(replace(bands[1], family=""),)))
    widths, one = (f.solution.shared[f.layout.log_width] for f in (fit, alone))
    assert widths.size == 1
    std, worse = (
        np.sqrt(covariance_of(f).shared[f.layout.log_width, f.layout.log_width][0, 0])
        for f in (fit, alone)
    )
    assert widths[0] == pytest.approx(np.log(lines[0].fwhm), abs=3.0 * std)
    assert std < worse
    assert one[0] == pytest.approx(widths[0], abs=3.0 * worse)


def test_a_tie_keeps_its_ratio(lines: tuple[Any, ...], spectra: xr.Dataset) -> None:
    bands = tuple(
        Band(name=f"b{k}", species="s", wavenumber=line.centre, fwhm=line.fwhm)
        for k, line in enumerate(lines)
    )
    shares = tuple(line.area for line in lines[:4])
    tie = Tie(name="salt", species="s", bands=("b0", "b1", "b2", "b3"), shares=shares)
    fit = fit_bands(spectra, BandModel(bands=bands, ties=(tie,)))
    assert fit.model.names == ("b4", "salt")
    assert fit.band_areas[0, :4] / fit.band_areas[0, 0] == pytest.approx(
        np.asarray(shares) / shares[0]
    )
    whole = sum(shares)
    std = area_std(fit)[1]
    assert fit.areas[0, 1] == pytest.approx(whole, abs=3.0 * std + SHAPE * whole)


def test_a_template_gives_its_scale_and_its_shift(
    lines: tuple[Any, ...], simulate: Simulate, make_line: Callable[..., Any]
) -> None:
    """A crystal measured apart; in the mixture it sits 0.8 cm-1 higher."""
    wide = np.arange(80.0, 920.0, 1.0)
    crystal = np.zeros(wide.size)
    for line in lines[:4]:
        crystal += line.area * voigt_profile(wide - line.centre, line.sigma, line.gamma)
    moved = [
        make_line(
            centre=line.centre + 0.8,
            area=0.5 * line.area,
            sigma=line.sigma,
            gamma=line.gamma,
        )
        for line in lines[:4]
    ]
    template = Template(name="NTC", species="NTC", raman_shift=wide, values=crystal)
    band = Band(name="oxide", species="o", wavenumber=750.0, fwhm=50.0)
    model = BandModel(bands=(band,), templates=(template,), shift_std=0.0)
    fit = fit_bands(simulate([*moved, lines[4]], seed=8), model)
    inside = (wide >= 100.0) & (wide <= 898.0)
    true = 0.5 * float(np.trapezoid(crystal[inside], wide[inside]))
    std = area_std(fit)
    assert fit.areas[0, 1] == pytest.approx(true, abs=3.0 * std[1])
    assert std[1] < 0.05 * true
    place = fit.layout.template_shift.start
    shift_std = float(np.sqrt(covariance_of(fit).shared[place, place]))
    assert fit.solution.shared[place] == pytest.approx(0.8, abs=3.0 * shift_std)
    assert shift_std < 0.2


def test_a_drift_is_followed(make_line: Callable[..., Any], simulate: Simulate) -> None:
    """Centre and width of one band move along the series; the order is its own."""
    along = (0.0, 1.0, 4.0, 9.0)
    datasets = [
        simulate(
            [
                make_line(
                    centre=400.0 + 0.8 * at, area=2e4, sigma=4.0 * 1.05**at, gamma=0.01
                )
            ],
            seed=9 + k,
        )
        for k, at in enumerate(along)
    ]
    band = Band(name="a", species="s", wavenumber=402.0, fwhm=10.0, lorentz=0.05)
    model = BandModel(bands=(band,), drift=True)
    fit = fit_bands(datasets, model, along=along)
    layout, shared = fit.layout, fit.solution.shared
    std = np.sqrt(np.diag(covariance_of(fit).shared))
    for place, true in (
        (layout.centre_drift.start, 0.8 * 9.0),
        (layout.width_drift.start, 9.0 * np.log(1.05)),
    ):
        assert shared[place] == pytest.approx(true, abs=3.0 * std[place])
    still = fit_bands(datasets, replace(model, drift=False))
    assert still.solution.cost > fit.solution.cost + 50.0
    turned = fit_bands(datasets[::-1], model, along=along[::-1])
    assert turned.solution.cost == pytest.approx(fit.solution.cost, abs=STOP)


def test_laser_edge_is_no_band(make_line: Callable[..., Any], simulate: Any) -> None:
    """A steep fall at the first points, of another formula than the fitter's."""
    line = make_line(centre=180.0, area=8000.0)
    plain = simulate([line], seed=10)
    shift = plain[RAMAN_SHIFT].to_numpy()
    edge = 3000.0 / (1.0 + (shift - 100.0) / 15.0) ** 2
    rng = np.random.default_rng(11)
    counts = plain[INTENSITY].to_numpy() + rng.poisson(edge)
    std = np.sqrt(plain[INTENSITY_STD].to_numpy() ** 2 + edge)
    spectra = make_spectra(shift, counts, intensity_std=std)
    band = Band(name="a", species="s", wavenumber=175.0, fwhm=15.0)
    with_edge = fit_bands(spectra, BandModel(bands=(band,)))
    options = BaselineOptions(edge_decays=())
    without = fit_bands(spectra, BandModel(bands=(band,), baseline=options))
    allowed = 3.0 * area_std(with_edge)[0] + SHAPE * 8000.0
    assert with_edge.areas[0, 0] == pytest.approx(8000.0, abs=allowed)
    # Four more parameters: chi-square would fall by four if there were no edge.
    assert 2.0 * (without.solution.cost - with_edge.solution.cost) > 100.0


def test_smoothness_is_chosen_from_the_grid_or_given(
    spectra: xr.Dataset, model: BandModel, fit: BandFit
) -> None:
    assert fit.smoothness in SMOOTHNESS_GRID
    given = replace(model, baseline=BaselineOptions(smoothness=0.37))
    assert fit_bands(spectra, given).smoothness == 0.37


def test_a_fit_may_start_from_another(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel, fit: BandFit
) -> None:
    again = fit_bands(simulate(lines, seed=1), model, start=fit)
    assert again.solution.steps <= 1
    assert again.solution.cost == pytest.approx(fit.solution.cost, abs=STOP)
    # From spectra of other number and strength: bands are kept, areas found anew.
    spots = simulate(lines, seed=12, scales=(10.0, 0.1))
    warm, cold = fit_bands(spots, model, start=fit), fit_bands(spots, model)
    same = replace(cold.model, baseline=BaselineOptions(smoothness=cold.smoothness))
    warm = fit_bands(spots, same, start=fit)
    assert warm.solution.cost == pytest.approx(cold.solution.cost, abs=2 * STOP)


def test_axes_may_differ(
    lines: tuple[Any, ...], simulate: Simulate, model: BandModel
) -> None:
    one = simulate(lines, seed=13)
    other = simulate(lines, seed=14, shift=np.arange(120.0, 880.0, 3.0))
    fit = fit_bands([one, other], model)
    area = np.asarray([line.area for line in lines])
    for number in (0, 1):
        excess = np.abs(fit.areas[number] - area) - SHAPE * area
        assert np.all(excess < 3.0 * area_std(fit, number))


# --- bad input


def bands_at(*places: float) -> tuple[Band, ...]:
    return tuple(Band(name=f"b{p:g}", species="s", wavenumber=p) for p in places)


def test_bad_input_is_refused(spectra: xr.Dataset, model: BandModel) -> None:
    with pytest.raises(FitError, match="no spectra"):
        fit_bands([], model)
    outside = BandModel(bands=bands_at(300.0, 950.0))
    with pytest.raises(FitError, match=r"b950; leave them out") as error:
        fit_bands(spectra, outside)
    assert "b300" not in str(error.value)
    assert "100 to 898 cm-1" in str(error.value)
    shift = np.linspace(200.0, 898.0, 100)
    short = Template(name="T", species="t", raman_shift=shift, values=np.ones(100))
    with pytest.raises(FitError, match=r"templates that do not cover 100 to 898.*T"):
        fit_bands(spectra, BandModel(bands=(), templates=(short,)))
    few = spectra.isel(raman_shift=slice(None, None, 20))
    with pytest.raises(FitError, match=r"20 points for \d+ parameters \(5 bands\)"):
        fit_bands(few, model)
    dark = spectra.copy(deep=True)
    dark[INTENSITY][0] = 0.0
    with pytest.raises(FitError, match="all zero"):
        fit_bands(dark, model)
    with pytest.raises(SchemaError, match="2 places for 1 datasets"):
        fit_bands(spectra, model, along=(0.0, 1.0))
    repeated = spectra.assign_coords(
        raman_shift=np.repeat(spectra[RAMAN_SHIFT].to_numpy()[::2], 2)
    )
    with pytest.raises(SchemaError, match=r"does not ascend at 100 cm-1.*merge"):
        fit_bands(repeated, model)
    nanometres = spectra.assign_coords(raman_shift=np.linspace(18000.0, 18800.0, 400))
    with pytest.raises(SchemaError, match="in nm"):
        fit_bands(nanometres, model)
    wrong = spectra.copy()
    wrong[INTENSITY] = wrong[INTENSITY].assign_attrs(units="V")
    with pytest.raises(SchemaError, match="'V'"):
        fit_bands(wrong, model)
    with pytest.raises(SchemaError, match="twice in a model: b300"):
        BandModel(bands=bands_at(300.0, 300.0))
