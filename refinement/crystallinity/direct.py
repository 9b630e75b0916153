"""Direct derivation: contents from what everything scatters (SCIENCE B7).

Per gram, all matter of one composition scatters the same in the integral of
``Q^2 I(Q)``, however its atoms are arranged. So the smooth scattering of the amorphous
part, in the electron units that the crystals' lines define, weighs it: no standard, no
known sample, no structure of the glass. It needs a measured blank and the composition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from structkit.structures.composition import molar_mass
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.background import Film, film_transmission
from structkit.xrd.incoherent import incoherent_scattering
from structkit.xrd.scattering import anomalous_terms, form_factor

Floats = NDArray[np.float64]

_UPPER_LIMITS = (0.75, 0.85, 0.95, 1.0)
"""Upper ends of the integral as shares of the largest Q, for its truncation error."""
TRUNCATION_STD = 0.03
"""Relative 1 sigma of the amorphous scale at least: what lies outside the range, a
density known to a tenth, and approximate incoherent scattering."""
_MOST_DEFICIT = 0.2
"""Largest share that Krogh-Moe's term may take: beyond, the range is far too short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How a pattern was measured, as far as intensities depend on it."""

    two_theta: Floats
    """Points, **degree**, shape (n_points,)."""
    wavelength: float
    """**angstrom**."""
    polarization_ratio: float = 1.0
    """K of the polarisation factor."""
    film_thickness_um: float = 0.0
    """Kapton over the sample, **micrometre**."""

    @property
    def s(self) -> Floats:
        """Return ``sin(theta) / wavelength``, 1/angstrom."""
        return np.asarray(np.sin(np.radians(self.two_theta) / 2.0) / self.wavelength)

    @property
    def q(self) -> Floats:
        """Return Q, 1/angstrom."""
        return np.asarray(4.0 * math.pi * self.s)

    @property
    def response(self) -> Floats:
        """Return the intensity of one electron unit per g/mol at a scale of 1.

        A scale of 1 gives a line the area ``m |F|^2 LP / (M V)`` in degrees; its powder
        average is ``lambda^3 m |F|^2 / (16 pi V sin^2 cos)`` electron units times
        radian, hence ``16 pi/lambda^3`` times pi/180, polarisation and film.
        """
        ratio = self.polarization_ratio
        cosine = np.cos(np.radians(self.two_theta))
        polarization = (1.0 + ratio * cosine**2) / (1.0 + ratio)
        film = film_transmission(self.two_theta, Film(thickness=self.film_thickness_um))
        unit = 16.0 * math.pi / self.wavelength**3 * math.pi / 180.0
        return np.asarray(unit * polarization * film)


def coherent_power(atoms: Mapping[str, float], s: Floats, wavelength: float) -> Floats:
    """Return ``sum n |f|^2`` of a formula unit, electron units."""
    total = np.zeros_like(s)
    key = s.tobytes()
    for element, count in atoms.items():
        total += count * _atom(element, key, wavelength)[0]
    return total


@lru_cache(maxsize=512)
def _atom(element: str, key: bytes, wavelength: float) -> tuple[Floats, Floats]:
    """Return ``|f|^2`` and the incoherent scattering of an atom at angles ``key``.

    The patterns of a series share their angles: each atom is looked up once.
    """
    s = np.frombuffer(key)
    real, imaginary = anomalous_terms(element, wavelength)
    coherent = (form_factor(element, s) + real) ** 2 + imaginary**2
    return coherent, incoherent_scattering(element, s)


def _incoherent(atoms: Mapping[str, float], s: Floats, wavelength: float) -> Floats:
    """Return the incoherent scattering of a formula unit, electron units."""
    total = np.zeros_like(s)
    key = s.tobytes()
    for element, count in atoms.items():
        total += count * _atom(element, key, wavelength)[1]
    return total


