"""Fit the lines of sites to one NMR spectrum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import chi2

from structkit.errors import FitError, SchemaError
from structkit.nmr.line_fit import LineFit
from structkit.nmr.line_model import CENTRE, LOG_WIDTH, LineModel
from structkit.nmr.line_noise import (
    NoiseCorrelation,
    constant_correlation,
    detrend,
    measure_correlation,
)
from structkit.nmr.minimise import Minimum, minimise_squares
from structkit.nmr.sites import LineFitOptions, Site
from structkit.nmr.spectrum import find_correlation
from structkit.schema import (
    CHEMICAL_SHIFT,
    INTENSITY,
    INTENSITY_STD,
    LARMOR_FREQUENCY,
    FitStatus,
    validate_nmr_spectrum,
)
from structkit.schema.nmr import INTENSITY_IMAG

Floats = NDArray[np.float64]

_ROUGHLY = 1e-4
"""Part of the cost that is not worth a step from one of several starts."""
_FINELY = 2e-5
"""Of chi-square of independent points: not worth a step to the minimum told."""
_SAME_COST = 1e-3
_NEAR = 10.0
"""Of chi-square of independent points: a minimum as good as the best."""
_MISFIT = 3.0
"""Sigmas of reduced chi-square above 1 from which lines do not describe the data."""
_AGREE = 2
_BELOW_ZERO = 2.0
_NO_LINE = 0.01
"""Probability of what free lines gain where there are none, below which they stay."""
_APART = 2.0
"""Sums of two widths between lines that do not overlap."""
_PER_LINE = 3
"""Place, width and shape of a line."""
_MAD = 1.4826
_LEAST_NOISE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class LineComparison:
    """Several numbers of lines beside each other."""

    fits: tuple[LineFit, ...]
    """In the order given."""
    bic: tuple[float, ...]
    """All with the correlation length of the fit that leaves least."""
    best: int
    """Place of the least."""


def fit_lines(
    spectrum: xr.Dataset,
    sites: Sequence[Site],
    options: LineFitOptions | None = None,
) -> LineFit:
    """Fit lines of sites, a baseline and a phase to one spectrum.

    Parameters
    ----------
    spectrum : xarray.Dataset
        :mod:`structkit.schema.nmr`, without ``delay``; with ``larmor_frequency``.
    sites : sequence of Site
        One for each line.
    options : LineFitOptions, optional
        Window, baseline, phase, sidebands, noise, starts.

    Returns
    -------
    LineFit
        A fit that did not converge is a value with its reason.

    Raises
    ------
    SchemaError
        The dataset is no spectrum, holds one for each delay, or lacks the Larmor
        frequency or the imaginary part that a phase needs.
    FitError
        No sites, names twice, a site outside the points, too few points.

    Notes
    -----
    Least squares from several starts. The covariance is that of least squares with
    noise as correlated as it is measured: ``H^-1 J G J^T H^-1``. Noise that is not
    known is that of the residual, misfit in. Lorentzian shares describe a shape only.
    A line that is not seen, apart from those that are, has its place and shape held as
    given: free, it follows the baseline, and its area is as uncertain as the broadest
    allowed.

    Examples
    --------
    >>> from structkit.schema import make_nmr_spectrum
    >>> shift = np.linspace(-40.0, 40.0, 400)
    >>> height = 5.0 * np.exp(-((shift + 10.6) ** 2)) + 0.01 * np.cos(9.0 * shift**2)
    >>> spectrum = make_nmr_spectrum(
    ...     shift, height, scalars={"larmor_frequency": 132.294}
    ... )
    >>> fit = fit_lines(spectrum, [Site(name="NTC", shift_ppm=-11.0, fwhm_hz=300.0)])
    >>> print(fit.status.value, round(float(fit.shifts[0]), 2))
    converged -10.6
    """
    options = options or LineFitOptions()
    model, sigma, known, correlation, remarks = _prepare(
        spectrum, tuple(sites), options
    )
    minima = _minimise(model)
    noise = (sigma, known, correlation)
    if not np.isfinite(minima[0].cost):
        return _failed(model, noise, remarks=remarks)
    if any(_has_prior(site) for site in model.sites):
        model, minima = _reweigh(model, minima[0], noise)
    fit = _conclude(model, minima, noise, remarks=remarks)
    return _hold_unseen(fit, minima[0], noise, remarks=remarks)


def compare_lines(
    spectrum: xr.Dataset,
    candidates: Sequence[Sequence[Site]],
    options: LineFitOptions | None = None,
) -> LineComparison:
    """Fit several sets of sites and tell which the data ask for.

    Parameters
    ----------
    spectrum : xarray.Dataset
        As for :func:`fit_lines`.
    candidates : sequence of sequences of Site
        Sets of sites, such as one line and two.
    options : LineFitOptions, optional
        The same for all.

    Returns
    -------
    LineComparison
        A difference of BIC below 6 decides nothing.

    Raises
    ------
    SchemaError, FitError
        As :func:`fit_lines`; no candidates.
    """
    if not candidates:
        raise FitError("no sets of sites to compare")
    fits = tuple(fit_lines(spectrum, sites, options) for sites in candidates)
    usable = [fit for fit in fits if fit.status.has_values]
    if not usable:
        return LineComparison(fits=fits, bic=(math.nan,) * len(fits), best=0)
    length = min(fit.correlation.length for fit in usable)
    bic = tuple(fit.bic(length) if fit.status.has_values else math.inf for fit in fits)
    return LineComparison(fits=fits, bic=bic, best=int(np.argmin(bic)))


_Noise = tuple[float, bool, NoiseCorrelation | None]


def _prepare(
    spectrum: xr.Dataset, sites: tuple[Site, ...], options: LineFitOptions
) -> tuple[LineModel, float, bool, NoiseCorrelation | None, tuple[str, ...]]:
    """Return the model over sigma, sigma, whether it is known, and remarks."""
    larmor = _check(spectrum, sites, options)
    shift = spectrum[CHEMICAL_SHIFT].to_numpy().astype(float)
    real = spectrum[INTENSITY].to_numpy().astype(float)
    sigma, known, correlation = _noise(spectrum, options)
    inside = np.ones(shift.size, dtype=bool)
    if options.window_ppm is not None:
        inside = (shift >= options.window_ppm[0]) & (shift <= options.window_ppm[1])
    shift, real = shift[inside], real[inside]
    if not shift.size:
        raise FitError(f"no points in the window {options.window_ppm} ppm")
    imaginary = None
    if options.phase != "none":
        imaginary = spectrum[INTENSITY_IMAG].to_numpy().astype(float)[inside] / sigma
    orders, remarks = _usable_orders(shift, sites, options, larmor)
    axis = np.linspace(-1.0, 1.0, shift.size)
    if shift[-1] > shift[0]:
        axis = (2.0 * shift - shift[0] - shift[-1]) / (shift[-1] - shift[0])
    baseline = np.zeros((0, shift.size))
    if options.baseline_order >= 0:
        columns = np.polynomial.legendre.legvander(axis, options.baseline_order)
        baseline = np.asarray(columns.T, dtype=np.float64)
    model = LineModel(
        sites=sites,
        options=options,
        orders=orders,
        larmor_frequency=larmor,
        shift=np.ascontiguousarray(shift),
        unit=sigma,
        real=real / sigma,
        imaginary=imaginary,
        baseline=np.ascontiguousarray(baseline),
    )
    low, high = model.limits()
    n_free = int((low < high).sum())
    if shift.size <= n_free:
        raise FitError(
            f"{shift.size} points for {n_free} free parameters; widen the window or "
            "hold some"
        )
    for site in sites:
        least, most = site.shift_limits(larmor)
        if most < shift[0] or least > shift[-1]:
            raise FitError(
                f"site {site.name} ({least:g} ... {most:g} ppm) is outside the points "
                f"({shift[0]:g} ... {shift[-1]:g} ppm)"
            )
    return model, sigma, known, correlation, remarks


def _check(
    spectrum: xr.Dataset, sites: tuple[Site, ...], options: LineFitOptions
) -> float:
    """Return the Larmor frequency in MHz; raise where a fit cannot start."""
    validate_nmr_spectrum(spectrum)
    if spectrum[INTENSITY].ndim != 1:
        raise SchemaError("spectrum has one row for each delay; choose one (isel)")
    if LARMOR_FREQUENCY not in spectrum.coords:
        raise SchemaError("spectrum has no larmor_frequency; widths need it (MHz)")
    larmor = float(spectrum[LARMOR_FREQUENCY])
    if not larmor > 0.0:
        raise SchemaError(f"larmor_frequency = {larmor} MHz is not positive")
    if options.phase != "none" and INTENSITY_IMAG not in spectrum:
        raise SchemaError("phase needs intensity_imag; set phase='none' without it")
    if not sites:
        raise FitError("no sites to fit")
    names = [site.name for site in sites]
    if len(set(names)) < len(names):
        raise FitError(f"site names are not unique: {', '.join(names)}")
    return larmor


def _noise(
    spectrum: xr.Dataset, options: LineFitOptions
) -> tuple[float, bool, NoiseCorrelation | None]:
    """Return sigma of a point, whether it is known, and its correlation."""
    correlation = find_correlation(spectrum)
    if options.correlation_length is not None:
        correlation = constant_correlation(options.correlation_length)
    shift = spectrum[CHEMICAL_SHIFT].to_numpy()
    real = spectrum[INTENSITY].to_numpy().astype(float)
    if options.noise_window_ppm is not None:
        low, high = options.noise_window_ppm
        quiet = (shift >= low) & (shift <= high)
        if quiet.sum() < 16:
            raise FitError(f"noise window {low:g} ... {high:g} ppm has < 16 points")
        left = detrend(real[quiet], shift[quiet])
        sigma = float(np.sqrt(np.mean(left**2)))
        if sigma > 0.0:
            return sigma, True, correlation or measure_correlation(left)
    if INTENSITY_STD in spectrum:
        return float(spectrum[INTENSITY_STD]), True, correlation
    if not float(np.ptp(real)) > 0.0:
        raise FitError("intensity is the same everywhere; there is nothing to fit")
    steps = np.abs(np.diff(real, 2))
    sigma = _MAD * float(np.median(steps)) / math.sqrt(6.0)
    return max(sigma, _LEAST_NOISE * float(np.ptp(real))), False, correlation


def _usable_orders(
    shift: Floats, sites: tuple[Site, ...], options: LineFitOptions, larmor: float
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return sideband orders that every site has inside the points, and remarks."""
    spacing = (options.mas_rate_hz or 0.0) / larmor
    kept: list[int] = [0]
    remarks: list[str] = []
    for order in options.sideband_orders:
        places = [site.shift_ppm + order * spacing for site in sites]
        if min(places) >= shift[0] and max(places) <= shift[-1]:
            kept.append(order)
        else:
            remarks.append(
                f"sideband {order:+d} is outside the points for some site and is left "
                "out for all"
            )
    if len(kept) > 1:
        listed = ", ".join(f"{order:+d}" for order in kept[1:])
        remarks.append(f"sidebands {listed} are {options.sidebands} for all sites")
    return tuple(kept), tuple(remarks)


