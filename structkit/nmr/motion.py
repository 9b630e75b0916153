"""Motional narrowing of lines over temperature (Hendrickson and Bray)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from structkit.errors import SchemaError
from structkit.nmr.relaxation_problem import BOLTZMANN_EV
from structkit.nmr.separable import Separable, fit_separable
from structkit.schema import FitStatus

Floats = NDArray[np.float64]

WAUGH_FEDIN = 1.617e-3
"""Activation energy over onset temperature, **eV/K**: 37 cal/(mol K)."""
_N_PARAMETERS = 4
_ENERGIES = (0.01, 3.0)
_N_ENERGIES = 10
_N_PLACES = 9
_KEPT = 2
_PLATEAU = 0.1
_SCATTER = 9.0
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NarrowingFit:
    """``A / (1 + (A/B - 1) exp(-Ea/kT)) + D`` at its best values."""

    activation_energy: float
    """**eV**; NaN where the fit failed."""
    activation_energy_std: float
    """1 sigma from the scatter of the widths, **eV**."""
    interval: tuple[float, float]
    """95 % interval of the activation energy, **eV**."""
    rigid_width: float
    """A, width without motion less D, units of the widths."""
    rigid_width_std: float
    """1 sigma."""
    narrowed_width: float
    """D, width that motion does not average, units of the widths."""
    narrowed_width_std: float
    """1 sigma."""
    log_ratio: float
    """ln(A/B - 1)."""
    log_ratio_std: float
    """1 sigma."""
    reduced_chi_square: float
    """Sum of squares over variance and freedom; without std, the variance itself."""
    residual: Floats
    """Data less model, shape (n_temperatures,)."""
    status: FitStatus
    """How it ended."""
    reason: str = ""
    """Why not well, one sentence a line."""

    @property
    def thermal_width(self) -> float:
        """Return B, units of the widths."""
        return self.rigid_width / (1.0 + math.exp(self.log_ratio))

    def curve(self, temperature: ArrayLike) -> Floats:
        """Return widths at temperatures, **K**, units of the widths."""
        inverse = 1.0 / (BOLTZMANN_EV * np.asarray(temperature, dtype=float))
        mobile = _mobile(self.log_ratio - self.activation_energy * inverse)
        return np.asarray(self.rigid_width * mobile + self.narrowed_width)


def fit_narrowing(
    temperature: ArrayLike, width: ArrayLike, *, width_std: ArrayLike | None = None
) -> NarrowingFit:
    """Fit the Hendrickson-Bray curve to line widths over temperature.

    Parameters
    ----------
    temperature : array_like, shape (n_temperatures,)
        **K**.
    width : array_like, shape (n_temperatures,)
        Full widths, any one unit.
    width_std : array_like, same shape, optional
        1 sigma; without it all widths weigh the same.

    Returns
    -------
    NarrowingFit
        Uncertainties are scaled by the scatter about the curve in both cases.

    Raises
    ------
    SchemaError
        Shapes that differ, values that are not finite or not positive.

    Notes
    -----
    The curve is a logistic function of 1/T, so A and D are solved for. The formula is
    a description: its energies differ from those of T1 or conductivity, and widths
    whose quoted errors are far below their scatter about it (said so in ``reason``)
    give a weighted result that only the most precise points decide.

    References
    ----------
    J. R. Hendrickson and P. J. Bray, J. Magn. Reson. 9 (1973) 341,
    10.1016/0022-2364(73)90176-5.
    """
    kelvin, widths, sigma = _check(temperature, width, width_std)
    needed = _N_PARAMETERS + 1
    if np.unique(kelvin).size < needed:
        return _failed(widths, f"{np.unique(kelvin).size} temperatures; give {needed}")
    inverse = 1.0 / (BOLTZMANN_EV * kelvin)
    middle = float(inverse.mean())
    span = float(np.ptp(inverse))

    def columns(theta: Floats) -> Floats:
        mobile = _mobile(math.exp(theta[0]) * (theta[1] - inverse))
        return np.column_stack([mobile, np.ones_like(mobile)])

    low = math.log(_ENERGIES[0]), middle - span
    high = math.log(_ENERGIES[1]), middle + span
    found = fit_separable(
        Separable(columns=columns, low=low, high=high),
        widths,
        sigma=sigma,
        starts=[
            (energy, place)
            for energy in np.linspace(low[0], high[0], _N_ENERGIES)
            for place in np.linspace(low[1], high[1], _N_PLACES)
        ],
        n_kept=_KEPT,
    )
    scatter = found.chi_square / found.freedom
    covariance = found.scaled_covariance(scatter)
    std = found.scaled_std(scatter)
    energy = math.exp(found.nonlinear[0])
    place = float(found.nonlinear[1])
    both = np.array([energy * place, energy])
    reach = float(student.ppf(0.5 + 0.5 * _CONFIDENCE, found.freedom)) * float(std[0])
    reasons = _doubts(found.linear, energy, place, inverse=inverse)
    if width_std is not None and scatter > _SCATTER:
        reasons.append(
            f"the widths scatter {math.sqrt(scatter):.0f} times their quoted errors "
            "about the curve: weights by those errors are not to be trusted"
        )
    if not np.all(np.isfinite(np.diag(covariance))):
        reasons.append("the widths do not tell the parameters apart")
    if any(found.at_limit):
        reasons.append("the activation energy or the middle stands at its limit")
    if not found.converged:
        reasons.append("the minimiser ran out of steps")
    return NarrowingFit(
        activation_energy=energy,
        activation_energy_std=energy * float(std[0]),
        interval=(energy * math.exp(-reach), energy * math.exp(reach)),
        rigid_width=float(found.linear[0]),
        rigid_width_std=float(std[2]),
        narrowed_width=float(found.linear[1]),
        narrowed_width_std=float(std[3]),
        log_ratio=energy * place,
        log_ratio_std=float(np.sqrt(both @ covariance[:2, :2] @ both)),
        reduced_chi_square=scatter,
        residual=found.residual * sigma,
        status=FitStatus.DOUBTFUL if reasons else FitStatus.CONVERGED,
        reason="\n".join(reasons),
    )


def estimate_waugh_fedin(onset_temperature: float) -> float:
    """Return a rough activation energy from where narrowing begins, **eV**.

    Parameters
    ----------
    onset_temperature : float
        **K**, positive.

    Raises
    ------
    SchemaError
        A temperature that is not positive.

    Notes
    -----
    ``Ea = 1.617e-3 eV/K x T``: a rule for an attempt frequency common to all solids,
    good to a few tens of per cent.

    References
    ----------
    J. S. Waugh and E. I. Fedin, Sov. Phys. Solid State 4 (1963) 1633.

    Examples
    --------
    >>> print(f"{estimate_waugh_fedin(250.0):.2f} eV")
    0.40 eV
    """
    if not onset_temperature > 0.0:
        raise SchemaError(f"onset_temperature is {onset_temperature}; give K")
    return WAUGH_FEDIN * onset_temperature


def find_onset(
    temperature: ArrayLike, width: ArrayLike, *, share: float = 0.5
) -> float:
    """Return the temperature where a share of the narrowing has happened, **K**.

    Parameters
    ----------
    temperature : array_like, shape (n_temperatures,)
        **K**.
    width : array_like, shape (n_temperatures,)
        Any one unit.
    share : float, default 0.5
        Of the way from the widest to the narrowest line.

    Returns
    -------
    float
        Interpolated; NaN where the widths do not fall.

    Raises
    ------
    SchemaError
        As :func:`fit_narrowing`.
    """
    kelvin, widths, _ = _check(temperature, width, None)
    order = np.argsort(kelvin)
    kelvin, widths = kelvin[order], widths[order]
    level = widths.max() - share * float(np.ptp(widths))
    below = np.flatnonzero(widths <= level)
    if np.ptp(widths) == 0.0 or below.size == 0 or below[0] == 0:
        return math.nan
    after = int(below[0])
    pair = slice(after - 1, after + 1)
    return float(np.interp(-level, -widths[pair], kelvin[pair]))


def _mobile(exponent: Floats) -> Floats:
    """Return ``1 / (1 + exp(exponent))`` without overflow."""
    return np.asarray(0.5 * (1.0 - np.tanh(0.5 * exponent)))


def _check(
    temperature: ArrayLike, width: ArrayLike, width_std: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Return checked arrays."""
    kelvin = np.asarray(temperature, dtype=float)
    widths = np.asarray(width, dtype=float)
    sigma = np.ones(widths.shape)
    if width_std is not None:
        sigma = np.asarray(width_std, dtype=float)
    if kelvin.ndim != 1 or not kelvin.shape == widths.shape == sigma.shape:
        raise SchemaError("temperature, width and width_std differ in shape")
    for name, values in (("temperature", kelvin), ("width", widths), ("std", sigma)):
        if not np.all(np.isfinite(values) & (values > 0.0)):
            raise SchemaError(f"{name} must be finite and positive; is it in K?")
    return kelvin, widths, sigma


def _doubts(
    linear: Floats, energy: float, place: float, *, inverse: Floats
) -> list[str]:
    """Return what the temperatures leave open."""
    mobile = _mobile(energy * (place - inverse))
    reasons = []
    if linear[0] < 0.0:
        reasons.append("the widths rise with temperature: no motional narrowing")
    if mobile.max() < 1.0 - _PLATEAU:
        reasons.append("the rigid lattice is not reached: add lower temperatures")
    if mobile.min() > _PLATEAU:
        reasons.append("the narrowed line is not reached: add higher temperatures")
    return reasons


def _failed(widths: Floats, reason: str) -> NarrowingFit:
    """Return the value that says why there are no numbers."""
    return NarrowingFit(
        activation_energy=math.nan,
        activation_energy_std=math.nan,
        interval=(math.nan, math.nan),
        rigid_width=math.nan,
        rigid_width_std=math.nan,
        narrowed_width=math.nan,
        narrowed_width_std=math.nan,
        log_ratio=math.nan,
        log_ratio_std=math.nan,
        reduced_chi_square=math.nan,
        residual=np.full(widths.shape, np.nan),
        status=FitStatus.FAILED,
        reason=reason,
    )
