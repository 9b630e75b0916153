"""What a reader of Raman spectra found, checked and turned into a dataset.

Every reader hands over the axis as its file has it; here, and only here, it becomes
a Raman shift in cm-1 that ascends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import ReadError, SchemaError
from structkit.io.noise import recognise_units
from structkit.schema import (
    COUNTS,
    COUNTS_PER_SECOND,
    LASER_WAVELENGTH,
    make_spectra,
)

AxisUnit = Literal["cm-1", "nm"]

_PER_CM = re.compile(
    r"cm\s*\^?\s*[{(]?[-−⁻]\s*[1¹]|1\s*/\s*cm|/\s*cm\b|raman[\s_]*shift|wave\s*number",
    re.I,
)
_NANOMETRE = re.compile(r"\bnm\b|nano\s*met|wave\s*length|\blambda\b", re.I)
_OTHER = re.compile(r"\b(m?ev|[gt]hz|pixels?|µm|um|microns?|micromet\w*)\b", re.I)
_PER_SECOND = re.compile(r"\bcps\b|(c|counts?|cts|cnt)\s*(/|per\s|\s)\s*s", re.I)
_COUNT_WORD = re.compile(r"\b(counts?|cts|cnt)\b", re.I)
_LASER_LIMITS = (150.0, 2000.0)
_NM_RANGE = (180.0, 1200.0)
_NM_STEP = 0.25
"""Gratings of 600 to 2400 lines put pixels 0.01 to 0.1 nm apart, or 0.3 to 4 cm-1."""
_LASER_AGREEMENT = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSpectra:
    """Spectra on the axis of their file, before any check."""

    path: Path
    """File they come from."""
    axis: NDArray[np.float64]
    """Axis as recorded, shape (n_points,), any order."""
    intensity: NDArray[np.float64]
    """Intensity, shape (n_spots, n_points)."""
    axis_unit: AxisUnit | None = None
    """Unit of the axis as the file states it; None: it does not."""
    units: str | None = None
    """Units of the intensity as the file states them; None: it does not."""
    lines: NDArray[np.int64] | None = None
    """Line of the file that each point of the axis stands in, from 1."""
    laser_nm: float | None = None
    """Laser wavelength of the header, nm."""
    scalars: Mapping[str, float] = field(default_factory=dict)
    """Scalar coordinates of the schema, but for the laser."""
    spot_coords: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Coordinates of each spot, shape (n_spots,)."""
    smoothed: bool = False
    """The header says that the spectra were denoised or smoothed."""
    baseline_subtracted: bool = False
    """The header says that a baseline or background was subtracted."""
    remarks: tuple[str, ...] = ()
    """Sentences on the data, to be shown to the user."""
    attrs: Mapping[str, str | int | float] = field(default_factory=dict)
    """What else the file says."""

    def where(self, point: int) -> str:
        """Return the place of a point in words."""
        if self.lines is not None:
            return f"line {self.lines[point]}"
        return f"point {point + 1}"


def recognise_axis(text: str) -> AxisUnit | None:
    """Return the unit that the title of an axis states, or None.

    Raises
    ------
    ReadError
        It states a unit that is neither cm-1 nor nm.

    Examples
    --------
    >>> recognise_axis("Raman shift (1/cm)"), recognise_axis("nm")
    ('cm-1', 'nm')
    """
    if _PER_CM.search(text):
        return "cm-1"
    if _NANOMETRE.search(text):
        return "nm"
    if other := _OTHER.search(text):
        raise ReadError(
            f"the axis is in {other[0]}; export it as Raman shift in cm-1, or in nm"
        )
    return None


def recognise_intensity(text: str) -> str | None:
    """Return the intensity units of the schema that a text states, or None.

    Examples
    --------
    >>> recognise_intensity("Cnt/sec"), recognise_intensity("CCD cts")
    ('count s-1', 'count')
    """
    if _PER_SECOND.search(text):
        return COUNTS_PER_SECOND
    return COUNTS if _COUNT_WORD.search(text) else None


def to_spectra(raw: RawSpectra, *, laser_nm: float | None = None) -> xr.Dataset:
    """Check what a reader found and return it as spectra over the Raman shift.

    Parameters
    ----------
    raw : RawSpectra
        From a reader.
    laser_nm : float, optional
        Laser wavelength, **nm**; that of the file wins.

    Returns
    -------
    xarray.Dataset
        As :mod:`structkit.schema.spectra` describes; ``raman_shift`` ascends.

    Raises
    ------
    ReadError
        Values that are not finite, an axis that is disordered or repeats (names the
        line), an axis in nm without a laser, too few points.

    Notes
    -----
    An axis in nm becomes ``1e7 / laser - 1e7 / axis``. Both are taken as the file
    has them: if they are wavelengths in air the shift is 0.03 % too large, 0.15 cm-1
    at silicon, which a calibration on silicon takes away.
    """
    remarks = list(raw.remarks)
    _check_finite(raw)
    raw = _ascending(raw)
    laser = _choose_laser(raw, laser_nm, remarks)
    raw = _to_shift(raw, laser, remarks)
    scalars = dict(raw.scalars)
    if laser is not None:
        scalars[LASER_WAVELENGTH] = laser
    units = recognise_units(raw.intensity, declared=raw.units)
    try:
        return make_spectra(
            raw.axis,
            raw.intensity,
            intensity_units=units,
            scalars=scalars,
            spot_coords=raw.spot_coords,
            attrs={**raw.attrs, "remarks": "\n".join(remarks)},
        )
    except SchemaError as error:
        raise ReadError(f"{raw.path}: {error}") from error


