"""Random milling series with known truth: ``python -m benchmarks.robustness``.

How often does the engine, left alone, give a wrong fraction, and does it say so? Every
series is hard on purpose: rough cells, absent phases, a product of 5 nm, strong halos.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from joblib import Parallel, delayed
from numpy.typing import NDArray

from benchmarks.page import machine, table
from refinement import RefinementPlan, refine_series
from refinement.plan import Phase
from structkit.errors import PlanError
from structkit.pipeline.diffraction import run_refinement
from structkit.store import read_dataset
from structkit.structures import library
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.xrd import write_series
from structkit.xrd.background import Halo
from structkit.xrd.simulate import (
    LABORATORY,
    SimulatedPhase,
    Surroundings,
    simulate_pattern,
)

Floats = NDArray[np.float64]
Random = np.random.Generator

PATTERNS = 5
PHASES = ("NaTaCl6", "NaCl", "Na2O", "corundum", "rutile", "zincite", "fluorite")
"""Three of them make a series; the last of the three is the product."""
CELL_OFF = (0.005, 0.015)
PRODUCT_SIZE = 50.0
STRONGEST_HALO = 3.0
ABSENT = 0.25
WRONG = 3.0
"""Error of a weight fraction that counts as wrong, wt%."""
HARD_SIGMAS = 4.0
"""Esds beyond which a wrong fraction also claims to be right."""
SPIKE = 0.15
"""Corundum in the spiked series."""
FRACTION = "weight_fraction_crystalline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One pattern: how far off it is and what it said."""

    name: str
    """Seed of the series, position, and what is in the pattern."""
    error: float
    """Largest error of a weight fraction, wt%."""
    sigmas: float
    """Largest error in esds among the wrong fractions; 0 where none is wrong."""
    totals: float
    """The same in esd and systematic half-range together."""
    halo: float
    """Height of the halo over the Bragg maximum."""
    has_product: bool
    """Whether the 5 nm product is in the pattern."""
    status: str
    """What the fit says of itself."""
    relative_gof: float
    """GOF over the median of its series."""


