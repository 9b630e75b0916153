"""Scale of each phase against the reference sample of its series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from structkit.schema import PHASE, SAMPLE

NAME = "relative_scale"
REMARK = (
    "valid only where optics, counting time, film and mass attenuation of the sample "
    "are those of the reference"
)
_LONG_NAME = "scale over that of the reference sample"
_REFERENCE_ROLES = ("unmilled", "crystalline_reference")
_MILLED_ROLES = (None, "", "milled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The sample against which a series is held, and the rule that chose it."""

    sample: str
    """Its id; empty where there is none."""
    rule: str
    """Why this one, or why none."""


def choose_reference(
    milling_time: Mapping[str, float],
    roles: Mapping[str, str | None],
    *,
    refined: frozenset[str],
) -> Reference:
    """Choose the reference sample of a series.

    Parameters
    ----------
    milling_time : mapping of str to float
        Milling time of each sample, **h**, in the order of the series; NaN: unknown.
    roles : mapping of str to str or None
        Role of each sample.
    refined : frozenset of str
        Samples whose fit has numbers.

    Returns
    -------
    Reference
        The unmilled sample; else the crystalline reference; of several, the one with
        the shortest time. Else, of the refined samples that are simply milled, the
        one with the shortest time.

    Notes
    -----
    A sample that its role makes the reference stays so when its fit failed: another
    would silently change what the numbers mean.
    """

    def time(sample: str) -> float:
        return float(np.nan_to_num(milling_time.get(sample, np.nan), nan=np.inf))

    for role in _REFERENCE_ROLES:
        holders = [sample for sample in milling_time if roles.get(sample) == role]
        if holders:
            chosen = min(holders, key=time)
            return Reference(sample=chosen, rule=f"its role is {role}")
    milled = [
        sample
        for sample in milling_time
        if sample in refined
        and roles.get(sample) in _MILLED_ROLES
        and np.isfinite(time(sample))
    ]
    if not milled:
        return Reference(
            sample="",
            rule="no reference sample: none has the role unmilled or "
            "crystalline_reference, and none that is refined has a milling time",
        )
    return Reference(
        sample=min(milled, key=time),
        rule="no sample is unmilled; it was milled for the shortest time",
    )


def relative_scale(scales: xr.Dataset, reference: Reference) -> xr.Dataset:
    """Return each phase's scale over that in the reference sample.

    Parameters
    ----------
    scales : xarray.Dataset
        ``scale``, ``scale_std`` and the flag ``detected`` over sample and phase.
    reference : Reference
        From :func:`choose_reference`.

    Returns
    -------
    xarray.Dataset
        ``relative_scale`` and its ``_std`` (sample, phase; ``1``) and
        ``relative_scale_reason`` (phase), why it is empty, or an empty text. The
        reference's own is 1 by definition, its ``_std`` therefore NaN. attrs:
        ``reference_sample``, ``reference_rule``, ``remark``.

    Notes
    -----
    ``S(t) / S(ref)`` is what is left of the phase only where nothing but the sample
    changed between the two measurements. Drift of the tube and a change of the mass
    attenuation are not in the uncertainty, which is that of the two fits.
    """
    phases = scales[PHASE].to_numpy()
    reasons = [_obstacle(scales, reference, str(phase)) for phase in phases]
    usable = xr.DataArray([not reason for reason in reasons], dims=(PHASE,))
    # Without a reference the first sample serves as divisor, and all is blanked.
    at = int(np.argmax(scales[SAMPLE].to_numpy() == reference.sample))
    divisor = scales.isel({SAMPLE: at}, drop=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = scales["scale"] / divisor["scale"]
        own = scales["scale_std"] / divisor["scale"]
        shared = ratio * divisor["scale_std"] / divisor["scale"]
    spread = ((own**2 + shared**2) ** 0.5).where(scales[SAMPLE] != reference.sample)
    attrs = {"units": "1", "long_name": _LONG_NAME}
    attrs |= {
        "reference_sample": reference.sample,
        "reference_rule": reference.rule,
        "remark": REMARK,
    }
    error = {"units": "1", "long_name": f"standard uncertainty of {_LONG_NAME}"}
    return xr.Dataset(
        {
            NAME: ratio.where(usable).assign_attrs(attrs),
            f"{NAME}_std": spread.where(usable).assign_attrs(error),
            f"{NAME}_reason": (PHASE, reasons, {"long_name": f"why no {_LONG_NAME}"}),
        }
    )


def _obstacle(scales: xr.Dataset, reference: Reference, phase: str) -> str:
    """Return why a phase has no relative scale, or an empty text."""
    if not reference.sample:
        return reference.rule
    place = {SAMPLE: reference.sample, PHASE: phase}
    if not np.isfinite(float(scales["scale"].sel(place))):
        return f"the reference sample {reference.sample} has no scale of {phase}"
    if not bool(scales["detected"].sel(place)):
        return f"{phase} is not detected in the reference sample {reference.sample}"
    return ""
