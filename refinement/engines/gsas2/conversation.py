"""Lead one pattern through GSAS-II: stages, checks, one fallback, until stable.

The fallback of a refused stage: back to the last good project, what is to blame held
(at its bound where it crossed one), and the same stage again, up to four times as
more bounds are met; then the stage is given up and the result says so.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from refinement.engines.gsas2.checks import (
    Owner,
    Verdict,
    judge_stage,
    largest_shift,
)
from refinement.engines.gsas2.flags import (
    newly_freed,
    stage_flags,
    strengths,
    too_weak,
)
from refinement.engines.gsas2.options import Gsas2Options
from refinement.engines.gsas2.structure import compare_import
from refinement.plan import RefinementPlan, Stage
from refinement.recipes import stages_of
from structkit.errors import FitError
from structkit.structures.crystal import CrystalStructure

_LOG = logging.getLogger(__name__)
_OPEN_TIMEOUT = 120.0
_TRIAL_FRACTION = 0.01
"""Weight fraction at which an absent phase is tried once more."""


class Worker(Protocol):
    """What a conversation needs of a worker."""

    def ask(self, op: str, timeout: float, **fields: object) -> dict[str, Any]:
        """Ask for an operation and return its result."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Everything said to GSAS-II about one pattern."""

    request: Mapping[str, Any]
    """Fields of ``open``."""
    values: Mapping[str, Any]
    """Fields of ``values`` at a cold start."""
    warm: Mapping[str, Any] | None
    """Fields of ``values`` at a warm start; None: there is no neighbour."""
    reached_r_wp: float
    """Rwp (per cent) of the native engine on the same pattern; NaN: unknown."""
    least_w: float
    """The instrument's own W, in GSAS-II's units."""
    structures: tuple[CrystalStructure, ...]
    """Phases in GSAS-II's setting."""
    coordinates_of: tuple[str, ...] = ()
    """Phases whose coordinates and U are refined after all else."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a conversation left behind."""

    report: dict[str, Any]
    """The last accepted stage."""
    curves: dict[str, Any]
    """The worker's answer to ``finish``."""
    stable: bool
    """Whether refining once more changed nothing."""
    refused: list[str]
    """Stages that were refused for good, with reasons."""
    notes: list[str]
    """Fallbacks and parameters that were held."""
    stages: list[str] = field(default_factory=list)
    """Names of the stages accepted."""


