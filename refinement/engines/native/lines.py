"""All lines of a plan as flat arrays, and their positions, widths and areas."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from refinement.engines.native.lattice import STRAIN_UNIT, StrainBasis, strain_basis
from refinement.engines.native.layout import Layout
from refinement.plan import Phase, RefinementPlan, TextureModel
from structkit.errors import FitError
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.background import Film, film_transmission
from structkit.xrd.instrument import Instrument
from structkit.xrd.reflections import (
    list_reflections,
    squared_cosines,
    structure_factors,
)

Floats = NDArray[np.float64]
_DEGREE = 180.0 / math.pi
SCHERRER_K = 0.9
_D_STEP = 1e-3
_ANY_AXIS = (0, 0, 1)
"""Axis of the texture that is thought possible where the plan has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseLines:
    """Fixed facts of one phase's lines; arrays of shape (n_lines,)."""

    hkl: NDArray[np.int64]
    """Indices, shape (n_lines, 3)."""
    squared: Floats
    """1/d^2 at the starting cell, 1/angstrom^2."""
    squared_changes: Floats
    """Change of 1/d^2 per unit strain (1e-3), shape (n_strains, n_lines)."""
    strength: Floats
    """Multiplicity times |F|^2 over the cell mass, electrons^2 mol/g."""
    strength_slope: Floats
    """Relative change of it with ln(1/d^2), as the cell moves."""
    cosines: Floats
    """cos^2 to the texture axis (001 without one) of all equivalents, flat."""
    cosine_group: NDArray[np.int64]
    """First equivalent of each line in ``cosines``, shape (n_lines,)."""
    textured: bool
    """Whether March-Dollase texture is part of the plan."""
    harmonics: Floats
    """Symmetrised harmonics of each line, shape (n_harmonics, n_lines)."""
    basis: StrainBasis
    """Strains of the cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """Lines of one phase at given parameters; arrays of shape (n_lines,)."""

    theta: Floats
    """Bragg angle in radian, without shift."""
    squared: Floats
    """1/d^2, 1/angstrom^2."""
    centers: Floats
    """Observed 2theta of the reference line, degree."""
    gaussian: Floats
    """Gaussian FWHM, degree."""
    lorentzian: Floats
    """Lorentzian FWHM, degree."""
    size_width: Floats
    """Part of it due to size."""
    strain_width: Floats
    """Part of it due to microstrain."""
    areas: Floats
    """Area for a scale of 1, before texture harmonics."""
    march_slope: Floats
    """Relative change of the area by ln r."""


def prepare_phase(phase: Phase, instrument: Instrument, highest: float) -> PhaseLines:
    """List a phase's lines up to ``highest`` (2theta, degree) with their strengths."""
    return _prepare(
        phase.structure,
        instrument.radiation.wavelength,
        highest,
        phase.texture,
        phase.texture_model,
    )


@lru_cache(maxsize=64)
def _prepare(
    structure: CrystalStructure,
    wavelength: float,
    highest: float,
    texture: tuple[int, int, int] | None,
    texture_model: TextureModel,
) -> PhaseLines:
    d_min = wavelength / (2.0 * math.sin(math.radians(min(highest, 179.0)) / 2.0))
    reflections = list_reflections(structure, d_min)
    if len(reflections) == 0:
        raise FitError(
            f"phase {structure.name!r} has no reflection below {highest:.0f} degree at "
            f"{wavelength:g} angstrom; check the wavelength and the range"
        )
    squares = structure_factors(structure, reflections, wavelength=wavelength)
    moved = replace(reflections, d_spacing=reflections.d_spacing * (1.0 - _D_STEP))
    changed = structure_factors(structure, moved, wavelength=wavelength)
    slope = (changed - squares) / np.maximum(squares, 1e-9 * squares.max())
    basis = strain_basis(structure)
    hkl = reflections.hkl.astype(float)
    changes = np.einsum("ni,kij,nj->kn", hkl, basis.changes, hkl) * STRAIN_UNIT
    found = squared_cosines(reflections, structure.cell, texture or _ANY_AXIS)
    cosines = np.concatenate(found)
    group = np.cumsum([0] + [len(f) for f in found[:-1]]).astype(np.int64)
    harmonics = np.empty((0, len(reflections)))
    if texture is not None and texture_model == "harmonics":
        from refinement.engines.native.harmonics import symmetrised_harmonics

        harmonics = symmetrised_harmonics(structure, reflections)
    return PhaseLines(
        hkl=reflections.hkl,
        squared=1.0 / reflections.d_spacing**2,
        squared_changes=changes,
        strength=reflections.multiplicity * squares / structure.cell_mass,
        strength_slope=slope / (2.0 * _D_STEP),
        cosines=cosines,
        cosine_group=group,
        textured=texture is not None and texture_model == "march-dollase",
        harmonics=harmonics,
        basis=basis,
    )


