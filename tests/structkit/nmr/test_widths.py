"""Widths and shifts of the study: finding 6, checks C13 and C14."""

from __future__ import annotations

import math

import pytest

from structkit.errors import SchemaError
from structkit.nmr.widths import (
    compare_shifts,
    convert_to_ppm,
    lifetime_width,
    split_width,
)

LARMOR = 132.294
ROUNDING_HZ = 0.6
"""The study prints whole hertz."""


@pytest.mark.parametrize(
    ("width", "t1", "life", "rest", "gauss"),
    [(274.99, 0.0073, 44.0, 231.0, 251.0), (380.15, 0.0012, 265.0, 115.0, 204.0)],
)
def test_parts_of_the_widths_are_those_of_finding_6(
    width: float, t1: float, life: float, rest: float, gauss: float
) -> None:
    parts = split_width(width, t1)
    assert parts.lifetime_hz == pytest.approx(life, abs=ROUNDING_HZ)
    assert parts.lorentzian_rest_hz == pytest.approx(rest, abs=ROUNDING_HZ)
    assert parts.gaussian_rest_hz == pytest.approx(gauss, abs=ROUNDING_HZ)


def test_widths_in_ppm_are_those_of_check_c13() -> None:
    ppm = [convert_to_ppm(width, LARMOR) for width in (274.99, 310.34, 380.15)]
    assert ppm == pytest.approx([2.079, 2.346, 2.874], abs=5e-4)
    assert [x / ppm[0] for x in ppm[1:]] == pytest.approx([1.129, 1.382], abs=5e-4)


def test_shifts_of_check_c14_are_not_resolved() -> None:
    first = compare_shifts(-10.6, -11.16, fwhm_hz=310.34, larmor_frequency=LARMOR)
    later = compare_shifts(-11.16, -11.18, fwhm_hz=380.15, larmor_frequency=LARMOR)
    assert first.ppm == pytest.approx(-0.56)
    assert -later.hz == pytest.approx(2.6, abs=0.05)
    assert later.of_width < 0.01
    assert first.resolved
    assert not later.resolved


def test_errors_of_the_parts_are_those_of_differences() -> None:
    parts = split_width(380.0, 0.0012, fwhm_std_hz=3.0, t1_std=5e-5)
    by_width = split_width(380.01, 0.0012).gaussian_rest_hz - parts.gaussian_rest_hz
    by_t1 = split_width(380.0, 0.0012 + 1e-8).gaussian_rest_hz - parts.gaussian_rest_hz
    slow = math.hypot(by_width / 0.01 * 3.0, by_t1 / 1e-8 * 5e-5)
    assert parts.gaussian_rest_std_hz == pytest.approx(slow, rel=1e-3)


def test_lifetime_wider_than_the_line_leaves_nothing() -> None:
    parts = split_width(200.0, 0.0012)
    assert math.isnan(parts.lorentzian_rest_hz)
    assert parts.lifetime_fraction > 1.0


def test_wrong_input_is_refused() -> None:
    with pytest.raises(SchemaError, match="not positive"):
        lifetime_width(0.0)
    with pytest.raises(SchemaError, match="width"):
        split_width(-1.0, 1.0)
