"""Time of an NMR line fit, beside lmfit's composite model: rows of ``make bench``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.table import Row
from benchmarks.timing import measure
from structkit.nmr.fit import fit_lines
from structkit.nmr.lineshapes import evaluate_lines
from structkit.nmr.sites import LineFitOptions, Site
from structkit.schema import CHEMICAL_SHIFT, INTENSITY, make_nmr_spectrum

Floats = NDArray[np.float64]

MHZ = 132.294
SHIFTS = (-25.0, -11.2, -4.0, 7.0, 55.0)
WIDTHS = (4.0, 2.9, 3.5, 1.5, 4.5)
"""Full widths at half maximum, ppm."""
SHARES = (0.3, 0.8, 0.5, 0.2, 0.6)
AREAS = (20.0, 40.0, 15.0, 5.0, 60.0)
POINTS = 1000
FIT_MS = 40.0
FOUND = 0.2
"""How far a shift may be off before a fit has no time worth telling, ppm."""
_OFF = 0.5
_NOISE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A spectrum of five lines."""

    spectrum: xr.Dataset
    """With its noise."""
    sites: tuple[Site, ...]
    """Starts half a ppm beside the truth, a fifth too broad."""


def five_lines() -> Case:
    """Return a spectrum of five pseudo-Voigt lines on a sloping baseline."""
    rng = np.random.default_rng(12)
    shift = np.linspace(-60.0, 90.0, POINTS)
    lines = evaluate_lines(
        shift, np.array(SHIFTS), np.array(WIDTHS), share=np.array(SHARES)
    )
    light = np.array(AREAS) @ lines.value + 0.2 + 0.001 * shift
    spectrum = make_nmr_spectrum(
        shift,
        light + _NOISE * rng.standard_normal(POINTS),
        intensity_std=_NOISE,
        scalars={"larmor_frequency": MHZ},
    )
    signs = np.where(np.arange(len(SHIFTS)) % 2, _OFF, -_OFF)
    sites = tuple(
        Site(name=f"{place:g}", shift_ppm=place + sign, fwhm_hz=1.2 * width * MHZ)
        for place, sign, width in zip(SHIFTS, signs, WIDTHS, strict=True)
    )
    return Case(spectrum=spectrum, sites=sites)


def measure_nmr(repeats: int) -> Iterator[Row]:
    """Yield the rows on one spectrum: every start, one start, lmfit."""
    case, name = five_lines(), "5 lines, 1000 points"
    ours, fit = measure(
        lambda: fit_lines(case.spectrum, case.sites), repeats=max(repeats, 5)
    )
    _check(fit.shifts)
    yield Row(
        what=f"NMR: {name}, from several starts",
        value=1e3 * ours.median,
        unit="ms",
        fastest=1e3 * ours.fastest,
        repeats=max(repeats, 5),
        target=FIT_MS,
    )
    single = LineFitOptions(n_starts=1)
    once, fit = measure(
        lambda: fit_lines(case.spectrum, case.sites, single), repeats=max(repeats, 5)
    )
    _check(fit.shifts)
    yield Row(
        what=f"NMR: {name}, from one start",
        value=1e3 * once.median,
        unit="ms",
        fastest=1e3 * once.fastest,
        repeats=max(repeats, 5),
    )
    model, parameters = lmfit_model(case)
    shift = case.spectrum[CHEMICAL_SHIFT].to_numpy()
    values = case.spectrum[INTENSITY].to_numpy()
    few = max(repeats // 5, 1)
    theirs, result = measure(
        lambda: model.fit(values, parameters, x=shift, weights=1.0 / _NOISE),
        repeats=few,
        warmups=0,
    )
    _check(np.array([result.params[f"l{k}_center"].value for k in range(5)]))
    yield Row(
        what=f"lmfit CompositeModel: {name}, one start",
        value=1e3 * theirs.median,
        unit="ms",
        fastest=1e3 * theirs.fastest,
        repeats=few,
    )
    yield Row(
        what="NMR: structkit against lmfit, one start each",
        value=theirs.median / once.median,
        unit="x",
    )


def _check(shifts: Floats) -> None:
    """Refuse a fit that did not find the lines."""
    off = np.abs(shifts - np.array(SHIFTS))
    assert off.max() < FOUND, f"a shift is off by {off.max():.2f} ppm"


def lmfit_model(case: Case) -> tuple[Any, Any]:
    """Return lmfit's composite of pseudo-Voigts and a line, with the same starts."""
    from lmfit.models import LinearModel, PseudoVoigtModel

    shift = case.spectrum[CHEMICAL_SHIFT].to_numpy()
    values = case.spectrum[INTENSITY].to_numpy()
    low = float(np.percentile(values, 5.0))
    model = LinearModel(prefix="b_")
    for k in range(len(case.sites)):
        model += PseudoVoigtModel(prefix=f"l{k}_")
    parameters = model.make_params(b_slope=0.0, b_intercept=low)
    for k, site in enumerate(case.sites):
        width = site.fwhm_hz / MHZ
        height = float(np.interp(site.shift_ppm, shift, values)) - low
        least, most = site.shift_limits(MHZ)
        parameters[f"l{k}_amplitude"].set(value=max(1.3 * height * width, 0.1))
        parameters[f"l{k}_center"].set(value=site.shift_ppm, min=least, max=most)
        parameters[f"l{k}_sigma"].set(value=0.5 * width, min=0.025 * width)
        parameters[f"l{k}_fraction"].set(value=0.5, min=0.0, max=1.0)
    return model, parameters
