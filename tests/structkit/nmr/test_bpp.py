from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.linalg import expm

from structkit.errors import SchemaError
from structkit.nmr.bpp import (
    correlation_times,
    coupling_bound,
    quadrupolar_rate,
    rate_maximum,
    recovery_rates,
    required_coupling,
    spectral_density,
)

HIGH, LOW = 132.294e6, 79.390e6
ROUNDING = 6e-4
"""Three digits are quoted."""
QUADRATURE = 1e-6
"""What numerical integration leaves."""

Matrix = NDArray[np.complex128]


def spin_matrices(spin: float) -> tuple[Matrix, Matrix, Matrix]:
    m = np.arange(spin, -spin - 1.0, -1.0)
    raising = np.diag(np.sqrt(spin * (spin + 1.0) - m[1:] * (m[1:] + 1.0)), 1)
    x = 0.5 * (raising + raising.T)
    y = -0.5j * (raising - raising.T)
    return x.astype(complex), y, np.diag(m).astype(complex)


def transition_rates(
    spin: float, coupling: float, asymmetry: float, *, omega: float, tau: float
) -> NDArray[np.float64]:
    """Golden-rule rates between Zeeman levels, averaged over all directions.

    The quadrupole Hamiltonian of a gradient in its own frame is turned as a matrix; no
    formula of relaxation theory is used beyond first-order time-dependent perturbation.
    """
    x, y, z = spin_matrices(spin)
    square = spin * (spin + 1.0) * np.eye(len(z))
    scale = 2.0 * np.pi * coupling / (4.0 * spin * (2.0 * spin - 1.0))
    own = scale * (3.0 * z @ z - square + asymmetry * (x @ x - y @ y))
    total = np.zeros((len(z), len(z)))
    nodes, weights = np.polynomial.legendre.leggauss(6)
    around = 2.0 * np.pi * np.arange(6) / 6.0
    for node, weight in zip(nodes, weights, strict=True):
        tilt = expm(-1j * np.arccos(node) * y)
        for turn in around:
            frame = tilt @ expm(-1j * turn * z)
            total += weight * np.abs(frame @ own @ frame.conj().T) ** 2
    total /= 2.0 * around.size
    m = np.real(np.diag(z))
    rates = np.zeros_like(total)
    for i in range(len(m)):
        for j in range(len(m)):
            if i != j:
                gap = omega * abs(m[i] - m[j])
                density = quad(
                    lambda t: np.exp(-t), 0.0, np.inf, weight="cos", wvar=gap * tau
                )[0]
                rates[i, j] = 2.0 * total[i, j] * tau * density
    return rates


def test_the_spectral_density_is_the_transform_of_an_exponential() -> None:
    tau, omega = 3e-9, 2.0 * np.pi * HIGH
    found = quad(lambda t: np.exp(-t), 0.0, np.inf, weight="cos", wvar=omega * tau)[0]
    np.testing.assert_allclose(
        spectral_density(tau, omega), tau * found, rtol=QUADRATURE
    )


@pytest.mark.parametrize("spin", [1.0, 1.5, 2.5, 3.5])
@pytest.mark.parametrize("tau", [1e-11, 1.2e-9, 5e-8])
def test_the_initial_rate_is_that_of_the_populations(spin: float, tau: float) -> None:
    coupling, asymmetry, larmor = 0.8e6, 0.6, HIGH
    rates = transition_rates(
        spin, coupling, asymmetry, omega=2.0 * np.pi * larmor, tau=tau
    )
    m = np.arange(spin, -spin - 1.0, -1.0)
    gaps = (m[:, None] - m) ** 2
    slow_form = np.sum(rates * gaps) / (2.0 * np.sum(m**2))
    found = quadrupolar_rate(
        tau, larmor_hz=larmor, coupling_hz=coupling, asymmetry=asymmetry, spin=spin
    )
    np.testing.assert_allclose(found, slow_form, rtol=QUADRATURE)


