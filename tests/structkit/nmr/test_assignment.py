from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.errors import SchemaError
from structkit.nmr.assignment import (
    find_saturated,
    review_assignment,
)

BULK = {"Na2O": 5.69, "NaCl": 11.43}
MILLED = {"Na2O": 0.58, "NaCl": 6.49}
PRINTED = {"NTOC": 0.0012, "Na2O": 2.06, "NaCl": 0.24}


def test_the_printed_order_is_ambiguous() -> None:
    """Check C15."""
    told = review_assignment(PRINTED, {"milled": MILLED})
    assert len(told) == 1
    assert told[0].pair == ("Na2O", "NaCl")
    np.testing.assert_allclose(told[0].ratios, (3.6, 0.037), rtol=0.02)
    np.testing.assert_allclose(told[0].swapped_ratios, (0.41, 0.32), rtol=0.02)
    assert told[0].ambiguous_swap


def test_it_is_with_both_references_too() -> None:
    told = review_assignment(PRINTED, {"bulk": BULK, "milled": MILLED})
    assert told[0].ambiguous_swap
    assert told[0].reference == "milled"


def test_the_other_order_is_not() -> None:
    turned = {"Na2O": 0.24, "NaCl": 2.06}
    told = review_assignment(turned, {"bulk": BULK, "milled": MILLED})
    assert not told[0].ambiguous_swap
    assert told[0].log_odds < 0.0


def test_swaps_are_found_and_right_tables_are_left() -> None:
    """Simulated: both T1 shortened by one factor, and a little each."""
    rng = np.random.default_rng(61)
    found = false = 0
    for _ in range(300):
        common = math.exp(rng.normal(-1.0, 0.7))
        first, second = (
            value * common * math.exp(rng.normal(0.0, 0.4)) for value in MILLED.values()
        )
        right = {"Na2O": first, "NaCl": second}
        wrong = {"Na2O": second, "NaCl": first}
        false += review_assignment(right, {"milled": MILLED})[0].ambiguous_swap
        found += review_assignment(wrong, {"milled": MILLED})[0].ambiguous_swap
    assert found / 300 > 0.9
    assert false / 300 < 0.02


def test_lines_with_one_reference_t1_cannot_be_told() -> None:
    told = review_assignment({"a": 1.0, "b": 5.0}, {"alone": {"a": 2.0, "b": 2.0}})
    assert told[0].log_odds == pytest.approx(0.0)
    assert not told[0].ambiguous_swap


def test_saturated_salt_is_flagged() -> None:
    """NaCl has T1 6.49 s milled alone: at 10 s its area is 0.79 of what it should be,
    and x of the composite 0.080 rather than 0.0625."""
    flagged = find_saturated(
        {"NTOC": 0.0012, "NaCl": (0.24, 6.49), "Na2O": (2.06, 0.58)}, recycle_delay=10.0
    )
    assert list(flagged) == ["NaCl", "Na2O"]
    assert 0.0625 / flagged["NaCl"][0] == pytest.approx(0.080, abs=1e-3)
    assert flagged["Na2O"][0] == pytest.approx(0.992, abs=5e-4)


def test_bad_input() -> None:
    with pytest.raises(SchemaError, match="no reference"):
        review_assignment(PRINTED, {"bulk": {"NTOC": 1.0}})
    with pytest.raises(SchemaError, match="positive"):
        review_assignment({"a": -1.0, "b": 1.0}, {"x": {"a": 1.0, "b": 1.0}})


def test_small_flip_angles_saturate_less() -> None:
    right, small = (
        find_saturated({"NaCl": 11.43}, recycle_delay=10.0, flip_angle_degree=angle)
        for angle in (90.0, 15.0)
    )
    assert right["NaCl"][0] == pytest.approx(0.58, abs=0.005)
    assert small["NaCl"][0] > 0.95
