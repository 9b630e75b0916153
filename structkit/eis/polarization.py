"""Electronic conductivity from a DC polarization run, or an upper bound of it.

A dataset of scalars but for ``exponential``:

==================================  =======  ==========================================
name                                units    meaning
==================================  =======  ==========================================
``current``, ``_std``               A        steady, leakage taken off
``electronic_conductivity``,        S cm-1   NaN where it is not resolved
``_std``
``electronic_conductivity_bound``   S cm-1   95 % upper bound, also where steady
``is_steady``                       1        1: the run is long enough and flat
``is_resolved``                     1        1: above zero by three sigma, and steady
``time_constant``, ``amplitude``    s, A     over ``exponential``
``run_length``                      s        of the points used
``voltage``                         V        applied, median
``status``, ``reason``                       text
==================================  =======  ==========================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.eis.pellet import Pellet
from structkit.eis.transient import Decay, fit_decay
from structkit.errors import SchemaError
from structkit.schema import CURRENT, TIME, VOLTAGE, FitStatus
from structkit.schema.conductivity import SIEMENS_PER_CM

Floats = NDArray[np.float64]

EXPONENTIAL = "exponential"
NO_OHMICITY = (
    "one voltage: whether the current is proportional to it (electrons in an ohmic "
    "sample, no electrode reaction) is not tested; measure at two or more"
)
_MIN_POINTS = 5
_ONE_SIDED = 1.645
_TWO_SIGMA = 2.0
_DETECTED = 3.0
"""Sigmas above zero of a current that is there."""
_TAIL = 1.0 / 3.0
"""Share of the run at its end in which the slope is tested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarizationSettings:
    """What is known of the run beside its current."""

    voltage_v: float = math.nan
    """Applied, **V**; NaN: the median of the measured one."""
    voltage_std_v: float = 0.0
    """1 sigma of it, common to the run, **V**."""
    leakage_a: float = math.nan
    """Of the instrument with an open cell at the same voltage, **A**; NaN: unknown,
    none is subtracted and the remark says so."""
    leakage_std_a: float = math.nan
    """1 sigma of it, **A**."""
    steady_times: float = 3.0
    """Slowest time constants that a steady run is long."""
    flat: float = 0.05
    """Largest change of the current over the last third, relative, of a steady run;
    a change within two sigma is none."""
    voltage_tolerance: float = 0.02
    """Points whose voltage is farther from the applied one are left out, relative."""

    def __post_init__(self) -> None:
        """Refuse settings that test nothing."""
        if self.steady_times <= 0.0 or self.flat <= 0.0 or self.voltage_tolerance <= 0:
            raise SchemaError("polarization: limits of the tests must be positive")
        if self.leakage_std_a < 0.0 or self.voltage_std_v < 0.0:
            raise SchemaError("polarization: uncertainties must not be negative")
        if self.voltage_v == 0.0:
            raise SchemaError("polarization: voltage_v is 0; give the applied voltage")


def fit_polarization(
    run: xr.Dataset,
    pellet: Pellet | None,
    *,
    settings: PolarizationSettings | None = None,
) -> xr.Dataset:
    """Return the electronic conductivity of a polarization run, or what bounds it.

    Parameters
    ----------
    run : xarray.Dataset
        Polarization run (:mod:`structkit.schema.impedance`).
    pellet : Pellet or None
        Geometry; None: current only.
    settings : PolarizationSettings, optional
        Voltage, leakage, limits of the tests.

    Returns
    -------
    xarray.Dataset
        As the module docstring says. A run that is not steady gives a bound: its
        current was still falling, and its last third's mean is above the end value.

    Notes
    -----
    ``sigma_e = I L / (A V)`` with ``I = I_inf - I_leak``. Ions still move as long as
    the current falls, so that every current is an upper bound of the electrons'.

    Examples
    --------
    >>> from structkit.schema import make_polarization
    >>> t = np.arange(0.0, 3600.0, 10.0)
    >>> amperes = 3.5e-10 + 5e-9 * np.exp(-t / 200.0) + 1e-13 * np.cos(t**2)
    >>> pellet = Pellet(diameter_mm=8.0, diameter_std_mm=0.02, thickness_mm=0.9,
    ...                 thickness_std_mm=0.03)
    >>> found = fit_polarization(
    ...     make_polarization(t, amperes), pellet,
    ...     settings=PolarizationSettings(
    ...         voltage_v=0.1, leakage_a=2e-11, leakage_std_a=1e-11
    ...     ),
    ... )
    >>> print(f"{found['electronic_conductivity'].item():.2e} S/cm")
    5.91e-10 S/cm
    """
    settings = settings or PolarizationSettings()
    time, current, voltage, remarks = _read_run(run, settings)
    if time.size < _MIN_POINTS or not math.isfinite(voltage):
        why = (
            f"{time.size} points at the applied voltage; {_MIN_POINTS} are needed"
            if time.size < _MIN_POINTS
            else "no voltage: give voltage_v"
        )
        return _label({}, Decay(steady=math.nan, steady_std=math.nan), why, remarks)
    sign = math.copysign(1.0, voltage)
    decay = fit_decay(time, sign * current)
    late = time >= time[-1] - _TAIL * (time[-1] - time[0])
    steady, why = _test_steady(time, sign * current, decay, settings)
    value, std = decay.steady, decay.steady_std
    if not steady:
        value = float(np.mean(sign * current[late]))
        std = decay.noise / math.sqrt(int(np.sum(late)))
    value, std = _without_leakage(value, std, settings, remarks)
    if steady and value <= _DETECTED * std:
        why = "the steady current is within three sigma of none"
    if pellet is None:
        remarks.append("no pellet geometry: current only; give diameter and thickness")
    values = {
        "current": value,
        "current_std": std,
        "is_steady": float(steady),
        "is_resolved": float(steady and value > _DETECTED * std),
        "run_length": float(time[-1] - time[0]),
        "voltage": voltage,
    }
    values |= _conductivity(values, pellet, settings)
    return _label(values, decay, why, remarks)


