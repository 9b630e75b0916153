"""What the spots of a sample have in common: one background, one glass.

A baseline that is free in every spectrum takes the feet of broad bands, and nothing in
one spectrum says that it does. Several spots do: fluorescence, laser edge and glass
come in other proportions from spot to spot while each keeps its shape, so what goes
with the sharp part of the glass is glass, and what goes with the fluorescence is none.

The spots of a sample are fitted as ``c_s B + d_s E + f_s G`` and a little of their own:
background B, elastic light E and the bands of the glass G are those of the sample, the
levels c, d and f and a constant (the detector's offset) those of the spot. By how much
a spot may depart is assumed, and widened to what is found where that is more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from structkit.raman.baseline import Projection, make_projection, penalty_weight
from structkit.raman.covariance import FitCovariance, assemble_covariance
from structkit.raman.fit import BandFit
from structkit.raman.layout import Layout, Priors, make_layout, shared_priors
from structkit.raman.problem import Normal, evaluate_columns, stack_jacobian
from structkit.raman.solve import minimise

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

LEAST_SPOTS = 4
"""With fewer, amounts that change from spot to spot tell too little apart."""
BAND_SCATTER = 0.03
"""1 sigma of a band's part of its phase from spot to spot, relative."""
FOLLOWER_SCATTER = 0.1
"""The same of a species that lives in a phase but may be more or less of it."""
BACKGROUND_SCATTER = 0.002
"""1 sigma of a spot's own background, relative to the sample's."""
FAMILY_WIDTHS = 0.06
"""1 sigma of the logarithm of a width within a family: with the background known, the
data tell bands apart that a fit over free baselines must give one width."""
FAMILY_SHAPES = 0.05
"""The same of the Lorentzian share."""
_ELASTIC = 1.0
"""1 sigma of the elastic light's coefficients over the level of the background."""
_LEVEL_STD = 0.5
_LEVEL_LIMITS = (0.01, 10.0)
_LEVELS = 3
_BACKGROUND, _EDGE, _PHASE = range(_LEVELS)
_LEAST_SHARE = 0.01
"""Part of the strongest band below which a band's scatter is that of this part."""
_ROUNDS = 2
"""Times that the scatter is looked at again, at least."""
_MOST_ROUNDS = 6
_SAME_SCATTER = 1.2
"""Factor on a scatter that is not worth another round."""
MOST_SCATTER = 0.01
"""Of the background, from which on spots have none in common; they are left out."""
_DARK = 1e-3
"""Part of the light that counts as background where there is none."""
_MAX_STEPS = 60
_ENOUGH = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pooled:
    """A fit whose spots share background and glass."""

    fit: BandFit
    """Its areas and shared parameters; families with widths of their own."""
    covariance: FitCovariance
    """Of its areas."""
    members: Mapping[int, int]
    """Place of a spectrum of the fit it came from to its place here."""
    background_scatter: tuple[float, ...]
    """1 sigma of the spots' own backgrounds, for each sample, relative."""

    def places(self, members: Sequence[int]) -> tuple[int, ...] | None:
        """Return where spectra of the first fit stand; None where they are not in."""
        if not all(member in self.members for member in members):
            return None
        return tuple(self.members[member] for member in members)


def pool_spots(
    fit: BandFit,
    samples: Sequence[Sequence[int]],
    *,
    phase: Sequence[str],
    followers: Sequence[str] = (),
    inflation: Floats | None = None,
) -> Pooled | None:
    """Fit the spots of samples again, with background and glass in common.

    Parameters
    ----------
    fit : BandFit
        Fit over free baselines; the start.
    samples : sequence of sequence of int
        Places of the spots of each sample in the fit. Samples of fewer than
        :data:`LEAST_SPOTS` spots, of several axes, or whose spots turn out to have no
        background in common (:data:`MOST_SCATTER`) are left out.
    phase : sequence of str
        Species whose bands keep their ratios from spot to spot.
    followers : sequence of str
        Species in the same phase, in a part that may differ more.
    inflation : ndarray, shape (n_spectra,), optional
        Factor on the variances of each spectrum of ``fit`` for its misfit.

    Returns
    -------
    Pooled or None
        None where nothing can be pooled, or no minimum was found.

    Notes
    -----
    A hierarchical model: levels and amounts of a spot have normal priors around those
    of its sample. Where the deviations found exceed their 1 sigma, that is raised to
    them, and the fit goes on.
    The idea is that of bilinear curve resolution (de Juan & Tauler 2006,
    10.1080/10408340600970005), with band shapes in place of free spectra.
    """
    chosen = [list(spots) for spots in samples if _can_pool(fit, spots)]
    held = _tied_bands(fit, phase, followers)
    while chosen and held:
        order = [member for spots in chosen for member in spots]
        places = {member: place for place, member in enumerate(order)}
        groups = [[places[member] for member in spots] for spots in chosen]
        work = _Pool(
            _loosened(_part(fit, order), phase),
            groups,
            scatter=held,
            families=_families(fit, phase),
        )
        found = work.improve()
        alike = [scatter < MOST_SCATTER for scatter in work.own_background]
        if all(alike):
            if not found:
                return None
            factor = np.ones(len(order)) if inflation is None else inflation[order]
            return Pooled(
                fit=work.result(),
                covariance=work.covariance(factor),
                members=places,
                background_scatter=tuple(work.own_background),
            )
        chosen = [spots for spots, same in zip(chosen, alike, strict=True) if same]
    return None


