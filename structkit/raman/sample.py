"""From the fit of a sample's spots to its metrics, in the study's terms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from structkit.raman import windows
from structkit.raman.covariance import FitCovariance, covariance_of
from structkit.raman.fit import BandFit
from structkit.raman.identify import Identifiability, identify_bands
from structkit.raman.metrics import (
    SURE,
    LogRatio,
    Metric,
    Sums,
    count_bands,
    log_ratio,
    loss_metric,
    ratio_metric,
    share_metric,
    why_by_overlap,
    why_by_width,
    why_unresolved,
)
from structkit.raman.pooled import Pooled

Floats = NDArray[np.float64]
Window = tuple[float, float]

KAPPA_STD = 0.7
"""1 sigma of ln kappa, crystal over glass cross-section, where it is not calibrated."""
_ONE_SPOT = "one spot: nothing is known of the scatter from spot to spot"
_LOSS = "an intensity loss, consistent with substitution; no proof of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRules:
    """Which bands make which metric; windows in **cm-1**, lower end included."""

    out_of_plane: Window = windows.OUT_OF_PLANE_BEND.limits
    """Out-of-plane Ta-Cl bends of the study."""
    in_plane: Window = windows.IN_PLANE_BEND.limits
    """In-plane Ta-Cl bends of the study."""
    stretch: Window = windows.STRETCHES.limits
    """Ta-Cl stretches, the 405 line included."""
    equatorial: Window = windows.EQUATORIAL.limits
    """What the 405 line is compared with."""
    axial: Window = (400.0, 420.0)
    """The 405 line."""
    oxide: Window = windows.BRIDGE.limits
    """Ta-O-Ta bands."""
    rivals: tuple[str, ...] = ()
    """Species whose bands are no part of the sample's salt: residues, oxide, glass of
    a cover; they are in no metric."""
    crystal: tuple[str, ...] = ()
    """Species of the crystal, for its share against the glass."""
    glass: tuple[str, ...] = ()
    """Species of the glass."""
    in_glass: tuple[str, ...] = ()
    """Species that are part of the glass though bands of their own: its bridges."""
    kappa: float = 1.0
    """Cross-section of the crystal over that of the glass, per formula unit."""
    kappa_std: float = KAPPA_STD
    """1 sigma of its natural logarithm."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleMetrics:
    """What the spots of one sample say."""

    fit: BandFit
    """The fit."""
    covariance: FitCovariance
    """Of it."""
    identifiability: Identifiability
    """What the data determine."""
    metrics: tuple[Metric, ...]
    """One for each metric."""
    axial: LogRatio
    """Logarithm of axial over equatorial area, for the loss against a reference."""
    axial_unresolved: str
    """Why it is not determined; empty where it is."""

    def metric(self, name: str) -> Metric:
        """Return one metric."""
        return next(metric for metric in self.metrics if metric.name == name)


