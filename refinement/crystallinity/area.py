"""Crystalline share of the scattered area (SCIENCE B1): an index, not a content."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.result import MEASURED_CURVE, RefinementResult
from structkit.errors import PlanError
from structkit.schema import COMPONENT, PHASE, TWO_THETA

Floats = NDArray[np.float64]
Weighting = Literal["plain", "ruland"]

VARIANTS = "area_fraction_variants"
"""Plain area fraction under each admissible background, the used one first."""
BACKGROUND_VARIANT = "background_variant"
NAME = "crystalline_area_fraction"
_LONG_NAME = "crystalline share of the scattered area"


def crystalline_area_fraction(
    result: RefinementResult,
    *,
    weighting: Weighting = "plain",
    polarization_ratio: float = 1.0,
) -> xr.Dataset:
    """Return the area of the reflections over that of reflections and halo.

    Parameters
    ----------
    result : RefinementResult
        Its ``curves`` ``component``, ``halo``; of its parameters
        ``area_fraction_variants`` (dim ``background_variant``: the plain fraction
        under each admissible background, the one used first).
    weighting : {"plain", "ruland"}
        ``plain``: measured intensities as they are. ``ruland``: each point times
        ``sin^2 theta cos theta`` over the polarisation factor.
    polarization_ratio : float
        K of ``(1 + K cos^2 2theta) / (1 + K)``: 1 without a monochromator
        (:attr:`structkit.xrd.instrument.Instrument.polarization_ratio`); only for
        ``ruland``. Range 0 to 1.

    Returns
    -------
    xarray.Dataset
        Scalars ``crystalline_area_fraction`` (0 to 1), its ``_std``, and its
        ``_reason``: why it is empty, or an empty text. attrs of the first:
        ``weighting``, ``two_theta_low``, ``two_theta_high`` (degree, to 0.1).

    Raises
    ------
    PlanError
        A weighting or polarisation ratio that does not exist.

    Notes
    -----
    ``DOC = sum I_cr / (sum I_cr + sum I_halo)`` over the points of the fit. Film,
    holder and air are background and in neither sum. A measured component counts as
    what it is called, with whatever background its pattern holds. Valid as an index
    along one series with one range and one recipe; it is no weight fraction, since
    phases and glass of other composition scatter otherwise.

    The powder average of the scattering, ``s^2 I(s) ds`` with the polarisation taken
    out, is Ruland's integrand; ``s^2 ds`` is ``sin^2 theta cos theta dtheta``, which
    is also one over the Lorentz factor, so the two corrections are one and are
    applied once. ``plain`` is the default: the backgrounds are compared in it, and
    ``ruland`` weighs most the high angles, where a halo is least told from the
    background and a short range (Cu: s < 0.83 per angstrom) cuts it off.

    The standard uncertainty adds in quadrature half the range over the admissible
    backgrounds (taken whole as 1 sigma, being the greater part; for ``ruland``
    carried over from ``plain``) and, where the result has ``scale_covariance``, the
    counting part of the scales at a fixed total area.

    References
    ----------
    Ruland (1961), Acta Cryst. 14, 1180, doi:10.1107/S0365110X61003429.
    """
    if weighting not in ("plain", "ruland"):
        raise PlanError(f"weighting must be 'plain' or 'ruland', got {weighting!r}")
    if not 0.0 <= polarization_ratio <= 1.0:
        raise PlanError(
            f"polarization_ratio must lie in 0..1, not {polarization_ratio:g}"
        )
    reason = _obstacle(result)
    if reason:
        return _label(reason=reason)
    curves = result.curves
    angles = curves[TWO_THETA].to_numpy()
    weights = np.ones_like(angles)
    if weighting == "ruland":
        weights = _ruland_weights(angles, polarization_ratio)
    areas = curves["component"].transpose(PHASE, TWO_THETA).to_numpy() @ weights
    measured, glass = _measured_areas(result, weights)
    reflections = float(areas.sum()) + measured
    total = reflections + glass + float(curves["halo"].to_numpy() @ weights)
    if total <= 0.0:
        return _label(reason="neither reflections nor halo have any area")
    std = np.hypot(_background_part(result), _counting_part(result, areas) / total)
    return _label(
        reflections / total,
        float(std),
        weighting=weighting,
        two_theta_low=round(float(angles[0]), 1),
        two_theta_high=round(float(angles[-1]), 1),
    )


def _label(
    value: float = np.nan,
    std: float = np.nan,
    *,
    reason: str = "",
    **attrs: str | float,
) -> xr.Dataset:
    """Return the labelled variables; ``attrs`` say how the value was found."""
    own: dict[str, str | float] = {"units": "1", "long_name": _LONG_NAME, **attrs}
    spread = {"units": "1", "long_name": f"standard uncertainty of {_LONG_NAME}"}
    return xr.Dataset(
        {
            NAME: ((), value, own),
            f"{NAME}_std": ((), std, spread),
            f"{NAME}_reason": ((), reason, {"long_name": f"why no {_LONG_NAME}"}),
        }
    )


def _obstacle(result: RefinementResult) -> str:
    """Return why the result has no area fraction, or an empty text."""
    curves, parameters = result.curves, result.parameters
    if not result.status.has_values or "component" not in curves:
        return "the fit has no curves"
    modelled = result.recipe.get("amorphous_area") != "none" and "halo" in curves
    if not modelled or not np.all(np.isfinite(curves["halo"].to_numpy())):
        return "the plan has no halo: amorphous area was not modelled"
    variants = parameters.get(VARIANTS)
    n_usable = 0 if variants is None else int(np.isfinite(variants.to_numpy()).sum())
    if n_usable < 2:
        return (
            f"only {n_usable} admissible background was tried, and two are needed to "
            "state what the background leaves open"
        )
    return ""


def _measured_areas(result: RefinementResult, weights: Floats) -> tuple[float, float]:
    """Return the areas of measured components: crystalline ones, amorphous ones."""
    if MEASURED_CURVE not in result.curves:
        return 0.0, 0.0
    areas = result.curves[MEASURED_CURVE].transpose(COMPONENT, TWO_THETA).to_numpy()
    areas = areas @ weights
    sample = result.parameters["component_background"].to_numpy() == 0.0
    crystalline = result.parameters["component_crystalline"].to_numpy() > 0.0
    return float(areas[sample & crystalline].sum()), float(
        areas[sample & ~crystalline].sum()
    )


def _ruland_weights(two_theta: Floats, ratio: float) -> Floats:
    """Return ``sin^2 theta cos theta`` over the polarisation factor."""
    theta = np.radians(0.5 * two_theta)
    polarization = (1.0 + ratio * np.cos(2.0 * theta) ** 2) / (1.0 + ratio)
    return np.asarray(np.sin(theta) ** 2 * np.cos(theta) / polarization)


def _background_part(result: RefinementResult) -> float:
    """Return half the range of the fraction over the admissible backgrounds."""
    variants = result.parameters[VARIANTS].to_numpy()
    return float(0.5 * (np.nanmax(variants) - np.nanmin(variants)))


def _counting_part(result: RefinementResult, areas: Floats) -> float:
    """Return 1 sigma of the crystalline area from the covariance of the scales.

    A phase at zero has no area per scale and adds nothing; 0 without a covariance.
    """
    parameters = result.parameters
    if "scale_covariance" not in parameters:
        return 0.0
    scales = parameters["scale"].to_numpy()
    if "absorption_factor" in parameters:
        scales = scales * parameters["absorption_factor"].to_numpy()
    present = scales > 0.0
    per_scale = np.where(present, areas, 0.0) / np.where(present, scales, 1.0)
    covariance = parameters["scale_covariance"].to_numpy()
    return float(np.sqrt(max(per_scale @ covariance @ per_scale, 0.0)))