class Conversation:
    """One pattern's talk with one worker."""

    def __init__(
        self,
        worker: Worker,
        plan: RefinementPlan,
        script: Script,
        options: Gsas2Options,
    ) -> None:
        """Remember the partners; say nothing."""
        self._worker, self._plan, self._script = worker, plan, script
        self._options = options
        self._deadline = time.monotonic() + options.job_timeout
        self._names = list(plan.phase_names)
        self._held: set[Owner] = set()
        self._at_bound: dict[str, Any] = {"phases": {}}
        self._notes: list[str] = []
        self._refused: list[str] = []
        self._stages: list[str] = []
        self._report: dict[str, Any] | None = None
        self._free: dict[str, Any] = {}

    def run(self) -> Outcome:
        """Go through all stages and return what was reached.

        Raises
        ------
        FitError
            When not even scales and background could be refined.
        PlanError
            When GSAS-II misread a structure.
        """
        self._open()
        if self._script.warm is None or not self._run_warm():
            self._run_cold()
        self._retry_peaks()
        self._retry_absent()
        self._give_back_weak()
        stable = self._settle()
        stable = self._refine_coordinates() and stable
        assert self._report is not None  # noqa: S101 - _run_cold raises otherwise
        curves = self._ask("finish", _OPEN_TIMEOUT)
        return Outcome(
            report=self._report,
            curves=curves,
            stable=stable,
            refused=self._refused,
            notes=self._notes,
            stages=self._stages,
        )

    def _ask(self, op: str, timeout: float, **fields: object) -> dict[str, Any]:
        left = self._deadline - time.monotonic()
        if left <= 0.0:
            raise FitError(
                f"the pattern took longer than {self._options.job_timeout:g} s in "
                "GSAS-II; narrow the range, or leave phases out"
            )
        return self._worker.ask(op, min(timeout, left), **fields)

    def _open(self) -> None:
        described = self._ask("open", _OPEN_TIMEOUT, **self._script.request)
        for structure in self._script.structures:
            compare_import(structure, described["phases"][structure.name])

    def _run_cold(self) -> None:
        self._report, self._held, self._stages = None, set(), []
        self._at_bound, self._free = {"phases": {}}, {}
        self._ask("values", _OPEN_TIMEOUT, **self._script.values)
        self._ask("keep", _OPEN_TIMEOUT)
        stages = stages_of(self._plan, self._options.recipe)
        for number, stage in enumerate(stages):
            last = number == len(stages) - 1
            cycles = self._options.cycles if last else self._options.early_cycles
            self._run_stage(stage, cycles)
            if self._report is None:
                raise FitError(
                    "GSAS-II could not even refine scales and background: "
                    + "; ".join(self._refused)
                )

    def _run_warm(self) -> bool:
        """Try from a neighbour: scales, positions, everything; False: start cold."""
        assert self._script.warm is not None  # noqa: S101 - the caller looked
        self._ask("values", _OPEN_TIMEOUT, **self._script.warm)
        self._ask("keep", _OPEN_TIMEOUT)
        stages = stages_of(self._plan, self._options.recipe)
        for stage in stages[:2]:  # another displacement comes before widths
            if self._report is not None or stage is stages[0]:
                self._run_stage(stage, self._options.early_cycles)
        if self._report is not None:
            self._run_stage(stages[-1], self._options.cycles)
        worst = self._options.warm_factor * self._script.reached_r_wp
        reason = "; ".join(self._refused)
        if not reason and self._best_r_wp() > worst:
            reason = f"Rwp {self._best_r_wp():.2f} %, more than {worst:.2f} %"
        if self._report is not None and not reason:
            return True
        self._notes.append(f"warm start refused: {reason}")
        self._refused.clear()
        return False

    def _run_stage(self, stage: Stage, cycles: int) -> None:
        """Refine a stage; when refused, again with what is to blame held.

        What crossed a bound is held at it, what else is blamed where it was, and what
        cannot be blamed on anything is held with all that the stage freed.
        """
        free = self._flags(stage)
        if free == self._free and self._report is not None:
            return
        problems: tuple[str, ...] = ()
        blamed: set[Owner] = set()
        for _ in range(1 + self._options.fallbacks):
            verdict = self._try(free, cycles)
            if verdict is None:
                self._stages.append(stage.name)
                break
            problems = problems or verdict.problems
            held = set(verdict.owners) - self._held or newly_freed(free, self._free)
            self._hold(held, verdict)
            blamed |= held
            fewer = self._flags(stage)
            if fewer == self._free and verdict.owners and self._report is not None:
                break
            if fewer in (free, self._free):
                self._refused.append(f"stage {stage.name}: {'; '.join(problems[:3])}")
                return
            free = fewer
        else:
            self._refused.append(f"stage {stage.name}: {'; '.join(problems[:3])}")
            return
        if blamed:
            self._note_held(stage.name, blamed, problems)

    def _hold(self, held: set[Owner], verdict: Verdict) -> None:
        """Hold parameters: where a bound was crossed there, else where they were."""
        self._held |= held
        for (group, phase), bound in verdict.bounds.items():
            if (group, phase) not in held:
                continue
            if group == "resolution":
                self._at_bound["w"] = bound
            elif group == "peaks":
                self._at_bound.setdefault("areas", {})[phase] = bound
            elif group != "texture" or self._is_march(phase):
                key = "march" if group == "texture" else group
                self._at_bound["phases"].setdefault(phase, {})[key] = bound
        self._restore_bounds()

    def _restore_bounds(self) -> None:
        """Set what is held at a bound, which going back has undone."""
        if self._at_bound["phases"] or len(self._at_bound) > 1:
            self._ask("values", _OPEN_TIMEOUT, **self._at_bound)

    def _is_march(self, name: str) -> bool:
        return any(
            phase.name == name and phase.texture_model == "march-dollase"
            for phase in self._plan.phases
        )

    def _try(self, free: dict[str, Any], cycles: int) -> Verdict | None:
        """Refine; None when accepted and kept, else the verdict, reverted."""
        report, verdict = self._refine(free, cycles)
        if verdict.accepted:
            self._ask("keep", _OPEN_TIMEOUT)
            self._report, self._free = report, free
            return None
        self._ask("revert", _OPEN_TIMEOUT)
        self._restore_bounds()
        return verdict

    def _refine(
        self, free: dict[str, Any], cycles: int
    ) -> tuple[dict[str, Any], Verdict]:
        """Refine with these flags and judge the outcome."""
        options = self._options
        last = cycles == options.cycles
        begun = time.perf_counter()
        report = self._ask(
            "stage",
            options.stage_timeout,
            free=free,
            cycles=cycles,
            tolerance=options.tolerance if last else options.early_tolerance,
        )
        verdict = judge_stage(
            report,
            self._names,
            best_r_wp=self._best_r_wp(),
            least_w=self._script.least_w,
            cells={
                name: values["cell"]
                for name, values in self._script.values["phases"].items()
            },
            cell_range=options.cell_range,
        )
        _LOG.debug(
            "Rwp %s, %d varied, shift/esd %.3g of %s, %.1f s: %s",
            report["rvals"].get("Rwp"),
            len(report["varied"]),
            *largest_shift(report),
            time.perf_counter() - begun,
            "; ".join(verdict.problems) or "accepted",
        )
        return report, verdict

    def _best_r_wp(self) -> float:
        return math.inf if self._report is None else self._report["rvals"]["Rwp"]

    def _note_held(
        self, stage: str, held: set[Owner], problems: tuple[str, ...]
    ) -> None:
        what = ", ".join(_name_owner(owner) for owner in sorted(held))
        self._notes.append(f"stage {stage}: held {what} ({'; '.join(problems[:2])})")

    def _flags(self, stage: Stage) -> dict[str, Any]:
        """Return what a stage frees, given what is held and what was seen so far."""
        shares = dict.fromkeys(self._names, (0.0, 0.0))
        if self._report is not None:
            shares = strengths(self._report, self._names)
        return stage_flags(
            stage,
            self._plan,
            self._options.recipe,
            held=self._held,
            shares=shares,
            n_peaks=len(self._script.request["peaks"]),
        )

    def _retry_absent(self) -> None:
        """Give phases whose scale was held at zero another chance, cells known now."""
        absent = [name for name in self._names if ("scale", name) in self._held]
        if not absent or self._report is None:
            return
        states = self._report["state"]["phases"]
        mass = sum(states[n]["scale"] * states[n]["mass"] for n in self._names)
        values = {
            name: {"scale": _TRIAL_FRACTION * mass / states[name]["mass"]}
            for name in absent
        }
        self._release({("scale", name) for name in absent}, phases=values)

    def _retry_peaks(self) -> None:
        """Free background peaks again that were held at zero while cells were off."""
        numbers = list(self._at_bound.get("areas", ()))
        if numbers:
            peaks = self._script.request["peaks"]
            start = {number: peaks[int(number)][1] for number in numbers}
            self._release({("peaks", number) for number in numbers}, areas=start)

    def _release(self, owners: set[Owner], **values: Any) -> None:
        """Try the last stage with something free again; refused, all is as it was."""
        refused, held = list(self._refused), set(self._held)
        at_bound = copy.deepcopy(self._at_bound)
        self._held -= owners
        for group, name in owners:
            if group == "peaks":
                self._at_bound["areas"].pop(name, None)
            else:
                self._at_bound["phases"].get(name, {}).pop(group, None)
        self._ask("values", _OPEN_TIMEOUT, **values)
        stages = stages_of(self._plan, self._options.recipe)
        self._run_stage(stages[-1], self._options.cycles)
        if self._refused != refused:  # no stage of the plan: nothing is lost
            self._refused, self._held, self._at_bound = refused, held, at_bound
            self._ask("revert", _OPEN_TIMEOUT)
            self._restore_bounds()

    def _give_back_weak(self) -> None:
        """Put phases that turned out too weak back to their start, and refit.

        A line of noise can look like a phase until its width is free.
        """
        report = self._report
        if report is None:
            return
        recipe = self._options.recipe
        weak = too_weak(self._free, strengths(report, self._names), recipe)
        if not weak:
            return
        phases: dict[str, Any] = {}
        for group, name in weak:
            key = "march" if group == "texture" else group
            start = self._script.values["phases"][name][key]
            phases.setdefault(name, {})[key] = start
        before, free = set(self._held), self._free
        self._held |= weak
        for name, values in phases.items():
            self._at_bound["phases"].setdefault(name, {}).update(values)
        self._restore_bounds()
        self._report = {**report, "rvals": {**report["rvals"], "Rwp": math.inf}}
        flags = self._flags(stages_of(self._plan, recipe)[-1])
        verdict = self._try(flags, self._options.cycles)
        names = sorted({name for _, name in weak})
        if verdict is None:
            self._notes.append(f"too weak for cell or widths: {', '.join(names)}")
            return
        self._held, self._report, self._free = before, report, free
        for name, values in phases.items():
            for key in values:
                self._at_bound["phases"][name].pop(key)
        self._ask("revert", _OPEN_TIMEOUT)

    def _settle(self) -> bool:
        """Repeat the last stage until nothing moves; False: it never came to rest."""
        for _ in range(self._options.repetitions):
            report, verdict = self._refine(self._free, self._options.cycles)
            if not verdict.accepted:
                self._ask("revert", _OPEN_TIMEOUT)
                held = set(verdict.owners)
                if not held:
                    self._refused.append(f"repetition: {verdict.problems[0]}")
                    return False
                self._hold(held, verdict)
                self._note_held("repetition", held, verdict.problems)
                self._free = _without(self._free, held)
                continue
            self._ask("keep", _OPEN_TIMEOUT)
            fall = 1.0 - report["rvals"]["Rwp"] / self._best_r_wp()
            self._report = report
            if report["rvals"].get("Aborted") and fall < self._options.stuck_change:
                self._notes.append("GSAS-II found no step that lowers chi-square")
                return True
            shift, _ = largest_shift(report)
            if shift < self._options.stable_shift:
                return True
            if abs(fall) < self._options.noise and shift < 1.0:
                return True
        return False

    def _try_atoms(self, atoms: Mapping[str, str]) -> str:
        """Refine with free atoms, holding what else meets a bound; empty: accepted."""
        problems = ""
        for _ in range(1 + self._options.fallbacks):
            verdict = self._try({**self._free, "atoms": atoms}, self._options.cycles)
            if verdict is None:
                return ""
            problems = "; ".join(verdict.problems[:3])
            others = {owner for owner in verdict.owners if owner[0] != "atoms"}
            if not others or others != verdict.owners:
                break
            self._hold(others, verdict)
            self._note_held("atoms", others, verdict.problems)
            self._free = _without(self._free, others)
        return problems

    def _refine_coordinates(self) -> bool:
        """Free coordinates, then U, phase by phase; what is refused stays as it was."""
        wanted = self._script.coordinates_of
        if not wanted:
            return True
        atoms: dict[str, str] = {}
        for flags in ("X", "XU"):
            for name in wanted:
                if flags == "XU" and name not in atoms:
                    continue
                tried = {**atoms, name: flags}
                problems = self._try_atoms(tried)
                if not problems:
                    atoms = tried
                    self._stages.append(f"atoms of {name}: {flags}")
                else:
                    self._notes.append(f"atoms of {name}, {flags}, refused: {problems}")
        return self._settle()


def _without(free: Mapping[str, Any], held: set[Owner]) -> dict[str, Any]:
    """Return flags without what is held."""
    found: dict[str, Any] = {}
    for key, value in free.items():
        if isinstance(value, list):  # of phases, or of numbers of background peaks
            kept = [name for name in value if (key, str(name)) not in held]
            found[key] = [] if (key, "") in held else kept
        elif isinstance(value, dict):
            found[key] = {n: v for n, v in value.items() if (key, n) not in held}
        else:
            found[key] = None if (key, "") in held else value
    return found


def _name_owner(owner: Owner) -> str:
    """Return what an owner is in words."""
    group, name = owner
    if group == "peaks":
        return f"background peak {name}" if name else "background peaks"
    return f"{group} of {name}" if name else group
