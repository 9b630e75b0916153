"""What a joint refinement gains and costs: ``python -m benchmarks.joint``.

Random series with a trace phase and known truth, fitted pattern by pattern, in two
passes, and together; a series with one pattern that does not belong; time against the
number of patterns.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.page import Floor, Section, machine, table
from refinement import JointResult, Shared, refine_jointly
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.options import NativeOptions
from refinement.plan import Phase, RefinementPlan
from refinement.result import RefinementResult
from structkit.schema import TWO_THETA, make_pattern
from structkit.structures import library
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.mixture import SyntheticPhase, simulate_mixture
from structkit.synthetic.scattering import Glass
from structkit.synthetic.xrd import shrink
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

Floats = NDArray[np.float64]
Random = np.random.Generator
Results = Mapping[str, RefinementResult]

INSTRUMENT = Instrument(
    radiation=tube("CuKa"),
    u=0.004,
    v=-0.003,
    w=0.004,
    axial_divergence=0.012,
    calibrated=True,
)
"""That of :class:`structkit.synthetic.lines.Optics`."""
POOL = ("NaCl", "Na2O", "corundum", "rutile", "zincite", "fluorite")
"""Three of them make a series; the last of the three is the trace phase."""
PATTERNS = 6
MOST_TRACE = 0.02
ABSENT = 0.25
"""Chance that the trace phase is absent from a pattern."""
CELL_OFF = 1e-3
GLASS = Glass(composition={"Na": 3.0, "Ta": 1.0, "O": 1.0, "Cl": 6.0})
MOST_GLASS = 0.4
SHIFTED = 3e-3
"""Relative change of a cell in the pattern that does not belong."""
STRANGER = 2
"""Position of that pattern."""
COUNTS = (25, 50, 100)
SECONDS_ASKED = 30.0
TIMED = ("NaTaCl6", "NaCl", "Na2O")
DISTINCT = 10
"""Different expectations among the timed patterns; each has its own noise."""
FRACTION = "weight_fraction_crystalline"
OPTIONS = NativeOptions(systematics=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A random series and what is true about it."""

    patterns: dict[str, xr.Dataset]
    plan: RefinementPlan
    truth: Floats
    """Fractions of the crystalline part, shape (n_patterns, 3); the trace last."""


def main(arguments: list[str] | None = None) -> int:
    """Run everything and print the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.joint")
    parser.add_argument("-n", "--series", type=int, default=20)
    parser.add_argument("-o", "--output", type=Path, help="also write this .md file")
    options = parser.parse_args(arguments)
    sections = [
        compare(options.series),
        disturb(max(options.series // 2, 1)),
        measure_time(),
    ]
    page = "\n\n".join(
        [describe(options.series), machine(), *(s.to_markdown() for s in sections)]
    )
    print(page)
    if options.output is not None:
        options.output.write_text(page + "\n", encoding="utf-8")
    return 0


def describe(count: int) -> str:
    """Return the head of the page."""
    return f"""# Joint refinement, measured

Written by `python -m benchmarks.joint -n {count} -o docs/joint_measured.md`.

