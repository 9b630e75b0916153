"""Conductivity against spin-lattice relaxation: whether they tell of one motion.

Nernst-Einstein makes a diffusion coefficient of the conductivity, a hop length makes a
correlation time of it, and BPP a T1 of that, for a quadrupolar coupling. Nothing is
fitted: what would have to be true is stated (the coupling, the Haven ratio), and
whether the ranges that are known allow it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from structkit.checks.finding import Finding, Verdict
from structkit.checks.hopping import (
    BOLTZMANN_EV,
    PHASE_OF_MINIMUM,
    hop_time,
    nernst_einstein,
    solve_correlation_time,
)
from structkit.errors import SchemaError
from structkit.nmr.bpp import coupling_bound, quadrupolar_rate

Floats = NDArray[np.float64]
Trend = Literal["falls", "rises", "unknown"]

SEED = 0
"""Of the draws."""
_LEVEL = (2.5, 50.0, 97.5)
_ALMOST_ALL = 0.95
"""Share of the draws that makes a tension."""
_SLOW, _FAST = 3.0, 0.3
"""``omega0 tau`` above and below which the motion is slow or fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What was measured of one sample at one temperature, and what is assumed.

    Ranges are assumptions and are drawn from uniformly (the coupling in its logarithm);
    what has a std is drawn log-normally.
    """

    conductivity: float
    """Ionic, **S cm-1**."""
    conductivity_relative_std: float
    """1 sigma, relative, geometry included."""
    temperature: float
    """**K**."""
    larmor_hz: float
    """Of the field at which T1 was measured, **Hz**."""
    carriers_per_m3: float
    """Mobile ions, **m-3**; see :func:`structkit.checks.hopping.carrier_density`."""
    carriers_relative_std: float = 0.1
    """1 sigma, relative: of density and composition."""
    hop_angstrom: tuple[float, float] = (4.0, 5.0)
    """Range of the hop length, **angstrom**."""
    haven_ratio: tuple[float, float] = (0.3, 1.0)
    """Range of tracer over conductivity diffusion that is held possible."""
    coupling_hz: tuple[float, float] = (0.5e6, 3.0e6)
    """Range of ``C_Q sqrt(1 + eta^2 / 3)`` that is held possible, **Hz**."""
    t1: float = math.nan
    """Measured, **s**; NaN: not measured."""
    t1_relative_std: float = 0.1
    """1 sigma, relative; "T1" without its recovery law is uncertain by more."""
    spin: float = 1.5
    """Of the nucleus."""
    trend: Trend = "unknown"
    """What T1 does on heating over ``trend_range``."""
    trend_range: tuple[float, float] = (math.nan, math.nan)
    """Temperatures over which the trend was seen, **K**."""
    trend_larmor_hz: float = math.nan
    """Of the field of those measurements, **Hz**; NaN: ``larmor_hz``."""
    energy_ev: float = math.nan
    """Activation energy of the motion, **eV**; needed for the trend."""
    energy_std_ev: float = 0.01
    """1 sigma of it, **eV**."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be and ranges that are reversed."""
        for name in ("conductivity", "temperature", "larmor_hz", "carriers_per_m3"):
            if not getattr(self, name) > 0.0:
                raise SchemaError(f"motion: {name} must be positive")
        for name in ("hop_angstrom", "haven_ratio", "coupling_hz"):
            low, high = getattr(self, name)
            if not 0.0 < low <= high:
                raise SchemaError(f"motion: {name} is a range (low, high), positive")
        if self.t1 <= 0.0:
            raise SchemaError("motion: t1 must be positive, in s")


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionCheck:
    """All that follows from a :class:`Motion`, and whether it can be true."""

    findings: Mapping[str, Finding]
    """By name; limits are 95 % of the draws."""
    verdict: Verdict
    """The worst of the findings."""
    text: str
    """The arithmetic, one sentence a line."""


