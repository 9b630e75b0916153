"""What is left of the conductivities of a sample, history by history.

A conductivity is held against one of the sample before, measured at the same
temperature; where there is none, against the Arrhenius line of those, which the remark
says. Two measurements at different temperatures are never divided.

A dataset over ``measurement``:

=============================  =====  ==================================================
name                           units  meaning
=============================  =====  ==================================================
``temperature`` (coord)        K      of the measurement
``history`` (coord)                   text
``age`` (coord)                h      since the sample was made; NaN: unknown
``retention``, ``_std``        1      total conductivity over that before
``decades_lost``, ``_std``     1      minus its log10
``is_reference``               1      1: is what others are held against
``reference``                         text: what it was held against
``remark``                            text: how, or why there is no number
=============================  =====  ==================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from structkit.eis.ageing import (
    SAME_TEMPERATURE_K,
    compute_retention,
    compute_two_point_decay,
)
from structkit.eis.arrhenius import predict_conductivity
from structkit.eis.arrhenius_line import BOLTZMANN_EV
from structkit.errors import FitError
from structkit.schema import CONTRIBUTION, HISTORY, TEMPERATURE
from structkit.schema.conductivity import (
    ALL_POINTS,
    CONDUCTIVITY,
    CONDUCTIVITY_SHIFT,
    CONDUCTIVITY_STATISTICAL_STD,
    CONDUCTIVITY_STD,
    CONVENTION,
    ERROR_SOURCE,
    LN_SIGMA_T,
    MEASUREMENT,
    POINTS,
    REMARK,
    RESISTANCE,
    RESISTANCE_STD,
    SHORT_CELL,
    TOTAL,
)
from structkit.schema.eis_results import (
    AGE,
    DECADES_LOST,
    IS_REFERENCE,
    REFERENCE,
    RETENTION,
)

Floats = NDArray[np.float64]

ONE_PELLET = 1e-6
"""Relative difference of thickness over area of measurements on one pellet."""
_APART_K = 0.05
"""Difference of temperatures that is worth a word."""
_HOURS_A_DAY = 24.0
_NEEDED = (
    RESISTANCE,
    RESISTANCE_STD,
    CONDUCTIVITY,
    CONDUCTIVITY_STD,
    CONDUCTIVITY_STATISTICAL_STD,
    CONDUCTIVITY_SHIFT,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Before:
    """The sample before: what conductivities are held against."""

    name: str
    """Its history, or the name of the sample, for remarks."""
    conductivity: xr.Dataset
    """Its measurements (:mod:`structkit.schema.conductivity`)."""
    line: xr.Dataset | None = None
    """Its Arrhenius lines (:func:`structkit.eis.arrhenius.fit_arrhenius`)."""
    age: ArrayLike = math.nan
    """Of each measurement, or of all, **h**."""
    is_same_sample: bool = True
    """The same specimen, whose geometry cancels where it was not pressed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ratio:
    """One row."""

    value: float = math.nan
    std: float = math.nan
    is_reference: bool = False
    remarks: tuple[str, ...] = ()

    def say(self, text: str) -> _Ratio:
        """Return it with one more remark."""
        return replace(self, remarks=(*self.remarks, text)) if text else self


