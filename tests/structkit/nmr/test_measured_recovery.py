from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.nmr.recovery import compare_recoveries, fit_recovery
from structkit.nmr.recovery_data import integrate_recovery
from structkit.schema import FitStatus, make_nmr_spectrum

pytestmark = pytest.mark.shared

SWEEP_HZ, CARRIER_MHZ, OFFSET_HZ = 9980.04, 14.83, 1413.27
N_POINTS, DIGITAL_FILTER = 7983, 70
LINE_PPM = 106.35


@pytest.fixture(scope="module")
def spectra(shared_data: Path) -> xr.Dataset:
    """Transform of the decays: filter's points cut, broadened by 2 Hz, zero-filled."""
    folder = shared_data / "nmr" / "DNPLab" / "304"
    raw = np.fromfile(folder / "ser", dtype=">i4").reshape(8, -1)[:, : 2 * N_POINTS]
    decay = (raw[:, ::2] + 1j * raw[:, 1::2])[:, DIGITAL_FILTER:]
    time = np.arange(decay.shape[1]) / SWEEP_HZ
    decay = decay * np.exp(-2.0 * np.pi * time)
    spectrum = np.fft.fftshift(np.fft.fft(decay, 16384, axis=1), axes=1)
    shift = np.fft.fftshift(np.fft.fftfreq(16384, 1.0 / SWEEP_HZ)) + OFFSET_HZ
    text = (folder / "vdlist").read_text().split()
    delay = [float(t[:-1]) * 1e-3 if t.endswith("m") else float(t) for t in text]
    return make_nmr_spectrum(
        shift / CARRIER_MHZ,
        spectrum.real,
        intensity_imag=spectrum.imag,
        delay=delay,
    )


@pytest.mark.parametrize("half_width", [5.0, 10.0, 20.0])
def test_inversion_recovery(spectra: xr.Dataset, half_width: float) -> None:
    """T1 is between 2.0 and 2.3 s by width, the inversion factor about 1.8."""
    window = (LINE_PPM - half_width, LINE_PPM + half_width)
    areas = integrate_recovery(spectra, window=window, phase="common")
    fit = fit_recovery(
        spectra["delay"].to_numpy(),
        areas["area"].to_numpy(),
        std=float(areas["area_std"]),
    )
    assert 2.0 < fit.t1 < 2.3
    assert fit.inversion_factor == pytest.approx(1.8, abs=0.07)
    assert fit.status is FitStatus.CONVERGED, fit.reason
    assert fit.interval[0] < fit.t1 < fit.interval[1]


def test_eight_delays_prefer_one_exponential(spectra: xr.Dataset) -> None:
    areas = integrate_recovery(
        spectra, window=(LINE_PPM - 10.0, LINE_PPM + 10.0), phase="common"
    )
    told = compare_recoveries(
        spectra["delay"].to_numpy(),
        areas["area"].to_numpy(),
        std=float(areas["area_std"]),
    )
    assert told.best.law.name == "mono"
    assert told.delta("quadrupolar_slow") > 2.0
