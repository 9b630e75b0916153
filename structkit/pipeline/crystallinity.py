"""The stage from refined patterns to absolute amorphous content and its kinetics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from refinement.crystallinity.closure import (
    Composition,
    compare_composition,
    measured_composition,
    weighed_composition,
)
from refinement.crystallinity.content import describe_contents, find_contents
from refinement.crystallinity.facts import (
    ExternalStandard,
    Monitor,
    SampleFacts,
    SeriesFacts,
    known_fractions,
    phase_facts,
)
from refinement.crystallinity.kinetics import Mill, kinetics_table
from refinement.crystallinity.milling import fit_milling
from refinement.crystallinity.review import raise_flags, with_flags
from refinement.crystallinity.summary import summarize_series
from refinement.crystallinity.survey import survey_series, with_survey
from refinement.crystallinity.tables import (
    amorphous_table,
    flags_table,
    series_table,
)
from refinement.engines import Engine
from refinement.joint import Shared, refine_jointly
from refinement.plan import InternalStandard, Phase, RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import FitError, PlanError
from structkit.io.manifest import (
    CompositionTable,
    ExternalStandardTable,
    JointTable,
    MillTable,
    SampleTable,
    SeriesFile,
    StandardTable,
    XrdTable,
)
from structkit.io.read import read_pattern
from structkit.schema import MILLING_TIME, PHASE, SAMPLE
from structkit.store import read_tree, write_table, write_tree
from structkit.structures.attenuation import mass_attenuation
from structkit.structures.library import load

MONITOR_FILE = "monitor.nc"
"""Where the refined pattern of the external standard is kept."""
DEFAULT_TRANSFER = {"monitor": 0.05, "spiked": 0.05, "unmilled": 0.05, None: 0.05}
"""Relative 1 sigma of a scale against the reference's, where none is stated."""


def spike_of(sample: SampleTable, table: XrdTable) -> InternalStandard | None:
    """Return the standard weighed into a sample: its own, else that of the series."""
    own: StandardTable | None = sample.spike or table.internal_standard
    if own is None:
        return None
    return InternalStandard(
        phase=own.phase,
        weight_fraction=own.weight_fraction,
        crystallinity=own.crystallinity,
    )


def build_facts(
    series: SeriesFile,
    table: XrdTable,
    plan: RefinementPlan,
    *,
    monitor: Monitor | None = None,
) -> SeriesFacts:
    """Return what is known of a series beside its patterns.

    Parameters
    ----------
    series, table : SeriesFile, XrdTable
        The series file.
    plan : RefinementPlan
        Its plan: structures, radiation, blank.
    monitor : Monitor, optional
        The monitor's pattern, refined.

    Raises
    ------
    StructkitError
        A formula or element that cannot be read.
    """
    phases = phase_facts(plan)
    formulas = {name: one.structure.formula for name, one in phases.items()}
    return SeriesFacts(
        phases=phases,
        samples={
            sample.id: _sample_facts(sample, series, table, formulas)
            for sample in series.samples
        },
        wavelength=plan.instrument.radiation.mean_wavelength,
        polarization_ratio=plan.instrument.polarization_ratio,
        film_thickness_um=plan.film_thickness_um or 0.0,
        blank=plan.blank,
        external=_external(table, monitor),
        plan=plan,
        remainder=series.series.amorphous,
        calibrated=plan.instrument.calibrated,
    )


def _sample_facts(
    sample: SampleTable,
    series: SeriesFile,
    table: XrdTable,
    formulas: Mapping[str, str],
) -> SampleFacts:
    """Return what is known of one sample."""
    mixture = series.mixture_of(sample)
    unmilled = sample.role == "unmilled"
    measured = sample.composition
    if measured is None and not unmilled:
        measured = series.series.composition
    composition, remark = _composition(mixture, measured, formulas)
    time = sample.position("milling_time")
    weighed = known_fractions(mixture, formulas) if mixture else {}
    return SampleFacts(
        milling_time=math.nan if time is None else time,
        role=sample.role,
        composition=composition,
        composition_remark=remark,
        weighed=weighed,
        known=weighed if unmilled else {},
        spike=spike_of(sample, table),
    )


def _composition(
    mixture: Mapping[str, float] | None,
    measured: CompositionTable | None,
    formulas: Mapping[str, str],
) -> tuple[Composition | None, str]:
    """Return the composition to use, and where weighing and measurement disagree."""
    weighed = None
    if mixture is not None:
        moles: dict[str, float] = {}
        for name, amount in mixture.items():
            formula = formulas.get(name, name)
            moles[formula] = moles.get(formula, 0.0) + amount
        weighed = weighed_composition(moles)
    if measured is None:
        return weighed, ""
    if weighed is None:
        if not measured.complete:
            return None, ""
        return measured_composition(measured.atoms, std=measured.std), ""
    compared = compare_composition(weighed, measured.atoms, std=measured.std)
    remark = str(compared["remark"].item())
    if measured.complete:
        own = measured_composition(
            measured.atoms, std=measured.std, formula_mass=weighed.formula_mass
        )
        return own, remark
    return weighed, f"{measured.method}: {remark}" if remark else ""


