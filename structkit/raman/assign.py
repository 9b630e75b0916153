"""Rival readings of a spectrum, fitted and ranked.

Which species are there is not read off peak positions. Each hypothesis, a set of
species, is fitted as a whole; the BIC ranks them, and the bands that make the
difference are named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from structkit.errors import FitError
from structkit.raman.bands import Band
from structkit.raman.blank import GLASSES, make_blank_column
from structkit.raman.blocks import noise_of
from structkit.raman.covariance import FitCovariance, correlation_length, covariance_of
from structkit.raman.fit import BandFit, fit_bands, fit_blocks
from structkit.raman.hypotheses import Hypothesis
from structkit.raman.library import BandLibrary
from structkit.raman.model import BandModel, Template, Tie
from structkit.raman.nested import CLOSE, fit_from_nested, is_nested
from structkit.raman.references import ReferenceBands
from structkit.raman.search import UNASSIGNED, add_missing_bands, charge_found
from structkit.schema import (
    INTENSITY,
    INTENSITY_STD,
    MASKED,
    RAMAN_SHIFT,
    SPOT,
    FitStatus,
)

SILENT = "no band of it within the range"
STOOD_FOR = "the blank stands for it, in every reading"
_TELLING = 3
_EXTRA = 2
"""Bands nobody assigned that a reading may have."""


class _Tried(NamedTuple):
    """A reading, its fit, and why it has none or what it lacks."""

    hypothesis: Hypothesis
    fit: BandFit | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankedHypothesis:
    """One reading and how well it does."""

    hypothesis: Hypothesis
    """The reading."""
    delta_bic: float
    """BIC less that of the best; NaN where it could not be fitted."""
    n_parameters: int
    """Free parameters of its bands."""
    chi_square: float
    """Weighted squares and priors at its best."""
    discriminating: tuple[str, ...]
    """Bands that tell it from its nearest rival, with their significance."""
    fit: BandFit | None
    """Its fit."""
    reason: str = ""
    """Why it could not be fitted, or what it lacks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assignment:
    """All readings of one spectrum, the best first."""

    ranked: tuple[RankedHypothesis, ...]
    """By BIC; those that could not be fitted last."""
    n_independent: float
    """Independent points, as the BIC counts them."""
    misfit: float
    """What chi-square was divided by: the misfit of the best reading, at least 1."""

    @property
    def best(self) -> RankedHypothesis:
        """Return the first."""
        return self.ranked[0]


def assign(
    spectra: xr.Dataset,
    hypotheses: Sequence[Hypothesis],
    *,
    library: BandLibrary,
    model: BandModel | None = None,
    learned: Mapping[str, ReferenceBands] | None = None,
    templates: Mapping[str, Template] | None = None,
    blank: xr.Dataset | Template | None = None,
) -> Assignment:
    """Fit hypotheses to a spectrum and rank them.

    Parameters
    ----------
    spectra : xarray.Dataset
        Spots of one sample; they are added up, weighted as they are known.
    hypotheses : sequence of Hypothesis
        Sets of species, such as :func:`structkit.raman.hypotheses.load_hypotheses`.
    library : BandLibrary
        Bands of the species.
    model : BandModel, optional
        Shape, instrument width and baseline to use; its bands do not matter.
    learned : mapping of str to ReferenceBands, optional
        Bands of species as reference samples show them, in place of the library's.
    templates : mapping of str to Template, optional
        Measured spectra of species, in place of any bands.
    blank : xarray.Dataset or Template, optional
        Spectrum of cover, slide or holder alone, prepared like the sample: a column of
        every reading, whose amount is free. It stands for the glasses of the library,
        so readings that differ by these only are one.

    Returns
    -------
    Assignment
        ``BIC = chi^2 / s + k ln n``: chi-square with the priors, s the misfit of the
        best reading, k the parameters of the bands, n the independent points; bands
        nobody assigned pay more (:func:`structkit.raman.search.charge_found`).

    Raises
    ------
    FitError
        No hypothesis could be fitted; the message says why.
    SchemaError
        The blank covers less than half of the range.

    Notes
    -----
    All readings have the weights and the baseline's smoothness of the one that does
    best with its own. Each is started from its expected bands, from where the spectrum
    has lines, and from the best reading that it holds, so that none is behind a part
    of itself by more than the price of what it has in addition.
    """
    summed = add_spots(spectra)
    low, high = (float(summed[RAMAN_SHIFT][k]) for k in (0, -1))
    base = model or BandModel(bands=library.bands[:1])
    if isinstance(blank, xr.Dataset):
        blank = make_blank_column(blank, summed[RAMAN_SHIFT].to_numpy())
    tried: list[_Tried] = []
    for hypothesis in hypotheses:
        own, reason = build_model(
            hypothesis.species,
            library=library,
            within=(low, high),
            base=base,
            learned=learned,
            templates=templates,
            blank=blank,
        )
        if own is None:
            tried.append(_Tried(hypothesis, None, reason))
            continue
        try:
            fit = fit_bands(summed, _symmetric(own))
        except FitError as error:
            tried.append(_Tried(hypothesis, None, str(error)))
            continue
        tried.append(_Tried(hypothesis, fit, reason))
    alike = _continue_nested(_make_alike(tried))
    return _rank(_catch_up(_complete(alike)))


