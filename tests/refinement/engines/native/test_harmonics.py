"""Symmetrised harmonics: counts, norms over the sphere, invariance."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from numpy.typing import NDArray

from refinement.engines.native.harmonics import real_harmonics, symmetrised_harmonics
from structkit.structures.crystal import Cell, CrystalStructure
from structkit.xrd.reflections import Reflections

Floats = NDArray[np.float64]
CASES = {
    "F m -3 m": (Cell(a=5.6, b=5.6, c=5.6), 1),
    "P a -3": (Cell(a=5.6, b=5.6, c=5.6), 1),
    "P 63/m m c": (Cell(a=3.2, b=3.2, c=5.2, gamma=120.0), 2),
    "P 63/m": (Cell(a=9.4, b=9.4, c=6.9, gamma=120.0), 2),
    "R -3 c:H": (Cell(a=4.76, b=4.76, c=12.99, gamma=120.0), 3),
    "P 42/m n m": (Cell(a=4.6, b=4.6, c=3.0), 3),
    "P n m a": (Cell(a=6.7, b=7.1, c=9.8), 5),
    "P n a 21": (Cell(a=6.7, b=7.1, c=9.8), 5),
    "P 1 21/c 1": (Cell(a=6.7, b=7.1, c=19.8, beta=107.0), 8),
    "P 1": (Cell(a=6.1, b=7.2, c=8.9, alpha=83.0, beta=101.0, gamma=95.0), 14),
}


def sphere() -> tuple[Floats, Floats]:
    """Return directions and weights of a rule exact to degree 15."""
    heights, weights = np.polynomial.legendre.leggauss(8)
    azimuth = 2.0 * np.pi * np.arange(16) / 16
    z, phi = np.meshgrid(heights, azimuth, indexing="ij")
    radius = np.sqrt(1.0 - z**2)
    points = np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=-1)
    share = np.repeat(weights / 2.0 / 16.0, 16)
    return points.reshape(-1, 3), share


def make_structure(symbol: str) -> CrystalStructure:
    group = gemmi.SpaceGroup(symbol)
    return CrystalStructure(
        name=symbol,
        formula="Na",
        formula_units=1,
        space_group=symbol,
        space_group_number=group.number,
        operations=tuple(op.triplet() for op in group.operations()),
        cell=CASES[symbol][0],
        sites=(),
    )


def at(structure: CrystalStructure, hkl: Floats) -> Floats:
    """Return the harmonics at ``hkl``, which need not be integers."""
    n = hkl.shape[0]
    reflections = Reflections(
        hkl=hkl,  # type: ignore[arg-type]
        multiplicity=np.ones(n),
        d_spacing=np.ones(n),
        equivalents=(),
    )
    return symmetrised_harmonics(structure, reflections)


def test_real_harmonics_are_orthonormal() -> None:
    points, weights = sphere()
    values = real_harmonics(points)
    assert values.shape[1] == 5 + 9
    assert weights @ values == pytest.approx(np.zeros(14), abs=1e-12)
    assert values.T @ (weights[:, None] * values) == pytest.approx(
        np.eye(14), abs=1e-12
    )


@pytest.mark.parametrize("symbol", CASES)
def test_count_mean_and_norm_over_the_sphere(symbol: str) -> None:
    """Mean 0: a texture moves intensity between lines and creates none."""
    structure = make_structure(symbol)
    points, weights = sphere()
    reciprocal = np.linalg.inv(structure.cell.metric)
    frame = np.linalg.cholesky(reciprocal).T  # any Cartesian frame will do
    values = at(structure, points @ np.linalg.inv(frame).T)
    assert values.shape[0] == CASES[symbol][1]
    n = values.shape[0]
    assert values @ weights == pytest.approx(np.zeros(n), abs=1e-9)
    assert (values * weights) @ values.T == pytest.approx(np.eye(n), abs=1e-9)


@pytest.mark.parametrize("symbol", CASES)
def test_equivalent_reflections_have_one_value(symbol: str) -> None:
    structure = make_structure(symbol)
    hkl = np.random.default_rng(3).integers(-5, 6, (40, 3)).astype(float)
    hkl = hkl[np.abs(hkl).sum(axis=1) > 0]
    values = at(structure, hkl)
    assert at(structure, -hkl) == pytest.approx(values, abs=1e-9)
    assert at(structure, 3.0 * hkl) == pytest.approx(values, abs=1e-9)
    rotations = {tuple(np.ravel(gemmi.Op(t).rot)) for t in structure.operations}
    for flat in sorted(rotations)[:12]:
        rotation = np.reshape(flat, (3, 3)) / gemmi.Op.DEN
        assert at(structure, hkl @ rotation) == pytest.approx(values, abs=1e-9)
