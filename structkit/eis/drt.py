"""Distribution of relaxation times: a view of a spectrum that assumes no circuit.

Returned is a :class:`xarray.Dataset`:

=================================  =============  =====================================
name                               dims           meaning
=================================  =============  =====================================
``time_constant`` (coord)          time_constant  ``s``, ascending
``relaxation``                     time_constant  ``ohm`` per unit of ln(tau), not
                                                  negative
``relaxation_std``                 time_constant  1 sigma, ``ohm``
``series_resistance``              ()             ``ohm``
``series_inductance``              ()             ``H``
``series_elastance``               ()             ``F-1``, one over the capacitance
=================================  =============  =====================================

attrs: ``weight`` of the penalty, ``noise`` of each part over the modulus.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from scipy.optimize import nnls
from scipy.signal import find_peaks as find_maxima

from structkit.eis.elements import Floats, make_grid
from structkit.eis.evidence import EvidenceFit, fit_evidence
from structkit.eis.validity import smooth_modulus
from structkit.errors import FitError, PlanError
from structkit.schema.impedance import validate_impedance
from structkit.schema.names import (
    FREQUENCY,
    IMPEDANCE,
    MASKED,
    RELAXATION,
    RELAXATION_STD,
    TIME_CONSTANT,
    label,
)

_MIN_POINTS = 8
_STANDS_OUT = 2.0
_SERIES = (
    ("series_resistance", "ohm", "resistance in series"),
    ("series_inductance", "H", "inductance in series"),
    ("series_elastance", "F-1", "one over the capacitance in series"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrtOptions:
    """Grid and penalty of the distribution."""

    points_per_decade: float = 10.0
    """Time constants per decade."""
    decades_beyond: float = 0.5
    """How far they go beyond the band at each end."""
    weight: float | None = None
    """Weight of the penalty; None: chosen by evidence."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.points_per_decade > 0.0 or self.decades_beyond < 0.0:
            raise PlanError(f"options of the distribution must be positive: {self}")
        if self.weight is not None and not self.weight > 0.0:
            raise PlanError("weight must be positive, or None to let evidence choose")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrtPeak:
    """One maximum of a distribution."""

    time_constant: float
    """**s**."""
    resistance: float
    """Area between the minima on both sides, **ohm**."""


def compute_drt(spectrum: xr.Dataset, options: DrtOptions | None = None) -> xr.Dataset:
    """Return the distribution of relaxation times of a spectrum.

    Parameters
    ----------
    spectrum : xarray.Dataset
        :mod:`structkit.schema.impedance`; masked points are left out.
    options : DrtOptions, optional
        Grid and penalty.

    Returns
    -------
    xarray.Dataset
        As the module docstring describes.

    Raises
    ------
    FitError
        Fewer than eight points.
    SchemaError
        The dataset is no impedance spectrum.

    Notes
    -----
    Tikhonov: squared residuals over the modulus, plus ``weight`` times the squared
    second differences of the distribution over the modulus at each time constant; no
    amount is negative. Evidence chooses the weight without the sign
    (:mod:`structkit.eis.evidence`). The band is the posterior without the sign, too: it
    is wide where only the sign keeps a value at 0. A blocking electrode has no
    distribution within the band: its spike goes to the capacitance and to the slow end.

    References
    ----------
    Wan, Saccoccio, Chen and Ciucci, 2015, 10.1016/j.electacta.2015.09.097.

    Examples
    --------
    >>> from structkit.eis.circuits import parse_circuit
    >>> from structkit.schema.impedance import make_impedance
    >>> frequency = np.geomspace(1.0, 1e6, 61)
    >>> circuit = parse_circuit("R0-p(R1,CPE1)")
    >>> impedance = circuit.evaluate(frequency, [10.0, 100.0, 1e-6, 0.8])
    >>> peaks = find_peaks(compute_drt(make_impedance(frequency, impedance)))
    >>> print(f"{len(peaks)} peak")
    1 peak
    """
    validate_impedance(spectrum)
    chosen = options or DrtOptions()
    frequency = np.asarray(spectrum[FREQUENCY].to_numpy(), dtype=float)
    impedance = np.asarray(spectrum[IMPEDANCE].to_numpy(), dtype=complex)
    modulus = smooth_modulus(impedance)
    if MASKED in spectrum:
        kept = spectrum[MASKED].to_numpy() == 0
        frequency, impedance = frequency[kept], impedance[kept]
        modulus = modulus[kept]
    if frequency.size < _MIN_POINTS:
        raise FitError(
            f"{frequency.size} points; a distribution needs {_MIN_POINTS} or more"
        )
    grid = make_grid(frequency)
    beyond = 10.0**chosen.decades_beyond
    ends = 1.0 / (beyond * grid.omega[-1]), beyond / grid.omega[0]
    decades = np.log10(ends[1] / ends[0])
    taus = np.geomspace(*ends, max(5, round(chosen.points_per_decade * decades)))
    step = float(np.log(taus[1] / taus[0]))
    logs = np.interp(-np.log(taus), np.log(grid.omega), np.log(modulus))
    scale = np.exp(logs)
    damped = scale * step / (1.0 + grid.s[:, None] * taus) / modulus[:, None]
    free = np.stack([np.ones_like(grid.s), grid.s, 1.0 / grid.s], axis=1)
    free = free / modulus[:, None]
    parts = [
        np.concatenate([one.real, one.imag])
        for one in (free, damped, impedance / modulus)
    ]
    amounts, std, fit = solve_nonnegative(parts[0], parts[1], parts[2], chosen.weight)
    return _label(taus, (amounts, std * scale), scale, fit)


