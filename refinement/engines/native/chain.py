"""A series of patterns: warm chain, second pass for weak phases, fallbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.native.covariance import scale_significance
from refinement.engines.native.fit import (
    Fit,
    Prepared,
    make_restraints,
    on_finer_grid,
    prepare,
    run_stages,
    with_note,
)
from refinement.engines.native.layout import Layout, start_values
from refinement.engines.native.model import Model
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.search import (
    search_cells,
    search_offset,
    uncertain_phases,
)
from refinement.plan import RefinementPlan
from structkit.errors import FitError

Floats = NDArray[np.float64]
_CHANGES = {"ln_size": (-2.0, 1.0), "ln_strain": (-1.0, 2.0)}
"""Limits of the change of ln D and ln strain that a weak phase takes from others."""
_SMALL_SIZE = 150.0
"""Crystallite size (angstrom) of the second start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One pattern of a chain: its parameters, and which phases are strong in it."""

    values: Floats
    """Nonlinear parameters."""
    significance: Floats
    """Scale over esd of each phase."""
    scale: float = 1.0
    """GOF^2 by which its priors were scaled."""
    fit: Fit | None = None
    """The fit itself; None where it was made in an earlier run."""

    def strong(self, options: NativeOptions) -> NDArray[np.bool_]:
        """Return which phases may hand on their parameters."""
        return np.asarray(self.significance >= options.weak_phase)


def fit_cold(prepared: Prepared, options: NativeOptions) -> Fit:
    """Fit one pattern from the plan's own start; search for uncertain cells."""
    model = prepared.model
    start = start_values(model.layout, model.plan, options)
    restraints = make_restraints(model.layout, model.plan, options)
    start = search_offset(prepared, start)
    uncertain = uncertain_phases(model.plan)
    note = ""
    if uncertain:
        reach = options.priors["cell_uncertain"].high
        start = search_cells(prepared, start, uncertain, half_range=reach)
        restraints = make_restraints(model.layout, model.plan, options, center=start)
        note = "cells searched for " + ", ".join(
            model.plan.phases[i].name for i in uncertain
        )
    fit = run_stages(prepared, start, restraints, model.plan.stages, options)
    fit = on_finer_grid(fit, options)
    return with_note(fit, note) if note else fit


def fit_warm(
    prepared: Prepared, start: Floats, options: NativeOptions, *, scale: float = 1.0
) -> Fit:
    """Fit one pattern from a neighbour's parameters, all of them free at once.

    ``scale`` is the neighbour's GOF^2, by which priors and tolerance are scaled.
    """
    model = prepared.model
    plan = model.plan
    uncertain = bool(uncertain_phases(plan))
    center = start_values(model.layout, plan, options)
    if uncertain:
        # A cell known only roughly: the neighbour's is the better centre.
        for number in uncertain_phases(plan):
            part = model.layout.strain_slices[number]
            center[part] = start[part]
    restraints = make_restraints(model.layout, plan, options, center=center)
    restraints.scale = scale
    fit = run_stages(prepared, start, restraints, plan.stages[-1:], options)
    return on_finer_grid(fit, options)


def hand_on(
    link: Link | None, cold: Floats, layout: Layout, options: NativeOptions
) -> Floats:
    """Return a start: the neighbour's parameters of its strong phases, else cold."""
    if link is None:
        return cold
    strong = np.append(link.strong(options), True)  # owner -1: the whole pattern
    return np.where(strong[layout.phase], link.values, cold)


def make_link(fit: Fit) -> Link:
    """Return a fit with the significance of its phases."""
    values = np.asarray(fit.minimum.found.values)
    return Link(
        values=values,
        significance=scale_significance(fit),
        scale=fit.restraints.scale,
        fit=fit,
    )


