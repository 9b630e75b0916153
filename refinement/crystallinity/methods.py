"""Which method may speak for a sample, and what another one says (SCIENCE B12)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy.special import chdtrc

from refinement.crystallinity.scales import COVERAGE

INTERNAL = "internal_standard"
EXTERNAL = "external_standard"
COMPONENT = "measured_component"
PONKCS = "ponkcs"
DIRECT = "direct_derivation"
CLOSURE = "closure_bound"
AREA = "area_fraction"
RIR = "rir"

PRIORITY = (INTERNAL, EXTERNAL, COMPONENT, PONKCS, DIRECT, CLOSURE)
"""Who speaks first: a standard in the sample itself, then one beside it, then a halo of
calibrated mass, then the sum rule; where none of them can, the atoms set a bound."""
METHODS = (*PRIORITY, AREA, RIR)
"""All methods, in the order of the table."""
DESCRIPTIVE = (AREA, RIR)
"""Indices along a series: shown, never quoted as a content."""
_INDEPENDENT = {
    INTERNAL: (EXTERNAL, COMPONENT, DIRECT, PONKCS),
    EXTERNAL: (INTERNAL, DIRECT, COMPONENT, PONKCS),
    COMPONENT: (EXTERNAL, DIRECT),
    PONKCS: (EXTERNAL, DIRECT, INTERNAL),
    DIRECT: (EXTERNAL, INTERNAL, COMPONENT, PONKCS),
}
"""What may check what, the most independent first."""
SIGNIFICANCE = 0.01
"""Probability of a larger chi-square below which two methods disagree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodValue:
    """What one method says of one sample."""

    method: str
    """One of :data:`METHODS`."""
    reason: str = ""
    """Why it is not applicable, or what limits it; may be empty."""
    applicable: bool = False
    """Whether its value may be quoted as an amorphous content, or its bound as one."""
    value: float = math.nan
    """Amorphous weight fraction of the sample without its standard."""
    std: float = math.nan
    """1 sigma of it."""
    low: float = math.nan
    """Lower 95 % limit, within what is possible."""
    high: float = math.nan
    """Upper 95 % limit, within what is possible."""

    @property
    def has_value(self) -> bool:
        """Return whether there is a number with its uncertainty."""
        return math.isfinite(self.value) and math.isfinite(self.std)


def measured(method: str, value: float, std: float, *, reason: str = "") -> MethodValue:
    """Return an applicable method's value with its 95 % limits within 0 and 1."""
    limits = [value - COVERAGE * std, value + COVERAGE * std]
    low, high = (min(max(limit, 0.0), 1.0) for limit in limits)
    return MethodValue(
        method=method,
        applicable=math.isfinite(value),
        reason=reason,
        value=value,
        std=std,
        low=low,
        high=high,
    )


def choose_primary(values: Sequence[MethodValue]) -> MethodValue | None:
    """Return who speaks for the sample; None where nobody can."""
    by_name = {value.method: value for value in values if value.applicable}
    return next((by_name[name] for name in PRIORITY if name in by_name), None)


def within_bound(primary: MethodValue, bound: MethodValue | None) -> MethodValue:
    """Return a value with its limits cut to what the atoms allow.

    A value whose whole interval lies beyond the bound keeps it: the contradiction is a
    flag, not something to hide.
    """
    if bound is None or not bound.applicable or not math.isfinite(bound.low):
        return primary
    if primary.high < bound.low or primary.low > bound.high:
        return primary
    return replace(
        primary,
        low=max(primary.low, bound.low),
        high=min(primary.high, bound.high),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A second method beside the primary one."""

    method: str = ""
    """Its name; empty: there is none."""
    difference: float = math.nan
    """Primary less check."""
    std: float = math.nan
    """1 sigma of the difference, the two taken as independent."""

    @property
    def chi_square(self) -> float:
        """Return chi-square of the difference, one degree of freedom."""
        return (self.difference / self.std) ** 2 if self.std > 0.0 else math.nan

    @property
    def p_value(self) -> float:
        """Return the probability of a larger chi-square by chance."""
        return float(chdtrc(1.0, self.chi_square)) if self.std > 0.0 else math.nan

    @property
    def agrees(self) -> bool:
        """Return whether the two agree; also where there is nothing to compare."""
        return not self.p_value < SIGNIFICANCE


def find_check(values: Sequence[MethodValue], primary: MethodValue | None) -> Check:
    """Return the most independent method beside the primary one."""
    if primary is None or not primary.has_value:
        return Check()
    by_name = {value.method: value for value in values}
    for name in _INDEPENDENT.get(primary.method, ()):
        other = by_name.get(name)
        if other is not None and other.applicable and other.has_value:
            return Check(
                method=name,
                difference=primary.value - other.value,
                std=math.hypot(primary.std, other.std),
            )
    return Check()


_SPOKEN = {
    INTERNAL: "the internal standard",
    EXTERNAL: "the external standard",
    COMPONENT: "measured components",
    PONKCS: "the calibrated halo",
    DIRECT: "direct derivation",
    CLOSURE: "elemental closure",
    AREA: "the area of the lines",
    RIR: "reference intensity ratios",
}


def spoken(method: str) -> str:
    """Return a method's name as it stands in a sentence."""
    return _SPOKEN.get(method, method)


def state_verdict(sample: str, primary: MethodValue | None, check: Check) -> str:
    """Return what can be said of a sample's amorphous content, as sentences."""
    if primary is None:
        return f"{sample}: nothing can be said of the amorphous content."
    if not primary.has_value:
        return (
            f"{sample}: no absolute amount can be read from its pattern; by "
            f"{spoken(primary.method)} between {_percent(primary.low)} and "
            f"{_percent(primary.high)} of it is amorphous (95 %)."
        )
    first = (
        f"{sample}: {_percent(primary.value)} by weight is amorphous "
        f"({_percent(primary.low)} to {_percent(primary.high)}, 95 %), by "
        f"{spoken(primary.method)}"
    )
    if not check.method:
        return f"{first}; no second method checks it."
    other = primary.value - check.difference
    agrees = "agrees" if check.agrees else "DISAGREES"
    return (
        f"{first}; {spoken(check.method)} {agrees}: {_percent(other)}, difference "
        f"{_points(check.difference)} with 1 sigma {_points(check.std)} (chi-square "
        f"{check.chi_square:.1f})."
    )


def _percent(share: float) -> str:
    """Return a fraction as per cent."""
    return f"{100.0 * share:.1f} %"


def _points(difference: float) -> str:
    """Return a difference of fractions as wt%."""
    return f"{100.0 * difference:.1f} wt%"
