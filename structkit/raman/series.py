"""From the prepared spectra of a milling series to bands, metrics and assignments.

References first: what the crystal and the precursor look like by themselves. Then the
milled samples, all together or each alone, as sums of what is known (crystal,
precursor: one column each) and what is not (the glass, the bridges: free bands).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import xarray as xr

from structkit.errors import FitError, SchemaError
from structkit.raman.assign import (
    Assignment,
    add_spots,
    assign,
    build_model,
    compare_fits,
)
from structkit.raman.bands import Band
from structkit.raman.covariance import FitCovariance, covariance_of
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.hypotheses import Hypothesis, load_hypotheses
from structkit.raman.identify import BIC_NEEDED, fit_ensemble, fit_widest
from structkit.raman.library import BandLibrary, load_bands
from structkit.raman.metrics import Metric
from structkit.raman.model import BandModel, BaselineOptions, Template
from structkit.raman.pooled import LEAST_SPOTS, Pooled, pool_spots
from structkit.raman.references import ReferenceBands, learn_bands
from structkit.raman.sample import (
    MetricRules,
    SampleMetrics,
    axial_loss,
    measure_sample,
)
from structkit.raman.search import UNASSIGNED, add_missing_bands
from structkit.schema import RAMAN_SHIFT, SPOT

_SEEN = 4.0
_PLAIN = 40.0
"""Gain in the BIC above which a rival is there though none of its bands stands out by
itself: those of a cover glass are as broad as a baseline."""
_LOG = logging.getLogger(__name__)

SERIES_BASELINE = BaselineOptions(
    knot_spacing=50.0, penalty_order=4, undersmoothing=0.1
)
"""Baseline of a series' fits: fine knots, a sharp border, a little too soft."""
SAMPLE_SPECIES = ("NaTaCl6", "405 line", "NTOC glass", "Ta-O-Ta bent")
"""What a milled sample may be made of."""
RIVALS = ("TaCl5", "Ta2O5", "Ta2O5 amorphous", "cover glass", "silica glass", "Ta=O")
"""What else may be there; taken into the model where the BIC asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRole:
    """What a sample of some role teaches."""

    species: str
    """The species it is made of."""
    apart: tuple[str, ...] = ()
    """Species in it whose bands keep an area of their own."""


def _roles() -> dict[str, ReferenceRole]:
    return {
        "crystalline_reference": ReferenceRole(species="NaTaCl6", apart=("405 line",)),
        "unmilled": ReferenceRole(species="TaCl5"),
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesSample:
    """One sample of a series."""

    name: str
    """As in tables."""
    spectra: tuple[xr.Dataset, ...]
    """Prepared; each with any number of spots."""
    milling_time: float | None = None
    """**h**; None where it does not apply."""
    role: str = "milled"
    """As in the series file."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesOptions:
    """How a series is fitted."""

    library: BandLibrary = field(default_factory=load_bands)
    """Bands."""
    hypotheses: tuple[Hypothesis, ...] = field(default_factory=load_hypotheses)
    """Readings that are ranked for every sample."""
    species: tuple[str, ...] = SAMPLE_SPECIES
    """What a milled sample may be made of."""
    rivals: tuple[str, ...] = RIVALS
    """What is added where the data ask for it; its bands are in no metric."""
    references: Mapping[str, ReferenceRole] = field(default_factory=_roles)
    """What samples of a role teach."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """Measured spectra of species, in place of bands."""
    blank: Template | None = None
    """Glass or holder, with one scale in every spectrum."""
    model: BandModel | None = None
    """Shape, instrument width and baseline, its bands do not matter; None: Voigt bands
    on the default baseline."""
    rules: MetricRules | None = None
    """Windows and roles of the metrics."""
    together: Literal["series", "replicates"] = "series"
    """Milled samples fitted together (shared positions and widths) or one by one."""
    max_extra: int = 3
    """Bands nobody assigned that a fit may add."""
    ensemble: bool = True
    """Refit over other baselines for their part in the uncertainty."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleResult:
    """What the spectra of one sample say."""

    sample: SeriesSample
    """The sample."""
    measured: SampleMetrics | None
    """Bands and metrics; None where the fit failed."""
    members: tuple[int, ...]
    """Places of its spots in the fit."""
    loss: Metric | None
    """S_ax against the reference; None where there is no reference."""
    assignment: Assignment | None
    """Readings by BIC; None where none could be fitted."""
    rivals: tuple[str, ...]
    """Species taken into its model because the data ask for them."""
    reason: str = ""
    """Why there is no fit."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesResult:
    """What the spectra of a series say."""

    samples: tuple[SampleResult, ...]
    """In the order given."""
    learned: Mapping[str, ReferenceBands]
    """Bands learned from reference samples, by species."""
    remarks: tuple[str, ...]
    """What was noticed on the way."""

    def sample(self, name: str) -> SampleResult:
        """Return one sample."""
        return next(one for one in self.samples if one.sample.name == name)


def fit_series(
    samples: Sequence[SeriesSample], options: SeriesOptions | None = None
) -> SeriesResult:
    """Fit the Raman spectra of a series.

    Parameters
    ----------
    samples : sequence of SeriesSample
        Names must differ. One sample alone is a series too.
    options : SeriesOptions, optional
        Species, library, model.

    Returns
    -------
    SeriesResult
        A sample that cannot be fitted is a result with its reason.

    Raises
    ------
    SchemaError
        No samples, a name twice, or a species that the library does not know.
    """
    options = options or SeriesOptions()
    names = [sample.name for sample in samples]
    if not names or len(set(names)) < len(names):
        raise SchemaError("a series needs samples, each with a name of its own")
    options.library.select(
        [s for s in (*options.species, *options.rivals) if s not in options.templates]
    )
    work = _Work(options)
    for sample in samples:
        if sample.role in options.references:
            work.learn(sample)
    rest = [sample for sample in samples if sample.name not in work.results]
    if options.together == "series" and len(rest) > 1:
        work.fit_together(rest)
    else:
        for sample in rest:
            work.fit_together([sample])
    return work.finish(samples)


class _Work:
    """The results of a series as they come in."""

    def __init__(self, options: SeriesOptions) -> None:
        self.options = options
        self.base = options.model or series_model(
            BandModel(bands=options.library.bands[:1])
        )
        self.learned: dict[str, ReferenceBands] = {}
        self.results: dict[str, SampleResult] = {}
        self.remarks: list[str] = []
        self.rules = options.rules or MetricRules(
            rivals=options.rivals,
            crystal=("NaTaCl6",),
            glass=("NTOC glass",),
            in_glass=("Ta-O-Ta bent",),
        )

    def learn(self, sample: SeriesSample) -> None:
        """Fit a reference sample and keep what it teaches."""
        role = self.options.references[sample.role]
        if role.species in self.options.templates:
            return
        try:
            fit = self._fit([sample], (role.species, *role.apart))
        except FitError as error:
            self._fail(sample, str(error))
            return
        learned = learn_bands(
            fit,
            species=role.species,
            covariance=covariance_of(fit),
            source=sample.name,
            apart=role.apart,
        )
        if learned is None:
            self.remarks.append(
                f"{sample.name}: no band of {role.species} stands out; it teaches "
                "nothing"
            )
            return
        self.learned.setdefault(role.species, learned)
        self._keep([sample], fit, rivals=())

    def fit_together(self, samples: Sequence[SeriesSample]) -> None:
        """Fit samples with shared positions and widths."""
        rivals = tuple(r for r in self.options.rivals if r in self.learned)
        try:
            fit = self._fit(samples, (*self.options.species, *rivals))
            asked = self._rivals_of(samples, fit, rivals)
            if asked:
                rivals = (*rivals, *asked)
                fit = self._fit(samples, (*self.options.species, *rivals))
        except FitError as error:
            if len(samples) == 1:
                self._fail(samples[0], str(error))
                return
            self.remarks.append(f"the samples were fitted one by one: {error}")
            for sample in samples:
                self.fit_together([sample])
            return
        self._keep(samples, fit, rivals=rivals)

    def _fit(self, samples: Sequence[SeriesSample], species: Sequence[str]) -> BandFit:
        """Return the fit of all spots of some samples."""
        datasets = [one for sample in samples for one in sample.spectra]
        model = self._model(datasets, species)
        times = [sample.milling_time for sample in samples for _ in sample.spectra]
        along = None
        if self.base.drift and len(samples) > 1 and None not in times:
            along = [(time or 0.0) ** 0.5 for time in times]
        fit = fit_bands(datasets, model, along=along)
        return add_missing_bands(fit, limit=self.options.max_extra)

    def _model(
        self, datasets: Sequence[xr.Dataset], species: Sequence[str]
    ) -> BandModel:
        """Return the model of some species over the range of all datasets."""
        low = max(float(one[RAMAN_SHIFT][0]) for one in datasets)
        high = min(float(one[RAMAN_SHIFT][-1]) for one in datasets)
        model, _ = build_model(
            species,
            library=self.options.library,
            within=(low, high),
            base=self.base,
            learned=self.learned,
            templates=self.options.templates,
        )
        if model is None:
            raise FitError(
                f"no band of {', '.join(species)} within {low:.4g} to {high:.4g} cm-1"
            )
        if self.options.blank is not None:
            columns = (*model.templates, self.options.blank)
            model = replace(model, templates=columns)
        return model

    def _rivals_of(
        self, samples: Sequence[SeriesSample], fit: BandFit, known: Sequence[str]
    ) -> tuple[str, ...]:
        """Return the rivals that any of the samples asks for, given the bands found."""
        extra = tuple(b for b in fit.model.bands if b.species == UNASSIGNED)
        found: list[str] = []
        for sample in samples:
            for dataset in sample.spectra:
                found += self._asked_for(dataset, (*known, *found), extra)
        return tuple(dict.fromkeys(found))

    def _asked_for(
        self, dataset: xr.Dataset, known: Sequence[str], extra: Sequence[Band]
    ) -> list[str]:
        """Return rivals that lower the BIC of a sample's mean spectrum, best first."""
        summed = add_spots(dataset)
        added: list[str] = []
        left = [r for r in self.options.rivals if r not in known]
        while left:
            base = (*self.options.species, *known, *added)
            fits = {"": self._reading(summed, base, extra)}
            fits |= {r: self._reading(summed, (*base, r), extra) for r in left}
            done = {name: fit for name, fit in fits.items() if fit is not None}
            best = min(compare_fits(done).items(), key=lambda item: item[1])[0]
            if not best or "" not in done:
                return added
            gained = compare_fits(done)[""]
            plain = gained > _PLAIN or self._is_seen(done[best], best)
            if gained < -BIC_NEEDED or not plain:
                return added
            added.append(best)
            left.remove(best)
        return added

    def _reading(
        self, summed: xr.Dataset, species: Sequence[str], extra: Sequence[Band]
    ) -> BandFit | None:
        """Return the fit of some species and of found bands that are none of theirs."""
        model = self._model([summed], species)
        rivals = self.options.rivals
        taken = [band.limits for band in model.bands if band.species in rivals]
        more = [
            band
            for band in extra
            if not any(low < band.wavenumber < high for low, high in taken)
        ]
        try:
            return fit_bands(summed, replace(model, bands=(*model.bands, *more)))
        except FitError:
            return None

    def _is_seen(self, fit: BandFit, species: str) -> bool:
        """Return whether two bands of a species stand out, or its only one."""
        sigma = np.sqrt(np.diag(covariance_of(fit).of_spectrum(0)))
        scores = [
            float(fit.areas[0, k] / sigma[k])
            for k, name in enumerate(fit.model.species)
            if name == species
        ]
        needed = min(2, len(scores))
        return sum(score > _SEEN for score in scores) >= needed

    def _keep(
        self, samples: Sequence[SeriesSample], fit: BandFit, *, rivals: tuple[str, ...]
    ) -> None:
        """Measure every sample of a fit."""
        covariance = covariance_of(fit)
        ensemble = fit_ensemble(fit) if self.options.ensemble else ()
        widest = fit_widest(fit) if self.options.ensemble else None
        places = _places(samples)
        pooled = self._pool(samples, fit, covariance)
        for sample, members in zip(samples, places, strict=True):
            measured = measure_sample(
                fit,
                self.rules,
                members=members,
                covariance=covariance,
                ensemble=ensemble,
                widest=widest,
                pooled=pooled,
                refit=False,
            )
            self.results[sample.name] = SampleResult(
                sample=sample,
                measured=measured,
                members=members,
                loss=None,
                assignment=None,
                rivals=rivals,
            )

    def _pool(
        self, samples: Sequence[SeriesSample], fit: BandFit, covariance: FitCovariance
    ) -> Pooled | None:
        """Return the fit with what the spots of each sample have in common."""
        places = _places(samples)
        wanted = set(fit.model.species) & set(self.rules.glass)
        if not wanted or max(len(spots) for spots in places) < LEAST_SPOTS:
            return None
        pooled = pool_spots(
            fit,
            places,
            phase=self.rules.glass,
            followers=self.rules.in_glass,
            inflation=covariance.inflation,
        )
        apart = [
            sample.name
            for sample, spots in zip(samples, places, strict=True)
            if len(spots) >= LEAST_SPOTS
            and (pooled is None or pooled.places(spots) is None)
        ]
        if apart:
            self.remarks.append(
                f"{', '.join(apart)}: no fit in which the spots share background and "
                "glass; ratios of bends rest on baselines of each spectrum's own, "
                "which take the feet of broad bands"
            )
        return pooled

    def _fail(self, sample: SeriesSample, reason: str) -> None:
        """Keep why a sample has no fit."""
        _LOG.warning("%s: %s", sample.name, reason)
        self.results[sample.name] = SampleResult(
            sample=sample,
            measured=None,
            members=(),
            loss=None,
            assignment=None,
            rivals=(),
            reason=reason,
        )

    def finish(self, samples: Sequence[SeriesSample]) -> SeriesResult:
        """Return all results, with assignments and losses against the reference."""
        reference = self._reference(samples)
        done = []
        for sample in samples:
            result = self.results[sample.name]
            loss = None
            if reference is not None and result.measured is not None:
                if sample.name != reference.sample.name and reference.measured:
                    loss = axial_loss(result.measured, reference.measured)
            done.append(replace(result, loss=loss, assignment=self._assign(sample)))
        return SeriesResult(
            samples=tuple(done),
            learned=dict(self.learned),
            remarks=tuple(self.remarks),
        )

    def _reference(self, samples: Sequence[SeriesSample]) -> SampleResult | None:
        """Return the crystalline reference, where there is one with a fit."""
        for sample in samples:
            if sample.role == "crystalline_reference":
                result = self.results[sample.name]
                return result if result.measured is not None else None
        return None

    def _assign(self, sample: SeriesSample) -> Assignment | None:
        """Return the readings of a sample by BIC."""
        if not self.options.hypotheses or not sample.spectra:
            return None
        own = {
            species: taught
            for species, taught in self.learned.items()
            if taught.source != sample.name
        }
        try:
            return assign(
                _one_spectrum(sample.spectra),
                self.options.hypotheses,
                library=self.options.library,
                model=reading_model(self.base),
                learned=own,
                templates=self.options.templates,
                blank=self.options.blank,
            )
        except FitError as error:
            self.remarks.append(f"{sample.name}: {error}")
            return None


