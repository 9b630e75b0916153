"""Process decays into spectra, tell their noise, integrate regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import FitError, SchemaError
from structkit.nmr.line_noise import NoiseCorrelation, correlation_of_processing
from structkit.nmr.noise import (
    exclude_regions,
    find_signal_free,
    fit_baseline,
    measure_noise,
)
from structkit.nmr.phase import find_phase, negativity
from structkit.nmr.transform import (
    apodisation,
    frequency_offsets,
    rotate,
    transform_decay,
)
from structkit.schema import (
    CARRIER_FREQUENCY,
    CHEMICAL_SHIFT,
    DELAY,
    GROUP_DELAY,
    INTENSITY,
    INTENSITY_STD,
    REFERENCE_FREQUENCY,
    SIGNAL,
    TIME,
    label,
    make_nmr_spectrum,
)

Floats = NDArray[np.float64]

NOISE_CORRELATION = "noise_correlation"
"""attr: variance of the sum of many points over that of independent ones."""
_DWELL, _DECAY_POINTS = "dwell", "decay_points"
_SIZE, _FILTER_POINTS = "size", "filter_points"
AREA = "area"
REGION = "region"
_MIN_POINTS = 16
_DOUBTFUL_NEGATIVITY = 0.02
"""Share of squares below zero: a few per mille in lines on a flat baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingOptions:
    """How a decay becomes a spectrum."""

    lorentz_broadening: float = 0.0
    """Exponential apodisation: width a sharp line gets, Hz."""
    gauss_broadening: float = 0.0
    """Gaussian apodisation: width a sharp line gets, Hz."""
    points: int | None = None
    """Complex points of the decay that are used, filter included; None: all."""
    size: int | None = None
    """Points of the spectrum; None: the power of two from twice the decay's."""
    phase0: float | None = None
    """Phase at the carrier, degree; None: found, see :mod:`structkit.nmr.phase`."""
    phase1: float | None = 0.0
    """Phase over the whole width, degree; None: found with ``phase0``."""
    baseline: Literal["none", "polynomial", "spline"] = "none"
    """What is subtracted, fitted to the points without line."""
    baseline_degree: int = 3
    """Degree of the polynomial; stretches of the spline less one."""
    signal_regions: tuple[tuple[float, float], ...] = ()
    """Where the lines are, ppm; empty: found."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.lorentz_broadening < 0.0 or self.gauss_broadening < 0.0:
            raise SchemaError("broadenings must not be negative; they are widths in Hz")
        if self.points is not None and self.points < _MIN_POINTS:
            raise SchemaError(f"points must be at least {_MIN_POINTS}")
        if self.size is not None and self.size < _MIN_POINTS:
            raise SchemaError(f"size must be at least {_MIN_POINTS}")
        if not 0 <= self.baseline_degree <= 20:
            raise SchemaError("baseline_degree must be between 0 and 20")
        if self.phase1 is None and self.phase0 is not None:
            raise SchemaError("phase1 is found only together with phase0; leave both")


def process_decay(
    decay: xr.Dataset, options: ProcessingOptions | None = None
) -> xr.Dataset:
    """Turn a free induction decay into a spectrum, or each of several.

    Parameters
    ----------
    decay : xarray.Dataset
        As :mod:`structkit.schema.nmr`, with ``carrier_frequency`` and
        ``reference_frequency``.
    options : ProcessingOptions, optional
        Default: no apodisation, phase at the carrier found, no baseline.

    Returns
    -------
    xarray.Dataset
        Spectrum with ``intensity_imag``, ``intensity_std`` (noise of one point, from
        the points without line of the strongest row) and the attrs ``phase0``,
        ``phase1`` (degree), ``lorentz_broadening``, ``gauss_broadening`` (Hz),
        ``baseline``, ``noise_correlation`` and what :func:`find_correlation` needs.
        Noise that cannot be told is absent.

    Raises
    ------
    SchemaError
        No frequencies; ``size`` below the decay's points.
    FitError
        Too few points without line for the baseline asked for.

    Notes
    -----
    All rows get the phase of the one with the longest delay: it has recovered, and its
    lines are positive. The intensity is the discrete transform: the sum over all points
    over their number is the decay's value at time zero.
    """
    options = options or ProcessingOptions()
    carrier, zero = _frequencies(decay)
    signal, group_delay = _used_signal(decay, options)
    dwell = float(decay[TIME][1] - decay[TIME][0])
    n_points = signal.shape[-1]
    size = options.size or 1 << int(np.ceil(np.log2(2 * n_points)))
    if size < n_points:
        raise SchemaError(f"size {size} is below the decay's {n_points} points")
    weights = apodisation(
        n_points,
        dwell,
        lorentz=options.lorentz_broadening,
        gauss=options.gauss_broadening,
        origin=group_delay,
    )
    spectrum = transform_decay(signal * weights, size, group_delay=group_delay)
    model = spectrum[_leading_row(decay)] if DELAY in decay.dims else spectrum
    phase0, phase1 = options.phase0, options.phase1
    doubt, remarks = "", str(decay.attrs.get("remarks", ""))
    if phase0 is None:
        phase0, phase1 = find_phase(model, first_order=phase1)
        doubt = _phase_doubt(negativity(rotate(model, phase0, phase1)))
    spectrum = rotate(spectrum, phase0, phase1 or 0.0)
    shift = (frequency_offsets(size, dwell) + 1e6 * (carrier - zero)) / zero
    real = _without_baseline(shift, np.atleast_2d(spectrum.real), options)
    noise = _noise(shift, real, options)
    coords = {
        str(name): value.item()
        for name, value in decay.coords.items()
        if value.ndim == 0
    }
    return make_nmr_spectrum(
        shift,
        real if DELAY in decay.dims else real[0],
        intensity_imag=spectrum.imag,
        intensity_std=noise,
        delay=decay[DELAY].to_numpy() if DELAY in decay.dims else None,
        scalars=coords,
        attrs={
            **{k: v for k, v in decay.attrs.items() if k != GROUP_DELAY},
            "remarks": "\n".join(line for line in (remarks, doubt) if line),
            "phase0": phase0,
            "phase1": phase1 or 0.0,
            "lorentz_broadening": options.lorentz_broadening,
            "gauss_broadening": options.gauss_broadening,
            "baseline": options.baseline,
            NOISE_CORRELATION: _noise_correlation(weights, size, group_delay),
            _DWELL: dwell,
            _DECAY_POINTS: n_points,
            _SIZE: size,
            _FILTER_POINTS: group_delay,
        },
    )


def find_correlation(spectrum: xr.Dataset) -> NoiseCorrelation | None:
    """Return how points share noise by the processing; None: it was not ours.

    Parameters
    ----------
    spectrum : xarray.Dataset
        From :func:`process_decay`, or a part of it; its points as they were.
    """
    attrs = spectrum.attrs
    if any(name not in attrs for name in (_DWELL, _DECAY_POINTS, _SIZE)):
        return None
    origin = float(attrs[_FILTER_POINTS])
    weights = apodisation(
        int(attrs[_DECAY_POINTS]),
        float(attrs[_DWELL]),
        lorentz=float(attrs["lorentz_broadening"]),
        gauss=float(attrs["gauss_broadening"]),
        origin=origin,
    )
    return correlation_of_processing(weights, int(attrs[_SIZE]), group_delay=origin)


def _frequencies(decay: xr.Dataset) -> tuple[float, float]:
    """Return the frequencies of carrier and 0 ppm, MHz."""
    for name in (CARRIER_FREQUENCY, REFERENCE_FREQUENCY):
        if name not in decay.coords:
            raise SchemaError(f"decay has no {name}; assign it in MHz")
    return float(decay[CARRIER_FREQUENCY]), float(decay[REFERENCE_FREQUENCY])


def _used_signal(
    decay: xr.Dataset, options: ProcessingOptions
) -> tuple[NDArray[np.complex128], float]:
    """Return the points that are used, and the group delay."""
    signal = decay[SIGNAL].to_numpy()[..., : options.points]
    group_delay = float(decay.attrs.get(GROUP_DELAY, 0.0))
    if signal.shape[-1] < _MIN_POINTS or group_delay >= signal.shape[-1]:
        raise SchemaError(
            f"{signal.shape[-1]} points of decay with a filter's delay of "
            f"{group_delay:g}; use more points"
        )
    return signal, group_delay


def _noise_correlation(weights: Floats, size: int, group_delay: float) -> float:
    """Return the variance of a wide sum over that of independent points.

    Sums over many points are made by the decay about time zero. Without a filter the
    decay has no noise before it, and only half as much enters; with one there is, and
    the value is the upper bound that the widest regions reach.
    """
    sides = 1.0 if group_delay else 0.5
    return max(sides * size / float(np.sum(weights**2)), sides)


def _phase_doubt(share: float) -> str:
    """Return a remark where the best phase still leaves much below zero."""
    if share <= _DOUBTFUL_NEGATIVITY:
        return ""
    return (
        f"The phase that was found leaves {100.0 * share:.0f} % of the squares below "
        "zero: points are missing at the decay's start, or lines are negative; give "
        "phase0 and phase1."
    )


def _leading_row(decay: xr.Dataset) -> int:
    """Return the row with the longest delay."""
    return int(np.argmax(decay[DELAY].to_numpy()))


def _without_baseline(
    shift: Floats, rows: Floats, options: ProcessingOptions
) -> Floats:
    """Return rows without their baselines; lines are looked for in their total."""
    if options.baseline == "none":
        return rows
    free = _free_points(shift, rows, options)
    baselines = [
        fit_baseline(
            shift, row, free, kind=options.baseline, degree=options.baseline_degree
        )
        for row in rows
    ]
    return rows - np.array(baselines)


def _free_points(
    shift: Floats, rows: Floats, options: ProcessingOptions
) -> NDArray[np.bool_]:
    """Return the points without line, as told or as found in the strongest row."""
    if options.signal_regions:
        return exclude_regions(shift, options.signal_regions)
    return find_signal_free(rows[int(np.argmax(np.sum(rows**2, axis=1)))])


def _noise(shift: Floats, rows: Floats, options: ProcessingOptions) -> float | None:
    """Return the noise of one point; None where it cannot be told."""
    strongest = rows[int(np.argmax(np.sum(rows**2, axis=1)))]
    try:
        std, _ = measure_noise(strongest, _free_points(shift, rows, options))
    except FitError:
        return None
    return std if std > 0.0 else None


def estimate_noise(
    spectrum: xr.Dataset, *, signal_regions: tuple[tuple[float, float], ...] = ()
) -> xr.Dataset:
    """Return a spectrum with ``intensity_std`` from its points without line.

    Parameters
    ----------
    spectrum : xarray.Dataset
        As :mod:`structkit.schema.nmr`; of several rows the strongest tells.
    signal_regions : tuple of (float, float)
        Where the lines are, **ppm**; empty: found.

    Returns
    -------
    xarray.Dataset
        With ``intensity_std`` and the attr ``noise_correlation``.

    Raises
    ------
    FitError
        Fewer than 24 points without line, or no noise at all.
    """
    rows = np.atleast_2d(spectrum[INTENSITY].to_numpy())
    options = ProcessingOptions(signal_regions=signal_regions)
    free = _free_points(spectrum[CHEMICAL_SHIFT].to_numpy(), rows, options)
    strongest = rows[int(np.argmax(np.sum(rows**2, axis=1)))]
    std, correlation = measure_noise(strongest, free)
    if std == 0.0:
        raise FitError("points without line do not scatter at all; was it smoothed?")
    noise = label(xr.DataArray(std), INTENSITY_STD, units="1")
    return spectrum.assign({INTENSITY_STD: noise}).assign_attrs(
        {NOISE_CORRELATION: correlation}
    )


def integrate_regions(
    spectrum: xr.Dataset, regions: Sequence[tuple[float, float]]
) -> xr.Dataset:
    """Return the area of each region with its uncertainty.

    Parameters
    ----------
    spectrum : xarray.Dataset
        As :mod:`structkit.schema.nmr`; noise is estimated where it is absent.
    regions : sequence of (float, float)
        Limits, **ppm**, in either order.

    Returns
    -------
    xarray.Dataset
        ``area`` and ``area_std`` over ``[delay,] region`` (units: intensity times
        ppm), ``low`` and ``high`` (ppm) over ``region``.

    Raises
    ------
    SchemaError
        No region, or one outside the spectrum.
    FitError
        As :func:`estimate_noise`.

    Notes
    -----
    Trapezoids. With n points of noise sigma in steps d, the 1 sigma is
    d sigma sqrt(n c), c being ``noise_correlation``. It holds noise only: what a wrong
    baseline or phase adds is common to the region and not in it.
    """
    if not regions:
        raise SchemaError("no region to integrate; give pairs of limits in ppm")
    if INTENSITY_STD not in spectrum or NOISE_CORRELATION not in spectrum.attrs:
        spectrum = estimate_noise(spectrum)
    shift = spectrum[CHEMICAL_SHIFT].to_numpy()
    values = spectrum[INTENSITY].to_numpy()
    noise = float(spectrum[INTENSITY_STD])
    correlation = float(spectrum.attrs[NOISE_CORRELATION])
    areas, stds, limits = [], [], []
    for region in regions:
        low, high = min(region), max(region)
        inside = (shift >= low) & (shift <= high)
        if inside.sum() < 2 or low < shift[0] - 1e-9 or high > shift[-1] + 1e-9:
            raise SchemaError(
                f"region {low:g} to {high:g} ppm is not inside the spectrum, "
                f"{shift[0]:g} to {shift[-1]:g} ppm"
            )
        areas.append(np.trapezoid(values[..., inside], shift[inside], axis=-1))
        step = (shift[inside][-1] - shift[inside][0]) / (inside.sum() - 1)
        stds.append(step * noise * np.sqrt(inside.sum() * correlation))
        limits.append((low, high))
    dims = (DELAY, REGION) if DELAY in spectrum.dims else (REGION,)
    area = np.stack(areas, axis=-1)
    low_high = np.array(limits)
    ppm = {"units": "ppm"}
    result = xr.Dataset(
        {
            AREA: (dims, area, {"units": "ppm", "long_name": "area of the region"}),
            f"{AREA}_std": (
                dims,
                np.broadcast_to(np.array(stds), area.shape).copy(),
                {"units": "ppm", "long_name": "standard uncertainty of the area"},
            ),
            "low": ((REGION,), low_high[:, 0], {**ppm, "long_name": "lower limit"}),
            "high": ((REGION,), low_high[:, 1], {**ppm, "long_name": "upper limit"}),
        }
    )
    if DELAY in spectrum.dims:
        result = result.assign_coords({DELAY: spectrum[DELAY]})
    return result
