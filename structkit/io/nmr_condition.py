"""Hold an NMR header against its frequency, its title and its rotor echoes."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from structkit.errors import SchemaError
from structkit.io.mas_rate import MasRate
from structkit.io.nucleus import judge_nucleus
from structkit.io.raw_nmr import NmrHeader, add_remarks

_STATIC = re.compile(r"\bstatic\b", re.I)
_KHZ = re.compile(r"(\d+(?:\.\d+)?)\s*kHz", re.I)
_CELSIUS = re.compile(
    r"(?:\btemperature\b|\bT\s*=)[^-+\d\n]{0,6}([-+]?\d+(?:\.\d+)?)\s*°?\s*C\b", re.I
)
_KELVIN_AT_ZERO_CELSIUS = 273.15
_RATE_TOLERANCE = 0.03
"""Spinning is set and kept to a few per cent or better."""
_TEMPERATURE_TOLERANCE = 5.0
"""Kelvin between title and thermocouple; friction of the rotor makes more."""


def judge_header(header: NmrHeader) -> NmrHeader:
    """Return the header with its nucleus judged and a remark where it contradicts.

    ``nucleus`` becomes the only one that fits the frequency, where there is one, and
    the attr ``nucleus_declared`` keeps what the header says.
    """
    if header.carrier_frequency is None:
        return header
    try:
        verdict = judge_nucleus(
            header.nucleus,
            header.carrier_frequency,
            base_frequency=header.base_frequency,
        )
    except SchemaError as error:
        return add_remarks(header, f"{error}.")
    attrs = {**header.attrs, "nucleus_declared": verdict.declared}
    if verdict.agrees:
        return replace(header, nucleus=verdict.judged, attrs=attrs)
    judged = verdict.judged or verdict.declared
    return add_remarks(replace(header, nucleus=judged, attrs=attrs), verdict.reason)


def judge_temperature(header: NmrHeader) -> NmrHeader:
    """Return the header with a remark where title and temperature differ."""
    match = _CELSIUS.search(header.title)
    if match is None or header.temperature is None:
        return header
    said = float(match[1]) + _KELVIN_AT_ZERO_CELSIUS
    if abs(said - header.temperature) <= _TEMPERATURE_TOLERANCE:
        return header
    return add_remarks(
        header,
        f"The title says {said:.1f} K, the header {header.temperature:.1f} K.",
    )


def judge_mas_rate(header: NmrHeader, estimate: MasRate) -> NmrHeader:
    """Return the header with what echoes and title say of the spinning rate.

    A declared rate that nothing confirms gets a remark. ``mas_rate_estimated`` and
    ``mas_rate_estimated_std`` (Hz) become attrs where echoes were found.
    """
    declared, title = header.mas_rate, title_rate(header.title)
    attrs, remarks = dict(header.attrs), []
    found = not math.isnan(estimate.rate)
    if found:
        attrs["mas_rate_estimated"] = estimate.rate
        attrs["mas_rate_estimated_std"] = estimate.rate_std
    if declared is not None:
        says = f"The header declares {declared / 1e3:g} kHz of spinning"
        if found and not _agree(declared, estimate.rate):
            remarks.append(f"{says}, but {estimate.reason}")
        if title is not None and not _agree(declared, title):
            rate = "static" if title == 0.0 else f"{title / 1e3:g} kHz"
            remarks.append(f"{says}, but the title says {rate}.")
        elif not found and title is None:
            remarks.append(f"{says}; nothing confirms it: {estimate.reason}")
    if found and title == 0.0:
        remarks.append(f"The title says static, but {estimate.reason}")
    return add_remarks(replace(header, attrs=attrs), *remarks)


def title_rate(title: str) -> float | None:
    """Return the spinning rate that a title names, Hz; 0: static; None: it does not.

    Examples
    --------
    >>> title_rate("51V 3.2 mm MAS 10 kHz"), title_rate("4mm static"), title_rate("a")
    (10000.0, 0.0, None)
    """
    if _STATIC.search(title):
        return 0.0
    match = _KHZ.search(title)
    return 1e3 * float(match[1]) if match else None


def _agree(rate: float, other: float) -> bool:
    """Return whether two rates are one."""
    return abs(rate - other) <= _RATE_TOLERANCE * max(abs(rate), abs(other))
