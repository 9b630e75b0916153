"""A current that decays to a steady value: sums of exponentials, numbers only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Floats = NDArray[np.float64]

MAX_EXPONENTIALS = 3
_LONGEST = 30.0
"""Longest time constant that is tried, in lengths of the run."""
_SHORTEST = 0.3
"""Shortest one, in the smallest step of time."""
_GRID = 10
_WIDEST = 3.0
"""Longest time constant of the grid that is searched first, in lengths of the run."""
_REFINED = 2
"""Best sets of time constants of the grid from which the search goes on."""
_RIDGE = 1e-10
_ENOUGH = 1e-8
"""Relative change of chi-square at which the search ends."""
_SPARE_POINTS = 2
"""Points beyond the number of parameters that a model needs."""
_TINY = 1e-12
_APART = math.log(1.3)
"""Logarithm of the ratio of time constants below which two are one."""
_RIVAL = 10.0
"""BIC above the best at which another number of exponentials no longer counts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decay:
    """``I(t) = I_inf + sum A_j exp(-t / tau_j)``, fitted."""

    steady: float
    """``I_inf``."""
    steady_std: float
    """1 sigma, correlated noise and the number of exponentials included."""
    times: Floats = field(default_factory=lambda: np.zeros(0))
    """``tau_j``, ascending, in the unit of time."""
    amplitudes: Floats = field(default_factory=lambda: np.zeros(0))
    """``A_j`` at time 0."""
    bic: float = math.nan
    """Of this number of exponentials, current over its largest value."""
    noise: float = math.nan
    """Scatter about the curve."""
    residual: Floats = field(default_factory=lambda: np.zeros(0))
    """Data less curve."""


def fit_decay(time: Floats, current: Floats) -> Decay:
    """Fit a steady value and none to three exponentials, as BIC chooses.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Ascending.
    current : ndarray, shape (n,)
        At those times.

    Returns
    -------
    Decay
        The best; the uncertainty of its steady value holds that of its rivals.

    Notes
    -----
    Variable projection: amplitudes are linear, logarithms of the time constants are
    searched from the best of a grid, until one more makes BIC worse. The noise is
    found from the scatter; the sigma of the steady value is multiplied by
    ``sqrt((1 + r) / (1 - r))`` with the correlation ``r`` of neighbouring residuals,
    and widened by the weighted spread of the steady values of all numbers of
    exponentials (weights ``exp(-BIC / 2)``).

    Examples
    --------
    >>> t = np.arange(0.0, 50.0)
    >>> found = fit_decay(t, 2.0 + 3.0 * np.exp(-t / 8.0) + 1e-3 * np.cos(9.0 * t**2))
    >>> print(f"{found.steady:.2f} {found.times[0]:.1f}")
    2.00 8.0
    """
    shifted = time - time[0]
    size = float(np.max(np.abs(current))) or 1.0
    current = current / size
    found = [_fit_number(shifted, current, ())]
    for number in range(1, MAX_EXPONENTIALS + 1):
        if time.size < 2 * number + 1 + _SPARE_POINTS:
            break
        tried = _search(shifted, current, number)
        if tried is None or tried.bic > found[-1].bic + _RIVAL:
            break
        found.append(tried)
    best = min(found, key=lambda one: one.bic)
    weights = np.array([math.exp(-0.5 * min(f.bic - best.bic, 700.0)) for f in found])
    weights[[f.bic - best.bic > _RIVAL for f in found]] = 0.0
    apart = np.array([f.steady - best.steady for f in found])
    spread = float(np.sum(weights * apart**2) / np.sum(weights))
    return Decay(
        steady=size * best.steady,
        steady_std=size * math.sqrt(best.steady_std**2 + spread),
        times=best.times,
        amplitudes=size * best.amplitudes,
        bic=best.bic,
        noise=size * best.noise,
        residual=size * best.residual,
    )


