"""Fits of nested circuits: with the elements they need, and how to compare them."""

from __future__ import annotations

from math import log

import numpy as np
import xarray as xr

from structkit.eis.circuits import Circuit, remove_elements
from structkit.eis.fit import FitOptions, ImpedanceFit, fit_impedance

_SPARE = ("L_s", "R_s", "C_stray")
"""Elements that a spectrum may do without."""
_SMALL = 0.03
"""Share of |Z| at the highest frequency from which a spare element starts."""


def fit_lean(
    spectrum: xr.Dataset, circuit: Circuit, options: FitOptions
) -> ImpedanceFit:
    """Return the fit of a circuit with those of L_s, R_s and C_stray that it needs.

    Elements without an effect leave valleys in which a search gets lost. So the
    circuit without them is fitted first and each is added where it earns its
    parameter; the whole circuit, less what turns out to be nothing, is the other way.

    Parameters
    ----------
    spectrum : xarray.Dataset
        :mod:`structkit.schema.impedance`.
    circuit : Circuit
        Any circuit.
    options : FitOptions
        As :func:`structkit.eis.fit.fit_impedance`.

    Returns
    -------
    ImpedanceFit
        The one of less BIC.

    Raises
    ------
    FitError
        Fewer points than parameters.
    """
    spare = [name for name in circuit.names if name in _SPARE]
    whole = _take_away(spectrum, fit_impedance(spectrum, circuit, options), options)
    if not spare:
        return whole
    bare = fit_impedance(spectrum, remove_elements(circuit, spare), options)
    built, kept = bare, set[str]()
    for name in spare:
        kept |= {name}
        grown = remove_elements(circuit, set(spare) - kept)
        start = _add_small(built, name, grown)
        other = fit_impedance(spectrum, grown, options, start=start)
        if other.undetermined or _criterion(other) > _criterion(built):
            kept -= {name}
        else:
            built = other
    return min(whole, built, key=_criterion)


def _criterion(fit: ImpedanceFit) -> float:
    """Return BIC with every residual taken as independent."""
    return bayes_criterion(fit, 2.0 * int(fit.used.sum()))


def _add_small(fit: ImpedanceFit, name: str, grown: Circuit) -> dict[str, float]:
    """Return the values of a fit and a small one of a further element."""
    used = np.flatnonzero(fit.used)
    top = used[np.argmax(fit.frequency[used])]
    omega = 2.0 * np.pi * float(fit.frequency[top])
    modulus = float(np.abs(fit.impedance[top]))
    small = {
        "L_s": _SMALL * modulus / omega,
        "R_s": _SMALL * modulus,
        "C_stray": _SMALL / (modulus * omega),
    }
    return {one: small[name] if one == name else fit.value(one) for one in grown.names}


def _take_away(
    spectrum: xr.Dataset, fit: ImpedanceFit, options: FitOptions
) -> ImpedanceFit:
    """Return the fit without spare elements that are not determined."""
    for _ in _SPARE:
        spread = np.sqrt(fit.log_covariance.diagonal())
        unknown = {
            name
            for name, one in zip(fit.names, spread, strict=True)
            if name in _SPARE and not one < 1.0
        }
        if not unknown or not fit.status.has_values:
            break
        smaller = remove_elements(fit.circuit, unknown)
        start = {name: fit.value(name) for name in smaller.names}
        fit = fit_impedance(spectrum, smaller, options, start=start)
    return fit


def count_independent(fit: ImpedanceFit) -> float:
    """Return how many independent residuals there are, from neighbours' correlation."""
    gap = ((fit.impedance - fit.calculated) / fit.sigma)[fit.used]
    number = 2 * gap.size
    parts = gap.real, gap.imag
    norm = sum(float(part @ part) for part in parts)
    shared = sum(float(part[1:] @ part[:-1]) for part in parts)
    correlation = min(max(shared / norm if norm > 0.0 else 0.0, 0.0), 0.95)
    return number * (1.0 - correlation) / (1.0 + correlation)


def bayes_criterion(
    fit: ImpedanceFit, points: float, *, scale: float | None = None
) -> float:
    """Return BIC of a fit over a number of independent residuals.

    Parameters
    ----------
    fit : ImpedanceFit
        With values.
    points : float
        From :func:`count_independent`, the same for all that are compared.
    scale : float, optional
        Variance of the residuals where it is known; estimated without it.
    """
    number = 2 * int(fit.used.sum())
    free = number - fit.degrees_of_freedom
    share = max(fit.chi_square / number, np.finfo(float).tiny)
    misfit = points * log(share) if scale is None else points * share / scale
    return misfit + free * log(points)
