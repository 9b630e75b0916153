"""One simulated study measured through the public functions, beside its truth."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import structkit
from structkit.eis.arrhenius import fit_arrhenius
from structkit.eis.arrhenius_line import ArrheniusSettings
from structkit.eis.circuits import M0, M1
from structkit.eis.conductivity import compute_conductivity, make_resistances
from structkit.eis.identify import IdentifyOptions, identify_circuit
from structkit.eis.leads import ShortCell
from structkit.eis.pellet import Pellet
from structkit.eis.polarization import (
    PolarizationSettings,
    fit_polarization,
    transference_number,
)
from structkit.errors import StructkitError
from structkit.io.impedance import read_impedance, read_polarization
from structkit.io.nmr import read_decay
from structkit.nmr.assignment import find_saturated, review_assignment
from structkit.nmr.composition import correct_saturation, find_composition
from structkit.nmr.fields import review_larmor
from structkit.nmr.fit import fit_lines
from structkit.nmr.line_fit import LineFit
from structkit.nmr.overlap import (
    OverlapFit,
    fit_overlapped_recovery,
    make_pseudo_voigts,
)
from structkit.nmr.recovery_laws import RecoveryLaw
from structkit.nmr.response import Blank, CompositionSettings
from structkit.nmr.sites import LineFitOptions, Site
from structkit.nmr.spectrum import ProcessingOptions, process_decay
from structkit.schema import (
    CHEMICAL_SHIFT,
    DELAY,
    INTENSITY,
    INTENSITY_STD,
    LARMOR_FREQUENCY,
    MAS_RATE,
    SAMPLE,
    TEMPERATURE,
    TIME,
)
from structkit.schema.names import SITE
from structkit.synthetic.eis import (
    LEAKAGE_A,
    SERIES_SAMPLE,
    EisStudy,
    draw_study,
    eis_stream,
    simulate_eis,
)
from structkit.synthetic.eis_files import write_eis
from structkit.synthetic.eis_truth import EIS_ADVERSARIES
from structkit.synthetic.nmr import NmrStudy, nmr_stream, simulate_nmr
from structkit.synthetic.nmr_files import write_nmr
from structkit.synthetic.nmr_truth import (
    NMR_ADVERSARIES,
    RECYCLE_S,
    SITES,
    T1_BULK_S,
    T1_MILLED_ALONE_S,
    NmrTruth,
)

HONEST, NO_OXIDE = "honest", "no_oxide"
KINDS = (HONEST, NO_OXIDE, *EIS_ADVERSARIES, *NMR_ADVERSARIES)
FROM_FILES = 10
"""Every so many draws the data go through files and readers."""
SIGMAS = 1.959964
SATURATED = 0.95
"""Factor below which a line counts as told to be saturated."""
LEAKY = 0.99
"""Transference number below which electrons count as told."""
_DIAMETER_STD_MM, _THICKNESS_STD, _PRESSURE_STD = 0.04, 0.01, 0.02
_LEAD_STD_OHM, _LEAKAGE_STD_A = 0.1, 2e-12
_POINT_STD_K, _CHAMBER_STD_K = 0.3, 1.0
_RESPONSE_STD = 0.03
_WINDOW_PPM = (-60.0, 100.0)
_LINES_PPM = (-50.0, 95.0)
_LINES = (("NTOC", -11.2, 350.0), ("NaCl", 7.2, 200.0), ("Na2O", 55.0, 400.0))
"""Where lines are looked for, **ppm**, and their widths, **Hz**."""
_SHIFT_STD_PPM, _WIDTH_LOG_STD = 0.5, 0.4
"""How well both are known beforehand."""
_SOURCES = ("eis/*.py", "nmr/*.py", "io/**/*.py", "synthetic/*.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number beside its truth."""

    what: str
    """Quantity and sample or site."""
    true: float
    value: float
    std: float
    low: float
    """Lower 95 % limit."""
    high: float
    status: str = "converged"
    """Of the fit."""

    @property
    def covered(self) -> bool:
        """Return whether the 95 % limits hold the truth."""
        return self.low <= self.true <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One simulated study."""

    kind: str
    seed: int
    figures: tuple[Figure, ...]
    flags: dict[str, bool]
    """What the reader was told, by adversary; see the page."""
    remarks: dict[str, str]
    """The words of it."""
    seconds: dict[str, float]
    """Processor time by step."""
    failures: tuple[str, ...] = ()
    """What could not be measured, and why."""
    made_by: str = ""
    """Digest of the code."""


@dataclass(slots=True, kw_only=True)
class _Notes:
    """What comes together while a study is measured."""

    figures: list[Figure] = field(default_factory=list)
    flags: dict[str, bool] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def step(self, name: str, work: Callable[[], None]) -> None:
        """Do a step, its time and its error noted."""
        begun = time.process_time()
        try:
            work()
        except StructkitError as error:
            self.failures.append(f"{name}: {error}")
        self.seconds[name] = time.process_time() - begun


def measure_draw(kind: str, seed: int, keep: Path | None = None) -> Draw:
    """Return one draw, from ``keep`` where this code has made it already."""
    place = None if keep is None else keep / f"{kind}-{seed}.json"
    if place is not None and place.is_file():
        kept = _read(place)
        if kept.made_by == digest():
            return kept
    found = _measure(kind, seed)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_suffix(".part")
        unfinished.write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
        unfinished.replace(place)
    return found


def _read(place: Path) -> Draw:
    """Return a kept draw."""
    content: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    figures = tuple(Figure(**each) for each in content.pop("figures"))
    failures = tuple(content.pop("failures"))
    return Draw(figures=figures, failures=failures, **content)


@cache
def digest() -> str:
    """Return the digest of the code that a draw depends on."""
    root = Path(structkit.__file__).parent
    summed = hashlib.sha256(Path(__file__).read_bytes())
    for pattern in _SOURCES:
        for path in sorted(root.glob(pattern)):
            summed.update(path.read_bytes())
    return summed.hexdigest()[:16]


def _measure(kind: str, seed: int) -> Draw:
    """Simulate and measure one study."""
    notes = _Notes()
    filed = seed % FROM_FILES == 0
    if kind != NO_OXIDE and kind not in NMR_ADVERSARIES:
        _measure_eis(kind, seed, notes, filed=filed)
    if kind not in EIS_ADVERSARIES:
        _measure_nmr(kind, seed, notes, filed=filed)
    return Draw(
        kind=kind,
        seed=seed,
        figures=tuple(notes.figures),
        flags=notes.flags,
        remarks=notes.remarks,
        seconds=notes.seconds,
        failures=tuple(notes.failures),
        made_by=digest(),
    )


# Impedance and polarization ---------------------------------------------------------


def make_study(kind: str, seed: int, *, filed: bool) -> EisStudy:
    """Return the impedance of a study, through files where ``filed``."""
    adversary: Any = kind if kind in EIS_ADVERSARIES else None
    if not filed:
        return simulate_eis(seed, adversary=adversary)
    with tempfile.TemporaryDirectory() as folder:
        study = write_eis(folder, seed=seed, adversary=adversary)
        place = Path(folder) / "eis"
        sweeps = {n: read_impedance(place / f"{n}.DTA") for n in study.sweeps}
        series = tuple(
            read_impedance(place / f"4h_{round(float(s[TEMPERATURE]) - 273.15)}C.csv")
            for s in study.series
        )
        run = read_polarization(place / "4h_dc.DTA")
    return replace(study, sweeps=sweeps, series=series, run=run)


def _measure_eis(kind: str, seed: int, notes: _Notes, *, filed: bool) -> None:
    """Measure conductivities, activation energy and electrons."""
    study = make_study(kind, seed, filed=filed)
    total: dict[str, tuple[float, float]] = {}
    for name in study.sweeps:
        notes.step(
            f"sweep {name}", lambda name=name: _measure_sweep(study, name, notes, total)
        )
    notes.step("series", lambda: _measure_series(study, notes))
    notes.step("run", lambda: _measure_run(study, seed, notes, total))


def pellet_of(own: xr.Dataset) -> Pellet:
    """Return the pellet as the operator wrote it down."""
    thickness = float(own["measured_thickness"])
    return Pellet(
        diameter_mm=float(own["measured_diameter"]),
        diameter_std_mm=_DIAMETER_STD_MM,
        thickness_mm=thickness,
        thickness_std_mm=_THICKNESS_STD * thickness,
        pressure_std=_PRESSURE_STD,
    )


def weigh_pellet(own: xr.Dataset) -> Pellet:
    """Return the pellet by its mass and density."""
    mass, density = float(own["measured_mass"]), float(own["measured_density"])
    return Pellet(
        diameter_mm=float(own["measured_diameter"]),
        diameter_std_mm=_DIAMETER_STD_MM,
        mass_mg=mass,
        mass_std_mg=0.005 * mass,
        density_g_cm3=density,
        density_std_g_cm3=0.03 * density,
    )


def _leads(own: xr.Dataset) -> ShortCell:
    """Return the empty cell as measured."""
    measured = max(float(own["measured_lead"]), 0.0)
    return ShortCell(resistance_ohm=measured, resistance_std_ohm=_LEAD_STD_OHM)


def _conductivity(
    totals: list[tuple[float, float]], kelvin: list[float], own: xr.Dataset
) -> xr.Dataset:
    """Return the conductivities of some resistances, **ohm**, of one pellet."""
    values, stds = zip(*totals, strict=True)
    return compute_conductivity(
        make_resistances(kelvin, total=values, total_std=stds),
        pellet_of(own),
        short=_leads(own),
    )


def _measure_sweep(
    study: EisStudy, name: str, notes: _Notes, total: dict[str, tuple[float, float]]
) -> None:
    """Measure the conductivity of one sample at 25 C, and look at its claims."""
    own = study.truth.sel({SAMPLE: name})
    pellet = pellet_of(own)
    options = IdentifyOptions(cell_constant=pellet.cell_constant)
    found = identify_circuit(study.sweeps[name], options)
    whole = found.verdict("total")
    measured = (whole.resistance, whole.resistance_std)
    row = _conductivity([measured], [298.15], own).sel(contribution="total")
    value, std = float(row["conductivity"][0]), float(row["conductivity_std"][0])
    total[name] = (value, std)
    notes.figures += [
        _normal(f"sigma {name}", float(own["conductivity"]), value, std=std),
        _normal(
            f"R {name}",
            float(own["resistance"] + own["lead_resistance"]),
            whole.resistance,
            std=whole.resistance_std,
            status=found.chosen.fit.status.value,
        ),
    ]
    bulk = found.verdict("bulk")
    notes.flags[f"bulk claimed {name}"] = bulk.identifiable
    notes.remarks[f"bulk {name}"] = bulk.reason
    notes.remarks[f"circuit {name}"] = found.chosen.fit.circuit.name
    if name == "NTC-4":
        notes.flags["stray_capacitance"] = "stray capacitance" in bulk.reason
    boundary = found.verdict("grain_boundary")
    notes.flags[f"boundary claimed {name}"] = boundary.identifiable
    if name == SERIES_SAMPLE:
        weighed = weigh_pellet(own)
        apart = abs(math.log(pellet.cell_constant / weighed.cell_constant))
        spread = math.hypot(pellet.relative_std, weighed.relative_std)
        notes.flags["thickness_doubled"] = apart > 3.0 * spread


def _measure_series(study: EisStudy, notes: _Notes) -> None:
    """Measure the activation energy of the temperature series."""
    own = study.truth.sel({SAMPLE: SERIES_SAMPLE})
    options = IdentifyOptions(
        cell_constant=pellet_of(own).cell_constant, models=(M0, M1)
    )
    totals = [identify_circuit(one, options).verdict("total") for one in study.series]
    found = [(one.resistance, one.resistance_std) for one in totals]
    kelvin = [float(one) for one in study.truth[TEMPERATURE].to_numpy()]
    fits = fit_arrhenius(
        _conductivity(found, kelvin, own),
        ArrheniusSettings(
            temperature_std_k=_POINT_STD_K, temperature_offset_std_k=_CHAMBER_STD_K
        ),
    )
    line = fits.sel(contribution="total", convention="ln_sigma_T", points="all")
    notes.figures.append(
        Figure(
            what="Ea 4h",
            true=float(study.truth["activation_energy"]),
            value=float(line["activation_energy"]),
            std=float(line["activation_energy_std"]),
            low=float(line["activation_energy_low"]),
            high=float(line["activation_energy_high"]),
            status=str(line["status"].item()),
        )
    )


def _measure_run(
    study: EisStudy, seed: int, notes: _Notes, total: dict[str, tuple[float, float]]
) -> None:
    """Measure the electrons' conductivity, and whether ions carry the current."""
    own = study.truth.sel({SAMPLE: SERIES_SAMPLE})
    error = _LEAKAGE_STD_A * float(eis_stream(seed, "leakage").standard_normal())
    settings = PolarizationSettings(
        leakage_a=LEAKAGE_A + error, leakage_std_a=_LEAKAGE_STD_A
    )
    found = fit_polarization(study.run, pellet_of(own), settings=settings)
    value, std = (
        float(found[name])
        for name in ("electronic_conductivity", "electronic_conductivity_std")
    )
    bound = float(found["electronic_conductivity_bound"])
    true = float(own["electronic_conductivity"])
    notes.flags["resolved sigma_e"] = bool(found["is_resolved"] > 0.0)
    notes.flags["sigma_e below its bound"] = true <= bound
    if math.isfinite(value):
        notes.figures.append(_normal("sigma_e 4h", true, value, std=std))
    sigma, sigma_std = total[SERIES_SAMPLE]
    known = math.isfinite(value)
    number, _ = transference_number(
        value if known else bound,
        sigma,
        electronic_std=std if known else 0.0,
        total_std=sigma_std,
    )
    notes.flags["electronic_leak"] = number < LEAKY


