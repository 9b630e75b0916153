"""Bands of measured spectra (LabSpec, 532 nm, the axis as exported: not calibrated)."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from structkit.io.spectra import read_spectra
from structkit.pipeline.raman_spectra import calibrate_axis, describe_spots
from structkit.raman.bands import Band
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.identify import BIC_NEEDED, BandStatus, identify_bands
from structkit.raman.model import BandModel, BaselineOptions
from structkit.raman.prepare import PreparationOptions, prepare_spectra
from structkit.raman.remarks import list_remarks
from structkit.raman.standards import SILICON, fit_line
from structkit.schema import EMPTY, INTENSITY, RAMAN_SHIFT

pytestmark = pytest.mark.shared

SHARP, BROAD = 0.5, 2.0
"""cm-1. The line at 949.6 hardly depends on the model; those at 880 and 726 are not
symmetric, and a symmetric shape puts them where the baseline lets it."""
RANGE = (500.0, 1200.0)
"""cm-1: from between bands to where nothing scatters."""
STIFF = BaselineOptions(knot_spacing=600.0)
"""These bands are 20 to 100 cm-1 wide and overlap over 400: a baseline that follows 120
takes their wings, and 726 then lies at 721 to 724."""
SERIES_GAIN = 0.48
"""Counts for one photoelectron of that detector (110 repeats)."""


def band(wavenumber: float, fwhm: float, std: float = 10.0) -> Band:
    return Band(
        name=f"{wavenumber:g}",
        species="LiNbWO6",
        wavenumber=wavenumber,
        wavenumber_std=std,
        fwhm=fwhm,
    )


FOUR = (
    band(949.6, 20.0),
    band(880.0, 40.0),
    band(726.0, 50.0),
    band(600.0, 60.0, 15.0),
)
"""The three of the record, and the step at 600."""
BETWEEN = Band(
    name="between",
    species="LiNbWO6",
    wavenumber=650.0,
    wavenumber_std=20.0,
    window=(610.0, 700.0),
    fwhm=40.0,
    fwhm_factor=1.3,
)
"""As broad as a line of this crystal: a hump of 300 is no line."""


@pytest.fixture(scope="module")
def polarised(shared_data: Path) -> dict[str, list[xr.Dataset]]:
    """Return the prepared spectra of both polarisations."""
    options = PreparationOptions(shift_range=RANGE)
    return {
        axis: [
            prepare_spectra(
                read_spectra(shared_data / "raman" / f"LiNbWO6-{angle}-{axis}.txt"),
                options=options,
            )
            for angle in (0, 45, 90)
        ]
        for axis in "HV"
    }


@pytest.fixture(scope="module")
def fits(polarised: dict[str, list[xr.Dataset]]) -> dict[str, BandFit]:
    """Return one model fitted to all six spectra, and to those of each polarisation."""
    model = BandModel(bands=(*FOUR, BETWEEN), baseline=STIFF)
    groups = {"all": [*polarised["H"], *polarised["V"]], **polarised}
    return {name: fit_bands(spectra, model) for name, spectra in groups.items()}


def centre_of(fit: BandFit, name: str) -> float:
    place = [one.name for one in fit.model.bands].index(name)
    return float(fit.solution.shared[fit.layout.centre][place])


def test_one_model_for_six_polarised_spectra(fits: dict[str, BandFit]) -> None:
    fit = fits["all"]
    assert len(fit.spectra) == 6
    assert centre_of(fit, "949.6") == pytest.approx(949.6, abs=SHARP)
    assert centre_of(fit, "880") == pytest.approx(880.0, abs=BROAD)


@pytest.mark.parametrize("axis", ["H", "V"])
def test_726_in_each_polarisation(fits: dict[str, BandFit], axis: str) -> None:
    assert centre_of(fits[axis], "726") == pytest.approx(726.0, abs=BROAD)
    assert centre_of(fits[axis], "949.6") == pytest.approx(949.6, abs=SHARP)


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("group", ["all", "H", "V"])
def test_nothing_is_resolved_from_600_to_700(
    fits: dict[str, BandFit], group: str, refit: bool
) -> None:
    known = identify_bands(fits[group], refit=refit)
    verdict = known.verdict("between")
    assert verdict.status in (BandStatus.NOT_DETECTED, BandStatus.DOUBTFUL)
    assert verdict.reason
    for name in ("949.6", "880", "726"):
        seen = known.verdict(name)
        assert seen.delta_bic < BIC_NEEDED
        if refit or name == "949.6":
            assert seen.status is BandStatus.DETERMINED
        else:
            assert seen.status in (BandStatus.DETERMINED, BandStatus.DOUBTFUL)


def test_silicon_reads_522_9_and_is_corrected(shared_data: Path) -> None:
    path = shared_data / "raman" / "532nm-191216-Si_200mu.txt"
    silicon = read_spectra(path)
    raw = fit_line(
        silicon[RAMAN_SHIFT].to_numpy(), silicon[INTENSITY].to_numpy()[0], SILICON[0]
    )
    assert raw.position == pytest.approx(522.9, abs=0.3)
    calibration = calibrate_axis(path)
    assert calibration.offset == pytest.approx(2.3, abs=0.3)
    line = Band(
        name="Si",
        species="silicon",
        wavenumber=520.7,
        wavenumber_std=6.0,
        fwhm=6.7,
        fwhm_factor=1.6,
    )
    corrected = prepare_spectra(
        silicon,
        calibration=calibration,
        options=PreparationOptions(shift_range=(460.0, 600.0)),
    )
    fit = fit_bands(corrected, BandModel(bands=(line,), shift_std=0.0))
    # The line is skewed: shapes differ by 0.55 cm-1.
    assert centre_of(fit, "Si") == pytest.approx(520.7, abs=0.6)


def test_a_measured_series_is_described(shared_data: Path) -> None:
    series = read_spectra(shared_data / "raman" / "serie190214-1.txt")
    assert int(series[EMPTY].sum()) == 58
    told = describe_spots(series)
    assert told[0] == "58 of 168 spots are empty (all zero): 111-168."
    assert any("bleaching" in sentence for sentence in told)
    assert any(sentence.startswith("Shape ") for sentence in told)
    prepared = prepare_spectra(series)
    assert prepared.sizes["spot"] == 110
    spread = 3.0 * float(prepared["gain_std"])
    assert float(prepared["gain"]) == pytest.approx(SERIES_GAIN, abs=spread)
    assert any("Noise variance" in sentence for sentence in list_remarks(prepared))
