"""Preparation seen on measured spectra (LabSpec, 532 nm, a Syncerity detector)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError
from structkit.raman.calibrate import (
    AXIS_OFFSET,
    apply_calibration,
    fit_calibration,
)
from structkit.raman.cosmic import remove_cosmic_rays
from structkit.raman.gain import NoiseModel, estimate_noise
from structkit.raman.prepare import PreparationOptions, prepare_spectra
from structkit.raman.remarks import list_remarks
from structkit.raman.stability import assess_stability
from structkit.raman.standards import SILICON, fit_line
from structkit.schema import RAMAN_SHIFT, make_spectra

pytestmark = pytest.mark.shared

SYNCERITY_GAIN = 0.48
"""Counts for one photoelectron, from 110 repeated spectra of that detector."""
FWHM = 6.7
"""Silicon's line on that instrument, cm-1."""
LITHIUM_NIOBIUM_TUNGSTATE = tuple(
    f"LiNbWO6-{angle}-{axis}.txt" for angle in (0, 45, 90) for axis in "HV"
)


def read_labspec(path: Path) -> xr.Dataset:
    """Read LabSpec text: two columns, or a row of shifts and one row each spectrum."""
    lines = path.read_text(encoding="latin-1").splitlines()
    body = [line for line in lines if line.strip() and not line.startswith("#")]
    if not body[0].startswith("\t"):
        shift, counts = np.array([line.split() for line in body], dtype=float).T
        return make_spectra(shift, counts)
    shift = np.array(body[0].split(), dtype=float)
    rows = np.array([line.split() for line in body[1:]], dtype=float)
    return make_spectra(shift, rows[:, -shift.size :])


def test_gain_of_a_measured_series(shared_data: Path) -> None:
    series = read_labspec(shared_data / "raman" / "serie190214-1.txt")
    found: list[NoiseModel] = [
        estimate_noise(series, method="single"),
        estimate_noise(series, method="pairs"),
        estimate_noise(series.isel(spot=slice(64, 110))),
        estimate_noise(series.isel(spot=[80])),
    ]
    for model in found:
        assert model.kind == "gain"
        assert model.is_white
        assert abs(model.gain - SYNCERITY_GAIN) < 3.0 * model.gain_std
    assert found[1].gain_std < 0.03


@pytest.mark.parametrize("name", ["532nm-191216-Si_200mu.txt", "SMC1-Initial_RT.txt"])
def test_one_spectrum_of_that_detector_agrees(shared_data: Path, name: str) -> None:
    model = estimate_noise(read_labspec(shared_data / "raman" / name))
    assert model.kind == "gain"
    assert abs(model.gain - SYNCERITY_GAIN) < 3.0 * model.gain_std


def test_measured_denoised_spectra_are_not_white(shared_data: Path) -> None:
    model = estimate_noise(read_labspec(shared_data / "raman" / "lasertest1.txt"))
    assert not model.is_white


def test_summed_spectra_hold_an_offset(shared_data: Path) -> None:
    summed = read_labspec(shared_data / "raman" / "Activation.txt")
    model = estimate_noise(summed.isel(spot=slice(None, None, 8)), method="single")
    assert model.pedestal > 1e4
    assert model.gain == pytest.approx(1.15, abs=0.15)


def test_measured_silicon_reads_high(shared_data: Path) -> None:
    silicon = read_labspec(shared_data / "raman" / "532nm-191216-Si_200mu.txt")
    found = fit_calibration(silicon)
    raw = fit_line(
        silicon[RAMAN_SHIFT].to_numpy(), silicon["intensity"].to_numpy()[0], SILICON[0]
    )
    assert raw.position == pytest.approx(522.9, abs=0.3)
    assert found.offset == pytest.approx(2.3, abs=0.3)
    assert 0.15 < found.offset_std < 0.45  # shapes differ by 0.55: the line is skewed
    assert found.fwhm == pytest.approx(6.7, abs=0.3)
    moved = apply_calibration(silicon, found)
    again = fit_calibration(moved)
    assert again.offset == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", ["SMC1-Initial_RT.txt", "LiNbWO6-0-H.txt"])
