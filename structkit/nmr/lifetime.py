"""How much of a line's width the lifetime of its states takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from structkit.errors import SchemaError

_LINEAR = 0.5346
_SQUARED = 0.2166


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthSplit:
    """A measured width beside its lifetime part; full widths at half maximum."""

    lifetime: float
    """1/(pi T1), **Hz**: the least that a line of this T1 can have."""
    lorentzian_rest: float
    """Width less lifetime, as widths of Lorentzian lines add, **Hz**."""
    gaussian_rest: float
    """Gaussian width that gives the measured Voigt width with it, **Hz**; NaN where
    the lifetime alone is broader."""
    share: float
    """Lifetime over width; above 1 line and T1 contradict each other."""


def lifetime_width(t1: float) -> float:
    """Return the least full width of a line with a T1, 1/(pi T1), **Hz**.

    Parameters
    ----------
    t1 : float
        **s**, positive.

    Raises
    ------
    SchemaError
        A T1 that is not positive.

    Notes
    -----
    T2 is at most 2 T1, shorter in slow motion; with T2 = T1 the Lorentzian width is
    ``1/(pi T1)``. Its measure is an echo, this is the size to expect.

    Examples
    --------
    >>> print(f"{lifetime_width(0.0012):.0f} Hz")
    265 Hz
    """
    if not t1 > 0.0:
        raise SchemaError(f"t1 is {t1}; it must be positive, in s")
    return 1.0 / (math.pi * t1)


def split_width(fwhm: float, *, t1: float) -> WidthSplit:
    """Split a measured width into lifetime and rest, Lorentzian and Gaussian.

    Parameters
    ----------
    fwhm : float
        Measured full width at half maximum, **Hz**.
    t1 : float
        **s**.

    Returns
    -------
    WidthSplit

    Raises
    ------
    SchemaError
        A value that is not positive.

    Notes
    -----
    Voigt width ``0.5346 L + sqrt(0.2166 L^2 + G^2)`` (J. J. Olivero and
    R. L. Longbothum, J. Quant. Spectrosc. Radiat. Transf. 17 (1977) 233,
    10.1016/0022-4073(77)90161-3), solved for G.

    Examples
    --------
    >>> split = split_width(380.15, t1=0.0012)
    >>> print(f"{split.lorentzian_rest:.0f} Hz, {split.gaussian_rest:.0f} Hz")
    115 Hz, 204 Hz
    """
    if not fwhm > 0.0:
        raise SchemaError(f"fwhm is {fwhm}; it must be positive, in Hz")
    lifetime = lifetime_width(t1)
    gaussian = math.nan
    left = fwhm - _LINEAR * lifetime
    if left > 0.0 and left**2 >= _SQUARED * lifetime**2:
        gaussian = math.sqrt(left**2 - _SQUARED * lifetime**2)
    return WidthSplit(
        lifetime=lifetime,
        lorentzian_rest=fwhm - lifetime,
        gaussian_rest=gaussian,
        share=lifetime / fwhm,
    )
