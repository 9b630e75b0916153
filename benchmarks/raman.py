"""Raman metrics of simulated series beside the truth: ``python -m benchmarks.raman``.

Three questions. Are the metrics right, and their limits honest? Is the area at 405 said
to be unknown where it is? And is what misleads a reader (a residue, an oxide, a cover
glass, burnt spots, bleaching) told? With the measured spectra at hand, a fourth: do
they say what is known of them?
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from benchmarks.page import Floor, Section, machine, table
from benchmarks.raman_flags import (
    HONEST,
    count_of,
    report_adversaries,
    report_spots,
)
from benchmarks.raman_real import report_measured
from benchmarks.raman_series import (
    METRICS,
    MILLED,
    REFERENCE,
    Figure,
    Measured,
    Told,
    measure_series,
)
from structkit.synthetic.raman_truth import RAMAN_ADVERSARIES

SHARES = ("r_ax", "r_O", "S_ax")
"""Metrics between 0 and 1: their bias is a difference; that of a ratio is relative."""
BIAS, COVERED = 0.02, (0.92, 0.98)
NOT_KNOWN = 0.5
"""1 sigma of the area at 405 over the area, in the best fit there can be, above which
nobody can know it."""


def main(arguments: list[str] | None = None) -> int:
    """Simulate, fit, compare, and print the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.raman")
    parser.add_argument("-n", "--series", type=int, default=300)
    parser.add_argument("--unresolved", type=int, help="series of the second part")
    parser.add_argument("--adversaries", type=int, default=10, help="series of each")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder of fitted series, reused")
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--shared", type=Path, default=default)
    parser.add_argument("-o", "--output", type=Path, help="also write this .md file")
    options = parser.parse_args(arguments)
    begun = time.perf_counter()
    fewer = options.series // 4 if options.unresolved is None else options.unresolved
    numbers = {"resolved": options.series, "unresolved": fewer}
    kinds = (*HONEST, *RAMAN_ADVERSARIES)
    numbers |= dict.fromkeys(kinds, options.adversaries)
    found = Parallel(n_jobs=options.jobs)(
        delayed(measure_series)(kind, seed, options.keep)
        for kind, number in numbers.items()
        for seed in range(number)
    )
    sections = report(found)
    folder = options.shared / "raman"
    if folder.is_dir():
        sections += report_measured(folder)
    minutes = (time.perf_counter() - begun) / 60.0
    parts = [
        describe(numbers, minutes),
        machine(),
        *(s.to_markdown() for s in sections),
    ]
    text = "\n\n".join(parts)
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")
    return 0


def describe(numbers: dict[str, int], minutes: float) -> str:
    """Return what was done, in words."""
    return (
        "# Raman metrics, measured on simulated series\n\n"
        f"{numbers['resolved']} series of six samples (unmilled, crystalline reference "
        "NTC, 1, 2, 4 and 6 h), 8 spots each; every series is another truth: amounts, "
        "cross-sections, widths, places of the bands, axis (within 1 cm-1), exposure, "
        "fluorescence (0.3 to 5 times the strongest band), laser edge. Line shapes and "
        "backgrounds are none of the fitter's. Each is calibrated on its own silicon, "
        "prepared and fitted unattended with the defaults. "
        f"{minutes:.0f} min (kept series not counted).\n\n"
        f"Written by `python -m benchmarks.raman -n {numbers['resolved']} --unresolved "
        f"{numbers['unresolved']} --adversaries {numbers[HONEST[0]]} --keep FOLDER -o "
        "docs/raman_measured.md`."
    )


def report(found: Sequence[Measured]) -> list[Section]:
    """Return the sections on simulated series."""

    def of(*kinds: str) -> list[Measured]:
        return [one for one in found if one.kind in kinds]

    sections = []
    if of("resolved"):
        sections += [report_metrics(of("resolved")), report_samples(of("resolved"))]
    if of("unresolved"):
        sections.append(report_unresolved(of("resolved"), of("unresolved")))
    if of("honest"):
        sections.append(report_adversaries(found))
        sections.append(report_spots(found))
    sections.append(report_time(found))
    return sections


