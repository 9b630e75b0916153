"""The amorphization index beside the truth: ``python -m benchmarks.index``.

Two levels. From raw files: whole synthetic series are written, every technique is
analysed, and the index compared with the amorphous fraction drawn. From metrics: what
the files' metrics were off by is measured, and many more series are drawn with errors
of that covariance; there a bias is put on one technique to see whether it is told.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from joblib import Parallel, delayed
from numpy.typing import NDArray

from benchmarks.index_adversaries import report_adversaries
from benchmarks.index_series import (
    KAPPA_STD,
    RawSeries,
    Verdict,
    believed_kappa,
    judge,
    measure_raw,
)
from benchmarks.page import Floor, Section, machine, table
from structkit.index.links import glass_share, logit
from structkit.index.modalities import IndexOptions
from structkit.raman.sample import KAPPA_STD as UNCALIBRATED_STD
from structkit.schema import SAMPLE
from structkit.synthetic.study_truth import StudyTruth
from structkit.synthetic.whole_samples import list_series

Floats = NDArray[np.float64]

BIAS, COVERED = 0.02, (0.92, 0.98)
POWER, FALSE, OFFSET = 0.9, 0.05, 0.3
TECHNIQUES = ("xrd", "raman", "nmr")


def main(arguments: list[str] | None = None) -> int:
    """Simulate, analyse, compare, print the page; 1 where a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.index")
    parser.add_argument("-n", "--series", type=int, default=500)
    parser.add_argument("--raw", type=int, default=40, help="series from raw files")
    parser.add_argument("--adversaries", type=int, default=1, help="series of each")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder of raw series, reused")
    parser.add_argument("-o", "--output", type=Path, help="also write this .md file")
    options = parser.parse_args(arguments)
    begun = time.perf_counter()
    raw = Parallel(n_jobs=options.jobs)(
        delayed(measure_raw)(seed, options.keep) for seed in range(options.raw)
    )
    errors = measure_errors(raw)
    sections = [
        report_raw(raw),
        *report_drawn(raw, errors, options.series, jobs=options.jobs),
        report_errors(errors),
    ]
    if options.adversaries:
        sections.append(report_adversaries(options.adversaries, jobs=options.jobs))
    minutes = (time.perf_counter() - begun) / 60.0
    text = "\n\n".join(
        [
            describe(options.series, options.raw, minutes),
            machine(),
            *(section.to_markdown() for section in sections),
        ]
    )
    print(text)
    if options.output is not None:
        options.output.write_text(f"{text}\n", encoding="utf-8")
    return int(any(not f.is_met for s in sections for f in s.floors))


