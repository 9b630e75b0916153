"""Lead one pattern through GSAS-II: stages, checks, one fallback, until stable."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from refinement.engines.gsas2.checks import Owner, judge_stage, largest_shift
from refinement.engines.gsas2.options import Gsas2Options
from refinement.engines.gsas2.structure import compare_import
from refinement.plan import RefinementPlan, Stage
from refinement.recipes import stages_of
from structkit.errors import FitError
from structkit.structures.crystal import CrystalStructure

_OPEN_TIMEOUT = 120.0
_GROUPS = ("cell", "size", "strain", "texture")


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
        """Try from a neighbour: scales, then everything; False: start cold."""
        assert self._script.warm is not None  # noqa: S101 - the caller looked
        self._ask("values", _OPEN_TIMEOUT, **self._script.warm)
        self._ask("keep", _OPEN_TIMEOUT)
        stages = stages_of(self._plan, self._options.recipe)
        self._run_stage(stages[0], self._options.early_cycles)
        if self._report is not None:
            self._run_stage(stages[-1], self._options.cycles)
        if self._report is not None and not self._refused:
            return True
        self._notes.append("warm start refused: " + "; ".join(self._refused))
        self._refused.clear()
        self._ask("values", _OPEN_TIMEOUT, **self._script.values)
        return False

    def _run_stage(self, stage: Stage, cycles: int) -> None:
        """Refine a stage; when refused, once more with the blamed groups held."""
        free = self._flags(stage)
        if free == self._free and self._report is not None:
            return
        verdict = self._try(free, cycles)
        if verdict is None:
            self._stages.append(stage.name)
            return
        problems, owners = verdict
        held = owners or self._newly_freed(free)
        self._held |= held
        fewer = self._flags(stage)
        if fewer not in (free, self._free):
            again = self._try(fewer, cycles)
            if again is None:
                self._stages.append(stage.name)
                self._note_held(stage.name, held, problems)
                return
            problems = again[0]
            self._held |= again[1] or self._newly_freed(fewer)
        elif fewer == self._free and owners and self._report is not None:
            self._note_held(stage.name, held, problems)
            return
        self._refused.append(f"stage {stage.name}: {'; '.join(problems[:3])}")

    def _try(
        self, free: dict[str, Any], cycles: int
    ) -> tuple[tuple[str, ...], set[Owner]] | None:
        """Refine; None when accepted and kept, else problems and owners, reverted."""
        report = self._ask(
            "stage", self._options.stage_timeout, free=free, cycles=cycles
        )
        verdict = judge_stage(report, self._names, best_r_wp=self._best_r_wp())
        if verdict.accepted:
            self._ask("keep", _OPEN_TIMEOUT)
            self._report, self._free = report, free
            return None
        self._ask("revert", _OPEN_TIMEOUT)
        return verdict.problems, set(verdict.owners)

    def _best_r_wp(self) -> float:
        return math.inf if self._report is None else self._report["rvals"]["Rwp"]

    def _note_held(
        self, stage: str, held: set[Owner], problems: tuple[str, ...]
    ) -> None:
        what = ", ".join(
            f"{group} of {phase}" if phase else group for group, phase in sorted(held)
        )
        self._notes.append(f"stage {stage}: held {what} ({'; '.join(problems[:2])})")

    def _newly_freed(self, free: dict[str, Any]) -> set[Owner]:
        """Return what a stage frees that was not free before."""
        found: set[Owner] = set()
        for group in _GROUPS:
            before = set(self._free.get(group, ()))
            found |= {
                (group, name) for name in free.get(group, ()) if name not in before
            }
        for group in ("shift", "resolution"):
            if free.get(group) and not self._free.get(group):
                found.add((group, ""))
        return found

    def _flags(self, stage: Stage) -> dict[str, Any]:
        """Return the worker's flags: the stage's groups where phases are strong."""
        plan = self._plan
        shares = self._strengths()
        free: dict[str, Any] = {"scale": list(self._names)}
        for group, wanted in (
            ("cell", [p.name for p in plan.phases if p.refine_cell]),
            ("size", [p.name for p in plan.phases if p.refine_size]),
            ("strain", [p.name for p in plan.phases if p.refine_strain]),
            ("texture", [p.name for p in plan.phases if p.texture is not None]),
        ):
            free[group] = [
                name
                for name in wanted
                if group in stage.free
                and (group, name) not in self._held
                and self._options.recipe.admits(
                    group,
                    weight_fraction=shares[name][0],
                    significance=shares[name][1],
                )
            ]
        if plan.shift != "fixed" and "shift" in stage.free and free["cell"]:
            free["shift"] = None if ("shift", "") in self._held else plan.shift
        free["resolution"] = (
            "resolution" in stage.free
            and plan.refines_resolution
            and ("resolution", "") not in self._held
            and bool(free["size"])
        )
        return free

    def _strengths(self) -> dict[str, tuple[float, float]]:
        """Return weight fraction and scale/esd of each phase at the last stage."""
        if self._report is None:
            return dict.fromkeys(self._names, (0.0, 0.0))
        return strengths(self._report, self._names)

    def _settle(self) -> bool:
        """Repeat the last stage until nothing moves; False: it never came to rest."""
        for _ in range(self._options.repetitions):
            report = self._ask(
                "stage",
                self._options.stage_timeout,
                free=self._free,
                cycles=self._options.cycles,
            )
            verdict = judge_stage(report, self._names, best_r_wp=self._best_r_wp())
            if not verdict.accepted:
                self._ask("revert", _OPEN_TIMEOUT)
                held = set(verdict.owners)
                if not held:
                    self._refused.append(f"repetition: {verdict.problems[0]}")
                    return False
                self._held |= held
                self._note_held("repetition", held, verdict.problems)
                self._free = {
                    key: [name for name in value if (key, name) not in held]
                    if isinstance(value, list)
                    else value
                    for key, value in self._free.items()
                }
                continue
            self._ask("keep", _OPEN_TIMEOUT)
            self._report = report
            if largest_shift(report) < self._options.stable_shift:
                return True
        return False

    def _refine_coordinates(self) -> bool:
        """Free coordinates, then U, of the phases that ask for it."""
        wanted = self._script.coordinates_of
        if not wanted:
            return True
        for flags in ("X", "XU"):
            free = {**self._free, "atoms": dict.fromkeys(wanted, flags)}
            verdict = self._try(free, self._options.cycles)
            if verdict is not None:
                problems = "; ".join(verdict[0][:3])
                self._notes.append(f"stage atoms {flags} refused: {problems}")
                return self._settle()
            self._stages.append(f"atoms {flags}")
        return self._settle()


def strengths(
    report: Mapping[str, Any], names: list[str]
) -> dict[str, tuple[float, float]]:
    """Return weight fraction and scale over esd of each phase of a report."""
    phases = report["state"]["phases"]
    masses = {n: max(phases[n]["scale"], 0.0) * phases[n]["mass"] for n in names}
    total = max(sum(masses.values()), 1e-300)
    esds = dict(zip(report["varied"], report["esd"], strict=True))
    found = {}
    for name in names:
        esd = esds.get(f"{phases[name]['number']}:0:Scale")
        ratio = phases[name]["scale"] / esd if esd else 0.0
        found[name] = (masses[name] / total, ratio)
    return found
