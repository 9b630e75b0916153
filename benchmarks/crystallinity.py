"""Absolute amorphous content, simulated: ``python -m benchmarks.crystallinity``.

Every series is another truth (rates, sizes, texture, B, film, particles, tube drift),
drawn by ``structkit.synthetic.study``, which shares no profile, background or halo code
with the refinement. Each is refined once and read four times: with the instrument's
constant from a spiked twin, from a monitor, from the unmilled mixture, and with no
reference at all.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import xarray as xr
from joblib import Parallel, delayed

from benchmarks.page import Floor, Section, machine, table
from refinement import RefinementPlan, refine_series
from refinement.calibrate import Standard, calibrate_instrument
from refinement.crystallinity.closure import weighed_composition
from refinement.crystallinity.content import describe_contents, find_contents
from refinement.crystallinity.facts import (
    ExternalStandard,
    Monitor,
    SampleFacts,
    SeriesFacts,
    known_fractions,
    phase_facts,
)
from refinement.engines.native.engine import NativeEngine
from refinement.plan import InternalStandard, Phase
from refinement.result import RefinementResult
from structkit.schema import MILLING_TIME, SAMPLE
from structkit.structures import library
from structkit.structures.attenuation import mass_attenuation
from structkit.synthetic.study import (
    StudyTruth,
    analyst_structures,
    simulate_monitor,
    simulate_study,
    simulate_study_blank,
)
from structkit.synthetic.xrd import simulate_standard
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

MIXTURE = {"NaCl": 1.0, "TaCl5": 1.0, "Na2O": 1.0}
SPIKED = "2h"
TWIN = f"{SPIKED}_spiked"
SPIKE = 0.15
DRIFT = 0.03
FILM_UM, FILM_STD_UM = 25.0, 3.0
SOURCES = ("spiked", "monitor", "unmilled", "none")
CALIBRATED = SOURCES[:3]
MILLED = ("1h", "2h", "4h", "6h")
BIAS, COVERED, INSIDE, FALSE_ALARMS = 0.02, (0.92, 0.98), 0.95, 0.05
SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One series, refined."""

    seed: int
    """Of its truth and noise."""
    results: Mapping[str, RefinementResult]
    """By sample."""
    known: xr.Dataset
    """The truth."""
    blank: xr.Dataset
    """Film and air."""
    plan: RefinementPlan
    """What was refined."""
    monitor: Monitor
    """The monitor's pattern, refined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One sample read with one reference."""

    source: str
    sample: str
    true: float
    value: float
    std: float
    low: float
    high: float

    @property
    def covered(self) -> bool:
        """Return whether the 95 % limits hold the truth."""
        return self.low <= self.true <= self.high


