"""What the arcs of a fit mean: time constants, capacitances, sums of resistances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structkit.eis.circuits import Arc
from structkit.eis.elements import Floats, Resistor
from structkit.eis.fit_result import ImpedanceFit
from structkit.eis.start import log_time_constant
from structkit.errors import PlanError


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcResult:
    """One arc of a fit; every ``_std`` is 1 sigma and NaN where it is not known."""

    resistor: str
    """Label of its resistor."""
    resistance: float
    """**ohm**."""
    resistance_std: float
    """**ohm**."""
    time_constant: float
    """``(R Q)^(1/n)``, **s**."""
    peak_frequency: float
    """Frequency of the apex, ``1/(2 pi tau)``, **Hz**."""
    peak_frequency_std: float
    """**Hz**."""
    capacitance: float
    """Hsu-Mansfeld, ``tau/R``, **F**."""
    capacitance_std: float
    """**F**."""
    in_band: bool
    """Whether the apex lies within the measured frequencies that were used."""
    remark: str
    """Frequencies of apex and band, where it does not."""


def describe_arcs(fit: ImpedanceFit) -> tuple[ArcResult, ...]:
    """Return the arcs of a fit, the fast first.

    Parameters
    ----------
    fit : ImpedanceFit
        With values.

    Returns
    -------
    tuple of ArcResult
        An arc whose apex is outside the band has ``in_band`` False: its resistance
        alone is an extrapolation, the sum (:func:`sum_resistances`) is not. An apex
        counts as inside when it is by 1 sigma.
    """
    found = [_describe(fit, arc) for arc in fit.circuit.arcs]
    return tuple(sorted(found, key=lambda one: one.time_constant))


def _describe(fit: ImpedanceFit, arc: Arc) -> ArcResult:
    log_tau = log_time_constant(arc, fit.log_values)
    n = fit.values[arc.places[2]] if arc.has_exponent else 1.0
    slopes = np.array([1.0 / n, 1.0 / n, -log_tau][: len(arc.places)])
    places = np.ix_(arc.places, arc.places)
    covariance = fit.log_covariance[places]
    if arc.has_exponent and fit.names[arc.places[2]] in (*fit.at_limit,):
        covariance = np.nan_to_num(covariance)  # an exponent at 1 is a capacitor
    tau_std = _propagate(covariance, slopes)
    log_r = fit.log_values[arc.places[0]]
    capacitance = float(np.exp(log_tau - log_r))
    c_slopes = slopes - np.eye(len(slopes))[0]
    resistance = float(np.exp(log_r))
    peak = float(np.exp(-log_tau)) / (2.0 * np.pi)
    used = fit.frequency[fit.used]
    low, high = float(used.min()), float(used.max())
    sure = np.nan_to_num(tau_std)
    inside = low * np.exp(sure) <= peak <= high * np.exp(-sure)
    remark = (
        ""
        if inside
        else (
            f"apex at {peak:.3g} Hz (factor {np.exp(sure):.3g} uncertain), "
            f"band {low:.3g} to {high:.3g} Hz"
        )
    )
    return ArcResult(
        resistor=arc.resistor,
        resistance=resistance,
        resistance_std=resistance * float(np.sqrt(covariance[0, 0])),
        time_constant=float(np.exp(log_tau)),
        peak_frequency=peak,
        peak_frequency_std=peak * tau_std,
        capacitance=capacitance,
        capacitance_std=capacitance * _propagate(covariance, c_slopes),
        in_band=bool(inside),
        remark=remark,
    )


def _propagate(covariance: Floats, slopes: Floats) -> float:
    return float(np.sqrt(slopes @ covariance @ slopes))


def sum_resistances(
    fit: ImpedanceFit, names: tuple[str, ...] | None = None
) -> tuple[float, float]:
    """Return a sum of resistances and its standard uncertainty, **ohm**.

    Parameters
    ----------
    fit : ImpedanceFit
        With values.
    names : tuple of str, optional
        Labels of resistors; all that stand in series, arcs included, without it.

    Returns
    -------
    total, std : float
        With the covariance between them: two arcs that trade have a sum that is known
        far better than either. Resistors without an effect add no uncertainty.

    Raises
    ------
    PlanError
        A name is no resistor of the circuit, or there is none.
    """
    chosen = series_resistors(fit) if names is None else names
    if not chosen:
        raise PlanError(f"circuit {fit.circuit} has no resistor in series")
    units = {one.name: one.units for one in fit.circuit.parameters}
    wrong = [name for name in chosen if units.get(name) != "ohm"]
    if wrong:
        raise PlanError(f"circuit {fit.circuit}: {', '.join(wrong)} is no resistor")
    places = [fit.circuit.place(name) for name in chosen]
    values = fit.values[places]
    covariance = fit.log_covariance[np.ix_(places, places)].copy()
    silent = np.isin(chosen, fit.undetermined)
    covariance[silent] = covariance[:, silent] = 0.0
    return float(values.sum()), float(np.sqrt(values @ covariance @ values))


def series_resistors(fit: ImpedanceFit) -> tuple[str, ...]:
    """Return the labels of all resistors that a direct current passes in series."""
    alone = [node.label for node in fit.circuit.terms if isinstance(node, Resistor)]
    return (*alone, *(arc.resistor for arc in fit.circuit.arcs))
