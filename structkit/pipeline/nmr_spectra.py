"""NMR files of a series -> spectra and recoveries, judged, and the options of a fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.errors import FitError, ReadError, StructkitError
from structkit.io.manifest_nmr import NmrTable, SiteTable
from structkit.io.nmr import read_decay, read_nmr
from structkit.nmr.reference import reference_spectrum
from structkit.nmr.sites import LineFitOptions, Site
from structkit.nmr.spectrum import (
    ProcessingOptions,
    estimate_noise,
    process_decay,
)
from structkit.schema import (
    DELAY,
    INTENSITY,
    INTENSITY_STD,
    LARMOR_FREQUENCY,
    NUCLEUS,
    RECYCLE_DELAY,
    label,
)
from structkit.schema.nmr import INTENSITY_IMAG
from structkit.structures.nuclei import find_nucleus

Window = tuple[float, float]

_WIDTHS = 10.0
"""Of a line, to each side of the sites: what is fitted by default."""
_PHASE_FOUND = "phase0"
"""attr of what :func:`structkit.nmr.spectrum.process_decay` made."""
_HALF_WAY = 0.5
"""Of the way to a sideband that is not fitted, the most that is fitted by default."""


def read_spectrum(path: Path, table: NmrTable) -> xr.Dataset:
    """Return one spectrum with its noise, as the series file says.

    Parameters
    ----------
    path : Path
        Folder or file.
    table : NmrTable
        ``[nmr]``.

    Returns
    -------
    xarray.Dataset
        The stored spectrum where there is one and ``processing`` does not say
        otherwise, else the decay's transform, with its phase found.

    Raises
    ------
    ReadError
        Neither can be read, or it holds one spectrum for each delay.
    """
    spectrum = _read(path, table, stored_first=table.processing == "stored")
    if DELAY in spectrum.dims:
        raise ReadError(
            f"{path}: holds {spectrum.sizes[DELAY]} delays, a recovery and no "
            "spectrum; name it t1"
        )
    _check_empty(spectrum, path)
    if INTENSITY_STD not in spectrum:
        try:
            spectrum = estimate_noise(spectrum)
        except FitError as error:
            spectrum = _remark(spectrum, f"The noise is that of the residual: {error}.")
    reference = table.reference
    if reference is not None:
        spectrum = reference_spectrum(
            spectrum, reference.line, at=reference.ppm, at_std=reference.std
        )
    return spectrum


def read_recovery(path: Path, table: NmrTable) -> xr.Dataset:
    """Return one spectrum for each delay: the decays' transform, else the stored ones.

    Parameters
    ----------
    path : Path
        Folder of a pseudo-2D experiment.
    table : NmrTable
        ``[nmr]``.

    Raises
    ------
    ReadError
        There are no delays, or it cannot be read.
    """
    spectra = _read(path, table, stored_first=False, baseline=True)
    if DELAY not in spectra.dims:
        raise ReadError(
            f"{path}: holds no delays: T1 needs a pseudo-2D experiment (ser or 2rr) "
            "with its vdlist"
        )
    _check_empty(spectra, path)
    return spectra


def turn_phase(spectra: xr.Dataset, degree: float) -> xr.Dataset:
    """Return spectra less a phase, as :attr:`LineFit.phase_degree` tells it.

    Parameters
    ----------
    spectra : xarray.Dataset
        With ``intensity_imag``.
    degree : float
        The phase.
    """
    both = spectra[INTENSITY] + 1j * spectra[INTENSITY_IMAG]
    turned = both * np.exp(-1j * math.radians(degree))
    return spectra.assign(
        {
            INTENSITY: turned.real.assign_attrs(spectra[INTENSITY].attrs),
            INTENSITY_IMAG: turned.imag.assign_attrs(spectra[INTENSITY_IMAG].attrs),
        }
    )


def _read(
    path: Path, table: NmrTable, *, stored_first: bool, baseline: bool = False
) -> xr.Dataset:
    """Return spectra from the first of both ways that leads there."""

    def process() -> xr.Dataset:
        decay = read_decay(path)
        plain = ProcessingOptions(lorentz_broadening=table.broadening_hz)
        if not baseline:
            return process_decay(decay, plain)
        try:
            return process_decay(
                decay, replace(plain, baseline="polynomial", baseline_degree=1)
            )
        except FitError:
            return process_decay(decay, plain)

    ways: tuple[Callable[[], xr.Dataset], ...] = (lambda: read_nmr(path), process)
    first, second = ways if stored_first else ways[::-1]
    try:
        spectrum = first()
    except StructkitError as error:
        try:
            spectrum = second()
        except StructkitError:
            raise error from None
    if LARMOR_FREQUENCY in spectrum.coords:
        return spectrum
    if table.larmor_mhz is None:
        raise ReadError(
            f"{path}: names no Larmor frequency, which widths in Hz need; give "
            "larmor_mhz in [nmr]"
        )
    mhz = label(xr.DataArray(table.larmor_mhz), LARMOR_FREQUENCY)
    return spectrum.assign_coords({LARMOR_FREQUENCY: mhz})


def _check_empty(spectrum: xr.Dataset, path: Path) -> None:
    """Refuse a spectrum without anything in it."""
    if not float(np.ptp(spectrum[INTENSITY].to_numpy())) > 0.0:
        raise ReadError(f"{path}: is empty: every point has the same intensity")


def _remark(spectrum: xr.Dataset, text: str) -> xr.Dataset:
    """Return a spectrum with one more remark."""
    told = [line for line in (str(spectrum.attrs.get("remarks", "")), text) if line]
    return spectrum.assign_attrs(remarks="\n".join(told))


def make_site(table: SiteTable) -> Site:
    """Return a site of the series file as the fit takes it."""
    return Site(
        name=table.name,
        shift_ppm=table.shift_ppm,
        fwhm_hz=table.fwhm_hz,
        shape=table.shape,
        shift_window_ppm=table.window,
        sigma_cq_mhz=table.sigma_cq_mhz or 0.0,
        t1_s=table.t1_s,
        t1_std_s=table.t1_std_s,
    )


def choose_options(
    spectrum: xr.Dataset, table: NmrTable, sites: tuple[Site, ...]
) -> tuple[LineFitOptions, list[str]]:
    """Return the options of a line fit, and what is to be known of them.

    Parameters
    ----------
    spectrum : xarray.Dataset
        From :func:`read_spectrum`.
    table : NmrTable
        ``[nmr]``.
    sites : tuple of Site
        What is fitted.

    Returns
    -------
    options : LineFitOptions
        The window without ``range``: ten widths to each side of the sites, but no
        further than half-way to sidebands that are not fitted. The phase of a decay
        that was transformed here is fitted: the one that was found is right to some
        degrees only, and a dispersive part moves lines and their areas.
    remarks : list of str
    """
    rate = table.mas_rate_hz or spectrum.attrs.get("mas_rate_estimated")
    orders, told = table.sidebands, []
    if orders and rate is None:
        told.append(
            "no spinning rate is known (no rotor echoes; the header's is not "
            "trusted): sidebands are left out; give mas_rate_hz"
        )
        orders = ()
    larmor = float(spectrum[LARMOR_FREQUENCY])
    spacing = 0.0 if rate is None else float(rate) / larmor
    low = min(s.shift_ppm - _WIDTHS * s.fwhm_hz / larmor for s in sites)
    high = max(s.shift_ppm + _WIDTHS * s.fwhm_hz / larmor for s in sites)
    if orders:
        low += min(0, *orders) * spacing
        high += max(0, *orders) * spacing
    elif spacing:
        low = max(low, min(s.shift_ppm for s in sites) - _HALF_WAY * spacing)
        high = min(high, max(s.shift_ppm for s in sites) + _HALF_WAY * spacing)
    return (
        LineFitOptions(
            window_ppm=table.shift_range or (low, high),
            baseline_order=table.baseline_order,
            area_sign=table.areas,
            phase="zero" if _PHASE_FOUND in spectrum.attrs else "none",
            mas_rate_hz=None if rate is None else float(rate),
            sideband_orders=orders,
            spin=find_nucleus(table.nucleus).spin,
        ),
        told,
    )


def check_nucleus(spectrum: xr.Dataset, path: Path, table: NmrTable) -> None:
    """Refuse a spectrum of another nucleus than the series'.

    Raises
    ------
    ReadError
        The frequency speaks for another one.
    """
    found, wanted = nucleus_of(spectrum), find_nucleus(table.nucleus).symbol
    if found and found != wanted:
        raise ReadError(
            f"{path}: is of {found} by its frequency, but nucleus is {wanted} in "
            "[nmr]: a wrong folder?"
        )


def nucleus_of(spectrum: xr.Dataset) -> str:
    """Return the nucleus of a spectrum; empty where it is not known."""
    return str(spectrum[NUCLEUS].item()) if NUCLEUS in spectrum.coords else ""


def recycle_delay_of(spectrum: xr.Dataset, table: NmrTable) -> float | None:
    """Return the time between scans, s: the series file's, else the header's."""
    if table.recycle_delay_s is not None:
        return table.recycle_delay_s
    if RECYCLE_DELAY not in spectrum.coords:
        return None
    delay = float(spectrum[RECYCLE_DELAY])
    return delay if delay > 0.0 else None
