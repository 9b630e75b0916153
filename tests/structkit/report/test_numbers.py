"""Crystallographers' notation against an independent slow form."""

from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from structkit.report.numbers import format_esd, format_number, format_ranged

RULE = 19
"""Two digits of the esd up to 19, one beyond."""


@given(
    value=st.floats(-9e4, 9e4, allow_nan=False),
    std=st.floats(1e-3, 90.0),
)
def test_notation_gives_value_and_esd_back(value: float, std: float) -> None:
    shown = format_esd(value, std).replace("−", "-")
    found = re.fullmatch(r"(-?[\d.]+)\((\d+)\)( × 10.*)?", shown)
    assert found, shown
    if found[3]:
        return
    decimals = len(found[1].partition(".")[2])
    last = float(found[2]) * 10.0**-decimals
    unit = 10.0**-decimals
    assert abs(float(found[1]) - value) <= 0.5 * unit * (1.0 + 1e-9)
    assert abs(last - std) <= 0.5 * unit * (1.0 + 1e-9)
    assert int(found[2]) <= RULE or decimals == 0 or std * 10.0 ** (decimals) < 10.0


def test_esd_of_19_has_two_digits_and_of_20_one() -> None:
    assert format_esd(4.41, 0.19) == "4.41(19)"
    assert format_esd(4.41, 0.20) == "4.4(2)"
    assert format_esd(4.41, 0.0996) == "4.41(10)"


def test_unknown_numbers_are_a_dash() -> None:
    assert format_number(math.nan) == format_esd(math.nan, 1.0) == "–"
    assert format_esd(1.5, math.nan) == "1.5"
    assert format_ranged(0.5, math.nan, math.nan) == "0.50"
