"""Spots that do not follow the others of their sample: burnt, crystallised, elsewhere.

Spots are replicates: amounts scatter a little from one to the next, and nothing else
changes. A spot where a species makes up another share of the light than noise and
ordinary scatter allow, or whose spectrum the common model does not describe, tells of
something that happened to it, often the beam's own doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from structkit.errors import SchemaError
from structkit.raman.covariance import FitCovariance, covariance_of
from structkit.raman.fit import BandFit

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_SPOTS = 4
"""With fewer, none can be told from the others."""
ORDINARY_SCATTER = 0.25
"""1 sigma of the logarithm of a ratio of two species from spot to spot that is nothing
unusual: amounts that scatter by 15 to 20 % each."""
SHARE_THRESHOLD = 5.0
"""Deviation of a share over its standard uncertainty from which on a spot is odd."""
MISFIT_THRESHOLD = 6.0
"""The same of a residual, of which each spot has hundreds."""
_CLIP = 4.0
_WINDOW = 5
_SAME_MISFIT = 0.5
_MAD = 1.4826
_KNOWN = 5.0
_TRACE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class OddSpot:
    """One spot that does not follow the others."""

    number: int
    """Place among the sample's spots, from 0."""
    species: str
    """Whose share of the light is another; empty where the model does not describe
    the spot."""
    raman_shift: float
    """Where the model fails most, **cm-1**; NaN where a share is another."""
    share: float
    """Share of the species in the light of the spot, 0 to 1; NaN for a misfit."""
    usual: float
    """The same of the other spots."""
    score: float
    """Deviation over its standard uncertainty."""
    statement: str
    """The same in words."""


def find_odd_spots(
    fit: BandFit,
    members: Sequence[int] | None = None,
    *,
    covariance: FitCovariance | None = None,
    threshold: float | None = None,
) -> tuple[OddSpot, ...]:
    """Find the spots of a sample that do not follow the others.

    Parameters
    ----------
    fit : BandFit
        Fit of the sample's spots, alone or with other samples.
    members : sequence of int, optional
        Places of the sample's spots in the fit; None: all are one sample's.
    covariance : FitCovariance, optional
        Of the fit, where it is known.
    threshold : float, optional
        Deviation over its standard uncertainty from which on a spot is odd; default:
        :data:`SHARE_THRESHOLD` and :data:`MISFIT_THRESHOLD`.

    Returns
    -------
    tuple of OddSpot
        One for each, with its largest deviation, in order; empty with fewer than four
        spots. Fewer than half of the spots can be odd: the others are what is usual.

    Raises
    ------
    SchemaError
        A place that the fit does not have, or given twice.

    Notes
    -----
    Two tests. The share ``y = A_k / sum A`` of each species against that of the half
    of the spots that agree best: it must lie beyond the noise of the spectrum and a
    scatter s of ``ln y/(1 - y)``, in quadrature, s at least :data:`ORDINARY_SCATTER`
    and more where most species scatter more. And the residual, summed over five points,
    against the median of the spots, of which half may differ in size; points beyond
    four sigma count as four, so that no cosmic ray makes a spot odd.

    References
    ----------
    P. J. Rousseeuw, C. Croux, J. Am. Stat. Assoc. 88 (1993) 1273,
    doi:10.1080/01621459.1993.10476408 (robust scales).
    """
    chosen = list(range(len(fit.spectra)) if members is None else members)
    known = set(range(len(fit.spectra)))
    if not set(chosen) <= known or len(set(chosen)) < len(chosen):
        raise SchemaError(
            f"members must be different places of the fit's {len(known)} spectra, not "
            f"{chosen}"
        )
    if len(chosen) < LEAST_SPOTS:
        return ()
    found: dict[int, OddSpot] = {}
    for odd in (
        *_odd_shares(
            fit,
            chosen,
            covariance or covariance_of(fit),
            limit=SHARE_THRESHOLD if threshold is None else threshold,
        ),
        *_odd_residuals(
            fit,
            chosen,
            limit=MISFIT_THRESHOLD if threshold is None else threshold,
        ),
    ):
        other = found.get(odd.number)
        if other is None or odd.score > other.score:
            found[odd.number] = odd
    return tuple(found[number] for number in sorted(found))