def _minimise(model: LineModel) -> list[Minimum]:
    """Return minima from several starts, best first."""
    options = model.options
    generator = np.random.default_rng(options.seed)
    found: list[Minimum] = []
    for number in range(options.n_starts):
        start = model.start(generator if number else None)
        minimum = _search(model, start, enough=_ROUGHLY)
        found.append(minimum)
        least = min((one.cost for one in found if np.isfinite(one.cost)), default=0.0)
        agree = sum(one.cost <= least * (1.0 + _SAME_COST) for one in found)
        if agree >= _AGREE:
            break
    found.sort(key=lambda one: one.cost if np.isfinite(one.cost) else np.inf)
    if not np.isfinite(found[0].cost):
        return found
    length = measure_correlation(found[0].residual[: model.shift.size]).length
    enough = min(_ROUGHLY, _FINELY * length / model.shift.size)
    found[0] = _search(model, found[0].values, enough=enough)
    return found


def _search(model: LineModel, start: Floats, *, enough: float) -> Minimum:
    """Return the minimum that steps from a start lead to, its sites in order."""
    low, high = model.limits()
    minimum = minimise_squares(
        model.evaluate,
        start,
        low=low,
        high=high,
        max_steps=model.options.max_steps,
        enough=enough,
    )
    values = model.sort_sites(minimum.values)
    if np.array_equal(values, minimum.values):
        return minimum
    residual, jacobian = model.evaluate(values)
    return replace(minimum, values=values, residual=residual, jacobian=jacobian)


