"""From the impedance files of a sample to fitted spectra, and what was said of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from structkit.eis.circuits import Circuit
from structkit.eis.drt import compute_drt
from structkit.eis.elements import Inductor
from structkit.eis.fit import ImpedanceFit, fit_impedance_series
from structkit.eis.identify import (
    IdentifyOptions,
    Verdict,
    identify_circuit,
    judge_fit,
)
from structkit.eis.leads import CORRECTED, correct_spectrum
from structkit.eis.validity import (
    KramersKronig,
    Validity,
    check_kramers_kronig,
    mark_points,
)
from structkit.errors import FitError, SchemaError, StructkitError
from structkit.io.impedance import read_impedance, read_impedances
from structkit.pipeline.eis_plan import ZERO_CELSIUS, EisOptions, EisSample, Measurement
from structkit.schema import (
    FREQUENCY,
    HISTORY,
    MASKED,
    TEMPERATURE,
    label,
)
from structkit.schema.names import INDUCTIVE_TAIL, NOISY, OUTLIER

Remark = tuple[str, str, str]
"""Sample, file, sentence; empty text where it concerns none."""

_SAME_KELVIN = 2.0
"""Beyond it two statements of one temperature contradict each other."""

_GROSS = 0.05
"""Residual over |Z| from which an outlier has no weight; a lesser one does no harm to
a fit, and leaving it out would change numbers that nobody asked to be changed."""

_MISFIT, _TIMES_NOISE = 0.01, 5.0
"""Residual over |Z|, and over the noise, from which a circuit is called too simple."""

_SAID = {
    OUTLIER: "outliers by more than 5 % of |Z| were left out of the fit",
    NOISY: "points with little but noise were left out of the fit",
    INDUCTIVE_TAIL: "inductive points were left out: the circuit has no inductor",
}


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
            found = measurement.usual_kelvin if own is None else own
            if not math.isfinite(found):
                text = "no temperature in the file or the series file: no Arrhenius"
                self.note(name, file, [text])
            return found
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
