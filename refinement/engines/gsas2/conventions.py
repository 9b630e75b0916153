"""GSAS-II's units against structkit's, in one place.

===============  ==========================================  =======================
quantity         GSAS-II                                     structkit
===============  ==========================================  =======================
size             micrometre, width = lambda / (L cos)        nm, 0.9 lambda/(D cos)
microstrain      1e6 delta d / d, width = e tan              e, width = 4 e tan
displacement     micrometre, position - 4 s cos / R ...      degree, + s cos
zero             degree, observed = true + zero              the same
scale            number of cells                             mass (times cell mass)
===============  ==========================================  =======================

Both take the full width at half maximum of a Lorentzian. Read from GSAS-II's
``GetSampleSigGam`` and ``GetReflPos`` and confirmed on simulated patterns.
"""

from __future__ import annotations

import math

_SCHERRER = 0.9
_NM_PER_UM = 1000.0
_SHIFT = 4.0 * 9.0e-2 / math.pi
"""Degree times millimetre per micrometre of displacement."""


def size_to_nm(size_um: float) -> float:
    """Return structkit's size (nm) of GSAS-II's (micrometre).

    Examples
    --------
    >>> size_to_nm(0.1)
    90.0
    """
    return _SCHERRER * _NM_PER_UM * size_um


def size_to_um(size_nm: float) -> float:
    """Return GSAS-II's size (micrometre) of structkit's (nm)."""
    return size_nm / (_SCHERRER * _NM_PER_UM)


def strain_from_gsas2(value: float) -> float:
    """Return structkit's microstrain of GSAS-II's.

    Examples
    --------
    >>> strain_from_gsas2(4000.0)
    0.001
    """
    return 0.25e-6 * value


def strain_to_gsas2(microstrain: float) -> float:
    """Return GSAS-II's microstrain of structkit's."""
    return microstrain / 0.25e-6


def displacement_from_gsas2(shift_um: float, radius_mm: float) -> float:
    """Return the displacement (degree, times cos theta) of GSAS-II's (micrometre)."""
    return -_SHIFT * shift_um / radius_mm


def displacement_to_gsas2(displacement: float, radius_mm: float) -> float:
    """Return GSAS-II's displacement (micrometre) of structkit's (degree)."""
    return -displacement * radius_mm / _SHIFT
