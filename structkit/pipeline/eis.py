"""The stage from impedance and DC files to conductivities, energies and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from structkit import __version__
from structkit.eis.arrhenius_line import ArrheniusSettings
from structkit.eis.pellet import Pellet
from structkit.eis.polarization import (
    PolarizationSettings,
)
from structkit.eis.result_tables import (
    arrhenius_table,
    conductivities_of,
    conductivity_table,
    elements_table,
    nodes_of,
    polarization_table,
    remarks_table,
    retention_table,
    retentions_of,
)
from structkit.eis.results import (
    root_dataset,
)
from structkit.errors import FitError
from structkit.io.manifest import read_series
from structkit.pipeline.conductivity import fit_lines, make_sample_nodes, polarize
from structkit.pipeline.eis_plan import (
    EisOptions,
    EisSample,
    Measurement,
    PolarizationFile,
    plan_series,
)
from structkit.pipeline.impedance import (
    Outcome,
    Remark,
    Workshop,
)
from structkit.pipeline.retention import make_retention_nodes
from structkit.schema import TIME
from structkit.schema.conductivity import (
    CONVENTIONS,
)
from structkit.schema.eis_results import (
    ARRHENIUS_NODE,
    POLARIZATION_NODE,
    SAMPLES_NODE,
    SPECTRA_NODE,
    validate_eis_results,
)
from structkit.store import read_tree, write_table, write_tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULT_FILE = "eis.nc"


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
        ``retention.csv``, ``eis_remarks.csv``; and ``figures/eis/``.
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
    short = options.short
    if short is not None and not math.isfinite(short.resistance_std_ohm):
        text = "no uncertainty of the short cell: that of bulk and total is not known"
        workshop.note("", "", [text])
    nodes: dict[str, xr.Dataset] = {}
    counts: dict[str, tuple[int, int, int]] = {}
    outcomes_of: dict[str, list[Outcome]] = {}
    found_of: dict[str, Mapping[str, xr.Dataset]] = {}
    for sample in samples:
        outcomes = workshop.fit_sample(sample)
        found = make_sample_nodes(sample, outcomes, workshop)
        outcomes_of[sample.name], found_of[sample.name] = outcomes, found
        fitted = sum(one.is_fitted for one in outcomes)
        runs = sum(
            below.startswith(POLARIZATION_NODE) and each.sizes[TIME] > 0
            for below, each in found.items()
        )
        read = sum(one.spectrum is not None for one in outcomes)
        counts[sample.name] = (read, fitted, runs)
    if not any(spectra or runs for spectra, _, runs in counts.values()):
        first = workshop.remarks[0][2] if workshop.remarks else "no files"
        raise FitError(f"no impedance or DC file could be used; the first: {first}")
    left = make_retention_nodes(samples, outcomes_of, found_of, workshop)
    for name, found_there in found_of.items():
        for place, each in {**found_there, **left.get(name, {})}.items():
            nodes[f"/{SAMPLES_NODE}/{name}/{place}"] = each
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
        draw_results(tree, output / "figures" / "eis")
    return tree


def _write_tables(tree: xr.DataTree, remarks: Sequence[Remark], folder: Path) -> None:
    """Write the tables."""
    write_table(elements_table(tree), folder / "eis_elements.csv")
    write_table(conductivity_table(tree), folder / "conductivity.csv")
    write_table(arrhenius_table(tree), folder / "arrhenius.csv")
    write_table(polarization_table(tree), folder / "polarization.csv")
    write_table(retention_table(tree), folder / "retention.csv")
    write_table(remarks_table(remarks), folder / "eis_remarks.csv")


def draw_results(tree: xr.DataTree, folder: Path) -> None:
    """Write figures from the stored results.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`run_eis`.
    folder : Path
        Where to.
    """
    from structkit.plot.arrhenius import plot_arrhenius
    from structkit.plot.impedance import compose_impedance
    from structkit.plot.polarization import plot_polarization
    from structkit.plot.retention import plot_retention
    from structkit.plot.style import write_figure

    for name, left in retentions_of(tree):
        _write_axes(plot_retention(left), folder / f"{name}_retention.png")
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
        if not run.sizes[TIME]:
            continue
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
            nodes[f"/{SAMPLES_NODE}/{name}/{ARRHENIUS_NODE}/{place}"] = each
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
    found = polarize(run, None, ArrheniusSettings())
    if output is not None:
        from structkit.plot.polarization import plot_polarization

        name, folder = name_of([file]), Path(output)
        nodes = {
            "/": root_dataset({name: (0, 0, 1)}, (), {}),
            f"/{SAMPLES_NODE}/{name}/{POLARIZATION_NODE}/1": found,
        }
        table = polarization_table(xr.DataTree.from_dict(nodes))
        write_table(table, folder / "tables" / "polarization.csv")
        drawn = plot_polarization(found)
        _write_axes(drawn, folder / "figures" / "eis" / f"{name}_dc.png")
    return found
