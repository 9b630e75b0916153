"""Metrics of one sample: log-ratios of summed areas with all that spreads them.

Absolute intensities of a Raman microscope mean nothing, so every metric is the
logarithm of a ratio of areas, each summed over the spots. Its variance has three
parts: from spot to spot, from what the spots share in the fit, and from the choice
of the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import t as student

from structkit.raman.covariance import FitCovariance
from structkit.raman.fit import BandFit
from structkit.raman.identify import BandStatus, Identifiability
from structkit.raman.problem import place_bands

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LIMIT = 0.95
"""Coverage of the limits."""
_ENOUGH_SPREAD = 0.5
"""1 sigma of a log-ratio above which the ratio is not resolved: its limits are a factor
of seven apart."""
_LARGE = 200.0
_ALIKE = 2.0
"""Ratio of two widths from which on a narrow band is told from a broad one below it."""
_WEAK = 0.3
"""Part of a band's area below which its neighbour does not matter."""
SURE = 3.0
"""Sigmas above zero from which a ratio has an error in its logarithm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRatio:
    """The logarithm of a ratio of areas."""

    value: float
    """Natural logarithm; minus infinity where the upper sum is zero."""
    spot_variance: float
    """From spot to spot, of the mean; NaN with one spot."""
    own_variance: float
    """From the noise of the spectra."""
    shared_variance: float
    """From shared centres and widths."""
    baseline_variance: float
    """From the choice of the baseline."""
    n_spots: int
    """Spots with both sums."""
    ratio: float = math.nan
    """The ratio itself."""
    ratio_std: float = math.nan
    """1 sigma of it; known where the upper sum is zero, too."""
    also: LogRatio | None = None
    """The same with undetected bands as broad as they may be: their limits are those
    of the widest."""

    @property
    def std(self) -> float:
        """Return 1 sigma of the logarithm."""
        scatter = self.own_variance
        if self.n_spots > 1:
            scatter = max(scatter, self.spot_variance)
        return math.sqrt(scatter + self.shared_variance + self.baseline_variance)

    @property
    def degrees_of_freedom(self) -> float:
        """Return the effective degrees of freedom (Welch-Satterthwaite)."""
        if self.n_spots < 2 or not self.spot_variance > self.own_variance:
            return math.inf
        return (self.n_spots - 1) * (self.std**2 / self.spot_variance) ** 2

    def limits(self) -> tuple[float, float]:
        """Return the 95 % limits of the logarithm."""
        freedom = min(self.degrees_of_freedom, 1e6)
        reach = float(student.ppf(0.5 + 0.5 * LIMIT, freedom)) * self.std
        return self.value - reach, self.value + reach

    @property
    def is_sure(self) -> bool:
        """Return whether the ratio is far enough from zero for its logarithm."""
        known = math.isfinite(self.ratio_std)
        far = self.ratio > SURE * self.ratio_std or not known
        return math.isfinite(self.value) and far

    def ratio_limits(self) -> tuple[float, float]:
        """Return the 95 % limits of the ratio.

        Those of the logarithm where the ratio is well above its sigma; else those of
        the ratio, which may reach down to zero. With ``also``, from the lower of both
        to the higher.
        """
        low, high = self._own_limits()
        if self.also is None:
            return low, high
        other_low, other_high = self.also._own_limits()
        return min(low, other_low), max(high, other_high)

    def _own_limits(self) -> tuple[float, float]:
        """Return the limits of this fit alone."""
        if self.is_sure:
            low, high = self.limits()
            return math.exp(max(low, -_LARGE)), math.exp(min(high, _LARGE))
        if not math.isfinite(self.ratio_std):
            return 0.0, math.inf
        freedom = min(self.degrees_of_freedom, 1e6)
        reach = float(student.ppf(0.5 + 0.5 * LIMIT, freedom)) * self.ratio_std
        return max(self.ratio - reach, 0.0), self.ratio + reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of one sample."""

    name: str
    """As in tables."""
    value: float
    """The metric."""
    std: float
    """1 sigma of it."""
    low: float
    """Lower 95 % limit."""
    high: float
    """Upper 95 % limit."""
    resolved: bool
    """Whether the data determine it."""
    remark: str
    """What to know of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """How much of each column's area stands above and below the bar."""

    above: Floats
    """Numerator, shape (n_columns,): 0 to 1."""
    below: Floats
    """Denominator, shape (n_columns,): 0 to 1."""


