"""From a series file to stored results: the one place that orders the stages."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from refinement.calibrate import Standard, calibrate_instrument
from refinement.crystallinity import first_level, phases_table, samples_table
from refinement.crystallinity.facts import Monitor
from refinement.crystallinity.kinetics import Mill
from refinement.engines import Engine, get_engine
from refinement.plan import Component, InternalStandard, Phase, RefinementPlan
from refinement.result import RefinementResult
from refinement.series import refine_series
from structkit import __version__
from structkit.errors import (
    FitError,
    PlanError,
    ReadError,
    SeriesFileError,
    StructkitError,
)
from structkit.io.manifest import (
    ComponentTable,
    InstrumentTable,
    PhaseTable,
    SeriesFile,
    XrdTable,
    load_series,
    read_series,
)
from structkit.io.read import read_pattern
from structkit.pipeline.crystallinity import (
    build_facts,
    mill_of,
    read_results,
    refine_monitor,
    refine_together,
    spike_of,
    store_contents,
    stored_monitor,
)
from structkit.schema import MILLING_TIME, PHASE, SAMPLE, label
from structkit.store import read_tree, write_table, write_tree
from structkit.structures.cif import read_cif
from structkit.structures.crystal import CrystalStructure
from structkit.structures.library import load
from structkit.xrd.instrument import Instrument
from structkit.xrd.instrument_files import read_instrument
from structkit.xrd.radiation import Radiation, monochromatic, tube

_LOG = logging.getLogger(__name__)
GENERIC_W = 0.004
"""Gaussian FWHM squared (degree^2) assumed of an instrument nobody described."""


def run_refinement(
    series_file: Path | str,
    output: Path | str,
    *,
    engine: str | None = None,
    resume: bool = True,
    jobs: int = 1,
    figures: bool = True,
) -> xr.Dataset:
    """Refine the powder patterns of a series file and store everything.

    Parameters
    ----------
    series_file : Path or str
        The TOML file (``docs/series_file.md``).
    output : Path or str
        Folder for ``refine.nc``, ``figures/``, ``tables/`` and ``patterns/``.
    engine : str, optional
        In place of the series file's.
    resume : bool
        Keep results whose pattern, plan and versions are unchanged.
    jobs : int
        Processes; a series is cut into that many runs of neighbours.
    figures : bool
        Draw them; about a second for each pattern.

    Returns
    -------
    xarray.Dataset
        What :func:`refinement.crystallinity.first_level` returns; attrs ``name``,
        ``axis``, ``engine``, ``instrument``, ``software``.

    Raises
    ------
    StructkitError
        Anything that keeps the whole series from being refined. One pattern that
        fails is a row with its reason.
    """
    output = Path(output)
    series, xrd = read_xrd_series(series_file)
    engine_name = engine or xrd.engine
    equipped = equip_engine(get_engine(engine_name), xrd.instrument)
    work = prepare_series(series, xrd)
    monitor = refine_monitor(xrd, work.plan, equipped, store=output)
    refined: dict[str, RefinementResult] = {}
    with show_progress(2 * len(work.patterns)) as advance:
        for plan, names in work.plans(xrd):
            patterns = {name: work.patterns[name] for name in names}
            if xrd.joint is not None and len(names) > 1:
                refined |= refine_together(
                    patterns, plan, xrd.joint, engine=engine_name, output=output
                )
                continue
            refined |= refine_series(
                patterns,
                plan,
                engine=equipped,
                store=output / "patterns",
                resume=resume,
                jobs=jobs,
                progress=advance,
            )
    results = work.complete(refined, engine_name)
    return _store(work, results, output, monitor=monitor, figures=figures)


def run_crystallinity(series_file: Path | str, output: Path | str) -> xr.Dataset:
    """Find the amorphous content of a series from its stored refinements.

    Parameters
    ----------
    series_file : Path or str
        The TOML file; what it says of mixtures, standards and mill is read anew.
    output : Path or str
        Folder where :func:`run_refinement` left its results.

    Returns
    -------
    xarray.Dataset
        As :func:`run_refinement`; ``crystallinity.nc`` and its tables are written
        anew, and ``tables/samples.csv``.

    Raises
    ------
    StructkitError
        Nothing was refined there, or the series file has mistakes.
    """
    output = Path(output)
    series, xrd = read_xrd_series(series_file)
    stored = output / "refine.nc"
    if not stored.is_file():
        raise ReadError(
            f"no {stored}; run structkit refine {series_file} -o {output} first"
        )
    table = read_tree(stored).to_dataset(inherit=False)
    plan = build_plan(xrd, calibrate=False)
    results = read_results(output / "patterns", table, plan.phase_names)
    monitor = stored_monitor(xrd, plan, output)
    facts = build_facts(series, xrd, plan, monitor=monitor)
    table = store_contents(table, results, facts, output, mill=mill_of(series.mill))
    write_table(samples_table(table), output / "tables" / "samples.csv")
    return table


def equip_engine(engine: Engine, table: InstrumentTable | None) -> Engine:
    """Give GSAS-II the user's own ``.instprm`` where nothing else was calibrated."""
    from refinement.engines.gsas2.engine import Gsas2Engine

    own = None if table is None or table.standard is not None else table.file
    if isinstance(engine, Gsas2Engine) and own is not None:
        if own.suffix.lower() == ".instprm":
            engine.options = replace(engine.options, instrument_file=own)
    return engine


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesWork:
    """What there is to refine: one plan, and the patterns in order."""

    series: SeriesFile
    """The series file."""
    xrd: XrdTable
    """Its table of powder diffraction."""
    plan: RefinementPlan
    """What is refined in every pattern."""
    patterns: Mapping[str, xr.Dataset]
    """Patterns that could be read, by sample, along the series' axis."""
    samples: tuple[str, ...]
    """All samples with a pattern, also those that could not be read."""
    failures: Mapping[str, StructkitError]
    """Why not, for those."""

    def plans(self, table: XrdTable) -> list[tuple[RefinementPlan, list[str]]]:
        """Return the plan of each group of samples that hold the same standard.

        A standard of single samples is a phase of theirs alone: elsewhere its column
        would only take intensity from what is there.
        """
        own = {sample.id: sample for sample in self.series.samples}
        spikes = {name: spike_of(own[name], table) for name in self.patterns}
        private = {
            sample.spike.phase
            for sample in self.series.samples
            if sample.spike is not None and not self._is_weighed(sample.spike.phase)
        }
        groups: dict[InternalStandard | None, list[str]] = {}
        for name, spike in spikes.items():
            groups.setdefault(spike, []).append(name)
        found = []
        for spike, names in groups.items():
            foreign = private - ({spike.phase} if spike is not None else set())
            kept = tuple(p for p in self.plan.phases if p.name not in foreign)
            plan = self.plan
            if kept != plan.phases or spike != plan.internal_standard:
                plan = replace(plan, phases=kept, internal_standard=spike)
            found.append((plan, names))
        return found

    @property
    def mill(self) -> Mill | None:
        """Return the mill, where the series file describes it."""
        return mill_of(self.series.mill)

    def _is_weighed(self, phase: str) -> bool:
        """Return whether a phase is part of any sample's own mixture."""
        mixtures = [self.series.mixture_of(sample) for sample in self.series.samples]
        formulas = {p.name: p.structure.formula for p in self.plan.phases}
        return any(
            name in (phase, formulas.get(phase))
            for mixture in mixtures
            for name in mixture or {}
        )

    def complete(
        self, refined: Mapping[str, RefinementResult], engine: str
    ) -> dict[str, RefinementResult]:
        """Return the results of all samples, failures for those not read."""
        return {
            name: refined.get(name)
            or RefinementResult.failure(
                engine, str(self.failures[name]), self.plan.phase_names
            )
            for name in self.samples
        }