def _symmetric(model: BandModel) -> BandModel:
    """Return a model whose bands keep the skew of the library.

    A skew each would cost a reading more than what it tells of a glass.
    """
    bands = tuple(replace(band, skew_std=0.0) for band in model.bands)
    return replace(model, bands=bands)


def _make_alike(tried: Sequence[_Tried]) -> list[_Tried]:
    """Return the readings with the weights and the smoothness of the best.

    Which points are outliers, and how stiff the background is, are facts of the
    spectrum. Where every reading has its own, their chi-squares are of different data,
    and a poor one takes the weight from what it misses.
    """
    judge = next(one.fit for one in _rank(tried).ranked if one.fit is not None)
    found = []
    for one in tried:
        fit = one.fit
        if fit is not None and not _is_alike(fit, judge):
            fit = fit_blocks(
                judge.spectra,
                replace(fit.model, loss="normal"),
                start=fit,
                smoothness=judge.smoothness,
            )
        elif fit is not None:
            fit = replace(fit, model=replace(fit.model, loss="normal"))
        found.append(one._replace(fit=fit))
    return found


def _is_alike(fit: BandFit, other: BandFit) -> bool:
    """Return whether two fits of one spectrum have one smoothness and one noise."""
    same = np.array_equal(fit.spectra[0].sigma, other.spectra[0].sigma)
    return same and fit.smoothness == other.smoothness


def _continue_nested(tried: Sequence[_Tried]) -> list[_Tried]:
    """Return the readings, each started from the best that it holds as well."""
    done = list(tried)
    for place in _by_size(tried):
        mine = done[place].fit
        held = _held_by(place, done)
        if mine is None or not held:
            continue
        other = min(held, key=_cost)
        if not is_nested(mine.model, other.model):  # else it is the same model
            other = fit_from_nested(other, mine.model)
        done[place] = done[place]._replace(fit=min(mine, other, key=_cost))
    return done


def _catch_up(tried: Sequence[_Tried]) -> list[_Tried]:
    """Return the readings, the bands found in a part of them taken along.

    Only where that part does better than the whole, and where the BIC says so.
    """
    ranked = _rank(tried)
    done = list(tried)
    for place in _by_size(tried):
        mine = done[place].fit
        held = _held_by(place, done)
        if mine is None or not held:
            continue
        best = min(held, key=_cost)
        if _cost(mine) <= _cost(best) + CLOSE:
            continue
        found = tuple(b for b in best.model.bands if b.species == UNASSIGNED)
        named = _without_found(mine.model)
        whole = replace(named, bands=(*named.bands, *found))
        other = fit_from_nested(best, whole)
        bics = [_bic(fit, ranked.misfit, ranked.n_independent) for fit in (mine, other)]
        done[place] = done[place]._replace(fit=mine if bics[0] <= bics[1] else other)
    return done


def _by_size(tried: Sequence[_Tried]) -> list[int]:
    """Return the places of the readings, those of few bands first."""
    sizes = [0 if one.fit is None else len(one.fit.model.names) for one in tried]
    return sorted(range(len(tried)), key=sizes.__getitem__)


def _held_by(place: int, tried: Sequence[_Tried]) -> list[BandFit]:
    """Return the fits of the readings that one of them holds."""
    mine = tried[place].fit
    if mine is None:
        return []
    return [
        one.fit
        for number, one in enumerate(tried)
        if number != place
        and one.fit is not None
        and is_nested(_without_found(one.fit.model), _without_found(mine.model))
    ]


