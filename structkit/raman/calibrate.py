"""Raman axis from a standard: how far it reads off, and how broad the instrument is.

Each line of the standard is fitted on a local straight baseline with several shapes;
their spread is part of the uncertainty, since the shape of a sharp line on few points
is never quite known. ``offset`` is measured minus true: an axis that reads high has a
positive offset, and applying the calibration subtracts it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import wofz

from structkit.errors import FitError, SchemaError
from structkit.raman.remarks import add_remark
from structkit.schema import (
    GRATING,
    INTENSITY,
    LASER_WAVELENGTH,
    RAMAN_SHIFT,
    SPOT,
    validate_spectra,
)

Floats = NDArray[np.float64]
Shape = Callable[[Floats, Floats], Floats]

AXIS_OFFSET = "axis_offset"
"""Variable (): mean of what was subtracted from the axis, cm-1."""
AXIS_OFFSET_STD = "axis_offset_std"
"""Variable (): 1 sigma of it, root mean square over the axis, cm-1."""

UNKNOWN_SLOPE_STD = 5e-4
"""1 sigma of the axis' stretch where a single line cannot tell it, cm-1 per cm-1: half
a wavenumber at 1000 cm-1 from the line, what a spectrometer set to zero order and one
line keeps."""
_REACH = 25.0
_LEAST_SNR = 10.0
_MIN_FIT_POINTS = 9
_FLAT_TOP = 3
_CEILINGS = (4095.0, 16383.0, 65535.0)
_LN16 = 4.0 * math.log(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardLine:
    """One line of a standard."""

    name: str
    """Of the standard, for messages."""
    wavenumber: float
    """True Raman shift, **cm-1**."""
    wavenumber_std: float
    """1 sigma of it, **cm-1**."""


SILICON = (StandardLine(name="silicon", wavenumber=520.7, wavenumber_std=0.1),)
"""520.5 to 520.7 cm-1 is used, by temperature and laser power."""

POLYSTYRENE = tuple(
    StandardLine(name="polystyrene", wavenumber=value, wavenumber_std=esd)
    for value, esd in (
        (620.9, 0.69),
        (1001.4, 0.54),
        (1031.8, 0.43),
        (1155.3, 0.56),
        (1602.3, 0.73),
    )
)
"""Strong single lines of the guide ASTM E1840 with its standard deviations, quoted from
memory: check them against the guide before a result rests on them."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFit:
    """Position and width of one line, as several shapes give them."""

    position: float
    """By the pseudo-Voigt, **cm-1**."""
    position_std: float
    """1 sigma: counting and shape, **cm-1**."""
    fwhm: float
    """By the pseudo-Voigt, **cm-1**."""
    fwhm_std: float
    """1 sigma: counting and shape, **cm-1**."""
    positions: tuple[float, ...]
    """By each shape that describes the line, **cm-1**."""


def lamp_lines(
    wavelengths_nm: Sequence[float],
    *,
    laser_nm: float,
    name: str = "lamp",
    wavenumber_std: float = 0.1,
    refractive_index: float = 1.00028,
) -> tuple[StandardLine, ...]:
    """Return a lamp's lines as Raman shifts.

    Parameters
    ----------
    wavelengths_nm : sequence of float
        In air, **nm**.
    laser_nm : float
        In air, **nm**; 0.01 nm of it are 0.35 cm-1 at 532 nm.
    name : str
        For messages.
    wavenumber_std : float
        1 sigma, laser included, **cm-1**.
    refractive_index : float
        Of air; 1 when all wavelengths are those in vacuum.

    Returns
    -------
    tuple of StandardLine
        Ascending.

    Examples
    --------
    >>> [round(line.wavenumber, 1) for line in lamp_lines([540.056], laser_nm=532.0)]
    [280.3]
    """
    shifts = [
        (1e7 / laser_nm - 1e7 / each) / refractive_index for each in wavelengths_nm
    ]
    return tuple(
        StandardLine(name=name, wavenumber=each, wavenumber_std=wavenumber_std)
        for each in sorted(shifts)
    )


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


