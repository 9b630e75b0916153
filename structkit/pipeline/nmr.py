"""The stage from the NMR files of a series to stored lines, composition and T1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xarray as xr

from structkit import __version__
from structkit.errors import FitError, ReadError, StructkitError
from structkit.io.manifest import SampleTable, SeriesFile, read_series
from structkit.io.manifest_nmr import NmrTable
from structkit.nmr.fit import fit_lines
from structkit.nmr.line_fit import LineFit
from structkit.nmr.relaxation import fit_relaxation
from structkit.nmr.relaxation_problem import RelaxationModel
from structkit.nmr.result_tables import (
    composition_table,
    relaxation_table,
    remarks_table,
    sites_table,
    t1_table,
)
from structkit.nmr.results import (
    RecoveryAt,
    RelaxationAt,
    SampleResult,
    series_dataset,
)
from structkit.nmr.site_recovery import SampleRecovery, measure_recoveries
from structkit.nmr.sites import Site
from structkit.nmr.widths import lifetime_width
from structkit.pipeline.nmr_composition import (
    RESULT_FILE,
    Remark,
    add_compositions,
    list_nominal,
)
from structkit.pipeline.nmr_spectra import (
    check_nucleus,
    choose_options,
    make_site,
    nucleus_of,
    read_recovery,
    read_spectrum,
    recycle_delay_of,
    turn_phase,
)
from structkit.schema import (
    DELAY,
    LARMOR_FREQUENCY,
    MILLING_TIME,
    SITE,
    TEMPERATURE,
    FitStatus,
)
from structkit.schema.nmr_results import LINES_NODE, RELAXATION_NODE, T1_NODE
from structkit.store import write_table, write_tree
from structkit.structures.nuclei import find_nucleus

__all__ = ["RESULT_FILE", "fit_files", "fit_t1", "run_nmr", "store_results"]

Window = tuple[float, float]

_KELVIN_AT_ZERO_CELSIUS = 273.15
_HALF = 0.5
_NEAR_TEMPERATURE = 30.0
"""Kelvin between a spectrum and the T1 that is told beside its widths."""
_SIGMAS = 3.0
_LEAST_TEMPERATURES = 2


@dataclass(slots=True, kw_only=True)
class _Work:
    """What the samples of one series share while they are worked on."""

    table: NmrTable
    sites: tuple[Site, ...]
    spin: float
    remarks: list[Remark] = field(default_factory=list)

    def say(self, sample: str, file: str, text: str) -> None:
        """Keep the lines of a text as remarks."""
        self.remarks += [(sample, file, line) for line in text.splitlines() if line]


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
    work = _start(table)
    results = [_fit_sample(one, work) for one in chosen]
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
    work = _start(table or NmrTable())
    results = [
        _fit_sample(SampleTable.model_construct(id=name, nmr=Path(path)), work)
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
    work = _start(table or NmrTable())
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
    at = _at(found, spectra, None)
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


def _start(table: NmrTable) -> _Work:
    """Return the work with its sites."""
    spin = find_nucleus(table.nucleus).spin
    return _Work(
        table=table, sites=tuple(make_site(one) for one in table.sites), spin=spin
    )


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


def _fit_sample(sample: SampleTable, work: _Work) -> SampleResult:
    """Return all that was found of one sample; what fails is a remark."""
    hours = sample.position("milling_time")
    result = SampleResult(
        name=sample.id,
        milling_time=math.nan if hours is None else hours,
        role=sample.role or "",
    )
    recoveries = [
        found
        for one in sample.t1 or ()
        if (found := _recover(sample.id, one.folder, one.temperature, work=work))
    ]
    result = replace(result, recoveries=tuple(recoveries))
    result = replace(result, relaxations=_relax(result, work))
    if sample.nmr is None:
        return replace(result, reason="no spectrum")
    try:
        return _fit_spectrum(result, sample.nmr, work)
    except StructkitError as error:
        work.say(sample.id, sample.nmr.name, f"left out: {error}")
        return replace(result, reason=str(error))


def _fit_spectrum(result: SampleResult, path: Path, work: _Work) -> SampleResult:
    """Return a sample with the lines of its spectrum."""
    spectrum = read_spectrum(path, work.table)
    work.say(result.name, path.name, str(spectrum.attrs["remarks"]))
    check_nucleus(spectrum, path, work.table)
    kelvin = float(spectrum.coords.get(TEMPERATURE, math.nan))
    own = _t1_beside(result, kelvin, work)
    sites = tuple(
        replace(site, t1_s=own[site.name][0], t1_std_s=own[site.name][1])
        if site.name in own
        else site
        for site in work.sites
    )
    options, told = choose_options(spectrum, work.table, sites)
    fit = fit_lines(spectrum, sites, options)
    work.say(result.name, path.name, "\n".join([*told, *fit.remarks]))
    if not fit.status.has_values:
        raise FitError(fit.reason)
    if fit.status is not FitStatus.CONVERGED:
        work.say(result.name, path.name, f"{fit.status.value}: {fit.reason}")
    delay = recycle_delay_of(spectrum, work.table)
    work.say(result.name, path.name, "\n".join(_impossible_widths(fit)))
    known = {
        site.name: (site.t1_s, site.t1_std_s) for site in sites if site.t1_s is not None
    }
    return replace(
        result,
        lines=fit,
        temperature=kelvin,
        t1=known,
        recycle_delay=math.nan if delay is None else delay,
    )


def _impossible_widths(fit: LineFit) -> list[str]:
    """Return what to know of lines that are sharper than their lifetime allows."""
    told = []
    for site, width, std in zip(
        fit.model.sites, fit.fwhm_hz, fit.fwhm_std_hz, strict=True
    ):
        if site.t1_s is None:
            continue
        least = lifetime_width(site.t1_s)
        spread = math.hypot(std, least * site.t1_std_s / site.t1_s)
        if width + _SIGMAS * spread < least:
            told.append(
                f"{site.name} is {width:.0f} Hz wide, but its T1 of {site.t1_s:.3g} s "
                f"makes at least {least:.0f} Hz: is that T1 of another line or sample?"
            )
    return told


def _recover(
    name: str, path: Path, celsius: float | None, *, work: _Work
) -> RecoveryAt | None:
    """Return the recoveries of one experiment; None, with a remark, where it fails."""
    try:
        spectra = read_recovery(path, work.table)
        work.say(name, path.name, str(spectra.attrs["remarks"]))
        check_nucleus(spectra, path, work.table)
        spectra, sites = _start_lines(spectra, work)
        found = measure_recoveries(
            spectra,
            sites,
            window=work.table.shift_range,
            recycle_delay=recycle_delay_of(spectra, work.table),
            spin=work.spin,
        )
    except StructkitError as error:
        work.say(name, path.name, f"left out: {error}")
        return None
    if found.reason:
        work.say(name, path.name, found.reason)
    return _at(found, spectra, celsius)


def _start_lines(
    spectra: xr.Dataset, work: _Work
) -> tuple[xr.Dataset, tuple[Site, ...]]:
    """Return spectra in the phase, sites with the lines, of the longest delay."""
    longest = int(np.argmax(spectra[DELAY].to_numpy()))
    row = spectra.isel({DELAY: longest}, drop=True)
    options, _ = choose_options(row, work.table, work.sites)
    fit = fit_lines(row, work.sites, replace(options, sideband_orders=()))
    if not fit.status.has_values:
        return spectra, work.sites
    if fit.phase_degree.size:
        spectra = turn_phase(spectra, float(fit.phase_degree[0]))
    sites = tuple(
        replace(
            site,
            shift_ppm=float(shift),
            fwhm_hz=float(width),
            lorentzian_share=float(share),
            fwhm_window_hz=None,
        )
        for site, shift, width, share in zip(
            work.sites, fit.shifts, fit.fwhm_hz, fit.shares, strict=True
        )
    )
    return spectra, sites


def _at(
    found: SampleRecovery, spectra: xr.Dataset, celsius: float | None
) -> RecoveryAt:
    """Return recoveries with where they were measured."""
    kelvin = float(spectra.coords.get(TEMPERATURE, math.nan))
    if celsius is not None:
        kelvin = celsius + _KELVIN_AT_ZERO_CELSIUS
    return RecoveryAt(
        recovery=found,
        temperature=kelvin,
        larmor_frequency=float(spectra.coords.get(LARMOR_FREQUENCY, math.nan)),
        source_file=str(spectra.attrs.get("source_file", "")),
    )


def _t1_points(
    recoveries: Sequence[RecoveryAt], site: str
) -> list[tuple[float, float, float, float]]:
    """Return temperature, T1, its 1 sigma and the frequency of one site.

    A T1 that is known to no more than its own size is no point.
    """
    found = []
    for at in recoveries:
        for one in at.recovery.sites:
            fit = one.fit
            if one.site == site and fit.status.has_values and fit.t1_std < fit.t1:
                found.append((at.temperature, fit.t1, fit.t1_std, at.larmor_frequency))
    return found


def _t1_beside(
    result: SampleResult, kelvin: float, work: _Work
) -> dict[str, tuple[float, float]]:
    """Return the measured T1 of each site nearest to the spectrum's temperature."""
    found = {}
    for site in work.sites:
        points = _t1_points(result.recoveries, site.name)
        if not points:
            continue
        away = [abs(point[0] - kelvin) for point in points]
        place = int(np.argmin(np.nan_to_num(away, nan=0.0)))
        if away[place] > _NEAR_TEMPERATURE:
            work.say(
                result.name,
                "",
                f"T1 of {site.name} is {away[place]:.0f} K from the spectrum: not used "
                "for its width and area",
            )
            continue
        found[site.name] = points[place][1:3]
    return found


