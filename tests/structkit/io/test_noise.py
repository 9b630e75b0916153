"""Counting noise is told from smoothed and rescaled data."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from structkit.io.noise import (
    assess_noise,
    find_count_step,
    measure_noise,
    recognise_units,
)
from structkit.io.read import read_pattern
from structkit.schema import (
    ARBITRARY,
    COUNTS,
    COUNTS_PER_SECOND,
    make_pattern,
)
from structkit.uncertainty import intensity_std

ANGLE = 10.0 + 0.02 * np.arange(3000)
# 40 % of 93 blocks x 20 orders: 5 % (1 sigma), and a few per cent of trimming
RATIO_TOLERANCE = 0.2


def expected_counts() -> NDArray[np.float64]:
    peaks = sum(
        800.0 * np.exp(-(((ANGLE - centre) / 0.08) ** 2))
        for centre in np.arange(12, 70, 2.5)
    )
    return np.asarray(120.0 + 900.0 / ANGLE + peaks)


def counted(seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).poisson(expected_counts()).astype(float)


def assessed(values: NDArray[np.float64], units: str = COUNTS) -> xr.Dataset:
    return assess_noise(make_pattern(ANGLE, values, intensity_units=units))


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_counts(seed: int) -> None:
    pattern = assessed(counted(seed))
    assert float(pattern.noise_ratio) == pytest.approx(1.0, abs=RATIO_TOLERANCE)
    assert int(pattern.esd_reliable) == 1
    assert pattern.esd_reliable.dtype == np.int8
    assert pattern.noise_ratio.attrs["units"] == "1"


def test_few_counts_are_counts() -> None:
    values = np.random.default_rng(3).poisson(1.5, ANGLE.size).astype(float)
    assert int(assessed(values).esd_reliable) == 1


@pytest.mark.parametrize("scale", [0.1, 5.0])
def test_rescaled_counts_are_flagged(scale: float) -> None:
    pattern = assessed(np.round(scale * counted()))
    assert int(pattern.esd_reliable) == 0
    assert float(pattern.noise_ratio) == pytest.approx(scale, rel=0.3)
    assert "rescaled" in pattern.esd_reliable.attrs["reason"]


def test_smoothing_is_seen_whatever_the_scale() -> None:
    smoothed = np.convolve(counted(), [0.25, 0.5, 0.25], mode="same")
    for scale in (1.0, 2.6667):
        pattern = assessed(scale * smoothed)
        assert int(pattern.esd_reliable) == 0
        assert "smoothed" in pattern.esd_reliable.attrs["reason"]


def test_interpolation_is_seen() -> None:
    middle = 0.5 * (counted()[1:] + counted()[:-1])
    values = np.append(middle, middle[-1])
    assert "smoothed" in assessed(values).esd_reliable.attrs["reason"]


def test_normalised_maximum_is_flagged() -> None:
    values = counted()
    values[100] = 10000.0
    assert "exactly 10000" in assessed(values).esd_reliable.attrs["reason"]


def test_short_patterns_are_not_judged() -> None:
    assert measure_noise(counted()[:100], counted()[:100]) is None


@pytest.mark.parametrize("seconds", [0.3, 0.72, 4.0, 96.0])
def test_count_step_is_found(seconds: float) -> None:
    rate = np.random.default_rng(5).poisson(expected_counts() * seconds) / seconds
    values = np.round(rate, 3)
    assert find_count_step(values) == pytest.approx(1.0 / seconds, rel=1e-5)
    assert recognise_units(values) == COUNTS_PER_SECOND
    pattern = assessed(values, COUNTS_PER_SECOND)
    assert float(pattern.noise_ratio) == pytest.approx(1.0, abs=RATIO_TOLERANCE)
    assert int(pattern.esd_reliable) == 1
    esd = intensity_std(pattern)
    np.testing.assert_allclose(esd**2, values / seconds, rtol=1e-4)


def test_continuous_values_have_no_step() -> None:
    values = np.random.default_rng(6).normal(500.0, 30.0, 3000)
    assert find_count_step(values) is None
    assert recognise_units(values) == ARBITRARY


def test_given_esds_are_judged() -> None:
    values = counted()
    good = make_pattern(ANGLE, values, intensity_std=np.sqrt(values))
    assert int(assess_noise(good).esd_reliable) == 1
    wrong = make_pattern(ANGLE, values, intensity_std=5.0 * np.sqrt(values))
    assert int(assess_noise(wrong).esd_reliable) == 0


def test_scale_of_unknown_units_is_measured() -> None:
    values = 0.01234 * counted() + 1e-7
    pattern = assessed(values, ARBITRARY)
    truth = 0.01234 * np.sqrt(counted())
    assert np.median(intensity_std(pattern) / truth) == pytest.approx(1.0, abs=0.1)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "cpd/*.prn",
        "rockjock/Mix*.xy",
        "bench3/bench.xye",
        "standards/FAP.XRA",
        "halo/*.xy",
    ],
)
def test_genuine_counts_are_not_flagged(shared_data: Path, name: str) -> None:
    for path in sorted((shared_data / "xrd").glob(name)):
        pattern = read_pattern(path)
        assert int(pattern.esd_reliable) == 1, path.name
        assert 0.8 < float(pattern.noise_ratio) < 1.2, path.name


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("milling_csbr_pbbr2/*/*.xye", "smoothed"),
        ("rockjock/[!M]*.xy", "rescaled"),
        ("rockjock/MONT*.xy", "rescaled"),
        ("insitu_nacl/insitu_xye/*00.xye", "esds of the file"),
    ],
)
def test_processed_data_are_flagged(shared_data: Path, name: str, reason: str) -> None:
    for path in sorted((shared_data / "xrd").glob(name)):
        pattern = read_pattern(path)
        assert int(pattern.esd_reliable) == 0, path.name
        assert reason in pattern.esd_reliable.attrs["reason"], path.name
