"""Numbers as written: figures, uncertainties, units."""

from __future__ import annotations

import math

import pytest

from structkit.checks.quantity import (
    Quantity,
    make_quantity,
    make_range,
    parse_quantity,
)
from structkit.errors import SchemaError


@pytest.mark.parametrize(
    ("text", "value", "half", "units"),
    [
        ("4.41 mS/cm", 4.41e-3, 5e-6, "S/cm"),
        ("0.11mS/cm", 0.11e-3, 5e-6, "S/cm"),
        ("4.80 %", 0.048, 5e-5, "1"),
        ("6.72e-10 S/cm", 6.72e-10, 5e-13, "S/cm"),
        ("-11.16 ppm", -11.16, 0.005, "ppm"),
        ("8", 8.0, 0.5, "1"),
        ("1.2 ms", 1.2e-3, 5e-5, "s"),
        ("25 degC", 298.15, 0.5, "K"),
        (".5 eV", 0.5, 0.05, "eV"),
    ],
)
def test_figures_tell_the_rounding(
    text: str, value: float, half: float, units: str
) -> None:
    found = parse_quantity(text)
    assert found.value == pytest.approx(value)
    assert (found.low, found.high) == pytest.approx((value - half, value + half))
    assert (found.units, found.certainty) == (units, "rounded")
    assert found.std == pytest.approx(half / math.sqrt(3.0))


@pytest.mark.parametrize(
    ("text", "std"),
    [
        ("0.5869(163) eV", 0.0163),
        ("0.8919(25) eV", 0.0025),
        ("434(8) meV", 0.008),
        ("0.434 +- 0.008 eV", 0.008),
        ("4.34(8)e-1 eV", 0.008),
        ("4.34e-1(8) eV", 0.008),
        ("0.434±0.008 eV", 0.008),
    ],
)
def test_brackets_tell_one_sigma(text: str, std: float) -> None:
    found = parse_quantity(text)
    assert found.std == pytest.approx(std)
    assert found.certainty == "measured"
    assert found.high - found.value == pytest.approx(1.96 * std, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("about 4 mS/cm", "is no number"),
        ("4.41 mS/m", "unknown unit 'mS/m'"),
        ("", "is no number"),
    ],
)
def test_other_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        parse_quantity(text)


def test_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(SchemaError, match="0 or positive"):
        make_quantity(1.0, std=-0.1)
    with pytest.raises(SchemaError, match="give a number"):
        make_quantity(math.nan)
    with pytest.raises(SchemaError, match="is above high"):
        make_range(2.0, 1.0)
    with pytest.raises(SchemaError, match="outside of its range"):
        Quantity(value=3.0, low=1.0, high=2.0)


def test_unknown_uncertainty_is_no_range() -> None:
    assert not make_quantity(1.0, std=math.nan).is_known
    assert make_quantity(1.0).certainty == "exact"
