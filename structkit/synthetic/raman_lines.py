"""True Raman lines: a lifetime, a spread of environments, a spectrometer.

A mode of one environment is a Lorentzian, the width of its lifetime. Environments
scatter: their centres follow a Gaussian, and in a glass also an exponential towards one
side (weaker bonds), so that a glass band is skewed. What the spectrometer makes of a
sharp line is a sum of two Gaussians, a core and a broader foot a little to one side.
Each piece is a Voigt function (the Faddeeva function, no approximation): there is no
pseudo-Voigt here, and no band is exactly a Voigt function either.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.laguerre import laggauss
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import wofz

from structkit.errors import PlanError

Floats = NDArray[np.float64]

GRID_STEP = 0.5
"""Step of the grid on which lines are drawn before pixels take their means, cm-1."""
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
_ENVIRONMENTS = 10  # nodes of the exponential; 1e-5 of the height at tail = sigma
_BROAD = 24.0  # sigma over the step from which a grid _COARSER times as coarse does
_COARSER = 4
_WIDTH_STEPS = 0.02  # step of the search for the half height, in widths
_WIDTH_REACH = 1.0  # how far it goes, in widths


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrometerFunction:
    """What a sharp line looks like: two Gaussians whose common mean is zero."""

    fwhm: float = 2.6
    """FWHM of the core, **cm-1**."""
    foot_share: float = 0.12
    """Share of the light in the foot, 0 to 0.5."""
    foot_width: float = 2.0
    """FWHM of the foot over that of the core."""
    foot_offset: float = 1.2
    """Centre of the foot less that of the core, **cm-1**."""

    def __post_init__(self) -> None:
        """Refuse widths and shares that mean nothing."""
        if not (self.fwhm > 0.0 and self.foot_width > 0.0):
            raise PlanError("a spectrometer function needs positive widths")
        if not 0.0 <= self.foot_share <= 0.5:
            raise PlanError("foot_share must lie in 0..0.5")

    def components(self) -> list[tuple[float, float, float]]:
        """Return share, offset and sigma (cm-1) of each Gaussian."""
        share, sigma = self.foot_share, self.fwhm / _FWHM_PER_SIGMA
        core = (1.0 - share, -share * self.foot_offset, sigma)
        if share == 0.0:
            return [core]
        offset = (1.0 - share) * self.foot_offset
        return [core, (share, offset, sigma * self.foot_width)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineShape:
    """One band before the spectrometer, without its area."""

    centre: float
    """Mean of the centres of its environments, **cm-1**."""
    homogeneous_fwhm: float
    """FWHM of the Lorentzian of one environment, **cm-1**."""
    environment_fwhm: float = 0.0
    """FWHM of the Gaussian of environments, **cm-1**."""
    tail: float = 0.0
    """Mean of the exponential of environments, **cm-1**; negative: towards low shift.
    At most the Gaussian's sigma."""

    def __post_init__(self) -> None:
        """Refuse what is no band, and tails too long for the quadrature."""
        if not (self.homogeneous_fwhm > 0.0 and self.environment_fwhm >= 0.0):
            raise PlanError(f"band at {self.centre:g} cm-1: widths must be positive")
        if abs(self.tail) > self.environment_fwhm / _FWHM_PER_SIGMA:
            raise PlanError(
                f"band at {self.centre:g} cm-1: a tail of {self.tail:g} is longer than "
                "sigma of its environments; widen environment_fwhm"
            )

    @property
    def gamma(self) -> float:
        """Return the Lorentzian's half width at half maximum, cm-1."""
        return 0.5 * self.homogeneous_fwhm

    @property
    def sigma(self) -> float:
        """Return the Gaussian's standard deviation, cm-1."""
        return float(self.environment_fwhm / _FWHM_PER_SIGMA)

    def environments(self) -> tuple[Floats, Floats]:
        """Return offsets from the centre (cm-1) and shares of the exponential part."""
        if self.tail == 0.0:
            return np.zeros(1), np.ones(1)
        nodes, shares = laggauss(_ENVIRONMENTS)
        return self.tail * (nodes - 1.0), shares / shares.sum()

    @property
    def fwhm(self) -> float:
        """Return the full width at half maximum before the spectrometer, cm-1."""
        return _measure(self.homogeneous_fwhm, self.environment_fwhm, self.tail)[0]

    @property
    def maximum(self) -> float:
        """Return where the band is highest, cm-1: not its centre when it is skewed."""
        shift = _measure(self.homogeneous_fwhm, self.environment_fwhm, self.tail)[1]
        return self.centre + shift


