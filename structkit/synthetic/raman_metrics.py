"""The true ratios of a synthetic Raman sample, from the areas of its bands.

A band belongs to the window that holds its *nominal* wavenumber, whole: windows cut
sums, not spectra. Each ratio comes twice: as it is of NaTaCl6 and its glass, and, with
``_windows`` behind its name, as windows see it that know no species: TaCl5, Ta2O5 and
the cover glass are counted where they fall.

======================  ==============================================================
``out_of_plane_ratio``  A(100-150) / A(200-420)
``in_plane_ratio``      A(150-200) / A(200-420)
``r_ax``                A(400-420) / [A(400-420) + A(280-400)]: the 405 line
``r_o``                 A(700-900) / [A(700-900) + A(200-420)]
``glass_area_share``    A_g / (A_c + A_g), all bands but 405 and Ta-O-Ta
``glass_share``         (A_g / kappa) / (A_c + A_g / kappa): of Ta in NaTaCl6 or glass
======================  ==============================================================

Lower borders belong to a window, upper ones do not, save 420. All are without unit;
NaN where there is nothing to divide by.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from structkit.errors import PlanError
from structkit.synthetic.raman_species import AXIAL, GLASS, NTC, OXIDE_BRIDGE
from structkit.synthetic.raman_truth import EmittedBand, RamanSample

Reduction = Literal["none", "photon"]

OWN = (NTC, AXIAL, GLASS, OXIDE_BRIDGE)
"""Species of the ratios without ``_windows``."""
WINDOWED = ("out_of_plane_ratio", "in_plane_ratio", "r_ax", "r_o")
_LASER_CM = 1e7 / 532.0
_SECOND_RADIATION_CONSTANT = 1.438776877  # cm K
_ROOM_KELVIN = 298.0
_REFERENCE_SHIFT = 405.0


def true_metrics(
    sample: RamanSample, *, reduction: Reduction = "none"
) -> dict[str, float]:
    """Return the true ratios of a sample's median spot.

    Parameters
    ----------
    sample : RamanSample
        Its bands.
    reduction : {"none", "photon"}
        ``photon``: areas times ``(nu0 - nu)^-3 nu [1 - exp(-h c nu / k T)]`` at the
        *centre* of each band, 532 nm and 298 K, relative to 405 cm-1. A broad band's
        reduced area differs from that by about (sigma / nu)^2.

    Returns
    -------
    dict of str to float
        The ratios of the module docstring.

    Raises
    ------
    PlanError
        A reduction that does not exist.
    """
    if reduction not in ("none", "photon"):
        raise PlanError(f'no reduction {reduction!r}; use "none" or "photon"')
    areas = [(b, b.area * _factor(b.centre, reduction)) for b in sample.bands]
    own = [(band, area) for band, area in areas if band.species in OWN]
    metrics = _ratios(own)
    for name, value in _ratios(areas).items():
        metrics[f"{name}_windows"] = value
    crystal = sum(area for band, area in own if band.species == NTC)
    glass = sum(area for band, area in own if band.species == GLASS)
    metrics["glass_area_share"] = _divide(glass, crystal + glass)
    unreduced = [(b.species, b.area) for b in sample.bands]
    crystal = sum(area for species, area in unreduced if species == NTC)
    amount = sum(a for species, a in unreduced if species == GLASS) / sample.kappa
    metrics["glass_share"] = _divide(amount, crystal + amount)
    return metrics


def reduction_factor(raman_shift: float) -> float:
    """Return the ``photon`` factor, 532 nm, 298 K, 1 at 405 cm-1.

    Examples
    --------
    >>> print(round(reduction_factor(120.0), 3), round(reduction_factor(800.0), 2))
    0.145 2.4
    """
    return _plain(raman_shift) / _plain(_REFERENCE_SHIFT)


def _plain(shift: float) -> float:
    """Return the factor without its reference."""
    bose = -np.expm1(-_SECOND_RADIATION_CONSTANT * shift / _ROOM_KELVIN)
    return float((_LASER_CM - shift) ** -3 * shift * bose)


def _factor(centre: float, reduction: Reduction) -> float:
    """Return what an area is multiplied by."""
    return reduction_factor(centre) if reduction == "photon" else 1.0


def _ratios(areas: Iterable[tuple[EmittedBand, float]]) -> dict[str, float]:
    """Return the ratios of windows."""
    held = list(areas)

    def window(low: float, high: float) -> float:
        return sum(area for band, area in held if low <= band.nominal < high)

    stretches = window(200.0, 420.0 + 1e-9)
    axial, equatorial = window(400.0, 420.0 + 1e-9), window(280.0, 400.0)
    bridges = window(700.0, 900.0)
    return {
        "out_of_plane_ratio": _divide(window(100.0, 150.0), stretches),
        "in_plane_ratio": _divide(window(150.0, 200.0), stretches),
        "r_ax": _divide(axial, axial + equatorial),
        "r_o": _divide(bridges, bridges + stretches),
    }


def _divide(part: float, whole: float) -> float:
    """Return a ratio, NaN of nothing."""
    return part / whole if whole > 0.0 else float("nan")
