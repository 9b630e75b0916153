"""Capacitances of arcs and electrodes, and what they can belong to."""

from __future__ import annotations

import numpy as np

VACUUM_PERMITTIVITY = 8.8541878128e-14
"""CODATA 2018, **F/cm**."""


BULK = "bulk"
GRAIN_BOUNDARY = "grain_boundary"
TOTAL = "total"

CAPACITANCE_RANGES = {
    BULK: (1e-13, 1e-11),
    GRAIN_BOUNDARY: (3e-12, 1e-8),
    "surface layer": (1e-9, 1e-7),
    "electrode interface": (1e-7, 1e-4),
}
"""Capacitance times L/A, **F/cm**, after Irvine, Sinclair and West, 1990,
10.1002/adma.19900020304; neighbours overlap because grains and boundaries do."""


def hsu_mansfeld_capacitance(q: float, n: float, *, resistance: float) -> float:
    """Return the capacitance of a constant-phase element beside a resistor, **F**.

    Parameters
    ----------
    q : float
        **S s^n**.
    n : float
        Exponent.
    resistance : float
        In parallel, **ohm**.

    Notes
    -----
    ``C = Q^(1/n) R^(1/n - 1)``: time constants spread through a layer.

    References
    ----------
    Hsu and Mansfeld, 2001, 10.5006/1.3280607.

    Examples
    --------
    >>> print(f"{hsu_mansfeld_capacitance(1.264e-10, 0.8, resistance=1e5):.2e}")
    7.54e-12
    """
    return float(q ** (1.0 / n) * resistance ** (1.0 / n - 1.0))


def brug_capacitance(
    q: float,
    n: float,
    *,
    series_resistance: float,
    transfer_resistance: float = np.inf,
) -> float:
    """Return the capacitance of a constant-phase electrode, **F**.

    Parameters
    ----------
    q : float
        **S s^n**.
    n : float
        Exponent.
    series_resistance : float
        Of the electrolyte before the electrode, **ohm**.
    transfer_resistance : float, optional
        In parallel, **ohm**; infinite when the electrode blocks.

    Notes
    -----
    ``C = Q^(1/n) (1/R_s + 1/R_ct)^((n-1)/n)``: time constants spread over a surface.

    References
    ----------
    Brug, van den Eeden, Sluyters-Rehbach and Sluyters, 1984,
    10.1016/S0022-0728(84)80324-1.

    Examples
    --------
    >>> print(f"{brug_capacitance(1e-6, 1.0, series_resistance=100.0):.1e}")
    1.0e-06
    """
    conductance = 1.0 / series_resistance + 1.0 / transfer_resistance
    return float(q ** (1.0 / n) * conductance ** ((n - 1.0) / n))


def classify_capacitance(capacitance: float) -> tuple[str, ...]:
    """Return what a capacitance times L/A, **F/cm**, may belong to.

    References
    ----------
    Irvine, Sinclair and West, 1990, 10.1002/adma.19900020304.

    Examples
    --------
    >>> classify_capacitance(2e-12), classify_capacitance(5e-10)
    (('bulk',), ('grain_boundary',))
    """
    return tuple(
        name
        for name, (low, high) in CAPACITANCE_RANGES.items()
        if low <= capacitance <= high
    )


def relative_permittivity(capacitance: float, cell_constant: float) -> float:
    """Return ``C (L/A)/eps0`` of a capacitance in **F** and L/A in **cm-1**.

    Examples
    --------
    >>> print(round(relative_permittivity(7e-12, 0.41778), 1))
    33.0
    """
    return capacitance * cell_constant / VACUUM_PERMITTIVITY


def relaxation_frequency(
    resistance: float, *, cell_constant: float, permittivity: float
) -> float:
    """Return ``sigma/(2 pi eps0 eps_r)`` of a bulk resistance, **Hz**.

    Examples
    --------
    >>> f = relaxation_frequency(38.3, cell_constant=0.169, permittivity=10.0)
    >>> print(f"{f / 1e6:.0f} MHz")
    793 MHz
    """
    conductivity = cell_constant / resistance
    return conductivity / (2.0 * np.pi * VACUUM_PERMITTIVITY * permittivity)
