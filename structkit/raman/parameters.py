"""The parameters of a band model as lmfit's, to look at, hold and limit.

Names are ``<band>_centre``, ``<family>_fwhm``, ``<family>_lorentz``,
``<band>_skew``, ``<template>_shift``, ``<column>_area_<spectrum>`` and
``axis_shift_<spectrum>``, with what is no letter or digit replaced by ``_``; spectra
count from 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import lmfit
import numpy as np
from numpy.typing import NDArray

from structkit.errors import FitError
from structkit.raman.covariance import FitCovariance
from structkit.raman.fit import BandFit
from structkit.raman.layout import Layout, Priors, make_layout, shared_priors
from structkit.raman.model import BandModel
from structkit.raman.problem import evaluate_columns, stack_jacobian

Floats = NDArray[np.float64]


def identifier(name: str) -> str:
    """Return a name that lmfit takes.

    Examples
    --------
    >>> identifier("TaCl6 A1g")
    'TaCl6_A1g'
    """
    clean = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"_{clean}" if clean[:1].isdigit() else clean


def shared_names(model: BandModel) -> list[str]:
    """Return the lmfit names of the shared parameters, in their order.

    Raises
    ------
    FitError
        Two names differ only in what lmfit does not take.
    """
    bands = [identifier(band.name) for band in model.bands]
    families = [identifier(family) for family in model.families]
    names = [f"{band}_centre" for band in bands]
    names += [f"{family}_fwhm" for family in families]
    names += [f"{family}_lorentz" for family in families]
    skewed = make_layout(model).skewed
    names += [f"{bands[k]}_skew" for k in skewed]
    names += [f"{identifier(t.name)}_shift" for t in model.templates]
    if model.drift:
        names += [f"{band}_centre_drift" for band in bands]
        names += [f"{family}_log_fwhm_drift" for family in families]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FitError(
            f"parameters of one name: {', '.join(twice)}; bands, families and "
            "templates need names that differ in letters or digits"
        )
    return names


def make_parameters(model: BandModel, *, step: float = 1.0) -> lmfit.Parameters:
    """Return the shared parameters of a model, to be held, limited or moved.

    Parameters
    ----------
    model : BandModel
        The model.
    step : float
        Distance of the points, **cm-1**: the least width.

    Returns
    -------
    lmfit.Parameters
        Centres, widths and shifts in **cm-1**, Lorentzian shares in 1, with the
        limits of their priors. Give them to :func:`apply_parameters`.

    Examples
    --------
    >>> from structkit.raman.bands import Band
    >>> band = Band(name="A1g", species="TaCl6", wavenumber=378.0, fwhm=10.0)
    >>> parameters = make_parameters(BandModel(bands=(band,)))
    >>> print(*parameters, round(parameters["A1g_centre"].value, 1))
    A1g_centre A1g_fwhm A1g_lorentz 378.0
    """
    layout = make_layout(model)
    priors = shared_priors(model, layout, step=step)
    parameters = lmfit.Parameters()
    for place, name in enumerate(shared_names(model)):
        value, low, high = (
            _to_user(layout, place, float(each[place]))
            for each in (priors.mean, priors.low, priors.high)
        )
        parameters.add(name, value=value, min=low, max=high)
    return parameters


def apply_parameters(
    priors: Priors, model: BandModel, parameters: lmfit.Parameters
) -> Priors:
    """Return priors with starts, limits and holds from lmfit's parameters.

    Parameters
    ----------
    priors : Priors
        Of the shared parameters.
    model : BandModel
        The model.
    parameters : lmfit.Parameters
        From :func:`make_parameters`, changed. What is as it was made stays as the
        priors have it: the least width follows from the distance of the points.

    Returns
    -------
    Priors
        A value that was moved is the start and the mean of the prior; a limit that
        was moved takes the place of the prior's; a parameter that does not vary is
        held.

    Raises
    ------
    FitError
        A name is not of the model, a parameter has an expression (ties are made by a
        common ``family``), or it cannot be a width or a share.
    """
    layout = make_layout(model)
    names = shared_names(model)
    unknown = sorted(set(parameters) - set(names))
    if unknown:
        raise FitError(
            f"parameters that the model does not have: {', '.join(unknown)}; "
            f"it has {', '.join(names)}"
        )
    made = make_parameters(model)
    mean, low, high = (each.copy() for each in (priors.mean, priors.low, priors.high))
    for place, name in enumerate(names):
        if name not in parameters:
            continue
        parameter, default = parameters[name], made[name]
        _check(parameter, layout, place)
        for vector, own, was in (
            (low, parameter.min, default.min),
            (high, parameter.max, default.max),
            (mean, parameter.value, default.value),
        ):
            if own != was:
                vector[place] = _from_user(layout, place, own)
        mean[place] = np.clip(mean[place], low[place], high[place])
        if not parameter.vary:
            mean[place] = _from_user(layout, place, parameter.value)
            low[place] = high[place] = mean[place]
    return replace(priors, mean=mean, low=low, high=high)


def _check(parameter: lmfit.Parameter, layout: Layout, place: int) -> None:
    """Refuse what the solver cannot take."""
    if parameter.expr:
        raise FitError(
            f"{parameter.name} has the expression {parameter.expr!r}; tie bands by "
            "giving them one family"
        )
    value = float(parameter.value)
    if _is_width(layout, place) and not value > 0.0:
        raise FitError(f"{parameter.name} is {value:g}; a width must be positive")
    share = place in range(layout.mixing.start, layout.mixing.stop)
    if share and not 0.0 <= value <= 1.0:
        raise FitError(f"{parameter.name} is {value:g}; a share must be in 0 to 1")


def select_parameters(
    parameters: lmfit.Parameters, model: BandModel
) -> lmfit.Parameters:
    """Return those parameters that a model has, such as one with a band less."""
    known = [name for name in shared_names(model) if name in parameters]
    kept = lmfit.Parameters()
    kept.add_many(*(parameters[name] for name in known))
    return kept


def result_parameters(fit: BandFit, covariance: FitCovariance) -> lmfit.Parameters:
    """Return all parameters of a fit with their standard uncertainties.

    Returns
    -------
    lmfit.Parameters
        ``stderr`` of widths is in **cm-1**; ``correl`` among the shared parameters.
    """
    layout = fit.layout
    names = shared_names(fit.model)
    std = np.sqrt(np.maximum(np.diag(covariance.shared), 0.0))
    parameters = lmfit.Parameters()
    for place, name in enumerate(names):
        value = _to_user(layout, place, float(fit.solution.shared[place]))
        free = bool(fit.shared_priors.free[place])
        parameters.add(name, value=value, vary=free)
        scale = value if _is_width(layout, place) else 1.0
        parameters[name].stderr = float(std[place]) * scale if free else None
    _add_correlations(parameters, names, covariance.shared, std)
    for number, own in enumerate(fit.solution.locals, start=1):
        areas = np.sqrt(np.maximum(np.diag(covariance.of_spectrum(number - 1)), 0.0))
        for column, name in enumerate(fit.model.names):
            full = f"{identifier(name)}_area_{number}"
            parameters.add(full, value=float(own[column]), min=0.0)
            parameters[full].stderr = float(areas[column])
        shift = f"axis_shift_{number}"
        parameters.add(shift, value=float(own[layout.axis_shift]))
        parameters[shift].stderr = float(covariance.axis_shift_std[number - 1])
    return parameters


def _add_correlations(
    parameters: lmfit.Parameters, names: list[str], covariance: Floats, std: Floats
) -> None:
    """Write the correlations of the shared parameters where lmfit looks for them."""
    for i, name in enumerate(names):
        parameters[name].correl = {
            other: float(covariance[i, j] / (std[i] * std[j]))
            for j, other in enumerate(names)
            if j != i and std[i] > 0.0 and std[j] > 0.0
        }


def _is_width(layout: Layout, place: int) -> bool:
    return place in range(layout.log_width.start, layout.log_width.stop)


def _to_user(layout: Layout, place: int, value: float) -> float:
    """Return a shared parameter in the user's units."""
    return float(np.exp(value)) if _is_width(layout, place) else value


