"""Raman axis from a standard: how far it reads off, and how broad the instrument is.

Each line of the standard is fitted on a local straight baseline with several shapes;
their spread is part of the uncertainty, since the shape of a sharp line on few points
is never quite known. ``offset`` is measured minus true: an axis that reads high has a
positive offset, and applying the calibration subtracts it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from structkit.errors import FitError, SchemaError
from structkit.raman.remarks import add_remark
from structkit.raman.standards import SILICON, LineFit, StandardLine, fit_line
from structkit.schema import (
    GRATING,
    INTENSITY,
    LASER_WAVELENGTH,
    RAMAN_SHIFT,
    SPOT,
    validate_spectra,
)

Floats = NDArray[np.float64]

AXIS_OFFSET = "axis_offset"
"""Variable (): mean of what was subtracted from the axis, cm-1."""
AXIS_OFFSET_STD = "axis_offset_std"
"""Variable (): 1 sigma of it, root mean square over the axis, cm-1."""

UNKNOWN_SLOPE_STD = 5e-4
"""1 sigma of the axis' stretch where a single line cannot tell it, cm-1 per cm-1: half
a wavenumber at 1000 cm-1 from the line, what a spectrometer set to zero order and one
line keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisCalibration:
    """How far an axis reads off, at the recorded shift s.

    ``offset + slope (s - pivot) + quadratic (s - pivot)^2``.
    """

    offset: float
    """Measured minus true at the pivot, **cm-1**."""
    offset_std: float
    """1 sigma: counting, shape, reference value, scatter of the lines, **cm-1**."""
    slope: float
    """**cm-1 per cm-1**; 0 with one line."""
    slope_std: float
    """1 sigma; with one line :data:`UNKNOWN_SLOPE_STD`, an assumption."""
    quadratic: float
    """**1/cm-1**; 0 with fewer than three lines."""
    quadratic_std: float
    """1 sigma; 0 where the term is not fitted."""
    pivot: float
    """Recorded shift where the series starts, **cm-1**."""
    fwhm: float
    """Width of the narrowest line, an upper limit of the instrument's, **cm-1**."""
    fwhm_std: float
    """1 sigma of it, shape included, **cm-1**."""
    n_lines: int
    """Lines used."""
    source: str
    """Standard and its file."""
    grating: float = math.nan
    """Grooves, **mm-1**; NaN when unknown."""
    laser_wavelength: float = math.nan
    """**nm**; NaN when unknown."""

    def evaluate(self, raman_shift: ArrayLike) -> tuple[Floats, Floats]:
        """Return offset and 1 sigma at recorded shifts, cm-1.

        The terms count as independent, which they nearly are about the pivot.
        """
        away = np.asarray(raman_shift, dtype=float) - self.pivot
        offset = self.offset + self.slope * away + self.quadratic * away**2
        variance = (
            self.offset_std**2
            + (self.slope_std * away) ** 2
            + (self.quadratic_std * away**2) ** 2
        )
        return np.asarray(offset), np.asarray(np.sqrt(variance))


def fit_calibration(
    standard: xr.Dataset,
    lines: Sequence[StandardLine] = SILICON,
    *,
    search: float = 15.0,
    degree: int | None = None,
) -> AxisCalibration:
    """Measure an axis with a standard's spectrum.

    Parameters
    ----------
    standard : xarray.Dataset
        Spectrum of the standard (:mod:`structkit.schema.spectra`); spots are averaged,
        and their scatter becomes part of the uncertainty.
    lines : sequence of StandardLine
        Lines to use.
    search : float
        How far from its true place a line may lie, **cm-1**.
    degree : int, optional
        Of the correction: 0, 1 or 2, below the number of lines. None: 0 for one
        line, 1 for two or three, 2 for more.

    Returns
    -------
    AxisCalibration
        With the width of the narrowest line as upper limit of the instrument's.

    Raises
    ------
    FitError
        When a line is not found within ``search``, or is saturated.
    SchemaError
        When no line is given, or more terms than lines are asked for.
    """
    validate_spectra(standard)
    if not lines:
        raise SchemaError("no line of the standard given")
    chosen = _choose_degree(len(lines)) if degree is None else degree
    if not 0 <= chosen <= min(2, len(lines) - 1):
        raise SchemaError(f"degree {chosen} needs {chosen + 1} lines, at most degree 2")
    shift = standard[RAMAN_SHIFT].to_numpy()
    values = standard[INTENSITY].transpose(SPOT, RAMAN_SHIFT).to_numpy()
    values = values[np.any(values != 0.0, axis=1)]
    if len(values) == 0:
        raise FitError(f"every spot of the standard is empty ({_file_of(standard)})")
    mean = values.mean(axis=0)
    fits = [fit_line(shift, mean, line, search=search) for line in lines]
    spreads = [_spot_spread(shift, values, line, search=search) for line in lines]
    terms, esds, pivot = _fit_offsets(lines, fits, spreads, degree=chosen)
    narrowest = min(fits, key=lambda fit: fit.fwhm)
    names = ", ".join(dict.fromkeys(line.name for line in lines))
    return AxisCalibration(
        offset=float(terms[0]),
        offset_std=float(esds[0]),
        slope=float(terms[1]),
        slope_std=float(esds[1]),
        quadratic=float(terms[2]),
        quadratic_std=float(esds[2]),
        pivot=pivot,
        fwhm=narrowest.fwhm,
        fwhm_std=narrowest.fwhm_std,
        n_lines=len(lines),
        source=f"{names} ({_file_of(standard)})",
        grating=_scalar(standard, GRATING),
        laser_wavelength=_scalar(standard, LASER_WAVELENGTH),
    )


