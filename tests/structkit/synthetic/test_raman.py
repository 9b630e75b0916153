"""Simulated series: reproducible, quick, with adversaries that can be seen."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import BSpline

from structkit.errors import PlanError
from structkit.schema import validate_spectra
from structkit.synthetic.raman import (
    describe_series,
    simulate_references,
    simulate_series,
    simulate_spectra,
)
from structkit.synthetic.raman_detector import RamanOptions
from structkit.synthetic.raman_lines import LineShape, line_density
from structkit.synthetic.raman_metrics import true_metrics
from structkit.synthetic.raman_species import (
    AXIAL,
    COVER_GLASS,
    GLASS,
    NTC,
    TA2CL10,
    TA2O5,
)
from structkit.synthetic.raman_truth import (
    RAMAN_ADVERSARIES,
    RamanAdversary,
    RamanSample,
    RamanTruth,
)

SERIES_SECONDS = 0.3
"""Processor time that six samples of eight spots may take."""
MILLED = ["1h", "2h", "4h", "6h"]
# a species whose area is this many times its 1 sigma can be found
SEEN_SIGMA = 5.0
# of the area at 405: known well enough to speak of an axial line, or not
RESOLVED_UNCERTAINTY = 0.10
UNRESOLVED_UNCERTAINTY = 0.50


def spectra_of(tree: xr.DataTree, name: str) -> xr.Dataset:
    return tree[f"/{name}/raman"].to_dataset()


def test_series_is_laid_out_as_stated() -> None:
    tree, known = simulate_series(3)
    assert list(tree.children) == ["unmilled", "NTC", *MILLED]
    assert list(known["sample"].to_numpy()) == ["unmilled", "NTC", *MILLED]
    for name in tree.children:
        spectra = spectra_of(tree, name)
        validate_spectra(spectra)
        assert spectra["intensity"].attrs["units"] == "count"
        assert dict(spectra.sizes) == {"raman_shift": 599, "spot": 8}
        assert float(spectra["laser_wavelength"]) == 532.0
        assert "gain" not in spectra
        np.testing.assert_array_equal(spectra["raman_shift"], known["raman_shift"])
    for name in known.data_vars:
        assert known[name].attrs["units"]


def test_truth_of_the_bands_is_that_of_the_samples() -> None:
    truth = RamanTruth.draw(np.random.default_rng(8))
    _, known = simulate_series(2, truth=truth)
    for sample in describe_series(truth, seed=2):
        row = known.sel(sample=sample.name)
        table = {name: rest for name, *rest in sample.band_table()}
        for name in known["band"].to_numpy():
            here = row.sel(band=name)
            if name not in table:
                assert float(here["area"]) == 0.0
                assert np.isnan(here["fwhm"])
                continue
            found = [float(here[each]) for each in ("centre", "fwhm", "area")]
            assert found == pytest.approx(table[name])
        for name, value in true_metrics(sample).items():
            assert float(row[name]) == pytest.approx(value, nan_ok=True)


def test_counts_scatter_about_what_is_expected() -> None:
    options = RamanOptions(state_gain=True)
    tree, known = simulate_series(5, options=options)
    for name in tree.children:
        spectra = spectra_of(tree, name)
        gain, readout = float(spectra["gain"]), float(spectra["readout_std"])
        assert (gain, readout) == (0.5, 2.5)
        expected = known["expected"].sel(sample=name).to_numpy()
        variance = gain * (expected - options.offset) + readout**2 + 1.0 / 12.0
        pull = (spectra["intensity"].to_numpy() - expected) / np.sqrt(variance)
        spiked = np.abs(pull) > 6.0
        assert spiked.sum() <= int(known["spikes"].sel(sample=name).sum())
        assert pull[~spiked].std() == pytest.approx(1.0, abs=0.05)


def test_seed_decides_and_samples_have_their_own() -> None:
    first, again = simulate_series(7), simulate_series(7)
    xr.testing.assert_identical(first[1], again[1])
    for name in first[0].children:
        xr.testing.assert_identical(
            spectra_of(first[0], name), spectra_of(again[0], name)
        )
    other = simulate_series(8)[0]
    assert not spectra_of(other, "1h").equals(spectra_of(first[0], "1h"))
    fewer = simulate_series(7, times_h=(4.0,))[0]
    xr.testing.assert_identical(spectra_of(fewer, "4h"), spectra_of(first[0], "4h"))


def test_one_sample_alone() -> None:
    sample = describe_series(RamanTruth(), seed=1)[3]
    one = simulate_spectra(sample, rng=np.random.default_rng(1))
    two = simulate_spectra(sample, rng=np.random.default_rng(1))
    xr.testing.assert_identical(one, two)
    assert float(one["milling_time"]) == 2.0


def test_series_is_quick() -> None:
    seconds = []
    for seed in range(3):
        start = time.process_time()
        simulate_series(100 + seed)
        seconds.append(time.process_time() - start)
    assert min(seconds) < SERIES_SECONDS


def test_silicon_tells_the_error_of_the_axis() -> None:
    for seed in range(4):
        truth = RamanTruth.draw(np.random.default_rng(seed))
        options = RamanOptions(spot_axis_std=0.0, spike_share=0.0)
        silicon = simulate_references(truth, seed=seed, options=options)["silicon"]
        near = silicon.sel(raman_shift=slice(505.0, 537.0))
        shift = near["raman_shift"].to_numpy()
        counts = near["intensity"].to_numpy()[0] - options.offset
        centre = np.sum(shift * counts) / np.sum(counts)
        # the window cuts a Lorentzian's tails, unevenly when it is moved
        assert centre - 520.7 == pytest.approx(truth.axis_error, abs=0.15)


def test_references_are_what_they_are_called() -> None:
    found = simulate_references(RamanTruth(), seed=1)
    assert set(found) == {"silicon", "cover_glass", "NTC_template", "TaCl5_template"}
    strongest = {
        name: float(
            each["intensity"][0].rolling(raman_shift=3).median().idxmax("raman_shift")
        )
        for name, each in found.items()
    }
    assert strongest["silicon"] == pytest.approx(520.7, abs=3.0)
    assert strongest["NTC_template"] == pytest.approx(378.0, abs=3.0)
    assert strongest["TaCl5_template"] == pytest.approx(410.0, abs=3.0)
    assert strongest["cover_glass"] == pytest.approx(470.0, abs=60.0)


@pytest.mark.parametrize("adversary", RAMAN_ADVERSARIES)
def test_adversary_leaves_the_samples_it_does_not_touch(
    adversary: RamanAdversary,
) -> None:
    plain, changed = simulate_series(4)[0], simulate_series(4, adversary=adversary)[0]
    same = [
        name
        for name in plain.children
        if spectra_of(plain, name).equals(spectra_of(changed, name))
    ]
    everywhere = adversary in ("cover_glass", "bleaching")
    assert same == ([] if everywhere else ["unmilled", "NTC"])


def significance(sample: RamanSample, known: xr.Dataset, species: str) -> float:
    """Return the area of a species over its 1 sigma in the best fit there can be.

    Free are the area of every other band and cubic splines every 130 cm-1 as
    background; shapes are known. The mean of the spots, their own scatter left out.
    """
    shift = known["raman_shift"].to_numpy() - sample.axis_error
    columns: dict[str, np.ndarray] = {}
    for band in sample.bands:
        name = species if band.species == species else band.name
        line = line_density(shift, band.shape, spectrometer=sample.spectrometer)
        columns[name] = columns.get(name, 0.0 * line) + band.area * line
    knots = np.arange(-500.0, 1700.0, 130.0)
    splines = BSpline.design_matrix(shift, knots, 3).toarray()
    splines = 1000.0 * splines[:, splines.max(axis=0) > 1e-3]
    light = known["expected"].sel(sample=sample.name).mean("spot").to_numpy()
    noise = np.sqrt(0.5 * light / known.sizes["spot"])
    design = np.column_stack([*columns.values(), splines]) / noise[:, None]
    place = list(columns).index(species)
    covariance = np.linalg.pinv(design.T @ design)
    return float(1.0 / np.sqrt(covariance[place, place]))


@pytest.mark.parametrize(
    ("adversary", "species"),
    [("ta2o5", TA2O5), ("cover_glass", COVER_GLASS), ("tacl5_residue", TA2CL10)],
)
@pytest.mark.parametrize("seed", range(2))
def test_foreign_species_can_be_found(
    adversary: RamanAdversary, species: str, seed: int
) -> None:
    truth = RamanTruth.draw(np.random.default_rng(seed))
    _, known = simulate_series(seed, truth=truth, adversary=adversary)
    for sample in describe_series(truth, seed=seed, adversary=adversary):
        if sample.role == "milled":
            assert significance(sample, known, species) > SEEN_SIGMA


def uncertainty_of_405(
    sample: RamanSample, known: xr.Dataset, *, competitors: Sequence[str]
) -> float:
    """Return 1 sigma of the area at 405 over the area, in the best fit there can be.

    Free are area, centre and both widths of each stretch of NaTaCl6 and of the
    competitors (centres known to 6 cm-1, widths to 70 %), and cubic splines every
    130 cm-1.
    """
    species = (NTC, AXIAL, *competitors)
    stretches = [
        b for b in sample.bands if b.species in species and 250.0 < b.nominal < 420.0
    ]
    shift = known["raman_shift"].sel(raman_shift=slice(200.0, 700.0)).to_numpy()
    columns, information = [], []
    for band in stretches:
        shape = band.shape
        start = (shape.centre, shape.homogeneous_fwhm, shape.environment_fwhm)
        columns.append(draw(shift, start, band.area, sample))
        information.append(0.0)
        for place, sigma in enumerate((6.0, 0.7 * start[1], 0.7 * start[2])):
            step = 0.01 * start[1]
            up, down = list(start), list(start)
            up[place], down[place] = start[place] + step, start[place] - step
            rise = draw(shift, up, band.area, sample)
            fall = draw(shift, down, band.area, sample)
            columns.append((rise - fall) / (2.0 * step))
            information.append(sigma**-2)
    knots = np.arange(-500.0, 1700.0, 130.0)
    splines = BSpline.design_matrix(shift, knots, 3).toarray()
    splines = 1000.0 * splines[:, splines.max(axis=0) > 1e-3]
    light = known["expected"].sel(sample=sample.name, raman_shift=slice(200.0, 700.0))
    noise = np.sqrt(0.5 * light.mean("spot").to_numpy() / light.sizes["spot"])
    design = np.column_stack([*columns, splines]) / noise[:, None]
    prior = np.array(information + [1e-9] * splines.shape[1])
    covariance = np.linalg.inv(design.T @ design + np.diag(prior))
    place = 4 * [b.species for b in stretches].index(AXIAL)
    return float(np.sqrt(covariance[place, place]))


def draw(
    shift: np.ndarray, start: Sequence[float], area: float, sample: RamanSample
) -> np.ndarray:
    centre, lifetime, environments = start
    shape = LineShape(
        centre=centre, homogeneous_fwhm=lifetime, environment_fwhm=environments
    )
    return area * line_density(shift, shape, spectrometer=sample.spectrometer)


@pytest.mark.parametrize("seed", range(3))
def test_only_resolved_lines_have_areas_of_their_own(seed: int) -> None:
    found = {}
    for resolved in (True, False):
        truth = RamanTruth.draw(np.random.default_rng(seed), resolved=resolved)
        _, known = simulate_series(seed, truth=truth)
        for sample in describe_series(truth, seed=seed):
            if sample.name in ("NTC", "2h"):
                found[sample.name, resolved] = uncertainty_of_405(
                    sample, known, competitors=(GLASS,)
                )
    assert found["NTC", True] < RESOLVED_UNCERTAINTY
    assert found["NTC", False] > 2.0 * RESOLVED_UNCERTAINTY
    assert found["2h", False] > UNRESOLVED_UNCERTAINTY


@pytest.mark.parametrize("seed", range(2))
def test_residue_looks_like_the_405_line(seed: int) -> None:
    _, plain = simulate_series(seed)
    _, known = simulate_series(seed, adversary="tacl5_residue")
    late = {"sample": ["4h", "6h"]}
    before, after = plain.sel(late), known.sel(late)
    assert np.all(after["amount"].sel(species="TaCl5") > 0.1)
    assert np.all(after["r_ax_windows"] > 1.1 * before["r_ax_windows"])
    assert np.all(after["r_ax"] < 1.1 * before["r_ax"])


@pytest.mark.parametrize("seed", range(5))
def test_crystallised_spots_are_outliers(seed: int) -> None:
    _, known = simulate_series(seed, adversary="laser_crystallised")
    assert int(known["crystallised"].sel(sample=["unmilled", "NTC"]).sum()) == 0
    for name in MILLED:
        row = known.sel(sample=name)
        hit = row["crystallised"].to_numpy().astype(bool)
        assert hit.any()
        if hit.all() or name in MILLED[:2]:
            continue
        centre = float(row["centre"].sel(band="NaTaCl6 180"))
        window = row["expected"].sel(raman_shift=slice(centre - 60.0, centre + 60.0))
        sharp = (window.max("raman_shift") / window.median("raman_shift")).to_numpy()
        assert sharp[hit].min() > sharp[~hit].max()


def test_bleaching_fades_the_fluorescence_alone() -> None:
    tree, known = simulate_series(4, adversary="bleaching")
    for name in tree.children:
        row = known.sel(sample=name)
        steps = np.diff(np.log(row["fluorescence"].to_numpy()))
        np.testing.assert_allclose(steps, -0.25)
        assert np.ptp(row["signal"].to_numpy()) == 0.0
        assert float(row["species_factor"].std("spot").max()) == 0.0
        spectra = spectra_of(tree, name)
        np.testing.assert_array_equal(spectra["time"], 10.0 * np.arange(8))
        assert np.ptp(spectra["position_x"].to_numpy()) == 0.0
        totals = spectra["intensity"].median("raman_shift").to_numpy()
        assert np.all(np.diff(totals) < 0.0)


def test_mistakes_are_refused() -> None:
    with pytest.raises(PlanError, match="no Raman adversary"):
        simulate_series(1, adversary="fog")  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="positive hours"):
        simulate_series(1, times_h=(0.0,))