def _normal(
    what: str, true: float, value: float, *, std: float, status: str = "converged"
) -> Figure:
    """Return a number with a normal interval."""
    reach = SIGMAS * std
    return Figure(
        what=what,
        true=true,
        value=value,
        std=std,
        low=value - reach,
        high=value + reach,
        status=status,
    )


# NMR ----------------------------------------------------------------------------------


def make_decays(kind: str, seed: int, *, filed: bool) -> tuple[NmrStudy, str]:
    """Return the decays of a study and the reader's remarks, if ``filed``."""
    adversary: Any = kind if kind in NMR_ADVERSARIES else None
    if kind == NO_OXIDE:
        study = replace(draw_study(seed), oxygen_end=0.0)
        truth = NmrTruth.draw(nmr_stream(seed, "truth"), study=study)
        return simulate_nmr(seed, truth=truth), ""
    if not filed and kind != "wrong_larmor":
        return simulate_nmr(seed, adversary=adversary), ""
    with tempfile.TemporaryDirectory() as folder:
        known = write_nmr(folder, seed=seed, adversary=adversary)
        decays = [read_decay(Path(folder) / "nmr" / str(n)) for n in (1, 2, 3)]
    sample, blank, recovery = decays
    remarks = str(sample.attrs["remarks"])
    return replace(known, sample=sample, blank=blank, recovery=recovery), remarks