def describe(drawn: int, raw: int, minutes: float) -> str:
    """Return heading and first paragraph."""
    return (
        "# The amorphization index, measured on simulated series\n\n"
        f"{raw} series from raw files (patterns, Raman spectra of 8 spots, 23Na "
        f"decays), {drawn} more from metrics with the errors that those showed. Every "
        "series is another truth. NMR measures 1 and 4 h only, as in the study; shares "
        "are of the milled samples. *Calibrated*: the analyst knows kappa within "
        f"{KAPPA_STD:g} of its logarithm; *uncalibrated*: within {UNCALIBRATED_STD:g}, "
        f"a factor of two, as it is drawn. {minutes:.0f} min (kept series not "
        "counted).\n\n"
        f"Written by `python -m benchmarks.index -n {drawn} --raw {raw} --adversaries "
        "N --keep FOLDER -o docs/amorphization_index_measured.md`: `make index-bench`."
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errors:
    """What metrics of raw series are off by, over all samples at once."""

    raw: tuple[RawSeries, ...]
    """Series that they come from, in the order of the rows."""
    share: Floats
    """Of the amorphous fraction by diffraction, shape (n_series, n_samples)."""
    ratio: Floats
    """Of ln(glass/crystal) by Raman, the true kappa taken out, the same shape."""
    place: Floats
    """Of the share that the place of the NMR line gives, the same shape."""
    stated: tuple[Floats, Floats, Floats]
    """1 sigma that each of them was stated with, the same shapes."""

    def draw(
        self, rng: np.random.Generator, number: int
    ) -> tuple[Floats, Floats, Floats]:
        """Return errors like those of raw series, for one with its stated errors.

        Errors over stated 1 sigma are normal with the mean square and the correlations
        over the samples that raw series showed; a common bias is in them.
        """
        found = []
        for errors, stds in zip(
            (self.share, self.ratio, self.place), self.stated, strict=True
        ):
            own = np.where(np.isfinite(stds[number]), stds[number], 0.0)
            found.append(_draw(errors / stds, rng) * own)
        return found[0], found[1], found[2]


def measure_errors(raw: Sequence[RawSeries]) -> Errors:
    """Return the errors of the metrics of some series."""
    rows = [_errors_of(one) for one in raw]
    share, ratio, place = (np.array(column) for column in zip(*rows, strict=True))
    stated = [_stated_of(one) for one in raw]
    first, second, third = (np.array(column) for column in zip(*stated, strict=True))
    return Errors(
        raw=tuple(raw),
        share=share,
        ratio=ratio,
        place=place,
        stated=(first, second, third),
    )


def _stated_of(one: RawSeries) -> tuple[Floats, Floats, Floats]:
    """Return the 1 sigma that one series' metrics were stated with."""
    metrics = {name: np.array(values) for name, values in one.metrics.items()}
    crystal, glass = (
        one.roles.index(role) for role in ("crystalline_reference", "glass_reference")
    )
    shift = np.hypot(metrics["line_shift_std"], IndexOptions().shift_std)
    gap = metrics["line_shift"][glass] - metrics["line_shift"][crystal]
    place = (metrics["line_shift"] - metrics["line_shift"][crystal]) / gap
    ends = ((1.0 - place) * shift[crystal]) ** 2 + (place * shift[glass]) ** 2
    return (
        metrics["amorphous_fraction_std"],
        metrics["glass_log_ratio_std"],
        np.sqrt(shift**2 + ends) / abs(gap),
    )


def _errors_of(one: RawSeries) -> tuple[Floats, Floats, Floats]:
    """Return the errors of one series' metrics."""
    metrics = {name: np.array(values) for name, values in one.metrics.items()}
    true = {name: np.array(values) for name, values in one.truth.items()}
    share = metrics["amorphous_fraction"] - true["amorphous_fraction"]
    expected = logit(true["glass_share"]) - np.log(one.kappa)
    ratio = metrics["glass_log_ratio"] - expected
    crystal, glass = (
        metrics["line_shift"][one.roles.index(role)]
        for role in ("crystalline_reference", "glass_reference")
    )
    found = (metrics["line_shift"] - crystal) / (glass - crystal)
    return share, ratio, found - true["product_glass_share"]


def draw_series(
    errors: Errors, seed: int, *, bias: str = "", offset: float = 0.0
) -> tuple[xr.Dataset, Floats, float]:
    """Return metrics of a drawn series, its true shares and its true kappa.

    Stated uncertainties and end samples are those of one raw series, errors are drawn
    for them (:meth:`Errors.draw`). The offset is that of the share.
    """
    rng = np.random.default_rng([seed, 7])
    number = int(rng.integers(len(errors.raw)))
    template = errors.raw[number]
    own = errors.draw(rng, number)
    truth = StudyTruth.draw(np.random.default_rng([seed, 8]))
    samples = {one.name: one for one in list_series(truth)}
    chosen = [samples[name] for name in template.samples]
    alpha = np.array([1.0 - sum(s.contents.weight_fractions.values()) for s in chosen])
    crystals = np.maximum(1.0 - alpha, 1e-9)
    product = np.array([s.contents.crystalline.get("NaTaCl6", 0.0) for s in chosen])
    chloride = np.array([s.contents.crystalline.get("TaCl5", 0.0) for s in chosen])
    metrics = template.dataset().copy(deep=True)
    kappa = float(np.exp(rng.uniform(np.log(0.3), np.log(3.0))))
    off = dict.fromkeys(TECHNIQUES, 0.0)
    if bias:
        off[bias] = offset * float(rng.choice([-1.0, 1.0]))
    milled = np.array([role == "milled" for role in template.roles])

    def phi_of(share: Floats) -> Floats:
        return glass_share(share, product / crystals, chloride / crystals)

    xrd = np.where(milled, alpha + off["xrd"], alpha) + own[0]
    # a share of light cannot leave 0..1, other scores can
    shown = np.where(milled, np.clip(alpha + off["raman"], 0.005, 0.995), alpha)
    ratio = logit(phi_of(shown)) - np.log(kappa) + own[1]
    place = phi_of(alpha) + off["nmr"] * milled + own[2]
    crystal, glass = (
        float(metrics["line_shift"].to_numpy()[template.roles.index(role)])
        for role in ("crystalline_reference", "glass_reference")
    )
    ends = np.array([role.endswith("_reference") for role in template.roles])
    shift = np.where(
        ends, metrics["line_shift"].to_numpy(), crystal + (glass - crystal) * place
    )
    relative = metrics["crystalline_product_std"] / metrics["crystalline_product"]
    noisy = product / crystals
    return (
        _put(
            metrics,
            {
                "amorphous_fraction": xrd,
                "glass_log_ratio": ratio,
                "line_shift": shift,
                "crystalline_product": noisy,
                "crystalline_product_std": noisy * relative.to_numpy(),
                "crystalline_chloride": chloride / crystals,
            },
        ),
        alpha,
        kappa,
    )


def _draw(errors: Floats, rng: np.random.Generator) -> Floats:
    """Return errors of the mean square and the correlations of those measured."""
    count = np.isfinite(errors).sum(axis=0)
    filled = np.nan_to_num(errors)
    pairs = np.isfinite(errors).astype(float)
    together = np.maximum(pairs.T @ pairs, 1.0)
    moments = filled.T @ filled / together
    values, vectors = np.linalg.eigh(moments)
    normal = rng.standard_normal(values.size) * np.sqrt(np.maximum(values, 0.0))
    return np.where(count > 0, vectors @ normal, np.nan)


def _put(metrics: xr.Dataset, columns: dict[str, Floats]) -> xr.Dataset:
    """Return metrics with some exchanged, NaN where they were NaN."""
    found = metrics.copy()
    for name, values in columns.items():
        old = found[name]
        found[name] = (
            SAMPLE,
            np.where(np.isfinite(old.to_numpy()), values, np.nan),
            old.attrs,
        )
    return found


def judge_drawn(
    errors: Errors, seed: int, *, calibrated: bool, bias: str = ""
) -> Verdict:
    """Return the verdict on one drawn series."""
    metrics, alpha, kappa = draw_series(errors, seed, bias=bias, offset=OFFSET)
    rng = np.random.default_rng([seed, 9])
    believed = believed_kappa(kappa, rng) if calibrated else 1.0
    std = KAPPA_STD if calibrated else UNCALIBRATED_STD
    return judge(metrics, alpha, kappa=believed, kappa_std=std)


def report_raw(raw: Sequence[RawSeries]) -> Section:
    """Return the section on raw files."""
    verdicts = {}
    for calibrated in (True, False):
        found = []
        for one in raw:
            rng = np.random.default_rng([one.seed, 9])
            believed = believed_kappa(one.kappa, rng) if calibrated else 1.0
            std = KAPPA_STD if calibrated else UNCALIBRATED_STD
            true = np.array(one.truth["amorphous_fraction"])
            found.append(judge(one.dataset(), true, kappa=believed, kappa_std=std))
        verdicts["calibrated" if calibrated else "uncalibrated"] = found
    return Section(
        title="From raw files",
        floors=_floors(verdicts["calibrated"], accused=True),
        body=(_accuracy(verdicts),),
    )


def report_drawn(
    raw: Sequence[RawSeries], errors: Errors, count: int, *, jobs: int
) -> list[Section]:
    """Return the sections on drawn metrics: accuracy, then conflicts."""

    def run(*, calibrated: bool, bias: str = "") -> list[Verdict]:
        found = Parallel(n_jobs=jobs)(
            delayed(judge_drawn)(errors, seed, calibrated=calibrated, bias=bias)
            for seed in range(count)
        )
        return list(found)

    honest = {"calibrated": run(calibrated=True), "uncalibrated": run(calibrated=False)}
    floors, rows = [], []
    for name in TECHNIQUES:
        for kind in ("calibrated", "uncalibrated"):
            found = run(calibrated=kind == "calibrated", bias=name)
            heard = [one for one in found if name in one.spoke]
            told = float(np.mean([one.conflict for one in heard]))
            right = float(np.mean([one.accused[:1] == (name,) for one in heard]))
            rows.append(
                [
                    name,
                    kind,
                    f"{len(heard)}",
                    f"{100 * told:.1f} %",
                    f"{100 * right:.1f} %",
                ]
            )
            if kind == "calibrated":
                floors.append(
                    Floor(
                        what=f"{name} off by {OFFSET:g} either way: conflict told",
                        value=told,
                        limit=POWER,
                        at_least=True,
                    )
                )
    false = float(np.mean([one.conflict for one in honest["calibrated"]]))
    floors.append(Floor(what="honest series with a conflict", value=false, limit=FALSE))
    header = ["off", "kappa", "n", "conflict told", "the technique itself named first"]
    return [
        Section(
            title="From metrics with the errors of raw files",
            floors=_floors(honest["calibrated"]),
            body=(_accuracy(honest),),
        ),
        Section(
            title="Conflicts",
            floors=tuple(floors),
            body=(
                table(header, rows),
                "Of n series in which the technique has a score of any milled sample; "
                "Raman cannot always tell glass from crystal. Which of two that differ "
                "is wrong cannot be known; with three it can where the other two are "
                "precise. A bias of Raman hides behind kappa where that is not "
                "calibrated.",
            ),
        ),
    ]


def _numbers(verdicts: Sequence[Verdict]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return true shares, values and limits, shape (n_series, n_milled)."""
    return tuple(  # type: ignore[return-value]
        np.array([getattr(one, name) for one in verdicts])
        for name in ("true", "value", "low", "high")
    )


def _floors(verdicts: Sequence[Verdict], *, accused: bool = False) -> tuple[Floor, ...]:
    """Return bias and coverage beside what was asked for."""
    true, value, low, high = _numbers(verdicts)
    kept = np.isfinite(value)
    bias = abs(float((value - true)[kept].mean()))
    held = float(((low <= true) & (true <= high))[kept].mean())
    floors = [
        Floor(what="abs. bias of the structural index", value=bias, limit=BIAS),
        Floor(
            what="truth within its 95 % limits",
            value=held,
            limit=COVERED[0],
            at_least=True,
        ),
        Floor(what="the same, at most", value=held, limit=COVERED[1]),
    ]
    if accused:
        false = float(np.mean([one.conflict for one in verdicts]))
        floors.append(
            Floor(what="honest series with a conflict", value=false, limit=FALSE)
        )
    return tuple(floors)


def _accuracy(verdicts: dict[str, list[Verdict]]) -> str:
    """Return bias, scatter and coverage by milling time."""
    rows = []
    for kind, found in verdicts.items():
        true, value, low, high = _numbers(found)
        for column in range(true.shape[1]):
            kept = np.isfinite(value[:, column])
            error = (value - true)[kept, column]
            inside = ((low <= true) & (true <= high))[kept, column]
            width = (high - low)[kept, column]
            rows.append(
                [
                    kind,
                    f"{column + 1}",
                    f"{int(kept.sum())}",
                    f"{error.mean():+.4f} ± {error.std() / np.sqrt(error.size):.4f}",
                    f"{np.sqrt((error**2).mean()):.4f}",
                    f"{np.median(width):.3f}",
                    f"{100 * inside.mean():.1f} %",
                ]
            )
    header = ["kappa", "milled sample", "n", "bias", "rms", "width", "covered"]
    return table(header, rows)


def report_errors(errors: Errors) -> Section:
    """Return what the metrics of raw files are off by."""
    rows = []
    samples = errors.raw[0].samples
    for name, array in (
        ("xrd: amorphous fraction", errors.share),
        ("raman: ln(glass/crystal)", errors.ratio),
        ("nmr: share by the line's place", errors.place),
    ):
        for column, sample in enumerate(samples):
            kept = array[np.isfinite(array[:, column]), column]
            if kept.size < 3 or not np.abs(kept).max() > 1e-9:
                continue
            rows.append(
                [
                    name,
                    sample,
                    f"{kept.size}",
                    f"{kept.mean():+.3f}",
                    f"{kept.std():.3f}",
                ]
            )
    header = ["metric", "sample", "n", "mean error", "scatter"]
    return Section(
        title="Errors of metrics from raw files", body=(table(header, rows),)
    )


if __name__ == "__main__":
    sys.exit(main())
