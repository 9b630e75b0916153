"""The stage from the NMR files of a series to stored lines, composition and T1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import xarray as xr

from structkit import __version__
from structkit.errors import ReadError
from structkit.io.manifest import SampleTable, SeriesFile, read_series
from structkit.io.manifest_nmr import NmrTable
from structkit.nmr.results import SampleResult, series_dataset
from structkit.nmr.site_recovery import measure_recoveries
from structkit.pipeline.nmr_composition import (
    RESULT_FILE,
    add_compositions,
    list_nominal,
)
from structkit.pipeline.nmr_samples import Work, fit_sample, locate, start_work
from structkit.pipeline.nmr_spectra import (
    nucleus_of,
    read_recovery,
    recycle_delay_of,
)
from structkit.pipeline.nmr_store import store_results
from structkit.structures.nuclei import find_nucleus

__all__ = ["RESULT_FILE", "fit_files", "fit_t1", "run_nmr", "store_results"]

Window = tuple[float, float]


def run_nmr(
    series_file: Path | str,
    output: Path | str,
    *,
    samples: Sequence[str] | None = None,
    figures: bool = True,
) -> xr.DataTree:
    """Fit the NMR spectra and recoveries of a series file and store everything.

    Parameters
    ----------
    series_file : Path or str
        The TOML file (``docs/series_file.md``); it needs no ``[xrd]``.
    output : Path or str
        Folder for ``nmr.nc`` and ``tables/``: ``nmr_sites.csv``,
        ``nmr_composition.csv``, ``t1.csv``, ``nmr_relaxation.csv``,
        ``nmr_remarks.csv``; and ``figures/``: ``nmr_widths.png`` and, below ``nmr/``,
        ``<sample>.png``, ``<sample>_t1_<n>.png``, ``<sample>_relaxation.png``.
    samples : sequence of str, optional
        Ids; the control whose blank is used comes along. Default: all with ``nmr`` or
        ``t1``.
    figures : bool
        Draw them.

    Returns
    -------
    xarray.DataTree
        As :mod:`structkit.schema.nmr_results` says.

    Raises
    ------
    StructkitError
        Anything that keeps the whole series from being fitted. A file that cannot be
        read or fitted is a remark, and a row with its reason.
    """
    series = read_series(series_file)
    table = series.nmr or NmrTable()
    chosen = _choose(series, table, samples)
    work = start_work(table)
    results = [fit_sample(one, work) for one in chosen]
    results = _compose(results, work, nominal=list_nominal(series, chosen))
    attrs = {
        "name": series.series.name,
        "axis": series.series.axis,
        "source_file": str(series.path),
        "source_sha256": series.sha256,
    }
    tree = series_dataset(results, remarks=work.remarks, attrs=_attrs(work, attrs))
    store_results(tree, Path(output), figures=figures)
    return tree


def fit_files(
    paths: Sequence[Path | str],
    output: Path | str | None = None,
    *,
    table: NmrTable | None = None,
) -> xr.DataTree:
    """Fit spectra of single files or folders, each a sample by its name.

    Parameters
    ----------
    paths : sequence of path
        Bruker experiments, JCAMP-DX files, columns of text.
    output : Path or str, optional
        Folder, as :func:`run_nmr`. Default: nothing is written.
    table : NmrTable, optional
        Sites and options. Default: the lines of 23Na in the study.

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    StructkitError
        As :func:`run_nmr`.
    """
    work = start_work(table or NmrTable())
    results = [
        fit_sample(SampleTable.model_construct(id=name, nmr=Path(path)), work)
        for name, path in zip(_names(paths), paths, strict=True)
    ]
    results = _compose(results, work, nominal={})
    tree = series_dataset(results, remarks=work.remarks, attrs=_attrs(work, {}))
    if output is not None:
        store_results(tree, Path(output))
    return tree


def fit_t1(
    path: Path | str,
    *,
    window: Window | None = None,
    table: NmrTable | None = None,
) -> xr.DataTree:
    """Find T1 in one pseudo-2D experiment.

    Parameters
    ----------
    path : Path or str
        Its folder.
    window : tuple of float, optional
        Shifts that are integrated, **ppm**. Default: the sites of ``table``; without
        either, the highest line.
    table : NmrTable, optional
        Sites that are fitted together.

    Returns
    -------
    xarray.DataTree
        As :mod:`structkit.schema.nmr_results`, of one sample.

    Raises
    ------
    StructkitError
        The experiment cannot be read, or holds no delays.
    """
    name, path = _names([path])[0], Path(path)
    work = start_work(table or NmrTable())
    sites = work.sites if table is not None else ()
    spectra = read_recovery(path, work.table)
    work.say(name, path.name, str(spectra.attrs["remarks"]))
    own = nucleus_of(spectra)
    work.spin = find_nucleus(own).spin if own else work.spin
    found = measure_recoveries(
        spectra,
        sites,
        window=window,
        recycle_delay=recycle_delay_of(spectra, work.table),
        spin=work.spin,
    )
    at = locate(found, spectra)
    result = SampleResult(name=name, reason="no spectrum beside it", recoveries=(at,))
    return series_dataset([result], remarks=work.remarks, attrs=_attrs(work, {}))


def _choose(
    series: SeriesFile, table: NmrTable, samples: Sequence[str] | None
) -> list[SampleTable]:
    """Return the samples to work on, the control among them."""
    measured = [one for one in series.samples if one.nmr or one.t1]
    if not measured:
        raise ReadError(f"{series.path}: no sample has nmr or t1")
    if not samples:
        return measured
    known = [one.id for one in measured]
    for name in samples:
        if name not in known:
            raise ReadError(
                f"{series.path}: no sample {name!r} with nmr or t1; there are "
                f"{', '.join(known)}"
            )
    control = None if table.blank is None else table.blank.sample
    return [one for one in measured if one.id in (*samples, control)]


def _names(paths: Sequence[Path | str]) -> list[str]:
    """Return a name for each path, its folder's before it where two are alike."""
    found: list[str] = []
    for path in paths:
        absolute = Path(path).absolute()
        name = absolute.name if absolute.is_dir() else absolute.stem
        if name.isdigit():
            name = f"{absolute.parent.name}-{name}"
        number = sum(other == name or other.startswith(f"{name} #") for other in found)
        found.append(f"{name} #{number + 1}" if number else name)
    return found


def _compose(
    results: Sequence[SampleResult], work: Work, *, nominal: Mapping[str, float]
) -> list[SampleResult]:
    """Return the samples with their compositions."""
    weighed = [
        replace(one, na_per_ta=nominal.get(one.name, math.nan)) for one in results
    ]
    done, remarks = add_compositions(weighed, work.table)
    work.remarks += remarks
    return done


def _attrs(work: Work, attrs: Mapping[str, str]) -> dict[str, str]:
    """Return where the results come from."""
    software = f"structkit {__version__}"
    return {"nucleus": work.table.nucleus, **attrs, "software": software}