def main(arguments: list[str] | None = None) -> int:
    """Run the series and print the shares of failures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness")
    parser.add_argument("-n", "--series", type=int, default=40)
    parser.add_argument("--full", action="store_true", help="200 series")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, help="also write this .md file")
    options = parser.parse_args(arguments)
    count = 200 if options.full else options.series
    begun = time.perf_counter()
    parts = Parallel(n_jobs=options.jobs)(
        delayed(run_series)(seed) for seed in range(count)
    )
    seconds = (time.perf_counter() - begun) / (count * PATTERNS)
    outcomes = [outcome for part in parts for outcome in part]
    body = [summarize(outcomes), list_worst(outcomes), report_spiked()]
    page = "\n\n".join([describe(count, seconds), machine(), *body])
    print(page)
    if options.output is not None:
        options.output.write_text(page + "\n", encoding="utf-8")
    return 0


def run_series(seed: int) -> list[Outcome]:
    """Simulate and refine one series."""
    rng = np.random.default_rng(seed)
    structures = [library.load(n) for n in rng.permutation(PHASES)[:3]]
    true = [off_cell(structure, rng) for structure in structures]
    shares = draw_shares(rng)
    halos = rng.uniform(0.0, STRONGEST_HALO, PATTERNS)
    patterns = {
        str(k): draw_pattern(true, shares[k], float(halos[k]), k, rng)
        for k in range(PATTERNS)
    }
    plan = RefinementPlan(
        phases=tuple(Phase(structure=s, cell_uncertain=True) for s in structures),
        instrument=replace(LABORATORY, calibrated=True),
    )
    results = refine_series(patterns, plan)
    gof = np.array([float(r.parameters["gof"]) for r in results.values()])
    outcomes = []
    for k, result in enumerate(results.values()):
        found = result.parameters
        error = 100.0 * np.abs(found[FRACTION].to_numpy() - shares[k])
        esd = 100.0 * found[f"{FRACTION}_std"].to_numpy()
        systematic = 100.0 * found[f"{FRACTION}_systematic"].to_numpy()
        wrong = error > WRONG
        outcomes.append(
            Outcome(
                name=name_pattern(seed, k, structures, shares[k]),
                error=float(error.max()),
                sigmas=_largest(error, esd, wrong),
                totals=_largest(error, np.hypot(esd, systematic), wrong),
                halo=float(halos[k]),
                has_product=bool(shares[k][2] > 0.0),
                status=result.status.value,
                relative_gof=float(gof[k] / np.median(gof)),
            )
        )
    return outcomes


def name_pattern(
    seed: int, position: int, structures: Sequence[CrystalStructure], shares: Floats
) -> str:
    """Return seed, position and true contents of a pattern."""
    parts = [
        f"{structure.name} {100.0 * share:.0f}"
        for structure, share in zip(structures, shares, strict=True)
    ]
    return f"{seed}, {position}: {' + '.join(parts)}"


def _largest(error: Floats, sigma: Floats, wrong: NDArray[np.bool_]) -> float:
    ratio = np.where(wrong, error / np.maximum(sigma, 1e-9), 0.0)
    return float(ratio.max())


def off_cell(structure: CrystalStructure, rng: Random) -> CrystalStructure:
    """Return the structure with each free axis 0.5 to 1.5 % longer or shorter."""
    strains = rng.uniform(*CELL_OFF, 3) * rng.choice([-1.0, 1.0], 3)
    cell = structure.cell
    lengths = [cell.a, cell.b, cell.c]
    moved = []
    for k, length in enumerate(lengths):
        same = next(i for i in range(3) if abs(lengths[i] - length) < 1e-9)
        moved.append(lengths[k] * (1.0 + strains[same]))
    a, b, c = (float(value) for value in moved)
    return structure.with_cell(replace(cell, a=a, b=b, c=c))


def draw_shares(rng: Random) -> Floats:
    """Return true fractions, shape (5, 3): two phases fall, the product grows."""
    progress = np.linspace(0.0, 1.0, PATTERNS) ** rng.uniform(0.5, 2.0)
    first = rng.uniform(0.3, 0.7)
    left = np.exp(-rng.uniform(0.5, 4.0, 2)[None, :] * progress[:, None])
    amounts = np.column_stack([left * [first, 1.0 - first], progress])
    absent = rng.uniform(size=amounts.shape) < ABSENT
    absent[np.arange(PATTERNS), np.argmax(amounts, axis=1)] = False
    amounts[absent] = 0.0
    return np.asarray(amounts / amounts.sum(axis=1, keepdims=True))


def draw_pattern(
    structures: Sequence[CrystalStructure],
    shares: Floats,
    halo: float,
    position: int,
    rng: Random,
) -> xr.Dataset:
    """Simulate one pattern: sizes fall along the series, the product has 5 nm."""
    peak = float(np.exp(rng.uniform(np.log(1000.0), np.log(10000.0))))
    sizes = [600.0 / 1.6**position, 400.0 / 1.3**position, PRODUCT_SIZE]
    phases = [
        SimulatedPhase(
            structure=structure,
            weight_fraction=float(share),
            size=size * float(np.exp(rng.normal(0.0, 0.2))),
            microstrain=float(rng.uniform(2e-4, 2e-3)),
        )
        for structure, share, size in zip(structures, shares, sizes, strict=True)
        if share > 0.0
    ]
    hump = Halo(
        center=float(rng.uniform(18.0, 32.0)),
        fwhm=float(rng.uniform(7.0, 14.0)),
        height=halo * peak,
    )
    slope = tuple(float(x) for x in (200.0, -80.0, 20.0))
    try:
        return simulate_pattern(
            phases,
            surroundings=Surroundings(halos=(hump,), background=slope),
            displacement=float(rng.normal(0.0, 0.03)),
            peak_counts=peak,
            seed=int(rng.integers(2**31)),
        )
    except PlanError as error:  # names the series in a run of many
        raise PlanError(f"{[s.name for s in structures]}: {error}") from error


def describe(count: int, seconds: float) -> str:
    """Return the head of the page."""
    return f"""# Random series with known truth

Written by `python -m benchmarks.robustness -n {count} -o docs/robustness.md`.