def read_xrd_series(path: Path | str) -> tuple[SeriesFile, XrdTable]:
    """Return a series file and its ``[xrd]`` table.

    Raises
    ------
    StructkitError
        The file cannot be read, has mistakes, or has no such table.
    """
    series = read_series(path)
    if series.xrd is None:
        raise SeriesFileError(
            f"{path}: no [xrd] table; add one with its phases and instrument"
        )
    return series, series.xrd


def prepare_series(series: SeriesFile, table: XrdTable) -> SeriesWork:
    """Build the plan of a series, calibrate its instrument, read its patterns.

    Raises
    ------
    StructkitError
        As :func:`build_plan`; or there is no pattern, or one whose file names another
        wavelength than the instrument. One that cannot be read is among ``failures``.
    """
    plan = build_plan(table)
    tree, failures = load_series(series)
    patterns = {
        name: tree.children[name].children["xrd"].to_dataset(inherit=False)
        for name in _order(series, tree, failures)
        if name not in failures
    }
    _check_wavelengths(patterns, plan)
    return SeriesWork(
        series=series,
        xrd=table,
        plan=plan,
        patterns=patterns,
        samples=tuple(_order(series, tree, failures, with_failures=True)),
        failures=failures,
    )


def build_plan(table: XrdTable, *, calibrate: bool = True) -> RefinementPlan:
    """Return the refinement plan of a series file's ``[xrd]`` table.

    Parameters
    ----------
    table : XrdTable
        The table.
    calibrate : bool
        Fit the instrument to its standards, where it has some.

    Raises
    ------
    StructkitError
        A phase is unknown, an instrument file or standard cannot be used.
    """
    phases = tuple(_phase(row) for row in table.phases)
    structures = {phase.name: phase.structure for phase in phases}
    plan = RefinementPlan(
        phases=phases,
        instrument=_plain_instrument(table.instrument),
        two_theta_range=table.two_theta_range,
        exclude=table.exclude,
        background_terms=table.background_terms,
        halo=table.halo,
        humps=table.humps,
        film_thickness_um=table.film_thickness_um,
        blank=read_pattern(table.blank) if table.blank is not None else None,
        particle_size_um=table.particle_size_um,
        internal_standard=_internal_standard(table),
        components=tuple(_component(row) for row in table.components),
    )
    if table.instrument is None or table.instrument.standard is None or not calibrate:
        return plan
    return replace(plan, instrument=_calibrate(table.instrument, plan, structures))


