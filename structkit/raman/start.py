"""Where the bands of a fit start: each where the spectra want it most.

Least squares finds the nearest minimum, so a band that starts on the wrong side of a
neighbour stays there. Bands are therefore placed one by one, the strongest first: on
the mean spectrum, where the gain in chi-square less what the priors of centre and
width charge is largest, all earlier bands and the baseline free to give way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from structkit.raman.baseline import penalty_weight
from structkit.raman.layout import Layout, Priors
from structkit.raman.model import BandModel
from structkit.raman.problem import (
    Spectrum,
    TemplateCurve,
    evaluate_columns,
)
from structkit.raman.shapes import ShapeValues, evaluate_shape

Floats = NDArray[np.float64]

_STEPS = 25
_WIDTHS = (-1.0, 0.0, 1.0)
_LEAST = 1e-3
_SMOOTHNESS = 0.1
_RIDGE = 1e-9
_SAME = 1e-8
"""Share of a curve's norm below which the space holds it already."""
_POINTS_PER_WIDTH = 4.0
"""Points that the narrowest band keeps over its width when neighbours are averaged,
about."""
_NARROW = 1.2
"""Prior factor of the width below which a band is known and not searched for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """The mean spectrum, what is placed already taken out."""

    raman_shift: Floats
    sigma: Floats
    space: Floats
    residual: Floats


def place_bands_at_start(
    blocks: Sequence[Spectrum],
    model: BandModel,
    layout: Layout,
    *,
    priors: Priors,
    templates: tuple[TemplateCurve, ...],
) -> Floats:
    """Return shared parameters to start from.

    Parameters
    ----------
    blocks : sequence of Spectrum
        All on one axis, or the first one's axis counts.
    model : BandModel
        The model.
    layout : Layout
        Of the model.
    priors : Priors
        Of the shared parameters.
    templates : tuple of TemplateCurve
        Of the model.

    Returns
    -------
    ndarray, shape (n_shared,)
        The priors' means, but for the centres and widths of bands with room to move.
    """
    start = priors.mean.copy()
    target = _first_target(blocks, model, layout, start, templates)
    chosen: dict[int, list[float]] = {}
    for number in _order(model):
        curves, centre, log_width = _best(target, model, layout, number, priors)
        if centre is not None:
            start[layout.centre.start + number] = centre
            chosen.setdefault(int(layout.family[number]), []).append(log_width)
        target = _taken_out(target, curves)
    for family, widths in chosen.items():
        place = layout.log_width.start + family
        start[place] = np.clip(np.mean(widths), priors.low[place], priors.high[place])
    return start


def average_points(spectrum: Spectrum, model: BandModel) -> Spectrum:
    """Return a spectrum whose neighbours are averaged, as far as no band blurs.

    Parameters
    ----------
    spectrum : Spectrum
        With all its points.
    model : BandModel
        The narrowest of its bands keeps four points over its width.

    Returns
    -------
    Spectrum
        The same light on fewer points, for the first steps of a fit.
    """
    together = _points_together(spectrum.raman_shift, model)
    if together == 1:
        return spectrum
    weight = spectrum.sigma**-2.0
    shift, intensity, basis, edge = (
        _averaged(each, weight, together)
        for each in (
            spectrum.raman_shift,
            spectrum.intensity,
            spectrum.basis,
            spectrum.edge,
        )
    )
    starts = np.arange(0, weight.size, together)
    return replace(
        spectrum,
        raman_shift=shift,
        intensity=intensity,
        sigma=np.add.reduceat(weight, starts) ** -0.5,
        basis=basis,
        edge=edge,
    )


def areas_at_start(
    block: Spectrum,
    model: BandModel,
    layout: Layout,
    *,
    shared: Floats,
    templates: tuple[TemplateCurve, ...],
    smoothness: float = _SMOOTHNESS,
) -> tuple[Floats, float]:
    """Return a spectrum's own parameters, the best areas at given bands, and the cost.

    Parameters
    ----------
    block : Spectrum
        The spectrum.
    model : BandModel
        The model.
    layout : Layout
        Of the model.
    shared : ndarray, shape (n_shared,)
        Where the bands start.
    templates : tuple of TemplateCurve
        Of the model.
    smoothness : float
        Weight of the baseline's penalty.

    Returns
    -------
    local : ndarray, shape (n_local,)
        Areas that are not negative; the axis is not shifted.
    cost : float
        Half of what is left of chi-square.

    Notes
    -----
    Areas must not start from zero: the first step of least squares would clip some of
    them there, and a band without area goes back to its prior's centre and stays.
    """
    local = np.zeros(layout.n_local)
    columns = evaluate_columns(
        block, model, layout, templates=templates, shared=shared, local=local
    )
    curves = columns.unit / block.sigma[:, None]
    projection = block.project(block.sigma, smoothness)
    products = projection.reduce_products(curves, block.intensity / block.sigma)
    matrix = products.normal
    whole = np.sum(curves**2, axis=0)
    diagonal = np.diag(matrix)
    seen = diagonal > _RIDGE * whole  # the baseline can be all of a smooth template
    scale = np.where(seen, 1.0 / np.sqrt(np.where(seen, diagonal, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(matrix * np.outer(scale, scale))
    root = np.sqrt(np.maximum(values, _RIDGE))
    right = (vectors / root).T @ (scale * products.gradient)
    amounts, left = nnls((vectors * root).T, right)
    local[layout.linear] = scale * amounts
    return local, 0.5 * (products.chi_square - float(right @ right) + left**2)


def _order(model: BandModel) -> list[int]:
    """Return the free bands that may move, known ones first, then by strength."""
    free = list(model.free_bands)
    known = [k for k in free if model.bands[k].fwhm_factor <= _NARROW]
    rest = [k for k in free if model.bands[k].fwhm_factor > _NARROW]
    return known + sorted(rest, key=lambda k: -model.bands[k].strength)


def _first_target(
    blocks: Sequence[Spectrum],
    model: BandModel,
    layout: Layout,
    start: Floats,
    templates: tuple[TemplateCurve, ...],
) -> _Target:
    """Return the mean spectrum and the space of baseline, ties and templates."""
    first = blocks[0]
    alike = [b for b in blocks if np.array_equal(b.raman_shift, first.raman_shift)]
    weight = np.asarray([b.sigma**-2.0 for b in alike])
    total = weight.sum(axis=0)
    mean = (weight * np.asarray([b.intensity for b in alike])).sum(axis=0) / total
    light = float(np.mean(np.abs(mean)))
    columns = evaluate_columns(
        first,
        model,
        layout,
        templates=templates,
        shared=start,
        local=np.zeros(layout.n_local),
    )
    n_free = len(model.free_bands)
    together = _points_together(first.raman_shift, model)
    shift, mean, basis, kept = (
        _averaged(each, total, together)
        for each in (first.raman_shift, mean, first.basis, columns.unit[:, n_free:])
    )
    starts = np.arange(0, total.size, together)
    sigma = np.add.reduceat(total, starts) ** -0.5
    pull = penalty_weight(_SMOOTHNESS, light) * first.penalty
    rows = np.vstack(
        [
            np.hstack([basis, kept]) / sigma[:, None],
            np.pad(pull, ((0, 0), (0, kept.shape[1]))),
        ]
    )
    orthogonal, triangle = np.linalg.qr(rows)
    strength = np.abs(np.diag(triangle))
    space = orthogonal[:, strength > 1e-10 * strength.max()]
    padded = np.concatenate([mean / sigma, np.zeros(pull.shape[0])])
    residual = padded - space @ (space.T @ padded)
    return _Target(shift, sigma, space, residual)


def _points_together(raman_shift: Floats, model: BandModel) -> int:
    """Return how many neighbours may be averaged without blurring a band."""
    step = float(np.median(np.diff(raman_shift)))
    narrowest = min((band.fwhm for band in model.bands), default=step)
    return max(1, round(narrowest / (_POINTS_PER_WIDTH * step)))


def _averaged(values: Floats, weight: Floats, together: int) -> Floats:
    """Return weighted means of runs of points along the first axis."""
    starts = np.arange(0, weight.size, together)
    weights = weight.reshape(-1, *[1] * (values.ndim - 1))
    summed = np.add.reduceat(values * weights, starts, axis=0)
    return np.asarray(summed / np.add.reduceat(weights, starts, axis=0))


def _best(
    target: _Target, model: BandModel, layout: Layout, number: int, priors: Priors
) -> tuple[Floats, float | None, float]:
    """Return a band's best curves (over sigma), centre and log width.

    The best of a grid of centres at the expected width, then the best width there.
    """
    place = layout.centre.start + number
    width_place = layout.log_width.start + int(layout.family[number])
    expected, centre_std = priors.mean[place], priors.std[place]
    middle, spread = priors.mean[width_place], priors.std[width_place]
    low = max(priors.low[place], target.raman_shift[0])
    high = min(priors.high[place], target.raman_shift[-1])
    known = model.bands[number].fwhm_factor <= _NARROW or not low < high

    def try_places(centre: Floats, log_width: Floats) -> tuple[ShapeValues, Floats]:
        shapes = evaluate_shape(
            target.raman_shift[None, :] - centre[:, None],
            np.exp(log_width),
            np.full(centre.size, priors.mean[layout.mixing][layout.family[number]]),
            shape=model.shape,
            instrument_fwhm=model.instrument_fwhm,
        )
        charge = ((centre - expected) / centre_std) ** 2
        charge = charge + ((log_width - middle) / spread) ** 2
        return shapes, _gain(target, shapes.value) - charge

    if not known:
        grid = np.append(expected, np.linspace(low, high, _STEPS))
        _, worth = try_places(grid, np.full(grid.size, middle))
        best = grid[int(np.argmax(worth))]
        widths = np.clip(
            middle + spread * np.asarray(_WIDTHS),
            priors.low[width_place],
            priors.high[width_place],
        )
        shapes, worth = try_places(np.full(widths.size, best), widths)
        chosen = int(np.argmax(worth))
        if worth[chosen] > 0.0:
            curves = (shapes.value, shapes.by_centre, shapes.by_log_width)
            taken = np.asarray([curve[chosen] for curve in curves])
            return taken.T / target.sigma[:, None], float(best), float(widths[chosen])
    shapes, _ = try_places(np.asarray([expected]), np.asarray([middle]))
    return shapes.value.T / target.sigma[:, None], None, float(middle)


def _gain(target: _Target, values: Floats) -> Floats:
    """Return the decrease of chi-square that each of some curves would bring."""
    trial = values / target.sigma
    seen = trial @ target.space[: trial.shape[1]]
    whole = np.einsum("ij,ij->i", trial, trial)
    power = whole - np.einsum("ij,ij->i", seen, seen)
    slope = trial @ target.residual[: trial.shape[1]]
    usable = (power > _LEAST * whole) & (slope > 0.0)
    return np.where(usable, slope**2 / np.maximum(power, 1e-300), 0.0)


def _taken_out(target: _Target, curves: Floats) -> _Target:
    """Return the target with a band in its space, and what moves and widens it.

    The grid of centres and widths is coarse. Without the derivatives, what it misses
    of a strong band would draw the next, weaker one.
    """
    space, residual = target.space, target.residual
    padded = np.zeros((residual.size, curves.shape[1]))
    padded[: curves.shape[0]] = curves
    unit, triangle = np.linalg.qr(padded - space @ (space.T @ padded))
    left = np.diag(triangle)
    kept = np.abs(left) > _SAME * np.linalg.norm(curves, axis=0)
    unit = unit * np.where(left < 0.0, -1.0, 1.0)
    amounts = unit.T @ residual
    amounts[0] = max(amounts[0], 0.0)  # a band has no negative area
    residual = residual - unit[:, kept] @ amounts[kept]
    space = np.column_stack([space, unit[:, kept]])
    return _Target(target.raman_shift, target.sigma, space, residual)
