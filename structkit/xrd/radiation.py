"""Radiation: emission lines of X-ray tubes, or one wavelength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError

_HC_KEV_ANGSTROM = 12.398419843320026


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiation:
    """Emission profile as a few lines.

    The first line is the reference at which reflections are placed.
    """

    name: str
    """``CuKa``, ``CuKa5`` or ``monochromatic``."""
    wavelengths: tuple[float, ...]
    """Wavelength of each line in angstrom; the first is the reference."""
    shares: tuple[float, ...]
    """Integrated share of each line; they add up to 1."""
    widths: tuple[float, ...] = ()
    """Lorentzian full width at half maximum of each line in angstrom; empty: sharp."""

    def __post_init__(self) -> None:
        """Check that lines, shares and widths fit together."""
        if not self.wavelengths or len(self.wavelengths) != len(self.shares):
            raise PlanError("radiation: give one share for each wavelength")
        if min(self.wavelengths) <= 0.0 or min(self.shares) < 0.0:
            raise PlanError("radiation: wavelengths and shares must be positive")
        if abs(sum(self.shares) - 1.0) > 1e-6:
            raise PlanError(f"radiation: shares add up to {sum(self.shares)}, not to 1")
        if self.widths and len(self.widths) != len(self.wavelengths):
            raise PlanError("radiation: give one width for each line, or none")

    @property
    def wavelength(self) -> float:
        """Return the reference wavelength in angstrom."""
        return self.wavelengths[0]

    @property
    def mean_wavelength(self) -> float:
        """Return the intensity-weighted mean wavelength in angstrom."""
        return float(np.dot(self.wavelengths, self.shares))

    @property
    def energy(self) -> float:
        """Return the photon energy of the reference line in keV."""
        return _HC_KEV_ANGSTROM / self.wavelength

    def ratios(self) -> NDArray[np.float64]:
        """Return each wavelength over the reference, shape (n_lines,)."""
        return np.asarray(self.wavelengths) / self.wavelength


def doublet(
    name: str, alpha_1: float, alpha_2: float, *, ratio: float = 0.5
) -> Radiation:
    """Return a K-alpha doublet.

    Parameters
    ----------
    name : str
        Name of the tube.
    alpha_1, alpha_2 : float
        Wavelengths in **angstrom**.
    ratio : float
        Intensity of alpha-2 over alpha-1, statistical value 0.5.
    """
    return Radiation(
        name=name,
        wavelengths=(alpha_1, alpha_2),
        shares=(1.0 / (1.0 + ratio), ratio / (1.0 + ratio)),
    )


def monochromatic(wavelength: float) -> Radiation:
    """Return radiation of one wavelength in **angstrom**."""
    return Radiation(
        name="monochromatic", wavelengths=(float(wavelength),), shares=(1.0,)
    )
