from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.raw_spectra import RawSpectra, to_spectra
from structkit.io.spectrum_condition import (
    assess_spectra,
    find_offset_step,
    find_saturated,
    measure_spread,
    measure_whiteness,
)
from structkit.schema import ARBITRARY, COUNTS

Floats = NDArray[np.float64]

SHIFT = np.linspace(50.0, 1700.0, 1024)
BANDS = ((180.0, 8.0, 2.0), (378.0, 6.0, 6.0), (800.0, 40.0, 1.0))
"""Centre and width in cm-1, height in units of the level."""
SPREAD_ERROR = 0.12
"""Relative: a median of 1022 second differences has 2.5 %, shared points add to it."""
FALSE_ALARMS = 0
"""Of 200 unsmoothed spectra none may be called smoothed: the limit is a factor 2."""


def counts(*, level: float = 400.0, spots: int = 1, seed: int = 1) -> Floats:
    """Return counted spectra with a few bands on a slope."""
    mean = level * (1.0 + SHIFT / 2000.0)
    for centre, width, height in (
        (180.0, 8.0, 2.0),
        (378.0, 6.0, 6.0),
        (800.0, 40.0, 1.0),
    ):
        mean = mean + level * height * np.exp(-0.5 * ((SHIFT - centre) / width) ** 2)
    rng = np.random.default_rng(seed)
    return rng.poisson(np.tile(mean, (spots, 1))).astype(float)


def assess(intensity: Floats, *, units: str = COUNTS, **changes: Any) -> xr.Dataset:
    raw = RawSpectra(
        path=Path("made.txt"),
        axis=SHIFT[: intensity.shape[1]],
        intensity=intensity,
        axis_unit="cm-1",
        units=units,
        **changes,
    )
    return assess_spectra(to_spectra(raw), raw)


def flags(spectra: xr.Dataset) -> list[int]:
    return [int(spectra[n]) for n in ("smoothed", "baseline_subtracted", "summed")]


def test_plain_counts_have_no_remark() -> None:
    spectra = assess(counts(spots=3))
    assert flags(spectra) == [0, 0, 0]
    assert spectra.attrs["remarks"] == ""
    assert spectra.intensity.attrs["count_step"] == 1.0
    assert spectra["empty"].dtype == np.int8
    assert not spectra["empty"].any()
    assert not spectra["saturated_points"].any()
    assert spectra["smoothed"].attrs["units"] == "1"


def test_empty_spots_are_named() -> None:
    intensity = counts(spots=8)
    intensity[[1, 4, 5, 6]] = 0.0
    spectra = assess(intensity)
    assert spectra["empty"].to_numpy().tolist() == [0, 1, 0, 0, 1, 1, 1, 0]
    assert spectra.attrs["remarks"] == (
        "4 of 8 spectra are zero throughout: spots 2, 5-7."
    )


def test_nothing_but_zeros_is_refused() -> None:
    with pytest.raises(ReadError, match="every intensity is zero"):
        assess(np.zeros((2, 100)))


def test_odd_counts_go_in_steps_of_two() -> None:
    intensity = 2.0 * counts() + 1.0
    spectra = assess(intensity)
    assert spectra.intensity.attrs["count_step"] == 2.0
    assert "Every count is odd" in spectra.attrs["remarks"]


@pytest.mark.parametrize("n", [2, 3, 7, 20])
def test_means_of_accumulations_have_their_step(n: int) -> None:
    total = np.sum([counts(level=80.0, seed=s) for s in range(n)], axis=0)
    mean = (total / n).astype(np.float32).astype(float)
    assert find_offset_step(mean) == pytest.approx(1.0 / n, rel=1e-6)
    assert f"the mean of {n} accumulations" in assess(mean).attrs["remarks"]


def test_values_rounded_to_decimals_are_no_means() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(300.0, 17.0, 1024)
    for decimals in (1, 2, 3):
        assert find_offset_step(np.round(values, decimals)) is None
    spectra = assess(np.round(values, 2)[None, :])
    assert "no multiples of one step" in spectra.attrs["remarks"]


def test_sums_of_accumulations_exceed_sixteen_bits() -> None:
    spectra = assess(30.0 * counts(level=2000.0), scalars={"accumulations": 30.0})
    assert flags(spectra)[2] == 1
    assert "Accumulations were summed (30 of them)" in spectra.attrs["remarks"]


def test_multiples_of_the_accumulations_are_a_sum() -> None:
    spectra = assess(5.0 * counts(level=50.0), scalars={"accumulations": 5.0})
    assert flags(spectra)[2] == 1
    other = assess(5.0 * counts(level=50.0), scalars={"accumulations": 4.0})
    assert flags(other)[2] == 0
    assert "steps of 5" in other.attrs["remarks"]


