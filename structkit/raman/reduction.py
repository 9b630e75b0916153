"""Reduced Raman intensity: the factors of frequency and temperature taken out.

A Stokes band of wavenumber nu scatters in proportion to

    (nu0 - nu)^n / nu x [1 + n(nu)],    1 + n = 1 / [1 - exp(-h c nu / k T)]

times its squared polarisability derivative; nu0 is the laser's wavenumber and n is 3
where photons are counted and 4 where power is measured. Ratios of bands far apart
change by a factor of two or more with the convention, so the convention is written
into the result and spectra of different conventions are never compared.

==============  ==========================================================
convention      factor on the intensity
==============  ==========================================================
``photon``      (nu0 - nu)^-3 nu [1 - exp(-h c nu / k T)]
``power``       (nu0 - nu)^-4 nu [1 - exp(-h c nu / k T)]
``photon_bose`` (nu0 - nu)^-3 [1 - exp(-h c nu / k T)]
``bose``        [1 - exp(-h c nu / k T)]
==============  ==========================================================
"""

from __future__ import annotations

import math
from typing import Literal, cast, get_args

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from structkit.errors import SchemaError
from structkit.raman.remarks import add_remark
from structkit.schema import (
    GAIN,
    INTENSITY,
    INTENSITY_STD,
    LASER_WAVELENGTH,
    RAMAN_SHIFT,
    READOUT_STD,
    validate_spectra,
)

Floats = NDArray[np.float64]
Convention = Literal["photon", "power", "photon_bose", "bose"]

SECOND_RADIATION_CONSTANT = 1.438776877
"""h c / k in cm K (CODATA 2018)."""
ROOM_TEMPERATURE = 298.0
"""Kelvin."""
REFERENCE_SHIFT = 405.0
"""The factor is 1 here, cm-1."""

REDUCTION = "reduction"
"""attr: the convention; absent where nothing was reduced."""
REDUCTION_LASER = "reduction_laser_nm"
REDUCTION_TEMPERATURE = "reduction_temperature_k"
REDUCTION_REFERENCE = "reduction_reference_shift"
REDUCTION_FACTOR = "reduction_factor"
"""Variable (raman_shift): what the intensity was multiplied by."""

_EXPONENT = {"photon": 3, "power": 4, "photon_bose": 3, "bose": 0}
_WITH_SHIFT = {"photon": 1, "power": 1, "photon_bose": 0, "bose": 0}
_COMPARED_SHIFTS = np.linspace(100.0, 1000.0, 19)
_SAME_FACTOR = 0.01


def reduction_factor(
    raman_shift: ArrayLike,
    *,
    convention: Convention = "photon",
    laser_nm: float,
    temperature_k: float = ROOM_TEMPERATURE,
    reference_shift: float = REFERENCE_SHIFT,
) -> Floats:
    """Return what to multiply a Stokes intensity by, 1 at ``reference_shift``.

    Parameters
    ----------
    raman_shift : array_like, shape (n_points,)
        Above 0 and below the laser's wavenumber, in **cm-1**.
    convention : {"photon", "power", "photon_bose", "bose"}
        See the module docstring.
    laser_nm : float
        Wavelength of the laser, **nm**.
    temperature_k : float
        Temperature of the illuminated spot, **K**.
    reference_shift : float
        Where the factor is 1, **cm-1**.

    Returns
    -------
    numpy.ndarray, shape (n_points,)
        Dimensionless, positive.

    Raises
    ------
    SchemaError
        For a convention, a laser, a temperature or shifts that cannot be.

    Notes
    -----
    ``1 - exp(-x)`` is taken as ``-expm1(-x)``: exact at small shifts.

    References
    ----------
    D. A. Long, *The Raman Effect* (2002), doi:10.1002/0470845767.

    Examples
    --------
    >>> reduction_factor([120, 405, 800], laser_nm=532.0).round(2)
    array([0.14, 1.  , 2.4 ])
    """
    if convention not in get_args(Convention):
        known = ", ".join(get_args(Convention))
        raise SchemaError(f"reduction convention {convention!r}; use one of {known}")
    if not (laser_nm > 0.0 and temperature_k > 0.0):
        raise SchemaError(
            f"reduction needs a laser (got {laser_nm:g} nm) and a temperature (got "
            f"{temperature_k:g} K) above zero"
        )
    shifts = np.asarray(raman_shift, dtype=float)
    laser = 1e7 / laser_nm
    points = np.append(shifts, reference_shift)
    if np.any(points <= 0.0) or np.any(points >= laser):
        raise SchemaError(
            f"reduction is defined for shifts above 0 and below {laser:.0f} cm-1; cut "
            "the range first"
        )
    every = _plain_factor(points, convention, laser=laser, temperature=temperature_k)
    return np.asarray(every[:-1] / every[-1])


