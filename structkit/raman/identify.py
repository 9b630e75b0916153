"""Which bands the data tell apart, and which only their sum.

A band is worth a number when leaving it out costs more than its parameters, when the
data and not the prior say where it is, when other baselines keep it, and when its
area is not the mirror of a neighbour's. What fails the last is merged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structkit.raman.absence import gain_of_amounts, gain_of_band
from structkit.raman.covariance import FitCovariance, correlation_length, covariance_of
from structkit.raman.fit import BandFit, fit_blocks, refit_held
from structkit.raman.model import BandModel

if TYPE_CHECKING:
    import lmfit

Floats = NDArray[np.float64]

MERGE_CORRELATION = 0.95
"""Correlation of two areas, in size, above which only their sum is reported."""
BIC_NEEDED = -6.0
"""Change of the BIC that a band must bring."""
SURVIVES = 2.0
"""Standard uncertainties that a band must keep under every baseline."""
PRIOR_SHARE = 0.9
"""Posterior over prior sigma of the centre above which only the prior placed it."""
_ADMISSIBLE = 4.0
"""Rise of chi-square, for each spectrum, up to which another baseline is believed."""
_AT_LIMIT = 1e-6
"""Share of the room between two limits that counts as being at one."""
_WALD_CERTAIN = 40.0
_CONDITION_LIMIT = 1e12
_MEMBERS: tuple[tuple[float, float], ...] = (
    (0.1, 1.0),
    (10.0, 1.0),
    (1.0, 0.7),
    (1.0, 1.5),
)
"""Other baselines: factors on the smoothness and on the distance of the knots."""


class BandStatus(Enum):
    """What is known of a band."""

    DETERMINED = "determined"
    """Its area is its own."""
    MERGED = "merged"
    """Only the sum with its neighbours is known."""
    NOT_DETECTED = "not detected"
    """The data do as well without it; its area is a limit."""
    DOUBTFUL = "doubtful"
    """Its place is the prior's or at a limit, or another baseline takes it away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of one column of the fit."""

    name: str
    """The band or template."""
    status: BandStatus
    """Its verdict."""
    reason: str
    """Why, in words; empty where it is determined."""
    group: str
    """Bands whose sum is known, joined by `` + ``; its own name when alone."""
    delta_bic: float
    """BIC with the band less BIC without; negative speaks for the band."""
    z: float
    """Summed area over its standard uncertainty."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Identifiability:
    """What the data determine."""

    verdicts: tuple[Verdict, ...]
    """One for each column."""
    correlation: Floats
    """Of the summed areas, shape (n_columns, n_columns)."""
    condition: float
    """Condition number of the scaled normal matrix without priors."""
    ensemble: tuple[BandFit, ...]
    """Fits with other baselines."""
    n_independent: float
    """Independent points, as the BIC counts them."""

    def verdict(self, name: str) -> Verdict:
        """Return the verdict on a band."""
        return next(v for v in self.verdicts if v.name == name)


class _Scale(NamedTuple):
    """What turns chi-square into a BIC."""

    n_independent: float
    misfit: float


class _Evidence(NamedTuple):
    """What speaks for a column."""

    delta_bic: float
    z: float
    lowest: float
    """Least of its area over sigma under all baselines."""
    needed: float
    """Area over sigma from which a parabola alone would show it; 0 where a refit from
    a start of its own does."""


def identify_bands(
    fit: BandFit,
    *,
    covariance: FitCovariance | None = None,
    ensemble: Sequence[BandFit] | None = None,
    members: Sequence[int] | None = None,
    refit: bool = True,
) -> Identifiability:
    """Find out what the data determine.

    Parameters
    ----------
    fit : BandFit
        A fit with values.
    covariance : FitCovariance, optional
        Of the same fit; made when absent.
    ensemble : sequence of BandFit, optional
        The same fit over other baselines; made when absent.
    members : sequence of int, optional
        Spectra of one sample, where the fit holds others too.
    refit : bool
        Refit without each band that is neither plainly there nor plainly absent,
        from a start of its own. Else, and where the fit holds other spectra, the refit
        starts from the fit, and is left out where amounts alone can do without the
        band: its change of the BIC is then that of a quadratic chi-square.

    Returns
    -------
    Identifiability
    """
    known = covariance or covariance_of(fit)
    chosen = list(range(len(fit.spectra)) if members is None else members)
    total = fit.areas[chosen].sum(axis=0)
    spread = known.of_total(chosen)
    sigma = np.sqrt(np.maximum(np.diag(spread), 1e-300))
    correlation = spread / np.outer(sigma, sigma)
    others = fit_ensemble(fit) if ensemble is None else tuple(ensemble)
    n_independent = independent_points(fit, chosen)
    scale = _Scale(n_independent, misfit_of(fit))
    verdicts = []
    groups = _merge(correlation)
    lowest = np.min(
        [f.areas[chosen].sum(axis=0) / sigma for f in (fit, *others)], axis=0
    )
    for column, name in enumerate(fit.model.names):
        evidence = _evidence(
            fit,
            column,
            chosen,
            z=float(total[column] / sigma[column]),
            lowest=float(lowest[column]),
            scale=scale,
            refit=refit,
        )
        status, reason = _judge(fit, known, column, evidence)
        group = groups[column]
        price = _parameters_of(fit, column) * math.log(n_independent)
        plain = status is not BandStatus.NOT_DETECTED and evidence.z >= evidence.needed
        if len(group) > 1 and (
            plain or price - _sum_z(total, spread, group) ** 2 <= BIC_NEEDED
        ):
            status, reason = _merged_reason(column, group, correlation, fit)
        verdicts.append(
            Verdict(
                name=name,
                status=status,
                reason=reason,
                group=" + ".join(fit.model.names[k] for k in group),
                delta_bic=evidence.delta_bic,
                z=evidence.z,
            )
        )
    return Identifiability(
        verdicts=tuple(verdicts),
        correlation=correlation,
        condition=condition_number(fit),
        ensemble=others,
        n_independent=n_independent,
    )


def fit_ensemble(fit: BandFit) -> tuple[BandFit, ...]:
    """Return fits of the same model over other baselines that do as well.

    A baseline that leaves much more than the fit's own does not speak: the spline
    with its knots farther apart, where the light has more shape than that.
    """
    from structkit.raman.baseline import difference_penalty, spline_basis

    found = []
    allowed = _ADMISSIBLE * len(fit.spectra) * misfit_of(fit)
    for factor, spacing in _MEMBERS:
        options = replace(
            fit.model.baseline,
            knot_spacing=spacing * fit.model.baseline.knot_spacing,
        )
        blocks = []
        for spectrum in fit.spectra:
            if spacing == 1.0:
                blocks.append(spectrum)
                continue
            basis = spline_basis(spectrum.raman_shift, options)
            penalty = difference_penalty(basis.shape[1], options.penalty_order)
            blocks.append(replace(spectrum, basis=basis, penalty=penalty))
        model = replace(fit.model, loss="normal")
        other = fit_blocks(blocks, model, start=fit, smoothness=factor * fit.smoothness)
        if 2.0 * (other.solution.cost - fit.solution.cost) < allowed:
            found.append(other)
    return tuple(found)


def fit_widest(fit: BandFit, *, below: float = 6.0) -> BandFit | None:
    """Return the fit with the bands that are not seen held as broad as they may be.

    Parameters
    ----------
    fit : BandFit
        A fit.
    below : float
        Significance of the summed area up to which a band counts as not seen.

    Returns
    -------
    BandFit or None
        Centres of these bands at their priors, widths one prior sigma above; None
        where all bands are seen. How much of a band hides under a baseline depends on
        its width, which a fit that does not see it cannot know.
    """
    covariance = covariance_of(fit)
    everything = range(len(fit.spectra))
    sigma = np.sqrt(np.maximum(np.diag(covariance.of_total(everything)), 1e-300))
    scores = fit.areas.sum(axis=0) / sigma
    layout, priors = fit.layout, fit.shared_priors
    held: dict[int, float] = {}
    for column, number in enumerate(fit.model.free_bands):
        if scores[column] >= below:
            continue
        centre = layout.centre.start + number
        family = int(layout.family[number])
        others = [
            k for k in np.flatnonzero(layout.family == family) if int(k) != number
        ]
        held[centre] = float(priors.mean[centre])
        if not others:
            width = layout.log_width.start + family
            held[width] = float(priors.mean[width] + priors.std[width])
    return refit_held(fit, held) if held else None


def independent_points(fit: BandFit, members: Sequence[int] | None = None) -> float:
    """Return the points, fewer where the instrument spans several of them."""
    total = 0.0
    chosen = range(len(fit.spectra)) if members is None else members
    for spectrum in (fit.spectra[k] for k in chosen):
        step = float(np.median(np.diff(spectrum.raman_shift)))
        total += spectrum.raman_shift.size / max(1.0, fit.model.instrument_fwhm / step)
    return total


def condition_number(fit: BandFit) -> float:
    """Return the condition number of the scaled normal matrix, priors left out.

    Of centres, widths, shapes and areas: 1 where each has its own signature in the
    data, infinite where one has none. The axis shift is left out: nothing but its
    prior tells it from a shift of all centres.
    """
    matrix = sum(normal.matrix for normal in fit.solution.normals)
    free = np.concatenate([fit.shared_priors.free, fit.local_priors.free])
    free[-1] = False
    kept = np.asarray(matrix)[np.ix_(free, free)]
    scale = np.sqrt(np.maximum(np.diag(kept), 1e-300))
    values = np.linalg.eigvalsh(kept / np.outer(scale, scale))
    if values[0] <= values[-1] / _CONDITION_LIMIT:
        return math.inf
    return float(values[-1] / values[0])


def _merge(correlation: Floats) -> list[list[int]]:
    """Return, for each column, the columns whose areas mirror each other."""
    n = correlation.shape[0]
    group = list(range(n))
    for i in range(n):
        for j in range(i):
            if abs(correlation[i, j]) > MERGE_CORRELATION:
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    return [[k for k in range(n) if group[k] == group[i]] for i in range(n)]


def _sum_z(total: Floats, spread: Floats, group: Sequence[int]) -> float:
    """Return the summed areas of a group over their standard uncertainty."""
    variance = float(spread[np.ix_(group, group)].sum())
    return float(total[list(group)].sum()) / math.sqrt(max(variance, 1e-300))


def _merged_reason(
    column: int, members: Sequence[int], correlation: Floats, fit: BandFit
) -> tuple[BandStatus, str]:
    """Return the verdict on a band that mirrors another."""
    others = [k for k in members if k != column]
    nearest = max(others, key=lambda k: abs(correlation[column, k]))
    limits = _at_limits(fit, column)
    return BandStatus.MERGED, (
        f"not determined apart from {fit.model.names[nearest]}: the areas correlate "
        f"by {correlation[column, nearest]:.3f}{f'; {limits}' if limits else ''}"
    )


def _evidence(
    fit: BandFit,
    column: int,
    members: Sequence[int],
    *,
    z: float,
    lowest: float,
    scale: _Scale,
    refit: bool,
) -> _Evidence:
    """Return BIC with a column less BIC without it, and what goes with it.

    Spots are replicates: a column is one amount that scatters, not one for each.
    """
    price = _parameters_of(fit, column) * math.log(scale.n_independent)
    delta = price - z * z
    plain = _Evidence(delta, z, lowest, 0.0)
    if len(fit.model.names) == 1 or z <= 0.0:
        return plain
    spare = len(members) - 1
    if refit and len(members) == len(fit.spectra):
        if abs(delta) > _WALD_CERTAIN:
            return plain
        without = fit_without(fit, column)
        gained = 2.0 * (without.solution.cost - fit.solution.cost) / scale.misfit
        return plain._replace(delta_bic=price - max(gained - spare, 0.0))
    if delta <= BIC_NEEDED:
        return plain
    most = gain_of_amounts(fit, column, members) / scale.misfit - spare
    if price - most > BIC_NEEDED:
        return plain
    gained = gain_of_band(fit, column, members, misfit=scale.misfit) / scale.misfit
    return plain._replace(
        delta_bic=price - max(gained - spare, 0.0),
        needed=math.sqrt(price - BIC_NEEDED),
    )


def misfit_of(fit: BandFit) -> float:
    """Return reduced chi-square times the correlation length, over all spectra."""
    residuals = [fit.residual(k) for k in range(len(fit.spectra))]
    free = fit.n_points - fit.n_parameters
    reduced = sum(float(r @ r) for r in residuals) / max(free, 1)
    if reduced <= 1.0:
        return 1.0
    return reduced * float(np.mean([correlation_length(r) for r in residuals]))


def _parameters_of(fit: BandFit, column: int) -> int:
    """Return how many parameters a column brings."""
    free = fit.model.free_bands
    if column >= len(free):
        return 2
    family = fit.layout.family
    alone = int(np.count_nonzero(family == family[free[column]])) == 1
    return 2 + (2 if alone else 0)


def fit_without(fit: BandFit, column: int) -> BandFit:
    """Return the fit of the same spectra without one band or template."""
    name = fit.model.names[column]
    tied = next((tie for tie in fit.model.ties if tie.name == name), None)
    gone = {name} if tied is None else set(tied.bands)
    model: BandModel = replace(
        fit.model,
        bands=tuple(band for band in fit.model.bands if band.name not in gone),
        ties=tuple(tie for tie in fit.model.ties if tie is not tied),
        templates=tuple(t for t in fit.model.templates if t.name != name),
        loss="normal",
    )
    return fit_blocks(
        fit.spectra, model, smoothness=fit.smoothness, parameters=_kept(fit, model)
    )


def _at_limits(fit: BandFit, column: int) -> str:
    """Return which limits the centre or the width of a band stands at, in words.

    There the prior's window decides, not the data; what is held has no limits.
    """
    free = fit.model.free_bands
    if column >= len(free):
        return ""
    layout, priors = fit.layout, fit.shared_priors
    number = free[column]
    places = {
        "centre": layout.centre.start + number,
        "width": layout.log_width.start + int(layout.family[number]),
    }
    found = []
    for what, place in places.items():
        value = float(fit.solution.shared[place])
        low, high = float(priors.low[place]), float(priors.high[place])
        near = _AT_LIMIT * (high - low)
        if not priors.free[place] or low + near < value < high - near:
            continue
        shown = math.exp(value) if what == "width" else value
        found.append(f"its {what} is at its limit, {shown:.4g} cm-1")
    return " and ".join(found)


def _kept(fit: BandFit, model: BandModel) -> lmfit.Parameters | None:
    """Return what the user set, as far as a smaller model has it."""
    if fit.parameters is None:
        return None
    from structkit.raman.parameters import select_parameters

    return select_parameters(fit.parameters, model)


def _judge(
    fit: BandFit, covariance: FitCovariance, column: int, evidence: _Evidence
) -> tuple[BandStatus, str]:
    """Return the verdict on a column by itself."""
    if evidence.delta_bic > BIC_NEEDED:
        return BandStatus.NOT_DETECTED, (
            f"the BIC changes by {evidence.delta_bic:+.1f} with it; "
            f"{BIC_NEEDED:g} is asked"
        )
    if evidence.z < evidence.needed:
        return BandStatus.DOUBTFUL, (
            f"seen, the BIC changes by {evidence.delta_bic:+.1f} with it, but its area "
            f"is {evidence.z:.1f} sigma, and {evidence.needed:.1f} are asked: others "
            "can take it over"
        )
    if evidence.lowest < SURVIVES:
        return BandStatus.DOUBTFUL, (
            f"another baseline leaves {evidence.lowest:.1f} of its "
            f"{evidence.z:.1f} sigma"
        )
    free = fit.model.free_bands
    if column < len(free):
        limits = _at_limits(fit, column)
        if limits:
            return BandStatus.DOUBTFUL, limits
        place = fit.layout.centre.start + free[column]
        prior = float(fit.shared_priors.std[place])
        std = math.sqrt(max(float(covariance.shared[place, place]), 0.0))
        if std > PRIOR_SHARE * prior:
            return BandStatus.DOUBTFUL, (
                f"its centre is the prior's: {std:.1f} of {prior:.1f} cm-1"
            )
    return BandStatus.DETERMINED, ""
