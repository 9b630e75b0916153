"""The steps in their order, each with its line."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr

from structkit.errors import DataQualityWarning, SchemaError
from structkit.raman.blank import BLANK, BLANK_STD
from structkit.raman.calibrate import AXIS_OFFSET, AXIS_OFFSET_STD, AxisCalibration
from structkit.raman.prepare import GAIN_STD, PreparationOptions, prepare_spectra
from structkit.raman.reduction import REDUCTION, reduction_factor
from structkit.raman.remarks import add_remark, list_remarks
from structkit.schema import (
    GAIN,
    INTENSITY,
    INTENSITY_STD,
    MASKED,
    RAMAN_SHIFT,
    READOUT_STD,
    make_spectra,
)
from structkit.store import read_dataset, write_dataset

SHIFT = np.arange(60.0, 1200.0, 1.75)
CALIBRATION = AxisCalibration(
    offset=2.3,
    offset_std=0.3,
    slope=0.0,
    slope_std=5e-4,
    quadratic=0.0,
    quadratic_std=0.0,
    pivot=523.0,
    fwhm=6.7,
    fwhm_std=0.2,
    n_lines=1,
    source="silicon (si.txt)",
)


def measure(seed: int = 1, *, glass: float = 0.0, **scalars: float) -> xr.Dataset:
    """Return four spots; the third is empty, the second has a ray."""
    rng = np.random.default_rng(seed)
    light = 100.0 + 2000.0 * np.exp(-(((SHIFT - 900.0) / 250.0) ** 2))
    light = light + 1500.0 / (1.0 + 4.0 * ((SHIFT - 407.3) / 14.0) ** 2)
    light = light + glass * np.exp(-(((SHIFT - 800.0) / 50.0) ** 2))
    counts = rng.poisson(np.tile(light / 0.5, (4, 1))) * 0.5
    counts[1, 300] += 4000.0
    counts[2] = 0.0
    return make_spectra(SHIFT, counts, scalars=scalars, attrs={"source_file": "a.txt"})


def test_every_step_in_order_with_its_line() -> None:
    spectra = measure(laser_wavelength=532.0)
    options = PreparationOptions(shift_range=(100.0, 1000.0), reduction="photon")
    prepared = prepare_spectra(spectra, calibration=CALIBRATION, options=options)
    words = [
        "1 of 4 spots are empty (all zero) and dropped: 3.",
        "1 cosmic rays (1 points) masked",
        "Instrument width 6.7 cm-1, from the standard.",
        "Noise variance is",
        "Axis read high by 2.30",
        "Range cut to 100 to 1000 cm-1",
        "Reduced intensity, convention photon",
    ]
    remarks = list_remarks(prepared)
    assert len(remarks) == len(words)
    for remark, expected in zip(remarks, words, strict=True):
        assert expected in remark
    assert prepared["spot"].to_numpy().tolist() == [1, 2, 4]
    assert int(prepared[MASKED].sum()) == 1
    assert list_remarks(spectra) == []
    shift = prepared[RAMAN_SHIFT].to_numpy()
    assert 100.0 <= shift[0] < shift[-1] <= 1000.0
    near = np.flatnonzero(np.abs(shift - 405.0) < 25.0)
    mean = prepared[INTENSITY].to_numpy().mean(axis=0)
    peak = shift[near[np.argmax(mean[near])]]
    assert peak == pytest.approx(405.0, abs=2.5)


def test_reduction_comes_last_and_takes_the_noise_along() -> None:
    spectra = measure(laser_wavelength=532.0)
    plain = prepare_spectra(spectra, calibration=CALIBRATION)
    reduced = prepare_spectra(
        spectra,
        calibration=CALIBRATION,
        options=PreparationOptions(reduction="power", temperature_k=320.0),
    )
    factor = reduction_factor(
        plain[RAMAN_SHIFT], convention="power", laser_nm=532.0, temperature_k=320.0
    )
    for name in (INTENSITY, INTENSITY_STD):
        np.testing.assert_allclose(reduced[name], plain[name] * factor)
    assert REDUCTION not in plain.attrs
    assert {GAIN, GAIN_STD, READOUT_STD} <= set(plain.data_vars)
    assert GAIN not in reduced


def test_measured_noise_is_that_of_the_counts() -> None:
    prepared = prepare_spectra(measure())
    assert float(prepared[GAIN]) == pytest.approx(0.5, abs=0.2)
    free = prepared[MASKED].to_numpy() == 0
    expected = np.sqrt(0.5 * prepared[INTENSITY].to_numpy())
    ratio = prepared[INTENSITY_STD].to_numpy()[free] / expected[free]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)
    remarks = list_remarks(prepared)
    assert "Axis not calibrated: its offset is unknown." in remarks
    assert any("assumed: three points" in each for each in remarks)
    assert AXIS_OFFSET not in prepared


def test_steps_left_out_are_stated() -> None:
    spectra = measure()
    noise = np.full(spectra[INTENSITY].shape, 9.0)
    recorded = make_spectra(SHIFT, spectra[INTENSITY].to_numpy(), intensity_std=noise)
    options = PreparationOptions(
        empty_spots="keep", cosmic_rays="keep", noise="recorded"
    )
    prepared = prepare_spectra(recorded, options=options)
    assert list_remarks(prepared) == [
        "1 of 4 spots are empty (all zero) and are kept.",
        "Cosmic rays not searched for.",
        "Uncertainties as recorded.",
        "Axis not calibrated: its offset is unknown.",
        f"Whole range kept: {SHIFT[0]:.1f} to {SHIFT[-1]:.1f} cm-1.",
        "Intensity not reduced.",
    ]
    assert MASKED not in prepared
    assert np.all(prepared[INTENSITY_STD] == 9.0)
    with pytest.raises(SchemaError, match="no intensity_std"):
        prepare_spectra(spectra, options=options)


def test_blank_follows_the_same_way() -> None:
    sample = measure(glass=200.0, laser_wavelength=532.0)
    light = 100.0 + 500.0 * np.exp(-(((SHIFT - 800.0) / 50.0) ** 2))
    rng = np.random.default_rng(3)
    glass = make_spectra(SHIFT, rng.poisson(np.tile(light / 0.5, (3, 1))) * 0.5)
    options = PreparationOptions(shift_range=(100.0, 1000.0), reduction="photon")
    prepared = prepare_spectra(
        sample, calibration=CALIBRATION, blank=glass, options=options
    )
    shift = prepared[RAMAN_SHIFT].to_numpy()
    truth = np.interp(shift, SHIFT - 2.3, light) * reduction_factor(
        shift, laser_nm=532.0
    )
    truth /= np.trapezoid(truth, shift)
    scores = (prepared[BLANK] - truth) / prepared[BLANK_STD]
    assert float(np.sqrt(np.mean(scores**2))) < 2.0
    assert np.trapezoid(prepared[BLANK], shift) == pytest.approx(1.0)
    assert prepared[BLANK].attrs["units"] == "cm"
    assert "template of unit area" in list_remarks(prepared)[-1]
    short = glass.isel(raman_shift=slice(0, 450))
    with pytest.warns(DataQualityWarning, match="held constant"):
        cut = prepare_spectra(
            sample, calibration=CALIBRATION, blank=short, options=options
        )
    assert "does not cover" in list_remarks(cut)[-1]


def test_prepared_spectra_are_stored(tmp_path: object) -> None:
    prepared = prepare_spectra(measure(), calibration=CALIBRATION)
    path = f"{tmp_path}/prepared.nc"
    write_dataset(prepared, path)
    xr.testing.assert_identical(read_dataset(path), prepared)
    assert AXIS_OFFSET_STD in prepared


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cosmic_threshold": 0.0}, "cosmic_threshold"),
        ({"drift_std": -1.0}, "drift_std"),
        ({"instrument_fwhm": 0.0}, "instrument_fwhm"),
        ({"shift_range": (500.0, 100.0)}, "must ascend"),
    ],
)
def test_impossible_options_are_refused(
    settings: dict[str, float], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        dataclasses.replace(PreparationOptions(), **settings)  # type: ignore[arg-type]


def test_impossible_spectra_are_refused() -> None:
    with pytest.raises(SchemaError, match="every spot is empty"):
        prepare_spectra(make_spectra(SHIFT, np.zeros(SHIFT.size)))
    outside = PreparationOptions(shift_range=(3000.0, 3500.0))
    with pytest.raises(SchemaError, match="holds no point"):
        prepare_spectra(measure(), options=outside)
    with pytest.raises(SchemaError, match="10"):
        prepare_spectra(measure(), options=PreparationOptions(shift_range=(100, 110)))


def test_remarks_add_up() -> None:
    noted = add_remark(add_remark(measure(), "one"), "two", "three")
    assert list_remarks(noted) == ["one", "two", "three"]