def _from_user(layout: Layout, place: int, value: float) -> float:
    """Return a shared parameter as the solver holds it."""
    if not _is_width(layout, place):
        return float(value)
    return float(np.log(max(value, 1e-300)))


@dataclass(frozen=True, slots=True, eq=False)
class LmfitProblem:
    """A fit's residual and Jacobian in the form that ``lmfit.minimize`` takes."""

    parameters: lmfit.Parameters
    """All parameters at the fit's start: shared ones, areas, axis shifts."""
    residual: Callable[[lmfit.Parameters], Floats]
    """Data less bands over sigma, baseline projected out, then the priors."""
    jacobian: Callable[[lmfit.Parameters], Floats]
    """Its derivative by the parameters that vary, one column each."""


def lmfit_problem(fit: BandFit) -> LmfitProblem:
    """Return a single-spectrum fit as a problem for lmfit, to check or to extend.

    Parameters
    ----------
    fit : BandFit
        Of one spectrum; its weights and its baseline's smoothness are kept.

    Returns
    -------
    LmfitProblem
        For ``lmfit.minimize(p.residual, p.parameters, Dfun=p.jacobian)``.

    Raises
    ------
    FitError
        The fit has more than one spectrum.
    """
    if len(fit.spectra) != 1:
        raise FitError("an lmfit problem holds one spectrum; fit it alone")
    spectrum, layout = fit.spectra[0], fit.layout
    projection = spectrum.project(spectrum.sigma, fit.smoothness)
    names = [*shared_names(fit.model)]
    names += [f"{identifier(name)}_area_1" for name in fit.model.names]
    names += [f"edge_{k}_1" for k in range(layout.edge.stop - layout.edge.start)]
    names += ["axis_shift_1"]
    low = np.concatenate([fit.shared_priors.low, fit.local_priors.low])
    high = np.concatenate([fit.shared_priors.high, fit.local_priors.high])
    mean = np.concatenate([fit.shared_priors.mean, fit.local_priors.mean])
    std = np.concatenate([fit.shared_priors.std, fit.local_priors.std])
    values = np.concatenate([fit.shared_priors.mean, fit.solution.locals[0]])
    parameters = lmfit.Parameters()
    for name, value, a, b in zip(names, values, low, high, strict=True):
        parameters.add(name, value=float(value), min=a, max=b, vary=bool(b > a))
    sigma = spectrum.sigma[:, None]

    def split(given: lmfit.Parameters) -> tuple[Floats, Floats, Floats]:
        flat = np.asarray([given[name].value for name in names])
        return flat, flat[: layout.n_shared], flat[layout.n_shared :]

    def project(columns: Floats) -> Floats:
        """Return what the baseline leaves, in the rows of data and of penalty."""
        seen = projection.top.T @ columns
        return np.vstack([columns - projection.top @ seen, -projection.bottom @ seen])

    def residual(given: lmfit.Parameters) -> Floats:
        flat, shared, local = split(given)
        columns = evaluate_columns(
            spectrum,
            fit.model,
            layout,
            templates=fit.templates,
            shared=shared,
            local=local,
        )
        light = columns.unit @ local[layout.linear]
        left = ((spectrum.intensity - light) / spectrum.sigma)[:, None]
        return np.concatenate([project(left)[:, 0], (flat - mean) / std])

    def jacobian(given: lmfit.Parameters) -> Floats:
        _, shared, local = split(given)
        columns = evaluate_columns(
            spectrum,
            fit.model,
            layout,
            templates=fit.templates,
            shared=shared,
            local=local,
        )
        weighted = -stack_jacobian(columns, layout) / sigma
        stacked = np.vstack([project(weighted), np.diag(1.0 / std)])
        varying = [k for k, name in enumerate(names) if given[name].vary]
        return np.asarray(stacked[:, varying])

    return LmfitProblem(parameters, residual, jacobian)
