"""Bruker folders are read back by our reader; a wrong frequency is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.io.nmr import read_decay
from structkit.nmr.fields import review_larmor
from structkit.store import read_dataset
from structkit.synthetic.nmr_files import NUMBERS, write_nmr

# words of 28 bits
WORDS = 1e-8


def test_decays_come_back(tmp_path: Path) -> None:
    study = write_nmr(tmp_path, seed=7)
    for name, number in NUMBERS.items():
        found = read_decay(tmp_path / "nmr" / str(number))
        known = getattr(study, name)
        scale = np.abs(known["signal"]).max() / np.abs(found["signal"]).max()
        np.testing.assert_allclose(
            scale * found["signal"],
            known["signal"],
            atol=WORDS * float(np.abs(known["signal"]).max()),
        )
        np.testing.assert_allclose(found["time"], known["time"], atol=1e-12)
        assert found.attrs["group_delay"] == known.attrs["group_delay"]
        for scalar in ("carrier_frequency", "reference_frequency", "mas_rate"):
            assert float(found[scalar]) == pytest.approx(float(known[scalar]), abs=1e-8)
        assert float(found["recycle_delay"]) == 10.0
        assert str(found["nucleus"].item()) == "23Na"
        assert "23Na" not in found.attrs["remarks"]
    np.testing.assert_allclose(found["delay"], study.recovery["delay"])
    assert found["signal"].dims == ("delay", "time")
    truth = read_dataset(tmp_path / "nmr_truth.nc")
    np.testing.assert_array_equal(truth["t1"], study.truth["t1"])


def test_wrong_larmor_frequency_is_told(tmp_path: Path) -> None:
    study = write_nmr(tmp_path, seed=7, adversary="wrong_larmor")
    assert float(study.truth["larmor_frequency"]) == pytest.approx(79.39, abs=0.01)
    found = read_decay(tmp_path / "nmr" / "1")
    assert "23Na would need a magnet of 277" in found.attrs["remarks"]
    review = review_larmor(float(found["carrier_frequency"]), nucleus="23Na")
    assert review.flagged
