"""The detector counts as it says, and a spectrum is what a slow sum makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.synthetic.raman import describe_series
from structkit.synthetic.raman_detector import (
    RamanOptions,
    draw_spots,
    expected_counts,
    record_counts,
    spectrometer_axis,
)
from structkit.synthetic.raman_lines import line_density
from structkit.synthetic.raman_species import AXIAL, GLASS, NTC, OXIDE_BRIDGE
from structkit.synthetic.raman_truth import RamanSample, RamanTruth

# four sigma of a variance from 48000 points
VARIANCE_TOLERANCE = 4.0 * np.sqrt(2.0 / 48000.0)
# four sigma of a standard deviation from 3000 spots
SPREAD_TOLERANCE = 4.0 / np.sqrt(2.0 * 3000.0)
# midpoints of 40 parts of a pixel, 2e-5 of a 9 cm-1 line; spline 3e-5
PIXEL_TOLERANCE = 1e-4
# six digits: above 1000 cm-1 each end of a step is rounded by up to 0.005
FILE_DIGITS = 0.0101
MANY = RamanOptions(n_spots=3000)


def sample_of(name: str = "2h", *, seed: int = 1) -> RamanSample:
    truth = RamanTruth.draw(np.random.default_rng(seed))
    return next(s for s in describe_series(truth, seed=seed) if s.name == name)


@pytest.mark.parametrize("light", [0.0, 300.0, 20000.0])
@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_noise_is_that_of_electrons(light: float, gain: float) -> None:
    options = RamanOptions(electrons_per_count=gain, spike_share=0.0)
    rng = np.random.default_rng(4)
    counts, spikes = record_counts(np.full((80, 600), light), rng=rng, options=options)
    variance = light / gain + (options.readout_electrons / gain) ** 2 + 1.0 / 12.0
    assert counts.mean() == pytest.approx(
        light + options.offset, abs=5.0 * np.sqrt(variance / counts.size)
    )
    assert counts.var() == pytest.approx(variance, rel=VARIANCE_TOLERANCE)
    np.testing.assert_array_equal(counts, np.rint(counts))
    assert not spikes.any()


def test_cosmic_rays_hit_one_or_two_pixels_in_500() -> None:
    options = RamanOptions(readout_electrons=0.0)
    counts, spikes = record_counts(
        np.zeros((2000, 600)), rng=np.random.default_rng(2), options=options
    )
    assert spikes.mean() == pytest.approx(0.002, rel=0.1)
    np.testing.assert_array_equal(spikes, counts > options.offset)
    joined = spikes[:, 1:] & spikes[:, :-1]
    starts = spikes.sum() - joined.sum()
    # every second ray takes two pixels; a few rays touch
    assert joined.sum() / starts == pytest.approx(0.5, abs=0.06)


def test_counts_end_at_the_ceiling() -> None:
    counts, _ = record_counts(np.full((1, 50), 7e4), rng=np.random.default_rng(1))
    assert counts.max() == 65535.0
    assert counts.min() == 65535.0
    dark, _ = record_counts(
        np.zeros((1, 500)),
        rng=np.random.default_rng(1),
        options=RamanOptions(offset=0.0, spike_share=0.0),
    )
    assert dark.min() == 0.0


def test_spots_scatter_as_stated() -> None:
    sample = sample_of()
    spots = draw_spots(sample, rng=np.random.default_rng(3), options=MANY)
    for factor in (spots.signal, spots.fluorescence, *spots.species.values()):
        logs = np.log(factor)
        assert logs.std() == pytest.approx(0.15, rel=SPREAD_TOLERANCE)
        assert abs(logs.mean()) < 4.0 * 0.15 / np.sqrt(3000.0)
    ratio = np.log(spots.species[GLASS] / spots.species[NTC])
    assert ratio.std() == pytest.approx(0.15 * np.sqrt(2.0), rel=SPREAD_TOLERANCE)
    np.testing.assert_array_equal(spots.species[AXIAL], spots.species[NTC])
    np.testing.assert_array_equal(spots.species[OXIDE_BRIDGE], spots.species[GLASS])
    assert (spots.axis - sample.axis_error).std() == pytest.approx(
        0.1, rel=SPREAD_TOLERANCE
    )


@pytest.mark.parametrize("name", ["unmilled", "2h"])
def test_expected_counts_by_a_slow_sum(name: str) -> None:
    sample = sample_of(name)
    options = RamanOptions(n_spots=2, etalon=0.003)
    spots = draw_spots(sample, rng=np.random.default_rng(5), options=options)
    fast = expected_counts(sample, spots, options=options)
    centres, edges = spectrometer_axis()
    parts = (np.arange(40) + 0.5) / 40.0
    for spot in range(2):
        shift = edges[:-1, None] + np.diff(edges)[:, None] * parts - spots.axis[spot]
        light = np.zeros(centres.size)
        for band in sample.bands:
            line = line_density(shift, band.shape, spectrometer=sample.spectrometer)
            light += spots.species[band.species][spot] * band.area * line.mean(axis=1)
        place = centres - spots.axis[spot]
        background = sample.background
        light += background.edge(place)
        light += spots.fluorescence[spot] * background.fluorescence(place)
        light *= 1.0 + 0.003 * np.sin(2.0 * np.pi * place / 75.0 + spots.phase[spot])
        light *= spots.signal[spot]
        assert np.abs(fast[spot] - light).max() < PIXEL_TOLERANCE * light.max()


def test_light_holds_the_areas() -> None:
    """The sum over pixels times their widths is the area, less the tails outside."""
    sample = sample_of("NTC")
    options = RamanOptions(n_spots=1, spot_std=0.0, species_std=0.0, low=10.0)
    bare = RamanSample(
        name="bare",
        role="reference",
        time_h=0.0,
        bands=tuple(b for b in sample.bands if b.nominal in (378.0, 405.0)),
        spectrometer=sample.spectrometer,
    )
    spots = draw_spots(bare, rng=np.random.default_rng(1), options=options)
    light = expected_counts(bare, spots, options=options)[0]
    _, edges = spectrometer_axis(10.0, 1100.0)
    found = float(np.sum(light * np.diff(edges)))
    inside = 0.0
    for band in bare.bands:
        gamma = band.shape.gamma
        tails = gamma / np.pi * (1.0 / (band.centre - edges[0]))
        tails += gamma / np.pi * (1.0 / (edges[-1] - band.centre))
        inside += band.area * (1.0 - tails)
    assert found == pytest.approx(inside, rel=1e-3)


def test_axis_is_that_of_a_grating() -> None:
    centres, edges = spectrometer_axis(12.0, 1290.0)
    assert np.all((edges[:-1] < centres) & (centres < edges[1:]))
    steps = np.diff(centres)
    assert np.all(np.diff(steps) < 0.0)
    assert 1.58 < steps[-1] < steps[0] < 1.9


@pytest.mark.shared
def test_axis_is_like_a_measured_one(shared_data: Path) -> None:
    path = shared_data / "raman" / "LiNbWO6-0-H.txt"
    lines = path.read_text(encoding="latin-1").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    measured = np.array([float(row[0]) for row in rows])
    measured = measured[(measured >= 60.0) & (measured <= 1100.0)]
    made, _ = spectrometer_axis()
    assert made.size == measured.size
    np.testing.assert_allclose(np.diff(made), np.diff(measured), atol=FILE_DIGITS)
    whole = (made[-1] - made[0]) - (measured[-1] - measured[0])
    assert abs(whole) < FILE_DIGITS * 10.0


def test_spectrometers_that_cannot_be_are_refused() -> None:
    for wrong, message in (
        ({"n_spots": 0}, "n_spots"),
        ({"low": 0.0}, "must lie in"),
        ({"etalon": 0.01}, "etalon"),
        ({"spike_share": 0.2}, "spike_share"),
        ({"spot_std": -1.0}, "standard deviations"),
    ):
        with pytest.raises(PlanError, match=message):
            RamanOptions(**wrong)  # type: ignore[arg-type]