def _without_found(model: BandModel) -> BandModel:
    """Return a model without the bands that nobody assigned."""
    return replace(
        model, bands=tuple(b for b in model.bands if b.species != UNASSIGNED)
    )


def _cost(fit: BandFit) -> float:
    """Return half of chi-square, priors included."""
    return fit.solution.cost


def _complete(tried: Sequence[_Tried]) -> list[_Tried]:
    """Return the readings with the bands that they lack.

    A line that no reading has would be claimed by whichever has a band nearby.
    """
    return [
        one
        if one.fit is None
        else one._replace(fit=add_missing_bands(one.fit, limit=_EXTRA))
        for one in tried
    ]


def add_spots(spectra: xr.Dataset) -> xr.Dataset:
    """Return one spectrum: the mean of the spots.

    Points that are masked in a spot are left out of the mean.
    """
    values = spectra[INTENSITY].to_numpy().astype(float)
    sigma = noise_of(spectra)
    kept = np.ones(values.shape)
    if MASKED in spectra:
        kept = (spectra[MASKED].to_numpy() == 0).astype(float)
    number = np.maximum(kept.sum(axis=0), 1.0)
    whole = spectra.isel({SPOT: [0]})[[INTENSITY]]
    mean = (values * kept).sum(axis=0) / number
    spread = np.sqrt((sigma**2 * kept).sum(axis=0)) / number
    lost = kept.sum(axis=0) == 0.0
    spread = np.where(lost, sigma.mean(axis=0) * 1e3, spread)
    mean = np.where(lost, values.mean(axis=0), mean)
    attrs = spectra[INTENSITY].attrs
    dims = (SPOT, RAMAN_SHIFT)
    return whole.assign(
        {
            INTENSITY: (dims, mean[None, :], attrs),
            INTENSITY_STD: (dims, spread[None, :], attrs),
        }
    )


def build_model(
    species: Sequence[str],
    *,
    library: BandLibrary,
    within: tuple[float, float],
    base: BandModel,
    learned: Mapping[str, ReferenceBands] | None = None,
    templates: Mapping[str, Template] | None = None,
    blank: Template | None = None,
) -> tuple[BandModel | None, str]:
    """Return the model of a set of species, and what it lacks.

    Parameters
    ----------
    species : sequence of str
        Names in the library.
    library : BandLibrary
        Bands.
    within : tuple of float
        Range of the spectrum, **cm-1**; bands outside are left out.
    base : BandModel
        Shape, instrument and baseline.
    learned, templates, blank : optional
        See :func:`assign`.

    Returns
    -------
    model : BandModel or None
        None where no species has a band in the range.
    lacks : str
        Species without a band there, or that the blank stands for; empty where there
        are none.
    """
    known, measured = learned or {}, templates or {}
    bands: list[Band] = []
    ties: list[Tie] = []
    columns: list[Template] = []
    lacking, stood_for = [], []
    taught = {name for one in known.values() for name in one.species}
    for name in species:
        if blank is not None and name in GLASSES and _is_blank(measured.get(name)):
            stood_for.append(name)
        elif name in measured:
            columns.append(measured[name])
        elif name in known:
            own = known[name]
            inside = [b for b in own.bands if within[0] <= b.wavenumber <= within[1]]
            bands.extend(b for b in inside if b.species in species)
            tie = _cut(own.tie, {band.name for band in inside})
            if tie is not None:
                ties.append(tie)
        elif name not in taught:
            found = library.select(name).within(*within).bands
            bands.extend(found)
            if not found:
                lacking.append(name)
    told = ((lacking, SILENT), (stood_for, STOOD_FOR))
    lacks = "; ".join(f"{', '.join(names)}: {why}" for names, why in told if names)
    if blank is not None and (bands or columns):
        columns.append(blank)
    if not bands and not columns:
        return None, lacks or SILENT
    model = replace(
        base, bands=tuple(bands), ties=tuple(ties), templates=tuple(columns)
    )
    return model, lacks


def _is_blank(template: Template | None) -> bool:
    """Return whether a species has no measured spectrum but that of a blank."""
    return template is None or template.background


