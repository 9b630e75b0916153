"""True line shapes: emission, sizes, strain, instrument and axial divergence, summed.

A line is a sum of Voigt functions (the Faddeeva function, no approximation): one for
each emission line, crystallite size and axial path. There is no pseudo-Voigt here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import voigt_profile

Floats = NDArray[np.float64]

SCHERRER = 0.9
"""Size in angstrom = 0.9 wavelength / (FWHM cos(theta)) of the size profile."""
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
_CORE_WIDTHS = 10.0  # where a Voigt function is its Lorentzian within 0.5 %
_NEAR = 2.1  # degree from its centre within which a Lorentzian is drawn point by point
_COARSE = 0.14  # degree; a spline is right to 2 (_COARSE / _NEAR)^4 = 4e-5 of the tail
_POINTS = 16000  # points drawn at once, for the same reason as _BLOCK
_BLOCK = 64  # lines drawn at once, so that they stay in the processor's cache
_BROAD = 5.0  # half width over sigma from which five terms do: 945 / 5^10 = 1e-4
_BLUR = 0.1  # axial paths closer than this share of the width count as a Gaussian
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
    negligible: float = _NEGLIGIBLE,
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
    negligible : float
        Lines whose area is below this share of the largest are left out.

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
        kept = area > negligible * area.max()
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
    """Sum all lines of one wavelength: Voigt near the centre, Lorentzian far off.

    The sum is ``smooth + (Lorentzian - smooth) + (Voigt - Lorentzian)``. The smooth
    part of every line is drawn on a coarse grid, the brackets only where they differ
    from 0.
    """
    gaussian = optics.gaussian_width(true)
    paths, weights = _axial_paths(true, optics.axial_divergence)
    paths = paths + shift[:, None]
    lines = _Lines(
        centre=paths @ weights,
        window=paths @ weights,
        area=area,
        half=0.5 * widths,
        shares=shares,
        sigma=gaussian / _FWHM_PER_SIGMA,
    )
    curve = _draw_smooth(two_theta, lines)
    _add_windows(curve, two_theta, lines, np.full_like(area, _NEAR), _peak)
    reach = _CORE_WIDTHS * gaussian + widths.max(axis=0) + np.ptp(paths, axis=1)
    sharp = np.ptp(paths, axis=1) >= _BLUR * (gaussian + widths.max(axis=0))
    variance = np.square(paths - lines.centre[:, None]) @ weights
    blurred = replace(lines, sigma=np.sqrt(lines.sigma**2 + variance)).choose(~sharp)
    _add_windows(curve, two_theta, blurred, reach[~sharp], _excess)
    split = lines.choose(sharp)
    _add_windows(curve, two_theta, split, reach[sharp], _minus_lorentzian)
    for ray, share in zip(paths[sharp].T, weights, strict=True):
        part = replace(split, centre=ray, area=share * split.area)
        _add_windows(curve, two_theta, part, reach[sharp], _voigt)
    return curve


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """Lines of one wavelength, in degree."""

    centre: Floats
    """Shape (n_lines,)."""
    window: Floats
    """Middle of the stretch in which a line is drawn, shape (n_lines,)."""
    area: Floats
    """Shape (n_lines,)."""
    half: Floats
    """Lorentzian half widths at half maximum, shape (n_sizes, n_lines)."""
    shares: Floats
    """Share of each size, shape (n_sizes,)."""
    sigma: Floats
    """Standard deviation of the Gaussian, shape (n_lines,)."""

    def choose(self, chosen: NDArray[np.bool_] | slice) -> _Lines:
        """Return some of the lines."""
        return _Lines(
            centre=self.centre[chosen],
            window=self.window[chosen],
            area=self.area[chosen],
            half=self.half[:, chosen],
            shares=self.shares,
            sigma=self.sigma[chosen],
        )


_Shape = Callable[[Floats, Floats, Floats], Floats]
"""Of offset, half width and sigma of each point."""


def _add_windows(
    curve: Floats, two_theta: Floats, lines: _Lines, reach: Floats, shape: _Shape
) -> None:
    """Add ``shape`` of each line within ``reach`` of its window's middle, in place."""
    first = np.searchsorted(two_theta, lines.window - reach)
    last = np.searchsorted(two_theta, lines.window + reach)
    points = np.cumsum(last - first)
    begin = 0
    while begin < len(first):
        done = points[begin - 1] if begin else 0
        end = max(int(np.searchsorted(points, done + _POINTS, "right")), begin + 1)
        block = slice(begin, end)
        _add_block(
            curve, two_theta, lines.choose(block), first[block], last[block], shape
        )
        begin = end


