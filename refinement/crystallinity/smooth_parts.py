"""What the amorphous part of each sample scatters, on the scale of the crystals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.crystallinity.closure.composition import (
    Composition,
    atoms_per_gram,
    stoichiometry,
)
from refinement.crystallinity.direct import (
    AmorphousScale,
    Geometry,
    amorphous_scale,
    amorphous_unit,
    blank_factor,
    content_from_scales,
    crystalline_smooth,
)
from refinement.crystallinity.facts import SeriesFacts
from refinement.crystallinity.reference import is_known
from refinement.crystallinity.scales import SampleScales
from refinement.result import RefinementResult
from structkit.schema import COUNTING_TIME, INTENSITY, TWO_THETA

Floats = NDArray[np.float64]

_ROUNDS = 12
_SETTLED = 5e-4
_POINTS = 250
"""Blocks of points over which smooth curves are averaged."""
_FILM_FLOOR = 0.05
"""Relative 1 sigma of the blank's factor at least: film and air differ that much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlankShare:
    """How much of the blank is in the patterns of a series."""

    factor: float
    """Counts of a pattern over those of the blank; NaN where it is unknown."""
    std: float
    """Relative 1 sigma from sample to sample."""
    source: str
    """Where the factor is from, or why there is none."""
    misfit: float = math.nan
    """Share of the smooth scattering of a wholly crystalline sample that is neither
    blank nor its own: NaN where no such sample was measured."""


def share_of_blank(
    results: Mapping[str, RefinementResult],
    scales: Mapping[str, SampleScales],
    facts: SeriesFacts,
) -> BlankShare:
    """Return how much of the blank is in each pattern.

    Known where a sample without amorphous part was measured the same way, else from
    the counting times where the files state them.
    """
    if facts.blank is None:
        return BlankShare(factor=math.nan, std=math.nan, source="no blank was measured")
    film = facts.film_thickness_um
    spread = facts.external.film_thickness_std_um / film if film > 0.0 else 0.0
    std = math.hypot(max(spread, _FILM_FLOOR), facts.external.transfer_std)
    known = [name for name in scales if is_known(name, facts)]
    if known:
        name = known[0]
        geometry = geometry_of(results[name], facts)
        factor, misfit = blank_factor(
            smooth_of(results[name]),
            blank_at(facts, geometry),
            _crystals(scales[name], facts, geometry),
            std=_average(results[name].curves["observed_std"].to_numpy()),
        )
        return BlankShare(
            factor=factor, std=std, source=f"fitted to {name}", misfit=misfit
        )
    times = [
        float(curves.coords[COUNTING_TIME])
        for curves in (result.curves for result in results.values())
        if COUNTING_TIME in curves.coords
    ]
    if times and COUNTING_TIME in facts.blank.coords:
        ratio = float(np.median(times)) / float(facts.blank.coords[COUNTING_TIME])
        return BlankShare(factor=ratio, std=std, source="ratio of the counting times")
    return BlankShare(
        factor=math.nan,
        std=math.nan,
        source="how much of the blank is in the patterns is not known: measure a "
        "sample without amorphous part in the same way",
    )


def geometry_of(result: RefinementResult, facts: SeriesFacts) -> Geometry:
    """Return blocks of points and the optics of a result."""
    return Geometry(
        two_theta=_average(result.curves[TWO_THETA].to_numpy()),
        wavelength=facts.wavelength,
        polarization_ratio=facts.polarization_ratio,
        film_thickness_um=facts.film_thickness_um,
    )


def smooth_of(result: RefinementResult) -> Floats:
    """Return all of a fit that is not Bragg scattering, averaged over blocks."""
    curves = result.curves
    return _average(curves["background"].to_numpy() + curves["halo"].to_numpy())


