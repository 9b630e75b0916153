"""A grating spectrometer with a CCD, pointed at some spots of a sample.

A pixel takes the *mean* of the light over its width, it does not sample a point; axis
and true Raman shift differ by a constant and a little from spot to spot; electrons are
counted, read out with noise, divided by the gain, rounded, and cut off at the ceiling;
cosmic rays come on top.

From spot to spot the whole signal scatters log-normally by ``spot_std`` (focus), and so
does, independently, each species by ``species_std`` and the fluorescence by
``spot_std``: ratios of species scatter by about ``sqrt(2) species_std``. The 405 line
goes with NaTaCl6, Ta-O-Ta with the glass. Log-normal means that the median spot, not
the mean one, is the sample's truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.synthetic.raman_background import LASER_NM
from structkit.synthetic.raman_lines import draw_line, drawing_grid, pixel_means
from structkit.synthetic.raman_species import AXIAL, GLASS, NTC, OXIDE_BRIDGE
from structkit.synthetic.raman_truth import (
    CRYSTALLISED,
    GRID_HIGH,
    GRID_LOW,
    EmittedBand,
    RamanSample,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAMAGE = "crystallised by the beam"
"""Group of what a crystallised spot emits beside the sample's own bands."""
_FOLLOWS = {AXIAL: NTC, OXIDE_BRIDGE: GLASS}
_FIRST_NM, _DISPERSION, _CURVATURE = 532.355, 0.052495, -2.378e-7
_PIXELS = 1024
_SPIKE_POINTS = 1.5
_SPIKE_COUNTS = (150.0, 15000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RamanOptions:
    """The invented spectrometer, and how often it looks."""

    n_spots: int = 8
    """Spots of a sample."""
    spot_std: float = 0.15
    """1 sigma of ln(signal) from spot to spot."""
    species_std: float = 0.15
    """1 sigma of ln(amount) of each species from spot to spot."""
    spot_axis_std: float = 0.1
    """1 sigma of the axis from spot to spot, **cm-1**."""
    low: float = 60.0
    """First Raman shift recorded, **cm-1**."""
    high: float = 1100.0
    """Last Raman shift recorded, **cm-1**."""
    electrons_per_count: float = 2.0
    """Electrons of one count."""
    readout_electrons: float = 5.0
    """1 sigma of reading a pixel out, electrons."""
    offset: float = 120.0
    """Counts of the detector without light."""
    spike_share: float = 0.002
    """Share of points that a cosmic ray hits."""
    etalon: float = 0.0
    """Amplitude of fringes of a filter, relative; below 0.005, 0: none."""
    etalon_period: float = 75.0
    """Of the fringes, **cm-1**."""
    ceiling: int = 65535
    """Highest count."""
    state_gain: bool = False
    """Whether the spectra say their ``gain`` and ``readout_std``; files do not."""

    def __post_init__(self) -> None:
        """Refuse spectrometers that cannot be."""
        if self.n_spots < 1 or self.electrons_per_count <= 0.0:
            raise PlanError("n_spots and electrons_per_count must be positive")
        if not GRID_LOW + 10.0 <= self.low < self.high <= GRID_HIGH - 10.0:
            raise PlanError(
                f"Raman shifts must lie in {GRID_LOW + 10:g} to {GRID_HIGH - 10:g} cm-1"
            )
        if not 0.0 <= self.etalon < 0.005:
            raise PlanError("etalon must lie in 0..0.005")
        if not 0.0 <= self.spike_share < 0.1:
            raise PlanError("spike_share must lie in 0..0.1")
        spreads = (self.spot_std, self.species_std, self.spot_axis_std)
        if min(*spreads, self.readout_electrons) < 0.0:
            raise PlanError("standard deviations must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spots:
    """What chance made of each spot of a sample."""

    signal: Floats
    """Of everything, over the median spot; shape (n_spots,)."""
    species: Mapping[str, Floats]
    """Of each species, over the median spot; each shape (n_spots,)."""
    fluorescence: Floats
    """Of the fluorescence, over the median spot; shape (n_spots,)."""
    axis: Floats
    """Wavenumber read less the true one, **cm-1**; shape (n_spots,)."""
    crystallised: Flags
    """Whether the beam crystallised it; shape (n_spots,)."""
    phase: Floats
    """Of the fringes, radian; shape (n_spots,)."""


def spectrometer_axis(low: float = 60.0, high: float = 1100.0) -> tuple[Floats, Floats]:
    """Return the Raman shifts of the pixels, and the borders between them.

    Returns
    -------
    centres : ndarray, shape (n_pixels,)
        **cm-1**, inside ``low`` to ``high``; 1.84 apart at 60, 1.64 at 1100, as with
        532 nm and 600 grooves/mm.
    edges : ndarray, shape (n_pixels + 1,)
        **cm-1**.

    Examples
    --------
    >>> centres, edges = spectrometer_axis()
    >>> print(centres.size, edges.size)
    599 600
    """
    pixels = np.arange(_PIXELS + 1, dtype=np.float64) - 0.5
    laser = 1e7 / LASER_NM

    def shift(position: Floats) -> Floats:
        wavelength = _FIRST_NM + _DISPERSION * position + _CURVATURE * position**2
        return np.asarray(laser - 1e7 / wavelength)

    centres, edges = shift(pixels[:-1] + 0.5), shift(pixels)
    first, last = np.searchsorted(centres, [low, high])
    return centres[first:last], edges[first : last + 1]


def draw_spots(
    sample: RamanSample,
    *,
    rng: np.random.Generator,
    options: RamanOptions | None = None,
) -> Spots:
    """Draw the spots of a sample.

    With ``bleaching_rate`` above 0 all spots are one place: species do not scatter, and
    the fluorescence falls by the rate from one to the next.
    """
    options = options or RamanOptions()
    count = options.n_spots

    def scatter(std: float) -> Floats:
        return np.asarray(np.exp(std * rng.standard_normal(count)))

    signal, fluorescence = scatter(options.spot_std), scatter(options.spot_std)
    species = {
        name: scatter(options.species_std)
        for name in sorted(dict.fromkeys(band.species for band in sample.bands))
        if name not in _FOLLOWS
    }
    axis = sample.axis_error + options.spot_axis_std * rng.standard_normal(count)
    chances, first = rng.random(count), int(rng.integers(count))
    crystallised = chances < sample.damage_chance
    crystallised[first] |= sample.damage_chance > 0.0
    if sample.bleaching_rate > 0.0:
        signal = np.full(count, signal[0])
        species = {name: np.full(count, each[0]) for name, each in species.items()}
        faded = np.exp(-sample.bleaching_rate * np.arange(count))
        fluorescence = fluorescence[0] * faded
    for name, leader in _FOLLOWS.items():
        if any(band.species == name for band in sample.bands):
            species[name] = species[leader]
    return Spots(
        signal=signal,
        species=species,
        fluorescence=fluorescence,
        axis=np.asarray(axis),
        crystallised=crystallised,
        phase=rng.uniform(0.0, 2.0 * np.pi, count),
    )


def expected_counts(
    sample: RamanSample, spots: Spots, *, options: RamanOptions | None = None
) -> Floats:
    """Return the light on each pixel before any noise, offset left out.

    Returns
    -------
    ndarray, shape (n_spots, n_pixels)
        **count**.
    """
    options = options or RamanOptions()
    centres, edges = spectrometer_axis(options.low, options.high)
    grid = drawing_grid(GRID_LOW, GRID_HIGH)
    groups, densities = _densities(sample)
    factors = _group_factors(groups, spots)
    rows = []
    for spot, error in enumerate(spots.axis):
        means = pixel_means(grid, densities @ factors[:, spot], edges - error)
        true_shift = centres - error
        background = sample.background
        light = means + background.edge(true_shift)
        light += spots.fluorescence[spot] * background.fluorescence(true_shift)
        fringes = 2.0 * np.pi * true_shift / options.etalon_period + spots.phase[spot]
        light *= 1.0 + options.etalon * np.sin(fringes)
        rows.append(spots.signal[spot] * light)
    return np.asarray(rows)


def _densities(sample: RamanSample) -> tuple[list[str], Floats]:
    """Return groups of bands that scatter together, and their sums on the grid."""
    summed: dict[str, Floats] = {}

    def add(group: str, band: EmittedBand) -> None:
        line = draw_line(band.shape, sample.spectrometer, GRID_LOW, GRID_HIGH)
        summed[group] = summed.get(group, np.zeros_like(line)) + band.area * line

    for band in sample.bands:
        add(_FOLLOWS.get(band.species, band.species), band)
    for band in sample.damage:
        add(DAMAGE, band)
    if not summed:
        return [], np.zeros((drawing_grid(GRID_LOW, GRID_HIGH).size, 0))
    return list(summed), np.stack(list(summed.values()), axis=1)


def _group_factors(groups: Sequence[str], spots: Spots) -> Floats:
    """Return what each group is multiplied by, shape (n_groups, n_spots)."""
    rows = []
    for group in groups:
        if group == DAMAGE:
            rows.append(spots.crystallised.astype(float))
        elif group == GLASS:
            left = np.where(spots.crystallised, 1.0 - CRYSTALLISED, 1.0)
            rows.append(left * spots.species[group])
        else:
            rows.append(spots.species[group])
    return np.asarray(rows).reshape(len(groups), spots.signal.size)


def record_counts(
    light: Floats, *, rng: np.random.Generator, options: RamanOptions | None = None
) -> tuple[Floats, Flags]:
    """Return the counts that a detector makes of light, and where cosmic rays hit.

    Parameters
    ----------
    light : ndarray, shape (n_spots, n_pixels)
        Expected counts without offset.
    rng : numpy.random.Generator
        Of electrons, readout and cosmic rays.
    options : RamanOptions, optional
        Gain, readout noise, offset, rate of cosmic rays, ceiling.

    Returns
    -------
    counts, spikes : ndarray, shape (n_spots, n_pixels)
        Whole numbers from 0 to the ceiling; True where a cosmic ray hit.

    Notes
    -----
    The variance of counts is ``light / g + (r / g)^2 + 1/12`` with g electrons a count
    and r electrons of readout noise; 1/12 is the rounding.
    """
    options = options or RamanOptions()
    gain = options.electrons_per_count
    electrons = rng.poisson(gain * light).astype(float)
    electrons += options.readout_electrons * rng.standard_normal(light.shape)
    rays = _draw_spikes(light.shape, rng, options.spike_share)
    counts = np.rint(electrons / gain + options.offset + rays)
    return np.clip(counts, 0.0, float(options.ceiling)), rays > 0.0


def _draw_spikes(
    shape: tuple[int, ...], rng: np.random.Generator, share: float
) -> Floats:
    """Return counts of cosmic rays, each on one or two pixels."""
    spots, points = shape
    rays = np.zeros(shape)
    for spot in range(spots):
        for _ in range(int(rng.binomial(points, share / _SPIKE_POINTS))):
            place = int(rng.integers(points))
            height = float(np.exp(rng.uniform(*np.log(_SPIKE_COUNTS))))
            rays[spot, place] += height
            if rng.random() < _SPIKE_POINTS - 1.0 and place + 1 < points:
                rays[spot, place + 1] += height * float(rng.uniform(0.1, 0.9))
    return rays