def measure_sample(
    fit: BandFit,
    rules: MetricRules | None = None,
    *,
    members: Sequence[int] | None = None,
    covariance: FitCovariance | None = None,
    ensemble: Sequence[BandFit] | None = None,
    widest: BandFit | None = None,
    pooled: Pooled | None = None,
    refit: bool = True,
) -> SampleMetrics:
    """Return the metrics of one sample.

    Parameters
    ----------
    fit : BandFit
        Fit of its spots.
    rules : MetricRules, optional
        Windows and roles.
    members : sequence of int, optional
        Spectra of the sample, where the fit holds others too.
    covariance, ensemble : optional
        Of the fit, where they are known.
    widest : BandFit, optional
        The fit with unseen bands as broad as they may be
        (:func:`structkit.raman.identify.fit_widest`), for the limits of what is not
        resolved.
    pooled : Pooled, optional
        The fit with background and glass of the spots in common
        (:func:`structkit.raman.pooled.pool_spots`): ratios of bends are taken from it,
        as a baseline of its own in each spectrum takes the feet of broad bands.
    refit : bool
        See :func:`structkit.raman.identify.identify_bands`.

    Returns
    -------
    SampleMetrics
        ``out_of_plane_ratio`` and ``in_plane_ratio`` (bends over stretches),
        ``bend_ratio`` (out of plane over in plane), ``r_ax``, ``r_O``,
        ``oxide_ratio`` (bridge over stretch), and ``amorphous_share`` where the
        species of crystal and glass are named. What the data do not determine has
        ``resolved`` false and its reason.

    References
    ----------
    Ojelade et al. 2025, 10.1039/d5sc05307b (windows and assignments).
    """
    rules = rules or MetricRules()
    covariance = covariance or covariance_of(fit)
    wide_covariance = covariance if widest is None else covariance_of(widest)
    known = identify_bands(
        fit, covariance=covariance, ensemble=ensemble, members=members, refit=refit
    )

    places = None
    if pooled is not None:
        everything = range(len(fit.spectra))
        places = pooled.places(everything if members is None else members)

    def ratio(
        above: Floats, below: Floats, *, together: bool = False
    ) -> tuple[LogRatio, str]:
        sums = Sums(above=above, below=below)
        free = log_ratio(
            fit,
            sums,
            covariance=covariance,
            ensemble=known.ensemble,
            members=members,
        )
        found = free
        if together and pooled is not None and places is not None:
            found = log_ratio(
                pooled.fit, sums, covariance=pooled.covariance, members=places
            )
        why = why_unresolved(fit, sums, identifiability=known, ratio=found)
        if widest is None:
            return found, why
        also = log_ratio(widest, sums, covariance=wide_covariance, members=members)
        why = why or why_by_width(free, also)
        return (replace(found, also=also) if why else found), why

    def within(*windows: Window) -> Floats:
        return count_bands(fit, *windows, without=rules.rivals)

    stretch, oxide = within(rules.stretch), within(rules.oxide)
    out_of_plane, in_plane = within(rules.out_of_plane), within(rules.in_plane)
    axial = within(rules.axial)
    equatorial = within((rules.equatorial[0], rules.axial[0]))
    axial_ratio, axial_why = ratio(axial, equatorial)
    axial_why = axial_why or why_by_overlap(
        fit,
        rules.axial,
        (rules.equatorial[0], rules.axial[0]),
        members=range(len(fit.spectra)) if members is None else members,
        without=rules.rivals,
    )
    oxide_ratio, oxide_why = ratio(oxide, stretch)
    asked = (
        (
            "out_of_plane_ratio",
            ratio(out_of_plane, stretch, together=True),
            ratio_metric,
        ),
        ("in_plane_ratio", ratio(in_plane, stretch, together=True), ratio_metric),
        ("bend_ratio", ratio(out_of_plane, in_plane, together=True), ratio_metric),
        ("r_ax", (axial_ratio, axial_why), share_metric),
        ("r_O", (oxide_ratio, oxide_why), share_metric),
        ("oxide_ratio", (oxide_ratio, oxide_why), ratio_metric),
    )
    metrics = [
        make(name, found, resolved=not why, remark=_remark(why, found))
        for name, (found, why), make in asked
    ]
    share = _amorphous_share(fit, rules, ratio)
    return SampleMetrics(
        fit=fit,
        covariance=covariance,
        identifiability=known,
        metrics=(*metrics, *([share] if share is not None else [])),
        axial=axial_ratio,
        axial_unresolved=axial_why,
    )


def _remark(why: str, ratio: LogRatio) -> str:
    """Return what to know of a metric."""
    notes = [f"not resolved: {why}"] if why else []
    if ratio.n_spots < 2:
        notes.append(_ONE_SPOT)
    return "; ".join(notes)


def _amorphous_share(
    fit: BandFit,
    rules: MetricRules,
    ratio: Callable[[Floats, Floats], tuple[LogRatio, str]],
) -> Metric | None:
    """Return the share of the glass against the crystal, kappa a nuisance."""
    species = fit.model.species
    glass, crystal = (
        np.asarray([float(s in wanted) for s in species])
        for wanted in (rules.glass, rules.crystal)
    )
    if not glass.any() or not crystal.any():
        return None
    found, why = ratio(glass, crystal)
    scaled = replace(
        found,
        value=found.value + math.log(rules.kappa),
        baseline_variance=found.baseline_variance + rules.kappa_std**2,
        ratio=rules.kappa * found.ratio,
        ratio_std=math.nan
        if found.ratio > SURE * found.ratio_std
        else rules.kappa * math.hypot(found.ratio_std, found.ratio * rules.kappa_std),
    )
    notes = [
        f"cross-section ratio {rules.kappa:g} within a factor "
        f"{math.exp(rules.kappa_std):.2g}",
        _remark(why, found),
    ]
    return share_metric(
        "amorphous_share",
        scaled,
        resolved=not why,
        remark="; ".join(note for note in notes if note),
    )


def axial_loss(sample: SampleMetrics, reference: SampleMetrics) -> Metric:
    """Return ``S_ax``, the loss of the 405 line's share against a reference.

    Parameters
    ----------
    sample, reference : SampleMetrics
        Of one fit each.

    Returns
    -------
    Metric
        ``1 - r_ax / r_ax(reference)``, resolved where both shares are.
    """
    reasons = [
        f"{who}: {why}"
        for who, why in (
            ("sample", sample.axial_unresolved),
            ("reference", reference.axial_unresolved),
        )
        if why
    ]
    remark = f"not resolved: {'; '.join(reasons)}" if reasons else _LOSS
    return loss_metric(
        "S_ax",
        sample.axial,
        reference.axial,
        resolved=not reasons,
        remark=remark,
    )


def metric_names(samples: Sequence[SampleMetrics]) -> tuple[str, ...]:
    """Return the names of all metrics of some samples, in order."""
    return tuple(
        dict.fromkeys(metric.name for sample in samples for metric in sample.metrics)
    )
