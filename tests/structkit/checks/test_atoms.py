"""Atoms between techniques: the study's checks and balance by counting."""

from __future__ import annotations

import math

import pytest

from structkit.checks.atoms import (
    ceiling_of_product,
    census_of_sodium,
    composition_of_reaction,
    find_shares,
    limit_of_oxygen,
    oxygen_extent,
    unreacted_sodium_chloride,
)
from structkit.checks.finding import Verdict
from structkit.errors import StructureError
from structkit.nmr.stoichiometry import CEILING_X
from structkit.structures.composition import element_balance

TENTH_PERCENT = 5e-4
"""Shares are quoted to 0.1 %."""


def test_study_census() -> None:  # C07
    early = census_of_sodium(0.2943, share_std=0.008)
    late = census_of_sodium(0.384, share_std=0.01)
    assert (early.value, late.value) == pytest.approx((3.40, 2.60), abs=0.005)
    assert "115 % of the Na it can" in late.text
    assert "12 % of the Ta is not in the product" in early.text
    assert late.verdict is Verdict.TENSION
    assert early.verdict is Verdict.PASS
    assert late.std == pytest.approx(0.01 / 0.384**2)


def test_census_needs_an_uncertainty_and_a_share() -> None:
    unknown = census_of_sodium(0.384, share_std=math.nan)
    assert unknown.verdict is Verdict.NOT_TESTABLE
    wide = census_of_sodium(0.384, share_std=0.05)
    assert wide.verdict is Verdict.PASS
    with pytest.raises(StructureError, match="fraction"):
        census_of_sodium(38.4, share_std=1.0)


def test_study_unreacted_sodium_chloride() -> None:  # C07
    found = unreacted_sodium_chloride(0.2943, 0.0229, nacl_std=0.002)
    assert found.value == pytest.approx(0.039, abs=TENTH_PERCENT)
    assert found.verdict is Verdict.TENSION
    assert unreacted_sodium_chloride(0.2943, 0.05, nacl_std=0.002).verdict is (
        Verdict.PASS
    )


def test_study_ceiling() -> None:
    assert ceiling_of_product().value == pytest.approx(1.0 / 3.0)
    richer = ceiling_of_product({"NaCl": 1.0, "TaCl5": 1.0})
    assert richer.value == 1.0
    with pytest.raises(StructureError, match="Na and Ta"):
        ceiling_of_product({"NaCl": 1.0})


@pytest.mark.parametrize(
    ("x", "percent"), [(0.04, (33.3, 2.67, 64.0)), (0.0625, (33.3, 4.17, 62.5))]
)
def test_study_composition_of_reaction(  # C08
    x: float, percent: tuple[float, float, float]
) -> None:
    found = composition_of_reaction(x, x_std=0.01)
    shares = [100.0 * found[name].value for name in ("NTOC", "NaCl", "Na2O")]
    assert shares == pytest.approx(percent, abs=0.05)
    assert sum(shares) == pytest.approx(100.0)
    assert found["Na2O_reacted"].value == pytest.approx(x)
    assert found["NaCl"].std == pytest.approx(2.0 * 0.01 / 3.0)


@pytest.mark.parametrize("x", [0.0, 0.25, 1.0])
def test_composition_keeps_every_atom(x: float) -> None:
    found = composition_of_reaction(x)
    product = f"NaTaO{x:g}Cl{6 - 2 * x:g}" if x else "NaTaCl6"
    after = {
        product: 3.0 * found["NTOC"].value,
        "NaCl": 3.0 * found["NaCl"].value,
        "Na2O": 1.5 * found["Na2O"].value,
    }
    before = {"Na2O": 1.0, "NaCl": 1.0, "TaCl5": 1.0}
    assert max(map(abs, element_balance(before, after).values())) < 1e-12


def test_reaction_without_its_atoms_is_refused() -> None:
    with pytest.raises(StructureError, match="up to 1"):
        composition_of_reaction(1.1)
    with pytest.raises(StructureError, match="NaCl for every Ta"):
        composition_of_reaction(0.1, mixture={"Na2O": 1.0, "TaCl5": 1.0})


def test_study_shares_from_ratio() -> None:  # C05, C06
    found = find_shares(0.048, 8.0, nacl_std=0.002, ratio_std=0.2)
    values = [found[name].value for name in ("NTOC", "Na2O", "x")]
    assert values == pytest.approx([0.384, 0.568, 0.0625], abs=1e-9)
    early = values[0] / 1.3046
    assert early == pytest.approx(0.2943, abs=5e-5)
    other = find_shares(0.0229, early / 0.0229)
    assert other["x"].value == pytest.approx(0.0389, abs=5e-5)
    assert other["Na2O"].value == pytest.approx(0.683, abs=TENTH_PERCENT)
    with pytest.raises(StructureError, match="exceed"):
        find_shares(0.2, 8.0)


def test_study_oxygen_extent() -> None:  # C10
    found = oxygen_extent(0.0625, x_std=0.01)
    assert found["O_per_Cl"].value == pytest.approx(0.0106, abs=5e-5)
    assert found["Cl_removed"].value == pytest.approx(0.021, abs=TENTH_PERCENT)
    assert found["Ta_per_O"].value == pytest.approx(16.0)
    assert found["Ta_per_bridge"].value == pytest.approx(8.0)
    step = 1e-6
    slope = (
        oxygen_extent(0.0625 + step)["O_per_Cl"].value - found["O_per_Cl"].value
    ) / step
    assert found["O_per_Cl"].std == pytest.approx(0.01 * slope, rel=1e-4)
    assert math.isinf(oxygen_extent(0.0)["Ta_per_O"].value)


def test_study_limit_of_oxygen() -> None:  # C11
    found = limit_of_oxygen()
    assert found.value == CEILING_X == 1.0
    assert composition_of_reaction(CEILING_X)["Na2O"].value == pytest.approx(0.0)
    assert "75.6 : 24.4 by weight" in found.text
    assert limit_of_oxygen({"Na2O": 5.0, "NaCl": 1.0, "TaCl5": 1.0}).value == 3.0
