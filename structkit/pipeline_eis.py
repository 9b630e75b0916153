"""The stage from impedance and DC files to conductivities, energies and tables."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from structkit import __version__
from structkit.eis.arrhenius import fit_arrhenius, predict_conductivity
from structkit.eis.arrhenius_line import ArrheniusSettings
from structkit.eis.conductivity import compute_conductivity
from structkit.eis.contributions import (
    Contributions,
    find_swaps,
    gather_resistances,
    read_contributions,
)
from structkit.eis.drift import compare_sweeps
from structkit.eis.hysteresis import check_hysteresis
from structkit.eis.pellet import Pellet
from structkit.eis.polarization import (
    PolarizationSettings,
    fit_polarization,
    transference_number,
)
from structkit.eis.result_tables import (
    arrhenius_table,
    conductivities_of,
    conductivity_table,
    elements_table,
    nodes_of,
    polarization_table,
    remarks_table,
)
from structkit.eis.results import (
    root_dataset,
    run_dataset,
    spectrum_dataset,
    texts,
)
from structkit.errors import FitError, StructkitError
from structkit.io.impedance import read_polarization
from structkit.io.manifest import read_series
from structkit.pipeline_impedance import (
    EisOptions,
    EisSample,
    Measurement,
    Outcome,
    PolarizationFile,
    Remark,
    Workshop,
    plan_series,
)
from structkit.schema import CONTRIBUTION, HISTORY, TEMPERATURE
from structkit.schema.conductivity import (
    CONDUCTIVITY,
    CONDUCTIVITY_STD,
    CONTRIBUTIONS,
    CONVENTIONS,
    MEASUREMENT,
    REMARK,
    TOTAL,
)
from structkit.schema.eis_results import (
    ARRHENIUS_NODE,
    CIRCUIT,
    CONDUCTIVITY_NODE,
    FILE,
    NUMBER,
    POLARIZATION_NODE,
    SPECTRA_NODE,
    VERDICT,
    validate_eis_results,
)
from structkit.store import read_tree, write_table, write_tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULT_FILE = "eis.nc"
_SAME_KELVIN = 3.0
"""Within it a conductivity and a polarization run are at one temperature."""
_LINE_POINTS = 2

_LOG = logging.getLogger(__name__)


def run_eis(
    series_file: Path | str,
    output: Path | str,
    *,
    samples: Sequence[str] | None = None,
    figures: bool = True,
) -> xr.DataTree:
    """Fit the impedance and DC files of a series file and store everything.

    Parameters
    ----------
    series_file : Path or str
        The TOML file (``docs/series_file.md``); it needs no ``[xrd]``.
    output : Path or str
        Folder for ``eis.nc``; ``tables/``: ``eis_elements.csv``,
        ``conductivity.csv``, ``arrhenius.csv``, ``polarization.csv``,
        ``eis_remarks.csv``; and ``figures/eis/``.
    samples : sequence of str, optional
        Ids. Default: all.
    figures : bool
        Draw them; about a second for each spectrum.

    Returns
    -------
    xarray.DataTree
        As :mod:`structkit.schema.eis_results` says.

    Raises
    ------
    StructkitError
        Anything that keeps the whole series from being fitted. A file that cannot be
        read or fitted is a row with its reason and a remark.
    """
    series = read_series(series_file)
    planned, options = plan_series(series, samples=samples)
    attrs = {
        "name": series.series.name,
        "source_file": str(series.path),
        "source_sha256": series.sha256,
    }
    return _run(planned, options, Path(output), attrs=attrs, figures=figures)


def fit_eis_files(
    paths: Sequence[Path | str],
    output: Path | str,
    *,
    pellet: Pellet | None = None,
    celsius: Sequence[float] = (),
    options: EisOptions | None = None,
    name: str | None = None,
    figures: bool = True,
) -> xr.DataTree:
    """Fit impedance files of one pellet without a series file.

    Parameters
    ----------
    paths : sequence of path
        Files.
    output : Path or str
        As :func:`run_eis`.
    pellet : Pellet, optional
        Geometry; without it resistances only.
    celsius : sequence of float
        One temperature for all files, or one for each, **degree Celsius**. Default:
        the files'.
    options : EisOptions, optional
        Circuit, weights, short cell.
    name : str, optional
        Of the sample. Default: what the files' names begin with.
    figures : bool
        Draw them.

    Raises
    ------
    StructkitError
        As :func:`run_eis`; the number of temperatures is neither 1 nor that of files.
    """
    files = [Path(path) for path in paths]
    given = [value + 273.15 for value in celsius] or [math.nan]
    if len(given) not in (1, len(files)):
        raise FitError(
            f"{len(given)} temperatures for {len(files)} files; give one, or one each"
        )
    kelvin = given * len(files) if len(given) == 1 else given
    why = "" if pellet is not None else "no diameter and thickness: resistance only"
    sample = EisSample(
        name=name or name_of(files),
        measurements=tuple(
            Measurement(file=file, kelvin=t, pellet=pellet, no_pellet=why)
            for file, t in zip(files, kelvin, strict=True)
        ),
    )
    attrs = {"name": sample.name, "source_file": "", "source_sha256": ""}
    return _run(
        [sample],
        options or EisOptions(),
        Path(output),
        attrs=attrs,
        figures=figures,
    )


def name_of(files: Sequence[Path]) -> str:
    """Return what the names of files begin with, or ``sample``.

    Examples
    --------
    >>> name_of([Path("s04147-140deg.txt"), Path("s04147-150deg.txt")])
    's04147'
    """
    stems = [file.stem for file in files]
    alike = [len(set(letters)) == 1 for letters in zip(*stems, strict=False)]
    shared = stems[0][: (*alike, False).index(False)]
    if len(files) > 1:
        shared = shared.rstrip("0123456789").rstrip("-_ .(") or shared
    kept = "".join(c for c in shared if c not in '/\\:*?"<>|#').strip(" .-_")
    return kept or "sample"


def _run(
    samples: Sequence[EisSample],
    options: EisOptions,
    output: Path,
    *,
    attrs: Mapping[str, str],
    figures: bool,
) -> xr.DataTree:
    """Fit all samples, store tree, tables and figures, and return the tree."""
    workshop = Workshop(options=options)
    nodes: dict[str, xr.Dataset] = {}
    counts: dict[str, tuple[int, int, int]] = {}
    for sample in samples:
        outcomes = workshop.fit_sample(sample)
        found = _sample_nodes(sample, outcomes, workshop)
        nodes |= {f"/{sample.name}/{place}": each for place, each in found.items()}
        fitted = sum(one.is_fitted for one in outcomes)
        runs = sum(place.startswith(POLARIZATION_NODE) for place in found)
        read = sum(one.spectrum is not None for one in outcomes)
        counts[sample.name] = (read, fitted, runs)
    if not any(spectra or runs for spectra, _, runs in counts.values()):
        first = workshop.remarks[0][2] if workshop.remarks else "no files"
        raise FitError(f"no impedance or DC file could be used; the first: {first}")
    provenance: dict[str, str | float] = {
        **attrs,
        "weighting": options.fit.weighting,
        "temperature_std_k": options.arrhenius.temperature_offset_std_k,
        "software": f"structkit {__version__}",
    }
    nodes["/"] = root_dataset(counts, workshop.remarks, provenance)
    tree = xr.DataTree.from_dict(nodes)
    validate_eis_results(tree)
    write_tree(tree, output / RESULT_FILE)
    _write_tables(tree, workshop.remarks, output / "tables")
    if figures:
        _draw(tree, output / "figures" / "eis")
    return tree


def _write_tables(tree: xr.DataTree, remarks: Sequence[Remark], folder: Path) -> None:
    """Write the five tables."""
    write_table(elements_table(tree), folder / "eis_elements.csv")
    write_table(conductivity_table(tree), folder / "conductivity.csv")
    write_table(arrhenius_table(tree), folder / "arrhenius.csv")
    write_table(polarization_table(tree), folder / "polarization.csv")
    write_table(remarks_table(remarks), folder / "eis_remarks.csv")


def _sample_nodes(
    sample: EisSample, outcomes: Sequence[Outcome], workshop: Workshop
) -> dict[str, xr.Dataset]:
    """Return the nodes of one sample by their place below it."""
    nodes: dict[str, xr.Dataset] = {}
    numbers = _number(outcomes)
    for one, number in zip(outcomes, numbers, strict=True):
        if one.spectrum is not None:
            nodes[f"{SPECTRA_NODE}/{number}"] = spectrum_dataset(
                one.spectrum,
                fit=one.fit,
                check=one.check,
                drt=one.drt,
                reason=one.reason,
            )
    conductivity = None
    if outcomes:
        conductivity = _conductivities(sample, outcomes, workshop)
        nodes[CONDUCTIVITY_NODE] = _describe(conductivity, outcomes, numbers)
        _note_on_series(sample, outcomes, conductivity, workshop)
        settings = workshop.options.arrhenius
        lines, lacking = fit_lines(conductivity, settings)
        for place, fits in enumerate(lines, start=1):
            nodes[f"{ARRHENIUS_NODE}/{place}"] = fits
        workshop.note(sample.name, "", lacking)
        for fits in lines:
            told = str(fits.attrs["convention_remark"]).splitlines()
            workshop.note(sample.name, "", told)
    for place, run in enumerate(sample.runs, start=1):
        file = run.file.name
        try:
            nodes[f"{POLARIZATION_NODE}/{place}"] = _polarize(
                run, conductivity, workshop.options.arrhenius
            )
        except StructkitError as error:
            workshop.note(sample.name, file, [f"left out: {error}"])
    return nodes


def _number(outcomes: Sequence[Outcome]) -> list[int]:
    """Return the node of each spectrum, from 1; 0 where there is none."""
    found, last = [], 0
    for one in outcomes:
        last += one.spectrum is not None
        found.append(last if one.spectrum is not None else 0)
    return found


def _conductivities(
    sample: EisSample, outcomes: Sequence[Outcome], workshop: Workshop
) -> xr.Dataset:
    """Return the conductivities of a sample; each row has its own pellet."""
    parts = [_contributions(one, workshop) for one in outcomes]
    for one, part in zip(outcomes, parts, strict=True):
        workshop.note(sample.name, one.measurement.file.name, part.notes)
    resistances = gather_resistances(
        parts,
        [one.kelvin for one in outcomes],
        [one.measurement.history for one in outcomes],
    )
    rows: dict[Pellet | None, list[int]] = {}
    for place, one in enumerate(outcomes):
        rows.setdefault(one.measurement.pellet, []).append(place)
    short = workshop.options.short_error
    pieces = [
        compute_conductivity(resistances.isel({MEASUREMENT: each}), pellet, short=short)
        for pellet, each in rows.items()
    ]
    joined = xr.concat(pieces, MEASUREMENT, data_vars="minimal", coords="minimal")
    order = np.argsort([place for each in rows.values() for place in each])
    found = joined.isel({MEASUREMENT: order})
    words = np.full((len(outcomes), len(CONTRIBUTIONS)), "", dtype=object)
    for place, (one, part) in enumerate(zip(outcomes, parts, strict=True)):
        why = one.measurement.no_pellet
        for column, own in enumerate(part.remarks):
            later = str(found[REMARK].to_numpy()[place, column])
            if why and later:
                later = why
            words[place, column] = "; ".join(text for text in (own, later) if text)
    dims = found[REMARK].dims
    return found.assign({REMARK: (dims, words, {"long_name": "remark"})})


def _contributions(one: Outcome, workshop: Workshop) -> Contributions:
    """Return the resistances of one spectrum, or why there are none."""
    if one.fit is None or not one.is_fitted:
        return Contributions(remarks=(one.reason,) * 3)
    return read_contributions(
        one.fit,
        one.verdicts,
        cell_constant=one.cell_constant,
        is_chosen=workshop.options.circuit is not None,
    )


def _describe(
    conductivity: xr.Dataset, outcomes: Sequence[Outcome], numbers: Sequence[int]
) -> xr.Dataset:
    """Return conductivities with file, circuit and status of each row."""
    fits = [one.fit for one in outcomes]
    columns = {
        FILE: [one.measurement.file.name for one in outcomes],
        CIRCUIT: ["" if fit is None else str(fit.circuit) for fit in fits],
        "status": ["failed" if fit is None else fit.status.value for fit in fits],
        "reason": [
            one.reason or ("" if one.fit is None else one.fit.reason)
            for one in outcomes
        ],
        VERDICT: [
            "not tested" if one.check is None else one.check.verdict.value
            for one in outcomes
        ],
    }
    dims = (MEASUREMENT,)
    attrs = {"units": "1", "long_name": "node of the spectrum; 0: none"}
    return conductivity.assign(
        {
            NUMBER: (dims, np.asarray(numbers, dtype=np.int64), attrs),
            **{
                name: (dims, texts(values), {"long_name": name})
                for name, values in columns.items()
            },
        }
    )


def _note_on_series(
    sample: EisSample,
    outcomes: Sequence[Outcome],
    conductivity: xr.Dataset,
    workshop: Workshop,
) -> None:
    """Keep what the spectra of a sample say together."""
    fits = [one.fit for one in outcomes if one.fit is not None]
    workshop.note(sample.name, "", find_swaps(fits))
    for first, second in pairwise(outcomes):
        if first.measurement is not second.measurement:
            continue
        if first.spectrum is None or second.spectrum is None:
            continue
        if first.kelvin != second.kelvin:
            continue
        try:
            drift = compare_sweeps(first.spectrum, second.spectrum)
        except FitError:
            continue
        if drift.drifted:
            text = f"drift between sweeps: {drift.reason}"
            workshop.note(sample.name, first.measurement.file.name, [text])
    known = _with_temperature(conductivity)
    if len(set(known[HISTORY].to_numpy().tolist())) > 1:
        found = check_hysteresis(known)
        workshop.note(sample.name, "", [f"histories: {found.verdict}: {found.text}"])


def _with_temperature(conductivity: xr.Dataset) -> xr.Dataset:
    """Return the rows whose temperature is known."""
    known = np.isfinite(conductivity[TEMPERATURE].to_numpy())
    return conductivity.isel({MEASUREMENT: np.flatnonzero(known)})


def fit_lines(
    conductivity: xr.Dataset, settings: ArrheniusSettings
) -> tuple[list[xr.Dataset], list[str]]:
    """Return the activation energies of each history, and why one has none.

    Parameters
    ----------
    conductivity : xarray.Dataset
        From :func:`structkit.eis.conductivity.compute_conductivity`; rows without a
        temperature are left out.
    settings : ArrheniusSettings
        Errors of the temperature.
    """
    known = _with_temperature(conductivity)
    past = known[HISTORY].to_numpy().astype(str)
    lines, lacking = [], []
    for name in dict.fromkeys(past.tolist()):
        own = known.isel({MEASUREMENT: np.flatnonzero(past == name)})
        seen = np.isfinite(own[CONDUCTIVITY].to_numpy()).any(axis=1)
        if np.unique(own[TEMPERATURE].to_numpy()[seen]).size < _LINE_POINTS:
            after = f" {name}" if name else ""
            lacking.append(
                f"no activation energy{after}: conductivities at fewer than "
                f"{_LINE_POINTS} temperatures"
            )
            continue
        fits = fit_arrhenius(own, settings)
        lines.append(fits.assign_attrs({HISTORY: name}))
    return lines, lacking


def _polarize(
    run: PolarizationFile,
    conductivity: xr.Dataset | None,
    settings: ArrheniusSettings,
) -> xr.Dataset:
    """Return one polarization run, with the transference number where it is known."""
    data = read_polarization(run.file, block=run.block)
    found = fit_polarization(data, run.pellet, settings=run.settings)
    kelvin = run.kelvin
    if not math.isfinite(kelvin) and TEMPERATURE in data.coords:
        kelvin = float(data[TEMPERATURE])
    remarks = [str(data.attrs.get("remarks", "")), str(found.attrs["remarks"])]
    number, std = math.nan, math.nan
    total, total_std, why = math.nan, math.nan, "no impedance of the sample"
    if conductivity is not None:
        total, total_std, why = total_at(conductivity, kelvin, settings)
    electronic = float(found["electronic_conductivity"])
    bound = float(found["electronic_conductivity_bound"])
    shared = 0.0 if run.pellet is None else run.pellet.relative_std
    if math.isfinite(electronic) and total > 0.0:
        number, std = _transference(
            (electronic, float(found["electronic_conductivity_std"])),
            (total, total_std),
            shared,
        )
        remarks.append(f"transference with the total conductivity {why}")
    elif math.isfinite(bound) and total > 0.0:
        remarks.append(
            f"transference above {1.0 - bound / total:.9g} (95 %), with the total "
            f"conductivity {why}"
        )
    elif total > 0.0:
        remarks.append("no transference number: no electronic conductivity")
    else:
        remarks.append(f"no transference number: {why}")
    found = found.assign_attrs(remarks="\n".join(text for text in remarks if text))
    return run_dataset(data, found, transference=(number, std, total))


def _transference(
    electronic: tuple[float, float], total: tuple[float, float], shared: float
) -> tuple[float, float]:
    """Return the transference number; NaN sigma where an uncertainty is unknown."""
    known = math.isfinite(electronic[1]) and math.isfinite(total[1])
    own = (electronic[1] / electronic[0], total[1] / total[0])
    if not known or not math.isfinite(shared):
        return 1.0 - electronic[0] / total[0], math.nan
    return transference_number(
        electronic[0],
        total[0],
        electronic_std=electronic[1],
        total_std=total[1],
        shared_relative_std=min(shared, *own),
    )


def total_at(
    conductivity: xr.Dataset, kelvin: float, settings: ArrheniusSettings
) -> tuple[float, float, str]:
    """Return the total conductivity at a temperature, its sigma, and where from.

    Parameters
    ----------
    conductivity : xarray.Dataset
        Of one sample.
    kelvin : float
        **K**; NaN: unknown, then the sample must have been measured at one only.
    settings : ArrheniusSettings
        For the line between measured temperatures.

    Returns
    -------
    value, std : float
        **S cm-1**; NaN where there is none.
    said : str
        How it was found, or why there is none.
    """
    rows = conductivity.sel({CONTRIBUTION: TOTAL})
    sigma = rows[CONDUCTIVITY].to_numpy()
    usable = np.isfinite(sigma)
    if not usable.any():
        return math.nan, math.nan, "no total conductivity"
    known = rows[TEMPERATURE].to_numpy()
    if not math.isfinite(kelvin):
        if np.ptp(known[usable]) > _SAME_KELVIN or not np.isfinite(known[usable]).all():
            return math.nan, math.nan, "the temperature of the run is not known"
        kelvin = float(known[usable][0])
    off = np.where(usable & np.isfinite(known), np.abs(known - kelvin), np.inf)
    place = int(np.argmin(off))
    if off[place] <= _SAME_KELVIN:
        std = float(rows[CONDUCTIVITY_STD].to_numpy()[place])
        return float(sigma[place]), std, f"at {known[place]:.2f} K"
    lines, _ = fit_lines(conductivity, settings)
    if not lines:
        return math.nan, math.nan, f"no total conductivity near {kelvin:.2f} K"
    found = predict_conductivity(lines[0], kelvin)
    said = f"of the Arrhenius line at {kelvin:.2f} K"
    if found.remark:
        said += f", {found.remark}"
    return found.conductivity, found.conductivity * found.ln_std, said


def _draw(tree: xr.DataTree, folder: Path) -> None:
    """Write figures from the stored results."""
    from structkit.plot.arrhenius import plot_arrhenius
    from structkit.plot.impedance import compose_impedance
    from structkit.plot.polarization import plot_polarization
    from structkit.plot.style import write_figure

    for name, number, spectrum in nodes_of(tree, SPECTRA_NODE):
        figure = compose_impedance(spectrum, title=f"{name} {number}")
        write_figure(figure, folder / f"{name}_{number}.png")
    lines: dict[str, list[xr.Dataset]] = {}
    for name, _, fits in nodes_of(tree, ARRHENIUS_NODE):
        lines.setdefault(name, []).append(fits)
    found = dict(conductivities_of(tree))
    for name, listed in lines.items():
        for convention in CONVENTIONS:
            drawn = plot_arrhenius(found[name], listed, convention=convention)
            path = folder / f"{name}_arrhenius_{convention}.png"
            _write_axes(drawn, path)
    for name, number, run in nodes_of(tree, POLARIZATION_NODE):
        _write_axes(plot_polarization(run), folder / f"{name}_dc_{number}.png")


def _write_axes(ax: Axes, path: Path) -> None:
    """Write the figure that axes stand in."""
    from structkit.plot.style import write_figure

    figure = ax.get_figure(root=True)
    if figure is not None:
        write_figure(figure, path)


def run_arrhenius(
    source: Path | str,
    *,
    output: Path | str | None = None,
    settings: ArrheniusSettings | None = None,
) -> dict[str, list[xr.Dataset]]:
    """Fit activation energies again, from stored conductivities.

    Parameters
    ----------
    source : Path or str
        Folder of :func:`run_eis`, its ``eis.nc``, or a table with the columns of
        ``conductivity.csv``. Of a table without resistances the given ``std`` weighs
        the points; geometry is then in it and reaches the activation energy.
    output : Path or str, optional
        Folder for ``tables/arrhenius.csv`` and the figures.
    settings : ArrheniusSettings, optional
        Errors of the temperature, weights, level.

    Returns
    -------
    dict of str to list of xarray.Dataset
        For each sample the fits of its histories.

    Raises
    ------
    StructkitError
        The source is absent or is none of these; no sample has two temperatures.
    """
    from structkit.eis.conductivity_csv import read_conductivities

    settings = settings or ArrheniusSettings()
    path = Path(source)
    if path.is_dir():
        path = path / RESULT_FILE
    if path.suffix == ".csv":
        found = read_conductivities(path)
    else:
        found = dict(conductivities_of(read_tree(path)))
    fits: dict[str, list[xr.Dataset]] = {}
    told: list[str] = []
    for name, conductivity in found.items():
        lines, lacking = fit_lines(conductivity, settings)
        told += [f"{name}: {text}" for text in lacking]
        if lines:
            fits[name] = lines
    if not fits:
        raise FitError(f"{path}: {told[0] if told else 'no conductivities'}")
    if output is not None:
        _store_arrhenius(found, fits, Path(output))
    return fits


def _store_arrhenius(
    found: Mapping[str, xr.Dataset],
    fits: Mapping[str, Sequence[xr.Dataset]],
    output: Path,
) -> None:
    """Write table and figures of activation energies."""
    from structkit.plot.arrhenius import plot_arrhenius

    nodes = {"/": root_dataset(dict.fromkeys(fits, (0, 0, 0)), (), {})}
    for name, lines in fits.items():
        for place, each in enumerate(lines, start=1):
            nodes[f"/{name}/{ARRHENIUS_NODE}/{place}"] = each
        for convention in CONVENTIONS:
            drawn = plot_arrhenius(found[name], lines, convention=convention)
            path = output / "figures" / "eis" / f"{name}_arrhenius_{convention}.png"
            _write_axes(drawn, path)
    table = arrhenius_table(xr.DataTree.from_dict(nodes))
    write_table(table, output / "tables" / "arrhenius.csv")


def run_polarization(
    path: Path | str,
    *,
    pellet: Pellet | None = None,
    settings: PolarizationSettings | None = None,
    block: int | None = None,
    output: Path | str | None = None,
) -> xr.Dataset:
    """Return what one DC run says of the electronic conductivity.

    Parameters
    ----------
    path : Path or str
        The file.
    pellet : Pellet, optional
        Geometry; without it the current only.
    settings : PolarizationSettings, optional
        Voltage and leakage.
    block : int, optional
        Which run of the file, from 1.
    output : Path or str, optional
        Folder for ``tables/polarization.csv`` and the figure.

    Raises
    ------
    StructkitError
        The file cannot be read.
    """
    file = Path(path)
    run = PolarizationFile(
        file=file,
        settings=settings or PolarizationSettings(),
        pellet=pellet,
        block=block,
    )
    found = _polarize(run, None, ArrheniusSettings())
    if output is not None:
        from structkit.plot.polarization import plot_polarization

        name, folder = name_of([file]), Path(output)
        nodes = {
            "/": root_dataset({name: (0, 0, 1)}, (), {}),
            f"/{name}/{POLARIZATION_NODE}/1": found,
        }
        table = polarization_table(xr.DataTree.from_dict(nodes))
        write_table(table, folder / "tables" / "polarization.csv")
        drawn = plot_polarization(found)
        _write_axes(drawn, folder / "figures" / "eis" / f"{name}_dc.png")
    return found
