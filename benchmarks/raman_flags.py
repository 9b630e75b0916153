"""What misleads a reader of Raman spectra, and whether it is told.

Sections of the page that ``benchmarks.raman`` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.page import Floor, Section, table
from benchmarks.raman_series import MILLED, Measured
from structkit.synthetic.raman_truth import RAMAN_ADVERSARIES

FALSE_ALARMS = 0.05
LATE = ("4h", "6h")
"""Samples in which TaCl5 is a residue, not what has yet to react."""
RESIDUE = 0.02
"""Share of tantalum in TaCl5 that is worth a flag."""
HONEST = ("honest", "one place")
"""Kinds of series in which nothing is wrong."""


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
    for kind in (*HONEST, *RAMAN_ADVERSARIES):
        own = [one for one in found if one.kind == kind]
        if not own:
            continue
        cells = []
        for adversary, (_, raised) in FLAGS.items():
            number = sum(raised(one) for one in own)
            cells.append(f"{number}" if adversary != kind else f"**{number}**")
            if adversary == kind:
                told, asked = told + number, asked + len(own)
            elif kind in HONEST:
                false += sum(
                    raised(one) and not _is_true(one, adversary) for one in own
                )
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
                    count_of([t for t in told if "TaCl5" in t.seen], len(told)),
                    count_of([t for t in told if "TaCl5" in t.best], len(told)),
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


def count_of(part: Sequence[object], whole: int) -> str:
    """Return how many of how many."""
    return f"{len(part)} of {whole}"
