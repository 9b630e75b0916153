"""False alarms and detection limits, simulated: ``python -m benchmarks.detection``.

Powders that hold a phase, or hold none of it, are drawn by ``structkit.synthetic`` and
refined by the native engine. How often is an absent phase called present, and at which
content is a present one found in half and in 95 of 100 repeats?
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import binom, norm

from benchmarks.page import Floor, Section, machine, table
from refinement.crystallinity.detection import is_detected
from refinement.crystallinity.presence import ALPHA, presence
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.options import NativeOptions
from refinement.plan import Phase, RefinementPlan
from structkit.schema import TWO_THETA
from structkit.structures import library
from structkit.synthetic.mixture import SyntheticPhase, simulate_mixture
from structkit.synthetic.scattering import Glass
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

Floats = NDArray[np.float64]

HOSTS = ("NaCl", "corundum")
"""Phases that are always there, in equal shares of what is crystalline."""
TARGETS = ("rutile", "NaTaCl6")
"""Phases that are looked for, one at a time."""
SIZES = (60.0, 8.0)
"""Crystallite sizes of the target, nm."""
GLASS = {"none": 0.0, "strong": 0.8}
"""Weight fraction of glass in the sample, by the halo that it gives."""
CURRIE = 0.05
"""Chance of a false call that Currie's critical level stands for."""
LADDER = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.6)
"""Contents tried, over the stated detection limit."""
SHARE_OF_REPEATS = 4
"""Repeats at each content: one in so many of those without the phase."""
DISPLACEMENT_MM = 0.05
COUNTS = 6000.0


UNDER_A_HALO = """Under the strong halo the stated limit is a bound. No sum of the
Gaussians has quite the shape of this halo: GOF is 1.4, locally 2.5, and moving the
Gaussians by half their spacing moves the scale of 8 nm rutile by 1.8 wt%, with as good
a fit. Both inflate the limit, and both are the same in every repeat, so that repeats
scatter less than it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is looked for, and under what."""

    target: str
    size_nm: float
    halo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one pattern said about the target."""

    p_fitted: float
    """p with lines as fitted."""
    p_assumed: float
    """p with lines of the true size."""
    engine: bool
    """``is_detected``: the engine's own scale, esd and limit."""
    critical: float
    """Critical level at the true size, weight fraction of the sample."""
    limit: float
    """Detection limit at the true size, weight fraction of the sample."""


def main(arguments: list[str] | None = None) -> int:
    """Run all cases and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection")
    parser.add_argument("-n", "--repeats", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, help="also write this .md file")
    options = parser.parse_args(arguments)
    page = make_page(options.repeats, options.jobs)
    print(page)
    if options.output is not None:
        options.output.write_text(page + "\n", encoding="utf-8")
    return 0


def make_page(repeats: int, jobs: int) -> str:
    """Return the whole page."""
    cases = [
        Case(target=t, size_nm=s, halo=h) for t in TARGETS for h in GLASS for s in SIZES
    ]
    empty = {
        case: run(case, 0.0, repeats, jobs, seed=k) for k, case in enumerate(cases)
    }
    ladders = {}
    for number, case in enumerate(cases):
        stated = float(np.mean([call.limit for call in empty[case]]))
        contents = [stated * step for step in LADDER]
        few = max(repeats // SHARE_OF_REPEATS, 2)
        ladders[case] = [
            (w, run(case, w, few, jobs, seed=1000 * (number + 1) + k))
            for k, w in enumerate(contents)
        ]
    sections = [report_false(empty), report_limits(empty, ladders)]
    head = HEAD.format(repeats=repeats, few=max(repeats // SHARE_OF_REPEATS, 2))
    return "\n\n".join([head, machine(), *(s.to_markdown() for s in sections)])


HEAD = f"""# Detection: false alarms and limits

Written by
`python -m benchmarks.detection -n {{repeats}} -o docs/detection_measured.md`.

