"""Engines side by side, simulated and measured: ``python -m benchmarks.engines``.

Needs a GSAS-II (``STRUCTKIT_GSAS2_PYTHON``, ``structkit engines``); rietx is taken
along where it is installed, the measured data where they lie beside the checkout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks import real_data
from benchmarks.page import Floor, Section, machine, table
from refinement import RefinementPlan, RefinementResult, refine_series
from refinement.comparison import Verdict, compare_engines
from refinement.engines import Engine
from refinement.engines.gsas2.calibrate import calibrate_structures
from refinement.engines.gsas2.engine import Gsas2Engine
from refinement.engines.native.engine import NativeEngine
from refinement.plan import Phase
from structkit.io.read import read_pattern
from structkit.pipeline.diffraction import prepare_series, read_xrd_series
from structkit.schema import ENGINE, SAMPLE
from structkit.store import read_tree
from structkit.structures import library
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.lines import Optics
from structkit.synthetic.mixture import SyntheticPhase, simulate_mixture
from structkit.synthetic.scattering import Glass
from structkit.synthetic.xrd import write_series
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

Floats = NDArray[np.float64]
Results = Mapping[str, RefinementResult]

SOLLER = 0.002
"""S/L of narrow Soller slits: axial divergence hardly shows."""
FIRST, LAST = np.array([0.80, 0.08, 0.12]), np.array([0.30, 0.45, 0.25])
"""Crystalline parts of the first and last of the eight patterns."""
NAMES = ("NaTaCl6", "NaCl", "Na2O")
GLASS = {"Na": 3.0, "Ta": 1.0, "O": 1.0, "Cl": 6.0}
LARGE_DIFFERENCE = 3.0
"""Difference of two engines (wt%) that has to be explained."""
CALIBRATED_RWP = {"10N": 10.8, "20N": 9.0}
STRONGEST = {"PbBr2": "15", "Cs4PbBr6": "180"}
"""Phases calibrated, and the minutes of the pattern where each is strong."""
WORKERS_RATIO = 0.65


@dataclass(slots=True)
class Bench:
    """What all sections share."""

    engines: dict[str, Engine]
    gsas2: Gsas2Engine
    kept: Path | None
    reuse: bool = False

    def kept_results(self, label: str, engine: str, names: Sequence[str]) -> Results:
        """Return kept results of a series; empty where one is missing."""
        if self.kept is None or not self.reuse:
            return {}
        paths = {name: self.kept / label / engine / f"{name}.nc" for name in names}
        if not all(path.is_file() for path in paths.values()):
            return {}
        return {
            name: RefinementResult.from_datatree(read_tree(path))
            for name, path in paths.items()
        }


def main(arguments: list[str] | None = None) -> int:
    """Run the sections; 1 where a floor is missed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines")
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--shared", type=Path, default=default)
    parser.add_argument("-o", "--output", type=Path, help="also write this .md file")
    parser.add_argument("--keep", type=Path, help="folder for results and their files")
    parser.add_argument(
        "--reuse", action="store_true", help="take results that --keep already has"
    )
    parser.add_argument("--only", nargs="*", choices=list(SECTIONS), default=None)
    options = parser.parse_args(arguments)
    gsas2 = Gsas2Engine()
    found = gsas2.describe()
    if not found.available:
        print(found.remedy, file=sys.stderr)
        return 2
    engines: dict[str, Engine] = {"native": NativeEngine(), "gsas2": gsas2}
    if find_spec("rietx") is not None:
        from refinement.engines.rietx import RietxEngine

        engines["rietx"] = RietxEngine()
    bench = Bench(engines, gsas2, options.keep, options.reuse)
    sections = []
    for name, section in SECTIONS.items():
        if options.only and name not in options.only:
            continue
        begun = time.perf_counter()
        sections += section(bench, options.shared / "xrd")
        print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    gsas2.close()
    described = ", ".join(f"{e.name} {e.describe().version}" for e in engines.values())
    head = INTRODUCTION.format(engines=described)
    head = head.replace(" Differences are to", "\nDifferences are to")
    page = "\n\n".join([head, machine(), *(s.to_markdown() for s in sections)])
    print(page)
    if options.output is not None:
        options.output.write_text(page + "\n", encoding="utf-8")
    return int(not all(floor.is_met for s in sections for floor in s.floors))


INTRODUCTION = """# Engines beside each other, in figures

Written by `python -m benchmarks.engines -o docs/engines_measured.md`; nothing in it was
typed by hand. What the engines are, how plans are translated and what their numbers
mean is in [engines.md](engines.md). Engines: {engines}. Differences are to native, in
combined esds where it says so; all engines fit the same counts, so that a difference
is one of modelling, not of counting."""