@pytest.mark.parametrize("selection", ["none", "central"])
@pytest.mark.parametrize("tau", [1e-11, 2e-9, 5e-8])
def test_the_recovery_is_that_of_four_levels(selection: str, tau: float) -> None:
    coupling = 1e6
    rates = transition_rates(1.5, coupling, 0.0, omega=2.0 * np.pi * LOW, tau=tau)
    flow = rates - np.diag(rates.sum(axis=0))
    m = np.array([1.5, 0.5, -0.5, -1.5])
    start, observed = m, m
    if selection == "central":
        start = observed = np.array([0.0, 0.5, -0.5, 0.0])
    found = recovery_rates(
        tau,
        larmor_hz=LOW,
        coupling_hz=coupling,
        selection="central" if selection == "central" else "none",
    )
    delay = np.geomspace(0.01, 5.0, 12) / found.initial_rate
    slow_form = [observed @ expm(flow * t) @ start / (start @ observed) for t in delay]
    np.testing.assert_allclose(found.curve(delay), slow_form, atol=1e-6)


def test_the_initial_rate_is_the_weighted_one() -> None:
    tau = np.geomspace(1e-12, 1e-6, 30)
    both = recovery_rates(tau, larmor_hz=HIGH, coupling_hz=1e6, asymmetry=0.3)
    single = quadrupolar_rate(tau, larmor_hz=HIGH, coupling_hz=1e6, asymmetry=0.3)
    np.testing.assert_allclose(both.initial_rate, single, rtol=1e-12)


def test_limits() -> None:
    coupling = 1e6
    fast = quadrupolar_rate(1e-14, larmor_hz=HIGH, coupling_hz=coupling)
    np.testing.assert_allclose(fast, 0.4 * np.pi**2 * coupling**2 * 1e-14, rtol=1e-6)
    slow = quadrupolar_rate(1e-4, larmor_hz=HIGH, coupling_hz=coupling)
    expected = 0.16 * np.pi**2 * coupling**2 / ((2.0 * np.pi * HIGH) ** 2 * 1e-4)
    np.testing.assert_allclose(slow, expected, rtol=1e-6)


def test_the_slow_limit_leaves_t1_open_by_its_law() -> None:
    whole = recovery_rates(1e-4, larmor_hz=HIGH, coupling_hz=1e6)
    central = recovery_rates(1e-4, larmor_hz=HIGH, coupling_hz=1e6, selection="central")
    np.testing.assert_allclose(whole.initial_rate / whole.rates[0], 0.4, rtol=1e-6)
    np.testing.assert_allclose(
        central.initial_rate / central.rates[0], 0.625, rtol=1e-6
    )


@pytest.mark.parametrize(("larmor", "t1"), [(HIGH, 0.739e-3), (LOW, 0.443e-3)])
def test_the_t1_minimum_of_one_megahertz(larmor: float, t1: float) -> None:
    found = rate_maximum(larmor_hz=larmor, coupling_hz=1e6)
    assert found.t1 == pytest.approx(t1, abs=0.5e-6)
    place = 2.0 * np.pi * larmor * found.correlation_time
    assert place == pytest.approx(0.6158, abs=0.5e-4)
    unit = 0.08 * np.pi**2 * 1e12 / (2.0 * np.pi * larmor)
    assert found.rate / unit == pytest.approx(1.4252, abs=0.5e-4)
    scanned = quadrupolar_rate(
        np.geomspace(1e-10, 1e-8, 20_001), larmor_hz=larmor, coupling_hz=1e6
    )
    assert found.rate == pytest.approx(scanned.max(), rel=1e-6)


