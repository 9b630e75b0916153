"""Instrument files of other programs: GSAS-II ``.instprm`` and GSAS ``.prm``.

Both are read, the first is written. They count widths in centidegrees and the
Gaussian ones as variances; structkit counts full widths in degrees:
``FWHM^2 = 8 ln 2 variance``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from structkit.errors import PlanError, ReadError
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import Radiation, doublet, monochromatic

_VARIANCE_TO_FWHM = 8.0 * math.log(2.0) * 1e-4
_CENTIDEGREE = 1e-2
_WAVES = ("Lam", "Lam1", "Lam2")
_DOUBLET = ("Lam1", "Lam2", "I(L2)/I(L1)")
_NARROWEST_W = 1e-6


def read_instrument(path: str | Path) -> Instrument:
    """Read an instrument file.

    Parameters
    ----------
    path : str or Path
        GSAS-II ``.instprm`` or GSAS ``.prm``.

    Returns
    -------
    Instrument
        Not marked as calibrated: such files are often generic, and only a pattern
        of a standard can tell.

    Raises
    ------
    ReadError
        When the file is absent or not an instrument of constant wavelength; names
        file, line and remedy.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ReadError(
            f"{path}: cannot be read ({error.strerror}); check the path"
        ) from error
    if "\0" in text or not text.strip():
        raise ReadError(f"{path}: not a text file; give an .instprm or .prm file")
    if path.suffix.lower() == ".prm" or text.lstrip().startswith("INS "):
        return _from_gsas(path, text)
    return _from_gsas2(path, text)


def format_instprm(instrument: Instrument) -> str:
    """Return the text of a GSAS-II ``.instprm`` file of ``instrument``.

    Raises
    ------
    PlanError
        When the radiation has more than two lines, which such a file cannot hold.

    Notes
    -----
    Widths in centidegrees, Gaussian ones as variances: ``U`` = ``u`` / (8 ln 2) 1e4;
    ``SH/L`` is twice ``axial_divergence`` (S/L + H/L); ``Polariz.`` is
    1 / (1 + K) with K of (1 + K cos^2 2theta).
    """
    radiation = instrument.radiation
    if len(radiation.wavelengths) > 2:
        raise PlanError(
            f"instrument.radiation: {radiation.name} has "
            f"{len(radiation.wavelengths)} lines, an .instprm file holds one or two; "
            "use a doublet such as CuKa"
        )
    if len(radiation.wavelengths) == 1:
        rows = [("Lam", radiation.wavelength)]
    else:
        ratio = radiation.shares[1] / radiation.shares[0]
        first, second = radiation.wavelengths
        rows = [("Lam1", first), ("Lam2", second), ("I(L2)/I(L1)", ratio)]
    rows += [
        ("Zero", instrument.zero),
        ("Polariz.", 1.0 / (1.0 + instrument.polarization_ratio)),
        *((n.upper(), getattr(instrument, n) / _VARIANCE_TO_FWHM) for n in "uvw"),
        *((n.upper(), getattr(instrument, n) / _CENTIDEGREE) for n in "xy"),
        ("Z", 0.0),
        ("SH/L", 2.0 * instrument.axial_divergence),
        ("Azimuth", 0.0),
    ]
    lines = ["#GSAS-II instrument parameter file; written by structkit", "Type:PXC"]
    return "\n".join([*lines, *(f"{key}:{value:.10g}" for key, value in rows)]) + "\n"


def _polarization_ratio(fraction: float) -> float:
    """Return K of (1 + K cos^2 2theta) from GSAS's polarisation fraction."""
    return (1.0 - fraction) / fraction if fraction > 0.0 else 1.0


