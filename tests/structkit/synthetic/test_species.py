"""Compounds hold the atoms of the sample, whatever is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.synthetic.species import share_out
from structkit.synthetic.study_truth import StudyTruth, fill, without_oxide

# what the study itself promises
ATOMS = 1e-12


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("time_h", [0.0, 1.0, 4.0, 6.0])
def test_atoms_are_conserved(seed: int, time_h: float) -> None:
    truth = StudyTruth.draw(np.random.default_rng(seed))
    contents = fill(truth, time_h)
    found = share_out(contents, oxygen=truth.oxygen(time_h))
    for element, count in contents.weighed.items():
        assert found.atoms[element] == pytest.approx(count, abs=ATOMS)
    assert sum(found.sodium.values()) == pytest.approx(1.0, abs=ATOMS)
    assert sum(found.volumes.values()) == pytest.approx(1.0, abs=ATOMS)
    parts = (found.crystal, found.glass, found.nacl, found.na2o, found.tacl5)
    assert min(parts) >= -ATOMS


def test_by_product_is_two_x_of_the_glass() -> None:
    truth = StudyTruth(nacl_blank=0.0, precursor_rate=20.0)
    found = share_out(fill(truth, 4.0), oxygen=truth.oxygen(4.0))
    assert found.nacl == pytest.approx(2.0 * found.oxygen * found.glass, abs=1e-9)
    ratio = found.sodium["NaCl"] / found.sodium["product"]
    assert 0.5 * ratio == pytest.approx(found.product_oxygen, abs=1e-9)


def test_the_control_holds_a_twentieth_of_its_sodium_in_salt() -> None:
    found = share_out(without_oxide(), oxygen=0.0)
    assert found.sodium["NaCl"] == pytest.approx(0.05)
    assert found.na2o == 0.0


def test_oxygen_of_another_time_is_refused() -> None:
    with pytest.raises(PlanError, match=r"0\.\.0\.5"):
        share_out(fill(StudyTruth(), 4.0), oxygen=0.7)
