"""Conductivity along a thermal history or with age: what is left of it.

The temperature *of* the measurement and the history *before* it are two things. A
conductivity that was measured at 200 °C and one measured at 25 °C after 200 °C say
opposite things with the same number, so that every comparison here names both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.eis.arrhenius_line import BOLTZMANN_EV
from structkit.errors import SchemaError
from structkit.schema import CONTRIBUTION, HISTORY, TEMPERATURE
from structkit.schema.conductivity import (
    CONDUCTIVITY,
    CONDUCTIVITY_SHIFT,
    CONDUCTIVITY_STD,
    ERROR_SOURCE,
    LN_SIGMA,
    LN_SIGMA_T,
    MEASUREMENT,
    REMARK,
    RESISTANCE,
    RESISTANCE_STD,
    SHORT_CELL,
    TOTAL,
)

Floats = NDArray[np.float64]

NO_KINETICS = "arithmetic of two points; no kinetics claim"
SAME_TEMPERATURE_K = 2.0
"""Difference of temperatures below which two measurements are at the same one."""
_LN10 = math.log(10.0)


def compute_retention(
    conductivity: xr.Dataset,
    *,
    contribution: str = TOTAL,
    reference: int = 0,
    is_same_pellet: bool = True,
) -> xr.Dataset:
    """Return what is left of a conductivity after each step of its history.

    Parameters
    ----------
    conductivity : xarray.Dataset
        From :func:`structkit.eis.conductivity.compute_conductivity`.
    contribution : str, default ``total``
        Which conductivity.
    reference : int, default 0
        Row that the others are compared with, best the sample as prepared.
    is_same_pellet : bool, default True
        Whether all rows are of one pellet: then its geometry cancels, and may be
        unknown; the leads' error partly does. Pellets pressed anew have geometries of
        their own.

    Returns
    -------
    xarray.Dataset
        Over ``measurement``: ``retention`` (``1``) and ``retention_std``;
        ``decades_lost`` and ``decades_lost_std`` (``1``); ``is_same_temperature``
        (``1``: as the reference); ``remark``; coords ``temperature`` and ``history``.
        NaN where there is no conductivity.

    Raises
    ------
    SchemaError
        The reference has no conductivity.

    Notes
    -----
    The variance of the logarithm of the ratio is that of both statistical errors plus
    the square of what the leads' error does to *the ratio*. The reference itself has
    the ratio 1 and the sigma 0 by definition.
    """
    row = conductivity.sel({CONTRIBUTION: contribution})
    if is_same_pellet:
        value = 1.0 / row[RESISTANCE].to_numpy()
        own = (row[RESISTANCE_STD].to_numpy() * value) ** 2
    else:
        value = row[CONDUCTIVITY].to_numpy()
        own = (row[CONDUCTIVITY_STD].to_numpy() / value) ** 2
    if not value[reference] > 0.0:
        raise SchemaError(
            f"row {reference} has no {contribution} conductivity; choose another "
            "reference"
        )
    ratio = value / value[reference]
    variance = own + own[reference]
    if is_same_pellet and SHORT_CELL in row[ERROR_SOURCE]:
        shift = row[CONDUCTIVITY_SHIFT].sel({ERROR_SOURCE: SHORT_CELL}).to_numpy()
        relative = shift / row[CONDUCTIVITY].to_numpy()
        variance = variance + (relative - relative[reference]) ** 2
    variance[reference] = 0.0
    kelvin = row[TEMPERATURE].to_numpy()
    same = np.abs(kelvin - kelvin[reference]) <= SAME_TEMPERATURE_K
    said = (
        f"measured at another temperature than the reference ({kelvin[reference]:.0f} "
        "K): the ratio is not what the history left"
    )
    std = np.sqrt(variance)
    dims = (MEASUREMENT,)
    return xr.Dataset(
        {
            "retention": (
                dims,
                ratio,
                _says("conductivity over that of the reference"),
            ),
            "retention_std": (dims, ratio * std, _says("standard uncertainty of it")),
            "decades_lost": (
                dims,
                -np.log10(ratio),
                _says("decades of conductivity lost"),
            ),
            "decades_lost_std": (
                dims,
                std / _LN10,
                _says("standard uncertainty of it"),
            ),
            "is_same_temperature": (
                dims,
                same.astype(np.int8),
                _says("measured at the temperature of the reference"),
            ),
            REMARK: (dims, np.where(same, "", said)),
        },
        coords={
            TEMPERATURE: (dims, kelvin, row[TEMPERATURE].attrs),
            HISTORY: (dims, row[HISTORY].to_numpy()),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A conductivity against what an unaltered sample would show when hot."""

    expected: float
    """``ln(sigma)`` and ``ln(sigma T)`` as the line: the lower, **S cm-1**."""
    expected_high: float
    """The higher of both, **S cm-1**."""
    decades: float
    """log10 of the lower expectation over the measured value."""
    decades_high: float
    """log10 of the higher one over it."""
    text: str
    """The arithmetic in one sentence."""


