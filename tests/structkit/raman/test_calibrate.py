"""An axis from a standard: what is put in comes out; what is none is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import xarray as xr
from scipy.special import voigt_profile

from structkit.errors import FitError, SchemaError
from structkit.raman.calibrate import (
    AXIS_OFFSET,
    AXIS_OFFSET_STD,
    AxisCalibration,
    apply_calibration,
    fit_calibration,
)
from structkit.raman.remarks import list_remarks
from structkit.raman.standards import POLYSTYRENE, StandardLine
from structkit.schema import RAMAN_SHIFT, make_spectra

SHIFT = np.arange(46.0, 1750.0, 1.75)
FOUR_SIGMAS = 4.0


def voigt(centre: float, *, height: float = 15000.0) -> np.ndarray:
    """Return a Voigt of 7.5 cm-1, Gaussian 5.5."""
    sigma, gamma = 5.5 / 2.3548, 1.7
    line = voigt_profile(SHIFT - centre, sigma, gamma)
    return height * line / voigt_profile(0.0, sigma, gamma)


def standard(
    *centres: float, seed: int = 1, n_spots: int = 1, **scalars: float
) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    light = 50.0 + sum(voigt(each) for each in centres)
    counts = rng.poisson(np.broadcast_to(light, (n_spots, SHIFT.size)))
    attrs = {"source_file": "si.txt"}
    return make_spectra(SHIFT, counts, scalars=scalars, attrs=attrs)


@pytest.mark.parametrize("offset", [-9.3, 0.0, 0.4, 2.3, 11.8])
def test_silicon_tells_the_offset(offset: float) -> None:
    found = fit_calibration(standard(520.7 + offset))
    assert abs(found.offset - offset) < FOUR_SIGMAS * found.offset_std
    assert found.offset_std < 0.15  # the reference value's 0.1 is most of it
    assert found.fwhm == pytest.approx(7.5, abs=FOUR_SIGMAS * found.fwhm_std)
    assert found.n_lines == 1
    assert found.source == "silicon (si.txt)"


def test_spots_that_move_widen_the_uncertainty() -> None:
    one = standard(521.7, n_spots=2)["intensity"].to_numpy()
    two = standard(522.7, n_spots=2)["intensity"].to_numpy()
    found = fit_calibration(make_spectra(SHIFT, np.vstack([one, two])))
    assert found.offset == pytest.approx(1.5, abs=0.1)
    assert found.offset_std == pytest.approx(0.6, abs=0.1)


def lines_at(*wavenumbers: float) -> list[StandardLine]:
    return [
        StandardLine(name="lamp", wavenumber=each, wavenumber_std=0.05)
        for each in wavenumbers
    ]


@pytest.mark.parametrize("degree", [1, 2])
def test_more_lines_tell_stretch_and_curvature(degree: int) -> None:
    true = np.array([200.0, 520.7, 900.0, 1300.0, 1600.0])
    curve = 3e-6 if degree == 2 else 0.0
    read = true + 2.0 + 1.5e-3 * (true - 900.0) + curve * (true - 900.0) ** 2
    found = fit_calibration(standard(*read), lines_at(*true), degree=degree)
    offset, esd = found.evaluate(read)
    assert np.all(np.abs(offset - (read - true)) < FOUR_SIGMAS * esd)
    assert esd.max() < 0.2
    assert abs(found.slope - 1.5e-3) < FOUR_SIGMAS * found.slope_std + 1e-5
    # 1e-5: the slope is asked for at the pivot and along the recorded axis.
    corrected = apply_calibration(standard(*read), found)
    again = fit_calibration(corrected, lines_at(*true), degree=0)
    assert abs(again.offset) < 0.1
    assert (found.quadratic == 0.0) == (degree == 1)


def test_degree_by_number_of_lines() -> None:
    assert fit_calibration(standard(620.9), POLYSTYRENE[:1]).slope == 0.0
    three = [line.wavenumber + 1.0 for line in POLYSTYRENE[:3]]
    found = fit_calibration(standard(*three), POLYSTYRENE[:3])
    assert found.n_lines == 3
    assert found.quadratic == 0.0
    with pytest.raises(SchemaError, match="needs 2 lines"):
        fit_calibration(standard(520.7), degree=1)
    with pytest.raises(SchemaError, match="no line"):
        fit_calibration(standard(520.7), [])


def test_applied_calibration_moves_the_axis_and_says_so() -> None:
    spectra = standard(523.0)
    found = fit_calibration(spectra)
    moved = apply_calibration(spectra, found, drift_std=0.5)
    assert float(moved[AXIS_OFFSET]) == pytest.approx(2.3, abs=0.1)
    back = moved[RAMAN_SHIFT] + moved[AXIS_OFFSET]
    np.testing.assert_allclose(back.to_numpy(), SHIFT, rtol=0, atol=1e-9)
    away = SHIFT - found.pivot
    variance = found.offset_std**2 + np.mean((found.slope_std * away) ** 2) + 0.25
    assert float(moved[AXIS_OFFSET_STD]) == pytest.approx(math.sqrt(variance))
    assert moved[AXIS_OFFSET].attrs["units"] == "cm-1"
    assert moved[RAMAN_SHIFT].attrs["units"] == "cm-1"
    assert "Axis read high by 2.3" in list_remarks(moved)[-1]
    assert spectra[RAMAN_SHIFT].to_numpy()[0] == SHIFT[0]
    with pytest.raises(SchemaError, match="corrected already"):
        apply_calibration(moved, found)


@pytest.mark.parametrize(
    ("name", "value"), [("grating", 1800.0), ("laser_wavelength", 633.0)]
)
def test_another_grating_or_laser_is_refused(name: str, value: float) -> None:
    found = fit_calibration(standard(520.7, grating=600.0, laser_wavelength=532.0))
    assert found.grating == 600.0
    with pytest.raises(SchemaError, match=name):
        apply_calibration(standard(520.7, **{name: value}), found)
    unknown = dataclasses.replace(found, grating=math.nan, laser_wavelength=math.nan)
    assert AXIS_OFFSET in apply_calibration(standard(520.7, **{name: value}), unknown)


def saturated() -> xr.Dataset:
    spectra = standard(522.0)
    return spectra.assign(
        intensity=spectra["intensity"].clip(max=9000.0, keep_attrs=True)
    )


def at_ceiling() -> xr.Dataset:
    spectra = standard(522.0)
    top = spectra["intensity"].to_numpy()
    return make_spectra(SHIFT, np.where(top == top.max(), 65535.0, top))


@pytest.mark.parametrize(
    ("spectra", "message"),
    [
        (standard(545.0), "rises to the edge"),
        (standard(537.5), "rises to the edge"),
        (standard(), "nothing stands out"),
        (saturated(), "saturated at 9000"),
        (at_ceiling(), "saturated at 65535"),
        (standard(520.7).isel(raman_shift=slice(400, None)), "axis covers"),
        (standard(520.7) * 0.0, "every spot of the standard is empty"),
        (standard(520.7).isel(raman_shift=slice(None, None, 4)), "finer axis"),
        (standard(520.7).isel(raman_shift=slice(None, None, 9)), "too coarse"),
    ],
)
def test_what_is_no_standard_is_refused(spectra: xr.Dataset, message: str) -> None:
    with pytest.raises(FitError, match=message):
        fit_calibration(spectra)


def test_one_line_leaves_the_stretch_open() -> None:
    found = AxisCalibration(
        offset=1.0,
        offset_std=0.1,
        slope=0.0,
        slope_std=5e-4,
        quadratic=0.0,
        quadratic_std=0.0,
        pivot=520.0,
        fwhm=6.0,
        fwhm_std=0.1,
        n_lines=1,
        source="silicon",
    )
    _, esd = found.evaluate([520.0, 1520.0])
    assert esd == pytest.approx([0.1, math.hypot(0.1, 0.5)])
