"""Glass or holder blank as a template: what a fit scales and adds to a sample's bands.

The blank is measured with noise of its own, and on its own axis. It is smoothed by a
penalised cubic spline whose stiffness is chosen by generalised cross-validation, each
point weighted by its noise, and evaluated on the sample's axis in the same step; the
spline's covariance gives the noise that is left in the template.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline

from structkit.errors import DataQualityWarning, SchemaError
from structkit.raman.gain import estimate_noise, noise_std
from structkit.raman.model import Template
from structkit.raman.reduction import REDUCTION
from structkit.schema import (
    INTENSITY,
    INTENSITY_STD,
    MASKED,
    RAMAN_SHIFT,
    SPOT,
    validate_spectra,
)

Floats = NDArray[np.float64]

GLASSES = ("cover glass", "silica glass")
"""Species that a measured blank stands for."""
BLANK = "blank"
"""Variable (raman_shift): the template, of unit area."""
BLANK_STD = "blank_std"
"""Variable (raman_shift): 1 sigma of it."""

_DEGREE = 3
_STIFFNESS = np.logspace(-6.0, 8.0, 29)
_LEAST_COVERED = 0.5
_TOUCH = 2.0
"""Edges that differ by less than so many steps count as the same range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlankTemplate:
    """A blank on a sample's axis."""

    values: Floats
    """Shape (n_points,), area 1 over the covered range, **cm** (one over cm-1); held
    at the last value outside it."""
    values_std: Floats
    """1 sigma of each, same units; of the covered range's edge outside it."""
    covered: NDArray[np.bool_]
    """Where the blank was measured."""
    area: float
    """What ``values`` were divided by, **intensity units times cm-1**."""
    relative_noise: float
    """Root mean square of ``values_std`` over that of ``values``."""
    n_free: float
    """Effective number of parameters of the spline."""
    source: str
    """File of the blank."""


def make_blank_column(blank: xr.Dataset, raman_shift: ArrayLike) -> Template:
    """Return a measured blank as a column of a model.

    Parameters
    ----------
    blank : xarray.Dataset
        Spectrum of glass or holder alone, as :func:`prepare_blank` takes it.
    raman_shift : array_like, shape (n_points,)
        Ascending, over the range of the fit, **cm-1**.

    Raises
    ------
    SchemaError
        As :func:`prepare_blank`.
    """
    axis = np.asarray(raman_shift, dtype=float)
    found = prepare_blank(blank, axis)
    return Template(
        name=BLANK,
        species=BLANK,
        raman_shift=axis,
        values=found.values,
        background=True,
    )


def prepare_blank(
    blank: xr.Dataset, raman_shift: ArrayLike, *, knot_spacing: float = 10.0
) -> BlankTemplate:
    """Bring a blank onto a sample's axis as a template of unit area.

    Parameters
    ----------
    blank : xarray.Dataset
        Spectrum of glass or holder alone (:mod:`structkit.schema.spectra`), prepared
        like the sample: same calibration, same reduction, rays masked. Spots are
        averaged by their noise.
    raman_shift : array_like, shape (n_points,)
        The sample's axis, ascending, **cm-1**.
    knot_spacing : float
        Distance of the spline's knots, **cm-1**: nothing sharper is kept. Glass has
        no band narrower than some 30 cm-1.

    Returns
    -------
    BlankTemplate
        One column for a fit.

    Raises
    ------
    SchemaError
        When the blank covers less than half of the range, or has no positive area.

    Warns
    -----
    DataQualityWarning
        Where the blank does not cover the range.

    References
    ----------
    P. H. C. Eilers, B. D. Marx, Statist. Sci. 11 (1996) 89,
    doi:10.1214/ss/1038425655.
    """
    validate_spectra(blank)
    if not knot_spacing > 0.0:
        raise SchemaError(f"knot_spacing must be positive, not {knot_spacing:g} cm-1")
    axis = np.asarray(raman_shift, dtype=float)
    shift, mean, std = _average(blank)
    source = str(blank.attrs.get("source_file", "blank"))
    covered = _cover(shift, axis, source=source)
    inside = np.clip(axis, shift[0], shift[-1])
    curve, curve_std, n_free = smooth_spline(
        shift, mean, std, at=inside, knot_spacing=knot_spacing
    )
    area = float(np.trapezoid(curve[covered], axis[covered]))
    if area <= 0.0:
        raise SchemaError(f"blank {source}: its area over the range is not positive")
    size = float(np.sqrt(np.mean(curve[covered] ** 2)))
    return BlankTemplate(
        values=curve / area,
        values_std=curve_std / area,
        covered=covered,
        area=area,
        relative_noise=float(np.sqrt(np.mean(curve_std[covered] ** 2))) / size,
        n_free=n_free,
        source=source,
    )


