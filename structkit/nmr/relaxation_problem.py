"""T1 over temperature as a least squares problem of few parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import physical_constants

from structkit.errors import SchemaError
from structkit.nmr.bpp import DEBYE, quadrupolar_rate
from structkit.nmr.separable import Separable, SeparableFit, fit_separable

Floats = NDArray[np.float64]

BOLTZMANN_EV = float(physical_constants["Boltzmann constant in eV/K"][0])
ENERGY_LIMITS = (0.005, 3.0)
"""Activation energies that are looked at, **eV**."""
REACH = 25.0
"""ln of omega tau at the mean 1/T lies within plus and minus this."""
PLACES = tuple(float(place) for place in np.linspace(-8.0, 8.0, 13))
"""ln of omega tau at the mean 1/T to start from."""
_EXPONENT_LIMITS = (1.05, DEBYE)
_N_ENERGIES = 8
_EXPONENT_STARTS = (1.3, 1.8)
_KEPT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxationModel:
    """What is known before T1 over temperature is fitted."""

    spin: float = 1.5
    """Of the nucleus."""
    asymmetry: float = 0.0
    """Of the field gradient; with 0 the coupling is ``C_Q sqrt(1 + eta^2/3)``."""
    exponent: float | None = DEBYE
    """1 + beta of the spectral density, in (1, 2]; None is free."""
    coupling_hz: float | None = None
    """C_Q where it is known, **Hz**; None is free."""
    coupling_std_hz: float | None = None
    """1 sigma of a known C_Q, **Hz**; None holds it."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.exponent is not None and not 1.0 < self.exponent <= DEBYE:
            raise SchemaError(f"exponent is {self.exponent}; 1 + beta lies in (1, 2]")
        if self.coupling_hz is not None and not self.coupling_hz > 0.0:
            raise SchemaError(f"coupling_hz is {self.coupling_hz}; it is positive")
        if self.coupling_std_hz is not None and (
            self.coupling_hz is None or not self.coupling_std_hz > 0.0
        ):
            raise SchemaError("coupling_std_hz must be positive, beside coupling_hz")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelaxationPoints:
    """Checked data."""

    inverse: Floats
    log_t1: Floats
    sigma: Floats
    larmor: Floats
    known: bool

    @property
    def middle(self) -> float:
        """Return the mean 1/kT, **1/eV**."""
        return float(self.inverse.mean())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelaxationProblem:
    """A model on points, with nonlinear (ln Ea, ln omega tau, [1 + beta])."""

    points: RelaxationPoints
    model: RelaxationModel

    def unit(self, theta: Floats) -> Floats:
        """Return ln T1 for a coupling of 1 Hz, shape (n_points,)."""
        exponent = self.exponent(theta)
        tau = np.exp(self.log_tau(theta))
        rate = quadrupolar_rate(
            tau,
            larmor_hz=self.points.larmor,
            coupling_hz=1.0,
            asymmetry=self.model.asymmetry,
            spin=self.model.spin,
            exponent=exponent,
        )
        return np.asarray(-np.log(rate))

    def log_tau(self, theta: Floats) -> Floats:
        """Return ln tau at every point."""
        from_middle = self.points.inverse - self.points.middle
        return np.asarray(self.log_tau_middle(theta) + math.exp(theta[0]) * from_middle)

    def log_tau_middle(self, theta: Floats) -> float:
        """Return ln tau at the mean 1/T."""
        return float(theta[1] - math.log(2.0 * math.pi * self.points.larmor[0]))

    def exponent(self, theta: Floats) -> float:
        """Return 1 + beta."""
        held = self.model.exponent
        return float(theta[2]) if held is None else held

    def separable(self, log_coupling: float | None) -> Separable:
        """Return the model; ln C_Q is solved for, known to an error, or held."""
        free = log_coupling is None
        prior = free and self.model.coupling_std_hz is not None

        def columns(theta: Floats) -> Floats:
            size = self.points.log_t1.size
            slopes = np.full((size, 1), -2.0) if free else np.zeros((size, 0))
            return np.vstack([slopes, np.ones((1, 1))]) if prior else slopes

        def offset(theta: Floats) -> Floats:
            curve = self.unit(theta)
            if not free:
                curve = curve - 2.0 * (log_coupling or 0.0)
            return np.append(curve, 0.0) if prior else curve

        low = [math.log(ENERGY_LIMITS[0]), -REACH]
        high = [math.log(ENERGY_LIMITS[1]), REACH]
        if self.model.exponent is None:
            low.append(_EXPONENT_LIMITS[0])
            high.append(_EXPONENT_LIMITS[1])
        return Separable(
            columns=columns, low=tuple(low), high=tuple(high), offset=offset
        )

    def solve(
        self,
        log_coupling: float | None,
        *,
        starts: list[list[float]] | None = None,
        energy: float | None = None,
    ) -> SeparableFit:
        """Return the minimum, with ln C_Q or the energy held where given."""
        known = self.model.coupling_hz
        if known is not None and self.model.coupling_std_hz is None:
            log_coupling = math.log(known)
        values, sigma = self.points.log_t1, self.points.sigma
        std = self.model.coupling_std_hz
        if log_coupling is None and known is not None and std is not None:
            values = np.append(values, math.log(known))
            sigma = np.append(sigma, std / known)
        separable = self.separable(log_coupling)
        begun = starts or self.starts()
        if energy is not None:
            separable = _holding_first(separable, energy)
            begun = [start[1:] for start in begun]
        return fit_separable(
            separable, values, sigma=sigma, starts=begun, n_kept=1 if starts else _KEPT
        )

    def starts(self) -> list[list[float]]:
        """Return where to begin: both sides of the minimum, all energies."""
        energies = np.log(np.geomspace(*ENERGY_LIMITS, _N_ENERGIES))
        pairs = [[float(e), p] for e in energies for p in PLACES]
        if self.model.exponent is not None:
            return pairs
        return [[*pair, exponent] for pair in pairs for exponent in _EXPONENT_STARTS]


