"""From the impedance files of a series to fitted spectra, and what was said of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.eis.arrhenius_line import ArrheniusSettings
from structkit.eis.circuits import MODELS, Circuit, parse_circuit
from structkit.eis.drt import compute_drt
from structkit.eis.elements import Inductor
from structkit.eis.fit import FitOptions, ImpedanceFit, fit_impedance_series
from structkit.eis.identify import (
    IdentifyOptions,
    Verdict,
    identify_circuit,
    judge_fit,
)
from structkit.eis.leads import CORRECTED, ShortCell, correct_spectrum
from structkit.eis.pellet import Pellet
from structkit.eis.polarization import PolarizationSettings
from structkit.eis.validity import (
    KramersKronig,
    Validity,
    check_kramers_kronig,
    mark_points,
)
from structkit.errors import FitError, SchemaError, SeriesFileError, StructkitError
from structkit.io.impedance import read_impedance, read_impedances
from structkit.io.manifest import SampleTable, SeriesFile
from structkit.io.manifest_eis import EisTable, PelletTable, ShortCellTable
from structkit.schema import (
    FREQUENCY,
    HISTORY,
    IMPEDANCE,
    MASKED,
    TEMPERATURE,
    label,
)
from structkit.schema.names import INDUCTIVE_TAIL, NOISY, OUTLIER

Remark = tuple[str, str, str]
"""Sample, file, sentence; empty text where it concerns none."""

ZERO_CELSIUS = 273.15
_SAME_KELVIN = 2.0
"""Beyond it two statements of one temperature contradict each other."""
_GROSS = 0.05
"""Residual over |Z| from which an outlier has no weight; a lesser one does no harm to
a fit, and leaving it out would change numbers that nobody asked to be changed."""
_MISFIT, _TIMES_NOISE = 0.01, 5.0
"""Residual over |Z|, and over the noise, from which a circuit is called too simple."""
_GEOMETRY = tuple(PelletTable.model_fields)
_SAID = {
    OUTLIER: "outliers by more than 5 % of |Z| were left out of the fit",
    NOISY: "points with little but noise were left out of the fit",
    INDUCTIVE_TAIL: "inductive points were left out: the circuit has no inductor",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One file of impedance of a sample."""

    file: Path
    """Where it is."""
    kelvin: float = math.nan
    """Temperature as stated, **K**; NaN: the file's."""
    history: str = ""
    """What the sample went through before."""
    pellet: Pellet | None = None
    """Geometry; None: unknown."""
    no_pellet: str = ""
    """Why it is unknown."""
    block: int | None = None
    """Which spectrum of the file, from 1; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarizationFile:
    """One polarization run of a sample."""

    file: Path
    """Where it is."""
    settings: PolarizationSettings = field(default_factory=PolarizationSettings)
    """Voltage and leakage."""
    kelvin: float = math.nan
    """Temperature as stated, **K**; NaN: the file's."""
    pellet: Pellet | None = None
    """Geometry; None: unknown."""
    block: int | None = None
    """Which run of the file, from 1; None: the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EisSample:
    """What was measured on one sample."""

    name: str
    """Name in every table."""
    measurements: tuple[Measurement, ...] = ()
    """Impedance, in the order of the series file."""
    runs: tuple[PolarizationFile, ...] = ()
    """Polarization."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EisOptions:
    """How all spectra are treated."""

    circuit: Circuit | None = None
    """None: the simplest of M0 to M3 that suffices."""
    fit: FitOptions = field(default_factory=FitOptions)
    """Weights."""
    arrhenius: ArrheniusSettings = field(default_factory=ArrheniusSettings)
    """Errors of the temperature."""
    short: ShortCell | None = None
    """Leads and cell, subtracted from every spectrum."""
    short_spectrum: xr.Dataset | None = None
    """The measured short, subtracted in place of ``short``."""

    @property
    def short_error(self) -> ShortCell | None:
        """Return the short cell as one that the spectra no longer hold."""
        if self.short is None:
            return None
        return ShortCell(
            resistance_ohm=self.short.resistance_ohm,
            resistance_std_ohm=self.short.resistance_std_ohm,
            is_subtracted=True,
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Outcome:
    """What became of one spectrum."""

    measurement: Measurement
    """Where it comes from."""
    kelvin: float
    """Temperature, **K**; NaN: unknown."""
    spectrum: xr.Dataset | None = None
    """Corrected and marked; None where it could not be read."""
    check: KramersKronig | None = None
    """None: too few points."""
    fit: ImpedanceFit | None = None
    """None: not fitted."""
    verdicts: tuple[Verdict, ...] = ()
    """On bulk, grain boundary and total."""
    drt: xr.Dataset | None = None
    """None: not computed."""
    reason: str = ""
    """Why there is no fit."""

    @property
    def is_fitted(self) -> bool:
        """Return whether there are numbers."""
        return self.fit is not None and self.fit.status.has_values

    @property
    def cell_constant(self) -> float | None:
        """Return thickness over area, **cm-1**; None where it is unknown."""
        pellet = self.measurement.pellet
        return None if pellet is None else pellet.cell_constant


def plan_series(
    series: SeriesFile, *, samples: Sequence[str] | None = None
) -> tuple[list[EisSample], EisOptions]:
    """Return what a series file asks for.

    Parameters
    ----------
    series : SeriesFile
        From :func:`structkit.io.manifest.read_series`.
    samples : sequence of str, optional
        Ids. Default: all with ``eis`` or ``dc``.

    Raises
    ------
    SeriesFileError
        No sample has such files, an id is unknown, circuit or short cell cannot be
        used; the message names the key.
    """
    table = series.eis or EisTable()
    measured = [one for one in series.samples if one.eis or one.dc]
    if not measured:
        raise SeriesFileError(
            f"{series.path}: no sample has impedance or DC files; add eis or dc to a "
            "[[sample]]"
        )
    known = [one.id for one in measured]
    unknown = [name for name in samples or () if name not in known]
    if unknown:
        raise SeriesFileError(
            f"{series.path}: no sample {unknown[0]!r} with impedance or DC files; "
            f"there are {', '.join(known)}"
        )
    kept = [one for one in measured if not samples or one.id in samples]
    circuit = None
    if table.circuit is not None:
        with _told_with(series, "eis.circuit"):
            circuit = find_circuit(table.circuit)
    short, spectrum = None, None
    if table.short_cell is not None:
        with _told_with(series, "eis.short_cell"):
            short, spectrum = read_short(table.short_cell)
    options = EisOptions(
        circuit=circuit,
        fit=FitOptions(weighting=table.weighting),
        arrhenius=ArrheniusSettings(temperature_offset_std_k=table.temperature_std_k),
        short=short,
        short_spectrum=spectrum,
    )
    return [_plan_sample(one, table) for one in kept], options


def find_circuit(text: str) -> Circuit:
    """Return a circuit by its notation, or one of M0 to M3 by its name.

    Examples
    --------
    >>> print(find_circuit("M0"))
    L_s-R_total-CPE_el
    """
    named = {model.name: model for model in MODELS}
    return named[text] if text in named else parse_circuit(text)


def read_short(table: ShortCellTable) -> tuple[ShortCell, xr.Dataset | None]:
    """Return the short cell, and its spectrum where it was measured.

    The resistance of a measured one is the median of its real part, with the scatter
    about it as 1 sigma.
    """
    if table.file is None:
        std = table.resistance_std_ohm
        return ShortCell(
            resistance_ohm=table.resistance_ohm or 0.0,
            resistance_std_ohm=math.nan if std is None else std,
            inductance_h=table.inductance_h,
        ), None
    spectrum = read_impedance(table.file)
    real = spectrum[IMPEDANCE].to_numpy().real
    scatter = 1.4826 * float(np.median(np.abs(real - np.median(real))))
    std = table.resistance_std_ohm
    return ShortCell(
        resistance_ohm=max(float(np.median(real)), 0.0),
        resistance_std_ohm=scatter if std is None else std,
    ), spectrum


def make_pellet(
    *tables: PelletTable | None, thickness_mm: float | None = None
) -> tuple[Pellet | None, str]:
    """Return a pellet, or None and why its geometry is unknown.

    Parameters
    ----------
    *tables : PelletTable or None
        The first that has a key wins.
    thickness_mm : float, optional
        Wins over all, **mm**.
    """
    given: dict[str, float] = {}
    for name in _GEOMETRY:
        found = [getattr(t, name) for t in tables if t is not None]
        value = next((v for v in found if v is not None), None)
        if value is not None:
            given[name] = value
    if thickness_mm is not None:
        given["thickness_mm"] = thickness_mm
    if "diameter_mm" not in given:
        return None, "no diameter_mm: resistance only"
    try:
        return Pellet(**given), ""
    except SchemaError as error:
        return None, f"{error}: resistance only"


def _plan_sample(sample: SampleTable, table: EisTable) -> EisSample:
    """Return what a sample's table asks for."""
    measurements = []
    for one in sample.eis or ():
        pellet, why = make_pellet(sample.pellet, table, thickness_mm=one.thickness_mm)
        measurements.append(
            Measurement(
                file=one.file,
                kelvin=_kelvin(one.temperature, sample.temperature),
                history=one.history,
                pellet=pellet,
                no_pellet=why,
                block=one.block,
            )
        )
    pellet, _ = make_pellet(sample.pellet, table)
    runs = []
    for run in sample.dc or ():
        volts = run.voltage if run.voltage is not None else table.polarization_voltage
        settings = PolarizationSettings(
            voltage_v=_or_nan(volts),
            leakage_a=_or_nan(run.leakage_a),
            leakage_std_a=_or_nan(run.leakage_std_a),
        )
        runs.append(
            PolarizationFile(
                file=run.file,
                settings=settings,
                kelvin=_kelvin(run.temperature, sample.temperature),
                pellet=pellet,
                block=run.block,
            )
        )
    return EisSample(name=sample.id, measurements=tuple(measurements), runs=tuple(runs))


def _kelvin(*celsius: float | None) -> float:
    """Return the first temperature that is given, **K**; NaN: none."""
    given = [value for value in celsius if value is not None]
    return given[0] + ZERO_CELSIUS if given else math.nan


def _or_nan(value: float | None) -> float:
    """Return a number, NaN where there is none."""
    return math.nan if value is None else value


@contextmanager
def _told_with(series: SeriesFile, key: str) -> Iterator[None]:
    """Add the key of the series file to what goes wrong inside."""
    try:
        yield
    except StructkitError as error:
        raise SeriesFileError(f"{series.path}: {key}: {error}") from error


@dataclass(slots=True, kw_only=True)
class Workshop:
    """Reads and fits the spectra of samples, and keeps the remarks on the way."""

    options: EisOptions
    """How."""
    remarks: list[Remark] = field(default_factory=list)
    """What was noticed."""

    def note(self, sample: str, file: str, sentences: Iterable[str]) -> None:
        """Keep remarks."""
        self.remarks += [(sample, file, text) for text in sentences if text]

    def fit_sample(self, sample: EisSample) -> list[Outcome]:
        """Return what became of every spectrum of a sample.

        Parameters
        ----------
        sample : EisSample
            Its files.

        Returns
        -------
        list of Outcome
            In the order of the files and of the spectra in them. A file that cannot be
            read is one outcome with its reason.
        """
        outcomes = [
            outcome
            for measurement in sample.measurements
            for outcome in self._read(sample.name, measurement)
        ]
        for one in outcomes:
            if one.spectrum is not None:
                self._examine(sample.name, one)
        usable = [
            one for one in outcomes if one.spectrum is not None and not one.reason
        ]
        self._fit(usable)
        for one in usable:
            file = one.measurement.file.name
            if one.fit is not None and one.fit.reason:
                self.note(
                    sample.name, file, [f"{one.fit.status.value}: {one.fit.reason}"]
                )
            self.note(sample.name, file, _tell_misfit(one))
        return outcomes

    def _read(self, name: str, measurement: Measurement) -> list[Outcome]:
        """Return the spectra of one file, corrected for the short cell."""
        file = measurement.file.name
        try:
            if measurement.block is None:
                spectra = read_impedances(measurement.file)
            else:
                spectra = (read_impedance(measurement.file, block=measurement.block),)
        except StructkitError as error:
            self.note(name, file, [f"left out: {error}"])
            return [
                Outcome(
                    measurement=measurement,
                    kelvin=measurement.kelvin,
                    reason=str(error),
                )
            ]
        outcomes = []
        for spectrum in spectra:
            self.note(name, file, str(spectrum.attrs.get("remarks", "")).splitlines())
            kelvin = self._temperature(name, measurement, spectrum)
            outcome = Outcome(measurement=measurement, kelvin=kelvin)
            try:
                corrected = self._correct(spectrum)
            except SchemaError as error:
                corrected, outcome.reason = spectrum, f"short cell: {error}"
                self.note(name, file, [f"left out: {outcome.reason}"])
            outcome.spectrum = corrected.assign_coords(
                {
                    TEMPERATURE: label(xr.DataArray(kelvin), TEMPERATURE),
                    HISTORY: label(xr.DataArray(measurement.history), HISTORY),
                }
            )
            outcomes.append(outcome)
        return outcomes

    def _correct(self, spectrum: xr.Dataset) -> xr.Dataset:
        """Return a spectrum without leads and cell."""
        short = self.options.short_spectrum
        if short is not None:
            return correct_spectrum(spectrum, short)
        if self.options.short is not None and CORRECTED not in spectrum.attrs:
            return correct_spectrum(spectrum, self.options.short)
        return spectrum

    def _temperature(
        self, name: str, measurement: Measurement, spectrum: xr.Dataset
    ) -> float:
        """Return the temperature, stated or the file's, **K**."""
        own = float(spectrum[TEMPERATURE]) if TEMPERATURE in spectrum.coords else None
        stated, file = measurement.kelvin, measurement.file.name
        if not math.isfinite(stated):
            if own is None:
                text = "no temperature in the file or the series file: no Arrhenius"
                self.note(name, file, [text])
            return math.nan if own is None else own
        if own is not None and abs(own - stated) > _SAME_KELVIN:
            text = (
                f"the file says {own - ZERO_CELSIUS:.1f} C, stated is "
                f"{stated - ZERO_CELSIUS:.1f} C: the stated one counts"
            )
            self.note(name, file, [text])
        return stated

    def _examine(self, name: str, one: Outcome) -> None:
        """Test a spectrum by Kramers-Kronig, mark its points, view its relaxations."""
        file, spectrum = one.measurement.file.name, one.spectrum
        if spectrum is None:
            return
        try:
            one.check = check_kramers_kronig(spectrum)
        except FitError as error:
            self.note(name, file, [f"Kramers-Kronig not tested: {error}"])
            return
        verdict = one.check.verdict
        told = f"Kramers-Kronig: {verdict.value}: {one.check.reason}"
        if verdict is not Validity.VALID or ";" in one.check.reason:
            self.note(name, file, [told])
        circuit = self.options.circuit
        mask = [NOISY]
        if circuit is not None and not _has_inductor(circuit):
            mask.append(INDUCTIVE_TAIL)
        gross = one.check.outlier & (np.abs(one.check.residual) > _GROSS)
        hidden = label(xr.DataArray(gross, dims=(FREQUENCY,)), MASKED)
        one.spectrum = mark_points(
            spectrum.assign({MASKED: hidden}), one.check, mask=mask
        )
        if verdict is Validity.NOISE_DOMINATED:
            one.reason = one.reason or f"noise-dominated: {one.check.reason}"
            return
        counts = {flag: int(one.spectrum[flag].sum()) for flag in mask}
        counts[OUTLIER] = int(gross.sum())
        hid = [f"{count} {_SAID[flag]}" for flag, count in counts.items() if count]
        self.note(name, file, hid)
        try:
            one.drt = compute_drt(one.spectrum)
        except FitError as error:
            self.note(name, file, [f"no distribution of relaxation times: {error}"])

    def _fit(self, usable: Sequence[Outcome]) -> None:
        """Fit the user's circuit along the series, or identify one for each."""
        if self.options.circuit is None:
            for one in usable:
                self._identify(one)
            return
        past = list(dict.fromkeys(one.measurement.history for one in usable))
        ordered = sorted(
            usable, key=lambda one: (past.index(one.measurement.history), one.kelvin)
        )
        spectra = [one.spectrum for one in ordered if one.spectrum is not None]
        fits = fit_impedance_series(spectra, self.options.circuit, self.options.fit)
        for one, fit in zip(ordered, fits, strict=True):
            one.fit = fit
            if fit.status.has_values:
                gates = IdentifyOptions(cell_constant=one.cell_constant)
                one.verdicts = judge_fit(fit, gates)
            else:
                one.reason = fit.reason

    def _identify(self, one: Outcome) -> None:
        """Choose between M0 to M3."""
        if one.spectrum is None:
            return
        options = IdentifyOptions(cell_constant=one.cell_constant, fit=self.options.fit)
        try:
            found = identify_circuit(one.spectrum, options)
        except FitError as error:
            one.reason = str(error)
            return
        one.fit, one.verdicts = found.chosen.fit, found.verdicts


def _tell_misfit(one: Outcome) -> list[str]:
    """Return whether a circuit is too simple for its spectrum."""
    if one.fit is None or one.check is None or not one.is_fitted:
        return []
    left, noise = one.fit.relative_residual, one.check.noise
    if left < max(_MISFIT, _TIMES_NOISE * noise):
        return []
    return [
        f"{one.fit.circuit} leaves {100.0 * left:.2g} % of |Z|, the noise is "
        f"{100.0 * noise:.2g} %: the circuit is too simple, uncertainties hold for it "
        "alone"
    ]


def _has_inductor(circuit: Circuit) -> bool:
    """Return whether a circuit can follow an inductive tail."""
    return any(isinstance(node, Inductor) for node in circuit.terms)
