"""Numbers as a person writes them: figures, uncertainty in brackets, a unit.

``"4.41 mS/cm"`` is known to half of its last figure, ``"4.41(5) mS/cm"`` has 1 sigma of
0.05, a number of TOML is exact. What follows from such numbers has a range, which
:mod:`structkit.checks.judge` finds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from structkit.errors import SchemaError

Certainty = Literal["exact", "rounded", "measured"]
"""What ends mean: none; limits, all between them alike; 95 % of an error."""

LEVEL_SIGMAS = 1.959964
"""Sigmas of a range of 95 %."""
_KELVIN_AT_ZERO_CELSIUS = 273.15
_NUMBER = re.compile(
    r"""\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))
        (?:\((?P<last>\d+)\))?
        (?P<power>[eE][+-]?\d+)?
        (?:\((?P<after>\d+)\))?
        (?:\s*(?:\+-|±)\s*(?P<std>\d*\.?\d+(?:[eE][+-]?\d+)?))?
        \s*(?P<units>[^\d\s(].*?)?\s*""",
    re.VERBOSE,
)
_FACTORS = {
    "1": ("1", 1.0),
    "%": ("1", 1e-2),
    "decade": ("1", 1.0),
    "S/cm": ("S/cm", 1.0),
    "mS/cm": ("S/cm", 1e-3),
    "uS/cm": ("S/cm", 1e-6),
    "S/m": ("S/cm", 1e-2),
    "eV": ("eV", 1.0),
    "meV": ("eV", 1e-3),
    "K": ("K", 1.0),
    "s": ("s", 1.0),
    "ms": ("s", 1e-3),
    "us": ("s", 1e-6),
    "min": ("s", 60.0),
    "d": ("d", 1.0),
    "h": ("d", 1.0 / 24.0),
    "Hz": ("Hz", 1.0),
    "kHz": ("Hz", 1e3),
    "MHz": ("Hz", 1e6),
    "ppm": ("ppm", 1.0),
    "mg": ("mg", 1.0),
    "g": ("mg", 1e3),
    "mm": ("mm", 1.0),
    "cm": ("mm", 10.0),
    "g/cm3": ("g/cm3", 1.0),
    "degree": ("degree", 1.0),
    "degree/min": ("degree/min", 1.0),
    "angstrom": ("angstrom", 1.0),
    "nm": ("angstrom", 10.0),
    "V": ("V", 1.0),
}
"""Unit as written -> unit that claims are computed in, and the factor."""
_CELSIUS = ("C", "degC", "°C")
UNITS = (*_FACTORS, *_CELSIUS)
"""Units that are understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number with the range in which its truth lies."""

    value: float
    """In ``units``."""
    low: float
    """Lower end: of rounding, or of 95 %; NaN: not known."""
    high: float
    """Upper end."""
    units: str = "1"
    """One of the right-hand units of this module."""
    certainty: Certainty = "exact"
    """What the ends mean: none, half a last figure, or 95 %."""
    name: str = ""
    """As an arithmetic calls it, such as ``P01``."""
    source: str = ""
    """Where it stands."""

    def __post_init__(self) -> None:
        """Refuse numbers that are none and ends that do not enclose the value."""
        if not math.isfinite(self.value):
            raise SchemaError(f"{self.name or 'value'} is {self.value}; give a number")
        if not (math.isnan(self.low) or self.low <= self.value <= self.high):
            raise SchemaError(
                f"{self.name or 'value'}: {self.value:g} is outside of its range "
                f"{self.low:g} to {self.high:g}"
            )

    @property
    def is_known(self) -> bool:
        """Return whether its range is known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def std(self) -> float:
        """Return 1 sigma: of 95 %, or of a uniform rounding."""
        half = 0.5 * (self.high - self.low)
        return half / (LEVEL_SIGMAS if self.certainty == "measured" else math.sqrt(3.0))


def make_quantity(value: float, *, std: float = 0.0, units: str = "1") -> Quantity:
    """Return a quantity of a value and its 1 sigma.

    Parameters
    ----------
    value : float
        In ``units``.
    std : float, default 0
        1 sigma; 0: exact, NaN: not known.
    units : str, default ``1``
        One of :data:`UNITS`.

    Returns
    -------
    Quantity
        In the units that claims are computed in.

    Raises
    ------
    SchemaError
        An unknown unit, a negative sigma.

    Examples
    --------
    >>> make_quantity(25.0, units="degC").value
    298.15
    """
    if std < 0.0:
        raise SchemaError(f"std is {std:g}; it must be 0 or positive")
    reach = LEVEL_SIGMAS * std
    return _convert(
        Quantity(
            value=value,
            low=value - reach,
            high=value + reach,
            certainty="exact" if std == 0.0 else "measured",
        ),
        units,
    )


def make_range(low: float, high: float, *, units: str = "1") -> Quantity:
    """Return a quantity that lies anywhere between two ends.

    Raises
    ------
    SchemaError
        Ends that do not ascend, an unknown unit.

    Examples
    --------
    >>> make_range(10.0, 20.0).value
    15.0
    """
    if not low <= high:
        raise SchemaError(f"low = {low:g} is above high = {high:g}")
    middle = 0.5 * (low + high)
    return _convert(
        Quantity(value=middle, low=low, high=high, certainty="rounded"), units
    )


def parse_quantity(text: str) -> Quantity:
    """Read a number with its figures, its uncertainty and its unit.

    Parameters
    ----------
    text : str
        ``"4.41 mS/cm"`` (rounded), ``"4.41(5) mS/cm"`` or ``"4.41 +- 0.05 mS/cm"``
        (1 sigma).

    Returns
    -------
    Quantity
        In the units that claims are computed in.

    Raises
    ------
    SchemaError
        No number, or an unknown unit.

    Examples
    --------
    >>> one = parse_quantity("0.11 mS/cm")
    >>> print(f"{one.low:.3g} to {one.high:.3g} {one.units}, {one.certainty}")
    0.000105 to 0.000115 S/cm, rounded
    >>> print(f"{parse_quantity('0.8919(25) eV').std:.4f}")
    0.0025
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise SchemaError(
            f'{text!r} is no number; write such as "4.41 mS/cm", "4.41(5) mS/cm"'
        )
    number = Decimal(match["number"] + (match["power"] or ""))
    exponent = number.as_tuple().exponent
    unit = 10.0**exponent if isinstance(exponent, int) else math.nan
    value, units = float(number), (match["units"] or "1").strip()
    last = match["last"] or match["after"]
    if last or match["std"]:
        std = float(match["std"]) if match["std"] else int(last) * unit
        return make_quantity(value, std=std, units=units)
    half = 0.5 * unit
    return _convert(
        Quantity(value=value, low=value - half, high=value + half, certainty="rounded"),
        units,
    )


def _convert(quantity: Quantity, units: str) -> Quantity:
    """Return a quantity, as yet without units, in those of the computation."""
    if units in _CELSIUS:
        unit, factor, zero = "K", 1.0, _KELVIN_AT_ZERO_CELSIUS
    elif units in _FACTORS:
        (unit, factor), zero = _FACTORS[units], 0.0
    else:
        raise SchemaError(f"unknown unit {units!r}; known: {', '.join(UNITS)}")
    value, low, high = (
        one * factor + zero for one in (quantity.value, quantity.low, quantity.high)
    )
    return replace(quantity, value=value, low=low, high=high, units=unit)
