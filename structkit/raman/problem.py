"""One spectrum as the solver sees it: weighted, its baseline projected out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from structkit.raman.baseline import Projection, make_projection, penalty_weight
from structkit.raman.layout import Layout
from structkit.raman.model import BandModel, Template
from structkit.raman.shapes import evaluate_shape

Floats = NDArray[np.float64]


class TemplateCurve:
    """A template of unit area over a range, and its slope, at any shift."""

    def __init__(self, template: Template, low: float, high: float) -> None:
        shift = np.asarray(template.raman_shift, dtype=float)
        values = np.asarray(template.values, dtype=float)
        spline = CubicSpline(shift, values)
        area = float(spline.integrate(max(low, shift[0]), min(high, shift[-1])))
        self._spline, self._area = spline, area
        self._ends = float(shift[0]), float(shift[-1])

    def evaluate(self, raman_shift: Floats) -> tuple[Floats, Floats]:
        """Return values and derivative by the Raman shift at given shifts."""
        inside = np.clip(raman_shift, *self._ends)
        return self._spline(inside) / self._area, self._spline(inside, 1) / self._area


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spectrum:
    """Arrays of one spectrum; a masked point has a huge sigma."""

    raman_shift: Floats
    """Ascending, cm-1, shape (n_points,)."""
    intensity: Floats
    """As recorded, shape (n_points,)."""
    sigma: Floats
    """1 sigma of it, shape (n_points,)."""
    basis: Floats
    """Splines of the baseline, shape (n_points, n_splines)."""
    penalty: Floats
    """Differences of its coefficients."""
    edge: Floats
    """Curves of the laser's edge, shape (n_points, n_edges)."""
    light: float
    """Level of the baseline, for the penalty."""
    along: float = 0.0
    """Place along the series' axis, -0.5 to 0.5, for drifts."""

    def project(self, sigma: Floats, smoothness: float) -> Projection:
        """Return the projection for these weights."""
        weight = penalty_weight(smoothness, self.light)
        return make_projection(self.basis, sigma, penalty=self.penalty, weight=weight)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Curves of unit area and derivatives by what is not linear."""

    unit: Floats
    """Each column, shape (n_points, n_columns)."""
    by_shared: Floats
    """Sum of columns by the shared parameters, shape (n_points, n_shared)."""
    by_axis_shift: Floats
    """Sum of columns by the axis shift, shape (n_points,)."""


def evaluate_columns(
    spectrum: Spectrum,
    model: BandModel,
    layout: Layout,
    *,
    templates: tuple[TemplateCurve, ...],
    shared: Floats,
    local: Floats,
) -> Columns:
    """Evaluate bands and templates at given parameters.

    The axis of a spectrum that reads high by ``shift`` shows every band at its centre
    plus ``shift``.
    """
    x = spectrum.raman_shift
    n = len(model.bands)
    unit = np.empty((x.size, layout.linear.stop))
    unit[:, layout.edge] = spectrum.edge
    by_shared = np.zeros((x.size, layout.n_shared))
    by_axis = np.zeros(x.size)
    if n:
        centre, width = place_bands(layout, shared, along=spectrum.along)
        mixing = shared[layout.mixing]
        distance = x[None, :] - (centre + local[layout.axis_shift])[:, None]
        values = evaluate_shape(
            distance,
            width[layout.family],
            mixing[layout.family],
            shape=model.shape,
            skew=band_skews(layout, shared),
            instrument_fwhm=model.instrument_fwhm,
        )
        area = (layout.shares @ local[layout.area])[:, None]
        unit[:, layout.area] = values.value.T @ layout.shares
        moved = area * values.by_centre
        by_shared[:, layout.centre] = moved.T
        by_axis += moved.sum(axis=0)
        member = np.zeros((n, len(width)))
        member[np.arange(n), layout.family] = 1.0
        by_shared[:, layout.log_width] = (area * values.by_log_width).T @ member
        by_shared[:, layout.mixing] = (area * values.by_mixing).T @ member
        chosen = layout.skewed
        by_shared[:, layout.skew] = (area[chosen] * values.by_skew[chosen]).T
        if model.drift:
            drift = spectrum.along
            by_shared[:, layout.centre_drift] = drift * by_shared[:, layout.centre]
            by_shared[:, layout.width_drift] = drift * by_shared[:, layout.log_width]
    for number, curve in enumerate(templates):
        own = shared[layout.template_shift][number]
        axis = 0.0 if model.templates[number].background else local[layout.axis_shift]
        value, slope = curve.evaluate(x - own - axis)
        unit[:, layout.scale.start + number] = value
        moved_template = -local[layout.scale][number] * slope
        by_shared[:, layout.template_shift.start + number] = moved_template
        if not model.templates[number].background:
            by_axis += moved_template
    return Columns(unit, by_shared, by_axis)


def place_bands(
    layout: Layout, shared: Floats, *, along: float = 0.0
) -> tuple[Floats, Floats]:
    """Return the centres of the bands and the widths of the families, cm-1."""
    centre, log_width = shared[layout.centre], shared[layout.log_width]
    if layout.centre_drift.stop > layout.centre_drift.start:
        centre = centre + along * shared[layout.centre_drift]
        log_width = log_width + along * shared[layout.width_drift]
    return centre, np.exp(log_width)


def band_skews(layout: Layout, shared: Floats) -> Floats:
    """Return the skew of each band, shape (n_bands,)."""
    skew = layout.held_skew.copy()
    skew[layout.skewed] = shared[layout.skew]
    return skew


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """Normal equations of one spectrum: the baseline is out, priors are not in."""

    matrix: Floats
    """Shared, then local parameters, shape (n_shared + n_local,) * 2."""
    gradient: Floats
    """Of half of chi-square, same order."""
    chi_square: float
    """Weighted squares that no baseline explains."""


def form_normal(
    spectrum: Spectrum,
    columns: Columns,
    layout: Layout,
    *,
    local: Floats,
    sigma: Floats,
    projection: Projection,
) -> Normal:
    """Return the normal equations at given columns."""
    jacobian = stack_jacobian(columns, layout)
    jacobian /= sigma[:, None]
    light = columns.unit @ local[layout.linear]
    residual = (spectrum.intensity - light) / sigma
    products = projection.reduce_products(jacobian, residual)
    return Normal(products.normal, -products.gradient, products.chi_square)


def stack_jacobian(columns: Columns, layout: Layout) -> Floats:
    """Return the derivative of the bands' sum by shared, then local parameters."""
    n_points = columns.unit.shape[0]
    jacobian = np.empty((n_points, layout.n_shared + layout.n_local))
    jacobian[:, : layout.n_shared] = columns.by_shared
    jacobian[:, layout.n_shared : -1] = columns.unit
    jacobian[:, -1] = columns.by_axis_shift
    return jacobian
