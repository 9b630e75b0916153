"""Widths of lines: hertz and ppm, and what the lifetime of the spins makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from structkit.errors import SchemaError
from structkit.nmr.lineshapes import OLIVERO


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthParts:
    """A width beside the least that the relaxation time leaves of it."""

    fwhm_hz: float
    """Full width at half maximum, **Hz**."""
    lifetime_hz: float
    """``1 / (pi T1)``, **Hz**: the least that lifetime broadens; T2 may be shorter."""
    lorentzian_rest_hz: float
    """Width less lifetime, both taken as Lorentzian, **Hz**; NaN where nothing is
    left."""
    gaussian_rest_hz: float
    """Gaussian that makes a Voigt of that width with the lifetime, **Hz**; NaN where
    nothing is left."""
    lorentzian_rest_std_hz: float = math.nan
    """1 sigma, **Hz**."""
    gaussian_rest_std_hz: float = math.nan
    """1 sigma, **Hz**."""

    @property
    def lifetime_fraction(self) -> float:
        """Return the lifetime width over the whole."""
        return self.lifetime_hz / self.fwhm_hz


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftChange:
    """How far a line moved, beside its width."""

    ppm: float
    """Later less earlier, **ppm**."""
    hz: float
    """The same in **Hz**."""
    of_width: float
    """Its size over the line's FWHM."""
    resolved: bool
    """Whether it is more than twice its sigma and a tenth of the width."""


_RESOLVED_SIGMA = 2.0
_RESOLVED_WIDTH = 0.1


def convert_to_ppm(width_hz: float, larmor_frequency: float) -> float:
    """Return a width in **ppm** from **Hz** and the Larmor frequency in **MHz**.

    Examples
    --------
    >>> round(convert_to_ppm(274.99, 132.294), 3)
    2.079
    """
    return width_hz / larmor_frequency


def lifetime_width(t1: float) -> float:
    """Return ``1 / (pi T1)`` in **Hz** for ``T1`` in **s**.

    Raises
    ------
    SchemaError
        ``t1`` is not positive.
    """
    if not t1 > 0.0:
        raise SchemaError(f"t1 = {t1} s is not positive; leave it out when unknown")
    return 1.0 / (math.pi * t1)


def split_width(
    fwhm_hz: float, t1: float, *, fwhm_std_hz: float = 0.0, t1_std: float = 0.0
) -> WidthParts:
    """Return what of a width is not lifetime, by two ways that bracket the truth.

    Parameters
    ----------
    fwhm_hz, fwhm_std_hz : float
        Width and its 1 sigma, **Hz**.
    t1, t1_std : float
        Longitudinal relaxation time and its 1 sigma, **s**.

    Returns
    -------
    WidthParts

    Raises
    ------
    SchemaError
        ``t1`` or the width is not positive.

    Notes
    -----
    If the rest is Lorentzian too, widths add; if it is Gaussian, the line is a Voigt:
    ``W = 0.5346 L + sqrt(0.2166 L^2 + G^2)`` (Olivero & Longbothum 1977,
    10.1016/0022-4073(77)90161-3), solved for ``G``.

    Examples
    --------
    >>> parts = split_width(380.15, 0.0012)
    >>> [round(x) for x in (parts.lifetime_hz, parts.lorentzian_rest_hz)]
    [265, 115]
    """
    if not fwhm_hz > 0.0:
        raise SchemaError(f"width {fwhm_hz} Hz is not positive")
    life = lifetime_width(t1)
    life_std = life * t1_std / t1
    rest, core = fwhm_hz - life, fwhm_hz - OLIVERO[0] * life
    squared = core * core - OLIVERO[1] * life * life
    gauss = math.sqrt(squared) if squared > 0.0 and core > 0.0 else math.nan
    by_life = -(OLIVERO[0] * core + OLIVERO[1] * life) / gauss
    return WidthParts(
        fwhm_hz=fwhm_hz,
        lifetime_hz=life,
        lorentzian_rest_hz=rest if rest > 0.0 else math.nan,
        gaussian_rest_hz=gauss,
        lorentzian_rest_std_hz=math.hypot(fwhm_std_hz, life_std),
        gaussian_rest_std_hz=math.hypot(core / gauss * fwhm_std_hz, by_life * life_std),
    )


def compare_shifts(
    earlier: float,
    later: float,
    *,
    fwhm_hz: float,
    larmor_frequency: float,
    std: float = 0.0,
) -> ShiftChange:
    """Return how far a line moved and whether that is resolved.

    Parameters
    ----------
    earlier, later : float
        Chemical shifts, **ppm**.
    fwhm_hz : float
        Width of the line, **Hz**.
    larmor_frequency : float
        **MHz**.
    std : float
        1 sigma of the change, referencing included, **ppm**.

    Returns
    -------
    ShiftChange
    """
    change = later - earlier
    hertz = change * larmor_frequency
    of_width = abs(hertz) / fwhm_hz
    sure = abs(change) > _RESOLVED_SIGMA * std and of_width > _RESOLVED_WIDTH
    return ShiftChange(ppm=change, hz=hertz, of_width=of_width, resolved=sure)
