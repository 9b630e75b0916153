"""Kinetics of a milled series from its contents: what is fitted, and to what."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import nnls

from refinement.crystallinity.facts import SeriesFacts
from refinement.crystallinity.kinetics import (
    Mill,
    fit_consecutive,
    fit_kinetics,
    milling_dose,
)
from refinement.crystallinity.kinetics.dose import MILLING_DOSE
from structkit.errors import SchemaError
from structkit.schema import MILLING_TIME, PHASE, SAMPLE
from structkit.structures.composition import molar_mass, parse_formula

Floats = NDArray[np.float64]
_LOG = logging.getLogger(__name__)

TOTAL = "crystalline_fraction"
PRECURSOR = "precursor_fraction"
INTERMEDIATE = "intermediate_fraction"
_ALONG = (None, "", "milled", "unmilled")
"""Roles of samples that lie on the axis of milling."""
_EXACT = 1e-6
_LEAST_TIMES = 2
"""Milling times after the start below which nothing is fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MillingKinetics:
    """Fits along a milling series."""

    fitted: tuple[xr.Dataset, ...]
    """Of :func:`refinement.crystallinity.kinetics.fit_kinetics` and its sisters."""
    reason: str
    """Why there is none, or what was left out; else empty."""


def fit_milling(
    contents: xr.Dataset, facts: SeriesFacts, *, mill: Mill | None = None
) -> MillingKinetics:
    """Fit the kinetics that the contents of a series allow.

    Parameters
    ----------
    contents : xarray.Dataset
        From :func:`refinement.crystallinity.content.describe_contents`.
    facts : SeriesFacts
        What was weighed in: it tells which phases are precursors of which.
    mill : Mill, optional
        With it the rate of first order is also given per dose.

    Returns
    -------
    MillingKinetics

    Notes
    -----
    The total crystalline fraction ``1 - alpha``, of samples whose amount is absolute,
    is fitted with every model of one amount; an intermediate (a phase that was not
    weighed in but is made of phases that were) and its scarcest precursor jointly with
    the consecutive scheme. An amount that is not seen enters as a non-detect.
    """
    table = milling_table(contents, facts)
    times = table[MILLING_TIME].to_numpy()
    if np.unique(times[times > 0.0]).size < _LEAST_TIMES:
        return MillingKinetics(
            fitted=(),
            reason="fewer than two milling times with an absolute amorphous content",
        )
    fitted, left_out = [], []
    try:
        fitted.append(fit_kinetics(table, TOTAL))
        if mill is not None and not mill.missing:
            dose = milling_dose(table[MILLING_TIME], mill)
            along = table.assign_coords({MILLING_DOSE: dose})
            by_dose = fit_kinetics(
                along, TOTAL, models=("first_order",), axis=MILLING_DOSE
            )
            fitted.append(by_dose.assign_coords(model=["first_order_per_dose"]))
        elif mill is not None:
            left_out.append(f"no dose: the mill lacks {', '.join(mill.missing)}")
        if PRECURSOR in table:
            fitted.append(fit_consecutive(table, PRECURSOR, INTERMEDIATE))
    except SchemaError as error:
        left_out.append(str(error))
    return MillingKinetics(fitted=tuple(fitted), reason="; ".join(left_out))


def milling_table(contents: xr.Dataset, facts: SeriesFacts) -> xr.Dataset:
    """Return the amounts to be fitted, over the samples along the axis of milling.

    Returns
    -------
    xarray.Dataset
        Over ``sample`` with ``milling_time`` (h): ``crystalline_fraction`` and, where
        the series has an intermediate, ``precursor_fraction`` and
        ``intermediate_fraction`` (``1``, shares of what was or could have been there),
        each with ``_std``, ``_limit`` and ``_censored``. Samples without an absolute
        amount are left out.
    """
    names = [str(name) for name in contents[SAMPLE].to_numpy()]
    kept = [
        name
        for name in names
        if facts.samples[name].role in _ALONG
        and np.isfinite(facts.samples[name].milling_time)
        and facts.samples[name].spike is None
        and float(contents["absolute"].sel({SAMPLE: name})) > 0.0
    ]
    if not kept:  # every sample may hold a standard
        kept = [
            name
            for name in names
            if facts.samples[name].role in _ALONG
            and np.isfinite(facts.samples[name].milling_time)
            and float(contents["absolute"].sel({SAMPLE: name})) > 0.0
        ]
    chosen = contents.sel({SAMPLE: kept})
    value = 1.0 - chosen["amorphous_fraction"]
    table = xr.Dataset(coords={SAMPLE: kept, MILLING_TIME: chosen[MILLING_TIME]})
    table = _with_amount(table, TOTAL, value, chosen["amorphous_fraction_std"])
    pair = intermediate_of(facts)
    if pair is None or not kept:
        return table
    precursor, full_precursor, phase, full_phase = pair
    for name, own, full in (
        (PRECURSOR, precursor, full_precursor),
        (INTERMEDIATE, phase, full_phase),
    ):
        one = chosen.sel({PHASE: own})
        amount = one["weight_fraction_sample"] / full
        spread = one["weight_fraction_sample_std"] / full
        table = _with_amount(table, name, amount, spread)
        if "weight_fraction_sample_censored" in one:
            table = _with_limits(table, name, one, full)
    return table