def _places(samples: Sequence[SeriesSample]) -> list[tuple[int, ...]]:
    """Return where the spots of each sample stand in the fit of all of them."""
    sizes = [sum(one.sizes[SPOT] for one in sample.spectra) for sample in samples]
    ends = np.cumsum([0, *sizes]).tolist()
    return [tuple(range(a, b)) for a, b in itertools.pairwise(ends)]


def series_model(base: BandModel) -> BandModel:
    """Return a model as a series is fitted with: Voigt bands, a sharper baseline.

    Fine knots under a penalty of fourth differences leave the feet of the broad bands
    of a glass to the bands. It is soft enough to take a broad band that the model does
    not have: readings are ranked on the plain baseline (:func:`reading_model`).
    """
    return replace(base, shape="voigt", baseline=SERIES_BASELINE)


def reading_model(base: BandModel) -> BandModel:
    """Return a model as readings are ranked with: the default shape and baseline."""
    return replace(base, shape="pseudo-voigt", baseline=BaselineOptions())


def _one_spectrum(spectra: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the spots of a sample as one dataset; the first one's axis counts."""
    first = spectra[0]
    alike = [
        one
        for one in spectra
        if one.sizes[RAMAN_SHIFT] == first.sizes[RAMAN_SHIFT]
        and bool(
            (
                abs(one[RAMAN_SHIFT].to_numpy() - first[RAMAN_SHIFT].to_numpy()) < 1e-6
            ).all()
        )
    ]
    if len(alike) == 1:
        return first
    summed = [add_spots(one) for one in alike]
    joined = xr.concat(summed, SPOT, coords="minimal", compat="override")
    return joined.assign_coords({SPOT: range(1, len(summed) + 1)})
