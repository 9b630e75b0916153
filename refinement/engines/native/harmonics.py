"""Symmetrised spherical harmonics for preferred orientation."""

from __future__ import annotations

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.special import sph_harm_y

from structkit.structures.crystal import CrystalStructure
from structkit.xrd.reflections import Reflections

Floats = NDArray[np.float64]
ORDERS = (2, 4)


def real_harmonics(directions: Floats) -> Floats:
    """Return real harmonics of order 2 and 4, mean square 1 over the sphere.

    Parameters
    ----------
    directions : ndarray, shape (n, 3)
        Unit vectors.

    Returns
    -------
    ndarray, shape (n, 14)
    """
    polar = np.arccos(np.clip(directions[:, 2], -1.0, 1.0))
    azimuth = np.arctan2(directions[:, 1], directions[:, 0])
    columns = []
    for order in ORDERS:
        for m in range(-order, order + 1):
            value = sph_harm_y(order, abs(m), polar, azimuth)
            part = value.imag if m < 0 else value.real
            columns.append(part * (1.0 if m == 0 else np.sqrt(2.0)))
    return np.asarray(np.sqrt(4.0 * np.pi) * np.array(columns).T)


def _fibonacci_sphere(count: int) -> Floats:
    height = 1.0 - 2.0 * (np.arange(count) + 0.5) / count
    azimuth = np.arange(count) * np.pi * (3.0 - np.sqrt(5.0))
    radius = np.sqrt(1.0 - height**2)
    return np.column_stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height])


def symmetrised_harmonics(
    structure: CrystalStructure, reflections: Reflections
) -> Floats:
    """Return the invariant harmonics of a structure at its reflections.

    Parameters
    ----------
    structure : CrystalStructure
        Cell and symmetry.
    reflections : Reflections
        Where they are wanted.

    Returns
    -------
    ndarray, shape (n_harmonics, n_reflections)
        Cubic 1, hexagonal 2, trigonal 3, tetragonal 3, orthorhombic 5,
        monoclinic 8, triclinic 14; each has mean 0 and mean square 1 over the sphere.

    Notes
    -----
    A texture that is a fibre about the scattering vector multiplies each intensity
    by ``1 + sum c_k K_k(h)``; the invariants K come from the projector of the Laue
    group on the harmonics of order 2 and 4.

    References
    ----------
    Von Dreele (1997), J. Appl. Cryst. 30, 517, doi:10.1107/S0021889897005918.
    """
    metric = np.linalg.inv(structure.cell.metric)
    cartesian = np.linalg.cholesky(metric).T
    inverse = np.linalg.inv(cartesian)
    points = _fibonacci_sphere(120)
    values = real_harmonics(points)
    rotations = {
        tuple(np.array(gemmi.Op(triplet).rot).ravel() // gemmi.Op.DEN)
        for triplet in structure.operations
    }
    images = [
        real_harmonics(points @ (cartesian @ np.array(key).reshape(3, 3).T @ inverse).T)
        for key in rotations
    ]
    projector = np.linalg.lstsq(values, np.mean(images, axis=0), rcond=None)[0]
    sizes, vectors = np.linalg.eigh(0.5 * (projector + projector.T))
    invariant = vectors[:, sizes > 0.5]
    directions = reflections.hkl @ cartesian.T
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return np.asarray((real_harmonics(directions) @ invariant).T)