def solve_nonnegative(
    free: Floats, damped: Floats, data: Floats, weight: float | None
) -> tuple[Floats, Floats, EvidenceFit]:
    """Return amounts, none negative, of free and damped columns.

    Parameters
    ----------
    free, damped : ndarray, shape (n_data, n_free), (n_data, n_damped)
        Columns; neighbours among the damped ones are expected to be alike.
    data : ndarray, shape (n_data,)
        To be fitted.
    weight : float or None
        Of the penalty on second differences; None: by evidence.

    Returns
    -------
    amounts : ndarray, shape (n_free + n_damped,)
        Free ones first.
    std : ndarray, shape (n_damped,)
        1 sigma of the damped ones, were they free to be negative.
    fit : EvidenceFit
        The fit without the sign.
    """
    size = damped.shape[1]
    rough = 2.0 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
    smooth = damped @ np.linalg.inv(rough)
    fit = fit_evidence(free, smooth, data)
    chosen = fit.weight if weight is None else weight
    length = np.sqrt(np.einsum("ij,ij->j", free, free))
    root = np.sqrt(chosen)
    upper = np.hstack([free / length, damped])
    lower = np.hstack([np.zeros((size, free.shape[1])), root * rough])
    matrix = np.vstack([upper, lower])
    amounts, _ = nnls(matrix, np.concatenate([data, np.zeros(size)]))
    covariance = np.linalg.inv(matrix.T @ matrix) * fit.noise**2
    amounts[: free.shape[1]] /= length
    return amounts, np.sqrt(covariance.diagonal()[free.shape[1] :]), fit


def _label(
    taus: Floats,
    amounts: tuple[Floats, Floats],
    scale: Floats,
    fit: EvidenceFit,
) -> xr.Dataset:
    """Return the distribution as a dataset."""
    values, std = amounts
    dims = (TIME_CONSTANT,)
    found = xr.Dataset(
        {
            RELAXATION: label(xr.DataArray(values[3:] * scale, dims=dims), RELAXATION),
            RELAXATION_STD: label(xr.DataArray(std, dims=dims), RELAXATION_STD),
        },
        coords={TIME_CONSTANT: label(xr.DataArray(taus, dims=dims), TIME_CONSTANT)},
        attrs={"weight": fit.weight, "noise": fit.noise},
    )
    for (name, units, long_name), value in zip(_SERIES, values[:3], strict=True):
        found[name] = xr.DataArray(
            float(value), attrs={"units": units, "long_name": long_name}
        )
    return found


def find_peaks(drt: xr.Dataset, *, least: float = 0.01) -> tuple[DrtPeak, ...]:
    """Return the maxima of a distribution that stand out of its band, the fast first.

    Parameters
    ----------
    drt : xarray.Dataset
        From :func:`compute_drt`.
    least : float, optional
        Least area of a peak over the whole.

    Notes
    -----
    A maximum counts when it is above the minima beside it by twice its standard
    uncertainty.
    Lobes that do not count belong to the peak next to them, so that the areas of all
    peaks, small ones included, add up to the whole.
    """
    gamma = drt[RELAXATION].to_numpy()
    taus = drt[TIME_CONSTANT].to_numpy()
    step = float(np.log(taus[1] / taus[0]))
    padded = np.concatenate([[0.0], gamma, [0.0]])
    limit = _STANDS_OUT * drt[RELAXATION_STD].to_numpy()
    found, properties = find_maxima(padded, prominence=0.0)
    tops = found[properties["prominences"] > limit[found - 1]] - 1
    if not tops.size:
        return ()
    between = [int(a + np.argmin(gamma[a : b + 1])) for a, b in pairwise(tops)]
    edges = [0, *between, gamma.size]
    total = float(gamma.sum()) * step
    areas = [float(gamma[a:b].sum()) * step for a, b in pairwise(edges)]
    return tuple(
        DrtPeak(time_constant=float(taus[top]), resistance=area)
        for top, area in zip(tops, areas, strict=True)
        if area >= least * total
    )
