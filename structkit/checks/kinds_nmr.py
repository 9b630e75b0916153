"""Kinds of claims about composition by NMR: equations (1) and (2) and the atoms."""

from __future__ import annotations

import numpy as np

from structkit.checks.atoms import (
    ceiling_of_product,
    census_of_sodium,
    composition_of_reaction,
    limit_of_oxygen,
    oxygen_extent,
    unreacted_sodium_chloride,
)
from structkit.checks.claim_kind import (
    EQUALS,
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
    judge_agreement,
    range_of,
    spread,
)
from structkit.checks.quantity import Quantity
from structkit.nmr.oxide_content import find_oxide_content
from structkit.nmr.response import Blank, CompositionSettings
from structkit.nmr.stoichiometry import (
    blank_from_share,
    oxide_from_ratio,
    shares_from_ratio,
)

_NO_ERRORS = 1e-12 * np.eye(2)
"""Covariance of areas whose range is found by their rounding instead."""
_READINGS = ("relative", "points")


def _check_mole_ratio(given: Given) -> Outcome:
    """Return x by equation (1) from a mole ratio against the printed one."""
    ratio = given.number("ratio")
    x = spread(lambda one: oxide_from_ratio(1.0 / one), ratio)
    verdict, claim = compare(x, given)
    return Outcome(
        verdict=verdict,
        arithmetic=f"2 x = 1 / {ratio.value:g}, x = {x.tell()} {claim}; no blank "
        "subtracted",
        numbers={"x": x},
    )


def _check_gain(given: Given) -> Outcome:
    """Return the earlier x that a gain of the product's share implies."""
    early, late = given.number("nacl_early"), given.number("nacl_late")
    ratio, gain = given.number("ratio_late"), given.number("gain")
    reading = given.text("reading", "relative")

    def product(nacl: float, mole: float, rise: float) -> float:
        share = shares_from_ratio(nacl, mole)["NTOC"]
        return share / (1.0 + rise) if reading == "relative" else share - rise

    def oxide(first: float, nacl: float, mole: float, rise: float) -> float:
        return oxide_from_ratio(first / product(nacl, mole, rise))

    def rest(first: float, nacl: float, mole: float, rise: float) -> float:
        return 1.0 - first - product(nacl, mole, rise)

    inputs = (early, late, ratio, gain)
    x = spread(oxide, *inputs)
    numbers = {
        "product_late": spread(
            lambda a, b: shares_from_ratio(a, b)["NTOC"], late, ratio
        ),
        "oxide_late": spread(lambda a, b: shares_from_ratio(a, b)["Na2O"], late, ratio),
        "product_early": spread(product, late, ratio, gain),
        "oxide_early": spread(rest, *inputs),
        "x_early": x,
    }
    verdict, claim = compare(x, given)
    shares = {name: one.tell(factor=100.0) for name, one in numbers.items()}
    text = (
        f"NTOC {ratio.value:g} x {100.0 * late.value:.3g} = {shares['product_late']} % "
        f"of the Na; read as {'a relative gain' if reading == 'relative' else 'points'}"
        f" it was {shares['product_early']} % before, so x = {x.tell()} {claim}; Na2O "
        f"{shares['oxide_early']} % before, {shares['oxide_late']} % after"
    )
    if EQUALS in given and reading == "relative":
        alone = spread(lambda a, b: a / (2.0 * b), early, given.number(EQUALS))
        numbers["product_early_from_x"] = alone
        text += f"; from the rounded x alone NTOC was {alone.tell(factor=100.0)} %"
    return Outcome(verdict=verdict, arithmetic=text, numbers=numbers)


def _check_census(given: Given) -> Outcome:
    """Return Na per Ta by NMR against what was weighed, and the NaCl that is left."""
    share = _product(given)
    counted = spread(lambda part: census_of_sodium(part, share_std=0.0).value, share)
    ceiling = ceiling_of_product().value
    over = spread(lambda part: part / ceiling - 1.0, share)
    text = census_of_sodium(share.value, share_std=share.std).text
    numbers = {"na_per_ta": counted, "over_ceiling": over}
    told = f"{text}; range {counted.low:.3g} to {counted.high:.3g}"
    verdict = judge_agreement(counted, exact(1.0 / ceiling))
    if over.low > 0.0:
        verdict = ClaimVerdict.CONTRADICTED
    elif "nacl_seen" in given:
        seen = given.number("nacl_seen")
        needed = spread(
            lambda part: (
                unreacted_sodium_chloride(part, seen.value, nacl_std=0.0).value
            ),
            share,
        )
        numbers["nacl_needed"] = needed
        verdict = judge_above(range_of(seen), needed)
        told += (
            f"; that Ta as TaCl5 leaves NaCl of {needed.tell(factor=100.0)} % of the "
            f"Na, {100.0 * seen.value:.3g} % is seen"
        )
    elif verdict is ClaimVerdict.CONTRADICTED:
        verdict = ClaimVerdict.NOT_RESOLVED
    return Outcome(verdict=verdict, arithmetic=told, numbers=numbers)