{count} random series of {PATTERNS} patterns of `structkit.synthetic`, which shares no
profile or background code with the fitter: two main phases whose fractions and sizes
change along the series, a trace phase of 0 to {100.0 * MOST_TRACE:g} wt% (absent from a
quarter of the patterns) with one size and strain, up to {100.0 * MOST_GLASS:g} wt%
glass, cells up to {100.0 * CELL_OFF:g} % off, 2000 to 8000 counts, displacement."""


def draw_series(seed: int, *, stranger: bool = False) -> Series:
    """Return a random series, on request with a third pattern that does not belong."""
    rng = np.random.default_rng(seed)
    names = [str(name) for name in rng.permutation(POOL)[:3]]
    true = [
        shrink(library.load(n), float(rng.uniform(-CELL_OFF, CELL_OFF))) for n in names
    ]
    trace_size = float(np.exp(rng.uniform(np.log(8.0), np.log(40.0))))
    trace_strain = float(rng.uniform(3e-4, 2e-3))
    patterns, shares = {}, np.empty((PATTERNS, 3))
    for k in range(PATTERNS):
        progress = k / (PATTERNS - 1)
        trace = rng.uniform(0.0, MOST_TRACE) * (rng.uniform() > ABSENT)
        first = (1.0 - trace) * (0.7 - 0.4 * progress)
        shares[k] = first, 1.0 - trace - first, trace
        sizes = [60.0 * np.exp(-1.5 * progress), 40.0 * np.exp(-0.7 * progress)]
        crystallites = [
            (sizes[0], 5e-4 + 2e-3 * progress),
            (sizes[1], 5e-4 + 1e-3 * progress),
            (trace_size, trace_strain),
        ]
        glass = MOST_GLASS * progress
        own = list(true)
        if stranger and k == STRANGER:
            own[0] = shrink(own[0], SHIFTED)
        patterns[f"s{k}"] = draw_pattern(
            own,
            (1.0 - glass) * shares[k],
            crystallites,
            np.random.default_rng(
                (seed, k)
            ),  # a stranger leaves the others as they are
        )
    phases = tuple(Phase(structure=library.load(name)) for name in names)
    plan = RefinementPlan(phases=phases, instrument=INSTRUMENT)
    return Series(patterns=patterns, plan=plan, truth=shares)


def draw_pattern(
    structures: list[CrystalStructure],
    weights: Floats,
    crystallites: list[tuple[float, float]],
    rng: Random,
) -> xr.Dataset:
    """Return counts of one mixture; what the weights leave is glass."""
    phases = [
        SyntheticPhase(
            structure=structure,
            weight_fraction=float(weight),
            size_nm=float(size),
            microstrain=float(strain),
        )
        for structure, weight, (size, strain) in zip(
            structures, weights, crystallites, strict=True
        )
    ]
    pattern, _ = simulate_mixture(
        phases,
        glass=GLASS if weights.sum() < 1.0 - 1e-9 else None,
        displacement_mm=float(rng.uniform(-0.1, 0.1)),
        max_counts=float(np.exp(rng.uniform(np.log(2000.0), np.log(8000.0)))),
        rng=rng,
    )
    return pattern


def fit_each(series: Series) -> Results:
    """Return every pattern fitted cold, without its neighbours."""
    engine = NativeEngine(options=OPTIONS)
    return {n: engine.refine(p, series.plan) for n, p in series.patterns.items()}


def fit_two_pass(series: Series) -> Results:
    """Return the series in a warm chain with its second pass."""
    found = NativeEngine(options=OPTIONS).refine_series(
        list(series.patterns.values()), series.plan
    )
    return dict(zip(series.patterns, found, strict=True))


def fit_jointly(series: Series, shared: Shared) -> JointResult:
    """Return the series refined together."""
    return refine_jointly(series.patterns, series.plan, shared=shared, options=OPTIONS)


def ways() -> dict[str, Callable[[Series], Results]]:
    """Return the ways of refining a series, by name."""

    def joint(series: Series, widths: slice | None) -> Results:
        names = series.plan.phase_names
        own = () if widths is None else names[widths]
        return fit_jointly(series, Shared(cells=names, widths=own)).results

    return {
        "each pattern for itself": fit_each,
        "two passes": fit_two_pass,
        "joint: cells": lambda s: joint(s, None),
        "joint: cells and the trace phase's widths": lambda s: joint(s, slice(2, 3)),
        "joint: cells and all widths (wrong)": lambda s: joint(s, slice(0, 3)),
    }


@dataclass(slots=True, kw_only=True)
class Account:
    """Errors of one way, wt%."""

    errors: list[Floats]
    """Of each series, shape (n_patterns, 3)."""
    esds: list[Floats]
    """As stated, the same shape."""
    doubts: int = 0
    """Patterns that say they disagree."""

    def row(self) -> list[str]:
        """Return rms, bias, coverage of the trace; rms of the main phases."""
        error, esd = np.concatenate(self.errors), np.concatenate(self.esds)
        trace, sigma = error[:, 2], esd[:, 2]
        main = error[:, :2]
        inside = [float(np.mean(np.abs(trace) <= n * sigma)) for n in (1.0, 2.0)]
        return [
            f"{np.sqrt(np.mean(trace**2)):.3f}",
            f"{trace.mean():+.3f}",
            f"{np.sqrt(np.mean(sigma**2)):.3f}",
            f"{100.0 * inside[0]:.0f} %, {100.0 * inside[1]:.0f} %",
            f"{np.sqrt(np.mean(main**2)):.2f}",
            f"{self.doubts} of {trace.size}",
        ]


def compare(count: int) -> Section:
    """Return the errors of all ways on the same series."""
    accounts = {name: Account(errors=[], esds=[]) for name in ways()}
    for seed in range(count):
        series = draw_series(seed)
        for name, way in ways().items():
            results = list(way(series).values())
            found = np.array([r.parameters[FRACTION].to_numpy() for r in results])
            esd = np.array([r.parameters[f"{FRACTION}_std"] for r in results])
            accounts[name].errors.append(100.0 * (found - series.truth))
            accounts[name].esds.append(100.0 * esd)
            accounts[name].doubts += sum("disagrees" in r.reason for r in results)
    head = [
        "",
        "trace: rms error/wt%",
        "bias/wt%",
        "rms esd/wt%",
        "within 1, 2 esd",
        "main phases: rms error/wt%",
        "disagree",
    ]
    rows = [[name, *account.row()] for name, account in accounts.items()]
    text = (
        "Errors against the truth, in the crystalline part. *Disagree*: patterns that "
        "the verdict leaves out or flags; where cells are truly one, each is a false "
        "alarm, where all widths are shared, each is right."
    )
    return Section(title="Gain for a trace phase", body=(text, table(head, rows)))


def disturb(count: int) -> Section:
    """Return what happens with one pattern of another cell in each series."""
    found, alarms, absent, belonging = 0, 0, 0.0, 0.0
    name = f"s{STRANGER}"
    for seed in range(count):
        series = draw_series(seed)
        names = series.plan.phase_names
        shared = Shared(cells=names, widths=names[2:])
        rest = {n: p for n, p in series.patterns.items() if n != name}
        joint = fit_jointly(draw_series(seed, stranger=True), shared)
        without = fit_jointly(replace(series, patterns=rest), shared)
        flags = joint.agreement["disagrees"]
        found += int(flags.sel(sample=name))
        alarms += int(flags.drop_sel(sample=name).sum())
        absent = max(absent, _largest_change(joint, without))
        belonging = max(belonging, _largest_change(joint, fit_jointly(series, shared)))
    floors = (
        Floor(
            what="patterns of another cell that are found",
            value=100.0 * found / count,
            limit=100.0,
            unit="%",
            at_least=True,
        ),
        Floor(
            what="largest change of another pattern's fraction by its presence, esds",
            value=absent,
            limit=0.5,
        ),
    )
    text = (
        f"{count} of the series, in each of which the cell of the first phase is "
        f"{100.0 * SHIFTED:g} % smaller in the third pattern. Cells and the trace "
        f"phase's widths shared. False alarms: {alarms} of {count * (PATTERNS - 1)}. "
        "Changes are counted against the same series from which that pattern is "
        "absent. Against the series in which it has the right cell, the largest is "
        f"{belonging:.2f} esds: what it knew of the trace phase's width is lost."
    )
    return Section(
        title="One pattern that does not belong", floors=floors, body=(text,)
    )


def _largest_change(one: JointResult, other: JointResult) -> float:
    """Return the largest change of a fraction in esds, the stranger's left out."""
    changes = []
    for name in set(other.results) - {f"s{STRANGER}"}:
        here, there = one.results[name].parameters, other.results[name].parameters
        away = np.abs(here[FRACTION] - there[FRACTION]) / there[f"{FRACTION}_std"]
        changes.append(float(away.max()))
    return max(changes)


