"""What a fit by rietx starts from: points, smooth columns, starting values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.native.background import halo_places
from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.options import NativeOptions
from refinement.engines.points import noise_remark, select_points
from refinement.engines.smooth import blank_column, gaussian_bump
from refinement.plan import Phase, RefinementPlan
from refinement.result import CELL_KEYS, RefinementResult
from structkit.errors import FitError
from structkit.schema import INTENSITY, PHASE, TWO_THETA
from structkit.structures.crystal import Cell
from structkit.uncertainty import intensity_std
from structkit.xrd.background import Film, film_transmission

Floats = NDArray[np.float64]

START_SIZE_NM = 30.0
"""Size that a cold start takes where the plan gives none: lines broad enough to be
caught where positions are off by a few tenths of a degree."""
START_MICROSTRAIN = 5e-4
"""Microstrain that a cold start takes where the plan gives none."""
CHEBYSHEV, HALO, HUMP, BLANK = "chebyshev", "halo", "hump", "blank"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a phase starts."""

    cell: Cell
    size_nm: float
    microstrain: float
    march_dollase: float = 1.0
    b_overall: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Smooth:
    """One smooth column of the pattern, as rietx sees it."""

    kind: str
    """``chebyshev``, ``halo``, ``hump`` or ``blank``."""
    path: str
    """rietx's name of its amount."""
    values: Floats
    """Shape (n_points,)."""
    place: tuple[float, float] | None = None
    """Centre and FWHM of a Gaussian, degree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A pattern made ready for a plan; arrays of shape (n_points,)."""

    plan: RefinementPlan
    angles: Floats
    """Points in use, degree."""
    intensity: Floats
    """As measured."""
    std: Floats
    """1 sigma of it."""
    transmission: Floats
    """Of the film, there and back: rietx sees intensity, esd and blank over it."""
    units: str
    """Of the intensity."""
    noise_remark: str
    """Why esds cannot be trusted; empty where they can."""
    smooth: tuple[Smooth, ...]
    """Polynomial, halo, humps, blank, in the order of rietx's terms."""
    starts: tuple[Start, ...]
    """One for each phase."""
    shift: float
    """Starting displacement or zero, degree."""
    warm: bool
    """Whether it starts from a neighbour's result."""
    note: str
    """Where starting values come from, in words; empty: from the plan."""

    @property
    def observed(self) -> Floats:
        """Return the intensity that rietx sees."""
        return self.intensity / self.transmission

    @property
    def observed_std(self) -> Floats:
        """Return the esd that rietx sees."""
        return self.std / self.transmission

    def of_kind(self, kind: str) -> list[Smooth]:
        """Return the smooth columns of one kind."""
        return [one for one in self.smooth if one.kind == kind]


def prepare(
    pattern: xr.Dataset, plan: RefinementPlan, *, start: RefinementResult | None = None
) -> Prepared:
    """Select points and starting values.

    Parameters
    ----------
    pattern : xarray.Dataset
        Powder pattern.
    plan : RefinementPlan
        What to refine.
    start : RefinementResult, optional
        A neighbour's result.

    Raises
    ------
    FitError
        Too few points, or no intensity above zero.

    Notes
    -----
    A film over the sample weakens the lines by ``T(2theta)``, which rietx has no term
    for. Intensity and esd over T leave chi-square as it is, and the lines as they
    would be without a film.
    """
    keep = select_points(pattern, plan)
    angles = pattern[TWO_THETA].to_numpy()[keep]
    intensity = pattern[INTENSITY].to_numpy()[keep].astype(float)
    if not np.any(intensity > 0.0):
        raise FitError(
            "no intensity above zero in the range in use; measure again, or set range"
        )
    transmission = np.ones_like(angles)
    if plan.film_thickness_um:
        film = Film(thickness=plan.film_thickness_um)
        transmission = np.asarray(film_transmission(angles, film))
    unsure = [phase.name for phase in plan.phases if phase.cell_uncertain]
    native, note = None, ""
    if start is not None:
        note = f"started from a neighbour's result ({start.engine})"
    elif unsure:
        options = NativeOptions(systematics=False)
        native = NativeEngine(options=options).refine(pattern, plan)
        note = f"cell of {', '.join(unsure)} from a fit by the native engine"
    return Prepared(
        plan=plan,
        angles=angles,
        intensity=intensity,
        std=intensity_std(pattern)[keep],
        transmission=transmission,
        units=str(pattern[INTENSITY].attrs.get("units", "1")),
        noise_remark=noise_remark(pattern),
        smooth=_smooth_columns(angles, plan, transmission),
        warm=start is not None,
        starts=tuple(_start(phase, start, native) for phase in plan.phases),
        shift=_starting_shift(plan, start),
        note=note,
    )