def test_measured_samples_are_no_silicon(shared_data: Path, name: str) -> None:
    with pytest.raises(FitError, match=r"silicon at 520\.7"):
        fit_calibration(read_labspec(shared_data / "raman" / name))


@pytest.mark.parametrize(
    "name",
    ["532nm-191216-Si_200mu.txt", "SMC1-Initial_RT.txt", *LITHIUM_NIOBIUM_TUNGSTATE],
)
def test_sharp_measured_lines_are_no_rays(shared_data: Path, name: str) -> None:
    spectra = read_labspec(shared_data / "raman" / name)
    _, spikes = remove_cosmic_rays(spectra, instrument_fwhm=FWHM)
    assert spikes.sizes["spike"] == 0


def far_from_the_middle(spectra: xr.Dataset) -> float:
    """Return the largest departure of a point from its median over the spots."""
    values = spectra["intensity"].to_numpy()
    values = values / np.median(values, axis=1, keepdims=True)
    return float(np.abs(values / np.median(values, axis=0) - 1.0).max())


def test_rays_of_a_measured_series(shared_data: Path) -> None:
    series = read_labspec(shared_data / "raman" / "serie190214-1.txt")
    steady = series.isel(spot=slice(66, 110))
    cleaned, spikes = remove_cosmic_rays(steady, instrument_fwhm=FWHM)
    assert 12 <= spikes.sizes["spike"] <= 30
    assert spikes.attrs["n_persistent"] == 0
    # Seen by eye: 6353 counts beside 450, and a track of six points near 1556.
    strong = spikes.where(spikes["spot"].isin([68, 104]), drop=True)
    places = strong["raman_shift"].to_numpy()
    assert np.abs(places - 1480.4).min() < 0.1
    assert 6.0 in strong["width"].to_numpy()[np.abs(places - 1556.0) < 6.0]
    # Noise alone: 5 sigma of a point of 300 counts are 0.2 of it.
    assert far_from_the_middle(cleaned) < 0.25 < 5.0 < far_from_the_middle(steady)


def test_denoised_spectra_are_not_searched_for_rays(shared_data: Path) -> None:
    spectra = read_labspec(shared_data / "raman" / "lasertest1.txt")
    cleaned, spikes = remove_cosmic_rays(spectra, instrument_fwhm=FWHM)
    assert spikes.sizes["spike"] == 0
    assert "not searched for" in list_remarks(cleaned)[-1]


def test_stability_of_a_measured_series(shared_data: Path) -> None:
    series = read_labspec(shared_data / "raman" / "serie190214-1.txt")
    cleaned, _ = remove_cosmic_rays(series, instrument_fwhm=FWHM)
    result = assess_stability(cleaned)
    assert int(result["empty"].sum()) == 58
    steady = np.flatnonzero(result["steady"])
    assert 55 <= steady[0] <= 70
    assert steady[-1] == 109
    first, second, third, *_ = list_remarks(result)
    assert first == "58 of 168 spots are empty (all zero): 111-168."
    assert "spots 1-6" in second
    assert "bleaching" in third
    assert float(result["shape_change_all"]) > 0.05
    assert float(result["shape_change_steady"]) < 0.05


def test_a_measured_series_prepared(shared_data: Path) -> None:
    folder = shared_data / "raman"
    calibration = fit_calibration(read_labspec(folder / "532nm-191216-Si_200mu.txt"))
    series = read_labspec(folder / "serie190214-1.txt")
    options = PreparationOptions(
        shift_range=(100.0, 1000.0), reduction="photon", laser_nm=532.0
    )
    prepared = prepare_spectra(series, calibration=calibration, options=options)
    assert prepared.sizes["spot"] == 110
    assert float(prepared[AXIS_OFFSET]) == pytest.approx(2.3, abs=0.3)
    assert prepared.attrs["reduction"] == "photon"
    remarks = list_remarks(prepared)
    for words in ("empty", "cosmic", "Noise", "Axis read high", "Range", "Reduced"):
        assert any(words in each for each in remarks), words
