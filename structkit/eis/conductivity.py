"""Resistances of a pellet to conductivities, each error source kept apart.

See :mod:`structkit.schema.conductivity` for the datasets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from structkit.eis.leads import ShortCell
from structkit.eis.pellet import Pellet
from structkit.errors import SchemaError
from structkit.schema import CONTRIBUTION, HISTORY, TEMPERATURE
from structkit.schema.conductivity import (
    BULK,
    CONDUCTIVITY,
    CONDUCTIVITY_COVARIANCE,
    CONDUCTIVITY_SHIFT,
    CONDUCTIVITY_STATISTICAL_STD,
    CONDUCTIVITY_STD,
    CONTRIBUTIONS,
    ERROR_SOURCE,
    GEOMETRY,
    GRAIN_BOUNDARY,
    IN_BAND,
    MEASUREMENT,
    OTHER_CONTRIBUTION,
    REMARK,
    RESISTANCE,
    RESISTANCE_COVARIANCE,
    RESISTANCE_STD,
    SHORT_CELL,
    SIEMENS_PER_CM,
    TOTAL,
)

Floats = NDArray[np.float64]

NO_GEOMETRY = "no pellet geometry: resistance only; give diameter and thickness"
_MIN_TEMPERATURE = 20.0
_USUAL_LEADS_OHM = 1.0
_VISIBLE = 0.005
_THROUGH_LEADS = np.array([1.0, 0.0, 1.0])
"""Whether the leads' resistance stands in bulk, grain boundary, total."""


def make_resistances(
    temperature: ArrayLike,
    *,
    bulk: ArrayLike | None = None,
    grain_boundary: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    total: ArrayLike | None = None,
    total_std: ArrayLike | None = None,
    history: Sequence[str] | None = None,
    in_band: Mapping[str, ArrayLike] | None = None,
) -> xr.Dataset:
    """Put labels around the fitted resistances of a pellet and form their sum.

    Parameters
    ----------
    temperature : array_like, shape (n,)
        Of each measurement, **K**; may repeat.
    bulk, grain_boundary : array_like, shape (n,), optional
        Resistances of the two arcs, **ohm**; NaN where an arc is not identifiable.
    covariance : array_like, shape (n, 2, 2), optional
        Of bulk and grain boundary, **ohm2**, from the fit. They trade: without their
        covariance nothing is known of the uncertainty of the sum.
    total, total_std : array_like, shape (n,), optional
        Used where there are no two arcs: the intercept of the spike, **ohm**;
        ``total_std`` also where the two arcs have no covariance.
    history : sequence of str, optional
        What the sample went through before each measurement.
    in_band : mapping of str to array_like, optional
        For a contribution, 0 where its arc's peak is outside the measured band.

    Returns
    -------
    xarray.Dataset
        ``resistance``, ``resistance_std``, ``resistance_covariance``, ``in_band``.

    Raises
    ------
    SchemaError
        Lengths that differ, temperatures that are no kelvin, an unknown contribution.

    Examples
    --------
    >>> arcs = make_resistances(
    ...     [413.0], bulk=[100.0], grain_boundary=[300.0],
    ...     covariance=[[[25.0, -20.0], [-20.0, 25.0]]],
    ... )
    >>> total = arcs.sel(contribution="total")
    >>> print(total["resistance"].item(), round(total["resistance_std"].item(), 3))
    400.0 3.162
    """
    kelvin = np.atleast_1d(np.asarray(temperature, dtype=float))
    n = kelvin.size
    if not np.all(kelvin > _MIN_TEMPERATURE):
        raise SchemaError(
            f"temperature {kelvin.min():g}: give K; a value that is NaN, or below "
            f"{_MIN_TEMPERATURE:g} K, is surely degrees Celsius or missing"
        )
    unknown = set(in_band or {}) - set(CONTRIBUTIONS)
    if unknown:
        raise SchemaError(f"in_band: {sorted(unknown)}; known are {CONTRIBUTIONS}")
    values, matrix = _join(
        _column(bulk, n, BULK),
        _column(grain_boundary, n, GRAIN_BOUNDARY),
        covariance=_matrices(covariance, n),
        total=_column(total, n, TOTAL),
        total_std=_column(total_std, n, "total_std"),
    )
    flags = np.ones((n, len(CONTRIBUTIONS)), dtype=np.int8)
    for name, given in (in_band or {}).items():
        flags[:, CONTRIBUTIONS.index(name)] = _column(given, n, f"in_band {name}") > 0.0
    dims = (MEASUREMENT, CONTRIBUTION)
    square = (*dims, OTHER_CONTRIBUTION)
    std = np.sqrt(np.diagonal(matrix, axis1=1, axis2=2))
    past = list(history) if history is not None else [""] * n
    if len(past) != n:
        raise SchemaError(f"history has {len(past)} entries for {n} temperatures")
    return xr.Dataset(
        {
            RESISTANCE: (dims, values, _says("ohm", "resistance")),
            RESISTANCE_STD: (dims, std, _says("ohm", "standard uncertainty of it")),
            RESISTANCE_COVARIANCE: (square, matrix, _says("ohm2", "covariance of it")),
            IN_BAND: (dims, flags, _says("1", "the arc's peak is in the band")),
        },
        coords={
            TEMPERATURE: (MEASUREMENT, kelvin, _says("K", "temperature")),
            HISTORY: (MEASUREMENT, past),
            CONTRIBUTION: list(CONTRIBUTIONS),
            OTHER_CONTRIBUTION: list(CONTRIBUTIONS),
        },
    )


