"""Kinds of claims about fields, widths, shifts and T1 of spins."""

from __future__ import annotations

import math
from itertools import pairwise

from structkit.checks.claim_kind import (
    LIMITS,
    ClaimKind,
    Given,
    InputSpec,
    compare,
    limit_inputs,
)
from structkit.checks.judge import (
    ClaimVerdict,
    Outcome,
    Range,
    exact,
    join,
    judge_above,
    range_of,
    spread,
)
from structkit.errors import SchemaError
from structkit.nmr.assignment import FLAG, SwapReview, find_saturated, review_assignment
from structkit.nmr.fields import review_larmor
from structkit.nmr.response import saturation_factor
from structkit.nmr.stoichiometry import oxide_from_ratio
from structkit.nmr.widths import compare_shifts, convert_to_ppm, split_width

_MEGA = 1e6
_COMPLETE = 0.99
"""Of the magnetisation: above it a saturated line is not sure to be wrong."""


def _check_larmor(given: Given) -> Outcome:
    """Return whether a Larmor frequency fits its nucleus and magnet."""
    nucleus = given.text("nucleus", "23Na")
    declared = given.number("larmor").value / _MEGA
    proton = given.number("proton").value / _MEGA if "proton" in given else None
    review = review_larmor(declared, nucleus=nucleus, proton_mhz=proton)
    verdict = ClaimVerdict.CONTRADICTED if review.flagged else ClaimVerdict.SUPPORTED
    text = review.remark or (
        f"{nucleus}: {review.expected_mhz:.3f} MHz expected, {declared:g} declared"
    )
    return Outcome(
        verdict=verdict,
        arithmetic=text,
        numbers={
            "expected_mhz": exact(review.expected_mhz),
            "field_needed": exact(review.field_needed),
            "digit_slip": exact(float(review.digit_slip)),
        },
    )


def _check_broadening(given: Given) -> Outcome:
    """Return whether widths grow in the order given."""
    widths, larmor = given.numbers("widths"), given.number("larmor").value / _MEGA
    ppm = [spread(lambda w: convert_to_ppm(w, larmor), one) for one in widths]
    numbers = {f"ppm_{place}": one for place, one in enumerate(ppm)}
    ratios = []
    for place, one in enumerate(widths[1:], start=1):
        ratios.append(spread(lambda a, b: a / b, one, widths[0]))
        numbers[f"ratio_{place}"] = ratios[-1]
    steps = [judge_above(range_of(b), range_of(a)) for a, b in pairwise(widths)]
    told = ", ".join(f"{one.value:.3f}" for one in ppm)
    rises = ", ".join(f"{one.value:.3f}" for one in ratios)
    return Outcome(
        verdict=join(steps),
        arithmetic=f"{told} ppm, {rises} times the first; lifetime is part of every "
        "width",
        numbers=numbers,
    )


def _check_lifetime(given: Given) -> Outcome:
    """Return whether what is left of a width without lifetime grows as well."""
    if len(given.numbers("widths")) != len(given.numbers("t1")):
        raise SchemaError("t1: give one for each of widths")
    rests: dict[str, list[Range]] = {"lorentzian": [], "gaussian": []}
    lifetimes = []
    for width, t1 in zip(given.numbers("widths"), given.numbers("t1"), strict=True):
        lifetimes.append(spread(lambda w, t: split_width(w, t).lifetime_hz, width, t1))
        rests["lorentzian"].append(
            spread(lambda w, t: split_width(w, t).lorentzian_rest_hz, width, t1)
        )
        rests["gaussian"].append(
            spread(lambda w, t: split_width(w, t).gaussian_rest_hz, width, t1)
        )
    verdicts = {judge_above(rest[-1], rest[0]) for rest in rests.values()}
    verdict = verdicts.pop() if len(verdicts) == 1 else ClaimVerdict.NOT_RESOLVED
    numbers = {f"lifetime_{n}": one for n, one in enumerate(lifetimes)}
    for name, rest in rests.items():
        numbers |= {f"{name}_{n}": one for n, one in enumerate(rest)}
    told = [
        f"{w.value:.4g} Hz hold {life.tell()} of lifetime, {a.tell()} left if "
        f"Lorentzian, {b.tell()} if Gaussian"
        for w, life, a, b in zip(
            given.numbers("widths"), lifetimes, *rests.values(), strict=True
        )
    ]
    return Outcome(
        verdict=verdict,
        arithmetic="; ".join(told) + ": T2 may be shorter still",
        numbers=numbers,
    )