def _product(given: Given) -> Quantity:
    """Return the product's share of Na: given, or from NaCl, ratio and gain."""
    if "product_share" in given:
        return given.number("product_share")
    inputs = [given.number("nacl"), given.number("ratio")]
    if "gain" in given:
        inputs.append(given.number("gain"))
    found = spread(
        lambda nacl, ratio, gain=0.0: (
            shares_from_ratio(nacl, ratio)["NTOC"] / (1.0 + gain)
        ),
        *inputs,
    )
    measured = any(one.certainty == "measured" for one in inputs)
    return Quantity(
        value=found.value,
        low=found.low,
        high=found.high,
        certainty="measured" if measured else "rounded",
    )


def _check_closure(given: Given) -> Outcome:
    """Return the shares of Na that a reaction leaves against those of NMR."""
    nacl, ratio = given.number("nacl"), given.number("ratio")
    names = ("NTOC", "NaCl", "Na2O")
    numbers: dict[str, Range] = {}
    verdicts = []
    for name in names:
        seen = spread(
            lambda a, b, name=name: shares_from_ratio(a, b)[name], nacl, ratio
        )
        left = spread(
            lambda b, name=name: (
                composition_of_reaction(oxide_from_ratio(1.0 / b))[name].value
            ),
            ratio,
        )
        numbers |= {f"{name}_seen": seen, name: left}
        verdicts.append(judge_agreement(seen, left))
    x = spread(lambda b: oxide_from_ratio(1.0 / b), ratio)
    numbers["x"] = x
    used = spread(
        lambda b: (
            composition_of_reaction(oxide_from_ratio(1.0 / b))["Na2O_reacted"].value
        ),
        ratio,
    )
    numbers["reacted"] = used
    told = " / ".join(numbers[name].tell(factor=100.0) for name in names)
    other = ""
    if "other_x" in given:
        at = given.number("other_x").value
        found = composition_of_reaction(at)
        numbers |= {f"{name}_other": exact(found[name].value) for name in names}
        shares = " / ".join(f"{100.0 * found[name].value:.3g}" for name in names)
        other = f" (at x = {at:g}: {shares} %)"
    seen_text = " / ".join(numbers[f"{name}_seen"].tell(factor=100.0) for name in names)
    return Outcome(
        verdict=join(verdicts),
        arithmetic=f"at x = {x.tell()} the atoms leave {told} % of the Na in NTOC / "
        f"NaCl / Na2O{other}; NMR shows {seen_text} %; {used.tell(factor=100.0)} % of "
        "the Na2O has reacted",
        numbers=numbers,
    )


def _check_blank(given: Given) -> Outcome:
    """Return x that the control without oxide shows, and x less that blank."""
    control = given.number("control_nacl")
    x = spread(lambda one: oxide_from_ratio(blank_from_share(one)), control)
    verdict = ClaimVerdict.NOT_RESOLVED
    if x.low > 0.0:
        verdict = ClaimVerdict.CONTRADICTED
    elif x.high <= 0.0:
        verdict = ClaimVerdict.SUPPORTED
    numbers = {"x": x, "ratio": spread(blank_from_share, control)}
    told = []
    for name, quantity in _named_oxides(given).items():
        net = spread(_less_blank, control, quantity)
        numbers[f"net_{name}"] = net
        told.append(f"{name} {quantity.value:.3g} -> {net.tell()}")
    less = f"; x less this blank: {', '.join(told)}" if told else ""
    return Outcome(
        verdict=verdict,
        arithmetic=f"NaCl {100.0 * control.value:.3g} % without any oxide: "
        f"2 x = {numbers['ratio'].tell()}, x = {x.tell()}; equation (1) cannot tell "
        f"leftover NaCl from by-product{less}",
        numbers=numbers,
    )


def _less_blank(control: float, x: float) -> float:
    """Return x of equation (1) less the blank, response factor 1."""
    settings = CompositionSettings(
        blank=Blank(ratio=blank_from_share(control), std=0.0), response=1.0
    )
    return find_oxide_content([2.0 * x, 1.0], _NO_ERRORS, settings).value


def _named_oxides(given: Given) -> dict[str, Quantity]:
    """Return x of each sample, as a file of claims names them."""
    return {name: values[0] for name, values in given.named("x").items()}