def _average(blank: xr.Dataset) -> tuple[Floats, Floats, Floats]:
    """Return axis, mean and its 1 sigma over the spots, masked points left out."""
    dims = (SPOT, RAMAN_SHIFT)
    values = blank[INTENSITY].transpose(*dims).to_numpy()
    if INTENSITY_STD in blank:
        std = blank[INTENSITY_STD].transpose(*dims).to_numpy()
    elif REDUCTION in blank.attrs:
        raise SchemaError(
            "a reduced blank needs intensity_std; add it before the reduction"
        )
    else:
        std = noise_std(blank, estimate_noise(blank)).to_numpy()
    free = np.any(values != 0.0, axis=1)[:, None] & np.ones(values.shape, dtype=bool)
    if MASKED in blank:
        free &= blank[MASKED].transpose(*dims).to_numpy() == 0
    # One weight for a whole spot, so that a bright spot's bands are not cut down.
    weight = free / np.mean(std**2, axis=1, keepdims=True)
    total = weight.sum(axis=0)
    known = total > 0.0
    if not known.any():
        raise SchemaError("blank: no point carries information")
    mean = np.sum(weight * values, axis=0)[known] / total[known]
    esd = np.sqrt(np.sum((weight * std) ** 2, axis=0))[known] / total[known]
    return blank[RAMAN_SHIFT].to_numpy()[known], mean, esd


def _cover(shift: Floats, axis: Floats, *, source: str) -> NDArray[np.bool_]:
    """Return where the blank covers an axis; warn or refuse where it does not."""
    slack = _TOUCH * float(np.median(np.diff(shift)))
    covered = (axis >= shift[0] - slack) & (axis <= shift[-1] + slack)
    share = float(covered.mean())
    if share < _LEAST_COVERED:
        raise SchemaError(
            f"blank {source} covers {shift[0]:.0f} to {shift[-1]:.0f} cm-1, "
            f"{100.0 * share:.0f} % of the sample's {axis[0]:.0f} to {axis[-1]:.0f}; "
            "measure it over the same range"
        )
    if share < 1.0:
        warnings.warn(
            f"blank {source} covers {shift[0]:.0f} to {shift[-1]:.0f} cm-1 of the "
            f"sample's {axis[0]:.0f} to {axis[-1]:.0f}; outside it is held constant",
            DataQualityWarning,
            stacklevel=3,
        )
    return np.asarray(covered)


def smooth_spline(
    x: Floats, y: Floats, std: Floats, *, at: Floats, knot_spacing: float
) -> tuple[Floats, Floats, float]:
    """Smooth noisy points by a penalised spline.

    Parameters
    ----------
    x, y, std : numpy.ndarray, shape (n_points,)
        Ascending; values; 1 sigma.
    at : numpy.ndarray, shape (n_new,)
        Within ``x``.
    knot_spacing : float
        In the units of ``x``.

    Returns
    -------
    curve, curve_std : numpy.ndarray, shape (n_new,)
        Spline, and what of ``std`` is left in it; the bias of smoothing is not in it.
    n_free : float
        Effective number of parameters.

    Notes
    -----
    ``minimise sum ((y - B c) / std)^2 + k |D2 c|^2`` with the k of least generalised
    cross-validation; the covariance of c is ``M^-1 B'WB M^-1``, M = B'WB + k D2'D2.
    """
    n_spans = max(4, int(math.ceil((x[-1] - x[0]) / knot_spacing)))
    step = (x[-1] - x[0]) / n_spans
    knots = x[0] + step * np.arange(-_DEGREE, n_spans + _DEGREE + 1)
    knots[n_spans + _DEGREE] = x[-1]
    basis = BSpline.design_matrix(x, knots, _DEGREE).toarray()
    weighted = basis / std[:, None]
    normal = weighted.T @ weighted
    second = np.diff(np.eye(basis.shape[1]), 2, axis=0)
    penalty = second.T @ second
    scale = float(np.trace(normal)) / basis.shape[1]
    right = weighted.T @ (y / std)
    best = (math.inf, normal, right, 0.0)
    for stiffness in _STIFFNESS:
        inverse = np.linalg.pinv(normal + stiffness * scale * penalty, hermitian=True)
        terms = inverse @ right
        n_free = float(np.sum(inverse * normal))
        misfit = float(np.sum((y / std - weighted @ terms) ** 2))
        criterion = misfit / (x.size - n_free) ** 2
        if criterion < best[0]:
            best = (criterion, inverse, terms, n_free)
    _, inverse, terms, n_free = best
    new = BSpline.design_matrix(at, knots, _DEGREE).toarray()
    covariance = inverse @ normal @ inverse
    variance = np.einsum("ij,jk,ik->i", new, covariance, new, optimize=True)
    return new @ terms, np.sqrt(np.maximum(variance, 0.0)), n_free
