"""Raman spectra from the file to the fit: every step stated, none silent.

Order, and why: empty spots go first (they have no noise to measure); the noise is
measured on recorded counts, for which it is a law of the detector; cosmic rays need
it; then the axis is corrected, the range cut, and last the intensity reduced, since
reduction needs the true Raman shift and carries ``intensity_std`` along.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from structkit.errors import SchemaError
from structkit.raman.blank import BLANK, BLANK_STD, prepare_blank
from structkit.raman.calibrate import AxisCalibration, apply_calibration
from structkit.raman.cosmic import remove_cosmic_rays
from structkit.raman.gain import NoiseModel, estimate_noise, noise_std
from structkit.raman.reduction import (
    ROOM_TEMPERATURE,
    Convention,
    check_same_reduction,
    reduce_spectra,
)
from structkit.raman.remarks import add_remark
from structkit.schema import (
    GAIN,
    INTENSITY,
    INTENSITY_STD,
    LASER_WAVELENGTH,
    RAMAN_SHIFT,
    READOUT_STD,
    SPOT,
    label,
    validate_spectra,
)

GAIN_STD = "gain_std"
"""Variable (): 1 sigma of ``gain``."""
_DEFAULT_FWHM_POINTS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationOptions:
    """What to do to spectra before a fit."""

    empty_spots: Literal["drop", "keep"] = "drop"
    """Spots of zeros."""
    cosmic_rays: Literal["remove", "keep"] = "remove"
    """Points too sharp for the instrument."""
    cosmic_threshold: float = 6.0
    """In sigma of the noise."""
    instrument_fwhm: float | None = None
    """Sharpest line of the instrument, **cm-1**. None: that of the calibration; without
    one, three points, said in the remarks."""
    noise: Literal["measure", "recorded"] = "measure"
    """``recorded`` keeps the ``intensity_std`` that the spectra bring."""
    drift_std: float = 0.0
    """1 sigma of the axis' drift between standard and sample, **cm-1**."""
    shift_range: tuple[float, float] | None = None
    """Raman shifts to keep, on the corrected axis, **cm-1**; None: all."""
    reduction: Convention | Literal["none"] = "none"
    """Convention of :mod:`structkit.raman.reduction`."""
    temperature_k: float = ROOM_TEMPERATURE
    """Of the spot, for the reduction, **K**."""
    laser_nm: float | None = None
    """**nm**; None: the coordinate ``laser_wavelength`` of the spectra."""

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if not self.cosmic_threshold > 0.0 or self.drift_std < 0.0:
            raise SchemaError(
                "cosmic_threshold must be positive and drift_std not negative"
            )
        if self.instrument_fwhm is not None and not self.instrument_fwhm > 0.0:
            raise SchemaError("instrument_fwhm must be positive")
        if self.shift_range and not self.shift_range[0] < self.shift_range[1]:
            raise SchemaError(
                f"shift_range must ascend, not {self.shift_range[0]:g} to "
                f"{self.shift_range[1]:g}"
            )


def prepare_spectra(
    spectra: xr.Dataset,
    *,
    calibration: AxisCalibration | None = None,
    blank: xr.Dataset | None = None,
    options: PreparationOptions | None = None,
) -> xr.Dataset:
    """Prepare Raman spectra for a fit of bands.

    Parameters
    ----------
    spectra : xarray.Dataset
        As recorded (:mod:`structkit.schema.spectra`).
    calibration : AxisCalibration, optional
        From a standard. None: the axis stays, and the remarks say so.
    blank : xarray.Dataset, optional
        Glass or holder alone, as recorded with the same instrument; it is prepared
        with the same calibration and options.
    options : PreparationOptions, optional
        None: the defaults.

    Returns
    -------
    xarray.Dataset
        ``intensity``, ``intensity_std``, and of the steps done ``masked``, ``gain``,
        ``gain_std``, ``readout_std``, ``axis_offset``, ``axis_offset_std``,
        ``reduction_factor``, ``blank`` and ``blank_std`` (raman_shift; area 1, cm).
        Each step, done or left out, is a line of the attr ``remarks``.

    Raises
    ------
    SchemaError
        When every spot is empty, the range holds fewer than ten points, or a step
        refuses its input.
    FitError
        When the noise cannot be measured.

    Examples
    --------
    >>> from structkit.schema import make_spectra
    >>> counts = np.random.default_rng(1).poisson(200.0, (2, 400))
    >>> prepared = prepare_spectra(make_spectra(np.arange(100.0, 900.0, 2.0), counts))
    >>> print(prepared.attrs["remarks"].splitlines()[-1])
    Intensity not reduced.
    """
    chosen = options or PreparationOptions()
    validate_spectra(spectra)
    result = _drop_empty(spectra, chosen)
    result = _treat_counts(result, calibration, chosen)
    if calibration is None:
        result = add_remark(result, "Axis not calibrated: its offset is unknown.")
    else:
        result = apply_calibration(result, calibration, drift_std=chosen.drift_std)
    result = _cut_range(result, chosen)
    if chosen.reduction == "none":
        result = add_remark(result, "Intensity not reduced.")
    else:
        result = reduce_spectra(
            result,
            convention=chosen.reduction,
            laser_nm=chosen.laser_nm,
            temperature_k=chosen.temperature_k,
        )
    if blank is None:
        return result
    return _add_blank(result, blank, calibration, options=chosen)


