"""What a reader of NMR files found, before it is judged and labelled."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.schema import (
    CARRIER_FREQUENCY,
    LARMOR_FREQUENCY,
    MAS_RATE,
    NUCLEUS,
    RECYCLE_DELAY,
    REFERENCE_FREQUENCY,
    SCANS,
    TEMPERATURE,
    make_decay,
    make_nmr_spectrum,
)

Floats = NDArray[np.float64]
Attrs = dict[str, str | int | float]

REFERENCE_RANGE = 0.02
"""Distance of carrier and reference, relative: shifts of all nuclei lie within."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NmrHeader:
    """What a header declares; None and empty: it does not."""

    nucleus: str = ""
    """Nucleus as declared."""
    carrier_frequency: float | None = None
    """Frequency at the middle of the spectrum, MHz."""
    base_frequency: float | None = None
    """The spectrometer's own frequency of the nucleus, MHz."""
    reference_frequency: float | None = None
    """Frequency of 0 ppm, MHz."""
    mas_rate: float | None = None
    """Spinning rate as declared, Hz."""
    recycle_delay: float | None = None
    """Delay before each scan, s."""
    temperature: float | None = None
    """Temperature, K."""
    scans: int | None = None
    """Scans added up."""
    title: str = ""
    """Title, lines kept."""
    attrs: Attrs = field(default_factory=dict)
    """What else the header says and a user may want to know."""
    remarks: tuple[str, ...] = ()
    """What the reader noticed, one sentence each."""

    def zero_frequency(self) -> float | None:
        """Return the frequency of 0 ppm, MHz, as far as one can be believed.

        A reference further than 2 % from the carrier belongs to another experiment.
        """
        carrier = self.carrier_frequency
        choices = (self.reference_frequency, self.base_frequency, carrier)
        for frequency in choices:
            if frequency and (
                carrier is None or abs(frequency / carrier - 1.0) <= REFERENCE_RANGE
            ):
                return frequency
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawNmrSpectrum:
    """A spectrum, or one per delay, in the file's order."""

    path: Path
    """File or folder, for messages."""
    data_file: Path
    """File that holds the numbers."""
    shift: Floats
    """Chemical shift, ppm, ascending or descending, shape (n_points,)."""
    intensity: Floats
    """Real part, shape (n_points,) or (n_delays, n_points)."""
    imaginary: Floats | None = None
    """Imaginary part, same shape; of the sign with which the transform of both parts
    is a decay from time zero on."""
    delay: Floats | None = None
    """Recovery delays, s, shape (n_delays,)."""
    header: NmrHeader = field(default_factory=NmrHeader)
    """What the file declares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDecay:
    """A free induction decay, or one per delay."""

    path: Path
    """File or folder, for messages."""
    data_file: Path
    """File that holds the numbers."""
    dwell: float
    """Time between complex points, s."""
    signal: NDArray[np.complex128]
    """Shape (n_points,) or (n_delays, n_points); a line above the carrier turns
    with positive frequency."""
    delay: Floats | None = None
    """Recovery delays, s, shape (n_delays,)."""
    group_delay: float = 0.0
    """Points that the digital filter puts before the decay."""
    header: NmrHeader = field(default_factory=NmrHeader)
    """What the file declares."""


def add_remarks(header: NmrHeader, *remarks: str) -> NmrHeader:
    """Return ``header`` with more remarks; empty ones are left out."""
    said = tuple(remark for remark in remarks if remark)
    return replace(header, remarks=header.remarks + said)


def to_spectrum(raw: RawNmrSpectrum) -> xr.Dataset:
    """Return what a reader found as a spectrum; a descending axis is turned.

    Raises
    ------
    ReadError
        Every point is zero, or not finite.
    SchemaError
        The axis neither ascends nor descends, or there are too few points.
    """
    _check_values(raw.path, raw.intensity, "intensity")
    order = slice(None, None, -1 if raw.shift.size and _descends(raw.shift) else 1)
    imaginary = raw.imaginary
    if imaginary is not None and not np.all(np.isfinite(imaginary)):
        raise ReadError(f"{raw.path}: imaginary part holds NaN; copy the file again")
    return make_nmr_spectrum(
        raw.shift[order],
        raw.intensity[..., order],
        intensity_imag=None if imaginary is None else imaginary[..., order],
        delay=raw.delay,
        scalars=_scalars(raw.header),
        attrs=_attrs(raw.header),
    )


def to_decay(raw: RawDecay) -> xr.Dataset:
    """Return what a reader found as a free induction decay.

    Raises
    ------
    ReadError
        Every point is zero, or not finite.
    """
    _check_values(raw.path, raw.signal, "signal")
    scalars = _scalars(raw.header)
    carrier, zero = raw.header.carrier_frequency, raw.header.zero_frequency()
    if carrier is not None:
        scalars[CARRIER_FREQUENCY] = carrier
    if zero is not None:
        scalars[REFERENCE_FREQUENCY] = zero
    return make_decay(
        raw.dwell * np.arange(raw.signal.shape[-1]),
        raw.signal,
        delay=raw.delay,
        group_delay=raw.group_delay,
        scalars=scalars,
        attrs=_attrs(raw.header),
    )


def transform_plainly(raw: RawDecay) -> RawNmrSpectrum:
    """Return the transform of a decay, its digital filter's delay undone, no more.

    Raises
    ------
    ReadError
        The header names no frequency, so there is no ppm axis.
    """
    carrier, zero = raw.header.carrier_frequency, raw.header.zero_frequency()
    if carrier is None or zero is None:
        raise ReadError(
            f"{raw.path}: names no frequency, so the transform has no ppm axis; read "
            "it as a decay"
        )
    cycles = np.fft.fftfreq(raw.signal.shape[-1])
    spectrum = np.fft.fft(raw.signal) * np.exp(2j * np.pi * cycles * raw.group_delay)
    spectrum = np.fft.fftshift(spectrum, axes=-1)
    offset = np.fft.fftshift(cycles) / raw.dwell
    return RawNmrSpectrum(
        path=raw.path,
        data_file=raw.data_file,
        shift=(offset + 1e6 * (carrier - zero)) / zero,
        intensity=spectrum.real,
        imaginary=spectrum.imag,
        delay=raw.delay,
        header=add_remarks(
            raw.header, "The plain transform of the decay: neither phased nor apodised."
        ),
    )


def _descends(shift: Floats) -> bool:
    """Return whether an axis descends."""
    return bool(shift[-1] < shift[0])


def _check_values(path: Path, values: NDArray[np.generic], name: str) -> None:
    """Refuse what holds no measurement."""
    if values.size == 0 or not np.any(values):
        raise ReadError(f"{path}: every point of the {name} is zero; nothing was kept")
    if not np.all(np.isfinite(values)):
        raise ReadError(f"{path}: {name} holds values that are not finite; repair it")


def _scalars(header: NmrHeader) -> dict[str, float | str]:
    """Return the scalar coordinates that the header gives."""
    found = {
        NUCLEUS: header.nucleus or None,
        LARMOR_FREQUENCY: header.zero_frequency(),
        MAS_RATE: header.mas_rate,
        RECYCLE_DELAY: header.recycle_delay,
        TEMPERATURE: header.temperature,
        SCANS: header.scans,
    }
    return {name: value for name, value in found.items() if value is not None}


def _attrs(header: NmrHeader) -> Attrs:
    """Return the attrs that the header gives."""
    return {
        **header.attrs,
        "title": header.title,
        "remarks": "\n".join(header.remarks),
    }