def _add_block(
    curve: Floats,
    two_theta: Floats,
    lines: _Lines,
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    shape: _Shape,
) -> None:
    """Add a few lines, each from its first point to before its last one."""
    length = last - first
    owner = np.repeat(np.arange(len(length)), length)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(length) - last, length)
    offset = two_theta[place] - lines.centre[owner]
    sigma = lines.sigma[owner]
    value = np.zeros_like(offset)
    for half, share in zip(lines.half, lines.shares, strict=True):
        value += share * shape(offset, half[owner], sigma)
    curve += np.bincount(place, weights=lines.area[owner] * value, minlength=len(curve))


def _excess(offset: Floats, half: Floats, sigma: Floats) -> Floats:
    """Return the Voigt function less the Lorentzian.

    Of a Lorentzian much broader than the Gaussian, the first terms of its series in
    ``sigma^2``: ``Im(sigma^2 w^3 + 3 sigma^4 w^5 + 15 sigma^6 w^7 + 105 sigma^8 w^9)
    / pi`` with ``w = 1 / (x - i half)``.
    """
    if np.any(half < _BROAD * sigma):
        return _voigt(offset, half, sigma) + _minus_lorentzian(offset, half, sigma)
    inverse = 1.0 / (offset - 1j * half)
    squared = np.square(sigma * inverse)
    total = 1.0 + 7.0 * squared
    for factor in (5.0, 3.0):
        total *= factor * squared
        total += 1.0
    return np.asarray(np.imag(inverse * squared * total) / np.pi)


def _voigt(offset: Floats, half: Floats, sigma: Floats) -> Floats:
    """Return the Voigt function."""
    return np.asarray(voigt_profile(offset, sigma, half))


def _minus_lorentzian(offset: Floats, half: Floats, sigma: Floats) -> Floats:
    """Return the Lorentzian, negative."""
    del sigma
    return -half / (np.pi * (offset**2 + half**2))


def _peak(offset: Floats, half: Floats, sigma: Floats) -> Floats:
    """Return what the smooth part leaves out of the Lorentzian.

    With ``t = (x^2 - near^2) / c`` and ``c = near^2 + half^2`` the Lorentzian is
    ``half / (pi c (1 + t))``; less ``1 - t + t^2 - t^3`` that leaves ``t^4 / (1 + t)``.
    """
    del sigma
    scale = half**2
    scale += _NEAR**2
    t = (offset**2 - _NEAR**2) / scale
    value = np.square(t)
    value *= value
    value /= (1.0 + t) * scale
    value *= half / np.pi
    return np.asarray(value)


def _draw_smooth(two_theta: Floats, lines: _Lines) -> Floats:
    """Draw the Lorentzians with their peaks cut off.

    Within ``_NEAR`` of its centre a Lorentzian goes on as the cubic in ``x^2`` that
    has its value and three derivatives at the edge: what varies over ``_NEAR`` only is
    drawn on steps of ``_COARSE`` and interpolated by a spline.
    """
    n_nodes = int(np.ceil((two_theta[-1] - two_theta[0]) / _COARSE)) + 4
    nodes = np.linspace(two_theta[0] - _COARSE, two_theta[-1] + _COARSE, n_nodes)
    total = np.zeros_like(nodes)
    for begin in range(0, len(lines.centre), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        squared = (nodes - lines.centre[block, None]) ** 2
        inside = np.minimum(squared, _NEAR**2) - _NEAR**2
        outside = np.maximum(squared, _NEAR**2)
        near = inside < 0.0
        for half, share in zip(lines.half[:, block], lines.shares, strict=True):
            value = 1.0 / (outside + half[:, None] ** 2)
            t = inside[near] * value[near]
            value[near] *= 1.0 - t * (1.0 - t * (1.0 - t))
            total += (share / np.pi * half * lines.area[block]) @ value
    return np.asarray(CubicSpline(nodes, total)(two_theta))


def _axial_paths(two_theta: Floats, divergence: float) -> tuple[Floats, Floats]:
    """Return apparent angles (degree) and weights of rays out of the equator plane.

    A ray that leaves the sample and enters the slit with an axial offset ``h``
    (in units of the radius) is seen where ``cos(seen) = cos(true) sqrt(1 + h^2)``.
    Sample and slit of equal height make the offsets triangular on (0, 2 divergence).
    Shapes (n_lines, n_rays) and (n_rays,).
    """
    if divergence == 0.0:
        return two_theta[:, None], np.array([1.0])
    nodes, weights = _gauss_legendre(_AXIAL_NODES)
    share = 0.5 * (nodes + 1.0)
    weights = weights * (1.0 - share)
    offset = 2.0 * divergence * share
    cosine = np.cos(np.radians(two_theta))[:, None] * np.sqrt(1.0 + offset**2)
    seen = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return seen, weights / weights.sum()


@lru_cache(maxsize=4)
def _gauss_legendre(order: int) -> tuple[Floats, Floats]:
    """Return nodes and weights on (-1, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return nodes, weights