def _search(time: Floats, current: Floats, number: int) -> Decay | None:
    """Return the best fit of a number of exponentials; None where two are one."""
    length = float(time[-1])
    low = math.log(_SHORTEST * float(np.min(np.diff(time))))
    high = math.log(_LONGEST * length)

    def left(logs: Floats) -> Floats:
        return _project(time, current, np.exp(logs))[1]

    starts = np.clip(_starts(time, current, number), low + 0.01, high - 0.01)
    solved = min(
        (
            least_squares(
                left, one, bounds=(low, high), max_nfev=40, ftol=_ENOUGH, xtol=1e-6
            )
            for one in starts
        ),
        key=lambda one: one.cost,
    )
    times = np.sort(np.exp(solved.x))
    if np.any(np.diff(np.log(times)) < _APART):
        return None
    return _fit_number(time, current, tuple(times))


def _starts(time: Floats, current: Floats, number: int) -> Floats:
    """Return the logarithms of time constants from which to search, best of a grid."""
    first = max(float(np.min(np.diff(time))), 1e-3 * float(time[-1]))
    grid = np.geomspace(first, _WIDEST * float(time[-1]), _GRID)
    columns = np.hstack([np.ones((time.size, 1)), np.exp(-time[:, None] / grid)])
    chosen = np.array(list(combinations(range(1, _GRID + 1), number)))
    chosen = np.hstack([np.zeros((len(chosen), 1), dtype=int), chosen])
    gram = (columns.T @ columns)[chosen[:, :, None], chosen[:, None, :]]
    gram = gram + _RIDGE * time.size * np.eye(number + 1)
    moment = (columns.T @ current)[chosen]
    gain = np.einsum(
        "ki,ki->k", moment, np.linalg.solve(gram, moment[:, :, None])[:, :, 0]
    )
    best = np.argsort(-gain)[:_REFINED]
    return np.asarray(np.log(grid[chosen[best, 1:] - 1]))


def _project(
    time: Floats, current: Floats, taus: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return amplitudes, residual and columns for given time constants."""
    rows = np.hstack([np.ones((time.size, 1)), np.exp(-time[:, None] / taus)])
    values = np.linalg.lstsq(rows, current, rcond=None)[0]
    return np.asarray(values), np.asarray(current - rows @ values), rows


def _fit_number(time: Floats, current: Floats, times: tuple[float, ...]) -> Decay:
    """Return the decay with given time constants and the sigma of its steady value."""
    taus = np.asarray(times, dtype=float)
    values, residual, rows = _project(time, current, taus)
    slopes = values[1:] * rows[:, 1:] * time[:, None] / taus
    jacobian = np.hstack([rows, slopes])
    n, n_parameters = jacobian.shape
    freedom = max(n - n_parameters, 1)
    chi = float(residual @ residual)
    floor = (_TINY * float(np.max(np.abs(current)))) ** 2 * n
    variance = max(chi, floor) / freedom
    inverse = np.linalg.pinv(jacobian.T @ jacobian / _scales(jacobian))
    steady = float(inverse[0, 0]) / float(jacobian[:, 0] @ jacobian[:, 0])
    std = math.sqrt(variance * steady) * _correlation_factor(residual)
    return Decay(
        steady=float(values[0]),
        steady_std=std,
        times=taus,
        amplitudes=values[1:],
        bic=n * math.log(max(chi, floor) / n) + n_parameters * math.log(n),
        noise=math.sqrt(variance),
        residual=residual,
    )


def _scales(jacobian: Floats) -> Floats:
    """Return products of the columns' norms, so that no unit spoils an inverse."""
    norms = np.linalg.norm(jacobian, axis=0)
    norms[norms == 0.0] = 1.0
    return np.asarray(np.outer(norms, norms))


def _correlation_factor(residual: Floats) -> float:
    """Return what correlation of neighbours does to the sigma of a mean, >= 1."""
    total = float(residual @ residual)
    if residual.size < 8 or total == 0.0:
        return 1.0
    near = min(max(float(residual[1:] @ residual[:-1]) / total, 0.0), 0.95)
    return math.sqrt((1.0 + near) / (1.0 - near))
