"""The instrument as one sparse matrix on a padded, uniform grid.

Lines are drawn once, symmetric and at the reference wavelength; the matrix adds the
other emission lines and axial divergence by Lagrange interpolation, and resamples
from the uniform grid to the measured points, wherever they lie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from structkit.xrd.instrument import Instrument

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Uniform internal grid, degree."""

    first: float
    step: float
    size: int

    def angles(self) -> Floats:
        """Return the grid's angles in degree."""
        return np.asarray(self.first + self.step * np.arange(self.size), dtype=float)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOperator:
    """Sparse matrix whose rows are a few runs of neighbouring grid points."""

    row: Ints
    """First segment of each point, shape (n_points + 1,)."""
    origin: Ints
    """Grid index at which each segment starts, shape (n_segments,)."""
    offset: Ints
    """Index of each segment's first weight, shape (n_segments + 1,)."""
    weights: Floats
    """Weights of all segments, one after the other."""


@njit(cache=True)
def _trace_rays(
    angle: float,
    ratios: Floats,
    shares: Floats,
    heights: Floats,
    height_weights: Floats,
    grid: tuple[float, float, int],
    positions: Floats,
    values: Floats,
) -> int:
    """Write grid positions and weights of all rays that end at ``angle``."""
    rad = math.pi / 180.0
    n = 0
    for k in range(heights.shape[0]):
        stretch = math.sqrt(1.0 + heights[k] * heights[k])
        x = angle * rad
        t = math.acos(math.cos(x) / stretch)
        slope_axial = math.sin(x) / (stretch * math.sin(t))
        for line in range(ratios.shape[0]):
            sine = math.sin(0.5 * t) / ratios[line]
            if sine >= 1.0:
                continue
            source = 2.0 * math.asin(sine)
            slope = math.cos(0.5 * t) / (ratios[line] * math.cos(0.5 * source))
            positions[n] = (source / rad - grid[0]) / grid[1]
            values[n] = shares[line] * height_weights[k] * slope_axial * slope
            n += 1
    return n


@njit(cache=True)
def _fill_segments(
    angles: Floats,
    ratios: Floats,
    shares: Floats,
    heights: Floats,
    height_weights: Floats,
    grid: tuple[float, float, int],
    row: Ints,
    origin: Ints,
    offset: Ints,
    weights: Floats,
) -> tuple[int, int]:
    """Fill the operator where there is room; return segments and weights needed."""
    n_rays = ratios.shape[0] * heights.shape[0]
    positions = np.empty(n_rays)
    values = np.empty(n_rays)
    n_segments = 0
    n_weights = 0
    fill = weights.shape[0] > 0
    for i in range(angles.shape[0]):
        n = _trace_rays(
            angles[i], ratios, shares, heights, height_weights, grid, positions, values
        )
        order = np.argsort(positions[:n])
        end = -1
        for m in range(n):
            ray = order[m]
            base = int(math.floor(positions[ray])) - 2
            base = min(max(base, 0), grid[2] - 6)
            if end < 0 or base > end:
                if fill:
                    origin[n_segments] = base
                    offset[n_segments] = n_weights
                n_segments += 1
                n_weights += 6
                end = base + 6
            elif base + 6 > end:
                n_weights += base + 6 - end
                end = base + 6
            if fill:
                place = n_weights - (end - base)
                u = positions[ray] - base
                for j in range(6):
                    lagrange = values[ray]
                    for other in range(6):
                        if other != j:
                            lagrange *= (u - other) / (j - other)
                    weights[place + j] += lagrange
        if fill:
            row[i + 1] = n_segments
    if fill:
        offset[n_segments] = n_weights
    return n_segments, n_weights


def _axial_rule(divergence: float, n_nodes: int) -> tuple[Floats, Floats]:
    """Return the heights ``u`` and weights of the axial integral."""
    if divergence <= 0.0:
        return np.zeros(1), np.ones(1)
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    fraction = 0.5 * (nodes + 1.0)
    shares = weights * (1.0 - fraction)
    return 2.0 * divergence * fraction, shares / shares.sum()


def source_angles(instrument: Instrument, angle: float) -> tuple[float, float]:
    """Return the lowest and highest reference angle (degree) that reach ``angle``."""
    found = []
    for height in (0.0, 2.0 * instrument.axial_divergence):
        stretched = math.acos(
            math.cos(math.radians(angle)) / math.sqrt(1.0 + height**2)
        )
        for ratio in instrument.radiation.ratios():
            sine = math.sin(0.5 * stretched) / ratio
            found.append(2.0 * math.degrees(math.asin(min(sine, 1.0))))
    return min(found), max(found)


def build_operator(
    angles: Floats, grid: Grid, instrument: Instrument, *, axial_nodes: int = 6
) -> SegmentOperator:
    """Build the matrix that takes curves on ``grid`` to intensities at ``angles``.

    Parameters
    ----------
    angles : ndarray, shape (n_points,)
        Measured points, **degree**.
    grid : Grid
        Must reach beyond :func:`source_angles` of the first and last point.
    instrument : Instrument
        Emission lines and axial divergence.
    axial_nodes : int
        Gauss nodes.

    Notes
    -----
    Axial divergence: a ray of height u (in radii) from a cone of half-angle 2theta
    is recorded at x with ``cos x = cos 2theta sqrt(1 + u^2)``, u = 2 (S/L) t with
    weight 1 - t on [0, 1]. An emission line of ratio r = lambda/lambda_ref is the
    reference curve at ``sin t = sin x / r``: exact for size and strain broadening.
    """
    heights, height_weights = _axial_rule(instrument.axial_divergence, axial_nodes)
    rays = (
        angles,
        instrument.radiation.ratios(),
        np.asarray(instrument.radiation.shares, dtype=float),
        heights,
        height_weights,
        (grid.first, grid.step, grid.size),
    )
    row = np.zeros(angles.size + 1, dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    needed = _fill_segments(*rays, row, nothing, nothing, np.zeros(0))
    origin = np.zeros(needed[0], dtype=np.int64)
    offset = np.zeros(needed[0] + 1, dtype=np.int64)
    weights = np.zeros(needed[1])
    _fill_segments(*rays, row, origin, offset, weights)
    return SegmentOperator(row=row, origin=origin, offset=offset, weights=weights)