def _plain_factor(
    shift: Floats, convention: Convention, *, laser: float, temperature: float
) -> Floats:
    """Return the factor of the module docstring, laser in cm-1."""
    bose = -np.expm1(-SECOND_RADIATION_CONSTANT * shift / temperature)
    frequency = (1.0 - shift / laser) ** -_EXPONENT[convention]
    return np.asarray(frequency * shift ** _WITH_SHIFT[convention] * bose)


def reduce_spectra(
    spectra: xr.Dataset,
    *,
    convention: Convention = "photon",
    laser_nm: float | None = None,
    temperature_k: float = ROOM_TEMPERATURE,
    reference_shift: float = REFERENCE_SHIFT,
) -> xr.Dataset:
    """Return spectra in reduced intensity; points at or below 0 cm-1 are dropped.

    Parameters
    ----------
    spectra : xarray.Dataset
        Raman spectra (:mod:`structkit.schema.spectra`), not reduced yet.
    convention : {"photon", "power", "photon_bose", "bose"}
        See the module docstring.
    laser_nm : float, optional
        **nm**; None: the coordinate ``laser_wavelength``.
    temperature_k : float
        **K**.
    reference_shift : float
        Where the intensity stays as it is, **cm-1**.

    Returns
    -------
    xarray.Dataset
        ``intensity`` and ``intensity_std`` multiplied, same units; the new variable
        ``reduction_factor`` undoes it; attrs name the convention, laser and
        temperature. ``gain`` and ``readout_std`` describe recorded counts and are
        left out.

    Raises
    ------
    SchemaError
        When the spectra are reduced already, or no laser is known.
    """
    validate_spectra(spectra)
    if REDUCTION in spectra.attrs:
        raise SchemaError(
            f"spectra are reduced already (convention {spectra.attrs[REDUCTION]!r}); "
            "reduce the recorded ones"
        )
    laser = _laser_of(spectra) if laser_nm is None else laser_nm
    above = spectra[RAMAN_SHIFT].to_numpy() > 0.0
    kept = spectra.isel({RAMAN_SHIFT: np.flatnonzero(above)})
    factor = reduction_factor(
        kept[RAMAN_SHIFT].to_numpy(),
        convention=convention,
        laser_nm=laser,
        temperature_k=temperature_k,
        reference_shift=reference_shift,
    )
    along = xr.DataArray(factor, dims=(RAMAN_SHIFT,))
    result = kept.drop_vars([GAIN, READOUT_STD, "gain_std"], errors="ignore")
    for name in (INTENSITY, INTENSITY_STD):
        if name in kept:
            result[name] = (kept[name] * along).assign_attrs(kept[name].attrs)
    result[REDUCTION_FACTOR] = along.assign_attrs(
        units="1", long_name="factor on the intensity, 1 at the reference shift"
    )
    result = result.assign_attrs(
        {
            REDUCTION: convention,
            REDUCTION_LASER: float(laser),
            REDUCTION_TEMPERATURE: float(temperature_k),
            REDUCTION_REFERENCE: float(reference_shift),
        }
    )
    validate_spectra(result)
    sentences = [
        f"Reduced intensity, convention {convention}: laser {laser:g} nm, "
        f"{temperature_k:g} K, 1 at {reference_shift:g} cm-1."
    ]
    n_dropped = int(np.count_nonzero(~above))
    if n_dropped:
        sentences.append(
            f"{n_dropped} points at or below 0 cm-1 dropped: reduction is defined "
            "for Stokes shifts."
        )
    return add_remark(result, *sentences)


def restore_intensity(spectra: xr.Dataset) -> xr.Dataset:
    """Undo :func:`reduce_spectra`; dropped points stay away.

    Raises
    ------
    SchemaError
        When the spectra are not reduced.
    """
    if REDUCTION not in spectra.attrs:
        raise SchemaError("spectra are not reduced; there is nothing to restore")
    result = spectra.drop_vars(REDUCTION_FACTOR)
    for name in (INTENSITY, INTENSITY_STD):
        if name in spectra:
            recorded = spectra[name] / spectra[REDUCTION_FACTOR]
            result[name] = recorded.assign_attrs(spectra[name].attrs)
    names = (REDUCTION, REDUCTION_LASER, REDUCTION_TEMPERATURE, REDUCTION_REFERENCE)
    result.attrs = {key: v for key, v in result.attrs.items() if key not in names}
    return add_remark(result, "Reduction undone.")


