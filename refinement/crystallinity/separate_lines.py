"""Lines that stand alone, and the width that the sample gives each of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from refinement.crystallinity.expected_lines import FittedPattern, LineList, line_widths
from refinement.crystallinity.widths import sample_width
from structkit.xrd.instrument import Instrument
from structkit.xrd.profiles import gaussian_width, lorentzian_width, sum_lines

Floats = NDArray[np.float64]

SEPARATION = 1.0
"""FWHM by which a line must stand off every other."""
_NEGLIGIBLE = 0.03
"""Area over that of the line below which a neighbour does not count."""
LEAST_SIGNIFICANCE = 10.0
"""Area (scale) over its esd from which a line (phase) has a width worth fitting."""
_NARROWEST = 1e-3
"""Sample's width over that of the line below which there is none to speak of."""
_REACH = 4.0
"""Half of the fitted range, in FWHM."""
_MOST_LINES = 40
"""Strongest lines of a phase that are looked at."""
_LEAST_POINTS = 10
"""Points that five parameters need."""
_WIDEST = 20.0
"""Widest that a fitted line may become, over the width of the whole-pattern fit."""
_STEP = 1e-4
"""Step of a derivative, over the line's width."""


def separate_lines(fit: FittedPattern, lists: list[LineList], phase: int) -> list[int]:
    """Return which lines of a phase stand off every other line, strongest first."""
    scales = [max(fit.value("scale", p, default=0.0), 0.0) for p in range(len(lists))]
    centers = np.concatenate([one.two_theta for one in lists])
    areas = np.concatenate([s * o.areas for s, o in zip(scales, lists, strict=True)])
    widths = np.concatenate([_widths(fit, one, p) for p, one in enumerate(lists)])
    first = int(sum(one.two_theta.size for one in lists[:phase]))
    own = np.arange(first, first + lists[phase].two_theta.size)
    picked = []
    for k in own[np.argsort(-areas[own])][:_MOST_LINES]:
        if areas[k] <= 0.0:
            break
        others = (np.arange(areas.size) != k) & (areas > _NEGLIGIBLE * areas[k])
        gap = np.abs(centers - centers[k]) - SEPARATION * np.maximum(widths, widths[k])
        inside = (
            fit.angles[0] + 2.0 * widths[k]
            <= centers[k]
            <= fit.angles[-1] - 2.0 * widths[k]
        )
        if inside and not np.any(gap[others] < 0.0):
            picked.append(int(k - first))
    return picked


def _widths(fit: FittedPattern, lines: LineList, phase: int) -> Floats:
    size = fit.value("size_nm", phase)
    return line_widths(
        lines.two_theta,
        fit.instrument,
        size_nm=size if math.isfinite(size) else None,
        microstrain=fit.value("microstrain", phase, default=0.0),
    )


def fit_line(
    fit: FittedPattern, lines: LineList, phase: int, number: int
) -> tuple[float, float, float] | None:
    """Fit one line, and take off what the instrument adds to its width.

    Parameters
    ----------
    fit : FittedPattern
        The fitted curves.
    lines : LineList
        Of the phase.
    phase, number : int
        Which phase, which of its lines.

    Returns
    -------
    tuple of float, or None
        Angle, the sample's own full width and 1 sigma of it, **degree**; None where
        the line is too weak, or no wider than the instrument's.
    """
    center = float(lines.two_theta[number])
    width = float(_widths(fit, lines, phase)[number])
    near = np.abs(fit.angles - center) <= _REACH * width + _doublet(fit, center)
    if np.count_nonzero(near) < _LEAST_POINTS:
        return None
    scale = fit.value("scale", phase, default=0.0)
    area = scale * fit.unit * float(lines.areas[number])
    start = np.array([area, center, *_parts(fit, center, phase)])
    whole = np.maximum(fit.component[phase][near], 0.0)
    drawn = _draw_line(fit.instrument, fit.angles[near], start)
    target = (fit.observed - fit.calculated)[near] + np.minimum(drawn, whole)
    std = fit.std[near] * max(fit.gof, 1.0)
    steps = np.array([max(area, 1e-12), width, width, width])
    found = _fit_profile(fit, fit.angles[near], target, std, start=start, steps=steps)
    if found is None:
        return None
    values, covariance = found
    instrument = _instrumental(fit.plan.instrument, center)

    def own(parts: Floats) -> float:
        g, x = np.abs(parts) * width
        return float(sample_width(gaussian=g, lorentzian=x, instrument=instrument))

    slope = np.array(
        [
            (own(values[2:4] + _STEP * e) - own(values[2:4] - _STEP * e)) / (2 * _STEP)
            for e in np.eye(2)
        ]
    )
    sigma = math.sqrt(max(float(slope @ covariance[2:4, 2:4] @ slope), 0.0))
    value = own(values[2:4])
    if not (sigma > 0.0 and value > _NARROWEST * width):
        return None
    return float(values[1] * width), value, sigma


