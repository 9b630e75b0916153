"""The slow form draws field gradients and diagonalises the Hamiltonian of each."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.nmr.czjzek import (
    evaluate_czjzek,
    second_order_scale,
    sigma_cq_of_scale,
    tabulate_distribution,
)

LARMOR = 132.294
SPIN = 1.5
N_CRYSTALLITES = 6000
N_ROTOR = 24
QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
SAMPLING = 4.0
"""Sigmas of a quantile of as many crystallites."""
THIRD_ORDER = 2e-3
"""Of a mean of 1: what exact energies hold beyond second order at this field."""


def spin_matrices() -> list[np.ndarray]:
    m = np.arange(SPIN, -SPIN - 1.0, -1.0)
    raising = np.diag(np.sqrt(SPIN * (SPIN + 1.0) - m[1:] * (m[1:] + 1.0)), 1)
    return [
        (raising + raising.T) / 2.0 + 0j,
        (raising - raising.T) / 2j,
        np.diag(m) + 0j,
    ]


def draw_gradients(generator: np.random.Generator) -> np.ndarray:
    """Return random tensors, five normal components each (Czjzek), in MHz."""
    u = generator.normal(size=(5, N_CRYSTALLITES))
    root = np.sqrt(3.0)
    tensor = np.zeros((N_CRYSTALLITES, 3, 3))
    tensor[:, 2, 2] = u[0]
    tensor[:, 0, 0] = 0.5 * (root * u[4] - u[0])
    tensor[:, 1, 1] = -0.5 * (root * u[4] + u[0])
    for (i, k), component in zip(((0, 1), (0, 2), (1, 2)), u[1:4], strict=True):
        tensor[:, i, k] = tensor[:, k, i] = 0.5 * root * component
    return tensor


def spin_crystallites(tensor: np.ndarray) -> np.ndarray:
    """Return shifts (ppm) of the central transition, averaged over a rotor turn."""
    spins = spin_matrices()
    pairs = np.array([[0.5 * (a @ b + b @ a) for b in spins] for a in spins])
    magic = np.arccos(1.0 / np.sqrt(3.0))
    c, s = np.cos(magic), np.sin(magic)
    tilt = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    total = np.zeros(N_CRYSTALLITES)
    for phase in 2.0 * np.pi * np.arange(N_ROTOR) / N_ROTOR:
        c, s = np.cos(phase), np.sin(phase)
        turn = tilt @ np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        laboratory = turn @ tensor @ turn.T
        coupling = np.einsum("nij,ijkl->nkl", laboratory, pairs)
        coupling /= 2.0 * SPIN * (2.0 * SPIN - 1.0)
        energy = np.linalg.eigvalsh(LARMOR * spins[2] + coupling)
        total += energy[:, 2] - energy[:, 1] - LARMOR
    return total / N_ROTOR / LARMOR * 1e6


def test_distribution_is_that_of_exact_energies_of_random_gradients() -> None:
    tensor = draw_gradients(np.random.default_rng(6))
    found = -spin_crystallites(tensor) / second_order_scale(1.0, LARMOR)
    strength = 2.0 / 3.0 * (tensor**2).sum(axis=(1, 2))
    orientation = found - strength / 5.0
    spread = orientation.std() / np.sqrt(N_CRYSTALLITES)
    assert abs(orientation.mean()) < SAMPLING * spread + THIRD_ORDER
    node, weight = tabulate_distribution()
    cumulative = np.cumsum(weight) - 0.5 * weight
    for quantile in QUANTILES:
        below = np.mean(found < np.interp(quantile, cumulative, node))
        spread = np.sqrt(quantile * (1.0 - quantile) / N_CRYSTALLITES)
        assert abs(below - quantile) < SAMPLING * spread


def test_line_is_the_broadened_distribution_summed_node_by_node() -> None:
    shift = np.linspace(-150.0, 60.0, 421)
    node, weight = tabulate_distribution()
    scale, fwhm = 12.0, 2.0
    distance = shift[:, None] - 3.0 + scale * node[None, :]
    sigma = fwhm / np.sqrt(8.0 * np.log(2.0))
    gauss = np.exp(-0.5 * (distance / sigma) ** 2) / (sigma * np.sqrt(2.0 * np.pi))
    line = evaluate_czjzek(shift, 3.0, fwhm, share=0.0, scale=scale).line.value[0]
    np.testing.assert_allclose(line, gauss @ weight, atol=1e-6 * line.max())


def test_line_has_its_tail_to_lower_shifts() -> None:
    shift = np.linspace(-200.0, 100.0, 3001)
    line = evaluate_czjzek(shift, 0.0, 1.0, share=0.0, scale=10.0).line.value[0]
    top = shift[np.argmax(line)]
    assert -10.0 < top < 0.0
    assert line[shift < top - 15.0].sum() > 20.0 * line[shift > top + 15.0].sum()


def test_derivatives_are_those_of_differences() -> None:
    shift = np.linspace(-80.0, 30.0, 301)
    start = np.array([1.0, np.log(3.0), 0.3, np.log(7.0)])

    def value(p: np.ndarray) -> np.ndarray:
        return evaluate_czjzek(
            shift, p[0], float(np.exp(p[1])), share=p[2], scale=float(np.exp(p[3]))
        ).line.value[0]

    found = evaluate_czjzek(shift, 1.0, 3.0, share=0.3, scale=7.0)
    columns = (
        found.line.by_centre[0],
        found.line.by_log_width[0],
        found.line.by_share[0],
        found.by_log_scale,
    )
    for place, column in enumerate(columns):
        step = np.zeros(4)
        step[place] = 1e-5
        slow = (value(start + step) - value(start - step)) / 2e-5
        assert np.abs(column - slow).max() < 1e-7


def test_scale_and_width_of_distribution_go_back_and_forth() -> None:
    assert sigma_cq_of_scale(second_order_scale(0.8, LARMOR), LARMOR) == pytest.approx(
        0.8
    )
    # (P_Q / nu)^2 / 40 for I = 3/2; the mean of P_Q^2 is five times sigma squared.
    assert second_order_scale(1.0, 100.0) == pytest.approx(1e6 * 5.0 / 40.0 / 100.0**2)
