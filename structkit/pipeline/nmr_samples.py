"""What was found of one sample by NMR: its lines, its recoveries, its motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.errors import FitError, StructkitError
from structkit.io.manifest import SampleTable
from structkit.io.manifest_nmr import NmrTable, T1Table
from structkit.nmr.fit import fit_lines
from structkit.nmr.line_fit import LineFit
from structkit.nmr.relaxation import fit_relaxation
from structkit.nmr.relaxation_problem import RelaxationModel
from structkit.nmr.results import RecoveryAt, RelaxationAt, SampleResult
from structkit.nmr.site_recovery import SampleRecovery, measure_recoveries
from structkit.nmr.sites import Site
from structkit.nmr.widths import lifetime_width
from structkit.pipeline.nmr_composition import Remark
from structkit.pipeline.nmr_spectra import (
    check_nucleus,
    choose_options,
    make_site,
    read_recovery,
    read_spectrum,
    recycle_delay_of,
    turn_phase,
)
from structkit.schema import DELAY, LARMOR_FREQUENCY, TEMPERATURE, FitStatus
from structkit.structures.nuclei import find_nucleus

_KELVIN_AT_ZERO_CELSIUS = 273.15
_HALF = 0.5
_NEAR_TEMPERATURE = 30.0
"""Kelvin between a spectrum and the T1 that is told beside its widths."""
_SIGMAS = 3.0
_LEAST_TEMPERATURES = 2


@dataclass(slots=True, kw_only=True)
class Work:
    """What the samples of one series share while they are worked on."""

    table: NmrTable
    """``[nmr]``."""
    sites: tuple[Site, ...]
    """What is fitted."""
    spin: float
    """Of the nucleus."""
    remarks: list[Remark] = field(default_factory=list)
    """What was noticed."""

    def say(self, sample: str, file: str, text: str) -> None:
        """Keep the lines of a text as remarks."""
        self.remarks += [(sample, file, line) for line in text.splitlines() if line]


def start_work(table: NmrTable) -> Work:
    """Return the work with its sites."""
    spin = find_nucleus(table.nucleus).spin
    return Work(
        table=table, sites=tuple(make_site(one) for one in table.sites), spin=spin
    )


def fit_sample(sample: SampleTable, work: Work) -> SampleResult:
    """Return all that was found of one sample; what fails is a remark."""
    hours = sample.position("milling_time")
    result = SampleResult(
        name=sample.id,
        milling_time=math.nan if hours is None else hours,
        role=sample.role or "",
    )
    recoveries = [
        found for one in sample.t1 or () if (found := _recover(sample, one, work))
    ]
    result = replace(result, recoveries=tuple(recoveries))
    result = replace(result, relaxations=_relax(result, work))
    if sample.nmr is None:
        return replace(result, reason="no spectrum")
    try:
        return _fit_spectrum(result, sample, work)
    except StructkitError as error:
        work.say(sample.id, sample.nmr.name, f"left out: {error}")
        return replace(result, reason=str(error))


def _fit_spectrum(
    result: SampleResult, sample: SampleTable, work: Work
) -> SampleResult:
    """Return a sample with the lines of its spectrum."""
    path = Path(sample.nmr or "")
    spectrum = read_spectrum(path, work.table)
    work.say(result.name, path.name, str(spectrum.attrs["remarks"]))
    check_nucleus(spectrum, path, work.table)
    kelvin = _kelvin_of(spectrum, sample.temperature)
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


def _recover(sample: SampleTable, asked: T1Table, work: Work) -> RecoveryAt | None:
    """Return the recoveries of one experiment; None, with a remark, where it fails."""
    name, path = sample.id, asked.folder
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
    return locate(found, spectra, stated=asked.temperature, usual=sample.temperature)


def _start_lines(
    spectra: xr.Dataset, work: Work
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


def locate(
    found: SampleRecovery,
    spectra: xr.Dataset,
    *,
    stated: float | None = None,
    usual: float | None = None,
) -> RecoveryAt:
    """Return recoveries with where they were measured.

    Parameters
    ----------
    found : SampleRecovery
        Of all sites.
    spectra : xarray.Dataset
        As read.
    stated, usual : float, optional
        Temperature that wins over the header's, and the one where there is none,
        **degree Celsius**.
    """
    kelvin = _kelvin_of(spectra, usual)
    if stated is not None:
        kelvin = stated + _KELVIN_AT_ZERO_CELSIUS
    return RecoveryAt(
        recovery=found,
        temperature=kelvin,
        larmor_frequency=float(spectra.coords.get(LARMOR_FREQUENCY, math.nan)),
        source_file=str(spectra.attrs.get("source_file", "")),
    )


def _kelvin_of(spectra: xr.Dataset, usual: float | None) -> float:
    """Return the header's temperature, else the sample's, **K**; NaN: neither."""
    if TEMPERATURE in spectra.coords:
        return float(spectra[TEMPERATURE])
    return math.nan if usual is None else usual + _KELVIN_AT_ZERO_CELSIUS


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
    result: SampleResult, kelvin: float, work: Work
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


def _relax(result: SampleResult, work: Work) -> dict[str, RelaxationAt]:
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