def _check_finite(raw: RawSpectra) -> None:
    """Refuse NaN and infinity."""
    bad = np.flatnonzero(~np.isfinite(raw.axis))
    if bad.size:
        raise ReadError(
            f"{raw.path}: {raw.where(int(bad[0]))}: the axis is {raw.axis[bad[0]]}; "
            "remove or repair that point"
        )
    spots, points = np.nonzero(~np.isfinite(raw.intensity))
    if spots.size:
        raise ReadError(
            f"{raw.path}: spectrum {spots[0] + 1}, {raw.where(int(points[0]))}: the "
            f"intensity is {raw.intensity[spots[0], points[0]]}; repair that point"
        )


def _ascending(raw: RawSpectra) -> RawSpectra:
    """Return spectra whose axis ascends; refuse a disordered or repeated one."""
    steps = np.diff(raw.axis)
    if steps.size and np.sum(steps < 0.0) > steps.size // 2:
        raw = _reversed(raw)
        steps = np.diff(raw.axis)
    bad = np.flatnonzero(steps <= 0.0)
    if not bad.size:
        return raw
    point = int(bad[0]) + 1
    if steps[point - 1] == 0.0:
        problem, remedy = "repeats", "merge or remove repeated points"
    else:
        problem, remedy = "is out of order", "sort the points, or split joined spectra"
    raise ReadError(
        f"{raw.path}: {raw.where(point)}: the axis {problem} at "
        f"{raw.axis[point]:g}; {remedy}"
    )


def _reversed(raw: RawSpectra) -> RawSpectra:
    """Return the spectra with their points in the opposite order."""
    return replace(
        raw,
        axis=raw.axis[::-1],
        intensity=raw.intensity[:, ::-1],
        lines=None if raw.lines is None else raw.lines[::-1],
    )


def _choose_laser(
    raw: RawSpectra, given: float | None, remarks: list[str]
) -> float | None:
    """Return the laser wavelength, nm: the file's, else the one given."""
    for value in (raw.laser_nm, given):
        if value is not None and not _LASER_LIMITS[0] <= value <= _LASER_LIMITS[1]:
            raise ReadError(
                f"{raw.path}: a laser of {value:g} nm; give laser_nm in nm, such as 532"
            )
    if raw.laser_nm is None:
        return given
    if given is not None and abs(given - raw.laser_nm) > _LASER_AGREEMENT:
        remarks.append(
            f"The file says {raw.laser_nm:g} nm for the laser, laser_nm {given:g}; the "
            "file's was used."
        )
    return raw.laser_nm


def _to_shift(raw: RawSpectra, laser: float | None, remarks: list[str]) -> RawSpectra:
    """Return the spectra over the Raman shift."""
    unit = raw.axis_unit
    if unit is None:
        unit = "nm" if _is_plainly_nm(raw.axis) else "cm-1"
        remarks.append(
            f"The file does not say the unit of its axis ({raw.axis[0]:g} to "
            f"{raw.axis[-1]:g}); it was taken as {unit}."
        )
    if unit == "cm-1":
        return raw
    if laser is None:
        raise ReadError(
            f"{raw.path}: the axis is in nm ({raw.axis[0]:g} to {raw.axis[-1]:g}) and "
            "no laser wavelength is known; give laser_nm in [raman] of the series "
            "file, or the option laser_nm"
        )
    if raw.axis[0] <= 0.0:
        raise ReadError(
            f"{raw.path}: the axis is said to be in nm but holds {raw.axis[0]:g}; "
            "export it in cm-1"
        )
    shift = 1e7 / laser - 1e7 / raw.axis
    if shift[-1] <= 0.0:
        remarks.append(
            f"The whole spectrum lies on the anti-Stokes side of {laser:g} nm; check "
            "the laser wavelength."
        )
    return replace(raw, axis=shift, axis_unit="cm-1")


def _is_plainly_nm(axis: NDArray[np.float64]) -> bool:
    """Return whether an axis without unit has the range and the step of one in nm."""
    if axis.size < 2:
        return False
    within = axis[0] >= _NM_RANGE[0] and axis[-1] <= _NM_RANGE[1]
    return bool(within and np.median(np.diff(axis)) < _NM_STEP)
