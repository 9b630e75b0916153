"""Incoherent scattering against its limits, the coherent tables, and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from structkit.xrd.incoherent import (
    _orbitals,
    incoherent_of_formula,
    incoherent_scattering,
)
from structkit.xrd.scattering import form_factor

ORBITALS_AGAINST_TABLE = 0.12
"""Slater's orbitals give f0 to about a tenth of Z in the range of a lab tube."""
S = np.linspace(0.0, 0.6, 25)


@pytest.mark.parametrize("element", ["H", "O", "Na", "Cl", "Ta", "Pb"])
def test_starts_at_zero_and_rises_to_the_number_of_electrons(element: str) -> None:
    """No electron is knocked out forwards, all are at large angles."""
    found = incoherent_scattering(element, np.linspace(0.0, 60.0, 400))
    number = found[-1]
    assert found[0] == pytest.approx(0.0, abs=1e-6)
    assert number == pytest.approx(round(number), abs=0.5)
    assert np.all(np.diff(found) > -1e-3 * number)


@pytest.mark.parametrize("element", ["O", "Na", "Cl", "Ta"])
def test_orbitals_give_the_coherent_form_factor(element: str) -> None:
    """The same orbitals, added coherently, are the tabulated f0."""
    import gemmi

    number = gemmi.Element(element).atomic_number
    total = np.zeros_like(S)
    for n, zeta, electrons in _orbitals(number):
        t = np.maximum(4.0 * np.pi * S * 0.529177210903 / (2.0 * zeta), 1e-9)
        f = np.sin(2 * n * np.arctan(t)) / (2 * n * t * (1 + t * t) ** n)
        total += electrons * f
    assert sum(electrons for _, _, electrons in _orbitals(number)) == number
    misfit = np.abs(total - form_factor(element, S)) / number
    assert misfit.max() < ORBITALS_AGAINST_TABLE


def test_form_factor_of_an_orbital_against_quadrature() -> None:
    """The closed form is the Fourier transform of the density."""
    n, zeta, q = 3.7, 2.1, 1.3
    t = q / (2 * zeta)
    closed = np.sin(2 * n * np.arctan(t)) / (2 * n * t * (1 + t * t) ** n)

    def density(r: float) -> float:
        return float(r ** (2 * n) * np.exp(-2 * zeta * r))

    norm = quad(density, 0.0, 60.0)[0]
    slow = quad(lambda r: density(r) * np.sinc(q * r / np.pi), 0.0, 60.0)[0] / norm
    assert closed == pytest.approx(slow, rel=1e-6)


def test_is_below_the_bound_of_one_average_electron() -> None:
    """Schwarz: the sum of squares is at least the square of the sum over Z."""
    for element, number in (("Na", 11), ("Cl", 17), ("Ta", 73)):
        bound = number - form_factor(element, S) ** 2 / number
        slack = 0.1 * number
        assert np.all(incoherent_scattering(element, S) < bound + slack)


def test_adds_up_over_a_formula() -> None:
    """Atoms scatter incoherently each for itself."""
    found = incoherent_of_formula({"Na": 1.0, "Cl": 2.0}, S)
    expected = incoherent_scattering("Na", S) + 2.0 * incoherent_scattering("Cl", S)
    assert np.allclose(found, expected)