def process(decay: xr.Dataset, dead_s: float, *, size: int | None = None) -> xr.Dataset:
    """Return the spectrum; the operator knows the dead time of the probe."""
    dwell = float(decay[TIME][1] - decay[TIME][0])
    options = ProcessingOptions(
        phase1=-360.0 * dead_s / dwell,
        size=size,
        baseline="polynomial",
        baseline_degree=5,
        signal_regions=_line_regions(decay),
    )
    return process_decay(decay, options)


def _line_regions(decay: xr.Dataset) -> tuple[tuple[float, float], ...]:
    """Return where lines and sidebands are, **ppm**."""
    spacing = float(decay[MAS_RATE]) / float(decay[LARMOR_FREQUENCY])
    low, high = _LINES_PPM
    return tuple((low + n * spacing, high + n * spacing) for n in range(-2, 3))


def fit_sample(spectrum: xr.Dataset, *, oxide: bool = True) -> LineFit:
    """Fit the lines of the product, NaCl and Na2O, roughly known beforehand."""
    sites = [
        Site(
            name=name,
            shift_ppm=shift,
            fwhm_hz=width,
            shape="voigt",
            shift_window_ppm=(shift - 2.0, shift + 2.0),
            fwhm_window_hz=(0.25 * width, 4.0 * width),
            shift_prior_std_ppm=_SHIFT_STD_PPM,
            fwhm_prior_log_std=_WIDTH_LOG_STD,
        )
        for name, shift, width in _LINES
    ]
    options = LineFitOptions(window_ppm=_WINDOW_PPM, baseline_order=2, phase="zero")
    return fit_lines(spectrum, sites if oxide else sites[:2], options)


