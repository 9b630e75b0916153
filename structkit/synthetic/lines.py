"""True line shapes: emission, sizes, strain, instrument and axial divergence, summed.

A line is a sum of Voigt functions (the Faddeeva function, no approximation): one for
each emission line, crystallite size and axial path. There is no pseudo-Voigt here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import voigt_profile

Floats = NDArray[np.float64]

SCHERRER = 0.9
"""Size in angstrom = 0.9 wavelength / (FWHM cos(theta)) of the size profile."""
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
_CORE_WIDTHS = 10.0  # where a Voigt function is its Lorentzian within 0.5 %
_BLUR = 0.1  # axial paths closer than this share of the width count as one
_NEGLIGIBLE = 1e-6
_AXIAL_NODES = 6
_SIZE_NODES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Optics:
    """The invented diffractometer."""

    wavelengths: tuple[float, ...] = (1.540593, 1.544427)
    """Emission lines, angstrom; the first is the reference."""
    shares: tuple[float, ...] = (2.0 / 3.0, 1.0 / 3.0)
    """Integrated share of each line."""
    natural_widths: tuple[float, ...] = (4.4e-4, 5.7e-4)
    """Lorentzian full width at half maximum of each line, angstrom."""
    u: float = 0.004
    """Gaussian FWHM squared = u tan^2 + v tan + w, degree squared."""
    v: float = -0.003
    """See ``u``."""
    w: float = 0.004
    """See ``u``."""
    axial_divergence: float = 0.012
    """Half the sample's (and the slit's) height over the goniometer radius."""
    radius: float = 150.0
    """Goniometer radius, mm."""
    monochromator_two_theta: float | None = None
    """2theta of a diffracted-beam monochromator, degree; None: none."""

    @property
    def wavelength(self) -> float:
        """Return the reference wavelength, angstrom."""
        return self.wavelengths[0]

    def polarization(self, two_theta: Floats) -> Floats:
        """Return ``(1 + K cos^2 2theta) / (1 + K)``; 2theta in degree."""
        k = 1.0
        if self.monochromator_two_theta is not None:
            k = float(np.cos(np.radians(self.monochromator_two_theta)) ** 2)
        cosine = np.cos(np.radians(two_theta))
        return np.asarray((1.0 + k * cosine**2) / (1.0 + k))

    def gaussian_width(self, two_theta: Floats) -> Floats:
        """Return the instrument's Gaussian FWHM in degree."""
        tangent = np.tan(np.radians(0.5 * two_theta))
        squared = self.u * tangent**2 + self.v * tangent + self.w
        return np.asarray(np.sqrt(np.maximum(squared, 1e-6)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crystallites:
    """Sizes and strain of a phase."""

    size: float
    """Scherrer size, angstrom: what the FWHM of the size profile means."""
    spread: float = 0.0
    """Standard deviation of ln(size) over the volume; 0: one size."""
    microstrain: float = 0.0
    """Dimensionless; Lorentzian FWHM of 4 microstrain tan(theta)."""

    def size_widths(self) -> tuple[Floats, Floats]:
        """Return widths (``FWHM cos(theta) / wavelength``, 1/angstrom) and shares."""
        width = SCHERRER / self.size
        if self.spread == 0.0:
            return np.array([width]), np.array([1.0])
        nodes, weights = np.polynomial.hermite_e.hermegauss(_SIZE_NODES)
        relative = np.exp(-self.spread * nodes)
        shares = weights / weights.sum()
        return width * relative / _half_width(relative, shares), shares


def _half_width(widths: Floats, shares: Floats) -> float:
    """Return the FWHM of a sum of centred Lorentzians."""

    def excess(x: float) -> float:
        heights = shares * widths
        at_x = np.sum(heights / (x**2 + 0.25 * widths**2))
        return float(at_x - 0.5 * np.sum(heights / (0.25 * widths**2)))

    return 2.0 * float(brentq(excess, 1e-6 * widths.max(), 2.0 * widths.max()))


def draw_lines(
    two_theta: Floats,
    d_spacing: Floats,
    strength: Floats,
    *,
    optics: Optics,
    crystallites: Crystallites,
    displacement: float = 0.0,
) -> Floats:
    """Draw the lines of a powder, in units of ``strength`` per radian.

    Parameters
    ----------
    two_theta : ndarray, shape (n_points,)
        Grid, **degree**.
    d_spacing, strength : ndarray, shape (n_lines,)
        Spacing in **angstrom** and integrated strength; the Lorentz factor
        ``wavelength^3 / (16 pi sin^2(theta) cos(theta))`` and polarisation come here.
    optics : Optics
        The diffractometer.
    crystallites : Crystallites
        Size and strain.
    displacement : float
        Sample displacement, **mm**; shifts lines by ``-2 s cos(theta) / radius``.

    Returns
    -------
    ndarray, shape (n_points,)
    """
    curve = np.zeros_like(two_theta)
    for wavelength, share, natural in zip(
        optics.wavelengths, optics.shares, optics.natural_widths, strict=True
    ):
        sine = 0.5 * wavelength / d_spacing
        seen = sine < np.sin(np.radians(0.5 * two_theta[-1] + 5.0))
        theta = np.arcsin(sine[seen])
        lorentz = wavelength**3 / (16.0 * np.pi * np.sin(theta) ** 2 * np.cos(theta))
        true = np.degrees(2.0 * theta)
        area = share * strength[seen] * lorentz * optics.polarization(true)
        kept = area > _NEGLIGIBLE * area.max()
        theta, true, area = theta[kept], true[kept], area[kept]
        sizes, shares = crystallites.size_widths()
        strain = 4.0 * crystallites.microstrain + 2.0 * natural / wavelength
        widths = np.degrees(
            sizes[:, None] * wavelength / np.cos(theta) + strain * np.tan(theta)
        )
        shift = -2.0 * displacement * np.cos(theta) / optics.radius
        curve += _draw(
            two_theta,
            true,
            area,
            shift=np.degrees(shift),
            widths=widths,
            shares=shares,
            optics=optics,
        )
    return np.degrees(curve)


def _draw(
    two_theta: Floats,
    true: Floats,
    area: Floats,
    *,
    shift: Floats,
    widths: Floats,
    shares: Floats,
    optics: Optics,
) -> Floats:
    """Sum all lines of one wavelength: Voigt near the centre, Lorentzian far off."""
    curve = np.zeros_like(two_theta)
    sigma = optics.gaussian_width(true) / _FWHM_PER_SIGMA
    for i, centre in enumerate(true):
        paths, weights = _axial_paths(centre, optics.axial_divergence)
        paths = paths + shift[i]
        gaussian, lorentzian = _FWHM_PER_SIGMA * sigma[i], widths[:, i].max()
        if np.ptp(paths) < _BLUR * (gaussian + lorentzian):
            paths, weights = np.array([np.dot(paths, weights)]), np.array([1.0])
        reach = _CORE_WIDTHS * gaussian + lorentzian + abs(paths[-1] - centre)
        first, last = np.searchsorted(two_theta, (centre - reach, centre + reach))
        far = two_theta - np.dot(paths, weights)
        half = 0.5 * widths[:, i, None]
        tail = shares @ (half / np.pi / (far**2 + half**2))
        x = two_theta[first:last] - paths[:, None, None]
        core = voigt_profile(x, sigma[i], half)
        tail[first:last] = np.einsum("p,s,psx->x", weights, shares, core)
        curve += area[i] * tail
    return curve


def _axial_paths(two_theta: float, divergence: float) -> tuple[Floats, Floats]:
    """Return apparent angles (degree) and weights of rays out of the equator plane.

    A ray that leaves the sample and enters the slit with an axial offset ``h``
    (in units of the radius) is seen where ``cos(seen) = cos(true) sqrt(1 + h^2)``.
    Sample and slit of equal height make the offsets triangular on (0, 2 divergence).
    """
    if divergence == 0.0:
        return np.array([two_theta]), np.array([1.0])
    nodes, weights = np.polynomial.legendre.leggauss(_AXIAL_NODES)
    share = 0.5 * (nodes + 1.0)
    weights = weights * (1.0 - share)
    offset = 2.0 * divergence * share
    cosine = np.cos(np.radians(two_theta)) * np.sqrt(1.0 + offset**2)
    seen = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return seen, weights / weights.sum()