def fit_line(
    shift: Floats, counts: Floats, line: StandardLine, *, search: float = 15.0
) -> LineFit:
    """Fit one line of a standard with several shapes.

    Parameters
    ----------
    shift, counts : numpy.ndarray, shape (n_points,)
        Axis in **cm-1** and intensity.
    line : StandardLine
        Where it should be.
    search : float
        How far off it may be, **cm-1**.

    Returns
    -------
    LineFit
        The position and width of a pseudo-Voigt with counting weights. Half the
        range of the values by pseudo-Voigt, Voigt, Pearson VII and a skewed
        pseudo-Voigt, each with counting and with equal weights, is the systematic
        part.

    Raises
    ------
    FitError
        When the line is not there, not within ``search``, or saturated.
    """
    peak = _find_peak(shift, counts, line, search=search)
    _refuse_saturated(counts, peak, line=line)
    near = np.abs(shift - shift[peak]) <= _REACH
    if near.sum() < _MIN_FIT_POINTS:
        raise FitError(
            f"{line.name} at {line.wavenumber:g} cm-1: {int(near.sum())} points within "
            f"{_REACH:g} cm-1; the standard needs a finer axis"
        )
    counting = np.sqrt(np.maximum(counts[near], 1e-4 * counts[peak]))
    fits = [
        _fit_shape(shift[near], counts[near], shape, esd=esd)
        for shape in _SHAPES
        for esd in (counting, np.ones_like(counting))
    ]
    positions = np.array([fit[0] for fit in fits])
    widths = np.array([fit[1] for fit in fits])
    position, width, position_esd, width_esd = fits[0]
    if abs(position - line.wavenumber) > search:
        raise FitError(
            f"{line.name} is fitted at {position:.1f} cm-1, more than {search:g} cm-1 "
            f"from {line.wavenumber:g}; widen search or check laser and grating"
        )
    return LineFit(
        position=position,
        position_std=math.hypot(position_esd, 0.5 * float(np.ptp(positions))),
        fwhm=width,
        fwhm_std=math.hypot(width_esd, 0.5 * float(np.ptp(widths))),
        positions=tuple(positions.tolist()),
    )


def _find_peak(
    shift: Floats, counts: Floats, line: StandardLine, *, search: float
) -> int:
    """Return the index of the highest point within ``search`` of a line."""
    where = f"{line.name} at {line.wavenumber:g} cm-1"
    near = np.flatnonzero(np.abs(shift - line.wavenumber) <= search)
    if not shift[0] < line.wavenumber < shift[-1]:
        raise FitError(
            f"{where}: the axis covers {shift[0]:.0f} to {shift[-1]:.0f} cm-1"
        )
    if near.size < 3:
        raise FitError(f"{where}: the axis is too coarse; the line has no points")
    peak = int(near[np.argmax(counts[near])])
    wide = np.abs(shift - line.wavenumber) <= search + _REACH
    level = float(np.median(counts[wide]))
    noise = 1.4826 * float(np.median(np.abs(np.diff(counts[wide])))) / math.sqrt(2.0)
    if counts[peak] - level < _LEAST_SNR * max(noise, 1e-12):
        raise FitError(
            f"{where}: nothing stands out within {search:g} cm-1; wrong standard?"
        )
    if peak in (near[0], near[-1]):
        raise FitError(
            f"{where}: the spectrum rises to the edge of the search range; the line is "
            f"not within {search:g} cm-1 of its place, check laser and grating"
        )
    return peak


def _refuse_saturated(counts: Floats, peak: int, *, line: StandardLine) -> None:
    """Raise where a line's top is cut off."""
    top = np.flatnonzero(counts == counts[peak])
    together = np.abs(top - peak) < _FLAT_TOP
    if int(together.sum()) >= _FLAT_TOP or float(counts[peak]) in _CEILINGS:
        raise FitError(
            f"{line.name} at {line.wavenumber:g} cm-1 is saturated at "
            f"{counts[peak]:g}; measure the standard with less light"
        )