def _external(table: XrdTable, monitor: Monitor | None) -> ExternalStandard:
    """Return how scales become amounts."""
    given = table.external_standard or ExternalStandardTable()
    transfer = given.transfer_std
    sizes = given.particle_size_um
    return ExternalStandard(
        source=given.source,
        sample=given.sample,
        monitor=monitor,
        transfer_std=DEFAULT_TRANSFER[given.source] if transfer is None else transfer,
        particle_size_um=(sizes[0], sizes[-1]),
        film_thickness_std_um=table.film_thickness_std_um or 0.0,
    )


def refine_together(
    patterns: Mapping[str, xr.Dataset],
    plan: RefinementPlan,
    table: JointTable,
    *,
    engine: str,
    output: Path,
) -> dict[str, RefinementResult]:
    """Refine the patterns of a series jointly and keep each result.

    Parameters
    ----------
    patterns : mapping of str to xarray.Dataset
        By sample, along the series' axis.
    plan : RefinementPlan
        One plan for all.
    table : JointTable
        What is shared.
    engine : str
        Name of the series' engine.
    output : Path
        Folder; results go to ``patterns/``, shared values and the verdict on every
        pattern to ``joint.nc`` and ``tables/joint.csv``.

    Raises
    ------
    PlanError
        Another engine than native, or something to share that the plan has not.
    """
    if engine != "native":
        raise PlanError(
            f"[xrd.joint] needs the engine native, not {engine}: leave the table out"
        )
    shared = Shared(
        cells=table.cells,
        widths=table.widths,
        instrument=table.instrument,
        film=table.film,
    )
    found = refine_jointly(patterns, plan, shared=shared)
    for name, result in found.results.items():
        if result.status.has_values:
            write_tree(result.to_datatree(), output / "patterns" / f"{name}.nc")
    nodes = {"/shared": found.shared, "/agreement": found.agreement}
    write_tree(xr.DataTree.from_dict(nodes), output / "joint.nc")
    frame = found.agreement.to_dataframe().reset_index()
    write_table(frame, output / "tables" / "joint.csv")
    return dict(found.results)


def refine_monitor(
    table: XrdTable, plan: RefinementPlan, engine: Engine, *, store: Path
) -> Monitor | None:
    """Refine the pattern of the external standard, where there is one.

    Parameters
    ----------
    table : XrdTable
        Names the pattern and its phase.
    plan : RefinementPlan
        Of the series: its instrument, range and film.
    engine : Engine
        The series' engine.
    store : Path
        Folder in which ``monitor.nc`` is kept.

    Returns
    -------
    Monitor or None
        None where the series file names no monitor.

    Raises
    ------
    StructkitError
        The pattern cannot be read or refined.
    """
    given = table.external_standard
    if given is None or given.pattern is None or given.phase is None:
        return None
    own = replace(
        plan,
        phases=(_monitor_phase(given.phase, plan),),
        blank=None,
        film_thickness_um=plan.film_thickness_um if given.film else None,
        internal_standard=None,
    )
    result = engine.refine(read_pattern(given.pattern), own)
    if not result.status.has_values:
        raise FitError(f"monitor {given.pattern}: {result.reason}")
    write_tree(result.to_datatree(), store / MONITOR_FILE)
    return _monitor_of(result, given, plan)


def stored_monitor(
    table: XrdTable, plan: RefinementPlan, store: Path
) -> Monitor | None:
    """Return the monitor as it was refined before; None where there is none."""
    given = table.external_standard
    path = store / MONITOR_FILE
    if given is None or given.pattern is None or not path.is_file():
        return None
    return _monitor_of(RefinementResult.from_datatree(read_tree(path)), given, plan)


def _monitor_phase(name: str, plan: RefinementPlan) -> Phase:
    """Return the monitor's phase: one of the plan, or of the library."""
    known = {phase.name: phase for phase in plan.phases}
    return known.get(name) or Phase(structure=load(name))


def _monitor_of(
    result: RefinementResult, given: ExternalStandardTable, plan: RefinementPlan
) -> Monitor:
    """Return what a refined pattern of a known powder says."""
    parameters = result.parameters
    name = str(parameters[PHASE].to_numpy()[0])
    structure = _monitor_phase(name, plan).structure
    wavelength = plan.instrument.radiation.mean_wavelength
    return Monitor(
        phase=name,
        scale=float(parameters["scale"][0]),
        scale_std=float(parameters["scale_std"][0]),
        attenuation=mass_attenuation(dict(structure.atom_counts), wavelength),
        weight_fraction=given.crystallinity,
    )