def _drop_empty(spectra: xr.Dataset, options: PreparationOptions) -> xr.Dataset:
    """Return the spectra without spots of zeros."""
    values = spectra[INTENSITY].transpose(SPOT, RAMAN_SHIFT).to_numpy()
    empty = ~np.any(values != 0.0, axis=1)
    if empty.all():
        raise SchemaError("every spot is empty (all zero); was the shutter closed?")
    n_empty = int(empty.sum())
    if n_empty == 0:
        return add_remark(spectra, "No empty spots.")
    share = f"{n_empty} of {empty.size} spots are empty (all zero)"
    if options.empty_spots == "keep":
        return add_remark(spectra, f"{share} and are kept.")
    kept = spectra.isel({SPOT: np.flatnonzero(~empty)})
    numbers = ", ".join(str(each) for each in spectra[SPOT].to_numpy()[empty][:5])
    more = ", ..." if n_empty > 5 else ""
    return add_remark(kept, f"{share} and dropped: {numbers}{more}.")


def _treat_counts(
    spectra: xr.Dataset,
    calibration: AxisCalibration | None,
    options: PreparationOptions,
) -> xr.Dataset:
    """Return the spectra with their noise measured and cosmic rays masked."""
    model: NoiseModel | None = None
    if options.noise == "recorded" and INTENSITY_STD not in spectra:
        raise SchemaError(
            "noise='recorded', but the spectra have no intensity_std; measure it"
        )
    if options.noise == "measure" or options.cosmic_rays == "remove":
        model = estimate_noise(spectra)
    if options.cosmic_rays == "keep":
        result = add_remark(spectra, "Cosmic rays not searched for.")
    else:
        fwhm, origin = _instrument_width(spectra, calibration, options)
        cleaned, _ = remove_cosmic_rays(
            spectra,
            instrument_fwhm=fwhm,
            noise=model,
            threshold=options.cosmic_threshold,
        )
        result = add_remark(cleaned, f"Instrument width {fwhm:.1f} cm-1, {origin}.")
    if options.noise == "recorded" or model is None:
        return add_remark(result, "Uncertainties as recorded.")
    return _label_noise(result, model)


def _instrument_width(
    spectra: xr.Dataset,
    calibration: AxisCalibration | None,
    options: PreparationOptions,
) -> tuple[float, str]:
    """Return the sharpest line that the instrument draws, and where that is from."""
    if options.instrument_fwhm is not None:
        return options.instrument_fwhm, "as given"
    if calibration is not None:
        return calibration.fwhm, "from the standard"
    step = float(np.median(np.diff(spectra[RAMAN_SHIFT].to_numpy())))
    return _DEFAULT_FWHM_POINTS * step, "assumed: three points"


def _label_noise(spectra: xr.Dataset, model: NoiseModel) -> xr.Dataset:
    """Return the spectra with ``intensity_std`` and the figures of the noise."""
    units = model.units
    std = noise_std(spectra, model)
    result = spectra.drop_vars([GAIN, GAIN_STD, READOUT_STD], errors="ignore")
    result[INTENSITY_STD] = label(std, INTENSITY_STD, units=units)
    result[READOUT_STD] = label(
        xr.DataArray(model.readout_std), READOUT_STD, units=units
    )
    if math.isfinite(model.gain):
        result[GAIN] = label(xr.DataArray(model.gain), GAIN, units=units)
        result[GAIN_STD] = xr.DataArray(
            model.gain_std,
            attrs={"units": units, "long_name": "standard uncertainty of the gain"},
        )
    return add_remark(result, *model.statements)


def _cut_range(spectra: xr.Dataset, options: PreparationOptions) -> xr.Dataset:
    """Return the spectra between the chosen shifts."""
    shift = spectra[RAMAN_SHIFT].to_numpy()
    if options.shift_range is None:
        return add_remark(
            spectra, f"Whole range kept: {shift[0]:.1f} to {shift[-1]:.1f} cm-1."
        )
    low, high = options.shift_range
    inside = np.flatnonzero((shift >= low) & (shift <= high))
    if inside.size == 0:
        raise SchemaError(
            f"shift_range {low:g} to {high:g} cm-1 holds no point of the spectra "
            f"({shift[0]:.0f} to {shift[-1]:.0f})"
        )
    result = spectra.isel({RAMAN_SHIFT: inside})
    validate_spectra(result)
    return add_remark(
        result,
        f"Range cut to {low:g} to {high:g} cm-1: {inside.size} of {shift.size} points.",
    )


def _add_blank(
    spectra: xr.Dataset,
    blank: xr.Dataset,
    calibration: AxisCalibration | None,
    *,
    options: PreparationOptions,
) -> xr.Dataset:
    """Return the spectra with the blank's template on their axis."""
    known = LASER_WAVELENGTH in spectra.coords
    laser = float(spectra[LASER_WAVELENGTH]) if known else options.laser_nm
    own = options
    if LASER_WAVELENGTH not in blank.coords and options.laser_nm is None:
        own = dataclasses.replace(options, laser_nm=laser)
    same = prepare_spectra(
        blank,
        calibration=calibration,
        options=dataclasses.replace(own, shift_range=None),
    )
    check_same_reduction(spectra, same)
    template = prepare_blank(same, spectra[RAMAN_SHIFT].to_numpy())
    words = {BLANK: "blank of unit area", BLANK_STD: "standard uncertainty of it"}
    result = spectra.assign(
        {
            name: ((RAMAN_SHIFT,), array, {"units": "cm", "long_name": words[name]})
            for name, array in (
                (BLANK, template.values),
                (BLANK_STD, template.values_std),
            )
        }
    )
    sentence = (
        f"Blank {template.source} as a template of unit area; its noise is "
        f"{100.0 * template.relative_noise:.2g} % of it."
    )
    n_outside = int(np.count_nonzero(~template.covered))
    if n_outside:
        sentence += f" It does not cover {n_outside} points: held constant there."
    return add_remark(result, sentence)
