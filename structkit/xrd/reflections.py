"""Reflections of a structure: indices, multiplicities, structure factors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from structkit.structures.crystal import Cell, CrystalStructure
from structkit.xrd.scattering import anomalous_terms, form_factor

FormFactor = Callable[[str, NDArray[np.float64]], NDArray[np.float64]]
_CODE_BASE = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflections:
    """Symmetry-independent reflections, by falling d."""

    hkl: NDArray[np.int64]
    """Indices, shape (n, 3)."""
    multiplicity: NDArray[np.float64]
    """Equivalents, Friedel mates counted, shape (n,)."""
    d_spacing: NDArray[np.float64]
    """In angstrom, shape (n,)."""
    equivalents: tuple[NDArray[np.int64], ...]
    """All equivalent indices of each reflection, shape (multiplicity, 3)."""

    def __len__(self) -> int:
        """Return the number of reflections."""
        return int(self.hkl.shape[0])

    def two_theta(self, wavelength: float) -> NDArray[np.float64]:
        """Return 2theta in degree for ``wavelength`` in angstrom, NaN beyond 180."""
        sine = wavelength / (2.0 * self.d_spacing)
        with np.errstate(invalid="ignore"):
            return np.degrees(2.0 * np.arcsin(sine))


@dataclass(frozen=True, slots=True)
class _Symmetry:
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]


def _symmetry(structure: CrystalStructure) -> _Symmetry:
    operations = [gemmi.Op(triplet) for triplet in structure.operations]
    rotations = np.array([op.rot for op in operations], dtype=np.int64)
    translations = np.array([op.tran for op in operations], dtype=float)
    den = gemmi.Op.DEN
    return _Symmetry(rotations // den, translations / den)


def _indices_within(cell: Cell, d_min: float) -> NDArray[np.int64]:
    metric = np.linalg.inv(cell.metric)
    limits = [int(math.floor(length / d_min)) for length in cell.parameters[:3]]
    axes = [np.arange(-limit, limit + 1) for limit in limits]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    squared = np.einsum("ni,ij,nj->n", grid, metric, grid)
    keep = (squared > 0.0) & (squared <= 1.0 / d_min**2)
    return np.asarray(grid[keep], dtype=np.int64)


def _encode(hkl: NDArray[np.int64]) -> NDArray[np.int64]:
    h, k, l = (hkl[..., axis] + _CODE_BASE // 2 for axis in range(3))  # noqa: E741
    return np.asarray((h * _CODE_BASE + k) * _CODE_BASE + l, dtype=np.int64)


def _is_absent(hkl: NDArray[np.int64], symmetry: _Symmetry) -> NDArray[np.bool_]:
    absent = np.zeros(hkl.shape[0], dtype=bool)
    for rotation, translation in zip(
        symmetry.rotations, symmetry.translations, strict=True
    ):
        unmoved = np.all(hkl @ rotation == hkl, axis=1)
        phase = hkl @ translation
        absent |= unmoved & (np.abs(phase - np.round(phase)) > 1e-6)
    return absent


def list_reflections(structure: CrystalStructure, d_min: float) -> Reflections:
    """List the symmetry-independent reflections that are not extinct.

    Parameters
    ----------
    structure : CrystalStructure
        Cell and operations are used.
    d_min : float
        Smallest lattice spacing in **angstrom**.

    Returns
    -------
    Reflections
        By falling d; multiplicities count Friedel mates, so a general reflection
        of Laue class 2/m has 4.
    """
    symmetry = _symmetry(structure)
    hkl = _indices_within(structure.cell, d_min)
    unique_rotations = np.unique(symmetry.rotations, axis=0)
    laue = np.unique(np.concatenate([unique_rotations, -unique_rotations]), axis=0)
    images = np.stack([hkl @ rotation for rotation in laue])
    representative = _encode(images).max(axis=0)
    leading = np.nonzero(_encode(hkl) == representative)[0]
    leading = leading[~_is_absent(hkl[leading], symmetry)]
    order = np.argsort(representative, kind="stable")
    ordered = representative[order]
    begin = np.searchsorted(ordered, representative[leading])
    end = np.searchsorted(ordered, representative[leading], side="right")
    leaders, counts = hkl[leading], end - begin
    metric = np.linalg.inv(structure.cell.metric)
    squared = np.einsum("ni,ij,nj->n", leaders, metric, leaders)
    ranked = np.lexsort((_encode(leaders), np.round(squared, 12)))
    return Reflections(
        hkl=leaders[ranked],
        multiplicity=counts[ranked].astype(float),
        d_spacing=1.0 / np.sqrt(squared[ranked]),
        equivalents=tuple(hkl[order[begin[i] : end[i]]] for i in ranked),
    )


def structure_factors(
    structure: CrystalStructure,
    reflections: Reflections,
    *,
    wavelength: float | None,
    form_factor: FormFactor = form_factor,
) -> NDArray[np.float64]:
    """Return |F|^2 of each reflection, averaged over hkl and -h-k-l.

    Parameters
    ----------
    structure : CrystalStructure
        Sites, occupancies and displacement parameters.
    reflections : Reflections
        From :func:`list_reflections`.
    wavelength : float or None
        In **angstrom**, for f' and f''; None leaves them out.
    form_factor : callable
        ``(element, sin_theta_over_lambda) -> f0``; IT92 by default.

    Returns
    -------
    ndarray, shape (n_reflections,)
        Electrons squared per cell.

    Notes
    -----
    With ``g`` the geometric part of each site, the mean over Friedel mates is
    ``|sum (f0 + f') T g|^2 + |sum f'' T g|^2``: exact with anomalous scattering in a
    structure without centre too.
    """
    symmetry = _symmetry(structure)
    s = 0.5 / reflections.d_spacing
    real = np.zeros(len(reflections), dtype=complex)
    imaginary = np.zeros(len(reflections), dtype=complex)
    f0 = {element: form_factor(element, s) for element in structure.atom_counts}
    phase_shift = reflections.hkl @ symmetry.translations.T
    rotated = np.einsum("ni,oij->noj", reflections.hkl, symmetry.rotations)
    for site in structure.sites:
        phases = rotated @ np.array(site.position) + phase_shift
        weight = site.occupancy * site.multiplicity / len(structure.operations)
        damping = np.exp(-8.0 * math.pi**2 * site.u_iso * s * s)
        geometric = weight * damping * np.exp(2j * math.pi * phases).sum(axis=1)
        f_prime, f_second = (
            anomalous_terms(site.element, wavelength) if wavelength else (0.0, 0.0)
        )
        real += (f0[site.element] + f_prime) * geometric
        imaginary += f_second * geometric
    return np.asarray(np.abs(real) ** 2 + np.abs(imaginary) ** 2)


def lorentz_polarization(
    two_theta: NDArray[np.float64], polarization_ratio: float = 1.0
) -> NDArray[np.float64]:
    """Return the Lorentz-polarisation factor of a powder line.

    Parameters
    ----------
    two_theta : ndarray
        In **degree**.
    polarization_ratio : float
        K = cos^2(2 theta_m) with a monochromator, 1 without.

    Notes
    -----
    ``(1 + K cos^2 2theta) / ((1 + K) sin^2 theta cos theta)``.
    """
    theta = np.radians(two_theta) / 2.0
    polarization = 1.0 + polarization_ratio * np.cos(2.0 * theta) ** 2
    return np.asarray(
        polarization / ((1.0 + polarization_ratio) * np.sin(theta) ** 2 * np.cos(theta))
    )


def march_dollase(
    reflections: Reflections, cell: Cell, axis: tuple[int, int, int], r: float
) -> NDArray[np.float64]:
    """Return the March-Dollase factor of each reflection, averaged over equivalents.

    Parameters
    ----------
    reflections : Reflections
        Reflections with their equivalents.
    cell : Cell
        Unit cell.
    axis : tuple of int
        Preferred-orientation direction hkl (reciprocal-lattice vector).
    r : float
        March parameter, 1 is random, below 1 platelets lying flat
        (Bragg-Brentano).

    References
    ----------
    Dollase (1986), J. Appl. Cryst. 19, 267, doi:10.1107/S0021889886089458.
    """
    factors = np.empty(len(reflections))
    for index, cosine in enumerate(squared_cosines(reflections, cell, axis)):
        factors[index] = np.mean((r * r * cosine + (1.0 - cosine) / r) ** -1.5)
    return factors


def squared_cosines(
    reflections: Reflections, cell: Cell, axis: tuple[int, int, int]
) -> list[NDArray[np.float64]]:
    """Return cos^2 of the angle to ``axis`` for each equivalent of each reflection."""
    metric = np.linalg.inv(cell.metric)
    direction = metric @ np.asarray(axis, dtype=float)
    norm = float(np.asarray(axis) @ direction)
    result = []
    for group in reflections.equivalents:
        dots = group @ direction
        lengths = np.einsum("ni,ij,nj->n", group, metric, group)
        result.append(np.clip(dots * dots / (lengths * norm), 0.0, 1.0))
    return result
