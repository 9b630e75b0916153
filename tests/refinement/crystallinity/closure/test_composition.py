"""Composition of the whole sample: weighed, measured, one against the other."""

import numpy as np
import pytest

from refinement.crystallinity.closure import (
    Composition,
    compare_composition,
    element_census,
    measured_composition,
    weighed_composition,
    weight_fraction_of_share,
)
from structkit.errors import StructureError

MIXTURE = {"NaCl": 1.0, "TaCl5": 1.0, "Na2O": 1.0}
WEIGHED = weighed_composition(MIXTURE)
NOMINAL = dict(zip(WEIGHED.elements, WEIGHED.atoms.tolist(), strict=True))
N_DRAWS = 20_000


def test_the_covariance_of_a_weighing() -> None:
    rng = np.random.default_rng(2)
    masses = [58.4428, 358.213, 61.979] * (
        1 + 0.005 * rng.standard_normal((N_DRAWS, 3))
    )
    moles = masses / [58.4428, 358.213, 61.979]
    moles *= 478.6348 / masses.sum(axis=1)[:, None]
    salt, chloride, oxide = moles.T
    drawn = {
        "Na": salt + 2 * oxide,
        "Cl": salt + 5 * chloride,
        "Ta": chloride,
        "O": oxide,
    }
    expected = np.cov(np.array([drawn[e] for e in WEIGHED.elements]))
    assert WEIGHED.covariance == pytest.approx(expected, rel=0.05, abs=2e-7)


@pytest.mark.parametrize("kind", ["weighed", "measured"])
def test_the_mass_is_fixed(kind: str) -> None:
    errors = dict.fromkeys(NOMINAL, 0.05)
    found = {
        "weighed": WEIGHED,
        "measured": measured_composition(NOMINAL, std=errors, formula_mass=478.6348),
    }[kind]
    masses = {"Na": 22.98977, "Cl": 35.453, "Ta": 180.9479, "O": 15.9994}
    column = np.array([masses[e] for e in found.elements])
    assert found.formula_mass == pytest.approx(478.635, abs=2e-3)
    left = np.abs(found.covariance @ column)
    np.testing.assert_allclose(left, 0.0, atol=1e-4 * np.abs(column).max() * 0.01)


def test_the_covariance_of_a_measurement() -> None:
    rng = np.random.default_rng(4)
    percent = {"Na": 27.0, "Ta": 9.3, "O": 8.7, "Cl": 55.0}
    std = {"Na": 0.5, "Ta": 0.3, "O": 0.4, "Cl": 0.6}
    found = measured_composition(percent, std=std, formula_mass=478.635)
    drawn = rng.normal(list(percent.values()), list(std.values()), (N_DRAWS, 4))
    column = np.array([22.98977, 180.9479, 15.9994, 35.453])
    drawn *= 478.635 / (drawn @ column)[:, None]
    np.testing.assert_allclose(found.atoms, drawn.mean(axis=0), rtol=3e-3)
    spread = np.sqrt(np.diag(found.covariance))
    np.testing.assert_allclose(spread, drawn.std(axis=0), rtol=0.03)


def test_units_of_a_measurement_do_not_matter() -> None:
    std = dict.fromkeys(NOMINAL, 0.05)
    tenfold = measured_composition(
        {e: 10 * n for e, n in NOMINAL.items()},
        std={e: 10 * s for e, s in std.items()},
        formula_mass=478.635,
    )
    plain = measured_composition(NOMINAL, std=std, formula_mass=478.635)
    np.testing.assert_allclose(tenfold.atoms, plain.atoms)
    np.testing.assert_allclose(tenfold.covariance, plain.covariance, atol=1e-15)


def test_agreement_is_silent() -> None:
    # at.% of the nominal composition without oxygen, which the method does not see
    found = compare_composition(
        WEIGHED,
        {"Na": 30.2, "Ta": 9.9, "Cl": 59.9},
        std={"Na": 0.6, "Ta": 0.3, "Cl": 1},
    )
    assert int(found.degrees_of_freedom) == 2
    assert float(found.p_value) > 0.5
    assert found.remark.item() == ""


