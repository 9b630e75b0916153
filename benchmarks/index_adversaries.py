"""Every adversary of a whole series, from raw files: is the reader told?

Each is written with the technique that can see it, analysed by the stages of
``structkit run``, and looked for in what they store.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from benchmarks.adversaries import OWN_FLAG
from benchmarks.index_series import believed_kappa, judge
from benchmarks.page import Floor, Section, table
from structkit.errors import DataQualityWarning
from structkit.io.manifest import read_series
from structkit.pipeline.checks import run_checks
from structkit.pipeline.diffraction import run_refinement
from structkit.pipeline.eis import run_eis
from structkit.pipeline.index import gather_metrics
from structkit.pipeline.nmr import run_nmr
from structkit.pipeline.raman import run_raman
from structkit.schema import SAMPLE
from structkit.store import read_dataset, read_table, read_tree
from structkit.synthetic.whole import write_series
from structkit.synthetic.whole_truth import SERIES_ADVERSARIES, SeriesTruth

MILLED = ("1h", "2h", "4h", "6h")
LATE = ("4h", "6h")
KAPPA_STD = 0.15
_RAMAN_SPECIES: Mapping[str, tuple[str, ...]] = {
    "ta2o5": ("Ta2O5",),
    "cover_glass": ("cover glass", "silica glass"),
    "tacl5_residue": ("TaCl5",),
}
_CHECKS = {
    "thickness_doubled": "pellet",
    "electronic_leak": "electrons",
    "t1_swap": "T1 of lines",
    "saturated_nacl": "saturation",
    "wrong_larmor": "larmor",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was said of one series with an adversary."""

    adversary: str
    """Its name."""
    told: bool
    """Whether the reader is told."""
    where: str
    """By what."""
    said: str
    """In which words, shortened."""


