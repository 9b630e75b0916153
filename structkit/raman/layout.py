"""Where each parameter of a band model stands, its start, prior and limits.

Shared by all spectra: centres, logarithms of the widths and mixings of the families,
skews of the bands that may have one, shifts of the templates, and the drifts of
centres and widths where the model has them. Of each spectrum alone: areas of the
bands, scales of the templates, and the axis shift.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.raman.model import BandModel

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

MIXING_LIMITS = (0.0, 1.0)
SKEW_LIMITS = (-0.6, 0.6)
_VOIGT_MIXING = 0.98
_WIDTH_SIGMAS = 2.0
_TEMPLATE_SHIFT_STD = 1.0
_DRIFT_STD = 4.0
_WIDTH_DRIFT_STD = 0.5
_HELD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Normal priors and limits of a vector of parameters, each (n,)."""

    mean: Floats
    """Mean of the prior, and the start."""
    std: Floats
    """1 sigma; infinite where there is no prior."""
    low: Floats
    """Least value."""
    high: Floats
    """Largest value."""

    @property
    def free(self) -> NDArray[np.bool_]:
        """Return which parameters may move."""
        return np.asarray(self.high > self.low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Slices of the shared and of the local vector."""

    family: Indices
    """Family of each band, shape (n_bands,)."""
    centre: slice
    """Centres, cm-1."""
    log_width: slice
    """Logarithms of the families' FWHM."""
    mixing: slice
    """Lorentzian shares of the families."""
    skewed: Indices
    """Bands whose skew is fitted, shape (n_skewed,)."""
    held_skew: Floats
    """Skew of each band where it is not, shape (n_bands,)."""
    skew: slice
    """Skews of the bands of ``skewed``."""
    template_shift: slice
    """Shifts of the templates, cm-1."""
    centre_drift: slice
    """Change of the centres over the series; empty without drift."""
    width_drift: slice
    """Change of the logarithms of the widths over the series."""
    n_shared: int
    """Length of the shared vector."""
    shares: Floats
    """Share of each band in each area, shape (n_bands, n_areas)."""
    area: slice
    """Areas of the free bands, then of the ties."""
    scale: slice
    """Scales of the templates (their areas)."""
    edge: slice
    """Heights of the laser's edge at the first point."""
    axis_shift: int
    """Shift of the spectrum's axis."""
    n_local: int
    """Length of a spectrum's own vector."""

    @property
    def columns(self) -> slice:
        """Return the slice of areas and scales together: what has a name."""
        return slice(self.area.start, self.scale.stop)

    @property
    def linear(self) -> slice:
        """Return the slice of all that the light is linear in."""
        return slice(0, self.axis_shift)


def make_layout(model: BandModel, *, n_edges: int = 0) -> Layout:
    """Return where the parameters of ``model`` stand."""
    families = model.families
    family = [families.index(band.family or band.name) for band in model.bands]
    n_bands, n_families = len(model.bands), len(families)
    n_templates = len(model.templates)
    n_areas = len(model.free_bands) + len(model.ties)
    drift = (n_bands, n_families) if model.drift else (0, 0)
    skewed = [k for k, band in enumerate(model.bands) if band.skew_std > 0.0]
    held = np.asarray([band.skew for band in model.bands])
    sizes = [n_bands, n_families, n_families, len(skewed), n_templates, *drift]
    ends = np.cumsum([0, *sizes]).tolist()
    shared = [slice(a, b) for a, b in itertools.pairwise(ends)]
    return Layout(
        family=np.asarray(family, dtype=np.intp),
        centre=shared[0],
        log_width=shared[1],
        mixing=shared[2],
        skewed=np.asarray(skewed, dtype=np.intp),
        held_skew=held,
        skew=shared[3],
        template_shift=shared[4],
        centre_drift=shared[5],
        width_drift=shared[6],
        n_shared=ends[-1],
        shares=model.shares,
        area=slice(0, n_areas),
        scale=slice(n_areas, n_areas + n_templates),
        edge=slice(n_areas + n_templates, n_areas + n_templates + n_edges),
        axis_shift=n_areas + n_templates + n_edges,
        n_local=n_areas + n_templates + n_edges + 1,
    )


def shared_priors(model: BandModel, layout: Layout, *, step: float) -> Priors:
    """Return start, prior and limits of the shared parameters.

    Parameters
    ----------
    model : BandModel
        The model.
    layout : Layout
        Of the same model.
    step : float
        Distance of the points, **cm-1**: no band is narrower.
    """
    n = layout.n_shared
    mean, std = np.zeros(n), np.full(n, np.inf)
    low, high = np.full(n, -np.inf), np.full(n, np.inf)
    bands = model.bands
    mean[layout.centre] = [band.wavenumber for band in bands]
    std[layout.centre] = [band.wavenumber_std for band in bands]
    low[layout.centre] = [band.limits[0] for band in bands]
    high[layout.centre] = [band.limits[1] for band in bands]
    floor = 1.2 * step
    if model.shape == "pseudo-voigt":
        floor = max(floor, 0.8 * model.instrument_fwhm)
    width = _family_widths(model)
    for place, (fwhm, factor) in enumerate(width, start=layout.log_width.start):
        reach = _WIDTH_SIGMAS * math.log(factor)
        mean[place], std[place] = math.log(max(fwhm, 1.05 * floor)), math.log(factor)
        low[place] = max(mean[place] - reach, math.log(floor))
        high[place] = mean[place] + reach
    mixing = _family_mixings(model)
    mean[layout.mixing] = [value for value, _ in mixing]
    std[layout.mixing] = [spread for _, spread in mixing]
    low[layout.mixing], high[layout.mixing] = MIXING_LIMITS
    if model.shape == "voigt":
        high[layout.mixing] = _VOIGT_MIXING
    mean[layout.skew] = [bands[k].skew for k in layout.skewed]
    std[layout.skew] = [bands[k].skew_std for k in layout.skewed]
    low[layout.skew], high[layout.skew] = SKEW_LIMITS
    own = [0.0 if t.background else _TEMPLATE_SHIFT_STD for t in model.templates]
    std[layout.template_shift] = np.maximum(own, _HELD)
    low[layout.template_shift] = -4.0 * np.asarray(own)
    high[layout.template_shift] = 4.0 * np.asarray(own)
    std[layout.centre_drift], std[layout.width_drift] = _DRIFT_STD, _WIDTH_DRIFT_STD
    return Priors(mean=mean, std=std, low=low, high=high)


def _family_widths(model: BandModel) -> list[tuple[float, float]]:
    """Return geometric mean and widest factor of the FWHM of each family."""
    found = []
    for family in model.families:
        members = [b for b in model.bands if (b.family or b.name) == family]
        logs = [math.log(band.fwhm) for band in members]
        factor = max(band.fwhm_factor for band in members)
        found.append((math.exp(sum(logs) / len(logs)), factor))
    return found


def _family_mixings(model: BandModel) -> list[tuple[float, float]]:
    """Return mean and widest spread of the Lorentzian share of each family."""
    found = []
    for family in model.families:
        members = [b for b in model.bands if (b.family or b.name) == family]
        mean = sum(band.lorentz for band in members) / len(members)
        found.append((mean, max(band.lorentz_std for band in members)))
    return found


def local_priors(model: BandModel, layout: Layout) -> Priors:
    """Return start, prior and limits of one spectrum's own parameters."""
    n = layout.n_local
    mean, std = np.zeros(n), np.full(n, np.inf)
    low, high = np.full(n, -np.inf), np.full(n, np.inf)
    low[layout.linear] = 0.0
    held = model.shift_std <= 0.0
    std[layout.axis_shift] = _HELD if held else model.shift_std
    reach = 0.0 if held else 5.0 * model.shift_std
    low[layout.axis_shift], high[layout.axis_shift] = -reach, reach
    return Priors(mean=mean, std=std, low=low, high=high)
