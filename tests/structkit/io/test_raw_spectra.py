from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from structkit.errors import ReadError
from structkit.io.raw_spectra import (
    RawSpectra,
    recognise_axis,
    recognise_intensity,
    to_spectra,
)
from structkit.schema import COUNTS, COUNTS_PER_SECOND

SHIFT = np.linspace(100.0, 900.0, 81)
LASER_NM = 532.29
INVERSION = 1e-8
"""Rounding of two reciprocals of 1e4 cm-1 in double precision, with room."""


def raw(**changes: Any) -> RawSpectra:
    base = RawSpectra(
        path=Path("made.txt"),
        axis=SHIFT,
        intensity=np.arange(2.0 * SHIFT.size).reshape(2, -1) + 1.0,
        axis_unit="cm-1",
        lines=np.arange(5, 5 + SHIFT.size),
    )
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("words", "unit"),
    [
        ("Raman shift (cm-1)", "cm-1"),
        ("1/cm", "cm-1"),
        ("1/CM", "cm-1"),
        ("rel. 1/cm", "cm-1"),
        ("cm⁻¹", "cm-1"),
        ("cm^-1", "cm-1"),
        ("cm^{-1}", "cm-1"),
        ("Wavenumber", "cm-1"),
        ("nm", "nm"),
        ("Wavelength [nm]", "nm"),
        ("NANOMETERS", "nm"),
        ("#Wave", None),
        ("", None),
    ],
)
def test_axis_titles_give_the_unit(words: str, unit: str | None) -> None:
    assert recognise_axis(words) == unit


@pytest.mark.parametrize("words", ["eV", "GHz", "pixel", "µm"])
def test_other_units_of_the_axis_are_refused(words: str) -> None:
    with pytest.raises(ReadError, match="export it as Raman shift in cm-1"):
        recognise_axis(words)


@pytest.mark.parametrize(
    ("words", "units"),
    [
        ("Cnt", COUNTS),
        ("CCD cts", COUNTS),
        ("COUNTS", COUNTS),
        ("Cnt/sec", COUNTS_PER_SECOND),
        ("counts per second", COUNTS_PER_SECOND),
        ("cps", COUNTS_PER_SECOND),
        ("a.u.", None),
    ],
)
def test_intensity_titles_give_the_units(words: str, units: str | None) -> None:
    assert recognise_intensity(words) == units


def test_axis_in_nm_becomes_the_shift_from_the_laser() -> None:
    wavelength = 1.0 / (1.0 / LASER_NM - SHIFT * 1e-7)
    spectra = to_spectra(raw(axis=wavelength, axis_unit="nm"), laser_nm=LASER_NM)
    np.testing.assert_allclose(spectra.raman_shift, SHIFT, atol=INVERSION)
    assert spectra.raman_shift.attrs["units"] == "cm-1"
    assert float(spectra.laser_wavelength) == LASER_NM
    assert spectra.laser_wavelength.attrs["units"] == "nm"


def test_axis_in_nm_without_laser_says_how_to_give_it() -> None:
    with pytest.raises(ReadError) as caught:
        to_spectra(raw(axis=np.linspace(530.0, 560.0, SHIFT.size), axis_unit="nm"))
    for word in ("530 to 560", "laser_nm in [raman] of the series file", "option"):
        assert word in str(caught.value)


def test_unnamed_axis_that_is_plainly_nm_is_refused_without_laser() -> None:
    axis = np.linspace(530.0, 536.0, SHIFT.size)
    with pytest.raises(ReadError, match="the axis is in nm"):
        to_spectra(raw(axis=axis, axis_unit=None))
    spectra = to_spectra(raw(axis=axis, axis_unit=None), laser_nm=LASER_NM)
    assert float(spectra.raman_shift[0]) < 0.0
    assert "taken as nm" in spectra.attrs["remarks"]


def test_unnamed_axis_is_else_taken_as_a_shift_and_told() -> None:
    spectra = to_spectra(raw(axis_unit=None))
    np.testing.assert_array_equal(spectra.raman_shift, SHIFT)
    assert "was taken as cm-1" in spectra.attrs["remarks"]
    assert to_spectra(raw()).attrs["remarks"] == ""


def test_laser_of_the_file_wins_and_a_difference_is_told() -> None:
    spectra = to_spectra(raw(laser_nm=532.0), laser_nm=633.0)
    assert float(spectra.laser_wavelength) == 532.0
    assert "laser_nm 633; the file's was used" in spectra.attrs["remarks"]
    assert to_spectra(raw(laser_nm=532.0), laser_nm=532.01).attrs["remarks"] == ""


@pytest.mark.parametrize("laser", [0.532, 18797.0, -532.0])
def test_laser_in_other_units_is_refused(laser: float) -> None:
    with pytest.raises(ReadError, match="give laser_nm in nm"):
        to_spectra(raw(), laser_nm=laser)


def test_wrong_side_of_the_laser_is_told() -> None:
    axis = np.linspace(500.0, 520.0, SHIFT.size)
    spectra = to_spectra(raw(axis=axis, axis_unit="nm"), laser_nm=LASER_NM)
    assert "anti-Stokes" in spectra.attrs["remarks"]


def test_descending_axis_is_turned_with_its_intensities() -> None:
    turned = raw(axis=SHIFT[::-1], intensity=raw().intensity[:, ::-1])
    np.testing.assert_array_equal(
        to_spectra(turned).intensity, to_spectra(raw()).intensity
    )


@pytest.mark.parametrize("descends", [False, True])
@pytest.mark.parametrize(
    ("value", "problem"), [(200.0, "repeats at 200"), (150.0, "is out of order at 150")]
)
def test_repeated_and_disordered_shifts_name_their_line(
    value: float, problem: str, descends: bool
) -> None:
    axis = SHIFT.copy()
    axis[11] = value
    lines = raw().lines
    assert lines is not None
    if descends:
        axis, lines = axis[::-1], lines[::-1]
    with pytest.raises(ReadError, match=rf"made.txt: line 16: the axis {problem}"):
        to_spectra(raw(axis=axis, lines=lines))


def test_points_without_lines_are_counted() -> None:
    axis = SHIFT.copy()
    axis[11] = axis[10]
    with pytest.raises(ReadError, match="point 12: the axis repeats"):
        to_spectra(raw(axis=axis, lines=None))


def test_values_that_are_not_finite_are_refused_with_their_place() -> None:
    intensity = raw().intensity.copy()
    intensity[1, 3] = np.nan
    with pytest.raises(ReadError, match="spectrum 2, line 8: the intensity is nan"):
        to_spectra(raw(intensity=intensity))
    axis = SHIFT.copy()
    axis[2] = np.inf
    with pytest.raises(ReadError, match="line 7: the axis is inf"):
        to_spectra(raw(axis=axis))


def test_absolute_wavenumbers_are_refused() -> None:
    with pytest.raises(ReadError, match="absolute wavenumber"):
        to_spectra(raw(axis=SHIFT + 18000.0))
