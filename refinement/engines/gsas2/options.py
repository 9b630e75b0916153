"""Engine gsas2's own means: cycles, deadlines, thresholds of its checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from refinement.engines.native.options import NativeOptions
from refinement.recipes import MILLED_POWDER, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Gsas2Options:
    """Means of engine ``gsas2``; the physics stands in the plan."""

    recipe: Recipe = MILLED_POWDER
    """Stages and thresholds for plans without stages of their own."""
    instrument_file: Path | None = None
    """The user's own ``.instprm`` in place of one written from the plan."""
    goniometer_radius_mm: float = 217.5
    """Radius by which GSAS-II counts the displacement; the product alone matters."""
    early_cycles: int = 4
    """Cycles of the stages before the last."""
    cycles: int = 10
    """Cycles of the last stage, and of each repetition."""
    early_tolerance: float = 1e-3
    """Relative change of chi-square at which an early stage may stop."""
    tolerance: float = 1e-5
    """The same of the last stage and its repetitions; GSAS-II's own default is
    1e-3, at which parameters may still move by several esds. Below 1e-5 its numbers
    are too coarse: no step lowers chi-square any more."""
    fallbacks: int = 4
    """How often a refused stage is tried again, each time with more held."""
    repetitions: int = 4
    """How often the last stage is repeated until it is stable."""
    warm_factor: float = 1.1
    """Rwp over the native engine's from which a warm start is thought to have gone
    astray and the pattern is started cold."""
    cell_range: float = 0.008
    """Relative change of an axis from its start beyond which a cell ran away; that of
    the native engine's bounds."""
    stable_shift: float = 0.25
    """Largest shift over esd of a repetition that counts as stable."""
    stuck_change: float = 1e-4
    """Relative fall of Rwp up to which a repetition in which GSAS-II finds no step
    downhill counts as stable too."""
    noise: float = 1e-5
    """Relative change of Rwp that is GSAS-II's own numerical noise: a repetition that
    changes it less and moves no parameter by an esd counts as stable too."""
    stage_timeout: float = 300.0
    """Deadline of one stage, s."""
    job_timeout: float = 1800.0
    """Deadline of one pattern, s."""
    native: NativeOptions = field(default_factory=NativeOptions)
    """The native engine that places the halo and finds uncertain cells."""
