"""When a stage of GSAS-II may be believed: ``converged`` alone does not say so.

GSAS-II drops parameters without failing, gives esds of 1e14, takes a scale to 1e-12
and calls that converged, and after a failed refinement still shows the figures of the
one before. A stage is accepted only when none of that is seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Owner = tuple[str, str]
"""Group of parameters and phase; the phase is empty for those of the pattern."""

_PATTERNS = (
    (re.compile(r"^(\d+)::A\d$"), "cell"),
    (re.compile(r"^(\d+):\d+:Scale$"), "scale"),
    (re.compile(r"^(\d+):\d+:Size;"), "size"),
    (re.compile(r"^(\d+):\d+:Mustrain;"), "strain"),
    (re.compile(r"^(\d+):\d+:(?:MD|C\()"), "texture"),
    (re.compile(r"^(\d+)::(?:d?A[xyz]|AUiso|AU\d\d|Afrac)"), "atoms"),
    (re.compile(r"^():\d+:(?:Shift|Zero)$"), "shift"),
    (re.compile(r"^():\d+:[UVWXYZ]$"), "resolution"),
    (re.compile(r"^():\d+:BkPk"), "peaks"),
    (re.compile(r"^():\d+:BF mult"), "blank"),
    (re.compile(r"^():\d+:(?:Back|Debye)"), "background"),
)
_BAD_CELL = re.compile(r"metric tensor for phase #\d+\s*\((.+?)\)")
_PEAK_AREA = re.compile(r"^:\d+:BkPkint;(\d+)$")
_DROPPED = re.compile(r"dropped:\s*(.*)", re.DOTALL)
_SINGULAR = re.compile(r"likely from:\s*(.*)", re.DOTALL)
_NAME = re.compile(r"\d*:\d*:[A-Za-z][\w;]*(?:\(\d+,-?\d+(?:,-?\d+)?\))?(?::\d+)?")
_HUGE = {"cell": 0.02, "size": 3.0, "texture": 1.0, "atoms": 1.0}
"""Esd over value (cell, size) or esd itself from which a parameter is undetermined."""
_RELATIVE = frozenset({"cell", "size"})
_UNDETERMINED = 1e6
"""Esd over value from which any parameter is."""
SIZES_UM = (5e-3, 100.0)
"""Sizes that are possible, micrometre: from 4.5 nm, as in the native engine. Smaller
ones scatter like a glass, and a fit would take its halo for them."""
LARGEST_STRAIN = 4e4
"""Largest microstrain in GSAS-II's units (1 % of a cell's edge, four times)."""
LARGEST_U = 0.5
"""Largest U of an atom, angstrom squared."""
LEAST_SCALE = 1e-8
"""Scale at which an absent phase is held: GSAS-II cuts scales off at 1e-12, below
which they have no derivative and are undetermined."""
_HOLD_AT = {"scale": LEAST_SCALE, "size": 10.0, "strain": 1.0, "texture": 1.0}
"""Where is held what fits no better than without: absent, no broadening, no texture."""
_WORSE = 1.01
"""Factor of Rwp that a stage may lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What speaks against a stage; nothing: it is accepted."""

    problems: tuple[str, ...] = ()
    """In words."""
    owners: frozenset[Owner] = frozenset()
    """Groups and phases that the problems belong to, where that can be told."""
    bounds: Mapping[Owner, float] = field(default_factory=dict)
    """Bounds that were crossed, in GSAS-II's units: where to hold those parameters."""

    @property
    def accepted(self) -> bool:
        """Return whether nothing speaks against it."""
        return not self.problems


def owner_of(name: str, phases: Sequence[str]) -> Owner:
    """Return group and phase of one of GSAS-II's variables.

    Examples
    --------
    >>> owner_of("1:0:Size;i", ["NaCl", "Na2O"])
    ('size', 'Na2O')
    >>> owner_of(":0:Shift", ["NaCl"])
    ('shift', '')
    """
    for pattern, group in _PATTERNS:
        found = pattern.match(name)
        if found:
            number = found.group(1)
            return group, phases[int(number)] if number else ""
    return "other", ""


