"""T1 over temperature by one thermally activated motion (quadrupolar BPP)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2
from scipy.stats import t as student

from structkit.nmr.bpp import coupling_bound, rate_maximum
from structkit.nmr.relaxation_problem import (
    BOLTZMANN_EV,
    ENERGY_LIMITS,
    PLACES,
    RelaxationModel,
    RelaxationPoints,
    RelaxationProblem,
    check_points,
)
from structkit.nmr.separable import SeparableFit, find_interval
from structkit.schema import FitStatus

Floats = NDArray[np.float64]
Side = Literal["slow", "fast", "both"]

_COUPLING_LIMITS = (1e3, 1e8)
_SIGNIFICANT = 3.0
_NORMAL = 0.1
"""Relative 1 sigma up to which a profile is as good as normal."""
_TRADED = 4.0
_FIRST_STEP = 0.3
_MISFIT = 1e-3
_CONFIDENCE = 0.95
_LARGEST = 690.0
"""Logarithm of what a float still holds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelaxationFit:
    """One thermally activated motion at its best values."""

    activation_energy: float
    """**eV**; NaN where the fit failed."""
    activation_energy_std: float
    """1 sigma, **eV**; infinite where only the interval tells."""
    activation_energy_interval: tuple[float, float]
    """95 % interval, **eV**."""
    coupling_hz: float
    """C_Q, **Hz**."""
    coupling_std_hz: float
    """1 sigma, **Hz**; 0 where it was held."""
    coupling_interval_hz: tuple[float, float]
    """95 % interval, **Hz**; its upper end is infinite where motion and coupling trade
    because no minimum of T1 lies between the temperatures."""
    coupling_bound_hz: float
    """Least C_Q that the shortest T1 allows, its error left out, **Hz**."""
    log_attempt_time: float
    """ln of tau0, tau0 in **s**."""
    log_attempt_time_std: float
    """1 sigma."""
    exponent: float
    """1 + beta."""
    exponent_std: float
    """1 sigma; 0 where held, NaN where it stands at its limit."""
    minimum_temperature: float
    """Where T1 is least at the (first) field, **K**."""
    side: Side
    """On which side of the minimum the temperatures lie."""
    residual: Floats
    """ln of measured over fitted T1, shape (n_points,)."""
    chi_square: float
    """Sum of squares over variance; plain sum where std is unknown."""
    freedom: int
    """Degrees of freedom."""
    status: FitStatus
    """How it ended."""
    reason: str = ""
    """Why not well, one sentence a line."""

    def correlation_time(self, temperature: ArrayLike) -> Floats:
        """Return tau at temperatures, **K**, in **s**."""
        inverse = 1.0 / (BOLTZMANN_EV * np.asarray(temperature, dtype=float))
        return np.exp(self.log_attempt_time + self.activation_energy * inverse)


def fit_relaxation(
    temperature: ArrayLike,
    t1: ArrayLike,
    *,
    larmor_hz: ArrayLike,
    t1_std: ArrayLike | None = None,
    model: RelaxationModel | None = None,
) -> RelaxationFit:
    """Fit coupling, activation energy and attempt time to T1 over temperature.

    Parameters
    ----------
    temperature : array_like, shape (n_points,)
        **K**.
    t1 : array_like, shape (n_points,)
        Of the initial rate, **s**.
    larmor_hz : array_like, shape () or (n_points,)
        Larmor frequency, **Hz**; points at several fields are fitted together.
    t1_std : array_like, shape (n_points,), optional
        1 sigma, **s**; from the scatter where absent.
    model : RelaxationModel, optional
        Spin 3/2, one correlation time, free coupling where absent.

    Returns
    -------
    RelaxationFit
        Too few points is a value with status ``FAILED``.

    Raises
    ------
    SchemaError
        Shapes that differ, values that are not positive.

    Notes
    -----
    ``tau = tau0 exp(Ea/kT)`` in :func:`structkit.nmr.bpp.quadrupolar_rate`; ln T1 is
    fitted, ln C_Q solved for. No T1 is shorter than the minimum of its coupling: a C_Q
    below :func:`structkit.nmr.bpp.coupling_bound` of a T1 (three sigma given) is not
    returned, and a held C_Q that breaks the bound is said in ``reason``.

    References
    ----------
    N. Bloembergen, E. M. Purcell and R. V. Pound, Phys. Rev. 73 (1948) 679,
    10.1103/PhysRev.73.679.
    """
    chosen = model or RelaxationModel()
    points = check_points(temperature, t1, larmor_hz=larmor_hz, t1_std=t1_std)
    held = chosen.coupling_hz is not None and chosen.coupling_std_hz is None
    needed = 2 + (not held) + (chosen.exponent is None) + (not points.known)
    if points.log_t1.size < needed or np.unique(points.inverse).size < 2:
        return _failed(points, f"{points.log_t1.size} points; the model needs {needed}")
    problem = RelaxationProblem(points=points, model=chosen)
    found = problem.solve(None)
    reasons = []
    bound = _bound(problem, found, sigmas=_SIGNIFICANT)
    log_coupling = math.log(chosen.coupling_hz) if held and chosen.coupling_hz else None
    if found.linear.size and found.linear[0] < math.log(bound):
        log_coupling = math.log(bound)
        found = problem.solve(log_coupling)
        reasons.append("C_Q is held at the least that the shortest T1 allows")
    elif log_coupling is not None and log_coupling < math.log(bound):
        reasons.append(
            f"a T1 of {math.exp(points.log_t1.min()):.3g} s is impossible with C_Q = "
            f"{math.exp(log_coupling) / 1e6:.3g} MHz: it needs {bound / 1e6:.3g} MHz"
        )
    return _summarise(problem, found, log_coupling=log_coupling, reasons=reasons)


