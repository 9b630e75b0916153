"""The stoichiometric bound against linear programmes, draws and atoms themselves."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from refinement.crystallinity.closure import (
    Composition,
    crystallinity_bound,
    measured_composition,
    weighed_composition,
)
from refinement.crystallinity.closure.composition import atoms_per_gram, stoichiometry
from structkit.errors import StructureError

PHASES = ("NaTaCl6", "NaCl", "Na2O", "TaCl5")
STUDY = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 1}, relative_std=0.0)
# First-order propagation, and the sampling of 20 000 draws.
PROPAGATION = 0.05
N_DRAWS = 20_000
amounts = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4)


def programme(
    composition: Composition, ratios: Sequence[float], remainder: Sequence[str] | None
) -> float | None:
    """Return the largest weight fraction by HiGHS, None where there is none."""
    elements = composition.elements
    held = atoms_per_gram(stoichiometry(PHASES, None), elements)
    share = np.array(ratios) / sum(ratios)
    taken = composition.formula_mass * share @ held
    rest = (
        np.eye(len(elements))
        if remainder is None
        else 100.0 * atoms_per_gram(stoichiometry(remainder, None), elements)
    )
    found = linprog(
        np.r_[-1.0, np.zeros(len(rest))],
        A_eq=np.column_stack([taken, rest.T]),
        b_eq=composition.atoms,
        bounds=(0, None),
    )
    return float(found.x[0]) if found.status == 0 else None


@pytest.mark.parametrize(
    "remainder",
    [
        None,
        ("NaTaCl6", "NaTaO3", "Na2O"),
        ("NaTaCl6", "NaTaO3", "Na2O", "NaCl", "TaCl5"),
        ("TaCl5", "NaCl", "Na2O", "Ta2O5"),
        ("NaTaCl6", "Na2O"),
        ("Na3TaOCl6",),
        ("KCl", "NaTaCl6", "NaTaO3", "Na2O"),
    ],
    ids=["any", "reaction 1", "many rays", "oxides", "plane", "ray", "foreign"],
)
@settings(max_examples=25, deadline=None)
@given(ratios=amounts)
def test_it_is_the_linear_programme(
    remainder: tuple[str, ...] | None, ratios: list[float]
) -> None:
    assume(sum(ratios) > 0.1)
    ratios = [ratio if ratio > 1e-3 else 0.0 for ratio in ratios]
    crystalline = dict(zip(PHASES, ratios, strict=True))
    expected = programme(STUDY, ratios, remainder)
    if expected is None:
        with pytest.raises(StructureError, match="no mixture of these"):
            crystallinity_bound(STUDY, crystalline, remainder=remainder)
        return
    found = crystallinity_bound(STUDY, crystalline, remainder=remainder)
    assert float(found.crystallinity_max) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(ratios=amounts)
def test_atoms_and_mass_are_conserved(ratios: list[float]) -> None:
    assume(sum(ratios) > 0.1)
    found = crystallinity_bound(STUDY, dict(zip(PHASES, ratios, strict=True)))
    best = float(found.crystallinity_max)
    assert 0.0 <= best <= 1.0
    left = found["remainder_atoms"].to_numpy()
    assert np.all(left >= 0.0)
    np.testing.assert_allclose(np.min(left / STUDY.atoms), 0.0, atol=1e-9)
    masses = atoms_per_gram([{e: 1.0} for e in STUDY.elements], STUDY.elements)
    glass = float(left @ (1.0 / np.diag(masses))) / STUDY.formula_mass
    assert glass + best == pytest.approx(1.0, abs=1e-9)


def test_the_mixture_itself_may_be_crystalline_altogether() -> None:
    shares = {"NaCl": 58.443, "TaCl5": 358.213, "Na2O": 61.979}
    found = crystallinity_bound(STUDY, shares)
    assert float(found.crystallinity_max) == pytest.approx(1.0, abs=1e-5)


def test_a_remainder_may_demand_crystals() -> None:
    # Glass of x = 1 and oxide only: the rest of the chlorine must be salt.
    found = crystallinity_bound(STUDY, {"NaCl": 1.0}, remainder=("NaTaOCl4", "Na2O"))
    assert float(found.amorphous_fraction_high) == pytest.approx(0.7558, abs=1e-4)
    assert float(found.amorphous_fraction_min) == pytest.approx(0.7558, abs=1e-4)


def test_the_uncertainty_is_that_of_draws() -> None:
    rng = np.random.default_rng(7)
    mixture = {"NaCl": 1.0, "TaCl5": 1.0, "Na2O": 1.0}
    crystalline = {"NaCl": 0.7, "NaTaCl6": 0.3}
    covariance = np.array([[4e-4, -3e-4], [-3e-4, 4e-4]])
    weighed = weighed_composition(mixture, relative_std=0.01)
    found = crystallinity_bound(weighed, crystalline, covariance=covariance)
    at = weighed.elements.index(str(found.binding.item()))
    # Draw masses on the balance and fractions of the fit; then the formula by hand.
    moles = np.array(list(mixture.values())) * (
        1 + 0.01 * rng.standard_normal((N_DRAWS, 3))
    )
    per_mole = np.array(
        [
            [p.get(e, 0.0) for e in weighed.elements]
            for p in stoichiometry(mixture, None)
        ]
    )
    masses = moles @ np.array([58.443, 358.213, 61.979])
    supply = (moles @ per_mole)[:, at] / masses
    drawn = rng.multivariate_normal(list(crystalline.values()), covariance, N_DRAWS)
    drawn /= drawn.sum(axis=1)[:, None]
    demand = drawn @ atoms_per_gram(stoichiometry(crystalline, None), weighed.elements)
    spread = float(np.std(supply / demand[:, at]))
    assert float(found.crystallinity_max_std) == pytest.approx(spread, rel=PROPAGATION)
    low = 1 - float(found.crystallinity_max) - 1.645 * spread
    assert float(found.amorphous_fraction_low) == pytest.approx(low, abs=0.1 * spread)


def test_the_bound_holds_where_elements_compete() -> None:
    # Na and Cl bind within each other's errors: 95 % of the limits must still hold.
    rng = np.random.default_rng(11)
    truth = np.array([1.0, 1.0, 0.4])
    elements = ("Na", "Cl", "Ta")
    covariance = np.diag([0.02, 0.02, 0.01]) ** 2
    best = float(
        crystallinity_bound(
            Composition(elements=elements, atoms=truth, covariance=covariance),
            {"NaCl": 1.0},
        ).crystallinity_max
    )
    n_held = 0
    for _ in range(200):
        seen = Composition(
            elements=elements,
            atoms=truth * (1 + rng.standard_normal(3) * [0.02, 0.02, 0.025]),
            covariance=covariance,
        )
        limit = crystallinity_bound(seen, {"NaCl": 1.0}).crystallinity_max_high
        # The formula unit's mass is drawn too; compare in moles of salt.
        n_held += float(limit) * seen.formula_mass >= best * float(
            Composition(
                elements=elements, atoms=truth, covariance=covariance
            ).formula_mass
        )
    assert n_held >= 186


def test_ratios_without_covariance_have_no_uncertainty() -> None:
    found = crystallinity_bound(STUDY, {"NaCl": 0.5, "TaCl5": 0.5})
    assert np.isfinite(float(found.crystallinity_max))
    assert np.isnan(float(found.crystallinity_max_std))
    assert np.isnan(float(found.amorphous_fraction_low))


def test_a_phase_that_is_not_seen_does_not_bind() -> None:
    control = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 0}, relative_std=0)
    covariance = np.diag([1e-4, 1e-4])
    found = crystallinity_bound(
        control, {"NaCl": 0.99, "Na2O": 0.01}, covariance=covariance
    )
    alone = crystallinity_bound(control, {"NaCl": 1.0})
    assert float(found.crystallinity_max) == float(alone.crystallinity_max)
    with pytest.raises(StructureError, match="Na2O holds O, of which none was weighed"):
        crystallinity_bound(control, {"NaCl": 0.5, "Na2O": 0.5}, covariance=covariance)


def test_phases_may_have_names() -> None:
    named = crystallinity_bound(STUDY, {"halite": 1.0}, formulas={"halite": "NaCl"})
    plain = crystallinity_bound(STUDY, {"NaCl": 1.0})
    assert float(named.crystallinity_max) == float(plain.crystallinity_max)
    assert named.attrs["formula_mass"] == pytest.approx(478.635, abs=2e-3)


@pytest.mark.parametrize(
    ("crystalline", "options", "words"),
    [
        ({}, {}, "nothing to bound"),
        ({"NaCl": 0.0}, {}, "nothing to bound"),
        ({"NaCl": -1.0}, {}, "none negative"),
        ({"NaCl": float("nan")}, {}, "none negative"),
        ({"NaCl": 1.0}, {"covariance": np.zeros((2, 2))}, "shape"),
        ({"NaCl": 1.0}, {"remainder": ()}, "name the compounds"),
        ({"NaCl": 1.0}, {"remainder": ("Ta2O5",)}, "no mixture of these"),
        ({"ZrO2": 1.0}, {}, "ZrO2 holds Zr, of which none"),
    ],
    ids=["none", "zero", "negative", "nan", "shape", "empty", "impossible", "wear"],
)
def test_what_it_refuses(
    crystalline: dict[str, float], options: dict[str, object], words: str
) -> None:
    with pytest.raises(StructureError, match=words):
        crystallinity_bound(STUDY, crystalline, **options)  # type: ignore[arg-type]


def test_a_measured_composition_need_not_be_neutral() -> None:
    # Drawn ratios break the balance of charges a little; the bound must still hold.
    rng = np.random.default_rng(23)
    truth = dict(zip(STUDY.elements, STUDY.atoms, strict=True))
    std = {element: 0.02 * n for element, n in truth.items()}
    limits = []
    for _ in range(150):
        seen = {e: n + std[e] * rng.standard_normal() for e, n in truth.items()}
        measured = measured_composition(seen, std=std, formula_mass=478.635)
        found = crystallinity_bound(
            measured, {"NaCl": 1.0}, remainder=("NaTaCl6", "NaTaO3", "Na2O")
        )
        limits.append(float(found.amorphous_fraction_low))
    n_held = int(np.sum(np.array(limits) <= 0.7558))
    assert n_held >= 138
    assert min(limits) > 0.6