def _conductivity(
    values: dict[str, float], pellet: Pellet | None, settings: PolarizationSettings
) -> dict[str, float]:
    """Return the electronic conductivity where it is resolved, and its bound."""
    if pellet is None:
        return {}
    voltage = abs(values["voltage"])
    factor = pellet.cell_constant / voltage
    value, own = factor * values["current"], factor * values["current_std"]
    common = math.hypot(pellet.relative_std, settings.voltage_std_v / voltage)
    std = math.hypot(own, value * common)
    is_resolved = values["is_resolved"] > 0.0
    reach = _ONE_SIDED * (std if math.isfinite(common) else own)
    return {
        "electronic_conductivity": value if is_resolved else math.nan,
        "electronic_conductivity_std": std if is_resolved else math.nan,
        "electronic_conductivity_bound": max(value, 0.0) + reach,
    }


def transference_number(
    electronic: float,
    ionic_total: float,
    *,
    electronic_std: float,
    total_std: float,
    shared_relative_std: float = 0.0,
) -> tuple[float, float]:
    """Return the ionic transference number and its 1 sigma.

    Parameters
    ----------
    electronic, ionic_total : float
        Conductivity from DC and total one from impedance, **S cm-1**.
    electronic_std, total_std : float
        1 sigma of each, **S cm-1**, geometry included.
    shared_relative_std : float, default 0
        Of the geometry, relative, where both were measured on the same pellet: it
        cancels.

    Returns
    -------
    tuple of float
        ``1 - sigma_e / sigma`` and its 1 sigma. With an upper bound of ``sigma_e`` it
        is a lower bound.

    Raises
    ------
    SchemaError
        A total conductivity that is not positive, or a shared error above one of the
        others.

    Examples
    --------
    >>> number, std = transference_number(
    ...     6.72e-10, 4.41e-3, electronic_std=0.5e-10, total_std=2e-4
    ... )
    >>> print(f"{1.0 - number:.2e}")
    1.52e-07
    """
    if not ionic_total > 0.0:
        raise SchemaError(f"total conductivity {ionic_total:g} S/cm is not positive")
    ratio = electronic / ionic_total
    shared = shared_relative_std
    over = electronic_std**2 - (shared * electronic) ** 2
    under = (total_std / ionic_total) ** 2 - shared**2
    if over < 0.0 or under < 0.0:
        raise SchemaError("the shared error is larger than that of a conductivity")
    std = math.sqrt(over / ionic_total**2 + ratio**2 * under)
    return 1.0 - ratio, std


def check_ohmicity(
    voltages: Sequence[float], currents: Sequence[float], stds: Sequence[float]
) -> tuple[float, float, str]:
    """Test whether the steady current is proportional to the voltage.

    Parameters
    ----------
    voltages, currents, stds : sequence of float
        Of several runs, **V**, **A** and 1 sigma of the currents, **A**.

    Returns
    -------
    tuple of float, float, str
        The exponent ``d ln I / d ln V`` (1: ohmic), its 1 sigma, and a sentence. NaN
        with one voltage.

    Examples
    --------
    >>> exponent, std, text = check_ohmicity([0.1], [3e-10], [1e-11])
    >>> text.split(":")[0]
    'one voltage'
    """
    size, value, error = (
        np.abs(np.asarray(v, dtype=float)) for v in (voltages, currents, stds)
    )
    if np.unique(size).size < 2:
        return math.nan, math.nan, NO_OHMICITY
    if np.any(value <= _TWO_SIGMA * error):
        text = "a current is within two sigma of none: not tested"
        return math.nan, math.nan, text
    weight = (value / error) ** 2
    x = np.log(size) - np.average(np.log(size), weights=weight)
    y = np.log(value)
    exponent = float(np.sum(weight * x * y) / np.sum(weight * x**2))
    std = float(1.0 / np.sqrt(np.sum(weight * x**2)))
    ohmic = abs(exponent - 1.0) <= _TWO_SIGMA * std
    said = "ohmic within two sigma" if ohmic else "not ohmic"
    return exponent, std, f"I ~ V^{exponent:.2f}({std:.2f}): {said}"


