"""One simulated Raman series, prepared and fitted: what was found beside the truth.

The truth is drawn by ``structkit.synthetic.raman``, which shares no line shape, window
or background with the fitter. A series is kept as a small JSON file, and done again
where the code that made it has changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import BSpline

import structkit
from structkit.errors import StructkitError
from structkit.raman.calibrate import AxisCalibration, fit_calibration
from structkit.raman.identify import BandStatus
from structkit.raman.library import load_bands
from structkit.raman.model import BandModel
from structkit.raman.prepare import prepare_spectra
from structkit.raman.series import (
    SampleResult,
    SeriesOptions,
    SeriesSample,
    fit_series,
    series_model,
)
from structkit.raman.spots import find_odd_spots
from structkit.raman.stability import assess_stability
from structkit.schema import MILLING_TIME, RAMAN_SHIFT, SAMPLE, SPOT, TIME
from structkit.synthetic.raman import (
    describe_series,
    record_series,
    simulate_references,
    stream_of,
)
from structkit.synthetic.raman_lines import LineShape, line_density
from structkit.synthetic.raman_species import AXIAL, GLASS, NTC, TA2CL10
from structkit.synthetic.raman_truth import RamanAdversary, RamanSample, RamanTruth

Floats = NDArray[np.float64]
Kind = Literal["resolved", "unresolved", "honest", "one place"] | RamanAdversary
"""``resolved`` and ``unresolved``: honest series, metrics only. ``honest``: the same
with every reading ranked. ``one place``: as ``bleaching``, but nothing bleaches."""

REFERENCE = "NTC"
UNMILLED = "unmilled"
MILLED = ("1h", "2h", "4h", "6h")
ROLES = {UNMILLED: "unmilled", REFERENCE: "crystalline_reference"}
METRICS = (
    "out_of_plane_ratio",
    "in_plane_ratio",
    "bend_ratio",
    "r_ax",
    "r_O",
    "S_ax",
)
NO_READINGS = ("resolved", "unresolved", "one place")
_STEADY = 1e-9
_SOURCES = ("raman/*.py", "raman/data/*", "synthetic/raman*.py", "synthetic/study*.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One metric of one sample beside the truth."""

    sample: str
    metric: str
    true: float
    value: float
    std: float
    low: float
    high: float
    resolved: bool
    remark: str

    @property
    def covered(self) -> bool:
        """Return whether the 95 % limits hold the truth."""
        return self.low <= self.true <= self.high

    @property
    def error(self) -> float:
        """Return found minus true."""
        return self.value - self.true


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What else was told about one sample, beside what is true of it."""

    sample: str
    axial_std: float
    """1 sigma of the area at 405 over the area, in the best fit there can be."""
    residue: float
    """Share of the tantalum in TaCl5."""
    rivals: tuple[str, ...] = ()
    """Species taken into its model."""
    seen: tuple[str, ...] = ()
    """Species one of whose columns is detected in it."""
    best: tuple[str, ...] = ()
    """Species of the reading ranked first."""
    readings: tuple[tuple[str, float], ...] = ()
    """Readings and their BIC less the lowest, best first."""
    odd: tuple[int, ...] = ()
    """Spots told to be odd, counted from 0."""
    crystallised: tuple[int, ...] = ()
    """Spots that the beam crystallised, likewise."""
    statements: tuple[str, ...] = ()
    """On odd spots, and on stability where the spots are one place."""
    reason: str = ""
    """Why it was not fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One series."""

    kind: str
    seed: int
    figures: tuple[Figure, ...]
    told: tuple[Told, ...]
    seconds: dict[str, float]
    """Processor time by step."""
    remarks: tuple[str, ...] = ()
    """Of the fit of the series."""
    made_by: str = ""
    """Digest of the code."""

    def sample(self, name: str) -> Told:
        """Return what was told about a sample."""
        return next(each for each in self.told if each.sample == name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """One series before it is fitted."""

    samples: tuple[SeriesSample, ...]
    """Prepared."""
    described: tuple[RamanSample, ...]
    """What they emit."""
    known: xr.Dataset
    """The truth."""
    calibration: AxisCalibration
    """From the silicon of the series."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Processor time by step."""


