from __future__ import annotations

import math

import pytest

from structkit.cli.table import format_table, format_value


@pytest.mark.parametrize(
    ("value", "std", "shown"),
    [
        (0.12345, 0.0042, "0.123(4)"),
        (0.12345, 0.00096, "0.123(1)"),
        (0.99, 0.096, "1.0(1)"),
        (123.4, 45.0, "123(45)"),
        (0.5, math.nan, "0.500"),
        (0.5, 0.0, "0.500"),
        (math.nan, 0.1, "-"),
        (math.inf, 0.1, "-"),
    ],
)
def test_value_shows_as_many_digits_as_its_esd(
    value: float, std: float, shown: str
) -> None:
    assert format_value(value, std) == shown


def test_columns_are_aligned() -> None:
    lines = format_table(["a", "b"], [["xx", "1"], ["y", "22"]]).splitlines()
    assert lines == ["a    b", "xx   1", "y   22"]
