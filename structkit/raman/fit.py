"""Fit a band model to spectra: one, the spots of a sample, or a whole series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from structkit.errors import FitError
from structkit.raman.baseline import SMOOTHNESS_GRID, log_evidence
from structkit.raman.blocks import check_model, make_blocks
from structkit.raman.layout import (
    Layout,
    Priors,
    local_priors,
    make_layout,
    shared_priors,
)
from structkit.raman.model import BandModel
from structkit.raman.problem import (
    Columns,
    Normal,
    Spectrum,
    TemplateCurve,
    evaluate_columns,
    form_normal,
    stack_jacobian,
)
from structkit.raman.solve import (
    ENOUGH,
    MAX_STEPS,
    Evaluate,
    Solution,
    in_same_valley,
    minimise,
)
from structkit.raman.start import (
    areas_at_start,
    average_points,
    place_bands_at_start,
)
from structkit.schema import FitStatus

if TYPE_CHECKING:
    import lmfit

Floats = NDArray[np.float64]

_FIRST_STEPS = 12
_FIRST_ENOUGH = 0.5
"""Of half of chi-square: what the first steps leave to the last."""
_UNDECIDED = 1.05
"""Ratio of two costs on averaged points up to which all points must decide."""
_FIRST_SMOOTHNESS = 0.1
_CHOICES = 3
"""Times the smoothness is chosen anew, as bands that were fitted under another one
hide what the baseline needs."""
_OUTLIER = 5.0
_DESCRIBED = 1.2
"""Chi-square for each point below which no spike has led the first steps astray."""
_ROUNDS = 3
"""Times outliers are weighed anew, as a fit without the worst shows the others."""
_SAME_WEIGHT = 0.05
"""Relative change of a point's sigma up to which its weight is the same."""
_NEIGHBOURS = 7
_MAD = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BandFit:
    """A band model at its best values, with all that a covariance needs."""

    model: BandModel
    """What was fitted."""
    layout: Layout
    """Where its parameters stand."""
    spectra: tuple[Spectrum, ...]
    """The spectra, as they were weighted at the end."""
    solution: Solution
    """Best values and normal equations."""
    shared_priors: Priors
    """Priors and limits of the shared parameters."""
    local_priors: Priors
    """Priors and limits of each spectrum's own."""
    smoothness: float
    """Weight of the baseline's penalty."""
    templates: tuple[TemplateCurve, ...]
    """The model's templates as curves."""
    status: FitStatus
    """How it ended."""
    reason: str = ""
    """Why not well."""
    parameters: lmfit.Parameters | None = None
    """What the user held, limited or moved."""

    @property
    def areas(self) -> Floats:
        """Return the areas of all columns, shape (n_spectra, n_columns)."""
        each = [own[self.layout.columns] for own in self.solution.locals]
        return np.asarray(each)

    @property
    def band_areas(self) -> Floats:
        """Return the areas of all bands, tied ones too, (n_spectra, n_bands)."""
        areas = self.areas[:, self.layout.area]
        return np.asarray(areas @ self.layout.shares.T)

    @property
    def n_points(self) -> int:
        """Return the number of points in the fit."""
        return sum(spectrum.raman_shift.size for spectrum in self.spectra)

    @property
    def n_parameters(self) -> int:
        """Return the number of free parameters of the bands, baseline left out."""
        own = int(self.local_priors.free.sum()) * len(self.spectra)
        return int(self.shared_priors.free.sum()) + own

    def columns(self, number: int) -> Columns:
        """Return the curves of one spectrum at the best values."""
        return evaluate_columns(
            self.spectra[number],
            self.model,
            self.layout,
            templates=self.templates,
            shared=self.solution.shared,
            local=self.solution.locals[number],
        )

    def curves(self, number: int) -> tuple[Floats, Floats]:
        """Return the bands (n_points, n_columns) and the baseline of one spectrum."""
        spectrum = self.spectra[number]
        linear = self.solution.locals[number][self.layout.linear]
        light = self.columns(number).unit * linear
        bands, edge = light[:, self.layout.columns], light[:, self.layout.edge]
        projection = spectrum.project(spectrum.sigma, self.smoothness)
        left = (spectrum.intensity - light.sum(axis=1)) / spectrum.sigma
        smooth = spectrum.basis @ projection.solve(left)
        return bands, np.asarray(smooth + edge.sum(axis=1))

    def residual(self, number: int) -> Floats:
        """Return data less model over sigma of one spectrum, shape (n_points,)."""
        spectrum = self.spectra[number]
        bands, baseline = self.curves(number)
        left = spectrum.intensity - bands.sum(axis=1) - baseline
        return np.asarray(left / spectrum.sigma)