def _relax(result: SampleResult, work: _Work) -> dict[str, RelaxationAt]:
    """Return T1 over temperature of the sites that have it at several."""
    found: dict[str, RelaxationAt] = {}
    for site in work.sites:
        points = [
            point
            for point in _t1_points(result.recoveries, site.name)
            if math.isfinite(point[0])
        ]
        if len({point[0] for point in points}) < _LEAST_TEMPERATURES:
            continue
        if work.spin <= _HALF:
            work.say(
                result.name,
                "",
                f"T1 of {work.table.nucleus} over temperature is not fitted: it has no "
                "quadrupole moment",
            )
            return {}
        kelvin, t1, std, mhz = np.asarray(sorted(points)).T
        fit = fit_relaxation(
            kelvin,
            t1,
            larmor_hz=1e6 * mhz,
            t1_std=std if np.all(std > 0.0) else None,
            model=RelaxationModel(spin=work.spin),
        )
        found[site.name] = RelaxationAt(
            temperature=kelvin,
            t1=t1,
            t1_std=std,
            larmor_frequency=float(mhz[0]),
            spin=work.spin,
            fit=fit,
        )
    return found


def _compose(
    results: Sequence[SampleResult], work: _Work, *, nominal: Mapping[str, float]
) -> list[SampleResult]:
    """Return the samples with their compositions."""
    weighed = [
        replace(one, na_per_ta=nominal.get(one.name, math.nan)) for one in results
    ]
    done, remarks = add_compositions(weighed, work.table)
    work.remarks += remarks
    return done


