"""A blank as a template: the truth within its stated noise."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.errors import DataQualityWarning, SchemaError
from structkit.raman.blank import prepare_blank, smooth_spline
from structkit.raman.reduction import reduce_spectra
from structkit.schema import MASKED, make_spectra

SHIFT = np.arange(90.0, 1110.0, 1.75)
AXIS = np.arange(100.0, 1095.0, 1.6)
GAIN, READOUT = 0.5, 4.0


def glass(shift: np.ndarray) -> np.ndarray:
    """Return the broad bands of a glass cover at 460, 800 and 1060 cm-1."""
    return np.asarray(
        200.0
        + 400.0 * np.exp(-(((shift - 460.0) / 60.0) ** 2))
        + 150.0 * np.exp(-(((shift - 800.0) / 40.0) ** 2))
        + 100.0 * np.exp(-(((shift - 1060.0) / 50.0) ** 2))
    )


def measure(seed: int, n_spots: int = 1) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    light = np.broadcast_to(glass(SHIFT), (n_spots, SHIFT.size))
    counts = rng.poisson(light / GAIN) * GAIN + rng.normal(0.0, READOUT, light.shape)
    return make_spectra(SHIFT, counts, attrs={"source_file": "glass.txt"})


def test_template_is_the_truth_within_its_noise() -> None:
    truth = glass(AXIS)
    truth = truth / np.trapezoid(truth, AXIS)
    scores = []
    for seed in range(12):
        template = prepare_blank(measure(seed), AXIS)
        scores.append((template.values - truth) / template.values_std)
        assert np.trapezoid(template.values, AXIS) == pytest.approx(1.0)
        assert template.covered.all()
    # 1 for noise alone; smoothing rounds the bands by about half a sigma.
    assert 0.7 < np.std(scores) < 1.3
    assert template.relative_noise < 0.02  # 0.043 in the points themselves
    assert template.n_free < 80
    assert template.source == "glass.txt"


def test_more_spots_leave_less_noise() -> None:
    one, many = (prepare_blank(measure(1, n), AXIS) for n in (1, 9))
    # A third, but the spline follows better data more closely.
    assert 0.3 < many.relative_noise / one.relative_noise < 0.6
    assert many.area == pytest.approx(np.trapezoid(glass(AXIS), AXIS), rel=0.005)


def test_masked_points_and_empty_spots_have_no_say() -> None:
    spectra = measure(2, 3)
    values = spectra["intensity"].to_numpy().copy()
    values[0, 200:220] += 1e5
    values[2] = 0.0
    mask = np.zeros(values.shape, dtype=np.int8)
    mask[0, 200:220] = 1
    spoiled = make_spectra(SHIFT, values, intensity_std=np.full(values.shape, 14.0))
    spoiled = spoiled.assign({MASKED: (("spot", "raman_shift"), mask)})
    template = prepare_blank(spoiled, AXIS)
    truth = glass(AXIS) / np.trapezoid(glass(AXIS), AXIS)
    assert np.abs(template.values / truth - 1.0).max() < 0.1


def test_what_is_not_covered_is_said() -> None:
    with pytest.warns(DataQualityWarning, match="covers 90 to 1108 cm-1 of the"):
        template = prepare_blank(measure(3), np.arange(100.0, 1500.0, 2.0))
    outside = np.arange(100.0, 1500.0, 2.0) > 1115.0
    assert not template.covered[outside].any()
    assert np.ptp(template.values[outside]) == 0.0
    with pytest.raises(SchemaError, match=r"% of the sample's 100 to 3498"):
        prepare_blank(measure(3), np.arange(100.0, 3500.0, 2.0))


def test_what_is_no_blank_is_refused() -> None:
    negative = measure(4)
    values = -negative["intensity"].to_numpy()
    noise = np.full(values.shape, 10.0)
    with pytest.raises(SchemaError, match="not positive"):
        prepare_blank(make_spectra(SHIFT, values, intensity_std=noise), AXIS)
    with pytest.raises(SchemaError, match="needs intensity_std"):
        prepare_blank(reduce_spectra(measure(4), laser_nm=532.0), AXIS)
    with pytest.raises(SchemaError, match="knot_spacing"):
        prepare_blank(measure(4), AXIS, knot_spacing=0.0)


def test_stiff_data_need_few_parameters() -> None:
    rng = np.random.default_rng(5)
    x = np.linspace(0.0, 1000.0, 500)
    y = 3.0 + 0.01 * x + rng.normal(0.0, 1.0, x.size)
    curve, std, n_free = smooth_spline(x, y, np.ones(x.size), at=x, knot_spacing=10.0)
    # A straight line has two parameters; cross-validation may add a few.
    assert 1.9 < n_free < 8.0
    line = np.polynomial.Polynomial.fit(x, y, 1)(x)
    assert np.abs(curve - line).max() < 4.0 * std.max()
