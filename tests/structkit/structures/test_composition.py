"""Formulae, masses and element balances."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structkit.errors import StructureError
from structkit.structures.composition import (
    element_balance,
    format_formula,
    mass_fractions,
    mixture_elements,
    mixture_mass_fractions,
    molar_mass,
    parse_formula,
    reduce_formula,
)


@pytest.mark.parametrize(
    ("formula", "atoms"),
    [
        ("NaTaCl6", {"Na": 1, "Ta": 1, "Cl": 6}),
        ("Na4 Ta4 Cl24", {"Na": 4, "Ta": 4, "Cl": 24}),
        ("Ca5(PO4)3F", {"Ca": 5, "P": 3, "O": 12, "F": 1}),
        ("K2[Fe(CN)6]2", {"K": 2, "Fe": 2, "C": 12, "N": 12}),
        ("Li0.5Mn2O4", {"Li": 0.5, "Mn": 2, "O": 4}),
        ("D2O", {"H": 2, "O": 1}),
        ("Mg(OH)2", {"Mg": 1, "O": 2, "H": 2}),
    ],
)
def test_parses_formulae(formula, atoms):
    assert parse_formula(formula) == pytest.approx(atoms)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("", "no atoms"),
        ("Na(Cl", "not closed"),
        ("NaCl)", "not opened"),
        ("NaXx", "'Xx' is no element"),
        ("NaCl+", "cannot read"),
        ("Na0Cl", "holds no atoms"),
        ("CuSO4·5H2O", "hydrates"),
    ],
)
def test_refuses_what_is_no_formula(formula, words):
    with pytest.raises(StructureError, match=words):
        parse_formula(formula)


ELEMENTS = st.sampled_from(["H", "Li", "O", "Na", "Cl", "Fe", "La", "Ta", "Pb", "U"])


@given(st.dictionaries(ELEMENTS, st.integers(1, 30), min_size=1))
def test_written_formulae_read_back(atoms):
    assert parse_formula(format_formula(atoms)) == pytest.approx(atoms)


@given(st.dictionaries(ELEMENTS, st.integers(1, 30), min_size=1), st.integers(1, 9))
def test_reducing_undoes_multiplying(atoms, units):
    once, divisor = reduce_formula(atoms)
    again, larger = reduce_formula({name: units * n for name, n in atoms.items()})
    assert again == pytest.approx(once)
    assert larger == units * divisor


@pytest.mark.parametrize(
    "formula", ["NaTaCl6", "Na2O", "TaOCl3", "NaAlCl4", "Al2O3", "LaB6", "CsPbBr3"]
)
def test_writes_formulae_as_chemists_do(formula):
    assert format_formula(parse_formula(formula)) == formula


def test_masses_of_the_unmilled_mixture():
    # NaCl + TaCl5 + Na2O: 12.2 / 74.8 / 12.9 per cent (SCIENCE.md, finding 2).
    shares = mixture_mass_fractions({"NaCl": 1, "TaCl5": 1, "Na2O": 1})
    expected = {"NaCl": 0.122, "TaCl5": 0.748, "Na2O": 0.129}
    assert shares == pytest.approx(expected, abs=6e-4)
    assert molar_mass("TaCl5") == pytest.approx(358.21, abs=0.01)
    assert sum(mass_fractions("NaTaCl6").values()) == pytest.approx(1.0)


def test_reaction_conserves_elements_and_a_loss_shows():
    before = {"NaCl": 1, "TaCl5": 1}
    assert element_balance(before, {"NaTaCl6": 1}) == pytest.approx(
        {"Na": 0, "Ta": 0, "Cl": 0}, abs=1e-12
    )
    lost = element_balance(before, {"NaTaCl6": 0.95, "NaCl": 0.05})
    assert lost == pytest.approx({"Na": 0, "Ta": -0.05, "Cl": -0.25})
    assert mixture_elements({"CsBr": 1, "PbBr2": 1}) == {"Cs": 1, "Br": 3, "Pb": 1}


@pytest.mark.parametrize("mixture", [{}, {"NaCl": -1.0}, {"NaCl": 0.0}])
def test_refuses_an_empty_mixture(mixture):
    with pytest.raises(StructureError, match="positive moles"):
        mixture_mass_fractions(mixture)
