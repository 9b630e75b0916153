"""Broken assumptions and their flags, simulated: ``python -m benchmarks.adversaries``.

Each adversary of ``structkit.synthetic.study`` breaks one assumption of the analyst.
The series is written as files, run by the pipeline, and must raise the flag that is its
own; without an adversary none of these flags may be raised.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from joblib import Parallel, delayed

from benchmarks.page import Floor, Section, machine, table
from refinement.crystallinity import flags
from structkit.pipeline.diffraction import run_refinement
from structkit.synthetic.study import ADVERSARIES, StudyTruth, write_study

OWN_FLAG = {
    "blank_missing": flags.BLANK_MISSING,
    "film_doubled": flags.FILM,
    "other_phase": flags.UNEXPLAINED_LINES,
    "tacl5_residue": flags.PRECURSOR_LEFT,
    "invisible_na2o": flags.INVISIBLE_PHASE,
    "wrong_cif_a": flags.FOREIGN_ELEMENT,
    "wrong_cif_b": flags.FOREIGN_ELEMENT,
    "evaporated": flags.COMPOSITION,
    "all_crystalline": flags.ALL_CRYSTALLINE,
    "all_amorphous": flags.ALL_AMORPHOUS,
}
"""The flag that each adversary must raise."""
EXPECTED = (flags.INVISIBLE_PHASE, flags.PRECURSOR_LEFT, flags.ALL_AMORPHOUS)
"""Flags that are true of an honest series too: its Na2O goes out of sight, by-product
NaCl is a phase that was weighed in, and after six hours nothing may be seen."""
NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One series: its adversary and what was told."""

    adversary: str
    seed: int
    told: tuple[tuple[str, str, str], ...]
    """Code, sample, text."""

    @property
    def codes(self) -> set[str]:
        """Return the codes that were raised."""
        return {code for code, _, _ in self.told}

    @property
    def own_raised(self) -> bool:
        """Return whether the adversary's flag is among them, where it belongs."""
        code = OWN_FLAG[self.adversary]
        if self.adversary == "film_doubled":
            return [s for c, s, _ in self.told if c == code] == ["4h"]
        if self.adversary == "tacl5_residue":
            return any(c == code and "TaCl5" in text for c, _, text in self.told)
        return code in self.codes


def main(arguments: list[str] | None = None) -> int:
    """Run every adversary and print which flags were raised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adversaries")
    parser.add_argument("-n", "--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, help="also write this .md file")
    options = parser.parse_args(arguments)
    cases = [
        (name, seed) for seed in range(options.seeds) for name in (NONE, *ADVERSARIES)
    ]
    outcomes = Parallel(n_jobs=options.jobs)(
        delayed(run_one)(name, seed) for name, seed in cases
    )
    page = "\n\n".join([HEAD, machine(), *report(outcomes, options.seeds)])
    print(page)
    if options.output is not None:
        options.output.write_text(page + "\n", encoding="utf-8")
    return 0


HEAD = """# Broken assumptions, and whether they are told

Written by `python -m benchmarks.adversaries -o docs/adversaries_measured.md`. Every
series is a random truth of `structkit.synthetic.study`, written as files and run by
`structkit refine` without a hint; `flags.csv` is read."""


def run_one(adversary: str, seed: int) -> Outcome:
    """Write, refine and read one series."""
    truth = StudyTruth.draw(np.random.default_rng([7, seed]))
    with tempfile.TemporaryDirectory() as folder:
        series = write_study(
            Path(folder) / "measured",
            truth=truth,
            seed=seed,
            adversary=None if adversary == NONE else adversary,  # type: ignore[arg-type]
        )
        run_refinement(series, Path(folder) / "results")
        frame = pd.read_csv(Path(folder) / "results/tables/flags.csv").fillna("")
    rows = tuple(tuple(str(cell) for cell in row) for row in frame.to_numpy())
    return Outcome(adversary=adversary, seed=seed, told=rows)  # type: ignore[arg-type]


def report(outcomes: Sequence[Outcome], seeds: int) -> list[str]:
    """Return which adversaries were told and what else was."""
    broken = [o for o in outcomes if o.adversary != NONE]
    honest = [o for o in outcomes if o.adversary == NONE]
    told = sum(o.own_raised for o in broken)
    false = sum(bool(o.codes - set(EXPECTED)) for o in honest)
    rows = []
    for name in (NONE, *ADVERSARIES):
        own = [o for o in outcomes if o.adversary == name]
        others = sorted({c for o in own for c in o.codes} - {OWN_FLAG.get(name, "")})
        rows.append(
            [
                name,
                ADVERSARIES.get(name, "nothing is wrong"),  # type: ignore[call-overload]
                OWN_FLAG.get(name, "-"),
                f"{sum(o.own_raised for o in own)} of {seeds}" if name != NONE else "-",
                ", ".join(others) or "-",
            ]
        )
    section = Section(
        title="Flags",
        floors=(
            Floor(
                what="series whose own flag is raised",
                value=told,
                limit=len(broken),
                unit=f"of {len(broken)}",
                at_least=True,
            ),
            Floor(
                what="honest series with a flag that belongs to none",
                value=false,
                limit=0,
                unit=f"of {len(honest)}",
            ),
        ),
        body=(
            table(["adversary", "what is wrong", "its flag", "raised", "others"], rows),
        ),
    )
    return [section.to_markdown()]


if __name__ == "__main__":
    sys.exit(main())
