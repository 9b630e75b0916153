"""From the Raman files of a series to prepared spectra and the options of their fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.errors import FitError, SchemaError, SeriesFileError, StructkitError
from structkit.io.manifest import SampleTable, SeriesFile, load_spectra
from structkit.io.manifest_raman import RamanTable
from structkit.io.spectra import read_spectra
from structkit.raman.bands import Band
from structkit.raman.blank import GLASSES, make_blank_column
from structkit.raman.calibrate import AxisCalibration, fit_calibration
from structkit.raman.fit import fit_bands
from structkit.raman.hypotheses import Hypothesis, load_hypotheses
from structkit.raman.library import BandLibrary, load_bands
from structkit.raman.model import BandModel, Template
from structkit.raman.prepare import PreparationOptions, prepare_spectra
from structkit.raman.remarks import REMARKS, list_remarks
from structkit.raman.sample import MetricRules
from structkit.raman.search import add_missing_bands
from structkit.raman.series import (
    RIVALS,
    SAMPLE_SPECIES,
    ReferenceRole,
    SeriesOptions,
    SeriesSample,
    series_model,
)
from structkit.raman.stability import assess_stability
from structkit.raman.standards import SILICON, StandardLine
from structkit.schema import (
    ACCUMULATIONS,
    ACQUISITION_TIME,
    GRATING,
    INTENSITY,
    INTENSITY_STD,
    LASER_WAVELENGTH,
    MILLING_TIME,
    POSITIONS,
    RAMAN_SHIFT,
    SMOOTHED,
    SOURCE,
    SPOT,
    make_spectra,
)

Remark = tuple[str, str, str]
"""Sample, file, sentence; empty text where it concerns none."""

_SCALARS = (
    LASER_WAVELENGTH,
    GRATING,
    ACQUISITION_TIME,
    ACCUMULATIONS,
    MILLING_TIME,
)
_SAME_AXIS = 1e-6
_MARGIN = 8.0
_TEMPLATE_BANDS = 8
_SPOTS_FOR_STABILITY = 4
_LINE_STD = 0.1
"""1 sigma of a standard's line that the user names, cm-1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpectraWork:
    """What there is to fit, and what was said of it."""

    samples: tuple[SeriesSample, ...]
    """Samples with spectra, along the series' axis."""
    order: tuple[str, ...]
    """All samples asked for, also those without a spectrum that could be used."""
    failures: Mapping[str, str]
    """Why there is none, for those."""
    options: SeriesOptions
    """How they are fitted."""
    remarks: tuple[Remark, ...]
    """What readers and preparation noticed."""


def prepare_series_spectra(
    series: SeriesFile, *, samples: Sequence[str] | None = None
) -> SpectraWork:
    """Read and prepare the Raman spectra of a series file.

    Parameters
    ----------
    series : SeriesFile
        From :func:`structkit.io.manifest.read_series`.
    samples : sequence of str, optional
        Ids; samples of a role that teaches bands come along. Default: all.

    Returns
    -------
    SpectraWork
        A file that cannot be read or prepared is a remark; a sample without any is
        among the failures.

    Raises
    ------
    StructkitError
        No sample has spectra; an id is unknown; calibration, blank, template, bands
        or species cannot be used. The message names the key.
    """
    table = series.raman or RamanTable()
    chosen = _choose_samples(series, samples)
    with _told_with(series, "raman.bands"):
        library = load_bands(table.bands)
    workshop = _Workshop(series=series, table=table)
    names = {sample.id for sample in chosen}
    kept = tuple(one for one in series.samples if one.id in names)
    tree, unread = load_spectra(series.model_copy(update={"samples": kept}))
    ready: list[SeriesSample] = []
    for sample in chosen:
        spectra = workshop.prepare(sample, tree, unread.get(sample.id))
        if spectra:
            ready.append(
                SeriesSample(
                    name=sample.id,
                    spectra=tuple(spectra),
                    milling_time=sample.position("milling_time"),
                    role=sample.role or "milled",
                )
            )
    options = _options(series, table, library, workshop=workshop, samples=ready)
    remarks = [*workshop.remarks, *_left_out(options, ready)]
    return SpectraWork(
        samples=tuple(ready),
        order=tuple(sample.id for sample in chosen),
        failures=workshop.failures,
        options=options,
        remarks=tuple(remarks),
    )