def _check_shift(given: Given) -> Outcome:
    """Return whether a line moved by more than can be told."""
    earlier, later = given.number("earlier"), given.number("later")
    width, larmor = given.number("fwhm").value, given.number("larmor").value / _MEGA
    change = spread(lambda a, b: b - a, earlier, later)
    std = math.hypot(earlier.std, later.std)
    found = compare_shifts(
        earlier.value, later.value, fwhm_hz=width, larmor_frequency=larmor, std=std
    )
    moved = found.resolved and (change.low > 0.0 or change.high < 0.0)
    verdict = ClaimVerdict.SUPPORTED if moved else ClaimVerdict.NOT_RESOLVED
    return Outcome(
        verdict=verdict,
        arithmetic=f"{change.tell()} ppm = {found.hz:.3g} Hz, "
        f"{100.0 * found.of_width:.1f} % of the {width:.0f} Hz of the line; a "
        "second-order quadrupolar shift is part of it",
        numbers={
            "ppm": change,
            "hz": exact(found.hz),
            "of_width": exact(found.of_width),
        },
    )


def _check_shift_sign(given: Given) -> Outcome:
    """Return a shift against its claim."""
    shift = given.number("shift")
    verdict, claim = compare(range_of(shift), given)
    return Outcome(
        verdict=verdict,
        arithmetic=f"{range_of(shift).tell(digits=4)} ppm {claim}",
        numbers={"shift": range_of(shift)},
    )


def _check_assignment(given: Given) -> Outcome:
    """Return whether T1 of lines are likely exchanged."""
    t1 = {name: one[0].value for name, one in given.named("t1").items()}
    references = _references(given)
    reviews = review_assignment(t1, references)
    odd = [one for one in reviews if one.ambiguous_swap]
    sure = all(one.log_odds < -FLAG for one in reviews)
    verdict = ClaimVerdict.SUPPORTED if sure else ClaimVerdict.NOT_RESOLVED
    worst = max(reviews, key=lambda one: one.log_odds)
    return Outcome(
        verdict=verdict,
        arithmetic="; ".join(_tell_swap(one) for one in odd or reviews),
        numbers={
            "ambiguous_swap": exact(float(bool(odd))),
            "ratio_first": exact(worst.ratios[0]),
            "ratio_second": exact(worst.ratios[1]),
            "swapped_first": exact(worst.swapped_ratios[0]),
            "swapped_second": exact(worst.swapped_ratios[1]),
        },
    )


def _tell_swap(review: SwapReview) -> str:
    """Return both readings of a pair of lines in words."""
    names = " and ".join(review.pair)
    as_printed = " and ".join(f"{one:.2g}" for one in review.ratios)
    swapped = " and ".join(f"{one:.2g}" for one in review.swapped_ratios)
    text = (
        f"T1 of {names} over those of {review.reference}: {as_printed} as printed, "
        f"{swapped} if exchanged"
    )
    if review.ambiguous_swap:
        text += (
            f", which is the simpler reading (ln of odds {review.log_odds:.1f}): look "
            "at the table that they come from"
        )
    return text


def _references(given: Given) -> dict[str, dict[str, float]]:
    """Return T1 of each reference, written as ``"milled.NaCl"``."""
    found: dict[str, dict[str, float]] = {}
    for name, values in given.named("references").items():
        reference, _, line = name.rpartition(".")
        found.setdefault(reference, {})[line] = values[0].value
    return found


