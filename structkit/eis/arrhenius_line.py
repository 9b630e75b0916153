"""A straight line of ln(sigma T) or ln(sigma) over 1/T: numbers in, numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import chdtri, stdtrit

from structkit.errors import SchemaError
from structkit.schema import FitStatus
from structkit.schema.conductivity import LN_SIGMA_T

Floats = NDArray[np.float64]
Convention = Literal["ln_sigma_T", "ln_sigma"]

BOLTZMANN_EV = 8.617333262e-5
"""eV/K, exact in the SI of 2019."""
_MIN_POINTS = 2
_ENOUGH_POINTS = 3
_MANY = 1e6
"""Degrees of freedom that are as good as infinite."""
_REWEIGHTINGS = 4
"""Times the weights follow the activation energy; the third changes nothing."""
_NO_SPAN = 1e-9
"""Relative spread of 1/T below which there is no slope, and share of the variance
below which there is no extra scatter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrheniusSettings:
    """Errors of the temperature, weights and level of a fit of conductivities."""

    temperature_std_k: float = 0.0
    """Of each temperature on its own, **K**. At 0 what it does is found with all
    other scatter about the line."""
    temperature_offset_std_k: float = 1.0
    """Of all temperatures together (sensor against sample), **K**."""
    weights: Literal["statistical", "none"] = "statistical"
    """By the statistical errors of the conductivities, or all alike."""
    level: float = 0.95
    """Of the intervals."""

    def __post_init__(self) -> None:
        """Refuse negative errors and levels outside 0 to 1."""
        if self.temperature_std_k < 0.0 or self.temperature_offset_std_k < 0.0:
            raise SchemaError("Arrhenius: errors of the temperature are 0 or positive")
        if self.weights not in ("statistical", "none"):
            raise SchemaError("Arrhenius: weights are 'statistical' or 'none'")
        if not 0.0 < self.level < 1.0:
            raise SchemaError("Arrhenius: level is between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrheniusLine:
    """A fitted line; its parameters are (ln of the prefactor, activation energy)."""

    convention: Convention
    """``ln_sigma_T`` (prefactor in S K/cm) or ``ln_sigma`` (S/cm)."""
    values: Floats = field(default_factory=lambda: np.full(2, math.nan))
    """Shape (2,), ``1`` and **eV**."""
    covariance: Floats = field(default_factory=lambda: np.full((2, 2), math.nan))
    """Every error source in."""
    statistical_covariance: Floats = field(
        default_factory=lambda: np.full((2, 2), math.nan)
    )
    """Without geometry, leads and the temperatures' common error."""
    degrees_of_freedom: float = math.nan
    """Effective, of the statistical part: few where the scatter had to be found."""
    n_points: int = 0
    """Points used."""
    reduced_chi_square: float = math.nan
    """With the errors as given; NaN where there are none."""
    extra_scatter: float = math.nan
    """1 sigma of ln(sigma) that the given errors lack."""
    status: FitStatus = FitStatus.FAILED
    """How it ended."""
    reason: str = ""
    """Why not well."""

    @property
    def energy(self) -> float:
        """Return the activation energy, **eV**."""
        return float(self.values[1])

    @property
    def energy_std(self) -> float:
        """Return 1 sigma of the activation energy, all sources, **eV**."""
        return math.sqrt(self.covariance[1, 1])

    def energy_limits(self, level: float) -> tuple[float, float]:
        """Return the limits of the activation energy, **eV**."""
        reach = self.reach(np.array([0.0, 1.0]), level)
        return self.energy - reach, self.energy + reach

    def reach(self, direction: Floats, level: float) -> float:
        """Return half the interval of a linear combination of the parameters."""
        own = float(direction @ self.statistical_covariance @ direction)
        whole = float(direction @ self.covariance @ direction)
        return student_reach(own, whole, self.degrees_of_freedom, level=level)

    def ln_conductivity(self, temperature: Floats) -> Floats:
        """Return ln(sigma / (S/cm)) on the line."""
        exponent = self.values[0] - self.energy / (BOLTZMANN_EV * temperature)
        if self.convention == LN_SIGMA_T:
            exponent = exponent - np.log(temperature)
        return np.asarray(exponent)


def student_reach(
    statistical: float, whole: float, freedom: float, *, level: float
) -> float:
    """Return half the interval of a value with a found and a known variance.

    The degrees of freedom are those of the found part times the square of the ratio
    of both variances (Welch and Satterthwaite).
    """
    if not statistical > 0.0:
        ratio = math.inf
    else:
        ratio = whole / statistical
    effective = min(freedom * ratio**2, _MANY)
    return float(stdtrit(effective, 0.5 + 0.5 * level)) * math.sqrt(whole)


def fit_line(
    temperature: Floats,
    conductivity: Floats,
    *,
    relative_std: Floats | None = None,
    scale_std: float = 0.0,
    shifts: Floats | None = None,
    convention: Convention = LN_SIGMA_T,
    settings: ArrheniusSettings | None = None,
) -> ArrheniusLine:
    """Fit ln(sigma T) or ln(sigma) as a line over 1/T.

    Parameters
    ----------
    temperature, conductivity : ndarray, shape (n,)
        **K** and **S cm-1**; not finite or not positive: left out.
    relative_std : ndarray, shape (n,), optional
        1 sigma of each conductivity from its own fit, over the conductivity. Where
        any is unknown or zero, all points weigh alike and the scatter tells their
        error.
    scale_std : float, default 0
        1 sigma of a factor of all conductivities (geometry), relative; NaN: unknown.
        It reaches the prefactor only.
    shifts : ndarray, shape (n_sources, n), optional
        What 1 sigma of another common source (leads) does to each ln(sigma).
    convention : {"ln_sigma_T", "ln_sigma"}
        What is a line.
    settings : ArrheniusSettings, optional
        Errors of the temperature, weights.

    Returns
    -------
    ArrheniusLine
        A fit that cannot be made is a value with its reason.

    Notes
    -----
    Weighted least squares with the effective variance of each point: its own, plus
    ``(E / (k T^2) - 1/T)^2`` (``ln(sigma)``: ``(E / (k T^2))^2``) times that of its
    temperature. Scatter beyond it is a variance in ln(sigma), the same at all points,
    that brings chi-square to the middle of its distribution (Paule and Mandel, but
    median-unbiased); where there is any, the interval is Student's, as few points tell
    little of it.

    References
    ----------
    Paule, R. C., Mandel, J., J. Res. Natl. Bur. Stand. 87, 377 (1982),
    doi:10.6028/jres.087.022.

    Examples
    --------
    >>> kelvin = np.array([280.0, 300.0, 320.0, 340.0])
    >>> sigma = 1e4 / kelvin * np.exp(-0.35 / (BOLTZMANN_EV * kelvin))
    >>> print(f"{fit_line(kelvin, sigma).energy:.4f} eV")
    0.3500 eV
    """
    settings = settings or ArrheniusSettings()
    with np.errstate(invalid="ignore"):
        used = np.isfinite(temperature) & np.isfinite(conductivity)
        used &= (conductivity > 0.0) & (temperature > 0.0)
    kelvin, sigma = temperature[used], conductivity[used]
    reason = _tell_impossible(kelvin)
    if reason:
        return ArrheniusLine(convention=convention, n_points=kelvin.size, reason=reason)
    own = None if relative_std is None else relative_std[used] ** 2
    if (
        settings.weights == "none"
        or own is None
        or not np.all((own > 0.0) & np.isfinite(own))
    ):
        own = None
    common = np.zeros((0, kelvin.size)) if shifts is None else shifts[:, used]
    line = _Line(kelvin, np.log(sigma), convention=convention, settings=settings)
    return line.fit(own, common, scale_std)


class _Line:
    """The linear problem of one series and one convention."""

    def __init__(
        self,
        kelvin: Floats,
        ln_sigma: Floats,
        *,
        convention: Convention,
        settings: ArrheniusSettings,
    ) -> None:
        self.kelvin, self.convention, self.settings = kelvin, convention, settings
        has_t = convention == LN_SIGMA_T
        self.observed = ln_sigma + (np.log(kelvin) if has_t else 0.0)
        self.design = np.stack(
            [np.ones_like(kelvin), -1.0 / (BOLTZMANN_EV * kelvin)], axis=1
        )
        self.freedom = kelvin.size - 2

    def fit(
        self, own: Floats | None, common: Floats, scale_std: float
    ) -> ArrheniusLine:
        """Return the line; ``own`` are the given variances or None."""
        energy, extra, gain = 0.0, 0.0, self._gain(np.ones_like(self.kelvin))
        variance = known = np.zeros_like(self.kelvin)
        turns = _REWEIGHTINGS if self.settings.temperature_std_k > 0.0 else 1
        for _ in range(turns):
            if own is None:
                extra = self._chi(gain, np.ones_like(known)) / max(self.freedom, 1)
                variance = np.full_like(known, extra)
            else:
                known = (
                    own + (self._slope(energy) * self.settings.temperature_std_k) ** 2
                )
                extra, gain = self._with_extra(known)
                variance = known + extra
            energy = float(gain[1] @ self.observed)
        statistical = gain * variance @ gain.T
        steady = gain * known @ gain.T
        offset = self._slope(energy) * self.settings.temperature_offset_std_k
        moved = gain @ np.vstack([common, offset]).T
        weighted = np.all(known > 0.0)
        chi = self._chi(self._gain(1.0 / known), known) if weighted else math.nan
        two = self.freedom == 0
        if two and own is None:
            statistical = np.full((2, 2), math.nan)
        covariance = statistical + moved @ moved.T
        covariance[0, 0] += scale_std**2
        return ArrheniusLine(
            convention=self.convention,
            values=gain @ self.observed,
            covariance=covariance,
            statistical_covariance=statistical,
            degrees_of_freedom=self._effective(statistical, steady),
            n_points=self.kelvin.size,
            reduced_chi_square=chi / self.freedom if self.freedom else math.nan,
            extra_scatter=math.sqrt(extra),
            status=FitStatus.DOUBTFUL if two else FitStatus.CONVERGED,
            reason="two points: nothing tells whether they lie on a line" * two,
        )

    def _slope(self, energy: float) -> Floats:
        """Return what one kelvin of a wrong temperature does to a residual."""
        slope = -energy / (BOLTZMANN_EV * self.kelvin**2)
        return slope + (1.0 / self.kelvin if self.convention == LN_SIGMA_T else 0.0)

    def _gain(self, weights: Floats) -> Floats:
        """Return the matrix (2, n) that makes parameters of observations."""
        x, share = self.design[:, 1], weights / weights.sum()
        apart = x - share @ x
        slope = share * apart / (share @ apart**2)
        return np.stack([share - (share @ x) * slope, slope])

    def _chi(self, gain: Floats, variance: Floats) -> float:
        """Return chi-square about the line of a gain."""
        left = self.observed - self.design @ (gain @ self.observed)
        return float(left @ (left / variance))

    def _with_extra(self, known: Floats) -> tuple[float, Floats]:
        """Return the extra variance (after Paule and Mandel) and the gain with it."""
        middle = float(chdtri(self.freedom, 0.5)) if self.freedom > 0 else 0.0

        def excess(extra: float) -> float:
            total = known + extra
            return self._chi(self._gain(1.0 / total), total) - middle

        extra = 0.0
        if self.freedom > 0 and excess(0.0) > 0.0:
            plain = self._gain(np.ones_like(known))
            high = self._chi(plain, np.ones_like(known)) / middle
            while excess(high) > 0.0:
                high *= 2.0
            extra = float(brentq(excess, 0.0, high, rtol=1e-6))
        return extra, self._gain(1.0 / (known + extra))

    def _effective(self, statistical: Floats, steady: Floats) -> float:
        """Return the degrees of freedom: few where the scatter was found."""
        if self.freedom == 0:
            return _MANY
        if not statistical[1, 1] > 0.0:
            return float(self.freedom)
        share = 1.0 - steady[1, 1] / statistical[1, 1]
        return float(self.freedom) if share > _NO_SPAN else _MANY


def _tell_impossible(kelvin: Floats) -> str:
    """Return why there can be no line; empty where there can."""
    if kelvin.size < _MIN_POINTS:
        return f"{kelvin.size} usable conductivities; a line needs {_MIN_POINTS}"
    if np.ptp(1.0 / kelvin) <= _NO_SPAN / kelvin.mean():
        return "all conductivities are at one temperature"
    return ""


def convention_difference(temperature: Floats) -> float:
    """Return by how much ln(sigma) lowers the activation energy: k T of the mean.

    Parameters
    ----------
    temperature : ndarray
        Of the points, **K**.

    Returns
    -------
    float
        **eV**.

    Examples
    --------
    >>> round(convention_difference(np.arange(258.15, 329.0, 10.0)), 3)
    0.025
    """
    return float(BOLTZMANN_EV * np.mean(temperature))


def same_prefactor_ratio(high: float, low: float, *, temperature: float) -> float:
    """Return the ratio of conductivities that two activation energies alone make.

    Parameters
    ----------
    high, low : float
        Activation energies, **eV**.
    temperature : float
        **K**.

    Examples
    --------
    >>> round(same_prefactor_ratio(0.36, 0.32, temperature=298.15), 1)
    4.7
    """
    return math.exp((high - low) / (BOLTZMANN_EV * temperature))


def expected_energy_std(temperature: Floats, relative_std: float) -> float:
    """Return 1 sigma of the activation energy that noise of sigma leaves.

    Parameters
    ----------
    temperature : ndarray, shape (n,)
        Of the points, **K**.
    relative_std : float
        Noise of each conductivity, relative.

    Returns
    -------
    float
        **eV**.

    Examples
    --------
    >>> kelvin = np.arange(258.15, 329.0, 10.0)
    >>> [round(expected_energy_std(kelvin, s), 4) for s in (0.02, 0.05, 0.1)]
    [0.0023, 0.0056, 0.0113]
    """
    inverse = 1.0 / (BOLTZMANN_EV * temperature)
    return float(relative_std / np.sqrt(np.sum((inverse - inverse.mean()) ** 2)))
