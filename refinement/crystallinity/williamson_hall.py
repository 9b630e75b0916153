"""Size and strain by separate lines, a check of what the whole-pattern fit says."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity.expected_lines import FittedPattern, LineList, read_fit
from refinement.crystallinity.separate_lines import (
    LEAST_SIGNIFICANCE,
    fit_line,
    separate_lines,
)
from refinement.crystallinity.widths import K_FWHM
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.schema import PHASE

Floats = NDArray[np.float64]

LEAST_LINES = 4
"""Lines that a Williamson-Hall line needs."""
LEAST_RANGE = 2.0
"""Least ratio of the largest to the smallest sin(theta)."""
LARGEST_STRAIN = 0.01
"""Strain up to which sizes are stated where the lines cannot tell it: 1 %."""
_AGREE = 2.0
"""Combined sigmas up to which two sizes agree."""
_MODEL = 0.10
"""Relative uncertainty added to a comparison: line shapes are not exactly these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthLine:
    """A straight line through line widths, in Williamson and Hall's coordinates."""

    size_nm: float
    """Crystallite size, nm; infinite where all broadening may be strain."""
    size_nm_std: float
    strain: float
    """Strain eps; 0 where it was held."""
    strain_std: float
    """NaN where strain was held."""
    size_nm_high: float
    """Size at the largest strain possible, at most 1 %; NaN where strain was fitted."""
    reason: str
    """Why strain was held; empty where it was fitted."""


def fit_widths(
    two_theta: Floats, width: Floats, std: Floats, *, wavelength: float
) -> WidthLine:
    """Fit ``beta cos(theta) = K lambda / D + 4 eps sin(theta)``.

    Parameters
    ----------
    two_theta : ndarray, shape (n_lines,)
        **degree**.
    width, std : ndarray, shape (n_lines,)
        Full widths of the sample's own broadening and 1 sigma, **degree**.
    wavelength : float
        **angstrom**.

    Returns
    -------
    WidthLine
        With fewer than 4 lines, or less than a factor of 2 in sin(theta), or where the
        fitted strain or size comes out negative, strain is held at 0 and ``reason``
        says so; ``size_nm`` to ``size_nm_high`` is then the range for strains of 0 to
        1 %, infinite at its end where a smaller strain explains all.

    Notes
    -----
    K = 0.9 for full widths; strain as in the engines, a Lorentzian full width of
    ``4 eps tan(theta)``. esds are multiplied by the misfit where it exceeds 1.

    References
    ----------
    Williamson & Hall (1953), Acta Metall. 1, 22, doi:10.1016/0001-6160(53)90006-6.
    """
    theta = np.radians(np.asarray(two_theta, dtype=float)) / 2.0
    y = np.radians(width) * np.cos(theta)
    sigma = np.radians(std) * np.cos(theta)
    x = 4.0 * np.sin(theta)
    unit = 0.1 * K_FWHM * wavelength
    reason = _too_few(x)
    if not reason:
        design = np.column_stack([np.ones_like(x), x])
        (intercept, slope), esd = _solve(design, y, sigma)
        if intercept > 0.0 and slope >= 0.0:
            size = unit / intercept
            return WidthLine(
                size_nm=size,
                size_nm_std=size * esd[0] / intercept,
                strain=float(slope),
                strain_std=float(esd[1]),
                size_nm_high=math.nan,
                reason="",
            )
        negative = "size" if intercept <= 0.0 else "strain"
        reason = f"the fitted {negative} is negative"
    if x.size == 0:
        nan = math.nan
        return WidthLine(
            size_nm=nan,
            size_nm_std=nan,
            strain=nan,
            strain_std=nan,
            size_nm_high=nan,
            reason=reason,
        )
    (intercept,), (esd_intercept,) = _solve(np.ones((x.size, 1)), y, sigma)
    (strained,), _ = _solve(np.ones((x.size, 1)), y - LARGEST_STRAIN * x, sigma)
    size = unit / intercept if intercept > 0.0 else math.inf
    relative = esd_intercept / intercept if intercept > 0.0 else math.nan
    return WidthLine(
        size_nm=size,
        size_nm_std=size * relative,
        strain=0.0,
        strain_std=math.nan,
        size_nm_high=unit / strained if strained > 0.0 else math.inf,
        reason=reason,
    )