def _average(values: Floats) -> Floats:
    """Return means over blocks of neighbouring points."""
    size = max(values.size // _POINTS, 1)
    kept = (values.size // size) * size
    return np.asarray(values[:kept].reshape(-1, size).mean(axis=1))


def blank_at(facts: SeriesFacts, geometry: Geometry) -> Floats:
    """Return the blank's counts at the points of a pattern."""
    blank = facts.blank
    if blank is None:
        return np.zeros_like(geometry.two_theta)
    axis = blank[TWO_THETA].to_numpy()
    return np.asarray(np.interp(geometry.two_theta, axis, blank[INTENSITY].to_numpy()))


def _crystals(own: SampleScales, facts: SeriesFacts, geometry: Geometry) -> Floats:
    """Return the smooth scattering of a sample's crystals."""
    structures = {name: facts.phases[name].structure for name in own.phases}
    return crystalline_smooth(structures, own.values, geometry)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmorphousPart:
    """The amorphous part of one sample as its pattern shows it."""

    halo: Floats
    """Its scattering over the response: electron units per g/mol times its scale."""
    scale: AmorphousScale
    """Its mass-proportional scale."""
    value: float
    """Amorphous weight fraction of the sample without its standard."""
    std: float
    """1 sigma of it."""
    composition: dict[str, float]
    """Atoms per formula unit that were taken for it."""


def amorphous_part(
    result: RefinementResult,
    own: SampleScales,
    facts: SeriesFacts,
    *,
    composition: Composition,
    spike: str | None,
    blank: BlankShare,
) -> AmorphousPart:
    """Return what the amorphous part scatters and weighs.

    Parameters
    ----------
    result : RefinementResult
        Its smooth curves.
    own : SampleScales
        Its scales, the standard among them.
    facts : SeriesFacts
        Optics, phases and blank.
    composition : Composition
        Of the sample without its standard.
    spike : str or None
        The phase that is its standard.
    blank : BlankShare
        How much of the blank is in it.

    Notes
    -----
    The composition of the amorphous part is what the crystals leave of the weighed
    atoms at the content found, and the content depends on it: the two are iterated.
    """
    geometry = geometry_of(result, facts)
    film = blank_at(facts, geometry) * blank.factor
    halo = smooth_of(result) - film - _crystals(own, facts, geometry)
    spread = np.array([film * blank.std])
    crystals = own.without(spike)
    density = _density(crystals, facts)
    balance = _Balance.of(crystals, facts, composition)
    share, atoms = 0.5, balance.left(0.5)
    for _ in range(_ROUNDS):
        unit = amorphous_unit(atoms, geometry, density=density)
        scale = amorphous_scale(halo, unit, geometry, halo_std=spread)
        value, std = content_from_scales(scale, crystals.values, crystals.covariance)
        new = min(max(value, 0.0), 1.0) if math.isfinite(value) else 1.0
        atoms = balance.left(new)
        if abs(new - share) < _SETTLED:
            break
        share = new
    return AmorphousPart(
        halo=halo / geometry.response,
        scale=scale,
        value=value,
        std=std,
        composition=atoms,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Balance:
    """What the crystals of a sample take of its atoms."""

    elements: tuple[str, ...]
    whole: Floats
    """Atoms per formula unit of the sample."""
    held: Floats
    """Atoms that the crystals hold were they all of the sample."""

    @classmethod
    def of(
        cls, crystals: SampleScales, facts: SeriesFacts, composition: Composition
    ) -> _Balance:
        """Return the balance of a sample."""
        phases = stoichiometry(crystals.phases, facts.formulas)
        wide = composition.widen([e for atoms in phases for e in atoms])
        total = max(float(crystals.values.sum()), 1e-300)
        per_gram = atoms_per_gram(phases, wide.elements)
        return cls(
            elements=wide.elements,
            whole=wide.atoms,
            held=wide.formula_mass * (crystals.values / total) @ per_gram,
        )

    def left(self, amorphous: float) -> dict[str, float]:
        """Return the atoms that the crystals leave; the whole where they leave none."""
        left = np.maximum(self.whole - (1.0 - amorphous) * self.held, 0.0)
        if float(left.sum()) < 1e-3 * float(self.whole.sum()):
            left = self.whole
        atoms = zip(self.elements, left.tolist(), strict=True)
        return {e: n for e, n in atoms if n > 0.0}


def _density(crystals: SampleScales, facts: SeriesFacts) -> float:
    """Return the mean density of a series' phases, for the amorphous part."""
    densities = [facts.phases[name].structure.density for name in crystals.phases]
    return float(np.mean(densities))
