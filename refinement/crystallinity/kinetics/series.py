"""Kinetics of a labelled series: Dataset over ``sample`` in, over ``model`` out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity.kinetics.estimates import Estimate
from refinement.crystallinity.kinetics.fit import ModelFit, fit_model
from refinement.crystallinity.kinetics.observations import Observations
from structkit.errors import SchemaError
from structkit.schema import MILLING_TIME, SAMPLE, FitStatus

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

Floats = NDArray[np.float64]

MODEL = "model"
SINGLE_PHASE = ("first_order", "first_order_plateau", "jmak", "delogu_cocco")
FEW_TIMES = 4
"""Up to this many times only the rate constant is quoted."""
LIMIT_OVER_STD = 3.29
"""A detection limit of Currie (1968) over the sigma at zero it stands for."""
PARAMETERS: dict[str, tuple[str, str]] = {
    "rate": ("per", "rate constant"),
    "formation_rate": ("per", "rate constant of precursors to phase"),
    "loss_rate": ("per", "rate constant of phase to glass"),
    "residual_fraction": ("1", "share of the initial amount that milling leaves"),
    "jmak_exponent": ("1", "Avrami exponent n"),
    "critical_loadings": ("1", "number of critical loadings r"),
    "initial_fraction": ("1", "amount before milling"),
    "noise_std": ("1", "fitted standard uncertainty of one point"),
    "half_life": ("axis", "time to half of the initial amount"),
    "precursor_half_life": ("axis", "half-life of the precursors"),
    "phase_half_life": ("axis", "half-life of the phase"),
}
"""Units (``axis``: those of the axis; ``per``: one over them) and long names."""
_INVERSE = {"h": "h-1", "kJ g-1": "g kJ-1"}
_SHAPES = ("residual_fraction", "jmak_exponent", "critical_loadings")


def fit_kinetics(
    series: xr.Dataset,
    name: str,
    *,
    models: Sequence[str] = SINGLE_PHASE,
    axis: str = MILLING_TIME,
    initial: float | None = 1.0,
    level: float = 0.95,
    limit_over_std: float = LIMIT_OVER_STD,
) -> xr.Dataset:
    """Fit the decay of one amount along a milling series.

    Parameters
    ----------
    series : xarray.Dataset
        Over ``sample``, with the coordinate ``axis`` on it: ``<name>`` (``1``),
        ``<name>_std`` (1 sigma; absent: one sigma is fitted), and for non-detects
        ``<name>_limit`` (the threshold below which a value is not reported) and
        ``<name>_censored`` (1 or 0; absent: a limit without a value is one).
    name : str
        The amount, a fraction of the initial one or of the sample.
    models : sequence of str, optional
        Of :data:`SINGLE_PHASE`; all by default.
    axis : str, default "milling_time"
        Coordinate in **h**, or ``milling_dose`` in **kJ g-1**.
    initial : float or None, default 1
        The amount before milling, **1**; None: fitted.
    level : float, default 0.95
        Confidence of the intervals.
    limit_over_std : float, default 3.29
        sigma of a non-detect without ``_std`` is its limit over this: 3.29 where the
        limit is a detection limit, 1.645 where it is the critical level.

    Returns
    -------
    xarray.Dataset
        Over ``model``: every name of :data:`PARAMETERS` that occurs (rates ``h-1``,
        half-lives ``h``, others ``1``) with ``_low``, ``_high`` (ends of the profile
        interval; 0 or infinity where the data set none) and ``_resolved`` (1 or 0;
        for exponents: whether the interval excludes 1), NaN where a model has no such
        parameter or the data do not determine it; ``n_points``, ``n_censored``,
        ``n_parameters``, ``deviance``, ``chi_square``, ``aicc``, ``delta_aicc``,
        ``preferred`` (1 or 0), all ``1``; the texts ``status``, ``reason``,
        ``aicc_reason``, ``remark``. attrs: ``quantity``, ``axis``, ``level``,
        ``remark`` (samples that were left out).

    Raises
    ------
    SchemaError
        A variable is absent, has other dims, units or impossible values.

    Notes
    -----
    A non-detect enters as the probability Phi((limit - C) / sigma) that its value fell
    below the limit. A sample without time, or with neither value nor limit, or (where
    others have one) without sigma is left out and named.

    The rate constant of first order is what is quoted (``preferred``), unless a model
    with one more parameter has the lower AICc, that parameter is resolved, and there
    are more than 4 times after the start. AICc compares models of the same data only.

    References
    ----------
    Currie (1968), Anal. Chem. 40, 586, doi:10.1021/ac60259a007.
    """
    unknown = [model for model in models if model not in SINGLE_PHASE]
    if unknown or not models:
        raise SchemaError(
            f"models: {tuple(models)}; choose among {SINGLE_PHASE} "
            "(fit_consecutive is for precursors and phase together)"
        )
    observations, left_out = _observe(
        series, (name,), axis=axis, limit_over_std=limit_over_std
    )
    fits = [
        fit_model(observations, model, initial=initial, level=level) for model in models
    ]
    n_times = np.unique(observations.time[observations.time > 0.0]).size
    chosen = _prefer(fits, n_times)
    return _label(
        fits,
        chosen,
        units=_axis_units(series, axis),
        attrs={"quantity": name, "axis": axis, "level": level} | _remark(left_out),
    )


def fit_consecutive(
    series: xr.Dataset,
    precursors: str,
    phase: str,
    *,
    axis: str = MILLING_TIME,
    initial: float | None = 1.0,
    level: float = 0.95,
    limit_over_std: float = LIMIT_OVER_STD,
) -> xr.Dataset:
    """Fit ``precursors -> phase -> glass`` to both amounts jointly.

    Parameters
    ----------
    series : xarray.Dataset
        As for :func:`fit_kinetics`, with both amounts in the same unit of mass.
    precursors, phase : str
        The two amounts; the phase is absent before milling.
    axis, initial, level, limit_over_std
        As for :func:`fit_kinetics`; ``initial`` is that of the precursors.

    Returns
    -------
    xarray.Dataset
        As :func:`fit_kinetics` gives, for the one model ``consecutive``:
        ``formation_rate``, ``loss_rate``, ``precursor_half_life``,
        ``phase_half_life``. Its AICc is of two amounts and not to be compared with
        that of models of one.

    Raises
    ------
    SchemaError
        As :func:`fit_kinetics`.
    """
    observations, left_out = _observe(
        series, (precursors, phase), axis=axis, limit_over_std=limit_over_std
    )
    fit = fit_model(observations, "consecutive", initial=initial, level=level)
    attrs = {"quantity": f"{precursors} {phase}", "axis": axis, "level": level}
    return _label(
        [fit],
        0 if fit.status.has_values else -1,
        units=_axis_units(series, axis),
        attrs=attrs | _remark(left_out),
    )


def kinetics_table(*fitted: xr.Dataset) -> DataFrame:
    """Return one row for each model and parameter, as published.

    Parameters
    ----------
    *fitted : xarray.Dataset
        From :func:`fit_kinetics` and :func:`fit_consecutive`.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``parameter``, ``value``, ``low``, ``high`` (95 %, or as
        asked for), ``resolved``; rates in **h-1** and half-lives in **h** (on the dose
        axis ``g kJ-1`` and ``kJ g-1``). A failed model has one row without numbers.
    """
    import pandas as pd

    rows: list[tuple[str, str, float, float, float, float]] = []
    for dataset in fitted:
        for model in dataset[MODEL].to_numpy():
            one = dataset.sel({MODEL: model})
            known = [
                (
                    str(model),
                    name,
                    float(one[name]),
                    float(one[f"{name}_low"]),
                    float(one[f"{name}_high"]),
                    float(one[f"{name}_resolved"]),
                )
                for name in PARAMETERS
                if name in one and np.isfinite(float(one[f"{name}_resolved"]))
            ]
            nothing = (str(model), "", math.nan, math.nan, math.nan, math.nan)
            rows += known or [nothing]
    columns = ["model", "parameter", "value", "low", "high", "resolved"]
    return pd.DataFrame(rows, columns=columns)


def _axis_units(series: xr.Dataset, axis: str) -> str:
    """Return the units of the axis, checked by :func:`_observe`."""
    return str(series[axis].attrs.get("units", "h"))


def _observe(
    series: xr.Dataset, names: tuple[str, ...], *, axis: str, limit_over_std: float
) -> tuple[Observations, list[str]]:
    """Return the data of a fit, and what was left out of them."""
    if SAMPLE not in series.dims or axis not in series.coords:
        raise SchemaError(f"series needs the dim {SAMPLE!r} with a coordinate {axis!r}")
    if _axis_units(series, axis) not in _INVERSE:
        raise SchemaError(
            f"{axis} has units {_axis_units(series, axis)!r}; use one of "
            f"{tuple(_INVERSE)}"
        )
    if not limit_over_std > 0.0:
        raise SchemaError(f"limit_over_std is {limit_over_std:g}; it must be positive")
    time = _column(series, axis)
    value = np.array([_column(series, name) for name in names])
    std = np.array([_column(series, f"{name}_std", optional=True) for name in names])
    limit = np.array(
        [_column(series, f"{name}_limit", optional=True) for name in names]
    )
    flags = [_flags(series, name, value[n], limit[n]) for n, name in enumerate(names)]
    censored = np.array(flags)
    detected = ~censored & np.isfinite(value)
    if bool(np.any(detected & np.isfinite(std))):
        std = np.where(censored & np.isnan(std), limit / limit_over_std, std)
        usable = np.isfinite(std)
    elif bool(np.any(detected)):
        std, usable = np.full_like(std, np.nan), np.ones_like(censored)
    else:
        std = np.where(np.isnan(std), limit / limit_over_std, std)
        usable = np.isfinite(std)
    kept = usable & (detected | censored) & np.isfinite(time)
    channel = np.broadcast_to(np.arange(len(names))[:, None], value.shape)
    observations = Observations(
        time=np.broadcast_to(time, value.shape)[kept],
        value=value[kept],
        std=std[kept],
        limit=limit[kept],
        censored=censored[kept],
        channel=channel[kept],
    )
    samples = [str(sample) for sample in series[SAMPLE].to_numpy()]
    left_out = [
        f"{names[row]} of {samples[column]}" for row, column in np.argwhere(~kept)
    ]
    return observations, left_out


def _column(series: xr.Dataset, name: str, *, optional: bool = False) -> Floats:
    """Return a variable over ``sample``, NaN where it may be absent and is."""
    if name not in series.variables:
        if optional:
            return np.full(series.sizes[SAMPLE], np.nan)
        raise SchemaError(f"series has no variable {name!r}")
    if series[name].dims != (SAMPLE,):
        raise SchemaError(f"{name} must have dims ('sample',); choose one phase")
    column = np.array(series[name].to_numpy(), dtype=float)
    if (name.endswith(("_std", "_limit"))) and np.any(column <= 0.0):
        raise SchemaError(f"{name} must be positive, or NaN where it is unknown")
    return column


def _flags(
    series: xr.Dataset, name: str, value: Floats, limit: Floats
) -> NDArray[np.bool_]:
    """Return which samples are non-detects."""
    flag = f"{name}_censored"
    if flag not in series.variables:
        return np.isnan(value) & np.isfinite(limit)
    censored = np.asarray(np.nan_to_num(_column(series, flag)) != 0.0)
    bare = censored & ~np.isfinite(limit)
    if np.any(bare):
        sample = series[SAMPLE].to_numpy()[np.argmax(bare)]
        raise SchemaError(f"{name} of {sample} is censored but has no {name}_limit")
    return censored


def _remark(left_out: Sequence[str]) -> dict[str, str]:
    """Return what was left out, as an attribute."""
    if not left_out:
        return {"remark": ""}
    return {"remark": f"left out (no time, value or sigma): {', '.join(left_out)}"}


def _prefer(fits: Sequence[ModelFit], n_times: int) -> int:
    """Return which fit is to be quoted; -1: none."""
    candidates = []
    for number, fit in enumerate(fits):
        shapes = [e for e in fit.estimates if e.name in _SHAPES]
        earned = n_times > FEW_TIMES and all(e.resolved for e in shapes)
        if fit.status.has_values and (not shapes or earned):
            candidates.append(number)
    if not candidates:
        return -1
    # Without a criterion the simplest stays first.
    return min(candidates, key=lambda n: np.nan_to_num(fits[n].aicc, nan=math.inf))


def _label(
    fits: Sequence[ModelFit],
    chosen: int,
    *,
    units: str,
    attrs: Mapping[str, object],
) -> xr.Dataset:
    """Return the fits as a Dataset over ``model``."""
    criteria = np.array([fit.aicc for fit in fits])
    known = criteria[np.isfinite(criteria)]
    numbers = {
        "n_points": ([fit.n_points for fit in fits], "points used"),
        "n_censored": ([fit.n_censored for fit in fits], "non-detects among them"),
        "n_parameters": ([fit.n_parameters for fit in fits], "fitted parameters"),
        "deviance": ([fit.deviance for fit in fits], "minus twice the log-likelihood"),
        "chi_square": ([fit.chi_square for fit in fits], "chi-square of what is seen"),
        "aicc": (criteria, "corrected information criterion"),
        "delta_aicc": (
            criteria - (np.min(known) if known.size else np.nan),
            "its excess over the lowest",
        ),
        "preferred": ([float(n == chosen) for n in range(len(fits))], "to be quoted"),
    }
    texts = {
        "status": ([fit.status.value for fit in fits], "how the fit ended"),
        "reason": ([fit.reason for fit in fits], "why it ended so"),
        "aicc_reason": ([fit.aicc_reason for fit in fits], "why there is no AICc"),
        "remark": ([_unresolved(fit) for fit in fits], "what is not resolved"),
    }
    found = xr.Dataset(coords={MODEL: [fit.name for fit in fits]}, attrs=attrs)
    for name, (kind, long_name) in PARAMETERS.items():
        columns = [_estimate(fit, name) for fit in fits]
        if all(column is None for column in columns):
            continue
        own = {"axis": units, "per": _INVERSE[units]}.get(kind, kind)
        for end, prefix, field, value_units in (
            ("", "", "value", own),
            ("_low", "lower end of ", "low", own),
            ("_high", "upper end of ", "high", own),
            ("_resolved", "whether the data resolve ", "resolved", "1"),
        ):
            data = [
                math.nan if column is None else float(getattr(column, field))
                for column in columns
            ]
            label = {"units": value_units, "long_name": prefix + long_name}
            found[name + end] = (MODEL, data, label)
    for name, (values, long_name) in numbers.items():
        label = {"units": "1", "long_name": long_name}
        found[name] = (MODEL, np.asarray(values, dtype=float), label)
    for name, (words, long_name) in texts.items():
        found[name] = (MODEL, words, {"long_name": long_name})
    return found


def _estimate(fit: ModelFit, name: str) -> Estimate | None:
    """Return an estimate of a fit, None where it has none of that name."""
    return next((found for found in fit.estimates if found.name == name), None)


def _unresolved(fit: ModelFit) -> str:
    """Return in words which parameters the data do not resolve."""
    if fit.status is FitStatus.FAILED:
        return ""
    return "; ".join(
        f"{estimate.name} not resolved: {estimate.low:.3g} to {estimate.high:.3g}"
        for estimate in fit.estimates
        if not estimate.resolved
    )
