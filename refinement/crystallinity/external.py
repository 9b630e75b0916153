"""External standard: one instrument constant turns scales into contents (SCIENCE B4).

    S_p = G W_p tau_p / mu*            W_p = S_p mu* / (G tau_p)

S is the mass-proportional scale, mu* the sample's mass attenuation coefficient, which a
closed jar keeps, G the instrument's constant, tau the microabsorption factor, 1 in a
milled powder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.xrd.absorption import brindley_factor

Floats = NDArray[np.float64]

STRUCTURE_STD = 0.015
"""Relative 1 sigma by which a structure's own errors (B within 0.2 square angstrom,
preferred orientation within r = 0.95) scatter its scale against those of others."""
CLASSES = ((0.01, "fine"), (0.1, "medium"), (1.0, "coarse"))
"""Brindley's classes by linear attenuation times diameter; beyond: no model holds."""
_CM_PER_UM = 1e-4
_ROUNDS = 30
_STEP = 1e-3
_MOST_SPREAD = 2.0
"""Largest relative spread between phases that is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAmount:
    """A scale of which the weight fraction is known: one estimate of the constant."""

    phase: str
    """Its phase."""
    sample: str
    """Where it was measured."""
    scale: float
    """Mass-proportional scale."""
    weight_fraction: float
    """Crystalline weight fraction of the phase in that sample."""
    weight_std: float
    """Relative 1 sigma of the weight fraction."""
    attenuation: float
    """Mass attenuation coefficient of the sample, **cm2/g**."""
    contrast: float
    """Linear attenuation of the phase less the mean of the sample's solid, **1/cm**."""
    linear_attenuation: float
    """Linear attenuation of the phase, **1/cm**."""

    @property
    def log_constant(self) -> float:
        """Return ``ln(S mu* / W)``: the constant times tau."""
        return math.log(self.scale * self.attenuation / self.weight_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentConstant:
    """The instrument's constant for each phase, and how well it is known."""

    source: str
    """``unmilled``, ``monitor`` or ``spiked``."""
    samples: tuple[str, ...]
    """Samples that gave it."""
    phases: tuple[str, ...]
    """All phases of the plan."""
    log_constants: Floats
    """ln G of each phase, shape (n_phases,): the common constant and what is a phase's
    own (its structure's errors), as far as the estimates tell."""
    covariance: Floats
    """Of ``log_constants``, shape (n_phases, n_phases)."""
    estimates: tuple[KnownAmount, ...]
    """What it was estimated from."""
    log_tau: Floats
    """ln of the microabsorption factor of each estimate at that diameter."""
    deviations: Floats
    """ln of each estimate over the common constant, microabsorption taken out."""
    log_common: float
    """ln of the common constant."""
    log_common_std: float
    """1 sigma of it."""
    spread: float
    """Relative 1 sigma between phases beyond their known errors; NaN: one estimate."""
    chi_square: float
    """Of the estimates about one constant, before any spread is added."""
    degrees_of_freedom: int
    """Estimates less one."""
    particle_size_um: float
    """Particle diameter that fits them best, micrometre."""
    size_class: str
    """Brindley's class of the coarsest phase at the largest diameter allowed."""

    def factors_in(self, sample: str) -> Floats:
        """Return the microabsorption factor of each phase in a sample of the estimates.

        1 elsewhere: a milled powder is fine.
        """
        factors = np.ones(len(self.phases))
        for one, tau in zip(self.estimates, self.log_tau.tolist(), strict=True):
            if one.sample == sample:
                factors[self.phases.index(one.phase)] = math.exp(tau)
        return factors

    @property
    def common(self) -> float:
        """Return G of the whole, in units of scale times **cm2/g**."""
        return math.exp(self.log_common)


def size_class(linear_attenuation: float, diameter_um: float) -> str:
    """Return Brindley's class of a powder.

    Parameters
    ----------
    linear_attenuation : float
        Of the phase, **1/cm**.
    diameter_um : float
        Particle diameter, **micrometre**.

    Returns
    -------
    str
        ``fine`` (no correction needed), ``medium``, ``coarse`` or ``invalid``.

    References
    ----------
    Brindley (1945), Phil. Mag. 36, 347, doi:10.1080/14786444508520918.

    Examples
    --------
    >>> size_class(403.0, 1.0), size_class(403.0, 5.0)
    ('medium', 'coarse')
    """
    product = linear_attenuation * diameter_um * _CM_PER_UM
    return next((name for limit, name in CLASSES if product < limit), "invalid")


def estimate_constant(
    known: Sequence[KnownAmount],
    *,
    source: str,
    phases: Sequence[str],
    scale_covariance: Floats,
    particle_size_um: tuple[float, float],
    common_std: float = 0.0,
    structure_std: float = STRUCTURE_STD,
) -> InstrumentConstant:
    """Return the instrument's constant from scales of known amounts.

    Parameters
    ----------
    known : sequence of KnownAmount
        One estimate for each phase of known amount; their scales positive.
    source : str
        Where they are from.
    phases : sequence of str
        All phases to which the constant will be applied.
    scale_covariance : ndarray, shape (n_known, n_known)
        Of ``ln`` of the scales: esds and systematic parts of the fit.
    particle_size_um : tuple of float
        Smallest and largest particle diameter, **micrometre**.
    common_std : float
        Relative 1 sigma that all estimates share (the reference's film).
    structure_std : float
        Relative 1 sigma of each phase's scale by errors of its structure.

    Returns
    -------
    InstrumentConstant

    Raises
    ------
    PlanError
        There is no estimate, or the coarsest particles are beyond any model
        (linear attenuation times diameter above 1).

    Notes
    -----
    ``ln(S mu*/W)_p = g + ln tau_p(D) + delta_p + noise``. Unknown are the common g, one
    diameter D (log-normal about the middle of the range, its standard deviation that
    of a uniform ln D), and for each phase delta_p, an error of its structure that it
    carries through the whole series, with 1 sigma ``structure_std`` and whatever
    spread the estimates show beyond their errors (Mandel & Paule). One Gaussian
    estimate gives all of them with their covariance: a phase that was in the
    reference keeps its own constant, where errors of its structure cancel; one that
    was not takes the common one and bears the spread.

    To first order in D the volume-weighted mean of tau is 1, so that g is hardly
    biased by coarse particles, while single phases are, by up to 70 %.

    References
    ----------
    O'Connor & Raven (1988), Powder Diffr. 3, 2, doi:10.1017/S0885715600013026;
    Mandel & Paule (1970), Anal. Chem. 42, 1194, doi:10.1021/ac60293a019; Brindley
    (1945), Phil. Mag. 36, 347, doi:10.1080/14786444508520918.
    """
    usable = [one for one in known if one.scale > 0.0 and one.weight_fraction > 0.0]
    if not usable:
        raise PlanError(f"no phase of known amount is seen in the {source} reference")
    kept = [n for n, one in enumerate(known) if one in usable]
    largest = max(one.linear_attenuation for one in usable)
    coarsest = size_class(largest, particle_size_um[1])
    if coarsest == "invalid":
        raise PlanError(
            f"particles of {particle_size_um[1]:g} micrometre absorb too much for any "
            "model of microabsorption (attenuation times diameter above 1): state a "
            "smaller size, or take a monitor or a spiked sample"
        )
    noise = np.asarray(scale_covariance, dtype=float)[np.ix_(kept, kept)]
    noise = noise + np.diag([one.weight_std**2 for one in usable])
    system = _System(
        values=np.array([one.log_constant for one in usable]),
        noise=noise,
        contrasts=np.array([one.contrast for one in usable]),
        size=_log_size(particle_size_um),
    )
    chi_square, spread = system.spread(structure_std)
    total = math.hypot(structure_std, 0.0 if math.isnan(spread) else spread)
    unknowns, matrix = system.solve(total)
    return _apply(
        unknowns,
        matrix,
        usable,
        phases=phases,
        source=source,
        own_std=total,
        common_std=common_std,
        spread=spread,
        chi_square=chi_square,
        coarsest=coarsest,
        tau=system.tau(float(unknowns[1])),
    )


def coarse_factors(
    contrasts: Floats, particle_size_um: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return the microabsorption of each phase of a powder that was not milled.

    Parameters
    ----------
    contrasts : ndarray, shape (n_phases,)
        Linear attenuation of each phase less the mean of the solid, **1/cm**.
    particle_size_um : tuple of float
        Smallest and largest particle diameter, **micrometre**.

    Returns
    -------
    tau, slopes : ndarray, shape (n_phases,)
        The factor at the middle of the range, and the change of its logarithm by one
        standard deviation of the diameter's.
    """
    center, width = _log_size(particle_size_um)

    def factor(log_size: float) -> Floats:
        radius = 0.5 * math.exp(log_size) * _CM_PER_UM
        return np.log([brindley_factor(c * radius) for c in contrasts.tolist()])

    slopes = (factor(center + _STEP) - factor(center - _STEP)) / (2.0 * _STEP) * width
    return np.exp(factor(center)), np.asarray(slopes)


def _log_size(bounds: tuple[float, float]) -> tuple[float, float]:
    """Return mean and standard deviation of ln D, D in micrometre."""
    low, high = math.log(bounds[0]), math.log(bounds[1])
    return 0.5 * (low + high), max((high - low) / math.sqrt(12.0), 1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class _System:
    """Estimates of one constant: unknown are g, ln D and a deviation for each."""

    values: Floats
    noise: Floats
    contrasts: Floats
    size: tuple[float, float]

    def tau(self, log_size: float) -> Floats:
        """Return ln of the microabsorption factor of each estimate."""
        radius = 0.5 * math.exp(log_size) * _CM_PER_UM
        return np.log([brindley_factor(c * radius) for c in self.contrasts.tolist()])

    def solve(self, own_std: float) -> tuple[Floats, Floats]:
        """Return (g, ln D, deviations) and their covariance.

        The deviations are those of a phase, which it keeps elsewhere too.
        """
        n = self.values.size
        inverse = np.linalg.inv(self.noise + 1e-12 * np.eye(n))
        center, width = self.size
        prior = np.zeros(n + 2)
        prior[1] = width**-2
        prior[2:] = max(own_std, 1e-6) ** -2
        unknowns = np.zeros(n + 2)
        unknowns[0], unknowns[1] = float(self.values.mean()), center
        for _ in range(_ROUNDS):
            base = self.tau(float(unknowns[1]))
            slope = (self.tau(float(unknowns[1]) + _STEP) - base) / _STEP
            rows = np.column_stack([np.ones(n), slope, np.eye(n)])
            residual = self.values - unknowns[0] - base - unknowns[2:]
            pull = prior * (np.append([0.0, center], np.zeros(n)) - unknowns)
            normal = rows.T @ inverse @ rows + np.diag(prior)
            step = np.linalg.solve(normal, rows.T @ inverse @ residual + pull)
            unknowns = unknowns + step
            if float(np.abs(step).max()) < 1e-10:
                break
        return unknowns, np.linalg.inv(normal)

    def misfit(self, own_std: float) -> float:
        """Return chi-square of the estimates about one constant."""
        unknowns, _ = self.solve(own_std)
        n = self.values.size
        base = self.tau(float(unknowns[1]))
        residual = self.values - unknowns[0] - base
        center, width = self.size
        spread = self.noise + own_std**2 * np.eye(n)
        of_size = ((float(unknowns[1]) - center) / width) ** 2
        return float(residual @ np.linalg.solve(spread, residual)) + of_size

    def spread(self, own_std: float) -> tuple[float, float]:
        """Return chi-square, and the spread that brings it down to its expectation."""
        chi_square, freedom = self.misfit(own_std), self.values.size - 1
        if freedom < 1:
            return chi_square, math.nan
        if chi_square <= freedom:
            return chi_square, 0.0
        low, high = 0.0, _MOST_SPREAD
        for _ in range(20):
            middle = 0.5 * (low + high)
            if self.misfit(math.hypot(own_std, middle)) > freedom:
                low = middle
            else:
                high = middle
        return chi_square, high


def _apply(
    unknowns: Floats,
    matrix: Floats,
    known: Sequence[KnownAmount],
    *,
    phases: Sequence[str],
    source: str,
    own_std: float,
    common_std: float,
    spread: float,
    chi_square: float,
    coarsest: str,
    tau: Floats,
) -> InstrumentConstant:
    """Return the constant of every phase with its covariance."""
    places = {one.phase: number for number, one in enumerate(known)}
    rows = np.zeros((len(phases), unknowns.size))
    rows[:, 0] = 1.0
    for row, name in enumerate(phases):
        if name in places:
            rows[row, 2 + places[name]] = 1.0
    covariance = rows @ matrix @ rows.T + common_std**2
    foreign = np.array([name not in places for name in phases])
    covariance[foreign, foreign] += own_std**2
    logs = np.array([one.log_constant for one in known])
    deviations = logs - unknowns[0] - tau
    common_variance = float(matrix[0, 0]) + common_std**2
    return InstrumentConstant(
        source=source,
        samples=tuple(dict.fromkeys(one.sample for one in known)),
        phases=tuple(phases),
        log_constants=rows @ unknowns,
        covariance=covariance,
        estimates=tuple(known),
        log_tau=tau,
        deviations=deviations,
        log_common=float(unknowns[0]),
        log_common_std=math.sqrt(common_variance),
        spread=spread,
        chi_square=chi_square,
        degrees_of_freedom=len(known) - 1,
        particle_size_um=math.exp(float(unknowns[1])),
        size_class=coarsest,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Weight fractions of a sample's phases, absolute."""

    phases: tuple[str, ...]
    """Names, the standard left out."""
    fractions: Floats
    """Weight fraction of the sample without its standard, shape (n_phases,)."""
    covariance: Floats
    """Shape (n_phases, n_phases)."""

    @property
    def amorphous(self) -> tuple[float, float]:
        """Return the amorphous weight fraction and 1 sigma of it."""
        variance = float(self.covariance.sum())
        return 1.0 - float(self.fractions.sum()), math.sqrt(max(variance, 0.0))


def absolute_contents(
    constant: InstrumentConstant,
    scales: Floats,
    covariance: Floats,
    *,
    attenuation: float,
    relative_std: float,
) -> Contents:
    """Return weight fractions of what was measured, from its scales.

    Parameters
    ----------
    constant : InstrumentConstant
        Of the phases, in their order.
    scales : ndarray, shape (n_phases,)
        Mass-proportional scales; zero where a phase is absent.
    covariance : ndarray, shape (n_phases, n_phases)
        Of the scales.
    attenuation : float
        Mass attenuation coefficient of the sample, **cm2/g**.
    relative_std : float
        Relative 1 sigma that all scales share: transfer, film, attenuation.

    Returns
    -------
    Contents
        The standard uncertainties hold those of the constant.

    Notes
    -----
    ``W_p = S_p mu* / G_p``; to first order ``cov W = K cov S K + W W' o (cov ln G +
    relative_std^2)`` with K the diagonal of mu*/G.
    """
    factors = attenuation * np.exp(-constant.log_constants)
    fractions = scales * factors
    own = covariance * np.outer(factors, factors)
    shared = constant.covariance + relative_std**2
    return Contents(
        phases=constant.phases,
        fractions=fractions,
        covariance=own + np.outer(fractions, fractions) * shared,
    )
