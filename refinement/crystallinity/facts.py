"""What is known of a series beside its patterns: what was weighed in, and what it does.

Amounts become contents only through facts that no pattern holds: the composition of
the closed jar, the attenuation of its parts, which sample is known. They are gathered
once, here, and every method reads them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity.closure import Composition
from refinement.plan import LARGEST_PARTICLE_UM, InternalStandard, RefinementPlan
from structkit.errors import PlanError, StructureError
from structkit.structures.attenuation import mass_attenuation
from structkit.structures.composition import parse_formula
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.background import KAPTON_MU

Floats = NDArray[np.float64]

UNMILLED = "unmilled"
MONITOR = "monitor"
SPIKED = "spiked"
SOURCES = (SPIKED, MONITOR, UNMILLED)
"""Where an instrument constant may come from, the best first."""
PARTICLE_SIZE_UM = (1.0, 5.0)
"""Particle diameters (micrometre) taken for a powder of which none is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFacts:
    """A crystalline phase: what it is made of."""

    structure: CrystalStructure
    """Atoms and cell."""
    attenuation: float
    """Total mass attenuation coefficient, **cm2/g**."""

    @property
    def name(self) -> str:
        """Return the name in every table."""
        return self.structure.name

    @property
    def linear_attenuation(self) -> float:
        """Return the linear attenuation coefficient, **1/cm**."""
        return self.attenuation * self.structure.density


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """One sample: what was weighed in, and what it stands for."""

    milling_time: float = math.nan
    """Milling time, **h**; NaN where unknown."""
    role: str | None = None
    """Its role in the series."""
    composition: Composition | None = None
    """Atoms of the sample without any standard; None where nothing is known."""
    composition_remark: str = ""
    """Where measured and weighed composition disagree, in words; else empty."""
    weighed: Mapping[str, float] = field(default_factory=dict)
    """Weight fraction of each phase of the plan among what was weighed in."""
    known: Mapping[str, float] = field(default_factory=dict)
    """Weight fraction of each phase of a sample that is known and crystalline: the
    hand-ground mixture before milling. Empty: nothing of it is known."""
    spike: InternalStandard | None = None
    """Standard weighed into this sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """A pattern of a known powder, measured as the samples were."""

    phase: str
    """Its phase."""
    scale: float
    """Mass-proportional scale of the phase in it."""
    scale_std: float
    """1 sigma of it."""
    attenuation: float
    """Mass attenuation coefficient of the powder, **cm2/g**."""
    weight_fraction: float = 1.0
    """Crystalline weight fraction of the phase in it."""
    linear_contrast: float = 0.0
    """Linear attenuation of the phase less that of the powder, **1/cm**."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalStandard:
    """How absolute amounts may be read from scales (SCIENCE B4)."""

    source: str | None = None
    """``unmilled``, ``monitor`` or ``spiked``; None: the best there is."""
    sample: str | None = None
    """The spiked sample; None: the first that has a spike."""
    monitor: Monitor | None = None
    """The monitor's pattern, refined."""
    transfer_std: float = 0.05
    """Relative 1 sigma of one pattern's scale against the reference's: tube, filling,
    surface."""
    particle_size_um: tuple[float, float] = PARTICLE_SIZE_UM
    """Smallest and largest particle diameter of the reference, micrometre."""
    film_thickness_std_um: float = 0.0
    """1 sigma of the film's thickness from sample to sample, micrometre."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning; each message names its field."""
        if self.source is not None and self.source not in SOURCES:
            raise PlanError(
                f"external_standard.source {self.source!r}: choose among {SOURCES}"
            )
        if not 0.0 <= self.transfer_std < 1.0:
            raise PlanError("external_standard.transfer_std must lie in [0, 1)")
        low, high = self.particle_size_um
        if not 0.0 < low <= high:
            raise PlanError(
                f"external_standard.particle_size_um {[low, high]}: give the smallest "
                "and the largest diameter, ascending"
            )
        if high > LARGEST_PARTICLE_UM:
            raise PlanError(
                f"external_standard.particle_size_um reaches {high:g}; microabsorption "
                f"of spheres holds up to {LARGEST_PARTICLE_UM:g} micrometre: grind "
                "finer, or take a monitor or a spiked sample in place of this reference"
            )
        if self.film_thickness_std_um < 0.0:
            raise PlanError("film_thickness_std_um must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFacts:
    """Everything about a series that its patterns do not say."""

    phases: Mapping[str, PhaseFacts]
    """By name, in the order of the plan."""
    samples: Mapping[str, SampleFacts]
    """By id, in the order of the series."""
    wavelength: float
    """Mean wavelength, **angstrom**, at which attenuation was taken."""
    polarization_ratio: float = 1.0
    """K of the polarisation factor."""
    film_thickness_um: float = 0.0
    """Kapton over the samples, micrometre; 0: none."""
    blank: xr.Dataset | None = None
    """Measured pattern of film or holder alone."""
    external: ExternalStandard = field(default_factory=ExternalStandard)
    """How scales become amounts."""
    plan: RefinementPlan | None = None
    """The plan that was refined; without it nothing is asked of single lines."""
    remainder: tuple[str, ...] | None = None
    """Compounds of which the amorphous part may be made; None: any."""
    calibrated: bool = False
    """Whether the instrument's resolution was fitted to a standard."""

    @property
    def formulas(self) -> dict[str, str]:
        """Return the formula of each phase."""
        return {name: phase.structure.formula for name, phase in self.phases.items()}

    def attenuation_of(self, sample: str) -> float:
        """Return the mass attenuation coefficient of a sample as measured, **cm2/g**.

        A spiked sample's includes its standard. NaN where the composition is unknown.
        """
        facts = self.samples[sample]
        if facts.composition is None:
            return math.nan
        own = composition_attenuation(facts.composition, self.wavelength)
        if facts.spike is None:
            return own
        share = facts.spike.weight_fraction
        return (1.0 - share) * own + share * self.phases[facts.spike.phase].attenuation

    def plan_of(self, sample: str, phases: Sequence[str]) -> RefinementPlan:
        """Return the plan by which a sample with ``phases`` was refined.

        Raises
        ------
        PlanError
            There is no plan among the facts.
        """
        if self.plan is None:
            raise PlanError("the facts of the series hold no plan")
        return replace(
            self.plan,
            phases=tuple(p for p in self.plan.phases if p.name in phases),
            internal_standard=self.samples[sample].spike,
        )

    def film_slope(self, two_theta: Floats) -> Floats:
        """Return ``-d ln(transmission) / d thickness``, 1/micrometre."""
        sine = np.sin(np.radians(np.asarray(two_theta)) / 2.0)
        return np.asarray(2.0 * KAPTON_MU * 1e-4 / sine)


def composition_attenuation(composition: Composition, wavelength: float) -> float:
    """Return the mass attenuation coefficient of a composition, **cm2/g**."""
    atoms = zip(composition.elements, composition.atoms.tolist(), strict=True)
    return mass_attenuation({e: n for e, n in atoms if n > 0.0}, wavelength)


def phase_facts(plan: RefinementPlan) -> dict[str, PhaseFacts]:
    """Return what the phases of a plan are made of.

    Raises
    ------
    StructureError
        An element or wavelength without a table of attenuation.
    """
    wavelength = plan.instrument.radiation.mean_wavelength
    return {
        phase.name: PhaseFacts(
            structure=phase.structure,
            attenuation=mass_attenuation(dict(phase.structure.atom_counts), wavelength),
        )
        for phase in plan.phases
    }


def known_fractions(
    mixture: Mapping[str, float], formulas: Mapping[str, str]
) -> dict[str, float]:
    """Return the weight fraction of each phase of a mixture that was only mixed.

    Parameters
    ----------
    mixture : mapping of str to float
        Moles of each substance, by formula or phase name.
    formulas : mapping of str to str
        Formula of each phase of the plan.

    Returns
    -------
    dict of str to float
        By phase; a substance that is no phase of the plan counts in the total and is
        left out.

    Raises
    ------
    StructureError
        A name that is neither a phase nor a formula.
    """
    from structkit.structures.composition import molar_mass

    masses = {
        name: moles * molar_mass(formulas.get(name, name))
        for name, moles in mixture.items()
    }
    total = sum(masses.values())
    found: dict[str, float] = {}
    for name, mass in masses.items():
        phase = name if name in formulas else _phase_of(name, formulas)
        if phase is not None:
            found[phase] = found.get(phase, 0.0) + mass / total
    return found


def _phase_of(formula: str, formulas: Mapping[str, str]) -> str | None:
    """Return the one phase of a composition; None: there is none, or several."""
    wanted = _reduced(formula)
    same = [name for name, own in formulas.items() if _reduced(own) == wanted]
    return same[0] if len(same) == 1 else None


def _reduced(formula: str) -> dict[str, float]:
    """Return the share of each element among the atoms, to 1e-6."""
    try:
        atoms = parse_formula(formula)
    except StructureError:
        return {}
    total = sum(atoms.values())
    return {element: round(count / total, 6) for element, count in atoms.items()}