def test_saturated_runs_are_counted_and_placed() -> None:
    intensity = np.minimum(counts(level=20000.0, spots=2), 65535.0)
    intensity[1] = counts(level=900.0)[0]
    spectra = assess(intensity)
    expected = int(np.sum(intensity[0] == 65535.0))
    assert expected > 3
    assert spectra["saturated_points"].to_numpy().tolist() == [expected, 0]
    assert "saturated at 65535 in 1 of 2 spectra" in spectra.attrs["remarks"]


def test_laser_line_is_named() -> None:
    axis = np.linspace(-60.0, 900.0, 800)
    line = 1e6 * np.exp(-0.5 * (axis / 6.0) ** 2)
    values = np.minimum(np.random.default_rng(2).poisson(300.0 + line), 65535)
    raw = RawSpectra(
        path=Path("a.txt"),
        axis=axis,
        intensity=values[None, :].astype(float),
        axis_unit="cm-1",
    )
    remarks = assess_spectra(to_spectra(raw), raw).attrs["remarks"]
    assert "cm-1 (the laser line)." in remarks


def test_flat_tops_and_chance_repeats_are_not_saturation() -> None:
    smooth = np.round(np.exp(-0.5 * ((SHIFT - 800.0) / 60.0) ** 2), 3)
    assert np.sum(smooth == smooth.max()) >= 3
    assert not find_saturated(smooth).any()
    rng = np.random.default_rng(8)
    assert not any(
        find_saturated(rng.poisson(900.0, 1024) * 1.0).any() for _ in range(50)
    )


def test_whiteness_tells_smoothed_from_plain_spectra() -> None:
    kernel = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    alarms = 0
    for seed in range(200):
        values = counts(seed=seed)
        plain = measure_whiteness(values)
        assert plain is not None
        alarms += plain.is_smoothed
        if seed < 20:
            soft = measure_whiteness(np.convolve(values[0], kernel, "same")[None, 2:-2])
            assert soft is not None
            assert soft.is_smoothed
    assert alarms == FALSE_ALARMS


def test_smoothing_is_told_from_values_or_header() -> None:
    savitzky_golay = np.array([-3.0, 12.0, 17.0, 12.0, -3.0]) / 35.0
    soft = np.convolve(counts()[0], savitzky_golay, "valid")[None, :]
    remarks = assess(soft, units=ARBITRARY).attrs["remarks"]
    assert remarks.startswith("The spectra are smoothed: whiteness of the noise 0.")
    stated = assess(counts(), smoothed=True)
    assert flags(stated)[0] == 1
    assert "The header says that the spectra were denoised" in stated.attrs["remarks"]


def test_short_spectra_leave_smoothing_open() -> None:
    assert "smoothed" not in assess(counts()[:, :60])


def test_subtracted_baselines_show_in_negatives() -> None:
    values = counts()[0]
    line = np.median(values) * np.ones_like(values)
    flat = assess((values - line)[None, :], units=ARBITRARY)
    assert flags_of_subtraction(flat) == 1
    assert "% of the points are negative" in flat.attrs["remarks"]
    deep = values.copy()
    deep[500:520] = -400.0
    assert flags_of_subtraction(assess(deep[None, :], units=ARBITRARY)) == 1
    stated = assess(counts(), baseline_subtracted=True)
    assert "The header says that a baseline was subtracted" in stated.attrs["remarks"]


def flags_of_subtraction(spectra: xr.Dataset) -> int:
    return int(spectra["baseline_subtracted"])


def test_few_negatives_within_the_noise_are_not_a_baseline() -> None:
    values = counts(level=60.0)[0] - 58.0
    assert 0 < np.mean(values < 0.0) < 0.1
    assert flags_of_subtraction(assess(values[None, :], units=ARBITRARY)) == 0


def test_spread_is_the_noise_in_spite_of_bands() -> None:
    rng = np.random.default_rng(4)
    bands = 500.0 * np.exp(-0.5 * ((SHIFT - 400.0) / 12.0) ** 2) + 0.1 * SHIFT
    measured = measure_spread(bands + rng.normal(0.0, 3.0, SHIFT.size))
    assert measured == pytest.approx(3.0, rel=SPREAD_ERROR)


def test_arguments_stay_as_they_were() -> None:
    raw = RawSpectra(
        path=Path("a"), axis=SHIFT, intensity=2.0 * counts() + 1.0, axis_unit="cm-1"
    )
    spectra = to_spectra(raw)
    before = spectra.copy(deep=True)
    assess_spectra(spectra, raw)
    xr.testing.assert_identical(spectra, before)