def measure_adversary(name: str, seed: int) -> Answer:
    """Write a series with an adversary, analyse it, and look for what tells it."""
    folder = Path(tempfile.mkdtemp(prefix="structkit-adversary-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataQualityWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            return _measure(name, seed, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(name: str, seed: int, folder: Path) -> Answer:
    techniques, look = _question(name)
    truth = SeriesTruth.draw(seed)
    spiked = "4h" if name == "other_phase" else None
    series_file = write_series(
        folder / "measured",
        seed=seed,
        truth=truth,
        adversary=name,  # type: ignore[arg-type]
        techniques=techniques,  # type: ignore[arg-type]
        spiked=spiked,
    )
    if name == "cover_glass":
        # an analyst who measured the glass names it as a blank; this one did not
        text = series_file.read_text(encoding="utf-8")
        kept = [line for line in text.splitlines() if "cover_glass.txt" not in line]
        series_file.write_text("\n".join(kept) + "\n", encoding="utf-8")
    output = folder / "results"
    stages: Mapping[str, Callable[[], object]] = {
        "xrd": lambda: run_refinement(series_file, output),
        "raman": lambda: run_raman(series_file, output),
        "eis": lambda: run_eis(series_file, output, figures=False),
        "nmr": lambda: run_nmr(series_file, output, figures=False),
    }
    for technique in techniques:
        stages[technique]()
    told, where, said = look(series_file, output)
    return Answer(adversary=name, told=told, where=where, said=said[:110])


Look = Callable[[Path, Path], tuple[bool, str, str]]


def _question(name: str) -> tuple[tuple[str, ...], Look]:
    """Return the techniques that see an adversary, and where to look."""
    if name == "biased_raman":
        return ("xrd", "raman", "nmr"), _look_at_index
    if name in _CHECKS:
        techniques = (
            ("eis",) if name in ("thickness_doubled", "electronic_leak") else ("nmr",)
        )
        return techniques, lambda file, out: _look_at_checks(_CHECKS[name], file, out)
    if name == "stray_capacitance":
        return ("eis",), _look_at_arcs
    if name in OWN_FLAG:
        return ("xrd",), lambda _, out: _look_at_flags(OWN_FLAG[name], out)
    return ("raman",), lambda _, out: _look_at_raman(name, out)


def _look_at_flags(code: str, output: Path) -> tuple[bool, str, str]:
    rows = read_table(output / "tables" / "flags.csv")
    found = [row for row in rows if row.get("flag", row.get("code", "")) == code]
    said = next((" ".join(row.values()) for row in found), "")
    return bool(found), f"flag {code} of diffraction", said


def _look_at_checks(
    check: str, series_file: Path, output: Path
) -> tuple[bool, str, str]:
    found = [one for one in run_checks(series_file, output) if one.check == check]
    tense = [one for one in found if one.verdict.value == "tension"]
    said = f"{tense[0].sample}: {tense[0].sentence}" if tense else ""
    return bool(tense), f"check {check}", said


def _look_at_arcs(_: Path, output: Path) -> tuple[bool, str, str]:
    rows = read_table(output / "tables" / "conductivity.csv")
    said = [
        f"{row['sample']}: {row['remark']}"
        for row in rows
        if "stray capacitance" in row["remark"]
    ]
    return bool(said), "remark on the arc (honest cells too)", said[0] if said else ""


def _look_at_raman(name: str, output: Path) -> tuple[bool, str, str]:
    root = read_tree(output / "raman.nc").to_dataset(inherit=False)
    texts = [str(one) for one in root["remark_text"].to_numpy()]
    if name in ("bleaching", "laser_crystallised"):
        words = (
            ("bleach",) if name == "bleaching" else ("odd", "crystallised", "differ")
        )
        said = [one for one in texts if any(word in one for word in words)]
        return bool(said), "remark on the spots", said[0] if said else ""
    wanted = _RAMAN_SPECIES[name]
    samples = LATE if name == "tacl5_residue" else MILLED
    told = []
    for sample in samples:
        one = root.sel({SAMPLE: sample})
        first = str(root["hypothesis"].to_numpy()[int(np.nanargmin(one["delta_bic"]))])
        said_here = f"{one['rivals'].item()} {first}"
        told.extend(f"{sample}: {first}" for s in wanted if s in said_here)
    return bool(told), "reading ranked first or species", told[0] if told else ""


def _look_at_index(series_file: Path, output: Path) -> tuple[bool, str, str]:
    truth = read_dataset(series_file.with_name("truth.nc"))
    metrics = gather_metrics(read_series(series_file), output)
    true = truth["amorphous_fraction"].sel({SAMPLE: metrics[SAMPLE]}).to_numpy()
    kappa = believed_kappa(float(truth["kappa"]), np.random.default_rng(1))
    found = judge(metrics, true, kappa=kappa, kappa_std=KAPPA_STD)
    return (
        found.conflict,
        "conflict of the index (kappa known)",
        ", ".join(found.accused),
    )


def report_adversaries(seeds: int, *, jobs: int) -> Section:
    """Return what is told of each adversary, over a number of series."""
    names = tuple(SERIES_ADVERSARIES)
    found: Sequence[Answer] = Parallel(n_jobs=jobs)(
        delayed(measure_adversary)(name, seed)
        for name in names
        for seed in range(100, 100 + seeds)
    )
    rows, all_told = [], 0
    for name in names:
        own = [one for one in found if one.adversary == name]
        told = sum(one.told for one in own)
        all_told += told
        said = next((one.said for one in own if one.told), "")
        rows.append(
            [
                name,
                SERIES_ADVERSARIES[name],
                f"{told} of {len(own)}",
                own[0].where,
                said.replace("|", "/"),
            ]
        )
    header = ["adversary", "what is wrong", "told", "by", "for instance"]
    return Section(
        title="Adversaries, from raw files",
        floors=(
            Floor(
                what="series whose adversary is told",
                value=all_told / max(len(found), 1),
                limit=1.0,
                at_least=True,
            ),
        ),
        body=(table(header, rows),),
    )