def line_sizes(result: RefinementResult, plan: RefinementPlan) -> xr.Dataset:
    """Return sizes and strains of each phase from its separate lines.

    Parameters
    ----------
    result : RefinementResult
        Its parameters and curves.
    plan : RefinementPlan
        The plan that it was refined with.

    Returns
    -------
    xarray.Dataset
        Over ``phase``: ``size_nm`` (of the whole-pattern fit), ``size_scherrer`` (mean
        over lines, no strain), ``size_wh`` (with strain, if that can be told), all in
        **nm**, ``strain_wh`` (1), each with ``_std``; ``size_wh_low``, ``size_wh_high``
        (nm: for strains of 0 to 1 % where strain was held at 0, NaN else);
        ``n_lines``; ``lower_bound`` (1 where the instrument was not calibrated: sizes
        are lower bounds); texts ``reason`` and ``verdict``.

    Raises
    ------
    SchemaError
        The result has no curves.

    Notes
    -----
    A line counts if it stands one FWHM off every other line of at least 3 % of its
    area, of any phase. It is fitted on ``observed - calculated`` plus its own part of
    the phase's component: area, position, both parts of a pseudo-Voigt of all emission
    lines, and a constant. What the instrument adds is then taken off
    (:func:`refinement.crystallinity.widths.sample_width`). The curve has been through
    the fit, which subtracts the neighbours: an independent check of the width of these
    lines, not of the model of the others.
    """
    fit = read_fit(result, plan)
    lists = [fit.lines_of(phase) for phase in range(len(fit.names))]
    rows = [_row(fit, lists, phase) for phase in range(len(fit.names))]
    found = xr.Dataset(coords={PHASE: list(fit.names)})
    for name, (units, long_name) in _VARIABLES.items():
        values = np.array([float(row[name]) for row in rows])
        found[name] = (PHASE, values, {"units": units, "long_name": long_name})
    for name, long_name in _TEXTS.items():
        words = [str(row[name]) for row in rows]
        found[name] = (PHASE, words, {"long_name": long_name})
    return found


_VARIABLES: dict[str, tuple[str, str]] = {
    "size_nm": ("nm", "crystallite size of the whole-pattern fit"),
    "size_nm_std": ("nm", "its standard uncertainty"),
    "size_scherrer": ("nm", "crystallite size of separate lines, no strain"),
    "size_scherrer_std": ("nm", "its standard uncertainty"),
    "size_wh": ("nm", "crystallite size by Williamson and Hall"),
    "size_wh_std": ("nm", "its standard uncertainty"),
    "size_wh_low": ("nm", "size at no strain, where strain is not told"),
    "size_wh_high": ("nm", "size at 1 % strain, where strain is not told"),
    "strain_wh": ("1", "microstrain by Williamson and Hall"),
    "strain_wh_std": ("1", "its standard uncertainty"),
    "n_lines": ("1", "separate lines used"),
    "lower_bound": ("1", "instrument not calibrated: sizes are lower bounds"),
}
_TEXTS = {"reason": "why strain was held", "verdict": "how the sizes compare"}


