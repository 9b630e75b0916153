"""A series fitted as one problem: own fits, joint fit, results."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.native.chain import Chain, Link
from refinement.engines.native.fit import Fit, run_stages, stage_flags, with_note
from refinement.engines.native.joint_agree import Agreed, Together, agree
from refinement.engines.native.joint_solve import Common, make_member
from refinement.engines.native.joint_summary import (
    Whole,
    describe_agreement,
    describe_shared,
    describe_sharing,
    give_reason,
    take_apart,
    with_reason,
)
from refinement.engines.native.layout import Layout, start_values
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.solve import Restraints
from refinement.engines.native.summary import summarize
from refinement.joint import JointResult, Shared
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult, scalar
from structkit import __version__

Ints = NDArray[np.int64]
_NAME = "native"
_ENGINE = f"{_NAME} {__version__}"


def shared_places(layout: Layout, plan: RefinementPlan, shared: Shared) -> Ints:
    """Return the indices of the parameters that are one for all patterns."""
    free = stage_flags(layout, plan, plan.stages[-1])
    names = plan.phase_names
    cells = {names.index(name) for name in shared.cells}
    widths = {names.index(name) for name in shared.widths}
    kinds = set()
    if shared.instrument:
        kinds |= {"w_extra"} | ({"shift"} if plan.shift == "zero" else set())
    if shared.film:
        kinds.add("film")
    places = []
    for i, kind in enumerate(layout.kinds):
        owner = int(layout.phase[i])
        cell = layout.group(i) == "cell" and owner in cells
        width = kind in ("ln_size", "ln_strain") and owner in widths
        if free[i] and (cell or width or kind in kinds):
            places.append(i)
    return np.array(places, dtype=np.int64)


def share(links: Sequence[Link], shared: Shared, options: NativeOptions) -> Common:
    """Return what the patterns share, with priors that count once each.

    They are those of a first pass, centred on the plan's own start; where a cell was
    searched for, on the median of the patterns' centres. The widths of a phase that is
    strong in no pattern have those of a second pass: its crystallites are taken to be
    as fine as those of the clear phases beside it.
    """
    fits = [link.fit for link in links if link.fit is not None]
    model = fits[0].prepared.model
    layout, plan = model.layout, model.plan
    places = shared_places(layout, plan, shared)
    weak = ~np.any([link.strong(options) for link in links], axis=0)
    middle = start_values(layout, plan, options)[places]
    sigma, low, high = (np.empty(places.size) for _ in range(3))
    for n, place in enumerate(places):
        kind, owner = layout.kinds[place], int(layout.phase[place])
        prior = options.priors[kind]
        held = kind in ("ln_size", "ln_strain") and weak[owner]
        if kind == "cell_uncertain":
            middle[n] = np.median([fit.restraints.center[place] for fit in fits])
        if kind == "ln_size" and held:
            middle[n] = _company(links, layout, owner, options, otherwise=middle[n])
        offset = middle[n] if prior.relative else 0.0
        sigma[n] = prior.sigma_second if held else prior.sigma
        low[n], high[n] = prior.low + offset, prior.high + offset
    return Common(
        places=places,
        restraints=Restraints(
            center=middle,
            sigma=sigma,
            low=low,
            high=high,
            growth=fits[0].restraints.growth[places],
        ),
    )


def _company(
    links: Sequence[Link],
    layout: Layout,
    owner: int,
    options: NativeOptions,
    *,
    otherwise: float,
) -> float:
    """Return the median over patterns of the mean ln D of other clear phases."""
    means = []
    for link in links:
        clear = np.nonzero(link.significance >= options.clear_phase)[0]
        sizes = [
            link.values[layout.index(int(p), "ln_size")] for p in clear if p != owner
        ]
        if sizes:
            means.append(float(np.mean(sizes)))
    return float(np.median(means)) if means else otherwise


def alone(fit: Fit, common: Common, options: NativeOptions) -> Fit:
    """Return a pattern's own fit with the shared parameters' priors on them.

    What a second pass borrowed from neighbours would count twice in a joint fit.
    """
    center, sigma = fit.restraints.center.copy(), fit.restraints.sigma.copy()
    low, high = fit.restraints.low.copy(), fit.restraints.high.copy()
    wanted = common.restraints
    for old, new in ((center, wanted.center), (sigma, wanted.sigma)):
        old[common.places] = new
    low[common.places], high[common.places] = wanted.low, wanted.high
    restraints = replace(fit.restraints, center=center, sigma=sigma, low=low, high=high)
    same = all(
        np.array_equal(getattr(restraints, name), getattr(fit.restraints, name))
        for name in ("center", "sigma", "low", "high")
    )
    if not same:
        stages = fit.prepared.model.plan.stages[-1:]
        start = fit.minimum.found.values
        notes = fit.notes
        fit = replace(
            run_stages(fit.prepared, start, restraints, stages, options), notes=notes
        )
    return replace(fit, minimum=replace(fit.minimum, linear=None))


def refine_together(
    patterns: Mapping[str, xr.Dataset],
    plan: RefinementPlan,
    *,
    shared: Shared,
    options: NativeOptions | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> JointResult:
    """Refine a series as one problem: see :func:`refinement.refine_jointly`."""
    options = options or NativeOptions()
    if shared.film:
        options = replace(options, refine_film=True)
    chain = Chain(plan, options)
    found = list(chain.run(list(patterns.values()), progress=progress))
    links = dict(zip(patterns, found, strict=True))
    spent = {name: chain.seconds.get(k, 0.0) for k, name in enumerate(patterns)}
    fitted = {
        name: link
        for name, link in links.items()
        if isinstance(link, Link) and link.fit is not None
    }
    failures = {
        name: RefinementResult.failure(_NAME, str(link), plan.phase_names)
        for name, link in links.items()
        if name not in fitted
    }
    if not fitted:
        return JointResult(
            results=failures,
            shared=xr.Dataset(attrs={"remark": "no pattern could be fitted"}),
            agreement=describe_agreement(list(patterns), {}, None, None, {}),
        )
    return _share_and_fit(fitted, failures, spent, shared=shared, options=options)


def _share_and_fit(
    fitted: Mapping[str, Link],
    failures: Mapping[str, RefinementResult],
    spent: Mapping[str, float],
    *,
    shared: Shared,
    options: NativeOptions,
) -> JointResult:
    """Return the joint result of fits that were made one by one in ``spent`` s."""
    begun = time.perf_counter()
    links = list(fitted.values())
    chained = [link.fit for link in links if link.fit is not None]
    common = share(links, shared, options)
    together = Together(
        members=[make_member(alone(fit, common, options), common) for fit in chained],
        common=common,
        options=options,
    )
    agreed = agree(together)
    whole = take_apart(agreed, together)
    reasons = [
        give_reason(verdict, k, agreed, together)
        for k, verdict in enumerate(agreed.verdicts)
    ]
    made = _summarize(chained, whole, agreed, together, reasons)
    own = (time.perf_counter() - begun) / len(fitted)
    results = dict(failures)
    for name, result in zip(fitted, made, strict=True):
        results[name] = _timed(result, own + spent[name])
    order = list(spent)
    position = {name: k for k, name in enumerate(fitted)}
    return JointResult(
        results={name: results[name] for name in order},
        shared=describe_shared(
            agreed, together, whole.covariance, made[agreed.included[0]]
        ),
        agreement=describe_agreement(
            order,
            position,
            agreed,
            together,
            {name: reasons[k] for name, k in position.items()}
            | {name: result.reason for name, result in failures.items()},
        ),
    )


def _summarize(
    chained: Sequence[Fit],
    whole: Whole,
    agreed: Agreed,
    together: Together,
    reasons: Sequence[str],
) -> list[RefinementResult]:
    """Return every pattern's result: joint, or its own where it was left out."""
    layout = chained[0].prepared.model.layout
    note = describe_sharing(together.common, layout, len(agreed.included))
    place = {k: n for n, k in enumerate(agreed.included)}

    def summarize_one(k: int) -> RefinementResult:
        fit, others = chained[k], None
        if k in place:
            fit = with_note(whole.fits[place[k]], note)
            others = whole.others[place[k]]
        result = summarize(fit, together.options, engine=_ENGINE, others=others)
        return with_reason(result, reasons[k])

    return [summarize_one(k) for k in range(len(chained))]


def _timed(result: RefinementResult, seconds: float) -> RefinementResult:
    parameters = result.parameters.assign(seconds=scalar("seconds", seconds))
    return replace(result, parameters=parameters)