def _tied_bands(
    fit: BandFit, phase: Sequence[str], followers: Sequence[str]
) -> dict[int, float]:
    """Return the columns of a phase's bands, and how far each may scatter."""
    free = fit.model.species[: len(fit.model.free_bands)]
    found = {k: BAND_SCATTER for k, name in enumerate(free) if name in phase}
    if not found:
        return {}
    more = {k: FOLLOWER_SCATTER for k, name in enumerate(free) if name in followers}
    return dict(sorted((found | more).items()))


def _families(fit: BandFit, phase: Sequence[str]) -> list[Indices]:
    """Return the bands of a phase that have one width, family by family."""
    family = fit.layout.family
    own = np.asarray([band.species in phase for band in fit.model.bands])
    found = [np.flatnonzero(own & (family == each)) for each in np.unique(family[own])]
    return [members for members in found if members.size > 1]


def _can_pool(fit: BandFit, spots: Sequence[int]) -> bool:
    """Return whether spots are enough, and on one axis."""
    if len(spots) < LEAST_SPOTS:
        return False
    first = fit.spectra[spots[0]].raman_shift
    return all(np.array_equal(fit.spectra[k].raman_shift, first) for k in spots)


def _part(fit: BandFit, members: Sequence[int]) -> BandFit:
    """Return the fit with some of its spectra."""
    solution = replace(
        fit.solution,
        locals=tuple(fit.solution.locals[k] for k in members),
        normals=tuple(fit.solution.normals[k] for k in members),
    )
    spectra = tuple(fit.spectra[k] for k in members)
    return replace(fit, spectra=spectra, solution=solution)


def _loosened(fit: BandFit, species: Sequence[str]) -> BandFit:
    """Return the fit with a width and a shape for each band of some species."""
    bands = tuple(
        replace(band, family="") if band.species in species else band
        for band in fit.model.bands
    )
    model, old = replace(fit.model, bands=bands), fit.layout
    layout = make_layout(model, n_edges=old.edge.stop - old.edge.start)
    step = float(np.median(np.diff(fit.spectra[0].raman_shift)))
    priors = shared_priors(model, layout, step=step)
    origin = _origins(old, layout)
    known = fit.shared_priors
    return replace(
        fit,
        model=model,
        layout=layout,
        parameters=None,
        shared_priors=replace(
            priors,
            mean=known.mean[origin],
            std=known.std[origin],
            low=known.low[origin],
            high=known.high[origin],
        ),
        solution=replace(fit.solution, shared=fit.solution.shared[origin]),
    )


def _origins(old: Layout, new: Layout) -> Indices:
    """Return where each shared parameter of a layout with more families comes from."""
    origin = np.zeros(new.n_shared, dtype=np.intp)
    for name in ("centre", "skew", "template_shift", "centre_drift"):
        here, there = getattr(old, name), getattr(new, name)
        origin[there] = np.arange(here.start, here.stop)
    for name in ("log_width", "mixing", "width_drift"):
        here, there = getattr(old, name), getattr(new, name)
        if there.stop > there.start:
            origin[there.start + new.family] = here.start + old.family
    return origin


@dataclass(frozen=True, slots=True)
class _Group:
    """The spots of one sample, and where what they share stands."""

    spots: list[int]
    background: slice
    """Coefficients of the splines."""
    elastic: slice
    """Of the elastic light's decays."""
    amounts: slice
    """Of the tied bands, for a level of 1."""