def _phase(row: PhaseTable) -> Phase:
    structure = (
        read_cif(row.cif, name=row.name) if row.cif is not None else load(row.name)
    )
    if structure.name != row.name:
        structure = replace(structure, name=row.name)
    texture = row.texture
    if row.texture_model == "harmonics" and texture is None:
        texture = (0, 0, 1)
    return Phase(
        structure=structure,
        cell_uncertain=row.cell_uncertain,
        texture=texture,
        texture_model=row.texture_model,
    )


def _component(row: ComponentTable) -> Component:
    return Component(
        name=row.name,
        pattern=read_pattern(row.pattern),
        rir=row.rir,
        rir_std=row.rir_std,
        calibration=row.calibration,
        calibration_std=row.calibration_std,
        height=row.height,
        crystalline=row.crystalline,
        background=row.background,
        shift=row.shift,
        subtract=row.subtract,
    )


def _internal_standard(table: XrdTable) -> InternalStandard | None:
    standard = table.internal_standard
    if standard is None:
        return None
    return InternalStandard(
        phase=standard.phase,
        weight_fraction=standard.weight_fraction,
        crystallinity=standard.crystallinity,
    )


def _radiation(table: InstrumentTable) -> Radiation:
    if table.wavelength is not None:
        return monochromatic(table.wavelength)
    return tube(table.tube or "CuKa")


def _plain_instrument(table: InstrumentTable | None) -> Instrument:
    """Return the instrument before any calibration."""
    if table is None:
        return Instrument(
            radiation=tube("CuKa"), w=GENERIC_W, source="generic, Cu K-alpha assumed"
        )
    if table.file is not None:
        return read_instrument(table.file)
    generic = Instrument(
        radiation=_radiation(table),
        w=GENERIC_W,
        monochromator_two_theta=table.monochromator_two_theta,
        source="generic resolution",
    )
    if table.standard is None:
        return generic
    return replace(generic, u=0.005, v=-0.002, x=0.02, y=0.02, axial_divergence=0.02)