@contextmanager
def _told_with(series: SeriesFile, key: str) -> Iterator[None]:
    """Add the key of the series file to what goes wrong inside."""
    try:
        yield
    except StructkitError as error:
        raise SeriesFileError(f"{series.path}: {key}: {error}") from error


def _choose_samples(
    series: SeriesFile, wanted: Sequence[str] | None
) -> list[SampleTable]:
    """Return the samples with Raman files that are asked for, in order."""
    measured = [sample for sample in series.samples if sample.raman]
    if not measured:
        raise SeriesFileError(
            f"{series.path}: no sample has Raman spectra; add raman to a [[sample]]"
        )
    if wanted:
        known = [sample.id for sample in measured]
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise SeriesFileError(
                f"{series.path}: no sample {unknown[0]!r} with Raman spectra; there "
                f"are {', '.join(known)}"
            )
        teaching = set(SeriesOptions().references)
        measured = [s for s in measured if s.id in wanted or s.role in teaching]
    axis = series.series.axis

    def place(sample: SampleTable) -> float:
        position = sample.position(axis)
        return np.inf if position is None else position

    return sorted(measured, key=place)


@dataclass(slots=True, kw_only=True)
class _Workshop:
    """Calibration and preparation, and the remarks on the way."""

    series: SeriesFile
    table: RamanTable
    remarks: list[Remark] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    calibration: AxisCalibration | None = None

    def __post_init__(self) -> None:
        """Measure the axis on the standard."""
        if self.table.calibration is None:
            return
        with _told_with(self.series, "raman.calibration"):
            self.calibration = calibrate_axis(
                self.table.calibration,
                laser_nm=self.table.laser_nm,
                wavenumber=self.table.calibration_wavenumber,
            )

    @property
    def preparation(self) -> PreparationOptions:
        """Return how spectra are prepared."""
        return PreparationOptions(
            shift_range=self.table.shift_range,
            reduction=self.table.reduction,
            temperature_k=self.table.temperature_k,
            laser_nm=self.table.laser_nm,
        )

    def prepare(
        self, sample: SampleTable, tree: xr.DataTree, error: StructkitError | None
    ) -> list[xr.Dataset]:
        """Return the prepared spectra of a sample, spots of one axis together."""
        files = [Path(path).name for path in sample.raman or ()]
        read: list[xr.Dataset] = []
        unread = []
        for number, file in enumerate(files, start=1):
            spectra = _read_by(tree, sample.id, number)
            if spectra is None:
                unread.append(file)
                continue
            read.append(spectra)
            self._note(sample.id, file, list_remarks(spectra))
        told = str(error) if error is not None else ""
        if unread:
            reasons = told.split("; ", len(unread) - 1)
            if len(reasons) < len(unread):
                reasons = [told] * len(unread)
            for file, why in zip(unread, reasons, strict=True):
                self._note(sample.id, file, [f"left out: {why}"])
        found: list[xr.Dataset] = []
        for group in join_spots(read):
            where = str(group.attrs.get("source_file", ""))
            try:
                found.append(self._prepare_group(sample.id, group, where))
            except (SchemaError, FitError) as mistake:
                told = f"{where}: {mistake}"
                self._note(sample.id, where, [f"left out: {mistake}"])
        if not found:
            self.failures[sample.id] = told or "no spectra"
        return found

    def _prepare_group(self, name: str, group: xr.Dataset, where: str) -> xr.Dataset:
        """Return the prepared spots of one axis, and note what was done."""
        self._note(name, where, describe_spots(group))
        prepared = prepare_spectra(
            group.assign_attrs({REMARKS: ""}),
            calibration=self.calibration,
            options=self.preparation,
        )
        self._note(name, where, list_remarks(prepared))
        return prepared

    def prepare_file(self, path: Path, *, margin: float | None = None) -> xr.Dataset:
        """Return a spectrum measured beside the series, prepared like it.

        Parameters
        ----------
        path : Path
            The file.
        margin : float, optional
            By how much its range is wider than the series', **cm-1**; None: all.
        """
        spectra = read_spectra(path, laser_nm=self.table.laser_nm)
        wider = None
        if margin is not None and self.table.shift_range is not None:
            low, high = self.table.shift_range
            wider = (low - margin, high + margin)
        return prepare_spectra(
            spectra,
            calibration=self.calibration,
            options=replace(self.preparation, shift_range=wider),
        )

    def _note(self, sample: str, file: str, sentences: Iterable[str]) -> None:
        """Keep remarks."""
        self.remarks += [(sample, file, sentence) for sentence in sentences]


