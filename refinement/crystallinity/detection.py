"""Whether a phase is seen at all, and how much of it could hide.

Limits are in units of the mass-proportional scale S. Whoever knows dW/dS (an internal
standard, the calibrated instrument, or another phase) turns them into weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity.expected_lines import (
    FittedPattern,
    line_widths,
    read_fit,
)
from refinement.crystallinity.sensitivity import (
    Floats,
    Sensitivity,
    measure,
    overlap_columns,
    smooth_columns,
)
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import PlanError, SchemaError
from structkit.schema import PHASE

CRITICAL = 1.645
"""sigma_0 up to Currie's critical level: 5 % of empty patterns lie above it."""
DETECTION = 3.29
"""sigma_0 up to the detection limit: 5 % of patterns at it lie below the critical."""
DETECTION_COUNTS = 2.71
"""Counts added to it, 1.645^2, since the phase brings counting noise of its own."""
QUANTIFICATION = 10.0
"""sigma_0 up to the quantification limit: 10 % relative uncertainty."""
_SIGMAS = 3.0
"""Scale over its esd from which a phase counts as seen."""
_VARIANTS = ((2, 0.0), (-2, 0.0), (0, 0.5))
"""Terms added, and shift of the Gaussians, of other backgrounds."""
_WORSE = 9.21
"""Chi-square over GOF^2 by which a background may fit worse and be admissible: the 1 %
point of two degrees of freedom, the terms that one of them lacks."""


def is_detected(parameters: xr.Dataset) -> xr.DataArray:
    """Return which phases of a result are seen.

    Parameters
    ----------
    parameters : xarray.Dataset
        Of a :class:`refinement.result.RefinementResult`, over ``phase``.

    Returns
    -------
    xarray.DataArray of bool
        Dims ``phase``. True where the scale is at least 3 of its esds and
        ``weight_fraction_crystalline`` is not below ``detection_limit``; an unknown
        esd or limit decides nothing, an unknown scale is not seen.

    Notes
    -----
    Both are asked, because the fraction of a lone phase is 1 whatever its scale.
    """
    attrs = {"units": "1", "long_name": "phase is seen"}
    return xr.DataArray(
        detected_flags(parameters),
        coords={PHASE: parameters[PHASE]},
        dims=(PHASE,),
        name="detected",
        attrs=attrs,
    )


def detected_flags(parameters: xr.Dataset) -> NDArray[np.bool_]:
    """Return :func:`is_detected` without labels, shape (n_phases,)."""
    scale, esd, fraction, limit = (
        _column(parameters, name)
        for name in (
            "scale",
            "scale_std",
            "weight_fraction_crystalline",
            "detection_limit",
        )
    )
    seen = (scale > 0.0) & ~(scale < _SIGMAS * esd) & ~(fraction < limit)
    return np.asarray(seen)


LIMIT_VARIABLES: dict[str, tuple[str, str]] = {
    "scale_at_width": ("1", "best scale at the assumed line width"),
    "scale_std_zero": ("1", "standard uncertainty of the scale without the phase"),
    "scale_std_zero_simple": ("1", "the same, all else known: a lower bound"),
    "scale_critical_level": ("1", "critical level of the scale"),
    "scale_detection_limit": ("1", "detection limit of the scale (95 %)"),
    "scale_quantification_limit": ("1", "quantification limit of the scale"),
    "assumed_size_nm": ("nm", "crystallite size the limits are for"),
    "assumed_fwhm": ("degree", "full width of the strongest line"),
    "assumed_line": ("degree", "where the strongest line is"),
    "gof_factor": ("1", "inflation by misfit"),
    "background_factor": ("1", "inflation by the choice of background"),
}
"""Units and long names of what :func:`detection_limits` returns."""