def fit_bands(
    spectra: xr.Dataset | Sequence[xr.Dataset],
    model: BandModel,
    *,
    along: Sequence[float] | None = None,
    start: BandFit | None = None,
    parameters: lmfit.Parameters | None = None,
) -> BandFit:
    """Fit one model to all spectra together: shared bands, free areas.

    Parameters
    ----------
    spectra : xarray.Dataset or sequence of them
        Each with any number of spots (:mod:`structkit.schema.spectra`); axes may
        differ between datasets. Points whose ``masked`` is 1 have no weight.
    model : BandModel
        Bands, templates and baseline.
    along : sequence of float, optional
        Place of each dataset along the series (any unit), for ``model.drift``.
    start : BandFit, optional
        Fit of the same model whose values to start from.
    parameters : lmfit.Parameters, optional
        Shared parameters to hold, limit or move, from
        :func:`structkit.raman.parameters.make_parameters`; those that are absent or
        as they were made are the model's. Later fits from this one keep them.

    Returns
    -------
    BandFit
        A fit that did not converge is a value with its reason.

    Raises
    ------
    FitError
        Too few points for the bands, a band or a template outside the range, a
        parameter that the model does not have.
    SchemaError
        The datasets are no Raman spectra.

    Notes
    -----
    Weighted least squares with normal priors on centres and widths. The baseline is
    a penalised spline, softer by a factor than the most probable one
    (:func:`choose_smoothness`), and its uncertainty is in every covariance.
    """
    datasets = [spectra] if isinstance(spectra, xr.Dataset) else list(spectra)
    if not datasets:
        raise FitError("no spectra to fit")
    blocks = make_blocks(datasets, model, along)
    check_model(blocks, model)
    return fit_blocks(blocks, model, start=start, parameters=parameters)


def fit_blocks(
    blocks: Sequence[Spectrum],
    model: BandModel,
    *,
    start: BandFit | None = None,
    smoothness: float | None = None,
    parameters: lmfit.Parameters | None = None,
) -> BandFit:
    """Fit one model to spectra that are arrays already; see :func:`fit_bands`."""
    fit = _unfitted(blocks, model, start=start, parameters=parameters)
    chosen = smoothness or model.baseline.smoothness
    alike = fit.solution.shared.shape
    if start is not None and start.solution.shared.shape == alike:
        chosen = chosen or start.smoothness
        fit = _continued(replace(fit, smoothness=chosen), start)
        return _resist_spikes(_improve(fit), blocks)
    begun = _begin(fit)
    described = 2.0 * begun.solution.cost < _DESCRIBED * fit.n_points
    if model.loss == "robust" and not described:
        lighter = _reweighted(begun, blocks)
        if lighter is not None:
            # Spikes may have drawn bands and baseline: begin again without them.
            begun = _begin(replace(fit, spectra=lighter))
    if chosen is None:
        return _resist_spikes(_settle(begun), blocks)
    return _resist_spikes(_improve(replace(begun, smoothness=chosen)), blocks)


def _unfitted(
    blocks: Sequence[Spectrum],
    model: BandModel,
    *,
    start: BandFit | None,
    parameters: lmfit.Parameters | None,
) -> BandFit:
    """Return the fit before its first step."""
    layout = make_layout(model, n_edges=blocks[0].edge.shape[1])
    first = blocks[0].raman_shift
    step = float(np.median(np.diff(first)))
    shared = shared_priors(model, layout, step=step)
    if parameters is None and start is not None and start.model.bands == model.bands:
        parameters = start.parameters
    if parameters is not None:
        from structkit.raman.parameters import apply_parameters

        shared = apply_parameters(shared, model, parameters)
    curves = tuple(
        TemplateCurve(template, float(first[0]), float(first[-1]))
        for template in model.templates
    )
    return BandFit(
        model=model,
        layout=layout,
        spectra=tuple(blocks),
        solution=Solution(
            shared=shared.mean,
            locals=(),
            normals=(),
            cost=np.inf,
            steps=0,
            converged=False,
        ),
        shared_priors=shared,
        local_priors=local_priors(model, layout),
        smoothness=_FIRST_SMOOTHNESS,
        templates=curves,
        status=FitStatus.NOT_CONVERGED,
        parameters=parameters,
    )