def count_bands(
    fit: BandFit, *windows: tuple[float, float], without: Sequence[str] = ()
) -> Floats:
    """Return how much of each column belongs to bands expected within windows.

    Parameters
    ----------
    fit : BandFit
        A fit.
    *windows : tuple of float
        Lower end included, **cm-1**.
    without : sequence of str
        Species that do not count.

    Returns
    -------
    ndarray, shape (n_columns,)
        1 for a free band inside, the share of its bands inside for a tie; 0 for
        templates, which are named by their species.
    """
    inside = np.asarray(
        [
            any(low <= band.wavenumber < high for low, high in windows)
            and band.species not in without
            for band in fit.model.bands
        ],
        dtype=float,
    )
    counted = np.zeros(len(fit.model.names))
    counted[fit.layout.area] = inside @ fit.layout.shares
    return counted


def log_ratio(
    fit: BandFit,
    sums: Sums,
    *,
    covariance: FitCovariance,
    ensemble: Sequence[BandFit] = (),
    members: Sequence[int] | None = None,
) -> LogRatio:
    """Return the logarithm of a ratio of areas summed over the spots.

    Parameters
    ----------
    fit : BandFit
        Fit of one sample's spots.
    sums : Sums
        Columns above and below the bar.
    covariance : FitCovariance
        Of the same fit.
    ensemble : sequence of BandFit
        The same over other baselines.
    members : sequence of int, optional
        Spectra of the sample, where the fit holds others too.

    Returns
    -------
    LogRatio
        Of the sums, not the mean of the spots' logarithms: a weak band may be
        nothing in one spot.
    """
    chosen = list(range(len(fit.spectra)) if members is None else members)
    areas = fit.areas[chosen]
    above, below = areas @ sums.above, areas @ sums.below
    value = _log_of_ratio(areas, sums)
    top, bottom = max(above.sum(), 1e-300), max(below.sum(), 1e-300)
    own, shared = math.inf, 0.0
    if math.isfinite(value):
        weights = np.zeros(fit.areas.shape)
        weights[chosen] = sums.above / top - sums.below / bottom
        own, shared = covariance.variance_of(weights)
    n = len(chosen)
    spots = math.nan
    if n > 1:
        apart = above / top - below / bottom
        spots = float(n / (n - 1) * (apart @ apart))
    others = np.asarray([_log_of_ratio(each.areas[chosen], sums) for each in ensemble])
    others = others[np.isfinite(others)] - value if math.isfinite(value) else others[:0]
    baseline = float(np.mean(others**2)) if others.size else 0.0
    return LogRatio(
        value=value,
        spot_variance=spots,
        own_variance=own,
        shared_variance=shared,
        baseline_variance=baseline,
        n_spots=n,
        ratio=float(above.sum() / bottom) if below.sum() > 0.0 else math.inf,
        ratio_std=_ratio_std(
            fit, sums, chosen, covariance=covariance, ensemble=ensemble
        ),
    )


def _ratio_std(
    fit: BandFit,
    sums: Sums,
    chosen: Sequence[int],
    *,
    covariance: FitCovariance,
    ensemble: Sequence[BandFit],
) -> float:
    """Return 1 sigma of the ratio, with the same parts as that of its logarithm."""
    areas = fit.areas[list(chosen)]
    above, below = areas @ sums.above, areas @ sums.below
    bottom = float(below.sum())
    if not bottom > 0.0:
        return math.nan
    ratio = float(above.sum()) / bottom
    weights = np.zeros(fit.areas.shape)
    weights[list(chosen)] = (sums.above - ratio * sums.below) / bottom
    own, shared = covariance.variance_of(weights)
    n = len(chosen)
    scatter = own
    if n > 1:
        apart = (above - ratio * below) / bottom
        scatter = max(own, float(n / (n - 1) * (apart @ apart)))
    others = [
        float((each.areas[list(chosen)] @ sums.above).sum())
        / max(float((each.areas[list(chosen)] @ sums.below).sum()), 1e-300)
        for each in ensemble
    ]
    baseline = float(np.mean((np.asarray(others) - ratio) ** 2)) if others else 0.0
    return math.sqrt(scatter + shared + baseline)


