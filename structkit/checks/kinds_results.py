"""Kinds of claims about stored results: one number of a table, phases, a scan."""

from __future__ import annotations

import math

from structkit.checks.claim_kind import (
    LIMITS,
    ClaimKind,
    Given,
    InputSpec,
    Row,
    StoredColumn,
    compare,
    limit_inputs,
)
from structkit.checks.judge import (
    ClaimVerdict,
    Outcome,
    Range,
    exact,
    range_of,
)

PHASES = StoredColumn(
    table="phases.csv",
    value="weight_fraction_crystalline",
    std="weight_fraction_crystalline_std",
)
_FRACTION = "weight_fraction_crystalline"
_LIMIT = "detection_limit"
_TOLD_APART = 0.01
"""Detection limit that a claim about absent phases needs, unless it says another."""
_TWO_SIGMA = 2.0


def _check_value(given: Given) -> Outcome:
    """Return a number against its claim."""
    value = given.number("value")
    found = range_of(value)
    verdict, claim = compare(found, given)
    unit = "" if value.units == "1" else f" {value.units}"
    return Outcome(
        verdict=verdict,
        arithmetic=f"{found.tell()}{unit} {claim}",
        numbers={"value": found},
    )


def _check_phases(given: Given) -> Outcome:
    """Return whether no phase but one is crystalline, and whether that can be told."""
    name = given.text("phase", "")
    needed = _TOLD_APART
    if "detectable" in given:
        needed = given.number("detectable").value
    rows = given.rows("rows", key="phase")
    found, hidden, told = [], [], []
    numbers: dict[str, Range] = {}
    for phase, row in rows.items():
        fraction, std = _number(row, _FRACTION), _number(row, f"{_FRACTION}_std")
        limit = _number(row, _LIMIT)
        known = all(math.isfinite(one) for one in (fraction, std, limit))
        seen = known and fraction > max(_TWO_SIGMA * std, limit)
        numbers[phase] = Range(
            value=fraction,
            low=fraction - _TWO_SIGMA * std,
            high=fraction + _TWO_SIGMA * std,
        )
        if not known:
            told.append(f"{phase}: fraction, 1 sigma or detection limit not known")
        elif seen:
            told.append(f"{phase} {100.0 * fraction:.3g}({100.0 * std:.2g}) wt%")
        else:
            told.append(f"{phase} not seen, detectable from {100.0 * limit:.2g} wt%")
        if phase != name and seen:
            found.append(phase)
        elif phase != name and not (known and limit <= needed):
            hidden.append(phase)
        elif phase == name and not seen:
            hidden.append(phase)
    verdict = ClaimVerdict.SUPPORTED
    if found:
        verdict = ClaimVerdict.CONTRADICTED
    elif hidden or name not in rows:
        verdict = ClaimVerdict.NOT_RESOLVED
    absent = "" if name in rows else f"; {name!r} was not among the refined phases"
    return Outcome(
        verdict=verdict,
        arithmetic=f"{', '.join(told)}{absent} (of the crystalline part; phases that "
        f"were not refined are not tested; {100.0 * needed:.2g} wt% must be seen)",
        numbers=numbers,
    )


def _check_scan(given: Given) -> Outcome:
    """Return how a scan spends its time, and what that leaves open."""
    start, stop = given.number("start").value, given.number("stop").value
    step, rate = given.number("step").value, given.number("rate").value
    seconds = 60.0 * step / rate
    points = math.floor((stop - start) / step + 1e-9) + 1
    minutes = (stop - start) / rate
    limit = given.number(_LIMIT) if _LIMIT in given else None
    verdict = ClaimVerdict.NOT_RESOLVED
    text = "no detection limit is stated, and so few counts make one that matters"
    if limit is not None:
        enough = limit.value <= _TOLD_APART
        verdict = ClaimVerdict.SUPPORTED if enough else ClaimVerdict.NOT_RESOLVED
        text = f"detectable from {100.0 * limit.value:.2g} wt%"
    return Outcome(
        verdict=verdict,
        arithmetic=f"{step:g} degree at {rate:g} degree/min = {seconds:.2f} s a step, "
        f"{points} points in {minutes:.0f} min: {text}",
        numbers={
            "seconds": exact(seconds),
            "points": exact(float(points)),
            "minutes": exact(minutes),
        },
    )


def _number(row: Row, column: str) -> float:
    """Return a number of a stored row; NaN where it is empty or absent."""
    text = row.get(column, "")
    return float(text) if text else math.nan


def _stored(
    table: str,
    value: str = "value",
    *,
    std: str = "std",
    units: str = "1",
    defaults: tuple[tuple[str, str], ...] = (),
) -> InputSpec:
    """Return the input ``value`` that a results folder may hold."""
    return InputSpec(
        name="value",
        meaning="as measured",
        units=units,
        stored=StoredColumn(
            table=table, value=value, std=std, units=units, defaults=defaults
        ),
    )


_ENERGY = _stored(
    "arrhenius.csv",
    "activation_energy_eV",
    units="eV",
    defaults=(("contribution", "total"), ("convention", "ln_sigma_T")),
)
_OXIDE = _stored("nmr_composition.csv", defaults=(("quantity", "x"),))
_CONDUCTIVITY = _stored(
    "conductivity.csv",
    "sigma_S_per_cm",
    units="S/cm",
    defaults=(("contribution", "total"),),
)

RESULT_KINDS = (
    ClaimKind(
        name="conductivity",
        summary="a conductivity",
        inputs=(_CONDUCTIVITY, *limit_inputs("S/cm")),
        check=_check_value,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="activation_energy",
        summary="an activation energy",
        inputs=(_ENERGY, *limit_inputs("eV")),
        check=_check_value,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="oxide_content",
        summary="x in NaTaO_xCl_(6-2x), or another quantity of its table",
        inputs=(_OXIDE, *limit_inputs()),
        check=_check_value,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="raman_metric",
        summary="a metric of a Raman spectrum",
        inputs=(_stored("raman_metrics.csv"), *limit_inputs()),
        check=_check_value,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="amorphous_fraction",
        summary="the amorphous weight fraction of a sample",
        inputs=(
            _stored("amorphous.csv", defaults=(("primary", "1"),)),
            *limit_inputs(),
        ),
        check=_check_value,
        one_of=LIMITS,
    ),
    ClaimKind(
        name="only_crystalline",
        summary="no refined phase but one is crystalline",
        inputs=(
            InputSpec(name="phase", meaning="the one that is", shape="text"),
            InputSpec(
                name="rows",
                meaning="of one sample",
                shape="rows",
                stored=PHASES,
            ),
            InputSpec(
                name="detectable",
                meaning="weight fraction that must be seen; default 1 %",
                required=False,
            ),
        ),
        check=_check_phases,
    ),
    ClaimKind(
        name="scan_statistics",
        summary="a scan is good enough to tell that a phase is absent",
        inputs=(
            InputSpec(name="start", meaning="first 2 theta", units="degree"),
            InputSpec(name="stop", meaning="last 2 theta", units="degree"),
            InputSpec(name="step", meaning="of 2 theta", units="degree"),
            InputSpec(name="rate", meaning="of the scan", units="degree/min"),
            InputSpec(
                name=_LIMIT, meaning="as stated, weight fraction", required=False
            ),
        ),
        check=_check_scan,
    ),
)
"""Kinds of claims about stored results and about scans."""
