"""The curves of a fitted spectrum as labelled data, for files and figures.

========================  ===================  ========================================
name                      dims                 meaning
========================  ===================  ========================================
``raman_shift`` (coord)   raman_shift          ``cm-1``, ascending
``intensity``             raman_shift          as it was fitted
``intensity_std``         raman_shift          1 sigma as it was weighted at the end;
                                               NaN where a point had no weight
``baseline``              raman_shift          spline and laser edge
``component``             column, raman_shift  each band, tie or template
``residual``              raman_shift          data less model over sigma, ``1``; NaN
                                               where a point had no weight
``masked``                raman_shift          1 where a point had no weight
``column`` (coord)        column               name of the band, tie or template
``column_species``        column               whose it is
  (coord)
``column_status``         column               what is known of it; only where it was
  (coord)                                      asked
``band`` (coord)          band                 name of each band, tied ones too
``band_column`` (coord)   band                 the column that its area is in
``band_species`` (coord)  band                 whose it is
``centre``                band                 ``cm-1``, on the axis of this spectrum
========================  ===================  ========================================

Units of the intensity are those of ``intensity``; the same hold for its kin. attrs:
``status`` and ``reason`` of the fit; ``chi_square``, reduced, over the weighted points.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import FitError
from structkit.raman.fit import BandFit
from structkit.raman.identify import Identifiability
from structkit.raman.problem import place_bands
from structkit.schema import (
    ARBITRARY,
    BAND,
    INTENSITY,
    INTENSITY_STD,
    RAMAN_SHIFT,
    label,
)

Floats = NDArray[np.float64]

COLUMN = "column"
"""Dimension of what has an area of its own: bands, ties, templates."""
_NO_WEIGHT = 1e4
"""A sigma of so many times the median belongs to a masked point."""


def spectrum_curves(
    fit: BandFit,
    number: int,
    *,
    units: str = ARBITRARY,
    known: Identifiability | None = None,
) -> xr.Dataset:
    """Return data, components, baseline and residual of one spectrum of a fit.

    Parameters
    ----------
    fit : BandFit
        A fit with values.
    number : int
        Which of its spectra, from 0.
    units : str
        Of the intensity (:data:`structkit.schema.INTENSITY_UNITS`); a fit does not
        know them.
    known : Identifiability, optional
        What the data determine, for ``column_status``.

    Returns
    -------
    xarray.Dataset
        As the module docstring describes.

    Raises
    ------
    FitError
        The fit has no values, or no spectrum of that number.
    """
    if not fit.status.has_values:
        raise FitError(f"a fit without values has no curves: {fit.reason}")
    if not 0 <= number < len(fit.spectra):
        raise FitError(f"spectrum {number} of a fit of {len(fit.spectra)}")
    spectrum = fit.spectra[number]
    bands, baseline = fit.curves(number)
    masked = spectrum.sigma > _NO_WEIGHT * float(np.median(spectrum.sigma))
    residual = np.where(masked, np.nan, fit.residual(number))
    sigma = np.where(masked, np.nan, spectrum.sigma)
    along = (RAMAN_SHIFT,)
    shift = label(xr.DataArray(spectrum.raman_shift, dims=along), RAMAN_SHIFT)
    plain = {"units": "1"}
    used = fit.layout.n_local + spectrum.basis.shape[1]
    curves = xr.Dataset(
        {
            INTENSITY: _label_light(along, spectrum.intensity, "intensity", units),
            INTENSITY_STD: _label_light(
                along, sigma, "standard uncertainty of the intensity", units
            ),
            "baseline": _label_light(along, baseline, "baseline", units),
            "component": _label_light(
                (COLUMN, RAMAN_SHIFT), bands.T, "light of one column", units
            ),
            "residual": (along, residual, plain | {"long_name": "(data − model) / σ"}),
            "masked": (
                along,
                masked.astype(np.int8),
                plain | {"long_name": "point without weight"},
            ),
        },
        coords={RAMAN_SHIFT: shift},
        attrs={
            "status": fit.status.value,
            "reason": fit.reason,
            "chi_square": float(
                np.nansum(residual**2) / max(int((~masked).sum()) - used, 1)
            ),
        },
    )
    return _name_bands(_name_columns(curves, fit, known), fit, number)


def _label_light(
    dims: tuple[str, ...], values: Floats, long_name: str, units: str
) -> xr.Variable:
    """Return an array in the units of the intensity."""
    attrs = {"units": units, "long_name": long_name}
    return xr.Variable(dims, np.asarray(values, dtype=float), attrs)


def _name_columns(
    curves: xr.Dataset, fit: BandFit, known: Identifiability | None
) -> xr.Dataset:
    """Return the curves with the names of their columns."""
    names = {
        COLUMN: ((COLUMN,), list(fit.model.names), {"long_name": "column"}),
        "column_species": (
            (COLUMN,),
            list(fit.model.species),
            {"long_name": "what the column belongs to"},
        ),
    }
    if known is not None:
        status = [known.verdict(name).status.value for name in fit.model.names]
        names["column_status"] = (
            (COLUMN,),
            status,
            {"long_name": "what is known of the column"},
        )
    return curves.assign_coords(names)


def _name_bands(curves: xr.Dataset, fit: BandFit, number: int) -> xr.Dataset:
    """Return the curves with name and centre of every band."""
    model, layout, spectrum = fit.model, fit.layout, fit.spectra[number]
    centre, _ = place_bands(layout, fit.solution.shared, along=spectrum.along)
    moved = centre + fit.solution.locals[number][layout.axis_shift]
    tied = {band: tie.name for tie in model.ties for band in tie.bands}
    names = [band.name for band in model.bands]
    attrs = {"units": "cm-1", "long_name": "centre"}
    return curves.assign_coords(
        {
            BAND: ((BAND,), np.asarray(names, dtype=str), {"long_name": "band"}),
            "band_column": (
                (BAND,),
                np.asarray([tied.get(name, name) for name in names], dtype=str),
                {"long_name": "column that holds the band"},
            ),
            "band_species": (
                (BAND,),
                np.asarray([band.species for band in model.bands], dtype=str),
                {"long_name": "what the band belongs to"},
            ),
        }
    ).assign(centre=((BAND,), moved, attrs))