# Metrics ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Figures of one metric over some samples."""

    n: int
    resolved: float
    bias: float
    """Mean error; of a ratio the mean relative error."""
    bias_std: float
    """1 sigma of it."""
    relative: float
    """Median relative error."""
    rms: float
    """Root mean square of what ``bias`` is the mean of."""
    sigma: float
    """Mean stated 1 sigma, in the same terms."""
    covered: float

    def cells(self) -> list[str]:
        """Return the figures as text."""
        if not self.n:
            return ["0", "-", "-", "-", "-", "-", "-"]
        return [
            str(self.n),
            f"{100.0 * self.resolved:.0f} %",
            f"{self.bias:+.4f} ± {self.bias_std:.4f}",
            f"{100.0 * self.relative:+.1f} %",
            f"{self.rms:.4f}",
            f"{self.sigma:.4f}",
            f"{100.0 * self.covered:.1f} %",
        ]


HEADER = (
    "metric",
    "of",
    "n",
    "resolved",
    "bias",
    "median relative error",
    "rms",
    "mean 1 sigma",
    "covered",
)


def summarise(figures: Sequence[Figure]) -> Summary:
    """Return the figures of some values of one metric.

    Values without end (no area in the denominator) have no error; they count in n, in
    the share resolved and in the coverage.
    """
    if not figures:
        nan = float("nan")
        return Summary(
            n=0,
            resolved=nan,
            bias=nan,
            bias_std=nan,
            relative=nan,
            rms=nan,
            sigma=nan,
            covered=nan,
        )
    share = figures[0].metric in SHARES
    finite = [f for f in figures if np.isfinite(f.std) and f.std < 1e3]
    true = np.array([f.true for f in finite])
    error = np.array([f.error for f in finite])
    scale = np.ones(len(finite)) if share else true
    own = error / scale
    return Summary(
        n=len(figures),
        resolved=float(np.mean([f.resolved for f in figures])),
        bias=float(own.mean()),
        bias_std=float(own.std(ddof=1) / np.sqrt(own.size)) if own.size > 1 else np.nan,
        relative=float(np.median(error / true)),
        rms=float(np.sqrt(np.mean(own**2))),
        sigma=float(np.mean(np.array([f.std for f in finite]) / scale)),
        covered=float(np.mean([f.covered for f in figures])),
    )


def _figures(
    found: Sequence[Measured], metric: str, samples: Sequence[str] = MILLED
) -> list[Figure]:
    """Return the values of one metric in some samples."""
    return [
        figure
        for one in found
        for figure in one.figures
        if figure.metric == metric and figure.sample in samples and figure.true > 0.0
    ]


def _resolved(figures: Sequence[Figure]) -> list[Figure]:
    """Return those that are said to be determined."""
    return [figure for figure in figures if figure.resolved]


def report_metrics(found: Sequence[Measured]) -> Section:
    """Return bias and coverage of each metric over all milled samples."""
    floors: list[Floor] = []
    rows = []
    for metric in METRICS:
        every = _figures(found, metric)
        for who, part in (("resolved", _resolved(every)), ("all", every)):
            own = summarise(part)
            rows.append([metric, who, *own.cells()])
            floors += _floors(f"{metric}, {who}", own)
    return Section(
        title="Metrics of milled samples",
        floors=tuple(floors),
        body=(
            "Bias: mean of (found - true) for the shares r_ax, r_O and S_ax, mean of "
            "(found - true)/true for the ratios, with its standard error; rms and mean "
            "1 sigma in the same terms. Covered: the 95 % limits hold the truth. The "
            "truth is that of the median spot.",
            table(HEADER, rows),
        ),
    )


def _floors(what: str, own: Summary) -> list[Floor]:
    """Return bias and coverage beside what is asked for; none of no samples."""
    if not own.n:
        return []
    return [
        Floor(what=f"{what}: abs. bias", value=abs(own.bias), limit=BIAS),
        Floor(
            what=f"{what}: truth within the 95 % limits",
            value=own.covered,
            limit=COVERED[0],
            at_least=True,
        ),
        Floor(what=f"{what}: the same, at most", value=own.covered, limit=COVERED[1]),
    ]