def _choose_degree(n_lines: int) -> int:
    """Return the degree that leaves a line to check with."""
    return 0 if n_lines == 1 else 1 if n_lines < 4 else 2


def _file_of(spectra: xr.Dataset) -> str:
    """Return the name of the file, for messages."""
    return str(spectra.attrs.get("source_file", "no file named"))


def _scalar(spectra: xr.Dataset, name: str) -> float:
    """Return a scalar coordinate; NaN when absent."""
    return float(spectra[name]) if name in spectra.coords else math.nan


def _spot_spread(
    shift: Floats, values: Floats, line: StandardLine, *, search: float
) -> float:
    """Return the scatter of a line's position from spot to spot, cm-1."""
    if len(values) < 2:
        return 0.0
    each = [fit_line(shift, row, line, search=search).position for row in values[:20]]
    return float(np.std(each, ddof=1))


def _fit_offsets(
    lines: Sequence[StandardLine],
    fits: Sequence[LineFit],
    spreads: Sequence[float],
    *,
    degree: int,
) -> tuple[Floats, Floats, float]:
    """Return the terms of the offset, their esds (length 3) and the pivot."""
    measured = np.array([fit.position for fit in fits])
    true = np.array([line.wavenumber for line in lines])
    variance = np.array(
        [
            fit.position_std**2 + line.wavenumber_std**2 + spread**2
            for fit, line, spread in zip(fits, lines, spreads, strict=True)
        ]
    )
    pivot = float(np.average(measured, weights=1.0 / variance))
    span = max(float(np.ptp(measured)), 1.0)
    scaled = np.vander((measured - pivot) / span, degree + 1, increasing=True)
    normal = scaled.T @ (scaled / variance[:, None])
    covariance = np.linalg.inv(normal)
    solution = covariance @ (scaled.T @ ((measured - true) / variance))
    misfit = measured - true - scaled @ solution
    n_free = len(lines) - degree - 1
    if n_free > 0:
        covariance *= max(1.0, float(np.sum(misfit**2 / variance)) / n_free)
    units = span ** np.arange(degree + 1)
    terms, esds = np.zeros(3), np.zeros(3)
    terms[: degree + 1] = solution / units
    esds[: degree + 1] = np.sqrt(np.diag(covariance)) / units
    if degree == 0:
        esds[1] = UNKNOWN_SLOPE_STD
    return terms, esds, pivot


def apply_calibration(
    spectra: xr.Dataset, calibration: AxisCalibration, *, drift_std: float = 0.0
) -> xr.Dataset:
    """Return spectra on the corrected axis.

    Parameters
    ----------
    spectra : xarray.Dataset
        Raman spectra of the same instrument, laser and grating as the standard.
    calibration : AxisCalibration
        From :func:`fit_calibration`.
    drift_std : float
        1 sigma of what the axis moves between standard and sample, **cm-1**; added
        in quadrature.

    Returns
    -------
    xarray.Dataset
        With ``axis_offset`` and ``axis_offset_std`` (scalars, cm-1: mean of the
        correction, root mean square of its uncertainty over the axis); the latter is
        the prior of a per-spectrum shift in a fit. Add the offset to undo it (exactly
        where only an offset was fitted; the terms stand in the remarks).

    Raises
    ------
    SchemaError
        When a calibration was applied before, or grating or laser differ.
    """
    validate_spectra(spectra)
    if AXIS_OFFSET in spectra:
        raise SchemaError(
            f"the axis was corrected already by {float(spectra[AXIS_OFFSET]):.2f} cm-1"
        )
    for name, limit in ((GRATING, 1.0), (LASER_WAVELENGTH, 0.5)):
        ours, theirs = _scalar(spectra, name), float(getattr(calibration, name))
        if abs(ours - theirs) > limit:
            raise SchemaError(
                f"{name} is {ours:g} in the spectra and {theirs:g} in the standard; "
                "measure the standard as the sample"
            )
    offset, esd = calibration.evaluate(spectra[RAMAN_SHIFT].to_numpy())
    mean = float(offset.mean())
    std = math.hypot(float(np.sqrt(np.mean(esd**2))), drift_std)
    axis = spectra[RAMAN_SHIFT]
    moved = (axis - offset).assign_attrs(axis.attrs)
    result = spectra.assign_coords({RAMAN_SHIFT: moved})
    for name, value, words in (
        (AXIS_OFFSET, mean, "what the axis read too high"),
        (AXIS_OFFSET_STD, std, "standard uncertainty of the axis' offset"),
    ):
        result[name] = xr.DataArray(value, attrs={"units": "cm-1", "long_name": words})
    validate_spectra(result)
    direction = "high" if mean >= 0.0 else "low"
    terms = f"{calibration.offset:+.3f}"
    if calibration.slope or calibration.quadratic:
        terms += (
            f" {calibration.slope:+.3e} (s - {calibration.pivot:.1f})"
            f" {calibration.quadratic:+.3e} (s - {calibration.pivot:.1f})²"
        )
    return add_remark(
        result,
        f"Axis read {direction} by {abs(mean):.2f} ± {std:.2f} cm-1 on average and is "
        f"corrected: {terms} cm-1 subtracted, from {calibration.source}, "
        f"{calibration.n_lines} line(s).",
    )