def check_motion(
    motion: Motion, *, n_draws: int = 4000, seed: int = SEED
) -> MotionCheck:
    """Compare the motion that carries the current with the one that relaxes the spins.

    Parameters
    ----------
    motion : Motion
        Measured values and assumed ranges.
    n_draws : int, default 4000
        Of the Monte Carlo propagation.
    seed : int, default 0
        Of its random numbers.

    Returns
    -------
    MotionCheck
        ``diffusion``, ``hop_time``, ``phase`` (omega0 tau), ``t1_at_1_MHz``; with a T1
        also ``required_coupling``, ``coupling_bound``, ``required_haven_ratio_slow``
        and ``_fast``, ``haven_ratio_allowed``; with a trend and an activation energy
        ``temperature_of_minimum``, ``haven_ratio_of_trend``, ``coupling_of_trend``.

    Notes
    -----
    The *required coupling* is the one that makes the T1 of the hop time the measured
    one, at a Haven ratio of 1; a coupling below it asks for another motion (local hops
    that carry no charge relax too) or another hop time. Tension where 95 % of the draws
    of the required value lie outside the range that is held possible.

    A T1 that falls on heating up to ``T_max`` puts the minimum above it:
    ``omega0 tau(T_max) >= 0.6158``, and by the activation energy the hop time at the
    temperature of the conductivity. That hop time has a Nernst-Einstein conductivity;
    over the measured one it is the largest Haven ratio that the trend allows.

    References
    ----------
    Bloembergen, N., Purcell, E. M., Pound, R. V., Phys. Rev. 73, 679 (1948),
    doi:10.1103/PhysRev.73.679.

    Examples
    --------
    >>> from structkit.checks.hopping import carrier_density
    >>> check = check_motion(Motion(
    ...     conductivity=4.41e-3, conductivity_relative_std=0.05, temperature=298.15,
    ...     larmor_hz=132.294e6, carriers_per_m3=carrier_density(3.2, 416.656),
    ...     t1=1.2e-3,
    ... ))
    >>> check.findings["required_coupling"].verdict
    <Verdict.PASS: 'pass'>
    """
    draws = _draw(motion, n_draws, np.random.default_rng(seed))
    found = _describe_motion(motion, draws)
    if math.isfinite(motion.t1):
        found |= _compare_with_t1(motion, draws)
    found |= _compare_with_trend(motion, draws)
    verdicts = [one.verdict for one in found.values()]
    worst = Verdict.TENSION if Verdict.TENSION in verdicts else Verdict.PASS
    tested = math.isfinite(motion.t1) or "haven_ratio_of_trend" in found
    return MotionCheck(
        findings=found,
        verdict=worst if tested else Verdict.NOT_TESTABLE,
        text="\n".join(one.text for one in found.values()),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Draws:
    """Random values of everything uncertain, shape (n_draws,) each."""

    sigma: Floats
    coupling: Floats
    t1: Floats
    energy: Floats
    diffusion: Floats
    tau: Floats


def _draw(motion: Motion, n: int, random: np.random.Generator) -> _Draws:
    """Return draws of a motion; diffusion and hop time at a Haven ratio of 1."""
    sigma = _lognormal(motion.conductivity, motion.conductivity_relative_std, n, random)
    carriers = _lognormal(
        motion.carriers_per_m3, motion.carriers_relative_std, n, random
    )
    hop = random.uniform(*motion.hop_angstrom, n)
    diffusion = nernst_einstein(
        sigma, temperature=motion.temperature, carriers_per_m3=carriers
    )
    low, high = motion.coupling_hz
    return _Draws(
        sigma=sigma,
        coupling=np.exp(random.uniform(math.log(low), math.log(high), n)),
        t1=_lognormal(motion.t1, motion.t1_relative_std, n, random),
        energy=motion.energy_ev + motion.energy_std_ev * random.standard_normal(n),
        diffusion=diffusion,
        tau=hop_time(diffusion, hop_angstrom=hop),
    )


def _lognormal(
    median: float, relative_std: float, n: int, random: np.random.Generator
) -> Floats:
    """Return draws about a median; spread of the logarithm as the relative std."""
    return np.asarray(median * np.exp(relative_std * random.standard_normal(n)))


def _describe_motion(motion: Motion, draws: _Draws) -> dict[str, Finding]:
    """Return what the conductivity alone says."""
    phase = 2.0 * math.pi * motion.larmor_hz * draws.tau
    rate = quadrupolar_rate(
        draws.tau, larmor_hz=motion.larmor_hz, coupling_hz=1e6, spin=motion.spin
    )
    middle = float(np.median(phase))
    regime = (
        "slow"
        if middle > _SLOW
        else "fast"
        if middle < _FAST
        else "near the T1 minimum"
    )
    return {
        "diffusion": _find(
            "diffusion", draws.diffusion, "m2 s-1", "D = sigma k T / (N e2) = {}"
        ),
        "hop_time": _find(
            "hop_time",
            draws.tau,
            "s",
            f"tau = a2 / (6 D), a = {_range(motion.hop_angstrom)} angstrom: {{}}",
        ),
        "phase": _find("phase", phase, "1", f"omega0 tau = {{}}: {regime}"),
        "t1_at_1_MHz": _find(
            "t1_at_1_MHz", 1.0 / rate, "s", "T1 for C_Q = 1 MHz and that tau: {}"
        ),
    }


def _compare_with_t1(motion: Motion, draws: _Draws) -> dict[str, Finding]:
    """Return what a measured T1 asks of coupling and Haven ratio."""
    unit_rate = quadrupolar_rate(
        draws.tau, larmor_hz=motion.larmor_hz, coupling_hz=1.0, spin=motion.spin
    )
    required = np.sqrt(1.0 / (draws.t1 * unit_rate))
    possible = motion.coupling_hz
    bound = coupling_bound(1.0, larmor_hz=motion.larmor_hz, spin=motion.spin)
    least = bound / np.sqrt(draws.t1)
    mega = f"{possible[0] / 1e6:g} to {possible[1] / 1e6:g} MHz held possible"
    found = {
        "required_coupling": _find(
            "required_coupling",
            required,
            "Hz",
            f"T1 = {motion.t1:.3g} s at that tau requires C_Q = {{}} ({mega}); else "
            "local hops that carry no charge, a Haven ratio below 1, or a conductivity "
            "that grain boundaries limit",
            outside=_outside(required, *possible),
        ),
        "coupling_bound": _find(
            "coupling_bound",
            least,
            "Hz",
            f"at any tau it requires C_Q of at least {{}} ({mega})",
            outside=_outside(least, 0.0, possible[1]),
        ),
    }
    return found | _compare_haven(motion, draws)


def _compare_haven(motion: Motion, draws: _Draws) -> dict[str, Finding]:
    """Return the Haven ratios with which T1 and conductivity agree.

    For each coupling drawn there are two hop times that make the T1, one on each side
    of the minimum, or none.
    """
    sides = solve_correlation_time(
        draws.t1,
        larmor_hz=motion.larmor_hz,
        coupling_hz=draws.coupling,
        spin=motion.spin,
    )
    low, high = motion.haven_ratio
    allowed = np.zeros(draws.tau.size, dtype=bool)
    found = {}
    for side, tau in zip(("slow", "fast"), sides, strict=True):
        ratio = draws.tau / tau
        allowed |= (ratio >= low) & (ratio <= high)  # NaN is neither
        name = f"required_haven_ratio_{side}"
        if np.any(np.isfinite(ratio)):
            text = (
                f"Haven ratio that makes T1 on its {side} side, any possible C_Q: {{}}"
            )
            found[name] = _find(name, ratio[np.isfinite(ratio)], "1", text)
    share = float(np.mean(allowed))
    found["haven_ratio_allowed"] = Finding(
        name="haven_ratio_allowed",
        value=share,
        verdict=Verdict.TENSION if share <= 1.0 - _ALMOST_ALL else Verdict.PASS,
        text=f"{100.0 * share:.0f} % of the draws of the possible C_Q agree with a "
        f"Haven ratio of {_range(motion.haven_ratio)} on either side",
    )
    return found


def _compare_with_trend(motion: Motion, draws: _Draws) -> dict[str, Finding]:
    """Return where T1 has its minimum and what the trend allows of the hop time."""
    known = math.isfinite(motion.energy_ev) and math.isfinite(motion.trend_range[1])
    if not known:
        return {}
    larmor = motion.trend_larmor_hz
    omega = 2.0 * math.pi * (larmor if math.isfinite(larmor) else motion.larmor_hz)
    inverse = 1.0 / motion.temperature + BOLTZMANN_EV / draws.energy * np.log(
        PHASE_OF_MINIMUM / (omega * draws.tau)
    )
    minimum = np.where(inverse > 0.0, 1.0 / inverse, math.inf)
    low, high = motion.trend_range
    megahertz = omega / (2.0 * math.pi * 1e6)
    found = {
        "temperature_of_minimum": _find(
            "temperature_of_minimum",
            minimum,
            "K",
            f"with E_a = {motion.energy_ev:g} eV and a Haven ratio of 1 the T1 minimum "
            f"at {megahertz:.2f} MHz is at {{}}; seen from {low:.0f} to {high:.0f} K: "
            f"T1 {motion.trend} on heating",
        )
    }
    if motion.trend not in ("falls", "rises"):
        return found
    end = high if motion.trend == "falls" else low
    word = "at most" if motion.trend == "falls" else "at least"
    tau_end = PHASE_OF_MINIMUM / omega
    exponent = draws.energy / BOLTZMANN_EV * (1.0 / motion.temperature - 1.0 / end)
    tau = tau_end * np.exp(exponent)
    ratio = draws.tau / tau  # D of that time over D of the conductivity
    least, most = motion.haven_ratio
    falls = motion.trend == "falls"
    outside = _outside(ratio, *((least, math.inf) if falls else (0.0, most)))
    where = f"up to {end:.0f} K" if falls else f"from {end:.0f} K on"
    limit = 1e3 * np.percentile(ratio * draws.sigma, (_LEVEL[0], _LEVEL[-1]))
    found["haven_ratio_of_trend"] = _find(
        "haven_ratio_of_trend",
        ratio,
        "1",
        f"T1 {motion.trend} {where}: tau at {motion.temperature:.0f} K is "
        f"{'at least' if falls else 'at most'} {np.median(tau):.3g} s, so the "
        f"Nernst-Einstein conductivity {word} {_range((limit[0], limit[1]), 2)} mS/cm "
        f"of the measured {1e3 * motion.conductivity:.3g}: Haven ratio {word} {{}} "
        f"({_range(motion.haven_ratio)} held possible)",
        outside=outside,
    )
    if math.isfinite(motion.t1):
        rate = quadrupolar_rate(
            tau, larmor_hz=motion.larmor_hz, coupling_hz=1.0, spin=motion.spin
        )
        required = np.sqrt(1.0 / (draws.t1 * rate))
        found["coupling_of_trend"] = _find(
            "coupling_of_trend",
            required,
            "Hz",
            f"with the tau of the trend's limit T1 = {motion.t1:.3g} s requires C_Q = "
            "{}",
        )
    return found


def _outside(values: Floats, low: float, high: float) -> float:
    """Return the share of the draws outside a range."""
    return float(np.mean((values < low) | (values > high)))


def _find(
    name: str, values: Floats, units: str, text: str, *, outside: float = 0.0
) -> Finding:
    """Return the median and 95 % limits of draws as a finding."""
    low, middle, high = (float(x) for x in np.percentile(values, _LEVEL))
    told = f"{middle:.3g} {'' if units == '1' else units}".strip()
    return Finding(
        name=name,
        value=middle,
        low=low,
        high=high,
        units=units,
        verdict=Verdict.TENSION if outside >= _ALMOST_ALL else Verdict.PASS,
        text=text.format(f"{told} ({low:.3g} to {high:.3g})"),
    )


def _range(limits: tuple[float, float], digits: int = 6) -> str:
    """Return a range in words."""
    return f"{limits[0]:.{digits}g} to {limits[1]:.{digits}g}"
