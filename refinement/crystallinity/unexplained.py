"""Lines in the residual that no phase of the plan explains."""

from __future__ import annotations

import math

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import erfc

from refinement.crystallinity.expected_lines import (
    FittedPattern,
    line_widths,
    read_fit,
)
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult

Floats = NDArray[np.float64]

WIDTHS = (1.0, 2.0, 4.0)
"""Widths of the lines looked for, over the pattern's own line width."""
FALSE_ALARM = 0.05
"""Chance of one line or more in a pattern where every line is explained."""
TOLERANCE = 0.10
"""Area over that of the fitted lines around it which a line must have: profiles that
are not quite right leave this much beside strong lines."""
_REACH = 2.0
"""Half of the filter, in its full widths."""
_NEAR = 1.5
"""Full widths around a line in which fitted lines count and no second is listed."""
_MAD = 1.4826
"""Standard deviation over the median absolute deviation."""
_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
_MOST_LINES = 30
_LEAST_POINTS = 5
_LEAST_POWER = 0.2
"""Part of a line's power that must be left of it without its mean and slope."""
_LN2 = math.log(2.0)


def unexplained_lines(
    result: RefinementResult,
    plan: RefinementPlan,
    *,
    false_alarm: float = FALSE_ALARM,
    tolerance: float = TOLERANCE,
) -> xr.Dataset:
    """Find lines in the residual of a fit.

    Parameters
    ----------
    result : RefinementResult
        Its parameters and curves.
    plan : RefinementPlan
        The plan that it was refined with.
    false_alarm : float
        Chance of any line in a pattern of noise, in (0, 1).
    tolerance : float
        See :data:`TOLERANCE`.

    Returns
    -------
    xarray.Dataset
        Over ``line``, strongest evidence first: ``two_theta`` (**degree**),
        ``d_spacing`` (**angstrom**, zero and displacement taken off), ``fwhm``
        (degree), ``area`` (intensity x degree) with ``_std``, ``significance`` (in
        inflated sigmas), ``false_alarm_probability`` (of anything as significant in a
        whole pattern of noise). Scalars ``threshold`` (sigmas) and ``verdict``.

    Raises
    ------
    SchemaError
        The result has no curves.

    Notes
    -----
    A matched filter: Gaussians of 1, 2 and 4 line widths, less their mean and slope
    over the window, against ``(observed - calculated) / std``. Each width's output is
    divided by the largest of 1, GOF and its own robust spread over the pattern, which
    holds what serial correlation of the residual adds.

    The chance of the highest of all positions is bounded by the number of upcrossings
    of a Gaussian process: ``sum over widths of Q(u) + exp(-u^2/2) / (2 pi sqrt 2) int
    dx / s`` with s the filter's sigma (Davies 1987), no table of independent positions.

    References
    ----------
    Davies (1987), Biometrika 74, 33, doi:10.1093/biomet/74.1.33.
    """
    fit = read_fit(result, plan)
    own = _own_widths(fit)
    filtered = [_filter(fit, factor * own) for factor in WIDTHS]
    level = np.array([one[0] for one in filtered])
    allowed = np.array(
        [
            one[1] >= tolerance * _surroundings(fit, factor * own)
            for one, factor in zip(filtered, WIDTHS, strict=True)
        ]
    )
    threshold = _threshold(fit.angles, own, false_alarm)
    picked = _pick(fit.angles, own, np.where(allowed, level, -np.inf), threshold)
    rows = np.array(
        [
            [
                fit.angles[at],
                WIDTHS[k] * own[at],
                filtered[k][1][at],
                filtered[k][1][at] / level[k, at],
                level[k, at],
                _chance(fit.angles, own, level[k, at]),
            ]
            for k, at in picked
        ]
    ).reshape(-1, 6)
    return _label(fit, rows, threshold)


def _own_widths(fit: FittedPattern) -> Floats:
    """Return the line width of the best seen phase at every point, degree."""
    ratio = [
        fit.value("scale", p, default=0.0) / fit.value("scale_std", p, default=math.inf)
        for p in range(len(fit.names))
    ]
    best = int(np.argmax(ratio))
    size = fit.value("size_nm", best)
    widths = line_widths(
        fit.angles,
        fit.instrument,
        size_nm=size if math.isfinite(size) else None,
        microstrain=fit.value("microstrain", best, default=0.0),
    )
    step = float(np.median(np.diff(fit.angles)))
    return np.maximum(widths, 2.0 * step)


def _filter(fit: FittedPattern, widths: Floats) -> tuple[Floats, Floats]:
    """Return significance and area of a line of the given width at every point."""
    left = np.searchsorted(fit.angles, fit.angles - _REACH * widths)
    right = np.searchsorted(fit.angles, fit.angles + _REACH * widths, side="right")
    significance, area = _match(
        fit.angles, widths, fit.observed - fit.calculated, fit.std, left, right
    )
    spread = _MAD * float(np.median(np.abs(significance - np.median(significance))))
    return significance / max(1.0, fit.gof, spread), area


