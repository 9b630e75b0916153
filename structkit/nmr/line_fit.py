"""A line fit at its minimum: what its numbers are, and which sites trade."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.nmr.czjzek import sigma_cq_of_scale
from structkit.nmr.line_model import CENTRE, LOG_SCALE, LOG_WIDTH, SHARE, LineModel
from structkit.nmr.line_noise import NoiseCorrelation
from structkit.schema import FitStatus

Floats = NDArray[np.float64]

TRADE = 0.95
"""Correlation of two areas beyond which only their sum is told."""
_ILL = 1e-12
"""Smallest over largest eigenvalue of the scaled normal matrix."""
_ILL_PART = 0.3
SEEN = 3.0
"""Sigmas of its area from which a line counts as seen."""
_OTHER = 3.0
"""Sigmas between the areas of two minima from which they are two answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteGroup:
    """Sites of which only the sum is known."""

    sites: tuple[str, ...]
    """Names."""
    area: float
    """Sum of areas, intensity times **ppm**."""
    area_std: float
    """1 sigma."""
    population: float
    """Sum of shares of the whole."""
    population_std: float
    """1 sigma."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineFit:
    """Lines at their best values with their covariance."""

    model: LineModel
    """What was fitted, over its unit."""
    values: Floats
    """Parameters, shape (n_parameters,)."""
    covariance: Floats
    """Of the parameters, correlated noise in; held ones are zero."""
    normal: Floats
    """Normal matrix of the free parameters at the minimum, held ones zero."""
    noise_std: float
    """1 sigma of a point, units of intensity."""
    noise_known: bool
    """Whether it was given, or measured where there is no line."""
    reduced_chi_square: float
    """Of the residual; 1 by construction where the noise is not known."""
    correlation: NoiseCorrelation
    """How neighbouring points share noise."""
    minima: tuple[Floats, ...]
    """Parameters of other minima as good as this one."""
    status: FitStatus
    """How it ended."""
    reason: str
    """Why not well."""
    remarks: tuple[str, ...]
    """What to know of it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the sites."""
        return tuple(site.name for site in self.model.sites)

    @property
    def areas(self) -> Floats:
        """Return areas, intensity times **ppm**, shape (n_sites,)."""
        return np.asarray(self.model.unit * self.model.site_areas(self.values)[0])

    @property
    def area_covariance(self) -> Floats:
        """Return the covariance of the areas, shape (n_sites, n_sites)."""
        _, slope = self.model.site_areas(self.values)
        return np.asarray(self.model.unit**2 * slope @ self.covariance @ slope.T)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Return the names of sites whose areas are not three sigma above zero."""
        std = np.sqrt(np.maximum(np.diag(self.area_covariance), 0.0))
        return tuple(
            name
            for name, area, sigma in zip(self.names, self.areas, std, strict=True)
            if not area >= SEEN * sigma
        )

    @property
    def populations(self) -> Floats:
        """Return shares of the whole area, shape (n_sites,)."""
        return np.asarray(self.areas / self.areas.sum())

    @property
    def population_covariance(self) -> Floats:
        """Return the covariance of the shares, shape (n_sites, n_sites)."""
        total = self.areas.sum()
        slope = (np.eye(self.areas.size) - self.populations[:, None]) / total
        return np.asarray(slope @ self.area_covariance @ slope.T)

    @property
    def shifts(self) -> Floats:
        """Return chemical shifts, **ppm**."""
        return self._own(CENTRE)

    @property
    def shift_std(self) -> Floats:
        """Return 1 sigma of the shifts, **ppm**; NaN where held."""
        return self._own_std(CENTRE)

    @property
    def fwhm_hz(self) -> Floats:
        """Return widths, **Hz**; of Czjzek lines those of the broadening."""
        return np.exp(self._own(LOG_WIDTH)) * self.model.larmor_frequency

    @property
    def fwhm_std_hz(self) -> Floats:
        """Return 1 sigma of the widths, **Hz**; NaN where held."""
        return self.fwhm_hz * self._own_std(LOG_WIDTH)

    @property
    def shares(self) -> Floats:
        """Return Lorentzian shares: they describe shapes, and are no cause."""
        return self._own(SHARE)

    @property
    def share_std(self) -> Floats:
        """Return 1 sigma of the shares; NaN where held."""
        return self._own_std(SHARE)

    @property
    def sigma_cq_mhz(self) -> Floats:
        """Return widths of Czjzek's distributions, **MHz**; NaN for other lines."""
        found = [
            sigma_cq_of_scale(
                math.exp(scale),
                self.model.larmor_frequency,
                spin=self.model.options.spin,
            )
            if site.shape == "czjzek"
            else math.nan
            for site, scale in zip(self.model.sites, self._own(LOG_SCALE), strict=True)
        ]
        return np.asarray(found)

    @property
    def sigma_cq_std_mhz(self) -> Floats:
        """Return 1 sigma of them, **MHz**."""
        return np.asarray(0.5 * self.sigma_cq_mhz * self._own_std(LOG_SCALE))

    @property
    def n_points(self) -> int:
        """Return the number of points in the fit."""
        return int(self.model.shift.size)

    @property
    def n_independent(self) -> float:
        """Return the number of points that do not share their noise."""
        return self.n_points / self.correlation.length

    @property
    def n_free(self) -> int:
        """Return the number of parameters that were free."""
        low, high = self.model.limits()
        return int((low < high).sum())

    @property
    def residual(self) -> Floats:
        """Return data less model in the units of intensity, shape (n_points,)."""
        if not self.status.has_values:
            return np.full(self.n_points, np.nan)
        residual, _ = self.model.evaluate(self.values)
        return np.asarray(self.model.unit * residual[: self.n_points])

    @property
    def lines(self) -> Floats:
        """Return each site's line in the units of intensity, (n_sites, n_points)."""
        if not self.status.has_values:
            return np.full((self.model.n_sites, self.n_points), np.nan)
        return np.asarray(self.model.unit * self.model.lines(self.values))

    @property
    def baseline(self) -> Floats:
        """Return the baseline in the units of intensity, shape (n_points,)."""
        coefficients = self.values[self.model.polynomial]
        return np.asarray(self.model.unit * coefficients @ self.model.baseline)

    @property
    def phase_degree(self) -> Floats:
        """Return the phases, **degree**: at the middle, then from there to the edge."""
        return np.degrees(self.values[self.model.phase])

    def bic(self, correlation_length: float | None = None) -> float:
        """Return the Bayesian information criterion, independent points counted.

        Parameters
        ----------
        correlation_length : float, optional
            Points that share one noise value; the fit's own by default. Models that
            are compared need the same.
        """
        length = correlation_length or self.correlation.length
        left = self.residual
        squares, independent = float(left @ left), self.n_points / length
        penalty = self.n_free * math.log(independent)
        if self.noise_known:
            return squares / (self.noise_std**2 * length) + penalty
        return independent * math.log(squares / self.n_points) + penalty

    def find_groups(self) -> tuple[SiteGroup, ...]:
        """Return the sites whose areas trade, as sums with the reason."""
        if not self.status.has_values:
            return ()
        return tuple(
            _describe_group(self, members, reason) for members, reason in _trading(self)
        )

    def _own(self, what: int) -> Floats:
        places = [self.model.own(k, what) for k in range(self.model.n_sites)]
        return np.asarray(self.values[places])

    def _own_std(self, what: int) -> Floats:
        places = [self.model.own(k, what) for k in range(self.model.n_sites)]
        variance = self.covariance[places, places]
        return np.where(variance > 0.0, np.sqrt(np.maximum(variance, 0.0)), np.nan)