def _calibrate(
    table: InstrumentTable,
    plan: RefinementPlan,
    structures: Mapping[str, CrystalStructure],
) -> Instrument:
    """Return the instrument, its resolution fitted to the standards."""
    files, names = table.standard or (), table.standard_phase or ()
    textures = {phase.name: phase.texture for phase in plan.phases}
    standards = [
        Standard(
            pattern=read_pattern(file),
            structure=structures.get(name) or load(name),
            texture=textures.get(name),
        )
        for file, name in zip(files, names, strict=True)
    ]
    _LOG.info("calibrating the instrument on %s", ", ".join(names))
    instrument, results = calibrate_instrument(
        standards, plan.instrument, background_terms=plan.background_terms
    )
    for name, result in zip(names, results, strict=True):
        _LOG.info("%s: Rwp %.2f %%", name, 100.0 * float(result.parameters["r_wp"]))
    return instrument


def _order(
    series: SeriesFile,
    tree: xr.DataTree,
    failures: Mapping[str, StructkitError],
    *,
    with_failures: bool = False,
) -> list[str]:
    """Return the samples with a pattern, along the series' axis."""
    axis = series.series.axis
    found = []
    for number, sample in enumerate(series.samples):
        if sample.id not in tree.children and not (
            with_failures and sample.id in failures
        ):
            continue
        position = sample.position(axis)
        found.append((np.inf if position is None else position, number, sample.id))
    if not found and not failures:
        raise SeriesFileError(
            f"{series.path}: no sample has an xrd file; add xrd to a [[sample]]"
        )
    return [name for _, _, name in sorted(found)]


def _check_wavelengths(
    patterns: Mapping[str, xr.Dataset], plan: RefinementPlan
) -> None:
    """Refuse a pattern whose file names another wavelength than the plan."""
    lines = plan.instrument.radiation.wavelengths
    for name, pattern in patterns.items():
        if "wavelength" not in pattern.coords:
            continue
        stated = float(pattern.coords["wavelength"])
        low, high = min(lines) * 0.998, max(lines) * 1.002
        if not low <= stated <= high:
            raise PlanError(
                f"{name}: its file states {stated:g} angstrom, the instrument has "
                f"{lines[0]:g}; correct [xrd.instrument]"
            )


@contextmanager
def show_progress(total: int) -> Iterator[Callable[[str, str], None]]:
    """Show a bar on stderr where that is a terminal."""
    if not sys.stderr.isatty() or total == 0:
        yield lambda _what, _name: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("refining", total=total)
        yield lambda what, name: bar.update(
            task, advance=1, description=f"{what}: {name}"
        )


def _store(
    work: SeriesWork,
    results: Mapping[str, RefinementResult],
    output: Path,
    *,
    monitor: Monitor | None = None,
    figures: bool = True,
) -> xr.Dataset:
    refuse_all_failed(list(results.values()))
    samples = {sample.id: sample for sample in work.series.samples}
    times = {name: samples[name].position("milling_time") for name in results}
    table = first_level(
        results,
        milling_time={n: np.nan if t is None else t for n, t in times.items()},
        roles={name: samples[name].role for name in results},
        internal_standards={
            name: spike_of(samples[name], work.xrd) for name in results
        },
    )
    engine = next(iter(results.values())).engine
    table = stamp(table, work).assign_attrs(engine=engine)
    facts = build_facts(work.series, work.xrd, work.plan, monitor=monitor)
    table = store_contents(
        table, results, facts, output, mill=work.mill, figures=figures
    )
    _write(table, results, output, patterns=work.patterns)
    if figures:
        _draw(table, results, work.patterns, output / "figures")
    return table


def refuse_all_failed(results: Sequence[RefinementResult]) -> None:
    """Raise ``FitError`` with the first reason where no result has values."""
    if not any(result.status.has_values for result in results):
        raise FitError(f"no pattern could be refined; the first: {results[0].reason}")