def test_the_bound_on_the_coupling() -> None:
    found = coupling_bound(1.2e-3, larmor_hz=HIGH)
    assert float(found) == pytest.approx(0.785e6, abs=0.5e3)
    with_asymmetry = coupling_bound(1.2e-3, larmor_hz=HIGH, asymmetry=1.0)
    assert float(with_asymmetry * np.sqrt(4.0 / 3.0)) == pytest.approx(float(found))
    exactly = rate_maximum(larmor_hz=HIGH, coupling_hz=float(found)).t1
    assert exactly == pytest.approx(1.2e-3)


def test_both_correlation_times_give_the_t1_back() -> None:
    t1 = np.array([0.75e-3, 1.2e-3, 0.1, 30.0])
    for exponent in (2.0, 1.5):
        for tau in correlation_times(
            t1, larmor_hz=HIGH, coupling_hz=2e6, exponent=exponent
        ):
            back = quadrupolar_rate(
                tau, larmor_hz=HIGH, coupling_hz=2e6, exponent=exponent
            )
            np.testing.assert_allclose(1.0 / back, t1, rtol=1e-8)


def test_a_t1_below_the_minimum_has_no_correlation_time() -> None:
    fast, slow = correlation_times([0.7e-3, 0.75e-3], larmor_hz=HIGH, coupling_hz=1e6)
    assert np.isnan(fast[0])
    assert np.isnan(slow[0])
    assert fast[1] < 0.6158 / (2.0 * np.pi * HIGH) < slow[1]


def test_numbers_of_the_consistency_test() -> None:
    hops = np.array([1.74e-9, 2.73e-9])
    t1 = 1e3 / quadrupolar_rate(hops, larmor_hz=HIGH, coupling_hz=1e6)
    np.testing.assert_allclose(t1, [1.0, 1.3], atol=0.05)
    needed = required_coupling(1.2e-3, correlation_time=hops, larmor_hz=HIGH)
    np.testing.assert_allclose(needed, [0.90e6, 1.05e6], atol=0.006e6)
    hops = np.array([70e-9, 109e-9])
    t1 = 1e3 / quadrupolar_rate(hops, larmor_hz=HIGH, coupling_hz=1e6)
    np.testing.assert_allclose(t1, [31.0, 48.0], rtol=0.02)
    needed = required_coupling(7.3e-3, correlation_time=hops, larmor_hz=HIGH)
    np.testing.assert_allclose(needed, [2.0e6, 2.6e6], rtol=0.04)


def test_a_stretched_density_bends_the_slow_side() -> None:
    exponent = 1.6
    tau = np.array([1e-5, 1e-4])
    rate = quadrupolar_rate(tau, larmor_hz=HIGH, coupling_hz=1e6, exponent=exponent)
    slope = np.log(rate[1] / rate[0]) / np.log(10.0)
    assert slope == pytest.approx(1.0 - exponent, abs=1e-3)


def test_the_unsquared_prefactor_is_not_ours() -> None:
    """Off by the square of radians and by the coupling itself, 4e7 at 1 MHz."""
    ours = quadrupolar_rate(1e-9, larmor_hz=HIGH, coupling_hz=1e6)
    x = 2.0 * np.pi * HIGH * 1e-9
    printed = 0.02 * 1e6 * 1e-9 * (1.0 / (1.0 + x**2) + 4.0 / (1.0 + 4.0 * x**2))
    assert float(ours / printed) == pytest.approx(4.0 * np.pi**2 * 1e6, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"coupling_hz": 0.0}, "coupling_hz"),
        ({"larmor_hz": -1.0}, "larmor_hz"),
        ({"asymmetry": 1.2}, "asymmetry"),
        ({"spin": 0.5}, "spin"),
        ({"spin": 1.7}, "spin"),
        ({"exponent": 2.5}, "exponent"),
    ],
)
def test_values_out_of_range(change: dict[str, float], words: str) -> None:
    given = {"larmor_hz": HIGH, "coupling_hz": 1e6} | change
    with pytest.raises(SchemaError, match=words):
        quadrupolar_rate(1e-9, **given)
