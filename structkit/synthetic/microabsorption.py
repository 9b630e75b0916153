"""How coarse particles weaken their own lines: the sphere of Brindley, summed.

Shares nothing with ``structkit.xrd.absorption``: here rays are traced from points that
fill the sphere evenly, there moments of the path are integrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.scattering import mass_attenuation

Floats = NDArray[np.float64]

_SHELLS = 40
_DIRECTIONS = 600
_GOLDEN = np.pi * (3.0 - np.sqrt(5.0))
_CM_PER_UM = 1e-4


def line_factors(
    structures: Sequence[CrystalStructure],
    weight_fractions: Sequence[float],
    *,
    diameter_um: float,
    wavelength: float,
    two_theta: float = 30.0,
) -> dict[str, float]:
    """Return apparent over true line intensity of each phase of a coarse powder.

    Parameters
    ----------
    structures : sequence of CrystalStructure
        All phases of the powder.
    weight_fractions : sequence of float
        Their shares.
    diameter_um : float
        Diameter of all particles, **micrometre**.
    wavelength : float
        **angstrom**.
    two_theta : float
        Scattering angle at which the spheres are summed, **degree**; the angle
        matters in second order only.

    Returns
    -------
    dict of str to float
        ``tau`` by name of the phase. The mean attenuation, against which it is
        taken, is that of the solid without pores.
    """
    linear = {
        s.name: mass_attenuation(s.atom_counts, wavelength) * s.density
        for s in structures
    }
    volumes = [w / s.density for s, w in zip(structures, weight_fractions, strict=True)]
    mean = np.dot(list(linear.values()), volumes) / sum(volumes)
    radius = 0.5 * diameter_um * _CM_PER_UM
    return {
        name: sphere_factor((value - mean) * radius, two_theta=two_theta)
        for name, value in linear.items()
    }


def sphere_factor(contrast: float, *, two_theta: float = 30.0) -> float:
    """Return the mean of ``exp(-contrast path)`` over a sphere of radius 1.

    Parameters
    ----------
    contrast : float
        ``(mu_phase - mu_mean) radius``, dimensionless.
    two_theta : float
        Scattering angle, **degree**.

    Notes
    -----
    The path leads from the surface to a point and, deflected by two_theta, out again.

    References
    ----------
    Brindley (1945), Phil. Mag. 36, 347, doi:10.1080/14786444508520918.
    """
    return float(np.mean(np.exp(-contrast * _paths(two_theta))))


@lru_cache(maxsize=8)
def _paths(two_theta: float) -> Floats:
    """Return the way in and out through evenly spread points of a sphere."""
    radii = np.cbrt((np.arange(_SHELLS) + 0.5) / _SHELLS)
    index = np.arange(_DIRECTIONS)
    height = 1.0 - 2.0 * (index + 0.5) / _DIRECTIONS
    across, turn = np.sqrt(1.0 - height**2), _GOLDEN * index
    directions = np.stack([across * np.cos(turn), across * np.sin(turn), height])
    points = (radii[:, None, None] * directions).transpose(1, 0, 2).reshape(3, -1)
    half = np.radians(0.5 * two_theta)
    to_source = np.array([-np.cos(half), 0.0, np.sin(half)])
    to_detector = np.array([np.cos(half), 0.0, np.sin(half)])
    return _way_out(points, to_source) + _way_out(points, to_detector)


def _way_out(points: Floats, direction: Floats) -> Floats:
    """Return the distance from each point to the surface along a unit vector."""
    along = direction @ points
    return np.asarray(np.sqrt(along**2 + 1.0 - np.sum(points**2, axis=0)) - along)
