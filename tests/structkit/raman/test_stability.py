"""Change of intensity and of shape, told apart from noise."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.raman.remarks import list_remarks
from structkit.raman.stability import assess_stability, find_steady_run
from structkit.schema import INTENSITY, MASKED, make_spectra

SHIFT = np.arange(100.0, 1700.0, 1.75)
GAIN, READOUT = 0.5, 4.0
N_SPOTS = 30


def band(centre: float, height: float) -> np.ndarray:
    return np.asarray(height / (1.0 + 4.0 * ((SHIFT - centre) / 12.0) ** 2))


def light() -> np.ndarray:
    hump = 300.0 * (1.0 + 2.0 * np.exp(-(((SHIFT - 600.0) / 300.0) ** 2)))
    return np.asarray(hump + band(405.0, 1500.0))


def measure(mean: np.ndarray, seed: int) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(np.maximum(mean, 0.0) / GAIN) * GAIN
    return make_spectra(SHIFT, counts + rng.normal(0.0, READOUT, counts.shape))


def test_scale_and_smooth_background_are_no_change_of_shape() -> None:
    rng = np.random.default_rng(0)
    for seed in range(8):
        scale = rng.uniform(0.5, 2.0, (N_SPOTS, 1))
        smooth = rng.uniform(0.0, 300.0, (N_SPOTS, 1)) * (1.0 + SHIFT / 1000.0)
        result = assess_stability(measure(light() * scale + smooth, seed))
        assert float(result["shape_components_all"]) == 0.0
        assert 0.8 < float(result["shape_excess_all"]) < 1.0
        assert any(
            "constant within noise over all spots" in each
            for each in list_remarks(result)
        )


@pytest.mark.parametrize(("change", "seen"), [(0.01, False), (0.15, True)])
def test_a_band_that_grows_is_seen_above_the_limit(change: float, seen: bool) -> None:
    course = change * np.linspace(0.0, 1.0, N_SPOTS)[:, None]
    extra = course * band(700.0, 1500.0)
    result = assess_stability(measure(light() + extra, 1))
    std = np.sqrt(READOUT**2 + GAIN * light())
    true = np.linalg.norm((extra - extra.mean(axis=0)) / std)
    true /= np.linalg.norm(np.tile(band(405.0, 1500.0) / std, (N_SPOTS, 1)))
    limit = float(result["shape_limit_all"])
    assert (true > limit) == seen
    assert float(result["shape_components_all"]) == float(seen)
    if seen:
        # The fit of scale and background takes some of it away; bands less a smooth
        # background are a little smaller than the band.
        assert float(result["shape_change_all"]) == pytest.approx(true, rel=0.25)
        place = float(list_remarks(result)[-1].split("most at ")[1].split(" ")[0])
        assert place == pytest.approx(700.0, abs=12.0)


def test_bleaching_is_told_with_its_spots() -> None:
    course = np.where(np.arange(N_SPOTS) < 10, 2.0, 1.0)
    course[:10] -= 0.08 * np.arange(10)
    spectra = measure(light() * course[:, None], 2)
    values = spectra[INTENSITY].to_numpy().copy()
    values[25:] = 0.0
    result = assess_stability(make_spectra(SHIFT, values))
    assert np.flatnonzero(result["steady"]).tolist() == list(range(10, 25))
    assert np.flatnonzero(result["empty"]).tolist() == list(range(25, 30))
    relative = result["relative_intensity"].to_numpy()
    assert relative[:25] == pytest.approx(course[:25], rel=0.01)
    assert np.isnan(relative[25:]).all()
    remarks = list_remarks(result)
    assert remarks[0] == "5 of 30 spots are empty (all zero): 26-30."
    assert "steady within ±10 % over spots 11-25; spots 1-10 differ" in remarks[1]
    assert "-49 % (bleaching" in remarks[2]
    assert result["total_intensity"].attrs["units"] == "count"


def test_a_drift_is_named() -> None:
    course = np.linspace(1.0, 2.0, 12)[:, None]
    remarks = list_remarks(assess_stability(measure(light() * course, 3)))
    assert any("a drift" in each for each in remarks)


def test_masked_points_do_not_count() -> None:
    spectra = measure(np.tile(light(), (8, 1)), 4)
    values = spectra[INTENSITY].to_numpy().copy()
    values[3, 400:440] += 150.0
    hidden = np.zeros(values.shape, dtype=np.int8)
    seen = assess_stability(make_spectra(SHIFT, values))
    assert float(seen["shape_components_all"]) >= 1.0
    hidden[3, 400:440] = 1
    masked = make_spectra(SHIFT, values).assign(
        {MASKED: (("spot", "raman_shift"), hidden)}
    )
    assert float(assess_stability(masked)["shape_components_all"]) == 0.0


def test_few_spots_have_no_verdict_on_shape() -> None:
    result = assess_stability(measure(np.tile(light(), (2, 1)), 5))
    assert np.isnan(float(result["shape_excess_all"]))
    assert "takes 4 spots" in list_remarks(result)[-1]


def test_impossible_input_is_refused() -> None:
    spectra = measure(np.tile(light(), (5, 1)), 6)
    with pytest.raises(SchemaError, match="between 0 and 1"):
        assess_stability(spectra, tolerance=2.0)
    with pytest.raises(SchemaError, match="every spot is empty"):
        assess_stability(make_spectra(SHIFT, np.zeros((3, SHIFT.size))))


def test_steady_run_against_all_runs() -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        total = np.cumsum(rng.normal(0.0, 1.0, 25)) + 20.0
        lengths = [
            last - first + 1
            for first in range(25)
            for last in range(first, 25)
            if np.ptp(total[first : last + 1])
            <= 0.1 * (total[first : last + 1].max() + total[first : last + 1].min())
        ]
        first, last = find_steady_run(total, 0.1)
        assert last - first + 1 == max(lengths)