def compute_conductivity(
    resistances: xr.Dataset,
    pellet: Pellet | None,
    *,
    short: ShortCell | None = None,
) -> xr.Dataset:
    """Return the conductivities of a pellet with their whole error budget.

    Parameters
    ----------
    resistances : xarray.Dataset
        From :func:`make_resistances`.
    pellet : Pellet or None
        Geometry; None: resistances only, and the remark says why.
    short : ShortCell, optional
        Leads and cell. Subtracted from bulk and total (never from the grain boundary,
        whose arc does not hold it) unless the spectra were corrected already; leave
        it out where the circuit had a series resistance of its own.

    Returns
    -------
    xarray.Dataset
        ``resistances``, corrected, and the variables of
        :mod:`structkit.schema.conductivity`.

    Notes
    -----
    ``sigma = (L / A) / R`` for each contribution. The grain boundary's is the
    *apparent* one, with the pellet's geometry; its specific one needs the brick-layer
    model. Errors are propagated to first order: of the fit, by the covariance of the
    resistances; of geometry and leads, each as one shift of all rows together.

    Examples
    --------
    >>> pellet = Pellet(
    ...     diameter_mm=8.0, diameter_std_mm=0.02, thickness_mm=0.85,
    ...     thickness_std_mm=0.03,
    ... )
    >>> found = compute_conductivity(
    ...     make_resistances([298.15], total=[39.3], total_std=[0.2]),
    ...     pellet,
    ...     short=ShortCell(resistance_ohm=1.0, resistance_std_ohm=0.2),
    ... ).sel(contribution="total")
    >>> print(f"{found['conductivity'].item():.5f} S/cm")
    0.00442 S/cm
    >>> print(f"{found['conductivity_std'].item():.5f} S/cm")
    0.00016 S/cm
    """
    fitted = np.asarray(resistances[RESISTANCE].to_numpy(), dtype=float)
    matrix = np.asarray(resistances[RESISTANCE_COVARIANCE].to_numpy(), dtype=float)
    left = fitted.copy()
    if short is not None and not short.is_subtracted:
        left -= short.resistance_ohm * _THROUGH_LEADS
    usable = np.where(left > 0.0, left, math.nan)
    constant = math.nan if pellet is None else pellet.cell_constant
    sigma = constant / usable
    statistical = conductivity_covariance(sigma, usable, matrix)
    shifts = _shifts(sigma, usable, pellet=pellet, short=short)
    whole = statistical + np.einsum("sni,snj->nij", *[np.stack([*shifts.values()])] * 2)
    std, own = (
        np.sqrt(np.diagonal(one, axis1=1, axis2=2)) for one in (whole, statistical)
    )
    texts = _remarks(fitted, left, pellet=pellet, short=short)
    dims = (MEASUREMENT, CONTRIBUTION)
    name = "conductivity"
    done = resistances.assign(
        {
            RESISTANCE: resistances[RESISTANCE].copy(data=left),
            CONDUCTIVITY: (dims, sigma, _says(SIEMENS_PER_CM, name)),
            CONDUCTIVITY_STD: (
                dims,
                std,
                _says(SIEMENS_PER_CM, "standard uncertainty, all sources"),
            ),
            CONDUCTIVITY_STATISTICAL_STD: (
                dims,
                own,
                _says(SIEMENS_PER_CM, "standard uncertainty from the fit alone"),
            ),
            CONDUCTIVITY_COVARIANCE: (
                (*dims, OTHER_CONTRIBUTION),
                whole,
                _says("S2 cm-2", "covariance of the contributions"),
            ),
            CONDUCTIVITY_SHIFT: (
                (ERROR_SOURCE, *dims),
                np.stack([*shifts.values()]),
                _says(SIEMENS_PER_CM, "shift by 1 sigma of a common source"),
            ),
            REMARK: (dims, texts),
        }
    )
    return done.assign_coords({ERROR_SOURCE: list(shifts)})


