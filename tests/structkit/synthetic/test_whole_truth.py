"""One study behind all techniques, and whom an adversary concerns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from structkit.errors import PlanError
from structkit.synthetic.eis_truth import EIS_ADVERSARIES, EisTruth
from structkit.synthetic.nmr_truth import NMR_ADVERSARIES, NmrTruth
from structkit.synthetic.raman_truth import RAMAN_ADVERSARIES
from structkit.synthetic.study_truth import ADVERSARIES, StudyTruth
from structkit.synthetic.whole_truth import (
    SERIES_ADVERSARIES,
    Misled,
    SeriesTruth,
    assign_adversary,
    mislead_nmr,
)


def test_every_adversary_concerns_someone() -> None:
    named = {*ADVERSARIES, *RAMAN_ADVERSARIES, *EIS_ADVERSARIES, *NMR_ADVERSARIES}
    assert set(SERIES_ADVERSARIES) == named | {"biased_raman"}
    for name in SERIES_ADVERSARIES:
        misled = assign_adversary(name)  # type: ignore[arg-type]
        told = [misled.study, misled.raman, misled.eis, misled.nmr]
        assert [one for one in told if one] == [name][: name != "biased_raman"]
        assert misled.raman_bias == (0.2 if name == "biased_raman" else 0.0)
        assert SERIES_ADVERSARIES[name]
    # what acts on the amounts is seen by all, not by Raman alone
    assert assign_adversary("tacl5_residue") == Misled(study="tacl5_residue")
    assert assign_adversary(None) == Misled()
    unknown: Any = "rain"
    with pytest.raises(PlanError, match="no adversary 'rain'; there are all_amorph"):
        assign_adversary(unknown)


def test_techniques_have_one_study() -> None:
    drawn = SeriesTruth.draw(4)
    assert drawn.raman.study == drawn.eis.study == drawn.nmr.study == drawn.study
    assert drawn == SeriesTruth.draw(4)
    assert drawn.study != SeriesTruth.draw(5).study
    anchored = SeriesTruth.around(StudyTruth(), seed=4)
    assert (anchored.eis, anchored.nmr) == (EisTruth(), NmrTruth())
    with pytest.raises(PlanError, match="eis has a study of its own"):
        replace(anchored, eis=drawn.eis)


def test_nmr_is_misled_in_one_thing() -> None:
    plain = NmrTruth()
    assert mislead_nmr(plain, None) == plain
    swapped = mislead_nmr(plain, "t1_swap")
    assert swapped == replace(plain, t1_s={**plain.t1_s, "NaCl": 0.24, "Na2O": 2.06})
    slow = mislead_nmr(plain, "saturated_nacl")
    assert slow == replace(plain, flip_degree=90.0, t1_s={**plain.t1_s, "NaCl": 11.43})
    assert set(NMR_ADVERSARIES) == {"t1_swap", "saturated_nacl", "wrong_larmor"}
    other = mislead_nmr(plain, "wrong_larmor")
    assert other == replace(plain, larmor_mhz=other.larmor_mhz, mas_hz=10e3)
    assert other.larmor_mhz == pytest.approx(79.39, abs=0.005)