def timed_patterns(count: int) -> dict[str, xr.Dataset]:
    """Return patterns of NaTaCl6, NaCl and Na2O on 2334 points."""
    rng = np.random.default_rng(100)
    structures = [library.load(name) for name in TIMED]
    expected = []
    for k in range(DISTINCT):
        progress = k / (DISTINCT - 1)
        weights = np.array([0.7 - 0.5 * progress, 0.01, 0.29 + 0.5 * progress])
        sizes = [(60.0 * np.exp(-progress), 1e-3), (15.0, 1e-3), (30.0, 1e-3)]
        phases = [
            SyntheticPhase(
                structure=s, weight_fraction=float(w), size_nm=float(d), microstrain=e
            )
            for s, w, (d, e) in zip(structures, weights, sizes, strict=True)
        ]
        shift = float(rng.uniform(-0.1, 0.1))
        expected.append(simulate_mixture(phases, displacement_mm=shift)[0])
    made = {}
    for k in range(count):
        mean = expected[k * DISTINCT // count]
        counts = rng.poisson(mean["intensity"].to_numpy())
        made[f"s{k}"] = make_pattern(mean[TWO_THETA].to_numpy(), counts)
    return made


def measure_time() -> Section:
    """Return wall time against the number of patterns."""
    plan = RefinementPlan(
        phases=tuple(Phase(structure=library.load(name)) for name in TIMED),
        instrument=INSTRUMENT,
    )
    shared = Shared(cells=TIMED, widths=("NaCl",))
    patterns = timed_patterns(max(COUNTS))
    refine_jointly(  # compile and load
        dict(list(patterns.items())[:2]), plan, shared=shared, options=OPTIONS
    )
    rows, last, processor = [], 0.0, 0.0
    for count in COUNTS:
        step = max(COUNTS) // count
        some = dict(list(patterns.items())[::step])
        begun = time.perf_counter()
        NativeEngine().refine_series(list(some.values()), plan)
        two_pass = time.perf_counter() - begun
        begun, spent = time.perf_counter(), time.process_time()
        found = refine_jointly(some, plan, shared=shared)
        last = time.perf_counter() - begun
        processor = time.process_time() - spent
        points = next(iter(some.values())).sizes[TWO_THETA]
        doubts = int(found.agreement["disagrees"].sum())
        rows.append(
            [
                str(count),
                str(points),
                f"{two_pass:.1f}",
                f"{last:.1f}",
                f"{processor:.1f}",
                f"{1000.0 * processor / count:.0f}",
                str(doubts),
            ]
        )
    head = ["patterns", "points each", "two passes/s", "joint/s"]
    head += ["processor/s", "processor, ms a pattern"]
    floors = tuple(
        Floor(
            what=f"joint refinement of {max(COUNTS)} patterns, {kind}",
            value=value,
            limit=SECONDS_ASKED,
            unit="s",
        )
        for kind, value in (("wall time", last), ("processor time", processor))
    )
    text = (
        "NaTaCl6, NaCl (1 wt%) and Na2O; cells and NaCl's widths shared; own fits, "
        "joint fit, esds and systematic uncertainties included, one thread; wall time "
        "is more than processor time where the machine had other work."
    )
    return Section(
        title="Time", floors=floors, body=(text, table([*head, "disagree"], rows))
    )


if __name__ == "__main__":
    sys.exit(main())
