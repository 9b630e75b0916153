"""The stage from the Raman files of a series to stored bands, metrics and readings."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from structkit import __version__
from structkit.errors import FitError, ReadError, SchemaError, StructkitError
from structkit.io.manifest import SeriesFile, read_series
from structkit.io.spectra import read_spectra
from structkit.pipeline.raman_spectra import (
    Remark,
    SpectraWork,
    choose_hypotheses,
    describe_spots,
    is_of_the_study,
    make_model,
    prepare_series_spectra,
)
from structkit.raman.assign import Assignment, assign
from structkit.raman.blank import GLASSES
from structkit.raman.covariance import covariance_of
from structkit.raman.fit import BandFit
from structkit.raman.identify import BandStatus
from structkit.raman.library import load_bands
from structkit.raman.prepare import PreparationOptions, prepare_spectra
from structkit.raman.remarks import REMARKS, list_remarks
from structkit.raman.result_tables import (
    bands_table,
    hypotheses_table,
    metrics_table,
    remarks_table,
)
from structkit.raman.results import series_dataset
from structkit.raman.search import UNASSIGNED
from structkit.raman.series import (
    SampleResult,
    SeriesResult,
    SeriesSample,
    fit_series,
)
from structkit.raman.spots import find_odd_spots
from structkit.raman.statements import load_statements, review_statements
from structkit.schema import RAMAN_SHIFT
from structkit.store import write_table, write_tree

RESULT_FILE = "raman.nc"
_EDGE = 60.0
"""Raman shift above which the filter lets everything through, cm-1."""
_POOR = 5.0
"""Misfit of the best reading, noise alone 1, above which none describes the data."""
_SEEN = 4.0
"""Standard uncertainties of its area that make a band of a reading a line found."""


_LOG = logging.getLogger(__name__)


def run_raman(
    series_file: Path | str,
    output: Path | str,
    *,
    samples: Sequence[str] | None = None,
    ensemble: bool = True,
    figures: bool = True,
) -> xr.DataTree:
    """Fit the Raman spectra of a series file and store everything.

    Parameters
    ----------
    series_file : Path or str
        The TOML file (``docs/series_file.md``); it needs no ``[xrd]``.
    output : Path or str
        Folder for ``raman.nc`` and ``tables/``: ``raman_bands.csv``,
        ``raman_metrics.csv``, ``raman_hypotheses.csv``, ``raman_remarks.csv``; and
        ``figures/``: ``raman.png`` (metrics), ``raman_spectra.png``,
        ``raman_bands.png`` and ``raman/<sample>.png``.
    samples : sequence of str, optional
        Ids; reference samples come along, as they teach the bands. Default: all.
    ensemble : bool
        Fit over other baselines too, for their part in the uncertainty.
    figures : bool
        Draw them; about a second for each sample.

    Returns
    -------
    xarray.DataTree
        As :mod:`structkit.schema.raman_results` says.

    Raises
    ------
    StructkitError
        Anything that keeps the whole series from being fitted. A file that fails is
        a remark, a sample that fails a row with its reason.
    """
    output = Path(output)
    series = read_series(series_file)
    work = prepare_series_spectra(series, samples=samples)
    result = _fit(work, ensemble=ensemble)
    remarks = [*work.remarks, *_remarks_on(result, series, work.options.species)]
    tree = series_dataset(
        result,
        rules=work.options.rules,
        remarks=remarks,
        attrs=_provenance(series, work),
    )
    write_tree(tree, output / RESULT_FILE)
    folder = output / "tables"
    write_table(bands_table(tree), folder / "raman_bands.csv")
    write_table(metrics_table(tree), folder / "raman_metrics.csv")
    write_table(hypotheses_table(tree), folder / "raman_hypotheses.csv")
    write_table(remarks_table(remarks), folder / "raman_remarks.csv")
    if figures:
        _draw(tree, output / "figures")
    return tree


def _draw(tree: xr.DataTree, folder: Path) -> None:
    """Write figures from the stored results; a sample without a fit has none."""
    from structkit.plot.raman_bands import compose_band_parameters
    from structkit.plot.raman_metrics import compose_metrics
    from structkit.plot.raman_stored import stored_bands, stored_curves
    from structkit.plot.spectrum import compose_spectrum_figure
    from structkit.plot.stacked_spectra import plot_stacked_spectra
    from structkit.plot.style import write_figure

    curves: dict[str, xr.Dataset] = {}
    for name in tree.children:
        try:
            curves[str(name)] = stored_curves(tree, str(name))
        except SchemaError as error:
            _LOG.info("no figure of %s: %s", name, error)
    for name, own in curves.items():
        figure = compose_spectrum_figure(own, title=name)
        write_figure(figure, folder / "raman" / f"{name}.png")
    if len(curves) < 2:
        return
    stacked = plot_stacked_spectra(curves).get_figure(root=True)
    if stacked is not None:
        write_figure(stacked, folder / "raman_spectra.png")
    write_figure(compose_metrics(tree.to_dataset(inherit=False)), folder / "raman.png")
    write_figure(
        compose_band_parameters(stored_bands(tree)), folder / "raman_bands.png"
    )


def _fit(work: SpectraWork, *, ensemble: bool) -> SeriesResult:
    """Return the result of all samples, failures for those without spectra."""
    if not work.samples:
        first = next(iter(work.failures.values()), "no spectra")
        raise FitError(f"no Raman spectrum could be used; the first: {first}")
    with np.errstate(over="ignore", invalid="ignore"):
        # A ratio whose upper sum is zero has an infinite logarithm.
        fitted = fit_series(work.samples, replace(work.options, ensemble=ensemble))
    known = {one.sample.name: one for one in fitted.samples}
    missing = {name: _failed(name, why) for name, why in work.failures.items()}
    ordered = tuple((known | missing)[name] for name in work.order)
    return replace(fitted, samples=ordered)


def _failed(name: str, reason: str) -> SampleResult:
    """Return the result of a sample without a spectrum."""
    return SampleResult(
        sample=SeriesSample(name=name, spectra=()),
        measured=None,
        members=(),
        loss=None,
        assignment=None,
        rivals=(),
        reason=reason,
    )


def _provenance(series: SeriesFile, work: SpectraWork) -> dict[str, str]:
    """Return where the results come from and what they may be compared with."""
    table = series.raman
    return {
        "name": series.series.name,
        "axis": series.series.axis,
        "reduction": "none" if table is None else table.reduction,
        "together": work.options.together,
        "source_file": str(series.path),
        "source_sha256": series.sha256,
        "software": f"structkit {__version__}",
    }


def _remarks_on(
    result: SeriesResult, series: SeriesFile, species: Sequence[str]
) -> list[Remark]:
    """Return what the fits say beside their numbers."""
    names = {one.sample.name for one in result.samples}
    remarks: list[Remark] = []
    for sentence in result.remarks:
        name, _, rest = sentence.partition(": ")
        known = name in names and bool(rest)
        remarks.append((name, "", rest) if known else ("", "", sentence))
    own = None if series.raman is None else series.raman.bands
    statements = load_statements(own) if is_of_the_study(species) else ()
    for one in result.samples:
        name = one.sample.name
        if one.measured is None:
            remarks.append((name, "", f"No fit: {one.reason}"))
            continue
        if one.assignment is not None:
            remarks += [(name, "", said) for said in _cautions(one.assignment)]
        if one.rivals:
            told = ", ".join(one.rivals)
            remarks.append((name, "", f"Taken into the model: {told}."))
        remarks += [
            (name, "", f"{verdict.name}: {verdict.status.value}: {verdict.reason}")
            for verdict in one.measured.identifiability.verdicts
            if verdict.reason
        ]
        fit = one.measured.fit
        remarks += [
            (name, "", odd.statement[:1].upper() + odd.statement[1:] + ".")
            for odd in find_odd_spots(
                fit, one.members, covariance=one.measured.covariance
            )
        ]
        seen = {
            verdict.name
            for verdict in one.measured.identifiability.verdicts
            if verdict.status in (BandStatus.DETERMINED, BandStatus.MERGED)
        }
        remarks += [
            (name, "", said)
            for said in review_statements(
                _lines(fit, seen), measured=_range(fit), statements=statements
            )
        ]
    return remarks


def _cautions(assignment: Assignment) -> list[str]:
    """Return warnings where even the best reading does not explain the spectrum."""
    best = assignment.best
    said = []
    if assignment.misfit > _POOR:
        said.append(
            f"No reading describes the spectrum: the best, {best.hypothesis.name!r}, "
            f"leaves {assignment.misfit:.3g} times what noise alone would. The ranking "
            "says which is least wrong, not which is right."
        )
    if best.fit is not None:
        model, areas = best.fit.model, best.fit.band_areas[0]
        centres = best.fit.solution.shared[best.fit.layout.centre]
        strange = [k for k, b in enumerate(model.bands) if b.species == UNASSIGNED]
        if strange:
            share = float(areas[strange].sum() / max(areas.sum(), 1e-300))
            where = ", ".join(f"{centres[k]:.0f}" for k in strange)
            said.append(
                f"The best reading, {best.hypothesis.name!r}, needs bands that nobody "
                f"assigned, at {where} cm-1: {100.0 * share:.0f} % of the area of all "
                "bands."
            )
    return said


def _lines(fit: BandFit, columns: set[str]) -> list[float]:
    """Return the fitted centres of the bands of some columns, glass left out."""
    tied = {name: tie.name for tie in fit.model.ties for name in tie.bands}
    centres = fit.solution.shared[fit.layout.centre]
    return [
        float(centre)
        for band, centre in zip(fit.model.bands, centres, strict=True)
        if tied.get(band.name, band.name) in columns and band.species not in GLASSES
    ]


def _range(fit: BandFit) -> tuple[float, float]:
    """Return the ends of the spectra of a fit, cm-1."""
    low = max(float(one.raman_shift[0]) for one in fit.spectra)
    return low, min(float(one.raman_shift[-1]) for one in fit.spectra)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readings:
    """Rival readings of some samples or files."""

    assignments: Mapping[str, Assignment]
    """By sample or file: the readings, best first."""
    failures: Mapping[str, str]
    """Why there is none."""
    statements: Mapping[str, Sequence[str]]
    """Whether any reading describes the spectrum, and statements of the study that the
    lines found concern."""
    remarks: Sequence[Remark]
    """What is to be known of the data."""


def assign_series(
    series_file: Path | str, *, samples: Sequence[str] | None = None
) -> Readings:
    """Rank the readings of the samples of a series file.

    Parameters
    ----------
    series_file : Path or str
        The TOML file. Reference samples teach their bands first.
    samples : sequence of str, optional
        Ids. Default: all.

    Raises
    ------
    StructkitError
        As :func:`run_raman`.
    """
    series = read_series(series_file)
    work = prepare_series_spectra(series, samples=samples)
    options = work.options
    teachers = [one for one in work.samples if one.role in options.references]
    learned = {}
    if teachers:
        plain = replace(options, hypotheses=(), ensemble=False)
        learned = dict(fit_series(teachers, plain).learned)
    found: dict[str, Assignment] = {}
    failures = dict(work.failures)
    for one in work.samples:
        if samples and one.name not in samples:
            continue
        own = {key: value for key, value in learned.items() if value.source != one.name}
        try:
            found[one.name] = assign(
                one.spectra[0],
                options.hypotheses,
                library=options.library,
                model=options.model,
                learned=own,
                templates=options.templates,
                blank=options.blank,
            )
        except FitError as error:
            failures[one.name] = str(error)
    path = None if series.raman is None else series.raman.bands
    return _readings(found, failures, remarks=work.remarks, bands=path)


def assign_files(
    paths: Sequence[Path | str],
    *,
    bands: Path | None = None,
    laser_nm: float | None = None,
    shift_range: tuple[float, float] | None = None,
    blank: Path | None = None,
) -> Readings:
    """Rank the readings of spectra in plain files, each file by itself.

    Parameters
    ----------
    paths : sequence of path
        Files of spectra; the spots of one are replicates. Their axis is taken as it
        is: without a standard nobody knows its offset.
    bands : Path, optional
        The user's species, bands and readings.
    laser_nm : float, optional
        For files that do not name it, **nm**.
    shift_range : tuple of float, optional
        First and last Raman shift used, **cm-1**. Default: all from 60 upwards, where
        the edge of the laser's filter ends.
    blank : path, optional
        Spectrum of cover, slide or holder alone: a column of every reading.

    Raises
    ------
    StructkitError
        The file of bands has mistakes, or the blank cannot be read. A spectrum that
        cannot be read or fitted is among the failures.
    """
    library = load_bands(bands)
    hypotheses = choose_hypotheses(library, bands)
    found: dict[str, Assignment] = {}
    failures: dict[str, str] = {}
    remarks: list[Remark] = []
    glass = None if blank is None else _prepare_alone(blank, laser_nm=laser_nm)
    for path in paths:
        name = str(path)
        try:
            spectra = read_spectra(path, laser_nm=laser_nm)
            told = [*list_remarks(spectra), *describe_spots(spectra)]
            options = PreparationOptions(
                shift_range=shift_range or _above_the_edge(spectra), laser_nm=laser_nm
            )
            prepared = prepare_spectra(
                spectra.assign_attrs({REMARKS: ""}), options=options
            )
            told += list_remarks(prepared)
            remarks += [(name, Path(path).name, sentence) for sentence in told]
            found[name] = assign(
                prepared,
                hypotheses,
                library=library,
                model=make_model(library),
                blank=glass,
            )
        except StructkitError as error:
            failures[name] = str(error)
            remarks.append((name, Path(path).name, f"left out: {error}"))
    return _readings(found, failures, remarks=remarks, bands=bands)


def _prepare_alone(path: Path, *, laser_nm: float | None) -> xr.Dataset:
    """Return a blank's file, prepared over all that it covers."""
    spectra = read_spectra(path, laser_nm=laser_nm)
    try:
        return prepare_spectra(spectra, options=PreparationOptions(laser_nm=laser_nm))
    except FitError as error:
        raise FitError(f"{path}, as a blank: {error}") from error


