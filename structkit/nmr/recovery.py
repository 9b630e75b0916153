"""T1 from inversion or saturation recovery, with the law that the delays can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from structkit.errors import SchemaError
from structkit.nmr.recovery_laws import RecoveryLaw
from structkit.nmr.recovery_statistics import (
    RecoveryPoints,
    check_points,
    find_aicc,
    find_flat_probability,
    find_t1_interval,
    line_chi_square,
)
from structkit.nmr.separable import Separable, SeparableFit, fit_separable
from structkit.schema import FitStatus

Floats = NDArray[np.float64]

_N_STARTS = 24
_INSIGNIFICANT = 0.01
_MISFIT = 1e-3
_LIMIT_FACTOR = 3.0
_INVERTED = 2.0
_ENOUGH_RECYCLES = 5.0
_TOLD_APART = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecoveryFit:
    """A recovery law at its best values."""

    law: RecoveryLaw
    """What was fitted."""
    t1: float
    """As the law means it, **s**; NaN where the fit failed."""
    t1_std: float
    """1 sigma, **s**."""
    interval: tuple[float, float]
    """95 % interval of T1 from the profile of the likelihood, **s**."""
    equilibrium: float
    """Magnetisation after an endless delay, units of the data."""
    equilibrium_std: float
    """1 sigma."""
    inversion_factor: float
    """1 - M(0)/M(inf): 2 is perfect inversion, 1 saturation."""
    inversion_factor_std: float
    """1 sigma."""
    shape: float
    """beta or ratio of rates; NaN where the law has none."""
    shape_std: float
    """1 sigma; NaN where the shape stands at its limit."""
    chi_square: float
    """Sum of squares over variance; plain sum where the noise is unknown."""
    aicc: float
    """Akaike's criterion for few points; infinite where there are too few."""
    freedom: int
    """Degrees of freedom."""
    residual: Floats
    """Data less model, shape (n_delays,), in the order given."""
    status: FitStatus
    """How it ended."""
    reason: str = ""
    """Why not well, one sentence a line."""
    stands_out: bool = True
    """Whether noise alone would hardly give such a recovery (1 in 100)."""

    def curve(self, delay: ArrayLike) -> Floats:
        """Return the magnetisation at delays, **s**, units of the data."""
        missing = self.law.missing(delay, self.t1, self.shape)
        return np.asarray(self.equilibrium * (1.0 - self.inversion_factor * missing))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecoveryComparison:
    """Several laws on the same delays."""

    fits: tuple[RecoveryFit, ...]
    """One for each law, in the order given."""
    delta_aicc: Floats
    """AICc less that of the best law, shape (n_laws,); infinite: not comparable."""
    remark: str
    """What the delays tell."""

    @property
    def best(self) -> RecoveryFit:
        """Return the fit with the least AICc."""
        return self.fits[int(np.argmin(self.delta_aicc))]

    def delta(self, name: str) -> float:
        """Return the AICc of a law less that of the best."""
        for fit, delta in zip(self.fits, self.delta_aicc, strict=True):
            if fit.law.name == name:
                return float(delta)
        raise SchemaError(f"no law {name!r} was compared")


def fit_recovery(
    delay: ArrayLike,
    magnetisation: ArrayLike,
    *,
    std: ArrayLike | None = None,
    law: RecoveryLaw | None = None,
    recycle_delay: float | None = None,
) -> RecoveryFit:
    """Fit one law to a recovery, with a free inversion factor.

    Parameters
    ----------
    delay : array_like, shape (n_delays,)
        **s**, in any order.
    magnetisation : array_like, shape (n_delays,)
        Areas with their sign, arbitrary units; for magnitudes see
        :func:`structkit.nmr.recovery_data.restore_signs`.
    std : array_like, shape (n_delays,) or (), optional
        1 sigma, same units; unknown is taken from the scatter.
    law : RecoveryLaw, optional
        Single exponential where absent.
    recycle_delay : float, optional
        **s**; a remark where it is shorter than 5 T1.

    Returns
    -------
    RecoveryFit
        Too few delays is a value with status ``FAILED``.

    Raises
    ------
    SchemaError
        Shapes that differ, values that are not finite, negative delays, sigma that
        is not positive.

    Notes
    -----
    ``M(t) = M_inf [1 - f missing(t; T1)]``: M_inf and ``f M_inf`` are linear and
    solved for, T1 (and a shape) searched over the whole range that delays can tell.
    The interval is where the profile of chi-square rises by the 95 % quantile; with
    unknown noise it is scaled by the scatter and Student's quantile.

    References
    ----------
    Few points: C. M. Hurvich and C.-L. Tsai, Biometrika 76 (1989) 297,
    10.1093/biomet/76.2.297.

    Examples
    --------
    >>> import numpy as np
    >>> delay = np.array([0.02, 0.1, 0.4, 1.0, 2.0, 4.0, 8.0, 20.0])
    >>> fit = fit_recovery(delay, 5.0 * (1.0 - 1.8 * np.exp(-delay / 2.1)), std=0.01)
    >>> print(f"{fit.t1:.3f} s, f = {fit.inversion_factor:.2f}")
    2.100 s, f = 1.80
    """
    chosen = law or RecoveryLaw()
    points = check_points(delay, magnetisation, std)
    needed = 3 + (chosen.shape_limits is not None) + (not points.noise_known)
    different = np.unique(points.delay).size
    if different < needed or float(points.delay.max()) <= 0.0:
        return _failed(
            chosen,
            points,
            f"{different} different delays; {chosen.name} needs {needed}",
        )
    found = fit_separable(
        _separable(chosen, points),
        points.values,
        sigma=points.sigma,
        starts=[_find_start(chosen, points)],
    )
    return _summarise(chosen, points, found, recycle_delay=recycle_delay)