def stamp(table: xr.Dataset, work: SeriesWork) -> xr.Dataset:
    """Return a table with its axis, its provenance and what its sizes are worth."""
    series, instrument = work.series, work.plan.instrument
    if not instrument.calibrated:
        table = _mark_bounds(table)
    table = table.assign_attrs(
        name=series.series.name,
        axis=series.series.axis,
        instrument=instrument.source or "as given",
        instrument_calibrated=str(instrument.calibrated).lower(),
        software=f"structkit {__version__}",
        source_file=str(series.path),
        source_sha256=series.sha256,
    )
    axis = series.series.axis
    if axis in table.coords:
        return table
    samples = {sample.id: sample for sample in series.samples}
    values = [samples[str(name)].position(axis) for name in table[SAMPLE].to_numpy()]
    column = xr.DataArray([np.nan if v is None else v for v in values], dims=(SAMPLE,))
    if axis == MILLING_TIME:
        column = label(column, MILLING_TIME)
    return table.assign_coords({axis: column})


def _mark_bounds(table: xr.Dataset) -> xr.Dataset:
    """Say of sizes and strains that they are bounds without a calibration."""
    remarks = {"size_nm": "lower bound", "microstrain": "upper bound"}
    return table.assign(
        {
            name: table[name].assign_attrs(
                remark=f"{kind}: the instrument was not calibrated on a standard"
            )
            for name, kind in remarks.items()
            if name in table
        }
    )


def _write(
    table: xr.Dataset,
    results: Mapping[str, RefinementResult],
    output: Path,
    *,
    patterns: Mapping[str, xr.Dataset],
) -> None:
    nodes: dict[str, xr.Dataset | xr.DataTree] = {"/": table}
    for name, result in results.items():
        if not result.status.has_values:
            continue
        found = _over_phases(result, table)
        provenance = {
            key: value
            for key, value in patterns[name].attrs.items()
            if isinstance(value, (str, int, float))
        }
        found.attrs.update({**provenance, **found.attrs})
        nodes[f"/{name}"] = found.to_dataset(inherit=False)
        for part, node in found.children.items():
            nodes[f"/{name}/{part}"] = node.to_dataset(inherit=False)
    write_tree(xr.DataTree.from_dict(nodes), output / "refine.nc")
    write_table(phases_table(table), output / "tables" / "phases.csv")
    write_table(samples_table(table), output / "tables" / "samples.csv")


def _over_phases(result: RefinementResult, table: xr.Dataset) -> xr.DataTree:
    """Return a result over all phases of the series, NaN where it has one less.

    A tree has one axis of phases; a standard of single samples is elsewhere no phase.
    """
    tree = result.to_datatree()
    phases = table[PHASE].to_numpy()
    own = tree[PHASE].to_numpy()
    if np.array_equal(phases, own):
        return tree
    root = tree.to_dataset(inherit=False)
    if "phase_" in root.dims:
        root = root.assign_coords(phase_=own).reindex(phase_=phases)
        root = root.drop_vars("phase_")
    nodes = {"/": root.reindex({PHASE: phases})}
    for name, node in tree.children.items():
        part = node.to_dataset(inherit=False)
        if PHASE in part.dims:
            part = part.assign_coords({PHASE: own}).reindex({PHASE: phases})
        nodes[f"/{name}"] = part
    found = xr.DataTree.from_dict(nodes)
    found.attrs = dict(tree.attrs)
    return found


def _draw(
    table: xr.Dataset,
    results: Mapping[str, RefinementResult],
    patterns: Mapping[str, xr.Dataset],
    folder: Path,
) -> None:
    from structkit.plot.pattern import compose_refinement, plot_stacked_series
    from structkit.plot.series import compose_series
    from structkit.plot.style import write_figure

    write_figure(compose_series(table), folder / "series.png")
    stacked = plot_stacked_series(patterns).get_figure(root=True)
    if stacked is not None:
        write_figure(stacked, folder / "patterns.png")
    for name, result in results.items():
        if result.status.has_values:
            figure = compose_refinement(result.to_datatree(), title=name)
            write_figure(figure, folder / "fits" / f"{name}.png")