def _above_the_edge(spectra: xr.Dataset) -> tuple[float, float] | None:
    """Return the range without the edge of the filter; None where it has none."""
    shift = spectra[RAMAN_SHIFT].to_numpy()
    if shift[0] >= _EDGE or shift[-1] <= _EDGE:
        return None
    return _EDGE, float(shift[-1])


def _readings(
    found: Mapping[str, Assignment],
    failures: Mapping[str, str],
    *,
    remarks: Sequence[Remark],
    bands: Path | None,
) -> Readings:
    """Return readings with the statements that the best of each concerns."""
    statements = load_statements(bands)
    told = {}
    for name, assignment in found.items():
        fit = assignment.best.fit
        if fit is None:
            continue
        sigma = np.sqrt(np.diag(covariance_of(fit).of_spectrum(0)))
        scores = fit.areas[0] / np.maximum(sigma, 1e-300)
        seen = {n for n, z in zip(fit.model.names, scores, strict=True) if z > _SEEN}
        ours = is_of_the_study(assignment.best.hypothesis.species)
        told[name] = _cautions(assignment) + review_statements(
            _lines(fit, seen),
            measured=_range(fit),
            statements=statements if ours else (),
        )
    return Readings(
        assignments=found, failures=failures, statements=told, remarks=remarks
    )


def store_readings(readings: Readings, output: Path | str) -> None:
    """Write the tables of readings below a folder: hypotheses and remarks."""
    if not readings.assignments:
        raise ReadError("nothing to write: no spectrum could be assigned")
    rows = [
        replace(_failed(name, ""), assignment=one)
        for name, one in readings.assignments.items()
    ]
    rows += [_failed(name, why) for name, why in readings.failures.items()]
    result = SeriesResult(samples=tuple(rows), learned={}, remarks=())
    folder = Path(output) / "tables"
    write_table(
        hypotheses_table(series_dataset(result)), folder / "raman_hypotheses.csv"
    )
    said = [
        (name, "", text) for name, each in readings.statements.items() for text in each
    ]
    write_table(remarks_table([*readings.remarks, *said]), folder / "raman_remarks.csv")