def _smooth_columns(
    angles: Floats, plan: RefinementPlan, transmission: Floats
) -> tuple[Smooth, ...]:
    """Return the smooth columns that the native engine would use too.

    A few Gaussians placed on the halo are not enough: what they leave of its shape
    went into the weight fractions, five to nine standard uncertainties of them.
    """
    options = NativeOptions()
    unit = 2.0 * (angles - angles[0]) / (angles[-1] - angles[0]) - 1.0
    polynomial = np.polynomial.chebyshev.chebvander(unit, plan.background_terms - 1)
    columns = [
        Smooth(kind=CHEBYSHEV, path=f"instrument.background.c{n}", values=values)
        for n, values in enumerate(polynomial.T)
    ]
    places: list[tuple[str, tuple[float, float]]] = []
    if plan.halo:
        places += [(HALO, place) for place in halo_places(angles, plan, options)]
    places += [(HUMP, (center, options.hump_fwhm)) for center in plan.humps]
    columns += [
        Smooth(
            kind=kind,
            path=f"instrument.extra_components.{n}.height",
            values=gaussian_bump(angles, *place),
            place=place,
        )
        for n, (kind, place) in enumerate(places)
    ]
    if plan.blank is not None:
        blank = blank_column(plan.blank, angles) / transmission
        path = "instrument.background.scale"
        columns.append(Smooth(kind=BLANK, path=path, values=blank))
    return tuple(columns)


def _start(
    phase: Phase, start: RefinementResult | None, native: RefinementResult | None
) -> Start:
    """Return where a phase starts: a neighbour's values, else the plan's."""
    plain = Start(
        cell=phase.structure.cell,
        size_nm=START_SIZE_NM if phase.size is None else 0.1 * phase.size,
        microstrain=(
            START_MICROSTRAIN if phase.microstrain is None else phase.microstrain
        ),
    )
    source = start or (native if phase.cell_uncertain else None)
    if source is None:
        return plain
    cell = plain.cell
    if phase.refine_cell:
        edges = [_known(source, f"cell_{k}", phase.name, np.nan) for k in CELL_KEYS]
        if np.all(np.isfinite(edges)):
            cell = Cell(**dict(zip(CELL_KEYS, edges, strict=True)))
    if start is None:
        return Start(cell=cell, size_nm=plain.size_nm, microstrain=plain.microstrain)
    size_nm, microstrain = plain.size_nm, plain.microstrain
    if phase.refine_size:
        size_nm = _known(start, "size_nm", phase.name, size_nm)
    if phase.refine_strain:
        microstrain = _known(start, "microstrain", phase.name, microstrain)
    return Start(
        cell=cell,
        size_nm=size_nm,
        microstrain=microstrain,
        march_dollase=_known(start, "march_dollase", phase.name, 1.0),
        b_overall=_known(start, "b_overall", phase.name, 0.0),
    )


def _known(source: RefinementResult, name: str, phase: str, default: float) -> float:
    """Return a phase's number in a result, or ``default`` where there is none."""
    parameters = source.parameters
    if name not in parameters or phase not in parameters[PHASE].values:
        return default
    value = float(parameters[name].sel({PHASE: phase}))
    return value if np.isfinite(value) else default


def _starting_shift(plan: RefinementPlan, start: RefinementResult | None) -> float:
    name = "zero" if plan.shift == "zero" else "displacement"
    if start is None or plan.shift == "fixed" or name not in start.parameters:
        return 0.0
    value = float(start.parameters[name])
    return value if np.isfinite(value) else 0.0
