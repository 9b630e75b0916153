"""From fitted circuits to resistances of bulk, grain boundary and the whole pellet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from structkit.eis.arcs import ArcResult, describe_arcs, sum_resistances
from structkit.eis.capacitance import CAPACITANCE_RANGES
from structkit.eis.conductivity import make_resistances
from structkit.eis.elements import Floats, Resistor
from structkit.eis.fit_result import ImpedanceFit
from structkit.eis.identify import Verdict
from structkit.schema.conductivity import BULK, GRAIN_BOUNDARY, TOTAL

_ELECTRODE = CAPACITANCE_RANGES["electrode interface"][0]
_OF_PELLET = 2
"""Arcs that a pellet has at most: grains and their boundaries."""
_STAND_IN = 298.15
"""K, for a row whose temperature nobody knows; its own is NaN again afterwards."""
_JUMP = 5.0
"""Factor by which the capacitance of one process does not change with temperature."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contributions:
    """What one fit says of the pellet; NaN and a remark where it says nothing."""

    values: Floats = field(default_factory=lambda: np.full(3, math.nan))
    """Resistances of bulk, grain boundary and total, **ohm**."""
    covariance: Floats = field(default_factory=lambda: np.full((2, 2), math.nan))
    """Of bulk and grain boundary, **ohm2**."""
    total_std: float = math.nan
    """1 sigma of the total, **ohm**."""
    in_band: tuple[bool, bool, bool] = (False, False, False)
    """Whether the apex of each was measured; of the total: that of the slowest arc is
    not below the band."""
    remarks: tuple[str, str, str] = ("", "", "")
    """Why there is no value, or what is to be known of it."""
    notes: tuple[str, ...] = ()
    """On the circuit as a whole."""


def read_contributions(
    fit: ImpedanceFit,
    verdicts: Sequence[Verdict],
    *,
    cell_constant: float | None = None,
    is_chosen: bool = True,
) -> Contributions:
    """Return the resistances of the pellet in one fit.

    Parameters
    ----------
    fit : ImpedanceFit
        Of any circuit.
    verdicts : sequence of Verdict
        On bulk, grain boundary and total, from
        :func:`structkit.eis.identify.judge_fit` or ``identify_circuit``.
    cell_constant : float, optional
        Thickness over area, **cm-1**.
    is_chosen : bool
        The circuit is the user's: an arc keeps its value where a gate refuses it, and
        the remark says why. Otherwise it then has none, but for an arc whose apex is
        outside the band.

    Notes
    -----
    The fastest arc is the bulk, the next the grain boundary. An arc with the
    capacitance of an electrode belongs to neither and not to the total. A resistor
    alone beside two arcs is taken for leads and cell; beside fewer it is part of the
    total.

    Examples
    --------
    >>> from structkit.eis.circuits import parse_circuit
    >>> from structkit.eis.fit import fit_impedance
    >>> from structkit.eis.identify import judge_fit
    >>> from structkit.schema.impedance import make_impedance
    >>> circuit = parse_circuit("p(R1,CPE1)-p(R2,CPE2)")
    >>> frequency = np.geomspace(0.1, 1e6, 71)
    >>> ohms = circuit.evaluate(frequency, [1e5, 2e-11, 0.95, 1e6, 1e-9, 0.9])
    >>> fit = fit_impedance(make_impedance(frequency, ohms), circuit)
    >>> print(read_contributions(fit, judge_fit(fit)).values.round())
    [ 100000. 1000000. 1100000.]
    """
    if not fit.status.has_values:
        return Contributions(remarks=(fit.reason,) * 3)
    scale = 1.0 if cell_constant is None else cell_constant
    arcs = describe_arcs(fit)
    slow = [arc for arc in arcs if arc.capacitance * scale > _ELECTRODE]
    inner = [arc for arc in arcs if arc not in slow]
    said = {one.contribution: one for one in verdicts}
    values, covariance = np.full(3, math.nan), np.full((2, 2), math.nan)
    remarks, in_band = ["", "", ""], [False, False, False]
    claimed = inner[:_OF_PELLET]
    for place, name in enumerate((BULK, GRAIN_BOUNDARY)):
        verdict = said[name]
        remarks[place] = "" if verdict.identifiable else verdict.reason
        if place < len(claimed) and (
            is_chosen or verdict.identifiable or not claimed[place].in_band
        ):
            values[place] = claimed[place].resistance
            in_band[place] = claimed[place].in_band
    places = [fit.circuit.place(arc.resistor) for arc in claimed]
    outer = fit.values[places]
    count = len(places)
    covariance[:count, :count] = (
        fit.log_covariance[np.ix_(places, places)] * outer[:, None] * outer
    )
    names, notes = _resistors_of_pellet(fit, inner, slow)
    total_std = math.nan
    if names:
        values[2], total_std = sum_resistances(fit, names)
    low = float(fit.frequency[fit.used].min())
    in_band[2] = not inner or inner[-1].peak_frequency >= low
    if not names:
        remarks[2] = "the circuit has no resistor of the pellet in series"
    elif not in_band[2]:
        remarks[2] = f"extrapolated: {inner[-1].remark}"
    elif not said[TOTAL].identifiable:
        remarks[2] = said[TOTAL].reason
    return Contributions(
        values=values,
        covariance=covariance,
        total_std=total_std,
        in_band=(in_band[0], in_band[1], in_band[2]),
        remarks=(remarks[0], remarks[1], remarks[2]),
        notes=tuple(notes),
    )


