"""Synthetic Raman spectra of a milling series, with known truth.

What a sample emits is stated by :mod:`structkit.synthetic.raman_truth`, its true ratios
by :mod:`structkit.synthetic.raman_metrics`, what the spectrometer makes of it by
:mod:`structkit.synthetic.raman_detector`. None of this is shared with the fitter, which
uses pseudo-Voigt bands on a penalised spline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.schema import (
    BAND,
    MILLING_TIME,
    RAMAN_SHIFT,
    SAMPLE,
    SATURATED_POINTS,
    SPOT,
    label,
    make_spectra,
)
from structkit.schema import (
    SPECIES as SPECIES_DIM,
)
from structkit.synthetic.mixture import LABEL
from structkit.synthetic.raman_background import LASER_NM
from structkit.synthetic.raman_detector import (
    Flags,
    RamanOptions,
    Spots,
    draw_spots,
    expected_counts,
    record_counts,
    spectrometer_axis,
)
from structkit.synthetic.raman_metrics import true_metrics
from structkit.synthetic.raman_species import (
    AXIAL,
    COVER_GLASS,
    GLASS,
    NTC,
    SILICON,
    TA2CL10,
)
from structkit.synthetic.raman_truth import (
    RamanAdversary,
    RamanSample,
    RamanTruth,
    check_raman_adversary,
    describe_sample,
    emit,
    highest_point,
)
from structkit.synthetic.study_samples import StudySample, list_samples
from structkit.synthetic.study_truth import Contents, fill, without_oxide

Floats = NDArray[np.float64]
Variable = tuple[object, object, dict[str, str]]

REFERENCE = "NTC"
"""Sample of crystalline NaTaCl6, made without Na2O."""
_REFERENCE_AMORPHOUS = 0.02
_STAGE_UM = 60.0
_EXPOSURE_S = 10.0
_SILICON_COUNTS = 15000.0
_BLANK_COUNTS = 1500.0


def simulate_spectra(
    truth_sample: RamanSample,
    *,
    rng: np.random.Generator,
    options: RamanOptions | None = None,
) -> xr.Dataset:
    """Simulate the spectra of one sample, one for each spot.

    Parameters
    ----------
    truth_sample : RamanSample
        From :func:`structkit.synthetic.raman_truth.describe_sample`.
    rng : numpy.random.Generator
        Of spots and noise.
    options : RamanOptions, optional
        The spectrometer.

    Returns
    -------
    xarray.Dataset
        As :mod:`structkit.schema.spectra` describes, in ``count``.
    """
    options = options or RamanOptions()
    spots = draw_spots(truth_sample, rng=rng, options=options)
    light = expected_counts(truth_sample, spots, options=options)
    counts, _ = record_counts(light, rng=rng, options=options)
    return _label(truth_sample, counts, rng=rng, options=options)


def _label(
    sample: RamanSample,
    counts: Floats,
    *,
    rng: np.random.Generator,
    options: RamanOptions,
) -> xr.Dataset:
    """Put labels around the counts of a sample."""
    axis, _ = spectrometer_axis(options.low, options.high)
    places = _STAGE_UM * rng.uniform(-1.0, 1.0, size=(2, counts.shape[0]))
    coords: dict[str, Floats] = {}
    if sample.bleaching_rate > 0.0:
        places = np.repeat(places[:, :1], counts.shape[0], axis=1)
        coords["time"] = _EXPOSURE_S * np.arange(counts.shape[0], dtype=np.float64)
    coords |= {"position_x": places[0].round(2), "position_y": places[1].round(2)}
    scalars = {
        "laser_wavelength": LASER_NM,
        "grating": 600.0,
        "acquisition_time": _EXPOSURE_S,
        "accumulations": 1.0,
        MILLING_TIME: sample.time_h,
    }
    if options.state_gain:
        scalars["gain"] = 1.0 / options.electrons_per_count
        scalars["readout_std"] = options.readout_electrons / options.electrons_per_count
    attrs = {"software": "structkit.synthetic.raman", "remarks": LABEL}
    spectra = make_spectra(
        axis, counts, scalars=scalars, spot_coords=coords, attrs=attrs
    )
    full = (counts >= options.ceiling).sum(axis=1)
    saturated = xr.DataArray(full, dims=(SPOT,))
    return spectra.assign(saturated_points=label(saturated, SATURATED_POINTS))


def simulate_series(
    seed: int,
    *,
    adversary: RamanAdversary | None = None,
    resolved: bool = True,
    truth: RamanTruth | None = None,
    times_h: Sequence[float] = (1.0, 2.0, 4.0, 6.0),
    options: RamanOptions | None = None,
) -> tuple[xr.DataTree, xr.Dataset]:
    """Simulate the spectra of a milling series and say what is true.

    Parameters
    ----------
    seed : int
        Of everything that is drawn. Each sample has streams of its own: neither an
        adversary nor another choice of samples changes the others.
    adversary : str, optional
        One of :data:`structkit.synthetic.raman_truth.RAMAN_ADVERSARIES`.
    resolved : bool
        False: the 405 and 378 lines are too broad to be told apart.
    truth : RamanTruth, optional
        Default: drawn. Given, it decides about ``resolved``.
    times_h : sequence of float
        Milling times, **h**.
    options : RamanOptions, optional
        The spectrometer.

    Returns
    -------
    spectra : xarray.DataTree
        ``/<sample>/raman``: ``unmilled``, ``NTC``, ``1h``, ...
    truth : xarray.Dataset
        Over ``sample`` and ``band``: ``area`` (count cm-1, 0 where absent), ``centre``,
        ``fwhm`` (cm-1, NaN where absent); ``band_species`` and ``nominal`` over
        ``band``. Over ``sample``: the ratios of
        :mod:`structkit.synthetic.raman_metrics`, all but ``glass_share`` also with
        ``_reduced`` behind the name (convention ``photon``), ``oxygen``,
        ``milling_time``; ``amount`` over ``sample`` and ``species``. Over ``sample``
        and ``spot``: ``signal``, ``fluorescence``, ``axis_error``, ``crystallised``,
        ``spikes`` (number of points), and ``species_factor`` (also over ``species``).
        Over ``sample``, ``spot`` and ``raman_shift``: ``expected`` (count, offset
        included).
        Scalar: ``kappa``, ``axial_ratio``, ``resolved``.

    Raises
    ------
    PlanError
        An adversary that does not exist, times that are not positive.
    """
    check_raman_adversary(adversary)
    if truth is None:
        truth = RamanTruth.draw(stream_of(seed, "truth"), resolved=resolved)
    samples = describe_series(truth, seed=seed, adversary=adversary, times_h=times_h)
    return record_series(samples, truth=truth, seed=seed, options=options)


def describe_series(
    truth: RamanTruth,
    *,
    seed: int,
    adversary: RamanAdversary | None = None,
    times_h: Sequence[float] = (1.0, 2.0, 4.0, 6.0),
) -> list[RamanSample]:
    """Return the samples of a series: unmilled, NTC, and one for each time."""
    milled = list_samples(times_h)
    reference = StudySample(
        name=REFERENCE, role="crystalline_reference", time_h=milled[0].time_h
    )
    found = []
    for sample in (milled[0], reference, *milled[1:]):
        contents = _contents(truth, sample, adversary)
        found.append(
            describe_sample(
                truth,
                contents,
                name=sample.name,
                role=sample.role,
                time_h=sample.time_h,
                oxygen=truth.study.oxygen(sample.time_h),
                rng=stream_of(seed, f"sample {sample.name}"),
                adversary=adversary,
            )
        )
    return found


def _contents(
    truth: RamanTruth, sample: StudySample, adversary: RamanAdversary | None
) -> Contents:
    """Return what a sample of the series is made of."""
    if sample.name == REFERENCE:
        return without_oxide(amorphous=_REFERENCE_AMORPHOUS, blank=0.0)
    if adversary == "tacl5_residue":
        return fill(truth.study, sample.time_h, adversary="tacl5_residue")
    return fill(truth.study, sample.time_h)


def record_series(
    samples: Sequence[RamanSample],
    *,
    truth: RamanTruth,
    seed: int,
    options: RamanOptions | None = None,
) -> tuple[xr.DataTree, xr.Dataset]:
    """Simulate the spectra of samples; see :func:`simulate_series`."""
    options = options or RamanOptions()
    spectra: dict[str, xr.Dataset] = {}
    records = []
    for sample in samples:
        rng = stream_of(seed, f"spectra {sample.name}")
        spots = draw_spots(sample, rng=rng, options=options)
        light = expected_counts(sample, spots, options=options)
        counts, spikes = record_counts(light, rng=rng, options=options)
        spectra[f"/{sample.name}/raman"] = _label(
            sample, counts, rng=rng, options=options
        )
        records.append(_Record(sample, spots, light + options.offset, spikes))
    return xr.DataTree.from_dict(spectra), _join(records, truth, options)


@dataclass(frozen=True, slots=True)
class _Record:
    """What is true about the spectra of one sample."""

    sample: RamanSample
    spots: Spots
    expected: Floats
    spikes: Flags


def _join(
    records: Sequence[_Record], truth: RamanTruth, options: RamanOptions
) -> xr.Dataset:
    """Return the truth over ``sample``, with what concerns the whole series."""
    samples = [record.sample for record in records]
    axis, _ = spectrometer_axis(options.low, options.high)
    times = xr.DataArray([s.time_h for s in samples], dims=SAMPLE)
    known = xr.Dataset(
        {**_over_bands(samples), **_over_spots(records), **_over_samples(samples)},
        coords={
            SAMPLE: [s.name for s in samples],
            MILLING_TIME: label(times, MILLING_TIME),
            RAMAN_SHIFT: label(xr.DataArray(axis, dims=RAMAN_SHIFT), RAMAN_SHIFT),
            SPOT: np.arange(1, options.n_spots + 1),
            SPECIES_DIM: _species_of(samples),
            **_band_coords(samples),
        },
        attrs={"label": LABEL},
    )
    plain = {"units": "1"}
    return known.assign(
        kappa=((), truth.kappa, plain),
        axial_ratio=((), truth.axial_ratio, plain),
        resolved=((), int(truth.resolved), plain),
    )


def _list_bands(samples: Sequence[RamanSample]) -> list[tuple[float, str, str]]:
    """Return nominal wavenumber, name and species of all bands, by wavenumber."""
    return sorted({(b.nominal, b.name, b.species) for s in samples for b in s.bands})


def _band_coords(samples: Sequence[RamanSample]) -> dict[str, Variable]:
    """Return names, species and nominal wavenumbers of all bands."""
    nominal, names, species = zip(*_list_bands(samples), strict=True)
    return {
        BAND: (BAND, list(names), {}),
        "band_species": (BAND, list(species), {}),
        "nominal": (BAND, list(nominal), {"units": "cm-1"}),
    }


def _over_bands(samples: Sequence[RamanSample]) -> dict[str, Variable]:
    """Return area, centre and width of each band of each sample."""
    names = [name for _, name, _ in _list_bands(samples)]
    shape = (len(samples), len(names))
    area, centre, fwhm = np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan)
    for row, sample in enumerate(samples):
        for band in sample.bands:
            place = row, names.index(band.name)
            area[place], centre[place], fwhm[place] = band.area, band.centre, band.fwhm
    dims = (SAMPLE, BAND)
    return {
        "area": (dims, area, {"units": "count cm-1"}),
        "centre": (dims, centre, {"units": "cm-1"}),
        "fwhm": (dims, fwhm, {"units": "cm-1"}),
    }


def _species_of(samples: Sequence[RamanSample]) -> list[str]:
    """Return the species of any sample, and those that hold tantalum."""
    found = {band.species for sample in samples for band in sample.bands}
    return sorted(found | {NTC, TA2CL10, GLASS})


def _over_spots(records: Sequence[_Record]) -> dict[str, Variable]:
    """Return what chance made of each spot."""
    dims, plain = (SAMPLE, SPOT), {"units": "1"}
    spots = [record.spots for record in records]
    missing = np.full(spots[0].signal.size, np.nan)
    species = _species_of([record.sample for record in records])
    factors = [[each.species.get(name, missing) for name in species] for each in spots]
    crystallised = [each.crystallised.astype(int) for each in spots]
    return {
        "signal": (dims, [each.signal for each in spots], plain),
        "fluorescence": (dims, [each.fluorescence for each in spots], plain),
        "axis_error": (dims, [each.axis for each in spots], {"units": "cm-1"}),
        "crystallised": (dims, crystallised, plain),
        "spikes": (dims, [record.spikes.sum(axis=1) for record in records], plain),
        "species_factor": ((SAMPLE, SPECIES_DIM, SPOT), factors, plain),
        "expected": (
            (SAMPLE, SPOT, RAMAN_SHIFT),
            [record.expected for record in records],
            {"units": "count"},
        ),
    }


def _over_samples(samples: Sequence[RamanSample]) -> dict[str, Variable]:
    """Return the true ratios, as emitted and reduced, oxygen and amounts."""
    plain = {"units": "1"}
    emitted = [true_metrics(sample) for sample in samples]
    reduced = [true_metrics(sample, reduction="photon") for sample in samples]
    data: dict[str, Variable] = {
        name: (SAMPLE, [each[name] for each in emitted], plain) for name in emitted[0]
    }
    for name in reduced[0]:
        if name == "glass_share":
            continue
        data[f"{name}_reduced"] = (SAMPLE, [each[name] for each in reduced], plain)
    species = _species_of(samples)
    amounts = [[s.amounts.get(name, np.nan) for name in species] for s in samples]
    data["amount"] = ((SAMPLE, SPECIES_DIM), amounts, plain)
    data["oxygen"] = (SAMPLE, [s.oxygen for s in samples], plain)
    return data


def simulate_references(
    truth: RamanTruth, *, seed: int, options: RamanOptions | None = None
) -> dict[str, xr.Dataset]:
    """Simulate what is measured beside a series, one spot each.

    Returns
    -------
    dict of str to xarray.Dataset
        ``silicon`` (with the series' error of the axis), ``cover_glass`` (nothing
        below it), ``NTC_template`` and ``TaCl5_template`` (pure, not milled).
    """
    options = replace(options or RamanOptions(), n_spots=1)
    wanted = {
        "silicon": ({SILICON: 1.0}, _SILICON_COUNTS),
        "cover_glass": ({COVER_GLASS: 1.0}, _BLANK_COUNTS),
        "NTC_template": ({NTC: 1.0, AXIAL: _axial_area(truth)}, truth.peak_counts),
        "TaCl5_template": ({TA2CL10: 1.0}, truth.peak_counts),
    }
    return {
        name: simulate_spectra(
            _plain_sample(truth, name, areas, counts),
            rng=stream_of(seed, f"reference {name}"),
            options=options,
        )
        for name, (areas, counts) in wanted.items()
    }


def _axial_area(truth: RamanTruth) -> float:
    """Return the area of the 405 line before milling, that of NaTaCl6 being 1."""
    pure = emit(truth, {NTC: 1.0})
    return truth.axial_ratio * next(b.area for b in pure if b.nominal == 378.0)


def _plain_sample(
    truth: RamanTruth, name: str, areas: Mapping[str, float], counts: float
) -> RamanSample:
    """Return a sample without fluorescence whose highest point is ``counts``."""
    highest = highest_point(emit(truth, areas), truth.spectrometer)
    scaled = {species: area * counts / highest for species, area in areas.items()}
    return RamanSample(
        name=name,
        role="reference",
        time_h=0.0,
        bands=emit(truth, scaled),
        spectrometer=truth.spectrometer,
        axis_error=truth.axis_error,
    )


def stream_of(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one purpose."""
    return np.random.default_rng([seed, crc32(f"raman {name}".encode())])
