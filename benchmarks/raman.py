"""Raman metrics on simulated series, beside their truth: ``python -m benchmarks.raman``.

Three questions. Are the metrics right, and their limits honest? Is the area at 405 said
to be unknown where it is? And is what misleads a reader (a residue, an oxide, a cover
glass, burnt spots, bleaching) told? With the measured spectra at hand, a fourth: do
they say what is known of them?
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from benchmarks.page import Floor, Section, machine, table
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
BIAS, COVERED, FALSE_ALARMS = 0.02, (0.92, 0.98), 0.05
NOT_KNOWN = 0.5
"""1 sigma of the area at 405 over the area, in the best fit there can be, above which
nobody can know it."""
LATE = ("4h", "6h")
"""Samples in which TaCl5 is a residue, not what has yet to react."""
RESIDUE = 0.02
"""Share of tantalum in TaCl5 that is worth a flag."""


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
    kinds = ("honest", "one place", *RAMAN_ADVERSARIES)
    numbers |= dict.fromkeys(kinds, options.adversaries)
    found = Parallel(n_jobs=options.jobs)(
        delayed(measure_series)(kind, seed, options.keep)
        for kind, number in numbers.items()
        for seed in range(number)
    )
    sections = report(found)
    folder = options.shared / "raman"
    if folder.is_dir():
        sections.append(report_measured(folder))
    minutes = (time.perf_counter() - begun) / 60.0
    parts = [describe(numbers, minutes), machine(), *(s.to_markdown() for s in sections)]
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
        "Written by `python -m benchmarks.raman --keep FOLDER -o "
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
    """Return bias and coverage beside what is asked for."""
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
        Floor(
            what="lines too broad, declared resolved: truth within the 95 % limits",
            value=float(np.mean([f.covered for f in broad])) if broad else 1.0,
            limit=COVERED[0],
            at_least=True,
        ),
    ]
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
        _count(able, len(pairs)),
        _count(_resolved(every), len(pairs)),
        _count(_resolved(able), len(able)),
        _count(_resolved(blind), len(blind)),
        _percent([f.covered for f in _resolved(every)]),
        _percent([f.covered for f in every]),
    ]


def _count(part: Sequence[object], whole: int) -> str:
    return f"{len(part)} of {whole}"


def _percent(flags: Sequence[bool]) -> str:
    return f"{100.0 * float(np.mean(flags)):.0f} %" if flags else "-"


# What misleads ------------------------------------------------------------------------


def _species_told(one: Measured, wanted: Sequence[str], *, milled: int = 2) -> bool:
    """Return whether a species is in the model, or in the reading ranked first."""
    own = [one.sample(name) for name in MILLED]
    taken = any(set(wanted) & set(t.rivals) for t in own)
    first = sum(bool(set(wanted) & set(t.best)) for t in own)
    return taken or first >= milled


def _residue_told(one: Measured) -> bool:
    """Return whether TaCl5 is detected in a late sample, or ranked first there."""
    own = [one.sample(name) for name in LATE]
    return any("TaCl5" in t.seen or "TaCl5" in t.best for t in own)


def _spots_told(one: Measured) -> bool:
    """Return whether a spot of a milled sample is said to be odd."""
    return any(one.sample(name).odd for name in MILLED)


def _bleaching_told(one: Measured) -> bool:
    """Return whether bleaching is stated."""
    return any("bleaching" in s for t in one.told for s in t.statements)


FLAGS: dict[str, tuple[str, Callable[[Measured], bool]]] = {
    "tacl5_residue": ("TaCl5 in a late sample", _residue_told),
    "ta2o5": ("Ta2O5", lambda one: _species_told(one, ("Ta2O5",))),
    "cover_glass": (
        "cover or silica glass",
        lambda one: _species_told(one, ("cover glass", "silica glass")),
    ),
    "laser_crystallised": ("odd spots", _spots_told),
    "bleaching": ("bleaching", _bleaching_told),
}
"""The flag that each adversary must raise."""


def _is_true(one: Measured, adversary: str) -> bool:
    """Return whether a flag is true of an honest series too."""
    if adversary == "tacl5_residue":
        return any(one.sample(name).residue > RESIDUE for name in LATE)
    return False


def report_adversaries(found: Sequence[Measured]) -> Section:
    """Return which adversaries are told, and what is told of honest series."""
    rows, told, asked, false, honest = [], 0, 0, 0, 0
    for kind in ("honest", "one place", *RAMAN_ADVERSARIES):
        own = [one for one in found if one.kind == kind]
        if not own:
            continue
        cells = []
        for adversary, (_, raised) in FLAGS.items():
            number = sum(raised(one) for one in own)
            cells.append(f"{number}" if adversary != kind else f"**{number}**")
            if adversary == kind:
                told, asked = told + number, asked + len(own)
            elif kind in ("honest", "one place"):
                false += sum(raised(one) and not _is_true(one, adversary) for one in own)
                honest += sum(not _is_true(one, adversary) for one in own)
        what = RAMAN_ADVERSARIES.get(kind, "nothing is wrong")  # type: ignore[call-overload]
        if kind == "one place":
            what = "one place measured eight times, nothing bleaches"
        rows.append([kind, what, str(len(own)), *cells, _others(own)])
    header = ["series", "what is wrong", "n", *(name for name, _ in FLAGS.values())]
    return Section(
        title="What misleads, and whether it is told",
        floors=(
            Floor(
                what="series whose own flag is raised",
                value=told,
                limit=asked,
                unit=f"of {asked}",
                at_least=True,
            ),
            Floor(
                what="share of false flags in honest series",
                value=false / honest if honest else 0.0,
                limit=FALSE_ALARMS,
            ),
        ),
        body=(
            "A species counts as told where the fit of the milled samples takes it in "
            "because the data ask for it, or where the reading ranked first by BIC has "
            "it (in two milled samples at least). TaCl5 is left in every honest series "
            f"after 1 h; it counts in {' and '.join(LATE)} only, and is true there "
            f"where it holds more than {100.0 * RESIDUE:.0f} % of the tantalum. "
            "Bleaching is looked for where all spots are one place.",
            table([*header, "taken in besides"], rows),
            _residue_table(found),
            _reading_table(found),
        ),
    )


def _others(own: Sequence[Measured]) -> str:
    """Return the species taken into the models, with how often."""
    names = [n for one in own for n in one.sample(MILLED[-1]).rivals if n != "TaCl5"]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return ", ".join(f"{name} {number}" for name, number in counts.items()) or "-"


def _residue_table(found: Sequence[Measured]) -> str:
    """Return how much TaCl5 there is and where it is detected."""
    rows = []
    for kind in ("honest", "tacl5_residue"):
        own = [one for one in found if one.kind == kind]
        for name in MILLED:
            told = [one.sample(name) for one in own]
            if not told:
                continue
            rows.append(
                [
                    kind,
                    name,
                    f"{100.0 * float(np.median([t.residue for t in told])):.2g} %",
                    _count([t for t in told if "TaCl5" in t.seen], len(told)),
                    _count([t for t in told if "TaCl5" in t.best], len(told)),
                ]
            )
    header = ["series", "sample", "Ta in TaCl5 (median)", "detected", "ranked first"]
    return table(header, rows)


def _reading_table(found: Sequence[Measured]) -> str:
    """Return the reading ranked first in the last sample."""
    rows = []
    for kind in dict.fromkeys(one.kind for one in found):
        own = [one.sample(MILLED[-1]) for one in found if one.kind == kind]
        firsts = [t.readings[0][0] for t in own if t.readings]
        if not firsts:
            continue
        counts = {name: firsts.count(name) for name in dict.fromkeys(firsts)}
        ordered = sorted(counts.items(), key=lambda item: -item[1])
        cells = ", ".join(f"{name} ({number})" for name, number in ordered)
        rows.append([kind, cells])
    return table(["series", f"ranked first by BIC at {MILLED[-1]}"], rows)


def report_spots(found: Sequence[Measured]) -> Section:
    """Return how many crystallised spots are found, and how many sound ones."""
    rows = []
    sound = [
        t
        for one in found
        for t in one.told
        if one.kind not in ("laser_crystallised", "bleaching", "one place")
        and not t.reason
    ]
    hit = [one for one in found if one.kind == "laser_crystallised"]
    for name in MILLED:
        told = [one.sample(name) for one in hit]
        true = sum(len(t.crystallised) for t in told)
        rows.append(
            [
                name,
                f"{sum(len(set(t.odd) & set(t.crystallised)) for t in told)} of {true}",
                f"{sum(len(set(t.odd) - set(t.crystallised)) for t in told)} of "
                f"{8 * len(told) - true}",
            ]
        )
    share = float(np.mean([bool(t.odd) for t in sound])) if sound else 0.0
    header = ["laser_crystallised", "crystallised spots told", "sound spots told"]
    return Section(
        title="Spots that do not follow the others",
        floors=(
            Floor(
                what=f"share of {len(sound)} sound samples with a spot said to be odd",
                value=share,
                limit=FALSE_ALARMS,
            ),
        ),
        body=(table(header, rows),),
    )


def report_time(found: Sequence[Measured]) -> Section:
    """Return the processor time of a series."""
    rows = []
    for kind in dict.fromkeys(one.kind for one in found):
        own = [one.seconds for one in found if one.kind == kind]
        steps = list(own[0])
        rows.append(
            [
                kind,
                *(f"{float(np.median([s[step] for s in own])):.1f} s" for step in steps),
            ]
        )
    steps = list(found[0].seconds)
    return Section(
        title="Processor time of a series (median)",
        body=(table(["series", *steps], rows),),
    )


if __name__ == "__main__":
    sys.exit(main())