def detection_limits(
    result: RefinementResult,
    plan: RefinementPlan,
    *,
    widths: Mapping[str, float] | None = None,
    background_spread: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Return Currie's limits of each phase, for lines of an assumed width.

    Parameters
    ----------
    result : RefinementResult
        Its parameters and curves.
    plan : RefinementPlan
        The plan that it was refined with.
    widths : mapping of str to float, optional
        Assumed crystallite size by phase, **nm**; phases not named, and all by
        default, have their size as fitted (without information that is the engine's
        prior).
    background_spread : mapping of str to float, optional
        Half-range of the scale over admissible backgrounds, by phase, in units of
        scale. By default it is measured: two polynomial terms more, two fewer, the
        halo's Gaussians moved by half their spacing, each if the data admit it (a
        chi-square over GOF^2 worse by no more than 9.2).

    Returns
    -------
    xarray.Dataset
        Over ``phase``, in units of scale: ``scale_std_zero`` (sigma_0),
        ``scale_std_zero_simple`` (its lower bound), ``scale_critical_level``,
        ``scale_detection_limit``, ``scale_quantification_limit``, ``scale_at_width``
        (best scale for these lines, of either sign). ``assumed_size_nm`` (nm),
        ``assumed_fwhm`` (degree, at the strongest line ``assumed_line``, degree),
        ``gof_factor``, ``background_factor`` (1), ``reason`` (why there are none).

    Raises
    ------
    PlanError
        ``widths`` or ``background_spread`` name an unknown phase or no size.
    SchemaError
        The result has no curves.

    Notes
    -----
    ``L_C = 1.645 sigma_0``, ``L_D = 2.71 counts + 3.29 sigma_0``, ``L_Q = 10 sigma_0``
    with sigma_0 of a pattern *without* the phase. Counts are profile-weighted, as in
    :func:`refinement.crystallinity.sensitivity.profile_weighted_sigma`; background,
    halo, and the amount, cell and line width of every other phase are projected out
    (``_simple``: they are not, a lower bound). sigma_0 is multiplied by
    ``gof_factor``, the larger of GOF over the pattern and over the phase's own points
    (1 at least), and by ``background_factor = sqrt(1 + (spread/sigma)^2)``.

    For one line the limit grows with the root of its width: four times the width
    doubles it. It grows faster once lines are so broad that a free halo can imitate
    them. It says nothing about domains so fine that they have no lines.

    References
    ----------
    Currie (1968), Anal. Chem. 40, 586, doi:10.1021/ac60259a007.
    """
    fit = read_fit(result, plan)
    sizes = _checked(widths, fit.names, "widths")
    spreads = _checked(background_spread, fit.names, "background_spread")
    rows = [
        _limits_or_reason(
            fit, number, size_nm=sizes.get(name), spread=spreads.get(name)
        )
        for number, name in enumerate(fit.names)
    ]
    found = xr.Dataset(coords={PHASE: list(fit.names)})
    for name, (units, long_name) in LIMIT_VARIABLES.items():
        values = [math.nan if isinstance(row, str) else row[name] for row in rows]
        label = {"units": units, "long_name": long_name}
        found[name] = (PHASE, np.asarray(values, dtype=float), label)
    reasons = [row if isinstance(row, str) else "" for row in rows]
    return found.assign(reason=(PHASE, reasons, {"long_name": "why no limits"}))


def limits_at(
    fit: FittedPattern,
    column: Floats,
    *,
    phase: int | None,
    spread: float | None = None,
) -> dict[str, float]:
    """Return the limits in scale of a phase with the given lines.

    Parameters
    ----------
    fit : FittedPattern
        The fitted curves.
    column : ndarray, shape (n_points,)
        What a scale of 1 adds to the pattern.
    phase : int or None
        Which phase of the result it is; None: one that was not in it.
    spread : float, optional
        Half-range over admissible backgrounds; None: it is measured.

    Returns
    -------
    dict of str to float
        The scales and factors of :data:`LIMIT_VARIABLES`.
    """
    others = overlap_columns(fit, without=-1 if phase is None else phase)
    found = _measure(fit, column, others, phase=phase)
    gof = max(1.0, fit.gof, found.gof)
    if spread is None:
        variants = [
            _measure(fit, column, others, phase=phase, terms=terms, offset=offset)
            for terms, offset in _VARIANTS
        ]
        worst = found.chi_square + _WORSE * max(1.0, fit.gof) ** 2
        scales = [v.scale for v in variants if v.chi_square <= worst]
        spread = 0.5 * float(np.ptp([found.scale, *scales]))
    background = math.hypot(1.0, spread / (gof * found.sigma))
    sigma = found.sigma * gof * background
    return {
        "scale_at_width": found.scale,
        "scale_std_zero": sigma,
        "scale_std_zero_simple": found.sigma_simple,
        "scale_critical_level": CRITICAL * sigma,
        "scale_detection_limit": DETECTION_COUNTS * found.count + DETECTION * sigma,
        "scale_quantification_limit": QUANTIFICATION * sigma,
        "gof_factor": gof,
        "background_factor": background,
    }


def _measure(
    fit: FittedPattern,
    column: Floats,
    others: Floats,
    *,
    phase: int | None,
    terms: int = 0,
    offset: float = 0.0,
) -> Sensitivity:
    smooth = smooth_columns(fit.angles, fit.plan, extra_terms=terms, offset=offset)
    return measure(fit, column, np.vstack([smooth, others]), phase=phase)


def _limits_or_reason(
    fit: FittedPattern, phase: int, *, size_nm: float | None, spread: float | None
) -> dict[str, float] | str:
    """Return the limits of one phase, or why there are none."""
    try:
        column = fit.draw(phase, size_nm=size_nm)
        lines = fit.lines_of(phase)
    except (PlanError, SchemaError) as error:
        return str(error)
    size = fit.value("size_nm", phase) if size_nm is None else size_nm
    strongest = lines.two_theta[[lines.strongest]]
    width = line_widths(
        strongest,
        fit.instrument,
        size_nm=size if math.isfinite(size) else None,
        microstrain=fit.value("microstrain", phase, default=0.0),
    )
    return limits_at(fit, column, phase=phase, spread=spread) | {
        "assumed_size_nm": size,
        "assumed_fwhm": float(width[0]),
        "assumed_line": float(strongest[0]),
    }


def _checked(
    given: Mapping[str, float] | None, names: tuple[str, ...], field: str
) -> dict[str, float]:
    """Return a mapping by phase after a check of names and values."""
    for name, value in (given or {}).items():
        if name not in names:
            raise PlanError(f"{field}: no phase {name!r}; there are {', '.join(names)}")
        if not 0.0 < value < math.inf:
            raise PlanError(f"{field}: {name} has {value:g}; give a positive number")
    return dict(given or {})


def _column(parameters: xr.Dataset, name: str) -> Floats:
    """Return a variable over ``phase``, NaN where the engine gives none."""
    if name in parameters:
        return np.asarray(parameters[name].to_numpy(), dtype=float)
    return np.full(parameters.sizes[PHASE], np.nan)