def _read_run(
    run: xr.Dataset, settings: PolarizationSettings
) -> tuple[Floats, Floats, float, list[str]]:
    """Return time, current and voltage of the points at the applied voltage."""
    remarks = [NO_OHMICITY]
    time, current = run[TIME].to_numpy(), run[CURRENT].to_numpy()
    applied = settings.voltage_v
    if VOLTAGE in run:
        measured = run[VOLTAGE].to_numpy()
        applied = applied if math.isfinite(applied) else float(np.median(measured))
        near = np.abs(measured - applied) <= settings.voltage_tolerance * abs(applied)
        if not np.all(near):
            remarks.append(
                f"{int(np.sum(~near))} of {near.size} points are not at "
                f"{applied:g} V (before the step, or after it): left out"
            )
        time, current = time[near], current[near]
        if applied == 0.0:
            applied = math.nan
    return time, current, applied, remarks


def _test_steady(
    time: Floats, current: Floats, decay: Decay, settings: PolarizationSettings
) -> tuple[bool, str]:
    """Return whether the run reached its end value, and why not."""
    length = float(time[-1] - time[0])
    slowest = float(decay.times.max(initial=0.0))
    if length < settings.steady_times * slowest:
        return False, (
            f"the run is {length / slowest:.1f} of its slowest time constant long "
            f"({length:.0f} s, {slowest:.0f} s); {settings.steady_times:g} are needed: "
            "upper bound"
        )
    if time.size < 2 * decay.times.size + 1 + 2:
        return False, "too few points to tell a steady current: upper bound"
    late = time >= time[-1] - _TAIL * length
    if int(np.sum(late)) < 3:
        return False, "fewer than three points in the last third: upper bound"
    t = time[late] - time[late].mean()
    slope = float(t @ current[late] / (t @ t))
    change = abs(slope) * float(np.ptp(t))
    std = decay.noise / math.sqrt(float(t @ t)) * float(np.ptp(t))
    if change > _TWO_SIGMA * std and change > settings.flat * abs(decay.steady):
        return False, (
            f"the current still changes by {change:.2g} A over the last third "
            f"(steady value {decay.steady:.2g} A): upper bound"
        )
    return True, ""


def _without_leakage(
    value: float, std: float, settings: PolarizationSettings, remarks: list[str]
) -> tuple[float, float]:
    """Return the current less the leakage, or say that it is not known."""
    if not math.isfinite(settings.leakage_a):
        remarks.append(
            "no leakage current of the instrument given: it is in the result; "
            "measure the open cell at the same voltage"
        )
        return value, std
    if not math.isfinite(settings.leakage_std_a):
        remarks.append("no uncertainty of the leakage: that of the result is unknown")
    return value - settings.leakage_a, math.hypot(std, settings.leakage_std_a)


_NAMES = {
    "current": ("A", "steady electronic current"),
    "current_std": ("A", "standard uncertainty of it"),
    "electronic_conductivity": (SIEMENS_PER_CM, "electronic conductivity"),
    "electronic_conductivity_std": (SIEMENS_PER_CM, "standard uncertainty of it"),
    "electronic_conductivity_bound": (SIEMENS_PER_CM, "95 % upper bound of it"),
    "is_steady": ("1", "the current reached its end value"),
    "is_resolved": ("1", "steady and above zero by three sigma"),
    "run_length": ("s", "length of the points used"),
    "voltage": ("V", "applied voltage"),
}


def _label(
    values: dict[str, float], decay: Decay, why: str, remarks: list[str]
) -> xr.Dataset:
    """Return the dataset of one run."""
    status = FitStatus.CONVERGED if not why else FitStatus.DOUBTFUL
    if not values:
        status = FitStatus.FAILED
    found = xr.Dataset(
        {
            name: ((), values.get(name, math.nan), {"units": u, "long_name": text})
            for name, (u, text) in _NAMES.items()
        },
        attrs={"remarks": "\n".join(remarks)},
    )
    for flag in ("is_steady", "is_resolved"):
        found[flag] = (
            found[flag].fillna(0.0).astype(np.int8).assign_attrs(found[flag].attrs)
        )
    found["status"], found["reason"] = status.value, why
    found["time_constant"] = (
        EXPONENTIAL,
        decay.times,
        {"units": "s", "long_name": "time constant"},
    )
    found["amplitude"] = (
        EXPONENTIAL,
        decay.amplitudes,
        {"units": "A", "long_name": "amplitude"},
    )
    return found