def _resist_spikes(fit: BandFit, plain: Sequence[Spectrum]) -> BandFit:
    """Return the fit after outliers have lost weight, where the loss is robust."""
    for _ in range(_ROUNDS if fit.model.loss == "robust" else 0):
        lighter = _reweighted(fit, plain)
        if lighter is None or _same_weights(lighter, fit.spectra):
            break
        fit = _improve(replace(fit, spectra=lighter))
    return fit


def refit_held(fit: BandFit, held: Mapping[int, float]) -> BandFit:
    """Return the fit with some shared parameters held at given values.

    Parameters
    ----------
    fit : BandFit
        A fit; its weights and its baseline's smoothness are kept.
    held : mapping of int to float
        Place in the shared vector to value.
    """
    priors = fit.shared_priors
    mean, low, high = (x.copy() for x in (priors.mean, priors.low, priors.high))
    shared = fit.solution.shared.copy()
    for place, value in held.items():
        mean[place] = low[place] = high[place] = shared[place] = value
    changed = replace(
        fit,
        shared_priors=replace(priors, mean=mean, low=low, high=high),
        solution=replace(fit.solution, shared=shared),
    )
    return _improve(changed)


def _continued(fit: BandFit, start: BandFit) -> BandFit:
    """Return the fit at an earlier one's values; areas anew for other spectra."""
    shared, own = start.solution.shared, start.solution.locals
    if len(own) != len(fit.spectra) or own[0].size != fit.layout.n_local:
        return _start_at(fit, shared)
    solution = replace(start.solution, normals=(), steps=0, converged=False)
    return replace(fit, solution=solution)


def _start_at(fit: BandFit, shared: Floats) -> BandFit:
    """Return the fit with given bands and the best areas for them."""
    found = [
        areas_at_start(
            block,
            fit.model,
            fit.layout,
            shared=shared,
            templates=fit.templates,
            smoothness=fit.smoothness,
        )
        for block in fit.spectra
    ]
    priors = fit.shared_priors
    charge = float(np.sum(((shared - priors.mean) / priors.std) ** 2))
    solution = Solution(
        shared=shared,
        locals=tuple(own for own, _ in found),
        normals=(),
        cost=sum(cost for _, cost in found) + 0.5 * charge,
        steps=0,
        converged=False,
    )
    return replace(fit, solution=solution)


def _begin(fit: BandFit) -> BandFit:
    """Return the fit after a few steps, from where they lead to the least cost.

    They start from the priors' means and from where the mean spectrum wants the bands:
    the one is right where the priors are good, the other where they are not. Which of
    them wins is seen on averaged points, or on all where that is close.
    """
    priors = fit.shared_priors
    coarse = replace(
        fit, spectra=tuple(average_points(s, fit.model) for s in fit.spectra)
    )
    placed = place_bands_at_start(
        coarse.spectra, fit.model, fit.layout, priors=priors, templates=fit.templates
    )
    starts = [priors.mean]
    if not np.allclose(placed, priors.mean):
        starts.append(np.clip(placed, priors.low, priors.high))
    begun = [_start_at(coarse, start) for start in starts]
    begun.sort(key=_cost)
    first = partial(_improve, max_steps=_FIRST_STEPS, enough=_FIRST_ENOUGH)
    best = first(begun[0])
    found = [best]
    for one in begun[1:]:
        rival = first(one, unless_to=best)
        given_up = not rival.solution.converged and rival.solution.steps < _FIRST_STEPS
        if not given_up:
            found.append(rival)
    lowest = min(_cost(one) for one in found)
    found = [one for one in found if _cost(one) <= _UNDECIDED * lowest]
    if len(found) > 1 and coarse.n_points < fit.n_points:
        found = [first(replace(one, spectra=fit.spectra)) for one in found]
    best = min(found, key=_cost)
    return replace(best, spectra=fit.spectra, smoothness=choose_smoothness(best))


def _cost(fit: BandFit) -> float:
    """Return half of chi-square, priors included."""
    return fit.solution.cost


def make_evaluate(fit: BandFit) -> Evaluate:
    """Return what gives the normal equations of a fit's spectra at any values."""
    projections = [s.project(s.sigma, fit.smoothness) for s in fit.spectra]

    def evaluate(shared: Floats, locals_: Sequence[Floats]) -> list[Normal]:
        found = []
        for spectrum, own, projection in zip(
            fit.spectra, locals_, projections, strict=True
        ):
            columns = evaluate_columns(
                spectrum,
                fit.model,
                fit.layout,
                templates=fit.templates,
                shared=shared,
                local=own,
            )
            found.append(
                form_normal(
                    spectrum,
                    columns,
                    fit.layout,
                    local=own,
                    sigma=spectrum.sigma,
                    projection=projection,
                )
            )
        return found

    return evaluate