def _check_extent(given: Given) -> Outcome:
    """Return whether the oxygen of x reaches every Ta."""
    x = given.number("x")
    names = ("O_per_Cl", "Cl_removed", "Ta_per_O", "Ta_per_bridge")
    numbers = {
        name: spread(lambda one, name=name: oxygen_extent(one)[name].value, x)
        for name in names
    }
    reached = judge_above(exact(1.0 + 1e-12), numbers["Ta_per_bridge"])
    supported = reached is ClaimVerdict.SUPPORTED
    return Outcome(
        verdict=reached if supported else ClaimVerdict.NOT_RESOLVED,
        arithmetic=f"x = {x.value:g}: O/Cl = {numbers['O_per_Cl'].tell()}, "
        f"{numbers['Cl_removed'].tell(factor=100.0)} % of the Cl replaced, one O for "
        f"{numbers['Ta_per_O'].tell()} Ta, one Ta in {numbers['Ta_per_bridge'].tell()} "
        "touches an O if each bridges two; oxygen in domains that no line shows is "
        "not excluded",
        numbers=numbers,
    )


def _check_supply(given: Given) -> Outcome:
    """Return whether the weighed oxide suffices for x."""
    mixture = {name: one[0].value for name, one in given.named("mixture").items()}
    limit = limit_of_oxygen(mixture or None)
    x = given.number("x")
    enough = judge_above(exact(limit.value * (1.0 + 1e-12)), range_of(x))
    return Outcome(
        verdict=enough,
        arithmetic=f"x = {x.value:g} of at most {limit.value:g}: {limit.text}",
        numbers={"limit": exact(limit.value)},
    )


_NACL = "NaCl's share of the Na signal"
_RATIO = InputSpec(name="ratio", meaning="NTOC : NaCl by moles of Na")

NMR_KINDS = (
    ClaimKind(
        name="mole_ratio",
        summary="x by equation (1) from the ratio NTOC : NaCl",
        inputs=(_RATIO, *limit_inputs()),
        check=_check_mole_ratio,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="product_gain",
        summary="x of an earlier sample from the gain of the product's integral",
        inputs=(
            InputSpec(name="nacl_early", meaning=f"{_NACL}, earlier"),
            InputSpec(name="nacl_late", meaning=f"{_NACL}, later"),
            InputSpec(name="ratio_late", meaning=_RATIO.meaning),
            InputSpec(name="gain", meaning="of NTOC, later over earlier less 1"),
            InputSpec(
                name="reading",
                meaning="`relative` (default) or `points`",
                shape="text",
                required=False,
                choices=_READINGS,
            ),
            *limit_inputs(),
        ),
        check=_check_gain,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="sodium_census",
        summary="Na per Ta by NMR is what was weighed in",
        inputs=(
            InputSpec(name="nacl", meaning=_NACL, required=False, needs=("ratio",)),
            InputSpec(name="ratio", meaning=_RATIO.meaning, required=False),
            InputSpec(name="gain", meaning="less this gain", required=False),
            InputSpec(
                name="nacl_seen",
                meaning=f"{_NACL} that must cover chlorides left over",
                required=False,
            ),
            InputSpec(
                name="product_share",
                meaning="NTOC's share, in place of the others",
                required=False,
            ),
        ),
        check=_check_census,
        one_of=("nacl", "product_share"),
    ),
    ClaimKind(
        name="closed_composition",
        summary="the shares of Na are those that the reaction leaves",
        inputs=(
            InputSpec(name="nacl", meaning=_NACL),
            _RATIO,
            InputSpec(name="other_x", meaning="another x to tell", required=False),
        ),
        check=_check_closure,
    ),
    ClaimKind(
        name="chloride_blank",
        summary="NaCl is there only where oxide set it free",
        inputs=(
            InputSpec(name="control_nacl", meaning=f"{_NACL} in the control"),
            InputSpec(
                name="x",
                meaning="x of samples by name, to be told less the blank",
                shape="named",
                required=False,
            ),
        ),
        check=_check_blank,
    ),
    ClaimKind(
        name="oxygen_extent",
        summary="the oxygen of x reaches every Ta",
        inputs=(InputSpec(name="x", meaning="x in NaTaO_xCl_(6-2x)"),),
        check=_check_extent,
    ),
    ClaimKind(
        name="oxygen_supply",
        summary="the weighed oxide suffices for x",
        inputs=(
            InputSpec(name="x", meaning="x in NaTaO_xCl_(6-2x)"),
            InputSpec(
                name="mixture",
                meaning="moles weighed in; default Na2O, NaCl, TaCl5 one each",
                shape="named",
                required=False,
            ),
        ),
        check=_check_supply,
    ),
)
"""Kinds of claims about composition by NMR."""