def voigt(offset: Floats, sigma: float, gamma: float) -> Floats:
    """Return the Voigt function of unit area.

    Parameters
    ----------
    offset : ndarray
        Distance from the centre, **cm-1**.
    sigma, gamma : float
        Standard deviation of the Gaussian and half width at half maximum of the
        Lorentzian, **cm-1**, both not negative and not both zero.

    Returns
    -------
    ndarray
        Per cm-1.

    Examples
    --------
    >>> print(round(float(voigt(np.zeros(1), 0.0, 2.0)[0]) * np.pi * 2.0, 6))
    1.0
    """
    if sigma == 0.0:
        return np.asarray(gamma / np.pi / (offset**2 + gamma**2))
    scale = sigma * np.sqrt(2.0)
    return np.asarray(wofz((offset + 1j * gamma) / scale).real / scale / np.sqrt(np.pi))


def line_density(
    raman_shift: Floats,
    shape: LineShape,
    *,
    spectrometer: SpectrometerFunction | None = None,
) -> Floats:
    """Return a band of unit area, per cm-1.

    Parameters
    ----------
    raman_shift : ndarray
        Where, **cm-1**.
    shape : LineShape
        The band.
    spectrometer : SpectrometerFunction, optional
        None: as emitted.

    Notes
    -----
    The Gaussians of environments and spectrometer convolve to one each; the exponential
    is a Gauss-Laguerre sum, whose shares add up to one, so that the area is exact.
    """
    pieces = spectrometer.components() if spectrometer else [(1.0, 0.0, 0.0)]
    offsets, shares = shape.environments()
    total = np.zeros_like(raman_shift)
    for share, offset, sigma in pieces:
        width = float(np.hypot(sigma, shape.sigma))
        for place, part in zip(offsets, shares, strict=True):
            distance = raman_shift - (shape.centre + offset + place)
            total += share * part * voigt(distance, width, shape.gamma)
    return total


def drawing_grid(low: float, high: float) -> Floats:
    """Return the grid for lines, a little wider than ``low`` to ``high``, cm-1."""
    first, last = np.floor(low) - 10.0, np.ceil(high) + 10.0
    return np.arange(first, last + 0.5 * GRID_STEP, GRID_STEP)


@lru_cache(maxsize=1024)
def draw_line(
    shape: LineShape, spectrometer: SpectrometerFunction, low: float, high: float
) -> Floats:
    """Return :func:`line_density` on :func:`drawing_grid`, drawn once; read-only."""
    grid = drawing_grid(low, high)
    if shape.sigma < _BROAD * GRID_STEP:
        density = line_density(grid, shape, spectrometer=spectrometer)
    else:
        coarse = np.append(grid[::_COARSER], grid[-1] + GRID_STEP)
        drawn = line_density(coarse, shape, spectrometer=spectrometer)
        density = np.asarray(CubicSpline(coarse, drawn)(grid))
    density.flags.writeable = False
    return density


def pixel_means(grid: Floats, density: Floats, edges: Floats) -> Floats:
    """Return the mean of a density over each pixel.

    Parameters
    ----------
    grid : ndarray, shape (n_grid,)
        **cm-1**, around all pixels, much finer than any line.
    density : ndarray, shape (n_grid, ...)
        On it.
    edges : ndarray, shape (n_pixels + 1,)
        Borders of the pixels, **cm-1**, ascending.

    Returns
    -------
    ndarray, shape (n_pixels, ...)
        In units of ``density``.

    Raises
    ------
    PlanError
        A pixel outside the grid.
    """
    if edges[0] < grid[0] or edges[-1] > grid[-1]:
        raise PlanError(
            f"pixels from {edges[0]:g} to {edges[-1]:g} cm-1 leave the grid "
            f"{grid[0]:g} to {grid[-1]:g}"
        )
    integral = CubicSpline(grid, density, axis=0).antiderivative()(edges)
    widths = np.diff(edges).reshape(-1, *[1] * (density.ndim - 1))
    return np.asarray(np.diff(integral, axis=0) / widths)


@lru_cache(maxsize=1024)
def _measure(
    homogeneous_fwhm: float, environment_fwhm: float, tail: float
) -> tuple[float, float]:
    """Return width at half height and place of the maximum less the centre, cm-1."""
    shape = LineShape(
        centre=0.0,
        homogeneous_fwhm=homogeneous_fwhm,
        environment_fwhm=environment_fwhm,
        tail=tail,
    )
    width = homogeneous_fwhm + environment_fwhm + abs(tail)
    reach = _WIDTH_REACH + 0.5 * _WIDTH_STEPS
    offsets = width * np.arange(-_WIDTH_REACH, reach, _WIDTH_STEPS)
    spline = CubicSpline(offsets, line_density(offsets, shape))
    turns = spline.derivative().roots(extrapolate=False)
    if turns.size == 0:  # the turn lies on a knot and rounding hides it
        turns = offsets[[int(np.argmax(spline(offsets)))]]
    heights = spline(turns)
    top = float(turns[np.argmax(heights)])
    crossings = spline.solve(0.5 * float(heights.max()), extrapolate=False)
    return float(crossings[-1] - crossings[0]), top
