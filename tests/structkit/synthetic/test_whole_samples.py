"""The powders of a whole series: their atoms, their places, what is measured."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.synthetic.study_truth import ADVERSARIES, Adversary, StudyTruth
from structkit.synthetic.whole_samples import (
    CONTROL,
    MEMBERS,
    SeriesSample,
    find_warmed,
    list_series,
)

# every number here is a sum of a few products: rounding
ATOMS = 1e-12
WEIGHED = {
    "series": {"Na": 3.0, "Ta": 1.0, "O": 1.0, "Cl": 6.0},
    "salt": {"Na": 1.0, "Ta": 1.0, "O": 0.0, "Cl": 6.0},
    "oxide": {"Na": 2.0, "Ta": 1.0, "O": 1.0, "Cl": 5.0},
}
KINDS = {"NTC": "salt", "NTC-4": "salt", "Na2O-TaCl5": "oxide"}
ALL = {"members": MEMBERS, "spiked": "4h", "all_nmr": True}


def whole(truth: StudyTruth | None = None, **options: object) -> list[SeriesSample]:
    return list_series(truth or StudyTruth(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
@pytest.mark.parametrize("adversary", [None, *ADVERSARIES])
def test_atoms_are_conserved_in_every_sample(
    seed: int | None, adversary: Adversary | None
) -> None:
    truth = (
        StudyTruth() if seed is None else StudyTruth.draw(np.random.default_rng(seed))
    )
    samples = whole(truth, adversary=adversary, **ALL)
    assert len(samples) == 11
    for one in samples:
        due = dict(WEIGHED[KINDS.get(one.name, "series")])
        if adversary == "evaporated" and one.name not in (*KINDS, "unmilled"):
            due |= {"Ta": 0.95, "Cl": 5.75}
        crystals = one.contents
        for element, count in due.items():
            compounds = one.species.atoms[element]
            assert compounds == pytest.approx(count, abs=ATOMS), one.name
            assert crystals.weighed.get(element, 0.0) == pytest.approx(count, abs=ATOMS)
        assert one.species.crystal == pytest.approx(
            crystals.crystalline.get("NaTaCl6", 0.0), abs=ATOMS
        )


def test_powders_are_what_they_are_called() -> None:
    found = {one.name: one for one in whole(**ALL)}
    assert found["NTC"].glass_share == pytest.approx(0.02)
    assert found["NTC"].species.nacl == 0.0
    glass = found["Na2O-TaCl5"]
    assert glass.glass_share == glass.product_glass_share == 1.0
    assert sum(glass.contents.weight_fractions.values()) == 0.0
    assert (glass.species.oxygen, glass.species.na2o) == (0.5, 0.5)
    shares = [found[name].glass_share for name in ("1h", "2h", "4h", "6h")]
    assert shares == sorted(shares)
    assert found["annealed"].glass_share < found["aged"].glass_share < shares[2]
    assert found["aged"].sample.age_h == 240.0
    assert found["4h_spiked"].species == found["4h"].species
    assert found["4h_spiked"].measured == ("xrd",)


def test_blank_holds_the_salt_that_milling_leaves() -> None:
    truth = StudyTruth()
    found = {one.name: one for one in whole(truth)}
    left = found["4h"].contents.crystalline["NaCl"]
    by_product = 2.0 * found["4h"].species.oxygen * found["4h"].species.glass
    assert found[CONTROL].species.nacl == pytest.approx(left - by_product, abs=ATOMS)


def test_techniques_measure_what_they_did_in_the_study() -> None:
    usual = {one.name: one.measured for one in whole()}
    assert list(usual) == [
        *("unmilled", "NTC", "NTC-4", "1h", "2h", "4h", "6h", "Na2O-TaCl5")
    ]
    assert usual["unmilled"] == ("xrd", "raman")
    assert usual["2h"] == ("xrd", "raman", "eis")
    assert usual["4h"] == usual["NTC"] == ("xrd", "raman", "eis", "nmr")
    assert usual[CONTROL] == ("eis", "nmr")
    everything = {one.name: one.measured for one in whole(**ALL)}
    assert "nmr" in everything["2h"]
    assert "xrd" in everything[CONTROL]
    alone = whole(techniques=("raman",))
    assert CONTROL not in [one.name for one in alone]
    assert {one.measured for one in alone} == {("raman",)}


def test_series_of_temperatures_is_of_4_h_or_the_last() -> None:
    assert find_warmed(whole()) == "4h"
    assert find_warmed(whole(times_h=(1.0, 3.0))) == "3h"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": ("NTC-5",)}, "there is no 'NTC-5'; choose of NTC, NTC-4"),
        ({"techniques": ("sem",)}, "there is no 'sem'; choose of xrd"),
        ({"spiked": "3h"}, "choose one of unmilled"),
    ],
)
def test_mistakes_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        whole(**options)