def _row(
    fit: FittedPattern, lists: list[LineList], phase: int
) -> dict[str, float | str]:
    """Return what the separate lines of one phase say."""
    instrument = fit.plan.instrument
    wavelength = instrument.radiation.wavelength
    significance = fit.value("scale", phase, default=0.0) / fit.value(
        "scale_std", phase, default=math.inf
    )
    seen = significance >= LEAST_SIGNIFICANCE
    picked = separate_lines(fit, lists, phase) if seen else []
    fitted = [fit_line(fit, lists[phase], phase, k) for k in picked]
    kept = np.array([one for one in fitted if one is not None]).reshape(-1, 3)
    angles, widths, stds = kept.T
    line = fit_widths(angles, widths, stds, wavelength=wavelength)
    plain = fit_widths(angles[:1], widths[:1], stds[:1], wavelength=wavelength)
    if angles.size:
        plain = _unstrained(angles, widths, stds, wavelength)
    size, size_std = fit.value("size_nm", phase), fit.value("size_nm_std", phase)
    held = bool(line.reason)
    return {
        "size_nm": size,
        "size_nm_std": size_std,
        "size_scherrer": plain.size_nm,
        "size_scherrer_std": plain.size_nm_std,
        "size_wh": line.size_nm,
        "size_wh_std": line.size_nm_std,
        "size_wh_low": line.size_nm if held else math.nan,
        "size_wh_high": line.size_nm_high,
        "strain_wh": line.strain,
        "strain_wh_std": line.strain_std,
        "n_lines": float(angles.size),
        "lower_bound": float(not instrument.calibrated),
        "reason": line.reason,
        "verdict": _verdict(size, size_std, line, calibrated=instrument.calibrated),
    }


def _unstrained(
    angles: Floats, widths: Floats, stds: Floats, wavelength: float
) -> WidthLine:
    """Return the mean size of lines without strain."""
    theta = np.radians(angles) / 2.0
    y, sigma = np.radians(widths) * np.cos(theta), np.radians(stds) * np.cos(theta)
    (mean,), (esd,) = _solve(np.ones((y.size, 1)), y, sigma)
    size = 0.1 * K_FWHM * wavelength / mean
    return WidthLine(
        size_nm=size,
        size_nm_std=size * float(esd / mean),
        strain=0.0,
        strain_std=math.nan,
        size_nm_high=math.nan,
        reason="",
    )


def _solve(design: Floats, y: Floats, sigma: Floats) -> tuple[Floats, Floats]:
    """Return weighted least squares and esds, inflated by the misfit."""
    weighted, target = design / sigma[:, None], y / sigma
    inverse = np.linalg.inv(weighted.T @ weighted)
    solution = inverse @ weighted.T @ target
    freedom = y.size - design.shape[1]
    misfit = float(np.sum((target - weighted @ solution) ** 2)) / max(freedom, 1)
    return solution, np.sqrt(np.diag(inverse) * max(misfit, 1.0))


def _too_few(x: Floats) -> str:
    """Return why lines cannot tell strain from size, or an empty text."""
    if x.size == 0:
        return "no line stands alone and is seen"
    if x.size < LEAST_LINES:
        return f"{x.size} separate lines, and strain needs {LEAST_LINES}"
    if x.max() < LEAST_RANGE * x.min():
        return (
            f"the lines span a factor of {x.max() / x.min():.2f} in sin(theta), and "
            f"strain needs {LEAST_RANGE:g}"
        )
    return ""


def _verdict(size: float, std: float, line: WidthLine, *, calibrated: bool) -> str:
    """Return in words how the line widths compare with the fit."""
    if not math.isfinite(size) or math.isnan(line.size_nm):
        return f"no check: {line.reason or 'the fit has no size'}"
    bound = "" if calibrated else "; instrument not calibrated, sizes are lower bounds"
    if line.reason:
        inside = line.size_nm <= size * (1.0 + _MODEL) and size <= line.size_nm_high
        word = "agrees with" if inside else "differs from"
        span = f"{line.size_nm:.3g} to {line.size_nm_high:.3g} nm"
        return f"{size:.3g} nm {word} {span} for strains of 0 to 1 %{bound}"
    # 1/size is what widths measure.
    spread = math.hypot(
        math.hypot(np.nan_to_num(std) / size, line.size_nm_std / line.size_nm), _MODEL
    )
    sigmas = abs(math.log(line.size_nm / size)) / spread
    word = "agrees with" if sigmas <= _AGREE else "differs from"
    return f"{size:.3g} nm {word} {line.size_nm:.3g} nm by separate lines{bound}"
