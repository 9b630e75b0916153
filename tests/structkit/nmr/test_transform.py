from __future__ import annotations

import numpy as np
import pytest

from structkit.nmr.transform import (
    apodisation,
    convert_topspin_phase,
    frequency_offsets,
    rotate,
    transform_decay,
)

DWELL = 1e-5
ROUNDING = 1e-9


def test_transform_against_the_sum_it_means() -> None:
    rng = np.random.default_rng(1)
    signal = rng.normal(size=24) + 1j * rng.normal(size=24)
    offsets = frequency_offsets(40, DWELL)
    spectrum = transform_decay(signal, 40, group_delay=3.25)
    time = DWELL * (np.arange(24) - 3.25)
    slow = [np.sum(signal * np.exp(-2j * np.pi * nu * time)) for nu in offsets]
    np.testing.assert_allclose(spectrum, slow, atol=ROUNDING)


def test_positive_frequency_lies_above_the_carrier() -> None:
    time = DWELL * np.arange(512)
    spectrum = transform_decay(np.exp(2j * np.pi * 9e3 * time), 512, group_delay=0.0)
    top = frequency_offsets(512, DWELL)[np.argmax(np.abs(spectrum))]
    assert top == pytest.approx(9e3, abs=1.0 / (512 * DWELL))


def test_first_point_counts_half_without_filter() -> None:
    # The transform of exp(-a t) from 0 on is 1 / (a + i w): its real part falls to 0.
    time = DWELL * np.arange(8192)
    spectrum = transform_decay(np.exp(-2e3 * time) + 0j, 8192, group_delay=0.0)
    omega = 2.0 * np.pi * frequency_offsets(8192, DWELL)
    exact = (1.0 / (2e3 + 1j * omega)).real / DWELL
    near = np.abs(omega) < 2e4
    np.testing.assert_allclose(spectrum.real[near], exact[near], rtol=0.01)


def test_apodisation_gives_its_widths() -> None:
    for lorentz, gauss in ((300.0, 0.0), (0.0, 300.0)):
        weights = apodisation(4096, DWELL, lorentz=lorentz, gauss=gauss)
        line = transform_decay(weights + 0j, 1 << 16, group_delay=0.0).real
        above = line > 0.5 * line.max()
        width = above.sum() / (DWELL * (1 << 16))
        assert width == pytest.approx(300.0, rel=0.02)


def test_apodisation_falls_on_both_sides_of_its_origin() -> None:
    weights = apodisation(21, DWELL, lorentz=1e3, gauss=500.0, origin=10.0)
    np.testing.assert_allclose(weights, weights[::-1])
    assert weights[10] == 1.0


def test_phase_turns_about_the_carrier() -> None:
    spectrum = np.ones(8, dtype=complex)
    turned = rotate(spectrum, 90.0, 80.0)
    np.testing.assert_allclose(np.angle(turned, deg=True)[4], 90.0)
    np.testing.assert_allclose(np.angle(turned, deg=True)[5], 100.0)


def test_topspin_phases_against_their_own_convention() -> None:
    # TopSpin: exp(i (PHC0 + PHC1 k/n)) from the highest frequency on, conjugate data.
    rng = np.random.default_rng(2)
    n_points = 16
    ours = rng.normal(size=n_points) + 1j * rng.normal(size=n_points)
    phase = np.deg2rad(25.0 + 70.0 * (0.5 - (np.arange(n_points) - 8) / n_points))
    theirs = (np.conj(ours) * np.exp(1j * phase)).real
    converted = rotate(ours, *convert_topspin_phase(25.0, 70.0)).real
    np.testing.assert_allclose(converted, theirs, atol=ROUNDING)


def test_filter_removal_agrees_with_nmrglue() -> None:
    from nmrglue.fileio.bruker import rm_dig_filter

    rng = np.random.default_rng(3)
    signal = rng.normal(size=256) + 1j * rng.normal(size=256)
    cleaned = rm_dig_filter(signal, 20.0, 20.0, grpdly=67.5, post_proc=True)
    ours = np.abs(transform_decay(signal, 256, group_delay=67.5))
    np.testing.assert_allclose(np.sort(np.abs(cleaned)), np.sort(np.abs(signal)))
    assert ours.max() == pytest.approx(np.abs(np.fft.fft(signal)).max())