def fit_t1(decay: xr.Dataset, dead_s: float, start: LineFit) -> OverlapFit:
    """Fit T1 of all lines together."""
    spectra = process(decay, dead_s, size=decay.sizes[TIME])
    inside = spectra.sel({CHEMICAL_SHIFT: slice(*_WINDOW_PPM)})
    shift = inside[CHEMICAL_SHIFT].to_numpy()
    larmor = start.model.larmor_frequency
    shapes = make_pseudo_voigts(
        shift, centres=start.shifts.tolist(), widths=(start.fwhm_hz / larmor).tolist()
    )
    laws = [RecoveryLaw(name="quadrupolar"), RecoveryLaw(), RecoveryLaw()]
    return fit_overlapped_recovery(
        inside[DELAY].to_numpy(),
        inside[INTENSITY].to_numpy(),
        shapes=shapes,
        sigma=float(inside[INTENSITY_STD]),
        laws=laws,
    )


def _measure_nmr(kind: str, seed: int, notes: _Notes, *, filed: bool) -> None:
    """Measure T1 and x."""
    study, remarks = make_decays(kind, seed, filed=filed)
    if remarks:
        notes.remarks["reader"] = remarks
        notes.flags["reader told the frequency"] = "23Na" in remarks
    larmor = float(study.sample["larmor_frequency"])
    review = review_larmor(larmor, nucleus="23Na")
    notes.flags["wrong_larmor"] = review.flagged
    notes.remarks["larmor"] = review.remark
    notes.step("nmr", lambda: _measure_lines(study, seed, notes))