class _Pool:
    """Least squares with what spots share behind the shared parameters of the fit."""

    def __init__(
        self,
        fit: BandFit,
        groups: Sequence[list[int]],
        *,
        scatter: Mapping[int, float],
        families: Sequence[Indices],
    ) -> None:
        layout = fit.layout
        self.fit = fit
        self._tied = layout.columns.start + np.asarray(list(scatter), dtype=np.intp)
        self._n_local = layout.n_local + _LEVELS
        self._phase = layout.n_local + _PHASE
        self._groups = self._place(groups)
        self._n_shared = self._groups[-1].amounts.stop
        self._group_of = {k: g for g, each in enumerate(groups) for k in each}
        self._families = self._weigh(families)
        self._scatter = [np.asarray(list(scatter.values())) for _ in groups]
        self.own_background = [BACKGROUND_SCATTER for _ in groups]
        self._shared, self._locals = self._start()
        self._brightness = [
            max(
                _rms(self._shared[group.background]),
                _DARK * fit.spectra[group.spots[0]].light,
            )
            for group in self._groups
        ]
        self._normals: tuple[Normal, ...] = ()

    # What stands where ---------------------------------------------------------------

    def _place(self, groups: Sequence[list[int]]) -> list[_Group]:
        """Return where the shared parameters of each group stand."""
        placed, end = [], self.fit.layout.n_shared
        for spots in groups:
            first = self.fit.spectra[spots[0]]
            sizes = (0, first.basis.shape[1], first.edge.shape[1], self._tied.size)
            one, two, three, four = (int(k) for k in end + np.cumsum(sizes))
            parts = slice(one, two), slice(two, three), slice(three, four)
            placed.append(_Group(spots, *parts))
            end = four
        return placed

    def _weigh(self, families: Sequence[Indices]) -> list[tuple[Indices, Floats]]:
        """Return places of widths and of shapes that go together, and their weights."""
        layout, found = self.fit.layout, []
        for bands in families:
            apart = np.eye(bands.size) - 1.0 / bands.size
            own = layout.family[bands]
            found.append((layout.log_width.start + own, apart / FAMILY_WIDTHS))
            found.append((layout.mixing.start + own, apart / FAMILY_SHAPES))
        return found

    def _start(self) -> tuple[Floats, list[Floats]]:
        """Return shared and own parameters as the fit over free baselines has them."""
        fit, edge = self.fit, self.fit.layout.edge
        shared = np.zeros(self._n_shared)
        shared[: fit.layout.n_shared] = fit.solution.shared
        own: dict[int, Floats] = {}
        for group in self._groups:
            splines = np.asarray([_own_baseline(fit, k) for k in group.spots])
            before = np.asarray([fit.solution.locals[k] for k in group.spots])
            tied = before[:, self._tied]
            edges = before[:, edge]
            before[:, edge] = 0.0
            shared[group.background] = splines.mean(axis=0)
            shared[group.elastic][: edges.shape[1]] = edges.mean(axis=0)
            shared[group.amounts] = tied.mean(axis=0)
            levels = np.column_stack([_levels(splines), _levels(edges), _levels(tied)])
            for spot, values, level in zip(group.spots, before, levels, strict=True):
                own[spot] = np.concatenate([values, level])
        return shared, [own[k] for k in range(len(fit.spectra))]

    def _priors(self) -> tuple[Priors, Priors]:
        """Return priors and limits of the long shared and the long own vector."""
        known, own = self.fit.shared_priors, self.fit.local_priors
        more = self._n_shared - known.mean.size
        low = np.full(self._n_shared, -np.inf)
        for group in self._groups:
            low[group.elastic] = 0.0
            low[group.amounts] = 0.0
        low[: known.low.size] = known.low
        shared = Priors(
            mean=np.pad(known.mean, (0, more)),
            std=np.pad(known.std, (0, more), constant_values=np.inf),
            low=low,
            high=np.pad(known.high, (0, more), constant_values=np.inf),
        )
        pad = (0, _LEVELS)
        high = own.high.copy()
        high[self.fit.layout.edge] = own.low[self.fit.layout.edge]
        local = Priors(
            mean=np.pad(own.mean, pad, constant_values=1.0),
            std=np.pad(own.std, pad, constant_values=_LEVEL_STD),
            low=np.pad(own.low, pad, constant_values=_LEVEL_LIMITS[0]),
            high=np.pad(high, pad, constant_values=_LEVEL_LIMITS[1]),
        )
        return shared, local

    # Normal equations ----------------------------------------------------------------

    def _linearise(self, spot: int, shared: Floats, own: Floats) -> _Linear:
        """Return residual and Jacobian of a spot's points, over sigma."""
        fit, layout = self.fit, self.fit.layout
        spectrum, group = fit.spectra[spot], self._groups[self._group_of[spot]]
        local, level = own[: layout.n_local], own[layout.n_local :]
        columns = evaluate_columns(
            spectrum,
            fit.model,
            layout,
            templates=fit.templates,
            shared=shared[: layout.n_shared],
            local=local,
        )
        bands = stack_jacobian(columns, layout)
        background = spectrum.basis @ shared[group.background]
        elastic = spectrum.edge @ shared[group.elastic]
        jacobian = np.column_stack(
            [
                bands,
                level[_BACKGROUND] * spectrum.basis,
                level[_EDGE] * spectrum.edge,
                background,
                elastic,
            ]
        )
        light = columns.unit @ local[layout.linear]
        light += level[_BACKGROUND] * background + level[_EDGE] * elastic
        first_own = self._n_shared
        places = np.concatenate(
            [
                np.arange(layout.n_shared),
                first_own + np.arange(layout.n_local),
                np.arange(group.background.start, group.elastic.stop),
                first_own + layout.n_local + np.asarray([_BACKGROUND, _EDGE]),
            ]
        )
        sigma = spectrum.sigma
        return _Linear(
            (spectrum.intensity - light) / sigma, jacobian / sigma[:, None], places
        )

    def _project(self, spot: int) -> Projection:
        """Return the projection on what no background of a spot's own explains.

        A constant is free: an offset of the detector does not go with the light.
        """
        spectrum, g = self.fit.spectra[spot], self._group_of[spot]
        n = spectrum.basis.shape[1]
        weight = penalty_weight(self.fit.smoothness, spectrum.light)
        small = self.own_background[g] * self._brightness[g]
        rows = [weight * spectrum.penalty, (np.eye(n) - 1.0 / n) / small]
        return make_projection(
            spectrum.basis, spectrum.sigma, penalty=np.vstack(rows), weight=1.0
        )

    def _deviations(
        self, spot: int, shared: Floats, own: Floats
    ) -> tuple[Floats, Floats]:
        """Return amounts of a spot less those of its sample, and their weights."""
        g = self._group_of[spot]
        amounts = shared[self._groups[g].amounts]
        weight = 1.0 / (self._scatter[g] * self._typical[g])
        return own[self._tied] - own[self._phase] * amounts, weight

    def _evaluate(self, shared: Floats, locals_: Sequence[Floats]) -> list[Normal]:
        """Return the normal equations of every spot; the first bear the priors."""
        size = self._n_shared + self._n_local
        found = []
        for spot, own in enumerate(locals_):
            g = self._group_of[spot]
            group = self._groups[g]
            linear = self._linearise(spot, shared, own)
            products = self._projections[spot].reduce_products(
                linear.jacobian, linear.residual
            )
            sums = _Sums(np.zeros((size, size)), np.zeros(size), products.chi_square)
            sums.matrix[np.ix_(linear.places, linear.places)] = products.normal
            sums.gradient[linear.places] = -products.gradient
            away, weight = self._deviations(spot, shared, own)
            rows, k = np.zeros((away.size, size)), np.arange(away.size)
            rows[k, self._n_shared + self._tied] = weight
            rows[k, group.amounts.start + k] = -weight * own[self._phase]
            rows[:, self._n_shared + self._phase] = -weight * shared[group.amounts]
            sums.add(slice(0, size), rows, weight * away)
            if spot == group.spots[0]:
                for where, pull in self._pulls[g]:
                    sums.add(where, pull, pull @ shared[where])
            if spot == 0:
                for alike, pull in self._families:
                    sums.add(alike, pull, pull @ shared[alike])
            found.append(Normal(sums.matrix, sums.gradient, sums.chi_square))
        return found

    def _find_pulls(self, g: int) -> list[tuple[slice, Floats]]:
        """Return what holds the background and the elastic light of a group smooth."""
        group = self._groups[g]
        first = self.fit.spectra[group.spots[0]]
        weight = penalty_weight(self.fit.smoothness, first.light)
        smooth = np.sqrt(len(group.spots)) * weight * first.penalty
        pulls = [(group.background, smooth)]
        n = first.edge.shape[1]
        if n:
            small = np.eye(n) / (_ELASTIC * self._brightness[g])
            pulls.append((group.elastic, small))
        return pulls

    # Least squares -------------------------------------------------------------------

    def improve(self) -> bool:
        """Find the minimum, with as much scatter as there is; return whether."""
        shared_priors_, local_priors = self._priors()
        for done in range(1, _MOST_ROUNDS + 1):
            self._typical = [self._typical_of(group) for group in self._groups]
            self._pulls = [self._find_pulls(g) for g in range(len(self._groups))]
            spots = range(len(self.fit.spectra))
            self._projections = [self._project(spot) for spot in spots]
            try:
                solution = minimise(
                    self._evaluate,
                    self._shared,
                    self._locals,
                    shared_priors=shared_priors_,
                    local_priors=local_priors,
                    max_steps=_MAX_STEPS,
                    enough=_ENOUGH,
                )
            except np.linalg.LinAlgError:
                return False
            self._normals = solution.normals
            self._shared, self._locals = solution.shared, list(solution.locals)
            wider = max(self._widen(g) for g in range(len(self._groups)))
            if solution.converged and done >= _ROUNDS and wider < _SAME_SCATTER:
                return True
        return False

    def _typical_of(self, group: _Group) -> Floats:
        """Return the amounts that scatters are relative to."""
        amounts = self._shared[group.amounts]
        return np.maximum(amounts, max(_LEAST_SHARE * float(amounts.max()), 1e-300))

    def _widen(self, g: int) -> float:
        """Raise the scatter of a group to what is found; return the factor, or 1."""
        tied, own = [], []
        for spot in self._groups[g].spots:
            local = self._locals[spot]
            away, weight = self._deviations(spot, self._shared, local)
            tied.append(away * weight)
            linear = self._linearise(spot, self._shared, local)
            left = self._projections[spot].solve(linear.residual)
            own.append(left - left.mean())
        found = _rms(np.asarray(own)) / self._brightness[g]
        factors = (
            max(1.0, _rms(np.asarray(tied))),
            max(1.0, found / self.own_background[g]),
        )
        self._scatter[g] *= factors[0]
        self.own_background[g] *= factors[1]
        return max(factors)

    # Results -------------------------------------------------------------------------

    def result(self) -> BandFit:
        """Return the fit at the values found; its normal equations are the old ones."""
        layout = self.fit.layout
        return replace(
            self.fit,
            solution=replace(
                self.fit.solution,
                shared=self._shared[: layout.n_shared],
                locals=tuple(own[: layout.n_local] for own in self._locals),
            ),
        )

    def covariance(self, inflation: Floats) -> FitCovariance:
        """Return the covariance of the areas, all that is shared integrated over.

        Decays of the elastic light that are absent stay so: any of them alone could
        else go below zero and another rise for it.
        """
        shared, local = self._priors()
        high = shared.high.copy()
        for group in self._groups:
            absent = self._shared[group.elastic] <= 0.0
            high[group.elastic][absent] = 0.0
        return assemble_covariance(
            self._normals,
            shared_priors=replace(shared, high=high),
            local_priors=local,
            columns=self.fit.layout.columns,
            axis_shift=self.fit.layout.axis_shift,
            inflation=inflation,
        )


