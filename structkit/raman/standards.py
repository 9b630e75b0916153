"""Lines of a standard: where they should be, and where they are.

A sharp line on few points has no shape that is quite known, so each is fitted with
several; the spread of the positions is part of their uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import wofz

from structkit.errors import FitError

Floats = NDArray[np.float64]
Shape = Callable[[Floats, Floats], Floats]

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