def _attrs(work: _Work, attrs: Mapping[str, str]) -> dict[str, str]:
    """Return where the results come from."""
    software = f"structkit {__version__}"
    return {"nucleus": work.table.nucleus, **attrs, "software": software}


def store_results(tree: xr.DataTree, output: Path, *, figures: bool = True) -> None:
    """Write ``nmr.nc``, the tables and the figures below a folder.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`run_nmr`, :func:`fit_files` or :func:`fit_t1`.
    output : Path
        The folder.
    figures : bool
        Draw them.
    """
    write_tree(tree, output / RESULT_FILE)
    folder = output / "tables"
    write_table(sites_table(tree), folder / "nmr_sites.csv")
    write_table(composition_table(tree), folder / "nmr_composition.csv")
    write_table(t1_table(tree), folder / "t1.csv")
    write_table(relaxation_table(tree), folder / "nmr_relaxation.csv")
    write_table(remarks_table(list_remarks(tree)), folder / "nmr_remarks.csv")
    if figures:
        _draw(tree, output / "figures")


def _draw(tree: xr.DataTree, folder: Path) -> None:
    """Write figures from the stored results; what was not fitted has none."""
    from structkit.plot.linewidths import plot_linewidths
    from structkit.plot.nmr_spectrum import compose_nmr_spectrum
    from structkit.plot.recovery import compose_recoveries
    from structkit.plot.relaxation import plot_relaxation
    from structkit.plot.style import write_figure

    for name, node in tree.children.items():
        if LINES_NODE in node.children:
            lines = node.children[LINES_NODE].to_dataset(inherit=False)
            figure = compose_nmr_spectrum(lines, title=name)
            write_figure(figure, folder / "nmr" / f"{name}.png")
        for number, each in node.children.get(T1_NODE, xr.DataTree()).children.items():
            data = each.to_dataset(inherit=False)
            figure = compose_recoveries(data, title=name)
            write_figure(figure, folder / "nmr" / f"{name}_t1_{number}.png")
        if RELAXATION_NODE in node.children:
            data = node.children[RELAXATION_NODE].to_dataset(inherit=False)
            if (over := plot_relaxation(data).get_figure(root=True)) is not None:
                write_figure(over, folder / "nmr" / f"{name}_relaxation.png")
    root = tree.to_dataset(inherit=False)
    known = root[MILLING_TIME].where(root["fwhm"].notnull().any(SITE))
    if np.unique(known.to_numpy()[np.isfinite(known)]).size > 1:
        if (widths := plot_linewidths(root).get_figure(root=True)) is not None:
            write_figure(widths, folder / "nmr_widths.png")


def list_remarks(tree: xr.DataTree) -> list[Remark]:
    """Return the remarks of stored results."""
    root = tree.to_dataset(inherit=False)
    columns = [
        root[name].to_numpy()
        for name in ("remark_sample", "remark_file", "remark_text")
    ]
    return [(str(a), str(b), str(c)) for a, b, c in zip(*columns, strict=True)]
