"""The stages of a series in order: what each reads, what runs it, what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from structkit.errors import PlanError
from structkit.io.manifest import SeriesFile
from structkit.io.mistakes import nearest

STUDY: Final = "study"
"""In place of a file of claims: those of the study that structkit was made for."""

LIMITS_FILE: Final = "tables/limits.csv"
"""What a run cannot conclude, below its folder."""

Seeds = Mapping[str, int]
"""What is drawn at random in a stage, and the seed of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTask:
    """What a stage is asked to do; travels to another process as it is."""

    series_file: Path
    """The series file."""
    output: Path
    """Folder of results."""
    engine: str | None = None
    """Refinement engine in place of the series file's."""
    claims: Path | str | None = None
    """File of claims, or :data:`STUDY`."""
    figures: bool = False
    """Draw every pattern and spectrum as a file too."""
    resume: bool = True
    """A stage may use what it stored of its own steps."""
    jobs: int = 1
    """Processes that the stage may start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a series."""

    name: str
    """As in ``--only``."""
    title: str
    """What it does, for people."""
    run: Callable[[StageTask], Seeds]
    """Does it."""
    results: tuple[str, ...]
    """Files below the folder of results that later stages read."""
    others: tuple[str, ...]
    """Patterns of its further files there."""
    steps: tuple[str, ...] = ()
    """Patterns of what it resumes from."""
    rooms: tuple[str, ...]
    """Source that its numbers depend on, beside :data:`COMMON_ROOMS`."""
    keys: tuple[str, ...] = ()
    """Keys of ``[[sample]]`` that it analyses; none: it reads other stages."""
    facts: tuple[str, ...] = ()
    """Further keys of ``[[sample]]`` that it reads."""
    tables: tuple[str, ...] = ()
    """Tables of the series file that it reads, beside ``[series]``."""
    after: tuple[str, ...] = ()
    """Stages whose results it reads, where they are."""
    reads: tuple[str, ...] = ()
    """Further files there that it reads."""

    def is_measured(self, series: SeriesFile) -> bool:
        """Return whether any sample has data for it."""
        return not self.keys or any(
            getattr(sample, key) is not None
            for sample in series.samples
            for key in self.keys
        )

    def find_files(self, output: Path) -> list[Path]:
        """Return what it left in a folder of results, sorted."""
        found = {
            path
            for pattern in (*self.results, *self.others, *self.steps)
            for path in output.glob(pattern)
            if path.is_file()
        }
        return sorted(found)


def _refine(task: StageTask) -> Seeds:
    from structkit.pipeline.diffraction import run_refinement

    run_refinement(
        task.series_file,
        task.output,
        engine=task.engine,
        resume=task.resume,
        jobs=task.jobs,
        figures=task.figures,
    )
    return {}


def _raman(task: StageTask) -> Seeds:
    from structkit.pipeline.raman import run_raman

    run_raman(task.series_file, task.output, figures=task.figures)
    return {}


def _eis(task: StageTask) -> Seeds:
    from structkit.eis.start import SEED
    from structkit.pipeline.eis import run_eis

    run_eis(task.series_file, task.output, figures=task.figures)
    return {"starts of circuits": SEED}


def _nmr(task: StageTask) -> Seeds:
    from structkit.nmr.sites import LineFitOptions
    from structkit.pipeline.nmr import run_nmr

    run_nmr(task.series_file, task.output, figures=task.figures)
    return {"starts of lines": LineFitOptions().seed}


def _checks(task: StageTask) -> Seeds:
    from structkit.checks.eis_nmr import SEED
    from structkit.pipeline.checks import run_checks

    run_checks(task.series_file, task.output)
    return {"draws of motion": SEED}


def _audit(task: StageTask) -> Seeds:
    from structkit.checks.audit import audit, store_audit
    from structkit.checks.eis_nmr import SEED

    claims = None if task.claims == STUDY else task.claims
    store_audit(audit(claims), task.output)
    return {"draws of motion": SEED}


def _index(task: StageTask) -> Seeds:
    from structkit.pipeline.index import run_index

    run_index(task.series_file, task.output)
    return {}


def _report(task: StageTask) -> Seeds:
    from structkit.report.write import write_report

    write_report(task.output)
    return {}