@dataclass(frozen=True, slots=True)
class _Linear:
    """Residual over sigma, its Jacobian, and where its columns stand."""

    residual: Floats
    jacobian: Floats
    places: Indices


@dataclass(slots=True)
class _Sums:
    """Normal equations to which rows are added."""

    matrix: Floats
    gradient: Floats
    chi_square: float

    def add(self, where: slice | Indices, rows: Floats, values: Floats) -> None:
        """Add rows of residuals: their values, and how they change with parameters."""
        if isinstance(where, slice):
            self.matrix[where, where] += rows.T @ rows
        else:
            self.matrix[np.ix_(where, where)] += rows.T @ rows
        self.gradient[where] += rows.T @ values
        self.chi_square += float(values @ values)


def _own_baseline(fit: BandFit, number: int) -> Floats:
    """Return the splines' coefficients of one spectrum's free baseline."""
    spectrum = fit.spectra[number]
    linear = fit.solution.locals[number][fit.layout.linear]
    light = fit.columns(number).unit @ linear
    projection = spectrum.project(spectrum.sigma, fit.smoothness)
    return projection.solve((spectrum.intensity - light) / spectrum.sigma)


def _levels(values: Floats) -> Floats:
    """Return how much of their mean each row is."""
    mean = values.mean(axis=0)
    power = float(mean @ mean)
    if not power > 0.0:
        return np.ones(values.shape[0])
    low, high = _LEVEL_LIMITS
    levels = values @ mean / power
    return np.asarray(np.clip(levels, 2.0 * low, 0.9 * high), dtype=float)


def _rms(values: Floats) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))
