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


def tube(name: str) -> Radiation:
    """Return the emission lines of an X-ray tube.

    Parameters
    ----------
    name : str
        ``CuKa``, ``CoKa``, ``MoKa``, ``CrKa``, ``FeKa``, ``AgKa``: the K-alpha
        doublet at 2:1; with ``1`` at the end (``CuKa1``) its first line alone;
        ``CuKa5``: five Lorentzian lines. Upper and lower case are the same.

    Returns
    -------
    Radiation
        Wavelengths in **angstrom**.

    Raises
    ------
    PlanError
        When there is no such tube; the message lists the names.

    Notes
    -----
    Doublets are those of International Tables C (2004), table 4.2.2.4: Cr, Fe, Co
    and Cu after Hoelzer et al., Mo and Ag after the compilation there. They were
    compared with the tables of two other programs (RIETAN-FP, rietx), not with the
    printed book. The five lines are the ones known as "Hoelzer" in the fundamental
    parameters programs (the K-alpha-3 satellites are one broad line); shares are of
    the integrated intensity. Two programs that quote them agree in wavelengths and
    widths, and differ by 0.01 in the shares of the two strongest lines.

    References
    ----------
    Hoelzer, Fritsch, Deutsch, Haertwig & Foerster (1997), Phys. Rev. A 56, 4554,
    doi:10.1103/PhysRevA.56.4554.

    Examples
    --------
    >>> tube("CuKa").wavelengths
    (1.540593, 1.544427)
    """
    key = name.strip().lower().replace("-", "").replace("alpha", "a")
    if key == "cuka5":
        return _CUKA5
    for doublet_name, (alpha_1, alpha_2) in _DOUBLETS.items():
        if key == doublet_name.lower():
            return doublet(doublet_name, alpha_1, alpha_2)
        if key == f"{doublet_name.lower()}1":
            return Radiation(
                name=f"{doublet_name}1", wavelengths=(alpha_1,), shares=(1.0,)
            )
    raise PlanError(
        f"unknown tube {name!r}; use one of {', '.join(TUBES)}, or a wavelength"
    )


_DOUBLETS = {
    "CuKa": (1.540593, 1.544427),
    "CoKa": (1.788996, 1.792835),
    "MoKa": (0.709317, 0.713607),
    "CrKa": (2.289726, 2.293651),
    "FeKa": (1.936041, 1.939973),
    "AgKa": (0.559422, 0.563813),
}
# The strongest line first: it is the reference.
_CUKA5 = Radiation(
    name="CuKa5",
    wavelengths=(1.540596, 1.541058, 1.544410, 1.544721, 1.534753),
    shares=(0.5791, 0.0762, 0.2417, 0.0871, 0.0159),
    widths=(0.000437, 0.000600, 0.000520, 0.000620, 0.0036854),
)
TUBES = (*_DOUBLETS, *(f"{name}1" for name in _DOUBLETS), "CuKa5")
"""Names that :func:`tube` knows."""
