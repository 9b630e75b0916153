"""How atoms, crystals and glasses scatter, by brute force and in electron units.

Everything here is per formula unit (or cell) and absolute, so the lines of a crystal
and the halo of a glass stand on one scale and scattering is conserved: per mole of
atoms, the integral of ``Q^2 I(Q)`` does not depend on how the atoms are arranged.

Nothing is shared with ``structkit.xrd`` or ``refinement`` but published constants:
IT92 form factors and Cromer-Liberman f', f'' (both from gemmi).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import gemmi
import numpy as np
from numpy.typing import NDArray

from structkit.structures.composition import molar_mass
from structkit.structures.crystal import CrystalStructure

Floats = NDArray[np.float64]

_HC_EV_ANGSTROM = 12398.419843320026
_ELECTRON_RADIUS_ANGSTROM = 2.8179403e-5
_AVOGADRO_CM2 = 6.02214076e23 * 1e-16
_ANGLES = 64  # Gauss nodes of a sum over the sphere
_EIGHT_PI_SQUARED = 8.0 * np.pi**2


def form_factor(element: str, s: Floats, wavelength: float) -> NDArray[np.complex128]:
    """Return ``f0 + f' + i f''`` of a neutral atom.

    Parameters
    ----------
    element : str
        Element symbol.
    s : ndarray
        ``sin(theta) / wavelength`` in **1/angstrom**.
    wavelength : float
        In **angstrom**, for f' and f''.
    """
    plain = _without_dispersion(element, s)
    return np.asarray(plain + _dispersion(element, wavelength), dtype=np.complex128)


def _without_dispersion(element: str, s: Floats) -> Floats:
    """Return f0 as the IT92 sum of four Gaussians and a constant."""
    table = gemmi.Element(element).it92
    value = np.full_like(s, table.c, dtype=float)
    for height, width in zip(table.a, table.b, strict=True):
        value += height * np.exp(-width * s**2)
    return value


def _dispersion(element: str, wavelength: float) -> complex:
    """Return ``f' + i f''``."""
    number = gemmi.Element(element).atomic_number
    real, imaginary = gemmi.cromer_liberman(number, _HC_EV_ANGSTROM / wavelength)
    return complex(real, imaginary)


def mass_attenuation(composition: Mapping[str, float], wavelength: float) -> float:
    """Return the total mass attenuation coefficient in **cm2/g**.

    Parameters
    ----------
    composition : mapping of str to float
        Atoms of each element.
    wavelength : float
        In **angstrom**.

    Notes
    -----
    Photoelectric absorption by the optical theorem, ``2 r_e wavelength f''`` for each
    atom, and what the atoms scatter: ``2 pi r_e^2`` times the integral over the
    sphere of ``(|f|^2 + Compton) (1 + cos^2 2theta) / 2``. The tables of
    :mod:`structkit.structures.attenuation` take no part.
    """
    area = sum(n * _cross_section(e, wavelength) for e, n in composition.items())
    return float(_AVOGADRO_CM2 * area / molar_mass(composition))