def _fit_profile(
    fit: FittedPattern,
    grid: Floats,
    target: Floats,
    std: Floats,
    *,
    start: Floats,
    steps: Floats,
) -> tuple[Floats, Floats] | None:
    """Return area, centre, both widths and a constant in steps, with covariance."""

    def misfit(scaled: Floats) -> Floats:
        drawn = _draw_line(fit.instrument, grid, scaled[:4] * steps)
        return np.asarray((drawn + scaled[4] * std - target) / std)

    middle = start[1] / steps[1]
    low = np.array([0.0, middle - 1.0, 0.0, 0.0, -np.inf])
    high = np.array([np.inf, middle + 1.0, _WIDEST, _WIDEST, np.inf])
    first = np.clip(np.append(start / steps, 0.0), low + 1e-9, high - 1e-9)
    found = least_squares(misfit, first, bounds=(low, high))
    jacobian = np.asarray(found.jac, dtype=float)
    covariance = np.linalg.pinv(jacobian.T @ jacobian)
    esd = math.sqrt(max(float(covariance[0, 0]), 0.0))
    if not found.success or found.x[0] < LEAST_SIGNIFICANCE * esd:
        return None
    return np.asarray(found.x), covariance


def _parts(fit: FittedPattern, center: float, phase: int) -> tuple[float, float]:
    """Return Gaussian and Lorentzian widths of a line as fitted, degree."""
    at = np.array([center])
    size = fit.value("size_nm", phase)
    lorentzian = lorentzian_width(
        at,
        fit.instrument,
        wavelength=fit.instrument.radiation.wavelength,
        size=10.0 * size if math.isfinite(size) else None,
        microstrain=fit.value("microstrain", phase, default=0.0),
        line_width=_emission_width(fit.instrument),
    )
    return float(gaussian_width(at, fit.instrument)[0]), float(lorentzian[0])


def _instrumental(instrument: Instrument, center: float) -> tuple[Floats, Floats]:
    """Return Gaussian and Lorentzian widths of the instrument, degree."""
    at = np.array([center])
    wavelength = instrument.radiation.wavelength
    lorentzian = lorentzian_width(
        at,
        instrument,
        wavelength=wavelength,
        line_width=_emission_width(instrument),
    )
    return gaussian_width(at, instrument)[0], lorentzian[0]


def _emission_width(instrument: Instrument) -> float:
    """Return the width of the reference emission line, angstrom; 0: sharp."""
    widths = instrument.radiation.widths
    return widths[0] if widths else 0.0


def _draw_line(instrument: Instrument, grid: Floats, values: Floats) -> Floats:
    """Draw one reflection, all emission lines: area, centre, Gaussian, Lorentzian."""
    area, center, gaussian, lorentzian = values
    radiation = instrument.radiation
    sine = np.sin(np.radians(center) / 2.0) * radiation.ratios()
    centers = np.degrees(2.0 * np.arcsin(np.clip(sine, -1.0, 1.0)))
    n = centers.size
    return sum_lines(
        grid,
        centers,
        area * np.asarray(radiation.shares),
        gaussian=np.full(n, max(gaussian, 1e-4)),
        lorentzian=np.full(n, max(lorentzian, 0.0)),
        axial_divergence=instrument.axial_divergence,
    )


def _doublet(fit: FittedPattern, center: float) -> float:
    """Return how far the emission lines of a reflection spread, degree."""
    spread = float(np.max(np.abs(fit.instrument.radiation.ratios() - 1.0)))
    return math.degrees(2.0 * spread * math.tan(math.radians(center) / 2.0))