def check_points(
    temperature: ArrayLike,
    t1: ArrayLike,
    *,
    larmor_hz: ArrayLike,
    t1_std: ArrayLike | None,
) -> RelaxationPoints:
    """Return checked arrays."""
    kelvin = np.asarray(temperature, dtype=float)
    times = np.asarray(t1, dtype=float)
    if kelvin.ndim != 1 or kelvin.shape != times.shape or kelvin.size == 0:
        raise SchemaError("give one T1 for each temperature")
    larmor = np.broadcast_to(np.asarray(larmor_hz, dtype=float), times.shape)
    relative = np.ones(times.shape)
    if t1_std is not None:
        relative = np.broadcast_to(np.asarray(t1_std, float), times.shape) / times
    for name, values in (
        ("temperature", kelvin),
        ("t1", times),
        ("larmor_hz", larmor),
        ("t1_std", relative),
    ):
        if not np.all(np.isfinite(values) & (values > 0.0)):
            raise SchemaError(
                f"{name} must be finite and positive; are units K, s, Hz?"
            )
    return RelaxationPoints(
        inverse=1.0 / (BOLTZMANN_EV * kelvin),
        log_t1=np.log(times),
        sigma=relative,
        larmor=larmor,
        known=t1_std is not None,
    )


def _holding_first(separable: Separable, value: float) -> Separable:
    """Return the problem with its first nonlinear parameter held."""
    offset = separable.offset

    def whole(theta: Floats) -> Floats:
        return np.concatenate([[value], theta])

    return Separable(
        columns=lambda theta: separable.columns(whole(theta)),
        offset=None if offset is None else lambda theta: offset(whole(theta)),
        low=separable.low[1:],
        high=separable.high[1:],
    )
