"""Fits of models that hold another model: what the smaller one found is kept.

A model with more bands can do whatever one with fewer does. Least squares from its own
start may still end higher, in another valley; so it is started from the smaller fit
too, and ends no higher than that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from structkit.raman.fit import BandFit, fit_blocks
from structkit.raman.layout import Layout, Priors, make_layout, shared_priors
from structkit.raman.model import BandModel
from structkit.raman.problem import TemplateCurve
from structkit.raman.start import place_bands_at_start

Floats = NDArray[np.float64]

CLOSE = 2e-3
"""Rise of half of chi-square that two ends of least squares may differ by."""


def is_nested(smaller: BandModel, larger: BandModel) -> bool:
    """Return whether one model has all that another has, with the same priors.

    Parameters
    ----------
    smaller, larger : BandModel
        Bands, ties and templates are compared; equal models are nested too. A band
        that joins a family of the smaller model changes the prior of its width.
    """
    more = set(larger.bands) - set(smaller.bands)
    return (
        set(smaller.bands) <= set(larger.bands)
        and set(smaller.ties) <= set(larger.ties)
        and set(smaller.templates) <= set(larger.templates)
        and not {band.family or band.name for band in more} & set(smaller.families)
    )


def fit_from_nested(smaller: BandFit, model: BandModel) -> BandFit:
    """Fit a model to the spectra of a smaller fit, from where that one ended.

    Parameters
    ----------
    smaller : BandFit
        Fit of a model that ``model`` holds (:func:`is_nested`); its weights and its
        smoothness are kept.
    model : BandModel
        The larger model.

    Returns
    -------
    BandFit
        Its cost is that of the smaller fit at most, but for what is not worth a step.

    Notes
    -----
    The further bands start where the residual wants them. Where that ends higher, they
    start without area at their priors' centres, and no step leads up from there.
    """
    model = replace(model, loss="normal")
    shift = smaller.spectra[0].raman_shift
    layout = make_layout(model, n_edges=smaller.spectra[0].edge.shape[1])
    priors = shared_priors(model, layout, step=float(np.median(np.diff(shift))))
    priors = _hold_known(smaller, model, layout, priors)
    start = replace(smaller, model=model, layout=layout, parameters=None)
    searched = place_bands_at_start(
        smaller.spectra,
        model,
        layout,
        priors=priors,
        templates=tuple(
            TemplateCurve(template, float(shift[0]), float(shift[-1]))
            for template in model.templates
        ),
    )
    found = []
    for shared, own in (
        (searched, ()),  # areas anew
        (priors.mean, _own_values(smaller, model, layout)),
    ):
        solution = replace(smaller.solution, shared=shared, locals=own, normals=())
        fit = fit_blocks(
            smaller.spectra,
            model,
            start=replace(start, solution=solution),
            smoothness=smaller.smoothness,
        )
        found.append(fit)
        if fit.solution.cost <= smaller.solution.cost + CLOSE:
            break
    return min(found, key=lambda fit: fit.solution.cost)


def _hold_known(
    smaller: BandFit, model: BandModel, layout: Layout, priors: Priors
) -> Priors:
    """Return priors at the smaller fit's values, which are held, for the search."""
    mean, low, high = (x.copy() for x in (priors.mean, priors.low, priors.high))
    for place, value in _shared_values(smaller, model, layout):
        mean[place] = low[place] = high[place] = value
    return replace(priors, mean=mean, low=low, high=high)


def _shared_values(
    smaller: BandFit, model: BandModel, layout: Layout
) -> Iterator[tuple[int, float]]:
    """Yield place in the larger layout and value of what both models share."""
    old, values = smaller.layout, smaller.solution.shared
    names = tuple(
        (
            tuple(band.name for band in each.bands),
            each.families,
            tuple(template.name for template in each.templates),
        )
        for each in (smaller.model, model)
    )
    parts = (
        (old.centre, layout.centre, 0),
        (old.log_width, layout.log_width, 1),
        (old.mixing, layout.mixing, 1),
        (old.template_shift, layout.template_shift, 2),
        (old.centre_drift, layout.centre_drift, 0),
        (old.width_drift, layout.width_drift, 1),
    )
    for here, there, kind in parts:
        if here.start == here.stop or there.start == there.stop:
            continue
        for number, name in enumerate(names[0][kind]):
            place = there.start + names[1][kind].index(name)
            yield place, float(values[here.start + number])


def _own_values(
    smaller: BandFit, model: BandModel, layout: Layout
) -> tuple[Floats, ...]:
    """Return each spectrum's own values; what only the larger model has is zero."""
    places = [model.names.index(name) for name in smaller.model.names]
    found = []
    for old in smaller.solution.locals:
        own = np.zeros(layout.n_local)
        own[places] = old[smaller.layout.columns]
        own[layout.edge] = old[smaller.layout.edge]
        own[layout.axis_shift] = old[smaller.layout.axis_shift]
        found.append(own)
    return tuple(found)