def _read_by(tree: xr.DataTree, sample: str, number: int) -> xr.Dataset | None:
    """Return the spectra of the n-th file of a sample; None where it failed."""
    if sample not in tree.children:
        return None
    files = tree.children[sample].children["raman"].children
    node = files.get(str(number))
    return None if node is None else node.to_dataset(inherit=False)


def calibrate_axis(
    path: Path | str, *, laser_nm: float | None = None, wavenumber: float | None = None
) -> AxisCalibration:
    """Measure the axis on the file of a standard of one line.

    Parameters
    ----------
    path : path
        Spectrum of silicon, or of a standard with a line at ``wavenumber``.
    laser_nm : float, optional
        For files that do not name it, **nm**.
    wavenumber : float, optional
        Where the line lies, **cm-1**; default: silicon's.

    Raises
    ------
    StructkitError
        The file cannot be read, or the line is not found.
    """
    standard = read_spectra(path, laser_nm=laser_nm)
    lines = SILICON
    if wavenumber is not None and wavenumber != SILICON[0].wavenumber:
        lines = (
            StandardLine(
                name="standard", wavenumber=wavenumber, wavenumber_std=_LINE_STD
            ),
        )
    return fit_calibration(standard, lines)


def describe_spots(spectra: xr.Dataset) -> list[str]:
    """Return whether intensity and shape change from spot to spot, in sentences.

    Parameters
    ----------
    spectra : xarray.Dataset
        As recorded, spots in the order they were measured.

    Returns
    -------
    list of str
        Empty for fewer than four spots that are lit.
    """
    lit = int(np.count_nonzero((spectra[INTENSITY] != 0.0).any(RAMAN_SHIFT)))
    if lit < _SPOTS_FOR_STABILITY:
        return []
    return list_remarks(assess_stability(spectra.assign_attrs({REMARKS: ""})))


