"""What the title of a column says: quantity, unit and sign.

Titles of many programs are known: ``Z'/Ohm``, ``Zreal``, ``Re(Z)/Ohm``,
``-Im(Z)/Ohm``, ``Zs'' [kOhm]``, ``Freq(Hz)``, ``<I>/mA``, ``Phase(Z)/deg`` and their
like. Values become SI: Hz, ohm, rad, s, A, V, K.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

REAL = "real"
IMAGINARY = "imaginary"
MODULUS = "modulus"
PHASE = "phase"
_SIGNED = (IMAGINARY, PHASE)

_PREFIX = {
    "": 1.0,
    "p": 1e-12,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "milli": 1e-3,
    "k": 1e3,
    "K": 1e3,
    "kilo": 1e3,
    "M": 1e6,
    "mega": 1e6,
    "G": 1e9,
}
_PREFIXED = re.compile(r"^(milli|kilo|mega|[pnumkKMG])?((?i:ohms?|hz)|[AVs])$")
_FAMILY = {
    "ohm": "ohm",
    "ohms": "ohm",
    "hz": "frequency",
    "a": "current",
    "v": "voltage",
    "s": "time",
}
_WORDS: dict[str, tuple[str, float, float]] = {
    "sec": ("time", 1.0, 0.0),
    "secs": ("time", 1.0, 0.0),
    "second": ("time", 1.0, 0.0),
    "seconds": ("time", 1.0, 0.0),
    "min": ("time", 60.0, 0.0),
    "h": ("time", 3600.0, 0.0),
    "1/s": ("frequency", 1.0, 0.0),
    "s-1": ("frequency", 1.0, 0.0),
    "rad/s": ("frequency", 0.5 / np.pi, 0.0),
    "rads-1": ("frequency", 0.5 / np.pi, 0.0),
    "rad": ("angle", 1.0, 0.0),
    "deg": ("angle", np.pi / 180.0, 0.0),
    "degree": ("angle", np.pi / 180.0, 0.0),
    "degrees": ("angle", np.pi / 180.0, 0.0),
    "°": ("angle", np.pi / 180.0, 0.0),
    "volt": ("voltage", 1.0, 0.0),
    "volts": ("voltage", 1.0, 0.0),
    "amp": ("current", 1.0, 0.0),
    "amps": ("current", 1.0, 0.0),
    "k": ("temperature", 1.0, 0.0),
    "kelvin": ("temperature", 1.0, 0.0),
    "°c": ("temperature", 1.0, 273.15),
    "degc": ("temperature", 1.0, 273.15),
    "c": ("temperature", 1.0, 273.15),
    "celsius": ("temperature", 1.0, 273.15),
}
_OF_FAMILY = {
    "frequency": ("frequency",),
    "ohm": (REAL, IMAGINARY, MODULUS),
    "angle": (PHASE,),
    "time": ("time",),
    "current": ("current",),
    "voltage": ("voltage",),
    "temperature": ("temperature",),
}
_NAMES = {
    "frequency": "freq frequency f frequenz",
    "angular": "omega ω w",
    REAL: "z' zs' zre zreal re(z) rez real(z) realz zr re real zprime "
    "realimpedance impedancereal",
    IMAGINARY: "z'' zs'' zim zimg zimag im(z) imz imag(z) imagz zi im imag imaginary "
    "zimaginary zdoubleprime imaginaryimpedance impedanceimaginary",
    MODULUS: "|z| |zs| z zmod mod(z) abs(z) zabs magnitude modulus |impedance|",
    PHASE: "phase phase(z) zphz theta theta(z) phi phaseangle phaseofz zphase arg(z) "
    "phaseshift φ θ",
    "time": "time t elapsedtime",
    "current": "i <i> im idc current dccurrent",
    "voltage": "ewe <ewe> e vf v potential voltage edc vdc u ecell dcvoltage",
    "temperature": "temp temperature t",
}
_BRACKET = re.compile(r"^(.*?)[\s/]*[(\[]([^()\[\]]*)[)\]]$")
_PLACEHOLDERS = {"a", "b"}
"""ZPlot puts these where a unit should stand; its values are in ohm."""
_PER_AREA = re.compile(r"cm|m2|m\^2|m²", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """What the title of one column says."""

    text: str
    """The title as written."""
    quantity: str
    """``frequency``, ``real``, ``imaginary``, ``modulus``, ``phase``, ``time``,
    ``current``, ``voltage`` or ``temperature``."""
    factor: float = 1.0
    """Values times this are SI; negative where the title negates the quantity."""
    offset: float = 0.0
    """Added after the factor."""
    problem: str = ""
    """Why the column cannot be used; empty: it can."""


def recognise_title(text: str, unit: str = "") -> Title | None:
    """Return what a column's title says; None where it is of no use here.

    Parameters
    ----------
    text : str
        Title, with or without its unit.
    unit : str, optional
        Unit that stands elsewhere, such as in a line of units.

    Returns
    -------
    Title or None
        A title of a known quantity in an unknown unit has a ``problem``.

    Examples
    --------
    >>> recognise_title("-Im(Z)/Ohm").factor, recognise_title("Zs' [kOhm]").factor
    (-1.0, 1000.0)
    >>> recognise_title("Im", "A").quantity, recognise_title("Im").quantity
    ('current', 'imaginary')
    >>> print(recognise_title("Zre/Ohm cm2").problem)
    'Zre/Ohm cm2' is per area; export the impedance in ohm
    >>> recognise_title("Re(Zce)/Ohm") is None
    True
    """
    plain = normalise_title(text)
    name, inner = _split_unit(plain)
    unit_text = unit.strip() or inner
    negated, candidates = _quantities(name)
    if not candidates:
        return None
    quantity = candidates[0]
    factor, offset, problem = 1.0, 0.0, ""
    if unit_text and unit_text not in _PLACEHOLDERS:
        known = _parse_unit(unit_text)
        if known is None:
            problem = _tell_unit(text.strip(), unit_text)
        else:
            family, factor, offset = known
            fitting = [q for q in candidates if _fits(q, family)]
            if not fitting:
                return None
            quantity = fitting[0]
    elif quantity == PHASE:
        factor = float(np.pi / 180.0)
    if quantity == "angular":
        in_hertz = unit_text and _parse_unit(unit_text) is not None
        quantity, factor = "frequency", factor if in_hertz else 0.5 / np.pi
    if negated and quantity not in _SIGNED:
        return None
    return Title(
        text=text.strip(),
        quantity=quantity,
        factor=-factor if negated else factor,
        offset=offset,
        problem=problem,
    )


def normalise_title(text: str) -> str:
    """Return a title with one kind of prime, minus, ohm and degree sign.

    Examples
    --------
    >>> normalise_title('\N{MINUS SIGN}Z" (\N{OHM SIGN})')
    "-Z'' (ohm)"
    """
    plain = text.strip().lstrip("#%!").strip()
    if len(plain) > 1 and plain[0] == plain[-1] == '"':
        plain = plain[1:-1].strip()
    for old, new in (
        ("\N{RIGHT DOUBLE QUOTATION MARK}", "''"),
        ("\N{DOUBLE PRIME}", "''"),
        ('"', "''"),
        ("\N{PRIME}", "'"),
        ("\N{RIGHT SINGLE QUOTATION MARK}", "'"),
        ("\N{ACUTE ACCENT}", "'"),
        ("`", "'"),
        ("\x92", "'"),
        ("\x94", "''"),
        ("\N{MINUS SIGN}", "-"),
        ("\N{EN DASH}", "-"),
        ("\N{OHM SIGN}", "ohm"),
        ("\N{GREEK CAPITAL LETTER OMEGA}", "ohm"),
        ("\N{MICRO SIGN}", "u"),
        ("\N{GREEK SMALL LETTER MU}", "u"),
        ("\N{MASCULINE ORDINAL INDICATOR}", "°"),
        ("Â°", "°"),
    ):
        plain = plain.replace(old, new)
    plain = re.sub(r"^data\s*:\s*", "", plain, flags=re.I)
    return re.sub(r"^(?:negative|neg\.?|minus)\s+", "-", plain, flags=re.I)


def read_temperature(text: str) -> float | None:
    """Return the temperature, **K**, of a line that names it and its unit, or None.

    Examples
    --------
    >>> read_temperature("# Temperature: 140 °C"), read_temperature("TM=33.7")
    (413.15, None)
    """
    match = re.match(
        r"^[#%!\s]*(?:sample\s+|cell\s+)?temperature\s*[:=]?\s*"
        r"([-+]?\d+(?:[.,]\d+)?)\s*(°\s*C|deg\.?\s*C|K|C)\b",
        normalise_title(text),
        re.I,
    )
    if match is None:
        return None
    unit = re.sub(r"[\s.]", "", match[2]).lower()
    kelvin = float(match[1].replace(",", ".")) + _WORDS[unit][2]
    return round(kelvin, 9) if kelvin > 0.0 else None


def _split_unit(plain: str) -> tuple[str, str]:
    """Cut a title into name and unit; the unit is empty where none stands."""
    match = _BRACKET.match(plain)
    if match and match[2].strip().lower() != "z" and match[1].strip():
        return match[1], match[2].strip()
    head, slash, tail = plain.rpartition("/")
    if slash and head.strip():
        return head, tail.strip()
    head, blank, tail = plain.replace("_", " ").replace(",", " ").rpartition(" ")
    if blank and _parse_unit(tail) is not None and _quantities(head)[1]:
        return head, tail
    return plain, ""


def _quantities(name: str) -> tuple[bool, list[str]]:
    """Return whether a name begins with a minus, and what it may mean."""
    compact = re.sub(r"[\s_.]", "", name).lower()
    negated = compact.startswith("-")
    compact = compact.removeprefix("-")
    if negated and compact.startswith("(") and compact.endswith(")"):
        compact = compact[1:-1]
    return negated, [q for q, names in _NAMES.items() if compact in names.split()]


def _fits(quantity: str, family: str) -> bool:
    """Return whether a quantity is measured in units of a family."""
    wanted = "frequency" if quantity == "angular" else quantity
    return wanted in _OF_FAMILY[family]


def _parse_unit(text: str) -> tuple[str, float, float] | None:
    """Return family, factor and offset of a unit; None where it is unknown."""
    unit = re.sub(r"\s+vs\.?\s.*$", "", normalise_title(text), flags=re.I)
    unit = re.sub(r"[\s.·*]", "", unit)
    if match := _PREFIXED.match(unit):
        return _FAMILY[match[2].lower()], _PREFIX[match[1] or ""], 0.0
    return _WORDS.get(unit.lower())


def _tell_unit(title: str, unit: str) -> str:
    """Return what is wrong with an unknown unit."""
    if _PER_AREA.search(unit):
        return f"{title!r} is per area; export the impedance in ohm"
    return f"{title!r} is in {unit!r}, which is no unit known here; export it in SI"