def _log_of_ratio(areas: Floats, sums: Sums) -> float:
    """Return the logarithm; minus or plus infinity where a sum is zero."""
    above, below = float((areas @ sums.above).sum()), float((areas @ sums.below).sum())
    if above <= 0.0:
        return -math.inf
    return math.inf if below <= 0.0 else math.log(above / below)


def share_metric(
    name: str, ratio: LogRatio, *, resolved: bool = True, remark: str = ""
) -> Metric:
    """Return ``A / (A + B)`` from the logarithm of ``A / B``."""
    value = float(expit(ratio.value))
    low, high = ratio.ratio_limits()
    spread = ratio.std if math.isfinite(ratio.std) else math.nan
    std = value * (1.0 - value) * spread
    if value <= 0.0 or not math.isfinite(std):
        std = ratio.ratio_std
    return Metric(
        name=name,
        value=value,
        std=std,
        low=low / (1.0 + low),
        high=high / (1.0 + high) if math.isfinite(high) else 1.0,
        resolved=resolved,
        remark=remark,
    )


def ratio_metric(
    name: str, ratio: LogRatio, *, resolved: bool = True, remark: str = ""
) -> Metric:
    """Return ``A / B`` with its limits."""
    low, high = ratio.ratio_limits()
    value = math.exp(min(ratio.value, _LARGE))
    return Metric(
        name=name,
        value=value,
        std=ratio.ratio_std if math.isfinite(ratio.ratio_std) else value * ratio.std,
        low=low,
        high=high,
        resolved=resolved,
        remark=remark,
    )


def loss_metric(
    name: str,
    ratio: LogRatio,
    reference: LogRatio,
    *,
    resolved: bool = True,
    remark: str = "",
) -> Metric:
    """Return ``1 - r / r_ref`` of two shares, each from its log-ratio.

    Parameters
    ----------
    name : str
        Of the metric.
    ratio, reference : LogRatio
        Of the sample and of the reference, fitted apart.
    resolved : bool
        Whether both are.
    remark : str
        What to know.

    Returns
    -------
    Metric
        The limits are those of the logarithm of ``r / r_ref``.
    """
    shares = [float(expit(each.value)) for each in (ratio, reference)]
    if not shares[1] > 0.0:
        return Metric(
            name=name,
            value=math.nan,
            std=math.nan,
            low=math.nan,
            high=math.nan,
            resolved=False,
            remark=remark or "the reference's share is zero",
        )
    kept = shares[0] / shares[1]
    if ratio.is_sure:
        std, low, high = _limits_of_kept(ratio, reference, kept)
    else:
        std, low, high = _limits_near_zero(ratio, reference, kept)
    return Metric(
        name=name,
        value=1.0 - kept,
        std=std,
        low=1.0 - high,
        high=1.0 - low,
        resolved=resolved,
        remark=remark,
    )


def _limits_of_kept(
    ratio: LogRatio, reference: LogRatio, kept: float
) -> tuple[float, float, float]:
    """Return 1 sigma and limits of a ratio of shares, from its logarithm."""
    variances = [
        ((1.0 - float(expit(each.value))) * each.std) ** 2
        for each in (ratio, reference)
    ]
    std = math.sqrt(sum(variances))
    freedom = [
        variance**2 / each.degrees_of_freedom
        for variance, each in zip(variances, (ratio, reference), strict=True)
    ]
    total = sum(freedom)
    effective = min(std**4 / total, 1e6) if total > 0.0 else 1e6
    reach = float(student.ppf(0.5 + 0.5 * LIMIT, effective)) * std
    far = math.exp(min(reach, _LARGE))
    return kept * std, kept / far, kept * far


def _limits_near_zero(
    ratio: LogRatio, reference: LogRatio, kept: float
) -> tuple[float, float, float]:
    """Return 1 sigma and limits of a ratio of shares whose upper one may be zero."""
    share = share_metric("", ratio)
    whole = float(expit(reference.value))
    spread = kept * (1.0 - whole) * reference.std
    reach = float(student.ppf(0.5 + 0.5 * LIMIT, 1e6)) * spread
    return (
        math.hypot(share.std / whole, spread),
        max(kept - math.hypot((share.value - share.low) / whole, reach), 0.0),
        kept + math.hypot((share.high - share.value) / whole, reach),
    )


