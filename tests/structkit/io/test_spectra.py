"""Measured spectra of several makers: what is known of each file is found in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import curve_fit

from structkit.errors import ReadError
from structkit.io.spectra import read_spectra
from structkit.io.spectrum_condition import measure_spread
from structkit.schema import ARBITRARY, COUNTS, COUNTS_PER_SECOND

SILICON_AS_EXPORTED = 522.9
SILICON = 520.7
SHAPE_STD = 0.3
"""cm-1: what the shape of the model moves the line by, 522.8 to 523.1."""
TEXT_ROUNDING = 1e-6
"""The text of WiRE has six decimals of the 32-bit numbers of its .wdf."""


def read(folder: Path, name: str, *, laser_nm: float | None = None) -> xr.Dataset:
    return read_spectra(folder / name, laser_nm=laser_nm)


def flags(spectra: xr.Dataset) -> dict[str, int]:
    names = ("smoothed", "baseline_subtracted", "summed")
    return {name: int(spectra[name]) for name in names if name in spectra}


def fit_line(spectra: xr.Dataset, low: float, high: float) -> float:
    """Return the centre of a Lorentzian on a line, cm-1."""
    part = spectra.sel(raman_shift=slice(low, high))
    shift, values = part.raman_shift.to_numpy(), part.intensity.to_numpy()[0]

    def line(x: np.ndarray, centre: float, fwhm: float, *rest: float) -> np.ndarray:
        height, base, slope = rest
        peak = height / (1.0 + ((x - centre) / (0.5 * fwhm)) ** 2)
        return np.asarray(peak + base + slope * (x - low))

    start = [shift[values.argmax()], 6.0, np.ptp(values), values.min(), 0.0]
    return float(curve_fit(line, shift, values, start)[0][0])


@pytest.fixture
def raman(shared_data: Path) -> Path:
    return shared_data / "raman"


@pytest.fixture
def vendor(shared_data: Path) -> Path:
    return shared_data / "vendor" / "raman"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder, "is a folder"),
        (lambda folder: folder / "none.txt", "no such file"),
        (lambda folder: empty(folder / "a.txt"), "is empty"),
    ],
)
def test_no_file_no_spectra(make: object, message: str, tmp_path: Path) -> None:
    assert callable(make)
    with pytest.raises(ReadError, match=message):
        read_spectra(make(tmp_path))


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


@pytest.mark.shared
def test_silicon_lies_where_it_was_exported(raman: Path) -> None:
    spectra = read(raman, "532nm-191216-Si_200mu.txt")
    centre = fit_line(spectra, 490.0, 560.0)
    assert centre == pytest.approx(SILICON_AS_EXPORTED, abs=SHAPE_STD)
    assert float(spectra.laser_wavelength) == 532.0
    assert float(spectra.grating) == 600.0
    assert spectra.intensity.attrs["count_step"] == 2.0
    assert flags(spectra) == {"smoothed": 0, "baseline_subtracted": 0, "summed": 0}


@pytest.mark.shared
@pytest.mark.parametrize("angle", ["0", "45", "90"])
@pytest.mark.parametrize("polarisation", ["H", "V"])
def test_polarised_niobate(raman: Path, angle: str, polarisation: str) -> None:
    spectra = read(raman, f"LiNbWO6-{angle}-{polarisation}.txt")
    step = float(np.median(np.diff(spectra.raman_shift)))
    part = spectra.sel(raman_shift=slice(920.0, 980.0))
    highest = float(part.raman_shift[int(np.argmax(part.intensity.to_numpy()[0]))])
    assert highest == pytest.approx(949.6, abs=step)
    assert spectra.intensity.attrs["units"] == ARBITRARY
    assert "ICS correction" in spectra.attrs["remarks"]
    assert flags(spectra) == {"smoothed": 0, "baseline_subtracted": 0}


@pytest.mark.shared
def test_time_series_with_empty_rows(raman: Path) -> None:
    spectra = read(raman, "serie190214-1.txt")
    assert spectra.sizes["spot"] == 168
    assert int(spectra["empty"].sum()) == 58
    assert (
        "58 of 168 spectra are zero throughout: spots 111-168"
        in (spectra.attrs["remarks"])
    )
    assert "Every count is odd" in spectra.attrs["remarks"]
    assert spectra.intensity.attrs["count_step"] == 2.0
    assert np.all(np.diff(spectra.time) >= float(spectra.acquisition_time) - 0.2)


@pytest.mark.shared
def test_sums_of_thirty_accumulations(raman: Path) -> None:
    spectra = read(raman, "Activation.txt")
    assert spectra.sizes == {"spot": 532, "raman_shift": 1024}
    assert (float(spectra.accumulations), float(spectra.grating)) == (30.0, 1800.0)
    assert flags(spectra)["summed"] == 1
    assert "65535 is no sign of saturation" in spectra.attrs["remarks"]
    assert not spectra["saturated_points"].any()
    measured = float(spectra.acquisition_time) * float(spectra.accumulations)
    assert np.all(np.diff(spectra.time) >= measured)


@pytest.mark.shared
def test_denoised_spectra_without_baseline(raman: Path) -> None:
    spectra = read(raman, "lasertest1.txt")
    assert spectra.sizes["spot"] == 3
    assert flags(spectra) == {"smoothed": 1, "baseline_subtracted": 1, "summed": 0}
    assert "whiteness of the noise 0." in spectra.attrs["remarks"]
    lowest = spectra.intensity.min("raman_shift").to_numpy()
    spread = [measure_spread(row) for row in spectra.intensity.to_numpy()]
    assert np.all(lowest < -5.0 * np.array(spread))


@pytest.mark.shared
def test_plain_spectrum(raman: Path) -> None:
    spectra = read(raman, "SMC1-Initial_RT.txt")
    assert flags(spectra) == {"smoothed": 0, "baseline_subtracted": 0, "summed": 0}
    assert float(spectra.position_z[0]) == -314.3
    assert (float(spectra.acquisition_time), float(spectra.accumulations)) == (120, 2)


@pytest.mark.shared
def test_rod(raman: Path) -> None:
    spectra = read(raman, "rod_file_1000679.rod")
    assert spectra.sizes["raman_shift"] == 1159
    assert float(spectra.laser_wavelength) == 488.0
    assert spectra.intensity.attrs["units"] == COUNTS
    assert spectra.attrs["rod_mineral"] == "K-cymrite"
    assert spectra.attrs["remarks"] == ""


@pytest.mark.shared
def test_witec_without_laser_is_refused_and_with_it_is_right(raman: Path) -> None:
    name = "witec_Si-wafer.txt"
    with pytest.raises(ReadError, match="no laser wavelength is known; give laser_nm"):
        read(raman, name)
    spectra = read(raman, name, laser_nm=532.29)
    assert fit_line(spectra, 490.0, 560.0) == pytest.approx(SILICON, abs=SHAPE_STD)
    nominal = read(raman, name, laser_nm=532.0)
    assert fit_line(nominal, 490.0, 560.0) == pytest.approx(530.9, abs=SHAPE_STD)
    assert int(spectra["saturated_points"][0]) == 8
    assert "(the laser line)" in spectra.attrs["remarks"]
    assert spectra.intensity.attrs["count_step"] == pytest.approx(0.05)


@pytest.mark.shared
def test_wdf_and_its_text_agree(vendor: Path) -> None:
    binary, text = read(vendor, "raman_example.wdf"), read(vendor, "raman_example.txt")
    for name in ("raman_shift", "intensity"):
        np.testing.assert_allclose(binary[name], text[name], atol=TEXT_ROUNDING)
    assert float(binary.laser_wavelength) == pytest.approx(632.8, abs=0.01)
    assert "was taken as cm-1" in text.attrs["remarks"]


@pytest.mark.shared
def test_depth_series_has_every_other_row_empty(vendor: Path) -> None:
    spectra = read(vendor, "depth.wdf")
    assert spectra.sizes["spot"] == 40
    assert spectra["empty"].to_numpy().tolist() == [1, 0] * 20
    np.testing.assert_allclose(np.diff(spectra.position_z), 0.5)
    assert np.all(np.diff(spectra.time) > 0.0)


@pytest.mark.shared
def test_ultraviolet_wdf_in_nm(vendor: Path) -> None:
    spectra = read(vendor, "renishaw_test_spectrum.wdf")
    assert float(spectra.laser_wavelength) == pytest.approx(325.0, abs=0.01)
    first, last = (float(spectra.raman_shift[i]) for i in (0, -1))
    assert first == pytest.approx(1e7 / 325.0 - 1e7 / 326.01633, abs=0.1)
    assert last == pytest.approx(1e7 / 325.0 - 1e7 / 328.98077, abs=0.1)


@pytest.mark.shared
def test_wdf_time_series_reaches_the_anti_stokes_side(vendor: Path) -> None:
    spectra = read(vendor, "renishaw_test_timeseries.wdf")
    assert spectra.sizes["spot"] == 3
    assert float(spectra.raman_shift[0]) == pytest.approx(-1070.0, abs=0.1)
    np.testing.assert_allclose(spectra.time, [0.0, 3.088, 6.133], atol=1e-3)


@pytest.mark.shared
def test_single_wdf(vendor: Path) -> None:
    spectra = read(vendor, "sp.wdf")
    assert float(spectra.accumulations) == 3.0
    assert float(spectra.laser_wavelength) == pytest.approx(532.25, abs=0.01)


@pytest.mark.shared
def test_wdf_without_laser_and_units(vendor: Path) -> None:
    spectra = read(vendor, "undefined.wdf")
    assert "laser_wavelength" not in spectra.coords
    assert spectra.intensity.attrs["units"] == ARBITRARY
    assert flags(spectra)["smoothed"] == 1


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("jobinyvon_test_spec.xml", 522.574, 537.361),
        ("jobinyvon_test_linescan.xml", 522.574, 537.361),
        ("jobinyvon_test_spec_range.xml", 720.924, 879.318),
    ],
)
def test_labspec_xml_in_nm(vendor: Path, name: str, first: float, last: float) -> None:
    spectra = read(vendor, name)
    laser = float(spectra.laser_wavelength)
    assert laser == 632.817
    back = 1e7 / (1e7 / laser - spectra.raman_shift.to_numpy()[[0, -1]])
    np.testing.assert_allclose(back, [first, last], atol=1e-6)
    assert spectra.intensity.attrs["units"] == COUNTS_PER_SECOND
    assert ("anti-Stokes" in spectra.attrs["remarks"]) == (last < laser)


@pytest.mark.shared
def test_labspec_xml_in_wavenumbers_and_line_scan(vendor: Path) -> None:
    single = read(vendor, "jobinyvon_test_spec_3s_cm-1.xml")
    np.testing.assert_allclose(single.raman_shift[[0, -1]], [1930.57, 2844.97])
    assert float(single.intensity[0, -1]) == 166.333
    per_count = 1.0 / float(single.acquisition_time)
    assert single.intensity.attrs["count_step"] == pytest.approx(per_count, rel=1e-3)
    scan = read(vendor, "jobinyvon_test_linescan.xml")
    np.testing.assert_array_equal(scan.position_y, [0.0, 0.5, 1.0])


@pytest.mark.shared
def test_labspec_with_subtracted_baseline(vendor: Path) -> None:
    spectra = read(vendor, "labspec_raman_example.txt")
    assert flags(spectra)["baseline_subtracted"] == 1
    assert "The header says that a baseline was subtracted" in spectra.attrs["remarks"]


@pytest.mark.shared
def test_every_file_of_the_folders_is_read_or_refused_in_one_line(
    raman: Path, vendor: Path
) -> None:
    files = [p for folder in (raman, vendor) for p in folder.iterdir()]
    refused = []
    for path in files:
        try:
            read_spectra(path)
        except ReadError as error:
            refused.append((path.name, str(error).count("\n")))
    assert sorted(refused) == [
        ("PROVENANCE.md", 0),
        ("PROVENANCE.md", 0),
        ("witec_Si-wafer.txt", 0),
    ]