def _measure_lines(study: NmrStudy, seed: int, notes: _Notes) -> None:
    """Measure lines, T1 and composition."""
    dead = float(study.truth["dead_time"])
    sample = fit_sample(process(study.sample, dead))
    blank = fit_sample(process(study.blank, dead), oxide=False)
    found = fit_t1(study.recovery, dead, sample)
    t1 = dict(zip(SITES, found.t1.tolist(), strict=True))
    std = dict(zip(SITES, found.t1_std.tolist(), strict=True))
    for site in SITES:
        true = float(study.truth["t1"].sel({SITE: site}))
        low, high = found.recoveries[SITES.index(site)].interval
        notes.figures.append(
            Figure(
                what=f"T1 {site}",
                true=true,
                value=t1[site],
                std=std[site],
                low=low,
                high=high,
                status=found.status.value,
            )
        )
    _judge_t1(t1, float(study.truth["flip_angle"]), notes)
    notes.figures += _contents(study, seed, fits=(sample, blank), times=(t1, std))


def _judge_t1(t1: dict[str, float], flip_degree: float, notes: _Notes) -> None:
    """Look for exchanged and for long T1."""
    references = {"milled alone": T1_MILLED_ALONE_S, "bulk": T1_BULK_S}
    told = review_assignment(t1, references)
    notes.flags["t1_swap"] = any(one.ambiguous_swap for one in told)
    saturated = find_saturated(
        {"NaCl": t1["NaCl"]}, recycle_delay=RECYCLE_S, flip_angle_degree=flip_degree
    )
    factors = saturated.get("NaCl", ())
    notes.flags["saturated_nacl"] = any(one < SATURATED for one in factors)


def _contents(
    study: NmrStudy,
    seed: int,
    *,
    fits: tuple[LineFit, LineFit],
    times: tuple[dict[str, float], dict[str, float]],
) -> Iterator[Figure]:
    """Yield x, its response calibrated and not."""
    sample, blank = fits
    settings = CompositionSettings(
        recycle_delay_s=RECYCLE_S,
        flip_angle_degree=float(study.truth["flip_angle"]),
        t1_s=times[0],
        t1_std_s=times[1],
    )
    areas, spread, _ = correct_saturation(
        dict(zip(blank.names, blank.areas.tolist(), strict=True)),
        blank.area_covariance,
        settings,
    )
    ratio = float(areas[1] / areas[0])
    slope = np.array([-ratio, 1.0]) / areas[0]
    control = Blank(ratio=ratio, std=math.sqrt(slope @ spread @ slope))
    factor = float(study.truth["response_factor"])
    error = _RESPONSE_STD * float(nmr_stream(seed, "response").standard_normal())
    calibrated = factor * (1.0 + error)
    for what, changed in (
        ("x", {"response": calibrated, "response_std": _RESPONSE_STD * calibrated}),
        ("x, response unknown", {}),
    ):
        table = find_composition(
            dict(zip(sample.names, sample.areas.tolist(), strict=True)),
            sample.area_covariance,
            replace(settings, blank=control, **changed),
        ).sel(quantity="x")
        yield Figure(
            what=what,
            true=float(study.truth["x"]),
            value=float(table["value"]),
            std=float(table["std"]),
            low=float(table["low"]),
            high=float(table["high"]),
            status=sample.status.value,
        )