def compare_recoveries(
    delay: ArrayLike,
    magnetisation: ArrayLike,
    *,
    std: ArrayLike | None = None,
    laws: Sequence[RecoveryLaw] | None = None,
    recycle_delay: float | None = None,
) -> RecoveryComparison:
    """Fit several laws and say which the delays prefer.

    Parameters
    ----------
    delay, magnetisation, std, recycle_delay
        As in :func:`fit_recovery`.
    laws : sequence of RecoveryLaw, optional
        All four where absent.

    Returns
    -------
    RecoveryComparison
        AICc differences below 2 do not tell laws apart; the remark says so.

    Raises
    ------
    SchemaError
        As :func:`fit_recovery`; no laws.
    """
    chosen = laws or tuple(
        RecoveryLaw(name=name)
        for name in ("mono", "stretched", "quadrupolar", "quadrupolar_slow")
    )
    fits = tuple(
        fit_recovery(
            delay, magnetisation, std=std, law=law, recycle_delay=recycle_delay
        )
        for law in chosen
    )
    each = np.asarray([fit.aicc for fit in fits])
    finite = np.isfinite(each)
    if not np.any(finite):
        delta = np.full(each.shape, np.inf)
        delta[0] = 0.0
        return RecoveryComparison(
            fits=fits, delta_aicc=delta, remark="too few delays to compare laws"
        )
    delta = np.where(finite, each - each[finite].min(), np.inf)
    close = [
        fit.law.name for fit, gap in zip(fits, delta, strict=True) if gap < _TOLD_APART
    ]
    best = fits[int(np.argmin(delta))].law.name
    remark = f"{best} is preferred"
    if len(close) > 1:
        remark = f"the delays do not tell apart {', '.join(close)}"
    return RecoveryComparison(fits=fits, delta_aicc=delta, remark=remark)


def _find_start(law: RecoveryLaw, points: RecoveryPoints) -> list[float]:
    """Return the best ln T1, and shape, of a grid over all that delays can tell."""
    logs = np.linspace(*points.search, _N_STARTS)
    time, shape = np.meshgrid(logs, law.shape_starts, indexing="ij")
    curves = law.missing(points.delay, np.exp(time), shape)
    costs = line_chi_square(curves, points.values, points.sigma**-2)
    best = np.unravel_index(int(np.argmin(costs)), costs.shape)
    start = [float(time[best])]
    return start if law.shape_limits is None else [*start, float(shape[best])]


def _separable(law: RecoveryLaw, points: RecoveryPoints) -> Separable:
    """Return the law as a separable model of ln T1 and its shape."""
    low, high = points.search
    shape = law.shape_limits

    def columns(theta: Floats) -> Floats:
        form = theta[1] if shape else math.nan
        missing = law.missing(points.delay, math.exp(theta[0]), form)
        return np.column_stack([np.ones_like(missing), -missing])

    return Separable(
        columns=columns,
        low=(low, shape[0]) if shape else (low,),
        high=(high, shape[1]) if shape else (high,),
    )