def conductivity_covariance(
    sigma: Floats, resistance: Floats, matrix: Floats
) -> Floats:
    """Return the covariance of conductivities from that of the resistances.

    Parameters
    ----------
    sigma, resistance : ndarray, shape (n, 3)
        **S cm-1** and **ohm**.
    matrix : ndarray, shape (n, 3, 3)
        Covariance of the resistances, **ohm2**.

    Returns
    -------
    ndarray, shape (n, 3, 3)
        **S2 cm-2**.
    """
    slope = -sigma / resistance
    return np.asarray(slope[:, :, None] * matrix * slope[:, None, :])


def _join(
    bulk: Floats,
    boundary: Floats,
    *,
    covariance: Floats,
    total: Floats,
    total_std: Floats,
) -> tuple[Floats, Floats]:
    """Return (n, 3) resistances and their (n, 3, 3) covariance, the sum included."""
    both = np.isfinite(bulk) & np.isfinite(boundary)
    adding = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    matrix = np.full((bulk.size, 3, 3), math.nan)
    matrix[:, :2, :2] = covariance
    matrix[both] = np.einsum("ik,nkl,jl->nij", adding, covariance[both], adding)
    if np.any(both):  # a known variance stays known where the covariance is not
        own = np.diagonal(covariance, axis1=1, axis2=2)
        matrix[both, 0, 0], matrix[both, 1, 1] = own[both, 0], own[both, 1]
        matrix[both, 0, 1] = matrix[both, 1, 0] = covariance[both, 0, 1]
    unknown = ~np.isfinite(matrix[:, 2, 2])
    matrix[unknown, 2, 2] = total_std[unknown] ** 2
    summed = np.where(both, bulk + boundary, total)
    return np.stack([bulk, boundary, summed], axis=1), matrix


def _shifts(
    sigma: Floats,
    resistance: Floats,
    *,
    pellet: Pellet | None,
    short: ShortCell | None,
) -> dict[str, Floats]:
    """Return what 1 sigma of each common source does to each conductivity, (n, 3)."""
    relative = math.nan if pellet is None else pellet.relative_std
    shifts = {GEOMETRY: sigma * relative}
    if short is not None:
        slope = sigma / resistance * _THROUGH_LEADS
        shifts[SHORT_CELL] = slope * short.resistance_std_ohm
    return shifts


def _remarks(
    fitted: Floats, left: Floats, *, pellet: Pellet | None, short: ShortCell | None
) -> NDArray[np.str_]:
    """Return what is to be known of each conductivity, shape (n, 3)."""
    texts = np.full(fitted.shape, "", dtype=object)

    def say(where: NDArray[np.bool_], text: str) -> None:
        for place in zip(*np.nonzero(where & np.isfinite(fitted)), strict=True):
            texts[place] = "; ".join(filter(None, [texts[place], text]))

    everywhere = np.ones(fitted.shape, dtype=bool)
    if pellet is None:
        say(everywhere, NO_GEOMETRY)
    elif not math.isfinite(pellet.relative_std):
        lacking = [k for k, v in pellet.error_parts.items() if not math.isfinite(v)]
        said = "the total uncertainty is not known"
        say(everywhere, f"no uncertainty of {', '.join(lacking)}: {said}")
    if short is None:
        seen = _USUAL_LEADS_OHM * _THROUGH_LEADS > _VISIBLE * np.abs(fitted)
        say(seen, "no short-cell correction: the leads' ohms are in the resistance")
    say(left <= 0.0, "no resistance is left beside that of the short cell")
    return np.asarray(texts.astype(str))


def _column(given: ArrayLike | None, n: int, name: str) -> Floats:
    """Return a column of n numbers, NaN where nothing is given."""
    if given is None:
        return np.full(n, math.nan)
    column = np.atleast_1d(np.asarray(given, dtype=float))
    if column.shape != (n,):
        raise SchemaError(f"{name} has shape {column.shape} for {n} temperatures")
    return column


def _matrices(given: ArrayLike | None, n: int) -> Floats:
    """Return n matrices, NaN where nothing is given."""
    matrices = np.full((n, 2, 2), math.nan) if given is None else np.asarray(given)
    if matrices.shape != (n, 2, 2):
        raise SchemaError(f"covariance has shape {matrices.shape}, not {(n, 2, 2)}")
    return np.asarray(matrices, dtype=float)


def _says(units: str, long_name: str) -> dict[str, str]:
    """Return the attributes of a variable."""
    return {"units": units, "long_name": long_name}