def measure_series(kind: str, seed: int, keep: Path | None = None) -> Measured:
    """Return one series, from ``keep`` where this code has made it already."""
    place = None if keep is None else keep / f"{kind.replace(' ', '_')}-{seed}.json"
    if place is not None and place.is_file():
        kept = _read(place)
        if kept.made_by == digest():
            return kept
    found = _measure(kind, seed)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(found), indent=1)
        unfinished = place.with_suffix(".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(place)
    return found


def _read(place: Path) -> Measured:
    """Return a kept series."""
    content: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    figures = tuple(Figure(**each) for each in content.pop("figures"))
    told = tuple(
        Told(**{k: _as_tuple(v) if isinstance(v, list) else v for k, v in each.items()})
        for each in content.pop("told")
    )
    remarks = tuple(content.pop("remarks"))
    return Measured(figures=figures, told=told, remarks=remarks, **content)


def _as_tuple(values: list[Any]) -> tuple[Any, ...]:
    """Return a list of JSON, and lists in it, as tuples."""
    return tuple(_as_tuple(v) if isinstance(v, list) else v for v in values)


@cache
def digest() -> str:
    """Return the digest of the code that a series depends on."""
    root = Path(structkit.__file__).parent
    summed = hashlib.sha256(Path(__file__).read_bytes())
    for pattern in _SOURCES:
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                summed.update(path.read_bytes())
    return summed.hexdigest()[:16]


def _measure(kind: str, seed: int) -> Measured:
    """Simulate, prepare and fit one series."""
    recorded = record(kind, seed)
    model = series_model(
        BandModel(
            bands=load_bands().bands[:1], instrument_fwhm=recorded.calibration.fwhm
        )
    )
    options = SeriesOptions(model=model)
    if kind in NO_READINGS:
        options = replace(options, hypotheses=())
    begun = time.process_time()
    result = fit_series(recorded.samples, options)
    seconds = recorded.seconds | {"fit": time.process_time() - begun}
    figures = [f for one in result.samples for f in compare(one, recorded.known)]
    told = [
        _tell(one, sample, recorded.known)
        for one, sample in zip(result.samples, recorded.described, strict=True)
    ]
    return Measured(
        kind=kind,
        seed=seed,
        figures=tuple(figures),
        told=tuple(told),
        seconds=seconds,
        remarks=result.remarks,
        made_by=digest(),
    )


def record(kind: str, seed: int, truth: RamanTruth | None = None) -> Recorded:
    """Simulate a series and its silicon, calibrate and prepare it.

    Parameters
    ----------
    kind : str
        One of :data:`Kind`.
    seed : int
        Of everything that is drawn.
    truth : RamanTruth, optional
        In place of the drawn one: to find what causes a bias.
    """
    begun = time.process_time()
    if truth is None:
        truth = RamanTruth.draw(stream_of(seed, "truth"), resolved=kind != "unresolved")
    adversary = "bleaching" if kind == "one place" else kind
    described = describe_series(
        truth,
        seed=seed,
        adversary=adversary if adversary in get_args(RamanAdversary) else None,  # type: ignore[arg-type]
    )
    if kind == "one place":
        described = [replace(each, bleaching_rate=_STEADY) for each in described]
    tree, known = record_series(described, truth=truth, seed=seed)
    silicon = simulate_references(truth, seed=seed)["silicon"]
    simulated = time.process_time()
    calibration = fit_calibration(silicon)
    samples = []
    for each in described:
        raw = tree[f"/{each.name}/raman"].to_dataset()
        samples.append(
            SeriesSample(
                name=each.name,
                spectra=(prepare_spectra(raw, calibration=calibration),),
                milling_time=float(raw[MILLING_TIME]),
                role=ROLES.get(each.name, "milled"),
            )
        )
    prepared = time.process_time()
    return Recorded(
        samples=tuple(samples),
        described=tuple(described),
        known=known,
        calibration=calibration,
        seconds={"simulate": simulated - begun, "prepare": prepared - simulated},
    )


def true_value(known: xr.Dataset, sample: str, metric: str) -> float:
    """Return the truth of a metric of the fitter; NaN where there is none."""
    own = known.sel({SAMPLE: sample})
    if metric == "bend_ratio":
        return _divide(own["out_of_plane_ratio"], own["in_plane_ratio"])
    if metric == "oxide_ratio":
        return _divide(own["r_o"], 1.0 - own["r_o"])
    if metric == "S_ax":
        reference = known["r_ax"].sel({SAMPLE: REFERENCE})
        return 1.0 - _divide(own["r_ax"], reference)
    name = {"r_O": "r_o", "amorphous_share": "glass_share"}.get(metric, metric)
    return float(own[name])


def _divide(above: xr.DataArray, below: xr.DataArray) -> float:
    """Return a ratio, NaN of nothing."""
    return float(above) / float(below) if float(below) > 0.0 else math.nan


def compare(result: SampleResult, known: xr.Dataset) -> Iterator[Figure]:
    """Yield the metrics of a sample that have a truth."""
    if result.measured is None:
        return
    own = [*result.measured.metrics, *([result.loss] if result.loss else [])]
    for metric in own:
        true = true_value(known, result.sample.name, metric.name)
        if math.isfinite(true):
            yield Figure(
                sample=result.sample.name,
                metric=metric.name,
                true=true,
                value=metric.value,
                std=metric.std,
                low=metric.low,
                high=metric.high,
                resolved=metric.resolved,
                remark=metric.remark,
            )


def _tell(result: SampleResult, sample: RamanSample, known: xr.Dataset) -> Told:
    """Return what else was told about a sample."""
    axial = axial_uncertainty(sample, known)
    residue = float(sample.amounts.get(TA2CL10, 0.0))
    hit = known["crystallised"].sel({SAMPLE: sample.name}).to_numpy()
    crystallised = tuple(np.flatnonzero(hit).tolist())
    if result.measured is None:
        return Told(
            sample=sample.name,
            axial_std=axial,
            residue=residue,
            crystallised=crystallised,
            reason=result.reason,
        )
    odd = find_odd_spots(result.measured.fit, result.members)
    statements = [each.statement for each in odd]
    for prepared in result.sample.spectra:
        if TIME in prepared.coords:
            statements += _stability(prepared)
    ranked = result.assignment.ranked if result.assignment else ()
    return Told(
        sample=sample.name,
        axial_std=axial,
        residue=residue,
        rivals=result.rivals,
        seen=_species_seen(result),
        best=ranked[0].hypothesis.species if ranked else (),
        readings=tuple((r.hypothesis.name, r.delta_bic) for r in ranked),
        odd=tuple(each.number for each in odd),
        crystallised=crystallised,
        statements=tuple(statements),
    )


def _stability(prepared: xr.Dataset) -> list[str]:
    """Return what is said of the stability of spots that are one place."""
    try:
        return str(assess_stability(prepared).attrs["remarks"]).splitlines()
    except StructkitError as error:
        return [str(error)]


def _species_seen(result: SampleResult) -> tuple[str, ...]:
    """Return the species one of whose columns is detected in a sample."""
    assert result.measured is not None
    known = result.measured.identifiability
    found = [
        species
        for name, species in zip(
            result.measured.fit.model.names,
            result.measured.fit.model.species,
            strict=True,
        )
        if known.verdict(name).status in (BandStatus.DETERMINED, BandStatus.MERGED)
    ]
    return tuple(dict.fromkeys(found))


# What the best fit there can be would know of the 405 line ------------------------

_CENTRE_STD, _WIDTH_FACTOR, _KNOTS = 6.0, 0.7, 130.0


def axial_uncertainty(sample: RamanSample, known: xr.Dataset) -> float:
    """Return 1 sigma of the area at 405 over the area, from the Fisher information.

    Free are area, centre (known to 6 cm-1), lifetime and environments (known to 70 %)
    of each stretch of NaTaCl6 and of the glass, in their true shapes, and cubic splines
    every 130 cm-1; all spots together. NaN where there is no such line.
    """
    stretches = [
        band
        for band in sample.bands
        if band.species in (NTC, AXIAL, GLASS) and 250.0 < band.nominal < 420.0
    ]
    species = [band.species for band in stretches]
    if AXIAL not in species:
        return math.nan
    window = {RAMAN_SHIFT: slice(200.0, 700.0)}
    shift = known[RAMAN_SHIFT].sel(window).to_numpy()
    columns: list[Floats] = []
    precision: list[float] = []
    for band in stretches:
        start = np.array(
            [band.centre, band.shape.homogeneous_fwhm, band.shape.environment_fwhm]
        )
        columns.append(band.area * _line(shift, start, sample))
        precision.append(0.0)
        for place, std in enumerate((_CENTRE_STD, *(_WIDTH_FACTOR * start[1:]))):
            step = np.zeros(3)
            step[place] = 0.01 * start[1]
            rise, fall = (_line(shift, start + s * step, sample) for s in (1.0, -1.0))
            columns.append(band.area * (rise - fall) / (2.0 * step[place]))
            precision.append(float(std) ** -2)
    light = known["expected"].sel({SAMPLE: sample.name}).sel(window)
    noise = np.sqrt(0.5 * light.mean(SPOT).to_numpy() / light.sizes[SPOT])
    splines = 1e3 * _splines(shift)
    design = np.column_stack([*columns, splines]) / noise[:, None]
    prior = np.array([*precision, *[1e-9] * splines.shape[1]])
    covariance = np.linalg.inv(design.T @ design + np.diag(prior))
    place = 4 * species.index(AXIAL)
    return float(np.sqrt(covariance[place, place]))


def _line(shift: Floats, shape: Floats, sample: RamanSample) -> Floats:
    """Return a line of unit area: centre, lifetime, environments."""
    centre, lifetime, environments = (float(each) for each in shape)
    own = LineShape(
        centre=centre, homogeneous_fwhm=lifetime, environment_fwhm=environments
    )
    return line_density(shift, own, spectrometer=sample.spectrometer)


def _splines(shift: Floats) -> Floats:
    """Return cubic splines over the range."""
    knots = np.arange(shift[0] - 5.0 * _KNOTS, shift[-1] + 5.0 * _KNOTS, _KNOTS)
    every = BSpline.design_matrix(shift, knots, 3).toarray()
    return np.asarray(every[:, every.max(axis=0) > 1e-3])
