"""Recovery of lines that overlap: shared shapes, one area of each per delay."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from structkit.errors import SchemaError
from structkit.nmr.lineshapes import evaluate_lines
from structkit.nmr.recovery import RecoveryFit, fit_recovery
from structkit.nmr.recovery_laws import RecoveryLaw
from structkit.nmr.separable import Separable, SeparableFit, fit_separable
from structkit.schema import FitStatus

Floats = NDArray[np.float64]
Shapes = Callable[[Floats], Floats]
"""Shape parameters -> lines of unit area, (n_points, n_sites)."""

_MISFIT_RATIO = 1.3
_REACH = 30.0
_DEPENDENT = 0.95
_PER_SITE = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineShapes:
    """Lines of unit area and where their parameters start and end."""

    evaluate: Shapes
    """Parameters -> lines."""
    start: tuple[float, ...]
    """First values."""
    low: tuple[float, ...]
    """Least values."""
    high: tuple[float, ...]
    """Greatest values."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverlapFit:
    """Lines and their recoveries, fitted together."""

    recoveries: tuple[RecoveryFit, ...]
    """Each site's recovery of its areas alone: intervals, law's criterion, doubts."""
    t1: Floats
    """From all points together, shape (n_sites,), **s**."""
    t1_std: Floats
    """1 sigma, line shapes free, **s**."""
    areas: Floats
    """Shape (n_delays, n_sites)."""
    areas_covariance: Floats
    """Of the areas at one delay, for given shapes, shape (n_sites, n_sites)."""
    shapes: Floats
    """Shape parameters."""
    shapes_std: Floats
    """1 sigma; NaN where a parameter stands at its limit."""
    chi_square: float
    """Sum of squares over variance of the joint fit."""
    freedom: int
    """Its degrees of freedom."""
    status: FitStatus
    """How it ended."""
    reason: str = ""
    """Why not well, one sentence a line."""


def make_pseudo_voigts(
    chemical_shift: ArrayLike,
    *,
    centres: Sequence[float],
    widths: Sequence[float],
    shares: Sequence[float] | None = None,
) -> LineShapes:
    """Return pseudo-Voigt lines with free centre, width and Lorentzian share.

    Parameters
    ----------
    chemical_shift : array_like, shape (n_points,)
        **ppm**.
    centres, widths : sequence of float
        First centres and full widths at half maximum, **ppm**.
    shares : sequence of float, optional
        First Lorentzian shares, 0 to 1; half where absent.

    Returns
    -------
    LineShapes
        Parameters in the order centre, width, share, site after site.

    Raises
    ------
    SchemaError
        Numbers of centres and widths that differ, widths that are not positive.
    """
    shift = np.asarray(chemical_shift, dtype=float)
    first = np.asarray(widths, dtype=float)
    if len(centres) != first.size or not np.all(first > 0.0):
        raise SchemaError("give one positive width for each centre, in ppm")
    lorentzian = [0.5] * first.size if shares is None else list(shares)

    def evaluate(parameters: Floats) -> Floats:
        centre, width, share = parameters.reshape(-1, _PER_SITE).T
        return evaluate_lines(shift, centre, width, share=share).value.T

    start, low, high = [], [], []
    for centre, width, share in zip(centres, first, lorentzian, strict=True):
        start += [centre, float(width), share]
        low += [centre - float(width), float(width) / 4.0, 0.0]
        high += [centre + float(width), float(width) * 4.0, 1.0]
    return LineShapes(
        evaluate=evaluate, start=tuple(start), low=tuple(low), high=tuple(high)
    )