def refine_by(
    bench: Bench,
    engine: str,
    patterns: Mapping[str, xr.Dataset],
    plan: RefinementPlan,
    label: str,
) -> Results:
    """Refine a series by one engine; gsas2 with two workers, its files kept."""
    known = bench.kept_results(label, engine, list(patterns))
    if known:
        return known
    store = None if bench.kept is None else bench.kept / label / engine
    jobs = 2 if engine == "gsas2" else 1
    return refine_series(
        patterns,
        plan,
        engine=bench.engines[engine],
        store=store,
        resume=False,
        jobs=jobs,
    )


# 1. Eight simulated patterns ------------------------------------------------------


def simulate_eight(*, axial_divergence: float) -> tuple[dict[str, xr.Dataset], Floats]:
    """Return eight patterns of one series, and the true weight fractions.

    Three phases change places, crystallites shrink from 60 to 25 nm, up to 30 % glass
    appear, the sample's height varies; each with counting noise of its own.
    """
    rng = np.random.default_rng(20251)
    patterns, truth = {}, []
    for number in range(8):
        t = number / 7.0
        crystalline = (1.0 - t) * FIRST + t * LAST
        glass = 0.1 * (number // 2)
        phases = [
            SyntheticPhase(
                structure=library.load(name),
                weight_fraction=float((1.0 - glass) * share),
                size_nm=60.0 - 35.0 * t,
                microstrain=5e-4 * (1.0 + t),
            )
            for name, share in zip(NAMES, crystalline, strict=True)
        ]
        pattern, _ = simulate_mixture(
            phases,
            glass=Glass(composition=GLASS) if glass else None,
            optics=Optics(axial_divergence=axial_divergence),
            displacement_mm=0.05 * (-1.0) ** number,
            rng=rng,
        )
        patterns[f"S{number}"] = pattern
        truth.append(crystalline)
    return patterns, np.array(truth)


def instrument_of(optics: Optics) -> Instrument:
    """Return the instrument of the simulation, its lines' own widths in Y."""
    width = optics.natural_widths[0] / optics.wavelength
    return Instrument(
        radiation=tube("CuKa"),
        u=optics.u,
        v=optics.v,
        w=optics.w,
        y=float(np.degrees(2.0 * width)),
        axial_divergence=optics.axial_divergence,
        calibrated=True,
    )


def report_eight(bench: Bench, _folder: Path) -> list[Section]:
    """Refine the eight patterns by every engine."""
    patterns, truth = simulate_eight(axial_divergence=SOLLER)
    instrument = instrument_of(Optics(axial_divergence=SOLLER))
    plan = RefinementPlan(
        phases=tuple(Phase(structure=library.load(name)) for name in NAMES),
        instrument=instrument,
    )
    results = {
        name: refine_by(bench, name, patterns, plan, "eight") for name in bench.engines
    }
    compared = compare_engines(results)
    floors = [
        Floor(
            what=f"patterns in which {name} agrees with native",
            value=count_agreeing(compared, name),
            limit=8,
            unit="of 8",
            at_least=True,
        )
        for name in list(bench.engines)[1:]
    ]
    rows = [accuracy_row(name, found, truth) for name, found in results.items()]
    head = ["engine", "mean error/wt%", "largest", "error/esd, rms", "mean Rwp/%"]
    head += ["median seconds"]
    return [
        Section(
            title="1. Eight simulated patterns",
            floors=tuple(floors),
            body=(EIGHT_TEXT, table(head, rows), difference_table(compared)),
        )
    ]


EIGHT_TEXT = """NaTaCl6, NaCl and Na2O, 60 to 25 nm, up to 30 % glass, simulated by
`structkit.synthetic` (profile and background code of its own) with narrow Soller slits
(S/L 0.002). Agreement: every weight fraction within 0.5 wt% or 2 combined esds, every
cell of a detected phase within 50 ppm or 2 combined esds."""


def scalars(results: Results, name: str) -> Floats:
    """Return one number of each result, NaN where it failed."""
    return np.array([float(r.parameters.get(name, np.nan)) for r in results.values()])


def columns(results: Results, name: str, size: int) -> Floats:
    """Return one variable over sample and phase, NaN where a pattern failed."""
    nothing = xr.DataArray(np.full(size, np.nan))
    return np.array(
        [r.parameters.get(name, nothing).to_numpy() for r in results.values()]
    )


def count_agreeing(compared: xr.Dataset, engine: str) -> int:
    verdicts = compared["verdict"].sel({ENGINE: engine}).to_numpy()
    return int(np.sum(verdicts == Verdict.AGREE.value))


def accuracy_row(engine: str, results: Results, truth: Floats) -> list[str]:
    """Return errors against the truth, and time."""
    size = truth.shape[1]
    found = columns(results, real_data.FRACTION, size)
    esd = columns(results, f"{real_data.FRACTION}_std", size)
    error = 100.0 * (found - truth)
    ratio = (found - truth) / esd
    return [
        engine,
        f"{np.nanmean(np.abs(error)):.2f}",
        f"{np.nanmax(np.abs(error)):.2f}",
        f"{np.sqrt(np.nanmean(ratio**2)):.2f}",
        f"{100.0 * np.nanmean(scalars(results, 'r_wp')):.2f}",
        f"{np.nanmedian(scalars(results, 'seconds')):.2f}",
    ]


def difference_table(compared: xr.Dataset) -> str:
    """Return the largest differences to native for each pattern and engine."""
    rows = []
    for engine in compared[ENGINE].to_numpy()[1:]:
        for sample in compared[SAMPLE].to_numpy():
            row = compared.sel({ENGINE: engine, SAMPLE: sample})
            axes = [row[f"cell_{key}_difference_ppm"] for key in "abc"]
            esds = [row[f"cell_{key}_difference_in_esd"] for key in "abc"]
            rows.append(
                [
                    str(engine),
                    str(sample),
                    largest(100.0 * row["weight_fraction_difference"], "{:.2f}"),
                    largest(row["weight_fraction_difference_in_esd"], "{:.1f}"),
                    largest(axes[0], "{:.0f}", *axes[1:]),
                    largest(esds[0], "{:.1f}", *esds[1:]),
                    f"{float(row['r_wp_percent']):.2f}",
                    str(row["status"].item()),
                    str(row["verdict"].item()),
                ]
            )
    head = ["engine", "sample", "largest difference/wt%", "in esds", "cell/ppm"]
    head += ["in esds", "Rwp/%", "status", "verdict"]
    return table(head, rows)


def largest(first: xr.DataArray, form: str, *others: xr.DataArray) -> str:
    values = np.concatenate([np.abs(a.to_numpy()).ravel() for a in (first, *others)])
    values = values[np.isfinite(values)]
    return form.format(values.max()) if values.size else "-"


# 2. Axial divergence ---------------------------------------------------------------


def report_axial(bench: Bench, _folder: Path) -> list[Section]:
    """Show what wide axial divergence does to GSAS-II's lines, and to a series."""
    widths = (0.02, 0.06, 0.12, 0.25)
    angles = (12.0, 20.0, 40.0)
    rows = []
    for sh_l in (0.004, 0.012, 0.024):
        for angle in angles:
            errors = [axial_error(bench.gsas2, angle, sh_l, width) for width in widths]
            rows.append([f"{sh_l:g}", f"{angle:g}", *(f"{e:+.4f}" for e in errors)])
    head = ["S/L + H/L", "2θ/°", *(f"Lorentzian FWHM {w:g}°" for w in widths)]
    with tempfile.TemporaryDirectory() as made:
        series, xrd = read_xrd_series(write_series(Path(made)))
        work = prepare_series(series, xrd)
    results = {
        name: refine_by(bench, name, work.patterns, work.plan, "demo")
        for name in ("native", "gsas2")
    }
    compared = compare_engines(results)
    return [
        Section(
            title="2. Wide axial divergence and broad lines",
            body=(AXIAL_TEXT, table(head, rows), DEMO_TEXT, difference_table(compared)),
        )
    ]


AXIAL_TEXT = """GSAS-II integrates over axial divergence with a number of points that
grows with the divergence and falls with the Lorentzian width of a line, down to one.
The centroid of its own line shape then lies too low; below is by how much (degree),
against the mean of the Finger-Cox-Jephcoat distribution, -(S/L + H/L)^2 cot(2θ) / 12.
With narrow Soller slits it does not matter."""
DEMO_TEXT = """The series of `structkit demo` (S/L 0.012, glass up to 94 %): the cells
of gsas2 differ for that reason, its displacement takes up the rest; late samples hold
phases of a few per cent with lines of one or two degrees, which an engine without
priors cannot separate from the halo."""


def axial_error(engine: Gsas2Engine, angle: float, sh_l: float, width: float) -> float:
    """Return GSAS-II's error of a line's centroid, degree."""
    grid = np.arange(angle - 5.0, angle + 5.0, 0.002)
    shapes = []
    for divergence in (sh_l, 0.002):
        request = {
            "two_theta": grid.tolist(),
            "position": angle,
            "variance": 7.0,
            "gamma": 100.0 * width,
            "sh_l": divergence,
        }
        answer = engine.workers_pool().run(
            lambda worker, r=request: worker.ask("line", 60.0, **r)
        )
        shapes.append(np.array(answer["intensity"]))
    moved = float(np.sum((shapes[0] - shapes[1]) * grid) / np.sum(shapes[0]))
    cotangent = 1.0 / np.tan(np.radians(angle))
    exact = -np.degrees((sh_l**2 - 0.002**2) / 12.0 * cotangent)
    return moved - float(exact)


# 3. A milling series ----------------------------------------------------------------


def report_milling(bench: Bench, folder: Path) -> list[Section]:
    """Refine both forces by both engines, structures as published and calibrated."""
    folder = folder / "milling_csbr_pbbr2"
    if not folder.is_dir():
        return []
    plan = real_data.milling_plan(folder, "harmonics")
    rows, floors, tables = [], [], []
    for force, limit in CALIBRATED_RWP.items():
        patterns = real_data.milling_patterns(folder, force)
        for label in ("as published", "calibrated"):
            name = f"{force} {label}"
            used = plan
            if label == "calibrated" and not all(
                bench.kept_results(name, engine, list(patterns))
                for engine in ("native", "gsas2")
            ):
                used = calibrate_milling(bench, patterns, plan)
            results = {
                engine: refine_by(bench, engine, patterns, used, name)
                for engine in ("native", "gsas2")
            }
            compared = compare_engines(results)
            rows += [milling_row(f"{force}, {label}", n, r) for n, r in results.items()]
            tables.append(
                f"**{force}, structures {label}**\n\n{side_by_side(compared)}"
            )
            tables += explain_differences(compared, results["gsas2"])
        value = 100.0 * float(np.mean(scalars(results["native"], "r_wp")))
        floors.append(
            Floor(
                what=f"mean Rwp of native, {force}, calibrated structures",
                value=value,
                limit=limit,
                unit="%",
            )
        )
    head = ["series", "engine", "mean Rwp/%", "largest", "median seconds", "status"]
    return [
        Section(
            title="3. CsBr + PbBr2, milled: 16 patterns",
            floors=tuple(floors),
            body=(MILLING_TEXT, table(head, rows), *tables),
        )
    ]


MILLING_TEXT = """One plan for all, as in [real_data.md](real_data.md). Calibrated:
cell, coordinates and U of PbBr2 refined by gsas2 on the 15-minute pattern of each
force, of Cs4PbBr6 on the 180-minute one (`structkit calibrate-structure`), then held by
both engines. The patterns are smoothed: esds and GOF are not reliable. Differences
above 3 wt% are in bold; below the table stands what gsas2 noted of such a pattern."""


def explain_differences(compared: xr.Dataset, results: Results) -> list[str]:
    """Return what gsas2 noted of patterns with a large difference."""
    gaps = 100.0 * np.abs(compared["weight_fraction_difference"].sel({ENGINE: "gsas2"}))
    return [
        f"{name} min, gsas2: {results[str(name)].recipe['notes'] or 'nothing noted'}."
        for name in compared[SAMPLE].to_numpy()
        if float(gaps.sel({SAMPLE: name}).max()) > LARGE_DIFFERENCE
    ]


def calibrate_milling(
    bench: Bench, patterns: Mapping[str, xr.Dataset], plan: RefinementPlan
) -> RefinementPlan:
    """Return the plan with two structures calibrated, each on one pattern."""
    found: dict[str, CrystalStructure] = {}

    def calibrate(item: tuple[str, str]) -> dict[str, CrystalStructure]:
        phase, minutes = item
        return calibrate_structures(
            patterns[minutes], plan, [phase], engine=bench.gsas2
        ).structures

    with ThreadPoolExecutor(2) as threads:
        for structures in threads.map(calibrate, STRONGEST.items()):
            found |= structures
    phases = tuple(
        replace(phase, structure=found.get(phase.name, phase.structure))
        for phase in plan.phases
    )
    return replace(plan, phases=phases)


def milling_row(series: str, engine: str, results: Results) -> list[str]:
    r_wp = 100.0 * scalars(results, "r_wp")
    status = [result.status.value for result in results.values()]
    return [
        series,
        engine,
        f"{np.mean(r_wp):.2f}",
        f"{np.max(r_wp):.2f}",
        f"{np.median(scalars(results, 'seconds')):.1f}",
        ", ".join(f"{status.count(s)} {s}" for s in dict.fromkeys(status)),
    ]


def side_by_side(compared: xr.Dataset) -> str:
    """Return weight fractions of both engines, large differences in bold."""
    rows = []
    for sample in compared[SAMPLE].to_numpy():
        own, other = (
            compared.sel({ENGINE: e, SAMPLE: sample}) for e in ("native", "gsas2")
        )
        cells = []
        for first, second in zip(
            100.0 * own[real_data.FRACTION].to_numpy(),
            100.0 * other[real_data.FRACTION].to_numpy(),
            strict=True,
        ):
            text = f"{first:.1f} / {second:.1f}"
            cells.append(
                f"**{text}**" if abs(second - first) > LARGE_DIFFERENCE else text
            )
        r_wp = f"{float(own['r_wp_percent']):.2f} / {float(other['r_wp_percent']):.2f}"
        rows.append([str(sample), *cells, r_wp, str(other["status"].item())])
    names = [str(name) for name in compared["phase"].to_numpy()]
    return table(
        ["min", *(f"{n} native / gsas2" for n in names), "Rwp/%", "gsas2"], rows
    )


# 4. Weighed mixtures ------------------------------------------------------------------


def report_mixtures(bench: Bench, folder: Path) -> list[Section]:
    """Refine the round robin's mixtures by every engine."""
    folder = folder / "cpd"
    if not folder.is_dir():
        return []
    instrument = real_data.calibrate_cpd(folder)
    plan = real_data.cpd_plan(instrument)
    names = real_data.WEIGHED
    patterns = {n: read_pattern(folder / f"cpd-{n}.prn") for n in names}
    weighed = np.array(list(names.values())) / 100.0
    results = {
        name: refine_by(bench, name, patterns, plan, "cpd") for name in bench.engines
    }
    rows = [accuracy_row(name, found, weighed) for name, found in results.items()]
    head = ["engine", "mean error/wt%", "largest", "error/esd, rms", "mean Rwp/%"]
    head += ["median seconds"]
    compared = compare_engines(results)
    return [
        Section(
            title="4. Weighed mixtures of the IUCr round robin: 1a-1d, 1f",
            body=(CPD_TEXT, table(head, rows), difference_table(compared)),
        )
    ]


CPD_TEXT = """One plan without particle size, instrument calibrated by native on the
three pure patterns, zincite with March-Dollase about [001]. The errors are systematic
(microabsorption), so that esds alone cannot cover them."""


# 5. Two workers --------------------------------------------------------------------


def report_workers(bench: Bench, _folder: Path) -> list[Section]:
    """Time two series of four patterns with one worker, and with two."""
    patterns, _ = simulate_eight(axial_divergence=SOLLER)
    plan = RefinementPlan(
        phases=tuple(Phase(structure=library.load(name)) for name in NAMES),
        instrument=instrument_of(Optics(axial_divergence=SOLLER)),
    )
    names = list(patterns)
    halves = [{n: patterns[n] for n in part} for part in (names[:4], names[4:])]
    seconds = {}
    for workers in (1, 2):
        engine = Gsas2Engine(python=bench.gsas2.python, workers=workers)
        warm_up(engine, patterns["S0"], plan, workers)
        begun = time.perf_counter()
        with ThreadPoolExecutor(2) as threads:
            list(
                threads.map(
                    lambda h, e=engine: refine_series(h, plan, engine=e), halves
                )
            )
        seconds[workers] = time.perf_counter() - begun
        engine.close()
    ratio = seconds[2] / seconds[1]
    floor = Floor(
        what="two series of four patterns, two workers over one",
        value=ratio,
        limit=WORKERS_RATIO,
    )
    text = (
        f"One worker {seconds[1]:.0f} s, two workers {seconds[2]:.0f} s, workers warm."
    )
    return [Section(title="5. Workers side by side", floors=(floor,), body=(text,))]


def warm_up(
    engine: Gsas2Engine, pattern: xr.Dataset, plan: RefinementPlan, workers: int
) -> None:
    """Start the workers before the clock, and let native compile."""
    NativeEngine().refine(pattern, plan)
    barrier = threading.Barrier(workers)

    def meet(_worker: object) -> int:
        return barrier.wait(120.0)

    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(lambda _: engine.workers_pool().run(meet), range(workers)))


SECTIONS = {
    "eight": report_eight,
    "axial": report_axial,
    "milling": report_milling,
    "mixtures": report_mixtures,
    "workers": report_workers,
}


if __name__ == "__main__":
    sys.exit(main())