_AREA = 0.5 * math.sqrt(math.pi / math.log(2.0))
"""Area of a Gaussian over height times full width."""


@numba.njit(cache=True)
def _match(angles, widths, residual, std, left, right):  # type: ignore[no-untyped-def]
    """Return significance and area of a Gaussian less its mean and slope everywhere."""
    significance, area = np.zeros(angles.size), np.zeros(angles.size)
    for at in range(angles.size):
        first, last = left[at], right[at]
        if last - first < _LEAST_POINTS:
            continue  # the range's edge cannot tell a line from a slope
        offset = (angles[first:last] - angles[at]) / widths[at]
        bare = np.exp(-4.0 * _LN2 * offset * offset)
        centred = offset - offset.mean()
        slope = (bare * centred).sum() / max((centred * centred).sum(), 1e-300)
        shape = bare - bare.mean() - slope * centred
        power = (shape * shape).sum()
        if power < _LEAST_POWER * (bare * bare).sum():
            continue
        seen = (shape * residual[first:last] / std[first:last]).sum()
        significance[at] = seen / math.sqrt(power)
        area[at] = (shape * residual[first:last]).sum() / power * widths[at] * _AREA
    return significance, area


def _surroundings(fit: FittedPattern, widths: Floats) -> Floats:
    """Return the largest area that fitted lines have in a width near every point."""
    total = fit.component.sum(axis=0)
    left = np.searchsorted(fit.angles, fit.angles - _NEAR * widths)
    right = np.searchsorted(fit.angles, fit.angles + _NEAR * widths, side="right")
    highest = [float(total[a:b].max()) for a, b in zip(left, right, strict=True)]
    return np.asarray(highest) * widths * _AREA


def _chance(angles: Floats, own: Floats, level: float) -> float:
    """Return the chance that noise reaches a level anywhere, 1 at most."""
    above = 0.5 * float(erfc(level / math.sqrt(2.0)))
    length = float(np.trapezoid(_FWHM_PER_SIGMA / own, angles))
    crossings = math.exp(-0.5 * level**2) / (2.0 * math.pi * math.sqrt(2.0))
    total = sum(above + crossings * length / factor for factor in WIDTHS)
    return min(total, 1.0)


def _threshold(angles: Floats, own: Floats, false_alarm: float) -> float:
    """Return the level that noise reaches with the given chance, in sigmas."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if _chance(angles, own, middle) > false_alarm:
            low = middle
        else:
            high = middle
    return high


def _pick(
    angles: Floats, own: Floats, level: Floats, threshold: float
) -> list[tuple[int, int]]:
    """Return width and position of each line, the most significant first."""
    left = level.copy()
    picked: list[tuple[int, int]] = []
    while len(picked) < _MOST_LINES:
        k, at = (int(i) for i in np.unravel_index(np.argmax(left), left.shape))
        if not left[k, at] > threshold:
            break
        picked.append((k, at))
        near = np.abs(angles - angles[at]) <= _NEAR * np.maximum(WIDTHS[k], 2.0) * own
        left[:, near] = -np.inf
    return picked


def _label(fit: FittedPattern, rows: Floats, threshold: float) -> xr.Dataset:
    """Return the lines with their names, and a sentence."""
    angles, widths, areas, stds, levels, chances = rows.T
    true = (
        angles
        - fit.instrument.zero
        - fit.displacement * np.cos(np.radians(angles) / 2.0)
    )
    wavelength = fit.instrument.radiation.wavelength
    spacing = wavelength / (2.0 * np.sin(np.radians(true) / 2.0))
    units = str(fit.result.curves["observed"].attrs.get("units", "1"))
    columns: dict[str, tuple[Floats, str, str]] = {
        "two_theta": (angles, "degree", "2θ"),
        "d_spacing": (spacing, "angstrom", "lattice spacing"),
        "fwhm": (widths, "degree", "full width of the filter"),
        "area": (areas, f"{units} degree", "area"),
        "area_std": (stds, f"{units} degree", "standard uncertainty of area"),
        "significance": (levels, "1", "area over its inflated uncertainty"),
        "false_alarm_probability": (chances, "1", "chance in a pattern of noise"),
    }
    found = xr.Dataset(
        {
            name: (("line",), data, {"units": unit, "long_name": long_name})
            for name, (data, unit, long_name) in columns.items()
        }
    )
    sigmas = {"units": "1", "long_name": "sigmas from which a line is listed"}
    return found.assign(
        threshold=((), threshold, sigmas),
        verdict=((), _sentence(angles, spacing), {"long_name": "in words"}),
    )


def _sentence(angles: Floats, spacing: Floats) -> str:
    if angles.size == 0:
        return "no line is left unexplained"
    named = [f"{a:.2f}° ({d:.3f} Å)" for a, d in zip(angles[:3], spacing, strict=False)]
    more = "" if angles.size <= 3 else f" and {angles.size - 3} more"
    lines = "1 line is" if angles.size == 1 else f"{angles.size} lines are"
    return (
        f"{lines} left unexplained: {', '.join(named)}{more}; another phase, "
        "or a wrong structure"
    )
