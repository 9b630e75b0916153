"""What to refine: phases, instrument, range, stages. Physics, no engine's tricks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import xarray as xr

from structkit.errors import PlanError
from structkit.schema import INTENSITY, TWO_THETA
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.instrument import Instrument

LARGEST_PARTICLE_UM = 10.0
"""Particle diameter above which microabsorption is not modelled, micrometre."""
TextureModel = Literal["march-dollase", "harmonics"]
ShiftModel = Literal["displacement", "zero", "fixed"]
Baseline = Literal["none", "constant", "line"]
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
class Component:
    """A measured pattern as a linear column of the refinement.

    A glass, a clay, a mineral of a library, the glassy end of a series, an empty
    holder: scaled (>= 0) and, unless it is told to stay, shifted; never broadened. It
    must have been measured with the same optics as the sample, under the same film.
    """

    name: str
    """Name in every table; no phase may have it."""
    pattern: xr.Dataset = field(compare=False)
    """The measured pattern (:mod:`structkit.schema`); it covers the range in use."""
    rir: float | None = None
    """Reference intensity ratio: height of the strongest point over that of corundum
    in a 1:1 mixture by weight."""
    rir_std: float | None = None
    """1 sigma of it; None: unknown, and in no uncertainty."""
    calibration: float | None = None
    """Mass-proportional scale (that of the structures) per unit of the column."""
    calibration_std: float | None = None
    """1 sigma of it; None: unknown, and in no uncertainty."""
    height: float | None = None
    """Height of the strongest point that ``rir`` refers to, in the pattern's units;
    None: its largest value as measured, baseline and all."""
    crystalline: bool = True
    """Whether it counts as crystalline (a mineral) or as amorphous (a glass)."""
    background: bool = False
    """Whether it is no part of the sample (an empty holder, a film)."""
    shift: bool = True
    """Refine a small shift of its angles beside the one that all share."""
    subtract: Baseline = "none"
    """Baseline taken off the pattern before use: the largest constant or line below
    it. What is not taken off goes with the amount, and takes from the background."""

    def __post_init__(self) -> None:
        """Refuse what has no amount or no sense; each message names its field."""
        here = f"component {self.name!r}"
        given = (self.rir is not None) + (self.calibration is not None)
        if self.background and given:
            raise PlanError(f"{here}: a background has no rir and no calibration")
        if not self.background and given != 1:
            raise PlanError(
                f"{here}: give either rir or calibration, or set background = true "
                "where it is no part of the sample"
            )
        for key in ("rir", "calibration", "height"):
            value = getattr(self, key)
            if value is not None and not 0.0 < value < np.inf:
                raise PlanError(f"{here}: {key} must be positive, got {value:g}")
        for key in ("rir", "calibration"):
            spread = getattr(self, f"{key}_std")
            if spread is not None and not (
                getattr(self, key) is not None and 0.0 <= spread < np.inf
            ):
                raise PlanError(
                    f"{here}: {key}_std must not be negative, and needs {key}"
                )
        if self.pattern[TWO_THETA].size < 4 or self.top <= 0.0:
            raise PlanError(f"{here}: its pattern holds no intensity; measure it again")

    @property
    def top(self) -> float:
        """Return the height of the strongest point that ``rir`` refers to."""
        if self.height is not None:
            return self.height
        return float(self.pattern[INTENSITY].max())

    @property
    def span(self) -> tuple[float, float]:
        """Return the first and last angle of its pattern, degree."""
        angles = self.pattern[TWO_THETA].to_numpy()
        return float(angles[0]), float(angles[-1])


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
    """Name of the phase, or of the measured component, that is the standard."""
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
    """Crystalline phases, in table order; none only beside measured components."""
    instrument: Instrument
    """The diffractometer."""
    components: tuple[Component, ...] = ()
    """Measured patterns as columns beside the phases (engine native only)."""
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
        if not names and all(part.background for part in self.components):
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
        self._check_components(names)
        weighed = [part.name for part in self.components if not part.background]
        standard = self.internal_standard
        if standard is not None and standard.phase not in [*names, *weighed]:
            raise PlanError(
                f"internal_standard.phase {standard.phase!r} is no phase of the plan"
            )

    def _check_components(self, phases: list[str]) -> None:
        """Refuse components that take a name twice, or do not cover the range."""
        taken = set(phases)
        for part in self.components:
            if part.name in taken:
                raise PlanError(
                    f"components: {part.name!r} is the name of a phase or of another "
                    "component; give another"
                )
            taken.add(part.name)
            low, high = self.two_theta_range or part.span
            first, last = part.span
            if first > low + 1e-9 or last < high - 1e-9:
                raise PlanError(
                    f"component {part.name!r} covers {first:g}-{last:g} degree, the "
                    f"range in use is {low:g}-{high:g}; measure it over that range, or "
                    "set range"
                )

    @property
    def refines_resolution(self) -> bool:
        """Return whether an additional Gaussian width is refined."""
        if self.refine_resolution is None:
            return not self.instrument.calibrated
        return self.refine_resolution

    @property
    def component_names(self) -> tuple[str, ...]:
        """Return the names of the measured components, in order."""
        return tuple(part.name for part in self.components)

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Return the names of the phases, in order."""
        return tuple(phase.name for phase in self.phases)