def _summarise(
    problem: RelaxationProblem,
    found: SeparableFit,
    *,
    log_coupling: float | None,
    reasons: list[str],
) -> RelaxationFit:
    """Return the fit in words and numbers."""
    points, model = problem.points, problem.model
    theta, n_points = found.nonlinear, problem.points.log_t1.size
    scatter = 1.0 if points.known else found.chi_square / max(found.freedom, 1)
    covariance = found.scaled_covariance(scatter)
    std = found.scaled_std(scatter)
    energy = math.exp(theta[0])
    free = log_coupling is None
    log_c = float(found.linear[0]) if log_coupling is None else log_coupling
    turn = np.array([-energy * points.middle, 1.0])
    with np.errstate(invalid="ignore"):
        attempt_variance = float(turn @ covariance[:2, :2] @ turn)
    target = found.chi_square + _rise(points, found, scatter)
    side = _side(problem, found)
    exponent_std = 0.0 if model.exponent is not None else float(std[2])
    skew = free and not (side == "both" and std[-1] < _NORMAL)
    couplings = (math.exp(log_c), math.exp(log_c))
    if free:
        couplings = _interval(log_c, std[-1], points, found)
        if skew:
            ends = find_interval(
                _coupling_profile(problem, found),
                log_c,
                target=target,
                step=_FIRST_STEP,
                limits=(math.log(_COUPLING_LIMITS[0]), math.log(_COUPLING_LIMITS[1])),
            )
            couplings = (math.exp(ends[0]), _exp(ends[1]))
    energies = _interval(math.log(energy), std[0], points, found)
    if skew or not std[0] < _NORMAL:
        ends = find_interval(
            _energy_profile(problem, found, log_coupling),
            float(theta[0]),
            target=target,
            step=0.1,
            limits=(math.log(ENERGY_LIMITS[0]), math.log(ENERGY_LIMITS[1])),
        )
        energies = (math.exp(ends[0]), _exp(ends[1]))
    if side != "both" and free:
        trades = couplings[1] > _TRADED * couplings[0]
        what = "C_Q rests on the curve's shape alone"
        if trades:
            what = "C_Q and the attempt time trade; only a bound on C_Q holds"
        reasons.append(f"no T1 minimum between the temperatures ({side} side): {what}")
    reasons += _doubts(points, found)
    return RelaxationFit(
        activation_energy=energy,
        activation_energy_std=energy * float(std[0]),
        activation_energy_interval=energies,
        coupling_hz=math.exp(log_c),
        coupling_std_hz=math.exp(log_c) * float(std[-1]) if free else 0.0,
        coupling_interval_hz=couplings,
        coupling_bound_hz=_bound(problem, found, sigmas=0.0),
        log_attempt_time=problem.log_tau_middle(theta) - energy * points.middle,
        log_attempt_time_std=math.sqrt(max(attempt_variance, 0.0))
        if math.isfinite(attempt_variance)
        else math.inf,
        exponent=problem.exponent(theta),
        exponent_std=exponent_std,
        minimum_temperature=_minimum(problem, found),
        side=side,
        residual=found.residual[:n_points] * points.sigma,
        chi_square=found.chi_square,
        freedom=found.freedom,
        status=FitStatus.DOUBTFUL if reasons else FitStatus.CONVERGED,
        reason="\n".join(reasons),
    )


def _coupling_profile(
    problem: RelaxationProblem, found: SeparableFit
) -> Callable[[float], float]:
    """Return ln C_Q -> least chi-square over all else."""
    known, std = problem.model.coupling_hz, problem.model.coupling_std_hz

    def least(log_coupling: float) -> float:
        shifted = found.nonlinear.copy()
        shifted[1] += 2.0 * (log_coupling - float(found.linear[0]))
        starts = [list(found.nonlinear), list(shifted)]
        cost = problem.solve(log_coupling, starts=starts).chi_square
        if known is None or std is None:
            return cost
        return cost + ((log_coupling - math.log(known)) / (std / known)) ** 2

    return least


