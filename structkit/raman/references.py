"""What a reference sample teaches: the bands of a crystal, tied as it shows them.

A crystal that is fitted by itself gives centres, widths, shapes and the ratios of its
areas. In a mixture with a glass they are known beforehand: the bands move and widen a
little, and their areas keep one ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from structkit.raman.bands import Band
from structkit.raman.covariance import FitCovariance
from structkit.raman.fit import BandFit
from structkit.raman.model import Tie
from structkit.raman.problem import band_skews

CENTRE_STD = 1.0
"""1 sigma of a band's shift from reference to sample, **cm-1**: strain, laser heat."""
WIDTH_FACTOR = 1.15
"""1 sigma of the change of its width, as a factor: defects and small crystallites."""
LORENTZ_STD = 0.1
"""1 sigma of the change of its shape."""
_WINDOW = 8.0
_SIGNIFICANT = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceBands:
    """Bands learned from one sample."""

    bands: tuple[Band, ...]
    """All that were learned, priors narrow."""
    tie: Tie
    """The bands of the species, one area for all."""
    source: str
    """The sample."""

    @property
    def species(self) -> tuple[str, ...]:
        """Return the species of all bands."""
        return tuple(dict.fromkeys(band.species for band in self.bands))


def learn_bands(
    fit: BandFit,
    *,
    species: str,
    covariance: FitCovariance,
    source: str,
    apart: Sequence[str] = (),
    strange: Sequence[str] = ("unassigned",),
) -> ReferenceBands | None:
    """Return the bands of a species as a reference sample shows them.

    Parameters
    ----------
    fit : BandFit
        Fit of the reference sample's spots.
    species : str
        The species it is made of.
    covariance : FitCovariance
        Of the fit.
    source : str
        Name of the sample, for the record.
    apart : sequence of str
        Species whose bands are learned too but keep an area of their own.
    strange : sequence of str
        Species whose bands count as the reference's own: those nobody assigned.

    Returns
    -------
    ReferenceBands or None
        None where no band of the species stands out by four sigma.
    """
    total = fit.areas.sum(axis=0)
    sigma = np.sqrt(np.diag(covariance.of_total(range(len(fit.spectra)))))
    places = {name: k for k, name in enumerate(fit.model.names)}
    own: list[Band] = []
    others: list[Band] = []
    shares: list[float] = []
    for number, band in enumerate(fit.model.bands):
        column = places.get(band.name)
        if column is None or total[column] < _SIGNIFICANT * sigma[column]:
            continue
        learned = _learn(fit, number, covariance, source)
        if band.species in apart:
            others.append(learned)
        elif band.species == species or band.species in strange:
            own.append(replace(learned, species=species))
            shares.append(float(total[column]))
    if not own:
        return None
    tie = Tie(
        name=species,
        species=species,
        bands=tuple(band.name for band in own),
        shares=tuple(shares),
    )
    return ReferenceBands(bands=(*own, *others), tie=tie, source=source)


def _learn(fit: BandFit, number: int, covariance: FitCovariance, source: str) -> Band:
    """Return a band with the reference's values as its priors."""
    layout = fit.layout
    shared = fit.solution.shared
    place = layout.centre.start + number
    family = int(layout.family[number])
    centre = float(shared[place])
    fwhm = math.exp(float(shared[layout.log_width][family]))
    std = math.sqrt(max(float(covariance.shared[place, place]), 0.0))
    spread = math.hypot(std, CENTRE_STD)
    band = fit.model.bands[number]
    return replace(
        band,
        name=f"{band.name} ({source})",
        wavenumber=centre,
        wavenumber_std=spread,
        window=(centre - _WINDOW, centre + _WINDOW),
        fwhm=fwhm,
        fwhm_factor=WIDTH_FACTOR,
        lorentz=float(shared[layout.mixing][family]),
        lorentz_std=LORENTZ_STD,
        skew=float(band_skews(layout, shared)[number]),
        skew_std=0.0,
        family="",
        source=f"fitted to {source}",
        doi="",
        grade="user",
    )
