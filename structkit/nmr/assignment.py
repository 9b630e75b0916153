"""Whether the T1 of two lines were exchanged, and whether lines were saturated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from structkit.errors import SchemaError
from structkit.nmr.response import saturation_factor

SPREAD = math.log(2.0)
"""1 sigma of ln of what sets one line's T1 apart from the other's, once what milling
does to both is taken out: an assumption, wide enough for one tube of powder."""
FLAG = 3.0
"""ln of odds above which an exchange is the parsimonious reading: it outweighs a
prior of one exchange in twenty tables."""
_ENOUGH_RECYCLES = 5.0
_FULL_TURN = 360.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapReview:
    """Two lines read as printed, and exchanged."""

    pair: tuple[str, str]
    """The lines."""
    reference: str
    """The reference set in which the reading that is preferred does best."""
    ratios: tuple[float, float]
    """T1 over the reference's, as printed."""
    swapped_ratios: tuple[float, float]
    """The same with both values exchanged."""
    log_odds: float
    """ln of the odds of the exchanged reading."""
    ambiguous_swap: bool
    """Whether the exchange is the parsimonious reading. Nothing is exchanged here:
    look at the table that the values come from."""


def review_assignment(
    t1: Mapping[str, float],
    references: Mapping[str, Mapping[str, float]],
    *,
    spread: float = SPREAD,
) -> tuple[SwapReview, ...]:
    """Tell of each pair of lines whether exchanged T1 are the simpler reading.

    Parameters
    ----------
    t1 : mapping of str to float
        Line to T1 in the sample, **s**.
    references : mapping of str to mapping of str to float
        Name of a reference (bulk, milled alone) to its lines' T1, **s**.
    spread : float, default ln 2
        1 sigma of ln of what is left of a ratio when both lines' common factor is
        taken out.

    Returns
    -------
    tuple of SwapReview
        One for each pair of lines that some reference holds both of.

    Raises
    ------
    SchemaError
        A T1 that is not positive, no pair in any reference.

    Notes
    -----
    Milling shortens every T1, so what counts is that two lines' ratios to their
    references agree: with ``d = ln(r1/r2)`` a reading has log likelihood
    ``-d^2 / (4 spread^2)``. Each reading is given the reference that suits it best, so
    a reference of the wrong treatment does not speak for an exchange.

    Examples
    --------
    >>> told = review_assignment(
    ...     {"Na2O": 2.06, "NaCl": 0.24}, {"milled": {"Na2O": 0.58, "NaCl": 6.49}}
    ... )
    >>> told[0].ambiguous_swap
    True
    """
    for held in (t1, *references.values()):
        if not all(value > 0.0 and math.isfinite(value) for value in held.values()):
            raise SchemaError("every T1 must be finite and positive, in s")
    reviews = []
    for first, second in combinations(t1, 2):
        sets = {
            name: (held[first], held[second])
            for name, held in references.items()
            if first in held and second in held
        }
        if sets:
            pair = (first, second)
            reviews.append(_review(pair, t1, sets=sets, spread=spread))
    if not reviews:
        raise SchemaError("no reference holds two of the lines; give one of both")
    return tuple(reviews)


def find_saturated(
    t1: Mapping[str, Sequence[float] | float],
    *,
    recycle_delay: float,
    flip_angle_degree: float = 90.0,
) -> dict[str, tuple[float, ...]]:
    """Return the lines that a recycle delay may saturate: it is shorter than 5 T1.

    Parameters
    ----------
    t1 : mapping of str to float or sequence of float
        Line to every T1 that it may have, **s**.
    recycle_delay : float
        **s**.
    flip_angle_degree : float, default 90
        Of the pulses, **degree**: small ones saturate less, the factors say by how
        much.

    Returns
    -------
    dict of str to tuple of float
        Line to the factors (:func:`structkit.nmr.response.saturation_factor`) of those
        T1 that are too long.

    Raises
    ------
    SchemaError
        A value that is not positive.

    Examples
    --------
    >>> find_saturated({"NTOC": 0.0012, "Na2O": 1.9}, recycle_delay=10.0)
    {}
    """
    found = {}
    for line, given in t1.items():
        values = [given] if isinstance(given, int | float) else list(given)
        factors = tuple(
            saturation_factor(recycle_delay, value, flip_angle_degree=flip_angle_degree)
            for value in values
            if recycle_delay < _ENOUGH_RECYCLES * value
        )
        if factors:
            found[line] = factors
    return found


def _review(
    pair: tuple[str, str],
    t1: Mapping[str, float],
    *,
    sets: Mapping[str, tuple[float, float]],
    spread: float,
) -> SwapReview:
    """Return both readings of one pair."""
    values = (t1[pair[0]], t1[pair[1]])
    printed = {name: _agreement(values, held, spread) for name, held in sets.items()}
    turned = (values[1], values[0])
    swapped = {name: _agreement(turned, held, spread) for name, held in sets.items()}
    log_odds = max(swapped.values()) - max(printed.values())
    preferred = swapped if log_odds > 0.0 else printed
    best = max(preferred, key=lambda name: preferred[name])
    held = sets[best]
    return SwapReview(
        pair=pair,
        reference=best,
        ratios=(values[0] / held[0], values[1] / held[1]),
        swapped_ratios=(turned[0] / held[0], turned[1] / held[1]),
        log_odds=log_odds,
        ambiguous_swap=log_odds > FLAG,
    )


def _agreement(
    values: tuple[float, float], held: tuple[float, float], spread: float
) -> float:
    """Return the log likelihood that both lines changed by a common factor."""
    apart = math.log(values[0] / held[0]) - math.log(values[1] / held[1])
    return -(apart**2) / (4.0 * spread**2)
