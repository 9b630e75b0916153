"""How many modes a crystal has, and how many of them are Raman."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structkit.errors import StructureError

_TOLERANCE = 1.0e-3
"""Fractional distance below which two positions are one."""
_LABELS = {"Ag": (1, 1), "Bg": (-1, 1), "Au": (1, -1), "Bu": (-1, -1)}
"""Characters of the two-fold rotation and of the inversion."""


def count_modes(
    rotations: ArrayLike, translations: ArrayLike, positions: ArrayLike
) -> dict[str, int]:
    r"""Count the modes at zero wave vector of a crystal of point group 2/m.

    Parameters
    ----------
    rotations : array_like of int, shape (4, 3, 3)
        Rotation parts of the operations, one for each element of 2/m, fractional.
    translations : array_like, shape (4, 3)
        Their translations, fractional.
    positions : array_like, shape (n_atoms, 3)
        All atoms of the primitive cell, fractional.

    Returns
    -------
    dict of str to int
        Number of ``Ag``, ``Bg``, ``Au`` and ``Bu`` modes, three acoustic ones (Au and
        2 Bu) included. Ag and Bg are Raman, Au and Bu infrared.

    Raises
    ------
    StructureError
        When the operations are not those of 2/m, or do not map the atoms onto
        themselves.

    Notes
    -----
    The displacements of all atoms transform with the character

    .. math:: \chi(R) = n(R)\,\mathrm{tr} R,

    where n is the number of atoms that the operation leaves in place up to a lattice
    vector. The number of modes of one representation is its projection,
    :math:`\frac{1}{4} \sum_R \chi_i(R) \chi(R)`.

    References
    ----------
    Rousseau, Bauman & Porto, J. Raman Spectrosc. 1981, 10, 253,
    10.1002/jrs.1250100152.

    Examples
    --------
    NaTaCl6: eight atoms on the general position of P2_1/n.

    >>> rotation = np.diag([-1, 1, -1])
    >>> rotations = [np.eye(3), rotation, -np.eye(3), -rotation]
    >>> translations = [[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0.5]]
    >>> sites = np.random.default_rng(1).random((8, 3))
    >>> orbits = [sites @ np.transpose(r) + t for r, t in zip(rotations, translations)]
    >>> count_modes(rotations, translations, np.concatenate(orbits))
    {'Ag': 24, 'Bg': 24, 'Au': 24, 'Bu': 24}
    """
    turns = np.rint(np.asarray(rotations, dtype=float)).astype(int)
    shifts = np.asarray(translations, dtype=float)
    atoms = np.asarray(positions, dtype=float)
    elements = [_name_element(turn) for turn in turns]
    if sorted(elements) != ["-1", "1", "2", "m"]:
        raise StructureError(
            f"operations {elements} are not the four of 2/m; give one for each"
        )
    characters = {
        element: _count_fixed(turn, shift, atoms) * int(np.trace(turn))
        for element, turn, shift in zip(elements, turns, shifts, strict=True)
    }
    counts = {}
    for label, (two, inversion) in _LABELS.items():
        own = {"1": 1, "2": two, "-1": inversion, "m": two * inversion}
        counts[label] = sum(own[key] * characters[key] for key in own) // 4
    return counts


def _name_element(rotation: NDArray[np.int_]) -> str:
    """Return the symbol of an element of 2/m; empty for any other."""
    determinant = round(float(np.linalg.det(rotation)))
    symbols = {(3, 1): "1", (-3, -1): "-1", (-1, 1): "2", (1, -1): "m"}
    return symbols.get((int(np.trace(rotation)), determinant), "")


def _count_fixed(
    rotation: NDArray[np.int_],
    translation: NDArray[np.float64],
    positions: NDArray[np.float64],
) -> int:
    """Return how many atoms stay in place up to a lattice vector."""
    moved = positions @ rotation.T + translation
    apart = moved[:, None, :] - positions[None, :, :]
    is_same = np.all(np.abs(apart - np.rint(apart)) < _TOLERANCE, axis=2)
    if not np.all(np.any(is_same, axis=1)):
        raise StructureError("an operation moves an atom to where none is; give all")
    return int(np.sum(np.diagonal(is_same)))