def test_chi_square_has_its_distribution() -> None:
    rng = np.random.default_rng(8)
    std = {"Na": 0.6, "Ta": 0.3, "Cl": 1.0}
    exact = weighed_composition(MIXTURE, relative_std=0.0)
    values = []
    for _ in range(400):
        seen = {e: 10 * NOMINAL[e] + s * rng.standard_normal() for e, s in std.items()}
        values.append(float(compare_composition(exact, seen, std=std).chi_square))
    # Mean 2 with a standard error of 0.1; a twentieth above the 95 % point.
    assert np.mean(values) == pytest.approx(2.0, abs=0.3)
    assert 0.02 < np.mean(np.array(values) > 5.99) < 0.09


def test_evaporated_chloride_is_named() -> None:
    # 15 % of the TaCl5 is gone.
    found = compare_composition(
        WEIGHED,
        {"Na": 30.0, "Ta": 8.5, "Cl": 52.5},
        std={"Na": 0.4, "Ta": 0.2, "Cl": 0.6},
    )
    assert float(found.p_value) < 0.01
    assert float(found.deviation.sel(element="Ta")) < -0.03
    remark = str(found.remark.item())
    assert "Ta -" in remark
    assert "disagree" in remark


def test_an_element_that_entered() -> None:
    found = compare_composition(
        WEIGHED,
        {"Na": 30.0, "Ta": 10.0, "Cl": 60.0, "Zr": 3.0},
        std={"Na": 0.4, "Ta": 0.2, "Cl": 0.6, "Zr": 0.2},
    )
    assert "Zr found, none weighed in" in str(found.remark.item())
    assert np.isnan(float(found.deviation.sel(element="Zr")))


@pytest.mark.parametrize(
    ("atoms", "std", "words"),
    [
        ({"Na": 1.0}, {}, "no standard uncertainty"),
        ({"Na": -1.0, "Cl": 1.0}, {"Na": 0.1, "Cl": 0.1}, "not negative"),
        ({"NaCl": 1.0}, {"NaCl": 0.1}, "a symbol for each"),
        ({"Na": float("nan")}, {"Na": 0.1}, "finite"),
        ({"Na": 1.0}, {"Na": 0.1}, "two elements or more"),
        ({"Na": 1.0, "Cl": 2.0}, {"Na": 0.1, "Cl": 0.0}, "positive"),
        ({"Zr": 1.0, "Y": 2.0}, {"Zr": 0.1, "Y": 0.1}, "one of them weighed in"),
    ],
    ids=["no std", "negative", "formula", "nan", "lone", "exact", "strangers"],
)
def test_what_a_comparison_refuses(
    atoms: dict[str, float], std: dict[str, float], words: str
) -> None:
    with pytest.raises(StructureError, match=words):
        compare_composition(WEIGHED, atoms, std=std)


def test_what_a_composition_refuses() -> None:
    with pytest.raises(StructureError, match="one number for each"):
        Composition(elements=("Na",), atoms=np.ones(2), covariance=np.eye(2))
    with pytest.raises(StructureError, match="none negative"):
        Composition(elements=("Na",), atoms=-np.ones(1), covariance=np.eye(1))
    with pytest.raises(StructureError, match="relative_std"):
        weighed_composition(MIXTURE, relative_std=-0.1)
    with pytest.raises(StructureError, match="mass must be positive"):
        measured_composition({"Na": 0.0}, std={"Na": 0.1})


def test_what_a_census_refuses() -> None:
    with pytest.raises(StructureError, match="no standard uncertainty"):
        element_census(WEIGHED, "Na", {"NaCl": 1.0}, std={})
    with pytest.raises(StructureError, match="census of Zr"):
        element_census(WEIGHED, "Zr", {}, std={})
    with pytest.raises(StructureError, match="hold the element"):
        weight_fraction_of_share(WEIGHED, "NaCl", element="Ta", share=0.1)
    with pytest.raises(StructureError, match=r"0\.\.1"):
        weight_fraction_of_share(WEIGHED, "NaCl", element="Na", share=1.1)
