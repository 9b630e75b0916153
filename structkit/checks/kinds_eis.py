"""Kinds of claims about conductivities and activation energies."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from structkit.checks.claim_kind import (
    LIMITS,
    ClaimKind,
    Given,
    InputSpec,
    StoredColumn,
    compare,
    limit_inputs,
)
from structkit.checks.judge import (
    ClaimVerdict,
    Outcome,
    exact,
    join,
    spread,
)
from structkit.eis.ageing import (
    Shortfall,
    compute_shortfall,
    compute_two_point_decay,
)
from structkit.eis.arrhenius_line import (
    BOLTZMANN_EV,
    convention_difference,
    expected_energy_std,
    fit_line,
    same_prefactor_ratio,
)
from structkit.eis.polarization import transference_number
from structkit.nmr.slopes import review_set_points
from structkit.schema.conductivity import LN_SIGMA

SIGMA = StoredColumn(
    table="conductivity.csv",
    value="sigma_S_per_cm",
    std="std",
    units="S/cm",
    defaults=(("contribution", "total"),),
)
_ZERO_CELSIUS = 273.15
_NOISES = (0.02, 0.05, 0.1)


def conductivity_input(name: str, meaning: str) -> InputSpec:
    """Return the input of a conductivity, which a results folder may hold."""
    return InputSpec(name=name, meaning=meaning, units="S/cm", stored=SIGMA)


def _check_ratio(given: Given) -> Outcome:
    """Return the ratio of two conductivities against its claim."""
    above, below = given.number("numerator"), given.number("denominator")
    ratio = spread(lambda a, b: a / b, above, below)
    verdict, claim = compare(ratio, given)
    return Outcome(
        verdict=verdict,
        arithmetic=f"{above.value:.3g} / {below.value:.3g} S/cm = "
        f"{ratio.tell(digits=4)} {claim}",
        numbers={"ratio": ratio},
    )


def _check_transference(given: Given) -> Outcome:
    """Return the ionic transference number against its claim."""
    electronic, total = given.number("electronic"), given.number("total")

    def electronic_share(part: float, whole: float) -> float:
        number, _ = transference_number(part, whole, electronic_std=0.0, total_std=0.0)
        return 1.0 - number

    share = spread(electronic_share, electronic, total)
    verdict, claim = compare(share, given)
    return Outcome(
        verdict=verdict,
        arithmetic=f"electronic share {electronic.value:.3g} / {total.value:.3g} = "
        f"{share.tell()} {claim}; an upper bound unless the current was steady and "
        "the leakage known",
        numbers={"electronic_share": share},
    )


def _check_retention(given: Given) -> Outcome:
    """Return what is left of a conductivity after a time against its claim."""
    start, end = given.number("start"), given.number("end")
    days = given.number("elapsed")

    def kept(first: float, last: float) -> float:
        return compute_two_point_decay(first, last, elapsed=days.value).retention

    def rate(first: float, last: float) -> float:
        return compute_two_point_decay(first, last, elapsed=days.value).rate

    found = spread(kept, start, end)
    verdict, claim = compare(found, given)
    decay = compute_two_point_decay(start.value, end.value, elapsed=days.value)
    numbers = {
        "retention": found,
        "rate": spread(rate, start, end),
        "half_life": spread(lambda a, b: math.log(2.0) / rate(a, b), start, end),
    }
    told = f"{found.tell(digits=4)} {claim}; {decay.text}"
    if "repeat" in given:
        repeat = spread(lambda a, b: abs(a / b - 1.0), given.number("repeat"), start)
        numbers["repeatability"] = repeat
        told += f"; the same sample elsewhere differs by {repeat.tell(factor=100.0)} %"
    return Outcome(verdict=verdict, arithmetic=told, numbers=numbers)


def _check_thermal_loss(given: Given) -> Outcome:
    """Return decades lost after heating, read as cooled and as hot."""
    reference, measured = given.number("reference"), given.number("measured")
    cold, hot = given.number("reference_temperature"), given.number("temperature")
    decades = spread(lambda a, b: math.log10(a / b), reference, measured)
    ratio = spread(lambda a, b: a / b, reference, measured)
    energy = given.number("energy")

    def shortfall(hot_sigma: float, cold_sigma: float, ev: float) -> Shortfall:
        return compute_shortfall(
            hot_sigma,
            cold_sigma,
            temperature=hot.value,
            reference_temperature=cold.value,
            energy=ev,
        )

    as_measured = (measured, reference, energy)
    parts = [
        spread(lambda *of: shortfall(*of).decades, *as_measured),
        spread(lambda *of: shortfall(*of).decades_high, *as_measured),
        spread(lambda *of: shortfall(*of).expected, *as_measured),
        spread(lambda *of: shortfall(*of).expected_high, *as_measured),
    ]
    (verdict, claim), (as_hot, _) = compare(decades, given), compare(parts[0], given)
    text = shortfall(measured.value, reference.value, energy.value).text
    return Outcome(
        verdict=join((verdict, as_hot)),
        arithmetic=f"if cooled again: {reference.value:.3g} / {measured.value:.3g} = "
        f"{ratio.tell()}, {decades.tell()} decades {claim}; if measured hot, {text}: "
        "keep the temperature of a measurement apart from its history",
        numbers={
            "ratio": ratio,
            "decades": decades,
            "decades_if_hot": parts[0],
            "decades_if_hot_high": parts[1],
            "expected": parts[2],
            "expected_high": parts[3],
        },
    )


def _check_convention(given: Given) -> Outcome:
    """Return whether an activation energy means something without its convention."""
    energy = given.number("energy")
    kelvin = _set_points(given)
    line = np.exp(-energy.value / (BOLTZMANN_EV * kelvin)) / kelvin
    other = fit_line(kelvin, line, convention=LN_SIGMA).energy
    difference = convention_difference(kelvin)
    half = 0.5 * (energy.high - energy.low)
    verdict = ClaimVerdict.SUPPORTED
    if not half >= difference:
        verdict = ClaimVerdict.NOT_RESOLVED
    noise = [expected_energy_std(kelvin, one) for one in _NOISES]
    told = ", ".join(f"{one:.4f}" for one in noise)
    numbers = {"difference": exact(difference), "other_energy": exact(other)}
    numbers |= {
        f"std_at_{100.0 * one:g}_percent": exact(std)
        for one, std in zip(_NOISES, noise, strict=True)
    }
    text = (
        f"a line of ln(sigma T) with {energy.value:g} eV is one of ln(sigma) with "
        f"{other:.3f}: k T_mean = {difference:.4f} eV apart, beyond its rounding of "
        f"{half:.3f}; 1 sigma at 2, 5, 10 % noise of sigma: {told} eV"
    )
    if "other" in given:
        gap = spread(lambda a, b: abs(a - b), given.number("other"), energy)
        numbers["share_of_gap"] = exact(difference / gap.value)
        text += (
            f"; that is {100.0 * difference / gap.value:.0f} % of the step to "
            f"{given.number('other').value:g} eV"
        )
    return Outcome(verdict=verdict, arithmetic=text, numbers=numbers)


def _check_prefactor(given: Given) -> Outcome:
    """Return the conductivity that another activation energy alone would make."""
    kelvin = given.number("temperature").value

    def ratio(high: float, low: float) -> float:
        return same_prefactor_ratio(high, low, temperature=kelvin)

    high, low = given.number("high_energy"), given.number("low_energy")
    sigma = given.number("conductivity")
    step = spread(ratio, high, low)
    other = spread(lambda a, b, s: s / ratio(a, b), high, low, sigma)
    verdict, claim = compare(other, given)
    return Outcome(
        verdict=verdict,
        arithmetic=f"exp(({high.value:g} - {low.value:g}) eV / kT) = {step.tell()}; "
        f"{sigma.value:.3g} S/cm over it = {other.tell()} S/cm {claim}",
        numbers={"ratio": step, "conductivity": other},
    )


def _check_set_points(given: Given) -> Outcome:
    """Return whether quoted temperatures belong to a declared schedule."""
    quoted = [one.value - _ZERO_CELSIUS for one in given.numbers("quoted")]
    start, stop = (given.number(end).value - _ZERO_CELSIUS for end in ("start", "stop"))
    step = given.number("step").value
    odd = review_set_points(quoted, start=start, stop=stop, step=step)
    n_points = _set_points(given).size
    verdict = ClaimVerdict.CONTRADICTED if odd else ClaimVerdict.SUPPORTED
    told = ", ".join(f"{one:g}" for one in odd) or "none"
    return Outcome(
        verdict=verdict,
        arithmetic=f"{start:g} to {stop:g} by {step:g} degree Celsius holds {n_points} "
        f"points; not among them: {told}",
        numbers={"n_points": exact(n_points), "n_odd": exact(len(odd))},
    )


def _set_points(given: Given) -> NDArray[np.float64]:
    """Return the temperatures of a schedule, **K**."""
    start, stop = (given.number(end).value for end in ("start", "stop"))
    step = given.number("step").value
    count = round((stop - start) / step) + 1
    return np.asarray(start + step * np.arange(count), dtype=float)


_SCHEDULE = (
    InputSpec(name="start", meaning="first temperature of the schedule", units="K"),
    InputSpec(name="stop", meaning="last temperature", units="K"),
    InputSpec(name="step", meaning="between two of them", units="K"),
)

EIS_KINDS = (
    ClaimKind(
        name="conductivity_ratio",
        summary="one conductivity over another",
        inputs=(
            conductivity_input("numerator", "the larger conductivity"),
            conductivity_input("denominator", "what it is compared with"),
            *limit_inputs(),
        ),
        check=_check_ratio,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="electronic_share",
        summary="electronic over total conductivity",
        inputs=(
            InputSpec(
                name="electronic",
                meaning="conductivity by DC polarization",
                units="S/cm",
                stored=StoredColumn(
                    table="polarization.csv",
                    value="sigma_e_S_per_cm",
                    std="std",
                    units="S/cm",
                ),
            ),
            conductivity_input("total", "conductivity by impedance"),
            *limit_inputs(),
        ),
        check=_check_transference,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="retention",
        summary="what is left of a conductivity after some days",
        inputs=(
            conductivity_input("start", "conductivity at first"),
            conductivity_input("end", "conductivity after that time"),
            InputSpec(name="elapsed", meaning="time between both", units="d"),
            InputSpec(
                name="repeat",
                meaning="the first value as found elsewhere",
                units="S/cm",
                required=False,
            ),
            *limit_inputs(),
        ),
        check=_check_retention,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="thermal_loss",
        summary="decades of conductivity lost by heating",
        inputs=(
            conductivity_input("reference", "conductivity before"),
            conductivity_input("measured", "conductivity after, or while hot"),
            InputSpec(name="reference_temperature", meaning="before", units="K"),
            InputSpec(name="temperature", meaning="of the heating", units="K"),
            InputSpec(name="energy", meaning="activation energy", units="eV"),
            *limit_inputs(),
        ),
        check=_check_thermal_loss,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="energy_convention",
        summary="an activation energy whose convention is not stated",
        inputs=(
            InputSpec(name="energy", meaning="activation energy", units="eV"),
            InputSpec(
                name="other",
                meaning="activation energy of another sample",
                units="eV",
                required=False,
            ),
            *_SCHEDULE,
        ),
        check=_check_convention,
    ),
    ClaimKind(
        name="same_prefactor",
        summary="the conductivity that another activation energy alone would make",
        inputs=(
            InputSpec(name="high_energy", meaning="of the other sample", units="eV"),
            InputSpec(name="low_energy", meaning="of the known sample", units="eV"),
            conductivity_input("conductivity", "conductivity of the known sample"),
            InputSpec(name="temperature", meaning="of that conductivity", units="K"),
            *limit_inputs("S/cm"),
        ),
        check=_check_prefactor,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="set_points",
        summary="quoted temperatures against a declared schedule",
        inputs=(
            InputSpec(
                name="quoted", meaning="temperatures", units="K", shape="numbers"
            ),
            *_SCHEDULE,
        ),
        check=_check_set_points,
    ),
)
"""Kinds of claims about conductivities and activation energies."""
