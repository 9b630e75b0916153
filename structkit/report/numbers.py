"""Numbers in words: 4.41(12), below a limit, a value with its interval."""

from __future__ import annotations

import math

_TWO_DIGITS_TO = 19
"""Two digits of a standard uncertainty up to 19, one beyond (Acta Cryst.'s rule)."""
_DIGITS = 4
_LARGE, _SMALL = 1e5, 1e-3
NONE = "–"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def format_esd(value: float, std: float = math.nan) -> str:
    """Return a value with its standard uncertainty in units of the last digit.

    Parameters
    ----------
    value : float
        NaN: unknown.
    std : float
        1 sigma in the same units; NaN or 0: unknown.

    Examples
    --------
    >>> format_esd(4.4123, 0.1234), format_esd(0.2847, 0.0022), format_esd(1897.1, 25.0)
    ('4.41(12)', '0.285(2)', '1897(25)')
    >>> format_esd(2.4e-9, 1.29e-10), format_esd(float("nan"))
    ('2.40(13) × 10⁻⁹', '–')
    >>> format_esd(1.164e11, 7.8e8), format_esd(0.0, 0.04), format_esd(12345.0, 2000.0)
    ('1.164(8) × 10¹¹', '0.00(4)', '12345(2000)')
    """
    if not math.isfinite(value):
        return NONE
    if not math.isfinite(std) or std <= 0.0:
        return format_number(value)
    size = max(abs(value), std)
    if size >= _LARGE or size < _SMALL:
        power = math.floor(math.log10(size))
        return _times_power(_with_esd(value / 10.0**power, std / 10.0**power), power)
    return _with_esd(value, std)


def _with_esd(value: float, std: float) -> str:
    """Return value and esd without a power of ten."""
    decimals = 1 - math.floor(math.log10(std))
    if round(std * 10.0**decimals) > _TWO_DIGITS_TO:
        decimals -= 1
    decimals = max(decimals, 0)  # no digit before the point is rounded away
    last = round(std * 10.0**decimals)
    return f"{value:.{decimals}f}({last})".replace("-", "−")


def format_number(value: float, digits: int = _DIGITS) -> str:
    """Return a number to ``digits`` significant digits.

    Examples
    --------
    >>> format_number(0.41234567), format_number(-12.0), format_number(3.2e-7)
    ('0.4123', '−12', '3.2 × 10⁻⁷')
    """
    if not math.isfinite(value):
        return NONE
    if value != 0.0 and not _SMALL <= abs(value) < _LARGE:
        power = math.floor(math.log10(abs(value)))
        return _times_power(f"{value / 10.0**power:.{digits}g}", power)
    return f"{value:.{digits}g}".replace("-", "−")


def _times_power(mantissa: str, power: int) -> str:
    """Return ``mantissa × 10ⁿ``."""
    raised = str(power).translate(_RAISED)
    return f"{mantissa} × 10{raised}".replace("-", "−")


def format_interval(low: float, high: float, *, decimals: int = 2) -> str:
    """Return ``0.27 to 0.40``.

    Examples
    --------
    >>> format_interval(0.2662, 0.3974)
    '0.27 to 0.40'
    """
    words = (NONE if not math.isfinite(v) else f"{v:.{decimals}f}" for v in (low, high))
    return " to ".join(words).replace("-", "−")


def format_ranged(value: float, low: float, high: float, *, decimals: int = 2) -> str:
    """Return a value with its 95 % interval; the interval alone where it is unknown.

    Examples
    --------
    >>> format_ranged(0.33, 0.27, 0.40), format_ranged(float("nan"), 0.1, 1.0)
    ('0.33 (0.27 to 0.40)', '0.10 to 1.00')
    >>> format_ranged(float("nan"), float("nan"), float("nan"))
    '–'
    """
    bounds = math.isfinite(low) or math.isfinite(high)
    if not math.isfinite(value):
        return format_interval(low, high, decimals=decimals) if bounds else NONE
    shown = f"{value:.{decimals}f}".replace("-", "−")
    return (
        f"{shown} ({format_interval(low, high, decimals=decimals)})"
        if bounds
        else shown
    )


def format_below(limit: float) -> str:
    """Return ``< 0.012``, two significant digits.

    Examples
    --------
    >>> format_below(0.01234)
    '< 0.012'
    """
    return f"< {format_number(limit, 2)}"


def parse_number(text: str) -> float:
    """Return the number that a cell holds; NaN for any other text.

    Examples
    --------
    >>> parse_number("0.25"), parse_number("1h")
    (0.25, nan)
    """
    try:
        return float(text)
    except ValueError:
        return math.nan
