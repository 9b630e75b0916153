"""Whether a phase is present: a test at the boundary, and non-detects for later use."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from refinement.crystallinity.detection import CRITICAL, detection_limits
from refinement.plan import RefinementPlan
from refinement.result import CELL_KEYS, RefinementResult
from structkit.errors import PlanError, SchemaError
from structkit.schema import PHASE, FitStatus

Floats = NDArray[np.float64]

ALPHA = 0.01
"""Chance, by the mixture, that an absent phase is called present. Nominal: lines that
were fitted to the noise, and misfit, raise it; ``docs/detection_measured.md``."""
_SAME = 1e-9
"""Relative difference below which two standard uncertainties are one parameter."""
_TAKEN = ("scale_critical_level", "scale_detection_limit", "assumed_fwhm")
_SHAPES = ("size_nm", "microstrain", "march_dollase", "b_overall")


def boundary_p_value(statistic: Floats) -> Floats:
    """Return the chance of a scale as far above zero in an empty pattern.

    Parameters
    ----------
    statistic : ndarray
        ``t = max(S, 0) / sigma``.

    Returns
    -------
    ndarray
        ``P(chi2_1 > t^2) / 2`` where t > 0, and 1 where t is 0.

    Notes
    -----
    A scale cannot be negative, so an empty pattern gives 0 in half of all cases and
    the rest follows a chi-square of one degree of freedom.

    References
    ----------
    Self & Liang (1987), J. Am. Stat. Assoc. 82, 605,
    doi:10.1080/01621459.1987.10478472.
    """
    t = np.asarray(statistic, dtype=float)
    p = np.where(t > 0.0, 0.5 * chi2.sf(t**2, 1), 1.0)
    return np.where(np.isnan(t), np.nan, p)


def presence(
    result: RefinementResult,
    plan: RefinementPlan,
    *,
    widths: Mapping[str, float] | None = None,
    background_spread: Mapping[str, float] | None = None,
    alpha: float = ALPHA,
    weight_per_scale: float | None = None,
) -> xr.Dataset:
    """Test each phase of a result for presence.

    Parameters
    ----------
    result : RefinementResult
        Its parameters and curves; without curves, its ``scale`` and ``scale_std``.
    plan : RefinementPlan
        The plan that it was refined with.
    widths, background_spread : mapping, optional
        As for :func:`refinement.crystallinity.detection.detection_limits`.
    alpha : float
        Chance of calling an absent phase present, in (0, 0.05].
    weight_per_scale : float, optional
        dW/dS: weight fraction of the sample for a scale of 1. None: limits are put
        into words as shares of the crystalline part.

    Returns
    -------
    xarray.Dataset
        Over ``phase``: ``statistic`` (t), ``p_value``, ``delta_chi_square`` (t^2),
        ``delta_bic`` (positive: the phase is worth its parameters), ``present`` (1, 0,
        NaN: unknown), in units of scale ``scale_at_width``, ``scale_std_zero``,
        ``decision_level`` (scale from which it is present) and
        ``scale_upper_limit`` (95 %); ``fraction_upper_limit`` (what the verdict says),
        ``verdict``; from the limits ``assumed_size_nm`` (nm), ``assumed_fwhm``
        (degree), ``scale_critical_level``, ``scale_detection_limit``.
        attrs: ``alpha``, ``basis``.

    Raises
    ------
    PlanError
        An impossible ``alpha`` or ``weight_per_scale``, or as for the limits.

    Notes
    -----
    t is the best scale at the assumed width, other amounts free, over sigma_0: gain in
    chi-square between scale free and scale zero, inflated by misfit and background.
    The rule: present where ``p < alpha`` *and* the scale is above the critical level
    (5 %), which the first implies for alpha up to 0.05. With lines *as fitted* the
    shape itself may have followed the noise, of which the mixture knows nothing: a
    reason for an alpha of 0.01 where 5 % of false calls are to be kept.

    ``delta_bic = t^2 - k ln n`` with k one scale and the phase's refined shape
    parameters (as fitted), or the scale alone (at given widths).

    References
    ----------
    Self & Liang (1987), J. Am. Stat. Assoc. 82, 605,
    doi:10.1080/01621459.1987.10478472. Schwarz (1978), Ann. Stat. 6, 461,
    doi:10.1214/aos/1176344136.
    """
    _check(alpha, weight_per_scale)
    limits = _limits(result, plan, widths, background_spread)
    scale, sigma = (
        limits[name].to_numpy() for name in ("scale_at_width", "scale_std_zero")
    )
    t = np.maximum(scale, 0.0) / sigma
    p = boundary_p_value(t)
    names = [str(name) for name in limits[PHASE].to_numpy()]
    free = [_count_parameters(result, k, widths or {}) for k in range(len(names))]
    upper = np.maximum(scale, 0.0) + CRITICAL * sigma
    fractions = _fractions(result, upper, weight_per_scale)
    present = np.where(np.isnan(p), np.nan, (p < alpha).astype(float))
    values: dict[str, tuple[Floats, str]] = {
        "statistic": (t, "scale over its uncertainty without the phase"),
        "p_value": (p, "chance of such a scale without the phase"),
        "delta_chi_square": (t**2, "gain in chi-square by the phase, inflated"),
        "delta_bic": (t**2 - _penalties(result, free), "gain in BIC by the phase"),
        "present": (present, "phase is present"),
        "scale_at_width": (scale, "best scale at the assumed line width"),
        "scale_std_zero": (sigma, "standard uncertainty without the phase"),
        "decision_level": (norm.isf(alpha) * sigma, "scale from which it is present"),
        "scale_upper_limit": (upper, "upper limit of the scale (95 %)"),
        "fraction_upper_limit": (fractions, "upper limit as weight fraction (95 %)"),
    }
    found = xr.Dataset(
        {
            name: (PHASE, data, {"units": "1", "long_name": long_name})
            for name, (data, long_name) in values.items()
        },
        coords={PHASE: names},
        attrs={"alpha": alpha, "basis": limits.attrs.get("basis", "curves")},
    )
    sizes = limits["assumed_size_nm"]
    of = "the sample" if weight_per_scale is not None else "the crystalline part"
    verdicts = [
        _verdict(
            present[k], fractions[k], of, float(sizes[k]), str(limits.reason[k].item())
        )
        for k in range(len(names))
    ]
    taken = {name: limits[name] for name in _TAKEN if name in limits}
    words = (PHASE, verdicts, {"long_name": "presence in words"})
    return found.assign(taken | {"assumed_size_nm": sizes}).assign(verdict=words)


def censored(
    series: xr.Dataset,
    name: str,
    *,
    limit: xr.DataArray,
    detected: xr.DataArray,
) -> xr.Dataset:
    """Add the columns that a fit with non-detects needs.

    Parameters
    ----------
    series : xarray.Dataset
        Over ``sample`` and, if it likes, ``phase``: holds ``name``.
    name : str
        An amount.
    limit : xarray.DataArray
        Threshold below which an amount is not called present, in the units and with
        the dims of ``name``: ``decision_level`` of :func:`presence` times dW/dS. Not a
        detection limit, which lies above: patterns between them are often detected.
    detected : xarray.DataArray
        1 or 0 (or bool), NaN where unknown: ``present`` of :func:`presence`.

    Returns
    -------
    xarray.Dataset
        The series with ``<name>_limit`` (NaN where unknown or not positive) and
        ``<name>_censored`` (1 or 0), as
        :func:`refinement.crystallinity.kinetics.fit_kinetics` takes them. What is not
        detected and has no limit is neither a value nor a bound: its ``name`` is NaN.
        An unknown stays what it was, uncensored.

    Raises
    ------
    SchemaError
        ``name`` is absent, or dims do not fit.
    """
    if name not in series:
        raise SchemaError(f"series has no variable {name!r} to mark non-detects of")
    value = series[name]
    for given, label in ((limit, "limit"), (detected, "detected")):
        if set(given.dims) != set(value.dims):
            raise SchemaError(
                f"{label} has dims {given.dims}, {name} has {value.dims}: "
                "give one for each value"
            )
    limit, detected = (a.transpose(*value.dims) for a in (limit, detected))
    known = limit.where((limit > 0.0) & np.isfinite(limit))
    missed = detected.astype(float) == 0.0
    units = value.attrs.get("units", "1")
    long_name = value.attrs.get("long_name", name)
    return series.assign(
        {
            name: value.where(~(missed & known.isnull())).assign_attrs(value.attrs),
            f"{name}_limit": known.assign_attrs(
                units=units, long_name=f"threshold of {long_name}"
            ),
            f"{name}_censored": (missed & known.notnull())
            .astype(float)
            .assign_attrs(units="1", long_name=f"{long_name} is below its threshold"),
        }
    )


def _check(alpha: float, weight_per_scale: float | None) -> None:
    if not 0.0 < alpha <= 0.05:
        raise PlanError(f"alpha is {alpha:g}; it must lie in (0, 0.05]")
    if weight_per_scale is not None and not weight_per_scale > 0.0:
        raise PlanError(f"weight_per_scale is {weight_per_scale:g}, not positive")


def _limits(
    result: RefinementResult,
    plan: RefinementPlan,
    widths: Mapping[str, float] | None,
    background_spread: Mapping[str, float] | None,
) -> xr.Dataset:
    """Return limits from the curves, else from the scales and their esds."""
    if result.status is not FitStatus.FAILED and "component" in result.curves:
        return detection_limits(
            result, plan, widths=widths, background_spread=background_spread
        )
    phases = result.parameters[PHASE]
    unknown = xr.DataArray(
        np.full(phases.size, np.nan), coords={PHASE: phases}, dims=(PHASE,)
    )
    parameters = result.parameters
    reason = result.reason or "the fit gave neither curves nor scales"
    return xr.Dataset(
        {
            "scale_at_width": parameters.get("scale", unknown),
            "scale_std_zero": parameters.get("scale_std", unknown),
            "assumed_size_nm": parameters.get("size_nm", unknown),
            "reason": (PHASE, [reason] * phases.size),
        },
        attrs={"basis": "scale and its esd"},
    )


def _count_parameters(
    result: RefinementResult, phase: int, widths: Mapping[str, float]
) -> int:
    """Return the scale and what else of a phase was refined, by its esds."""
    parameters = result.parameters
    if str(parameters[PHASE][phase].item()) in widths:
        return 1

    def esd(name: str) -> float:
        column = parameters.get(f"{name}_std")
        return math.nan if column is None else float(column[phase])

    shapes = sum(math.isfinite(esd(name)) for name in _SHAPES)
    cells = [found for key in CELL_KEYS if math.isfinite(found := esd(f"cell_{key}"))]
    distinct: list[float] = []
    for found in cells:
        if not any(abs(found - other) <= _SAME * other for other in distinct):
            distinct.append(found)
    return 1 + shapes + len(distinct)


def _penalties(result: RefinementResult, free: list[int]) -> Floats:
    """Return k ln n of each phase."""
    points = result.curves.sizes.get("two_theta", 0)
    return np.asarray(free, dtype=float) * (math.log(points) if points else math.nan)


def _fractions(
    result: RefinementResult, upper: Floats, weight_per_scale: float | None
) -> Floats:
    """Return upper limits of scale as weight fractions."""
    if weight_per_scale is not None:
        return upper * weight_per_scale
    if "scale" not in result.parameters:
        return np.full_like(upper, np.nan)
    scales = np.nan_to_num(result.parameters["scale"].to_numpy())
    others = np.maximum(float(scales.sum()) - scales, 0.0)
    return np.asarray(upper / np.maximum(others + upper, 1e-300))


def _verdict(present: float, limit: float, of: str, size: float, reason: str) -> str:
    if math.isnan(present):
        return f"unknown: {reason}"
    if present:
        return "present"
    width = f" at crystallites of {size:.3g} nm" if math.isfinite(size) else ""
    return f"not seen: below {100.0 * limit:.2g} wt% of {of} (95 %){width}"
