"""Columns of numbers from a file, checked and turned into a pattern."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import DataQualityWarning, ReadError, SchemaError
from structkit.io.noise import recognise_units
from structkit.schema import COUNTS, make_pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a reader found, before any check."""

    path: Path
    """File it comes from."""
    two_theta: NDArray[np.float64]
    """Diffraction angle, degree, shape (n_points,)."""
    intensity: NDArray[np.float64]
    """Intensity, shape (n_points,)."""
    intensity_std: NDArray[np.float64] | None = None
    """1 sigma of it, where the file has it."""
    lines: NDArray[np.int64] | None = None
    """Line of the file that each point stands in, from 1."""
    units: str | None = None
    """Units of the intensity as the file states them; None: it does not."""
    wavelength: float | None = None
    """Reference wavelength, angstrom."""
    counting_time: float | None = None
    """Seconds per step."""
    attrs: dict[str, str | int | float] | None = None
    """What else the file says."""

    def where(self, point: int) -> str:
        """Return the place of a point in words."""
        if self.lines is not None:
            return f"line {self.lines[point]}"
        return f"point {point + 1}"


def to_pattern(columns: Columns) -> xr.Dataset:
    """Check columns and return them as a pattern.

    A strictly descending scan is reversed, with a warning. Intensities below zero
    pass only with esds: they are what is left of counts after a subtraction, and
    without esds their weight is unknown.

    Raises
    ------
    ReadError
        Values that are not finite, angles out of order or repeated, negative
        intensity without esds, too few points; names the file and the line.
    """
    _check_finite(columns)
    columns = _ascending(columns)
    units = recognise_units(columns.intensity, declared=columns.units)
    _check_sign(columns, units)
    try:
        return make_pattern(
            columns.two_theta,
            columns.intensity,
            intensity_std=_usable_esds(columns),
            intensity_units=units,
            wavelength=columns.wavelength,
            counting_time=columns.counting_time,
            attrs=columns.attrs,
        )
    except SchemaError as error:
        raise ReadError(f"{columns.path}: {error}") from error


def _check_finite(columns: Columns) -> None:
    """Refuse NaN and infinity."""
    for name, values in (
        ("two_theta", columns.two_theta),
        ("intensity", columns.intensity),
    ):
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ReadError(
                f"{columns.path}: {columns.where(int(bad[0]))}: {name} is "
                f"{values[bad[0]]}; remove or repair that point"
            )


def _ascending(columns: Columns) -> Columns:
    """Return columns with ascending angle; refuse a disordered or repeated one."""
    steps = np.diff(columns.two_theta)
    if steps.size and np.all(steps < 0.0):
        warnings.warn(
            f"{columns.path.name}: two_theta descends; the scan was reversed",
            DataQualityWarning,
            stacklevel=5,
        )
        return _reversed(columns)
    bad = np.flatnonzero(steps <= 0.0)
    if not bad.size:
        return columns
    point = int(bad[0]) + 1
    angle = columns.two_theta[point]
    if steps[point - 1] == 0.0:
        problem, remedy = "repeats", "merge or remove repeated points"
    else:
        problem, remedy = "goes back", "sort the points, or split joined scans"
    raise ReadError(
        f"{columns.path}: {columns.where(point)}: two_theta {problem} at {angle:g} "
        f"degree; {remedy}"
    )


def _reversed(columns: Columns) -> Columns:
    """Return the columns in the opposite order."""
    esd, lines = columns.intensity_std, columns.lines
    return replace(
        columns,
        two_theta=columns.two_theta[::-1],
        intensity=columns.intensity[::-1],
        intensity_std=None if esd is None else esd[::-1],
        lines=None if lines is None else lines[::-1],
    )


def _check_sign(columns: Columns, units: str) -> None:
    """Refuse negative intensity unless esds say what it weighs."""
    bad = np.flatnonzero(columns.intensity < 0.0)
    if not bad.size:
        return
    point = int(bad[0])
    place = f"{columns.path}: {columns.where(point)}: intensity"
    value = f"{columns.intensity[point]:g}"
    if units == COUNTS:
        raise ReadError(
            f"{place} {value} is a negative count; export the raw counts again"
        )
    if columns.intensity_std is None:
        raise ReadError(
            f"{place} {value} is negative: a background was subtracted, and the "
            "counting statistics are lost; give the raw data, or a column of esds"
        )


def _usable_esds(columns: Columns) -> NDArray[np.float64] | None:
    """Return esds where they can be used; zeros at empty points are raised."""
    esd = columns.intensity_std
    if esd is None:
        return None
    positive = np.isfinite(esd) & (esd > 0.0)
    if np.all(positive):
        return esd
    if np.all(columns.intensity[~positive] == 0.0) and np.any(positive):
        return np.where(positive, esd, esd[positive].min())
    warnings.warn(
        f"{columns.path.name}: the esd column holds values that are not positive; "
        "it was left out",
        DataQualityWarning,
        stacklevel=5,
    )
    return None
