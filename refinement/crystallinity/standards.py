"""Amorphous content from a weighed internal standard (SCIENCE B3)."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity.detection import is_detected
from refinement.crystallinity.scales import SampleScales
from refinement.plan import InternalStandard
from refinement.result import RefinementResult
from structkit.schema import PHASE

Floats = NDArray[np.float64]

NAME = "amorphous_fraction"
SAMPLE_FRACTION = "weight_fraction_sample"
NO_STANDARD = (
    "no internal standard was weighed in, and the crystalline part alone does not tell "
    "what is amorphous"
)
_SIGMAS = 2.0
"""How many standard uncertainties below zero a fraction becomes a contradiction."""
_LONG_NAMES = {
    NAME: "amorphous weight fraction of the sample without its standard",
    SAMPLE_FRACTION: "weight fraction of the sample without its standard",
}


def amorphous_fraction(
    result: RefinementResult, standard: InternalStandard | None
) -> xr.Dataset:
    """Return the amorphous content of the sample as it was before spiking.

    Parameters
    ----------
    result : RefinementResult
        Refined with the standard as one of its phases: of its parameters
        ``weight_fraction_crystalline`` with ``_std`` and ``_systematic``, and
        ``scale``, ``scale_covariance`` where the engine gives them.
    standard : InternalStandard or None
        What was weighed in, and how crystalline it is; None: nothing was, and the
        result is empty with that reason.

    Returns
    -------
    xarray.Dataset
        ``amorphous_fraction`` (scalar, weight fraction of the sample without its
        standard) and ``weight_fraction_sample`` (``phase``; NaN for the standard
        itself), each with its ``_std``, both ``1``; ``amorphous_fraction_reason``:
        why it is empty, or what contradicts it.

    Notes
    -----
    One gram of mixture holds ``w`` of standard, ``chi w`` of it crystalline. If the
    fit finds R_s of the standard in the crystalline part, all crystals weigh
    ``chi w / R_s``, hence

        alpha = 1 - chi w / (1 - w) (1 / R_s - 1),    W_p = chi w / (1 - w) R_p / R_s

    For chi = 1 this is Gualtieri's ``(1 - w/R_s) / (1 - w)``. What of the standard is
    amorphous is counted to the standard, not to the sample. The uncertainty carries
    R_s (esd, and systematic part taken whole as 1 sigma), w and chi to first order.
    A negative value is kept: it says how far weighing and fit contradict each other.

    References
    ----------
    De La Torre, Bruque & Aranda (2001), J. Appl. Cryst. 34, 196,
    doi:10.1107/S0021889801002485; Gualtieri (2000), J. Appl. Cryst. 33, 267,
    doi:10.1107/S002188989901643X.
    """
    parameters = result.parameters
    names = [str(name) for name in parameters[PHASE].to_numpy()]
    reason = _obstacle(result, standard, names)
    if standard is None or reason:
        unknown = np.full((2, len(names)), np.nan)
        return _label(math.nan, math.nan, unknown, names, reason)
    at = names.index(standard.phase)
    share = _column(parameters, "weight_fraction_crystalline")
    esd = _column(parameters, "weight_fraction_crystalline_std")
    systematic = np.nan_to_num(
        _column(parameters, "weight_fraction_crystalline_systematic")
    )
    found, crystalline = share[at], _crystalline_factor(standard)
    value = 1.0 - crystalline * (1.0 / found - 1.0)
    spread = crystalline / found**2 * math.hypot(esd[at], systematic[at])
    std = math.hypot(spread, (1.0 - value) * _weighing_error(standard))
    ratio = share / found
    ratio_std = np.hypot(
        _ratio_esd(parameters, at, ratio),
        np.hypot(systematic, ratio * systematic[at]) / found,
    )
    contents = crystalline * ratio
    errors = np.hypot(crystalline * ratio_std, contents * _weighing_error(standard))
    contents[at] = errors[at] = np.nan
    return _label(
        value,
        std,
        np.array([contents, errors]),
        names,
        _contradiction(value, std, found, standard),
    )


def amorphous_from_scales(
    scales: SampleScales, standard: InternalStandard
) -> tuple[float, float]:
    """Return the amorphous content of a spiked sample from its scales.

    Parameters
    ----------
    scales : SampleScales
        Of all its phases, the standard among them and seen.
    standard : InternalStandard
        What was weighed in.

    Returns
    -------
    value, std : float
        ``1 - chi w/(1-w) sum S / S_s`` over all phases but the standard, as
        :func:`amorphous_fraction` defines it, and 1 sigma by the joint covariance.
    """
    own = np.array([name == standard.phase for name in scales.phases])
    reference, others = float(scales.values[own][0]), float(scales.values[~own].sum())
    factor = _crystalline_factor(standard) / reference
    slopes = np.where(own, factor * others / reference, -factor)
    value = 1.0 - factor * others
    variance = max(float(slopes @ scales.covariance @ slopes), 0.0)
    return value, math.hypot(
        math.sqrt(variance), (1.0 - value) * _weighing_error(standard)
    )


def _crystalline_factor(standard: InternalStandard) -> float:
    """Return the standard's crystalline mass per mass of sample."""
    weighed = standard.weight_fraction
    return standard.crystallinity * weighed / (1.0 - weighed)