def thermal_diffuse(
    structure: CrystalStructure, s: Floats, wavelength: float
) -> Floats:
    """Return what vibration takes from the lines of a cell, electron units.

    Notes
    -----
    Independent vibrations: ``sum |f|^2 (1 - exp(-2 B s^2))``.
    """
    total = np.zeros_like(s)
    key = s.tobytes()
    for site in structure.sites:
        power = _atom(site.element, key, wavelength)[0]
        lost = 1.0 - np.exp(-2.0 * site.b_iso * s**2)
        total += site.occupancy * site.multiplicity * power * lost
    return total


def crystalline_smooth(
    structures: Mapping[str, CrystalStructure], scales: Floats, geometry: Geometry
) -> Floats:
    """Return the smooth scattering of the crystals, intensity, shape (n_points,).

    Thermal diffuse and incoherent, at the scales of their lines.
    """
    total = np.zeros_like(geometry.two_theta)
    for structure, scale in zip(structures.values(), scales.tolist(), strict=True):
        if scale <= 0.0:
            continue
        key = geometry.s.tobytes()
        total += scale * _smooth_of(structure, key, geometry.wavelength)
    return np.asarray(total * geometry.response)


@lru_cache(maxsize=64)
def _smooth_of(structure: CrystalStructure, key: bytes, wavelength: float) -> Floats:
    """Return thermal diffuse and incoherent scattering of a crystal per g/mol."""
    s = np.frombuffer(key)
    own = thermal_diffuse(structure, s, wavelength)
    own = own + _incoherent(structure.atom_counts, s, wavelength)
    return np.asarray(own / structure.cell_mass)


def density_deficit(
    atoms: Mapping[str, float], geometry: Geometry, density: float
) -> float:
    """Return the share of ``int Q^2 sum n|f|^2 dQ`` that a halo lacks in the range.

    Parameters
    ----------
    atoms : mapping of str to float
        Composition of the amorphous part.
    geometry : Geometry
        Points and optics.
    density : float
        Its density, **g/cm3**; 0: unknown, and the share is 0.

    Notes
    -----
    Atoms keep their distance: ``int_0^inf Q^2 (I - sum n|f|^2) dQ =
    -2 pi^2 rho (sum n f(0))^2`` with rho formula units per cubic angstrom. What of it
    lies below the first measured Q, where a glass hardly scatters, is taken off.

    References
    ----------
    Krogh-Moe (1956), Acta Cryst. 9, 951, doi:10.1107/S0365110X56002655.
    """
    if density <= 0.0:
        return 0.0
    q = geometry.q
    forward = math.sqrt(
        float(coherent_power(atoms, np.zeros(1), geometry.wavelength)[0])
    )
    electrons = sum(
        count
        * (form_factor(e, np.zeros(1))[0] + anomalous_terms(e, geometry.wavelength)[0])
        for e, count in atoms.items()
    )
    number = 0.602214076 * density / molar_mass(atoms)
    lacking = 2.0 * math.pi**2 * number * electrons**2 - forward**2 * q[0] ** 3 / 3.0
    power = coherent_power(atoms, geometry.s, geometry.wavelength)
    whole = float(np.sum(q**2 * power * np.gradient(q)))
    return float(np.clip(lacking / whole, 0.0, _MOST_DEFICIT))


def amorphous_unit(
    atoms: Mapping[str, float], geometry: Geometry, *, density: float = 0.0
) -> Floats:
    """Return what an amorphous part of scale 1 scatters on average, intensity.

    Parameters
    ----------
    atoms : mapping of str to float
        Its composition, any formula unit.
    geometry : Geometry
        Points and optics.
    density : float
        Its density, **g/cm3**, for :func:`density_deficit`; 0: unknown.

    Notes
    -----
    ``sum n |f|^2`` plus incoherent, over the molar mass: a halo oscillates about it.
    """
    power = coherent_power(atoms, geometry.s, geometry.wavelength)
    power = power * (1.0 - density_deficit(atoms, geometry, density))
    power = power + _incoherent(atoms, geometry.s, geometry.wavelength)
    return np.asarray(power / molar_mass(atoms) * geometry.response)


