"""From a series file to several engines side by side, on one plan and one order."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from refinement.comparison import compare_engines, engines_table
from refinement.engines import ENGINES, Engine, get_engine
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from refinement.series import refine_series
from structkit.errors import EngineUnavailableError, FitError, PlanError
from structkit.pipeline.diffraction import (
    SeriesWork,
    equip_engine,
    prepare_series,
    read_xrd_series,
    refuse_all_failed,
    show_progress,
    stamp,
)
from structkit.store import write_dataset, write_table

_LOG = logging.getLogger(__name__)
_FEWEST = 2
"""Engines that a comparison needs."""


def run_comparison(
    series_file: Path | str,
    output: Path | str,
    *,
    engines: Sequence[str | Engine] = ENGINES,
    resume: bool = True,
    jobs: int = 1,
) -> xr.Dataset:
    """Refine the powder patterns of a series file by several engines.

    Parameters
    ----------
    series_file : Path or str
        The TOML file (``docs/series_file.md``); its own ``engine`` is not used.
    output : Path or str
        Folder for ``compare.nc``, ``figures/engines.png``, ``tables/engines.csv``
        and ``patterns/<engine>/``.
    engines : sequence of str or Engine
        Names, or engines with options of their own; the first that can be used is
        the reference.
    resume : bool
        Keep results whose pattern, plan and versions are unchanged.
    jobs : int
        Processes; a series is cut into that many runs of neighbours.

    Returns
    -------
    xarray.Dataset
        What :func:`refinement.comparison.compare_engines` returns, on samples in the
        order of the series' axis; attrs also ``name``, ``axis``, ``instrument``,
        ``software`` and ``engines_left_out``, one ``name: reason`` a line.

    Raises
    ------
    EngineUnavailableError
        An engine is unknown; or fewer than two are here and take the plan: each with
        its remedy. Where two remain the others are left out with a warning.
    PlanError
        An engine is named twice, or only one is.
    StructkitError
        Anything that keeps the whole series from being refined. One pattern that
        fails is a row with its reason.
    """
    output = Path(output)
    _refuse_names(engines)
    series, xrd = read_xrd_series(series_file)
    left_out: dict[str, str] = {}
    ready = _available(engines, left_out)
    work = prepare_series(series, xrd)
    able = _able(ready, work.plan, left_out)
    for name, why in left_out.items():
        _LOG.warning("%s is left out: %s", name, why)
    results = {}
    for engine in able:
        equip_engine(engine, xrd.instrument)
        try:
            results[engine.name] = _refine(
                engine, work, output / "patterns", resume=resume, jobs=jobs
            )
        except (EngineUnavailableError, FitError, PlanError) as error:
            _LOG.warning("%s broke off and is left out: %s", engine.name, error)
            _note(left_out, engine.name, str(error))
    _refuse_too_few(list(results), left_out)
    refuse_all_failed([r for found in results.values() for r in found.values()])
    table = stamp(compare_engines(results), work).assign_attrs(
        engines_left_out="\n".join(f"{name}: {why}" for name, why in left_out.items())
    )
    _write(table, output)
    return table


def _name(engine: str | Engine) -> str:
    return engine if isinstance(engine, str) else engine.name


def _refuse_names(engines: Sequence[str | Engine]) -> None:
    """Refuse what is no list of two or more different engines."""
    names = [_name(engine) for engine in engines]
    for engine in engines:
        if isinstance(engine, str) and engine not in ENGINES:
            get_engine(engine)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise PlanError(f"engines: {twice[0]!r} is named twice; results go by name")
    if len(names) < _FEWEST:
        raise PlanError(
            f"engines: a comparison needs two or more, got {', '.join(names) or 'none'}"
        )


def _available(
    engines: Sequence[str | Engine], left_out: dict[str, str]
) -> list[Engine]:
    """Return the engines that can run here; note why the others cannot."""
    ready = []
    for wanted in engines:
        name = _name(wanted)
        if isinstance(wanted, str):
            try:
                ready.append(get_engine(wanted))
            except EngineUnavailableError as error:
                _note(left_out, name, str(error).removeprefix(f"engine {name}: "))
            except ImportError as error:
                _note(left_out, name, f"it cannot be imported: {error}")
            continue
        about = wanted.describe()
        if about.available:
            ready.append(wanted)
        else:
            _note(left_out, name, about.remedy)
    _refuse_too_few([engine.name for engine in ready], left_out)
    return ready


def _able(
    engines: Sequence[Engine], plan: RefinementPlan, left_out: dict[str, str]
) -> list[Engine]:
    """Return the engines that take the plan; note why the others refuse it."""
    able = []
    for engine in engines:
        try:
            engine.check(plan)
        except PlanError as error:
            _note(left_out, engine.name, str(error))
            continue
        able.append(engine)
    _refuse_too_few([engine.name for engine in able], left_out)
    return able


def _note(left_out: dict[str, str], name: str, reason: str) -> None:
    """Note why an engine is left out; in one line, as a log and an attribute want."""
    left_out[name] = " ".join(reason.split())


def _refuse_too_few(names: Sequence[str], left_out: Mapping[str, str]) -> None:
    """Refuse to go on with fewer than two engines."""
    if len(names) < _FEWEST:
        reasons = "".join(f"\n  {name}: {why}" for name, why in left_out.items())
        remain = f"only {names[0]!r} remains" if names else "none remains"
        raise EngineUnavailableError(
            f"a comparison needs two engines, and {remain}; left out:{reasons}"
        )


def _refine(
    engine: Engine, work: SeriesWork, store: Path, *, resume: bool, jobs: int
) -> dict[str, RefinementResult]:
    """Return one engine's results for all samples."""
    with show_progress(2 * len(work.patterns)) as advance:
        refined = refine_series(
            work.patterns,
            work.plan,
            engine=engine,
            store=store / engine.name,
            resume=resume,
            jobs=jobs,
            progress=lambda what, name: advance(f"{engine.name} {what}", name),
        )
    return work.complete(refined, engine.name)


def _write(table: xr.Dataset, output: Path) -> None:
    from structkit.plot.engines import compose_engines
    from structkit.plot.style import write_figure

    write_dataset(table, output / "compare.nc")
    write_table(engines_table(table), output / "tables" / "engines.csv")
    write_figure(compose_engines(table), output / "figures" / "engines.png")