def join_spots(spectra: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Return spectra of one axis and one instrument as spots of one dataset.

    Parameters
    ----------
    spectra : sequence of xarray.Dataset
        As recorded, each from a file (:mod:`structkit.schema.spectra`).

    Returns
    -------
    list of xarray.Dataset
        In order of the first of each; ``source_file`` names the files. Together the
        spots tell noise and cosmic rays better than one by one.
    """
    groups: list[list[xr.Dataset]] = []
    for one in spectra:
        for group in groups:
            if _are_alike(group[0], one):
                group.append(one)
                break
        else:
            groups.append([one])
    return [_join(group) if len(group) > 1 else group[0] for group in groups]


def _are_alike(a: xr.Dataset, b: xr.Dataset) -> bool:
    """Return whether two spectra can be spots of one dataset."""
    first, second = a[RAMAN_SHIFT].to_numpy(), b[RAMAN_SHIFT].to_numpy()
    if first.shape != second.shape or np.abs(first - second).max() > _SAME_AXIS:
        return False
    if a[INTENSITY].attrs.get("units") != b[INTENSITY].attrs.get("units"):
        return False
    if (INTENSITY_STD in a) != (INTENSITY_STD in b):
        return False
    return all(_number(a, name) == _number(b, name) for name in _ALIKE)


_ALIKE = (LASER_WAVELENGTH, GRATING, ACQUISITION_TIME, ACCUMULATIONS, SMOOTHED)


def _number(spectra: xr.Dataset, name: str) -> float:
    """Return a scalar, -1 where it is absent."""
    return float(spectra[name]) if name in spectra.variables else -1.0


def _join(group: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return one dataset of the spots of several."""
    first = group[0]
    dims = (SPOT, RAMAN_SHIFT)

    def stack(name: str) -> np.ndarray:
        return np.concatenate([one[name].transpose(*dims).to_numpy() for one in group])

    along = [
        name
        for name in (SOURCE, *POSITIONS)
        if all(name in one.coords and one[name].dims == (SPOT,) for one in group)
    ]
    files = [str(one.attrs.get("source_file", "")) for one in group]
    attrs = {**first.attrs, "source_file": name_files(files), REMARKS: ""}
    joined = make_spectra(
        first[RAMAN_SHIFT].to_numpy(),
        stack(INTENSITY),
        intensity_std=stack(INTENSITY_STD) if INTENSITY_STD in first else None,
        intensity_units=str(first[INTENSITY].attrs["units"]),
        scalars={n: float(first[n]) for n in _SCALARS if n in first.coords},
        spot_coords={
            name: np.concatenate([one[name].to_numpy() for one in group])
            for name in along
        },
        attrs={k: v for k, v in attrs.items() if isinstance(v, str | int | float)},
    )
    if SMOOTHED in first:
        joined[SMOOTHED] = first[SMOOTHED]
    return joined


def name_files(files: Sequence[str]) -> str:
    """Return ``a.txt``, or ``a.txt to c.txt (3 files)``.

    Examples
    --------
    >>> name_files(["a.txt", "b.txt", "c.txt"])
    'a.txt to c.txt (3 files)'
    """
    if len(files) < 2:
        return "".join(files)
    return f"{files[0]} to {files[-1]} ({len(files)} files)"


def _options(
    series: SeriesFile,
    table: RamanTable,
    library: BandLibrary,
    *,
    workshop: _Workshop,
    samples: Sequence[SeriesSample],
) -> SeriesOptions:
    """Return how the series is fitted."""
    species = table.species or SAMPLE_SPECIES
    templates: dict[str, Template] = {}
    for number, row in enumerate(table.templates):
        with _told_with(series, f"raman.template[{number}]"):
            spectra = workshop.prepare_file(row.file, margin=_MARGIN)
            templates[row.species] = make_template(row.species, spectra, library)
    with _told_with(series, "raman.species"):
        library.select([name for name in species if name not in templates])
    blank = None
    if table.blank is not None and samples:
        with _told_with(series, "raman.blank"):
            blank = make_blank(workshop.prepare_file(table.blank), samples)
    ours = is_of_the_study([*species, *templates])
    rivals = tuple(name for name in RIVALS if ours and name not in species)
    if blank is not None:
        rivals = tuple(name for name in rivals if name not in GLASSES)
        stand_in = replace(blank, name=GLASSES[0], species=GLASSES[0])
        templates.setdefault(GLASSES[0], stand_in)
    with _told_with(series, "raman.bands"):
        hypotheses = choose_hypotheses(library, table.bands, species=species)
    return SeriesOptions(
        library=library,
        hypotheses=hypotheses,
        species=species,
        rivals=rivals,
        references=_roles(species, (*species, *rivals)),
        templates=templates,
        blank=blank,
        model=series_model(make_model(library, workshop.calibration)),
        rules=MetricRules(
            rivals=(*rivals, *(g for g in GLASSES if blank is not None)),
            crystal=tuple(s for s in ("NaTaCl6",) if s in species),
            glass=tuple(s for s in ("NTOC glass",) if s in species),
        ),
        together=table.model,
    )


def is_of_the_study(species: Iterable[str]) -> bool:
    """Return whether any species is one of the shipped library."""
    shipped = {one.name for one in load_bands().species}
    return any(name in shipped for name in species)


def make_model(
    library: BandLibrary, calibration: AxisCalibration | None = None
) -> BandModel:
    """Return shape and instrument width of a fit; its bands do not matter."""
    width = 0.0 if calibration is None else calibration.fwhm
    return BandModel(bands=library.bands[:1], instrument_fwhm=width)


def _roles(species: Sequence[str], known: Sequence[str]) -> dict[str, ReferenceRole]:
    """Return the roles whose species are fitted at all."""
    roles = {}
    for name, role in SeriesOptions().references.items():
        if role.species in known:
            apart = tuple(each for each in role.apart if each in species)
            roles[name] = replace(role, apart=apart)
    return roles


def choose_hypotheses(
    library: BandLibrary,
    bands: Path | None,
    *,
    species: Sequence[str] | None = None,
) -> tuple[Hypothesis, ...]:
    """Return the readings to be ranked.

    Parameters
    ----------
    library : BandLibrary
        With the user's bands.
    bands : Path, optional
        The user's file, which may bring readings.
    species : sequence of str, optional
        Species of the samples. None of them in the shipped library: only readings
        made of them count. None: the user's own are added to the library's readings.

    Returns
    -------
    tuple of Hypothesis
        A species of the user's that no reading names is a reading of its own.
    """
    found = load_hypotheses(bands)
    shipped = {one.name for one in load_bands().species}
    own = [s.name for s in library.species if s.name not in shipped]
    if species is not None:
        own = [name for name in own if name in species]
        if not is_of_the_study(species):
            found = tuple(h for h in found if set(h.species) <= set(species))
    named = {name for one in found for name in one.species}
    alone = tuple(
        Hypothesis(
            name=name, species=(name,), statement=f"{name} alone, of the user's file."
        )
        for name in own
        if name not in named and library.select(name).bands
    )
    return (*found, *alone)


def make_template(species: str, spectra: xr.Dataset, library: BandLibrary) -> Template:
    """Return a measured spectrum of one species, its baseline taken off.

    Parameters
    ----------
    species : str
        Whose spectrum it is.
    spectra : xarray.Dataset
        Prepared; spots are averaged.
    library : BandLibrary
        Bands of the species, to find the baseline with; others that show are added.

    Raises
    ------
    StructkitError
        It has too few points, or no band above its baseline.
    """
    from structkit.raman.assign import add_spots

    mean = add_spots(spectra)
    shift = mean[RAMAN_SHIFT].to_numpy()
    known = [one.name for one in library.species]
    bands: tuple[Band, ...] = ()
    if species in known:
        bands = library.select(species).within(shift[0], shift[-1]).bands
    if not bands:
        values = mean[INTENSITY].to_numpy()[0]
        line = np.linspace(values[0], values[-1], values.size)
        top = float(shift[int(np.argmax(values - line))])
        bands = (Band(name=f"{species} strongest", species=species, wavenumber=top),)
    fit = add_missing_bands(
        fit_bands(mean, BandModel(bands=bands)), limit=_TEMPLATE_BANDS
    )
    _, baseline = fit.curves(0)
    return Template(
        name=f"{species} measured",
        species=species,
        raman_shift=shift,
        values=fit.spectra[0].intensity - baseline,
    )


def make_blank(blank: xr.Dataset, samples: Sequence[SeriesSample]) -> Template:
    """Return a prepared blank as a column over the range of all samples.

    Raises
    ------
    SchemaError
        It covers less than half of the range.
    """
    axes = [each[RAMAN_SHIFT].to_numpy() for one in samples for each in one.spectra]
    low, high = min(a[0] for a in axes), max(a[-1] for a in axes)
    step = min(float(np.median(np.diff(axis))) for axis in axes)
    axis = np.linspace(low, high, int(np.ceil((high - low) / step)) + 1)
    return make_blank_column(blank, axis)


def _left_out(options: SeriesOptions, samples: Sequence[SeriesSample]) -> list[Remark]:
    """Return remarks on bands and readings that the range does not reach."""
    axes = [one[RAMAN_SHIFT] for each in samples for one in each.spectra]
    if not axes:
        return []
    low, high = max(float(a[0]) for a in axes), min(float(a[-1]) for a in axes)
    wanted = [name for name in options.species if name not in options.templates]
    outside = options.library.select(wanted).outside(low, high)
    span = f"{low:.4g} to {high:.4g} cm-1"
    remarks = []
    if outside:
        names = ", ".join(f"{b.name} ({b.wavenumber:g})" for b in outside)
        remarks.append(("", "", f"Bands left out, outside {span}: {names}."))
    for one in options.hypotheses:
        unseen = one.find_unseen(options.library, low=low, high=high)
        if unseen and len(unseen) == len(one.discriminating):
            remarks.append(
                ("", "", f"{one.name}: cannot be judged, its bands lie outside {span}.")
            )
    return remarks
