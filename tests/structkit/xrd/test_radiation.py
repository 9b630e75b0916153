"""Tubes and emission lines."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.xrd.radiation import TUBES, Radiation, monochromatic, tube


@pytest.mark.parametrize("name", TUBES)
def test_every_tube_is_normalised_with_the_strongest_line_first(name):
    radiation = tube(name)
    assert sum(radiation.shares) == pytest.approx(1.0, abs=1e-12)
    assert max(radiation.shares) == radiation.shares[0]
    assert radiation.name == name
    assert np.ptp(radiation.wavelengths) < 0.02


@pytest.mark.parametrize(
    ("name", "energy_kev"),
    # K-alpha-1 energies, International Tables C; 1 eV covers the rounding here.
    [
        ("CuKa", 8.0478),
        ("CoKa", 6.9303),
        ("MoKa", 17.4794),
        ("CrKa", 5.4148),
        ("FeKa", 6.4040),
        ("AgKa", 22.1629),
    ],
)
def test_energies(name, energy_kev):
    assert tube(name).energy == pytest.approx(energy_kev, abs=1e-3)


def test_doublets_are_two_to_one_and_five_lines_have_their_centroid():
    assert tube("CuKa").shares == pytest.approx((2 / 3, 1 / 3))
    assert tube("CuKa1").wavelengths == (1.540593,)
    # The K-alpha-3 satellites (1.6 %) pull the mean of five lines down.
    assert tube("CuKa5").mean_wavelength == pytest.approx(
        tube("CuKa").mean_wavelength, abs=2e-4
    )
    assert tube("cu-kalpha5") == tube("CuKa5")


def test_unknown_tubes_list_the_known():
    with pytest.raises(PlanError, match=r"unknown tube 'CuKb'; use one of CuKa, CoKa"):
        tube("CuKb")


@pytest.mark.parametrize(
    ("wavelengths", "shares", "words"),
    [
        ((), (), "one share for each"),
        ((1.0,), (0.5, 0.5), "one share for each"),
        ((-1.0,), (1.0,), "positive"),
        ((1.0, 1.1), (0.6, 0.6), "add up to"),
    ],
)
def test_impossible_radiation_is_refused(wavelengths, shares, words):
    with pytest.raises(PlanError, match=words):
        Radiation(name="x", wavelengths=wavelengths, shares=shares)


def test_one_wavelength():
    assert monochromatic(0.2413).wavelength == 0.2413
    assert monochromatic(1.54).ratios() == pytest.approx([1.0])
