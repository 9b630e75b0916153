from __future__ import annotations

import math

import pytest

from structkit.errors import SchemaError
from structkit.io.nucleus import MAGNETS, judge_nucleus, nearest_magnet
from structkit.structures.nuclei import NUCLEI, find_nucleus

OFFSET_PPM = 3000.0
"""Larger than shift ranges of the nuclei of this study."""
SHIELDING = 1e-3
"""Ratios of bare nuclei against those in reference compounds."""


@pytest.mark.parametrize("symbol", ["1H", "7Li", "17O", "19F", "23Na", "51V", "181Ta"])
@pytest.mark.parametrize("magnet", [300.13, 400.13, 500.16, 850.0])
def test_true_declaration_stands(symbol: str, magnet: float) -> None:
    base = NUCLEI[symbol].larmor_frequency(magnet)
    verdict = judge_nucleus(
        symbol, base * (1.0 + 1e-6 * OFFSET_PPM), base_frequency=base
    )
    assert verdict.agrees
    assert verdict.judged == symbol


def test_base_frequency_of_another_nucleus_tells_the_field() -> None:
    verdict = judge_nucleus("1H", 470.61, base_frequency=500.16)
    assert not verdict.agrees
    assert verdict.candidates == ("19F",)
    assert verdict.proton_frequency == pytest.approx(500.15, abs=0.01)
    assert "1H" in verdict.reason
    assert "19F" in verdict.reason


def test_nucleus_without_magnet_is_flagged() -> None:
    verdict = judge_nucleus("15N", 14.8314, base_frequency=14.83)
    assert not verdict.agrees
    assert verdict.judged == "1H"
    assert "146.3 MHz" in verdict.reason


def test_mistyped_larmor_frequency_of_sodium_is_flagged() -> None:
    assert judge_nucleus("23Na", 79.39).agrees
    wrong = judge_nucleus("23Na", 73.39)
    assert not wrong.agrees
    assert "277.4" in wrong.reason


def test_known_field_rules_out_what_fits_other_magnets() -> None:
    verdict = judge_nucleus("13C", 132.29, proton_frequency=500.13)
    assert not verdict.agrees
    assert "23Na" in verdict.candidates
    assert "13C" not in verdict.candidates


def test_several_candidates_are_no_judgement() -> None:
    verdict = judge_nucleus("", 132.29)
    assert len(verdict.candidates) > 1
    assert verdict.judged == ""
    assert math.isnan(verdict.proton_frequency)


def test_unknown_name_is_told() -> None:
    verdict = judge_nucleus("<junk>", 470.6)
    assert not verdict.agrees
    assert "junk" in verdict.reason


def test_refuses_no_frequency() -> None:
    with pytest.raises(SchemaError, match="positive"):
        judge_nucleus("1H", 0.0)


def test_magnets_are_told_apart() -> None:
    assert [nearest_magnet(magnet) for magnet in MAGNETS] == list(MAGNETS)
    assert nearest_magnet(146.3) is None
    assert nearest_magnet(14.83) is not None


@pytest.mark.parametrize("name", ["23Na", "Na23", "^23Na", "na-23", "23NA"])
def test_spellings_of_a_nucleus(name: str) -> None:
    assert find_nucleus(name).symbol == "23Na"


@pytest.mark.parametrize("name", ["", "off", "99Xx", "1H1"])
def test_refuses_what_is_no_nucleus(name: str) -> None:
    with pytest.raises(SchemaError, match="no nucleus"):
        find_nucleus(name)


def test_frequency_ratios_follow_gyromagnetic_ratios() -> None:
    # Magnetogyric ratios of the same tables, 1e7 rad / (s T): an independent column.
    ratios = {"1H": 26.7522128, "23Na": 7.0808493, "19F": 25.18148, "17O": 3.62808}
    for symbol, ratio in ratios.items():
        expected = 100.0 * ratio / ratios["1H"]
        assert NUCLEI[symbol].frequency_ratio == pytest.approx(expected, rel=SHIELDING)
