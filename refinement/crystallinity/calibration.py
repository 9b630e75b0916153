"""What a unit of a measured component weighs, from a mixture of known composition."""

from __future__ import annotations

import math

import numpy as np

from refinement.result import RefinementResult
from structkit.errors import PlanError
from structkit.schema import COMPONENT, CONSTITUENT, PHASE


def calibration_constant(
    result: RefinementResult,
    component: str,
    *,
    reference: str,
    weight_ratio: float,
    weight_ratio_std: float = 0.0,
) -> tuple[float, float]:
    """Return a component's calibration constant from a mixture of known composition.

    Parameters
    ----------
    result : RefinementResult
        Of the mixture, the component among its columns (with any RIR or calibration:
        neither is used).
    component : str
        Name of the component.
    reference : str
        Name of a phase of the fit, weighed in.
    weight_ratio : float
        Weighed mass of the component over that of the reference.
    weight_ratio_std : float
        1 sigma of it.

    Returns
    -------
    constant, std : float
        For ``calibration`` and ``calibration_std`` of the component: mass-proportional
        scale per unit of the column.

    Raises
    ------
    PlanError
        A name that is not in the fit, or one of the two is not there.

    References
    ----------
    Scarlett & Madsen (2006), Powder Diffr. 21, 278, doi:10.1154/1.2362855.
    """
    parameters = result.parameters
    for dim, name in ((COMPONENT, component), (PHASE, reference)):
        known = parameters[dim].to_numpy().tolist() if dim in parameters.dims else []
        if name not in known:
            raise PlanError(f"{name!r} is no {dim} of the fit; it has {known}")
    scale = float(parameters["scale"].sel({PHASE: reference}))
    amount = float(parameters["component_amount"].sel({COMPONENT: component}))
    if not (scale > 0.0 and amount > 0.0 and weight_ratio > 0.0):
        raise PlanError(
            f"{component!r} and {reference!r} must both be seen and weighed; scale "
            f"{scale:g}, amount {amount:g}, weight_ratio {weight_ratio:g}"
        )
    names = parameters[CONSTITUENT].to_numpy().tolist()
    at = [names.index(reference), names.index(component)]
    inner = parameters["component_covariance"].to_numpy()[np.ix_(at, at)]
    raw = scale  # the covariance is that of scales before the Brindley factor
    if "absorption_factor" in parameters:
        raw *= float(parameters["absorption_factor"].sel({PHASE: reference}))
    relative = np.array([1.0 / raw, -1.0 / amount])
    variance = (
        float(relative @ inner @ relative) + (weight_ratio_std / weight_ratio) ** 2
    )
    value = weight_ratio * scale / amount
    return value, value * math.sqrt(max(variance, 0.0))