{{repeats}} noise realisations for each case, refined by `native` with the target in
the plan; {{few}} more at each of {len(LADDER)} contents. Patterns:
`structkit.synthetic` (Voigt sums, absolute halo, air, Compton), {" and ".join(HOSTS)}
in equal shares, {COUNTS:g} counts at the highest point, 10 to 80 by 0.03 degree; a
strong halo is {100 * GLASS["strong"]:g} wt% of Ta-Cl glass. Contents are weight
fractions of the sample.

*As fitted*: lines of the shape that the refinement ended with. *Assumed*: lines of the
true size, no shape fitted. The rule of `presence` is p < {ALPHA:g} by the
half-chi-square mixture, p of the scale over its inflated uncertainty without the
phase."""


def expected(target: str, content: float, size_nm: float, halo: str) -> xr.Dataset:
    """Return the expected pattern of a powder; its attrs hold the hosts' share."""
    glass = GLASS[halo]
    crystalline = 1.0 - glass - content
    phases = [
        SyntheticPhase(
            structure=library.load(name),
            weight_fraction=crystalline / len(HOSTS),
            size_nm=80.0,
        )
        for name in HOSTS
    ]
    if content > 0.0:
        phases.append(
            SyntheticPhase(
                structure=library.load(target), weight_fraction=content, size_nm=size_nm
            )
        )
    pattern, _ = simulate_mixture(
        phases,
        glass=Glass(composition={"Na": 1.0, "Ta": 1.0, "Cl": 6.0}) if glass else None,
        displacement_mm=DISPLACEMENT_MM,
        max_counts=COUNTS,
    )
    return pattern.assign_attrs(host_share=crystalline / len(HOSTS))


def plan_for(target: str) -> RefinementPlan:
    """Return the plan of a user who looks for the target."""
    return RefinementPlan(
        phases=tuple(Phase(structure=library.load(n)) for n in (*HOSTS, target)),
        instrument=Instrument(
            radiation=tube("CuKa"),
            u=0.004,
            v=-0.003,
            w=0.004,
            axial_divergence=0.012,
            calibrated=True,
        ),
    )


def run(
    case: Case, content: float, repeats: int, jobs: int, *, seed: int
) -> list[Call]:
    """Draw, refine and judge a powder again and again."""
    seeds = np.random.SeedSequence(seed).spawn(repeats)
    parts = Parallel(n_jobs=jobs)(
        delayed(judge_all)(case, content, seeds[k::jobs]) for k in range(jobs)
    )
    return [call for part in parts for call in part]


def judge_all(
    case: Case, content: float, seeds: Sequence[np.random.SeedSequence]
) -> list[Call]:
    """Judge one powder with several draws of its counts."""
    clean = expected(case.target, content, case.size_nm, case.halo)
    plan = plan_for(case.target)
    engine = NativeEngine(options=NativeOptions(systematics=False))
    return [judge(case, clean, plan, engine, seed) for seed in seeds]


def judge(
    case: Case,
    clean: xr.Dataset,
    plan: RefinementPlan,
    engine: NativeEngine,
    seed: np.random.SeedSequence,
) -> Call:
    """Draw counts, refine them, and ask for the target."""
    counts = np.random.default_rng(seed).poisson(clean["intensity"].to_numpy())
    pattern = clean.copy()
    pattern["intensity"] = (TWO_THETA, counts.astype(float), clean["intensity"].attrs)
    result = engine.refine(pattern, plan)
    widths = {case.target: case.size_nm}
    at = {"phase": case.target}
    assumed = presence(result, plan, widths=widths).sel(at)
    fitted = presence(result, plan).sel(at)
    scale = float(result.parameters["scale"].sel(phase=HOSTS[0]))
    weight = float(clean.attrs["host_share"]) / scale
    return Call(
        p_fitted=float(fitted["p_value"]),
        p_assumed=float(assumed["p_value"]),
        engine=bool(is_detected(result.parameters).sel(at)),
        critical=weight * float(assumed["scale_critical_level"]),
        limit=weight * float(assumed["scale_detection_limit"]),
    )