def why_unresolved(
    fit: BandFit,
    sums: Sums,
    *,
    identifiability: Identifiability,
    ratio: LogRatio,
) -> str:
    """Return why a ratio is not determined by the data; empty where it is."""
    names = fit.model.names
    above = {names[k] for k in np.flatnonzero(sums.above)}
    below = {names[k] for k in np.flatnonzero(sums.below)}
    both = above & below
    if not above or not below:
        return "the model has no band on one side of the ratio"
    for name in sorted(above - both):
        verdict = identifiability.verdict(name)
        mirrored = set(verdict.group.split(" + ")) & (below - both)
        if mirrored:
            other = sorted(mirrored)[0]
            return f"{name} is not determined apart from {other}"
    seen: Mapping[str, list[str]] = {
        side: [
            name
            for name in group
            if identifiability.verdict(name).status
            in (BandStatus.DETERMINED, BandStatus.MERGED)
        ]
        for side, group in (("upper", above), ("lower", below))
    }
    for side, group in (("upper", above), ("lower", below)):
        if not seen[side]:
            first = identifiability.verdict(sorted(group)[0])
            return f"{first.name} is {first.status.value}: {first.reason}"
    if not ratio.std < _ENOUGH_SPREAD:
        return f"the logarithm of the ratio is known to {ratio.std:.2f} only"
    return ""


def why_by_overlap(
    fit: BandFit,
    upper: tuple[float, float],
    lower: tuple[float, float],
    *,
    members: Sequence[int],
    without: Sequence[str] = (),
) -> str:
    """Return why two bands cannot be told apart by their places; empty where they can.

    Parameters
    ----------
    fit : BandFit
        A fit.
    upper, lower : tuple of float
        Windows of the bands above and below the bar, lower end included, **cm-1**.
    members : sequence of int
        Spectra of the sample.
    without : sequence of str
        Species that do not count.

    Returns
    -------
    str
        Not empty where a band stands closer to a band of about its width than both
        are wide: they make one maximum (Robertson 2013, 10.1017/pasa.2013.26), and how
        its area is shared out follows from the shape assumed, which is never doubted.
    """
    shared = fit.solution.shared
    centres, widths = place_bands(fit.layout, shared)
    widths = np.hypot(widths[fit.layout.family], fit.model.instrument_fwhm)
    areas = fit.band_areas[list(members)].sum(axis=0)

    def inside(window: tuple[float, float]) -> list[int]:
        return [
            k
            for k, band in enumerate(fit.model.bands)
            if window[0] <= band.wavenumber < window[1] and band.species not in without
        ]

    for one in inside(upper):
        for other in inside(lower):
            width = 0.5 * float(widths[one] + widths[other])
            apart = abs(float(centres[one] - centres[other]))
            alike = 1.0 / _ALIKE < widths[one] / widths[other] < _ALIKE
            if alike and apart < width and areas[other] > _WEAK * areas[one]:
                names = [fit.model.bands[k].name for k in (one, other)]
                return (
                    f"{names[0]} and {names[1]} are {apart:.0f} cm-1 apart and "
                    f"{width:.0f} wide: how they share their light follows from the "
                    "line shape assumed"
                )
    return ""


def why_by_width(found: LogRatio, widest: LogRatio) -> str:
    """Return why bands too weak to be seen leave a ratio open; empty where not.

    Parameters
    ----------
    found, widest : LogRatio
        By the fit, and by the fit with unseen bands as broad as they may be.

    Returns
    -------
    str
        Not empty where the two lie further apart than a ratio may be uncertain: how
        much of an unseen band hides under the baseline depends on its width.
    """
    change = abs(widest.value - found.value)
    if not change >= _ENOUGH_SPREAD:
        return ""
    return (
        "bands too weak to be seen change the ratio by a factor "
        f"{math.exp(min(change, 50.0)):.2g} if they are as broad as they may be"
    )
