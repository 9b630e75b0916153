"""What a fit is asked for and what it gives: options, parameters, covariance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from structkit.eis.circuits import Circuit
from structkit.eis.elements import Complexes, Floats
from structkit.eis.solve import MAX_STEPS
from structkit.errors import PlanError
from structkit.schema import FitStatus

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """How a circuit is fitted."""

    weighting: Literal["auto", "modulus", "std"] = "auto"
    """``modulus``: residuals over |Z|, their scale found from them; ``std``: over
    ``impedance_std``; ``auto``: ``std`` where it is given, else ``modulus``."""
    frequency_range: tuple[float, float] = (0.0, np.inf)
    """Points outside, in **Hz**, have no weight."""
    starts: int = 4
    """Starts from the data, 1 or more, where there is no warm one."""
    max_steps: int = MAX_STEPS
    """Most steps of one start."""
    held: Mapping[str, float] = field(default_factory=dict)
    """Parameters that keep a value, in their units."""

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if self.weighting not in ("auto", "modulus", "std"):
            raise PlanError(f"weighting {self.weighting!r}: auto, modulus or std")
        if self.starts < 1 or self.max_steps < 1:
            raise PlanError("starts and max_steps must be 1 or more")
        low, high = self.frequency_range
        if not 0.0 <= low < high:
            raise PlanError("frequency_range: two ascending frequencies in Hz")
        wrong = [name for name, value in self.held.items() if not value > 0.0]
        if wrong:
            raise PlanError(f"held {', '.join(wrong)}: values must be positive")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImpedanceFit:
    """A circuit's parameters with their covariance, and the curve."""

    circuit: Circuit
    """What was fitted."""
    log_values: Floats
    """Logarithms of the values, shape (n_parameters,)."""
    log_covariance: Floats
    """Their covariance; NaN for what is held, at a limit or without effect."""
    status: FitStatus
    """How it ended."""
    reason: str = ""
    """Why it is not ``CONVERGED``."""
    chi_square: float
    """Sum of squared residuals over |Z| or over ``impedance_std``."""
    weighting: Literal["modulus", "std"]
    """What residuals were divided by."""
    condition_number: float
    """Of the slopes, each scaled to length 1."""
    undetermined: tuple[str, ...] = ()
    """Parameters without an effect above the noise."""
    at_limit: tuple[str, ...] = ()
    """Parameters at a limit of their range."""
    frequency: Floats
    """All frequencies of the spectrum, **Hz**."""
    impedance: Complexes
    """As measured, **ohm**."""
    used: Bools
    """Points that had weight."""
    sigma: Floats
    """What residuals were divided by, **ohm**."""
    steps: int = 0
    """Steps of the last start."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parameters."""
        return self.circuit.names

    @property
    def values(self) -> Floats:
        """Return the values in the units of the circuit's parameters."""
        return np.exp(self.log_values)

    @property
    def values_std(self) -> Floats:
        """Return 1 sigma of the values; NaN where it is not known."""
        return np.asarray(self.values * np.sqrt(self.log_covariance.diagonal()))

    @property
    def correlation(self) -> Floats:
        """Return the correlations of the logarithms (the same as of the values)."""
        root = np.sqrt(self.log_covariance.diagonal())
        return np.asarray(self.log_covariance / root / root[:, None])

    @property
    def degrees_of_freedom(self) -> int:
        """Return the number of real residuals less that of free parameters."""
        free = int(np.sum(np.isfinite(self.log_covariance.diagonal())))
        return 2 * int(self.used.sum()) - free

    @property
    def reduced_chi_square(self) -> float:
        """Return chi-square over the degrees of freedom."""
        return self.chi_square / max(self.degrees_of_freedom, 1)

    @property
    def relative_residual(self) -> float:
        """Return the root mean square of residuals of each part over |Z|."""
        if not self.status.has_values:
            return np.nan
        gap = self.residual[self.used]
        return float(np.sqrt(np.mean(np.abs(gap) ** 2) / 2.0))

    @property
    def calculated(self) -> Complexes:
        """Return the fitted impedance at every frequency, **ohm**; NaN if it failed."""
        if not self.status.has_values:
            return np.full(self.frequency.size, np.nan, dtype=complex)
        return self.circuit.evaluate(self.frequency, self.values)

    @property
    def residual(self) -> Complexes:
        """Return measured less calculated over |Z|, at every frequency."""
        gap = self.impedance - self.calculated
        return np.asarray(gap / np.abs(self.impedance))

    def value(self, name: str) -> float:
        """Return the value of a parameter in its units."""
        return float(self.values[self.circuit.place(name)])

    def std(self, name: str) -> float:
        """Return 1 sigma of a parameter in its units; NaN where it is not known."""
        return float(self.values_std[self.circuit.place(name)])
