"""Measured Raman spectra with known answers, for the page of ``benchmarks.raman``.

The spectra are not part of the project. What is known of them stands in the record
that comes with them: silicon reads 2.3 cm-1 high; six polarised spectra of LiNbWO6
share bands at 949.6, 880 and 726 cm-1 and resolve nothing between 600 and 700; a time
series of 168 spectra has 58 empty ones, bleaches, and was recorded with a gain of half
a count for each electron.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from benchmarks.page import Floor, Section, table
from structkit.io.spectra import read_spectra
from structkit.raman.bands import Band
from structkit.raman.calibrate import AxisCalibration, fit_calibration
from structkit.raman.covariance import covariance_of
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.gain import estimate_noise
from structkit.raman.identify import BandStatus, Verdict, identify_bands
from structkit.raman.model import BandModel, BaselineOptions
from structkit.raman.prepare import PreparationOptions, prepare_spectra
from structkit.raman.stability import assess_stability
from structkit.raman.standards import SILICON, fit_line
from structkit.schema import INTENSITY, RAMAN_SHIFT

SILICON_FILE = "532nm-191216-Si_200mu.txt"
SERIES_FILE = "serie190214-1.txt"
NIOBATE = tuple(f"LiNbWO6-{angle}-{axis}" for angle in (0, 45, 90) for axis in "HV")
RANGE = (480.0, 1500.0)
KNOTS = 300.0
"""Wider than the widest band, 140 cm-1: the baseline must not draw it."""
KNOWN = {"950": (949.6, 0.5), "880": (880.0, 2.0)}
"""Centre and how far off it may be, cm-1."""
KNOWN_726 = {"H": (727.8, 2.0), "V": (725.7, 2.0)}
SHOULDER = (600.0, 700.0)
READ_HIGH = (2.3, 0.3)
GAIN = (0.5, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """One band of a fit."""

    value: float
    """**cm-1**."""
    std: float
    """1 sigma, **cm-1**."""
    fwhm: float
    """**cm-1**."""
    verdict: Verdict
    """Whether the data determine it."""


def report_measured(folder: Path) -> list[Section]:
    """Return the sections on silicon, LiNbWO6 and the time series."""
    silicon = read_spectra(folder / SILICON_FILE)
    calibration = fit_calibration(silicon)
    return [
        report_silicon(silicon, calibration),
        report_niobate(folder, calibration),
        report_series(folder, calibration),
    ]


def report_silicon(silicon: xr.Dataset, calibration: AxisCalibration) -> Section:
    """Return where silicon reads, raw and corrected."""
    shift = silicon[RAMAN_SHIFT].to_numpy()
    raw = fit_line(shift, silicon[INTENSITY].to_numpy()[0], SILICON[0])
    prepared = prepare_spectra(silicon, calibration=calibration)
    again = fit_calibration(prepared)
    return Section(
        title="Measured: silicon",
        floors=(
            _near("raw position", raw.position, 522.9, 0.3),
            _near("offset found", calibration.offset, *READ_HIGH),
            _near("offset left after it is applied", again.offset, 0.0, 0.05),
        ),
        body=(
            f"Raw {raw.position:.2f} ± {raw.position_std:.2f} cm-1 (shape included), "
            f"FWHM {raw.fwhm:.1f}; offset {calibration.offset:+.2f} ± "
            f"{calibration.offset_std:.2f} cm-1.",
        ),
    )


def _near(what: str, value: float, known: float, limit: float) -> Floor:
    """Return how far a figure lies from what is known, beside what it may."""
    return Floor(
        what=f"{what} {value:.2f}, from {known:g}",
        value=abs(value - known),
        limit=limit,
        unit="cm-1",
    )


# LiNbWO6 ------------------------------------------------------------------------------


def niobate_model(*, shoulder: tuple[float, ...], knots: float = KNOTS) -> BandModel:
    """Return bands at 950, 880 and 726, and free ones where the shoulder is."""
    sharp = {950.0: 14.0, 880.0: 25.0, 726.0: 50.0}
    bands = [
        Band(
            name=f"{centre:.0f}",
            species="LiNbWO6",
            wavenumber=centre,
            wavenumber_std=10.0 if centre in sharp else 20.0,
            window=None if centre in sharp else (centre - 40.0, centre + 40.0),
            fwhm=sharp.get(centre, 50.0),
            grade="user",
            source="read off the spectra",
        )
        for centre in (*sharp, *shoulder)
    ]
    return BandModel(
        bands=tuple(bands),
        instrument_fwhm=3.0,
        baseline=BaselineOptions(knot_spacing=knots),
    )


def read_centres(fit: BandFit) -> dict[str, Centre]:
    """Return the bands of a fit with what is known of each."""
    covariance = covariance_of(fit)
    known = identify_bands(fit, covariance=covariance, refit=False)
    layout, shared = fit.layout, fit.solution.shared
    std = np.sqrt(np.maximum(np.diag(covariance.shared), 0.0))[layout.centre]
    widths = np.exp(shared[layout.log_width])[layout.family]
    return {
        band.name: Centre(
            value=float(shared[layout.centre][k]),
            std=float(std[k]),
            fwhm=float(widths[k]),
            verdict=known.verdict(band.name),
        )
        for k, band in enumerate(fit.model.bands)
    }


def report_niobate(folder: Path, calibration: AxisCalibration) -> Section:
    """Return the bands of six polarised spectra, fitted with one model."""
    options = PreparationOptions(shift_range=RANGE, instrument_fwhm=calibration.fwhm)
    spectra = {
        name: prepare_spectra(read_spectra(folder / f"{name}.txt"), options=options)
        for name in NIOBATE
    }
    model = niobate_model(shoulder=(600.0,))
    joint = read_centres(fit_bands(list(spectra.values()), model))
    by_axis = {
        axis: read_centres(
            fit_bands([s for n, s in spectra.items() if n.endswith(axis)], model)
        )
        for axis in "HV"
    }
    split = niobate_model(shoulder=(610.0, 660.0))
    resolved = read_centres(fit_bands(list(spectra.values()), split))
    between = {
        name: centre
        for name, centre in resolved.items()
        if SHOULDER[0] <= float(name) <= SHOULDER[1]
    }
    determined = [
        name
        for name, centre in between.items()
        if centre.verdict.status is BandStatus.DETERMINED
    ]
    floors = [
        _near(f"band {name}", joint[name].value, *known)
        for name, known in KNOWN.items()
    ]
    floors += [
        _near(f"band 726, {axis}", by_axis[axis]["726"].value, *known)
        for axis, known in KNOWN_726.items()
    ]
    floors.append(
        Floor(
            what="bands between 600 and 700 called determined",
            value=len(determined),
            limit=0,
        )
    )
    fits = {"all six": joint, **by_axis, "all six, shoulder split": resolved}
    narrow = niobate_model(shoulder=(600.0,), knots=BaselineOptions().knot_spacing)
    fits["all six, baseline knots every 120 cm-1"] = read_centres(
        fit_bands(list(spectra.values()), narrow)
    )
    return Section(
        title="Measured: six polarised spectra of LiNbWO6",
        floors=tuple(floors),
        body=(
            f"One model, {RANGE[0]:g} to {RANGE[1]:g} cm-1, axis as recorded, baseline "
            f"knots every {KNOTS:g} cm-1 (the band at 726 is 140 wide; the default of "
            "120 would draw it, as the last rows show: centres of broad bands depend "
            "on the baseline by more than their sigma). The spectra were divided by "
            "the instrument's response. The misfit of the model is "
            "far above the noise, and is in every sigma.",
            _centre_table(fits),
        ),
    )


def _centre_table(fits: Mapping[str, Mapping[str, Centre]]) -> str:
    """Return the centres of some fits."""
    rows = [
        [
            name,
            band,
            f"{centre.value:.1f} ± {centre.std:.1f}",
            f"{centre.fwhm:.0f}",
            centre.verdict.status.value,
            centre.verdict.reason or "-",
        ]
        for name, found in fits.items()
        for band, centre in found.items()
    ]
    return table(["fit of", "band", "centre", "FWHM", "verdict", "why"], rows)


# The time series ----------------------------------------------------------------------


def report_series(folder: Path, calibration: AxisCalibration) -> Section:
    """Return what is said of a series that bleaches."""
    raw = read_spectra(folder / SERIES_FILE)
    prepared = prepare_spectra(
        raw, calibration=calibration, options=PreparationOptions(empty_spots="keep")
    )
    noise = estimate_noise(raw)
    stable = assess_stability(prepared)
    sentences = str(stable.attrs["remarks"]).splitlines()
    return Section(
        title="Measured: a series that bleaches",
        floors=(
            Floor(
                what="empty spectra said",
                value=float(int(stable["empty"].sum())),
                limit=58,
                at_least=True,
            ),
            replace(
                _near(f"gain ({noise.gain_std:.2f} 1 sigma)", noise.gain, *GAIN),
                unit="count",
            ),
            Floor(
                what="bleaching said",
                value=float(any("bleaching" in s for s in sentences)),
                limit=1.0,
                at_least=True,
            ),
            Floor(
                what="stability of the shape said",
                value=float(any(s.startswith("Shape") for s in sentences)),
                limit=1.0,
                at_least=True,
            ),
        ),
        body=(
            "\n".join(f"- {sentence}" for sentence in (*noise.statements, *sentences)),
        ),
    )