def solve_areas(
    lines: Floats, intensity: Floats, *, sigma: float
) -> tuple[Floats, Floats]:
    """Return the areas of given lines at every delay, with their covariance.

    Parameters
    ----------
    lines : ndarray, shape (n_points, n_sites)
        Of unit area.
    intensity : ndarray, shape (n_delays, n_points)
        Spectra.
    sigma : float
        1 sigma of one point.

    Returns
    -------
    areas : ndarray, shape (n_delays, n_sites)
    covariance : ndarray, shape (n_sites, n_sites)
        The same at every delay.

    Raises
    ------
    SchemaError
        Lines that cannot be told apart.
    """
    normal = lines.T @ lines
    if np.linalg.matrix_rank(normal, hermitian=True) < normal.shape[0]:
        raise SchemaError("two lines have one shape; start them apart, or fit one")
    inverse: Floats = np.asarray(np.linalg.inv(normal), dtype=float)
    return np.asarray(intensity @ lines @ inverse), sigma**2 * inverse


def fit_overlapped_recovery(
    delay: ArrayLike,
    intensity: ArrayLike,
    *,
    shapes: LineShapes,
    sigma: float,
    laws: Sequence[RecoveryLaw] | None = None,
) -> OverlapFit:
    """Fit overlapping lines at all delays together: one shape, one T1 of each.

    Parameters
    ----------
    delay : array_like, shape (n_delays,)
        **s**.
    intensity : array_like, shape (n_delays, n_points)
        Spectra in phase, with their signs, baseline taken away.
    shapes : LineShapes
        As :func:`make_pseudo_voigts` makes them, or any other.
    sigma : float
        1 sigma of one point, independent of its neighbours.
    laws : sequence of RecoveryLaw, optional
        One for each site; single exponentials where absent.

    Returns
    -------
    OverlapFit
        ``recoveries`` come from the areas alone, ``t1`` from shapes and laws together.

    Raises
    ------
    SchemaError
        Arrays that do not fit together, or one line twice.

    Notes
    -----
    First the shapes are fitted with free areas at every delay (solved for, variable
    projection); then each area's recovery; then everything jointly, where the sizes of
    equilibrium and recovery are solved for. The last covariance holds the shapes too.
    """
    times = np.asarray(delay, dtype=float)
    spectra = np.asarray(intensity, dtype=float)
    if times.ndim != 1 or spectra.shape[:-1] != times.shape:
        raise SchemaError("intensity must have dims (n_delays, n_points)")
    if not sigma > 0.0:
        raise SchemaError(f"sigma is {sigma}; it must be positive")
    first = _fit_shapes(shapes, spectra, sigma)
    lines = shapes.evaluate(first)
    areas, covariance = solve_areas(lines, spectra, sigma=sigma)
    n_sites = lines.shape[1]
    chosen = tuple(laws) if laws else (RecoveryLaw(),) * n_sites
    if len(chosen) != n_sites:
        raise SchemaError(f"{len(chosen)} laws for {n_sites} lines; give one for each")
    stds = np.sqrt(np.diag(covariance))
    recoveries = tuple(
        fit_recovery(times, areas[:, site], std=stds[site], law=chosen[site])
        for site in range(n_sites)
    )
    if any(not one.status.has_values for one in recoveries):
        return _unfinished(recoveries, areas, covariance, first)
    joint = _fit_jointly(
        shapes, times, spectra, sigma=sigma, start=first, recoveries=recoveries
    )
    n_shapes = first.size
    t1 = np.exp(joint.nonlinear[n_shapes : n_shapes + n_sites])
    lines = shapes.evaluate(joint.nonlinear[:n_shapes])
    areas, covariance = solve_areas(lines, spectra, sigma=sigma)
    reasons = _doubts(recoveries, covariance, joint)
    return OverlapFit(
        recoveries=recoveries,
        t1=t1,
        t1_std=t1 * joint.scaled_std(1.0)[n_shapes : n_shapes + n_sites],
        areas=areas,
        areas_covariance=covariance,
        shapes=joint.nonlinear[:n_shapes],
        shapes_std=joint.scaled_std(1.0)[:n_shapes],
        chi_square=joint.chi_square,
        freedom=joint.freedom,
        status=FitStatus.DOUBTFUL if reasons else FitStatus.CONVERGED,
        reason="\n".join(reasons),
    )