def blank_factor(
    smooth: Floats, blank: Floats, known: Floats, *, std: Floats
) -> tuple[float, float]:
    """Return how much of a blank is in a pattern whose sample's part is known.

    Parameters
    ----------
    smooth : ndarray, shape (n_points,)
        All that is not Bragg scattering of a sample without an amorphous part.
    blank : ndarray, shape (n_points,)
        The measured blank at the same points.
    known : ndarray, shape (n_points,)
        Smooth scattering of its crystals (:func:`crystalline_smooth`).
    std : ndarray, shape (n_points,)
        1 sigma of the points.

    Returns
    -------
    factor, misfit : float
        Least squares factor, and the mean of what is left over that of ``smooth``:
        a halo, or film, that neither explains.
    """
    weight = 1.0 / np.square(std)
    rest = smooth - known
    factor = float((weight * blank) @ rest / ((weight * blank) @ blank))
    left = float(np.sum(np.abs(rest - factor * blank))) / float(np.sum(np.abs(smooth)))
    return max(factor, 0.0), left


@dataclass(frozen=True, slots=True, kw_only=True)
class AmorphousScale:
    """Mass-proportional scale of the amorphous part."""

    value: float
    """In the units of the crystals' scales; negative where the blank is too much."""
    std: float
    """1 sigma: truncation, blank, film."""
    truncation: float
    """Part of it that the end of the range makes."""


def amorphous_scale(
    halo: Floats,
    unit: Floats,
    geometry: Geometry,
    *,
    halo_std: Floats,
) -> AmorphousScale:
    """Return the scale of the amorphous part from its own smooth scattering.

    Parameters
    ----------
    halo : ndarray, shape (n_points,)
        Its scattering: all smooth less blank and the crystals' smooth part.
    unit : ndarray, shape (n_points,)
        From :func:`amorphous_unit`.
    geometry : Geometry
        Points and optics.
    halo_std : ndarray, shape (n_sources, n_points)
        What one standard uncertainty of each common source (blank, film) does to
        ``halo``.

    Returns
    -------
    AmorphousScale

    Notes
    -----
    ``S_a = int Q^2 halo/R dQ / int Q^2 unit/R dQ`` over the measured range, R the
    response: the sum rule of Krogh-Moe and Norman. Its truncation error is taken from
    the change with the upper end, and is 3 % at least.

    References
    ----------
    Toraya & Omote (2019), J. Appl. Cryst. 52, 13, doi:10.1107/S1600576718016394;
    Krogh-Moe (1956), Acta Cryst. 9, 951, doi:10.1107/S0365110X56002655.
    """
    q = geometry.q
    weight = q**2 * np.gradient(q) / geometry.response
    value = _ratio(halo, unit, weight)
    ends = [
        _ratio(halo, unit, np.where(q <= share * q[-1], weight, 0.0))
        for share in _UPPER_LIMITS
    ]
    cut = max(0.5 * (max(ends) - min(ends)), TRUNCATION_STD * abs(value))
    changes = [_ratio(row, unit, weight) for row in halo_std]
    return AmorphousScale(
        value=value, std=float(np.hypot(cut, np.linalg.norm(changes))), truncation=cut
    )


def _ratio(halo: Floats, unit: Floats, weight: Floats) -> float:
    """Return the weighted sum of one curve over that of the other."""
    return float(weight @ halo) / float(weight @ unit)


def content_from_scales(
    amorphous: AmorphousScale, scales: Floats, covariance: Floats
) -> tuple[float, float]:
    """Return ``S_a / (S_a + sum S)`` and 1 sigma of it."""
    crystalline = float(scales.sum())
    total = amorphous.value + crystalline
    if total <= 0.0:
        return math.nan, math.nan
    variance = max(float(covariance.sum()), 0.0)
    std = math.hypot(crystalline * amorphous.std, amorphous.value * math.sqrt(variance))
    return amorphous.value / total, std / total**2
