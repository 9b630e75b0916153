"""Larmor frequencies, and what T1 at two of them tells of the motion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.optimize import brentq

from structkit.errors import SchemaError
from structkit.nmr.bpp import DEBYE, quadrupolar_rate
from structkit.structures.nuclei import find_nucleus

Regime = Literal["fast", "intermediate", "slow", "undecided", "outside"]

_MHZ_PER_TESLA = 42.577478
_BRUKER_OFFSET = 0.13
_MAGNETS = (200, 250, 300, 360, 400, 500, 600, 700, 750, 800, 850, 900, 1000)
_TOLERANCE = 2e-3
_SIGMAS = 1.96
_SEARCH = (-8.0, 8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LarmorReview:
    """A declared Larmor frequency against its nucleus and magnet."""

    expected_mhz: float
    """What the magnet gives, **MHz**."""
    deviation: float
    """Declared over expected, less 1."""
    field_needed: float
    """Field at which the declared frequency would be right, **T**."""
    flagged: bool
    """Whether they disagree by more than a chemical shift can explain."""
    digit_slip: bool
    """Whether one wrong digit explains it."""
    remark: str
    """The verdict in words; empty where they agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldComparison:
    """T1 at two fields."""

    ratio: float
    """T1 at the higher over T1 at the lower frequency."""
    ratio_std: float
    """1 sigma."""
    slow_limit: float
    """Ratio of slow motion: that of the frequencies to the power 1 + beta."""
    regime: Regime
    """Which limits the ratio agrees with; ``outside`` of what one motion gives."""
    correlation_time: float
    """**s**; NaN where the ratio agrees with a limit."""
    interval: tuple[float, float]
    """95 % interval of the correlation time, **s**; 0 and infinite are the limits."""


def larmor_frequency(nucleus: str, *, proton_mhz: float) -> float:
    """Return the Larmor frequency of a nucleus, **MHz**.

    Parameters
    ----------
    nucleus : str
        Such as ``23Na``.
    proton_mhz : float
        Frequency of 1H in the same magnet, **MHz**.

    Raises
    ------
    SchemaError
        A nucleus that :mod:`structkit.structures.nuclei` does not hold.

    Examples
    --------
    >>> print(f"{larmor_frequency('23Na', proton_mhz=300.13):.3f}")
    79.390
    """
    return find_nucleus(nucleus).larmor_frequency(proton_mhz)


def review_larmor(
    larmor_mhz: float, *, nucleus: str, proton_mhz: float | None = None
) -> LarmorReview:
    """Hold a declared Larmor frequency against nucleus and magnet.

    Parameters
    ----------
    larmor_mhz : float
        As declared, **MHz**.
    nucleus : str
        Such as ``23Na``.
    proton_mhz : float, optional
        Frequency of 1H in that magnet, **MHz**; the nearest usual magnet where absent.

    Returns
    -------
    LarmorReview
        Flagged where they differ by more than 0.2 %.

    Raises
    ------
    SchemaError
        Unknown nucleus, frequency that is not positive.

    Examples
    --------
    >>> review_larmor(73.39, nucleus="23Na", proton_mhz=300.13).digit_slip
    True
    """
    share = larmor_frequency(nucleus, proton_mhz=1.0)
    if not larmor_mhz > 0.0:
        raise SchemaError(f"larmor_mhz is {larmor_mhz}; it must be positive, in MHz")
    needed = larmor_mhz / share
    proton = proton_mhz
    if proton is None:
        usual = [magnet + _BRUKER_OFFSET for magnet in _MAGNETS]
        proton = min(usual, key=lambda one: abs(one - needed))
    expected = proton * share
    deviation = larmor_mhz / expected - 1.0
    flagged = abs(deviation) > _TOLERANCE
    slip = flagged and _differs_by_one_digit(larmor_mhz, expected)
    remark = ""
    if flagged:
        remark = (
            f"{nucleus} at {larmor_mhz:g} MHz needs {needed / _MHZ_PER_TESLA:.2f} T; "
            f"with 1H at {proton:g} MHz it is {expected:.2f} MHz"
        )
    if slip:
        remark += ": one digit is wrong"
    return LarmorReview(
        expected_mhz=expected,
        deviation=deviation,
        field_needed=needed / _MHZ_PER_TESLA,
        flagged=flagged,
        digit_slip=slip,
        remark=remark,
    )