def _check_saturation(given: Given) -> Outcome:
    """Return whether a recycle delay leaves areas that count spins."""
    delay = given.number("recycle_delay").value
    t1 = {
        name: [one.value for one in values]
        for name, values in given.named("t1").items()
    }
    saturated = find_saturated(t1, recycle_delay=delay)
    sure = {
        name
        for name, factors in saturated.items()
        if len(factors) == len(t1[name]) and max(factors) < _COMPLETE
    }
    verdict = ClaimVerdict.SUPPORTED if not saturated else ClaimVerdict.NOT_RESOLVED
    if sure:
        verdict = ClaimVerdict.CONTRADICTED
    numbers, told = {}, []
    for name, values in t1.items():
        for place, one in enumerate(values):
            factor = saturation_factor(delay, one)
            numbers[f"{name}_{place}"] = exact(factor)
            told.append(f"{name} {factor:.3g} at T1 = {one:g} s")
    text = f"1 - exp(-{delay:g} s / T1): {', '.join(told)}"
    if "ratio" in given and "NaCl" in t1:
        x = oxide_from_ratio(1.0 / given.number("ratio").value)
        least = min(saturation_factor(delay, one) for one in t1["NaCl"])
        numbers["x"] = exact(x / least)
        text += f"; with the longest T1 of NaCl x = {x:.4g} is {x / least:.3f}"
    return Outcome(verdict=verdict, arithmetic=text, numbers=numbers)


_LARMOR = InputSpec(name="larmor", meaning="Larmor frequency", units="Hz")
_T1 = "T1 of each line"

SPIN_KINDS = (
    ClaimKind(
        name="larmor",
        summary="a Larmor frequency fits its nucleus and magnet",
        inputs=(
            _LARMOR,
            InputSpec(
                name="proton", meaning="1H in that magnet", units="Hz", required=False
            ),
            InputSpec(
                name="nucleus",
                meaning="default 23Na",
                shape="text",
                required=False,
            ),
        ),
        check=_check_larmor,
    ),
    ClaimKind(
        name="broadening",
        summary="a line becomes wider, in the order given",
        inputs=(
            InputSpec(name="widths", meaning="FWHM", units="Hz", shape="numbers"),
            _LARMOR,
        ),
        check=_check_broadening,
    ),
    ClaimKind(
        name="disorder_width",
        summary="the width that is not lifetime grows from the first to the last",
        inputs=(
            InputSpec(name="widths", meaning="FWHM", units="Hz", shape="numbers"),
            InputSpec(name="t1", meaning="T1 of each", units="s", shape="numbers"),
        ),
        check=_check_lifetime,
    ),
    ClaimKind(
        name="shift_change",
        summary="a line moved by more than can be told",
        inputs=(
            InputSpec(name="earlier", meaning="shift", units="ppm"),
            InputSpec(name="later", meaning="shift", units="ppm"),
            InputSpec(name="fwhm", meaning="of the line", units="Hz"),
            _LARMOR,
        ),
        check=_check_shift,
    ),
    ClaimKind(
        name="shift",
        summary="a chemical shift",
        inputs=(
            InputSpec(name="shift", meaning="as measured", units="ppm"),
            *limit_inputs("ppm"),
        ),
        check=_check_shift_sign,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="t1_assignment",
        summary="T1 belong to the lines that they are printed at",
        inputs=(
            InputSpec(name="t1", meaning=_T1, units="s", shape="named"),
            InputSpec(
                name="references",
                meaning=f"{_T1} elsewhere, in tables by name",
                units="s",
                shape="sets",
            ),
        ),
        check=_check_assignment,
    ),
    ClaimKind(
        name="saturation",
        summary="a recycle delay leaves areas that count spins",
        inputs=(
            InputSpec(name="recycle_delay", meaning="between scans", units="s"),
            InputSpec(
                name="t1",
                meaning=f"{_T1}; a list where it is uncertain",
                units="s",
                shape="named",
            ),
            InputSpec(
                name="ratio",
                meaning="NTOC : NaCl, to tell what becomes of x",
                required=False,
            ),
        ),
        check=_check_saturation,
    ),
)
"""Kinds of claims about fields, widths, shifts and T1 of spins."""