def report_samples(found: Sequence[Measured]) -> Section:
    """Return the same for each sample."""
    rows = []
    for metric in (*METRICS, "amorphous_share"):
        for sample in (REFERENCE, *MILLED):
            every = _figures(found, metric, (sample,))
            if not every:
                continue
            for who, part in (("resolved", _resolved(every)), ("all", every)):
                rows.append(
                    [metric, f"{sample}, {who}", *summarise(part).cells()],
                )
    return Section(
        title="The same, sample by sample",
        body=(
            "amorphous_share: cross-sections count as unknown within a factor of two, "
            "as they are drawn.",
            table(HEADER, rows),
        ),
    )


# What nobody can know -----------------------------------------------------------------


def report_unresolved(
    resolved: Sequence[Measured], unresolved: Sequence[Measured]
) -> Section:
    """Return whether r_ax is said to be unknown where it is."""
    rows, floors = [], []
    everything = []
    for name, found in (("lines apart", resolved), ("lines too broad", unresolved)):
        for sample in MILLED:
            pairs = [
                (one.sample(sample), figure)
                for one in found
                for figure in _figures([one], "r_ax", (sample,))
            ]
            everything += pairs
            rows.append([name, sample, *_axial_cells(pairs)])
    blind = [(t, f) for t, f in everything if not t.axial_std <= NOT_KNOWN]
    seeing = [(t, f) for t, f in everything if t.axial_std <= NOT_KNOWN]
    broad = [f for f in _figures(unresolved, "r_ax") if f.resolved]
    told = float(np.mean([not f.resolved for _, f in blind])) if blind else 1.0
    floors = [
        Floor(
            what="not knowable: share declared not resolved",
            value=told,
            limit=COVERED[0],
            at_least=True,
        ),
    ]
    if broad:
        held = Floor(
            what="lines too broad, declared resolved: truth within the 95 % limits",
            value=float(np.mean([f.covered for f in broad])),
            limit=COVERED[0],
            at_least=True,
        )
        floors.append(held)
    known = float(np.mean([f.resolved for _, f in seeing])) if seeing else float("nan")
    header = [
        "lines at 378 and 405",
        "sample",
        "best 1 sigma (median)",
        "knowable",
        "declared resolved",
        "of knowable",
        "of not knowable",
        "covered, resolved",
        "covered, all",
    ]
    return Section(
        title="Axial against equatorial: said to be unknown where it is",
        floors=tuple(floors),
        body=(
            f"Not knowable: with all spots and the true shapes, the Fisher information "
            f"leaves more than {100.0 * NOT_KNOWN:.0f} % of the area at 405 as its "
            "1 sigma. Of the knowable ones "
            f"{100.0 * known:.0f} % are declared resolved; {len(broad)} of "
            f"{len(_figures(unresolved, 'r_ax'))} in series whose lines are too broad.",
            table(header, rows),
        ),
    )


def _axial_cells(pairs: Sequence[tuple[Told, Figure]]) -> list[str]:
    """Return one line of the table on r_ax."""
    able = [f for t, f in pairs if t.axial_std <= NOT_KNOWN]
    blind = [f for t, f in pairs if not t.axial_std <= NOT_KNOWN]
    every = [f for _, f in pairs]
    best = [t.axial_std for t, _ in pairs]
    return [
        f"{100.0 * float(np.median(best)):.0f} %" if best else "-",
        count_of(able, len(pairs)),
        count_of(_resolved(every), len(pairs)),
        count_of(_resolved(able), len(able)),
        count_of(_resolved(blind), len(blind)),
        _percent([f.covered for f in _resolved(every)]),
        _percent([f.covered for f in every]),
    ]


def _percent(flags: Sequence[bool]) -> str:
    return f"{100.0 * float(np.mean(flags)):.0f} %" if flags else "-"


def report_time(found: Sequence[Measured]) -> Section:
    """Return the processor time of a series."""
    steps = list(found[0].seconds)
    rows = []
    for kind in dict.fromkeys(one.kind for one in found):
        spent = [one.seconds for one in found if one.kind == kind]
        medians = (float(np.median([each[step] for each in spent])) for step in steps)
        rows.append([kind, *(f"{median:.1f} s" for median in medians)])
    return Section(
        title="Processor time of a series (median)",
        body=(table(["series", *steps], rows),),
    )


if __name__ == "__main__":
    sys.exit(main())