def compare_fields(
    t1: tuple[float, float],
    *,
    larmor_hz: tuple[float, float],
    t1_std: tuple[float, float],
    exponent: float = DEBYE,
) -> FieldComparison:
    """Tell fast from slow motion by T1 at two fields.

    Parameters
    ----------
    t1 : tuple of float
        At each field, **s**.
    larmor_hz : tuple of float
        Each field's Larmor frequency, **Hz**, in any order; check them with
        :func:`review_larmor` first.
    t1_std : tuple of float
        1 sigma of each, **s**.
    exponent : float, default 2
        1 + beta.

    Returns
    -------
    FieldComparison
        Ratio 1 in the fast limit, ``(w1/w2)^(1 + beta)`` in the slow one.

    Raises
    ------
    SchemaError
        Values that are not positive, one frequency twice.

    Examples
    --------
    >>> told = compare_fields(
    ...     (10e-3, 27.8e-3), larmor_hz=(79.39e6, 132.294e6), t1_std=(2e-4, 5e-4)
    ... )
    >>> told.regime
    'slow'
    """
    if not all(value > 0.0 for value in (*t1, *larmor_hz, *t1_std)):
        raise SchemaError("t1, t1_std and larmor_hz must be positive, in s and Hz")
    if larmor_hz[0] == larmor_hz[1]:
        raise SchemaError("both Larmor frequencies are the same; give two fields")
    low, high = (0, 1) if larmor_hz[0] < larmor_hz[1] else (1, 0)
    fields = larmor_hz[low], larmor_hz[high]
    log_ratio = math.log(t1[high] / t1[low])
    log_std = math.hypot(t1_std[low] / t1[low], t1_std[high] / t1[high])
    slow = exponent * math.log(fields[1] / fields[0])
    reach = _SIGMAS * log_std
    near_fast, near_slow = log_ratio - reach <= 0.0, log_ratio + reach >= slow
    ends = [
        _find_correlation_time(value, fields, exponent)
        for value in (log_ratio - reach, log_ratio + reach)
    ]
    regime: Regime = "intermediate"
    if log_ratio + reach < 0.0 or log_ratio - reach > slow:
        regime = "outside"
    elif near_fast and near_slow:
        regime = "undecided"
    elif near_fast or near_slow:
        regime = "fast" if near_fast else "slow"
    found = math.nan
    if regime == "intermediate":
        found = _find_correlation_time(log_ratio, fields, exponent)
    return FieldComparison(
        ratio=math.exp(log_ratio),
        ratio_std=math.exp(log_ratio) * log_std,
        slow_limit=math.exp(slow),
        regime=regime,
        correlation_time=found,
        interval=(ends[0], ends[1]),
    )


def _find_correlation_time(
    log_ratio: float, fields: tuple[float, float], exponent: float
) -> float:
    """Return the correlation time of a ratio; 0 or infinite beyond the limits."""

    def miss(log_place: float) -> float:
        tau = math.exp(log_place) / (2.0 * math.pi * fields[0])
        rates = [
            float(
                quadrupolar_rate(
                    tau, larmor_hz=field, coupling_hz=1.0, exponent=exponent
                )
            )
            for field in fields
        ]
        return math.log(rates[0] / rates[1]) - log_ratio

    if miss(_SEARCH[0]) >= 0.0:
        return 0.0
    if miss(_SEARCH[1]) <= 0.0:
        return math.inf
    return math.exp(brentq(miss, *_SEARCH)) / (2.0 * math.pi * fields[0])


def _differs_by_one_digit(declared: float, expected: float) -> bool:
    """Return whether one digit of the declared number is wrong."""
    text = f"{declared:.10g}"
    places = len(text.partition(".")[2])
    other = f"{expected:.{places}f}"
    if len(text) != len(other):
        return False
    return sum(a != b for a, b in zip(text, other, strict=True)) == 1
