"""Simulate the powder pattern of a mixture, line by line.

A direct sum over phases, emission lines and reflections: no windows, no operator. It
shares the physics with the refinement engine, but none of its numerics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from structkit.errors import PlanError
from structkit.schema import PHASE, TWO_THETA, make_pattern
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.background import (
    Film,
    Halo,
    chebyshev_background,
    film_hump,
    film_transmission,
    gaussian_halo,
)
from structkit.xrd.instrument import Instrument
from structkit.xrd.profiles import gaussian_width, lorentzian_width, sum_lines
from structkit.xrd.radiation import tube
from structkit.xrd.reflections import (
    FormFactor,
    Reflections,
    list_reflections,
    lorentz_polarization,
    march_dollase,
    structure_factors,
)
from structkit.xrd.scattering import form_factor

Floats = NDArray[np.float64]

PEAK_COUNTS = 5000.0
"""Height of the strongest Bragg maximum where no scale is given."""
_MARGIN = 10.0
_HIGHEST = 179.0

GRID = (10.0, 80.0, 0.03)
"""First and last angle and step of the study's patterns, degree."""

LABORATORY = Instrument(
    radiation=tube("CuKa"),
    u=0.002,
    v=-0.002,
    w=0.003,
    x=0.02,
    source="typical of a laboratory diffractometer with Cu K-alpha; not calibrated",
)
"""The instrument of a simulation that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPhase:
    """One crystalline phase of a simulated mixture."""

    structure: CrystalStructure
    """Atoms, symmetry and cell."""
    weight_fraction: float = 1.0
    """Share of the crystalline mass; the shares of all phases are scaled to 1."""
    size: float | None = None
    """Crystallite size in angstrom; None: no size broadening."""
    microstrain: float = 0.0
    """Strain eps, dimensionless."""
    texture: tuple[int, int, int] | None = None
    """March-Dollase axis hkl; None: no preferred orientation."""
    march_r: float = 1.0
    """March parameter: 1 random, below 1 platelets lying flat."""
    b_overall: float = 0.0
    """B in angstrom squared, added to the structure's own."""

    def __post_init__(self) -> None:
        """Refuse impossible values; each message names the phase."""
        name = self.structure.name
        if not (self.weight_fraction >= 0.0 and math.isfinite(self.weight_fraction)):
            raise PlanError(f"{name}: weight_fraction must not be negative")
        if self.size is not None and not self.size > 0.0:
            raise PlanError(f"{name}: size must be positive (angstrom), or None")
        if not self.microstrain >= 0.0:
            raise PlanError(f"{name}: microstrain must not be negative")
        if not self.march_r > 0.0:
            raise PlanError(f"{name}: march_r must be positive")
        if self.texture == (0, 0, 0):
            raise PlanError(f"{name}: texture needs a direction, not 0 0 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the pattern holds beside the crystals."""

    film: Film = field(default=Film())
    """Film over the sample."""
    halos: tuple[Halo, ...] = ()
    """Amorphous scattering of the sample; it passes the film as the lines do."""
    background: tuple[float, ...] = (100.0,)
    """Chebyshev coefficients, in intensity units."""


def study_grid() -> Floats:
    """Return the study's grid: 10 to 80 degree in steps of 0.03."""
    first, last, step = GRID
    return np.round(first + step * np.arange(round((last - first) / step) + 1), 6)


def simulate_pattern(
    phases: Sequence[SimulatedPhase],
    *,
    instrument: Instrument = LABORATORY,
    two_theta: ArrayLike | None = None,
    surroundings: Surroundings | None = None,
    displacement: float = 0.0,
    scale: float | None = None,
    peak_counts: float = PEAK_COUNTS,
    seed: int | None = None,
    anomalous: bool = True,
    form_factor: FormFactor = form_factor,
) -> xr.Dataset:
    """Simulate the powder pattern of a mixture.

    Parameters
    ----------
    phases : sequence of SimulatedPhase
        Crystalline phases; their weight fractions are scaled to add up to 1.
    instrument : Instrument
        Emission lines, resolution, polarisation, axial divergence, zero shift; by
        default a typical laboratory diffractometer with Cu K-alpha 1 and 2.
    two_theta : array_like, shape (n_points,), optional
        Ascending, in **degree**, above 0; by default the study's grid, 10 to 80 in
        steps of 0.03.
    surroundings : Surroundings, optional
        Film, halos and background; by default a flat background of 100.
    displacement : float
        Shift of each line in **degree** over cos(theta) (specimen displacement).
    scale : float, optional
        Counts per unit of the formula below; by default the strongest Bragg maximum
        becomes ``peak_counts``.
    peak_counts : float
        See ``scale``; without film.
    seed : int, optional
        Draw Poisson counts with this seed; None: the exact pattern.
    anomalous : bool
        Include f' and f''.
    form_factor : callable
        ``(element, sin_theta_over_lambda) -> f0``; IT92 by default.

    Returns
    -------
    xarray.Dataset
        A pattern (:mod:`structkit.schema`) in **count** with ``intensity_std`` (the
        square root of the counts, 1 at least), and: ``calculated`` (without noise),
        ``component`` (phase, two_theta), ``halo``, ``film``, ``background``, all in
        count and adding up to ``calculated``; over ``phase`` the truth:
        ``weight_fraction``, ``scale``, ``size`` (angstrom, NaN where not broadened),
        ``microstrain``, ``march_r``; scalars ``displacement`` and ``zero`` (degree).

    Raises
    ------
    PlanError
        When there is no phase or none with weight, two phases have one name, the
        angles are not usable, or no reflection lies in the range.

    Notes
    -----
    ``y = scale sum_p W_p / (M_p V_p) sum_hkl m |F|^2 P LP exp(-B/(2 d^2)) profile``,
    with the mass M (g/mol) and volume V (cubic angstrom) of the cell and a profile of
    area 1 per degree, for each emission line by its share.

    Examples
    --------
    >>> from structkit.structures.library import load
    >>> pattern = simulate_pattern([SimulatedPhase(structure=load("NaCl"))])
    >>> pattern.intensity.idxmax().item()
    31.69
    """
    grid = study_grid() if two_theta is None else np.asarray(two_theta, dtype=float)
    _check(phases, grid)
    around = surroundings or Surroundings()
    shares = _weight_fractions(phases)
    bragg = np.array(
        [
            simulate_phase(
                phase,
                instrument,
                grid,
                displacement=displacement,
                anomalous=anomalous,
                form_factor=form_factor,
            )
            for phase in phases
        ]
    )
    bragg *= shares[:, None]
    highest = float(bragg.sum(axis=0).max())
    if highest <= 0.0:
        raise PlanError("no reflection in the range; check wavelength and range")
    factor = peak_counts / highest if scale is None else scale
    transmission = film_transmission(grid, around.film)
    parts = {
        "halo": transmission * _sum_halos(grid, around.halos),
        "film": film_hump(grid, around.film),
        "background": chebyshev_background(grid, around.background),
    }
    component = factor * transmission * bragg
    calculated = component.sum(axis=0) + sum(parts.values())
    pattern = _make_pattern(grid, calculated, instrument, seed)
    return _add_truth(
        pattern, phases, instrument, component, parts, factor * shares, displacement
    )


def simulate_phase(
    phase: SimulatedPhase,
    instrument: Instrument,
    two_theta: Floats,
    *,
    displacement: float = 0.0,
    anomalous: bool = True,
    form_factor: FormFactor = form_factor,
) -> Floats:
    """Return the lines of one phase, divided by mass and volume of its cell.

    Parameters
    ----------
    phase : SimulatedPhase
        Its weight fraction is left out.
    instrument : Instrument
        As for :func:`simulate_pattern`.
    two_theta : numpy.ndarray, shape (n_points,)
        In **degree**.
    displacement : float
        In **degree** over cos(theta).
    anomalous : bool
        Include f' and f''.
    form_factor : callable
        As for :func:`simulate_pattern`.

    Returns
    -------
    numpy.ndarray, shape (n_points,)
        Electrons squared per (g/mol x cubic angstrom x degree).
    """
    radiation = instrument.radiation
    widths = radiation.widths or (0.0,) * len(radiation.wavelengths)
    reflections, strengths = _strengths(
        phase, instrument, float(two_theta[-1]), anomalous, form_factor
    )
    total = np.zeros_like(two_theta)
    for wavelength, share, width in zip(
        radiation.wavelengths, radiation.shares, widths, strict=True
    ):
        angles = reflections.two_theta(wavelength)
        seen = np.isfinite(angles) & (angles < _HIGHEST)
        angles = angles[seen]
        polarized = lorentz_polarization(angles, instrument.polarization_ratio)
        total += sum_lines(
            two_theta,
            angles,
            share * strengths[seen] * polarized,
            gaussian=gaussian_width(angles, instrument),
            lorentzian=lorentzian_width(
                angles,
                instrument,
                wavelength=wavelength,
                size=phase.size,
                microstrain=phase.microstrain,
                line_width=width,
            ),
            axial_divergence=instrument.axial_divergence,
            shift=displacement * np.cos(np.radians(angles) / 2.0) + instrument.zero,
        )
    return total


def _strengths(
    phase: SimulatedPhase,
    instrument: Instrument,
    last_angle: float,
    anomalous: bool,  # noqa: FBT001 - private, named by its only caller
    form_factor: FormFactor,
) -> tuple[Reflections, Floats]:
    """Return the reflections that reach the range, and m |F|^2 P T / (M V)."""
    structure, radiation = phase.structure, instrument.radiation
    highest = min(last_angle + _MARGIN + abs(instrument.zero), _HIGHEST)
    d_min = min(radiation.wavelengths) / (2.0 * math.sin(math.radians(highest) / 2.0))
    reflections = list_reflections(structure, d_min)
    squared = structure_factors(
        structure,
        reflections,
        wavelength=radiation.wavelength if anomalous else None,
        form_factor=form_factor,
    )
    strengths = reflections.multiplicity * squared
    strengths *= np.exp(-phase.b_overall / (2.0 * reflections.d_spacing**2))
    if phase.texture is not None:
        strengths *= march_dollase(
            reflections, structure.cell, phase.texture, phase.march_r
        )
    return reflections, strengths / (structure.cell_mass * structure.cell.volume)


def _check(phases: Sequence[SimulatedPhase], grid: Floats) -> None:
    """Refuse what cannot be simulated."""
    names = [phase.structure.name for phase in phases]
    if not names:
        raise PlanError("phases: a simulation needs at least one")
    if len(set(names)) != len(names):
        raise PlanError(f"phases: names must differ, got {', '.join(names)}")
    if sum(phase.weight_fraction for phase in phases) <= 0.0:
        raise PlanError("phases: the weight fractions are all zero")
    if grid.ndim != 1 or grid.size < 10 or np.any(np.diff(grid) <= 0.0):
        raise PlanError("two_theta: give at least 10 ascending angles")
    if not (grid[0] > 0.0 and grid[-1] < _HIGHEST):
        raise PlanError(f"two_theta: must lie between 0 and {_HIGHEST:g} degree")


def _weight_fractions(phases: Sequence[SimulatedPhase]) -> Floats:
    """Return the weight fractions, scaled to add up to 1."""
    weights = np.array([phase.weight_fraction for phase in phases], dtype=float)
    return np.asarray(weights / weights.sum())


def _sum_halos(grid: Floats, halos: Sequence[Halo]) -> Floats:
    """Return the sum of all halos, before the film."""
    total = np.zeros_like(grid)
    for halo in halos:
        total += gaussian_halo(grid, halo)
    return total


def _make_pattern(
    grid: Floats, calculated: Floats, instrument: Instrument, seed: int | None
) -> xr.Dataset:
    """Return the pattern, with Poisson noise where a seed is given."""
    counts = calculated
    if seed is not None:
        expected = np.maximum(calculated, 0.0)
        counts = np.random.default_rng(seed).poisson(expected).astype(float)
    return make_pattern(
        grid,
        counts,
        intensity_std=np.sqrt(np.maximum(counts, 1.0)),
        wavelength=instrument.radiation.wavelength,
        attrs={
            "reader": "structkit.xrd.simulate_pattern",
            "radiation": instrument.radiation.name,
            "noise": "none" if seed is None else f"Poisson, seed {seed}",
        },
    ).assign(calculated=_curve(calculated, "calculated intensity"))


def _curve(values: Floats, long_name: str) -> xr.DataArray:
    """Return a curve over two_theta in counts."""
    return xr.DataArray(
        values, dims=(TWO_THETA,), attrs={"units": "count", "long_name": long_name}
    )


def _add_truth(
    pattern: xr.Dataset,
    phases: Sequence[SimulatedPhase],
    instrument: Instrument,
    component: Floats,
    parts: dict[str, Floats],
    scales: Floats,
    displacement: float,
) -> xr.Dataset:
    """Add what the pattern was made from."""
    sizes = [math.nan if phase.size is None else phase.size for phase in phases]
    truth: dict[str, tuple[Sequence[float] | Floats, str, str]] = {
        "weight_fraction": (scales / scales.sum(), "1", "weight fraction"),
        "scale": (scales, "1", "scale factor"),
        "size": (sizes, "angstrom", "crystallite size"),
        "microstrain": ([phase.microstrain for phase in phases], "1", "microstrain"),
        "march_r": ([phase.march_r for phase in phases], "1", "March parameter"),
    }
    added = {
        name: xr.DataArray(
            np.asarray(values, dtype=float),
            dims=(PHASE,),
            attrs={"units": units, "long_name": long_name},
        )
        for name, (values, units, long_name) in truth.items()
    }
    added["component"] = xr.DataArray(
        component,
        dims=(PHASE, TWO_THETA),
        attrs={"units": "count", "long_name": "intensity of one phase"},
    )
    for name, values in parts.items():
        added[name] = _curve(values, name)
    for name, shift in (("displacement", displacement), ("zero", instrument.zero)):
        added[name] = xr.DataArray(
            float(shift), attrs={"units": "degree", "long_name": name}
        )
    names = [phase.structure.name for phase in phases]
    return pattern.assign(added).assign_coords({PHASE: (PHASE, names)})