def _describe_group(fit: LineFit, members: list[int], reason: str) -> SiteGroup:
    """Return the sums of some sites."""
    pick = np.zeros(fit.model.n_sites)
    pick[members] = 1.0
    area_variance = float(pick @ fit.area_covariance @ pick)
    share_variance = float(pick @ fit.population_covariance @ pick)
    return SiteGroup(
        sites=tuple(fit.names[k] for k in members),
        area=float(pick @ fit.areas),
        area_std=math.sqrt(max(area_variance, 0.0)),
        population=float(pick @ fit.populations),
        population_std=math.sqrt(max(share_variance, 0.0)),
        reason=reason,
    )


def _trading(fit: LineFit) -> list[tuple[list[int], str]]:
    """Return members and reason of every group of sites that trade."""
    n = fit.model.n_sites
    joined = list(range(n))
    reasons: dict[tuple[int, int], str] = {}
    for i in range(n):
        for k in range(i + 1, n):
            reason = _reason_of_trade(fit, i, k)
            if reason:
                reasons[i, k] = reason
                old, new = joined[k], joined[i]
                joined = [new if mark == old else mark for mark in joined]
    found = []
    for mark in sorted(set(joined)):
        members = [k for k in range(n) if joined[k] == mark]
        told = [reasons[pair] for pair in reasons if joined[pair[0]] == mark]
        if len(members) > 1:
            found.append((members, "; ".join(told)))
    return found


def _reason_of_trade(fit: LineFit, i: int, k: int) -> str:
    """Return why the areas of two sites are not known apart; empty if they are."""
    covariance, pair = fit.area_covariance, f"{fit.names[i]} and {fit.names[k]}"
    sizes = math.sqrt(max(covariance[i, i] * covariance[k, k], 0.0))
    correlation = covariance[i, k] / sizes if sizes > 0.0 else 0.0
    if correlation < -TRADE:
        return f"areas of {pair} have a correlation of {correlation:.3f}"
    ill = _ill_conditioned(fit)
    if i in ill and k in ill:
        return f"the data do not determine {pair} apart (normal matrix singular)"
    if _other_answer(fit, i, k):
        return f"other minima, as good as this one, share {pair} otherwise"
    return ""


def _other_answer(fit: LineFit, i: int, k: int) -> bool:
    """Return whether another minimum moves area from one site to the other."""
    variance = np.maximum(np.diag(fit.area_covariance), 0.0)
    for values in fit.minima:
        move = fit.model.unit * fit.model.site_areas(values)[0] - fit.areas
        both = [abs(move[j]) > _OTHER * math.sqrt(variance[j]) for j in (i, k)]
        opposed = move[i] * move[k] < 0.0
        if all(both) and opposed and abs(move[i] + move[k]) < 0.5 * abs(move[i]):
            return True
    return False


def _ill_conditioned(fit: LineFit) -> set[int]:
    """Return the sites whose parameters the normal matrix leaves open together."""
    diagonal = np.diag(fit.normal)
    free = np.flatnonzero(diagonal > 0.0)
    scale = 1.0 / np.sqrt(diagonal[free])
    scaled = fit.normal[np.ix_(free, free)] * np.outer(scale, scale)
    values, vectors = np.linalg.eigh(scaled)
    areas = fit.model.areas
    found: set[int] = set()
    for column in np.flatnonzero(values < _ILL * values[-1]):
        for row, place in enumerate(free):
            if areas.start <= place < areas.stop:
                if abs(vectors[row, column]) > _ILL_PART:
                    found.add((place - areas.start) % fit.model.n_sites)
    return found
