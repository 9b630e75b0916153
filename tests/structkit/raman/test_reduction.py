"""Reduced intensity: published figures, refusals, the way back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.raman.reduction import (
    REDUCTION,
    Convention,
    check_same_reduction,
    estimate_temperature,
    reduce_spectra,
    reduction_factor,
    restore_intensity,
)
from structkit.raman.remarks import list_remarks
from structkit.schema import GAIN, INTENSITY, INTENSITY_STD, RAMAN_SHIFT, make_spectra

PRINTED = 0.006
"""SCIENCE C3 prints two or three digits."""


def spectra_at(first: float = 100.0, **scalars: float) -> xr.Dataset:
    shift = np.arange(first, first + 800.0, 2.0)
    counts = np.full((2, shift.size), 100.0)
    return make_spectra(shift, counts, intensity_std=0.1 * counts, scalars=scalars)


@pytest.mark.parametrize(
    ("shift", "printed"),
    [(120, 0.145), (180, 0.29), (300, 0.65), (380, 0.92), (800, 2.40), (900, 2.77)],
)
def test_figures_of_science_c3(shift: float, printed: float) -> None:
    assert reduction_factor([shift], laser_nm=532.0)[0] == pytest.approx(
        printed, abs=PRINTED
    )


def test_figure_of_science_c3_without_the_shift() -> None:
    factor = reduction_factor([800.0], convention="photon_bose", laser_nm=532.0)
    assert factor[0] == pytest.approx(1.22, abs=PRINTED)


@pytest.mark.parametrize(
    ("convention", "exponent", "power_of_shift"),
    [("photon", 3, 1), ("power", 4, 1), ("photon_bose", 3, 0), ("bose", 0, 0)],
)
def test_factor_against_the_written_formula(
    convention: Convention, exponent: int, power_of_shift: int
) -> None:
    def slow(shift: float) -> float:
        planck, light, boltzmann = 6.62607015e-34, 299792458.0, 1.380649e-23
        energy = planck * light * 100.0 * shift / (boltzmann * 350.0)
        scattered = (1.0 / 488e-7 - shift) ** -exponent
        return scattered * shift**power_of_shift * (1.0 - math.exp(-energy))

    ours = reduction_factor(
        [15.0, 250.0, 3000.0],
        convention=convention,
        laser_nm=488.0,
        temperature_k=350.0,
        reference_shift=500.0,
    )
    expected = [slow(shift) / slow(500.0) for shift in (15.0, 250.0, 3000.0)]
    assert ours == pytest.approx(expected, rel=1e-9)


def test_reduced_spectra_are_labelled_and_restored() -> None:
    spectra = spectra_at(laser_wavelength=532.0).assign(gain=0.5)
    reduced = reduce_spectra(spectra, temperature_k=310.0)
    factor = reduction_factor(spectra[RAMAN_SHIFT], laser_nm=532.0, temperature_k=310.0)
    assert reduced[INTENSITY].to_numpy()[1] == pytest.approx(100.0 * factor)
    assert reduced[INTENSITY_STD].to_numpy()[0] == pytest.approx(10.0 * factor)
    assert reduced[INTENSITY].attrs["units"] == "count"
    assert reduced.attrs[REDUCTION] == "photon"
    assert GAIN not in reduced
    assert GAIN in spectra
    assert "310 K" in list_remarks(reduced)[-1]
    back = restore_intensity(reduced)
    np.testing.assert_allclose(back[INTENSITY], spectra[INTENSITY])
    assert check_same_reduction(back, spectra) == "none"


def test_nothing_is_reduced_twice() -> None:
    reduced = reduce_spectra(spectra_at(), laser_nm=532.0)
    with pytest.raises(SchemaError, match="reduced already"):
        reduce_spectra(reduced, laser_nm=532.0)


def test_anti_stokes_points_are_dropped_with_a_remark() -> None:
    reduced = reduce_spectra(spectra_at(-100.0), laser_nm=532.0)
    assert float(reduced[RAMAN_SHIFT][0]) == 2.0
    assert "51 points at or below 0 cm-1 dropped" in list_remarks(reduced)[-1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"convention": "power4"}, "use one of photon"),
        ({"laser_nm": 0.0}, "above zero"),
        ({"reference_shift": -1.0}, "above 0 and below"),
    ],
)
def test_impossible_settings_are_refused(
    settings: dict[str, float], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        reduction_factor([100.0], **{"laser_nm": 532.0, **settings})  # type: ignore[arg-type]


def test_without_a_laser_it_says_what_to_give() -> None:
    with pytest.raises(SchemaError, match="give laser_nm"):
        reduce_spectra(spectra_at())


def test_mixed_conventions_are_refused() -> None:
    plain = spectra_at(laser_wavelength=532.0)
    photon, power = (
        reduce_spectra(plain, convention=name) for name in ("photon", "power")
    )
    assert check_same_reduction(photon, photon) == "photon"
    assert check_same_reduction() == "none"
    with pytest.raises(SchemaError, match="mixed \\(photon, power\\)"):
        check_same_reduction(photon, power)
    with pytest.raises(SchemaError, match="mixed"):
        check_same_reduction(photon, plain)
    with pytest.raises(SchemaError, match="laser or temperature"):
        check_same_reduction(photon, reduce_spectra(plain, temperature_k=400.0))


def test_temperature_from_the_written_ratio() -> None:
    laser, shift, kelvin = 1e7 / 532.0, 405.0, 330.0
    boltzmann = math.exp(-1.438776877 * shift / kelvin)
    ratio = ((laser + shift) / (laser - shift)) ** 3 * boltzmann
    rng = np.random.default_rng(3)
    found = [
        estimate_temperature(
            (rng.normal(1e4, 100.0), 100.0),
            (rng.normal(1e4 * ratio, 50.0), 50.0),
            raman_shift=shift,
            laser_nm=532.0,
        )
        for _ in range(400)
    ]
    values, esds = np.array(found).T
    assert values.mean() == pytest.approx(kelvin, abs=3.0 * values.std() / 20.0)
    assert values.std() == pytest.approx(esds.mean(), rel=0.15)  # 4 sigma at 400 draws


def test_impossible_ratios_tell_no_temperature() -> None:
    with pytest.raises(SchemaError, match="positive"):
        estimate_temperature((1.0, 0.1), (0.0, 0.1), raman_shift=400.0, laser_nm=532.0)
    with pytest.raises(SchemaError, match="stronger than any"):
        estimate_temperature((1.0, 0.1), (9.0, 0.1), raman_shift=400.0, laser_nm=532.0)
