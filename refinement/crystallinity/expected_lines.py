"""A phase's lines as a result has them, drawn at any crystallite size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from refinement.plan import Phase, RefinementPlan
from refinement.result import CELL_KEYS, RefinementResult
from structkit.errors import PlanError, SchemaError
from structkit.schema import PHASE, TWO_THETA
from structkit.structures.crystal import Cell, CrystalStructure
from structkit.xrd.background import Film, film_transmission
from structkit.xrd.instrument import Instrument
from structkit.xrd.profiles import gaussian_width, lorentzian_width, mix_widths
from structkit.xrd.reflections import (
    list_reflections,
    lorentz_polarization,
    march_dollase,
    structure_factors,
)
from structkit.xrd.simulate import SimulatedPhase, simulate_phase

Floats = NDArray[np.float64]
_MASS_PROPORTIONAL = "native"
"""Engine whose scale has the unit of :func:`structkit.xrd.simulate.simulate_phase`."""
_SEEN = 5.0
"""Scale over esd from which a phase can tell the unit of the scales."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineList:
    """Lines of one phase, all emission lines of a reflection together."""

    hkl: NDArray[np.int64]
    """Indices, shape (n, 3)."""
    two_theta: Floats
    """Where the reference emission line is seen, degree, shape (n,)."""
    areas: Floats
    """Integrated intensity x degree per mass of the phase, shape (n,)."""

    @property
    def strongest(self) -> int:
        """Return the position of the strongest line."""
        return int(np.argmax(self.areas))


def list_lines(
    phase: SimulatedPhase,
    instrument: Instrument,
    *,
    two_theta_range: tuple[float, float],
    displacement: float = 0.0,
) -> LineList:
    """List the lines of a phase in a range, with their areas for equal masses.

    Parameters
    ----------
    phase : SimulatedPhase
        Structure, texture and overall B; size and weight do not matter.
    instrument : Instrument
        Wavelength, polarisation and zero.
    two_theta_range : tuple of float
        First and last angle, **degree**.
    displacement : float
        Shift in **degree** over cos(theta).

    Returns
    -------
    LineList
        Areas ``m |F|^2 P LP exp(-B/(2 d^2)) / (M V)``: electrons squared per (g/mol x
        cubic angstrom).

    Raises
    ------
    PlanError
        No reflection lies in the range.
    """
    low, high = two_theta_range
    wavelength = instrument.radiation.wavelength
    end = math.radians(min(high + 1.0, 179.0)) / 2.0
    found = list_reflections(phase.structure, wavelength / (2.0 * math.sin(end)))
    true = found.two_theta(wavelength)
    squared = structure_factors(phase.structure, found, wavelength=wavelength)
    areas = found.multiplicity * squared
    areas *= lorentz_polarization(true, instrument.polarization_ratio)
    areas *= np.exp(-phase.b_overall / (2.0 * found.d_spacing**2))
    if phase.texture is not None:
        areas *= march_dollase(
            found, phase.structure.cell, phase.texture, phase.march_r
        )
    areas /= phase.structure.cell_mass * phase.structure.cell.volume
    seen = true + displacement * np.cos(np.radians(true) / 2.0) + instrument.zero
    kept = (seen >= low) & (seen <= high)
    if not np.any(kept):
        raise PlanError(
            f"{phase.structure.name}: no reflection between {low:g} and {high:g} "
            "degree; check wavelength and range"
        )
    return LineList(hkl=found.hkl[kept], two_theta=seen[kept], areas=areas[kept])