def _odd_shares(
    fit: BandFit, members: Sequence[int], covariance: FitCovariance, *, limit: float
) -> list[OddSpot]:
    """Return the spots in which a species has another share of the light."""
    names, group = _species_of(fit)
    areas = fit.areas[list(members)] @ group
    whole = np.maximum(areas.sum(axis=1, keepdims=True), 1e-300)
    share = areas / whole
    variance = np.empty_like(share)
    for row, place in enumerate(members):
        slopes = (group - group.sum(axis=1, keepdims=True) * share[row]) / whole[row]
        variance[row] = np.einsum("ik,ij,jk->k", slopes, covariance.own[place], slopes)
    usual, usual_variance = _agreeing_half(share, variance)
    noise = np.sqrt(variance + usual_variance)
    reach = limit * _scatter_of(share, usual, noise=noise)
    score = np.abs(share - usual) / np.maximum(
        np.hypot(noise, _moved(usual, np.sign(share - usual) * reach) / limit), 1e-300
    )
    columns = [
        _most_changed(row, usual, odd=odd)
        for row, odd in zip(share, score > limit, strict=True)
    ]
    n = len(members)
    return [
        OddSpot(
            number=int(row),
            species=names[column],
            raman_shift=np.nan,
            share=float(share[row, column]),
            usual=float(usual[column]),
            score=float(score[row, column]),
            statement=(
                f"spot {row + 1} of {n} does not follow the others: {names[column]} "
                f"makes {100.0 * share[row, column]:.2g} % of its bands, "
                f"{100.0 * usual[column]:.2g} % of theirs ({score[row, column]:.1f} "
                "sigma); heated by the beam, or another grain"
            ),
        )
        for row, column in enumerate(columns)
        if column is not None
    ]


def _moved(share: Floats, change: Floats) -> Floats:
    """Return how far shares move when the logarithm of their ratio changes."""
    inside = np.clip(share, 1e-9, 1.0 - 1e-9)
    return np.asarray(np.abs(expit(logit(inside) + change) - share))


def _most_changed(
    share: Floats, usual: Floats, *, odd: NDArray[np.bool_]
) -> int | None:
    """Return the odd species whose share changed by the largest factor."""
    if not odd.any():
        return None
    factor = np.abs(np.log(np.maximum(share, _TRACE) / np.maximum(usual, _TRACE)))
    return int(np.argmax(np.where(odd, factor, -1.0)))


def _species_of(fit: BandFit) -> tuple[tuple[str, ...], Floats]:
    """Return the species, and which column is of which, (n_columns, n_species)."""
    blanks = {t.name for t in fit.model.templates if t.background}
    species = [
        "" if name in blanks else kind
        for name, kind in zip(fit.model.names, fit.model.species, strict=True)
    ]
    names = tuple(dict.fromkeys(kind for kind in species if kind))
    group = np.asarray([[float(kind == name) for name in names] for kind in species])
    return names, group


def _agreeing_half(values: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return mean and its variance of the half of the rows that lie closest together.

    Parameters
    ----------
    values, variance : ndarray, shape (n_spots, n_species)
        Of each spot.
    """
    n, n_species = values.shape
    half = (n + 1) // 2
    order = np.argsort(values, axis=0)
    mean, spread = np.empty(n_species), np.empty(n_species)
    for column in range(n_species):
        ordered = values[order[:, column], column]
        widths = ordered[half - 1 :] - ordered[: n - half + 1]
        first = int(np.argmin(widths))
        kept = order[first : first + half, column]
        mean[column] = values[kept, column].mean()
        spread[column] = variance[kept, column].mean() / half
    return mean, spread


def _scatter_of(share: Floats, usual: Floats, *, noise: Floats) -> float:
    """Return the scatter of log-ratios that is usual in these spots."""
    known = (np.minimum(usual, 1.0 - usual) > _KNOWN * np.median(noise, axis=0)) & (
        usual < 1.0
    )
    if not known.any():
        return ORDINARY_SCATTER
    inside = np.clip(share[:, known], _TRACE, 1.0 - _TRACE)
    away = np.abs(logit(inside) - logit(usual[known]))
    half = (share.shape[0] - 1) // 2
    each = _MAD * np.sort(away, axis=0)[half]
    return max(ORDINARY_SCATTER, float(np.median(each)))


def _odd_residuals(
    fit: BandFit, members: Sequence[int], *, limit: float
) -> list[OddSpot]:
    """Return the spots that the model describes worse than it does the others."""
    sizes = {fit.spectra[place].raman_shift.size for place in members}
    if len(sizes) > 1:
        return []
    clipped = np.clip([fit.residual(place) for place in members], -_CLIP, _CLIP)
    windows = np.lib.stride_tricks.sliding_window_view(clipped, _WINDOW, axis=1)
    summed = windows.sum(axis=2) / np.sqrt(_WINDOW)
    usual = np.median(summed, axis=0)
    score = np.abs(summed - usual) / np.sqrt(1.0 + (_SAME_MISFIT * usual) ** 2)
    found = []
    for row, place in enumerate(members):
        where = int(np.argmax(score[row]))
        if score[row, where] <= limit:
            continue
        shift = float(fit.spectra[place].raman_shift[where + _WINDOW // 2])
        found.append(
            OddSpot(
                number=row,
                species="",
                raman_shift=shift,
                share=np.nan,
                usual=np.nan,
                score=float(score[row, where]),
                statement=(
                    f"spot {row + 1} of {len(members)} does not follow the others: the "
                    f"model that describes them fails at {shift:.0f} cm-1 "
                    f"({score[row, where]:.1f} sigma)"
                ),
            )
        )
    return found
