"""Names of dims, coordinates and variables, their units and their long names."""

from __future__ import annotations

from enum import Enum

import xarray as xr

TWO_THETA = "two_theta"
INTENSITY = "intensity"
INTENSITY_STD = "intensity_std"
WAVELENGTH = "wavelength"
COUNTING_TIME = "counting_time"
MILLING_TIME = "milling_time"
SAMPLE = "sample"
PHASE = "phase"
COMPONENT = "measured_component"
CONSTITUENT = "constituent"
ENGINE = "engine"
NOISE_RATIO = "noise_ratio"
ESD_RELIABLE = "esd_reliable"

RAMAN_SHIFT = "raman_shift"
SPOT = "spot"
BAND = "band"
METRIC = "metric"
SPECIES = "species"
SOURCE = "source"
TIME = "time"
POSITIONS = ("position_x", "position_y", "position_z")
LASER_WAVELENGTH = "laser_wavelength"
GRATING = "grating"
ACQUISITION_TIME = "acquisition_time"
ACCUMULATIONS = "accumulations"
EMPTY = "empty"
SATURATED_POINTS = "saturated_points"
MASKED = "masked"
SMOOTHED = "smoothed"
BASELINE_SUBTRACTED = "baseline_subtracted"
SUMMED = "summed"
GAIN = "gain"
READOUT_STD = "readout_std"

FREQUENCY = "frequency"
IMPEDANCE = "impedance"
IMPEDANCE_STD = "impedance_std"
TEMPERATURE = "temperature"
HISTORY = "history"
VOLTAGE = "voltage"
CURRENT = "current"
ELEMENT = "element"
CONTRIBUTION = "contribution"
OUTLIER = "outlier"
INDUCTIVE_TAIL = "inductive_tail"
NOISY = "noisy"
TIME_CONSTANT = "time_constant"
RELAXATION = "relaxation"
RELAXATION_STD = "relaxation_std"

CHEMICAL_SHIFT = "chemical_shift"
SIGNAL = "signal"
DELAY = "delay"
SITE = "site"
NUCLEUS = "nucleus"
LARMOR_FREQUENCY = "larmor_frequency"
CARRIER_FREQUENCY = "carrier_frequency"
REFERENCE_FREQUENCY = "reference_frequency"
MAS_RATE = "mas_rate"
RECYCLE_DELAY = "recycle_delay"
SCANS = "scans"

COUNTS = "count"
COUNTS_PER_SECOND = "count s-1"
ARBITRARY = "1"
INTENSITY_UNITS = (COUNTS, COUNTS_PER_SECOND, ARBITRARY)

UNITS = {
    TWO_THETA: "degree",
    WAVELENGTH: "angstrom",
    COUNTING_TIME: "s",
    MILLING_TIME: "h",
    NOISE_RATIO: "1",
    ESD_RELIABLE: "1",
    RAMAN_SHIFT: "cm-1",
    TIME: "s",
    **dict.fromkeys(POSITIONS, "um"),
    LASER_WAVELENGTH: "nm",
    GRATING: "mm-1",
    ACQUISITION_TIME: "s",
    ACCUMULATIONS: "1",
    GAIN: "count",
    READOUT_STD: "count",
    FREQUENCY: "Hz",
    IMPEDANCE: "ohm",
    IMPEDANCE_STD: "ohm",
    TEMPERATURE: "K",
    VOLTAGE: "V",
    CURRENT: "A",
    TIME_CONSTANT: "s",
    RELAXATION: "ohm",
    RELAXATION_STD: "ohm",
    CHEMICAL_SHIFT: "ppm",
    DELAY: "s",
    LARMOR_FREQUENCY: "MHz",
    CARRIER_FREQUENCY: "MHz",
    REFERENCE_FREQUENCY: "MHz",
    MAS_RATE: "Hz",
    RECYCLE_DELAY: "s",
    SCANS: "1",
}
LONG_NAMES = {
    TWO_THETA: "2θ",
    INTENSITY: "intensity",
    INTENSITY_STD: "standard uncertainty of the intensity",
    WAVELENGTH: "wavelength",
    COUNTING_TIME: "counting time per step",
    MILLING_TIME: "milling time",
    NOISE_RATIO: "noise variance over counting variance",
    ESD_RELIABLE: "noise is counting noise",
    RAMAN_SHIFT: "Raman shift",
    SPOT: "spot",
    SOURCE: "file of the spot",
    TIME: "time since the first spectrum",
    "position_x": "stage x",
    "position_y": "stage y",
    "position_z": "stage z",
    LASER_WAVELENGTH: "laser wavelength",
    GRATING: "grating",
    ACQUISITION_TIME: "acquisition time of one accumulation",
    ACCUMULATIONS: "accumulations",
    EMPTY: "every point is zero",
    SATURATED_POINTS: "points at the detector's ceiling",
    MASKED: "point without weight",
    SMOOTHED: "neighbouring points share their noise",
    BASELINE_SUBTRACTED: "a baseline was subtracted before the export",
    SUMMED: "accumulations were summed",
    GAIN: "noise variance over intensity",
    READOUT_STD: "standard deviation of the noise at no light",
    FREQUENCY: "frequency",
    IMPEDANCE: "impedance",
    IMPEDANCE_STD: "standard uncertainty of each part of the impedance",
    TEMPERATURE: "temperature of the measurement",
    HISTORY: "what the sample went through before",
    VOLTAGE: "voltage",
    CURRENT: "current",
    OUTLIER: "point far from what the others say",
    INDUCTIVE_TAIL: "positive imaginary part at the high frequencies",
    NOISY: "noise is large beside the modulus",
    TIME_CONSTANT: "time constant",
    RELAXATION: "resistance per unit of ln(time constant)",
    RELAXATION_STD: "standard uncertainty of the distribution of relaxation times",
    CHEMICAL_SHIFT: "chemical shift",
    SIGNAL: "free induction decay",
    DELAY: "recovery delay",
    NUCLEUS: "nucleus",
    LARMOR_FREQUENCY: "Larmor frequency",
    CARRIER_FREQUENCY: "frequency at the middle of the spectrum",
    REFERENCE_FREQUENCY: "frequency of 0 ppm",
    MAS_RATE: "spinning rate as declared",
    RECYCLE_DELAY: "recycle delay",
    SCANS: "scans",
}


class FitStatus(Enum):
    """How a fit ended; anything but ``CONVERGED`` comes with a reason."""

    CONVERGED = "converged"
    """The fit reached its minimum and passed its checks."""
    DOUBTFUL = "doubtful"
    """The fit reached a minimum, but a check says to look at it."""
    NOT_CONVERGED = "not converged"
    """The fit ran out of steps; its numbers are the best so far."""
    FAILED = "failed"
    """There are no numbers."""

    @property
    def has_values(self) -> bool:
        """Return whether there are numbers to look at."""
        return self is not FitStatus.FAILED


def label(array: xr.DataArray, name: str, *, units: str | None = None) -> xr.DataArray:
    """Return ``array`` with the units and long name that belong to ``name``."""
    attrs = {"units": units or UNITS.get(name, "1"), "long_name": LONG_NAMES[name]}
    return array.assign_attrs(attrs)
