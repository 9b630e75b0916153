"""Every figure of SCIENCE B8 (and of A1 that rests on it), recomputed."""

import numpy as np
import pytest
import xarray as xr

from refinement.crystallinity.closure import (
    amorphous_remainder,
    crystallinity_bound,
    element_census,
    remainder_ratio,
    weighed_composition,
    weight_fraction_of_share,
)
from structkit.structures.composition import mixture_mass_fractions, molar_mass

STUDY = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 1}, relative_std=0.0)
# NaTaO_xCl_{6-2x} between its ends, and oxide: what Reaction 1 leaves beside NaCl.
REACTION_1 = ("NaTaCl6", "NaTaO3", "Na2O")
# Figures are printed to the thousandth of a gram, or to 0.1 wt%.
MASS, PERCENT = 2e-3, 5e-4
PHASES = ("NaTaCl6", "NaCl", "Na2O", "TaCl5")
MASSES = (416.656, 58.443, 61.979, 358.213)


def weights(*moles: float) -> dict[str, float]:
    """Return weight fractions of u, v, w, z moles per formula unit."""
    return {
        name: n * molar_mass(name) / STUDY.formula_mass
        for name, n in zip(PHASES, moles, strict=True)
    }


def atoms(found: xr.Dataset, name: str = "amorphous_atoms") -> dict[str, float]:
    """Return the atoms of a remainder."""
    elements = [str(element) for element in found["element"].to_numpy()]
    return dict(zip(elements, found[name].to_numpy().tolist(), strict=True))


def test_the_closed_composition() -> None:
    assert dict(zip(STUDY.elements, STUDY.atoms, strict=True)) == {
        "Na": 3.0,
        "Ta": 1.0,
        "O": 1.0,
        "Cl": 6.0,
    }
    assert STUDY.formula_mass == pytest.approx(478.635, abs=MASS)
    for name, mass in zip(PHASES, MASSES, strict=True):
        assert molar_mass(name) == pytest.approx(mass, abs=MASS)
    # Finding 2: the unmilled mixture.
    shares = mixture_mass_fractions({"NaCl": 1, "TaCl5": 1, "Na2O": 1})
    np.testing.assert_allclose(list(shares.values()), [0.122, 0.748, 0.129], atol=6e-4)


@pytest.mark.parametrize(
    "moles",
    [
        (0.0, 0.0, 0.0, 0.0),
        (0.2, 0.3, 0.4, 0.1),
        (0.0, 2.0, 0.0, 0.0),
        (0.5, 0.5, 0.75, 0.1),
        (0.0, 1.0, 1.0, 1.0),
    ],
    ids=str,
)
def test_the_formula_of_the_remainder(moles: tuple[float, ...]) -> None:
    u, v, w, z = moles
    found = amorphous_remainder(STUDY, weights(*moles))
    expected = {
        "Na": 3 - u - v - 2 * w,
        "Ta": 1 - u - z,
        "O": 1 - w,
        "Cl": 6 - 6 * u - v - 5 * z,
    }
    assert atoms(found) == pytest.approx(expected, abs=1e-9)
    alpha = 1 - np.dot(MASSES, moles) / 478.635
    assert float(found.amorphous_fraction) == pytest.approx(alpha, abs=1e-5)
    # Charge-neutral by itself.
    charges = {"Na": 1, "Ta": 5, "O": -2, "Cl": -1}
    charge = sum(charges[e] * n for e, n in atoms(found).items())
    assert charge == pytest.approx(0.0, abs=1e-9)


def test_salt_alone_without_any_assumption() -> None:
    found = crystallinity_bound(STUDY, {"NaCl": 1.0})
    assert float(found.crystallinity_max) == pytest.approx(0.366, abs=PERCENT)
    assert float(found.crystallinity_max) * 478.635 / 58.443 == pytest.approx(3, 1e-4)
    assert found.binding.item() == "Na"
    left = {"Na": 0.0, "Ta": 1.0, "O": 1.0, "Cl": 3.0}
    assert atoms(found, "remainder_atoms") == pytest.approx(left, abs=1e-9)


def test_salt_alone_under_reaction_1() -> None:
    found = crystallinity_bound(STUDY, {"NaCl": 1.0}, remainder=REACTION_1)
    assert float(found.crystallinity_max) == pytest.approx(0.244, abs=PERCENT)
    assert float(found.amorphous_fraction_min) == pytest.approx(0.756, abs=PERCENT)
    assert float(found.amorphous_fraction_low) == pytest.approx(0.756, abs=PERCENT)
    assert float(found.amorphous_fraction_high) == 1.0
    assert float(found.crystallinity_max) * 478.635 / 58.443 == pytest.approx(2, 1e-4)
    # At the bound the glass is NaTaOCl4 (A1, C11: x = 1, 75.6 and 24.4 wt%), and
    # what is used up is the oxide.
    assert found.binding.item() == "Na2O"
    glass = {"Na": 1.0, "Ta": 1.0, "O": 1.0, "Cl": 4.0}
    assert atoms(found, "remainder_atoms") == pytest.approx(glass, abs=1e-9)
    share = mixture_mass_fractions({"NaTaOCl4": 1, "NaCl": 2})["NaTaOCl4"]
    assert share == pytest.approx(float(found.amorphous_fraction_min), abs=1e-9)