def _fit_shapes(shapes: LineShapes, spectra: Floats, sigma: float) -> Floats:
    """Return shape parameters that suit all delays, each with areas of its own."""

    def misfit(parameters: Floats) -> Floats:
        lines = shapes.evaluate(parameters)
        areas = np.linalg.lstsq(lines, spectra.T, rcond=None)[0]
        return np.asarray((spectra.T - lines @ areas).ravel() / sigma)

    found = least_squares(
        misfit,
        shapes.start,
        bounds=(shapes.low, shapes.high),
        x_scale=np.subtract(shapes.high, shapes.low),
    )
    return np.asarray(found.x, dtype=float)


def _fit_jointly(
    shapes: LineShapes,
    times: Floats,
    spectra: Floats,
    *,
    sigma: float,
    start: Floats,
    recoveries: Sequence[RecoveryFit],
) -> SeparableFit:
    """Return shapes, ln T1 and forms of the laws, fitted to all points."""
    n_shapes, n_sites = start.size, len(recoveries)
    first = [*start, *(math.log(one.t1) for one in recoveries)]
    low = [*shapes.low, *(value - math.log(_REACH) for value in first[n_shapes:])]
    high = [*shapes.high, *(value + math.log(_REACH) for value in first[n_shapes:])]
    formed = []
    for number, one in enumerate(recoveries):
        if one.law.shape_limits is not None:
            formed.append(number)
            first.append(one.shape)
            low.append(one.law.shape_limits[0])
            high.append(one.law.shape_limits[1])

    def columns(theta: Floats) -> Floats:
        lines = shapes.evaluate(theta[:n_shapes])
        form = np.full(n_sites, math.nan)
        form[formed] = theta[n_shapes + n_sites :]
        made = []
        for site, one in enumerate(recoveries):
            time = math.exp(theta[n_shapes + site])
            missing = one.law.missing(times, time, form[site])
            made.append(np.tile(lines[:, site], times.size))
            made.append(-np.outer(missing, lines[:, site]).ravel())
        return np.column_stack(made)

    return fit_separable(
        Separable(columns=columns, low=tuple(low), high=tuple(high)),
        spectra.ravel(),
        sigma=np.full(spectra.size, sigma),
        starts=[first],
    )


def _doubts(
    recoveries: Sequence[RecoveryFit], covariance: Floats, joint: SeparableFit
) -> list[str]:
    """Return every reason to doubt the joint fit."""
    reasons = [
        f"line {number}: {line}"
        for number, one in enumerate(recoveries, start=1)
        for line in one.reason.splitlines()
    ]
    std = np.sqrt(np.diag(covariance))
    together = np.abs(covariance / np.outer(std, std) - np.eye(std.size))
    if np.any(together > _DEPENDENT):
        reasons.append("areas of two lines trade: only their sum is fair")
    if joint.chi_square > _MISFIT_RATIO * joint.freedom:
        reasons.append(
            f"shapes and laws miss the spectra: chi-square {joint.chi_square:.0f} for "
            f"{joint.freedom} degrees of freedom"
        )
    if not joint.converged:
        reasons.append("the minimiser ran out of steps")
    return reasons


def _unfinished(
    recoveries: tuple[RecoveryFit, ...],
    areas: Floats,
    covariance: Floats,
    shapes: Floats,
) -> OverlapFit:
    """Return what is known where a recovery cannot be fitted."""
    nothing = np.full(len(recoveries), np.nan)
    reasons = [one.reason for one in recoveries if one.reason]
    return OverlapFit(
        recoveries=recoveries,
        t1=nothing,
        t1_std=nothing,
        areas=areas,
        areas_covariance=covariance,
        shapes=shapes,
        shapes_std=np.full(shapes.shape, np.nan),
        chi_square=math.nan,
        freedom=0,
        status=FitStatus.FAILED,
        reason="\n".join(dict.fromkeys(reasons)),
    )