def _weighing_error(standard: InternalStandard) -> float:
    """Return the relative 1 sigma of the standard's crystalline mass per sample."""
    weighed = standard.weight_fraction
    return math.hypot(
        standard.weight_fraction_std / (weighed * (1.0 - weighed)),
        standard.crystallinity_std / standard.crystallinity,
    )


def _ratio_esd(parameters: xr.Dataset, at: int, ratio: Floats) -> Floats:
    """Return 1 sigma of each phase's weight over the standard's."""
    if "scale_covariance" not in parameters:
        esd = _column(parameters, "weight_fraction_crystalline_std")
        found = _column(parameters, "weight_fraction_crystalline")[at]
        return np.asarray(np.hypot(esd, ratio * esd[at]) / found)
    covariance = parameters["scale_covariance"].to_numpy()
    if "absorption_factor" in parameters:
        factors = parameters["absorption_factor"].to_numpy()
        covariance = covariance / np.outer(factors, factors)
    own, shared = np.diag(covariance), covariance[at]
    variance = own - 2.0 * ratio * shared + ratio**2 * own[at]
    scale = float(parameters["scale"].to_numpy()[at])
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)) / scale)


def _obstacle(
    result: RefinementResult, standard: InternalStandard | None, names: list[str]
) -> str:
    """Return why there can be no amorphous content, or an empty text."""
    if standard is None:
        return NO_STANDARD
    if not result.status.has_values:
        return "the fit has no numbers"
    measured = result.parameters.get("component_background")
    if measured is not None and bool((measured == 0.0).any()):
        return (
            "the plan has measured components, which shares of the structures alone "
            "leave out: see component_weights"
        )
    if standard.phase not in names:
        return f"the internal standard {standard.phase} is no phase of the fit"
    if not bool(is_detected(result.parameters).sel({PHASE: standard.phase})):
        return f"the internal standard {standard.phase} is not detected"
    return ""


def _contradiction(
    value: float, std: float, found: float, standard: InternalStandard
) -> str:
    """Return what is impossible about a content far below zero, or an empty text."""
    if not value < -_SIGMAS * std:
        return ""
    crystalline = _crystalline_factor(standard)
    least = crystalline / (1.0 + crystalline)
    return (
        f"R_s smaller than weighed: {found:.4f} of the crystalline part is "
        f"{standard.phase}, at least {least:.4f} must be; check weighing, "
        "crystallinity of the standard, and microabsorption"
    )


def _column(parameters: xr.Dataset, name: str) -> Floats:
    """Return a variable over ``phase`` as a new array, NaN where it is absent."""
    if name not in parameters:
        return np.full(parameters.sizes[PHASE], np.nan)
    return np.array(parameters[name].to_numpy(), dtype=float)


def _label(
    value: float, std: float, contents: Floats, names: list[str], reason: str
) -> xr.Dataset:
    """Return the labelled variables."""
    variables: dict[str, object] = {}
    for end, number, column in (("", value, contents[0]), ("_std", std, contents[1])):
        for name, dims, data in ((NAME, (), number), (SAMPLE_FRACTION, PHASE, column)):
            prefix = "standard uncertainty of " if end else ""
            attrs = {"units": "1", "long_name": prefix + _LONG_NAMES[name]}
            variables[name + end] = (dims, data, attrs)
    why = {"long_name": f"why no {_LONG_NAMES[NAME]}, or why it is doubtful"}
    variables[f"{NAME}_reason"] = ((), reason, why)
    return xr.Dataset(variables, coords={PHASE: names})