def _cut(tie: Tie, names: set[str]) -> Tie | None:
    """Return a tie without the bands that are not there."""
    pairs = [
        pair for pair in zip(tie.bands, tie.shares, strict=True) if pair[0] in names
    ]
    if not pairs:
        return None
    bands, shares = zip(*pairs, strict=True)
    return replace(tie, bands=bands, shares=shares)


def count_parameters(fit: BandFit) -> int:
    """Return the free parameters of the bands: the edge and the axis do not count."""
    return int(fit.shared_priors.free.sum()) + len(fit.model.names)


def compare_fits(fits: Mapping[str, BandFit]) -> dict[str, float]:
    """Return the BIC of fits of one spectrum, less the lowest."""
    misfit = max(1.0, min(_misfit(fit) for fit in fits.values()))
    n_points = _independent(next(iter(fits.values())))
    each = {name: _bic(fit, misfit, n_points) for name, fit in fits.items()}
    lowest = min(each.values())
    return {name: bic - lowest for name, bic in each.items()}


def _independent(fit: BandFit) -> float:
    """Return the independent points of a fit of one spectrum."""
    step = float(np.median(np.diff(fit.spectra[0].raman_shift)))
    return fit.n_points / max(1.0, fit.model.instrument_fwhm / step)


def _rank(tried: Sequence[_Tried]) -> Assignment:
    """Return the hypotheses by their BIC."""
    fits = [fit for _, fit, _ in tried if fit is not None and fit.status.has_values]
    if not fits:
        reasons = "; ".join(f"{h.name}: {why}" for h, _, why in tried)
        raise FitError(f"no hypothesis could be fitted: {reasons}")
    misfit = max(1.0, min(_misfit(fit) for fit in fits))
    n_points = _independent(fits[0])
    rows = [
        (_bic(fit, misfit, n_points), hypothesis, fit, reason)
        for hypothesis, fit, reason in tried
    ]
    rows.sort(key=lambda row: row[0])
    lowest = rows[0][0]
    ranked = []
    for number, (bic, hypothesis, fit, reason) in enumerate(rows):
        rival = rows[1 if number == 0 and len(rows) > 1 else 0]
        ranked.append(
            RankedHypothesis(
                hypothesis=hypothesis,
                delta_bic=bic - lowest if math.isfinite(bic) else math.nan,
                n_parameters=count_parameters(fit) if fit is not None else 0,
                chi_square=2.0 * fit.solution.cost if fit is not None else math.nan,
                discriminating=_telling(fit, rival[2]),
                fit=fit,
                reason=reason,
            )
        )
    return Assignment(ranked=tuple(ranked), n_independent=n_points, misfit=misfit)


def _bic(fit: BandFit | None, misfit: float, n_points: float) -> float:
    """Return the BIC of a fit; infinite where there is none."""
    if fit is None:
        return math.inf
    price = count_parameters(fit) * math.log(n_points)
    return 2.0 * fit.solution.cost / misfit + price + charge_found(fit)


def _misfit(fit: BandFit) -> float:
    """Return reduced chi-square times the correlation length of a fit."""
    if fit.status is FitStatus.FAILED:
        return math.inf
    residual = fit.residual(0)
    free = max(fit.n_points - fit.n_parameters - fit.spectra[0].basis.shape[1], 1)
    reduced = float(residual @ residual) / free
    return reduced * correlation_length(residual) if reduced > 1.0 else 1.0


def _telling(fit: BandFit | None, rival: BandFit | None) -> tuple[str, ...]:
    """Return the bands that one reading has and its rival has not, or lacks."""
    if fit is None or rival is None:
        return ()
    more = _significant(fit, set(rival.model.names))
    less = _significant(rival, set(fit.model.names))
    found = [f"{name} (z {z:.1f})" for name, z in more[:_TELLING]]
    found += [f"without {name} (z {z:.1f})" for name, z in less[:_TELLING]]
    return tuple(found)


def _significant(fit: BandFit, others: set[str]) -> list[tuple[str, float]]:
    """Return the columns that are not among others, strongest first."""
    covariance: FitCovariance = covariance_of(fit)
    sigma = np.sqrt(np.maximum(np.diag(covariance.of_spectrum(0)), 1e-300))
    scores = {
        name: float(fit.areas[0, column] / sigma[column])
        for column, name in enumerate(fit.model.names)
        if name not in others
    }
    return sorted(scores.items(), key=lambda item: -item[1])
