"""What lies under the Raman bands of a synthetic spectrum: light that is not Raman.

Fluorescence is two or three broad humps, log-normal or sech squared in the *absolute*
wavelength, as electronic transitions are; beside the laser's edge there is what the
filter lets through of the elastic light. No spline, no polynomial in the Raman shift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError

Floats = NDArray[np.float64]
HumpKind = Literal["lognormal", "sech2"]
EdgeKind = Literal["exponential", "hyperbolic"]

LASER_NM = 532.0
_CM_PER_NM = 1e7
_SECH_HALF = 2.0 * np.arccosh(np.sqrt(2.0))
_HUMP_WIDTHS = (350.0, 900.0)
_HUMP_PLACES = (100.0, 1300.0)
_HUMP_SKEWS = (1.15, 1.6)
_FOLDS = (0.35, 1.0)
_EDGE_DECAYS = (25.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hump:
    """One broad band of fluorescence."""

    wavelength: float
    """Where it is highest, **nm**."""
    fwhm: float
    """Full width at half maximum, **nm**."""
    height: float
    """At the maximum, **count**."""
    kind: HumpKind = "lognormal"
    """``sech2`` is symmetric in wavelength."""
    skew: float = 1.3
    """Of the log-normal, above 1: far half width over near half width."""

    def __post_init__(self) -> None:
        """Refuse what is no hump."""
        if not (self.fwhm > 0.0 and self.height >= 0.0 and self.skew > 1.0):
            raise PlanError("a hump needs fwhm > 0, height >= 0 and skew > 1")

    def evaluate(self, wavelength: Floats) -> Floats:
        """Return counts at a wavelength, nm.

        Notes
        -----
        The log-normal is ``exp(-ln2 / ln(s)^2 ln(1 + (l - l0)(s^2 - 1)/(s w))^2)``: its
        full width at half maximum is ``w``, its two half widths have the ratio ``s``.
        """
        distance = (wavelength - self.wavelength) / self.fwhm
        if self.kind == "sech2":
            return np.asarray(self.height / np.cosh(_SECH_HALF * distance) ** 2)
        inside = 1.0 + distance * (self.skew**2 - 1.0) / self.skew
        logarithm = np.log(np.maximum(inside, 1e-12)) / np.log(self.skew)
        return np.asarray(self.height * np.exp(-np.log(2.0) * logarithm**2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Fluorescence and elastic light of a spectrum."""

    humps: tuple[Hump, ...] = ()
    """Fluorescence."""
    edge_height: float = 0.0
    """Elastic light at 60 cm-1, **count**."""
    edge_decay: float = 40.0
    """Of an exponential edge, **cm-1**."""
    edge_kind: EdgeKind = "exponential"
    """Or one over the Raman shift."""

    def fluorescence(
        self, raman_shift: Floats, *, laser_nm: float = LASER_NM
    ) -> Floats:
        """Return the humps at a Raman shift (cm-1), count."""
        wavelength = absolute_wavelength(raman_shift, laser_nm=laser_nm)
        total = np.zeros_like(wavelength)
        for hump in self.humps:
            total += hump.evaluate(wavelength)
        return total

    def edge(self, raman_shift: Floats) -> Floats:
        """Return the elastic light at a Raman shift (cm-1), count."""
        if self.edge_kind == "hyperbolic":
            return np.asarray(self.edge_height * 60.0 / np.maximum(raman_shift, 1.0))
        decayed = np.exp(-(raman_shift - 60.0) / self.edge_decay)
        return np.asarray(self.edge_height * decayed)

    def scale_fluorescence(self, factor: float) -> Background:
        """Return the background with all humps higher by ``factor``."""
        humps = tuple(replace(h, height=h.height * factor) for h in self.humps)
        return replace(self, humps=humps)


def absolute_wavelength(
    raman_shift: Floats, *, laser_nm: float = LASER_NM
) -> NDArray[np.float64]:
    """Return the wavelength of light at a Stokes shift.

    Parameters
    ----------
    raman_shift : ndarray
        **cm-1**.
    laser_nm : float
        Laser, **nm**.

    Returns
    -------
    ndarray
        **nm**.

    Examples
    --------
    >>> print(absolute_wavelength(np.array([0.0, 1000.0])).round(2))
    [532.   561.89]
    """
    return np.asarray(_CM_PER_NM / (_CM_PER_NM / laser_nm - raman_shift))


def draw_background(
    rng: np.random.Generator,
    *,
    fluorescence: float,
    edge: float,
    span: tuple[float, float] = (60.0, 1100.0),
) -> Background:
    """Draw two or three humps, 350 to 900 cm-1 wide, and an edge.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of shapes and places.
    fluorescence : float
        Highest fluorescence inside ``span``, **count**.
    edge : float
        Elastic light at 60 cm-1, **count**.
    span : tuple of float
        Raman shifts looked at, **cm-1**.
    """
    humps = tuple(_draw_hump(rng) for _ in range(int(rng.integers(2, 4))))
    plain = Background(humps=humps)
    highest = float(plain.fluorescence(np.linspace(*span, 200)).max())
    decay = float(rng.uniform(*_EDGE_DECAYS))
    kind: EdgeKind = "exponential" if rng.random() < 0.5 else "hyperbolic"
    scaled = plain.scale_fluorescence(fluorescence / highest)
    return replace(scaled, edge_height=edge, edge_decay=decay, edge_kind=kind)


def _draw_hump(rng: np.random.Generator) -> Hump:
    """Draw a hump of height up to one."""
    peak = float(absolute_wavelength(np.asarray(rng.uniform(*_HUMP_PLACES))))
    width = float(rng.uniform(*_HUMP_WIDTHS)) * peak**2 / _CM_PER_NM
    kind: HumpKind = "lognormal" if rng.random() < 0.5 else "sech2"
    return Hump(
        wavelength=peak,
        fwhm=width,
        height=float(rng.uniform(*_FOLDS)),
        kind=kind,
        skew=float(rng.uniform(*_HUMP_SKEWS)),
    )
