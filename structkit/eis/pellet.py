"""Geometry of a pressed pellet and its cell constant, with every error source."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.errors import SchemaError

Floats = NDArray[np.float64]

_MM_PER_CM = 10.0
_MG_PER_G = 1000.0
SHARED_PARTS = ("diameter", "pressure")
"""Parts of the error that the pellets of a series have in common: die and method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pellet:
    """A cylinder between two electrodes.

    The thickness is either measured or follows from mass and density. An uncertainty
    that is not known is NaN, and so is then the total one of what is derived.

    Examples
    --------
    >>> pellet = Pellet(diameter_mm=8.0, thickness_mm=2.1, thickness_std_mm=0.02)
    >>> round(pellet.cell_constant, 5)
    0.41778
    """

    diameter_mm: float
    """Of the electrode's contact, **mm**."""
    diameter_std_mm: float = math.nan
    """1 sigma, **mm**."""
    thickness_mm: float = math.nan
    """**mm**; NaN: from mass and density."""
    thickness_std_mm: float = math.nan
    """1 sigma of this pellet alone, **mm**."""
    mass_mg: float = math.nan
    """**mg**; used where there is no thickness."""
    mass_std_mg: float = math.nan
    """1 sigma, **mg**."""
    density_g_cm3: float = math.nan
    """Of the pellet with its pores, not of the crystal, **g cm-3**."""
    density_std_g_cm3: float = math.nan
    """1 sigma, **g cm-3**."""
    pressure_std: float = 0.0
    """1 sigma of the thickness in the cell over the thickness as measured (under
    pressure against after it), relative; one factor for a whole series. 0 where it
    was measured as it stood in the cell."""

    def __post_init__(self) -> None:
        """Refuse lengths, masses and densities that cannot be."""
        for name in (
            "diameter_mm",
            "thickness_mm",
            "mass_mg",
            "density_g_cm3",
        ):
            if getattr(self, name) <= 0.0 or math.isinf(getattr(self, name)):
                raise SchemaError(f"pellet: {name} must be positive and finite")
        for name in self.__dataclass_fields__:
            if "std" in name and getattr(self, name) < 0.0:
                raise SchemaError(f"pellet: {name} must not be negative")
        if not math.isfinite(self.diameter_mm):
            raise SchemaError("pellet: diameter_mm is needed; measure the die")
        if not math.isfinite(self.thickness_mm) and not self.is_weighed:
            raise SchemaError("pellet: give thickness_mm, or mass_mg and density_g_cm3")

    @property
    def is_weighed(self) -> bool:
        """Return whether the thickness follows from mass and density."""
        weighed = math.isfinite(self.mass_mg) and math.isfinite(self.density_g_cm3)
        return weighed and not math.isfinite(self.thickness_mm)

    @property
    def area_cm2(self) -> float:
        """Return the area of one face, **cm2**."""
        return math.pi / 4.0 * (self.diameter_mm / _MM_PER_CM) ** 2

    @property
    def thickness_cm(self) -> float:
        """Return the thickness, measured or from mass and density, **cm**."""
        if not self.is_weighed:
            return self.thickness_mm / _MM_PER_CM
        volume = self.mass_mg / _MG_PER_G / self.density_g_cm3
        return volume / self.area_cm2

    @property
    def cell_constant(self) -> float:
        """Return thickness over area, **cm-1**."""
        return self.thickness_cm / self.area_cm2

    @property
    def error_parts(self) -> dict[str, float]:
        """Return 1 sigma of the cell constant from each source, relative.

        A weighed thickness holds the diameter too, so that its error counts four
        times instead of twice.
        """
        power = 4.0 if self.is_weighed else 2.0
        parts = {"diameter": power * self.diameter_std_mm / self.diameter_mm}
        if self.is_weighed:
            parts["mass"] = self.mass_std_mg / self.mass_mg
            parts["density"] = self.density_std_g_cm3 / self.density_g_cm3
        else:
            parts["thickness"] = self.thickness_std_mm / self.thickness_mm
        return parts | {"pressure": self.pressure_std}

    @property
    def relative_std(self) -> float:
        """Return 1 sigma of the cell constant, relative; NaN where a part is."""
        return math.sqrt(sum(part**2 for part in self.error_parts.values()))


def geometry_covariance(
    pellets: Sequence[Pellet], *, shared: Collection[str] = SHARED_PARTS
) -> Floats:
    """Return the covariance of the logarithms of the cell constants of a series.

    Parameters
    ----------
    pellets : sequence of Pellet
        One for each sample.
    shared : collection of str, default diameter and pressure
        Keys of :attr:`Pellet.error_parts` that are one error for all pellets (one
        die, one way to measure); ``density`` where all have the same.

    Returns
    -------
    ndarray, shape (n_pellets, n_pellets)
        Dimensionless. What is shared cancels in a ratio of two conductivities.

    Examples
    --------
    >>> one = Pellet(
    ...     diameter_mm=8.0, diameter_std_mm=0.04, thickness_mm=1.0,
    ...     thickness_std_mm=0.03,
    ... )
    >>> print(geometry_covariance([one, one]).round(6))
    [[0.001  0.0001]
     [0.0001 0.001 ]]
    """
    parts = [pellet.error_parts for pellet in pellets]
    matrix = np.diag([sum(value**2 for value in own.values()) for own in parts])
    for i, first in enumerate(parts):
        for j, second in enumerate(parts):
            if i != j:
                both = [name for name in shared if name in first and name in second]
                matrix[i, j] = sum(first[name] * second[name] for name in both)
    return np.asarray(matrix, dtype=float)