def read_results(
    folder: Path, table: xr.Dataset, phases: tuple[str, ...]
) -> dict[str, RefinementResult]:
    """Return the stored results of a series, failures for those that have none.

    Parameters
    ----------
    folder : Path
        ``patterns/`` of a refined series.
    table : xarray.Dataset
        Of its ``refine.nc``: samples, ``status`` and ``reason``.
    phases : tuple of str
        Phases of the plan.
    """
    found: dict[str, RefinementResult] = {}
    for name in (str(sample) for sample in table[SAMPLE].to_numpy()):
        path = folder / f"{name}.nc"
        if path.is_file():
            found[name] = RefinementResult.from_datatree(read_tree(path))
            continue
        reason = str(table["reason"].sel({SAMPLE: name}).item())
        engine = str(table.attrs.get("engine", ""))
        found[name] = RefinementResult.failure(
            engine, reason or f"no stored result {path}", phases
        )
    return found


def store_contents(
    table: xr.Dataset,
    results: Mapping[str, RefinementResult],
    facts: SeriesFacts,
    output: Path,
    *,
    mill: Mill | None = None,
    figures: bool = True,
) -> xr.Dataset:
    """Find the absolute contents of a series and store them.

    Parameters
    ----------
    table : xarray.Dataset
        From :func:`refinement.crystallinity.first_level`, stamped.
    results : mapping of str to RefinementResult
        By sample.
    facts : SeriesFacts
        From :func:`build_facts`.
    output : Path
        Folder for ``crystallinity.nc`` and ``tables/``: ``amorphous.csv``,
        ``series.csv``, ``kinetics.csv``, ``flags.csv``.
    mill : Mill, optional
        For the dose.
    figures : bool
        Draw ``figures/amorphous.png``.

    Returns
    -------
    xarray.Dataset
        ``table`` with the primary amorphous content and the contents of the phases in
        place of those of the internal standard alone.
    """
    content = find_contents(results, facts)
    described = describe_contents(content, facts)
    survey = survey_series(results, facts, content)
    described = with_survey(described, survey.dataset)
    flags = [*raise_flags(content, results, facts), *survey.flags]
    summary = summarize_series(content, facts)
    kinetics = fit_milling(described, facts, mill=mill)
    described = with_flags(described, flags).merge(summary)
    described.attrs = {
        key: value for key, value in table.attrs.items() if isinstance(value, str)
    } | {"kinetics_remark": kinetics.reason}
    nodes: dict[str, xr.Dataset] = {"/": described}
    for fitted in kinetics.fitted:
        name = "_".join(str(fitted.attrs["quantity"]).split())
        axis = str(fitted.attrs["axis"])
        nodes[f"/kinetics/{name}_{axis}"] = fitted
    write_tree(xr.DataTree.from_dict(nodes), output / "crystallinity.nc")
    folder = output / "tables"
    write_table(amorphous_table(described), folder / "amorphous.csv")
    write_table(series_table(summary), folder / "series.csv")
    write_table(kinetics_table(*kinetics.fitted), folder / "kinetics.csv")
    write_table(flags_table(flags), folder / "flags.csv")
    if figures:
        _draw(described, output / "figures")
    return with_contents(table, described)


def _draw(described: xr.Dataset, folder: Path) -> None:
    """Draw the amorphous contents along the series, where it has times."""
    from structkit.plot.amorphous import plot_amorphous
    from structkit.plot.style import write_figure

    if not bool(np.isfinite(described[MILLING_TIME]).any()):
        return
    known = described.isel({SAMPLE: np.isfinite(described[MILLING_TIME].to_numpy())})
    figure = plot_amorphous(known).get_figure(root=True)
    if figure is not None:
        write_figure(figure, folder / "amorphous.png")


def with_contents(table: xr.Dataset, described: xr.Dataset) -> xr.Dataset:
    """Return a series table with its absolute contents.

    Parameters
    ----------
    table : xarray.Dataset
        From :func:`refinement.crystallinity.first_level`.
    described : xarray.Dataset
        From :func:`refinement.crystallinity.content.describe_contents`.
    """
    names = [
        "amorphous_fraction",
        "amorphous_fraction_std",
        "amorphous_fraction_low",
        "amorphous_fraction_high",
        "weight_fraction_sample",
        "weight_fraction_sample_std",
        "verdict",
        "flags",
    ]
    own = described[names].reindex({PHASE: table[PHASE]})
    reasons = table["amorphous_fraction_reason"]
    spoken = described["amorphous_fraction_method"]
    found = {name: own[name] for name in names}
    found["amorphous_method"] = spoken.rename("amorphous_method")
    found["amorphous_fraction_reason"] = reasons.where(described["absolute"] <= 0, "")
    coords = [MILLING_TIME]
    return table.assign(
        {name: one.drop_vars(coords, errors="ignore") for name, one in found.items()}
    )


def mill_of(table: MillTable | None) -> Mill | None:
    """Return the mill of a series file."""
    if table is None:
        return None
    return Mill(
        ball_count=table.ball_count,
        ball_mass=table.ball_mass_g,
        powder_mass=table.powder_mass_g,
        frequency=table.frequency_hz,
        impact_energy=table.impact_energy_j,
        impact_velocity=table.impact_velocity,
    )