def _improve(
    fit: BandFit,
    *,
    max_steps: int = MAX_STEPS,
    enough: float = ENOUGH,
    unless_to: BandFit | None = None,
) -> BandFit:
    """Return the fit after least squares with its present weights.

    They are given up where they only lead to another fit, ``unless_to``.
    """

    def leads_there(reached: Solution, *, known: Solution) -> bool:
        return in_same_valley(
            known,
            reached,
            shared_priors=fit.shared_priors,
            local_priors=fit.local_priors,
        )

    abandon = None
    if unless_to is not None and unless_to.solution.converged:
        abandon = partial(leads_there, known=unless_to.solution)
    solution = minimise(
        make_evaluate(fit),
        fit.solution.shared,
        fit.solution.locals,
        shared_priors=fit.shared_priors,
        local_priors=fit.local_priors,
        max_steps=max_steps,
        enough=enough,
        abandon=abandon,
    )
    status = FitStatus.CONVERGED if solution.converged else FitStatus.NOT_CONVERGED
    reason = "" if solution.converged else f"no minimum within {solution.steps} steps"
    return replace(fit, solution=solution, status=status, reason=reason)


def _settle(fit: BandFit) -> BandFit:
    """Return the fit at its best values and at the smoothness that they ask for."""
    for _ in range(_CHOICES):
        fit = _improve(fit)
        chosen = choose_smoothness(fit)
        if chosen == fit.smoothness:
            return fit
        fit = replace(fit, smoothness=chosen)
    return _improve(fit)


def choose_smoothness(fit: BandFit) -> float:
    """Return the weight of the baseline's penalty: softer than the most probable.

    The most probable of :data:`structkit.raman.baseline.SMOOTHNESS_GRID`, bands and
    baseline integrated over, is the best guess of the *baseline*; what it misses it
    takes from the bands. Areas without such a bias need a baseline that is a little
    too soft (undersmoothing, Speckman 1988,
    10.1111/j.2517-6161.1988.tb01738.x), at the price of a larger uncertainty.
    """
    total = np.zeros(len(SMOOTHNESS_GRID))
    precision = np.concatenate(
        [fit.shared_priors.std**-2.0, fit.local_priors.std**-2.0]
    )
    for number, spectrum in enumerate(fit.spectra):
        columns = fit.columns(number)
        sigma = spectrum.sigma
        jacobian = stack_jacobian(columns, fit.layout) / sigma[:, None]
        light = columns.unit @ fit.solution.locals[number][fit.layout.linear]
        total += log_evidence(
            spectrum.basis / sigma[:, None],
            spectrum.penalty,
            jacobian,
            (spectrum.intensity - light) / sigma,
            prior_precision=precision,
            light=spectrum.light,
        )
    best = SMOOTHNESS_GRID[int(np.argmax(total))]
    return max(fit.model.baseline.undersmoothing * best, SMOOTHNESS_GRID[0])


def _reweighted(fit: BandFit, plain: Sequence[Spectrum]) -> tuple[Spectrum, ...] | None:
    """Return spectra whose outliers weigh less; None where there are none.

    What stands out pulls like five sigma and not more. It is not left out: a sharp
    line that the model lacks stands out too, and must be found.
    """
    changed = False
    lighter = []
    for number, spectrum in enumerate(plain):
        residual = fit.residual(number) * fit.spectra[number].sigma / spectrum.sigma
        apart = np.abs(residual - median_filter(residual, _NEIGHBOURS, mode="mirror"))
        limit = _OUTLIER * max(1.0, _MAD * float(np.median(apart)))
        excess = np.maximum(apart / limit, 1.0)
        changed |= bool(np.any(excess > 1.0))
        lighter.append(replace(spectrum, sigma=spectrum.sigma * excess))
    return tuple(lighter) if changed else None


def _same_weights(some: Sequence[Spectrum], others: Sequence[Spectrum]) -> bool:
    """Return whether spectra have the same weights, or nearly."""
    return all(
        np.allclose(one.sigma, other.sigma, rtol=_SAME_WEIGHT)
        for one, other in zip(some, others, strict=True)
    )
