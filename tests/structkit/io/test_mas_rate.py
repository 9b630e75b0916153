from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.io.mas_rate import estimate_mas_rate, find_rotor_echoes
from structkit.io.nmr_condition import judge_mas_rate, title_rate
from structkit.io.raw_nmr import NmrHeader
from structkit.schema import make_decay, make_nmr_spectrum

DWELL = 1e-6
MHZ = 132.0
SIGMAS = 4.0
ROUNDING = 0.01
"""The comb of a decay that starts at its echo; peaks are read between points."""


def spinning_decay(
    rate: float, *, n_bands: int = 25, noise: float = 0.01, seed: int = 1
) -> NDArray[np.complex128]:
    """Return a sum of sidebands under a Gaussian envelope, made line by line."""
    rng = np.random.default_rng(seed)
    time = DWELL * np.arange(4096)
    orders = np.arange(-n_bands, n_bands + 1)
    heights = np.exp(-((orders * rate / 6e4) ** 2))
    signal = sum(
        height * np.exp(2j * np.pi * (3e3 + order * rate) * time)
        for order, height in zip(orders, heights, strict=True)
    )
    signal = np.asarray(signal) / heights.sum() * np.exp(-np.pi * 600.0 * time)
    return signal + noise * (
        rng.normal(size=time.size) + 1j * rng.normal(size=time.size)
    )


@pytest.mark.parametrize("rate", [8e3, 10e3, 14e3, 22e3, 33e3])
def test_recovers_the_rate(rate: float) -> None:
    found = find_rotor_echoes(spinning_decay(rate), DWELL)
    assert found.n_echoes >= 3
    assert abs(found.rate - rate) < SIGMAS * found.rate_std + ROUNDING * rate


def test_spectrum_gives_the_same_rate() -> None:
    signal = spinning_decay(12e3)
    spectrum = np.fft.fftshift(np.fft.fft(signal, 8192))
    shift = np.fft.fftshift(np.fft.fftfreq(8192, DWELL)) / MHZ
    dataset = make_nmr_spectrum(
        shift,
        spectrum.real,
        intensity_imag=spectrum.imag,
        scalars={"larmor_frequency": MHZ},
    )
    found = estimate_mas_rate(dataset)
    assert abs(found.rate / 12e3 - 1.0) < ROUNDING
    assert abs(estimate_mas_rate(dataset.drop_vars("intensity_imag")).rate / 12e3) > 0.9


def test_group_delay_is_skipped() -> None:
    signal = np.concatenate([np.zeros(68), spinning_decay(12e3)])
    decay = make_decay(DWELL * np.arange(signal.size), signal, group_delay=68.0)
    assert abs(estimate_mas_rate(decay).rate / 12e3 - 1.0) < ROUNDING


@pytest.mark.parametrize("width", [2e3, 2e4, 8e4])
def test_static_line_has_no_rate(width: float) -> None:
    rng = np.random.default_rng(2)
    time = DWELL * np.arange(4096)
    noise = rng.normal(size=(2, time.size))
    signal = np.exp(-np.pi * width * time) + 0.002 * (noise[0] + 1j * noise[1])
    assert math.isnan(find_rotor_echoes(signal, DWELL).rate)


def test_beats_of_two_lines_are_no_echoes() -> None:
    time = DWELL * np.arange(4096)
    signal = (1.0 + 0.6 * np.exp(2j * np.pi * 1.1e4 * time)) * np.exp(-2e3 * time)
    found = find_rotor_echoes(signal, DWELL)
    assert math.isnan(found.rate)
    assert "beats" in found.reason


def test_noise_has_no_rate() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        signal = rng.normal(size=2048) + 1j * rng.normal(size=2048)
        assert math.isnan(find_rotor_echoes(signal, DWELL).rate)


def test_spectrum_without_frequency_is_refused() -> None:
    with pytest.raises(SchemaError, match="larmor_frequency"):
        estimate_mas_rate(make_nmr_spectrum(range(64), np.arange(64.0)))


def test_echoes_overrule_a_declared_rate() -> None:
    found = find_rotor_echoes(spinning_decay(10e3), DWELL)
    judged = judge_mas_rate(NmrHeader(mas_rate=24e3), found)
    assert len(judged.remarks) == 1
    assert "24 kHz" in judged.remarks[0]
    assert judged.attrs["mas_rate_estimated"] == found.rate
    assert judge_mas_rate(NmrHeader(mas_rate=10e3), found).remarks == ()


def test_unconfirmed_rate_and_static_title_are_told() -> None:
    none = find_rotor_echoes(np.zeros(512, dtype=complex), DWELL)
    alone = judge_mas_rate(NmrHeader(mas_rate=5e3), none)
    assert "nothing confirms" in alone.remarks[0]
    static = judge_mas_rate(NmrHeader(mas_rate=24e3, title="19F static"), none)
    assert static.remarks == (
        "The header declares 24 kHz of spinning, but the title says static.",
    )


@pytest.mark.parametrize(
    ("title", "rate"),
    [("MAS - 33kHz", 33e3), ("35 kHz", 35e3), ("4mm static", 0.0), ("300 MHz", None)],
)
def test_title_names_a_rate(title: str, rate: float | None) -> None:
    assert title_rate(title) == rate
