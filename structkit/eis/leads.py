"""Resistance and inductance of leads and cell, from a measurement of the empty cell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from structkit.errors import SchemaError
from structkit.schema import FREQUENCY, IMPEDANCE, IMPEDANCE_STD, validate_impedance

CORRECTED = "short_cell_correction"
"""attr of a spectrum: what was subtracted from it."""
_SLACK = 1.0 + 1e-6
"""Relative reach of a band beyond its last frequency: rounding of the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortCell:
    """What the cell shows without a sample between its stamps."""

    resistance_ohm: float
    """In series with the sample, **ohm**."""
    resistance_std_ohm: float = math.nan
    """1 sigma, **ohm**; one error for all measurements in this cell."""
    inductance_h: float = 0.0
    """In series with the sample, **H**; enters spectra only."""
    is_subtracted: bool = False
    """True where the spectra were corrected already: then only the error counts."""

    def __post_init__(self) -> None:
        """Refuse what no passive cell shows."""
        if not math.isfinite(self.resistance_ohm) or self.resistance_ohm < 0.0:
            raise SchemaError("short cell: resistance_ohm must be 0 or positive")
        if self.resistance_std_ohm < 0.0 or self.inductance_h < 0.0:
            raise SchemaError("short cell: std and inductance must not be negative")


def correct_spectrum(spectrum: xr.Dataset, short: ShortCell | xr.Dataset) -> xr.Dataset:
    """Subtract the impedance of leads and cell from a spectrum.

    Parameters
    ----------
    spectrum : xarray.Dataset
        Impedance spectrum (:mod:`structkit.schema.impedance`).
    short : ShortCell or xarray.Dataset
        Series resistance and inductance, or the measured spectrum of the empty cell,
        which must cover the band; between its points it is interpolated linearly in
        the logarithm of the frequency.

    Returns
    -------
    xarray.Dataset
        A new spectrum in **ohm** whose attr ``short_cell_correction`` says what was
        done. The noise of a measured short is added to ``impedance_std``; the
        uncertainty of a :class:`ShortCell` is not, as it is the same at all points:
        give it to :func:`structkit.eis.conductivity.compute_conductivity`.

    Raises
    ------
    SchemaError
        A spectrum that was corrected already, or a short that does not cover it.
    """
    validate_impedance(spectrum)
    if CORRECTED in spectrum.attrs:
        raise SchemaError(
            f"the spectrum was corrected already ({spectrum.attrs[CORRECTED]}); "
            "start from the measured one"
        )
    frequency = spectrum[FREQUENCY].to_numpy()
    corrected = spectrum.copy()
    if isinstance(short, ShortCell):
        omega = 2.0 * np.pi * frequency
        series = short.resistance_ohm + 1j * omega * short.inductance_h
        said = f"{short.resistance_ohm:g} ohm and {short.inductance_h:g} H in series"
    else:
        validate_impedance(short)
        series, noise = _interpolate_short(short, frequency)
        said = f"measured short cell {short.attrs.get('source_file', '')}".strip()
        if IMPEDANCE_STD in spectrum and noise is not None:
            own = spectrum[IMPEDANCE_STD]
            corrected[IMPEDANCE_STD] = own.copy(data=np.hypot(own.to_numpy(), noise))
    measured = spectrum[IMPEDANCE]
    corrected[IMPEDANCE] = measured.copy(data=measured.to_numpy() - series)
    return corrected.assign_attrs({CORRECTED: said})


def _interpolate_short(
    short: xr.Dataset, frequency: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the short's impedance and noise at the frequencies of a spectrum."""
    known = short[FREQUENCY].to_numpy()
    if frequency[0] * _SLACK < known[0] or frequency[-1] > known[-1] * _SLACK:
        raise SchemaError(
            f"the short cell was measured from {known[0]:g} to {known[-1]:g} Hz, the "
            f"spectrum from {frequency[0]:g} to {frequency[-1]:g} Hz; measure it over "
            "the whole band, or give its resistance"
        )
    where, at = np.log(frequency), np.log(known)
    values = short[IMPEDANCE].to_numpy()
    series = np.interp(where, at, values.real) + 1j * np.interp(where, at, values.imag)
    if IMPEDANCE_STD not in short:
        return series, None
    return series, np.interp(where, at, short[IMPEDANCE_STD].to_numpy())