REFINE = Stage(
    name="refine",
    title="powder diffraction",
    run=_refine,
    results=("refine.nc", "crystallinity.nc"),
    others=(
        "joint.nc",
        *(f"tables/{name}.csv" for name in ("samples", "phases", "amorphous")),
        *(f"tables/{name}.csv" for name in ("series", "kinetics", "flags", "joint")),
        *("figures/series.png", "figures/patterns.png", "figures/amorphous.png"),
        "figures/fits/*.png",
    ),
    steps=("patterns/*.nc", "monitor.nc"),
    rooms=(
        *("../refinement", "xrd", "pipeline/diffraction.py"),
        "pipeline/crystallinity.py",
    ),
    keys=("xrd",),
    facts=("spike", "mixture", "composition"),
    tables=("xrd", "mill"),
)
RAMAN = Stage(
    name="raman",
    title="Raman spectra",
    run=_raman,
    results=("raman.nc",),
    others=("tables/raman_*.csv", "figures/raman*.png", "figures/raman/*.png"),
    rooms=("raman", "pipeline/raman.py", "pipeline/raman_spectra.py"),
    keys=("raman",),
    tables=("raman",),
)
EIS = Stage(
    name="eis",
    title="impedance and polarization",
    run=_eis,
    results=("eis.nc",),
    others=(
        *("tables/eis_*.csv", "tables/conductivity.csv", "tables/arrhenius.csv"),
        *("tables/polarization.csv", "tables/retention.csv", "figures/eis/*.png"),
    ),
    rooms=(
        *("eis", "pipeline/eis.py", "pipeline/eis_plan.py", "pipeline/impedance.py"),
        *("pipeline/conductivity.py", "pipeline/retention.py"),
    ),
    keys=("eis", "dc"),
    facts=("pellet",),
    tables=("eis",),
)
NMR = Stage(
    name="nmr",
    title="NMR lines and relaxation",
    run=_nmr,
    results=("nmr.nc",),
    others=(
        *("tables/nmr_*.csv", "tables/t1.csv"),
        *("figures/nmr*.png", "figures/nmr/*.png"),
    ),
    rooms=(
        *("nmr", "pipeline/nmr.py", "pipeline/nmr_spectra.py"),
        *("pipeline/nmr_composition.py", "pipeline/nmr_samples.py"),
        "pipeline/nmr_store.py",
    ),
    keys=("nmr", "t1"),
    facts=("mixture",),
    tables=("nmr",),
)
TECHNIQUES: Final = tuple(one.name for one in (REFINE, RAMAN, EIS, NMR))
"""Stages that read measurements alone, and so may run side by side."""

STAGES: Final = (
    REFINE,
    RAMAN,
    EIS,
    NMR,
    Stage(
        name="checks",
        title="techniques against each other",
        run=_checks,
        results=("tables/checks.csv",),
        others=(),
        rooms=("checks", "eis", "nmr", "pipeline/checks.py"),
        facts=("pellet", "mixture"),
        tables=("eis", "nmr"),
        after=(EIS.name, NMR.name),
    ),
    Stage(
        name="audit",
        title="statements held against the numbers",
        run=_audit,
        results=("tables/audit.csv",),
        others=(),
        rooms=("checks",),
        after=TECHNIQUES,
    ),
    Stage(
        name="index",
        title="amorphization index",
        run=_index,
        results=("index.nc",),
        others=("tables/index.csv", "tables/scores.csv", "figures/index*.png"),
        rooms=("index", "pipeline/index.py", "pipeline/index_tables.py"),
        facts=("mixture", "composition"),
        tables=("index", "nmr"),
        after=TECHNIQUES,
    ),
    Stage(
        name="report",
        title="report",
        run=_report,
        results=("report.html",),
        others=(),
        rooms=("report", "plot"),
        after=(*TECHNIQUES, "checks", "audit", "index"),
        reads=(LIMITS_FILE,),
    ),
)
"""All stages, in order."""

COMMON_ROOMS: Final = (
    *("errors.py", "schema", "store.py", "netcdf.py"),
    "uncertainty.py",
)
"""Source that the numbers of every stage depend on."""
READING_ROOMS: Final = ("io", "structures", "../cifs")
"""The same of those that read measurements."""


def choose_stages(names: Iterable[str]) -> tuple[Stage, ...]:
    """Return stages by name, in their order.

    Raises
    ------
    PlanError
        There is no stage of a name; names the nearest.

    Examples
    --------
    >>> [stage.name for stage in choose_stages(["report", "eis"])]
    ['eis', 'report']
    """
    known = [stage.name for stage in STAGES]
    wanted = list(names)
    for name in wanted:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}? " if near else ""
            raise PlanError(f"no stage {name!r}; {hint}There are {', '.join(known)}.")
    return tuple(stage for stage in STAGES if stage.name in wanted)