def _has_prior(site: Site) -> bool:
    """Return whether a normal prior stands on the site."""
    return math.isfinite(min(site.shift_prior_std_ppm, site.fwhm_prior_log_std))


def _reweigh(
    model: LineModel, best: Minimum, noise: _Noise
) -> tuple[LineModel, list[Minimum]]:
    """Return the model, fitted anew, with data weighted as priors need it.

    What one noise value counts is one independent point: sigma grows by the root of
    the correlation length, and of the misfit.
    """
    _, known, correlation = noise
    residual = best.residual[: model.shift.size]
    used = correlation or measure_correlation(residual)
    reduced = float(residual @ residual) / residual.size
    factor = math.sqrt((max(reduced, 1.0) if known else reduced) * used.length)
    imaginary = None if model.imaginary is None else model.imaginary / factor
    changed = replace(
        model,
        unit=model.unit * factor,
        real=model.real / factor,
        imaginary=imaginary,
    )
    start = best.values.copy()
    start[changed.areas] /= factor
    start[changed.polynomial] /= factor
    enough = min(_ROUGHLY, _FINELY / model.shift.size)
    return changed, [_search(changed, start, enough=enough)]


def _failed(model: LineModel, noise: _Noise, *, remarks: tuple[str, ...]) -> LineFit:
    """Return a fit without numbers."""
    square = (model.n_parameters,) * 2
    return LineFit(
        model=model,
        values=np.full(model.n_parameters, np.nan),
        covariance=np.full(square, np.nan),
        normal=np.full(square, np.nan),
        noise_std=noise[0],
        noise_known=noise[1],
        reduced_chi_square=math.nan,
        correlation=constant_correlation(1.0),
        minima=(),
        status=FitStatus.FAILED,
        reason="no finite sum of squares; look at starts and windows",
        remarks=remarks,
    )