def _pseudo_voigt(x: Floats, shape: Floats) -> Floats:
    """Return a pseudo-Voigt of height 1 over (shift - centre) / fwhm."""
    share = shape[0]
    return np.asarray(
        share / (1.0 + 4.0 * x**2) + (1.0 - share) * np.exp(-_LN16 * x**2)
    )


def _skewed(x: Floats, shape: Floats) -> Floats:
    """Return a pseudo-Voigt whose width differs between the sides."""
    return _pseudo_voigt(x / (1.0 + shape[1] * np.tanh(2.0 * x)), shape)


def _pearson(x: Floats, shape: Floats) -> Floats:
    """Return a Pearson VII of height 1; shape is the exponent's logarithm."""
    exponent = math.exp(shape[0])
    bracket = 4.0 * (2.0 ** (1.0 / exponent) - 1.0)
    return np.asarray((1.0 + bracket * x**2) ** -exponent)


def _voigt(x: Floats, shape: Floats) -> Floats:
    """Return a Voigt of height 1 and nearly unit fwhm; shape is the Lorentz share."""
    lorentz = float(np.clip(shape[0], 0.0, 1.0))
    total = 0.5346 * lorentz + math.sqrt(0.2166 * lorentz**2 + (1.0 - lorentz) ** 2)
    gamma = 0.5 * lorentz / total
    sigma = max((1.0 - lorentz) / total / math.sqrt(2.0 * _LN16), 1e-6)
    scale = sigma * math.sqrt(2.0)
    top = wofz(1j * gamma / scale).real
    return np.asarray(wofz((x + 1j * gamma) / scale).real / top)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A line shape, and start and limits of each of its own parameters."""

    curve: Shape
    parameters: tuple[tuple[float, float, float], ...]


_SHAPES = (
    _Shape(_pseudo_voigt, ((0.5, 0.0, 1.0),)),
    _Shape(_voigt, ((0.5, 0.0, 1.0),)),
    _Shape(_pearson, ((1.0, -0.5, 5.0),)),
    _Shape(_skewed, ((0.5, 0.0, 1.0), (0.0, -0.4, 0.4))),
)


def _fit_shape(
    shift: Floats, counts: Floats, shape: _Shape, *, esd: Floats
) -> tuple[float, float, float, float]:
    """Return position, fwhm, and esds of both, scaled by the misfit.

    The position is the maximum, for the skewed shape too.
    """
    base = float(counts.min())
    height = float(counts.max()) - base
    middle, half = float(shift.mean()), 0.5 * float(np.ptp(shift))

    def residual(values: Floats) -> Floats:
        position, width, top, level, tilt = values[:5]
        curve = top * shape.curve((shift - position) / width, values[5:])
        line = level + tilt * (shift - middle) / half
        return np.asarray((curve + line - counts) / esd)

    step = float(np.median(np.diff(shift)))
    own = shape.parameters
    centre = float(shift[np.argmax(counts)])
    start = np.array(
        [centre, 4.0 * step, height, base, 0.0, *(each[0] for each in own)]
    )
    low = [shift[0], 0.5 * step, 0.0, -np.inf, -np.inf, *(p[1] for p in own)]
    high = [shift[-1], 2.0 * half, np.inf, np.inf, np.inf, *(p[2] for p in own)]
    scale = [step, step, height, height, height, *(0.2 for _ in own)]
    found = least_squares(residual, start, bounds=(low, high), x_scale=scale)
    misfit = 2.0 * found.cost / max(shift.size - start.size, 1)
    jacobian = np.asarray(found.jac, dtype=float)
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * misfit
    esds = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return float(found.x[0]), float(found.x[1]), float(esds[0]), float(esds[1])


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
