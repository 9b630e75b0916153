"""Decays against the frequency domain; recovery; determinism; adversaries."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.special import voigt_profile

from structkit.nmr.assignment import find_saturated, review_assignment
from structkit.synthetic.eis import draw_study, list_species
from structkit.synthetic.nmr import (
    DELAYS_S,
    DWELL_S,
    GROUP_DELAY,
    N_POINTS,
    Line,
    control_contents,
    filter_signal,
    list_lines,
    recovery_factors,
    simulate_nmr,
)
from structkit.synthetic.nmr_truth import (
    PRODUCT,
    SITES,
    T1_BULK_S,
    T1_MILLED_ALONE_S,
    NmrTruth,
)
from structkit.synthetic.species import share_out

# spectra of 200 ms by a trapezoid of 2 us steps
TRANSFORM = 1e-3
# pass band of the filter is flat to this
FLAT = 2e-3


def transform(line: Line, frequency: np.ndarray) -> np.ndarray:
    """Return the spectrum of a decay by the plain integral."""
    time = np.arange(0.0, 0.05, 2e-6)
    decay = line.evaluate(time, carrier_hz=0.0, mas_hz=25e3)
    decay[0] *= 0.5
    kernel = np.exp(-2j * np.pi * np.outer(frequency, time))
    return np.asarray(2.0 * (kernel @ decay).real * 2e-6)


def test_decay_is_a_voigt_line() -> None:
    line = Line(
        site="NaCl", amplitude=3.0, offset_hz=900.0, lorentz_hz=150.0, gauss_hz=200.0
    )
    frequency = np.linspace(300.0, 1500.0, 41)
    sigma = 200.0 / np.sqrt(8.0 * np.log(2.0))
    exact = 3.0 * voigt_profile(frequency - 900.0, sigma, 75.0)
    found = transform(line, frequency)
    assert np.max(np.abs(found - exact)) < TRANSFORM * exact.max()


def test_second_order_shifts_are_those_of_drawn_couplings() -> None:
    line = Line(
        site=PRODUCT,
        amplitude=1.0,
        offset_hz=0.0,
        lorentz_hz=0.0,
        gauss_hz=0.0,
        second_order_hz=20.0,
    )
    time = np.array([1e-3, 3e-3])
    terms = np.random.default_rng(1).standard_normal((200_000, 5))
    shifts = -20.0 * np.sum(terms**2, axis=1)
    slow = np.exp(2j * np.pi * np.outer(time, shifts)).mean(axis=1)
    found = line.evaluate(time, carrier_hz=0.0, mas_hz=25e3)
    # 200 000 draws: 1/sqrt(2e5), four sigma
    assert np.max(np.abs(found - slow)) < 0.009


def test_sidebands_leave_the_rest_in_the_centre() -> None:
    line = Line(
        site=PRODUCT,
        amplitude=1.0,
        offset_hz=0.0,
        lorentz_hz=300.0,
        gauss_hz=0.0,
        sidebands=0.1,
    )
    centre, side = transform(line, np.array([0.0, 25e3]))
    assert side / centre == pytest.approx(0.04 / 0.9, rel=0.02)


def test_filter_delays_and_keeps() -> None:
    time = np.arange(N_POINTS * 8) * DWELL_S / 8
    tone = np.exp(2j * np.pi * 9000.0 * time)
    kept = filter_signal(tone)
    late = np.arange(300, 900)
    expected = np.exp(2j * np.pi * 9000.0 * (late - GROUP_DELAY) * DWELL_S)
    assert np.max(np.abs(kept[late] - expected)) < FLAT


def test_recovery_is_that_of_two_rates() -> None:
    truth = NmrTruth(omega_tau=1.5, inversion=1.0)
    _, species = list_species(truth.study)["4h"]
    t1 = truth.product_t1(species)
    found = recovery_factors(truth, species, delays=DELAYS_S)
    # rates proportional to 1/(1 + w^2 t^2) and 1/(1 + 4 w^2 t^2), initial rate 1/T1
    rates = np.array([1.0 / (1.0 + 1.5**2), 1.0 / (1.0 + 4.0 * 1.5**2)])
    rates /= t1 * (np.array([0.2, 0.8]) @ rates)
    slow = 1.0 - 2.0 * np.exp(-np.outer(DELAYS_S, rates)) @ [0.2, 0.8]
    np.testing.assert_allclose(found[PRODUCT], slow, atol=1e-12)
    start = recovery_factors(truth, species, delays=[0.0])
    before = 1.0 - np.exp(-10.0 / truth.t1_s["NaCl"])
    assert start["NaCl"][0] == pytest.approx(-before)


def test_blank_and_sample_differ_by_the_oxide_alone() -> None:
    for seed in range(5):
        known = simulate_nmr(seed).truth
        gap = float(known["chloride_ratio"] - known["blank_ratio"])
        assert 0.5 * gap == pytest.approx(float(known["x"]), abs=1e-12)


def test_areas_are_those_of_the_lines() -> None:
    truth = NmrTruth.draw(np.random.default_rng(4), study=draw_study(4))
    known = simulate_nmr(4, truth=truth).truth
    _, species = list_species(truth.study)["4h"]
    for site in SITES:
        lines = [one for one in list_lines(truth, species) if one.site == site]
        centre = sum(one.amplitude * (1.0 - one.sidebands) for one in lines)
        assert centre == pytest.approx(float(known["area"].sel(site=site)))


def test_control_holds_what_the_sample_left_over() -> None:
    truth = NmrTruth()
    control = share_out(control_contents(truth, 4.0), oxygen=0.0)
    pre, _ = truth.study.chain(4.0)
    assert control.nacl == pytest.approx(pre + 0.027 * (1.0 - pre))


def test_a_seed_is_one_study() -> None:
    first, again, other = (simulate_nmr(seed) for seed in (5, 5, 6))
    for name in ("sample", "blank", "recovery", "truth"):
        xr.testing.assert_identical(getattr(first, name), getattr(again, name))
    assert not np.allclose(first.sample["signal"], other.sample["signal"])


def test_noise_is_that_asked_for() -> None:
    truth = NmrTruth(signal_to_noise={"sample": 50.0, "blank": 50.0, "recovery": 50.0})
    decay = simulate_nmr(3, truth=truth).sample["signal"].to_numpy()
    spectrum = np.fft.fft(decay)
    frequency = np.fft.fftfreq(N_POINTS, DWELL_S)
    quiet = spectrum[(frequency > 35e3) & (frequency < 45e3)]
    ratio = np.abs(spectrum).max() / np.sqrt(np.mean(np.abs(quiet) ** 2) / 2.0)
    # 80 points of noise, and tails of sidebands in them
    assert ratio == pytest.approx(50.0, rel=0.25)


@pytest.mark.parametrize(
    ("adversary", "swapped", "saturated"),
    [(None, False, False), ("t1_swap", True, False), ("saturated_nacl", False, True)],
)
def test_adversaries_are_flagged_by_true_t1(
    adversary: str | None, swapped: bool, saturated: bool
) -> None:
    known = simulate_nmr(2, adversary=adversary).truth  # type: ignore[arg-type]
    t1 = {site: float(known["t1"].sel(site=site)) for site in SITES}
    references = {"milled alone": T1_MILLED_ALONE_S, "bulk": T1_BULK_S}
    assert any(r.ambiguous_swap for r in review_assignment(t1, references)) is swapped
    found = find_saturated(
        {"NaCl": t1["NaCl"]},
        recycle_delay=10.0,
        flip_angle_degree=float(known["flip_angle"]),
    )
    assert any(one < 0.95 for one in found.get("NaCl", ())) is saturated