def judge_stage(
    report: Mapping[str, Any],
    phases: Sequence[str],
    *,
    best_r_wp: float = math.inf,
    least_w: float = 0.0,
    cells: Mapping[str, Sequence[float]] | None = None,
    cell_range: float = math.inf,
) -> Verdict:
    """Judge a stage that the worker reported.

    Parameters
    ----------
    report : mapping
        The worker's answer to ``stage``.
    phases : sequence of str
        Names of the phases in GSAS-II's order.
    best_r_wp : float
        Rwp (per cent) of the last accepted stage.
    least_w : float
        The instrument's own W in GSAS-II's units: a sample can only broaden. Below
        it GSAS-II's widths become negative, are cut off, and nothing moves any more.
    cells : mapping of str to sequence of float, optional
        Cells (angstrom, degree) at the start.
    cell_range : float
        Largest relative change of an axis from there.
    """
    fatal = _fatal(report, best_r_wp)
    if fatal:
        bad = _BAD_CELL.search(fatal)
        named = bad is not None and bad.group(1) in phases
        owners_named = {("cell", bad.group(1))} if bad is not None and named else set()
        return Verdict(problems=(fatal,), owners=frozenset(owners_named))
    problems: list[str] = []
    owners: set[Owner] = set()
    bounds: dict[Owner, float] = {}

    def blame(problem: str, owner: Owner) -> None:
        problems.append(problem)
        if owner[0] in ("background", "peaks"):  # what both can describe, one does
            owners.add(("peaks", ""))
        elif owner[0] not in ("blank", "other"):
            owners.add(owner)

    for name in _named(_DROPPED, report):
        blame(f"GSAS-II dropped {name}", owner_of(name, phases))
    if report["rvals"].get("SVD0"):
        problems.append(f"{report['rvals']['SVD0']} singularities (SVD)")
        for name in _named(_SINGULAR, report):
            blame(f"singular: {name}", owner_of(name, phases))
        if not owners:
            blame("background and its peaks", ("peaks", ""))
    for name in report.get("frozen", ()):
        blame(f"GSAS-II froze {name} at its limit", owner_of(name, phases))
    values = [math.nan if value is None else value for value in report["values"]]
    rows = list(zip(report["varied"], values, report["esd"], strict=True))
    largest: dict[Owner, float] = {}
    for name, value, _ in rows:
        owner = owner_of(name, phases)
        if math.isfinite(value):
            largest[owner] = max(largest.get(owner, 0.0), abs(value))
    for name, value, esd in rows:
        owner = owner_of(name, phases)
        group = owner[0]
        problem = _judge_value(name, group, value, esd, scale=largest.get(owner, 0.0))
        if group == "resolution" and value < least_w:
            problem = f"W {value:.3g} is below the instrument's {least_w:.3g}"
            bounds[owner] = least_w
        elif problem and group in _HOLD_AT:
            if group != "size" or not -SIZES_UM[1] < value < 1.0:
                bounds[owner] = _HOLD_AT[group]
        if problem:
            blame(f"{name}: {problem}", owner_of(name, phases))
    for name, value, _ in rows:
        number = _peak_number(name)
        if number and value < 0.0:
            problems.append(f"{name}: background peak {value:.4g} is below zero")
            owners.add(("peaks", number))
            bounds["peaks", number] = 0.0
    for name, start in (cells or {}).items():
        found = report["state"]["phases"][name]["cell"]
        for axis in range(3):
            change = found[axis] / start[axis] - 1.0
            if not abs(change) <= cell_range:
                blame(
                    f"cell of {name} ran away by {100 * change:.1f} %", ("cell", name)
                )
                break
    return Verdict(problems=tuple(problems), owners=frozenset(owners), bounds=bounds)


def _fatal(report: Mapping[str, Any], best_r_wp: float) -> str:
    """Return why a stage has no figures of its own; empty where it has."""
    rvals = report.get("rvals", {})
    r_wp = rvals.get("Rwp")
    if report.get("error"):
        return f"GSAS-II stopped: {_shorten(report['error'])}"
    if report.get("returned_false"):
        return f"GSAS-II gave up: {_shorten(report.get('returned_message', ''))}"
    if r_wp is None or not report.get("varied"):
        return "GSAS-II left no figures of this stage"
    if not report.get("covariance"):
        return "GSAS-II left no covariance matrix"
    if r_wp > _WORSE * best_r_wp:
        return f"Rwp rose from {best_r_wp:.2f} to {r_wp:.2f} %"
    return ""


def _shorten(text: object) -> str:
    return " ".join(str(text).split())[:300]


def _named(pattern: re.Pattern[str], report: Mapping[str, Any]) -> list[str]:
    """Return the variables that GSAS-II's message lists behind a phrase."""
    found = pattern.search(str(report["rvals"].get("msg") or ""))
    if found is None:
        return []
    first = found.group(1).split("\n\n")[0]
    for stop in ("Warning:", "Note ", "Check ", "SVD problem", "Error:"):
        first = first.split(stop)[0]
    return _NAME.findall(first) or ["a parameter"]


def _peak_number(name: str) -> str:
    """Return which background peak's area a variable is; empty: it is none.

    GSAS-II cuts areas off at zero but keeps their derivative, so that a negative one
    runs away and takes every other step with it.
    """
    found = _PEAK_AREA.match(name)
    return found.group(1) if found else ""


def _judge_value(
    name: str, group: str, value: float, esd: float | None, *, scale: float
) -> str:
    """Return what is wrong with one refined value; empty where nothing is."""
    if not math.isfinite(value):
        return "no number"
    if group == "scale" and value <= LEAST_SCALE:
        return "scale at zero"
    if esd is None or not math.isfinite(esd):
        return "no esd"
    if esd == 0.0:
        return "esd 0: it did not take part"
    if group == "size" and not SIZES_UM[0] <= value <= SIZES_UM[1]:
        return f"size {value:.3g} micrometre is impossible"
    if group == "strain" and not 0.0 <= value <= LARGEST_STRAIN:
        return f"microstrain {value:.4g} is impossible"
    if group == "atoms" and ":AUiso" in name and not 0.0 < value < LARGEST_U:
        return f"U {value:.3g} is impossible"
    limit = _HUGE.get(group, math.inf)
    reference = scale if group == "cell" else abs(value)
    measure = esd / max(reference, 1e-300) if group in _RELATIVE else esd
    if measure > limit or (
        group != "atoms" and esd > _UNDETERMINED * max(abs(value), 1.0)
    ):
        return f"undetermined, {value:.4g} with an esd of {esd:.2g}"
    return ""


def largest_shift(report: Mapping[str, Any]) -> tuple[float, str]:
    """Return the largest shift over esd of a stage's last cycle, and whose it is.

    Infinite where it is unknown, as when no step was taken.
    """
    rows = zip(report["last_shifts"], report["esd"], report["varied"], strict=True)
    ratios = [
        (abs(s) / esd, str(name)) for s, esd, name in rows if s is not None and esd
    ]
    return max(ratios, default=(math.inf, ""))
