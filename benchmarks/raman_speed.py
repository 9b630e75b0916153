"""Time of Raman fits, beside lmfit's composite model: rows of ``make bench``.

``python -m benchmarks.raman_speed`` fits the map by itself and prints seconds and peak
memory, since the peak of a process cannot be taken back.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.startup import ROOT
from benchmarks.table import Row
from benchmarks.timing import measure
from structkit.raman.bands import Band
from structkit.raman.fit import fit_bands
from structkit.raman.map import fit_map
from structkit.raman.model import BandModel
from structkit.raman.shapes import evaluate_shape
from structkit.schema import INTENSITY, INTENSITY_STD, RAMAN_SHIFT, SPOT, make_spectra

Floats = NDArray[np.float64]

CENTRES = (150.0, 210.0, 265.0, 310.0, 345.0, 378.0, 405.0, 520.0, 680.0, 760.0)
WIDTHS = (14.0, 12.0, 20.0, 18.0, 16.0, 10.0, 10.0, 25.0, 40.0, 45.0)
HEIGHTS = (900.0, 600.0, 400.0, 500.0, 800.0, 3000.0, 1500.0, 300.0, 500.0, 600.0)
POINTS = 1000
SPECTRA = 1000
JOBS = 2
FIT_MS, MAP_S, MAP_MB = 25.0, 20.0, 1000.0
FOUND = 0.5
"""How far a centre may be off before a fit has no time worth telling, cm-1."""
_OFF = 2.0
_POLYNOMIAL = 4
_MEGABYTE = 1024.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A spectrum of ten bands, or a map of them."""

    spectra: xr.Dataset
    """With ``intensity_std``."""
    model: BandModel
    """Starts 2 cm-1 beside the truth."""


def ten_bands(n_spectra: int = 1) -> Case:
    """Return spectra of ten pseudo-Voigt bands on a curved background, 1000 points."""
    rng = np.random.default_rng(11)
    shift = np.linspace(100.0, 1100.0, POINTS)
    centres, widths = np.array(CENTRES), np.array(WIDTHS)
    shapes = evaluate_shape(
        shift[None, :] - centres[:, None], widths, np.full(widths.size, 0.5)
    ).value
    unit = shapes / shapes.max(axis=1, keepdims=True)
    scaled = (shift - 600.0) / 500.0
    background = 800.0 - 150.0 * scaled + 120.0 * scaled**2
    amounts = np.exp(0.2 * rng.standard_normal((n_spectra, centres.size)))
    light = (amounts * np.array(HEIGHTS)) @ unit + background
    counts = rng.poisson(light).astype(float)
    spectra = make_spectra(shift, counts)
    std = np.sqrt(np.maximum(light, 1.0))
    signs = np.where(np.arange(centres.size) % 2, _OFF, -_OFF)
    bands = tuple(
        Band(
            name=f"{centre:.0f}",
            species="benchmark",
            wavenumber=float(centre + sign),
            wavenumber_std=6.0,
            fwhm=1.2 * float(width),
            grade="user",
        )
        for centre, sign, width in zip(centres, signs, widths, strict=True)
    )
    attrs = spectra[INTENSITY].attrs
    return Case(
        spectra=spectra.assign({INTENSITY_STD: (spectra[INTENSITY].dims, std, attrs)}),
        model=BandModel(bands=bands),
    )