def _march(lines: PhaseLines, ln_r: float) -> tuple[Floats | float, Floats]:
    if ln_r == 0.0 and not lines.textured:
        return 1.0, np.zeros_like(lines.squared)
    r = math.exp(ln_r)
    inner = r * r * lines.cosines + (1.0 - lines.cosines) / r
    power = inner**-1.5
    slope = -1.5 * power / inner * (2.0 * r * r * lines.cosines)
    slope += 1.5 * power / inner * (1.0 - lines.cosines) / r
    counts = np.diff(np.append(lines.cosine_group, lines.cosines.size))
    factor = np.add.reduceat(power, lines.cosine_group) / counts
    change = np.add.reduceat(slope, lines.cosine_group) / counts
    return factor, change / factor


def line_state(
    lines: PhaseLines,
    number: int,
    values: Floats,
    layout: Layout,
    plan: RefinementPlan,
) -> LineState:
    """Return positions, widths and areas of phase ``number`` at ``values``."""
    instrument = plan.instrument
    strains = values[layout.strain_slices[number]]
    after = layout.strain_slices[number].stop
    ln_size, ln_strain, ln_march, b_overall = values[after : after + 4]
    squared = lines.squared + strains @ lines.squared_changes
    wavelength = instrument.radiation.wavelength
    sine = np.clip(0.5 * wavelength * np.sqrt(squared), 1e-4, 0.99999)
    theta = np.arcsin(sine)
    cosine = np.sqrt(1.0 - sine * sine)
    tangent = sine / cosine
    u, v, w, x, y = resolution(values, layout, instrument)
    w_extra = values[layout.names.index("w_extra")]
    variance = (u * tangent + v) * tangent + w + w_extra
    size_width = _DEGREE * SCHERRER_K * wavelength / (math.exp(ln_size) * cosine)
    strain_width = _DEGREE * 4.0 * math.exp(ln_strain) * tangent
    lorentzian = size_width + strain_width + x / cosine + y * tangent
    ratio = instrument.polarization_ratio
    polarization = 1.0 + ratio * np.square(1.0 - 2.0 * sine * sine)
    lorentz = polarization / ((1.0 + ratio) * sine * sine * cosine)
    texture, slope = _march(lines, ln_march)
    volume = lines.basis.volume(strains)
    drift = lines.strength_slope * np.log(squared / lines.squared)
    strength = lines.strength * np.maximum(1.0 + drift, 0.0)
    areas = strength * lorentz * texture / volume
    thickness = film_thickness(values, layout, plan)
    if thickness:
        areas = areas * film_transmission(
            2.0 * _DEGREE * theta, Film(thickness=thickness)
        )
    if b_overall != 0.0:
        areas = areas * np.exp(-0.5 * b_overall * squared)
    shift = values[layout.names.index("shift")]
    moved = shift * cosine if plan.shift == "displacement" else shift
    return LineState(
        theta=theta,
        squared=squared,
        centers=2.0 * _DEGREE * theta + instrument.zero + moved,
        gaussian=np.sqrt(np.maximum(variance, 1e-6)),
        lorentzian=np.maximum(lorentzian, 1e-5),
        size_width=size_width,
        strain_width=strain_width,
        areas=areas,
        march_slope=slope,
    )


def film_thickness(values: Floats, layout: Layout, plan: RefinementPlan) -> float:
    """Return the film's thickness in micrometre: the plan's, or the refined one."""
    if "film" in layout.kinds:
        return float(values[layout.names.index("film")])
    return plan.film_thickness_um or 0.0


def resolution(
    values: Floats, layout: Layout, instrument: Instrument
) -> tuple[float, float, float, float, float]:
    """Return U, V, W, X, Y: the instrument's, or those being calibrated."""
    if layout.instrument:
        u, v, w, x, y = values[-6:-1]
        return float(u), float(v), float(w), float(x), float(y)
    return instrument.u, instrument.v, instrument.w, instrument.x, instrument.y