def _with_amount(
    table: xr.Dataset, name: str, value: xr.DataArray, std: xr.DataArray
) -> xr.Dataset:
    """Return the table with one amount; below three sigmas it is a non-detect."""
    numbers = value.to_numpy().astype(float)
    errors = np.where(std.to_numpy() > 0.0, std.to_numpy(), np.nan)
    hidden = numbers < 1.645 * np.nan_to_num(errors)
    limit = np.where(hidden, 3.29 * errors, np.nan)
    units = {"units": "1"}
    return table.assign(
        {
            name: (SAMPLE, np.where(hidden, np.nan, numbers), units),
            f"{name}_std": (SAMPLE, errors, units),
            f"{name}_limit": (SAMPLE, limit, units),
            f"{name}_censored": (SAMPLE, hidden.astype(float), units),
        }
    )


def _with_limits(
    table: xr.Dataset, name: str, one: xr.Dataset, full: float
) -> xr.Dataset:
    """Return the table with a phase's own decision levels in place of 3.29 sigma."""
    hidden = one["weight_fraction_sample_censored"].to_numpy() > 0.0
    limit = one["weight_fraction_sample_limit"].to_numpy() / full
    units = {"units": "1"}
    value = one["weight_fraction_sample"].to_numpy() / full
    return table.assign(
        {
            name: (SAMPLE, np.where(hidden, np.nan, value), units),
            f"{name}_limit": (SAMPLE, np.where(hidden, limit, np.nan), units),
            f"{name}_censored": (SAMPLE, hidden.astype(float), units),
        }
    )


def precursors_of(facts: SeriesFacts) -> tuple[str, ...]:
    """Return the weighed phases that an intermediate of the plan is made of."""
    found = _reaction(facts)
    return () if found is None else tuple(found[1])


def expected_phases(sample: str, facts: SeriesFacts) -> dict[str, float]:
    """Return weighed phases that no crystalline product needs, and their weights.

    Where nothing that crystallises consumes a phase (Na2O beside NaCl + TaCl5 ->
    NaTaCl6), it should still be there; where it is not seen, it hides.
    """
    consumed = precursors_of(facts)
    weighed = facts.samples[sample].weighed
    return {phase: w for phase, w in weighed.items() if phase not in consumed}


def made_of_others(phase: str, facts: SeriesFacts, sample: str) -> tuple[str, ...]:
    """Return weighed phases that together hold every element of another one.

    An exchange such as Na2O + TaCl5 can form the NaCl that was weighed in too.

    Parameters
    ----------
    phase : str
        A weighed phase.
    facts : SeriesFacts
        Formulas.
    sample : str
        Whose mixture it is.
    """
    formulas = facts.formulas
    asked = set(parse_formula(formulas[phase]))
    others = tuple(
        other
        for other in facts.samples[sample].weighed
        if other != phase and other in formulas
    )
    held = {one: set(parse_formula(formulas[one])) & asked for one in others}
    sharing = tuple(one for one in others if held[one])
    return sharing if asked <= set().union(*held.values()) else ()


def intermediate_of(facts: SeriesFacts) -> tuple[str, float, str, float] | None:
    """Return a precursor, its weighed fraction, the phase it becomes, and how much.

    Returns
    -------
    tuple of str, float, str, float, or None
        The scarcest precursor and its weight fraction before milling; the phase, and
        its weight fraction were all of that precursor turned into it. None where no
        phase is made of weighed ones.
    """
    found = _reaction(facts)
    if found is None:
        return None
    phase, parts, weighed = found
    formulas = facts.formulas
    moles = {p: weighed[p] / molar_mass(formulas[p]) for p in parts}
    extent = {p: moles[p] / parts[p] for p in parts}
    # Of several equally scarce the heaviest is seen best.
    scarce = min(extent.values())
    precursor = max(
        (p for p in parts if extent[p] <= scarce * 1.001), key=lambda p: weighed[p]
    )
    full = scarce * molar_mass(formulas[phase])
    return precursor, weighed[precursor], phase, full


def _reaction(
    facts: SeriesFacts,
) -> tuple[str, dict[str, float], Mapping[str, float]] | None:
    """Return a phase made of weighed ones, the moles of each in it, and the weights."""
    weighed = next(
        (s.weighed for s in facts.samples.values() if s.weighed and s.role in _ALONG),
        None,
    )
    if not weighed:
        return None
    formulas = facts.formulas
    for phase in facts.phases:
        if phase in weighed:
            continue
        parts = _made_of(formulas[phase], {name: formulas[name] for name in weighed})
        if parts:
            return phase, parts, weighed
    return None


def _made_of(formula: str, parts: Mapping[str, str]) -> dict[str, float]:
    """Return moles of parts in a mole of a formula; empty where it is none of them."""
    wanted = parse_formula(formula)
    columns = {name: parse_formula(own) for name, own in parts.items()}
    elements = sorted({e for atoms in [wanted, *columns.values()] for e in atoms})
    matrix = np.array([[c.get(e, 0.0) for c in columns.values()] for e in elements])
    goal = np.array([wanted.get(e, 0.0) for e in elements])
    amounts, misfit = nnls(matrix, goal)
    if misfit > _EXACT:
        return {}
    return {
        name: float(n)
        for name, n in zip(columns, amounts.tolist(), strict=True)
        if n > _EXACT
    }