def _resistors_of_pellet(
    fit: ImpedanceFit, inner: Sequence[ArcResult], slow: Sequence[ArcResult]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the resistors that add up to the total, and what was left out."""
    alone = [one.label for one in fit.circuit.terms if isinstance(one, Resistor)]
    notes = [
        f"{arc.resistor} has the capacitance of an electrode ({arc.capacitance:.2g} F) "
        "and is no part of the pellet"
        for arc in slow
    ]
    taken = [arc.resistor for arc in inner]
    if len(inner) >= _OF_PELLET:
        notes += [
            f"{name} ({fit.value(name):.3g} ohm) beside two arcs is taken for leads "
            "and cell"
            for name in alone
        ]
        if len(inner) > _OF_PELLET:
            others = ", ".join(arc.resistor for arc in inner[_OF_PELLET:])
            notes.append(f"{others}: of neither bulk nor grain boundary, left out")
        return tuple(taken[:_OF_PELLET]), notes
    return (*alone, *taken), notes


def gather_resistances(
    found: Sequence[Contributions],
    temperature: Sequence[float],
    history: Sequence[str],
) -> xr.Dataset:
    """Return the resistances of a pellet's measurements with labels.

    Parameters
    ----------
    found : sequence of Contributions
        One for each measurement; one without values for what could not be fitted.
    temperature : sequence of float
        **K**; NaN where it is not known.
    history : sequence of str
        What the sample went through before each.

    Returns
    -------
    xarray.Dataset
        From :func:`structkit.eis.conductivity.make_resistances`.
    """
    kelvin = np.asarray(temperature, dtype=float)
    values = np.array([one.values for one in found])
    flags = np.array([one.in_band for one in found])
    names = (BULK, GRAIN_BOUNDARY, TOTAL)
    resistances = make_resistances(
        np.where(np.isfinite(kelvin), kelvin, _STAND_IN),
        bulk=values[:, 0],
        grain_boundary=values[:, 1],
        covariance=np.array([one.covariance for one in found]),
        total=values[:, 2],
        total_std=np.array([one.total_std for one in found]),
        history=history,
        in_band={name: flags[:, place] for place, name in enumerate(names)},
    )
    known = resistances["temperature"]
    return resistances.assign_coords(temperature=known.copy(data=kelvin))


def find_swaps(fits: Sequence[ImpedanceFit]) -> list[str]:
    """Return sentences on arcs that are not one process all along a series.

    The capacitance of a process hardly changes with temperature, its resistance does:
    where the capacitance of the n-th arc jumps, it is another process.

    Parameters
    ----------
    fits : sequence of ImpedanceFit
        Of one sample.
    """
    capacitances: dict[int, list[float]] = {}
    for fit in fits:
        if fit.status.has_values:
            for place, arc in enumerate(describe_arcs(fit)):
                capacitances.setdefault(place, []).append(arc.capacitance)
    told = []
    for place, listed in capacitances.items():
        far = max(listed) / min(listed)
        if far > _JUMP**2:
            told.append(
                f"Arc {place + 1} counted from the fast side has capacitances from "
                f"{min(listed):.2g} to {max(listed):.2g} F along the series: it is not "
                "one process"
            )
    return told
