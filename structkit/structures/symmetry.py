"""Symmetry operations at work: equivalent positions, special positions, cells.

Everything here takes operations as a :class:`SymmetryOperations` pair of arrays
and knows no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from structkit.errors import StructureError

FloatArray = NDArray[np.float64]

SNAP_TOLERANCE = 0.002
"""Largest change of a fractional coordinate that a special position may ask for."""
_SAME = 1e-4
_SNAP_STEPS = (1.0, 0.5, 0.25, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymmetryOperations:
    """Operations ``x' = rotations @ x + translations`` on fractional coordinates."""

    rotations: FloatArray
    """Integer matrices, shape (n_operations, 3, 3)."""
    translations: FloatArray
    """Shape (n_operations, 3), in units of the cell edges."""

    def images(self, position: Sequence[float] | FloatArray) -> FloatArray:
        """Return every image of ``position``, shape (n_operations, 3), unwrapped."""
        turned: FloatArray = self.rotations @ np.asarray(position, dtype=float)
        return turned + self.translations

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self.rotations)


def parse_operations(triplets: Sequence[str]) -> SymmetryOperations:
    """Return the operations that xyz triplets stand for.

    Parameters
    ----------
    triplets : sequence of str
        ``-x, y+1/2, -z+1/2``.

    Raises
    ------
    StructureError
        When a triplet cannot be read.
    """
    operations = []
    for triplet in triplets:
        try:
            operations.append(gemmi.Op(triplet))
        except (RuntimeError, ValueError) as error:
            raise StructureError(
                f"symmetry operation {triplet!r} cannot be read"
            ) from error
    den = float(gemmi.Op.DEN)
    return SymmetryOperations(
        rotations=np.array([op.rot for op in operations], dtype=float) / den,
        translations=np.array([op.tran for op in operations], dtype=float) / den,
    )


def _nearest_images(
    position: FloatArray, operations: SymmetryOperations
) -> tuple[FloatArray, FloatArray]:
    """Return the images moved next to ``position``, and their largest offsets."""
    images = operations.images(position)
    images = images - np.round(images - position)
    return images, np.abs(images - position).max(axis=1)


def snap(
    position: Sequence[float],
    operations: SymmetryOperations,
    *,
    tolerance: float = SNAP_TOLERANCE,
) -> tuple[tuple[float, float, float], int]:
    """Move a position onto the special position that it nearly occupies.

    Parameters
    ----------
    position : sequence of float, shape (3,)
        Fractional coordinates.
    operations : SymmetryOperations
        All operations of the space group, centring included.
    tolerance : float
        Largest change of any coordinate, in units of the cell edge.

    Returns
    -------
    snapped : tuple of float, shape (3,)
        The mean of the images that lie next to ``position``; unchanged on a general
        position.
    multiplicity : int
        Number of equivalent positions in the cell.

    Notes
    -----
    The mean over the operations that leave a point fixed is the projection onto its
    special position. An image lies up to twice as far away as the special position
    does, so images within twice the tolerance count; where that gathers operations
    of more than one special position, a smaller reach is tried.
    """
    start = np.asarray(position, dtype=float)
    for step in _SNAP_STEPS:
        snapped, multiplicity = _project(start, operations, 2.0 * step * tolerance)
        if np.abs(snapped - start).max() <= tolerance and multiplicity:
            return _as_triple(snapped), multiplicity
    snapped, multiplicity = _project(start, operations, _SAME)
    return _as_triple(snapped), multiplicity or len(operations)


def _project(
    start: FloatArray, operations: SymmetryOperations, reach: float
) -> tuple[FloatArray, int]:
    """Return the mean of the images within ``reach``, and 0 if they are no group."""
    images, offsets = _nearest_images(start, operations)
    snapped = images[offsets <= reach].mean(axis=0)
    fixed = int(np.count_nonzero(_nearest_images(snapped, operations)[1] <= 1e-7))
    if fixed != np.count_nonzero(offsets <= reach):
        return snapped, 0
    return snapped, len(operations) // fixed


def _as_triple(position: FloatArray) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in position)
    return (x, y, z)


def equivalent_positions(
    position: Sequence[float], operations: SymmetryOperations
) -> FloatArray:
    """Return the distinct images of a position in the cell.

    Returns
    -------
    numpy.ndarray, shape (multiplicity, 3)
        Fractional coordinates in [0, 1).
    """
    images = operations.images(position) % 1.0
    offsets = images[:, None] - images[None]
    same = np.abs(offsets - np.round(offsets)).max(axis=2) <= _SAME
    is_first = ~np.tril(same, k=-1).any(axis=1)
    distinct: FloatArray = images[is_first]
    return distinct


def symmetrize_metric(
    metric: FloatArray, operations: SymmetryOperations
) -> tuple[FloatArray, float]:
    """Return the metric tensor that obeys the operations, and how far it was off.

    Parameters
    ----------
    metric : numpy.ndarray, shape (3, 3)
        Direct metric tensor in **angstrom squared**.

    Returns
    -------
    symmetric : numpy.ndarray, shape (3, 3)
        Mean of ``R.T @ metric @ R`` over all rotations R.
    deviation : float
        Largest element of the change over the largest element of the tensor.
    """
    rotated = np.einsum(
        "nji,jk,nkl->nil", operations.rotations, metric, operations.rotations
    )
    symmetric: FloatArray = rotated.mean(axis=0)
    deviation = float(np.abs(rotated - metric).max() / metric.max())
    return symmetric, deviation