@dataclass(slots=True)
class Chain:
    """Fits along a series; patterns that cannot be fitted leave their error."""

    plan: RefinementPlan
    options: NativeOptions
    _model: Model | None = None
    seconds: dict[int, float] = field(default_factory=dict)
    """Wall time of each pattern's fits so far, by position."""

    @contextmanager
    def _timed(self, position: int) -> Iterator[None]:
        """Add the time of a pattern's fit to its account."""
        begun = time.perf_counter()
        yield
        spent = time.perf_counter() - begun
        self.seconds[position] = self.seconds.get(position, 0.0) + spent

    @property
    def _standard(self) -> str | None:
        """Return the phase that was weighed in after milling, if there is one."""
        standard = self.plan.internal_standard
        return None if standard is None else standard.phase

    def run(
        self,
        patterns: Sequence[xr.Dataset],
        *,
        known: dict[int, Link] | None = None,
        progress: Callable[[str, int], None] | None = None,
    ) -> Iterator[Link | FitError]:
        """Fit all patterns in their order; yield each as soon as it is final.

        Parameters
        ----------
        patterns : sequence of xarray.Dataset
            In the order of the series' axis.
        known : dict, optional
            Finished links by position (a resumed series); they are not fitted again
            but serve as neighbours.
        progress : callable, optional
            Called with what was done and the position.

        Yields
        ------
        Link or FitError
            In the order of the patterns. What only the fit itself needs is let go
            afterwards, so that long series stay small in memory.
        """
        found: list[Link | FitError] = []
        fixed = known or {}
        report = progress or (lambda _what, _position: None)
        previous: Link | None = None
        for position, pattern in enumerate(patterns):
            with self._timed(position):
                link = fixed.get(position) or self._first_pass(pattern, previous)
            found.append(link)
            previous = link if isinstance(link, Link) else previous
            report("first pass", position)
        for position in range(len(found)):
            if position not in fixed:
                with self._timed(position):
                    found[position] = self._retry(found, position)
        for position in range(len(found)):
            if position not in fixed:
                with self._timed(position):
                    found[position] = self._second_pass(found, position)
            report("second pass", position)
            final = found[position]
            yield final
            if isinstance(final, Link):
                found[position] = replace(final, fit=None)

    def _first_pass(
        self, pattern: xr.Dataset, previous: Link | None
    ) -> Link | FitError:
        try:
            prepared = prepare(pattern, self.plan, self.options, model=self._model)
        except FitError as error:
            return error
        if previous is None:
            fit = fit_cold(prepared, self.options)
        else:
            layout = prepared.model.layout
            cold = start_values(layout, self.plan, self.options)
            start = hand_on(previous, cold, layout, self.options)
            fit = fit_warm(prepared, start, self.options, scale=previous.scale)
        self._model = fit.prepared.model
        return make_link(fit)

    def _retry(self, found: list[Link | FitError], position: int) -> Link | FitError:
        """Try other starts where a pattern fits worse than its series."""
        link = found[position]
        good = [x.fit.gof_square for x in found if isinstance(x, Link) and x.fit]
        if isinstance(link, FitError) or link.fit is None or len(good) < 2:
            return link
        limit = float(np.median(good)) * self.options.gof_alarm**2
        if link.fit.gof_square <= limit and link.fit.minimum.converged:
            return link
        best = link.fit
        for note, fit in self._fallbacks(found, position, link.fit):
            if fit.minimum.total < best.minimum.total - best.restraints.scale:
                best = with_note(fit, note)
        return link if best is link.fit else make_link(best)

    def _fallbacks(
        self, found: list[Link | FitError], position: int, fit: Fit
    ) -> list[tuple[str, Fit]]:
        prepared = fit.prepared
        model, options = prepared.model, self.options
        cold = start_values(model.layout, self.plan, options)
        small = cold.copy()
        for i, kind in enumerate(model.layout.kinds):
            if kind == "ln_size":
                small[i] = np.log(_SMALL_SIZE)
        restraints = make_restraints(model.layout, self.plan, options)
        stages = self.plan.stages
        tries = [
            ("cold start", fit_cold(prepared, options)),
            (
                "start from small crystallites",
                run_stages(prepared, small, replace(restraints), stages, options),
            ),
            (
                "all parameters at once",
                run_stages(prepared, cold, replace(restraints), stages[-1:], options),
            ),
        ]
        for step in (-1, 1):
            near = position + step
            other = found[near] if 0 <= near < len(found) else None
            if isinstance(other, Link):
                start = hand_on(other, cold, model.layout, options)
                again = fit_warm(prepared, start, options, scale=other.scale)
                tries.append(("neighbour's start", again))
        return tries

    def _second_pass(
        self, found: list[Link | FitError], position: int
    ) -> Link | FitError:
        """Hold the weak phases of a pattern to where they were strong.

        Their crystallites are taken to have shrunk since then as those of the phases
        that are strong in both patterns have.
        A phase that is clear nowhere is held to the plan's own start, its size to the
        mean of the phases that are clear beside it.
        """
        link = found[position]
        if isinstance(link, FitError) or link.fit is None:
            return link
        weak = np.nonzero(~link.strong(self.options))[0]
        donors = {int(p): _donor(found, position, int(p), self.options) for p in weak}
        if not donors:
            return link
        fit = self._restrained(link, link.fit, donors)
        names = [self.plan.phases[p].name for p in donors]
        return make_link(with_note(fit, f"widths held for {', '.join(names)}"))

    def _clear_widths(
        self, layout: Layout, kind: str, *links: Link
    ) -> NDArray[np.int64]:
        """Return where ``kind`` stands of the milled phases that are clear in all."""
        clear = np.array([name != self._standard for name in self.plan.phase_names])
        for link in links:
            clear &= link.significance >= self.options.clear_phase
        places = [layout.index(int(p), kind) for p in np.nonzero(clear)[0]]
        return np.array(places, dtype=np.int64)

    def _expected_width(
        self, layout: Layout, link: Link, donor: Donor, i: int
    ) -> tuple[float | None, float]:
        """Return ln D or ln strain of a weak phase, and how much wider its prior is.

        From its donor and what has changed since then in the phases beside it, else
        from its company. Where nothing tells the change, the donor's value is the
        less certain the farther away it stands.
        """
        kind = layout.kinds[i]
        if donor.link is None:
            seen = self._clear_widths(layout, kind, link)
            if kind == "ln_strain" or not seen.size:
                return None, 1.0
            return float(np.mean(link.values[seen])), 1.0
        both = self._clear_widths(layout, kind, link, donor.link)
        if not both.size:
            return float(donor.link.values[i]), 1.0 + donor.distance
        change = float(np.median(link.values[both] - donor.link.values[both]))
        low, high = _CHANGES[kind]
        expected = donor.link.values[i] + np.clip(change, low, high)
        return float(expected), float(np.sqrt(donor.distance))

    def _restrained(self, link: Link, fit: Fit, donors: dict[int, Donor]) -> Fit:
        layout, options = fit.prepared.model.layout, self.options
        restraints = fit.restraints
        center, sigma = restraints.center.copy(), restraints.sigma.copy()
        start = fit.minimum.found.values.copy()
        for phase, donor in donors.items():
            for i in np.nonzero(layout.phase == phase)[0]:
                kind = layout.kinds[i]
                if donor.link is not None:
                    center[i] = donor.link.values[i]
                sigma[i] = options.priors[kind].sigma_second
                if kind in _CHANGES:
                    expected, wider = self._expected_width(layout, link, donor, int(i))
                    center[i] = center[i] if expected is None else expected
                    sigma[i] = min(wider * sigma[i], options.priors[kind].sigma)
                start[i] = center[i]
        held = replace(restraints, center=center, sigma=sigma)
        second = run_stages(fit.prepared, start, held, self.plan.stages[-1:], options)
        return replace(second, notes=fit.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """Where a weak phase borrows its line shape from."""

    link: Link | None
    """The pattern; None where the phase is clear nowhere."""
    distance: int = 0
    """How many patterns away it is."""


def _donor(
    found: list[Link | FitError], position: int, phase: int, options: NativeOptions
) -> Donor:
    """Return the nearest link that can lend ``phase`` its parameters.

    A phase that is clear where it is needed borrows only from where it is strong; one
    that is not even clear borrows from where it is.
    """
    own = found[position]
    clear = isinstance(own, Link) and own.significance[phase] >= options.clear_phase
    needed = options.weak_phase if clear else options.clear_phase
    order = sorted(range(len(found)), key=lambda i: (abs(i - position), i))
    for i in order:
        link = found[i]
        if i == position or not isinstance(link, Link):
            continue
        if link.significance[phase] >= needed:
            return Donor(link=link, distance=abs(i - position))
    return Donor(link=None)