def compute_shortfall(
    measured: float,
    reference: float,
    *,
    temperature: float,
    reference_temperature: float,
    energy: float,
) -> Shortfall:
    """Return how far a hot measurement is below an unaltered, activated sample.

    Parameters
    ----------
    measured, reference : float
        Conductivities, **S cm-1**.
    temperature, reference_temperature : float
        Of their measurements, **K**.
    energy : float
        Activation energy, **eV**; as its convention may be unknown, both are used.

    Returns
    -------
    Shortfall
        Of both conventions.

    Raises
    ------
    SchemaError
        A conductivity or a temperature that is not positive.

    Examples
    --------
    >>> compute_shortfall(
    ...     2.3e-5, 4.41e-3, temperature=473.15, reference_temperature=298.15,
    ...     energy=0.32,
    ... ).text
    'unaltered: 0.278 to 0.442 S/cm at 473 K; measured 2.3e-05: 4.1 to 4.3 decades less'
    """
    if min(measured, reference, temperature, reference_temperature) <= 0.0:
        raise SchemaError("conductivities (S/cm) and temperatures (K) are positive")
    inverse = 1.0 / reference_temperature - 1.0 / temperature
    plain = reference * math.exp(energy / BOLTZMANN_EV * inverse)
    both = {
        LN_SIGMA: plain,
        LN_SIGMA_T: plain * reference_temperature / temperature,
    }
    low, high = min(both.values()), max(both.values())
    decades = math.log10(low / measured), math.log10(high / measured)
    return Shortfall(
        expected=low,
        expected_high=high,
        decades=decades[0],
        decades_high=decades[1],
        text=(
            f"unaltered: {low:.3g} to {high:.3g} S/cm at {temperature:.0f} K; measured "
            f"{measured:.3g}: {decades[0]:.1f} to {decades[1]:.1f} decades less"
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPointDecay:
    """A first-order constant from two points: arithmetic, no kinetics."""

    rate: float
    """``ln(start / end) / time``, one over the unit of time; negative: it rose."""
    rate_std: float
    """1 sigma of it; NaN where an uncertainty is not known."""
    half_life: float
    """``ln 2 / rate``; infinite where it did not fall."""
    retention: float
    """``end / start``."""
    text: str
    """The arithmetic in one sentence, which says that it is no kinetics."""


def compute_two_point_decay(
    start: float,
    end: float,
    *,
    elapsed: float,
    unit: str = "d",
    relative_std: float = math.nan,
) -> TwoPointDecay:
    """Return the first-order constant that two values would have.

    Parameters
    ----------
    start, end : float
        Conductivities, any one unit.
    elapsed : float
        Time between them.
    unit : str, default ``d``
        Of the time, for the text.
    relative_std : float, optional
        1 sigma of ``end / start``, relative (common geometry left out).

    Returns
    -------
    TwoPointDecay
        Two points fit every law with one constant: the order is not tested.

    Raises
    ------
    SchemaError
        A value or a time that is not positive.

    Examples
    --------
    >>> compute_two_point_decay(4.35, 2.48, elapsed=10.0).text
    '57.0 % left after 10 d; k = 0.0562 /d, half-life 12.3 d if first order: \
arithmetic of two points; no kinetics claim'
    """
    if min(start, end, elapsed) <= 0.0:
        raise SchemaError("conductivities and the time between them are positive")
    rate = math.log(start / end) / elapsed
    half = math.log(2.0) / rate if rate > 0.0 else math.inf
    return TwoPointDecay(
        rate=rate,
        rate_std=relative_std / elapsed,
        half_life=half,
        retention=end / start,
        text=(
            f"{100.0 * end / start:.1f} % left after {elapsed:g} {unit}; "
            f"k = {rate:.3g} /{unit}, half-life {half:.3g} {unit} if first order: "
            f"{NO_KINETICS}"
        ),
    )


def _says(long_name: str) -> dict[str, str]:
    """Return the attributes of a variable without a unit."""
    return {"units": "1", "long_name": long_name}