@lru_cache(maxsize=256)
def _cross_section(element: str, wavelength: float) -> float:
    """Return the total cross section of an atom in angstrom squared."""
    cosine, weights = np.polynomial.legendre.leggauss(_ANGLES)
    s = np.sqrt(0.5 * (1.0 - cosine)) / wavelength
    scattered = np.abs(form_factor(element, s, wavelength)) ** 2
    scattered += compton({element: 1.0}, s)
    polarized = np.pi * weights * (1.0 + cosine**2)
    absorbed = 2.0 * wavelength * _dispersion(element, wavelength).imag
    radius = _ELECTRON_RADIUS_ANGSTROM
    return float(radius * absorbed + radius**2 * (polarized @ scattered))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflections:
    """Lines of one phase: all hkl of one spacing taken together."""

    d_spacing: Floats
    """angstrom, descending."""
    strength: Floats
    """Sum of ``|F|^2`` over all hkl of the spacing, texture included, electron^2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """March-Dollase preferred orientation."""

    axis: tuple[int, int, int] = (0, 0, 1)
    """hkl of the axis."""
    r: float = 1.0
    """March parameter; 1: none."""


def list_reflections(
    structure: CrystalStructure,
    *,
    d_min: float,
    wavelength: float,
    texture: Texture | None = None,
    b_extra: float = 0.0,
) -> Reflections:
    """Sum the structure factor of every hkl inside the sphere ``d >= d_min``.

    Parameters
    ----------
    structure : CrystalStructure
        The phase.
    d_min : float
        Smallest spacing, **angstrom**.
    wavelength : float
        For f' and f'', **angstrom**.
    texture : Texture, optional
        Preferred orientation.
    b_extra : float
        Overall B added to every atom, **angstrom squared**.

    Notes
    -----
    No symmetry is used: Friedel mates, equivalents and absences come out of the sum.
    """
    lines = _lines(structure, d_min, wavelength)
    strength = lines.strength
    if b_extra != 0.0:
        strength = strength * np.exp(-0.5 * b_extra * lines.inverse_d**2)
    if texture is not None and texture.r != 1.0:
        strength = strength * _march(lines.hkl, _reciprocal(structure), texture)
    total = np.bincount(lines.members, weights=strength)
    kept = total > 1e-7 * total.max()
    return Reflections(d_spacing=1.0 / lines.keys[kept], strength=total[kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sphere:
    """Every hkl of a structure, and which of them fall together."""

    hkl: Floats
    """Shape (n_hkl, 3)."""
    inverse_d: Floats
    """1/angstrom."""
    strength: Floats
    """``|F|^2`` without texture, electron^2."""
    keys: Floats
    """Distinct 1/d, ascending."""
    members: NDArray[np.intp]
    """Index into ``keys`` of each hkl."""


@lru_cache(maxsize=32)
def _lines(structure: CrystalStructure, d_min: float, wavelength: float) -> _Sphere:
    """Return the lines of a structure; a series asks for the same ones often."""
    reciprocal = _reciprocal(structure)
    hkl = _sphere(reciprocal, 1.0 / d_min)
    inverse_d = np.sqrt(np.einsum("ni,ij,nj->n", hkl, reciprocal, hkl))
    strength = _intensity(structure, hkl, 0.5 * inverse_d, wavelength=wavelength)
    keys, members = np.unique(np.round(inverse_d, 8), return_inverse=True)
    return _Sphere(
        hkl=hkl, inverse_d=inverse_d, strength=strength, keys=keys, members=members
    )


def _reciprocal(structure: CrystalStructure) -> Floats:
    """Return the reciprocal metric tensor, 1/angstrom^2."""
    return np.asarray(np.linalg.inv(structure.cell.metric), dtype=np.float64)


def _sphere(reciprocal: Floats, radius: float) -> Floats:
    """Return every hkl but 000 whose reciprocal vector is within ``radius``."""
    direct = np.linalg.inv(reciprocal)
    limits = np.ceil(radius * np.sqrt(np.diag(direct))).astype(int)
    axes = [np.arange(-limit, limit + 1) for limit in limits]
    hkl = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.einsum("ni,ij,nj->n", hkl, reciprocal, hkl)
    inside = (length > 0.0) & (length <= radius**2)
    return np.asarray(hkl[inside], dtype=np.float64)


@lru_cache(maxsize=32)
def _atoms(structure: CrystalStructure) -> list[tuple[str, float, float, Floats]]:
    """Return element, occupancy, B and all positions in the cell of each site."""
    operations = [gemmi.Op(triplet) for triplet in structure.operations]
    atoms = []
    for site in structure.sites:
        images = np.array([op.apply_to_xyz(list(site.position)) for op in operations])
        distinct: list[Floats] = []
        for image in np.mod(images, 1.0):
            offsets = [image - other for other in distinct]
            if all(np.abs(o - np.round(o)).max() > 1e-4 for o in offsets):
                distinct.append(image)
        b_factor = _EIGHT_PI_SQUARED * site.u_iso
        atoms.append((site.element, site.occupancy, b_factor, np.array(distinct)))
    return atoms


def _intensity(
    structure: CrystalStructure,
    hkl: Floats,
    s: Floats,
    *,
    wavelength: float,
) -> Floats:
    """Return ``|F|^2`` of each hkl."""
    factor = np.zeros(len(hkl), dtype=complex)
    for element, occupancy, b_factor, positions in _atoms(structure):
        phase = np.exp(2j * np.pi * hkl @ positions.T).sum(axis=1)
        damping = occupancy * np.exp(-b_factor * s**2)
        factor += form_factor(element, s, wavelength) * damping * phase
    return np.asarray(np.abs(factor) ** 2)


def _march(hkl: Floats, reciprocal: Floats, texture: Texture) -> Floats:
    """Return the March-Dollase weight of each hkl."""
    axis = np.array(texture.axis, dtype=float)
    dot = hkl @ reciprocal @ axis
    lengths = np.einsum("ni,ij,nj->n", hkl, reciprocal, hkl)
    cos_squared = dot**2 / (lengths * (axis @ reciprocal @ axis))
    squared = texture.r**2 * cos_squared + (1.0 - cos_squared) / texture.r
    return np.asarray(squared**-1.5)


def thermal_diffuse(
    structure: CrystalStructure, s: Floats, wavelength: float, *, b_extra: float = 0.0
) -> Floats:
    """Return what vibration takes from the lines of a cell, electron^2.

    Notes
    -----
    Independent (Einstein) vibrations: ``sum |f|^2 (1 - exp(-2 B s^2))``.
    """
    total = np.zeros_like(s)
    for element, occupancy, b_factor, positions in _atoms(structure):
        lost = 1.0 - np.exp(-2.0 * (b_factor + b_extra) * s**2)
        squared = np.abs(form_factor(element, s, wavelength)) ** 2
        total += occupancy * len(positions) * squared * lost
    return total


def compton(composition: Mapping[str, float], s: Floats) -> Floats:
    """Return an approximate incoherent intensity per formula unit, electron^2.

    Notes
    -----
    ``sum n (Z - f0^2 / Z)``: right at both ends, and good enough for a slope.
    """
    total = np.zeros_like(s)
    for element, count in composition.items():
        number = gemmi.Element(element).atomic_number
        total += count * (number - _without_dispersion(element, s) ** 2 / number)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Glass:
    """An amorphous phase of freely rotating coordination polyhedra.

    Each ``centre`` carries ``coordination`` ligands at the corners of an octahedron;
    the polyhedra are packed like hard spheres; other cations sit between ligands.
    """

    composition: Mapping[str, float] = field(default_factory=dict)
    """Atoms per formula unit."""
    centre: str = "Ta"
    """Element in the middle of the polyhedra."""
    ligands: tuple[str, ...] = ("Cl", "O")
    """Elements at the corners, in proportion to the composition."""
    bond: float = 2.36
    """Centre to ligand, angstrom."""
    disorder: float = 0.10
    """Static and thermal spread of the bond, angstrom; grows with distance."""
    cation_bond: float = 2.85
    """Other cations to ligands, angstrom."""
    cation_neighbours: float = 5.0
    """Ligands around each other cation."""
    diameter: float = 6.4
    """Hard-sphere diameter of the polyhedra, angstrom."""
    packing: float = 0.42
    """Share of space within the spheres."""

    @property
    def molar_mass(self) -> float:
        """Return the mass of a formula unit in g/mol."""
        return molar_mass(self.composition)


def halo(glass: Glass, s: Floats, wavelength: float) -> Floats:
    """Return the coherent intensity of a glass per formula unit, electron^2.

    Parameters
    ----------
    glass : Glass
        Composition and arrangement.
    s : ndarray
        ``sin(theta) / wavelength`` in **1/angstrom**.
    wavelength : float
        For f' and f'', **angstrom**.

    Notes
    -----
    Debye's sum within a polyhedron, ``<F>^2 (S - 1)`` between polyhedra with the
    Percus-Yevick structure factor S of hard spheres (random orientation), and
    Debye terms for the other cations. At large Q it tends to ``sum n |f|^2``: the
    halo is absolute, with no free scale.
    """
    q = 4.0 * np.pi * s
    factors = {e: form_factor(e, s, wavelength) for e in glass.composition}
    total = sum(
        (n * np.abs(factors[e]) ** 2 for e, n in glass.composition.items()),
        start=np.zeros_like(s),
    )
    anions = {e: glass.composition.get(e, 0.0) for e in glass.ligands}
    n_ligands = sum(anions.values())
    n_centres = glass.composition.get(glass.centre, 0.0)
    if n_ligands == 0.0:
        return total
    present = [factors[e] * (n / n_ligands) for e, n in anions.items() if n > 0.0]
    ligand = np.sum(present, axis=0)
    if n_centres > 0.0:
        total += n_centres * _polyhedron(
            glass, q, centre=factors[glass.centre], ligand=ligand
        )
    for element, count in glass.composition.items():
        if element not in (glass.centre, *glass.ligands):
            pair = np.real(factors[element] * np.conj(ligand))
            wave = _wave(q, glass.cation_bond, glass.disorder)
            total += 2.0 * count * glass.cation_neighbours * pair * wave
    return np.asarray(total)


def _polyhedron(
    glass: Glass,
    q: Floats,
    *,
    centre: NDArray[np.complex128],
    ligand: NDArray[np.complex128],
) -> Floats:
    """Return the interference within and between octahedra, self terms left out."""
    bond, disorder = glass.bond, glass.disorder
    edge, across = np.sqrt(2.0) * bond, 2.0 * bond
    within = 12.0 * np.real(centre * np.conj(ligand)) * _wave(q, bond, disorder)
    within += 24.0 * np.abs(ligand) ** 2 * _wave(q, edge, disorder)
    within += 6.0 * np.abs(ligand) ** 2 * _wave(q, across, disorder)
    amplitude = np.abs(centre + 6.0 * ligand * np.sinc(q * bond / np.pi)) ** 2
    packed = hard_spheres(q, glass.diameter, glass.packing) - 1.0
    blur = np.exp(-((2.5 * disorder * q) ** 2))
    return np.asarray(within + amplitude * packed * blur)


def _wave(q: Floats, distance: float, disorder: float) -> Floats:
    """Return ``sin(Qr)/(Qr)``, damped by a spread that grows with distance."""
    spread = disorder * np.sqrt(distance / 2.5)
    wave = np.sinc(q * distance / np.pi) * np.exp(-0.5 * (spread * q) ** 2)
    return np.asarray(wave)


def hard_spheres(q: Floats, diameter: float, packing: float) -> Floats:
    """Return the Percus-Yevick structure factor of hard spheres.

    Parameters
    ----------
    q : ndarray
        Scattering vector, **1/angstrom**, positive.
    diameter : float
        Sphere diameter, **angstrom**.
    packing : float
        Volume fraction, in (0, 0.5).

    References
    ----------
    Ashcroft & Lekner (1966), Phys. Rev. 145, 83, doi:10.1103/PhysRev.145.83.
    """
    x = q * diameter
    alpha = (1.0 + 2.0 * packing) ** 2 / (1.0 - packing) ** 4
    beta = -6.0 * packing * (1.0 + 0.5 * packing) ** 2 / (1.0 - packing) ** 4
    gamma = 0.5 * packing * alpha
    sine, cosine = np.sin(x), np.cos(x)
    first = alpha * (sine - x * cosine) / x**2
    second = beta * (2.0 * x * sine + (2.0 - x**2) * cosine - 2.0) / x**3
    inner = (3.0 * x**2 - 6.0) * cosine + (x**3 - 6.0 * x) * sine + 6.0
    third = gamma * (-(x**4) * cosine + 4.0 * inner) / x**5
    return np.asarray(1.0 / (1.0 + 24.0 * packing * (first + second + third) / x))