def _summarise(
    law: RecoveryLaw,
    points: RecoveryPoints,
    found: SeparableFit,
    *,
    recycle_delay: float | None,
) -> RecoveryFit:
    """Return the fit in words and numbers."""
    scatter = 1.0
    if not points.noise_known:
        scatter = found.chi_square / max(found.freedom, 1)
    covariance = found.scaled_covariance(scatter)
    std = found.scaled_std(scatter)
    t1 = math.exp(found.nonlinear[0])
    level, size = found.linear
    slope = np.zeros(std.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = float(size / level)
        slope[-2:] = -factor / level, 1.0 / level
        factor_variance = float(slope @ covariance @ slope)
    has_shape = law.shape_limits is not None
    fit = RecoveryFit(
        law=law,
        t1=t1,
        t1_std=t1 * float(std[0]),
        interval=find_t1_interval(law, points, found, scatter=scatter),
        equilibrium=float(level),
        equilibrium_std=float(std[-2]),
        inversion_factor=factor,
        inversion_factor_std=_root(factor_variance),
        shape=float(found.nonlinear[1]) if has_shape else math.nan,
        shape_std=float(std[1]) if has_shape else math.nan,
        chi_square=found.chi_square,
        aicc=find_aicc(points, found),
        freedom=found.freedom,
        residual=found.residual * points.sigma,
        status=FitStatus.CONVERGED,
    )
    return _judged(fit, points, found, recycle_delay=recycle_delay)


def _judged(
    fit: RecoveryFit,
    points: RecoveryPoints,
    found: SeparableFit,
    *,
    recycle_delay: float | None,
) -> RecoveryFit:
    """Return the fit with its status and every reason for doubt."""
    stands_out = find_flat_probability(points, found) <= _INSIGNIFICANT
    fit = replace(fit, stands_out=stands_out)
    reasons = _doubts(fit, points, found)
    status = FitStatus.DOUBTFUL if reasons else FitStatus.CONVERGED
    if not found.converged:
        status = FitStatus.NOT_CONVERGED
        reasons.insert(0, "the minimiser ran out of steps")
    if recycle_delay is not None and recycle_delay < _ENOUGH_RECYCLES * fit.t1:
        reasons.append(
            f"recycle delay {recycle_delay:g} s is shorter than 5 T1 "
            f"({_ENOUGH_RECYCLES * fit.t1:.3g} s): areas are saturated"
        )
    return replace(fit, status=status, reason="\n".join(reasons))


def _doubts(fit: RecoveryFit, points: RecoveryPoints, found: SeparableFit) -> list[str]:
    """Return every reason to doubt the numbers."""
    reasons = []
    shortest, longest = float(points.delay.min()), float(points.delay.max())
    if not fit.stands_out:
        reasons.append("no recovery stands out of the noise")
    if shortest > fit.t1:
        reasons.append(
            f"the shortest delay ({shortest:.3g} s) is longer than T1 ({fit.t1:.3g} s):"
            " add shorter ones"
        )
    if longest < fit.t1:
        reasons.append(
            f"the longest delay ({longest:.3g} s) is shorter than T1 ({fit.t1:.3g} s): "
            "the equilibrium is extrapolated"
        )
    if found.at_limit[0]:
        reasons.append("T1 lies outside what these delays can tell")
    elif not all(math.isfinite(end) and end > 0.0 for end in fit.interval):
        reasons.append("the delays bound T1 on one side only")
    if points.noise_known and found.freedom > 0:
        misfit = float(chi2.sf(found.chi_square, found.freedom))
        if misfit < _MISFIT:
            reasons.append(
                f"{fit.law.name} misses the data: chi-square {found.chi_square:.1f} "
                f"for {found.freedom} degrees of freedom"
            )
    beyond = _LIMIT_FACTOR * fit.inversion_factor_std
    if not -beyond < fit.inversion_factor < _INVERTED + beyond:
        reasons.append(
            f"inversion factor {fit.inversion_factor:.2f} is outside 0 to 2: look at "
            "the phase, or at the signs of magnitude data"
        )
    return reasons


def _root(variance: float) -> float:
    """Return a standard deviation; infinite where the variance is."""
    return math.sqrt(variance) if variance >= 0.0 else math.inf


def _failed(law: RecoveryLaw, points: RecoveryPoints, reason: str) -> RecoveryFit:
    """Return the value that says why there are no numbers."""
    return RecoveryFit(
        law=law,
        t1=math.nan,
        t1_std=math.nan,
        interval=(math.nan, math.nan),
        equilibrium=math.nan,
        equilibrium_std=math.nan,
        inversion_factor=math.nan,
        inversion_factor_std=math.nan,
        shape=math.nan,
        shape_std=math.nan,
        chi_square=math.nan,
        aicc=math.inf,
        freedom=points.values.size - 3,
        residual=np.full(points.values.shape, np.nan),
        status=FitStatus.FAILED,
        reason=reason,
    )