@pytest.mark.parametrize("end", ["NaTaOCl4", "NaTaO3"])
def test_the_far_end_of_the_glass_does_not_matter(end: str) -> None:
    found = crystallinity_bound(
        STUDY, {"NaCl": 1.0}, remainder=("NaTaCl6", end, "Na2O")
    )
    assert float(found.amorphous_fraction_min) == pytest.approx(0.756, abs=PERCENT)


def test_what_nmr_says_of_the_4_h_sample() -> None:
    salt = weight_fraction_of_share(STUDY, "NaCl", element="Na", share=0.0480)
    assert 0.048 * 3 == pytest.approx(0.144)
    assert salt == pytest.approx(0.0176, abs=5e-5)
    found = amorphous_remainder(STUDY, {"NaCl": salt})
    assert float(found.amorphous_fraction) == pytest.approx(0.98, abs=5e-3)
    oxide = weight_fraction_of_share(STUDY, "Na2O", element="Na", share=0.568)
    assert oxide == pytest.approx(0.11, abs=5e-3)
    # Finding 5: by closure, 11 to 12 wt%.
    unreacted = (1 - 0.0625) * molar_mass("Na2O") / STUDY.formula_mass
    assert 0.11 < unreacted < 0.122


def test_oxygen_over_tantalum_of_the_halo() -> None:
    # No more than 1 while no tantalum is crystalline ...
    for w in (0.0, 0.3, 1.0):
        found = amorphous_remainder(STUDY, weights(0.0, 0.144, w, 0.0))
        assert float(remainder_ratio(found, "O", "Ta").atom_ratio) == pytest.approx(
            1 - w, abs=1e-9
        )
    # ... and more than 1 where tantalum crystallises without oxygen.
    found = amorphous_remainder(STUDY, weights(0.5, 0.0, 0.2, 0.0))
    assert float(remainder_ratio(found, "O", "Ta").atom_ratio) == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("glass", "salt", "oxide", "residual"),
    # A1, C07: Na/Ta by NMR 2.60 at 4 h and 3.40 at 1 h, 3.00 weighed.
    [(0.384, 0.0480, 0.568, -0.40), (0.2943, 0.0229, 0.683, 0.40)],
    ids=["4 h", "1 h"],
)
def test_the_census_of_sodium(
    glass: float, salt: float, oxide: float, residual: float
) -> None:
    held = {"glass": 1.0, "NaCl": salt / glass, "Na2O": oxide / glass}
    # Shares to half a per cent of the sodium.
    std = dict.fromkeys(held, 0.005 / glass)
    weighed = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 1})
    found = element_census(weighed, "Na", held, std=std)
    assert float(found.census_residual) == pytest.approx(residual, abs=0.006)
    assert abs(float(found.census_z)) > 5.0


def test_sodium_of_the_closed_reaction() -> None:
    # A1, C08: shares of sodium in glass, salt and oxide, in per cent.
    for x, shares in ((0.04, (33.3, 2.67, 64.0)), (0.0625, (33.3, 4.17, 62.5))):
        held = {"glass": 1.0, "NaCl": 2 * x, "Na2O": 2 * (1 - x)}
        found = [100 * n / 3 for n in held.values()]
        assert found == pytest.approx(shares, abs=0.05)
        census = element_census(STUDY, "Na", held, std=dict.fromkeys(held, 0.01))
        assert float(census.census_residual) == pytest.approx(0.0, abs=1e-12)


def test_a_control_without_oxide() -> None:
    control = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 0}, relative_std=0)
    found = crystallinity_bound(control, {"NaCl": 1.0}, remainder=("NaTaCl6", "TaCl5"))
    # All salt may stay beside all chloride.
    assert float(found.crystallinity_max) == pytest.approx(58.443 / 416.656, rel=1e-4)
    assert found.binding.item() == "NaTaCl6"
    full = crystallinity_bound(control, {"NaTaCl6": 1.0})
    assert float(full.crystallinity_max) == pytest.approx(1.0, abs=1e-12)


def test_the_weighing_goes_through() -> None:
    # SCIENCE B8 d: nominal with 0.5 % of each mass.
    weighed = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 1})
    found = crystallinity_bound(weighed, {"NaCl": 1.0}, remainder=REACTION_1)
    assert 0.0 < float(found.crystallinity_max_std) < 0.01
    assert 0.74 < float(found.amorphous_fraction_low) < 0.756