def _number(path: Path, line: int, key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ReadError(
            f"{path}, line {line}: {key} is {text!r}, not a number; correct it"
        ) from error
    if not math.isfinite(value):
        raise ReadError(f"{path}, line {line}: {key} is {text!r}; give a finite number")
    return value


def _instprm_pairs(path: Path, text: str) -> dict[str, tuple[int, str]]:
    pairs: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.split("#", 1)[0].strip().strip(";")
        if not stripped:
            if line.startswith("#") and pairs and "Bank" in line:
                break
            continue
        for part in stripped.split(";"):
            key, colon, value = part.partition(":")
            if not colon:
                raise ReadError(
                    f"{path}, line {number}: expected 'key:value', found {part!r}; "
                    "export the file again from GSAS-II"
                )
            pairs[key.strip()] = (number, value.strip())
    return pairs


def _from_gsas2(path: Path, text: str) -> Instrument:
    pairs = _instprm_pairs(path, text)
    kind = pairs.get("Type", (0, ""))[1]
    if not kind.startswith("PXC"):
        raise ReadError(
            f"{path}: Type is {kind or 'missing'}; only constant-wavelength X-ray "
            "instruments (PXC) can be used"
        )
    names = ("U", "V", "W", "X", "Y", "Z", "SH/L", "Zero", "Polariz.", "Lam", *_DOUBLET)
    values = {
        name: _number(path, pairs[name][0], name, pairs[name][1].split(",")[0])
        for name in names
        if name in pairs
    }
    return _build(path, values)


def _from_gsas(path: Path, text: str) -> Instrument:
    values: dict[str, float] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        key, fields = line[:12], line[12:].split()
        if key.rstrip().endswith("ICONS") and len(fields) >= 7:
            order = ("Lam1", "Lam2", "Zero", "", "Polariz.", "", "I(L2)/I(L1)")
            for name, field in zip(order, fields, strict=False):
                if name:
                    values[name] = _number(path, number, name, field)
            values["Zero"] *= _CENTIDEGREE
        elif key.rstrip().endswith("PRCF1") and fields and fields[0] != "3":
            raise ReadError(
                f"{path}, line {number}: GSAS profile function {fields[0]}; only 3 is "
                "understood: export it with function 3, or use a standard's pattern"
            )
        elif key.rstrip().endswith("PRCF11") and len(fields) >= 3:
            for name, field in zip("UVW", fields, strict=False):
                values[name] = _number(path, number, name, field)
        elif key.rstrip().endswith("PRCF12") and len(fields) >= 4:
            for name, field in zip(("X", "Y", "S/L", "H/L"), fields, strict=True):
                values[name] = _number(path, number, name, field)
    if "S/L" in values:
        values["SH/L"] = values.pop("S/L") + values.pop("H/L")
    if "Lam1" not in values:
        raise ReadError(
            f"{path}: no ICONS record of a constant-wavelength instrument; "
            "give an .instprm, or tube or wavelength in its place"
        )
    if values.get("Lam2") == 0.0:
        values["Lam"] = values["Lam1"]
    return _build(path, values)


def _radiation(path: Path, values: Mapping[str, float]) -> Radiation:
    if "Lam" not in values and not {"Lam1", "Lam2"} <= set(values):
        raise ReadError(f"{path}: no wavelength (Lam, or Lam1 and Lam2); add it")
    ratio = values.get("I(L2)/I(L1)", 0.5)
    try:
        if "Lam" in values:
            return monochromatic(values["Lam"])
        return doublet("doublet", values["Lam1"], values["Lam2"], ratio=max(ratio, 0.0))
    except PlanError as error:
        given = ", ".join(f"{key} = {values[key]:g}" for key in _WAVES if key in values)
        raise ReadError(f"{path}: {error} ({given}); correct it") from error


def _build(path: Path, values: Mapping[str, float]) -> Instrument:
    remarks = []
    if values.get("Z", 0.0):
        remarks.append(f"constant Lorentzian width Z = {values['Z']:g} left out")
    w = values.get("W", 0.0) * _VARIANCE_TO_FWHM
    if w <= 0.0:
        remarks.append("W is not positive; set to a vanishing width")
        w = _NARROWEST_W
    return Instrument(
        radiation=_radiation(path, values),
        u=values.get("U", 0.0) * _VARIANCE_TO_FWHM,
        v=values.get("V", 0.0) * _VARIANCE_TO_FWHM,
        w=w,
        x=values.get("X", 0.0) * _CENTIDEGREE,
        y=values.get("Y", 0.0) * _CENTIDEGREE,
        axial_divergence=min(max(0.5 * values.get("SH/L", 0.0), 0.0), 0.19),
        zero=values.get("Zero", 0.0),
        polarization=_polarization_ratio(values.get("Polariz.", 0.5)),
        source=path.name,
        remarks=tuple(remarks),
    )
