"""Is a spectrum one of a linear, stable sample: Kramers-Kronig, noise, drift.

Real and imaginary part of a linear, causal and stable response determine each other.
A sum of relaxations (R and C in parallel) on a grid of time constants, with a
resistance, an inductance and a capacitance in series, obeys that by construction; what
it cannot follow is noise, or it breaks the relation.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from structkit.eis.elements import Complexes, Floats, make_grid
from structkit.eis.evidence import (
    EvidenceFit,
    fit_evidence,
    log_evidence_of_noise,
)
from structkit.errors import FitError, PlanError, SchemaError
from structkit.schema.impedance import validate_impedance
from structkit.schema.names import (
    FREQUENCY,
    IMPEDANCE,
    IMPEDANCE_STD,
    INDUCTIVE_TAIL,
    MASKED,
    NOISY,
    OUTLIER,
    label,
)

Bools = NDArray[np.bool_]

_MIN_POINTS = 8
_NEIGHBOURS = 5
"""Points whose median modulus divides the residuals: noise may not weigh itself."""
_LOCAL = 7
"""Points over which the size of residuals is looked at."""
_MEDIAN = 1.1774
"""Median modulus of a complex normal over the sigma of one part, sqrt(2 ln 2)."""
_TOGETHER = 0.5
"""Of the farthest outlier: those as far go with it, the others are judged again."""
_MOST_OUTLIERS = 0.1
"""Share of points beyond which they are no outliers."""
_OUTLIER_FLOOR = 1e-3
"""Residual over |Z| below which no point is called an outlier."""
_PINNED = 0.9
"""Leverage above which a point makes its own curve and cannot be judged."""
_SURE = 3.0
"""Standard deviations of a correlation of neighbours that call it systematic."""


class Validity(Enum):
    """What the Kramers-Kronig relations say about a spectrum."""

    VALID = "valid"
    """The rest is noise, or less than the tolerance."""
    INCONSISTENT = "inconsistent"
    """The rest is systematic: drift, non-linearity, an artefact."""
    NOISE_DOMINATED = "noise-dominated"
    """There is little or nothing but noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidityOptions:
    """How the relations are tested."""

    elements_per_decade: float = 4.0
    """Time constants per decade of frequency."""
    decades_beyond: float = 1.0
    """How far time constants go beyond the band at each end."""
    tolerance: float = 2e-3
    """Systematic residual over |Z| above which a spectrum is inconsistent. Small on
    purpose: a resistance that changes by 10 % while six decades are measured leaves
    0.2 %, since the relaxations follow most of it."""
    noise_limit: float = 0.2
    """Noise of each part over |Z| above which points are noise."""
    outlier_limit: float = 5.0
    """Residual of a point over its expectation above which it is an outlier."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        values = (
            self.elements_per_decade,
            self.tolerance,
            self.noise_limit,
            self.outlier_limit,
        )
        if not all(value > 0.0 for value in values) or self.decades_beyond < 0.0:
            raise PlanError(f"options of validity must be positive: {self}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KramersKronig:
    """Result of the test; arrays have shape (n_points,)."""

    verdict: Validity
    """What it comes to."""
    reason: str
    """Its arithmetic."""
    impedance: Complexes
    """Curve that obeys the relations, **ohm**."""
    impedance_std: Floats
    """1 sigma of each part of the curve, **ohm**."""
    residual: Complexes
    """Measured less curve, over |Z|."""
    noise: float
    """Noise of each part over |Z|, from what the curve leaves."""
    systematic: float
    """Part of the residual over |Z| that neighbours share."""
    correlation: float
    """Correlation of neighbouring residuals."""
    elements: float
    """Effective number of elements of the curve."""
    mu: float
    """1 less the ratio of negative to positive relaxations (Schonleber's measure)."""
    outlier: Bools
    """Points far from the curve, left out of it."""
    inductive_tail: Bools
    """Points from the highest frequency down while the imaginary part is positive."""
    noisy: Bools
    """Points around which the residual is above the limit of noise."""


def check_kramers_kronig(
    spectrum: xr.Dataset, options: ValidityOptions | None = None
) -> KramersKronig:
    """Test a spectrum by the linear Kramers-Kronig relations.

    Parameters
    ----------
    spectrum : xarray.Dataset
        :mod:`structkit.schema.impedance`; masked points are left out.
    options : ValidityOptions, optional
        Grid and limits.

    Returns
    -------
    KramersKronig
        Outliers and the inductive tail are marked and nothing is deleted
        (:func:`mark_points`).

    Raises
    ------
    FitError
        Fewer than eight points.
    SchemaError
        The dataset is no impedance spectrum.

    Notes
    -----
    The curve is linear in its amounts. How far these may go is chosen by evidence
    instead of by the number of elements, and noise comes out with it
    (:mod:`structkit.eis.evidence`). Residuals are taken over the median modulus of five
    neighbours, or over ``impedance_std``. Residuals of noise have independent
    neighbours; a broken relation shows as correlation.

    References
    ----------
    Boukamp, 1995, 10.1149/1.2044210; Schonleber, Klotz and Ivers-Tiffee, 2014,
    10.1016/j.electacta.2014.01.034.

    Examples
    --------
    >>> from structkit.eis.circuits import parse_circuit
    >>> from structkit.schema.impedance import make_impedance
    >>> frequency = np.geomspace(1.0, 1e5, 41)
    >>> circuit = parse_circuit("R0-p(R1,CPE1)")
    >>> impedance = circuit.evaluate(frequency, [10.0, 100.0, 1e-5, 0.9])
    >>> check_kramers_kronig(make_impedance(frequency, impedance)).verdict.value
    'valid'
    """
    validate_impedance(spectrum)
    chosen = options or ValidityOptions()
    frequency = np.asarray(spectrum[FREQUENCY].to_numpy(), dtype=float)
    impedance = np.asarray(spectrum[IMPEDANCE].to_numpy(), dtype=complex)
    usable = np.ones(frequency.size, dtype=bool)
    if MASKED in spectrum:
        usable = spectrum[MASKED].to_numpy() == 0
    if usable.sum() < _MIN_POINTS:
        raise FitError(
            f"{int(usable.sum())} points; Kramers-Kronig needs {_MIN_POINTS} or more"
        )
    modulus = smooth_modulus(impedance)
    given = IMPEDANCE_STD in spectrum
    sigma = spectrum[IMPEDANCE_STD].to_numpy() if given else modulus
    curves = _Curves.of(frequency, modulus, np.asarray(sigma, dtype=float), chosen)
    outlier, fit = _find_outliers(curves, impedance, usable, chosen)
    noisy = _find_noisy(curves, impedance, fit, chosen)
    clear = usable & ~noisy
    if noisy.any() and clear.sum() >= max(_MIN_POINTS, 0.5 * usable.sum()):
        # Noise in a part of the band must not set the scale of the rest.
        outlier, fit = _find_outliers(curves, impedance, clear, chosen)
        usable = clear
    return _conclude(curves, impedance, (usable, outlier, noisy), (fit, chosen))


def smooth_modulus(impedance: Complexes) -> Floats:
    """Return the median modulus of five neighbours, shape (n_points,), **ohm**."""
    floor = np.finfo(float).tiny
    logs = np.log(np.maximum(np.abs(impedance), floor))
    return np.asarray(np.exp(median_filter(logs, _NEIGHBOURS, mode="nearest")))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Curves:
    """Columns of the linear problem, over sigma."""

    free: Complexes
    """Resistance, inductance, capacitance; shape (n_points, 3)."""
    damped: Complexes
    """Relaxations, shape (n_points, n_elements)."""
    sigma: Floats
    modulus: Floats

    @classmethod
    def of(
        cls,
        frequency: Floats,
        modulus: Floats,
        sigma: Floats,
        options: ValidityOptions,
    ) -> _Curves:
        """Return the columns for a spectrum."""
        grid = make_grid(frequency)
        band = np.log10(frequency[-1] / frequency[0]) + 2.0 * options.decades_beyond
        beyond = 10.0**options.decades_beyond
        taus = np.geomspace(
            1.0 / (beyond * grid.omega[-1]),
            beyond / grid.omega[0],
            max(3, round(options.elements_per_decade * band)),
        )
        # Each relaxation is expected to be of the size of the impedance where it acts.
        logs = np.interp(-np.log(taus), np.log(grid.omega), np.log(modulus))
        damped = np.exp(logs) / (1.0 + grid.s[:, None] * taus)
        free: Complexes = np.stack(
            [np.ones_like(grid.s), grid.s, np.reciprocal(grid.s)], axis=1
        )
        return cls(
            free=np.asarray(free / sigma[:, None], dtype=complex),
            damped=damped / sigma[:, None],
            sigma=sigma,
            modulus=modulus,
        )

    def fit(self, impedance: Complexes, kept: Bools) -> EvidenceFit:
        """Return the most probable curve through the kept points."""
        data = (impedance / self.sigma)[kept]
        return fit_evidence(
            _stack(self.free[kept]), _stack(self.damped[kept]), _stack(data)
        )

    def evaluate(self, fit: EvidenceFit) -> Complexes:
        """Return the curve at every point, **ohm**."""
        value: Complexes = self.free @ fit.free + self.damped @ fit.damped
        return np.asarray(value * self.sigma)


def _stack(values: Complexes) -> Floats:
    """Return real parts, then imaginary parts."""
    return np.concatenate([values.real, values.imag])


def _find_outliers(
    curves: _Curves, impedance: Complexes, usable: Bools, options: ValidityOptions
) -> tuple[Bools, EvidenceFit]:
    """Return outliers, the farthest taken out first, and the last fit."""
    kept = usable.copy()
    ratio = float(np.median(curves.sigma / curves.modulus))
    while True:
        fit = curves.fit(impedance, kept)
        n = int(kept.sum())
        leverage = 0.5 * (fit.leverage[:n] + fit.leverage[n:])
        gap = (impedance - curves.evaluate(fit))[kept] / curves.sigma[kept]
        size = np.abs(gap) / np.sqrt(np.maximum(1.0 - leverage, 1.0 - _PINNED))
        spread = max(float(np.median(size)) / _MEDIAN, np.finfo(float).eps)
        size[leverage > _PINNED] = 0.0
        worst = int(np.argmax(size))
        most = usable.sum() * _MOST_OUTLIERS
        if size[worst] <= options.outlier_limit * spread or usable.sum() - n >= most:
            return usable & ~kept, fit
        if np.abs(gap[worst]) * ratio < _OUTLIER_FLOOR:
            return usable & ~kept, fit
        far = size > max(options.outlier_limit * spread, _TOGETHER * size[worst])
        kept[np.flatnonzero(kept)[far]] = False


def _find_noisy(
    curves: _Curves, impedance: Complexes, fit: EvidenceFit, options: ValidityOptions
) -> Bools:
    """Return points around which the median residual is above the limit of noise."""
    gap = np.abs(impedance - curves.evaluate(fit)) / curves.modulus
    local = median_filter(gap, _LOCAL, mode="nearest") / _MEDIAN
    return np.asarray(local > options.noise_limit)


def _conclude(
    curves: _Curves,
    impedance: Complexes,
    points: tuple[Bools, Bools, Bools],
    how: tuple[EvidenceFit, ValidityOptions],
) -> KramersKronig:
    """Return the result of a fit."""
    (usable, outlier, noisy), (fit, options) = points, how
    kept = usable & ~outlier
    curve = curves.evaluate(fit)
    residual = (impedance - curve) / curves.modulus
    parts = residual.real[kept], residual.imag[kept]
    norm = max(sum(float(one @ one) for one in parts), np.finfo(float).tiny)
    shared = sum(float(one[1:] @ one[:-1]) for one in parts)
    correlation = shared / norm
    rms = float(np.sqrt(norm / (2.0 * kept.sum())))
    systematic = rms * float(np.sqrt(max(correlation, 0.0)))
    noise = fit.noise * float(
        np.sqrt(np.mean((curves.sigma[kept] / curves.modulus[kept]) ** 2))
    )
    n = int(kept.sum())
    std = np.full(impedance.size, np.nan)
    leverage = 0.5 * (fit.leverage[:n] + fit.leverage[n:])
    std[kept] = fit.noise * np.sqrt(leverage) * curves.sigma[kept]
    positive = float(fit.damped[fit.damped > 0.0].sum())
    negative = float(-fit.damped[fit.damped < 0.0].sum())
    gain = fit.log_evidence - log_evidence_of_noise(
        _stack((impedance / curves.sigma)[kept])
    )
    verdict, reason = _decide(
        (noise, systematic, correlation), gain, (noisy, n), options
    )
    marked = [f"{int(outlier.sum())} outliers"] if outlier.any() else []
    if noisy.any() and verdict is not Validity.NOISE_DOMINATED:
        marked.append(f"nothing but noise around {int(noisy.sum())} points, left out")
    return KramersKronig(
        verdict=verdict,
        reason="; ".join([reason, *marked]),
        impedance=curve,
        impedance_std=std,
        residual=np.asarray(residual),
        noise=noise,
        systematic=systematic,
        correlation=correlation,
        elements=fit.elements,
        mu=1.0 - negative / positive if positive > 0.0 else -np.inf,
        outlier=outlier,
        inductive_tail=find_inductive_tail(impedance),
        noisy=noisy,
    )


def _decide(
    sizes: tuple[float, float, float],
    gain: float,
    points: tuple[Bools, int],
    options: ValidityOptions,
) -> tuple[Validity, str]:
    """Return the verdict and its arithmetic."""
    noise, systematic, correlation = sizes
    noisy, n = points
    if gain <= 0.0:
        return Validity.NOISE_DOMINATED, (
            f"a curve explains no more than the noise (ln evidence {gain:+.1f})"
        )
    if noise > options.noise_limit or noisy.mean() > 0.5:
        return Validity.NOISE_DOMINATED, (
            f"noise is {100 * noise:.3g} % of |Z|, above {100 * options.noise_limit:g} "
            f"% around {int(noisy.sum())} of {noisy.size} points"
        )
    text = (
        f"systematic residual {100 * systematic:.2g} % of |Z| (tolerance "
        f"{100 * options.tolerance:g} %), noise {100 * noise:.2g} %"
    )
    sure = correlation * np.sqrt(2.0 * n) > _SURE
    if sure and systematic > options.tolerance:
        return Validity.INCONSISTENT, (
            f"{text}: drift during the sweep, non-linearity or an artefact"
        )
    return Validity.VALID, text


def find_inductive_tail(impedance: Complexes) -> Bools:
    """Return points from the highest frequency down while Z'' is positive.

    Parameters
    ----------
    impedance : ndarray of complex, shape (n_points,)
        In the order of ascending frequency.
    """
    capacitive = np.flatnonzero(impedance.imag <= 0.0)
    tail = np.zeros(impedance.size, dtype=bool)
    tail[capacitive[-1] + 1 if capacitive.size else 0 :] = True
    return tail


def mark_points(
    spectrum: xr.Dataset,
    check: KramersKronig,
    *,
    mask: Collection[str] = (OUTLIER,),
) -> xr.Dataset:
    """Return the spectrum with what the test found as variables.

    Parameters
    ----------
    spectrum : xarray.Dataset
        As tested.
    check : KramersKronig
        Of that spectrum.
    mask : collection of str, optional
        Which of ``outlier``, ``inductive_tail`` and ``noisy`` also set ``masked``, so
        that fits leave them out.

    Returns
    -------
    xarray.Dataset
        A new one with boolean ``outlier``, ``inductive_tail``, ``noisy`` and
        ``masked``; all points are still there.

    Raises
    ------
    SchemaError
        The test is of another spectrum, or ``mask`` names something else.
    """
    if check.outlier.size != spectrum.sizes[FREQUENCY]:
        raise SchemaError(
            f"frequency has {spectrum.sizes[FREQUENCY]} points, the test "
            f"{check.outlier.size}; test this spectrum"
        )
    flags = {
        OUTLIER: check.outlier,
        INDUCTIVE_TAIL: check.inductive_tail,
        NOISY: check.noisy,
    }
    unknown = set(mask) - set(flags)
    if unknown:
        raise SchemaError(f"mask {', '.join(unknown)}: one of {', '.join(flags)}")
    masked = np.zeros(check.outlier.size, dtype=bool)
    if MASKED in spectrum:
        masked |= spectrum[MASKED].to_numpy() != 0
    for name in mask:
        masked |= flags[name]
    return spectrum.assign(
        {
            name: label(xr.DataArray(values, dims=(FREQUENCY,)), name)
            for name, values in {**flags, MASKED: masked}.items()
        }
    )