def report_false(empty: dict[Case, list[Call]]) -> Section:
    """Return how often an absent phase was called present."""
    rows, worst = [], 0.0
    for case, calls in empty.items():
        fitted = np.array([call.p_fitted for call in calls])
        assumed = np.array([call.p_assumed for call in calls])
        shares = [
            float(np.mean(found))
            for found in (
                assumed < CURRIE,
                assumed < ALPHA,
                fitted < CURRIE,
                fitted < ALPHA,
                [call.engine for call in calls],
            )
        ]
        worst = max(worst, shares[1], shares[3])
        rows.append([*_names(case), *(f"{100.0 * share:.1f}" for share in shares)])
    repeats = len(next(iter(empty.values())))
    chance = 100.0 * float(binom.ppf(0.95, repeats, CURRIE)) / repeats
    head = ["target", "halo", "assumed size/nm", f"assumed, p < {CURRIE:g}"]
    head += [f"assumed, p < {ALPHA:g}", f"as fitted, p < {CURRIE:g}"]
    head += [f"as fitted, p < {ALPHA:g}", "`is_detected`"]
    floor = Floor(
        what=f"absent phase called present, worst case, p < {ALPHA:g}",
        value=100.0 * worst,
        limit=5.0,
        unit="%",
    )
    return Section(
        title="An absent phase called present, % of patterns",
        floors=(floor,),
        body=(
            table(head, rows),
            f"A true rate of 5 % gives up to {chance:.1f} % in {repeats} patterns "
            "(19 of 20 times).",
        ),
    )


def report_limits(
    empty: dict[Case, list[Call]], ladders: dict[Case, list[tuple[float, list[Call]]]]
) -> Section:
    """Return stated limits beside the contents that were found."""
    rows, ratios = [], []
    for case, ladder in ladders.items():
        stated = float(np.mean([call.limit for call in empty[case]]))
        critical = float(np.mean([call.critical for call in empty[case]]))
        half, most = find_contents(
            ladder, [[call.p_assumed < CURRIE for call in calls] for _, calls in ladder]
        )
        _, rule = find_contents(
            ladder, [[call.p_fitted < ALPHA for call in calls] for _, calls in ladder]
        )
        ratios.append(stated / most)
        figures = [100.0 * x for x in (critical, half, stated, most, rule)]
        rows.append(
            [*_names(case), *(f"{x:.3f}" for x in figures), f"{stated / most:.2f}"]
        )
    head = ["target", "halo", "size/nm", "stated L_C", "found in 50 %"]
    head += ["stated L_D", "found in 95 %", "the rule, in 95 %", "L_D stated/found"]
    worst = max(max(r, 1.0 / r) for r in ratios)
    floor = Floor(what="stated over found L_D, worst factor", value=worst, limit=1.5)
    return Section(
        title="Detection limits, wt% of the sample",
        floors=(floor,),
        body=(
            table(head, rows),
            f"*Found*: contents at which a cumulative normal through the shares of "
            f"patterns with p < {CURRIE:g} (lines of the true size) reaches 50 and "
            f"95 %. *The rule*: the same for p < {ALPHA:g}, lines as fitted.",
            UNDER_A_HALO,
        ),
    )


def find_contents(
    ladder: Sequence[tuple[float, list[Call]]], found: Sequence[Sequence[bool]]
) -> tuple[float, float]:
    """Return the contents found in 50 and in 95 % of repeats, by a probit fit."""
    contents = np.array([content for content, _ in ladder])
    unit = float(contents.max())
    hits = np.array([sum(one) for one in found], dtype=float)
    tries = np.array([len(one) for one in found], dtype=float)

    def minus_log_likelihood(parameters: Floats) -> float:
        middle, spread = np.exp(parameters)
        p = np.clip(norm.cdf((contents / unit - middle) / spread), 1e-9, 1.0 - 1e-9)
        return -float(np.sum(hits * np.log(p) + (tries - hits) * np.log1p(-p)))

    best = minimize(minus_log_likelihood, np.log([0.4, 0.2]), method="Nelder-Mead")
    middle, spread = np.exp(best.x)
    return unit * float(middle), unit * float(middle + norm.ppf(0.95) * spread)


def _names(case: Case) -> list[str]:
    return [case.target, case.halo, f"{case.size_nm:g}"]


if __name__ == "__main__":
    sys.exit(main())