def _conclude(
    model: LineModel,
    minima: list[Minimum],
    noise: _Noise,
    *,
    remarks: tuple[str, ...],
) -> LineFit:
    """Return the fit with noise, covariance and verdict."""
    sigma, known, correlation = noise
    best, n = minima[0], model.shift.size
    low, high = model.limits()
    free = low < high
    residual = best.residual[:n]
    own = measure_correlation(residual)
    used = correlation or own
    left = max(n - int(free.sum()) * used.length, 0.1 * n)
    variance = float(residual @ residual) / left
    unit = model.unit
    stated = (sigma / unit) ** 2
    reduced = variance / stated if known else 1.0
    reasons = [] if best.converged else [f"no minimum within {best.steps} steps"]
    spread = math.sqrt(2.0 * used.length * (1.0 / left + 1.0 / _n_noise(correlation)))
    if known and reduced > 1.0 + _MISFIT * spread:
        reasons.append(
            f"the residual is {math.sqrt(reduced):.2f} times the noise: these lines "
            "do not describe the data"
        )
        used = own if own.length > used.length else used
    elif known:
        variance = stated
    normal, covariance = _covariance(best.jacobian, n, used, (free, variance))
    near = _NEAR * variance * used.length
    fit = LineFit(
        model=model,
        values=best.values,
        covariance=covariance,
        normal=normal,
        noise_std=sigma if known else unit * math.sqrt(variance),
        noise_known=known,
        reduced_chi_square=reduced,
        correlation=used,
        minima=tuple(
            one.values for one in minima[1:] if 2.0 * (one.cost - best.cost) < near
        ),
        status=FitStatus.CONVERGED if best.converged else FitStatus.NOT_CONVERGED,
        reason="",
        remarks=remarks,
    )
    reasons += _doubts(fit)
    doubtful = reasons and best.converged
    status = FitStatus.DOUBTFUL if doubtful else fit.status
    return replace(fit, status=status, reason="; ".join(reasons))


def _hold_unseen(
    fit: LineFit, best: Minimum, noise: _Noise, *, remarks: tuple[str, ...]
) -> LineFit:
    """Return the fit with lines that are not seen held in place, width and shape.

    One after the other, the least seen first; a line stays free where what it
    describes is more than noise, where it is seen once held (it trades with others
    while free), and where nothing at all is seen.
    """
    if not fit.status.has_values or len(fit.unseen) == len(fit.names):
        return fit
    held: list[str] = []
    while (number := _least_seen(fit)) is not None:
        sites = list(fit.model.sites)
        sites[number] = _hold(sites[number])
        model = replace(fit.model, sites=tuple(sites))
        low, high = model.limits()
        start = np.clip(best.values, low, high)
        minimum = _search(
            model, start, enough=min(_ROUGHLY, _FINELY / model.shift.size)
        )
        one = (fit.noise_std / fit.model.unit) ** 2 * fit.correlation.length
        if not 2.0 * (minimum.cost - best.cost) < one * chi2.isf(_NO_LINE, _PER_LINE):
            break
        name = sites[number].name
        told = f"not seen: {', '.join([*held, name])}; shift, width and shape as given"
        found = _conclude(model, [minimum], noise, remarks=(*remarks, told))
        if name not in found.unseen:
            break
        fit, best = found, minimum
        held.append(name)
    return fit