def find_retention(
    conductivity: xr.Dataset, before: Before, *, age: ArrayLike = math.nan
) -> xr.Dataset:
    """Return what is left of the total conductivity in each measurement.

    Parameters
    ----------
    conductivity : xarray.Dataset
        Of one sample (:mod:`structkit.schema.conductivity`).
    before : Before
        What it is held against: another sample, or the rows of ``conductivity`` with
        the first history (:func:`first_history`).
    age : array_like
        Of each measurement, or of all, **h**.

    Returns
    -------
    xarray.Dataset
        As the module docstring says; NaN and a reason where nothing was measured
        before at that temperature and there is no line.

    Notes
    -----
    On one pellet the geometry cancels. Temperatures up to 2 K apart are taken as the
    same one; what the difference does, by the activation energy of the line, is part
    of the uncertainty and not corrected.
    """
    rows = _thin(conductivity)
    earlier = replace(before, conductivity=_thin(before.conductivity))
    hours = np.broadcast_to(np.asarray(age, dtype=float), (rows.sizes[MEASUREMENT],))
    found = [
        _hold(rows.isel({MEASUREMENT: [place]}), earlier, float(hours[place]))
        for place in range(rows.sizes[MEASUREMENT])
    ]
    value = np.array([one.value for one in found])
    std = np.array([one.std for one in found])
    dims = (MEASUREMENT,)
    numbers = {
        RETENTION: (value, "conductivity over that before"),
        f"{RETENTION}_std": (std, "standard uncertainty of it"),
        DECADES_LOST: (0.0 - np.log10(value), "decades of conductivity lost"),
        f"{DECADES_LOST}_std": (
            std / value / math.log(10.0),
            "standard uncertainty of it",
        ),
        IS_REFERENCE: (
            np.array([one.is_reference for one in found], dtype=np.int8),
            "others are held against it",
        ),
    }
    words = {
        REFERENCE: [before.name] * len(found),
        REMARK: ["; ".join(one.remarks) for one in found],
    }
    return xr.Dataset(
        {
            **{
                name: (dims, values, {"units": "1", "long_name": text})
                for name, (values, text) in numbers.items()
            },
            **{
                name: (dims, np.asarray(values, dtype=object), {"long_name": name})
                for name, values in words.items()
            },
        },
        coords={
            TEMPERATURE: rows[TEMPERATURE].variable,
            HISTORY: rows[HISTORY].variable,
            AGE: (dims, hours, {"units": "h", "long_name": "age"}),
        },
    )


def first_history(
    conductivity: xr.Dataset,
    lines: Sequence[xr.Dataset] = (),
    *,
    age: ArrayLike = math.nan,
) -> Before:
    """Return the measurements with the history that comes first.

    Parameters
    ----------
    conductivity : xarray.Dataset
        Of one sample.
    lines : sequence of xarray.Dataset
        Its Arrhenius lines, attr ``history``.
    age : array_like
        Of each measurement, or of all, **h**.
    """
    past = conductivity[HISTORY].to_numpy().astype(str)
    own = np.flatnonzero(past == past[0])
    hours = np.broadcast_to(np.asarray(age, dtype=float), past.shape)
    return Before(
        name=str(past[0]) or "no history",
        conductivity=conductivity.isel({MEASUREMENT: own}),
        line=next((one for one in lines if one.attrs[HISTORY] == past[0]), None),
        age=hours[own],
    )


def _thin(conductivity: xr.Dataset) -> xr.Dataset:
    """Return the totals alone."""
    kept = [name for name in _NEEDED if name in conductivity]
    return conductivity[kept].sel({CONTRIBUTION: [TOTAL]})


def _hold(row: xr.Dataset, before: Before, age: float) -> _Ratio:
    """Return one measurement over what was before."""
    kelvin = row[TEMPERATURE].item()
    if not row[RESISTANCE].item() > 0.0:
        return _Ratio(remarks=("no total conductivity",))
    if not math.isfinite(kelvin):
        return _Ratio(remarks=("the temperature of the measurement is not known",))
    known = before.conductivity
    apart = np.abs(known[TEMPERATURE].to_numpy() - kelvin)
    usable = known[RESISTANCE].to_numpy()[:, 0] > 0.0
    apart = np.where(usable & np.isfinite(apart), apart, math.inf)
    place = int(np.argmin(apart))
    if apart[place] > SAME_TEMPERATURE_K:
        return _hold_to_line(row, before)
    earlier = known.isel({MEASUREMENT: [place]})
    if before.is_same_sample and earlier.identical(row):
        return _Ratio(value=1.0, std=0.0, is_reference=True)
    ratio = _divide(row, earlier, before)
    if apart[place] > _APART_K:
        ratio = _widen(ratio, float(apart[place]), kelvin, before)
    hours = np.broadcast_to(np.asarray(before.age, dtype=float), apart.shape)
    return ratio.say(_tell_decay(ratio, age - float(hours[place])))


