"""What to refine: phases, instrument, range, stages. Physics, no engine's tricks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import xarray as xr

from structkit.errors import PlanError
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.instrument import Instrument

LARGEST_PARTICLE_UM = 10.0
"""Particle diameter above which microabsorption is not modelled, micrometre."""
TextureModel = Literal["march-dollase", "harmonics"]
ShiftModel = Literal["displacement", "zero", "fixed"]
Group = Literal[
    "cell",
    "shift",
    "size",
    "strain",
    "resolution",
    "texture",
    "b_overall",
    "instrument",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One crystalline phase of the plan and what is free about it."""

    structure: CrystalStructure
    """Atoms, symmetry and starting cell."""
    cell_uncertain: bool = False
    """The cell is known only to some per cent: search widely before refining."""
    texture: tuple[int, int, int] | None = None
    """March-Dollase axis hkl; None: no preferred orientation."""
    texture_model: TextureModel = "march-dollase"
    """``march-dollase``, or ``harmonics`` (symmetrised to order 4; axis unused)."""
    refine_cell: bool = True
    """Refine the cell within its symmetry."""
    refine_size: bool = True
    """Refine the Lorentzian size broadening."""
    refine_strain: bool = True
    """Refine the microstrain broadening."""
    refine_b_overall: bool = False
    """Refine one overall B (angstrom squared) added to the structure's own."""
    size: float | None = None
    """Starting (or fixed) crystallite size in angstrom; None: the engine's choice."""
    microstrain: float | None = None
    """Starting (or fixed) microstrain, dimensionless; None: the engine's choice."""
    particle_size_um: float | None = None
    """Particle diameter in micrometre for this phase's Brindley correction."""

    @property
    def name(self) -> str:
        """Return the phase's name."""
        return self.structure.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a refinement: the groups of parameters that are free in it."""

    name: str
    free: frozenset[Group]


DEFAULT_STAGES = (
    Stage(name="positions", free=frozenset({"cell", "shift"})),
    Stage(
        name="widths", free=frozenset({"cell", "shift", "size", "strain", "resolution"})
    ),
    Stage(
        name="texture",
        free=frozenset(
            {
                "cell",
                "shift",
                "size",
                "strain",
                "resolution",
                "texture",
                "b_overall",
            }
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalStandard:
    """A standard weighed into the sample."""

    phase: str
    """Name of the phase that is the standard."""
    weight_fraction: float
    """Weighed fraction of the spiked mixture, in (0, 1)."""
    weight_fraction_std: float = 0.0
    """1 sigma of it."""
    crystallinity: float = 1.0
    """Crystalline share of the standard, in (0, 1]."""
    crystallinity_std: float = 0.0
    """1 sigma of it."""

    def __post_init__(self) -> None:
        """Refuse impossible fractions."""
        if not 0.0 < self.weight_fraction < 1.0:
            raise PlanError("internal_standard.weight_fraction must lie in (0, 1)")
        if not 0.0 < self.crystallinity <= 1.0:
            raise PlanError("internal_standard.crystallinity must lie in (0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementPlan:
    """Everything that an engine needs beside the pattern."""

    phases: tuple[Phase, ...]
    """Crystalline phases, in table order."""
    instrument: Instrument
    """The diffractometer."""
    two_theta_range: tuple[float, float] | None = None
    """First and last angle used, degree; None: all."""
    exclude: tuple[tuple[float, float], ...] = ()
    """Ranges left out, degree."""
    background_terms: int = 6
    """Chebyshev terms of the background (never amorphous area)."""
    halo: bool = True
    """Model amorphous scattering (the bank whose area is *amorphous area*)."""
    humps: tuple[float, ...] = ()
    """Centres (degree) of film or holder humps: background, not amorphous area."""
    blank: xr.Dataset | None = field(default=None, compare=False)
    """Measured pattern of film or holder, fitted with one scale >= 0."""
    film_thickness_um: float | None = None
    """Thickness (micrometre) of a Kapton film over the sample, crossed twice."""
    shift: ShiftModel = "displacement"
    """Which line shift is refined."""
    refine_resolution: bool | None = None
    """Refine a Gaussian width that adds to the instrument's W; None: only when the
    instrument was not calibrated on a standard."""
    particle_size_um: float | None = None
    """Particle diameter (micrometre) of all phases for the Brindley correction."""
    internal_standard: InternalStandard | None = None
    """Weighed standard, where there is one."""
    stages: tuple[Stage, ...] = DEFAULT_STAGES
    """Order in which parameters are freed."""

    def __post_init__(self) -> None:
        """Refuse plans that cannot be run; each message names its field."""
        sizes = [self.particle_size_um, *(p.particle_size_um for p in self.phases)]
        for size in sizes:
            if size is not None and not 0.0 < size <= LARGEST_PARTICLE_UM:
                raise PlanError(
                    f"particle_size_um is {size:g}; the microabsorption of spheres "
                    f"holds up to {LARGEST_PARTICLE_UM:g} micrometre: grind finer"
                )
        names = [phase.name for phase in self.phases]
        if not names:
            raise PlanError("phases: a plan needs at least one phase")
        if len(set(names)) != len(names):
            raise PlanError(f"phases: names must differ, got {names}")
        if self.background_terms < 1:
            raise PlanError("background_terms must be at least 1")
        if self.film_thickness_um is not None and self.film_thickness_um < 0.0:
            raise PlanError("film_thickness_um must not be negative")
        limits = self.two_theta_range
        if limits is not None and not limits[0] < limits[1]:
            raise PlanError(f"two_theta_range must ascend, got {limits}")
        for low, high in self.exclude:
            if not low < high:
                raise PlanError(f"exclude: each range must ascend, got {[low, high]}")
        standard = self.internal_standard
        if standard is not None and standard.phase not in names:
            raise PlanError(
                f"internal_standard.phase {standard.phase!r} is no phase of the plan"
            )

    @property
    def refines_resolution(self) -> bool:
        """Return whether an additional Gaussian width is refined."""
        if self.refine_resolution is None:
            return not self.instrument.calibrated
        return self.refine_resolution

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Return the names of the phases, in order."""
        return tuple(phase.name for phase in self.phases)