def _energy_profile(
    problem: RelaxationProblem, found: SeparableFit, log_coupling: float | None
) -> Callable[[float], float]:
    """Return ln Ea -> least chi-square over all else."""

    def least(log_energy: float) -> float:
        starts = [list(found.nonlinear)]
        starts += [[log_energy, p, *found.nonlinear[2:]] for p in PLACES]
        return problem.solve(log_coupling, starts=starts, energy=log_energy).chi_square

    return least


def _interval(
    logarithm: float, std: float, points: RelaxationPoints, found: SeparableFit
) -> tuple[float, float]:
    """Return the 95 % interval of what is normal in its logarithm."""
    tail = 0.5 + 0.5 * _CONFIDENCE
    freedom = math.inf if points.known else max(found.freedom, 1)
    reach = float(student.ppf(tail, freedom)) * float(std)
    if not math.isfinite(reach):
        return 0.0, math.inf
    return math.exp(logarithm - reach), _exp(logarithm + reach)


def _rise(points: RelaxationPoints, found: SeparableFit, scatter: float) -> float:
    """Return how far chi-square rises to the ends of a 95 % interval."""
    if points.known:
        return float(chi2.ppf(_CONFIDENCE, 1))
    tail = 0.5 + 0.5 * _CONFIDENCE
    return float(student.ppf(tail, max(found.freedom, 1))) ** 2 * scatter


def _exp(logarithm: float) -> float:
    """Return the exponential, infinite for what overflows."""
    return math.exp(logarithm) if logarithm < _LARGEST else math.inf


def _bound(problem: RelaxationProblem, found: SeparableFit, *, sigmas: float) -> float:
    """Return the least coupling that all T1 allow, each longer by some sigma."""
    points, model = problem.points, problem.model
    longest = points.log_t1 + sigmas * _errors(points, found)
    longer = np.exp(np.minimum(longest, _LARGEST))
    bounds = [
        coupling_bound(
            longer[number],
            larmor_hz=float(points.larmor[number]),
            asymmetry=model.asymmetry,
            spin=model.spin,
            exponent=problem.exponent(found.nonlinear),
        )
        for number in range(longer.size)
    ]
    return float(np.max(bounds))


def _errors(points: RelaxationPoints, found: SeparableFit) -> Floats:
    """Return 1 sigma of ln T1, shape (n_points,)."""
    if points.known:
        return points.sigma
    return points.sigma * math.sqrt(found.chi_square / max(found.freedom, 1))


def _minimum(problem: RelaxationProblem, found: SeparableFit) -> float:
    """Return the temperature of the T1 minimum at the first field, **K**."""
    points = problem.points
    fastest = rate_maximum(
        larmor_hz=float(points.larmor[0]),
        coupling_hz=1.0,
        spin=problem.model.spin,
        exponent=problem.exponent(found.nonlinear),
    )
    from_middle = math.log(fastest.correlation_time) - problem.log_tau_middle(
        found.nonlinear
    )
    inverse = points.middle + from_middle / math.exp(found.nonlinear[0])
    return 1.0 / (BOLTZMANN_EV * inverse) if inverse > 0.0 else math.inf


def _side(problem: RelaxationProblem, found: SeparableFit) -> Side:
    """Return on which side of the minimum the temperatures lie."""
    at = 1.0 / (BOLTZMANN_EV * _minimum(problem, found))
    if at <= float(problem.points.inverse.min()):
        return "slow"
    return "fast" if at >= float(problem.points.inverse.max()) else "both"


def _doubts(points: RelaxationPoints, found: SeparableFit) -> list[str]:
    """Return reasons to doubt the numbers."""
    reasons = []
    if found.at_limit[0]:
        reasons.append("the activation energy stands at its limit")
    if not found.converged:
        reasons.append("the minimiser ran out of steps")
    if points.known and found.freedom > 0:
        if float(chi2.sf(found.chi_square, found.freedom)) < _MISFIT:
            reasons.append(
                f"one activated motion misses the data: chi-square "
                f"{found.chi_square:.1f} for {found.freedom} degrees of freedom"
            )
    return reasons


def _failed(points: RelaxationPoints, reason: str) -> RelaxationFit:
    """Return the value that says why there are no numbers."""
    nothing = (math.nan, math.nan)
    return RelaxationFit(
        activation_energy=math.nan,
        activation_energy_std=math.nan,
        activation_energy_interval=nothing,
        coupling_hz=math.nan,
        coupling_std_hz=math.nan,
        coupling_interval_hz=nothing,
        coupling_bound_hz=math.nan,
        log_attempt_time=math.nan,
        log_attempt_time_std=math.nan,
        exponent=math.nan,
        exponent_std=math.nan,
        minimum_temperature=math.nan,
        side="both",
        residual=np.full(points.log_t1.shape, np.nan),
        chi_square=math.nan,
        freedom=0,
        status=FitStatus.FAILED,
        reason=reason,
    )