def _divide(row: xr.Dataset, earlier: xr.Dataset, before: Before) -> _Ratio:
    """Return one measurement over another at its temperature."""
    cells = [float((r[CONDUCTIVITY] * r[RESISTANCE]).item()) for r in (earlier, row)]
    known = math.isfinite(cells[0]) and math.isfinite(cells[1])
    alike = math.isclose(cells[0], cells[1], rel_tol=ONE_PELLET) or (
        math.isnan(cells[0]) and math.isnan(cells[1])
    )
    is_same_pellet = before.is_same_sample and alike
    if not is_same_pellet and not known:
        return _Ratio(remarks=("the geometry of one of both pellets is not known",))
    both = xr.concat([earlier, row], MEASUREMENT, data_vars="minimal", join="outer")
    found = compute_retention(both, is_same_pellet=is_same_pellet).isel(
        {MEASUREMENT: 1}
    )
    ratio = _Ratio(value=found["retention"].item(), std=found["retention_std"].item())
    if is_same_pellet and not known:
        return ratio.say("of resistances: the geometry is not known and cancels")
    if not is_same_pellet:
        return ratio.say("two pellets: both geometries are in the uncertainty")
    return ratio


def _hold_to_line(row: xr.Dataset, before: Before) -> _Ratio:
    """Return one measurement over the line of those before."""
    kelvin = row[TEMPERATURE].item()
    nothing = f"nothing measured before within {SAME_TEMPERATURE_K:g} K"
    if before.line is None or not math.isfinite(row[CONDUCTIVITY].item()):
        return _Ratio(remarks=(f"{nothing}, and no Arrhenius line",))
    try:
        found = predict_conductivity(before.line, kelvin)
    except FitError as error:
        return _Ratio(remarks=(f"{nothing}, and {error}",))
    sigma = row[CONDUCTIVITY].item()
    value = sigma / found.conductivity
    if before.is_same_sample:
        own = row[CONDUCTIVITY_STATISTICAL_STD].item() / sigma
        variance = own**2 + _line_variance(before.line, kelvin)
        if SHORT_CELL in row[ERROR_SOURCE]:
            shift = row[CONDUCTIVITY_SHIFT].sel({ERROR_SOURCE: SHORT_CELL}).item()
            variance += (shift / sigma) ** 2
    else:
        variance = (row[CONDUCTIVITY_STD].item() / sigma) ** 2 + found.ln_std**2
    ratio = _Ratio(value=value, std=value * math.sqrt(variance))
    said = f"against the Arrhenius line of {before.name} at {kelvin:.2f} K"
    return ratio.say(f"{said}, {found.remark}" if found.remark else said)


def _line_variance(line: xr.Dataset, kelvin: float) -> float:
    """Return the variance of ln(sigma) on a line without what is common to all."""
    place = {CONTRIBUTION: TOTAL, CONVENTION: LN_SIGMA_T, POINTS: ALL_POINTS}
    matrix = line["parameter_covariance_statistical"].sel(place).to_numpy()
    direction = np.array([1.0, -1.0 / (BOLTZMANN_EV * kelvin)])
    return float(direction @ matrix @ direction)


def _widen(ratio: _Ratio, apart: float, kelvin: float, before: Before) -> _Ratio:
    """Return a ratio with what a difference of temperatures may do to it."""
    said = f"temperatures {apart:.2g} K apart"
    energy = math.nan
    if before.line is not None:
        place = {CONTRIBUTION: TOTAL, CONVENTION: LN_SIGMA_T, POINTS: ALL_POINTS}
        energy = float(before.line["activation_energy"].sel(place))
    if not math.isfinite(energy):
        return ratio.say(f"{said}: not in the uncertainty, no activation energy")
    relative = apart * (energy / (BOLTZMANN_EV * kelvin) - 1.0) / kelvin
    std = math.hypot(ratio.std, ratio.value * relative)
    told = f"{said}: {100.0 * relative:.1f} % in the uncertainty, not corrected"
    return replace(ratio, std=std).say(told)


def _tell_decay(ratio: _Ratio, hours: float) -> str:
    """Return what two ages would mean, if the loss were of first order."""
    if not (hours > 0.0 and 0.0 < ratio.value < 1.0):
        return ""
    days = hours >= _HOURS_A_DAY
    return compute_two_point_decay(
        1.0,
        ratio.value,
        elapsed=hours / _HOURS_A_DAY if days else hours,
        unit="d" if days else "h",
    ).text
