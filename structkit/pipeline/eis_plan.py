"""What a series file asks of its impedance and DC files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.eis.arrhenius_line import ArrheniusSettings
from structkit.eis.circuits import MODELS, Circuit, parse_circuit
from structkit.eis.fit import FitOptions
from structkit.eis.leads import ShortCell
from structkit.eis.pellet import Pellet
from structkit.eis.polarization import PolarizationSettings
from structkit.errors import SchemaError, SeriesFileError, StructkitError
from structkit.io.impedance import read_impedance
from structkit.io.manifest import SampleTable, SeriesFile
from structkit.io.manifest_eis import EisTable, PelletTable, ShortCellTable
from structkit.schema import (
    IMPEDANCE,
)

ZERO_CELSIUS = 273.15
_HOURS_A_DAY = 24.0

_GEOMETRY = tuple(PelletTable.model_fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One file of impedance of a sample."""

    file: Path
    """Where it is."""
    kelvin: float = math.nan
    """Temperature as stated, **K**; NaN: the file's."""
    usual_kelvin: float = math.nan
    """Temperature where neither says it, **K**; NaN: unknown."""
    history: str = ""
    """What the sample went through before."""
    age: float = math.nan
    """Since the sample was made, **h**; NaN: unknown."""
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
    usual_kelvin: float = math.nan
    """Temperature where neither says it, **K**; NaN: unknown."""
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
    pristine: str = ""
    """The sample that it was before; empty: its own first history."""


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


def plan_series(
    series: SeriesFile, *, samples: Sequence[str] | None = None
) -> tuple[list[EisSample], EisOptions]:
    """Return what a series file asks for.

    Parameters
    ----------
    series : SeriesFile
        From :func:`structkit.io.manifest.read_series`.
    samples : sequence of str, optional
        Ids; what they were before comes along. Default: all with ``eis`` or ``dc``.

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
    wanted = set(samples or known)
    wanted |= {one.pristine for one in measured if one.id in wanted and one.pristine}
    kept = [one for one in measured if one.id in wanted]
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
                kelvin=_kelvin(one.temperature),
                usual_kelvin=_kelvin(sample.temperature),
                history=one.history or _name_age(one.age),
                age=_or_nan(sample.age if one.age is None else one.age),
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
                kelvin=_kelvin(run.temperature),
                usual_kelvin=_kelvin(sample.temperature),
                pellet=pellet,
                block=run.block,
            )
        )
    return EisSample(
        name=sample.id,
        measurements=tuple(measurements),
        runs=tuple(runs),
        pristine=sample.pristine or "",
    )


def _name_age(hours: float | None) -> str:
    """Return the history of a measurement that states its age alone.

    Examples
    --------
    >>> _name_age(240.0), _name_age(0.5), _name_age(None)
    ('age 10 d', 'age 0.5 h', '')
    """
    if hours is None:
        return ""
    days = hours / _HOURS_A_DAY
    return f"age {days:g} d" if days >= 1.0 else f"age {hours:g} h"


def _kelvin(celsius: float | None) -> float:
    """Return a temperature, **K**; NaN where there is none."""
    return math.nan if celsius is None else celsius + ZERO_CELSIUS


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
