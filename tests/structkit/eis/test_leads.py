"""Short-cell correction of spectra."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.eis.leads import CORRECTED, ShortCell, correct_spectrum
from structkit.errors import SchemaError
from structkit.schema import make_impedance

FREQUENCY = np.geomspace(1.0, 5e6, 60)
EXACT = 1e-9
"""Relative: sums of complex numbers in double precision."""
INTERPOLATED = 2e-3
"""ohm: wL of 0.5 uH between points 30 % apart is not linear in ln f."""


def sample(frequency: np.ndarray = FREQUENCY) -> np.ndarray:
    """Return 40 ohm in series with a blocking capacitor."""
    return np.asarray(40.0 + 1.0 / (2j * np.pi * frequency * 1e-6))


def leads(frequency: np.ndarray = FREQUENCY) -> np.ndarray:
    """Return 1.2 ohm and 0.5 uH."""
    return np.asarray(1.2 + 2j * np.pi * frequency * 5e-7)


def test_series_elements_are_taken_off() -> None:
    measured = make_impedance(FREQUENCY, sample() + leads())
    short = ShortCell(resistance_ohm=1.2, inductance_h=5e-7)
    found = correct_spectrum(measured, short)
    np.testing.assert_allclose(found["impedance"], sample(), rtol=EXACT)
    assert found["impedance"].attrs["units"] == "ohm"
    assert CORRECTED not in measured.attrs


def test_measured_short_is_interpolated_and_its_noise_added() -> None:
    finer = np.geomspace(0.5, 6e6, 800)
    measured = make_impedance(
        FREQUENCY, sample() + leads(), impedance_std=np.full(60, 0.03)
    )
    empty = make_impedance(finer, leads(finer), impedance_std=np.full(800, 0.04))
    found = correct_spectrum(measured, empty)
    np.testing.assert_allclose(found["impedance"], sample(), atol=INTERPOLATED)
    np.testing.assert_allclose(found["impedance_std"], 0.05)


def test_second_correction_is_refused() -> None:
    measured = make_impedance(FREQUENCY, sample())
    once = correct_spectrum(measured, ShortCell(resistance_ohm=1.0))
    with pytest.raises(SchemaError, match="corrected already"):
        correct_spectrum(once, ShortCell(resistance_ohm=1.0))


def test_short_that_does_not_cover_the_band_is_refused() -> None:
    measured = make_impedance(FREQUENCY, sample())
    narrow: xr.Dataset = make_impedance(FREQUENCY[:40], leads()[:40])
    with pytest.raises(SchemaError, match="whole band"):
        correct_spectrum(measured, narrow)


def test_negative_short_is_refused() -> None:
    with pytest.raises(SchemaError, match="resistance_ohm"):
        ShortCell(resistance_ohm=-1.0)
