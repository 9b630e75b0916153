"""How areas become moles: saturation, flip angle, transitions, blank."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from structkit.errors import SchemaError


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """What the control without oxide shows: ``A_NaCl / A_NTC`` as measured there."""

    ratio: float
    """Ratio of areas; that of the study's control is 0.0534."""
    std: float
    """1 sigma."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionSettings:
    """How areas become moles."""

    product: str = "NTOC"
    """Site of the oxychloride."""
    chloride: str = "NaCl"
    """Site of the by-product."""
    recycle_delay_s: float | None = None
    """Time between scans, **s**; without it nothing is corrected for saturation."""
    flip_angle_degree: float = 90.0
    """Of the pulse, on the calibration sample, **degree**."""
    t1_s: Mapping[str, float] = field(default_factory=dict)
    """Longitudinal relaxation time of each site, **s**."""
    t1_std_s: Mapping[str, float] = field(default_factory=dict)
    """1 sigma, **s**."""
    blank: Blank | None = None
    """Control without oxide, measured in the same way."""
    without_oxide: str = ""
    """Why this sample holds no oxide, so that no x is told; empty: it may."""
    response_low: float = 0.4
    """Least factor on ``A_NaCl / A_NTOC`` for flip angle and central transition."""
    response_high: float = 1.3
    """Largest such factor; its logarithm is uniform between both."""
    response: float | None = None
    """Factor as calibrated with a mixture of known NaCl : NTC."""
    response_std: float = 0.0
    """1 sigma of the calibrated factor."""
    nominal_na_per_ta: float = 3.0
    """Sodium per tantalum as weighed."""

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0.0 < self.response_low <= self.response_high:
            raise SchemaError(
                "response_low and response_high must be positive, in order"
            )
        if self.response is not None and not self.response > 0.0:
            raise SchemaError("response must be positive")
        if not self.nominal_na_per_ta > 0.0:
            raise SchemaError("nominal_na_per_ta must be positive")
        if self.recycle_delay_s is not None and not self.recycle_delay_s > 0.0:
            raise SchemaError("recycle_delay_s must be positive")


_HALF_TURN = 180.0


def saturation_factor(
    recycle_delay: float, t1: float, *, flip_angle_degree: float = 90.0
) -> float:
    """Return the part of the magnetisation that is there at each pulse.

    Parameters
    ----------
    recycle_delay, t1 : float
        **s**.
    flip_angle_degree : float
        0 to 180, both excluded. At 90 degree ``1 - exp(-TR / T1)``.

    Returns
    -------
    float
        ``(1 - E) / (1 - E cos theta)`` with ``E = exp(-TR / T1)``: the steady state
        without transverse coherence.

    Raises
    ------
    SchemaError
        A time is not positive, or the angle out of range.

    References
    ----------
    Ernst & Anderson 1966, 10.1063/1.1719961.

    Examples
    --------
    >>> round(saturation_factor(10.0, 11.43), 2)
    0.58
    """
    if not (recycle_delay > 0.0 and t1 > 0.0):
        raise SchemaError("recycle delay and T1 must be positive, in s")
    if not 0.0 < flip_angle_degree < _HALF_TURN:
        raise SchemaError(f"flip_angle_degree is {flip_angle_degree}; 0 to 180")
    left = math.exp(-recycle_delay / t1)
    return (1.0 - left) / (1.0 - left * math.cos(math.radians(flip_angle_degree)))


def flip_angle_response(flip_angle_degree: float) -> float:
    """Return central transition over cubic site after one pulse, detection left out.

    ``1/2 sin 2 theta`` over ``sin theta``: the response of a site whose quadrupole
    coupling is far above the pulse's strength, over that of one without. 0 at 90
    degree, 0.71 at 45, 0.97 at 15.
    """
    return math.cos(math.radians(flip_angle_degree))