def measure_raman(repeats: int) -> Iterator[Row]:
    """Yield the rows on one spectrum and on a map."""
    case = ten_bands()
    ours, fit = measure(lambda: fit_bands(case.spectra, case.model), repeats=repeats)
    _check(fit.solution.shared[fit.layout.centre])
    name = "10 bands, 1000 points"
    yield Row(
        what=f"Raman: {name}",
        value=1e3 * ours.median,
        unit="ms",
        fastest=1e3 * ours.fastest,
        repeats=repeats,
        target=FIT_MS,
    )
    model, parameters = lmfit_model(case)
    shift = case.spectra[RAMAN_SHIFT].to_numpy()
    counts = case.spectra[INTENSITY].to_numpy()[0]
    weights = 1.0 / case.spectra[INTENSITY_STD].to_numpy()[0]
    few = max(repeats // 5, 1)
    theirs, result = measure(
        lambda: model.fit(counts, parameters, x=shift, weights=weights),
        repeats=few,
        warmups=0,
    )
    _check(np.array([result.params[f"b{k}_center"].value for k in range(10)]))
    yield Row(
        what=f"lmfit CompositeModel: {name}, same starts",
        value=theirs.median,
        unit="s",
        fastest=theirs.fastest,
        repeats=few,
    )
    yield Row(
        what="Raman: structkit against lmfit",
        value=theirs.median / ours.median,
        unit="x",
    )
    seconds, peak, how = run_map()
    yield Row(
        what=f"Raman: map of {SPECTRA} spectra, {name}, {how}",
        value=seconds,
        unit="s",
        target=MAP_S,
    )
    yield Row(
        what="the same: memory of all processes",
        value=peak,
        unit="MB",
        target=MAP_MB,
    )


def _check(centres: Floats) -> None:
    """Refuse a fit that did not find the bands."""
    off = np.abs(centres - np.array(CENTRES))
    assert off.max() < FOUND, f"a centre is off by {off.max():.2f} cm-1"


def lmfit_model(case: Case) -> tuple[Any, Any]:
    """Return lmfit's composite of pseudo-Voigt bands and a polynomial, with starts."""
    from lmfit.models import PolynomialModel, PseudoVoigtModel

    shift = case.spectra[RAMAN_SHIFT].to_numpy()
    counts = case.spectra[INTENSITY].to_numpy()[0]
    low = float(np.percentile(counts, 5.0))
    model = PolynomialModel(degree=_POLYNOMIAL, prefix="p_")
    for k in range(len(case.model.bands)):
        model += PseudoVoigtModel(prefix=f"b{k}_")
    parameters = model.make_params(p_c0=low)
    for k in range(1, _POLYNOMIAL + 1):
        parameters[f"p_c{k}"].set(value=0.0)
    for k, band in enumerate(case.model.bands):
        height = float(np.interp(band.wavenumber, shift, counts)) - low
        reach = 4.0 * band.wavenumber_std
        parameters[f"b{k}_amplitude"].set(
            value=max(1.3 * height * band.fwhm, 1.0), min=0.0
        )
        parameters[f"b{k}_center"].set(
            value=band.wavenumber,
            min=band.wavenumber - reach,
            max=band.wavenumber + reach,
        )
        parameters[f"b{k}_sigma"].set(value=0.5 * band.fwhm, min=1.0)
        parameters[f"b{k}_fraction"].set(value=0.5, min=0.0, max=1.0)
    return model, parameters


def run_map() -> tuple[float, float, str]:
    """Return seconds and megabytes of a map in a fresh process, and how it was done."""
    command = [sys.executable, "-m", "benchmarks.raman_speed"]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    seconds, peak, how = done.stdout.strip().split(" ", 2)
    return float(seconds), float(peak), how


def main() -> int:
    """Fit a map and print seconds, the peak of memory (MB) and how it was done."""
    case = ten_bands(SPECTRA)
    begun = time.perf_counter()
    found = fit_map(case.spectra, case.model, jobs=JOBS)
    seconds = time.perf_counter() - begun
    assert found.sizes[SPOT] == SPECTRA
    print(f"{seconds:.3f} {peak_memory():.1f} {JOBS} processes")
    return 0


def peak_memory() -> float:
    """Return the sum of the peaks of this process and its children, MB.

    Children are seen where the system shows them under ``/proc``.
    """
    total = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MEGABYTE
    for listed in Path("/proc/self/task").glob("*/children"):
        for child in listed.read_text().split():
            status = Path(f"/proc/{child}/status").read_text().splitlines()
            (peak,) = (line for line in status if line.startswith("VmHWM"))
            total += float(peak.split()[1]) / _MEGABYTE
    return total


if __name__ == "__main__":
    sys.exit(main())
