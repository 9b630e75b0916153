"""Conductivities and what follows from them, :class:`xarray.Dataset` each.

Over ``measurement`` (a temperature may come twice, on heating and on cooling) and
``contribution`` (``bulk``, ``grain_boundary``, ``total``):

================================  =======  ============================================
name                              units    meaning
================================  =======  ============================================
``temperature`` (coord)           K        of the measurement, over ``measurement``
``history`` (coord)                        text, over ``measurement``
``resistance``, ``_std``          ohm      NaN where there is none
``resistance_covariance``         ohm2     also over ``contribution_``
``in_band``                       1        0: the arc's peak is outside the band
``conductivity``, ``_std``        S cm-1   every error source in
``conductivity_statistical_std``  S cm-1   of the fitted resistance alone
``conductivity_covariance``       S2 cm-2  also over ``contribution_``
``conductivity_shift``            S cm-1   also over ``error_source``: what 1 sigma of a
                                           source common to all rows does to each
``remark``                                 text
================================  =======  ============================================

The covariance of two rows of a series is the sum of the products of their shifts.
"""

from __future__ import annotations

from typing import Final

MEASUREMENT = "measurement"
OTHER_CONTRIBUTION = "contribution_"
ERROR_SOURCE = "error_source"
RESISTANCE = "resistance"
RESISTANCE_STD = "resistance_std"
RESISTANCE_COVARIANCE = "resistance_covariance"
CONDUCTIVITY = "conductivity"
CONDUCTIVITY_STD = "conductivity_std"
CONDUCTIVITY_STATISTICAL_STD = "conductivity_statistical_std"
CONDUCTIVITY_COVARIANCE = "conductivity_covariance"
CONDUCTIVITY_SHIFT = "conductivity_shift"
IN_BAND = "in_band"
REMARK = "remark"
BULK, GRAIN_BOUNDARY, TOTAL = "bulk", "grain_boundary", "total"
CONTRIBUTIONS = (BULK, GRAIN_BOUNDARY, TOTAL)
GEOMETRY, SHORT_CELL = "geometry", "short_cell"

CONVENTION = "convention"
POINTS = "points"
PARAMETER, OTHER_PARAMETER = "parameter", "parameter_"
LN_SIGMA_T: Final = "ln_sigma_T"
LN_SIGMA: Final = "ln_sigma"
CONVENTIONS = (LN_SIGMA_T, LN_SIGMA)
ALL_POINTS, IN_BAND_POINTS = "all", "in_band"

SIEMENS_PER_CM = "S cm-1"