def line_widths(
    two_theta: Floats,
    instrument: Instrument,
    *,
    size_nm: float | None,
    microstrain: float = 0.0,
) -> Floats:
    """Return the FWHM (degree) of lines of a size (nm; None: the instrument's)."""
    lorentzian = lorentzian_width(
        two_theta,
        instrument,
        wavelength=instrument.radiation.wavelength,
        size=None if size_nm is None else 10.0 * size_nm,
        microstrain=microstrain,
    )
    return mix_widths(gaussian_width(two_theta, instrument), lorentzian)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedPattern:
    """A result's curves as arrays, with what is needed to draw its phases."""

    result: RefinementResult
    plan: RefinementPlan
    instrument: Instrument
    """The plan's, with the width and the zero that were refined."""
    names: tuple[str, ...]
    """Phases of the result."""
    angles: Floats
    """Points, degree, shape (n_points,)."""
    observed: Floats
    std: Floats
    calculated: Floats
    component: Floats
    """Shape (n_phases, n_points)."""

    @property
    def gof(self) -> float:
        """Return the goodness of fit, 1 where the engine gives none."""
        return number(self.result, "gof", default=1.0)

    @property
    def displacement(self) -> float:
        """Return the fitted displacement, degree (times cos theta)."""
        return number(self.result, "displacement")

    def value(self, name: str, phase: int, *, default: float = math.nan) -> float:
        """Return a parameter of a phase, ``default`` where it is not known."""
        parameters = self.result.parameters
        found = float(parameters[name][phase]) if name in parameters else math.nan
        return found if math.isfinite(found) else default

    def phase_at(self, phase: int, *, size_nm: float | None = None) -> SimulatedPhase:
        """Return a phase as fitted, or at another crystallite size (nm)."""
        planned = _planned(self.plan, self.names[phase])
        size = self.value("size_nm", phase) if size_nm is None else size_nm
        return SimulatedPhase(
            structure=self._structure(planned, phase),
            size=10.0 * size if math.isfinite(size) else None,
            microstrain=max(self.value("microstrain", phase, default=0.0), 0.0),
            texture=planned.texture,
            march_r=self.value("march_dollase", phase, default=1.0),
            b_overall=self.value("b_overall", phase, default=0.0),
        )

    def lines_of(self, phase: int) -> LineList:
        """Return the lines of a phase in the range, film counted in."""
        listed = list_lines(
            self.phase_at(phase),
            self.instrument,
            two_theta_range=(float(self.angles[0]), float(self.angles[-1])),
            displacement=self.displacement,
        )
        return replace(listed, areas=listed.areas * self._film(listed.two_theta))

    def draw(self, phase: int, *, size_nm: float | None = None) -> Floats:
        """Return what a scale of 1 of a phase adds to the pattern.

        As fitted (``size_nm`` None) it is the fitted component over its scale, where
        that is above zero; else it is drawn from the structure, in the unit that a
        phase which is seen has.

        Raises
        ------
        SchemaError
            The scales of this engine have no known unit, and no phase tells it.
        """
        scale = self.value("scale", phase, default=0.0)
        if size_nm is None and scale > 0.0 and np.any(self.component[phase] > 0.0):
            return np.asarray(self.component[phase] / scale)
        tau = self.value("absorption_factor", phase, default=1.0)
        drawn = self._draw_bare(self.phase_at(phase, size_nm=size_nm))
        return np.asarray(self.unit * tau * drawn)

    def draw_phase(self, phase: SimulatedPhase) -> Floats:
        """Return what a scale of 1 of any phase would add to the pattern."""
        return self.unit * self._draw_bare(phase)

    @property
    def unit(self) -> float:
        """Return intensity per scale over that of a drawn phase: 1 for ``native``."""
        if self.result.engine.startswith(_MASS_PROPORTIONAL):
            return 1.0
        ratio = [
            self.value("scale", p, default=0.0) / self.value("scale_std", p)
            for p in range(len(self.names))
        ]
        best = int(np.argmax(np.nan_to_num(ratio)))
        if not np.nan_to_num(ratio)[best] > _SEEN:
            raise SchemaError(
                f"no phase is seen well enough to tell the unit of the scales of "
                f"{self.result.engine}; refine with a phase that is there"
            )
        tau = self.value("absorption_factor", best, default=1.0)
        drawn = tau * self._draw_bare(self.phase_at(best))
        area = float(self.component[best].sum()) / self.value("scale", best)
        return area / float(drawn.sum())

    def _draw_bare(self, phase: SimulatedPhase) -> Floats:
        lines = simulate_phase(
            phase, self.instrument, self.angles, displacement=self.displacement
        )
        return np.asarray(lines * self._film(self.angles))

    def _film(self, two_theta: Floats) -> Floats:
        thickness = self.plan.film_thickness_um or 0.0
        return film_transmission(two_theta, Film(thickness=thickness))

    def _structure(self, planned: Phase, phase: int) -> CrystalStructure:
        given = planned.structure.cell.parameters
        found = [
            self.value(f"cell_{key}", phase, default=start)
            for key, start in zip(CELL_KEYS, given, strict=True)
        ]
        return planned.structure.with_cell(
            Cell(**dict(zip(CELL_KEYS, found, strict=True)))
        )


def read_fit(result: RefinementResult, plan: RefinementPlan) -> FittedPattern:
    """Return a result's curves as arrays.

    Parameters
    ----------
    result : RefinementResult
        With ``observed``, ``observed_std``, ``calculated`` and ``component``.
    plan : RefinementPlan
        The plan that it was refined with.

    Raises
    ------
    SchemaError
        The fit failed or has no curves.
    PlanError
        A phase of the result is not in the plan.
    """
    curves = result.curves
    needed = ("observed", "observed_std", "calculated", "component")
    missing = [name for name in needed if name not in curves]
    if missing or not result.status.has_values:
        raise SchemaError(
            f"the result has no curves ({', '.join(missing) or 'the fit failed'}): "
            f"{result.reason or 'refine the pattern again'}"
        )
    names = tuple(str(name) for name in result.parameters[PHASE].to_numpy())
    for name in names:
        _planned(plan, name)
    component = curves["component"].transpose(PHASE, TWO_THETA)
    return FittedPattern(
        result=result,
        plan=plan,
        instrument=_refined_instrument(result, plan.instrument),
        names=names,
        angles=curves[TWO_THETA].to_numpy().astype(float),
        observed=curves["observed"].to_numpy().astype(float),
        std=curves["observed_std"].to_numpy().astype(float),
        calculated=curves["calculated"].to_numpy().astype(float),
        component=component.to_numpy().astype(float),
    )


def number(result: RefinementResult, name: str, *, default: float = 0.0) -> float:
    """Return a scalar of a result, ``default`` where it is absent or not finite."""
    parameters = result.parameters
    found = float(parameters[name]) if name in parameters else math.nan
    return found if math.isfinite(found) else default


def _planned(plan: RefinementPlan, name: str) -> Phase:
    for phase in plan.phases:
        if phase.name == name:
            return phase
    raise PlanError(
        f"the result has the phase {name!r}, the plan {', '.join(plan.phase_names)}: "
        "give the plan that the pattern was refined with"
    )


def _refined_instrument(result: RefinementResult, instrument: Instrument) -> Instrument:
    """Return the instrument with the extra W and the zero of the fit."""
    parameters, extra = result.parameters, 0.0
    if "parameter_name" in parameters and "values" in parameters:
        names = [str(name) for name in parameters["parameter_name"].to_numpy()]
        if "w_extra" in names:
            extra = float(parameters["values"][names.index("w_extra")])
    return replace(
        instrument,
        w=instrument.w + extra,
        zero=instrument.zero + number(result, "zero"),
    )