def main(arguments: list[str] | None = None) -> int:
    """Simulate, refine, read, and print how far the contents are off."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crystallinity")
    parser.add_argument("-n", "--series", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for refined series, reused")
    parser.add_argument("-o", "--output", type=Path, help="also write this .md file")
    options = parser.parse_args(arguments)
    begun = time.perf_counter()
    device = calibrate()
    found = Parallel(n_jobs=options.jobs)(
        delayed(read_one)(seed, device, options.keep) for seed in range(options.series)
    )
    outcomes = [outcome for part, _ in found for outcome in part]
    alarms = [alarm for _, alarm in found]
    sections = [
        report_calibrated(outcomes),
        report_uncalibrated(outcomes),
        report_alarms(alarms),
        report_speed(measure(0, device, options.keep)),
    ]
    minutes = (time.perf_counter() - begun) / 60.0
    text = "\n\n".join(
        [
            describe(options.series, minutes, kept=options.keep is not None),
            machine(),
            *(section.to_markdown() for section in sections),
        ]
    )
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")
    return 0


def calibrate() -> Instrument:
    """Return the instrument, calibrated on a simulated LaB6 pattern."""
    pattern, _ = simulate_standard()
    start = Instrument(
        radiation=tube("CuKa"),
        u=0.005,
        v=-0.002,
        w=0.004,
        x=0.02,
        y=0.02,
        axial_divergence=0.02,
    )
    standard = Standard(pattern=pattern, structure=library.load("LaB6"))
    return calibrate_instrument([standard], start)[0]


def measure(seed: int, device: Instrument, keep: Path | None = None) -> Measured:
    """Simulate and refine one series; take it from ``keep`` where it is there."""
    place = None if keep is None else keep / f"{seed}.pickle"
    if place is not None and place.is_file():
        return Measured(**pickle.loads(place.read_bytes()))  # noqa: S301 (own file)
    rng = np.random.default_rng([2025, seed])
    truth = replace(StudyTruth.draw(rng), drift=DRIFT, film_std_um=FILM_STD_UM)
    tree, known = simulate_study(truth, rng=rng, spiked=SPIKED, spike_fraction=SPIKE)
    blank = simulate_study_blank(truth, rng=rng)
    scale = float(known["session_scale"])
    plate, _ = simulate_monitor(scale=scale, rng=rng, drift=DRIFT)
    plan = RefinementPlan(
        phases=tuple(
            Phase(structure=s, cell_uncertain=name == "NaTaCl6")
            for name, s in analyst_structures().items()
        ),
        instrument=device,
        film_thickness_um=FILM_UM,
        blank=blank,
    )
    patterns = {
        str(name): tree[f"/{name}/xrd"].to_dataset()
        for name in known[SAMPLE].to_numpy()
    }
    twin = {TWIN: patterns.pop(TWIN)}
    rutile = Phase(structure=library.load("rutile"))
    spiked = replace(
        plan,
        phases=(*plan.phases, rutile),
        internal_standard=InternalStandard(phase="rutile", weight_fraction=SPIKE),
    )
    results = refine_series(patterns, plan) | refine_series(twin, spiked)
    found = Measured(
        seed=seed,
        results=results,
        known=known.drop_vars([n for n in known if "two_theta" in known[n].dims]),
        blank=blank,
        plan=spiked,
        monitor=refine_plate(plate, plan),
    )
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        own = {f.name: getattr(found, f.name) for f in fields(found)}
        place.write_bytes(pickle.dumps(own))
    return found


def refine_plate(pattern: xr.Dataset, plan: RefinementPlan) -> Monitor:
    """Return the monitor: a plate of corundum without film."""
    structure = library.load("corundum")
    own = replace(
        plan, phases=(Phase(structure=structure),), blank=None, film_thickness_um=None
    )
    result = NativeEngine().refine(pattern, own)
    wavelength = plan.instrument.radiation.mean_wavelength
    return Monitor(
        phase="corundum",
        scale=float(result.parameters["scale"][0]),
        scale_std=float(result.parameters["scale_std"][0]),
        attenuation=mass_attenuation(dict(structure.atom_counts), wavelength),
    )


def facts_of(one: Measured, source: str) -> SeriesFacts:
    """Return what the analyst knows with one kind of reference."""
    phases = phase_facts(one.plan)
    formulas = {name: phase.structure.formula for name, phase in phases.items()}
    composition = weighed_composition(MIXTURE)
    samples = {}
    for name in one.results:
        unmilled = name == "unmilled" and source == "unmilled"
        samples[name] = SampleFacts(
            milling_time=float(one.known[MILLING_TIME].sel({SAMPLE: name})),
            role="unmilled" if name == "unmilled" else "milled",
            composition=composition,
            weighed=known_fractions(MIXTURE, formulas),
            known=known_fractions(MIXTURE, formulas) if unmilled else {},
            spike=InternalStandard(phase="rutile", weight_fraction=SPIKE)
            if name == TWIN
            else None,
        )
    absolute = source != "none"
    return SeriesFacts(
        phases=phases,
        samples=samples,
        plan=one.plan,
        wavelength=one.plan.instrument.radiation.mean_wavelength,
        film_thickness_um=FILM_UM,
        blank=one.blank if absolute else None,
        external=ExternalStandard(
            source=source if absolute else None,
            monitor=one.monitor if source == "monitor" else None,
            transfer_std=float(np.hypot(DRIFT, DRIFT))
            if source in ("spiked", "monitor")
            else DRIFT,
            film_thickness_std_um=FILM_STD_UM,
        ),
        calibrated=True,
    )


def read_one(
    seed: int, device: Instrument, keep: Path | None = None
) -> tuple[list[Outcome], dict[str, bool]]:
    """Return the outcomes of one series, and whether an absent phase was seen."""
    one = measure(seed, device, keep)
    outcomes = []
    for source in SOURCES:
        facts = facts_of(one, source)
        results = dict(one.results)
        if source == "none":
            results = {n: r for n, r in results.items() if n in MILLED}
        found = describe_contents(find_contents(results, facts), facts)
        for name in results:
            if name == TWIN:
                continue
            row = found.sel({SAMPLE: name})
            outcomes.append(
                Outcome(
                    source=source,
                    sample=name,
                    true=float(one.known["amorphous_fraction"].sel({SAMPLE: name})),
                    value=float(row["amorphous_fraction"]),
                    std=float(row["amorphous_fraction_std"]),
                    low=float(row["amorphous_fraction_low"]),
                    high=float(row["amorphous_fraction_high"]),
                )
            )
    return outcomes, false_alarms(one)


def false_alarms(one: Measured) -> dict[str, bool]:
    """Return for each absent phase and sample whether it was taken for present."""
    from refinement.crystallinity.scales import read_scales

    found = {}
    for name, result in one.results.items():
        scales = read_scales(
            result, tuple(facts.name for facts in phase_facts(one.plan).values())
        )
        if scales is None:
            continue
        known = one.known["weight_fraction"].sel({SAMPLE: name})
        for phase, seen in zip(scales.phases, scales.detected.tolist(), strict=True):
            if phase != "rutile" and float(known.sel(phase=phase)) == 0.0:
                found[f"{phase} in {name}"] = bool(seen)
    return found


def report_calibrated(outcomes: Sequence[Outcome]) -> Section:
    """Return bias and coverage with each kind of constant."""
    floors, rows = [], []
    for source in CALIBRATED:
        own = [o for o in outcomes if o.source == source and o.sample in MILLED]
        off = np.array([o.value - o.true for o in own])
        covered = float(np.mean([o.covered for o in own]))
        worst = max(
            abs(float(np.mean([o.value - o.true for o in own if o.sample == name])))
            for name in MILLED
        )
        floors += [
            Floor(
                what=f"{source}: |mean error|", value=abs(float(off.mean())), limit=BIAS
            ),
            Floor(
                what=f"{source}: largest |mean error| at one time",
                value=worst,
                limit=BIAS,
            ),
            Floor(
                what=f"{source}: truth within the 95 % limits",
                value=covered,
                limit=COVERED[0],
                at_least=True,
            ),
            Floor(what=f"{source}: the same, at most", value=covered, limit=COVERED[1]),
        ]
        for name in ("unmilled", *MILLED):
            part = [o for o in outcomes if o.source == source and o.sample == name]
            rows.append(_row(source, name, part))
    header = [
        "constant from",
        "sample",
        "mean error",
        "rms error",
        "mean 1 sigma",
        "covered",
    ]
    return Section(
        title="With a calibrated constant",
        floors=tuple(floors),
        body=(table(header, rows),),
    )


def _row(source: str, name: str, part: Sequence[Outcome]) -> list[str]:
    """Return one line of the table."""
    off = np.array([o.value - o.true for o in part])
    return [
        source,
        name,
        f"{off.mean():+.4f}",
        f"{np.sqrt(np.mean(off**2)):.4f}",
        f"{np.mean([o.std for o in part]):.4f}",
        f"{100.0 * np.mean([o.covered for o in part]):.1f} %",
    ]


def report_uncalibrated(outcomes: Sequence[Outcome]) -> Section:
    """Return how often the interval without any reference holds the truth."""
    own = [o for o in outcomes if o.source == "none"]
    inside = float(np.mean([o.covered for o in own]))
    rows = [
        [
            name,
            f"{100.0 * np.mean([o.covered for o in own if o.sample == name]):.1f} %",
            f"{np.mean([o.low for o in own if o.sample == name]):.3f}",
        ]
        for name in MILLED
    ]
    return Section(
        title="Without any reference",
        floors=(
            Floor(
                what="truth within the interval",
                value=inside,
                limit=INSIDE,
                at_least=True,
            ),
        ),
        body=(table(["sample", "covered", "mean lower end"], rows),),
    )


def report_alarms(alarms: Sequence[Mapping[str, bool]]) -> Section:
    """Return how often an absent phase was taken for present."""
    names = sorted({name for alarm in alarms for name in alarm})
    rates = {
        name: float(np.mean([alarm[name] for alarm in alarms if name in alarm]))
        for name in names
    }
    total = [seen for alarm in alarms for seen in alarm.values()]
    return Section(
        title="Absent phases taken for present",
        floors=(
            Floor(
                what="share of absent phases detected",
                value=float(np.mean(total)) if total else 0.0,
                limit=FALSE_ALARMS,
            ),
        ),
        body=(
            table(
                ["absent", "detected"],
                [[name, f"{100.0 * rate:.1f} %"] for name, rate in rates.items()],
            ),
        ),
    )


def report_speed(one: Measured) -> Section:
    """Return the time of all methods for a hundred samples."""
    facts = facts_of(one, "spiked")
    results = {f"{name}#{k}": one.results[name] for k in range(25) for name in MILLED}
    samples = {key: facts.samples[key.split("#")[0]] for key in results}
    both = results | {TWIN: one.results[TWIN], "unmilled": one.results["unmilled"]}
    many = replace(
        facts,
        samples=samples | {n: facts.samples[n] for n in (TWIN, "unmilled")},
    )
    spent = []
    for _ in range(5):
        begun = time.perf_counter()
        describe_contents(find_contents(both, many), many)
        spent.append(time.perf_counter() - begun)
    return Section(
        title="Speed",
        floors=(
            Floor(
                what="all methods, choice and verdict of 100 samples (median of 5)",
                value=float(np.median(spent)),
                limit=SECONDS,
                unit="s",
            ),
        ),
    )


def describe(count: int, minutes: float, *, kept: bool) -> str:
    """Return what was done, in words."""
    return (
        "# Absolute amorphous content, measured on simulated series\n\n"
        f"{count} series of six patterns (unmilled, {', '.join(MILLED)}, a twin of "
        f"{SPIKED} with {100 * SPIKE:.0f} wt% rutile), each another truth: rates, "
        "sizes, texture (March 0.9 to 1.1), B (0.2 square angstrom), particles of the "
        f"unmilled mixture (1 to 5 micrometre), film {FILM_UM:g}({FILM_STD_UM:g}) "
        f"micrometre, tube drift {100 * DRIFT:.0f} %, 2000 to 8000 counts at the "
        f"highest point. One plan, unattended. {minutes:.0f} min"
        f"{' (some refinements kept from before)' if kept else ''}. Errors are of the "
        "amorphous weight fraction.\n\n"
        "Written by `python -m benchmarks.crystallinity -o "
        "docs/crystallinity_measured.md`."
    )


if __name__ == "__main__":
    sys.exit(main())
