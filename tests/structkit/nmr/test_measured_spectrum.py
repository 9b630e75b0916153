"""Decays processed here against what the vendor's program made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.io.nmr import read_decay, read_nmr
from structkit.nmr.spectrum import ProcessingOptions, integrate_regions, process_decay
from structkit.nmr.transform import convert_topspin_phase

pytestmark = pytest.mark.shared

SAME = 0.99999
"""Correlation of what differs by rounding and the weight of the filter's rise only."""
BEFORE_BASELINE = 0.992
"""Correlation where the vendor's real part had a baseline drawn by hand taken away."""


def both(folder: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the vendor's spectrum and ours with its settings, on its axis."""
    vendor, decay = read_nmr(folder), read_decay(folder)
    phase0, phase1 = convert_topspin_phase(
        vendor.attrs["vendor_phase0"], vendor.attrs["vendor_phase1"]
    )
    options = ProcessingOptions(
        lorentz_broadening=vendor.attrs["vendor_line_broadening"],
        points=min(vendor.attrs["vendor_points"], decay.sizes["time"]),
        size=vendor.sizes["chemical_shift"],
        phase0=phase0,
        phase1=phase1,
    )
    ours = process_decay(decay, options)
    # The same frequencies, but for decimals of OFFSET; the vendor keeps the upper edge.
    theirs = vendor.isel(chemical_shift=slice(None, -1))
    step = float(vendor["chemical_shift"][1] - vendor["chemical_shift"][0])
    ours = ours.isel(chemical_shift=slice(1, None))
    difference = ours["chemical_shift"].data - theirs["chemical_shift"].data
    assert np.abs(difference).max() < 0.05 * step
    return theirs, ours


def correlate(one: xr.DataArray, other: xr.DataArray) -> float:
    return float(np.corrcoef(one.data, other.data)[0, 1])


@pytest.mark.parametrize("place", ["topspin_1d/1", "VT_19F_static/20"])
def test_spectra_without_baseline_are_the_same(shared_data: Path, place: str) -> None:
    vendor, ours = both(shared_data / "nmr" / place)
    assert correlate(vendor["intensity"], ours["intensity"]) > SAME
    assert correlate(vendor["intensity_imag"], ours["intensity_imag"]) > SAME
    tops = [int(np.argmax(spectrum["intensity"].data)) for spectrum in (vendor, ours)]
    assert abs(tops[0] - tops[1]) <= 1


@pytest.mark.parametrize("place", ["O17_six_peaks/4", "O17_six_peaks/5"])
def test_oxygen_agrees_where_no_baseline_was_drawn(
    shared_data: Path, place: str
) -> None:
    vendor, ours = both(shared_data / "nmr" / place)
    assert correlate(vendor["intensity_imag"], ours["intensity_imag"]) > 0.9999
    tops = [int(np.argmax(spectrum["intensity"].data)) for spectrum in (vendor, ours)]
    assert abs(tops[0] - tops[1]) <= 1


def test_vanadium_lines_lie_where_the_vendor_has_them(shared_data: Path) -> None:
    vendor, ours = both(shared_data / "nmr" / "V51_two_peaks" / "2")
    assert correlate(vendor["intensity"], ours["intensity"]) > BEFORE_BASELINE
    shift = vendor["chemical_shift"].data
    for low, high in ((-585.0, -565.0), (-605.0, -590.0)):
        near = (shift > low) & (shift < high)
        tops = [
            shift[near][int(np.argmax(spectrum["intensity"].data[near]))]
            for spectrum in (vendor, ours)
        ]
        assert abs(tops[0] - tops[1]) < 0.5


def test_phase_of_lines_on_a_flat_baseline_is_found(shared_data: Path) -> None:
    for place, degrees in (("topspin_1d/1", 1.0), ("VT_19F_static/20", 3.0)):
        vendor, decay = (
            read(shared_data / "nmr" / place) for read in (read_nmr, read_decay)
        )
        phases = [vendor.attrs[f"vendor_phase{order}"] for order in (0, 1)]
        expected, phase1 = convert_topspin_phase(*phases)
        found = process_decay(decay, ProcessingOptions(phase1=phase1)).attrs["phase0"]
        assert abs((found - expected + 180.0) % 360.0 - 180.0) < degrees


def test_doubtful_phase_of_truncated_oxygen_is_told(shared_data: Path) -> None:
    spectrum = process_decay(read_decay(shared_data / "nmr" / "O17_six_peaks" / "4"))
    assert "below zero" in spectrum.attrs["remarks"]


def test_inversion_recovery_crosses_zero_once(shared_data: Path) -> None:
    decay = read_decay(shared_data / "nmr" / "DNPLab" / "304")
    options = ProcessingOptions(
        lorentz_broadening=5.0, baseline="polynomial", baseline_degree=1
    )
    spectrum = process_decay(decay, options)
    shift = spectrum["chemical_shift"].data
    top = shift[int(np.argmax(spectrum["intensity"].data[-1]))]
    found = integrate_regions(spectrum, [(top - 20.0, top + 20.0)])
    ratio = found["area"][:, 0] / found["area"][-1, 0]
    assert np.all(np.diff(ratio) > -3.0 * float(found["area_std"][0, 0]))
    # Free inversion factor about 1.8: the first row is at 1 - 1.8.
    assert float(ratio[0]) == pytest.approx(-0.8, abs=0.05)
    # M = 1 - 1.8 exp(-t / T1) is zero at T1 ln 1.8, T1 being 2.0 to 2.3 s.
    crossing = np.interp(0.0, ratio, decay["delay"])
    assert 2.0 * np.log(1.8) < crossing < 2.3 * np.log(1.8) + 0.1