def _laser_of(spectra: xr.Dataset) -> float:
    """Return the laser wavelength in nm."""
    if LASER_WAVELENGTH not in spectra.coords:
        raise SchemaError(
            "spectra have no coordinate 'laser_wavelength'; give laser_nm"
        )
    return float(spectra[LASER_WAVELENGTH])


def check_same_reduction(*datasets: xr.Dataset) -> str:
    """Raise when spectra or results differ in how intensity was reduced.

    Parameters
    ----------
    *datasets : xarray.Dataset
        Anything that carries the attrs of :func:`reduce_spectra`.

    Returns
    -------
    str
        The common convention, ``"none"`` where nothing was reduced.

    Raises
    ------
    SchemaError
        When conventions are mixed, or laser and temperature change the ratio of two
        bands between 100 and 1000 cm-1 by more than 1 %.
    """
    names = [str(each.attrs.get(REDUCTION, "none")) for each in datasets]
    if not names:
        return "none"
    if len(set(names)) > 1:
        raise SchemaError(
            f"reduction conventions are mixed ({', '.join(sorted(set(names)))}); band "
            "ratios differ by up to a factor 2.4: reduce all in the same way"
        )
    if names[0] == "none":
        return names[0]
    factors = np.array(
        [
            reduction_factor(
                _COMPARED_SHIFTS,
                convention=cast(Convention, names[0]),
                laser_nm=float(each.attrs[REDUCTION_LASER]),
                temperature_k=float(each.attrs[REDUCTION_TEMPERATURE]),
            )
            for each in datasets
        ]
    )
    spread = float(np.max(factors.max(axis=0) / factors.min(axis=0))) - 1.0
    if spread > _SAME_FACTOR:
        raise SchemaError(
            f"reductions differ by {100.0 * spread:.1f} % in laser or temperature; "
            "reduce all with the same"
        )
    return names[0]


def estimate_temperature(
    stokes: tuple[float, float],
    anti_stokes: tuple[float, float],
    *,
    raman_shift: float,
    laser_nm: float,
    exponent: int = 3,
    response_ratio: float = 1.0,
) -> tuple[float, float]:
    """Return the temperature that one band's two intensities tell, with 1 sigma.

    Parameters
    ----------
    stokes, anti_stokes : tuple of float
        Area of the band and its 1 sigma, recorded (not reduced), same units.
    raman_shift : float
        Of the band, above 0, **cm-1**.
    laser_nm : float
        **nm**.
    exponent : {3, 4}
        3 where photons are counted, 4 for power.
    response_ratio : float
        Sensitivity of the instrument at the anti-Stokes over that at the Stokes line.

    Returns
    -------
    temperature, temperature_std : float
        **K**. The uncertainty is that of the areas only, not of the response ratio.

    Raises
    ------
    SchemaError
        When an area is not positive, or anti-Stokes exceeds what any temperature
        gives.

    Notes
    -----
    ``I_aS / I_S = [(nu0 + nu) / (nu0 - nu)]^n exp(-h c nu / k T)``.

    References
    ----------
    D. A. Long, *The Raman Effect* (2002), doi:10.1002/0470845767.

    Examples
    --------
    >>> kelvin, esd = estimate_temperature(
    ...     (1000.0, 10.0), (149.0, 4.0), raman_shift=405.0, laser_nm=532.0
    ... )
    >>> print(round(kelvin), round(esd))
    287 4
    """
    if stokes[0] <= 0.0 or anti_stokes[0] <= 0.0:
        raise SchemaError("both areas must be positive to tell a temperature")
    laser = 1e7 / laser_nm
    frequency = ((laser + raman_shift) / (laser - raman_shift)) ** exponent
    logarithm = math.log(frequency * response_ratio * stokes[0] / anti_stokes[0])
    if logarithm <= 0.0:
        raise SchemaError(
            "the anti-Stokes band is stronger than any temperature allows; check the "
            "response ratio and the areas"
        )
    temperature = SECOND_RADIATION_CONSTANT * raman_shift / logarithm
    relative = math.hypot(stokes[1] / stokes[0], anti_stokes[1] / anti_stokes[0])
    return temperature, temperature * relative / logarithm
