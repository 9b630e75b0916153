"""The header of HORIBA LabSpec files, text or XML, put into the words of the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from structkit.schema import ACCUMULATIONS, ACQUISITION_TIME, GRATING, POSITIONS

_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
_SCALARS = {
    ACQUISITION_TIME: ("acq. time", "exposition", "acquisition time"),
    ACCUMULATIONS: ("accumulations", "accumulation"),
    GRATING: ("grating",),
}
_OFF = {"", "off", "no", "none", "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabspecFacts:
    """What a LabSpec header says."""

    laser_nm: float | None
    """Laser wavelength, nm."""
    scalars: Mapping[str, float]
    """Scalar coordinates of the schema."""
    positions: Mapping[str, float]
    """Stage position, um."""
    smoothed: bool
    """DeNoise was on, or a smoothing is listed."""
    baseline_subtracted: bool
    """A baseline subtraction is listed."""
    remarks: tuple[str, ...]
    """What else changes the meaning of the intensity."""
    attrs: Mapping[str, str | int | float]
    """Instrument, detector, objective, title, date."""


def interpret_header(header: Mapping[str, str]) -> LabspecFacts:
    """Return what a LabSpec header says.

    Parameters
    ----------
    header : mapping of str to str
        Its keys and values as written: ``"Acq. time (s)"`` to ``"60"``.

    Examples
    --------
    >>> facts = interpret_header({"Laser": "532nm_Edge", "Grating": "600 (500nm)"})
    >>> facts.laser_nm, dict(facts.scalars)
    (532.0, {'grating': 600.0})
    """
    plain = {_plain(key): value.strip() for key, value in header.items()}
    scalars = {}
    for name, keys in _SCALARS.items():
        found = next((plain[key] for key in keys if key in plain), "")
        value = _number(found)
        if value is not None and value > 0.0:
            scalars[name] = value
    positions = {}
    for name, key in zip(POSITIONS, "xyz", strict=True):
        place = _number(plain.get(key, ""))
        if place is not None:
            positions[name] = place
    laser = _number(plain.get("laser", ""))
    denoise = plain.get("denoise", "")
    listed = [key for key in plain if ":" in key]
    return LabspecFacts(
        laser_nm=laser if laser and 150.0 < laser < 2000.0 else None,
        scalars=scalars,
        positions=positions,
        smoothed=denoise.lower() not in _OFF
        or any(key.startswith(("smooth", "denoise")) for key in listed),
        baseline_subtracted=any("base" in k and "sub" in k for k in listed),
        remarks=tuple(_corrections(plain)),
        attrs={
            f"labspec_{key}": plain[key]
            for key in ("instrument", "detector", "objective", "title", "acquired")
            if plain.get(key)
        },
    )


def _plain(key: str) -> str:
    """Return a key in lower case without its unit."""
    return re.sub(r"\s*\([^)]*\)?\s*$", "", key).strip().lower()


def _number(text: str) -> float | None:
    """Return the first number of a text."""
    match = _NUMBER.search(text)
    return float(match[0].replace(",", ".")) if match else None


def _corrections(plain: Mapping[str, str]) -> list[str]:
    """Say which corrections the software made."""
    said = {
        "ics correction": "divided by the instrument's response (ICS correction)",
        "dark correction": "corrected for the dark signal",
    }
    return [
        f"The intensity was {words}."
        for key, words in said.items()
        if plain.get(key, "").lower() not in _OFF
    ]