{count} random series of {PATTERNS} patterns, {seconds:.2f} seconds per pattern. Three
phases of the library; every axis 0.5 to 1.5 % off (`cell_uncertain`); each phase but
the strongest absent in a quarter of the patterns; a product of 5 nm; a halo of up to
three times the highest Bragg maximum; 1000 to 10000 counts; displacement, microstrain,
sizes that fall. The patterns are `simulate_pattern`'s, which has none of the engine's
numerics; a halo here is one Gaussian of 7 to 14 degree. These series are harder than a
user's: a real cell is seldom off by 1 % in all phases at once.

*Wrong*: the fraction of some phase in the crystalline part is off by more than
{WRONG:g} wt%. *Hard failure*: wrong, and by more than {HARD_SIGMAS:g} of its esds.
*Beyond the total*: wrong, and by more than twice esd and systematic half-range
together. *Flagged*: wrong, and the status is not converged, or GOF over 1.1 times its
series' median."""


def summarize(outcomes: Sequence[Outcome]) -> str:
    """Return the table of failures, whole and by difficulty."""
    groups = {
        "all": list(outcomes),
        "halo below 1": [o for o in outcomes if o.halo < 1.0],
        "halo 1 to 2": [o for o in outcomes if 1.0 <= o.halo < 2.0],
        "halo above 2": [o for o in outcomes if o.halo >= 2.0],
        "with the 5 nm product": [o for o in outcomes if o.has_product],
        "without it": [o for o in outcomes if not o.has_product],
    }
    head = ["patterns", "n", "median largest error/wt%", "wrong", "hard failure"]
    head += ["beyond the total", "flagged"]
    rows = [[name, *_row(group)] for name, group in groups.items() if group]
    return table(head, rows)


def list_worst(outcomes: Sequence[Outcome], *, most: int = 12) -> str:
    """Return the patterns that are wrong by the most, worst first."""
    wrong = sorted(
        (o for o in outcomes if o.error > WRONG), key=lambda o: o.error, reverse=True
    )
    rows = [
        [
            o.name,
            f"{o.error:.1f}",
            f"{o.sigmas:.1f}",
            f"{o.totals:.1f}",
            f"{o.halo:.1f}",
            o.status,
        ]
        for o in wrong[:most]
    ]
    head = ["series, pattern: true wt% (product last)", "largest error/wt%"]
    head += ["in esds", "in totals", "halo over Bragg", "status"]
    return (
        f"The worst {len(rows)} of {len(wrong)} wrong patterns:\n\n{table(head, rows)}"
    )


def _row(group: Sequence[Outcome]) -> list[str]:
    wrong = [o for o in group if o.error > WRONG]
    hard = [o for o in wrong if o.sigmas > HARD_SIGMAS]
    beyond = [o for o in wrong if o.totals > 2.0]
    flagged = [o for o in wrong if o.status != "converged" or o.relative_gof > 1.1]
    median = float(np.median([o.error for o in group]))
    shares = [f"{100.0 * len(x) / len(group):.1f} %" for x in (wrong, hard, beyond)]
    said = f"{len(flagged)} of {len(wrong)}"
    return [str(len(group)), f"{median:.2f}", *shares, said]


def report_spiked() -> str:
    """Refine the synthetic milling series with corundum weighed in."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_series(folder, internal_standard=SPIKE)
        found = run_refinement(path, Path(folder) / "results")
        truth = read_dataset(path.with_name("truth.nc"))
    rows = []
    for sample in found["sample"].to_numpy():
        own, known = found.sel(sample=sample), truth.sel(sample=sample)
        value, std = (float(own[f"amorphous_fraction{end}"]) for end in ("", "_std"))
        true = float(known["amorphous_fraction"])
        sizes = [
            f"{float(data['size_nm'].sel(phase='NaTaCl6')):.1f}"
            for data in (known, own)
        ]
        figures = [f"{x:.3f}" for x in (true, value)]
        rows.append(
            [str(sample), *figures, f"{value - true:+.3f}", f"{std:.3f}", *sizes]
        )
    head = ["sample", "amorphous, true", "found", "error", "std"]
    head += ["NaTaCl6 size/nm, true", "found"]
    return f"""## Amorphous content by internal standard

The synthetic series of `make demo` (own scattering, profile and halo code; film, air,
Compton) with {100.0 * SPIKE:g} wt% corundum in every sample.

{table(head, rows)}"""


if __name__ == "__main__":
    sys.exit(main())