def _least_seen(fit: LineFit) -> int | None:
    """Return the place of the free line that is seen least; None where there is none.

    A line that overlaps with one that is seen may be hidden by it, and stays free.
    """
    low, high = fit.model.limits()
    std = np.sqrt(np.maximum(np.diag(fit.area_covariance), 0.0))
    known = {
        number: float(fit.areas[number] / std[number])
        for number, site in enumerate(fit.model.sites)
        if site.name in fit.unseen
        and _is_apart(site, fit)
        and site.shape != "czjzek"
        and not _has_prior(site)
        and low[fit.model.own(number, LOG_WIDTH)]
        < high[fit.model.own(number, LOG_WIDTH)]
    }
    return min(known, key=lambda number: known[number], default=None)


def _is_apart(site: Site, fit: LineFit) -> bool:
    """Return whether a line, as given, overlaps with none that is seen."""
    return all(
        abs(site.shift_ppm - shift) * fit.model.larmor_frequency
        > _APART * (site.fwhm_hz + width)
        for name, shift, width in zip(fit.names, fit.shifts, fit.fwhm_hz, strict=True)
        if name not in fit.unseen
    )


def _hold(site: Site) -> Site:
    """Return a site whose place, width and shape are not fitted."""
    return replace(
        site,
        shift_window_ppm=(site.shift_ppm, site.shift_ppm),
        fwhm_window_hz=(site.fwhm_hz, site.fwhm_hz),
        share_window=(site.lorentzian_share, site.lorentzian_share),
    )


def _n_noise(correlation: NoiseCorrelation | None) -> float:
    """Return the number of points that told the noise; infinite where it was given."""
    return math.inf if correlation is None else correlation.n_points


def _covariance(
    jacobian: Floats,
    n_points: int,
    correlation: NoiseCorrelation,
    kind: tuple[NDArray[np.bool_], float],
) -> tuple[Floats, Floats]:
    """Return the normal matrix, and the covariance under correlated noise."""
    free, variance = kind
    free = free & (np.einsum("ij,ij->i", jacobian, jacobian) > 0.0)
    data, prior = jacobian[free, :n_points], jacobian[free, n_points:]
    matrix = data @ data.T + prior @ prior.T
    middle = prior @ prior.T + variance * data @ correlation.filter(data).T
    scale = 1.0 / np.sqrt(np.diag(matrix))
    scaled = matrix * np.outer(scale, scale)
    values, vectors = np.linalg.eigh(scaled)
    inverse = (vectors / np.maximum(values, 1e-14 * values[-1])) @ vectors.T
    inverse = inverse * np.outer(scale, scale)
    sandwich = inverse @ middle @ inverse
    size = free.size
    normal, covariance = np.zeros((size, size)), np.zeros((size, size))
    normal[np.ix_(free, free)] = matrix
    covariance[np.ix_(free, free)] = _without_negative(0.5 * (sandwich + sandwich.T))
    return normal, covariance


def _without_negative(covariance: Floats) -> Floats:
    """Return a covariance without the negative variances that rounding gave it.

    A line that shrank between two points leaves a normal matrix that cannot be
    inverted, and huge variances beside which others are lost in rounding.
    """
    size = np.sqrt(np.abs(np.diag(covariance)))
    size[size == 0.0] = 1.0
    values, vectors = np.linalg.eigh(covariance / np.outer(size, size))
    if values.size == 0 or values[0] >= 0.0:
        return covariance
    mended = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return np.asarray(mended * np.outer(size, size))


def _doubts(fit: LineFit) -> list[str]:
    """Return what makes a fit doubtful beside its residual."""
    found = [f"sum only of {'+'.join(g.sites)}: {g.reason}" for g in fit.find_groups()]
    std = np.sqrt(np.maximum(np.diag(fit.area_covariance), 0.0))
    found += [
        f"area of {name} is below zero by {-area / sigma:.1f} sigma"
        for name, area, sigma in zip(fit.names, fit.areas, std, strict=True)
        if area < -_BELOW_ZERO * sigma < 0.0
    ]
    low, high = fit.model.limits()
    for number, site in enumerate(fit.model.sites):
        for what, label in ((CENTRE, "shift"), (LOG_WIDTH, "width")):
            place = fit.model.own(number, what)
            at_limit = fit.values[place] in (low[place], high[place])
            if low[place] < high[place] and at_limit:
                found.append(f"{label} of {site.name} is at the limit of its window")
    return found
